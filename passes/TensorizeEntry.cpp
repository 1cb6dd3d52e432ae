//===- TensorizeEntry.cpp - Numbers at the program's border ---------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "passes/Passes.h"

namespace dycl {
#define GEN_PASS_DEF_DYCLTENSORIZEENTRYPASS
#include "passes/Passes.h.inc"
} // namespace dycl

using namespace mlir;
using namespace dycl;

namespace {

struct TensorizeEntryPass : public dycl::impl::DyclTensorizeEntryPassBase<TensorizeEntryPass> {
  using DyclTensorizeEntryPassBase::DyclTensorizeEntryPassBase;

  void runOnOperation() override {
    auto function = getOperation().lookupSymbol<func::FuncOp>(entry);
    if (!function || function.isExternal())
      return;
    tensorizeArguments(function);
    tensorizeResults(function);
    auto returned = cast<func::ReturnOp>(function.getBody().front().getTerminator());
    function.setFunctionType(
        FunctionType::get(&getContext(), function.getBody().front().getArgumentTypes(), returned.getOperandTypes()));
  }

private:
  void tensorizeArguments(func::FuncOp function);
  void tensorizeResults(func::FuncOp function);
};

/// The type of a number at the border: i64 for an index, which has no width.
Type getBorderType(Type type) { return type.isIndex() ? IntegerType::get(type.getContext(), 64) : type; }

/// A number as a tensor. IREE 3.13 makes none of an i1 that it computes, but one of an i8, and of that one of i1.
Value createTensor(OpBuilder &builder, Location loc, Value number) {
  Type type = number.getType();
  if (type.isInteger(1))
    number = arith::ExtUIOp::create(builder, loc, builder.getI8Type(), number);
  auto stored = RankedTensorType::get({}, number.getType());
  Value tensor = tensor::FromElementsOp::create(builder, loc, stored, number);
  if (!type.isInteger(1))
    return tensor;
  return arith::TruncIOp::create(builder, loc, RankedTensorType::get({}, type), tensor);
}

void TensorizeEntryPass::tensorizeArguments(func::FuncOp function) {
  Block &body = function.getBody().front();
  OpBuilder builder(&body, body.begin());
  for (BlockArgument argument : body.getArguments()) {
    Type type = argument.getType();
    if (!type.isIntOrIndexOrFloat())
      continue;
    argument.setType(RankedTensorType::get({}, getBorderType(type)));
    Location loc = argument.getLoc();
    auto extracted = tensor::ExtractOp::create(builder, loc, argument, ValueRange());
    Value number = extracted;
    if (type.isIndex())
      number = arith::IndexCastOp::create(builder, loc, type, number);
    argument.replaceAllUsesExcept(number, extracted);
    ++numTensorized;
  }
}

void TensorizeEntryPass::tensorizeResults(func::FuncOp function) {
  auto returned = cast<func::ReturnOp>(function.getBody().front().getTerminator());
  OpBuilder builder(returned);
  for (OpOperand &operand : returned->getOpOperands()) {
    Value number = operand.get();
    Type type = number.getType();
    if (!type.isIntOrIndexOrFloat())
      continue;
    if (type.isIndex())
      number = arith::IndexCastOp::create(builder, returned.getLoc(), getBorderType(type), number);
    operand.set(createTensor(builder, returned.getLoc(), number));
    ++numTensorized;
  }
}

} // namespace
