//===- DispatchBuilder.cpp - One computation with tiles of ours -----------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "passes/Utils/DispatchBuilder.h"

#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Utils/IndexingUtils.h"
#include "mlir/Dialect/Utils/StaticValueUtils.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/IR/Matchers.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"
#include "passes/Utils/IreeOps.h"
#include "passes/Utils/Text.h"
#include "llvm/ADT/StringExtras.h"

using namespace mlir;
using namespace dycl;

//===----------------------------------------------------------------------===//
// IREE's text
//===----------------------------------------------------------------------===//

static constexpr llvm::StringLiteral kDispatch = "flow.dispatch.workgroups";

static std::string toText(Type type) {
  std::string text;
  llvm::raw_string_ostream(text) << type;
  return text;
}

static Type getBindingType(RankedTensorType type, StringRef access) {
  return getIreeType(type.getContext(), "iree_tensor_ext",
                     "dispatch.tensor<" + access.str() + ":" + toText(type) + ">");
}

static std::string listNumbers(ArrayRef<int64_t> numbers) { return "[" + joinNumbers(numbers, ", ") + "]"; }

Attribute dycl::getTileAttribute(MLIRContext *context, ArrayRef<int64_t> parallel, ArrayRef<int64_t> reduction,
                                 StringRef pipeline, bool peels) {
  SmallVector<int64_t> noDistribution(parallel.size(), 0);
  std::string text =
      "compilation_info<lowering_config = #iree_cpu.lowering_config<distribution = " + listNumbers(noDistribution) +
      ", vector_common_parallel = " + listNumbers(parallel) + ", vector_reduction = " + listNumbers(reduction) +
      ">, translation_info = #iree_codegen.translation_info<pipeline = #iree_cpu.pipeline<" + pipeline.str() + ">" +
      (peels ? ", {enable_loop_peeling = true}" : "") + ">>";
  return OpaqueAttr::get(StringAttr::get(context, "iree_codegen"), text, NoneType::get(context));
}

/// The properties of a load or a store that say where: offsets are operands where they are values.
static SmallVector<NamedAttribute> getSliceProperties(OpBuilder &builder, ArrayRef<int32_t> segments,
                                                      ArrayRef<int64_t> offsets, ArrayRef<int64_t> sizes) {
  SmallVector<int64_t> strides(sizes.size(), 1);
  return {builder.getNamedAttr("operandSegmentSizes", builder.getDenseI32ArrayAttr(segments)),
          builder.getNamedAttr("static_offsets", builder.getDenseI64ArrayAttr(offsets)),
          builder.getNamedAttr("static_sizes", builder.getDenseI64ArrayAttr(sizes)),
          builder.getNamedAttr("static_strides", builder.getDenseI64ArrayAttr(strides))};
}

//===----------------------------------------------------------------------===//
// DispatchBuilder
//===----------------------------------------------------------------------===//

DispatchBuilder::DispatchBuilder(MLIRContext *context, Location location)
    : context(context), location(location), holder(ModuleOp::create(location)), body(context) {
  body.setInsertionPointToEnd(holder->getBody());
}

Value DispatchBuilder::getWorkgroup(unsigned dimension) {
  return createIreeOp(body, location, "flow.dispatch.workgroup.id", {}, body.getIndexType(),
                      body.getNamedAttr("dimension", body.getIndexAttr(dimension)))
      ->getResult(0);
}

Value DispatchBuilder::createZeros(ArrayRef<int64_t> sizes, Type element) {
  Value zero = arith::ConstantOp::create(body, location, body.getZeroAttr(element));
  Value empty = tensor::EmptyOp::create(body, location, sizes, element);
  return linalg::FillOp::create(body, location, zero, empty).getResult(0);
}

OpFoldResult DispatchBuilder::getTileOffset(unsigned dimension, const Tiling &tiling) {
  if (tiling.count() == 1)
    return body.getIndexAttr(0);
  Value workgroup = getWorkgroup(dimension);
  AffineExpr offset = body.getAffineDimExpr(0) * tiling.tile;
  if (tiling.isExact())
    return affine::AffineApplyOp::create(body, location, AffineMap::get(1, 0, offset), workgroup).getResult();
  AffineMap shifted = AffineMap::get(1, 0, {offset, body.getAffineConstantExpr(tiling.lastOffset())}, context);
  return affine::AffineMinOp::create(body, location, shifted, workgroup).getResult();
}

