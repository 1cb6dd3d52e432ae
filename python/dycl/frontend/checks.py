# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""What eager PyTorch checks of values while it runs: indices in range, no division by zero (`Options.checks`).

A branch for each check would be a decision of the host's, so a read, for each embedding. Instead the program carries
three numbers, the *failure*: which check failed first, and two values for its message. They are the contents of a
tensor that each check writes in place, so branches join them and loops carry them like any other; at the end of the
program, where the host reads the exception's number anyway, the failure decides what is raised. Until then the program
goes on with indices that are in bounds (`indices.py`) and divisors that are not zero.

Only where a `try` of the model's would handle the exception is the check a branch.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

import torch
from torch._subclasses.functional_tensor import FunctionalTensor

from dycl.errors import UnsupportedConstructError
from dycl.frontend.bounds import is_mask, upper_bound_of
from dycl.frontend.indices import is_write
from dycl.frontend.locations import here
from dycl.frontend.recorder import Recorder
from dycl.frontend.sizes import is_static
from dycl.frontend.text import Piece, Text
from dycl.frontend.values import Number

aten = torch.ops.aten


class Slot(Enum):
    """Where a value stands in the message of a check."""

    VALUE = 1
    """The index, or another number of what failed."""
    SIZE = 2
    """What it was compared with."""


_FEW = 8
"""Up to how many indices are looked at one by one."""

Message = Sequence["str | int | torch.SymInt | Slot"]


@dataclass(frozen=True)
class Failing:
    """A check that a handler of the model's would see, so that it is a branch.

    Attributes:
        holds: makes the number that says whether it fails.
        error: makes what is raised then.
    """

    holds: Callable[[], Number]
    error: Callable[[], Exception]


def out_of_bounds(dim: int) -> Message:
    """What eager says of an index."""
    return ("index ", Slot.VALUE, " is out of bounds for dimension ", dim, " with size ", Slot.SIZE)


