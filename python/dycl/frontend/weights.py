# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The weights of a captured program, and the placeholders that stand for them."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import fx

from dycl.frontend.graph import CapturedProgram
from dycl.weights import Weights


class WeightNodes:
    """Reads and replaces the weights of a program, whose `parameters` become `Weights`."""

    def __init__(self, program: CapturedProgram) -> None:
        self._program = program
        self._first = len(program.graph.placeholders) - len(program.parameters)
        self._keys = dict(zip(program.graph.placeholders[self._first :], program.parameters, strict=True))
        self._weights = Weights.of(program.parameters)
        program.parameters = self._weights

    def __iter__(self) -> Iterator[fx.Node]:
        return iter(list(self._keys))

    def __contains__(self, node: object) -> bool:
        return node in self._keys

    def key(self, node: fx.Node) -> str:
        return self._keys[node]

    def value(self, node: fx.Node) -> torch.Tensor:
        """The weight that a node stands for."""
        return self._weights[self._keys[node]]

    def maker(self, node: fx.Node) -> Callable[[], torch.Tensor]:
        """A function that gives the weight, also after the program has dropped it."""
        return self._weights.maker(self._keys[node])

    def add(self, key: str, like: torch.Tensor, make: Callable[[], torch.Tensor]) -> fx.Node:
        """A new weight.

        Args:
            key: its key; where that is taken, `key_1` and so on.
            like: a fake tensor of its dtype and shape.
            make: gives its value.
        """
        unique, n = key, 0
        while unique in self._weights:
            n += 1
            unique = f"{key}_{n}"
        graph = self._program.graph
        with graph.body.inserting_after(graph.placeholders[-1]):
            node = graph.body.placeholder("weight")
        node.meta["val"] = like
        graph.placeholders.append(node)
        self._weights.define(unique, make)
        self._keys[node] = unique
        return node

    def drop_unread(self) -> None:
        """Forgets the weights that nothing reads any more."""
        graph = self._program.graph
        kept = [p for p in graph.placeholders[self._first :] if p.users]
        self._weights = self._weights.only(self._keys[p] for p in kept)
        self._program.parameters = self._weights
        self._keys = {p: self._keys[p] for p in kept}
        graph.placeholders[self._first :] = kept
