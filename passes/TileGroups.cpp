//===- TileGroups.cpp - Grouped convolutions in one dispatch --------------===//
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
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "passes/Passes.h"
#include "passes/Utils/DispatchBuilder.h"
#include "passes/Utils/Groups.h"
#include "passes/Utils/ImageBorder.h"
#include "passes/Utils/PackedWeights.h"
#include "passes/Utils/Text.h"
#include "passes/Utils/TileRules.h"
#include "passes/Utils/VectorBuilder.h"

namespace dycl {
#define GEN_PASS_DEF_DYCLTILEGROUPSPASS
#include "passes/Passes.h.inc"
} // namespace dycl

using namespace mlir;
using namespace dycl;

namespace {

struct TileGroupsPass : public dycl::impl::DyclTileGroupsPassBase<TileGroupsPass> {
  using DyclTileGroupsPassBase::DyclTileGroupsPassBase;

  void runOnOperation() override {
    std::optional<VectorUnit> unit = VectorUnit::get(vectorBits, registers);
    if (!unit)
      return;
    for (auto function : getOperation().getOps<func::FuncOp>()) {
      SmallVector<linalg::Conv2DNhwgcGfhwcOp> ops;
      function.walk([&](linalg::Conv2DNhwgcGfhwcOp op) { ops.push_back(op); });
      for (linalg::Conv2DNhwgcGfhwcOp op : ops)
        tile(*unit, op);
      eraseDeadOps(function.getBody());
    }
  }

private:
  void tile(const VectorUnit &unit, linalg::Conv2DNhwgcGfhwcOp op);
};

/// A grouped convolution, and what a workgroup computes of it: a block of output channels, of one or of several whole
/// groups, for some rows of an image.
struct Plan {
  int64_t images, height, width, groups, inputs, outputs; // The last two a group.
  int64_t kernelHeight, kernelWidth, strideHeight, strideWidth, dilationHeight, dilationWidth;
  int64_t numGroups, block; // Of a block: its groups, and its output channels.
  Tiling rows;              // Of a workgroup.
  PixelTile pixels;         // Whose sums are in registers at a time.
  bool copiesInput;         // What a workgroup reads fits a buffer.

  int64_t getInputRows(int64_t rows) const {
    return (rows - 1) * strideHeight + (kernelHeight - 1) * dilationHeight + 1;
  }
  int64_t getInputColumns(int64_t columns) const {
    return (columns - 1) * strideWidth + (kernelWidth - 1) * dilationWidth + 1;
  }
  /// Blocks of a group, or of all channels where a block holds groups.
  Tiling getBlocks() const { return {numGroups > 1 ? groups * outputs : outputs, block}; }
};

} // namespace

/// What a copy of a workgroup's input may take of the stack.
static constexpr int64_t kCopiedBytes = kStackBytes * 3 / 4;

/// The most products that are unrolled for a row of the kernel, in a pixel.
static constexpr int64_t kMostUnrolled = 64;

/// The block of a convolution's output channels: a vector of one group, or as many whole groups as a vector has room
/// for. None where their inputs are too many to be brought in place from vectors.
static std::optional<std::pair<int64_t, int64_t>> getBlock(const VectorUnit &unit, const Plan &plan) {
  int64_t lanes = unit.getLanes(), numGroups = std::min(lanes / plan.outputs, plan.groups);
  if (numGroups <= 1) {
    if (plan.outputs < lanes)
      return std::nullopt;
    return std::pair<int64_t, int64_t>(1, lanes);
  }
  if (numGroups * plan.inputs > 2 * lanes || plan.inputs * plan.kernelWidth > kMostUnrolled)
    return std::nullopt;
  return std::pair(numGroups, numGroups * plan.outputs);
}

//===----------------------------------------------------------------------===//
// The sums
//===----------------------------------------------------------------------===//

/// Adds the products of a row of the kernel by some input channels to the sums of a tile of pixels. `inputs` gives a
/// vector that is to be multiplied with the weights of a channel: of a row of the tile and a column of the input.
static SmallVector<Value> addProducts(VectorBuilder &at, const Plan &plan, int64_t numChannels, ValueRange initial,
                                      llvm::function_ref<Value(int64_t row, int64_t column, int64_t channel)> inputs,
                                      llvm::function_ref<Value(int64_t kx, int64_t channel)> weights) {
  SmallVector<Value> sums(initial);
  for (int64_t c = 0; c < numChannels; ++c) {
    SmallVector<Value> read;
    for (int64_t kx = 0; kx < plan.kernelWidth; ++kx)
      read.push_back(weights(kx, c));
    for (int64_t row = 0; row < plan.pixels.height; ++row)
      for (int64_t column = 0; column < plan.getInputColumns(plan.pixels.width); ++column) {
        Value input;
        for (int64_t kx = 0; kx < plan.kernelWidth; ++kx) {
          int64_t first = column - kx * plan.dilationWidth, x = first / plan.strideWidth;
          if (first < 0 || first % plan.strideWidth != 0 || x >= plan.pixels.width)
            continue;
          if (!input)
            input = inputs(row, column, c);
          Value &sum = sums[row * plan.pixels.width + x];
          sum = at.multiplyAdd(input, read[kx], sum);
        }
      }
  }
  return sums;
}

