# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""`len`, `enumerate`, `zip`, `torch.stack` and the like, of what has a number of items that depends on data."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from dycl.errors import UnsupportedConstructError
from dycl.frontend.locations import here
from dycl.frontend.operators.calls import Calls
from dycl.frontend.operators.growing import fail_if_empty, has_rows, known_items, rows_of
from dycl.frontend.operators.iteration import DataRange, DataSequence, as_sequence
from dycl.frontend.operators.replacements import replaces
from dycl.frontend.operators.special_methods import operator_method
from dycl.frontend.recorder import outside_modes
from dycl.frontend.sizes import is_static
from dycl.frontend.values import Number


def _sequence(items: Any) -> Any:
    """A sequence on data, where the items are one."""
    items = as_sequence(items)
    if not isinstance(items, DataRange):
        return items
    start, step = items.start, items.step
    # Rounded up, away from the start.
    count = (items.stop - start + (step - 1 if step > 0 else step + 1)) // step
    length = Number(count.tensor.clamp(min=0), int)
    return DataSequence(length, lambda i: start + i * step)


@replaces(len)
def len_(ops: Calls, items: Any) -> Any:
    method = operator_method(items, "__len__")
    if method is not None:
        return ops.call(method, items)
    if isinstance(items, torch.Tensor) and items.dim() and not is_static(items.shape[0]):
        return items.shape[0]
    items = _sequence(items)
    return items.length if isinstance(items, DataSequence) else ops.length(items)


@replaces(iter)
def iter_(ops: Calls, items: Any, *sentinel: Any) -> Any:
    method = operator_method(items, "__iter__")
    if sentinel or isinstance(_sequence(items), DataSequence):
        return iter(items, *sentinel)
    return ops.call(method, items) if method is not None else iter(known_items(items))


@replaces(torch.stack)
def stack(ops: Calls, tensors: Any, dim: int = 0, **kwargs: Any) -> torch.Tensor:
    """`torch.stack`, also of a list whose length depends on data."""
    if not has_rows(tensors):
        return torch.stack(tensors, dim, **kwargs)
    (rows,) = _tensors_of(ops, tensors, lambda: torch.stack([]))
    return rows.movedim(0, dim)


@replaces(torch.cat, torch.concat, torch.concatenate)
def cat(ops: Calls, tensors: Any, dim: int = 0, **kwargs: Any) -> torch.Tensor:
    """`torch.cat`, likewise."""
    if not has_rows(tensors):
        return torch.cat(tensors, dim, **kwargs)
    (rows,) = _tensors_of(ops, tensors, lambda: torch.cat([]))
    if rows.dim() < 2:
        raise RuntimeError("zero-dimensional tensor (at position 0) cannot be concatenated")
    at = dim % (rows.dim() - 1)
    return rows.movedim(0, at).flatten(at, at + 1)


def _tensors_of(ops: Calls, items: Any, fails: Callable[[], Any]) -> tuple[torch.Tensor, ...]:
    """The stack of the tensors in a list; raises what `fails` raises where there is none."""
    rows = rows_of(items)
    if rows.form[1] != (None,):
        raise TypeError("expected Tensor as element 0 in argument 0")
    fail_if_empty(ops, rows, lambda: _eagerly(fails))
    return rows.stacks


def _eagerly(function: Callable[[], Any]) -> Any:
    with outside_modes():
        return function()


@replaces(enumerate)
def enumerate_(ops: Calls, items: Any, start: Any = 0) -> Any:  # noqa: ARG001
    sequence = _sequence(items)
    if not isinstance(sequence, DataSequence):
        return enumerate(items, start)
    return DataSequence(sequence.length, lambda i: (i + start, sequence.item(i)))


@replaces(zip)
def zip_(ops: Calls, *several: Any, **kwargs: Any) -> Any:
    sequences = [_sequence(items) for items in several]
    dynamic = [s for s in sequences if isinstance(s, DataSequence)]
    if not dynamic:
        return zip(*several, **kwargs)  # noqa: B905 (the user's own `strict`)
    if kwargs or len(dynamic) != len(sequences):
        raise UnsupportedConstructError(
            "`zip` of a tensor with a dynamic number of rows and of something else",
            hint="index both in a `for i in range(...)`",
            location=here(),
        )
    length = dynamic[0].length
    for other in dynamic[1:]:
        shorter = ops.call(min, length, other.length)
        length = shorter
    return DataSequence(length, lambda i: tuple(s.item(i) for s in dynamic))


@replaces(reversed)
def reversed_(ops: Calls, items: Any) -> Any:  # noqa: ARG001
    sequence = _sequence(items)
    if not isinstance(sequence, DataSequence):
        return reversed(items)
    return DataSequence(sequence.length, lambda i: sequence.item(sequence.length - 1 - i))
