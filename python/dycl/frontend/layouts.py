# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Stores the weights of convolutions as the compiled code reads them.

The compiler turns 2-D convolutions to channels-last (`compiler/iree.py` says why). With weights in PyTorch's order it
would transpose each of them at load, into memory of its own. Here the transposition moves to compile time: the archive
holds the weight in the order height, width, input, output, each group's on its own, the program transposes it back, and
the two transpositions meet in the compiler and cancel. So weights stay mapped from the file.
"""

from __future__ import annotations

import torch
from torch import fx

from dycl.frontend.graph import CapturedProgram
from dycl.frontend.recorder import aten
from dycl.frontend.weights import WeightNodes

_TO_HWIO, _FROM_HWIO = (2, 3, 1, 0), (3, 2, 0, 1)
_TO_GHWIO, _FROM_GHWIO = (0, 3, 4, 2, 1), (0, 4, 3, 1, 2)


def store_channels_last(program: CapturedProgram) -> None:
    """Exchanges weights of 2-D convolutions for ones whose keys end in `.hwio`, or `.ghwio` with groups, in place.

    Weights of depthwise convolutions stay as they are, and those that anything else reads as well.
    """
    nodes = WeightNodes(program)
    for weight in nodes:
        groups = {_groups_of(weight, user) for user in weight.users}
        if len(groups) != 1 or None in groups:
            continue
        _store(program, nodes, weight, groups.pop() or 1)
    nodes.drop_unread()


def _groups_of(weight: fx.Node, user: fx.Node) -> int | None:
    """The groups of `user`, if it is a 2-D convolution, and no other kind, that reads `weight` as its weight only."""
    if user.target is not aten.convolution.default or list(user.args[:3]).count(weight) != 1:
        return None
    transposed, groups = user.args[6], user.args[8]
    assert isinstance(groups, int)
    shape = weight.meta["val"].shape
    is_suitable = user.args[1] is weight and len(shape) == 4 and not transposed and (groups == 1 or shape[1] > 1)
    return groups if is_suitable else None


def _store(program: CapturedProgram, nodes: WeightNodes, weight: fx.Node, groups: int) -> None:
    users = list(weight.users)
    like: torch.Tensor = weight.meta["val"]
    read = nodes.maker(weight)
    outputs, *kernel = like.shape
    grouped = (groups, outputs // groups, *kernel)

    def order(tensor: torch.Tensor) -> torch.Tensor:
        if groups == 1:
            return tensor.permute(_TO_HWIO).contiguous()
        return tensor.reshape(grouped).permute(_TO_GHWIO).contiguous()

    key = f"{nodes.key(weight)}.{'hwio' if groups == 1 else 'ghwio'}"
    stored = nodes.add(key, order(like), lambda: order(read()))
    graph = program.graph.body
    first = next(n for n in graph.nodes if n.op != "placeholder")
    with graph.inserting_before(first):
        if groups == 1:
            restored = graph.call_function(aten.permute.default, (stored, list(_FROM_HWIO)))
        else:
            permuted = graph.call_function(aten.permute.default, (stored, list(_FROM_GHWIO)))
            permuted.meta.update({"val": like.new_empty(grouped), "location": users[0].meta.get("location")})
            restored = graph.call_function(aten.reshape.default, (permuted, list(like.shape)))
    restored.meta.update({"val": like, "location": users[0].meta.get("location")})
    for user in users:
        user.replace_input_with(weight, restored)
