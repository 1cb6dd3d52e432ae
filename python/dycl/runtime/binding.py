# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""From a call's arguments to the flat tensors of the host program, after checking that they fit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import is_dataclass
from typing import TYPE_CHECKING, Any

from dycl.errors import InputError
from dycl.runtime.arrays import is_array, number_to_numpy
from dycl.signature import field_names

if TYPE_CHECKING:
    from dycl.signature import Signature, Structure


def flatten(signature: Signature, args: Sequence[Any], kwargs: Mapping[str, Any]) -> list[Any]:
    """The tensors of a call, in the order of `signature.inputs`.

    An argument may be given by position or by name, whichever way it was compiled with. Constants must be as
    they were then.

    Raises:
        InputError: where arguments are missing, too many, nested otherwise, or a constant differs.
    """
    positional, named = signature.input_structure.items
    args, kwargs = _as_compiled(signature, positional, named, args, kwargs)
    leaves: list[Any] = [None] * len(signature.inputs)
    for i, (structure, value) in enumerate(zip(positional.items, args, strict=True)):
        _collect(structure, value, _positional_name(signature, i), leaves, signature)
    for name, structure in zip(named.keys, named.items, strict=True):
        _collect(structure, kwargs[name], name, leaves, signature)
    return leaves


def takes_tensors(signature: Signature) -> bool:
    """Whether a program takes tensors by position and nothing else, so that a call's arguments are its inputs."""
    positional, named = signature.input_structure.items
    indices = [item.index if item.kind == "tensor" else -1 for item in positional.items]
    return not named.items and indices == list(range(len(signature.inputs)))


def _as_compiled(
    signature: Signature,
    positional: Structure,
    named: Structure,
    args: Sequence[Any],
    kwargs: Mapping[str, Any],
) -> tuple[list[Any], dict[str, Any]]:
    """The arguments, each by position or by name as it was when the program was compiled."""
    names, n = signature.parameter_names, len(positional.items)
    args, kwargs = list(args), dict(kwargs)
    while len(args) < min(n, len(names)) and names[len(args)] in kwargs:
        args.append(kwargs.pop(names[len(args)]))
    while n < len(args) <= len(names) and names[len(args) - 1] in named.keys:
        name = names[len(args) - 1]
        if name in kwargs:
            raise InputError(f"{signature.name} got argument {name} by position and by name; expected it once")
        kwargs[name] = args.pop()
    if len(args) != n or kwargs.keys() != set(named.keys):
        raise InputError(_count_message(signature, n, named.keys, args, kwargs))
    return args, kwargs


def _count_message(
    signature: Signature, n: int, named: Sequence[str], args: Sequence[Any], kwargs: Mapping[str, Any]
) -> str:
    """What is wrong with the count or the names of a call's arguments."""
    expected = [_positional_name(signature, i) for i in range(n)] + list(named)
    missing = expected[len(args) : n] + [name for name in named if name not in kwargs]
    unexpected = [name for name in kwargs if name not in named]
    if len(args) > n:
        what = f"{len(args) + len(kwargs)} given"
    elif missing:
        what = f"{', '.join(missing)} missing"
    else:
        what = f"unexpected {', '.join(unexpected)}"
    return f"{signature.name} takes {len(expected)} argument(s) ({', '.join(expected)}); {what}"


def _positional_name(signature: Signature, i: int) -> str:
    return signature.parameter_names[i] if i < len(signature.parameter_names) else f"args[{i}]"


def _collect(structure: Structure, value: Any, path: str, leaves: list[Any], signature: Signature) -> None:
    """Put the tensors of `value` into `leaves`, where `structure` says."""
    kind = structure.kind
    if kind == "tensor":
        leaves[structure.index] = value
        return
    if kind == "number":
        leaves[structure.index] = number_to_numpy(value, signature.inputs[structure.index])
        return
    if kind == "constant":
        if not _equal_constants(value, structure.value):
            raise InputError(
                f"argument {path} is {_show(value)}; {signature.name} was compiled for {structure.value!r}: "
                "Python values are compile-time constants, compile again for another one"
            )
        return
    for name, item, part in _parts(structure, value, path):
        _collect(item, part, name, leaves, signature)


def _parts(structure: Structure, value: Any, path: str) -> list[tuple[str, Structure, Any]]:
    """Path, structure and value of each item of a nested value that is of the structure's kind and size."""
    kind, items = structure.kind, structure.items
    if kind in ("dict", "OrderedDict"):
        if not isinstance(value, Mapping) or set(value) != set(structure.keys):
            _refuse(path, value, f"a dict of {', '.join(map(repr, structure.keys))}")
        return [(f"{path}[{k!r}]", item, value[k]) for k, item in zip(structure.keys, items, strict=True)]
    if kind == "dataclass":
        if not is_dataclass(value) or not all(hasattr(value, str(key)) for key in structure.keys):
            _refuse(path, value, f"a {structure.type.partition(':')[2]}")
        return [(f"{path}.{k}", item, getattr(value, k)) for k, item in zip(structure.keys, items, strict=True)]
    expected_type = list if kind == "list" else tuple
    names = field_names(value)
    fields_agree = names == structure.keys if kind == "namedtuple" else names is None
    if not isinstance(value, expected_type) or len(value) != len(items) or not fields_agree:
        what = structure.type.partition(":")[2] if kind == "namedtuple" else kind
        _refuse(path, value, f"a {what} of {len(items)}")
    return [(f"{path}[{i}]", item, part) for i, (item, part) in enumerate(zip(items, value, strict=True))]


def _refuse(path: str, value: Any, expected: str) -> None:
    raise InputError(f"argument {path} is {_show(value)}; expected {expected}")


def _equal_constants(given: Any, compiled: Any) -> bool:
    if type(given) is not type(compiled):
        return False
    return given == compiled or (given != given and compiled != compiled)  # NaN is the constant NaN


def _show(value: Any) -> str:
    """A short text for a message: sizes of containers, values of constants, types of all else."""
    if isinstance(value, Mapping):
        return f"a {type(value).__name__} of {', '.join(map(repr, value))}"
    if isinstance(value, (tuple, list)):
        return f"a {type(value).__name__} of {len(value)}"
    if is_array(value):
        return "a tensor"
    return repr(value) if isinstance(value, (bool, int, float, str, type(None))) else f"a {type(value).__name__}"
