//===- MergeRegions.cpp - The same code is compiled once -------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "dialects/Dycl/IR/DyclOps.h"
#include "mlir/IR/OperationSupport.h"
#include "passes/Passes.h"
#include "passes/Utils/Regions.h"

namespace dycl {
#define GEN_PASS_DEF_DYCLMERGEREGIONSPASS
#include "passes/Passes.h.inc"
} // namespace dycl

using namespace mlir;
using namespace dycl;

static bool isSameCode(func::FuncOp a, func::FuncOp b) {
  return OperationEquivalence::isRegionEquivalentTo(&a.getBody(), &b.getBody(), OperationEquivalence::IgnoreLocations);
}

namespace {

struct MergeRegionsPass : public dycl::impl::DyclMergeRegionsPassBase<MergeRegionsPass> {
  using DyclMergeRegionsPassBase::DyclMergeRegionsPassBase;

  void runOnOperation() override {
    // Only functions of one type and size are compared.
    using Key = std::pair<Type, size_t>;
    llvm::MapVector<Key, SmallVector<func::FuncOp>> kept;
    for (auto &[function, invokes] : collectInvokes(getOperation())) {
      Key key = {function.getFunctionType(), function.getBody().front().getOperations().size()};
      SmallVector<func::FuncOp> &candidates = kept[key];
      auto same = llvm::find_if(candidates, [&](func::FuncOp other) { return isSameCode(function, other); });
      if (same == candidates.end()) {
        candidates.push_back(function);
        continue;
      }
      for (InvokeOp invoke : invokes)
        invoke.setCallee(same->getSymName());
    }
    numMerged += renumberRegions(getOperation());
  }
};

} // namespace
