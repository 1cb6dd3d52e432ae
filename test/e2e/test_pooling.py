# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Pools and resized images give what eager gives, in dispatches of ours and without."""

from __future__ import annotations

import platform
import re

import pytest
import torch
from torch import nn
from torch.nn import functional as F

import dycl
from dycl.compiler.api import import_model
from dycl.compiler.pipeline import PhaseDump, partition_program
from dycl.compiler.target_facts import find_facts
from dycl.compiler.targets import parse_targets

_AVX2 = "llvm-cpu:x86_64-linux-gnu:x86-64-v3"
_FACTS = find_facts(parse_targets("llvm-cpu")[0])
TARGETS = ["llvm-cpu"] + ([_AVX2] if platform.machine() == "x86_64" and "avx2" in _FACTS.cpu_features else [])
# What pools, gathers and sums over all pixels are before the pass.
_LEFT = re.compile(r"linalg\.pooling_\w+|linalg\.index|\"parallel\", \"reduction\", \"reduction\"")


def find_left(model, args, target):
    """The pools and gathers that a program's regions still have when IREE gets them."""
    options = dycl.Options()
    targets = parse_targets(target)
    program = partition_program(import_model(model, args, None, options), targets, options, PhaseDump(None))
    return [found for text in program.own_modules[targets[0].folder].values() for found in _LEFT.findall(text)]


def check(model, *args, target="llvm-cpu", left=(), **settings):
    """Compiles, and compares with eager, NaNs too; asserts which operations the pass left."""
    model = model.eval()
    if find_facts(parse_targets(target)[0]).vector_unit and not settings:
        assert find_left(model, args, target) == list(left)
    program = dycl.compile(model, args, target=target, **settings)
    with torch.no_grad():
        for got, expected in zip(program(*args), model(*args), strict=True):
            torch.testing.assert_close(got, expected, rtol=1e-5, atol=1e-5, equal_nan=True)


class Applied(nn.Module):
    """Functions of an image that a convolution gives, so that channels come last."""

    def __init__(self, functions, inputs, channels):
        super().__init__()
        self.conv = nn.Conv2d(inputs, channels, 1)
        self.functions = functions

    def forward(self, x):
        y = self.conv(x)
        return tuple([function(y) for function in self.functions])


POOLS = [
    nn.MaxPool2d(2),
    nn.MaxPool2d(3, 2, 1),
    nn.MaxPool2d(3, 2, ceil_mode=True),
    nn.MaxPool2d((3, 2), (1, 3), (1, 0), ceil_mode=True),
    nn.MaxPool2d(3, 1, 1, dilation=2),
    nn.MaxPool2d((2, 4), 1, (0, 2), dilation=(3, 1)),
    nn.MaxPool2d(7, 1, 3),  # a loop
    nn.AvgPool2d(2),
    nn.AvgPool2d(3, 1, 1),
    nn.Sequential(nn.AvgPool2d((3, 2), (2, 1), (1, 0)), nn.ReLU()),
    nn.AvgPool2d(6, 3, 2),  # a loop
    nn.AdaptiveAvgPool2d(1),
    lambda x: F.relu(x.mean((2, 3)) - x[:, :, 1, 2]),
    lambda x: x * x.mean((2, 3), keepdim=True),
]


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize(
    ("batch", "channels", "size"),
    [(1, 1, (9, 8)), (2, 3, (11, 7)), (1, 8, (8, 9)), (3, 20, (7, 10)), (1, 33, (16, 11))],
)
def test_pools(target, batch, channels, size):
    torch.manual_seed(channels)
    x = torch.randn(batch, 4, *size)
    check(Applied(POOLS, 4, channels), x, target=target)


@pytest.mark.parametrize("target", TARGETS)
def test_maxima_of_nan(target):
    torch.manual_seed(0)
    x = torch.randn(2, 4, 9, 8)
    x[0, :, 2, 3], x[1, :, 4, 4], x[1, :, 0, 0] = torch.nan, torch.inf, -torch.inf
    pools = [pool for pool in POOLS if isinstance(pool, nn.MaxPool2d)]
    check(Applied(pools, 4, 12), x, target=target)


class Between(nn.Module):
    """Pools and resized images between convolutions, beside residuals, with the border that the next one reads."""

    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Conv2d(3, 24, 3, padding=1), nn.Conv2d(24, 12, 3, padding=1)
        self.third = nn.Conv2d(12, 10, 3, padding=1)

    def forward(self, x):
        y = F.max_pool2d(F.relu(self.first(x)), 3, 2, 1)
        z = F.relu(self.second(F.avg_pool2d(y, 2)))
        up = F.interpolate(z, size=y.shape[2:], mode="bilinear", align_corners=True)
        return F.avg_pool2d(up, 3, 1, 1, count_include_pad=False), F.relu(self.third(up) + 1), up.mean((2, 3))


