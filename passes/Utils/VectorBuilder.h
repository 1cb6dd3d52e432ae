//===- VectorBuilder.h - Loops over vectors in a dispatch -------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// What a dispatch computes that is written as loops over vectors of f32: IREE only makes buffers of its tensors, in
// place, and code.
//
//===----------------------------------------------------------------------===//

#ifndef PASSES_UTILS_VECTORBUILDER_H
#define PASSES_UTILS_VECTORBUILDER_H

#include "mlir/IR/Builders.h"
#include "mlir/IR/BuiltinTypes.h"

namespace dycl {

/// A constant at the start of a dispatch's body, one of each value: most of the text would be constants otherwise.
mlir::Value getConstant(mlir::OpBuilder &builder, mlir::Location location, mlir::TypedAttr value);

/// Builds operations on vectors of consecutive channels.
class VectorBuilder {
public:
  VectorBuilder(mlir::OpBuilder &builder, mlir::Location location, int64_t lanes)
      : builder(builder), location(location), type(mlir::VectorType::get(lanes, builder.getF32Type())) {}

  mlir::Value getIndex(int64_t index) { return getConstant(builder, location, builder.getIndexAttr(index)); }

  mlir::Value getSplat(double number);

  /// An affine function of indices, d0 and so on.
  mlir::Value apply(mlir::AffineExpr expression, mlir::ValueRange indices);

  /// The smaller one of such a function and a number.
  mlir::Value applyAtMost(mlir::AffineExpr expression, int64_t most, mlir::Value index);

  mlir::AffineExpr getDim(unsigned position) { return builder.getAffineDimExpr(position); }

  mlir::Value read(mlir::Value tensor, mlir::ValueRange indices);

  /// One number of a tensor, in all lanes.
  mlir::Value readSplat(mlir::Value tensor, mlir::ValueRange indices);

  mlir::Value write(mlir::Value vector, mlir::Value tensor, mlir::ValueRange indices);

  /// A vector of these elements of another one.
  mlir::Value permute(mlir::Value vector, mlir::ArrayRef<int64_t> elements);

  /// The vector, or zeros.
  mlir::Value select(mlir::Value condition, mlir::Value vector);

  mlir::Value add(mlir::Value a, mlir::Value b);
  mlir::Value subtract(mlir::Value a, mlir::Value b);
  mlir::Value multiply(mlir::Value a, mlir::Value b);
  mlir::Value multiplyAdd(mlir::Value a, mlir::Value b, mlir::Value sum);

  /// The largest number, of two zeros either one; NaN where one of them is NaN. `hasMaximum` is as a `VectorUnit` has
  /// it.
  mlir::Value maximum(mlir::ArrayRef<mlir::Value> values, bool hasMaximum);

  /// The sum of `values` by `coefficients`, of which not all are 0.
  mlir::Value combine(mlir::ArrayRef<double> coefficients, mlir::ArrayRef<mlir::Value> values);

private:
  mlir::OpBuilder &builder;
  mlir::Location location;
  mlir::VectorType type;
};

/// A loop from 0 to `end`, of which an iteration gives what the next one has.
mlir::ValueRange createLoop(mlir::OpBuilder &builder, mlir::Location location, int64_t end, int64_t step,
                            mlir::ValueRange initial,
                            llvm::function_ref<mlir::SmallVector<mlir::Value>(mlir::OpBuilder &inner, mlir::Value index,
                                                                              mlir::ValueRange values)>
                                build);

/// The same for one tensor.
mlir::Value
createLoop(mlir::OpBuilder &builder, mlir::Location location, int64_t end, mlir::Value tensor,
           llvm::function_ref<mlir::Value(mlir::OpBuilder &inner, mlir::Value index, mlir::Value tensor)> build);

/// A tensor of f32 that nothing is in yet.
mlir::Value createEmpty(mlir::OpBuilder &builder, mlir::Location location, mlir::ArrayRef<int64_t> shape);

/// Zeros for a piece of an image, `[1, height, width, channels]`, in vectors of `lanes`, of which there are channels
/// for one at least. A `linalg.fill` would be what IREE distributes the dispatch by, and it refuses the rest then.
mlir::Value createVectorsOfZeros(mlir::OpBuilder &builder, mlir::Location location, int64_t lanes,
                                 mlir::ArrayRef<int64_t> sizes);

} // namespace dycl

#endif // PASSES_UTILS_VECTORBUILDER_H
