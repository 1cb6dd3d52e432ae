//===- LegalizeForSpirv.cpp - What IREE makes no SPIR-V of ----------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "mlir/Dialect/Affine/Utils.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Arith/Transforms/Passes.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/SCF/Utils/Utils.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Dialect/Utils/StructuredOpsUtils.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"
#include "passes/Passes.h"
#include "passes/Utils/DispatchRegion.h"
#include "passes/Utils/IreeOps.h"

namespace dycl {
#define GEN_PASS_DEF_DYCLLEGALIZEFORSPIRVPASS
#include "passes/Passes.h.inc"
} // namespace dycl

using namespace mlir;
using namespace dycl;

//===----------------------------------------------------------------------===//
// Types
//===----------------------------------------------------------------------===//

static bool isLong(Type type) { return getElementTypeOrSelf(type).isInteger(64); }

static bool isDouble(Type type) { return getElementTypeOrSelf(type).isF64(); }

static bool isStatic(Type type) { return cast<ShapedType>(type).hasStaticShape(); }

/// Whether `op`, or what is in it, gives a result of such a type.
static bool computes(Operation *op, llvm::function_ref<bool(Type)> isType) {
  auto visit = [&](Operation *inner) {
    return llvm::any_of(inner->getResultTypes(), isType) ? WalkResult::interrupt() : WalkResult::advance();
  };
  return op->walk(visit).wasInterrupted();
}

//===----------------------------------------------------------------------===//
// 64-bit integers as halves
//===----------------------------------------------------------------------===//
// IREE computes i64 as two i32 for SPIR-V, but carries none through loops.

namespace {

/// An i64 as two i32.
struct Halves {
  Value low, high;
};

} // namespace

static Value getConstant(OpBuilder &builder, Location location, Type type, int64_t value) {
  return arith::ConstantOp::create(builder, location, builder.getIntegerAttr(type, value));
}

static Halves split(OpBuilder &builder, Location location, Value value) {
  Type half = builder.getI32Type();
  Value bits = getConstant(builder, location, value.getType(), 32);
  Value high = arith::ShRUIOp::create(builder, location, value, bits);
  return {arith::TruncIOp::create(builder, location, half, value),
          arith::TruncIOp::create(builder, location, half, high)};
}

static Value join(OpBuilder &builder, Location location, Halves halves) {
  Type whole = builder.getI64Type();
  Value low = arith::ExtUIOp::create(builder, location, whole, halves.low);
  Value high = arith::ExtUIOp::create(builder, location, whole, halves.high);
  Value bits = getConstant(builder, location, whole, 32);
  return arith::OrIOp::create(builder, location, arith::ShLIOp::create(builder, location, high, bits), low);
}

/// `values` as a loop carries them.
static SmallVector<Value> splitAll(OpBuilder &builder, Location location, ValueRange values) {
  SmallVector<Value> carried;
  for (Value value : values) {
    if (!isLong(value.getType())) {
      carried.push_back(value);
      continue;
    }
    Halves halves = split(builder, location, value);
    carried.append({halves.low, halves.high});
  }
  return carried;
}

/// What `splitAll` made `carried` of, which had these types.
static SmallVector<Value> joinAll(OpBuilder &builder, Location location, ValueRange carried, TypeRange types) {
  SmallVector<Value> values;
  for (Type type : types) {
    if (!isLong(type)) {
      values.push_back(carried.front());
      carried = carried.drop_front();
      continue;
    }
    values.push_back(join(builder, location, {carried[0], carried[1]}));
    carried = carried.drop_front(2);
  }
  return values;
}

//===----------------------------------------------------------------------===//
// Reductions
//===----------------------------------------------------------------------===//

/// The threads of a workgroup that IREE fills, and the bytes of shared memory that it may use.
constexpr int64_t workgroupThreads = 64, sharedMemory = 16384;

/// Mesa's lavapipe ends the loops of a thread after 65,535 iterations, without a word. Loops in bodies that may have
/// more than `maxIterations` are unrolled; a product of more than `maxTerms` becomes such a loop.
constexpr int64_t maxIterations = 4096, maxTerms = 32768;

