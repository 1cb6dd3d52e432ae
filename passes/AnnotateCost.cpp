//===- AnnotateCost.cpp - FLOPs and bytes of each region ------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "dialects/Dycl/IR/DyclOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/IR/Matchers.h"
#include "passes/Passes.h"
#include "passes/Utils/Regions.h"
#include "llvm/ADT/StringSet.h"

namespace dycl {
#define GEN_PASS_DEF_DYCLANNOTATECOSTPASS
#include "passes/Passes.h.inc"
} // namespace dycl

using namespace mlir;
using namespace dycl;

/// Whether `op` is one arithmetic operation on numbers: not a constant, and not only a change of representation.
static bool isArithmetic(Operation *op) {
  Dialect *dialect = op->getDialect();
  if (!isa_and_nonnull<arith::ArithDialect, math::MathDialect>(dialect))
    return false;
  return !op->hasTrait<OpTrait::ConstantLike>() && !isa<CastOpInterface>(op);
}

static int64_t countFlops(Operation *op);

static int64_t countFlops(Block &block) {
  int64_t flops = 0;
  for (Operation &op : block)
    flops += countFlops(&op);
  return flops;
}

/// The arithmetic operations of one execution of `op`.
static int64_t countFlops(Operation *op) {
  if (isArithmetic(op)) {
    auto shaped = op->getNumResults() == 1 ? dyn_cast<ShapedType>(op->getResult(0).getType()) : ShapedType();
    return shaped && shaped.hasRank() ? multiplySizes(shaped.getShape()) : 1;
  }
  int64_t inner = 0;
  for (Region &region : op->getRegions())
    for (Block &block : region)
      inner += countFlops(block);
  if (auto structured = dyn_cast<linalg::LinalgOp>(op))
    return inner * multiplySizes(structured.getStaticLoopRanges());
  if (auto loop = dyn_cast<scf::ForOp>(op))
    if (std::optional<APInt> trips = loop.getStaticTripCount())
      return inner * trips->getSExtValue();
  return inner;
}

namespace {

struct AnnotateCostPass : public dycl::impl::DyclAnnotateCostPassBase<AnnotateCostPass> {
  using DyclAnnotateCostPassBase::DyclAnnotateCostPassBase;

  void runOnOperation() override {
    llvm::StringSet<> called;
    getOperation().walk([&](InvokeOp invoke) { called.insert(invoke.getCallee()); });
    for (auto function : getOperation().getOps<func::FuncOp>()) {
      if (!called.contains(function.getSymName()) || function.isExternal())
        continue;
      int64_t flops = countFlops(function.getBody().front());
      int64_t bytes = 0;
      for (Type type : function.getArgumentTypes())
        bytes += countBytes(type);
      for (Type type : function.getResultTypes())
        bytes += countBytes(type);
      llvm::StringSet<> keys;
      function.walk([&](ParameterOp parameter) {
        if (keys.insert(parameter.getKey()).second)
          bytes += countBytes(parameter.getType());
      });
      function->setAttr(kCostAttr, CostAttr::get(&getContext(), flops, bytes));
    }
  }
};

} // namespace
