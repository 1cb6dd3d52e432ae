# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""What a branch can change, and how to compare, undo, redo and merge it.

A *location* is a place that user code can write: a local variable (the closure cell that rewriting made of it), an
attribute, the contents of a list or dict, the contents of a tensor. Cells and tensors are written without notice, so a
*snapshot* keeps their values; attributes and containers are written through the operators, which report to a *journal*
first. Both sides of a branch are traced from the same snapshot: each leaves a *delta* (location to new value), and the
first is undone before the second runs.

Values in deltas are *frozen*: the tensors inside are taken down to recorded ones at the end of the side that made them,
since a view's later contents follow its base, which by then is back to what it was before the side.
"""

from __future__ import annotations

import contextvars
import dataclasses
import types
from collections import OrderedDict, defaultdict
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import nn
from torch._subclasses.functional_tensor import FunctionalTensor

from dycl.frontend.entries import Entries, entries_in
from dycl.frontend.foreign import ForeignKind
from dycl.frontend.recorder import Recorder
from dycl.frontend.references import is_held
from dycl.frontend.rows import Rows
from dycl.frontend.values import Choice, Number, Unusable


class _Undefined:
    """The value of a variable or attribute that is not bound."""

    def __repr__(self) -> str:
        return "undefined"


UNDEFINED = _Undefined()


# ---------------------------------------------------------------------------------------------------------------------
# Locations


@dataclasses.dataclass(frozen=True, eq=False)
class Location:
    """A place that user code can write. `key` is equal for equal places."""

    key: tuple[Any, ...]
    name: str
    """As a message says it: "`x`", "`self.count`"."""

    def get(self) -> Any:
        raise NotImplementedError

    def set(self, value: Any) -> None:
        raise NotImplementedError

    @property
    def journaled(self) -> Location:
        """The place whose old value a journal keeps before this one is written."""
        return self


@dataclasses.dataclass(frozen=True, eq=False)
class CellLocation(Location):
    """A local variable."""

    cell: types.CellType

    @staticmethod
    def of(name: str, cell: types.CellType) -> CellLocation:
        return CellLocation(("cell", id(cell)), f"`{name}`", cell)

    def get(self) -> Any:
        try:
            return self.cell.cell_contents
        except ValueError:
            return UNDEFINED

    def set(self, value: Any) -> None:
        if value is not UNDEFINED:
            self.cell.cell_contents = value
        elif self.get() is not UNDEFINED:
            del self.cell.cell_contents


@dataclasses.dataclass(frozen=True, eq=False)
class AttributeLocation(Location):
    """An attribute of an object or module."""

    owner: Any

    @staticmethod
    def of(owner: Any, attribute: str) -> AttributeLocation:
        return AttributeLocation(("attribute", id(owner), attribute), f"`{type(owner).__name__}.{attribute}`", owner)

    def get(self) -> Any:
        name = self.key[2]
        if is_computed(self.owner, name):
            return UNDEFINED  # Reading it would compute it.
        return getattr(self.owner, name, UNDEFINED)

    def set(self, value: Any) -> None:
        buffers = self.owner._buffers if isinstance(self.owner, nn.Module) else {}  # pyright: ignore[reportPrivateUsage]
        if self.key[2] in buffers and value is not UNDEFINED:
            buffers[self.key[2]] = value  # a module takes tensors only, and a choice is none
        elif value is not UNDEFINED:
            setattr(self.owner, self.key[2], value)
        elif self.get() is not UNDEFINED:
            delattr(self.owner, self.key[2])


def is_computed(owner: Any, name: str) -> bool:
    """Whether an attribute has no value of its own yet, and reading it runs code that may give it one.

    So do `functools.cached_property`, and descriptors like it.
    """
    accessor = _class_attribute(type(owner), name)
    if isinstance(accessor, _PLAIN_ACCESSORS) or not hasattr(type(accessor), "__get__"):
        return False
    return not hasattr(type(accessor), "__set__") and name not in getattr(owner, "__dict__", ())


_PLAIN_ACCESSORS = (type(None), types.FunctionType, classmethod, staticmethod, type)


def _class_attribute(cls: type, name: str) -> Any:
    """What a class or one of its bases says of an attribute; None if nothing."""
    return next((vars(c)[name] for c in cls.__mro__ if name in vars(c)), None)


@dataclasses.dataclass(frozen=True, eq=False)
class ContainerLocation(Location):
    """The contents of a list, dict or set; its value is a shallow copy."""

    owner: Any

    @staticmethod
    def of(owner: Any) -> ContainerLocation:
        return ContainerLocation(("container", id(owner)), f"a {type(owner).__name__}", owner)

    def get(self) -> Any:
        return Contents(self.owner)

    def set(self, value: Any) -> None:
        assert isinstance(value, Contents)
        if isinstance(self.owner, list):
            self.owner[:] = value.items
        else:
            self.owner.clear()
            self.owner.update(
                zip(value.keys, value.items, strict=True)
                if isinstance(self.owner, dict)
                else [*value.keys[0], *value.items]
            )


@dataclasses.dataclass(frozen=True, eq=False)
class ForeignLocation(Location):
    """The contents of an object of a class that dycl does not follow: a deque, an array, a buffer, a generator."""

    owner: Any
    kind: ForeignKind

    @staticmethod
    def of(owner: Any, kind: ForeignKind) -> ForeignLocation:
        cls = type(owner).__name__
        name = kind.name or f"{'an' if cls[0] in 'aeiou' else 'a'} {cls}"
        return ForeignLocation(("foreign", id(owner)), name, owner, kind)

    def get(self) -> Any:
        return ForeignContents(self.kind, self.kind.keep(self.owner))

    def set(self, value: Any) -> None:
        assert isinstance(value, ForeignContents)
        self.kind.put(self.owner, value.kept)


@dataclasses.dataclass(frozen=True, eq=False)
class ItemLocation(Location):
    """One item of a list or dict that keeps its length and keys."""

    owner: Any

    @staticmethod
    def of(owner: Any, index: Any) -> ItemLocation:
        return ItemLocation(("item", id(owner), index), f"item {index!r} of a {type(owner).__name__}", owner)

    def get(self) -> Any:
        return entries_in(self.owner) if isinstance(self.owner, set) else self.owner[self.key[2]]

    def set(self, value: Any) -> None:
        if isinstance(self.owner, set):
            self.owner.clear()
            self.owner.add(value)
        else:
            self.owner[self.key[2]] = value

    @property
    def journaled(self) -> Location:
        return ContainerLocation.of(self.owner)


_SET_FIRST: dict[contextvars.ContextVar[Any], contextvars.Token[Any]] = {}
"""The tokens of context variables that had no value before dycl gave them one: what unsets them again."""


@dataclasses.dataclass(frozen=True, eq=False)
class ContextLocation(Location):
    """The value of a context variable."""

    variable: contextvars.ContextVar[Any]

    @staticmethod
    def of(variable: contextvars.ContextVar[Any]) -> ContextLocation:
        return ContextLocation(("context", id(variable)), f"the context variable `{variable.name}`", variable)

    def get(self) -> Any:
        return self.variable.get(UNDEFINED)

    def set(self, value: Any) -> None:
        if value is not UNDEFINED:
            token = self.variable.set(value)
            if token.old_value is contextvars.Token.MISSING:
                _SET_FIRST[self.variable] = token
        elif self.get() is not UNDEFINED:
            self.variable.reset(_SET_FIRST.pop(self.variable))


class Contents:
    """A copy of what a container holds. What a set holds counts as keys: its items have no place."""

    def __init__(self, owner: Any) -> None:
        self.keys: tuple[Any, ...] = ()
        self.items: list[Any] = []
        if isinstance(owner, set):
            entries = entries_in(owner)
            self.keys = (frozenset() if entries is not None else frozenset(owner),)
            self.items = [] if entries is None else [entries]
        elif isinstance(owner, dict):
            self.keys, self.items = tuple(owner), list(owner.values())
        else:
            self.items = list(owner)

    def __len__(self) -> int:
        return len(self.items) if self.items or not self.keys else len(self.keys[0])

    @property
    def indices(self) -> tuple[Any, ...]:
        return self.keys if self.keys else tuple(range(len(self.items)))

    def same_places(self, other: Contents) -> bool:
        """Whether both have a list's length, or a dict's keys, in common; sets, that they hold the same."""
        return len(self.items) == len(other.items) and self.keys == other.keys

    def same(self, other: Contents) -> bool:
        return (
            len(self.items) == len(other.items)
            and self.keys == other.keys
            and all(a is b for a, b in zip(self.items, other.items, strict=True))
        )


class ForeignContents:
    """A copy of what such an object holds. The tensors in it stay what they are: sides may not leave others."""

    def __init__(self, kind: ForeignKind, kept: Any) -> None:
        self.kind = kind
        self.kept = kept

    def same(self, other: ForeignContents) -> bool:
        return self.kind.same(self.kept, other.kept)


@dataclasses.dataclass(frozen=True, eq=False)
class TensorLocation(Location):
    """The contents of a tensor; its value is the recorded tensor it stands for."""

    tensor: FunctionalTensor
    recorder: Recorder

    @staticmethod
    def of(tensor: FunctionalTensor, recorder: Recorder) -> TensorLocation:
        return TensorLocation(("tensor", id(tensor)), "a tensor that is written in place", tensor, recorder)

    def get(self) -> Any:
        return self.recorder.unwrap(self.tensor)

    def set(self, value: Any) -> None:
        if self.get() is not value:
            self.recorder.overwrite(self.tensor, value)


def _differs(a: Any, b: Any) -> bool:
    if isinstance(a, Contents) and isinstance(b, Contents):
        return not a.same(b)
    if isinstance(a, ForeignContents) and isinstance(b, ForeignContents):
        return not a.same(b)
    return a is not b


# ---------------------------------------------------------------------------------------------------------------------
# Journal and snapshots


class Journal:
    """The old values of attributes and containers, in the order they were overwritten."""

    def __init__(self) -> None:
        self.entries: list[tuple[Location, Any]] = []
        self._last: dict[tuple[Any, ...], int] = {}
        self._mark = 0
        # One location for each place, so that the journal holds one reference to its owner.
        self._locations: dict[tuple[Any, ...], Location] = {}
        self.keeps_as_memo: Callable[[Location, Any, Any], bool] = lambda *_: False
        """Says of a place, what it held and what it holds whether it is a memo (`memos.py`), and keeps that."""

    def mark(self) -> int:
        self._mark = len(self.entries)
        return self._mark

    def touch(self, location: Location) -> None:
        """To be called before a location is written."""
        # One old value since the newest mark is enough for every snapshot.
        if self._last.get(location.key, -1) >= self._mark:
            return
        location = self._locations.setdefault(location.key, location)
        self._last[location.key] = len(self.entries)
        self.entries.append((location, location.get()))

    def since(self, mark: int) -> dict[tuple[Any, ...], tuple[Location, Any]]:
        """The locations written since the mark, with their values at the mark."""
        found: dict[tuple[Any, ...], tuple[Location, Any]] = {}
        for location, old in self.entries[mark:]:
            found.setdefault(location.key, (location, old))
        return found

    def undo(self, mark: int) -> None:
        for location, old in reversed(self.entries[mark:]):
            location.set(old)
        del self.entries[mark:]
        self._last = {key: index for key, index in self._last.items() if index < mark}
        self._mark = min(self._mark, mark)


def _is_forgotten(location: Location) -> bool:
    """Whether nothing but the journal knows the owner any more: a list that a helper made, filled and dropped."""
    if not isinstance(location, (AttributeLocation, ContainerLocation, ForeignLocation)):
        return False
    return not is_held([location.owner], known=1)  # the location's


Delta = dict[tuple[Any, ...], tuple[Location, Any]]
"""Changed locations by key, each with its new value, frozen."""


class Snapshot:
    """The state at the start of a branch or loop."""

    def __init__(self, cells: Iterable[CellLocation], journal: Journal, recorder: Recorder) -> None:
        self._journal = journal
        self._recorder = recorder
        self._values: dict[tuple[Any, ...], tuple[Location, Any]] = {}
        for cell in cells:
            self._values[cell.key] = (cell, cell.get())
        for tensor, raw in recorder.seen_here(recorder.live_tensors()):
            location = TensorLocation.of(tensor, recorder)
            self._values[location.key] = (location, raw)
        self._mark = journal.mark()

    def _bases(self) -> dict[tuple[Any, ...], tuple[Location, Any]]:
        return {**self._journal.since(self._mark), **self._values}

    def base(self, location: Location) -> Any:
        """The location's value at the snapshot; a location that was not written has it still."""
        found = self._bases().get(location.key)
        return found[1] if found is not None else location.get()

    def tensors(self) -> list[FunctionalTensor]:
        """The tensors of user code that existed at the snapshot."""
        return [location.tensor for location, _ in self._values.values() if isinstance(location, TensorLocation)]

    def delta(self) -> Delta:
        """What has changed since the snapshot. To be called while the side that made the changes is being recorded."""
        changed: Delta = {}
        for key, (location, base) in self._bases().items():
            if _is_forgotten(location):
                continue
            now = location.get()
            if _differs(now, base) and not self._journal.keeps_as_memo(location, base, now):
                changed[key] = (location, freeze(now, self._recorder))
        return changed

    def delta_by_item(self) -> Delta:
        """The same, but with each changed item of a list or dict by itself, where its length and keys are as before.

        The other items stay the objects that they are: a tensor that is another variable's too, a constant.
        """
        changed: Delta = {}
        for key, (location, value) in self.delta().items():
            if isinstance(value, FrozenContents) and isinstance(location, ContainerLocation):
                by_item = self._changed_items(location, value)
                if by_item is not None:
                    changed.update(by_item)
                    continue
            changed[key] = (location, value)
        return changed

    def _changed_items(self, location: ContainerLocation, after: FrozenContents) -> Delta | None:
        before: Contents = self.base(location)
        contents = after.contents
        if not contents.same_places(before):
            return None
        changed: Delta = {}
        for index, old, new, frozen in zip(contents.indices, before.items, contents.items, after.items, strict=True):
            if old is not new:
                item = ItemLocation.of(location.owner, index)
                changed[item.key] = (item, frozen)
        return changed

    def undo(self) -> None:
        """Puts everything back as it was."""
        self._journal.undo(self._mark)
        for location, base in self._values.values():
            if location.get() is not base:
                location.set(base)

    def redo(self, delta: Delta) -> None:
        """Applies the changes of a side again, to go on in it."""
        for location, value in delta.values():
            self.write(location, value.contents if isinstance(value, FrozenContents) else thaw(value))

    def write(self, location: Location, value: Any) -> None:
        if not isinstance(location, (CellLocation, TensorLocation)):
            self._journal.touch(location.journaled)
        location.set(value)


