//===- TilePixels.cpp - Pools and resized images by vectors of channels ---===//
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
#include "mlir/IR/Iterators.h"
#include "mlir/IR/Matchers.h"
#include "passes/Passes.h"
#include "passes/Utils/DispatchBuilder.h"
#include "passes/Utils/ImageBorder.h"
#include "passes/Utils/TileRules.h"
#include "passes/Utils/VectorBuilder.h"

namespace dycl {
#define GEN_PASS_DEF_DYCLTILEPIXELSPASS
#include "passes/Passes.h.inc"
} // namespace dycl

using namespace mlir;
using namespace dycl;

/// Windows of more pixels are loops, not unrolled.
static constexpr int64_t kUnrolledPixels = 32;

/// Vectors of channels that are summed at a time over all pixels.
static constexpr int64_t kSums = 8;

namespace {

struct TilePixelsPass : public dycl::impl::DyclTilePixelsPassBase<TilePixelsPass> {
  using DyclTilePixelsPassBase::DyclTilePixelsPassBase;

  void runOnOperation() override;
};

/// The pixels of a window along one dimension: of output `o` the inputs `o * stride - low + i * dilation`.
struct Window {
  int64_t inputs, outputs, size, stride, dilation, low;

  int64_t getPlace(int64_t output, int64_t i) const { return output * stride - low + i * dilation; }
  bool isBefore(int64_t i) const { return getPlace(0, i) < 0; }
  bool isBehind(int64_t i) const { return getPlace(outputs - 1, i) >= inputs; }

  /// Whether each output has a pixel of the image.
  bool meetsImage() const {
    for (int64_t output = 0; output < outputs; ++output) {
      bool meets = false;
      for (int64_t i = 0; i < size && !meets; ++i)
        meets = getPlace(output, i) >= 0 && getPlace(output, i) < inputs;
      if (!meets)
        return false;
    }
    return true;
  }
};

/// A pool of an image of nhwc without its border.
struct Pool {
  Value image;
  Window rows, columns;
  bool isMaximum;
};

/// What an output is made of along one dimension: of the input at `indices[o]`, times `weights[o]`, if there are any.
/// Of each of the two all dimensions but one have a size of 1.
struct Tap {
  Value indices, weights;
};

/// A sum of gathers along a dimension.
struct Taps {
  Value source;
  int64_t dimension = -1;
  SmallVector<Tap, 4> taps;
  SmallVector<Operation *> ops;
};

/// An image of nhwc that is resized along its rows, its columns, or both: there are no taps where a size stays.
struct Resize {
  Value image;
  SmallVector<Tap, 4> rows, columns;
};

/// A pixel along one dimension: `isInside` says whether it is one of the image, where it may not be, and `weight` has
/// what it is multiplied with in all lanes, if anything.
struct Place {
  Value index, isInside, weight;
};

/// The vectors in which the channels of a pixel are computed: the last one is shifted back.
struct Channels {
  int64_t count, lanes;

  Channels(const VectorUnit &unit, int64_t count) : count(count), lanes(std::min(count, unit.getLanes())) {}
};

} // namespace

//===----------------------------------------------------------------------===//
// What is pooled
//===----------------------------------------------------------------------===//

static bool isStaticImage(Value value) {
  auto type = dyn_cast<RankedTensorType>(value.getType());
  return type && type.getRank() == 4 && type.hasStaticShape() && type.getElementType().isF32() &&
         type.getNumElements() != 0;
}

/// The number that `value` has in all of its elements; none where it is not one.
static std::optional<APFloat> getFilled(Value value) {
  auto fill = value.getDefiningOp<linalg::FillOp>();
  APFloat number(0.0f);
  if (!fill || !matchPattern(fill.getInputs()[0], m_ConstantFloat(&number)))
    return std::nullopt;
  return number;
}

