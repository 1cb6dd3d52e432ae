//===- TrimWindows.cpp - Images without what no window reaches -------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "passes/Passes.h"

namespace dycl {
#define GEN_PASS_DEF_DYCLTRIMWINDOWSPASS
#include "passes/Passes.h.inc"
} // namespace dycl

using namespace mlir;
using namespace dycl;

/// How much of a dimension the windows reach, whose positions are given by `expression`, where there is one window;
/// nothing where there may be several, or the expression is none of a window.
static std::optional<int64_t> getReach(linalg::LinalgOp op, AffineExpr expression) {
  if (isa<AffineDimExpr, AffineConstantExpr>(expression))
    return std::nullopt;
  SmallVector<int64_t> ranges = op.getStaticLoopRanges();
  SmallVector<utils::IteratorType> iterators = op.getIteratorTypesArray();
  SmallVector<AffineExpr> last;
  for (auto [loop, range] : llvm::enumerate(ranges)) {
    if (expression.isFunctionOfDim(loop)) {
      bool isWindow = iterators[loop] == utils::IteratorType::parallel;
      if (ShapedType::isDynamic(range) || (isWindow && range != 1))
        return std::nullopt;
    }
    last.push_back(getAffineConstantExpr(ShapedType::isDynamic(range) ? 0 : range - 1, op.getContext()));
  }
  auto position = dyn_cast<AffineConstantExpr>(expression.replaceDims(last));
  return position ? std::optional<int64_t>(position.getValue() + 1) : std::nullopt;
}

namespace {

struct TrimWindowsPass : public dycl::impl::DyclTrimWindowsPassBase<TrimWindowsPass> {
  using DyclTrimWindowsPassBase::DyclTrimWindowsPassBase;

  void runOnOperation() override {
    getOperation().walk([&](linalg::LinalgOp op) {
      if (isa<linalg::ConvolutionOpInterface>(op.getOperation()) && op.hasPureTensorSemantics())
        trim(op);
    });
  }

private:
  void trim(linalg::LinalgOp op) {
    OpOperand &image = op->getOpOperand(0);
    auto type = cast<RankedTensorType>(image.get().getType());
    OpBuilder builder(op);
    SmallVector<OpFoldResult> sizes = tensor::getMixedSizes(builder, op.getLoc(), image.get());
    bool isTrimmed = false;
    for (auto [dim, expression] : llvm::enumerate(op.getMatchingIndexingMap(&image).getResults())) {
      std::optional<int64_t> reach = getReach(op, expression);
      if (!reach || type.getDimSize(dim) == *reach)
        continue;
      sizes[dim] = builder.getIndexAttr(*reach);
      isTrimmed = true;
    }
    if (!isTrimmed)
      return;
    SmallVector<OpFoldResult> zeros(sizes.size(), builder.getIndexAttr(0)), ones(sizes.size(), builder.getIndexAttr(1));
    image.set(tensor::ExtractSliceOp::create(builder, op.getLoc(), image.get(), zeros, sizes, ones));
    ++numTrimmed;
  }
};

} // namespace
