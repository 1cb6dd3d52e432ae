//===- OutlineRegions.cpp - Control-flow-free pieces become regions -------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The pass plans first (Utils/RegionPlanner.h) and builds second: it walks the blocks in program order, clones each
// piece into a function, and puts a call where the piece was.
//
//===----------------------------------------------------------------------===//

#include "dialects/Dycl/IR/DyclOps.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/IRMapping.h"
#include "passes/Passes.h"
#include "passes/Utils/HostOps.h"
#include "passes/Utils/Locations.h"
#include "passes/Utils/RegionPlanner.h"
#include "passes/Utils/Regions.h"

namespace dycl {
#define GEN_PASS_DEF_DYCLOUTLINEREGIONSPASS
#include "passes/Passes.h.inc"
} // namespace dycl

using namespace mlir;
using namespace dycl;

namespace {

class Builder {
public:
  Builder(func::FuncOp function, RegionPlanner &planner)
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
  RegionPlanner &planner;
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
                        /*sym_visibility=*/StringAttr(), function.getArgAttrsAttr(), function.getResAttrsAttr(),
                        /*home=*/StringAttr());
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
    RegionPlanner planner(function);
    planner.run();
    Builder builder(function, planner);
    if (failed(builder.buildBlock(&function.getBody().front())))
      return signalPassFailure();
    builder.buildProgram();
    numOutlined += builder.getNumRegions();
  }
};

} // namespace
