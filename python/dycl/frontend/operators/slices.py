# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Slices of tensors whose bounds depend on data: `x[:n]`, `x[:, i : i + 2]`."""

from __future__ import annotations

import builtins
from typing import Any

import torch

from dycl.errors import UnsupportedConstructError
from dycl.frontend.bounds import from_the_start, is_mask
from dycl.frontend.locations import here
from dycl.frontend.recorder import Recorder
from dycl.frontend.size_numbers import as_number, as_size
from dycl.frontend.values import Number


def has_data_slice(index: Any) -> bool:
    """Whether an index holds a slice with a bound on data."""
    parts = index if isinstance(index, tuple) else (index,)
    return any(isinstance(p, builtins.slice) and _is_on_data(p) for p in parts)


def _is_on_data(part: builtins.slice) -> bool:
    return any(_is_data(v) for v in (part.start, part.stop, part.step))


def _is_data(value: Any) -> bool:
    return isinstance(value, (Number, torch.Tensor))


def apply_data_slices(recorder: Recorder, tensor: torch.Tensor, index: Any) -> tuple[torch.Tensor, Any]:
    """The view of a tensor that the slices on data take, and what is left of the index."""
    parts = list(index) if isinstance(index, tuple) else [index]
    left: list[Any] = []
    dim = 0
    for position, part in enumerate(parts):
        if isinstance(part, builtins.slice) and _is_on_data(part):
            tensor = _slice(recorder, tensor, dim, part)
            part = builtins.slice(None)
        left.append(part)
        if part is Ellipsis:
            dim = tensor.dim() - sum(map(dimensions_of, parts[position + 1 :]))
        else:
            dim += dimensions_of(part)
    return tensor, tuple(left)


def dimensions_of(part: Any) -> int:
    """How many dimensions of the tensor a part of an index takes."""
    if part is None or isinstance(part, bool):
        return 0
    return part.dim() if isinstance(part, torch.Tensor) and is_mask(part) else 1


def _slice(recorder: Recorder, tensor: torch.Tensor, dim: int, part: builtins.slice) -> torch.Tensor:
    if part.step not in (None, 1) or isinstance(part.step, (Number, torch.Tensor)):
        raise UnsupportedConstructError(
            "a slice with a bound that depends on tensor values, and a step", hint="slice twice", location=here()
        )
    size = Number.of(as_number(tensor.shape[dim]), int)
    start, stop = _bound(part.start, size, Number.of(0)), _bound(part.stop, size, size)
    length = Number((stop.tensor - start.tensor).clamp(min=0), int)
    # An empty slice may start anywhere; at its end it lies within the tensor.
    first = Number(torch.minimum(start.tensor, stop.tensor), int)
    sizes = [as_size(v, recorder, 0) for v in (first, length)]
    return torch.narrow(tensor, dim, *sizes)  # type: ignore[arg-type]


def _bound(value: Any, size: Number, default: Number) -> Number:
    """A bound as Python takes it: from the end if negative, and within the tensor."""
    if value is None:
        return default
    if isinstance(value, torch.Tensor):
        value = Number.of_tensor(value)
    value = as_number(value)
    if isinstance(value, Number) and value.type is float:
        raise TypeError("slice indices must be integers or None or have an __index__ method")
    number = Number.of(value, int).tensor
    wrapped = from_the_start(number, size.tensor)
    return Number(torch.minimum(wrapped.clamp(min=0), size.tensor), int)
