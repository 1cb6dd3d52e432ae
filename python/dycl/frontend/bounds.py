# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Between which values an index on data lies: what an argmax gave needs no check where it indexes a list."""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from dycl.frontend.recorder import Recorder

aten = torch.ops.aten

# Ops that give a position along a dimension: the argument that names it, and which of the results the position is.
_POSITIONS: dict[Any, tuple[int, int | None]] = {
    aten.argmax.default: (1, None),
    aten.argmin.default: (1, None),
    aten.max.dim: (1, 1),
    aten.min.dim: (1, 1),
    aten.topk.default: (2, 1),
    aten.sort.default: (1, 1),
}

# Ops whose result has no value that their first argument lacks, as long as it keeps its dtype.
_PASSING = {
    aten.view.default,
    aten._unsafe_view.default,
    aten.reshape.default,
    aten.squeeze.default,
    aten.squeeze.dim,
    aten.squeeze.dims,
    aten.unsqueeze.default,
    aten.select.int,
    aten.slice.Tensor,
    aten.clone.default,
    aten.alias.default,
}


def from_the_start(index: torch.Tensor, size: Any) -> torch.Tensor:
    """Indices of which negative ones count from the end, all counted from the start; they need not be in bounds."""
    return torch.where(index < 0, index + size, index)


def upper_bound(recorder: Recorder, tensor: torch.Tensor) -> int | None:
    """A number that all values of an i64 tensor are less than, where they are positions, and so at least 0."""
    return upper_bound_of(recorder.node_of(recorder.unwrap(tensor)))  # type: ignore[arg-type]


def upper_bound_of(node: Any) -> int | None:
    """The same of the tensor that a node computes."""
    while node.target in _PASSING:
        node = node.args[0]
    result = None
    if node.target is operator.getitem:
        node, result = node.args
    if node.target not in _POSITIONS or _POSITIONS[node.target][1] != result:
        return None
    return _size_along(node, _POSITIONS[node.target][0])


def _size_along(node: Any, argument: int) -> int | None:
    value = node.args[0].meta["val"]
    dim = node.args[argument] if len(node.args) > argument else node.kwargs.get("dim", None if argument == 1 else -1)
    size = value.numel() if dim is None else value.shape[dim] if value.dim() else 1
    return size if type(size) is int else None
