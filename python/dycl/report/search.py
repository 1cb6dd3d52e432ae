# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Looks for inputs that take what no input took: around those that came close, and along gradients; then forces it.

Candidates are run by the program alone, which tells fastest which way they go; what takes something new is compared as
any other call is.
"""

from __future__ import annotations

import copy
import itertools
import math
import time
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import torch
from torch.utils import _pytree as pytree

from dycl.errors import InputError
from dycl.report.agreement import Agreement, Call, Predicate
from dycl.report.constructs import TRIPS
from dycl.report.coverage import FORCED, SEARCHED, EdgeCoverage, LoopCoverage
from dycl.report.dead import decided_names
from dycl.report.inputs import Arguments, random_like
from dycl.report.observe import Observation, Taken
from dycl.report.ranges import range_of

if TYPE_CHECKING:
    from dycl.report.verify import Record, Verifier
    from dycl.runtime.graph import Node

_FRESH = 60
"""How many inputs are drawn anew before any search."""
_NEAREST = 3
"""How many calls, those closest to the other way, a search starts from."""
_STEPS = 12
"""Steps along a gradient."""
_PATIENCE = 4
"""After how many of them that come no closer it is given up."""
_AROUND = 16
"""Random inputs around one."""
_FORCED_TRIES = 4
_SAY_EVERY_S = 0.1
_ROUNDING = 1e-6
"""By how much, of their magnitude, rounding may move compared operands out of their ranges."""


class Search:
    """The search for what the calls of a verifier did not take.

    Args:
        verifier: with the calls so far.
        budget: how many calls of the program may be made.
        seed: of the random ones.
        more: inputs of where the calls' come from, without end; up to half of the budget goes to them.
        time_s: after how many seconds the search ends, and forcing after as many again.

    Attributes:
        tried: how many candidates were run.
        spent_s: how long searching and forcing took, in seconds.
        notes: what the report has to say of it.
    """

    def __init__(
        self,
        verifier: Verifier,
        budget: int,
        seed: int,
        more: Callable[[], Iterator[Arguments]] | None = None,
        *,
        time_s: float = math.inf,
    ) -> None:
        self._verifier = verifier
        self._budget = budget
        self._more = more
        self._generator = torch.Generator().manual_seed(seed)
        self._by_node = {p.node: p for p in verifier.predicates}
        self._agreement = Agreement()
        self._names = decided_names(verifier.program.host_source, verifier.hcfg)
        self._ranges = _integer_ranges(verifier.records)
        self.tried = 0
        self.spent_s = 0.0
        self.notes: list[str] = []
        self._time_s = time_s
        self._started = 0.0
        self._doing = ""
        self._said = -math.inf

    def run(self) -> None:
        """Searches until all is taken, nothing new is found any more, or the budget or the time is spent."""
        with self._timed("search"):
            if self._open():
                self._search()
            self._iterations()

    def _search(self) -> None:
        if self._more is not None:
            self._do("drawing more inputs")
            self._try_all(itertools.islice(self._more(), self._budget // 2))
        self._do("drawing inputs like those")
        self._try_all(random_like(self._any().arguments, self._signature, self._generator) for _ in range(_FRESH))
        found = True
        while found and self._open() and not self._is_spent():
            found = False
            self._do("comparing all decisions")
            self._agreement = self._verifier.judge()
            for number, edge in enumerate(self._open()):
                if edge.is_taken or self._is_spent():
                    continue
                self._do(f"searching {edge.place} {edge.label} ({number + 1} of {len(self._open())} not taken)")
                edge.why = self._unreachable(self._by_node[edge.source])
                if not edge.why:
                    self._try_all(self._candidates(self._by_node[edge.source]), edge)
                found |= edge.is_taken

    # The budget ------------------------------------------------------------------------------------------------------

    @contextmanager
    def _timed(self, what: str) -> Generator[None]:
        """What is done while it is entered ends after the time that was given."""
        self._started = time.monotonic()
        yield
        now = time.monotonic() - self._started
        self.spent_s += now
        if now >= self._time_s and (left := len(self._open())):
            self.notes.append(
                f"{left} edges were not taken when the {what} ended, after {self._time_s:g} s (--search-time) and "
                f"{self.tried} of {self._budget} calls: more time may find inputs"
            )

    def _is_late(self) -> bool:
        return time.monotonic() - self._started >= self._time_s

    def _is_spent(self) -> bool:
        return self.tried >= self._budget or self._is_late()

    def _do(self, what: str) -> None:
        self._doing, self._said = what, -math.inf
        self._say()

    def _say(self) -> None:
        now = time.monotonic()
        if now - self._said < _SAY_EVERY_S:
            return
        self._said = now
        seconds = f"{now - self._started:.0f} of {self._time_s:g} s"
        self._verifier.say(f"{self._doing}: {self.tried} of {self._budget} calls, {seconds}")

    def _iterations(self) -> None:
        """Looks for other numbers of iterations."""
        for loop in self._verifier.coverage.loops.values():
            if not loop.is_taken and self._verifier.coverage.reached(loop.node) and not self._is_spent():
                self._do(f"searching {loop.place} for other numbers of iterations")
                self._try_all(self._candidates(self._by_node[loop.node]), loop)

    @property
    def _signature(self) -> Any:
        return self._verifier.program.signature

    def _any(self) -> Record:
        records = self._verifier.records
        return records[int(torch.randint(0, len(records), (), generator=self._generator))]

    def _open(self) -> list[EdgeCoverage]:
        """The edges that a search may find: nothing took them, and something came to their predicate."""
        coverage = self._verifier.coverage
        return [e for e in coverage.untaken() if not e.is_dead and coverage.reached(e.source)]

    def _try_all(self, candidates: Iterator[Arguments], sought: EdgeCoverage | LoopCoverage | None = None) -> None:
        """Tries candidates until what is sought is taken (None for all edges), or the budget spent."""
        for candidate in candidates:
            if self._is_spent() or (sought.is_taken if sought is not None else not self._open()):
                return
            self._try(candidate)

    def _try(self, candidate: Arguments) -> None:
        """Runs the program, and compares the call if it takes something new."""
        verifier = self._verifier
        self.tried += 1
        self._say()
        verifier.reseed()
        verifier.start()
        try:
            verifier.run_program(copy.deepcopy(candidate))
        except InputError:
            return  # Of a size that the program does not take.
        program = verifier.program
        trips = verifier.trips(Call(Observation(), program.last_decisions))
        if verifier.coverage.is_new(program.last_path, trips):
            verifier.call(candidate, SEARCHED)

    # Candidates ------------------------------------------------------------------------------------------------------

    def _candidates(self, predicate: Predicate) -> Iterator[Arguments]:
        near = self._nearest(predicate)
        for record in near:
            yield from self._along_gradient(predicate, record)
        for record in near:
            yield from self._around(record)

    def _nearest(self, predicate: Predicate) -> list[Record]:
        """The calls that came closest to the other way."""

        def margin(record: Record) -> float:
            taken = self._agreement.counterpart(predicate, record.call, 0)
            return taken.margin.value if taken is not None and taken.margin is not None else float("inf")

        reached = [r for r in self._verifier.records if predicate.node in r.call.by_node]
        return sorted(reached, key=margin)[:_NEAREST]

    def _around(self, record: Record) -> Iterator[Arguments]:
        """Random inputs around one, and between it and others."""
        for step in range(_AROUND):
            if step % 3 == 2:
                yield self._mixed(record.arguments, self._any().arguments, 3 * self._uniform() - 1)
            else:
                yield self._disturbed(record.arguments, 0.03 * 100 ** self._uniform())

    def _uniform(self) -> float:
        return torch.rand((), generator=self._generator).item()

    def _disturbed(self, arguments: Arguments, scale: float) -> Arguments:
        index = iter(range(1 << 30))

        def disturbed(leaf: torch.Tensor) -> torch.Tensor:
            at = next(index)
            if leaf.is_floating_point():
                deviation = leaf.std().item() if leaf.numel() > 1 else 0.0
                deviation = deviation or leaf.abs().max().item() if leaf.numel() else 0.0
                noise = torch.randn(leaf.shape, generator=self._generator) + torch.randn((), generator=self._generator)
                return leaf + scale * (deviation or 1.0) * noise.to(leaf.dtype)
            if leaf.is_complex():
                return leaf
            return self._other_integers(leaf, at)

        return pytree.tree_map_only(torch.Tensor, disturbed, arguments)

    def _other_integers(self, leaf: torch.Tensor, at: int) -> torch.Tensor:
        """Some elements drawn anew, from the range that was seen: others may be no positions or tokens at all."""
        low, high = self._ranges.get(at, (0, 1))
        drawn = torch.randint(low, high + 1, leaf.shape, generator=self._generator).to(leaf.dtype)
        return torch.where(torch.rand(leaf.shape, generator=self._generator) < 0.5, drawn, leaf)

    def _mixed(self, arguments: Arguments, others: Arguments, share: float) -> Arguments:
        mine, spec = pytree.tree_flatten(arguments)
        theirs, other_spec = pytree.tree_flatten(others)
        if spec != other_spec:
            return arguments
        mixed = [
            (a + share * (b - a)).to(a.dtype)
            if isinstance(a, torch.Tensor) and a.is_floating_point() and a.shape == b.shape
            else copy.deepcopy(a)
            for a, b in zip(mine, theirs, strict=True)
        ]
        return pytree.tree_unflatten(mixed, spec)

    # Gradients -------------------------------------------------------------------------------------------------------

    def _along_gradient(self, predicate: Predicate, record: Record) -> Iterator[Arguments]:
        """Inputs along the gradient of what a predicate compares, towards the other way."""
        found = self._last_test(predicate, record)
        if found is None:
            return
        start, nth = found
        if start.margin is not None:
            yield from self._steps(record, start, nth, 0.0)
        else:
            for direction in (1.0, -1.0):
                yield from self._steps(record, start, nth, direction)

    def _steps(self, record: Record, start: Taken, nth: int, direction: float) -> Iterator[Arguments]:
        """Newton steps to where compared operands are equal and a little further; or along one operand, which way."""
        arguments = copy.deepcopy(record.arguments)
        closest, closest_at = math.inf, 0
        for step in range(_STEPS):
            leaves = _float_leaves(arguments)
            if not leaves:  # Integers have no gradient.
                return
            value = self._compared(record, arguments, leaves, start, nth)
            if value is None or not value.requires_grad:
                return
            gradients = torch.autograd.grad(value, leaves, allow_unused=True, materialize_grads=True)
            squared = sum(float(g.double().square().sum()) for g in gradients)
            if not squared or squared != squared:
                return
            now = value.item()
            if abs(now) < 0.99 * closest:
                closest, closest_at = abs(now), step
            if not direction and step - closest_at >= _PATIENCE:
                return
            if direction:
                change = direction * (abs(now) + 1) * 0.25 * 1.5**step
            else:
                change = -now * (1.1 + 0.1 * step) - (1e-6 if now >= 0 else -1e-6)
            moved = iter([leaf.detach() + change / squared * g for leaf, g in zip(leaves, gradients, strict=True)])
            arguments = _with_floats(arguments, lambda leaf, moved=moved: next(moved).to(leaf.dtype))
            yield arguments

    def _compared(
        self, record: Record, arguments: Arguments, leaves: Sequence[torch.Tensor], start: Taken, nth: int
    ) -> torch.Tensor | None:
        """What a decision compares, as one number: the difference of its operands where they are closest."""
        again = self._observed(record, arguments, leaves, start, nth)
        if again is None or again.operands is None:
            return None
        left, right = map(_as_number, again.operands)
        with torch.enable_grad():
            found = left if right is None else left - right
            if not isinstance(found, torch.Tensor) or not found.is_floating_point() or not found.numel():
                return None
            return found.flatten()[int(found.detach().abs().argmin())]

    def _observed(
        self, record: Record, arguments: Arguments, leaves: Sequence[torch.Tensor], start: Taken, nth: int
    ) -> Taken | None:
        """The decision of a call again, for other arguments, with what it compares and how that was computed."""
        rest = iter(leaves)
        tracked = _with_floats(arguments, lambda _: next(rest) * 1)
        model = copy.deepcopy(record.before) if self._verifier.has_state else record.before
        try:
            eager = self._verifier.observe(model, tracked, with_gradients=True)
        except RuntimeError:
            return None
        alike = [t for t in eager.taken if t.role == start.role]
        return alike[nth] if nth < len(alike) else None

    def _last_test(self, predicate: Predicate, record: Record) -> tuple[Taken, int] | None:
        """The last decision of a predicate in a call, and the how manyth it is of its role."""
        tokens = predicate.tokens(record.call)
        start = self._agreement.counterpart(predicate, record.call, len(tokens) - 1) if tokens else None
        if start is None:
            return None
        start = _test_of(start, record)
        return start, [t for t in record.call.eager.taken if t.role == start.role].index(start)

    # What cannot be --------------------------------------------------------------------------------------------------

    def _unreachable(self, predicate: Predicate) -> str:
        """Why no input that gets to a predicate as the nearest ones do turns it; empty where that is not known."""
        why = ""
        for record in self._nearest(predicate):
            found = self._last_test(predicate, record)
            leaves = _float_leaves(record.arguments)
            if found is None or found[0].margin is None or not leaves:
                return ""
            again = self._observed(record, record.arguments, leaves, *found)
            if again is None or again.operands is None or not again.is_alone:
                return ""
            left, right = (range_of(operand, leaves) for operand in again.operands)
            finite = [abs(bound) for bound in (*left, *right) if math.isfinite(bound)]
            noise = _ROUNDING * max([1.0, *finite])
            if left[0] <= right[1] + noise and left[1] >= right[0] - noise:
                return ""
            why = (
                f"no input like these: it compares what lies between {left[0]:.3g} and {left[1]:.3g} with what lies "
                f"between {right[0]:.3g} and {right[1]:.3g}"
            )
        return why

    # Forcing ---------------------------------------------------------------------------------------------------------

    def force(self) -> None:
        """Forces, in both programs alike, what no input took; an edge that could not be says why."""
        with self._timed("forcing"):
            progress = True
            while progress and not self._is_late():
                progress = False
                self._do("comparing all decisions")
                self._agreement = self._verifier.judge()
                for edge in self._open():
                    if edge.is_taken or self._is_late():
                        continue
                    self._do(f"forcing {edge.place} {edge.label}")
                    why = self._force_edge(self._by_node[edge.source])
                    edge.why = "" if edge.is_taken else edge.why or why
                    progress |= edge.is_taken

    def _force_edge(self, predicate: Predicate) -> str:
        """Forces a predicate in one of the calls that came to it; gives why that cannot be."""
        why = "no decision of the user's to force: a check or a choice of the program"
        reached = [r for r in self._verifier.records if predicate.node in r.call.by_node]
        for record in reached[:_FORCED_TRIES]:
            for nth in range(len(predicate.tokens(record.call))):
                taken = self._agreement.counterpart(predicate, record.call, nth)
                if taken is None:
                    continue
                taken = _test_of(taken, record)
                if taken.turned is None:
                    why = "no input found; not to be forced: it asks several truths, or a number computed before"
                    continue
                problem = self._force(record, taken)
                if problem is None:
                    return ""
                why = f"forced, the two differ: {problem}"
                break
        return why

    def _force(self, record: Record, taken: Taken) -> str | None:
        """Runs both with one truth turned; None if they agree."""
        verifier = self._verifier
        assert taken.turned is not None
        number, value = taken.turned
        turned = {number: value}
        if verifier.has_state:
            verifier.start(record.seed)
        model = copy.deepcopy(record.before) if verifier.has_state else record.before
        eagers, mine = copy.deepcopy(record.arguments), copy.deepcopy(record.arguments)
        eager = verifier.observe(model, eagers, forced=turned)
        override = self._override(Call(eager, ()), taken)
        with verifier.program.decided_by(override):
            forced = verifier.compared(record.arguments, FORCED, record.before, eager, eagers, mine)
        trial = [*(r.call for r in verifier.records if r.near_tie is None), forced.call]
        disagreements = verifier.disagreements(trial)
        problems = verifier.problems(forced)
        if not problems and not disagreements:
            verifier.keep(forced)
            return None
        if not disagreements and eager.raised is None and isinstance(value, bool) and taken.role.construct.plain():
            # Both went the same way, by a truth that nothing else uses: what that way computes differs.
            verifier.keep(forced)
        return problems[0][1] if problems else str(disagreements[0])

    def _override(self, call: Call, taken: Taken) -> Callable[[Node, Any], Any]:
        """What the program is to decide: at the turned condition what eager decided, elsewhere what it would."""
        decided: dict[Node, deque[Any]] = {}
        for node, meanings in self._agreement.meanings.items():
            predicate = self._by_node[node]
            contexts = self._agreement.contexts.get(node)
            for meaning in meanings:
                if not set(meaning.role.construct.leaves) & set(taken.role.construct.leaves):
                    continue
                values = [
                    value
                    for value, t in meaning.values(call.by_role.get(meaning.role, ()))
                    if contexts is None or t.context in contexts
                ]
                if meaning.role.part == TRIPS and predicate.kind == "loop":
                    values = [way for trips in values for way in (*[True] * int(trips), False)]
                decided[node] = deque(values)
                break

        turned: dict[str, bool] = {}

        def override(node: Node, value: Any) -> Any:
            rest, name = decided.get(node), self._names.get(node, "")
            if not isinstance(value, bool):
                return value
            if rest:
                now = rest.popleft()
                if now is not value:
                    turned[name] = now
                return now
            # What was turned may be decided on again, such as whether a side returned.
            return turned[name] if turned.get(name) is (not value) else value

        return override


def _test_of(taken: Taken, record: Record) -> Taken:
    """For a loop's iterations the last of its tests, which ended it; else the decision itself."""
    if taken.role.part != TRIPS:
        return taken
    tests = [t for t in record.call.eager.taken if t.role == replace(taken.role, part="") and t.on_data]
    return tests[-1] if tests else taken


