# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Cases: arguments of torch functions that are sizes, numbers, counts and flags which are known at run time only."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from frontend_cases import case
from torch.export import Dim

X = torch.tensor([[1.5, -2.0], [0.5, 3.0], [-1.0, 2.5], [4.0, -0.25], [0.75, 1.0]])
ROWS = Dim("rows", min=1, max=9)
SIZES = ((X[:3],), (X[:1] * 4,), (-X,), (X[2:4],))
COUNTS = tuple((X, torch.tensor(n)) for n in (3, 1, 2))


def _as_operands(x, n):
    whole = torch.arange(1, 5)
    return (
        (x.abs() ** n, (-x) ** n, n ** torch.arange(4), n // whole, whole // n, n % whole, whole % n),
        (torch.fmod(x, n), torch.remainder(x, n), torch.div(x, n, rounding_mode="floor"), whole & n, n ^ whole),
        (torch.tensor(n), torch.tensor([n, 2 * n + 1]), torch.tensor(n / 2), torch.maximum(whole, torch.tensor(n))),
        (x.masked_fill(x > 1, n), torch.where(x > 1, n, 0), x.clamp(max=n / 4), whole.clamp(n - 1, n + 1)),
        (x.index_fill(1, torch.tensor([0]), n), torch.zeros(4).scatter(0, torch.tensor([1, 3]), float(n))),
    )


def _as_settings(x, n):
    activations = F.leaky_relu(x, n / 10), F.elu(x, n / 3), F.celu(x, n / 2), F.softplus(x, beta=n)
    steps = torch.linspace(0, 1, n), torch.linspace(-n, n / 3, 5), torch.linspace(n, 2, n + 1)
    q = x[None] / 8
    weighted = F.scaled_dot_product_attention(q, q, q, scale=n / 3)
    masked = F.scaled_dot_product_attention(q, q, q, is_causal=n > 2)
    order, padded = x.sort(0, descending=n > 1).values, F.pad(x.T[None], (n - 1, 0))
    return activations, steps, weighted, masked, (x / 0).nan_to_num(n, 2 * n, -n), order, padded


@case(*SIZES, dynamic=({0: ROWS},), tolerance=1e-6)
def sizes_as_operands(x):
    n = x.shape[0]
    if x.sum() > 2:
        x = x + 1
    return _as_operands(x, n)


@case(*COUNTS, tolerance=1e-6)
def counts_as_operands(x, count):
    n = int(count) % 4 + 1
    if n > 2:
        x = x + 1
    return _as_operands(x, n)


@case(*SIZES, dynamic=({0: ROWS},), tolerance=1e-6, unreached=1)  # CELU's own ZeroDivisionError
def sizes_as_settings(x):
    n = x.shape[0]
    if x.sum() > 2:
        x = x + 1
    return _as_settings(x, n)


@case(*COUNTS, tolerance=1e-6, unreached=1)
def counts_as_settings(x, count):
    n = int(count) % 4 + 1
    if n > 2:
        x = x + 1
    return _as_settings(x, n)


@case(*COUNTS, tolerance=1e-6, unreached=3)  # Sizes below 0, of which there are none.
def counts_as_sizes(x, count):
    n = int(count) % 4 + 1
    if n > 2:
        x = x + 1
    largest = tuple(x[:, 0].topk(n))
    parts = x.split([n, 1, 4 - n])
    classes = F.one_hot(torch.tensor([0, 0]), n), F.one_hot((x[:, 0] > 1).long() * (n - 1))
    return largest, parts, classes, x.T[:, :n].unflatten(1, (n, 1))


@case(
    (torch.tensor([0, 2, 1]), torch.tensor(3)),
    (torch.tensor([0, 1, 0]), torch.tensor(2)),
    (torch.tensor([0, 3, 0]), torch.tensor(2)),
    (torch.tensor([0, -1, 0]), torch.tensor(2)),
)
def classes_that_there_are_not(x, count):
    return F.one_hot(x, int(count)), x * 2
