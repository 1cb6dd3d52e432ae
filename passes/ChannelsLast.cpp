//===- ChannelsLast.cpp - Images with their channels innermost ------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Linalg/Transforms/Transforms.h"
#include "mlir/Dialect/Linalg/Utils/Utils.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Dialect/UB/IR/UBOps.h"
#include "mlir/Dialect/Utils/IndexingUtils.h"
#include "mlir/IR/Matchers.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"
#include "passes/Passes.h"
#include "passes/Utils/Groups.h"
#include "passes/Utils/Transpose.h"

namespace dycl {
#define GEN_PASS_DEF_DYCLCHANNELSLASTPASS
#include "passes/Passes.h.inc"
} // namespace dycl

using namespace mlir;
using namespace dycl;

//===----------------------------------------------------------------------===//
// The two orders
//===----------------------------------------------------------------------===//

/// Of a transposition, dimension i of the result is dimension permutation[i] of its operand.
static constexpr int64_t kToNhwc[] = {0, 2, 3, 1}, kToNchw[] = {0, 3, 1, 2};

/// Where a dimension of nchw is in nhwc.
static int64_t getNhwcDimension(int64_t dimension) { return kToNchw[dimension]; }

static RankedTensorType getPermuted(RankedTensorType type, ArrayRef<int64_t> permutation) {
  return RankedTensorType::get(applyPermutation(type.getShape(), permutation), type.getElementType());
}

static Value toNchw(OpBuilder &builder, Location location, Value value) {
  return createTranspose(builder, location, value, kToNchw);
}

/// What was transposed from nhwc to nchw to give `value`; null for anything else. Whether it is an image does not
/// matter.
static Value getNhwcSource(Value value) {
  auto transpose = value.getDefiningOp<linalg::TransposeOp>();
  return transpose && transpose.getPermutation() == ArrayRef(kToNchw) ? transpose.getInput() : Value();
}

/// Whether `value` may be brought to nhwc beside another operand. What was transposed that way already would then be
/// transposed as from nhwc to nchw, and three such operands would take turns for ever.
static bool canBeNhwc(Value value) {
  auto transpose = value.getDefiningOp<linalg::TransposeOp>();
  return !transpose || transpose.getPermutation() != ArrayRef(kToNhwc);
}

/// `value`, of nchw, as nhwc; without a transposition where all of its elements are one number, or a number a channel.
static Value toNhwc(OpBuilder &builder, Location location, Value value) {
  if (Value source = getNhwcSource(value))
    return source;
  RankedTensorType type = getPermuted(cast<RankedTensorType>(value.getType()), kToNhwc);
  DenseElementsAttr constant;
  if (matchPattern(value, m_Constant(&constant)) && constant.isSplat())
    return arith::ConstantOp::create(builder, location, constant.resizeSplat(type));
  if (value.getDefiningOp<ub::PoisonOp>())
    return ub::PoisonOp::create(builder, location, type);
  auto createEmpty = [&]() -> Value {
    SmallVector<OpFoldResult> sizes =
        applyPermutation<OpFoldResult>(tensor::getMixedSizes(builder, location, value), kToNhwc);
    return tensor::EmptyOp::create(builder, location, sizes, type.getElementType());
  };
  if (value.getDefiningOp<tensor::EmptyOp>())
    return createEmpty();
  if (auto fill = value.getDefiningOp<linalg::FillOp>())
    return linalg::FillOp::create(builder, location, fill.getInputs(), createEmpty()).getResult(0);
  if (auto broadcast = value.getDefiningOp<linalg::BroadcastOp>())
    if (broadcast.getDimensions() == ArrayRef<int64_t>{0, 2, 3})
      return linalg::BroadcastOp::create(builder, location, broadcast.getInput(), createEmpty(),
                                         ArrayRef<int64_t>{0, 1, 2})
          ->getResult(0);
  return createTranspose(builder, location, value, kToNhwc);
}

//===----------------------------------------------------------------------===//
// Convolutions and pools
//===----------------------------------------------------------------------===//

