# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Elementwise ops as exact as PyTorch's, where torch-mlir's or IREE's are not, and some that they lack.

`x // y` was `floor(x / y)`, of floats one too large for four in ten quotients by 0.1, of integers in 64-bit floats, and
`fmod` was computed of such a quotient. IREE's sine loses 3e-8 of its argument (2.8e-5 at 1000, where rotary embeddings
have their positions), its asinh of a large negative number is -inf, and its atan2 of two infinities NaN. torch-mlir
negates integers in 32-bit floats, adds flags modulo 2, and has a GELU (`approximate="tanh"`) that is off by 5e-5.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch

from dycl.frontend.wide_floats import refuse_f64

aten = torch.ops.aten


_REDUCED = (torch.float16, torch.bfloat16)


def _floor_divide(a: Any, b: Any) -> Any:
    """The quotient of what divides without remainder: Python's `//`. Below, it would be computed in 64-bit floats."""
    dtype = torch.result_type(a, b)
    if dtype in _REDUCED:  # As in eager; a number has 32 bits then.
        return _floor_divide(*_in_f32(a, b)).to(dtype)
    a, b = torch.as_tensor(a, dtype=dtype), torch.as_tensor(_safe_divisor(a, b), dtype=dtype)
    if not dtype.is_floating_point:
        quotient = torch.div(a, b, rounding_mode="trunc")
        remainder = a - quotient * b
        is_above = (remainder != 0) & ((remainder < 0) != (b < 0))
        return quotient - is_above.to(dtype)
    refuse_f64(a, "//")
    remainder = torch.fmod(a, b)
    quotient = (a - remainder) / b
    is_above = (remainder != 0) & ((remainder < 0) != (b < 0))
    quotient = torch.where(is_above, quotient - 1, quotient)
    nearest = torch.floor(quotient)
    nearest = torch.where(quotient - nearest > 0.5, nearest + 1, nearest)
    return torch.where(b == 0, a / b, nearest)


def _in_f32(*values: Any) -> tuple[torch.Tensor, ...]:
    return tuple(torch.as_tensor(value, dtype=torch.float32) for value in values)


def _safe_divisor(dividend: Any, divisor: Any) -> Any:
    """What integers are divided by: 1 in the place of 0, where eager raises and the processor would end the process."""
    if not isinstance(divisor, torch.Tensor) or torch.result_type(dividend, divisor).is_floating_point:
        return divisor
    return torch.where(divisor == 0, torch.ones((), dtype=divisor.dtype), divisor)


def _div_mode(a: Any, b: Any, *, rounding_mode: str | None = None) -> Any:
    if rounding_mode == "trunc" and torch.result_type(a, b) is torch.bfloat16:
        quotient = _rounded_to_bf16(torch.div(*_in_f32(a, b)))
        return torch.trunc(quotient).to(torch.bfloat16)
    return _floor_divide(a, b) if rounding_mode == "floor" else NotImplemented


def _remainder_of_number(a: float, b: torch.Tensor) -> torch.Tensor:
    return torch.remainder(torch.full((), a, dtype=torch.result_type(a, b)), b)


def _rounded_to_bf16(x: torch.Tensor) -> torch.Tensor:
    """The nearest number of 8 bits, as f32: a cast to bf16 and back is left out below."""
    spread = x * _constant(2.0**16 + 1, x)
    return torch.where(spread.abs() < math.inf, spread - (spread - x), x)


def _fmod(a: torch.Tensor, b: Any) -> Any:
    """The remainder with the sign of `a`; torch-mlir's `remainder`, with that of `b`, is exact."""
    dtype = torch.result_type(a, b)
    if not dtype.is_floating_point:
        return NotImplemented if isinstance(b, torch.Tensor) else torch.fmod(a, torch.full((), b, dtype=dtype))
    a, b = a.to(dtype), torch.as_tensor(b, dtype=dtype)
    refuse_f64(a, "fmod")
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


def _constant(value: float, like: torch.Tensor) -> torch.Tensor:
    """A number in a tensor's precision: of a Python number, torch-mlir leaves f64, which GPUs may lack."""
    return torch.full((), value, dtype=like.dtype)


def _within_half_a_turn(x: torch.Tensor) -> torch.Tensor:
    """An argument near zero for a function of period 2 pi; f64 is left as it is."""
    if x.is_floating_point() and x.dtype is not torch.float32:
        return x
    x = x.to(torch.float32)
    turns = torch.round(x * _constant(0.5 / math.pi, x))
    for part in _TURN:
        x = x - turns * _constant(part, x)
    return x


def _asinh(x: torch.Tensor) -> Any:
    if not x.is_floating_point():
        return NotImplemented
    size = x.abs()
    square = size * size
    small = torch.log1p(size + square / (1 + torch.sqrt(1 + square)))
    # Its square may overflow.
    large = 1e8 if x.dtype is torch.float64 else 1e4
    result = torch.where(size > large, torch.log(size) + _constant(math.log(2), x), small)
    return torch.where(x < 0, -result, result)


