//===- SplitGroups.cpp - Grouped convolutions as one of each group --------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Dialect/Utils/IndexingUtils.h"
#include "mlir/IR/Matchers.h"
#include "passes/Passes.h"
#include "passes/Utils/DispatchBuilder.h"
#include "passes/Utils/Groups.h"
#include "passes/Utils/Transpose.h"

namespace dycl {
#define GEN_PASS_DEF_DYCLSPLITGROUPSPASS
#include "passes/Passes.h.inc"
} // namespace dycl

using namespace mlir;
using namespace dycl;

/// Below as many output channels IREE computes a convolution faster on nchw: 32 groups of 4 at 28 x 28 with AVX-512 at
/// 41 GFLOP/s, and at 3 on nhwc.
static constexpr int64_t kFewChannels = 16;

/// A part of one dimension, as a tensor of `type` if one is given, which may lack that dimension.
static Value createSlice(OpBuilder &builder, Location location, Value value, unsigned dimension, int64_t offset,
                         int64_t size, RankedTensorType type = {}) {
  SmallVector<OpFoldResult> sizes = tensor::getMixedSizes(builder, location, value);
  SmallVector<OpFoldResult> offsets(sizes.size(), builder.getIndexAttr(0)),
      strides(sizes.size(), builder.getIndexAttr(1));
  offsets[dimension] = builder.getIndexAttr(offset);
  sizes[dimension] = builder.getIndexAttr(size);
  return tensor::ExtractSliceOp::create(builder, location, type, value, offsets, sizes, strides);
}

/// The weight of a group: index `group` of the first dimension, of what is transposed without that before it is.
static Value createGroupWeight(OpBuilder &builder, Location location, Value weight, int64_t group) {
  if (auto transpose = weight.getDefiningOp<linalg::TransposeOp>())
    if (transpose.getPermutation()[0] == 0) {
      Value part = createGroupWeight(builder, location, transpose.getInput(), group);
      SmallVector<int64_t> permutation;
      for (int64_t dimension : transpose.getPermutation().drop_front())
        permutation.push_back(dimension - 1);
      return createTranspose(builder, location, part, permutation);
    }
  auto type = cast<RankedTensorType>(weight.getType());
  auto part = RankedTensorType::get(type.getShape().drop_front(), type.getElementType());
  return createSlice(builder, location, weight, /*dimension=*/0, group, /*size=*/1, part);
}

static Value createSum(OpBuilder &builder, Location location, Value a, Value b) {
  auto type = cast<RankedTensorType>(a.getType());
  SmallVector<AffineMap> maps(3, AffineMap::getMultiDimIdentityMap(type.getRank(), builder.getContext()));
  SmallVector<utils::IteratorType> iterators(type.getRank(), utils::IteratorType::parallel);
  Value empty =
      tensor::EmptyOp::create(builder, location, tensor::getMixedSizes(builder, location, a), type.getElementType());
  return linalg::GenericOp::create(
             builder, location, type, ValueRange{a, b}, empty, maps, iterators,
             [](OpBuilder &builder, Location location, ValueRange elements) {
               bool isFloat = isa<FloatType>(elements[0].getType());
               Value sum = isFloat ? arith::AddFOp::create(builder, location, elements[0], elements[1]).getResult()
                                   : arith::AddIOp::create(builder, location, elements[0], elements[1]).getResult();
               linalg::YieldOp::create(builder, location, sum);
             })
      .getResult(0);
}

