# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
# pyright: reportPrivateUsage=false
"""Calls: the user's code is rewritten, built-ins learn about data, torch's own code runs as it is."""

from __future__ import annotations

import functools
import inspect
import types
from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.nn.modules.module import (
    _global_forward_hooks,
    _global_forward_hooks_with_kwargs,
    _global_forward_pre_hooks,
)

from dycl.errors import UnsupportedConstructError
from dycl.frontend.convert import NoSourceError
from dycl.frontend.entries import entries_in, refuse_entries
from dycl.frontend.foreign import foreign_kind
from dycl.frontend.locations import here, runs_as_it_is
from dycl.frontend.operators.core import CONTAINERS, user_method
from dycl.frontend.operators.growing import known_items
from dycl.frontend.operators.objects import Objects
from dycl.frontend.operators.replacements import replacement_of
from dycl.frontend.operators.selection import Selection
from dycl.frontend.operators.small_sizes import check_call
from dycl.frontend.size_numbers import as_number, number_unless_size
from dycl.frontend.values import Number, known, known_or_open

_MUTATING = {
    *("append", "extend", "insert", "remove", "pop", "clear", "sort", "reverse"),
    *("update", "setdefault", "popitem", "add", "discard"),
    *("__setitem__", "__delitem__"),
}


_MOVING = {
    *map(id, (next, list, tuple, set, frozenset, dict, sorted, sum, min, max, any, all)),
    *map(id, (zip, enumerate, map, filter)),
}
"""The built-ins that move on the iterators that they are given, or make one that does."""

_OF_NUMBERS = set(map(id, (round, str, repr, format)))
"""The built-ins that take a size that is not known as a number on data: torch's stand-in for one has no value."""

_STORING = {"__setitem__", "__delitem__", "__iadd__", "__imul__", "__ior__", "__iand__", "__isub__", "__ixor__"}
"""The special methods that change the object, as they are called by name."""

_IN_C = {"builtins", "collections", "itertools", "functools", "array"}
"""Whose classes take what they are given item by item. (`list` and `tuple` are replaced, `dict` copies.)"""

_MUTATING_MODULES = {"_heapq", "_bisect", "_operator", "_random"}
"""Whose functions write to the containers that they are given."""


def _is_constant(value: Any) -> bool:
    if isinstance(value, (tuple, frozenset)):
        return all(map(_is_constant, value))
    return isinstance(value, (str, bytes, bool, int, float, complex, type(None), torch.dtype))


def _hands_on(function: Any) -> bool:
    """Whether a call gives its arguments to code that is rewritten, which may be told of what kind they are there."""
    if isinstance(function, types.MethodType) and not isinstance(function.__self__, (torch.Tensor, Number)):
        function = function.__func__
    if isinstance(function, types.FunctionType):
        return not runs_as_it_is(function.__code__.co_filename) and replacement_of(function) is None
    if isinstance(function, nn.Module):
        return isinstance(type(function).forward, types.FunctionType) and _hands_on(type(function).forward)
    if isinstance(function, type):
        initializer = getattr(function, "__init__", None)
        return isinstance(initializer, types.FunctionType) and _hands_on(initializer)
    is_append = isinstance(function, types.BuiltinMethodType) and function.__name__ == "append"
    return isinstance(function, (functools.partial, Selection)) or (is_append and type(function.__self__) is list)


