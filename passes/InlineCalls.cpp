//===- InlineCalls.cpp - One function ---------------------------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/IR/SymbolTable.h"
#include "passes/Passes.h"
#include "llvm/ADT/DenseSet.h"

namespace dycl {
#define GEN_PASS_DEF_DYCLINLINECALLSPASS
#include "passes/Passes.h.inc"
} // namespace dycl

using namespace mlir;
using namespace dycl;

namespace {

struct InlineCallsPass : public dycl::impl::DyclInlineCallsPassBase<InlineCallsPass> {
  using DyclInlineCallsPassBase::DyclInlineCallsPassBase;

  void runOnOperation() override {
    SymbolTable symbols(getOperation());
    auto function = symbols.lookup<func::FuncOp>(entry);
    if (!function) {
      getOperation().emitError() << "has no function @" << entry << " to inline into";
      return signalPassFailure();
    }
    done.clear();
    active.clear();
    numCalls.clear();
    getOperation().walk([&](func::CallOp call) { ++numCalls[call.getCalleeAttr().getAttr()]; });
    if (failed(inlineInto(function, symbols)))
      return signalPassFailure();
    for (auto other : llvm::make_early_inc_range(getOperation().getOps<func::FuncOp>()))
      if (other != function)
        other.erase();
  }

private:
  LogicalResult inlineInto(func::FuncOp caller, SymbolTable &symbols);
  void inlineCall(func::CallOp call, func::FuncOp callee);

  llvm::DenseSet<Operation *> done;   ///< functions without calls by now
  llvm::DenseSet<Operation *> active; ///< functions being inlined into
  DenseMap<Attribute, unsigned> numCalls;
};

/// Inlines every call in `caller`, those in the callees first.
LogicalResult InlineCallsPass::inlineInto(func::FuncOp caller, SymbolTable &symbols) {
  active.insert(caller);
  SmallVector<func::CallOp> calls;
  caller.walk([&](func::CallOp call) { calls.push_back(call); });
  for (func::CallOp call : calls) {
    auto callee = symbols.lookup<func::FuncOp>(call.getCallee());
    if (!callee || !callee.getBody().hasOneBlock())
      return call.emitError() << "calls @" << call.getCallee() << ", which has no body of one block";
    if (active.contains(callee))
      return call.emitError() << "calls @" << call.getCallee() << ", which is recursive";
    if (!done.contains(callee) && failed(inlineInto(callee, symbols)))
      return failure();
    inlineCall(call, callee);
    ++numInlined;
  }
  active.erase(caller);
  done.insert(caller);
  return success();
}

/// Puts the body of `callee` where `call` is: a copy, or the body itself if nothing else calls it. Its operations keep
/// their locations, which are lines of the user's; one without gets that of the call.
void InlineCallsPass::inlineCall(func::CallOp call, func::FuncOp callee) {
  Block &body = callee.getBody().front();
  IRMapping mapping;
  mapping.map(body.getArguments(), call.getOperands());
  bool isLast = --numCalls[call.getCalleeAttr().getAttr()] == 0;
  auto locate = [&](Operation *op) {
    op->walk([&](Operation *inner) {
      if (isa<UnknownLoc>(inner->getLoc()))
        inner->setLoc(call.getLoc());
    });
  };
  SmallVector<Value> results;
  if (isLast) {
    for (auto [argument, operand] : llvm::zip_equal(body.getArguments(), call.getOperands()))
      argument.replaceAllUsesWith(operand);
    results = llvm::to_vector(body.getTerminator()->getOperands());
    for (Operation &op : llvm::make_early_inc_range(body.without_terminator())) {
      op.moveBefore(call);
      locate(&op);
    }
  } else {
    OpBuilder builder(call);
    for (Operation &op : body.without_terminator())
      locate(builder.clone(op, mapping));
    results = llvm::map_to_vector(body.getTerminator()->getOperands(),
                                  [&](Value value) { return mapping.lookupOrDefault(value); });
  }
  call.replaceAllUsesWith(results);
  call.erase();
}

} // namespace
