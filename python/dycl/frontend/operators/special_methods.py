# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Operators on objects of the user's: their special methods are user code, rewritten and called as any other."""

from __future__ import annotations

import functools
import sysconfig
from collections.abc import Callable
from typing import Any

from dycl.frontend.operators.core import Core, method_of_class
from dycl.frontend.rows import CONSTANTS
from dycl.frontend.sizes import Symbolic
from dycl.frontend.state import UNDEFINED
from dycl.frontend.values import Number, TruthOnly, Unusable, known

_BINARY = {
    "Add": "add",
    "Sub": "sub",
    "Mult": "mul",
    "Div": "truediv",
    "FloorDiv": "floordiv",
    "Mod": "mod",
    "Pow": "pow",
    "MatMult": "matmul",
    "BitAnd": "and",
    "BitOr": "or",
    "BitXor": "xor",
    "LShift": "lshift",
    "RShift": "rshift",
}
_COMPARISONS = {"Lt": ("lt", "gt"), "LtE": ("le", "ge"), "Gt": ("gt", "lt"), "GtE": ("ge", "le"), "Eq": ("eq", "eq")}
_METHODS = {
    **{name: (f"__{method}__", f"__r{method}__") for name, method in _BINARY.items()},
    **{name: (f"__{method}__", f"__{reflected}__") for name, (method, reflected) in _COMPARISONS.items()},
    "NotEq": ("__ne__", "__ne__"),
}
"""The method of the left operand, and the one of the right operand, of each operator."""

_STANDARD_LIBRARY = sysconfig.get_paths()["stdlib"]


@functools.lru_cache(maxsize=4096)
def _method_of_class(cls: type, name: str) -> Callable[..., Any] | None:
    method = method_of_class(cls, name)
    if method is None:
        return None
    # What the standard library's operators write is their own.
    filename = method.__code__.co_filename
    return None if filename.startswith(_STANDARD_LIBRARY) and "site-packages" not in filename else method


def operator_method(owner: Any, name: str) -> Callable[..., Any] | None:
    """The special method behind an operator, if a class of the user's defines it."""
    return _method_of_class(type(owner), name)


def _plain_truth(value: Any) -> bool | None:
    """The truth of a value that does not depend on data, and no method of the user's is asked for; None of another."""
    if isinstance(value, CONSTANTS) or type(value) in (bool, int, float):
        return bool(value)
    is_plain = value is not UNDEFINED and not isinstance(value, (Unusable, *Symbolic))
    is_object = not any(hasattr(type(value), name) for name in ("__bool__", "__len__"))
    return True if is_plain and is_object else None


class SpecialMethods(Core):
    """Adds operators on objects of the user's."""

    def special(self, name: str, left: Any, right: Any) -> Any:
        """`left <op> right` by a method of the user's; NotImplemented where neither operand has one."""
        forward, reflected = _METHODS[name]
        if operator_method(left, forward) is None and operator_method(right, reflected) is None:
            if name == "NotEq" and NotImplemented is not (equal := self.special("Eq", left, right)):
                return self.not_(equal)  # Python's own `!=` asks `__eq__`
            return NotImplemented
        attempts = [(left, forward, right)]
        if type(left) is not type(right) or name not in _BINARY:
            attempts.append((right, reflected, left))
            if isinstance(right, type(left)) and operator_method(right, reflected) is not None:
                attempts.reverse()
        for owner, method_name, other in attempts:
            method = operator_method(owner, method_name) or getattr(type(owner), method_name, None)
            result = NotImplemented if method is None else self.call(method, owner, other)
            if result is not NotImplemented:
                return result
        return NotImplemented

    def tested(self, value: Any) -> Any:
        """What a condition on a value tests: what its own `__bool__`, or else `__len__`, gives; itself without them."""
        truth = self._truth_of_choice(value) if type(value) is Unusable else None
        if truth is not None:
            return truth
        value = value if isinstance(value, TruthOnly) else known(value)
        for name in ("__bool__", "__len__"):
            method = operator_method(value, name)
            if method is not None:
                return self.call(method, value)
            if hasattr(type(value), name):
                break
        return value

    def _truth_of_choice(self, value: Unusable) -> Any:
        """The truth of what is of another kind on each path; None where it is known what it is, or one has no truth."""
        choice = Unusable.choice(value)
        if choice is None or isinstance(choice.tag, int) or self.control.which(choice) is not None:
            return None
        on_data = [i for i, alternative in enumerate(choice.values) if isinstance(alternative, Number)]
        truths = {i: _plain_truth(v) for i, v in enumerate(choice.values) if i not in on_data}
        if None in truths.values():
            return None
        result = self.control.is_one_of(choice, [i for i, truth in truths.items() if truth])
        for i in on_data:
            predicate = self.control.predicate(self.control.is_one_of(choice, [i]))
            number = choice.values[i]
            if predicate is None:
                return None
            # Only there it has a value.
            result = self.control.choose(predicate, lambda n=number: n != 0, lambda r=result: r)
        return result

    def not_(self, value: Any) -> Any:
        """`not value`; see `conditions.py`."""
        raise NotImplementedError
