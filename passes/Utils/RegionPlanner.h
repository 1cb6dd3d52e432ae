//===- RegionPlanner.h - Which operation goes to which region ---*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A host block with n control-flow ops S1..Sn has n+1 pieces: P0 before S1, Pi between Si and Si+1. Planning classifies
// every op, computes the earliest and the latest piece it can be in, picks the fewest pieces that give every op a
// place, and assigns each op to one of them.
//
//===----------------------------------------------------------------------===//

#ifndef PASSES_UTILS_REGIONPLANNER_H
#define PASSES_UTILS_REGIONPLANNER_H

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/Operation.h"
#include "mlir/Support/LLVM.h"
#include "llvm/ADT/DenseSet.h"
#include "llvm/ADT/MapVector.h"
#include "llvm/ADT/SetVector.h"

namespace dycl {

/// Finds what is sunk into each region that needs it rather than passed: constants, parameters, and whatever is
/// computed of nothing else, such as the transpose of a weight. IREE hoists such computations into the loading of the
/// region, so that they cost nothing per call.
class ConstantFinder {
public:
  bool isConstant(mlir::Operation *op);
  void forget(mlir::Operation *op) { known.erase(op); }

private:
  bool compute(mlir::Operation *op);

  llvm::DenseMap<mlir::Operation *, bool> known;
};

/// What becomes of an operation of a host block.
enum class Kind {
  Control, ///< stays, and its blocks are planned themselves
  Host,    ///< stays
  Cheap,   ///< is cloned into each region that needs it
  Compute  ///< is in exactly one region
};

struct OpPlan {
  Kind kind = Kind::Compute;
  int order = 0;    ///< position in program order
  int original = 0; ///< the piece that the user wrote it in
  int earliest = 0; ///< first piece in which its operands are at hand
  int latest = 0;   ///< last piece before its first use
  int place = 0;    ///< the piece it goes to (Compute), or a bound on that of its operands (Cheap)
};

/// One region to be: the operations in program order, what it takes and what it gives.
struct Piece {
  mlir::SmallVector<mlir::Operation *> compute; ///< the operations that are only here
  mlir::SmallVector<mlir::Operation *> body;    ///< `compute` and the cheap operations it needs
  llvm::SetVector<mlir::Value> liveIns;
};

struct BlockPlan {
  mlir::SmallVector<mlir::Operation *> controls;
  llvm::MapVector<int, Piece> pieces;
  int lastPiece() const { return static_cast<int>(controls.size()); }
};

class RegionPlanner {
public:
  explicit RegionPlanner(mlir::func::FuncOp function) : function(function) {}

  void run();

  const OpPlan &getPlan(mlir::Operation *op) const { return ops.find(op)->second; }
  BlockPlan &getPlan(mlir::Block *block) { return blocks.find(block)->second; }
  bool isHostBlock(mlir::Block *block) const { return blocks.contains(block); }

  /// Whether the host itself reads a value through `use`: a control-flow op, the end of a host block, host arithmetic.
  bool isHostUse(mlir::OpOperand &use) const;
  /// Whether `value` is passed to some region.
  bool isLiveIn(mlir::Value value) const { return liveIns.contains(value); }

  mlir::ArrayRef<mlir::Operation *> getOps() const { return programOrder; }

private:
  void collectBlock(mlir::Block *block);
  void eraseUnread();
  void sinkConstants();
  void computeEarliest();
  void computeLatest();
  void classify();
  void placeInBlock(mlir::Block *block);
  void closePiece(Piece &piece);

  mlir::Operation *hostLevelOp(mlir::Operation *op) const;
  bool isHostCapable(mlir::Operation *op, const llvm::DenseSet<mlir::Operation *> &capable) const;

  mlir::func::FuncOp function;
  ConstantFinder finder;
  llvm::MapVector<mlir::Block *, BlockPlan> blocks; ///< host blocks in program order
  llvm::DenseMap<mlir::Operation *, OpPlan> ops;    ///< operations of host blocks, ends excluded
  mlir::SmallVector<mlir::Operation *> programOrder;
  llvm::DenseSet<mlir::Value> liveIns;
};

} // namespace dycl

#endif // PASSES_UTILS_REGIONPLANNER_H
