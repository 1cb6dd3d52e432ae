# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Objects with contents that change and that dycl does not follow as it does lists, dicts and sets.

Of a deque, an array, a text buffer or a random number generator, dycl knows how to keep what it holds and how to put it
back. So each side of a condition finds it as it was before, and where the sides leave it otherwise, it is noticed.
"""

from __future__ import annotations

import array
import functools
import io
import operator
import pickle
import random
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from dycl.errors import UnsupportedConstructError
from dycl.frontend.iterators import FollowedIterator
from dycl.frontend.locations import here


@dataclass(frozen=True)
class ForeignKind:
    """What is known of a class.

    Attributes:
        cls: the class.
        changing: those of its methods that are in C and change an object; None for all that are in C.
        keep: a copy of what an object holds.
        put: puts such a copy back.
        same: whether two copies are equal.
        name: as a message says it; None for the name of the object's own class.
    """

    cls: type
    changing: frozenset[str] | None
    keep: Callable[[Any], Any]
    put: Callable[[Any, Any], Any]
    same: Callable[[Any, Any], bool] = operator.eq
    name: str | None = None

    def changes(self, method: str) -> bool:
        """Whether a method in C of that name may change an object."""
        return self.changing is None or method in self.changing


def _same_items(a: tuple[Any, ...], b: tuple[Any, ...]) -> bool:
    return len(a) == len(b) and all(map(operator.is_, a, b))


def _put_items(owner: deque[Any], items: tuple[Any, ...]) -> None:
    owner.clear()
    owner.extend(items)


def _put_slice(owner: Any, items: Any) -> None:
    owner[:] = items


def _put_array(owner: np.ndarray[Any, Any], kept: np.ndarray[Any, Any]) -> None:
    if owner.shape != kept.shape:
        owner.resize(kept.shape, refcheck=False)
    owner[...] = kept


def _same_arrays(a: np.ndarray[Any, Any], b: np.ndarray[Any, Any]) -> bool:
    return (a.dtype, a.shape, a.tobytes()) == (b.dtype, b.shape, b.tobytes())  # NaNs are equal, and -0.0 is not 0.0.


def _keep_buffer(owner: Any) -> tuple[Any, int]:
    return owner.getvalue(), owner.tell()


def _put_buffer(owner: Any, kept: tuple[Any, int]) -> None:
    owner.seek(0)
    owner.truncate()
    owner.write(kept[0])
    owner.seek(kept[1])


def _put_place(owner: FollowedIterator, place: int) -> None:
    owner.place = place


_InC: Any = random.Random.__base__
"""What a `Random` is before it is initialized, without the attribute that it has in Python."""

_LIST_METHODS = {"append", "extend", "insert", "pop", "remove", "reverse", "clear"}
_DEQUE_METHODS = {*_LIST_METHODS, "appendleft", "extendleft", "popleft", "rotate"}
_ARRAY_METHODS = {*_LIST_METHODS, "byteswap", "frombytes", "fromfile", "fromlist", "fromunicode"}
_NUMPY_METHODS = {"fill", "sort", "partition", "put", "resize", "setfield", "byteswap", "itemset", "setflags"}

_KINDS = (
    ForeignKind(deque, frozenset(_DEQUE_METHODS), tuple, _put_items, _same_items),
    ForeignKind(bytearray, frozenset(_LIST_METHODS), bytes, _put_slice),
    ForeignKind(array.array, frozenset(_ARRAY_METHODS), lambda owner: owner[:], _put_slice),
    ForeignKind(np.ndarray, frozenset(_NUMPY_METHODS), np.copy, _put_array, _same_arrays),
    ForeignKind(io.StringIO, None, _keep_buffer, _put_buffer),
    ForeignKind(io.BytesIO, None, _keep_buffer, _put_buffer),
    ForeignKind(random.Random, None, _InC.getstate, _InC.setstate),
    ForeignKind(
        np.random.RandomState,
        None,
        lambda owner: pickle.dumps(owner.get_state(legacy=False)),
        lambda owner, kept: owner.set_state(pickle.loads(kept)),
    ),
    ForeignKind(
        np.random.Generator,
        None,
        lambda owner: pickle.dumps(owner.bit_generator.state),
        lambda owner, kept: setattr(owner.bit_generator, "state", pickle.loads(kept)),
    ),
    ForeignKind(FollowedIterator, None, operator.attrgetter("place"), _put_place, name="an iterator"),
)


@functools.lru_cache(maxsize=4096)
def _kind_of_class(cls: type) -> ForeignKind | None:
    return next((kind for kind in _KINDS if issubclass(cls, kind.cls)), None)


def foreign_kind(owner: Any) -> ForeignKind | None:
    """What is known of an object's class; None for all but a few classes."""
    return _kind_of_class(type(owner))


_GLOBAL_GENERATORS = (getattr(random.random, "__self__", None), getattr(np.random.random, "__self__", None))


def refuse_global_generator(owner: Any) -> None:
    """Refuses the random number generators that all of a process shares: a model that draws from them is no function.

    Raises:
        UnsupportedConstructError: `owner` is one.
    """
    if any(owner is generator for generator in _GLOBAL_GENERATORS):
        raise UnsupportedConstructError(
            "a random number, which is another one in each call of the model",
            hint="draw it outside, and pass it to the model",
            location=here(),
        )
