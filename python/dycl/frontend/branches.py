# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Branches, and where the paths that leave them meet again; `control.py` says how."""

from __future__ import annotations

import gc
import math
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, cast

import sympy
import torch
from torch import fx
from torch._subclasses.functional_tensor import FunctionalTensor

from dycl.errors import DyclError, UnsupportedConstructError
from dycl.frontend.checks import Checks
from dycl.frontend.entries import entries_in
from dycl.frontend.facts import Budget, Facts
from dycl.frontend.holders import is_left_behind, is_made_elsewhere, is_variable_of_the_past
from dycl.frontend.joined_objects import Conditions, InRows, JoinedObjects
from dycl.frontend.joining import Join, Plan, constant
from dycl.frontend.kinds import MISSING, has_choice, same_shape
from dycl.frontend.locations import here
from dycl.frontend.paths import Context, Deferred, Escaping, Fork, Scope, Side, Signal, Stop, Unwind
from dycl.frontend.recorder import Recorder
from dycl.frontend.rows import gathered, has_rows
from dycl.frontend.size_numbers import as_number, as_size
from dycl.frontend.state import (
    UNDEFINED,
    AttributeLocation,
    CellLocation,
    ContainerLocation,
    ForeignLocation,
    FrozenChoice,
    FrozenContents,
    FrozenNode,
    FrozenTensor,
    Journal,
    Location,
    Snapshot,
    TensorLocation,
    after_side,
    freeze,
    holds,
    thaw,
)
from dycl.frontend.values import (
    Choice,
    DisagreementError,
    Number,
    SharedObjectError,
    Site,
    TruthOnly,
    Unusable,
    check_truth,
    known,
)


class _StoppedSide(Exception):  # noqa: N818 (not an error: it takes a traced side to where it is joined)
    def __init__(self, side: Side) -> None:
        super().__init__()
        self.side = side


_DEEP = 150
"""How many conditions that nest in each other are likely to be a recursion, which has no end."""


