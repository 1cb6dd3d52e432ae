# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Methods of lists, tuples and dicts, with items, positions and keys that depend on data."""

from __future__ import annotations

from typing import Any

import torch

from dycl.frontend.bounds import from_the_start
from dycl.frontend.operators.builtin_functions import sorted_
from dycl.frontend.operators.calls import Calls
from dycl.frontend.operators.growing import has_rows, known_items, pop_last, refuse_change
from dycl.frontend.operators.growing import reverse as reverse_rows
from dycl.frontend.operators.indexing import as_key, as_position, refuse_method
from dycl.frontend.operators.replacements import replaces
from dycl.frontend.values import Number


def _on_data(*values: Any) -> bool:
    return any(isinstance(v, (Number, torch.Tensor)) for v in values)


@replaces(list.pop)
def pop(ops: Calls, owner: list[Any], *index: Any) -> Any:
    if has_rows(owner):
        if index and index[0] != -1:
            refuse_change("`list.pop` other than of the last item")
        ops.touch(owner)
        return pop_last(ops, owner)
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
        refuse_change("`list.insert` other than before the first item")
    if number is None:
        ops.touch(owner)
        owner.insert(index, item)
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
def index(ops: Calls, owner: list[Any] | tuple[Any, ...], value: Any, *bounds: int) -> Any:
    if not _on_data(value, *known_items(owner)):
        return owner.index(value, *bounds)
    if bounds:
        raise refuse_method(f"{type(owner).__name__}.index", "search without bounds, in a slice")
    text = (
        ops.text((value, "r", ""), " is not in list") if isinstance(owner, list) else "tuple.index(x): x not in tuple"
    )
    return _index_of(ops, owner, value, text)


@replaces(list.count, tuple.count)
def count(ops: Calls, owner: list[Any] | tuple[Any, ...], value: Any) -> Any:
    if not _on_data(value, *known_items(owner)):
        return owner.count(value)
    return sum((ops.truth(item is value or item == value) for item in owner), start=0)


@replaces(list.remove)
def remove(ops: Calls, owner: list[Any], value: Any) -> None:
    if not _on_data(value, *known_items(owner)):
        ops.touch(owner)
        owner.remove(value)
        return
    position = _index_of(ops, owner, value, "list.remove(x): x not in list")
    ops.delitem(owner, position)


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
    on_data = as_key(key)
    if on_data is None:
        return owner.get(key, default)
    keys, is_found = ops.matching_keys(owner, on_data)

    def look_up(i: int) -> Any:
        if i == len(keys):
            return default
        return ops.if_exp(is_found[i], lambda: owner[keys[i]], lambda: look_up(i + 1))

    return look_up(0)
