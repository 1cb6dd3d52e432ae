# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Which objects exist before a model runs, and how a user reaches them: what the model changes in these is state."""

from __future__ import annotations

import types
from collections.abc import Iterator
from typing import Any

from torch import Tensor, nn

MODULE_INTERNALS = frozenset(vars(nn.Module())) - {"training"}
"""The attributes that every module has for itself."""

_MAX_DEPTH = 6
_MAX_OBJECTS = 50_000
_LEAVES = (Tensor, types.ModuleType, str, bytes, int, float, bool, complex, type(None))


class Reachable:
    """The objects that a model (or another root) reaches: by attributes, containers, closures, defaults and globals.

    Of the classes of these objects, it is known that they are there, not what they hold. Objects made while the model
    runs are not among them, so what it writes there ends with the call.
    """

    def __init__(self, root: Any, name: str = "") -> None:
        self._found: dict[int, tuple[Any, str]] = {}
        self._variables: list[tuple[types.CellType, str, Any]] = []
        stack: list[tuple[Any, str, int]] = [(root, name, 0)]
        while stack:
            value, path, depth = stack.pop()
            if isinstance(value, _LEAVES) or id(value) in self._found or depth > _MAX_DEPTH:
                continue
            if len(self._found) >= _MAX_OBJECTS:
                break
            self._found[id(value)] = (value, path)
            if isinstance(value, type):
                continue
            if isinstance(value, types.FunctionType):
                self._variables += _variables(value)
            stack.extend((child, childs_path, depth + 1) for child, childs_path in _children(value, path))

    def path_of(self, value: Any) -> str | None:
        """How a user writes the way to an object, from the root (its name for itself); None for one made in the run."""
        found = self._found.get(id(value))
        return found[1] if found is not None and found[0] is value else None

    def changed_variables(self) -> Iterator[tuple[str, Any, Any]]:
        """The variables of functions that have ended that hold something else now: name, old and new value."""
        for cell, name, old in self._variables:
            now = _contents(cell)
            if now is not old:
                yield name, old, now

    def restore_variables(self) -> None:
        """Gives these variables their old values."""
        for cell, _, old in self._variables:
            if old is not _UNBOUND:
                cell.cell_contents = old
            elif _contents(cell) is not _UNBOUND:
                del cell.cell_contents


_UNBOUND = object()


def _contents(cell: types.CellType) -> Any:
    try:
        return cell.cell_contents
    except ValueError:
        return _UNBOUND


def _variables(function: types.FunctionType) -> list[tuple[types.CellType, str, Any]]:
    """The variables of enclosing functions that a function reads or writes."""
    cells = zip(function.__code__.co_freevars, function.__closure__ or (), strict=True)
    return [(cell, name, _contents(cell)) for name, cell in cells]


def _children(value: Any, path: str) -> Iterator[tuple[Any, str]]:
    def below(name: str) -> str:
        return f"{path}.{name}" if path else name

    if isinstance(value, (list, tuple)):
        yield from ((item, f"{path}[{i}]") for i, item in enumerate(value))
    elif isinstance(value, dict):
        yield from ((item, f"{path}[{key!r}]") for key, item in value.items())
    elif isinstance(value, nn.Module):
        yield from ((child, below(name)) for name, child in value.named_children())
        yield from ((v, below(k)) for k, v in vars(value).items() if k not in MODULE_INTERNALS)
        yield type(value).forward, path
        yield type(value), type(value).__name__
    elif isinstance(value, types.MethodType):
        yield value.__self__, path
        yield value.__func__, path
    elif isinstance(value, types.FunctionType):
        yield from ((held, name) for _, name, held in _variables(value) if held is not _UNBOUND)
        positional = value.__code__.co_varnames[: value.__code__.co_argcount]
        defaults = value.__defaults__ or ()
        yield from zip(defaults, positional[len(positional) - len(defaults) :], strict=True)
        yield from ((held, name) for name, held in (value.__kwdefaults__ or {}).items())
        for name in value.__code__.co_names:
            if name in value.__globals__:
                yield value.__globals__[name], name
    elif hasattr(value, "__dict__"):
        yield type(value), type(value).__name__
        yield from ((v, below(k)) for k, v in vars(value).items())
