# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""`itertools`, `bisect` and `heapq`, of numbers that depend on data."""

from __future__ import annotations

import bisect
import heapq
import itertools
import operator
from collections.abc import Callable
from typing import Any

import torch

from dycl.errors import UnsupportedConstructError
from dycl.frontend.locations import here
from dycl.frontend.operators.calls import Calls
from dycl.frontend.operators.columns import column_of, columns_of, count_of, places_of
from dycl.frontend.operators.growing import has_rows, known_items, rows_of
from dycl.frontend.operators.iteration import DataSequence, as_sequence
from dycl.frontend.operators.replacements import replaces
from dycl.frontend.operators.sequences import items_of
from dycl.frontend.rows import Rows, gathered
from dycl.frontend.size_numbers import as_number
from dycl.frontend.sizes import is_static
from dycl.frontend.values import Number

# itertools -----------------------------------------------------------------------------------------------------------


def _listed(ops: Calls, items: Any) -> list[Any]:
    """What is iterated over, as a list, of known items or of rows."""
    found = items_of(ops, items)
    if isinstance(as_sequence(found), DataSequence) and not has_rows(found):
        return ops.collected(found, lambda item: item)
    return list(found)


def _iterator(ops: Calls, items: list[Any]) -> Any:
    """What a function gives that Python has give an iterator."""
    return as_sequence(items) if has_rows(items) else ops.iterator(iter(items))


@replaces(itertools.accumulate)
def accumulate(ops: Calls, iterable: Any, func: Any = None, *, initial: Any = None) -> Any:
    add = operator.add if func is None else func
    items = _listed(ops, iterable)
    rows = column_of(items) if has_rows(items) else None
    if rows is not None and func is None and initial is None and rows.number_type is int:
        return _iterator(ops, [rows.with_stacks([rows.stacks[0].cumsum(0)])])
    if has_rows(items):
        raise UnsupportedConstructError(
            "`accumulate` of a list whose length depends on data, of other than sums of ints",
            hint="write a `for` loop that appends",
            location=here(),
        )
    found: list[Any] = [] if initial is None else [initial]
    for item in items:
        found.append(ops.call(add, found[-1], item) if found else item)
    return _iterator(ops, found)


def _prefix(ops: Calls, predicate: Any, items: list[Any]) -> list[Any]:
    """For each item, whether the predicate holds of it and of all before it."""
    holds: Any = True
    found: list[Any] = []
    for item in items:
        holds = ops.and_(holds, lambda item=item: ops.truth(ops.call(predicate, item)))
        found.append(holds)
    return found


def _chosen(ops: Calls, items: list[Any], flags: list[Any]) -> Any:
    """The items whose flag holds."""
    if not any(isinstance(flag, Number) for flag in flags):
        return _iterator(ops, [item for item, flag in zip(items, flags, strict=True) if flag])
    rows = gathered(items)
    if rows is None:
        raise UnsupportedConstructError(
            "a choice of items by a condition on data, where the items are of several kinds",
            hint="write a `for` loop with an `if`",
            location=here(),
        )
    return _iterator(ops, [rows.at(torch.stack([Number.of(flag).tensor for flag in flags]))])


@replaces(itertools.takewhile)
def takewhile(ops: Calls, predicate: Any, iterable: Any) -> Any:
    items = _listed(ops, iterable)
    if not has_rows(items):
        return _chosen(ops, items, _prefix(ops, predicate, items))
    found: list[Any] = []

    def step(item: Any) -> Any:
        def end() -> Any:
            return ops.BREAK

        def go_on() -> None:
            ops.touch(found)
            found.append(item)

        return ops.if_(ops.not_(ops.truth(ops.call(predicate, item))), end, go_on, ())

    ops.for_(items, step, None, ())
    return _iterator(ops, found)


@replaces(itertools.dropwhile)
def dropwhile(ops: Calls, predicate: Any, iterable: Any) -> Any:
    items = _listed(ops, iterable)
    if has_rows(items):
        dropped = rows_of([*ops.collected(takewhile(ops, predicate, items), lambda item: item)])
        rows = rows_of(items)
        return _iterator(ops, [rows.at(places_of(rows) >= Number.of(dropped.length, int).tensor)])
    return _chosen(ops, items, [ops.not_(flag) for flag in _prefix(ops, predicate, items)])


