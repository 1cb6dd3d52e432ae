//===- MinCut.h - The cheapest cut of a network -----------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef PASSES_UTILS_MINCUT_H
#define PASSES_UTILS_MINCUT_H

#include "llvm/ADT/BitVector.h"
#include "llvm/ADT/SmallVector.h"

namespace dycl {

/// A directed network with capacities. The cut between source and sink whose edges cost least is found by Dinic's
/// algorithm (Dinitz 1970), in O(nodes² · edges); the networks here have a few hundred nodes.
class MinCut {
public:
  using Node = unsigned;
  static constexpr int64_t kInfinite = int64_t(1) << 60;

  /// A network with a source, node 0, and a sink, node 1.
  MinCut() : edgesOf(2) {}

  static constexpr Node kSource = 0;
  static constexpr Node kSink = 1;

  Node addNode() {
    edgesOf.emplace_back();
    return edgesOf.size() - 1;
  }

  /// An edge that costs `capacity` where `from` is on the source's side and `to` is not.
  void addEdge(Node from, Node to, int64_t capacity);

  /// The nodes on the source's side of a cheapest cut: of several such cuts, the one with fewest of them. May be called
  /// once.
  llvm::BitVector solve();

private:
  struct Edge {
    Node to;
    int64_t capacity; ///< what is left of it
  };

  bool findLevels();
  int64_t push(Node node, int64_t limit);

  // Edge 2k + 1 is the reverse of edge 2k.
  llvm::SmallVector<Edge> edges;
  llvm::SmallVector<llvm::SmallVector<unsigned>> edgesOf;
  llvm::SmallVector<int> levels;
  llvm::SmallVector<unsigned> next;
};

} // namespace dycl

#endif // PASSES_UTILS_MINCUT_H
