# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
# pyright: reportPrivateUsage=false, reportPrivateImportUsage=false
"""Functions of torch's that take Python numbers on data."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch.distributions import kl, kl_divergence
from torch.utils import _pytree as pytree

from dycl.errors import UnsupportedConstructError
from dycl.frontend.bounds import folded, trusted
from dycl.frontend.locations import here
from dycl.frontend.number_lists import PYTHON_DTYPES, as_scalar, dtype_of, stacked
from dycl.frontend.operators.calls import Calls
from dycl.frontend.operators.growing import has_rows, rows_of
from dycl.frontend.operators.replacements import replaces
from dycl.frontend.recorder import outside_modes
from dycl.frontend.rows import Rows, rows_of_tensor
from dycl.frontend.size_numbers import as_number
from dycl.frontend.sizes import is_static, same_size
from dycl.frontend.text import Text, text_of
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
    if _hold_rows(data):
        return _tensor_of_rows(ops, data, dtype)
    made = stacked(data, dtype)
    return plain(data, *args, **kwargs) if made is None else made


def _hold_rows(data: Any) -> bool:
    """Whether it is a list whose length depends on data, or nested lists that hold some."""
    return isinstance(data, (list, tuple)) and (has_rows(data) or any(map(_hold_rows, data)))


def _tensor_of_rows(ops: Calls, data: Any, dtype: torch.dtype | None) -> torch.Tensor:
    """`torch.tensor` of lists of numbers, or of tuples of them, nested in each other, some as long as data say."""
    joined = _with_joined_rows(data)
    made = _built(ops, joined, dtype or functools.reduce(torch.promote_types, _dtypes(joined)))
    first = joined
    while isinstance(first, list) and first:
        first = first[0]
    # Where the first list has no number, torch looks no further: neither how many a tuple has, nor that they are
    # integers.
    if isinstance(first, list):
        return torch.tensor(_without_rows(joined), dtype=dtype)
    if not isinstance(first, Rows) or first.least:
        return made
    if first.number_type is not None and made.dtype == (dtype or torch.get_default_dtype()):
        return made
    return ops.if_exp(first.length == 0, lambda: torch.tensor(_without_rows(joined), dtype=dtype), lambda: made)


def _with_joined_rows(data: Any) -> Any:
    """Nested lists, with the rows in place of each list that holds some."""
    if not isinstance(data, (list, tuple)):
        return data
    if not has_rows(data):
        return [_with_joined_rows(value) for value in data]
    rows = rows_of(data)
    spec, _ = rows.form
    is_tuple = spec.type in (tuple, list) and spec.num_leaves == spec.num_children
    if not rows.are_numbers or not (is_tuple or rows.number_type is not None):
        raise UnsupportedConstructError(
            "`torch.tensor` of a list whose length depends on data, of what is not numbers or tuples of them",
            hint="use `torch.stack` of tensors",
            location=here(),
        )
    return rows


def _dtypes(data: Any) -> Iterator[torch.dtype]:
    """What each number in nested lists contributes to the dtype of a tensor of them."""
    for leaf in pytree.tree_leaves(data, is_leaf=lambda v: isinstance(v, Number)):
        if isinstance(leaf, Rows):
            yield from (PYTHON_DTYPES[kind]() for kind in leaf.form[1] if isinstance(kind, type))
        else:
            yield dtype_of(as_number(leaf))


def _without_rows(data: Any) -> Any:
    """Nested lists as they are where no list whose length depends on data has an item, and all numbers are 0."""
    if isinstance(data, Rows):
        return []
    return [_without_rows(value) for value in data] if isinstance(data, list) else 0


def _built(ops: Calls, data: Any, dtype: torch.dtype) -> torch.Tensor:
    """A tensor of nested lists and rows; raises what torch does where lists beside each other differ in length."""
    if isinstance(data, Rows):
        columns = [stack.to(dtype) for stack in data.stacks]
        return columns[0] if data.number_type is not None else torch.stack(columns, 1)
    if not isinstance(data, list):
        return as_scalar(data, dtype)
    if not data:
        return torch.empty(0, dtype=dtype)
    parts = [_built(ops, value, dtype) for value in data]
    return torch.stack([parts[0], *(_of_equal_size(ops, part, parts[0].shape) for part in parts[1:])])


def _of_equal_size(ops: Calls, part: torch.Tensor, shape: torch.Size) -> torch.Tensor:
    """A tensor of the size that the first of those beside it has; torch compares lists with the first one only."""
    if part.dim() != len(shape):
        raise UnsupportedConstructError(
            "`torch.tensor` of lists beside each other, some of numbers and some of lists of them",
            hint="nest all of them equally",
            location=here(),
        )
    for dim, (wanted, given) in enumerate(zip(shape, part.shape, strict=True)):
        if same_size(given, wanted):
            continue
        numbers = [Number.of(as_number(size), int) for size in (wanted, given)]

        def fail(dim: int = dim, numbers: list[Number] = numbers) -> None:
            texts = [text_of(number, "") for number in numbers]
            message = Text.of("expected sequence of length ") + texts[0] + f" at dim {dim + 1} (got "
            raise ValueError(message + texts[1] + ")")

        if not is_static(wanted) or wanted != 0:
            ops.raise_if((numbers[0] != numbers[1]) & (numbers[0] != 0), fail)
        with trusted():
            part = torch.index_select(part, dim, torch.arange(wanted))
    return part


@replaces(torch.tensor)
def new_tensor(ops: Calls, data: Any, *args: Any, **kwargs: Any) -> torch.Tensor:
    return _tensor(ops, torch.tensor, data, *args, **kwargs)


def _replace_legacy(made: Any, dtype: torch.dtype) -> None:
    @replaces(made)
    def legacy_tensor(ops: Calls, *args: Any, **kwargs: Any) -> torch.Tensor:  # pyright: ignore[reportUnusedFunction]
        """`torch.LongTensor(data)` and the like."""
        if len(args) != 1 or kwargs or not isinstance(args[0], (list, tuple)):
            return made(*args, **kwargs)
        return _tensor(ops, lambda data, **_: made(data), args[0], dtype=dtype)


for _made, _dtype in {
    torch.FloatTensor: torch.float32,
    torch.DoubleTensor: torch.float64,
    torch.LongTensor: torch.int64,
    torch.IntTensor: torch.int32,
    torch.BoolTensor: torch.bool,
}.items():
    _replace_legacy(_made, _dtype)


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
