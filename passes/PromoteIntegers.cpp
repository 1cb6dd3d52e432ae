//===- PromoteIntegers.cpp - Integers of the host as scalars ---------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Terms: a *member* is a rank-0 integer tensor that control flow hands on or a `linalg.generic` on such tensors gives.
// A *flow* is an operand that control flow hands on, and the value it becomes. A *source* is a tensor made of a scalar
// that the host has. Members between which values flow form a class, which is promoted as a whole or not at all;
// sources, which can be made anew at each use, connect none.
//
//===----------------------------------------------------------------------===//

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Dialect/UB/IR/UBOps.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/IR/Matchers.h"
#include "passes/Passes.h"
#include "passes/Utils/HostOps.h"
#include "llvm/ADT/EquivalenceClasses.h"
#include "llvm/ADT/TypeSwitch.h"
#include "llvm/Support/MathExtras.h"

namespace dycl {
#define GEN_PASS_DEF_DYCLPROMOTEINTEGERSPASS
#include "passes/Passes.h.inc"
} // namespace dycl

using namespace mlir;
using namespace dycl;

namespace {

/// An integer that the host computes with: Python's int, not that of another width.
bool isInteger(Type type) { return type.isInteger(1) || type.isInteger(64); }

bool isIntegerTensor(Type type) {
  auto tensor = dyn_cast<RankedTensorType>(type);
  return tensor && tensor.getRank() == 0 && !tensor.getEncoding() && isInteger(tensor.getElementType());
}

//===----------------------------------------------------------------------===//
// Sources
//===----------------------------------------------------------------------===//

/// Whether the host has the scalar `value` whatever becomes of the tensors made of it.
bool isAtHand(Value value) {
  if (matchPattern(value, m_Constant()))
    return true;
  Operation *def = value.getDefiningOp();
  if (!def)
    return isHostBlock(value.getParentBlock());
  return isHostBlock(def->getBlock()) && (isControlFlow(def) || llvm::any_of(value.getUsers(), [](Operation *user) {
                                            return isHostBlock(user->getBlock()) &&
                                                   (isControlFlow(user) || user->hasTrait<OpTrait::IsTerminator>());
                                          }));
}

/// The scalar of which `tensor` is made, other than a constant, or null.
Value getSplatScalar(Value tensor) {
  Value scalar;
  if (auto elements = tensor.getDefiningOp<tensor::FromElementsOp>())
    scalar = elements.getElements().front();
  else if (auto fill = tensor.getDefiningOp<linalg::FillOp>())
    scalar = fill.value();
  return scalar && scalar.getType() == getElementTypeOrSelf(tensor) ? scalar : Value();
}

/// The constant that `tensor` is, or null.
DenseElementsAttr getConstant(Value tensor) {
  DenseElementsAttr elements;
  matchPattern(tensor, m_Constant(&elements));
  return elements;
}

bool isSource(Value tensor) {
  if (!isIntegerTensor(tensor.getType()))
    return false;
  Value scalar = getSplatScalar(tensor);
  return getConstant(tensor) || tensor.getDefiningOp<ub::PoisonOp>() || (scalar && isAtHand(scalar));
}

/// The scalar that the source `tensor` is made of, where `builder` is.
Value readSource(OpBuilder &builder, Value tensor) {
  if (Value scalar = getSplatScalar(tensor))
    return scalar;
  if (tensor.getDefiningOp<ub::PoisonOp>())
    return ub::PoisonOp::create(builder, tensor.getLoc(), getElementTypeOrSelf(tensor));
  auto value = cast<TypedAttr>(getConstant(tensor).getSplatValue<Attribute>());
  return arith::ConstantOp::create(builder, tensor.getLoc(), value);
}

//===----------------------------------------------------------------------===//
// Flows
//===----------------------------------------------------------------------===//

/// Calls `callback` for what control flow hands on at `op`, which is control flow itself or the end of one of its
/// blocks.
void forEachFlow(Operation *op, function_ref<void(OpOperand &, Value)> callback) {
  auto zip = [&](MutableArrayRef<OpOperand> sources, ValueRange targets) {
    for (auto [source, target] : llvm::zip_equal(sources, targets))
      callback(source, target);
  };
  llvm::TypeSwitch<Operation *>(op)
      .Case<scf::ForOp>([&](scf::ForOp loop) {
        zip(loop.getInitArgsMutable(), loop.getRegionIterArgs());
        zip(loop.getInitArgsMutable(), loop.getResults());
      })
      .Case<scf::WhileOp>([&](scf::WhileOp loop) { zip(loop.getInitsMutable(), loop.getBeforeArguments()); })
      .Case<scf::ConditionOp>([&](scf::ConditionOp end) {
        auto loop = cast<scf::WhileOp>(end->getParentOp());
        zip(end.getArgsMutable(), loop.getAfterArguments());
        zip(end.getArgsMutable(), loop.getResults());
      })
      .Case<scf::YieldOp>([&](scf::YieldOp end) {
        Operation *parent = end->getParentOp();
        if (auto loop = dyn_cast<scf::WhileOp>(parent))
          return zip(end.getResultsMutable(), loop.getBeforeArguments());
        if (auto loop = dyn_cast<scf::ForOp>(parent))
          zip(end.getResultsMutable(), loop.getRegionIterArgs());
        zip(end.getResultsMutable(), parent->getResults());
      });
}

/// Whether `op` is arithmetic on integers, which the host does as a region would, apart from overflow.
bool isIntegerArithmetic(linalg::GenericOp op) {
  if (op.getNumLoops() != 0 || !op.hasPureTensorSemantics() || !llvm::all_of(op.getOperandTypes(), isIntegerTensor) ||
      llvm::any_of(op.getRegionOutputArgs(), [](Value value) { return !value.use_empty(); }))
    return false;
  Block *body = op.getBody();
  auto isOperand = [&](Value value) {
    return isInteger(value.getType()) && (value.getParentBlock() == body || matchPattern(value, m_Constant()));
  };
  return llvm::all_of(body->getTerminator()->getOperands(), isOperand) &&
         llvm::all_of(body->without_terminator(), [&](Operation &inner) {
           return isHostOp(&inner) && llvm::all_of(inner.getOperands(), isOperand) &&
                  llvm::all_of(inner.getResultTypes(), isInteger);
         });
}

//===----------------------------------------------------------------------===//
// Bounds
//===----------------------------------------------------------------------===//

/// Python's integers do not wrap, so one that might is not promoted. What grows from iteration to iteration is taken to
/// stay below 2^62 if it does so by at most 2^20 an operation: it takes 2^42 of them to get there.
constexpr int64_t kCounterBound = int64_t(1) << 62;
constexpr int64_t kStepBound = int64_t(1) << 20;

struct Bounds {
  int64_t low, high;

