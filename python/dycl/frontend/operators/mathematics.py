# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The functions of `math`, of Python numbers that depend on data.

Each computes in 64 bits. Where Python raises a ValueError for an argument outside of the function's domain, the
compiled program takes a path of its own that raises the same.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch

from dycl.errors import UnsupportedConstructError
from dycl.frontend.locations import here
from dycl.frontend.operators.arithmetic import kind_of
from dycl.frontend.operators.calls import Calls
from dycl.frontend.operators.replacements import replaces
from dycl.frontend.size_numbers import as_number
from dycl.frontend.values import Number

_Function = Callable[[torch.Tensor], torch.Tensor]


def _numbers(*values: Any) -> list[Any] | None:
    """The arguments with tensors and sizes taken as the numbers that they are; None if none depends on data."""
    found = [Number.of_tensor(v) if isinstance(v, torch.Tensor) else as_number(v) for v in values]
    return found if any(isinstance(v, Number) for v in found) else None


def _f64(value: Any) -> torch.Tensor:
    return Number.of(value, float).tensor


def _rounding(plain: Callable[[Any], Any], function: _Function) -> None:
    """Registers a function that makes an int of a float."""

    @replaces(plain)
    def rounded(ops: Calls, value: Any) -> Any:  # noqa: ARG001  # pyright: ignore[reportUnusedFunction]
        numbers = _numbers(value)
        if numbers is None:
            return plain(value)
        (number,) = numbers
        return Number(function(number.tensor).to(torch.int64), int) if number.type is float else Number.of(number, int)


_rounding(math.floor, torch.floor)
_rounding(math.ceil, torch.ceil)
_rounding(math.trunc, torch.trunc)


def _function(
    plain: Callable[..., Any], function: _Function, outside: tuple[_Function, float] | None = None, kind: type = float
) -> None:
    """Registers a function of one float.

    Args:
        plain: the function of `math`.
        function: what computes it on f64.
        outside: what tells that an argument is outside of the domain, and an argument that is.
        kind: of the result: float or bool.
    """

    @replaces(plain)
    def computed(ops: Calls, value: Any) -> Any:  # pyright: ignore[reportUnusedFunction]
        numbers = _numbers(value)
        if numbers is None:
            return plain(value)
        x = _f64(numbers[0])
        if outside is not None:
            is_outside, example = outside
            ops.raise_if(Number(is_outside(x), bool), lambda: plain(example))
        return Number(function(x), kind)


_function(math.sqrt, torch.sqrt, (lambda x: x < 0, -1.0))
_function(math.exp, torch.exp)
_function(math.exp2, torch.exp2)
_function(math.expm1, torch.expm1)
_function(math.log2, lambda x: _logarithm(x, 2), (lambda x: x <= 0, 0.0))
_function(math.log10, lambda x: _logarithm(x, 10), (lambda x: x <= 0, 0.0))
_function(math.log1p, torch.log1p, (lambda x: x <= -1, -1.0))
_function(math.sinh, torch.sinh)
_function(math.cosh, torch.cosh)
_function(math.tanh, lambda x: _tanh(x))
_function(math.asinh, torch.asinh)
_function(math.acosh, torch.acosh, (lambda x: x < 1, 0.0))
_function(math.atanh, torch.atanh, (lambda x: x.abs() >= 1, 1.0))
_function(math.fabs, torch.abs)
_function(math.degrees, lambda x: x * (180.0 / math.pi))
_function(math.radians, lambda x: x * (math.pi / 180.0))
_function(math.isnan, torch.isnan, kind=bool)
_function(math.isinf, torch.isinf, kind=bool)
_function(math.isfinite, torch.isfinite, kind=bool)


def _logarithm(x: torch.Tensor, base: int) -> torch.Tensor:
    """A logarithm that is whole where `x` is a power of the base: `int(math.log2(8))` has to be 3."""
    result = torch.log(x) / math.log(base)
    nearest = torch.round(result)
    powers = torch.tensor([float(base) ** k for k in range(_MAX_POWER[base] + 1)], dtype=torch.float64)
    is_power = ((powers == x) & (torch.arange(len(powers)) == nearest)).any()
    return torch.where(is_power, nearest, result)


_MAX_POWER = {2: 62, 10: 22}
"""The powers of a base that matter: the ints of 64 bits, and those of ten that a float holds exactly."""


def _tanh(x: torch.Tensor) -> torch.Tensor:
    """In terms of what the compiler below has in f64."""
    grown = torch.expm1(2 * x.abs().clamp(max=50.0))
    return torch.where(torch.isnan(x), x, torch.sign(x) * grown / (grown + 2))


