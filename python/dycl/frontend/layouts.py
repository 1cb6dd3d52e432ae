# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Stores the weights of convolutions as the compiled code reads them.

The compiler turns 2-D convolutions to channels-last (`compiler/iree.py` says why). With weights in PyTorch's order it
would transpose each of them at load, into memory of its own. Here the transposition moves to compile time: the archive
holds the weight in the order height, width, input, output, the program transposes it back, and the two transpositions
meet in the compiler and cancel. So weights stay mapped from the file.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import fx

from dycl.frontend.graph import CapturedProgram
from dycl.frontend.recorder import aten
from dycl.frontend.weights import WeightNodes

_TO_HWIO, _FROM_HWIO = (2, 3, 1, 0), (3, 2, 0, 1)


def store_channels_last(program: CapturedProgram) -> None:
    """Exchanges the weight of each plain 2-D convolution for one whose key ends in `.hwio`, in place.

    A weight that anything else reads as well stays as it is.
    """
    nodes = WeightNodes(program)
    for weight in nodes:
        if not weight.users or not all(_is_weight_of(weight, user) for user in weight.users):
            continue
        users = list(weight.users)
        like: torch.Tensor = weight.meta["val"]
        stored = nodes.add(f"{nodes.key(weight)}.hwio", like.permute(_TO_HWIO).contiguous(), _hwio(nodes, weight))
        first = next(n for n in program.graph.body.nodes if n.op != "placeholder")
        with program.graph.body.inserting_before(first):
            restored = program.graph.body.call_function(aten.permute.default, (stored, list(_FROM_HWIO)))
        restored.meta.update({"val": like, "location": users[0].meta.get("location")})
        for user in users:
            user.replace_input_with(weight, restored)
    nodes.drop_unread()


def _is_weight_of(weight: fx.Node, user: fx.Node) -> bool:
    """Whether `user` is a 2-D convolution, neither transposed nor grouped, and reads `weight` as its weight only."""
    if user.target is not aten.convolution.default or list(user.args[:3]).count(weight) != 1:
        return False
    transposed, groups = user.args[6], user.args[8]
    return bool(user.args[1] is weight and weight.meta["val"].dim() == 4 and not transposed and groups == 1)


def _hwio(nodes: WeightNodes, weight: fx.Node) -> Callable[[], torch.Tensor]:
    read = nodes.maker(weight)
    return lambda: read().permute(_TO_HWIO).contiguous()
