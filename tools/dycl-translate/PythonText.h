//===- PythonText.h - Names and literals of Python --------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef TOOLS_DYCL_TRANSLATE_PYTHONTEXT_H
#define TOOLS_DYCL_TRANSLATE_PYTHONTEXT_H

#include "mlir/IR/BuiltinAttributes.h"
#include "mlir/Support/LLVM.h"
#include "llvm/ADT/StringSet.h"
#include <string>

namespace dycl {

/// Hands out identifiers, none twice, and none that Python or the generated file uses itself.
class PythonNames {
public:
  PythonNames();
  /// An identifier like `wanted`: "args[0]['ids']" gives `args_0_ids`, "class" gives `class_`.
  std::string makeUnique(llvm::StringRef wanted);
  /// The next of prefix0, prefix1, ….
  std::string makeNext(llvm::StringRef prefix);

private:
  llvm::StringSet<> taken;
  llvm::StringMap<unsigned> counters;
};

/// The literal of a number: `True`, `-3`, `0.5`, `float("inf")`.
std::string pythonScalar(mlir::Attribute value);

/// The literal of a string: JSON's are Python's too.
std::string pythonString(llvm::StringRef text);

/// The expression that makes `values` as a NumPy array, or an empty string where NumPy lacks the element type.
std::string pythonArray(mlir::DenseElementsAttr values);

/// "a, b, c".
std::string join(llvm::ArrayRef<std::string> parts);

/// The tuple of `parts`: "()", "(a,)", "(a, b)".
std::string pythonTuple(llvm::ArrayRef<std::string> parts);

} // namespace dycl

#endif // TOOLS_DYCL_TRANSLATE_PYTHONTEXT_H
