# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""One of several callables, chosen by data: `self.heads[int(x.argmax())]`."""

from __future__ import annotations

import dataclasses
from typing import Any

from dycl.frontend.values import Number


@dataclasses.dataclass(frozen=True, eq=False)
class Selection:
    """A module, function or class out of a list, before it is called: the call is a branch for each.

    A dataclass, so that two choices from one list, made on two sides of a condition, join to one.

    Attributes:
        index: which one, from 0; known to be in range.
        items: what it is chosen from.
    """

    index: Number
    items: tuple[Any, ...]
