//===- DispatchRegion.h - What IREE computes by itself ----------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef PASSES_UTILS_DISPATCHREGION_H
#define PASSES_UTILS_DISPATCHREGION_H

#include "mlir/Dialect/Linalg/IR/Linalg.h"

namespace dycl {

/// Has IREE compute `op` by itself, with nothing that uses it. (`util.optimization_barrier` is no way to: IREE does not
/// see that its result is the same memory, and uses that for something else.)
void putInDispatchRegion(mlir::linalg::LinalgOp op);

} // namespace dycl

#endif // PASSES_UTILS_DISPATCHREGION_H
