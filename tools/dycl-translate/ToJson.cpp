//===- ToJson.cpp - The program description -------------------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "passes/Utils/Locations.h"
#include "tools/dycl-translate/HostGraph.h"
#include "tools/dycl-translate/Translations.h"
#include "llvm/Support/JSON.h"

using namespace mlir;
using namespace dycl;

static std::string printType(Type type) {
  std::string text;
  llvm::raw_string_ostream(text) << type;
  return text;
}

static llvm::json::Value describeLocation(Location location) {
  FileLineColLoc line = findUserLine(location);
  if (!line)
    return nullptr;
  return llvm::json::Object{{"file", llvm::json::fixUTF8(line.getFilename().getValue())},
                            {"line", line.getLine()},
                            {"column", line.getColumn()}};
}

static llvm::json::Array describeTypes(TypeRange types) {
  llvm::json::Array result;
  for (Type type : types)
    result.push_back(printType(type));
  return result;
}

static llvm::json::Object describeRegion(RegionOp region) {
  llvm::json::Object result{{"name", region.getSymName()},
                            {"module", region.getModule().value_or("")},
                            {"function", region.getSymName()},
                            {"inputs", describeTypes(region.getFunctionType().getInputs())},
                            {"results", describeTypes(region.getFunctionType().getResults())},
                            {"location", describeLocation(region.getLoc())}};
  llvm::json::Array parameters;
  if (ArrayAttr keys = region.getParametersAttr())
    for (auto key : keys.getAsRange<StringAttr>())
      parameters.push_back(llvm::json::fixUTF8(key.getValue()));
  result["parameters"] = std::move(parameters);
  result["cost"] = nullptr;
  if (CostAttr cost = region.getCostAttr())
    result["cost"] = llvm::json::Object{{"flops", cost.getFlops()}, {"bytes", cost.getBytes()}};
  if (std::optional<StringRef> target = region.getTarget())
    result["target"] = *target;
  if (std::optional<StringRef> affinity = region.getAffinity())
    result["affinity"] = *affinity;
  return result;
}

static llvm::json::Object describeGraph(ProgramOp program) {
  HostGraph graph(program);
  llvm::json::Array nodes, edges;
  for (auto [id, node] : llvm::enumerate(graph.getNodes())) {
    llvm::json::Object described{{"id", int64_t(id)}, {"location", describeLocation(node.op->getLoc())}};
    switch (node.kind) {
    case HostNode::Kind::Entry:
      described["kind"] = "entry";
      break;
    case HostNode::Kind::Exit:
      described["kind"] = "exit";
      break;
    case HostNode::Kind::Region:
      described["kind"] = "region";
      described["region"] = cast<InvokeOp>(node.op).getCallee();
      break;
    case HostNode::Kind::Predicate:
      described["kind"] = "predicate";
      described["predicate"] = int64_t(node.predicate);
      break;
    }
    nodes.push_back(std::move(described));
  }
  for (const HostEdge &edge : graph.getEdges())
    edges.push_back(
        llvm::json::Object{{"source", int64_t(edge.source)}, {"target", int64_t(edge.target)}, {"label", edge.label}});
  return llvm::json::Object{{"nodes", std::move(nodes)}, {"edges", std::move(edges)}};
}

LogicalResult dycl::translateToJson(ModuleOp module, llvm::raw_ostream &out) {
  FailureOr<ProgramOp> program = findPartitionedProgram(module);
  if (failed(program))
    return failure();
  llvm::json::Array inputs, outputs, regions;
  for (auto [index, type] : llvm::enumerate(program->getArgumentTypes()))
    inputs.push_back(
        llvm::json::Object{{"name", llvm::json::fixUTF8(program->getArgumentName(index))}, {"type", printType(type)}});
  for (Type type : program->getResultTypes())
    outputs.push_back(llvm::json::Object{{"type", printType(type)}});
  for (auto region : module.getOps<RegionOp>())
    regions.push_back(describeRegion(region));

  llvm::json::Object description{{"name", module.getSymName().value_or(program->getSymName())},
                                 {"inputs", std::move(inputs)},
                                 {"outputs", std::move(outputs)},
                                 {"regions", std::move(regions)},
                                 {"hcfg", describeGraph(*program)}};
  if (std::optional<StringRef> home = program->getHome())
    description["home"] = *home;
  out << llvm::formatv("{0:2}\n", llvm::json::Value(std::move(description)));
  return success();
}
