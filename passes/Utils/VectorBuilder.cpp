//===- VectorBuilder.cpp - Loops over vectors in a dispatch ---------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "passes/Utils/VectorBuilder.h"

#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

using namespace mlir;
using namespace dycl;

Value dycl::getConstant(OpBuilder &builder, Location location, TypedAttr value) {
  Block *body = builder.getInsertionBlock();
  while (isa<scf::ForOp>(body->getParentOp()))
    body = body->getParentOp()->getBlock();
  for (Operation &op : *body) {
    auto constant = dyn_cast<arith::ConstantOp>(op);
    if (!constant)
      break;
    if (constant.getValue() == value)
      return constant;
  }
  OpBuilder atStart = OpBuilder::atBlockBegin(body);
  return arith::ConstantOp::create(atStart, location, value);
}

Value VectorBuilder::getSplat(double number) {
  return getConstant(builder, location, DenseElementsAttr::get(type, float(number)));
}

Value VectorBuilder::apply(AffineExpr expression, ValueRange indices) {
  return affine::AffineApplyOp::create(builder, location, AffineMap::get(indices.size(), 0, expression), indices);
}

Value VectorBuilder::applyAtMost(AffineExpr expression, int64_t most, Value index) {
  AffineExpr bound = getAffineConstantExpr(most, builder.getContext());
  return affine::AffineMinOp::create(builder, location, AffineMap::get(1, 0, {expression, bound}, type.getContext()),
                                     index);
}

Value VectorBuilder::read(Value tensor, ValueRange indices) {
  Value zero = getConstant(builder, location, builder.getF32FloatAttr(0));
  return vector::TransferReadOp::create(builder, location, type, tensor, indices, zero, ArrayRef<bool>{true});
}

Value VectorBuilder::readSplat(Value tensor, ValueRange indices) {
  Value number = tensor::ExtractOp::create(builder, location, tensor, indices);
  return vector::BroadcastOp::create(builder, location, type, number);
}

Value VectorBuilder::write(Value vector, Value tensor, ValueRange indices) {
  return vector::TransferWriteOp::create(builder, location, vector, tensor, indices, ArrayRef<bool>{true})
      ->getResult(0);
}

Value VectorBuilder::permute(Value vector, ArrayRef<int64_t> lanes) {
  return vector::ShuffleOp::create(builder, location, vector, vector, lanes);
}

Value VectorBuilder::select(Value condition, Value vector) {
  return arith::SelectOp::create(builder, location, condition, vector, getSplat(0));
}

Value VectorBuilder::add(Value a, Value b) { return arith::AddFOp::create(builder, location, a, b); }

Value VectorBuilder::subtract(Value a, Value b) { return arith::SubFOp::create(builder, location, a, b); }

Value VectorBuilder::multiply(Value a, Value b) { return arith::MulFOp::create(builder, location, a, b); }

Value VectorBuilder::maximum(ArrayRef<Value> values, bool hasMaximum) {
  Value largest = values.front();
  if (hasMaximum || values.size() == 1) {
    // Zeros of either sign would be ordered otherwise.
    for (Value value : values.drop_front())
      largest = arith::MaximumFOp::create(builder, location, largest, value, arith::FastMathFlags::nsz);
    return largest;
  }
  // A maximum with NaN is three instructions of x86. Two values are compared for NaN by one, and the result is changed
  // once.
  Value isUnordered;
  for (size_t i = 0; i < values.size(); i += 2) {
    Value other = values[std::min(i + 1, values.size() - 1)];
    Value isNan = arith::CmpFOp::create(builder, location, arith::CmpFPredicate::UNO, values[i], other);
    isUnordered = isUnordered ? arith::OrIOp::create(builder, location, isUnordered, isNan).getResult() : isNan;
  }
  for (Value value : values.drop_front()) {
    Value isLarger = arith::CmpFOp::create(builder, location, arith::CmpFPredicate::OGT, value, largest);
    largest = arith::SelectOp::create(builder, location, isLarger, value, largest);
  }
  Value nan = getSplat(std::numeric_limits<double>::quiet_NaN());
  return arith::SelectOp::create(builder, location, isUnordered, nan, largest);
}

Value VectorBuilder::multiplyAdd(Value a, Value b, Value sum) {
  return vector::FMAOp::create(builder, location, type, a, b, sum);
}

Value VectorBuilder::combine(ArrayRef<double> coefficients, ArrayRef<Value> values) {
  Value sum;
  // What needs no product comes first: a sum starts with it.
  for (bool isPlain : {true, false})
    for (auto [coefficient, value] : llvm::zip_equal(coefficients, values)) {
      if (coefficient == 0 || isPlain != (coefficient == 1))
        continue;
      if (!sum)
        sum = isPlain ? value : arith::MulFOp::create(builder, location, value, getSplat(coefficient)).getResult();
      else if (isPlain)
        sum = add(sum, value);
      else
        sum = coefficient == -1 ? subtract(sum, value) : multiplyAdd(value, getSplat(coefficient), sum);
    }
  return sum;
}

ValueRange
dycl::createLoop(OpBuilder &builder, Location location, int64_t end, int64_t step, ValueRange initial,
                 llvm::function_ref<SmallVector<Value>(OpBuilder &inner, Value index, ValueRange values)> build) {
  Value first = getConstant(builder, location, builder.getIndexAttr(0)),
        last = getConstant(builder, location, builder.getIndexAttr(end)),
        increment = getConstant(builder, location, builder.getIndexAttr(step));
  auto loop = scf::ForOp::create(builder, location, first, last, increment, initial);
  OpBuilder inner = OpBuilder::atBlockEnd(loop.getBody());
  SmallVector<Value> values = build(inner, loop.getInductionVar(), loop.getRegionIterArgs());
  scf::YieldOp::create(inner, location, values);
  return loop.getResults();
}

Value dycl::createLoop(OpBuilder &builder, Location location, int64_t end, Value tensor,
                       llvm::function_ref<Value(OpBuilder &inner, Value index, Value tensor)> build) {
  return createLoop(builder, location, end, 1, tensor,
                    [&](OpBuilder &inner, Value index, ValueRange values) -> SmallVector<Value> {
                      return {build(inner, index, values.front())};
                    })
      .front();
}

Value dycl::createEmpty(OpBuilder &builder, Location location, ArrayRef<int64_t> shape) {
  return tensor::EmptyOp::create(builder, location, shape, builder.getF32Type());
}

Value dycl::createVectorsOfZeros(OpBuilder &builder, Location location, int64_t lanes, ArrayRef<int64_t> sizes) {
  return createLoop(builder, location, sizes[1], createEmpty(builder, location, sizes.drop_front()),
                    [&](OpBuilder &inner, Value y, Value zeros) {
                      return createLoop(inner, location, sizes[2], zeros, [&](OpBuilder &inner, Value x, Value zeros) {
                        VectorBuilder at(inner, location, lanes);
                        for (int64_t channel = 0; channel < sizes[3]; channel += lanes)
                          zeros =
                              at.write(at.getSplat(0), zeros, {y, x, at.getIndex(std::min(channel, sizes[3] - lanes))});
                        return zeros;
                      });
                    });
}
