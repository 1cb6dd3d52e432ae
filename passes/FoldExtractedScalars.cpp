//===- FoldExtractedScalars.cpp - Scalars of scalars without a tensor -----===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/IR/Matchers.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"
#include "passes/Passes.h"

namespace dycl {
#define GEN_PASS_DEF_DYCLFOLDEXTRACTEDSCALARSPASS
#include "passes/Passes.h.inc"
} // namespace dycl

using namespace mlir;
using namespace dycl;

/// Whether `value` is a tensor of one integer.
static bool isOneInteger(Value value) {
  auto type = dyn_cast<RankedTensorType>(value.getType());
  return type && type.hasStaticShape() && type.getNumElements() == 1 && type.getElementType().isIntOrIndex();
}

/// Whether the body of `op` computes its one integer of integers, and nothing in it may trap.
static bool computesOneInteger(linalg::GenericOp op) {
  if (!op.hasPureTensorSemantics() || op.getNumReductionLoops() != 0 || op.getNumDpsInits() != 1 ||
      op.hasIndexSemantics() || !op.getBlock()->getArguments().back().use_empty())
    return false;
  return llvm::all_of(op.getBlock()->without_terminator(), [](Operation &inner) {
    auto isInteger = [](Type type) { return type.isIntOrIndex(); };
    return isa<arith::ArithDialect>(inner.getDialect()) && inner.getNumRegions() == 0 && isPure(&inner) &&
           llvm::all_of(inner.getOperandTypes(), isInteger) && llvm::all_of(inner.getResultTypes(), isInteger);
  });
}

/// The one element of `tensor`, without building anything where it is one already; null for what is computed.
static Value getElement(Value tensor) {
  if (auto fill = tensor.getDefiningOp<linalg::FillOp>())
    if (fill.getInputs()[0].getType() == getElementTypeOrSelf(tensor.getType()))
      return fill.getInputs()[0];
  if (auto made = tensor.getDefiningOp<tensor::FromElementsOp>())
    return made.getElements()[0];
  return {};
}

/// Whether `tensor` holds one integer that is computed of scalars and constants alone.
static bool isOfScalars(Value tensor) {
  if (!isOneInteger(tensor))
    return false;
  Operation *op = tensor.getDefiningOp();
  if (getElement(tensor) || matchPattern(tensor, m_Constant()))
    return true;
  if (isa_and_nonnull<tensor::ExpandShapeOp, tensor::CollapseShapeOp>(op))
    return isOfScalars(op->getOperand(0));
  auto generic = dyn_cast_or_null<linalg::GenericOp>(op);
  return generic && computesOneInteger(generic) && llvm::all_of(generic.getDpsInputs(), isOfScalars);
}

/// Builds the integer that `tensor` holds.
static Value buildScalar(OpBuilder &builder, Value tensor, llvm::DenseMap<Value, Value> &built) {
  if (Value element = getElement(tensor))
    return element;
  if (Value scalar = built.lookup(tensor))
    return scalar;
  Location location = tensor.getLoc();
  Value scalar;
  DenseElementsAttr constant;
  if (matchPattern(tensor, m_Constant(&constant))) {
    scalar = arith::ConstantOp::create(builder, location, *constant.value_begin<TypedAttr>());
  } else if (auto generic = tensor.getDefiningOp<linalg::GenericOp>()) {
    IRMapping mapping;
    for (auto [argument, input] : llvm::zip(generic.getBlock()->getArguments(), generic.getDpsInputs()))
      mapping.map(argument, buildScalar(builder, input, built));
    for (Operation &inner : generic.getBlock()->without_terminator())
      builder.clone(inner, mapping);
    scalar = mapping.lookupOrDefault(generic.getBlock()->getTerminator()->getOperand(0));
  } else {
    scalar = buildScalar(builder, tensor.getDefiningOp()->getOperand(0), built);
  }
  return built[tensor] = scalar;
}

/// Erases `op` and what it alone used, where nothing uses it.
static void eraseIfDead(Operation *op) {
  if (!op || !isOpTriviallyDead(op))
    return;
  SmallVector<Operation *> before;
  for (Value operand : op->getOperands())
    if (Operation *defining = operand.getDefiningOp(); defining && !llvm::is_contained(before, defining))
      before.push_back(defining);
  op->erase();
  llvm::for_each(before, eraseIfDead);
}

namespace {

struct FoldExtractedScalarsPass : public dycl::impl::DyclFoldExtractedScalarsPassBase<FoldExtractedScalarsPass> {
  using DyclFoldExtractedScalarsPassBase::DyclFoldExtractedScalarsPassBase;

  void runOnOperation() override {
    SmallVector<tensor::ExtractOp> extracts;
    // Not in the bodies of tensor operations, which are code for the device.
    getOperation().walk<WalkOrder::PreOrder>([&](Operation *op) {
      if (isa<linalg::LinalgOp>(op))
        return WalkResult::skip();
      if (auto extract = dyn_cast<tensor::ExtractOp>(op); extract && isOfScalars(extract.getTensor()))
        extracts.push_back(extract);
      return WalkResult::advance();
    });
    for (tensor::ExtractOp extract : extracts) {
      OpBuilder builder(extract);
      llvm::DenseMap<Value, Value> built;
      Value tensor = extract.getTensor();
      extract.replaceAllUsesWith(buildScalar(builder, tensor, built));
      extract.erase();
      eraseIfDead(tensor.getDefiningOp());
      ++numFolded;
    }
    if (extracts.empty())
      markAllAnalysesPreserved();
  }
};

} // namespace
