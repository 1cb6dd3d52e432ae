//===- CollectParameters.cpp - The parameters that each region reads ------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "dialects/Dycl/IR/DyclOps.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "passes/Passes.h"
#include "passes/Utils/PackedWeights.h"
#include "llvm/ADT/SetVector.h"

namespace dycl {
#define GEN_PASS_DEF_DYCLCOLLECTPARAMETERSPASS
#include "passes/Passes.h.inc"
} // namespace dycl

using namespace mlir;
using namespace dycl;

namespace {

struct CollectParametersPass : public dycl::impl::DyclCollectParametersPassBase<CollectParametersPass> {
  using DyclCollectParametersPassBase::DyclCollectParametersPassBase;

  void runOnOperation() override {
    for (auto region : getOperation().getOps<RegionOp>()) {
      auto module = getOperation().lookupSymbol<ModuleOp>(region.getModuleAttr());
      auto function = module ? module.lookupSymbol<func::FuncOp>(region.getSymName()) : func::FuncOp();
      if (!function)
        continue;
      llvm::SetVector<StringAttr> keys;
      function.walk([&](Operation *op) {
        Operation *global = getLoadedGlobal(module, op);
        if (std::string key = global ? getParameterKey(global) : ""; !key.empty())
          keys.insert(StringAttr::get(&getContext(), key));
      });
      if (keys.empty())
        region.removeParametersAttr();
      else
        region.setParametersAttr(ArrayAttr::get(&getContext(), SmallVector<Attribute>(keys.begin(), keys.end())));
    }
    for (auto module : getOperation().getOps<ModuleOp>())
      eraseUnread(module);
  }

private:
  /// Erases the parameters' globals that nothing in the module loads.
  static void eraseUnread(ModuleOp module) {
    llvm::SmallPtrSet<Operation *, 16> loaded;
    module.walk([&](Operation *op) { loaded.insert(getLoadedGlobal(module, op)); });
    for (Operation &op : llvm::make_early_inc_range(module.getBody()->getOperations()))
      if (op.getName().getStringRef() == "util.global" && !getParameterKey(&op).empty() && !loaded.contains(&op))
        op.erase();
  }
};

} // namespace
