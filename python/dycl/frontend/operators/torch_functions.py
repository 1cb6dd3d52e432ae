# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
# pyright: reportPrivateUsage=false, reportPrivateImportUsage=false
"""Functions of torch's that take Python numbers on data."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any

import torch
from torch.distributions import kl, kl_divergence

from dycl.errors import UnsupportedConstructError
from dycl.frontend.bounds import folded
from dycl.frontend.locations import here
from dycl.frontend.number_lists import PYTHON_DTYPES, stacked
from dycl.frontend.operators.calls import Calls
from dycl.frontend.operators.growing import has_rows, rows_of
from dycl.frontend.operators.replacements import replaces
from dycl.frontend.recorder import outside_modes
from dycl.frontend.rows import Rows, rows_of_tensor
from dycl.frontend.sizes import is_static
from dycl.frontend.values import Number

MAX_TOLIST = 64
"""How many elements `.tolist()` takes apart at most."""


@replaces(torch.Tensor.tolist)
def tolist(ops: Calls, tensor: torch.Tensor) -> Any:
    """`t.tolist()`: nested lists of numbers on data."""
    if tensor.dim() == 0:
        return Number.of_tensor(tensor)
    rows = None if is_static(tensor.shape[0]) else rows_of_tensor(tensor)
    if rows is not None:
        return [rows]
    if tensor.numel() > MAX_TOLIST:
        raise UnsupportedConstructError(
            f"`.tolist()` of {tensor.numel()} elements",
            hint=f"it is done for up to {MAX_TOLIST}; use tensor operations",
            location=here(),
        )
    return [tolist(ops, row) for row in tensor]


def _tensor(ops: Calls, plain: Callable[..., torch.Tensor], data: Any, *args: Any, **kwargs: Any) -> torch.Tensor:
    """`torch.tensor` of numbers on data, or of nested lists that hold some, or tensors of one element."""
    dtype = kwargs.get("dtype") or (args[0] if args else None)
    if has_rows(data):
        rows = rows_of(data)
        if rows.number_type is None:
            return _tensor_of_tuples(ops, rows, dtype)
        made = rows.stacks[0].to(dtype or PYTHON_DTYPES[rows.number_type]())
        if dtype is None and rows.least == 0 and made.dtype != torch.get_default_dtype():
            # Of no numbers, torch makes floats.
            return ops.if_exp(rows.length == 0, lambda: torch.empty(0), lambda: made)
        return made
    made = stacked(data, dtype)
    return plain(data, *args, **kwargs) if made is None else made


def _tensor_of_tuples(ops: Calls, rows: Rows, dtype: torch.dtype | None) -> torch.Tensor:
    """`torch.tensor` of as many tuples or lists of numbers as data say."""
    spec, kinds = rows.form
    if spec.type not in (tuple, list) or not rows.are_numbers or spec.num_leaves != spec.num_children:
        raise UnsupportedConstructError(
            "`torch.tensor` of a list whose length depends on data, of what is not numbers or tuples of them",
            hint="use `torch.stack` of tensors",
            location=here(),
        )
    numbers = [torch.empty((), dtype=PYTHON_DTYPES[kind]()) for kind in kinds if isinstance(kind, type)]
    common = dtype or functools.reduce(torch.promote_types, (number.dtype for number in numbers))
    made = torch.stack([stack.to(common) for stack in rows.stacks], 1)
    if rows.least:
        return made
    return ops.if_exp(rows.length == 0, lambda: torch.empty(0, dtype=dtype), lambda: made)


@replaces(torch.tensor)
def new_tensor(ops: Calls, data: Any, *args: Any, **kwargs: Any) -> torch.Tensor:
    return _tensor(ops, torch.tensor, data, *args, **kwargs)


@replaces(torch.Tensor.new_tensor)
def new_tensor_of_dtype(ops: Calls, tensor: torch.Tensor, data: Any, *args: Any, **kwargs: Any) -> torch.Tensor:
    """`x.new_tensor(...)`: of the dtype of `x`, if none is given."""

    def plain(data: Any, **_: Any) -> torch.Tensor:
        return tensor.new_tensor(data, *args, **kwargs)

    dtype = kwargs.get("dtype") or (args[0] if args else None) or tensor.dtype
    return _tensor(ops, plain, data, dtype=dtype)


@replaces(torch.as_tensor)
def as_tensor(ops: Calls, data: Any, *args: Any, **kwargs: Any) -> torch.Tensor:
    return _tensor(ops, torch.as_tensor, data, *args, **kwargs)


@replaces(torch.equal, torch.Tensor.equal)
def equal(ops: Calls, tensor: torch.Tensor, other: torch.Tensor) -> Any:  # noqa: ARG001
    """`torch.equal(a, b)`: a bool on data."""
    if tensor.shape != other.shape:
        return False
    return Number.of_tensor((tensor == other).all())


@replaces(torch.allclose, torch.Tensor.allclose)
def allclose(ops: Calls, tensor: torch.Tensor, other: torch.Tensor, *args: Any, **kwargs: Any) -> Any:  # noqa: ARG001
    """`torch.allclose(a, b)`: a bool on data."""
    return Number.of_tensor(torch.isclose(tensor, other, *args, **kwargs).all())


@replaces(torch._is_all_true)
def is_all_true(ops: Calls, tensor: torch.Tensor) -> Any:
    """What distributions ask of their parameters; of constants, it is known."""
    found = folded(ops.control.recorder, tensor)
    if found is None:
        return torch._is_all_true(tensor)
    with outside_modes():
        return bool(torch._is_all_true(found))


@replaces(kl_divergence)
def divergence(ops: Calls, p: Any, q: Any) -> torch.Tensor:
    """`kl_divergence`: torch remembers which function it is for which classes."""
    return ops.call(_of_classes(type(p), type(q)), p, q)


def _of_classes(p: type, q: type) -> Callable[..., torch.Tensor]:
    function = kl._dispatch_kl(p, q)
    if function is NotImplemented:
        raise NotImplementedError(f"No KL(p || q) is implemented for p type {p.__name__} and q type {q.__name__}")
    return function


def _cholesky(ops: Calls, name: str, matrix: torch.Tensor, upper: bool) -> torch.Tensor:
    """A Cholesky factor. It raises what eager does where a matrix is not positive-definite."""
    factor, info = torch.linalg.cholesky_ex(matrix, upper=upper)
    is_batch = matrix.dim() > 2
    orders = info.reshape(-1)
    first = (orders != 0).to(torch.int64).argmax(0, keepdim=True)
    order = Number.of_tensor(orders.index_select(0, first))

    def fail() -> None:
        where = ops.text("(Batch element ", (Number.of_tensor(first), "", ""), "): ") if is_batch else ""
        message = (
            "The factorization could not be completed because the input is not positive-definite "
            "(the leading minor of order "
        )
        text = ops.text(f"{name}: ", (where, "", ""), message, (order, "", ""), " is not positive-definite).")
        raise torch.linalg.LinAlgError(text)

    ops.raise_if(order != 0, fail)
    return factor


@replaces(torch.linalg.cholesky)
def cholesky(ops: Calls, matrix: torch.Tensor, *, upper: bool = False) -> torch.Tensor:
    return _cholesky(ops, "linalg.cholesky", matrix, upper)


@replaces(torch.cholesky, torch.Tensor.cholesky)
def old_cholesky(ops: Calls, matrix: torch.Tensor, upper: bool = False) -> torch.Tensor:
    return _cholesky(ops, "cholesky", matrix, upper)


class _Context:
    """What the `forward` of an autograd function gets as `ctx`: what it keeps there only gradients would need."""

    def save_for_backward(self, *tensors: Any) -> None:
        self.saved_tensors = tensors

    def save_for_forward(self, *tensors: Any) -> None: ...

    def mark_dirty(self, *tensors: Any) -> None: ...

    def mark_non_differentiable(self, *tensors: Any) -> None: ...

    def set_materialize_grads(self, value: bool) -> None: ...

    @property
    def needs_input_grad(self) -> Any:
        raise UnsupportedConstructError(
            "`ctx.needs_input_grad` in the `forward` of an autograd function: a compiled program has no gradients",
            hint="read it in `backward`",
            location=here(),
        )


@replaces(torch.autograd.Function.apply.__func__)  # type: ignore[attr-defined]
def apply(ops: Calls, function: type[torch.autograd.Function], *args: Any, **kwargs: Any) -> Any:
    """`Function.apply`: its `forward`, as user code."""
    context = _Context()
    if function.setup_context is torch.autograd.Function.setup_context:
        return ops.call(function.forward, context, *args, **kwargs)
    result = ops.call(function.forward, *args, **kwargs)
    bound = inspect.signature(function.forward).bind(*args, **kwargs)
    bound.apply_defaults()
    ops.call(function.setup_context, context, bound.args, result)
    return result
