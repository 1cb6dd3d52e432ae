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
#include "mlir/Dialect/UB/IR/UBOps.h"
#include "mlir/Interfaces/DestinationStyleOpInterface.h"
#include "mlir/Interfaces/LoopLikeInterface.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"
#include "passes/Passes.h"
#include "passes/Utils/IreeOps.h"
#include "llvm/ADT/EquivalenceClasses.h"

namespace dycl {
#define GEN_PASS_DEF_DYCLPROTECTARGUMENTSPASS
#include "passes/Passes.h.inc"
} // namespace dycl

using namespace mlir;
using namespace dycl;

namespace {

/// What an operation does to the buffer of an operand.
enum class Effect { None, Read, Alias, Write };

} // namespace

/// Whether `from` has as many elements as `to`, as far as the types tell: not if it is broadcast.
static bool haveSameSize(ShapedType from, ShapedType to) {
  auto getStaticSize = [](ShapedType type) {
    int64_t size = 1;
    for (int64_t extent : type.getShape())
      size *= ShapedType::isDynamic(extent) ? 1 : extent;
    return size;
  };
  return from.getNumDynamicDims() == to.getNumDynamicDims() && getStaticSize(from) == getStaticSize(to);
}

/// Whether `op` moves the elements of its input `operand` unchanged into its result: a copy that IREE folds away, so
/// what is written into the result is written into the input.
static bool isCopyOf(linalg::LinalgOp op, OpOperand *operand) {
  Value element = op.getMatchingBlockArgument(operand);
  for (OpResult result : op->getResults()) {
    Value yielded = op.getBlock()->getTerminator()->getOperand(result.getResultNumber());
    while (auto cast = yielded.getDefiningOp<arith::BitcastOp>())
      yielded = cast.getIn();
    auto type = dyn_cast<ShapedType>(operand->get().getType());
    if (yielded == element && type && haveSameSize(type, cast<ShapedType>(result.getType())))
      return true;
  }
  return false;
}

/// What the owner of `use` does to its buffer, taken from the bad side where it is not known.
static Effect getEffect(OpOperand &use) {
  Operation *op = use.getOwner();
  // An operation that is not registered cannot be asked which operands are destinations; those of `tm_tensor` have a
  // destination for each result, behind what they only read.
  if (op->getName().getDialectNamespace() == "tm_tensor" && !op->isRegistered())
    return use.getOperandNumber() + op->getNumResults() < op->getNumOperands() ? Effect::Read : Effect::Write;
  if (!op->isRegistered() || isa<LoopLikeOpInterface>(op))
    return Effect::Write;
  if (isa<func::ReturnOp>(op))
    return Effect::Read;
  if (isa<tensor::DimOp>(op))
    return Effect::None;
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
  if (!isMemoryEffectFree(op))
    return Effect::Write;
  // A view, a cast, a choice: what it gives may lie in the operand's buffer. A scalar does not.
  return llvm::any_of(op->getResultTypes(), llvm::IsaPred<TensorType>) ? Effect::Alias : Effect::Read;
}

namespace {

/// What tensors share that may lie in one buffer.
struct Buffer {
  unsigned numUses = 0;   ///< that read or write it
  BlockArgument argument; ///< that lies in it, or null
};

/// The buffers of a function's tensors.
class Buffers {
public:
  explicit Buffers(func::FuncOp function);

  const Buffer &get(Value value) { return buffers[sets.getLeaderValue(value)]; }

  /// All uses of tensors that may write into their buffers, in the order of the operations.
  ArrayRef<OpOperand *> getWrites() const { return writes; }

private:
  void join(Value value, ValueRange others) {
    for (Value other : others)
      if (isa<TensorType>(other.getType()))
        sets.unionSets(value, other);
  }

  llvm::EquivalenceClasses<Value> sets;
  llvm::DenseMap<Value, Buffer> buffers;
  SmallVector<OpOperand *> writes;
};

} // namespace

