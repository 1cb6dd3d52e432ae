# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Objects of the user's classes: their constructors, properties and other accessors are rewritten like methods."""

from __future__ import annotations

import dataclasses
import functools
import types
from typing import Any

import torch
from torch import nn

from dycl.frontend.locations import runs_as_it_is
from dycl.frontend.operators.core import user_method
from dycl.frontend.operators.iteration import Iteration
from dycl.frontend.operators.selection import Selection
from dycl.frontend.values import known


def _is_users(function: Any) -> bool:
    return isinstance(function, types.FunctionType) and not runs_as_it_is(function.__code__.co_filename)


@functools.lru_cache(maxsize=4096)
def _defined(cls: type, name: str) -> Any:
    """What a class or one of its bases says of an attribute; None if nothing."""
    return next((vars(c)[name] for c in cls.__mro__ if name in vars(c)), None)


class Objects(Iteration):
    """Adds attributes and constructors."""

    def attr(self, owner: Any, name: str) -> Any:
        """`owner.name`: a property or `__getattr__` of the user's is rewritten."""
        owner = known(owner)
        if isinstance(owner, (torch.Tensor, types.ModuleType, type)):
            return getattr(owner, name)
        if isinstance(owner, Selection):
            return self.pick(owner.index, [lambda item=item: self.attr(item, name) for item in owner.items])
        accessor = _defined(type(owner), name)
        if isinstance(accessor, property) and _is_users(accessor.fget):
            return self.call(accessor.fget, owner)
        if isinstance(accessor, functools.cached_property) and _is_users(accessor.func) and name not in vars(owner):
            value = self.call(accessor.func, owner)
            self.touch(vars(owner))
            vars(owner)[name] = value
            return value
        getter = user_method(accessor, "__get__")
        if getter is not None and (hasattr(type(accessor), "__set__") or name not in getattr(owner, "__dict__", ())):
            return self.call(getter, accessor, owner, type(owner))
        fallback = _defined(type(owner), "__getattr__")
        if accessor is None and _is_users(fallback):
            try:
                return object.__getattribute__(owner, name)
            except AttributeError:
                return self.call(fallback, owner, name)
        return getattr(owner, name)

    def construct(self, cls: type, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """`cls(*args, **kwargs)`."""
        if type(cls).__call__ is not type.__call__ or issubclass(cls, (nn.Module, BaseException)):
            return cls(*args, **kwargs)
        initializer = _defined(cls, "__init__")
        after = _defined(cls, "__post_init__")
        if dataclasses.is_dataclass(cls) and _is_users(after) and not _is_users_source(initializer):
            return self._dataclass(cls, after, args, kwargs)
        if not _is_users_source(initializer):
            return cls(*args, **kwargs)
        made = _new(cls, args, kwargs)
        if isinstance(made, cls):
            self.call(initializer, made, *args, **kwargs)
        return made

    def _dataclass(self, cls: type, after: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """A dataclass with a `__post_init__`: the generated `__init__` finds the rewritten one in the object."""
        made = _new(cls, args, kwargs)
        if not hasattr(made, "__dict__"):
            return cls(*args, **kwargs)
        later: list[tuple[Any, ...]] = []
        vars(made)["__post_init__"] = lambda *more: later.append(more)
        try:
            cls.__init__(made, *args, **kwargs)
        finally:
            del vars(made)["__post_init__"]
        for more in later:
            self.call(after, made, *more)
        return made


def _new(cls: type, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """An object before its `__init__`; `object.__new__` takes no further arguments."""
    return cls.__new__(cls) if cls.__new__ is object.__new__ else cls.__new__(cls, *args, **kwargs)  # type: ignore[call-overload]


def _is_users_source(function: Any) -> bool:
    """Whether a function is the user's and was written, not generated."""
    return _is_users(function) and not function.__code__.co_filename.startswith("<")
