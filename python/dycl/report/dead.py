# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Edges of the HCFG that no input can take, proved from host.py: a value that is known decides again."""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from typing import Any

from dycl.runtime.graph import Node, predicate_nodes

Known = dict[str, bool]
"""The host's variables whose truth is known at a place."""


def dead_edges(host_source: str, hcfg: Mapping[str, Any]) -> dict[tuple[Node, str], str]:
    """For each edge of a predicate (node and label) that cannot be taken, why.

    A predicate whose value is a constant at its place, or was decided before by another predicate on every way there,
    has one way only; and what only dead edges lead to is dead.

    Args:
        host_source: the program's host.py.
        hcfg: its nodes and edges.
    """
    prover = _Prover()
    for node in ast.parse(host_source).body:
        if isinstance(node, ast.FunctionDef):
            prover.block(node.body, {})
    node_of = predicate_nodes(hcfg)
    labels: dict[Node, set[str]] = {}
    for edge in hcfg["edges"]:
        labels.setdefault(edge["source"], set()).add(edge["label"])
    dead: dict[tuple[Node, str], str] = {}
    for predicate, values in prover.only.items():
        node = node_of.get(predicate)
        if node is None or len(values) != 1:
            continue
        (value,) = values
        taken = ("iterate" if value else "exit") if "iterate" in labels[node] else "true" if value else "false"
        for label in labels[node] - {taken}:
            dead[node, label] = f"dead: its value is always {value} there, {prover.why[predicate]}"
    return _spread(dead, hcfg)


def decided_names(host_source: str, hcfg: Mapping[str, Any]) -> dict[Node, str]:
    """The variable of host.py that each predicate decides on; not those that decide on more than a variable."""
    node_of = predicate_nodes(hcfg)
    found: dict[Node, str] = {}
    for node in ast.walk(ast.parse(host_source)):
        tested = _tested(node) if isinstance(node, ast.expr) else None
        if tested is not None and isinstance(tested[1], ast.Name):
            found[node_of[tested[0]]] = tested[1].id
    return found


def _spread(dead: dict[tuple[Node, str], str], hcfg: Mapping[str, Any]) -> dict[tuple[Node, str], str]:
    """Adds the edges of nodes to which no edge leads that may be taken."""
    after: dict[Node, list[tuple[str, Node]]] = {}
    for edge in hcfg["edges"]:
        after.setdefault(edge["source"], []).append((edge["label"], edge["target"]))
    entry = next(n["id"] for n in hcfg["nodes"] if n["kind"] == "entry")
    alive: set[Node] = {entry}
    stack: list[Node] = [entry]
    while stack:
        node = stack.pop()
        for label, target in after.get(node, ()):
            if (node, label) not in dead and target not in alive:
                alive.add(target)
                stack.append(target)
    for node, ways in after.items():
        if node not in alive:
            for label, _ in ways:
                dead.setdefault((node, label), "dead: only dead edges lead to it")
    return dead


class _Prover:
    """Follows host.py with the truths that are known.

    Attributes:
        only: for each predicate the truths that its value may have; both for those that are not known.
        why: for each predicate of a known value, where it is known from.
    """

    def __init__(self) -> None:
        self.only: dict[int, set[bool]] = {}
        self.why: dict[int, str] = {}
        self._from: dict[str, str] = {}

    def block(self, statements: Sequence[ast.stmt], known: Known) -> Known | None:
        """What is known after the statements; None where they do not get to their end."""
        for statement in statements:
            after = self._statement(statement, known)
            if after is None:
                return None
            known = after
        return known

    def _statement(self, node: ast.stmt, known: Known) -> Known | None:
        if isinstance(node, (ast.Return, ast.Break, ast.Continue)):
            return None
        if isinstance(node, ast.If):
            return self._if(node, known)
        if isinstance(node, (ast.While, ast.For)):
            return self._loop(node, known)
        if isinstance(node, ast.Match):
            outside = _without_assigned(node, known)
            for case in node.cases:
                self.block(case.body, dict(known))
            return outside
        if isinstance(node, ast.FunctionDef):
            self.block(node.body, {})
            return known
        if isinstance(node, ast.Assign):
            return self._assign(node, known)
        return _without_assigned(node, known)

    def _if(self, node: ast.If, known: Known) -> Known | None:
        then, otherwise = dict(known), dict(known)
        tested = _tested(node.test)
        if tested is not None:
            predicate, value, negated = tested
            self._note(predicate, value, known)
            if isinstance(value, ast.Name):
                # `if not decide(…)` goes the other way.
                then[value.id], otherwise[value.id] = not negated, negated
                self._from.setdefault(value.id, f"as predicate {predicate} decided")
        after_then, after_else = self.block(node.body, then), self.block(node.orelse, otherwise)
        if after_then is None or after_else is None:
            return after_then if after_else is None else after_else
        return {name: truth for name, truth in after_then.items() if after_else.get(name) is truth}

    def _loop(self, node: ast.While | ast.For, known: Known) -> Known:
        inside = _without_assigned(node, known)
        if isinstance(node, ast.While):
            tested = _tested(node.test)
            if tested is not None:
                predicate, value, _ = tested
                self._note(predicate, value, inside)
                if isinstance(value, ast.Name):
                    self.block(node.body, {**inside, value.id: True})
                    # After a loop without `break` its test has failed.
                    has_break = any(isinstance(n, ast.Break) for n in ast.walk(node))
                    return inside if has_break else {**inside, value.id: False}
        self.block(node.body, dict(inside))
        return inside

    def _assign(self, node: ast.Assign, known: Known) -> Known:
        after = _without_assigned(node, known)
        target = node.targets[0]
        pairs = [(target, node.value)]
        if isinstance(target, ast.Tuple) and isinstance(node.value, ast.Tuple):
            pairs = list(zip(target.elts, node.value.elts, strict=True))
        for name, value in pairs:
            if isinstance(name, ast.Name):
                truth = _truth(value, known)
                if truth is not None:
                    after[name.id] = truth
                    self._from[name.id] = "a constant"
        return after

    def _note(self, predicate: int, value: ast.expr, known: Known) -> None:
        truth = _truth(value, known)
        self.only.setdefault(predicate, set()).update({truth} if truth is not None else {True, False})
        if truth is not None:
            self.why[predicate] = (
                self._from.get(value.id, "a constant") if isinstance(value, ast.Name) else "a constant"
            )


def _tested(test: ast.expr) -> tuple[int, ast.expr, bool] | None:
    """The predicate and the value of `decide(k, value)` or `not decide(k, value)`."""
    negated = isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not)
    call = test.operand if isinstance(test, ast.UnaryOp) else test
    if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id == "decide":
        number, value = call.args
        if isinstance(number, ast.Constant) and isinstance(number.value, int):
            return number.value, value, negated
    return None


def _truth(value: ast.expr, known: Known) -> bool | None:
    if isinstance(value, ast.Constant) and isinstance(value.value, bool):
        return value.value
    return known.get(value.id) if isinstance(value, ast.Name) else None


def _without_assigned(node: ast.stmt, known: Known) -> Known:
    assigned = {n.id for n in ast.walk(node) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
    return {name: truth for name, truth in known.items() if name not in assigned}
