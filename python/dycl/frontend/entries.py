# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Sets and dicts whose keys are numbers that depend on data.

Such a set or dict in user code stays the object that it is, and holds one `Entries` in the place of its keys: a slot
for each key that may have been put in, in that order, and whether it was. A set holds it as its only item, a dict under
`DATA`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, NoReturn

import torch

from dycl.errors import UnsupportedConstructError
from dycl.frontend.locations import here
from dycl.frontend.rows import Rows, gathered
from dycl.frontend.sizes import is_static
from dycl.frontend.values import Number


class DataKey:
    """The key under which a dict holds its `Entries`."""

    def __repr__(self) -> str:
        return "<keys that depend on tensor values>"


DATA = DataKey()


@dataclass(frozen=True, eq=False)
class Entries:
    """The keys of a set, or the items of a dict, in n slots.

    Attributes:
        keys: the key of each slot, a number or a tuple of numbers; `keys.least` is how many are there at least.
        values: the value of each slot; None of a set.
        is_there: bool[n], which slots hold a key. No two of these are equal.
    """

    keys: Rows
    values: Rows | None
    is_there: torch.Tensor

    @property
    def stacks(self) -> tuple[torch.Tensor, ...]:
        return (*self.keys.stacks, *(self.values.stacks if self.values is not None else ()), self.is_there)

    @property
    def form(self) -> tuple[Any, ...]:
        return self.keys.form, self.values.form if self.values is not None else None

    def with_stacks(self, stacks: Sequence[torch.Tensor]) -> Entries:
        count = len(self.keys.stacks)
        values = self.values.with_stacks(stacks[count:-1]) if self.values is not None else None
        return Entries(self.keys.with_stacks(stacks[:count]), values, stacks[-1])

    def at_least(self, least: int) -> Entries:
        """The same, of which it is known that there are so many keys."""
        return replace(self, keys=replace(self.keys, least=least))

    def padded(self, count: int) -> Entries:
        """With empty slots at the end, so that there are `count`."""
        more = count - int(self.is_there.shape[0])
        if not more:
            return self
        blanks = [torch.zeros((more, *s.shape[1:]), dtype=s.dtype) for s in self.stacks]
        return self.with_stacks([torch.cat(pair) for pair in zip(self.stacks, blanks, strict=True)])

    @property
    def ordered_keys(self) -> Rows:
        """The keys, in the order in which they were put in."""
        return self.keys.at(self.is_there, self.keys.least)

    @property
    def ordered_values(self) -> Rows:
        assert self.values is not None
        return self.values.at(self.is_there, self.keys.least)

    @property
    def length(self) -> Number:
        return Number(self.is_there.sum(), int)

    def __getattr__(self, name: str) -> NoReturn:
        if name.startswith("__") and name.endswith("__"):
            raise AttributeError(name)
        refuse_entries("this use of it")


def refuse_entries(what: str) -> NoReturn:
    raise UnsupportedConstructError(
        f"a set or dict with keys that depend on tensor values: {what}",
        hint="use `sorted(...)` of it, `len`, `in`, `d[key]`, `d.get(key, default)`, or `for key, value in d.items()`",
        location=here(),
    )


def entries_in(owner: Any) -> Entries | None:
    """The keys on data of a set or dict; None of any other."""
    if isinstance(owner, dict):
        return dict.get(owner, DATA)  # type: ignore[arg-type]
    if isinstance(owner, (set, frozenset)) and len(owner) == 1:
        (one,) = owner
        return one if type(one) is Entries else None
    return None


def made_of(keys: Sequence[Any], values: Sequence[Any] | None, like: Entries | None = None) -> Entries:
    """The entries for keys that are known, all of them others.

    Args:
        keys: numbers, or tuples of numbers.
        values: of a dict.
        like: entries of the form that is wanted, which those of no key take.
    """
    made = gathered(keys, like=like.keys if like is not None else None)
    given = None if values is None else gathered(values, like=like.values if like is not None else None)
    if made is None or not made.are_numbers or (values is not None and given is None):
        refuse_kinds()
    return Entries(made, given, torch.ones(made.stacks[0].shape[0], dtype=torch.bool))


def refuse_kinds() -> NoReturn:
    raise UnsupportedConstructError(
        "a set or dict with keys that depend on tensor values, and keys or values of several kinds",
        hint="as keys use numbers of one type, or tuples of them; as values of a dict, numbers of one type or tensors "
        "of one dtype and shape",
        location=here(),
    )


def is_static_count(entries: Entries) -> bool:
    return is_static(entries.is_there.shape[0])