@replaces(itertools.filterfalse)
def filterfalse(ops: Calls, predicate: Any, iterable: Any) -> Any:
    test = (lambda v: v) if predicate is None else predicate
    return ops.call(filter, lambda item: ops.not_(ops.truth(ops.call(test, item))), iterable)


@replaces(itertools.compress)
def compress(ops: Calls, data: Any, selectors: Any) -> Any:
    items, flags = _listed(ops, data), _listed(ops, selectors)
    if has_rows(items) or has_rows(flags):
        return ops.call(map, lambda pair: pair[0], ops.call(filter, lambda pair: pair[1], ops.call(zip, items, flags)))
    count = min(len(items), len(flags))
    return _chosen(ops, items[:count], [ops.truth(flag) for flag in flags[:count]])


@replaces(itertools.pairwise)
def pairwise(ops: Calls, iterable: Any) -> Any:
    items = _listed(ops, iterable)
    return ops.call(zip, items, ops.getitem(items, slice(1, None)))


@replaces(itertools.chain)
def chain(ops: Calls, *several: Any) -> Any:
    if not any(isinstance(as_sequence(items), DataSequence) for items in several):
        return itertools.chain(*several)
    return _iterator(ops, [item for items in several for item in _listed(ops, items)])


@replaces(itertools.chain.from_iterable)
def chain_from(ops: Calls, several: Any) -> Any:
    return chain(ops, *known_items(several))


@replaces(itertools.starmap)
def starmap(ops: Calls, function: Any, iterable: Any) -> Any:
    return ops.call(map, lambda args: ops.call(function, *args), iterable)


@replaces(itertools.islice)
def islice(ops: Calls, iterable: Any, *bounds: Any) -> Any:
    is_unknown = isinstance(as_sequence(iterable), DataSequence)
    if not is_unknown and not any(isinstance(as_number(v), Number) for v in bounds):
        return itertools.islice(iterable, *bounds)
    return _iterator(ops, ops.getitem(_listed(ops, iterable), slice(*bounds)))


@replaces(itertools.groupby)
def groupby(ops: Calls, iterable: Any, key: Any = None) -> Any:
    """`groupby`: how many groups there are, and how long they are, depends on data."""
    items = _listed(ops, iterable)
    keys = items if key is None else ops.collected(items, lambda item: ops.call(key, item))
    ranks = columns_of(keys)
    if ranks is None:
        known_items(items)
        return itertools.groupby(items) if key is None else _groups(items, keys)
    rows = rows_of(items) if has_rows(items) else gathered(items)
    if rows is None:
        raise UnsupportedConstructError(
            "`groupby` of items of several kinds by keys that depend on data",
            hint="write a `for` loop that compares each key with the one before",
            location=here(),
        )
    places, size = places_of(ranks), Number.of(ranks.length, int).tensor
    before = (places - 1).clamp(min=0)
    begins = places == 0
    for stack in ranks.stacks:
        begins = begins.logical_or(stack != stack[before])
    starts = places[begins]
    ends = torch.cat([starts[1:], size.reshape(1)])[: starts.shape[0]]

    def item(i: Any) -> Any:
        place = Number.of(i, int).tensor.reshape(1)
        start, end = (Number(t[place].squeeze(0), int) for t in (starts, ends))
        return ranks.item(start), ops.getitem([rows], slice(start, end))

    return DataSequence(as_number(starts.shape[0]), item)


def _groups(items: list[Any], keys: list[Any]) -> Any:
    for key, group in itertools.groupby(zip(keys, items, strict=True), key=operator.itemgetter(0)):
        yield key, (item for _, item in group)


# bisect --------------------------------------------------------------------------------------------------------------


