//===- VmTransfers.cpp - Copies between devices in IREE's VM --------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A device reaches memory of its own only: a GPU's queue takes no buffer of the CPU, and where a buffer view of another
// device is passed to a region, IREE reports an error. But the CPU's queue copies from and to whatever is mapped into
// the host's memory, also where a GPU allocated it. So a copy goes through such a buffer of the GPU's.
//
//===----------------------------------------------------------------------===//

#include "passes/Utils/VmTransfers.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/ControlFlow/IR/ControlFlowOps.h"
#include "passes/Utils/IreeOps.h"

using namespace mlir;
using namespace dycl;

static constexpr StringLiteral kLocal = "local";

// Of IREE's `hal.memory_type` and `hal.buffer_usage`.
static constexpr int32_t kDeviceLocal = 48;  ///< DeviceVisible|DeviceLocal
static constexpr int32_t kHostLocal = 86;    ///< HostVisible|HostCoherent|HostLocal|DeviceVisible
static constexpr int32_t kTransfer = 3;      ///< TransferSource|TransferTarget
static constexpr int32_t kStorage = 3072;    ///< DispatchStorageRead|DispatchStorageWrite
static constexpr int32_t kMapping = 3 << 24; ///< MappingScoped|MappingPersistent

StringRef dycl::getDeviceKind(StringRef device) {
  if (device.starts_with("llvm-cpu"))
    return kLocal;
  return device.starts_with("vulkan") ? "vulkan" : "";
}

namespace {

/// Writes the operations of one copy.
class CopyBuilder {
public:
  CopyBuilder(OpBuilder &builder, Location location) : builder(builder), location(location) {}

  Operation *create(StringRef name, ValueRange operands, TypeRange results, ArrayRef<NamedAttribute> properties = {}) {
    return createIreeOp(builder, location, name, operands, results, properties);
  }
  Value createValue(StringRef name, ValueRange operands, Type result, ArrayRef<NamedAttribute> properties = {}) {
    return create(name, operands, result, properties)->getResult(0);
  }
  Value createInt(unsigned width, int64_t value) {
    return arith::ConstantIntOp::create(builder, location, builder.getIntegerType(width), value);
  }
  Type getHalType(StringRef name) { return getIreeType(builder.getContext(), "hal", name); }

  Value allocate(Value device, int32_t memoryType, int32_t usage, Value length) {
    Value allocator = createValue("hal.device.allocator", device, getHalType("allocator"));
    return createValue("hal.allocator.allocate",
                       {allocator, createInt(64, -1), createInt(32, memoryType), createInt(32, usage), length},
                       getHalType("buffer"));
  }

  /// Copies all of `source`, and waits for it.
  void copy(Value device, Value source, Value target, Value length) {
    Value none = createValue("util.null", {}, getHalType("fence"));
    NamedAttribute flags = builder.getNamedAttr("flags", builder.getI64IntegerAttr(0));
    Value done = createValue("hal.fence.create", device, getHalType("fence"), flags);
    Value zero = arith::ConstantIndexOp::create(builder, location, 0);
    create("hal.device.queue.copy", {device, createInt(64, -1), none, done, source, zero, target, zero, length}, {},
           flags);
    Value status = createValue("hal.fence.await", {createInt(32, -1), done}, builder.getI32Type(), flags);
    create("util.status.check_ok", status, {},
           builder.getNamedAttr("message", builder.getStringAttr("a tensor was not copied to another device")));
  }

private:
  OpBuilder &builder;
  Location location;
};

} // namespace

static Operation *createCall(OpBuilder &builder, Location location, StringRef callee, ValueRange operands,
                             Type result) {
  auto symbol = FlatSymbolRefAttr::get(builder.getContext(), callee);
  return createIreeOp(builder, location, "util.call", operands, result, builder.getNamedAttr("callee", symbol));
}