namespace {

/// A named operation on images of nchw as the one on nhwc. `weight` is how its second operand is transposed; empty for
/// the window of a pool, of which only the shape counts.
template <typename Nchw, typename Nhwc> struct ConvertNamedOp : OpRewritePattern<Nchw> {
  ConvertNamedOp(MLIRContext *context, ArrayRef<int64_t> weight)
      : OpRewritePattern<Nchw>(context), weight(llvm::to_vector(weight)) {}

  LogicalResult matchAndRewrite(Nchw op, PatternRewriter &rewriter) const override {
    if (!op.hasPureTensorSemantics())
      return failure();
    Location location = op.getLoc();
    Value image = toNhwc(rewriter, location, op.getInputs()[0]), second = op.getInputs()[1];
    if (!weight.empty())
      second = createTranspose(rewriter, location, second, weight);
    Value init = toNhwc(rewriter, location, op.getOutputs()[0]);
    auto converted = Nhwc::create(rewriter, location, init.getType(), ValueRange{image, second}, init, op.getStrides(),
                                  op.getDilations());
    rewriter.replaceOp(op, toNchw(rewriter, location, converted->getResult(0)));
    return success();
  }

private:
  SmallVector<int64_t> weight;
};

/// The same for a grouped convolution, whose images have a dimension for the groups.
struct ConvertGrouped : OpRewritePattern<linalg::Conv2DNgchwGfchwOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(linalg::Conv2DNgchwGfchwOp op, PatternRewriter &rewriter) const override {
    if (!op.hasPureTensorSemantics())
      return failure();
    Location location = op.getLoc();
    auto convert = [&](Value grouped) -> Value {
      constexpr int64_t toNhwgc[] = {0, 3, 4, 1, 2};
      SmallVector<OpFoldResult> sizes =
          applyPermutation<OpFoldResult>(tensor::getMixedSizes(rewriter, location, grouped), toNhwgc);
      return tensor::ExpandShapeOp::create(
          rewriter, location, getPermuted(cast<RankedTensorType>(grouped.getType()), toNhwgc),
          toNhwc(rewriter, location, ungroup(rewriter, location, grouped, /*channels=*/1)),
          getGroupReassociation(/*channels=*/3), sizes);
    };
    Value image = convert(op.getInputs()[0]), init = convert(op.getOutputs()[0]);
    Value weight = createTranspose(rewriter, location, op.getInputs()[1], {0, 1, 3, 4, 2});
    auto converted = linalg::Conv2DNhwgcGfhwcOp::create(rewriter, location, init.getType(), ValueRange{image, weight},
                                                        init, op.getStrides(), op.getDilations());
    Value result = tensor::CollapseShapeOp::create(rewriter, location, converted->getResult(0),
                                                   getGroupReassociation(/*channels=*/3));
    SmallVector<OpFoldResult> sizes = tensor::getMixedSizes(rewriter, location, op.getOutputs()[0]);
    rewriter.replaceOpWithNewOp<tensor::ExpandShapeOp>(op, op.getResult(0).getType(),
                                                       toNchw(rewriter, location, result),
                                                       getGroupReassociation(/*channels=*/1), sizes);
    return success();
  }
};

//===----------------------------------------------------------------------===//
// What follows them
//===----------------------------------------------------------------------===//

