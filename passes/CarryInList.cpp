//===- CarryInList.cpp - Pass tensors between blocks in a list ------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// IREE 3.13 gives away a reference that a branch passes on although it is needed again: where it is passed twice, or is
// used after the branch (iree-org/iree#24781, open). So the host's branches pass none.
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
static bool isBufferView(Type type) {
  auto opaque = dyn_cast<OpaqueType>(type);
  return opaque && opaque.getDialectNamespace() == "hal" && opaque.getTypeData() == "buffer_view";
}

namespace {

struct CarryInListPass : public dycl::impl::DyclCarryInListPassBase<CarryInListPass> {
  using DyclCarryInListPassBase::DyclCarryInListPassBase;

  void runOnOperation() override {
    // The places of the list are shared by all blocks: a value is in it only from a branch to the block's start.
    unsigned size = 0;
    SmallVector<Block *> blocks;
    for (Block &block : llvm::drop_begin(getOperation().getBody())) {
      unsigned count = llvm::count_if(block.getArgumentTypes(), isBufferView);
      if (count == 0)
        continue;
      blocks.push_back(&block);
      size = std::max(size, count);
      for (Block *before : block.getPredecessors())
        if (!isa<BranchOpInterface>(before->getTerminator())) {
          before->getTerminator()->emitError("passes tensors to a block, and is no branch");
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

/// Lets the tensors that `block` takes come through the list.
void CarryInListPass::carry(Block *block) {
  SmallVector<unsigned> carried;
  for (BlockArgument argument : block->getArguments())
    if (isBufferView(argument.getType()))
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
      createIreeOp(builder, branch.getLoc(), "util.list.set", {list, places[place], operands[index]}, {});
    for (unsigned index : llvm::reverse(carried))
      operands.erase(index);
  }

  OpBuilder builder = OpBuilder::atBlockBegin(block);
  for (auto [place, index] : llvm::enumerate(carried)) {
    BlockArgument argument = block->getArgument(index);
    Value taken = createIreeOp(builder, argument.getLoc(), "util.list.get", {list, places[place]}, argument.getType())
                      ->getResult(0);
    // Not held longer than it is needed.
    createIreeOp(builder, argument.getLoc(), "util.list.set", {list, places[place], null}, {});
    argument.replaceAllUsesWith(taken);
    ++numCarried;
  }
  for (unsigned index : llvm::reverse(carried))
    block->eraseArgument(index);
}

} // namespace