/// Adds a function to the end of the module. Returns its first block, or null for one of another module.
Block *VmTransfers::declare(StringRef name, FunctionType type, bool isDefined) {
  OpBuilder builder = OpBuilder::atBlockEnd(module.getBody());
  Operation *function = createIreeOp(builder, module.getLoc(), "util.func", {}, {},
                                     {builder.getNamedAttr("function_type", TypeAttr::get(type)),
                                      builder.getNamedAttr("sym_name", builder.getStringAttr(name)),
                                      builder.getNamedAttr("sym_visibility", builder.getStringAttr("private"))},
                                     /*numRegions=*/1);
  Block *entry = isDefined ? &function->getRegion(0).emplaceBlock() : nullptr;
  if (entry)
    for (Type input : type.getInputs())
      entry->addArgument(input, module.getLoc());
  return entry;
}

Value VmTransfers::getDevice(OpBuilder &builder, StringRef kind) {
  std::string name = ("device_" + kind + ".get").str();
  Type device = getIreeType(module.getContext(), "hal", "device");
  if (functions.insert(name).second)
    declare(name, builder.getFunctionType({}, device), /*isDefined=*/false);
  return createCall(builder, module.getLoc(), name, {}, device)->getResult(0);
}

Value VmTransfers::createCopy(OpBuilder &builder, Location location, Value tensor, int64_t rank, StringRef from,
                              StringRef to) {
  from = getDeviceKind(from);
  to = getDeviceKind(to);
  std::string name = ("transfer_" + from + "_" + to + "_" + Twine(rank)).str();
  if (functions.insert(name).second)
    define(name, from, to, rank);
  Type view = getIreeType(module.getContext(), "hal", "buffer_view");
  return createCall(builder, location, name, tensor, view)->getResult(0);
}

void VmTransfers::define(StringRef name, StringRef from, StringRef to, int64_t rank) {
  assert((from == kLocal) != (to == kLocal) && "one of the devices is the CPU");
  Location location = module.getLoc();
  Type type = getIreeType(module.getContext(), "hal", "buffer_view");
  Block *entry = declare(name, FunctionType::get(module.getContext(), type, type), /*isDefined=*/true);
  OpBuilder builder = OpBuilder::atBlockBegin(entry);
  CopyBuilder ops(builder, location);
  Block *isNone = builder.createBlock(entry->getParent(), entry->getParent()->end());
  Block *isSome = builder.createBlock(entry->getParent(), entry->getParent()->end());
  builder.setInsertionPointToStart(entry);
  Value view = entry->getArgument(0), none = ops.createValue("util.null", {}, type);
  Value condition = ops.createValue("util.cmp.eq", {view, none}, builder.getI1Type());
  cf::CondBranchOp::create(builder, location, condition, isNone, isSome);
  builder.setInsertionPointToStart(isNone);
  ops.create("util.return", none, {});

  builder.setInsertionPointToStart(isSome);
  Value source = ops.createValue("hal.buffer_view.buffer", view, ops.getHalType("buffer"));
  Value length = ops.createValue("hal.buffer.length", source, builder.getIndexType());
  Value first = getDevice(builder, from), second = getDevice(builder, to);
  Value mapped = ops.allocate(from == kLocal ? second : first, kHostLocal, kTransfer | kMapping, length);
  ops.copy(first, source, mapped, length);
  // Regions on the CPU map what they read.
  Value target = ops.allocate(second, kDeviceLocal, kTransfer | kStorage | (to == kLocal ? kMapping : 0), length);
  ops.copy(second, mapped, target, length);

  SmallVector<Value> operands{target, arith::ConstantIndexOp::create(builder, location, 0), length};
  for (StringRef property : {"hal.buffer_view.element_type", "hal.buffer_view.encoding_type"})
    operands.push_back(ops.createValue(property, view, builder.getI32Type()));
  for (int64_t dim = 0; dim < rank; ++dim)
    operands.push_back(ops.createValue("hal.buffer_view.dim", view, builder.getIndexType(),
                                       builder.getNamedAttr("index", builder.getIndexAttr(dim))));
  ops.create("util.return", ops.createValue("hal.buffer_view.create", operands, type), {});
}