OpFoldResult DispatchBuilder::getTileOffset(unsigned dimension, int64_t tile, Value tensor) {
  bind(tensor);
  Value size = getBoundSizes(tensor).front(), workgroup = getWorkgroup(dimension);
  AffineExpr first = body.getAffineDimExpr(0) * tile, last = body.getAffineDimExpr(1) - tile;
  return affine::AffineMinOp::create(body, location, AffineMap::get(2, 0, {first, last}, context),
                                     ValueRange{workgroup, size})
      .getResult();
}

unsigned DispatchBuilder::bind(Value tensor, StringRef access) {
  auto [entry, isNew] = indexOf.try_emplace(tensor, operands.size());
  if (isNew) {
    auto type = cast<RankedTensorType>(tensor.getType());
    operands.push_back(tensor);
    holder->getBody()->addArgument(getBindingType(type, access), location);
  }
  return entry->second;
}

void DispatchBuilder::update(Value tensor) {
  tied = bind(tensor, "readwrite");
  output = holder->getBody()->getArgument(tied);
  getBoundSizes(tensor);
}

/// Whether `shape` is `sizes` without some that are 1.
static bool isWithoutUnits(ArrayRef<int64_t> shape, ArrayRef<int64_t> sizes) {
  for (int64_t size : sizes) {
    if (!shape.empty() && shape.front() == size)
      shape = shape.drop_front();
    else if (size != 1)
      return false;
  }
  return shape.empty();
}

/// Whether a transposition leaves the elements of a piece in their order: `sizes` are those of its result.
static bool keepsOrder(ArrayRef<int64_t> permutation, ArrayRef<int64_t> sizes) {
  int64_t previous = -1;
  for (auto [dimension, size] : llvm::zip_equal(permutation, sizes)) {
    if (size == 1)
      continue;
    if (dimension < previous)
      return false;
    previous = dimension;
  }
  return true;
}

/// The place of a piece in the source of `transpose`; none where elements would be in another order.
static std::optional<Piece> findInSource(linalg::TransposeOp transpose, const Piece &piece) {
  ArrayRef<int64_t> permutation = transpose.getPermutation();
  if (!keepsOrder(permutation, piece.sizes))
    return std::nullopt;
  SmallVector<int64_t> inverse = invertPermutationVector(permutation);
  return Piece{applyPermutation(ArrayRef(piece.offsets), inverse), applyPermutation(ArrayRef(piece.sizes), inverse)};
}

/// For each dimension of a shape without some dimensions of 1, that of the whole shape; none where it is another shape.
static std::optional<SmallVector<int64_t>> findDimensions(ArrayRef<ReassociationIndices> groups,
                                                          ArrayRef<int64_t> whole) {
  SmallVector<int64_t> dimensions;
  for (const ReassociationIndices &group : groups) {
    int64_t found = group.front();
    for (int64_t dimension : group)
      if (whole[dimension] != 1)
        found = dimension;
    if (llvm::count_if(group, [&](int64_t dimension) { return whole[dimension] != 1; }) > 1)
      return std::nullopt;
    dimensions.push_back(found);
  }
  return dimensions;
}

/// A piece with dimensions of size 1 more: dimension i of it is dimension dimensions[i] of the whole.
static Piece addUnitDimensions(MLIRContext *context, const Piece &piece, ArrayRef<int64_t> dimensions, int64_t rank) {
  Piece whole = {SmallVector<OpFoldResult>(rank, Builder(context).getIndexAttr(0)), SmallVector<int64_t>(rank, 1)};
  for (auto [i, dimension] : llvm::enumerate(dimensions)) {
    whole.offsets[dimension] = piece.offsets[i];
    whole.sizes[dimension] = piece.sizes[i];
  }
  return whole;
}

Value DispatchBuilder::load(Value tensor, const Piece &piece, unsigned numDropped) {
  auto type =
      RankedTensorType::get(ArrayRef(piece.sizes).drop_front(numDropped), getElementTypeOrSelf(tensor.getType()));
  return loadAs(type, tensor, piece);
}