# ---------------------------------------------------------------------------------------------------------------------
# Frozen values


@dataclasses.dataclass(frozen=True, eq=False)
class FrozenTensor:
    """A tensor or number as it stood at the end of a side."""

    raw: torch.Tensor
    original: FunctionalTensor | Number | torch.Tensor


@dataclasses.dataclass(frozen=True, eq=False)
class FrozenNode:
    """A tuple, list, dict, namedtuple or dataclass, and its items at the end of a side."""

    original: Any
    keys: tuple[Any, ...]
    items: tuple[Any, ...]

    @property
    def kind(self) -> tuple[Any, ...]:
        return (type(self.original), self.keys, len(self.items))

    def rebuild(self, items: list[Any]) -> Any:
        """A new value of the same type with other items."""
        if isinstance(self.original, (Rows, Entries)):
            return self.original.with_stacks(items)
        cls = type(self.original)
        if isinstance(self.original, dict):
            return _dict_like(self.original, dict(zip(self.keys, items, strict=True)))
        if dataclasses.is_dataclass(self.original):
            fresh = object.__new__(cls)
            for key, item in zip(self.keys, items, strict=True):
                object.__setattr__(fresh, key, item)
            return fresh
        if hasattr(cls, "_fields"):
            return cls(*items)
        return cls(items)


