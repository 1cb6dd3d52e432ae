# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Lists that grow in a loop on data.

How many items such a list has is not known, so its items become `Rows`: for each tensor or number in an item, one
tensor with a row for each item. A list in user code stays the object that it is, and holds the rows in the place of the
items: `out.append(x)` needs nothing, and at the end of an iteration what was appended is joined to the rows.

Tensors whose sizes differ from item to item are ragged: their rows are as large as the largest of them, and beside them
are the sizes of each, as numbers.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, NoReturn

import torch
from torch.utils import _pytree as pytree

from dycl.errors import UnsupportedConstructError
from dycl.frontend.bounds import trusted
from dycl.frontend.locations import here
from dycl.frontend.sizes import is_static, same_size
from dycl.frontend.values import Number

NumberType = type | None

Layout = tuple[tuple[int, ...], ...]
"""For each leaf of an item, the dimensions of the tensor that are ragged."""

size_of_number: ContextVar[Callable[[Number], Any]] = ContextVar("size_of_number")
"""Gives a Python int on data, which is at least 0, as torch takes a size."""

note_one: ContextVar[Callable[[Any, Any], None]] = ContextVar("note_one")
"""Told of a tensor that is made, with one whose elements it has: in eager the two are one, or the one holds the other.

Also of a list, dict or the like that an item is made as, with None: in eager it is the one that was appended.
"""


@dataclass(frozen=True, eq=False)
class Ragged:
    """A tensor in a list whose sizes differ from item to item.

    Attributes:
        values: it, and after it what fills it up to the largest of the list.
        sizes: its own size in each of `dims`, as numbers.
        dims: the dimensions whose size differs.
    """

    values: Any
    sizes: tuple[Any, ...]
    dims: tuple[int, ...]

    def tensor(self) -> torch.Tensor:
        tensor = self.values
        for dim, size in zip(self.dims, self.sizes, strict=True):
            tensor = first_of(tensor, dim, size)
        return tensor


def first_of(tensor: torch.Tensor, dim: int, size: Number) -> torch.Tensor:
    """The first elements along a dimension, which is known to have as many."""
    with trusted():
        # `narrow` would ask whether it has.
        return torch.index_select(tensor, dim, torch.arange(size_of_number.get()(size)))


def _is_ragged(value: Any) -> bool:
    return type(value) is Ragged


pytree.register_pytree_node(
    Ragged,
    lambda ragged: ([ragged.values, *ragged.sizes], ragged.dims),
    lambda leaves, dims: Ragged((parts := list(leaves))[0], tuple(parts[1:]), dims),
    serialized_type_name="dycl.frontend.rows.Ragged",
)


