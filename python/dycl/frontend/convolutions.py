# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Brings 2-D convolutions to forms that IREE has a fast path for; the result is the same, to the last bit or nearly.

IREE 3.13 has such paths for plain convolutions, depthwise ones and matrix products. Others run as scalar loops, at 1
to 2 GFLOP/s:

- A grouped one becomes a plain one a group, on slices of the channels: 22 to 64 GFLOP/s, as fast as eager (ResNeXt's
  four stages). The weight becomes one with a dimension for the groups, each group's part in the order that `layouts.py`
  explains.
- A 1×1 one with a stride reads every second row and column only. Taken before it, what is left is a matrix product. As
  a part of it, where its input comes from another convolution (ResNets' shortcuts), IREE vectorizes nothing.
"""

from __future__ import annotations

import sys
from typing import Any, cast

import torch
from torch import fx
from torch.fx.node import map_arg

from dycl.frontend.graph import CapturedProgram, all_graphs, eliminate_dead_code
from dycl.frontend.recorder import aten
from dycl.frontend.weights import WeightNodes


def reform_convolutions(program: CapturedProgram) -> None:
    """Exchanges grouped convolutions, and 1×1 ones with a stride, in place.

    Depthwise ones stay as they are, and grouped ones whose weight something else reads as well.
    """
    nodes = WeightNodes(program)
    for graph in list(all_graphs(program.graph.body)):
        for node in list(graph.nodes):
            if node.target is not aten.convolution.default:
                continue
            if _is_grouped(node) and node.args[1] in nodes:
                _split(nodes, node)
            elif _is_strided_product(node):
                _take_apart(node)
    eliminate_dead_code(program.graph.body)
    nodes.drop_unread()


def _is_grouped(node: fx.Node) -> bool:
    weight, transposed, groups = node.args[1], node.args[6], node.args[8]
    assert isinstance(weight, fx.Node)
    shape = weight.meta["val"].shape
    return bool(groups != 1 and not transposed and len(shape) == 4 and shape[1] > 1 and len(weight.users) == 1)


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


def _split(nodes: WeightNodes, node: fx.Node) -> None:
    x, weight, bias, stride, padding, dilation, transposed, output_padding, groups = node.args
    assert isinstance(x, fx.Node)
    assert isinstance(weight, fx.Node)
    assert isinstance(groups, int)
    outputs, inputs, height, width = weight.meta["val"].shape
    read = nodes.maker(weight)

    def stored() -> torch.Tensor:
        grouped = read().reshape(groups, outputs // groups, inputs, height, width)
        return grouped.permute(0, 3, 4, 2, 1).contiguous()

    like = weight.meta["val"].new_empty((groups, height, width, inputs, outputs // groups))
    parts = nodes.add(f"{nodes.key(weight)}.ghwio", like, stored)
    graph = node.graph
    with graph.inserting_before(node):
        results: list[fx.Node] = []
        for group in range(groups):
            channels = _emit(node, aten.slice.Tensor, x, 1, group * inputs, (group + 1) * inputs)
            own = _emit(node, aten.permute.default, _emit(node, aten.select.int, parts, 0, group), [3, 2, 0, 1])
            settings = (stride, padding, dilation, transposed, output_padding, 1)
            results.append(_emit(node, aten.convolution.default, channels, own, None, *settings))
        result = _emit(node, aten.cat.default, results, 1)
        if bias is not None:
            assert isinstance(bias, fx.Node)
            shaped = _emit(node, aten.reshape.default, bias, [1, outputs, 1, 1])
            result = _emit(node, aten.add.Tensor, result, shaped)
    node.replace_all_uses_with(result)
    graph.erase_node(node)
