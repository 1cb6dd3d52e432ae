//===- SinkIntoBranches.cpp - Compute only on the path that needs it ------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "passes/Passes.h"
#include "passes/Utils/HostOps.h"

namespace dycl {
#define GEN_PASS_DEF_DYCLSINKINTOBRANCHESPASS
#include "passes/Passes.h.inc"
} // namespace dycl

using namespace mlir;
using namespace dycl;

/// The branch that holds every use of `op`, or null.
static Region *findOnlyBranch(Operation *op) {
  Region *branch = nullptr;
  for (Operation *user : op->getUsers()) {
    Operation *here = op->getBlock()->findAncestorOpInBlock(*user);
    if (here == user || !isa<scf::IfOp, scf::IndexSwitchOp>(here))
      return nullptr;
    Region *region = user->getParentRegion();
    while (region->getParentOp() != here)
      region = region->getParentOp()->getParentRegion();
    if (branch && branch != region)
      return nullptr;
    branch = region;
  }
  return branch;
}

namespace {

struct SinkIntoBranchesPass : public dycl::impl::DyclSinkIntoBranchesPassBase<SinkIntoBranchesPass> {
  using DyclSinkIntoBranchesPassBase::DyclSinkIntoBranchesPassBase;

  void runOnOperation() override {
    for (auto function : getOperation().getOps<func::FuncOp>())
      for (Block &block : function.getBody())
        sink(block);
  }

private:
  void sink(Block &block);
};

/// Sinks level by level: what goes into a branch is looked at again there. (Upstream's `controlFlowSink` overlooks what
/// is used only by operations nested in those of a branch.)
void SinkIntoBranchesPass::sink(Block &block) {
  SmallVector<Operation *> ops;
  for (Operation &op : block)
    ops.push_back(&op);
  // Users first, so that what they use follows them.
  for (Operation *op : llvm::reverse(ops)) {
    if (op->use_empty() || isControlFlow(op) || !isMovable(op))
      continue;
    if (Region *branch = findOnlyBranch(op)) {
      op->moveBefore(&branch->front(), branch->front().begin());
      ++numSunk;
    }
  }
  for (Operation &op : block)
    if (isControlFlow(&op))
      for (Block *inner : getBlocksInOrder(&op))
        sink(*inner);
}

} // namespace
