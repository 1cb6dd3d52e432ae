# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Loops: unrolled where Python decides, and one loop with its carried values where data does."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import fx
from torch._subclasses.functional_tensor import FunctionalTensor

from dycl.errors import SourceLocation, UnsupportedConstructError
from dycl.frontend.entries import Entries, made_of
from dycl.frontend.exceptions import Exceptions
from dycl.frontend.graph import all_graphs
from dycl.frontend.holders import is_made_elsewhere
from dycl.frontend.joined_objects import JoinedObject
from dycl.frontend.joining import constant, gathered_unless, remapped
from dycl.frontend.kinds import (
    MISSING,
    alternatives,
    difference,
    fitted,
    has_choice,
    has_objects,
    index_among,
    is_list,
    leaves,
    map_frozen,
    number_type,
    objects,
    tensors_in,
    unified,
)
from dycl.frontend.locations import here
from dycl.frontend.memory import CarriedTensor, Origin, Write, refusal
from dycl.frontend.paths import Deferred, Scope, Side, Signal
from dycl.frontend.recorder import COND, WHILE, Recorder, graph_outputs
from dycl.frontend.rows import Rows, gathered, has_rows, note_in_rows
from dycl.frontend.sizes import expression, same_size, same_sizes
from dycl.frontend.state import (
    UNDEFINED,
    AttributeLocation,
    CellLocation,
    ContainerLocation,
    Contents,
    Delta,
    ForeignLocation,
    FrozenChoice,
    FrozenContents,
    FrozenNode,
    FrozenTensor,
    ItemLocation,
    Location,
    Snapshot,
    TensorLocation,
    freeze,
    refreshed,
    thaw,
)
from dycl.frontend.values import Choice, Number, SharedObjectError, Site, Unusable, same_constant

MAX_UNROLLED = 100_000
"""How many iterations of a loop that Python decides are unrolled at most."""

MAX_LOOP_ROUNDS = 8
"""How often a loop body is traced at most until its loop-carried values are stable."""


