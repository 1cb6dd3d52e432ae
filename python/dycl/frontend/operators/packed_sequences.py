# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
# pyright: reportPrivateUsage=false, reportAttributeAccessIssue=false
"""Sequences of several lengths in one tensor: `torch.nn.utils.rnn`, of which torch has in C what reads the lengths.

A packed sequence is what it is in eager: the rows of all steps, one after the other, and how many sequences each step
has. Lengths that are constants give constant sizes; where they are data, so is how many steps and rows there are.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch.nn.utils import rnn

from dycl.errors import UnsupportedConstructError
from dycl.frontend.bounds import folded
from dycl.frontend.locations import here
from dycl.frontend.operators.calls import Calls
from dycl.frontend.operators.growing import fail_if_empty, has_rows, rows_of
from dycl.frontend.operators.replacements import replaces
from dycl.frontend.recorder import is_recorded, outside_modes
from dycl.frontend.rows import Rows, first_of
from dycl.frontend.size_numbers import as_number, as_size
from dycl.frontend.sizes import is_static
from dycl.frontend.values import Number

_VF: Any = torch._VF
_NN: Any = torch._C._nn

_NOT_POSITIVE = "Length of all samples has to be greater than 0, but found an element in 'lengths' that is <= 0"
_NOT_SORTED = (
    "`lengths` array must be sorted in decreasing order when `enforce_sorted` is True. You can pass "
    "`enforce_sorted=False` to pack_padded_sequence and/or pack_sequence to sidestep this requirement if you do not "
    "need ONNX exportability."
)


@dataclass(frozen=True)
class Packing:
    """Where the rows of a packed sequence belong.

    Attributes:
        batch: how many sequences there are, an int or a size.
        steps: how long the longest is, an int or a size.
        lengths: i64[batch], how long each is, the longest first.
        starts: i64[steps], the row where each step begins.
    """

    batch: Any
    steps: Any
    lengths: torch.Tensor
    starts: torch.Tensor

    def is_there(self, steps: Any) -> torch.Tensor:
        """bool[steps, batch]: which sequences have which step."""
        return torch.arange(steps)[:, None] < self.lengths

    def padded(self, data: torch.Tensor, steps: Any, value: Any) -> torch.Tensor:
        """[steps, batch, ...]: the rows at their step and sequence, and a value where there is none."""
        step = torch.arange(steps).clamp(max=self.steps - 1)
        is_there = self.is_there(steps)
        row = torch.where(is_there, self.starts[step][:, None] + torch.arange(self.batch), 0)
        rest = data.shape[1:]
        rows = data.index_select(0, row.reshape(-1)).reshape(steps, self.batch, *rest)
        return torch.where(is_there.reshape(steps, self.batch, *[1] * len(rest)), rows, _like(value, data))

    def rows(self, padded: torch.Tensor, count: Any) -> torch.Tensor:
        """[count, ...]: those rows of [steps, batch, ...] that are there, step by step."""
        number = torch.arange(count)
        step = torch.searchsorted(self.starts, number, right=True) - 1
        place = step * self.batch + (number - self.starts[step])
        return padded.reshape(-1, *padded.shape[2:]).index_select(0, place)


_MARK = "_dycl_packing"


def packing_of(ops: Calls, batch_sizes: torch.Tensor) -> Packing:
    """The packing with these batch sizes, i64[steps]; one that was made here knows more than they say."""
    found = getattr(batch_sizes, _MARK, None)
    if found is not None:
        return found
    batch: Any
    if is_recorded(batch_sizes):
        batch = as_size(Number.of_tensor(batch_sizes[0]), ops.control.recorder, 1)
    else:
        with outside_modes():
            batch = int(batch_sizes[0])
    lengths = (batch_sizes > torch.arange(batch)[:, None]).to(torch.int64).sum(1)
    return _packing(batch_sizes, batch, batch_sizes.shape[0], lengths)


def _packing(batch_sizes: torch.Tensor, batch: Any, steps: Any, lengths: torch.Tensor) -> Packing:
    packing = Packing(batch, steps, lengths, batch_sizes.cumsum(0) - batch_sizes)
    if is_recorded(batch_sizes):
        setattr(batch_sizes, _MARK, packing)
    return packing


def _like(value: Any, tensor: torch.Tensor) -> torch.Tensor:
    """A number as a tensor of another's dtype."""
    if isinstance(value, Number):
        return value.tensor.to(tensor.dtype)
    return torch.full((), value, dtype=tensor.dtype)


