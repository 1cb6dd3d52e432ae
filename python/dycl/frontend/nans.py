# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Comparisons and extremes with PyTorch's NaNs: one is not equal to itself, passes through a clamp, and is an extreme.

torch-mlir folds `x == x` to true (so `isfinite` found all numbers finite), clamps a NaN to a bound, and has an argmax
pass over it. Finding the position of an extreme by its value also vectorizes, where a reduction with two results does
not: of 32768 numbers on one core in 20 µs instead of 55 µs.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import torch

aten = torch.ops.aten


def _eq(a: torch.Tensor, b: torch.Tensor) -> Any:
    if not torch.result_type(a, b).is_floating_point:
        return NotImplemented
    return torch.logical_not(a != b)


def _extreme_of_two(is_extreme: Callable[..., torch.Tensor], a: torch.Tensor, b: torch.Tensor) -> Any:
    """A NaN, if one of them is."""
    if not torch.result_type(a, b).is_floating_point:
        return NotImplemented
    return torch.where(is_extreme(a, b) | (a != a), a, b)


def _number_of_two(is_extreme: Callable[..., torch.Tensor], a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """The other one, if one of them is a NaN."""
    return torch.where(is_extreme(a, b) | (b != b), a, b)


def _clamp(x: torch.Tensor, least: Any = None, most: Any = None) -> Any:
    """Between numbers; a NaN is neither below nor above them."""
    bounds = [bound for bound in (least, most) if bound is not None]
    dtype = functools.reduce(torch.promote_types, [torch.result_type(x, bound) for bound in bounds], x.dtype)
    if not dtype.is_floating_point or not all(isinstance(bound, (int, float)) for bound in bounds):
        return NotImplemented
    x = x.to(dtype)
    if least is not None:
        x = torch.where(x < least, torch.full((), least, dtype=dtype), x)
    if most is not None:
        x = torch.where(x > most, torch.full((), most, dtype=dtype), x)
    return x


def _clamp_tensor(x: torch.Tensor, least: torch.Tensor | None = None, most: torch.Tensor | None = None) -> Any:
    x = x if least is None else torch.maximum(x, least)
    return x if most is None else torch.minimum(x, most)


def _arg(extreme: Callable[..., torch.Tensor], x: torch.Tensor, dim: int | None = None, keepdim: bool = False) -> Any:
    """The position of the first extreme, or of the first NaN: i64, of all elements where `dim` is None."""
    if dim is None:
        position = _arg(extreme, x.reshape(-1), 0)
        return position.reshape([1] * x.dim()) if keepdim else position
    return _with_position(extreme, x, dim, keepdim)[1]


def _with_position(extreme: Callable[..., torch.Tensor], x: torch.Tensor, dim: int, keepdim: bool = False) -> Any:
    """The extremes along a dimension, and their positions: i64, each in [0, size)."""
    if x.dim() == 0:
        return x.clone(), torch.zeros_like(x, dtype=torch.int64)
    if x.dtype is torch.bool:
        found, position = _with_position(extreme, x.to(torch.uint8), dim, keepdim)
        return found.to(torch.bool), position
    found = extreme(x, dim, keepdim=True)
    # If there is a NaN, the extreme is one, and equals nothing.
    is_found = x == found
    if x.is_floating_point():
        is_found = is_found | (x != x)
    size = x.shape[dim]
    place = torch.arange(size, dtype=torch.int32).reshape([-1, *[1] * (x.dim() - 1 - dim % x.dim())])
    position = torch.where(is_found, place, torch.full((), torch.iinfo(torch.int32).max, dtype=torch.int32))
    position = torch.amin(position, dim, keepdim=True).to(torch.int64)
    # It is in range anyway; this says so to what indexes by it (`bounds.py`).
    position = position.clamp(0, size - 1)
    return (found, position) if keepdim else (found.squeeze(dim), position.squeeze(dim))


DECOMPOSITIONS: dict[Any, Callable[..., Any]] = {
    aten.eq.Tensor: _eq,
    aten.maximum.default: functools.partial(_extreme_of_two, torch.gt),
    aten.minimum.default: functools.partial(_extreme_of_two, torch.lt),
    aten.fmax.default: functools.partial(_number_of_two, torch.ge),
    aten.fmin.default: functools.partial(_number_of_two, torch.le),
    aten.clamp.default: _clamp,
    aten.clamp_min.default: _clamp,
    aten.clamp_max.default: lambda x, most: _clamp(x, None, most),
    aten.clamp.Tensor: _clamp_tensor,
    aten.clamp_min.Tensor: _clamp_tensor,
    aten.clamp_max.Tensor: lambda x, most: _clamp_tensor(x, None, most),
    aten.hardtanh.default: lambda x, least=-1, most=1: _clamp(x, least, most),
    aten.argmax.default: functools.partial(_arg, torch.amax),
    aten.argmin.default: functools.partial(_arg, torch.amin),
    aten.max.dim: functools.partial(_with_position, torch.amax),
    aten.min.dim: functools.partial(_with_position, torch.amin),
}
"""Decompositions of ops that torch-mlir lowers otherwise, for the recorder."""
