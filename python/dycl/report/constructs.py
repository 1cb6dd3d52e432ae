# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The places of a source file at which Python decides, read from its syntax tree.

Eager's bytecode (`observe.py`) and the program's predicates (`agreement.py`) both know their place in the source; the
*construct* at that place is what they have in common. Nothing here knows the rewriter.
"""

from __future__ import annotations

import ast
import linecache
from collections import defaultdict, deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

import torch

Range = tuple[int, int, int, int]
"""First line, first column, last line, end column: columns from 0, in bytes, as `ast` and `co_positions` have them."""

WHOLE = ""
"""The role of a construct's own truth: which way it goes."""

TRIPS = "iterations"
BROKEN = "left by a break"
RETURNED = "left by a return"
PATTERN = "a part of a pattern"

_LOOPS = (ast.For, ast.While)
_COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)


@dataclass(frozen=True)
class ComparisonPart:
    """One comparison of a chain `a < b < c`: its index, and of how many."""

    chain: ast.Compare
    index: int


Leaf = ast.expr | ComparisonPart
"""What Python asks for its truth by one jump: an operand, a test without `and`, `or`, `not` of its own."""


@dataclass(eq=False)
class Construct:
    """A statement or expression that decides.

    Attributes:
        kind: "if", "while", "for", "assert", "ternary", "and/or", "comparison", "comprehension", "case".
        file, line, column: where it begins; the column from 1.
        text: its source line.
        range: what of the file it is.
        parts: its roles, each with the expression whose truth it is.
        leaves: the leaves of those expressions, in the order in which Python asks them.
        body, orelse: of a loop, or of a case its body: what is run when it goes on, and otherwise.
    """

    kind: str
    file: str
    line: int
    column: int
    text: str
    range: Range
    parts: Sequence[tuple[str, ast.expr | ComparisonPart]] = ()
    leaves: Sequence[Leaf] = ()
    body: Range | None = None
    orelse: Range | None = None
    index: int = 0
    """Of a case: which of its `match`."""
    match: Range | None = None
    guard: Range | None = None
    anchors: Sequence[tuple[int, int]] = ()
    """The places, line and column from 1, at which a predicate of it may be."""

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"

    def plain(self) -> bool:
        """Whether it asks for one truth only."""
        return len(self.leaves) == 1


@dataclass
class SourceFile:
    """The constructs of a file.

    Attributes:
        constructs: all of them, outer ones first.
        at: those whose predicates may be at a line and column (from 1).
        by_leaf: those that a leaf is part of, by the leaf's identity.
        leaves: the leaves by the range of their expression; a chain of comparisons has several.
        inner: places of expressions in which Python, or a built-in, may decide by itself.
    """

    constructs: list[Construct] = field(default_factory=list[Construct])
    at: Mapping[tuple[int, int], list[Construct]] = field(default_factory=dict[tuple[int, int], list[Construct]])
    by_leaf: dict[int, list[Construct]] = field(default_factory=dict[int, list[Construct]])
    leaves: dict[Range, list[Leaf]] = field(default_factory=dict[Range, list[Leaf]])
    inner: dict[tuple[int, int], str] = field(default_factory=dict[tuple[int, int], str])


def read_source(file: str) -> SourceFile | None:
    """The constructs of a file; None where there is no Python source to read. One file has one answer."""
    return _read_source(canonical(file))


@lru_cache(maxsize=4096)
def canonical(file: str) -> str:
    """One name for a file, however code and locations name it; what is no file keeps its name."""
    path = Path(file)
    return str(path.resolve()) if path.exists() else file


@lru_cache(maxsize=256)
def _read_source(file: str) -> SourceFile | None:
    lines = linecache.getlines(file)
    try:
        tree = ast.parse("".join(lines))
    except (SyntaxError, ValueError):
        return None
    found = SourceFile()
    for construct in _Reader(file, lines).constructs(tree):
        found.constructs.append(construct)
    at: dict[tuple[int, int], list[Construct]] = defaultdict(list)
    for construct in found.constructs:
        for anchor in construct.anchors:
            at[anchor].append(construct)
        for leaf in construct.leaves:
            found.by_leaf.setdefault(id(leaf), []).append(construct)
            known = found.leaves.setdefault(range_of(leaf), [])
            if not any(leaf is other for other in known):
                known.append(leaf)
    found.at = dict(at)
    found.inner = dict(_inner_decisions(tree))
    return found


