# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Regions of python_loops.mlir: no two give the same."""


def region_0(x: int) -> tuple[int, int]:
    return x, x


def region_1(x: int) -> bool:
    return x < 10


def region_2(x: int) -> int:
    return x + 10


def region_3(x: int) -> int:
    return x + 100


def region_4(x: int, i: int) -> int:
    return x + 1000 + i
