# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Of what kind a frozen value is, and a kind that fits values of several.

Two values are of one kind if one graph can carry both: tensors of one dtype and rank, Python numbers of one type,
equal constants, containers of such. Where they are not, the kind that fits both is a choice of alternatives.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterator
from typing import Any, TypeGuard

import torch
from torch import nn

from dycl.frontend.entries import Entries
from dycl.frontend.rows import Rows
from dycl.frontend.sizes import sizes_text
from dycl.frontend.state import UNDEFINED, FrozenChoice, FrozenContents, FrozenNode, FrozenTensor, thaw
from dycl.frontend.values import Number, Unusable, same_constant

MAX_ALTERNATIVES = 4
"""How many kinds one variable may have at one place in the program."""


class Missing:
    """The value of a path that does not have one."""


MISSING = Missing()

_PLAIN = (bool, int, float, str, bytes, slice, range, complex, type, enum.Enum)
_STABLE = (*_PLAIN, torch.dtype, torch.device, torch.Size, nn.Module)
"""Constants that every tracing of the same code finds the same."""


def number_type(value: Any) -> type | None:
    value = thaw(value)
    if isinstance(value, Number):
        return value.type
    return type(value) if type(value) in (bool, int, float) else None


def same_shape(a: FrozenNode | FrozenContents, b: FrozenNode | FrozenContents) -> bool:
    if isinstance(a, FrozenNode) and isinstance(b, FrozenNode):
        return a.kind == b.kind and _form_of_rows(a) == _form_of_rows(b)
    return len(a.items) == len(b.items) and a.contents.keys == b.contents.keys  # type: ignore[union-attr]


def _form_of_rows(value: FrozenNode) -> Any:
    """Of a list whose length depends on data: how its items are nested, and of what type they are."""
    held = value.items[0] if len(value.items) == 1 else None
    return held.keys if isinstance(held, FrozenNode) and isinstance(held.original, Rows) else None


def is_list(value: Any) -> TypeGuard[FrozenNode | FrozenContents]:
    """Whether a frozen value is a list, or the contents of one."""
    if isinstance(value, FrozenContents):
        return not value.contents.keys
    return isinstance(value, FrozenNode) and type(value.original) is list


def _both_nodes(a: Any, b: Any) -> bool:
    """Whether they are containers of one type, with as many items under the same keys."""
    return isinstance(a, (FrozenNode, FrozenContents)) and type(a) is type(b) and same_shape(a, b)


def alternatives(value: Any) -> tuple[Any, ...]:
    """What a frozen value may be: itself, or each value of a choice."""
    return value.values if isinstance(value, FrozenChoice) else (value,)


def difference(before: Any, after: Any) -> tuple[str, str] | None:
    """Where two frozen values are not of one kind: both, described. A choice takes what any alternative takes."""
    if isinstance(before, FrozenChoice):
        unfit = [a for a in alternatives(after) if all(difference(b, a) for b in before.values)]
        return (describe(before), describe(unfit[0])) if unfit else None
    kinds = (number_type(before), number_type(after))
    if kinds[0] is not None or kinds[1] is not None:
        return None if kinds[0] is kinds[1] else (describe(before), describe(after))
    if isinstance(before, FrozenTensor) and isinstance(after, FrozenTensor):
        # A size that differs is dynamic.
        alike = before.raw.dtype == after.raw.dtype and before.raw.dim() == after.raw.dim()
        return None if alike else (describe(before), describe(after))
    if isinstance(before, (FrozenNode, FrozenContents)) and _both_nodes(before, after):
        found = (difference(x, y) for x, y in zip(before.items, after.items, strict=True))
        return next((f for f in found if f is not None), None)
    if thaw(before) is thaw(after) or same_constant(before, after):
        return None
    return describe(before), describe(after)


def alike(a: Any, b: Any) -> bool:
    """Whether two alternatives are one: of one kind, or containers whose items are of other kinds."""
    return _both_nodes(a, b) or difference(a, b) is None


def unified(a: Any, b: Any) -> Any:
    """A frozen value of a kind that fits both; only its kind counts. `MISSING` where there is none."""
    if difference(a, b) is None:
        return a
    if _both_nodes(a, b):
        items = tuple(unified(x, y) for x, y in zip(a.items, b.items, strict=True))
        if MISSING in items:
            return MISSING
        return FrozenNode(a.original, a.keys, items) if isinstance(a, FrozenNode) else FrozenContents(a.contents, items)
    if isinstance(a, FrozenContents):
        return MISSING
    merged = list(alternatives(a))
    for value in alternatives(b):
        index = next((i for i, known in enumerate(merged) if alike(known, value)), None)
        if index is None:
            merged.append(value)
        else:
            merged[index] = unified(merged[index], value)
    fits = len(merged) <= MAX_ALTERNATIVES and all(map(is_carriable, merged))
    return FrozenChoice(None, 0, tuple(merged)) if fits else MISSING


def is_carriable(value: Any) -> bool:
    """Whether a loop can carry a frozen value: it is made of tensors, numbers, and constants that stay the same."""
    if isinstance(value, (FrozenNode, FrozenContents)):
        return all(map(is_carriable, value.items))
    if isinstance(value, FrozenChoice):
        return all(map(is_carriable, value.values))
    return isinstance(value, (FrozenTensor, *_STABLE)) or value is None or value is UNDEFINED


def has_choice(value: Any) -> bool:
    """Whether there is a choice in a frozen value."""
    if isinstance(value, (FrozenNode, FrozenContents)):
        return any(map(has_choice, value.items))
    return isinstance(value, FrozenChoice)


