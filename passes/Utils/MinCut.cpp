//===- MinCut.cpp - The cheapest cut of a network -------------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "passes/Utils/MinCut.h"

#include "llvm/ADT/STLExtras.h"

#include <algorithm>

using namespace dycl;

void MinCut::addEdge(Node from, Node to, int64_t capacity) {
  if (capacity <= 0 || from == to)
    return;
  edgesOf[from].push_back(edges.size());
  edges.push_back({to, std::min(capacity, kInfinite)});
  edgesOf[to].push_back(edges.size());
  edges.push_back({from, 0});
}

/// Numbers each node by its distance from the source; says whether the sink has one.
bool MinCut::findLevels() {
  levels.assign(edgesOf.size(), -1);
  levels[kSource] = 0;
  llvm::SmallVector<Node> queue = {kSource};
  for (size_t i = 0; i < queue.size(); ++i)
    for (unsigned index : edgesOf[queue[i]]) {
      const Edge &edge = edges[index];
      if (edge.capacity == 0 || levels[edge.to] >= 0)
        continue;
      levels[edge.to] = levels[queue[i]] + 1;
      queue.push_back(edge.to);
    }
  return levels[kSink] >= 0;
}

/// Sends at most `limit` from `node` to the sink along one path; gives how much.
int64_t MinCut::push(Node node, int64_t limit) {
  if (node == kSink)
    return limit;
  for (unsigned &i = next[node]; i < edgesOf[node].size(); ++i) {
    unsigned index = edgesOf[node][i];
    Node to = edges[index].to;
    if (edges[index].capacity == 0 || levels[to] != levels[node] + 1)
      continue;
    if (int64_t sent = push(to, std::min(limit, edges[index].capacity))) {
      edges[index].capacity -= sent;
      edges[index ^ 1].capacity += sent;
      return sent;
    }
  }
  return 0;
}

llvm::BitVector MinCut::solve() {
  while (findLevels()) {
    next.assign(edgesOf.size(), 0);
    while (push(kSource, kInfinite)) {
    }
  }
  llvm::BitVector side(edgesOf.size());
  for (auto [node, level] : llvm::enumerate(levels))
    side[node] = level >= 0;
  return side;
}
