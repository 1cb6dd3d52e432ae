//===- HostValues.h - Where the values of the host program go ---*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef PASSES_UTILS_HOSTVALUES_H
#define PASSES_UTILS_HOSTVALUES_H

#include "dialects/Dycl/IR/DyclOps.h"
#include "mlir/IR/Value.h"
#include "llvm/ADT/DenseMap.h"

namespace dycl {

/// An operation that computes with `value`, a value of a host block, wherever control flow carries it; null where
/// control flow only passes it on.
mlir::Operation *findComputation(mlir::Value value);

/// Adds to `next` the values that take on the value of `use` when control flow passes it on. Returns false where the
/// value is computed with instead.
bool followControlFlow(mlir::OpOperand &use, llvm::SetVector<mlir::Value> &next);

/// The type of a value that stands for one of `type` which no path reads: each dynamic size is `size`.
mlir::RankedTensorType getStandInType(mlir::RankedTensorType type, int64_t size);

/// The number of each decision that the program takes, in program order. Every host and the graph number them through
/// this function, so that the k of `decide(k, …)` in host.py is the predicate k of the program description.
llvm::DenseMap<mlir::Operation *, unsigned> numberPredicates(ProgramOp program);

} // namespace dycl

#endif // PASSES_UTILS_HOSTVALUES_H
