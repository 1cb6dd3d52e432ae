# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Convolutions of 3x3 with fewer products give what eager gives, about as exactly as without."""

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
pytestmark = pytest.mark.skipif(_FACTS.vector_unit is None, reason="no rules for this CPU")


def transformed(program) -> list[str]:
    """The keys of transformed weights that a program reads."""
    return [key for region in program.regions for key in region.parameters if "@winograd(" in key]


def error(got, exact) -> float:
    """The largest difference, as a part of the scale."""
    return ((got - exact).abs().max() / exact.abs().max()).item()


class Block(nn.Module):
    """A bias, an activation whose function is approximated, a residual, a border that another one reads."""

    def __init__(self, channels, features):
        super().__init__()
        self.first = nn.Conv2d(channels, features, 3, padding=1)
        self.second = nn.Conv2d(features, features, 3, padding=1, bias=False)
        self.third = nn.Conv2d(features, features, 3)

    def forward(self, x):
        y = F.silu(self.first(x))
        z = F.relu(self.second(y) + y)
        return self.third(z) * 0.5


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize(
    ("batch", "channels", "features", "size"),
    [
        (1, 64, 64, (16, 16)),
        # Neither tiles nor vectors divide these.
        (2, 35, 48, (13, 18)),
        (1, 72, 100, (17, 31)),
        (3, 128, 40, (9, 10)),
        # Some of these have fewer pixels than a tile.
        (2, 64, 64, (4, 37)),
        (1, 96, 32, (3, 3)),
        # One block of channels: two groups of rows.
        (1, 32, 32, (26, 20)),
        # Tiles of 2x2, and one block of a vector.
        (1, 256, 256, (14, 14)),
        (1, 16, 24, (32, 32)),
    ],
)
def test_blocks(target, batch, channels, features, size):
    torch.manual_seed(features)
    model, x = Block(channels, features).eval(), torch.randn(batch, channels, *size)
    program = dycl.compile(model, (x,), target=target)
    if min(size) >= 9:
        assert transformed(program)
    with torch.no_grad():
        expected = model(x)
        got = program(x)
        exact = model.double()(x.double())
    assert got.shape == expected.shape
    assert error(got, exact) < 5e-6
    assert error(got, expected) < 1e-5


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("border", [(1, 0, 2, 0), (0, 3, 0, 1), (2, 2, 0, 0), (0, 0, 1, 1), (5, 6, 7, 4)])
def test_borders_of_other_widths(target, border):
    """Left, right, top and bottom of the region's argument, for which it is not copied."""
    torch.manual_seed(sum(border))

    class Bordered(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv2d(40, 64, 3)

        def forward(self, x):
            return self.conv(F.pad(x, border))

    model, x = Bordered().eval(), torch.randn(2, 40, 15, 18)
    program = dycl.compile(model, (x,), target=target)
    assert transformed(program)
    with torch.no_grad():
        assert error(program(x), model(x)) < 1e-5


def test_both_sizes_of_tiles_are_nearly_as_exact_as_without():
    torch.manual_seed(0)
    for channels, size, tile in [(64, 28, 4), (256, 14, 2)]:
        model = nn.Conv2d(channels, channels, 3, padding=1).eval()
        x = torch.randn(1, channels, size, size)
        with_, without = (
            dycl.compile(model, (x,), target=TARGETS[0], options=dycl.Options(winograd=winograd))
            for winograd in (True, False)
        )
        assert not transformed(without)
        if _FACTS.vector_unit.bits == 512:
            assert [f"@winograd({tile})" in key for key in transformed(with_)] == [True]
        with torch.no_grad():
            exact = model.double()(x.double())
            assert error(with_(x), exact) < 3 * error(without(x), exact) < 1e-5


@pytest.mark.parametrize(
    "layer",
    [
        nn.Conv2d(64, 64, 3, stride=2, padding=1),
        nn.Conv2d(64, 64, 3, dilation=2),
        nn.Conv2d(64, 64, 3, groups=64),
        nn.Conv2d(64, 64, 5),
        nn.Conv2d(64, 64, 3, dtype=torch.float64),
    ],
    ids=["stride", "dilation", "groups", "kernel", "f64"],
)
def test_others_stay_as_they_are(layer):
    torch.manual_seed(0)
    x = torch.randn(1, 64, 20, 20, dtype=layer.weight.dtype)
    program = dycl.compile(layer.eval(), (x,), target=TARGETS[0])
    assert not transformed(program)
    with torch.no_grad():
        torch.testing.assert_close(program(x), layer(x), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("number", [float("nan"), float("inf"), -3e38])
def test_weights_that_are_not_finite(number):
    torch.manual_seed(0)
    model = nn.Conv2d(64, 64, 3, padding=1).eval()
    with torch.no_grad():
        model.weight[5, 7, 1, 2] = number
    x = torch.randn(1, 64, 16, 16)
    program = dycl.compile(model, (x,), target=TARGETS[0])
    assert not transformed(program)
    with torch.no_grad():
        torch.testing.assert_close(program(x), model(x), rtol=1e-5, atol=1e-5, equal_nan=True)


def test_an_input_that_is_not_finite_stays_in_its_tile():
    torch.manual_seed(0)
    model = nn.Conv2d(64, 64, 3, padding=1).eval()
    x = torch.randn(1, 64, 32, 32)
    program = dycl.compile(model, (x,), target=TARGETS[0])
    assert transformed(program)
    x[0, 3, 17, 21] = float("nan")
    with torch.no_grad():
        got, expected = program(x), model(x)
    assert got[expected.isnan()].isnan().all()
    # A tile has 4x4 outputs, and the input is in those of up to 2x2 tiles.
    assert got.isnan()[0, 0].sum() <= 64
    finite = ~got.isnan()
    torch.testing.assert_close(got[finite], expected[finite], rtol=1e-5, atol=1e-5)


def test_the_command_has_the_option(run_command, tmp_path):
    source = tmp_path / "net.py"
    source.write_text(
        "import torch\n"
        "def make():\n"
        "    return torch.nn.Conv2d(64, 64, 3, padding=1).eval(), (torch.randn(1, 64, 16, 16),)\n"
    )
    for flags, expected in (((), True), (("--no-winograd",), False)):
        bundle = tmp_path / f"net{len(flags)}.dycl"
        done = run_command("dycl", "compile", f"{source}:make", "-o", bundle, *flags)
        assert done.returncode == 0, done.stderr
        assert bool(transformed(dycl.load(bundle))) is expected
