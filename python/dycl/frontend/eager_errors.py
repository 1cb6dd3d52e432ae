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
from dycl.frontend.sizes import is_static
from dycl.frontend.values import Number, Unusable

ERRORS = (RuntimeError, ValueError, IndexError)
"""What torch raises for tensors that do not fit; a TypeError would name types, which are others while recording."""

_MARK = "_dycl_eager_raises"


class _UnknownError(Exception):
    """An argument is not known."""


def note_if_eager_raises(error: Exception, function: Callable[..., Any], args: Any, kwargs: Any) -> None:
    """Marks an exception of a torch function that eager raises, too, and gives it eager's message."""
    try:
        args, kwargs = pytree.tree_map(_with_zeros, (args, kwargs))
    except (_UnknownError, *ERRORS):
        return  # It cannot be asked.
    try:
        with outside_modes(), torch.random.fork_rng(devices=[]):
            function(*args, **kwargs)
    except ERRORS as eager:
        if type(eager) is type(error):
            error.args = eager.args
            setattr(error, _MARK, True)
    except TypeError:
        pass  # Another fault than that of tracing.


def is_raised_by_eager(error: BaseException) -> bool:
    """Whether `note_if_eager_raises` found that eager raises it, too."""
    return getattr(error, _MARK, False)


def _with_zeros(value: Any) -> Any:
    if isinstance(value, torch.Tensor):
        if not is_recorded(value):
            with outside_modes():
                return value.detach().clone()  # The function may write to it.
        if not all(map(is_static, value.shape)):
            raise _UnknownError
        with outside_modes():
            return torch.zeros([int(n) for n in value.shape], dtype=value.dtype)
    if isinstance(value, (Number, Unusable, torch.SymInt, torch.SymBool, torch.SymFloat)):
        raise _UnknownError
    return value