def index_among(value: Any, kinds: tuple[Any, ...]) -> int:
    """Which of the kinds a frozen value is of."""
    return next(i for i, kind in enumerate(kinds) if alike(kind, value))


def fitted(value: Any, kind: Any, remap: Callable[[Any, list[int]], Any]) -> Any:
    """A frozen value in the form of `kind`, which fits it: as a choice, with `MISSING` alternatives, where that is one.

    Args:
        value: what is fitted.
        kind: see `unified`.
        remap: gives the tag of a choice, when tag i becomes `table[i]`: called with the tag and the table.
    """
    if _both_nodes(value, kind):
        items = tuple(fitted(v, k, remap) for v, k in zip(value.items, kind.items, strict=True))
        return (
            FrozenNode(value.original, value.keys, items)
            if isinstance(value, FrozenNode)
            else FrozenContents(value.contents, items)
        )
    if not isinstance(kind, FrozenChoice):
        return value
    found: list[Any] = [MISSING] * len(kind.values)
    table = [index_among(v, kind.values) for v in alternatives(value)]
    for index, alternative in zip(table, alternatives(value), strict=True):
        found[index] = fitted(alternative, kind.values[index], remap)
    tag = remap(value.tag, table) if isinstance(value, FrozenChoice) else table[0]
    return FrozenChoice(thaw(value), tag, tuple(found))


def leaves(value: Any, kind: Any) -> Iterator[tuple[Any, Any]]:
    """The tensors and numbers of a kind, each with what a fitted value has there (`MISSING`, or frozen)."""
    if isinstance(kind, (FrozenNode, FrozenContents)):
        items = [MISSING] * len(kind.items) if value is MISSING else value.items
        for item, inner in zip(items, kind.items, strict=True):
            yield from leaves(item, inner)
    elif isinstance(kind, FrozenChoice):
        yield (MISSING if value is MISSING else _as_frozen(value.tag)), 0
        values = [MISSING] * len(kind.values) if value is MISSING else value.values
        for item, inner in zip(values, kind.values, strict=True):
            yield from leaves(item, inner)
    elif isinstance(kind, FrozenTensor) or number_type(kind) is not None:
        yield value, kind


def tensors_in(value: Any) -> list[torch.Tensor]:
    """The tensors in a frozen value, as user code has them."""
    if isinstance(value, (FrozenNode, FrozenContents)):
        return [t for item in value.items for t in tensors_in(item)]
    if isinstance(value, FrozenChoice):
        return [t for item in value.values for t in tensors_in(item)]
    original = thaw(value)
    return [original] if isinstance(original, torch.Tensor) else []


def is_object(frozen: Any) -> bool:
    """Whether a frozen value is of a list, dict, set or dataclass, which can be written to in place."""
    is_constant = (tuple, frozenset, Rows, Entries)
    return isinstance(frozen, FrozenNode) and not isinstance(frozen.original, is_constant)


def has_objects(frozen: Any) -> bool:
    """Whether there is any in a frozen value."""
    if isinstance(frozen, (FrozenNode, FrozenContents)):
        return is_object(frozen) or any(map(has_objects, frozen.items))
    return isinstance(frozen, FrozenChoice) and any(map(has_objects, frozen.values))


def objects(value: Any, kind: Any) -> Iterator[Any]:
    """The lists, dicts, sets and dataclasses of a kind, as a fitted value has them there; None where it has none."""
    if isinstance(kind, (FrozenNode, FrozenContents)):
        if is_object(kind):
            yield None if value is MISSING else thaw(value)
        items = [MISSING] * len(kind.items) if value is MISSING else value.items
        for item, inner in zip(items, kind.items, strict=True):
            yield from objects(item, inner)
    elif isinstance(kind, FrozenChoice):
        values = [MISSING] * len(kind.values) if value is MISSING else value.values
        for item, inner in zip(values, kind.values, strict=True):
            yield from objects(item, inner)


def _as_frozen(tag: torch.Tensor | int) -> FrozenTensor | int:
    return tag if isinstance(tag, int) else FrozenTensor(tag, tag)


def map_frozen(value: Any, function: Callable[[FrozenTensor], Any]) -> Any:
    """A frozen value with each frozen tensor replaced by another."""
    if isinstance(value, FrozenTensor):
        return function(value)
    if isinstance(value, FrozenNode):
        items = tuple(map_frozen(v, function) for v in value.items)
        fresh = value.rebuild([thaw(v) for v in items])
        return FrozenNode(fresh, value.keys, items)
    if isinstance(value, FrozenChoice):
        tag = map_frozen(_as_frozen(value.tag), function)
        tag = tag.raw if isinstance(tag, FrozenTensor) else tag
        values = tuple(map_frozen(v, function) for v in value.values)
        return FrozenChoice(value.rebuild(tag, [thaw(v) for v in values]), tag, values)
    return value


def describe(value: Any) -> str:
    """A value as an error message says it: "a tensor f32[2, 3]", "None", "a Python int"."""
    if isinstance(value, FrozenChoice):
        return " or ".join(map(describe, value.values))
    if isinstance(value, FrozenNode) and isinstance(value.original, (tuple, list, dict)):
        return f"a {type(value.original).__name__} of {len(value.items)}"
    value = thaw(value) if not isinstance(value, FrozenContents) else value.contents
    if isinstance(value, Unusable):
        choice = Unusable.choice(value)
        return " or ".join(map(describe, choice.values)) if choice is not None else "unusable"
    if isinstance(value, torch.Tensor):
        return f"a tensor {str(value.dtype).removeprefix('torch.')}{sizes_text(value.shape)}"
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
