# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The functions of `math`, of Python numbers that depend on data."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch

from dycl.frontend.operators.calls import Calls
from dycl.frontend.operators.replacements import replaces
from dycl.frontend.values import Number


def _rounding(plain: Callable[[Any], Any], function: Callable[..., torch.Tensor]) -> None:
    """Registers a function that makes a float an int."""

    @replaces(plain)
    def rounded(ops: Calls, value: Any) -> Any:  # noqa: ARG001  # pyright: ignore[reportUnusedFunction]
        if isinstance(value, torch.Tensor):
            value = Number.of_tensor(value)
        if not isinstance(value, Number):
            return plain(value)
        if value.type is not float:
            return Number.of(value, int)
        return Number(function(value.tensor).to(torch.int64), int)


_rounding(math.floor, torch.floor)
_rounding(math.ceil, torch.ceil)
_rounding(math.trunc, torch.trunc)
