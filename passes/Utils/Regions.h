//===- Regions.h - Regions while they are functions -------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef PASSES_UTILS_REGIONS_H
#define PASSES_UTILS_REGIONS_H

#include "dialects/Dycl/IR/DyclOps.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/Support/LLVM.h"
#include "llvm/ADT/MapVector.h"

namespace dycl {

/// What the names of outlined regions start with; a number follows.
inline constexpr llvm::StringLiteral kRegionPrefix = "region_";

/// The calls in `module` by the function that they call, in program order.
llvm::MapVector<mlir::func::FuncOp, mlir::SmallVector<InvokeOp>> collectInvokes(mlir::ModuleOp module);

/// The device of a region, a function or a `dycl.region`; null where it is not placed.
mlir::StringAttr getAffinity(mlir::Operation *region);

/// The product of sizes, of which dynamic ones count as one.
int64_t multiplySizes(mlir::ArrayRef<int64_t> sizes);

/// The bytes of a value that crosses the border of a region, dynamic sizes taken as one.
int64_t countBytes(mlir::Type type);

/// Erases regions that nothing calls, and names the others region_0, region_1, … in the order in which they stand,
/// which is program order. Returns how many it erased.
unsigned renumberRegions(mlir::ModuleOp module);

} // namespace dycl

#endif // PASSES_UTILS_REGIONS_H