/// How many iterations these loops of `op` have together, if that is known.
static std::optional<int64_t> countIterations(linalg::LinalgOp op, ArrayRef<unsigned> loops) {
  SmallVector<int64_t> all = op.getStaticLoopRanges();
  auto ranges = llvm::map_to_vector(loops, [&](unsigned loop) { return all[loop]; });
  if (ShapedType::isDynamicShape(ranges))
    return std::nullopt;
  return ShapedType::getNumElements(ranges);
}

/// Whether IREE 3.13 makes bad SPIR-V, or none, of `op`, where that is a reduction: of a depthwise convolution half of
/// the elements were not written; of other reductions it keeps what is fused with them in shared memory, where it does
/// not vectorize, and where it does, they are code of such length that lavapipe compiles it for minutes.
static bool isReductionWithoutSpirv(linalg::LinalgOp op) {
  if (op->getName().stripDialect().starts_with("depthwise_conv"))
    return true;
  SmallVector<unsigned> parallel, reductions;
  op.getParallelDims(parallel);
  op.getReductionDims(reductions);
  if (reductions.empty())
    return false;
  std::optional<int64_t> iterations = countIterations(op, reductions), elements = countIterations(op, parallel);
  if (!iterations || !elements)
    return true;
  // Nothing is fused before products and convolutions.
  if (linalg::isaContractionOpInterface(op) || linalg::isaConvolutionOpInterface(op))
    return *iterations > maxTerms;
  return *iterations * std::min(*elements, workgroupThreads) * int64_t(sizeof(int32_t)) > sharedMemory / 2;
}

/// Whether `op` may compute several elements of one that it reads at `operand`.
static bool broadcasts(linalg::LinalgOp op, OpOperand &operand) {
  AffineMap map = op.getMatchingIndexingMap(&operand);
  if (!map.isProjectedPermutation(/*allowZeroInResults=*/true))
    return true;
  for (auto [loop, size] : llvm::enumerate(op.getStaticLoopRanges()))
    if (size != 1 && !map.isFunctionOfDim(loop))
      return true;
  return false;
}

/// Whether a result of `op` has a dimension of 1 for a loop that reduces.
static bool keepsDimension(linalg::LinalgOp op) {
  return llvm::any_of(op.getDpsInitsMutable(),
                      [&](OpOperand &init) { return !op.getMatchingIndexingMap(&init).isProjectedPermutation(); });
}

/// Whether an operation that may be fused with `op` computes several elements of one of its results. Operations are
/// fused through others that compute an element from an element, and through reshapes, up to the next reduction.
static bool isBroadcast(Operation *op) {
  SmallVector<Operation *> ops = {op};
  llvm::SmallPtrSet<Operation *, 8> seen;
  while (!ops.empty()) {
    for (OpOperand &use : ops.pop_back_val()->getUses()) {
      Operation *user = use.getOwner();
      if (auto linalgUser = dyn_cast<linalg::LinalgOp>(user)) {
        if (linalgUser.getNumReductionLoops() != 0)
          continue;
        if (broadcasts(linalgUser, use))
          return true;
      } else if (!isa<tensor::CollapseShapeOp, tensor::ExpandShapeOp, tensor::ExtractSliceOp>(user)) {
        continue;
      }
      if (seen.insert(user).second)
        ops.push_back(user);
    }
  }
  return false;
}

/// For each result, which element of it an iteration of the parallel loops computes; nothing where that is not one
/// element each.
static std::optional<SmallVector<AffineMap>> getResultMaps(linalg::LinalgOp op, ArrayRef<unsigned> parallel) {
  // The parallel loops in their order; no result map has the others.
  SmallVector<AffineExpr> renumbered(op.getNumLoops(), getAffineConstantExpr(0, op.getContext()));
  for (auto [i, dim] : llvm::enumerate(parallel))
    renumbered[dim] = getAffineDimExpr(i, op.getContext());
  SmallVector<AffineMap> maps;
  for (OpOperand &init : op.getDpsInitsMutable()) {
    AffineMap map = op.getMatchingIndexingMap(&init);
    // A dimension that is kept, as 1, is 0 in the map.
    if (!map.isProjectedPermutation(/*allowZeroInResults=*/true) ||
        !llvm::all_of(parallel, [&](unsigned dim) { return map.isFunctionOfDim(dim); }))
      return std::nullopt;
    maps.push_back(map.replaceDimsAndSymbols(renumbered, {}, parallel.size(), 0));
  }
  return maps;
}

