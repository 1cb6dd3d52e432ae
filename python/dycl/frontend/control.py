# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Branches, loops and jumps: how several paths through the program become one structured graph.

At a condition on a tensor both sides are traced, each once, from the same state.

- If both sides end in the same way (both fall out of the `if`, both return), they are joined at once: a `cond` node,
  whose results are what the sides changed.
- If one side jumps (`return`, `break`, `continue`) and the other goes on, the jumping side is *parked* and the graph of
  the other stays open: the program simply continues there. Where the jump lands (the end of the function, of the loop,
  of the iteration), the parked side and whatever the open side has become are joined. So an early exit becomes a
  nested region: no "did return" flag, and nothing is computed for values that one side does not have.
- Only where paths do not nest (a `break` and a `return` in one loop body; a `return` under two `if`s whose other sides
  both go on) does a boolean tell, after the join, which way to go: the side is *deferred*, and the fork made again on
  that boolean.

A loop on a tensor condition is traced until its loop-carried values are known and stable: what its body changes. It is
rotated: the condition is tested before the loop and again at the end of the body, so that a test belongs to the region
of the computation that it depends on.
"""

from __future__ import annotations

import types
from collections.abc import Callable, Sequence
from typing import Any

from dycl.frontend.loops import Loops
from dycl.frontend.state import CellLocation


class Control(Loops):
    """The paths of one program that is being captured: branches, exceptions and loops, each in a file of its own."""


def cell_locations(names: Sequence[str], *functions: Callable[..., Any] | None) -> list[CellLocation]:
    """The variables `names` of the generated functions, each once."""
    cells: dict[str, types.CellType] = {}
    for function in functions:
        if function is not None:
            closure = function.__closure__ or ()  # type: ignore[attr-defined]
            cells.update(zip(function.__code__.co_freevars, closure, strict=True))  # type: ignore[attr-defined]
    return [CellLocation.of(name, cells[name]) for name in names if name in cells]
