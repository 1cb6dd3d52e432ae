//===- DyclDialect.h - The dycl dialect -------------------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef DIALECTS_DYCL_IR_DYCLDIALECT_H
#define DIALECTS_DYCL_IR_DYCLDIALECT_H

#include "mlir/IR/Dialect.h"

#include "dialects/Dycl/IR/DyclDialect.h.inc"

namespace dycl {

/// On an argument of the entry: the user's name of it (a string).
inline constexpr llvm::StringLiteral kNameAttr = "dycl.name";

/// On a region while it is a `func.func`: its `#dycl.cost`.
inline constexpr llvm::StringLiteral kCostAttr = "dycl.cost";

/// On a region while it is a `func.func`: the name of the device that it runs on (a string).
inline constexpr llvm::StringLiteral kAffinityAttr = "dycl.affinity";

} // namespace dycl

#endif // DIALECTS_DYCL_IR_DYCLDIALECT_H