class Checks:
    """The checks of one run of the model.

    Attributes:
        entries: the name and the message of each exception, with `Slot`s in the message.
        pending: checks that the model would handle, to be made branches when the op that they are of has ended.
        handles: whether a `try` around what runs now would handle an exception of a class. Set before the first use.
    """

    def __init__(self, recorder: Recorder) -> None:
        self.entries: list[tuple[str, tuple[Any, ...]]] = []
        self.pending: list[Failing] = []
        self.handles: Callable[[type[Exception]], bool] = lambda _: False
        self._recorder = recorder
        self._failure: FunctionalTensor | None = None
        self._none: torch.Tensor | None = None

    def begin(self) -> None:
        """Nothing has failed. To be called in the outermost graph, before the model runs."""
        self._failure = self._recorder.wrap(self._raw(torch.zeros((3,), dtype=torch.int64)))
        self._none = self._recorder.unwrap(self._failure)

    @property
    def failure(self) -> torch.Tensor | None:
        """The number (from 1) of the first check that failed, or 0, its value and size, in a tensor of shape (3,).

        None where there is no check.
        """
        if self._failure is None or self._recorder.unwrap(self._failure) is self._none:
            return None
        return self._failure

    def added_to(
        self, raised: Sequence[Number], exceptions: Sequence[tuple[Any, ...]]
    ) -> tuple[list[Number], list[tuple[Any, ...]]]:
        """What the program raises: the first check that failed, else what it raises by itself.

        Args:
            raised: the values in the arguments of other exceptions, and the number of the one that is raised; or none.
            exceptions: these, as `Signature.exceptions` has them.

        Returns:
            the same, with the value and the size of the check after the other values, and its exceptions after theirs.
        """
        failure = self.failure
        if failure is None:
            return list(raised), list(exceptions)
        *values, number = raised or [Number.of(0)]
        checked, value, size = failure.unbind()
        which = torch.where(checked == 0, number.tensor, checked + len(exceptions))
        places = {Slot.VALUE: len(values), Slot.SIZE: len(values) + 1}
        own = [(name, _portable(message, places)) for name, message in self.entries]
        return [*values, Number(value, int), Number(size, int), Number(which, int)], [*exceptions, *own]

    # Checks ----------------------------------------------------------------------------------------------------------

    def of_ops(self) -> dict[Any, Callable[[Sequence[Any], dict[str, Any]], None]]:
        """For each op that eager checks, what records the check; called with its arguments, recorded ones."""
        return {func: functools.partial(check, self, func) for func, check in _CHECKS.items()}

    def in_range(
        self, func: Any, index: torch.Tensor, size: Any, kind: type[Exception], message: Message, *, wraps: bool
    ) -> None:
        """Checks indices into a dimension.

        Args:
            func: the op that they are of.
            index: integers of any shape.
            size: of the dimension.
            kind, message: what eager raises.
            wraps: whether negative indices count from the end.
        """
        bound = self._upper_bound(index)
        if bound is not None and is_static(size) and bound <= size:
            return
        index = index.to(torch.int64)
        bad = (index < -size if wraps else index < 0) | (index >= size)
        if is_static(bad.numel()) and 1 < bad.numel() <= _FEW:
            # One step of the device, where a reduction takes two more.
            value = fails = None
            for place, one in zip(bad.reshape(-1).unbind()[::-1], index.reshape(-1).unbind()[::-1], strict=True):
                value = one if value is None else torch.where(place, one, value)
                fails = place if fails is None else place | fails
            assert fails is not None
            self.require(func, fails, kind, message, value, size)
            return
        first, fails = _first(bad)
        self.require(func, fails, kind, message, _at(index, first), size)

    def require(
        self,
        func: Any,
        fails: torch.Tensor,
        kind: type[Exception],
        message: Message,
        value: Any = 0,
        size: Any = 0,
    ) -> None:
        """Checks that a condition does not hold.

        Args:
            func: the op that it is of, None for one of the front end's.
            fails: the condition, a 0-d bool tensor.
            kind, message: what eager raises.
            value, size: what the message has in its slots: ints, sizes, or 0-d tensors.
        """
        known = str(int(size)) if not isinstance(size, torch.Tensor) and is_static(size) else Slot.SIZE
        message = tuple(known if p is Slot.SIZE else p if isinstance(p, (str, Slot)) else str(int(p)) for p in message)
        if self.handles(kind):
            self._branch(func, fails, kind, message, {Slot.VALUE: value, Slot.SIZE: size})
            return
        entry = (kind.__name__, _merged(message))
        if entry not in self.entries:
            self.entries.append(entry)
        number = self.entries.index(entry) + 1
        assert self._failure is not None
        before = self._failure if isinstance(fails, FunctionalTensor) else self._recorder.unwrap(self._failure)
        lanes = torch.arange(3)
        made = torch.where(lanes == 1, value, number) if Slot.VALUE in message else lanes * 0 + number
        if Slot.SIZE in message:
            made = torch.where(lanes == 2, torch.ones((), dtype=torch.int64) * size, made)
        after = torch.where((before[0] == 0) & fails, made, before)
        self._recorder.overwrite(self._failure, self._raw(after))

    def _branch(
        self, func: Any, fails: torch.Tensor, kind: type[Exception], message: Message, values: dict[Slot, Any]
    ) -> None:
        if func is not None and is_write(func):
            raise UnsupportedConstructError(
                f"a write at an index that may be out of range, in a `try` that handles the {kind.__name__}",
                hint="test the index with an `if` before",
                location=here(),
            )

        numbers = {slot: torch.ones((), dtype=torch.int64) * value for slot, value in values.items() if slot in message}

        def error() -> Exception:
            pieces = [Piece(self._number(numbers[p], int)) if isinstance(p, Slot) else str(p) for p in message]
            return kind(Text(tuple(pieces)) if numbers else "".join(map(str, pieces)))

        self.pending.append(Failing(lambda: self._number(fails, bool), error))

    def _number(self, tensor: torch.Tensor, kind: type) -> Number:
        """A 0-d tensor, recorded or as user code sees it, as a number."""
        return Number(tensor if isinstance(tensor, FunctionalTensor) else self._recorder.wrap(tensor), kind)

    def is_nonzero(self, tensor: torch.Tensor) -> bool:
        """Whether a tensor is filled with a constant other than zero."""
        node = self._recorder.node_of(self._raw(tensor))
        return node.target is aten.full.default and type(node.args[1]) in (int, float) and bool(node.args[1])

    def _upper_bound(self, index: torch.Tensor) -> int | None:
        return upper_bound_of(self._recorder.node_of(self._raw(index)))

    def _raw(self, tensor: torch.Tensor) -> torch.Tensor:
        return self._recorder.unwrap(tensor) if isinstance(tensor, FunctionalTensor) else tensor


def _portable(message: Sequence[Any], places: dict[Slot, int]) -> Any:
    """A message as `Signature.exceptions` has it, where the program's exception values have these places."""
    pieces = [
        {"value": places[p], "type": "int", "conversion": "", "spec": ""} if isinstance(p, Slot) else p for p in message
    ]
    return pieces[0] if len(pieces) == 1 and isinstance(pieces[0], str) else {"text": pieces}


