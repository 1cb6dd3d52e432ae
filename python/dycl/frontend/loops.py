# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Loops: unrolled where Python decides, and one loop with its carried values where data does."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import fx
from torch._subclasses.functional_tensor import FunctionalTensor

from dycl.errors import SourceLocation, UnsupportedConstructError
from dycl.frontend.carried_memory import Origin, check_first_iteration, check_iterations
from dycl.frontend.exceptions import Exceptions
from dycl.frontend.holders import is_in_use, is_made_elsewhere
from dycl.frontend.joining import constant, describe, map_frozen, number_type, same_shape
from dycl.frontend.locations import here
from dycl.frontend.paths import Deferred, Scope, Side, Signal
from dycl.frontend.recorder import WHILE, Recorder
from dycl.frontend.state import (
    UNDEFINED,
    CellLocation,
    ContainerLocation,
    Delta,
    FrozenContents,
    FrozenNode,
    FrozenTensor,
    Location,
    Snapshot,
    TensorLocation,
    freeze,
    thaw,
)
from dycl.frontend.values import Number, Unusable, same_constant

MAX_UNROLLED = 100_000
"""How many iterations of a loop that Python decides are unrolled at most."""

MAX_LOOP_ROUNDS = 8
"""How often a loop body is traced at most until its loop-carried values are stable."""


