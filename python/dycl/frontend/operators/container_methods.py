# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Methods of lists, tuples and dicts, with items, positions and keys that depend on data."""

from __future__ import annotations

import operator
from collections import Counter
from collections.abc import Callable
from typing import Any

import torch

from dycl.frontend.bounds import from_the_start
from dycl.frontend.entries import Entries, entries_in, made_of, refuse_entries
from dycl.frontend.operators import keyed
from dycl.frontend.operators.builtin_functions import sorted_
from dycl.frontend.operators.calls import Calls
from dycl.frontend.operators.columns import best_place, columns_of, hits, order_of, position, without
from dycl.frontend.operators.growing import has_rows, insert_at, known_items, pop_at, pop_last
from dycl.frontend.operators.growing import reverse as reverse_rows
from dycl.frontend.operators.indexing import as_key, as_position, refuse_method
from dycl.frontend.operators.replacements import replaces
from dycl.frontend.operators.sequences import items_of
from dycl.frontend.rows import gathered
from dycl.frontend.values import Number


def _on_data(*values: Any) -> bool:
    return any(isinstance(v, (Number, torch.Tensor)) for v in values)


@replaces(list.pop)
def pop(ops: Calls, owner: list[Any], *index: Any) -> Any:
    if has_rows(owner):
        is_last = not index or (isinstance(index[0], int) and index[0] == -1)
        return pop_last(ops, owner) if is_last else pop_at(ops, owner, index[0])
    number = as_position(index[0]) if index else None
    if number is None:
        ops.touch(owner)
        return owner.pop(*index)
    if not owner:
        raise IndexError("pop from empty list")
    return ops.take_out(owner, number, "pop index")


@replaces(list.insert)
def insert(ops: Calls, owner: list[Any], index: Any, item: Any) -> None:
    number = as_position(index)
    if has_rows(owner) and (number is not None or index != 0):
        insert_at(ops, owner, index, item)
        return
    if number is None:
        ops.touch(owner)
        owner.insert(index, item)
        return
    rows = gathered([*owner, item]) if columns_of([*owner, item]) is not None else None
    if rows is not None:
        moved = rows.at(_places_around(number, len(owner)), rows.least)
        ops.touch(owner)
        owner[:] = moved.spread()
        return
    count = len(owner)
    raw = number.converted(int).tensor
    position = Number(from_the_start(raw, count).clamp(0, count), int)
    old = list(owner)

    def shifted(i: int) -> Any:
        later = old[i] if i < count else None
        if i == count:
            return ops.if_exp(position == i, lambda: item, lambda: old[i - 1])
        if i == 0:
            return ops.if_exp(position > i, lambda: later, lambda: item)
        return ops.if_exp(
            position > i, lambda: later, lambda: ops.if_exp(position == i, lambda: item, lambda: old[i - 1])
        )

    moved = [shifted(i) for i in range(count + 1)]
    ops.touch(owner)
    owner[:] = moved


def _places_around(number: Number, count: int) -> torch.Tensor:
    """Of `count` items and one more, which goes where when that is inserted at a position: i64[count + 1]."""
    place = from_the_start(number.converted(int).tensor, count).clamp(0, count)
    places = torch.arange(count + 1)
    return torch.where(places < place, places, torch.where(places == place, count, places - 1))


def _index_of(ops: Calls, owner: list[Any] | tuple[Any, ...], value: Any, message: Any) -> Any:
    for i, item in enumerate(owner):
        is_equal = item is value or item == value
        if ops.control.predicate(is_equal) is None:
            if is_equal:
                return i
            continue
        return ops.if_exp(is_equal, lambda i=i: i, lambda i=i: i + 1 + _index_of(ops, owner[i + 1 :], value, message))
    raise ValueError(message)


