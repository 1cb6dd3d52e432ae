//===- DyclOps.h - Operations and attributes of dycl ------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef DIALECTS_DYCL_IR_DYCLOPS_H
#define DIALECTS_DYCL_IR_DYCLOPS_H

#include "dialects/Dycl/IR/DyclDialect.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/BuiltinAttributes.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/OpDefinition.h"
#include "mlir/IR/OpImplementation.h"
#include "mlir/IR/SymbolTable.h"
#include "mlir/Interfaces/ControlFlowInterfaces.h"
#include "mlir/Interfaces/FunctionInterfaces.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"

#define GET_ATTRDEF_CLASSES
#include "dialects/Dycl/IR/DyclAttrs.h.inc"

#define GET_OP_CLASSES
#include "dialects/Dycl/IR/DyclOps.h.inc"

#endif // DIALECTS_DYCL_IR_DYCLOPS_H
