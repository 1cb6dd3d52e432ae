# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Sums that begin with a number, and become a tensor on some paths."""

from __future__ import annotations

import torch
from frontend_cases import case

SIGNS = [
    (torch.tensor([a, b, 0.5]), torch.tensor([c, -7, 2])) for a in (1.0, -1.0) for b in (2.0, -3.0) for c in (4, -4)
]


@case(*SIGNS)
def sum_of_some_rows(x, k):
    total = 0
    for i in range(3):
        if x[i] > 0:
            total = total + x.sum() * (i + 1)
    return x * total, (x + 0.5 * total).mean(), k


@case(*SIGNS)
def offset_of_what_came_before(x, k):
    offset = k.max() + 1 if k[0] > 0 else 0
    places = torch.arange(4) + offset
    return places + (offset + 3), 2 * offset - k, torch.arange(2) - offset


@case(*SIGNS)
def either_operand(x, k):
    scale = 1.5
    if x[0] > 0:
        scale = x.max()
    return 1 - scale * x, x.double() / scale, (x.half() - scale) * 2, scale / x, k + x * (2 - scale)


@case(*SIGNS)
def two_sums_in_one(x, k):
    total, count = 0, 0
    if x[0] > 0:
        total = x.sum()
    if k[0] > 0:
        count = k.sum()
    return x + total + count, (x + count) * total


@case(*SIGNS)
def sum_that_changes_the_dtype(x, k):
    total = 0
    if x[0] > 0:
        total = x.sum()
    # With whole numbers it is whole, or not.
    return k + total, total * k


@case(*SIGNS)
def sum_of_scalars(x, k):
    total = 0
    if x[0] > 0:
        total = x.max()
    if x[1] > 0:
        total = total + x.min()
    return x.sum() + total, k.to(torch.int32) + k.sum()


@case(*SIGNS)
def narrow_and_wide_whole_numbers(x, k):
    count = 3
    if k[0] > 0:
        count = k.sum()
    small = k.to(torch.int16)
    return small + count, count - small.max(), k * count


@case(*SIGNS)
def sum_that_is_returned(x, k):
    total = 0
    if x[0] > 0:
        total = x.sum()
    return total, x + total


@case(*SIGNS)
def rest_that_is_compared(x, k):
    total = 0
    if x[0] > 0:
        total = x.sum()
    if x.max() + total > 2:
        return x - total
    return x * 2


@case(*SIGNS)
def division_of_a_number_by_one(x, k):
    share = 4
    if k[0] > 0:
        share = k.sum()
    return 8 / share, x / share


@case(*SIGNS, unreached=2)  # The second condition, where the paths are compiled apart and the first holds.
def number_of_two_types_or_a_tensor(x, k):
    share = 2
    if k[0] > 0:
        share = k.sum()
    elif x[0] > 0:
        share = 0.5
    return (share + 0.25) * x, x - share
