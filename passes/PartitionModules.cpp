//===- PartitionModules.cpp - One module a region --------------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "dialects/Dycl/IR/DyclOps.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "passes/Passes.h"
#include "passes/Utils/IreeOps.h"
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

/// The scope of the parameters in the archive.
static constexpr llvm::StringLiteral kParameterScope = "model";

/// A symbol name made of `key`, different from all in `taken`, to which it is added.
static std::string makeGlobalName(StringRef key, llvm::StringSet<> &taken) {
  std::string base;
  for (char c : key)
    base += llvm::isAlnum(c) ? c : '_';
  if (llvm::isDigit(base.front()))
    base.insert(base.begin(), '_');
  std::string name = base;
  for (unsigned suffix = 1; !taken.insert(name).second; ++suffix)
    name = base + "_" + std::to_string(suffix);
  return name;
}

namespace {

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
    for (StringAttr name : called)
      if (auto function = getOperation().lookupSymbol<func::FuncOp>(name)) {
        if (failed(partition(function)))
          return signalPassFailure();
        ++numModules;
      }
  }

private:
  LogicalResult partition(func::FuncOp function);
  FailureOr<SmallVector<StringRef>> convertParameters(func::FuncOp function, OpBuilder &globals);
};

/// Turns the parameters of `function` into globals, made by `globals`, and loads. Returns the keys in order of first
/// use.
FailureOr<SmallVector<StringRef>> PartitionModulesPass::convertParameters(func::FuncOp function, OpBuilder &globals) {
  MLIRContext *context = &getContext();
  llvm::MapVector<StringRef, std::pair<FlatSymbolRefAttr, ParameterOp>> globalOf;
  llvm::StringSet<> taken = {function.getSymName()};
  WalkResult walk = function.walk([&](ParameterOp parameter) {
    Type type = parameter.getType();
    auto [entry, isNew] = globalOf.try_emplace(parameter.getKey());
    if (isNew) {
      std::string name = makeGlobalName(parameter.getKey(), taken);
      std::string data = "parameter.named<\"" + kParameterScope.str() + "\"::\"";
      llvm::raw_string_ostream stream(data);
      llvm::printEscapedString(parameter.getKey(), stream);
      stream << "\">";
      createIreeOp(
          globals, parameter.getLoc(), "util.global", {}, {},
          {globals.getNamedAttr("initial_value", OpaqueAttr::get(StringAttr::get(context, "flow"), data, type)),
           globals.getNamedAttr("sym_name", globals.getStringAttr(name)),
           globals.getNamedAttr("sym_visibility", globals.getStringAttr("private")),
           globals.getNamedAttr("type", TypeAttr::get(type))});
      entry->second = {FlatSymbolRefAttr::get(context, name), parameter};
    }
    ParameterOp first = entry->second.second;
    if (first.getType() != type) {
      (parameter.emitOpError() << "has type " << type << "; the parameter has another type elsewhere")
              .attachNote(first.getLoc())
          << "here it is " << first.getType();
      return WalkResult::interrupt();
    }
    OpBuilder builder(parameter);
    Operation *load = createIreeOp(builder, parameter.getLoc(), "util.global.load", {}, type,
                                   builder.getNamedAttr("global", entry->second.first));
    parameter.replaceAllUsesWith(load->getResult(0));
    return WalkResult::advance();
  });
  if (walk.wasInterrupted())
    return failure();
  // The keys are owned by the context, so they outlive the operations.
  SmallVector<StringRef> keys = llvm::map_to_vector(globalOf, [](auto &entry) { return entry.first; });
  function.walk([](ParameterOp parameter) { parameter.erase(); });
  return keys;
}

LogicalResult PartitionModulesPass::partition(func::FuncOp function) {
  std::string name = function.getSymName().str();
  OpBuilder builder(function);
  auto module = ModuleOp::create(builder, function.getLoc(), name + "_module");
  OpBuilder inModule = OpBuilder::atBlockBegin(module.getBody());
  FailureOr<SmallVector<StringRef>> keys = convertParameters(function, inModule);
  if (failed(keys))
    return failure();

  builder.setInsertionPoint(module);
  auto region = RegionOp::create(builder, function.getLoc(), name, function.getFunctionType(), module);
  if (!keys->empty())
    region.setParametersAttr(builder.getStrArrayAttr(*keys));
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
  return success();
}

} // namespace
