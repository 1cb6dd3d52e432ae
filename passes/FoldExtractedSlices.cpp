//===- FoldExtractedSlices.cpp - Elements of slices without the slice -----===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Arith/Utils/Utils.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"
#include "passes/Passes.h"

namespace dycl {
#define GEN_PASS_DEF_DYCLFOLDEXTRACTEDSLICESPASS
#include "passes/Passes.h.inc"
} // namespace dycl

using namespace mlir;
using namespace dycl;

namespace {

/// An element of a slice, as an element of what the slice is of.
struct FoldSlice : OpRewritePattern<tensor::ExtractOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(tensor::ExtractOp op, PatternRewriter &rewriter) const override {
    auto slice = op.getTensor().getDefiningOp<tensor::ExtractSliceOp>();
    if (!slice)
      return failure();
    Location location = op.getLoc();
    llvm::SmallBitVector dropped = slice.getDroppedDims();
    SmallVector<Value> places;
    auto given = op.getIndices().begin();
    for (auto [dim, offset, stride] : llvm::enumerate(slice.getMixedOffsets(), slice.getMixedStrides())) {
      Value place = getValueOrCreateConstantIndexOp(rewriter, location, offset);
      if (!dropped.test(dim)) {
        Value index = *given++;
        if (!isOneInteger(stride))
          index = arith::MulIOp::create(rewriter, location, index,
                                        getValueOrCreateConstantIndexOp(rewriter, location, stride));
        place = isZeroInteger(offset) ? index : arith::AddIOp::create(rewriter, location, place, index).getResult();
      }
      places.push_back(place);
    }
    rewriter.replaceOpWithNewOp<tensor::ExtractOp>(op, slice.getSource(), places);
    return success();
  }
};

/// An element of a tensor that has lost dimensions of size one, as an element of the tensor that has them.
struct FoldCollapse : OpRewritePattern<tensor::ExtractOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(tensor::ExtractOp op, PatternRewriter &rewriter) const override {
    auto collapse = op.getTensor().getDefiningOp<tensor::CollapseShapeOp>();
    if (!collapse)
      return failure();
    ArrayRef<int64_t> shape = collapse.getSrcType().getShape();
    // Of what each dimension of the source is the place, if it has more than one element.
    SmallVector<std::optional<unsigned>> from(shape.size());
    for (auto [index, group] : llvm::enumerate(collapse.getReassociationIndices())) {
      auto larger = llvm::make_filter_range(group, [&](int64_t dim) { return shape[dim] != 1; });
      if (std::distance(larger.begin(), larger.end()) > 1)
        return failure();
      for (int64_t dim : larger)
        from[dim] = index;
    }
    Value zero;
    SmallVector<Value> places = llvm::map_to_vector(from, [&](std::optional<unsigned> index) -> Value {
      if (index)
        return op.getIndices()[*index];
      if (!zero)
        zero = arith::ConstantIndexOp::create(rewriter, op.getLoc(), 0);
      return zero;
    });
    rewriter.replaceOpWithNewOp<tensor::ExtractOp>(op, collapse.getSrc(), places);
    return success();
  }
};

struct FoldExtractedSlicesPass : public dycl::impl::DyclFoldExtractedSlicesPassBase<FoldExtractedSlicesPass> {
  using DyclFoldExtractedSlicesPassBase::DyclFoldExtractedSlicesPassBase;

  void runOnOperation() override {
    RewritePatternSet patterns(&getContext());
    patterns.add<FoldSlice, FoldCollapse>(&getContext());
    if (failed(applyPatternsGreedily(getOperation(), std::move(patterns))))
      signalPassFailure();
  }
};

} // namespace
