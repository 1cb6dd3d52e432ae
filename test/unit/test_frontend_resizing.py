# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Tables of places and weights resize as eager does."""

from __future__ import annotations

from contextlib import nullcontext

import pytest
import torch
from torch.nn.functional import interpolate

from dycl.frontend.resizing import Resizing

# How far results may be off, where numbers are about 1: places are the same, weights nearly.
MODES = [
    ({"mode": "nearest"}, 0),
    ({"mode": "nearest-exact"}, 0),
    ({"mode": "bilinear"}, 2e-6),
    ({"mode": "bilinear", "align_corners": True}, 2e-6),
    ({"mode": "bicubic"}, 1e-5),
    ({"mode": "bicubic", "align_corners": True}, 1e-5),
]


def resize(x, **settings):
    """The result, or None where it is torch's to give."""
    return Resizing(lambda value: isinstance(value, torch.Tensor), nullcontext, int).resize(x, **settings)


def compare(x, tolerance, **settings):
    expected = interpolate(x, **settings)
    got = resize(x, **settings)
    assert got is not None, settings
    torch.testing.assert_close(got, expected, rtol=0, atol=tolerance, msg=lambda text: f"{settings}: {text}")


@pytest.mark.parametrize(("settings", "tolerance"), MODES)
def test_images(settings, tolerance):
    torch.manual_seed(0)
    for height in (1, 2, 3, 5, 8, 17, 56):
        x = torch.randn(2, 3, height, 9)
        for size in (1, 2, 7, 16, 34, 112):
            compare(x, tolerance, size=(size, 13), **settings)
        for scale in (0.3, 0.5, 0.77, 1.0, 1.3, 2.0, 2.1, 3.3):
            if int(height * scale):
                compare(x, tolerance, scale_factor=(scale, 1.9), **settings)
                compare(x, tolerance, scale_factor=scale, recompute_scale_factor=True, **settings)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(
    ("shape", "modes"),
    [
        ((2, 3, 11), ({"mode": "nearest"}, {"mode": "nearest-exact"}, {"mode": "linear"})),
        ((1, 2, 4, 5, 6), ({"mode": "nearest"}, {"mode": "trilinear"}, {"mode": "trilinear", "align_corners": True})),
    ],
)
def test_lines_and_volumes(shape, modes, dtype):
    torch.manual_seed(0)
    x = torch.randn(shape, dtype=dtype)
    for settings in modes:
        for scale in (0.5, 1.0, 1.7, 3):
            compare(x, 2e-6, scale_factor=scale, **settings)
        compare(x, 2e-6, size=7, **settings)


@pytest.mark.parametrize(
    "settings",
    [
        {"size": (4, 4), "mode": "bilinear", "antialias": True},
        {"size": (3, 4), "mode": "area"},
        {"size": (3, 4), "mode": "nearest"},  # of bytes
    ],
)
def test_what_is_left_to_torch(settings):
    torch.manual_seed(0)
    x = torch.randn(1, 2, 5, 6) * 100
    x = x.to(torch.uint8) if settings["mode"] == "nearest" else x
    assert resize(x, **settings) is None


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"size": 4, "scale_factor": 2.0},
        {"size": 4, "align_corners": True},
        {"size": (4, 4, 4)},
        {"size": 4, "mode": "linear"},
        {"size": 0, "mode": "bilinear"},
        {"size": 4, "recompute_scale_factor": True},
    ],
)
def test_refusals_are_torchs(settings):
    x = torch.randn(1, 2, 5, 6)
    with pytest.raises((ValueError, RuntimeError, NotImplementedError)):
        interpolate(x, **settings)
    assert resize(x, **settings) is None


@pytest.mark.parametrize(("settings", "tolerance"), MODES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_rows_of_many_sizes(settings, tolerance, dtype):
    torch.manual_seed(0)
    for inputs in (1, 2, 3, 5, 8, 17, 56):
        x = torch.randn(1, 1, inputs, 1, dtype=dtype)
        for outputs in (1, 2, 4, 7, 16, 34, 112):
            compare(x, tolerance, size=(outputs, 1), **settings)
        for scale in (0.5, 2.0, 2.04, 2.1, 3.0, 1.7):
            if int(inputs * scale):
                compare(x, tolerance, scale_factor=(scale, 1.0), **settings)
