//===- PlaceRegions.cpp - Give each region a device -----------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "dialects/Dycl/IR/DyclOps.h"
#include "passes/Passes.h"
#include "passes/Utils/Locations.h"
#include "passes/Utils/Placement.h"
#include "passes/Utils/Regions.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/GlobPattern.h"
#include "llvm/Support/Path.h"

namespace dycl {
#define GEN_PASS_DEF_DYCLPLACEREGIONSPASS
#include "passes/Passes.h.inc"
} // namespace dycl

using namespace mlir;
using namespace dycl;

/// The names by which a rule may call a region: its own, and FILE:LINE of each line that it computes, with and without
/// the file's folder.
static SmallVector<std::string> getNames(func::FuncOp region) {
  SmallVector<std::string> names = {region.getSymName().str()};
  for (FileLineColLoc line : findUserLines(region.getLoc())) {
    StringRef file = line.getFilename().getValue();
    for (StringRef name : {llvm::sys::path::filename(file), file})
      names.push_back((name + ":" + Twine(line.getLine())).str());
  }
  return names;
}

/// "region_0 (net.py:3)", where it begins.
static std::string describe(func::FuncOp region) {
  SmallVector<std::string> names = getNames(region);
  return names.size() > 1 ? names[0] + " (" + names[1] + ")" : names[0];
}

namespace {

struct PlaceRegionsPass : public dycl::impl::DyclPlaceRegionsPassBase<PlaceRegionsPass> {
  using DyclPlaceRegionsPassBase::DyclPlaceRegionsPassBase;

  void runOnOperation() override {
    SmallVector<ProgramOp> programs(getOperation().getOps<ProgramOp>());
    if (programs.size() != 1) {
      getOperation().emitError() << "holds " << programs.size() << " programs; expected one dycl.program";
      return signalPassFailure();
    }
    FailureOr<SmallVector<DeviceModel>> devices = readModels();
    if (failed(devices) || failed(place(programs.front(), *devices)))
      signalPassFailure();
  }

private:
  FailureOr<unsigned> findDevice(StringRef name, const Twine &where);
  FailureOr<SmallVector<DeviceModel>> readModels();
  LogicalResult place(ProgramOp program, ArrayRef<DeviceModel> devices);
  LogicalResult applyRules(ProgramOp program, ArrayRef<func::FuncOp> regions,
                           llvm::MapVector<func::FuncOp, unsigned> &chosen);
};

FailureOr<unsigned> PlaceRegionsPass::findDevice(StringRef name, const Twine &where) {
  for (auto [device, target] : llvm::enumerate(targets))
    if (target == name)
      return device;
  return emitError(getOperation().getLoc())
         << where << " names the target '" << name << "'; there are: " << llvm::join(targets, ", ");
}

/// The model of each target: that of its backend, unless one is given as NAME=GFLOPS:GBPS:CALL_US:LINK_GBPS:LINK_US.
FailureOr<SmallVector<DeviceModel>> PlaceRegionsPass::readModels() {
  if (targets.empty())
    return getOperation().emitError("no targets are given to place regions on");
  auto devices = llvm::map_to_vector(targets, [](const std::string &name) { return DeviceModel::of(name); });
  for (StringRef model : models) {
    auto [name, text] = model.split('=');
    FailureOr<unsigned> device = findDevice(name, "model '" + model + "'");
    if (failed(device))
      return failure();
    SmallVector<StringRef> parts;
    text.split(parts, ':');
    SmallVector<double> numbers(parts.size());
    bool isWrong = parts.size() != 5;
    for (auto [part, number] : llvm::zip_equal(parts, numbers))
      isWrong |= part.getAsDouble(number) || !(number > 0);
    if (isWrong)
      return getOperation().emitError() << "model '" << model
                                        << "' is not TARGET=GFLOPS:GBPS:CALL_US:LINK_GBPS:LINK_US, all above 0";
    devices[*device] = {numbers[0], numbers[1], numbers[2], numbers[3], numbers[4]};
  }
  return devices;
}

/// The device of each region that a rule names; of several rules the last one counts.
LogicalResult PlaceRegionsPass::applyRules(ProgramOp program, ArrayRef<func::FuncOp> regions,
                                           llvm::MapVector<func::FuncOp, unsigned> &chosen) {
  for (StringRef rule : rules) {
    auto [pattern, target] = rule.rsplit('=');
    if (pattern.empty() || target.empty())
      return emitError(program.getLoc()) << "placement rule '" << rule << "' is not PATTERN=TARGET";
    FailureOr<unsigned> device = findDevice(target, "placement rule '" + rule + "'");
    if (failed(device))
      return failure();
    llvm::Expected<llvm::GlobPattern> glob = llvm::GlobPattern::create(pattern);
    if (!glob)
      return emitError(program.getLoc()) << "'" << pattern << "' is no pattern: " << llvm::toString(glob.takeError());
    bool isUsed = false;
    for (func::FuncOp region : regions)
      if (llvm::any_of(getNames(region), [&](StringRef name) { return glob->match(name); })) {
        chosen[region] = *device;
        isUsed = true;
      }
    if (!isUsed)
      return emitError(program.getLoc()) << "'" << pattern << "' is no region; there are: "
                                         << llvm::join(llvm::map_range(regions, describe), ", ");
  }
  return success();
}

LogicalResult PlaceRegionsPass::place(ProgramOp program, ArrayRef<DeviceModel> devices) {
  llvm::MapVector<func::FuncOp, SmallVector<InvokeOp>> invokes = collectInvokes(getOperation());
  auto regions = llvm::map_to_vector(invokes, [](auto &entry) { return entry.first; });
  llvm::MapVector<func::FuncOp, unsigned> chosen;
  if (failed(applyRules(program, regions, chosen)))
    return failure();

  HostDataflow dataflow(program);
  Placement placement(program, dataflow, devices);
  for (auto &[region, calls] : invokes) {
    HostDataflow::Place place = dataflow.getRegions().find(region.getSymNameAttr())->second;
    double runs = 0;
    for (InvokeOp invoke : calls)
      runs += estimateRuns(invoke->getBlock());
    placement.setCost(place, region->getAttrOfType<CostAttr>(kCostAttr), runs);
    if (auto *rule = chosen.find(region); rule != chosen.end())
      placement.fix(place, rule->second);
    else if (!automatic)
      placement.fix(place, 0);
  }
  placement.minimize();

  for (func::FuncOp region : regions) {
    unsigned device = placement.getDevice(dataflow.getRegions().find(region.getSymNameAttr())->second);
    region->setAttr(kAffinityAttr, StringAttr::get(&getContext(), targets[device]));
    numAway += device != 0;
  }
  program.setHomeAttr(StringAttr::get(&getContext(), targets.front()));
  return success();
}

} // namespace