Value DispatchBuilder::loadAs(RankedTensorType type, Value tensor, Piece piece) {
  // A slice of what another dispatch gave is read where it lies: IREE would copy it first.
  if (auto slice = tensor.getDefiningOp<tensor::ExtractSliceOp>()) {
    bool isPlain = slice.hasUnitStride() && slice.getSourceType().getRank() == slice.getType().getRank() &&
                   slice.getSourceType().hasStaticShape() && slice.getOffsets().empty() && slice.getSizes().empty();
    if (isPlain) {
      for (auto [offset, start] : llvm::zip_equal(piece.offsets, slice.getStaticOffsets())) {
        if (start == 0)
          continue;
        AffineMap shifted = AffineMap::get(1, 0, body.getAffineDimExpr(0) + start);
        offset = affine::makeComposedFoldedAffineApply(body, location, shifted, {offset});
      }
      return loadAs(type, slice.getSource(), std::move(piece));
    }
  }
  if (auto transpose = tensor.getDefiningOp<linalg::TransposeOp>())
    if (std::optional<Piece> source = findInSource(transpose, piece))
      if (isWithoutUnits(type.getShape(), source->sizes))
        return loadAs(type, transpose.getInput(), std::move(*source));
  if (auto collapse = tensor.getDefiningOp<tensor::CollapseShapeOp>()) {
    ArrayRef<int64_t> whole = collapse.getSrcType().getShape();
    if (auto dimensions = findDimensions(collapse.getReassociationIndices(), whole)) {
      Piece source = addUnitDimensions(context, piece, *dimensions, whole.size());
      if (isWithoutUnits(type.getShape(), source.sizes))
        return loadAs(type, collapse.getSrc(), std::move(source));
    }
  }
  Value binding = holder->getBody()->getArgument(bind(tensor));
  SmallVector<int64_t> offsets;
  SmallVector<Value> loadOperands = {binding}, dynamicOffsets;
  dispatchIndexOpFoldResults(piece.offsets, dynamicOffsets, offsets);
  SmallVector<Value> sizes = getBoundSizes(tensor);
  llvm::append_range(loadOperands, sizes);
  llvm::append_range(loadOperands, dynamicOffsets);
  int32_t numSizes = sizes.size(), numOffsets = dynamicOffsets.size();
  return createIreeOp(body, location, "iree_tensor_ext.dispatch.tensor.load", loadOperands, type,
                      getSliceProperties(body, {1, numSizes, numOffsets, 0, 0}, offsets, piece.sizes))
      ->getResult(0);
}

SmallVector<Value> DispatchBuilder::getBoundSizes(Value tensor) {
  auto type = cast<RankedTensorType>(tensor.getType());
  if (type.hasStaticShape())
    return {};
  for (auto &[bound, sizes] : operandSizes)
    if (bound == tensor)
      return sizes;
  // The values themselves are made when the dispatch is finished; in the body they are arguments.
  SmallVector<Value> sizes;
  for (unsigned i = 0; i < type.getNumDynamicDims(); ++i) {
    operands.push_back(Value());
    sizes.push_back(holder->getBody()->addArgument(body.getIndexType(), location));
  }
  operandSizes.emplace_back(tensor, sizes);
  return sizes;
}

void DispatchBuilder::store(Value value, const Piece &piece, RankedTensorType result) {
  if (!output)
    output = holder->getBody()->addArgument(getBindingType(result, "writeonly"), location);
  SmallVector<int64_t> offsets;
  SmallVector<Value> storeOperands = {value, output}, dynamicOffsets;
  dispatchIndexOpFoldResults(piece.offsets, dynamicOffsets, offsets);
  // A dynamic size of the result is that of the first operand that has one.
  SmallVector<Value> sizes;
  if (!result.hasStaticShape())
    sizes = operandSizes.front().second;
  llvm::append_range(storeOperands, sizes);
  llvm::append_range(storeOperands, dynamicOffsets);
  int32_t numSizes = sizes.size(), numOffsets = dynamicOffsets.size();
  createIreeOp(body, location, "iree_tensor_ext.dispatch.tensor.store", storeOperands, {},
               getSliceProperties(body, {1, 1, numSizes, numOffsets, 0, 0}, offsets, piece.sizes));
}

