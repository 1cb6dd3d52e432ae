//===- Dialects.h - The dialects that the tools know ------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// dycl's own, and every upstream dialect that programs on tensors are written in. The rest of upstream (GPUs, LLVM IR,
// SPIR-V, …) would make each tool a hundred megabytes of code generators that IREE has anyway; operations of it pass
// through in generic form, like any that is not registered.
//
//===----------------------------------------------------------------------===//

#ifndef TOOLS_DIALECTS_H
#define TOOLS_DIALECTS_H

#include "dialects/Dycl/IR/DyclDialect.h"
#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Bufferization/IR/Bufferization.h"
#include "mlir/Dialect/Complex/IR/Complex.h"
#include "mlir/Dialect/ControlFlow/IR/ControlFlow.h"
#include "mlir/Dialect/Func/Extensions/InlinerExtension.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Index/IR/IndexDialect.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/MLProgram/IR/MLProgram.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/Quant/IR/Quant.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Shape/IR/Shape.h"
#include "mlir/Dialect/SparseTensor/IR/SparseTensor.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Dialect/Tensor/IR/TensorInferTypeOpInterfaceImpl.h"
#include "mlir/Dialect/Tosa/IR/TosaOps.h"
#include "mlir/Dialect/UB/IR/UBOps.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/IR/DialectRegistry.h"

namespace dycl {

inline void registerDialects(mlir::DialectRegistry &registry) {
  registry
      .insert<DyclDialect, mlir::affine::AffineDialect, mlir::arith::ArithDialect,
              mlir::bufferization::BufferizationDialect, mlir::cf::ControlFlowDialect, mlir::complex::ComplexDialect,
              mlir::func::FuncDialect, mlir::index::IndexDialect, mlir::linalg::LinalgDialect, mlir::math::MathDialect,
              mlir::memref::MemRefDialect, mlir::ml_program::MLProgramDialect, mlir::quant::QuantDialect,
              mlir::scf::SCFDialect, mlir::shape::ShapeDialect, mlir::sparse_tensor::SparseTensorDialect,
              mlir::tensor::TensorDialect, mlir::tosa::TosaDialect, mlir::ub::UBDialect, mlir::vector::VectorDialect>();
  mlir::func::registerInlinerExtension(registry);
  // Upstream asks for it where it drops dimensions of 1.
  mlir::tensor::registerInferTypeOpInterfaceExternalModels(registry);
}

} // namespace dycl

#endif // TOOLS_DIALECTS_H
