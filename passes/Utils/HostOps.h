//===- HostOps.h - What the host program may hold ---------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The border between host and regions, drawn once: outlining follows it, `--dycl-verify-host` checks it, and
// `dycl-translate` knows how to write exactly these operations in Python.
//
//===----------------------------------------------------------------------===//

#ifndef PASSES_UTILS_HOSTOPS_H
#define PASSES_UTILS_HOSTOPS_H

#include "mlir/IR/Block.h"
#include "mlir/IR/Operation.h"
#include "mlir/Support/LLVM.h"

namespace dycl {

/// Whether a value of `type` is a number to the host: `i1`, `i64`, `index`, `f64`, which Python's bool, int and float
/// hold exactly.
bool isHostScalar(mlir::Type type);

/// Whether `type` may cross the border of a region: tensors and the scalars that the VM's calling convention has.
bool isBorderType(mlir::Type type);

/// Whether `op` is control flow of the program, to be run by the host: `scf.if`, `scf.while`, `scf.index_switch` and
/// `scf.for`, except a loop with constant bounds that carries only scalars and has no control flow inside, which is
/// computation. (IREE 3.13 rejects some loops that carry tensors: "circular dependency: input operation uses partition
/// output".)
///
/// The answer holds for an op whose parents are control flow themselves; inside the body of a tensor operation
/// (`linalg.generic`, `tensor.generate`, …) nothing is control flow of the program.
bool isControlFlow(mlir::Operation *op);

/// The blocks of `op`, which is control flow, as they stand in its text: the cases of a switch before its default.
llvm::SmallVector<mlir::Block *> getBlocksInOrder(mlir::Operation *op);

/// Whether `block` is one that the host runs: the entry's body, or a block of control flow in one.
bool isHostBlock(mlir::Block *block);

/// The operation around or at `op` that lies directly in a host block.
mlir::Operation *getHostLevelOp(mlir::Operation *op);

/// Whether `op` can be executed by the host when its operands are at hand: arithmetic on host scalars that Python
/// does exactly, a choice between two values, a change of static type of a tensor, a constant, a poison value.
bool isHostOp(mlir::Operation *op);

/// Whether `op` may move past control flow, given its operands: nothing observes when it runs. `cf.assert` inside a
/// tensor operation does not count against it, and `tm_tensor` ops, which are not registered here, are known to be
/// functions of tensors. Any other unregistered op is taken to have side effects.
bool isMovable(mlir::Operation *op);

} // namespace dycl

#endif // PASSES_UTILS_HOSTOPS_H
