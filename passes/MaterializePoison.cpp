//===- MaterializePoison.cpp - Give undefined values that are passed a value -===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Dialect/UB/IR/UBOps.h"
#include "mlir/IR/Matchers.h"
#include "passes/Passes.h"
#include "passes/Utils/HostValues.h"
#include "llvm/ADT/SetVector.h"

namespace dycl {
#define GEN_PASS_DEF_DYCLMATERIALIZEPOISONPASS
#include "passes/Passes.h.inc"
} // namespace dycl

using namespace mlir;
using namespace dycl;

namespace {

/// How far a flag is followed through the operations that compute it.
constexpr unsigned maxDepth = 8;

/// A value that is undefined on some path, with what i1 values of the same branches are there.
struct Undefined {
  using Flags = SmallVector<std::pair<Value, bool>>;

  Value value;
  Flags flags;

  bool operator==(const Undefined &other) const { return value == other.value && flags == other.flags; }

  /// What an i1 is where the value is undefined, if it is known: also of what canonicalization makes of branches that
  /// yield constants.
  std::optional<bool> getFlag(Value flag, unsigned depth = 0) const {
    for (auto [known, is] : flags)
      if (known == flag)
        return is;
    APInt constant;
    if (!flag.getType().isInteger(1) || depth == maxDepth)
      return std::nullopt;
    if (matchPattern(flag, m_ConstantInt(&constant)))
      return constant.isOne();
    Operation *op = flag.getDefiningOp();
    auto operand = [&](unsigned index) { return getFlag(op->getOperand(index), depth + 1); };
    if (isa_and_nonnull<arith::AndIOp, arith::OrIOp>(op)) {
      bool decides = isa<arith::OrIOp>(op);
      std::optional<bool> first = operand(0), second = operand(1);
      if (first == decides || second == decides)
        return decides;
      return first && second ? std::optional<bool>(!decides) : std::nullopt;
    }
    if (isa_and_nonnull<arith::XOrIOp>(op)) {
      std::optional<bool> first = operand(0), second = operand(1);
      return first && second ? std::optional<bool>(*first != *second) : std::nullopt;
    }
    if (isa_and_nonnull<arith::SelectOp>(op))
      if (std::optional<bool> condition = operand(0))
        return operand(*condition ? 1 : 2);
    return std::nullopt;
  }

  /// Whether an operation is on the side of a branch that is not taken where the value is undefined.
  bool isNeverUsedBy(Operation *user) const {
    for (Operation *op = user; Operation *parent = op->getParentOp(); op = parent) {
      auto branch = dyn_cast<scf::IfOp>(parent);
      std::optional<bool> condition = branch ? getFlag(branch.getCondition()) : std::nullopt;
      if (condition && *condition != (op->getParentRegion() == &branch.getThenRegion()))
        return true;
    }
    return false;
  }

  /// What the value becomes where a branch yields it: the result; known are its condition, and flags yielded beside it.
  Undefined yieldedBy(scf::YieldOp yield, unsigned index) const {
    auto branch = cast<scf::IfOp>(yield->getParentOp());
    Undefined result = {branch.getResult(index), flags};
    result.flags.push_back({branch.getCondition(), yield->getParentRegion() == &branch.getThenRegion()});
    for (auto [operand, flag] : llvm::zip_equal(yield.getOperands(), branch->getResults())) {
      if (std::optional<bool> is = getFlag(operand))
        result.flags.push_back({flag, *is});
    }
    return result;
  }
};

/// How many values are followed with what is known beside them, which multiplies: each branch that yields a value on
/// both of its sides is two. Beyond that, nothing is known.
constexpr size_t maxReached = 256;

/// The operations that may compute with a poison, where control flow passes it there, with or without a look at flags.
SmallVector<Operation *> findReachedComputations(ub::PoisonOp poison, bool withFlags = true) {
  SmallVector<Operation *> computations;
  SmallVector<Undefined> reached = {{poison.getResult(), {}}};
  auto add = [&](Undefined next) {
    if (!withFlags)
      next.flags.clear();
    if (!llvm::is_contained(reached, next))
      reached.push_back(std::move(next));
  };
  for (size_t next = 0; next < reached.size(); ++next) {
    if (withFlags && next == maxReached)
      return findReachedComputations(poison, /*withFlags=*/false);
    Undefined undefined = reached[next];
    for (OpOperand &use : undefined.value.getUses()) {
      Operation *user = use.getOwner();
      if (withFlags && undefined.isNeverUsedBy(user))
        continue;
      llvm::SetVector<Value> values;
      if (!followControlFlow(use, values)) {
        computations.push_back(user);
        continue;
      }
      auto yield = dyn_cast<scf::YieldOp>(user);
      if (yield && isa<scf::IfOp>(yield->getParentOp())) {
        add(undefined.yieldedBy(yield, use.getOperandNumber()));
        continue;
      }
      for (Value value : values)
        add({value, {}});
    }
  }
  return computations;
}

struct MaterializePoisonPass : public dycl::impl::DyclMaterializePoisonPassBase<MaterializePoisonPass> {
  using DyclMaterializePoisonPassBase::DyclMaterializePoisonPassBase;

  void runOnOperation() override {
    SmallVector<ub::PoisonOp> poisons;
    getOperation().walk([&](ub::PoisonOp poison) { poisons.push_back(poison); });
    for (ub::PoisonOp poison : poisons) {
      SmallVector<Operation *> users = findReachedComputations(poison);
      if (users.empty())
        continue;
      OpBuilder builder(poison);
      Type type = poison.getType();
      auto tensor = dyn_cast<RankedTensorType>(type);
      bool isDynamic = tensor && !tensor.hasStaticShape();
      // Where only the size is asked for, any will do.
      const auto *computing =
          llvm::find_if(users, [&](Operation *user) { return !isDynamic || !isa<tensor::DimOp>(user); });
      Type standInType = isDynamic ? getStandInType(tensor, 0) : type;
      TypedAttr zero = !isDynamic || computing == users.end() ? builder.getZeroAttr(standInType) : TypedAttr();
      if (!zero) {
        InFlightDiagnostic diagnostic = poison.emitError()
                                        << "a value of type " << type
                                        << " is undefined on this path, and no stand-in of that type can be made";
        diagnostic.attachNote((*computing)->getLoc()) << "it is computed with here";
        return signalPassFailure();
      }
      Value standIn = arith::ConstantOp::create(builder, poison.getLoc(), zero).getResult();
      if (isDynamic)
        standIn = tensor::CastOp::create(builder, poison.getLoc(), type, standIn);
      poison.replaceAllUsesWith(standIn);
      poison.erase();
      ++numMaterialized;
    }
  }
};

} // namespace
