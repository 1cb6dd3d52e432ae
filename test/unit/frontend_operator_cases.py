# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Functions of the corpus on what ops give for NaNs, ties, and numbers that round. See `frontend_cases.py`."""

from __future__ import annotations

import math

import torch
from frontend_cases import case

NAN, INF = math.nan, math.inf
MIXED = (
    (torch.tensor([1.0, NAN, -2.0, 5.0, NAN, 0.0, 5.0]),),
    (torch.tensor([3.0, 1.0, 2.0, 1.0, 3.0, 1.0, 0.0]),),
    (torch.tensor([INF, NAN, -INF, INF, -1.0, -INF, 2.0]),),
    (torch.tensor([-1.0, -1.0, -3.0, -INF, -1.0, -3.0, -1.0]),),
)
MANY = torch.arange(3000.0).sin().mul(50).round()
LARGE = tuple((v,) for v in (MANY, -MANY + 1, torch.where(MANY > 45, NAN, MANY), MANY.clamp(max=3)))
QUOTIENTS = tuple((torch.tensor(v) / 10,) for v in ([-934.0, 186, 888, 0, 1], [536.0, -823, 268, 3, -5]))


@case(*MIXED)
def sorted_with_nans(x):
    if x[0] > 2:
        return *torch.sort(x), *torch.sort(x, stable=True, descending=True)
    y = torch.stack([x, -x, x * 2])
    return *y.sort(0), torch.argsort(y, dim=1, descending=True, stable=True), torch.msort(y)


@case(*MIXED)
def sorted_integers(x):
    n = torch.where(x > 1, 3, 1).reshape(1, 7)
    if n.sum() > 12:
        return *n.sort(dim=1, descending=True, stable=True), *(n > 2).sort(dim=1, stable=True)
    return *n.to(torch.uint8).mul(80).sort(dim=1, stable=True), *n[0, 0].sort()


@case(*MIXED, tolerance=1e-6)
def largest_of_few(x):
    if x.isnan().any():
        return x.topk(3).values, x.topk(2, largest=False).values, torch.kthvalue(x, 4).values
    return x.topk(1, sorted=False).values, torch.quantile(x.clamp(min=-9), 0.4), *x.topk(0)


@case(*LARGE, unreached=1)  # the generated inputs are not in this order
def largest_of_many(x):
    if x[0] < 1:
        return x.topk(5).values, x.topk(7, largest=False).values
    rows = x.reshape(2, 1500)
    return rows.topk(60, dim=1).values, torch.kthvalue(rows, 3).values, rows.long().topk(9).values


@case((torch.arange(1030.0),), (-torch.arange(1030.0),), (torch.full((1030,), -INF),))
def largest_of_many_with_few_in_the_last_chunk(x):
    # Which of equal ones it is is torch's own affair, but none is there twice.
    values, places = x.topk(50) if x[-1] > 0 else x.long().topk(8, largest=False)
    places = places.sort().values
    return values, places[1:] > places[:-1]


@case(*MIXED)
def middle_ones(x):
    y = x.reshape(7, 1)
    if x[0] > 2:
        return x.median(), x.nanmedian(), y.median(0).values, (x > 1).long().median()
    return *y.nanmedian(0), torch.cat([y, y + 1], 1).median(1, keepdim=True).values


@case(*MIXED)
def places_among_sorted_ones(x):
    marks = torch.tensor([-1.0, 0.0, 1.0, 1.0, 3.0])
    if x[0] > 2:
        return torch.searchsorted(marks, x), torch.bucketize(x, marks, right=True), torch.searchsorted(marks, 1.0)
    return torch.searchsorted(marks, x, side="right", out_int32=True), torch.bucketize(x[0], marks)


@case(*MIXED[1:2], *MIXED[3:], unreached=1)
def each_once(x):
    if x[0] > 2:
        return torch.unique(x), torch.unique(x.long(), return_counts=True)
    return torch.unique(x.reshape(7, 1), return_inverse=True, return_counts=True)


