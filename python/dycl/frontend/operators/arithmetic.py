# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Arithmetic of Python numbers on data that may raise: `/`, `//`, `%`, `**`, `<<`, `>>` and `divmod`.

Where Python raises for some values (a divisor of zero, a negative shift), the compiled program takes a path of its own
that raises the same. What overflows does not raise: an int wraps at 64 bits, a float becomes infinite.
"""

from __future__ import annotations

import functools
import operator
from typing import Any

import torch

from dycl.frontend.elementwise import int_power
from dycl.frontend.entries import entries_in, refuse_entries
from dycl.frontend.operators.indexing import Indexing
from dycl.frontend.operators.special_methods import operator_method
from dycl.frontend.recorder import outside_modes
from dycl.frontend.size_numbers import as_number
from dycl.frontend.text import holds_data, printf_text
from dycl.frontend.values import Choice, Number, Unusable, known, python_arithmetic

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
_OF_EITHER = {"Add": operator.add, "Sub": operator.sub, "Mult": operator.mul, "Div": operator.truediv}
"""The operators that do the same with a number as with a tensor of it without dimensions; `Div` only as the divisor."""

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


def _is_number(value: Any) -> bool:
    return kind_of(value) in (int, float)


def _is_scalar_tensor(value: Any) -> bool:
    return isinstance(value, torch.Tensor) and value.dim() == 0 and value.dtype != torch.bool


def _like(value: Any) -> Any:
    """A value of the kind of another, for which torch chooses the same dtypes."""
    if not isinstance(value, torch.Tensor):
        return kind_of(value)(0)
    with outside_modes():
        return torch.empty((1,) * value.dim(), dtype=value.dtype)


class Arithmetic(Indexing):
    """Adds arithmetic that may raise."""

    def arithmetic(self, name: str, left: Any, right: Any) -> Any:
        """`left <op> right`."""
        result = self._of_number_or_tensor(name, left, right)
        if result is not NotImplemented:
            return result
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

    def _of_number_or_tensor(self, name: str, left: Any, right: Any) -> Any:
        """`left <op> right`, one of which is a number on some paths and a tensor without dimensions on others.

        Such is a sum that begins with 0. With a tensor it gives the same tensor either way, if it is of the same dtype;
        with another number it is again of the one kind or the other. So what follows is not traced for each.
        """
        if name not in _OF_EITHER or (type(left) is Unusable) == (type(right) is Unusable):
            return NotImplemented
        value, other = (left, right) if type(left) is Unusable else (right, left)
        if name == "Div" and (value is left or _is_number(other)):
            # A number by a tensor is the tensor's reciprocal times it, rounded twice. By a number, Python may raise.
            return NotImplemented
        choice = Unusable.choice(value)
        if choice is None or not all(_is_number(v) or _is_scalar_tensor(v) for v in choice.values):
            return NotImplemented
        if not any(map(_is_scalar_tensor, choice.values)) or self.control.which(choice) is not None:
            return NotImplemented

        def computed(operand: Any) -> Any:
            return _OF_EITHER[name](*((operand, other) if value is left else (other, operand)))

        if _is_number(other):
            # On a path of another kind, a number has no value, and these raise for none.
            results = tuple(map(computed, choice.values))
            kinds = {v.dtype if isinstance(v, torch.Tensor) else kind_of(v) for v in results}
            is_choice = len(kinds) == len(results)  # of which no two may be of one kind
            return Unusable.with_choice(value, Choice(choice.tag, results)) if is_choice else NotImplemented
        tensor = self._one_tensor(choice, other) if isinstance(other, torch.Tensor) else None
        return NotImplemented if tensor is None else computed(tensor)

    def _one_tensor(self, choice: Choice, other: torch.Tensor) -> torch.Tensor | None:
        """A number or tensor as a tensor, where with another tensor it gives the same dtype whichever it is."""
        dtypes = {torch.result_type(_like(other), _like(v)) for v in choice.values}
        if len(dtypes) > 1:
            return None
        tensors = [v if _is_scalar_tensor(v) else Number.of(v).tensor for v in choice.values]
        common = functools.reduce(torch.promote_types, (tensor.dtype for tensor in tensors))
        *others, joined = (tensor.to(common) for tensor in tensors)
        for index, tensor in enumerate(others):
            holds = self.control.is_one_of(choice, [index])
            joined = torch.where(Number.of(holds, bool).tensor, tensor, joined)
        (dtype,) = dtypes
        return joined if torch.result_type(_like(other), _like(joined)) == dtype else joined.to(dtype)

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
