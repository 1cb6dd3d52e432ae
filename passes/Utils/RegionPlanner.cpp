//===- RegionPlanner.cpp - Which operation goes to which region -----------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "passes/Utils/RegionPlanner.h"

#include "dialects/Dycl/IR/DyclOps.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Dialect/UB/IR/UBOps.h"
#include "mlir/IR/Builders.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"
#include "passes/Utils/HostOps.h"

using namespace mlir;
using namespace dycl;

//===----------------------------------------------------------------------===//
// Facts about single operations
//===----------------------------------------------------------------------===//

/// Calls `callback` for every value that `op` uses and does not define itself, nested uses included.
static void forEachUsedValue(Operation *op, function_ref<void(Value)> callback) {
  op->walk([&](Operation *inner) {
    for (Value operand : inner->getOperands()) {
      Operation *owner = operand.getParentBlock()->getParentOp();
      if (inner == op || !op->isAncestor(owner))
        callback(operand);
    }
  });
}

bool ConstantFinder::isConstant(Operation *op) {
  auto [entry, isNew] = known.try_emplace(op, false);
  if (!isNew)
    return entry->second;
  bool result = compute(op);
  return known[op] = result;
}

bool ConstantFinder::compute(Operation *op) {
  if (op->hasTrait<OpTrait::ConstantLike>() || isa<ParameterOp, ub::PoisonOp>(op))
    return true;
  if (op->getNumResults() == 0 || !isMovable(op) || isControlFlow(op))
    return false;
  bool result = true;
  forEachUsedValue(op, [&](Value value) {
    Operation *def = value.getDefiningOp();
    result = result && def && isConstant(def);
  });
  return result;
}

/// Whether computing `op` again costs no more than passing its result: arithmetic on scalars, sizes and elements of
/// tensors, changes of static type.
static bool isCheap(Operation *op) {
  if (isa<tensor::DimOp, tensor::ExtractOp, tensor::CastOp, tensor::EmptyOp>(op))
    return true;
  auto isScalar = [](Type type) { return type.isIntOrIndexOrFloat(); };
  return op->getNumRegions() == 0 && isPure(op) && llvm::all_of(op->getOperandTypes(), isScalar) &&
         llvm::all_of(op->getResultTypes(), isScalar);
}

//===----------------------------------------------------------------------===//
// Plan
//===----------------------------------------------------------------------===//

void RegionPlanner::collectBlock(Block *block) {
  blocks[block] = {};
  for (Operation &op : block->without_terminator()) {
    OpPlan plan;
    plan.order = static_cast<int>(programOrder.size());
    plan.original = blocks[block].lastPiece();
    programOrder.push_back(&op);
    if (isControlFlow(&op)) {
      plan.kind = Kind::Control;
      blocks[block].controls.push_back(&op);
      plan.original = blocks[block].lastPiece();
    }
    ops[&op] = plan;
    if (plan.kind == Kind::Control)
      for (Region &region : op.getRegions())
        for (Block &inner : region)
          collectBlock(&inner);
  }
}

Operation *RegionPlanner::hostLevelOp(Operation *op) const {
  while (!blocks.contains(op->getBlock()))
    op = op->getParentOp();
  return op;
}

/// Erases what nobody reads; it would be a region of its own.
void RegionPlanner::eraseUnread() {
  SmallVector<Operation *> all;
  function.walk<WalkOrder::PreOrder>([&](Operation *op) {
    if (op != function && dycl::isHostBlock(op->getBlock()))
      all.push_back(op);
  });
  for (Operation *op : llvm::reverse(all))
    if (op->getNumResults() != 0 && op->use_empty() && !isControlFlow(op) && isMovable(op))
      op->erase();
}

/// Clones what is constant into each host block that uses it, so that a constant is materialized, where the host
/// needs it, on the path that needs it.
void RegionPlanner::sinkConstants() {
  SmallVector<Operation *> constants;
  function.walk<WalkOrder::PreOrder>([&](Operation *op) {
    if (op != function && dycl::isHostBlock(op->getBlock()) && finder.isConstant(op))
      constants.push_back(op);
  });
  auto hostBlockOf = [](Operation *op) { return getHostLevelOp(op)->getBlock(); };
  for (Operation *op : llvm::reverse(constants)) {
    llvm::MapVector<Block *, SmallVector<OpOperand *>> uses;
    for (OpOperand &use : op->getUses())
      if (Block *block = hostBlockOf(use.getOwner()); block != op->getBlock())
        uses[block].push_back(&use);
    for (auto &[block, operands] : uses) {
      OpBuilder builder(op->getContext());
      builder.setInsertionPointToStart(block);
      Operation *clone = builder.clone(*op);
      for (OpOperand *operand : operands)
        operand->set(clone->getResult(cast<OpResult>(operand->get()).getResultNumber()));
    }
    if (op->use_empty()) {
      finder.forget(op);
      op->erase();
    }
  }
}

void RegionPlanner::computeEarliest() {
  for (Operation *op : programOrder) {
    OpPlan &plan = ops[op];
    if (plan.kind == Kind::Control)
      continue;
    plan.earliest = isMovable(op) ? 0 : plan.original;
    forEachUsedValue(op, [&](Value value) {
      Operation *def = value.getDefiningOp();
      if (!def || def->getBlock() != op->getBlock())
        return;
      const OpPlan &operand = ops[def];
      plan.earliest = std::max(plan.earliest, operand.kind == Kind::Control ? operand.original : operand.earliest);
    });
  }
}