def _float_leaves(arguments: Arguments) -> list[torch.Tensor]:
    """The tensors of floats in arguments, each a new one that gradients are computed for."""
    return [
        leaf.detach().clone().requires_grad_()
        for leaf in pytree.tree_leaves(arguments)
        if isinstance(leaf, torch.Tensor) and leaf.is_floating_point()
    ]


def _as_number(operand: Any) -> Any:
    """What a decision compares, of which differences can be taken: not of bools."""
    if isinstance(operand, bool):
        return int(operand)
    return operand.to(torch.int64) if isinstance(operand, torch.Tensor) and operand.dtype == torch.bool else operand


def _integer_ranges(records: Sequence[Record]) -> dict[int, tuple[int, int]]:
    """The least and largest number in each tensor of integers, over all calls."""
    ranges: dict[int, tuple[int, int]] = {}
    for record in records:
        tensors = [leaf for leaf in pytree.tree_leaves(record.arguments) if isinstance(leaf, torch.Tensor)]
        for index, leaf in enumerate(tensors):
            if leaf.is_floating_point() or leaf.is_complex() or not leaf.numel():
                continue
            low, high = int(leaf.min()), int(leaf.max())
            known = ranges.get(index, (low, high))
            ranges[index] = (min(low, known[0]), max(high, known[1]))
    return ranges


def _with_floats(arguments: Arguments, make: Callable[[torch.Tensor], torch.Tensor]) -> Arguments:
    """Arguments with other floating tensors, in order."""
    return pytree.tree_map_only(
        torch.Tensor, lambda leaf: make(leaf) if leaf.is_floating_point() else leaf.clone(), arguments
    )
