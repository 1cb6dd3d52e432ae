# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Arithmetic of Python numbers on data that may raise: `/`, `//`, `%`, `**`, `<<`, `>>` and `divmod`.

Where Python raises for some values (a divisor of zero, a negative shift), the compiled program takes a path of its own
that raises the same. What overflows does not raise: an int wraps at 64 bits, a float becomes infinite.
"""

from __future__ import annotations

import operator
from typing import Any

import torch

from dycl.frontend.elementwise import int_power
from dycl.frontend.entries import entries_in, refuse_entries
from dycl.frontend.operators.indexing import Indexing
from dycl.frontend.operators.special_methods import operator_method
from dycl.frontend.size_numbers import as_number
from dycl.frontend.text import holds_data, printf_text
from dycl.frontend.values import Number, known, python_arithmetic

_DIVISIONS = {"Div": (operator.truediv, "/"), "FloorDiv": (operator.floordiv, "//"), "Mod": (operator.mod, "%")}
_SHIFTS = {"LShift": (operator.lshift, "<<"), "RShift": (operator.rshift, ">>")}
_PLAIN = {
    "Add": operator.add,
    "Sub": operator.sub,
    "Mult": operator.mul,
    "MatMult": operator.matmul,
    "BitAnd": operator.and_,
    "BitOr": operator.or_,
    "BitXor": operator.xor,
}
_UNARY = {
    "USub": ("__neg__", operator.neg),
    "UAdd": ("__pos__", operator.pos),
    "Invert": ("__invert__", operator.invert),
}
_SETS = {"BitAnd": "intersection", "BitOr": "union", "BitXor": "symmetric_difference", "Sub": "difference"}
"""The methods of sets that operators stand for."""

CHECKED = {*_DIVISIONS, *_SHIFTS, "Pow"}
"""The operators whose result, of Python numbers, may be an exception."""


def are_numbers_on_data(*values: Any) -> bool:
    """Whether all are Python numbers, and one of them depends on data."""
    return any(isinstance(v, Number) for v in values) and all(isinstance(v, (Number, bool, int, float)) for v in values)


def kind_of(value: Any) -> type:
    """The Python type of a number."""
    return value.type if isinstance(value, Number) else type(value)


def _refuse_complex() -> None:
    raise ValueError(
        "a negative number to a power that is not whole is complex, which a compiled program does not give"
    )


class Arithmetic(Indexing):
    """Adds arithmetic that may raise."""

    def arithmetic(self, name: str, left: Any, right: Any) -> Any:
        """`left <op> right`."""
        left, right = known(left), known(right)
        result = self.special(name, left, right)
        if result is not NotImplemented:
            return result
        if entries_in(left) is not None or entries_in(right) is not None:
            return self._of_sets(name, left, right)
        if isinstance(left, torch.SymFloat) or isinstance(right, torch.SymFloat):
            left, right = as_number(left), as_number(right)  # Torch computes with fractions of sizes in few places.
        if name not in CHECKED:
            return _PLAIN[name](left, right)
        if name == "Pow":
            if isinstance(left, torch.SymInt) and type(right) is not int:
                left = as_number(left)
            if isinstance(left, Number) or isinstance(right, Number):
                left, right = as_number(left), as_number(right)
            return self._power(left, right) if are_numbers_on_data(left, right) else left**right
        function, symbol = {**_DIVISIONS, **_SHIFTS}[name]
        if isinstance(left, Number) or isinstance(right, Number):
            left, right = as_number(left), as_number(right)
        if name == "Mod" and isinstance(left, str):
            values = right if type(right) is tuple else (right,)
            return printf_text(left, values) if any(map(holds_data, values)) else left % right
        if not are_numbers_on_data(left, right):
            return function(left, right)
        if float in (kind_of(left), kind_of(right)) and name in _SHIFTS:
            return function(kind_of(left)(1), kind_of(right)(1))  # a TypeError
        if isinstance(right, Number):
            is_shift = name in _SHIFTS
            worst = kind_of(right)(-1 if is_shift else 0)
            self.raise_if(
                right < 0 if is_shift else right == 0, lambda: function(kind_of(left)(1), -1 if is_shift else worst)
            )
        return python_arithmetic(left, right, function, symbol, right_is_checked=True)

    def _of_sets(self, name: str, left: Any, right: Any) -> Any:
        """`left <op> right` of two sets, one of which holds keys that depend on data."""
        method = _SETS.get(name)
        if method is None or not all(isinstance(v, (set, frozenset)) for v in (left, right)):
            refuse_entries(f"`{name}` with it")
        return self.call(getattr(left, method), right)

    def unary(self, name: str, value: Any) -> Any:
        """`-value`, `+value`, `~value`."""
        value = known(value)
        method_name, plain = _UNARY[name]
        method = operator_method(value, method_name)
        return plain(value) if method is None else self.call(method, value)

    def divmod_(self, left: Any, right: Any) -> Any:
        """`divmod(left, right)`."""
        if not are_numbers_on_data(left, right):
            return divmod(left, right)
        if isinstance(right, Number):
            self.raise_if(right == 0, lambda: divmod(kind_of(left)(1), kind_of(right)(0)))
        elif right == 0:
            divmod(kind_of(left)(1), right)
        parts = [
            python_arithmetic(left, right, function, symbol, right_is_checked=True)
            for function, symbol in (_DIVISIONS["FloorDiv"], _DIVISIONS["Mod"])
        ]
        return tuple(parts)

    def _power(self, base: Any, exponent: Any) -> Any:
        kinds = [int if k is bool else k for k in (kind_of(base), kind_of(exponent))]
        if kinds == [int, int]:
            if not isinstance(exponent, Number):
                return (
                    python_arithmetic(base, exponent, operator.pow, "**")
                    if exponent >= 0
                    else self._float_power(base, exponent)
                )

            def power() -> Number:
                pair = [Number.of(v, int).tensor for v in (base, exponent)]
                return Number(int_power(pair[0], pair[1]), int)

            # A negative exponent makes a float of two ints.
            return self.if_exp(exponent >= 0, power, lambda: self._float_power(base, exponent))
        return self._float_power(base, exponent)

    def _float_power(self, base: Any, exponent: Any) -> Number:
        is_whole = kind_of(exponent) is not float or (not isinstance(exponent, Number) and float(exponent).is_integer())
        if not is_whole:
            # Python gives a complex number then; a program has none.
            whole = Number.of(exponent, float).tensor
            is_complex = Number.of(base < 0).tensor & (whole != whole.floor()) & whole.isfinite()
            self.raise_if(Number(is_complex, bool), _refuse_complex)
        may_be_zero = isinstance(base, Number) or base == 0
        if may_be_zero and (isinstance(exponent, Number) or exponent < 0):
            is_zero, is_negative = Number.of(base == 0), Number.of(exponent < 0)
            bad = Number(is_zero.tensor & is_negative.tensor, bool)
            self.raise_if(bad, lambda: kind_of(base)(0) ** kind_of(exponent)(-1))
        x, y = (Number.of(v, float).tensor for v in (base, exponent))
        if not isinstance(exponent, Number) and exponent == 0.5:
            return Number(torch.sqrt(x.abs()), float)  # exact, as in Python; of a negative number the program raises
        return Number(torch.pow(x, y), float)
