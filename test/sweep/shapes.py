# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Ops that change shapes, with every size and count of them dynamic, and others with numbers and flags, against eager.

    make sweep                                    all of them (some minutes)
    python test/sweep/shapes.py repeat tile       those with one of these in their name

Each function is compiled once for each way to know its size, and called with three sizes. It agrees, or raises what
eager raises, or is refused at compile time with a reason that is dycl's own: a message of torch-mlir's or MLIR's is a
failure, as is a wrong number. test_sweep.py runs a sample.
"""

from __future__ import annotations

import argparse
import functools
import multiprocessing
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch.export import Dim

import dycl

Function = Callable[..., Any]

# (x: n x 2, n) -> anything; of the size n of x, or of an n that is another tensor's.
MATRIX: dict[str, Function] = {
    "repeat_rows": lambda x, n: x.repeat(n, 1),
    "repeat_columns": lambda x, n: x.repeat(1, n),
    "repeat_both": lambda x, n: x.repeat(n, n),
    "repeat_new_dimension": lambda x, n: x.repeat(n, 2, 1),
    "repeat_inner_of_three": lambda x, n: x[None].repeat(2, n, 3),
    "tile_one": lambda x, n: x.tile((n,)),
    "tile_rows": lambda x, n: torch.tile(x, (n, 1)),
    "expand_new": lambda x, n: x.expand(n, *x.shape) + 0,
    "expand_one_row": lambda x, n: x[:1].expand(n, 2) + 0,
    "expand_column": lambda x, n: x[:, :1].expand(-1, n) + 0,
    "expand_size_itself": lambda x, n: x[None].expand(2, x.shape[0], -1) + 0,
    "broadcast_to": lambda x, n: torch.broadcast_to(x[0], (n, 2)) + 0,
    "expand_as": lambda x, n: x[:1].expand_as(x) + 0,
    "repeat_interleave": lambda x, n: x.repeat_interleave(n, dim=0),
    "repeat_interleave_columns": lambda x, n: x.repeat_interleave(n, dim=1),
    "repeat_interleave_flat": lambda x, n: x.repeat_interleave(n),
    "repeat_interleave_fixed": lambda x, n: x.repeat_interleave(2, dim=0) * n,
    "repeat_interleave_tensor": lambda x, n: x.repeat_interleave(torch.arange(x.shape[0]), dim=0) * n,
    "roll": lambda x, n: x.roll(1, 0) * n,
    "roll_by_count": lambda x, n: x.roll(n - 1, 0),
    "roll_two": lambda x, n: x.roll((1, n), (0, 1)),
    "roll_flat": lambda x, n: x.roll(n),
    "unfold": lambda x, n: x.unfold(0, 1, 1) * n,
    "unfold_window": lambda x, n: torch.cat([x, x]).unfold(0, 2, 1) * n,
    "im2col": lambda x, n: F.unfold(x[None, None], (1, 2)) * n,
    "movedim": lambda x, n: x[None].movedim(1, 0) * n,
    "swapaxes": lambda x, n: x.swapaxes(0, 1) * n,
    "permute": lambda x, n: x[None].permute(2, 0, 1).contiguous() * n,
    "flip": lambda x, n: x.flip(0) * n,
    "flip_both": lambda x, n: x.flip(0, 1) * n,
    "fliplr": lambda x, n: x.fliplr() * n,
    "rot90": lambda x, n: torch.rot90(x) * n,
    "diag_of_vector": lambda x, n: x[:, 0].diag() * n,
    "diag_of_matrix": lambda x, n: (x @ x.T).diag() * n,
    "diagonal": lambda x, n: (x @ x.T).diagonal() * n,
    "diag_embed": lambda x, n: torch.diag_embed(x) * n,
    "trace": lambda x, n: (x @ x.T).trace() * n,
    "tril": lambda x, n: (x @ x.T).tril() * n,
    "triu_offset": lambda x, n: (x @ x.T).triu(1) * n,
    "tril_count": lambda x, n: (x @ x.T).tril(n - 2),
    "tril_indices": lambda x, n: torch.tril_indices(n, n).sum() + x,
    "eye": lambda x, n: torch.eye(n) + x.sum(),
    "eye_wide": lambda x, n: torch.eye(n, 3) + x.sum(),
    "meshgrid": lambda x, n: torch.meshgrid(x[:, 0], torch.arange(n) * 1.0, indexing="ij"),
    "meshgrid_xy": lambda x, n: torch.meshgrid(x[:, 0], torch.arange(n) * 1.0, indexing="xy"),
    "cartesian_prod": lambda x, n: torch.cartesian_prod(x[:, 0], torch.arange(n) * 1.0),
    "combinations": lambda x, n: torch.combinations(torch.arange(4.0)) * n + x.sum(),
    "outer": lambda x, n: torch.outer(x[:, 0], torch.arange(n) * 1.0),
    "kron": lambda x, n: torch.kron(x, torch.ones(2, 2)) * n,
    "pixel_shuffle": lambda x, n: F.pixel_shuffle(x[None, :, None, :].expand(1, -1, 4, 2).permute(0, 2, 1, 3), 2) * n,
    "pixel_unshuffle": lambda x, n: F.pixel_unshuffle(torch.cat([x, x])[None, None], 2) * n,
    "interpolate_nearest": lambda x, n: F.interpolate(x.T[None], scale_factor=2.0) * n,
    "interpolate_size": lambda x, n: F.interpolate(x.T[None], size=4) * n,
    "interpolate_bilinear": lambda x, n: F.interpolate(x[None, None], size=(4, 4), mode="bilinear") * n,
    "one_hot": lambda x, n: F.one_hot(torch.arange(x.shape[0]) % 3, 3) * n,
    "one_hot_classes": lambda x, n: F.one_hot(torch.zeros(2, dtype=torch.int64), n) + x.sum(),
    "bincount": lambda x, n: torch.bincount((torch.arange(x.shape[0]) % 3), minlength=4) * n,
    "bincount_minlength": lambda x, n: torch.bincount(torch.tensor([0, 0]), minlength=n) + x.sum(),
    "histc": lambda x, n: torch.histc(x, bins=4, min=-2, max=2) * n,
    "cumsum": lambda x, n: x.cumsum(0) * n,
    "cumsum_inner": lambda x, n: x.T.cumsum(1) * n,
    "cumprod": lambda x, n: x.cumprod(0) * n,
    "cummax": lambda x, n: x.cummax(0).values * n,
    "logcumsumexp": lambda x, n: x.logcumsumexp(0) * n,
    "diff": lambda x, n: torch.cat([x, x]).diff(dim=0) * n,
    "cat_with_itself": lambda x, n: torch.cat([x, x, x]) * n,
    "cat_new": lambda x, n: torch.cat([x, torch.zeros(n, 2)]),
    "cat_columns": lambda x, n: torch.cat([x, x[:, :1]], dim=1) * n,
    "stack": lambda x, n: torch.stack([x, x * 2], dim=1) * n,
    "hstack": lambda x, n: torch.hstack([x, x]) * n,
    "vstack": lambda x, n: torch.vstack([x, x[0]]) * n,
    "block_diag": lambda x, n: torch.block_diag(x, torch.ones(2, 2)) * n,
    "chunk": lambda x, n: x.chunk(1, 0)[0] * n,
    "split_columns": lambda x, n: x.split(1, dim=1)[1] * n,
    "narrow": lambda x, n: torch.cat([x, torch.ones(9, 2)]).narrow(0, 1, n),
    "slice_to": lambda x, n: torch.arange(12.0)[:n] * x.sum(),
    "slice_from": lambda x, n: torch.arange(12.0)[n:] * x.sum(),
    "slice_step": lambda x, n: x[::2] * n,
    "slice_negative": lambda x, n: torch.arange(12.0)[-n:] * x.sum(),
    "select_last": lambda x, n: x[-1] * n,
    "select_count": lambda x, n: torch.arange(12.0)[n] * x,
    "index_select": lambda x, n: x.index_select(0, torch.arange(x.shape[0]).flip(0)) * n,
    "gather": lambda x, n: x.gather(0, torch.zeros(1, 2, dtype=torch.int64)) * n,
    "take_along_dim": lambda x, n: torch.take_along_dim(x, x.argsort(0), 0) * n,
    "index_add": lambda x, n: torch.zeros(2, 2).index_add(0, torch.arange(x.shape[0]) % 2, x) * n,
    "scatter_add": lambda x, n: torch.zeros(3, 2).scatter_add(0, x.argsort(0) % 3, x) * n,
    "scatter": lambda x, n: torch.zeros_like(x).scatter(0, torch.zeros(1, 2, dtype=torch.int64), 1.0) * n,
    "index_fill": lambda x, n: x.index_fill(0, torch.tensor([0]), 5.0) * n,
    "masked_fill": lambda x, n: x.masked_fill(x > 0, 1.0) * n,
    "view_flat": lambda x, n: x.view(-1) * n,
    "view_pairs": lambda x, n: torch.cat([x, x]).view(2, -1, 2) * n,
    "reshape_count": lambda x, n: torch.ones(3 * n).reshape(n, 3) + x.sum(),
    "reshape_inferred": lambda x, n: torch.ones(3 * n).reshape(-1, n) + x.sum(),
    "flatten": lambda x, n: x[None].flatten(0, 1) * n,
    "unflatten": lambda x, n: torch.cat([x, x]).unflatten(0, (2, -1)) * n,
    "squeeze": lambda x, n: x[:, None].squeeze(1) * n,
    "unsqueeze": lambda x, n: x.unsqueeze(1) * n,
    "as_strided": lambda x, n: x.as_strided((2,), (1,)) * n,
    "pad_constant": lambda x, n: F.pad(x, (1, 2, 2, 1), value=3.0) * n,
    "pad_count": lambda x, n: F.pad(x, (n, 0)),
    "pad_rows_by_count": lambda x, n: F.pad(x, (0, 0, 1, n)),
    "pad_reflect": lambda x, n: F.pad(torch.cat([x, x]).T, (1, 1), mode="reflect") * n,
    "pad_replicate": lambda x, n: F.pad(x.T[None], (2, 1), mode="replicate") * n,
    "pad_circular": lambda x, n: F.pad(x.T[None], (1, 1), mode="circular") * n,
    "arange": lambda x, n: torch.arange(n) + x.sum(),
    "arange_from_to": lambda x, n: torch.arange(1, n + 2) + x.sum(),
    "arange_step": lambda x, n: torch.arange(0, 2 * n, 2) + x.sum(),
    "arange_down": lambda x, n: torch.arange(n, 0, -1) + x.sum(),
    "linspace": lambda x, n: torch.linspace(0, 1, n) + x.sum(),
    "linspace_end": lambda x, n: torch.linspace(0, float(n), 4) + x.sum(),
    "zeros": lambda x, n: torch.zeros(n, 3) + x.sum(),
    "full": lambda x, n: torch.full((n, n), 2.5) + x.sum(),
    "new_zeros": lambda x, n: x.new_zeros(2, n) + 1,
    "zeros_like": lambda x, n: torch.zeros_like(x) + n,
    "tensor_of_count": lambda x, n: torch.tensor([n, 2 * n]) + x.sum(),
    "unique_consecutive": lambda x, n: torch.unique_consecutive(x[:, 0] > 0) * n,
    "unique": lambda x, n: torch.unique(x[:, 0] > 0) * n,
    "nonzero": lambda x, n: (x > 0).nonzero() * n,
    "argwhere": lambda x, n: torch.argwhere(x > 0) * n,
    "masked_select": lambda x, n: x[x > 0] * n,
    "sort": lambda x, n: x.sort(0).values * n,
    "topk_one": lambda x, n: x.topk(1, dim=0).values * n,
    "topk_count": lambda x, n: torch.arange(12.0).topk(n).values + x.sum(),
    "kthvalue": lambda x, n: torch.arange(12.0).kthvalue(n).values + x.sum(),
    "cdist": lambda x, n: torch.cdist(x, x) * n,
    "einsum": lambda x, n: torch.einsum("ij,kj->ik", x, x) * n,
    "bmm": lambda x, n: torch.bmm(x[None], x.T[None]) * n,
    "matmul_vector": lambda x, n: x.T @ x[:, 0] * n,
    "tensordot": lambda x, n: torch.tensordot(x, x, dims=([0], [0])) * n,
    "cov": lambda x, n: torch.cov(x.T, correction=0) * n,
    "softmax": lambda x, n: x.softmax(0) * n,
    "mean": lambda x, n: x.mean(0) * n,
    "var": lambda x, n: x.var(0, correction=0) * n,
    "std_over_all": lambda x, n: x.std() * n,
    "prod": lambda x, n: x.prod(0) * n,
    "amax": lambda x, n: x.amax(0) * n,
    "argmax": lambda x, n: x.argmax(0) * n,
    "logsumexp": lambda x, n: x.logsumexp(0) * n,
    "norm": lambda x, n: x.norm(dim=0) * n,
    "layer_norm": lambda x, n: F.layer_norm(x, (2,)) * n,
    "batch_first_conv": lambda x, n: F.conv1d(x.T[None], torch.ones(1, 2, 1)) * n,
    "conv_padded": lambda x, n: F.conv1d(x.T[None], torch.ones(3, 2, 3), padding=1) * n,
    "conv_strided": lambda x, n: F.conv1d(x.T[None], torch.ones(3, 2, 3), padding=1, stride=2) * n,
    "max_pool": lambda x, n: F.max_pool1d(x.T[None], 3, stride=2, padding=1) * n,
    "avg_pool": lambda x, n: F.avg_pool1d(torch.cat([x, x]).T[None], 2) * n,
    "adaptive_avg_pool_one": lambda x, n: F.adaptive_avg_pool1d(x.T[None], 1) * n,
    "adaptive_avg_pool_two": lambda x, n: F.adaptive_avg_pool1d(x.T[None], 2) * n,
    "adaptive_max_pool_one": lambda x, n: F.adaptive_max_pool1d(x.T[None], 1) * n,
    "glu": lambda x, n: F.glu(x, 1) * n,
    "embedding": lambda x, n: F.embedding(torch.arange(x.shape[0]) % 2, torch.arange(6.0).reshape(2, 3)) * n,
    "attention": lambda x, n: F.scaled_dot_product_attention(x[None], x[None], x[None]) * n,
    "attention_causal": lambda x, n: F.scaled_dot_product_attention(x[None], x[None], x[None], is_causal=True) * n,
    "isin": lambda x, n: torch.isin(torch.arange(5), torch.arange(n)) + x.sum(),
    "bucketize": lambda x, n: torch.bucketize(x, torch.tensor([-1.0, 0.0, 1.0])) * n,
    "searchsorted": lambda x, n: torch.searchsorted(torch.arange(n) * 1.0, x),
    "triangular_mask": lambda x, n: torch.where(torch.ones(n, n).tril().bool(), 0.0, -1e9) + x.sum(),
    "count_nonzero": lambda x, n: torch.count_nonzero(x > 0, dim=0) * n,
    "tensor_split": lambda x, n: torch.cat([x, x]).tensor_split(2)[1] * n,
    "dsplit_like": lambda x, n: x[:, None].unbind(1)[0] * n,
    "channel_shuffle": lambda x, n: F.channel_shuffle(x.T[None, :, :, None].repeat(1, 2, 1, 1), 2) * n,
}  # fmt: skip

SIZES = (3, 1, 5)


# (x: n x 2, n) -> anything; n as an argument that is a number, a count or a flag.
MATRIX |= {
    "argument_rsub": lambda x, n: n - x,
    "argument_rsub_i": lambda x, n: n - torch.arange(4),
    "argument_rsub_m": lambda x, n: torch.rsub(x, n, alpha=2),
    "argument_sub": lambda x, n: x - n,
    "argument_rdiv": lambda x, n: n / (x + 9),
    "argument_div": lambda x, n: x / n,
    "argument_rpow": lambda x, n: n**x,
    "argument_pow": lambda x, n: x**n,
    "argument_rfloor": lambda x, n: n // (torch.arange(1, 4)),
    "argument_floor": lambda x, n: torch.arange(4) // n,
    "argument_mod": lambda x, n: torch.arange(4) % n,
    "argument_rmod": lambda x, n: n % torch.arange(1, 4),
    "argument_where": lambda x, n: torch.where(x > 0, n, 0),
    "argument_where2": lambda x, n: torch.where(x > 0, 1.5, n),
    "argument_where3": lambda x, n: torch.where(x > 0, x, n),
    "argument_full_like": lambda x, n: torch.full_like(x, n),
    "argument_full": lambda x, n: torch.full((3,), n),
    "argument_clamp": lambda x, n: x.clamp(max=n / 4),
    "argument_clampi": lambda x, n: torch.arange(9).clamp(max=n),
    "argument_clampmin": lambda x, n: torch.arange(9).clamp_min(n),
    "argument_masked_fill": lambda x, n: x.masked_fill(x > 0, n),
    "argument_fill": lambda x, n: torch.zeros(3).fill_(n),
    "argument_tensor": lambda x, n: torch.tensor(n),
    "argument_tensors": lambda x, n: torch.tensor([n, 2 * n]),
    "argument_maximum": lambda x, n: torch.maximum(torch.arange(5), torch.tensor(n)),
    "argument_cmp": lambda x, n: x > n,
    "argument_rcmp": lambda x, n: n > torch.arange(5),
    "argument_eq": lambda x, n: torch.arange(5) == n,
    "argument_add_alpha": lambda x, n: torch.add(x, x, alpha=n),
    "argument_addcmul": lambda x, n: torch.addcmul(x, x, x, value=n),
    "argument_lerp": lambda x, n: torch.lerp(x, x * 2, n / 2),
    "argument_arange": lambda x, n: torch.arange(0, n),
    "argument_linspace": lambda x, n: torch.linspace(0, 1, n),
    "argument_linspace2": lambda x, n: torch.linspace(0, n, 5),
    "argument_atan2": lambda x, n: torch.atan2(x, torch.tensor(float(n))),
    "argument_fmod": lambda x, n: torch.fmod(x, n),
    "argument_remainder": lambda x, n: torch.remainder(x, n),
    "argument_bitand": lambda x, n: torch.arange(5) & n,
    "argument_shift": lambda x, n: torch.arange(5) << n,
    "argument_rshift": lambda x, n: n >> torch.arange(3),
    "argument_xor": lambda x, n: n ^ torch.arange(4),
    "argument_onehot": lambda x, n: F.one_hot(torch.tensor([0, 0]), n),
    "argument_eye": lambda x, n: torch.eye(n),
    "argument_tri": lambda x, n: torch.tril(torch.ones(5, 5), n - 2),
    "argument_mul": lambda x, n: x * n,
    "argument_ldexp": lambda x, n: torch.ldexp(x, torch.tensor(n)),
    "argument_threshold": lambda x, n: F.threshold(x, 0.1, n),
    "argument_leaky": lambda x, n: F.leaky_relu(x, n / 10),
    "argument_hardtanh": lambda x, n: F.hardtanh(x, -n / 9, n / 9),
    "argument_elu": lambda x, n: F.elu(x, n / 3),
    "argument_norm": lambda x, n: x.norm(p=n),
    "argument_std": lambda x, n: x.std(correction=n - 1),
    "argument_softplus": lambda x, n: F.softplus(x, beta=n),
    "argument_celu": lambda x, n: F.celu(x, n / 2),
    "argument_cumsumdim": lambda x, n: x.cumsum(0) * n,
    "argument_round": lambda x, n: torch.round(x, decimals=2) * n,
    "argument_layer_norm": lambda x, n: F.layer_norm(x, (2,)) * n,
    "argument_roundn": lambda x, n: torch.round(x, decimals=n),
    "argument_isin": lambda x, n: torch.isin(torch.arange(5), torch.tensor([n])),
    "argument_heaviside": lambda x, n: torch.heaviside(x, torch.tensor(float(n))),
    "argument_index_fill": lambda x, n: x.index_fill(1, torch.tensor([0]), n),
    "argument_scatterv": lambda x, n: torch.zeros(3).scatter(0, torch.tensor([1]), float(n)),
    "argument_put": lambda x, n: torch.zeros(5).index_put((torch.tensor([1]),), torch.tensor(float(n))),
    "argument_nan_to_num": lambda x, n: (x / 0).nan_to_num(n, n, n),
    "argument_logit": lambda x, n: torch.logit(x.sigmoid(), eps=n / 100),
    "argument_div_mode": lambda x, n: torch.div(x, n, rounding_mode="floor"),
    "argument_sdpa": lambda x, n: F.scaled_dot_product_attention(x[None], x[None], x[None], scale=n / 3),
    "argument_sdpa_causal": lambda x, n: F.scaled_dot_product_attention(x[None], x[None], x[None], is_causal=n > 1),
    "argument_baddbmm": lambda x, n: torch.baddbmm(x[None], x[None], torch.ones(1, 2, 2), alpha=n),
    "argument_rot90": lambda x, n: torch.rot90(x, n),
    "argument_topk": lambda x, n: torch.arange(9).topk(n).values,
    "argument_split": lambda x, n: x.split(n),
    "argument_diag": lambda x, n: torch.diag(x[0], n),
    "argument_unfold": lambda x, n: torch.arange(9.0).unfold(0, n, 1),
    "argument_kth": lambda x, n: x.flatten().kthvalue(n).values,
    "argument_flip": lambda x, n: x.flip(0)[:n],
    "argument_chunk": lambda x, n: x.chunk(n),
    "argument_tensor_split": lambda x, n: x.tensor_split(n),
    "argument_avgpool": lambda x, n: F.avg_pool1d(torch.arange(20.0)[None, None], n),
    "argument_pad": lambda x, n: F.pad(x, (n, 1)),
    "argument_dropout": lambda x, n: F.dropout(x, n / 10, training=False),
    "argument_tile": lambda x, n: x.tile(n, 1),
    "argument_view": lambda x, n: torch.arange(12.0).view(-1)[: n * 1].view(n, 1),
    "argument_logsumexp": lambda x, n: x.logsumexp(0) * n,
    "argument_bincount": lambda x, n: torch.bincount(torch.tensor([1, 2]), minlength=n),
    "argument_searchs": lambda x, n: torch.searchsorted(torch.arange(9), n),
    "argument_bucketize": lambda x, n: torch.bucketize(n, torch.arange(9)),
    "argument_take": lambda x, n: x.take(torch.tensor([n - 1])),
    "argument_quantile": lambda x, n: torch.quantile(x, n / 10),
    "argument_group_norm": lambda x, n: F.group_norm(x[None].permute(0, 2, 1), 2, eps=n / 10),
    "argument_gelu": lambda x, n: F.gelu(x) * n,
    "argument_mean": lambda x, n: x.sum() / n,
    "argument_meandim": lambda x, n: x.mean(0, keepdim=n > 2),
    "argument_sort": lambda x, n: x.sort(0, descending=n > 2).values,
    "argument_any": lambda x, n: (x > n).any(),
    "argument_cross_entropy": lambda x, n: F.cross_entropy(
        x, torch.zeros(x.shape[0], dtype=torch.int64), label_smoothing=n / 20
    ),
    "argument_huber": lambda x, n: F.huber_loss(x, x * 2, delta=n / 2),
    "argument_renorm": lambda x, n: x.renorm(2, 0, n / 4),
    "argument_interp": lambda x, n: F.interpolate(torch.arange(6.0).view(1, 1, 6), size=n),
    "argument_interpf": lambda x, n: F.interpolate(torch.arange(6.0).view(1, 1, 6), scale_factor=n),
    "argument_normalize": lambda x, n: F.normalize(x, p=n),
    "argument_eps": lambda x, n: F.layer_norm(x, (2,), eps=n / 10),
    "argument_cdist": lambda x, n: torch.cdist(x, x * 2, p=n),
    "argument_cosine": lambda x, n: F.cosine_similarity(x, x * 2, eps=n / 10),
    "argument_vander": lambda x, n: torch.vander(x[0], n),
    "argument_cumprod": lambda x, n: torch.cumprod(x, n - n),
    "argument_repeat_interleave": lambda x, n: x.repeat_interleave(n, 0),
    "argument_tril_indices": lambda x, n: torch.tril_indices(n, n),
}


@dataclass(frozen=True)
class Case:
    """A function, and how its size is known: `declared` of a tensor, or a number that `data` holds."""

    name: str
    known: str

    def __str__(self) -> str:
        return f"{self.name}-{self.known}"

    @property
    def function(self) -> Function:
        function = MATRIX[self.name]
        if self.known == "declared":
            return lambda x: function(x, x.shape[0])
        return lambda x, count: function(x, int(count))

    def inputs(self, size: int) -> tuple[torch.Tensor, ...]:
        rows = size if self.known == "declared" else 3
        x = torch.randn(rows, 2, generator=torch.Generator().manual_seed(size))
        return (x,) if self.known == "declared" else (x, torch.tensor(size))


def cases(parts: Sequence[str] = ()) -> Iterator[Case]:
    for name in MATRIX:
        if not parts or any(part in name for part in parts):
            yield from (Case(name, known) for known in ("declared", "data"))


def outcome(case: Case) -> str:
    """`right`, `refused: ...`, or what is wrong: `WRONG ...`, `INTERNAL ...`."""
    torch.set_num_threads(1)
    dynamic = ({0: Dim("n", min=1, max=9)},) if case.known == "declared" else None
    try:
        program = dycl.compile(case.function, args=case.inputs(SIZES[0]), dynamic_shapes=dynamic)
    except dycl.DyclError as error:
        text = str(error)
        return f"INTERNAL {text}" if is_internal(text) else f"refused: {text}"
    except Exception as error:
        return f"INTERNAL {type(error).__name__}: {error}"
    for size in SIZES:
        inputs = case.inputs(size)
        expected, given = attempt(case.function, inputs), attempt(program, inputs)
        problem = difference(expected, given)
        if problem:
            return f"WRONG at {size}: {problem}"
    return "right"


def is_internal(text: str) -> bool:
    """Whether a refusal is a message of torch's, MLIR's or IREE's insides."""
    return text.startswith(("phase ", "compiling region ")) and " failed: " in text


