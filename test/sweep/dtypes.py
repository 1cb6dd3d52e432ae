# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Ops on tensors of every dtype, against eager: arithmetic, casts, comparisons, reductions and layers.

    make sweep                                    all of them (some minutes)
    python test/sweep/dtypes.py cast floor        those with one of these in their name

Elementwise ops get every pair of a dtype's special values: zeros of both signs, the largest and smallest numbers,
infinities, NaN, what overflows. Integers and booleans must be equal to eager's, floats within the dtype's rounding. As
in shapes.py, a refusal is right only if its reason is dycl's own. test_sweep.py runs a sample.
"""

from __future__ import annotations

import argparse
import functools
import itertools
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from shapes import attempt, describe, is_internal, sweep

import dycl

Function = Callable[..., Any]

FLOATS = (torch.float32, torch.float64, torch.float16, torch.bfloat16)
INTEGERS = (torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8)
NUMBERS = (*FLOATS, *INTEGERS)
ALL = (*NUMBERS, torch.bool)
UNSIGNED_OR_BOOL = (torch.uint8, torch.bool)

# (x) of one dtype, elementwise.
UNARY: dict[str, tuple[Function, Sequence[torch.dtype]]] = {
    "neg": (lambda x: -x, NUMBERS),
    "abs": (torch.abs, NUMBERS),
    "sign": (torch.sign, ALL),
    "square": (torch.square, NUMBERS),
    "cube": (lambda x: x**3, NUMBERS),
    "sqrt": (torch.sqrt, ALL),
    "rsqrt": (torch.rsqrt, FLOATS),
    "reciprocal": (torch.reciprocal, ALL),
    "exp": (torch.exp, ALL),
    "exp2": (torch.exp2, FLOATS),
    "expm1": (torch.expm1, FLOATS),
    "log": (torch.log, ALL),
    "log2": (torch.log2, FLOATS),
    "log10": (torch.log10, FLOATS),
    "log1p": (torch.log1p, FLOATS),
    "sin": (lambda x: torch.sin(x.clamp(-100, 100)), FLOATS),
    "cos": (lambda x: torch.cos(x.clamp(-100, 100)), (*FLOATS, torch.int32, torch.uint8)),
    "tanh": (torch.tanh, ALL),
    "sigmoid": (torch.sigmoid, ALL),
    "erf": (torch.erf, (torch.float32, *FLOATS[2:])),
    "atan": (torch.atan, FLOATS),
    "tan": (lambda x: torch.tan(x.clamp(-100, 100)), FLOATS),
    "asin": (torch.asin, FLOATS),
    "acos": (torch.acos, FLOATS),
    "sinh": (torch.sinh, FLOATS),
    "cosh": (torch.cosh, FLOATS),
    "asinh": (torch.asinh, FLOATS),
    "acosh": (torch.acosh, FLOATS),
    "atanh": (torch.atanh, FLOATS),
    "relu": (torch.relu, NUMBERS),
    "gelu": (lambda x: F.gelu(x.clamp(-50, 50)), (torch.float32, *FLOATS[2:])),  # of infinity, eager's is NaN at times
    "gelu_tanh": (lambda x: F.gelu(x, approximate="tanh"), FLOATS),
    "silu": (F.silu, FLOATS),
    "softplus": (F.softplus, FLOATS),
    "hardswish": (F.hardswish, FLOATS),
    "leaky_relu": (F.leaky_relu, FLOATS),
    "elu": (F.elu, FLOATS),
    "mish": (F.mish, FLOATS),
    "round": (torch.round, NUMBERS),
    "floor": (torch.floor, NUMBERS),
    "ceil": (torch.ceil, NUMBERS),
    "trunc": (torch.trunc, NUMBERS),
    "frac": (torch.frac, FLOATS),
    "isnan": (torch.isnan, ALL),
    "isinf": (torch.isinf, FLOATS),
    "isfinite": (torch.isfinite, ALL),
    "nan_to_num": (torch.nan_to_num, FLOATS),
    "logical_not": (torch.logical_not, ALL),
    "bitwise_not": (torch.bitwise_not, (*INTEGERS, torch.bool)),
    "clamp": (lambda x: x.clamp(-1, 3), NUMBERS),
    "clamp_float": (lambda x: x.clamp(-1.5, 2.5), NUMBERS),
    "clamp_wide": (lambda x: x.clamp(max=300), (*FLOATS, *INTEGERS[:3])),
    "clamp_min_zero": (lambda x: x.clamp_min(0), NUMBERS),
    "add_int": (lambda x: x + 2, ALL),
    "add_float": (lambda x: x + 2.5, ALL),
    "add_bool": (lambda x: x + True, ALL),
    "add_wide": (lambda x: x + 100, ALL),
    "sub_int": (lambda x: x - 3, NUMBERS),
    "rsub_int": (lambda x: 3 - x, NUMBERS),
    "rsub_float": (lambda x: 0.5 - x, NUMBERS),
    "mul_int": (lambda x: x * 7, ALL),
    "mul_float": (lambda x: x * 0.1, ALL),
    "div_int": (lambda x: x / 3, ALL),
    "div_float": (lambda x: x / 0.7, ALL),
    "rdiv": (lambda x: 1 / x, ALL),
    "floordiv_int": (lambda x: x // 3, NUMBERS),
    "floordiv_negative": (lambda x: x // -3, (*FLOATS, *INTEGERS[:4])),
    "floordiv_float": (lambda x: x // 0.7, NUMBERS),
    "mod_int": (lambda x: x % 3, NUMBERS),
    "mod_negative": (lambda x: x % -3, (*FLOATS, *INTEGERS[:4])),
    "mod_float": (lambda x: x.clamp(-100, 100) % 0.7, NUMBERS),  # eager's vectors lose the quotient of large numbers
    "fmod_int": (lambda x: torch.fmod(x, 3), NUMBERS),
    "div_trunc": (lambda x: torch.div(x, 3, rounding_mode="trunc"), NUMBERS),
    "div_floor": (lambda x: torch.div(x, 3, rounding_mode="floor"), NUMBERS),
    "pow_int": (lambda x: x**2, ALL),
    "pow_float": (lambda x: x.abs() ** 0.5, NUMBERS),  # of -inf, eager has two answers
    "pow_negative": (lambda x: x**-1.0, FLOATS),
    "rpow": (lambda x: 2**x, NUMBERS),
    "eq_int": (lambda x: x == 2, ALL),
    "eq_float": (lambda x: x == 1.5, ALL),
    "ne_int": (lambda x: x != 2, ALL),
    "gt_int": (lambda x: x > 1, ALL),
    "ge_float": (lambda x: x >= 0.1, ALL),
    "lt_wide": (lambda x: x < 100, ALL),
    "gt_wider": (lambda x: x > 300, (*FLOATS, *INTEGERS[:3])),
    "and_int": (lambda x: x & 6, (*INTEGERS, torch.bool)),
    "or_int": (lambda x: x | 5, INTEGERS),
    "xor_int": (lambda x: x ^ 3, INTEGERS),
    "shift_left": (lambda x: x << 3, INTEGERS),
    "shift_right": (lambda x: x >> 2, INTEGERS),
    "where_int": (lambda x: torch.where(x > 1, x, 5), ALL),
    "where_float": (lambda x: torch.where(x > 1, x, 1.5), ALL),
    "where_zero": (lambda x: torch.where(x > 1, 0, x), ALL),
    "masked_fill": (lambda x: x.masked_fill(x > 1, 3), NUMBERS),
    "masked_fill_infinite": (lambda x: x.masked_fill(x > 1, float("-inf")), FLOATS),
    "full_like": (lambda x: torch.full_like(x, 3) + x, ALL),
    "ones_like": (lambda x: torch.ones_like(x) * x, ALL),
    "new_full": (lambda x: x.new_full(x.shape, 2) * x, ALL),
    "round_decimals": (lambda x: torch.round(x, decimals=1), FLOATS),
    "heaviside": (lambda x: torch.heaviside(x, torch.ones((), dtype=x.dtype)), NUMBERS),
    "signbit": (torch.signbit, NUMBERS),
    "logit": (lambda x: torch.logit(x, eps=0.1), FLOATS),
    "deg2rad": (torch.deg2rad, FLOATS),
    "addcmul": (lambda x: torch.addcmul(x, x, x, value=2), NUMBERS),
    "lerp": (lambda x: torch.lerp(x, torch.ones_like(x), 0.3), FLOATS),
    "to_default": (lambda x: x.float() * 0.5, ALL),
    "zero_dim_tensor": (lambda x: x + torch.tensor(2.5), ALL),
    "zero_dim_int_tensor": (lambda x: x * torch.tensor(3), ALL),
    "in_place_add": (lambda x: x.clone().add_(2), NUMBERS),
    "in_place_mul_float": (lambda x: x.clone().mul_(0.5), FLOATS),
    "wrapped_add": (lambda x: x + 300, INTEGERS),
    "wrapped_compare": (lambda x: x < 300, INTEGERS),
    "wrapped_negative": (lambda x: x * -1, INTEGERS),
    "wrapped_clamp": (lambda x: x.clamp(-1, 3), INTEGERS),
    "converted_full": (lambda x: torch.full((3,), 300, dtype=x.dtype), (*NUMBERS, torch.bool)),
    "converted_negative": (lambda x: torch.full((3,), -1, dtype=x.dtype), (*NUMBERS, torch.bool)),
    "converted_large": (lambda x: torch.full_like(x, 1e6), NUMBERS),
    "converted_masked_fill": (lambda x: x.masked_fill(x > 1, -1e9), NUMBERS),
    "converted_where": (lambda x: torch.where(x > 1, x, 300), NUMBERS),
    "converted_clamp": (lambda x: x.clamp(max=300), NUMBERS),
    "converted_pad": (lambda x: F.pad(x, (1, 0), value=300), NUMBERS),
    "copy_into_f16": (lambda x: torch.zeros(x.shape, dtype=torch.float16).copy_(x), ALL),
    "copy_into_u8": (lambda x: torch.zeros(x.shape, dtype=torch.uint8).copy_(x), INTEGERS),
}  # fmt: skip

# (x, y) of one dtype, elementwise; y is not zero where the name begins with `divide`, and not negative in `shift`.
BINARY: dict[str, tuple[Function, Sequence[torch.dtype]]] = {
    "add": (torch.add, ALL),
    "add_alpha": (lambda x, y: torch.add(x, y, alpha=2), NUMBERS),
    "sub": (torch.sub, NUMBERS),
    "mul": (torch.mul, ALL),
    "true_divide": (lambda x, y: x / y, ALL),
    "divide_floor": (lambda x, y: x // y, NUMBERS),
    "divide_trunc": (lambda x, y: torch.div(x, y, rounding_mode="trunc"), NUMBERS),
    "divide_remainder": (lambda x, y: torch.remainder(x.clamp(-100, 100), y), NUMBERS),
    "divide_fmod": (lambda x, y: torch.fmod(x.clamp(-100, 100), y), NUMBERS),
    "pow_small": (lambda x, y: x ** (y.clamp(0, 3)), NUMBERS),
    "pow": (torch.pow, FLOATS),
    "maximum": (torch.maximum, ALL),
    "minimum": (torch.minimum, ALL),
    "fmax": (torch.fmax, NUMBERS),
    "atan2": (torch.atan2, FLOATS),
    "hypot": (torch.hypot, FLOATS),
    "copysign": (torch.copysign, FLOATS),
    "logaddexp": (torch.logaddexp, FLOATS),
    "eq": (torch.eq, ALL),
    "ne": (torch.ne, ALL),
    "lt": (torch.lt, ALL),
    "le": (torch.le, ALL),
    "gt": (torch.gt, ALL),
    "ge": (torch.ge, ALL),
    "logical_and": (torch.logical_and, ALL),
    "logical_xor": (torch.logical_xor, ALL),
    "bitwise_and": (torch.bitwise_and, (*INTEGERS, torch.bool)),
    "bitwise_or": (torch.bitwise_or, (*INTEGERS, torch.bool)),
    "bitwise_xor": (torch.bitwise_xor, (*INTEGERS, torch.bool)),
    "shift_left": (lambda x, y: x << (y & 7), INTEGERS),
    "shift_right": (lambda x, y: x >> (y & 7), INTEGERS),
    "shift_left_any": (lambda x, y: x << y, INTEGERS),
    "shift_right_any": (lambda x, y: x >> y, INTEGERS),
    "where": (lambda x, y: torch.where(x > y, x, y), ALL),
    "clamp_tensors": (lambda x, y: x.clamp(y, y + 3), NUMBERS),
    "with_f32": (lambda x, y: x * y.to(torch.float32), ALL),
    "with_f16": (lambda x, y: x * y.to(torch.float16), ALL),
    "with_bf16": (lambda x, y: x * y.to(torch.bfloat16), ALL),
    "with_i32": (lambda x, y: x - y.nan_to_num(0).clamp(-9, 9).to(torch.int32), NUMBERS),
    "with_i16": (lambda x, y: x * y.nan_to_num(0).clamp(-9, 9).to(torch.int16), NUMBERS),
    "with_u8": (lambda x, y: x * y.nan_to_num(0).clamp(0, 9).to(torch.uint8), NUMBERS),
    "with_bool": (lambda x, y: x * (y > 1), ALL),
    "compare_with_u8": (lambda x, y: x > y.nan_to_num(0).clamp(0, 9).to(torch.uint8), NUMBERS),
    "stack": (lambda x, y: torch.stack([x, y]), ALL),
}  # fmt: skip

# (x: 5 x 7) of one dtype, of small numbers.
STRUCTURED: dict[str, tuple[Function, Sequence[torch.dtype]]] = {
    "sum": (lambda x: x.sum(), ALL),
    "sum_rows": (lambda x: x.sum(0), ALL),
    "sum_columns": (lambda x: x.sum(1, keepdim=True), ALL),
    "sum_as_f32": (lambda x: x.sum(1, dtype=torch.float32), ALL),
    "sum_as_i32": (lambda x: x.sum(1, dtype=torch.int32), (*INTEGERS, torch.bool)),
    "sum_as_u8": (lambda x: x.sum(1, dtype=torch.uint8), (*INTEGERS[1:], torch.bool)),
    "mean": (lambda x: x.mean(), FLOATS),
    "mean_rows": (lambda x: x.mean(0), FLOATS),
    "mean_as_f64": (lambda x: x.mean(1, dtype=torch.float64), ALL),
    "prod": (lambda x: x.prod(1), ALL),
    "var": (lambda x: x.var(1), FLOATS),
    "std": (lambda x: x.std(), FLOATS),
    "norm": (lambda x: x.norm(dim=1), FLOATS),
    "amax": (lambda x: x.amax(1), ALL),
    "amin": (lambda x: x.amin(0), ALL),
    "max_all": (lambda x: x.max(), ALL),
    "min_all": (lambda x: x.min(), ALL),
    "max_dim": (lambda x: x.max(1).values, ALL),
    "min_dim_places": (lambda x: x.min(0).indices, NUMBERS),
    "aminmax": (lambda x: torch.aminmax(x), ALL),
    "argmax": (lambda x: x.argmax(1), NUMBERS),
    "argmin": (lambda x: x.argmin(), NUMBERS),
    "any": (lambda x: x.any(1), ALL),
    "all": (lambda x: x.all(0), ALL),
    "count_nonzero": (lambda x: torch.count_nonzero(x, 1), ALL),
    "logsumexp": (lambda x: x.logsumexp(1), FLOATS),
    "cumsum": (lambda x: x.cumsum(1), ALL),
    "cumprod": (lambda x: x.cumprod(0), ALL),
    "cummax": (lambda x: x.cummax(1).values, NUMBERS),
    "diff": (lambda x: x.diff(dim=1), ALL),
    "softmax": (lambda x: x.softmax(1), FLOATS),
    "softmax_as_f32": (lambda x: x.softmax(1, dtype=torch.float32), ALL),
    "log_softmax": (lambda x: x.log_softmax(1), FLOATS),
    "layer_norm": (lambda x: F.layer_norm(x, (7,)), FLOATS),
    "layer_norm_affine": (lambda x: F.layer_norm(x, (7,), x[0], x[1]), FLOATS),
    "rms_norm": (lambda x: F.rms_norm(x, (7,)), FLOATS),
    "group_norm": (lambda x: F.group_norm(x[None, :4], 2), FLOATS),
    "batch_norm": (lambda x: F.batch_norm(x, x[0], x[1].abs() + 1), FLOATS),
    "normalize": (lambda x: F.normalize(x, dim=1), FLOATS),
    "matmul": (lambda x: x @ x.T, NUMBERS),
    "matvec": (lambda x: x @ x[0], NUMBERS),
    "dot": (lambda x: torch.dot(x[0], x[1]), NUMBERS),
    "bmm": (lambda x: torch.bmm(x[None], x.T[None]), NUMBERS),
    "linear": (lambda x: F.linear(x, x[:3], x[0, :3]), NUMBERS),
    "addmm": (lambda x: torch.addmm(x[0, :5], x, x.T, alpha=2), NUMBERS),
    "einsum": (lambda x: torch.einsum("ij,kj->ik", x, x), NUMBERS),
    "outer": (lambda x: torch.outer(x[0], x[1]), ALL),
    "cosine_similarity": (lambda x: F.cosine_similarity(x, x.flip(0)), FLOATS),
    "cdist": (lambda x: torch.cdist(x, x + 1), FLOATS[:2]),
    "conv1d": (lambda x: F.conv1d(x[None], x[:3, :3].reshape(3, 1, 3).expand(3, 5, 3)), NUMBERS),
    "conv2d": (lambda x: F.conv2d(x[None, None], x[:3, :3][None, None], padding=1), NUMBERS),
    "conv_transpose": (lambda x: F.conv_transpose1d(x[None], x[:, None, :3], stride=2), FLOATS),
    "max_pool": (lambda x: F.max_pool2d(x[None, None], 2), NUMBERS),
    "avg_pool": (lambda x: F.avg_pool2d(x[None, None], 2), FLOATS),
    "adaptive_avg_pool": (lambda x: F.adaptive_avg_pool2d(x[None, None], 2), FLOATS),
    "interpolate": (lambda x: F.interpolate(x[None, None], scale_factor=2), (*FLOATS, torch.uint8)),
    "bilinear": (lambda x: F.interpolate(x[None, None], size=(4, 9), mode="bilinear"), FLOATS),
    "attention": (lambda x: F.scaled_dot_product_attention(x[None], x[None], x[None]), FLOATS),
    "embedding": (lambda x: F.embedding(torch.tensor([1, 0, 4]), x), ALL),
    "one_hot_matmul": (lambda x: F.one_hot(torch.tensor([1, 0, 4]), 5).to(x.dtype) @ x, NUMBERS),
    "index": (lambda x: x[torch.tensor([2, -1])], ALL),
    "index_int32": (lambda x: x[torch.tensor([2, 1], dtype=torch.int32)], ALL),
    "index_pairs": (lambda x: x[torch.tensor([2, 1]), torch.tensor([0, 3])], ALL),
    "index_select": (lambda x: x.index_select(1, torch.tensor([2, 1])), ALL),
    "gather": (lambda x: x.gather(1, torch.tensor([[2], [1], [0], [6], [3]])), ALL),
    "scatter": (lambda x: torch.zeros_like(x).scatter(1, torch.tensor([[2], [1], [0], [6], [3]]), x), ALL),
    "scatter_add": (lambda x: x.scatter_add(1, torch.tensor([[2, 2], [1, 1]]), x), NUMBERS),
    "index_add": (lambda x: x.index_add(0, torch.tensor([1, 1]), x[:2]), NUMBERS),
    "index_put": (lambda x: x.index_put((torch.tensor([1, 3]),), x[:2]), ALL),
    "masked_select": (lambda x: x[x > 1], ALL),
    "mask_write": (lambda x: x.index_put((x > 1,), torch.ones((), dtype=x.dtype)), ALL),
    "nonzero": (lambda x: x.nonzero(), ALL),
    "unique": (lambda x: x.unique(), ALL),
    "bincount": (lambda x: x.flatten().abs().bincount(minlength=9), INTEGERS),
    "sort": (lambda x: x.sort(1).values, ALL),
    "sort_descending": (lambda x: x.sort(dim=0, descending=True, stable=True).indices, NUMBERS),
    "argsort": (lambda x: x.argsort(dim=1, stable=True), ALL),
    "topk": (lambda x: x.topk(3, 1).values, NUMBERS),
    "median": (lambda x: x.median(1).values, NUMBERS),
    "kthvalue": (lambda x: x.kthvalue(2, 1).values, NUMBERS),
    "tril": (lambda x: x.tril(), ALL),
    "flip": (lambda x: x.flip(1), ALL),
    "roll": (lambda x: x.roll(2, 1), ALL),
    "pad": (lambda x: F.pad(x, (1, 2)), ALL),
    "pad_value": (lambda x: F.pad(x, (1, 2), value=3), ALL),
    "repeat": (lambda x: x.repeat(2, 1), ALL),
    "cat_with_i64": (lambda x: torch.cat([x, torch.arange(7)[None]]), ALL),
    "cat_with_f16": (lambda x: torch.cat([x, torch.ones(1, 7, dtype=torch.float16)]), ALL),
    "isin": (lambda x: torch.isin(x, torch.tensor([1, 3], dtype=x.dtype)), NUMBERS),
    "searchsorted": (lambda x: torch.searchsorted(torch.arange(5).to(x.dtype), x), NUMBERS),
    "bucketize": (lambda x: torch.bucketize(x, torch.arange(5).to(x.dtype)), NUMBERS),
    "arange": (lambda x: torch.arange(7, dtype=x.dtype) + x, NUMBERS),
    "linspace": (lambda x: torch.linspace(0, 6, 7, dtype=x.dtype) + x, NUMBERS),
    "full": (lambda x: torch.full((7,), 3, dtype=x.dtype) + x, ALL),
    "eye": (lambda x: torch.eye(5, 7, dtype=x.dtype) + x, ALL),
    "tensor": (lambda x: torch.tensor([1, 0, 1, 0, 1, 1, 1], dtype=x.dtype) + x, ALL),
    "item_add": (lambda x: x + x[0, 0].item(), NUMBERS),
    "item_branch": (lambda x: x + 1 if x.sum() > 3 else x - 1, NUMBERS),
    "loop": (lambda x: functools.reduce(lambda h, _: h + x[0], range(int(x[1, 1].abs()) + 1), x), NUMBERS),
    "cross_entropy": (lambda x: F.cross_entropy(x, torch.tensor([0, 1, 2, 3, 4])), FLOATS),
    "mse": (lambda x: F.mse_loss(x, x.flip(0)), FLOATS),
    "trace": (lambda x: x[:, :5].trace(), NUMBERS),
    "lstm_gates": (lambda x: torch.sigmoid(x) * torch.tanh(x) + x.exp(), FLOATS),
}  # fmt: skip

FAMILIES = {"unary": UNARY, "binary": BINARY, "structured": STRUCTURED}


def short(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")


@dataclass(frozen=True)
class Case:
    """A function on tensors of one dtype; or, of the family `cast`, a cast to the dtype that `name` says."""

    family: str
    name: str
    dtype: str

    def __str__(self) -> str:
        return f"{self.family}-{self.name}-{self.dtype}"

    @property
    def function(self) -> Function:
        if self.family == "cast":
            target = getattr(torch, self.name)
            return lambda x: x.to(target)
        return FAMILIES[self.family][self.name][0]

    def inputs(self) -> tuple[torch.Tensor, ...]:
        dtype = getattr(torch, self.dtype)
        if self.family == "structured":
            return (_matrix(dtype),)
        values = special_values(dtype)
        if self.family == "cast":
            return (_representable(values, getattr(torch, self.name)),)
        if self.family == "unary":
            return (values,)
        one, other = (torch.stack(part) for part in zip(*itertools.product(values, values), strict=True))
        if self.name.startswith("divide") and not dtype.is_floating_point:
            # The least integer by -1 is undefined in C++, and ends the process on x86.
            other = torch.where((other == 0) | (other == -1), torch.full_like(other, 5), other)
        return one, other


def special_values(dtype: torch.dtype) -> torch.Tensor:
    """All the values that are special to a dtype, and some others."""
    if dtype is torch.bool:
        return torch.tensor([True, False, True])
    if dtype.is_floating_point:
        info = torch.finfo(dtype)
        ends = [info.max, info.min, info.tiny, info.eps, float("inf"), float("-inf"), float("nan")]
        plain = [0.0, -0.0, 1.0, -1.0, 1.5, 2.5, -2.5, 0.1, -0.3, 3.0, 7.0, 1e-3, -1e-3, -15.0, 0.7, 100.25, -100.25]
        return torch.tensor([*ends, *plain], dtype=torch.float64).to(dtype)
    info = torch.iinfo(dtype)
    plain = [n for n in (0, 1, -1, 2, 3, -3, 5, -7, 8, 100, -100) if n >= info.min]
    return torch.tensor([info.max, info.min, info.max // 3, *plain, info.max - 1], dtype=dtype)


def _representable(values: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    """Those that a dtype has: what others become is undefined in C++, and differs between processors."""
    if not values.is_floating_point() or dtype.is_floating_point or dtype is torch.bool:
        return values
    info, whole = torch.iinfo(dtype), values.double().trunc()
    return values[whole.isfinite() & (whole >= info.min) & (whole < info.max)]


def _matrix(dtype: torch.dtype) -> torch.Tensor:
    numbers = torch.randn(5, 7, generator=torch.Generator().manual_seed(5)) * 3
    if dtype.is_floating_point:
        return numbers.to(dtype)
    return (numbers.abs() > 2) if dtype is torch.bool else (numbers if dtype.is_signed else numbers.abs()).to(dtype)


def cases(parts: Sequence[str] = ()) -> Iterator[Case]:
    found = [Case("cast", short(to), short(of)) for of in ALL for to in ALL if of is not to]
    for family, functions in FAMILIES.items():
        found += [Case(family, name, short(dtype)) for name, (_, dtypes) in functions.items() for dtype in dtypes]
    return (case for case in found if not parts or any(part in str(case) for part in parts))


def groups(parts: Sequence[str] = (), size: int = 16) -> list[list[Case]]:
    """The cases in groups that take the same tensors."""
    alike: dict[Any, list[Case]] = {}
    for case in cases(parts):
        alike.setdefault((case.family, case.dtype, case.name.startswith("divide")), []).append(case)
    return [found[i : i + size] for found in alike.values() for i in range(0, len(found), size)]


def outcomes(group: Sequence[Case]) -> list[str]:
    """Of each case, compiled together: `right`, `refused: ...`, or what is wrong: `WRONG ...`, `INTERNAL ...`."""
    torch.set_num_threads(1)
    inputs = group[0].inputs()
    expected = [attempt(case.function, inputs) for case in group]
    together = [case for case, result in zip(group, expected, strict=True) if not isinstance(result, type)]
    functions = [case.function for case in (together if len(group) > 1 else group)]
    problem, program = "", None
    try:
        program = dycl.compile(lambda *args: [as_tuple(function(*args)) for function in functions], args=inputs)
    except dycl.DyclError as error:
        problem = f"INTERNAL {error}" if is_internal(str(error)) else f"refused: {error}"
        if isinstance(expected[0], type) and f"the model raises {expected[0].__name__}" in str(error):
            problem = "right"
    except Exception as error:
        problem = "right" if type(error) is expected[0] else f"INTERNAL {type(error).__name__}: {error}"
    if len(group) > 1 and (problem or len(together) < len(group)):
        half = len(group) // 2
        return outcomes(group[:half]) + outcomes(group[half:])
    if program is None:
        return [problem]
    results = attempt(program, inputs)
    given = [results] * len(group) if isinstance(results, type) else results[0] if len(results) == 1 else results
    return [as_outcome(difference(e, g, inputs)) for e, g in zip(expected, given, strict=True)]


def as_outcome(problem: str) -> str:
    return f"WRONG: {problem}" if problem else "right"


def as_tuple(result: Any) -> tuple[Any, ...]:
    return tuple(result) if isinstance(result, tuple) else (result,)


def difference(expected: Any, given: Any, inputs: Sequence[torch.Tensor]) -> str:
    """How two outcomes differ; empty where they do not."""
    if isinstance(expected, type) or isinstance(given, type):
        return "" if expected is given else f"eager: {describe(expected)}, dycl: {describe(given)}"
    for one, other in zip(expected, given, strict=True):
        if one.shape != other.shape or one.dtype != other.dtype:
            return f"eager {tuple(one.shape)} {one.dtype}, dycl {tuple(other.shape)} {other.dtype}"
        differs = ~is_close(one, other)
        if differs.any():
            is_elementwise = all(one.shape == tensor.shape for tensor in inputs)
            of = [tensor[differs][:4].tolist() for tensor in inputs] if is_elementwise else "some"
            return f"of {of} eager {one[differs][:4].tolist()}, dycl {other[differs][:4].tolist()}"
    return ""


def is_close(one: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
    """Whether each element agrees: equal for integers, within some roundings for floats."""
    if not one.dtype.is_floating_point:
        return one == other
    info = torch.finfo(one.dtype)
    finite = one[one.isfinite()].double().abs()
    scale = min(float(finite.max()) if finite.numel() else 0.0, 100.0)
    roundings = {torch.float64: 1e-12, torch.float32: 1e-6}.get(one.dtype, 2 * info.eps)
    # What is below the smallest normal number may be flushed to zero, also on the way.
    least = max(8 * info.tiny, roundings * scale if one.dim() != 1 else 0)
    return torch.isclose(one.double(), other.double(), rtol=8 * roundings, atol=least, equal_nan=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", metavar="NAME", help="only functions with one of these in their name")
    parser.add_argument("--jobs", type=int, default=2)
    given = parser.parse_args()
    return sweep(outcomes, groups(given.parts), given.jobs)


if __name__ == "__main__":
    sys.exit(main())
