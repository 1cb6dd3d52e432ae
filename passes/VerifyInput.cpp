//===- VerifyInput.cpp - What the phase `import` may hand over -------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "dialects/Dycl/IR/DyclOps.h"
#include "mlir/Analysis/CallGraph.h"
#include "mlir/Dialect/ControlFlow/IR/ControlFlowOps.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/IR/Matchers.h"
#include "passes/Passes.h"
#include "llvm/ADT/SCCIterator.h"

namespace dycl {
#define GEN_PASS_DEF_DYCLVERIFYINPUTPASS
#include "passes/Passes.h.inc"
} // namespace dycl

using namespace mlir;
using namespace dycl;

namespace {

/// Dialects that only IREE knows: what torch-mlir and dycl's front end leave to it, and what it takes itself.
constexpr StringLiteral dialectsOfIree[] = {"tm_tensor", "util", "flow", "hal", "iree_linalg_ext", "stablehlo", "chlo"};

struct VerifyInputPass : public dycl::impl::DyclVerifyInputPassBase<VerifyInputPass> {
  using DyclVerifyInputPassBase::DyclVerifyInputPassBase;

  void runOnOperation() override {
    if (failed(checkEntry()) | failed(checkFunctions()) | failed(checkRecursion()))
      signalPassFailure();
    markAllAnalysesPreserved();
  }

private:
  LogicalResult checkEntry();
  LogicalResult checkFunctions();
  LogicalResult checkRecursion();
  LogicalResult checkOp(Operation *op);
  LogicalResult checkLoop(Operation *op);
  LogicalResult checkParameter(ParameterOp parameter);