  static Bounds full() { return {std::numeric_limits<int64_t>::min(), std::numeric_limits<int64_t>::max()}; }
  static Bounds counter() { return {-kCounterBound, kCounterBound}; }
  static Bounds of(const APInt &value) {
    int64_t number = value.getBitWidth() == 1 ? int64_t(value.getZExtValue()) : value.getSExtValue();
    return {number, number};
  }

  bool operator==(const Bounds &other) const { return low == other.low && high == other.high; }
  bool isWithin(int64_t bound) const { return -bound <= low && high <= bound; }
  Bounds join(Bounds other) const { return {std::min(low, other.low), std::max(high, other.high)}; }
};

/// The bounds of the result of `op`, or nothing if it may wrap.
std::optional<Bounds> computeBounds(Operation *op, ArrayRef<Bounds> in) {
  auto add = [](Bounds a, Bounds b) -> std::optional<Bounds> {
    if (!a.isWithin(kCounterBound) || !b.isWithin(kCounterBound))
      return std::nullopt;
    // Below 2^62 each, so that the sums cannot overflow; a counter stays one.
    bool isCounter = !a.isWithin(kCounterBound - 1) || !b.isWithin(kCounterBound - 1);
    if (isCounter)
      return a.isWithin(kStepBound) || b.isWithin(kStepBound) ? std::optional(Bounds::counter()) : std::nullopt;
    Bounds sum{a.low + b.low, a.high + b.high};
    return sum.isWithin(kCounterBound - 1) ? std::optional(sum) : std::nullopt;
  };
  auto multiply = [](Bounds a, Bounds b) -> std::optional<Bounds> {
    if (!a.isWithin(kCounterBound - 1) || !b.isWithin(kCounterBound - 1))
      return std::nullopt;
    int64_t corners[4];
    if (llvm::MulOverflow(a.low, b.low, corners[0]) || llvm::MulOverflow(a.low, b.high, corners[1]) ||
        llvm::MulOverflow(a.high, b.low, corners[2]) || llvm::MulOverflow(a.high, b.high, corners[3]))
      return std::nullopt;
    Bounds product{*llvm::min_element(corners), *llvm::max_element(corners)};
    return product.isWithin(kCounterBound - 1) ? std::optional(product) : std::nullopt;
  };
  if (op->getResult(0).getType().isInteger(1))
    return Bounds{0, 1};
  return llvm::TypeSwitch<Operation *, std::optional<Bounds>>(op)
      .Case<arith::AddIOp>([&](auto) { return add(in[0], in[1]); })
      .Case<arith::SubIOp>([&](auto) -> std::optional<Bounds> {
        return in[1].isWithin(kCounterBound) ? add(in[0], {-in[1].high, -in[1].low}) : std::nullopt;
      })
      .Case<arith::MulIOp>([&](auto) { return multiply(in[0], in[1]); })
      .Case<arith::MinSIOp>(
          [&](auto) { return Bounds{std::min(in[0].low, in[1].low), std::min(in[0].high, in[1].high)}; })
      .Case<arith::MaxSIOp>(
          [&](auto) { return Bounds{std::max(in[0].low, in[1].low), std::max(in[0].high, in[1].high)}; })
      .Case<arith::SelectOp>([&](auto) { return in[1].join(in[2]); })
      .Case<arith::ExtUIOp>([&](auto) { return in[0]; })
      .Default([](Operation *) { return Bounds::full(); });
}

//===----------------------------------------------------------------------===//
// Promotion
//===----------------------------------------------------------------------===//

class Promoter {
public:
  explicit Promoter(func::FuncOp function) { collect(function); }

