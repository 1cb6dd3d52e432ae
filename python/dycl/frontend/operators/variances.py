# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""A variance of nothing is NaN: where there may be no elements, in the place of what compiled code divides by zero."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch

from dycl.frontend.operators.calls import Calls
from dycl.frontend.operators.replacements import replaces
from dycl.frontend.operators.small_sizes import dimensions_over
from dycl.frontend.recorder import is_recorded
from dycl.frontend.sizes import is_static, may_be_zero
from dycl.frontend.values import known

_VARIANCES = ("var", "std", "var_mean", "std_mean")


def _register_variance(function: Callable[..., Any]) -> None:
    @replaces(function)
    def variance(_ops: Calls, *args: Any, **kwargs: Any) -> Any:  # pyright: ignore[reportUnusedFunction]
        result = function(*args, **kwargs)
        tensor: Any = known(args[0]) if args else kwargs.get("input")
        if not isinstance(tensor, torch.Tensor) or not is_recorded(tensor):
            return result
        dims = kwargs.get("dim", kwargs.get("axis", args[1] if len(args) > 1 else None))
        if isinstance(dims, bool):  # The old form, `x.var(False)`, goes over all.
            dims = None
        count: Any = math.prod(tensor.shape[dim] for dim in dimensions_over(tensor, dims))
        if isinstance(result, tuple):
            return _unless_none(result[0], count), result[1]
        return _unless_none(result, count)


def _unless_none(result: torch.Tensor, count: Any) -> torch.Tensor:
    """A result; NaN where it is of no element."""
    if is_static(count):
        return result if int(count) else torch.full_like(result, math.nan)
    if not may_be_zero(count):
        return result
    is_empty = torch.full((), count, dtype=torch.int64) == 0
    return torch.where(is_empty, torch.full((), math.nan, dtype=result.dtype), result)


for _name in _VARIANCES:
    for _owner in (torch, torch.Tensor):
        if hasattr(_owner, _name):
            _register_variance(getattr(_owner, _name))
