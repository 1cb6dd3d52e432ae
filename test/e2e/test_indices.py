# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Indices that are data, compiled without checks: as in eager where eager takes them, else within the tensor."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

import dycl

TABLE = torch.arange(12.0).reshape(4, 3)
FAR = 10**9
UNCHECKED = dycl.Options(checks="off")


def embedding(x, i):
    return F.embedding(i, x)


def index(x, i):
    return x[i]


def index_select(x, i):
    return x.index_select(0, i)


def gather(x, i):
    return x.gather(0, i[:, None].expand(-1, 3))


def assigned(x, i):
    y = x.clone()
    y[i] = 1.5
    return y


def scatter(x, i):
    return x.scatter(0, i[:, None].expand(-1, 3), torch.full((2, 3), 5.0))


def scatter_value(x, i):
    return x.scatter(0, i[:, None].expand(-1, 3), 7.0)


def scatter_add(x, i):
    return x.scatter_add(0, i[:, None].expand(-1, 3), torch.ones(2, 3))


def scatter_reduce(x, i):
    return x.scatter_reduce(0, i[:, None].expand(-1, 3), torch.full((2, 3), 5.0), "amax")


def index_add(x, i):
    return x.index_add(0, i, torch.ones(2, 3))


@pytest.mark.parametrize(
    "function",
    [
        embedding,
        index,
        index_select,
        gather,
        assigned,
        scatter,
        scatter_value,
        scatter_add,
        scatter_reduce,
        index_add,
    ],
)
def test_index_out_of_range_is_that_of_the_nearest_row(function):
    places = torch.tensor([0, 1])
    program = dycl.compile(function, (TABLE, places), options=UNCHECKED)
    torch.testing.assert_close(program(TABLE, places), function(TABLE, places))
    for given, nearest in (((4, 2), (3, 2)), ((FAR, 1), (3, 1)), ((2, -FAR), (2, 0))):
        with pytest.raises((IndexError, RuntimeError), match=r"out of (range|bounds)"):
            function(TABLE, torch.tensor(given))
        found = program(TABLE, torch.tensor(given))
        torch.testing.assert_close(found, function(TABLE, torch.tensor(nearest)))


@pytest.mark.parametrize("function", [index, assigned])
def test_negative_index_counts_from_the_end(function):
    program = dycl.compile(function, (TABLE, torch.tensor([0, 1])))
    for places in (torch.tensor([3, -1]), torch.tensor([-4, -2])):
        torch.testing.assert_close(program(TABLE, places), function(TABLE, places))


@pytest.mark.parametrize("function", [index, gather, scatter_add, index_add])
def test_index_into_as_many_rows_as_data_say(function):
    def chosen(x, i):
        return function(x[x[:, 0] > 5], i)

    program = dycl.compile(chosen, (TABLE, torch.tensor([0, 1])), options=UNCHECKED)
    torch.testing.assert_close(program(TABLE, torch.tensor([1, 0])), chosen(TABLE, torch.tensor([1, 0])))
    far = torch.tensor([FAR, -FAR])
    assert program(TABLE, far).shape == (2, 3)
    nothing = program(TABLE - 100, far)
    if function in (index, gather):
        torch.testing.assert_close(nothing, torch.zeros(2, 3))
    else:
        assert nothing.shape == (0, 3)


def column_at_places(x):
    chosen = x[x[:, 0] > 0]
    order = chosen.argsort(1)
    places = (chosen[:, 1] < 9).nonzero().squeeze(1)
    return order[places, 0], chosen[:, 1][places]


def nearest_two_at_places(x):
    chosen = x[x[:, 0] > 0]
    near, which = chosen.topk(2, dim=1, largest=False)
    places = (near[:, 0] < 6).nonzero().squeeze(1)
    return which[places, 0], which[places, 1].view(-1), which.view(-1)


@pytest.mark.parametrize("function", [column_at_places, nearest_two_at_places], ids=lambda f: f.__name__)
def test_places_in_a_column_of_a_dynamic_size(function):
    """IREE's kernels forget the strides of a column that they gather from, or are not lowered."""
    rows = torch.tensor([[3.0, 2, 1], [1, 8, 9], [-1, 4, 4], [5, 3, 2], [2, 9, 1]])
    program = dycl.compile(function, (rows,))
    for x in (rows, rows.flip(1), rows.roll(1, 0) + 4, -rows):
        for got, expected in zip(program(x), function(x), strict=True):
            assert torch.equal(got, expected)
