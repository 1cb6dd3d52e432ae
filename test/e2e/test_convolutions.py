# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Convolutions of all forms give what eager gives, with tiles of ours and without."""

from __future__ import annotations

import platform

import pytest
import torch
from torch import nn
from torch.nn import functional as F

import dycl
from dycl.compiler.target_facts import find_facts
from dycl.compiler.targets import parse_targets

_AVX2 = "llvm-cpu:x86_64-linux-gnu:x86-64-v3"
_FACTS = find_facts(parse_targets("llvm-cpu")[0])
TARGETS = ["llvm-cpu"] + ([_AVX2] if platform.machine() == "x86_64" and "avx2" in _FACTS.cpu_features else [])


def check(model, x, target="llvm-cpu", **settings):
    """Compiles, compares with eager, and gives the keys of the weights that the program reads."""
    model = model.eval()
    program = dycl.compile(model, (x,), target=target, **settings)
    with torch.no_grad():
        expected, got = model(x), program(x)
    assert got.shape == expected.shape
    assert ((got - expected).abs().max() / expected.abs().max()).item() < 1e-5
    return [key for region in program.regions for key in region.parameters]


class Grouped(nn.Module):
    """A grouped convolution between others, with an activation, a residual, and a border that the next one reads."""

    def __init__(self, channels, groups, kernel=3, stride=1, dilation=1, bias=True):
        super().__init__()
        self.first = nn.Conv2d(channels, channels, 1)
        padding = dilation * (kernel - 1) // 2
        self.grouped = nn.Conv2d(channels, channels, kernel, stride, padding, dilation, groups, bias)
        self.again = nn.Conv2d(channels, channels, 3, padding=1, groups=groups)
        # Weights that are not contiguous.
        self.grouped.weight = nn.Parameter(self.grouped.weight.detach().transpose(2, 3).contiguous().transpose(2, 3))

    def forward(self, x):
        y = F.silu(self.grouped(F.relu(self.first(x))))
        return F.relu(self.again(y) + y) - 0.5


@pytest.mark.skipif(_FACTS.vector_unit is None, reason="no rules for this CPU")
@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize(
    ("channels", "groups", "size", "settings"),
    [
        (32, 8, (13, 17), {}),  # 4 a group
        (48, 6, (9, 11), {"stride": 2, "bias": False}),  # 8
        (21, 7, (6, 10), {"dilation": 2}),  # 3: groups that do not fill a vector
        (24, 2, (7, 7), {"kernel": 5}),  # 12: a vector that is shifted back, or one group that does not fill it
        (60, 3, (14, 5), {"stride": 2}),  # 20
        (64, 2, (8, 1), {}),  # 32, and one pixel a row
        (20, 10, (1, 9), {}),  # 2
    ],
)
def test_groups(target, channels, groups, size, settings):
    torch.manual_seed(channels)
    keys = check(Grouped(channels, groups, **settings), torch.randn(2, channels, *size), target)
    # Each of the two is one dispatch, or a plain convolution of each group.
    assert [key for key in keys if key.startswith("grouped.weight.ghwio")]


def test_groups_that_are_one_dispatch():
    torch.manual_seed(0)
    keys = check(Grouped(32, 8), torch.randn(1, 32, 9, 9), "llvm-cpu" if platform.machine() != "x86_64" else _AVX2)
    assert len([key for key in keys if key.startswith("grouped.weight")]) == 1


def test_groups_without_tiles():
    torch.manual_seed(0)
    check(Grouped(32, 8), torch.randn(1, 32, 9, 9), options=dycl.Options(tile=False))


def test_groups_in_f64():
    torch.manual_seed(0)
    check(Grouped(12, 3).double(), torch.randn(1, 12, 9, 9, dtype=torch.float64))
    check(Grouped(64, 2).double(), torch.randn(1, 64, 5, 7, dtype=torch.float64))


def test_groups_of_a_dynamic_batch():
    torch.manual_seed(0)
    model = Grouped(12, 3).eval()
    program = dycl.compile(model, (torch.randn(2, 12, 9, 7),), dynamic_shapes={"x": {0: torch.export.Dim("n")}})
    for n in (1, 2, 5):
        x = torch.randn(n, 12, 9, 7)
        with torch.no_grad():
            torch.testing.assert_close(program(x), model(x), rtol=1e-4, atol=1e-5)


