//===- dycl-translate.cpp - Writes the host program and its description ---===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "mlir/Tools/mlir-translate/MlirTranslateMain.h"
#include "mlir/Tools/mlir-translate/Translation.h"
#include "tools/AllowUnregistered.h"
#include "tools/Dialects.h"
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

/// `translate` as a translation of any operation, which must be a module.
template <typename Function> static auto onModule(Function translate) {
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

  SmallVector<char *> arguments = allowUnregisteredDialects(argc, argv);
  return failed(mlirTranslateMain(arguments.size(), arguments.data(), "Translator of dynamic neural networks\n"));
}
