//===- MaterializePoison.cpp - Give undefined values that are passed a value -===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
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

/// How far a number is followed through the operations that compute it.
constexpr unsigned maxDepth = 8;

/// The one element of a constant of rank 0, or a constant scalar; null for anything else.
Attribute getScalarConstant(Value value) {
  Attribute constant;
  if (!matchPattern(value, m_Constant(&constant)))
    return {};
  if (auto elements = dyn_cast<DenseElementsAttr>(constant))
    return elements.getType().getRank() == 0 ? elements.getSplatValue<Attribute>() : Attribute();
  return constant;
}

/// Where control flow takes the operands of an operation: the i-th of `from` becomes the i-th of `to`.
struct Edge {
  OperandRange from;
  ValueRange to;
  /// A flag that is known where the edge is taken, with what it is; null for none.
  std::pair<Value, bool> condition = {};

  /// Whether a value stays what it is on the way: not what a region computes that the edge leaves or enters anew.
  bool keeps(Value value) const {
    Region *there = to.front().getParentRegion(), *region = value.getParentRegion();
    // The arguments of a region are its own; results are of the region around.
    return isa<BlockArgument>(to.front()) ? region->isProperAncestor(there) : region->isAncestor(there);
  }
};

/// The edges that leave a terminator or enter a loop; empty for what computes.
SmallVector<Edge> getEdges(Operation *op) {
  if (auto loop = dyn_cast<scf::WhileOp>(op))
    return {{loop.getInits(), loop.getBeforeArguments()}};
  if (auto loop = dyn_cast<scf::ForOp>(op))
    return {{loop.getInitArgs(), loop.getRegionIterArgs()}, {loop.getInitArgs(), loop.getResults()}};
  if (auto condition = dyn_cast<scf::ConditionOp>(op)) {
    auto loop = cast<scf::WhileOp>(condition->getParentOp());
    return {{condition.getArgs(), loop.getAfterArguments(), {condition.getCondition(), true}},
            {condition.getArgs(), loop.getResults(), {condition.getCondition(), false}}};
  }
  auto yield = dyn_cast<scf::YieldOp>(op);
  if (!yield)
    return {};
  Operation *parent = yield->getParentOp();
  if (auto loop = dyn_cast<scf::WhileOp>(parent))
    return {{yield.getResults(), loop.getBeforeArguments()}};
  if (auto loop = dyn_cast<scf::ForOp>(parent))
    return {{yield.getResults(), loop.getRegionIterArgs()}, {yield.getResults(), loop.getResults()}};
  if (auto branch = dyn_cast<scf::IfOp>(parent))
    return {{yield.getResults(),
             branch.getResults(),
             {branch.getCondition(), yield->getParentRegion() == &branch.getThenRegion()}}};
  return {{yield.getResults(), parent->getResults()}};
}

/// A value that is undefined on some path, with what numbers are known to be there.
struct Undefined {
  using Known = SmallVector<std::pair<Value, Attribute>>;

  Value value;
  Known known;

  bool operator==(const Undefined &other) const { return value == other.value && known == other.known; }