@replaces(list.index, tuple.index)
def index(ops: Calls, owner: list[Any] | tuple[Any, ...], value: Any, *bounds: Any) -> Any:
    rows = columns_of(owner)
    if rows is None and not _on_data(value, *bounds, *known_items(owner)):
        return owner.index(value, *bounds)
    text = (
        ops.text((value, "r", ""), " is not in list") if isinstance(owner, list) else "tuple.index(x): x not in tuple"
    )
    if rows is None and bounds and all(isinstance(v, (int, float, Number)) for v in (value, *owner)):
        rows = gathered(owner)

    def fail() -> None:
        raise ValueError(text)

    if rows is not None:
        return position(ops, owner, rows, value, bounds, fail)
    if not _on_data(*bounds):
        start, stop, _ = slice(*(bounds if len(bounds) == 2 else (*bounds, None)[:2] or (None,))).indices(len(owner))
        return start + _index_of(ops, owner[start:stop], value, text)
    raise refuse_method(f"{type(owner).__name__}.index", "search without bounds, in a slice")


@replaces(list.count, tuple.count)
def count(ops: Calls, owner: list[Any] | tuple[Any, ...], value: Any) -> Any:
    rows = columns_of(owner)
    if rows is not None:
        return Number(hits(owner, rows, value).sum(), int)
    if not _on_data(value, *known_items(owner)):
        return owner.count(value)
    return sum((ops.truth(item is value or item == value) for item in owner), start=0)


@replaces(list.remove)
def remove(ops: Calls, owner: list[Any], value: Any) -> None:
    message = "list.remove(x): x not in list"
    rows = columns_of(owner)

    def fail() -> None:
        raise ValueError(message)

    if rows is not None:
        place = position(ops, owner, rows, value, (), fail)
        ops.touch(owner)
        owner[:] = without(rows, place.tensor).spread()
        return
    if not _on_data(value, *known_items(owner)):
        ops.touch(owner)
        owner.remove(value)
        return
    ops.delitem(owner, _index_of(ops, owner, value, message))


@replaces(list.reverse)
def reverse(ops: Calls, owner: list[Any]) -> None:
    ops.touch(owner)
    if has_rows(owner):
        reverse_rows(owner)
    else:
        owner.reverse()


@replaces(list.sort)
def sort(ops: Calls, owner: list[Any], *, key: Any = None, reverse: bool = False) -> None:
    ordered = sorted_(ops, owner, key=key, reverse=reverse)
    ops.touch(owner)
    owner[:] = ordered


@replaces(dict.get)
def get(ops: Calls, owner: dict[Any, Any], key: Any, default: Any = None) -> Any:
    entries = _entries(owner, key)
    if entries is not None:
        return keyed.chosen(ops, entries, keyed.found_at(entries, key), lambda: default)
    on_data = as_key(key)
    if on_data is None or not owner:
        return default if on_data is not None else owner.get(key, default)
    keys, is_found = ops.matching_keys(owner, on_data)

    def look_up(i: int) -> Any:
        if i == len(keys):
            return default
        return ops.if_exp(is_found[i], lambda: owner[keys[i]], lambda: look_up(i + 1))

    return look_up(0)


def _entries(owner: Any, *keys: Any) -> Entries | None:
    """The entries of a set or dict, or what it holds as some where one of the keys is a tuple on data."""
    found = entries_in(owner)
    if found is not None or not any(type(key) is tuple and keyed.is_data_key(key) for key in keys):
        return found
    return keyed.entries_of(owner) if owner else None


@replaces(dict.setdefault)
def setdefault(ops: Calls, owner: dict[Any, Any], key: Any, default: Any = None) -> Any:
    if not keyed.has_data_keys(owner, key):
        ops.touch(owner)
        return owner.setdefault(key, default)
    if isinstance(default, (list, dict, set)):
        refuse_entries("`setdefault` with what can be changed")
    value = ops.call(dict.get, owner, key, default)
    keyed.store(ops, owner, key, value)
    return value


@replaces(dict.pop)
def dict_pop(ops: Calls, owner: dict[Any, Any], key: Any, *default: Any) -> Any:
    if not keyed.has_data_keys(owner, key):
        ops.touch(owner)
        return owner.pop(key, *default)
    value = ops.call(dict.get, owner, key, *default) if default else ops.getitem(owner, key)
    keyed.remove(ops, owner, key)
    return value


