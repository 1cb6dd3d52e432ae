# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Functions of the corpus with sequences of several lengths: packed, padded, and through recurrent layers.

See `frontend_cases.py`. Eager reads behind the end of a tensor where a length is greater than the steps that there are,
so that lengths are clamped here.
"""

from __future__ import annotations

import torch
from frontend_cases import case
from torch import nn
from torch.export import Dim
from torch.nn.utils.rnn import (
    PackedSequence,
    pack_padded_sequence,
    pack_sequence,
    pad_packed_sequence,
    pad_sequence,
    unpack_sequence,
    unpad_sequence,
)

torch.manual_seed(0)
LSTM = nn.LSTM(2, 3, batch_first=True).eval()
DEEP = nn.LSTM(2, 3, num_layers=2, bidirectional=True, dropout=0.5, proj_size=2).eval()
GRU = nn.GRU(2, 3, bidirectional=True, batch_first=True).eval()
TANH = nn.RNN(2, 3, num_layers=2, batch_first=True).eval()
RELU = nn.RNN(2, 3, nonlinearity="relu", bias=False).eval()
EMBEDDING = nn.Embedding(7, 2, padding_idx=0).eval()
LINEAR = nn.Linear(2, 2).eval()
STACK = nn.Sequential(nn.GRU(2, 3)).eval()

X = torch.randn(3, 4, 2)
SORTED = tuple((X, torch.tensor(n)) for n in ([4, 2, 1], [3, 3, 3], [1, 1, 1], [2, 3, 1], [2, 1, 0], [2, 0, 1]))
ANY = tuple((X, torch.tensor(n)) for n in ([1, 4, 2], [3, 2, 3], [1, 1, 1], [4, 2, 1], [2, 0, 3]))
STEPS, BATCH = Dim("steps", min=1, max=9), Dim("batch", min=1, max=9)


@case(*SORTED, tolerance=1e-6, unreached=1)
def sorted_sequences(x, n):
    packed = pack_padded_sequence(x, n.clamp(-1, 4), batch_first=True)
    out, (h, c) = LSTM(packed)
    y, lengths = pad_packed_sequence(out, batch_first=True)
    return y, lengths, h, c


@case(*ANY, tolerance=1e-6, unreached=1)
def unsorted_sequences(x, n):
    packed = pack_padded_sequence(x.transpose(0, 1), n.clamp(0, 4), enforce_sorted=False)
    out, (h, c) = DEEP(packed)
    y, lengths = pad_packed_sequence(out, padding_value=-1.0)
    return y, lengths, h, c


@case(*ANY, tolerance=1e-6, unreached=2)
def sequences_of_a_fixed_total_length(x, n):
    start = x.new_ones(2, 3, 3)
    packed = pack_padded_sequence(x, n.clamp(1, 4), batch_first=True, enforce_sorted=False)
    out, h = GRU(packed, start)
    y, _ = pad_packed_sequence(out, batch_first=True, total_length=x.size(1))
    if x[0, 0, 0] > 0:
        return y + x.sum(-1, keepdim=True), h
    return y, h + 1


@case(*ANY, tolerance=1e-6, unreached=1)
def sequences_that_are_too_long(x, n):
    packed = pack_padded_sequence(x, n.clamp(1, 4), batch_first=True, enforce_sorted=False)
    y, _ = pad_packed_sequence(TANH(packed)[0], batch_first=True, total_length=3)
    return y


@case(*ANY, unreached=1)
def map_over_packed_rows(x, n):
    packed = pack_padded_sequence(x, n.clamp(1, 4), batch_first=True, enforce_sorted=False)
    mapped = PackedSequence(LINEAR(packed.data).relu(), packed.batch_sizes, packed.sorted_indices)
    doubled = mapped._replace(data=mapped.data * 2 + packed.data)
    y, lengths = pad_packed_sequence(doubled, batch_first=True)
    if y.sum() > 0:
        y = y - 1
    return y, lengths, packed.batch_sizes, packed.unsorted_indices, packed.data.sum(0)


@case(*ANY, tolerance=1e-6, unreached=1)
def packed_on_one_side(x, n):
    n = n.clamp(1, 4)
    packed = pack_padded_sequence(x, n, batch_first=True, enforce_sorted=False)
    if x[0, 0, 0] * n[0] > 0:
        packed = packed._replace(data=packed.data + 1)
    y, h = RELU(packed)
    return pad_packed_sequence(y), h


@case((X,), (-X,), (X * 3,), tolerance=1e-6)
def constant_lengths(x):
    packed = pack_padded_sequence(x, [4, 2, 1], batch_first=True)
    y, n = pad_packed_sequence(LSTM(packed)[0], batch_first=True)
    other = pack_padded_sequence(x, torch.tensor([1, 4, 1]), batch_first=True, enforce_sorted=False)
    out, h = GRU(other)
    if x[0, 0, 0] > 0:
        return y + pad_packed_sequence(out, batch_first=True)[0].sum(), n, out.batch_sizes
    return y, h, out.data


@case(
    (torch.tensor([[1, 2, 3, 0], [4, 0, 0, 0], [5, 6, 0, 0]]),),
    (torch.tensor([[1, 0, 0, 0], [4, 4, 4, 4], [5, 6, 1, 0]]),),
    (torch.tensor([[1, 0, 0, 0], [0, 0, 0, 0], [5, 6, 1, 0]]),),
    tolerance=1e-6,
    unreached=1,
)
def lengths_of_tokens(ids):
    ids = ids.abs() % 7
    lengths = (ids != 0).sum(1)
    packed = pack_padded_sequence(EMBEDDING(ids), lengths.cpu(), batch_first=True, enforce_sorted=False)
    _, h = GRU(packed)
    return torch.cat([h[-2], h[-1]], 1)


@case(*ANY, unreached=1)
def lists_of_sequences(x, n):
    items = [x[i, : n[i].clamp(1, 4)] for i in range(3)]
    packed = pack_sequence(items, enforce_sorted=False)
    if x[0, 0, 0] * n[1] > 0:
        return unpack_sequence(packed), pad_sequence(items, batch_first=True, padding_value=-1.0)
    return unpack_sequence(packed)[::-1], pad_sequence(items, padding_side="left")


@case(*ANY)
def sequences_cut_apart(x, n):
    cut = unpad_sequence(x, n.clamp(1, 4), batch_first=True)
    if cut[0].sum() > 0:
        return cut[0] * 2, pad_sequence(cut)
    return cut[1], pad_sequence(cut)


@case((X,), (-X,), (torch.randn(1, 4, 2),), (torch.randn(3, 1, 2),), dynamic=({0: STEPS, 1: BATCH},), tolerance=1e-6)
def any_number_of_steps(x):
    y, (h, _) = DEEP(x)
    if x[0, 0, 0] > 0:
        y = STACK(x)[0] + 1
    return y, RELU(x)[0], h


@case((X[0],), (-X[0],), (torch.randn(1, 2),), dynamic=({0: STEPS},), tolerance=1e-6)
def any_number_of_steps_without_a_batch(x):
    y, (h, c) = LSTM(x)
    if y.sum() > 0:
        return GRU(x, x.new_ones(2, 3)), h
    return TANH(x), c


@case(*ANY, tolerance=1e-6, unreached=2)
def steps_that_are_chosen(x, n):
    """There always is a step, for each of the layers."""
    chosen = x[0][: n[0].clamp(1, 4)]
    y, h = GRU(chosen)
    return y.sum(0), h, LSTM(chosen[None])[0][:, -1]
