# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Brings 2-D convolutions to forms that IREE has a fast path for; the result is the same, to the last bit or nearly.

IREE 3.13 has such paths for plain convolutions, depthwise ones and matrix products. Others run as scalar loops, at 1
to 2 GFLOP/s. Grouped ones are left to `passes/TileGroups.cpp` and `passes/SplitGroups.cpp`.

- A 1×1 one with a stride reads every second row and column only. Taken before it, what is left is a matrix product. As
  a part of it, where its input comes from another convolution (ResNets' shortcuts), IREE vectorizes nothing.
"""

from __future__ import annotations

import sys
from typing import Any, cast

from torch import fx
from torch.fx.node import map_arg

from dycl.frontend.graph import CapturedProgram, all_graphs, eliminate_dead_code
from dycl.frontend.recorder import aten


def reform_convolutions(program: CapturedProgram) -> None:
    """Exchanges 1×1 convolutions with a stride, in place."""
    for graph in list(all_graphs(program.graph.body)):
        for node in list(graph.nodes):
            if node.target is aten.convolution.default and _is_strided_product(node):
                _take_apart(node)
    eliminate_dead_code(program.graph.body)


def _is_strided_product(node: fx.Node) -> bool:
    x, weight, _, stride, padding, _, transposed, _, groups = node.args
    assert isinstance(x, fx.Node)
    assert isinstance(weight, fx.Node)
    # Of a dynamic size, the number of rows taken would be another expression than the convolution's own.
    sizes_known = all(isinstance(size, int) for size in x.meta["val"].shape[2:])
    product = (
        weight.meta["val"].dim() == 4 and weight.meta["val"].shape[2:] == (1, 1) and groups == 1 and not transposed
    )
    strides, paddings = cast("list[int]", stride), cast("list[int]", padding)
    return bool(sizes_known and product and set(paddings) == {0} and set(strides) != {1})


def _take_apart(node: fx.Node) -> None:
    """Rows and columns first, then the convolution without a stride."""
    x, weight, bias, stride, *rest = node.args
    assert isinstance(x, fx.Node)
    with node.graph.inserting_before(node):
        for dimension, step in enumerate(cast("list[int]", stride), start=2):
            x = _emit(node, aten.slice.Tensor, x, dimension, 0, sys.maxsize, step)
    node.args = (x, weight, bias, [1, 1], *rest)


def _emit(like: fx.Node, target: Any, *args: Any) -> fx.Node:
    """A new node where nodes are inserted now, at the place in the user's source of another."""
    new = like.graph.call_function(target, args)
    operands = map_arg(args, lambda operand: operand.meta["val"])
    new.meta.update({"val": target(*operands), "location": like.meta.get("location")})
    return new
