# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Attributes that hold values of other kinds from call to call: None before the first call, a tensor after it.

Such an attribute is a choice that enters the program and leaves it: a tag, and the tensors of every alternative, all of
them state. Which kinds there are is found by running the model again with those that it has been seen to leave, until
there are no new ones.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch

from dycl.frontend.joining import constant, remapped
from dycl.frontend.kinds import MAX_ALTERNATIVES, MISSING, alternatives, difference, fitted, leaves, number_type
from dycl.frontend.recorder import Recorder, outside_modes
from dycl.frontend.state import FrozenChoice, FrozenNode, FrozenTensor, freeze, thaw
from dycl.frontend.values import Choice, Number, Unusable

_DTYPES = {bool: torch.bool, int: torch.int64, float: torch.float64}


class _Number:
    """A Python number in a kind: a value that depends on data."""

    def __init__(self, type_: type) -> None:
        self.type = type_


@dataclass(frozen=True, eq=False)
class AttributeKinds:
    """An attribute, and the kinds of values that it holds, the one from before the first call in front.

    Attributes:
        kinds: nested values in which a real tensor stands for any of its dtype and shape.
    """

    owner: Any
    attribute: str
    name: str
    kinds: tuple[Any, ...]

    @property
    def key(self) -> tuple[int, str]:
        return id(self.owner), self.attribute


def with_kinds(attribute: AttributeKinds, known: Sequence[Any], found: Sequence[Any]) -> AttributeKinds | None:
    """The attribute with the kinds of frozen values that a run left in it.

    Args:
        attribute: with the kinds that are known.
        known: frozen values of these kinds.
        found: frozen values, of these kinds or others.

    Returns:
        None if there are too many kinds, or a program cannot keep one of them.
    """
    seen, kinds = list(known), list(attribute.kinds)
    for value in found:
        if all(difference(other, value) is not None for other in seen):
            seen.append(value)
            kinds.append(_kind(value))
    if len(kinds) > MAX_ALTERNATIVES or any(kind is MISSING for kind in kinds):
        return None
    return replace(attribute, kinds=tuple(kinds))


def _kind(value: Any) -> Any:
    number = number_type(value)
    if number is not None:
        return _Number(number)
    if isinstance(value, FrozenTensor):
        if any(isinstance(size, torch.SymInt) for size in value.raw.shape):  # pyright: ignore[reportUnnecessaryIsInstance]
            return MISSING
        with outside_modes():
            return torch.zeros(tuple(value.raw.shape), dtype=value.raw.dtype)
    if isinstance(value, FrozenNode):
        items = [_kind(item) for item in value.items]
        return MISSING if any(item is MISSING for item in items) else value.rebuild(items)
    return value if value is None or isinstance(value, str) else MISSING


class StateOfKinds:
    """Such an attribute in one run.

    Args:
        attribute: which it is.
        recorder: where the run is recorded.
        new_input: makes an input of the program, of a name and an initial value; gives the recorded tensor.
    """

    def __init__(
        self,
        attribute: AttributeKinds,
        recorder: Recorder,
        new_input: Callable[[str, torch.Tensor], torch.Tensor],
    ) -> None:
        self.attribute = attribute
        self._recorder = recorder
        first = getattr(attribute.owner, attribute.attribute)
        self.inputs: list[torch.Tensor] = []

        def made(initial: torch.Tensor) -> torch.Tensor:
            self.inputs.append(new_input(f"{attribute.name}.kind{len(self.inputs) or ''}", initial))
            return self.inputs[-1]

        def value(kind: Any) -> Any:
            if isinstance(kind, torch.Tensor):
                return recorder.wrap(made(kind))
            if isinstance(kind, _Number):
                initial = first if type(first) is kind.type else kind.type()
                with outside_modes():
                    tensor = torch.tensor(initial, dtype=_DTYPES[kind.type])
                return Number(recorder.wrap(made(tensor)), kind.type)
            node = freeze(kind, recorder)
            return node.rebuild([value(thaw(item)) for item in node.items]) if isinstance(node, FrozenNode) else kind

        with outside_modes():
            zero = torch.tensor(0)
        tag = made(zero)
        values = tuple(value(kind) for kind in attribute.kinds)
        self.value = Unusable(
            f"`{attribute.name}` is of another kind in later calls, and is used",
            "give it its final form in `__init__`; where it is a cache, call the model once before compiling",
            None,
            choice=Choice(tag, values),
        )
        self._kind = FrozenChoice(None, 0, tuple(freeze(v, recorder) for v in values))

    def widened(self, now: Any) -> AttributeKinds | None:
        """The attribute with the kinds of the frozen value that a run left in it as well; see `with_kinds`."""
        return with_kinds(self.attribute, self._kind.values, alternatives(now))

    def fits(self, now: Any) -> bool:
        """Whether a frozen value is of the known kinds."""
        return difference(self._kind, now) is None

    def tensors(self, now: Any) -> list[torch.Tensor]:
        """The new state for a frozen value of the known kinds, in the order of `inputs`."""
        recorder = self._recorder
        as_choice = fitted(now, self._kind, lambda tag, table: remapped(recorder, tag, table))

        def raw(leaf: Any, kind: Any) -> torch.Tensor:
            if leaf is MISSING:
                return recorder.poison(kind.raw)
            return leaf.raw if isinstance(leaf, FrozenTensor) else constant(recorder, thaw(leaf))

        return [raw(leaf, kind) for leaf, kind in leaves(as_choice, self._kind)]
