# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Python's built-in functions, of values that depend on data."""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from dycl.errors import UnsupportedConstructError
from dycl.frontend.entries import entries_in
from dycl.frontend.iterators import FollowedIterator, is_followed
from dycl.frontend.locations import here
from dycl.frontend.operators.calls import Calls
from dycl.frontend.operators.columns import best_place, columns_of, order_of
from dycl.frontend.operators.growing import has_rows, known_items, rows_of
from dycl.frontend.operators.iteration import DataRange, DataSequence, as_sequence
from dycl.frontend.operators.replacements import replaces
from dycl.frontend.operators.selection import Selection
from dycl.frontend.operators.sequences import items_of
from dycl.frontend.rows import Rows, gathered
from dycl.frontend.size_numbers import as_number
from dycl.frontend.sizes import is_static
from dycl.frontend.sorting import stable_order
from dycl.frontend.state import Snapshot
from dycl.frontend.text import Text
from dycl.frontend.values import Number, TruthOnly, check_truth


def convert(kind: type, value: Any, *args: Any, **kwargs: Any) -> Any:
    """`kind(value)` for int, float or bool."""
    if isinstance(value, TruthOnly) and kind is bool:
        return TruthOnly.truth(value)
    if isinstance(value, torch.Tensor):
        if kind is bool:
            check_truth(value)
        value = Number.of_tensor(value)
    value = as_number(value)
    if isinstance(value, Number):
        return value.converted(kind)
    if isinstance(value, Text):
        bool(value)  # refused, as every use of its characters
    return kind(value, *args, **kwargs)


@replaces(int)
def int_(ops: Calls, *args: Any, **kwargs: Any) -> Any:  # noqa: ARG001
    return convert(int, *args, **kwargs) if args else int(**kwargs)


@replaces(float)
def float_(ops: Calls, *args: Any) -> Any:  # noqa: ARG001
    return convert(float, *args) if args else 0.0


@replaces(bool)
def bool_(ops: Calls, *args: Any) -> Any:
    entries = entries_in(args[0]) if len(args) == 1 else None
    if entries is not None:
        return Number(entries.is_there.any(), bool)
    if len(args) == 1 and has_rows(args[0]):
        return ops.truth(args[0])
    return convert(bool, *map(ops.tested, args)) if args else False


@replaces(isinstance)
def isinstance_(ops: Calls, value: Any, classes: Any) -> bool:  # noqa: ARG001
    if isinstance(value, Number):
        return issubclass(value.type, classes)
    if isinstance(value, Selection):
        return all(isinstance(item, classes) for item in value.items)
    if isinstance(value, Text):
        return issubclass(str, classes)
    return isinstance(value, classes)


@replaces(type)
def type_(ops: Calls, *args: Any, **kwargs: Any) -> Any:  # noqa: ARG001
    if len(args) == 1 and isinstance(args[0], Number):
        return args[0].type
    if len(args) == 1 and isinstance(args[0], torch.Tensor) and not isinstance(args[0], nn.Parameter):
        return torch.Tensor
    return type(*args, **kwargs)


@replaces(divmod)
def divmod_(ops: Calls, left: Any, right: Any) -> Any:
    return ops.divmod_(left, right)


@replaces(pow)
def pow_(ops: Calls, base: Any, exponent: Any, modulus: Any = None) -> Any:
    if modulus is None:
        return ops.arithmetic("Pow", base, exponent)
    return (
        ops.arithmetic("Mod", ops.arithmetic("Pow", base, exponent), modulus)
        if isinstance(base, Number)
        else pow(base, exponent, modulus)
    )


@replaces(operator.index)
def index(ops: Calls, value: Any) -> Any:  # noqa: ARG001
    number = Number.of_tensor(value) if isinstance(value, torch.Tensor) and not value.is_floating_point() else value
    return Number.of(number, int) if isinstance(number, Number) and number.type is not float else operator.index(number)


