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
_LEAVES = (Tensor, type, types.ModuleType, str, bytes, int, float, bool, complex, type(None))


class Reachable:
    """The objects that a model (or another root) reaches through attributes, containers, closures and globals.

    Objects made while the model runs are not among them, so what it writes there ends with the call.
    """

    def __init__(self, root: Any, name: str = "") -> None:
        self._found: dict[int, tuple[Any, str]] = {}
        stack: list[tuple[Any, str, int]] = [(root, name, 0)]
        while stack:
            value, path, depth = stack.pop()
            if isinstance(value, _LEAVES) or id(value) in self._found or depth > _MAX_DEPTH:
                continue
            if len(self._found) >= _MAX_OBJECTS:
                break
            self._found[id(value)] = (value, path)
            stack.extend((child, childs_path, depth + 1) for child, childs_path in _children(value, path))

    def path_of(self, value: Any) -> str | None:
        """How a user writes the way to an object, from the root (its name for itself); None for one made in the run."""
        found = self._found.get(id(value))
        return found[1] if found is not None and found[0] is value else None


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
    elif isinstance(value, types.MethodType):
        yield value.__self__, path
        yield value.__func__, path
    elif isinstance(value, types.FunctionType):
        names = value.__code__.co_freevars
        for name, cell in zip(names, value.__closure__ or (), strict=True):
            try:
                yield cell.cell_contents, name
            except ValueError:
                continue  # not bound yet
        for name in value.__code__.co_names:
            if name in value.__globals__:
                yield value.__globals__[name], name
    elif hasattr(value, "__dict__"):
        yield from ((v, below(k)) for k, v in vars(value).items())