def attempt(function: Function, inputs: Sequence[torch.Tensor]) -> Any:
    """What a call gives, or the class of what it raises."""
    try:
        result = function(*(tensor.clone() for tensor in inputs))
    except Exception as error:
        return type(error)
    return result if isinstance(result, tuple) else (result,)


def difference(expected: Any, given: Any) -> str:
    """How two outcomes differ; empty where they do not."""
    if isinstance(expected, type) or isinstance(given, type):
        if isinstance(expected, type) and isinstance(given, type):
            return "" if expected is given else f"eager raises {expected.__name__}, dycl {given.__name__}"
        return f"eager gives {describe(expected)}, dycl {describe(given)}"
    if len(expected) != len(given):
        return f"{len(expected)} and {len(given)} results"
    for one, other in zip(expected, given, strict=True):
        if one.shape != other.shape or one.dtype != other.dtype:
            return f"eager {tuple(one.shape)} {one.dtype}, dycl {tuple(other.shape)} {other.dtype}"
        if not torch.allclose(one.double(), other.double(), rtol=1e-5, atol=1e-5, equal_nan=True):
            return f"eager {one.flatten()[:6].tolist()}, dycl {other.flatten()[:6].tolist()}"
    return ""


def describe(result: Any) -> str:
    return result.__name__ if isinstance(result, type) else str([tuple(part.shape) for part in result])


