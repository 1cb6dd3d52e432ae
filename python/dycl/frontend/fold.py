# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Folds batch norms in evaluation mode into the convolution before them.

With constant statistics a batch norm is `x * scale + shift` for each channel. After a convolution with constant weights
that nobody else reads, the scale goes into the weights and the shift into the bias; elsewhere one multiplication and
one addition with constants remain. Done here, on names and values, since below this phase weights are only names.
Scales are computed in f64, so the results differ from eager by rounding only.
"""

from __future__ import annotations

import operator
from typing import Any

import torch
from torch import fx

from dycl.frontend.graph import CapturedProgram, all_graphs, eliminate_dead_code
from dycl.frontend.recorder import BATCH_NORM, aten
from dycl.frontend.weights import WeightNodes


def fold_batch_norms(program: CapturedProgram, *, enabled: bool) -> None:
    """Replaces every batch norm node of the program, in place; `enabled` off only brings it to a form that lowers."""
    folder = _Folder(program)
    for graph in list(all_graphs(program.graph.body)):
        for node in list(graph.nodes):
            is_norm = node.op == "call_function" and node.target is BATCH_NORM
            if is_norm and not (enabled and folder.fold(node)):
                _as_plain_batch_norm(node)
    eliminate_dead_code(program.graph.body)
    folder.weights.drop_unread()


def _as_plain_batch_norm(node: fx.Node) -> None:
    """The overload that torch-mlir lowers."""
    x, weight, bias, mean, variance, momentum, epsilon = node.args
    node.target = aten.native_batch_norm.default
    node.args = (x, weight, bias, mean, variance, False, momentum, epsilon)


class _Folder:
    def __init__(self, program: CapturedProgram) -> None:
        self.weights = WeightNodes(program)

    def fold(self, node: fx.Node) -> bool:
        """Folds one batch norm; False if its statistics are not constant."""
        x, weight, bias, mean, variance, _, epsilon = node.args
        assert isinstance(x, fx.Node)
        values = [self._constant(v) for v in (weight, bias, mean, variance)]
        if (
            values[2] is None
            or values[3] is None
            or any(v is None and n is not None for v, n in zip(values, (weight, bias), strict=False))
        ):
            return False
        gamma, beta, mu, var = [v.double() if v is not None else None for v in values]
        assert mu is not None
        assert var is not None
        scale = (var + epsilon).rsqrt()  # type: ignore[operator]
        if gamma is not None:
            scale = scale * gamma
        shift = -mu * scale
        if beta is not None:
            shift = shift + beta
        result = next((u for u in node.users if u.target is operator.getitem and u.args[1] == 0), None)
        if result is None:
            return True  # nobody reads it
        assert isinstance(mean, fx.Node)
        key = self.weights.key(mean).rpartition(".")[0] or "batch_norm"
        if not self._into_convolution(x, result, scale, shift):
            self._as_scale_and_shift(x, result, scale, shift, key)
        return True

    def _constant(self, node: object) -> torch.Tensor | None:
        """The value of a parameter; None for anything else."""
        return self.weights.value(node) if isinstance(node, fx.Node) and node in self.weights else None

    def _into_convolution(self, x: fx.Node, result: fx.Node, scale: torch.Tensor, shift: torch.Tensor) -> bool:
        if x.target is not aten.convolution.default or len(x.users) != 1:
            return False
        source, weight, bias, *rest = x.args
        transposed = rest[3]
        offset = self._constant(bias)
        if weight not in self.weights or transposed or (bias is not None and offset is None):
            return False
        assert isinstance(weight, fx.Node)
        key, like, read = self.weights.key(weight), weight.meta["val"], self.weights.maker(weight)
        constant = shift if offset is None else shift + offset.double() * scale
        new_weight = self.weights.add(f"{key}.folded", like, lambda: _scaled(read(), scale))
        new_bias = self._parameter(f"{key}.folded_bias", constant.to(like.dtype), like)
        x.args = (source, new_weight, new_bias, *rest)
        result.replace_all_uses_with(x)
        return True

    def _as_scale_and_shift(
        self, x: fx.Node, result: fx.Node, scale: torch.Tensor, shift: torch.Tensor, key: str
    ) -> None:
        value = x.meta["val"]
        shape = (-1, *[1] * (value.dim() - 2))
        factors = [
            self._parameter(f"{key}.{name}", v.to(value.dtype).reshape(shape), value)
            for name, v in (("scale", scale), ("shift", shift))
        ]
        node = x
        with result.graph.inserting_before(result):
            for target, factor in ((aten.mul.Tensor, factors[0]), (aten.add.Tensor, factors[1])):
                node = result.graph.call_function(target, (node, factor))
                node.meta.update({k: result.meta[k] for k in ("val", "location") if k in result.meta})
        result.replace_all_uses_with(node)

    def _parameter(self, key: str, value: torch.Tensor, fake: Any) -> fx.Node:
        """A new weight, of one number a channel; `fake` is a fake tensor of the program's."""
        value = value.contiguous()
        return self.weights.add(key, fake.fake_mode.from_tensor(value, static_shapes=True), lambda: value)


def _scaled(kernel: torch.Tensor, scale: torch.Tensor) -> torch.Tensor:
    """A convolution's weight with each output channel scaled; channel by channel, since f64 takes twice the memory."""
    result = torch.empty_like(kernel, memory_format=torch.contiguous_format)
    for channel, (weights, factor) in enumerate(zip(kernel, scale, strict=True)):
        result[channel] = weights.double() * factor
    return result