  /// What a scalar, or a tensor of rank 0, is where the value is undefined, if that is known: also of what
  /// canonicalization makes of branches that yield constants, and of comparisons with a number that tells which of
  /// several values is there.
  Attribute get(Value number, unsigned depth = 0) const {
    for (auto [value, is] : known)
      if (value == number)
        return is;
    if (Attribute constant = getScalarConstant(number))
      return constant;
    if (depth == maxDepth)
      return {};
    if (auto argument = dyn_cast<BlockArgument>(number)) {
      auto generic = dyn_cast_or_null<linalg::GenericOp>(argument.getOwner()->getParentOp());
      return generic && generic.getNumLoops() == 0 ? get(generic->getOperand(argument.getArgNumber()), depth + 1)
                                                   : Attribute();
    }
    Operation *op = number.getDefiningOp();
    auto operand = [&](unsigned index) { return get(op->getOperand(index), depth + 1); };
    auto flag = [&](unsigned index) { return getFlag(op->getOperand(index), depth + 1); };
    if (auto generic = dyn_cast<linalg::GenericOp>(op)) {
      if (generic.getNumLoops() != 0)
        return {};
      return get(generic.getBody()->getTerminator()->getOperand(cast<OpResult>(number).getResultNumber()), depth + 1);
    }
    if (auto extract = dyn_cast<tensor::ExtractOp>(op))
      return extract.getTensor().getType().getRank() == 0 ? operand(0) : Attribute();
    if (auto fill = dyn_cast<linalg::FillOp>(op))
      return cast<ShapedType>(number.getType()).getRank() == 0 ? operand(0) : Attribute();
    auto boolean = [&](bool is) { return BoolAttr::get(op->getContext(), is); };
    if (number.getType().isInteger(1) && isa<arith::AndIOp, arith::OrIOp>(op)) {
      bool decides = isa<arith::OrIOp>(op);
      std::optional<bool> first = flag(0), second = flag(1);
      if (first == decides || second == decides)
        return boolean(decides);
      return first && second ? boolean(!decides) : Attribute();
    }
    if (number.getType().isInteger(1) && isa<arith::XOrIOp>(op)) {
      std::optional<bool> first = flag(0), second = flag(1);
      return first && second ? boolean(*first != *second) : Attribute();
    }
    if (auto compare = dyn_cast<arith::CmpIOp>(op)) {
      auto first = dyn_cast_or_null<IntegerAttr>(operand(0)), second = dyn_cast_or_null<IntegerAttr>(operand(1));
      if (!first || !second)
        return {};
      return boolean(arith::applyCmpPredicate(compare.getPredicate(), first.getValue(), second.getValue()));
    }
    if (isa<arith::SelectOp>(op))
      if (std::optional<bool> condition = flag(0))
        return operand(*condition ? 1 : 2);
    if (auto branch = dyn_cast<scf::IfOp>(op))
      if (std::optional<bool> condition = flag(0)) {
        Region &side = *condition ? branch.getThenRegion() : branch.getElseRegion();
        return get(side.front().getTerminator()->getOperand(cast<OpResult>(number).getResultNumber()), depth + 1);
      }
    return {};
  }

  std::optional<bool> getFlag(Value flag, unsigned depth = 0) const {
    auto is = dyn_cast_or_null<IntegerAttr>(get(flag, depth));
    return is ? std::optional<bool>(is.getValue().getBoolValue()) : std::nullopt;
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

  /// What the value becomes at the end of an edge, with what is known there: the numbers passed beside it, and those
  /// known before; nothing where the edge is not taken.
  std::optional<Undefined> passedBy(const Edge &edge, unsigned index) const {
    auto [flag, taken] = edge.condition;
    std::optional<bool> is = flag ? getFlag(flag) : std::nullopt;
    if (is && *is != taken)
      return std::nullopt;
    Undefined result = {edge.to[index], {}};
    llvm::copy_if(known, std::back_inserter(result.known), [&](auto pair) { return edge.keeps(pair.first); });
    if (flag && !is && edge.keeps(flag))
      result.known.push_back({flag, BoolAttr::get(flag.getContext(), taken)});
    for (auto [from, to] : llvm::zip_equal(edge.from, edge.to))
      if (Attribute constant = get(from))
        result.known.push_back({to, constant});
    return result;
  }
};

/// How many values are followed with what is known beside them, which multiplies: each branch that yields a value on
/// both of its sides is two. Beyond that, nothing is known.
constexpr size_t maxReached = 256;

/// What a poison reaches.
class Reached {
public:
  explicit Reached(ub::PoisonOp poison) {
    if (!follow(poison, /*withKnown=*/true))
      follow(poison, /*withKnown=*/false);
  }

  /// The operations that compute with it.
  ArrayRef<Operation *> getComputations() const { return computations.getArrayRef(); }