def sweep(outcomes: Callable[[Sequence[Any]], Sequence[str]], groups: Sequence[Sequence[Any]], jobs: int) -> int:
    """Prints what is not right of all cases, and how many are; 1 if one is wrong, 0 otherwise.

    Args:
        outcomes: those of a group of cases, which are compiled as one program.
        groups: the cases.
        jobs: how many processes.
    """
    found: Counter[str] = Counter()
    with ThreadPoolExecutor(jobs) as pool:
        for group, results, seconds in pool.map(functools.partial(_alone, outcomes), groups):
            for case, result in zip(group, results, strict=True):
                kind = result.split(maxsplit=1)[0].rstrip(":")
                found[kind] += 1
                if kind != "right":
                    print(f"{case}, {seconds:.0f} s: {result}", flush=True)
    print(", ".join(f"{count} {kind}" for kind, count in found.most_common()))
    return int(bool(found["WRONG"] or found["INTERNAL"]))


def _alone(
    outcomes: Callable[[Sequence[Any]], Sequence[str]], group: Sequence[Any]
) -> tuple[Sequence[Any], Sequence[str], float]:
    """A group, its outcomes and its seconds, in a process of its own, which a wrong program may end."""
    start = time.perf_counter()
    receiver, sender = _PROCESSES.Pipe(duplex=False)
    process = _PROCESSES.Process(target=_send, args=(sender, outcomes, group))
    process.start()
    sender.close()
    try:
        results: Sequence[str] = receiver.recv()
    except EOFError:
        process.join()
        results = [f"WRONG: the process ended, with {process.exitcode}"]
        if len(group) > 1:
            half = len(group) // 2
            results = [r for part in (group[:half], group[half:]) for r in _alone(outcomes, part)[1]]
    process.join()
    return group, results, time.perf_counter() - start


def _send(sender: Any, outcomes: Callable[[Sequence[Any]], Sequence[str]], group: Sequence[Any]) -> None:
    sender.send(outcomes(group))


def single(group: Sequence[Case]) -> list[str]:
    return [outcome(case) for case in group]


_PROCESSES = multiprocessing.get_context("forkserver")
_PROCESSES.set_forkserver_preload(["torch", "dycl"])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", metavar="NAME", help="only functions with one of these in their name")
    parser.add_argument("--jobs", type=int, default=2)
    given = parser.parse_args()
    return sweep(single, [[case] for case in cases(given.parts)], given.jobs)


if __name__ == "__main__":
    sys.exit(main())
