# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Single convolutions and products, with tiles of dycl's and of IREE's own, beside eager PyTorch and the FMA peak.

    python test/benchmarks/tiles.py                               on this machine's CPU, one thread
    python test/benchmarks/tiles.py --target llvm-cpu:x86_64-linux-gnu:x86-64-v3 --only 'linear.*'

This is where the numbers of passes/Utils/TileRules.h are checked: a convolution or a linear layer with bias and ReLU is
a program of one region, which is called alone, in turns with the others. Each gives what eager gives, or no time.
"""

from __future__ import annotations

import argparse
import re
import statistics
import sys
import time
from collections.abc import Callable

import torch
from torch import nn

import dycl
from dycl.bench.machine import measure_limits, processor
from dycl.text_table import text_table

ROUNDS, SECONDS_A_TURN = 9, 0.03


def convolution(channels: int, features: int, kernel: int, size: int, stride: int = 1, groups: int = 1) -> tuple:
    layer = nn.Conv2d(channels, features, kernel, stride, kernel // 2, groups=groups)
    x = torch.randn(1, channels, size, size)
    flops = 2 * features * (channels // groups) * kernel**2 * layer(x).shape[2] ** 2
    return layer, x, flops


def linear(rows: int, features: int, hidden: int) -> tuple:
    return nn.Linear(features, hidden), torch.randn(rows, features), 2 * rows * features * hidden


SHAPES: dict[str, Callable[[], tuple]] = {
    **{
        f"conv {k}x{k} {c}->{f} @{size}{' /2' if stride == 2 else ''}": lambda a=(c, f, k, size, stride): convolution(
            *a
        )
        for c, f, k, size, stride in [
            (16, 16, 3, 32, 1),
            (32, 32, 3, 16, 1),
            (64, 64, 3, 8, 1),
            (64, 64, 3, 56, 1),
            (128, 128, 3, 28, 1),
            (256, 256, 3, 14, 1),
            (512, 512, 3, 7, 1),
            (512, 512, 3, 4, 1),
            (512, 512, 3, 2, 1),
            (32, 32, 3, 17, 1),
            (24, 40, 3, 31, 1),
            (64, 128, 3, 56, 2),
            (3, 64, 7, 224, 2),
            (64, 256, 1, 56, 1),
            (512, 2048, 1, 7, 1),
        ]
    },
    "depthwise 3x3 96 @56": lambda: convolution(96, 96, 3, 56, groups=96),
    "grouped x32 3x3 128 @28": lambda: convolution(128, 128, 3, 28, groups=32),
    **{
        f"linear {m} x {k} x {n}": lambda a=(m, k, n): linear(*a)
        for m, k, n in [(128, 256, 256), (128, 256, 1024), (128, 1024, 256), (50, 256, 1024), (7, 768, 3072)]
    },
    "linear 1 x 768 x 3072": lambda: linear(1, 768, 3072),
    "linear 1 x 512 x 9956": lambda: linear(1, 512, 9956),
}


def milliseconds(call: Callable[[], object]) -> float:
    """The mean time of as many calls as a turn takes."""
    start, calls = time.perf_counter(), 0
    while (elapsed := time.perf_counter() - start) < SECONDS_A_TURN:
        call()
        calls += 1
    return elapsed / calls * 1e3


class RegionCall:
    """The region of a program of one, on arguments that are on its device already."""

    def __init__(self, model: nn.Module, x: torch.Tensor, target: str, *, tile: bool) -> None:
        self.program = dycl.compile(model, (x,), target=target, options=dycl.Options(tile=tile))
        torch.testing.assert_close(self.program(x), model(x), rtol=1e-4, atol=1e-4)
        self.x = x

    def turn(self) -> float:
        """The mean time of the region's calls of a turn, in milliseconds."""
        with self.program.profile() as profile:
            milliseconds(lambda: self.program(self.x))
        return sum(region.mean_ms for region in profile.regions)


def measure(shape: Callable[[], tuple], target: str) -> tuple[list[float], int]:
    """Median milliseconds of dycl, dycl without tiles of its own, and eager, and the operations."""
    layer, x, flops = shape()
    model = nn.Sequential(layer, nn.ReLU()).eval()
    tiled, plain = (RegionCall(model, x, target, tile=tile) for tile in (True, False))
    turns = [[tiled.turn(), plain.turn(), milliseconds(lambda: model(x))] for _ in range(ROUNDS)]
    return [statistics.median(times) for times in zip(*turns, strict=True)], flops


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--target", default="llvm-cpu", help="what to compile for; this machine has to run it")
    parser.add_argument("--only", metavar="PATTERN", default="", help="only shapes whose name begins so")
    given = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    limits = measure_limits()
    rows = []
    with torch.inference_mode():
        for name, shape in SHAPES.items():
            if re.match(given.only, name):
                times, flops = measure(shape, given.target)
                speeds = [flops / ms / 1e6 for ms in times]
                rows.append((name, *(f"{speed:.0f}" for speed in speeds), f"{speeds[0] / limits.gflops:.0%}"))
                print(f"{name}: {speeds[0]:.0f} GFLOP/s", file=sys.stderr, flush=True)
    print(f"{processor()}, {given.target}, one thread: {limits}\n")
    print("\n".join(text_table(("shape, GFLOP/s", "dycl", "tiles of IREE", "eager", "of the peak"), rows, 1)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
