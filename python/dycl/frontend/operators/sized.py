# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Functions that take sizes, or make tensors of them, with Python numbers on data, or tensors in their place."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch.fx.experimental.symbolic_shapes import statically_known_true

from dycl.errors import UnsupportedConstructError
from dycl.frontend.bounds import trusted
from dycl.frontend.checks import Slot
from dycl.frontend.locations import here
from dycl.frontend.operators.calls import Calls
from dycl.frontend.operators.replacements import replaces
from dycl.frontend.rows import of_stack, pieces
from dycl.frontend.scalar_arguments import SCALAR_FORMS
from dycl.frontend.size_numbers import as_number, as_size, number_unless_size
from dycl.frontend.sizes import is_static
from dycl.frontend.values import Number

_WITH_SIZES: tuple[Callable[..., Any], ...] = (
    torch.zeros,
    torch.ones,
    torch.empty,
    torch.eye,
    torch.Tensor.new_zeros,
    torch.Tensor.new_ones,
    torch.Tensor.new_empty,
    torch.Tensor.view,
    torch.Tensor.reshape,
    torch.reshape,
    torch.Tensor.expand,
    torch.Tensor.repeat,
    torch.tile,
    torch.Tensor.tile,
    torch.broadcast_to,
    torch.Tensor.broadcast_to,
    torch.unflatten,
    torch.Tensor.unflatten,
)
"""Functions whose int arguments are sizes."""

_FACTORIES = (torch.zeros, torch.ones, torch.empty, torch.eye, torch.full)
"""... and that take no tensor to work on."""

_WITH_SIZE_FIRST: tuple[Callable[..., Any], ...] = (torch.full, torch.Tensor.new_full)
"""... or only the first, `size`."""

_WITH_INTS: tuple[Callable[..., Any], ...] = (
    torch.tril,
    torch.triu,
    torch.Tensor.tril,
    torch.Tensor.triu,
    torch.diagonal,
    torch.Tensor.diagonal,
    F.pad,
)
"""Functions whose int arguments are plain ints, possibly negative."""


def _sizes(ops: Calls, value: Any, *, are_sizes: bool) -> Any:
    """The value with each int on data in it as torch takes it in the place of a plain one."""
    value = _number(value)
    if isinstance(value, Number):
        if are_sizes:
            _check_size(ops, value)
        return as_size(value, ops.control.recorder, 0 if are_sizes else None)
    if isinstance(value, (tuple, list)):
        return type(value)(_sizes(ops, v, are_sizes=are_sizes) for v in value)
    return value


def _check_size(ops: Calls, size: Number) -> None:
    def fail() -> None:
        raise RuntimeError("a size that depends on data is negative")

    ops.raise_if(size < 0, fail)


def _has_numbers(value: Any) -> bool:
    if isinstance(value, (tuple, list)):
        return any(_has_numbers(v) for v in value)
    return isinstance(_number(value), Number)


def _number(value: Any) -> Any:
    """A tensor that serves as an int, as the number in it; anything else as it is."""
    is_int = (
        isinstance(value, torch.Tensor)
        and not value.dim()
        and not (value.is_floating_point() or value.is_complex() or value.dtype == torch.bool)
    )
    return Number.of_tensor(value) if is_int else value


_RESHAPES = (torch.Tensor.view, torch.Tensor.reshape, torch.reshape)


def _check_elements(ops: Calls, tensor: torch.Tensor, shape: tuple[Any, ...]) -> None:
    """Raises what eager does where a shape does not take as many elements as data says that there are."""
    sizes = list(shape[0]) if len(shape) == 1 and isinstance(shape[0], (tuple, list)) else list(shape)
    count: Any = tensor.numel()
    are_known = all(type(size) is int and size != 0 for size in sizes)
    if not are_known or not ops.control.recorder.sizes.depends_on_data(count):
        return
    known = math.prod(size for size in sizes if size != -1)
    fits = count % known == 0 if -1 in sizes else count == known
    if ops.control.recorder.sizes.decide(fits) or statically_known_true(fits):
        return

    number = as_number(count)

    def fail() -> None:
        raise RuntimeError(ops.text(f"shape '{sizes}' is invalid for input of size ", (number, "", "")))

    ops.raise_if(ops.arithmetic("Mod", number, known) != 0 if -1 in sizes else number != known, fail)


