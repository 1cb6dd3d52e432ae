//===- Tuning.h - What was measured to be faster than the rules -*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// TileRules.h says how an operation is tiled, unless a tuning says something else for it. A tuning is a list of
// `KEY:NAME=NUMBER:...`; a key is the kind of an operation and the sizes that decide its tiles, as
// `product-128x256x1024`. What may be chosen of an operation, and what is worth trying, is known here only; Python asks
// for it with the option `list-choices`.
//
//===----------------------------------------------------------------------===//

#ifndef PASSES_UTILS_TUNING_H
#define PASSES_UTILS_TUNING_H

#include "mlir/IR/Operation.h"
#include "passes/Utils/TileRules.h"
#include "llvm/ADT/StringMap.h"

namespace dycl {

/// What is chosen for operations, by their keys.
class Tuning {
public:
  /// Reads entries; an error at `where` for one that is none.
  static mlir::FailureOr<Tuning> parse(mlir::ArrayRef<std::string> entries, bool isListed, mlir::Operation *where);

private:
  friend class Choices;
  using Entry = mlir::SmallVector<std::pair<std::string, int64_t>>;

  llvm::StringMap<Entry> entries;
  bool isListed = false;
};

/// What is chosen for one operation. Each `take` gives what the tuning has under its name or, where that has nothing,
/// what the rules say, which may depend on what was taken before.
class Choices {
public:
  Choices(const Tuning &tuning, mlir::Operation *op, std::string key);

  /// `block`: how many output channels, or columns, a block has; none where the rules have none. Fewer channels than a
  /// vector has numbers leave no choice.
  std::optional<int64_t> takeBlock(const VectorUnit &unit, std::optional<int64_t> rule, int64_t channels);

  /// `rows`: how the rows of an image, or a product, are divided among workgroups.
  Tiling takeRows(Tiling rule);

  /// `tile`: of how many pixels of a row, or rows of a product, registers hold the results.
  Tiling takeTile(const VectorUnit &unit, int64_t width, int64_t block);

  /// `unroll`: how many of `size` numbers, which are summed up, are unrolled.
  int64_t takeUnroll(int64_t rule, int64_t size);

  /// The number under another name. `alternatives` are worth trying; what is not legal is an error that says what is
  /// `expected`.
  int64_t take(llvm::StringRef name, int64_t rule, mlir::ArrayRef<int64_t> alternatives,
               llvm::function_ref<bool(int64_t)> isLegal, const llvm::Twine &expected);

  /// Fails where the tuning chose what is not legal, or has names that were not taken. Lists the choices, where that
  /// is asked for, in the attribute `tile_choices` of the function.
  mlir::LogicalResult finish();

private:
  mlir::ArrayRef<std::pair<std::string, int64_t>> entry;
  bool isListed;
  mlir::Operation *op;
  std::string key, listed, problem;
  llvm::SmallVector<std::string> taken;
};

} // namespace dycl

#endif // PASSES_UTILS_TUNING_H
