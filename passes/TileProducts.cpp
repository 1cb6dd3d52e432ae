//===- TileProducts.cpp - Products with tiles of ours ---------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Linalg/Transforms/Transforms.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"
#include "passes/Passes.h"
#include "passes/Utils/DispatchBuilder.h"
#include "passes/Utils/PackedWeights.h"
#include "passes/Utils/Text.h"
#include "passes/Utils/TileRules.h"
#include "passes/Utils/Tuning.h"

namespace dycl {
#define GEN_PASS_DEF_DYCLTILEPRODUCTSPASS
#include "passes/Passes.h.inc"
} // namespace dycl

using namespace mlir;
using namespace dycl;

/// Whether `op` computes element by element, and no more than that.
static bool isElementwise(linalg::GenericOp op) {
  return op.hasPureTensorSemantics() && op.getNumReductionLoops() == 0 && op.getNumDpsInits() == 1 &&
         !op.hasIndexSemantics() && op.getMatchingIndexingMap(op.getDpsInitOperand(0)).isIdentity();
}

/// Whether `value` is the result of a product, or of what follows one element by element in its own shape.
static bool isOnProduct(Value value) {
  if (value.getDefiningOp<linalg::MatmulOp>())
    return true;
  auto op = value.getDefiningOp<linalg::GenericOp>();
  return op && isElementwise(op) && llvm::any_of(op.getDpsInputOperands(), [&](OpOperand *operand) {
           return operand->get().getType() == value.getType() && op.getMatchingIndexingMap(operand).isIdentity() &&
                  isOnProduct(operand->get());
         });
}

namespace {

/// An operation on the one row of a product, behind a reshape to a vector, is computed on the row.
struct RaiseToRow : OpRewritePattern<linalg::GenericOp> {
  using OpRewritePattern::OpRewritePattern;

  /// The row that `vector` is; null for anything else.
  static Value getRow(Value vector) {
    auto collapse = vector.getDefiningOp<tensor::CollapseShapeOp>();
    if (!collapse || collapse.getSrcType().getRank() != 2 || collapse.getSrcType().getDimSize(0) != 1)
      return {};
    return isOnProduct(collapse.getSrc()) ? collapse.getSrc() : Value();
  }

  /// Whether `op` is on a row, of whose type the result is: otherwise that would be made a vector again.
  static bool isOnRow(linalg::GenericOp op) {
    return llvm::any_of(op.getDpsInputs(),
                        [&](Value input) { return input.getType() == op->getResult(0).getType() && getRow(input); });
  }

