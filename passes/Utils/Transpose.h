//===- Transpose.h - Transpositions of any sizes ----------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef PASSES_UTILS_TRANSPOSE_H
#define PASSES_UTILS_TRANSPOSE_H

#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Dialect/Utils/IndexingUtils.h"

namespace dycl {

/// `value` transposed: dimension i of the result is dimension `permutation[i]` of it.
inline mlir::Value createTranspose(mlir::OpBuilder &builder, mlir::Location location, mlir::Value value,
                                   mlir::ArrayRef<int64_t> permutation) {
  mlir::SmallVector<mlir::OpFoldResult> sizes =
      mlir::applyPermutation<mlir::OpFoldResult>(mlir::tensor::getMixedSizes(builder, location, value), permutation);
  mlir::Value empty =
      mlir::tensor::EmptyOp::create(builder, location, sizes, mlir::getElementTypeOrSelf(value.getType()));
  return mlir::linalg::TransposeOp::create(builder, location, value, empty, permutation)->getResult(0);
}

} // namespace dycl

#endif // PASSES_UTILS_TRANSPOSE_H
