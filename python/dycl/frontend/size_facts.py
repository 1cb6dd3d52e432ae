# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""What follows for sizes from the conditions on sizes that a path has passed.

Inside of `if n % 2 == 0:` the model may divide `n` by two, and only there. So a question that torch asks about sizes is
answered from the conditions of the path, where they tell: such an answer is no guard, and holds on that path only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import sympy
from torch.utils._sympy import functions as torch_sympy
from torch.utils._sympy.value_ranges import ValueRanges, bound_sympy

_REMAINDERS = (torch_sympy.Mod, torch_sympy.PythonMod)
_OPPOSITE = {sympy.Ge: sympy.Lt, sympy.Gt: sympy.Le, sympy.Le: sympy.Gt, sympy.Lt: sympy.Ge}

_MAX_TRIED = 64
"""For how many sizes a question is tried one by one."""

_MAX_ROUNDS = 4
"""How often the conditions are read: one may say more once another is known."""


class SizeFacts:
    """What is known of sizes on a path.

    Args:
        conditions: sympy conditions on sizes that hold.
        ranges: between which values each symbol in them lies anyhow.
    """

    def __init__(self, conditions: Sequence[Any], ranges: Mapping[Any, Any]) -> None:
        self._ranges: dict[Any, Any] = dict(ranges)
        self._values: dict[Any, Any] = {}
        """Symbols, by what they are made of: `n = 2 * k` where `n` is even."""
        self._known: dict[Any, Any] = {}
        """Conditions that are known to hold, or not to."""
        for _ in range(_MAX_ROUNDS):
            before = dict(self._ranges), dict(self._values)
            for condition in conditions:
                self._take(condition)
            if before == (self._ranges, self._values):
                break

    def answer(self, question: Any) -> Any:
        """What an expression of sizes is on the path, as a sympy constant; None where that is not known."""
        if not question.free_symbols & (self._values.keys() | self._ranges.keys()):
            return None
        question = self._replaced(question)
        if question in self._known:
            return self._known[question]
        if question in (sympy.true, sympy.false) or question.is_Integer:
            return question
        if not (question.is_Relational or question.is_Boolean):
            return None
        if not question.free_symbols <= self._ranges.keys():
            return None
        if isinstance(question, (sympy.Eq, sympy.Ne)):
            # The difference says more than the two sides: `n // 2` and `n - n // 2`.
            left, right = _sides(question)
            question = question.func(sympy.expand(left - right), 0)
            if question in (sympy.true, sympy.false):
                return question
        found = bound_sympy(question, self._ranges)
        return found.lower if found.is_singleton() else self._tried(question)

    def _tried(self, question: Any) -> Any:
        """The answer for each number that the only size in a question may be, if it is always the same."""
        if len(question.free_symbols) != 1:
            return None
        (symbol,) = question.free_symbols
        known = self._ranges[symbol]
        if not (known.lower.is_Integer and known.upper.is_Integer) or known.upper - known.lower >= _MAX_TRIED:
            return None
        try:
            found = {question.subs(symbol, n) for n in range(int(known.lower), int(known.upper) + 1)}
        except ZeroDivisionError:
            return None
        answer = found.pop() if len(found) == 1 else None
        return answer if answer in (sympy.true, sympy.false) else None

    def _replaced(self, expr: Any) -> Any:
        for _ in range(len(self._values)):
            expr = expr.xreplace(self._values)
        return expr

    def _take(self, condition: Any) -> None:
        """Learns what a condition that holds says."""
        if isinstance(condition, sympy.And):
            for part in condition.args:
                self._take(part)
            return
        if isinstance(condition, sympy.Not):
            (inner,) = condition.args
            if isinstance(inner, sympy.Or):
                self._take(sympy.And(*map(sympy.Not, inner.args)))
                return
        condition = self._replaced(condition)
        if condition in (sympy.true, sympy.false):
            return
        self._known[condition] = sympy.true
        self._known[sympy.Not(condition)] = sympy.false
        if isinstance(condition, (sympy.Eq, sympy.Ne)):
            self._take_equality(condition)
        elif condition.is_Relational and type(condition) in _OPPOSITE:
            self._take_bound(condition)

    def _take_equality(self, condition: Any) -> None:
        is_equal = isinstance(condition, sympy.Eq)
        one, other = _sides(condition)
        for left, right in ((one, other), (other, one)):
            value, by = _divided(left)
            if value is not None and right.is_Integer and by.is_Integer:
                self._take_remainder(value, int(by), int(right), is_equal)
                return
            if left.is_Symbol and is_equal and left not in right.free_symbols:
                self._set(left, right)
                return
            if left.is_Symbol and right.is_Integer and left in self._ranges:
                # Other than its least or largest: one more, or one less.
                known = self._ranges[left]
                low, high = known.lower + (known.lower == right), known.upper - (known.upper == right)
                self._narrow(left, low, high)
                return
        if is_equal:
            self._solve(sympy.expand(one - other))

    def _solve(self, difference: Any) -> None:
        """Learns what a symbol is, given a sum that is zero."""
        for symbol in sorted(difference.free_symbols, key=str):
            factor = difference.coeff(symbol, 1)
            rest = sympy.expand(difference - factor * symbol)
            if factor in (1, -1) and symbol not in rest.free_symbols and rest.is_polynomial():
                self._set(symbol, -rest if factor == 1 else rest)
                return

    def _take_remainder(self, value: Any, by: int, rest: int, is_equal: bool) -> None:
        """Learns that a value leaves a rest, or does not leave it."""
        if by == 2 and not is_equal:
            rest, is_equal = 1 - rest, True
        value = sympy.expand(value)
        symbols = value.free_symbols
        if not is_equal or not 0 <= rest < by or len(symbols) != 1:
            return
        (symbol,) = symbols
        factor, offset = value.coeff(symbol, 1), value.coeff(symbol, 0)
        if factor not in (1, -1) or sympy.expand(factor * symbol + offset - value) != 0 or symbol not in self._ranges:
            return
        residue = int((factor * (rest - offset)) % by)
        known = self._ranges[symbol]
        low, high = (known.lower - residue) / by, (known.upper - residue) / by
        # Not `positive=False`, which would say that it is not.
        sign = {"positive": True} if low > 0 else {"nonnegative": True} if low >= 0 else {}
        part = sympy.Symbol(f"{symbol}_{by}", integer=True, **sign)
        self._ranges[part] = ValueRanges(sympy.ceiling(low), sympy.floor(high))
        self._set(symbol, by * part + residue)

    def _take_bound(self, condition: Any) -> None:
        """Learns from `a < b` and the like, where the difference has one symbol."""
        difference = sympy.expand(condition.lhs - condition.rhs)
        symbols = difference.free_symbols
        if len(symbols) != 1:
            return
        (symbol,) = symbols
        factor, offset = difference.coeff(symbol, 1), difference.coeff(symbol, 0)
        is_linear = factor.is_Integer and offset.is_Integer and sympy.expand(factor * symbol + offset - difference) == 0
        if not is_linear or factor == 0 or symbol not in self._ranges:
            return
        # factor * symbol + offset <op> 0, with <op> one of >=, >, <=, <.
        is_strict = isinstance(condition, (sympy.Gt, sympy.Lt))
        is_lower = isinstance(condition, (sympy.Ge, sympy.Gt)) is bool(factor > 0)
        limit = -offset / factor
        known = self._ranges[symbol]
        if is_lower:
            low = sympy.floor(limit) + 1 if is_strict else sympy.ceiling(limit)
            self._narrow(symbol, max(low, known.lower), known.upper)
        else:
            high = sympy.ceiling(limit) - 1 if is_strict else sympy.floor(limit)
            self._narrow(symbol, known.lower, min(high, known.upper))

    def _set(self, symbol: Any, value: Any) -> None:
        if symbol not in self._values and symbol not in self._replaced(value).free_symbols:
            self._values[symbol] = self._replaced(value)

    def _narrow(self, symbol: Any, low: Any, high: Any) -> None:
        # A path that contradicts itself is not taken: nothing is said of it.
        if low <= high:
            self._ranges[symbol] = ValueRanges(low, high)
            if low == high:
                self._set(symbol, low)


def _sides(relation: Any) -> tuple[Any, Any]:
    return relation.lhs, relation.rhs


def _divided(expr: Any) -> tuple[Any, Any]:
    """What is divided, and by what, in an expression of the rest; None where it is none."""
    return (expr.args[0], expr.args[1]) if isinstance(expr, _REMAINDERS) else (None, None)
