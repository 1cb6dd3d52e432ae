# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""How weights reach the archive: once, in the order in which compiled code reads them, literals not at all."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from dycl.frontend import import_program
from dycl.frontend.capture import capture
from dycl.frontend.convolutions import reform_convolutions
from dycl.frontend.fold import fold_batch_norms
from dycl.frontend.graph import all_graphs
from dycl.frontend.importer import can_inline
from dycl.frontend.interpreter import Interpreter
from dycl.frontend.layouts import store_channels_last
from dycl.options import Options
from dycl.weights import Weights


class Convolutions(nn.Module):
    """Convolutions whose weights differ in every dimension, on both sides of a condition."""

    def __init__(self):
        super().__init__()
        self.shared = nn.Conv2d(4, 4, (3, 1), padding=(1, 0))
        self.norm = nn.Sequential(nn.Conv2d(4, 6, (2, 3), stride=2, dilation=2, bias=False), nn.BatchNorm2d(6))
        self.read = nn.Conv2d(6, 5, (1, 2))
        self.grouped = nn.Conv2d(4, 6, (3, 2), stride=(1, 2), padding=(0, 1), dilation=(2, 1), groups=2)
        self.shortcut = nn.Conv2d(6, 6, 1, stride=(2, 1))
        self.depthwise = nn.Conv2d(4, 8, 3, groups=4)
        self.transposed = nn.ConvTranspose2d(4, 3, 2)
        self.line = nn.Conv1d(4, 2, 3)

    def forward(self, x):
        y = self.shared(self.shared(x))
        if x.sum() > 0:
            z = self.read(self.norm(y))
            grouped = self.shortcut(self.grouped(x)).mean((2, 3))
            return (z + self.read.weight.sum()).mean((2, 3)), grouped * self.depthwise(x).mean()
        return self.transposed(self.shared(y)).mean((2, 3)).repeat(1, 2)[:, :5], self.line(
            x[:, :, 0]
        ).mean() * torch.ones(1, 6)


@pytest.fixture(scope="module")
def convolutions():
    torch.manual_seed(0)
    model = Convolutions().eval()
    model.norm[1].running_mean.normal_()
    model.norm[1].running_var.uniform_(0.5, 2)
    return model


def test_weights_of_plain_convolutions_are_stored_as_they_are_read(convolutions):
    imported = import_program(convolutions, (torch.zeros(1, 4, 9, 9),))
    stored = {key: value.shape for key, value in imported.parameters.items() if "weight" in key and "bias" not in key}
    assert stored == {
        "shared.weight.hwio": (3, 1, 4, 4),
        "norm.0.weight.folded.hwio": (2, 3, 4, 6),
        "read.weight": (5, 6, 1, 2),  # its sum is read as well
        "grouped.weight.ghwio": (2, 3, 2, 2, 3),
        "shortcut.weight.hwio": (1, 1, 6, 6),
        "depthwise.weight": (8, 1, 3, 3),
        "transposed.weight.turned.hwio": (2, 2, 4, 3),
        "line.weight.line.hwio": (1, 3, 4, 2),
    }
    expected = convolutions.shared.weight.detach().numpy().transpose(2, 3, 1, 0)
    np.testing.assert_array_equal(imported.parameters["shared.weight.hwio"], expected)


def convolutions_in(graph):
    return [node for node in graph.nodes if node.target is torch.ops.aten.convolution.default]


def is_product(convolution):
    return convolution.args[1].meta["val"].shape[2:] == (1, 1)


def test_what_is_stored_otherwise_computes_the_same(convolutions):
    program = capture(convolutions, (torch.zeros(1, 4, 9, 9),), {}, Options())
    fold_batch_norms(program, enabled=True)
    reform_convolutions(program)
    store_channels_last(program)
    assert {n.args[8] for graph in all_graphs(program.graph.body) for n in convolutions_in(graph)} == {1, 2, 4}
    kernels = [n for graph in all_graphs(program.graph.body) for n in convolutions_in(graph) if is_product(n)]
    assert [n.args[3] for n in kernels] == [[1, 1]]
    sides = set()
    for seed in range(8):
        x = torch.randn(1, 4, 9, 9, generator=torch.Generator().manual_seed(seed))
        interpreter = Interpreter(program)
        with torch.no_grad():
            expected = convolutions(x)
        for got, wanted in zip(interpreter.run((x,)), expected, strict=True):
            torch.testing.assert_close(got, wanted, rtol=1e-5, atol=1e-5)
        sides.add(interpreter.decisions[0].value)
    assert sides == {True, False}


TABLE = torch.arange(100.0)


def test_small_literals_stand_in_the_ir_and_large_ones_in_the_archive():
    def forward(x):
        y = x * torch.tensor([1.5, float("inf"), -0.0]) + TABLE.sum()
        return y + torch.tensor([True, False, True]), torch.tensor(-(2**63)), torch.tensor([0.1], dtype=torch.bfloat16)

    imported = import_program(forward, (torch.zeros(3),))
    assert [value.shape for value in imported.parameters.values()] == [(100,)]
    for constant in ("[1.500000e+00, 0x7F800000, -0.000000e+00]", "[true, false, true]", "-9223372036854775808"):
        assert f"arith.constant dense<{constant}>" in imported.mlir


@pytest.mark.parametrize("array", [np.zeros(65, np.float32), np.zeros(2, np.complex64), np.uint8(1)])
def test_what_does_not_stand_in_the_ir(array):
    assert can_inline(np.zeros(64, np.float32))
    assert not can_inline(array)


def test_constants_and_weights_without_elements_stand_in_the_ir():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.register_buffer("none", torch.zeros(0, 3, dtype=torch.uint8))

        def forward(self, x):
            return (self.none, torch.zeros(2, 0)) if x.sum() > 0 else (self.none + 1, torch.ones(2, 0))

    imported = import_program(Net(), (torch.zeros(3),))
    assert not imported.parameters
    assert imported.mlir.count("arith.constant dense<> : tensor<0x3xi8>") == 1


def test_weights_are_made_when_they_are_read():
    made = []

    def maker(key):
        return lambda: made.append(key) or key.upper()

    weights = Weights({key: maker(key) for key in ("a", "b", "c")})
    some = weights.only(["c", "a"]).map(lambda text: text * 2)
    assert "c" in some
    assert "b" not in some
    assert list(some) == ["c", "a"]
    assert len(some) == 2
    assert not made
    assert some["a"] == "AA"
    assert made == ["a"]
    assert dict(some) == {"c": "CC", "a": "AA"}
    assert Weights.of(weights) is weights
    assert dict(Weights.of({"x": 1, "y": 2})) == {"x": 1, "y": 2}
