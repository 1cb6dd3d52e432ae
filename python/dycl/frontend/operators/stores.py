# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Stores to attributes and items, and augmented assignments."""

from __future__ import annotations

import operator
import types
from collections.abc import Callable
from typing import Any

from dycl.frontend.entries import entries_in
from dycl.frontend.locations import runs_as_it_is
from dycl.frontend.operators.arithmetic import CHECKED, Arithmetic
from dycl.frontend.operators.core import user_method
from dycl.frontend.state import AttributeLocation
from dycl.frontend.values import Number, known

_AUGMENTED = {
    "Add": operator.iadd,
    "Sub": operator.isub,
    "Mult": operator.imul,
    "Div": operator.itruediv,
    "FloorDiv": operator.ifloordiv,
    "Mod": operator.imod,
    "Pow": operator.ipow,
    "MatMult": operator.imatmul,
    "BitAnd": operator.iand,
    "BitOr": operator.ior,
    "BitXor": operator.ixor,
    "LShift": operator.ilshift,
    "RShift": operator.irshift,
}


class Stores(Arithmetic):
    """Adds stores and augmented assignments."""

    def setattr_(self, owner: Any, name: str, value: Any) -> None:
        owner = known(owner)
        self.control.check_joined(owner)
        accessor = next((vars(c)[name] for c in type(owner).__mro__ if name in vars(c)), None)
        setter = accessor.fset if isinstance(accessor, property) else None
        if isinstance(setter, types.FunctionType) and not runs_as_it_is(setter.__code__.co_filename):
            self.call(setter, owner, value)
            return
        setter = user_method(accessor, "__set__")
        if setter is not None:
            self.call(setter, accessor, owner, value)
            return
        self.control.journal.touch(AttributeLocation.of(owner, name))
        setattr(owner, name, value)

    def delattr_(self, owner: Any, name: str) -> None:
        owner = known(owner)
        accessor = next((vars(c)[name] for c in type(owner).__mro__ if name in vars(c)), None)
        deleter = user_method(accessor, "__delete__")
        if deleter is not None:
            self.call(deleter, accessor, owner)
            return
        self.control.journal.touch(AttributeLocation.of(owner, name))
        delattr(owner, name)

    def store_attr(self, value: Any, owner: Any, name: str) -> None:
        """`owner.name = value`; Python evaluates the value first."""
        self.setattr_(owner, name, value)

    def store_item(self, value: Any, owner: Any, index: Any) -> None:
        """`owner[index] = value`; Python evaluates the value first."""
        self.setitem(owner, index, value)

    @staticmethod
    def evaluated(value: Any) -> Callable[[], Any]:
        """The value of an augmented assignment that was evaluated already, as it binds a name."""
        return lambda: value

    def augmented(self, name: str, target: Any, value: Any) -> Any:
        """The new value of a variable after `target <op>= value`."""
        target, value = known(target), known(value)
        method = user_method(target, f"__{_AUGMENTED[name].__name__}__")
        if method is not None:
            return self.call(method, target, value)
        if entries_in(target) is not None or entries_in(value) is not None:
            made = self.arithmetic(name, target, value)
            if isinstance(target, set):
                self.touch(target)
                target.clear()
                target.update(made)
                return target
            return made
        if not hasattr(type(target), f"__{_AUGMENTED[name].__name__}__"):
            return self.arithmetic(name, target, value)
        self.touch(target)
        if name in CHECKED and (isinstance(target, Number) or isinstance(value, Number)):
            return self.arithmetic(name, target, value)
        return _AUGMENTED[name](target, value)

    def augment_attr(self, name: str, owner: Any, attribute: str, value: Callable[[], Any]) -> None:
        self.setattr_(owner, attribute, self.augmented(name, self.attr(owner, attribute), value()))

    def augment_item(self, name: str, owner: Any, index: Any, value: Callable[[], Any]) -> None:
        is_known = type(owner) is dict and isinstance(index, Number) and owner and entries_in(owner) is None
        if is_known and all(isinstance(key, (bool, int, float)) for key in owner):
            # The key is one of those that there are, or else reading its value raises.
            new = self.augmented(name, self.getitem(owner, index), value())
            written = {key: self.if_exp(index == key, lambda: new, lambda old=old: old) for key, old in owner.items()}
            self.touch(owner)
            owner.update(written)
            return
        self.setitem(owner, index, self.augmented(name, self.item_to_augment(owner, index), value()))
