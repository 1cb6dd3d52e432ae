# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Attention, softmax and layer norms in forms of which IREE makes few and fast dispatches.

torch's decomposition of attention scales queries and keys, divides each weight by their sum, and looks through all
scores once more for rows that are masked everywhere. Here queries are scaled, which is part of the product that they
come from; the sum divides the result, of which there are fewer numbers; and a row is masked everywhere if its largest
score is -inf. torch-mlir computes the mean and the variance of a layer norm in f64; eager, and what is here, in f32.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch._decomp import decomposition_table
from torch.fx.experimental.symbolic_shapes import statically_known_true

aten = torch.ops.aten
_FLASH = aten._scaled_dot_product_flash_attention_for_cpu.default
_FLOATS = (torch.float32, torch.float64)


def _attention(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    *,
    attn_mask: torch.Tensor | None = None,
    scale: float | None = None,
) -> Any:
    """`softmax(query @ key.mT * scale + attn_mask) @ value`, of f32[.., heads, rows, features]; and its log-sum-exp.

    A row that is masked everywhere gives zeros, as in eager.
    """
    one_head_each = statically_known_true(query.shape[-3] == key.shape[-3])
    if dropout_p or query.dtype not in _FLOATS or not one_head_each:
        other = decomposition_table[_FLASH]
        return other(query, key, value, dropout_p, is_causal, attn_mask=attn_mask, scale=scale)
    factor = 1 / math.sqrt(query.shape[-1]) if scale is None else scale
    scores = torch.matmul(query * factor, key.transpose(-2, -1))
    if is_causal:
        rows, columns = torch.arange(query.shape[-2]), torch.arange(key.shape[-2])
        never = torch.full((), -math.inf, dtype=scores.dtype)
        scores = torch.where(columns <= rows.unsqueeze(-1), scores, never)
    if attn_mask is not None:
        scores = scores + attn_mask
    largest, weights, total = _exponentials(scores, may_be_masked=attn_mask is not None or is_causal)
    result = torch.matmul(weights, value) / total
    return result, (largest + total.log()).squeeze(-1)


def _exponentials(scores: torch.Tensor, *, may_be_masked: bool) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """The largest score of each row, the exponentials of all less that, and their sum, by which they are divided."""
    largest = scores.amax(-1, keepdim=True)
    if may_be_masked:
        largest = torch.where(largest == -math.inf, torch.zeros((), dtype=scores.dtype), largest)
    weights = (scores - largest).exp()
    total = weights.sum(-1, keepdim=True)
    if may_be_masked:
        total = torch.where(total == 0, torch.ones((), dtype=scores.dtype), total)
    return largest, weights, total


def _safe_softmax(x: torch.Tensor, dim: int, dtype: torch.dtype | None = None) -> Any:
    """A softmax that is 0 where all is -inf."""
    x = x if dtype is None else x.to(dtype)
    masked = x.amax(dim, keepdim=True) == -math.inf
    return torch.where(masked, torch.zeros((), dtype=x.dtype), torch.softmax(x, dim))


def _layer_norm(
    x: torch.Tensor,
    normalized_shape: Sequence[int],
    weight: torch.Tensor | None,
    bias: torch.Tensor | None,
    eps: float,
) -> Any:
    """`(x - mean) / sqrt(variance + eps) * weight + bias`, the mean, and what is divided by."""
    if x.dtype not in _FLOATS:
        return NotImplemented
    dims = list(range(x.dim() - len(normalized_shape), x.dim()))
    mean = x.mean(dims, keepdim=True)
    centred = x - mean
    scale = ((centred * centred).mean(dims, keepdim=True) + eps).rsqrt()
    result = centred * scale
    result = result if weight is None else result * weight
    return result if bias is None else result + bias, mean, scale


DECOMPOSITIONS: dict[Any, Callable[..., Any]] = {
    _FLASH: _attention,
    aten._safe_softmax.default: _safe_softmax,
    aten.native_layer_norm.default: _layer_norm,
}