/// A copy of what a workgroup reads of the image, `[rows, width, channels]`, with nothing between its pixels, which in
/// the image are as far apart as all of its channels: ARCHITECTURE.md has what that gains.
static Value copyInput(OpBuilder &body, Location location, int64_t lanes, Value image) {
  ArrayRef<int64_t> shape = cast<RankedTensorType>(image.getType()).getShape();
  Tiling vectors = {shape[2], std::min(shape[2], lanes)};
  return createLoop(body, location, shape[0], createEmpty(body, location, shape),
                    [&](OpBuilder &inner, Value y, Value copy) {
                      return createLoop(inner, location, shape[1], copy, [&](OpBuilder &inner, Value x, Value copy) {
                        VectorBuilder at(inner, location, vectors.tile);
                        for (int64_t i = 0; i < vectors.count(); ++i) {
                          Value channel = at.getIndex(std::min(i * vectors.tile, vectors.lastOffset()));
                          copy = at.write(at.read(image, {y, x, channel}), copy, {y, x, channel});
                        }
                        return copy;
                      });
                    });
}

/// What a workgroup computes of the result, `[rows, width, block]`.
static Value buildResult(OpBuilder &body, Location location, const Plan &plan, Value image, Value weights,
                         const Epilogue &epilogue, ArrayRef<Value> operands) {
  Tiling rows = {plan.rows.tile, plan.pixels.height}, columns = {plan.width, plan.pixels.width};
  int64_t numSums = plan.pixels.height * plan.pixels.width;
  // In the lanes of group i, channel c is element i * inputs + c.
  auto getLanes = [&](int64_t c) {
    SmallVector<int64_t> elements;
    for (int64_t lane = 0; lane < plan.block; ++lane)
      elements.push_back(lane / plan.outputs * plan.inputs + c);
    return elements;
  };
  int64_t unrolled = plan.numGroups > 1 ? plan.inputs : findDivisor(plan.inputs, 4);
  Value empty = createEmpty(body, location, {plan.rows.tile, plan.width, plan.block});
  return createLoop(body, location, rows.count(), empty, [&](OpBuilder &inner, Value tile, Value result) {
    VectorBuilder atRows(inner, location, plan.block);
    Value top = atRows.applyAtMost(atRows.getDim(0) * rows.tile, rows.lastOffset(), tile);
    return createLoop(inner, location, columns.count(), result, [&](OpBuilder &inner, Value tile, Value result) {
      VectorBuilder atTile(inner, location, plan.block);
      Value left = atTile.applyAtMost(atTile.getDim(0) * columns.tile, columns.lastOffset(), tile);
      SmallVector<Value> xs;
      for (int64_t x = 0; x < plan.getInputColumns(plan.pixels.width); ++x)
        xs.push_back(atTile.apply(atTile.getDim(0) * plan.strideWidth + x, left));
      SmallVector<Value> zeros(numSums, atTile.getSplat(0));
      auto buildKernelRow = [&](OpBuilder &inner, Value ky, ValueRange sums) -> SmallVector<Value> {
        VectorBuilder atRow(inner, location, plan.block);
        SmallVector<Value> ys;
        for (int64_t row = 0; row < plan.pixels.height; ++row)
          ys.push_back(atRow.apply((atRow.getDim(0) + row) * plan.strideHeight + atRow.getDim(1) * plan.dilationHeight,
                                   {top, ky}));
        return llvm::to_vector(createLoop(
            inner, location, plan.inputs, unrolled, sums, [&](OpBuilder &inner, Value channel, ValueRange sums) {
              VectorBuilder at(inner, location, plan.block), pixel(inner, location, plan.numGroups * plan.inputs);
              SmallVector<Value> channels;
              for (int64_t c = 0; c < unrolled; ++c)
                channels.push_back(at.apply(at.getDim(0) + c, channel));
              return addProducts(
                  at, plan, unrolled, sums,
                  [&](int64_t row, int64_t column, int64_t c) {
                    if (plan.numGroups == 1)
                      return at.readSplat(image, {ys[row], xs[column], channels[c]});
                    Value vector = pixel.read(image, {ys[row], xs[column], at.getIndex(0)});
                    return at.permute(vector, getLanes(c));
                  },
                  [&](int64_t kx, int64_t c) {
                    return at.read(weights, {ky, at.getIndex(kx), channels[c], at.getIndex(0)});
                  });
            }));
      };
      ValueRange sums = createLoop(inner, location, plan.kernelHeight, 1, zeros, buildKernelRow);
      for (int64_t i = 0; i < numSums; ++i) {
        Value y = atTile.apply(atTile.getDim(0) + i / plan.pixels.width, top),
              x = atTile.apply(atTile.getDim(0) + i % plan.pixels.width, left);
        Value zero = atTile.getIndex(0);
        result = atTile.write(epilogue.buildVector(inner, sums[i], operands, {zero, y, x, zero}), result, {y, x, zero});
      }
      return result;
    });
  });
}