def _raises(message: Any) -> Callable[[], None]:
    def fail() -> None:
        raise RuntimeError(message)

    return fail


# Packing -------------------------------------------------------------------------------------------------------------


def _constant(ops: Calls, lengths: Any) -> torch.Tensor | None:
    """Lengths that are no data, as a real tensor."""
    if isinstance(lengths, torch.Tensor):
        return folded(ops.control.recorder, lengths)
    if not isinstance(lengths, (list, tuple)) or not all(type(n) is int for n in lengths):
        return None
    with outside_modes():
        return torch.tensor(lengths, dtype=torch.int64)


@replaces(rnn.pack_padded_sequence)
def pack_padded_sequence(
    ops: Calls,
    input: torch.Tensor,  # noqa: A002 (torch's name)
    lengths: Any,
    batch_first: bool = False,
    enforce_sorted: bool = True,
) -> rnn.PackedSequence:
    """`pack_padded_sequence`: of constant lengths, what eager does with the places of the rows."""
    constant = _constant(ops, lengths)
    if constant is None:
        return ops.rewritten(rnn.pack_padded_sequence)(input, lengths, batch_first, enforce_sorted)
    rows = input.transpose(0, 1) if batch_first else input
    steps, batch = rows.shape[:2]
    _check_batch(ops, constant, batch)
    with outside_modes():
        count, longest = constant.shape[0], int(constant.max()) if constant.numel() else 0
        places = torch.arange(longest * count).reshape(longest, count)
        packed = rnn.pack_padded_sequence(places, constant, enforce_sorted=enforce_sorted)  # Checks the lengths.
        step, sequence = packed.data // count, packed.data % count
        order = constant if packed.sorted_indices is None else constant[packed.sorted_indices]
        sizes = packed.batch_sizes
    _check_steps(ops, longest, steps)
    made = rnn.PackedSequence(
        rows[step, sequence],
        sizes.clone(),  # Recorded, so that it knows its packing.
        *(None if indices is None else indices.clone() for indices in packed[2:]),
    )
    _packing(made.batch_sizes, count, longest, order.clone())
    return made


@replaces(_VF._pack_padded_sequence)
def pack_sorted(
    ops: Calls, padded: torch.Tensor, lengths: torch.Tensor, batch_first: bool
) -> tuple[torch.Tensor, torch.Tensor]:
    """What `pack_padded_sequence` does with sorted lengths, i64[batch]: the rows, and the batch sizes."""
    rows = padded.transpose(0, 1) if batch_first else padded
    steps, batch = rows.shape[:2]
    if lengths.dim() != 1:
        raise RuntimeError(
            f"'lengths' argument should be a 1D CPU int64 tensor, but got {lengths.dim()}D cpu Long tensor"
        )
    _check_batch(ops, lengths, batch)
    ops.raise_if(Number.of_tensor(lengths[-1] <= 0), _raises(_NOT_POSITIVE))
    ops.raise_if(Number.of_tensor((lengths[1:] > lengths[:-1]).any()), _raises(_NOT_SORTED))
    longest = Number.of_tensor(lengths[0])
    _check_steps(ops, longest, steps)
    longest, count = (as_size(n, ops.control.recorder, 1) for n in (longest, Number.of_tensor(lengths.sum())))
    batch_sizes = (torch.arange(longest)[:, None] < lengths).to(torch.int64).sum(1)
    packing = _packing(batch_sizes, batch, longest, lengths)
    return packing.rows(rows, count), batch_sizes


def _check_batch(ops: Calls, lengths: torch.Tensor, batch: Any) -> None:
    count = lengths.shape[0]

    def fail() -> None:
        given, wanted = ((as_number(n), "", "") for n in (count, batch))
        message = "Expected `len(lengths)` to be equal to batch_size, but got "
        raise RuntimeError(ops.text(message, given, " (batch_size=", wanted, ")"))

    ops.raise_if(count != batch, fail)