/// The pool that an operation computes, if it starts with what its border has: 0, or -inf.
template <typename Op> static std::optional<Pool> getPoolOf(Op op) {
  constexpr bool isMaximum = std::is_same_v<Op, linalg::PoolingNhwcMaxOp>;
  auto isNeutral = [](const APFloat &number) {
    return isMaximum ? number.isInfinity() && number.isNegative() : number.isZero();
  };
  Value image = op.getInputs()[0], window = op.getInputs()[1];
  std::optional<APFloat> initial = getFilled(op.getOutputs()[0]);
  auto windowType = cast<RankedTensorType>(window.getType());
  if (!op.hasPureTensorSemantics() || !isStaticImage(image) || !isStaticImage(op.getResult(0)) ||
      !windowType.hasStaticShape() || !initial || !isNeutral(*initial))
    return std::nullopt;
  Border border;
  if (auto pad = image.getDefiningOp<tensor::PadOp>())
    if (std::optional<Border> added = getBorder(pad, isNeutral); added && isStaticImage(pad.getSource())) {
      border = *added;
      image = pad.getSource();
    }
  auto getWindow = [&](unsigned dimension, int64_t low) {
    unsigned i = dimension - 1;
    return Window{cast<RankedTensorType>(image.getType()).getDimSize(dimension),
                  cast<RankedTensorType>(op.getResult(0).getType()).getDimSize(dimension),
                  windowType.getDimSize(i),
                  op.getStrides().template getValues<int64_t>()[i],
                  op.getDilations().template getValues<int64_t>()[i],
                  low};
  };
  Pool pool = {image, getWindow(1, border.top), getWindow(2, border.left), isMaximum};
  if (!pool.rows.meetsImage() || !pool.columns.meetsImage())
    return std::nullopt;
  return pool;
}

//===----------------------------------------------------------------------===//
// What is resized
//===----------------------------------------------------------------------===//

/// Whether an operand has a number for each output along one dimension: `map` is how it is read, with zeros for other
/// dimensions of 1.
static bool isTable(OpOperand *operand, AffineMap map, int64_t dimension, int64_t size) {
  auto type = dyn_cast<RankedTensorType>(operand->get().getType());
  if (!type || !type.hasStaticShape() || type.getNumElements() != size)
    return false;
  AffineExpr along = getAffineDimExpr(dimension, map.getContext()), zero = getAffineConstantExpr(0, map.getContext());
  return llvm::all_of(llvm::zip_equal(type.getShape(), map.getResults()), [&](auto pair) {
    auto [size, expression] = pair;
    return expression == along || (expression == zero && size == 1);
  });
}

static bool isElementwiseOnImages(linalg::GenericOp op, unsigned numInputs) {
  return op.hasPureTensorSemantics() && op.getNumLoops() == 4 && op.getNumParallelLoops() == 4 &&
         op.getNumDpsInits() == 1 && op.getNumDpsInputs() == int64_t(numInputs) && isStaticImage(op.getResult(0)) &&
         op.getMatchingIndexingMap(op.getDpsInitOperand(0)).isIdentity();
}

/// Whether a body yields its two arguments combined by an `Op` and nothing else.
template <typename Op> static bool yieldsBinary(linalg::GenericOp op) {
  auto binary = op.getBody()->getTerminator()->getOperand(0).getDefiningOp<Op>();
  if (!binary || op.getBody()->getOperations().size() != 2)
    return false;
  Value first = op.getBody()->getArgument(0), second = op.getBody()->getArgument(1);
  return (binary.getLhs() == first && binary.getRhs() == second) ||
         (binary.getLhs() == second && binary.getRhs() == first);
}