void RegionPlanner::computeLatest() {
  for (Operation *op : llvm::reverse(programOrder)) {
    OpPlan &plan = ops[op];
    if (plan.kind == Kind::Control)
      continue;
    Block *block = op->getBlock();
    plan.latest = isMovable(op) ? blocks[block].lastPiece() : plan.original;
    for (Operation *user : op->getUsers()) {
      Operation *here = block->findAncestorOpInBlock(*user);
      if (here == block->getTerminator())
        continue;
      const OpPlan &use = ops[here];
      plan.latest = std::min(plan.latest, use.kind == Kind::Control ? use.original - 1 : use.latest);
    }
  }
}

/// Whether every operand of `op` is on the host when `op` runs, which is right after the control flow that starts its
/// earliest piece.
bool RegionPlanner::isHostCapable(Operation *op, const llvm::DenseSet<Operation *> &capable) const {
  if (!isHostOp(op))
    return false;
  return llvm::all_of(op->getOperands(), [&](Value operand) {
    Operation *def = operand.getDefiningOp();
    if (!def || def->getBlock() != op->getBlock() || capable.contains(def))
      return true;
    const OpPlan &plan = getPlan(def);
    return plan.kind == Kind::Control || plan.latest < getPlan(op).earliest;
  });
}

bool RegionPlanner::isHostUse(OpOperand &use) const {
  Operation *user = hostLevelOp(use.getOwner());
  auto found = ops.find(user);
  if (found == ops.end())
    return true; // The end of a host block.
  if (found->second.kind == Kind::Control)
    return user == use.getOwner();
  return found->second.kind == Kind::Host;
}

void RegionPlanner::classify() {
  llvm::DenseSet<Operation *> capable;
  for (Operation *op : programOrder)
    if (getPlan(op).kind != Kind::Control && isHostCapable(op, capable))
      capable.insert(op);

  // Users come first in reverse order, so their kind is known.
  for (Operation *op : llvm::reverse(programOrder)) {
    OpPlan &plan = ops[op];
    if (plan.kind == Kind::Control)
      continue;
    bool isRead = llvm::any_of(op->getUses(), [&](OpOperand &use) { return isHostUse(use); });
    if (isRead && capable.contains(op))
      plan.kind = Kind::Host;
    else if (!isRead && (isCheap(op) || finder.isConstant(op)))
      plan.kind = Kind::Cheap;
  }
}

/// Chooses the fewest pieces of `block` that give every operation a place, and places each in the piece that the user
/// wrote it in, if that is among them, else in the nearest earlier one that has its operands.
void RegionPlanner::placeInBlock(Block *block) {
  BlockPlan &blockPlan = blocks[block];
  SmallVector<Operation *> compute;
  for (Operation &op : block->without_terminator())
    if (ops[&op].kind == Kind::Compute)
      compute.push_back(&op);

  // Each operation is an interval [earliest, latest]; stabbing the intervals in order of their ends is optimal.
  SmallVector<Operation *> byLatest = compute;
  llvm::stable_sort(byLatest, [&](Operation *a, Operation *b) { return ops[a].latest < ops[b].latest; });
  SmallVector<int> chosen;
  for (Operation *op : byLatest)
    if (chosen.empty() || chosen.back() < ops[op].earliest)
      chosen.push_back(ops[op].latest);
  auto atOrAfter = [&](int piece) { return *llvm::lower_bound(chosen, piece); };
  auto atOrBefore = [&](int piece) { return *std::prev(llvm::upper_bound(chosen, piece)); };

  for (Operation &op : llvm::reverse(block->without_terminator())) {
    OpPlan &plan = ops[&op];
    if (plan.kind == Kind::Control || plan.kind == Kind::Host)
      continue;
    int bound = plan.latest;
    for (Operation *user : op.getUsers()) {
      Operation *here = block->findAncestorOpInBlock(*user);
      if (here == block->getTerminator())
        continue;
      const OpPlan &use = ops[here];
      if (use.kind == Kind::Host)
        bound = std::min(bound, use.earliest - 1);
      else if (use.kind != Kind::Control)
        bound = std::min(bound, use.place);
    }
    plan.place = bound;
    if (plan.kind == Kind::Compute)
      plan.place = atOrBefore(std::min(bound, std::max(plan.original, atOrAfter(plan.earliest))));
  }

  for (Operation *op : compute)
    blockPlan.pieces[ops[op].place].compute.push_back(op);
}

/// Adds to `piece` the cheap operations that it needs, and finds its live-ins.
void RegionPlanner::closePiece(Piece &piece) {
  llvm::SetVector<Operation *> body(piece.compute.begin(), piece.compute.end());
  for (size_t next = 0; next < body.size(); ++next)
    forEachUsedValue(body[next], [&](Value value) {
      Operation *def = value.getDefiningOp();
      if (def && ops.contains(def) && (ops[def].kind == Kind::Cheap || finder.isConstant(def)))
        body.insert(def);
    });
  piece.body = llvm::to_vector(body);
  llvm::sort(piece.body, [&](Operation *a, Operation *b) { return ops[a].order < ops[b].order; });
  for (Operation *op : piece.body)
    forEachUsedValue(op, [&](Value value) {
      if (Operation *def = value.getDefiningOp(); !def || !body.contains(def))
        piece.liveIns.insert(value);
    });
  liveIns.insert(piece.liveIns.begin(), piece.liveIns.end());
}

void RegionPlanner::run() {
  eraseUnread();
  sinkConstants();
  collectBlock(&function.getBody().front());
  computeEarliest();
  computeLatest();
  classify();
  for (auto &[block, plan] : blocks)
    placeInBlock(block);
  for (auto &[block, plan] : blocks)
    for (auto &[index, piece] : plan.pieces)
      closePiece(piece);
}