def _searched(ops: Calls, items: Any, x: Any, bounds: tuple[Any, Any], key: Any, *, right: bool) -> Any:
    """Where `bisect` finds that a number belongs; None where nothing depends on data."""
    low, high = bounds
    column = items if key is None else ops.collected(items, lambda item: ops.call(key, item))
    is_on_data = has_rows(column) or any(isinstance(as_number(v), Number) for v in (x, low, high, *column))
    if not is_on_data:
        return None
    rows = rows_of(column) if has_rows(column) else gathered(column) if column else None
    if rows is None and not column:
        return low
    if rows is None or rows.number_type is None or not isinstance(as_number(x), (Number, bool, int, float)):
        raise UnsupportedConstructError(
            "`bisect` of other than numbers of one type, some of which depend on data",
            hint="search with a `for` loop",
            location=here(),
        )
    size = count_of(rows)
    # One more, so that there is something to look at where nothing is left to search.
    stack = torch.cat([rows.stacks[0], torch.zeros(1, dtype=rows.stacks[0].dtype)])
    value, last = Number.of(as_number(x)).tensor, Number.of(rows.length, int).tensor
    begin = Number.of(low, int).tensor
    end = last if high is None else Number.of(as_number(high), int).tensor
    for _ in range(int(size).bit_length() if is_static(size) else 31):
        middle = torch.div(begin + end, 2, rounding_mode="floor")
        here_ = stack[torch.minimum(middle, last).clamp(min=0).reshape(1)].squeeze(0)
        goes_right = (value < here_).logical_not() if right else here_ < value
        is_open = begin < end
        begin, end = (
            torch.where(is_open.logical_and(goes_right), middle + 1, begin),
            torch.where(is_open.logical_and(goes_right.logical_not()), middle, end),
        )
    return Number(begin, int)


def _register_bisect(left: Callable[..., Any], insert: Callable[..., Any], *, right: bool) -> None:
    @replaces(left)
    def search(ops: Calls, a: Any, x: Any, lo: Any = 0, hi: Any = None, *, key: Any = None) -> Any:  # pyright: ignore[reportUnusedFunction]
        found = _searched(ops, a, x, (lo, hi), key, right=right)
        return left(a, x, lo, hi, key=key) if found is None else found

    @replaces(insert)
    def insort(ops: Calls, a: Any, x: Any, lo: Any = 0, hi: Any = None, *, key: Any = None) -> None:  # pyright: ignore[reportUnusedFunction]
        value = x if key is None else ops.call(key, x)
        place = _searched(ops, a, value, (lo, hi), key, right=right)
        if place is None:
            ops.touch(a)
            insert(a, x, lo, hi, key=key)
        else:
            ops.call(list.insert, a, place, x)


_register_bisect(bisect.bisect_left, bisect.insort_left, right=False)
_register_bisect(bisect.bisect_right, bisect.insort_right, right=True)


# heapq ---------------------------------------------------------------------------------------------------------------


class _Heap:
    """A heap of numbers, or of tuples of them, as columns: what moves where is as in Python, step by step."""

    def __init__(self, rows: Rows) -> None:
        self.rows, self.stacks, self.size = rows, list(rows.stacks), int(count_of(rows))

    def get(self, place: torch.Tensor) -> list[torch.Tensor]:
        return [stack[place.clamp(0, max(self.size - 1, 0)).reshape(1)].squeeze(0) for stack in self.stacks]

    def put(self, place: torch.Tensor, item: list[torch.Tensor], where: torch.Tensor) -> None:
        mask = (torch.arange(self.size) == place).logical_and(where)
        self.stacks = [torch.where(mask, value, stack) for stack, value in zip(self.stacks, item, strict=True)]

    @staticmethod
    def less(a: list[torch.Tensor], b: list[torch.Tensor]) -> torch.Tensor:
        result = torch.zeros((), dtype=torch.bool)
        for x, y in reversed(list(zip(a, b, strict=True))):
            result = (x < y).logical_or((x == y).logical_and(result))
        return result

    def rise(self, start: int, place: torch.Tensor) -> None:
        """Moves an item up to where its parent is not greater."""
        item = self.get(place)
        is_open = torch.ones((), dtype=torch.bool)
        for _ in range(self.size.bit_length()):
            above = torch.div(place - 1, 2, rounding_mode="floor")
            parent = self.get(above)
            moves = is_open.logical_and(place > start).logical_and(self.less(item, parent))
            self.put(place, parent, moves)
            place, is_open = torch.where(moves, above, place), moves
        self.put(place, item, torch.ones((), dtype=torch.bool))

    def sink(self, start: int) -> None:
        """Moves the lesser children up all the way down, and the item from there up to its place."""
        place = torch.full((), start, dtype=torch.int64)
        item = self.get(place)
        for _ in range(self.size.bit_length()):
            child, other = place * 2 + 1, place * 2 + 2
            takes_other = (other < self.size).logical_and(self.less(self.get(child), self.get(other)).logical_not())
            child = torch.where(takes_other, other, child)
            moves = child < self.size
            self.put(place, self.get(child), moves)
            place = torch.where(moves, child, place)
        self.put(place, item, torch.ones((), dtype=torch.bool))
        self.rise(start, place)

    def items(self) -> list[Any]:
        return self.rows.with_stacks(self.stacks).spread()


