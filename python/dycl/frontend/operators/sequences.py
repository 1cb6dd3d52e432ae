# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""`len`, `enumerate`, `zip`, `torch.stack` and the like, of what has a number of items that depends on data."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import torch

from dycl.errors import UnsupportedConstructError
from dycl.frontend.entries import entries_in, refuse_entries
from dycl.frontend.locations import here
from dycl.frontend.operators.calls import Calls
from dycl.frontend.operators.columns import first
from dycl.frontend.operators.growing import fail_if_empty, has_rows, known_items, rows_of
from dycl.frontend.operators.iteration import DataRange, DataSequence, as_sequence
from dycl.frontend.operators.replacements import replaces
from dycl.frontend.operators.special_methods import operator_method
from dycl.frontend.recorder import Recorder, outside_modes
from dycl.frontend.rows import Rows, first_of, gathered, of_stack, zipped
from dycl.frontend.size_numbers import as_size
from dycl.frontend.sizes import is_static
from dycl.frontend.text import Text, text_of
from dycl.frontend.values import Number


def _sequence(items: Any, recorder: Recorder | None = None) -> Any:
    """A sequence on data, where the items are one; `recorder` is where its rows are to be recorded."""
    items = as_sequence(items)
    if not isinstance(items, DataRange):
        return items
    start, step = items.start, items.step
    # Rounded up, away from the start.
    count = (items.stop - start + (step - 1 if step > 0 else step + 1)) // step
    length = Number(count.tensor.clamp(min=0), int)

    def rows() -> Rows:
        places = torch.arange(as_size(length, recorder, 0))  # type: ignore[arg-type]
        steps = places * Number.of(step, int).tensor + Number.of(start, int).tensor
        return of_stack(steps, int)

    return DataSequence(length, lambda i: start + i * step, rows if recorder is not None else lambda: None)


def items_of(ops: Calls, items: Any, *, in_any_order: bool = False) -> Any:
    """What is iterated over, as a list of items and rows; as it is where the items cannot be rows.

    `in_any_order`: their order does not matter, which of a set is not defined.
    """
    entries = entries_in(items)
    if entries is not None:
        if not isinstance(items, dict) and not in_any_order:
            refuse_entries("the order of a set, which is not defined")
        return [entries.ordered_keys]
    sequence = items if has_rows(items) else _sequence(items, ops.control.recorder)
    rows = sequence.rows() if isinstance(sequence, DataSequence) else None
    return items if rows is None else [rows]


@replaces(list)
def list_(ops: Calls, *args: Any) -> Any:
    return list(*map(functools.partial(items_of, ops), args))


@replaces(tuple)
def tuple_(ops: Calls, *args: Any) -> Any:
    return tuple(*map(functools.partial(items_of, ops), args))


@replaces(len)
def len_(ops: Calls, items: Any) -> Any:
    method = operator_method(items, "__len__")
    if method is not None:
        return ops.call(method, items)
    if isinstance(items, torch.Tensor) and items.dim() and not is_static(items.shape[0]):
        return items.shape[0]
    entries = entries_in(items)
    if entries is not None:
        return entries.length
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
    rows = _tensors_of(ops, tensors, lambda: torch.stack([]))
    return _stacked(ops, rows).movedim(0, dim)


def _stacked(ops: Calls, rows: Rows) -> torch.Tensor:
    """The stack of at least one tensor; they have to be of one size."""
    values, *sizes = rows.stacks
    assert rows.ragged_dims is not None
    for dim, size in zip(rows.ragged_dims, sizes, strict=True):

        def fail(place: Number) -> None:
            shapes = [text_of(list(rows.item(i).shape), "") for i in (Number.of(0), place)]
            message = Text.of("stack expects each tensor to be equal size, but got ") + shapes[0]
            raise RuntimeError(message + " at entry 0 and " + shapes[1] + " at entry " + text_of(place, ""))

        values = _of_one_size(ops, values, dim, size, fail)
    return values


def _of_one_size(
    ops: Calls, values: torch.Tensor, dim: int, size: torch.Tensor, fail: Callable[[Number], None]
) -> torch.Tensor:
    """Ragged tensors without what fills them up along a dimension; `fail` is told which is first of another size."""
    differs = size != size[0]
    ops.raise_if(Number(differs.any(), bool), lambda: fail(Number(first(differs), int)))
    return first_of(values, 1 + dim, Number(size[0], int))


