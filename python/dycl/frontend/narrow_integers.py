# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Arithmetic on integers of 8 bits is done in 32: torch-mlir crashes on some of it (`x * 2`, `x // 2`, `x.max()`)."""

from __future__ import annotations

from typing import Any

import torch

aten = torch.ops.aten

NARROW = (torch.int8, torch.uint8)

# Beside the ops that torch calls elementwise.
_ARITHMETIC = {
    aten.floor_divide.default,
    aten.floor_divide.Scalar,
    aten.max.default,
    aten.min.default,
    aten.amax.default,
    aten.amin.default,
    aten.sum.default,
    aten.sum.dim_IntList,
    aten.prod.default,
    aten.prod.dim_int,
    aten.cumsum.default,
    aten.cumprod.default,
    aten.mean.default,
    aten.mean.dim,
    aten.mm.default,
    aten.bmm.default,
    aten.dot.default,
    aten.mv.default,
    aten.convolution.default,
    aten.max_pool1d.default,
    aten.max_pool2d.default,
    aten.max_pool2d_with_indices.default,
    aten.any.default,  # Of uint8, it gives uint8.
    aten.any.dim,
    aten.any.dims,
    aten.all.default,
    aten.all.dim,
    aten.all.dims,
}

_CONSTRUCTORS = {aten.full.default, aten.arange.default, aten.arange.start, aten.arange.start_step}

# What only moves elements is recorded as it is.
_MOVES = {
    aten.where.self,
    aten.clone.default,
    aten._to_copy.default,
    torch.ops.prims.convert_element_type.default,
    torch.ops.prims.device_put.default,
}


def is_arithmetic(func: Any, args: Any, kwargs: dict[str, Any]) -> bool:
    """Whether an op computes with integers of 8 bits, or makes a tensor of them.

    Where its result is of another dtype, torch-mlir takes unsigned ones for signed.
    """
    if func in _CONSTRUCTORS:
        return kwargs.get("dtype") in NARROW
    if func in _MOVES:
        return func is aten.where.self and any(map(is_narrow, args[1:])) and args[1].dtype is not args[2].dtype
    computes = torch.Tag.pointwise in func.tags or func in _ARITHMETIC
    return computes and any(map(is_narrow, (*args, *kwargs.values())))


def is_narrow(value: Any) -> bool:
    """Whether a value is a tensor of integers of 8 bits."""
    return isinstance(value, torch.Tensor) and value.dtype in NARROW


def in_32_bits(func: Any, args: Any, kwargs: dict[str, Any], dtype: torch.dtype) -> torch.Tensor:
    """What an op gives, whose result is of `dtype`.

    What overflows wraps as in 8 bits: the low bits of sums, products, shifts to the left and bitwise results are the
    same, and all others are no larger than what they are of.
    """
    wide = [arg.to(torch.int32) if is_narrow(arg) else arg for arg in args]
    named = {name: arg.to(torch.int32) if is_narrow(arg) else arg for name, arg in kwargs.items()}
    if func in _CONSTRUCTORS or kwargs.get("dtype") in NARROW:
        named["dtype"] = torch.int32
    return func(*wide, **named).to(dtype)


def with_wrapped_numbers(func: Any, args: tuple[Any, ...]) -> tuple[Any, ...]:
    """The arguments of an op on integers: Python ints that its dtype has not, modulo its range, as in eager."""
    if torch.Tag.pointwise not in func.tags and func not in _ARITHMETIC:
        return args
    tensors = [arg for arg in args if isinstance(arg, torch.Tensor)]
    if not tensors or all(type(arg) is not int or 0 <= arg < 128 for arg in args):
        return args
    dtype = tensors[0].dtype
    for tensor in tensors[1:]:
        dtype = torch.promote_types(dtype, tensor.dtype)
    if dtype is torch.bool or dtype.is_floating_point or dtype.is_complex:
        return args
    return tuple(_wrapped(arg, dtype) if type(arg) is int else arg for arg in args)


def _wrapped(number: int, dtype: torch.dtype) -> int:
    info = torch.iinfo(dtype)
    return (number - info.min) % (info.max - info.min + 1) + info.min
