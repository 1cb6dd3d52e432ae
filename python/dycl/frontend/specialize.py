# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Where the sides of a condition disagree on a value, what follows is traced apart for each side.

A variable may be None on one side and a tensor on the other, or of two dtypes; then no joined value exists, but each
path by itself is fine. So the program is traced three times: up to that condition, to get whether it is reached and
holds; assuming that it holds; and assuming that it does not. The three become one, with that condition at its top. What
they have in common is computed once, since the branches' copies fold into what stands before them (CSE). The body of a
loop on data is taken apart in the same way: its iterations are of the kinds that a value has at their start.

Conditions are told apart by their number in the order of tracing, which is the same in every run up to the condition.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from contextlib import contextmanager

import torch

from dycl.errors import UnsupportedConstructError
from dycl.frontend.branches import Branches
from dycl.frontend.paths import Context, Side, Stop
from dycl.frontend.state import Snapshot
from dycl.frontend.values import DisagreementError, FailingPathError, LengthDisagreementError, Site

Trace = Callable[[], Side]
"""Traces code from the state as it is into the current graph; the side that it gives has no delta."""


MAX_LENGTHS = 3
"""How often a program is taken apart by the lengths of lists until it is tried without: the paths multiply, since each
condition under which a list grows gives as many more."""


MAX_SIDES = 300
"""How many sides of conditions are traced at most for each path that the program may be taken apart into. Loops in it
are taken apart by themselves, which multiplies; this many take some seconds."""


class ManyLengthsError(DisagreementError):
    """A program that was taken apart by the lengths of lists more than `MAX_LENGTHS` times."""


class Specialization(Branches):
    """Adds tracing apart."""

    @contextmanager
    def _new_context(self) -> Generator[None]:
        """Code that can be traced again from its start begins."""
        outer, self._context = self._context, Context(self._max_specializations - 1, self._context)
        try:
            yield
        finally:
            self._context = outer

    def _apart(self, trace: Trace) -> Side:
        """What `trace` gives; where it uses a value on which sides disagree, a join of what it gives for each of them.

        Raises:
            DisagreementError: the value comes from outside of the context, or the context was taken apart too often.
        """
        snapshot = self._snapshot()
        reason: DisagreementError | None = None
        try:
            return self._from_start(trace, snapshot)
        except DisagreementError as error:
            reason = self._taken(error)
        while True:
            assert reason.site is not None
            left = self._context.left
            self._context.left -= 1
            try:
                return self._apart_at(reason.site, reason, trace, snapshot)
            except DisagreementError as error:
                # Met before the other, whose number need not be the same when this one is taken apart.
                reason = self._taken(error, before=reason.site)
            self._context.left = left

    def _taken(self, error: DisagreementError, before: Site | None = None) -> DisagreementError:
        """The error, without what it keeps alive, if its site is to be taken apart here; else raises it."""
        site, context = error.site, self._context
        if site is None or site.context is not context:
            raise error
        if site.number <= max(context.assumed, default=-1) or (before is not None and site.number >= before.number):
            raise error
        if isinstance(error, LengthDisagreementError) and self._max_lengths is not None:
            self._max_lengths -= 1
            if self._max_lengths < 0:
                raise ManyLengthsError(error.construct, hint=error.hint, location=error.location) from error
        kind = LengthDisagreementError if isinstance(error, LengthDisagreementError) else DisagreementError
        if time.process_time() > self.deadline:
            raise kind(
                error.construct,
                hint=f"{error.hint}, or raise `Options.max_seconds`: compiling the paths apart takes longer than that",
                location=error.location,
            ) from error
        if context.left == 0 or self._sides_traced > MAX_SIDES * self._max_specializations:
            raise kind(
                error.construct,
                hint=f"{error.hint}, or raise `Options.max_specializations`: the paths are compiled apart "
                f"{self._max_specializations} times at most, with {MAX_SIDES} sides of conditions each",
                location=error.location,
            ) from error
        return error.with_traceback(None)

    def _from_start(self, trace: Trace, snapshot: Snapshot) -> Side:
        """Runs a trace; where it fails, everything is as it was before."""
        graph, forks, context = self.recorder.graph, len(self._forks), self._context
        assumed, learnt = len(self._assumed), self.recorder.sizes.learnt()
        joined, shared = self.joined.mark(), dict(self._shared)
        context.met = 0
        try:
            return trace()
        except Stop:
            raise
        except BaseException:
            del self._forks[forks:]
            self.recorder.graph, self._shared = graph, shared
            self.joined.forget(joined)
            self.recorder.sizes.forget(learnt)
            snapshot.undo()
            raise
        finally:
            del self._assumed[assumed:]

    def _apart_at(self, site: Site, reason: DisagreementError, trace: Trace, snapshot: Snapshot) -> Side:
        """The join of what `trace` gives when the condition at the site holds, and when not."""
        condition = self._condition_at(site, trace, snapshot)
        sides: list[Side] = []
        failures: list[FailingPathError] = []
        for holds in (True, False):
            self._context.assumed[site.number] = holds
            try:
                sides.append(self._path(trace, snapshot))
            except FailingPathError as error:
                failures.append(error)
            finally:
                del self._context.assumed[site.number]
        if failures:
            # What a path does with the value only makes sense on the other; if both fail, it is for another reason.
            raise (reason if sides else failures[0]) from failures[0]
        a, b = sides
        assert a.target is b.target, "the paths end in different places"
        return self._join_sides(condition, a, b, a.target, snapshot, Site(self, -1, site.location))

    def _path(self, trace: Trace, snapshot: Snapshot) -> Side:
        """One path in a graph of its own, with what it changes, which is undone."""
        outer, self.recorder.graph = self.recorder.graph, self.recorder.new_graph()
        learnt = self.recorder.sizes.learnt()
        self._depth += 1
        try:
            side = self._apart(trace)
            side.delta = snapshot.delta()
        finally:
            self._depth -= 1
            self.recorder.graph = outer
            self.recorder.sizes.forget(learnt)
        snapshot.undo()
        return side

    def _condition_at(self, site: Site, trace: Trace, snapshot: Snapshot) -> torch.Tensor:
        """Whether the site is reached with its condition holding, as a recorded bool in the current graph."""
        first_fork, learnt = len(self._forks), self.recorder.sizes.learnt()
        self._context.stop_at = site.number
        try:
            self._from_start(trace, snapshot)
        except Stop as stop:
            side = self._collapse(first_fork, None, self._stopped(first_fork, None, stop), None)
        else:
            raise UnsupportedConstructError(
                "the model does something else when it is traced a second time",
                hint="make it depend on its arguments only",
                location=site.location,
            )
        finally:
            self._context.stop_at = None
            self._has_stopped = False
            self.recorder.sizes.forget(learnt)
        snapshot.undo()
        return side.value.raw
