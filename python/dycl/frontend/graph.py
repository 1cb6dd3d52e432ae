# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The captured program as a structured graph, and what is done to it as such."""

from __future__ import annotations

import operator
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import torch
from torch import fx

from dycl.frontend.recorder import ASSERT, COND, WHILE, graph_outputs, nested_graphs
from dycl.signature import Signature

DTYPE_NAMES = {
    torch.float32: "f32",
    torch.float64: "f64",
    torch.float16: "f16",
    torch.bfloat16: "bf16",
    torch.int64: "i64",
    torch.int32: "i32",
    torch.int16: "i16",
    torch.int8: "i8",
    torch.uint8: "ui8",
    torch.bool: "i1",
}
"""MLIR's spelling of each dtype that a program may take or give."""

LITERAL = "constant_"
"""How the key of a tensor that is no weight of a module begins: one from a global, a closure or a literal."""


@dataclass
class Graph:
    """An `fx.Graph` whose branch and loop nodes hold graphs of their own (see `recorder.COND` and `recorder.WHILE`).

    Attributes:
        body: the outermost graph. Nodes of inner graphs may refer to nodes of the graphs around them.
        placeholders: the program's inputs, in order; other placeholders of `body` are not used.
    """

    body: fx.Graph
    placeholders: list[fx.Node]


@dataclass
class CapturedProgram:
    """A model as one structured graph.

    Attributes:
        graph: its placeholders are the inputs, the state, then the parameters; its outputs are those of `signature`.
        signature: the program's border.
        parameters: each weight by its key, in the order of the placeholders.
        state: the initial values of `signature.state`.
        rewritten: the rewritten source of each function that was called.
    """

    graph: Graph
    signature: Signature
    parameters: Mapping[str, torch.Tensor]
    state: dict[str, torch.Tensor]
    rewritten: str


def all_graphs(graph: fx.Graph) -> Iterator[fx.Graph]:
    """A graph and the graphs in it."""
    yield graph
    for node in graph.nodes:
        for inner in nested_graphs(node):
            yield from all_graphs(inner)


def eliminate_dead_code(graph: fx.Graph) -> None:
    """Removes nodes, branch results and loop-carried values that nothing reads, in all nested graphs.

    Every recorded op but assertions is pure, so a node without users has no effect. Assertions are for the ops that
    they stand beside: they go with their graph.
    """
    for node in reversed(list(graph.nodes)):
        if node.op in ("placeholder", "output"):
            continue
        if not node.users and node.target is not ASSERT:
            for inner in nested_graphs(node):
                _forget(inner)
            graph.erase_node(node)
        elif node.target is COND:
            _drop_unread_results(node)
            for inner in node.meta["branches"]:
                eliminate_dead_code(inner)
        elif node.target is WHILE:
            _drop_unread_carries(node)
            eliminate_dead_code(node.meta["body"])


def forget_discarded(graph: fx.Graph) -> None:
    """Takes away the uses that graphs outside of the program make of its nodes: rounds of tracing leave some."""
    kept = set(_all_nodes(graph))
    for node in kept:
        for user in [u for u in node.users if u not in kept]:
            user.args, user.kwargs = (), {}


def _all_nodes(graph: fx.Graph) -> Iterator[fx.Node]:
    for node in graph.nodes:
        yield node
        for inner in nested_graphs(node):
            yield from _all_nodes(inner)


def first_out_of_scope(graph: fx.Graph, visible: frozenset[fx.Node] = frozenset()) -> fx.Node | None:
    """A node that uses a value which is not made before it on every path; None in a well-formed graph."""
    seen = set(visible)
    seen.update(n for n in graph.nodes if n.op == "placeholder")
    for node in graph.nodes:
        if not seen.issuperset(node.all_input_nodes):
            return node
        for inner in nested_graphs(node):
            found = first_out_of_scope(inner, frozenset(seen))
            if found is not None:
                return found
        seen.add(node)
    return None