@replaces(dict.popitem)
def popitem(ops: Calls, owner: dict[Any, Any]) -> Any:
    if entries_in(owner) is not None:
        refuse_entries("`popitem`")
    ops.touch(owner)
    return owner.popitem()


@replaces(dict.update, Counter.update)
def update(ops: Calls, owner: Any, *others: Any, **named: Any) -> None:
    if entries_in(owner) is not None or any(map(_is_on_data, others)):
        refuse_entries("`update`")
    ops.touch(owner)
    function: Any = Counter.update if isinstance(owner, Counter) else dict.update
    function(owner, *others, **named)


def _is_on_data(items: Any) -> bool:
    return entries_in(items) is not None or columns_of(items) is not None


@replaces(dict.keys)
def keys_(ops: Calls, owner: dict[Any, Any]) -> Any:  # noqa: ARG001
    entries = entries_in(owner)
    return owner.keys() if entries is None else [entries.ordered_keys]


@replaces(dict.values)
def values_(ops: Calls, owner: dict[Any, Any]) -> Any:  # noqa: ARG001
    entries = entries_in(owner)
    return owner.values() if entries is None else [entries.ordered_values]


@replaces(dict.items)
def items_(ops: Calls, owner: dict[Any, Any]) -> Any:  # noqa: ARG001
    entries = entries_in(owner)
    return owner.items() if entries is None else [keyed.items_of_dict(entries)]


@replaces(Counter)
def counter(ops: Calls, *args: Any, **named: Any) -> Any:
    rows = columns_of(items_of(ops, args[0])) if len(args) == 1 and not named else None
    if rows is None:
        if args and entries_in(args[0]) is not None:
            refuse_entries("a `Counter` of it")
        return Counter(*(known_items(v) for v in args), **named)
    made: Counter[Any] = Counter()
    keyed.put(made, keyed.counted(rows))
    return made


@replaces(Counter.most_common)
def most_common(ops: Calls, owner: Counter[Any], n: Any = None) -> Any:
    entries = entries_in(owner)
    if entries is None:
        if not any(isinstance(v, Number) for v in owner.values()):
            return owner.most_common(n)
        return ops.call(sorted, list(owner.items()), key=operator.itemgetter(1), reverse=True)[:n]
    items = keyed.items_of_dict(entries)
    if isinstance(n, int) and n == 1 and items.least > 0:
        place = best_place(entries.ordered_values, is_max=True)
        return [items.item(Number(place, int))]
    ordered = items.at(order_of(entries.ordered_values, reverse=True), items.least)
    return [ordered] if n is None else ops.getitem([ordered], slice(None, n))


@replaces(Counter.total)
def total(ops: Calls, owner: Counter[Any]) -> Any:
    return ops.call(sum, ops.call(dict.values, owner))


@replaces(Counter.elements, Counter.subtract)
def counter_method(ops: Calls, owner: Counter[Any], *args: Any, **named: Any) -> Any:
    if entries_in(owner) is not None or any(map(_is_on_data, args)):
        refuse_entries("`Counter.elements` or `Counter.subtract`")
    ops.touch(owner)
    return Counter.subtract(owner, *args, **named) if args or named else Counter.elements(owner)


# Sets ----------------------------------------------------------------------------------------------------------------


def _new_set(cls: type, entries: Entries) -> Any:
    return cls([entries])


def _set_of(ops: Calls, cls: type, *args: Any) -> Any:
    if not args:
        return cls()
    found = entries_in(args[0])
    if found is not None:
        return _new_set(cls, Entries(found.keys, None, found.is_there))
    items = items_of(ops, args[0])
    items = list(items) if not isinstance(items, (list, tuple)) else items
    rows = columns_of(items)
    return cls(known_items(items)) if rows is None else _new_set(cls, keyed.distinct(rows)[0])


@replaces(set)
def set_(ops: Calls, *args: Any) -> Any:
    return _set_of(ops, set, *args)


