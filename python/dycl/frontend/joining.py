# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Joining two traced sides: one `cond` node, and values that are made of its results."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import sympy
import torch
from torch import fx
from torch._subclasses.functional_tensor import FunctionalTensor
from torch.utils import _pytree as pytree

from dycl.frontend.entries import Entries, is_static_count, made_of, refuse_kinds
from dycl.frontend.graph import all_graphs
from dycl.frontend.joined_objects import JoinedObject
from dycl.frontend.kinds import (
    MAX_ALTERNATIVES,
    MISSING,
    alike,
    alternatives,
    describe,
    is_list,
    map_frozen,
    number_type,
    objects,
    same_shape,
    tensors_in,
)
from dycl.frontend.recorder import COND, Recorder
from dycl.frontend.rows import Rows, common_layout, gathered, has_rows, note_same
from dycl.frontend.size_numbers import as_number
from dycl.frontend.sizes import expression, is_same_if, is_static, same_size
from dycl.frontend.state import (
    UNDEFINED,
    FrozenChoice,
    FrozenContents,
    FrozenNode,
    FrozenTensor,
    freeze,
    refreshed,
    thaw,
)
from dycl.frontend.values import (
    Choice,
    DisagreementError,
    LengthDisagreementError,
    Number,
    PythonNumber,
    Site,
    Unusable,
    same_constant,
)


def constant(recorder: Recorder, value: PythonNumber) -> torch.Tensor:
    """A recorded 0-d tensor (bool, i64, f64) with a known value, in the current graph."""
    return freeze(Number.of(value), recorder).raw


def remapped(recorder: Recorder, tag: torch.Tensor | int, table: list[int]) -> torch.Tensor | int:
    """The tag of a choice, when its alternative i becomes `table[i]`."""
    if isinstance(tag, int):
        return table[tag]
    if table == list(range(len(table))):
        return tag
    old = recorder.wrap(tag)
    new = torch.full((), table[-1], dtype=torch.int64)
    for index, target in enumerate(table[:-1]):
        new = torch.where(old == index, target, new)
    return freeze(new, recorder).raw


Plan = Callable[[list[torch.Tensor]], Any]
"""Makes a value of the results of the join."""


