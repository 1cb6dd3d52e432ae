# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Joining two traced sides: one `cond` node, and values that are made of its results."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import fx
from torch._subclasses.functional_tensor import FunctionalTensor

from dycl.frontend.paths import Site
from dycl.frontend.recorder import COND, Recorder
from dycl.frontend.state import UNDEFINED, FrozenContents, FrozenNode, FrozenTensor, freeze, thaw
from dycl.frontend.values import DisagreementError, Number, PythonNumber, Unusable, same_constant


def constant(recorder: Recorder, value: PythonNumber) -> torch.Tensor:
    """A recorded 0-d tensor (bool, i64, f64) with a known value, in the current graph."""
    return freeze(Number.of(value), recorder).raw


@dataclass(eq=False)
class JoinedObject:
    """A list, dict or dataclass that a join made of one from each side."""

    value: Any
    originals: list[Any]
    site: int | None

    references = 3
    """How many references an original has that only this object knows: the list's, and two of a check's."""


class Join:
    """The `cond` node that joins two sides: collects pairs of tensors, then rebuilds values from its results."""

    def __init__(self, recorder: Recorder, site: Site) -> None:
        self._recorder = recorder
        self.site = site
        self._pairs: list[tuple[torch.Tensor, torch.Tensor]] = []
        self._index: dict[tuple[int, int], int] = {}
        self._rebuilt: dict[tuple[int, int], JoinedObject] = {}
        self._made: dict[tuple[int, int], tuple[FunctionalTensor, tuple[Any, Any]]] = {}

    def _result(self, a: torch.Tensor, b: torch.Tensor) -> int:
        key = (id(a), id(b))
        if key not in self._index:
            self._index[key] = len(self._pairs)
            self._pairs.append((a, b))
        return self._index[key]

    def plan(self, a: Any, b: Any, what: str) -> Callable[[list[torch.Tensor]], Any]:
        """How to make the joined value of the frozen `a` (then) and `b` (else), once the results are there."""
        if a is b or thaw(a) is thaw(b):
            same = thaw(a)
            return lambda _: same
        if isinstance(a, FrozenTensor) and isinstance(b, FrozenTensor):
            return self._plan_tensors(a, b, what)
        number = self._plan_numbers(a, b)
        if number is not None:
            return number
        if isinstance(a, (FrozenNode, FrozenContents)) and type(a) is type(b) and same_shape(a, b):
            plans = [self.plan(x, y, what) for x, y in zip(a.items, b.items, strict=True)]
            if isinstance(a, FrozenContents) or isinstance(a.original, tuple):
                return lambda results: a.rebuild([p(results) for p in plans])
            return self._rebuilding(a, b, plans)
        if isinstance(a, FrozenContents) and isinstance(b, FrozenContents):
            raise DisagreementError(
                f"{what} holds {len(a.items)} items after one side of the condition and {len(b.items)} after the other",
                hint="append on both sides, or write into a tensor of fixed size",
                location=self.site.location,
                site=self.site.number,
            )
        if same_constant(a, b):
            return lambda _: a
        unusable = self._unusable(a, b, what)
        return lambda _: unusable

    def _rebuilding(
        self, a: FrozenNode, b: FrozenNode, plans: list[Callable[[list[torch.Tensor]], Any]]
    ) -> Callable[[list[torch.Tensor]], Any]:
        """How to make the joined list, dict or dataclass; variables that are one on both sides stay one."""
        key = (id(a.original), id(b.original))

        def rebuild(results: list[torch.Tensor]) -> Any:
            if key not in self._rebuilt:
                value = a.rebuild([p(results) for p in plans])
                self._rebuilt[key] = JoinedObject(value, [a.original, b.original], self.site.number)
            return self._rebuilt[key].value

        return rebuild

    @property
    def objects(self) -> list[JoinedObject]:
        """The lists, dicts and dataclasses that were made."""
        return list(self._rebuilt.values())

    def _plan_tensors(self, a: FrozenTensor, b: FrozenTensor, what: str) -> Callable[[list[torch.Tensor]], Any]:
        kinds = [v.original.type if isinstance(v.original, Number) else None for v in (a, b)]
        alike = kinds[0] is kinds[1] and a.raw.dtype == b.raw.dtype and a.raw.shape == b.raw.shape
        if not alike:
            unusable = self._unusable(a, b, what)
            return lambda _: unusable
        index = self._result(a.raw, b.raw)
        recorder = self._recorder
        kind = kinds[0]
        if kind is not None:
            return lambda results: Number(recorder.wrap(results[index]), kind)
        originals = (a.original, b.original)
        key = (id(originals[0]), id(originals[1]))

        def rebuild(results: list[torch.Tensor]) -> FunctionalTensor:
            # Two variables that are one tensor on both sides are one tensor afterwards.
            if key not in self._made:
                self._made[key] = (recorder.wrap(results[index]), originals)
            return self._made[key][0]

        return rebuild

    def _plan_numbers(self, a: Any, b: Any) -> Callable[[list[torch.Tensor]], Any] | None:
        """Two Python numbers of one type, at least one of them constant, become a number that depends on data."""
        kinds = [number_type(v) for v in (a, b)]
        if kinds[0] is None or kinds[0] is not kinds[1] or same_constant(a, b):
            return None
        kind = kinds[0]
        raws = [v.raw if isinstance(v, FrozenTensor) else constant(self._recorder, v) for v in (a, b)]
        index = self._result(raws[0], raws[1])
        return lambda results: Number(self._recorder.wrap(results[index]), kind)

    def _unusable(self, a: Any, b: Any, what: str) -> Unusable:
        for value in (thaw(a), thaw(b)):
            if isinstance(value, Unusable):
                return value
        return Unusable(
            f"{what} is {describe(a)} if the condition holds and {describe(b)} if not, and is used after that",
            "give it the same type, dtype and shape on both sides",
            self.site.location,
            self.site.number,
        )

    def raw(self, a: torch.Tensor, b: torch.Tensor) -> Callable[[list[torch.Tensor]], torch.Tensor]:
        index = self._result(a, b)
        return lambda results: results[index]

    def note_aliases(self) -> None:
        """Notes what the joined tensors share storage with on one of the sides; to be called when all are made."""
        made = list(self._made.values())
        storages = [[_storage(t) for t in originals] for _, originals in made]
        for i, (joined, originals) in enumerate(made):
            for original in originals:
                if isinstance(original, FunctionalTensor):
                    self._recorder.note_alias(joined, original, self.site.number)
            for j, (other, _) in enumerate(made):
                if i != j and any(a is not None and a is b for a, b in zip(storages[i], storages[j], strict=True)):
                    self._recorder.note_alias(joined, other, self.site.number)

    def emit(self, predicate: torch.Tensor, then: fx.Graph, orelse: fx.Graph) -> list[torch.Tensor]:
        """Records the node in the current graph."""
        recorder = self._recorder
        then.output(tuple(recorder.node_of(a) for a, _ in self._pairs))
        orelse.output(tuple(recorder.node_of(b) for _, b in self._pairs))
        results = recorder.emit(
            COND,
            (recorder.node_of(predicate),),
            [a for a, _ in self._pairs],
            branches=(then, orelse),
            location=self.site.location,
        )
        return list(results)


