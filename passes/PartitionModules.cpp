//===- PartitionModules.cpp - One module a region --------------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "dialects/Dycl/IR/DyclOps.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/OperationSupport.h"
#include "passes/Passes.h"
#include "passes/Utils/IreeOps.h"
#include "passes/Utils/PackedWeights.h"
#include "passes/Utils/Regions.h"
#include "llvm/ADT/MapVector.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringSet.h"

namespace dycl {
#define GEN_PASS_DEF_DYCLPARTITIONMODULESPASS
#include "passes/Passes.h.inc"
} // namespace dycl

using namespace mlir;
using namespace dycl;

namespace {

/// Regions that differ in nothing but the weights they read, and so in one module.
struct ModuleGroup {
  SmallVector<func::FuncOp> functions;
  /// The code of all of them, with ordinals for the keys of parameters.
  OwningOpRef<func::FuncOp> code;
  int64_t weightBytes = 0;
};

/// The global of a weight, and where it was first read.
struct WeightGlobal {
  FlatSymbolRefAttr symbol;
  Type type;
  std::optional<Location> location;
};
using GlobalMap = llvm::MapVector<StringRef, WeightGlobal>;

struct PartitionModulesPass : public dycl::impl::DyclPartitionModulesPassBase<PartitionModulesPass> {
  using DyclPartitionModulesPassBase::DyclPartitionModulesPassBase;

