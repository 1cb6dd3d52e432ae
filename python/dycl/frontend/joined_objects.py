# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Lists, dicts and dataclasses that are made where paths meet, and what they were made of.

Where one variable holds a list on one side of a condition and another list on the other, it holds a third one after it,
made by dycl. On each side it is one of the user's, which another variable may hold, too: a write to the one would have
to be seen in the other. So is what a loop leaves in a variable that its body assigns.
"""

from __future__ import annotations

import gc
import itertools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch

from dycl.frontend.holders import is_seen
from dycl.frontend.references import is_held
from dycl.frontend.values import Site

Conditions = tuple[tuple[torch.Tensor, bool], ...]
"""Recorded bools, each with what it is on some paths."""


@dataclass(eq=False)
class JoinedObject:
    """A list, dict or dataclass that was made of others, one of which it is on each path.

    Attributes:
        values: it, by itself in a list, so that it can be counted who else holds it.
        originals: what it was made of, in the order of the paths; None on a path that has none.
        site: the condition, or the end or the start of an iteration of a loop: the same for all that are made there.
        taken: the sides of other conditions on which that was.
        is_of_loop: a loop made it.
        predicate: the recorded bool that says which of two it is, the first where it holds; None if it does not.
    """

    values: list[Any]
    originals: list[Any]
    site: Site
    taken: Mapping[Any, Any] = field(default_factory=dict)
    is_of_loop: bool = False
    predicate: torch.Tensor | None = None


@dataclass(eq=False)
class InRows:
    """An object that is, or has become, an item of a list whose length depends on data, or part of one.

    Such a list holds what was in the object, and makes another one of it where the item is asked for.

    Attributes:
        owner: the object.
        site: the condition on whose sides the list is of other lengths; None if there is none.
        conditions: recorded bools, each with what it is on the paths on which the object is in the list.
    """

    owner: Any
    site: Site | None = None
    conditions: Conditions = ()


class JoinedObjects:
    """Those of a program, found by themselves and by what they were made of.

    Objects are named by their ids, since a variable that holds one would count as one who uses it.
    """

    def __init__(self) -> None:
        self._made: list[JoinedObject] = []  # which keeps ids from being given anew
        self._of: dict[int, JoinedObject] = {}
        self._near: dict[int, list[JoinedObject]] = {}
        """Those that an object is, or was made into."""
        self._noted: list[InRows] = []
        self._in_rows: dict[int, list[InRows]] = {}

    def add(self, made: JoinedObject) -> None:
        self._made.append(made)
        self._of[id(made.values[0])] = made
        for key in (id(made.values[0]), *_originals(made)):
            self._near.setdefault(key, []).append(made)

    def note_in_rows(self, noted: InRows) -> None:
        self._noted.append(noted)
        self._in_rows.setdefault(id(noted.owner), []).append(noted)

    def in_rows(self, owner: Any, is_excluded: Callable[[Conditions], bool]) -> InRows | None:
        """What was noted by `note_in_rows` that `owner` is on some path; None if there is none.

        Args:
            owner: an object that is about to be written to.
            is_excluded: says of conditions that they are not all so on the open path.
        """
        if not self._noted:
            return None
        todo: list[tuple[int, Conditions, frozenset[int]]] = [(id(owner), (), frozenset())]
        for ways in itertools.count():
            if not todo:
                return None
            key, conditions, behind = todo.pop()
            for noted in self._in_rows.get(key, ()):
                if ways > _MAX_WAYS or not is_excluded((*noted.conditions, *conditions)):
                    return noted
            behind |= {key}
            todo += [(one, (*conditions, *more), behind) for one, more in self._may_be(key) if one not in behind]
        return None

    def _may_be(self, key: int) -> Iterator[tuple[int, Conditions]]:
        """The objects that one is on some path, what it was made of or was made of it, each with what holds there."""
        for made in self._near.get(key, ()):
            joined = id(made.values[0])
            for place, original in enumerate(made.originals):
                at = () if made.predicate is None else ((made.predicate, place == 0),)
                if original is not None and key in (joined, id(original)):
                    yield (id(original) if key == joined else joined), at

    def mark(self) -> tuple[int, int]:
        return len(self._made), len(self._noted)

    def forget(self, marks: tuple[int, int]) -> None:
        """Forgets what was added since the mark."""
        mark, first_noted = marks
        for noted in reversed(self._noted[first_noted:]):
            self._in_rows[id(noted.owner)].pop()
        del self._noted[first_noted:]
        for made in reversed(self._made[mark:]):
            del self._of[id(made.values[0])]
            for key in (id(made.values[0]), *_originals(made)):
                self._near[key].pop()
                if not self._near[key]:
                    del self._near[key]
        del self._made[mark:]

    def shared(self, owner: Any, is_elsewhere: Callable[[Mapping[Any, Any]], bool]) -> JoinedObject | None:
        """The joined object because of which `owner` may be one with another object that is in use; None if none.

        Args:
            owner: may be a joined object, or what one was made of.
            is_elsewhere: says of `JoinedObject.taken` whether none of it is seen on the open path.
        """
        todo, seen = [id(owner)], {id(owner)}
        while todo:
            for made in self._near.get(todo.pop(), ()):
                if is_elsewhere(made.taken):
                    continue
                for key in (id(made.values[0]), *_originals(made)):
                    if key in seen:
                        continue
                    seen.add(key)
                    todo.append(key)
                    if self._may_be_one(id(owner), key) and self._is_in_use(made, key):
                        return made
        return None

    def _may_be_one(self, a: int, b: int) -> bool:
        """Whether two objects are one on some path."""
        todo, seen = [(a, b)], {(a, b)}
        while todo:
            a, b = todo.pop()
            if a == b:
                return True
            pairs: list[tuple[int, int]] = []
            first, second = self._of.get(a), self._of.get(b)
            if first is not None and second is not None and first.site is second.site:
                # Each path has one of the first and one of the second.
                pairs = list(zip(map(id, first.originals), map(id, second.originals), strict=True))
            else:
                pairs += [(key, b) for key in _originals(first)]
                pairs += [(a, key) for key in _originals(second)]
            pairs = [pair for pair in pairs if _NONE not in pair and pair not in seen]
            seen.update(pairs)
            todo += pairs
        return False

    def _is_in_use(self, made: JoinedObject, key: int) -> bool:
        """Whether anything but these records holds the object of that id, which is in one of `made`."""
        # No variable holds the object or one of the lists, which would count.
        one = [next(value for value in (*made.values, *made.originals) if id(value) == key)]
        known = sum(id(value) == key for near in self._near[key] for value in (*near.values, *near.originals))
        if not is_held(one, known=known) or not is_seen(one):
            return False
        # Garbage may hold it. Collecting takes a tenth of a second, so it comes last.
        return not gc.collect() or is_seen(one)


_NONE = id(None)

_MAX_WAYS = 256
"""How many ways are followed to what an object is made of; of what is behind them, all is taken for possible."""


def _originals(made: JoinedObject | None) -> list[int]:
    """The ids of what an object was made of, each once."""
    return [] if made is None else list({id(original): None for original in made.originals if original is not None})
