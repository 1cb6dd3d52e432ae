# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Branches, loops and jumps: how several paths through the program become one structured graph.

At a condition on a tensor both sides are traced, each once, from the same state.

- If both sides end in the same way (both fall out of the `if`, both return), they are joined at once: a `cond` node,
  whose results are what the sides changed.
- If one side jumps (`return`, `break`, `continue`) and the other goes on, the jumping side is *parked* and the graph of
  the other stays open: the program simply continues there. Where the jump lands (the end of the function, of the loop,
  of the iteration), the parked side and whatever the open side has become are joined. So an early exit becomes a
  nested region: no "did return" flag, and nothing is computed for values that one side does not have.
- Only where paths do not nest (a `break` and a `return` in one loop body; a `return` under two `if`s whose other sides
  both go on) does a boolean tell, after the join, which way to go: the side is *deferred*, and the fork made again on
  that boolean.

A loop on a tensor condition is traced until its loop-carried values are known and stable: what its body changes. It is
rotated: the condition is tested before the loop and again at the end of the body, so that a test belongs to the region
of the computation that it depends on.
"""

from __future__ import annotations

import builtins
import types
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any, Iterator

import torch
from torch import fx

from dycl.errors import DyclError, SourceLocation, UnsupportedConstructError
from dycl.frontend.locations import here, raised_at, raised_in_library
from dycl.frontend.recorder import COND, WHILE, Recorder
from dycl.frontend.state import (
    UNDEFINED,
    CellLocation,
    Delta,
    FrozenContents,
    FrozenNode,
    FrozenTensor,
    Journal,
    Location,
    Snapshot,
    TensorLocation,
    freeze,
    map_tensors,
    thaw,
)
from dycl.frontend.values import Number, TruthOnly, Unusable, refuse, same_constant

MAX_UNROLLED = 100_000
"""How many iterations of a loop that Python decides are unrolled at most."""

MAX_LOOP_ROUNDS = 8
"""How often a loop body is traced at most until its loop-carried values are stable."""

# ---------------------------------------------------------------------------------------------------------------------
# Jumps


@dataclass(frozen=True)
class Signal:
    """What a rewritten body returns when it jumps; None means that it fell out of its end."""

    kind: str  # "return", "break" or "continue"
    value: Any = None


BREAK = Signal("break")
CONTINUE = Signal("continue")


Handler = tuple[Callable[[], Any], Callable[[BaseException], Signal | None]]
"""An `except` clause: its exception types, and its body."""


@dataclass(eq=False)
class Scope:
    """A place where jumps land, or that they pass.

    `kind` is "return", "break" or "continue" for the end of a function, of a loop, of an iteration, where the signals
    of that kind land; "try" for the end of a `try` statement and "raise" for the end of the program, where exceptions
    land; "handlers" while `except` clauses are in force, "finally" while a `finally` clause is.
    """

    kind: str
    first_fork: int
    """How many forks were open when it began."""
    handlers: Sequence[Handler] = ()
    end: Scope | None = None
    """Of "handlers": the end of their `try` statement."""
    final: Callable[[], Signal | None] | None = None
    """Of "finally": the clause."""


class _Unwind(BaseException):
    """Takes a jump out of the Python frames between an exception under a condition and where it is handled."""

    def __init__(self, target: Scope, value: Any) -> None:
        super().__init__()
        self.target = target
        self.value = value


@dataclass(eq=False)
class _Deferred:
    """A jump that is taken after a join iff `flag` holds."""

    flag: torch.Tensor
    target: Scope
    value: Any  # frozen


@dataclass(eq=False)
class _Side:
    """One traced side of a fork.

    `target` is where its end jumps to (None: it falls out), with `value` (frozen); each deferred jump comes before it.
    """

    graph: fx.Graph
    delta: Delta
    target: Scope | None = None
    value: Any = None
    deferred: list[_Deferred] = field(default_factory=list)


@dataclass(eq=False)
class _Fork:
    """A condition one side of which is parked, while the other is open."""

    predicate: torch.Tensor
    outer: fx.Graph
    snapshot: Snapshot
    parked: _Side
    parked_is_then: bool
    location: SourceLocation | None


# ---------------------------------------------------------------------------------------------------------------------
# Joining


class _Join:
    """The `cond` node that joins two sides: collects pairs of tensors, then rebuilds values from its results."""

    def __init__(self, control: Control, location: SourceLocation | None) -> None:
        self._control = control
        self._location = location
        self._pairs: list[tuple[torch.Tensor, torch.Tensor]] = []
        self._index: dict[tuple[int, int], int] = {}

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
        if isinstance(a, (FrozenNode, FrozenContents)) and type(a) is type(b) and _same_shape(a, b):
            plans = [self.plan(x, y, what) for x, y in zip(a.items, b.items, strict=True)]
            return lambda results: a.rebuild([p(results) for p in plans])
        if isinstance(a, FrozenContents) and isinstance(b, FrozenContents):
            raise UnsupportedConstructError(
                f"{what} holds {len(a.items)} items after one side of the condition and {len(b.items)} after the other",
                hint="append on both sides, or write into a tensor of fixed size",
                location=self._location,
            )
        if same_constant(a, b):
            return lambda _: a
        unusable = self._unusable(a, b, what)
        return lambda _: unusable

    def _plan_tensors(self, a: FrozenTensor, b: FrozenTensor, what: str) -> Callable[[list[torch.Tensor]], Any]:
        kinds = [v.original.type if isinstance(v.original, Number) else None for v in (a, b)]
        alike = kinds[0] is kinds[1] and a.raw.dtype == b.raw.dtype and a.raw.shape == b.raw.shape
        if not alike:
            unusable = self._unusable(a, b, what)
            return lambda _: unusable
        index = self._result(a.raw, b.raw)
        recorder = self._control.recorder
        kind = kinds[0]
        if kind is not None:
            return lambda results: Number(recorder.wrap(results[index]), kind)
        return lambda results: recorder.wrap(results[index])

    def _plan_numbers(self, a: Any, b: Any) -> Callable[[list[torch.Tensor]], Any] | None:
        """Two Python numbers of one type, at least one of them constant, become a number that depends on data."""
        kinds = [_number_type(v) for v in (a, b)]
        if kinds[0] is None or kinds[0] is not kinds[1] or same_constant(a, b):
            return None
        kind = kinds[0]
        raws = [v.raw if isinstance(v, FrozenTensor) else self._control.constant(v) for v in (a, b)]
        index = self._result(raws[0], raws[1])
        return lambda results: Number(self._control.recorder.wrap(results[index]), kind)

    def _unusable(self, a: Any, b: Any, what: str) -> Unusable:
        for value in (thaw(a), thaw(b)):
            if isinstance(value, Unusable):
                return value
        return Unusable(
            f"{what} is {describe(a)} if the condition holds and {describe(b)} if not, and is used after that",
            "give it the same type, dtype and shape on both sides",
            self._location,
        )

    def raw(self, a: torch.Tensor, b: torch.Tensor) -> Callable[[list[torch.Tensor]], torch.Tensor]:
        index = self._result(a, b)
        return lambda results: results[index]

    def emit(self, predicate: torch.Tensor, then: fx.Graph, orelse: fx.Graph) -> list[torch.Tensor]:
        """Records the node in the current graph."""
        recorder = self._control.recorder
        then.output(tuple(recorder.node_of(a) for a, _ in self._pairs))
        orelse.output(tuple(recorder.node_of(b) for _, b in self._pairs))
        results = recorder.emit(
            COND,
            (recorder.node_of(predicate),),
            [a for a, _ in self._pairs],
            branches=(then, orelse),
            location=self._location,
        )
        return list(results)


def _same_shape(a: FrozenNode | FrozenContents, b: FrozenNode | FrozenContents) -> bool:
    if isinstance(a, FrozenNode) and isinstance(b, FrozenNode):
        return a.kind == b.kind
    return len(a.items) == len(b.items) and a.contents.keys == b.contents.keys  # type: ignore[union-attr]


def _number_type(value: Any) -> type | None:
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


# ---------------------------------------------------------------------------------------------------------------------
# Control


class Control:
    """The paths of the program that is being captured.

    Attributes:
        recorder: where ops go.
        journal: where stores to attributes and containers are reported.
    """

    def __init__(self, recorder: Recorder, *, max_depth: int) -> None:
        self.recorder = recorder
        self.journal = Journal()
        self.exceptions: list[tuple[str, ...]] = []
        """What leaves the program: the name of a built-in exception, and its message if it has one."""
        self._max_depth = max_depth
        self._forks: list[_Fork] = []
        self._scopes: list[Scope] = []
        self._depth = 0
        self._cells: list[Sequence[CellLocation]] = []
        """The variables that each construct around may write, innermost last."""

    # Conditions ------------------------------------------------------------------------------------------------------

    def predicate(self, test: Any) -> torch.Tensor | None:
        """The recorded 0-d bool tensor of a condition on data, or None for one that Python decides."""
        if isinstance(test, TruthOnly):
            test = TruthOnly.truth(test)
        if isinstance(test, Unusable):
            refuse(test)
        if isinstance(test, torch.Tensor):
            if test.numel() != 1:
                amount = "more than one value" if test.numel() else "no values"
                raise RuntimeError(f"Boolean value of Tensor with {amount} is ambiguous")
            test = Number(test.reshape(()).ne(0) if test.dtype != torch.bool else test.reshape(()), bool)
        if isinstance(test, Number):
            return freeze(test.converted(bool), self.recorder).raw
        return None

    def constant(self, value: bool | int | float) -> torch.Tensor:
        """A recorded 0-d tensor (bool, i64, f64) with a known value, in the current graph."""
        return freeze(Number.of(value), self.recorder).raw

    # Scopes ----------------------------------------------------------------------------------------------------------

    @contextmanager
    def _scope(self, kind: str, **attributes: Any) -> Iterator[Scope]:
        scope = Scope(kind, len(self._forks), **attributes)
        self._scopes.append(scope)
        try:
            yield scope
        finally:
            self._scopes.pop()

    @contextmanager
    def _writing(self, cells: Sequence[CellLocation]) -> Iterator[None]:
        self._cells.append(cells)
        try:
            yield
        finally:
            self._cells.pop()

    def _snapshot(self) -> Snapshot:
        cells = {cell.key: cell for group in self._cells for cell in group}
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
        raise _Unwind(target, value)

    def _follow(self, body: Callable[[], Signal | None], scope: Scope) -> tuple[Scope, Any]:
        """Runs code on the open path; gives where it goes then (`scope` if it falls out), and with what value."""
        try:
            signal = body()
        except _Unwind as unwind:
            return unwind.target, unwind.value
        except (DyclError, RecursionError, MemoryError):
            raise
        except Exception as error:
            if len(self._forks) == scope.first_fork:
                raise  # no other path is open: Python finds the handler
            return self._raise(error)
        return (self._target(signal) or scope), (signal.value if signal is not None else None)

    # Functions and programs ------------------------------------------------------------------------------------------

    def function(self, body: Callable[[], Any]) -> Any:
        """Runs a function of the user's; returns under conditions land at its end."""
        with self._scope("return") as scope:
            target, value = self._follow(lambda: Signal("return", body()), scope)
            target, value = self._land(scope, target, value)
        if target is not scope:
            raise _Unwind(target, value)
        return value

    def program(self, body: Callable[[], Any]) -> tuple[Any, Number | None]:
        """Runs the whole program; exceptions that no path handles land at its end.

        Returns:
            its result, and where some path raises, a number: 0, or one more than the index in `exceptions` of what is
            raised instead of returning the result.
        """
        with self._scope("raise") as scope:
            try:
                result = body()
            except _Unwind as unwind:
                raise UnsupportedConstructError(
                    "every path raises an exception", hint="return a value on some path", location=here()
                ) from unwind
            if not self._forks:
                return result, None
            frozen = freeze(result, self.recorder)
            for fork in self._forks:
                assert fork.parked.target is scope, "a jump left the program"
                with self.recorder.into(fork.parked.graph):
                    items = (self._poison(frozen), fork.parked.value)
                fork.parked.value = FrozenNode((None, None), (), items)
            side = self._collapse(0, scope, (result, 0), scope)
            result, code = thaw(side.value)
            return result, Number.of(code)

    # Exceptions ------------------------------------------------------------------------------------------------------

    def try_(
        self,
        body: Callable[[], Signal | None],
        handlers: Sequence[Handler],
        orelse: Callable[[], Signal | None] | None,
        final: Callable[[], Signal | None] | None,
        cells: Sequence[CellLocation],
    ) -> Signal | None:
        """A `try` statement. An exception under a condition runs its handler on the path that raises it."""
        with self._writing(cells), ExitStack() as stack:
            if final is not None:
                stack.enter_context(self._scope("finally", final=final))
            try:
                with self._scope("try") as end:
                    target, value, handled = self._guarded(body, handlers, end)
                    if orelse is not None and target is end and not handled:
                        target, value = self._follow(orelse, end)
                    target, value = self._land(end, target, value)
            except Exception as error:
                if final is not None and not isinstance(error, DyclError):
                    self._run_final(final)
                raise
        if final is not None:
            self._run_final(final)
        return None if target is end else self._signal(target, value)

    def _guarded(
        self, body: Callable[[], Signal | None], handlers: Sequence[Handler], end: Scope
    ) -> tuple[Scope, Any, bool]:
        """Runs the body of a `try` on the open path; the third result says whether a handler ran there."""
        with self._scope("handlers", handlers=handlers, end=end) as guarded:
            try:
                target, value = self._follow(body, end)
                return target, value, False
            except DyclError:
                raise
            except Exception as error:
                handler = _matching(guarded, error)
                if handler is None:
                    raise
                return *self._handle(error, handler, guarded), True

    def _handle(
        self, error: Exception, handler: Callable[[BaseException], Signal | None], guarded: Scope
    ) -> tuple[Scope, Any]:
        """Runs an `except` clause in the current graph, as seen from its place in the program."""
        assert guarded.end is not None
        inner = self._scopes
        self._scopes = inner[: inner.index(guarded)]
        try:
            try:
                raise error  # so that a bare `raise` in the clause finds it
            except Exception:
                target, value = self._follow(lambda: handler(error), guarded.end)
            self._refuse_finally(target)
            return target, value
        finally:
            self._scopes = inner

    def _raise(self, error: Exception) -> tuple[Scope, Any]:
        """Where a path goes that raises while other paths are open: its handler is run right away."""
        for scope in reversed(self._scopes):
            handler = _matching(scope, error)
            if handler is not None:
                assert scope.end is not None
                self._refuse_finally(scope)
                try:
                    return self._handle(error, handler, scope)
                except (DyclError, RecursionError, MemoryError):
                    raise
                except Exception as another:
                    inner = self._scopes
                    self._scopes = inner[: inner.index(scope)]
                    try:
                        return self._raise(another)
                    finally:
                        self._scopes = inner
            if scope.kind == "raise":
                self._refuse_finally(scope)
                return scope, freeze(self._exception_code(error), self.recorder)
        raise AssertionError("no program around")

    def _exception_code(self, error: Exception) -> int:
        """The number of an exception that leaves the program."""
        name, location = type(error).__name__, raised_at(error)
        if raised_in_library(error):
            raise UnsupportedConstructError(
                f"one side of a condition on a tensor fails: {name}: {error}",
                hint="that path can never succeed; `raise` an exception of your own there",
                location=location,
            ) from error
        if getattr(builtins, name, None) is not type(error) or not all(isinstance(a, str) for a in error.args):
            raise UnsupportedConstructError(
                f"`{name}` leaves the program under a condition on a tensor",
                hint="raise a built-in exception with a message, which the compiled program can raise as well",
                location=location,
            ) from error
        entry = (name, *error.args)
        if entry not in self.exceptions:
            self.exceptions.append(entry)
        return self.exceptions.index(entry) + 1

    def _run_final(self, final: Callable[[], Signal | None]) -> None:
        if final() is not None:
            raise UnsupportedConstructError(
                "a jump out of a `finally` clause", hint="jump after the `try` statement", location=here()
            )

    def _refuse_finally(self, target: Scope) -> None:
        """An exception under a condition cannot pass a `finally` clause."""
        if any(s.kind == "finally" for s in self._scopes[self._scopes.index(target) + 1 :]):
            raise UnsupportedConstructError(
                "an exception under a condition on a tensor passes a `finally` clause",
                hint="handle the exception inside that `try`, or do without `finally`",
                location=here(),
            )

    def _pass_finally(self, side: _Side, snapshot: Snapshot) -> None:
        """Runs, on a side that is parked, the `finally` clauses between it and where it jumps to."""
        assert side.target is not None
        passed = self._scopes[self._scopes.index(side.target) + 1 :]
        finals = [s for s in reversed(passed) if s.final is not None]
        if not finals:
            return
        outer, scopes, first_fork = self.recorder.graph, self._scopes, len(self._forks)
        snapshot.redo(side.delta)
        self.recorder.graph = side.graph
        try:
            for scope in finals:
                assert scope.final is not None
                self._scopes = scopes[: scopes.index(scope)]
                self._run_final(scope.final)
            assert len(self._forks) == first_fork, "a `finally` clause left a path open"
            side.delta = snapshot.delta()
        finally:
            self._scopes, self.recorder.graph = scopes, outer
        snapshot.undo()

    # Branches --------------------------------------------------------------------------------------------------------

    def if_(
        self,
        predicate: torch.Tensor,
        then: Callable[[], Signal | None],
        orelse: Callable[[], Signal | None],
        cells: Sequence[CellLocation],
    ) -> Signal | None:
        """An `if` on data. Gives the signal of the path that goes on."""
        location = here()
        with self._writing(cells):
            snapshot = self._snapshot()
            a = self._trace_side(then, snapshot)
            b = self._trace_side(orelse, snapshot)
            if a.deferred or b.deferred or a.target is b.target:
                base = max(a.target, b.target, key=self._reach)
                target, value = self._join(predicate, a, b, base, snapshot, location)
                return self._signal(target, value)
        return self._signal(*self._park(predicate, a, b, snapshot, location))

    def choose(self, predicate: torch.Tensor, then: Callable[[], Any], orelse: Callable[[], Any]) -> Any:
        """A conditional expression on data: the joined value of two expressions."""
        location = here()
        snapshot = self._snapshot()

        def run(side: Callable[[], Any]) -> _Side:
            box: list[Any] = []

            def body() -> None:
                box.append(side())

            return self._trace_side(body, snapshot, lambda: box[0])

        a, b = run(then), run(orelse)
        if a.deferred or b.deferred or a.target is b.target:
            base = max(a.target, b.target, key=self._reach)
            target, value = self._join(predicate, a, b, base, snapshot, location)
        else:
            target, value = self._park(predicate, a, b, snapshot, location)
        if target is not None:
            raise _Unwind(target, value)
        return value

    def _park(
        self, predicate: torch.Tensor, a: _Side, b: _Side, snapshot: Snapshot, location: SourceLocation | None
    ) -> tuple[Scope | None, Any]:
        """Goes on in one side: the one that falls out, or else the one that does not jump as far."""
        parked_is_then = self._reach(a.target) < self._reach(b.target)
        parked, opened = (a, b) if parked_is_then else (b, a)
        self._pass_finally(parked, snapshot)
        self._open(_Fork(predicate, self.recorder.graph, snapshot, parked, parked_is_then, location), opened.graph)
        snapshot.redo(opened.delta)
        return opened.target, thaw(opened.value)

    def _reach(self, target: Scope | None) -> int:
        return len(self._scopes) if target is None else self._scopes.index(target)

    def _open(self, fork: _Fork, graph: fx.Graph) -> None:
        if len(self._forks) + self._depth >= self._max_depth:
            raise UnsupportedConstructError(
                f"more than {self._max_depth} conditions nest in each other",
                hint="raise `Options.max_depth`, or turn a recursion or a long unrolled loop into a `while` on a tensor",
                location=fork.location,
            )
        self._forks.append(fork)
        self.recorder.graph = graph

    def _trace_side(
        self, body: Callable[[], Signal | None], snapshot: Snapshot, value_of: Callable[[], Any] = lambda: None
    ) -> _Side:
        """Traces one side into a graph of its own and undoes what it changed.

        Args:
            value_of: the value of the side where it falls out.
        """
        outer, first_fork = self.recorder.graph, len(self._forks)
        self._depth += 1
        self.recorder.graph = fx.Graph()
        try:
            target, value = self._run(body)
            side = self._collapse(first_fork, target, value_of() if target is None else value, None)
            # What the side has changed as a whole.
            side = _Side(self.recorder.graph, snapshot.delta(), side.target, side.value, side.deferred)
        finally:
            self._depth -= 1
            del self._forks[first_fork:]
            self.recorder.graph = outer
        snapshot.undo()
        return side

    def _run(self, body: Callable[[], Signal | None]) -> tuple[Scope | None, Any]:
        """Runs a side or a loop body; gives where it goes at its end (None: it falls out)."""
        try:
            signal = body()
        except _Unwind as unwind:
            return unwind.target, unwind.value
        except (DyclError, RecursionError, MemoryError):
            raise
        except Exception as error:
            return self._raise(error)
        return self._target(signal), (signal.value if signal is not None else None)

    def _join(
        self,
        predicate: torch.Tensor,
        a: _Side,
        b: _Side,
        base: Scope | None,
        snapshot: Snapshot,
        location: SourceLocation | None,
    ) -> tuple[Scope | None, Any]:
        """Joins two sides in the current graph, applies what they changed, and forks again for deferred jumps.

        Args:
            base: where the joined path goes on to; sides that go elsewhere are told apart by a flag.

        Returns:
            where the path that is open now goes to, and its value.
        """
        joined = self._join_sides(predicate, a, b, base, snapshot, location)
        self._refork(joined.deferred)
        return joined.target, thaw(joined.value)

    def _refork(self, deferred: list[_Deferred]) -> None:
        """Makes a fork again on the flag of each deferred jump."""
        location = here()
        for jump in deferred:
            parked = _Side(fx.Graph(), {}, jump.target, jump.value)
            fork = _Fork(jump.flag, self.recorder.graph, self._snapshot(), parked, True, location)
            self._open(fork, fx.Graph())

    def _join_sides(
        self,
        predicate: torch.Tensor,
        a: _Side,
        b: _Side,
        base: Scope | None,
        snapshot: Snapshot,
        location: SourceLocation | None,
    ) -> _Side:
        recorder = self.recorder
        join = _Join(self, location)
        # The deferred jumps of both sides, by target; a side that ends in a jump to elsewhere takes part.
        targets: list[Scope] = []
        for side in (a, b):
            assert side.target is not None or base is None, "a side that falls out decides the base"
            for target in [*(d.target for d in side.deferred), *([side.target] if side.target is not base else [])]:
                if target is not None and target not in targets:
                    targets.append(target)
        flagged: list[
            tuple[Scope, Callable[[list[torch.Tensor]], torch.Tensor], Callable[[list[torch.Tensor]], Any]]
        ] = []
        for target in targets:
            flags, values = zip(*(self._jump_of(side, target, base) for side in (a, b)), strict=True)
            values = self._fill_missing(values)
            flagged.append(
                (target, join.raw(flags[0], flags[1]), join.plan(values[0], values[1], "the returned value"))
            )
        base_values = self._fill_missing([s.value if s.target is base else _MISSING for s in (a, b)])
        what = "the returned value" if base is not None else "the value"
        value_plan = join.plan(base_values[0], base_values[1], what)
        changes: list[tuple[Location, Callable[[list[torch.Tensor]], Any]]] = []
        for key in {**a.delta, **b.delta}:
            location_, _ = a.delta.get(key) or b.delta[key]
            changes.append((location_, self._plan_change(join, location_, a.delta, b.delta, snapshot)))
        results = join.emit(predicate, a.graph, b.graph)
        for place, plan in changes:
            snapshot.write(place, plan(results))
        value = value_plan(results)
        deferred = [_Deferred(f(results), t, freeze(v(results), recorder)) for t, f, v in flagged]
        return _Side(recorder.graph, {}, base, freeze(value, recorder), deferred)

    def _plan_change(
        self, join: _Join, place: Location, a: Delta, b: Delta, snapshot: Snapshot
    ) -> Callable[[list[torch.Tensor]], Any]:
        base = snapshot.base(place)
        if isinstance(place, TensorLocation):
            raws = [d[place.key][1] if place.key in d else base for d in (a, b)]
            raws = [r.raw if isinstance(r, FrozenTensor) else r for r in raws]
            return join.raw(raws[0], raws[1])
        values = [d[place.key][1] if place.key in d else freeze(base, self.recorder) for d in (a, b)]
        for mine, other in (values, values[::-1]):
            if mine is UNDEFINED and other is not UNDEFINED:
                unusable = Unusable(
                    f"{place.name} is undefined on one side of the condition, and is used after that",
                    "assign it on both sides, or before the condition",
                    here(),
                )
                return lambda _: unusable
        return join.plan(values[0], values[1], place.name)

    def _jump_of(self, side: _Side, target: Scope, base: Scope | None) -> tuple[torch.Tensor, Any]:
        """Whether the side jumps to `target`, as a recorded bool, and with what value (frozen)."""
        with self.recorder.into(side.graph):
            for jump in side.deferred:
                if jump.target is target:
                    return jump.flag, jump.value
            return self.constant(side.target is target and side.target is not base), (
                side.value if side.target is target else _MISSING
            )

    def _fill_missing(self, values: Sequence[Any]) -> list[Any]:
        """Stands poison in for the value of a side that has none; no path reads it."""
        a, b = values
        if a is _MISSING and b is _MISSING:
            return [None, None]

        return [self._poison(b) if a is _MISSING else a, self._poison(a) if b is _MISSING else b]

    def _poison(self, value: Any) -> Any:
        """A frozen value of the same types that no path reads."""

        def leaf(tensor: FrozenTensor) -> FrozenTensor:
            raw = self.recorder.poison(tensor.raw)
            original = tensor.original
            # Another object than the original: for a join the two sides must not be the same value.
            return FrozenTensor(raw, Number(original.tensor, original.type) if isinstance(original, Number) else raw)

        return map_tensors_frozen(value, leaf)

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

    def _close(self, fork: _Fork, target: Scope | None, value: Any, deferred: list[_Deferred]) -> _Side:
        """The open side of the newest fork as a traced side; undoes what it changed."""
        frozen = freeze(value, self.recorder)
        side = _Side(self.recorder.graph, fork.snapshot.delta(), target, frozen, deferred)
        fork.snapshot.undo()
        return side

    def _collapse(
        self,
        first: int,
        target: Scope | None,
        value: Any,
        base: Scope | None,
        deferred: Sequence[_Deferred] = (),
    ) -> _Side:
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
            joined = self._join_sides(fork.predicate, sides[0], sides[1], goal, fork.snapshot, fork.location)
            target, value, deferred = joined.target, thaw(joined.value), joined.deferred
        return _Side(self.recorder.graph, {}, target, freeze(value, self.recorder), list(deferred))

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
            if predicate is None and endless and self._exits_on_data(test, body):
                predicate = self.constant(True)
            if predicate is None:
                return body
            is_loop = True
            return lambda: self._dynamic_while(predicate, test, body, cells, has_else=orelse is not None)

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
        first: torch.Tensor,
        test: Callable[[], Any],
        body: Callable[[], Signal | None],
        cells: Sequence[CellLocation],
        *,
        has_else: bool,
    ) -> None:
        """A loop on data, from the state as it is, given its first test."""
        location = here()
        snapshot = self._snapshot()
        carried: dict[tuple[Any, ...], _Carried] = {}
        for _ in range(MAX_LOOP_ROUNDS):
            traced = self._trace_loop_body(test, body, carried, snapshot)
            fresh = self._newly_carried(traced.delta, carried, snapshot, location)
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
        self._emit_loop(first, traced, carried, snapshot, location)

    def _trace_loop_body(
        self,
        test: Callable[[], Any],
        body: Callable[[], Signal | None],
        carried: dict[tuple[Any, ...], _Carried],
        snapshot: Snapshot,
    ) -> _LoopBody:
        outer, first_fork = self.recorder.graph, len(self._forks)
        self._depth += 1
        graph = self.recorder.graph = fx.Graph()
        try:
            for place in carried.values():
                place.begin(self, snapshot)
            with self._scope("break") as loop, self._scope("continue") as iteration:
                goal, value = self._run(body)
                goal, value = self._land(iteration, goal or iteration, value)
                exits = len(self._forks) > first_fork
                breaks = goal is loop or any(f.parked.target is loop for f in self._forks[first_fork:])
                # Every path falls out of the body with the next condition; one that jumps, with a condition that does
                # not hold, and a jump to beyond the loop is deferred until after it.
                if goal is iteration:
                    open_side = _Side(self.recorder.graph, {}, None, self._test(test))
                else:
                    open_side = self._as_last_iteration(_Side(self.recorder.graph, {}, goal, value), loop)
                for fork in self._forks[first_fork:]:
                    with self.recorder.into(fork.parked.graph):
                        fork.parked = self._as_last_iteration(fork.parked, loop)
                side = self._collapse(first_fork, None, open_side.value, None, open_side.deferred)
            condition = side.value.raw
            delta = snapshot.delta()
        finally:
            self._depth -= 1
            del self._forks[first_fork:]
            self.recorder.graph = outer
        snapshot.undo()
        return _LoopBody(graph, condition, delta, side.deferred, exits, breaks)

    def _as_last_iteration(self, side: _Side, loop: Scope) -> _Side:
        """A side that leaves the loop, as one that ends its iteration with a condition that does not hold."""
        stop = freeze(Number.of(False), self.recorder)
        if side.target is loop:
            return _Side(side.graph, side.delta, None, stop, side.deferred)
        assert side.target is not None
        jump = _Deferred(self.constant(True), side.target, freeze(side.value, self.recorder))
        return _Side(side.graph, side.delta, None, stop, [*side.deferred, jump])

    def _test(self, test: Callable[[], Any]) -> Number:
        value = test()
        predicate = self.predicate(value)
        return Number.of(bool(value)) if predicate is None else Number(self.recorder.wrap(predicate), bool)

    def _newly_carried(
        self,
        delta: Delta,
        carried: dict[tuple[Any, ...], _Carried],
        snapshot: Snapshot,
        location: SourceLocation | None,
    ) -> dict[tuple[Any, ...], _Carried]:
        """The places that the body changes and that are not carried yet; checks the types of those that are."""
        fresh: dict[tuple[Any, ...], _Carried] = {}
        for key, (place, value) in delta.items():
            known = carried.get(key)
            if known is not None:
                known.check(value, location)
                continue
            if isinstance(value, (bool, int, float, str, type(None))) and same_constant(snapshot.base(place), value):
                continue
            fresh[key] = _Carried.of(place, freeze(snapshot.base(place), self.recorder), value, location)
        return fresh

    def _emit_loop(
        self,
        first: torch.Tensor,
        traced: _LoopBody,
        carried: dict[tuple[Any, ...], _Carried],
        snapshot: Snapshot,
        location: SourceLocation | None,
    ) -> None:
        recorder = self.recorder
        inits: list[torch.Tensor] = []
        nexts: list[torch.Tensor] = []
        for key, place in carried.items():
            after = traced.delta.get(key)
            inits.extend(place.init_tensors(self))
            with recorder.into(traced.graph):
                nexts.extend(place.next_tensors(self, after[1] if after else None))
        jumps: list[tuple[int, list[FrozenTensor]]] = []
        for jump in traced.deferred:
            # Whether, and with what, a path leaves the loop to beyond it: carried, but never read inside.
            start = len(inits)
            leaves: list[FrozenTensor] = []
            map_tensors_frozen(jump.value, lambda t, leaves=leaves: leaves.append(t) or t)
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
            place.finish(self, remaining, snapshot)
        deferred: list[_Deferred] = []
        for (start, leaves), jump in zip(jumps, traced.deferred, strict=True):
            position = {id(t): i for i, t in enumerate(leaves)}
            value = map_tensors_frozen(
                jump.value,
                lambda t, start=start, position=position: _thawed(results[start + 1 + position[id(t)]], t, self),
            )
            deferred.append(_Deferred(results[start], jump.target, value))
        self._refork(deferred)


