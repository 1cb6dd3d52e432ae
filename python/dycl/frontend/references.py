# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""How many references there are to an object: the only place that counts them.

Each question asked here decides what is right, none what is fast: whether the path that is open may still see an
object. Too high a count gives a refusal, too low a count would give a wrong answer. Two things keep it from that:

- Nothing depends on how many references the interpreter itself holds while it is asked, which differs between versions
  of CPython (gh-130704): an object is compared with a probe that only a list holds, counted by the same instruction.
- Whether each further holder adds to the count (a variable of a running function, an argument that waits for its call,
  an iterator in C) is checked when this module is loaded. Where one does not, every object is taken to be in use.
"""

from __future__ import annotations

import functools
import gc
import sys
from collections.abc import Callable, Generator, Sequence
from typing import Any

_PROBE = [object()]
"""Its item is held by nothing else."""


def is_held(items: Sequence[Any], index: int = 0, *, known: int = 0) -> bool:
    """Whether anything holds an item, other than the list or tuple and holders that the caller knows.

    The item must be in no variable of the caller's, which would count as a holder.

    Args:
        items, index: where the item is.
        known: how many references the caller can account for, that of `items` apart.
    """
    return not _counts_holders or _others(items, index) > known


def _others(items: Sequence[Any], index: int) -> int:
    """How many references there are to an item, that of the list or tuple apart."""
    return _count(items, index) - _count(_PROBE, 0)


def _count(items: Sequence[Any], index: int) -> int:
    return sys.getrefcount(items[index])


# What an interpreter has to count ------------------------------------------------------------------------------------


def counts_holders() -> bool:
    """Whether each holder of an object adds to the count of its references, and those that `gc` names add just one."""
    return _is_zero_without_holders() and all(map(_adds_one, _NAMED)) and all(check() for check in _HIDDEN)


class _Owner:
    def __init__(self, value: Any) -> None:
        self.value = value


def _cell(value: Any) -> Any:
    return (lambda: value).__closure__[0]  # pyright: ignore[reportOptionalSubscript]


_NAMED: tuple[Callable[[Any], Any], ...] = (
    lambda value: [value],
    lambda value: (value,),
    lambda value: {"key": value},
    _Owner,
    _cell,
)
"""Holders that the garbage collector names."""


def _is_zero_without_holders() -> bool:
    return _others([[]], 0) == 0 and _others([_Owner(None)], 0) == 0


def _adds_one(hold: Callable[[Any], Any]) -> bool:
    """Whether one more holder is one more reference, and `gc` says so."""
    items: list[Any] = [[]]
    holder = hold(items[0])
    named = [id(value) for value in gc.get_referents(holder)]
    return _others(items, 0) == 1 and named.count(id(items[0])) == 1


def _variable_counts() -> bool:
    items: list[Any] = [[]]
    variable = items[0]
    return _others(items, 0) >= 1 and variable is items[0]


def _argument_counts() -> bool:
    """A parameter of a function that calls on."""
    items: list[Any] = [[]]

    def function(parameter: Any) -> bool:
        return _others(items, 0) >= 1 and parameter is items[0]

    return function(items[0])


def _borrowed_variable_counts() -> bool:
    """A variable that is handed on as an argument, which a newer CPython passes without counting it again."""
    items: list[Any] = [[]]

    def outer() -> bool:
        variable = items[0]
        return inner(variable) and variable is not None

    def inner(parameter: Any) -> bool:
        return _others(items, 0) >= 1 and parameter is items[0]

    return outer()


def _pending_argument_counts() -> bool:
    """What is on the stack of a call whose other arguments are still computed."""
    items: list[Any] = [[]]
    found: list[bool] = []

    def note() -> None:
        found.append(_others(items, 0) >= 1)

    _ = (items[0], note())
    return found == [True]


def _generator_counts() -> bool:
    """A variable of a generator that waits."""
    items: list[Any] = [[]]

    def generator() -> Generator[int]:
        variable = items[0]
        yield 0
        yield len(variable)

    waiting = generator()
    next(waiting)
    return _others(items, 0) >= 1 and next(waiting) == 0


def _iterator_counts() -> bool:
    items: list[Any] = [[]]
    iterator = map(len, items[0])
    return _others(items, 0) >= 1 and next(iterator, None) is None


def _bound_argument_counts() -> bool:
    items: list[Any] = [[]]
    call = functools.partial(len, items[0])
    return _others(items, 0) >= 1 and call() == 0


_HIDDEN = (
    _variable_counts,
    _argument_counts,
    _borrowed_variable_counts,
    _pending_argument_counts,
    _generator_counts,
    _iterator_counts,
    _bound_argument_counts,
)
"""Holders that the garbage collector does not name, or not always."""

_counts_holders = counts_holders()
