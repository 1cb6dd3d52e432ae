# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Lists that grow in a loop on data.

How many items such a list has is not known, so its items become `Rows`: for each tensor or number in an item, one
tensor with a row for each item. A list in user code stays the object that it is, and holds the rows in the place of the
items: `out.append(x)` needs nothing, and at the end of an iteration what was appended is joined to the rows.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

import torch
from torch.utils import _pytree as pytree

from dycl.errors import UnsupportedConstructError
from dycl.frontend.bounds import trusted
from dycl.frontend.locations import here
from dycl.frontend.sizes import is_static
from dycl.frontend.values import Number

NumberType = type | None


@dataclass(frozen=True, eq=False)
class Rows:
    """Several items of a list, of one form.

    Attributes:
        form: how an item is nested, and for each leaf the type of a Python number, or None for a tensor.
        stacks: for each leaf of an item, the tensor whose rows are that leaf of each item.
        least: how many items there are at least.
    """

    form: tuple[pytree.TreeSpec, tuple[NumberType, ...]]
    stacks: tuple[torch.Tensor, ...]
    least: int

    def with_stacks(self, stacks: Sequence[torch.Tensor]) -> Rows:
        return Rows(self.form, tuple(stacks), self.least)

    @property
    def length(self) -> Any:
        """A `Number`, or an int."""
        size = self.stacks[0].shape[0]
        return Number(torch.full((), size, dtype=torch.int64), int) if isinstance(size, torch.SymInt) else size

    @property
    def number_type(self) -> NumberType:
        """The type of the items, if they are numbers by themselves; None otherwise."""
        spec, kinds = self.form
        return kinds[0] if spec.is_leaf() else None

    def item(self, index: Number) -> Any:
        """The item at an index, which is known to be from 0 to below the length."""
        spec, kinds = self.form
        with trusted():
            leaves = [stack[index.tensor.reshape(1)].squeeze(0) for stack in self.stacks]
        return pytree.tree_unflatten(
            [v if kind is None else Number(v, kind) for v, kind in zip(leaves, kinds, strict=True)], spec
        )

    def at(self, places: torch.Tensor, least: int = 0) -> Rows:
        """The items at some places (i64[m], each from 0 to below the length), or where a mask (bool[n]) holds."""
        return Rows(self.form, tuple(stack[places] for stack in self.stacks), least)

    def spread(self) -> list[Any]:
        """The items of a list: each by itself where it is known how many there are."""
        size = self.stacks[0].shape[0]
        if not is_static(size):
            return [self]
        spec, kinds = self.form
        columns = [stack.unbind(0) for stack in self.stacks]
        return [
            pytree.tree_unflatten(
                [v if kind is None else Number(v, kind) for v, kind in zip(leaves, kinds, strict=True)], spec
            )
            for leaves in zip(*columns, strict=True)
        ]

    def __hash__(self) -> int:
        _refuse()

    def __getattr__(self, name: str) -> NoReturn:
        if name.startswith("__") and name.endswith("__"):
            raise AttributeError(name)  # asked for by `copy`, `isinstance` and the like
        _refuse()

    @classmethod
    def __torch_function__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        _refuse()


def _refusing(*_: Any) -> NoReturn:
    _refuse()


_USES = "add radd sub rsub mul rmul truediv rtruediv eq ne lt le gt ge bool int float index len iter getitem str format"
for _name in _USES.split():
    setattr(Rows, f"__{_name}__", _refusing)


def _refuse() -> NoReturn:
    raise UnsupportedConstructError(
        "a list whose length depends on data, in a place where its items have to be known one by one",
        hint="use `torch.stack`, `torch.cat` or `torch.tensor` on it, index it, or loop over it with `for`",
        location=here(),
    )


def has_rows(items: Any) -> bool:
    """Whether a list or tuple holds a number of items that depends on data."""
    return isinstance(items, (list, tuple)) and any(type(v) is Rows for v in items)


def gathered(items: Iterable[Any], like: Any = None) -> Rows | None:
    """All items of a list as rows, recorded in the current graph; None if they are not of one form.

    Args:
        items: items, and rows.
        like: an item of the form that others will have, where there may be none yet.
    """
    parts: list[Rows] = []
    for item in items:
        rows = item if type(item) is Rows else _row(item)
        if rows is None or (parts and not _alike(parts[0], rows)):
            return None
        parts.append(rows)
    if not parts:
        example = like if type(like) is Rows or like is None else _row(like)
        if example is None:
            return None
        none = [torch.empty((0, *s.shape[1:]), dtype=s.dtype) for s in example.stacks]
        return Rows(example.form, tuple(none), 0)
    if len(parts) == 1:
        return parts[0]
    columns = zip(*(p.stacks for p in parts), strict=True)
    return Rows(parts[0].form, tuple(torch.cat(column) for column in columns), sum(p.least for p in parts))


def zipped(several: Sequence[Rows]) -> Rows:
    """Tuples of the items of lists that are as long as each other."""
    specs = [rows.form[0] for rows in several]
    example = tuple(pytree.tree_unflatten([0] * spec.num_leaves, spec) for spec in specs)
    kinds = tuple(kind for rows in several for kind in rows.form[1])
    stacks = tuple(stack for rows in several for stack in rows.stacks)
    return Rows((pytree.tree_structure(example), kinds), stacks, min(rows.least for rows in several))


def of_numbers(stack: torch.Tensor, kind: type, least: int = 0) -> Rows:
    """The numbers in a tensor of one dimension."""
    return Rows((pytree.tree_structure(0), (kind,)), (stack,), least)


def _row(item: Any) -> Rows | None:
    """One item as rows; None if it is not made of tensors and numbers."""
    leaves, spec = pytree.tree_flatten(item, is_leaf=lambda v: isinstance(v, Number))
    kinds: list[NumberType] = []
    stacks: list[torch.Tensor] = []
    for leaf in leaves:
        if isinstance(leaf, torch.Tensor):
            kinds.append(None)
            stacks.append(leaf[None])
        elif isinstance(leaf, (Number, bool, int, float)):
            number = Number.of(leaf)
            kinds.append(number.type)
            stacks.append(number.tensor[None])
        else:
            return None
    return Rows((spec, tuple(kinds)), tuple(stacks), 1) if stacks else None


def _alike(a: Rows, b: Rows) -> bool:
    def rest(stack: torch.Tensor) -> tuple[Any, ...]:
        return (stack.dtype, *(str(n) for n in stack.shape[1:]))

    return a.form == b.form and [rest(s) for s in a.stacks] == [rest(s) for s in b.stacks]


def rows_of_tensor(tensor: torch.Tensor) -> Rows | None:
    """The rows of `tensor.tolist()`: numbers, or lists of as many as are known; None for more dimensions."""
    if tensor.dim() > 2 or not all(map(is_static, tensor.shape[1:])):
        return None
    number = Number.of_tensor(torch.zeros((), dtype=tensor.dtype))
    example = _row(number if tensor.dim() == 1 else [number] * int(tensor.shape[1]))
    if example is None:
        return None
    columns = (tensor,) if tensor.dim() == 1 else tensor.unbind(1)
    return Rows(example.form, tuple(column.to(number.tensor.dtype) for column in columns), 0)
