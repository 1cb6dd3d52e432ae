//===- ThreadBranches.cpp - Follow a flag to where it is set ---------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Terms: the *setter* is the scf.if that decides the flag, the *reader* the later scf.if on it. A *leaf* is an end of
// a branch of the setter, or of an scf.if nested at its end, that sets the flag to a constant.
//
//===----------------------------------------------------------------------===//

#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/IR/Matchers.h"
#include "passes/Passes.h"
#include "passes/Utils/HostOps.h"
#include "passes/Utils/Locations.h"
#include "llvm/ADT/SetVector.h"

namespace dycl {
#define GEN_PASS_DEF_DYCLTHREADBRANCHESPASS
#include "passes/Passes.h.inc"
} // namespace dycl

using namespace mlir;
using namespace dycl;

namespace {

/// Where the flag comes from in an scf.if: its condition itself, or one of its results.
struct Flag {
  scf::IfOp setter;
  std::optional<unsigned> result;
};

/// How the flag leaves one branch of a setter: a constant, or the flag of an scf.if in that branch.
struct BranchFlag {
  std::optional<bool> constant;
  Flag nested;
};

scf::YieldOp getEnd(scf::IfOp op, bool branch) { return branch ? op.thenYield() : op.elseYield(); }

/// The flag at the end of `branch` of its setter, or nothing where it is computed.
std::optional<BranchFlag> getBranchFlag(Flag flag, bool branch) {
  if (!flag.result)
    return BranchFlag{branch, {}};
  scf::YieldOp end = getEnd(flag.setter, branch);
  Value value = end.getOperand(*flag.result);
  APInt constant;
  if (matchPattern(value, m_ConstantInt(&constant)))
    return BranchFlag{constant.isOne(), {}};
  auto nested = value.getDefiningOp<scf::IfOp>();
  if (!nested || nested->getBlock() != end->getBlock() || !value.hasOneUse())
    return std::nullopt;
  return BranchFlag{std::nullopt, {nested, cast<OpResult>(value).getResultNumber()}};
}

/// Counts the leaves by the value they set. False where the flag is not constant at every leaf.
bool countLeaves(Flag flag, unsigned (&leaves)[2]) {
  for (bool branch : {true, false}) {
    std::optional<BranchFlag> end = getBranchFlag(flag, branch);
    if (!end)
      return false;
    if (end->constant)
      ++leaves[*end->constant];
    else if (!countLeaves(end->nested, leaves))
      return false;
  }
  return true;
}

bool isTrivial(scf::IfOp reader, bool branch) {
  Region &region = branch ? reader.getThenRegion() : reader.getElseRegion();
  return region.empty() || region.front().without_terminator().empty();
}

/// Copies the branch of `reader` that a leaf takes to where `builder` is. `mapping` has the setter's results there.
SmallVector<Value> copyBranch(OpBuilder &builder, scf::IfOp reader, bool branch, IRMapping mapping) {
  Region &region = branch ? reader.getThenRegion() : reader.getElseRegion();
  if (region.empty())
    return {};
  for (Operation &op : region.front().without_terminator())
    builder.clone(op, mapping);
  return llvm::map_to_vector(region.front().getTerminator()->getOperands(),
                             [&](Value value) { return mapping.lookupOrDefault(value); });
}

/// Puts the branches of `reader` at the leaves of `flag`. Returns the setter made anew, with the results of `reader`
/// after its own. `outer` holds the results of the outermost setter, `here` what they are at the end of this one.
scf::IfOp threadInto(Flag flag, scf::IfOp reader, ValueRange outer, ArrayRef<Value> here) {
  scf::IfOp setter = flag.setter;
  for (bool branch : {true, false}) {
    BranchFlag end = *getBranchFlag(flag, branch);
    scf::YieldOp yield = getEnd(setter, branch);
    // Inside the branch, a result of the setter is what the branch yields for it.
    SmallVector<Value> inBranch = llvm::map_to_vector(here, [&](Value value) {
      auto result = dyn_cast<OpResult>(value);
      return result && result.getOwner() == setter ? yield.getOperand(result.getResultNumber()) : value;
    });
    OpBuilder builder(yield);
    SmallVector<Value> results;
    if (end.constant) {
      IRMapping mapping;
      mapping.map(outer, inBranch);
      results = copyBranch(builder, reader, *end.constant, mapping);
    } else {
      scf::IfOp nested = threadInto(end.nested, reader, outer, inBranch);
      llvm::append_range(results, nested.getResults().take_back(reader.getNumResults()));
    }
    yield.getResultsMutable().append(results);
  }

  OpBuilder builder(setter);
  SmallVector<Type> types = llvm::to_vector(setter.getResultTypes());
  llvm::append_range(types, reader.getResultTypes());
  auto threaded = scf::IfOp::create(builder, setter.getLoc(), types, setter.getCondition());
  threaded.getThenRegion().takeBody(setter.getThenRegion());
  threaded.getElseRegion().takeBody(setter.getElseRegion());
  setter.replaceAllUsesWith(threaded.getResults().drop_back(reader.getNumResults()));
  setter.erase();
  return threaded;
}

/// Whether the two test the same value at the same place of the user's source, so that it is one decision of theirs.
bool isSameTest(scf::IfOp setter, scf::IfOp reader) {
  FileLineColLoc line = findUserLine(reader.getLoc());
  return !line || line == findUserLine(setter.getLoc());
}

/// The flag that decides `reader`, if it is set by an scf.if before it in the same block.
std::optional<Flag> findFlag(scf::IfOp reader) {
  Value condition = reader.getCondition();
  if (auto setter = condition.getDefiningOp<scf::IfOp>())
    if (setter->getBlock() == reader->getBlock() && condition.hasOneUse())
      return Flag{setter, cast<OpResult>(condition).getResultNumber()};
  for (Operation *before = reader->getPrevNode(); before; before = before->getPrevNode())
    if (auto setter = dyn_cast<scf::IfOp>(before);
        setter && setter.getCondition() == condition && setter.elseBlock() && isSameTest(setter, reader))
      return Flag{setter, std::nullopt};
  return std::nullopt;
}

/// Calls `callback` for each operation of the block of `op` that computes a value which `op` uses.
void forEachOperandOp(Operation *op, function_ref<void(Operation *)> callback) {
  op->walk([&](Operation *inner) {
    for (Value operand : inner->getOperands())
      if (Operation *def = operand.getDefiningOp(); def && def->getBlock() == op->getBlock())
        callback(def);
  });
}

/// Moves what `reader` uses of the operations between it and `setter` before `setter`. False where something is in the
/// way; nothing is moved then.
bool clearTheWay(scf::IfOp setter, scf::IfOp reader) {
  for (Operation *op = setter->getNextNode(); op != reader; op = op->getNextNode())
    if (!isMovable(op) && !isMovable(reader))
      return false;
  llvm::SetVector<Operation *> needed;
  bool isClear = true;
  auto need = [&](Operation *op) {
    forEachOperandOp(op, [&](Operation *def) {
      if (def == setter)
        isClear &= op == reader;
      else if (setter->isBeforeInBlock(def))
        needed.insert(def);
    });
  };
  need(reader);
  for (size_t next = 0; next < needed.size() && isClear; ++next) {
    isClear &= isMovable(needed[next]) && !isControlFlow(needed[next]);
    need(needed[next]);
  }
  if (!isClear)
    return false;
  SmallVector<Operation *> ordered = needed.takeVector();
  llvm::sort(ordered, [](Operation *a, Operation *b) { return a->isBeforeInBlock(b); });
  for (Operation *op : ordered)
    op->moveBefore(setter);
  return true;
}

struct ThreadBranchesPass : public dycl::impl::DyclThreadBranchesPassBase<ThreadBranchesPass> {
  using DyclThreadBranchesPassBase::DyclThreadBranchesPassBase;

  void runOnOperation() override {
    // Threading makes setters anew, so no list of candidates outlives it.
    auto threadFirst = [&](scf::IfOp op) {
      return isHostBlock(op->getBlock()) && thread(op) ? WalkResult::interrupt() : WalkResult::advance();
    };
    while (getOperation().walk<WalkOrder::PreOrder>(threadFirst).wasInterrupted())
      ++numThreaded;
  }

private:
  bool thread(scf::IfOp reader);
};

bool ThreadBranchesPass::thread(scf::IfOp reader) {
  std::optional<Flag> flag = findFlag(reader);
  if (!flag)
    return false;
  unsigned leaves[2] = {0, 0};
  if (!countLeaves(*flag, leaves))
    return false;
  for (bool branch : {false, true})
    if (leaves[branch] > 1 && !isTrivial(reader, branch))
      return false;
  if (!clearTheWay(flag->setter, reader))
    return false;
  SmallVector<Value> results = llvm::to_vector_of<Value>(flag->setter.getResults());
  scf::IfOp threaded = threadInto(*flag, reader, results, results);
  reader.replaceAllUsesWith(threaded.getResults().take_back(reader.getNumResults()));
  reader.erase();
  return true;
}

} // namespace
