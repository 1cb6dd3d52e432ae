//===- DispatchBuilder.h - One computation with tiles of ours ---*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A `flow.dispatch.workgroups` that computes a tensor piece by piece, a piece a workgroup. IREE leaves its body alone,
// so that the tile sizes on the operation in it are used; outside of one, IREE 3.13 drops them without a word.
//
//===----------------------------------------------------------------------===//

#ifndef PASSES_UTILS_DISPATCHBUILDER_H
#define PASSES_UTILS_DISPATCHBUILDER_H

#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/OwningOpRef.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"
#include "passes/Utils/TileRules.h"

namespace dycl {

/// Where a piece of a tensor is: an offset and a size for each dimension. Sizes are static.
struct Piece {
  mlir::SmallVector<mlir::OpFoldResult> offsets;
  mlir::SmallVector<int64_t> sizes;
};

/// Builds a dispatch from the inside: operands are bound as the body loads them.
class DispatchBuilder {
public:
  DispatchBuilder(mlir::MLIRContext *context, mlir::Location location);

  /// Builds what a workgroup computes.
  mlir::OpBuilder &inBody() { return body; }

  /// The number of this workgroup in a dimension of the grid.
  mlir::Value getWorkgroup(unsigned dimension);

  /// The offset of this workgroup's tile, in a dimension of the grid.
  mlir::OpFoldResult getTileOffset(unsigned dimension, const Tiling &tiling);

  /// The same in tiles of the first dimension of `tensor`, whose size is not static.
  mlir::OpFoldResult getTileOffset(unsigned dimension, int64_t tile, mlir::Value tensor);

  /// A tensor of zeros in the body.
  mlir::Value createZeros(mlir::ArrayRef<int64_t> sizes, mlir::Type element);

  /// A piece of a tensor that is computed before the dispatch. The leading dimensions, as many as `numDropped`, have
  /// size 1 and are dropped. Of a slice its source is read where it lies, and so is that of a transposition, or of a
  /// reshape by dimensions of 1, if the piece is the same in it.
  mlir::Value load(mlir::Value tensor, const Piece &piece, unsigned numDropped = 0);

  /// Stores a piece of the result; after everything is loaded. Dimensions of size 1 may be missing in `value`.
  void store(mlir::Value value, const Piece &piece, mlir::RankedTensorType result);

  /// Has the dispatch store into `tensor`, of the result's type, instead of into a new one; before `store`. What it
  /// does not store stays.
  void update(mlir::Value tensor);

  /// The dispatch, of these workgroups, where `builder` stands. `sizes` are the dynamic sizes of the result.
  mlir::Value finish(mlir::OpBuilder &builder, mlir::ArrayRef<mlir::Value> grid, mlir::RankedTensorType result,
                     mlir::ValueRange sizes = {});

private:
  mlir::Value loadAs(mlir::RankedTensorType type, mlir::Value tensor, Piece piece);
  unsigned bind(mlir::Value tensor, llvm::StringRef access = "readonly");
  mlir::SmallVector<mlir::Value> getBoundSizes(mlir::Value tensor);

  mlir::MLIRContext *context;
  mlir::Location location;
  /// Holds the body until the dispatch is made: much of MLIR expects that a block is in an operation.
  mlir::OwningOpRef<mlir::ModuleOp> holder;
  mlir::OpBuilder body;
  /// Made before the dispatch: the sizes of operands.
  mlir::SmallVector<mlir::Value> operands;
  mlir::SmallVector<std::pair<mlir::Value, mlir::SmallVector<mlir::Value>>> operandSizes;
  llvm::DenseMap<mlir::Value, unsigned> indexOf;
  mlir::Value output;
  /// The operand that is updated, if any.
  int64_t tied = -1;
};

/// What only lays out the result of a dispatch anew, so that the dispatch can store it in that way: transpositions that
/// leave a piece as it is, and reshapes by dimensions of 1.
struct Relayout {
  /// Follows what alone uses `value`, of which a workgroup computes `whole`, as a tensor of `shape`.
  Relayout(mlir::Value value, Piece whole, mlir::ArrayRef<int64_t> shape);

  /// The value that is laid out anew, at last.
  mlir::Value value;
  Piece piece;
};

/// The attribute with which IREE tiles an operation: sizes a loop, and the name of the pipeline of its CPU backend.
mlir::Attribute getTileAttribute(mlir::MLIRContext *context, mlir::ArrayRef<int64_t> parallel,
                                 mlir::ArrayRef<int64_t> reduction, llvm::StringRef pipeline, bool peels = false);

/// What is computed element by element of a result before anything else reads it, and so in the same dispatch: a bias,
/// an activation, a residual.
class Epilogue {
public:
  /// Of the result of `op`, whose initial value is part of it: added, where it is not zero.
  explicit Epilogue(mlir::linalg::LinalgOp op);

  /// Of the result of `root`, to which `initial` is added, where it is there and not zero.
  Epilogue(mlir::Operation *root, mlir::Value initial);

  /// The last operation, whose result the dispatch computes.
  mlir::Operation *getLast() const { return ops.empty() ? root : ops.back(); }

  /// Computes it for a piece of the result, of which `value` may lack as many leading dimensions, of size 1.
  mlir::Value build(DispatchBuilder &dispatch, mlir::Value value, const Piece &piece, unsigned numDropped = 0) const;

  /// Whether it reads no other tensor.
  bool readsNothing() const;

  /// Whether it can be computed for vectors along the last dimension of the result.
  bool isVectorizable() const;

  /// What it reads of other tensors for a piece of the result, for `buildVector`.
  mlir::SmallVector<mlir::Value> load(DispatchBuilder &dispatch, const Piece &piece) const;

  /// Computes it for a vector, which starts at `indices` in the piece that `operands` were loaded for.
  mlir::Value buildVector(mlir::OpBuilder &builder, mlir::Value vector, mlir::ArrayRef<mlir::Value> operands,
                          mlir::ArrayRef<mlir::Value> indices) const;

private:
  /// Calls a function with each operand that is read, in order, and the dimensions of the result that it has.
  void forEachRead(llvm::function_ref<void(mlir::Value operand, mlir::AffineMap map)> function) const;

  mlir::Operation *root;
  /// What is added to the result, and the dimensions of the result that it has; null for nothing.
  mlir::Value initial;
  mlir::AffineMap initialMap;
  mlir::SmallVector<mlir::linalg::GenericOp> ops;
};

/// Whether `op` is in the body of a dispatch.
bool isInDispatch(mlir::Operation *op);

/// Patterns that may be applied beside dispatches, if they leave what is in these alone: without constants that move.
mlir::GreedyRewriteConfig getConfigAroundDispatches();

/// Erases what nothing uses. What simplifies in general must not run over dispatches: their bodies are isolated, which
/// only IREE knows, and constants would leave them.
void eraseDeadOps(mlir::Region &region);

} // namespace dycl

#endif // PASSES_UTILS_DISPATCHBUILDER_H