class Loops(Exceptions):
    """Adds loops."""

    # Loops -----------------------------------------------------------------------------------------------------------

    def for_(
        self,
        source: list[Iterator[Any]],
        body: Callable[[Any], Signal | None],
        orelse: Callable[[], Signal | None] | None,
        cells: Sequence[CellLocation],
    ) -> Signal | None:
        """A `for` over what Python iterates: unrolled.

        Args:
            source: the iterator. It is taken out at the end, so that dycl does not hold it where paths meet.
            body, orelse: what is run, given an item, and at the end.
            cells: the variables that they may write.
        """

        def step() -> Callable[[], Signal | None] | None:
            for item in source[0]:
                return lambda: body(item)
            return None

        return self._unrolled(step, orelse, cells, at_end=source.clear)

    def while_(
        self,
        test: Callable[[], Any],
        body: Callable[[], Signal | None],
        orelse: Callable[[], Signal | None] | None,
        cells: Sequence[CellLocation],
        *,
        truth: Callable[[Any], bool],
        endless: bool = False,
    ) -> Signal | None:
        """A `while`: unrolled as long as Python decides its test, and a loop from the first test on data on.

        Args:
            truth: Python's truth of a test that is not on data.
            endless: the test is a constant that holds (`while True`): the loop is one on data as soon as an iteration
                could leave it on data, for else it would be unrolled without end.
        """
        is_loop = False

        def step() -> Callable[[], Signal | None] | None:
            nonlocal is_loop
            value = test()
            predicate = self.predicate(value)
            if predicate is None and not truth(value):
                return None
            if predicate is None and not (endless and self._exits_on_data(test, body)):
                return body
            is_loop = True
            loop = Loop(test, body, truth, has_else=orelse is not None)
            return lambda: self._dynamic_while(predicate, loop)

        return self._unrolled(step, orelse, cells, is_last=lambda: is_loop)

    def _exits_on_data(self, test: Callable[[], Any], body: Callable[[], Signal | None]) -> bool:
        """Whether an iteration from the state as it is can leave the loop, or not, depending on data."""
        return self._trace_loop_body(test, body, {}, self._snapshot(), set()).exits_on_data

    def _unrolled(
        self,
        step: Callable[[], Callable[[], Signal | None] | None],
        orelse: Callable[[], Signal | None] | None,
        cells: Sequence[CellLocation],
        is_last: Callable[[], bool] = lambda: False,
        at_end: Callable[[], None] = lambda: None,
    ) -> Signal | None:
        with self.writing(cells):
            with self._scope("break") as loop:
                target, value = loop, None
                exhausted, rounds = False, 0
                while True:
                    rounds += 1
                    if rounds > MAX_UNROLLED:
                        raise UnsupportedConstructError(
                            f"a loop that Python decides runs more than {MAX_UNROLLED} times while it is unrolled",
                            hint="make its condition depend on a tensor, or do the loop with tensor operations",
                            location=here(),
                        )
                    with self._scope("continue") as iteration:
                        run = step()
                        if run is None:
                            exhausted = True
                            break
                        goal, value = self._follow(run, iteration)
                        goal, value = self._land(iteration, goal, value)
                    if goal is not iteration:
                        target = goal
                        break
                    if is_last():
                        exhausted = True
                        break
            at_end()
            if exhausted and orelse is not None:
                # The else clause is outside the loop: a `break` there leaves the loop around this one.
                target, value = self._follow(orelse, loop)
            target, value = self._land(loop, target, value)
            return None if target is loop else self._signal(target, value)

    def _dynamic_while(self, first: torch.Tensor | None, loop: Loop, *, is_peeled: bool = False) -> Signal | None:
        """A loop on data, from the state as it is.

        Args:
            first: its first test; None where it always holds.
            loop: its parts.
            is_peeled: its first iteration has been traced apart.
        """
        recorded = self._record_loop(first, loop, is_peeled=is_peeled)
        if recorded is None:
            return self._peel(first, loop)
        deferred, breaks = recorded
        if first is None and deferred and not breaks:
            # `while True` without a `break`: one of the jumps is taken, so the last need not be asked for.
            *deferred, last = deferred
            self._refork(deferred)
            return self._signal(last.target, thaw(last.value))
        self._refork(deferred)
        return None

    def _peel(self, first: torch.Tensor | None, loop: Loop) -> Signal | None:
        """Traces the first iteration apart, for what it writes in place has other names; then the others."""

        def run() -> Signal | None:
            with self._scope("continue") as iteration:
                goal, value = self._follow(loop.body, iteration)
                goal, value = self._land(iteration, goal, value)
            if goal is not iteration:
                return self._signal(goal, value)
            if first is None:
                return self._dynamic_while(None, loop, is_peeled=True)
            value = loop.test()
            predicate = self.predicate(value)
            if predicate is None and not loop.truth(value):
                return None
            return self._dynamic_while(self.constant(True) if predicate is None else predicate, loop, is_peeled=True)

        return run() if first is None else self.if_(first, run, lambda: None, ())

    def _record_loop(
        self, first: torch.Tensor | None, loop: Loop, *, is_peeled: bool, rounds: int = 0
    ) -> tuple[list[Deferred], bool] | None:
        """Records the loop; gives the jumps that leave it to beyond it, and whether some path breaks.

        Gives None where the first iteration is to be traced apart. `rounds` counts how often lists were found to grow.
        """
        location = here()
        snapshot = self._snapshot()
        # After a `break` the `else` clause is left out: a jump to the end of the whole statement.
        end = next(s for s in reversed(self._scopes) if s.kind == "break") if loop.has_else else None
        carried: dict[tuple[Any, ...], Carried] = {}
        fresh: dict[tuple[Any, ...], Carried] = {}
        shrinking: set[Any] = set()
        joined = self.joined.mark()
        for _ in range(MAX_LOOP_ROUNDS):
            self.joined.forget(joined)
            try:
                traced = self._trace_loop_body(loop.test, loop.body, carried, snapshot, shrinking, end)
            except SharedObjectError as error:
                if is_peeled or error.site is not None:
                    raise
                snapshot.undo()
                return None
            if rounds < MAX_LOOP_ROUNDS and self._make_rows(traced.delta, snapshot, traced.graph):
                return self._record_loop(first, loop, is_peeled=is_peeled, rounds=rounds + 1)
            fresh = self._newly_carried(traced.delta, carried, snapshot, location)
            carried.update(fresh)
            # Sizes only once the kinds are known, which tell how the values before and after compare.
            if not fresh:
                is_wider = self._widen_sizes(carried, traced.delta)
                if not self._find_shrinking(carried, traced.delta, shrinking) and not is_wider:
                    break
        else:
            names = ", ".join(place.place.name for place in fresh.values()) or "the sizes of this loop's variables"
            raise UnsupportedConstructError(
                f"{names}: not of a stable kind after {MAX_LOOP_ROUNDS} rounds of tracing this loop",
                hint="give each variable its final type before the loop",
                location=location,
            )
        tensors = self._carried_tensors(traced, carried, snapshot)
        conflict = self._conflict(tensors, traced, carried, snapshot)
        if conflict is not None and is_peeled:
            raise refusal(conflict)
        if conflict is not None:
            return None
        return self._emit_loop(first, traced, carried, snapshot, location, tensors), traced.breaks

    def _carried_tensors(
        self, traced: LoopBody, carried: Mapping[tuple[Any, ...], Carried], snapshot: Snapshot
    ) -> list[CarriedTensor]:
        tensors: list[CarriedTensor] = []
        for key, place in carried.items():
            left = place.left(self.recorder, traced.delta[key][1] if key in traced.delta else place.init)
            tensors.extend(CarriedTensor(origin, left[index]) for index, origin in place.origins.items())
        self.recorder.functional.memory.find_held(tensors, [t.untyped_storage() for t in snapshot.tensors()])
        return tensors

    def _conflict(
        self,
        tensors: Sequence[CarriedTensor],
        traced: LoopBody,
        carried: Mapping[tuple[Any, ...], Carried],
        snapshot: Snapshot,
    ) -> Write | None:
        """A write in the body that another name of the same tensor would have to see."""
        if not traced.writes:
            return None
        # As in the body, the places do not hold what they hold before the loop.
        for place in carried.values():
            if isinstance(place.place, (CellLocation, AttributeLocation, ItemLocation)):
                snapshot.write(place.place, None)
        functional = self.recorder.functional
        found = functional.memory.conflict(tensors, traced.writes, list(functional.live.values()))
        snapshot.undo()
        return found

    def _make_rows(self, delta: Delta, snapshot: Snapshot, body: fx.Graph) -> bool:
        """Makes rows of the items of the lists that an iteration makes longer; says whether there are any."""
        found = False
        graphs = set(all_graphs(body))
        for place, after in delta.values():
            if hasattr(place, "owner") and is_made_elsewhere(place):
                continue  # the iteration makes it
            if isinstance(place, ItemLocation):
                # As long as before, but of rows: an inner loop made it longer.
                grows = isinstance(after, FrozenNode) and isinstance(after.original, Rows)
                place, example = ContainerLocation.of(place.owner), after
            else:
                grows = is_list(after) and bool(after.items)
                example = after.items[-1] if grows else None
            before = snapshot.base(place)
            if (
                isinstance(before, Contents)
                and isinstance(after, FrozenContents)
                and self._make_entries(place, before, after, snapshot)
            ):
                found = True
                continue
            items: Any = before.items if isinstance(before, Contents) else before
            if (
                not grows
                or type(items) is not list
                or (len(items) == 1 and has_rows(items) and not _differs(items, example))
            ):
                continue
            if not isinstance(example, FrozenNode) or not isinstance(example.original, Rows):
                now = [thaw(v) for v in after.items]
                is_longer = len(now) > len(items) and all(map(_is_same, items, now))
                grows = is_longer or has_rows(now)
            if not grows:
                continue
            rows = gathered(items, self._example(example), lambda size: self.recorder.sizes.varies_beside(size, graphs))
            if rows is not None and not (len(items) == 1 and items[0] is rows):
                note_in_rows(items)
                value: Any = [rows]
                snapshot.write(place, Contents(value) if isinstance(before, Contents) else value)
                if not isinstance(before, Contents):
                    self.joined.add(JoinedObject([value], [before], Site(None, -1, here()), is_of_loop=True))
                found = True
        return found

    def _make_entries(self, place: Any, before: Contents, after: FrozenContents, snapshot: Snapshot) -> bool:
        """Makes entries of what a set or dict holds that an iteration puts keys on data into; says whether it did."""
        grown = next((v for v in after.items if isinstance(v, FrozenNode) and isinstance(v.original, Entries)), None)
        if grown is None or any(isinstance(v, Entries) for v in before.items):
            return False
        is_dict = grown.original.values is not None
        keys = list(before.keys) if is_dict else list(before.keys[0] if before.keys else ())
        made = made_of(keys, before.items if is_dict else None, self._example(grown))
        fresh = object.__new__(Contents)
        fresh.keys, fresh.items = after.contents.keys, [made.at_least(len(keys))]
        snapshot.write(place, fresh)
        return True

    def _example(self, frozen: Any) -> Any:
        """A value of the form of a frozen one, of tensors without contents: its graph is given up."""

        def leaf(tensor: FrozenTensor) -> FrozenTensor:
            raw = self.recorder.poison(tensor.raw)
            return FrozenTensor(raw, tensor.original)

        return refreshed(map_frozen(frozen, leaf), self.recorder)

    def _gather_rows(self, snapshot: Snapshot, flags: Sequence[torch.Tensor]) -> None:
        """At the end of an iteration: joins what was appended to a list of rows to them."""
        for place, after in list(snapshot.delta().values()):
            if not is_list(after) or len(after.items) < 2:
                continue
            now = place.get()
            items: list[Any] = now.items if isinstance(now, Contents) else now
            site = Site(None, -1, here())
            rows = gathered_unless(self.recorder, site, flags, items) if has_rows(items) else None
            if rows is not None:
                note_in_rows(items)
                value: Any = [rows]
                snapshot.write(place, Contents(value) if isinstance(now, Contents) else value)

    def _trace_loop_body(
        self,
        test: Callable[[], Any],
        body: Callable[[], Signal | None],
        carried: dict[tuple[Any, ...], Carried],
        snapshot: Snapshot,
        shrinking: set[Any],
        end: Scope | None = None,
    ) -> LoopBody:
        """Traces an iteration from what the loop carries.

        Args:
            test, body: of the loop.
            carried: what the loop carries.
            snapshot: the state before the loop.
            shrinking: the groups of sizes that may become less than they are at first.
            end: where a `break` goes, if not to after the loop.
        """
        outer, first_fork, learnt = self.recorder.graph, len(self._forks), self.recorder.sizes.learnt()
        self._depth += 1
        self._loops_around += 1
        graph = self.recorder.graph = self.recorder.new_graph()
        start = Site(None, -1, here())
        exits, breaks = False, False

        def iteration() -> Side:
            nonlocal exits, breaks
            for place in carried.values():
                if place.settle(self.recorder, snapshot, self.settle):
                    self._note_objects(place, (), start)
            forks = len(self._forks)
            with self._scope("break") as loop, self._scope("continue") as iteration:
                goal, value = self._run(body)
                goal, value = self._land(iteration, goal or iteration, value)
                exits = exits or len(self._forks) > forks
                if end is None:
                    breaks = breaks or goal is loop or any(f.parked.target is loop for f in self._forks[forks:])
                # Every path falls out of the body with the next condition; one that jumps, with a condition that does
                # not hold, and a jump to beyond the loop is deferred until after it.
                if goal is iteration:
                    open_side = Side(self.recorder.graph, {}, None, self._test(test))
                else:
                    open_side = self._as_last_iteration(Side(self.recorder.graph, {}, goal, value), loop, end)
                for fork in self._forks[forks:]:
                    with self.recorder.into(fork.parked.graph):
                        fork.parked = self._as_last_iteration(fork.parked, loop, end)
                return self._collapse(forks, None, open_side.value, None, open_side.deferred)

        try:
            with self._new_context(), self.recorder.writes() as writes:
                first = self._first_sizes(carried)
                floors = {group: 0 if group in shrinking else low for group, low in first.items()}
                shared = {group: self.recorder.sizes.fresh(low=low) for group, low in floors.items()}
                for place in carried.values():
                    place.begin(self.recorder, snapshot, shared)
                    self._note_objects(place, (), start)
                side = self._apart(iteration)
                self._gather_rows(snapshot, side.flags_of_raising())
            condition = side.value.raw
            unfailed = self._unless_failed(graph, condition)
            delta = snapshot.delta_by_item()
        finally:
            self._depth -= 1
            self._loops_around -= 1
            del self._forks[first_fork:]
            self.recorder.graph = outer
            self.recorder.sizes.forget(learnt)
        snapshot.undo()
        return LoopBody(graph, condition, unfailed, delta, side.deferred, exits, breaks, writes)

    def _unless_failed(self, graph: fx.Graph, condition: torch.Tensor) -> torch.Tensor:
        """A loop's next condition, and that no check of eager's has failed in its body, which is still open.

        Eager leaves the loop there. What goes on with the nearest row instead may never come to its end.
        """
        failure: Any = self.checks.failure if self.checks is not None else None
        if failure is None:
            return condition
        node = self.recorder.node_of(self.recorder.unwrap(failure))
        if node.graph is not graph or node.op == "placeholder":
            return condition  # Nothing is checked in the body.
        has_none = failure.select(0, 0) == 0
        still: Any = torch.logical_and(self.recorder.wrap(condition), has_none)
        return self.recorder.unwrap(still)

    def _as_last_iteration(self, side: Side, loop: Scope, end: Scope | None) -> Side:
        """A side that leaves the loop, as one that ends its iteration with a condition that does not hold."""
        stop = freeze(Number.of(False), self.recorder)
        if side.target is loop and end is None:
            return Side(side.graph, side.delta, None, stop, side.deferred)
        assert side.target is not None
        target = end if side.target is loop and end is not None else side.target
        jump = Deferred(self.constant(True), target, freeze(side.value, self.recorder))
        return Side(side.graph, side.delta, None, stop, [*side.deferred, jump])

    def _test(self, test: Callable[[], Any]) -> Number:
        value = test()
        predicate = self.predicate(value)
        return Number.of(bool(value)) if predicate is None else Number(self.recorder.wrap(predicate), bool)

    def _newly_carried(
        self,
        delta: Delta,
        carried: dict[tuple[Any, ...], Carried],
        snapshot: Snapshot,
        location: SourceLocation | None,
    ) -> dict[tuple[Any, ...], Carried]:
        """The places that the body changes and that are not carried yet, or not as what they become."""
        # What belongs to objects that the iteration makes is part of their value.
        for key in [k for k in delta if k not in carried and hasattr(delta[k][0], "owner")]:
            if is_made_elsewhere(delta[key][0]):
                del delta[key]
        fresh: dict[tuple[Any, ...], Carried] = {}
        for key, (place, value) in delta.items():
            known = carried.get(key)
            if known is not None:
                wider = known.widened(value, location)
                if wider is not None:
                    fresh[key] = wider
                continue
            if isinstance(value, (bool, int, float, str, type(None))) and same_constant(snapshot.base(place), value):
                continue
            if isinstance(place, ForeignLocation):
                raise UnsupportedConstructError(
                    f"{place.name} is changed in a loop on a tensor, which cannot carry it",
                    hint="keep a list of tensors instead",
                    location=location,
                )
            init = freeze(snapshot.base(place), self.recorder)
            first = Carried(place, init, init)
            fresh[key] = first.widened(value, location) or first
        return fresh

    def _widen_sizes(self, carried: Mapping[tuple[Any, ...], Carried], delta: Delta) -> bool:
        """Makes the sizes that an iteration changes dynamic; says whether the body has to be traced again for that.

        Sizes that are equal at first, and after an iteration, are one size: the keys and the values of a cache.
        """
        changes = [place.sizes_after(delta[key][1]) for key, place in carried.items() if key in delta]
        groups: dict[Any, set[Any]] = {}
        for change in changes:
            for group, after in change.values():
                groups.setdefault(group, set()).add(after)
        wider = [place.widen_sizes(delta[key][1], groups) for key, place in carried.items() if key in delta]
        return any(wider)

    def _first_sizes(self, carried: Mapping[tuple[Any, ...], Carried]) -> dict[Any, int]:
        """What the sizes of each group of those that change are at least before the loop."""
        found: dict[Any, int] = {}
        for place in carried.values():
            for group, size in place.first_sizes():
                low = self.recorder.sizes.at_least(size)
                found[group] = min(low, found.get(group, low))
        return found

    def _find_shrinking(self, carried: Mapping[tuple[Any, ...], Carried], delta: Delta, shrinking: set[Any]) -> bool:
        """Adds the groups of sizes that an iteration may make less than they are at first; says whether there are any.

        The body is traced with each size at least what it is at first, which holds in all iterations if an iteration
        keeps it so.
        """
        count = len(shrinking)
        first = self._first_sizes(carried)
        for key, place in carried.items():
            if key not in delta:
                continue
            for where, (_, now) in place.sizes_after(delta[key][1]).items():
                group = place.dynamic[where]
                if self.recorder.sizes.at_least(now) < first[group]:
                    shrinking.add(group)
        return len(shrinking) > count

    def _note_objects(self, place: Carried, afters: Sequence[Any], site: Site) -> None:
        """Notes what the lists, dicts and dataclasses in a place may be: of before the loop, or of an iteration."""
        taken = self._sides_taken()
        for value, originals in place.objects(self.recorder, afters):
            self.joined.add(JoinedObject([value], originals, site, taken, is_of_loop=True))

    def _note_shared_storage(self, carried: Mapping[tuple[Any, ...], Carried], delta: Delta) -> None:
        """Notes which of the loop's results share storage after an iteration: one is a view of the other."""
        tensors = [
            pair
            for key, place in carried.items()
            if key in delta and place.unusable is None and not isinstance(place.place, TensorLocation)
            for pair in place.tensors_after(self.recorder, delta[key][1])
        ]
        for result, original in tensors:
            for other, other_original in tensors:
                if result is not other and original.untyped_storage() is other_original.untyped_storage():
                    self.recorder.note_alias(result, other, None)

    def _emit_loop(
        self,
        first: torch.Tensor | None,
        traced: LoopBody,
        carried: dict[tuple[Any, ...], Carried],
        snapshot: Snapshot,
        location: SourceLocation | None,
        tensors: Sequence[CarriedTensor],
    ) -> list[Deferred]:
        """Records the loop, applies what it changes, and gives the jumps that leave it to beyond it."""
        recorder = self.recorder
        inits: list[torch.Tensor] = []
        nexts: list[torch.Tensor] = []
        for key, place in carried.items():
            after = traced.delta[key][1] if key in traced.delta else place.init
            inits.extend(place.tensors(self.recorder, place.init))
            with recorder.into(traced.graph):
                nexts.extend(place.tensors(self.recorder, after))
        jumps: list[tuple[int, list[FrozenTensor]]] = []
        for jump in traced.deferred:
            # Whether, and with what, a path leaves the loop to beyond it: carried, but never read inside.
            start = len(inits)
            leaves: list[FrozenTensor] = []
            map_frozen(jump.value, lambda t, leaves=leaves: leaves.append(t) or t)
            inits.extend([self.constant(False), *(recorder.poison(t.raw) for t in leaves)])
            nexts.extend([jump.flag, *(t.raw for t in leaves)])
            with recorder.into(traced.graph):
                for raw in (jump.flag, *(t.raw for t in leaves)):
                    recorder.placeholder("unread", raw)
            jumps.append((start, leaves))
        condition, next_nodes = recorder.node_of(traced.condition), [recorder.node_of(n) for n in nexts]
        if traced.unfailed is not traced.condition and not _is_counted(condition, traced.graph, next_nodes):
            condition = recorder.node_of(traced.unfailed)
        traced.graph.output((condition, *next_nodes))
        runs = first is None
        first = self.constant(True) if first is None else first
        args = (recorder.node_of(first), *(recorder.node_of(i) for i in inits))
        # What the body takes are its placeholders, where a size that changes is a symbol of the body.
        shapes = [n.meta["val"].shape for n in traced.graph.nodes if n.op == "placeholder"]
        results: list[torch.Tensor] = list(
            recorder.emit(WHILE, args, inits, shapes, body=traced.graph, location=location)
        )
        remaining, end = list(results), Site(None, -1, location)
        for key, place in carried.items():
            after = traced.delta[key][1] if key in traced.delta else place.init
            place.finish(self.recorder, remaining, snapshot, after if runs else None, self.settle)
            self._note_objects(place, (after,), end)
        self._note_shared_storage(carried, traced.delta)
        held = {id(t.origin): t.held for t in tensors}
        for place in carried.values():
            place.note_held(recorder, held)
        deferred: list[Deferred] = []
        for (start, leaves), jump in zip(jumps, traced.deferred, strict=True):
            raws = iter(results[start + 1 : start + 1 + len(leaves)])
            value = map_frozen(jump.value, lambda t, raws=raws: _thawed(next(raws), t, recorder))
            if isinstance(value, FrozenChoice):
                value = freeze(self.settle(value.original, range(len(value.values))), recorder)
            deferred.append(Deferred(results[start], jump.target, value))
        return deferred


