# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Indices on data stay inside of the tensor that they index.

Eager raises where one does not, and so does the program at its end (`checks.py`); until then it reads or writes the
nearest row: what IREE makes of an index outside of the tensor is an access outside of its memory.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import fx

from dycl.frontend.bounds import from_the_start, upper_bound_of
from dycl.frontend.sizes import is_static, may_be_zero

aten = torch.ops.aten

# Ops that read or write at one tensor of indices along one dimension: the arguments that hold the tensor, the
# dimension (None: the first) and the indices.
_ALONG: dict[Any, tuple[int, int | None, int]] = {
    aten.embedding.default: (0, None, 1),
    aten._embedding_bag.default: (0, None, 1),
    aten._embedding_bag_forward_only.default: (0, None, 1),
    aten.gather.default: (0, 1, 2),
    aten.index_select.default: (0, 1, 2),
    aten.scatter.src: (0, 1, 2),
    aten.scatter.value: (0, 1, 2),
    aten.scatter_add.default: (0, 1, 2),
    aten.scatter_reduce.two: (0, 1, 2),
}

# Ops that take an index for each dimension, of which negative ones count from the end.
_EACH = {aten.index.Tensor, aten.index_put.default}

# Of those, what torch-mlir lowers with the counting from the end; of `index_put` it makes a write before the tensor.
_WRAPPED_BELOW = {aten.index.Tensor}

_WRITES = {
    aten.scatter.src,
    aten.scatter.value,
    aten.scatter_add.default,
    aten.scatter_reduce.two,
    aten.index_put.default,
}


def is_indexing(func: Any) -> bool:
    """Whether an op reads or writes at indices that are data."""
    return func in _ALONG or func in _EACH


def is_write(func: Any) -> bool:
    """Whether an indexing op gives the tensor that it indexes, changed."""
    return func in _WRITES


def in_bounds(
    func: Any, args: Sequence[Any], node_of: Callable[[torch.Tensor], fx.Node]
) -> tuple[tuple[Any, ...], list[int]]:
    """The arguments of an indexing op with indices that are in bounds.

    A tensor that may have no row at all along an indexed dimension gets one more there; those dimensions are given too.
    """
    bounded = list(args)
    padded: list[int] = []
    if func in _EACH:
        indices = list(args[1])
        for dim, index in enumerate(indices):
            if index is not None:
                bounded[0], indices[dim] = _bounded(
                    bounded[0], dim, index, node_of, padded, wraps=True, wrapped_below=func in _WRAPPED_BELOW
                )
        bounded[1] = indices
        return tuple(bounded), padded
    tensor, dim_at, index_at = _ALONG[func]
    if args[tensor].dim():
        dim = 0
        if dim_at is not None:
            # torch-mlir crashes on a scatter along a dimension that counts from the end.
            dim = bounded[dim_at] = args[dim_at] % args[tensor].dim()
        bounded[tensor], bounded[index_at] = _bounded(args[tensor], dim, args[index_at], node_of, padded)
    else:
        bounded[index_at] = torch.zeros_like(args[index_at])
    return tuple(bounded), padded


def _bounded(
    tensor: torch.Tensor,
    dim: int,
    index: torch.Tensor,
    node_of: Callable[[torch.Tensor], fx.Node],
    padded: list[int],
    *,
    wraps: bool = False,
    wrapped_below: bool = False,
) -> tuple[torch.Tensor, torch.Tensor]:
    """A tensor, with one row more if it may have none, and the indices along `dim` in bounds."""
    size = tensor.shape[dim]
    bound = upper_bound_of(node_of(index))
    if bound is not None and is_static(size) and bound <= size:
        return tensor, index
    has_rows = not may_be_zero(size)
    if has_rows and wrapped_below:
        return tensor, index.clamp(-size, size - 1)
    if wraps:
        index = from_the_start(index, size)
    if has_rows:
        return tensor, index.clamp(0, size - 1)
    padded.append(dim)
    row = torch.zeros([1 if d == dim else s for d, s in enumerate(tensor.shape)], dtype=tensor.dtype)
    return torch.cat([tensor, row], dim), index.clamp(0, size)
