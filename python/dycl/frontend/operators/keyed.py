# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""What is done with sets, dicts and counters whose keys depend on data (`entries.py`)."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch

from dycl.frontend.entries import DATA, Entries, entries_in, made_of, refuse_entries, refuse_kinds
from dycl.frontend.operators.columns import count_of, first, hits, places_of
from dycl.frontend.rows import Rows, gathered, note_in_rows, of_stack, zipped
from dycl.frontend.values import Number

if TYPE_CHECKING:
    from dycl.frontend.operators.indexing import Indexing


def is_data_key(key: Any) -> bool:
    """Whether a key is a number on data, or a tuple that holds one."""
    return isinstance(key, Number) or (type(key) is tuple and any(map(is_data_key, key)))


def has_data_keys(owner: Any, key: Any) -> bool:
    """Whether a set or dict holds keys on data, or is asked for one."""
    return entries_in(owner) is not None or is_data_key(key)


def entries_of(owner: Any, key: Any = None, value: Any = None) -> Entries:
    """What a set or dict holds, as entries; one without any, as one that could hold the key and the value."""
    found = entries_in(owner)
    if found is not None:
        return found
    is_dict = isinstance(owner, dict)
    keys, values = list(owner), list(owner.values()) if is_dict else None
    if keys:
        return made_of(keys, values)
    like = made_of([key], [value] if is_dict else None)
    return like.with_stacks([stack[:0] for stack in like.stacks]).at_least(0)


def put(owner: Any, entries: Entries) -> None:
    """Makes entries all that a set or dict holds."""
    owner.clear()
    if isinstance(owner, dict):
        dict.__setitem__(owner, DATA, entries)
    else:
        owner.add(entries)


def found_at(entries: Entries, key: Any) -> torch.Tensor:
    """Which slot holds a key: bool[n], of which one holds at most."""
    return hits((), entries.keys, key).logical_and(entries.is_there)


def contains(entries: Entries, key: Any) -> Number:
    return Number(found_at(entries, key).any(), bool)


def store(ops: Indexing, owner: Any, key: Any, value: Any = None) -> None:
    """`owner[key] = value` of a dict, or `owner.add(key)` of a set."""
    entries = entries_of(owner, key, value)
    note_in_rows([key, value])
    is_here = found_at(entries, key)
    keys = gathered([entries.keys, key])
    values = None if entries.values is None else gathered([entries.values, value])
    if keys is None or (entries.values is not None and values is None):
        refuse_kinds()
    if entries.values is not None and values is not None:
        mask = torch.cat([is_here, torch.zeros(1, dtype=torch.bool)])
        stacks = [torch.where(mask.reshape([-1, *[1] * (s.dim() - 1)]), s[-1:], s) for s in values.stacks]
        values = values.with_stacks(stacks)
    is_there = torch.cat([entries.is_there, is_here.any().logical_not().reshape(1)])
    ops.touch(owner)
    put(owner, Entries(keys, values, is_there).at_least(max(entries.keys.least, 1)))


def value_at(entries: Entries, is_here: torch.Tensor) -> Any:
    """The value of the slot that holds a key, where one does."""
    assert entries.values is not None
    size = Number.of(Number(torch.full((), count_of(entries.keys), dtype=torch.int64), int)).tensor
    place = torch.minimum(first(is_here), (size - 1).clamp(min=0))
    return entries.values.item(Number(place, int))


def look_up(ops: Indexing, owner: Any, key: Any) -> Any:
    """`owner[key]` of a dict with entries."""
    entries = entries_in(owner)
    assert entries is not None
    is_here = found_at(entries, key)
    if isinstance(owner, (Counter, defaultdict)):
        factory = int if isinstance(owner, Counter) else owner.default_factory
        if factory not in (int, float, bool):
            refuse_entries("a `defaultdict` of other than `int` and `float`")
        value = chosen(ops, entries, is_here, lambda: factory())
        if isinstance(owner, defaultdict):
            store(ops, owner, key, value)
        return value

    def fail() -> None:
        raise KeyError(key)

    ops.raise_if(Number(is_here.any().logical_not(), bool), fail)
    return value_at(entries, is_here)