class Loops(Exceptions):
    """Adds loops."""

    # Loops -----------------------------------------------------------------------------------------------------------

    def for_(
        self,
        items: Iterable[Any],
        body: Callable[[Any], Signal | None],
        orelse: Callable[[], Signal | None] | None,
        cells: Sequence[CellLocation],
    ) -> Signal | None:
        """A `for` over what Python iterates: unrolled."""
        iterator = iter(items)

        def step() -> Callable[[], Signal | None] | None:
            for item in iterator:
                return lambda: body(item)
            return None

        return self._unrolled(step, orelse, cells)

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
            return lambda: self._dynamic_while(predicate, test, body, has_else=orelse is not None)

        return self._unrolled(step, orelse, cells, is_last=lambda: is_loop)

    def _exits_on_data(self, test: Callable[[], Any], body: Callable[[], Signal | None]) -> bool:
        """Whether an iteration from the state as it is can leave the loop, or not, depending on data."""
        return self._trace_loop_body(test, body, {}, self._snapshot()).exits_on_data

    def _unrolled(
        self,
        step: Callable[[], Callable[[], Signal | None] | None],
        orelse: Callable[[], Signal | None] | None,
        cells: Sequence[CellLocation],
        is_last: Callable[[], bool] = lambda: False,
    ) -> Signal | None:
        with self._writing(cells):
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
            if exhausted and orelse is not None:
                # The else clause is outside the loop: a `break` there leaves the loop around this one.
                target, value = self._follow(orelse, loop)
            target, value = self._land(loop, target, value)
            return None if target is loop else self._signal(target, value)

    def _dynamic_while(
        self,
        first: torch.Tensor | None,
        test: Callable[[], Any],
        body: Callable[[], Signal | None],
        *,
        has_else: bool,
    ) -> Signal | None:
        """A loop on data, from the state as it is, given its first test (None: it holds)."""
        deferred, breaks, origins = self._record_loop(first, test, body, has_else=has_else)
        alive = self.recorder.functional.live
        check_first_iteration(origins, lambda storage: is_in_use(storage, alive.values()))
        if first is None and deferred and not breaks:
            # `while True` without a `break`: one of the jumps is taken, so the last need not be asked for.
            *deferred, last = deferred
            self._refork(deferred)
            return self._signal(last.target, thaw(last.value))
        self._refork(deferred)
        return None

    def _record_loop(
        self,
        first: torch.Tensor | None,
        test: Callable[[], Any],
        body: Callable[[], Signal | None],
        *,
        has_else: bool,
    ) -> tuple[list[Deferred], bool, list[Origin]]:
        """Records the loop; gives the jumps that leave it to beyond it, and whether some path breaks."""
        location = here()
        snapshot = self._snapshot()
        carried: dict[tuple[Any, ...], Carried] = {}
        for _ in range(MAX_LOOP_ROUNDS):
            traced = self._trace_loop_body(test, body, carried, snapshot)
            fresh = self._newly_carried(traced.delta, carried, snapshot, location, first is None)
            if not fresh:
                break
            carried.update(fresh)
        else:
            raise UnsupportedConstructError(
                f"the variables of this loop are not stable after {MAX_LOOP_ROUNDS} rounds of tracing",
                hint="give each variable its final type before the loop",
                location=location,
            )
        if has_else and traced.breaks:
            raise UnsupportedConstructError(
                "an `else` of a loop on a tensor that also has a `break`",
                hint="set a variable before the `break` and test it after the loop",
                location=location,
            )
        origins = [origin for place in carried.values() for origin in place.origins]
        after = {key: _tensors_in(value) for key, (_, value) in traced.delta.items() if key in carried}
        check_iterations(origins, after, snapshot.tensors())
        deferred = self._emit_loop(self.constant(True) if first is None else first, traced, carried, snapshot, location)
        return deferred, traced.breaks, origins

    def _trace_loop_body(
        self,
        test: Callable[[], Any],
        body: Callable[[], Signal | None],
        carried: dict[tuple[Any, ...], Carried],
        snapshot: Snapshot,
    ) -> LoopBody:
        outer, first_fork = self.recorder.graph, len(self._forks)
        self._depth += 1
        self._loops_around += 1
        graph = self.recorder.graph = fx.Graph()
        try:
            for place in carried.values():
                place.begin(self.recorder, snapshot)
            with self._scope("break") as loop, self._scope("continue") as iteration:
                goal, value = self._run(body)
                goal, value = self._land(iteration, goal or iteration, value)
                exits = len(self._forks) > first_fork
                breaks = goal is loop or any(f.parked.target is loop for f in self._forks[first_fork:])
                # Every path falls out of the body with the next condition; one that jumps, with a condition that does
                # not hold, and a jump to beyond the loop is deferred until after it.
                if goal is iteration:
                    open_side = Side(self.recorder.graph, {}, None, self._test(test))
                else:
                    open_side = self._as_last_iteration(Side(self.recorder.graph, {}, goal, value), loop)
                for fork in self._forks[first_fork:]:
                    with self.recorder.into(fork.parked.graph):
                        fork.parked = self._as_last_iteration(fork.parked, loop)
                side = self._collapse(first_fork, None, open_side.value, None, open_side.deferred)
            condition = side.value.raw
            delta = snapshot.delta_by_item()
        finally:
            self._depth -= 1
            self._loops_around -= 1
            del self._forks[first_fork:]
            self.recorder.graph = outer
        snapshot.undo()
        return LoopBody(graph, condition, delta, side.deferred, exits, breaks)

    def _as_last_iteration(self, side: Side, loop: Scope) -> Side:
        """A side that leaves the loop, as one that ends its iteration with a condition that does not hold."""
        stop = freeze(Number.of(False), self.recorder)
        if side.target is loop:
            return Side(side.graph, side.delta, None, stop, side.deferred)
        assert side.target is not None
        jump = Deferred(self.constant(True), side.target, freeze(side.value, self.recorder))
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
        runs: bool,
    ) -> dict[tuple[Any, ...], Carried]:
        """The places that the body changes and that are not carried yet; checks the types of those that are."""
        # What belongs to objects that the iteration makes is part of their value.
        for key in [k for k in delta if k not in carried and hasattr(delta[k][0], "owner")]:
            if is_made_elsewhere(delta[key][0]):
                del delta[key]
        fresh: dict[tuple[Any, ...], Carried] = {}
        for key, (place, value) in delta.items():
            known = carried.get(key)
            if known is not None:
                known.check(value, location)
                continue
            if isinstance(value, (bool, int, float, str, type(None))) and same_constant(snapshot.base(place), value):
                continue
            fresh[key] = Carried.of(place, freeze(snapshot.base(place), self.recorder), value, location, runs)
        return fresh

    def _note_shared_storage(self, carried: Mapping[tuple[Any, ...], Carried], delta: Delta) -> None:
        """Notes which of the loop's results share storage after an iteration: one is a view of the other."""
        pairs = [
            (place.place.get(), thaw(delta[key][1]))
            for key, place in carried.items()
            if key in delta and place.is_carried and not isinstance(place.place, TensorLocation)
        ]
        tensors = [(a, b) for a, b in pairs if isinstance(a, FunctionalTensor) and isinstance(b, FunctionalTensor)]
        for result, original in tensors:
            for other, other_original in tensors:
                if result is not other and original.untyped_storage() is other_original.untyped_storage():
                    self.recorder.note_alias(result, other, None)

    def _emit_loop(
        self,
        first: torch.Tensor,
        traced: LoopBody,
        carried: dict[tuple[Any, ...], Carried],
        snapshot: Snapshot,
        location: SourceLocation | None,
    ) -> list[Deferred]:
        """Records the loop, applies what it changes, and gives the jumps that leave it to beyond it."""
        recorder = self.recorder
        inits: list[torch.Tensor] = []
        nexts: list[torch.Tensor] = []
        for key, place in carried.items():
            after = traced.delta.get(key)
            inits.extend(place.init_tensors(self.recorder))
            with recorder.into(traced.graph):
                nexts.extend(place.next_tensors(self.recorder, after[1] if after else None))
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
        traced.graph.output((recorder.node_of(traced.condition), *(recorder.node_of(n) for n in nexts)))
        args = (recorder.node_of(first), *(recorder.node_of(i) for i in inits))
        results: list[torch.Tensor] = list(recorder.emit(WHILE, args, inits, body=traced.graph, location=location))
        remaining = list(results)
        for place in carried.values():
            place.finish(self.recorder, remaining, snapshot)
        self._note_shared_storage(carried, traced.delta)
        deferred: list[Deferred] = []
        for (start, leaves), jump in zip(jumps, traced.deferred, strict=True):
            position = {id(t): i for i, t in enumerate(leaves)}
            value = map_frozen(
                jump.value,
                lambda t, start=start, position=position: _thawed(results[start + 1 + position[id(t)]], t, recorder),
            )
            deferred.append(Deferred(results[start], jump.target, value))
        return deferred