/// The gather of rows or columns at a table of indices that an operation is.
static std::optional<Taps> getGather(linalg::GenericOp op) {
  if (!isElementwiseOnImages(op, /*numInputs=*/1))
    return std::nullopt;
  OpOperand *indices = op.getDpsInputOperand(0);
  auto extract = op.getBody()->getTerminator()->getOperand(0).getDefiningOp<tensor::ExtractOp>();
  if (!getElementTypeOrSelf(indices->get()).isInteger(64) || !extract || !isStaticImage(extract.getTensor()) ||
      op.getRegion().isAncestor(extract.getTensor().getParentRegion()))
    return std::nullopt;
  ArrayRef<int64_t> shape = cast<RankedTensorType>(op.getResult(0).getType()).getShape();
  ArrayRef<int64_t> sourceShape = extract.getTensor().getType().getShape();
  int64_t dimension = -1;
  for (auto [i, index] : llvm::enumerate(extract.getIndices())) {
    auto cast = index.getDefiningOp<arith::IndexCastOp>();
    auto loop = index.getDefiningOp<linalg::IndexOp>();
    if (cast && cast.getIn() == op.getBody()->getArgument(0) && dimension < 0)
      dimension = i;
    else if (shape[i] != sourceShape[i])
      return std::nullopt;
    else if (!(loop && loop.getDim() == i) && !(shape[i] == 1 && matchPattern(index, m_Zero())))
      return std::nullopt;
  }
  if ((dimension != 1 && dimension != 2) ||
      !isTable(indices, op.getMatchingIndexingMap(indices), dimension, shape[dimension]))
    return std::nullopt;
  return Taps{extract.getTensor(), dimension, {Tap{indices->get(), Value()}}, {op}};
}

/// The sum of gathers from one image along one dimension that `value` is.
static std::optional<Taps> getTaps(Value value) {
  auto op = value.getDefiningOp<linalg::GenericOp>();
  if (!op)
    return std::nullopt;
  if (std::optional<Taps> gather = getGather(op))
    return gather;
  if (!isElementwiseOnImages(op, /*numInputs=*/2))
    return std::nullopt;
  OpOperand *first = op.getDpsInputOperand(0), *second = op.getDpsInputOperand(1);
  if (yieldsBinary<arith::MulFOp>(op)) {
    if (!op.getMatchingIndexingMap(first).isIdentity())
      std::swap(first, second);
    auto gather = first->get().getDefiningOp<linalg::GenericOp>();
    std::optional<Taps> taps = gather ? getGather(gather) : std::nullopt;
    if (!taps || !op.getMatchingIndexingMap(first).isIdentity() || !getElementTypeOrSelf(second->get()).isF32() ||
        !isTable(second, op.getMatchingIndexingMap(second), taps->dimension,
                 cast<RankedTensorType>(value.getType()).getDimSize(taps->dimension)))
      return std::nullopt;
    taps->taps.front().weights = second->get();
    taps->ops.push_back(op);
    return taps;
  }
  if (!yieldsBinary<arith::AddFOp>(op) || !op.getMatchingIndexingMap(first).isIdentity() ||
      !op.getMatchingIndexingMap(second).isIdentity())
    return std::nullopt;
  std::optional<Taps> sum = getTaps(first->get()), more = getTaps(second->get());
  if (!sum || !more || sum->source != more->source || sum->dimension != more->dimension)
    return std::nullopt;
  llvm::append_range(sum->taps, more->taps);
  llvm::append_range(sum->ops, more->ops);
  sum->ops.push_back(op);
  return sum;
}

/// The resized image that `value` is. `ops` are all that are computed with it.
static std::optional<Resize> getResize(Value value, llvm::SmallPtrSetImpl<Operation *> &ops) {
  std::optional<Taps> taps = getTaps(value);
  if (!taps)
    return std::nullopt;
  auto of = [](Resize &resize, int64_t dimension) -> SmallVector<Tap, 4> & {
    return dimension == 1 ? resize.rows : resize.columns;
  };
  Resize resize;
  resize.image = taps->source;
  of(resize, taps->dimension) = taps->taps;
  ops.insert_range(taps->ops);
  std::optional<Taps> first = getTaps(taps->source);
  bool isOnlyRead = llvm::all_of(taps->source.getUsers(), [&](Operation *user) {
    return llvm::any_of(taps->ops, [&](Operation *op) { return op == user || op->isAncestor(user); });
  });
  if (first && isOnlyRead && first->dimension != taps->dimension) {
    resize.image = first->source;
    of(resize, first->dimension) = first->taps;
    ops.insert_range(first->ops);
  }
  return resize;
}

//===----------------------------------------------------------------------===//
// Vectors
//===----------------------------------------------------------------------===//