/// The values of the inputs of `op` at `indices`, one a loop.
static SmallVector<Value> readInputs(OpBuilder &builder, linalg::LinalgOp op, ValueRange indices) {
  Location location = op.getLoc();
  SmallVector<Value> elements;
  for (OpOperand *input : op.getDpsInputOperands()) {
    if (!isa<TensorType>(input->get().getType())) {
      elements.push_back(input->get());
      continue;
    }
    SmallVector<Value> position;
    for (AffineExpr expression : op.getMatchingIndexingMap(input).getResults())
      position.push_back(affine::expandAffineExpr(builder, location, expression, indices, {}));
    elements.push_back(tensor::ExtractOp::create(builder, location, input->get(), position));
  }
  return elements;
}

/// The body of `op` once, on these elements: what it yields.
static SmallVector<Value> cloneBody(OpBuilder &builder, linalg::LinalgOp op, ValueRange elements, ValueRange indices) {
  IRMapping mapping;
  mapping.map(op.getBlock()->getArguments(), elements);
  for (Operation &inner : op.getBlock()->without_terminator()) {
    Operation *clone = builder.clone(inner, mapping);
    clone->walk([&](linalg::IndexOp index) {
      index.getResult().replaceAllUsesWith(indices[index.getDim()]);
      if (clone == index)
        mapping.map(inner.getResult(0), indices[index.getDim()]);
      index.erase();
    });
  }
  return llvm::map_to_vector(op.getBlock()->getTerminator()->getOperands(),
                             [&](Value value) { return mapping.lookupOrDefault(value); });
}

/// `op` as a computation of each element by itself, with the reduction, if it is one, as a loop in it: one thread an
/// element. Without a reduction elements are read at the index plus `zero`. Null where it cannot be.
static linalg::GenericOp putLoopInBody(linalg::LinalgOp op, Value zero) {
  SmallVector<unsigned> parallel, reductions;
  op.getParallelDims(parallel);
  op.getReductionDims(reductions);
  std::optional<SmallVector<AffineMap>> maps = getResultMaps(op, parallel);
  if (!maps || !op.hasPureTensorSemantics())
    return {};
  OpBuilder builder(op);
  Location location = op.getLoc();
  SmallVector<Range> ranges = op.createLoopRanges(builder, location);
  SmallVector<Value> lowers, uppers, steps;
  for (unsigned dim : reductions) {
    lowers.push_back(getValueOrCreateConstantIndexOp(builder, location, ranges[dim].offset));
    uppers.push_back(getValueOrCreateConstantIndexOp(builder, location, ranges[dim].size));
    steps.push_back(getValueOrCreateConstantIndexOp(builder, location, ranges[dim].stride));
  }

  scf::ForOp innermost;
  auto buildElement = [&](OpBuilder &builder, Location location, ValueRange initial) {
    SmallVector<Value> indices(op.getNumLoops());
    for (auto [i, dim] : llvm::enumerate(parallel))
      indices[dim] = linalg::IndexOp::create(builder, location, i);
    if (reductions.empty()) {
      for (unsigned dim : parallel)
        indices[dim] = arith::AddIOp::create(builder, location, indices[dim], zero);
      SmallVector<Value> elements = readInputs(builder, op, indices);
      llvm::append_range(elements, initial);
      linalg::YieldOp::create(builder, location, cloneBody(builder, op, elements, indices));
      return;
    }
    auto buildStep = [&](OpBuilder &builder, Location location, ValueRange loops, ValueRange carried) {
      for (auto [dim, loop] : llvm::zip_equal(reductions, loops))
        indices[dim] = loop;
      SmallVector<Value> elements = readInputs(builder, op, indices);
      llvm::append_range(elements, joinAll(builder, location, carried, initial.getTypes()));
      return splitAll(builder, location, cloneBody(builder, op, elements, indices));
    };
    scf::LoopNest nest =
        scf::buildLoopNest(builder, location, lowers, uppers, steps, splitAll(builder, location, initial), buildStep);
    linalg::YieldOp::create(builder, location, joinAll(builder, location, nest.results, initial.getTypes()));
    innermost = nest.loops.back();
  };
  SmallVector<utils::IteratorType> iterators(parallel.size(), utils::IteratorType::parallel);
  auto generic = linalg::GenericOp::create(builder, location, op->getResultTypes(), /*inputs=*/ValueRange(),
                                           op.getDpsInits(), *maps, iterators, buildElement);
  // Nothing known is many.
  if (innermost && countIterations(op, reductions).value_or(maxIterations + 1) > maxIterations)
    (void)loopUnrollByFactor(innermost, /*unrollFactor=*/8); // Where it cannot, the loop is right as it is.
  op->replaceAllUsesWith(generic);
  op->erase();
  return generic;
}

