//===- DyclDialect.cpp - The dycl dialect ---------------------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "dialects/Dycl/IR/DyclDialect.h"

#include "dialects/Dycl/IR/DyclOps.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/DialectImplementation.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace dycl;

#include "dialects/Dycl/IR/DyclDialect.cpp.inc"

#define GET_ATTRDEF_CLASSES
#include "dialects/Dycl/IR/DyclAttrs.cpp.inc"

void DyclDialect::initialize() {
  addAttributes<
#define GET_ATTRDEF_LIST
#include "dialects/Dycl/IR/DyclAttrs.cpp.inc"
      >();
  addOperations<
#define GET_OP_LIST
#include "dialects/Dycl/IR/DyclOps.cpp.inc"
      >();
}

LogicalResult CostAttr::verify(function_ref<InFlightDiagnostic()> emitError, int64_t flops, int64_t bytes) {
  if (flops < 0)
    return emitError() << "flops is " << flops << "; expected at least 0";
  if (bytes < 0)
    return emitError() << "bytes is " << bytes << "; expected at least 0";
  return success();
}

LogicalResult DyclDialect::verifyOperationAttribute(Operation *op, NamedAttribute attribute) {
  if (attribute.getName() == kAffinityAttr) {
    auto device = dyn_cast<StringAttr>(attribute.getValue());
    if (!isa<func::FuncOp>(op) || !device || device.empty())
      return op->emitOpError() << "'" << kAffinityAttr << "' is the name of a device on a func.func";
    return success();
  }
  if (attribute.getName() != kCostAttr)
    return op->emitOpError() << "has unknown dycl attribute '" << attribute.getName().getValue() << "'";
  if (!isa<func::FuncOp>(op) || !isa<CostAttr>(attribute.getValue()))
    return op->emitOpError() << "'" << kCostAttr << "' is a #dycl.cost on a func.func";
  return success();
}

LogicalResult DyclDialect::verifyRegionArgAttribute(Operation *op, unsigned /*regionIndex*/, unsigned argIndex,
                                                    NamedAttribute attribute) {
  if (attribute.getName() != kNameAttr)
    return op->emitOpError() << "argument " << argIndex << " has unknown dycl attribute '"
                             << attribute.getName().getValue() << "'";
  if (!isa<StringAttr>(attribute.getValue()))
    return op->emitOpError() << "argument " << argIndex << ": '" << kNameAttr << "' must be a string, is "
                             << attribute.getValue();
  return success();
}
