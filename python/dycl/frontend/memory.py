# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""In-place writes that another name would see: what the memory of joined and of carried tensors is in truth.

A tensor that a join makes has memory of its own, and so has the placeholder that stands for a carried tensor in the
body of a loop. In truth the one is on each path what that side made; the other is in the first iteration the tensor
from before the loop, and in each further one what the iteration before left in its place. If that is another name's
too, a write to one of the two would not reach the other.
"""

from __future__ import annotations

import weakref
from collections.abc import Iterable, Sequence, Set
from dataclasses import dataclass, field
from typing import Any

import torch
from torch._subclasses.functional_tensor import FunctionalTensor

from dycl.errors import SourceLocation, UnsupportedConstructError
from dycl.frontend.holders import is_in_use
from dycl.frontend.values import SharedObjectError, Site

Storage = Any
"""A `torch.UntypedStorage`: the same object for every tensor that shares it."""

Write = tuple[Storage, SourceLocation | None]
"""What is written in place, and where."""


@dataclass(eq=False)
class Origin:
    """What a carried tensor is in the first iteration.

    Attributes:
        storage: the memory of the tensor from before the loop.
        is_constant: that tensor is neither an argument, nor the model's, nor made by it: a global.
    """

    storage: Storage
    is_constant: bool


@dataclass(eq=False)
class CarriedTensor:
    """One tensor that a loop carries.

    Attributes:
        origin: stands for its placeholder.
        left: what an iteration may leave there.
    """

    origin: Origin
    left: list[Storage]
    held: list[Storage] = field(default_factory=list)
    """What it may be at the start of an iteration, of the memory from before the loop."""


class Memory:
    """What the memory of carried and of joined tensors is in truth."""

    def __init__(self) -> None:
        self._origins: weakref.WeakKeyDictionary[Storage, Origin] = weakref.WeakKeyDictionary()
        self._joined: weakref.WeakKeyDictionary[Storage, list[tuple[Storage, Site | None]]] = (
            weakref.WeakKeyDictionary()
        )
        self._sources: weakref.WeakSet[Storage] = weakref.WeakSet()
        self.writes: list[list[Write]] = []
        """Who wants to know of in-place writes."""

    def carry(self, carried: torch.Tensor, before: torch.Tensor, origin: Origin | None = None) -> Origin:
        """Notes that `carried` stands for `before` in the first iteration; `origin` is known if others did already."""
        origin = origin or Origin(before.untyped_storage(), not isinstance(before, FunctionalTensor))
        self._origins[carried.untyped_storage()] = origin
        return origin

    def join(self, joined: Storage, other: Storage, site: Site | None) -> None:
        """Notes that on some path the memory of a joined tensor is another."""
        if joined is other:
            return
        self._joined.setdefault(joined, []).append((other, site))
        self._sources.add(other)

    def check_write(
        self, storage: Storage, live: Iterable[weakref.ref[FunctionalTensor]], location: SourceLocation | None
    ) -> None:
        """To be called before a tensor with this memory is written.

        Raises:
            SharedObjectError: on some path it is another variable's too, and on some it is not.
        """
        for writes in self.writes:
            writes.append((storage, location))
        if storage not in self._joined and storage not in self._sources:
            return
        truths = self._truths(storage)
        live = list(live)
        checked: set[int] = set()
        for reference in live:
            tensor = reference()
            other = None if tensor is None else tensor.untyped_storage()
            del tensor
            if other is None or other is storage or id(other) in checked:
                continue
            checked.add(id(other))
            common = next((t for t in self._truths(other) if any(t[0] is s for s, _ in truths)), None)
            if common is not None and is_in_use(other, live):
                raise SharedObjectError(
                    "an in-place write to a tensor that on one side of a condition is another variable's too",
                    hint="write `y = y + 1` instead of `y += 1`, or clone it first",
                    location=location,
                    site=common[1] or next((site for s, site in truths if s is common[0]), None),
                )

    def _truths(self, storage: Storage) -> list[tuple[Storage, Site | None]]:
        """What joined memory may be, itself included, with the last site that decides it."""
        found: list[tuple[Storage, Site | None]] = [(storage, None)]
        for known, _ in found:
            found.extend(j for j in self._joined.get(known, ()) if not any(j[0] is s for s, _ in found))
        return found

    def find_held(self, tensors: Sequence[CarriedTensor], outside: Iterable[Storage]) -> None:
        """Fills in `held`; `outside` is the memory from before the loop."""
        left = self._left(tensors)
        by_origin = {id(t.origin): t for t in tensors}
        known = {id(s) for s in [*outside, *(t.origin.storage for t in tensors)]}
        for tensor in tensors:
            tensor.held = [tensor.origin.storage]
        changed = True
        while changed:
            changed = False
            for tensor, atoms in zip(tensors, left, strict=True):
                for atom in atoms:
                    # What an iteration leaves in one place may be another's value in it.
                    source = by_origin.get(id(atom))
                    candidates = source.held if source is not None else [atom] if id(atom) in known else []
                    fresh = [c for c in candidates if not any(c is h for h in tensor.held)]
                    tensor.held.extend(fresh)
                    changed = changed or bool(fresh)

    def _left(self, tensors: Sequence[CarriedTensor]) -> list[list[Any]]:
        own = {id(t.origin) for t in tensors}
        return [self._atoms(t.left, own) for t in tensors]

    def conflict(
        self,
        tensors: Sequence[CarriedTensor],
        writes: Iterable[Write],
        live: Iterable[weakref.ref[FunctionalTensor]],
    ) -> Write | None:
        """A write in the body to what, in some iteration, is one of the carried tensors and another name's too.

        Args:
            tensors: what the loop carries, and what it may be.
            writes: what its body writes in place.
            live: the tensors of user code that exist, without what the carried places hold before the loop.
        """
        own = {id(t.origin) for t in tensors}
        written = {id(atom): write for write in reversed([*writes]) for atom in self._atoms([write[0]], own)}
        if not written:
            return None
        for a, b in _same(tensors, self._left(tensors)):
            if id(a.origin) in written or id(b.origin) in written:
                return written.get(id(a.origin)) or written[id(b.origin)]
        constants = {id(t.origin.storage) for t in tensors if t.origin.is_constant}
        for tensor in tensors:
            for storage in tensor.held:
                if id(storage) in written:
                    return written[id(storage)]
                if id(tensor.origin) in written and (id(storage) in constants or is_in_use(storage, live)):
                    return written[id(tensor.origin)]
        return None

    def _atoms(self, storages: Iterable[Storage], own: Set[int]) -> list[Any]:
        """What memory may be in truth: an origin, for a placeholder of this loop, or memory that is no placeholder."""
        todo = list(storages)
        found: list[Any] = []
        for storage in todo:
            origin = self._origins.get(storage)
            if origin is not None and id(origin) in own:
                found.append(origin)
                continue
            found.append(storage)
            further = [s for s, _ in self._joined.get(storage, ())] + ([origin.storage] if origin is not None else [])
            todo.extend(s for s in further if not any(s is t for t in todo))
        return found


def _same(tensors: Sequence[CarriedTensor], left: Sequence[Sequence[Any]]) -> list[tuple[CarriedTensor, CarriedTensor]]:
    """The carried tensors that may be one at the start of an iteration."""
    pairs = [(i, j) for i in range(len(tensors)) for j in range(i)]
    same = {(i, j) for i, j in pairs if tensors[i].origin.storage is tensors[j].origin.storage}

    def are_left_as_one(i: int, j: int) -> bool:
        a, b = ({id(atom) for atom in left[k]} for k in (i, j))
        ends = [(id(tensors[x].origin), id(tensors[y].origin)) for x, y in same]
        return bool(a & b) or any((x in a and y in b) or (y in a and x in b) for x, y in ends)

    while fresh := [pair for pair in pairs if pair not in same and are_left_as_one(*pair)]:
        same.update(fresh)
    return [(tensors[i], tensors[j]) for i, j in same]


def refusal(write: Write) -> UnsupportedConstructError:
    return UnsupportedConstructError(
        "an in-place write, in a loop on a tensor, to what in some iterations is another variable's too",
        hint="clone the tensor before the loop, or write `y = y + 1` instead of `y += 1`",
        location=write[1],
    )
