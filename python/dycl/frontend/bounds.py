# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
# pyright: reportPrivateUsage=false
"""Between which values an index on data lies: what an argmax gave needs no check where it indexes a list.

What gives positions (`nans.py`, `sorting.py`) clamps them, although they are in range, so that it can be seen here.
"""

from __future__ import annotations

import operator
from collections.abc import Generator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

import torch
from torch import fx
from torch._subclasses.functional_tensor import FunctionalTensor
from torch.utils._python_dispatch import _disable_current_modes

if TYPE_CHECKING:
    from dycl.frontend.recorder import Recorder

aten = torch.ops.aten

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
    aten.permute.default,
    aten.transpose.int,
    aten.expand.default,
    torch.ops.prims.squeeze.default,
}


# Ops between `nonzero` and the choice of a column of it.
_KEEPING_COLUMNS = {aten.clone.default, aten.alias.default}

# What a constant's node has in its meta.
_BOUND = "upper bound"


_trusted: ContextVar[bool] = ContextVar("trusted", default=False)


@contextmanager
def trusted() -> Generator[None]:
    """While it is entered, nothing is checked: indices and divisors of the front end's own, and of decompositions."""
    token = _trusted.set(True)
    try:
        yield
    finally:
        _trusted.reset(token)


def is_trusted() -> bool:
    """Whether `trusted` is entered."""
    return _trusted.get()


_CONSTANT = "constant"
_MAX_CONSTANT = 4096
_MAX_OPS = 64


def folded(recorder: Recorder, tensor: torch.Tensor) -> torch.Tensor | None:
    """The values of a tensor of the program that is made of literals alone, by few ops; None for others."""
    if not isinstance(tensor, FunctionalTensor):
        return tensor
    node: Any = recorder.node_of(recorder.unwrap(tensor))  # type: ignore[arg-type]
    order: list[Any] = []
    if not _list_ops(node, order):
        return None
    values: dict[Any, Any] = {}
    with _disable_current_modes():
        for one in order:
            args, kwargs = fx.map_arg((one.args, one.kwargs), values.__getitem__)
            values[one] = one.meta[_CONSTANT] if _CONSTANT in one.meta else one.target(*args, **kwargs)
    return values[node]


def _list_ops(node: Any, order: list[Any]) -> bool:
    """Lists the ops that make a node, each after what it takes; False where there are other inputs, or too many."""
    if node in order:
        return True
    is_op = isinstance(node.target, torch._ops.OpOverload) and torch.Tag.nondeterministic_seeded not in node.target.tags
    if _CONSTANT not in node.meta and not (is_op or node.target is operator.getitem):
        return False
    if _CONSTANT not in node.meta and not all(_list_ops(one, order) for one in node.all_input_nodes):
        return False
    order.append(node)
    return len(order) <= _MAX_OPS


def note_constant(node: Any, constant: torch.Tensor) -> None:
    """Notes the values of a literal, and what can be seen of them as indices."""
    if constant.numel() <= _MAX_CONSTANT:
        node.meta[_CONSTANT] = constant.detach().clone()
    if constant.dtype is torch.int64 and constant.numel() and int(constant.min()) >= 0:
        node.meta[_BOUND] = int(constant.max()) + 1


def is_mask(index: torch.Tensor) -> bool:
    """Whether a part of an index chooses where it holds, not by positions."""
    return index.dtype in (torch.bool, torch.uint8)


def from_the_start(index: torch.Tensor, size: Any) -> torch.Tensor:
    """Indices of which negative ones count from the end, all counted from the start; they need not be in bounds."""
    return torch.where(index < 0, index + size, index)


def upper_bound(recorder: Recorder, tensor: torch.Tensor) -> int | None:
    """A number that all values of an i64 tensor are less than, none of which is negative, or None."""
    return upper_bound_of(recorder.node_of(recorder.unwrap(tensor)))  # type: ignore[arg-type]


def _only_column(node: Any) -> int | None:
    """Which column of a matrix a node takes, if it takes one."""
    dim, start, end = (*node.args[1:4], None, None, None)[:3]
    is_one = node.target is aten.select.int or (
        node.target is aten.slice.Tensor and type(start) is int and end == start + 1
    )
    return start if is_one and dim == 1 else None


def upper_bound_of(node: Any) -> int | None:
    """The same of the tensor that a node computes."""
    column: int | None = None
    while node.target in _PASSING:
        if node.target not in _KEEPING_COLUMNS:
            column = _only_column(node)
        node = node.args[0]
    if node.target is aten.nonzero.default:
        sizes = node.args[0].meta["val"].shape
        size = sizes[0] if len(sizes) == 1 else sizes[column] if type(column) is int else None
        return size if type(size) is int else None
    if node.target is operator.getitem and node.args[0].target is torch.ops.higher_order.cond:
        ends = [next(n for n in reversed(side.nodes) if n.op == "output") for side in node.args[0].meta["branches"]]
        bounds = [upper_bound_of(end.args[0][node.args[1]]) for end in ends]
        known = [bound for bound in bounds if bound is not None]
        return max(known) if len(known) == len(bounds) else None
    if _BOUND in node.meta:
        return node.meta[_BOUND]
    if node.target is not aten.clamp.default:
        return None
    least, most = (*node.args[1:], None, None)[:2]
    return most + 1 if type(least) is int and least >= 0 and type(most) is int else None
