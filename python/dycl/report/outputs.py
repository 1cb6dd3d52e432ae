# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Compares what a program gives to what eager gives: structure, types, dtypes, shapes, and how far values are apart."""

from __future__ import annotations

import bisect
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, is_dataclass
from typing import Any

import torch


@dataclass(frozen=True)
class LeafError:
    """How far apart the values of one tensor or float are.

    Attributes:
        path: which one: "output[0]['logits']".
        absolute: the largest absolute error.
        scale: the largest magnitude of eager's values.
    """

    path: str
    absolute: float
    scale: float


@dataclass
class Difference:
    """How far two results are apart.

    Attributes:
        mismatches: what differs other than by rounding: structures, types, shapes, integers, what is infinite.
        errors: of each tensor and number of floats.
    """

    mismatches: list[str] = field(default_factory=list[str])
    errors: list[LeafError] = field(default_factory=list[LeafError])


class Scales:
    """The scale of each output, which an error is relative to.

    It is the largest magnitude in the call, or if that is more, the median of those in all calls: a sum that happens to
    be close to 0 is as far off as any other.
    """

    def __init__(self) -> None:
        self._seen: dict[str, list[float]] = {}

    def add(self, found: Difference) -> None:
        """Counts a call."""
        for error in found.errors:
            bisect.insort(self._seen.setdefault(error.path, []), error.scale)

    def relative(self, error: LeafError) -> float:
        """An error as a part of the scale; infinite where that is 0."""
        seen = self._seen.get(error.path, ())
        scale = max(error.scale, seen[(len(seen) - 1) // 2] if seen else 0.0)
        return error.absolute / scale if scale else (0.0 if not error.absolute else math.inf)

    def too_large(self, found: Difference, tolerance: float) -> list[str]:
        """A message for each error that is larger than the tolerance."""
        return [
            f"{e.path} is off by {e.absolute:.3g}, {self.relative(e):.3g} of its scale"
            for e in found.errors
            if self.relative(e) > tolerance
        ]


def difference(got: Any, expected: Any, name: str = "output") -> Difference:
    """How a program's result differs from eager's.

    Args:
        got, expected: nested tuples, lists, dicts, dataclasses of tensors and Python values.
        name: what to call it in messages.
    """
    found = Difference()
    for path, a, b in _pairs(got, expected, name, found):
        _compare_leaf(path, a, b, found)
    return found


def exceptions_differ(got: BaseException | None, expected: BaseException | None) -> str | None:
    """What differs between two exceptions, in their type and message; None if nothing does."""
    if got is None and expected is None:
        return None
    shown = ["nothing" if e is None else f"{type(e).__name__}: {e}" for e in (got, expected)]
    if type(got) is type(expected) and str(got) == str(expected):
        return None
    return f"the program raised {shown[0]}; eager raised {shown[1]}"


def _pairs(got: Any, expected: Any, path: str, found: Difference) -> Iterator[tuple[str, Any, Any]]:
    if type(got) is not type(expected) and not (isinstance(got, torch.Tensor) and isinstance(expected, torch.Tensor)):
        found.mismatches.append(f"{path} is a {type(got).__name__}; eager gives a {type(expected).__name__}")
        return
    if isinstance(expected, torch.Tensor):
        yield path, got, expected
    elif isinstance(expected, Mapping):
        if list(got) != list(expected):
            found.mismatches.append(f"{path} has keys {list(got)}; eager gives {list(expected)}")
            return
        for key in expected:
            yield from _pairs(got[key], expected[key], f"{path}[{key!r}]", found)
    elif isinstance(expected, (list, tuple)):
        if len(got) != len(expected):
            found.mismatches.append(f"{path} has {len(got)} items; eager gives {len(expected)}")
            return
        for index, (a, b) in enumerate(zip(got, expected, strict=True)):
            yield from _pairs(a, b, f"{path}[{index}]", found)
    elif is_dataclass(expected) and not isinstance(expected, type):
        for item in fields(expected):
            yield from _pairs(getattr(got, item.name), getattr(expected, item.name), f"{path}.{item.name}", found)
    else:
        yield path, got, expected


def _compare_leaf(path: str, got: Any, expected: Any, found: Difference) -> None:
    if isinstance(expected, torch.Tensor):
        if got.dtype != expected.dtype or got.shape != expected.shape:
            found.mismatches.append(f"{path} is {_type(got)}; eager gives {_type(expected)}")
            return
        _compare_values(path, got.detach(), expected.detach(), found)
    elif isinstance(expected, float):
        _compare_values(path, torch.tensor(got).double(), torch.tensor(expected).double(), found)
    elif got != expected:
        found.mismatches.append(f"{path} is {got!r}; eager gives {expected!r}")


def _compare_values(path: str, got: torch.Tensor, expected: torch.Tensor, found: Difference) -> None:
    if not expected.numel():
        return
    if not (expected.is_floating_point() or expected.is_complex()):
        wrong = int((got != expected).sum())
        if wrong:
            found.mismatches.append(f"{path} differs in {wrong} of {expected.numel()} elements")
        return
    wide = torch.complex128 if expected.is_complex() else torch.float64
    a, b = got.to(wide), expected.to(wide)
    finite = torch.isfinite(b)
    special = ~finite & ~((a == b) | (torch.isnan(a) & torch.isnan(b))) | (finite & ~torch.isfinite(a))
    if special.any():
        found.mismatches.append(f"{path} differs in what is infinite or no number, in {int(special.sum())} elements")
        return
    if not finite.any():
        return
    absolute = (a - b)[finite].abs().max().item()
    scale = b[finite].abs().max().item()
    found.errors.append(LeafError(path, absolute, scale))


def _type(tensor: torch.Tensor) -> str:
    sizes: Sequence[int] = tuple(tensor.shape)
    return f"{str(tensor.dtype).removeprefix('torch.')}{list(sizes)}"
