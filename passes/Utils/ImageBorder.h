//===- ImageBorder.h - Borders of zeros around images -----------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A dispatch stores an image with the border of zeros that the next convolution reads, so that no padding is copied.
//
//===----------------------------------------------------------------------===//

#ifndef PASSES_UTILS_IMAGEBORDER_H
#define PASSES_UTILS_IMAGEBORDER_H

#include "passes/Utils/DispatchBuilder.h"

namespace dycl {

/// The border of zeros around an image of nhwc.
struct Border {
  int64_t top = 0, bottom = 0, left = 0, right = 0;

  bool isWithin(const Border &other) const {
    return top <= other.top && bottom <= other.bottom && left <= other.left && right <= other.right;
  }
};

/// The border that an operation adds to an image, if it is one of zeros; none for anything else.
std::optional<Border> getBorder(mlir::Operation *op);

/// The same for a border of any number that `isExpected` holds for.
std::optional<Border> getBorder(mlir::Operation *op, llvm::function_ref<bool(const llvm::APFloat &number)> isExpected);

/// The largest of the borders that users of `value` add to it.
Border getLargestBorder(mlir::Value value);

mlir::RankedTensorType getPadded(mlir::RankedTensorType type, const Border &border);

/// Stores a piece of an image, of all channels of one block, within the border, and around it what `createZeros` makes
/// in the body.
void storeWithBorder(DispatchBuilder &dispatch, mlir::Value value, const Border &border, const Piece &piece,
                     mlir::RankedTensorType padded,
                     llvm::function_ref<mlir::Value(mlir::ArrayRef<int64_t> sizes)> createZeros);

/// Exchanges `value` for what `padded` holds within its border, and what adds no larger border to it for a part of
/// that.
void replaceWithPadded(mlir::Value value, mlir::Value padded, const Border &border);

} // namespace dycl

#endif // PASSES_UTILS_IMAGEBORDER_H