def _register(function: Callable[..., Any], *, are_sizes: bool, only_first: bool = False) -> None:
    @replaces(function)
    def sized(ops: Calls, *args: Any, **kwargs: Any) -> Any:  # pyright: ignore[reportUnusedFunction]
        args = tuple(map(number_unless_size, args))
        kwargs = {k: number_unless_size(v) for k, v in kwargs.items()}
        # The tensor that a method is called on comes first.
        start = 1 if function not in _FACTORIES and args and isinstance(args[0], torch.Tensor) else 0
        end = start + 1 if only_first else len(args)
        if function in _RESHAPES and args:
            _check_elements(ops, args[0], (*args[1:], *(v for k, v in kwargs.items() if k in ("shape", "size"))))
        if not _has_numbers(args[start:end]) and not _has_numbers(list(kwargs.values())):
            return function(*args, **kwargs)
        taken = [_sizes(ops, v, are_sizes=are_sizes) if start <= i < end else v for i, v in enumerate(args)]
        named = {k: v if only_first and k != "size" else _sizes(ops, v, are_sizes=are_sizes) for k, v in kwargs.items()}
        return function(*taken, **named)


for _function in _WITH_SIZES:
    _register(_function, are_sizes=True)
for _function in _WITH_SIZE_FIRST:
    _register(_function, are_sizes=True, only_first=True)
for _function in _WITH_INTS:
    _register(_function, are_sizes=False)


@replaces(torch.arange)
def arange(ops: Calls, *args: Any, **kwargs: Any) -> torch.Tensor:
    """`torch.arange` with ints on data: counted from zero, then scaled."""
    args = tuple(map(_number, args))
    kwargs = {k: _number(v) for k, v in kwargs.items()}
    if not any(isinstance(v, Number) for v in (*args, *kwargs.values())):
        return torch.arange(*args, **kwargs)
    bounds = dict(zip(("end",) if len(args) == 1 else ("start", "end", "step"), args, strict=False))
    bounds.update({k: kwargs.pop(k) for k in ("start", "end", "step") if k in kwargs})
    start, end, step = bounds.get("start", 0), bounds["end"], bounds.get("step", 1)
    kinds = [v.type if isinstance(v, Number) else type(v) for v in (start, end, step)]
    if isinstance(step, Number) or float in kinds:
        return torch.arange(*args, **kwargs)  # refused with the function's name
    if step == 0:
        raise RuntimeError("step must be nonzero")

    def fail() -> None:
        raise RuntimeError("upper bound and lower bound inconsistent with step sign")

    ops.raise_if((end < start) if step > 0 else (end > start), fail)
    # Rounded up, away from the start.
    count = (end - start + (step - 1 if step > 0 else step + 1)) // step
    size = as_size(count, ops.control.recorder, 0)
    dtype = kwargs.get("dtype") or torch.int64
    steps = torch.arange(size, **{**kwargs, "dtype": dtype})  # type: ignore[arg-type]
    return steps * step + start


@replaces(torch.narrow, torch.Tensor.narrow)
def narrow(ops: Calls, tensor: torch.Tensor, dim: int, start: Any, length: Any) -> torch.Tensor:
    """`torch.narrow` with ints on data; it raises where they lie outside of the tensor."""
    start, length = _number(start), _number(length)
    if not isinstance(start, Number) and not isinstance(length, Number):
        return torch.narrow(tensor, dim, start, length)
    size = tensor.shape[dim]

    def fail() -> None:
        raise RuntimeError("start and length of a `narrow` that depends on data lie outside of the tensor")

    begin = ops.if_exp(start < 0, lambda: start + size, lambda: start)
    ops.raise_if(ops.or_(begin < 0, lambda: length < 0, lambda: begin + length > size), fail)
    if not isinstance(length, Number):
        with trusted():
            return torch.narrow(tensor, dim, begin, length)  # of a static size: see `scalar_arguments.py`
    first, count = (as_size(v, ops.control.recorder, 0) if isinstance(v, Number) else v for v in (begin, length))
    return torch.narrow(tensor, dim, first, count)  # type: ignore[arg-type]


@replaces(torch.select, torch.Tensor.select)
def select(ops: Calls, tensor: torch.Tensor, dim: int, index: Any) -> torch.Tensor:
    """`torch.select` with an int on data."""
    number = _number(index)
    if not isinstance(number, Number):
        return torch.select(tensor, dim, index)
    dim %= tensor.dim()
    checks = ops.control.checks
    if checks is not None:
        shape = ", ".join(str(n) if is_static(n) else "?" for n in tensor.shape)
        message = ("select(): index ", Slot.VALUE, f" out of range for tensor of size [{shape}] at dimension {dim}")
        checks.in_range(None, number.tensor, tensor.shape[dim], IndexError, message, wraps=True)
    with trusted():
        return SCALAR_FORMS["select"](tensor, dim, number)


