# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Functions, programs and `try` statements: where returns and exceptions under conditions land.

A path that raises while other paths are open runs its handler right away, as seen from the `try` statement's place in
the program, and then goes on to the end of that statement; so an exit by exception nests like one by `return`. An
exception that leaves the program becomes a number among its results.
"""

from __future__ import annotations

import builtins
from collections.abc import Callable, Generator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

from dycl.errors import DyclError, UnsupportedConstructError
from dycl.frontend.kinds import MISSING
from dycl.frontend.locations import (
    here,
    is_internal_error,
    raised_at,
    raised_in_library,
    raised_on_purpose,
    unbound_local,
)
from dycl.frontend.paths import Handler, Scope, Side, Signal, Unwind
from dycl.frontend.specialize import Specialization
from dycl.frontend.state import CellLocation, FrozenNode, Snapshot, freeze, thaw
from dycl.frontend.values import FailingPathError, Number


class Exceptions(Specialization):
    """Adds functions, `try` statements, and the end of the program."""

    # Functions and programs ------------------------------------------------------------------------------------------

    def function(self, body: Callable[[], Any]) -> Any:
        """Runs a function of the user's; returns under conditions land at its end."""
        with self._scope("return") as scope:
            target, value = self._follow(lambda: Signal("return", body()), scope)
            target, value = self._land(scope, target, value)
        if target is not scope:
            raise Unwind(target, value)
        return value

    def program(self, body: Callable[[], Any]) -> tuple[Any, Number | None]:
        """Runs the whole program; exceptions that no path handles land at its end.

        Returns:
            its result, and where some path raises, a number: 0, or one more than the index in `exceptions` of what is
            raised instead of returning the result.
        """
        with self._scope("raise") as scope:
            side = self._apart(lambda: self._program_path(body, scope))
        result, code = thaw(side.value)
        if result is MISSING:
            raise UnsupportedConstructError(
                "every path raises an exception", hint="return a value on some path", location=here()
            )
        return result, code if isinstance(code, Number) else None

    def _program_path(self, body: Callable[[], Any], scope: Scope) -> Side:
        """The program from the state as it is; the value of the side is its result (if any), and what it raises."""
        first_fork = len(self._forks)
        code: Any = 0
        try:
            result = body()
        except Unwind as unwind:
            result, code = MISSING, thaw(unwind.value)
        except (DyclError, RecursionError, MemoryError):
            raise
        except Exception as error:
            if not self._context.assumed:
                raise  # the model fails by itself, whatever its input
            result, code = MISSING, self._exception_code(error)
        for fork in self._forks[first_fork:]:
            assert fork.parked.target is scope, "a jump left the program"
            fork.parked.value = FrozenNode((None, None), (), (MISSING, fork.parked.value))
        return self._collapse(first_fork, scope, (result, code), scope)

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
        if is_internal_error(error):
            raise error
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
        if isinstance(error, NameError):
            error = unbound_local(error) or error
        name, location = type(error).__name__, raised_at(error)
        if raised_in_library(error) or (
            isinstance(error, (TypeError, AttributeError)) and not raised_on_purpose(error)
        ):
            # Their messages name types, which are other ones while the model is traced.
            raise FailingPathError(
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

    @contextmanager
    def guarded_context(self) -> Generator[None]:
        """While it is entered, no jump under a condition may leave: `__exit__` would not be run on its path."""
        with self._scope("finally"):
            yield

    def _refuse_finally(self, target: Scope) -> None:
        """An exception under a condition cannot pass a `finally` clause."""
        if any(s.kind == "finally" for s in self._scopes[self._scopes.index(target) + 1 :]):
            raise UnsupportedConstructError(
                "an exception under a condition on a tensor passes a `finally` clause or a `with`",
                hint="handle the exception inside that `try`, or do without `finally`",
                location=here(),
            )

    def _pass_finally(self, side: Side, snapshot: Snapshot) -> None:
        """Runs, on a side that is parked, the `finally` clauses between it and where it jumps to."""
        assert side.target is not None
        passed = self._scopes[self._scopes.index(side.target) + 1 :]
        if any(s.kind == "finally" and s.final is None for s in passed):
            raise UnsupportedConstructError(
                "a jump under a condition on a tensor leaves a `with` statement",
                hint="jump after the `with`, or do without it; torch's own contexts may be left",
                location=here(),
            )
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


def _matching(scope: Scope, error: Exception) -> Callable[[BaseException], Signal | None] | None:
    """The body of the first `except` clause of the scope that takes the exception."""
    for types_of, handler in scope.handlers:
        if isinstance(error, types_of()):
            return handler
    return None