/// The place of pixel `i` of a window, a number, or an index if `number` is none. Beyond the image a maximum has
/// another pixel of the window, which is in the image; a sum has none.
static Place getPlace(OpBuilder &builder, Location location, const Window &window, bool isMaximum, Value output,
                      std::optional<int64_t> number, Value i = Value()) {
  MLIRContext *context = builder.getContext();
  AffineExpr place = builder.getAffineDimExpr(0) * window.stride - window.low;
  place = place + (number ? builder.getAffineConstantExpr(*number) : builder.getAffineDimExpr(1)) * window.dilation;
  SmallVector<Value> operands = {output};
  if (!number)
    operands.push_back(i);
  bool isBefore = window.isBefore(number.value_or(0)), isBehind = window.isBehind(number.value_or(window.size - 1));
  VectorBuilder at(builder, location, 1);
  if (!isMaximum) {
    Value index = at.apply(place, operands);
    if (!isBefore && !isBehind)
      return {index, Value(), Value()};
    // What is before the image is large, as an unsigned number.
    Value isInside =
        arith::CmpIOp::create(builder, location, arith::CmpIPredicate::ult, index, at.getIndex(window.inputs));
    return {arith::SelectOp::create(builder, location, isInside, index, at.getIndex(0)), isInside, Value()};
  }
  Value index;
  if (isBefore)
    index = affine::AffineMaxOp::create(
        builder, location, AffineMap::get(operands.size(), 0, {place, place % window.dilation}, context), operands);
  else
    index = at.apply(place, operands);
  if (isBehind) {
    AffineExpr last = builder.getAffineConstantExpr(window.inputs - 1), d0 = builder.getAffineDimExpr(0);
    index = affine::AffineMinOp::create(
        builder, location, AffineMap::get(1, 0, {d0, last - (last - d0) % window.dilation}, context), index);
  }
  return {index, Value(), Value()};
}

static SmallVector<Place> getPlaces(OpBuilder &builder, Location location, const Window &window, bool isMaximum,
                                    Value output) {
  SmallVector<Place> places;
  for (int64_t i = 0; i < window.size; ++i)
    places.push_back(getPlace(builder, location, window, isMaximum, output, i));
  return places;
}

/// A vector of a pixel; zeros beyond the image.
static Value read(VectorBuilder &at, OpBuilder &builder, Location location, Value pixels, Place row, Place column,
                  Value channel) {
  Value vector = at.read(pixels, {row.index, column.index, channel});
  if (row.isInside && column.isInside)
    return at.select(arith::AndIOp::create(builder, location, row.isInside, column.isInside), vector);
  if (row.isInside || column.isInside)
    return at.select(row.isInside ? row.isInside : column.isInside, vector);
  return vector;
}

/// Loads one image of several.
static Value loadImage(DispatchBuilder &dispatch, Value images, OpFoldResult image) {
  OpFoldResult zero = dispatch.inBody().getIndexAttr(0);
  ArrayRef<int64_t> shape = cast<RankedTensorType>(images.getType()).getShape();
  return dispatch.load(images, {{image, zero, zero, zero}, {1, shape[1], shape[2], shape[3]}}, /*numDropped=*/1);
}

namespace {

/// Computes a vector of a pool: at the pixel that `enterRow` and `enterColumn` were called for.
class PoolBuilder {
public:
  PoolBuilder(const Pool &pool, Location location, int64_t lanes, bool hasMaximum)
      : pool(pool), location(location), lanes(lanes), hasMaximum(hasMaximum) {}

  void load(DispatchBuilder &dispatch, OpFoldResult image) { pixels = loadImage(dispatch, pool.image, image); }

  void enterRow(OpBuilder &builder, Value y) {
    row = y;
    if (isUnrolled())
      rows = getPlaces(builder, location, pool.rows, pool.isMaximum, y);
  }

  void enterColumn(OpBuilder &builder, Value x) {
    column = x;
    if (isUnrolled())
      columns = getPlaces(builder, location, pool.columns, pool.isMaximum, x);
  }

