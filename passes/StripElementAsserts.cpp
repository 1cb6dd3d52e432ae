//===- StripElementAsserts.cpp - Drop assertions inside tensor ops --------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "mlir/Dialect/ControlFlow/IR/ControlFlowOps.h"
#include "passes/Passes.h"
#include "passes/Utils/HostOps.h"

namespace dycl {
#define GEN_PASS_DEF_DYCLSTRIPELEMENTASSERTSPASS
#include "passes/Passes.h.inc"
} // namespace dycl

using namespace mlir;
using namespace dycl;

namespace {

struct StripElementAssertsPass : public dycl::impl::DyclStripElementAssertsPassBase<StripElementAssertsPass> {
  using DyclStripElementAssertsPassBase::DyclStripElementAssertsPassBase;

  void runOnOperation() override {
    getOperation().walk([&](cf::AssertOp assertion) {
      if (isHostBlock(assertion->getBlock()))
        return;
      assertion.erase();
      ++numStripped;
    });
  }
};

} // namespace