def signed_power(magnitude: torch.Tensor, base: torch.Tensor, exponent: torch.Tensor) -> torch.Tensor:
    """`base ** exponent`, given the power of the base without its sign: below, that is of a logarithm."""
    one = _constant(1, magnitude)
    magnitude = torch.where(base.abs() == 1, one, magnitude)  # also of an infinite exponent
    half = exponent / 2
    is_whole, is_even = torch.floor(exponent) == exponent, torch.floor(half) == half
    negative = torch.where(is_whole & torch.logical_not(is_even), -magnitude, magnitude)
    negative = torch.where(is_whole | torch.isinf(base), negative, _constant(float("nan"), magnitude))
    power = torch.where(base < 0, negative, magnitude)
    is_odd_of_zero = _is_negative(base) & (base == 0) & is_whole & torch.logical_not(is_even)
    power = torch.where(is_odd_of_zero, -magnitude, power)
    power = torch.where(exponent == 1, base, power)  # of the logarithm of the largest numbers, infinity
    # Whatever the other one is, also a NaN.
    return torch.where((exponent == 0) | (base == 1), one, power)


def _is_negative(x: torch.Tensor) -> torch.Tensor:
    """Whether a number has a minus sign, as -0 has; of a NaN, false."""
    return (x < 0) | ((x == 0) & (torch.reciprocal(x) < 0))


def int_power(base: torch.Tensor, exponent: torch.Tensor) -> torch.Tensor:
    """`base ** exponent` of integers; torch-mlir has none. A negative exponent gives what eager gives: 0, 1 or -1."""
    result, square = torch.ones_like(base), base
    for bit in range(6):  # of 64 bits, all that 0, 1 and -1 do not decide
        is_set = exponent.bitwise_and(1 << bit) != 0
        result = torch.where(is_set, result * square, result)
        square = square * square
    # With an exponent of 64 or more, what is neither 0 nor 1 nor -1 overflows.
    is_small = base.abs() <= 1
    parity = torch.where(exponent.bitwise_and(1) == 1, base, base.abs())
    few = torch.where(is_small, parity, torch.zeros_like(base))
    return torch.where((exponent >= 0) & (exponent < 64), result, few)


def _pow(base: torch.Tensor, exponent: torch.Tensor) -> Any:
    dtype = torch.result_type(base, exponent)
    if dtype.is_floating_point:
        return NotImplemented
    return int_power(base.to(dtype), exponent.to(dtype))


def _pow_of_number(x: torch.Tensor, exponent: int | float) -> Any:
    dtype = torch.result_type(x, exponent)
    if not dtype.is_floating_point:
        return int_power(x.to(dtype), torch.full((), exponent, dtype=dtype))
    if not x.is_floating_point():
        return torch.pow(x.to(dtype), exponent)
    # Below, the inverse of zero has the wrong sign.
    return torch.reciprocal(torch.pow(x, -exponent)) if exponent < 0 else NotImplemented


def _number_to_the_power(base: float, exponent: torch.Tensor) -> torch.Tensor:
    dtype = torch.result_type(base, exponent)
    return torch.pow(torch.full((), base, dtype=dtype), exponent.to(dtype))


def _log10(x: torch.Tensor) -> torch.Tensor:
    x = x if x.is_floating_point() else x.to(torch.get_default_dtype())
    return torch.log(x) * _constant(math.log10(math.e), x)


def _negate(x: torch.Tensor) -> Any:
    """Of integers, from zero: torch-mlir does it in 32-bit floats."""
    if x.dtype is torch.bool or x.is_floating_point() or x.is_complex():
        return NotImplemented
    return torch.sub(torch.zeros((), dtype=x.dtype), x)


def _add(a: Any, b: Any, *, alpha: Any = 1) -> Any:
    """The sum; of flags it is a flag, and in 16 bits no product is rounded before."""
    dtype = torch.result_type(a, b)
    if dtype is torch.bool and isinstance(alpha, int):
        a, b = (torch.as_tensor(value, dtype=dtype) for value in (a, b))
        return torch.logical_or(a, b) if alpha else a.logical_or(torch.zeros_like(b))
    if dtype in _REDUCED and isinstance(alpha, (int, float)) and alpha != 1:
        return torch.add(*_in_f32(a, b), alpha=alpha).to(dtype)
    return NotImplemented


def _signbit(x: torch.Tensor) -> torch.Tensor:
    if x.dtype is torch.bool:
        return torch.zeros_like(x)
    return _is_negative(x) if x.is_floating_point() else x < 0


def _copysign(a: torch.Tensor, b: Any) -> torch.Tensor:
    dtype = torch.result_type(a, b)
    dtype = dtype if dtype.is_floating_point else torch.get_default_dtype()
    size, sign = a.to(dtype).abs(), torch.as_tensor(b, dtype=dtype)
    return torch.where(_is_negative(sign), -size, size)


