//===- FoldUniformTensors.cpp - Operations of tensors of one number -------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/Matchers.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"
#include "passes/Passes.h"

namespace dycl {
#define GEN_PASS_DEF_DYCLFOLDUNIFORMTENSORSPASS
#include "passes/Passes.h.inc"
} // namespace dycl

using namespace mlir;
using namespace dycl;

namespace {

/// The number that an elementwise operation of uniform tensors computes, or null.
TypedAttr computedNumber(linalg::GenericOp op, unsigned result);

/// The number that all elements of a tensor are known to be, or null.
TypedAttr uniformNumber(Value tensor) {
  DenseElementsAttr constant;
  if (matchPattern(tensor, m_Constant(&constant)))
    return constant.isSplat() ? dyn_cast<TypedAttr>(constant.getSplatValue<Attribute>()) : TypedAttr();
  Operation *op = tensor.getDefiningOp();
  if (!op)
    return {};
  if (auto fill = dyn_cast<linalg::FillOp>(op)) {
    Attribute number;
    return matchPattern(fill.value(), m_Constant(&number)) ? dyn_cast<TypedAttr>(number) : TypedAttr();
  }
  if (auto generic = dyn_cast<linalg::GenericOp>(op))
    return computedNumber(generic, cast<OpResult>(tensor).getResultNumber());
  if (isa<tensor::CollapseShapeOp, tensor::ExpandShapeOp, tensor::ExtractSliceOp, tensor::CastOp>(op))
    return uniformNumber(op->getOperand(0));
  return {};
}

/// The numbers of a body's values, as far as they follow from those of its arguments.
class Numbers {
public:
  void set(Value value, TypedAttr number) { known[value] = number; }

  /// The number of a value, or null.
  TypedAttr of(Value value) {
    if (TypedAttr number = known.lookup(value))
      return number;
    Attribute constant;
    if (matchPattern(value, m_Constant(&constant)))
      return dyn_cast<TypedAttr>(constant);
    Operation *op = value.getDefiningOp();
    if (!op || op->getNumResults() != 1 || op->getNumRegions() != 0 || !isMemoryEffectFree(op))
      return {};
    SmallVector<Attribute> operands;
    for (Value operand : op->getOperands()) {
      TypedAttr number = of(operand);
      if (!number)
        return {};
      operands.push_back(number);
    }
    SmallVector<OpFoldResult> results;
    if (failed(op->fold(operands, results)) || results.size() != 1)
      return {};
    TypedAttr number;
    if (auto folded = dyn_cast<Value>(results[0]))
      number = of(folded);
    else
      number = dyn_cast<TypedAttr>(cast<Attribute>(results[0]));
    if (number && number.getType() == value.getType())
      known[value] = number;
    return known.lookup(value);
  }

private:
  DenseMap<Value, TypedAttr> known;
};

/// The numbers of the arguments of a body whose inputs are all uniform; fails where one is not.
LogicalResult knowInputs(linalg::GenericOp op, Numbers &numbers) {
  for (OpOperand *input : op.getDpsInputOperands()) {
    TypedAttr number = uniformNumber(input->get());
    if (!number || number.getType() != getElementTypeOrSelf(input->get()))
      return failure();
    numbers.set(op.getMatchingBlockArgument(input), number);
  }
  return success();
}

TypedAttr computedNumber(linalg::GenericOp op, unsigned result) {
  Numbers numbers;
  if (op.getNumLoops() != op.getNumParallelLoops() || op.hasIndexSemantics() || failed(knowInputs(op, numbers)))
    return {};
  return numbers.of(op.getBody()->getTerminator()->getOperand(result));
}

/// The operation that combines an element with the result so far, where its result for one number and a count is known.
Operation *knownCombiner(linalg::GenericOp op) {
  if (op.getNumResults() != 1 || op.hasIndexSemantics())
    return nullptr;
  BlockArgument out = op.getRegionOutputArgs()[0];
  Operation *combine = op.getBody()->getTerminator()->getOperand(0).getDefiningOp();
  if (!combine || combine->getNumOperands() != 2 || !out.hasOneUse() || *out.getUsers().begin() != combine)
    return nullptr;
  bool isKnown =
      isa<arith::AddIOp, arith::AddFOp, arith::MaxSIOp, arith::MaxUIOp, arith::MinSIOp, arith::MinUIOp,
          arith::MaximumFOp, arith::MinimumFOp, arith::MaxNumFOp, arith::MinNumFOp, arith::AndIOp, arith::OrIOp>(
          combine);
  return isKnown ? combine : nullptr;
}

/// How many elements are reduced to one, as an index; null where no size of those is dynamic.
Value reducedCount(linalg::GenericOp op, PatternRewriter &rewriter) {
  SmallVector<unsigned> loops;
  op.getReductionDims(loops);
  Value count;
  bool isDynamic = false;
  for (unsigned loop : loops) {
    Value size;
    for (OpOperand *input : op.getDpsInputOperands()) {
      AffineMap map = op.getMatchingIndexingMap(input);
      auto place = map.getResultPosition(getAffineDimExpr(loop, op.getContext()));
      if (!place)
        continue;
      isDynamic |= cast<RankedTensorType>(input->get().getType()).isDynamicDim(*place);
      size = tensor::DimOp::create(rewriter, op.getLoc(), input->get(), *place);
      break;
    }
    if (!size)
      return {};
    count = count ? arith::MulIOp::create(rewriter, op.getLoc(), count, size).getResult() : size;
  }
  return isDynamic ? count : Value();
}

/// A reduction of uniform tensors over a dynamic size: what one number of that many elements gives.
struct FoldReduction : OpRewritePattern<linalg::GenericOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(linalg::GenericOp op, PatternRewriter &rewriter) const override {
    if (op.getNumReductionLoops() == 0 || !hasDynamicInput(op))
      return failure();
    Operation *combine = knownCombiner(op);
    if (!combine)
      return failure();
    BlockArgument out = op.getRegionOutputArgs()[0];
    bool isSum = isa<arith::AddIOp, arith::AddFOp>(combine);
    Numbers numbers;
    if (failed(knowInputs(op, numbers)))
      return failure();
    Value given = combine->getOperand(combine->getOperand(0) == out ? 1 : 0);
    TypedAttr number = numbers.of(given);
    if (!number)
      return failure();
    Location location = op.getLoc();
    Value count = reducedCount(op, rewriter);
    if (!count)
      return failure();

