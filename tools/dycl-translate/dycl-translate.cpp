//===- dycl-translate.cpp - Writes the host program and its description ---===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Complex/IR/Complex.h"
#include "mlir/Dialect/ControlFlow/IR/ControlFlowOps.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Index/IR/IndexDialect.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/MLProgram/IR/MLProgram.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Dialect/UB/IR/UBOps.h"
#include "mlir/Tools/mlir-translate/MlirTranslateMain.h"
#include "mlir/Tools/mlir-translate/Translation.h"
#include "passes/Passes.h"
#include "passes/Utils/HostOps.h"
#include "tools/dycl-translate/Translations.h"
#include "llvm/Support/CommandLine.h"

using namespace mlir;
using namespace dycl;

FailureOr<ProgramOp> dycl::findPartitionedProgram(ModuleOp module) {
  auto programs = llvm::to_vector(module.getOps<ProgramOp>());
  if (programs.size() != 1)
    return module.emitError() << "holds " << programs.size() << " programs; expected one dycl.program";
  WalkResult walk = programs.front().walk([&](InvokeOp invoke) {
    if (module.lookupSymbol<RegionOp>(invoke.getCallee()))
      return WalkResult::advance();
    invoke.emitError() << "calls @" << invoke.getCallee()
                       << ", which is not partitioned; run dycl-opt --dycl-partition-pipeline first";
    return WalkResult::interrupt();
  });
  if (walk.wasInterrupted())
    return failure();
  return programs.front();
}

/// The dialects of region modules; whatever else is in them passes through unregistered.
static void registerDialects(DialectRegistry &registry) {
  registry.insert<DyclDialect, affine::AffineDialect, arith::ArithDialect, cf::ControlFlowDialect,
                  complex::ComplexDialect, func::FuncDialect, index::IndexDialect, linalg::LinalgDialect,
                  math::MathDialect, ml_program::MLProgramDialect, scf::SCFDialect, tensor::TensorDialect,
                  ub::UBDialect>();
}

/// `translate` as a translation of any operation, which must be a module.
template <typename Function>
static auto onModule(Function translate) {
  return [translate](Operation *op, llvm::raw_ostream &out) -> LogicalResult {
    auto module = dyn_cast<ModuleOp>(op);
    if (!module)
      return op->emitError("expected a module");
    return translate(module, out);
  };
}

int main(int argc, char **argv) {
  TranslateFromMLIRRegistration toPython("dycl-to-python", "write the host program as Python (host.py)",
                                         onModule(translateToPython), registerDialects);
  TranslateFromMLIRRegistration toJson("dycl-to-json", "write the program description: signature, regions, graph",
                                       onModule(translateToJson), registerDialects);
  llvm::cl::AddExtraVersionPrinter([](llvm::raw_ostream &out) { out << "dycl " << DYCL_VERSION << "\n"; });

  // The modules of regions hold operations of IREE's `util`, which is not registered here.
  SmallVector<char *> arguments(argv, argv + argc);
  std::string allow = "--allow-unregistered-dialect";
  bool isGiven = llvm::any_of(
      arguments, [](StringRef argument) { return argument.ltrim('-').starts_with("allow-unregistered-dialect"); });
  if (!isGiven)
    arguments.insert(arguments.begin() + 1, allow.data());
  return failed(mlirTranslateMain(arguments.size(), arguments.data(), "Translator of dynamic neural networks\n"));
}
