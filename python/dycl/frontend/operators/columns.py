# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Lists of numbers that depend on data, as columns: what Python does item by item is one op for all of them.

A list is taken as `Rows` (`rows.py`), whether its length is known or not: so there is one way to search, to order and
to compare lists. Lists of anything else are left to what does it item by item.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch
from torch.utils import _pytree as pytree

from dycl.frontend.operators.growing import has_rows, rows_of
from dycl.frontend.rows import OneOf, Rows, common_layout, gathered
from dycl.frontend.size_numbers import as_number
from dycl.frontend.sizes import is_static
from dycl.frontend.sorting import stable_order
from dycl.frontend.values import Number, known

if TYPE_CHECKING:
    from dycl.frontend.operators.indexing import Indexing


def _is_number(value: Any) -> bool:
    return isinstance(value, (Number, bool, int, float))


def _is_plain(item: Any) -> bool:
    """Whether an item is a number, or a tuple of such: nobody can write to it."""
    return _is_number(item) or (type(item) is tuple and len(item) > 0 and all(map(_is_plain, item)))


def _on_data(item: Any) -> bool:
    return isinstance(item, Number) or (type(item) is tuple and any(map(_on_data, item)))


def columns_of(items: Any) -> Rows | None:
    """A list or tuple of numbers on data, or of tuples of them, as rows; None for any other."""
    if not isinstance(items, (list, tuple)):
        return None
    if has_rows(items):
        rows = rows_of(items)
        return rows if rows.are_numbers else None
    if not all(map(_is_plain, items)) or not any(map(_on_data, items)):
        return None
    return gathered(items)


def searched(items: Any) -> Rows | None:
    """A list or tuple that may be searched for numbers on data, or for constants, as rows; None for any other."""
    if not has_rows(items):
        return columns_of(items)
    rows = rows_of(items)
    return rows if None not in rows.form[1] else None


def column_of(items: Any) -> Rows | None:
    """A list or tuple of numbers of one type, some of which depend on data, as rows; None for any other."""
    rows = columns_of(items)
    return rows if rows is not None and rows.number_type is not None else None


def count_of(rows: Rows) -> Any:
    """How many items there are, as torch has it: an int, or a symbol."""
    return rows.stacks[0].shape[0]


def places_of(rows: Rows) -> torch.Tensor:
    """The places of the items: i64[n]."""
    return torch.arange(count_of(rows))


def hits(items: Any, rows: Rows, value: Any) -> torch.Tensor:
    """Where the items equal a value, or are it: bool[n]. Their form is a number, or that of the value."""
    leaves, spec = pytree.tree_flatten(value, is_leaf=lambda v: isinstance(v, Number))
    leaves: list[Any] = [known(as_number(v)) for v in leaves]
    leaves = [Number.of_tensor(v) if isinstance(v, torch.Tensor) and v.numel() == 1 else v for v in leaves]
    nowhere = torch.zeros_like(places_of(rows), dtype=torch.bool)
    if spec != rows.form[0]:
        return nowhere
    kinds = rows.form[1]
    if not all(isinstance(kind, OneOf) or _is_number(leaf) for kind, leaf in zip(kinds, leaves, strict=True)):
        return nowhere
    found = [
        stack == (kind.place_of(leaf) if isinstance(kind, OneOf) else Number.of(leaf).tensor)
        for stack, kind, leaf in zip(rows.stacks, kinds, leaves, strict=True)
    ]
    same = found[0]
    for more in found[1:]:
        same = same.logical_and(more)
    is_it = [item is value for item in items] if not has_rows(items) else []
    # A NaN equals nothing, and is itself.
    return same.logical_or(torch.tensor(is_it)) if any(is_it) and isinstance(value, Number) else same


def first(mask: torch.Tensor) -> torch.Tensor:
    """The first place where a mask (bool[n]) holds, as a 0-d i64; where it holds nowhere, n, or 0 of no items."""
    places = torch.arange(mask.shape[0])
    return torch.cat([torch.where(mask, places, mask.shape[0]), torch.full((1,), mask.shape[0])]).amin()


def position(
    ops: Indexing, items: Any, rows: Rows, value: Any, bounds: tuple[Any, ...], fail: Callable[[], Any]
) -> Number:
    """The first place from 0 of an item that equals a value, within bounds as `list.index` takes them."""
    places, size = places_of(rows), Number.of(rows.length, int).tensor
    mask = hits(items, rows, value)
    for bound, is_within in zip(bounds, (places.ge, places.lt), strict=False):
        raw = Number.of(Number.of_tensor(bound) if isinstance(bound, torch.Tensor) else as_number(bound), int).tensor
        mask = mask.logical_and(is_within(torch.where(raw < 0, (raw + size).clamp(min=0), raw)))
    ops.raise_if(Number(mask.any().logical_not(), bool), fail)
    return Number(first(mask), int)


