# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Text of values that depend on data; and what a program would write to the screen or to files, which is left out.

A `print`, a log entry or a warning happens while the model is traced, as any Python does. Of values on data, or under a
condition on them, it cannot: it is left out of the program, with one `DyclWarning` a place.
"""

from __future__ import annotations

import builtins
import io
import logging
import string
import sys
import warnings
from collections.abc import Callable
from typing import Any

import torch

from dycl.errors import DyclWarning, UnsupportedConstructError
from dycl.frontend.locations import here
from dycl.frontend.operators.calls import Calls
from dycl.frontend.operators.growing import known_items
from dycl.frontend.operators.replacements import replaces
from dycl.frontend.text import Text, holds_data, text_of


def _hold_data(*values: Any) -> bool:
    return any(map(holds_data, values))


@replaces(str)
def str_(ops: Calls, *args: Any, **kwargs: Any) -> Any:  # noqa: ARG001
    return text_of(args[0], "s") if len(args) == 1 and _hold_data(args[0]) else str(*args, **kwargs)


@replaces(repr, ascii)
def repr_(ops: Calls, value: Any) -> Any:  # noqa: ARG001
    return text_of(value, "r") if _hold_data(value) else repr(value)


@replaces(format)
def format_(ops: Calls, value: Any, spec: str = "") -> Any:  # noqa: ARG001
    return text_of(value, "", spec) if _hold_data(value) else format(value, spec)


@replaces(str.format)
def str_format(ops: Calls, template: str, *args: Any, **kwargs: Any) -> Any:
    if not _hold_data(args, kwargs):
        return template.format(*args, **kwargs)
    result, position = Text(()), 0
    for literal, name, spec, conversion in string.Formatter().parse(template):
        result = result + literal
        if name is None:
            continue
        if not name:
            name, position = str(position), position + 1
        value = args[int(name)] if name.isdigit() else kwargs.get(name)
        result = result + Text.of(ops.text((value, conversion or "", spec or "")))
    return result


@replaces(str.join)
def join(ops: Calls, separator: str, items: Any) -> Any:  # noqa: ARG001
    items = list(known_items(items))
    if not any(isinstance(item, Text) for item in items):
        return separator.join(items)
    result = Text.of(items[0])
    for item in items[1:]:
        result = result + separator + item
    return result


def _leave_out(ops: Calls, what: str, values: Any) -> bool:
    """Whether something that writes to the outside is left out; warns of it."""
    if _hold_data(values):
        reason = "of tensor values"
    elif ops.control.is_conditional:
        reason = "under a condition on a tensor"
    else:
        return False
    ops.warn(f"a `{what}` {reason} is left out of the compiled program", DyclWarning)
    return True


def _left_out(function: Callable[..., Any], what: str) -> None:
    """Registers a function that writes to the outside."""

    @replaces(function)
    def replaced(ops: Calls, *args: Any, **kwargs: Any) -> Any:  # pyright: ignore[reportUnusedFunction]
        return None if _leave_out(ops, what, (args, kwargs)) else function(*args, **kwargs)


_left_out(print, "print")
_left_out(warnings.warn, "warnings.warn")
_LEVELS = ("debug", "info", "warning", "error", "critical", "exception", "log")
for _level in _LEVELS:
    _left_out(getattr(logging, _level), f"logging.{_level}")
    _left_out(getattr(logging.Logger, _level), f"Logger.{_level}")
    _left_out(getattr(logging.LoggerAdapter, _level), f"Logger.{_level}")
for _stream in (sys.stdout, sys.stderr, sys.__stdout__, sys.__stderr__):
    if _stream is not None:
        _left_out(type(_stream).write, "write")
_left_out(io.TextIOWrapper.write, "write")


def _refused_under_condition(function: Callable[..., Any], name: str) -> None:
    """Registers a function that reads or writes files."""

    @replaces(function)
    def replaced(ops: Calls, *args: Any, **kwargs: Any) -> Any:  # pyright: ignore[reportUnusedFunction]
        if ops.control.is_conditional:
            raise UnsupportedConstructError(
                f"`{name}` under a condition on a tensor",
                hint="read what you need in `__init__`, and write after the call, from what it returns",
                location=here(),
            )
        return function(*args, **kwargs)


_refused_under_condition(builtins.open, "open")
_refused_under_condition(builtins.input, "input")
_refused_under_condition(torch.save, "torch.save")
_refused_under_condition(torch.load, "torch.load")
