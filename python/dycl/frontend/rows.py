# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Lists that grow in a loop on data.

How many items such a list has is not known, so its items become `Rows`: for each tensor or number in an item, one
tensor with a row for each item. A list in user code stays the object that it is, and holds the rows in the place of the
items: `out.append(x)` needs nothing, and at the end of an iteration what was appended is joined to the rows.

Tensors whose sizes differ from item to item are ragged: their rows are as large as the largest of them, and beside them
are the sizes of each, as numbers. Of constants that are no numbers, a row is the place among those that there are.
"""

from __future__ import annotations

import dataclasses
import enum
import functools
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, NoReturn, Protocol

import torch
from torch.utils import _pytree as pytree

from dycl.errors import UnsupportedConstructError
from dycl.frontend.bounds import trusted
from dycl.frontend.locations import here
from dycl.frontend.sizes import is_static, same_size
from dycl.frontend.values import Choice, Number, Unusable


@dataclass(frozen=True)
class OneOf:
    """What a leaf of the items is that is one of some constants: its row is the place among them.

    Attributes:
        values: the constants, each with its type, apart from which an enum's member and its value may be equal.
    """

    values: tuple[tuple[type, Any], ...]

    @staticmethod
    def of(constant: Any) -> OneOf:
        return OneOf(((type(constant), constant),))

    def place_of(self, constant: Any) -> int:
        """The place of a constant; -1 where it is none of these."""
        known = (type(constant), constant)
        return self.values.index(known) if known in self.values else -1

    def merged(self, other: OneOf) -> OneOf:
        return OneOf((*self.values, *(value for value in other.values if value not in self.values)))


CONSTANTS = (type(None), str, bytes, enum.Enum, torch.dtype, torch.device)
"""The types of constants, other than numbers, that items may be."""

LeafType = type | OneOf | None
"""What a leaf of the items is: of a type of number, one of some constants, or (None) a tensor."""

Layout = tuple[tuple[tuple[int, ...], OneOf | None], ...]
"""For each leaf of an item, the dimensions of the tensor that are ragged, or the constants that it may be."""


class Tracing(Protocol):
    """What rows have to know of, or tell, the program that is being traced."""

    def size_of(self, number: Number) -> Any:
        """A Python int on data, which is at least 0, as torch takes a size."""

    def chosen_from(self, place: torch.Tensor, values: Sequence[Any]) -> Any:
        """One of some constants, by its place among them, a 0-d i64."""

    def place_of(self, choice: Choice) -> torch.Tensor:
        """The place (0-d i64) of what a choice is among its values."""
        ...

    def note_one(self, made: torch.Tensor, other: torch.Tensor) -> None:
        """Is told of a tensor with the elements of another: in eager the two are one, or the one holds the other."""

    def note_in_rows(self, owner: Any) -> None:
        """Is told of a list, dict or the like that becomes part of rows, or is made of them."""


tracing: ContextVar[Tracing] = ContextVar("tracing")
"""The program that is being traced."""


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
        return torch.index_select(tensor, dim, torch.arange(tracing.get().size_of(size)))


def _is_ragged(value: Any) -> bool:
    return type(value) is Ragged


@dataclass(frozen=True, eq=False)
class Record:
    """A dataclass of the user's in a list: its class, the names of its fields, and what they hold."""

    cls: type
    names: tuple[str, ...]
    values: tuple[Any, ...]

    @staticmethod
    def is_one(value: Any) -> bool:
        cls: Any = type(value)
        if not dataclasses.is_dataclass(cls) or cls.__module__.startswith("dycl.frontend."):
            return False
        is_plain = not isinstance(value, (list, tuple, dict, torch.Tensor, torch.nn.Module))
        # What else is in it would be lost.
        return is_plain and getattr(value, "__dict__", {}).keys() <= {f.name for f in dataclasses.fields(cls)}

    def made(self) -> Any:
        """A new object."""
        fresh = object.__new__(self.cls)
        for name, value in zip(self.names, self.values, strict=True):
            object.__setattr__(fresh, name, value)
        return fresh


def _with_records(item: Any) -> Any:
    """An item with records for the dataclasses in it, which pytrees do not look into."""

    def record(value: Any) -> Any:
        if not Record.is_one(value):
            return value
        names = tuple(f.name for f in dataclasses.fields(value) if hasattr(value, f.name))
        return Record(type(value), names, tuple(_with_records(getattr(value, name)) for name in names))

    return pytree.tree_map(record, item, is_leaf=lambda v: isinstance(v, Number) or Record.is_one(v))


