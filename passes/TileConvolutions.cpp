//===- TileConvolutions.cpp - Convolutions with tiles of ours -------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "passes/Passes.h"
#include "passes/Utils/DispatchBuilder.h"
#include "passes/Utils/ImageBorder.h"
#include "passes/Utils/PackedWeights.h"
#include "passes/Utils/Text.h"
#include "passes/Utils/TileRules.h"
#include "passes/Utils/Tuning.h"

namespace dycl {
#define GEN_PASS_DEF_DYCLTILECONVOLUTIONSPASS
#include "passes/Passes.h.inc"
} // namespace dycl

using namespace mlir;
using namespace dycl;

namespace {

/// What of a convolution the tiles are made for.
struct Geometry {
  int64_t batch, height, width, channels; // Of the result.
  int64_t inputWidth, inputChannels;
  int64_t kernelHeight, kernelWidth, strideHeight, strideWidth, dilationHeight, dilationWidth;

  int64_t getInputRows(int64_t rows) const {
    return (rows - 1) * strideHeight + (kernelHeight - 1) * dilationHeight + 1;
  }
  int64_t getInputColumns(int64_t columns) const {
    return (columns - 1) * strideWidth + (kernelWidth - 1) * dilationWidth + 1;
  }
};

struct TileConvolutionsPass : public dycl::impl::DyclTileConvolutionsPassBase<TileConvolutionsPass> {
  using DyclTileConvolutionsPassBase::DyclTileConvolutionsPassBase;

  void runOnOperation() override {
    std::optional<VectorUnit> unit = VectorUnit::get(vectorBits, registers);
    if (!unit)
      return;
    FailureOr<Tuning> measured = Tuning::parse(tuning, listChoices, getOperation());
    if (failed(measured))
      return signalPassFailure();
    for (auto function : getOperation().getOps<func::FuncOp>()) {
      SmallVector<Operation *> ops;
      function.walk([&](linalg::ConvolutionOpInterface op) { ops.push_back(op); });
      for (Operation *op : ops) {
        if (auto convolution = dyn_cast<linalg::Conv2DNhwcHwcfOp>(op))
          tile(*unit, *measured, convolution);
        else if (auto depthwise = dyn_cast<linalg::DepthwiseConv2DNhwcHwcOp>(op))
          tile(*unit, *measured, depthwise);
      }
      eraseDeadOps(function.getBody());
    }
  }

private:
  template <typename Op> void tile(const VectorUnit &unit, const Tuning &measured, Op op);
};

} // namespace

//===----------------------------------------------------------------------===//
// The dispatch
//===----------------------------------------------------------------------===//

template <typename Op> static Geometry getGeometry(Op op) {
  ArrayRef<int64_t> input = cast<RankedTensorType>(op.getInputs()[0].getType()).getShape();
  ArrayRef<int64_t> kernel = cast<RankedTensorType>(op.getInputs()[1].getType()).getShape();
  ArrayRef<int64_t> result = cast<RankedTensorType>(op->getResult(0).getType()).getShape();
  auto strides = llvm::to_vector(op.getStrides().template getValues<int64_t>());
  auto dilations = llvm::to_vector(op.getDilations().template getValues<int64_t>());
  return {result[0], result[1], result[2],  result[3],  input[2],     input[3],
          kernel[0], kernel[1], strides[0], strides[1], dilations[0], dilations[1]};
}

/// How the rows of the result are divided among workgroups: so that what they read of the input stays in the cache
/// while they go over the weights, if there is more of the input than of these; and in two where all channels are one
/// block, so that two threads find work.
static Tiling getRowsPerWorkgroup(const Geometry &geometry, int64_t numBlocks, int64_t weights) {
  int64_t input = geometry.getInputRows(geometry.height) * geometry.inputWidth * geometry.inputChannels * 4;
  int64_t count = input > weights ? (input + kCachedBytes - 1) / kCachedBytes : 1;
  if (numBlocks == 1 && geometry.height >= kDividedRows)
    count = std::max<int64_t>(count, 2);
  return tileEvenly(geometry.height, (geometry.height + count - 1) / count);
}

/// The key of a convolution in a tuning: `conv-1x58x58x64-3x3x64x64-s1x1-d1x1`, with the border in the input's sizes.
template <typename Op> static std::string getKey(Op op) {
  auto shapeOf = [&](unsigned i) {
    return joinNumbers(cast<RankedTensorType>(op.getInputs()[i].getType()).getShape(), "x");
  };
  auto numbersOf = [](DenseIntElementsAttr numbers) {
    return joinNumbers(llvm::to_vector(numbers.getValues<int64_t>()), "x");
  };
  return (std::is_same_v<Op, linalg::Conv2DNhwcHwcfOp> ? "conv-" : "depthwise-") + shapeOf(0) + "-" + shapeOf(1) +
         "-s" + numbersOf(op.getStrides()) + "-d" + numbersOf(op.getDilations());
}