def _thawed(raw: torch.Tensor, like: FrozenTensor, recorder: Recorder) -> FrozenTensor:
    wrapped = recorder.wrap(raw)
    if isinstance(like.original, Number):
        return FrozenTensor(raw, Number(wrapped, like.original.type))
    return FrozenTensor(raw, wrapped)


@dataclass(eq=False)
class LoopBody:
    """A traced loop body: its graph (whose placeholders are what it carries), the next condition, what it changed."""

    graph: fx.Graph
    condition: torch.Tensor
    delta: Delta
    deferred: list[Deferred]
    exits_on_data: bool
    """Some path of the iteration leaves the loop under a condition on data."""
    breaks: bool


@dataclass(eq=False)
class Carried:
    """A place whose value a loop carries from iteration to iteration.

    A variable that is undefined before the loop, or that no common type fits, is unusable at the start of the body
    (reading it there would read the iteration before) and after the loop. After a loop that runs at least once
    (`while True`) the value of the last iteration is what it holds, so that is carried, but never read inside.
    """

    place: Location
    init: Any  # frozen; where it is not read inside, any value of its type
    unusable: Unusable | None
    is_read_after: bool = True
    origins: list[Origin] = field(default_factory=list[Origin])

    @staticmethod
    def of(place: Location, init: Any, after: Any, location: SourceLocation | None, runs: bool) -> Carried:
        """How the body's change of a place is carried; `runs` says that at least one iteration runs."""
        if isinstance(place, TensorLocation):
            return Carried(place, init, None)
        hint = "give it the same type, dtype and shape before the loop"
        if init is UNDEFINED:
            reason = f"{place.name} is assigned in the loop only, and is used where no iteration may have run before"
            hint = "assign it before the loop"
        elif isinstance(thaw(init), Unusable):
            return Carried(place, init, thaw(init), is_read_after=False)
        elif isinstance(place, ContainerLocation) and difference(init, after):
            raise UnsupportedConstructError(
                f"{place.name} holds {len(init.items)} items before a loop on a tensor and {len(after.items)} after an "
                "iteration",
                hint="write into a tensor of fixed size, at a counter",
                location=location,
            )
        elif found := difference(init, after):
            reason = f"{place.name} is {found[0]} before the loop and {found[1]} after an iteration"
        else:
            return Carried(place, init, None)
        unusable = Unusable(reason, hint, location)
        can_carry = runs and _is_carriable(after)
        return Carried(place, after if can_carry else init, unusable, is_read_after=can_carry)

    @property
    def is_carried(self) -> bool:
        return self.unusable is None or self.is_read_after

    def check(self, after: Any, location: SourceLocation | None) -> None:
        """What one iteration makes of the value must be of its type."""
        if not self.is_carried or isinstance(self.place, TensorLocation):
            return
        found = difference(self.init, after)
        if found:
            raise UnsupportedConstructError(
                f"{self.place.name} is {found[0]} before the loop and {found[1]} after an iteration",
                hint="give it the same type, dtype and shape before the loop",
                location=location,
            )

    def begin(self, recorder: Recorder, snapshot: Snapshot) -> None:
        """Puts placeholders of the body's graph in the place."""

        def placeholder(raw: torch.Tensor) -> torch.Tensor:
            return recorder.placeholder("carried", raw)

        if self.unusable is not None:
            if self.is_read_after:
                self._map(recorder, placeholder)
            snapshot.write(self.place, self.unusable)
        elif isinstance(self.place, TensorLocation):
            snapshot.write(self.place, placeholder(self.init.raw))
        else:
            made = self._map(recorder, placeholder)
            snapshot.write(self.place, made)
            carry = recorder.functional.carried.carry
            pairs = zip(_tensors_in(freeze(made, recorder)), _tensors_in(self.init), strict=True)
            self.origins = [carry(self.place.key, carried, before) for carried, before in pairs]

    def _map(self, recorder: Recorder, make: Callable[[torch.Tensor], torch.Tensor]) -> Any:
        """A value like the initial one, of other tensors, in the order of `init_tensors`."""

        def leaf(value: Any) -> Any:
            kind = number_type(value)
            if isinstance(value, FrozenTensor):
                wrapped = recorder.wrap(make(value.raw))
                return Number(wrapped, kind) if kind is not None else wrapped
            if kind is not None:
                return Number(recorder.wrap(make(constant(recorder, value))), kind)
            if isinstance(value, (FrozenNode, FrozenContents)):
                return value.rebuild([leaf(v) for v in value.items])
            return value

        return leaf(self.init)

    def init_tensors(self, recorder: Recorder) -> list[torch.Tensor]:
        tensors = self._tensors(recorder, self.init)
        return tensors if self.unusable is None else [recorder.poison(t) for t in tensors]

    def next_tensors(self, recorder: Recorder, after: Any) -> list[torch.Tensor]:
        """The tensors of the value after an iteration; `after` is None where the last round left it unchanged."""
        if after is None:
            assert not self.is_carried, f"{self.place.name} is carried but not changed"
            return []
        return self._tensors(recorder, after)

    def _tensors(self, recorder: Recorder, value: Any) -> list[torch.Tensor]:
        if not self.is_carried:
            return []
        found: list[torch.Tensor] = []

        def collect(v: Any) -> None:
            if isinstance(v, FrozenTensor):
                found.append(v.raw)
            elif isinstance(v, (FrozenNode, FrozenContents)):
                for item in v.items:
                    collect(item)
            elif number_type(v) is not None:
                found.append(constant(recorder, v))

        collect(value)
        return found

    def finish(self, recorder: Recorder, results: list[torch.Tensor], snapshot: Snapshot) -> None:
        """Puts the loop's results in the place, taking them from the front of `results`."""
        if not self.is_carried:
            snapshot.write(self.place, self.unusable)
        elif isinstance(self.place, TensorLocation):
            snapshot.write(self.place, results.pop(0))
        else:
            after = self._map(recorder, lambda _: results.pop(0))
            if isinstance(after, FunctionalTensor) and isinstance(thaw(self.init), FunctionalTensor):
                recorder.note_alias(after, thaw(self.init), None)  # no iteration may have run
            snapshot.write(self.place, after)


