# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Whether eager raises where torch fails while a program is recorded: `torch.cat([])`, shapes that do not fit.

What is recorded has no data and may have sizes that are not known, so that a failure of torch may be one of tracing
only. Where all sizes are known, the same function of zeros tells.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch.utils import _pytree as pytree

from dycl.frontend.recorder import is_recorded, outside_modes
from dycl.frontend.sizes import expression, is_static, value_on_path
from dycl.frontend.values import Number, Unusable

ERRORS = (RuntimeError, ValueError, IndexError)
"""What torch raises for tensors that do not fit; a TypeError would name types, which are others while recording."""

_MARK = "_dycl_eager_raises"


_TRIED_SIZES = (*range(1, 13), 16, 31, 64)
"""What stands for each size that is not known, where eager is asked; each symbol has its own number on top."""


class _UnknownError(Exception):
    """An argument is not known."""


def note_if_eager_raises(error: Exception, function: Callable[..., Any], args: Any, kwargs: Any) -> Exception:
    """An exception of a torch function, marked and with eager's message if eager raises it, too.

    Where there are no elements, eager may raise another one; that is given then. Of sizes that are not known, it is
    asked for several, and has to raise the same of all.
    """
    found: list[Exception] = []
    known = args, kwargs
    for first in _TRIED_SIZES:
        try:
            known = pytree.tree_map(lambda value, first=first: _with_zeros(value, first=first), (args, kwargs))
        except (_UnknownError, *ERRORS):
            return error  # It cannot be asked.
        eager = _raised_by(function, *known)
        if eager is None:
            return error
        found.append(eager)
        if not _depends_on_sizes((args, kwargs)):
            break  # The others would be the same.
    eager, *others = found
    if any(repr(other) != repr(eager) for other in others):
        return error
    args, kwargs = known
    if type(eager) is type(error):
        error.args = eager.args
    elif any(isinstance(t, torch.Tensor) and not t.numel() for t in pytree.tree_leaves((args, kwargs))):
        error = eager
    else:
        return error
    return marked(error)


def _depends_on_sizes(arguments: Any) -> bool:
    """Whether a size in some arguments is not known."""
    leaves = pytree.tree_leaves(arguments)
    sizes = [size for leaf in leaves for size in (leaf.shape if isinstance(leaf, torch.Tensor) else [leaf])]
    return any(isinstance(size, torch.SymInt) for size in sizes)


def overflow_of_number(function: Callable[..., Any], args: Any, kwargs: Any) -> Exception | None:
    """What eager raises where a Python number is converted to a dtype that has it not (`full((3,), 300)` of bytes).

    Many ops take it modulo the dtype's range instead: which do, eager is asked.
    """
    given = (*args, *kwargs.values())
    numbers = [value for value in given if type(value) in (int, float) and not 0 <= value < 128]
    if not numbers:
        return None
    dtypes = {dtype for value in given if (dtype := _dtype_of(value)) is not None}
    if any(type(number) is float for number in numbers):
        dtypes.add(torch.get_default_dtype())
    if not any(_is_out_of_range(number, dtype) for number in numbers for dtype in dtypes):
        return None
    try:
        args, kwargs = pytree.tree_map(lambda value: _with_zeros(value, unknown=1), (args, kwargs))
    except (_UnknownError, *ERRORS):
        return None
    eager = _raised_by(function, args, kwargs)
    if eager is None or "without overflow" not in str(eager):
        return None
    return marked(eager)


def _dtype_of(value: Any) -> torch.dtype | None:
    return value.dtype if isinstance(value, torch.Tensor) else value if isinstance(value, torch.dtype) else None


def _is_out_of_range(number: float, dtype: torch.dtype) -> bool:
    if dtype is torch.bool or dtype.is_complex:
        return False
    info = torch.finfo(dtype) if dtype.is_floating_point else torch.iinfo(dtype)
    return not info.min <= number <= info.max  # also a NaN


def _raised_by(function: Callable[..., Any], args: Any, kwargs: Any) -> Exception | None:
    try:
        with outside_modes(), torch.random.fork_rng(devices=[]):
            function(*args, **kwargs)
    except ERRORS as eager:
        return eager
    except TypeError:
        pass  # Another fault than that of tracing.
    return None


def marked(error: Exception) -> Exception:
    """An exception that eager is known to raise."""
    setattr(error, _MARK, True)
    return error


def is_raised_by_eager(error: BaseException) -> bool:
    """Whether eager is known to raise it, too."""
    return getattr(error, _MARK, False)


def _with_zeros(value: Any, unknown: int | None = None, first: int | None = None) -> Any:
    """An argument, zeros in the place of a tensor's elements.

    Args:
        value: the argument.
        unknown: what stands for each size that is not known.
        first: what stands for each of their symbols, and its number on top. With neither, they raise `_UnknownError`.
    """
    if isinstance(value, torch.Tensor):
        if not is_recorded(value):
            with outside_modes():
                return value.detach().clone()  # The function may write to it.
        if unknown is None and first is None and not all(map(is_static, value.shape)):
            raise _UnknownError
        sizes = [
            int(n) if is_static(n) else _size_instead(n, first) if first is not None else unknown or 0
            for n in value.shape
        ]
        with outside_modes():
            return torch.zeros(sizes, dtype=value.dtype)
    if first is not None and isinstance(value, torch.SymInt):
        return _size_instead(value, first)
    if isinstance(value, (Number, Unusable, torch.SymInt, torch.SymBool, torch.SymFloat)):
        raise _UnknownError
    return value


def _size_instead(size: Any, first: int) -> int:
    """A size, where each symbol in it that is not known on the path stands for another number from `first` on."""
    values: dict[Any, int] = {}
    for symbol in expression(size).free_symbols:
        known = value_on_path(size, symbol)
        values[symbol] = first + int("".join(filter(str.isdigit, str(symbol))) or 0) if known is None else known
    value = expression(size).subs(values)
    if not value.is_Integer or value < 0:
        raise _UnknownError
    return int(value)