  Value build(OpBuilder &builder, Value channel) {
    if (!isUnrolled())
      return buildLoops(builder, channel);
    VectorBuilder at(builder, location, lanes);
    SmallVector<Value> vectors;
    for (Place y : rows)
      for (Place x : columns)
        vectors.push_back(read(at, builder, location, pixels, y, x, channel));
    return combine(at, vectors);
  }

private:
  bool isUnrolled() const { return pool.rows.size * pool.columns.size <= kUnrolledPixels; }

  Value combine(VectorBuilder &at, ArrayRef<Value> vectors) const {
    if (pool.isMaximum)
      return at.maximum(vectors, hasMaximum);
    Value sum = vectors.front();
    for (Value vector : vectors.drop_front())
      sum = at.add(sum, vector);
    return sum;
  }

  Value buildLoops(OpBuilder &builder, Value channel) {
    VectorBuilder outer(builder, location, lanes);
    Value initial = outer.getSplat(pool.isMaximum ? -std::numeric_limits<double>::infinity() : 0);
    auto forEach = [&](OpBuilder &builder, const Window &window, Value output, Value initial, auto build) {
      auto step = [&](OpBuilder &inner, Value i, ValueRange values) -> SmallVector<Value> {
        Place place = getPlace(inner, location, window, pool.isMaximum, output, std::nullopt, i);
        return {build(inner, place, values.front())};
      };
      return createLoop(builder, location, window.size, 1, initial, step).front();
    };
    return forEach(builder, pool.rows, row, initial, [&](OpBuilder &inRow, Place y, Value result) {
      return forEach(inRow, pool.columns, column, result, [&](OpBuilder &inner, Place x, Value result) {
        VectorBuilder at(inner, location, lanes);
        return combine(at, {result, read(at, inner, location, pixels, y, x, channel)});
      });
    });
  }

  const Pool &pool;
  Location location;
  int64_t lanes;
  bool hasMaximum;
  Value pixels, row, column;
  SmallVector<Place> rows, columns;
};

/// Computes a vector of a resized image, likewise.
class ResizeBuilder {
public:
  ResizeBuilder(const Resize &resize, Location location, int64_t lanes)
      : resize(resize), location(location), lanes(lanes) {}

  void load(DispatchBuilder &dispatch, OpFoldResult image) {
    pixels = loadImage(dispatch, resize.image, image);
    auto loadAll = [&](ArrayRef<Tap> taps) {
      SmallVector<Tap, 4> loaded;
      for (const Tap &tap : taps)
        loaded.push_back({loadWhole(dispatch, tap.indices), tap.weights ? loadWhole(dispatch, tap.weights) : Value()});
      return loaded;
    };
    rowTables = loadAll(resize.rows);
    columnTables = loadAll(resize.columns);
  }

  void enterRow(OpBuilder &builder, Value y) { rows = getPlaces(builder, rowTables, y); }

  void enterColumn(OpBuilder &builder, Value x) { columns = getPlaces(builder, columnTables, x); }

  Value build(OpBuilder &builder, Value channel) {
    VectorBuilder at(builder, location, lanes);
    return sum(at, rows, [&](Place y) {
      return sum(at, columns, [&](Place x) { return at.read(pixels, {y.index, x.index, channel}); });
    });
  }

private:
  static Value loadWhole(DispatchBuilder &dispatch, Value table) {
    auto type = cast<RankedTensorType>(table.getType());
    SmallVector<OpFoldResult> zeros(type.getRank(), dispatch.inBody().getIndexAttr(0));
    return dispatch.load(table, {zeros, llvm::to_vector(type.getShape())});
  }