class Calls(Objects):
    """Adds calls."""

    def call(self, function: Any, /, *args: Any, **kwargs: Any) -> Any:
        """A call in user code: user code behind it is rewritten too, and built-ins learn about data."""
        return self.iterator(self._call(function, args, kwargs))

    def _call(self, function: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        function = known(function)
        given = known_or_open if _hands_on(function) else known
        args = tuple(map(given, args))
        kwargs = {name: given(value) for name, value in kwargs.items()}
        if id(function) in _MOVING:
            for value in args:
                self.refuse_outside_iterator(value)
        if id(function) in _OF_NUMBERS:
            args = tuple(map(as_number, args))
        check_call(self, function, args, kwargs)
        replacement = replacement_of(function)
        if replacement is not None:
            return replacement(self, *args, **kwargs)
        if isinstance(function, types.FunctionType):
            return self._call_function(function, args, kwargs)
        if isinstance(function, Selection):
            options = [lambda item=item: self.call(item, *args, **kwargs) for item in function.items]
            return self.pick(function.index, options)
        if isinstance(function, types.MethodType):
            return self._call_method(function, args, kwargs)
        if isinstance(function, nn.Module):
            return self._call_module(function, args, kwargs)
        if isinstance(function, functools._lru_cache_wrapper):  # pyright: ignore[reportPrivateUsage]
            return self._call_cached(function.__wrapped__, args, kwargs)
        if isinstance(function, functools.partial):
            return self.call(function.func, *function.args, *args, **{**function.keywords, **kwargs})
        if isinstance(function, (types.BuiltinFunctionType, types.BuiltinMethodType)):
            return self._call_builtin(function, args, kwargs)
        if isinstance(function, types.MethodWrapperType) and function.__name__ in _STORING:
            self._touch_stored(function.__self__)  # `items.__setitem__(0, x)`
        if isinstance(function, types.WrapperDescriptorType) and args and function.__name__ in _STORING:
            self._touch_stored(args[0])  # `list.__setitem__(items, 0, x)`
        if isinstance(function, types.MethodDescriptorType) and args:
            if isinstance(args[0], CONTAINERS):
                self.touch(args[0])  # `list.append(items, x)`
            self._touch_foreign(args[0], function.__name__)
        if isinstance(function, type):
            if function.__module__ in _IN_C:
                self._refuse_rows(args)
            return self.construct(function, args, kwargs)
        method = user_method(function, "__call__")
        if method is not None:
            return self.call(method, function, *args, **kwargs)
        return function(*args, **kwargs)

    def _call_cached(self, function: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """What a function behind `functools.lru_cache` gives. The cache would keep traced tensors after the capture.

        Of constants it is a constant, so that no path is in it; it is as it is, but where it meets data elsewhere.
        """
        if all(map(_is_constant, (*args, *kwargs.values()))):
            try:
                return function(*args, **kwargs)
            except UnsupportedConstructError:
                pass
        return self.call(function, *args, **kwargs)

    def super_(self, function: Any, arguments: Callable[[], tuple[type, Any]]) -> Any:
        """`super()`; `arguments` gives those that Python takes from the frame, unless the name is the user's own."""
        if function is not super:
            return self.call(function)
        owner, first = arguments()
        return super(owner, first)

    def _call_function(self, function: types.FunctionType, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        wrapped = getattr(function, "__wrapped__", None)
        if runs_as_it_is(function.__code__.co_filename):
            # `@torch.no_grad()` and the like: torch's wrapper around a user's function. Gradients are off anyhow.
            is_grad_context = function.__code__.co_filename.endswith("_contextlib.py")
            if is_grad_context and isinstance(wrapped, types.FunctionType):
                return self.call(wrapped, *args, **kwargs)
            return function(*args, **kwargs)
        if self.converter.is_converted(function):
            return function(*args, **kwargs)
        return self.rewritten(function)(*args, **kwargs)

    def rewritten(self, function: types.FunctionType) -> Callable[..., Any]:
        """The rewritten twin of a function; the function itself where it has no source."""
        try:
            twin = self.converter.convert(function)
        except NoSourceError:
            return function
        return twin if function.__name__ == "<lambda>" else self.function(twin)

    def _call_method(self, method: types.MethodType, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        owner = method.__self__
        if isinstance(owner, torch.Tensor):
            return self._call_tensor_method(method.__name__, owner, method, args, kwargs)
        if isinstance(owner, Number):
            return method(*args, **kwargs)
        replacement = replacement_of(method.__func__)
        if replacement is not None:
            return replacement(self, owner, *args, **kwargs)
        if isinstance(owner, nn.Module):
            self.adopt(owner)
            if method.__func__ is nn.Module.__call__:
                return self._call_hooked(owner, args, kwargs)  # `module.__call__`, `super().__call__`
            if self._is_user_forward(owner, method):
                return self.function(self.converter.convert(method.__func__))(owner, *args, **kwargs)  # type: ignore[arg-type]
        if isinstance(method.__func__, types.FunctionType):
            return self._call_function(method.__func__, (owner, *args), kwargs)
        self._touch_foreign(owner, method.__name__)
        return method(*args, **kwargs)

    def _touch_stored(self, owner: Any) -> None:
        """To be called before a special method in C that changes an object.

        A class of the user's that is a dict calls these to change itself, and may have no other way to.
        """
        if type(owner) in CONTAINERS or foreign_kind(owner) is not None:
            self.touch(owner)

    def _touch_foreign(self, owner: Any, method: str) -> None:
        """To be called before a method in C."""
        kind = foreign_kind(owner)
        if kind is not None and kind.changes(method):
            self.touch(owner)

    def _is_user_forward(self, module: nn.Module, method: types.MethodType) -> bool:
        """Torch's own containers (`nn.Sequential`) are rewritten where they hold modules of the user's."""
        code = getattr(method.__func__, "__code__", None)
        return (
            method.__name__ == "forward"
            and code is not None
            and runs_as_it_is(code.co_filename)
            and self._holds_user_code(module)
        )

    def _holds_user_code(self, module: nn.Module) -> bool:
        known = self.foreign.get(id(module))
        if known is None:
            holds = any(
                m._forward_hooks
                or m._forward_pre_hooks
                or replacement_of(type(m).forward) is not None
                or not runs_as_it_is(inspect.getfile(type(m)))
                for m in module.modules()
                if type(m) is not nn.Module
            )
            known = self.foreign[id(module)] = (module, holds)
        return known[1]

    def _call_module(self, module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        self.adopt(module)
        method = user_method(module, "__call__")
        if method is not None:
            return self.call(method, module, *args, **kwargs)
        return self._call_hooked(module, args, kwargs)

    def _call_hooked(self, module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """What `nn.Module.__call__` does: the forward between its hooks."""
        args, kwargs = self._run_pre_hooks(module, args, kwargs)
        result = self.call(module.forward, *args, **kwargs)
        return self._run_hooks(module, args, kwargs, result)

    def _run_pre_hooks(
        self, module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """The arguments after the forward pre-hooks, called as `nn.Module` does."""
        for key, hook in [*_global_forward_pre_hooks.items(), *module._forward_pre_hooks.items()]:
            if key in module._forward_pre_hooks_with_kwargs:
                changed = self.call(hook, module, args, kwargs)
                if known(changed) is not None:
                    args, kwargs = changed
                continue
            changed = self.call(hook, module, args)
            if known(changed) is not None:
                args = changed if isinstance(changed, tuple) else (changed,)
        return args, kwargs

    def _run_hooks(self, module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], result: Any) -> Any:
        """The result after the forward hooks, called as `nn.Module` does."""
        for key, hook in [*_global_forward_hooks.items(), *module._forward_hooks.items()]:
            with_kwargs = key in module._forward_hooks_with_kwargs or key in _global_forward_hooks_with_kwargs
            given = (args, kwargs, result) if with_kwargs else (args, result)
            changed = self.call(hook, module, *given)
            if known(changed) is not None:
                result = changed
        return result

    def _call_builtin(self, function: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        owner = getattr(function, "__self__", None)
        args = tuple(map(number_unless_size, args))
        kwargs = {k: number_unless_size(a) for k, a in kwargs.items()}
        if function.__module__ in _MUTATING_MODULES:
            for value in args:
                self.touch(known_items(value))
        if isinstance(owner, torch.Tensor):
            return self._call_tensor_method(function.__name__, owner, function, args, kwargs)
        if owner is not None and not isinstance(owner, types.ModuleType):
            replacement = replacement_of(getattr(type(owner), function.__name__, None))
            if replacement is not None:
                return replacement(self, owner, *args, **kwargs)
        if isinstance(owner, CONTAINERS) and function.__name__ in _MUTATING:
            self.touch(owner)
            return function(*args, **kwargs)
        if owner is None or isinstance(owner, (types.ModuleType, str)):
            self._refuse_rows(args)
        self._touch_foreign(owner, function.__name__)
        return function(*args, **kwargs)

    @staticmethod
    def _refuse_rows(args: tuple[Any, ...]) -> None:
        """Refuses lists whose length depends on data, for code that would take what stands for their items for one.

        Raises:
            UnsupportedConstructError: an argument is one.
        """
        for value in args:
            known_items(value)
            if entries_in(value) is not None:
                refuse_entries("code in C that is given it")

    def _call_tensor_method(
        self, name: str, tensor: torch.Tensor, method: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        if name == "item" or name == "__bool__":
            return Number.of_tensor(tensor)
        replacement = replacement_of(getattr(torch.Tensor, name, None))
        if replacement is not None:
            return replacement(self, tensor, *args, **kwargs)
        if name in ("numpy", "__array__"):
            raise UnsupportedConstructError(
                f"`Tensor.{name}()` of a traced tensor", hint="use the torch function of that name", location=here()
            )
        return method(*args, **kwargs)