def _forget(graph: fx.Graph) -> None:
    """Takes away the uses that a graph, about to be dropped, makes of nodes around it."""
    for node in reversed(list(graph.nodes)):
        for inner in nested_graphs(node):
            _forget(inner)
        node.args, node.kwargs = (), {}


def _items(node: fx.Node) -> Iterator[tuple[int, fx.Node]]:
    """The results of a node that are read, with their index."""
    for user in list(node.users):
        if user.target is operator.getitem and user.args[0] is node:
            yield user.args[1], user  # type: ignore[misc]


def _keep_results(node: fx.Node, kept: list[int]) -> None:
    """Renumbers the results of a node to those that are kept."""
    position = {old: new for new, old in enumerate(kept)}
    for index, item in _items(node):
        if index in position:
            item.args = (node, position[index])
        else:
            item.graph.erase_node(item)
    node.meta["val"] = tuple(node.meta["val"][i] for i in kept)


def _set_outputs(graph: fx.Graph, outputs: list[fx.Node]) -> None:
    output = next(n for n in reversed(graph.nodes) if n.op == "output")
    output.args = (tuple(outputs),)


def _drop_unread_results(node: fx.Node) -> None:
    kept = sorted({index for index, item in _items(node) if item.users})
    _keep_results(node, kept)
    for branch in node.meta["branches"]:
        outputs = graph_outputs(branch)
        _set_outputs(branch, [outputs[i] for i in kept])


def _drop_unread_carries(node: fx.Node) -> None:
    """A carried value is needed if it is read after the loop, or in the body for more than its own next value."""
    body = node.meta["body"]
    placeholders = [n for n in body.nodes if n.op == "placeholder"]
    condition, *nexts = graph_outputs(body)
    needed = {index for index, item in _items(node) if item.users}
    assertions = [n for n in _all_nodes(body) if n.target is ASSERT]
    while True:
        roots = [condition, *(nexts[i] for i in sorted(needed)), *assertions]
        reached = _reached(roots)
        grown = needed | {i for i, p in enumerate(placeholders) if p in reached}
        if grown == needed:
            break
        needed = grown
    kept = sorted(needed)
    _keep_results(node, kept)
    first, *inits = node.args
    node.args = (first, *(inits[i] for i in kept))
    _set_outputs(body, [condition, *(nexts[i] for i in kept)])
    eliminate_dead_code(body)
    for i, placeholder in enumerate(placeholders):
        if i not in needed:
            body.erase_node(placeholder)


def _reached(roots: list[fx.Node]) -> set[fx.Node]:
    """The nodes that the roots depend on, through nested graphs."""
    seen: set[fx.Node] = set()
    stack = list(roots)
    while stack:
        node = stack.pop()
        if node in seen:
            continue
        seen.add(node)
        stack.extend(node.all_input_nodes)
        for inner in nested_graphs(node):
            for n in inner.nodes:
                stack.extend(n.all_input_nodes)
    return seen


def copy_nodes(graph: fx.Graph, into: fx.Graph, values: dict[fx.Node, fx.Node]) -> list[fx.Node]:
    """Copies the ops of a graph, and the graphs in it, to the end of another; gives the nodes that it yields.

    Args:
        graph: what is copied, without its placeholders.
        into: where to.
        values: what stands for each node from outside; the copies are added.
    """
    for node in graph.nodes:
        if node.op != "call_function":
            continue
        copy = into.node_copy(node, lambda n: values[n])
        copy.meta = dict(node.meta)
        values[node] = copy
        if node.target is COND:
            copy.meta["branches"] = tuple(_copy_graph(g, values) for g in node.meta["branches"])
        elif node.target is WHILE:
            copy.meta["body"] = _copy_graph(node.meta["body"], values)
    return [values[n] for n in graph_outputs(graph)]


def _copy_graph(graph: fx.Graph, values: dict[fx.Node, fx.Node]) -> fx.Graph:
    fresh = fx.Graph()
    for node in graph.nodes:
        if node.op == "placeholder":
            values[node] = fresh.node_copy(node)
            values[node].meta = dict(node.meta)
    fresh.output(tuple(copy_nodes(graph, fresh, values)))
    return fresh
