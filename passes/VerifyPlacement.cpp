//===- VerifyPlacement.cpp - Regions find their operands on their device ---===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "dialects/Dycl/IR/DyclOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "passes/Passes.h"
#include "passes/Utils/HostDataflow.h"
#include "passes/Utils/Regions.h"

namespace dycl {
#define GEN_PASS_DEF_DYCLVERIFYPLACEMENTPASS
#include "passes/Passes.h.inc"
} // namespace dycl

using namespace mlir;
using namespace dycl;

namespace {

struct VerifyPlacementPass : public dycl::impl::DyclVerifyPlacementPassBase<VerifyPlacementPass> {
  using DyclVerifyPlacementPassBase::DyclVerifyPlacementPassBase;

  void runOnOperation() override {
    markAllAnalysesPreserved();
    for (auto program : getOperation().getOps<ProgramOp>()) {
      if (failed(verifyHome(program)))
        return signalPassFailure();
      if (program.getHomeAttr() && failed(verify(program)))
        return signalPassFailure();
    }
  }

private:
  LogicalResult verifyHome(ProgramOp program);
  LogicalResult verify(ProgramOp program);
};

/// A program without a home runs on one device.
LogicalResult VerifyPlacementPass::verifyHome(ProgramOp program) {
  if (program.getHomeAttr())
    return success();
  SymbolTable symbols(getOperation());
  WalkResult walk = program.walk([&](Operation *op) {
    auto invoke = dyn_cast<InvokeOp>(op);
    bool isPlaced = invoke && getAffinity(symbols.lookup(invoke.getCallee()));
    if (!isPlaced && !isa<TransferOp>(op))
      return WalkResult::advance();
    op->emitError() << "'" << op->getName() << "' is placed on a device; the program names no home";
    return WalkResult::interrupt();
  });
  return failure(walk.wasInterrupted());
}

LogicalResult VerifyPlacementPass::verify(ProgramOp program) {
  HostDataflow dataflow(program);
  SymbolTable symbols(getOperation());
  SmallVector<StringAttr> devices(dataflow.getNumPlaces());
  devices[HostDataflow::kHome] = program.getHomeAttr();
  for (auto [callee, place] : dataflow.getRegions()) {
    StringAttr affinity = getAffinity(symbols.lookup(callee));
    devices[place] = affinity ? affinity : program.getHomeAttr();
  }
  program.walk([&](TransferOp transfer) {
    auto [from, to] = dataflow.getTransfer(transfer);
    devices[from] = transfer.getFromAttr();
    devices[to] = transfer.getToAttr();
  });

  // What control flow joins is where the first of its values is that has a device: found by going on until no further
  // one is found. All values have to agree then.
  for (bool isFound = true; isFound;) {
    isFound = false;
    for (Value tensor : dataflow.getTensors())
      for (OpOperand &use : tensor.getUses()) {
        std::optional<HostDataflow::Place> consumer = dataflow.getConsumer(use);
        StringAttr device = devices[dataflow.getPlace(tensor)];
        if (consumer && device && !devices[*consumer]) {
          devices[*consumer] = device;
          isFound = true;
        }
      }
  }
  bool isRight = true;
  for (Value tensor : dataflow.getTensors())
    for (OpOperand &use : tensor.getUses()) {
      std::optional<HostDataflow::Place> consumer = dataflow.getConsumer(use);
      StringAttr lies = devices[dataflow.getPlace(tensor)];
      if (!consumer || !lies || devices[*consumer] == lies)
        continue;
      use.getOwner()->emitError() << "takes operand " << use.getOperandNumber() << " on " << devices[*consumer]
                                  << "; it lies on " << lies;
      isRight = false;
    }
  return success(isRight);
}

} // namespace
