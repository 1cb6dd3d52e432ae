# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Loops: `while`, `for`, and ranges with a bound that depends on data."""

from __future__ import annotations

import builtins
from collections.abc import Callable
from typing import Any

import torch
from torch.utils import _pytree as pytree

from dycl.errors import UnsupportedConstructError
from dycl.frontend.bounds import trusted
from dycl.frontend.control import cell_locations
from dycl.frontend.entries import entries_in, refuse_entries
from dycl.frontend.locations import here
from dycl.frontend.operators.core import Body
from dycl.frontend.operators.growing import has_rows, known_items, rows_of
from dycl.frontend.operators.special_methods import operator_method
from dycl.frontend.operators.stores import Stores
from dycl.frontend.paths import Signal
from dycl.frontend.rows import Rows
from dycl.frontend.size_numbers import as_number
from dycl.frontend.sizes import is_static
from dycl.frontend.state import CellLocation
from dycl.frontend.values import Number, known


class Iteration(Stores):
    """Adds loops."""

    def while_(
        self, test: Callable[[], Any], body: Body, orelse: Body | None, names: tuple[str, ...], endless: bool = False
    ) -> Signal | None:
        cells = cell_locations(names, test, body, orelse)
        return self.control.while_(lambda: self.tested(test()), body, orelse, cells, truth=bool, endless=endless)

    def for_(
        self, items: Any, body: Callable[[Any], Signal | None], orelse: Body | None, names: tuple[str, ...]
    ) -> Signal | None:
        cells = cell_locations(names, body, orelse)
        items = known(items)
        self.refuse_outside_iterator(items)
        method = operator_method(items, "__iter__")
        items = as_sequence(items if method is None else self.call(method, items))
        if isinstance(items, DataRange):
            return self._for_range(items, body, orelse, cells)
        if isinstance(items, DataSequence):
            sequence = items
            indices = DataRange(0, sequence.length, 1)
            return self._for_range(indices, lambda i: body(sequence.item(i)), orelse, cells)
        # In a list that the loop empties at its end: where its paths meet, only the user's program may hold it.
        source = [self.iterator(iter(items))]
        del items
        return self.control.for_(source, body, orelse, cells)

    @staticmethod
    def is_of_unknown_length(items: Any) -> bool:
        """Whether a loop over it is one on data."""
        return isinstance(as_sequence(known(items)), (DataSequence, DataRange))

    @staticmethod
    def is_builtin(function: Any) -> bool:
        """Whether a name of a built-in function means that function."""
        return function is getattr(builtins, getattr(function, "__name__", ""), None)

    @staticmethod
    def iterated(items: Any) -> Any:
        """What is iterated over, as Python iterates over it.

        Raises:
            UnsupportedConstructError: what stands for items that are not known would be taken for one.
        """
        if entries_in(items) is not None:
            refuse_entries("the order of a set, or a comprehension over it in a lambda or an argument")
        return known_items(items)

    def collected(self, items: Any, function: Callable[[Any], Any]) -> list[Any]:
        """`[function(v) for v in items]`."""
        found: list[Any] = []

        def step(item: Any) -> None:
            value = function(item)
            self.touch(found)
            found.append(value)

        self.for_(items, step, None, ())
        return found

    def _for_range(
        self,
        items: DataRange,
        body: Callable[[Any], Signal | None],
        orelse: Body | None,
        cells: list[CellLocation],
    ) -> Signal | None:
        """A `for` over a range that depends on data: a `while` with a counter of its own."""
        counter = items.start

        def test() -> Any:
            if isinstance(items.step, Number):
                return ((items.step > 0) & (counter < items.stop)) | ((items.step < 0) & (counter > items.stop))
            return counter < items.stop if items.step > 0 else counter > items.stop

        def step() -> Signal | None:
            nonlocal counter
            now = counter
            counter = now + items.step
            return body(now)

        own = cell_locations(("counter",), test)
        return self.control.while_(test, step, orelse, [*cells, *own], truth=bool)


class DataSequence:
    """What has a number of items that depends on data: the rows of a tensor of dynamic size, `enumerate` of them, ...

    Attributes:
        length: a `Number`, or an int.
        item: gives the item at an index, a `Number` from 0 to below the length.
        rows: gives all items as rows; None where they cannot be.
    """

    def __init__(self, length: Any, item: Callable[[Any], Any], rows: Callable[[], Rows | None] = lambda: None) -> None:
        self.length, self.item, self.rows = length, item, rows

    def __iter__(self) -> Any:
        raise UnsupportedConstructError(
            "iteration over a number of items that depends on data, other than by a `for` statement of your own code",
            hint="write a `for` loop over it",
            location=here(),
        )


def as_sequence(items: Any) -> Any:
    """A tensor or list whose length is not known as a sequence of its rows; anything else as it is."""
    entries = entries_in(items)
    if entries is not None:
        if not isinstance(items, dict):
            refuse_entries("the order of a set, which is not defined")
        items = [entries.ordered_keys]
    if has_rows(items):
        rows = rows_of(items)
        return DataSequence(rows.length, lambda i: rows.item(Number.of(i, int)), lambda: rows)
    if isinstance(items, torch.Tensor) and items.dim() and not is_static(items.shape[0]):
        return DataSequence(
            as_number(items.shape[0]),
            lambda i: _row(items, i),
            lambda: Rows((pytree.tree_structure(0), (None,)), (items,), 0),
        )
    return items


def _row(tensor: torch.Tensor, index: Any) -> torch.Tensor:
    """A row of a tensor at an index that is in range."""
    with trusted():
        return tensor[Number.of(index, int).tensor.reshape(1)].squeeze(0)


class DataRange:
    """A `range` with a bound or a step that depends on data."""

    def __init__(self, start: Any, stop: Any, step: Any) -> None:
        self.start, self.stop, self.step = start, stop, step

    def __iter__(self) -> Any:
        raise UnsupportedConstructError(
            "iteration over a range that depends on tensor values, other than by a `for` statement of your own code",
            hint="write a `for` loop over it",
            location=here(),
        )
