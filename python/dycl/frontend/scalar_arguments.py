# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Torch functions with an argument that torch wants as a Python number, written so that it may depend on data.

Each is called with numbers on data in the place of such arguments (`values.Number`), which compute with tensors as
Python numbers do. The name is the one by which torch knows the function, in place or not.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from dycl.frontend.bounds import from_the_start, trusted

SCALAR_FORMS: dict[str, Callable[..., Any]] = {}
"""The functions, by torch's name."""


def _form(function: Callable[..., Any]) -> Callable[..., Any]:
    SCALAR_FORMS[function.__name__] = function
    return function


def _check_alpha(alpha: Any, *tensors: Any) -> None:
    is_integral = all(not torch.as_tensor(t).is_floating_point() for t in tensors if isinstance(t, torch.Tensor))
    if is_integral and getattr(alpha, "type", type(alpha)) is float:
        raise RuntimeError("For integral input tensors, argument alpha must not be a floating point number.")


@_form
def add(x: Any, other: Any, *, alpha: Any = 1) -> Any:
    _check_alpha(alpha, x, other)
    return torch.add(x, other * alpha)


@_form
def add_(x: Any, other: Any, *, alpha: Any = 1) -> Any:
    _check_alpha(alpha, x, other)
    return x.add_(other * alpha)


@_form
def sub(x: Any, other: Any, *, alpha: Any = 1) -> Any:
    _check_alpha(alpha, x, other)
    return torch.sub(x, other * alpha)


@_form
def sub_(x: Any, other: Any, *, alpha: Any = 1) -> Any:
    _check_alpha(alpha, x, other)
    return x.sub_(other * alpha)


@_form
def addcmul(x: Any, a: Any, b: Any, *, value: Any = 1) -> Any:
    return x + value * (a * b)


@_form
def addcmul_(x: Any, a: Any, b: Any, *, value: Any = 1) -> Any:
    return x.add_(value * (a * b))


@_form
def addcdiv(x: Any, a: Any, b: Any, *, value: Any = 1) -> Any:
    return x + value * (a / b)


@_form
def addcdiv_(x: Any, a: Any, b: Any, *, value: Any = 1) -> Any:
    return x.add_(value * (a / b))


@_form
def addmm(x: Any, a: Any, b: Any, *, beta: Any = 1, alpha: Any = 1) -> Any:
    return beta * x + alpha * torch.mm(a, b)


@_form
def baddbmm(x: Any, a: Any, b: Any, *, beta: Any = 1, alpha: Any = 1) -> Any:
    return beta * x + alpha * torch.bmm(a, b)


@_form
def leaky_relu(x: Any, negative_slope: Any = 0.01) -> Any:
    return torch.where(x > 0, x, x * negative_slope)


@_form
def threshold(x: Any, threshold: Any, value: Any) -> Any:
    return torch.where(x > threshold, x, value)


@_form
def hardshrink(x: Any, lambd: Any = 0.5) -> Any:
    return torch.where((x >= -lambd) & (x <= lambd), torch.zeros_like(x), x)


@_form
def softshrink(x: Any, lambd: Any = 0.5) -> Any:
    return torch.where(x > lambd, x - lambd, torch.where(x < -lambd, x + lambd, x * 0))


@_form
def elu(x: Any, alpha: Any = 1.0) -> Any:
    return torch.where(x > 0, x, alpha * torch.expm1(x))


@_form
def celu(x: Any, alpha: Any = 1.0) -> Any:
    return torch.where(x > 0, x, alpha * torch.expm1(x / alpha))


@_form
def softplus(x: Any, beta: Any = 1, threshold: Any = 20) -> Any:
    return torch.where(x * beta > threshold, x, torch.log1p(torch.exp(x * beta)) / beta)


@_form
def nan_to_num(x: Any, nan: Any = 0.0, posinf: Any = None, neginf: Any = None) -> Any:
    if not x.is_floating_point():
        return x.clone()
    limits = torch.finfo(x.dtype)
    largest, least = limits.max if posinf is None else posinf, limits.min if neginf is None else neginf
    bounded = torch.where(x == float("inf"), largest, torch.where(x == float("-inf"), least, x))
    return torch.where(x.isnan(), 0.0 if nan is None else nan, bounded)


@_form
def scaled_dot_product_attention(query: Any, *args: Any, scale: Any, **kwargs: Any) -> Any:
    return torch.nn.functional.scaled_dot_product_attention(query * scale, *args, scale=1.0, **kwargs)


@_form
def scatter(x: Any, dim: int, index: Any, value: Any) -> Any:
    return torch.scatter(x, dim, index, value.tensor.to(x.dtype).expand(index.shape))


@_form
def scatter_(x: Any, dim: int, index: Any, value: Any) -> Any:
    return x.scatter_(dim, index, value.tensor.to(x.dtype).expand(index.shape))


@_form
def narrow(x: Any, dim: int, start: Any, length: int) -> Any:
    begin = torch.as_tensor(getattr(start, "tensor", start)).reshape(1)
    return torch.index_select(x, dim, from_the_start(begin, x.size(dim)) + torch.arange(length))


@_form
def select(x: Any, dim: int, index: Any) -> Any:
    return narrow(x, dim, index, 1).squeeze(dim)


@_form
def roll(x: Any, shifts: Any, dims: Any = ()) -> Any:
    shifts = shifts if isinstance(shifts, (tuple, list)) else (shifts,)
    dims = dims if isinstance(dims, (tuple, list)) else () if dims is None else (dims,)
    if len(dims) != len(shifts) and (dims or len(shifts) != 1):
        raise RuntimeError(f"shifts and dimensions must align. shifts: {len(shifts)}, dims:{len(dims)}")
    rolled = x if dims else x.reshape(-1)
    for shift, dim in zip(shifts, dims or (0,), strict=True):
        rolled = rotate(rolled, shift, dim)
    return rolled.reshape(x.shape)


def rotate(x: Any, shift: Any, dim: int) -> Any:
    """`roll` along one dimension, by any count: rows at places that are counted round."""
    size = x.size(dim)
    with trusted():
        return torch.index_select(x, dim, torch.remainder(torch.arange(size) - shift, torch.sym_max(size, 1)))


SCALAR_FORMS["subtract"] = sub
SCALAR_FORMS["leaky_relu_"] = lambda x, *a, **k: x.copy_(leaky_relu(x, *a, **k))
