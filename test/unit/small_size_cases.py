# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Sizes that turn out too small for a position, a window or a number of items, and inputs without elements."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from frontend_cases import case
from torch.export import Dim

ROWS = Dim("rows", max=64)
KERNEL = torch.arange(6.0).reshape(1, 2, 3)


def rows(chosen: int, count: int = 5) -> tuple[torch.Tensor]:
    """Rows of two different numbers, of which the first of the first few are positive."""
    x = torch.arange(2.0 * count).reshape(count, 2) + 1
    x[chosen:] *= -1
    return (x,)


SELECTIONS = [rows(n) for n in (3, 0, 1, 2, 4, 5)]
DECLARED = [rows(positive, n) for n in (3, 4, 7) for positive in (0, n)]
WITH_NONE = [rows(n, n) for n in (0, 3, 1, 2, 6)]


# Of selections -------------------------------------------------------------------------------------------------------


@case(*SELECTIONS)
def third_of_a_selection(x):
    return x[x[:, 0] > 0][2]


@case(*SELECTIONS)
def last_but_one_of_each_line(x):
    return x[x[:, 0] > 0].t()[:, -2]


@case(*SELECTIONS)
def third_behind_an_ellipsis(x):
    return x[x[:, 0] > 0].t()[None, ..., 2]


@case(*SELECTIONS)
def second_by_select(x):
    return x[x[:, 0] > 0].select(0, 1)


@case(*SELECTIONS)
def third_or_else(x):
    try:
        return x[x[:, 0] > 0][2]
    except IndexError:
        return x.sum(0)


@case(*SELECTIONS)
def third_row_is_written(x):
    y = x[x[:, 0] > 0].clone()
    y[2] = y[0] + 1
    return y


@case(*SELECTIONS)
def three_largest_of_a_selection(x):
    values, places = x[x[:, 0] > 0].topk(3, dim=0)
    return values, places


@case(*SELECTIONS)
def second_smallest_of_a_selection(x):
    return x[x[:, 0] > 0].kthvalue(2, 0).values


@case(*SELECTIONS)
def middle_of_a_selection(x):
    return x[x[:, 0] > 0].median(0)


@case(*SELECTIONS)
def narrowed_selection(x):
    return x[x[:, 0] > 0].narrow(0, 1, 2)


@case(*SELECTIONS)
def windows_of_a_selection(x):
    return x[x[:, 0] > 0].unfold(0, 3, 1)


@case(*SELECTIONS)
def mirrored_edges_of_a_selection(x):
    return F.pad(x[x[:, 0] > 0].t(), (2, 1), mode="reflect")


@case(*SELECTIONS, tolerance=1e-6)
def filtered_selection(x):
    return F.conv1d(x[x[:, 0] > 0].t()[None], KERNEL)


# Declared: what is too small is not taken ----------------------------------------------------------------------------


@case(*DECLARED, dynamic=({0: ROWS},))
def third_of_the_rows(x):
    return x[2] if x.sum() > 0 else x[-2]


@case(*DECLARED, dynamic=({0: ROWS},))
def second_smallest_of_the_rows(x):
    return x.kthvalue(2, 0) if x.sum() > 0 else x.kthvalue(1, 0)


@case(*DECLARED, dynamic=({0: ROWS},))
def middle_of_the_rows(x):
    return x.median(0).values + 1 if x.sum() > 0 else x.nanmedian(0).values


@case(*DECLARED, dynamic=({0: ROWS},), tolerance=1e-6)
def filtered_rows_of_which_one_is_left(x):
    return F.conv1d(x.t()[None], KERNEL) if x.sum() > 0 else F.conv1d(x.t()[None], KERNEL - 2)


@case(*DECLARED, dynamic=({0: ROWS},))
def mirrored_edges_of_the_rows(x):
    return F.pad(x.t(), (2, 2), mode="reflect") if x.sum() > 0 else x.t()


# Without elements ----------------------------------------------------------------------------------------------------


@case(*WITH_NONE, *((-x,) for (x,) in WITH_NONE), dynamic=({0: ROWS},))
def batch_that_may_be_empty(x):
    return x.mean(0) * 2 if x.sum() > 0 else x.cumsum(0)


@case(*WITH_NONE, dynamic=({0: ROWS},))
def largest_of_what_may_be_empty(x):
    return x.max(0).values, x.argmin(0)


@case(*WITH_NONE, dynamic=({0: ROWS},))
def first_of_what_may_be_empty(x):
    return x[0]


@case(*WITH_NONE, dynamic=({0: ROWS},))
def early_exit_of_an_empty_batch(x):
    if x.shape[0] == 0:
        return torch.zeros(2)
    return x.max(0).values


@case(*WITH_NONE, dynamic=({0: ROWS},))
def loop_over_what_may_be_empty(x):
    total = torch.zeros(2)
    for row in x:
        if row[0] > 3:
            total = total + row
    return total, len(x)


# Masks of another size ------------------------------------------------------------------------------------------------


@case(*SELECTIONS)
def mask_of_a_fixed_size(x):
    return x[x[:, 0] > 0][torch.tensor([True, False, True])]


@case(*SELECTIONS)
def mask_of_a_size_on_data(x):
    y = x[x[:, 0] > 0]
    return torch.ones(3, 2)[y[:, 0] > 1]


@case(*SELECTIONS)
def write_by_a_mask_of_a_fixed_size(x):
    y = x[x[:, 0] > 0].clone()
    y[torch.tensor([True, False, True])] = 7.0
    return y


# What is too large or too small for an operation ----------------------------------------------------------------------


@case(*SELECTIONS)
def index_as_long_as_a_selection(x):
    y = x[x[:, 0] > 0]
    chosen = torch.zeros(1, 1, dtype=torch.long).expand(1, y.shape[0])
    return torch.arange(3.0).unsqueeze(0).gather(0, chosen)


@case(*SELECTIONS)
def index_into_a_selection(x):
    return x[x[:, 0] > 0].t().gather(0, torch.zeros(1, 3, dtype=torch.long))


@case(*SELECTIONS)
def scattered_selection(x):
    return torch.zeros(6).scatter(0, torch.arange(3), x[:, 0][x[:, 0] > 0])


@case(*SELECTIONS)
def selection_that_is_added(x):
    return torch.zeros(6).scatter_add(0, torch.arange(3), x[:, 1][x[:, 0] > 0])


@case(*SELECTIONS, tolerance=1e-6)
def normalized_over_a_selection(x):
    return F.layer_norm(x[x[:, 0] > 0].t(), (3,))


@case(*SELECTIONS)
def largest_of_a_selection(x):
    y = x[x[:, 0] > 0]
    return torch.linalg.vector_norm(y, float("inf")), y.norm(2)


@case(*SELECTIONS)
def narrower_by_padding(x):
    return F.pad(x[x[:, 0] > 0].t(), (-2, -1))


@case(*SELECTIONS, tolerance=1e-6)
def upsampled_selection(x):
    return F.interpolate(x[x[:, 0] > 0].t()[None], scale_factor=2, mode="linear")


@case(*SELECTIONS)
def transposed_convolution_of_a_selection(x):
    return F.conv_transpose1d(x[x[:, 0] > 0].t()[None], torch.ones(2, 1, 3))


@case(*SELECTIONS)
def middle_of_all_of_a_selection(x):
    y = x[x[:, 0] > 0]
    if x.sum() > 10:
        return y.median(), y.nanmedian()
    return y.long().median(), y.to(torch.int32).median()