def _rows_of_numbers(items: Any) -> Rows | None:
    """All items of a list of numbers whose length depends on data; None for other items."""
    rows = rows_of(items) if has_rows(items) else None
    return rows if rows is not None and rows.number_type is not None else None


@replaces(sum)
def sum_(ops: Calls, items: Any, start: Any = 0) -> Any:
    items = items_of(ops, items, in_any_order=True)
    rows = _rows_of_numbers(items)
    if rows is None:
        return sum(known_items(items), start)
    total = rows.stacks[0].sum()
    if rows.number_type is not float:
        return start + Number(total, int)
    # Of no floats it is an int, that of the start.
    return ops.if_exp(rows.length == 0, lambda: start, lambda: start + Number(total, float))


def _ranks(ops: Calls, items: Any, key: Any, of: Any) -> Rows | None:
    """What a list is ordered by, as rows, where it is numbers or tuples of numbers; None where it is anything else."""
    if key is None:
        return columns_of(items)
    entries = entries_in(getattr(key, "__self__", None))
    if entries is not None and key.__name__ in ("get", "__getitem__") and of is key.__self__:
        return entries.ordered_values  # `max(counts, key=counts.get)`
    return columns_of(ops.collected(items, lambda item: ops.call(key, item)))


def _best_of_rows(ops: Calls, rows: Rows, plain: Callable[..., Any], kwargs: dict[str, Any], of: Any) -> Any:
    """`max` or `min` of a list whose length depends on data."""
    is_max = plain is max

    def best() -> Any:
        ranks = _ranks(ops, [rows], kwargs.get("key"), of)
        if ranks is None:
            raise UnsupportedConstructError(
                f"`{plain.__name__}` of a list whose length depends on data, by what is not numbers",
                hint="compare numbers, or tuples of them",
                location=here(),
            )
        return rows.item(Number(best_place(ranks, is_max=is_max), int))

    if rows.least > 0:
        return best()
    if "default" in kwargs:
        return ops.if_exp(rows.length == 0, lambda: kwargs["default"], best)
    ops.raise_if(rows.length == 0, lambda: plain([]))
    return best()


def _extreme(
    ops: Calls, better: Callable[[Any, Any], Any], plain: Callable[..., Any], args: tuple[Any, ...], kwargs: Any
) -> Any:
    """`max` and `min`: the first of the best, as Python has it."""
    given = args[0]
    args = (items_of(ops, args[0], in_any_order=kwargs.get("key") is None),) if len(args) == 1 else args
    if any(type(v) is Rows for v in (args[0] if len(args) == 1 and isinstance(args[0], (list, tuple)) else args)):
        return _best_of_rows(ops, rows_of(args[0] if len(args) == 1 else list(args)), plain, kwargs, given)
    items = list(known_items(args[0])) if len(args) == 1 else list(args)
    key = kwargs.get("key")
    ranks = [as_number(ops.call(key, v)) for v in items] if key is not None else items
    if key is None and any(isinstance(v, torch.SymInt) for v in items):
        if all(isinstance(v, (int, torch.SymInt)) for v in items):
            return functools.reduce(torch.sym_max if plain is max else torch.sym_min, items)
        items = ranks = list(map(as_number, items))
    if not any(isinstance(v, (Number, torch.Tensor)) for v in ranks) and columns_of(ranks) is None:
        return plain(items, **kwargs) if len(args) == 1 else plain(*args, **kwargs)
    for name in kwargs:
        if name not in ("key", "default"):
            raise TypeError(f"{plain.__name__}() got an unexpected keyword argument {name!r}")
    columns = columns_of(ranks)
    if columns is not None:
        place = Number(best_place(columns, is_max=plain is max), int)
        own = columns if key is None else columns_of(items)
        return own.item(place) if own is not None else ops.getitem(items, place)
    best, best_rank = items[0], ranks[0]
    for item, rank in zip(items[1:], ranks[1:], strict=True):
        is_better = better(rank, best_rank)
        best = ops.if_exp(is_better, lambda item=item: item, lambda best=best: best)
        best_rank = best if key is None else ops.if_exp(is_better, lambda r=rank: r, lambda r=best_rank: r)
    return best