def without(rows: Rows, place: torch.Tensor) -> Rows:
    """The items but for the one at a place from 0 (0-d i64)."""
    size = count_of(rows)
    if is_static(size):
        places = torch.arange(size - 1)
        return rows.at(places + (places >= place), rows.least - 1)
    return rows.at(places_of(rows) != place, max(rows.least - 1, 0))


def order_of(ranks: Rows, *, reverse: bool) -> torch.Tensor:
    """The places of items in the order of their ranks, i64[n]: stable, tuples by one number after the other."""
    order: torch.Tensor | None = None
    for stack in reversed(ranks.stacks):
        now = stable_order(stack if order is None else stack[order], reverse)
        order = now if order is None else order[now]
    assert order is not None
    return order


def best_place(ranks: Rows, *, is_max: bool) -> torch.Tensor:
    """The place of the first of the greatest ranks, or of the least, 0-d i64; there is at least one."""
    if ranks.number_type is None:
        return order_of(ranks, reverse=is_max)[0]
    stack = ranks.stacks[0].to(torch.int64) if ranks.number_type is bool else ranks.stacks[0]
    if ranks.number_type is not float:
        return first(stack == (stack.amax() if is_max else stack.amin()))
    # Nothing is above a NaN that comes first, and no NaN above anything.
    worst = torch.full((), float("-inf" if is_max else "inf"), dtype=stack.dtype)
    numbers = torch.where(stack.isnan(), worst, stack)
    place = first(stack == (numbers.amax() if is_max else numbers.amin()))
    return torch.where(stack[0].isnan(), torch.zeros_like(place), place)


def equal(left: Any, right: Any) -> Any:
    """`left == right` of two lists, one of which has a length that depends on data; None where that is not known."""
    examples = _example(right), _example(left)
    sides = [gathered(side, like=other) for side, other in zip((left, right), examples, strict=True)]
    both = [side for side in sides if side is not None]
    layout = common_layout(both) if len(both) == 2 else None
    if layout is None:
        return None
    sides = [side.laid_out(layout) for side in both]
    sizes = [count_of(side) for side in sides]
    size = torch.sym_min(*sizes)
    same = Number.of(as_number(sizes[0]) == as_number(sizes[1])).tensor
    for a, b in zip(sides[0].stacks, sides[1].stacks, strict=True):
        same = same.logical_and((a[:size] == b[:size]).all())
    return Number(same, bool)


def _example(items: Any) -> Any:
    return next((item for item in items if type(item) is Rows), None)


def less(left: Any, right: Any, *, or_equal: bool) -> Number | bool:
    """`left < right`, or `<=`, of two lists or tuples of numbers of known lengths: by the first that differ."""
    result: Any = len(left) <= len(right) if or_equal else len(left) < len(right)
    for a, b in reversed(list(zip(left, right, strict=False))):
        is_tuple = isinstance(a, tuple)
        is_less: Any = less(a, b, or_equal=False) if is_tuple else a < b
        is_same: Any = _same(a, b) if is_tuple else a == b
        parts = [Number.of(part).tensor for part in (is_less, is_same, result)]
        result = Number(parts[0].logical_or(parts[1].logical_and(parts[2])), bool)
    return result


def _same(left: Any, right: Any) -> Number:
    """`left == right` of two tuples of numbers."""
    same = Number.of(len(left) == len(right)).tensor
    for a, b in zip(left, right, strict=False):
        same = same.logical_and(Number.of(_same(a, b) if isinstance(a, tuple) else a == b).tensor)
    return Number(same, bool)


def are_ordered_alike(left: Any, right: Any) -> bool:
    """Whether two lists or tuples can be compared by `less`: numbers, and tuples of them, in the same places."""
    if type(left) is not type(right) or has_rows(left) or has_rows(right):
        return False

    def fits(a: Any, b: Any) -> bool:
        if _is_number(a) and _is_number(b):
            return True
        return type(a) is tuple and type(b) is tuple and all(map(fits, a, b))

    pairs = list(zip(left, right, strict=False))
    return all(fits(a, b) for a, b in pairs) and any(_on_data(v) for pair in pairs for v in pair)