/// Copies into `region` the constants that are used in it and defined outside.
static void captureConstants(OpBuilder builder, Region &region) {
  builder.setInsertionPointToStart(&region.front());
  llvm::DenseMap<Value, Value> copies;
  region.walk([&](Operation *op) {
    for (OpOperand &operand : op->getOpOperands()) {
      Value value = operand.get();
      if (region.isAncestor(value.getParentRegion()))
        continue;
      Value &copy = copies[value];
      if (!copy)
        copy = builder.clone(*value.getDefiningOp())->getResult(0);
      operand.set(copy);
    }
  });
}

Value DispatchBuilder::finish(OpBuilder &builder, ArrayRef<Value> grid, RankedTensorType result, ValueRange sizes) {
  createIreeOp(body, location, "flow.return", {}, {});
  captureConstants(body, holder->getBodyRegion());
  // The sizes of dynamic operands are operands too, and then once more, to say which are whose.
  SmallVector<Value> operandDims;
  unsigned next = 0;
  for (auto &[tensor, arguments] : operandSizes) {
    auto type = cast<RankedTensorType>(tensor.getType());
    for (int64_t dimension = 0; dimension < type.getRank(); ++dimension) {
      if (!type.isDynamicDim(dimension))
        continue;
      Value size = tensor::DimOp::create(builder, location, tensor, dimension);
      while (operands[next])
        ++next;
      operands[next] = size;
      operandDims.push_back(size);
    }
  }
  OperationState state(location, kDispatch);
  state.addOperands(grid);
  state.addOperands(operands);
  state.addOperands(operandDims);
  state.addOperands(sizes);
  state.addTypes(result);
  int32_t segments[] = {int32_t(grid.size()), int32_t(operands.size()), int32_t(operandDims.size()),
                        int32_t(sizes.size())};
  state.propertiesAttr =
      builder.getDictionaryAttr({builder.getNamedAttr("operandSegmentSizes", builder.getDenseI32ArrayAttr(segments)),
                                 builder.getNamedAttr("tied_operands", builder.getIndexArrayAttr({tied}))});
  state.addRegion()->takeBody(holder->getBodyRegion());
  // How many workgroups there are: the grid, with ones.
  Block &count = state.addRegion()->emplaceBlock();
  OpBuilder inCount(context);
  inCount.setInsertionPointToStart(&count);
  SmallVector<Value> counts;
  for (size_t i = 0; i < grid.size(); ++i)
    counts.push_back(count.addArgument(builder.getIndexType(), location));
  while (counts.size() < 3)
    counts.push_back(arith::ConstantIndexOp::create(inCount, location, 1));
  createIreeOp(inCount, location, "flow.return", counts, {});
  return builder.create(state)->getResult(0);
}

//===----------------------------------------------------------------------===//
// Epilogue
//===----------------------------------------------------------------------===//

/// Whether a body uses nothing from outside but constants, and neither indices nor what was there before.
static bool hasPlainBody(linalg::GenericOp op) {
  if (op.hasIndexSemantics() || !op.getBlock()->getArguments().back().use_empty())
    return false;
  WalkResult walk = op.getRegion().walk([&](Operation *inner) {
    for (Value operand : inner->getOperands())
      if (!op.getRegion().isAncestor(operand.getParentRegion()) && !matchPattern(operand, m_Constant()))
        return WalkResult::interrupt();
    return WalkResult::advance();
  });
  return !walk.wasInterrupted();
}

static bool isF32(Value value) { return getElementTypeOrSelf(value.getType()).isF32(); }

/// Whether a dispatch can read the operand of an epilogue: f32, by dimensions of the result.
static bool isReadable(Value operand, AffineMap map) {
  return isF32(operand) && isa<RankedTensorType>(operand.getType()) &&
         cast<RankedTensorType>(operand.getType()).hasStaticShape() &&
         map.isProjectedPermutation(/*allowZeroInResults=*/true);
}

