# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""What all operators share: the paths that they work on, the rewriter, and what is a user's."""

from __future__ import annotations

import builtins
import dis
import functools
import types
import warnings
from collections.abc import Callable
from typing import Any

from torch import nn

from dycl.errors import UnsupportedConstructError
from dycl.frontend.control import Control
from dycl.frontend.convert import Converter
from dycl.frontend.foreign import foreign_kind, refuse_global_generator
from dycl.frontend.iterators import FollowedIterator, is_plain_iterator
from dycl.frontend.locations import here, runs_as_it_is
from dycl.frontend.paths import BREAK, CONTINUE, Signal
from dycl.frontend.state import UNDEFINED, CellLocation, ContainerLocation, ForeignLocation
from dycl.frontend.values import Unusable, known, refuse

Body = Callable[[], Signal | None]

CONTAINERS = (list, dict, set)

MAX_CALL_DEPTH = 300
"""How deep calls of the user's functions may nest. Python's own limit would strike inside torch's C++, which aborts."""


class Core:
    """The operators of one capture.

    Args:
        control: branches, loops and jumps.
        adopt: called with each `nn.Module` before its first call, so that its weights are known.
        reported: the warnings that were given; the runs of one capture share it.
    """

    BREAK = BREAK
    CONTINUE = CONTINUE
    slice = builtins.slice

    def __init__(self, control: Control, adopt: Callable[[nn.Module], None], reported: set[str]) -> None:
        self.control = control
        self.adopt = adopt
        self.converter = Converter(self)
        self.call_depth = 0
        self._reported = reported
        self.foreign: dict[int, tuple[nn.Module, bool]] = {}
        """Modules, by id, with whether code of the user's is in them."""

    @staticmethod
    def Return(value: Any = None) -> Signal:  # noqa: N802 (reads as the statement it stands for)
        return Signal("return", value)

    @staticmethod
    def value(signal: Signal) -> Any:
        """What a function returns for a `return` in one of its bodies."""
        return signal.value

    @staticmethod
    def read(value: Any) -> Any:
        """The value of a variable that may be undefined on some path: Python raises there, whatever is done with it."""
        if isinstance(value, Unusable) and Unusable.may_be(value, UNDEFINED):
            found = known(value)
            if found is UNDEFINED:
                refuse(value)  # Traced apart, it is Python that raises.
            return found
        return value

    def function(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Makes each call of a rewritten function a place where its `return`s land."""
        self.control.share(written_outer_cells(function))

        @functools.wraps(function)
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            if self.call_depth >= MAX_CALL_DEPTH:
                raise UnsupportedConstructError(
                    f"more than {MAX_CALL_DEPTH} calls nest in each other",
                    hint="a recursion has to end on what is known at compile time, such as a depth or a list; "
                    "turn one on tensor values into a `while`",
                    location=here(),
                )
            self.call_depth += 1
            try:
                return self.control.function(lambda: function(*args, **kwargs))
            finally:
                self.call_depth -= 1

        return wrapper

    def attr(self, owner: Any, name: str) -> Any:
        """`owner.name`; see `objects.py`."""
        raise NotImplementedError

    def call(self, function: Any, /, *args: Any, **kwargs: Any) -> Any:
        """A call in user code; see `calls.py`."""
        raise NotImplementedError

    def warn(self, message: str, category: type[Warning]) -> None:
        """Warns of something at the user's place that runs now, once."""
        location = here()
        text = f"{location}: {message}"
        if text not in self._reported:
            self._reported.add(text)
            file, line = (location.file, location.line) if location else ("<unknown>", 0)
            warnings.warn_explicit(text, category, file, line)

    def touch(self, owner: Any) -> None:
        """To be called before an object is written to, other than an attribute."""
        self.control.check_joined(owner)
        if isinstance(owner, CONTAINERS):
            self.control.journal.touch(ContainerLocation.of(owner))
            return
        kind = foreign_kind(owner)
        if kind is not None:
            refuse_global_generator(owner)
            self.control.journal.touch(ForeignLocation.of(owner, kind))

    def iterator(self, value: Any) -> Any:
        """A value of the user's program; one that is an iterator in C, or a generator, reports when it is moved on."""
        if type(value) is tuple and any(map(is_plain_iterator, value)):
            return tuple(map(self.iterator, value))  # `itertools.tee`
        if not is_plain_iterator(value) or self.control.outside(value) is not None:
            return value
        return FollowedIterator(value, self.touch)

    def refuse_outside_iterator(self, value: Any) -> None:
        """To be called before an iterator is moved on: one that outlives the call may not be.

        Raises:
            UnsupportedConstructError: `value` is one.
        """
        if not hasattr(type(value), "__next__") or user_method(value, "__next__") is not None:
            return
        path = self.control.outside(value)
        if path is not None:
            raise UnsupportedConstructError(
                f"`{path}` is moved on, an iterator that stands elsewhere in the next call of the model",
                hint="keep a list, and the position in it as a number in an attribute of the model",
                location=here(),
            )


def user_method(owner: Any, name: str) -> Any:
    """A special method that a class of the user's defines in Python."""
    return method_of_class(type(owner), name)


def method_of_class(cls: type, name: str) -> Any:
    """The special method of a class, if it is the user's."""
    method = next((vars(c)[name] for c in cls.__mro__ if name in vars(c)), None)
    is_users = isinstance(method, types.FunctionType) and not runs_as_it_is(method.__code__.co_filename)
    return method if is_users else None


@functools.lru_cache(maxsize=4096)
def _written_free_names(code: types.CodeType) -> frozenset[str]:
    """The variables of enclosing functions that the code, or code nested in it, may bind or delete."""
    written = {i.argval for i in dis.get_instructions(code) if i.opname in ("STORE_DEREF", "DELETE_DEREF")}
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            written |= _written_free_names(constant)
    return frozenset(written & set(code.co_freevars))


def written_outer_cells(function: Any) -> list[CellLocation]:
    code = function.__code__
    cells = dict(zip(code.co_freevars, function.__closure__ or (), strict=True))
    return [CellLocation.of(name, cells[name]) for name in sorted(_written_free_names(code))]


def nothing() -> None:
    """The body of an absent `else`."""
    return
