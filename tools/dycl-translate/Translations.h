//===- Translations.h - From a partitioned module to files ------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef TOOLS_DYCL_TRANSLATE_TRANSLATIONS_H
#define TOOLS_DYCL_TRANSLATE_TRANSLATIONS_H

#include "dialects/Dycl/IR/DyclOps.h"
#include "mlir/IR/BuiltinOps.h"
#include "llvm/Support/raw_ostream.h"

namespace dycl {

/// The one `dycl.program` of `module`, whose regions are partitioned; a diagnostic where that is not so.
mlir::FailureOr<ProgramOp> findPartitionedProgram(mlir::ModuleOp module);

/// Writes the program description (contract C of ARCHITECTURE.md).
mlir::LogicalResult translateToJson(mlir::ModuleOp module, llvm::raw_ostream &out);

/// Writes host.py (contract D of ARCHITECTURE.md).
mlir::LogicalResult translateToPython(mlir::ModuleOp module, llvm::raw_ostream &out);

} // namespace dycl

#endif // TOOLS_DYCL_TRANSLATE_TRANSLATIONS_H
