# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Convolutions of other forms become 2-D ones that compute the same."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from dycl.frontend.capture import capture
from dycl.frontend.convolutions import reform_convolutions
from dycl.frontend.interpreter import Interpreter
from dycl.frontend.layouts import store_channels_last
from dycl.options import Options


def reformed(model, x):
    """The kernels of the convolutions that a model's become, whether one is transposed, and its groups; they agree."""
    program = capture(model.eval(), (x,), {}, Options())
    reform_convolutions(program)
    store_channels_last(program)
    with torch.no_grad():
        (got,) = Interpreter(program).run((x,))
        expected = model(x)
    torch.testing.assert_close(got, expected, rtol=1e-5, atol=1e-5)
    nodes = [n for n in program.graph.body.nodes if n.target is torch.ops.aten.convolution.default]
    return [(tuple(n.args[1].meta["val"].shape[2:]), n.args[6], n.args[8]) for n in nodes], list(program.parameters)


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


@pytest.mark.parametrize(
    ("settings", "groups"),
    [
        ({"stride": 2, "padding": 1}, 1),
        ({"padding": 2, "dilation": 2, "bias": False}, 1),
        ({"padding": "same", "padding_mode": "circular"}, 1),
        ({}, 2),
        ({"stride": 3}, 4),
    ],
)
def test_lines_are_images_of_one_row(settings, groups):
    kinds, keys = reformed(nn.Conv1d(4, 8, 3, groups=groups, **settings), torch.randn(2, 4, 11))
    assert kinds == [((1, 3), False, groups)]
    assert any(key.startswith("weight.line") for key in keys)


@pytest.mark.parametrize(
    ("kernel", "settings"),
    [
        ((3, 2, 3), {"stride": 2, "padding": 1}),
        ((3, 2, 3), {"padding": 2, "dilation": 2, "bias": False}),
        ((3, 2, 3), {"stride": (1, 2, 3), "padding": (0, 1, 2)}),
        ((1, 3, 2), {"padding": (0, 1, 0)}),
        ((1, 1, 1), {}),
        ((1, 1, 1), {"stride": 2}),
        ((1, 1, 1), {"padding": 1}),
    ],
)
def test_volumes_are_a_batch_of_images(kernel, settings):
    kinds, _ = reformed(nn.Conv3d(4, 8, kernel, **settings), torch.randn(2, 4, 7, 8, 9))
    assert kinds == [(kernel[1:], False, 1)]


def test_volumes_with_groups_stay():
    kinds, keys = reformed(nn.Conv3d(4, 8, (3, 2, 3), groups=2), torch.randn(2, 4, 7, 8, 9))
    assert kinds == [((3, 2, 3), False, 2)]
    assert keys == ["weight", "bias"]


@pytest.mark.parametrize("groups", [1, 2])
@pytest.mark.parametrize(
    ("kernel", "stride", "settings", "expected"),
    [
        (2, 2, {}, [(1, 1)] * 4),
        (4, 2, {"padding": 1}, [(2, 2)] * 4),
        (3, 2, {"padding": 1, "output_padding": 1}, [(1, 1), (1, 2), (2, 1), (2, 2)]),
        (3, 2, {"padding": 1, "bias": False}, [(1, 1), (1, 2), (2, 1), (2, 2)]),
        (3, 2, {"output_padding": 1}, [(2, 2), (2, 1), (1, 2), (1, 1)]),
        # There are inputs to spare.
        (5, 2, {"padding": 4}, [(3, 3), (3, 2), (2, 3), (2, 2)]),
        ((3, 2), (2, 1), {"padding": (1, 0)}, [(1, 2), (2, 2)]),
        (3, 1, {"padding": 1}, [(3, 3)]),
        (3, 1, {"padding": 2, "dilation": 2}, [(3, 3)]),
        (3, 1, {"padding": 3}, [(3, 3)]),
    ],
)
def test_transposed_ones_are_plain(kernel, stride, settings, expected, groups):
    layer = nn.ConvTranspose2d(4, 6, kernel, stride, groups=groups, **settings)
    kinds, keys = reformed(layer, torch.randn(2, 4, 7, 5))
    assert kinds == [(size, False, groups) for size in expected]
    assert len([key for key in keys if ".turned" in key]) == len(expected)


def test_transposed_lines_are_plain_images():
    kinds, keys = reformed(nn.ConvTranspose1d(4, 6, 4, 2, 1), torch.randn(2, 4, 7))
    assert kinds == [((1, 2), False, 1)] * 2
    assert keys == ["bias", "weight.turned.1.line.hwio", "weight.turned.0.line.hwio"]


@pytest.mark.parametrize(
    "layer",
    [
        nn.ConvTranspose2d(4, 6, 1, 2),  # Nothing reaches some outputs.
        nn.ConvTranspose2d(4, 6, 3, 2, dilation=2),
    ],
)
def test_transposed_ones_that_stay(layer):
    kinds, _ = reformed(layer, torch.randn(2, 4, 7, 5))
    assert [transposed for _, transposed, _ in kinds] == [True]


class Shared(nn.Module):
    """Weights that two layers use, and one that is read as it is."""

    def __init__(self):
        super().__init__()
        self.line = nn.Conv1d(4, 4, 3, padding=1)
        self.up = nn.ConvTranspose1d(4, 4, 2, 2)

    def forward(self, x):
        return self.up(self.up(self.line(self.line(x)))) * self.line.weight.sum()


def test_a_weight_that_is_used_twice_is_rearranged_once():
    kinds, keys = reformed(Shared(), torch.randn(3, 4, 5))
    assert [size for size, _, _ in kinds] == [(1, 3), (1, 3), (1, 1), (1, 1), (1, 1), (1, 1)]
    assert [key for key in keys if "bias" not in key] == [
        "line.weight",
        "line.weight.line.hwio",
        "up.weight.turned.0.line.hwio",
        "up.weight.turned.1.line.hwio",
    ]


class Computed(nn.Module):
    """Kernels that data decides."""

    def forward(self, x):
        line = nn.functional.conv1d(x, x[:, :, :3])
        return nn.functional.conv_transpose1d(line, x[:, :, :4], stride=2)


def test_kernels_that_data_decides():
    kinds, _ = reformed(Computed(), torch.randn(4, 4, 9))
    assert kinds == [((1, 3), False, 1), ((4,), True, 1)]
