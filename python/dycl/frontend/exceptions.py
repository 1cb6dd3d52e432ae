# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Functions, programs and `try` statements: where returns and exceptions under conditions land.

A path that raises while other paths are open runs its handler right away, as seen from the `try` statement's place in
the program, and then goes on to the end of that statement; so an exit by exception nests like one by `return`. An
exception that leaves the program becomes a number among its results. At a `finally` clause all paths stop, the parked
ones too: each runs the clause, and then goes on to where it was going.
"""

from __future__ import annotations

import builtins
import warnings
from collections.abc import Callable, Generator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any, NoReturn

from torch import fx

from dycl.errors import DyclError, DyclWarning, SourceLocation, UnsupportedConstructError
from dycl.frontend.eager_errors import is_raised_by_eager
from dycl.frontend.kinds import MISSING
from dycl.frontend.locations import (
    here,
    is_internal_error,
    is_of_tracing,
    raised_at,
    raised_in_library,
    raised_on_purpose,
    unbound_local,
)
from dycl.frontend.paths import Arrested, Fork, Handler, Scope, Side, Signal, Unwind
from dycl.frontend.specialize import Specialization
from dycl.frontend.state import CellLocation, Delta, FrozenNode, freeze, thaw
from dycl.frontend.text import is_shortened, portable, with_numbers
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

    def arrested(self, body: Callable[[], Signal | None]) -> Arrested:
        """Runs a body whose jumps are to be taken later (`taken`): all of its paths land at its end.

        Exceptions do not.
        """
        with self._scope("return") as end:
            with ExitStack() as scopes:
                landings = {kind: scopes.enter_context(self._scope(kind)) for kind in Arrested.KINDS}
                target, value = self._follow(body, landings["with"])
                met: set[int] = set()
                for number, scope in reversed(list(enumerate(landings.values()))):
                    target, value = self._land(scope, target, value)
                    if target is scope:
                        met.add(number)
                        target, value = end, (number, value if scope.kind == "return" else MISSING)
            target, value = self._land(end, target, value)
        if target is not end:
            raise Unwind(target, value)
        return Arrested(frozenset(met), *value)

    def taken(self, arrested: Arrested) -> Signal | None:
        """The jump that an arrested body was about to take, if any."""

        def jump(number: int) -> Signal | None:
            kind = Arrested.KINDS[number]
            return None if kind == "with" else Signal(kind, arrested.value if kind == "return" else None)

        return self._by_number(arrested.number, sorted(arrested.possible), jump)

    def _by_number(self, number: Any, possible: Sequence[int], act: Callable[[int], Signal | None]) -> Signal | None:
        """`act(number)`, where the number may be one on data, but is one of the possible ones."""
        first, *others = possible
        if not others:
            return act(first)
        is_first = number == first
        predicate = self.predicate(is_first)
        if predicate is None:
            return act(first) if is_first else self._by_number(number, others, act)
        return self.if_(predicate, lambda: act(first), lambda: self._by_number(number, others, act), ())

    def program(self, body: Callable[[], Any]) -> tuple[Any, list[Number], list[tuple[Any, ...]]]:
        """Runs the whole program; exceptions that no path handles land at its end.

        Returns:
            its result; where some path raises or a check may fail, numbers: the values in the arguments of what is
            raised, and last 0, or one more than the index of what is raised instead of returning the result; and the
            exceptions, as `Signature.exceptions` has them.
        """
        if self.checks is not None:
            self.checks.begin()
        with self._scope("raise") as scope:
            side = self._apart(lambda: self._program_path(body, scope))
        result, *raised = thaw(side.value)
        numbers, exceptions = list[Number](), list[tuple[Any, ...]]()
        if result is MISSING or isinstance(raised[-1], Number):
            numbers, exceptions = [Number.of(n) for n in raised], self.escaping.entries
        if self.checks is not None:
            numbers, exceptions = self.checks.added_to(numbers, exceptions)
        return (None if result is MISSING else result), numbers, exceptions  # None where every path raises

    def handles(self, kind: type[Exception]) -> bool:
        """Whether a `try` around what runs now handles the exceptions of a class."""
        return any(_matching(scope, kind("")) is not None for scope in self._scopes)

    def _program_path(self, body: Callable[[], Any], scope: Scope) -> Side:
        """The program from the state as it is; the value of the side is its result (if any), and what it raises."""
        first_fork = len(self._forks)
        raised: tuple[Any, ...] = (*self._no_values(), 0)
        try:
            result = body()
        except Unwind as unwind:
            result, raised = MISSING, thaw(unwind.value)
        except (DyclError, RecursionError, MemoryError):
            raise
        except Exception as error:
            if not self._context.assumed:
                raise  # the model fails by itself, whatever its input
            result, raised = MISSING, self._escape(error)
        for fork in self._forks[first_fork:]:
            assert fork.parked.target is scope, "a jump left the program"
            items = (MISSING, *fork.parked.value.items)
            fork.parked.value = FrozenNode((None,) * len(items), (), items)
        return self._collapse(first_fork, scope, (result, *raised), scope)

    def _no_values(self) -> list[Any]:
        return [kind() for kind in self.escaping.values]

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
        with self.writing(cells):
            if final is None:
                with self._scope("try") as end:
                    target, value = self._try_body(body, handlers, orelse, end)
            else:
                with self._scope("finally", final=final) as passing:
                    try:
                        with self._scope("try") as end:
                            target, value = self._try_body(body, handlers, orelse, end)
                    except (DyclError, RecursionError, MemoryError):
                        raise
                    except Exception:
                        signal = final()
                        if signal is None:
                            raise
                        return signal  # in place of the exception
                target, value = self._pass_final(final, passing, end, target, value)
        return None if target is end else self._signal(target, value)

    def _try_body(
        self,
        body: Callable[[], Signal | None],
        handlers: Sequence[Handler],
        orelse: Callable[[], Signal | None] | None,
        end: Scope,
    ) -> tuple[Scope, Any]:
        target, value, handled = self._guarded(body, handlers, end)
        if orelse is not None and target is end and not handled:
            target, value = self._follow(orelse, end)
        return self._land(end, target, value)

    # Finally ---------------------------------------------------------------------------------------------------------

    def _pass_final(
        self, final: Callable[[], Signal | None], passing: Scope, end: Scope, target: Scope, value: Any
    ) -> tuple[Scope, Any]:
        """Runs a `finally` clause on every path that leaves its `try`: on the parked ones, and on the open one.

        A jump out of the clause takes the place of the path's own. A path that goes to `passing` raises: its value is
        what `_pass` makes of the exception, which it raises again after the clause.

        Returns:
            where the open path goes, and with what value.
        """

        def finish(side: Side) -> None:
            first_fork = len(self._forks)
            goal, result = self._run(final)
            if goal is None:
                goal, result = side.target, thaw(side.value)
                if goal is passing:
                    goal, result = self._run(lambda: self._raise_again(passing, result))
            joined = self._collapse(first_fork, goal, result, None)
            if joined.deferred:
                raise UnsupportedConstructError(
                    "a jump out of a `finally` clause under a condition on a tensor, on a path that itself jumps",
                    hint="jump after the `try` statement",
                    location=here(),
                )
            side.target, side.value = joined.target, joined.value

        self._on_parked(passing.first_fork, finish)
        goal, result = self._follow(final, end)
        if goal is end:
            goal, result = target, value
            if goal is passing:
                goal, result = self._follow(lambda: self._raise_again(passing, value), end)
        return goal, result

    def _raise_again(self, passing: Scope, passed: Any) -> Signal | None:
        """Raises one of the exceptions that pass a `finally` clause, after it."""
        number, *values = thaw(passed)

        def again(number: int) -> NoReturn:
            error, places = passing.errors[number]
            rest = iter(places)
            error.args = tuple(
                with_numbers(a, lambda n: Number.of(values[next(rest)]).converted(n.type)) for a in error.args
            )
            raise error

        return self._by_number(number, range(len(passing.errors)), again)

    def _on_parked(self, first: int, visit: Callable[[Side], None]) -> None:
        """Goes on for a while in each side that is parked at the forks from number `first` on."""
        reopened: list[tuple[Fork, fx.Graph, Delta]] = []
        while len(self._forks) > first:
            fork = self._forks[-1]
            reopened.append((fork, self.recorder.graph, fork.snapshot.delta()))
            fork.snapshot.undo()
            self.recorder.graph = fork.parked.graph
            fork.snapshot.redo(fork.parked.delta)
            # What is known on this path is what the other side's condition says.
            fork.parked_is_then = not fork.parked_is_then
            try:
                visit(fork.parked)
            finally:
                fork.parked_is_then = not fork.parked_is_then
            fork.parked.graph, fork.parked.delta = self.recorder.graph, fork.snapshot.delta()
            fork.snapshot.undo()
            self._forks.pop()
            self.recorder.graph = fork.outer
        for fork, graph, delta in reversed(reopened):
            self._forks.append(fork)
            self.recorder.graph = graph
            fork.snapshot.redo(delta)

    def _guarded(
        self, body: Callable[[], Signal | None], handlers: Sequence[Handler], end: Scope
    ) -> tuple[Scope, Any, bool]:
        """Runs the body of a `try` on the open path; the third result says whether a handler ran there."""
        with self._scope("handlers", handlers=handlers, end=end) as guarded:
            try:
                target, value = self._follow(body, end)
                return target, value, False
            except (DyclError, RecursionError, MemoryError):
                raise  # Of tracing, not of the user's program.
            except Exception as error:
                refuse_error_of_tracing(error)
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
                return self._follow(lambda: handler(error), guarded.end)
        finally:
            self._scopes = inner

    def _raise(self, error: Exception) -> tuple[Scope, Any]:
        """Where a path goes that raises while other paths are open: its handler is run right away."""
        if is_internal_error(error):
            raise error
        refuse_error_of_tracing(error)
        for scope in reversed(self._scopes):
            if scope.kind == "finally":
                self._refuse_leaving(scope)
                return scope, freeze(self._pass(error, scope), self.recorder)  # it is raised again after the clause
            handler = _matching(scope, error)
            if handler is not None:
                assert scope.end is not None
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
                return scope, freeze(self._escape(error), self.recorder)
        raise AssertionError("no program around")

    def _pass(self, error: Exception, passing: Scope) -> tuple[Any, ...]:
        """An exception that passes a `finally` clause: its number, and the values in its arguments."""
        values, taken, places = self._no_values(), set[int](), list[int]()

        def note(number: Number) -> Number:
            kind = float if number.type is float else int
            places.append(self.escaping.place(kind, taken))
            values[places[-1]] = Number.of(number, kind)
            return number

        for argument in error.args:
            with_numbers(argument, note)
        for number, (other, others_places) in enumerate(passing.errors):
            if others_places == tuple(places) and _is_alike(error, other):
                return number, *values
        passing.errors.append((error, tuple(places)))
        return len(passing.errors) - 1, *values

    def _escape(self, error: Exception) -> tuple[Any, ...]:
        """An exception that leaves the program: the values in its arguments, and its number."""
        if isinstance(error, NameError):
            error = unbound_local(error) or error
        name, location = type(error).__name__, raised_at(error)
        if (raised_in_library(error) and not is_raised_by_eager(error)) or (
            isinstance(error, (TypeError, AttributeError)) and not raised_on_purpose(error)
        ):
            # Their messages name types, which are other ones while the model is traced.
            raise FailingPathError(
                f"one side of a condition on a tensor fails: {name}: {error}",
                hint="that path can never succeed; `raise` an exception of your own there",
                location=location,
            ) from error
        values, taken = self._no_values(), set[int]()

        def value_of(number: Number) -> dict[str, Any]:
            kind = float if number.type is float else int
            place = self.escaping.place(kind, taken)
            values[place] = Number.of(number, kind)
            return {"value": place, "type": number.type.__name__}

        arguments = [portable(a, value_of) for a in error.args]
        if None in arguments or _has_text_of_its_own(type(error)):
            raise UnsupportedConstructError(
                f"`{name}` leaves the program under a condition on a tensor",
                hint="raise an exception with text and numbers, which the compiled program can raise as well",
                location=location or here(),
            ) from error
        if any(map(is_shortened, error.args)):
            self._warn_of_text(name, location)
        entry = (_portable_name(type(error)), *(a[0] for a in arguments if a is not None))
        return *values, self.escaping.number_of(entry)

    def _warn_of_text(self, name: str, location: SourceLocation | None) -> None:
        text = f"{location}: the compiled program puts `...` for a tensor or list in the message of this `{name}`"
        if text not in self.escaping.reported:
            self.escaping.reported.add(text)
            file, line = (location.file, location.line) if location else ("<unknown>", 0)
            warnings.warn_explicit(text, DyclWarning, file, line)

    @contextmanager
    def guarded_context(self) -> Generator[None]:
        """While it is entered, no jump under a condition may leave: `__exit__` would not be run on its path."""
        with self._scope("finally"):
            yield

    def _refuse_leaving(self, scope: Scope) -> None:
        """A path under a condition cannot leave a `with` of the user's by a jump or an exception."""
        if scope.kind == "finally" and scope.final is None:
            raise UnsupportedConstructError(
                "a jump or an exception under a condition on a tensor leaves a `with` statement",
                hint="jump after the `with`, or do without it; torch's own contexts may be left",
                location=here(),
            )

    def _check_jump(self, target: Scope) -> None:
        for scope in self._scopes[self._scopes.index(target) + 1 :]:
            self._refuse_leaving(scope)


