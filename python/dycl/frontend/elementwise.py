# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Elementwise ops as exact as PyTorch's, where torch-mlir's or IREE's are not, and some that they lack.

`x // y` of floats was `floor(x / y)`, one too large for four in ten quotients by 0.1, and `fmod` was computed of such a
quotient. IREE's sine loses 3e-8 of its argument (2.8e-5 at 1000, where rotary embeddings have their positions), and its
asinh of a large negative number is -inf.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch

aten = torch.ops.aten


def _floor_divide(a: Any, b: Any) -> Any:
    """The quotient of what divides without remainder: Python's `//`."""
    dtype = torch.result_type(a, b)
    if not dtype.is_floating_point:
        return NotImplemented
    a, b = torch.as_tensor(a, dtype=dtype), torch.as_tensor(b, dtype=dtype)
    remainder = torch.remainder(a, b)
    quotient = (a - remainder) / b
    nearest = torch.floor(quotient)
    nearest = torch.where(quotient - nearest > 0.5, nearest + 1, nearest)
    return torch.where(b == 0, a / b, nearest)


def _div_mode(a: Any, b: Any, *, rounding_mode: str | None = None) -> Any:
    return _floor_divide(a, b) if rounding_mode == "floor" else NotImplemented


def _fmod(a: torch.Tensor, b: Any) -> Any:
    """The remainder with the sign of `a`; torch-mlir's `remainder`, with that of `b`, is exact."""
    dtype = torch.result_type(a, b)
    if not dtype.is_floating_point:
        return NotImplemented
    a, b = a.to(dtype), torch.as_tensor(b, dtype=dtype)
    remainder = torch.remainder(a.abs(), b.abs())
    return torch.where(a < 0, -remainder, remainder)


def _parts(number: float, bits: tuple[int, ...]) -> list[float]:
    """Numbers of so many bits each, and the rest, that have a sum of `number`."""
    parts: list[float] = []
    for count in bits:
        mantissa, exponent = math.frexp(number)
        parts.append(math.ldexp(math.floor(math.ldexp(mantissa, count)), exponent - count))
        number -= parts[-1]
    return [*parts, number]


# The product of each but the last with a whole number below 2^17 is exact in 24 bits.
_TURN = _parts(2 * math.pi, (7, 7, 7))


PERIODIC = {aten.sin.default, aten.cos.default, aten.tan.default}


def within_half_a_turn(x: torch.Tensor) -> torch.Tensor:
    """An argument near zero for a function of period 2 pi; f64 is left as it is."""
    if x.is_floating_point() and x.dtype is not torch.float32:
        return x
    x = x.to(torch.float32)
    turns = torch.round(x * (0.5 / math.pi))
    for part in _TURN:
        x = x - turns * part
    return x


def _asinh(x: torch.Tensor) -> Any:
    if not x.is_floating_point():
        return NotImplemented
    size = x.abs()
    square = size * size
    small = torch.log1p(size + square / (1 + torch.sqrt(1 + square)))
    # Its square may overflow.
    result = torch.where(size > 1e4, torch.log(size) + math.log(2), small)
    return torch.where(x < 0, -result, result)


def _log10(x: torch.Tensor) -> torch.Tensor:
    return torch.log(x) * math.log10(math.e)


def _fmax(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """The larger one, and the other one of a NaN."""
    return torch.where((a >= b) | (b != b), a, b)


def _fmin(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    return torch.where((a <= b) | (b != b), a, b)


def _logaddexp(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    most = torch.maximum(a, b)
    # The difference of two infinities is none.
    return torch.where((a == b) & torch.isinf(a), a, most + torch.log1p(torch.exp(-(a - b).abs())))


DECOMPOSITIONS: dict[Any, Callable[..., Any]] = {
    aten.floor_divide.default: _floor_divide,
    aten.floor_divide.Scalar: _floor_divide,
    aten.div.Tensor_mode: _div_mode,
    aten.div.Scalar_mode: _div_mode,
    aten.fmod.Tensor: _fmod,
    aten.fmod.Scalar: _fmod,
    aten.asinh.default: _asinh,
    aten.log10.default: _log10,
    aten.fmax.default: _fmax,
    aten.fmin.default: _fmin,
    aten.logaddexp.default: _logaddexp,
}
"""Decompositions of elementwise ops, for the recorder."""
