# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Folds batch norms in evaluation mode into the convolution before them.

With constant statistics a batch norm is `x * scale + shift` for each channel. After a convolution with constant weights
that nobody else reads, the scale goes into the weights and the shift into the bias; elsewhere one multiplication and
one addition with constants remain. Done here, on names and values, since below this phase weights are only names.
Scales are computed in f64, so the results differ from eager by rounding only.
"""

from __future__ import annotations

import operator
from collections.abc import Iterator

import torch
from torch import fx

from dycl.frontend.graph import CapturedProgram, eliminate_dead_code
from dycl.frontend.recorder import BATCH_NORM, aten, nested_graphs


def fold_batch_norms(program: CapturedProgram, *, enabled: bool) -> None:
    """Replaces every batch norm node of the program, in place; `enabled` off only brings it to a form that lowers."""
    folder = _Folder(program)
    for graph in list(_graphs(program.graph.body)):
        for node in list(graph.nodes):
            is_norm = node.op == "call_function" and node.target is BATCH_NORM
            if is_norm and not (enabled and folder.fold(node)):
                _as_plain_batch_norm(node)
    eliminate_dead_code(program.graph.body)
    folder.drop_unread_parameters()


def _graphs(graph: fx.Graph) -> Iterator[fx.Graph]:
    yield graph
    for node in graph.nodes:
        for inner in nested_graphs(node):
            yield from _graphs(inner)


def _as_plain_batch_norm(node: fx.Node) -> None:
    """The overload that torch-mlir lowers."""
    x, weight, bias, mean, variance, momentum, epsilon = node.args
    node.target = aten.native_batch_norm.default
    node.args = (x, weight, bias, mean, variance, False, momentum, epsilon)


class _Folder:
    def __init__(self, program: CapturedProgram) -> None:
        self._program = program
        placeholders = program.graph.placeholders
        self._first_parameter = len(placeholders) - len(program.parameters)
        self._keys = dict(zip(placeholders[self._first_parameter :], program.parameters, strict=True))

    def drop_unread_parameters(self) -> None:
        """Forgets the weights that folding has replaced."""
        program = self._program
        parameters = program.graph.placeholders[self._first_parameter :]
        kept = [p for p in parameters if p.users]
        program.parameters = {self._keys[p]: program.parameters[self._keys[p]] for p in kept}
        program.graph.placeholders[self._first_parameter :] = kept

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
        key = self._keys[mean].rpartition(".")[0] or "batch_norm"
        if not self._into_convolution(x, result, scale, shift):
            self._as_scale_and_shift(x, result, scale, shift, key)
        return True

    def _constant(self, node: object) -> torch.Tensor | None:
        """The value of a parameter; None for anything else."""
        if not isinstance(node, fx.Node) or node not in self._keys:
            return None
        return self._program.parameters[self._keys[node]]

    def _into_convolution(self, x: fx.Node, result: fx.Node, scale: torch.Tensor, shift: torch.Tensor) -> bool:
        if x.target is not aten.convolution.default or len(x.users) != 1:
            return False
        source, weight, bias, *rest = x.args
        transposed = rest[3]
        kernel, offset = self._constant(weight), self._constant(bias)
        if kernel is None or transposed or (bias is not None and offset is None):
            return False
        assert isinstance(weight, fx.Node)
        key = self._keys[weight]
        folded = kernel.double() * scale.reshape(-1, *[1] * (kernel.dim() - 1))
        constant = shift if offset is None else shift + offset.double() * scale
        new_weight = self._parameter(f"{key}.folded", folded.to(kernel.dtype))
        new_bias = self._parameter(f"{key}.folded_bias", constant.to(kernel.dtype))
        x.args = (source, new_weight, new_bias, *rest)
        result.replace_all_uses_with(x)
        return True

    def _as_scale_and_shift(
        self, x: fx.Node, result: fx.Node, scale: torch.Tensor, shift: torch.Tensor, key: str
    ) -> None:
        value = x.meta["val"]
        shape = (-1, *[1] * (value.dim() - 2))
        factors = [
            self._parameter(f"{key}.{name}", v.to(value.dtype).reshape(shape))
            for name, v in (("scale", scale), ("shift", shift))
        ]
        node = x
        with result.graph.inserting_before(result):
            for target, factor in ((aten.mul.Tensor, factors[0]), (aten.add.Tensor, factors[1])):
                node = result.graph.call_function(target, (node, factor))
                node.meta.update({k: result.meta[k] for k in ("val", "location") if k in result.meta})
        result.replace_all_uses_with(node)

    def _parameter(self, key: str, value: torch.Tensor) -> fx.Node:
        """A new weight."""
        program = self._program
        unique, n = key, 1
        while unique in program.parameters:
            unique, n = f"{key}_{n}", n + 1
        body = program.graph.body
        last = program.graph.placeholders[-1]
        with body.inserting_after(last):
            node = body.placeholder("folded")
        fake_mode = last.meta["val"].fake_mode
        node.meta["val"] = fake_mode.from_tensor(value, static_shapes=True)
        program.parameters[unique] = value.contiguous()
        program.graph.placeholders.append(node)
        self._keys[node] = unique
        return node