@dataclasses.dataclass(frozen=True, eq=False)
class FrozenContents:
    """The contents of a container that both sides share."""

    contents: Contents
    items: tuple[Any, ...]

    def rebuild(self, items: list[Any]) -> Contents:
        fresh = object.__new__(Contents)
        fresh.keys, fresh.items = self.contents.keys, items
        return fresh


@dataclasses.dataclass(frozen=True)
class _AttributeKey:
    """The key of an attribute among the items of a dict of a class of the user's."""

    name: str


def _own_attributes(value: dict[Any, Any]) -> dict[_AttributeKey, Any]:
    """The attributes of a dict of a class of the user's, but for those that only repeat an item."""
    found = getattr(value, "__dict__", {})
    return {_AttributeKey(n): v for n, v in found.items() if n not in value or dict.__getitem__(value, n) is not v}


def _dict_like(original: dict[Any, Any], items: dict[Any, Any]) -> dict[Any, Any]:
    """A new dict of the class of `original`, without running its methods, from items by key and `_AttributeKey`."""
    cls = type(original)
    fresh: dict[Any, Any] = cls.__new__(cls)
    if isinstance(original, defaultdict) and isinstance(fresh, defaultdict):
        fresh.default_factory = original.default_factory
    store: Any = OrderedDict.__setitem__ if isinstance(fresh, OrderedDict) else dict.__setitem__
    for key, item in items.items():
        if not isinstance(key, _AttributeKey):
            store(fresh, key, item)
    for name in getattr(original, "__dict__", {}):
        # An attribute that repeated the item of its name goes on doing so.
        vars(fresh)[name] = items[_AttributeKey(name)] if _AttributeKey(name) in items else items[name]
    return fresh


