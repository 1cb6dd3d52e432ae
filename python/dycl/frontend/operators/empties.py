# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Functions of which eager raises where there are no elements: the program raises the same where a size turns out 0.

Only sizes that depend on data, or are declared so, may be 0; where it is known that there are elements, nothing is
checked. A variance of nothing is NaN.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch

from dycl.frontend.operators.calls import Calls
from dycl.frontend.operators.replacements import replaces
from dycl.frontend.recorder import is_recorded, outside_modes
from dycl.frontend.size_numbers import as_number
from dycl.frontend.sizes import is_static, may_be_zero
from dycl.frontend.values import known

_EXTREMES = ("max", "min", "amax", "amin", "argmax", "argmin", "aminmax")
_VARIANCES = ("var", "std")


def check_elements(ops: Calls, tensor: torch.Tensor, dims: Any, function: Callable[[torch.Tensor], Any]) -> None:
    """Raises what `function` does of a tensor without elements, where one of some dimensions turns out to have none.

    Args:
        ops: the operators of the capture.
        tensor: what the function is called on.
        dims: the dimensions that it goes over: an int, several, or none for all.
        function: gives or raises what eager does, of a real tensor.
    """
    for dim in _dims(tensor, dims):
        if is_static(tensor.shape[dim]) or not may_be_zero(tensor.shape[dim]):
            continue
        shape = [int(n) if is_static(n) else 0 if d == dim else 1 for d, n in enumerate(tensor.shape)]
        with outside_modes():
            nothing = torch.zeros(shape, dtype=tensor.dtype)

        def fail(nothing: torch.Tensor = nothing) -> None:
            with outside_modes():
                function(nothing)

        ops.raise_if(as_number(tensor.shape[dim]) == 0, fail)


def _dims(tensor: torch.Tensor, dims: Any) -> list[int]:
    given = range(tensor.dim()) if dims is None or dims == () else dims if isinstance(dims, (tuple, list)) else [dims]
    if not all(type(dim) is int and -tensor.dim() <= dim < tensor.dim() for dim in given):
        return []  # The function itself will say what is wrong.
    return [dim % tensor.dim() for dim in given]


def _over(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    return kwargs.get("dim", kwargs.get("axis", args[0] if args else None))


def _is_tensor(value: Any) -> bool:
    return isinstance(value, torch.Tensor) and is_recorded(value)


def _register_extreme(function: Callable[..., Any]) -> None:
    @replaces(function)
    def extreme(ops: Calls, *args: Any, **kwargs: Any) -> Any:  # pyright: ignore[reportUnusedFunction]
        tensor: Any = known(args[0]) if args else kwargs.get("input")
        rest = args[1:]
        dims = _over(rest, kwargs)
        is_of_one = not any(
            isinstance(value, torch.Tensor) for value in (*rest, *kwargs.values()) if value is not tensor
        )
        if _is_tensor(tensor) and is_of_one:
            check_elements(ops, tensor, dims, lambda nothing: function(nothing, *rest, **_without_input(kwargs)))
        return function(*args, **kwargs)


def _without_input(kwargs: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in kwargs.items() if name != "input"}


def _register_variance(function: Callable[..., Any]) -> None:
    @replaces(function)
    def variance(_ops: Calls, *args: Any, **kwargs: Any) -> Any:  # pyright: ignore[reportUnusedFunction]
        result = function(*args, **kwargs)
        tensor: Any = known(args[0]) if args else kwargs.get("input")
        if not _is_tensor(tensor) or not isinstance(result, torch.Tensor):
            return result
        dims = _over(args[1:], kwargs)
        if isinstance(dims, bool):  # The old form, `x.var(False)`, goes over all.
            dims = None
        count: Any = math.prod(tensor.shape[dim] for dim in _dims(tensor, dims))
        if is_static(count):
            return result if int(count) else torch.full_like(result, math.nan)
        if not may_be_zero(count):
            return result
        is_empty = torch.full((), count, dtype=torch.int64) == 0
        return torch.where(is_empty, torch.full((), math.nan, dtype=result.dtype), result)


for _name in _EXTREMES:
    for _owner in (torch, torch.Tensor):
        _register_extreme(getattr(_owner, _name))
for _name in _VARIANCES:
    for _owner in (torch, torch.Tensor):
        _register_variance(getattr(_owner, _name))