def _thawed(raw: torch.Tensor, like: FrozenTensor, control: Control) -> FrozenTensor:
    wrapped = control.recorder.wrap(raw)
    if isinstance(like.original, Number):
        return FrozenTensor(raw, Number(wrapped, like.original.type))
    return FrozenTensor(raw, wrapped)


class _Missing:
    """The value of a side that does not have one."""


_MISSING = _Missing()


def map_tensors_frozen(value: Any, function: Callable[[FrozenTensor], Any]) -> Any:
    """A frozen value with each frozen tensor replaced by another."""
    if isinstance(value, FrozenTensor):
        return function(value)
    if isinstance(value, FrozenNode):
        items = tuple(map_tensors_frozen(v, function) for v in value.items)
        fresh = value.rebuild([thaw(v) for v in items])
        return FrozenNode(fresh, value.keys, items)
    return value


def _matching(scope: Scope, error: Exception) -> Callable[[BaseException], Signal | None] | None:
    """The body of the first `except` clause of the scope that takes the exception."""
    for types_of, handler in scope.handlers:
        if isinstance(error, types_of()):
            return handler
    return None


@dataclass(eq=False)
class _LoopBody:
    """A traced loop body: its graph (whose placeholders are the carried tensors), the next condition, what it changed."""

    graph: fx.Graph
    condition: torch.Tensor
    delta: Delta
    deferred: list[_Deferred]
    exits_on_data: bool
    """Some path of the iteration leaves the loop under a condition on data."""
    breaks: bool