def same_shape(a: FrozenNode | FrozenContents, b: FrozenNode | FrozenContents) -> bool:
    if isinstance(a, FrozenNode) and isinstance(b, FrozenNode):
        return a.kind == b.kind
    return len(a.items) == len(b.items) and a.contents.keys == b.contents.keys  # type: ignore[union-attr]


def number_type(value: Any) -> type | None:
    value = thaw(value)
    if isinstance(value, Number):
        return value.type
    return type(value) if type(value) in (bool, int, float) else None


def describe(value: Any) -> str:
    """A value as an error message says it: "a tensor f32[2, 3]", "None", "a Python int"."""
    value = thaw(value) if not isinstance(value, FrozenContents) else value.contents
    if isinstance(value, Unusable):
        return "unusable"
    if isinstance(value, torch.Tensor):
        return f"a tensor {str(value.dtype).removeprefix('torch.')}{list(value.shape)}"
    if isinstance(value, Number):
        return f"a Python {value.type.__name__}"
    if value is UNDEFINED:
        return "undefined"
    if value is None or isinstance(value, bool):
        return str(value)
    if isinstance(value, (int, float, str)):
        return f"the {type(value).__name__} {value!r}"
    if isinstance(value, (tuple, list, dict)):
        return f"a {type(value).__name__} of {len(value)}"
    return f"an object of type {type(value).__name__}"


def _storage(tensor: Any) -> Any:
    return tensor.untyped_storage() if isinstance(tensor, FunctionalTensor) else None


class Missing:
    """The value of a side that does not have one."""


MISSING = Missing()


def map_frozen(value: Any, function: Callable[[FrozenTensor], Any]) -> Any:
    """A frozen value with each frozen tensor replaced by another."""
    if isinstance(value, FrozenTensor):
        return function(value)
    if isinstance(value, FrozenNode):
        items = tuple(map_frozen(v, function) for v in value.items)
        fresh = value.rebuild([thaw(v) for v in items])
        return FrozenNode(fresh, value.keys, items)
    return value