/// Whether `op` computes each element of its result of the same element of `value`, and else of what can be read.
static bool isElementwiseOn(linalg::GenericOp op, Value value) {
  if (!op.hasPureTensorSemantics() || op.getNumReductionLoops() != 0 || op.getNumDpsInits() != 1 ||
      op.getResultTypes()[0] != value.getType() || !op.getMatchingIndexingMap(op.getDpsInitOperand(0)).isIdentity() ||
      !hasPlainBody(op))
    return false;
  return llvm::all_of(op.getDpsInputOperands(), [&](OpOperand *operand) {
    AffineMap map = op.getMatchingIndexingMap(operand);
    return operand->get() == value ? map.isIdentity() : isReadable(operand->get(), map);
  });
}

/// The one operation that uses a value; null where there are several, or none.
static Operation *getOnlyUser(Value value) {
  Operation *user = nullptr;
  for (Operation *each : value.getUsers()) {
    if (user && user != each)
      return nullptr;
    user = each;
  }
  return user;
}

Relayout::Relayout(Value value, Piece whole, ArrayRef<int64_t> shape) : value(value), piece(std::move(whole)) {
  while (Operation *user = getOnlyUser(this->value)) {
    // Not in a branch: the dispatch would move into it.
    if (user->getBlock() != this->value.getParentBlock())
      return;
    if (auto expand = dyn_cast<tensor::ExpandShapeOp>(user)) {
      ArrayRef<int64_t> expanded = expand.getResultType().getShape();
      auto dimensions = findDimensions(expand.getReassociationIndices(), expanded);
      if (!expand.getResultType().hasStaticShape() || !dimensions)
        return;
      piece = addUnitDimensions(user->getContext(), piece, *dimensions, expanded.size());
      this->value = expand.getResult();
    } else if (auto transpose = dyn_cast<linalg::TransposeOp>(user)) {
      Piece permuted = {applyPermutation(ArrayRef(piece.offsets), transpose.getPermutation()),
                        applyPermutation(ArrayRef(piece.sizes), transpose.getPermutation())};
      // Elements in another order cannot be stored as they are.
      if (!isWithoutUnits(shape, permuted.sizes) || !keepsOrder(transpose.getPermutation(), permuted.sizes))
        return;
      piece = std::move(permuted);
      this->value = transpose->getResult(0);
    } else {
      return;
    }
  }
}

Epilogue::Epilogue(linalg::LinalgOp op) : Epilogue(op, op.getDpsInits()[0]) {}

Epilogue::Epilogue(Operation *op, Value init) : root(op) {
  auto fill = init ? init.getDefiningOp<linalg::FillOp>() : nullptr;
  if (init && (!fill || !matchPattern(fill.getInputs()[0], m_AnyZeroFloat()))) {
    initial = init;
    unsigned rank = cast<RankedTensorType>(init.getType()).getRank();
    initialMap = AffineMap::getMultiDimIdentityMap(rank, op->getContext());
    if (auto broadcast = init.getDefiningOp<linalg::BroadcastOp>()) {
      initial = broadcast.getInput();
      initialMap = broadcast.getMatchingIndexingMap(broadcast.getDpsInputOperand(0));
    }
  }
  while (auto user = dyn_cast_or_null<linalg::GenericOp>(getOnlyUser(getLast()->getResult(0)))) {
    if (user->getBlock() != op->getBlock() || !isElementwiseOn(user, getLast()->getResult(0)))
      return;
    ops.push_back(user);
  }
}

/// The piece of an operand that an epilogue reads for a piece of the result.
static Piece getOperandPiece(OpBuilder &builder, AffineMap map, const Piece &piece) {
  Piece result;
  for (AffineExpr expression : map.getResults()) {
    auto dimension = dyn_cast<AffineDimExpr>(expression);
    result.offsets.push_back(dimension ? piece.offsets[dimension.getPosition()] : builder.getIndexAttr(0));
    result.sizes.push_back(dimension ? piece.sizes[dimension.getPosition()] : 1);
  }
  return result;
}