class Join:
    """The `cond` node that joins two sides: collects pairs of tensors, then rebuilds values from its results.

    Args:
        recorder: where it is recorded.
        site: the condition.
        graphs: of the side where it holds, and of the other.
        makes_rows: a list that is longer on one side becomes one whose length depends on data.
        flags: for each side, the recorded bools that say on its end that it has raised, out of the program. What it
            would have made after that is undefined then; of any other jump, what it leaves is read where it lands.
    """

    def __init__(
        self,
        recorder: Recorder,
        site: Site,
        graphs: tuple[fx.Graph, fx.Graph],
        *,
        makes_rows: bool = False,
        flags: tuple[Sequence[torch.Tensor], Sequence[torch.Tensor]] = ((), ()),
    ) -> None:
        self._recorder = recorder
        self.site = site
        self._graphs = graphs
        self._makes_rows = makes_rows
        self._flags = flags
        self._pairs: list[tuple[torch.Tensor, torch.Tensor]] = []
        self._index: dict[tuple[int, int], int] = {}
        self._poisons: dict[int, torch.Tensor] = {}
        self._rebuilt: dict[tuple[int, int], JoinedObject] = {}
        self._made: dict[tuple[int, int], tuple[FunctionalTensor, tuple[Any, Any]]] = {}
        self.in_rows: list[tuple[Any, bool]] = []
        """The lists, dicts and the like that became rows, or slots of a dict, each with what the condition is there."""
        self.sited: Callable[[Any], Any] = lambda choice: choice
        """What becomes of a choice that is made, also of one in a container."""

    def _result(self, a: torch.Tensor, b: torch.Tensor) -> int:
        key = (id(a), id(b))
        if key not in self._index:
            self._index[key] = len(self._pairs)
            self._pairs.append((a, b))
        return self._index[key]

    def plan(self, a: Any, b: Any, what: str) -> Plan:
        """How to make the joined value of the frozen `a` (then) and `b` (else), once the results are there."""
        if a is b or thaw(a) is thaw(b):
            same = thaw(a)
            return lambda _: same
        if any(isinstance(value, torch.SymInt) for value in (a, b)):
            if isinstance(a, torch.SymInt) and isinstance(b, torch.SymInt) and same_size(a, b):
                return lambda _: a
            a, b = (self._outside(value, graph) for value, graph in zip((a, b), self._graphs, strict=True))
        if a is MISSING or b is MISSING:
            # The side never gets here with this value.
            return self.plan(self._poison(b) if a is MISSING else a, self._poison(a) if b is MISSING else b, what)
        if isinstance(a, FrozenTensor) and isinstance(b, FrozenTensor):
            return self._plan_tensors(a, b, what)
        if isinstance(a, FrozenContents) and isinstance(b, FrozenContents) and not same_shape(a, b):
            a = _seen_by_nobody(a, b)
            b = _seen_by_nobody(b, a)
        number = self._plan_numbers(a, b)
        if number is not None:
            return number
        if is_list(a) and is_list(b) and _forms_of_rows(a) != _forms_of_rows(b):
            rows = self.plan_rows(a, b, what)
            if rows is not None:
                return rows
        entries = self._plan_entries(a, b, what)
        if entries is not None:
            return entries
        if isinstance(a, (FrozenNode, FrozenContents)) and type(a) is type(b) and same_shape(a, b):
            plans = [self.plan(x, y, what) for x, y in zip(a.items, b.items, strict=True)]
            if isinstance(a, FrozenContents) or isinstance(a.original, (tuple, Rows)):
                return lambda results: a.rebuild([p(results) for p in plans])
            assert isinstance(b, FrozenNode)
            return self._rebuilding(a, b, plans)
        rows = self.plan_rows(a, b, what)
        if rows is not None:
            return rows
        if isinstance(a, FrozenContents) and isinstance(b, FrozenContents):
            error = LengthDisagreementError if not a.contents.keys and not b.contents.keys else DisagreementError
            raise error(
                f"{what} holds {len(a.contents)} items after one side of the condition and {len(b.contents)} after the "
                f"other{', under other keys' if len(a.contents) == len(b.contents) else ''}",
                hint="append on both sides, or write into a tensor of fixed size",
                location=self.site.location,
                site=self.site,
            )
        if same_constant(a, b):
            return lambda _: a
        return self._plan_choice(a, b, what)

    def _all_graphs(self) -> set[fx.Graph]:
        """The graphs of both sides, with those in them."""
        return {graph for side in self._graphs for graph in all_graphs(side)}

    def _is_made_here(self, size: Any) -> bool:
        """Whether a size is made of one that is known on one of the sides only."""
        return self._recorder.sizes.is_made_in(size, self._all_graphs())

    def _outside(self, value: Any, graph: fx.Graph) -> Any:
        """A side's value; a size that is made on that side as a number, which the branch can give."""
        if not isinstance(value, torch.SymInt) or not self._recorder.sizes.is_made_in(value, set(all_graphs(graph))):
            return value
        with self._recorder.into(graph):
            return freeze(as_number(value), self._recorder)

    def _plan_entries(self, a: Any, b: Any, what: str) -> Plan | None:
        """A set or dict that holds keys on data on one side, or more slots for them: it has them on both."""
        if not isinstance(a, (FrozenNode, FrozenContents)) or type(a) is not type(b):
            return None
        if any(item is MISSING for item in (*a.items, *b.items)):
            return None
        sides = [_entries_of(side) for side in (a, b)]
        if all(side is None for side in sides) or (isinstance(a, FrozenNode) and type(thaw(a)) is not type(thaw(b))):
            return None
        like: Any = next(side for side in sides if side is not None)
        made: list[Entries] = []
        for side, known, graph in zip((a, b), sides, self._graphs, strict=True):
            with self._recorder.into(graph), self._recorder.sizes.of_another_path():
                form = refreshed(like, self._recorder)
                if known is not None:
                    made.append(refreshed(known, self._recorder))
                elif isinstance(side, FrozenContents) and side.contents.keys and not side.items:
                    made.append(made_of(list(side.contents.keys[0]), None, form))
                else:
                    keys = side.contents.keys if isinstance(side, FrozenContents) else side.keys
                    values = [refreshed(v, self._recorder) for v in side.items]
                    made.append(made_of(keys, None if form.values is None else values, form))
        least = min(entries.keys.least for entries in made)
        if all(map(is_static_count, made)):
            count = max(int(entries.is_there.shape[0]) for entries in made)
            for i, graph in enumerate(self._graphs):
                with self._recorder.into(graph), self._recorder.sizes.of_another_path():
                    made[i] = made[i].padded(count)
        self._note_in_rows(a, b)
        frozen = [freeze(entries.at_least(least), self._recorder) for entries in made]
        if not same_shape(frozen[0], frozen[1]):
            refuse_kinds()
        plans = [self.plan(x, y, what) for x, y in zip(frozen[0].items, frozen[1].items, strict=True)]
        holder = a if sides[0] is not None else b
        return lambda results: holder.rebuild([made[0].at_least(least).with_stacks([p(results) for p in plans])])

    def plan_rows(self, a: Any, b: Any, what: str) -> Plan | None:
        """A list that is longer on one side, where `makes_rows`: a list whose length depends on data."""
        if not is_list(a) or not is_list(b):
            return None
        if not (self._makes_rows or _holds_rows(a) or _holds_rows(b)):
            return None
        graphs = self._all_graphs()

        def varies(size: Any) -> bool:
            return self._recorder.sizes.varies_beside(size, graphs)

        sides: list[Rows] = []
        for side, other, graph, flags in zip((a, b), (b, a), self._graphs, self._flags, strict=True):
            with self._recorder.into(graph), self._recorder.sizes.of_another_path():
                items = [refreshed(v, self._recorder) for v in side.items]
                like = refreshed(other.items[-1], self._recorder) if other.items else None
                rows = gathered_unless(self._recorder, self.site, flags, items, like, varies)
            if rows is None:
                return None
            sides.append(rows)
        layout = common_layout(sides)
        if layout is None:
            return None
        for i, graph in enumerate(self._graphs):
            with self._recorder.into(graph), self._recorder.sizes.of_another_path():
                sides[i] = sides[i].laid_out(layout)
        least = min(rows.least for rows in sides)
        frozen = [freeze(Rows(r.form, r.stacks, least), self._recorder) for r in sides]
        if not same_shape(frozen[0], frozen[1]):
            return None
        plan = self.plan(frozen[0], frozen[1], what)
        items = [*a.items, *b.items]
        self._note_in_rows(a, b)

        def rebuild(results: list[torch.Tensor]) -> Any:
            made = plan(results)
            for item in items:
                before = thaw(item).tensors() if type(thaw(item)) is Rows else tensors_in(item)
                note_same(made.tensors(), before)
            return a.rebuild([made])

        return rebuild

    def _note_in_rows(self, a: FrozenNode | FrozenContents, b: FrozenNode | FrozenContents) -> None:
        for side, holds in ((a, True), (b, False)):
            self.in_rows += [(owner, holds) for item in side.items for owner in objects(item, item)]

    def _plan_choice(self, a: Any, b: Any, what: str) -> Plan:
        """Two values of different kinds: refused if used, but it is known which of them it is."""
        refused = self._unusable(a, b, what)
        kinds = list(alternatives(a))
        for value in alternatives(b):
            if not any(alike(kind, value) for kind in kinds):
                kinds.append(value)
        if len(kinds) > MAX_ALTERNATIVES or any(isinstance(thaw(k), Unusable) for k in kinds):
            unusable = Unusable.with_choice(refused, None)
            return lambda _: unusable
        sides = [self._spread(v, kinds, graph) for v, graph in zip((a, b), self._graphs, strict=True)]
        tag = self._plan_tags(sides[0].tag, sides[1].tag)
        values = [self.plan(x, y, what) for x, y in zip(sides[0].values, sides[1].values, strict=True)]
        # Of what was a choice already, the tag tells more than one condition.
        is_first = not isinstance(a, FrozenChoice) and not isinstance(b, FrozenChoice)
        site = self.site if is_first else Site(None, -1, self.site.location)
        return lambda results: self.sited(
            Unusable.with_choice(refused, Choice(tag(results), tuple(value(results) for value in values)), site)
        )

    def _plan_tags(self, a: torch.Tensor | int, b: torch.Tensor | int) -> Plan:
        if a is b or (isinstance(a, int) and isinstance(b, int) and a == b):
            return lambda _: a
        raws = [constant(self._recorder, tag) if isinstance(tag, int) else tag for tag in (a, b)]
        return self.raw(raws[0], raws[1])

    def _spread(self, value: Any, kinds: list[Any], graph: fx.Graph) -> FrozenChoice:
        """A side's value as a choice of all the kinds, with `MISSING` for those that it never is of."""
        found: list[Any] = [MISSING] * len(kinds)
        table = [next(i for i, k in enumerate(kinds) if alike(k, v)) for v in alternatives(value)]
        for index, alternative in zip(table, alternatives(value), strict=True):
            found[index] = alternative
        with self._recorder.into(graph):
            tag = remapped(self._recorder, value.tag, table) if isinstance(value, FrozenChoice) else table[0]
        return FrozenChoice(thaw(value), tag, tuple(found))

    def _poison(self, value: Any) -> Any:
        """A frozen value of the same kind as another, that no path reads."""

        def leaf(tensor: FrozenTensor) -> FrozenTensor:
            # Two variables that are one tensor on the side that has it stay one.
            if id(tensor.raw) not in self._poisons:
                self._poisons[id(tensor.raw)] = self._recorder.poison(tensor.raw)
            raw, original = self._poisons[id(tensor.raw)], tensor.original
            # Another object than the original: for a join the two sides must not be the same value.
            return FrozenTensor(raw, Number(original.tensor, original.type) if isinstance(original, Number) else raw)

        return self._without_own_sizes(map_frozen(value, leaf))

    def _without_own_sizes(self, value: Any) -> Any:
        """A value of no path, without the sizes in it that the other side has made."""
        if isinstance(value, torch.SymInt):
            return MISSING if self._is_made_here(value) else value
        if isinstance(value, (FrozenNode, FrozenContents, FrozenChoice)):
            parts = value.values if isinstance(value, FrozenChoice) else value.items
            if any(isinstance(part, (torch.SymInt, FrozenNode, FrozenChoice)) for part in parts):
                parts = tuple(map(self._without_own_sizes, parts))
                name = "values" if isinstance(value, FrozenChoice) else "items"
                return dataclasses.replace(value, **{name: parts})
        return value

    def _rebuilding(self, a: FrozenNode, b: FrozenNode, plans: list[Plan]) -> Plan:
        """How to make the joined list, dict or dataclass; variables that are one on both sides stay one."""
        key = (id(a.original), id(b.original))

        def rebuild(results: list[torch.Tensor]) -> Any:
            if key not in self._rebuilt:
                value = a.rebuild([p(results) for p in plans])
                self._rebuilt[key] = JoinedObject([value], [a.original, b.original], self.site)
            return self._rebuilt[key].values[0]

        return rebuild

    @property
    def objects(self) -> list[JoinedObject]:
        """The lists, dicts and dataclasses that were made."""
        return list(self._rebuilt.values())

    def _plan_tensors(self, a: FrozenTensor, b: FrozenTensor, what: str) -> Plan:
        kinds = [v.original.type if isinstance(v.original, Number) else None for v in (a, b)]
        same = kinds[0] is kinds[1] and a.raw.dtype == b.raw.dtype and a.raw.dim() == b.raw.dim()
        if not same:
            return self._plan_choice(a, b, what)
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

    def _plan_numbers(self, a: Any, b: Any) -> Plan | None:
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
        is_bound = a is not UNDEFINED and b is not UNDEFINED
        return Unusable(
            f"{what} is {describe(a)} if the condition holds and {describe(b)} if not, and is used after that",
            "give it the same type, dtype and shape on both sides"
            if is_bound
            else "assign it on both sides, or before the condition",
            self.site.location,
            self.site,
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
                    self._recorder.note_alias(joined, original, self.site)
            for j, (other, _) in enumerate(made):
                if i != j and any(a is not None and a is b for a, b in zip(storages[i], storages[j], strict=True)):
                    self._recorder.note_alias(joined, other, self.site)

    def emit(self, predicate: torch.Tensor, then: fx.Graph, orelse: fx.Graph) -> list[torch.Tensor]:
        """Records the node in the current graph."""
        recorder = self._recorder
        then.output(tuple(recorder.node_of(a) for a, _ in self._pairs))
        orelse.output(tuple(recorder.node_of(b) for _, b in self._pairs))
        results = recorder.emit(
            COND,
            (recorder.node_of(predicate),),
            [a for a, _ in self._pairs],
            self._shapes(recorder.sizes.noted.get(recorder.node_of(predicate))),
            branches=(then, orelse),
            location=self.site.location,
        )
        return list(results)

    def _shapes(self, condition: Any) -> list[list[Any]]:
        """The shapes of the results: a size on which the sides differ is dynamic.

        Args:
            condition: on sizes, which the predicate tells; None if it is another.
        """
        sizes = self._recorder.sizes
        merged: dict[tuple[Any, Any], Any] = {}

        def merge(a: Any, b: Any) -> Any:
            if same_size(a, b):
                return a
            # `1 if n == 1 else n`
            if isinstance(condition, sympy.Eq) and is_same_if(condition, a, b) and not self._is_made_here(b):
                return b
            if isinstance(condition, sympy.Ne) and is_same_if(condition, b, a) and not self._is_made_here(a):
                return a
            key = (expression(a), expression(b))
            if key not in merged:
                merged[key] = sizes.fresh(self.site, min(sizes.at_least(a), sizes.at_least(b)))
            return merged[key]

        return [[merge(x, y) for x, y in zip(a.shape, b.shape, strict=True)] for a, b in self._pairs]


def gathered_unless(
    recorder: Recorder,
    site: Site,
    flags: Sequence[torch.Tensor],
    items: Sequence[Any],
    like: Any = None,
    varies: Callable[[Any], bool] = lambda _: False,
) -> Rows | None:
    """The items of a list as rows, as `gathered` makes them, unless a flag holds: the items are undefined then.

    They are not computed with there, where they have no sizes either.
    """
    is_one = len(items) == 1 and type(items[0]) is Rows
    if not flags or not items or is_one or not any(map(_is_of_data_sizes, items)):
        return gathered(items, like, varies)
    raises = recorder.wrap(flags[0])
    for flag in flags[1:]:
        raises = raises.logical_or(recorder.wrap(flag))
    predicate = freeze(Number(raises, bool), recorder).raw
    graphs = recorder.new_graph(), recorder.new_graph()
    with recorder.into(graphs[1]), recorder.sizes.of_another_path():
        rows = gathered(items, like, varies)
        frozen = freeze(rows, recorder)
    if rows is None:
        return None
    join = Join(recorder, site, graphs)
    plan = join.plan(MISSING, frozen, "a list")
    rows = plan(join.emit(predicate, *graphs))
    join.note_aliases()
    return rows


def _is_of_data_sizes(item: Any) -> bool:
    leaves = item.stacks if type(item) is Rows else pytree.tree_leaves(item, is_leaf=lambda v: isinstance(v, Number))
    return any(isinstance(leaf, torch.Tensor) and not all(map(is_static, leaf.shape)) for leaf in leaves)


def _seen_by_nobody(value: FrozenContents, other: FrozenContents) -> FrozenContents:
    """The contents of a container; where a side never gets here with any of them, as many as the other side's."""
    if not value.items or any(item is not MISSING for item in value.items):
        return value
    return FrozenContents(other.contents, (MISSING,) * len(other.items))


def _forms_of_rows(value: FrozenNode | FrozenContents) -> list[Any]:
    return [v.original.form for v in value.items if isinstance(v, FrozenNode) and type(v.original) is Rows]


def _holds_rows(value: FrozenNode | FrozenContents) -> bool:
    return has_rows([thaw(v) for v in value.items])


def _storage(tensor: Any) -> Any:
    return tensor.untyped_storage() if isinstance(tensor, FunctionalTensor) else None


def _entries_of(value: FrozenNode | FrozenContents) -> Any:
    """The frozen keys on data in a frozen set or dict; None where it has none."""
    return next((v for v in value.items if isinstance(v, FrozenNode) and isinstance(v.original, Entries)), None)
