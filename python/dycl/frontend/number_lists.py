# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Nested lists of numbers, some of which depend on data, as tensors."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import torch
from torch.utils import _pytree as pytree

from dycl.frontend.size_numbers import as_number
from dycl.frontend.sizes import Symbolic
from dycl.frontend.values import Number

PYTHON_DTYPES: dict[type, Callable[[], torch.dtype]] = {
    bool: lambda: torch.bool,
    int: lambda: torch.int64,
    float: torch.get_default_dtype,
}
"""The dtype that torch gives a tensor of Python numbers, by their type."""


def stacked(data: Any, dtype: torch.dtype | None = None) -> torch.Tensor | None:
    """`torch.tensor(data)` of a number, or of nested lists of numbers and tensors of one element.

    Args:
        data: what it is made of; sizes that are not known count as numbers on data.
        dtype: of the result; by default what torch would choose.

    Returns:
        The tensor, or None where nothing in it depends on data.

    Raises:
        ValueError: a tensor in it has not one element.
    """
    leaves = pytree.tree_leaves(data, is_leaf=lambda v: isinstance(v, Number)) if _is_list(data) else [data]
    if not any(isinstance(v, (Number, *Symbolic)) or (_is_list(data) and isinstance(v, torch.Tensor)) for v in leaves):
        return None
    chosen = dtype or functools.reduce(torch.promote_types, map(dtype_of, map(as_number, leaves)))

    def build(value: Any) -> torch.Tensor:
        return torch.stack([build(v) for v in value]) if _is_list(value) else as_scalar(value, chosen)

    return build(data)


def as_scalar(value: Any, dtype: torch.dtype) -> torch.Tensor:
    """A number, or a tensor of one element, as a tensor without dimensions.

    Raises:
        ValueError: the tensor has not one element.
    """
    if not isinstance(value, torch.Tensor):
        return Number.of(as_number(value)).tensor.to(dtype)
    if value.numel() != 1:
        raise ValueError("only one element tensors can be converted to Python scalars")
    return value.reshape(()).to(dtype)


def _is_list(value: Any) -> bool:
    return isinstance(value, (list, tuple))


def dtype_of(value: Any) -> torch.dtype:
    """What a value contributes to the dtype of a tensor that is made of a list."""
    if isinstance(value, torch.Tensor):
        return value.dtype
    return PYTHON_DTYPES[value.type if isinstance(value, Number) else type(value)]()