template <typename Op> void TileConvolutionsPass::tile(const VectorUnit &unit, const Tuning &measured, Op op) {
  auto type = cast<RankedTensorType>(op->getResult(0).getType());
  auto inputType = cast<RankedTensorType>(op.getInputs()[0].getType());
  std::optional<WeightView> weight = getWeight(getOperation(), op.getInputs()[1]);
  if (!op.hasPureTensorSemantics() || !weight || !type.getElementType().isF32() ||
      !inputType.getElementType().isF32() || !weight->type.getElementType().isF32() || !type.hasStaticShape() ||
      !inputType.hasStaticShape() || type.getNumElements() == 0)
    return;
  Geometry geometry = getGeometry(op);
  constexpr bool depthwise = std::is_same_v<Op, linalg::DepthwiseConv2DNhwcHwcOp>;
  Choices choices(measured, op, getKey(op));
  std::optional<int64_t> rule = unit.getBlock(geometry.channels);
  if (!rule && !depthwise)
    rule = unit.getNarrowBlock(geometry.channels);
  std::optional<int64_t> block = choices.takeBlock(unit, rule, geometry.channels);
  if (!block)
    return;
  Tiling columns = choices.takeTile(unit, geometry.width, *block);
  Tiling blocks = {geometry.channels, *block};
  int64_t weights = depthwise ? 0 : weight->type.getNumElements() * 4;
  Tiling rows = choices.takeRows(getRowsPerWorkgroup(geometry, blocks.count(), weights));
  int64_t unrolled =
      depthwise ? 1
                : choices.takeUnroll(findDivisor(geometry.inputChannels, kUnrolledChannels), geometry.inputChannels);
  if (failed(choices.finish()))
    return signalPassFailure();
  // Where tiles do not divide the width, each is a workgroup of its own.
  Tiling strips = columns.isExact() ? Tiling{geometry.width, geometry.width} : columns;
  // Where zeros fill the block, all of it is in a buffer before the channels that there are are stored.
  Tiling batches = {geometry.batch, geometry.batch};
  if (*block > geometry.channels) {
    batches.tile = 1;
    if (strips.tile * *block * 4 > kBufferBytes)
      strips.tile = columns.tile;
    rows = tileEvenly(geometry.height, std::clamp<int64_t>(kBufferBytes / (strips.tile * *block * 4), 1, rows.tile));
  }
  int64_t stored = std::min(*block, geometry.channels);

  Location location = op.getLoc();
  MLIRContext *context = op.getContext();
  Epilogue epilogue(op);
  OpBuilder before(op);
  Value packed = loadInBlocks(before, location, getOperation(), *weight, *block);

  DispatchBuilder dispatch(context, location);
  OpBuilder &body = dispatch.inBody();
  OpFoldResult channel = dispatch.getTileOffset(0, blocks), row = dispatch.getTileOffset(1, rows),
               column = dispatch.getTileOffset(2, strips);
  OpFoldResult zero = body.getIndexAttr(0), batch = zero;
  if (batches.count() > 1) // All channels are one block then.
    batch = dispatch.getTileOffset(0, batches);
  auto scale = [&](OpFoldResult offset, int64_t factor) {
    AffineMap map = AffineMap::get(1, 0, body.getAffineDimExpr(0) * factor);
    return factor == 1 ? offset : affine::makeComposedFoldedAffineApply(body, location, map, {offset});
  };
  Piece piece = {{batch, row, column, channel}, {batches.tile, rows.tile, strips.tile, stored}};
  Piece inputPiece = {
      {batch, scale(row, geometry.strideHeight), scale(column, geometry.strideWidth), depthwise ? channel : zero},
      {batches.tile, geometry.getInputRows(rows.tile), geometry.getInputColumns(strips.tile),
       depthwise ? *block : geometry.inputChannels}};
  Value input = dispatch.load(op.getInputs()[0], inputPiece);
  auto packedType = cast<RankedTensorType>(packed.getType());
  Piece weightPiece = {SmallVector<OpFoldResult>(packedType.getRank(), zero), llvm::to_vector(packedType.getShape())};
  weightPiece.sizes[0] = 1;
  if (blocks.count() > 1)
    weightPiece.offsets[0] = dispatch.getWorkgroup(0);
  Value kernel = dispatch.load(packed, weightPiece, /*numDropped=*/1);

  Value filled = dispatch.createZeros({batches.tile, rows.tile, strips.tile, *block}, type.getElementType());
  auto inner = Op::create(body, location, filled.getType(), ValueRange{input, kernel}, filled, op.getStrides(),
                          op.getDilations());
  if (depthwise)
    inner->setAttr("compilation_info", getTileAttribute(context, {1, 1, columns.tile, *block, 0, 0}, {0, 0, 0, 0, 1, 1},
                                                        "ConvTileAndDecomposeExpert"));
  else
    inner->setAttr("compilation_info", getTileAttribute(context, {1, 1, columns.tile, *block, 0, 0, 0},
                                                        {0, 0, 0, 0, 1, 1, unrolled}, "ConvTileAndDecomposeExpert"));
  Value value = inner->getResult(0);
  if (stored < *block)
    value =
        tensor::ExtractSliceOp::create(body, location, RankedTensorType::get(piece.sizes, type.getElementType()), value,
                                       SmallVector<OpFoldResult>(4, zero), getAsIndexOpFoldResult(context, piece.sizes),
                                       SmallVector<OpFoldResult>(4, body.getIndexAttr(1)));
  value = epilogue.build(dispatch, value, piece);

  Value last = epilogue.getLast()->getResult(0);
  Border border = getLargestBorder(last);
  RankedTensorType padded = getPadded(type, border);
  storeWithBorder(dispatch, value, border, piece, padded,
                  [&](ArrayRef<int64_t> sizes) { return dispatch.createZeros(sizes, type.getElementType()); });

  OpBuilder after(context);
  after.setInsertionPointAfter(epilogue.getLast());
  SmallVector<Value> grid;
  for (const Tiling &tiling : {batches.count() > 1 ? batches : blocks, rows, strips})
    grid.push_back(arith::ConstantIndexOp::create(after, location, tiling.count()));
  Value result = dispatch.finish(after, grid, padded);
  replaceWithPadded(last, result, border);
  ++numTiled;
}