  LogicalResult matchAndRewrite(linalg::GenericOp op, PatternRewriter &rewriter) const override {
    if (isInDispatch(op) || op.getNumLoops() != 1 || !isElementwise(op) ||
        !op.getBlock()->getArguments().back().use_empty() ||
        !llvm::all_of(op.getIndexingMapsArray(), [](AffineMap map) { return map.isIdentity(); }) || !isOnRow(op))
      return failure();
    Location location = op.getLoc();
    auto type = cast<RankedTensorType>(op->getResult(0).getType());
    AffineMap row = rewriter.getMultiDimIdentityMap(2);
    AffineMap vector = AffineMap::get(2, 0, rewriter.getAffineDimExpr(1));
    SmallVector<Value> inputs;
    SmallVector<AffineMap> maps;
    for (Value input : op.getDpsInputs()) {
      Value source = getRow(input);
      inputs.push_back(source ? source : input);
      maps.push_back(source ? row : vector);
    }
    maps.push_back(row);
    Value empty =
        tensor::EmptyOp::create(rewriter, location, ArrayRef<int64_t>{1, type.getDimSize(0)}, type.getElementType());
    SmallVector<utils::IteratorType> iterators(2, utils::IteratorType::parallel);
    auto raised = linalg::GenericOp::create(rewriter, location, empty.getType(), inputs, empty, maps, iterators);
    rewriter.inlineRegionBefore(op.getRegion(), raised.getRegion(), raised.getRegion().begin());
    rewriter.replaceOpWithNewOp<tensor::CollapseShapeOp>(op, type, raised->getResult(0),
                                                         ArrayRef<ReassociationIndices>{{0, 1}});
    return success();
  }
};

/// An operation element by element on one tensor, behind a reshape or a transposition of that, is computed before it:
/// there it may be part of a dispatch.
struct HoistElementwise : OpRewritePattern<linalg::GenericOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(linalg::GenericOp op, PatternRewriter &rewriter) const override {
    if (isInDispatch(op) || !op.hasPureTensorSemantics() || op.getNumReductionLoops() != 0 ||
        op.getNumDpsInputs() != 1 || op.getNumDpsInits() != 1 || op.hasIndexSemantics() ||
        !op.getBlock()->getArguments().back().use_empty() ||
        !llvm::all_of(op.getIndexingMapsArray(), [](AffineMap map) { return map.isIdentity(); }))
      return failure();
    Value laidOut = op.getDpsInputs()[0];
    Operation *layout = laidOut.getDefiningOp();
    // Not behind a collapse: that is what is left where a dimension of 1 was dropped.
    if (!isa_and_nonnull<linalg::TransposeOp, tensor::ExpandShapeOp>(layout) || !laidOut.hasOneUse())
      return failure();
    Location location = op.getLoc();
    Value source = layout->getOperand(0);
    auto type = cast<RankedTensorType>(source.getType());
    Type element = getElementTypeOrSelf(op->getResult(0).getType());
    Value empty =
        tensor::EmptyOp::create(rewriter, location, tensor::getMixedSizes(rewriter, location, source), element);
    AffineMap identity = rewriter.getMultiDimIdentityMap(type.getRank());
    SmallVector<utils::IteratorType> iterators(type.getRank(), utils::IteratorType::parallel);
    auto hoisted = linalg::GenericOp::create(rewriter, location, empty.getType(), source, empty,
                                             ArrayRef{identity, identity}, iterators);
    rewriter.inlineRegionBefore(op.getRegion(), hoisted.getRegion(), hoisted.getRegion().begin());
    IRMapping mapping;
    mapping.map(source, hoisted->getResult(0));
    Operation *copy = nullptr;
    if (isa<linalg::TransposeOp>(layout)) {
      copy = linalg::TransposeOp::create(rewriter, layout->getLoc(), hoisted->getResult(0), op.getDpsInits()[0],
                                         cast<linalg::TransposeOp>(layout).getPermutation());
    } else {
      copy = rewriter.clone(*layout, mapping);
      copy->getResult(0).setType(op->getResult(0).getType());
    }
    rewriter.replaceOp(op, copy->getResult(0));
    return success();
  }
};

/// A reshape back to what was reshaped. Upstream has it as a fold, and folding moves constants out of dispatches.
template <typename Inner, typename Outer> struct CancelReshapes : OpRewritePattern<Outer> {
  using OpRewritePattern<Outer>::OpRewritePattern;

  /// Whether a dimension of the larger of the two shapes, which groups are of, is not static.
  static bool isDynamicIn(Inner inner, Outer outer, int64_t dimension) {
    RankedTensorType between = inner.getResultType(), ends = outer.getResultType();
    return (ends.getRank() > between.getRank() ? ends : between).isDynamicDim(dimension);
  }

  LogicalResult matchAndRewrite(Outer op, PatternRewriter &rewriter) const override {
    auto inner = op.getSrc().template getDefiningOp<Inner>();
    if (!inner || inner.getSrcType() != op.getResultType() ||
        inner.getReassociationIndices() != op.getReassociationIndices())
      return failure();
    // Two sizes that are not static may be the other way round: x.flatten(0, 1).view(b, a).
    for (const ReassociationIndices &group : op.getReassociationIndices())
      if (llvm::count_if(group, [&](int64_t i) { return isDynamicIn(inner, op, i); }) > 1)
        return failure();
    rewriter.replaceOp(op, inner.getSrc());
    return success();
  }
};

} // namespace

