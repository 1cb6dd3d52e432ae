//===- VerifyHost.cpp - The host computes on no tensor ---------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "dialects/Dycl/IR/DyclOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "passes/Passes.h"
#include "passes/Utils/HostOps.h"

namespace dycl {
#define GEN_PASS_DEF_DYCLVERIFYHOSTPASS
#include "passes/Passes.h.inc"
} // namespace dycl

using namespace mlir;
using namespace dycl;

/// Whether `op` may stand in a host program.
static bool isLegalOnHost(Operation *op) {
  if (isa<InvokeOp, TransferOp, ReturnOp>(op) || isHostOp(op))
    return true;
  if (isa<scf::IfOp, scf::WhileOp, scf::ForOp, scf::IndexSwitchOp, scf::YieldOp, scf::ConditionOp>(op))
    return true;
  // A constant tensor is not computed on: host.py holds it as data.
  return isa<arith::ConstantOp>(op) && isa<RankedTensorType>(op->getResult(0).getType());
}

namespace {

struct VerifyHostPass : public dycl::impl::DyclVerifyHostPassBase<VerifyHostPass> {
  using DyclVerifyHostPassBase::DyclVerifyHostPassBase;

  void runOnOperation() override {
    ProgramOp program = getOperation();
    bool isLegal = true;
    program.getBody().walk([&](Operation *op) {
      if (!isLegalOnHost(op)) {
        op->emitError() << "'" << op->getName() << "' is left in the host program, which may hold only control flow, "
                        << "region calls and arithmetic on scalars";
        isLegal = false;
      }
      for (Value result : op->getResults())
        if (!isBorderType(result.getType())) {
          op->emitError() << "'" << op->getName() << "' gives the host a value of type " << result.getType()
                          << "; expected a tensor, i1, i32, i64, index, f32 or f64";
          isLegal = false;
        }
    });
    markAllAnalysesPreserved();
    if (!isLegal)
      signalPassFailure();
  }
};

} // namespace
