# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Takes grouped 2-D convolutions apart: one plain convolution a group.

IREE 3.13 has a fast path for plain and for depthwise convolutions only; a grouped one runs as scalar loops, at 1 to 2
GFLOP/s. A plain one a group, on slices of the channels, runs at 22 to 64, as fast as eager (ResNeXt's four stages). The
weight becomes one with a dimension for the groups, each group's part in the order that `layouts.py` explains.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import fx
from torch.fx.node import map_arg

from dycl.frontend.graph import CapturedProgram, all_graphs, eliminate_dead_code
from dycl.frontend.recorder import aten
from dycl.frontend.weights import WeightNodes


def split_grouped_convolutions(program: CapturedProgram) -> None:
    """Exchanges each grouped convolution whose weight nothing else reads for plain ones, in place.

    Depthwise ones stay as they are.
    """
    nodes = WeightNodes(program)
    for graph in list(all_graphs(program.graph.body)):
        for node in list(graph.nodes):
            if node.target is aten.convolution.default and _is_grouped(node) and node.args[1] in nodes:
                _split(nodes, node)
    eliminate_dead_code(program.graph.body)
    nodes.drop_unread()


def _is_grouped(node: fx.Node) -> bool:
    weight, transposed, groups = node.args[1], node.args[6], node.args[8]
    assert isinstance(weight, fx.Node)
    shape = weight.meta["val"].shape
    return bool(groups != 1 and not transposed and len(shape) == 4 and shape[1] > 1 and len(weight.users) == 1)


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

        def emit(target: Any, *args: Any) -> fx.Node:
            new = graph.call_function(target, args)
            operands = map_arg(args, lambda operand: operand.meta["val"])
            new.meta.update({"val": target(*operands), "location": node.meta.get("location")})
            return new

        results = []
        for group in range(groups):
            channels = emit(aten.slice.Tensor, x, 1, group * inputs, (group + 1) * inputs)
            own = emit(aten.permute.default, emit(aten.select.int, parts, 0, group), [3, 2, 0, 1])
            settings = (stride, padding, dilation, transposed, output_padding, 1)
            results.append(emit(aten.convolution.default, channels, own, None, *settings))
        result = emit(aten.cat.default, results, 1)
        if bias is not None:
            assert isinstance(bias, fx.Node)
            result = emit(aten.add.Tensor, result, emit(aten.reshape.default, bias, [1, outputs, 1, 1]))
    node.replace_all_uses_with(result)
    graph.erase_node(node)
