# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""What a model looks up once and remembers: a dict of functions by their types, a backend that was found.

A place that holds something else after the call is state. Where neither what it held nor what it holds now depends on
data, the model is captured a second time with the place as the first left it, as in a second call: if that changes
nothing more, and gives the same program, the place is a memo, and the program is right in the first call and in all
others.
"""

from __future__ import annotations

import copy
import types
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import fx

from dycl.errors import UnsupportedConstructError
from dycl.frontend.graph import CapturedProgram, all_graphs
from dycl.frontend.recorder import nested_graphs
from dycl.frontend.rows import Rows
from dycl.frontend.state import UNDEFINED, Contents, Location
from dycl.frontend.values import Number, Unusable

_OF_DATA = (torch.Tensor, Number, Unusable, Rows, torch.SymInt, torch.SymBool, torch.SymFloat)
_PLAIN = (str, bytes, int, float, complex, type(None), type, types.ModuleType, types.BuiltinFunctionType)
_MAX_OBJECTS = 10_000


@dataclass(frozen=True)
class Memo:
    """A place that may be a memo.

    Attributes:
        location: where it is.
        values: what it holds after a call; several where paths leave objects of their own there.
        inside: the places in objects that it holds and the call made, with what they hold after it.
        refusal: the error if it is none.
    """

    location: Location
    values: tuple[Any, ...]
    inside: tuple[tuple[Location, Any], ...]
    refusal: UnsupportedConstructError


def memo_of(
    location: Location, old: Any, now: Any, refusal: UnsupportedConstructError, written: Iterable[Location]
) -> Memo | None:
    """A place as a memo, if it can be one: it held less before the call, and nothing that depends on data after it.

    Args:
        location: the place.
        old: what it held before the call.
        now: what it holds after it.
        refusal: the error if it is none.
        written: all places that the call wrote.
    """
    if isinstance(old, Contents) and isinstance(now, Contents):
        if not _has_grown(old, now):
            return None
    elif old is not None and old is not UNDEFINED:
        return None
    values = _values(now)
    held = _held(values)
    if held is None:
        return None
    inside = [place for place in written if id(getattr(place, "owner", None)) in held]
    return Memo(location, values, tuple((place, place.get()) for place in inside), refusal)


def _values(now: Any) -> tuple[Any, ...]:
    """What a place holds, on each path that leaves something of its own there."""
    if not isinstance(now, Contents):
        return _alternatives(now)
    options = [_alternatives(item) for item in now.items]
    found: list[Contents] = []
    for number in range(max(map(len, options), default=1)):
        contents = copy.copy(now)
        contents.items = [option[min(number, len(option) - 1)] for option in options]
        found.append(contents)
    return tuple(found)


def _alternatives(value: Any) -> tuple[Any, ...]:
    made = Unusable.choice(value) if isinstance(value, Unusable) else None
    return made.values if made is not None else (value,)


def _has_grown(old: Contents, now: Contents) -> bool:
    if not old.items and not now.items:  # sets
        return not old.keys or not now.keys or old.keys[0] <= now.keys[0]
    places = dict(zip(now.indices, now.items, strict=True))
    return all(place in places and places[place] is item for place, item in zip(old.indices, old.items, strict=True))


def _held(value: Any) -> dict[int, Any] | None:
    """The objects that can be reached from a value, by id; None if one depends on data, or there are too many."""
    stack, seen = [value], dict[int, Any]()
    while stack:
        one = stack.pop()
        if isinstance(one, _OF_DATA) or len(seen) > _MAX_OBJECTS:
            return None
        if isinstance(one, _PLAIN) or id(one) in seen:
            continue
        seen[id(one)] = one
        stack.extend(_parts(one))
    return seen


def _parts(value: Any) -> Iterator[Any]:
    if isinstance(value, Contents):
        yield from (*value.keys, *value.items)
    elif isinstance(value, dict):
        yield from (*value.keys(), *value.values())
    elif isinstance(value, (list, tuple, set, frozenset)):
        yield from value
    elif isinstance(value, types.MethodType):
        yield from (value.__self__, value.__func__)
    elif isinstance(value, types.FunctionType):
        yield from (value.__defaults__ or ())
        yield from (value.__kwdefaults__ or {}).values()
        yield from (cell.cell_contents for cell in value.__closure__ or () if _is_bound(cell))
    else:
        yield from getattr(value, "__dict__", {}).values()
        slots = (name for cls in type(value).__mro__ for name in _slots(cls))
        yield from (getattr(value, name) for name in slots if hasattr(value, name))


def _is_bound(cell: types.CellType) -> bool:
    try:
        return cell.cell_contents is not None
    except ValueError:
        return False


def _slots(cls: type) -> Sequence[str]:
    slots = vars(cls).get("__slots__", ())
    return (slots,) if isinstance(slots, str) else tuple(slots)


@contextmanager
def filled(memos: Sequence[Memo], number: int) -> Generator[None]:
    """Memos hold what they do after a call, of several things that with a number; afterwards, what they did before."""
    places = [place for memo in memos for place in memo.inside]
    places += [(memo.location, memo.values[min(number, len(memo.values) - 1)]) for memo in _united(memos)]
    before = [(location, location.get()) for location, _ in places]
    try:
        for location, value in places:
            location.set(value)
        yield
    finally:
        for location, value in reversed(before):
            location.set(value)


def _united(memos: Sequence[Memo]) -> list[Memo]:
    """One memo a place: of those that several paths leave there, what all of them hold."""
    found: dict[Any, Memo] = {}
    for memo in memos:
        other = found.setdefault(memo.location.key, memo)
        if other is not memo:
            found[memo.location.key] = replace(other, values=tuple(_union(v, memo.values[0]) for v in other.values))
    return list(found.values())


def _union(one: Any, other: Any) -> Any:
    if not isinstance(one, Contents) or not isinstance(other, Contents):
        return one
    united = copy.copy(one)
    if one.items or other.items:
        places = {**dict(zip(other.keys, other.items, strict=True)), **dict(zip(one.keys, one.items, strict=True))}
        united.keys, united.items = tuple(places), list(places.values())
    else:
        united.keys = (frozenset[Any]().union(*one.keys, *other.keys),)
    return united


def same_program(a: CapturedProgram, b: CapturedProgram) -> bool:
    """Whether two captures of one model gave the same: signature, weights, and op by op the graph."""
    return (
        a.signature == b.signature
        and list(a.parameters) == list(b.parameters)
        and list(a.state) == list(b.state)
        and _is_same_graph(a.graph.body, b.graph.body)
    )


def _is_same_graph(a: fx.Graph, b: fx.Graph) -> bool:
    numbers: dict[fx.Node, int] = {}
    for graph in (a, b):
        nodes = [node for inner in all_graphs(graph) for node in inner.nodes]
        numbers.update({node: number for number, node in enumerate(nodes)})

    def described(node: fx.Node) -> Any:
        place = fx.map_arg((node.args, node.kwargs), lambda n: f"value {numbers[n]}")
        target = node.target if node.op != "placeholder" else None  # A placeholder's is its name.
        return node.op, target, repr(place), [[described(n) for n in inner.nodes] for inner in nested_graphs(node)]

    return [described(node) for node in a.nodes] == [described(node) for node in b.nodes]
