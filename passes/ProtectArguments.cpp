//===- ProtectArguments.cpp - Regions that leave their arguments alone ----===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "dialects/Dycl/IR/DyclOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Complex/IR/Complex.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Interfaces/DestinationStyleOpInterface.h"
#include "mlir/Interfaces/LoopLikeInterface.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"
#include "passes/Passes.h"

namespace dycl {
#define GEN_PASS_DEF_DYCLPROTECTARGUMENTSPASS
#include "passes/Passes.h.inc"
} // namespace dycl

using namespace mlir;
using namespace dycl;

namespace {

/// What an operation does to the buffer of an operand.
enum class Effect { Read, Alias, Write };

} // namespace

/// Whether `op` moves the elements of its input `operand` unchanged into its result: a copy that IREE folds away, so
/// what is written into the result is written into the input.
static bool isCopyOf(linalg::LinalgOp op, OpOperand *operand) {
  Value element = op.getMatchingBlockArgument(operand);
  return llvm::any_of(op.getBlock()->getTerminator()->getOperands(), [&](Value yielded) {
    while (auto cast = yielded.getDefiningOp<arith::BitcastOp>())
      yielded = cast.getIn();
    return yielded == element;
  });
}

/// What the owner of `use` does to its buffer, taken from the bad side where it is not known.
static Effect getEffect(OpOperand &use) {
  Operation *op = use.getOwner();
  // `tm_tensor` and `util` are not registered: which operands are destinations cannot be asked.
  if (!op->isRegistered() || isa<LoopLikeOpInterface>(op))
    return Effect::Write;
  if (isa<func::ReturnOp>(op))
    return Effect::Read;
  if (op->hasTrait<OpTrait::IsTerminator>())
    return isa<scf::YieldOp>(op) && isa<scf::IfOp, scf::IndexSwitchOp>(op->getParentOp()) ? Effect::Alias
                                                                                          : Effect::Write;
  if (auto destinationStyle = dyn_cast<DestinationStyleOpInterface>(op)) {
    if (destinationStyle.isDpsInit(&use))
      return Effect::Write;
    if (auto structured = dyn_cast<linalg::LinalgOp>(op))
      return isCopyOf(structured, &use) ? Effect::Alias : Effect::Read;
    return Effect::Alias;
  }
  // A view, a cast, a choice: what it gives may lie in the operand's buffer.
  return isMemoryEffectFree(op) ? Effect::Alias : Effect::Write;
}

/// The first operation found that may write into the buffer of `argument`, or null.
static Operation *findWriter(Value argument) {
  SmallVector<Value> aliases = {argument};
  llvm::SmallDenseSet<Value> seen = {argument};
  for (size_t i = 0; i < aliases.size(); ++i)
    for (OpOperand &use : aliases[i].getUses()) {
      Operation *op = use.getOwner();
      Effect effect = getEffect(use);
      if (effect == Effect::Write)
        return op;
      if (effect == Effect::Read)
        continue;
      for (Value result : isa<scf::YieldOp>(op) ? op->getParentOp()->getResults() : op->getResults())
        if (isa<TensorType>(result.getType()) && seen.insert(result).second)
          aliases.push_back(result);
    }
  return nullptr;
}

/// Zero of `type`, or null where no constant of the type can be made.
static Value createZero(OpBuilder &builder, Location location, Type type) {
  if (auto complexType = dyn_cast<ComplexType>(type)) {
    TypedAttr part = builder.getZeroAttr(complexType.getElementType());
    if (!isa_and_nonnull<FloatAttr>(part))
      return nullptr;
    return complex::ConstantOp::create(builder, location, type, builder.getArrayAttr({part, part}));
  }
  if (!type.isSignlessIntOrIndexOrFloat())
    return nullptr;
  return arith::ConstantOp::create(builder, location, builder.getZeroAttr(type));
}

/// True, in a way that IREE does not see.
static Value createOpaqueTrue(OpBuilder &builder, Location location) {
  Value value = arith::ConstantOp::create(builder, location, builder.getBoolAttr(true));
  OperationState state(location, "util.optimization_barrier", value, value.getType());
  return builder.create(state)->getResult(0);
}

/// A copy of `argument`, element by element `isCopied` ? element : `zero`, in a buffer of its own.
static Value createCopy(OpBuilder &builder, Location location, Value argument, Value isCopied, Value zero) {
  auto type = cast<RankedTensorType>(argument.getType());
  Value empty = tensor::EmptyOp::create(builder, location, tensor::getMixedSizes(builder, location, argument),
                                        type.getElementType());
  SmallVector<AffineMap> maps(2, builder.getMultiDimIdentityMap(type.getRank()));
  SmallVector<utils::IteratorType> iterators(type.getRank(), utils::IteratorType::parallel);
  auto copy = linalg::GenericOp::create(builder, location, empty.getType(), argument, empty, maps, iterators,
                                        [&](OpBuilder &body, Location, ValueRange elements) {
                                          Value element =
                                              arith::SelectOp::create(body, location, isCopied, elements.front(), zero);
                                          linalg::YieldOp::create(body, location, element);
                                        });
  return copy.getResult(0);
}

namespace {

/// IREE 3.13 takes an argument's buffer for its own: where the argument is the destination of an operation, the result
/// is written over it (https://github.com/iree-org/iree/issues/16168). Buffers stay on the device between regions, so
/// a later region would read what an earlier one left there: a wrong answer, and no error. A plain copy does not help,
/// since IREE folds it; hence the choice by a condition behind a barrier.
struct ProtectArgumentsPass : public dycl::impl::DyclProtectArgumentsPassBase<ProtectArgumentsPass> {
  using DyclProtectArgumentsPassBase::DyclProtectArgumentsPassBase;

  void runOnOperation() override {
    for (auto function : getOperation().getOps<func::FuncOp>())
      if (!function.isExternal() && failed(protect(function)))
        return signalPassFailure();
  }

private:
  LogicalResult protect(func::FuncOp function);
};

} // namespace

LogicalResult ProtectArgumentsPass::protect(func::FuncOp function) {
  OpBuilder builder = OpBuilder::atBlockBegin(&function.getBody().front());
  Value isCopied;
  for (BlockArgument argument : function.getArguments()) {
    Operation *writer = isa<RankedTensorType>(argument.getType()) ? findWriter(argument) : nullptr;
    if (!writer)
      continue;
    if (!getContext().allowsUnregisteredDialects())
      return writer->emitError("a copy of the argument that this overwrites takes IREE's 'util' dialect, which is not "
                               "registered here; pass --allow-unregistered-dialect");
    Location location = writer->getLoc();
    Type elementType = cast<RankedTensorType>(argument.getType()).getElementType();
    Value zero = createZero(builder, location, elementType);
    if (!zero)
      return writer->emitError() << "'" << writer->getName() << "' may overwrite argument #" << argument.getArgNumber()
                                 << " of its region, and no copy can be made of a tensor of " << elementType;
    if (!isCopied)
      isCopied = createOpaqueTrue(builder, location);
    // What is in front of the copy reads the argument, and goes on doing so.
    Value copy = createCopy(builder, location, argument, isCopied, zero);
    Operation *last = copy.getDefiningOp();
    argument.replaceUsesWithIf(copy, [&](OpOperand &use) {
      Operation *owner = function.getBody().front().findAncestorOpInBlock(*use.getOwner());
      return last->isBeforeInBlock(owner);
    });
    ++numProtected;
  }
  return success();
}
