//===- Text.h - Numbers as text ---------------------------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef PASSES_UTILS_TEXT_H
#define PASSES_UTILS_TEXT_H

#include "mlir/IR/BuiltinTypes.h"
#include "llvm/ADT/StringExtras.h"

namespace dycl {

/// Numbers as "128x256x?", with any separator; "?" is a size that is not known.
inline std::string joinNumbers(llvm::ArrayRef<int64_t> numbers, llvm::StringRef separator) {
  auto toText = [](int64_t number) {
    return mlir::ShapedType::isDynamic(number) ? std::string("?") : std::to_string(number);
  };
  return llvm::join(llvm::map_range(numbers, toText), separator);
}

} // namespace dycl

#endif // PASSES_UTILS_TEXT_H
