//===- OutlineRegions.cpp - Control-flow-free pieces become regions -------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The pass plans first and builds second. A host block with n control-flow ops S1..Sn has n+1 pieces: P0 before S1,
// Pi between Si and Si+1. Planning classifies every op, computes the earliest and the latest piece it can be in, picks
// the fewest pieces that give every op a place, and assigns each op to one of them. Building walks the blocks in
// program order, clones each piece into a function, and puts a call where the piece was.
//
//===----------------------------------------------------------------------===//

#include "dialects/Dycl/IR/DyclOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Dialect/UB/IR/UBOps.h"
#include "mlir/IR/IRMapping.h"
#include "passes/Passes.h"
#include "passes/Utils/HostOps.h"
#include "passes/Utils/Locations.h"
#include "passes/Utils/Regions.h"
#include "llvm/ADT/MapVector.h"
#include "llvm/ADT/SetVector.h"

namespace dycl {
#define GEN_PASS_DEF_DYCLOUTLINEREGIONSPASS
#include "passes/Passes.h.inc"
} // namespace dycl

using namespace mlir;
using namespace dycl;

namespace {

//===----------------------------------------------------------------------===//
// Facts about single operations
//===----------------------------------------------------------------------===//

/// Calls `callback` for every value that `op` uses and does not define itself, nested uses included.
void forEachUsedValue(Operation *op, function_ref<void(Value)> callback) {
  op->walk([&](Operation *inner) {
    for (Value operand : inner->getOperands()) {
      Operation *owner = operand.getParentBlock()->getParentOp();
      if (inner == op || !op->isAncestor(owner))
        callback(operand);
    }
  });
}

/// Finds what is sunk into each region that needs it rather than passed: constants, parameters, and whatever is computed
/// of nothing else, such as the transpose of a weight. IREE hoists such computations into the loading of the region, so
/// that they cost nothing per call.
class ConstantFinder {
public:
  bool isConstant(Operation *op) {
    auto [entry, isNew] = known.try_emplace(op, false);
    if (!isNew)
      return entry->second;
    bool result = compute(op);
    return known[op] = result;
  }
  void forget(Operation *op) { known.erase(op); }

private:
  bool compute(Operation *op) {
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

  DenseMap<Operation *, bool> known;
};

/// Whether computing `op` again costs no more than passing its result: arithmetic on scalars, sizes and elements of
/// tensors, changes of static type.
bool isCheap(Operation *op) {
  if (isa<tensor::DimOp, tensor::ExtractOp, tensor::CastOp, tensor::EmptyOp>(op))
    return true;
  auto isScalar = [](Type type) { return type.isIntOrIndexOrFloat(); };
  return op->getNumRegions() == 0 && isPure(op) && llvm::all_of(op->getOperandTypes(), isScalar) &&
         llvm::all_of(op->getResultTypes(), isScalar);
}

//===----------------------------------------------------------------------===//
// Plan
//===----------------------------------------------------------------------===//

/// What becomes of an operation of a host block.
enum class Kind {
  Control, ///< stays, and its blocks are planned themselves
  Host,    ///< stays
  Cheap,   ///< is cloned into each region that needs it
  Compute  ///< is in exactly one region
};

struct OpPlan {
  Kind kind = Kind::Compute;
  int order = 0;    ///< position in program order
  int original = 0; ///< the piece that the user wrote it in
  int earliest = 0; ///< first piece in which its operands are at hand
  int latest = 0;   ///< last piece before its first use
  int place = 0;    ///< the piece it goes to (Compute), or a bound on that of its operands (Cheap)
};

/// One region to be: the operations in program order, what it takes and what it gives.
struct Piece {
  SmallVector<Operation *> compute; ///< the operations that are only here
  SmallVector<Operation *> body;    ///< `compute` and the cheap operations it needs
  llvm::SetVector<Value> liveIns;
};

struct BlockPlan {
  SmallVector<Operation *> controls;
  llvm::MapVector<int, Piece> pieces;
  int lastPiece() const { return static_cast<int>(controls.size()); }
};

class Planner {
public:
  explicit Planner(func::FuncOp function) : function(function) {}

  void run();

  const OpPlan &getPlan(Operation *op) const { return ops.find(op)->second; }
  BlockPlan &getPlan(Block *block) { return blocks.find(block)->second; }
  bool isHostBlock(Block *block) const { return blocks.contains(block); }

  /// Whether the host itself reads a value through `use`: a control-flow op, the end of a host block, host arithmetic.
  bool isHostUse(OpOperand &use) const;
  /// Whether `value` is passed to some region.
  bool isLiveIn(Value value) const { return liveIns.contains(value); }