@pytest.mark.parametrize("target", TARGETS)
def test_between_convolutions(target):
    torch.manual_seed(0)
    # The divisor at the border is left.
    check(Between(), torch.randn(2, 3, 22, 18), target=target, left=["linalg.index"] * 2)


def resize(**settings):
    return lambda x: F.interpolate(x, **settings)


SIZES = [
    {"size": (7, 13), "mode": "nearest"},
    {"scale_factor": 2, "mode": "nearest"},
    {"scale_factor": (0.6, 1.7), "mode": "nearest-exact"},
    {"size": (11, 4), "mode": "bilinear"},
    {"scale_factor": 1.7, "mode": "bilinear"},
    {"scale_factor": 1.7, "mode": "bilinear", "recompute_scale_factor": True},
    {"size": (1, 20), "mode": "bilinear", "align_corners": True},
    {"scale_factor": (2, 0.5), "mode": "bilinear", "align_corners": True},
    {"scale_factor": (1, 2.3), "mode": "bilinear"},
    {"scale_factor": (1.6, 1), "mode": "bicubic"},
    {"size": (5, 17), "mode": "bicubic", "align_corners": True},
]


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize(
    ("batch", "channels", "size"), [(1, 1, (9, 8)), (2, 3, (6, 7)), (1, 8, (8, 9)), (3, 20, (2, 10)), (1, 33, (16, 11))]
)
def test_resizes(target, batch, channels, size):
    torch.manual_seed(channels)
    functions = [resize(**settings) for settings in SIZES]
    check(Applied(functions, 4, channels), torch.randn(batch, 4, *size), target=target)


class Elsewhere(nn.Module):
    """Resized images that no pass takes: of the input, of lines, of volumes, in f64, of dynamic sizes."""

    def forward(self, image, line, volume):
        return (
            F.interpolate(image, scale_factor=1.5, mode="bilinear"),
            F.interpolate(image.double(), (3, 9), mode="bicubic"),
            F.interpolate(line, 9, mode="linear", align_corners=True),
            F.interpolate(line, scale_factor=0.4),
            F.interpolate(volume, scale_factor=1.3, mode="trilinear"),
            F.interpolate(volume, (3, 4, 9), mode="nearest-exact"),
        )


def test_other_resizes():
    torch.manual_seed(0)
    args = torch.randn(2, 3, 5, 7), torch.randn(2, 3, 5), torch.randn(1, 2, 3, 5, 4)
    check(Elsewhere(), *args, options=dycl.Options(tile=False))


def test_without_tiles():
    torch.manual_seed(0)
    check(Between(), torch.randn(2, 3, 22, 18), options=dycl.Options(tile=False))


def test_dynamic_sizes():
    torch.manual_seed(0)
    model = Applied([POOLS[1], POOLS[8], resize(scale_factor=2, mode="bilinear")], 4, 12).eval()
    program = dycl.compile(model, (torch.randn(2, 4, 9, 8),), dynamic_shapes={"x": {0: torch.export.Dim("n")}})
    for n in (1, 3):
        x = torch.randn(n, 4, 9, 8)
        with torch.no_grad():
            for got, expected in zip(program(x), model(x), strict=True):
                torch.testing.assert_close(got, expected, rtol=1e-5, atol=1e-5)


WINDOWS = {
    "average": lambda x: F.avg_pool2d(x, 2),
    "maximum": lambda x: F.max_pool2d(x, 2),
    "convolution": lambda x: F.conv2d(x, torch.arange(24.0).reshape(3, 2, 2, 2) / 9 - 1, stride=2),
    "depthwise": lambda x: F.conv2d(x, torch.arange(8.0).reshape(2, 1, 2, 2) / 9 - 1, stride=2, groups=2),
    "line": lambda x: F.conv1d(x[:, :, 0], torch.arange(12.0).reshape(3, 2, 2) / 9 - 1, stride=3),
}


@pytest.mark.parametrize("dynamic", [None, 0, 2, 3])
@pytest.mark.parametrize("window", WINDOWS)
def test_a_window_that_does_not_reach_all_of_an_image(window, dynamic):
    """IREE takes the size of the image for that of the only window: sums of too much, or a failure."""
    shape = [1, 2, 3, 3]
    if dynamic is not None:
        shape[dynamic] = 5
    x = torch.arange(float(torch.Size(shape).numel())).reshape(shape).sin()
    sizes = None if dynamic is None else ({dynamic: torch.export.Dim("n", min=3, max=9)},)
    program = dycl.compile(WINDOWS[window], (x,), dynamic_shapes=sizes)
    torch.testing.assert_close(program(x), WINDOWS[window](x), rtol=1e-5, atol=1e-5)