//===----------------------------------------------------------------------===//
// The pass
//===----------------------------------------------------------------------===//

/// Where in the dimensions of a grouped image those of channels start.
static constexpr unsigned kChannels = 3;

static std::optional<Plan> getPlan(const VectorUnit &unit, linalg::Conv2DNhwgcGfhwcOp op) {
  auto isStaticF32 = [](Value value) {
    auto type = cast<RankedTensorType>(value.getType());
    return type.hasStaticShape() && type.getElementType().isF32() && type.getNumElements() > 0;
  };
  if (!op.hasPureTensorSemantics() || !isStaticF32(op.getResult(0)) || !llvm::all_of(op.getInputs(), isStaticF32))
    return std::nullopt;
  ArrayRef<int64_t> input = cast<RankedTensorType>(op.getInputs()[0].getType()).getShape();
  ArrayRef<int64_t> kernel = cast<RankedTensorType>(op.getInputs()[1].getType()).getShape();
  ArrayRef<int64_t> result = cast<RankedTensorType>(op->getResult(0).getType()).getShape();
  auto strides = llvm::to_vector(op.getStrides().getValues<int64_t>());
  auto dilations = llvm::to_vector(op.getDilations().getValues<int64_t>());
  Plan plan = {result[0], result[1], result[2],  result[3],  kernel[4],    kernel[1],
               kernel[2], kernel[3], strides[0], strides[1], dilations[0], dilations[1],
               1,         1,         {1, 1},     {1, 1},     false};
  auto block = getBlock(unit, plan);
  if (!block)
    return std::nullopt;
  std::tie(plan.numGroups, plan.block) = *block;
  // What is read of the input stays in the L2 cache while the blocks go over it.
  int64_t read = plan.getInputRows(plan.height) * input[2] * plan.groups * plan.inputs * 4;
  int64_t count = (read + kCachedBytes - 1) / kCachedBytes;
  if (plan.getBlocks().count() == 1 && plan.height >= kDividedRows)
    count = std::max<int64_t>(count, 2);
  plan.rows = tileEvenly(plan.height, (plan.height + count - 1) / count);
  // As many rows as there is room for a copy of.
  int64_t rowBytes = input[2] * plan.numGroups * plan.inputs * 4;
  while (plan.rows.tile > 1 && plan.getInputRows(plan.rows.tile) * rowBytes > kCopiedBytes)
    plan.rows = tileEvenly(plan.height, plan.rows.tile - 1);
  plan.copiesInput = plan.getInputRows(plan.rows.tile) * rowBytes <= kCopiedBytes;
  plan.pixels = unit.getPixelTile(plan.rows.tile, plan.width,
                                  [&](PixelTile tile) { return tile.height * plan.getInputColumns(tile.width); });
  return plan;
}