//===----------------------------------------------------------------------===//
// Division
//===----------------------------------------------------------------------===//

namespace {

/// An unsigned division of i64, in halves.
struct Division {
  Halves quotient, remainder;
};

} // namespace

/// One step of a long division: the next bit of `dividend` goes into the remainder, a bit of the quotient into
/// `dividend`, whose bits are shifted out above.
static Division buildDivisionStep(OpBuilder &builder, Location location, Halves dividend, Halves remainder,
                                  Halves divisor) {
  Type half = builder.getI32Type();
  Value one = getConstant(builder, location, half, 1), top = getConstant(builder, location, half, 31);
  auto shift = [&](Value value, Value carriedIn) -> Value {
    Value shifted = arith::ShLIOp::create(builder, location, value, one);
    return arith::OrIOp::create(builder, location, shifted, carriedIn);
  };
  auto topBit = [&](Value value) -> Value { return arith::ShRUIOp::create(builder, location, value, top); };
  auto compare = [&](arith::CmpIPredicate predicate, Value left, Value right) -> Value {
    return arith::CmpIOp::create(builder, location, predicate, left, right);
  };
  // The bit that the remainder loses, where it is that long, counts as well.
  Value overflow = topBit(remainder.high);
  Halves next = {shift(remainder.low, topBit(dividend.high)), shift(remainder.high, topBit(remainder.low))};
  Value lowIsLess = compare(arith::CmpIPredicate::ult, next.low, divisor.low);
  Value borrow = arith::ExtUIOp::create(builder, location, half, lowIsLess);
  Halves less = {arith::SubIOp::create(builder, location, next.low, divisor.low),
                 arith::SubIOp::create(builder, location,
                                       arith::SubIOp::create(builder, location, next.high, divisor.high), borrow)};
  Value highIsEqual = compare(arith::CmpIPredicate::eq, next.high, divisor.high);
  Value lowFits = compare(arith::CmpIPredicate::uge, next.low, divisor.low);
  Value fits = arith::OrIOp::create(builder, location, compare(arith::CmpIPredicate::ugt, next.high, divisor.high),
                                    arith::AndIOp::create(builder, location, highIsEqual, lowFits));
  fits = arith::OrIOp::create(builder, location, fits,
                              arith::TruncIOp::create(builder, location, builder.getI1Type(), overflow));
  Value bit = arith::ExtUIOp::create(builder, location, half, fits);
  return {{shift(dividend.low, bit), shift(dividend.high, topBit(dividend.low))},
          {arith::SelectOp::create(builder, location, fits, less.low, next.low),
           arith::SelectOp::create(builder, location, fits, less.high, next.high)}};
}