def without_records(item: Any, change: Callable[[Any], Any] = lambda v: v) -> Any:
    """An item with the dataclasses in it, and what `change` makes of all else."""

    def made(value: Any) -> Any:
        if type(value) is not Record:
            return change(value)
        values = tuple(without_records(v, change) for v in value.values)
        return dataclasses.replace(value, values=values).made()

    return pytree.tree_map(made, item, is_leaf=lambda v: _is_item(v) or type(v) is Record)


pytree.register_pytree_node(
    Ragged,
    lambda ragged: ([ragged.values, *ragged.sizes], ragged.dims),
    lambda leaves, dims: Ragged((parts := list(leaves))[0], tuple(parts[1:]), dims),
    serialized_type_name="dycl.frontend.rows.Ragged",
)
pytree.register_pytree_node(
    Record,
    lambda record: (list(record.values), (record.cls, record.names)),
    lambda values, form: Record(form[0], form[1], tuple(values)),
    serialized_type_name="dycl.frontend.rows.Record",
)


@dataclass(frozen=True, eq=False)
class Rows:
    """Several items of a list, of one form.

    Attributes:
        form: how an item is nested, ragged tensors as `Ragged`, dataclasses as `Record`, and what each leaf is.
        stacks: for each leaf of an item, the tensor whose rows are that leaf of each item.
        least: how many items there are at least.
    """

    form: tuple[pytree.TreeSpec, tuple[LeafType, ...]]
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
    def number_type(self) -> type | None:
        """The type of the items, if they are numbers by themselves; None otherwise."""
        spec, kinds = self.form
        return kinds[0] if spec.is_leaf() and isinstance(kinds[0], type) else None

    @property
    def are_numbers(self) -> bool:
        """Whether the items are made of numbers only."""
        return all(isinstance(kind, type) for kind in self.form[1])

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
        item = pytree.tree_unflatten([_leaf(v, kind) for v, kind in zip(leaves, kinds, strict=True)], spec)
        made = without_records(item, lambda v: v.tensor() if _is_ragged(v) else v)
        note_in_rows([made])
        return made

    def item(self, index: Number) -> Any:
        """The item at an index, which is known to be from 0 to below the length."""
        with trusted():
            leaves = [stack[index.tensor.reshape(1)].squeeze(0) for stack in self.stacks]
            item = self._made(leaves)
        parts = pytree.tree_leaves(_with_records(item), is_leaf=_is_item)
        tensors = [v for v in parts if isinstance(v, torch.Tensor)]
        note_same(tensors, self.tensors())
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
        return tuple((leaf.dims, leaf.constants) for leaf in self.leaves()[1])

    def laid_out(self, layout: Layout) -> Rows:
        """The same items in a layout that takes them, recorded in the current graph."""
        spec, leaves = self.leaves()
        if self.layout == layout:
            return self
        leaves = [leaf.laid_out(dims, among) for leaf, (dims, among) in zip(leaves, layout, strict=True)]
        return _of_leaves(spec, leaves, self.least)

    def without_items(self, layout: Layout) -> Rows:
        """No items, of the form of these and a layout, recorded in the current graph."""
        spec, leaves = self.leaves()
        none: list[_Leaf] = []
        for leaf, (dims, among) in zip(leaves, layout, strict=True):
            shape = [0 if d in dims else size for d, size in enumerate(leaf.stack.shape[1:])]
            sizes = tuple(torch.empty((0,), dtype=torch.int64) for _ in dims)
            none.append(_Leaf(among or leaf.kind, torch.empty((0, *shape), dtype=leaf.stack.dtype), sizes, dims))
        return _of_leaves(spec, none, 0)

    def at(self, places: torch.Tensor, least: int = 0) -> Rows:
        """The items at some places (i64[m], each from 0 to below the length), or where a mask (bool[n]) holds."""
        made = Rows(self.form, tuple(stack[places] for stack in self.stacks), least)
        note_same(made.tensors(), self.tensors())
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
    """A leaf of the items: what it is, its rows, and if ragged, their sizes."""

    kind: LeafType
    stack: torch.Tensor
    sizes: tuple[torch.Tensor, ...]
    dims: tuple[int, ...]

    @property
    def constants(self) -> OneOf | None:
        return self.kind if isinstance(self.kind, OneOf) else None

    def laid_out(self, dims: tuple[int, ...], among: OneOf | None) -> _Leaf:
        """The same with more dimensions ragged, of which all items have one size; or of more constants."""
        if among is not None and self.constants is not None:
            stack = self.stack
            for place, value in enumerate(self.constants.values):
                if among.values.index(value) != place:
                    stack = torch.where(self.stack == place, among.values.index(value), stack)
            return _Leaf(among, stack, (), ())
        count, known = self.stack.shape[0], dict(zip(self.dims, self.sizes, strict=True))
        sizes = [known[d] if d in known else _sizes((count,), self.stack.shape[1 + d]) for d in dims]
        return _Leaf(self.kind, self.stack, tuple(sizes), dims)


