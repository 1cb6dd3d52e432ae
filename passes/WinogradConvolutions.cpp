//===- WinogradConvolutions.cpp - 3x3 convolutions by fewer products ------===//
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
#include "passes/Utils/ImageBorder.h"
#include "passes/Utils/PackedWeights.h"
#include "passes/Utils/TileRules.h"
#include "passes/Utils/VectorBuilder.h"

namespace dycl {
#define GEN_PASS_DEF_DYCLWINOGRADCONVOLUTIONSPASS
#include "passes/Passes.h.inc"
} // namespace dycl

using namespace mlir;
using namespace dycl;

namespace {

struct WinogradConvolutionsPass : public dycl::impl::DyclWinogradConvolutionsPassBase<WinogradConvolutionsPass> {
  using DyclWinogradConvolutionsPassBase::DyclWinogradConvolutionsPassBase;

  void runOnOperation() override {
    std::optional<VectorUnit> unit = VectorUnit::get(vectorBits, registers);
    if (!unit)
      return;
    for (auto function : getOperation().getOps<func::FuncOp>()) {
      SmallVector<linalg::Conv2DNhwcHwcfOp> ops;
      function.walk([&](linalg::Conv2DNhwcHwcfOp op) { ops.push_back(op); });
      for (linalg::Conv2DNhwcHwcfOp op : ops)
        transform(*unit, op);
      eraseDeadOps(function.getBody());
    }
  }

private:
  void transform(const VectorUnit &unit, linalg::Conv2DNhwcHwcfOp op);
};

/// What F(m, 3) multiplies with: m outputs of a row from m + 2 inputs, by the values of polynomials at 0, at pairs of
/// points p and -p, and at infinity, in this order (Lavin and Gray, Fast algorithms for convolutional neural networks).
class Winograd {
public:
  explicit Winograd(int64_t outputs) : outputs(outputs) {
    // With 1 and 2, as they are usual, the results are 5 times as far off as those of a plain convolution, with these
    // as far.
    if (outputs == 4)
      points = {std::sqrt(0.5), std::sqrt(2.0)};
    else
      points = {1.0};
  }

  int64_t getNumInputs() const { return outputs + 2; }

  /// The values at the points, of the inputs of a row or column.
  SmallVector<Value> transformInputs(VectorBuilder &builder, ArrayRef<Value> inputs) const {
    int64_t n = getNumInputs();
    SmallVector<double> all = getProduct(/*without=*/-1, /*shift=*/0), last = getProduct(-1, 1);
    SmallVector<Value> result = {builder.combine(all, inputs)};
    for (auto [i, point] : llvm::enumerate(points)) {
      SmallVector<double> odd = getProduct(i, 1), even = getProduct(i, 2);
      for (double &coefficient : odd)
        coefficient *= point;
      Value evenSum = builder.combine(even, inputs), oddSum = builder.combine(odd, inputs);
      result.push_back(builder.add(evenSum, oddSum));
      result.push_back(builder.subtract(evenSum, oddSum));
    }
    result.push_back(builder.combine(last, inputs));
    assert(int64_t(result.size()) == n && "a value for each input");
    return result;
  }

  /// The outputs of a row or column, of the products at the points.
  SmallVector<Value> transformOutputs(VectorBuilder &builder, ArrayRef<Value> products) const {
    SmallVector<Value> sums, differences, result;
    for (size_t i = 0; i < points.size(); ++i) {
      sums.push_back(builder.add(products[2 * i + 1], products[2 * i + 2]));
      differences.push_back(builder.subtract(products[2 * i + 1], products[2 * i + 2]));
    }
    for (int64_t i = 0; i < outputs; ++i) {
      SmallVector<Value> values = i % 2 ? differences : sums;
      SmallVector<double> powers = llvm::map_to_vector(points, [&](double point) { return getPower(point, i); });
      if (i == 0 || i == outputs - 1) {
        values.push_back(i == 0 ? products.front() : products.back());
        powers.push_back(1);
      }
      result.push_back(builder.combine(powers, values));
    }
    return result;
  }

private:
  /// p^i with even powers as they are exactly.
  static double getPower(double point, int64_t i) {
    double square = std::round(point * point * 2) / 2;
    return (i % 2 ? point : 1) * std::pow(square, double(i / 2));
  }

