# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Text that depends on data: what an f-string, `str` or `format` makes of numbers on data.

It may be made, put together, printed (which is left out) and be the message of an exception, which the program formats
when it raises. Whatever else asks for its characters is refused.
"""

from __future__ import annotations

import dataclasses
import itertools
import re
from collections.abc import Callable
from typing import Any, NoReturn

import torch
from torch.utils import _pytree as pytree

from dycl.errors import UnsupportedConstructError
from dycl.frontend.locations import here
from dycl.frontend.rows import Rows
from dycl.frontend.size_numbers import as_number
from dycl.frontend.sizes import Symbolic
from dycl.frontend.values import Number


@dataclasses.dataclass(frozen=True, eq=False)
class Piece:
    """A number in a text: `{number!conversion:spec}`."""

    number: Number
    conversion: str = ""
    spec: str = ""


class Unknown:
    """What stands in a text for one that the program cannot make: of a whole tensor, of a list."""


UNKNOWN = Unknown()


def is_on_data(value: Any) -> bool:
    """Whether a value has another text for other inputs: also a size that is not known, or a shape with one."""
    if isinstance(value, torch.Size):
        return any(isinstance(size, torch.SymInt) for size in value)
    return isinstance(value, (Number, torch.Tensor, Text, Rows, *Symbolic))


def holds_data(value: Any) -> bool:
    """Whether a value depends on data, or is a tuple, list or dict of some that do."""
    if is_on_data(value):
        return True
    leaves = tuple(value) if isinstance(value, torch.Size) else pytree.tree_leaves(value, is_leaf=_is_whole)
    return any(
        is_on_data(leaf) or (leaf is not value and isinstance(leaf, torch.Size) and holds_data(leaf)) for leaf in leaves
    )


def _is_whole(value: Any) -> bool:
    return is_on_data(value) or isinstance(value, torch.Size)


@dataclasses.dataclass(frozen=True, eq=False)
class Text:
    """A str that depends on data. A dataclass, so that two sides of a condition may join on it."""

    pieces: tuple[str | Piece | Unknown, ...]

    @staticmethod
    def of(value: Any) -> Text:
        """A str, or a text as it is."""
        return value if isinstance(value, Text) else Text((value,))

    def equals(self, other: str) -> Number | None:
        """Whether it is a given str; None where it cannot be, whatever the numbers.

        Raises:
            UnsupportedConstructError: not all numbers in it are ints or bools, as they are, apart from each other.
        """
        pattern, numbers = "", list[Number]()
        for before, piece in itertools.pairwise(("", *self.pieces)):
            if isinstance(piece, str):
                pattern += re.escape(piece)
                continue
            is_plain = isinstance(piece, Piece) and not piece.spec and piece.number.type is not float
            if not is_plain or isinstance(before, Piece):
                self._refuse()
            assert isinstance(piece, Piece)
            pattern += "(True|False)" if piece.number.type is bool else r"(0|-?[1-9]\d*)"
            numbers.append(piece.number)
        found = re.fullmatch(pattern, other, re.DOTALL)
        if found is None:
            return None
        result = Number.of(True)
        for number, text in zip(numbers, found.groups(), strict=True):
            value = text == "True" if number.type is bool else int(text)
            result = Number(torch.logical_and(result.tensor, (number == value).tensor), bool)
        return result

    def __add__(self, other: Any) -> Any:
        return Text((*self.pieces, *Text.of(other).pieces)) if isinstance(other, (str, Text)) else NotImplemented

    def __radd__(self, other: Any) -> Any:
        return Text((other, *self.pieces)) if isinstance(other, str) else NotImplemented

    def __repr__(self) -> str:
        return "<text that depends on tensor values>"

    def _refuse(self, *_: Any) -> NoReturn:
        raise UnsupportedConstructError(
            "the use of text that depends on tensor values",
            hint="return the numbers and make the text outside of the model; print, log and raise it as you like",
            location=here(),
        )

    def __getattr__(self, name: str) -> Any:
        if name in dir(str) and not name.startswith("__"):
            self._refuse()
        raise AttributeError(f"'str' object has no attribute {name!r}")

    __len__ = __getitem__ = __iter__ = __contains__ = __mul__ = __rmul__ = __mod__ = _refuse
    __eq__ = __ne__ = __lt__ = __le__ = __gt__ = __ge__ = __hash__ = _refuse  # type: ignore[assignment]
    __bool__ = __str__ = __format__ = _refuse  # type: ignore[assignment]


def is_shortened(argument: Any) -> bool:
    """Whether an argument of an exception holds text that the program cannot make, and has "..." in its place."""
    return isinstance(argument, Text) and UNKNOWN in argument.pieces


def with_numbers(argument: Any, change: Callable[[Number], Number]) -> Any:
    """An argument of an exception with other numbers on data in it."""
    argument = as_number(argument)
    if isinstance(argument, Number):
        return change(argument)
    if not isinstance(argument, Text):
        return argument
    pieces = (dataclasses.replace(p, number=change(p.number)) if isinstance(p, Piece) else p for p in argument.pieces)
    return Text(tuple(pieces))


def portable(argument: Any, value_of: Callable[[Number], dict[str, Any]]) -> tuple[Any] | None:
    """An argument of an exception as `Signature.exceptions` has it, in a tuple; None if it cannot leave the program.

    Args:
        argument: what the exception was made with.
        value_of: what stands for a number on data.
    """
    argument = as_number(argument)
    if argument is None or type(argument) in (str, int, float, bool):
        return (argument,)
    if isinstance(argument, Number):
        return (value_of(argument),)
    if not isinstance(argument, Text):
        return None
    pieces = [
        {**value_of(piece.number), "conversion": piece.conversion, "spec": piece.spec}
        if isinstance(piece, Piece)
        else "..."
        if isinstance(piece, Unknown)
        else piece
        for piece in argument.pieces
    ]
    return ({"text": pieces},)


def text_of(value: Any, conversion: str, spec: str = "") -> Text:
    """What `f"{value!conversion:spec}"` gives of a value that depends on data."""
    value = as_number(value)
    if isinstance(value, (int, float)):
        return Text((format({"r": repr, "a": ascii, "s": str}.get(conversion, lambda v: v)(value), spec),))
    if isinstance(value, Number):
        return Text((Piece(value, conversion, spec),))
    if isinstance(value, Text) and conversion in ("", "s") and not spec:
        return value
    # Torch formats a 0-d tensor as the number in it, unless a conversion asks for the tensor's own text.
    if isinstance(value, torch.Tensor) and not value.dim() and not conversion:
        return Text((Piece(Number.of_tensor(value), "", spec),))
    if type(value) in _BRACKETS and not spec and conversion != "a":
        return _text_of_items(value, *_BRACKETS[type(value)])
    return Text((UNKNOWN,))


_BRACKETS: dict[type, tuple[str, str]] = {torch.Size: ("torch.Size([", "])"), list: ("[", "]"), tuple: ("(", ")")}


_PRINTF = re.compile(r"%(?:(%)|(0?\d*(?:\.\d+)?)([sdirfeg]))")


def printf_text(template: str, values: tuple[Any, ...]) -> Text:
    """What `template % values` gives, where some depend on data; unknown as a whole where it has other directives."""
    result, end, rest = Text(()), 0, list(map(as_number, values))
    for found in _PRINTF.finditer(template):
        result, end = result + template[end : found.start()], found.end()
        percent, width, kind = found.groups()
        if percent or not rest:
            result = result + "%"
            continue
        value = rest.pop(0)
        if not holds_data(value):
            result = result + found.group() % (value,)
        elif kind in "sr" and not width:
            result = result + text_of(value, kind)
        elif (
            isinstance(value, Number)
            and (value.type is int if kind in "di" else value.type is float)
            and kind not in "sr"
        ):
            result = result + text_of(value, "", width + ("d" if kind == "i" else kind))
        else:
            return Text((UNKNOWN,))
    tail = template[end:]
    return Text((UNKNOWN,)) if "%" in tail or rest else result + tail


def _text_of_items(items: Any, start: str, end: str) -> Text:
    """The text of a list, tuple or shape."""
    result = Text((start,))
    for place, item in enumerate(items):
        separator = ", " if place else ""
        if isinstance(item, Rows):
            return Text((UNKNOWN,))  # How many items these are is not known.
        result = result + separator + (text_of(item, "r") if holds_data(item) else repr(item))
    return result + ("," + end if type(items) is tuple and len(items) == 1 else end)
