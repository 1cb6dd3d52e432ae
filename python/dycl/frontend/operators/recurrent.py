# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
# pyright: reportPrivateUsage=false
"""Recurrent layers over as many steps as sizes or data say, and over packed sequences: a loop over the steps.

Of a number of steps that is known, torch's own decomposition unrolls them; it cannot do others.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.nn.utils.rnn import PackedSequence

from dycl.errors import UnsupportedConstructError
from dycl.frontend.locations import here
from dycl.frontend.operators.calls import Calls
from dycl.frontend.operators.higher_order import while_loop
from dycl.frontend.operators.packed_sequences import Packing, packing_of
from dycl.frontend.operators.replacements import replaces
from dycl.frontend.size_numbers import as_number
from dycl.frontend.sizes import is_static, may_be_zero
from dycl.frontend.values import Number

_Tensors = tuple[torch.Tensor, ...]
_Cell = Callable[[torch.Tensor, _Tensors], _Tensors]
"""From what a step's input gives, [batch, ...], and the state to the next state, whose first tensor is the output."""


@dataclass(frozen=True)
class _Weights:
    """Those of one layer in one direction.

    Attributes:
        of_input: [gates, inputs].
        of_hidden: [gates, hidden].
        input_bias: [gates], or None.
        hidden_bias: [gates], or None.
        projection: [projected, hidden], or None.
    """

    of_input: torch.Tensor
    of_hidden: torch.Tensor
    input_bias: torch.Tensor | None
    hidden_bias: torch.Tensor | None
    projection: torch.Tensor | None

    def gates_of_input(self, inputs: torch.Tensor) -> torch.Tensor:
        return nn.functional.linear(inputs, self.of_input, self.input_bias)

    def gates_of_hidden(self, hidden: torch.Tensor) -> torch.Tensor:
        return nn.functional.linear(hidden, self.of_hidden, self.hidden_bias)


def _lstm_cell(weights: _Weights) -> _Cell:
    def cell(gates: torch.Tensor, state: _Tensors) -> _Tensors:
        hidden, memory = state
        enter, forget, new, leave = (gates + weights.gates_of_hidden(hidden)).chunk(4, 1)
        memory = forget.sigmoid() * memory + enter.sigmoid() * new.tanh()
        hidden = leave.sigmoid() * memory.tanh()
        projection = weights.projection
        return hidden if projection is None else nn.functional.linear(hidden, projection), memory

    return cell


def _gru_cell(weights: _Weights) -> _Cell:
    def cell(gates: torch.Tensor, state: _Tensors) -> _Tensors:
        (hidden,) = state
        reset, update, new = gates.chunk(3, 1)
        hidden_reset, hidden_update, hidden_new = weights.gates_of_hidden(hidden).chunk(3, 1)
        update = (update + hidden_update).sigmoid()
        new = (new + (reset + hidden_reset).sigmoid() * hidden_new).tanh()
        return ((hidden - new) * update + new,)

    return cell


def _plain_cell(function: Callable[[torch.Tensor], torch.Tensor]) -> Callable[[_Weights], _Cell]:
    def of_weights(weights: _Weights) -> _Cell:
        return lambda gates, state: (function(gates + weights.gates_of_hidden(state[0])),)

    return of_weights


_CELLS = {
    "LSTM": _lstm_cell,
    "GRU": _gru_cell,
    "RNN_TANH": _plain_cell(torch.tanh),
    "RNN_RELU": _plain_cell(torch.relu),
}


@replaces(nn.RNN.forward, nn.LSTM.forward, nn.GRU.forward)
def forward(ops: Calls, module: Any, input: Any, hx: Any = None) -> Any:  # noqa: A002 (torch's name)
    """A recurrent layer: as it is, if the number of steps is known."""
    if isinstance(input, PackedSequence):
        return _forward_packed(ops, module, input, hx)
    if input.dim() not in (2, 3) or is_static(input.shape[_step_dim(module, input)]):
        return _forward_of_torch(module)(module, input, hx)
    return _forward_steps(ops, module, input, hx)


def _forward_of_torch(module: Any) -> Callable[..., Any]:
    return next(cls.forward for cls in (nn.RNN, nn.LSTM, nn.GRU) if isinstance(module, cls))


def _step_dim(module: Any, inputs: torch.Tensor) -> int:
    return 1 if module.batch_first and inputs.dim() == 3 else 0


def _forward_packed(ops: Calls, module: Any, packed: PackedSequence, hx: Any) -> tuple[PackedSequence, Any]:
    data, batch_sizes, order, back = packed
    module.check_input(data, batch_sizes)
    packing = packing_of(ops, batch_sizes)
    state = _initial(ops, module, data, packing.batch, hx)
    if hx is not None and order is not None:
        state = tuple(part.index_select(1, order) for part in state)
    output, last = _run(ops, module, packing.padded(data, packing.steps, 0), state, packing)
    if back is not None:
        last = tuple(part.index_select(1, back) for part in last)
    rows = packing.rows(output, data.shape[0])
    return PackedSequence(rows, batch_sizes, order, back), last if module.mode == "LSTM" else last[0]


