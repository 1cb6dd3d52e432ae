//===- DispatchRegion.cpp - What IREE computes by itself ------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "passes/Utils/DispatchRegion.h"

#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Dialect/Tensor/Utils/Utils.h"
#include "passes/Utils/IreeOps.h"

using namespace mlir;

void dycl::putInDispatchRegion(linalg::LinalgOp op) {
  Location location = op.getLoc();
  OpBuilder builder(op);
  SmallVector<Value> sizes;
  for (Value init : op.getDpsInits())
    llvm::append_range(sizes, tensor::createDynamicDimValues(builder, location, init));
  NamedAttribute segments =
      builder.getNamedAttr("operandSegmentSizes", builder.getDenseI32ArrayAttr({int32_t(sizes.size()), 0}));
  Operation *dispatch =
      createIreeOp(builder, location, "flow.dispatch.region", sizes, op->getResultTypes(), segments, /*numRegions=*/2);
  op->replaceAllUsesWith(dispatch);
  Block &body = dispatch->getRegion(0).emplaceBlock();
  op->moveBefore(&body, body.end());
  builder.setInsertionPointToEnd(&body);
  createIreeOp(builder, location, "flow.return", op->getResults(), {});
  if (llvm::any_of(op->getResultTypes(), [](Type type) { return getElementTypeOrSelf(type).isF64(); })) {
    // IREE finds out how many workgroups there are where nothing is said, but then it cannot make f32 of f64.
    builder.setInsertionPointToStart(&dispatch->getRegion(1).emplaceBlock());
    SmallVector<Type> counts(3, builder.getIndexType());
    Operation *slice =
        createIreeOp(builder, location, "iree_tensor_ext.dispatch.workgroup_count_from_slice", {}, counts);
    createIreeOp(builder, location, "flow.return", slice->getResults(), {});
  }
}