def _merged(message: Message) -> tuple[Any, ...]:
    """A message with neighbouring strings put together."""
    merged: list[Any] = []
    for piece in message:
        if merged and isinstance(piece, str) and isinstance(merged[-1], str):
            merged[-1] += piece
        else:
            merged.append(piece)
    return tuple(merged)


def _first(bad: torch.Tensor) -> tuple[torch.Tensor | None, torch.Tensor]:
    """Where the first element that holds is, in row-major order, and whether there is one; None for the only one."""
    if is_static(bad.numel()) and bad.numel() == 1:
        return None, bad.reshape(())
    flat = bad.reshape(-1)
    count = flat.shape[0]
    places = torch.where(flat, torch.arange(count), torch.ones((), dtype=torch.int64) * count)
    if not (is_static(count) and count):
        places = torch.cat([places, torch.ones((1,), dtype=torch.int64) * count])  # There may be no element at all.
    first = places.amin()
    return first, first < count


def _at(index: torch.Tensor, first: torch.Tensor | None) -> torch.Tensor:
    if first is None:
        return index.reshape(())
    flat = index.reshape(-1)
    if not (is_static(flat.shape[0]) and flat.shape[0]):
        flat = torch.cat([flat, torch.zeros((1,), dtype=torch.int64)])
    return flat.index_select(0, first.clamp(0, flat.shape[0] - 1).reshape(1)).reshape(())


# What eager checks of each op ----------------------------------------------------------------------------------------

_OUT_OF_RANGE = "index out of range in self"


def _embedding(checks: Checks, func: Any, args: Sequence[Any], _: Any) -> None:
    weight, index = args[:2]
    checks.in_range(func, index, weight.shape[0], IndexError, (_OUT_OF_RANGE,), wraps=False)


def _index_select(checks: Checks, func: Any, args: Sequence[Any], _: Any) -> None:
    tensor, dim, index = args
    size = tensor.shape[dim] if tensor.dim() else 1
    if tensor.dim() > 1:
        message = ("INDICES element is out of DATA bounds, id=", Slot.VALUE, " axis_dim=", Slot.SIZE)
        checks.in_range(func, index, size, RuntimeError, message, wraps=False)
    else:
        checks.in_range(func, index, size, IndexError, (_OUT_OF_RANGE,), wraps=False)


def _index_add(checks: Checks, func: Any, args: Sequence[Any], _: Any) -> None:
    tensor, dim, index = args[:3]
    if tensor.dim() > 1:
        _gather(checks, func, args, {})
    else:
        size = tensor.shape[dim] if tensor.dim() else 1
        checks.in_range(func, index, size, IndexError, (_OUT_OF_RANGE,), wraps=False)


def _index_copy(checks: Checks, func: Any, args: Sequence[Any], _: Any) -> None:
    tensor, dim, index = args[:3]
    if tensor.dim():
        dim %= tensor.dim()
        message = ("index_copy_(): ", *out_of_bounds(dim))
        checks.in_range(func, index, tensor.shape[dim], IndexError, message, wraps=False)


def _index_fill(checks: Checks, func: Any, args: Sequence[Any], _: Any) -> None:
    tensor, dim, index = args[:3]
    if tensor.dim():
        dim %= tensor.dim()
        checks.in_range(func, index, tensor.shape[dim], IndexError, out_of_bounds(dim), wraps=True)


def _gather(checks: Checks, func: Any, args: Sequence[Any], _: Any) -> None:
    tensor, dim, index = args[:3]
    if tensor.dim():
        dim %= tensor.dim()
        checks.in_range(func, index, tensor.shape[dim], RuntimeError, out_of_bounds(dim), wraps=False)


def _take(checks: Checks, func: Any, args: Sequence[Any], _: Any) -> None:
    tensor, index = args
    message = ("out of range: tried to access index ", Slot.VALUE, " on a tensor of ", Slot.SIZE, " elements.")
    checks.in_range(func, index, tensor.numel(), IndexError, message, wraps=True)


def _index(checks: Checks, func: Any, args: Sequence[Any], _: Any) -> None:
    tensor, indices = args[:2]
    dim = moved = 0  # In eager's message, the dimensions that are indexed come first.
    for index in indices:
        width = 1
        if index is not None and is_mask(index):
            width = index.dim()
        elif index is not None:
            checks.in_range(func, index, tensor.shape[dim], IndexError, out_of_bounds(moved), wraps=True)
        dim += width
        moved += width if index is not None else 0