/// What follows a product is often computed on `1 x M x N`, the batch of one sentence, behind a reshape. Without the 1
/// it is of the product's own shape, and reshapes cancel. What is of that shape keeps a 1 of its own, of one row.
static LogicalResult bringToProducts(ModuleOp module) {
  RewritePatternSet patterns(module.getContext());
  linalg::ControlDropUnitDims options;
  options.controlFn = [](Operation *op) -> SmallVector<unsigned> {
    auto generic = dyn_cast<linalg::GenericOp>(op);
    if (!generic || isInDispatch(op) || generic.getNumReductionLoops() != 0 || generic.getNumLoops() > 4)
      return {};
    if (generic.getNumResults() == 1 && isOnProduct(generic->getResult(0)))
      return {};
    return llvm::to_vector(llvm::seq<unsigned>(0, generic.getNumLoops()));
  };
  linalg::populateFoldUnitExtentDimsPatterns(patterns, options);
  tensor::CollapseShapeOp::getCanonicalizationPatterns(patterns, module.getContext());
  tensor::ExpandShapeOp::getCanonicalizationPatterns(patterns, module.getContext());
  patterns.add<RaiseToRow, HoistElementwise, CancelReshapes<tensor::ExpandShapeOp, tensor::CollapseShapeOp>,
               CancelReshapes<tensor::CollapseShapeOp, tensor::ExpandShapeOp>>(module.getContext());
  return applyPatternsGreedily(module, std::move(patterns), getConfigAroundDispatches());
}

namespace {

/// A product of rows by a weight, `[M, K] x [K, N]`.
struct Product {
  linalg::MatmulOp op;
  Value rows, packed;
  Tiling blocks; // Of N.
  int64_t depth; // K
  RankedTensorType type;
};

struct TileProductsPass : public dycl::impl::DyclTileProductsPassBase<TileProductsPass> {
  using DyclTileProductsPassBase::DyclTileProductsPassBase;

  void runOnOperation() override {
    std::optional<VectorUnit> unit = VectorUnit::get(vectorBits, registers);
    if (!unit)
      return;
    FailureOr<Tuning> measured = Tuning::parse(tuning, listChoices, getOperation());
    if (failed(measured) || failed(bringToProducts(getOperation())))
      return signalPassFailure();
    for (auto function : getOperation().getOps<func::FuncOp>()) {
      SmallVector<linalg::MatmulOp> products;
      function.walk([&](linalg::MatmulOp op) { products.push_back(op); });
      for (linalg::MatmulOp op : products)
        tile(*unit, *measured, op);
      SmallVector<linalg::BatchMatmulOp> batches;
      function.walk([&](linalg::BatchMatmulOp op) { batches.push_back(op); });
      for (linalg::BatchMatmulOp op : batches)
        tile(*unit, *measured, op);
      eraseDeadOps(function.getBody());
    }
  }

private:
  void tile(const VectorUnit &unit, const Tuning &measured, linalg::MatmulOp op);
  void tile(const VectorUnit &unit, const Tuning &measured, linalg::BatchMatmulOp op);
};

} // namespace

/// `rows x columns` in the body of a dispatch, with tiles of `vectorRows` rows and all columns. Rows that are left over
/// are slow, so tiles divide them or nearly: 16 rows as 14 and 2 took 1.3 times as long as 8 and 8.
static Value buildProduct(DispatchBuilder &dispatch, Location location, Value rows, Value columns, int64_t vectorRows) {
  OpBuilder &body = dispatch.inBody();
  int64_t height = cast<RankedTensorType>(rows.getType()).getDimSize(0);
  auto columnType = cast<RankedTensorType>(columns.getType());
  int64_t width = columnType.getDimSize(1);
  Value filled = dispatch.createZeros({height, width}, columnType.getElementType());
  auto product = linalg::MatmulOp::create(body, location, filled.getType(), ValueRange{rows, columns}, filled);
  product->setAttr("compilation_info", getTileAttribute(body.getContext(), {vectorRows, width, 0}, {0, 0, 1},
                                                        "DoubleTilingExpert", /*peels=*/true));
  return product->getResult(0);
}

/// Rows that data counts.
struct DynamicRows {
  Value count, numTiles;
  Value updated; // The result that the dispatch updates, if any.
};

