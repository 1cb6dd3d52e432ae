# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Functions of the corpus where what a condition says of a size holds on its side only. See `frontend_cases.py`."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from frontend_cases import case

ANY = ({0: torch.export.Dim("n", min=1, max=9)},)


def rows(*counts):
    return tuple((torch.randn(n, 4, generator=torch.Generator().manual_seed(n)),) for n in counts)


def selected(*means):
    return tuple(
        (torch.randn(6, 4, generator=torch.Generator().manual_seed(i)) + mean,) for i, mean in enumerate(means)
    )


SIZES = rows(4, 3, 6, 1, 5, 2, 8)
MASKED = selected(0, 0, 1, -1, 0.5, 0.2, -0.2, 5, -5)


@case(*SIZES, dynamic=ANY)
def unflatten_if_even(x):
    return x.unflatten(0, (-1, 2)) if x.shape[0] % 2 == 0 else x


@case(*SIZES, dynamic=ANY)
def view_if_even_and_long(x):
    n = x.shape[0]
    if n % 2 == 0 and n > 2:
        return x[2:].view(-1, 2, 4).sum(1)
    return x


@case(*SIZES, dynamic=ANY)
def view_unless_odd(x):
    if x.shape[0] % 2 != 0:
        return x
    return x.view(2, -1, 4).sum(0)


@case(*SIZES, dynamic=ANY)
def odd_by_the_truth_of_a_size(x):
    if x.shape[0] % 2:
        return x[:-1].view(-1, 2, 4)[:, 1]
    return x.view(-1, 2, 4)[:, 0]


@case(*SIZES, dynamic=ANY)
def thirds_or_halves(x):
    n = x.shape[0]
    if n % 3 == 0:
        return x.reshape(3, n // 3, 4).mean(0)
    elif n % 2 == 0:
        return x.reshape(2, n // 2, 4).mean(0)
    return x


@case(*SIZES, dynamic=ANY)
def asserted_to_be_even(x):
    assert x.shape[0] % 2 == 0
    return x.view(-1, 2, 4).sum(1)


@case(*SIZES, dynamic=ANY)
def first_four_if_there_are(x):
    if x.shape[0] >= 4:
        return x[:4] + torch.ones(4, 4)
    return x


@case(*SIZES, dynamic=ANY)
def fourth_row_if_there_is_one(x):
    n = x.shape[0]
    if n > 3:
        return x[3]
    return x[0]


@case(*SIZES, dynamic=ANY)
def too_few_leave_early(x):
    n = x.shape[0]
    if n < 3:
        return x.sum(0)
    return x[0] + x[1] + x[2] + x[-3:].sum(0)


@case(*SIZES, dynamic=ANY)
def square_if_four(x):
    if x.shape[0] == 4:
        return (x @ x + torch.ones(4, 4)).sum(0)
    return x.sum(0)


@case(*SIZES, dynamic=ANY)
def two_chunks_if_even(x):
    if x.shape[0] % 2 == 0:
        a, b = x.chunk(2)
        return a * b
    return x


@case(*SIZES, dynamic=ANY)
def window_if_long_enough(x):
    if x.shape[0] >= 3:
        return F.conv1d(x.T[None], torch.ones(4, 4, 3))
    return F.pad(x, (0, 0, 0, 3 - x.shape[0])).T[None]


@case(*SIZES, dynamic=ANY)
def halved_until_one_is_left(x):
    while x.shape[0] > 1:
        if x.shape[0] % 2 == 1:
            x = torch.cat([x, x[-1:]])
        x = x[::2] + x[1::2]
    return x[0]


@case(*SIZES, dynamic=ANY, unreached=1)
def group_size_by_condition(x):
    b, d = x.shape
    g = 2
    if b % g != 0:
        g = 1
    return x.view(b // g, g, d).sum(1)


@case(*SIZES, dynamic=ANY)
def parity_is_forgotten_after_the_condition(x):
    y = x.sum()
    if x.shape[0] % 2 == 0:
        y = x.view(-1, 2, 4).sum(1).sum()
    if x.shape[0] % 2 == 1:
        y = y + 100
    return y, x.shape[0] // 2 * 2


@case(*MASKED)
def selection_in_pairs(x):
    a = x[x[:, 0] > 0]
    y = x.sum()
    if a.shape[0] % 2 == 0:
        y = a.view(-1, 2, 4).sum(1).sum()
    if a.shape[0] % 2 == 1:
        y = y + 100
    return y, a.shape[0] // 2 * 2, a[: a.shape[0] // 2 * 2]


@case(*MASKED, unreached=2)
def least_size_is_forgotten_after_the_condition(x):
    a = x[x[:, 0] > 0]
    y = x.sum()
    if a.shape[0] >= 3:
        y = a[2].sum() + a[:3].unfold(0, 3, 1).sum()
    if a.shape[0] >= 1:
        y = y + 1
    if a.shape[0] >= 2:
        y = y * 2
    return y


@case(*MASKED)
def equal_sizes_are_forgotten_after_the_condition(x):
    a, b = x[x[:, 0] > 0], x[x[:, 1] > 0]
    y = x.sum()
    if a.shape[0] == b.shape[0]:
        y = (a + b).sum()
    return y + torch.zeros(a.shape[0], b.shape[0]), torch.cat([a, b])


@case(*MASKED)
def known_size_is_forgotten_after_the_condition(x):
    a = x[x[:, 0] > 0]
    y = x.sum()
    if a.shape[0] == 4:
        y = (a @ a + x[:4]).sum()
    return y + a.sum(), a.shape[0], torch.ones(a.shape[0])


@case(*MASKED)
def equal_shapes(x):
    a, b = x[x[:, 0] > 0], x[x[:, 1] > 0]
    if a.shape == b.shape:
        return torch.stack([a, b])
    return a


@case(*MASKED)
def two_rows_unpacked(x):
    a = x[x[:, 0] > 0]
    if a.shape[0] == 2:
        p, q = a
        return p * q
    return x[0]


@case(*MASKED)
def halves_of_a_selection(x):
    a = x[x[:, 0] > 0]
    if len(a) % 2 == 0 and len(a) > 0:
        p, q = a.chunk(2)
        return p + q
    return a


@case(*MASKED, tolerance=1e-5)
def distances_of_a_selection(x):
    a, b = x[x[:, 0] > 0], x[x[:, 1] > 0]
    if a.shape[0] == 0:
        return x.sum()
    return torch.cdist(a, x), torch.cdist(a, b), torch.cdist(a, b, p=1), torch.cdist(a[None], b[None], p=float("inf"))


@case(*MASKED, tolerance=1e-5)
def similarities_of_selections(x):
    a, b = x[x[:, 0] > 0], x[x[:, 1] > 0]
    if a.shape[0] == 0:
        return x.sum()
    near = F.cosine_similarity(a[:, None], b[None], dim=-1)
    return near, F.cosine_similarity(a, a), F.normalize(a) @ F.normalize(b).T


@case(*MASKED)
def padded_to_the_longer(x):
    a, b = x[x[:, 0] > 0], x[x[:, 1] > 0]
    n = max(a.shape[0], b.shape[0])
    if n == 0:
        return x
    return torch.stack([F.pad(a, (0, 0, 0, n - a.shape[0])), F.pad(b, (0, 0, 0, n - b.shape[0]))])
