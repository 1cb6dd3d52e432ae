# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Subscripts: reading and writing items of tensors and containers, at positions that may depend on data.

An item of a container at such a position is a branch for each item, since items may be anything. Of a tensor it is one
op; what eager gives as a view is a copy then, which may not be written to.
"""

from __future__ import annotations

import types
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import nn
from torch.utils import _pytree as pytree

from dycl.errors import UnsupportedConstructError
from dycl.frontend.bounds import from_the_start, trusted, upper_bound
from dycl.frontend.checks import Checks, Failing, out_of_bounds
from dycl.frontend.entries import entries_in, refuse_entries
from dycl.frontend.locations import here
from dycl.frontend.number_lists import stacked
from dycl.frontend.operators import keyed
from dycl.frontend.operators.core import nothing, user_method
from dycl.frontend.operators.growing import delete, has_rows, item_of, store
from dycl.frontend.operators.patterns import Patterns
from dycl.frontend.operators.selection import Selection
from dycl.frontend.operators.slices import apply_data_slices, dimensions_of, has_data_slice
from dycl.frontend.operators.small_sizes import check_call
from dycl.frontend.size_numbers import as_number
from dycl.frontend.text import Text, text_of
from dycl.frontend.values import Number, is_single, known

_SEQUENCES = (list, tuple, deque, range, nn.ModuleList, nn.Sequential, nn.ParameterList)
_MAPPINGS = (dict, nn.ModuleDict, nn.ParameterDict)


class Indexing(Patterns):
    """Adds subscripts."""

    def raise_if(self, bad: Any, fail: Callable[[], Any]) -> None:
        """Calls `fail`, which raises, where the condition `bad` holds."""

        def failing() -> None:
            fail()
            raise AssertionError("an operation on a value that it rejects did not fail")

        self.if_(bad, failing, nothing, ())

    def raise_pending(self) -> None:
        """Raises what eager checks and the model handles, where it fails."""
        checks = self.control.checks
        while checks is not None and checks.pending:
            failing = checks.pending.pop(0)

            def fail(failing: Failing = failing) -> None:
                raise failing.error()

            self.raise_if(failing.holds(), fail)

    def getitem(self, owner: Any, index: Any) -> Any:
        """`owner[index]`."""
        owner, index = known(owner), _without_sizes(known(index))
        if has_rows(owner) or (isinstance(owner, (list, tuple)) and has_data_slice(index)):
            return item_of(self, owner, index)
        method = user_method(owner, "__getitem__")
        if method is not None:
            return self.call(method, owner, index)
        if isinstance(owner, torch.Tensor):
            index = _lists_as_tensors(index)
            check_call(self, torch.Tensor.__getitem__, (owner, index), {})
        if isinstance(owner, torch.Tensor) and has_data_slice(index):
            owner, index = apply_data_slices(self.control.recorder, owner, index)
        if isinstance(owner, torch.Tensor) and _has_data(index):
            copied = self._tensor_item(owner, index)
            self.control.recorder.note_copy(copied, owner)  # type: ignore[arg-type]
            return copied
        if isinstance(owner, dict) and keyed.has_data_keys(owner, index):
            if entries_in(owner) is not None:
                return keyed.look_up(self, owner, index)
            if isinstance(owner, (Counter, defaultdict)) or type(index) is tuple:
                if owner:
                    keyed.put(owner, keyed.entries_of(owner))
                    return keyed.look_up(self, owner, index)
                if isinstance(owner, Counter):
                    return 0
                if isinstance(owner, defaultdict) and owner.default_factory in (int, float, bool):
                    value = owner.default_factory()
                    keyed.store(self, owner, index, value)
                    return value
                if isinstance(owner, defaultdict):
                    refuse_entries("a `defaultdict` of other than `int` and `float`")
                raise KeyError(index)
        if isinstance(owner, torch.Tensor) and _mixes_data(index):
            ints, others = _taken_apart(owner, index)
            return self._tensor_item(owner, ints)[others]
        if isinstance(owner, _MAPPINGS):
            key = as_key(index)
            return owner[index] if key is None else self._look_up(owner, key)
        number = as_position(index) if isinstance(owner, _SEQUENCES) else None
        if number is not None:
            return self.select(owner, number)
        return owner[_index(index)]

    def item_to_augment(self, owner: Any, index: Any) -> Any:
        """`owner[index]` for `owner[index] += value`, which writes the item back."""
        owner, index = known(owner), _without_sizes(known(index))
        if isinstance(owner, torch.Tensor):
            index = _lists_as_tensors(index)
        is_copy = isinstance(owner, torch.Tensor) and _has_data(index)
        return self._tensor_item(owner, index) if is_copy else self.getitem(owner, index)

    def setitem(self, owner: Any, index: Any, value: Any) -> None:
        """`owner[index] = value`."""
        owner, index = known(owner), _without_sizes(known(index))
        method = user_method(owner, "__setitem__")
        if method is not None:
            self.call(method, owner, index, value)
            return
        if has_rows(owner):
            self.touch(owner)
            store(self, owner, index, value)
            return
        if isinstance(owner, torch.Tensor):
            self.touch(owner)
            index = _lists_as_tensors(index)
            check_call(self, torch.Tensor.__setitem__, (owner, index), {})
            if has_data_slice(index):
                owner, index = apply_data_slices(self.control.recorder, owner, index)
            stored = value.tensor.to(owner.dtype) if isinstance(value, Number) else value
            if _has_data(index):
                view, position = _at(owner, index, self.control.checks)
                _write(view, position, stored)
            elif _mixes_data(index):
                ints, others = _taken_apart(owner, index)
                view, position = _at(owner, ints, self.control.checks)
                with trusted():
                    item = view[position].squeeze(0)
                item[others] = stored
                _write(view, position, item)
            else:
                owner[_index(index)] = stored
            return
        number = as_position(index) if isinstance(owner, (list, deque)) else None
        if number is not None:
            position = self._position(owner, number, "assignment index")
            written = [
                self.if_exp(position == i, lambda: value, lambda item=item: item) for i, item in enumerate(owner)
            ]
            self.touch(owner)
            for i, item in enumerate(written):
                owner[i] = item
            return
        if isinstance(owner, dict) and keyed.has_data_keys(owner, index):
            keyed.store(self, owner, index, value)
            return
        self.touch(owner)
        owner[index] = value

    def delitem(self, owner: Any, index: Any) -> None:
        """`del owner[index]`."""
        owner, index = known(owner), _without_sizes(known(index))
        method = user_method(owner, "__delitem__")
        if method is not None:
            self.call(method, owner, index)
            return
        if has_rows(owner):
            self.touch(owner)
            delete(self, owner, index)
            return
        number = as_position(index) if isinstance(owner, list) else None
        if number is not None:
            self.take_out(owner, number, "assignment index")
            return
        if isinstance(owner, dict) and keyed.has_data_keys(owner, index):
            self.getitem(owner, index)  # raises where it is not there
            keyed.remove(self, owner, index)
            return
        self.touch(owner)
        del owner[index]

    def select(self, items: Any, number: Number) -> Any:
        """`items[number]` of a sequence: a branch for each item, or for callables, when they are called."""
        position = self._position(items, number, "index")
        if isinstance(items, range):
            return Number.of(items.start, int) + position * items.step
        found = list(items)
        if all(callable(v) and not isinstance(v, (Number, torch.Tensor)) for v in found):
            return Selection(position, tuple(found))
        return self.pick(position, [lambda item=item: item for item in found])

    def pick(self, position: Number, options: Sequence[Callable[[], Any]]) -> Any:
        """The value of `options[position]`, each on a path of its own."""

        def rest(first: int) -> Any:
            if first == len(options) - 1:
                return options[first]()
            return self.if_exp(position == first, options[first], lambda: rest(first + 1))

        return rest(0)

    def take_out(self, owner: list[Any], number: Number, what: str) -> Any:
        """Takes an item out of a list, and gives it."""
        position = self._position(owner, number, what)
        taken = self.pick(position, [lambda item=item: item for item in owner])
        rest = [
            self.if_exp(position > i, lambda i=i: owner[i], lambda i=i: owner[i + 1]) for i in range(len(owner) - 1)
        ]
        self.touch(owner)
        owner[:] = rest
        return taken

    def _position(self, items: Any, number: Number, what: str) -> Number:
        """The position from 0 that an index on data means; the program raises an IndexError where it means none."""
        name = type(items).__name__
        if number.type is float:
            raise TypeError(f"{name} indices must be integers or slices, not float")
        count = len(items)

        def fail() -> None:
            if isinstance(items, (list, tuple, deque, range)):
                prefix = {"range": "range object ", "list": "" if what == "pop index" else "list "}.get(
                    name, f"{name} "
                )
                raise IndexError(f"{prefix}{what} out of range")
            raise IndexError(Text.of("index ") + text_of(number, "") + " is out of range")

        if not count:
            fail()
        raw = number.converted(int).tensor
        bound = upper_bound(self.control.recorder, raw)
        if bound is not None and bound <= count:
            return Number(raw, int)
        position = from_the_start(raw, count)
        self.raise_if(torch.logical_or(position < 0, position >= count), fail)
        return Number(position, int)

    def _look_up(self, owner: Any, key: Number | Text) -> Any:
        """`owner[key]` of a dict: a branch for each key that it may be."""
        keys, positions = self.matching_keys(owner, key)
        missing = Number.of(False)
        for found in positions[::-1]:
            missing = Number(torch.logical_or(missing.tensor, found.tensor), bool)

        def fail() -> None:
            raise KeyError(key)

        self.raise_if(self.not_(missing), fail)
        place = Number.of(0)
        for i, found in enumerate(positions):
            place = Number(torch.where(found.tensor, i, place.tensor), int)
        return self.select([owner[k] for k in keys], place)

    def matching_keys(self, owner: Any, key: Number | Text) -> tuple[list[Any], list[Number]]:
        """The keys of a dict that may equal a number or a text on data, and whether each does."""
        if isinstance(key, Text):
            found = {k: key.equals(k) for k in owner if isinstance(k, str)}
            return [k for k, v in found.items() if v is not None], [v for v in found.values() if v is not None]
        keys = [k for k in owner if isinstance(k, (bool, int, float))]
        return keys, [key == k for k in keys]

    def _tensor_item(self, owner: torch.Tensor, index: Any) -> torch.Tensor:
        view, position = _at(owner, index, self.control.checks)
        with trusted():
            return view[position].squeeze(0)


def as_position(index: Any) -> Number | None:
    """An index of a container that depends on data, as a number; None for any other."""
    if isinstance(index, Number):
        return index
    if isinstance(index, torch.Tensor) and is_single(index):
        return Number.of_tensor(index)
    return None


def _without_sizes(index: Any) -> Any:
    """An index with each size that is not known, and what is computed with some, as a number on data.

    Bounds of slices stay: torch takes sizes there, but not as positions.
    """
    if isinstance(index, tuple):
        return index if type(index) is not tuple else tuple(map(_without_sizes, index))
    return as_number(index) if isinstance(index, torch.SymInt) else index


def as_key(key: Any) -> Number | Text | None:
    """A key of a dict that depends on data; None for any other."""
    return key if isinstance(key, Text) else as_position(key)


def _is_data_int(part: Any) -> bool:
    """Whether one part of an index of a tensor is an int that depends on data."""
    if isinstance(part, Number):
        return part.type is int
    is_tensor = isinstance(part, torch.Tensor) and part.dim() == 0
    return is_tensor and not part.dtype.is_floating_point and part.dtype != torch.bool


def _has_data(index: Any) -> bool:
    """Whether an index of a tensor is made of ints, slices, None and `...`, of which some int depends on data."""
    parts = index if isinstance(index, tuple) else (index,)
    plain = (int, slice, types.NoneType, types.EllipsisType)
    return any(map(_is_data_int, parts)) and all(
        _is_data_int(p) or (isinstance(p, plain) and not isinstance(p, bool)) for p in parts
    )


def _mixes_data(index: Any) -> bool:
    """Whether an index of a tensor holds ints that depend on data beside tensors of positions, or masks."""
    return isinstance(index, tuple) and any(map(_is_data_int, index)) and not _has_data(index)


def _taken_apart(owner: torch.Tensor, index: tuple[Any, ...]) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
    """The ints on data of an index, with full slices beside them, and what then indexes the item that they give.

    As in eager, where an int takes its dimension away before tensors of positions index what is left.
    """
    dims = [dimensions_of(part) for part in index]
    free = owner.dim() - sum(d for part, d in zip(index, dims, strict=True) if part is not Ellipsis)
    ints: list[Any] = []
    others: list[Any] = []
    for part, count in zip(index, dims, strict=True):
        if _is_data_int(part):
            ints.append(part)
            continue
        ints.extend([slice(None)] * (free if part is Ellipsis else count))
        others.append(part)
    return tuple(ints), tuple(map(_index, others))


def _write(view: torch.Tensor, position: Sequence[torch.Tensor], value: Any) -> None:
    """Writes a value where the first dimensions are at a position, counted from the start.

    By a choice for each element: IREE 3.13 does not compile some of the scatters that an indexed write lowers to.
    """
    chosen = torch.ones((), dtype=torch.bool)
    for dim, place in enumerate(position):
        size = view.shape[dim]
        hit = torch.arange(size) == place
        chosen = torch.logical_and(chosen, hit.reshape([size if d == dim else 1 for d in range(view.dim())]))
    written = value.to(view.dtype) if isinstance(value, torch.Tensor) else torch.full((), value, dtype=view.dtype)
    view.copy_(torch.where(chosen, written, view))


def _at(owner: torch.Tensor, index: Any, checks: Checks | None) -> tuple[torch.Tensor, tuple[torch.Tensor, ...]]:
    """A view of a tensor whose first dimensions are those that ints on data index, and these, of one element each.

    Indexing the view with them gives a dimension of size one before those of `owner[index]`.
    """
    parts = list(index) if isinstance(index, tuple) else [index]
    if not any(p is Ellipsis for p in parts):
        parts.append(Ellipsis)
    used = sum(p is not None and p is not Ellipsis for p in parts)
    if used > owner.dim():
        raise IndexError(f"too many indices for tensor of dimension {owner.dim()}")
    static: list[Any] = []
    dims: list[int] = []
    positions: list[torch.Tensor] = []
    indexed: list[int] = []
    dim = 0
    for place, part in enumerate(parts):
        if _is_data_int(part):
            indexed.append(place)
            raw = (part.tensor if isinstance(part, Number) else part).to(torch.int64).reshape(1)
            dims.append(dim)
            positions.append(raw)
            static.append(slice(None))
        else:
            static.append(part)
        dim += owner.dim() - used if part is Ellipsis else 0 if type(part) is int else 1
    view = owner[tuple(static)]
    sizes = [view.shape[d] for d in dims]
    if checks is not None:
        for raw, size, dim in zip(positions, sizes, indexed, strict=True):
            checks.in_range(None, raw, size, IndexError, out_of_bounds(dim), wraps=True)
    wrapped = tuple(from_the_start(p, size) for p, size in zip(positions, sizes, strict=True))
    return view.movedim(dims, list(range(len(dims)))), wrapped


def _lists_as_tensors(index: Any) -> Any:
    """An index with each list that holds numbers on data as the tensor that it stands for."""
    if isinstance(index, tuple):
        return tuple(map(_lists_as_tensors, index))
    if not isinstance(index, list):
        return index
    leaves = pytree.tree_leaves(index)
    if any(isinstance(v, torch.Tensor) for v in leaves):
        return index  # Torch takes it for a tuple.
    # Torch cuts off what is behind the point of floats.
    is_mask = all((v.type if isinstance(v, Number) else type(v)) is bool for v in leaves)
    made = stacked(index, torch.bool if is_mask else torch.int64)
    return index if made is None else made


def _index(index: Any) -> Any:
    """An index with the numbers in it as tensors, for indexing a tensor."""
    if isinstance(index, Number):
        return index.tensor
    if isinstance(index, tuple):
        return tuple(_index(i) for i in index)
    return index


def refuse_method(method: str, hint: str) -> UnsupportedConstructError:
    """The error for a method of a container that is not done on data."""
    return UnsupportedConstructError(f"`{method}` with what depends on tensor values", hint=hint, location=here())