class Branches:
    """The paths of the program that is being captured.

    Attributes:
        recorder: where ops go.
        checks: what eager checks while it runs; None where the program does not. Set before the first use.
        deadline: the processor time (`time.process_time`) after which paths are not taken apart any further, nor
            followed where more than `_DEEP` conditions nest.
        journal: where stores to attributes and containers are reported.
        sites: how many conditions on data have been met.
        escaping: the exceptions that leave the program. Set before the first use; the runs of one capture share it.
        outside: how a user writes the way to an object that was there before the program ran; None for others.
        joined: the lists, dicts and dataclasses that are made where paths meet.
    """

    def __init__(
        self,
        recorder: Recorder,
        *,
        max_depth: int,
        max_specializations: int,
        max_lengths: int | None = None,
        makes_rows: bool = False,
    ) -> None:
        self.recorder = recorder
        self.checks: Checks | None = None
        self.deadline = math.inf
        self.journal = Journal()
        self.sites = 0
        self.escaping = Escaping()
        self.outside: Callable[[Any], str | None] = lambda _: None
        self._max_depth = max_depth
        self._max_specializations = max_specializations
        self._max_lengths = max_lengths
        self._forks: list[Fork] = []
        self._sides: list[tuple[torch.Tensor, bool]] = []
        """The conditions whose sides are being traced, outermost first, each with what it is on this one."""
        self._assumed: list[tuple[list[tuple[Fork, bool]], tuple[torch.Tensor, bool]]] = []
        """The conditions that were met and are taken one way in this run, each with the forks that were open there."""
        self._sides_traced = 0
        self._budget = Budget()
        self._facts: tuple[list[tuple[int, bool]], Facts] | None = None
        """What was last found to be known, with the conditions, by the ids of their tensors."""
        self._of_sizes: tuple[Facts, int, tuple[Any, ...]] | None = None
        """The conditions on sizes that were last found to hold, with what they were found by."""
        recorder.sizes.env.conditions = self._conditions_on_sizes
        self._scopes: list[Scope] = []
        self._depth = 0
        self._loops_around = 0
        self._makes_rows = makes_rows
        self.joined = JoinedObjects()
        self._shared: dict[tuple[Any, ...], CellLocation] = {}
        self._context = Context(max_specializations - 1)
        self._has_stopped = False
        """The site that this run is for has been met: what sides change does not matter any more."""
        self._cells: list[Sequence[CellLocation]] = []
        """The variables that each construct around may write, innermost last."""

    # Conditions ------------------------------------------------------------------------------------------------------

    def predicate(self, test: Any) -> torch.Tensor | None:
        """The recorded 0-d bool tensor of a condition on data, or None for one that Python decides."""
        if isinstance(test, TruthOnly):
            test = TruthOnly.truth(test)
        test = known(test)
        if isinstance(test, torch.SymBool) and self.recorder.sizes.decide(test) is not None:
            return None
        condition = _condition_on_sizes(test)
        entries = entries_in(test)
        if entries is not None:
            test = Number(entries.is_there.any(), bool)
        if has_rows(test):
            rows = gathered(cast("list[Any]", test))
            test = rows.length if rows is not None else test
        test = as_number(test)
        if isinstance(test, torch.Tensor):
            check_truth(test)
            test = Number(test.reshape(()).ne(0) if test.dtype != torch.bool else test.reshape(()), bool)
        if isinstance(test, Number):
            raw = freeze(test.converted(bool), self.recorder).raw
            if condition is not None:
                self.recorder.sizes.note(self.recorder.node_of(raw), condition)
            return raw
        return None

    def constant(self, value: bool | int | float) -> torch.Tensor:
        """A recorded 0-d tensor (bool, i64, f64) with a known value, in the current graph."""
        return constant(self.recorder, value)

    def which(self, choice: Choice) -> int | None:
        """Which alternative a choice is on the path that is being traced; None if it may be several."""
        among = self._among(choice)
        return among[0] if len(among) == 1 else None

    def _on_side(self, value: Any, condition: tuple[torch.Tensor, bool]) -> Any:
        """A frozen value at the end of a side: of a choice, the one that it is there, where its condition tells."""
        if isinstance(value, FrozenChoice):
            among = self._among(value, condition)
            return value.values[among[0]] if len(among) == 1 else value
        if isinstance(value, FrozenNode) and type(value.original) is tuple and has_choice(value):
            items = tuple(self._on_side(item, condition) for item in value.items)
            return FrozenNode(tuple(map(thaw, items)), value.keys, items)
        return value

    def _on_sides(self, predicate: torch.Tensor, values: Sequence[Any]) -> list[Any]:
        """The same of a value at the end of each side, that where the predicate holds first."""
        return [self._on_side(v, (predicate, holds)) for v, holds in zip(values, (True, False), strict=True)]

    def is_one_of(self, choice: Choice, alternatives: Sequence[int]) -> Number | bool:
        """Whether a choice is one of some alternatives."""
        possible = self._among(choice)
        wanted = [i for i in possible if i in alternatives]
        if not wanted or len(wanted) == len(possible):
            return bool(wanted)
        assert isinstance(choice.tag, torch.Tensor)
        tag = self.recorder.wrap(choice.tag)
        holds = tag == wanted[0]
        for index in wanted[1:]:
            holds = holds.logical_or(tag == index)
        return Number(holds, bool)

    def _among(self, choice: Choice | FrozenChoice, *more: tuple[torch.Tensor, bool]) -> list[int]:
        """Which alternatives a choice may be; `more` conditions are known besides those of the open path."""
        if isinstance(choice.tag, int):
            return [choice.tag]
        facts = self._known_facts(more)
        return facts.among(self.recorder.node_of(choice.tag), range(len(choice.values)))

    def _conditions_on_sizes(self) -> tuple[Any, ...]:
        """The conditions on sizes that hold on the open path."""
        noted = self.recorder.sizes.noted
        if not noted or (not self.is_conditional and not self._assumed):
            return ()
        facts = self._known_facts(())
        if self._of_sizes is None or self._of_sizes[0] is not facts or self._of_sizes[1] != len(noted):
            ways = {node: facts.among(node, (0, 1)) for node in noted}
            found = (
                noted[node] if among == [1] else sympy.Not(noted[node])
                for node, among in ways.items()
                if len(among) == 1
            )
            self._of_sizes = facts, len(noted), tuple(found)
        return self._of_sizes[2]

    def _known_facts(self, more: Sequence[tuple[torch.Tensor, bool]]) -> Facts:
        """What the conditions say that the open path has passed, and `more`."""
        forks = self._open_forks()
        assumed = (condition for around, condition in self._assumed if forks[: len(around)] == around)
        conditions = [*self._passed(), *assumed, *more]
        key = [(id(tensor), holds) for tensor, holds in conditions]
        if self._facts is None or self._facts[0] != key:
            node_of = self.recorder.node_of
            self._facts = key, Facts(((node_of(tensor), holds) for tensor, holds in conditions), self._budget)
        return self._facts[1]

    def _passed(self) -> list[tuple[torch.Tensor, bool]]:
        """The conditions that the open path has passed, each with what it is on it."""
        return [*self._sides, *((fork.predicate, is_then) for fork, is_then in self._open_forks())]

    def _open_forks(self) -> list[tuple[Fork, bool]]:
        """The open forks, each with what its condition is on the open path."""
        return [(fork, not fork.parked_is_then) for fork in self._forks]

    # Scopes ----------------------------------------------------------------------------------------------------------

    @contextmanager
    def _scope(self, kind: str, **attributes: Any) -> Generator[Scope]:
        scope = Scope(kind, len(self._forks), **attributes)
        self._scopes.append(scope)
        try:
            yield scope
        finally:
            self._scopes.pop()

    @contextmanager
    def writing(self, cells: Sequence[CellLocation]) -> Generator[None]:
        """While it is entered, what runs may write the variables."""
        self._cells.append(cells)
        try:
            yield
        finally:
            self._cells.pop()

    def state(self) -> Snapshot:
        """The state as it is, to see later what has changed."""
        return self._snapshot()

    def check_joined(self, owner: Any) -> None:
        """Refuses to write to a container or object made by a join, where what it was made of is still in use.

        Neither may what it was made of be written where the joined object is in use: on one side of the condition the
        two are one.
        """
        in_rows = self.joined.in_rows(owner, self._are_excluded)
        if in_rows is not None:
            raise SharedObjectError(
                f"a write to a {type(owner).__name__} that is in a list, or a dict, whose length depends on data",
                hint="put another one in its place: `items[i] = [...]`",
                location=here(),
                site=in_rows.site,
            )
        made = self.joined.shared(owner, self._excludes)
        if made is not None:
            where = "where a loop on a tensor does not run" if made.is_of_loop else "on one side of a condition"
            raise SharedObjectError(
                f"a write to a {type(owner).__name__} that {where} is another variable's too",
                hint="make a copy of it first",
                location=here(),
                site=made.site,
            )

    def _are_excluded(self, conditions: Conditions) -> bool:
        """Whether conditions are known not to be all so on the open path."""
        return bool(conditions) and not self._known_facts(conditions).are_possible()

    def _sides_taken(self) -> dict[Any, tuple[Any, bool]]:
        """The sides of conditions that the open path is on; each with what keeps its key from being given anew."""
        taken: dict[Any, tuple[Any, bool]] = {id(tensor): (tensor, holds) for tensor, holds in self._passed()}
        context: Context | None = self._context
        while context is not None:
            taken.update({(id(context), number): (context, side) for number, side in context.assumed.items()})
            context = context.around
        return taken

    def _excludes(self, taken: Mapping[Any, tuple[Any, bool]]) -> bool:
        """Whether the open path is on another side of one of the conditions: nothing made there is seen here."""
        now = self._sides_taken()
        return any(key in now and now[key][1] is not side for key, (_, side) in taken.items())

    @property
    def is_conditional(self) -> bool:
        """Whether what runs now is on one side of a condition on data, or in a loop on data."""
        return self._depth > 0 or bool(self._forks)

    def share(self, cells: Sequence[CellLocation]) -> None:
        """Makes variables that a nested function assigns part of every snapshot: any call may write them."""
        self._shared.update({cell.key: cell for cell in cells})

    def _snapshot(self) -> Snapshot:
        cells = {**self._shared, **{cell.key: cell for group in self._cells for cell in group}}
        return Snapshot(cells.values(), self.journal, self.recorder)

    def _target(self, signal: Signal | None) -> Scope | None:
        if signal is None:
            return None
        return next(s for s in reversed(self._scopes) if s.kind == signal.kind)

    def _signal(self, target: Scope | None, value: Any) -> Signal | None:
        """The signal that takes the open path to `target`."""
        if target is None:
            return None
        signal = Signal(target.kind, value)
        if target.kind in ("return", "break", "continue") and self._target(signal) is target:
            return signal
        raise Unwind(target, value)

    def _follow(self, body: Callable[[], Signal | None], scope: Scope) -> tuple[Scope, Any]:
        """Runs code on the open path; gives where it goes then (`scope` if it falls out), and with what value."""
        try:
            signal = body()
        except Unwind as unwind:
            return unwind.target, unwind.value
        except (DyclError, RecursionError, MemoryError):
            raise
        except Exception as error:
            if len(self._forks) == scope.first_fork:
                raise  # no other path is open: Python finds the handler
            return self._raise(error)
        return (self._target(signal) or scope), (signal.value if signal is not None else None)

    # Branches --------------------------------------------------------------------------------------------------------

    def if_(
        self,
        predicate: torch.Tensor,
        then: Callable[[], Signal | None],
        orelse: Callable[[], Signal | None],
        cells: Sequence[CellLocation],
    ) -> Signal | None:
        """An `if` on data. Gives the signal of the path that goes on."""
        site, assumed = self._meet(predicate)
        if assumed is not None:
            return then() if assumed else orelse()
        with self.writing(cells):
            snapshot = self._snapshot()
            a, b = self._trace_sides(predicate, then, orelse, snapshot, site)
            if a.deferred or b.deferred or a.target is b.target:
                base = max(a.target, b.target, key=self._reach)
                target, value = self._join(predicate, a, b, base, snapshot, site)
                return self._signal(target, value)
        return self._signal(*self._park(predicate, a, b, snapshot, site))

    def choose(self, predicate: torch.Tensor, then: Callable[[], Any], orelse: Callable[[], Any]) -> Any:
        """A conditional expression on data: the joined value of two expressions."""
        site, assumed = self._meet(predicate)
        if assumed is not None:
            return then() if assumed else orelse()
        snapshot = self._snapshot()
        a, b = self._trace_sides(predicate, then, orelse, snapshot, site, gives_value=True)
        if a.deferred or b.deferred or a.target is b.target:
            base = max(a.target, b.target, key=self._reach)
            target, value = self._join(predicate, a, b, base, snapshot, site)
        else:
            target, value = self._park(predicate, a, b, snapshot, site)
        if target is not None:
            raise Unwind(target, value)
        return value

    def _park(
        self, predicate: torch.Tensor, a: Side, b: Side, snapshot: Snapshot, site: Site
    ) -> tuple[Scope | None, Any]:
        """Goes on in one side: the one that falls out, or else the one that does not jump as far."""
        parked_is_then = self._reach(a.target) < self._reach(b.target)
        parked, opened = (a, b) if parked_is_then else (b, a)
        assert parked.target is not None
        self._check_jump(parked.target)
        learnt = self.recorder.sizes.learnt()
        self._open(Fork(predicate, self.recorder.graph, snapshot, parked, parked_is_then, site, learnt), opened.graph)
        snapshot.redo(opened.delta)
        return opened.target, thaw(opened.value)

    def _reach(self, target: Scope | None) -> int:
        return len(self._scopes) if target is None else self._scopes.index(target)

    def _open(self, fork: Fork, graph: fx.Graph) -> None:
        nested = len(self._forks) + self._depth
        is_late = nested >= _DEEP and time.process_time() > self.deadline
        if is_late or nested >= self._max_depth:
            option = "max_seconds" if is_late else "max_depth"
            raise UnsupportedConstructError(
                f"more than {nested} conditions nest in each other",
                hint=f"raise `Options.{option}`, or turn a recursion or a long loop into a `while` on a tensor",
                location=fork.site.location,
            )
        self._forks.append(fork)
        self.recorder.graph = graph

    def _meet(self, predicate: torch.Tensor) -> tuple[Site, bool | None]:
        """The site of a condition, and the side that this run is to take there, if it is not both."""
        self.sites += 1
        site = self._context.new_site(here())
        if site.number == self._context.stop_at:
            raise Stop(predicate)
        assumed = self._context.assumed.get(site.number)
        if assumed is not None:
            self._assumed.append((self._open_forks(), (predicate, assumed)))
        return site, assumed

    def chosen_from(self, place: torch.Tensor, values: Sequence[Any]) -> Any:
        """See `rows.Tracing`, as of the next ones."""
        refused = Unusable(
            f"an item of a list is one of {len(values)} constants by tensor values, and is used",
            "compare it, or use what belongs to it under `if item == ...:`",
            here(),
        )
        choice = Choice(freeze(place, self.recorder).raw, tuple(values))
        return self.settle(Unusable.with_choice(refused, choice), range(len(values)))

    def place_of(self, choice: Choice) -> torch.Tensor:
        if isinstance(choice.tag, int):
            return torch.full((), choice.tag, dtype=torch.int64)
        return self.recorder.wrap(choice.tag)

    def size_of(self, number: Number) -> Any:
        return as_size(number, self.recorder, 0)

    def note_one(self, made: torch.Tensor, other: torch.Tensor) -> None:
        if isinstance(made, FunctionalTensor) and isinstance(other, FunctionalTensor):
            self.recorder.note_alias(made, other, None)

    def note_in_rows(self, owner: Any) -> None:
        self.joined.note_in_rows(InRows(owner))

    def settle(self, value: Unusable, possible: Sequence[int]) -> Any:
        """A choice that code is about to see: what this run assumes that it is, or else one that can be taken apart.

        Args:
            value: has a choice.
            possible: the alternatives that it may be.
        """
        choice = Unusable.choice(value)
        assert choice is not None
        if isinstance(choice.tag, int):
            return choice.values[choice.tag]
        left = list(possible)
        while len(left) > 1:
            site = self._context.new_site(here())
            if site.number == self._context.stop_at:
                raise Stop(freeze(self.recorder.wrap(choice.tag) == left[0], self.recorder).raw)
            assumed = self._context.assumed.get(site.number)
            if assumed is None:
                return Unusable.with_choice(value, choice, site)
            left = left[:1] if assumed else left[1:]
        return choice.values[left[0]]

    def _trace_sides(
        self,
        predicate: torch.Tensor,
        then: Callable[[], Any],
        orelse: Callable[[], Any],
        snapshot: Snapshot,
        site: Site,
        *,
        gives_value: bool = False,
    ) -> tuple[Side, Side]:
        """Traces both sides of a condition."""
        sides: list[Side] = []
        for body, is_then in ((then, True), (orelse, False)):
            try:
                sides.append(self._trace_side(body, (predicate, is_then), snapshot, gives_value))
            except _StoppedSide as stopped:
                # The site that this run is for lies in this side. The other side does not reach it.
                other = Side(self.recorder.new_graph(), {}, None, freeze(Number.of(False), self.recorder))
                with self.recorder.into(other.graph):
                    other.value = freeze(Number.of(False), self.recorder)
                pair = (other, stopped.side) if sides else (stopped.side, other)
                joined = self._join_sides(predicate, *pair, None, snapshot, site)
                raise Stop(joined.value.raw) from None
        return sides[0], sides[1]

    def _trace_side(
        self, body: Callable[[], Any], condition: tuple[torch.Tensor, bool], snapshot: Snapshot, gives_value: bool
    ) -> Side:
        """Traces one side into a graph of its own and undoes what it changed.

        Args:
            body: gives the signal of a jump, or None; or, if `gives_value`, the value of the side.
            condition: what is tested, and what it is on this side.
            snapshot: the state that the side starts from.
            gives_value: see `body`.
        """
        outer, first_fork, assumed = self.recorder.graph, len(self._forks), len(self._assumed)
        learnt = self.recorder.sizes.learnt()
        self._depth += 1
        self._sides.append(condition)
        self._sides_traced += 1
        self.recorder.graph = self.recorder.new_graph()
        stopped = False
        try:
            try:
                target, value = self._run(body, gives_value)
            except Stop as stop:
                target, value, stopped = None, self._stopped(first_fork, None, stop), True
            side = self._collapse(first_fork, target, value, None)
            # What the side has changed as a whole.
            delta = {} if self._has_stopped else snapshot.delta()
            side = Side(self.recorder.graph, delta, side.target, side.value, side.deferred)
        finally:
            self._depth -= 1
            self._sides.pop()
            del self._assumed[assumed:]
            del self._forks[first_fork:]
            self.recorder.graph = outer
            self.recorder.sizes.forget(learnt)
        snapshot.undo()
        if stopped:
            raise _StoppedSide(side)
        return side

    def _stopped(self, first_fork: int, target: Scope | None, stop: Stop) -> Number:
        """The open path's value where a run stops: the site's condition. On parked paths the site is not reached."""
        self._has_stopped = True
        for fork in self._forks[first_fork:]:
            with self.recorder.into(fork.parked.graph):
                fork.parked.value = freeze(Number.of(False), self.recorder)
            fork.parked.target, fork.parked.delta = target, {}
        return Number(self.recorder.wrap(stop.condition), bool)

    def _run(self, body: Callable[[], Any], gives_value: bool = False) -> tuple[Scope | None, Any]:
        """Runs a side or a loop body; gives where it goes at its end (None: it falls out)."""
        try:
            signal = body()
            if gives_value:
                return None, signal
        except Unwind as unwind:
            return unwind.target, unwind.value
        except (DyclError, RecursionError, MemoryError):
            raise
        except Exception as error:
            return self._raise(error)
        return self._target(signal), (signal.value if signal is not None else None)

    def _join(
        self,
        predicate: torch.Tensor,
        a: Side,
        b: Side,
        base: Scope | None,
        snapshot: Snapshot,
        site: Site,
    ) -> tuple[Scope | None, Any]:
        """Joins two sides in the current graph, applies what they changed, and forks again for deferred jumps.

        Args:
            base: where the joined path goes on to; sides that go elsewhere are told apart by a flag.

        Returns:
            where the path that is open now goes to, and its value.
        """
        joined = self._join_sides(predicate, a, b, base, snapshot, site)
        self._refork(joined.deferred)
        return joined.target, thaw(joined.value)

    def _refork(self, deferred: list[Deferred]) -> None:
        """Makes a fork again on the flag of each deferred jump."""
        site = Site(None, -1, here())
        for jump in deferred:
            parked = Side(self.recorder.new_graph(), {}, jump.target, jump.value)
            learnt = self.recorder.sizes.learnt()
            fork = Fork(jump.flag, self.recorder.graph, self._snapshot(), parked, True, site, learnt)
            self._open(fork, self.recorder.new_graph())

    def _join_sides(
        self,
        predicate: torch.Tensor,
        a: Side,
        b: Side,
        base: Scope | None,
        snapshot: Snapshot,
        site: Site,
    ) -> Side:
        recorder = self.recorder
        makes_rows = self._makes_rows or self._loops_around > 0
        flags = a.flags_of_raising(), b.flags_of_raising()
        join = Join(recorder, site, (a.graph, b.graph), makes_rows=makes_rows, flags=flags)
        # The deferred jumps of both sides, by target; a side that ends in a jump to elsewhere takes part.
        targets: list[Scope] = []
        for side in (a, b):
            assert side.target is not None or base is None, "a side that falls out decides the base"
            for target in [*(d.target for d in side.deferred), *([side.target] if side.target is not base else [])]:
                if target is not None and target not in targets:
                    targets.append(target)
        flagged: list[tuple[Scope, Plan, Plan]] = []
        for target in targets:
            flags, values = zip(*(self._jump_of(side, target, base) for side in (a, b)), strict=True)
            values = self._on_sides(predicate, values)
            flagged.append(
                (target, join.raw(flags[0], flags[1]), join.plan(values[0], values[1], "the returned value"))
            )
        base_values = self._on_sides(predicate, [s.value if s.target is base else MISSING for s in (a, b)])
        what = "the returned value" if base is not None else "the value"
        value_plan = join.plan(base_values[0], base_values[1], what)
        changes: list[tuple[Location, Plan]] = []
        for key in {**a.delta, **b.delta}:
            location_, _ = a.delta.get(key) or b.delta[key]
            changes.append((location_, self._plan_change(join, location_, (a, b), snapshot, predicate)))
        results = join.emit(predicate, a.graph, b.graph)
        plain, join.sited = join.sited, lambda choice: self._sited(choice, site)
        for place, plan in changes:
            snapshot.write(place, self._sited(plan(results), site))
        value = self._sited(value_plan(results), site)
        join.sited = plain  # Where a path jumps to is not here.
        join.note_aliases()
        taken = self._sides_taken() if join.objects else {}
        for made in join.objects:
            made.taken = taken
            # In another iteration of a loop, its conditions are others.
            made.predicate = predicate if not self._loops_around else None
            self.joined.add(made)
        for owner, is_then in join.in_rows:
            conditions = () if self._loops_around else (*self._passed(), (predicate, is_then))
            self.joined.note_in_rows(InRows(owner, site if site.context is not None else None, conditions))
        deferred = [Deferred(f(results), t, freeze(v(results), recorder)) for t, f, v in flagged]
        return Side(recorder.graph, {}, base, freeze(value, recorder), deferred)

    def _sited(self, value: Any, site: Site) -> Any:
        """The joined value; where no condition tells what it is, a choice is told apart by its tag."""
        choice = Unusable.choice(value) if isinstance(value, Unusable) else None
        if choice is None or self._has_stopped or site.context is self:
            return value
        own_site = Unusable.site(value)
        if own_site is not None and own_site.context is not None:
            return value
        return self.settle(value, range(len(choice.values)))

    def _plan_change(
        self,
        join: Join,
        place: Location,
        sides: tuple[Side, Side],
        snapshot: Snapshot,
        predicate: torch.Tensor,
    ) -> Plan:
        base = snapshot.base(place)
        a, b = (side.delta for side in sides)
        if isinstance(place, TensorLocation):
            raws = [d[place.key][1] if place.key in d else base for d in (a, b)]
            raws = [r.raw if isinstance(r, FrozenTensor) else r for r in raws]
            return join.raw(raws[0], raws[1])
        if isinstance(place, ForeignLocation):
            return self._plan_foreign(join, place, sides, base)
        unassigned = freeze(base, self.recorder)
        values = [d[place.key][1] if place.key in d else after_side(unassigned, d) for d in (a, b)]
        values = self._on_sides(predicate, values)
        if isinstance(place, ContainerLocation):
            # A path that raises, out of the program, before the other has written: nobody sees what it holds there.
            for i, side in enumerate(sides):
                if side.target is not None and side.target.kind == "raise" and place.key not in side.delta:
                    values[i] = FrozenContents(values[1 - i].contents, (MISSING,) * len(values[1 - i].items))
        if isinstance(place, ContainerLocation) and not same_shape(values[0], values[1]):
            # Who holds a list is asked of all objects that there are, so that comes after what does not need it.
            rows = join.plan_rows(values[0], values[1], place.name)
            if rows is not None:
                return rows
            # Made on one side: what that side leaves of it is in the values that hold it. Or nobody sees what it holds.
            if is_made_elsewhere(place) or self._is_dropped(place, sides):
                return lambda _: base
            # Garbage may hold it. Collecting takes a tenth of a second, so it comes last.
            if gc.collect() and is_made_elsewhere(place):
                return lambda _: base
        plan = join.plan(values[0], values[1], place.name)
        if isinstance(place, AttributeLocation) and (values[0] is UNDEFINED) is not (values[1] is UNDEFINED):
            # Reading an attribute is not seen, so that only its use is refused, not its loss.
            return lambda results: Unusable.with_choice(plan(results), None)
        return plan

    def _plan_foreign(self, join: Join, place: ForeignLocation, sides: tuple[Side, Side], base: Any) -> Plan:
        """An object that the sides leave alike; one that raises before it changes it leaves it to nobody."""
        found = [side.delta[place.key][1] if place.key in side.delta else base for side in sides]
        for i, side in enumerate(sides):
            if side.target is not None and side.target.kind == "raise" and place.key not in side.delta:
                found[i] = found[1 - i]
        if found[0].same(found[1]):
            return lambda _: found[0]
        if is_made_elsewhere(place) or self._is_dropped(place, sides) or (gc.collect() and is_made_elsewhere(place)):
            return lambda _: base
        raise DisagreementError(
            f"{place.name} holds something else after one side of a condition on a tensor than after the other",
            hint="change it on both sides alike, or keep a list instead",
            location=join.site.location,
            site=join.site,
        )

    def _is_dropped(self, place: ContainerLocation | ForeignLocation, sides: tuple[Side, Side]) -> bool:
        """Whether a container is held by variables of functions that have ended only, which the sides jumped out of."""
        kept: list[Any] = []
        for side in sides:
            kept += [side.value, *(jump.value for jump in side.deferred)]
            kept += [
                value
                for key, (location_, value) in side.delta.items()
                if key != place.key and not (isinstance(location_, CellLocation) and is_variable_of_the_past(location_))
            ]
        return not any(holds(value, place.owner) for value in kept) and is_left_behind(place)

    def _jump_of(self, side: Side, target: Scope, base: Scope | None) -> tuple[torch.Tensor, Any]:
        """Whether the side jumps to `target`, as a recorded bool, and with what value (frozen)."""
        with self.recorder.into(side.graph):
            for jump in side.deferred:
                if jump.target is target:
                    return jump.flag, jump.value
            return self.constant(side.target is target and side.target is not base), (
                side.value if side.target is target else MISSING
            )

    # Landing ---------------------------------------------------------------------------------------------------------

    def _land(self, scope: Scope, target: Scope, value: Any) -> tuple[Scope, Any]:
        """Joins the jumps that land at the end of `scope` with the path that is open there.

        Args:
            target: where the open path goes: `scope` itself, or farther.

        Returns:
            the same for the path that is open afterwards.
        """
        landing = [i for i in range(scope.first_fork, len(self._forks)) if self._forks[i].parked.target is scope]
        if not landing:
            return target, value
        if target is not scope and landing[0] == len(self._forks) - 1:
            return scope, self._swap(target, value)
        side = self._collapse(landing[0], target, value, scope)
        assert side.target is not None
        self._refork(side.deferred)
        return side.target, thaw(side.value)

    def _swap(self, target: Scope, value: Any) -> Any:
        """Parks the open path and goes on in the side that was parked at the newest fork; gives that side's value."""
        fork = self._forks[-1]
        opened, resumed = self._close(fork, target, value, []), fork.parked
        fork.parked, fork.parked_is_then = opened, not fork.parked_is_then
        self.recorder.graph = resumed.graph
        fork.snapshot.redo(resumed.delta)
        return thaw(resumed.value)

    def _close(self, fork: Fork, target: Scope | None, value: Any, deferred: list[Deferred]) -> Side:
        """The open side of the newest fork as a traced side; undoes what it changed."""
        frozen = freeze(value, self.recorder)
        delta = {} if self._has_stopped else fork.snapshot.delta()
        side = Side(self.recorder.graph, delta, target, frozen, deferred)
        fork.snapshot.undo()
        self.recorder.sizes.forget(fork.learnt)
        return side

    def _collapse(
        self,
        first: int,
        target: Scope | None,
        value: Any,
        base: Scope | None,
        deferred: Sequence[Deferred] = (),
    ) -> Side:
        """Joins all forks from number `first` on, innermost first, into one path in the graph of the outermost.

        Args:
            target, value, deferred: where the open path goes.
            base: where the joined path should go on, if some path goes there.
        """
        while len(self._forks) > first:
            fork = self._forks.pop()
            opened = self._close(fork, target, value, list(deferred))
            self.recorder.graph = fork.outer
            sides = (fork.parked, opened) if fork.parked_is_then else (opened, fork.parked)
            # The joined path goes where both go; else to the landing; else on where the open side goes.
            meets = [s.target for s in sides]
            goal = target if meets[0] is meets[1] or base not in meets else base
            joined = self._join_sides(fork.predicate, sides[0], sides[1], goal, fork.snapshot, fork.site)
            target, value, deferred = joined.target, thaw(joined.value), joined.deferred
        return Side(self.recorder.graph, {}, target, freeze(value, self.recorder), list(deferred))

    # Exceptions are the business of `exceptions.py` ------------------------------------------------------------------

    def _raise(self, error: Exception) -> tuple[Scope, Any]:
        """Where a path goes that raises while other paths are open, and with what value."""
        raise NotImplementedError

    def _check_jump(self, target: Scope) -> None:
        """Refuses a jump to `target` under a condition where it leaves what has to be left in order."""
        raise NotImplementedError


def _condition_on_sizes(test: Any) -> Any:
    """The condition on sizes that a test is, if it is one: an int is tested for being zero."""
    if isinstance(test, torch.SymBool):
        return test
    return test != 0 if isinstance(test, torch.SymInt) else None
