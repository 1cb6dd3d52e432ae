# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Ops that repeat or rotate a tensor by counts that may depend on sizes or data, of ops that torch-mlir lowers rightly.

torch-mlir takes a size that it does not know for 1 where `repeat` broadcasts it, and has no `roll` without dimensions,
or by a count that it does not know.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch

from dycl.frontend.scalar_arguments import rotate
from dycl.frontend.sizes import is_static

aten = torch.ops.aten

Size = int | torch.SymInt


def _repeat(tensor: torch.Tensor, repeats: Sequence[Size]) -> Any:
    """Each dimension with a new one before it, along which it is expanded, and the two as one."""
    if all(map(is_static, [*repeats, *tensor.shape])):
        return NotImplemented
    tensor = tensor.reshape((1,) * (len(repeats) - tensor.dim()) + tuple(tensor.shape))
    sizes = tuple(tensor.shape)
    apart, expanded = [], []
    for repeat, size in zip(repeats, sizes, strict=True):
        apart += [1, size]
        expanded += [repeat, -1]  # -1 leaves a size as it is, without a comparison that it is one.
    whole = tensor.reshape(apart).expand(expanded)
    return whole.reshape([repeat * size for repeat, size in zip(repeats, sizes, strict=True)])


def _roll(tensor: torch.Tensor, shifts: Sequence[Size], dims: Sequence[int] = ()) -> Any:
    """By known counts of a known size two slices, else rows at places that are counted round."""
    if not dims:
        (shift,) = shifts
        return _roll(tensor.reshape(-1), [shift], [0]).reshape(tensor.shape)
    for shift, dim in zip(shifts, dims, strict=True):
        size = tensor.shape[dim]
        if is_static(size) and is_static(shift):
            tensor = _roll_known(tensor, int(shift), dim)
        else:
            tensor = rotate(tensor, shift, dim)
    return tensor


def _roll_known(tensor: torch.Tensor, shift: int, dim: int) -> torch.Tensor:
    size = int(tensor.shape[dim])
    first = shift % size if size else 0
    if not first:
        return tensor.clone()
    return torch.cat([tensor.narrow(dim, size - first, first), tensor.narrow(dim, 0, size - first)], dim)


DECOMPOSITIONS: dict[Any, Callable[..., Any]] = {
    aten.repeat.default: _repeat,
    aten.roll.default: _roll,
}