void TileGroupsPass::tile(const VectorUnit &unit, linalg::Conv2DNhwgcGfhwcOp op) {
  std::optional<WeightView> weight = getWeight(getOperation(), op.getInputs()[1]);
  std::optional<Plan> plan = getPlan(unit, op);
  if (!weight || !plan)
    return;
  Location location = op.getLoc();
  tensor::CollapseShapeOp root = ungroupResult(op, kChannels);
  OpBuilder before(op);
  Value image = ungroup(before, location, op.getInputs()[0], kChannels);
  Epilogue epilogue(root, ungroup(before, location, op.getOutputs()[0], kChannels));
  if (!epilogue.isVectorizable())
    return;

  bool hasGroups = plan->numGroups > 1;
  SmallVector<int64_t> shape = {plan->kernelHeight, plan->kernelWidth, plan->inputs};
  Type element = before.getF32Type();
  std::string key = weight->key;
  if (hasGroups) {
    shape.push_back(plan->groups * plan->outputs);
    key += "@transpose(2,3,4,0,1)@reshape(" + joinNumbers(shape, ",") + ")";
  } else {
    shape.insert(shape.begin(), plan->groups);
    shape.push_back(plan->outputs);
    key += "@transpose(0,2,3,4,1)";
  }
  Value packed =
      loadInBlocks(before, location, getOperation(), {key, RankedTensorType::get(shape, element)}, plan->block);

  DispatchBuilder dispatch(op.getContext(), location);
  OpBuilder &body = dispatch.inBody();
  OpFoldResult zero = body.getIndexAttr(0);
  Tiling blocks = plan->getBlocks(), images = {plan->images, 1};
  int64_t numBlocks = blocks.count(), groups = hasGroups ? 1 : plan->groups;
  auto compute = [&](AffineExpr expression, ValueRange indices) -> OpFoldResult {
    AffineMap map = AffineMap::get(indices.size(), 0, expression);
    return affine::makeComposedFoldedAffineApply(body, location, map, getAsOpFoldResult(indices));
  };
  AffineExpr d0 = body.getAffineDimExpr(0), d1 = body.getAffineDimExpr(1);
  // Channels of the result, of the image, and where the weights are.
  OpFoldResult group = zero, number = zero, channel = zero, inputChannel = zero;
  if (numBlocks * groups > 1) {
    Value workgroup = dispatch.getWorkgroup(0);
    group = compute(d0.floorDiv(numBlocks), workgroup);
    number = compute(d0 % numBlocks, workgroup);
    AffineExpr offset = (d0 % numBlocks) * blocks.tile;
    Value within = affine::AffineMinOp::create(
        body, location,
        AffineMap::get(1, 0, {offset, body.getAffineConstantExpr(blocks.lastOffset())}, op.getContext()), workgroup);
    channel = compute(d0.floorDiv(numBlocks) * plan->outputs + d1, {workgroup, within});
    // Of a block of groups, the first input channel is that of the group of the first output channel.
    inputChannel = hasGroups ? compute(d0.floorDiv(plan->outputs) * plan->inputs, within)
                             : compute(d0.floorDiv(numBlocks) * plan->inputs, workgroup);
  }
  OpFoldResult row = dispatch.getTileOffset(1, plan->rows), imageOffset = dispatch.getTileOffset(2, images);
  AffineMap byStride = AffineMap::get(1, 0, d0 * plan->strideHeight);
  OpFoldResult inputRow = affine::makeComposedFoldedAffineApply(body, location, byStride, {row});
  int64_t inputWidth = cast<RankedTensorType>(image.getType()).getDimSize(2);
  Value read = dispatch.load(image,
                             {{imageOffset, inputRow, zero, inputChannel},
                              {1, plan->getInputRows(plan->rows.tile), inputWidth, plan->numGroups * plan->inputs}},
                             /*numDropped=*/1);
  Piece weightPiece = {{number}, {1}};
  if (!hasGroups) {
    weightPiece.offsets.push_back(group);
    weightPiece.sizes.push_back(1);
  }
  for (int64_t size : {plan->kernelHeight, plan->kernelWidth, plan->inputs, plan->block}) {
    weightPiece.offsets.push_back(zero);
    weightPiece.sizes.push_back(size);
  }
  Value weights = dispatch.load(packed, weightPiece, /*numDropped=*/hasGroups ? 1 : 2);
  Piece piece = {{imageOffset, row, zero, channel}, {1, plan->rows.tile, plan->width, plan->block}};
  SmallVector<Value> operands = epilogue.load(dispatch, piece);
  if (plan->copiesInput)
    read = copyInput(body, location, unit.getLanes(), read);
  Value value = buildResult(body, location, *plan, read, weights, epilogue, operands);

  Value last = epilogue.getLast()->getResult(0);
  auto type = cast<RankedTensorType>(last.getType());
  Border border = getLargestBorder(last);
  RankedTensorType padded = getPadded(type, border);
  storeWithBorder(dispatch, value, border, piece, padded,
                  [&](ArrayRef<int64_t> sizes) { return createVectorsOfZeros(body, location, plan->block, sizes); });
  OpBuilder after(op.getContext());
  after.setInsertionPointAfter(epilogue.getLast());
  SmallVector<Value> grid;
  for (int64_t count : {numBlocks * groups, plan->rows.count(), images.count()})
    grid.push_back(arith::ConstantIndexOp::create(after, location, count));
  Value result = dispatch.finish(after, grid, padded);
  replaceWithPadded(last, result, border);
  ++numTiled;
}
