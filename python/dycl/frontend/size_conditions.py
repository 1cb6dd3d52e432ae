# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Conditions on one size: for which sizes they do not hold, decided for all of them and not for samples."""

# pyright: reportPrivateImportUsage=false

from __future__ import annotations

import functools
import math
from typing import Any

import sympy
from torch.utils._sympy import functions as torch_sympy
from torch.utils._sympy.value_ranges import ValueRanges, bound_sympy

_MAX_STEPS = 512
"""After how many intervals a condition is given up."""

_MAX_DIVISOR = 64
"""By up to which constant a size may be divided so that each remainder is looked at."""


def at_size(condition: Any, symbol: Any, size: int) -> bool:
    """A condition on one size for a number; false where that divides by zero."""
    try:
        return condition.subs(symbol, size) == sympy.true
    except ZeroDivisionError:
        return False


def is_same_for_all(condition: Any, low: int, high: int) -> bool:
    """Whether it is proved that a condition on one size holds for all sizes from `low` to `high`, or for none of them.

    Args:
        condition: a boolean of sympy's, with one symbol.
        low, high: the range of sizes; empty where `low` is larger.
    """
    return low > high or _is_same_for_all(condition, low, high)


@functools.lru_cache(maxsize=4096)
def _is_same_for_all(condition: Any, low: int, high: int) -> bool:
    (symbol,) = condition.free_symbols
    first = at_size(condition, symbol, low)
    return not _exceptions(condition, symbol, low, high, of=first, at_most=0)


def sizes_without(condition: Any, low: int, high: int, at_most: int) -> list[int] | None:
    """The sizes from `low` to `high` for which a condition on one size does not hold.

    Args:
        condition: a boolean of sympy's, with one symbol.
        low, high: the range of sizes.
        at_most: how many there may be.

    Returns:
        them, or None: there are more, or it was not found out which they are.
    """
    (symbol,) = condition.free_symbols
    found = _exceptions(condition, symbol, low, high, of=True, at_most=at_most)
    return found if isinstance(found, list) else None


def _exceptions(condition: Any, symbol: Any, low: int, high: int, *, of: bool, at_most: int) -> list[int] | bool:
    """The sizes for which a condition is not `of`; True where there are more than `at_most`, or perhaps are.

    Ranges are halved until interval arithmetic decides each.
    """
    found: list[int] = []
    todo = [(low, high)]
    for _ in range(_MAX_STEPS):
        if not todo:
            return found
        first, last = todo.pop()
        if first == last:
            known: bool | None = at_size(condition, symbol, first)
        else:
            known = _decided(condition, symbol, first, last)
        if known is None:
            # A range over orders of magnitude by the number of digits: half of all sizes are near to the largest.
            middle = math.isqrt(first * last) if last > 4 * max(first, 1) else (first + last) // 2
            todo += [(middle + 1, last), (first, middle)]
        elif known is not of:
            if last - first >= at_most - len(found):
                return True
            found.extend(range(first, last + 1))
    return True


def _decided(condition: Any, symbol: Any, first: int, last: int) -> bool | None:
    """What a condition is for all sizes of a range, where the ranges of its operands tell."""
    try:
        known = bound_sympy(condition, {symbol: ValueRanges(sympy.Integer(first), sympy.Integer(last))})
    except (ZeroDivisionError, AssertionError, NotImplementedError):
        return None  # interval arithmetic cannot say; a single size can be tried
    return bool(known.lower) if known.is_singleton() else _decided_by_remainders(condition, symbol, first)


def _decided_by_remainders(condition: Any, symbol: Any, first: int) -> bool | None:
    """The same by the cases of `size = divisor * n + remainder`, where sizes are divided by one constant."""
    divisions = condition.atoms(torch_sympy.FloorDiv, torch_sympy.PythonMod, torch_sympy.Mod)
    divisors = {division.args[1] for division in divisions}
    if len(divisors) != 1 or first < _MAX_DIVISOR:
        return None
    (divisor,) = divisors
    if not divisor.is_Integer or not 1 < divisor <= _MAX_DIVISOR:
        return None
    many = sympy.Symbol("many", integer=True, positive=True)
    found = {
        _without_divisions(condition.xreplace({symbol: divisor * many + rest}), many) for rest in range(int(divisor))
    }
    return found == {sympy.true} if len(found) == 1 and found <= {sympy.true, sympy.false} else None


def _without_divisions(expression: Any, many: Any) -> Any:
    """An expression with what is known of its divisions and extremes, for any positive `many`."""
    if not expression.args:
        return expression
    args = [_without_divisions(arg, many) for arg in expression.args]
    if isinstance(expression, (torch_sympy.FloorDiv, torch_sympy.PythonMod, torch_sympy.Mod)):
        times, rest = sympy.expand(args[0]).as_independent(many, as_Add=True)[::-1]
        factor = times.coeff(many)
        if rest.is_Integer and factor.is_Integer and times == factor * many and factor % args[1] == 0:
            is_quotient = isinstance(expression, torch_sympy.FloorDiv)
            return factor // args[1] * many + rest // args[1] if is_quotient else rest % args[1]
    if isinstance(expression, (torch_sympy.Max, torch_sympy.Min)) and len(args) == 2:
        distance = sympy.expand(args[0] - args[1])
        if distance.is_nonnegative or distance.is_nonpositive:
            return args[0] if bool(distance.is_nonnegative) is isinstance(expression, torch_sympy.Max) else args[1]
    if isinstance(expression, (sympy.Eq, sympy.Ne)):
        distance = sympy.expand(args[0] - args[1])
        if distance.is_Integer:
            return sympy.true if (distance == 0) is isinstance(expression, sympy.Eq) else sympy.false
    return expression.func(*args)
