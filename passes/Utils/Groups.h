//===- Groups.h - Images with a dimension for groups ------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Operands and results of grouped convolutions have two dimensions of channels: groups, and channels of a group.
//
//===----------------------------------------------------------------------===//

#ifndef PASSES_UTILS_GROUPS_H
#define PASSES_UTILS_GROUPS_H

#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/Builders.h"

namespace dycl {

/// How the dimensions of a grouped image, of which those of channels start at `channels`, are those of an image.
mlir::SmallVector<mlir::ReassociationIndices> getGroupReassociation(unsigned channels);

/// The image whose channels were taken apart into groups; made before `builder`'s place, where it is not there.
mlir::Value ungroup(mlir::OpBuilder &builder, mlir::Location location, mlir::Value image, unsigned channels);

/// The same of the result of an operation, which every user reads it through then.
mlir::tensor::CollapseShapeOp ungroupResult(mlir::Operation *op, unsigned channels);

} // namespace dycl

#endif // PASSES_UTILS_GROUPS_H
