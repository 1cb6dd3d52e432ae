//===- SelectEntry.cpp - Which function is the program --------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/SymbolTable.h"
#include "passes/Passes.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"

namespace dycl {
#define GEN_PASS_DEF_DYCLSELECTENTRYPASS
#include "passes/Passes.h.inc"
} // namespace dycl

using namespace mlir;
using namespace dycl;

namespace {

constexpr StringLiteral entryName = "main";

struct SelectEntryPass : public dycl::impl::DyclSelectEntryPassBase<SelectEntryPass> {
  using DyclSelectEntryPassBase::DyclSelectEntryPassBase;

  void runOnOperation() override {
    SymbolTable symbols(getOperation());
    FailureOr<func::FuncOp> found = findEntry(symbols);
    if (failed(found) || failed(renameToMain(*found, symbols)))
      return signalPassFailure();
    for (auto function : getOperation().getOps<func::FuncOp>())
      function.setVisibility(function == *found ? SymbolTable::Visibility::Public : SymbolTable::Visibility::Private);
  }

private:
  FailureOr<func::FuncOp> findEntry(SymbolTable &symbols);
  LogicalResult renameToMain(func::FuncOp function, SymbolTable &symbols);
};

/// The names of functions, for a message: "@a, @b".
std::string listNames(ArrayRef<func::FuncOp> functions) {
  auto names = llvm::map_range(functions, [](func::FuncOp function) { return ("@" + function.getSymName()).str(); });
  return llvm::join(names, ", ");
}

/// The function that `entry` names; without a name @main, or the only public one.
FailureOr<func::FuncOp> SelectEntryPass::findEntry(SymbolTable &symbols) {
  SmallVector<func::FuncOp> defined, offered;
  for (auto function : getOperation().getOps<func::FuncOp>()) {
    if (function.isExternal())
      continue;
    defined.push_back(function);
    if (function.isPublic())
      offered.push_back(function);
  }
  StringRef wanted = entry.empty() ? StringRef(entryName) : StringRef(entry);
  auto named = symbols.lookup<func::FuncOp>(wanted);
  if (named && !named.isExternal())
    return named;
  if (!entry.empty())
    return getOperation().emitError() << "has no function @" << entry << " with a body; it has "
                                      << (defined.empty() ? "none" : listNames(defined));
  if (offered.size() == 1)
    return offered.front();
  if (offered.empty())
    return getOperation().emitError() << "has no public function with a body; expected one, which is the program";
  InFlightDiagnostic diagnostic =
      offered[1].emitError() << "is one of several public functions, of which none is @main: " << listNames(offered)
                             << "; expected the name of the program's function as entry";
  diagnostic.attachNote(offered[0].getLoc()) << "another one";
  return diagnostic;
}

/// Names a function @main. Another one of that name gets a new one.
LogicalResult SelectEntryPass::renameToMain(func::FuncOp function, SymbolTable &symbols) {
  if (function.getSymName() == entryName)
    return success();
  if (Operation *other = symbols.lookup(entryName))
    if (failed(symbols.renameToUnique(other, {})))
      return other->emitError() << "cannot be renamed";
  if (failed(symbols.rename(function, entryName)))
    return function.emitError() << "cannot be renamed to @" << entryName;
  return success();
}

} // namespace