@dataclass(eq=False)
class _Carried:
    """A place whose value a loop carries from iteration to iteration.

    A variable that is undefined before the loop, or that no common type fits, is not carried but unusable: at the
    start of the body (reading it there would read the iteration before) and after the loop.
    """

    place: Location
    init: Any  # frozen
    unusable: Unusable | None
    location: SourceLocation | None

    @staticmethod
    def of(place: Location, init: Any, after: Any, location: SourceLocation | None) -> _Carried:
        if isinstance(place, TensorLocation):
            return _Carried(place, init, None, location)
        if init is UNDEFINED:
            reason = f"{place.name} is assigned in the loop only, and is used where no iteration may have run before"
            return _Carried(place, init, Unusable(reason, "assign it before the loop", location), location)
        if isinstance(thaw(init), Unusable):
            return _Carried(place, init, thaw(init), location)
        difference = _difference(init, after)
        if difference:
            reason = f"{place.name} is {difference[0]} before the loop and {difference[1]} after an iteration"
            hint = "give it the same type, dtype and shape before the loop"
            return _Carried(place, init, Unusable(reason, hint, location), location)
        return _Carried(place, init, None, location)

    def check(self, after: Any, location: SourceLocation | None) -> None:
        """What one iteration makes of the value must be of its type."""
        if self.unusable is not None or isinstance(self.place, TensorLocation):
            return
        difference = _difference(self.init, after)
        if difference:
            raise UnsupportedConstructError(
                f"{self.place.name} is {difference[0]} before the loop and {difference[1]} after an iteration",
                hint="give it the same type, dtype and shape before the loop",
                location=location,
            )

    def begin(self, control: Control, snapshot: Snapshot) -> None:
        """Puts placeholders of the body's graph in the place."""
        if self.unusable is not None:
            snapshot.write(self.place, self.unusable)
            return
        recorder = control.recorder

        def placeholder(raw: torch.Tensor) -> torch.Tensor:
            return recorder.placeholder("carried", raw)

        if isinstance(self.place, TensorLocation):
            snapshot.write(self.place, placeholder(self.init if isinstance(self.init, torch.Tensor) else self.init.raw))
            return
        snapshot.write(self.place, self._map(control, placeholder))

    def _map(self, control: Control, make: Callable[[torch.Tensor], torch.Tensor]) -> Any:
        """A value like the initial one, of other tensors, in the order of `init_tensors`."""
        recorder = control.recorder

        def leaf(value: Any) -> Any:
            kind = _number_type(value)
            if isinstance(value, FrozenTensor):
                wrapped = recorder.wrap(make(value.raw))
                return Number(wrapped, kind) if kind is not None else wrapped
            if kind is not None:
                return Number(recorder.wrap(make(control.constant(value))), kind)
            if isinstance(value, (FrozenNode, FrozenContents)):
                return value.rebuild([leaf(v) for v in value.items])
            return value

        return leaf(self.init)

    def init_tensors(self, control: Control) -> list[torch.Tensor]:
        return self._tensors(control, self.init)

    def next_tensors(self, control: Control, after: Any) -> list[torch.Tensor]:
        """The tensors of the value after an iteration; `after` is None where the last round left it unchanged."""
        if after is None:
            if self.unusable is not None:
                return []
            raise AssertionError(f"{self.place.name} is carried but not changed")
        return self._tensors(control, after)

    def _tensors(self, control: Control, value: Any) -> list[torch.Tensor]:
        if self.unusable is not None:
            return []
        if isinstance(self.place, TensorLocation):
            return [value.raw if isinstance(value, FrozenTensor) else value]
        found: list[torch.Tensor] = []

        def collect(v: Any) -> None:
            if isinstance(v, FrozenTensor):
                found.append(v.raw)
            elif isinstance(v, (FrozenNode, FrozenContents)):
                for item in v.items:
                    collect(item)
            elif _number_type(v) is not None:
                found.append(control.constant(v))

        collect(value)
        return found

    def finish(self, control: Control, results: list[torch.Tensor], snapshot: Snapshot) -> None:
        """Puts the loop's results in the place, taking them from the front of `results`."""
        if self.unusable is not None:
            snapshot.write(self.place, self.unusable)
        elif isinstance(self.place, TensorLocation):
            snapshot.write(self.place, results.pop(0))
        else:
            snapshot.write(self.place, self._map(control, lambda _: results.pop(0)))