  /// Of these, one that a stand-in whose dynamic sizes are zero may not be passed to; null if there is none.
  Operation *getNeedingElements() const {
    const auto *found = llvm::find_if(computations, [&](Operation *op) { return !takesNone.contains(op); });
    return found == computations.end() ? nullptr : *found;
  }

private:
  /// Returns false where there are too many values.
  bool follow(ub::PoisonOp poison, bool withKnown) {
    computations.clear();
    takesNone.clear();
    roots.clear();
    SmallVector<Undefined> reached;
    auto add = [&](Undefined next) {
      if (!withKnown)
        next.known.clear();
      if (!llvm::is_contained(reached, next))
        reached.push_back(std::move(next));
    };
    add({poison.getResult(), {}});
    for (size_t next = 0; next < reached.size(); ++next) {
      if (withKnown && next == maxReached)
        return false;
      Undefined undefined = reached[next];
      for (OpOperand &use : undefined.value.getUses()) {
        Operation *user = use.getOwner();
        if (withKnown && undefined.isNeverUsedBy(user))
          continue;
        llvm::SetVector<Value> values;
        if (followControlFlow(use, values)) {
          for (const Edge &edge : getEdges(user))
            if (unsigned first = edge.from.getBeginOperandIndex(), at = use.getOperandNumber(); at >= first)
              if (std::optional<Undefined> passed = undefined.passedBy(edge, at - first))
                add(std::move(*passed));
          continue;
        }
        computations.insert(user);
        if (!computesNothing(user, undefined.value))
          continue;
        takesNone.insert(user);
        for (Value result : user->getResults()) {
          // Of a static shape, it is some numbers.
          if (auto type = dyn_cast<RankedTensorType>(result.getType()); type && !type.hasStaticShape()) {
            if (!isa<tensor::ConcatOp>(user)) // whose size is another
              roots.try_emplace(result, getRoot(undefined.value));
            add({result, undefined.known});
          }
        }
      }
    }
    return true;
  }

  /// Whether an operation reads and computes no element of `value`, nor beside it any that is not there, where each
  /// dynamic size of `value` is zero. The sizes of its results are those of `value`, or, of what is put behind it, such
  /// that the same is true of what is computed of that alone.
  bool computesNothing(Operation *op, Value value) const {
    if (isa<tensor::DimOp>(op))
      return true;
    if (isa<tensor::CastOp, tensor::CollapseShapeOp>(op)) {
      auto isDynamic = [](Type type) { return !cast<ShapedType>(type).hasStaticShape(); };
      return isa<tensor::CollapseShapeOp>(op) || (isDynamic(op->getResult(0).getType()) && keepsDynamic(op));
    }
    if (auto concat = dyn_cast<tensor::ConcatOp>(op)) {
      ArrayRef<int64_t> shape = cast<RankedTensorType>(value.getType()).getShape();
      return llvm::all_of(llvm::enumerate(shape), [&](auto size) {
        return !ShapedType::isDynamic(size.value()) || size.index() == concat.getDim();
      });
    }
    if (OpTrait::hasElementwiseMappableTraits(op))
      return llvm::all_of(op->getOperands(),
                          [&](Value operand) { return operand == value || !isa<ShapedType>(operand.getType()); });
    auto structured = dyn_cast<linalg::LinalgOp>(op);
    return structured && structured.hasPureTensorSemantics() && iteratesOverNothing(structured, value);
  }

  /// Whether each dimension that is dynamic before a cast is so after it.
  static bool keepsDynamic(Operation *cast_) {
    auto from = dyn_cast<RankedTensorType>(cast_->getOperand(0).getType());
    auto to = dyn_cast<RankedTensorType>(cast_->getResult(0).getType());
    return from && to && llvm::all_of(llvm::zip_equal(from.getShape(), to.getShape()), [](auto sizes) {
             auto [before, after] = sizes;
             return !ShapedType::isDynamic(before) || ShapedType::isDynamic(after);
           });
  }

