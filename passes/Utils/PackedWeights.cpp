//===- PackedWeights.cpp - Weights in the order in which they are read ----===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "passes/Utils/PackedWeights.h"

#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/SymbolTable.h"
#include "passes/Utils/IreeOps.h"
#include "passes/Utils/Text.h"
#include "passes/Utils/TileRules.h"
#include "llvm/ADT/StringExtras.h"

using namespace mlir;
using namespace dycl;

/// The scope of the parameters in the archive.
static constexpr llvm::StringLiteral kParameterScope = "model";

/// A property of an operation that is not registered here.
template <typename T> static T getProperty(Operation *op, StringRef name) {
  auto properties = dyn_cast_or_null<DictionaryAttr>(op->getPropertiesAsAttribute());
  return properties ? properties.getAs<T>(name) : T();
}

static StringAttr getSymbolName(Operation *global) { return getProperty<StringAttr>(global, "sym_name"); }

/// What `llvm::printEscapedString` made `text` of.
static std::string unescape(StringRef text) {
  std::string result;
  while (!text.empty()) {
    if (!text.consume_front("\\")) {
      result += text.front();
      text = text.drop_front();
    } else if (text.consume_front("\\")) {
      result += '\\';
    } else {
      result += char(llvm::hexFromNibbles(text[0], text[1]));
      text = text.drop_front(2);
    }
  }
  return result;
}

std::string dycl::getParameterKey(Operation *global) {
  auto value = getProperty<OpaqueAttr>(global, "initial_value");
  if (!value || value.getDialectNamespace() != "flow")
    return {};
  StringRef text = value.getAttrData();
  // parameter.named<"SCOPE"::"KEY">
  if (!text.consume_front("parameter.named<\"") || !text.consume_back("\">"))
    return {};
  return unescape(text.split("\"::\"").second);
}

Operation *dycl::getLoadedGlobal(ModuleOp module, Operation *load) {
  if (load->getName().getStringRef() != "util.global.load")
    return nullptr;
  auto symbol = getProperty<FlatSymbolRefAttr>(load, "global");
  for (Operation &op : module.getBody()->getOperations())
    if (op.getName().getStringRef() == "util.global" && symbol && getSymbolName(&op) == symbol.getAttr())
      return &op;
  return nullptr;
}

std::string dycl::makeGlobalName(StringRef key, llvm::function_ref<bool(StringRef)> isTaken) {
  std::string base;
  for (char c : key)
    base += llvm::isAlnum(c) ? c : '_';
  if (llvm::isDigit(base.front()))
    base.insert(base.begin(), '_');
  std::string name = base;
  for (unsigned suffix = 1; isTaken(name); ++suffix)
    name = base + "_" + std::to_string(suffix);
  return name;
}

void dycl::createParameterGlobal(OpBuilder &builder, Location location, StringRef key, StringRef name,
                                 RankedTensorType type) {
  std::string data = "parameter.named<\"" + kParameterScope.str() + "\"::\"";
  llvm::raw_string_ostream stream(data);
  llvm::printEscapedString(key, stream);
  stream << "\">";
  createIreeOp(builder, location, "util.global", {}, {},
               {builder.getNamedAttr("initial_value", OpaqueAttr::get(builder.getStringAttr("flow"), data, type)),
                builder.getNamedAttr("sym_name", builder.getStringAttr(name)),
                builder.getNamedAttr("sym_visibility", builder.getStringAttr("private")),
                builder.getNamedAttr("type", TypeAttr::get(type))});
}

/// The group that a slice takes of a weight, if it takes a whole one of the first dimension.
static std::optional<int64_t> getGroup(tensor::ExtractSliceOp slice) {
  RankedTensorType source = slice.getSourceType();
  if (!slice.getOffsets().empty() || !source.hasStaticShape())
    return std::nullopt;
  SmallVector<int64_t> whole(source.getShape());
  whole[0] = 1;
  ArrayRef<int64_t> offsets = slice.getStaticOffsets();
  bool isGroup = slice.getStaticSizes() == ArrayRef(whole) &&
                 llvm::all_of(offsets.drop_front(), [](int64_t offset) { return offset == 0; });
  return isGroup ? std::optional(offsets[0]) : std::nullopt;
}

std::optional<WeightView> dycl::getWeight(ModuleOp module, Value value) {
  Operation *op = value.getDefiningOp();
  auto type = dyn_cast<RankedTensorType>(value.getType());
  if (!op || !type || !type.hasStaticShape())
    return std::nullopt;
  auto extend = [&](Value source, const std::string &step) -> std::optional<WeightView> {
    std::optional<WeightView> weight = getWeight(module, source);
    if (!weight)
      return std::nullopt;
    return WeightView{weight->key + step, type};
  };
  if (auto transpose = dyn_cast<linalg::TransposeOp>(op))
    return extend(transpose.getInput(), "@transpose(" + joinNumbers(transpose.getPermutation(), ",") + ")");
  if (isa<tensor::CollapseShapeOp, tensor::ExpandShapeOp>(op))
    return extend(op->getOperand(0), "@reshape(" + joinNumbers(type.getShape(), ",") + ")");
  if (auto slice = dyn_cast<tensor::ExtractSliceOp>(op))
    if (std::optional<int64_t> group = getGroup(slice))
      return extend(slice.getSource(),
                    "@select(" + std::to_string(*group) + ")@reshape(" + joinNumbers(type.getShape(), ",") + ")");
  Operation *global = getLoadedGlobal(module, op);
  std::string key = global ? getParameterKey(global) : "";
  if (key.empty())
    return std::nullopt;
  return WeightView{key, type};
}

Value dycl::loadInBlocks(OpBuilder &builder, Location location, ModuleOp module, const WeightView &weight,
                         int64_t block) {
  MLIRContext *context = builder.getContext();
  std::string key = weight.key + "@blocks(" + std::to_string(block) + ")";
  ArrayRef<int64_t> shape = weight.type.getShape();
  SmallVector<int64_t> packed = {Tiling{shape.back(), block}.count()};
  llvm::append_range(packed, shape.drop_back());
  packed.push_back(block);
  auto type = RankedTensorType::get(packed, weight.type.getElementType());

  StringAttr name;
  llvm::SmallPtrSet<StringAttr, 16> taken;
  for (Operation &op : module.getBody()->getOperations()) {
    StringAttr symbol = op.getName().getStringRef() == "util.global"
                            ? getSymbolName(&op)
                            : op.getAttrOfType<StringAttr>(SymbolTable::getSymbolAttrName());
    if (symbol)
      taken.insert(symbol);
    if (op.getName().getStringRef() == "util.global" && getParameterKey(&op) == key)
      name = symbol;
  }
  if (!name) {
    name = StringAttr::get(context, makeGlobalName(key, [&](StringRef symbol) {
                             return taken.contains(StringAttr::get(context, symbol));
                           }));
    OpBuilder inModule = OpBuilder::atBlockBegin(module.getBody());
    createParameterGlobal(inModule, location, key, name, type);
  }
  return createIreeOp(builder, location, "util.global.load", {}, type,
                      builder.getNamedAttr("global", FlatSymbolRefAttr::get(name)))
      ->getResult(0);
}
