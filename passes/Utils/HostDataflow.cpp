//===- HostDataflow.cpp - Which tensor lies where -------------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "passes/Utils/HostDataflow.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace dycl;

HostDataflow::HostDataflow(ProgramOp program) {
  for (Value argument : program.getBody().getArguments())
    set(argument, kHome);
  program.getBody().walk<WalkOrder::PreOrder>([&](Operation *op) { visit(op); });
}

void HostDataflow::set(Value value, Place place) {
  if (isa<RankedTensorType>(value.getType()) && places.try_emplace(value, place).second)
    tensors.push_back(value);
}

void HostDataflow::setNew(ValueRange values) {
  for (Value value : values)
    set(value, numPlaces++);
}

std::optional<HostDataflow::Place> HostDataflow::find(Value value) const {
  auto found = places.find(value);
  return found == places.end() ? std::optional<Place>() : found->second;
}

/// Gives what `op` defines a place. Operations are visited before their bodies.
void HostDataflow::visit(Operation *op) {
  llvm::TypeSwitch<Operation *>(op)
      .Case<InvokeOp>([&](InvokeOp invoke) {
        auto [entry, isNew] = regions.try_emplace(invoke.getCalleeAttr().getAttr(), numPlaces);
        numPlaces += isNew;
        for (Value result : invoke.getResults())
          set(result, entry->second);
      })
      .Case<TransferOp>([&](TransferOp transfer) {
        transfers[op] = {numPlaces, numPlaces + 1};
        set(transfer.getResult(), numPlaces + 1);
        numPlaces += 2;
      })
      .Case<arith::ConstantOp>([&](Operation *constant) { set(constant->getResult(0), kHome); })
      .Case<tensor::CastOp>([&](tensor::CastOp cast) {
        if (std::optional<Place> source = find(cast.getSource()))
          set(cast, *source);
      })
      .Case<arith::SelectOp, scf::IfOp, scf::IndexSwitchOp>([&](Operation *join) { setNew(join->getResults()); })
      .Case<scf::WhileOp>([&](scf::WhileOp loop) {
        setNew(loop.getBeforeArguments());
        // What the condition forwards is one value, in the body and after the loop.
        setNew(loop.getAfterArguments());
        for (auto [inside, after] : llvm::zip_equal(loop.getAfterArguments(), loop.getResults()))
          if (std::optional<Place> place = find(inside))
            set(after, *place);
      })
      .Case<scf::ForOp>([&](scf::ForOp loop) {
        setNew(loop.getRegionIterArgs());
        for (auto [inside, after] : llvm::zip_equal(loop.getRegionIterArgs(), loop.getResults()))
          if (std::optional<Place> place = find(inside))
            set(after, *place);
      });
}

std::optional<HostDataflow::Place> HostDataflow::getConsumer(OpOperand &use) const {
  Operation *user = use.getOwner();
  unsigned index = use.getOperandNumber();
  return llvm::TypeSwitch<Operation *, std::optional<Place>>(user)
      .Case<InvokeOp>([&](InvokeOp invoke) { return regions.find(invoke.getCalleeAttr().getAttr())->second; })
      .Case<ReturnOp>([&](Operation *) { return kHome; })
      .Case<TransferOp>([&](TransferOp transfer) { return getTransfer(transfer).first; })
      .Case<tensor::CastOp, arith::SelectOp>([&](Operation *op) { return find(op->getResult(0)); })
      .Case<scf::WhileOp>([&](scf::WhileOp loop) { return find(loop.getBeforeArguments()[index]); })
      .Case<scf::ForOp>(
          [&](scf::ForOp loop) { return find(loop.getRegionIterArgs()[index - loop.getNumControlOperands()]); })
      .Case<scf::ConditionOp>([&](scf::ConditionOp end) {
        return find(cast<scf::WhileOp>(end->getParentOp()).getAfterArguments()[index - 1]);
      })
      .Case<scf::YieldOp>([&](scf::YieldOp end) -> std::optional<Place> {
        Operation *parent = end->getParentOp();
        if (auto loop = dyn_cast<scf::WhileOp>(parent))
          return find(loop.getBeforeArguments()[index]);
        return find(parent->getResult(index));
      })
      .Default([](Operation *) { return std::nullopt; });
}

bool dycl::isLoop(Operation *op) { return isa<scf::WhileOp, scf::ForOp>(op); }

static constexpr double kTrips = 10;

double dycl::estimateRuns(Block *block) {
  double runs = 1;
  for (Operation *parent = block->getParentOp(); parent && !isa<ProgramOp>(parent); parent = parent->getParentOp()) {
    if (isa<scf::IfOp>(parent))
      runs /= 2;
    else if (auto branch = dyn_cast<scf::IndexSwitchOp>(parent))
      runs /= branch.getNumCases() + 1;
    else if (auto loop = dyn_cast<scf::ForOp>(parent)) {
      std::optional<APInt> trips = loop.getStaticTripCount();
      runs *= trips ? double(trips->getSExtValue()) : kTrips;
    } else if (isLoop(parent)) {
      runs *= kTrips;
    }
  }
  return runs;
}
