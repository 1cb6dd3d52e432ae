# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Brings convolutions to 2-D ones, which there is a fast path for; the result is the same, or nearly, to the last bit.

IREE 3.13 has such paths for plain convolutions, depthwise ones and matrix products; dycl's passes for 2-D ones with and
without groups (`passes/TileConvolutions.cpp`, `passes/TileGroups.cpp`). Others run as scalar loops, at 1 to 7 GFLOP/s:

- One of lines is one of images with a single row.
- One of volumes is one of images, a batch of all depths, whose channels are those of all depths that a kernel spans.
- A transposed one is a plain one, of the kernel turned around, for each position of outputs between two inputs. With a
  stride of 2 these are four, whose results are put together.
- A 1×1 one with a stride reads every second row and column only. Taken before it, what is left is a matrix product. As
  a part of it, where its input comes from another convolution (ResNets' shortcuts), IREE vectorizes nothing.
"""

from __future__ import annotations

import itertools
import sys
from collections.abc import Callable, Sequence
from typing import Any, cast

import torch
from torch import fx
from torch.fx.node import map_arg

from dycl.frontend.graph import CapturedProgram, all_graphs, eliminate_dead_code
from dycl.frontend.recorder import aten
from dycl.frontend.weights import WeightNodes


def reform_convolutions(program: CapturedProgram) -> None:
    """Exchanges convolutions for those of other forms, in place.

    Weights that are rearranged become others; those that data decides stay where that is more than a reshape. So do
    volumes with groups, transposed convolutions that are dilated and have a stride, and what has dynamic sizes but for
    the batch.
    """
    weights = _Weights(program)
    for reform in (_reform_volume, _reform_transposed, _reform_line, _take_apart_strided_product):
        for graph in list(all_graphs(program.graph.body)):
            for node in list(graph.nodes):
                if node.target is aten.convolution.default:
                    with graph.inserting_before(node):
                        reform(weights, node)
    eliminate_dead_code(program.graph.body)
    weights.drop_unread()


class _Convolution:
    """The arguments of a convolution, by name."""

    def __init__(self, node: fx.Node) -> None:
        x, weight, bias, stride, padding, dilation, transposed, output_padding, groups = node.args
        assert isinstance(x, fx.Node)
        assert isinstance(weight, fx.Node)
        assert isinstance(groups, int)
        self.x, self.weight, self.bias, self.groups, self.transposed = x, weight, bias, groups, bool(transposed)
        self.dimensions = weight.meta["val"].dim() - 2
        self.stride, self.padding, self.dilation, self.output_padding = (
            _per_dimension(setting, self.dimensions) for setting in (stride, padding, dilation, output_padding)
        )
        self.kernel: list[int] = list(weight.meta["val"].shape[2:])

    @property
    def input_sizes(self) -> list[Any]:
        """Of rows, columns and so on; a number, or a symbol."""
        return list(self.x.meta["val"].shape[2:])

    def has_static_sizes(self, *, batch: bool = False) -> bool:
        sizes = [*self.input_sizes, self.x.meta["val"].shape[0] if batch else 0]
        return all(isinstance(size, int) for size in sizes)


def _per_dimension(setting: Any, dimensions: int) -> list[int]:
    numbers = list(cast("Sequence[int]", setting))
    return numbers * dimensions if len(numbers) == 1 else numbers


def _emit(like: fx.Node, target: Any, *args: Any) -> fx.Node:
    """A new node where nodes are inserted now, at the place in the user's source of another."""
    new = like.graph.call_function(target, args)
    operands = map_arg(args, lambda operand: operand.meta["val"])
    # What torch asks of a size, such as whether it is 1, is for layouts; it would be taken for what has to hold.
    with like.meta["val"].fake_mode.shape_env.suppress_guards():
        value = target(*operands)
    new.meta.update({"val": value, "location": like.meta.get("location")})
    return new


def _convolve(
    like: fx.Node,
    x: fx.Node,
    weight: fx.Node,
    bias: Any,
    stride: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
    groups: int,
) -> fx.Node:
    settings = (list(stride), list(padding), list(dilation), False, [0] * len(stride), groups)
    return _emit(like, aten.convolution.default, x, weight, bias, *settings)


class _Weights:
    """The weights of a program, and those that are others rearranged."""

    def __init__(self, program: CapturedProgram) -> None:
        self._nodes = WeightNodes(program)
        self._made: dict[tuple[fx.Node, str], fx.Node] = {}

    def rearrange(self, weight: fx.Node, name: str, change: Callable[[torch.Tensor], torch.Tensor]) -> fx.Node | None:
        """What `change` makes of a weight, under its key with `name`, which says what it does; None for no weight."""
        if weight not in self._nodes:
            return None
        if (weight, name) not in self._made:
            read = self._nodes.maker(weight)
            like = change(weight.meta["val"]).contiguous()
            key = f"{self._nodes.key(weight)}.{name}"
            self._made[weight, name] = self._nodes.add(key, like, lambda: change(read()).contiguous())
        return self._made[weight, name]

    def drop_unread(self) -> None:
        self._nodes.drop_unread()


def _replace(node: fx.Node, result: fx.Node) -> None:
    node.replace_all_uses_with(result)
    node.graph.erase_node(node)


def _reform_line(weights: _Weights, node: fx.Node) -> None:
    """`f32[N,C,L]` as `f32[N,C,1,L]`."""
    old = _Convolution(node)
    if old.dimensions != 1 or old.transposed:
        return
    weight = weights.rearrange(old.weight, "line", lambda tensor: tensor.unsqueeze(2))
    weight = weight or _emit(node, aten.unsqueeze.default, old.weight, 2)
    image = _emit(node, aten.unsqueeze.default, old.x, 2)
    settings = ([1, *old.stride], [0, *old.padding], [1, *old.dilation], old.groups)
    result = _convolve(node, image, weight, old.bias, *settings)
    _replace(node, _emit(node, aten.squeeze.dim, result, 2))


def _reform_volume(weights: _Weights, node: fx.Node) -> None:
    """`f32[N,C,D,H,W]` as `f32[N*D,KD*C,H,W]`, where KD is how many depths the kernel spans."""
    old = _Convolution(node)
    if old.dimensions != 3 or old.transposed or old.groups != 1 or not old.has_static_sizes(batch=True):
        return
    outputs, inputs, taps, height, width = old.weight.meta["val"].shape
    weight = weights.rearrange(
        old.weight,
        "volume",
        lambda tensor: tensor.permute(0, 2, 1, 3, 4).reshape(outputs, taps * inputs, height, width),
    )
    if weight is None:
        return
    x = old.x
    if old.kernel == [1, 1, 1] and old.stride == [1, 1, 1] and old.padding == [0, 0, 0]:
        # Each pixel on its own: no depth has to be brought to the front.
        images, _, depths, rows, columns = x.meta["val"].shape
        image = _emit(node, aten.reshape.default, x, [images, inputs, depths * rows, columns])
        result = _convolve(node, image, weight, old.bias, [1, 1], [0, 0], [1, 1], 1)
        _replace(node, _emit(node, aten.reshape.default, result, [images, outputs, depths, rows, columns]))
        return
    if old.padding[0]:
        x = _emit(node, aten.constant_pad_nd.default, x, [0, 0, 0, 0, old.padding[0], old.padding[0]], 0.0)
    images, depths = x.meta["val"].shape[0], node.meta["val"].shape[2]
    steps = [
        _emit(node, aten.slice.Tensor, x, 2, first, first + (depths - 1) * old.stride[0] + 1, old.stride[0])
        for first in (tap * old.dilation[0] for tap in range(taps))
    ]
    deep = _emit(node, aten.cat.default, steps, 1) if taps > 1 else steps[0]
    deep = _emit(node, aten.permute.default, deep, [0, 2, 1, 3, 4])
    image = _emit(node, aten.reshape.default, deep, [images * depths, taps * inputs, *old.input_sizes[1:]])
    settings = (old.stride[1:], old.padding[1:], old.dilation[1:], 1)
    result = _convolve(node, image, weight, old.bias, *settings)
    result = _emit(node, aten.reshape.default, result, [images, depths, *result.meta["val"].shape[1:]])
    _replace(node, _emit(node, aten.permute.default, result, [0, 2, 1, 3, 4]))


def _reform_transposed(weights: _Weights, node: fx.Node) -> None:
    """A plain convolution for each position of outputs between two inputs.

    Output `s*m + t` of stride s is the sum over j of the inputs `m + (t + p) // s - j` by the elements
    `(t + p) % s + s*j` of the kernel, where p is the padding: for each t a convolution by every s-th element, turned
    around.
    """
    old = _Convolution(node)
    strided = any(stride > 1 for stride in old.stride)
    dilated = any(dilation > 1 for dilation in old.dilation)
    if not old.transposed or old.dimensions > 2 or (strided and dilated) or not old.has_static_sizes(batch=True):
        return
    parts = [
        [_Part.of(old, dimension, position) for position in range(old.stride[dimension])]
        for dimension in range(old.dimensions)
    ]
    if any(part.taps == 0 for parts_of_one in parts for part in parts_of_one):
        return  # Outputs that nothing reaches: a stride larger than the kernel.
    low = [max(0, max(part.low for part in one)) for one in parts]
    high = [max(0, max(part.high for part in one)) for one in parts]
    x = old.x
    if any(low) or any(high):
        border = [size for pair in reversed(list(zip(low, high, strict=True))) for size in pair]
        x = _emit(node, aten.constant_pad_nd.default, x, border, 0.0)
    results: list[fx.Node] = []
    for chosen in itertools.product(*parts):
        part_of = x
        for dimension, part in enumerate(chosen):
            first = low[dimension] - part.low
            if first or part.length != part_of.meta["val"].shape[dimension + 2]:
                part_of = _emit(node, aten.slice.Tensor, part_of, dimension + 2, first, first + part.length)
        name = "turned" + "".join(f".{part.first}" for part in chosen if strided)
        weight = weights.rearrange(old.weight, name, _turn(old, chosen))
        if weight is None:
            return
        ones, zeros = [1] * old.dimensions, [0] * old.dimensions
        results.append(_convolve(node, part_of, weight, old.bias, ones, zeros, old.dilation, old.groups))
    _replace(node, _put_together(node, old.stride, results) if strided else results[0])


class _Part:
    """The outputs of a transposed convolution at one of the positions between two inputs, in one dimension.

    Attributes:
        position: t, of outputs s*m + t.
        first, taps: which elements of the kernel reach it: every s-th from `first` on, as many.
        low, high: how many zeros are needed before and behind the inputs; negative where there are inputs to spare.
        length: how many inputs, with these zeros, it is computed from.
    """

    def __init__(self, position: int, first: int, taps: int, low: int, high: int, length: int) -> None:
        self.position, self.first, self.taps = position, first, taps
        self.low, self.high, self.length = low, high, length

    @classmethod
    def of(cls, old: _Convolution, dimension: int, position: int) -> _Part:
        stride, kernel, dilation = old.stride[dimension], old.kernel[dimension], old.dilation[dimension]
        size = old.input_sizes[dimension]
        padding = old.padding[dimension]
        outputs = (size - 1) * stride - 2 * padding + dilation * (kernel - 1) + old.output_padding[dimension] + 1
        rounds = (outputs + stride - 1) // stride  # the same of all positions; what is too much is cut off
        first = (position + padding) % stride
        taps = len(range(first, kernel, stride))
        # The last input that output `position` needs, and the first.
        last = (position + padding) // stride
        reach = (taps - 1) * dilation
        return cls(position, first, taps, reach - last, last + rounds - size, rounds + reach)


def _turn(old: _Convolution, chosen: Sequence[_Part]) -> Callable[[torch.Tensor], torch.Tensor]:
    """The weight `[C, F/G, ..]` of a transposed convolution as that of a plain one, `[F, C/G, ..]`."""
    groups, strides = old.groups, old.stride

    def turned(tensor: torch.Tensor) -> torch.Tensor:
        inputs, outputs, *_ = tensor.shape
        for dimension, (part, stride) in enumerate(zip(chosen, strides, strict=True), start=2):
            elements = (*[slice(None)] * dimension, slice(part.first, None, stride))
            tensor = tensor[elements].flip(dimension)
        grouped = tensor.reshape(groups, inputs // groups, outputs, *tensor.shape[2:]).transpose(1, 2)
        return grouped.reshape(groups * outputs, inputs // groups, *tensor.shape[2:])

    return turned


def _put_together(node: fx.Node, stride: Sequence[int], results: Sequence[fx.Node]) -> fx.Node:
    """The outputs of all positions, in order, as many as `node` has."""
    images, channels, *sizes = node.meta["val"].shape
    rounds: list[int] = list(results[0].meta["val"].shape[2:])
    joined = _emit(node, aten.cat.default, list(results), 1)
    joined = _emit(node, aten.reshape.default, joined, [images, *stride, channels, *rounds])
    n = len(stride)
    # [N, s.., F, M..] as [N, F, M, s, M, s]
    order = [0, n + 1, *itertools.chain.from_iterable((n + 2 + i, 1 + i) for i in range(n))]
    joined = _emit(node, aten.permute.default, joined, order)
    whole = [size * step for size, step in zip(rounds, stride, strict=True)]
    joined = _emit(node, aten.reshape.default, joined, [images, channels, *whole])
    for dimension, (size, computed) in enumerate(zip(sizes, whole, strict=True), start=2):
        if size != computed:
            joined = _emit(node, aten.slice.Tensor, joined, dimension, 0, size)
    return joined


def _take_apart_strided_product(_: _Weights, node: fx.Node) -> None:
    """Rows and columns first, then the convolution without a stride."""
    old = _Convolution(node)
    # Of a dynamic size, the number of rows taken would be another expression than the convolution's own.
    is_product = old.kernel == [1, 1] and old.groups == 1 and not old.transposed and old.has_static_sizes()
    if not is_product or set(old.padding) != {0} or set(old.stride) == {1}:
        return
    x = old.x
    for dimension, step in enumerate(old.stride, start=2):
        if step != 1:
            x = _emit(node, aten.slice.Tensor, x, dimension, 0, sys.maxsize, step)
    node.args = (x, *node.args[1:3], [1, 1], *node.args[4:])
