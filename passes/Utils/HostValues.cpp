//===- HostValues.cpp - Where the values of the host program go -----------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "passes/Utils/HostValues.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "passes/Utils/HostOps.h"
#include "llvm/ADT/SetVector.h"

using namespace mlir;
using namespace dycl;

bool dycl::followControlFlow(OpOperand &use, llvm::SetVector<Value> &next) {
  Operation *user = use.getOwner();
  unsigned index = use.getOperandNumber();
  if (!isHostBlock(user->getBlock()))
    return false;
  if (isa<func::ReturnOp, ReturnOp>(user))
    return true;
  if (auto loop = dyn_cast<scf::WhileOp>(user)) {
    next.insert(loop.getBeforeArguments()[index]);
    return true;
  }
  if (auto loop = dyn_cast<scf::ForOp>(user); loop && isControlFlow(loop)) {
    if (index < loop.getNumControlOperands())
      return false;
    next.insert(loop.getRegionIterArgs()[index - loop.getNumControlOperands()]);
    next.insert(loop.getResult(index - loop.getNumControlOperands()));
    return true;
  }
  if (auto condition = dyn_cast<scf::ConditionOp>(user)) {
    if (index == 0)
      return false;
    auto loop = cast<scf::WhileOp>(condition->getParentOp());
    next.insert(loop.getAfterArguments()[index - 1]);
    next.insert(loop.getResult(index - 1));
    return true;
  }
  if (!isa<scf::YieldOp>(user))
    return false;
  Operation *parent = user->getParentOp();
  if (auto loop = dyn_cast<scf::WhileOp>(parent)) {
    next.insert(loop.getBeforeArguments()[index]);
    return true;
  }
  if (auto loop = dyn_cast<scf::ForOp>(parent))
    next.insert(loop.getRegionIterArgs()[index]);
  next.insert(parent->getResult(index));
  return true;
}

Operation *dycl::findComputation(Value value) {
  llvm::SetVector<Value> values;
  values.insert(value);
  for (size_t next = 0; next < values.size(); ++next)
    for (OpOperand &use : values[next].getUses())
      if (!followControlFlow(use, values))
        return use.getOwner();
  return nullptr;
}

RankedTensorType dycl::getStandInType(RankedTensorType type, int64_t size) {
  SmallVector<int64_t> shape = llvm::map_to_vector(
      type.getShape(), [size](int64_t extent) { return ShapedType::isDynamic(extent) ? size : extent; });
  return type.clone(shape);
}

static void numberBlock(Block &block, llvm::DenseMap<Operation *, unsigned> &predicates) {
  for (Operation &op : block.without_terminator()) {
    if (!isa<scf::IfOp, scf::WhileOp, scf::ForOp, scf::IndexSwitchOp>(op))
      continue;
    predicates.try_emplace(&op, predicates.size());
    for (Block *inner : getBlocksInOrder(&op))
      numberBlock(*inner, predicates);
  }
}

llvm::DenseMap<Operation *, unsigned> dycl::numberPredicates(ProgramOp program) {
  llvm::DenseMap<Operation *, unsigned> predicates;
  numberBlock(program.getBody().front(), predicates);
  return predicates;
}
