//===- Regions.cpp - Regions while they are functions ---------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "passes/Utils/Regions.h"

using namespace mlir;
using namespace dycl;

llvm::MapVector<func::FuncOp, SmallVector<InvokeOp>> dycl::collectInvokes(ModuleOp module) {
  llvm::MapVector<func::FuncOp, SmallVector<InvokeOp>> invokes;
  SymbolTable symbols(module);
  module.walk([&](InvokeOp invoke) {
    if (auto function = symbols.lookup<func::FuncOp>(invoke.getCallee()))
      invokes[function].push_back(invoke);
  });
  return invokes;
}

StringAttr dycl::getAffinity(Operation *region) {
  if (auto partitioned = dyn_cast_or_null<RegionOp>(region))
    return partitioned.getAffinityAttr();
  return region ? region->getAttrOfType<StringAttr>(kAffinityAttr) : StringAttr();
}

int64_t dycl::multiplySizes(ArrayRef<int64_t> sizes) {
  int64_t result = 1;
  for (int64_t size : sizes)
    result *= ShapedType::isDynamic(size) ? 1 : size;
  return result;
}

int64_t dycl::countBytes(Type type) {
  auto tensor = dyn_cast<RankedTensorType>(type);
  Type element = tensor ? tensor.getElementType() : type;
  int64_t bits = 64; // `index`, as the VM passes it.
  if (auto complex = dyn_cast<ComplexType>(element))
    bits = 2 * complex.getElementType().getIntOrFloatBitWidth();
  else if (element.isIntOrFloat())
    bits = element.getIntOrFloatBitWidth();
  return (tensor ? multiplySizes(tensor.getShape()) : 1) * ((bits + 7) / 8);
}

unsigned dycl::renumberRegions(ModuleOp module) {
  auto invokes = collectInvokes(module);
  unsigned erased = 0, next = 0;
  for (auto function : llvm::make_early_inc_range(module.getOps<func::FuncOp>())) {
    if (!function.isPrivate() || !function.getSymName().starts_with(kRegionPrefix))
      continue;
    auto *found = invokes.find(function);
    if (found == invokes.end()) {
      function.erase();
      ++erased;
      continue;
    }
    // The numbers only go down, so no name is taken.
    auto name = StringAttr::get(module.getContext(), kRegionPrefix + Twine(next++));
    for (InvokeOp invoke : found->second)
      invoke.setCallee(name);
    function.setSymNameAttr(name);
  }
  return erased;
}
