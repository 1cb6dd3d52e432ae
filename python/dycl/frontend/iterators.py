# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Iterators of the user's program, whose place is state: each path moves them on by itself.

An iterator in C, or a generator, cannot be put back to where it was. One that the user's program makes is therefore
followed: how many items it has given is its contents, which the journal keeps as it keeps those of a deque. Where a
path finds it put back, and asks it for an item that another path took, it is refused.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any, TypeGuard

from dycl.errors import UnsupportedConstructError
from dycl.frontend.locations import here


class FollowedIterator:
    """An iterator that reports before it is moved on.

    Attributes:
        place: how many items it has given on the path that is open. The end counts as one.

    Args:
        inner: what gives the items.
        touch: is told of this iterator before it is moved on.
    """

    def __init__(self, inner: Any, touch: Callable[[Any], None]) -> None:
        self._inner = inner
        self._touch = touch
        self._given = 0
        self._has_ended = False
        self.place = 0

    @property
    def __class__(self) -> type:  # pyright: ignore[reportIncompatibleMethodOverride]
        return type(self._inner)

    def __iter__(self) -> FollowedIterator:
        return self

    def __next__(self) -> Any:
        return self._move(lambda: next(self._inner))

    def send(self, value: Any) -> Any:
        return self._move(lambda: self._inner.send(value))

    def throw(self, *error: Any) -> Any:
        return self._move(lambda: self._inner.throw(*error))

    def close(self) -> None:
        self._move(self._inner.close)
        self._has_ended = True

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)  # such as `gi_frame` of a generator

    def leave_anywhere(self) -> None:
        """To be called where it depends on data how far it is. When it is asked for another item, that is refused."""
        self._given += 1  # One that no path took.

    def __length_hint__(self) -> int:
        return operator.length_hint(self._inner) if self.place == self._given else 0

    def __copy__(self) -> Any:
        raise UnsupportedConstructError(
            "a copy of an iterator", hint="make a list of it first, and copy that", location=here()
        )

    def __deepcopy__(self, memo: Any) -> Any:
        return self.__copy__()

    def __reduce_ex__(self, protocol: Any) -> Any:
        return self.__copy__()

    def _move(self, step: Callable[[], Any]) -> Any:
        self._touch(self)
        if self.place != self._given:
            raise UnsupportedConstructError(
                "an iterator, here, that was moved on on another path, or as far as data said",
                hint="make a list of it first, and index that",
                location=here(),
            )
        if self._has_ended:
            raise StopIteration
        # Also where it raises: what it did up to there cannot be undone.
        self._given += 1
        self.place = self._given
        try:
            return step()
        except StopIteration:
            self._has_ended = True
            raise


def is_plain_iterator(value: Any) -> bool:
    """Whether it is a generator or an iterator of Python's own, other than one that is more than that (a file)."""
    cls = type(value)
    return hasattr(cls, "__next__") and cls.__module__ in ("builtins", "itertools")


def is_followed(value: Any) -> TypeGuard[FollowedIterator]:
    return type(value) is FollowedIterator
