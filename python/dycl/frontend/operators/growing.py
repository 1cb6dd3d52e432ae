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
from dycl.frontend.rows import Rows, gathered, has_rows
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
        # Of a slice, it is not known that there is any item.
        return type(items)([Rows(rows.form, tuple(ops.getitem(s, index) for s in rows.stacks), 0)])
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
        return items.pop()
    rows = rows_of(items)

    def fail() -> None:
        raise IndexError("pop from empty list")

    fail_if_empty(ops, rows, fail)
    last = rows.item(Number.of(rows.length, int) - 1)
    items[:] = [Rows(rows.form, tuple(s[:-1] for s in rows.stacks), max(rows.least - 1, 0))]
    return last


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


__all__ = ["fail_if_empty", "has_rows", "item_of", "known_items", "pop_last", "refuse_change", "reverse", "rows_of"]
