//===- IsolateScatters.cpp - What scatters read is computed before ---------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "passes/Passes.h"
#include "passes/Utils/DispatchRegion.h"

namespace dycl {
#define GEN_PASS_DEF_DYCLISOLATESCATTERSPASS
#include "passes/Passes.h.inc"
} // namespace dycl

using namespace mlir;
using namespace dycl;

/// The operation that computes `value`, also behind reshapes, slices and copies; null where that is none of `linalg`.
static linalg::LinalgOp getProducer(Value value) {
  while (Operation *op = value.getDefiningOp()) {
    auto producer = dyn_cast<linalg::LinalgOp>(op);
    if (producer && !linalg::isaCopyOpInterface(producer))
      return producer;
    if (!producer && !isa<tensor::ExpandShapeOp, tensor::CollapseShapeOp, tensor::CastOp, tensor::ExtractSliceOp>(op))
      return nullptr;
    value = op->getOperand(0);
  }
  return nullptr;
}

/// Whether `op` computes the same in each call. IREE does that at load, outside of the scatter's dispatch. Of two such
/// dispatch regions of ours that were alike, it made one that wrote nothing.
static bool isConstant(Operation *op) {
  bool isSame = true;
  SetVector<Operation *> ops;
  ops.insert(op);
  for (unsigned i = 0; isSame && i < ops.size(); ++i)
    ops[i]->walk([&](Operation *inner) {
      // What is not registered may be a weight, or a dispatch.
      isSame &= inner->isRegistered();
      for (Value operand : inner->getOperands()) {
        if (Operation *definition = operand.getDefiningOp())
          ops.insert(definition);
        else
          isSame &= isa<linalg::LinalgOp>(cast<BlockArgument>(operand).getOwner()->getParentOp());
      }
    });
  return isSame;
}

namespace {

struct IsolateScattersPass : public dycl::impl::DyclIsolateScattersPassBase<IsolateScattersPass> {
  using DyclIsolateScattersPassBase::DyclIsolateScattersPassBase;

  void runOnOperation() override {
    SetVector<Operation *> producers;
    WalkResult result = getOperation().walk([&](Operation *op) {
      if (op->getName().getStringRef() != "tm_tensor.scatter")
        return WalkResult::advance();
      // The last operand is what it writes into.
      for (Value value : op->getOperands().drop_back())
        if (linalg::LinalgOp producer = getProducer(value); producer && !isConstant(producer))
          producers.insert(producer);
      if (producers.empty() || op->getContext()->allowsUnregisteredDialects())
        return WalkResult::advance();
      op->emitError("what this reads takes IREE's 'flow' dialect to be computed before, which is not registered here; "
                    "pass --allow-unregistered-dialect");
      return WalkResult::interrupt();
    });
    if (result.wasInterrupted())
      return signalPassFailure();
    for (Operation *producer : producers)
      putInDispatchRegion(cast<linalg::LinalgOp>(producer));
    numIsolated += producers.size();
  }
};

} // namespace
