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
    llvm::SmallPtrSet<Operation *, 16> loaded;
    for (auto region : getOperation().getOps<RegionOp>()) {
      auto module = getOperation().lookupSymbol<ModuleOp>(region.getModuleAttr());
      auto function = module ? module.lookupSymbol<func::FuncOp>(region.getSymName()) : func::FuncOp();
      if (!function)
        continue;
      llvm::SetVector<StringRef> keys;
      std::vector<std::string> storage;
      function.walk([&](Operation *op) {
        if (Operation *global = getLoadedGlobal(module, op))
          if (loaded.insert(global); !getParameterKey(global).empty())
            keys.insert(StringAttr::get(&getContext(), getParameterKey(global)).getValue());
      });
      if (keys.empty())
        region.removeParametersAttr();
      else
        region.setParametersAttr(Builder(&getContext()).getStrArrayAttr(keys.getArrayRef()));
    }
    for (auto module : getOperation().getOps<ModuleOp>())
      for (Operation &op : llvm::make_early_inc_range(module.getBody()->getOperations()))
        if (op.getName().getStringRef() == "util.global" && !loaded.contains(&op))
          op.erase();
  }
};

} // namespace
