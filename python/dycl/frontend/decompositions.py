# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""What ops are made of before torch-mlir gets them: torch's and torch-mlir's tables, and those below.

Ours are of ops that torch-mlir does not lower, and of those that it lowers to something else than PyTorch computes.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from contextvars import ContextVar
from typing import Any, cast

import torch
from torch._decomp import get_decompositions
from torch.fx.experimental.symbolic_shapes import statically_known_true
from torch.utils._sympy.functions import ToFloat
from torch_mlir.extras.fx_decomp_util import get_decomposition_table

from dycl.frontend import attention, elementwise, linear_algebra, nans, repetition, sorting, wide_floats
from dycl.frontend.bounds import from_the_start, is_mask
from dycl.frontend.sizes import expression, is_static, may_be_zero, same_sizes

aten = torch.ops.aten


def decompositions() -> dict[Any, Callable[..., Any]]:
    table = dict(get_decomposition_table())
    # The dispatcher reaches bilinear upsampling by another overload than the table has.
    bilinear = aten.upsample_bilinear2d.default
    table[bilinear] = get_decompositions([bilinear])[bilinear]
    table[aten.addmm.default] = _addmm
    for name in ("eq", "ne", "lt", "le", "gt", "ge"):
        packet = getattr(aten, name)
        table[packet.Scalar] = functools.partial(_compare_with_number, packet.Tensor)
    table[aten.rsub.Scalar] = _subtract_from_size
    for old, packet in ((aten.__lshift__, aten.bitwise_left_shift), (aten.__rshift__, aten.bitwise_right_shift)):
        table[old.Scalar] = packet.Tensor_Scalar
        table[old.Tensor] = packet.Tensor
        for overload in (packet.Tensor, packet.Tensor_Scalar, packet.Scalar_Tensor):
            table[overload] = functools.partial(_shift, packet.Tensor)
    table[aten.constant_pad_nd.default] = _constant_pad
    table[aten.index.Tensor] = _index
    table[aten.index_put.default] = _index_put
    table[aten.masked_select.default] = _masked_select
    table[aten.scalar_tensor.default] = _scalar_tensor
    table[aten.masked_scatter.default] = _masked_scatter
    table[aten.where.self] = _where
    table[aten.cumsum.default] = table[aten.cumprod.default] = _cumulative
    table[aten.unique_consecutive.default] = _unique_consecutive
    table[aten.logsumexp.default] = _logsumexp
    table[aten.native_group_norm.default] = _group_norm
    table[aten._is_all_true.default] = aten.all.default
    table[aten._is_any_true.default] = aten.any.default
    for ours in (attention, elementwise, linear_algebra, nans, repetition, sorting):
        table |= ours.DECOMPOSITIONS
    for op, of_f64 in wide_floats.DECOMPOSITIONS.items():
        table[op] = _first_of(of_f64, table.get(op))
    return table


def _first_of(decomposition: Callable[..., Any], other: Callable[..., Any] | None) -> Callable[..., Any]:
    """A decomposition, and another one where it has none."""

    def both(*args: Any, **kwargs: Any) -> Any:
        out = decomposition(*args, **kwargs)
        return out if out is not NotImplemented or other is None else other(*args, **kwargs)

    return both


def _group_norm(
    x: torch.Tensor,
    weight: torch.Tensor | None,
    bias: torch.Tensor | None,
    batch: Any,
    channels: Any,
    pixels: Any,  # noqa: ARG001
    groups: int,
    eps: float,
) -> Any:
    """Of a dynamic size, of which torch makes strides; with the mean and the scale of each group, as eager."""
    if all(map(is_static, x.shape)):
        return NotImplemented
    shape = x.shape
    grouped = x.reshape(batch, groups, -1)
    variance, mean = torch.var_mean(grouped, -1, correction=0, keepdim=True)
    scale = torch.rsqrt(variance + eps)
    result = ((grouped - mean) * scale).reshape(shape)
    per_channel = [1, channels, *[1] * (x.dim() - 2)]
    if weight is not None:
        result = result * weight.reshape(per_channel)
    if bias is not None:
        result = result + bias.reshape(per_channel)
    return result, mean.squeeze(-1), scale.squeeze(-1)


def _logsumexp(tensor: torch.Tensor, dim: Any, keepdim: bool = False) -> torch.Tensor:
    """Also of nothing, which torch's own asks the sizes about."""
    x = tensor if tensor.is_floating_point() else tensor.to(torch.get_default_dtype())
    if x.dtype in (torch.float16, torch.bfloat16):
        return torch.logsumexp(x.to(torch.float32), dim, keepdim).to(x.dtype)
    most = torch.amax(x, dim, keepdim=True)
    most = torch.where(torch.isinf(most), torch.zeros((), dtype=x.dtype), most)
    result = torch.log(torch.sum(torch.exp(x - most), dim, keepdim=True)) + most
    return result if keepdim else torch.squeeze(result, dim)


