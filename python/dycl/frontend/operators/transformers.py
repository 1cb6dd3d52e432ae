# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
# pyright: reportPrivateUsage=false
"""Torch's own transformer, as it computes without gradients: it decides by what its masks hold."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.modules import transformer

from dycl.frontend.operators.calls import Calls
from dycl.frontend.operators.replacements import replaces


@replaces(transformer._detect_is_causal_mask)
def detect_is_causal_mask(ops: Calls, mask: Any, is_causal: bool | None = None, size: Any = None) -> bool:  # noqa: ARG001
    """Only what the caller says: a mask that is found to be causal is applied by other means, with the same result."""
    return is_causal is True


@replaces(nn.TransformerEncoder.forward)
def encode(
    ops: Calls,
    module: nn.TransformerEncoder,
    src: torch.Tensor,
    mask: torch.Tensor | None = None,
    src_key_padding_mask: torch.Tensor | None = None,
    is_causal: bool | None = None,
) -> torch.Tensor:
    """`nn.TransformerEncoder`: eager leaves padding out that stands last, and gives zeros for it, before the norm."""
    leaves_out = src_key_padding_mask is not None and mask is None and _leaves_padding_out(ops, module, src)
    padding = F._canonical_mask(src_key_padding_mask, "src_key_padding_mask", F._none_or_dtype(mask), "mask", src.dtype)
    mask = F._canonical_mask(mask, "mask", None, "", src.dtype, False)
    zeroed = None
    if leaves_out:
        assert padding is not None
        is_padding = padding != 0
        is_last = _stands_last(is_padding) if getattr(module, "mask_check", True) else torch.ones((), dtype=torch.bool)
        zeroed = (is_last & is_padding)[..., None]
        padding = torch.where(zeroed[..., 0], float("-inf"), padding)
    is_causal = detect_is_causal_mask(ops, mask, is_causal)
    for layer in module.layers:
        src = ops.call(layer, src, src_mask=mask, is_causal=is_causal, src_key_padding_mask=padding)
    if zeroed is not None:
        src = torch.where(zeroed, 0, src)
    return src if module.norm is None else ops.call(module.norm, src)


def _leaves_padding_out(ops: Calls, module: nn.TransformerEncoder, src: torch.Tensor) -> bool:
    first: Any = module.layers[0]
    return (
        ops.control.recorder.is_mha_fused
        and getattr(module, "use_nested_tensor", False)
        and not first.training
        and src.dim() == 3
        and not torch.is_autocast_enabled()
    )


def _stands_last(is_padding: torch.Tensor) -> torch.Tensor:
    """Whether what follows padding is padding, in all rows."""
    return (is_padding[:, 1:] | ~is_padding[:, :-1]).all()
