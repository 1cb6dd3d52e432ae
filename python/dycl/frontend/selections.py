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

from dycl.frontend.sizes import is_static


def asks_for_sizes(func: Any, args: Any, kwargs: Any) -> Callable[..., Any] | None:
    """What to call in the place of a function that is given tensors of sizes that are not known, if we have it."""
    form = _FORMS.get(func)
    if form is None:
        return None
    tensors = [v for v in (*args, *kwargs.values()) if isinstance(v, torch.Tensor)]
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


_FORMS: dict[Any, Callable[..., Any]] = {
    torch.cdist: _cdist,
    torch.cosine_similarity: _cosine_similarity,
    F.cosine_similarity: _cosine_similarity,
}
