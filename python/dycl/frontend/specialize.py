# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Where the sides of a condition disagree on a value, the rest of the program is traced apart for each side.

A variable may be None on one side and a tensor on the other, or of two dtypes; then no joined value exists, but each
path by itself is fine. So the program is traced three times: up to that condition, to get whether it is reached and
holds; assuming that it holds; and assuming that it does not. The three become one program with the condition at its
top. What the runs have in common is computed once, since the branches' copies fold into what stands before them (CSE).

Conditions are told apart by their number in the order of tracing, which is the same in every run up to the condition.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import fx

from dycl.errors import DyclError, UnsupportedConstructError
from dycl.frontend.graph import DTYPE_NAMES, CapturedProgram, Graph, copy_nodes, eliminate_dead_code
from dycl.frontend.recorder import COND, aten, graph_outputs
from dycl.frontend.values import DisagreementError
from dycl.signature import Signature, Structure, TensorSpec

Capture = Callable[[Mapping[int, bool], int | None], CapturedProgram]
"""Traces the program, given which side to take at some conditions, and where to stop (None: at the end)."""


def capture_specialized(run: Capture, limit: int) -> CapturedProgram:
    """The program that `run` traces, taken apart where it has to be, into at most `limit` whole paths.

    Raises:
        UnsupportedConstructError: sides disagree, and the program cannot be taken apart there, or not so often.
    """
    return _Specializer(run, limit).capture({})


class _Specializer:
    def __init__(self, run: Capture, limit: int) -> None:
        self._run = run
        self._left = limit - 1

    def capture(self, assumed: Mapping[int, bool]) -> CapturedProgram:
        try:
            return self._run(assumed, None)
        except DisagreementError as error:
            if error.site is None or error.site in assumed or self._left == 0:
                raise
            self._left -= 1
            site, reason = error.site, error
        condition = self._run(assumed, site)
        try:
            sides = [self.capture({**assumed, site: value}) for value in (True, False)]
        except UnsupportedConstructError:
            raise
        except DyclError as error:
            # One of the paths fails by itself: what it does with the value only makes sense on the other.
            raise reason from error
        return _combine(condition, sides[0], sides[1], reason)


def _unified(a: Structure, b: Structure, sources: list[tuple[Any, Any]]) -> Structure | None:
    """The structure that both paths' results have; None if there is none.

    Args:
        a, b: the structures of the paths' results.
        sources: gets, for each flat output of the common structure, where it comes from on each path: `(index,)` of
            the path's own flat outputs, or a Python number that is constant there.
    """

    def source(s: Structure) -> Any:
        return (s.index,) if s.kind in ("tensor", "number") else s.value

    def number(s: Structure) -> str | None:
        if s.kind == "number":
            return s.type
        return type(s.value).__name__ if s.kind == "constant" and type(s.value) in (bool, int, float) else None

    if a.kind == b.kind == "tensor" or (number(a) is not None and number(a) == number(b) and a != b):
        sources.append((source(a), source(b)))
        kind, type_ = ("tensor", "") if a.kind == "tensor" else ("number", number(a) or "")
        return Structure(kind, index=len(sources) - 1, type=type_)
    if a.kind == b.kind == "number":
        sources.append((source(a), source(b)))
        return replace(a, index=len(sources) - 1)
    if replace(a, items=()) != replace(b, items=()) or len(a.items) != len(b.items):
        return None
    items = [_unified(x, y, sources) for x, y in zip(a.items, b.items, strict=True)]
    return None if None in items else replace(a, items=tuple(i for i in items if i is not None))


def _named_placeholders(program: CapturedProgram) -> list[tuple[tuple[str, Any], fx.Node]]:
    """The program's placeholders, each with what it is for: ("input", 0), ("state", name), ("parameter", key)."""
    keys: list[tuple[str, Any]] = [("input", i) for i in range(len(program.signature.inputs))]
    keys += [("state", s.name) for s in program.signature.state]
    keys += [("parameter", key) for key in program.parameters]
    return list(zip(keys, program.graph.placeholders, strict=True))