@dataclasses.dataclass(frozen=True, eq=False)
class FrozenChoice:
    """A value of several kinds: `values[tag]`, each frozen; the tag is a recorded tensor, or a known int."""

    original: Any
    tag: torch.Tensor | int
    values: tuple[Any, ...]

    def rebuild(self, tag: torch.Tensor | int, values: list[Any]) -> Unusable:
        """A new value that is refused for the same reason, with other alternatives."""
        return Unusable.with_choice(self.original, Choice(tag, tuple(values)))


def freeze(value: Any, recorder: Recorder) -> Any:
    """The value with the tensors inside it taken down to recorded ones; a frozen value as it is."""
    if isinstance(value, (FrozenTensor, FrozenNode, FrozenContents, FrozenChoice)):
        return value
    if isinstance(value, Unusable):
        choice = Unusable.choice(value)
        if choice is None:
            return value
        return FrozenChoice(value, choice.tag, tuple(freeze(v, recorder) for v in choice.values))
    if isinstance(value, FunctionalTensor):
        return FrozenTensor(recorder.unwrap(value), value)
    if isinstance(value, Number):
        tensor = value.tensor
        raw = recorder.unwrap(tensor) if isinstance(tensor, FunctionalTensor) else tensor
        return FrozenTensor(raw, value)
    if isinstance(value, torch.Tensor):
        return FrozenTensor(value, value)
    if isinstance(value, Contents):
        return FrozenContents(value, tuple(freeze(v, recorder) for v in value.items))
    node = _as_node(value)
    if node is None:
        return value
    keys, items = node
    return FrozenNode(value, keys, tuple(freeze(v, recorder) for v in items))