/// 32 bits by 32 bits where both are that short, as indices are; else bit by bit.
static Division buildDivision(OpBuilder &builder, Location location, Halves dividend, Halves divisor) {
  Type half = builder.getI32Type();
  Value zero = getConstant(builder, location, half, 0);
  Value highs = arith::OrIOp::create(builder, location, dividend.high, divisor.high);
  Value areShort = arith::CmpIOp::create(builder, location, arith::CmpIPredicate::eq, highs, zero);
  auto buildShort = [&](OpBuilder &builder, Location location) {
    Value quotient = arith::DivUIOp::create(builder, location, dividend.low, divisor.low);
    Value remainder = arith::RemUIOp::create(builder, location, dividend.low, divisor.low);
    scf::YieldOp::create(builder, location, ValueRange{quotient, zero, remainder, zero});
  };
  auto buildLong = [&](OpBuilder &builder, Location location) {
    Value one = getConstant(builder, location, half, 1), bits = getConstant(builder, location, half, 64);
    auto loop =
        scf::ForOp::create(builder, location, zero, bits, one, ValueRange{dividend.low, dividend.high, zero, zero},
                           [&](OpBuilder &builder, Location location, Value, ValueRange carried) {
                             Division next = buildDivisionStep(builder, location, {carried[0], carried[1]},
                                                               {carried[2], carried[3]}, divisor);
                             scf::YieldOp::create(builder, location,
                                                  ValueRange{next.quotient.low, next.quotient.high, next.remainder.low,
                                                             next.remainder.high});
                           });
    scf::YieldOp::create(builder, location, loop.getResults());
  };
  auto choice = scf::IfOp::create(builder, location, areShort, buildShort, buildLong);
  return {{choice.getResult(0), choice.getResult(1)}, {choice.getResult(2), choice.getResult(3)}};
}

/// A quotient, rounded to zero, or a remainder of i64 in operations of i32.
static Value expandDivision(OpBuilder &builder, Operation *op) {
  Location location = op->getLoc();
  Value left = op->getOperand(0), right = op->getOperand(1);
  Value zero = getConstant(builder, location, left.getType(), 0);
  auto isNegative = [&](Value value) -> Value {
    return arith::CmpIOp::create(builder, location, arith::CmpIPredicate::slt, value, zero);
  };
  auto negateIf = [&](Value condition, Value value) -> Value {
    Value negative = arith::SubIOp::create(builder, location, zero, value);
    return arith::SelectOp::create(builder, location, condition, negative, value);
  };
  bool isSigned = !isa<arith::DivUIOp, arith::RemUIOp>(op);
  Value leftIsNegative, quotientIsNegative;
  if (isSigned) {
    leftIsNegative = isNegative(left);
    Value rightIsNegative = isNegative(right);
    quotientIsNegative = arith::XOrIOp::create(builder, location, leftIsNegative, rightIsNegative);
    left = negateIf(leftIsNegative, left);
    right = negateIf(rightIsNegative, right);
  }
  Division division = buildDivision(builder, location, split(builder, location, left), split(builder, location, right));
  if (isa<arith::RemSIOp, arith::RemUIOp>(op)) {
    Value remainder = join(builder, location, division.remainder);
    return isSigned ? negateIf(leftIsNegative, remainder) : remainder;
  }
  Value quotient = join(builder, location, division.quotient);
  return isSigned ? negateIf(quotientIsNegative, quotient) : quotient;
}

/// The operations on i64, of these kinds, in the bodies of tensor operations. Scalars of the function run on the host.
template <typename... Ops> static SmallVector<Operation *> getLongOpsInBodies(func::FuncOp function) {
  SmallVector<Operation *> found;
  function.walk([&](linalg::LinalgOp op) {
    op->walk([&](Operation *inner) {
      if (isa<Ops...>(inner) && isLong(inner->getResult(0).getType()))
        found.push_back(inner);
    });
  });
  return found;
}

/// The absolute value of an i64; of the least one it is itself.
static Value expandAbsolute(OpBuilder &builder, Operation *op) {
  Location location = op->getLoc();
  Value value = op->getOperand(0), zero = getConstant(builder, location, value.getType(), 0);
  Value negative = arith::SubIOp::create(builder, location, zero, value);
  Value isNegative = arith::CmpIOp::create(builder, location, arith::CmpIPredicate::slt, value, zero);
  return arith::SelectOp::create(builder, location, isNegative, negative, value);
}

/// Rounds quotients down or up by what `expandDivision` knows.
static LogicalResult expandRounding(func::FuncOp function) {
  RewritePatternSet patterns(function.getContext());
  arith::populateCeilFloorDivExpandOpsPatterns(patterns);
  GreedyRewriteConfig config;
  config.setStrictness(GreedyRewriteStrictness::ExistingOps);
  return applyOpPatternsGreedily(getLongOpsInBodies<arith::FloorDivSIOp, arith::CeilDivSIOp>(function),
                                 std::move(patterns), config);
}

//===----------------------------------------------------------------------===//
// The pass
//===----------------------------------------------------------------------===//

