//===- dycl-opt.cpp - Runs passes over IR ---------------------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "mlir/Dialect/Affine/Transforms/Passes.h"
#include "mlir/Dialect/Arith/Transforms/Passes.h"
#include "mlir/Dialect/Func/Transforms/Passes.h"
#include "mlir/Dialect/Linalg/Passes.h"
#include "mlir/Dialect/MLProgram/Transforms/Passes.h"
#include "mlir/Dialect/Math/Transforms/Passes.h"
#include "mlir/Dialect/MemRef/Transforms/Passes.h"
#include "mlir/Dialect/SCF/Transforms/Passes.h"
#include "mlir/Dialect/Shape/Transforms/Passes.h"
#include "mlir/Dialect/Tensor/Transforms/Passes.h"
#include "mlir/Dialect/Tosa/Transforms/Passes.h"
#include "mlir/Tools/mlir-opt/MlirOptMain.h"
#include "mlir/Transforms/Passes.h"
#include "passes/Passes.h"
#include "passes/Pipelines.h"
#include "tools/AllowUnregistered.h"
#include "tools/Dialects.h"
#include "llvm/Support/CommandLine.h"
#include "llvm/Support/raw_ostream.h"

/// The upstream passes for IR on tensors; lowering it further is IREE's.
static void registerUpstreamPasses() {
  mlir::registerTransformsPasses();
  mlir::affine::registerAffinePasses();
  mlir::arith::registerArithPasses();
  mlir::func::registerFuncPasses();
  mlir::math::registerMathPasses();
  mlir::memref::registerMemRefPasses();
  mlir::ml_program::registerMLProgramPasses();
  mlir::registerLinalgPasses();
  mlir::registerSCFPasses();
  mlir::registerShapePasses();
  mlir::tensor::registerTensorPasses();
  mlir::tosa::registerTosaPasses();
}

int main(int argc, char **argv) {
  mlir::DialectRegistry registry;
  dycl::registerDialects(registry);

  registerUpstreamPasses();
  dycl::registerDyclPasses();
  dycl::registerPipelines();

  llvm::cl::AddExtraVersionPrinter([](llvm::raw_ostream &out) { out << "dycl " << DYCL_VERSION << "\n"; });

  llvm::SmallVector<char *> arguments = dycl::allowUnregisteredDialects(argc, argv);
  return mlir::asMainReturnCode(
      mlir::MlirOptMain(arguments.size(), arguments.data(), "Optimizer of dynamic neural networks\n", registry));
}
