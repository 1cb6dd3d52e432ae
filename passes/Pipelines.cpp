//===- Pipelines.cpp - The phases of dycl as pass pipelines ---------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "passes/Pipelines.h"

#include "dialects/Dycl/IR/DyclOps.h"
#include "mlir/Conversion/ControlFlowToSCF/ControlFlowToSCF.h"
#include "mlir/Conversion/SCFToControlFlow/SCFToControlFlow.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Pass/PassRegistry.h"
#include "mlir/Transforms/Passes.h"
#include "passes/Passes.h"

using namespace mlir;
using namespace dycl;

/// Rewrites of scf.if that are wrong for a program whose branches are expensive and whose decisions are reported: a
/// choice by value (both sides computed), one decision for two tests. A pattern's name has either spelling of the
/// anonymous namespace, depending on the compiler that built MLIR.
static SmallVector<std::string> getDisabledPatterns() {
  SmallVector<std::string> names;
  for (StringRef pattern : {"ConvertTrivialIfToSelect", "CombineIfs", "CombineNestedIfs"})
    for (StringRef space : {"{anonymous}::", "(anonymous namespace)::"})
      names.push_back((space + pattern).str());
  return names;
}

static std::unique_ptr<Pass> createStructuredCanonicalizer() {
  static const SmallVector<std::string> disabled = getDisabledPatterns();
  return createCanonicalizerPass(GreedyRewriteConfig(), disabled);
}

void dycl::addCleanup(OpPassManager &manager) {
  manager.addPass(createStructuredCanonicalizer());
  manager.addPass(createCSEPass());
}

void dycl::buildReadPipeline(OpPassManager &manager, const PipelineOptions &options) {
  DyclSelectEntryPassOptions select;
  select.entry = options.program;
  manager.addPass(createDyclSelectEntryPass(select));
  manager.addPass(createSymbolDCEPass());
  manager.addPass(createLiftControlFlowToSCFPass());
  manager.addPass(createDyclVerifyInputPass());
}

void dycl::buildOptimizePipeline(OpPassManager &manager, const PipelineOptions &options) {
  DyclVerifyInputPassOptions verifyInput;
  verifyInput.entry = options.entry;
  manager.addPass(createDyclVerifyInputPass(verifyInput));
  DyclInlineCallsPassOptions inlineCalls;
  inlineCalls.entry = options.entry;
  manager.addPass(createDyclInlineCallsPass(inlineCalls));
  DyclTensorizeEntryPassOptions tensorize;
  tensorize.entry = options.entry;
  manager.addPass(createDyclTensorizeEntryPass(tensorize));
  manager.addPass(createDyclStripElementAssertsPass());
  // Flags are followed while they are still constants in the branches: canonicalized, they are the condition again.
  manager.addPass(createDyclSinkIntoBranchesPass());
  manager.addPass(createDyclThreadBranchesPass());
  addCleanup(manager);
  manager.addPass(createDyclPromoteIntegersPass());
  manager.addPass(createDyclFoldIntegerRangesPass());
  addCleanup(manager);
  manager.nest<func::FuncOp>().addPass(createLoopInvariantCodeMotionPass());
  if (options.rotateLoops)
    manager.addPass(createDyclRotateLoopsPass());
  manager.nest<func::FuncOp>().addPass(createDyclTrimWindowsPass());
  if (options.channelsLast)
    manager.nest<func::FuncOp>().addPass(createDyclChannelsLastPass());
  addCleanup(manager);
  manager.addPass(createDyclSinkIntoBranchesPass());
  manager.addPass(createDyclMaterializePoisonPass());
}

void dycl::buildOutlinePipeline(OpPassManager &manager, const PipelineOptions &options) {
  DyclOutlineRegionsPassOptions outline;
  outline.entry = options.entry;
  manager.addPass(createDyclOutlineRegionsPass(outline));
  if (options.simplifyHost)
    manager.addPass(createDyclSimplifyHostPass());
  manager.addPass(createDyclMergeRegionsPass());
  manager.nest<func::FuncOp>().addPass(createDyclFoldExtractedScalarsPass());
  manager.nest<func::FuncOp>().addPass(createDyclFoldExtractedSlicesPass());
  manager.nest<func::FuncOp>().addPass(createDyclFoldUniformTensorsPass());
  manager.addPass(createDyclLegalizeScalarsPass());
  manager.addPass(createDyclProtectArgumentsPass());
  manager.addPass(createDyclAnnotateCostPass());
  manager.nest<ProgramOp>().addPass(createDyclVerifyHostPass());
}