/// The product and its epilogue, `tiling.tile` rows a workgroup.
static Value buildDispatch(OpBuilder &builder, const Product &product, const Epilogue &epilogue, Tiling tiling,
                           int64_t vectorRows, std::optional<DynamicRows> dynamic = std::nullopt) {
  linalg::MatmulOp op = product.op;
  Location location = op.getLoc();
  DispatchBuilder dispatch(op.getContext(), location);
  OpFoldResult zero = dispatch.inBody().getIndexAttr(0);
  OpFoldResult row = dynamic ? dispatch.getTileOffset(0, tiling.tile, product.rows) : dispatch.getTileOffset(0, tiling);
  OpFoldResult column = dispatch.getTileOffset(1, product.blocks);
  Value input = dispatch.load(product.rows, {{row, zero}, {tiling.tile, product.depth}});
  Piece weightPiece = {{zero, zero, zero}, {1, product.depth, product.blocks.tile}};
  if (product.blocks.count() > 1)
    weightPiece.offsets[0] = dispatch.getWorkgroup(1);
  Value weight = dispatch.load(product.packed, weightPiece, /*numDropped=*/1);

  Piece piece = {{row, column}, {tiling.tile, product.blocks.tile}};
  Value value = buildProduct(dispatch, location, input, weight, vectorRows);
  if (dynamic && dynamic->updated)
    dispatch.update(dynamic->updated);
  dispatch.store(epilogue.build(dispatch, value, piece), piece, product.type);

  Value numBlocks = arith::ConstantIndexOp::create(builder, location, product.blocks.count());
  if (dynamic)
    return dispatch.finish(builder, {dynamic->numTiles, numBlocks}, product.type, dynamic->count);
  Value numTiles = arith::ConstantIndexOp::create(builder, location, tiling.count());
  return dispatch.finish(builder, {numTiles, numBlocks}, product.type);
}

/// For rows that data counts: a dispatch for each of these tiles, the largest first, of which the largest that there
/// are rows for has workgroups and the others none. Each but the first updates the result of the one before it, so that
/// all are one submission: with `scf.if` around them a product took 3 us more, and 40 on a pool of threads.
static Value buildVariants(OpBuilder &builder, const Product &product, const Epilogue &epilogue,
                           ArrayRef<int64_t> tiles, Value numRows) {
  Location location = Value(product.packed).getLoc();
  Value result, zero = arith::ConstantIndexOp::create(builder, location, 0), larger;
  for (int64_t size : tiles) {
    Value tile = arith::ConstantIndexOp::create(builder, location, size);
    Value isChosen = arith::CmpIOp::create(builder, location, arith::CmpIPredicate::uge, numRows, tile);
    if (larger) {
      Value isLess = arith::CmpIOp::create(builder, location, arith::CmpIPredicate::ult, numRows, larger);
      isChosen = arith::AndIOp::create(builder, location, isChosen, isLess);
    }
    Value numTiles = arith::CeilDivUIOp::create(builder, location, numRows, tile);
    numTiles = arith::SelectOp::create(builder, location, isChosen, numTiles, zero);
    result = buildDispatch(builder, product, epilogue, Tiling{ShapedType::kDynamic, size}, size,
                           DynamicRows{numRows, numTiles, result});
    larger = tile;
  }
  return result;
}