  /// The coefficients of t^shift times the product of all t^2 - p^2, but that of one pair.
  SmallVector<double> getProduct(int64_t without, int64_t shift) const {
    SmallVector<double> product(getNumInputs(), 0);
    product[shift] = 1;
    for (auto [i, point] : llvm::enumerate(points)) {
      if (int64_t(i) == without)
        continue;
      SmallVector<double> next(product.size(), 0);
      for (size_t k = 0; k < product.size(); ++k) {
        next[k] -= product[k] * getPower(point, 2);
        if (k + 2 < next.size())
          next[k + 2] += product[k];
      }
      product = next;
    }
    return product;
  }

  int64_t outputs;
  SmallVector<double> points;
};

/// How a convolution is taken apart: each image in groups of rows of tiles, a workgroup a group.
struct Plan {
  int64_t tile, numElements; // Outputs a side; products a tile and channel.
  int64_t images, height, width, channels, inputChannels;
  int64_t tileRows, tileColumns; // Of a group.
  Tiling groups, blocks;         // Of rows of the result, and of its channels.

  int64_t getNumInputs() const { return tile + 2; }
  int64_t getNumTiles() const { return tileRows * tileColumns; } // Of a group.
  /// How many there is room for: one more where all values of a tile would otherwise be in few sets of a cache. With 64
  /// tiles of 16 channels, 4 KiB a value, transforming the inputs took 10.9 us, and 1.8 with 65.
  int64_t getNumStored() const {
    int64_t count = images * groups.count() * getNumTiles();
    return count * inputChannels * 4 % 1024 == 0 ? count + 1 : count;
  }
};

} // namespace

//===----------------------------------------------------------------------===//
// Inputs
//===----------------------------------------------------------------------===//

/// The offset of a row of the result in its image: of this workgroup's group of rows.
static OpFoldResult getGroupOffset(DispatchBuilder &dispatch, const Plan &plan) {
  return dispatch.getTileOffset(1, plan.groups);
}

/// Where a row or a column of an image is read, `first - low + number`, and, where there is a border of `low` before it
/// or of `high` behind it, whether that is in the image of `size`.
static std::pair<Value, Value> getPlace(VectorBuilder &at, OpBuilder &builder, Location location, Value first,
                                        int64_t number, int64_t low, int64_t high, int64_t size) {
  Value place = at.apply(at.getDim(0) + (number - low), first);
  if (low == 0 && high == 0)
    return {place, Value()};
  // What is before the image is large, as an unsigned number.
  Value isInside = arith::CmpIOp::create(builder, location, arith::CmpIPredicate::ult, place, at.getIndex(size));
  return {arith::SelectOp::create(builder, location, isInside, place, at.getIndex(0)), isInside};
}