def _as_node(value: Any) -> tuple[tuple[Any, ...], tuple[Any, ...]] | None:
    cls: type[Any] = type(value)
    if cls in (torch.Size, range, str):
        return None
    if isinstance(value, (Rows, Entries)):
        return (value.form,), value.stacks
    if isinstance(value, (set, frozenset)):
        entries = entries_in(value)
        return None if entries is None else ((), (entries,))
    if isinstance(value, (tuple, list)):
        return (), tuple(value)
    if isinstance(value, dict):
        items = {**dict(dict.items(value)), **_own_attributes(value)}
        return tuple(items), tuple(items.values())
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        names = tuple(f.name for f in dataclasses.fields(value))
        return names, tuple(getattr(value, n, UNDEFINED) for n in names)
    return None


def holds(value: Any, owner: Any) -> bool:
    """Whether a frozen value is a certain object, or holds it."""
    if thaw(value) is owner:
        return True
    if isinstance(value, (FrozenNode, FrozenContents)):
        return any(holds(item, owner) for item in value.items)
    return isinstance(value, FrozenChoice) and any(holds(one, owner) for one in value.values)


def refreshed(value: Any, recorder: Recorder) -> Any:
    """A frozen value as user code would have it, with new tensors over the recorded ones."""
    if isinstance(value, FrozenTensor):
        wrapped = recorder.wrap(value.raw)
        return Number(wrapped, value.original.type) if isinstance(value.original, Number) else wrapped
    if isinstance(value, (FrozenNode, FrozenContents)):
        return value.rebuild([refreshed(v, recorder) for v in value.items])
    return thaw(value)


