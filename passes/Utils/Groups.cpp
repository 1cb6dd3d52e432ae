//===- Groups.cpp - Images with a dimension for groups --------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "passes/Utils/Groups.h"

#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Interfaces/DestinationStyleOpInterface.h"

using namespace mlir;
using namespace dycl;

SmallVector<ReassociationIndices> dycl::getGroupReassociation(unsigned channels) {
  SmallVector<ReassociationIndices> reassociation;
  for (int64_t i = 0; i < 5; ++i) {
    if (i == channels + 1)
      reassociation.back().push_back(i);
    else
      reassociation.push_back({i});
  }
  return reassociation;
}

Value dycl::ungroup(OpBuilder &builder, Location location, Value image, unsigned channels) {
  SmallVector<ReassociationIndices> reassociation = getGroupReassociation(channels);
  if (auto expand = image.getDefiningOp<tensor::ExpandShapeOp>())
    if (expand.getReassociationIndices() == ArrayRef(reassociation))
      return expand.getSrc();
  if (auto fill = image.getDefiningOp<linalg::FillOp>()) {
    Value empty = tensor::CollapseShapeOp::create(builder, location, fill.getOutputs()[0], reassociation);
    return linalg::FillOp::create(builder, location, fill.getInputs(), empty).getResult(0);
  }
  return tensor::CollapseShapeOp::create(builder, location, image, reassociation);
}

tensor::CollapseShapeOp dycl::ungroupResult(Operation *op, unsigned channels) {
  SmallVector<ReassociationIndices> reassociation = getGroupReassociation(channels);
  Value result = op->getResult(0);
  if (result.hasOneUse())
    if (auto collapse = dyn_cast<tensor::CollapseShapeOp>(*result.user_begin()))
      if (collapse.getReassociationIndices() == ArrayRef(reassociation))
        return collapse;
  OpBuilder builder(op->getContext());
  builder.setInsertionPointAfter(op);
  // The sizes of the result are those of what it starts from.
  Value initial = cast<DestinationStyleOpInterface>(op).getDpsInits()[0];
  SmallVector<OpFoldResult> sizes = tensor::getMixedSizes(builder, op->getLoc(), initial);
  auto collapse = tensor::CollapseShapeOp::create(builder, op->getLoc(), result, reassociation);
  Value again = tensor::ExpandShapeOp::create(builder, op->getLoc(), result.getType(), collapse, reassociation, sizes);
  result.replaceUsesWithIf(again, [&](OpOperand &use) { return use.getOwner() != collapse; });
  return collapse;
}
