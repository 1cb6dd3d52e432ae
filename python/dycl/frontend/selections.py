# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Functions of torch whose own code asks for sizes that depend on data, in terms of ops that do not.

The distances between the rows of a selection and others (`torch.cdist(x[mask], y)`), and the like: torch's C++ chooses
between ways to compute them by the sizes.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch.utils import _pytree as pytree

from dycl.frontend.sizes import is_static


def asks_for_sizes(func: Any, args: Any, kwargs: Any) -> Callable[..., Any] | None:
    """What to call in the place of a function that is given tensors of sizes that are not known, if we have it.

    It gives NotImplemented where the function is to do it.
    """
    form = _FORMS.get(func)
    if form is None:
        return None
    tensors = [v for v in pytree.tree_leaves((args, kwargs)) if isinstance(v, torch.Tensor)]
    return form if any(not is_static(size) for t in tensors for size in t.shape) else None


def _cdist(x1: torch.Tensor, x2: torch.Tensor, p: float = 2.0, compute_mode: Any = None) -> torch.Tensor:  # noqa: ARG001
    """`torch.cdist`: f32[..., n, d] and f32[..., m, d] to f32[..., n, m]."""
    if x1.dim() < 2 or x2.dim() < 2:
        which, x = ("X1", x1) if x1.dim() < 2 else ("X2", x2)
        raise RuntimeError(f"cdist only supports at least 2D tensors, {which} got: {x.dim()}D")
    if not p >= 0:
        raise RuntimeError("cdist only supports non-negative p values")
    difference = (x1.unsqueeze(-2) - x2.unsqueeze(-3)).abs()
    if p == 0:
        return (difference != 0).to(difference.dtype).sum(-1)
    if math.isinf(p):
        return difference.amax(-1)
    if p == 1:
        return difference.sum(-1)
    if p == 2:
        return (difference * difference).sum(-1).sqrt()
    return difference.pow(p).sum(-1).pow(1 / p)


def _cosine_similarity(x1: torch.Tensor, x2: torch.Tensor, dim: int = 1, eps: float = 1e-8) -> torch.Tensor:
    """`F.cosine_similarity`, as eager computes it: both are normalized first."""
    dtype = torch.promote_types(x1.dtype, x2.dtype)
    if not dtype.is_floating_point:
        raise RuntimeError(f"expected common dtype to be floating point, yet common dtype is {dtype}")
    # Of one rank first: the dimension counts from there.
    rank = max(x1.dim(), x2.dim())
    parts = [x.to(dtype).reshape([1] * (rank - x.dim()) + list(x.shape)) for x in (x1, x2)]
    units = [x / x.square().sum(dim, keepdim=True).sqrt().clamp(min=eps) for x in parts]
    return (units[0] * units[1]).sum(dim)


