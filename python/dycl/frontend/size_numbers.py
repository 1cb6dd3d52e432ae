# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Symbolic sizes as Python numbers on data, and back.

A size that is not known at compile time (`x.shape[0]`) is torch's `SymInt`, and what is computed with it a `SymInt`,
`SymFloat` or `SymBool`, until a condition, a loop or a tensor needs its value: then it is a `Number`. The other way
round, torch takes a `Number` for a size as a fresh `SymInt`.
"""

# pyright: reportPrivateUsage=false

from __future__ import annotations

import functools
import operator
from collections.abc import Callable
from typing import Any

import sympy
import torch
from torch.utils._sympy import functions as torch_sympy

from dycl.errors import UnsupportedConstructError
from dycl.frontend.locations import here
from dycl.frontend.recorder import Recorder
from dycl.frontend.sizes import Symbolic, expression
from dycl.frontend.state import freeze
from dycl.frontend.values import Number


def as_number(value: Any) -> Any:
    """A symbolic size, or what was computed with some, as a number; anything else as it is."""
    return _number(expression(value), value) if isinstance(value, Symbolic) else value


def number_unless_size(value: Any) -> Any:
    """A condition on sizes, or a fraction of them, as a number: torch's ops take symbolic sizes, but not these."""
    return as_number(value) if isinstance(value, (torch.SymBool, torch.SymFloat)) else value


def as_size(number: Number, recorder: Recorder, low: int | None = None) -> torch.SymInt:
    """A Python int on data, where torch takes a plain one; `low` is what it is known to be at least."""
    if number.type is float:
        raise TypeError("'float' object cannot be interpreted as an integer")
    return recorder.sizes.of_number(recorder.node_of(freeze(number.converted(int), recorder).raw), low)


def _number(expr: Any, value: Any) -> Any:
    if expr in (sympy.true, sympy.false):
        return bool(expr)
    if expr.is_Integer:
        return int(expr)
    if expr.is_number:
        return float(expr)
    if expr.is_integer:
        node = value.node.shape_env.create_symintnode(expr, hint=None)
        return Number(torch.full((), node, dtype=torch.int64), int)
    parts = [_number(part, value) for part in expr.args]
    function = next((f for kinds, f in _FUNCTIONS if isinstance(expr, kinds)), None)
    if function is None:
        raise UnsupportedConstructError(
            f"a number that is computed from sizes as `{expr}`", hint="compute it with tensors", location=here()
        )
    return functools.reduce(function, parts) if len(parts) > 1 else function(parts[0], None)


def _both(a: Any, b: Any) -> Any:
    return a & b


def _either(a: Any, b: Any) -> Any:
    return a | b


_FUNCTIONS: tuple[tuple[Any, Callable[[Any, Any], Any]], ...] = (
    (sympy.Add, operator.add),
    (sympy.Mul, operator.mul),
    (sympy.Gt, operator.gt),
    (sympy.Ge, operator.ge),
    (sympy.Lt, operator.lt),
    (sympy.Le, operator.le),
    (sympy.Eq, operator.eq),
    (sympy.Ne, operator.ne),
    (sympy.And, _both),
    (sympy.Or, _either),
    (sympy.Not, lambda a, _: Number(a.tensor.logical_not(), bool)),
    (torch_sympy.ToFloat, lambda a, _: a.converted(float) if isinstance(a, Number) else float(a)),
    ((torch_sympy.IntTrueDiv, torch_sympy.FloatTrueDiv), lambda a, b: _divide(a, b)),
    ((torch_sympy.FloatPow, sympy.Pow), operator.pow),
)


def _divide(a: Any, b: Any) -> Any:
    # torch only divides sizes by what is not zero: it decides `b == 0` first.
    a, b = Number.of(a, float), Number.of(b, float)
    return Number(a.tensor / b.tensor, float)