  /// Of a structured operation with one operand of dynamic shape, `value`: each of its loops is over dynamic sizes,
  /// those of `value`, or over static ones.
  bool iteratesOverNothing(linalg::LinalgOp op, Value value) const {
    // What it reads at positions that it computes is not told by its maps.
    if (op->walk([](tensor::ExtractOp) { return WalkResult::interrupt(); }).wasInterrupted())
      return false;
    // By loop, whether it is over dynamic sizes.
    SmallVector<std::optional<bool>> isDynamic(op.getNumLoops());
    for (OpOperand &operand : op->getOpOperands()) {
      auto type = dyn_cast<RankedTensorType>(operand.get().getType());
      if (!type)
        continue;
      bool hasSizes = operand.get() == value || (op.isDpsInit(&operand) && isSizedBy(operand.get(), value));
      if (!type.hasStaticShape() && !hasSizes)
        return false;
      for (auto [expression, size] :
           llvm::zip_equal(op.getMatchingIndexingMap(&operand).getResults(), type.getShape())) {
        auto loop = dyn_cast<AffineDimExpr>(expression);
        if (!loop)
          return false;
        std::optional<bool> &known = isDynamic[loop.getPosition()];
        if (known && *known != ShapedType::isDynamic(size))
          return false;
        known = ShapedType::isDynamic(size);
      }
    }
    return true;
  }

  /// Whether the dynamic sizes of an initial tensor are those of what `value` is computed of, or of it.
  bool isSizedBy(Value init, Value value) const {
    if (auto fill = init.getDefiningOp<linalg::FillOp>())
      return isSizedBy(fill.getOutputs()[0], value);
    if (auto broadcast = init.getDefiningOp<linalg::BroadcastOp>())
      return isSizedBy(broadcast.getInit(), value);
    auto empty = init.getDefiningOp<tensor::EmptyOp>();
    return empty && llvm::all_of(empty.getDynamicSizes(), [&](Value size) {
             auto dim = size.getDefiningOp<tensor::DimOp>();
             if (!dim || getRoot(dim.getSource()) != getRoot(value))
               return false;
             std::optional<int64_t> index = dim.getConstantIndex();
             auto type = dyn_cast<RankedTensorType>(dim.getSource().getType());
             return index && type && type.isDynamicDim(*index);
           });
  }

  /// What a value is computed of, elements for elements: the value itself, but for results of operations in
  /// `takesNone`.
  Value getRoot(Value value) const {
    auto found = roots.find(value);
    return found == roots.end() ? value : found->second;
  }

  llvm::SetVector<Operation *> computations;
  llvm::DenseSet<Operation *> takesNone;
  llvm::DenseMap<Value, Value> roots;
};

struct MaterializePoisonPass : public dycl::impl::DyclMaterializePoisonPassBase<MaterializePoisonPass> {
  using DyclMaterializePoisonPassBase::DyclMaterializePoisonPassBase;

  void runOnOperation() override {
    SmallVector<ub::PoisonOp> poisons;
    getOperation().walk([&](ub::PoisonOp poison) { poisons.push_back(poison); });
    for (ub::PoisonOp poison : poisons) {
      Reached reached(poison);
      if (reached.getComputations().empty())
        continue;
      OpBuilder builder(poison);
      Type type = poison.getType();
      auto tensor = dyn_cast<RankedTensorType>(type);
      bool isDynamic = tensor && !tensor.hasStaticShape();
      Operation *needing = isDynamic ? reached.getNeedingElements() : nullptr;
      Type standInType = isDynamic ? getStandInType(tensor, 0) : type;
      TypedAttr zero = needing ? TypedAttr() : builder.getZeroAttr(standInType);
      if (!zero) {
        InFlightDiagnostic diagnostic = poison.emitError()
                                        << "a value of type " << type
                                        << " is undefined on this path, and no stand-in of that type can be made";
        Operation *computing = needing ? needing : reached.getComputations().front();
        diagnostic.attachNote(computing->getLoc()) << "it is computed with here";
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