/// An operation computed on nhwc, where one of its operands is a transposition from it: element by element with its
/// result transposed behind it; or one that reduces, whose result stays as it is. Its loops are in the order of nhwc.
struct ConvertGeneric : OpRewritePattern<linalg::GenericOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(linalg::GenericOp op, PatternRewriter &rewriter) const override {
    // Which of equal elements has the first index would change with the order of the loops that reduce.
    if (!op.hasPureTensorSemantics() || op.getNumLoops() != 4 ||
        (op.hasIndexSemantics() && op.getNumReductionLoops() != 0))
      return failure();
    bool isOfNhwc = llvm::any_of(op.getDpsInputOperands(), [&](OpOperand *operand) {
      return op.getMatchingIndexingMap(operand).isIdentity() && getNhwcSource(operand->get());
    });
    if (!isOfNhwc && !gathersOfNhwc(op))
      return failure();
    for (OpOperand &operand : op->getOpOperands())
      if (op.getMatchingIndexingMap(&operand).isIdentity() && !canBeNhwc(operand.get()))
        return failure();
    Location location = op.getLoc();
    MLIRContext *context = op.getContext();
    auto convert = [&](AffineMap map) {
      SmallVector<AffineExpr> loops;
      for (unsigned i = 0; i < 4; ++i)
        loops.push_back(getAffineDimExpr(getNhwcDimension(i), context));
      return map.replaceDimsAndSymbols(loops, {}, 4, 0);
    };
    SmallVector<Value> inputs, inits;
    SmallVector<AffineMap> maps;
    for (OpOperand *operand : op.getDpsInputOperands()) {
      AffineMap map = op.getMatchingIndexingMap(operand);
      if (map.isIdentity()) {
        inputs.push_back(toNhwc(rewriter, location, operand->get()));
        maps.push_back(map);
      } else if (Value source = getNhwcSource(operand->get())) {
        inputs.push_back(source);
        maps.push_back(AffineMap::get(4, 0, applyPermutation(convert(map).getResults(), kToNhwc), context));
      } else {
        inputs.push_back(operand->get());
        maps.push_back(convert(map));
      }
    }
    SmallVector<bool> isTransposed;
    for (OpOperand &init : op.getDpsInitsMutable()) {
      AffineMap map = op.getMatchingIndexingMap(&init);
      isTransposed.push_back(map.isIdentity());
      inits.push_back(map.isIdentity() ? toNhwc(rewriter, location, init.get()) : init.get());
      maps.push_back(map.isIdentity() ? map : convert(map));
    }
    auto converted =
        linalg::GenericOp::create(rewriter, location, TypeRange(ValueRange(inits)), inputs, inits, maps,
                                  applyPermutation<utils::IteratorType>(op.getIteratorTypesArray(), kToNhwc));
    rewriter.inlineRegionBefore(op.getRegion(), converted.getRegion(), converted.getRegion().begin());
    convertBody(rewriter, converted);
    SmallVector<Value> results;
    for (auto [result, transposed] : llvm::zip_equal(converted.getResults(), isTransposed))
      results.push_back(transposed ? toNchw(rewriter, location, result) : result);
    rewriter.replaceOp(op, results);
    return success();
  }

private:
  /// Whether elements of the result are gathered from an image of nhwc, as a resized image is.
  static bool gathersOfNhwc(linalg::GenericOp op) {
    return llvm::any_of(op.getBody()->getOps<tensor::ExtractOp>(),
                        [](tensor::ExtractOp extract) { return bool(getNhwcSource(extract.getTensor())); }) &&
           op.getNumReductionLoops() == 0 && op.getMatchingIndexingMap(op.getDpsInitOperand(0)).isIdentity();
  }

  /// Brings to the loops of nhwc what a body knows of its loops, and of images that it reads by indices.
  static void convertBody(PatternRewriter &rewriter, linalg::GenericOp op) {
    OpBuilder::InsertionGuard guard(rewriter);
    for (Operation &inner : llvm::make_early_inc_range(*op.getBody())) {
      if (auto index = dyn_cast<linalg::IndexOp>(inner)) {
        rewriter.modifyOpInPlace(index, [&] { index.setDim(getNhwcDimension(index.getDim())); });
      } else if (auto extract = dyn_cast<tensor::ExtractOp>(inner)) {
        if (Value source = getNhwcSource(extract.getTensor())) {
          rewriter.setInsertionPoint(extract);
          SmallVector<Value> indices(extract.getIndices());
          applyPermutationToVector(indices, kToNhwc);
          rewriter.replaceOpWithNewOp<tensor::ExtractOp>(extract, source, indices);
        }
      }
    }
  }
};

struct ConvertPad : OpRewritePattern<tensor::PadOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(tensor::PadOp op, PatternRewriter &rewriter) const override {
    Value source = getNhwcSource(op.getSource()), number = op.getConstantPaddingValue();
    if (!source || !number)
      return failure();
    Location location = op.getLoc();
    Value padded = tensor::PadOp::create(rewriter, location, getPermuted(op.getResultType(), kToNhwc), source,
                                         applyPermutation<OpFoldResult>(op.getMixedLowPad(), kToNhwc),
                                         applyPermutation<OpFoldResult>(op.getMixedHighPad(), kToNhwc), number);
    rewriter.replaceOp(op, toNchw(rewriter, location, padded));
    return success();
  }
};

