//===- HostOps.cpp - What the host program may hold -----------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "passes/Utils/HostOps.h"

#include "dialects/Dycl/IR/DyclOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/ControlFlow/IR/ControlFlowOps.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Dialect/UB/IR/UBOps.h"
#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/Matchers.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;

bool dycl::isHostScalar(Type type) { return type.isInteger(1) || type.isInteger(64) || type.isIndex() || type.isF64(); }

bool dycl::isBorderType(Type type) {
  return isHostScalar(type) || isa<RankedTensorType>(type) || type.isInteger(32) || type.isF32();
}

//===----------------------------------------------------------------------===//
// Control flow
//===----------------------------------------------------------------------===//

/// Whether `loop` is arithmetic on scalars with a known number of steps.
static bool isScalarLoop(scf::ForOp loop) {
  for (Value bound : {loop.getLowerBound(), loop.getUpperBound(), loop.getStep()})
    if (!matchPattern(bound, m_Constant()))
      return false;
  return llvm::none_of(loop.getResultTypes(), llvm::IsaPred<ShapedType>) &&
         llvm::none_of(*loop.getBody(), [](Operation &inner) { return dycl::isControlFlow(&inner); });
}

bool dycl::isControlFlow(Operation *op) {
  if (isa<scf::IfOp, scf::WhileOp, scf::IndexSwitchOp>(op))
    return true;
  auto loop = dyn_cast<scf::ForOp>(op);
  return loop && !isScalarLoop(loop);
}

SmallVector<Block *> dycl::getBlocksInOrder(Operation *op) {
  SmallVector<Block *> blocks;
  for (Region &region : op->getRegions())
    for (Block &block : region)
      blocks.push_back(&block);
  if (isa<scf::IndexSwitchOp>(op))
    std::rotate(blocks.begin(), blocks.begin() + 1, blocks.end());
  return blocks;
}

bool dycl::isHostBlock(Block *block) {
  for (Operation *parent = block->getParentOp(); parent; parent = parent->getParentOp()) {
    if (isa<func::FuncOp, ProgramOp>(parent))
      return true;
    if (!isControlFlow(parent))
      return false;
  }
  return false;
}

Operation *dycl::getHostLevelOp(Operation *op) {
  while (!isHostBlock(op->getBlock()))
    op = op->getParentOp();
  return op;
}

//===----------------------------------------------------------------------===//
// Operations of the host
//===----------------------------------------------------------------------===//

static bool isExactComparison(arith::CmpIPredicate predicate) {
  // Python's integers have no unsigned reading.
  return predicate == arith::CmpIPredicate::eq || predicate == arith::CmpIPredicate::ne ||
         (predicate >= arith::CmpIPredicate::slt && predicate <= arith::CmpIPredicate::sge);
}

static bool isExactComparison(arith::CmpFPredicate predicate) {
  // The ones that agree with Python's operators when an operand is NaN.
  using P = arith::CmpFPredicate;
  return predicate == P::OEQ || predicate == P::OGT || predicate == P::OGE || predicate == P::OLT ||
         predicate == P::OLE || predicate == P::UNE;
}

bool dycl::isHostOp(Operation *op) {
  if (op->getNumRegions() != 0 || op->getNumResults() != 1)
    return false;
  if (isa<ub::PoisonOp, tensor::CastOp>(op))
    return true;
  if (auto constant = dyn_cast<arith::ConstantOp>(op))
    return isHostScalar(constant.getType());
  if (auto select = dyn_cast<arith::SelectOp>(op))
    return select.getCondition().getType().isInteger(1) &&
           (isHostScalar(select.getType()) || isa<RankedTensorType>(select.getType()));

  if (!llvm::all_of(op->getOperandTypes(), isHostScalar) || !llvm::all_of(op->getResultTypes(), isHostScalar))
    return false;
  return llvm::TypeSwitch<Operation *, bool>(op)
      .Case<arith::AddIOp, arith::SubIOp, arith::MulIOp, arith::MinSIOp, arith::MaxSIOp>(
          [](Operation *o) { return !o->getResult(0).getType().isInteger(1); })
      .Case<arith::AndIOp, arith::OrIOp, arith::XOrIOp>(
          [](Operation *o) { return o->getResult(0).getType().isInteger(1); })
      .Case<arith::CmpIOp>([](arith::CmpIOp o) {
        bool isFlag = o.getLhs().getType().isInteger(1);
        return isFlag ? o.getPredicate() <= arith::CmpIPredicate::ne : isExactComparison(o.getPredicate());
      })
      .Case<arith::CmpFOp>([](arith::CmpFOp o) { return isExactComparison(o.getPredicate()); })
      .Case<arith::IndexCastOp>([](arith::IndexCastOp o) { return !o.getIn().getType().isInteger(1); })
      .Case<arith::SIToFPOp>([](arith::SIToFPOp o) { return !o.getIn().getType().isInteger(1); })
      .Case<arith::ExtUIOp>([](Operation *) { return true; })
      .Case<arith::AddFOp, arith::SubFOp, arith::MulFOp, arith::NegFOp>([](Operation *) { return true; })
      .Default([](Operation *) { return false; });
}

bool dycl::isMovable(Operation *op) {
  WalkResult result = op->walk([](Operation *inner) {
    if (isa<cf::AssertOp>(inner) || inner->getName().getDialectNamespace() == "tm_tensor")
      return WalkResult::advance();
    if (auto effects = dyn_cast<MemoryEffectOpInterface>(inner))
      return effects.hasNoEffect() ? WalkResult::advance() : WalkResult::interrupt();
    return inner->hasTrait<OpTrait::HasRecursiveMemoryEffects>() ? WalkResult::advance() : WalkResult::interrupt();
  });
  return !result.wasInterrupted();
}