def range_of(node: ast.AST | ComparisonPart) -> Range:
    if isinstance(node, ComparisonPart):
        node = node.chain
    assert isinstance(node, (ast.expr, ast.stmt, ast.pattern))
    return (node.lineno, node.col_offset, node.end_lineno or node.lineno, node.end_col_offset or node.col_offset)


def contains(outer: Range, inner: Range) -> bool:
    return outer[:2] <= inner[:2] and inner[2:] <= outer[2:]


def truth(expression: ast.expr | ComparisonPart, known: Mapping[int, bool]) -> bool | None:
    """The truth of an expression by those of its leaves (by identity); None while they leave it open."""
    found = known.get(id(expression))
    if found is not None:
        return found
    if isinstance(expression, ast.Constant):
        return bool(expression.value)
    if isinstance(expression, ast.UnaryOp) and isinstance(expression.op, ast.Not):
        operand = truth(expression.operand, known)
        return None if operand is None else not operand
    if isinstance(expression, ast.BoolOp):
        return _truth_in_order(expression.values, known, stops_on=isinstance(expression.op, ast.Or))
    if isinstance(expression, ast.Compare) and len(expression.ops) > 1:
        return _truth_in_order(_chain(expression), known, stops_on=False)
    if isinstance(expression, ast.IfExp):
        test = truth(expression.test, known)
        return None if test is None else truth(expression.body if test else expression.orelse, known)
    return None


def _truth_in_order(
    operands: Sequence[ast.expr | ComparisonPart], known: Mapping[int, bool], *, stops_on: bool
) -> bool | None:
    for operand in operands:
        value = truth(operand, known)
        if value is None or value is stops_on:
            return value
    return not stops_on


_CHAINS: dict[int, tuple[ast.Compare, list[ComparisonPart]]] = {}


def _chain(node: ast.Compare) -> list[ComparisonPart]:
    """The comparisons of a chain, each one object for good: leaves are told by their identity."""
    if id(node) not in _CHAINS:
        _CHAINS[id(node)] = (node, [ComparisonPart(node, i) for i in range(len(node.ops))])
    return _CHAINS[id(node)][1]


def leaves_of(expression: ast.expr | ComparisonPart) -> Iterator[Leaf]:
    """What Python asks one after the other for the truth of an expression."""
    if isinstance(expression, ast.Constant):
        return
    if isinstance(expression, ast.UnaryOp) and isinstance(expression.op, ast.Not):
        yield from leaves_of(expression.operand)
    elif isinstance(expression, ast.BoolOp):
        for value in expression.values:
            yield from leaves_of(value)
    elif isinstance(expression, ast.Compare) and len(expression.ops) > 1:
        yield from _chain(expression)
    elif isinstance(expression, ast.IfExp):
        for part in (expression.test, expression.body, expression.orelse):
            yield from leaves_of(part)
    else:
        yield expression


# What may leave a generator where it stands.
_LEAVING = ("next", "any", "all")