@replaces(torch.repeat_interleave, torch.Tensor.repeat_interleave)
def repeat_interleave(
    ops: Calls, tensor: torch.Tensor, repeats: Any = None, dim: int | None = None, *, output_size: int | None = None
) -> torch.Tensor:
    """`torch.repeat_interleave`, by one count, or by as many as there are rows: these are a matter of data."""
    if repeats is None:
        return _repeated_rows(ops, tensor, output_size)
    if dim is None:
        tensor, dim = tensor.reshape(-1), 0
    dim = dim % max(tensor.dim(), 1)
    if isinstance(repeats, torch.Tensor) and repeats.dim() and not statically_known_true(repeats.shape[0] == 1):

        def fail() -> None:
            raise RuntimeError("repeats must have the same size as input along dim")

        ops.raise_if(repeats.shape[0] != tensor.shape[dim], fail)
        rows = _repeated_rows(ops, repeats, output_size)
        with trusted():
            return tensor.index_select(dim, rows)
    if isinstance(repeats, torch.Tensor):
        repeats = repeats.reshape(())
    count = _sizes(ops, repeats, are_sizes=True)
    if isinstance(count, int) and count < 0:
        raise RuntimeError("repeats can not be negative")
    shape = list(tensor.shape)
    apart = tensor.unsqueeze(dim + 1).expand(*[-1] * (dim + 1), count, *[-1] * (len(shape) - dim - 1))
    return apart.reshape([*shape[:dim], shape[dim] * count, *shape[dim + 1 :]])


def _repeated_rows(ops: Calls, repeats: torch.Tensor, output_size: int | None) -> torch.Tensor:
    """For each row of the result, which one it repeats: as many as there are that end before it, or where it is."""

    def fail() -> None:
        raise RuntimeError("repeats can not be negative")

    ops.raise_if((repeats < 0).any(), fail)
    ends = repeats.to(torch.int64).cumsum(0)
    size = output_size
    if size is None:
        size = as_size(Number.of_tensor(repeats.to(torch.int64).sum()), ops.control.recorder, 0)
    return torch.searchsorted(ends, torch.arange(size), right=True).to(repeats.dtype)  # type: ignore[arg-type]


@replaces(torch.linspace)
def linspace(
    ops: Calls, start: Any, end: Any, steps: Any, *, dtype: torch.dtype | None = None, **kwargs: Any
) -> torch.Tensor:
    """`torch.linspace` between numbers on data, or of as many steps as data or sizes say."""
    start, end, steps = (as_number(_number(v)) for v in (start, end, steps))
    dtype = dtype or torch.get_default_dtype()
    if not any(isinstance(v, Number) for v in (start, end, steps)) or not dtype.is_floating_point:
        return torch.linspace(start, end, steps, dtype=dtype, **kwargs)
    size = steps
    if isinstance(steps, Number):

        def fail() -> None:
            raise RuntimeError("number of steps must be non-negative")

        ops.raise_if(steps < 0, fail)
        size = as_size(steps, ops.control.recorder, 0)
    first, last = (
        v.tensor.to(dtype) if isinstance(v, Number) else torch.full((), v, dtype=dtype) for v in (start, end)
    )
    count = Number.of(steps, int).tensor
    step = (last - first) / (count - 1).clamp(min=1).to(dtype)
    place = torch.arange(size)  # type: ignore[arg-type]
    # As eager does: each half from its own end.
    forward = (place < torch.div(count, 2, rounding_mode="floor")) | (count == 1)
    return torch.where(forward, first + step * place.to(dtype), last - step * (count - 1 - place).to(dtype))


