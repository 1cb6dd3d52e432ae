//===- SimplifyHost.cpp - Regions that compute nothing become assignments -===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "dialects/Dycl/IR/DyclOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/ControlFlow/IR/ControlFlowOps.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/Matchers.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"
#include "mlir/Pass/PassManager.h"
#include "passes/Passes.h"
#include "passes/Pipelines.h"
#include "passes/Utils/HostOps.h"
#include "passes/Utils/Regions.h"

namespace dycl {
#define GEN_PASS_DEF_DYCLSIMPLIFYHOSTPASS
#include "passes/Passes.h.inc"
} // namespace dycl

using namespace mlir;
using namespace dycl;

namespace {

/// A region and its calls. All functions below keep them consistent.
struct Region {
  func::FuncOp function;
  SmallVector<InvokeOp> invokes;

  func::ReturnOp getReturn() { return cast<func::ReturnOp>(function.getBody().front().getTerminator()); }
};

/// Whether host.py can hold `constant`: NumPy has its element type, and it is small, or one number repeated.
bool isHostConstant(arith::ConstantOp constant, int64_t maxBytes) {
  Type type = constant.getType();
  if (isHostScalar(type))
    return true;
  auto tensor = dyn_cast<RankedTensorType>(type);
  auto values = dyn_cast<DenseElementsAttr>(constant.getValue());
  if (!tensor || !values)
    return false;
  Type element = tensor.getElementType();
  bool isNumPyType = element.isF16() || element.isF32() || element.isF64() || element.isInteger(1) ||
                     element.isInteger(8) || element.isInteger(16) || element.isInteger(32) || element.isInteger(64);
  int64_t bytes = tensor.getNumElements() * std::max<int64_t>(1, tensor.getElementTypeBitWidth() / 8);
  return isNumPyType && bytes <= maxBytes;
}

/// Whether calls of `function` whose results nobody reads may go.
bool isRemovable(func::FuncOp function) {
  return llvm::all_of(function.getBody().front().without_terminator(),
                      [](Operation &op) { return isMovable(&op) && !isa<cf::AssertOp>(op); });
}

struct SimplifyHostPass : public dycl::impl::DyclSimplifyHostPassBase<SimplifyHostPass> {
  using DyclSimplifyHostPassBase::DyclSimplifyHostPassBase;

  void runOnOperation() override;

private:
  bool simplifyOnce();
  bool forwardResults(Region &region);
  bool dropUnused(Region &region);
  void eraseDeadOps(func::FuncOp function);
};

/// Replaces results that are an argument, a constant or an earlier result of the region.
bool SimplifyHostPass::forwardResults(Region &region) {
  bool changed = false;
  func::ReturnOp end = region.getReturn();
  DenseMap<Value, unsigned> firstResult;
  for (auto [index, value] : llvm::enumerate(end.getOperands())) {
    unsigned number = index;
    auto replace = [&](function_ref<Value(InvokeOp, OpBuilder &)> make) {
      for (InvokeOp invoke : region.invokes) {
        OpResult result = cast<OpResult>(invoke.getResult(number));
        if (result.use_empty())
          continue;
        OpBuilder builder(invoke);
        result.replaceAllUsesWith(make(invoke, builder));
        changed = true;
      }
    };

    auto cast = value.getDefiningOp<tensor::CastOp>();
    if (auto argument = dyn_cast<BlockArgument>(value)) {
      replace([&](InvokeOp invoke, OpBuilder &) { return invoke.getOperand(argument.getArgNumber()); });
    } else if (auto source = cast ? dyn_cast<BlockArgument>(cast.getSource()) : BlockArgument()) {
      replace([&](InvokeOp invoke, OpBuilder &builder) {
        return tensor::CastOp::create(builder, cast.getLoc(), cast.getType(), invoke.getOperand(source.getArgNumber()));
      });
    } else if (auto constant = value.getDefiningOp<arith::ConstantOp>();
               constant && isHostConstant(constant, maxConstantBytes)) {
      replace([&](InvokeOp, OpBuilder &builder) { return builder.clone(*constant)->getResult(0); });
    } else if (auto [first, isNew] = firstResult.try_emplace(value, number); !isNew) {
      unsigned earlier = first->second;
      replace([&](InvokeOp invoke, OpBuilder &) { return invoke.getResult(earlier); });
    }
  }
  return changed;
}

void SimplifyHostPass::eraseDeadOps(func::FuncOp function) {
  SmallVector<Operation *> ops;
  for (Operation &op : function.getBody().front().without_terminator())
    ops.push_back(&op);
  for (Operation *op : llvm::reverse(ops))
    if (op->use_empty() && isMovable(op) && !isa<cf::AssertOp>(op))
      op->erase();
}

/// Drops results that no call reads and arguments that the region does not use; joins arguments that are equal in
/// every call.
bool SimplifyHostPass::dropUnused(Region &region) {
  func::FuncOp function = region.function;
  func::ReturnOp end = region.getReturn();
  Block &body = function.getBody().front();

  BitVector deadResults(end.getNumOperands());
  for (unsigned index = 0; index < deadResults.size(); ++index)
    deadResults[index] = llvm::all_of(region.invokes, [&](InvokeOp call) { return call.getResult(index).use_empty(); });
  end->eraseOperands(deadResults);
  eraseDeadOps(function);

  BitVector deadArguments(body.getNumArguments());
  for (unsigned index = 0; index < deadArguments.size(); ++index) {
    for (unsigned earlier = 0; earlier < index && !body.getArgument(index).use_empty(); ++earlier)
      if (llvm::all_of(region.invokes,
                       [&](InvokeOp call) { return call.getOperand(index) == call.getOperand(earlier); }))
        body.getArgument(index).replaceAllUsesWith(body.getArgument(earlier));
    deadArguments[index] = body.getArgument(index).use_empty();
  }
  if (deadResults.none() && deadArguments.none())
    return false;

  body.eraseArguments(deadArguments);
  function.setFunctionType(FunctionType::get(&getContext(), body.getArgumentTypes(), end.getOperandTypes()));
  for (InvokeOp &invoke : region.invokes) {
    invoke->eraseOperands(deadArguments);
    OpBuilder builder(invoke);
    auto smaller =
        InvokeOp::create(builder, invoke.getLoc(), end.getOperandTypes(), invoke.getCalleeAttr(), invoke.getOperands());
    unsigned next = 0;
    for (OpResult result : invoke->getResults())
      if (!deadResults[result.getResultNumber()])
        result.replaceAllUsesWith(smaller.getResult(next++));
    invoke.erase();
    invoke = smaller;
  }
  return true;
}

bool SimplifyHostPass::simplifyOnce() {
  bool changed = false;
  for (auto &[function, invokes] : collectInvokes(getOperation())) {
    Region region{function, invokes};
    changed |= forwardResults(region);
    changed |= dropUnused(region);
    if (region.getReturn().getNumOperands() == 0 && isRemovable(region.function)) {
      for (InvokeOp invoke : region.invokes)
        invoke.erase();
      region.function.erase();
      ++numErased;
      changed = true;
    }
  }
  return changed;
}

void SimplifyHostPass::runOnOperation() {
  OpPassManager cleanup(ModuleOp::getOperationName());
  addCleanup(cleanup);
  do {
    // A nested pipeline would reuse the dominance information that CSE cached before regions and calls were erased.
    getAnalysisManager().invalidate(mlir::detail::PreservedAnalyses());
    if (failed(runPipeline(cleanup, getOperation())))
      return signalPassFailure();
  } while (simplifyOnce());
  numErased += renumberRegions(getOperation());
}

} // namespace
