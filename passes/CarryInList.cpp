//===- CarryInList.cpp - Pass values between blocks in a list -------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// IREE 3.13 gives away a reference that a branch passes on although it is needed again: where it is passed twice, or is
// used after the branch (iree-org/iree#24781, open). It does the same with the register of a number: `n == 0` after a
// branch that passed 0 as `n` was always true. So the host's branches pass nothing.
//
//===----------------------------------------------------------------------===//

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/ControlFlow/IR/ControlFlowOps.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/Builders.h"
#include "mlir/Interfaces/ControlFlowInterfaces.h"
#include "passes/Passes.h"
#include "passes/Utils/IreeOps.h"

namespace dycl {
#define GEN_PASS_DEF_DYCLCARRYINLISTPASS
#include "passes/Passes.h.inc"
} // namespace dycl

using namespace mlir;
using namespace dycl;

/// Whether `type` is that of a tensor in the VM.
static bool isBufferView(Type type) { return type == getIreeType(type.getContext(), "hal", "buffer_view"); }

/// Whether a value of `type` goes through the list.
static bool isCarried(Type type) { return isBufferView(type) || type.isIntOrIndex() || type.isF64(); }

namespace {

struct CarryInListPass : public dycl::impl::DyclCarryInListPassBase<CarryInListPass> {
  using DyclCarryInListPassBase::DyclCarryInListPassBase;

  void runOnOperation() override {
    // The places of the list are shared by all blocks: a value is in it only from a branch to the block's start.
    unsigned size = 0;
    SmallVector<Block *> blocks;
    for (Block &block : llvm::drop_begin(getOperation().getBody())) {
      unsigned count = llvm::count_if(block.getArgumentTypes(), isCarried);
      if (count == 0)
        continue;
      blocks.push_back(&block);
      size = std::max(size, count);
      for (Block *before : block.getPredecessors())
        if (!isa<BranchOpInterface>(before->getTerminator())) {
          before->getTerminator()->emitError("passes values to a block, and is no branch");
          return signalPassFailure();
        }
    }
    if (blocks.empty())
      return;
    createList(size);
    for (Block *block : blocks)
      carry(block);
  }

private:
  void createList(unsigned size);
  BranchOpInterface split(BranchOpInterface branch, unsigned successor);
  void put(OpBuilder &builder, Location location, unsigned place, Value value);
  Value take(OpBuilder &builder, Location location, unsigned place, Type type);
  void carry(Block *block);

  Value list, null;
  SmallVector<Value> places;
};

void CarryInListPass::createList(unsigned size) {
  Location location = getOperation().getLoc();
  OpBuilder builder = OpBuilder::atBlockBegin(&getOperation().getBody().front());
  Type listType = getIreeType(builder.getContext(), "util", "list<?>");
  Type viewType = getIreeType(builder.getContext(), "hal", "buffer_view");
  places.clear();
  for (unsigned place = 0; place < size; ++place)
    places.push_back(arith::ConstantIndexOp::create(builder, location, place));
  Value end = arith::ConstantIndexOp::create(builder, location, size);
  list = createIreeOp(builder, location, "util.list.create", end, listType)->getResult(0);
  createIreeOp(builder, location, "util.list.resize", {list, end}, {});
  null = createIreeOp(builder, location, "util.null", {}, viewType)->getResult(0);
}

/// A branch in a block of its own, on the way from `branch` to one of its successors: what is put into the list there
/// is taken from it next.
BranchOpInterface CarryInListPass::split(BranchOpInterface branch, unsigned successor) {
  Block *target = branch->getSuccessor(successor);
  OpBuilder builder(branch.getContext());
  Block *edge = builder.createBlock(target);
  SuccessorOperands operands = branch.getSuccessorOperands(successor);
  auto onward = cf::BranchOp::create(builder, branch.getLoc(), target, operands.getForwardedOperands());
  operands.erase(0, operands.size());
  branch->setSuccessor(edge, successor);
  return onward;
}

/// The list holds integers as i64.
void CarryInListPass::put(OpBuilder &builder, Location location, unsigned place, Value value) {
  Type number = builder.getI64Type();
  if (value.getType().isIndex())
    value = arith::IndexCastOp::create(builder, location, number, value);
  else if (value.getType().isInteger() && value.getType() != number)
    value = arith::ExtUIOp::create(builder, location, number, value);
  createIreeOp(builder, location, "util.list.set", {list, places[place], value}, {});
}

Value CarryInListPass::take(OpBuilder &builder, Location location, unsigned place, Type type) {
  bool isWidened = type.isIntOrIndex() && !type.isInteger(64);
  Type held = isWidened ? builder.getI64Type() : type;
  Value taken = createIreeOp(builder, location, "util.list.get", {list, places[place]}, held)->getResult(0);
  if (isBufferView(type)) // Not held longer than it is needed.
    createIreeOp(builder, location, "util.list.set", {list, places[place], null}, {});
  if (type.isIndex())
    return arith::IndexCastOp::create(builder, location, type, taken);
  return isWidened ? arith::TruncIOp::create(builder, location, type, taken).getResult() : taken;
}

/// Lets the values that `block` takes come through the list.
void CarryInListPass::carry(Block *block) {
  SmallVector<unsigned> carried;
  for (BlockArgument argument : block->getArguments())
    if (isCarried(argument.getType()))
      carried.push_back(argument.getArgNumber());

  SmallVector<std::pair<BranchOpInterface, unsigned>> edges;
  for (auto use = block->pred_begin(); use != block->pred_end(); ++use)
    edges.emplace_back(cast<BranchOpInterface>((*use)->getTerminator()), use.getSuccessorIndex());
  for (auto [branch, successor] : edges) {
    if (branch->getNumSuccessors() > 1)
      branch = split(branch, successor);
    OpBuilder builder(branch);
    SuccessorOperands operands = branch.getSuccessorOperands(0);
    for (auto [place, index] : llvm::enumerate(carried))
      put(builder, branch.getLoc(), place, operands[index]);
    for (unsigned index : llvm::reverse(carried))
      operands.erase(index);
  }

  OpBuilder builder = OpBuilder::atBlockBegin(block);
  for (auto [place, index] : llvm::enumerate(carried)) {
    BlockArgument argument = block->getArgument(index);
    Value taken = take(builder, argument.getLoc(), place, argument.getType());
    argument.replaceAllUsesWith(taken);
    ++numCarried;
  }
  for (unsigned index : llvm::reverse(carried))
    block->eraseArgument(index);
}

} // namespace