@replaces(max)
def max_(ops: Calls, *args: Any, **kwargs: Any) -> Any:
    return _extreme(ops, operator.gt, max, args, kwargs)


@replaces(min)
def min_(ops: Calls, *args: Any, **kwargs: Any) -> Any:
    return _extreme(ops, operator.lt, min, args, kwargs)


@replaces(sorted)
def sorted_(ops: Calls, items: Any, *, key: Any = None, reverse: bool = False) -> Any:
    """`sorted`: stable, as Python has it; items that are NaN come last."""
    given = items
    items = list(items_of(ops, items, in_any_order=key is None))
    rows = rows_of(items) if has_rows(items) else None
    ranks = rows if rows is not None and key is None else None
    if rows is not None and key is not None:
        ranks = _ranks(ops, items, key, given)
    if rows is not None and (ranks is None or not ranks.are_numbers):
        raise UnsupportedConstructError(
            "a sort of a list whose length depends on data, by what is not a number or a tuple of some",
            hint="sort by numbers",
            location=here(),
        )
    if rows is not None and ranks is not None:
        return [rows.at(order_of(ranks, reverse=bool(reverse)), rows.least)]
    ranks = [ops.call(key, v) for v in items] if key is not None else items
    columns = columns_of(ranks)
    own = columns if key is None else columns_of(items)
    if columns is not None and own is not None:
        return own.at(order_of(columns, reverse=bool(reverse)), own.least).spread()
    if not any(isinstance(v, (Number, torch.Tensor)) for v in ranks) and columns is None:
        return sorted(items, key=key, reverse=reverse)
    if columns is not None and len(items) <= MAX_SORTED:
        return [ops.getitem(items, place) for place in order_of(columns, reverse=bool(reverse))]
    tensors = [v.tensor if isinstance(v, Number) else torch.as_tensor(v) for v in map(_scalar, ranks)]
    if len({t.dtype for t in tensors}) > 1:
        tensors = [t.to(torch.float64) for t in tensors]
    if len(items) > MAX_SORTED:
        raise UnsupportedConstructError(
            f"a sort of {len(items)} values that depend on tensor values",
            hint=f"it is done for up to {MAX_SORTED}; use `torch.sort`",
            location=here(),
        )
    return [ops.getitem(items, position) for position in stable_order(torch.stack(tensors), bool(reverse))]


MAX_SORTED = 32
"""How many values `sorted` sorts at most."""


def _scalar(value: Any) -> Any:
    """A number to sort by; a tensor with one element as the number in it."""
    if isinstance(value, torch.Tensor):
        return Number.of_tensor(value)
    if not isinstance(value, (Number, bool, int, float)):
        raise UnsupportedConstructError(
            f"a sort by values that depend on tensor values and by a {type(value).__name__}",
            hint="sort by numbers",
            location=here(),
        )
    return value


def _any_all(ops: Calls, items: Any, *, stops_on_false: bool) -> Any:
    items = items_of(
        ops, list(items) if isinstance(items, torch.Tensor) and is_static(items.shape[0]) else items, in_any_order=True
    )
    rows = _rows_of_numbers(items)
    if rows is not None:
        truths = rows.stacks[0].ne(0)
        return Number(truths.all() if stops_on_false else truths.any(), bool)
    result: Any = stops_on_false
    state, is_on_data = ops.control.state(), False
    for item in known_items(items):
        if ops.control.predicate(item) is None:
            if bool(item) is not stops_on_false:
                result = not stops_on_false
                break
            continue
        if len(_moved_on(state)) < len(state.delta()):
            # Python would stop at the first item that decides.
            raise UnsupportedConstructError(
                f"`{'all' if stops_on_false else 'any'}` over items that write to variables as they are computed",
                hint="write a `for` loop with a `break`",
                location=here(),
            )
        is_on_data = True
        truth = ops.as_truth(item)
        if isinstance(result, Number):
            function = torch.logical_and if stops_on_false else torch.logical_or
            result = Number(function(result.tensor, truth.tensor), bool)
        else:
            result = truth
    if is_on_data:
        for iterator in _moved_on(state):
            iterator.leave_anywhere()  # Python would have left it at the first item that decides.
    return result