def _max_pool1d(
    x: torch.Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """`F.max_pool1d`, as that of images of one row."""
    if return_indices or is_static(x.shape[-1]):
        return NotImplemented
    given = [_only(v) for v in (kernel_size, kernel_size if stride is None else stride, padding, dilation)]
    size, step, border, spread = given
    row = F.max_pool2d(x.unsqueeze(-2), (1, size), (1, step), (0, border), (1, spread), ceil_mode)
    return row.squeeze(-2)


def _only(setting: Any) -> int:
    return setting[0] if isinstance(setting, (tuple, list)) else setting


def _adaptive(dims: int, reduced: Callable[[torch.Tensor, int], torch.Tensor]) -> Callable[..., Any]:
    """`F.adaptive_avg_pool2d` and the like: each dimension by windows of their own sizes.

    Args:
        dims: how many last dimensions are pooled.
        reduced: reduces one dimension, and keeps it.
    """

    def pool(x: torch.Tensor, output_size: Any, return_indices: bool = False) -> Any:
        sizes = list(output_size) if isinstance(output_size, (tuple, list)) else [output_size] * dims
        is_known = reduced is _mean and all(map(is_static, x.shape[-dims:]))  # of the maximum, torch-mlir takes few
        if return_indices or is_known or len(sizes) != dims or x.dim() <= dims:
            return NotImplemented
        if not all(size is None or type(size) is int for size in sizes):
            return NotImplemented
        for dim, size in zip(range(-dims, 0), sizes, strict=True):
            if size is not None:
                x = windows(x, dim, size)
        return x

    def windows(x: torch.Tensor, dim: int, count: int) -> torch.Tensor:
        if count == 1:
            return reduced(x, dim)
        size: Any = x.shape[dim]
        bounds = [(i * size // count, ((i + 1) * size + count - 1) // count) for i in range(count)]
        return torch.cat([reduced(x.narrow(dim, start, stop - start), dim) for start, stop in bounds], dim)

    return pool


def _largest(x: torch.Tensor, dim: int) -> torch.Tensor:
    return x.amax(dim, keepdim=True)


def _mean(x: torch.Tensor, dim: int) -> torch.Tensor:
    return x.mean(dim, keepdim=True)


def _cov(x: torch.Tensor, *, correction: int = 1, fweights: Any = None, aweights: Any = None) -> Any:
    """`torch.cov` without weights: [variables, observations], or one variable."""
    if fweights is not None or aweights is not None or x.dim() > 2 or not x.is_floating_point():
        return NotImplemented
    rows = x.reshape(1, -1) if x.dim() < 2 else x
    rows = rows - rows.mean(1, keepdim=True)
    count: Any = rows.shape[1]
    by = torch.full((), count - correction, dtype=torch.int64).clamp(min=0).to(x.dtype)
    result = rows @ rows.t() / by
    return result.reshape(()) if x.dim() < 2 else result.squeeze()


def _corrcoef(x: torch.Tensor) -> Any:
    covariance = _cov(x)
    if covariance is NotImplemented or covariance.dim() != 2:
        return NotImplemented
    deviations = covariance.diagonal().sqrt()
    return (covariance / deviations.unsqueeze(1) / deviations.unsqueeze(0)).clamp(-1, 1)


def _kron(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """`torch.kron`: each dimension is those of both together."""
    rank = max(a.dim(), b.dim())
    a, b = (t.reshape([1] * (rank - t.dim()) + list(t.shape)) for t in (a, b))
    first = [size for n in a.shape for size in (n, 1)]
    second = [size for n in b.shape for size in (1, n)]
    sizes = [n * m for n, m in zip(a.shape, b.shape, strict=True)]
    return (a.reshape(first) * b.reshape(second)).reshape(sizes)


def _cartesian_prod(*tensors: torch.Tensor) -> Any:
    """`torch.cartesian_prod`: the last tensor's items change in each row."""
    if len(tensors) < 2 or any(t.dim() != 1 or t.dtype != tensors[0].dtype for t in tensors):
        return NotImplemented
    place = torch.arange(math.prod(t.shape[0] for t in tensors))
    columns: list[torch.Tensor] = []
    for tensor in reversed(tensors):
        # Torch's C++ wants a number to divide by, which a size is not. Of none, there is no place.
        size = torch.full((), tensor.shape[0], dtype=torch.int64).clamp(min=1)
        columns.insert(0, tensor[place % size])
        place = torch.div(place, size, rounding_mode="floor")
    return torch.stack(columns, 1)


def _bilinear(a: torch.Tensor, b: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None = None) -> Any:
    """`F.bilinear`: f32[..., i], f32[..., j] and f32[o, i, j] to f32[..., o]."""
    result = torch.einsum("...i,oij,...j->...o", a, weight, b)
    return result if bias is None else result + bias


_FORMS: dict[Any, Callable[..., Any]] = {
    torch.cdist: _cdist,
    torch.cosine_similarity: _cosine_similarity,
    F.cosine_similarity: _cosine_similarity,
    torch.cov: _cov,
    torch.Tensor.cov: _cov,
    torch.corrcoef: _corrcoef,
    torch.Tensor.corrcoef: _corrcoef,
    torch.kron: _kron,
    torch.Tensor.kron: _kron,
    torch.cartesian_prod: _cartesian_prod,
    F.bilinear: _bilinear,
    F.max_pool1d: _max_pool1d,
    torch.max_pool1d: _max_pool1d,
    torch.adaptive_avg_pool1d: _adaptive(1, _mean),
    F.adaptive_avg_pool1d: _adaptive(1, _mean),
    F.adaptive_avg_pool2d: _adaptive(2, _mean),
    F.adaptive_avg_pool3d: _adaptive(3, _mean),
    **{
        getattr(module, f"adaptive_max_pool{n}d"): _adaptive(n, _largest)
        for n in (1, 2, 3)
        for module in (F, torch)
        if hasattr(module, f"adaptive_max_pool{n}d")
    },
}