/// An operand's map without the leading dimensions of the result that were dropped, as `load` drops them of the
/// operand.
static AffineMap dropLeading(AffineMap map, unsigned numDropped, unsigned &numDroppedOfOperand) {
  MLIRContext *context = map.getContext();
  SmallVector<AffineExpr> dimensions, results;
  for (unsigned i = 0; i < map.getNumDims(); ++i)
    dimensions.push_back(i < numDropped ? getAffineConstantExpr(0, context)
                                        : getAffineDimExpr(i - numDropped, context));
  numDroppedOfOperand = 0;
  for (AffineExpr result : map.getResults()) {
    auto dimension = dyn_cast<AffineDimExpr>(result);
    if (dimension && dimension.getPosition() < numDropped && results.empty())
      ++numDroppedOfOperand;
    else
      results.push_back(result.replaceDims(dimensions));
  }
  return AffineMap::get(map.getNumDims() - numDropped, 0, results, context);
}

Value Epilogue::build(DispatchBuilder &dispatch, Value value, const Piece &piece, unsigned numDropped) const {
  OpBuilder &builder = dispatch.inBody();
  auto type = cast<RankedTensorType>(value.getType());
  AffineMap identity = AffineMap::getMultiDimIdentityMap(type.getRank(), builder.getContext());
  SmallVector<utils::IteratorType> iterators(type.getRank(), utils::IteratorType::parallel);
  auto createEmpty = [&](Location location) -> Value {
    return tensor::EmptyOp::create(builder, location, type.getShape(), type.getElementType());
  };
  // Loads an operand, and gives the map by which the piece reads it.
  auto load = [&](Value operand, AffineMap map, SmallVectorImpl<AffineMap> &maps) {
    unsigned numDroppedOfOperand = 0;
    maps.push_back(dropLeading(map, numDropped, numDroppedOfOperand));
    return dispatch.load(operand, getOperandPiece(builder, map, piece), numDroppedOfOperand);
  };
  if (initial) {
    Location location = root->getLoc();
    SmallVector<AffineMap> maps = {identity};
    Value added = load(initial, initialMap, maps);
    maps.push_back(identity);
    value = linalg::GenericOp::create(builder, location, type, ValueRange{value, added}, createEmpty(location), maps,
                                      iterators,
                                      [](OpBuilder &builder, Location location, ValueRange elements) {
                                        Value sum = arith::AddFOp::create(builder, location, elements[0], elements[1]);
                                        linalg::YieldOp::create(builder, location, sum);
                                      })
                .getResult(0);
  }
  Value before = root->getResult(0);
  for (linalg::GenericOp op : ops) {
    SmallVector<Value> inputs;
    SmallVector<AffineMap> maps;
    for (OpOperand *operand : op.getDpsInputOperands()) {
      if (operand->get() != before) {
        inputs.push_back(load(operand->get(), op.getMatchingIndexingMap(operand), maps));
        continue;
      }
      inputs.push_back(value);
      maps.push_back(identity);
    }
    maps.push_back(identity);
    auto copy =
        linalg::GenericOp::create(builder, op.getLoc(), type, inputs, createEmpty(op.getLoc()), maps, iterators);
    IRMapping mapping;
    op.getRegion().cloneInto(&copy.getRegion(), mapping);
    value = copy.getResult(0);
    before = op.getResult(0);
  }
  return value;
}

void Epilogue::forEachRead(llvm::function_ref<void(Value operand, AffineMap map)> function) const {
  if (initial)
    function(initial, initialMap);
  Value before = root->getResult(0);
  for (linalg::GenericOp op : ops) {
    for (OpOperand *operand : op.getDpsInputOperands())
      if (operand->get() != before)
        function(operand->get(), op.getMatchingIndexingMap(operand));
    before = op.getResult(0);
  }
}

bool Epilogue::readsNothing() const {
  bool reads = false;
  forEachRead([&](Value, AffineMap) { reads = true; });
  return !reads;
}

/// Whether an operation does with each element of vectors what it does with numbers.
static bool isVectorizable(Operation &op) {
  if (op.hasTrait<OpTrait::ConstantLike>())
    return op.getResult(0).getType().isIntOrFloat();
  return op.hasTrait<OpTrait::IsTerminator>() || OpTrait::hasElementwiseMappableTraits(&op);
}

bool Epilogue::isVectorizable() const {
  bool isReadable = true;
  forEachRead([&](Value, AffineMap map) {
    // Along the last dimension of the result an operand is a vector, or one number.
    unsigned last = map.getNumDims() - 1;
    for (auto [i, expression] : llvm::enumerate(map.getResults()))
      if (expression.isFunctionOfDim(last) && i + 1 != map.getNumResults())
        isReadable = false;
  });
  return isReadable && llvm::all_of(ops, [](linalg::GenericOp op) {
           return llvm::all_of(op.getBody()->getOperations(), ::isVectorizable);
         });
}