namespace {

struct LegalizeForSpirvPass : public dycl::impl::DyclLegalizeForSpirvPassBase<LegalizeForSpirvPass> {
  using DyclLegalizeForSpirvPassBase::DyclLegalizeForSpirvPassBase;

  void runOnOperation() override {
    if (getOperation().isExternal())
      return;
    if (failed(expandRounding(getOperation())))
      return signalPassFailure();
    expandInBodies<math::AbsIOp>(expandAbsolute);
    SmallVector<linalg::LinalgOp> ops, broadcastReductions;
    getOperation().walk([&](linalg::LinalgOp op) {
      bool usesLong = llvm::any_of(op->getOperandTypes(), isLong) || computes(op, isLong);
      bool broadcast = op.getNumReductionLoops() != 0 && isBroadcast(op);
      // A fill reads no tensor, so there is nothing to read in another way. In a dispatch region IREE does not drop
      // dimensions of 1 any more, and a reduction that keeps one came out wrong.
      if ((usesLong && !isa<linalg::FillOp>(op)) || isReductionWithoutSpirv(op) || (broadcast && keepsDimension(op)))
        ops.push_back(op);
      else if (broadcast)
        broadcastReductions.push_back(op);
    });
    numDivisions += expandInBodies<arith::DivSIOp, arith::DivUIOp, arith::RemSIOp, arith::RemUIOp>(expandDivision);
    // These are of static sizes.
    for (linalg::LinalgOp op : broadcastReductions)
      putInDispatchRegion(op);
    numBroadcast += broadcastReductions.size();
    if (ops.empty())
      return;
    bool usesDouble = computes(getOperation(), isDouble);
    Value zero = createHiddenZero();
    for (linalg::LinalgOp op : ops) {
      bool reduces = op.getNumReductionLoops() != 0;
      linalg::GenericOp generic = putLoopInBody(op, zero);
      if (!generic)
        continue;
      ++(reduces ? numReductions : numLongOps);
      // A user that computes no i64 may be vectorized; and of a reduction each element of the user would reduce anew.
      if (!reduces && llvm::all_of(generic->getResultTypes(), isLong))
        continue;
      // IREE may make f32 of f64. It then takes what it computes outside for the same in a dispatch, which it does not
      // compile; and for f64 it has to be told how many workgroups there are, which depends on dynamic sizes.
      if (!usesDouble || llvm::all_of(generic->getResultTypes(), isStatic))
        putInDispatchRegion(generic);
    }
    hideConstants();
  }

private:
  /// Replaces the operations on i64, of these kinds, in the bodies of tensor operations; tells how many.
  template <typename... Ops> unsigned expandInBodies(llvm::function_ref<Value(OpBuilder &, Operation *)> expand) {
    SmallVector<Operation *> ops = getLongOpsInBodies<Ops...>(getOperation());
    for (Operation *op : ops) {
      OpBuilder builder(op);
      op->getResult(0).replaceAllUsesWith(expand(builder, op));
      op->erase();
    }
    return ops.size();
  }

  /// An index of 0 that IREE does not know: it reads `tensor.extract` at the very index of a loop as an operand again,
  /// and vectorizes it.
  Value createHiddenZero() {
    OpBuilder builder = OpBuilder::atBlockBegin(&getOperation().front());
    Location location = getOperation().getLoc();
    Value zero = arith::ConstantIndexOp::create(builder, location, 0);
    return createIreeOp(builder, location, "util.optimization_barrier", zero, zero.getType())->getResult(0);
  }

  /// Keeps i64 constants out of dispatches: what is not vectorized, as a body with a branch, cannot read them there. A
  /// barrier will do for these, whose memory is used for nothing else.
  void hideConstants() {
    getOperation().walk([](arith::ConstantOp constant) {
      auto elements = dyn_cast<DenseElementsAttr>(constant.getValue());
      if (!elements || elements.isSplat() || !isLong(elements.getType()))
        return;
      OpBuilder builder(constant->getContext());
      builder.setInsertionPointAfter(constant);
      Operation *hidden = createIreeOp(builder, constant.getLoc(), "util.optimization_barrier", constant.getResult(),
                                       constant.getType());
      constant.getResult().replaceAllUsesExcept(hidden->getResult(0), hidden);
    });
  }
};

} // namespace