  /// What output `o` is made of; of itself, where there are no tables.
  SmallVector<Place> getPlaces(OpBuilder &builder, ArrayRef<Tap> tables, Value output) {
    if (tables.empty())
      return {{output, Value(), Value()}};
    VectorBuilder at(builder, location, lanes);
    SmallVector<Place> places;
    for (const Tap &tap : tables) {
      auto getIndices = [&](Value table) {
        return llvm::map_to_vector(cast<RankedTensorType>(table.getType()).getShape(),
                                   [&](int64_t size) { return size == 1 ? at.getIndex(0) : output; });
      };
      Value number = tensor::ExtractOp::create(builder, location, tap.indices, getIndices(tap.indices));
      Place place = {arith::IndexCastOp::create(builder, location, builder.getIndexType(), number), Value(), Value()};
      if (tap.weights)
        place.weight = at.readSplat(tap.weights, getIndices(tap.weights));
      places.push_back(place);
    }
    return places;
  }

  template <typename Function> static Value sum(VectorBuilder &at, ArrayRef<Place> places, Function getValue) {
    Value sum;
    for (const Place &place : places) {
      Value value = getValue(place);
      if (!place.weight)
        sum = sum ? at.add(sum, value) : value;
      else
        sum = sum ? at.multiplyAdd(value, place.weight, sum) : at.multiply(value, place.weight);
    }
    return sum;
  }

  const Resize &resize;
  Location location;
  int64_t lanes;
  Value pixels;
  SmallVector<Tap, 4> rowTables, columnTables;
  SmallVector<Place> rows, columns;
};

} // namespace

//===----------------------------------------------------------------------===//
// The dispatch
//===----------------------------------------------------------------------===//

/// Exchanges `root` and what follows it for a dispatch of loops over rows, columns and vectors of channels, a vector of
/// which `builder` computes; a workgroup an image, or half of one, so that two threads find work.
template <typename Builder>
static bool tile(const VectorUnit &unit, Operation *root, llvm::function_ref<Builder(int64_t lanes)> createBuilder) {
  auto type = cast<RankedTensorType>(root->getResult(0).getType());
  ArrayRef<int64_t> shape = type.getShape();
  Epilogue epilogue(root, /*initial=*/Value());
  if (!epilogue.isVectorizable())
    return false;
  int64_t height = shape[1], width = shape[2];
  Channels channels(unit, shape[3]);
  Tiling images = {shape[0], 1}, rows = tileEvenly(height, height >= kDividedRows ? (height + 1) / 2 : height);
  Tiling vectors = {channels.count, channels.lanes};

  Location location = root->getLoc();
  DispatchBuilder dispatch(root->getContext(), location);
  OpBuilder &body = dispatch.inBody();
  OpFoldResult zero = body.getIndexAttr(0);
  OpFoldResult row = dispatch.getTileOffset(0, rows), image = dispatch.getTileOffset(1, images);
  Builder pixel = createBuilder(channels.lanes);
  pixel.load(dispatch, image);
  Piece piece = {{image, row, zero, zero}, {1, rows.tile, width, channels.count}};
  SmallVector<Value> operands = epilogue.load(dispatch, piece);
  Value top = getValueOrCreateConstantIndexOp(body, location, row);
  Value empty = createEmpty(body, location, ArrayRef(piece.sizes).drop_front());
  Value result = createLoop(body, location, rows.tile, empty, [&](OpBuilder &inRow, Value y, Value result) {
    VectorBuilder atRow(inRow, location, channels.lanes);
    pixel.enterRow(inRow, atRow.apply(atRow.getDim(0) + atRow.getDim(1), {top, y}));
    return createLoop(inRow, location, width, result, [&](OpBuilder &inColumn, Value x, Value result) {
      pixel.enterColumn(inColumn, x);
      return createLoop(inColumn, location, vectors.count(), result, [&](OpBuilder &inner, Value v, Value result) {
        VectorBuilder at(inner, location, channels.lanes);
        Value channel = at.applyAtMost(at.getDim(0) * vectors.tile, vectors.lastOffset(), v);
        Value vector =
            epilogue.buildVector(inner, pixel.build(inner, channel), operands, {at.getIndex(0), y, x, channel});
        return at.write(vector, result, {y, x, channel});
      });
    });
  });

  Value last = epilogue.getLast()->getResult(0);
  Border border = getLargestBorder(last);
  RankedTensorType padded = getPadded(type, border);
  storeWithBorder(dispatch, result, border, piece, padded,
                  [&](ArrayRef<int64_t> sizes) { return createVectorsOfZeros(body, location, channels.lanes, sizes); });
  OpBuilder after(root->getContext());
  after.setInsertionPointAfter(epilogue.getLast());
  SmallVector<Value> grid;
  for (const Tiling &tiling : {rows, images})
    grid.push_back(arith::ConstantIndexOp::create(after, location, tiling.count()));
  replaceWithPadded(last, dispatch.finish(after, grid, padded), border);
  return true;
}