SmallVector<Value> Epilogue::load(DispatchBuilder &dispatch, const Piece &piece) const {
  SmallVector<Value> operands;
  forEachRead([&](Value operand, AffineMap map) {
    operands.push_back(dispatch.load(operand, getOperandPiece(dispatch.inBody(), map, piece)));
  });
  return operands;
}

Value Epilogue::buildVector(OpBuilder &builder, Value vector, ArrayRef<Value> operands, ArrayRef<Value> indices) const {
  Location location = root->getLoc();
  auto type = cast<VectorType>(vector.getType());
  auto read = [&](Value operand, AffineMap map) -> Value {
    SmallVector<Value> at;
    bool isVector = false;
    for (AffineExpr expression : map.getResults()) {
      auto dimension = dyn_cast<AffineDimExpr>(expression);
      at.push_back(dimension ? indices[dimension.getPosition()]
                             : arith::ConstantIndexOp::create(builder, location, 0).getResult());
      isVector |= dimension && dimension.getPosition() + 1 == map.getNumDims();
    }
    if (!isVector)
      return vector::BroadcastOp::create(builder, location, type,
                                         tensor::ExtractOp::create(builder, location, operand, at));
    Value zero = arith::ConstantOp::create(builder, location, builder.getZeroAttr(type.getElementType()));
    return vector::TransferReadOp::create(builder, location, type, operand, at, zero, ArrayRef<bool>{true});
  };
  auto splat = [&](Value constant) -> Value {
    TypedAttr number;
    matchPattern(constant, m_Constant(&number));
    return arith::ConstantOp::create(builder, location, DenseElementsAttr::get(type.clone(number.getType()), number));
  };
  if (initial) {
    vector = arith::AddFOp::create(builder, location, vector, read(operands.front(), initialMap));
    operands = operands.drop_front();
  }
  Value before = root->getResult(0);
  for (linalg::GenericOp op : ops) {
    IRMapping mapping;
    for (OpOperand *operand : op.getDpsInputOperands()) {
      Value value = vector;
      if (operand->get() != before) {
        value = read(operands.front(), op.getMatchingIndexingMap(operand));
        operands = operands.drop_front();
      }
      mapping.map(op.getMatchingBlockArgument(operand), value);
    }
    for (Operation &inner : op.getBody()->without_terminator()) {
      if (inner.hasTrait<OpTrait::ConstantLike>())
        continue;
      for (Value operand : inner.getOperands())
        if (!mapping.contains(operand))
          mapping.map(operand, splat(operand));
      Operation *copy = builder.clone(inner, mapping);
      for (OpResult result : copy->getResults())
        result.setType(type.clone(result.getType()));
    }
    Value last = op.getBody()->getTerminator()->getOperand(0);
    vector = mapping.contains(last) ? mapping.lookup(last) : splat(last);
    before = op.getResult(0);
  }
  return vector;
}

void dycl::eraseDeadOps(Region &region) {
  for (Block &block : region)
    for (Operation &op : llvm::make_early_inc_range(llvm::reverse(block))) {
      if (op.getName().getStringRef() == kDispatch)
        continue;
      for (Region &nested : op.getRegions())
        eraseDeadOps(nested);
      // Of a load of a global MLIR does not know that it does nothing else.
      if (isOpTriviallyDead(&op) || (op.getName().getStringRef() == "util.global.load" && op.use_empty()))
        op.erase();
    }
}

bool dycl::isInDispatch(Operation *op) {
  for (Operation *parent = op->getParentOp(); parent; parent = parent->getParentOp())
    if (parent->getName().getStringRef() == kDispatch)
      return true;
  return false;
}

GreedyRewriteConfig dycl::getConfigAroundDispatches() {
  GreedyRewriteConfig config;
  config.enableFolding(false);
  config.enableConstantCSE(false);
  config.setRegionSimplificationLevel(GreedySimplifyRegionLevel::Disabled);
  return config;
}