@replaces(F.one_hot)
def one_hot(ops: Calls, tensor: torch.Tensor, num_classes: Any = -1) -> torch.Tensor:
    """`F.one_hot` of as many classes as data or sizes say, or as the largest makes."""
    classes = as_number(_number(num_classes))
    if not isinstance(classes, Number) and classes != -1:
        checks = ops.control.checks
        if checks is not None:
            checks.require(None, (tensor < 0).any(), RuntimeError, ("Class values must be non-negative.",))
            message = "Class values must be smaller than num_classes."
            checks.require(None, (tensor >= classes).any(), RuntimeError, (message,))
        return F.one_hot(tensor, num_classes)

    def raises(message: str) -> Callable[[], None]:
        def fail() -> None:
            raise RuntimeError(message)

        return fail

    ops.raise_if((tensor < 0).any(), raises("Class values must be non-negative."))

    def largest() -> Number:
        return Number.of_tensor(tensor.max() + 1)

    classes = ops.if_exp(classes == -1, largest, lambda: classes) if isinstance(classes, Number) else largest()
    ops.raise_if((tensor >= classes).any(), raises("Class values must be smaller than num_classes."))
    size = as_size(classes, ops.control.recorder, 1)
    return (tensor.unsqueeze(-1) == torch.arange(size)).to(torch.int64)  # type: ignore[arg-type]


@replaces(torch.split, torch.Tensor.split, torch.split_with_sizes, torch.Tensor.split_with_sizes)
def split(ops: Calls, tensor: torch.Tensor, *args: Any, **kwargs: Any) -> tuple[Any, ...]:
    """`torch.split` into parts whose sizes depend on data, or of a size that is not known into as many as there are."""
    given = dict(zip(("sizes", "dim"), args, strict=False))
    given |= {"dim" if name == "dim" else "sizes": value for name, value in kwargs.items()}
    sizes, dim = given["sizes"], given.get("dim", 0)
    if type(sizes) is int and sizes > 0 and _is_unknown(tensor, dim):
        total: Any = tensor.shape[dim]
        if not is_static((total + sizes - 1) // sizes):
            return (pieces(tensor, sizes, dim),)
    if not isinstance(sizes, (list, tuple)) or not any(map(_has_numbers, sizes)):
        return torch.split(tensor, sizes, dim)  # type: ignore[arg-type]
    numbers = [as_number(_number(size)) for size in sizes]

    def fail() -> None:
        raise RuntimeError(
            "the sizes of a `split` that depend on data are negative, or not as much as there is to split"
        )

    is_negative = (lambda number=number: number < 0 for number in numbers)
    ops.raise_if(ops.or_(sum(numbers) != as_number(tensor.shape[dim]), *is_negative), fail)
    parts: list[torch.Tensor] = []
    start: Any = 0
    for number in numbers:
        size = as_size(number, ops.control.recorder, 0) if isinstance(number, Number) else number
        parts.append(torch.narrow(tensor, dim, start, size))
        start = start + size
    return tuple(parts)


def _is_unknown(tensor: torch.Tensor, dim: Any) -> bool:
    """Whether the size of a dimension is not known."""
    return type(dim) is int and -tensor.dim() <= dim < tensor.dim() and not is_static(tensor.shape[dim])


@replaces(torch.unbind, torch.Tensor.unbind)
def unbind(ops: Calls, tensor: torch.Tensor, dim: int = 0) -> tuple[Any, ...]:
    """`torch.unbind` of a size that is not known: as many items as there are."""
    if not _is_unknown(tensor, dim):
        return torch.unbind(tensor, dim)
    return (of_stack(tensor.movedim(dim, 0), None, ops.control.recorder.sizes.at_least(tensor.shape[dim])),)


@replaces(torch.chunk, torch.Tensor.chunk)
def chunk(ops: Calls, tensor: torch.Tensor, chunks: Any, dim: int = 0) -> tuple[torch.Tensor, ...]:  # noqa: ARG001
    """`torch.chunk` of a size that is not known, where what is known of it tells how many chunks there are."""
    size = tensor.shape[dim] if tensor.dim() else 1
    if is_static(size) or not isinstance(chunks, int) or chunks < 1:
        return torch.chunk(tensor, chunks, dim)
    if statically_known_true(size % chunks == 0):
        first = size // chunks
    elif chunks == 2 and statically_known_true(size > 1):
        first = (size + 1) // 2
    else:
        raise UnsupportedConstructError(
            f"`chunk` into {chunks} of a size that is known at run time only: there may be fewer chunks",
            hint=f"use `torch.tensor_split(x, {chunks})`, which always gives as many, or do it under "
            f"`if size % {chunks} == 0:`",
            location=here(),
        )
    starts = [first * i for i in range(chunks)]
    ends = [*starts[1:], size]
    return tuple(tensor.narrow(dim, start, end - start) for start, end in zip(starts, ends, strict=True))
