//===- RotateLoops.cpp - The next condition with the body ------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/IR/IRMapping.h"
#include "passes/Passes.h"
#include "passes/Utils/HostOps.h"

namespace dycl {
#define GEN_PASS_DEF_DYCLROTATELOOPSPASS
#include "passes/Passes.h.inc"
} // namespace dycl

using namespace mlir;
using namespace dycl;

/// Whether the condition of `loop` takes a region call of its own, and no control flow.
static bool isWorthRotating(scf::WhileOp loop) {
  bool computes = false;
  for (Operation &op : loop.getBeforeBody()->without_terminator()) {
    if (isControlFlow(&op))
      return false;
    computes |= !isHostOp(&op);
  }
  return computes;
}

/// Copies the condition of `loop` to where `builder` is, for the loop-carried `values`. Returns the condition and the
/// values it forwards.
static SmallVector<Value> copyCondition(OpBuilder &builder, scf::WhileOp loop, ValueRange values) {
  IRMapping mapping;
  mapping.map(loop.getBeforeArguments(), values);
  for (Operation &op : loop.getBeforeBody()->without_terminator())
    builder.clone(op, mapping);
  return llvm::map_to_vector(loop.getConditionOp().getOperands(),
                             [&](Value value) { return mapping.lookupOrDefault(value); });
}

static void rotate(scf::WhileOp loop) {
  OpBuilder builder(loop);
  SmallVector<Value> inits = copyCondition(builder, loop, loop.getInits());
  Location conditionLoc = loop.getConditionOp().getLoc();
  auto buildBefore = [&](OpBuilder &inner, Location, ValueRange arguments) {
    scf::ConditionOp::create(inner, conditionLoc, arguments.front(), arguments.drop_front());
  };
  auto buildAfter = [&](OpBuilder &inner, Location, ValueRange arguments) {
    IRMapping mapping;
    mapping.map(loop.getAfterArguments(), arguments);
    Block *body = loop.getAfterBody();
    for (Operation &op : body->without_terminator())
      inner.clone(op, mapping);
    SmallVector<Value> carried = llvm::map_to_vector(body->getTerminator()->getOperands(),
                                                     [&](Value value) { return mapping.lookupOrDefault(value); });
    scf::YieldOp::create(inner, body->getTerminator()->getLoc(), copyCondition(inner, loop, carried));
  };
  auto rotated = scf::WhileOp::create(builder, loop.getLoc(), loop.getResultTypes(), inits, buildBefore, buildAfter);
  loop.replaceAllUsesWith(rotated.getResults());
  loop.erase();
}

namespace {

struct RotateLoopsPass : public dycl::impl::DyclRotateLoopsPassBase<RotateLoopsPass> {
  using DyclRotateLoopsPassBase::DyclRotateLoopsPassBase;

  void runOnOperation() override {
    SmallVector<scf::WhileOp> loops;
    getOperation().walk([&](scf::WhileOp loop) {
      if (isHostBlock(loop->getBlock()) && isWorthRotating(loop))
        loops.push_back(loop);
    });
    // Inner loops come first in the walk, so the copy of a body holds them rotated.
    for (scf::WhileOp loop : loops)
      rotate(loop);
    numRotated += loops.size();
  }
};

} // namespace