def _is_counted(condition: fx.Node, body: fx.Graph, nexts: Sequence[fx.Node]) -> bool:
    """Whether a loop ends by numbers that only depend on one another, such as a counter, whatever else it computes."""
    placeholders = (node for node in body.nodes if node.op == "placeholder")
    next_of = dict(zip(placeholders, nexts, strict=True))
    inside = {id(graph) for graph in all_graphs(body)}
    counts, todo, seen = False, [condition], set[fx.Node]()
    while todo:
        node = todo.pop()
        if node in seen or id(node.graph) not in inside:
            continue  # What comes from outside does not change.
        seen.add(node)
        if node.op == "placeholder":
            if node not in next_of:
                return False
            counts = True
            todo.append(next_of[node])
        elif node.target is operator.getitem and node.args[0].target is COND:  # type: ignore[union-attr]
            owner, index = node.args
            todo.extend(graph_outputs(branch)[index] for branch in owner.meta["branches"])  # type: ignore[union-attr, index]
        elif node.target is operator.getitem or any(map(_has_dimensions, node.all_input_nodes)):
            return False
        else:
            todo.extend(node.all_input_nodes)
    return counts


def _has_dimensions(node: fx.Node) -> bool:
    value = node.meta["val"]
    return isinstance(value, torch.Tensor) and value.dim() > 0