//===----------------------------------------------------------------------===//
// Sums over all pixels
//===----------------------------------------------------------------------===//

/// Where in the result of a sum over all pixels of an image of nhwc its channels are; none for other operations.
static std::optional<unsigned> getChannelsOfSum(linalg::GenericOp op) {
  using utils::IteratorType;
  constexpr IteratorType iterators[] = {IteratorType::parallel, IteratorType::reduction, IteratorType::reduction,
                                        IteratorType::parallel};
  if (!op.hasPureTensorSemantics() || op.getNumDpsInputs() != 1 || op.getNumDpsInits() != 1 ||
      op.getIteratorTypesArray() != ArrayRef(iterators) || !isStaticImage(op.getDpsInputOperand(0)->get()) ||
      !op.getMatchingIndexingMap(op.getDpsInputOperand(0)).isIdentity() || !yieldsBinary<arith::AddFOp>(op))
    return std::nullopt;
  std::optional<APFloat> initial = getFilled(op.getDpsInitOperand(0)->get());
  if (!initial || !initial->isZero())
    return std::nullopt;
  // The dimensions of the result are images, channels, and others of 1.
  AffineMap map = op.getMatchingIndexingMap(op.getDpsInitOperand(0));
  AffineExpr zero = getAffineConstantExpr(0, op.getContext());
  std::optional<unsigned> channels;
  for (auto [i, expression] : llvm::enumerate(map.getResults())) {
    if (i > 0 && expression == getAffineDimExpr(3, op.getContext()))
      channels = i;
    else if (expression != (i == 0 ? getAffineDimExpr(0, op.getContext()) : zero))
      return std::nullopt;
  }
  ArrayRef<int64_t> image = cast<RankedTensorType>(op.getDpsInputOperand(0)->get().getType()).getShape();
  if (!channels || cast<RankedTensorType>(op.getResult(0).getType()).getNumElements() != image[0] * image[3])
    return std::nullopt;
  return channels;
}

