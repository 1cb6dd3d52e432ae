//===- HostGraph.cpp - The heterogeneous control flow graph ---------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "tools/dycl-translate/HostGraph.h"

#include "mlir/Dialect/SCF/IR/SCF.h"
#include "passes/Utils/HostOps.h"
#include "passes/Utils/HostValues.h"

using namespace mlir;
using namespace dycl;

HostGraph::HostGraph(ProgramOp program) : predicates(numberPredicates(program)) {
  unsigned entry = addNode(HostNode::Kind::Entry, program, {});
  unsigned exit = addNode(HostNode::Kind::Exit, program, {});
  connect(visitBlock(program.getBody().front(), {{entry, "next"}}), exit);
}

unsigned HostGraph::addNode(HostNode::Kind kind, Operation *op, const OpenEnds &incoming) {
  unsigned node = nodes.size();
  nodes.push_back({kind, op, predicates.lookup(op)});
  connect(incoming, node);
  return node;
}

void HostGraph::connect(const OpenEnds &ends, unsigned target) {
  for (const auto &[source, label] : ends)
    edges.push_back({source, target, label});
}

HostGraph::OpenEnds HostGraph::visitBlock(Block &block, OpenEnds ends) {
  for (Operation &op : block.without_terminator())
    ends = visitOp(&op, std::move(ends));
  return ends;
}

HostGraph::OpenEnds HostGraph::visitOp(Operation *op, OpenEnds ends) {
  if (isa<InvokeOp>(op))
    return {{addNode(HostNode::Kind::Region, op, ends), "next"}};

  if (auto branch = dyn_cast<scf::IfOp>(op)) {
    unsigned node = addNode(HostNode::Kind::Predicate, op, ends);
    OpenEnds out = visitBlock(*branch.thenBlock(), {{node, "true"}});
    OpenEnds otherwise = {{node, "false"}};
    if (Block *block = branch.elseBlock())
      otherwise = visitBlock(*block, otherwise);
    out.insert(out.end(), otherwise.begin(), otherwise.end());
    return out;
  }

  if (auto branch = dyn_cast<scf::IndexSwitchOp>(op)) {
    unsigned node = addNode(HostNode::Kind::Predicate, op, ends);
    OpenEnds out;
    for (auto [value, region] : llvm::zip_equal(branch.getCases(), branch.getCaseRegions())) {
      OpenEnds ended = visitBlock(region.front(), {{node, "case " + std::to_string(value)}});
      out.insert(out.end(), ended.begin(), ended.end());
    }
    OpenEnds ended = visitBlock(branch.getDefaultRegion().front(), {{node, "default"}});
    out.insert(out.end(), ended.begin(), ended.end());
    return out;
  }

  if (auto loop = dyn_cast<scf::WhileOp>(op)) {
    // The first node that the condition adds, or the decision, is where an iteration comes back to.
    unsigned head = nodes.size();
    unsigned node = addNode(HostNode::Kind::Predicate, op, visitBlock(*loop.getBeforeBody(), std::move(ends)));
    connect(visitBlock(*loop.getAfterBody(), {{node, "iterate"}}), head);
    return {{node, "exit"}};
  }

  if (auto loop = dyn_cast<scf::ForOp>(op)) {
    unsigned node = addNode(HostNode::Kind::Predicate, op, ends);
    connect(visitBlock(*loop.getBody(), {{node, "iterate"}}), node);
    return {{node, "exit"}};
  }
  return ends;
}
