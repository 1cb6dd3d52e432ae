# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""What eager reads of tensors to decide on: truths and numbers, with what they were compared from."""

from __future__ import annotations

import inspect
import weakref
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import FrameType
from typing import Any

import torch
from torch._C import DisableTorchFunction  # pyright: ignore[reportPrivateUsage]
from torch.overrides import TorchFunctionMode

_COMPARISONS = frozenset(
    name
    for base in ("gt", "ge", "lt", "le", "eq", "ne", "greater", "greater_equal", "less", "less_equal", "not_equal")
    for name in (base, f"__{base}__", f"{base}_")
)
_COMBINED = frozenset(
    name
    for base in ("any", "all", "logical_and", "logical_or", "logical_not", "bitwise_and", "bitwise_or", "bitwise_not",
                 "squeeze", "reshape", "view", "item", "bool", "to", "select", "__getitem__", "__and__", "__or__",
                 "__invert__", "__rand__", "__ror__")
    for name in (base, f"{base}_")
)  # fmt: skip
_TRUTHS = ("__bool__",)
_NUMBERS = ("item", "__int__", "__float__", "__index__", "__complex__", "tolist")


@dataclass(frozen=True)
class Margin:
    """How far a decision is from the other one.

    Attributes:
        value: the least difference of the compared operands; 0 is a tie.
        noise: below it the decision may be rounding's: `tolerance` times the operands' scale, and 0 for integers.
    """

    value: float
    noise: float

    @property
    def is_near_tie(self) -> bool:
        return self.value < self.noise or (self.value == self.noise and self.noise > 0)


@dataclass
class Read:
    """A truth or number that eager read of a tensor.

    Attributes:
        number: the count of this read among those of the run.
        value: what was read.
        is_truth: whether it is the truth that a condition asks for, not a number.
        margin: of the comparison that made it; None where it is none that is known.
        operands: the compared tensors, where they are kept.
        is_alone: whether nothing but these was compared for it.
    """

    number: int
    value: Any
    is_truth: bool
    margin: Margin | None = None
    operands: tuple[Any, Any] | None = None
    is_alone: bool = False


@dataclass(frozen=True)
class _Compared:
    made: weakref.ref[torch.Tensor]
    operands: tuple[tuple[Any, Any], ...]


class Truths(TorchFunctionMode):
    """Notes what is read of tensors while it is active.

    Args:
        tolerance: relative to the scale of compared operands, how far they are uncertain.
        forced: what reads, by number, are to give instead.
        keep_operands: whether reads keep the compared tensors, for their gradients.
        is_users: whether a frame is one of the user's, whose conditions are watched.
    """

    def __init__(
        self,
        tolerance: float,
        forced: Mapping[int, Any] | None = None,
        keep_operands: bool = False,
        is_users: Callable[[FrameType], bool] = lambda _: True,
    ) -> None:
        super().__init__()
        self.reads: list[Read] = []
        self._tolerance = tolerance
        self._forced = forced or {}
        self._keep = keep_operands
        self._compared: dict[int, _Compared] = {}
        self._is_users = is_users

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        name = getattr(func, "__name__", "")
        if name in _TRUTHS:
            return self._read(args[0], result, is_truth=self._is_condition())
        if name in _NUMBERS:
            return self._read(args[0], result, is_truth=False)
        if name in _COMPARISONS and len(args) >= 2 and isinstance(result, torch.Tensor):
            self._note(result, ((args[0], args[1]),))
        elif name in _COMBINED and isinstance(result, torch.Tensor) and result.dtype is torch.bool:
            operands = [pair for a in args if isinstance(a, torch.Tensor) for pair in self._operands_of(a)]
            if operands:
                self._note(result, tuple(operands))
        return result

    def margin(self, left: Any, right: Any) -> Margin | None:
        """The margin of a comparison of tensors or numbers."""
        return _margin(left, right, self._tolerance)

    def _note(self, result: torch.Tensor, operands: tuple[tuple[Any, Any], ...]) -> None:
        key, known = id(result), self._compared
        known[key] = _Compared(weakref.ref(result, lambda _: known.pop(key, None)), operands)

    def _operands_of(self, tensor: torch.Tensor) -> tuple[tuple[Any, Any], ...]:
        entry = self._compared.get(id(tensor))
        return entry.operands if entry is not None and entry.made() is tensor else ()

    def _read(self, tensor: torch.Tensor, value: Any, *, is_truth: bool) -> Any:
        pairs = self._operands_of(tensor)
        if not pairs and is_truth:
            pairs = ((tensor, 0),)  # `if tensor:` asks whether it is other than 0
        margins = [m for m in (_margin(a, b, self._tolerance) for a, b in pairs) if m is not None]
        margin = min(margins, key=lambda m: m.value - m.noise) if margins else None
        read = Read(len(self.reads), value, is_truth, margin)
        if self._keep:
            read.operands = pairs[0] if pairs else (tensor, None)
            read.is_alone = len(pairs) == 1
        self.reads.append(read)
        if read.number in self._forced:
            read.value = value = self._forced[read.number]
        return value

    def _is_condition(self) -> bool:
        """Whether the truth is asked for by a jump of the user's code, not by `bool(…)` or a built-in."""
        frame = inspect.currentframe()
        while frame is not None and frame.f_code.co_filename.endswith(_TORCH_FRAMES):
            frame = frame.f_back
        return frame is not None and self._is_users(frame)


_TORCH_FRAMES = ("torch/overrides.py", "torch/_tensor.py", "report/truths.py")


def _margin(left: Any, right: Any, tolerance: float) -> Margin | None:
    try:
        with torch.no_grad(), DisableTorchFunction():
            a, b = (torch.as_tensor(v).detach() for v in (left, right))
            if a.is_complex() or b.is_complex() or not a.numel() or not b.numel():
                return None
            is_exact = not (a.is_floating_point() or b.is_floating_point())
            a, b = a.double(), b.double()
            difference = (a - b).abs()
            value = difference.min().item()
            at = int(difference.argmin())
            a, b = (t.expand(difference.shape).flatten()[at].abs().item() for t in (a, b))
    except (TypeError, ValueError, RuntimeError):
        return None  # Operands that are no numbers, such as in a comparison with a string.
    if value != value:
        return None
    return Margin(value, 0.0 if is_exact else tolerance * max(a, b))