def _moved_on(state: Snapshot) -> list[FollowedIterator]:
    """The iterators that were moved on since a snapshot."""
    owners = [getattr(location, "owner", None) for location, _ in state.delta().values()]
    return [owner for owner in owners if is_followed(owner)]


@replaces(any)
def any_(ops: Calls, items: Any) -> Any:
    return _any_all(ops, items, stops_on_false=False)


@replaces(all)
def all_(ops: Calls, items: Any) -> Any:
    return _any_all(ops, items, stops_on_false=True)


@replaces(map)
def map_(ops: Calls, function: Any, *several: Any) -> Any:
    if any(isinstance(as_sequence(items), DataSequence) for items in several):
        items = several[0] if len(several) == 1 else ops.call(zip, *several)
        given = (lambda item: (item,)) if len(several) == 1 else tuple
        return as_sequence(ops.collected(items, lambda item: ops.call(function, *given(item))))
    return (ops.call(function, *args) for args in zip(*several))  # noqa: B905 (as `map`)


@replaces(filter)
def filter_(ops: Calls, function: Any, items: Any) -> Any:
    """`filter`: of numbers whose truth depends on data, as many as there are."""

    def keeps(item: Any) -> Any:
        return ops.truth(item if function is None else ops.call(function, item))

    items = items_of(ops, items)
    if not has_rows(items):
        items = list(items)
        kept = [keeps(item) for item in items]
        if not any(isinstance(keep, Number) for keep in kept):
            return iter([item for item, keep in zip(items, kept, strict=True) if keep])
        rows = gathered(items) if all(isinstance(v, (Number, bool, int, float)) for v in items) else None
        if rows is not None:
            mask = torch.stack([Number.of(keep).tensor for keep in kept])
            return as_sequence([rows.at(mask)])
        found: list[Any] = []

        def add(item: Any) -> None:
            ops.touch(found)
            found.append(item)

        for item, keep in zip(items, kept, strict=True):
            ops.if_(keep, functools.partial(add, item), None, ())
        return as_sequence(found) if has_rows(found) else iter(found)
    kept_rows = rows_of(ops.collected(items, keeps))
    return as_sequence([rows_of(items).at(kept_rows.stacks[0])])


@replaces(range)
def range_(ops: Calls, *args: Any) -> Any:
    numbers = [Number.of_tensor(a) if isinstance(a, torch.Tensor) else as_number(a) for a in args]
    if not any(isinstance(a, Number) for a in numbers):
        return range(*args)
    start, stop, step = (0, numbers[0], 1) if len(numbers) == 1 else (*numbers, 1)[:3]

    def refuse_step() -> None:
        raise ValueError("range() arg 3 must not be zero")

    if isinstance(step, Number):
        ops.if_(step == 0, refuse_step, None, ())
    elif step == 0:
        refuse_step()
    return DataRange(start, stop, step)


@replaces(setattr)
def setattr_(ops: Calls, owner: Any, name: str, value: Any) -> None:
    ops.setattr_(owner, name, value)


@replaces(getattr)
def getattr_(ops: Calls, owner: Any, name: str, *default: Any) -> Any:
    try:
        return ops.attr(owner, name)
    except AttributeError:
        if default:
            return default[0]
        raise


@replaces(hasattr)
def hasattr_(ops: Calls, owner: Any, name: str) -> bool:
    try:
        ops.attr(owner, name)
    except AttributeError:
        return False
    return True


@replaces(delattr)
def delattr_(ops: Calls, owner: Any, name: str) -> None:
    ops.delattr_(owner, name)