/// The dispatch that transforms the inputs, a row of tiles a workgroup: `[elements, tiles, channels]`. Of an image
/// without its border of zeros, that is not copied into a larger one first: what is outside is read as zeros.
static Value buildInputs(OpBuilder &builder, Location location, const VectorUnit &unit, const Winograd &winograd,
                         const Plan &plan, Value input, const Border &border) {
  int64_t n = plan.getNumInputs(), lanes = unit.getLanes();
  ArrayRef<int64_t> shape = cast<RankedTensorType>(input.getType()).getShape();
  DispatchBuilder dispatch(builder.getContext(), location);
  OpBuilder &body = dispatch.inBody();
  Tiling rows = {plan.groups.tile, plan.tile}, columns = {plan.width, plan.tile}, images = {plan.images, 1};
  Tiling vectors = {plan.inputChannels, lanes};
  OpFoldResult zero = body.getIndexAttr(0);
  OpFoldResult row = dispatch.getTileOffset(0, rows), group = getGroupOffset(dispatch, plan),
               image = dispatch.getTileOffset(2, images);
  OpFoldResult top = affine::makeComposedFoldedAffineApply(
      body, location, AffineMap::get(2, 0, body.getAffineDimExpr(0) + body.getAffineDimExpr(1)), {row, group});
  bool isWhole = border.isWithin(Border()); // with its border
  Piece piece = {{image, isWhole ? top : zero, zero, zero}, {1, isWhole ? n : shape[1], shape[2], shape[3]}};
  Value pixels = dispatch.load(input, piece, /*numDropped=*/1);
  Value empty = createEmpty(body, location, {plan.numElements, plan.tileColumns, plan.inputChannels});
  VectorBuilder atRow(body, location, lanes);
  SmallVector<std::pair<Value, Value>> ys;
  for (int64_t i = 0; i < n; ++i)
    ys.push_back(isWhole ? std::pair(atRow.getIndex(i), Value())
                         : getPlace(atRow, body, location, getValueOrCreateConstantIndexOp(body, location, top), i,
                                    border.top, border.bottom, shape[1]));
  Value values = createLoop(body, location, columns.count(), empty, [&](OpBuilder &inner, Value tile, Value values) {
    VectorBuilder atTile(inner, location, lanes);
    Value left = atTile.applyAtMost(atTile.getDim(0) * columns.tile, columns.lastOffset(), tile);
    SmallVector<std::pair<Value, Value>> xs;
    for (int64_t j = 0; j < n; ++j)
      xs.push_back(getPlace(atTile, inner, location, left, j, border.left, border.right, shape[2]));
    return createLoop(inner, location, vectors.count(), values, [&](OpBuilder &inner, Value vector, Value values) {
      VectorBuilder at(inner, location, lanes);
      Value channel = at.applyAtMost(at.getDim(0) * lanes, vectors.lastOffset(), vector);
      SmallVector<SmallVector<Value>> transformed;
      for (auto [x, isColumn] : xs) {
        SmallVector<Value> read;
        for (auto [y, isRow] : ys) {
          read.push_back(at.read(pixels, {y, x, channel}));
          if (isRow && isColumn)
            read.back() = at.select(arith::AndIOp::create(inner, location, isRow, isColumn), read.back());
          else if (isRow || isColumn)
            read.back() = at.select(isRow ? isRow : isColumn, read.back());
        }
        transformed.push_back(winograd.transformInputs(at, read));
      }
      for (int64_t i = 0; i < n; ++i) {
        SmallVector<Value> across = llvm::map_to_vector(transformed, [&](ArrayRef<Value> column) { return column[i]; });
        for (auto [j, value] : llvm::enumerate(winograd.transformInputs(at, across)))
          values = at.write(value, values, {at.getIndex(i * n + j), tile, channel});
      }
      return values;
    });
  });
  // The first tile of this row among all.
  SmallVector<Value> numbers = {dispatch.getWorkgroup(0), dispatch.getWorkgroup(1), dispatch.getWorkgroup(2)};
  AffineExpr d0 = body.getAffineDimExpr(0), d1 = body.getAffineDimExpr(1), d2 = body.getAffineDimExpr(2);
  Value first = affine::AffineApplyOp::create(
      body, location, AffineMap::get(3, 0, ((d2 * plan.groups.count() + d1) * plan.tileRows + d0) * plan.tileColumns),
      numbers);
  auto type = RankedTensorType::get({plan.numElements, plan.getNumStored(), plan.inputChannels}, builder.getF32Type());
  dispatch.store(values, {{zero, first, zero}, {plan.numElements, plan.tileColumns, plan.inputChannels}}, type);
  SmallVector<Value> grid;
  for (int64_t count : {plan.tileRows, plan.groups.count(), plan.images})
    grid.push_back(arith::ConstantIndexOp::create(builder, location, count));
  return dispatch.finish(builder, grid, type);
}

