# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""What the conditions that a path has passed say of other values on it.

A helper gives `(False, None)` or `(True, tensor)`; its caller tests the first and uses the second. Both are results of
one branch, so that the test tells which side of it was taken, and with that which of its kinds the second is. `v is
None` tells it, too. It is found by reading the recorded ops backwards from the conditions: constants, branches,
selects, comparisons with constants, `not`, `and`, `or`. Nothing is traced apart for it, other than in `specialize.py`.
"""

from __future__ import annotations

import operator
from collections.abc import Generator, Iterable, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import fx

from dycl.frontend.recorder import COND, POISON, graph_outputs

aten = torch.ops.aten

Values = frozenset[int]
"""What a recorded 0-d bool or i64 may be; a bool as 0 or 1."""

_EITHER: Values = frozenset({0, 1})

_CONSTANTS: dict[Any, int] = {aten.full.default: 1, aten.scalar_tensor.default: 0}
"""The ops that make constants, with the place of the value in their arguments."""

_SAME = {aten.view.default, aten.reshape.default, aten.clone.default, aten.alias.default}
"""The ops that give a 0-d value as it is."""

_EQUAL: dict[Any, int] = {aten.eq.Scalar: 1, aten.eq.Tensor: 1, aten.ne.Scalar: 0, aten.ne.Tensor: 0}
"""The comparisons, with what they give where both are equal."""

_NOT = {aten.logical_not.default, aten.bitwise_not.default}
_AND = {aten.logical_and.default, aten.bitwise_and.Tensor}
_OR = {aten.logical_or.default, aten.bitwise_or.Tensor}

_MAX_CASES = 32
"""How many conditions are taken for true and for false, one by one, until a number is given up."""

_MAX_WORK = 10_000
"""How many values are looked at for one question; what is behind them is not known."""

_MAX_TOTAL = 2_000_000
"""How many values are looked at for all questions of a program (some 10 seconds), until each is given less."""

_MAX_KEPT = 256
"""Of how many values it is kept what they are made of."""

_LITTLE_WORK = 300
"""How many values are looked at for one question after that."""

_MAX_DEPTH = 40
"""How far ops are followed."""

_DTYPE = "dtype of facts"
"""Where it is in the meta of a node."""

_MAX_ROUNDS = 3
"""How often the conditions are read: a later one may say more of what an earlier one was made of."""


class Budget:
    """How much may still be looked at in a program; see `_MAX_TOTAL`."""

    def __init__(self) -> None:
        self.left = _MAX_TOTAL

        self._made_of: dict[fx.Node, set[fx.Node]] = {}
        self._sides: dict[fx.Node, tuple[object, dict[int, object]] | None] = {}

    def sides(self, node: fx.Node) -> tuple[object, dict[int, object]] | None:
        """See `_sides`."""
        if node not in self._sides:
            self._sides[node] = _sides(node)
        return self._sides[node]

    def of_question(self) -> int:
        return _MAX_WORK if self.left > 0 else _LITTLE_WORK

    def made_of(self, node: fx.Node) -> set[fx.Node]:
        """See `_made_of`; what is asked for again and again is kept."""
        found = self._made_of.get(node)
        if found is None:
            if len(self._made_of) >= _MAX_KEPT:
                self._made_of.clear()
            found = self._made_of[node] = _made_of(node, self.of_question())
            self.left -= len(found)
        return found


class Facts:
    """What is known on a path.

    Args:
        conditions: recorded 0-d bools, each with what it is on the path.
        budget: for all questions of a program.
        work: how many values may still be looked at; counted down.
    """

    def __init__(
        self,
        conditions: Iterable[tuple[fx.Node, bool]],
        budget: Budget | None = None,
        work: list[int] | None = None,
    ) -> None:
        self._budget = budget or Budget()
        self._work = [self._budget.of_question()] if work is None else work
        self._depth = 0
        self._narrowed: dict[fx.Node, Values] = {}
        self._excluded: dict[fx.Node, Values] = {}
        self._computed: dict[fx.Node, Values | None] = {}
        self._is_taken = True
        """Whether the conditions do not contradict each other."""
        self._given = given = list(conditions)
        self._given_from: set[fx.Node] | None = None
        for _ in range(_MAX_ROUNDS):
            before = dict(self._narrowed), dict(self._excluded)
            self._seen: set[tuple[fx.Node, Values]] = set()
            for node, holds in given:
                self._narrow(node, frozenset({int(holds)}))
            if before == (self._narrowed, self._excluded):
                break

    def among(self, node: fx.Node, candidates: Sequence[int]) -> list[int]:
        """Which of the candidates a recorded number may be on the path; all of them where the conditions contradict."""
        with self._question():
            return sorted(self._among(node, frozenset(candidates), [_MAX_CASES]) or candidates)

    def are_possible(self) -> bool:
        """Whether the conditions may all be as they are said to be; False where they are known to contradict."""
        with self._question():
            return all(self._among(node, frozenset({int(holds)}), [_MAX_CASES]) for node, holds in self._given)

    @contextmanager
    def _question(self) -> Generator[None]:
        self._work[0] = given = self._budget.of_question()
        yield
        self._budget.left -= given - self._work[0]

    def _among(self, node: fx.Node, candidates: Values, cases: list[int]) -> Values:
        """The same; where it is several, one case after the other of the branches that the number comes from."""
        if not self._is_taken:
            return frozenset()
        possible = self._possible(node)
        found = candidates - self._excluded.get(node, frozenset())
        found = found if possible is None else found & possible
        if len(found) <= 1 or cases[0] <= 0 or not self._is_related(node):
            return found
        condition = self._undecided(node)
        if condition is None:
            return found
        cases[0] -= 1
        sides = (Facts([*self._given, (condition, holds)], self._budget, self._work) for holds in (True, False))
        return frozenset().union(*(side._among(node, found, cases) for side in sides))

    def _is_related(self, node: fx.Node) -> bool:
        """Whether a number and the conditions are made of something in common."""
        made_of = self._budget.made_of
        if self._given_from is None:
            self._given_from = set[fx.Node]().union(*(made_of(condition) for condition, _ in self._given))
        return not self._given_from.isdisjoint(made_of(node))

    def _undecided(self, node: object) -> fx.Node | None:
        """The first condition that is open of those that a number depends on."""
        while isinstance(node, fx.Node):
            sides = self._budget.sides(node)
            if sides is None:
                return None
            condition, values = sides
            ways = self._truth(condition)
            if len(ways) != 1:
                return condition if isinstance(condition, fx.Node) and ways else None
            node = values[next(iter(ways))]
        return None

    # Forwards: from operands to results ------------------------------------------------------------------------------

    def _possible(self, node: object) -> Values | None:
        """What a value may be; None where that is not known."""
        if isinstance(node, (bool, int)):
            return frozenset({int(node)})
        if not isinstance(node, fx.Node):
            return None
        if not _is_whole(node):
            return None
        if node not in self._computed:
            if self._work[0] <= 0 or self._depth >= _MAX_DEPTH:
                return self._narrowed.get(node)
            self._work[0] -= 1
            self._depth += 1
            self._computed[node] = self._compute(node)
            self._depth -= 1
        found, narrowed = self._computed[node], self._narrowed.get(node)
        if found is None or narrowed is None:
            return narrowed if found is None else found
        return found & narrowed

    def _compute(self, node: fx.Node) -> Values | None:
        target, args = node.target, node.args
        if target is POISON:
            return frozenset()  # On a path that reads it, it is not this.
        place = _CONSTANTS.get(target)
        if place is not None:
            value = args[place]
            if not isinstance(value, (bool, int)):
                return None
            return frozenset({int(bool(value) if _is_bool(node) else value)})
        if target in _SAME:
            return self._possible(args[0])
        if target in _NOT and _is_logical(node):
            return frozenset(1 - v for v in self._truth(args[0]))
        if target in _AND and _is_logical(node):
            a, b = self._truth(args[0]), self._truth(args[1])
            return frozenset(x & y for x in a for y in b)
        if target in _OR and _is_logical(node):
            a, b = self._truth(args[0]), self._truth(args[1])
            return frozenset(x | y for x in a for y in b)
        if target in _EQUAL:
            return self._compare(node)
        sides = self._budget.sides(node)
        if sides is None:
            return None
        condition, values = sides
        found = [self._on_side(condition, holds, values[holds]) for holds in self._truth(condition)]
        known = [each for each in found if each is not None]
        return frozenset().union(*known) if len(known) == len(found) else None

    def _on_side(self, condition: object, holds: int, value: object) -> Values | None:
        """What a value may be on a side; `a or b` is `a` itself where that holds."""
        return frozenset({holds}) if _source(value) is _source(condition) else self._possible(value)

    def _truth(self, node: object) -> Values:
        possible = self._possible(node)
        return _EITHER if possible is None else possible

    def _compare(self, node: fx.Node) -> Values:
        a, b = self._possible(node.args[0]), self._possible(node.args[1])
        if a is None or b is None:
            return _EITHER
        equal = _EQUAL[node.target]
        return frozenset(equal if x == y else 1 - equal for x in a for y in b)

    # Backwards: from results to operands -----------------------------------------------------------------------------

    def _narrow(self, node: object, allowed: Values) -> None:
        """Notes that a value is one of those allowed."""
        if self._work[0] <= 0 or self._depth >= _MAX_DEPTH or not isinstance(node, fx.Node) or not _is_whole(node):
            return
        self._work[0] -= 1
        possible = self._possible(node)
        rest = allowed if possible is None else allowed & possible
        if not rest:
            self._is_taken = False
            return
        if rest != possible:
            self._narrowed[node] = rest
            self._computed.clear()
        if (node, rest) in self._seen:
            return
        self._seen.add((node, rest))
        self._depth += 1
        self._narrow_operands(node, rest)
        self._depth -= 1

    def _narrow_operands(self, node: fx.Node, rest: Values) -> None:
        target, args = node.target, node.args
        if target in _SAME:
            self._narrow(args[0], rest)
        elif target in _NOT and _is_logical(node):
            self._narrow(args[0], frozenset(1 - v for v in rest))
        elif (target in _AND or target in _OR) and _is_logical(node):
            self._narrow_both(args[0], args[1], rest, all_of=int(target in _AND))
        elif target in _EQUAL:
            self._narrow_compared(args[0], args[1], rest, _EQUAL[target])
        else:
            self._narrow_sides(node, rest)

    def _narrow_both(self, a: object, b: object, rest: Values, all_of: int) -> None:
        """`a and b` that holds: both do. One that does not, where one operand does: the other does not."""
        if rest == frozenset({all_of}):
            self._narrow(a, rest)
            self._narrow(b, rest)
        elif rest == frozenset({1 - all_of}):
            for one, other in ((a, b), (b, a)):
                if self._truth(one) == frozenset({all_of}):
                    self._narrow(other, rest)

    def _narrow_compared(self, a: object, b: object, rest: Values, equal: int) -> None:
        for one, other in ((a, b), (b, a)):
            values = self._possible(other)
            if values is None or not isinstance(one, fx.Node):
                continue
            if rest == frozenset({equal}):
                self._narrow(one, values)
            elif rest == frozenset({1 - equal}) and len(values) == 1:
                possible = self._possible(one)
                if possible is not None:
                    self._narrow(one, possible - values)
                else:
                    self._excluded[one] = self._excluded.get(one, frozenset()) | values

    def _narrow_sides(self, node: fx.Node, rest: Values) -> None:
        """Of a branch or a select, one side of which cannot give what the result is, the other was taken."""
        sides = self._budget.sides(node)
        if sides is None:
            return
        condition, values = sides
        fits: list[int] = []
        for holds in self._truth(condition):
            possible = self._on_side(condition, holds, values[holds])
            if possible is None or possible & rest:
                fits.append(holds)
        if len(fits) == 1:
            self._narrow(condition, frozenset(fits))
            self._narrow(values[fits[0]], rest)


def _made_of(node: fx.Node, work: int) -> set[fx.Node]:
    """The values that are followed from a value, itself included, without constants."""
    found: set[fx.Node] = set()
    rest: list[object] = [node]
    while rest and len(found) < work:
        value = rest.pop()
        if not isinstance(value, fx.Node) or value in found or value.target in _CONSTANTS or value.target is POISON:
            continue
        found.add(value)
        sides = _sides(value)
        if sides is not None:
            rest += [sides[0], *sides[1].values()]
        elif value.target in _SAME or value.target in _EQUAL or _is_logical(value):
            rest += value.args
    return found


def _source(value: Any) -> object:
    """What a value that an op gives as it is was before."""
    while True:
        if not isinstance(value, fx.Node) or value.target not in _SAME:
            return value
        value = value.args[0]


def _dtype(node: fx.Node) -> torch.dtype | None:
    """That of a tensor, noted at the node: while a program is recorded, an attribute of a tensor takes microseconds."""
    if _DTYPE not in node.meta:
        value = node.meta.get("val")
        node.meta[_DTYPE] = value.dtype if isinstance(value, torch.Tensor) else None
    return node.meta[_DTYPE]


def _is_whole(node: fx.Node) -> bool:
    """Whether it is a bool or an int: what is said here of equality and truth does not hold for others."""
    dtype = _dtype(node)
    return dtype is not None and not (dtype.is_floating_point or dtype.is_complex)


def _is_logical(node: fx.Node) -> bool:
    """Whether it is a bool made of bools."""
    return _is_bool(node) and all(isinstance(operand, fx.Node) and _is_bool(operand) for operand in node.args)


def _is_bool(node: fx.Node) -> bool:
    return _dtype(node) is torch.bool


def _sides(node: fx.Node) -> tuple[object, dict[int, object]] | None:
    """The condition of a branch's result or a select, and what gives its value where that holds (1) and where not."""
    if node.target is aten.where.self:
        condition, then, orelse = node.args
        return condition, {1: then, 0: orelse}
    if node.target is operator.getitem and isinstance(node.args[0], fx.Node) and node.args[0].target is COND:
        branch: fx.Node = node.args[0]
        index: Any = node.args[1]
        then, orelse = (graph_outputs(graph)[index] for graph in branch.meta["branches"])
        return branch.args[0], {1: then, 0: orelse}
    return None