def chosen(ops: Indexing, entries: Entries, is_here: torch.Tensor, default: Callable[[], Any]) -> Any:
    """The value of a slot, or another where there is none."""
    other = default()
    kind = entries.values.number_type if entries.values is not None else None
    if kind is not None and isinstance(other, (Number, bool, int, float)):
        number = Number.of(other)
        if number.type is kind:
            if not isinstance(count_of(entries.keys), torch.SymInt) and count_of(entries.keys) == 0:
                return other
            return Number(torch.where(is_here.any(), value_at(entries, is_here).tensor, number.tensor), kind)
    return ops.if_exp(Number(is_here.any(), bool), lambda: value_at(entries, is_here), lambda: other)


def remove(ops: Indexing, owner: Any, key: Any) -> torch.Tensor:
    """Takes a key out, where it is there; gives where it was: bool[n]."""
    entries = entries_of(owner, key)
    is_here = found_at(entries, key)
    ops.touch(owner)
    rest = entries.is_there.logical_and(is_here.logical_not())
    put(owner, Entries(entries.keys, entries.values, rest).at_least(max(entries.keys.least - 1, 0)))
    return is_here


def same_keys(a: Rows, b: Rows) -> torch.Tensor:
    """Which keys are equal: bool[n, m]."""
    same: torch.Tensor | None = None
    if a.form[0] != b.form[0]:
        refuse_kinds()
    for x, y in zip(a.stacks, b.stacks, strict=True):
        equal = x.unsqueeze(1) == y.unsqueeze(0)
        same = equal if same is None else same.logical_and(equal)
    assert same is not None
    return same


def distinct(rows: Rows) -> tuple[Entries, torch.Tensor]:
    """Keys of which some may be equal, as entries without values; and which keys are equal: bool[n, n]."""
    same, places = same_keys(rows, rows), places_of(rows)
    is_earlier = places.unsqueeze(0) < places.unsqueeze(1)
    is_repeated = same.logical_and(is_earlier).any(1)
    return Entries(rows, None, is_repeated.logical_not()).at_least(min(rows.least, 1)), same


def counted(rows: Rows) -> Entries:
    """How often each key is there."""
    keys, same = distinct(rows)
    places = places_of(rows)
    # A NaN equals nothing, and is there once.
    counts = same.logical_or(places.unsqueeze(1) == places.unsqueeze(0)).sum(1)
    return Entries(keys.keys, of_stack(counts, int), keys.is_there)


def items_of_dict(entries: Entries) -> Rows:
    """The keys with their values, as tuples."""
    return zipped([entries.ordered_keys, entries.ordered_values])


def within(a: Entries, b: Entries) -> torch.Tensor:
    """Which slots of `a` hold a key that `b` holds: bool[n]."""
    return same_keys(a.keys, b.keys).logical_and(b.is_there.unsqueeze(0)).any(1).logical_and(a.is_there)


def intersection(a: Entries, b: Entries) -> Entries:
    return Entries(a.keys, None, within(a, b)).at_least(0)


def difference(a: Entries, b: Entries) -> Entries:
    return Entries(a.keys, None, a.is_there.logical_and(within(a, b).logical_not())).at_least(0)


def union(a: Entries, b: Entries) -> Entries:
    keys = gathered([a.keys, b.keys])
    if keys is None:
        refuse_kinds()
    is_there = torch.cat([a.is_there, b.is_there.logical_and(within(b, a).logical_not())])
    return Entries(keys, None, is_there).at_least(max(a.keys.least, b.keys.least))


def is_subset(a: Entries, b: Entries) -> Number:
    return Number(difference(a, b).is_there.any().logical_not(), bool)