//===----------------------------------------------------------------------===//
// Products and outputs
//===----------------------------------------------------------------------===//

/// The products of some tiles at one point, by all channels: `inputs[element, first + t, c] * weights[element, c, f]`
/// into `products[number, t, f]`, with the sums in registers.
static Value buildProducts(OpBuilder &builder, Location location, int64_t lanes, int64_t numTiles, Value inputs,
                           Value weights, Value element, Value first, Value products, Value number) {
  int64_t channels = cast<RankedTensorType>(inputs.getType()).getDimSize(2);
  int64_t block = cast<RankedTensorType>(weights.getType()).getDimSize(2), numVectors = block / lanes;
  VectorBuilder outer(builder, location, lanes);
  SmallVector<Value> tiles;
  for (int64_t t = 0; t < numTiles; ++t)
    tiles.push_back(outer.apply(outer.getDim(0) + t, first));
  SmallVector<Value> zeros(numTiles * numVectors, outer.getSplat(0));
  int64_t unrolled = findDivisor(channels, 2);
  ValueRange sums = createLoop(
      builder, location, channels, unrolled, zeros, [&](OpBuilder &inner, Value channel, ValueRange initial) {
        VectorBuilder at(inner, location, lanes);
        SmallVector<Value> sums(initial);
        for (int64_t u = 0; u < unrolled; ++u) {
          Value c = at.apply(at.getDim(0) + u, channel);
          SmallVector<Value> read;
          for (int64_t v = 0; v < numVectors; ++v)
            read.push_back(at.read(weights, {element, c, at.getIndex(v * lanes)}));
          for (int64_t t = 0; t < numTiles; ++t) {
            Value number = at.readSplat(inputs, {element, tiles[t], c});
            for (int64_t v = 0; v < numVectors; ++v)
              sums[t * numVectors + v] = at.multiplyAdd(number, read[v], sums[t * numVectors + v]);
          }
        }
        return sums;
      });
  for (int64_t t = 0; t < numTiles; ++t)
    for (int64_t v = 0; v < numVectors; ++v)
      products =
          outer.write(sums[t * numVectors + v], products, {number, outer.getIndex(t), outer.getIndex(v * lanes)});
  return products;
}

