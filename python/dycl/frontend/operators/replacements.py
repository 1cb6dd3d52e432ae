# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The registry of functions that are not the user's and have to learn about data."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec

if TYPE_CHECKING:
    from dycl.frontend.operators.calls import Calls

_P = ParamSpec("_P")

# By identity: a callable need not be hashable. Each entry keeps its function, so that its id stays its own.
_REPLACEMENTS: dict[int, tuple[Any, Callable[..., Any]]] = {}


def replaces(
    *functions: Any,
) -> Callable[[Callable[Concatenate[Calls, _P], Any]], Callable[Concatenate[Calls, _P], Any]]:
    """Registers what a call of one of `functions` in user code becomes, given the operators and the arguments."""

    def register(replacement: Callable[Concatenate[Calls, _P], Any]) -> Callable[Concatenate[Calls, _P], Any]:
        for function in functions:
            _REPLACEMENTS[id(function)] = (function, replacement)
        return replacement

    return register


def replacement_of(function: Any) -> Callable[..., Any] | None:
    """What a call of `function` in user code becomes, if it is not the call itself."""
    entry = _REPLACEMENTS.get(id(function))
    return entry[1] if entry is not None else None
