//===- FoldIntegerRanges.cpp - What can have one value only ----------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "mlir/Analysis/DataFlow/IntegerRangeAnalysis.h"
#include "mlir/Analysis/DataFlow/Utils.h"
#include "mlir/Analysis/DataFlowFramework.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/PatternMatch.h"
#include "passes/Passes.h"
#include "passes/Utils/HostOps.h"

namespace dycl {
#define GEN_PASS_DEF_DYCLFOLDINTEGERRANGESPASS
#include "passes/Passes.h.inc"
} // namespace dycl

using namespace mlir;
using namespace dycl;

/// Results of control flow and of arithmetic of the host that may be constants.
static SmallVector<Value> collectIntegers(func::FuncOp function) {
  SmallVector<Value> integers;
  function.walk([&](Operation *op) {
    if (op == function || !isHostBlock(op->getBlock()) || op->hasTrait<OpTrait::ConstantLike>() ||
        !(isControlFlow(op) || isHostOp(op)))
      return;
    llvm::copy_if(op->getResults(), std::back_inserter(integers),
                  [](Value value) { return value.getType().isIntOrIndex() && !value.use_empty(); });
  });
  return integers;
}

namespace {

struct FoldIntegerRangesPass : public dycl::impl::DyclFoldIntegerRangesPassBase<FoldIntegerRangesPass> {
  using DyclFoldIntegerRangesPassBase::DyclFoldIntegerRangesPassBase;

  void runOnOperation() override {
    for (auto function : getOperation().getOps<func::FuncOp>())
      if (!function.isExternal() && failed(fold(function)))
        return signalPassFailure();
  }

private:
  LogicalResult fold(func::FuncOp function);
};

LogicalResult FoldIntegerRangesPass::fold(func::FuncOp function) {
  SmallVector<Value> integers = collectIntegers(function);
  if (integers.empty())
    return success(); // Nothing to learn from the bodies of all tensor operations.
  DataFlowSolver solver;
  dataflow::loadBaselineAnalyses(solver);
  solver.load<dataflow::IntegerRangeAnalysis>();
  if (failed(solver.initializeAndRun(function)))
    return function.emitError("integer range analysis failed");
  IRRewriter rewriter(&getContext());
  for (Value value : integers) {
    rewriter.setInsertionPointAfterValue(value);
    if (succeeded(dataflow::maybeReplaceWithConstant(solver, rewriter, value)))
      ++numFolded;
  }
  return success();
}

} // namespace
