//===- AllowUnregistered.h - Default of --allow-unregistered-dialect -*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef TOOLS_ALLOWUNREGISTERED_H
#define TOOLS_ALLOWUNREGISTERED_H

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/SmallVector.h"
#include "llvm/ADT/StringRef.h"

namespace dycl {

/// The command line with `--allow-unregistered-dialect` added, unless it says something on that: torch-mlir's
/// `tm_tensor` and IREE's `util` are part of dycl's input and output, and MLIR registers neither.
inline llvm::SmallVector<char *> allowUnregisteredDialects(int argc, char **argv) {
  static char allow[] = "--allow-unregistered-dialect";
  llvm::SmallVector<char *> arguments(argv, argv + argc);
  bool isGiven = llvm::any_of(arguments, [](llvm::StringRef argument) {
    return argument.ltrim('-').starts_with("allow-unregistered-dialect");
  });
  if (!isGiven)
    arguments.insert(arguments.begin() + 1, allow);
  return arguments;
}

} // namespace dycl

#endif // TOOLS_ALLOWUNREGISTERED_H