@replaces(math.log)
def log(ops: Calls, value: Any, *base: Any) -> Any:
    """`math.log(value)`, or to a base."""
    numbers = _numbers(value, *base)
    if numbers is None:
        return math.log(value, *base)
    logarithms: list[Number] = []
    for number in numbers:
        ops.raise_if(Number.of(number) <= 0, lambda: math.log(0.0))
        logarithms.append(Number(torch.log(_f64(number)), float))
    return logarithms[0] if not base else ops.arithmetic("Div", *logarithms)


@replaces(math.pow)
def power(ops: Calls, base: Any, exponent: Any) -> Any:
    """`math.pow`: of floats, with an error where the result is not real or infinite."""
    numbers = _numbers(base, exponent)
    if numbers is None:
        return math.pow(base, exponent)
    x, y = map(_f64, numbers)
    is_finite = torch.isfinite(x) & torch.isfinite(y)
    is_complex = (x < 0) & (y != y.floor())
    is_pole = (x == 0) & (y < 0)
    ops.raise_if(Number(is_finite & (is_complex | is_pole), bool), lambda: math.pow(-1.0, 0.5))
    return Number(torch.pow(x, y), float)


def _of_two(plain: Callable[..., Any], function: Callable[[torch.Tensor, torch.Tensor], torch.Tensor]) -> None:
    """Registers a function of two floats that is defined everywhere."""

    @replaces(plain)
    def computed(ops: Calls, *values: Any) -> Any:  # noqa: ARG001  # pyright: ignore[reportUnusedFunction]
        numbers = _numbers(*values)
        if numbers is None or len(numbers) != 2:
            return plain(*values)
        return Number(function(_f64(numbers[0]), _f64(numbers[1])), float)


def _copysign(x: torch.Tensor, sign: torch.Tensor) -> torch.Tensor:
    is_negative = (sign < 0) | ((sign == 0) & (1 / sign < 0))
    return torch.where(is_negative, -x.abs(), x.abs())


_of_two(math.hypot, lambda x, y: torch.sqrt(x * x + y * y))
_of_two(math.copysign, _copysign)


@replaces(math.isclose)
def isclose(ops: Calls, a: Any, b: Any, *, rel_tol: Any = 1e-09, abs_tol: Any = 0.0) -> Any:  # noqa: ARG001
    numbers = _numbers(a, b, rel_tol, abs_tol)
    if numbers is None:
        return math.isclose(a, b, rel_tol=rel_tol, abs_tol=abs_tol)
    x, y, relative, absolute = map(_f64, numbers)
    bound = torch.maximum(relative * torch.maximum(x.abs(), y.abs()), absolute)
    is_near = ((x - y).abs() <= bound) & torch.isfinite(x) & torch.isfinite(y)
    return Number(is_near | (x == y), bool)


@replaces(math.prod)
def prod(ops: Calls, values: Any, *, start: Any = 1) -> Any:  # noqa: ARG001
    result = start
    for value in values:
        result = result * value
    return result


def _refused(plain: Callable[..., Any], hint: str) -> None:
    """Registers a function that has no counterpart on data."""

    @replaces(plain)
    def refused(ops: Calls, *values: Any) -> Any:  # noqa: ARG001  # pyright: ignore[reportUnusedFunction]
        numbers = _numbers(*values)
        if numbers is None:
            return plain(*values)
        kind = next(kind_of(v) for v in numbers if isinstance(v, Number))
        raise UnsupportedConstructError(
            f"`math.{plain.__name__}` of a Python {kind.__name__} that depends on tensor values",
            hint=hint,
            location=here(),
        )


_ON_TENSORS = "the compiler below has no such function in 64 bits; use the one of `torch` on a float32 tensor"

for _plain in (math.sin, math.cos, math.tan, math.asin, math.acos, math.atan, math.atan2, math.erf, math.erfc):
    _refused(_plain, _ON_TENSORS)
_refused(math.fmod, "use `torch.fmod` on tensors")
_refused(math.gcd, "write it as a `while` loop over `%`")
_refused(math.lcm, "write it as a `while` loop over `%`")
_refused(math.isqrt, "use `int(math.sqrt(n))`, or a `while` loop")
_refused(math.factorial, "multiply in a `for` loop over `range(1, n + 1)`")
_refused(math.comb, "multiply in a `for` loop")
_refused(math.perm, "multiply in a `for` loop")
_refused(math.gamma, "use `torch.lgamma` on a tensor")
_refused(math.lgamma, "use `torch.lgamma` on a tensor")
_refused(math.frexp, "use `torch.frexp` on a tensor")
_refused(math.modf, "use `n - int(n)` and `int(n)`")
_refused(math.ldexp, "use `x * 2.0 ** n`")