    Value init = op.getDpsInits()[0];
    int64_t rank = cast<RankedTensorType>(init.getType()).getRank();
    SmallVector<utils::IteratorType> loops(rank, utils::IteratorType::parallel);
    auto map = rewriter.getMultiDimIdentityMap(rank);
    auto folded = linalg::GenericOp::create(
        rewriter, location, init.getType(), ValueRange(), init, ArrayRef<AffineMap>(map), loops,
        [&](OpBuilder &builder, Location, ValueRange args) {
          Value one = arith::ConstantOp::create(builder, location, number);
          Value value = isSum ? times(builder, location, one, count) : one;
          IRMapping mapping;
          mapping.map(out, args[0]);
          mapping.map(given, value);
          Value result = builder.clone(*combine, mapping)->getResult(0);
          if (!isSum) {
            Value zero = arith::ConstantIndexOp::create(builder, location, 0);
            Value isAny = arith::CmpIOp::create(builder, location, arith::CmpIPredicate::ne, count, zero);
            result = arith::SelectOp::create(builder, location, isAny, result, args[0]);
          }
          linalg::YieldOp::create(builder, location, result);
        });
    rewriter.replaceOp(op, folded);
    return success();
  }

private:
  static bool hasDynamicInput(linalg::GenericOp op) {
    return llvm::any_of(op.getDpsInputs(), [](Value input) {
      auto type = dyn_cast<RankedTensorType>(input.getType());
      return type && !type.hasStaticShape();
    });
  }

  /// A number times a count.
  static Value times(OpBuilder &builder, Location location, Value number, Value count) {
    Type type = number.getType();
    Value wide = arith::IndexCastOp::create(builder, location, builder.getI64Type(), count);
    if (isa<FloatType>(type))
      return arith::MulFOp::create(builder, location, number, arith::SIToFPOp::create(builder, location, type, wide));
    if (type.getIntOrFloatBitWidth() < 64)
      wide = arith::TruncIOp::create(builder, location, type, wide);
    return arith::MulIOp::create(builder, location, number, wide);
  }
};

struct FoldUniformTensorsPass : public dycl::impl::DyclFoldUniformTensorsPassBase<FoldUniformTensorsPass> {
  using DyclFoldUniformTensorsPassBase::DyclFoldUniformTensorsPassBase;

  void runOnOperation() override {
    RewritePatternSet patterns(&getContext());
    patterns.add<FoldReduction>(&getContext());
    if (failed(applyPatternsGreedily(getOperation(), std::move(patterns))))
      signalPassFailure();
  }
};

} // namespace