  void runOnOperation() override {
    if (!getContext().allowsUnregisteredDialects()) {
      getOperation().emitError("region modules hold ops of IREE's 'util' dialect, which is not registered here; "
                               "pass --allow-unregistered-dialect");
      return signalPassFailure();
    }
    llvm::SetVector<StringAttr> called;
    getOperation().walk([&](InvokeOp invoke) { called.insert(invoke.getCalleeAttr().getAttr()); });
    SmallVector<ModuleGroup> groups;
    for (StringAttr name : called)
      if (auto function = getOperation().lookupSymbol<func::FuncOp>(name))
        addToGroups(function, groups);
    for (ModuleGroup &group : groups) {
      if (failed(partition(group)))
        return signalPassFailure();
      ++numModules;
    }
  }

private:
  void addToGroups(func::FuncOp function, SmallVectorImpl<ModuleGroup> &groups);
  LogicalResult partition(ModuleGroup &group);
  FailureOr<SmallVector<StringRef>> convertParameters(func::FuncOp function, OpBuilder &globals,
                                                      llvm::StringSet<> &taken, GlobalMap &globalOf);
};

/// A copy of `function` in which the keys of parameters are numbered in the order of their first use.
static OwningOpRef<func::FuncOp> cloneWithOrdinalKeys(func::FuncOp function) {
  OwningOpRef<func::FuncOp> clone(function.clone());
  llvm::StringMap<std::string> ordinals;
  clone->walk([&](ParameterOp parameter) {
    std::string next = std::to_string(ordinals.size());
    parameter.setKey(ordinals.try_emplace(parameter.getKey(), next).first->second);
  });
  return clone;
}

/// The bytes of the weights that `function` reads, each once.
static int64_t countWeightBytes(func::FuncOp function) {
  int64_t bytes = 0;
  llvm::StringSet<> keys;
  function.walk([&](ParameterOp parameter) {
    if (keys.insert(parameter.getKey()).second)
      bytes += countBytes(parameter.getType());
  });
  return bytes;
}

/// Whether two functions, with ordinals for keys, are the same code. Each keeps its own body beside the other, so an
/// error here would cost size, and no answer.
static bool isEquivalent(func::FuncOp lhs, func::FuncOp rhs) {
  return lhs.getFunctionType() == rhs.getFunctionType() && lhs.getArgAttrsAttr() == rhs.getArgAttrsAttr() &&
         lhs.getResAttrsAttr() == rhs.getResAttrsAttr() && getAffinity(lhs) == getAffinity(rhs) &&
         OperationEquivalence::isRegionEquivalentTo(&lhs.getBody(), &rhs.getBody(),
                                                    OperationEquivalence::IgnoreLocations);
}

/// Adds `function` to the last group of its code, or begins a new one.
void PartitionModulesPass::addToGroups(func::FuncOp function, SmallVectorImpl<ModuleGroup> &groups) {
  ModuleGroup own;
  own.functions.push_back(function);
  own.weightBytes = countWeightBytes(function);
  // What is larger alone shares with nobody, so nobody has to be compared with it.
  if (own.weightBytes <= maxSharedBytes)
    own.code = cloneWithOrdinalKeys(function);
  for (ModuleGroup &group : groups) {
    if (!own.code || !group.code || group.weightBytes + own.weightBytes > maxSharedBytes ||
        !isEquivalent(*group.code, *own.code))
      continue;
    group.functions.push_back(function);
    group.weightBytes += own.weightBytes;
    return;
  }
  groups.push_back(std::move(own));
}

/// Turns the parameters of `function` into globals, made by `globals`, and loads. Returns the keys in order of first
/// use. `taken` are the names of the module's symbols, and `globalOf` the globals that it has.
FailureOr<SmallVector<StringRef>> PartitionModulesPass::convertParameters(func::FuncOp function, OpBuilder &globals,
                                                                          llvm::StringSet<> &taken,
                                                                          GlobalMap &globalOf) {
  MLIRContext *context = &getContext();
  llvm::SetVector<StringRef> keys;
  WalkResult walk = function.walk([&](ParameterOp parameter) {
    Type type = parameter.getType();
    // Keys are owned by the context, so they outlive the operations.
    keys.insert(parameter.getKey());
    auto [entry, isNew] = globalOf.try_emplace(parameter.getKey());
    if (isNew) {
      std::string name =
          makeGlobalName(parameter.getKey(), [&](StringRef symbol) { return !taken.insert(symbol).second; });
      createParameterGlobal(globals, parameter.getLoc(), parameter.getKey(), name, parameter.getType());
      entry->second = {FlatSymbolRefAttr::get(context, name), type, parameter.getLoc()};
    }
    const WeightGlobal &global = entry->second;
    if (global.type != type) {
      (parameter.emitOpError() << "has type " << type << "; the parameter has another type elsewhere")
              .attachNote(*global.location)
          << "here it is " << global.type;
      return WalkResult::interrupt();
    }
    OpBuilder builder(parameter);
    Operation *load = createIreeOp(builder, parameter.getLoc(), "util.global.load", {}, type,
                                   builder.getNamedAttr("global", global.symbol));
    parameter.replaceAllUsesWith(load->getResult(0));
    return WalkResult::advance();
  });
  if (walk.wasInterrupted())
    return failure();
  function.walk([](ParameterOp parameter) { parameter.erase(); });
  return llvm::to_vector(keys);
}

LogicalResult PartitionModulesPass::partition(ModuleGroup &group) {
  func::FuncOp first = group.functions.front();
  OpBuilder builder(first);
  auto module = ModuleOp::create(builder, first.getLoc(), (first.getSymName() + "_module").str());
  OpBuilder inModule = OpBuilder::atBlockBegin(module.getBody());
  llvm::StringSet<> taken;
  for (func::FuncOp function : group.functions)
    taken.insert(function.getSymName());
  GlobalMap globalOf;
  SmallVector<SmallVector<StringRef>> keysOf;
  for (func::FuncOp function : group.functions) {
    FailureOr<SmallVector<StringRef>> keys = convertParameters(function, inModule, taken, globalOf);
    if (failed(keys))
      return failure();
    keysOf.push_back(std::move(*keys));
  }

  for (auto [function, keys] : llvm::zip_equal(group.functions, keysOf)) {
    builder.setInsertionPoint(function == first ? module.getOperation() : function.getOperation());
    auto region =
        RegionOp::create(builder, function.getLoc(), function.getSymName(), function.getFunctionType(), module);
    if (!keys.empty())
      region.setParametersAttr(builder.getStrArrayAttr(keys));
    if (auto cost = function->getAttrOfType<CostAttr>(kCostAttr))
      region.setCostAttr(cost);
    if (!target.empty())
      region.setTargetAttr(builder.getStringAttr(target));

    if (StringAttr affinity = getAffinity(function))
      region.setAffinityAttr(affinity);

    function->removeAttr(kCostAttr);
    function->removeAttr(kAffinityAttr);
    function->moveBefore(module.getBody(), module.getBody()->end());
    function.setPublic();
  }
  return success();
}

} // namespace
