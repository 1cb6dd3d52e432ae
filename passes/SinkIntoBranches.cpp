//===- SinkIntoBranches.cpp - Compute only on the path that needs it ------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/IR/Dominance.h"
#include "mlir/Transforms/ControlFlowSinkUtils.h"
#include "passes/Passes.h"
#include "passes/Utils/HostOps.h"

namespace dycl {
#define GEN_PASS_DEF_DYCLSINKINTOBRANCHESPASS
#include "passes/Passes.h.inc"
} // namespace dycl

using namespace mlir;
using namespace dycl;

namespace {

struct SinkIntoBranchesPass : public dycl::impl::DyclSinkIntoBranchesPassBase<SinkIntoBranchesPass> {
  using DyclSinkIntoBranchesPassBase::DyclSinkIntoBranchesPassBase;

  void runOnOperation() override {
    DominanceInfo dominance(getOperation());
    // Outer control flow first: an operation then sinks level by level, as deep as its uses allow.
    getOperation().walk<WalkOrder::PreOrder>([&](Operation *op) {
      if (!isa<scf::IfOp, scf::IndexSwitchOp>(op) || !isHostBlock(op->getBlock()))
        return;
      SmallVector<Region *> branches;
      for (Region &region : op->getRegions())
        if (!region.empty())
          branches.push_back(&region);
      numSunk += controlFlowSink(
          branches, dominance, [](Operation *candidate, Region *) { return isMovable(candidate); },
          [](Operation *candidate, Region *region) {
            candidate->moveBefore(&region->front(), region->front().begin());
          });
    });
  }
};

} // namespace