def _tensors_in(value: Any) -> list[torch.Tensor]:
    """The tensors in a frozen value, as user code has them."""
    if isinstance(value, (FrozenNode, FrozenContents)):
        return [t for item in value.items for t in _tensors_in(item)]
    original = thaw(value)
    return [original] if isinstance(original, torch.Tensor) else []


def _is_carriable(value: Any) -> bool:
    """Whether a frozen value is made of tensors and numbers, and constants that are the same in every iteration."""
    if isinstance(value, (FrozenNode, FrozenContents)):
        return all(_is_carriable(v) for v in value.items)
    return isinstance(value, FrozenTensor) or number_type(value) is not None


def difference(before: Any, after: Any) -> tuple[str, str] | None:
    """Where two frozen values are not of one type: both, described."""
    kinds = (number_type(before), number_type(after))
    if kinds[0] is not None or kinds[1] is not None:
        return None if kinds[0] is kinds[1] else (describe(before), describe(after))
    if isinstance(before, FrozenTensor) and isinstance(after, FrozenTensor):
        alike = before.raw.dtype == after.raw.dtype and before.raw.shape == after.raw.shape
        return None if alike else (describe(before), describe(after))
    if isinstance(before, (FrozenNode, FrozenContents)) and type(before) is type(after) and same_shape(before, after):
        for x, y in zip(before.items, after.items, strict=True):
            found = difference(x, y)
            if found:
                return found
        return None
    if thaw(before) is thaw(after) or same_constant(before, after):
        return None
    return describe(before), describe(after)
