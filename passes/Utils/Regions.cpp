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