void TileProductsPass::tile(const VectorUnit &unit, const Tuning &measured, linalg::MatmulOp op) {
  auto type = cast<RankedTensorType>(op->getResult(0).getType());
  std::optional<WeightView> weight = getWeight(getOperation(), op.getInputs()[1]);
  if (!op.hasPureTensorSemantics() || op.hasUserDefinedMaps() || !weight || !type.getElementType().isF32() ||
      !weight->type.getElementType().isF32() || type.isDynamicDim(1) || llvm::is_contained(type.getShape(), 0))
    return;
  // The rows' own type has to say as much as the result's.
  auto rowsType = cast<RankedTensorType>(op.getInputs()[0].getType());
  if (!rowsType.getElementType().isF32() ||
      rowsType.getShape() != ArrayRef{type.getDimSize(0), weight->type.getDimSize(0)})
    return;
  int64_t height = type.getDimSize(0), depth = weight->type.getDimSize(0);
  Choices choices(measured, op, "product-" + joinNumbers({height, depth, type.getDimSize(1)}, "x"));
  std::optional<int64_t> block = choices.takeBlock(unit, unit.getColumnBlock(type.getDimSize(1)), type.getDimSize(1));
  if (!block || depth == 0)
    return;
  Tiling rows = {height, 1}, tile = rows;
  if (!type.isDynamicDim(0)) {
    int64_t count = (height * depth * 4 + kCachedBytes - 1) / kCachedBytes;
    rows = choices.takeRows(tileEvenly(height, (height + count - 1) / count));
    tile = choices.takeTile(unit, rows.tile, *block);
  }
  if (failed(choices.finish()))
    return signalPassFailure();
  Epilogue epilogue(op);
  OpBuilder before(op), after(op.getContext());
  Value packed = loadInBlocks(before, op.getLoc(), getOperation(), *weight, *block);
  Product product = {op, op.getInputs()[0], packed, Tiling{type.getDimSize(1), *block}, depth, type};
  after.setInsertionPointAfter(epilogue.getLast());
  Value result;
  if (type.isDynamicDim(0)) {
    Value numRows = tensor::DimOp::create(after, op.getLoc(), product.rows, 0);
    SmallVector<int64_t> tiles;
    for (int64_t tile = llvm::bit_floor<uint64_t>(unit.getMostRows(*block)); tile > 0; tile /= 2)
      tiles.push_back(tile);
    result = buildVariants(after, product, epilogue, tiles, numRows);
  } else {
    result = buildDispatch(after, product, epilogue, rows, tile.tile);
  }
  epilogue.getLast()->getResult(0).replaceAllUsesWith(result);
  ++numTiled;
}

void TileProductsPass::tile(const VectorUnit &unit, const Tuning &measured, linalg::BatchMatmulOp op) {
  auto type = cast<RankedTensorType>(op->getResult(0).getType());
  auto left = cast<RankedTensorType>(op.getInputs()[0].getType()),
       right = cast<RankedTensorType>(op.getInputs()[1].getType());
  if (!op.hasPureTensorSemantics() || op.hasUserDefinedMaps() || !type.getElementType().isF32() ||
      !left.getElementType().isF32() || !right.getElementType().isF32() || !type.hasStaticShape() ||
      !left.hasStaticShape() || !right.hasStaticShape() || type.getNumElements() == 0)
    return;
  int64_t batches = type.getDimSize(0), height = type.getDimSize(1), width = type.getDimSize(2);
  int64_t depth = left.getDimSize(2);
  Choices choices(measured, op, "batch_product-" + joinNumbers({batches, height, depth, width}, "x"));
  std::optional<int64_t> block = choices.takeBlock(unit, unit.getBlock(width), width);
  if (!block || depth == 0)
    return;
  Tiling tile = choices.takeTile(unit, height, *block);
  if (failed(choices.finish()))
    return signalPassFailure();
  Location location = op.getLoc();
  Epilogue epilogue(op);
  Tiling blocks = {width, *block};
  DispatchBuilder dispatch(op.getContext(), location);
  OpFoldResult zero = dispatch.inBody().getIndexAttr(0);
  OpFoldResult column = dispatch.getTileOffset(0, blocks), batch = dispatch.getTileOffset(1, {batches, 1});
  Value rows = dispatch.load(op.getInputs()[0], {{batch, zero, zero}, {1, height, depth}}, /*numDropped=*/1);
  Value columns = dispatch.load(op.getInputs()[1], {{batch, zero, column}, {1, depth, *block}}, /*numDropped=*/1);
  Value product = buildProduct(dispatch, location, rows, columns, tile.tile);
  Piece piece = {{batch, zero, column}, {1, height, *block}};
  Value value = epilogue.build(dispatch, product, piece, /*numDropped=*/1);
  Relayout relayout(epilogue.getLast()->getResult(0), piece, {height, *block});
  auto resultType = cast<RankedTensorType>(relayout.value.getType());
  dispatch.store(value, relayout.piece, resultType);
  OpBuilder after(op.getContext());
  after.setInsertionPointAfterValue(relayout.value);
  SmallVector<Value> grid = {arith::ConstantIndexOp::create(after, location, blocks.count()),
                             arith::ConstantIndexOp::create(after, location, batches)};
  relayout.value.replaceAllUsesWith(dispatch.finish(after, grid, resultType));
  ++numTiled;
}
