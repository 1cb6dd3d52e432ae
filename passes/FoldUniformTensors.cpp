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

/// The numbers that values are known to be: scalars, and tensors all of whose elements are one number.
class Numbers {
public:
  /// The number of a value, or null.
  TypedAttr of(Value value) {
    auto [found, isNew] = known.try_emplace(value);
    if (!isNew)
      return found->second;
    TypedAttr number = find(value);
    if (number && number.getType() != getElementTypeOrSelf(value))
      number = {};
    return known[value] = number;
  }

private:
  TypedAttr find(Value value) {
    Attribute constant;
    if (matchPattern(value, m_Constant(&constant))) {
      if (auto elements = dyn_cast<DenseElementsAttr>(constant))
        constant = elements.isSplat() ? elements.getSplatValue<Attribute>() : Attribute();
      return dyn_cast_or_null<TypedAttr>(constant);
    }
    if (auto argument = dyn_cast<BlockArgument>(value)) {
      auto generic = dyn_cast_or_null<linalg::GenericOp>(argument.getOwner()->getParentOp());
      bool isInput = generic && argument.getArgNumber() < generic.getNumDpsInputs();
      return isInput ? of(generic->getOperand(argument.getArgNumber())) : TypedAttr();
    }
    Operation *op = value.getDefiningOp();
    if (auto fill = dyn_cast<linalg::FillOp>(op))
      return of(fill.value());
    if (auto generic = dyn_cast<linalg::GenericOp>(op)) {
      bool isElementwise = generic.getNumLoops() == generic.getNumParallelLoops();
      unsigned result = cast<OpResult>(value).getResultNumber();
      return isElementwise ? of(generic.getBody()->getTerminator()->getOperand(result)) : TypedAttr();
    }
    if (isa<tensor::CollapseShapeOp, tensor::ExpandShapeOp, tensor::ExtractSliceOp, tensor::CastOp>(op))
      return of(op->getOperand(0));
    return isa<ShapedType>(value.getType()) ? TypedAttr() : folded(op);
  }

  /// What an operation on scalars gives, or null.
  TypedAttr folded(Operation *op) {
    if (op->getNumResults() != 1 || op->getNumRegions() != 0 || !isMemoryEffectFree(op))
      return {};
    SmallVector<Attribute> operands;
    for (Value operand : op->getOperands()) {
      operands.push_back(of(operand));
      if (!operands.back())
        return {};
    }
    SmallVector<OpFoldResult> results;
    if (failed(op->fold(operands, results)) || results.size() != 1)
      return {};
    if (auto value = dyn_cast<Value>(results[0]))
      return of(value);
    return dyn_cast<TypedAttr>(cast<Attribute>(results[0]));
  }

  DenseMap<Value, TypedAttr> known;
};

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

using Dimension = std::pair<Value, unsigned>;

/// The dimensions that are reduced, each as an input and a place in its shape; none where all of their sizes are
/// static.
SmallVector<Dimension> reducedDimensions(linalg::GenericOp op) {
  SmallVector<unsigned> loops;
  op.getReductionDims(loops);
  SmallVector<Dimension> found;
  for (unsigned loop : loops) {
    AffineExpr expression = getAffineDimExpr(loop, op.getContext());
    for (OpOperand *input : op.getDpsInputOperands())
      if (auto place = op.getMatchingIndexingMap(input).getResultPosition(expression)) {
        found.emplace_back(input->get(), *place);
        break;
      }
  }
  bool isDynamic = llvm::any_of(found, [](Dimension dimension) {
    return cast<RankedTensorType>(dimension.first.getType()).isDynamicDim(dimension.second);
  });
  return isDynamic && found.size() == loops.size() ? found : SmallVector<Dimension>();
}

/// A reduction of uniform tensors over a dynamic size: what one number of that many elements gives.
struct FoldReduction : OpRewritePattern<linalg::GenericOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(linalg::GenericOp op, PatternRewriter &rewriter) const override {
    Operation *combine = knownCombiner(op);
    SmallVector<Dimension> dimensions = reducedDimensions(op);
    if (!combine || dimensions.empty())
      return failure();
    BlockArgument out = op.getRegionOutputArgs()[0];
    Value given = combine->getOperand(combine->getOperand(0) == out ? 1 : 0);
    TypedAttr number = Numbers().of(given);
    if (!number)
      return failure();
    bool isSum = isa<arith::AddIOp, arith::AddFOp>(combine);
    Location location = op.getLoc();
    Value count;
    for (auto [input, place] : dimensions) {
      Value size = tensor::DimOp::create(rewriter, location, input, place);
      count = count ? arith::MulIOp::create(rewriter, location, count, size).getResult() : size;
    }

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
