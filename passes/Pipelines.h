//===- Pipelines.h - The phases of dycl as pass pipelines -------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef PASSES_PIPELINES_H
#define PASSES_PIPELINES_H

#include "mlir/Pass/PassManager.h"
#include "mlir/Pass/PassOptions.h"

namespace dycl {

/// What may be chosen of a pipeline. Each of them takes all of them and reads its own.
struct PipelineOptions : public mlir::PassPipelineOptions<PipelineOptions> {
  Option<std::string> entry{*this, "entry", llvm::cl::desc("Name of the function that is the program"),
                            llvm::cl::init("main")};
  Option<std::string> program{*this, "program",
                              llvm::cl::desc("Function of a module that is the program; empty for @main, or the only "
                                             "public one"),
                              llvm::cl::init("")};
  Option<bool> simplifyHost{*this, "simplify-host",
                            llvm::cl::desc("Turn regions that only pass on an input, or a constant, into host "
                                           "assignments"),
                            llvm::cl::init(true)};
  Option<bool> rotateLoops{*this, "rotate-loops",
                           llvm::cl::desc("Compute a loop's next condition in the region that computes its body"),
                           llvm::cl::init(true)};
  Option<unsigned> numState{*this, "num-state", llvm::cl::desc("How many of the program's last arguments are state"),
                            llvm::cl::init(0)};
  ListOption<std::string> targets{*this, "targets",
                                  llvm::cl::desc("Devices to place regions on, the home first; none for one device")};
  ListOption<std::string> place{*this, "place", llvm::cl::desc("Which region runs where, as PATTERN=TARGET")};
  Option<bool> placeAutomatically{*this, "place-automatically",
                                  llvm::cl::desc("Place the other regions where the program is expected to cost least"),
                                  llvm::cl::init(false)};
  ListOption<std::string> models{*this, "models",
                                 llvm::cl::desc("What to expect of a target: "
                                                "TARGET=GFLOPS:GBPS:CALL_US:LINK_GBPS:LINK_US")};
  Option<std::string> target{*this, "target", llvm::cl::desc("Target to note on every region"), llvm::cl::init("")};
  Option<int64_t> maxSharedBytes{*this, "max-shared-bytes",
                                 llvm::cl::desc("Weights of a module with several regions; -1 shares none"),
                                 llvm::cl::init(1 << 20)};
  Option<bool> channelsLast{*this, "channels-last",
                            llvm::cl::desc("Compute on images with their channels innermost, also between regions"),
                            llvm::cl::init(false)};
  Option<unsigned> vectorBits{*this, "vector-bits", llvm::cl::desc("Bits of a vector register of the CPU"),
                              llvm::cl::init(0)};
  Option<unsigned> registers{*this, "registers", llvm::cl::desc("Vector registers that the CPU has"),
                             llvm::cl::init(0)};
  Option<bool> winograd{*this, "winograd", llvm::cl::desc("Compute 3x3 convolutions with fewer products"),
                        llvm::cl::init(true)};
  ListOption<std::string> tuning{*this, "tuning",
                                 llvm::cl::desc("Tiles of operations that were measured, as KEY:NAME=NUMBER:...")};
  Option<bool> listChoices{*this, "list-choices", llvm::cl::desc("List what may be chosen of operations"),
                           llvm::cl::init(false)};
};

/// Canonicalization and common subexpressions that leave the control flow as the user wrote it: no `scf.if` becomes an
/// `arith.select`, which would compute both sides, and no two decisions become one.
void addCleanup(mlir::OpPassManager &manager);

/// A module that somebody wrote in; contract A out: one public function @main, its control flow structured.
void buildReadPipeline(mlir::OpPassManager &manager, const PipelineOptions &options);

/// Phase `optimize`: contract A in; one structured function out, with calls inlined and each operation on the path
/// that needs it.
void buildOptimizePipeline(mlir::OpPassManager &manager, const PipelineOptions &options);

/// Phase `outline`: the result of `optimize` in; a `dycl.program` and its regions as functions out.
void buildOutlinePipeline(mlir::OpPassManager &manager, const PipelineOptions &options);

/// Phase `partition`: the result of `outline` in; contract B out. With targets, regions are placed on them first.
void buildPartitionPipeline(mlir::OpPassManager &manager, const PipelineOptions &options);

/// The three phases, one after the other.
void buildPipeline(mlir::OpPassManager &manager, const PipelineOptions &options);

/// The regions as IREE makes fast code of them for a CPU: contract B in, contract B out.
void buildCpuPipeline(mlir::OpPassManager &manager, const PipelineOptions &options);

/// The host as a VM module: contract B in; what iree-compile takes, with branches instead of `scf`, out.
void buildHostPipeline(mlir::OpPassManager &manager, const PipelineOptions &options);

/// Makes the pipelines known to the command line.
void registerPipelines();

} // namespace dycl

#endif // PASSES_PIPELINES_H
