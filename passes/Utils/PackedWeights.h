//===- PackedWeights.h - Weights in the order in which they are read -*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A packed weight is another parameter of the archive, whose key says how it is made of the one that it comes from:
// `fc.weight@transpose(1,0)@blocks(32)`. python/dycl/compiler/packing.py reads these keys.
//
//===----------------------------------------------------------------------===//

#ifndef PASSES_UTILS_PACKEDWEIGHTS_H
#define PASSES_UTILS_PACKEDWEIGHTS_H

#include "mlir/IR/Builders.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/BuiltinTypes.h"

namespace dycl {

/// What a value is of a parameter: its key, with the steps from the parameter to it.
struct WeightView {
  std::string key;
  mlir::RankedTensorType type;
};

/// What `value` is of a parameter of `module`, through transpositions, reshapes and choices of a group; none for
/// anything else.
std::optional<WeightView> getWeight(mlir::ModuleOp module, mlir::Value value);

/// Loads the weight with its last dimension in blocks, which come first: `[.., N]` as `[N / block, .., block]`. Where
/// blocks do not divide N, the last one holds the last channels, some of which the one before it holds too; a block of
/// more than N channels ends in zeros.
mlir::Value loadInBlocks(mlir::OpBuilder &builder, mlir::Location location, mlir::ModuleOp module,
                         const WeightView &weight, int64_t block);

/// A symbol name made of `key`, different from all that `isTaken` holds for.
std::string makeGlobalName(llvm::StringRef key, llvm::function_ref<bool(llvm::StringRef)> isTaken);

/// The global of a parameter in the archive.
void createParameterGlobal(mlir::OpBuilder &builder, mlir::Location location, llvm::StringRef key, llvm::StringRef name,
                           mlir::RankedTensorType type);

/// The key of the parameter that a `util.global` names; empty for another global.
std::string getParameterKey(mlir::Operation *global);

/// The global that a `util.global.load` reads; null for another operation.
mlir::Operation *getLoadedGlobal(mlir::ModuleOp module, mlir::Operation *load);

} // namespace dycl

#endif // PASSES_UTILS_PACKEDWEIGHTS_H
