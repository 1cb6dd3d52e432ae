# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""What is done with a list whose length depends on data (`rows.py`)."""

from __future__ import annotations

import builtins
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch

from dycl.errors import UnsupportedConstructError
from dycl.frontend.bounds import from_the_start
from dycl.frontend.locations import here
from dycl.frontend.rows import Rows, gathered, has_rows, note_in_rows
from dycl.frontend.values import Number

if TYPE_CHECKING:
    from dycl.frontend.operators.conditions import Conditions
    from dycl.frontend.operators.indexing import Indexing


def rows_of(items: Any) -> Rows:
    """All items of a list that holds rows.

    Raises:
        UnsupportedConstructError: they are not of one form.
    """
    rows = gathered(items)
    if rows is None:
        raise UnsupportedConstructError(
            "a list whose length depends on data, with items of several kinds",
            hint="append tensors of one dtype and shape, or numbers of one type",
            location=here(),
        )
    return rows


def fail_if_empty(ops: Conditions, rows: Rows, fails: Callable[[], Any]) -> None:
    """Raises, where there is no item, what `fails` raises."""
    if rows.least > 0:
        return

    def fail() -> None:
        fails()

    ops.if_(rows.length == 0, fail, None, ())


def item_of(ops: Indexing, items: Any, index: Any) -> Any:
    """`items[index]`, or a slice of them."""
    if isinstance(index, builtins.slice):
        rows = rows_of(items)
        stacks, step = rows.stacks, index.step
        if isinstance(step, int) and step < 0:
            # Backwards: a place counted from one end is one before it counted from the other.
            stacks = tuple(s.flip(0) for s in stacks)
            start, stop = (None if bound is None else -1 - bound for bound in (index.start, index.stop))
            index = builtins.slice(start, stop, -step)
        # Of a slice, it is not known that there is any item.
        return type(items)([Rows(rows.form, tuple(ops.getitem(s, index) for s in stacks), 0)])
    plain = 0
    while type(items[-1 - plain]) is not Rows:
        plain += 1
    if isinstance(index, int) and -plain <= index < 0:
        return items[index]
    rows = rows_of(items)
    length = Number.of(rows.length, int)
    number = Number.of(Number.of_tensor(index) if isinstance(index, torch.Tensor) else index, int)
    wrapped = Number(from_the_start(number.tensor, length.tensor), int)

    def fail() -> None:
        raise IndexError(f"{type(items).__name__} index out of range")

    ops.if_((wrapped < 0) | (wrapped >= length), fail, None, ())
    return rows.item(wrapped)


def reverse(items: list[Any]) -> None:
    """`items.reverse()`."""
    rows = rows_of(items)
    items[:] = [rows.with_stacks([s.flip(0) for s in rows.stacks])]


def pop_last(ops: Indexing, items: list[Any]) -> Any:
    """`items.pop()`."""
    if type(items[-1]) is not Rows:
        ops.touch(items)
        return items.pop()
    rows = rows_of(items)

    def fail() -> None:
        raise IndexError("pop from empty list")

    fail_if_empty(ops, rows, fail)
    last = rows.item(Number.of(rows.length, int) - 1)
    put(ops, items, Rows(rows.form, tuple(s[:-1] for s in rows.stacks), max(rows.least - 1, 0)))
    return last


def put(ops: Indexing, items: list[Any], rows: Rows) -> None:
    """Makes rows all that a list holds."""
    ops.touch(items)
    note_in_rows(items)
    items[:] = [rows]