def _check_steps(ops: Calls, longest: Any, steps: Any) -> None:
    """Eager reads behind the end of the tensor."""
    message = "a length in 'lengths' is greater than the number of steps of the padded sequences"
    ops.raise_if(longest > as_number(steps), _raises(message))


@replaces(_VF._pad_packed_sequence)
def pad_sorted(
    ops: Calls, data: torch.Tensor, batch_sizes: torch.Tensor, batch_first: bool, padding_value: Any, total_length: Any
) -> tuple[torch.Tensor, torch.Tensor]:
    """What `pad_packed_sequence` does with sorted sequences: [steps, batch, ...], and the lengths."""
    packing = packing_of(ops, batch_sizes)
    steps = as_size(total_length, ops.control.recorder, 1) if isinstance(total_length, Number) else total_length
    padded = packing.padded(data, steps, padding_value)
    return padded.transpose(0, 1) if batch_first else padded, packing.lengths


# Lists of sequences --------------------------------------------------------------------------------------------------


@replaces(rnn.pack_sequence)
def pack_sequence(ops: Calls, sequences: Any, enforce_sorted: bool = True) -> rnn.PackedSequence:
    """`pack_sequence`: the lengths are those of the tensors."""
    sequences = list(sequences)
    lengths: Any = [sequence.shape[0] for sequence in sequences]
    if not all(type(n) is int for n in lengths):
        lengths = ops.call(torch.as_tensor, list(map(as_number, lengths)))
    padded = ops.call(rnn.pad_sequence, sequences)
    return ops.call(rnn.pack_padded_sequence, padded, lengths, enforce_sorted=enforce_sorted)


@replaces(_NN.pad_sequence)
def pad_sequence(
    ops: Calls, sequences: Sequence[torch.Tensor], batch_first: bool, padding_value: Any, padding_side: str = "right"
) -> torch.Tensor:
    """`pad_sequence` of tensors whose lengths may be data, or their number."""
    if has_rows(sequences):
        rows = _padded_rows(ops, rows_of(sequences), padding_value, padding_side)
        return rows if batch_first else rows.transpose(0, 1)
    lengths = [sequence.shape[0] for sequence in sequences]
    if all(map(is_static, lengths)) and not isinstance(padding_value, Number):
        return _NN.pad_sequence(sequences, batch_first, padding_value, padding_side)
    longest = ops.call(max, lengths)
    place = torch.arange(longest)
    padded: list[torch.Tensor] = []
    for sequence, length in zip(sequences, lengths, strict=True):
        filling = _like(padding_value, sequence).expand(1, *sequence.shape[1:])
        row = place - (longest - length) if padding_side == "left" else place
        row = torch.where((row < 0) | (row >= length), length, row)
        padded.append(torch.cat([sequence, filling]).index_select(0, row))
    return torch.stack(padded, 0 if batch_first else 1)


def _padded_rows(ops: Calls, rows: Rows, padding_value: Any, padding_side: str) -> torch.Tensor:
    """[n, longest, ...]: the tensors of a list whose length depends on data."""
    if rows.ragged_dims not in ((), (0,)):
        raise UnsupportedConstructError(
            "`pad_sequence` of tensors that differ in more than their length",
            hint="make their other sizes the same",
            location=here(),
        )

    def fail() -> None:
        with outside_modes():
            _NN.pad_sequence([], True, 0.0)

    fail_if_empty(ops, rows, fail)
    if not rows.ragged_dims:
        return rows.stacks[0]
    values, lengths = rows.stacks
    values = first_of(values, 1, Number(lengths.amax(), int))
    longest = values.shape[1]
    place = torch.arange(longest)
    lengths = lengths.unsqueeze(1)
    if padding_side == "left":
        place = place - (longest - lengths)
        ones = (1,) * (values.dim() - 2)
        values = values.gather(1, place.clamp(min=0).reshape(-1, longest, *ones).expand(values.shape))
    is_there = (place >= 0) & (place < lengths)
    is_there = is_there.reshape(*is_there.shape, *(1,) * (values.dim() - 2))
    return torch.where(is_there, values, _like(padding_value, values))
