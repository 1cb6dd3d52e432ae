//===- InsertTransfers.cpp - Copies between devices -----------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "dialects/Dycl/IR/DyclOps.h"
#include "passes/Passes.h"
#include "passes/Utils/Placement.h"
#include "passes/Utils/Regions.h"
#include "llvm/ADT/SetVector.h"

namespace dycl {
#define GEN_PASS_DEF_DYCLINSERTTRANSFERSPASS
#include "passes/Passes.h.inc"
} // namespace dycl

using namespace mlir;
using namespace dycl;

namespace {

struct InsertTransfersPass : public dycl::impl::DyclInsertTransfersPassBase<InsertTransfersPass> {
  using DyclInsertTransfersPassBase::DyclInsertTransfersPassBase;

  void runOnOperation() override {
    for (auto program : getOperation().getOps<ProgramOp>())
      if (program.getHomeAttr())
        insert(program);
  }

private:
  void insert(ProgramOp program);
  void insert(Value tensor, StringAttr from, StringAttr to, Block *block, ArrayRef<OpOperand *> uses);
};

/// Puts one copy of `tensor` before the first of `uses`, which are all in or below `block`, where `block` surely needs
/// it; else copies where they are needed.
void InsertTransfersPass::insert(Value tensor, StringAttr from, StringAttr to, Block *block,
                                 ArrayRef<OpOperand *> uses) {
  Operation *first = nullptr;
  llvm::SmallPtrSet<Operation *, 4> users;
  bool isSure = false;
  for (OpOperand *use : uses) {
    Operation *user = block->findAncestorOpInBlock(*use->getOwner());
    users.insert(user);
    // A loop needs it in each trip: it is copied once, before it.
    isSure |= user == use->getOwner() || isLoop(user);
    first = !first || user->isBeforeInBlock(first) ? user : first;
  }
  if (isSure || users.size() > 1) {
    OpBuilder builder(first);
    auto copy = TransferOp::create(builder, uses.front()->getOwner()->getLoc(), tensor.getType(), tensor, from, to);
    for (OpOperand *use : uses)
      use->set(copy);
    ++numTransfers;
    return;
  }
  for (Region &region : first->getRegions())
    for (Block &branch : region) {
      SmallVector<OpOperand *> inside;
      llvm::copy_if(uses, std::back_inserter(inside),
                    [&](OpOperand *use) { return branch.findAncestorOpInBlock(*use->getOwner()); });
      if (!inside.empty())
        insert(tensor, from, to, &branch, inside);
    }
}

void InsertTransfersPass::insert(ProgramOp program) {
  HostDataflow dataflow(program);
  SymbolTable symbols(getOperation());
  llvm::SetVector<StringAttr> names;
  names.insert(program.getHomeAttr());
  SmallVector<std::pair<HostDataflow::Place, StringAttr>> affinities;
  for (auto [callee, place] : dataflow.getRegions()) {
    StringAttr affinity = getAffinity(symbols.lookup(callee));
    affinities.emplace_back(place, affinity ? affinity : program.getHomeAttr());
    names.insert(affinities.back().second);
  }
  auto models = llvm::map_to_vector(names, [](StringAttr name) { return DeviceModel::of(name); });
  Placement placement(program, dataflow, models);
  for (auto [place, affinity] : affinities)
    placement.fix(place, std::distance(names.begin(), llvm::find(names, affinity)));
  placement.minimize();

  for (Value tensor : dataflow.getTensors()) {
    unsigned from = placement.getDevice(dataflow.getPlace(tensor));
    llvm::MapVector<unsigned, SmallVector<OpOperand *>> usesOf;
    for (OpOperand &use : tensor.getUses())
      if (std::optional<HostDataflow::Place> consumer = dataflow.getConsumer(use))
        if (unsigned to = placement.getDevice(*consumer); to != from)
          usesOf[to].push_back(&use);
    for (auto &[to, uses] : usesOf) {
      // Uses come in reverse order.
      std::reverse(uses.begin(), uses.end());
      insert(tensor, names[from], names[to], tensor.getParentBlock(), uses);
    }
  }
}

} // namespace