def _forward_steps(ops: Calls, module: Any, inputs: torch.Tensor, hx: Any) -> tuple[torch.Tensor, Any]:
    is_batched, step_dim = inputs.dim() == 3, _step_dim(module, inputs)
    parts = None if hx is None else hx if module.mode == "LSTM" else (hx,)
    if parts is not None and any(part.dim() != inputs.dim() for part in parts):
        raise RuntimeError(f"the state of a recurrent layer has other than the {inputs.dim()} dimensions of its input")
    steps = inputs if is_batched else inputs[:, None]
    steps = steps.transpose(0, step_dim)
    module.check_input(steps, None)

    def fail() -> None:
        raise RuntimeError("Expected sequence length to be larger than 0 in RNN")

    if may_be_zero(steps.shape[0]):
        ops.raise_if(as_number(steps.shape[0]) == 0, fail)
    if parts is not None and not is_batched:
        parts = tuple(part[:, None] for part in parts)
    hx = parts if parts is None or module.mode == "LSTM" else parts[0]
    output, last = _run(ops, module, steps, _initial(ops, module, steps, steps.shape[1], hx), None)
    output = output.transpose(0, step_dim) if is_batched else output[:, 0]
    last = last if is_batched else tuple(part[:, 0] for part in last)
    return output, last if module.mode == "LSTM" else last[0]


def _initial(ops: Calls, module: Any, inputs: torch.Tensor, batch: Any, hx: Any) -> _Tensors:
    """The state before the first step: [layers * directions, batch, ...] for each part of it."""
    count = module.num_layers * (2 if module.bidirectional else 1)
    shapes = [(count, batch, module.proj_size or module.hidden_size)]
    if module.mode == "LSTM":
        shapes.append((count, batch, module.hidden_size))
    if hx is None:
        return tuple(torch.zeros(shape, dtype=inputs.dtype) for shape in shapes)
    parts = hx if module.mode == "LSTM" else (hx,)
    for part, (name, shape) in zip(parts, zip(_names(module), shapes, strict=True), strict=True):

        def fail(part: torch.Tensor = part, name: str = name, shape: tuple[Any, ...] = shape) -> None:
            wanted, given = tuple(map(as_number, shape)), list(map(as_number, part.shape))
            raise RuntimeError(ops.text(f"Expected {name} ", (wanted, "", ""), ", got ", (given, "", "")))

        if part.dim() != 3 or (part.shape[0], part.shape[2]) != (count, shape[2]):
            fail()
        ops.raise_if(part.shape[1] != batch, fail)
    return tuple(parts)


def _names(module: Any) -> list[str]:
    return ["hidden[0] size", "hidden[1] size"] if module.mode == "LSTM" else ["hidden size"]


def _run(
    ops: Calls, module: Any, steps: torch.Tensor, state: _Tensors, packing: Packing | None
) -> tuple[torch.Tensor, _Tensors]:
    """All layers over [steps, batch, inputs]: the output of each step, and the last state."""
    if module.training and module.dropout:
        raise UnsupportedConstructError(
            "dropout between the layers of a recurrent layer, in training mode", hint="call `eval()`", location=here()
        )
    last: list[_Tensors] = []
    for layer in range(module.num_layers):
        outputs: list[torch.Tensor] = []
        for is_backward in (False, True)[: 2 if module.bidirectional else 1]:
            before = tuple(part[len(last)] for part in state)
            weights = _weights(module, layer, is_backward=is_backward)
            output, after = _over_steps(ops, module, weights, steps, before, packing, is_backward=is_backward)
            outputs.append(output)
            last.append(after)
        steps = torch.cat(outputs, 2) if len(outputs) > 1 else outputs[0]
    return steps, tuple(torch.stack(parts) for parts in zip(*last, strict=True))


def _weights(module: Any, layer: int, *, is_backward: bool) -> _Weights:
    suffix = f"_l{layer}{'_reverse' if is_backward else ''}"
    names = ("weight_ih", "weight_hh", "bias_ih", "bias_hh", "weight_hr")
    return _Weights(*(getattr(module, name + suffix, None) for name in names))  # type: ignore[arg-type]


def _over_steps(
    ops: Calls,
    module: Any,
    weights: _Weights,
    steps: torch.Tensor,
    state: _Tensors,
    packing: Packing | None,
    *,
    is_backward: bool,
) -> tuple[torch.Tensor, _Tensors]:
    """One layer in one direction: [steps, batch, outputs], and the state after the last step."""
    gates, cell = weights.gates_of_input(steps), _CELLS[module.mode](weights)

    def advance(step: torch.Tensor, state: _Tensors) -> _Tensors:
        after = cell(gates.index_select(0, step.reshape(1)).squeeze(0), state)
        if packing is None:
            return after
        # A sequence that has ended keeps its state; one that goes backward has not begun.
        is_there = (step < packing.lengths)[:, None]
        return tuple(torch.where(is_there, new, old) for new, old in zip(after, state, strict=True))

    count = steps.shape[0]
    if is_static(count):
        order = range(int(count))
        found: dict[int, torch.Tensor] = {}
        for number in reversed(order) if is_backward else order:
            state = advance(torch.full((), number, dtype=torch.int64), state)
            found[number] = state[0]
        return torch.stack([found[number] for number in order]), state
    output = torch.zeros((count, *state[0].shape), dtype=gates.dtype)

    def test(number: Any, *_: torch.Tensor) -> Any:
        return number < as_number(count)

    def body(number: Any, output: torch.Tensor, *state: torch.Tensor) -> tuple[Any, ...]:
        step = Number.of(as_number(count) - 1 - number if is_backward else number, int).tensor
        state = advance(step, state)
        return number + 1, torch.index_put(output, (step.reshape(1),), state[0][None]), *state

    _, output, *last = while_loop(ops, test, body, (0, output, *state))
    return output, tuple(last)
