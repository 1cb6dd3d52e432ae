# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Child-sum Tree-LSTM: how alike two sentences are, along their dependency trees.

Tai et al., "Improved Semantic Representations From Tree-Structured Long Short-Term Memory Networks", ACL 2015; sizes
and similarity layer from dasguptar/treelstm.pytorch, for the SICK data set.

There the network recurses over a Python tree. A Python object is a constant of a compiled program, which would be good
for that one tree; so here the tree is data: for each node its parent, children before parents, and a loop over the
nodes instead of the recursion. One program takes every tree.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from dycl.zoo.calibration import seeded
from dycl.zoo.network import network

NOBODY = -1
"""The parent of the root, and of the places after it, which no node takes."""


class ChildSumTreeLSTM(nn.Module):
    """An LSTM cell with as many states before it as a node has children: a forget gate for each, and their sum."""

    def __init__(self, in_features: int, features: int) -> None:
        super().__init__()
        self.features = features
        self.ioux = nn.Linear(in_features, 3 * features)
        self.iouh = nn.Linear(features, 3 * features)
        self.fx = nn.Linear(in_features, features)
        self.fh = nn.Linear(features, features)

    def node(self, x: Tensor, child_c: Tensor, child_h: Tensor) -> tuple[Tensor, Tensor]:
        """The state (c, h), each f32[features], of a node with input f32[I] and K children f32[K,features]."""
        i, o, u = (self.ioux(x) + self.iouh(child_h.sum(dim=0))).chunk(3)
        f = torch.sigmoid(self.fh(child_h) + self.fx(x))
        c = torch.sigmoid(i) * torch.tanh(u) + (f * child_c).sum(dim=0)
        return c, torch.sigmoid(o) * torch.tanh(c)

    def forward(self, inputs: Tensor, parents: Tensor, count: Tensor) -> Tensor:
        """The root's h f32[features] of a tree of `count` nodes i64[], of inputs f32[N,I] and parents i64[N]."""
        c = torch.zeros(len(parents), self.features)
        h = torch.zeros(len(parents), self.features)
        root = torch.zeros(self.features)
        for node in range(count):
            children = torch.where(parents == node)[0]
            if len(children) == 0:
                child_c = child_h = torch.zeros(1, self.features)
            else:
                child_c, child_h = c[children], h[children]
            c[node], root = self.node(inputs[node], child_c, child_h)
            h[node] = root
        return root


class Similarity(nn.Module):
    """The probabilities of five degrees of likeness of two sentences, from their product and their distance."""

    def __init__(self, features: int, hidden: int, classes: int) -> None:
        super().__init__()
        self.wh = nn.Linear(2 * features, hidden)
        self.wp = nn.Linear(hidden, classes)

    def forward(self, left: Tensor, right: Tensor) -> Tensor:
        x = torch.cat([left * right, (left - right).abs()])
        return torch.log_softmax(self.wp(torch.sigmoid(self.wh(x))), dim=0)


class TreeSimilarity(nn.Module):
    """Two trees through one Tree-LSTM, compared."""

    def __init__(self, words: int, in_features: int, features: int, hidden: int, classes: int = 5) -> None:
        super().__init__()
        self.words = nn.Embedding(words, in_features)
        self.tree = ChildSumTreeLSTM(in_features, features)
        self.similarity = Similarity(features, hidden, classes)

    def forward(
        self,
        left: Tensor,
        left_parents: Tensor,
        left_count: Tensor,
        right: Tensor,
        right_parents: Tensor,
        right_count: Tensor,
    ) -> Tensor:
        """Log probabilities f32[classes] for two trees: words i64[N], parents i64[N], the number of nodes i64[]."""
        left_state = self.tree(self.words(left), left_parents, left_count)
        right_state = self.tree(self.words(right), right_parents, right_count)
        return self.similarity(left_state, right_state)


def random_tree(generator: torch.Generator, words: int, nodes: int) -> tuple[Tensor, Tensor, Tensor]:
    """A tree of up to `nodes` nodes, children before parents: words i64[nodes], parents i64[nodes], count i64[]."""
    count = int(torch.randint(0, nodes + 1, (), generator=generator))
    parents = torch.full((nodes,), NOBODY)
    # A parent is one of the next few nodes: chains, where it is the next one, or broad trees, where it may be far.
    reach = int(torch.randint(1, 6, (), generator=generator))
    for node in range(count - 1):
        parents[node] = node + 1 + int(torch.randint(0, min(reach, count - 1 - node), (), generator=generator))
    tokens = torch.zeros(nodes, dtype=torch.int64)
    tokens[:count] = torch.randint(1, words, (count,), generator=generator)
    return tokens, parents, torch.tensor(count)


WORDS, NODES = 2_400, 32
TINY_WORDS, TINY_NODES = 20, 6


def two_trees(count: int, seed: int, tiny: bool = False, **_: Any) -> Iterator[tuple[Tensor, ...]]:
    """Arguments of `count` calls with two random trees each, of none to 32 nodes, tiny none to 6."""
    words, nodes = (TINY_WORDS, TINY_NODES) if tiny else (WORDS, NODES)
    generator = torch.Generator().manual_seed(seed)
    return ((*random_tree(generator, words, nodes), *random_tree(generator, words, nodes)) for _ in range(count))


@network(inputs=two_trees)
def tree_lstm(tiny: bool = False, seed: int = 0) -> tuple[TreeSimilarity, tuple[Tensor, ...]]:
    """Child-sum Tree-LSTM on trees given as data: `for node in range(count)`, and `if len(children) == 0` for leaves.

    `children = torch.where(parents == node)[0]`: how many states a node takes is data, too. Word vectors of 300, states
    of 150, 50 hidden features, 5 classes; 2,400 words, about as many as SICK has. The weights are random; no decision
    depends on them.

    Args:
        tiny: word vectors of 12, states of 8, 6 hidden features, 20 words, trees of up to 6 nodes, for tests.
        seed: of the weights and the example.

    Returns:
        The model in evaluation mode, and two example trees, each words i64[32], parents i64[32] and count i64[]; its
        output is f32[5].
    """
    with seeded(seed):
        model = TreeSimilarity(TINY_WORDS, 12, 8, 6) if tiny else TreeSimilarity(WORDS, 300, 150, 50)
    (args,) = two_trees(1, seed + 2, tiny)
    return model.eval(), args
