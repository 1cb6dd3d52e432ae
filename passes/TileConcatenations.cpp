//===- TileConcatenations.cpp - Channels side by side, pixel by pixel -----===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "passes/Passes.h"
#include "passes/Utils/DispatchBuilder.h"
#include "passes/Utils/TileRules.h"

namespace dycl {
#define GEN_PASS_DEF_DYCLTILECONCATENATIONSPASS
#include "passes/Passes.h.inc"
} // namespace dycl

using namespace mlir;
using namespace dycl;

/// What a vector of channels may have at most; IREE refuses vectors of more than 32 KiB.
static constexpr int64_t kMostChannels = 4096;

/// Pixels of fewer channels than this are copied several at a time.
static constexpr int64_t kChannelsAtOnce = 64;

/// Whether channels of images of nhwc are joined, of f32 and static sizes. Of one pixel they are one copy. Where parts
/// come as nchw, or the result is read so, IREE's own way, which joins them as nchw, transposes less.
static bool joinsChannels(tensor::ConcatOp op) {
  auto isStatic = [](Value part) { return cast<RankedTensorType>(part.getType()).hasStaticShape(); };
  RankedTensorType type = op.getResultType();
  return type.getRank() == 4 && op.getDim() == 3 && type.getElementType().isF32() && type.hasStaticShape() &&
         type.getNumElements() != 0 && type.getDimSize(1) * type.getDimSize(2) > 1 &&
         type.getDimSize(3) <= kMostChannels && llvm::all_of(op.getInputs(), isStatic) &&
         llvm::none_of(op.getInputs(), [](Value part) { return part.getDefiningOp<linalg::TransposeOp>(); }) &&
         llvm::none_of(op->getUsers(), llvm::IsaPred<linalg::TransposeOp>);
}

/// Goes over `count` pieces of a dimension, of `step` each, from `start` on.
static void forEach(OpBuilder &builder, Location location, OpFoldResult start, int64_t count, int64_t step,
                    llvm::function_ref<void(OpFoldResult)> build) {
  auto createIndex = [&](int64_t number) -> Value { return arith::ConstantIndexOp::create(builder, location, number); };
  Value first = createIndex(0), last = createIndex(count * step);
  auto loop = scf::ForOp::create(builder, location, first, last, createIndex(step));
  builder.setInsertionPointToStart(loop.getBody());
  AffineMap sum = AffineMap::get(2, 0, builder.getAffineDimExpr(0) + builder.getAffineDimExpr(1));
  build(affine::makeComposedFoldedAffineApply(builder, location, sum, {start, OpFoldResult(loop.getInductionVar())}));
  builder.setInsertionPointAfter(loop);
}

static void tile(tensor::ConcatOp op) {
  MLIRContext *context = op.getContext();
  Location location = op.getLoc();
  RankedTensorType type = op.getResultType();
  int64_t height = type.getDimSize(1), width = type.getDimSize(2), channels = type.getDimSize(3);
  Tiling images = {type.getDimSize(0), 1},
         rows = tileEvenly(height, height >= kDividedRows ? (height + 1) / 2 : height);
  int64_t columns = findDivisor(width, std::max<int64_t>(kChannelsAtOnce / channels, 1));

  DispatchBuilder dispatch(context, location);
  OpBuilder &body = dispatch.inBody();
  OpFoldResult zero = body.getIndexAttr(0);
  OpFoldResult image = dispatch.getTileOffset(0, images), firstRow = dispatch.getTileOffset(1, rows);
  forEach(body, location, firstRow, rows.tile, 1, [&](OpFoldResult row) {
    forEach(body, location, zero, width / columns, columns, [&](OpFoldResult column) {
      SmallVector<Value> parts;
      for (Value part : op.getInputs())
        if (int64_t size = cast<RankedTensorType>(part.getType()).getDimSize(3))
          parts.push_back(dispatch.load(part, {{image, row, column, zero}, {1, 1, columns, size}}));
      int64_t channel = 0;
      for (Value part : parts) {
        int64_t size = cast<RankedTensorType>(part.getType()).getDimSize(3);
        dispatch.store(part, {{image, row, column, body.getIndexAttr(channel)}, {1, 1, columns, size}}, type);
        channel += size;
      }
    });
  });

  OpBuilder after(context);
  after.setInsertionPointAfter(op);
  SmallVector<Value> grid;
  for (const Tiling &tiling : {images, rows})
    grid.push_back(arith::ConstantIndexOp::create(after, location, tiling.count()));
  op.replaceAllUsesWith(dispatch.finish(after, grid, type));
  op.erase();
}

namespace {

struct TileConcatenationsPass : public dycl::impl::DyclTileConcatenationsPassBase<TileConcatenationsPass> {
  using DyclTileConcatenationsPassBase::DyclTileConcatenationsPassBase;

  void runOnOperation() override {
    if (!VectorUnit::get(vectorBits, registers))
      return;
    for (auto function : getOperation().getOps<func::FuncOp>()) {
      SmallVector<tensor::ConcatOp> ops;
      function.walk([&](tensor::ConcatOp op) {
        if (joinsChannels(op) && !isInDispatch(op))
          ops.push_back(op);
      });
      llvm::for_each(ops, tile);
      numTiled += ops.size();
      eraseDeadOps(function.getBody());
    }
  }
};

} // namespace