/// What a workgroup computes of the result, `[rows, width, block]`: products of some tiles at a time, of which the
/// outputs are made along rows as soon as there is a row of products, and then along columns, with the epilogue.
static Value buildOutputs(OpBuilder &body, Location location, const VectorUnit &unit, const Winograd &winograd,
                          const Plan &plan, Value inputs, Value weights, const Epilogue &epilogue,
                          ArrayRef<Value> operands) {
  int64_t n = plan.getNumInputs(), m = plan.tile, lanes = unit.getLanes(), block = plan.blocks.tile;
  Tiling tiles = unit.getWinogradTiling(plan.getNumTiles(), block, n * m + n);
  int64_t numTiles = tiles.tile, numVectors = block / lanes;
  Value result = createEmpty(body, location, {plan.groups.tile, plan.width, block});
  auto forEachVector = [&](OpBuilder &builder, Value tensor, auto build) {
    return createLoop(builder, location, numTiles, tensor, [&](OpBuilder &inner, Value t, Value tensor) {
      return createLoop(inner, location, numVectors, tensor, [&](OpBuilder &inner, Value v, Value tensor) {
        VectorBuilder at(inner, location, lanes);
        return build(inner, at, t, at.apply(at.getDim(0) * lanes, v), tensor);
      });
    });
  };
  return createLoop(body, location, tiles.count(), result, [&](OpBuilder &inner, Value number, Value result) {
    VectorBuilder atTiles(inner, location, lanes);
    Value first = atTiles.applyAtMost(atTiles.getDim(0) * numTiles, tiles.lastOffset(), number);
    Value empty = createEmpty(inner, location, {n * m, numTiles, block});
    Value rows = createLoop(inner, location, n, empty, [&](OpBuilder &inner, Value i, Value rows) {
      Value empty = createEmpty(inner, location, {n, numTiles, block});
      Value products = createLoop(inner, location, n, empty, [&](OpBuilder &inner, Value j, Value products) {
        VectorBuilder at(inner, location, lanes);
        Value element = at.apply(at.getDim(0) * n + at.getDim(1), {i, j});
        return buildProducts(inner, location, lanes, numTiles, inputs, weights, element, first, products, j);
      });
      return forEachVector(inner, rows, [&](OpBuilder &, VectorBuilder &at, Value t, Value channel, Value rows) {
        SmallVector<Value> read;
        for (int64_t j = 0; j < n; ++j)
          read.push_back(at.read(products, {at.getIndex(j), t, channel}));
        for (auto [j, value] : llvm::enumerate(winograd.transformOutputs(at, read)))
          rows = at.write(value, rows, {at.apply(at.getDim(0) * m + j, i), t, channel});
        return rows;
      });
    });
    return forEachVector(
        inner, result, [&](OpBuilder &builder, VectorBuilder &at, Value t, Value channel, Value result) {
          Value tile = at.apply(at.getDim(0) + at.getDim(1), {first, t});
          AffineExpr row = at.getDim(0).floorDiv(plan.tileColumns), column = at.getDim(0) % plan.tileColumns;
          Value top = at.applyAtMost(row * m, plan.groups.tile - m, tile);
          Value left = at.applyAtMost(column * m, plan.width - m, tile);
          for (int64_t j = 0; j < m; ++j) {
            SmallVector<Value> read;
            for (int64_t i = 0; i < n; ++i)
              read.push_back(at.read(rows, {at.getIndex(i * m + j), t, channel}));
            Value x = at.apply(at.getDim(0) + j, left);
            for (auto [i, value] : llvm::enumerate(winograd.transformOutputs(at, read))) {
              Value y = at.apply(at.getDim(0) + i, top);
              Value last = epilogue.buildVector(builder, value, operands, {at.getIndex(0), y, x, channel});
              result = at.write(last, result, {y, x, channel});
            }
          }
          return result;
        });
  });
}

//===----------------------------------------------------------------------===//
// The pass
//===----------------------------------------------------------------------===//

/// Whether a convolution is 3x3 with strides and dilations of 1, of f32.
static bool isSuitable(linalg::Conv2DNhwcHwcfOp op) {
  auto isOne = [](DenseIntElementsAttr numbers) {
    return llvm::all_of(numbers.getValues<int64_t>(), [](int64_t number) { return number == 1; });
  };
  auto isStaticF32 = [](Value value) {
    auto type = cast<RankedTensorType>(value.getType());
    return type.hasStaticShape() && type.getElementType().isF32();
  };
  if (!op.hasPureTensorSemantics() || !isOne(op.getStrides()) || !isOne(op.getDilations()) ||
      !isStaticF32(op.getResult(0)) || !llvm::all_of(op.getInputs(), isStaticF32))
    return false;
  ArrayRef<int64_t> kernel = cast<RankedTensorType>(op.getInputs()[1].getType()).getShape();
  return kernel[0] == 3 && kernel[1] == 3;
}