@replaces(torch.cat, torch.concat, torch.concatenate)
def cat(ops: Calls, tensors: Any, dim: int = 0, **kwargs: Any) -> torch.Tensor:
    """`torch.cat`, likewise."""
    if not has_rows(tensors):
        return torch.cat(tensors, dim, **kwargs)
    rows = _tensors_of(ops, tensors, lambda: torch.cat([]))
    values = rows.stacks[0]
    if values.dim() < 2:
        raise RuntimeError("zero-dimensional tensor (at position 0) cannot be concatenated")
    at = dim % (values.dim() - 1)
    assert rows.ragged_dims is not None
    sizes = dict(zip(rows.ragged_dims, rows.stacks[1:], strict=True))
    for other, size in sizes.items():
        if other == at:
            continue

        def fail(place: Number, size: torch.Tensor = size) -> None:
            message = Text.of(f"Sizes of tensors must match except in dimension {at}. Expected size ")
            message = message + text_of(Number(size[0], int), "") + " but got size "
            message = message + text_of(Number(size.index_select(0, place.tensor.reshape(1)).reshape(()), int), "")
            raise RuntimeError(message + " for tensor number " + text_of(place, "") + " in the list.")

        values = _of_one_size(ops, values, other, size, fail)
    # The tensors one after the other along the first dimension, each of its own size.
    joined = values.movedim(1 + at, 1).flatten(0, 1)
    if at in sizes:
        is_there = torch.arange(values.shape[1 + at]) < sizes[at].unsqueeze(1)
        joined = joined[is_there.flatten()]
    return joined.movedim(0, at)


def _tensors_of(ops: Calls, items: Any, fails: Callable[[], Any]) -> Rows:
    """The tensors in a list as rows; raises what `fails` raises where there is none."""
    rows = rows_of(items)
    if rows.ragged_dims is None:
        raise TypeError("expected Tensor as element 0 in argument 0")
    fail_if_empty(ops, rows, lambda: _eagerly(fails))
    return rows


def _eagerly(function: Callable[[], Any]) -> Any:
    with outside_modes():
        return function()


@replaces(enumerate)
def enumerate_(ops: Calls, items: Any, start: Any = 0) -> Any:
    sequence = _sequence(items, ops.control.recorder)
    if not isinstance(sequence, DataSequence):
        return enumerate(items, start)

    def rows() -> Rows | None:
        inner = sequence.rows()
        if inner is None:
            return None
        places = torch.arange(inner.stacks[0].shape[0]) + Number.of(start, int).tensor
        return zipped([of_stack(places, int, inner.least), inner])

    return DataSequence(sequence.length, lambda i: (i + start, sequence.item(i)), rows)


@replaces(zip)
def zip_(ops: Calls, *several: Any, **kwargs: Any) -> Any:
    sequences = [_sequence(items, ops.control.recorder) for items in several]
    if not any(isinstance(s, DataSequence) for s in sequences):
        return zip(*several, **kwargs)  # noqa: B905 (the user's own `strict`)
    if kwargs:
        raise UnsupportedConstructError(
            "`zip` with `strict` of what has a number of items that depends on data",
            hint="compare the lengths yourself, and leave `strict` out",
            location=here(),
        )
    dynamic = [s if isinstance(s, DataSequence) else _of_known_items(ops, s) for s in sequences]
    length = functools.reduce(lambda a, b: ops.call(min, a, b), [s.length for s in dynamic])

    def rows() -> Rows | None:
        inner = [s.rows() for s in dynamic]
        if any(r is None for r in inner):
            return None
        sizes = [r.stacks[0].shape[0] for r in inner if r is not None]
        size = functools.reduce(torch.sym_min, sizes)
        cut = [Rows(r.form, tuple(stack[:size] for stack in r.stacks), r.least) for r in inner if r is not None]
        return zipped(cut)

    return DataSequence(length, lambda i: tuple(s.item(i) for s in dynamic), rows)


def _of_known_items(ops: Calls, items: Any) -> DataSequence:
    """What is zipped with a sequence on data, as one."""
    found = list(items)
    return DataSequence(len(found), lambda i: ops.getitem(found, i), lambda: gathered(found))


@replaces(reversed)
def reversed_(ops: Calls, items: Any) -> Any:
    sequence = _sequence(items, ops.control.recorder)
    if not isinstance(sequence, DataSequence):
        return reversed(items)

    def rows() -> Rows | None:
        inner = sequence.rows()
        return None if inner is None else inner.with_stacks([stack.flip(0) for stack in inner.stacks])

    return DataSequence(sequence.length, lambda i: sequence.item(sequence.length - 1 - i), rows)