  ArrayRef<Operation *> getOps() const { return programOrder; }

private:
  void collectBlock(Block *block);
  void eraseUnread();
  void sinkConstants();
  void computeEarliest();
  void computeLatest();
  void classify();
  void placeInBlock(Block *block);
  void closePiece(Piece &piece);

  Operation *hostLevelOp(Operation *op) const;
  bool isHostCapable(Operation *op, const llvm::DenseSet<Operation *> &capable) const;

  func::FuncOp function;
  ConstantFinder finder;
  llvm::MapVector<Block *, BlockPlan> blocks; ///< host blocks in program order
  DenseMap<Operation *, OpPlan> ops;          ///< operations of host blocks, ends excluded
  SmallVector<Operation *> programOrder;
  llvm::DenseSet<Value> liveIns;
};

void Planner::collectBlock(Block *block) {
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

Operation *Planner::hostLevelOp(Operation *op) const {
  while (!blocks.contains(op->getBlock()))
    op = op->getParentOp();
  return op;
}

/// Erases what nobody reads; it would be a region of its own.
void Planner::eraseUnread() {
  SmallVector<Operation *> all;
  function.walk<WalkOrder::PreOrder>([&](Operation *op) {
    if (op != function && ::isHostBlock(op->getBlock()))
      all.push_back(op);
  });
  for (Operation *op : llvm::reverse(all))
    if (op->getNumResults() != 0 && op->use_empty() && !isControlFlow(op) && isMovable(op))
      op->erase();
}

/// Clones what is constant into each host block that uses it, so that a constant is materialized, where the host
/// needs it, on the path that needs it.
void Planner::sinkConstants() {
  SmallVector<Operation *> constants;
  function.walk<WalkOrder::PreOrder>([&](Operation *op) {
    if (op != function && ::isHostBlock(op->getBlock()) && finder.isConstant(op))
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

void Planner::computeEarliest() {
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

void Planner::computeLatest() {
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
bool Planner::isHostCapable(Operation *op, const llvm::DenseSet<Operation *> &capable) const {
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

bool Planner::isHostUse(OpOperand &use) const {
  Operation *user = hostLevelOp(use.getOwner());
  auto found = ops.find(user);
  if (found == ops.end())
    return true; // The end of a host block.
  if (found->second.kind == Kind::Control)
    return user == use.getOwner();
  return found->second.kind == Kind::Host;
}

void Planner::classify() {
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
void Planner::placeInBlock(Block *block) {
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
void Planner::closePiece(Piece &piece) {
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

void Planner::run() {
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

//===----------------------------------------------------------------------===//
// Build
//===----------------------------------------------------------------------===//

class Builder {
public:
  Builder(func::FuncOp function, Planner &planner)
      : function(function), planner(planner), symbols(function->getParentOp()) {}

  /// Outlines the pieces of `block` and of the blocks in it, in program order.
  LogicalResult buildBlock(Block *block);
  /// Turns the function, of which only the host is left, into a `dycl.program`.
  void buildProgram();

  int getNumRegions() const { return numRegions; }

private:
  LogicalResult buildPiece(Piece &piece, Operation *before);
  LogicalResult checkBorder(Value value, Operation *op);

  func::FuncOp function;
  Planner &planner;
  SymbolTable symbols;
  DenseMap<Value, Value> hostValues; ///< a result of an outlined operation -> that of the call
  SmallVector<func::FuncOp> regions;
  int numRegions = 0;
};

LogicalResult Builder::checkBorder(Value value, Operation *op) {
  if (isBorderType(value.getType()))
    return success();
  InFlightDiagnostic diagnostic =
      op->emitError() << "a value of type " << value.getType()
                      << " would have to leave its region; expected a tensor, i1, i32, i64, index, f32 or f64";
  if (Operation *def = value.getDefiningOp(); def && def != op)
    diagnostic.attachNote(def->getLoc()) << "defined here";
  return diagnostic;
}

LogicalResult Builder::buildPiece(Piece &piece, Operation *before) {
  SmallVector<Value> liveOuts;
  for (Operation *op : piece.compute)
    for (OpResult result : op->getResults())
      if (planner.isLiveIn(result) ||
          llvm::any_of(result.getUses(), [&](OpOperand &use) { return planner.isHostUse(use); }))
        liveOuts.push_back(result);

  for (Value value : piece.liveIns)
    if (failed(checkBorder(value, piece.compute.front())))
      return failure();
  for (Value value : liveOuts)
    if (failed(checkBorder(value, value.getDefiningOp())))
      return failure();

  // The location says where the region starts in the user's source; cheap operations may come from anywhere above.
  Location location = fuseUserLines(piece.compute, piece.compute.front()->getLoc());
  MLIRContext *context = function.getContext();
  TypeRange liveInTypes(ValueRange(piece.liveIns.getArrayRef()));
  auto type = FunctionType::get(context, liveInTypes, TypeRange(ValueRange(liveOuts)));
  auto region = func::FuncOp::create(location, (kRegionPrefix + Twine(numRegions++)).str(), type);
  region.setPrivate();

  Block *body = region.addEntryBlock();
  IRMapping mapping;
  for (auto [value, argument] : llvm::zip_equal(piece.liveIns, body->getArguments())) {
    mapping.map(value, argument);
    argument.setLoc(value.getLoc());
  }
  OpBuilder builder = OpBuilder::atBlockEnd(body);
  for (Operation *op : piece.body)
    builder.clone(*op, mapping);
  SmallVector<Value> results = llvm::map_to_vector(liveOuts, [&](Value value) { return mapping.lookup(value); });
  func::ReturnOp::create(builder, location, results);
  symbols.insert(region);
  regions.push_back(region);

  SmallVector<Value> operands = llvm::map_to_vector(piece.liveIns, [&](Value value) {
    auto found = hostValues.find(value);
    return found == hostValues.end() ? value : found->second;
  });
  builder.setInsertionPoint(before);
  auto invoke = InvokeOp::create(builder, location, type.getResults(),
                                 FlatSymbolRefAttr::get(context, region.getSymName()), operands);
  for (auto [value, result] : llvm::zip_equal(liveOuts, invoke.getResults())) {
    hostValues[value] = result;
    value.replaceUsesWithIf(result, [&](OpOperand &use) { return planner.isHostUse(use); });
  }
  return success();
}

LogicalResult Builder::buildBlock(Block *block) {
  BlockPlan &plan = planner.getPlan(block);
  Operation *end = block->getTerminator();
  SmallVector<SmallVector<Operation *>> hostOps(plan.controls.size() + 1);
  for (Operation &op : block->without_terminator())
    if (const OpPlan &opPlan = planner.getPlan(&op); opPlan.kind == Kind::Host)
      hostOps[opPlan.earliest].push_back(&op);

  // Before its end, the block is written anew: what is outlined stays in front and is erased at last.
  for (int index = 0; index <= plan.lastPiece(); ++index) {
    if (index > 0) {
      Operation *control = plan.controls[index - 1];
      control->moveBefore(end);
      for (Block *inner : getBlocksInOrder(control))
        if (failed(buildBlock(inner)))
          return failure();
    }
    for (Operation *op : hostOps[index])
      op->moveBefore(end);
    if (auto *piece = plan.pieces.find(index); piece != plan.pieces.end())
      if (failed(buildPiece(piece->second, end)))
        return failure();
  }
  return success();
}

void Builder::buildProgram() {
  for (Operation *op : llvm::reverse(planner.getOps())) {
    Kind kind = planner.getPlan(op).kind;
    if (kind == Kind::Compute || kind == Kind::Cheap) {
      op->dropAllUses();
      op->erase();
    }
  }
  OpBuilder builder(function);
  auto program =
      ProgramOp::create(builder, function.getLoc(), function.getSymName(), function.getFunctionType(),
                        /*sym_visibility=*/StringAttr(), function.getArgAttrsAttr(), function.getResAttrsAttr());
  program.getBody().takeBody(function.getBody());
  Operation *end = program.getBody().front().getTerminator();
  builder.setInsertionPoint(end);
  ReturnOp::create(builder, end->getLoc(), end->getOperands());
  end->erase();
  symbols.erase(function);
  symbols.insert(program);
  Operation *previous = program;
  for (func::FuncOp region : regions) {
    region->moveAfter(previous);
    previous = region;
  }
}

//===----------------------------------------------------------------------===//
// Pass
//===----------------------------------------------------------------------===//

struct OutlineRegionsPass : public dycl::impl::DyclOutlineRegionsPassBase<OutlineRegionsPass> {
  using DyclOutlineRegionsPassBase::DyclOutlineRegionsPassBase;

  void runOnOperation() override {
    auto function = getOperation().lookupSymbol<func::FuncOp>(entry);
    if (!function) {
      getOperation().emitError() << "has no function @" << entry << " to outline";
      return signalPassFailure();
    }
    if (function.isExternal() || !function.getBody().hasOneBlock()) {
      function.emitError("expected a body of one block");
      return signalPassFailure();
    }
    Planner planner(function);
    planner.run();
    Builder builder(function, planner);
    if (failed(builder.buildBlock(&function.getBody().front())))
      return signalPassFailure();
    builder.buildProgram();
    numOutlined += builder.getNumRegions();
  }
};

} // namespace