/// Exchanges a sum over all pixels, and what follows it, for a dispatch that sums some vectors of channels at a time; a
/// workgroup all channels of an image.
static bool tileSum(const VectorUnit &unit, linalg::GenericOp op, unsigned channelDimension) {
  Value images = op.getDpsInputOperand(0)->get();
  auto type = cast<RankedTensorType>(op.getResult(0).getType());
  ArrayRef<int64_t> shape = cast<RankedTensorType>(images.getType()).getShape();
  int64_t rank = type.getRank();
  Epilogue epilogue(op, /*initial=*/Value());
  // Other operands are read by vectors along the last dimension.
  if (!epilogue.isVectorizable() || (channelDimension + 1 != rank && !epilogue.readsNothing()))
    return false;
  Channels channels(unit, shape[3]);
  int64_t numSums = std::min(channels.count / channels.lanes, kSums);
  Tiling blocks = {channels.count, numSums * channels.lanes};

  Location location = op.getLoc();
  DispatchBuilder dispatch(op.getContext(), location);
  OpBuilder &body = dispatch.inBody();
  OpFoldResult image = dispatch.getTileOffset(0, {shape[0], 1});
  Value pixels = loadImage(dispatch, images, image);
  Piece piece = {SmallVector<OpFoldResult>(rank, body.getIndexAttr(0)), SmallVector<int64_t>(rank, 1)};
  piece.offsets[0] = image;
  piece.sizes[channelDimension] = channels.count;
  SmallVector<Value> operands = epilogue.load(dispatch, piece);
  Value empty = createEmpty(body, location, {channels.count});
  Value result = createLoop(body, location, blocks.count(), empty, [&](OpBuilder &outer, Value block, Value result) {
    VectorBuilder atBlock(outer, location, channels.lanes);
    Value first = atBlock.applyAtMost(atBlock.getDim(0) * blocks.tile, blocks.lastOffset(), block);
    SmallVector<Value> places;
    for (int64_t i = 0; i < numSums; ++i)
      places.push_back(atBlock.apply(atBlock.getDim(0) + i * channels.lanes, first));
    SmallVector<Value> zeros(numSums, atBlock.getSplat(0));
    ValueRange sums = createLoop(
        outer, location, shape[1], 1, zeros, [&](OpBuilder &inRow, Value y, ValueRange sums) -> SmallVector<Value> {
          return llvm::to_vector(createLoop(inRow, location, shape[2], 1, sums,
                                            [&](OpBuilder &inner, Value x, ValueRange sums) -> SmallVector<Value> {
                                              VectorBuilder at(inner, location, channels.lanes);
                                              SmallVector<Value> next;
                                              for (auto [sum, place] : llvm::zip_equal(sums, places))
                                                next.push_back(at.add(sum, at.read(pixels, {y, x, place})));
                                              return next;
                                            }));
        });
    for (auto [sum, place] : llvm::zip_equal(sums, places)) {
      SmallVector<Value> indices(rank, atBlock.getIndex(0));
      indices[channelDimension] = place;
      result = atBlock.write(epilogue.buildVector(outer, sum, operands, indices), result, place);
    }
    return result;
  });
  dispatch.store(result, piece, type);
  OpBuilder after(op.getContext());
  after.setInsertionPointAfter(epilogue.getLast());
  Value count = arith::ConstantIndexOp::create(after, location, shape[0]);
  epilogue.getLast()->getResult(0).replaceAllUsesWith(dispatch.finish(after, count, type));
  return true;
}

//===----------------------------------------------------------------------===//
// The pass
//===----------------------------------------------------------------------===//

/// The pool that an operation is, if it can be tiled.
static std::optional<Pool> getPool(Operation *op) {
  if (auto maximum = dyn_cast<linalg::PoolingNhwcMaxOp>(op))
    return getPoolOf(maximum);
  if (auto sum = dyn_cast<linalg::PoolingNhwcSumOp>(op))
    return getPoolOf(sum);
  return std::nullopt;
}

void TilePixelsPass::runOnOperation() {
  std::optional<VectorUnit> unit = VectorUnit::get(vectorBits, registers);
  if (!unit)
    return;
  for (auto function : getOperation().getOps<func::FuncOp>()) {
    SmallVector<Operation *> roots;
    llvm::SmallPtrSet<Operation *, 16> parts;
    // A sum comes before what it is made of.
    function->walk<WalkOrder::PostOrder, ReverseIterator>([&](linalg::LinalgOp op) {
      if (parts.contains(op) || isInDispatch(op) || op->getNumResults() != 1)
        return;
      auto generic = dyn_cast<linalg::GenericOp>(*op);
      if (getPool(op) || getResize(op->getResult(0), parts) || (generic && getChannelsOfSum(generic)))
        roots.push_back(op);
    });
    // In the order of the program, and found anew: an operation may read what a dispatch gives by now.
    for (Operation *op : llvm::reverse(roots)) {
      Location location = op->getLoc();
      if (std::optional<Pool> pool = getPool(op))
        numTiled += tile<PoolBuilder>(
            *unit, op, [&](int64_t lanes) { return PoolBuilder(*pool, location, lanes, unit->hasMaximum()); });
      else if (std::optional<Resize> resize = getResize(op->getResult(0), parts))
        numTiled +=
            tile<ResizeBuilder>(*unit, op, [&](int64_t lanes) { return ResizeBuilder(*resize, location, lanes); });
      else if (auto sum = dyn_cast<linalg::GenericOp>(op))
        if (std::optional<unsigned> channels = getChannelsOfSum(sum))
          numTiled += tileSum(*unit, sum, *channels);
    }
    eraseDeadOps(function.getBody());
  }
}