/// Exchanges a grouped convolution for one `Plain` of each group, on images whose channels are dimension `channels`,
/// joined. `weight` is how the weight of a group is transposed, `to` how images are before and `from` after that.
template <typename Plain, typename Op>
static void split(Op op, unsigned channels, ArrayRef<int64_t> weight, ArrayRef<int64_t> to = {},
                  ArrayRef<int64_t> from = {}) {
  Location location = op.getLoc();
  OpBuilder builder(op);
  Value image = ungroup(builder, location, op.getInputs()[0], channels);
  Value initial = ungroup(builder, location, op.getOutputs()[0], channels);
  auto inputType = cast<RankedTensorType>(op.getInputs()[0].getType());
  auto resultType = cast<RankedTensorType>(op.getResult(0).getType());
  int64_t groups = inputType.getDimSize(channels), inputs = inputType.getDimSize(channels + 1);
  int64_t outputs = resultType.getDimSize(channels + 1);
  SmallVector<OpFoldResult> sizes = tensor::getMixedSizes(builder, location, initial);
  sizes[channels] = builder.getIndexAttr(outputs);
  unsigned plainChannels = channels;
  if (!to.empty()) {
    image = createTranspose(builder, location, image, to);
    sizes = applyPermutation<OpFoldResult>(sizes, to);
    plainChannels = llvm::find(to, int64_t(channels)) - to.begin();
  }
  Type element = resultType.getElementType();
  Value zero = arith::ConstantOp::create(builder, location, builder.getZeroAttr(element));
  Value empty = tensor::EmptyOp::create(builder, location, sizes, element);
  Value zeros = linalg::FillOp::create(builder, location, zero, empty).getResult(0);
  SmallVector<Value> parts;
  for (int64_t group = 0; group < groups; ++group) {
    Value part = createSlice(builder, location, image, plainChannels, group * inputs, inputs);
    Value kernel = createGroupWeight(builder, location, op.getInputs()[1], group);
    if (!weight.empty())
      kernel = createTranspose(builder, location, kernel, weight);
    parts.push_back(Plain::create(builder, location, zeros.getType(), ValueRange{part, kernel}, zeros, op.getStrides(),
                                  op.getDilations())
                        ->getResult(0));
  }
  Value joined = tensor::ConcatOp::create(builder, location, plainChannels, parts);
  if (!from.empty())
    joined = createTranspose(builder, location, joined, from);
  auto fill = initial.getDefiningOp<linalg::FillOp>();
  if (!fill || !(matchPattern(fill.getInputs()[0], m_AnyZeroFloat()) || matchPattern(fill.getInputs()[0], m_Zero())))
    joined = createSum(builder, location, joined, initial);
  tensor::CollapseShapeOp collapse = ungroupResult(op, channels);
  collapse.replaceAllUsesWith(joined);
  collapse.erase();
  op.erase();
}

/// Whether groups have one channel each, and so may be as many as there are channels.
template <typename Op> static bool hasOneInput(Op op, unsigned channels) {
  return cast<RankedTensorType>(op.getInputs()[0].getType()).getDimSize(channels + 1) == 1;
}

namespace {

struct SplitGroupsPass : public dycl::impl::DyclSplitGroupsPassBase<SplitGroupsPass> {
  using DyclSplitGroupsPassBase::DyclSplitGroupsPassBase;

  void runOnOperation() override {
    SmallVector<linalg::LinalgOp> ops;
    getOperation().walk([&](linalg::LinalgOp op) { ops.push_back(op); });
    bool isChanged = false;
    for (linalg::LinalgOp op : ops) {
      if (!op.hasPureTensorSemantics())
        continue;
      if (auto grouped = dyn_cast<linalg::Conv2DNgchwGfchwOp>(*op)) {
        if (hasOneInput(grouped, 1))
          continue;
        split<linalg::Conv2DNchwFchwOp>(grouped, /*channels=*/1, {});
      } else if (auto grouped = dyn_cast<linalg::Conv2DNhwgcGfhwcOp>(*op)) {
        if (hasOneInput(grouped, 3))
          continue;
        if (cast<RankedTensorType>(grouped.getResult(0).getType()).getDimSize(4) < kFewChannels)
          split<linalg::Conv2DNchwFchwOp>(grouped, 3, {0, 3, 1, 2}, {0, 3, 1, 2}, {0, 2, 3, 1});
        else
          split<linalg::Conv2DNhwcHwcfOp>(grouped, 3, {1, 2, 3, 0});
      } else {
        continue;
      }
      isChanged = true;
    }
    if (isChanged)
      eraseDeadOps(getOperation().getRegion());
  }
};

} // namespace