def store(ops: Indexing, items: list[Any], index: Any, value: Any) -> None:
    """`items[index] = value`."""
    if isinstance(index, builtins.slice):
        refuse_change("an assignment to a slice")
    rows = rows_of(items)
    note_in_rows([value])
    one = gathered([rows, value])
    if one is None:
        raise UnsupportedConstructError(
            "an assignment of another kind of value to an item of a list whose length depends on data",
            hint="keep numbers of one type, or tensors of one dtype and shape, in it",
            location=here(),
        )
    place = _place(ops, rows, index, "list assignment index out of range")
    is_there = torch.arange(rows.stacks[0].shape[0]) == place
    stacks: list[torch.Tensor] = []
    for i, both in enumerate(one.stacks):
        # Ragged, what there was may have more room now.
        old = rows.stacks[i] if one.ragged_dims == () or one.number_type is not None else both[:-1]
        chosen = is_there.reshape([-1, *[1] * (old.dim() - 1)])
        stacks.append(torch.where(chosen, both[-1:], old))
    put(ops, items, Rows(one.form, tuple(stacks), rows.least))


def delete(ops: Indexing, items: list[Any], index: Any) -> None:
    """`del items[index]`, of an item or a slice."""
    rows = rows_of(items)
    places = torch.arange(rows.stacks[0].shape[0])
    if isinstance(index, builtins.slice):
        gone = ops.getitem(places, index)
        put(ops, items, rows.at((places.unsqueeze(1) == gone).any(1).logical_not()))
        return
    place = _place(ops, rows, index, "list assignment index out of range")
    put(ops, items, rows.at(places != place, max(rows.least - 1, 0)))


def pop_at(ops: Indexing, items: list[Any], index: Any) -> Any:
    """`items.pop(index)`."""
    rows = rows_of(items)

    def fail() -> None:
        raise IndexError("pop from empty list")

    fail_if_empty(ops, rows, fail)
    place = _place(ops, rows, index, "pop index out of range")
    taken = rows.item(Number(place, int))
    least = max(rows.least - 1, 0)
    if isinstance(index, int) and index == 0:
        put(ops, items, Rows(rows.form, tuple(stack[1:] for stack in rows.stacks), least))
    else:
        put(ops, items, rows.at(torch.arange(rows.stacks[0].shape[0]) != place, least))
    return taken


def insert_at(ops: Indexing, items: list[Any], index: Any, value: Any) -> None:
    """`items.insert(index, value)`."""
    rows = rows_of(items)
    note_in_rows([value])
    both = gathered([rows, value])
    if both is None:
        rows_of([rows, value])  # refused
        return
    size = Number.of(rows.length, int).tensor
    number = Number.of(Number.of_tensor(index) if isinstance(index, torch.Tensor) else index, int).tensor
    place = torch.minimum(from_the_start(number, size).clamp(min=0), size)
    places = torch.arange(both.stacks[0].shape[0])
    # What comes after the place moves by one; the new item is last of both.
    source = torch.where(places < place, places, torch.where(places == place, size, places - 1))
    put(ops, items, both.at(source, both.least))


def _place(ops: Indexing, rows: Rows, index: Any, message: str) -> torch.Tensor:
    """The place from 0 that an index means (0-d i64); it raises an IndexError where it means none."""
    number = Number.of(Number.of_tensor(index) if isinstance(index, torch.Tensor) else index, int)
    size = Number.of(rows.length, int).tensor
    place = from_the_start(number.tensor, size)

    def fail() -> None:
        raise IndexError(message)

    if not (isinstance(index, int) and -rows.least <= index < rows.least):
        ops.raise_if(Number((place < 0).logical_or(place >= size), bool), fail)
    return place


def known_items(items: Any) -> Any:
    """The items, where each is known by itself.

    Raises:
        UnsupportedConstructError: their number depends on data.
    """
    if has_rows(items):
        bool(next(v for v in items if type(v) is Rows))  # refused, as every use of rows
    return items


def refuse_change(construct: str) -> None:
    raise UnsupportedConstructError(
        f"{construct} of a list whose length depends on data",
        hint="append to it only, or write into a tensor",
        location=here(),
    )


__all__ = [
    "delete",
    "fail_if_empty",
    "has_rows",
    "insert_at",
    "item_of",
    "known_items",
    "pop_at",
    "pop_last",
    "refuse_change",
    "reverse",
    "rows_of",
    "store",
]
