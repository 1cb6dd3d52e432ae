# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Between which values what a condition compares can lie, whatever the inputs are, by how it was computed.

Read off the graph that autograd keeps: a softmax gives values from 0 to 1, a maximum of them does too. So a search for
inputs by which `y.softmax(-1).max()` exceeds 1.5 need not begin. What is not known gives no bound.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection
from typing import Any

import torch

Range = tuple[float, float]

_ANY: Range = (-math.inf, math.inf)
_MAX_NODES = 150

_GIVES: dict[str, Range] = {
    "Softmax": (0.0, 1.0),
    "SafeSoftmax": (0.0, 1.0),
    "Sigmoid": (0.0, 1.0),
    "Hardsigmoid": (0.0, 1.0),
    "Tanh": (-1.0, 1.0),
    "Sin": (-1.0, 1.0),
    "Cos": (-1.0, 1.0),
    "Erf": (-1.0, 1.0),
    "Atan": (-math.pi / 2, math.pi / 2),
    **dict.fromkeys(
        ("Relu", "Abs", "Exp", "Sqrt", "Softplus", "Std", "Var", "Norm", "LinalgVectorNorm"), (0.0, math.inf)
    ),
    **dict.fromkeys(("LogSoftmax", "LogSigmoid"), (-math.inf, 0.0)),
}
"""What an op gives for any operand, by the name of its node without `Backward0`."""

_KEEPS = frozenset(
    ("Max", "Min", "Amax", "Amin", "Mean", "Median", "Kthvalue", "Topk", "Sort", "Select", "Slice", "Index",
     "IndexSelect", "Gather", "View", "UnsafeView", "ReshapeAlias", "Squeeze", "Unsqueeze", "T", "Transpose", "Permute",
     "Expand", "Clone", "ToCopy", "Alias", "Split", "Unbind", "Diagonal", "Flip", "Cat", "Stack", "Maximum",
     "Minimum", "Cummax", "Cummin", "Roll")
)  # fmt: skip
"""Ops whose results lie between the least and the largest of their operands."""


def range_of(operand: Any, inputs: Collection[torch.Tensor]) -> Range:
    """Between which values all elements of an operand lie, for all inputs that are computed with as these.

    Args:
        operand: a number, or a tensor with the graph that it was computed by.
        inputs: the tensors that may hold anything.
    """
    if isinstance(operand, (bool, int, float)):
        return float(operand), float(operand)
    if not isinstance(operand, torch.Tensor) or operand.grad_fn is None:
        return _ANY  # what it was computed from is not known
    return _Ranges({id(tensor) for tensor in inputs}).of(operand.grad_fn)


class _Ranges:
    def __init__(self, inputs: Collection[int]) -> None:
        self._inputs = inputs
        self._left = _MAX_NODES

    def of(self, node: Any) -> Range:
        """The range of what a node of autograd's graph computed."""
        self._left -= 1
        if node is None or self._left < 0:
            return _ANY
        if node.name().endswith("AccumulateGrad"):
            leaf = node.variable
            return _ANY if id(leaf) in self._inputs or not leaf.numel() else (leaf.min().item(), leaf.max().item())
        name = node.name().rpartition("::")[2].rstrip("0123456789").removesuffix("Backward")
        if name in _KEEPS:
            return _hull([self.of(operand) for operand, _ in node.next_functions])
        operation = _OPERATIONS.get(name)
        given = _GIVES.get(name, _ANY)
        return given if operation is None else operation(self, node)

    def _operands(self, node: Any) -> list[Range]:
        """The ranges of both operands; of one that needs no gradient, what the node keeps of it."""
        found: list[Range] = []
        for (operand, _), kept in zip(node.next_functions, ("_saved_self", "_saved_other"), strict=False):
            value = getattr(node, kept, None) if operand is None else None
            if isinstance(value, torch.Tensor) and value.dim() == 0:
                found.append((value.item(), value.item()))
            else:
                found.append(self.of(operand))
        return found

    def negative(self, node: Any) -> Range:
        low, high = self.of(node.next_functions[0][0])
        return -high, -low

    def sum(self, node: Any) -> Range:
        """A sum of it is not known how many: its sign, where they have one."""
        low, high = self.of(node.next_functions[0][0])
        return (0.0 if low >= 0 else -math.inf), (0.0 if high <= 0 else math.inf)

    def difference(self, node: Any) -> Range:
        (low, high), (other_low, other_high) = self._operands(node)
        return (low - other_high, high - other_low) if node._saved_alpha == 1 else _ANY

    def total(self, node: Any) -> Range:
        (low, high), (other_low, other_high) = self._operands(node)
        return (low + other_low, high + other_high) if node._saved_alpha == 1 else _ANY

    def product(self, node: Any) -> Range:
        ranges = self._operands(node)
        products = [a * b if a and b else 0.0 for a in ranges[0] for b in ranges[1]]
        return min(products), max(products)

    def power(self, node: Any) -> Range:
        exponent = node._saved_exponent
        return (0.0, math.inf) if isinstance(exponent, (int, float)) and exponent % 2 == 0 and exponent >= 0 else _ANY

    def clamp(self, node: Any) -> Range:
        low, high = (getattr(node, f"_saved_{bound}", None) for bound in ("min", "max"))
        if isinstance(low, torch.Tensor) or isinstance(high, torch.Tensor):
            return _ANY
        return (-math.inf if low is None else float(low)), (math.inf if high is None else float(high))


_OPERATIONS: dict[str, Callable[[_Ranges, Any], Range]] = {
    "Neg": _Ranges.negative,
    "Sum": _Ranges.sum,
    "Sub": _Ranges.difference,
    "Add": _Ranges.total,
    "Mul": _Ranges.product,
    "Pow": _Ranges.power,
    "Clamp": _Ranges.clamp,
}


def _hull(ranges: list[Range]) -> Range:
    return (min(low for low, _ in ranges), max(high for _, high in ranges)) if ranges else _ANY
