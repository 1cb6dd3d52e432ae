//===- Tuning.cpp - What was measured to be faster than the rules ---------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "passes/Utils/Tuning.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/BuiltinTypes.h"
#include "passes/Utils/Text.h"
#include "llvm/ADT/SetVector.h"
#include "llvm/ADT/StringExtras.h"

using namespace mlir;
using namespace dycl;

/// Of an attribute that only python/dycl/tuning reads.
static constexpr StringRef kListed = "tile_choices";

FailureOr<Tuning> Tuning::parse(ArrayRef<std::string> entries, bool isListed, Operation *where) {
  Tuning tuning;
  tuning.isListed = isListed;
  for (StringRef text : entries) {
    auto [key, rest] = text.split(':');
    SmallVector<StringRef> choices;
    rest.split(choices, ':', /*MaxSplit=*/-1, /*KeepEmpty=*/false);
    Entry entry;
    for (StringRef choice : choices) {
      auto [name, number] = choice.split('=');
      int64_t value = 0;
      if (name.empty() || number.getAsInteger(10, value))
        return emitError(where->getLoc()) << "tuning '" << text << "': '" << choice << "' is not NAME=NUMBER";
      entry.emplace_back(name.str(), value);
    }
    if (key.empty() || entry.empty())
      return emitError(where->getLoc()) << "tuning '" << text << "' is not KEY:NAME=NUMBER";
    if (!tuning.entries.try_emplace(key, std::move(entry)).second)
      return emitError(where->getLoc()) << "tuning has " << key << " twice";
  }
  return tuning;
}

Choices::Choices(const Tuning &tuning, Operation *op, std::string key)
    : isListed(tuning.isListed), op(op), key(std::move(key)) {
  auto found = tuning.entries.find(this->key);
  if (found != tuning.entries.end())
    entry = found->second;
}

int64_t Choices::take(StringRef name, int64_t rule, ArrayRef<int64_t> alternatives, function_ref<bool(int64_t)> isLegal,
                      const Twine &expected) {
  taken.push_back(name.str());
  int64_t value = rule;
  for (const auto &[chosen, number] : entry)
    if (chosen == name)
      value = number;
  if (value != rule && !isLegal(value)) {
    if (problem.empty())
      problem = (name + " is " + Twine(value) + ", expected " + expected).str();
    value = rule;
  }
  llvm::SmallSetVector<int64_t, 8> listedNumbers;
  listedNumbers.insert(value);
  for (int64_t alternative : alternatives)
    if (isLegal(alternative))
      listedNumbers.insert(alternative);
  listed += (":" + name + "=").str() + joinNumbers(listedNumbers.getArrayRef(), "|");
  return value;
}

std::optional<int64_t> Choices::takeBlock(const VectorUnit &unit, std::optional<int64_t> rule, int64_t channels) {
  int64_t lanes = unit.getLanes(), most = 4 * lanes;
  if (!rule || channels < lanes)
    return rule;
  return take(
      "block", *rule, {lanes, 2 * lanes, 4 * lanes},
      [&](int64_t block) { return block > 0 && block % lanes == 0 && block <= std::min(channels, most); },
      "a multiple of " + Twine(lanes) + " up to " + Twine(std::min(channels, most)));
}

Tiling Choices::takeRows(Tiling rule) {
  int64_t count = rule.count();
  SmallVector<int64_t> alternatives;
  for (int64_t number : {int64_t(1), count / 2, 2 * count, 4 * count})
    if (number > 0)
      alternatives.push_back((rule.size + number - 1) / number);
  int64_t rows = take(
      "rows", rule.tile, alternatives, [&](int64_t rows) { return rows > 0 && rows <= rule.size; },
      "1 to " + Twine(rule.size));
  return {rule.size, rows};
}

Tiling Choices::takeTile(const VectorUnit &unit, int64_t width, int64_t block) {
  Tiling rule = unit.getRowTiling(width, block);
  SmallVector<int64_t> alternatives;
  int64_t most = unit.getMostRows(block);
  for (int64_t number : {most, most / 2, 2 * most})
    if (number > 0 && unit.holdsResults(number, block))
      alternatives.append({tileEvenly(width, number).tile, findDivisor(width, number)});
  int64_t tile = take(
      "tile", rule.tile, alternatives, [&](int64_t tile) { return tile > 0 && tile <= width; }, "1 to " + Twine(width));
  return {width, tile};
}

int64_t Choices::takeUnroll(int64_t rule, int64_t size) {
  constexpr int64_t most = 16;
  return take(
      "unroll", rule, {1, 2, 4, 8}, [&](int64_t number) { return number > 0 && number <= most && size % number == 0; },
      "a divisor of " + Twine(size) + " up to " + Twine(most));
}

LogicalResult Choices::finish() {
  for (const auto &[name, number] : entry)
    if (problem.empty() && !llvm::is_contained(taken, name))
      problem = "it has no choice of '" + name + "', expected of " + llvm::join(taken, ", ");
  if (!problem.empty())
    return op->emitError() << "tuning of " << key << ": " << problem;
  if (isListed) {
    auto function = op->getParentOfType<func::FuncOp>();
    SmallVector<Attribute> choices;
    if (auto before = function->getAttrOfType<ArrayAttr>(kListed))
      choices.append(before.begin(), before.end());
    choices.push_back(StringAttr::get(op->getContext(), key + listed));
    function->setAttr(kListed, ArrayAttr::get(op->getContext(), choices));
  }
  return success();
}