@dataclass(frozen=True, eq=False)
class Rows:
    """Several items of a list, of one form.

    Attributes:
        form: how an item is nested, ragged tensors as `Ragged`, and for each leaf the type of a Python number, or None
            for a tensor.
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
        return Number(_sizes((), size), int) if isinstance(size, torch.SymInt) else size

    @property
    def number_type(self) -> NumberType:
        """The type of the items, if they are numbers by themselves; None otherwise."""
        spec, kinds = self.form
        return kinds[0] if spec.is_leaf() else None

    @property
    def ragged_dims(self) -> tuple[int, ...] | None:
        """Of items that are tensors by themselves, the dimensions whose size differs; None for other items."""
        spec, kinds = self.form
        if spec.is_leaf():
            return () if kinds == (None,) else None
        return spec.context if spec.type is Ragged else None

    def _made(self, leaves: Iterable[torch.Tensor]) -> Any:
        """An item, of its leaves."""
        spec, kinds = self.form
        item = pytree.tree_unflatten(
            [v if kind is None else Number(v, kind) for v, kind in zip(leaves, kinds, strict=True)], spec
        )
        made = pytree.tree_map(lambda v: v.tensor() if _is_ragged(v) else v, item, is_leaf=_is_item)
        note_in_rows([made])
        return made

    def item(self, index: Number) -> Any:
        """The item at an index, which is known to be from 0 to below the length."""
        with trusted():
            leaves = [stack[index.tensor.reshape(1)].squeeze(0) for stack in self.stacks]
            item = self._made(leaves)
        tensors = (v for v in pytree.tree_leaves(item, is_leaf=_is_item) if isinstance(v, torch.Tensor))
        for tensor, leaf in zip(tensors, self.tensors(), strict=True):
            note_one.get()(tensor, leaf)
        return item

    def tensors(self) -> list[torch.Tensor]:
        """Of the leaves of an item, the stacks of those that are tensors."""
        return [leaf.stack for leaf in self.leaves()[1] if leaf.kind is None]

    def leaves(self) -> tuple[pytree.TreeSpec, list[_Leaf]]:
        """How an item is nested, and its leaves: a ragged tensor is one."""
        spec, kinds = self.form
        item = pytree.tree_unflatten(list(range(spec.num_leaves)), spec)
        places, outer = pytree.tree_flatten(item, is_leaf=_is_ragged)
        made: list[_Leaf] = []
        for place in places:
            ragged = place if _is_ragged(place) else Ragged(place, (), ())
            stack, sizes = self.stacks[ragged.values], tuple(self.stacks[n] for n in ragged.sizes)
            made.append(_Leaf(kinds[ragged.values], stack, sizes, ragged.dims))
        return outer, made

    @property
    def layout(self) -> Layout:
        return tuple(leaf.dims for leaf in self.leaves()[1])

    def laid_out(self, layout: Layout) -> Rows:
        """The same items, with those dimensions ragged that a layout says, recorded in the current graph."""
        spec, leaves = self.leaves()
        if self.layout == layout:
            return self
        return _of_leaves(spec, [leaf.ragged(dims) for leaf, dims in zip(leaves, layout, strict=True)], self.least)

    def without_items(self, layout: Layout) -> Rows:
        """No items, of the form of these and a layout, recorded in the current graph."""
        spec, leaves = self.leaves()
        none: list[_Leaf] = []
        for leaf, dims in zip(leaves, layout, strict=True):
            shape = [0 if d in dims else size for d, size in enumerate(leaf.stack.shape[1:])]
            sizes = tuple(torch.empty((0,), dtype=torch.int64) for _ in dims)
            none.append(_Leaf(leaf.kind, torch.empty((0, *shape), dtype=leaf.stack.dtype), sizes, dims))
        return _of_leaves(spec, none, 0)

    def at(self, places: torch.Tensor, least: int = 0) -> Rows:
        """The items at some places (i64[m], each from 0 to below the length), or where a mask (bool[n]) holds."""
        made = Rows(self.form, tuple(stack[places] for stack in self.stacks), least)
        for now, before in zip(made.tensors(), self.tensors(), strict=True):
            note_one.get()(now, before)
        return made

    def spread(self) -> list[Any]:
        """The items of a list: each by itself where it is known how many there are."""
        size = self.stacks[0].shape[0]
        if not is_static(size):
            return [self]
        columns = [stack.unbind(0) for stack in self.stacks]
        return [self._made(leaves) for leaves in zip(*columns, strict=True)]

    def __hash__(self) -> int:
        _refuse()

    def __getattr__(self, name: str) -> NoReturn:
        if name.startswith("__") and name.endswith("__"):
            raise AttributeError(name)  # asked for by `copy`, `isinstance` and the like
        _refuse()

    @classmethod
    def __torch_function__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        _refuse()


def _is_item(value: Any) -> bool:
    return isinstance(value, (Number, Ragged))


@dataclass(frozen=True, eq=False)
class _Leaf:
    """A leaf of the items: the type of a Python number, or None for a tensor; its rows, and if ragged, their sizes."""

    kind: NumberType
    stack: torch.Tensor
    sizes: tuple[torch.Tensor, ...]
    dims: tuple[int, ...]

    def ragged(self, dims: tuple[int, ...]) -> _Leaf:
        """The same with more dimensions ragged, of which all items have one size."""
        count, known = self.stack.shape[0], dict(zip(self.dims, self.sizes, strict=True))
        sizes = [known[d] if d in known else _sizes((count,), self.stack.shape[1 + d]) for d in dims]
        return _Leaf(self.kind, self.stack, tuple(sizes), dims)


def _sizes(shape: tuple[Any, ...], size: Any) -> torch.Tensor:
    """A size as i64 of a shape."""
    return torch.full((), size, dtype=torch.int64).expand(shape)


def _of_leaves(spec: pytree.TreeSpec, leaves: Sequence[_Leaf], least: int) -> Rows:
    """The rows of items that are nested in some way."""
    places = [Ragged(0, (0,) * len(leaf.dims), leaf.dims) if leaf.dims else 0 for leaf in leaves]
    form = pytree.tree_structure(pytree.tree_unflatten(places, spec))
    kinds = tuple(kind for leaf in leaves for kind in (leaf.kind, *(int for _ in leaf.dims)))
    return Rows((form, kinds), tuple(stack for leaf in leaves for stack in (leaf.stack, *leaf.sizes)), least)


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


def gathered(items: Iterable[Any], like: Any = None, varies: Callable[[Any], bool] = lambda _: False) -> Rows | None:
    """All items of a list as rows, recorded in the current graph; None if they are not of one form.

    Args:
        items: items, and rows.
        like: an item of the form that others will have, where there may be none yet.
        varies: whether a size of that item will be another for others.
    """
    parts: list[Rows] = []
    for item in items:
        rows = item if type(item) is Rows else _row(item)
        if rows is None:
            return None
        parts.append(rows)
    example = like if type(like) is Rows or like is None else _row(like)
    if example is None and not parts:
        return None
    layout = common_layout(parts if example is None else [*parts, example], varies)
    if layout is None:
        return None if example is None or not parts else gathered(parts)
    if not parts:
        assert example is not None
        return example.without_items(layout)
    parts = [part.laid_out(layout) for part in parts]
    if len(parts) == 1:
        return parts[0]
    with trusted():
        columns = [_of_one_size(column) for column in zip(*(p.stacks for p in parts), strict=True)]
    made = Rows(parts[0].form, tuple(torch.cat(column) for column in columns), sum(p.least for p in parts))
    for part in parts:
        for now, before in zip(made.tensors(), part.tensors(), strict=True):
            note_one.get()(now, before)
    return made


def changeable_in(item: Any) -> Iterator[Any]:
    """The lists, dicts and the like in an item of a list, which can be written to."""
    if isinstance(item, (list, dict)):
        yield item
    if isinstance(item, (list, tuple, dict)):
        for part in item.values() if isinstance(item, dict) else item:
            yield from changeable_in(part)


def note_in_rows(items: Iterable[Any]) -> None:
    """Notes the lists, dicts and the like in what becomes rows, or is made of them."""
    for item in items:
        for owner in changeable_in(item):
            note_one.get()(owner, None)


def common_layout(several: Sequence[Rows], varies: Callable[[Any], bool] = lambda _: False) -> Layout | None:
    """How rows have to be laid out to be joined: for each leaf of an item, which dimensions are ragged.

    Args:
        several: the rows.
        varies: whether a size of theirs will be another for other items.

    Returns:
        None where their items are not of one form.
    """
    found = [rows.leaves() for rows in several]
    if any(spec != found[0][0] for spec, _ in found):
        return None
    layout: list[tuple[int, ...]] = []
    for leaves in zip(*(leaves for _, leaves in found), strict=True):
        kinds = {(leaf.kind, leaf.stack.dtype, leaf.stack.dim()) for leaf in leaves}
        if len(kinds) > 1:
            return None
        ragged = {d for leaf in leaves for d in leaf.dims}
        for d, sizes in enumerate(zip(*(leaf.stack.shape[1:] for leaf in leaves), strict=True)):
            is_one = all(same_size(size, sizes[0]) for size in sizes)
            if not is_one or varies(sizes[0]):
                ragged.add(d)
        layout.append(tuple(sorted(ragged)))
    return tuple(layout)


def _of_one_size(column: Sequence[torch.Tensor]) -> list[torch.Tensor]:
    """Stacks that are filled up to the largest of each dimension but the first."""
    wanted = [functools.reduce(_larger, sizes) for sizes in zip(*(stack.shape[1:] for stack in column), strict=True)]
    filled: list[torch.Tensor] = []
    for stack in column:
        for dim, largest in enumerate(wanted, start=1):
            stack = _filled(stack, dim, largest)
        filled.append(stack)
    return filled


def _filled(tensor: torch.Tensor, dim: int, largest: Any) -> torch.Tensor:
    """A tensor that is filled up with zeros along a dimension to a size that is at least its own."""
    size: Any = tensor.shape[dim]
    if same_size(size, largest):
        return tensor
    # One more, which all that are missing are taken from: `largest - size` would be asked whether it is 0.
    more = torch.zeros([*tensor.shape[:dim], 1, *tensor.shape[dim + 1 :]], dtype=tensor.dtype)
    places = torch.arange(largest).clamp(max=size)
    return torch.index_select(torch.cat([tensor, more], dim), dim, places)


def _larger(a: Any, b: Any) -> Any:
    return a if same_size(a, b) else torch.sym_max(a, b)


def zipped(several: Sequence[Rows]) -> Rows:
    """Tuples of the items of lists that are as long as each other."""
    specs = [rows.form[0] for rows in several]
    example = tuple(pytree.tree_unflatten([0] * spec.num_leaves, spec) for spec in specs)
    kinds = tuple(kind for rows in several for kind in rows.form[1])
    stacks = tuple(stack for rows in several for stack in rows.stacks)
    return Rows((pytree.tree_structure(example), kinds), stacks, min(rows.least for rows in several))


def of_stack(stack: torch.Tensor, kind: NumberType, least: int = 0) -> Rows:
    """The rows of a tensor; of one dimension, as numbers of a type."""
    return Rows((pytree.tree_structure(0), (kind,)), (stack,), least)


def pieces(tensor: torch.Tensor, size: int, dim: int) -> Rows:
    """What `torch.split` gives of a dimension whose size is not known: the last piece has the rest."""
    dim %= tensor.dim()
    total: Any = tensor.shape[dim]
    count: Any = torch.sym_max((total + size - 1) // size, 1)
    with trusted():
        filled = _filled(tensor, dim, count * size)
    stack = filled.reshape([*tensor.shape[:dim], count, size, *tensor.shape[dim + 1 :]]).movedim(dim, 0)
    rest = _sizes((), total) - torch.arange(count) * size
    return _of_leaves(pytree.tree_structure(0), [_Leaf(None, stack, (rest.clamp(0, size),), (dim,))], 1)


def _row(item: Any) -> Rows | None:
    """One item as rows; None if it is not made of tensors and numbers."""
    leaves, spec = pytree.tree_flatten(item, is_leaf=lambda v: isinstance(v, Number))
    kinds: list[NumberType] = []
    stacks: list[torch.Tensor] = []
    for leaf in leaves:
        if isinstance(leaf, torch.SymInt):
            leaf = Number(_sizes((), leaf), int)
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
