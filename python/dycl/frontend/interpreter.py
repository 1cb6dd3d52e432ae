# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Runs a captured graph op by op in PyTorch: the reference that tells a fault of capturing from one of compiling.

It knows nothing of regions, MLIR or IREE. If this agrees with eager and the compiled program does not, the fault lies
below the front end.
"""

from __future__ import annotations

import operator
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import fx
from torch.fx.node import map_arg
from torch.utils._pytree import tree_leaves

from dycl.frontend.graph import CapturedProgram
from dycl.frontend.recorder import COND, POISON, WHILE, graph_outputs, nested_graphs

aten = torch.ops.aten


class _Poison:
    """A value that no path reads; what is computed of it is no value either, and to decide on it fails."""


def _without_unread(condition: Any, *sides: Any) -> tuple[Any, ...]:
    """What `where` chooses from by a single bool: of the side that it does not read, the other one instead."""
    if isinstance(condition, _Poison) or condition.numel() != 1:
        return (condition, *sides)
    chosen = sides[0 if condition else 1]
    return (condition, *(chosen if isinstance(side, _Poison) else side for side in sides))


@dataclass(frozen=True)
class Decision:
    """One condition or loop test, and what was decided there."""

    node: fx.Node
    value: bool

    @property
    def line(self) -> int:
        """The user's line, or 0 where there is none."""
        location = self.node.meta["location"]
        return location.line if location else 0


def conditions(graph: fx.Graph) -> list[fx.Node]:
    """Every condition and loop test of a graph and the graphs in it."""
    found: list[fx.Node] = []
    for node in graph.nodes:
        inner = list(nested_graphs(node))
        if inner:
            found.append(node)
        for nested in inner:
            found.extend(conditions(nested))
    return found


@dataclass
class Interpreter:
    """Runs one captured program.

    Attributes:
        decisions: what the last run decided, in order.
    """

    program: CapturedProgram
    decisions: list[Decision] = field(default_factory=list)

    def run(self, inputs: Sequence[torch.Tensor], state: Sequence[torch.Tensor] = ()) -> list[torch.Tensor]:
        """The flat results (outputs, written inputs, new state) for flat inputs and state."""
        values = [*inputs, *state, *self.program.parameters.values()]
        env: dict[fx.Node, Any] = dict(zip(self.program.graph.placeholders, values, strict=True))
        self.decisions.clear()
        with torch.no_grad():
            return self._run(self.program.graph.body, env)

    def _run(self, graph: fx.Graph, env: dict[fx.Node, Any]) -> list[Any]:
        for node in graph.nodes:
            if node.op == "call_function":
                env[node] = self._node(node, env)
        return [env[n] for n in graph_outputs(graph)]

    def _node(self, node: fx.Node, env: dict[fx.Node, Any]) -> Any:
        if node.target is COND:
            chosen = self._decide(node, env[node.args[0]])  # type: ignore[index]
            return self._run(node.meta["branches"][0 if chosen else 1], env)
        if node.target is WHILE:
            return self._loop(node, env)
        if node.target is POISON:
            return _Poison()
        if node.target is operator.getitem:
            results = env[node.args[0]]  # type: ignore[index]
            return results if isinstance(results, _Poison) else results[node.args[1]]
        args, kwargs = map_arg((node.args, node.kwargs), env.__getitem__)
        if node.target is aten.where.self:
            args = _without_unread(*args)
        if any(isinstance(value, _Poison) for value in tree_leaves((args, kwargs))):
            return _Poison()
        return node.target(*args, **kwargs)  # type: ignore[operator]

    def _loop(self, node: fx.Node, env: dict[fx.Node, Any]) -> list[Any]:
        body: fx.Graph = node.meta["body"]
        placeholders = [n for n in body.nodes if n.op == "placeholder"]
        condition, *carried = [env[a] for a in node.args]  # type: ignore[index]
        while self._decide(node, condition):
            env.update(zip(placeholders, carried, strict=True))
            condition, *carried = self._run(body, env)
        return carried

    def _decide(self, node: fx.Node, value: torch.Tensor) -> bool:
        assert not isinstance(value, _Poison), f"a decision on a value that no path has, at {node.meta['location']}"
        self.decisions.append(Decision(node, bool(value)))
        return bool(value)