struct ConvertConcat : OpRewritePattern<tensor::ConcatOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(tensor::ConcatOp op, PatternRewriter &rewriter) const override {
    if (llvm::none_of(op.getInputs(), getNhwcSource) || !llvm::all_of(op.getInputs(), canBeNhwc))
      return failure();
    Location location = op.getLoc();
    auto parts = llvm::map_to_vector(op.getInputs(), [&](Value part) { return toNhwc(rewriter, location, part); });
    Value whole = tensor::ConcatOp::create(rewriter, location, getPermuted(op.getResultType(), kToNhwc),
                                           getNhwcDimension(op.getDim()), parts);
    rewriter.replaceOp(op, toNchw(rewriter, location, whole));
    return success();
  }
};

struct ConvertExtractSlice : OpRewritePattern<tensor::ExtractSliceOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(tensor::ExtractSliceOp op, PatternRewriter &rewriter) const override {
    Value source = getNhwcSource(op.getSource());
    if (!source || op.getType().getRank() != 4)
      return failure();
    Location location = op.getLoc();
    Value slice = tensor::ExtractSliceOp::create(rewriter, location, getPermuted(op.getType(), kToNhwc), source,
                                                 applyPermutation<OpFoldResult>(op.getMixedOffsets(), kToNhwc),
                                                 applyPermutation<OpFoldResult>(op.getMixedSizes(), kToNhwc),
                                                 applyPermutation<OpFoldResult>(op.getMixedStrides(), kToNhwc));
    rewriter.replaceOp(op, toNchw(rewriter, location, slice));
    return success();
  }
};

/// The border of some channels of an image is that of the image: one border for all groups of a convolution.
struct HoistPad : OpRewritePattern<tensor::PadOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(tensor::PadOp op, PatternRewriter &rewriter) const override {
    auto slice = op.getSource().getDefiningOp<tensor::ExtractSliceOp>();
    Value number = op.getConstantPaddingValue();
    if (!slice || !number || !slice.hasUnitStride() || slice.getType().getRank() != 4 || !op.getLow().empty() ||
        !op.getHigh().empty() || !slice.getOffsets().empty() || !slice.getSizes().empty() ||
        slice.getSourceType().getRank() != 4 || op.getStaticLow()[3] != 0 || op.getStaticHigh()[3] != 0)
      return failure();
    RankedTensorType whole = slice.getSourceType(), part = slice.getType();
    if (whole.getShape().drop_back() != part.getShape().drop_back() || !whole.hasStaticShape() ||
        slice.getStaticOffsets().drop_back() != ArrayRef<int64_t>{0, 0, 0})
      return failure();
    SmallVector<int64_t> shape(op.getResultType().getShape());
    shape[3] = whole.getDimSize(3);
    Value padded = tensor::PadOp::create(rewriter, op.getLoc(), RankedTensorType::get(shape, whole.getElementType()),
                                         slice.getSource(), op.getMixedLowPad(), op.getMixedHighPad(), number);
    SmallVector<OpFoldResult> sizes = getAsIndexOpFoldResult(op.getContext(), op.getResultType().getShape());
    rewriter.replaceOpWithNewOp<tensor::ExtractSliceOp>(op, op.getResultType(), padded, slice.getMixedOffsets(), sizes,
                                                        slice.getMixedStrides());
    return success();
  }
};

/// An image of one pixel is the same memory in both orders.
struct ConvertCollapse : OpRewritePattern<tensor::CollapseShapeOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(tensor::CollapseShapeOp op, PatternRewriter &rewriter) const override {
    Value source = getNhwcSource(op.getSrc());
    if (!source)
      return failure();
    ArrayRef<int64_t> shape = cast<RankedTensorType>(source.getType()).getShape();
    SmallVector<ReassociationIndices> perChannel = {{0}, {1, 2, 3}};
    if (shape[1] != 1 || shape[2] != 1 || op.getReassociationIndices() != perChannel)
      return failure();
    rewriter.replaceOpWithNewOp<tensor::CollapseShapeOp>(op, op.getType(), source, perChannel);
    return success();
  }
};

//===----------------------------------------------------------------------===//
// Control flow
//===----------------------------------------------------------------------===//

/// Brings the operands of a terminator that are `converted` to nhwc.
static void convertOperands(PatternRewriter &rewriter, Operation *op, MutableOperandRange operands,
                            const llvm::SmallBitVector &converted) {
  OpBuilder::InsertionGuard guard(rewriter);
  rewriter.setInsertionPoint(op);
  for (unsigned i : converted.set_bits()) {
    Value value = toNhwc(rewriter, op->getLoc(), operands[i].get());
    rewriter.modifyOpInPlace(op, [&] { operands[i].set(value); });
  }
}

