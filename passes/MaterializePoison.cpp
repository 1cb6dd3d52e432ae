//===- MaterializePoison.cpp - Give undefined values that are passed a value -===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/UB/IR/UBOps.h"
#include "passes/Passes.h"
#include "passes/Utils/HostOps.h"
#include "llvm/ADT/SetVector.h"

namespace dycl {
#define GEN_PASS_DEF_DYCLMATERIALIZEPOISONPASS
#include "passes/Passes.h.inc"
} // namespace dycl

using namespace mlir;
using namespace dycl;

/// Adds to `next` the values that take on the value of `use` when control flow passes it on. Returns false where the
/// value is computed with instead.
static bool followControlFlow(OpOperand &use, llvm::SetVector<Value> &next) {
  Operation *user = use.getOwner();
  unsigned index = use.getOperandNumber();
  if (!isHostBlock(user->getBlock()))
    return false;
  if (isa<func::ReturnOp>(user))
    return true;
  if (auto loop = dyn_cast<scf::WhileOp>(user)) {
    next.insert(loop.getBeforeArguments()[index]);
    return true;
  }
  if (auto loop = dyn_cast<scf::ForOp>(user); loop && isControlFlow(loop)) {
    if (index < loop.getNumControlOperands())
      return false;
    next.insert(loop.getRegionIterArgs()[index - loop.getNumControlOperands()]);
    next.insert(loop.getResult(index - loop.getNumControlOperands()));
    return true;
  }
  if (auto condition = dyn_cast<scf::ConditionOp>(user)) {
    if (index == 0)
      return false;
    auto loop = cast<scf::WhileOp>(condition->getParentOp());
    next.insert(loop.getAfterArguments()[index - 1]);
    next.insert(loop.getResult(index - 1));
    return true;
  }
  if (!isa<scf::YieldOp>(user))
    return false;
  Operation *parent = user->getParentOp();
  if (auto loop = dyn_cast<scf::WhileOp>(parent)) {
    next.insert(loop.getBeforeArguments()[index]);
    return true;
  }
  if (auto loop = dyn_cast<scf::ForOp>(parent))
    next.insert(loop.getRegionIterArgs()[index]);
  next.insert(parent->getResult(index));
  return true;
}

/// The operation that computes with `poison`, or null where it only passes through control flow.
static Operation *findComputation(ub::PoisonOp poison) {
  llvm::SetVector<Value> values;
  values.insert(poison.getResult());
  for (size_t next = 0; next < values.size(); ++next)
    for (OpOperand &use : values[next].getUses())
      if (!followControlFlow(use, values))
        return use.getOwner();
  return nullptr;
}

namespace {

struct MaterializePoisonPass : public dycl::impl::DyclMaterializePoisonPassBase<MaterializePoisonPass> {
  using DyclMaterializePoisonPassBase::DyclMaterializePoisonPassBase;

  void runOnOperation() override {
    SmallVector<ub::PoisonOp> poisons;
    getOperation().walk([&](ub::PoisonOp poison) { poisons.push_back(poison); });
    for (ub::PoisonOp poison : poisons) {
      Operation *user = findComputation(poison);
      if (!user)
        continue;
      OpBuilder builder(poison);
      Type type = poison.getType();
      auto tensor = dyn_cast<RankedTensorType>(type);
      TypedAttr zero = !tensor || tensor.hasStaticShape() ? builder.getZeroAttr(type) : TypedAttr();
      if (!zero) {
        InFlightDiagnostic diagnostic = poison.emitError()
                                        << "a value of type " << type
                                        << " is undefined on this path, and no stand-in of that type can be made";
        diagnostic.attachNote(user->getLoc()) << "it is computed with here";
        return signalPassFailure();
      }
      poison.replaceAllUsesWith(arith::ConstantOp::create(builder, poison.getLoc(), zero).getResult());
      poison.erase();
      ++numMaterialized;
    }
  }
};

} // namespace