Buffers::Buffers(func::FuncOp function) {
  SmallVector<std::pair<OpOperand *, Effect>> uses;
  for (BlockArgument argument : function.getArguments())
    sets.insert(argument);
  function.walk<WalkOrder::PreOrder>([&](Operation *op) {
    for (OpOperand &use : op->getOpOperands()) {
      if (!isa<TensorType>(use.get().getType()))
        continue;
      sets.insert(use.get());
      Effect effect = getEffect(use);
      if (effect == Effect::Alias)
        join(use.get(), isa<scf::YieldOp>(op) ? op->getParentOp()->getResults() : op->getResults());
      uses.push_back({&use, effect});
    }
  });
  for (auto [use, effect] : uses) {
    if (effect == Effect::Read || effect == Effect::Write)
      ++buffers[sets.getLeaderValue(use->get())].numUses;
    if (effect == Effect::Write)
      writes.push_back(use);
  }
  for (BlockArgument argument : function.getArguments())
    buffers[sets.getLeaderValue(argument)].argument = argument;
}

/// Whether `value` is one that IREE makes anew for each use, or never writes into: a constant, a fill, a weight.
static bool isMadeAnew(Value value) {
  Operation *op = value.getDefiningOp();
  return op && (op->hasTrait<OpTrait::ConstantLike>() ||
                isa<tensor::EmptyOp, tensor::SplatOp, linalg::FillOp, dycl::ParameterOp, ub::PoisonOp>(op));
}

/// Whether `use` is repeated by a loop that does not make its value.
static bool isRepeated(OpOperand &use) {
  Region *scope = use.get().getParentRegion();
  for (Operation *op = use.getOwner(); op->getParentRegion() != scope; op = op->getParentOp())
    if (isa<LoopLikeOpInterface>(op->getParentOp()))
      return true;
  return false;
}

/// Whether what `use` writes has to go into a buffer of its own.
static bool needsCopy(OpOperand &use, const Buffer &buffer) {
  if (buffer.argument)
    return true;
  // A loop hands on what it has computed; what comes then does not run before what reads it here.
  if (isMadeAnew(use.get()) || use.getOwner()->hasTrait<OpTrait::IsTerminator>())
    return false;
  // What looks like one user may become two: IREE finds computations of the same that differ here, in how a size is
  // known (zeros for two scatters). What it lets an operation of `tm_tensor` write into is a copy always, therefore.
  return buffer.numUses > 1 || isRepeated(use) || !use.getOwner()->isRegistered();
}

/// What the first copy would have in the place of an element: more than 16 bits hold, exact in f32, and a number that
/// programs do not fill tensors with, for a copy of such a tensor would be like the tensor itself.
static constexpr unsigned firstNumber = 100'003;

/// The constant `number` of `type`, which has 32 bits or more, or null where none can be made.
static Value createNumber(OpBuilder &builder, Location location, Type type, unsigned number) {
  if (auto complexType = dyn_cast<ComplexType>(type)) {
    auto part = dyn_cast<FloatType>(complexType.getElementType());
    if (!part)
      return nullptr;
    ArrayAttr parts = builder.getArrayAttr({builder.getFloatAttr(part, number), builder.getFloatAttr(part, 0)});
    return complex::ConstantOp::create(builder, location, type, parts);
  }
  if (isa<FloatType>(type))
    return arith::ConstantOp::create(builder, location, builder.getFloatAttr(type, number));
  if (!type.isSignlessIntOrIndex())
    return nullptr;
  return arith::ConstantOp::create(builder, location, builder.getIntegerAttr(type, number));
}

/// True, in a way that IREE does not see.
static Value createOpaqueTrue(OpBuilder &builder, Location location) {
  Value value = arith::ConstantOp::create(builder, location, builder.getBoolAttr(true));
  return createIreeOp(builder, location, "util.optimization_barrier", value, value.getType())->getResult(0);
}

