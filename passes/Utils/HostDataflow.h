//===- HostDataflow.h - Which tensor lies where -----------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A host program as a graph of places. A place is what has one device: a region; the program's home; a value that
// control flow joins or carries (the result of a branch, what a loop carries). Each tensor lies with one place and is
// needed by others; where these are on other devices it has to be transferred.
//
//===----------------------------------------------------------------------===//

#ifndef PASSES_UTILS_HOSTDATAFLOW_H
#define PASSES_UTILS_HOSTDATAFLOW_H

#include "dialects/Dycl/IR/DyclOps.h"
#include "mlir/IR/Value.h"
#include "mlir/Support/LLVM.h"
#include "llvm/ADT/DenseMap.h"
#include "llvm/ADT/MapVector.h"

namespace dycl {

class HostDataflow {
public:
  using Place = unsigned;
  static constexpr Place kHome = 0;

  explicit HostDataflow(ProgramOp program);

  unsigned getNumPlaces() const { return numPlaces; }

  /// The place of each region that is called, in program order.
  const llvm::MapVector<mlir::StringAttr, Place> &getRegions() const { return regions; }

  /// The places of a transfer's operand and result.
  std::pair<Place, Place> getTransfer(TransferOp op) const { return transfers.lookup(op); }

  /// The tensors that lie with a place, in program order. Poison lies nowhere; a constant lies at home, and can be made
  /// on any device.
  mlir::ArrayRef<mlir::Value> getTensors() const { return tensors; }

  Place getPlace(mlir::Value tensor) const { return places.find(tensor)->second; }

  /// The place that needs a tensor where it is used; none where nothing does.
  std::optional<Place> getConsumer(mlir::OpOperand &use) const;

private:
  void visit(mlir::Operation *op);
  void set(mlir::Value value, Place place);
  void setNew(mlir::ValueRange values);
  std::optional<Place> find(mlir::Value value) const;

  unsigned numPlaces = 1;
  llvm::MapVector<mlir::StringAttr, Place> regions;
  llvm::DenseMap<mlir::Operation *, std::pair<Place, Place>> transfers;
  llvm::DenseMap<mlir::Value, Place> places;
  mlir::SmallVector<mlir::Value> tensors;
};

/// How often each run of the program is expected to run a block: each way of a branch as likely as the others, a loop
/// as many trips as its bounds say, or ten.
double estimateRuns(mlir::Block *block);

/// Whether `op` runs its blocks more than once.
bool isLoop(mlir::Operation *op);

} // namespace dycl

#endif // PASSES_UTILS_HOSTDATAFLOW_H
