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

/// The operation that computes `value`, also behind reshapes and slices of it; null where that is none of `linalg`.
static linalg::LinalgOp getProducer(Value value) {
  Operation *op = value.getDefiningOp();
  while (isa_and_nonnull<tensor::ExpandShapeOp, tensor::CollapseShapeOp, tensor::CastOp, tensor::ExtractSliceOp>(op))
    op = op->getOperand(0).getDefiningOp();
  return dyn_cast_or_null<linalg::LinalgOp>(op);
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
        if (linalg::LinalgOp producer = getProducer(value))
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
