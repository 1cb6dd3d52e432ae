# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
# pyright: reportPrivateUsage=false
"""Conditions: `if`, ternaries, `and`/`or`/`not`, comparisons, `assert`, `try` and `with`."""

from __future__ import annotations

import contextlib
import inspect
import operator
import sys
from collections.abc import Callable
from typing import Any

import torch

from dycl.frontend.control import cell_locations
from dycl.frontend.convert import NoSourceError
from dycl.frontend.entries import entries_in, refuse_entries
from dycl.frontend.locations import runs_as_it_is
from dycl.frontend.operators import columns, keyed
from dycl.frontend.operators.core import Body, nothing, user_method, written_outer_cells
from dycl.frontend.operators.growing import has_rows, known_items
from dycl.frontend.operators.special_methods import SpecialMethods, operator_method
from dycl.frontend.paths import Arrested, Handler, Signal
from dycl.frontend.rows import CONSTANTS
from dycl.frontend.state import UNDEFINED
from dycl.frontend.text import Text, holds_data, text_of
from dycl.frontend.values import Number, TruthOnly, Unusable, is_single, known

_COMPARE = {
    "Lt": operator.lt,
    "LtE": operator.le,
    "Gt": operator.gt,
    "GtE": operator.ge,
    "Eq": operator.eq,
    "NotEq": operator.ne,
}


_COMPARED = (*CONSTANTS, type)
"""The types of constants that a variable may be one of, and be compared with others of them."""


def _is_sequence(value: Any) -> bool:
    return type(value) in (list, tuple)


def _holds_data(*sequences: Any) -> bool:
    return any(
        isinstance(v, (Number, torch.Tensor, torch.SymInt)) or (_is_sequence(v) and _holds_data(v))
        for s in sequences
        for v in s
    )


