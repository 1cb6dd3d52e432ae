//===- PythonText.cpp - Names and literals of Python ----------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "tools/dycl-translate/PythonText.h"

#include "mlir/IR/BuiltinTypes.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/Format.h"
#include "llvm/Support/JSON.h"
#include "llvm/Support/raw_ostream.h"

using namespace mlir;
using namespace dycl;

//===----------------------------------------------------------------------===//
// Names
//===----------------------------------------------------------------------===//

PythonNames::PythonNames() {
  for (StringRef word :
       {"False", "None", "True", "and", "as", "assert", "async", "await", "break", "case", "class", "continue", "def",
        "del", "elif", "else", "except", "finally", "for", "from", "global", "if", "import", "in", "is", "lambda",
        "match", "nonlocal", "not", "or", "pass", "raise", "return", "try", "type", "while", "with", "yield", "_",
        // What the generated file itself uses.
        "decide", "float", "host_runtime", "int", "main", "max", "min", "np", "range", "regions"})
    taken.insert(word);
}

std::string PythonNames::makeUnique(StringRef wanted) {
  // Runs of what is no letter, digit or underscore become one underscore, none at the ends.
  std::string base;
  bool separate = false;
  for (char c : wanted) {
    if (!llvm::isAlnum(c) && c != '_') {
      separate = true;
      continue;
    }
    if (separate && !base.empty())
      base += '_';
    separate = false;
    base += c;
  }
  if (base.empty() || llvm::isDigit(base.front()))
    base.insert(0, "arg_");
  std::string name = base;
  for (unsigned suffix = 0; !taken.insert(name).second; ++suffix)
    name = base + "_" + (suffix ? std::to_string(suffix) : "");
  return name;
}

std::string PythonNames::makeNext(StringRef prefix) {
  std::string name;
  do
    name = prefix.str() + std::to_string(counters[prefix]++);
  while (!taken.insert(name).second);
  return name;
}

//===----------------------------------------------------------------------===//
// Literals
//===----------------------------------------------------------------------===//

/// The shortest of the usual precisions that reads back as `value`.
static std::string printFloat(const APFloat &value, StringRef infinity, StringRef nan) {
  if (value.isNaN())
    return nan.str();
  if (value.isInfinity())
    return (value.isNegative() ? "-" : "") + infinity.str();
  // Widening to double is exact for every type that NumPy has.
  APFloat wide = value;
  bool losesInfo = false;
  wide.convert(APFloat::IEEEdouble(), APFloat::rmNearestTiesToEven, &losesInfo);
  double number = wide.convertToDouble();
  std::string text;
  for (int digits : {6, 9, 17}) {
    text.clear();
    llvm::raw_string_ostream(text) << llvm::format("%.*g", digits, number);
    if (std::strtod(text.c_str(), nullptr) == number)
      break;
  }
  return text.find_first_of(".en") == std::string::npos ? text + ".0" : text;
}

std::string dycl::pythonScalar(Attribute value) {
  if (auto number = dyn_cast<FloatAttr>(value))
    return printFloat(number.getValue(), "float(\"inf\")", "float(\"nan\")");
  auto number = cast<IntegerAttr>(value);
  if (number.getType().isInteger(1))
    return number.getValue().isZero() ? "False" : "True";
  return llvm::toString(number.getValue(), 10, /*Signed=*/true);
}

/// NumPy's name of `type`, or an empty string.
static StringRef getNumPyType(Type type) {
  if (type.isF16())
    return "np.float16";
  if (type.isF32())
    return "np.float32";
  if (type.isF64())
    return "np.float64";
  if (type.isInteger(1))
    return "np.bool_";
  if (type.isInteger(8))
    return type.isUnsignedInteger() ? "np.uint8" : "np.int8";
  if (type.isInteger(16))
    return "np.int16";
  if (type.isInteger(32))
    return "np.int32";
  if (type.isInteger(64))
    return "np.int64";
  return "";
}

std::string dycl::pythonArray(DenseElementsAttr values) {
  Type element = values.getElementType();
  StringRef dtype = getNumPyType(element);
  if (dtype.empty())
    return "";
  auto print = [&](auto value) {
    if constexpr (std::is_same_v<decltype(value), APFloat>)
      return printFloat(value, "np.inf", "np.nan");
    else if (element.isInteger(1))
      return std::string(value.isZero() ? "False" : "True");
    else
      return llvm::toString(value, 10, /*Signed=*/!element.isUnsignedInteger());
  };
  SmallVector<std::string> elements;
  if (isa<FloatType>(element))
    for (APFloat value : values.getValues<APFloat>())
      elements.push_back(print(value));
  else
    for (const APInt &value : values.getValues<APInt>())
      elements.push_back(print(value));

  ArrayRef<int64_t> shape = values.getType().getShape();
  SmallVector<std::string> sizes = llvm::map_to_vector(shape, [](int64_t size) { return std::to_string(size); });
  // An empty tensor counts as a splat.
  if (values.isSplat() && !elements.empty())
    return "np.full(" + pythonTuple(sizes) + ", " + elements.front() + ", dtype=" + dtype.str() + ")";
  std::string array = "np.array([" + join(elements) + "], dtype=" + dtype.str() + ")";
  return shape.size() == 1 ? array : array + ".reshape(" + join(sizes) + ")";
}

std::string dycl::pythonString(StringRef text) {
  std::string literal;
  llvm::raw_string_ostream(literal) << llvm::json::Value(llvm::json::fixUTF8(text));
  return literal;
}

std::string dycl::join(ArrayRef<std::string> parts) { return llvm::join(parts, ", "); }

std::string dycl::pythonTuple(ArrayRef<std::string> parts) {
  return "(" + join(parts) + (parts.size() == 1 ? ",)" : ")");
}
