//===- IreeOps.h - Operations of IREE, which MLIR does not know -*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef PASSES_UTILS_IREEOPS_H
#define PASSES_UTILS_IREEOPS_H

#include "mlir/IR/Builders.h"
#include "mlir/IR/BuiltinTypes.h"

namespace dycl {

/// The type `!DIALECT.NAME`.
inline mlir::Type getIreeType(mlir::MLIRContext *context, llvm::StringRef dialect, llvm::StringRef name) {
  return mlir::OpaqueType::get(mlir::StringAttr::get(context, dialect), name);
}

/// An operation of IREE's dialects, such as `util.list.get`, as IREE reads it in generic form. Its regions are empty.
mlir::Operation *createIreeOp(mlir::OpBuilder &builder, mlir::Location location, llvm::StringRef name,
                              mlir::ValueRange operands, mlir::TypeRange results,
                              mlir::ArrayRef<mlir::NamedAttribute> properties = {}, unsigned numRegions = 0);

} // namespace dycl

#endif // PASSES_UTILS_IREEOPS_H