@case(*MIXED)
def extremes_with_nans(x):
    y = torch.stack([x, -x])
    if x.isfinite().all():
        return x.argmax(), y.argmin(1, keepdim=True), *y.max(0), *(y > 1).max(1), *y.long().min(1, keepdim=True)
    if torch.isfinite(x[0]):
        return x.argmin(), y.argmax(0), *y.min(1), y.argmax()
    return *x.max(0), y.amin(1), x.argmax(0, keepdim=True)


@case(*MIXED)
def bounded_with_nans(x):
    if (x == x).all():
        return x.clamp(-1, 2), x.clamp(max=0.5), torch.nn.functional.relu6(x), torch.maximum(x, -x)
    y = torch.fmax(x, x.flip(0)[:1]), torch.fmin(x, x.flip(0)), torch.logaddexp(x, x * 0 + INF)
    return torch.nn.functional.hardtanh(x), x.clamp_min(0), torch.minimum(x, x.flip(0)), x == x, *y


@case(*MIXED, (torch.full((7,), NAN),), (torch.tensor([NAN, 1, 2, 0, 2, 1, NAN]),))
def compared_as_a_whole(x):
    if torch.equal(x, x.clone()):
        return x + 1
    if torch.allclose(x, x.flip(0), equal_nan=True) and not x.allclose(x[:1], equal_nan=True):
        return x + 2
    return x if x.equal(x[:3]) else x + 3


@case(*QUOTIENTS)
def whole_quotients(x):
    if x[0] > 0:
        return x // 0.1, x // -0.3, torch.fmod(x, 0.1), torch.div(3.0, x.abs() + 0.1, rounding_mode="floor")
    return torch.floor_divide(x, x.flip(0) + 0.1), torch.fmod(x, -0.3), x % 0.1, x // 0


@case(*QUOTIENTS, tolerance=1e-5)
def large_angles(x):
    if x[0] > 0:
        return (x * 1e3).sin(), (x * 1e4).cos(), x.asinh()
    return (x * 100).tan(), (x.long() * 1000).sin(), (x * 1e6).asinh(), x.abs().add(1).log10()


@case(*MIXED[1:2], *MIXED[3:], unreached=1)
def integers_of_8_bits(x):
    n = x.clamp(-9, 9).to(torch.int8)
    if n[0] > 2:
        return n * 50, n - 3, n // 2, n % 3, n.max(), n.to(torch.uint8) * 100 > 50
    return n.abs().to(torch.uint8) * 3, n.amin(0), 5 - n, n / 2, torch.masked_select(n, n < -1)


@case(*QUOTIENTS, tolerance=1e-5)
def powers_of_tensors(x):
    y = torch.tensor([2.0, 3.0, -1.0, 0.0, 0.5])
    if x[0] > 0:
        return x**y, (-x) ** y, (-2.0) ** y, 2 ** x.clamp(-9, 9)
    return y ** x.round().clamp(-5, 5), x.flip(0) ** torch.tensor(0.0), y ** torch.tensor(2), y**-1


@case((torch.arange(20.0).reshape(4, 5),), (-torch.arange(20.0).reshape(4, 5),))
def writes_at_places(x):
    rows, along = torch.tensor([2, 0]), torch.tensor([[1, 0], [4, 2]])
    if x.sum() > 0:
        y = x.index_put((x[:, 1] > 2,), torch.arange(5.0), accumulate=True)
        return y, x.scatter(-1, along, torch.ones(2, 2)), x.scatter_add(-2, along.clamp(max=3), x)
    return x.index_put((rows,), torch.arange(5.0)), x.index_put((rows, along[:, 0]), torch.tensor(3.0), accumulate=True)


@case(*((torch.tensor(v),) for v in ([2**60 + 1, 3, -(2**53) - 1], [-(2**62) + 5, -2, 7])), unreached=1)
def whole_quotients_of_integers(x):
    n = x[0].item()
    if n > 0:
        return x // 3, x // (x.flip(0) | 1), x % -7, n // 3, n % 1000
    return (
        torch.div(x, x[1] | 1, rounding_mode="floor"),
        torch.div(x, 7, rounding_mode="trunc"),
        n // 5,
        torch.fmod(x, 7),
    )