class _Reader:
    def __init__(self, file: str, lines: Sequence[str]) -> None:
        self._file = file
        self._lines = lines
        self._left_early: set[ast.AST] = set()

    def constructs(self, tree: ast.AST) -> Iterator[Construct]:
        for node in ast.walk(tree):
            if isinstance(node, ast.If):
                yield self._tested("if", node, node.test)
            elif isinstance(node, ast.While):
                made = self._tested("while", node, node.test)
                yield self._with_body(made, node)
            elif isinstance(node, ast.For):
                yield self._with_body(self._make("for", node, (node.iter,)), node)
            elif isinstance(node, ast.Assert):
                yield self._tested("assert", node, node.test)
            elif isinstance(node, ast.IfExp):
                yield self._tested("ternary", node, node.test)
            elif isinstance(node, ast.BoolOp):
                yield self._operands("and/or", node, node.values)
            elif isinstance(node, ast.Compare) and len(node.ops) > 1:
                yield self._operands("comparison", node, _chain(node))
            elif isinstance(node, _COMPREHENSIONS):
                yield from self._comprehension(node)
            elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in _LEAVING:
                # Nothing tells how many items a generator has taken that is left where it stands.
                self._left_early.update(a for a in node.args if isinstance(a, ast.GeneratorExp))
            elif isinstance(node, ast.Match):
                yield from self._cases(node)

    def _make(self, kind: str, node: ast.AST, others: Sequence[ast.AST] = ()) -> Construct:
        places = [range_of(n) for n in (node, *others)]
        line, column = places[0][:2]
        text = self._lines[line - 1].strip() if line <= len(self._lines) else ""
        anchors = list(dict.fromkeys((place[0], place[1] + 1) for place in places))
        return Construct(kind, self._file, line, column + 1, text, places[0], anchors=anchors)

    def _tested(self, kind: str, node: ast.AST, test: ast.expr) -> Construct:
        made = self._make(kind, node, (test,))
        made.parts = [(WHOLE, test)]
        made.leaves = list(leaves_of(test))
        return made

    def _operands(self, kind: str, node: ast.expr, values: Sequence[ast.expr | ComparisonPart]) -> Construct:
        made = self._make(kind, node)
        asked = [(f"operand {i + 1}", v) for i, v in enumerate(values) if not isinstance(v, ast.Constant)]
        made.parts = [*asked, (WHOLE, node)]
        made.leaves = list(leaves_of(node))
        return made

    def _comprehension(self, node: ast.expr) -> Iterator[Construct]:
        assert isinstance(node, _COMPREHENSIONS)
        for generator in node.generators:
            made = self._make("for", generator.iter, (node,))
            made.kind = "comprehension"
            made.match = range_of(node)
            if node not in self._left_early:
                yield made
            for test in generator.ifs:
                yield self._tested("if", test, test)

    def _cases(self, node: ast.Match) -> Iterator[Construct]:
        for index, case in enumerate(node.cases):
            made = self._make("case", case.pattern)
            made.index = index
            made.match = range_of(node)
            made.body = _span(case.body)
            if case.guard is not None:
                made.guard = range_of(case.guard)
                made.parts = [("guard", case.guard)]
                made.leaves = list(leaves_of(case.guard))
                made.anchors = [*made.anchors, (case.guard.lineno, case.guard.col_offset + 1)]
            yield made

    def _with_body(self, made: Construct, node: ast.For | ast.While) -> Construct:
        made.body = _span(node.body)
        made.orelse = _span(node.orelse) if node.orelse else None
        return made


def _span(statements: Sequence[ast.stmt]) -> Range:
    return (*range_of(statements[0])[:2], *range_of(statements[-1])[2:])


def _inner_decisions(tree: ast.AST) -> Iterator[tuple[tuple[int, int], str]]:
    """Where an expression begins in which Python, or something that is called, may decide: what it is."""
    for node in ast.walk(tree):
        what = _inner_decision(node)
        if what is not None:
            place = range_of(node)
            yield (place[0], place[1] + 1), what
            if isinstance(node, ast.Call):  # the instructions of a method call begin at the method's name, in 3.11
                end = range_of(node.func)
                yield (end[2], end[3] + 1), what


# Of what a tensor and a container both have, such as `index_copy` and `index`, these decide nothing by themselves.
_TENSOR_METHODS = frozenset(dir(torch.Tensor)) - {
    name for cls in (list, tuple, dict, set, str, deque) for name in dir(cls)
}
_DIVISIONS = (ast.Div, ast.FloorDiv, ast.Mod, ast.Pow, ast.LShift, ast.RShift)


def _inner_decision(node: ast.AST) -> str | None:
    if isinstance(node, ast.Call):
        if isinstance(node.func, ast.Attribute) and node.func.attr in _TENSOR_METHODS:
            return None
        return f"in a call of `{ast.unparse(node.func)}`"
    if isinstance(node, ast.Compare) and any(isinstance(op, (ast.In, ast.NotIn)) for op in node.ops):
        return "in a search for `in`"
    if isinstance(node, ast.Subscript):
        return f"in `{ast.unparse(node)}`: an index, or a choice by it"
    if isinstance(node, (ast.BinOp, ast.AugAssign)) and isinstance(node.op, _DIVISIONS):
        return "a check of an operand"
    if isinstance(node, (ast.Delete, ast.With, ast.Try)):
        return f"in a `{type(node).__name__.lower()}` statement"
    if isinstance(node, ast.JoinedStr):
        return "in an f-string"
    if isinstance(node, ast.pattern):
        return PATTERN
    return None
