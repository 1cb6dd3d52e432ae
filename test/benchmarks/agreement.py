# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""How far a program's results are from those expected, for the scripts beside this file."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from dycl.report.outputs import Scales, difference


def relative_errors(results: Sequence[Any], expected: Sequence[Any]) -> list[float]:
    """For each call the largest error relative to its output's scale; infinite where more than rounding differs."""
    found = [difference(mine, wanted) for mine, wanted in zip(results, expected, strict=True)]
    scales = Scales()
    for each in found:
        scales.add(each)
    return [math.inf if each.mismatches else max(map(scales.relative, each.errors), default=0.0) for each in found]
