//===- ImageBorder.cpp - Borders of zeros around images -------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "passes/Utils/ImageBorder.h"

#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/IR/Matchers.h"

using namespace mlir;
using namespace dycl;

std::optional<Border> dycl::getBorder(Operation *op) {
  return getBorder(op, [](const APFloat &number) { return number.isPosZero(); });
}

std::optional<Border> dycl::getBorder(Operation *op, llvm::function_ref<bool(const APFloat &number)> isExpected) {
  auto pad = dyn_cast<tensor::PadOp>(op);
  Value padding = pad ? pad.getConstantPaddingValue() : Value();
  APFloat number(0.0f);
  if (!padding || !matchPattern(padding, m_ConstantFloat(&number)) || !isExpected(number) || !pad.getLow().empty() ||
      !pad.getHigh().empty())
    return std::nullopt;
  ArrayRef<int64_t> low = pad.getStaticLow(), high = pad.getStaticHigh();
  if (low.size() != 4 || low[0] != 0 || high[0] != 0 || low[3] != 0 || high[3] != 0 ||
      llvm::any_of(low, [](int64_t size) { return size < 0; }) ||
      llvm::any_of(high, [](int64_t size) { return size < 0; }))
    return std::nullopt;
  return Border{low[1], high[1], low[2], high[2]};
}

Border dycl::getLargestBorder(Value value) {
  Border largest;
  for (Operation *user : value.getUsers())
    if (std::optional<Border> border = getBorder(user))
      if (largest.isWithin(*border))
        largest = *border;
  return largest;
}

RankedTensorType dycl::getPadded(RankedTensorType type, const Border &border) {
  ArrayRef<int64_t> shape = type.getShape();
  return RankedTensorType::get(
      {shape[0], shape[1] + border.top + border.bottom, shape[2] + border.left + border.right, shape[3]},
      type.getElementType());
}

void dycl::replaceWithPadded(Value value, Value padded, const Border &border) {
  OpBuilder builder(value.getContext());
  auto type = cast<RankedTensorType>(value.getType());
  Location location = padded.getLoc();
  SmallVector<OpFoldResult> strides(4, builder.getIndexAttr(1));
  auto extract = [&](RankedTensorType part, int64_t top, int64_t left) -> Value {
    if (part == padded.getType())
      return padded;
    builder.setInsertionPointAfterValue(padded);
    SmallVector<OpFoldResult> offsets = {builder.getIndexAttr(0), builder.getIndexAttr(top), builder.getIndexAttr(left),
                                         builder.getIndexAttr(0)};
    SmallVector<OpFoldResult> sizes = getAsIndexOpFoldResult(builder.getContext(), part.getShape());
    return tensor::ExtractSliceOp::create(builder, location, part, padded, offsets, sizes, strides);
  };
  for (Operation *user : llvm::to_vector(value.getUsers())) {
    std::optional<Border> own = getBorder(user);
    if (!own || !own->isWithin(border))
      continue;
    user->replaceAllUsesWith(
        ValueRange(extract(getPadded(type, *own), border.top - own->top, border.left - own->left)));
    user->erase();
  }
  if (!value.use_empty())
    value.replaceAllUsesWith(extract(type, border.top, border.left));
}

/// Stores zeros around the pixels of a piece that spans the channels of one block; every workgroup writes the whole
/// border of its block, since it is short.
static void storeBorder(DispatchBuilder &dispatch, const Border &border, const Piece &piece, RankedTensorType padded,
                        llvm::function_ref<Value(ArrayRef<int64_t> sizes)> createZeros) {
  OpBuilder &builder = dispatch.inBody();
  ArrayRef<int64_t> shape = padded.getShape();
  auto store = [&](int64_t top, int64_t left, int64_t height, int64_t width) {
    if (height == 0 || width == 0)
      return;
    Piece part = {{piece.offsets[0], builder.getIndexAttr(top), builder.getIndexAttr(left), piece.offsets[3]},
                  {piece.sizes[0], height, width, piece.sizes[3]}};
    dispatch.store(createZeros(part.sizes), part, padded);
  };
  int64_t inner = shape[1] - border.top - border.bottom;
  store(0, 0, border.top, shape[2]);
  store(shape[1] - border.bottom, 0, border.bottom, shape[2]);
  store(border.top, 0, inner, border.left);
  store(border.top, shape[2] - border.right, inner, border.right);
}

void dycl::storeWithBorder(DispatchBuilder &dispatch, Value value, const Border &border, const Piece &piece,
                           RankedTensorType padded, llvm::function_ref<Value(ArrayRef<int64_t> sizes)> createZeros) {
  storeBorder(dispatch, border, piece, padded, createZeros);
  Piece inside = piece;
  for (auto [dimension, before] : {std::pair(1, border.top), std::pair(2, border.left)})
    inside.offsets[dimension] = affine::makeComposedFoldedAffineApply(
        dispatch.inBody(), value.getLoc(), AffineMap::get(1, 0, dispatch.inBody().getAffineDimExpr(0) + before),
        {piece.offsets[dimension]});
  dispatch.store(value, inside, padded);
}