def _combine(
    condition: CapturedProgram, then: CapturedProgram, orelse: CapturedProgram, reason: DisagreementError
) -> CapturedProgram:
    """One program: `then` where the first output of `condition` holds, `orelse` where not."""
    programs = (condition, then, orelse)
    state = {name: tensor for p in programs for name, tensor in p.state.items()}
    parameters = {key: tensor for p in programs for key, tensor in p.parameters.items() if key not in state}
    root = fx.Graph()
    placeholders: dict[tuple[str, Any], fx.Node] = {}

    def key_of(key: tuple[str, Any]) -> tuple[str, Any]:
        # What one run only reads, as a weight, another may write: state.
        return ("state", key[1]) if key[1] in state else key

    for program in programs:
        for key, node in _named_placeholders(program):
            if key_of(key) not in placeholders:
                placeholders[key_of(key)] = root.node_copy(node)
                placeholders[key_of(key)].meta = dict(node.meta)

    def copy(program: CapturedProgram, into: fx.Graph) -> list[fx.Node]:
        values = {node: placeholders[key_of(key)] for key, node in _named_placeholders(program)}
        return copy_nodes(program.graph.body, into, values)

    predicate = copy(condition, root)[0]
    graphs = (fx.Graph(), fx.Graph())
    border = _Border(then, orelse, state, reason)
    for side, (program, graph) in enumerate(zip((then, orelse), graphs, strict=True)):
        flat = copy(program, graph)
        graph.output(tuple(border.results(side, flat, graph, placeholders)))
    examples = [n.meta["val"] for n in graph_outputs(graphs[0])]
    for a, b in zip(examples, (n.meta["val"] for n in graph_outputs(graphs[1])), strict=True):
        if a.dtype != b.dtype or a.shape != b.shape:
            raise reason
    node = root.call_function(COND, (predicate,))
    node.meta = {"val": tuple(examples), "branches": graphs, "location": reason.location}
    outputs: list[fx.Node] = []
    for index, example in enumerate(examples):
        outputs.append(root.call_function(operator.getitem, (node, index)))
        outputs[-1].meta = {"val": example, "location": reason.location}
    root.output(tuple(outputs))
    eliminate_dead_code(root)

    signature = border.signature(examples)
    used = [key for key in parameters if placeholders["parameter", key].users]
    arguments = [placeholders["input", i] for i in range(len(signature.inputs))]
    arguments += [placeholders["state", s.name] for s in signature.state]
    graph = Graph(root, [*arguments, *(placeholders["parameter", key] for key in used)])
    rewritten = max((p.rewritten for p in programs), key=len)
    return CapturedProgram(graph, signature, {key: parameters[key] for key in used}, state, rewritten)


class _Border:
    """What two paths together take and give."""

    def __init__(
        self,
        then: CapturedProgram,
        orelse: CapturedProgram,
        state: Mapping[str, torch.Tensor],
        reason: DisagreementError,
    ) -> None:
        self._signatures = (then.signature, orelse.signature)
        self._sources: list[tuple[Any, Any]] = []
        a, b = self._signatures
        structure = _unified(a.output_structure, b.output_structure, self._sources)
        if structure is None:
            raise reason
        self._structure = structure
        self._mutated = sorted({*a.mutated_inputs, *b.mutated_inputs})
        specs = {s.name: s for signature in self._signatures for s in signature.state}
        self._state = [specs[name] for name in state if name in specs]
        self._exceptions = max(a.exceptions, b.exceptions, key=len)

    def results(
        self, side: int, flat: list[fx.Node], graph: fx.Graph, placeholders: Mapping[tuple[str, Any], fx.Node]
    ) -> list[fx.Node]:
        """The flat results of one path, in the order that both have."""
        mine = self._signatures[side]
        like = placeholders["input", 0].meta["val"] if mine.inputs else flat[0].meta["val"]

        def constant(value: bool | int | float) -> fx.Node:
            dtype = {bool: torch.bool, int: torch.int64, float: torch.float64}[type(value)]
            node = graph.call_function(aten.full.default, ([], value), {"dtype": dtype})
            with like.fake_mode:
                node.meta = {"val": torch.zeros((), dtype=dtype), "location": None}
            return node

        sources = [pair[side] for pair in self._sources]
        results = [flat[s[0]] if isinstance(s, tuple) else constant(s) for s in sources]
        count = len(mine.outputs)
        if self._exceptions:
            results.append(flat[count - 1] if mine.exceptions else constant(0))
        written = dict(zip(mine.mutated_inputs, flat[count:], strict=False))
        results += [written.get(i, placeholders["input", i]) for i in self._mutated]
        kept = dict(zip([s.name for s in mine.state], flat[count + len(mine.mutated_inputs) :], strict=True))
        results += [kept.get(s.name, placeholders["state", s.name]) for s in self._state]
        return results

    def signature(self, examples: list[torch.Tensor]) -> Signature:
        """The border of the whole, for results like `examples`."""
        count = len(self._sources)
        outputs = [
            TensorSpec(f"output {i}", DTYPE_NAMES[e.dtype], tuple(e.shape)) for i, e in enumerate(examples[:count])
        ]
        if self._exceptions:
            outputs.append(TensorSpec("exception", "i64", ()))
        return replace(
            self._signatures[0],
            outputs=tuple(outputs),
            output_structure=self._structure,
            mutated_inputs=tuple(self._mutated),
            state=tuple(self._state),
            exceptions=self._exceptions,
        )