/// A result of a branch that one of its sides transposes from nhwc leaves the branch as nhwc.
struct ConvertIf : OpRewritePattern<scf::IfOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(scf::IfOp op, PatternRewriter &rewriter) const override {
    if (op.getNumResults() == 0)
      return failure();
    scf::YieldOp sides[] = {op.thenYield(), op.elseYield()};
    llvm::SmallBitVector converted(op.getNumResults());
    for (unsigned i = 0; i < op.getNumResults(); ++i)
      converted[i] = llvm::any_of(sides, [&](scf::YieldOp side) { return bool(getNhwcSource(side.getOperand(i))); }) &&
                     llvm::all_of(sides, [&](scf::YieldOp side) { return canBeNhwc(side.getOperand(i)); });
    if (converted.none())
      return failure();
    for (scf::YieldOp side : sides)
      convertOperands(rewriter, side, side.getResultsMutable(), converted);
    rewriter.setInsertionPoint(op);
    auto changed = scf::IfOp::create(rewriter, op.getLoc(), sides[0].getOperandTypes(), op.getCondition());
    changed->setDiscardableAttrs(op->getDiscardableAttrDictionary());
    rewriter.inlineRegionBefore(op.getThenRegion(), changed.getThenRegion(), changed.getThenRegion().end());
    rewriter.inlineRegionBefore(op.getElseRegion(), changed.getElseRegion(), changed.getElseRegion().end());
    SmallVector<Value> results;
    for (auto [i, result] : llvm::enumerate(changed.getResults()))
      results.push_back(converted[i] ? toNchw(rewriter, op.getLoc(), result) : result);
    rewriter.replaceOp(op, results);
    return success();
  }
};

/// Whether a loop's argument is brought to nhwc in the loop, itself or as what is computed of it element by element.
static bool isReadAsNhwc(BlockArgument argument) {
  SetVector<Value> values;
  values.insert(argument);
  for (unsigned i = 0; i < values.size(); ++i)
    for (OpOperand &use : values[i].getUses()) {
      Operation *user = use.getOwner();
      if (auto transpose = dyn_cast<linalg::TransposeOp>(user)) {
        if (transpose.getPermutation() == ArrayRef(kToNhwc))
          return true;
      } else if (auto condition = dyn_cast<scf::ConditionOp>(user)) {
        if (unsigned operand = use.getOperandNumber()) // The first is the condition itself.
          values.insert(cast<scf::WhileOp>(condition->getParentOp()).getAfterArguments()[operand - 1]);
      } else {
        auto op = dyn_cast<linalg::LinalgOp>(user);
        if (op ? linalg::isElementwise(op) : isa<tensor::PadOp, tensor::ConcatOp, tensor::ExtractSliceOp>(user))
          values.insert(user->getResults().begin(), user->getResults().end());
      }
    }
  return false;
}

/// What a loop's body reads as nhwc, and carries on as such, stays that from iteration to iteration.
struct ConvertWhile : OpRewritePattern<scf::WhileOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(scf::WhileOp op, PatternRewriter &rewriter) const override {
    scf::ConditionOp condition = op.getConditionOp();
    scf::YieldOp yield = op.getYieldOp();
    llvm::SmallBitVector carried(op.getInits().size()), forwarded(op.getNumResults());
    for (unsigned i = 0; i < carried.size(); ++i)
      carried[i] =
          getNhwcSource(yield.getOperand(i)) && canBeNhwc(op.getInits()[i]) && isReadAsNhwc(op.getBeforeArguments()[i]);
    for (unsigned i = 0; i < forwarded.size(); ++i) {
      Value value = condition.getArgs()[i];
      auto argument = dyn_cast<BlockArgument>(value);
      bool isCarried = argument && argument.getOwner() == op.getBeforeBody() && carried[argument.getArgNumber()];
      forwarded[i] = (isCarried || getNhwcSource(value)) && isReadAsNhwc(op.getAfterArguments()[i]);
    }
    if (carried.none() && forwarded.none())
      return failure();