@replaces(frozenset)
def frozenset_(ops: Calls, *args: Any) -> Any:
    return _set_of(ops, frozenset, *args)


@replaces(set.add)
def add(ops: Calls, owner: set[Any], key: Any) -> None:
    if not keyed.has_data_keys(owner, key):
        ops.touch(owner)
        owner.add(key)
        return
    keyed.store(ops, owner, key)


@replaces(set.discard)
def discard(ops: Calls, owner: set[Any], key: Any) -> None:
    if not keyed.has_data_keys(owner, key):
        ops.touch(owner)
        owner.discard(key)
        return
    if owner:
        keyed.remove(ops, owner, key)


@replaces(set.remove)
def remove_from_set(ops: Calls, owner: set[Any], key: Any) -> None:
    if not keyed.has_data_keys(owner, key):
        ops.touch(owner)
        owner.remove(key)
        return
    if not owner:
        raise KeyError(key)

    def fail() -> None:
        raise KeyError(key)

    ops.raise_if(ops.not_(keyed.contains(keyed.entries_of(owner), key)), fail)
    keyed.remove(ops, owner, key)


@replaces(set.pop)
def pop_from_set(ops: Calls, owner: set[Any]) -> Any:
    if entries_in(owner) is not None:
        refuse_entries("`pop`, whose order is not defined")
    ops.touch(owner)
    return owner.pop()


def _both(ops: Calls, owner: Any, other: Any) -> tuple[Entries, Entries] | None:
    """Two sets, one of which holds keys on data, as entries; None where none does."""
    other = other if isinstance(other, (set, frozenset)) else _set_of(ops, set, other)
    a, b = entries_in(owner), entries_in(other)
    if a is None and b is None:
        return None
    return (
        made_of(list(owner), None, like=b) if a is None else a,
        made_of(list(other), None, like=a) if b is None else b,
    )


def _as_set(owner: Any, entries: Entries) -> Any:
    return _new_set(frozenset if isinstance(owner, frozenset) else set, entries)


SET_OPERATIONS: dict[str, Callable[[Entries, Entries], Any]] = {
    "intersection": keyed.intersection,
    "union": keyed.union,
    "difference": keyed.difference,
    "symmetric_difference": lambda a, b: keyed.union(keyed.difference(a, b), keyed.difference(b, a)),
    "issubset": keyed.is_subset,
    "issuperset": lambda a, b: keyed.is_subset(b, a),
    "isdisjoint": lambda a, b: Number(keyed.within(a, b).any().logical_not(), bool),
}


def set_operation(ops: Calls, name: str, owner: Any, *others: Any) -> Any:
    """A method of sets that gives another set, or a bool."""
    result = owner
    for other in others:
        pair = _both(ops, result, other)
        if pair is None:
            result = getattr(result, name)(other)
            continue
        made = SET_OPERATIONS[name](*pair)
        result = _as_set(owner, made) if isinstance(made, Entries) else made
    return result if others else owner.copy()


def _register_set_methods() -> None:
    for name in SET_OPERATIONS:

        @replaces(getattr(set, name), getattr(frozenset, name))
        def method(ops: Calls, owner: Any, *others: Any, name: str = name) -> Any:  # pyright: ignore[reportUnusedFunction]
            return set_operation(ops, name, owner, *others)

    for name in ("intersection", "difference", "symmetric_difference"):

        @replaces(getattr(set, f"{name}_update"))
        def in_place(ops: Calls, owner: set[Any], *others: Any, name: str = name) -> None:  # pyright: ignore[reportUnusedFunction]
            made = set_operation(ops, name, owner, *others)
            ops.touch(owner)
            owner.clear()
            owner |= made

    @replaces(set.update)
    def update_set(ops: Calls, owner: set[Any], *others: Any) -> None:  # pyright: ignore[reportUnusedFunction]
        made = set_operation(ops, "union", owner, *others)
        ops.touch(owner)
        owner.clear()
        owner |= made


_register_set_methods()
