# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Torch functions called with unknown sizes, or numbers on data, where torch takes a number, a size or a flag.

What an argument is comes from the schemas of the op, not from a list of functions. A symbolic size where torch takes no
size would be made a constant by torch without a word, and a Python number on data (`values.Number`) is none for torch:

- a size where a number is taken becomes a number on data, which is a tensor where the op takes one;
- a number on data where a size is taken becomes a symbolic size;
- of a flag on data, the op is computed for both, and one is chosen.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Collection, Mapping
from typing import Any

import torch
from torch._ops import OpOverloadPacket
from torch.utils import _pytree as pytree

from dycl.errors import UnsupportedConstructError
from dycl.frontend.locations import here
from dycl.frontend.size_numbers import as_number, as_size
from dycl.frontend.sizes import Symbolic
from dycl.frontend.values import Number, scalar_form

_Place = int | str
"""An argument: its position, or its name."""

_OF_OPERATORS = {
    "__pow__": "pow",
    "__rpow__": "pow",
    "__floordiv__": "floor_divide",
    "__rfloordiv__": "floor_divide",
    "__mod__": "remainder",
    "__rmod__": "remainder",
}
"""The ops of those operators that are no ops of their own."""

_TAKE_SIZES = frozenset(
    [
        name + suffix
        for name in ("add", "sub", "subtract", "rsub", "mul", "multiply", "div", "divide", "true_divide")
        for suffix in ("", "_")
    ]
    + ["eq", "ne", "lt", "le", "gt", "ge", "not_equal", "less", "less_equal", "greater", "greater_equal"]
)
"""Ops whose number torch and torch-mlir take as a symbolic size, with one operation less."""


class NumberArguments:
    """Calls torch functions with numbers, sizes and flags on data as they take them.

    Args:
        recorder: what is recorded.
    """

    def __init__(self, recorder: Any) -> None:
        self._recorder = recorder

    def call(self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """What a function gives, of whose arguments some depend on sizes or data."""
        given: dict[_Place, Any] = {**dict(enumerate(args)), **kwargs}
        kinds = {place: _kinds(func, place, len(args), tuple(kwargs)) for place, v in given.items() if depends(v)}
        taken = {place: self._as_taken(func, v, kinds.get(place, frozenset()), kwargs) for place, v in given.items()}
        flags = (place for place, kind in kinds.items() if kind == frozenset(("bool",)) and _is_flag(taken[place]))
        flag = next(flags, None)
        if flag is not None:
            return self._for_both(func, taken, flag)
        has_sizes = any(isinstance(given[place], torch.SymInt) and taken[place] is not given[place] for place in kinds)
        try:
            return _call(func, taken)
        except UnsupportedConstructError:
            if not has_sizes:
                raise
        return func(*args, **kwargs)

    def _as_taken(self, func: Any, value: Any, kinds: frozenset[str], names: Collection[str]) -> Any:
        if isinstance(value, (torch.SymBool, torch.SymFloat)):
            value = as_number(value)
        if isinstance(value, torch.SymInt):
            takes_sizes = getattr(func, "__name__", "") in _TAKE_SIZES and "rounding_mode" not in names
            is_number = bool(kinds) and not kinds & {"size", "int"} and not takes_sizes
            return as_number(value) if is_number else value
        if "size" in kinds and kinds <= {"size", "int"}:
            if isinstance(value, (list, tuple)):
                return type(value)(self._as_taken(func, v, kinds, names) for v in value)
            if isinstance(value, Number) and value.type is not float:
                return as_size(value, self._recorder)
        return value

    def _for_both(self, func: Any, given: Mapping[_Place, Any], flag: _Place) -> Any:
        """What a function gives for a flag on data: computed for both, and chosen."""
        name = getattr(func, "__name__", str(func))
        sides = [_call(func, {**given, flag: value}) for value in (True, False)]
        (held, form), (other, other_form) = map(pytree.tree_flatten, sides)
        is_alike = form == other_form and all(
            isinstance(a, torch.Tensor) and isinstance(b, torch.Tensor) and a.shape == b.shape and a.dtype == b.dtype
            for a, b in zip(held, other, strict=True)
        )
        if name.endswith("_") or not is_alike:
            raise UnsupportedConstructError(
                f"`{name}` with a flag that depends on tensor values, on which the form of its result depends",
                hint="call it on both sides of an `if`",
                location=here(),
            )
        test = given[flag].tensor
        return pytree.tree_unflatten([torch.where(test, a, b) for a, b in zip(held, other, strict=True)], form)


def depends(value: Any) -> bool:
    """Whether an argument is, or a list of arguments holds, a size that is not known or a number on data."""
    if isinstance(value, (list, tuple)):
        return any(isinstance(v, Number) for v in value)
    return isinstance(value, (Number, *Symbolic))


def _is_flag(value: Any) -> bool:
    return isinstance(value, Number) and value.type is bool


def _call(func: Callable[..., Any], given: Mapping[_Place, Any]) -> Any:
    args = tuple(value for place, value in given.items() if isinstance(place, int))
    kwargs = {place: value for place, value in given.items() if isinstance(place, str)}
    form = scalar_form(func, args, kwargs)
    if form is None:
        return func(*args, **kwargs)
    if getattr(func, "__module__", "") != "torch.nn.functional":
        return form(*args, **kwargs)
    named = inspect.signature(func).bind(*args, **kwargs).arguments
    is_in_place, tensor = named.pop("inplace", False), named.pop("input")
    result = form(tensor, **named)
    return tensor.copy_(result) if is_in_place else result


@functools.cache
def _kinds(func: Any, place: _Place, n_args: int, names: tuple[str, ...]) -> frozenset[str]:
    """What the overloads of a function's op take at a place: `tensor`, `number`, `size`, `int`, `bool` or `other`.

    Nothing where it has no op, or none that takes as many arguments, and of these names.
    """
    name = getattr(func, "__name__", "")
    packet = getattr(torch.ops.aten, _OF_OPERATORS.get(name, name), None)
    found: set[str] = set()
    for overload in packet.overloads() if isinstance(packet, OpOverloadPacket) else ():
        schema = getattr(packet, overload)._schema
        taken = {argument.name: argument for argument in schema.arguments if not argument.is_out}
        positional = [argument for argument in taken.values() if not argument.kwarg_only]
        if "ScalarType" not in str(schema) and "Tensor" not in str(schema):
            continue  # of Python numbers and lists alone
        if set(names) - set(taken):
            continue
        if n_args <= len(positional):
            argument = taken[place] if isinstance(place, str) else positional[place]
        elif isinstance(place, int) and positional[-1].real_type.kind() == "ListType":
            argument = positional[min(place, len(positional) - 1)]  # `x.view(2, n)`
        else:
            continue
        found.add(_kind(argument))
    return frozenset(found)


_KINDS = {
    "TensorType": "tensor",
    "NumberType": "number",
    "FloatType": "number",
    "SymIntType": "size",
    "IntType": "int",
    "BoolType": "bool",
}


def _kind(argument: Any) -> str:
    given = argument.real_type
    while given.kind() in ("OptionalType", "ListType"):
        given = given.getElementType()
    return _KINDS.get(given.kind(), "other")
