# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Regions of python_exits.mlir: no two give the same."""


def region_0(x: int) -> tuple[int, bool]:
    return x + 1, x > 50


def region_1(x: int) -> tuple[int, bool]:
    return x + 10, x > 10


def region_2(x: int, y: int) -> int:
    return x - y
