# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""In-place writes to what a loop carries, where another variable would see them.

In the body of a loop, a carried tensor is a placeholder with memory of its own. In the first iteration it is in truth
the tensor from before the loop, and in each further one what the iteration before left in its place: if either is
another variable's too, a write to one of the two would not reach the other, and is refused.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch._subclasses.functional_tensor import FunctionalTensor

from dycl.errors import SourceLocation, UnsupportedConstructError


@dataclass(eq=False)
class Origin:
    """What a carried tensor is in the first iteration.

    Attributes:
        place: the key of the place that holds it.
        storage: the memory of the tensor from before the loop.
        is_constant: that tensor is neither an argument, nor the model's, nor made by it: a global.
        written: whether something in the body writes to the one or the other, and where that is.
    """

    place: tuple[Any, ...]
    storage: Any
    is_constant: bool
    written: bool = False
    location: SourceLocation | None = None


class CarriedMemory:
    """The memory of carried tensors, and of what they are in the first iteration."""

    def __init__(self) -> None:
        self._origins: weakref.WeakKeyDictionary[Any, Origin] = weakref.WeakKeyDictionary()
        self._users: weakref.WeakKeyDictionary[Any, list[Origin]] = weakref.WeakKeyDictionary()

    def carry(
        self, place: tuple[Any, ...], carried: torch.Tensor, before: torch.Tensor, origin: Origin | None = None
    ) -> Origin:
        """Notes that `carried` stands for `before` in the first iteration; `origin` is known if others did already."""
        if origin is not None:
            self._origins[carried.untyped_storage()] = origin
            return origin
        origin = Origin(place, before.untyped_storage(), not isinstance(before, FunctionalTensor))
        self._origins[carried.untyped_storage()] = origin
        self._users.setdefault(origin.storage, []).append(origin)
        return origin

    def note_write(self, storage: Any, location: SourceLocation | None) -> None:
        """To be called before a tensor with this memory is written."""
        for user in self._users.get(storage, ()):
            user.written, user.location = True, location
        origin = self._origins.get(storage)
        if origin is not None:
            origin.written, origin.location = True, location
            self.note_write(origin.storage, location)


def check_iterations(
    origins: Iterable[Origin],
    after: Mapping[tuple[Any, ...], Iterable[torch.Tensor]],
    outside: Iterable[FunctionalTensor],
) -> None:
    """Refuses writes to a carried tensor that an iteration leaves as another variable's too.

    Args:
        origins: of all that the loop carries.
        after: the tensors that an iteration leaves in each place.
        outside: the tensors from before the loop.
    """
    origins = list(origins)
    holders: dict[Any, int] = {}
    for tensors in after.values():
        for tensor in {id(t): t for t in tensors}.values():
            holders[tensor.untyped_storage()] = holders.get(tensor.untyped_storage(), 0) + 1
    before: dict[Any, int] = {}
    for origin in origins:
        before[origin.storage] = before.get(origin.storage, 0) + 1
    known = {t.untyped_storage() for t in outside}
    for origin in origins:
        if not origin.written:
            continue
        left = {t.untyped_storage() for t in after.get(origin.place, ())}
        if before[origin.storage] > 1 or any(holders[s] > 1 or s in known for s in left):
            raise _refusal(origin)


def check_first_iteration(origins: Iterable[Origin], is_in_use: Callable[[Any], bool]) -> None:
    """Refuses writes to a carried tensor that was another variable's too before the loop.

    To be called when the loop has let go of its own references; `is_in_use` says whether others have some to tensors
    with that memory.
    """
    for origin in origins:
        if origin.written and (origin.is_constant or is_in_use(origin.storage)):
            raise _refusal(origin)


def _refusal(origin: Origin) -> UnsupportedConstructError:
    return UnsupportedConstructError(
        "an in-place write, in a loop on a tensor, to what in some iterations is another variable's too",
        hint="clone the tensor before the loop, or write `y = y + 1` instead of `y += 1`",
        location=origin.location,
    )