def _leaf(row: torch.Tensor, kind: LeafType) -> Any:
    """What a row of a leaf is in an item."""
    if isinstance(kind, OneOf):
        values = [value for _, value in kind.values]
        return tracing.get().chosen_from(row, values) if len(values) > 1 else values[0]
    return row if kind is None else Number(row, kind)


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
        note_same(made.tensors(), part.tensors())
    return made


def changeable_in(item: Any) -> Iterator[Any]:
    """The lists, dicts and dataclasses in an item of a list, which can be written to."""
    is_record = Record.is_one(item)
    if isinstance(item, (list, dict)) or (is_record and not item.__dataclass_params__.frozen):
        yield item
    if isinstance(item, (list, tuple, dict)) or is_record:
        inner: Any = item.values() if isinstance(item, dict) else vars(item).values() if is_record else item
        for part in inner:
            yield from changeable_in(part)


def note_same(tensors: Iterable[torch.Tensor], before: Iterable[torch.Tensor]) -> None:
    """Notes of tensors that are made, each with one whose elements it has, that in eager they are one."""
    for tensor, other in zip(tensors, before, strict=True):
        tracing.get().note_one(tensor, other)


def note_in_rows(items: Iterable[Any]) -> None:
    """Notes the lists, dicts and the like in what becomes rows, or is made of them."""
    for item in items:
        for owner in changeable_in(item):
            tracing.get().note_in_rows(owner)


def common_layout(several: Sequence[Rows], varies: Callable[[Any], bool] = lambda _: False) -> Layout | None:
    """How rows have to be laid out to be joined: for each leaf of an item, what is ragged, and which constants it is.

    Args:
        several: the rows.
        varies: whether a size of theirs will be another for other items.

    Returns:
        None where their items are not of one form.
    """
    found = [rows.leaves() for rows in several]
    if any(spec != found[0][0] for spec, _ in found):
        return None
    layout: list[tuple[tuple[int, ...], OneOf | None]] = []
    for leaves in zip(*(leaves for _, leaves in found), strict=True):
        constants = [leaf.constants for leaf in leaves if leaf.constants is not None]
        types = [OneOf if leaf.constants is not None else leaf.kind for leaf in leaves]
        if len({(t, leaf.stack.dtype, leaf.stack.dim()) for t, leaf in zip(types, leaves, strict=True)}) > 1:
            return None
        ragged = {d for leaf in leaves for d in leaf.dims}
        for d, sizes in enumerate(zip(*(leaf.stack.shape[1:] for leaf in leaves), strict=True)):
            is_one = all(same_size(size, sizes[0]) for size in sizes)
            if not is_one or varies(sizes[0]):
                ragged.add(d)
        layout.append((tuple(sorted(ragged)), functools.reduce(OneOf.merged, constants) if constants else None))
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


def of_stack(stack: torch.Tensor, kind: type | None, least: int = 0) -> Rows:
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
    """One item as rows; None if it is not made of tensors, numbers and other constants."""
    leaves, spec = pytree.tree_flatten(_with_records(item), is_leaf=lambda v: isinstance(v, Number))
    kinds: list[LeafType] = []
    stacks: list[torch.Tensor] = []
    for leaf in leaves:
        if isinstance(leaf, torch.SymInt):
            leaf = Number(_sizes((), leaf), int)
        if isinstance(leaf, CONSTANTS):
            kinds.append(OneOf.of(leaf))
            stacks.append(torch.zeros(1, dtype=torch.int64))
        elif isinstance(leaf, Unusable):
            choice = Unusable.choice(leaf)
            if choice is None or not all(isinstance(value, CONSTANTS) for value in choice.values):
                return None
            kinds.append(OneOf(tuple((type(value), value) for value in choice.values)))
            stacks.append(tracing.get().place_of(choice)[None])
        elif isinstance(leaf, torch.Tensor):
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