def counted(
    values: torch.Tensor, weights: torch.Tensor | None = None, minlength: int = 0, *, bound: int | None
) -> torch.Tensor | None:
    """`torch.bincount` of values that are known to be below `bound` (`bounds.py`), where its length is then known.

    None where it is not: the counts may be more than `minlength`.
    """
    if bound is None or not is_static(minlength) or minlength < bound:
        return None
    dtype = torch.int64
    if weights is not None:
        dtype = weights.dtype if weights.is_floating_point() else torch.float64
    each = torch.ones_like(values) if weights is None else weights.to(dtype)
    return torch.zeros(int(minlength), dtype=dtype).scatter_add(0, values.to(torch.int64), each.to(dtype))


def _scalar_tensor(value: Any, *, dtype: torch.dtype | None = None, **_: Any) -> Any:
    """A size that is not known as a tensor, of which `quantile` computes ranks."""
    if isinstance(value, torch.SymFloat) and isinstance(expression(value), ToFloat):
        value = value.node.shape_env.create_symintnode(expression(value).args[0], hint=None)
    if not isinstance(value, torch.SymInt):
        return NotImplemented
    number: Any = value
    return torch.full((), number, dtype=torch.int64).to(dtype or torch.get_default_dtype())


def _masked_select(tensor: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    tensor, mask = torch.broadcast_tensors(tensor, mask)
    return tensor[mask]


def _masked_scatter(tensor: torch.Tensor, mask: torch.Tensor, source: torch.Tensor) -> torch.Tensor:
    """Element i of the source where the mask holds for the i-th time, in row-major order."""
    tensor, mask = torch.broadcast_tensors(tensor, mask)
    # One element more, so that there always is one.
    given = torch.cat([source.reshape(-1), torch.zeros((1,), dtype=source.dtype)])
    place = mask.reshape(-1).to(torch.int64).cumsum(0) - 1
    return torch.where(mask, given[place.clamp(0, source.numel())].reshape(tensor.shape), tensor)


def _where(condition: torch.Tensor, a: torch.Tensor, b: torch.Tensor) -> Any:
    """Torch asks whether sizes that depend on data agree, where other ops take it for granted, to be checked."""
    if all(is_static(size) for tensor in (condition, a, b) for size in tensor.shape):
        return NotImplemented
    shape = torch.broadcast_shapes(condition.shape, a.shape, b.shape)
    spread = [t if same_sizes(t.shape, shape) else t.expand(shape) for t in (condition, a, b)]
    return NotImplemented if spread[0] is condition and spread[1] is a and spread[2] is b else aten.where.self(*spread)


def _cumulative(tensor: torch.Tensor, dim: int, *, dtype: torch.dtype | None = None) -> Any:  # noqa: ARG001 (the op's)
    """Of one number, itself; torch-mlir wants a dimension."""
    if tensor.dim():
        return NotImplemented
    return tensor.to(dtype or (tensor.dtype if tensor.is_floating_point() else torch.int64), copy=True)


def _unique_consecutive(
    tensor: torch.Tensor, return_inverse: bool = False, return_counts: bool = False, dim: int | None = None
) -> Any:
    """The elements that differ from the one before; for each element, which it is of them; how often each comes.

    With `dim`, slices along it are compared and kept. torch-mlir does not lower it. What is not asked for is empty, as
    in eager.
    """
    rows = tensor.reshape(-1) if dim is None else tensor.movedim(dim, 0)
    count = rows.shape[0]
    # NaNs differ from one another, as in eager.
    before = torch.cat([rows.new_zeros((1, *rows.shape[1:])), rows]).narrow(0, 0, count)
    differs = (rows != before).flatten(1).any(1) if rows.dim() > 1 else rows != before
    first = (torch.arange(count) == 0) | differs
    inverse = counts = torch.empty((0,), dtype=torch.int64)
    if return_inverse:
        inverse = first.to(torch.int64).cumsum(0) - 1
        inverse = inverse.reshape(tensor.shape) if dim is None else inverse
    if return_counts:
        counts = _distances(first)
    found = rows[first]
    return found if dim is None else found.movedim(0, dim), inverse, counts


def _distances(first: torch.Tensor) -> torch.Tensor:
    """How far it is from each place that is marked to the next, or to the end."""
    starts = first.nonzero().reshape(-1)
    ends = torch.cat([starts, torch.full((1,), first.shape[0], dtype=torch.int64)]).narrow(0, 1, starts.shape[0])
    return ends - starts


def _constant_pad(tensor: torch.Tensor, pad: Sequence[int | torch.SymInt], value: float = 0) -> Any:
    """Padding by amounts that are or may be negative, which cut off: torch-mlir makes a slice outside of the tensor."""
    if all(statically_known_true(amount >= 0) for amount in pad):
        return NotImplemented
    for i in range(0, len(pad), 2):
        dim = tensor.dim() - 1 - i // 2
        before, after = (cast("torch.SymInt", torch.sym_max(-amount, 0)) for amount in pad[i : i + 2])
        tensor = tensor.narrow(dim, before, tensor.shape[dim] - before - after)
    return aten.constant_pad_nd.default(tensor, [torch.sym_max(amount, 0) for amount in pad], value)


def _index(tensor: torch.Tensor, indices: Sequence[torch.Tensor | None]) -> Any:
    """Indexing by what torch-mlir does not lower.

    By a mask, it is indexing by the positions where it holds; by several tensors of positions whose number is data,
    indexing by one.
    """
    positions = _positions(tensor, indices)
    if positions is not None:
        return aten.index.Tensor(tensor, positions)
    if sum(index is not None for index in indices) < 2 or not _vary(indices):
        return NotImplemented
    rows, dim, place = _as_one(tensor, indices)
    return aten.index.Tensor(rows, [*[None] * dim, place])


def _index_put(
    tensor: torch.Tensor, indices: Sequence[torch.Tensor | None], values: torch.Tensor, accumulate: bool = False
) -> Any:
    """Writing to places whose number is data, so that there may be none: IREE 3.13 writes something else there.

    By a mask, it is a choice for each row; to given places, one more row is written, which is then left out.
    """
    positions = _positions(tensor, indices)
    if positions is None:
        if _may_be_none(indices):
            return _put_some(tensor, indices, values, accumulate)
        shape = _indexed_shape(tensor, indices)
        if values.dim() == len(shape):
            return NotImplemented
        # torch-mlir takes fewer dimensions for the first ones, not for the last.
        return aten.index_put.default(tensor, indices, values.expand(shape), accumulate)
    if accumulate or len(indices) != 1:
        return aten.index_put.default(tensor, positions, values, accumulate)
    (mask,) = indices
    assert mask is not None
    rest = tensor.shape[mask.dim() :]
    chosen = mask.reshape(mask.shape + (1,) * len(rest)).to(torch.bool)
    if values.dim() > len(rest) and not (is_static(values.shape[0]) and int(values.shape[0]) == 1):
        # Row i of the values goes to where the mask holds for the i-th time. One row more, so that there always is one.
        rows = torch.cat([values, torch.zeros((1, *values.shape[1:]), dtype=values.dtype)])
        place = (mask.reshape(-1).to(torch.int64).cumsum(0) - 1).clamp(min=0)
        if not is_static(values.shape[0]):
            # A single row goes to all places.
            place = place * (torch.ones((), dtype=torch.int64) * values.shape[0] != 1)
        values = rows[place.clamp(max=values.shape[0])].reshape(mask.shape + values.shape[1:])
    elif values.dim() > len(rest):
        values = values[0]
    return torch.where(chosen, values.to(tensor.dtype), tensor)


def _put_some(
    tensor: torch.Tensor, indices: Sequence[torch.Tensor | None], values: torch.Tensor, accumulate: bool
) -> torch.Tensor:
    rows, dim, place = _as_one(tensor, indices)
    before, size, after = rows.shape[:dim], rows.shape[dim], rows.shape[dim + 1 :]
    values = values.expand(*before, *place.shape, *after).reshape(*before, -1, *after)
    one = (*before, 1, *after)
    rows = torch.cat([rows, torch.zeros(one, dtype=rows.dtype)], dim)
    values = torch.cat([values, torch.zeros(one, dtype=values.dtype)], dim)
    place = torch.cat([place.reshape(-1), torch.full((1,), size, dtype=place.dtype)])
    written = aten.index_put.default(rows, [*[None] * dim, place], values, accumulate).narrow(dim, 0, size)
    order = _indexed_first(tensor, indices)
    written = written.reshape([tensor.shape[d] for d in order])
    return written.permute([order.index(d) for d in range(tensor.dim())])


def _indexed_shape(tensor: torch.Tensor, indices: Sequence[torch.Tensor | None]) -> list[Any]:
    """The shape of `tensor[indices]`."""
    dims = [d for d, index in enumerate(indices) if index is not None]
    places = torch.broadcast_shapes(*(index.shape for index in indices if index is not None))
    order = _indexed_first(tensor, indices)
    kept = [tensor.shape[d] for d in order if d not in dims]
    first = order.index(dims[0])
    return [*kept[:first], *places, *kept[first:]]


def _vary(indices: Sequence[torch.Tensor | None]) -> bool:
    """Whether it depends on data how many places are indexed."""
    return any(not is_static(size) for index in indices if index is not None for size in index.shape)


def _may_be_none(indices: Sequence[torch.Tensor | None]) -> bool:
    """Whether it can be that no place is indexed."""
    return any(may_be_zero(size) for index in indices if index is not None for size in index.shape)


def _as_one(tensor: torch.Tensor, indices: Sequence[torch.Tensor | None]) -> tuple[torch.Tensor, int, torch.Tensor]:
    """The tensor with those dimensions that are indexed as one, which one that is, and the places in it, from 0."""
    order = _indexed_first(tensor, indices)
    dims = [d for d, index in enumerate(indices) if index is not None]
    dim = order.index(dims[0])
    place: Any = 0
    for d in dims:
        index, size = indices[d], tensor.shape[d]
        assert index is not None
        place = place * size + from_the_start(index, size)
    return tensor.permute(order).flatten(dim, dim + len(dims) - 1), dim, place


def _indexed_first(tensor: torch.Tensor, indices: Sequence[torch.Tensor | None]) -> list[int]:
    """The order of dimensions in which those that are indexed stand together.

    If others are between them they come first, as in the result of torch's indexing.
    """
    dims = [d for d, index in enumerate(indices) if index is not None]
    if dims[-1] - dims[0] < len(dims):
        return list(range(tensor.dim()))
    return [*dims, *(d for d in range(tensor.dim()) if d not in dims)]


def _positions(tensor: torch.Tensor, indices: Sequence[torch.Tensor | None]) -> list[torch.Tensor | None] | None:
    """The indices with the positions where it holds for each mask; None where there is no mask."""
    if not any(i is not None and is_mask(i) for i in indices):
        return None
    found: list[torch.Tensor | None] = []
    for index in indices:
        if index is None or not is_mask(index):
            found.append(index)
        else:
            for size, wanted in zip(index.shape, tensor.shape[len(found) :], strict=False):
                torch._check_index(size == wanted)  # pyright: ignore[reportPrivateUsage]
            places = index.nonzero()
            found.extend(places[:, d] for d in range(index.dim()))
    return found


def _compare_with_number(compare: Any, tensor: torch.Tensor, number: Any) -> Any:
    """`tensor > number` in the tensor's precision, as torch has it; torch-mlir would compare both as f64."""
    dtype = torch.result_type(tensor, number)
    if not dtype.is_floating_point or not isinstance(number, (int, float)):
        return NotImplemented
    return compare(tensor.to(dtype), torch.full((), number, dtype=dtype))


_counts_are_in_range: ContextVar[bool] = ContextVar("_counts_are_in_range", default=False)


def _shift(shift: Any, left: Any, right: Any) -> Any:
    """Shifts also by negative counts, and by as many bits as there are, which MLIR leaves undefined.

    Eager then gives 0, or to the right the sign; torch-mlir lowers no shifts of or by a number.
    """
    if _counts_are_in_range.get() or not all(isinstance(v, (torch.Tensor, int)) for v in (left, right)):
        return NotImplemented
    dtype = torch.result_type(left, right)
    given = right
    left, right = (
        v.to(dtype) if isinstance(v, torch.Tensor) else torch.full((), v, dtype=dtype) for v in (left, right)
    )
    is_left = shift is aten.bitwise_left_shift.Tensor
    bits = torch.iinfo(dtype).bits
    most = bits if is_left or not dtype.is_signed else bits - 1
    token = _counts_are_in_range.set(True)
    try:
        if isinstance(given, int) and 0 <= given < most:
            return shift(left, right)
        is_in_range = (right >= 0) & (right < most)
        if is_left or most == bits:
            return torch.where(is_in_range, shift(left, torch.where(is_in_range, right, 0)), 0)
        return shift(left, torch.where(is_in_range, right, most))
    finally:
        _counts_are_in_range.reset(token)


def _subtract_from_size(tensor: torch.Tensor, size: Any, alpha: Any = 1) -> Any:
    """`size - tensor` of a size that is not known; the usual decomposition has it where torch-mlir wants a tensor."""
    if isinstance(size, (int, float)) or tensor.dtype == torch.bool:
        return NotImplemented
    return (tensor if alpha == 1 else tensor * alpha).neg() + size


def _addmm(bias: torch.Tensor, a: torch.Tensor, b: torch.Tensor, *, beta: float = 1, alpha: float = 1) -> torch.Tensor:
    """Without the multiplications by one that the usual decomposition leaves behind."""
    product = torch.mm(a, b)
    product = product if alpha == 1 else product * alpha
    return product + (bias if beta == 1 else bias * beta)