/// A copy of `value` in a buffer of its own, which is unlike the copies of other numbers: each element is
/// `isCopied` ? element : `number`. Null where that cannot be made.
static Value createCopy(OpBuilder &builder, Location location, Value value, Value isCopied, unsigned number) {
  auto type = cast<RankedTensorType>(value.getType());
  Type elementType = type.getElementType();
  // Types of less than 32 bits have few values, and no number that no element is.
  unsigned width = elementType.isIntOrFloat() ? elementType.getIntOrFloatBitWidth() : 0;
  bool isNarrow = width && width < 32;
  Type chosenType = isNarrow ? builder.getI32Type() : elementType;
  Value other = createNumber(builder, location, chosenType, number);
  if (!other || (isNarrow && !isa<FloatType>(elementType) && !elementType.isSignlessInteger()))
    return nullptr;
  Value empty =
      tensor::EmptyOp::create(builder, location, tensor::getMixedSizes(builder, location, value), elementType);
  SmallVector<AffineMap> maps(2, builder.getMultiDimIdentityMap(type.getRank()));
  SmallVector<utils::IteratorType> iterators(type.getRank(), utils::IteratorType::parallel);
  auto copyElement = [&](OpBuilder &body, Location, ValueRange elements) {
    Value element = elements.front();
    if (isNarrow) {
      bool isFloat = isa<FloatType>(elementType);
      Type bits = body.getIntegerType(width);
      if (isFloat)
        element = arith::BitcastOp::create(body, location, bits, element);
      element = arith::ExtUIOp::create(body, location, chosenType, element);
      element = arith::SelectOp::create(body, location, isCopied, element, other);
      element = arith::TruncIOp::create(body, location, bits, element);
      if (isFloat)
        element = arith::BitcastOp::create(body, location, elementType, element);
    } else {
      element = arith::SelectOp::create(body, location, isCopied, element, other);
    }
    linalg::YieldOp::create(body, location, element);
  };
  return linalg::GenericOp::create(builder, location, empty.getType(), value, empty, maps, iterators, copyElement)
      .getResult(0);
}

namespace {

/// IREE 3.13 writes in place where others still read.
///
/// It takes an argument's buffer for its own: where the argument is the destination of an operation, the result is
/// written over it (https://github.com/iree-org/iree/issues/16168). Buffers stay on the device between regions, so a
/// later region would read what an earlier one left there. And it lets the last user of a tensor write over it, but may
/// run that user before another one, which waits for a size that is read on the host. Both are wrong answers, and no
/// errors. A plain copy does not help, since IREE folds it; hence the choice by a condition behind a barrier. Nor do
/// two copies that are alike: they become one, and of two operations that write into it the second finds what the first
/// wrote (two `tm_tensor.scatter` into zeros of dynamic size); hence a number for each, which no element is.
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
  Buffers buffers(function);
  Value isCopied;
  unsigned number = firstNumber;
  for (OpOperand *use : buffers.getWrites()) {
    const Buffer &buffer = buffers.get(use->get());
    if (!needsCopy(*use, buffer))
      continue;
    Operation *writer = use->getOwner();
    if (!getContext().allowsUnregisteredDialects())
      return writer->emitError("a copy of the tensor that this overwrites takes IREE's 'util' dialect, which is not "
                               "registered here; pass --allow-unregistered-dialect");
    OpBuilder builder(writer);
    Location location = writer->getLoc();
    if (!isCopied) {
      OpBuilder::InsertionGuard guard(builder);
      builder.setInsertionPointToStart(&function.getBody().front());
      isCopied = createOpaqueTrue(builder, location);
    }
    Value copy = createCopy(builder, location, use->get(), isCopied, number++);
    if (!copy) {
      InFlightDiagnostic error = writer->emitError() << "'" << writer->getName() << "' may overwrite ";
      if (buffer.argument)
        error << "argument #" << buffer.argument.getArgNumber() << " of its region";
      else
        error << "a tensor that others read";
      return error << ", and no copy can be made of a tensor of "
                   << cast<TensorType>(use->get().getType()).getElementType();
    }
    use->set(copy);
    ++numProtected;
  }
  return success();
}
