//===- LegalizeScalars.cpp - Scalars that IREE computes rightly -----------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "dialects/Dycl/IR/DyclOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "passes/Passes.h"

namespace dycl {
#define GEN_PASS_DEF_DYCLLEGALIZESCALARSPASS
#include "passes/Passes.h.inc"
} // namespace dycl

using namespace mlir;
using namespace dycl;

/// `value` without its fraction: its floor where it is positive, else its ceiling.
static Value truncate(OpBuilder &builder, Location location, Value value) {
  Value zero = arith::ConstantOp::create(builder, location, builder.getZeroAttr(value.getType()));
  Value isNegative = arith::CmpFOp::create(builder, location, arith::CmpFPredicate::OLT, value, zero);
  Value ceiling = math::CeilOp::create(builder, location, value);
  Value floor = math::FloorOp::create(builder, location, value);
  return arith::SelectOp::create(builder, location, isNegative, ceiling, floor);
}

namespace {

struct LegalizeScalarsPass : public dycl::impl::DyclLegalizeScalarsPassBase<LegalizeScalarsPass> {
  using DyclLegalizeScalarsPassBase::DyclLegalizeScalarsPassBase;

  void runOnOperation() override {
    for (auto function : getOperation().getOps<func::FuncOp>()) {
      if (function.isExternal())
        continue;
      // Not in the bodies of tensor operations: those become code for the device, where truncation is right.
      for (Operation &op : llvm::make_early_inc_range(function.getBody().front()))
        legalize(&op);
    }
  }

private:
  void legalize(Operation *op) {
    if (op->getNumOperands() != 1 || !isa<FloatType>(op->getOperand(0).getType()))
      return;
    OpBuilder builder(op);
    if (isa<arith::FPToSIOp, arith::FPToUIOp>(op)) {
      op->setOperand(0, truncate(builder, op->getLoc(), op->getOperand(0)));
      ++numLegalized;
    } else if (isa<math::TruncOp>(op)) {
      op->replaceAllUsesWith(ValueRange(truncate(builder, op->getLoc(), op->getOperand(0))));
      op->erase();
      ++numLegalized;
    }
  }
};

} // namespace
