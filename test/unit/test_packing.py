# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Which regions have their weights packed, and what a program is then: right, on every CPU."""

from __future__ import annotations

import pytest
import torch
from torch import nn

import dycl
from dycl.compiler import iree
from dycl.compiler.api import import_model
from dycl.compiler.ir_inspection import packs_weights
from dycl.compiler.pipeline import PhaseDump, partition_program
from dycl.compiler.targets import parse_targets


class Products(nn.Module):
    """Two products by weights of different sizes, on each path of a condition."""

    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Linear(192, 160), nn.Linear(160, 208, bias=False)
        self.other = nn.Linear(192, 208)

    def forward(self, x):
        if x.sum() > 0:
            return self.second(torch.relu(self.first(x)))
        return self.other(x)


class Small(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(64, 10)

    def forward(self, x):
        return self.linear(x)


class Convolutional(nn.Module):
    def __init__(self):
        super().__init__()
        self.convolution, self.linear = nn.Conv2d(3, 4, 3), nn.Linear(4 * 36, 200)

    def forward(self, x):
        return self.linear(self.convolution(x).flatten(1))


class Unweighted(nn.Module):
    def forward(self, x):
        return x @ x.T


class Selected(nn.Module):
    """Products of some of the rows: how many, depends on data."""

    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(192, 160)

    def forward(self, x):
        return self.linear(x[x[:, 0] > 0])


def packed_regions(model, *args):
    options = dycl.Options()
    imported = import_model(model.eval(), args, None, options)
    program = partition_program(imported, parse_targets("llvm-cpu"), options, PhaseDump(None))
    return {packs_weights(text) for text in program.modules.values()}


@pytest.mark.parametrize(
    ("model", "size", "packed"),
    [
        (Products(), (5, 192), {True, False}),  # The condition is in a region of its own.
        (Small(), (5, 64), {False}),
        (Convolutional(), (1, 3, 8, 8), {False}),
        (Unweighted(), (160, 160), {False}),
        (Selected(), (5, 192), {False}),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, nn.Module) else None,
)
def test_large_weights_of_static_products_are_packed(model, size, packed):
    assert packed_regions(model, torch.ones(size)) == packed


@pytest.mark.parametrize("rows", [1, 5, 32])
@pytest.mark.parametrize("embed", [False, True], ids=["archive", "embedded"])
def test_packed_products_are_right(rows, embed):
    torch.manual_seed(rows)
    model = Products().eval()
    x = torch.randn(rows, 192)
    program = dycl.compile(model, (x,), options=dycl.Options(embed_parameters=embed))
    for given in (x.abs(), -x.abs()):
        with torch.no_grad():
            torch.testing.assert_close(program(given), model(given), rtol=1e-5, atol=1e-5)


def test_what_does_not_compile_packed_is_compiled_without(monkeypatch):
    monkeypatch.setattr(iree, "_PACKING_FLAGS", ("--no-such-flag",))
    model = Products().eval()
    x = torch.ones(2, 192)
    program = dycl.compile(model, (x,), options=dycl.Options(cache=False))
    with torch.no_grad():
        torch.testing.assert_close(program(x), model(x), rtol=1e-5, atol=1e-5)