class More(nn.Module):
    """More outputs than inputs in groups of one input, and a shuffle of channels behind groups."""

    def __init__(self):
        super().__init__()
        self.more = nn.Conv2d(12, 24, 3, groups=12)
        self.product = nn.Conv2d(24, 36, 1, groups=3)

    def forward(self, x):
        y = self.product(self.more(x))
        n, c, h, w = y.shape
        return y.view(n, 3, c // 3, h, w).transpose(1, 2).reshape(n, c, h, w)


@pytest.mark.parametrize("target", TARGETS)
def test_groups_of_other_sizes(target):
    torch.manual_seed(0)
    check(More(), torch.randn(2, 12, 8, 7), target)


class Lines(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Conv1d(5, 24, 5, stride=2, padding=2)
        self.norm = nn.BatchNorm1d(24)
        self.depthwise = nn.Conv1d(24, 24, 3, padding=2, dilation=2, groups=24, bias=False)
        self.grouped = nn.Conv1d(24, 24, 3, padding=1, groups=6)
        self.last = nn.ConvTranspose1d(24, 7, 4, 2, 1)

    def forward(self, x):
        y = F.gelu(self.first(x))
        z = F.relu(self.depthwise(self.norm(y)) + y)
        return self.last(self.grouped(z) * y.mean(2, keepdim=True))


@pytest.mark.parametrize("target", TARGETS)
def test_lines(target):
    torch.manual_seed(0)
    check(Lines(), torch.randn(3, 5, 37), target)


class Volumes(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Conv3d(3, 20, 3, padding=1)
        self.second = nn.Conv3d(20, 18, (2, 3, 3), stride=(1, 2, 2), dilation=(2, 1, 1))
        self.third = nn.Conv3d(18, 9, 1, bias=False)

    def forward(self, x):
        return torch.sigmoid(self.third(F.relu(self.second(F.relu(self.first(x))))))


@pytest.mark.parametrize("target", TARGETS)
def test_volumes(target):
    torch.manual_seed(0)
    check(Volumes(), torch.randn(2, 3, 5, 7, 9), target)


class Transposed(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.ConvTranspose2d(10, 24, 4, 1)
        self.second = nn.ConvTranspose2d(24, 20, 4, 2, 1, bias=False)
        self.norm = nn.BatchNorm2d(20)
        self.third = nn.ConvTranspose2d(20, 9, 3, 2, 1, 1)
        self.last = nn.ConvTranspose2d(9, 3, 2, 2, groups=3)

    def forward(self, x):
        return torch.tanh(self.last(F.relu(self.third(F.relu(self.norm(self.second(F.relu(self.first(x)))))))))


@pytest.mark.parametrize("target", TARGETS)
def test_transposed(target):
    torch.manual_seed(0)
    check(Transposed(), torch.randn(2, 10, 1, 3), target)


def test_forms_in_f64():
    torch.manual_seed(0)
    lines = nn.Sequential(nn.Conv1d(5, 24, 3, 2), nn.ReLU(), nn.ConvTranspose1d(24, 3, 4, 2, 1))
    check(lines.double(), torch.randn(2, 5, 9, dtype=torch.float64))
    volumes = nn.Sequential(nn.Conv3d(2, 7, 3, padding=1), nn.ReLU(), nn.Conv3d(7, 3, (1, 2, 1)))
    check(volumes.double(), torch.randn(1, 2, 3, 4, 5, dtype=torch.float64))


def test_lines_of_dynamic_sizes():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv1d(5, 24, 3, 2, 1), nn.ReLU(), nn.Conv1d(24, 18, 3, groups=3)).eval()
    sizes = {"input": {0: torch.export.Dim("n"), 2: torch.export.Dim("length", min=9)}}
    program = dycl.compile(model, (torch.randn(2, 5, 31),), dynamic_shapes=sizes)
    for n, length in ((1, 9), (2, 31), (5, 16)):
        x = torch.randn(n, 5, length)
        with torch.no_grad():
            torch.testing.assert_close(program(x), model(x), rtol=1e-4, atol=1e-5)


class Refined(nn.Module):
    """A hidden image that a loop carries, with another size per dimension, and one that it only reads."""

    def __init__(self):
        super().__init__()
        self.first = nn.Conv2d(3, 20, 3, padding=1)
        self.gate, self.step = nn.Conv2d(40, 20, 3, padding=1), nn.Conv2d(20, 20, (1, 5), padding=(0, 2))

    def forward(self, x, count):
        features = F.relu(self.first(x))
        hidden, change = torch.zeros_like(features), x.mean()
        for _ in range(int(count)):
            step = self.step(F.relu(self.gate(torch.cat([hidden, features], 1))))
            hidden, change = hidden + step, step.abs().mean()
        return hidden, change


@pytest.mark.parametrize("target", TARGETS)
def test_images_that_a_loop_carries(target):
    torch.manual_seed(0)
    model = Refined().eval()
    program = dycl.compile(model, (torch.randn(2, 3, 6, 9), torch.tensor(2)), target=target)
    for count in (0, 1, 4):
        x = torch.randn(2, 3, 6, 9)
        with torch.no_grad():
            torch.testing.assert_close(
                program(x, torch.tensor(count)), model(x, torch.tensor(count)), rtol=1e-5, atol=1e-5
            )