def _hypot(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    dtype = torch.result_type(a, b)
    if dtype in _REDUCED:
        return torch.hypot(*_in_f32(a, b)).to(dtype)
    a, b = a.to(dtype).abs(), b.to(dtype).abs()
    large, small = torch.maximum(a, b), torch.minimum(a, b)
    # The squares may overflow, or vanish.
    ratio = small / torch.where(large == 0, _constant(1, large), large)
    length = large * torch.sqrt(1 + ratio * ratio)
    return torch.where(torch.isinf(a) | torch.isinf(b), _constant(math.inf, length), length)


def _atan2(y: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    """The angle of a point, also of zeros and infinities with their signs."""
    dtype = torch.result_type(y, x)
    if dtype in _REDUCED:
        return torch.atan2(*_in_f32(y, x)).to(dtype)
    dtype = dtype if dtype.is_floating_point else torch.get_default_dtype()
    y, x = y.to(dtype), x.to(dtype)
    height, width = y.abs(), x.abs()
    ratio = torch.where(height == width, _constant(1, height), height / width)  # of two infinities, too
    ratio = torch.where((height == 0) & (width == 0), _constant(0, ratio), ratio)
    angle = torch.atan(ratio)
    angle = torch.where(_is_negative(x), _constant(math.pi, angle) - angle, angle)
    return torch.where(_is_negative(y), -angle, angle)


def _gelu(x: torch.Tensor, *, approximate: str = "none") -> Any:
    """By the hyperbolic tangent, with all digits of its constants."""
    if approximate != "tanh":
        return NotImplemented
    if x.dtype in _REDUCED:
        return aten.gelu.default(x.to(torch.float32), approximate=approximate).to(x.dtype)
    inner = (x + _constant(0.044715, x) * x * x * x) * _constant(math.sqrt(2 / math.pi), x)
    return _constant(0.5, x) * x * (1 + torch.tanh(inner))


def _softplus(x: torch.Tensor, beta: float = 1, threshold: float = 20) -> torch.Tensor:
    scaled = x * beta
    soft = torch.log1p(torch.exp(scaled)) / beta
    return torch.where(scaled > threshold, x, soft)


def _round_decimals(x: torch.Tensor, *, decimals: int) -> Any:
    if x.dtype not in _REDUCED:
        return NotImplemented
    return torch.round(x.to(torch.float32), decimals=decimals).to(x.dtype)


def _logaddexp(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    most = torch.maximum(a, b)
    # The difference of two infinities is none.
    return torch.where((a == b) & torch.isinf(a), a, most + torch.log1p(torch.exp(-(a - b).abs())))


def _with_number(of_tensors: Callable[..., torch.Tensor]) -> Callable[..., torch.Tensor]:
    """An op on a tensor and a number by that on two tensors."""

    def decomposition(x: torch.Tensor, number: int) -> torch.Tensor:
        return of_tensors(x, torch.full((), number, dtype=torch.result_type(x, number)))

    return decomposition


DECOMPOSITIONS: dict[Any, Callable[..., Any]] = {
    aten.floor_divide.default: _floor_divide,
    aten.floor_divide.Scalar: _floor_divide,
    aten.div.Tensor_mode: _div_mode,
    aten.div.Scalar_mode: _div_mode,
    aten.remainder.Scalar_Tensor: _remainder_of_number,
    aten.fmod.Tensor: _fmod,
    aten.fmod.Scalar: _fmod,
    aten.pow.Tensor_Scalar: _pow_of_number,
    aten.pow.Tensor_Tensor: _pow,
    aten.pow.Scalar: _number_to_the_power,
    aten.bitwise_and.Scalar: _with_number(torch.bitwise_and),
    aten.bitwise_or.Scalar: _with_number(torch.bitwise_or),
    aten.bitwise_xor.Scalar: _with_number(torch.bitwise_xor),
    aten.asinh.default: _asinh,
    aten.log10.default: _log10,
    aten.logaddexp.default: _logaddexp,
    aten.neg.default: _negate,
    aten.add.Tensor: _add,
    aten.add.Scalar: _add,
    aten.signbit.default: _signbit,
    aten.copysign.Tensor: _copysign,
    aten.copysign.Scalar: _copysign,
    aten.hypot.default: _hypot,
    aten.atan2.default: _atan2,
    aten.gelu.default: _gelu,
    aten.softplus.default: _softplus,
    aten.round.decimals: _round_decimals,
}
"""Decompositions of elementwise ops, for the recorder."""

PREPARED: dict[Any, Callable[..., tuple[Any, ...]]] = {
    aten.remainder.Tensor: lambda a, b: (a, _safe_divisor(a, b)),
    aten.fmod.Tensor: lambda a, b: (a, _safe_divisor(a, b)),
    aten.div.Tensor_mode: lambda a, b: (a, _safe_divisor(a, b)),
    # Below, it writes where a negative number points.
    aten.bincount.default: lambda x, *rest: (x.clamp(min=0), *rest),
    aten.sin.default: lambda x: (_within_half_a_turn(x),),
    aten.cos.default: lambda x: (_within_half_a_turn(x),),
    aten.tan.default: lambda x: (_within_half_a_turn(x),),
}
"""Ops that are recorded as they are, with other arguments: what makes these of theirs."""