def _index_put(checks: Checks, func: Any, args: Sequence[Any], kwargs: Any) -> None:
    tensor, indices, values = args[:3]
    _index(checks, func, args, kwargs)
    mask = indices[0]
    if len(indices) != 1 or not is_mask(mask):
        return
    rest = tensor.shape[mask.dim() :]
    if values.dim() != len(rest) + 1 or (is_static(values.shape[0]) and values.shape[0] == 1):
        return
    given, places = values.shape[0], mask.ne(0).sum()
    differs = (places != given) & (torch.ones((), dtype=torch.int64) * given != 1)
    tail = [str(int(size)) if is_static(size) else "?" for size in values.shape[1:]]
    message = ("shape mismatch: value tensor of shape [", Slot.SIZE, *(f", {n}" for n in tail))
    message += ("] cannot be broadcast to indexing result of shape [", Slot.VALUE)
    message += (*(f", {int(size) if is_static(size) else '?'}" for size in rest), "]")
    checks.require(func, differs, RuntimeError, message, places, given)


def _target(checks: Checks, func: Any, args: Sequence[Any], _: Any) -> None:
    """The classes of a negative log likelihood."""
    scores, target, _weight, _reduction, ignored = args
    classes = scores.shape[1 if scores.dim() > 1 else 0]
    target = torch.where(target == ignored, 0, target)
    message = ("Target ", Slot.VALUE, " is out of bounds.")
    checks.in_range(func, target, classes, IndexError, message, wraps=False)


def _embedding_bag(checks: Checks, func: Any, args: Sequence[Any], _: Any) -> None:
    weight, index = args[:2]
    bad = (index < 0) | (index >= weight.shape[0])
    first, fails = _first(bad)
    place = 0 if first is None else first
    message = ("Index ", Slot.VALUE, " of input takes value ", Slot.SIZE, " which is not in the valid range [0, ")
    checks.require(func, fails, RuntimeError, (*message, weight.shape[0], ")"), place, _at(index, first))


def _bincount(checks: Checks, func: Any, args: Sequence[Any], _: Any) -> None:
    message = "bincount only supports 1-d non-negative integral inputs."
    checks.require(func, (args[0] < 0).any(), RuntimeError, (message,))


def _masked_scatter(checks: Checks, func: Any, args: Sequence[Any], _: Any) -> None:
    tensor, mask, source = args
    places = mask.expand(torch.broadcast_shapes(tensor.shape, mask.shape)).sum()
    message = "Number of elements of source < number of ones in mask"
    checks.require(func, places > source.numel(), RuntimeError, (message,))


def _division(checks: Checks, func: Any, args: Sequence[Any], kwargs: Any) -> None:
    dividend, divisor = args[:2]
    if func.overloadpacket is aten.div and kwargs.get("rounding_mode") is None:
        return
    if isinstance(divisor, torch.Tensor) and checks.is_nonzero(divisor):
        return
    if isinstance(divisor, torch.Tensor) and not torch.result_type(dividend, divisor).is_floating_point:
        checks.require(func, (divisor == 0).any(), RuntimeError, ("ZeroDivisionError",))


_CHECKS: dict[Any, Callable[[Checks, Any, Sequence[Any], dict[str, Any]], None]] = {
    aten.embedding.default: _embedding,
    aten.index_select.default: _index_select,
    aten.index_add.default: _index_add,
    aten.index_copy.default: _index_copy,
    aten.index_fill.int_Scalar: _index_fill,
    aten.index_fill.int_Tensor: _index_fill,
    aten.gather.default: _gather,
    aten.scatter.src: _gather,
    aten.scatter.value: _gather,
    aten.scatter.reduce: _gather,
    aten.scatter.value_reduce: _gather,
    aten.scatter_add.default: _gather,
    aten.scatter_reduce.two: _gather,
    aten.take.default: _take,
    aten.index.Tensor: _index,
    aten.index_put.default: _index_put,
    aten._embedding_bag.default: _embedding_bag,
    aten._embedding_bag_forward_only.default: _embedding_bag,
    aten.bincount.default: _bincount,
    aten.masked_scatter.default: _masked_scatter,
    aten.nll_loss_forward.default: _target,
    aten.nll_loss2d_forward.default: _target,
    aten.floor_divide.default: _division,
    aten.remainder.Tensor: _division,
    aten.remainder.Scalar_Tensor: _division,
    aten.fmod.Tensor: _division,
    aten.div.Tensor_mode: _division,
}