  DenseMap<StringAttr, ParameterOp> parameters;
};

/// Whether the program's border has numbers of a type: those that a caller has, too.
bool isBorderNumber(Type type) {
  if (isa<Float16Type, BFloat16Type, Float32Type, Float64Type>(type))
    return true;
  auto integer = dyn_cast<IntegerType>(type);
  return integer && llvm::is_contained({1u, 8u, 16u, 32u, 64u}, integer.getWidth());
}

/// Whether the program's border has values of a type.
bool isBorderType(Type type) {
  if (auto tensor = dyn_cast<RankedTensorType>(type)) {
    Type element = tensor.getElementType();
    return !tensor.getEncoding() && (isBorderNumber(element) || isa<ComplexType>(element));
  }
  return type.isIndex() || (isBorderNumber(type) && !type.isUnsignedInteger() && !type.isSignedInteger());
}

/// (I1) The entry exists, has a body, and takes and gives ranked tensors and numbers.
LogicalResult VerifyInputPass::checkEntry() {
  auto function = getOperation().lookupSymbol<func::FuncOp>(entry);
  if (!function)
    return getOperation().emitError() << "has no function @" << entry << ", the entry of the program";
  if (function.isExternal())
    return function.emitError() << "the entry @" << entry << " has no body";
  auto check = [&](TypeRange types, StringRef what) -> LogicalResult {
    for (auto [index, type] : llvm::enumerate(types))
      if (!isBorderType(type))
        return function.emitError() << what << " " << index << " of the entry is of type " << type
                                    << "; expected a ranked tensor or a number, of f16, bf16, f32, f64 or integers of "
                                       "1, 8, 16, 32 or 64 bits";
    return success();
  };
  return success(succeeded(check(function.getArgumentTypes(), "argument")) &&
                 succeeded(check(function.getResultTypes(), "result")));
}

/// (I2) Functions are structured: one block each. (I4)–(I7) hold for every operation in them.
LogicalResult VerifyInputPass::checkFunctions() {
  parameters.clear();
  bool isLegal = true;
  for (Operation &op : getOperation().getOps()) {
    auto function = dyn_cast<func::FuncOp>(op);
    if (!function) {
      op.emitError() << "'" << op.getName() << "' is not expected here; the input is functions only";
      isLegal = false;
      continue;
    }
    if (!function.isExternal() && !function.getBody().hasOneBlock()) {
      function.emitError() << "@" << function.getSymName()
                           << " has unstructured control flow (several blocks); expected scf operations";
      isLegal = false;
      continue;
    }
    function.getBody().walk([&](Operation *inner) { isLegal &= succeeded(checkOp(inner)); });
  }
  return success(isLegal);
}

/// (I3) No function calls itself, directly or through others: inlining could not end.
LogicalResult VerifyInputPass::checkRecursion() {
  CallGraph graph(getOperation());
  for (auto component = llvm::scc_begin(const_cast<const CallGraph *>(&graph)); !component.isAtEnd(); ++component) {
    if (!component.hasCycle())
      continue;
    for (CallGraphNode *node : *component)
      if (!node->isExternal())
        return node->getCallableRegion()->getParentOp()->emitError()
               << "is recursive; expected every call to end in finitely many inlinings";
  }
  return success();
}

LogicalResult VerifyInputPass::checkOp(Operation *op) {
  // (I4) Values are tensors and scalars.
  for (Type type : op->getResultTypes())
    if (isa<BaseMemRefType, UnrankedTensorType>(type))
      return op->emitError() << "'" << op->getName() << "' gives a value of type " << type
                             << "; expected ranked tensors and scalars";
  // (I5) The torch dialect is lowered, and calls are direct.
  StringRef dialect = op->getName().getDialectNamespace();
  if (dialect == "torch" || dialect == "torch_c" || dialect == "onnx")
    return op->emitError() << "'" << op->getName() << "' is not lowered to linalg on tensors";
  if (!op->isRegistered() && !llvm::is_contained(dialectsOfIree, dialect))
    return op->emitError() << "'" << op->getName()
                           << "' is of a dialect that nothing here compiles; expected arith, math, "
                              "tensor, linalg, scf, cf or func";
  if (isa<func::CallIndirectOp>(op))
    return op->emitError() << "'" << op->getName() << "' cannot be inlined; expected a direct call";
  if (auto call = dyn_cast<func::CallOp>(op)) {
    auto callee = getOperation().lookupSymbol<func::FuncOp>(call.getCallee());
    if (!callee || callee.isExternal())
      return op->emitError() << "calls @" << call.getCallee() << ", which has no body";
  }
  if (auto parameter = dyn_cast<ParameterOp>(op))
    return checkParameter(parameter);
  if (isa<ProgramOp, InvokeOp, RegionOp, ReturnOp>(op))
    return op->emitError() << "'" << op->getName()
                           << "' is made by a later phase; expected a program that is not outlined";
  return checkLoop(op);
}

/// (I6) Loops can end. torch-mlir lowers a loop whose first condition folds to true to one that counts to the largest
/// integer and has lost its exit test.
LogicalResult VerifyInputPass::checkLoop(Operation *op) {
  if (auto loop = dyn_cast<scf::ForOp>(op)) {
    APInt bound;
    if (matchPattern(loop.getUpperBound(), m_ConstantInt(&bound)) && bound.isMaxSignedValue())
      return op->emitError("loop counts to the largest integer; its exit test was lost before it came here "
                           "(torch-mlir does that when the first condition is constant)");
  }
  if (auto loop = dyn_cast<scf::WhileOp>(op)) {
    if (matchPattern(loop.getConditionOp().getCondition(), m_One()))
      return op->emitError("loop has a condition that is always true; it cannot end");
  }
  return success();
}

/// (I7) One key names one parameter.
LogicalResult VerifyInputPass::checkParameter(ParameterOp parameter) {
  ParameterOp first = parameters.try_emplace(parameter.getKeyAttr(), parameter).first->second;
  if (first.getType() == parameter.getType())
    return success();
  return (parameter.emitOpError() << "has type " << parameter.getType() << "; the parameter has another type elsewhere")
             .attachNote(first.getLoc())
         << "here it is " << first.getType();
}

} // namespace
