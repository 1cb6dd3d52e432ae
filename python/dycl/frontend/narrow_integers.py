# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Arithmetic on integers of 8 bits is done in 32: torch-mlir crashes on some of it (`x * 2`, `x // 2`, `x.max()`)."""

from __future__ import annotations

from typing import Any

import torch

aten = torch.ops.aten

_NARROW = (torch.int8, torch.uint8)

# Beside the ops that torch calls elementwise.
_ARITHMETIC = {
    aten.floor_divide.default,
    aten.floor_divide.Scalar,
    aten.max.default,
    aten.min.default,
    aten.amax.default,
    aten.amin.default,
}

# What only moves elements is recorded as it is.
_MOVES = {aten.where.self, aten.clone.default, aten._to_copy.default}


def is_arithmetic(func: Any, args: Any, kwargs: dict[str, Any]) -> bool:
    """Whether an op computes with integers of 8 bits, or makes a tensor of them."""
    if func is aten.full.default:
        return kwargs.get("dtype") in _NARROW
    computes = torch.Tag.pointwise in func.tags or func in _ARITHMETIC
    return computes and func not in _MOVES and any(map(is_narrow, (*args, *kwargs.values())))


def is_narrow(value: Any) -> bool:
    """Whether a value is a tensor of integers of 8 bits."""
    return isinstance(value, torch.Tensor) and value.dtype in _NARROW


def in_32_bits(func: Any, args: Any, kwargs: dict[str, Any], dtype: torch.dtype) -> torch.Tensor:
    """What an op gives, whose result is of `dtype`, an integer of 8 bits.

    What overflows wraps as in 8 bits: the low bits of sums, products, shifts to the left and bitwise results are the
    same, and all others are no larger than what they are of.
    """
    wide = [arg.to(torch.int32) if is_narrow(arg) else arg for arg in args]
    named = {name: arg.to(torch.int32) if is_narrow(arg) else arg for name, arg in kwargs.items()}
    if func is aten.full.default:
        named["dtype"] = torch.int32
    return func(*wide, **named).to(dtype)