def refuse_error_of_tracing(error: Exception) -> None:
    """To be called before a path goes on with an exception: one that only tracing raises is none of the program's.

    Raises:
        UnsupportedConstructError: it is one.
    """
    if is_of_tracing(error):
        raise UnsupportedConstructError(
            "an operation that takes known sizes and numbers only is given one that depends on the input",
            hint="compute it with tensors, or keep the size fixed",
            location=raised_at(error),
        ) from error


def _portable_name(cls: type[BaseException]) -> str:
    """The class of an exception as `Signature.exceptions` has it."""
    base = next(c for c in cls.__mro__ if getattr(builtins, c.__name__, None) is c)
    return cls.__name__ if base is cls else f"{cls.__module__}:{cls.__qualname__}({base.__name__})"


def _has_text_of_its_own(cls: type[BaseException]) -> bool:
    """Whether the message of an exception is made by a method of the user's, of attributes that it may have."""
    return any("__str__" in vars(c) and getattr(builtins, c.__name__, None) is not c for c in cls.__mro__)


def _is_alike(a: Exception, b: Exception) -> bool:
    """Whether two exceptions are the same but for the values of numbers on data, and were raised in the same line."""
    if type(a) is not type(b) or raised_at(a) != raised_at(b):
        return False
    forms = [[portable(v, lambda number: {"type": number.type.__name__}) for v in error.args] for error in (a, b)]
    return forms[0] == forms[1] and None not in forms[0]


def _matching(scope: Scope, error: Exception) -> Callable[[BaseException], Signal | None] | None:
    """The body of the first `except` clause of the scope that takes the exception."""
    for types_of, handler in scope.handlers:
        if isinstance(error, types_of()):
            return handler
    return None
