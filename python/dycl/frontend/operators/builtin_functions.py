# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Python's built-in functions, of values that depend on data."""

from __future__ import annotations

import operator
import warnings
from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from dycl.errors import UnsupportedConstructError
from dycl.frontend.locations import here
from dycl.frontend.operators.calls import Calls
from dycl.frontend.operators.iteration import DataRange
from dycl.frontend.operators.replacements import replaces
from dycl.frontend.values import Number, TruthOnly


def convert(kind: type, value: Any, *args: Any, **kwargs: Any) -> Any:
    """`kind(value)` for int, float or bool."""
    if isinstance(value, TruthOnly) and kind is bool:
        return TruthOnly.truth(value)
    if isinstance(value, torch.Tensor):
        value = Number.of_tensor(value)
    if isinstance(value, Number):
        return value.converted(kind)
    return kind(value, *args, **kwargs)


@replaces(int)
def int_(ops: Calls, *args: Any, **kwargs: Any) -> Any:  # noqa: ARG001
    return convert(int, *args, **kwargs) if args else int(**kwargs)


@replaces(float)
def float_(ops: Calls, *args: Any) -> Any:  # noqa: ARG001
    return convert(float, *args) if args else 0.0


@replaces(bool)
def bool_(ops: Calls, *args: Any) -> Any:  # noqa: ARG001
    return convert(bool, *args) if args else False


@replaces(isinstance)
def isinstance_(ops: Calls, value: Any, classes: Any) -> bool:  # noqa: ARG001
    if isinstance(value, Number):
        return issubclass(value.type, classes)
    return isinstance(value, classes)


@replaces(type)
def type_(ops: Calls, *args: Any, **kwargs: Any) -> Any:  # noqa: ARG001
    if len(args) == 1 and isinstance(args[0], Number):
        return args[0].type
    if len(args) == 1 and isinstance(args[0], torch.Tensor) and not isinstance(args[0], nn.Parameter):
        return torch.Tensor
    return type(*args, **kwargs)


def _extreme(
    ops: Calls, better: Callable[[Any, Any], Any], plain: Callable[..., Any], args: tuple[Any, ...], kwargs: Any
) -> Any:
    """`max` and `min`: the first of the best, as Python has it."""
    items = list(args[0]) if len(args) == 1 else list(args)
    if not any(isinstance(v, (Number, torch.Tensor)) for v in items):
        return plain(items, **kwargs) if len(args) == 1 else plain(*args, **kwargs)
    key = kwargs.pop("key", None)
    if kwargs.pop("default", None) is not None and not items:
        raise AssertionError("items hold data, so they are not empty")
    if kwargs:
        raise TypeError(f"{plain.__name__}() got an unexpected keyword argument {next(iter(kwargs))!r}")

    def rank(v: Any) -> Any:
        return ops.call(key, v) if key is not None else v

    best, best_rank = items[0], rank(items[0])
    for item in items[1:]:
        item_rank = rank(item)
        is_better = better(item_rank, best_rank)
        best = ops.if_exp(is_better, lambda item=item: item, lambda best=best: best)
        best_rank = best if key is None else ops.if_exp(is_better, lambda r=item_rank: r, lambda r=best_rank: r)
    return best


@replaces(max)
def max_(ops: Calls, *args: Any, **kwargs: Any) -> Any:
    return _extreme(ops, operator.gt, max, args, kwargs)


@replaces(min)
def min_(ops: Calls, *args: Any, **kwargs: Any) -> Any:
    return _extreme(ops, operator.lt, min, args, kwargs)


def _any_all(ops: Calls, items: Any, *, stops_on_false: bool) -> Any:
    if isinstance(items, torch.Tensor):
        items = list(items)
    result: Any = stops_on_false
    state = ops.control.state()
    for item in items:
        if ops.control.predicate(item) is None:
            if bool(item) is not stops_on_false:
                return not stops_on_false
            continue
        if state.delta():
            # Python would stop at the first item that decides.
            raise UnsupportedConstructError(
                f"`{'all' if stops_on_false else 'any'}` over items that write to variables as they are computed",
                hint="write a `for` loop with a `break`",
                location=here(),
            )
        truth = ops.as_truth(item)
        if isinstance(result, Number):
            function = torch.logical_and if stops_on_false else torch.logical_or
            result = Number(function(result.tensor, truth.tensor), bool)
        else:
            result = truth
    return result


@replaces(any)
def any_(ops: Calls, items: Any) -> Any:
    return _any_all(ops, items, stops_on_false=False)


@replaces(all)
def all_(ops: Calls, items: Any) -> Any:
    return _any_all(ops, items, stops_on_false=True)


@replaces(range)
def range_(ops: Calls, *args: Any) -> Any:  # noqa: ARG001
    numbers = [Number.of_tensor(a) if isinstance(a, torch.Tensor) else a for a in args]
    if not any(isinstance(a, Number) for a in numbers):
        return range(*args)
    start, stop, step = (0, numbers[0], 1) if len(numbers) == 1 else (*numbers, 1)[:3]
    if isinstance(step, Number):
        raise UnsupportedConstructError(
            "a range whose step depends on tensor values", hint="use a constant step", location=here()
        )
    if step == 0:
        raise ValueError("range() arg 3 must not be zero")
    return DataRange(start, stop, step)


@replaces(print)
def print_(ops: Calls, *args: Any, **kwargs: Any) -> None:  # noqa: ARG001
    if any(isinstance(a, (Number, torch.Tensor)) for a in args):
        warnings.warn(f"{here()}: a `print` of tensor values is left out of the compiled program", stacklevel=2)
        return
    print(*args, **kwargs)


@replaces(setattr)
def setattr_(ops: Calls, owner: Any, name: str, value: Any) -> None:
    ops.setattr_(owner, name, value)


@replaces(delattr)
def delattr_(ops: Calls, owner: Any, name: str) -> None:
    ops.delattr_(owner, name)