def _heap_of(items: list[Any]) -> _Heap:
    if has_rows(items):
        raise UnsupportedConstructError(
            "`heapq` with a list whose length depends on data",
            hint="keep the list sorted with `bisect.insort`, or sort it when it is complete",
            location=here(),
        )
    rows = columns_of(items)
    if rows is None:
        raise UnsupportedConstructError(
            "`heapq` with items that depend on data and are not numbers of one type, or tuples of such",
            hint="make tuples of numbers of them, such as of a rank and a position",
            location=here(),
        )
    return _Heap(rows)


def _is_plain_heap(items: Any, *more: Any) -> bool:
    return not has_rows(items) and columns_of([*items, *more]) is None and not any(
        isinstance(v, (Number, torch.Tensor)) for v in (*items, *more)
    )  # fmt: skip


def _fill(ops: Calls, heap: list[Any], items: list[Any]) -> None:
    ops.touch(heap)
    heap[:] = items


@replaces(heapq.heappush)
def heappush(ops: Calls, heap: list[Any], item: Any) -> None:
    if _is_plain_heap(heap, item):
        ops.touch(heap)
        heapq.heappush(heap, item)
        return
    made = _heap_of([*heap, item])
    made.rise(0, torch.full((), made.size - 1, dtype=torch.int64))
    _fill(ops, heap, made.items())


@replaces(heapq.heappop)
def heappop(ops: Calls, heap: list[Any]) -> Any:
    if _is_plain_heap(heap):
        ops.touch(heap)
        return heapq.heappop(heap)
    _heap_of(heap)
    *rest, last = heap
    if not rest:
        _fill(ops, heap, [])
        return last
    return _replaced(ops, heap, [last, *rest[1:]], rest[0])


def _replaced(ops: Calls, heap: list[Any], items: list[Any], taken: Any) -> Any:
    made = _heap_of(items)
    made.sink(0)
    _fill(ops, heap, made.items())
    return taken


@replaces(heapq.heapreplace)
def heapreplace(ops: Calls, heap: list[Any], item: Any) -> Any:
    if _is_plain_heap(heap, item) or not heap:
        ops.touch(heap)
        return heapq.heapreplace(heap, item)
    return _replaced(ops, heap, [item, *heap[1:]], heap[0])


@replaces(heapq.heappushpop)
def heappushpop(ops: Calls, heap: list[Any], item: Any) -> Any:
    if _is_plain_heap(heap, item) or not heap:
        ops.touch(heap)
        return heapq.heappushpop(heap, item)
    return ops.if_exp(
        ops.comparison("Lt", heap[0], item), lambda: _replaced(ops, heap, [item, *heap[1:]], heap[0]), lambda: item
    )


@replaces(heapq.heapify)
def heapify(ops: Calls, heap: list[Any]) -> None:
    if _is_plain_heap(heap):
        ops.touch(heap)
        heapq.heapify(heap)
        return
    made = _heap_of(heap)
    for start in reversed(range(made.size // 2)):
        made.sink(start)
    _fill(ops, heap, made.items())


@replaces(heapq.nlargest)
def nlargest(ops: Calls, n: Any, iterable: Any, key: Any = None) -> Any:
    return ops.getitem(ops.call(sorted, iterable, key=key, reverse=True), slice(None, n))


@replaces(heapq.nsmallest)
def nsmallest(ops: Calls, n: Any, iterable: Any, key: Any = None) -> Any:
    return ops.getitem(ops.call(sorted, iterable, key=key), slice(None, n))