def after_side(value: Any, delta: Delta) -> Any:
    """A frozen value that a side did not assign, with what the side has written in place in it.

    Tensors, the contents of lists, dicts and sets, and the attributes of dataclasses.
    """
    if isinstance(value, FrozenTensor):
        written = delta.get(("tensor", id(value.original)))
        return FrozenTensor(written[1].raw, value.original) if written is not None else value
    if isinstance(value, FrozenNode):
        return _node_after_side(value, delta)
    if isinstance(value, FrozenContents):
        return FrozenContents(value.contents, tuple(after_side(v, delta) for v in value.items))
    if isinstance(value, FrozenChoice):
        return FrozenChoice(value.original, value.tag, tuple(after_side(v, delta) for v in value.values))
    return value


def _node_after_side(node: FrozenNode, delta: Delta) -> FrozenNode:
    owner = node.original
    if isinstance(owner, (Rows, Entries)):  # which nobody writes to
        return FrozenNode(owner, node.keys, tuple(after_side(item, delta) for item in node.items))
    items = dict(zip(node.keys or range(len(node.items)), node.items, strict=True))
    container = delta.get(("container", id(owner)))
    if container is not None:
        attributes = {key: item for key, item in items.items() if isinstance(key, _AttributeKey)}
        after: FrozenContents = container[1]
        keys = after.contents.keys if isinstance(owner, dict) else tuple(range(len(after.items)))
        # As they stood at the end of the side.
        items = {**dict(zip(keys, after.items, strict=True)), **attributes}
    else:
        items = {key: after_side(item, delta) for key, item in items.items()}
    for key in items:
        name = key.name if isinstance(key, _AttributeKey) else key
        written = delta.get(("attribute", id(owner), name)) if isinstance(name, str) else None
        if written is not None:
            items[key] = written[1]
    keys = tuple(items) if isinstance(owner, dict) else node.keys
    return FrozenNode(owner, keys, tuple(items.values()))


def thaw(value: Any) -> Any:
    """The value that was frozen, itself."""
    return value.original if isinstance(value, (FrozenTensor, FrozenNode, FrozenChoice)) else value
