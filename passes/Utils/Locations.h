//===- Locations.h - Where IR comes from in the user's source ---*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef PASSES_UTILS_LOCATIONS_H
#define PASSES_UTILS_LOCATIONS_H

#include "mlir/IR/Location.h"
#include "mlir/IR/Operation.h"
#include "mlir/Support/LLVM.h"

namespace dycl {

/// The user's line in `location`, or null where it holds none. A call site gives the callee's line: the innermost
/// frame is the statement that computes; what is around it only leads there. A fused location gives its first line.
mlir::FileLineColLoc findUserLine(mlir::Location location);

/// All of the user's lines in `location`: of a fused location one for each of its parts.
llvm::SmallVector<mlir::FileLineColLoc> findUserLines(mlir::Location location);

/// The distinct user lines of `ops` in order of first appearance, fused; `fallback` where they have none. So
/// `findUserLine` of it is the line where `ops` start.
mlir::Location fuseUserLines(llvm::ArrayRef<mlir::Operation *> ops, mlir::Location fallback);

} // namespace dycl

#endif // PASSES_UTILS_LOCATIONS_H
