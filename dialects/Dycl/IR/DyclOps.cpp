//===- DyclOps.cpp - Operations of the dycl dialect -----------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "dialects/Dycl/IR/DyclOps.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/Interfaces/FunctionImplementation.h"
#include "llvm/ADT/StringSet.h"

using namespace mlir;
using namespace dycl;

#define GET_OP_CLASSES
#include "dialects/Dycl/IR/DyclOps.cpp.inc"

//===----------------------------------------------------------------------===//
// ProgramOp
//===----------------------------------------------------------------------===//

ParseResult ProgramOp::parse(OpAsmParser &parser, OperationState &result) {
  auto buildType = [](Builder &builder, ArrayRef<Type> arguments, ArrayRef<Type> results,
                      function_interface_impl::VariadicFlag,
                      std::string &) { return builder.getFunctionType(arguments, results); };
  return function_interface_impl::parseFunctionOp(parser, result, /*allowVariadic=*/false,
                                                  getFunctionTypeAttrName(result.name), buildType,
                                                  getArgAttrsAttrName(result.name), getResAttrsAttrName(result.name));
}

void ProgramOp::print(OpAsmPrinter &printer) {
  function_interface_impl::printFunctionOp(printer, *this, /*isVariadic=*/false, getFunctionTypeAttrName(),
                                           getArgAttrsAttrName(), getResAttrsAttrName());
}

LogicalResult ProgramOp::verify() {
  if (getBody().empty())
    return emitOpError("has no body; a host program is never only declared");
  for (auto [index, type] : llvm::enumerate(getArgumentTypes()))
    if (!isa<RankedTensorType>(type))
      return emitOpError() << "argument " << index << " is of type " << type << "; expected a ranked tensor";
  for (auto [index, type] : llvm::enumerate(getResultTypes()))
    if (!isa<RankedTensorType>(type))
      return emitOpError() << "result " << index << " is of type " << type << "; expected a ranked tensor";
  return success();
}

std::string ProgramOp::getArgumentName(unsigned index) {
  if (auto name = getArgAttrOfType<StringAttr>(index, kNameAttr))
    return name.str();
  return "arg" + std::to_string(index);
}

//===----------------------------------------------------------------------===//
// ReturnOp
//===----------------------------------------------------------------------===//

LogicalResult ReturnOp::verify() {
  auto program = cast<ProgramOp>((*this)->getParentOp());
  ArrayRef<Type> expected = program.getResultTypes();
  if (expected.size() != getNumOperands())
    return (emitOpError() << "returns " << getNumOperands() << " values; the program has " << expected.size()
                          << " results")
               .attachNote(program.getLoc())
           << "program is here";
  for (auto [index, type, result] : llvm::enumerate(getOperandTypes(), expected))
    if (type != result)
      return (emitOpError() << "value " << index << " is of type " << type << "; the program's result is of type "
                            << result)
                 .attachNote(program.getLoc())
             << "program is here";
  return success();
}

//===----------------------------------------------------------------------===//
// InvokeOp
//===----------------------------------------------------------------------===//

LogicalResult InvokeOp::verifySymbolUses(SymbolTableCollection &symbols) {
  Operation *callee = symbols.lookupNearestSymbolFrom(*this, getCalleeAttr());
  if (!callee)
    return emitOpError() << "calls " << getCalleeAttr() << ", which is not defined";

  FunctionType type;
  if (auto region = dyn_cast<RegionOp>(callee))
    type = region.getFunctionType();
  else if (auto function = dyn_cast<func::FuncOp>(callee))
    type = function.getFunctionType();
  else
    return (emitOpError() << "calls " << getCalleeAttr() << ", which is neither a dycl.region nor a func.func")
               .attachNote(callee->getLoc())
           << "defined here";

  if (TypeRange(getOperandTypes()) != TypeRange(type.getInputs()) ||
      TypeRange(getResultTypes()) != TypeRange(type.getResults()))
    return (emitOpError() << "is of type " << FunctionType::get(getContext(), getOperandTypes(), getResultTypes())
                          << "; region " << getCalleeAttr() << " is of type " << type)
               .attachNote(callee->getLoc())
           << "region is here";
  return success();
}

//===----------------------------------------------------------------------===//
// TransferOp
//===----------------------------------------------------------------------===//

LogicalResult TransferOp::verify() {
  if (getFrom().empty() || getTo().empty())
    return emitOpError("names no device");
  if (getFrom() == getTo())
    return emitOpError() << "goes from " << getFromAttr() << " to itself";
  if (!(*this)->getParentOfType<ProgramOp>())
    return emitOpError("is outside of a dycl.program; regions run on one device");
  return success();
}

//===----------------------------------------------------------------------===//
// RegionOp
//===----------------------------------------------------------------------===//

LogicalResult RegionOp::verify() {
  if (!getParameters())
    return success();
  llvm::StringSet<> seen;
  for (auto key : getParameters()->getAsRange<StringAttr>())
    if (!seen.insert(key.getValue()).second)
      return emitOpError() << "lists parameter " << key << " twice";
  return success();
}

LogicalResult RegionOp::verifySymbolUses(SymbolTableCollection &symbols) {
  if (!getModuleAttr())
    return success();
  auto module = symbols.lookupNearestSymbolFrom<ModuleOp>(*this, getModuleAttr());
  if (!module)
    return emitOpError() << "names module " << getModuleAttr() << ", which is not defined";
  auto function = symbols.lookupSymbolIn<func::FuncOp>(module, getSymNameAttr());
  if (!function)
    return (emitOpError() << "has module " << getModuleAttr() << ", which defines no function @" << getSymName())
               .attachNote(module.getLoc())
           << "module is here";
  if (function.getFunctionType() != getFunctionType())
    return (emitOpError() << "is of type " << getFunctionType() << "; its function is of type "
                          << function.getFunctionType())
               .attachNote(function.getLoc())
           << "function is here";
  return success();
}

//===----------------------------------------------------------------------===//
// ParameterOp
//===----------------------------------------------------------------------===//

LogicalResult ParameterOp::verify() {
  if (getKey().empty())
    return emitOpError("has an empty key");
  if (!getResult().getType().hasStaticShape())
    return emitOpError() << "is of type " << getResult().getType() << "; expected a static shape";
  return success();
}
