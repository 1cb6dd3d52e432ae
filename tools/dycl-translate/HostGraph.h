//===- HostGraph.h - The heterogeneous control flow graph -------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Both emitters read the numbers of predicates from it: the k of `decide(k, …)` in host.py is the predicate k of the
// graph in the program description.
//
//===----------------------------------------------------------------------===//

#ifndef TOOLS_DYCL_TRANSLATE_HOSTGRAPH_H
#define TOOLS_DYCL_TRANSLATE_HOSTGRAPH_H

#include "dialects/Dycl/IR/DyclOps.h"
#include "mlir/Support/LLVM.h"
#include "llvm/ADT/DenseMap.h"
#include <string>
#include <vector>

namespace dycl {

/// A node of the graph: where control enters or leaves the program, a region call site, or a decision.
struct HostNode {
  enum class Kind { Entry, Exit, Region, Predicate } kind;
  mlir::Operation *op; ///< the program, the dycl.invoke, or the control-flow operation
  unsigned predicate;  ///< the number of a decision
};

/// A way that control can go. Labels: `next` from the entry and from regions, `true` and `false` of an scf.if,
/// `iterate` and `exit` of a loop, `case N` and `default` of an scf.index_switch.
struct HostEdge {
  unsigned source;
  unsigned target;
  std::string label;
};

/// The graph of a program. Node 0 is the entry, node 1 the exit; the others are in program order.
class HostGraph {
public:
  explicit HostGraph(ProgramOp program);

  const std::vector<HostNode> &getNodes() const { return nodes; }
  const std::vector<HostEdge> &getEdges() const { return edges; }
  /// The number of the decision that `op`, a control-flow operation, makes.
  unsigned getPredicate(mlir::Operation *op) const { return predicates.lookup(op); }

private:
  /// Edges whose target is not known yet.
  using OpenEnds = std::vector<std::pair<unsigned, std::string>>;

  unsigned addNode(HostNode::Kind kind, mlir::Operation *op, const OpenEnds &incoming);
  void connect(const OpenEnds &ends, unsigned target);
  OpenEnds visitBlock(mlir::Block &block, OpenEnds ends);
  OpenEnds visitOp(mlir::Operation *op, OpenEnds ends);

  std::vector<HostNode> nodes;
  std::vector<HostEdge> edges;
  llvm::DenseMap<mlir::Operation *, unsigned> predicates;
};

} // namespace dycl

#endif // TOOLS_DYCL_TRANSLATE_HOSTGRAPH_H