def _difference(before: Any, after: Any) -> tuple[str, str] | None:
    """Where two frozen values are not of one type: both, described."""
    kinds = (_number_type(before), _number_type(after))
    if kinds[0] is not None or kinds[1] is not None:
        return None if kinds[0] is kinds[1] else (describe(before), describe(after))
    if isinstance(before, FrozenTensor) and isinstance(after, FrozenTensor):
        alike = before.raw.dtype == after.raw.dtype and before.raw.shape == after.raw.shape
        return None if alike else (describe(before), describe(after))
    if isinstance(before, (FrozenNode, FrozenContents)) and type(before) is type(after) and _same_shape(before, after):
        for x, y in zip(before.items, after.items, strict=True):
            difference = _difference(x, y)
            if difference:
                return difference
        return None
    if thaw(before) is thaw(after) or same_constant(before, after):
        return None
    return describe(before), describe(after)


def cell_locations(names: Sequence[str], *functions: Callable[..., Any] | None) -> list[CellLocation]:
    """The variables `names` of the generated functions, each once."""
    cells: dict[str, types.CellType] = {}
    for function in functions:
        if function is not None:
            closure = function.__closure__ or ()  # type: ignore[attr-defined]
            cells.update(zip(function.__code__.co_freevars, closure, strict=True))  # type: ignore[attr-defined]
    return [CellLocation.of(name, cells[name]) for name in names if name in cells]
