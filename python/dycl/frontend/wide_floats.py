# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Functions of 64-bit floats, made of those that IREE has: exp, log, sqrt and arithmetic.

The others it takes from a C library, which is not there when regions are linked, or computes with less precision.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch

from dycl.errors import UnsupportedConstructError
from dycl.frontend.locations import here

aten = torch.ops.aten


def refuse_f64(tensor: torch.Tensor, name: str) -> None:
    """Refuses what needs the remainder of f64, which IREE takes from a C library that is not there."""
    if tensor.dtype is torch.float64:
        raise UnsupportedConstructError(
            f"`{name}` of tensors of 64-bit floats",
            hint="do it in 32 bits, or write `torch.floor(x / y)`, which rounds the quotient",
            location=here(),
        )


def _remainder(a: Any, b: Any) -> Any:
    if torch.result_type(a, b) is torch.float64:
        refuse_f64(torch.empty((), dtype=torch.float64), "%")
    return NotImplemented


def _of_f64(function: Callable[[torch.Tensor], torch.Tensor]) -> Callable[[torch.Tensor], Any]:
    def decomposition(x: torch.Tensor) -> Any:
        return function(x) if x.dtype is torch.float64 else NotImplemented

    return decomposition


def _constant(value: float) -> torch.Tensor:
    return torch.full((), value, dtype=torch.float64)


def _log1p(x: torch.Tensor) -> torch.Tensor:
    """By the rounding of `1 + x`, which is known: of a logarithm, the relative error of its argument."""
    sum_ = x + 1
    exact = sum_ - 1
    result = torch.log(sum_) * (x / exact)
    result = torch.where(exact == 0, x, result)
    return torch.where(sum_ == math.inf, sum_, result)


def _expm1(x: torch.Tensor) -> torch.Tensor:
    power = torch.exp(x)
    less = power - 1
    result = less * (x / torch.log(power))
    # Near zero x itself; where 1, or the rest, is lost, the other.
    result = torch.where(power == 1, x, result)
    return torch.where((x < -30) | (x > 30), less, result)


def _tanh(x: torch.Tensor) -> torch.Tensor:
    less = torch.expm1(-2 * x.abs())
    size = -less / (less + 2)
    return torch.where(x < 0, -size, torch.where(x == 0, x, size))


def _sinh(x: torch.Tensor) -> torch.Tensor:
    less = torch.expm1(x.abs())
    # The power may overflow where its half does not.
    half = torch.exp(x.abs() / 2)
    size = torch.where(x.abs() > 30, (half / 2) * half, (less + less / (less + 1)) / 2)
    return torch.where(x < 0, -size, torch.where(x == 0, x, size))


def _cosh(x: torch.Tensor) -> torch.Tensor:
    half = torch.exp(x.abs() / 2)
    return (half / 2) * half + 0.5 / half / half


def _polynomial(x: torch.Tensor, coefficients: Sequence[float]) -> torch.Tensor:
    """Of the coefficients from the highest power down."""
    result = torch.full_like(x, coefficients[0])
    for coefficient in coefficients[1:]:
        result = result * x + _constant(coefficient)
    return result


# The series of sine and cosine, below an eighth of a turn exact to the last bit.
_SINE = [(-1.0) ** n / math.factorial(2 * n + 1) for n in reversed(range(10))]
_COSINE = [(-1.0) ** n / math.factorial(2 * n) for n in reversed(range(11))]
# A quarter of a turn in parts of 33 bits, whose products with a whole number below 2^20 are exact, and the rest.
_QUARTER = [float.fromhex(part) for part in ("0x1.921fb544p+0", "0x1.0b4611a6p-34", "0x1.3198a2e037073p-69")]


def _quarters(x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The number of quarters of a turn in an angle, and what is left, at most an eighth."""
    count = torch.round(x * _constant(2 / math.pi))
    for part in _QUARTER:
        x = x - count * _constant(part)
    return count, x


def _turned(x: torch.Tensor, ahead: int) -> torch.Tensor:
    """The sine of an angle and so many quarters of a turn."""
    count, rest = _quarters(x)
    count = count + ahead
    count = count - 4 * torch.floor(count / 4)
    square = rest * rest
    sine, cosine = rest * _polynomial(square, _SINE), _polynomial(square, _COSINE)
    size = torch.where((count == 1) | (count == 3), cosine, sine)
    return torch.where(count >= 2, -size, size)


def _tan(x: torch.Tensor) -> torch.Tensor:
    return torch.sin(x) / torch.cos(x)


# Of the arc of 1/5, to the last bit.
_ARC = [(-1.0) ** n / (2 * n + 1) for n in reversed(range(12))]


def _atan(x: torch.Tensor) -> torch.Tensor:
    size = x.abs()
    small = torch.where(size > 1, 1 / size, size)
    for _ in range(2):  # half of the angle
        small = small / (1 + torch.sqrt(1 + small * small))
    angle = 4 * small * _polynomial(small * small, _ARC)
    angle = torch.where(size > 1, _constant(math.pi / 2) - angle, angle)
    return torch.where(x < 0, -angle, torch.where(x == 0, x, angle))


def _asin(x: torch.Tensor) -> torch.Tensor:
    return torch.atan2(x, torch.sqrt((1 - x) * (1 + x)))


def _acos(x: torch.Tensor) -> torch.Tensor:
    return torch.atan2(torch.sqrt((1 - x) * (1 + x)), x)


def _atanh(x: torch.Tensor) -> torch.Tensor:
    size = x.abs()
    size = 0.5 * torch.log1p(2 * size / (1 - size))
    return torch.where(x < 0, -size, torch.where(x == 0, x, size))


def _acosh(x: torch.Tensor) -> torch.Tensor:
    less = x - 1
    # The square may overflow.
    large = torch.log(x) + _constant(math.log(2))
    return torch.where(x > 1e8, large, torch.log1p(less + torch.sqrt(less) * torch.sqrt(x + 1)))


def _log2(x: torch.Tensor) -> torch.Tensor:
    return torch.log(x) * _constant(math.log2(math.e))


DECOMPOSITIONS: dict[Any, Callable[..., Any]] = {
    aten.remainder.Tensor: _remainder,
    aten.remainder.Scalar: _remainder,
    aten.log1p.default: _of_f64(_log1p),
    aten.expm1.default: _of_f64(_expm1),
    aten.log2.default: _of_f64(_log2),
    aten.tanh.default: _of_f64(_tanh),
    aten.sinh.default: _of_f64(_sinh),
    aten.cosh.default: _of_f64(_cosh),
    aten.sin.default: _of_f64(lambda x: _turned(x, 0)),
    aten.cos.default: _of_f64(lambda x: _turned(x, 1)),
    aten.tan.default: _of_f64(_tan),
    aten.atan.default: _of_f64(_atan),
    aten.asin.default: _of_f64(_asin),
    aten.acos.default: _of_f64(_acos),
    aten.atanh.default: _of_f64(_atanh),
    aten.acosh.default: _of_f64(_acosh),
}
"""Decompositions of functions of 64-bit floats, for the recorder."""