void dycl::buildPartitionPipeline(OpPassManager &manager, const PipelineOptions &options) {
  if (!options.targets.empty()) {
    DyclPlaceRegionsPassOptions place;
    place.targets = llvm::to_vector(options.targets);
    place.rules = llvm::to_vector(options.place);
    place.models = llvm::to_vector(options.models);
    place.automatic = options.placeAutomatically;
    manager.addPass(createDyclPlaceRegionsPass(place));
    manager.addPass(createDyclInsertTransfersPass());
  }
  manager.addPass(createDyclVerifyPlacementPass());
  DyclPartitionModulesPassOptions partition;
  partition.target = options.target;
  partition.maxSharedBytes = options.maxSharedBytes;
  manager.addPass(createDyclPartitionModulesPass(partition));
}

/// The options of a pass that writes code for a vector unit.
template <typename Options> static Options getUnitOptions(const PipelineOptions &options) {
  Options unit;
  unit.vectorBits = options.vectorBits;
  unit.registers = options.registers;
  return unit;
}

void dycl::buildCpuPipeline(OpPassManager &manager, const PipelineOptions &options) {
  OpPassManager &module = manager.nest<ModuleOp>();
  module.nest<func::FuncOp>().addPass(createDyclChannelsLastPass());
  addCleanup(module);
  // From here on nothing may simplify: see `eraseDeadOps`.
  module.addPass(createDyclTileGroupsPass(getUnitOptions<DyclTileGroupsPassOptions>(options)));
  module.addPass(createDyclSplitGroupsPass());
  if (options.winograd) {
    auto winograd = getUnitOptions<DyclWinogradConvolutionsPassOptions>(options);
    module.addPass(createDyclWinogradConvolutionsPass(winograd));
  }
  auto convolutions = getUnitOptions<DyclTileConvolutionsPassOptions>(options);
  convolutions.tuning = llvm::to_vector(options.tuning);
  convolutions.listChoices = options.listChoices;
  module.addPass(createDyclTileConvolutionsPass(convolutions));
  module.addPass(createDyclTileConcatenationsPass(getUnitOptions<DyclTileConcatenationsPassOptions>(options)));
  module.addPass(createDyclTilePixelsPass(getUnitOptions<DyclTilePixelsPassOptions>(options)));
  auto products = getUnitOptions<DyclTileProductsPassOptions>(options);
  products.tuning = llvm::to_vector(options.tuning);
  products.listChoices = options.listChoices;
  module.addPass(createDyclTileProductsPass(products));
  module.nest<func::FuncOp>().addPass(createDyclIsolateScattersPass());
  manager.addPass(createDyclCollectParametersPass());
}

void dycl::buildHostPipeline(OpPassManager &manager, const PipelineOptions &options) {
  DyclConvertHostPassOptions convert;
  convert.numState = options.numState;
  manager.addPass(createDyclConvertHostPass(convert));
  // IREE 3.13 rejects some structured control flow, such as scf.index_switch in scf.for.
  manager.addPass(createSCFToControlFlowPass());
  manager.addPass(createCSEPass());
  manager.nest<func::FuncOp>().addPass(createDyclCarryInListPass());
}

void dycl::buildPipeline(OpPassManager &manager, const PipelineOptions &options) {
  buildOptimizePipeline(manager, options);
  buildOutlinePipeline(manager, options);
  buildPartitionPipeline(manager, options);
}

void dycl::registerPipelines() {
  PassPipelineRegistration<PipelineOptions>(
      "dycl-pipeline", "From imported IR to a host program and one module a region (all phases)", buildPipeline);
  PassPipelineRegistration<PipelineOptions>(
      "dycl-read-pipeline", "A module that somebody wrote, as the phase import would hand it over", buildReadPipeline);
  PassPipelineRegistration<PipelineOptions>(
      "dycl-optimize-pipeline", "Phase optimize: one structured function, each operation on the path that needs it",
      buildOptimizePipeline);
  PassPipelineRegistration<PipelineOptions>(
      "dycl-outline-pipeline", "Phase outline: host program and regions as functions", buildOutlinePipeline);
  PassPipelineRegistration<PipelineOptions>("dycl-partition-pipeline", "Phase partition: one module a region",
                                            buildPartitionPipeline);
  PassPipelineRegistration<PipelineOptions>(
      "dycl-cpu-pipeline", "Partitioned regions with tiles and weights as a CPU likes them", buildCpuPipeline);
  PassPipelineRegistration<PipelineOptions>(
      "dycl-host-pipeline", "The partitioned host program as a module for IREE's VM", buildHostPipeline);
}