void WinogradConvolutionsPass::transform(const VectorUnit &unit, linalg::Conv2DNhwcHwcfOp op) {
  std::optional<WeightView> weight = getWeight(getOperation(), op.getInputs()[1]);
  if (!isSuitable(op) || !weight)
    return;
  auto type = cast<RankedTensorType>(op.getResult(0).getType());
  ArrayRef<int64_t> shape = type.getShape();
  ArrayRef<int64_t> inputShape = cast<RankedTensorType>(op.getInputs()[0].getType()).getShape();
  int64_t images = shape[0], height = shape[1], width = shape[2], channels = shape[3], inputChannels = inputShape[3];
  std::optional<int64_t> block = unit.getBlock(channels);
  if (!block || inputChannels < unit.getLanes() || type.getNumElements() == 0)
    return;
  std::optional<int64_t> tile = unit.getWinogradTile(images, height, width, inputChannels, channels);
  Epilogue epilogue(op);
  if (!tile || !epilogue.isVectorizable())
    return;

  // In two where all channels are one block, so that two threads find work.
  Tiling blocks = {channels, *block}, rows = {height, *tile};
  int64_t tileRows = blocks.count() == 1 ? (rows.count() + 1) / 2 : rows.count();
  Tiling groups = {height, std::min(height, tileRows * *tile)};
  Plan plan = {*tile,
               (*tile + 2) * (*tile + 2),
               images,
               height,
               width,
               channels,
               inputChannels,
               Tiling{groups.tile, *tile}.count(),
               Tiling{width, *tile}.count(),
               groups,
               blocks};
  Winograd winograd(*tile);

  Location location = op.getLoc();
  OpBuilder before(op), after(op.getContext());
  after.setInsertionPointAfter(epilogue.getLast());
  WeightView transformed = {weight->key + "@winograd(" + std::to_string(*tile) + ")",
                            RankedTensorType::get({plan.numElements, inputChannels, channels}, type.getElementType())};
  Value packed = loadInBlocks(before, location, getOperation(), transformed, *block);
  Value image = op.getInputs()[0];
  Border missing;
  if (Operation *pad = image.getDefiningOp())
    if (std::optional<Border> added = getBorder(pad)) {
      missing = *added;
      image = pad->getOperand(0);
    }
  Value inputs = buildInputs(after, location, unit, winograd, plan, image, missing);

  DispatchBuilder dispatch(op.getContext(), location);
  OpBuilder &body = dispatch.inBody();
  OpFoldResult zero = body.getIndexAttr(0);
  OpFoldResult channel = dispatch.getTileOffset(0, blocks), row = getGroupOffset(dispatch, plan),
               imageOffset = dispatch.getTileOffset(2, {images, 1});
  AffineExpr d0 = body.getAffineDimExpr(0), d1 = body.getAffineDimExpr(1);
  Value first = affine::AffineApplyOp::create(body, location,
                                              AffineMap::get(2, 0, (d1 * groups.count() + d0) * plan.getNumTiles()),
                                              ValueRange{dispatch.getWorkgroup(1), dispatch.getWorkgroup(2)});
  Value inputPiece =
      dispatch.load(inputs, {{zero, first, zero}, {plan.numElements, plan.getNumTiles(), inputChannels}});
  Piece weightPiece = {{zero, zero, zero, zero}, {1, plan.numElements, inputChannels, *block}};
  if (blocks.count() > 1)
    weightPiece.offsets[0] = dispatch.getWorkgroup(0);
  Value weightBlock = dispatch.load(packed, weightPiece, /*numDropped=*/1);
  Piece piece = {{imageOffset, row, zero, channel}, {1, groups.tile, width, *block}};
  SmallVector<Value> operands = epilogue.load(dispatch, piece);
  Value value = buildOutputs(body, location, unit, winograd, plan, inputPiece, weightBlock, epilogue, operands);

  Value last = epilogue.getLast()->getResult(0);
  Border border = getLargestBorder(last);
  RankedTensorType padded = getPadded(type, border);
  storeWithBorder(dispatch, value, border, piece, padded, [&](ArrayRef<int64_t> sizes) {
    return createVectorsOfZeros(body, location, unit.getLanes(), sizes);
  });
  SmallVector<Value> grid;
  for (int64_t count : {blocks.count(), groups.count(), images})
    grid.push_back(arith::ConstantIndexOp::create(after, location, count));
  Value result = dispatch.finish(after, grid, padded);
  replaceWithPadded(last, result, border);
  ++numTiled;
}