def _thawed(raw: torch.Tensor, like: FrozenTensor, recorder: Recorder) -> FrozenTensor:
    wrapped = recorder.wrap(raw)
    if isinstance(like.original, Number):
        return FrozenTensor(raw, Number(wrapped, like.original.type))
    return FrozenTensor(raw, wrapped)


@dataclass(frozen=True)
class Loop:
    """The parts of a `while`; `truth` is Python's truth of a test that is not on data."""

    test: Callable[[], Any]
    body: Callable[[], Signal | None]
    truth: Callable[[Any], bool]
    has_else: bool


@dataclass(eq=False)
class LoopBody:
    """A traced loop body: its graph (whose placeholders are what it carries), the next condition, what it changed."""

    graph: fx.Graph
    condition: torch.Tensor
    unfailed: torch.Tensor
    """The condition, and that no check of the body has failed."""
    delta: Delta
    deferred: list[Deferred]
    exits_on_data: bool
    """Some path of the iteration leaves the loop under a condition on data."""
    breaks: bool
    writes: list[Write]


Settle = Callable[[Unusable, Sequence[int]], Any]
"""`Branches.settle`."""


@dataclass(eq=False)
class Carried:
    """A place whose value a loop carries from iteration to iteration.

    Where the value is not of one kind before the loop and after every iteration, its alternatives are carried, with a
    tag that tells which it is: the body is then traced for each. Where that cannot be done, the place is unusable at
    the start of the body and after the loop.
    """

    place: Location
    init: Any  # frozen
    kind: Any  # frozen: what the value is like in every iteration
    reason: Unusable | None = None
    """Why the value must not be used as it is, where it is a choice."""
    unusable: Unusable | None = None
    """Set where nothing is carried."""
    origins: dict[int, Origin] = field(default_factory=dict[int, Origin])
    _placeholders: list[torch.Tensor] = field(default_factory=list[torch.Tensor])
    dynamic: dict[tuple[int, int], Any] = field(default_factory=dict[tuple[int, int], Any])
    """The sizes that change, as (leaf, dimension), each with what it shares with sizes that change alike."""

    def __post_init__(self) -> None:
        if self.unusable is None and isinstance(thaw(self.init), Unusable) and not isinstance(self.init, FrozenChoice):
            self.unusable = thaw(self.init)

    def widened(self, after: Any, location: SourceLocation | None) -> Carried | None:
        """How the place is carried if an iteration makes `after` of it; None if that is as it is carried now."""
        if isinstance(self.place, TensorLocation) or self.unusable is not None:
            return None
        found = difference(self.kind, after)
        if found is None:
            return None
        reason = self.reason if self.reason is not None else self._reason(found, location)
        kind = unified(self.kind, after)
        # Without a common kind, a variable may still be a temporary, which no iteration reads before it writes it.
        if kind is not MISSING:
            return Carried(self.place, self.init, kind, reason)
        if isinstance(self.place, ContainerLocation):
            counts = len(self.init.contents), len(after.contents)
            kinds = "of other kinds " if counts[0] == counts[1] else ""
            raise UnsupportedConstructError(
                f"{self.place.name} holds {counts[0]} items before a loop on a tensor and {counts[1]} {kinds}after an "
                "iteration",
                hint="append tensors of one dtype and shape, or numbers of one type",
                location=location,
            )
        return Carried(self.place, self.init, self.kind, reason, Unusable.with_choice(reason, None))

    def _reason(self, found: tuple[str, str], location: SourceLocation | None) -> Unusable:
        if self.init is UNDEFINED:
            return Unusable(
                f"{self.place.name} is assigned in the loop only, and is used where no iteration may have run before",
                "assign it before the loop",
                location,
            )
        return Unusable(
            f"{self.place.name} is {found[0]} before the loop and {found[1]} after an iteration",
            "give it the same type, dtype and shape before the loop",
            location,
        )

    def sizes_after(self, after: Any) -> dict[tuple[int, int], tuple[Any, Any]]:
        """The sizes that an iteration changes: each with its group, and what it is after the iteration."""
        found: dict[tuple[int, int], tuple[Any, Any]] = {}
        if isinstance(self.place, TensorLocation) or self.unusable is not None:
            return found

        before = self._placeholders or self._raws(self.init)
        for i, (old, new) in enumerate(zip(before, self._raws(after), strict=True)):
            if old is None or new is None:
                continue
            for d, (a, b) in enumerate(zip(old.shape, new.shape, strict=True)):
                if not same_size(a, b) or (i, d) in self.dynamic:
                    found[i, d] = (self.dynamic.get((i, d), ("init", expression(a))), expression(b))
        return found

    def _raws(self, value: Any) -> list[torch.Tensor | None]:
        """The recorded tensors of a value of this kind, leaf by leaf; None for one that is none."""
        return [v.raw if isinstance(v, FrozenTensor) else None for v, _ in leaves(self._untagged(value), self.kind)]

    def _untagged(self, value: Any) -> Any:
        """A frozen value in the form that is carried, where it does not matter which alternative a choice is."""
        return fitted(value, self.kind, lambda tag, table: 0)  # noqa: ARG005

    def first_sizes(self) -> Iterable[tuple[Any, Any]]:
        """The sizes that change, as they are before the loop, each with its group."""
        if self.dynamic:
            before = self._raws(self.init)
            for (i, d), group in self.dynamic.items():
                raw = before[i]
                yield group, 0 if raw is None else raw.shape[d]

    def widen_sizes(self, after: Any, groups: Mapping[Any, set[Any]]) -> bool:
        """Takes up the sizes that an iteration changes; `groups` holds what each group's sizes became."""
        is_wider = False
        for where, (group, now) in self.sizes_after(after).items():
            is_wider |= where not in self.dynamic or len(groups[group]) > 1
            self.dynamic[where] = group if len(groups[group]) == 1 else (group, now)
        return is_wider

    def begin(self, recorder: Recorder, snapshot: Snapshot, shared: Mapping[Any, torch.SymInt]) -> None:
        """Puts placeholders of the body's graph in the place.

        `shared` holds the symbol of each group of sizes that change, in this body.
        """
        if self.unusable is not None:
            snapshot.write(self.place, self.unusable)
        elif isinstance(self.place, TensorLocation):
            snapshot.write(self.place, recorder.placeholder("carried", self.init.raw))
        else:
            made = self._placeholders = []

            def size(d: int, size: Any) -> Any:
                group = self.dynamic.get((len(made), d))
                return size if group is None else shared[group]

            def placeholder(raw: torch.Tensor) -> torch.Tensor:
                shape = [size(d, n) for d, n in enumerate(raw.shape)]
                made.append(recorder.placeholder("carried", raw, None if same_sizes(shape, raw.shape) else shape))
                return made[-1]

            self._put(recorder, snapshot, self._map(recorder, placeholder))

    def _put(self, recorder: Recorder, snapshot: Snapshot, value: Any) -> None:
        """Puts a value of placeholders in the place, and notes what tensors they stand for in the first iteration."""
        snapshot.write(self.place, value)
        memory = recorder.functional.memory
        pairs = zip(self._leaves(recorder, freeze(value, recorder)), self._leaves(recorder, self.init), strict=True)
        for index, ((carried, _), (before, _)) in enumerate(pairs):
            tensors = thaw(carried), thaw(before)
            if isinstance(tensors[0], FunctionalTensor) and isinstance(tensors[1], torch.Tensor):
                self.origins[index] = memory.carry(*tensors, self.origins.get(index))

    def left(self, recorder: Recorder, after: Any) -> dict[int, list[Any]]:
        """The memory that an iteration may leave in each leaf, given what it makes of the value."""
        if has_choice(self.kind):
            storages = [t.untyped_storage() for t in tensors_in(after)]
            return dict.fromkeys(self.origins, storages)
        tensors = [thaw(leaf) for leaf, _ in self._leaves(recorder, after)]
        return {i: [tensors[i].untyped_storage()] if isinstance(tensors[i], torch.Tensor) else [] for i in self.origins}

    def settle(self, recorder: Recorder, snapshot: Snapshot, settle: Settle) -> bool:
        """At the start of an iteration: puts the alternative in the place that is assumed in this run, if any is."""
        if self.unusable is not None or isinstance(self.place, TensorLocation) or not has_choice(self.kind):
            return False
        placeholders = iter(self._placeholders)
        self._put(recorder, snapshot, self._map(recorder, lambda _: next(placeholders), settle))
        return True

    def _map(
        self,
        recorder: Recorder,
        make: Callable[[torch.Tensor], torch.Tensor],
        settle: Settle | None = None,
        possible: Sequence[int] | None = None,
    ) -> Any:
        """A value of this kind, of other tensors, in the order of `tensors`.

        Args:
            recorder: wraps them.
            make: gives the tensor for one that is like it.
            settle: what decides choices, if they are to be.
            possible: which alternatives the value may be of, if it is a choice and not all.
        """

        def leaf(value: Any) -> Any:
            kind = number_type(value)
            if isinstance(value, FrozenTensor):
                wrapped = recorder.wrap(make(value.raw))
                return Number(wrapped, kind) if kind is not None else wrapped
            if kind is not None:
                return Number(recorder.wrap(make(constant(recorder, value))), kind)
            if isinstance(value, (FrozenNode, FrozenContents)):
                return value.rebuild([leaf(v) for v in value.items])
            if isinstance(value, FrozenChoice):
                reason = self.reason if value.original is None else value.original
                assert reason is not None
                tag = make(constant(recorder, 0))
                choice = Unusable.with_choice(reason, Choice(tag, tuple(leaf(v) for v in value.values)))
                among = possible if possible is not None and value is self.kind else range(len(value.values))
                return settle(choice, among) if settle is not None else choice
            return value

        return leaf(self.kind)

    def tensors(self, recorder: Recorder, value: Any) -> list[torch.Tensor]:
        """The tensors that carry a frozen value of this kind, in the current graph."""
        if self.unusable is not None:
            return []
        if isinstance(self.place, TensorLocation):
            return [value.raw]

        def raw(leaf: Any, kind: Any) -> torch.Tensor:
            if leaf is MISSING:
                like = kind.raw if isinstance(kind, FrozenTensor) else constant(recorder, kind)
                return recorder.poison(like)
            return leaf.raw if isinstance(leaf, FrozenTensor) else constant(recorder, leaf)

        return [raw(leaf, kind) for leaf, kind in self._leaves(recorder, value)]

    def _leaves(self, recorder: Recorder, value: Any) -> list[tuple[Any, Any]]:
        as_carried = fitted(value, self.kind, lambda tag, table: remapped(recorder, tag, table))
        return list(leaves(as_carried, self.kind))

    def tensors_after(self, recorder: Recorder, after: Any) -> list[tuple[FunctionalTensor, FunctionalTensor]]:
        """The tensors in the place after the loop, each with what it was at the end of the body."""
        now = self._leaves(recorder, freeze(self.place.get(), recorder))
        pairs = zip(now, self._leaves(recorder, after), strict=True)
        tensors = [(thaw(a), thaw(b)) for (a, _), (b, _) in pairs]
        return [(a, b) for a, b in tensors if isinstance(a, FunctionalTensor) and isinstance(b, FunctionalTensor)]

    def finish(
        self, recorder: Recorder, results: list[torch.Tensor], snapshot: Snapshot, last: Any, settle: Settle
    ) -> None:
        """Puts the loop's results in the place, taking them from the front of `results`.

        Args:
            last: of a loop that runs at least once, what an iteration makes of the value; else None.
        """
        if self.unusable is not None:
            snapshot.write(self.place, self.unusable)
        elif isinstance(self.place, TensorLocation):
            snapshot.write(self.place, results.pop(0))
        else:
            possible = None
            if last is not None and isinstance(self.kind, FrozenChoice):
                possible = sorted({index_among(v, self.kind.values) for v in alternatives(last)})
            snapshot.write(self.place, self._map(recorder, lambda _: results.pop(0), settle, possible))

    def objects(self, recorder: Recorder, afters: Sequence[Any]) -> list[tuple[Any, list[Any]]]:
        """The lists, dicts and dataclasses in the place, each with what it may be: of before the loop, or `afters`."""
        if self.unusable is not None or isinstance(self.place, TensorLocation):
            return []
        values = [freeze(self.place.get(), recorder), self.init, *afters]
        if not has_objects(values[0]):
            return []
        found = [list(objects(self._untagged(v), self.kind)) for v in values]
        together = zip(*found, strict=True)
        return [(now, others) for now, *others in together if now is not None]

    def note_held(self, recorder: Recorder, held: Mapping[int, Iterable[Any]]) -> None:
        """Notes which memory from before the loop a result may have; `held` gives it by the ids of origins."""
        if not self.origins:
            return
        now = self._leaves(recorder, freeze(self.place.get(), recorder))
        for index, origin in self.origins.items():
            result = thaw(now[index][0])
            if isinstance(result, FunctionalTensor):
                for storage in held[id(origin)]:
                    recorder.functional.memory.join(result.untyped_storage(), storage, None)


def _differs(items: list[Any], example: Any) -> bool:
    """Whether the only rows of a list are of another form than those that an iteration leaves."""
    is_rows = isinstance(example, FrozenNode) and isinstance(example.original, Rows)
    return is_rows and items[0].form != example.original.form


def _is_same(a: Any, b: Any) -> bool:
    return a is b or same_constant(a, b)
