//===- VmTransfers.h - Copies between devices in IREE's VM ------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef PASSES_UTILS_VMTRANSFERS_H
#define PASSES_UTILS_VMTRANSFERS_H

#include "mlir/IR/Builders.h"
#include "mlir/IR/BuiltinOps.h"
#include "llvm/ADT/StringSet.h"

namespace dycl {

/// IREE's name of the kind of device that a target called `device` runs on: "local" or "vulkan"; "" for one that the
/// host as a VM module cannot copy to or from.
llvm::StringRef getDeviceKind(llvm::StringRef device);

/// The functions of a host module that copy tensors between its CPU and its GPU.
///
/// A device comes from a module of its own, `device_KIND`, by its function `get`. So the host asks for no device
/// itself, and where each device has a HAL module of its own (as from Python), the module of a device is linked to that
/// one.
///
/// They are functions of IREE's `util`, since an initializer calls no other.
class VmTransfers {
public:
  explicit VmTransfers(mlir::ModuleOp module) : module(module) {}

  /// A copy on the device `to` of a tensor of some rank on `from`, both `!hal.buffer_view`. That of null is null.
  mlir::Value createCopy(mlir::OpBuilder &builder, mlir::Location location, mlir::Value tensor, int64_t rank,
                         llvm::StringRef from, llvm::StringRef to);

private:
  mlir::Block *declare(llvm::StringRef name, mlir::FunctionType type, bool isDefined);
  mlir::Value getDevice(mlir::OpBuilder &builder, llvm::StringRef kind);
  void define(llvm::StringRef name, llvm::StringRef from, llvm::StringRef to, int64_t rank);

  mlir::ModuleOp module;
  llvm::StringSet<> functions;
};

} // namespace dycl

#endif // PASSES_UTILS_VMTRANSFERS_H