class Conditions(SpecialMethods):
    """Adds conditions."""

    def if_(self, test: Any, then: Body, orelse: Body | None, names: tuple[str, ...]) -> Signal | None:
        test = self.tested(test)
        predicate = self.control.predicate(test)
        if predicate is None:
            chosen = then if bool(test) else orelse
            return chosen() if chosen is not None else None
        return self.control.if_(predicate, then, orelse or nothing, cell_locations(names, then, orelse))

    def if_exp(self, test: Any, then: Callable[[], Any], orelse: Callable[[], Any]) -> Any:
        test = self.tested(test)
        predicate = self.control.predicate(test)
        if predicate is None:
            return then() if bool(test) else orelse()
        return self.control.choose(predicate, then, orelse)

    def and_(self, first: Any, *rest: Callable[[], Any]) -> Any:
        return self._short_circuit(first, rest, stops_on=False)

    def or_(self, first: Any, *rest: Callable[[], Any]) -> Any:
        return self._short_circuit(first, rest, stops_on=True)

    def _short_circuit(self, first: Any, rest: tuple[Callable[[], Any], ...], stops_on: bool) -> Any:
        """`and` (stops on a false value) or `or` (stops on a true one): the value that decides, as Python gives it."""
        if not rest:
            return first
        tested = self.tested(first)
        predicate = self.control.predicate(tested)
        if predicate is None:
            return first if bool(tested) is stops_on else self._short_circuit(rest[0](), rest[1:], stops_on)
        truths: list[Number] = []
        has_truths: list[bool] = []

        def go_on() -> Any:
            value = self._short_circuit(rest[0](), rest[1:], stops_on)
            # Python does not ask for the truth of the last operand, and one with several elements has none.
            has_truth = not isinstance(value, torch.Tensor) or is_single(value)
            truths.append(self.as_truth(value) if has_truth else Number.of(stops_on))
            has_truths.append(has_truth)
            return value, truths[-1]

        def stop() -> Any:
            return first, Number.of(stops_on)

        sides = (stop, go_on) if stops_on else (go_on, stop)
        value, truth = self.control.choose(predicate, *sides)
        # `tensor and 3`: nothing has both types, but a condition needs no more than the truth.
        return TruthOnly(value, truth) if isinstance(value, Unusable) and all(has_truths) else value

    def as_truth(self, value: Any) -> Number:
        value = self.tested(value)
        predicate = self.control.predicate(value)
        if predicate is None:
            return Number.of(bool(value))
        return Number(self.control.recorder.wrap(predicate), bool)

    def binding(self, function: Callable[[], Any]) -> Callable[[], Any]:
        """An operand that binds names by `:=`, which are variables of the function around it."""
        self.control.share(written_outer_cells(function))
        return function

    def not_(self, value: Any) -> Any:
        value = self.tested(value)
        if self.control.predicate(value) is None:
            return not value
        return Number(self.as_truth(value).tensor.logical_not(), bool)

    def compare(self, left: Any, *steps: Any) -> Any:
        """`a < b <= c`: each operand once, and none after a comparison that fails, so that later ones are functions."""
        name, right, *rest = steps
        compared = self._compare_one(name, left, right)
        if not rest:
            return compared
        following, operand, *others = rest
        return self.and_(compared, lambda: self.compare(right, following, operand(), *others))

    def _compare_one(self, name: str, left: Any, right: Any) -> Any:
        if name in ("In", "NotIn", "Is", "IsNot"):
            functions = {"In": self.in_, "NotIn": self.not_in, "Is": self.is_, "IsNot": self.is_not}
            return functions[name](left, right)
        return self.comparison(name, left, right)

    def comparison(self, name: str, left: Any, right: Any) -> Any:
        """`left <op> right` for `<`, `<=`, `>`, `>=`, `==` and `!=`."""
        answer = self._of_choice(left, right, operator.eq) if name in ("Eq", "NotEq") else None
        if answer is not None:
            return answer if name == "Eq" else self.not_(answer)
        left, right = known(left), known(right)
        if entries_in(left) is not None or entries_in(right) is not None:
            return self._compare_sets(name, left, right)
        if name in ("Eq", "NotEq") and (has_rows(left) or has_rows(right)) and type(left) is type(right):
            equal = columns.equal(left, right)
            if equal is not None:
                return equal if name == "Eq" else self.not_(equal)
        left, right = known_items(left), known_items(right)
        if name in ("Lt", "LtE", "Gt", "GtE") and _is_sequence(left) and columns.are_ordered_alike(left, right):
            if name in ("Gt", "GtE"):
                left, right = right, left
            return columns.less(left, right, or_equal=name in ("LtE", "GtE"))
        if torch.Size in (type(left), type(right)) and name in ("Eq", "NotEq"):
            left, right = (tuple(v) if type(v) is torch.Size else v for v in (left, right))
        if name in ("Eq", "NotEq") and _is_sequence(left) and type(left) is type(right) and _holds_data(left, right):
            equal = self._equal_items(left, right)
            return equal if name == "Eq" else self.not_(equal)
        result = self.special(name, left, right)
        return _COMPARE[name](left, right) if result is NotImplemented else result

    def _compare_sets(self, name: str, left: Any, right: Any) -> Any:
        """A comparison of two sets, one of which holds keys that depend on data."""
        if not all(isinstance(v, (set, frozenset)) for v in (left, right)):
            if name in ("Eq", "NotEq") and not all(isinstance(v, dict) for v in (left, right)):
                return name == "NotEq"
            refuse_entries("a comparison of it")
        is_within = self.call(left.issubset, right)
        contains = self.call(left.issuperset, right)
        if name in ("Eq", "NotEq"):
            same = self.and_(is_within, lambda: contains)
            return same if name == "Eq" else self.not_(same)
        one, other = (is_within, contains) if name in ("Lt", "LtE") else (contains, is_within)
        return one if name in ("LtE", "GtE") else self.and_(one, lambda: self.not_(other))

    def _equal_items(self, left: Any, right: Any) -> Any:
        """`left == right` of two lists or tuples that hold data, item by item."""
        if len(left) != len(right):
            return False
        same: Any = True
        for a, b in zip(left, right, strict=True):
            if a is not b:
                same = self.and_(same, lambda a=a, b=b: self.truth(self.comparison("Eq", a, b)))
        return same

    def in_(self, item: Any, container: Any) -> Any:
        container = known(container)
        if isinstance(container, torch.Tensor):
            return Number.of_tensor((container == item).any())
        method = operator_method(container, "__contains__")
        if method is not None:
            return self.truth(self.call(method, container, item))
        item = known(item)
        if isinstance(container, (set, frozenset, dict)):
            entries = entries_in(container)
            if entries is None and type(item) is tuple and keyed.is_data_key(item):
                entries = keyed.entries_of(container) if container else None
                if entries is None:
                    return False
            if entries is not None:
                return keyed.contains(entries, item)
        rows = columns.searched(container)
        if rows is not None:
            return Number(columns.hits(container, rows, known(item)).any(), bool)
        container = known_items(container)
        on_data = isinstance(item, (Number, torch.Tensor))
        if not on_data and not isinstance(container, (list, tuple)):
            return item in container
        if not isinstance(container, (list, tuple, set, frozenset, dict, range)):
            return item in container
        if not on_data and not any(isinstance(v, (Number, torch.Tensor)) for v in container):
            return item in container
        found: Any = False
        for candidate in container:
            if candidate is item:
                return True
            found = self.or_(found, lambda candidate=candidate: candidate == item)
        return self.truth(found)

    def truth(self, value: Any) -> Any:
        """`bool(value)`."""
        value = self.tested(value)
        return bool(value) if self.control.predicate(value) is None else self.as_truth(value)

    def not_in(self, item: Any, container: Any) -> Any:
        return self.not_(self.in_(item, container))

    def is_(self, left: Any, right: Any) -> Any:
        answer = self._of_choice(left, right, operator.is_)
        if answer is not None:
            return answer
        left, right = known(left), known(right)
        if type(right) is bool and isinstance(left, Number) and left.type is bool:
            return left == right  # there is one True and one False
        return left is right

    def _of_choice(self, left: Any, right: Any, test: Callable[[Any, Any], bool]) -> Any:
        """A test of a variable that is another constant on each path, or None on some; None where it is not that."""
        for value, other in ((left, right), (right, left)):
            choice = Unusable.choice(value) if isinstance(value, Unusable) else None
            if choice is None or isinstance(value, TruthOnly) or not isinstance(other, _COMPARED):
                continue
            if test is operator.is_ and other is None:
                answers = [alternative is None for alternative in choice.values]
            elif all(isinstance(alternative, _COMPARED) for alternative in choice.values):
                answers = [test(alternative, other) for alternative in choice.values]
            else:
                continue
            if not Unusable.may_be(value, UNDEFINED):
                return self.control.is_one_of(choice, [i for i, answer in enumerate(answers) if answer])
        return None

    def is_not(self, left: Any, right: Any) -> Any:
        return self.not_(self.is_(left, right))

    def assert_(self, test: Any, message: Callable[[], Any] | None) -> None:
        def fail() -> None:
            raise AssertionError(*([message()] if message is not None else []))

        self.if_(test, nothing, fail, ())

    def text(self, *pieces: Any) -> Any:
        """An f-string, of strings and of (value, conversion, spec)."""
        made = [piece if isinstance(piece, str) else self._formatted(*piece) for piece in pieces]
        if not any(isinstance(piece, Text) for piece in made):
            return "".join(made)
        return sum(made, start=Text(()))

    @staticmethod
    def _formatted(value: Any, conversion: str, spec: Any) -> Any:
        value = known(value)
        if holds_data(value):
            return text_of(value, conversion, spec)
        converted = {"r": repr, "s": str, "a": ascii}.get(conversion, lambda v: v)(value)
        return format(converted, spec)

    def length(self, value: Any) -> Any:
        """`len(value)`."""
        value = known(value)
        method = operator_method(value, "__len__")
        return self.call(method, value) if method is not None else len(value)

    def try_(
        self,
        body: Body,
        handlers: tuple[Handler, ...],
        orelse: Body | None,
        final: Body | None,
        names: tuple[str, ...],
    ) -> Signal | None:
        functions = [body, *(handler for _, handler in handlers), orelse, final]
        return self.control.try_(body, handlers, orelse, final, cell_locations(names, *functions))

    def with_(self, manager: Any, body: Callable[[Any], Signal | None], names: tuple[str, ...]) -> Signal | None:
        """A `with` statement of one context manager; `body` is given what is entered.

        One of torch's is as it is. One of a generator function (`contextlib.contextmanager`) is that function,
        rewritten, with the body called where it yields; one of a class of the user's, a `try` around the body. No jump
        or exception on data may leave the others.
        """
        manager = known(manager)
        if type(manager) is contextlib._GeneratorContextManager and hasattr(manager, "args"):
            try:
                return self._with_generator(manager, body, names)
            except NoSourceError:
                pass  # as it is
        enter, leave = user_method(manager, "__enter__"), user_method(manager, "__exit__")
        if enter is not None and leave is not None and not _is_of_pythons_library(type(manager)):
            return self._with_methods(manager, enter, leave, body, names)
        is_plain = runs_as_it_is(inspect.getfile(type(manager))) if type(manager).__module__ != "builtins" else True
        is_plain = is_plain or isinstance(manager, contextlib.nullcontext)
        with manager if is_plain else _Context(manager, self) as value:
            return body(value)

    def _with_generator(self, manager: Any, body: Callable[[Any], Signal | None], names: tuple[str, ...]) -> Any:
        number, returned = Arrested.number, Arrested.value
        possible = set(Arrested.possible)
        has_yielded: Any = False

        def resume(value: Any) -> None:
            nonlocal number, returned, has_yielded

            def again() -> None:
                raise RuntimeError("generator didn't stop")

            self.if_(has_yielded, again, None, ())
            has_yielded = True
            arrested = self.control.arrested(lambda: body(value))
            number, returned = arrested.number, arrested.value
            possible.update(arrested.possible)

        def never() -> None:
            raise RuntimeError("generator didn't yield")

        run = self.function(self.converter.convert(manager.func, resume))
        own = cell_locations(("number", "returned", "has_yielded"), resume)
        with self.control.writing([*cell_locations(names, body), *own]):
            run(*manager.args, **manager.kwds)
            self.if_(self.not_(has_yielded), never, None, ())
        return self.control.taken(Arrested(frozenset(possible), number, returned))

    def _with_methods(
        self, manager: Any, enter: Any, leave: Any, body: Callable[[Any], Signal | None], names: tuple[str, ...]
    ) -> Signal | None:
        number, returned = Arrested.number, Arrested.value
        possible = set(Arrested.possible)

        def run() -> None:
            nonlocal number, returned
            arrested = self.control.arrested(lambda: body(value))
            number, returned = arrested.number, arrested.value
            possible.update(arrested.possible)

        def failed(error: BaseException) -> None:
            def again() -> None:
                raise error

            handled = self.call(leave, manager, type(error), error, error.__traceback__)
            self.if_(handled, nothing, again, ())

        def passed() -> None:
            self.call(leave, manager, None, None, None)

        value = self.call(enter, manager)
        own = cell_locations(("number", "returned"), run)
        self.control.try_(run, [(lambda: BaseException, failed)], passed, None, [*cell_locations(names, body), *own])
        return self.control.taken(Arrested(frozenset(possible), number, returned))


def _is_of_pythons_library(cls: type) -> bool:
    return cls.__module__.partition(".")[0] in sys.stdlib_module_names


class _Context:
    """A context manager of Python's library: entered and left by rewritten code, by one path."""

    def __init__(self, manager: Any, operators: Conditions) -> None:
        self._manager = manager
        self._operators = operators
        self._guard = operators.control.guarded_context()

    def __enter__(self) -> Any:
        enter = user_method(self._manager, "__enter__")
        value = self._operators.call(enter, self._manager) if enter is not None else self._manager.__enter__()
        self._guard.__enter__()
        return value

    def __exit__(self, *error: Any) -> Any:
        self._guard.__exit__(*error)
        leave = user_method(self._manager, "__exit__")
        if leave is not None:
            return self._operators.call(leave, self._manager, *error)
        return self._manager.__exit__(*error)