  /// Promotes what can be. Returns the number of values that are scalars now.
  unsigned run();

private:
  struct Flow {
    OpOperand *source;
    Value target;
  };
  /// What happens to members at one operation: `generic` computes them, or control flow hands them on.
  struct Step {
    linalg::GenericOp generic;
    SmallVector<Flow> flows;
  };

  void collect(func::FuncOp function);
  void addMember(Value value);
  void join(Value source, Value target);
  void refuse(Value member) { refused.insert(member); }
  void checkUses(Value member);

  Bounds getBounds(Value value) const;
  bool widen(Value value, Bounds bounds, bool isLate);
  SmallVector<Bounds> computeGeneric(linalg::GenericOp op);
  void checkOverflow();

  bool isPromoted(Value member) const { return !refusedClasses.contains(classes.getLeaderValue(member)); }
  Value read(OpBuilder &builder, Value tensor) const;
  void promoteGeneric(linalg::GenericOp op);

  SmallVector<Step> steps; ///< in program order
  SmallVector<Value> members;
  llvm::EquivalenceClasses<Value> classes;
  DenseSet<Value> refused;
  DenseSet<Value> refusedClasses; ///< by their leaders
  DenseMap<Value, Bounds> bounds;
};

void Promoter::addMember(Value value) {
  if (classes.contains(value))
    return;
  classes.insert(value);
  members.push_back(value);
}

void Promoter::collect(func::FuncOp function) {
  function.walk<WalkOrder::PreOrder>([&](Operation *op) {
    if (op == function || !isHostBlock(op->getBlock()))
      return;
    Step step;
    if (auto generic = dyn_cast<linalg::GenericOp>(op); generic && isIntegerArithmetic(generic)) {
      step.generic = generic;
      for (Value result : generic.getResults())
        addMember(result);
      steps.push_back(step);
      return;
    }
    forEachFlow(op, [&](OpOperand &source, Value target) {
      if (!isIntegerTensor(target.getType()))
        return;
      addMember(target);
      step.flows.push_back({&source, target});
    });
    if (!step.flows.empty())
      steps.push_back(step);
  });

  for (Step &step : steps) {
    for (Flow flow : step.flows)
      join(flow.source->get(), flow.target);
    if (!step.generic)
      continue;
    for (Value result : step.generic.getResults()) {
      join(step.generic.getResult(0), result);
      for (Value input : step.generic.getInputs())
        join(input, result);
    }
  }
  for (Value member : members)
    checkUses(member);
}

void Promoter::join(Value source, Value target) {
  if (isSource(source))
    return;
  if (classes.contains(source))
    classes.unionSets(source, target);
  else
    refuse(target);
}

/// Refuses `member` if something reads it as a tensor.
void Promoter::checkUses(Value member) {
  for (OpOperand &use : member.getUses()) {
    Operation *user = use.getOwner();
    if (isa<tensor::ExtractOp>(user))
      continue;
    if (auto generic = dyn_cast<linalg::GenericOp>(user); generic && classes.contains(generic.getResult(0))) {
      if (!generic.isDpsInput(&use))
        refuse(member);
      continue;
    }
    bool isFlow = false;
    if (isHostBlock(user->getBlock()))
      forEachFlow(user, [&](OpOperand &source, Value) { isFlow |= &source == &use; });
    if (!isFlow)
      refuse(member);
  }
}

Bounds Promoter::getBounds(Value value) const {
  if (auto found = bounds.find(value); found != bounds.end())
    return found->second;
  if (getElementTypeOrSelf(value).isInteger(1))
    return {0, 1};
  APInt scalar;
  if (matchPattern(value, m_ConstantInt(&scalar)))
    return Bounds::of(scalar);
  if (DenseElementsAttr elements = getConstant(value))
    return Bounds::of(elements.getSplatValue<APInt>());
  if (value.getDefiningOp<ub::PoisonOp>())
    return {0, 0}; // What it is where something computes with it all the same.
  return Bounds::full();
}

/// Takes `more` into the bounds of `value`. Returns whether they grew.
bool Promoter::widen(Value value, Bounds more, bool isLate) {
  auto [entry, isNew] = bounds.try_emplace(value, more);
  if (isNew)
    return true;
  Bounds joined = entry->second.join(more);
  if (joined == entry->second)
    return false;
  entry->second = isLate && joined.isWithin(kCounterBound) ? Bounds::counter() : joined;
  return true;
}

/// The bounds of the results of `op`; refuses it if one of its operations may wrap.
SmallVector<Bounds> Promoter::computeGeneric(linalg::GenericOp op) {
  DenseMap<Value, Bounds> inBody;
  for (auto [input, argument] : llvm::zip_equal(op.getInputs(), op.getRegionInputArgs()))
    inBody[argument] = getBounds(input);
  auto lookUp = [&](Value value) {
    auto found = inBody.find(value);
    return found == inBody.end() ? getBounds(value) : found->second;
  };
  for (Operation &inner : op.getBody()->without_terminator()) {
    SmallVector<Bounds> in = llvm::map_to_vector(inner.getOperands(), lookUp);
    std::optional<Bounds> result = computeBounds(&inner, in);
    if (!result)
      refuse(op.getResult(0));
    inBody[inner.getResult(0)] = result.value_or(Bounds::full());
  }
  return llvm::map_to_vector(op.getBody()->getTerminator()->getOperands(), lookUp);
}

/// Bounds of all members, to a fixpoint. Without loops one round is enough; what still grows after some is a counter.
void Promoter::checkOverflow() {
  constexpr unsigned kRounds = 8;
  bool isChanged = true;
  for (unsigned round = 0; isChanged; ++round) {
    isChanged = false;
    for (Step &step : steps) {
      for (Flow flow : step.flows)
        isChanged |= widen(flow.target, getBounds(flow.source->get()), round >= kRounds);
      if (step.generic)
        for (auto [result, computed] : llvm::zip_equal(step.generic.getResults(), computeGeneric(step.generic)))
          isChanged |= widen(result, computed, round >= kRounds);
    }
  }
}

Value Promoter::read(OpBuilder &builder, Value tensor) const {
  return isIntegerTensor(tensor.getType()) ? readSource(builder, tensor) : tensor;
}

void Promoter::promoteGeneric(linalg::GenericOp op) {
  OpBuilder builder(op);
  IRMapping mapping;
  for (auto [input, argument] : llvm::zip_equal(op.getInputs(), op.getRegionInputArgs()))
    mapping.map(argument, read(builder, input));
  for (Operation &inner : op.getBody()->without_terminator())
    builder.clone(inner, mapping);
  for (auto [result, value] : llvm::zip_equal(op.getResults(), op.getBody()->getTerminator()->getOperands()))
    Value(result).replaceAllUsesWith(mapping.lookupOrDefault(value));
  op.erase();
}

unsigned Promoter::run() {
  checkOverflow();
  for (Value member : refused)
    refusedClasses.insert(classes.getLeaderValue(member));

  SmallVector<tensor::ExtractOp> extracts;
  SmallVector<linalg::GenericOp> generics;
  SmallVector<OpOperand *> handedOn;
  unsigned numPromoted = 0;
  for (Value member : members)
    if (isPromoted(member)) {
      ++numPromoted;
      for (Operation *user : member.getUsers())
        if (auto extract = dyn_cast<tensor::ExtractOp>(user))
          extracts.push_back(extract);
    }
  for (Step &step : steps) {
    for (Flow flow : step.flows)
      if (isPromoted(flow.target)) {
        flow.target.setType(getElementTypeOrSelf(flow.target));
        handedOn.push_back(flow.source);
      }
    if (step.generic && isPromoted(step.generic.getResult(0)))
      generics.push_back(step.generic);
  }

  // In program order, so that what an operation reads is a scalar already.
  for (linalg::GenericOp op : generics)
    promoteGeneric(op);
  for (OpOperand *operand : handedOn) {
    OpBuilder builder(operand->getOwner());
    operand->set(read(builder, operand->get()));
  }
  for (tensor::ExtractOp extract : extracts) {
    // Not getTensor(): it is no tensor any more.
    extract.getResult().replaceAllUsesWith(extract->getOperand(0));
    extract.erase();
  }
  return numPromoted;
}

struct PromoteIntegersPass : public dycl::impl::DyclPromoteIntegersPassBase<PromoteIntegersPass> {
  using DyclPromoteIntegersPassBase::DyclPromoteIntegersPassBase;

  void runOnOperation() override {
    for (auto function : getOperation().getOps<func::FuncOp>())
      if (!function.isExternal())
        numPromoted += Promoter(function).run();
  }
};

} // namespace
