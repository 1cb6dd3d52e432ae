//===- dycl-opt.cpp - Runs passes over IR ---------------------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "dialects/Dycl/IR/DyclDialect.h"
#include "mlir/InitAllDialects.h"
#include "mlir/InitAllExtensions.h"
#include "mlir/InitAllPasses.h"
#include "mlir/Tools/mlir-opt/MlirOptMain.h"
#include "passes/Passes.h"
#include "passes/Pipelines.h"
#include "llvm/Support/CommandLine.h"
#include "llvm/Support/raw_ostream.h"

int main(int argc, char **argv) {
  mlir::DialectRegistry registry;
  mlir::registerAllDialects(registry);
  mlir::registerAllExtensions(registry);
  registry.insert<dycl::DyclDialect>();

  mlir::registerAllPasses();
  dycl::registerDyclPasses();
  dycl::registerPipelines();

  llvm::cl::AddExtraVersionPrinter([](llvm::raw_ostream &out) { out << "dycl " << DYCL_VERSION << "\n"; });

  // torch-mlir's `tm_tensor` and IREE's `util` are part of dycl's input and output, and registered in neither MLIR.
  llvm::SmallVector<char *> arguments(argv, argv + argc);
  std::string allow = "--allow-unregistered-dialect";
  bool isGiven = llvm::any_of(arguments, [](llvm::StringRef argument) {
    return argument.ltrim('-').starts_with("allow-unregistered-dialect");
  });
  if (!isGiven)
    arguments.insert(arguments.begin() + 1, allow.data());
  return mlir::asMainReturnCode(mlir::MlirOptMain(arguments.size(), arguments.data(),
                                                  "Optimizer of dynamic neural networks\n", registry));
}