    SmallVector<Value> inits = llvm::to_vector(op.getInits());
    for (unsigned i : carried.set_bits())
      inits[i] = toNhwc(rewriter, op.getLoc(), inits[i]);
    for (unsigned i : carried.set_bits())
      convertArgument(rewriter, op.getBeforeArguments()[i]);
    for (unsigned i : forwarded.set_bits())
      convertArgument(rewriter, op.getAfterArguments()[i]);
    convertOperands(rewriter, condition, condition.getArgsMutable(), forwarded);
    convertOperands(rewriter, yield, yield.getResultsMutable(), carried);

    rewriter.setInsertionPoint(op);
    auto changed = scf::WhileOp::create(rewriter, op.getLoc(), condition.getArgs().getTypes(), inits);
    changed->setDiscardableAttrs(op->getDiscardableAttrDictionary());
    rewriter.inlineRegionBefore(op.getBefore(), changed.getBefore(), changed.getBefore().end());
    rewriter.inlineRegionBefore(op.getAfter(), changed.getAfter(), changed.getAfter().end());
    SmallVector<Value> results = llvm::to_vector_of<Value>(changed.getResults());
    for (unsigned i : forwarded.set_bits())
      results[i] = toNchw(rewriter, op.getLoc(), results[i]);
    rewriter.replaceOp(op, results);
    return success();
  }

private:
  static void convertArgument(PatternRewriter &rewriter, BlockArgument argument) {
    OpBuilder::InsertionGuard guard(rewriter);
    rewriter.setInsertionPointToStart(argument.getOwner());
    SmallVector<OpOperand *> uses = llvm::to_vector(llvm::make_pointer_range(argument.getUses()));
    argument.setType(getPermuted(cast<RankedTensorType>(argument.getType()), kToNhwc));
    Value image = toNchw(rewriter, argument.getLoc(), argument);
    for (OpOperand *use : uses)
      rewriter.modifyOpInPlace(use->getOwner(), [&] { use->set(image); });
  }
};

//===----------------------------------------------------------------------===//
// The pass
//===----------------------------------------------------------------------===//

struct ChannelsLastPass : public dycl::impl::DyclChannelsLastPassBase<ChannelsLastPass> {
  using DyclChannelsLastPassBase::DyclChannelsLastPassBase;

  void runOnOperation() override {
    MLIRContext *context = &getContext();
    RewritePatternSet patterns(context);
    patterns.add<ConvertNamedOp<linalg::Conv2DNchwFchwOp, linalg::Conv2DNhwcHwcfOp>>(context,
                                                                                     ArrayRef<int64_t>{2, 3, 1, 0});
    patterns.add<ConvertNamedOp<linalg::DepthwiseConv2DNchwChwOp, linalg::DepthwiseConv2DNhwcHwcOp>>(
        context, ArrayRef<int64_t>{1, 2, 0});
    patterns.add<ConvertNamedOp<linalg::PoolingNchwSumOp, linalg::PoolingNhwcSumOp>,
                 ConvertNamedOp<linalg::PoolingNchwMaxOp, linalg::PoolingNhwcMaxOp>>(context, ArrayRef<int64_t>{});
    patterns.add<ConvertGrouped, ConvertGeneric, ConvertPad, HoistPad, ConvertConcat, ConvertExtractSlice,
                 ConvertCollapse, ConvertIf, ConvertWhile>(context);
    linalg::TransposeOp::getCanonicalizationPatterns(patterns, context);
    // What follows a convolution of lines is computed on the images of one row that they are. Not what sums: a product
    // of an image as one row, as behind a flattening, would be none with three reductions.
    linalg::populateFoldReshapeOpsByExpansionPatterns(patterns, [](OpOperand *operand) {
      auto collapse = operand->get().getDefiningOp<tensor::CollapseShapeOp>();
      auto op = dyn_cast<linalg::LinalgOp>(operand->getOwner());
      return collapse && collapse.getSrcType().getRank() == 4 && getNhwcSource(collapse.getSrc()) &&
             (!op || op.getNumLoops() == op.getNumParallelLoops());
    });
    // An image is taken apart into groups, and put together, between grouped convolutions and others.
    tensor::CollapseShapeOp::getCanonicalizationPatterns(patterns, context);
    tensor::ExpandShapeOp::getCanonicalizationPatterns(patterns, context);
    if (failed(applyPatternsGreedily(getOperation(), std::move(patterns))))
      return signalPassFailure();
  }
};

} // namespace
