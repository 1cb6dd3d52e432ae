# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""What rewritten code calls: each Python construct, on Python values as Python does it, on data as a graph.

`Operators` is the object that rewritten code knows as `dycl__`. Its methods decide which of the two a construct is; the
structure of branches and loops is `control.py`'s.
"""

from __future__ import annotations

import builtins
import contextlib
import dis
import functools
import inspect
import math
import operator
import sys
import types
import warnings
from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.utils import _pytree as pytree

from dycl.errors import UnsupportedConstructError
from dycl.frontend.control import Control, cell_locations
from dycl.frontend.convert import Converter, NoSourceError
from dycl.frontend.locations import here, is_internal
from dycl.frontend.paths import BREAK, CONTINUE, Handler, Signal
from dycl.frontend.state import AttributeLocation, CellLocation, ContainerLocation
from dycl.frontend.values import Number, TruthOnly, Unusable, python_arithmetic, refuse

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
_DIVISIONS = {"Div": (operator.truediv, "/"), "FloorDiv": (operator.floordiv, "//"), "Mod": (operator.mod, "%")}
_COMPARE = {
    "Lt": operator.lt,
    "LtE": operator.le,
    "Gt": operator.gt,
    "GtE": operator.ge,
    "Eq": operator.eq,
    "NotEq": operator.ne,
}
_CONTAINERS = (list, dict, set)
_MUTATING = {
    *("append", "extend", "insert", "remove", "pop", "clear", "sort", "reverse"),
    *("update", "setdefault", "popitem", "add", "discard"),
    *("__setitem__", "__delitem__"),
}

_MUTATING_MODULES = {"_heapq", "_bisect", "_operator", "_random"}
"""Whose functions write to the containers that they are given."""

Body = Callable[[], Signal | None]


class Operators:
    """The operators of one capture.

    Args:
        control: branches, loops and jumps.
        adopt: called with each `nn.Module` before its first call, so that its weights are known.
    """

    BREAK = BREAK
    CONTINUE = CONTINUE
    slice = builtins.slice

    def __init__(self, control: Control, adopt: Callable[[nn.Module], None]) -> None:
        self._control = control
        self._adopt = adopt
        self.converter = Converter(self)
        self._call_depth = 0
        self._foreign: dict[int, tuple[nn.Module, bool]] = {}
        self._builtins: dict[Any, Callable[..., Any]] = {
            int: self._int,
            float: self._float,
            bool: self._bool,
            isinstance: self._isinstance,
            type: self._type,
            max: functools.partial(self._extreme, operator.gt, max),
            min: functools.partial(self._extreme, operator.lt, min),
            any: functools.partial(self._any_all, False),
            all: functools.partial(self._any_all, True),
            range: self._range,
            print: self._print,
            setattr: self.setattr_,
            delattr: self.delattr_,
            torch.tensor: functools.partial(self._tensor, torch.tensor),
            torch.as_tensor: functools.partial(self._tensor, torch.as_tensor),
            math.floor: functools.partial(self._rounded, math.floor, torch.floor),
            math.ceil: functools.partial(self._rounded, math.ceil, torch.ceil),
            math.trunc: functools.partial(self._rounded, math.trunc, torch.trunc),
        }

        # What takes functions and runs them under a condition: torch's own way to say what dycl finds by itself.
        self._higher_order: dict[int, Callable[..., Any]] = {
            id(torch.cond): self._torch_cond,
            id(torch.ops.higher_order.cond): self._torch_cond,
            id(torch.while_loop): self._torch_while_loop,
            id(torch.ops.higher_order.while_loop): self._torch_while_loop,
        }

    # Jumps -----------------------------------------------------------------------------------------------------------

    @staticmethod
    def Return(value: Any = None) -> Signal:  # noqa: N802 (reads as the statement it stands for)
        return Signal("return", value)

    @staticmethod
    def value(signal: Signal) -> Any:
        """What a function returns for a `return` in one of its bodies."""
        return signal.value

    def function(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Makes each call of a rewritten function a place where its `return`s land."""
        self._control.share(_written_outer_cells(function))

        @functools.wraps(function)
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            if self._call_depth >= MAX_CALL_DEPTH:
                raise UnsupportedConstructError(
                    f"more than {MAX_CALL_DEPTH} calls nest in each other",
                    hint="a recursion has to end on what is known at compile time, such as a depth or a list; "
                    "turn one on tensor values into a `while`",
                    location=here(),
                )
            self._call_depth += 1
            try:
                return self._control.function(lambda: function(*args, **kwargs))
            finally:
                self._call_depth -= 1

        return wrapper

    # Conditions ------------------------------------------------------------------------------------------------------

    def if_(self, test: Any, then: Body, orelse: Body | None, names: tuple[str, ...]) -> Signal | None:
        predicate = self._control.predicate(test)
        if predicate is None:
            chosen = then if bool(test) else orelse
            return chosen() if chosen is not None else None
        return self._control.if_(predicate, then, orelse or _nothing, cell_locations(names, then, orelse))

    def if_exp(self, test: Any, then: Callable[[], Any], orelse: Callable[[], Any]) -> Any:
        predicate = self._control.predicate(test)
        if predicate is None:
            return then() if bool(test) else orelse()
        return self._control.choose(predicate, then, orelse)

    def and_(self, first: Any, *rest: Callable[[], Any]) -> Any:
        return self._short_circuit(first, rest, stops_on=False)

    def or_(self, first: Any, *rest: Callable[[], Any]) -> Any:
        return self._short_circuit(first, rest, stops_on=True)

    def _short_circuit(self, first: Any, rest: tuple[Callable[[], Any], ...], stops_on: bool) -> Any:
        """`and` (stops on a false value) or `or` (stops on a true one): the value that decides, as Python gives it."""
        if not rest:
            return first
        predicate = self._control.predicate(first)
        if predicate is None:
            return first if bool(first) is stops_on else self._short_circuit(rest[0](), rest[1:], stops_on)
        truths: list[Number] = []
        has_truths: list[bool] = []

        def go_on() -> Any:
            value = self._short_circuit(rest[0](), rest[1:], stops_on)
            # Python does not ask for the truth of the last operand, and one with several elements has none.
            has_truth = not isinstance(value, torch.Tensor) or value.numel() == 1
            truths.append(self._as_truth(value) if has_truth else Number.of(stops_on))
            has_truths.append(has_truth)
            return value, truths[-1]

        def stop() -> Any:
            return first, Number.of(stops_on)

        sides = (stop, go_on) if stops_on else (go_on, stop)
        value, truth = self._control.choose(predicate, *sides)
        # `tensor and 3`: nothing has both types, but a condition needs no more than the truth.
        return TruthOnly(value, truth) if isinstance(value, Unusable) and all(has_truths) else value

    def _as_truth(self, value: Any) -> Number:
        predicate = self._control.predicate(value)
        if predicate is None:
            return Number.of(bool(value))
        return Number(self._control.recorder.wrap(predicate), bool)

    def not_(self, value: Any) -> Any:
        if self._control.predicate(value) is None:
            return not value
        return Number(self._as_truth(value).tensor.logical_not(), bool)

    def compare(self, left: Any, *steps: Any) -> Any:
        """`a < b <= c`: each operand once, and none after a comparison that fails."""
        name, thunk, *rest = steps
        right = thunk()
        compared = self._compare_one(name, left, right)
        if not rest:
            return compared
        return self.and_(compared, lambda: self.compare(right, *rest))

    def _compare_one(self, name: str, left: Any, right: Any) -> Any:
        if name in ("In", "NotIn", "Is", "IsNot"):
            functions = {"In": self.in_, "NotIn": self.not_in, "Is": self.is_, "IsNot": self.is_not}
            return functions[name](left, right)
        return _COMPARE[name](left, right)

    def in_(self, item: Any, container: Any) -> Any:
        if isinstance(container, torch.Tensor):
            return Number.of_tensor((container == item).any())
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
        return self._bool(found)

    def not_in(self, item: Any, container: Any) -> Any:
        return self.not_(self.in_(item, container))

    @staticmethod
    def is_(left: Any, right: Any) -> bool:
        for value in (left, right):
            if isinstance(value, Unusable):
                refuse(value)
        return left is right

    def is_not(self, left: Any, right: Any) -> bool:
        return not self.is_(left, right)

    def assert_(self, test: Any, message: Callable[[], Any] | None) -> None:
        def fail() -> None:
            raise AssertionError(*([message()] if message is not None else []))

        self.if_(test, _nothing, fail, ())

    def try_(
        self,
        body: Body,
        handlers: tuple[Handler, ...],
        orelse: Body | None,
        final: Body | None,
        names: tuple[str, ...],
    ) -> Signal | None:
        functions = [body, *(handler for _, handler in handlers), orelse, final]
        return self._control.try_(body, handlers, orelse, final, cell_locations(names, *functions))

    def guarded_context(self) -> contextlib.AbstractContextManager[None]:
        """What refuses jumps on data out of a `with`."""
        return self._control.guarded_context()

    def context(self, manager: Any) -> Any:
        """A context manager of a `with`: as it is if it is torch's, else one that no jump on data may leave."""
        is_plain = is_internal(inspect.getfile(type(manager))) if type(manager).__module__ != "builtins" else True
        return manager if is_plain or isinstance(manager, contextlib.nullcontext) else _Context(manager, self)

    # Loops -----------------------------------------------------------------------------------------------------------

    def while_(
        self, test: Callable[[], Any], body: Body, orelse: Body | None, names: tuple[str, ...], endless: bool = False
    ) -> Signal | None:
        cells = cell_locations(names, test, body, orelse)
        return self._control.while_(test, body, orelse, cells, truth=bool, endless=endless)

    def for_(
        self, items: Any, body: Callable[[Any], Signal | None], orelse: Body | None, names: tuple[str, ...]
    ) -> Signal | None:
        cells = cell_locations(names, body, orelse)
        if isinstance(items, _Range):
            return self._for_range(items, body, orelse, cells)
        # One that somebody holds, not a temporary such as `enumerate(...)`.
        is_held_iterator = hasattr(items, "__next__") and sys.getrefcount(items) > 2
        sites = self._control.sites
        signal = self._control.for_(items, body, orelse, cells)
        if is_held_iterator and self._control.sites != sites:
            raise UnsupportedConstructError(
                "a `for` over an iterator in a variable, with a condition on a tensor inside: on each path it would "
                "stand elsewhere afterwards",
                hint="make a list of it first",
                location=here(),
            )
        return signal

    def _for_range(
        self,
        items: _Range,
        body: Callable[[Any], Signal | None],
        orelse: Body | None,
        cells: list[CellLocation],
    ) -> Signal | None:
        """A `for` over a range that depends on data: a `while` with a counter of its own."""
        counter = items.start

        def test() -> Any:
            return counter < items.stop if items.step > 0 else counter > items.stop

        def step() -> Signal | None:
            nonlocal counter
            now = counter
            counter = now + items.step
            return body(now)

        own = cell_locations(("counter",), test)
        return self._control.while_(test, step, orelse, [*cells, *own], truth=bool)

    # Stores ----------------------------------------------------------------------------------------------------------

    def setattr_(self, owner: Any, name: str, value: Any) -> None:
        if isinstance(owner, Unusable):
            refuse(owner)
        self._control.check_joined(owner)
        accessor = next((vars(c)[name] for c in type(owner).__mro__ if name in vars(c)), None)
        setter = accessor.fset if isinstance(accessor, property) else None
        if isinstance(setter, types.FunctionType) and not is_internal(setter.__code__.co_filename):
            self.call(setter, owner, value)
            return
        self._control.journal.touch(AttributeLocation.of(owner, name))
        setattr(owner, name, value)

    def delattr_(self, owner: Any, name: str) -> None:
        self._control.journal.touch(AttributeLocation.of(owner, name))
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

    def setitem(self, owner: Any, index: Any, value: Any) -> None:
        method = _user_method(owner, "__setitem__")
        if method is not None:
            self.call(method, owner, index, value)
            return
        self._touch(owner)
        if isinstance(owner, torch.Tensor) and _is_scalar_index(index):
            # Torch would ask the index for its value; as a tensor with one element it need not.
            row = value[None] if isinstance(value, torch.Tensor) and value.dim() else value
            owner[_as_rows(index)] = row.tensor.to(owner.dtype) if isinstance(row, Number) else row
        else:
            stored: Any = value.like(owner) if isinstance(value, Number) and isinstance(owner, torch.Tensor) else value
            owner[_index(index)] = stored

    def delitem(self, owner: Any, index: Any) -> None:
        self._touch(owner)
        del owner[index]

    def _touch(self, owner: Any) -> None:
        self._control.check_joined(owner)
        if isinstance(owner, _CONTAINERS):
            self._control.journal.touch(ContainerLocation.of(owner))

    def getitem(self, owner: Any, index: Any) -> Any:
        if isinstance(owner, (list, tuple)) and isinstance(index, (Number, torch.Tensor)):
            return self._select(owner, index)
        if isinstance(owner, torch.Tensor) and _is_scalar_index(index):
            return owner[_as_rows(index)].squeeze(0)
        method = _user_method(owner, "__getitem__")
        if method is not None:
            return self.call(method, owner, index)
        return owner[index] if isinstance(owner, dict) else owner[_index(index)]

    def _select(self, items: list[Any] | tuple[Any, ...], index: Number | torch.Tensor) -> Any:
        """`items[index]` with an index on data: one branch an item, so that items may be anything."""
        number = index if isinstance(index, Number) else Number.of_tensor(index)
        if number.type is float:
            raise TypeError(f"{type(items).__name__} indices must be integers or slices, not float")
        if not items:
            raise IndexError(f"{type(items).__name__} index out of range")
        number = number.converted(int)
        wrapped = Number(torch.where(number.tensor < 0, number.tensor + len(items), number.tensor), int)

        def fail() -> None:
            raise IndexError(f"{type(items).__name__} index out of range")

        outside = torch.logical_or(wrapped.tensor < 0, wrapped.tensor >= len(items))
        self.if_(outside, fail, None, ())

        def pick(first: int) -> Any:
            if first == len(items) - 1:
                return items[first]
            return self.if_exp(wrapped == first, lambda: items[first], lambda: pick(first + 1))

        return pick(0)

    def divide(self, name: str, left: Any, right: Any) -> Any:
        """`/`, `//` and `%`: a division of Python numbers raises where the divisor, on data, is zero."""
        function, symbol = _DIVISIONS[name]
        if not isinstance(right, Number) or not isinstance(left, (Number, bool, int, float)):
            return function(left, right)

        def fail() -> None:
            kinds = [v.type if isinstance(v, Number) else type(v) for v in (left, right)]
            function(kinds[0](1), kinds[1](0))

        self.if_(right == 0, fail, None, ())
        return python_arithmetic(left, right, function, symbol, divisor_is_checked=True)

    def augmented(self, name: str, target: Any, value: Any) -> Any:
        """The new value of a variable after `target <op>= value`."""
        method = _user_method(target, f"__{_AUGMENTED[name].__name__}__")
        if method is not None:
            return self.call(method, target, value)
        self._touch(target)
        if name in _DIVISIONS and isinstance(value, Number):
            return self.divide(name, target, value)
        return _AUGMENTED[name](target, value)

    def augment_attr(self, name: str, owner: Any, attribute: str, value: Callable[[], Any]) -> None:
        self.setattr_(owner, attribute, self.augmented(name, getattr(owner, attribute), value()))

    def augment_item(self, name: str, owner: Any, index: Any, value: Callable[[], Any]) -> None:
        self.setitem(owner, index, self.augmented(name, self.getitem(owner, index), value()))

    # Calls -----------------------------------------------------------------------------------------------------------

    def call(self, function: Any, /, *args: Any, **kwargs: Any) -> Any:
        """A call in user code: user code behind it is rewritten too, and built-ins learn about data."""
        for value in (function, *args, *kwargs.values()):
            if isinstance(value, Unusable):
                refuse(value)
        higher_order = self._higher_order.get(id(function))
        if higher_order is not None:
            return higher_order(*args, **kwargs)
        if isinstance(function, types.FunctionType):
            return self._call_function(function, args, kwargs)
        if isinstance(function, types.MethodType):
            return self._call_method(function, args, kwargs)
        if isinstance(function, nn.Module):
            return self._call_module(function, args, kwargs)
        if isinstance(function, functools._lru_cache_wrapper):  # pyright: ignore[reportPrivateUsage]
            # Its cache would keep traced tensors after the capture.
            return self.call(function.__wrapped__, *args, **kwargs)
        if isinstance(function, functools.partial):
            return self.call(function.func, *function.args, *args, **{**function.keywords, **kwargs})
        if isinstance(function, (types.BuiltinFunctionType, types.BuiltinMethodType)):
            return self._call_builtin(function, args, kwargs)
        if isinstance(function, types.MethodDescriptorType) and args and isinstance(args[0], _CONTAINERS):
            self._touch(args[0])  # `list.append(items, x)`
        if isinstance(function, type):
            special = self._builtins.get(function)
            return special(*args, **kwargs) if special is not None else function(*args, **kwargs)
        method = _user_method(function, "__call__")
        if method is not None:
            return self.call(method, function, *args, **kwargs)
        return function(*args, **kwargs)

    def _call_function(self, function: types.FunctionType, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        wrapped = getattr(function, "__wrapped__", None)
        if is_internal(function.__code__.co_filename):
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
        if isinstance(owner, nn.Module):
            self._adopt(owner)
            if self._is_user_forward(owner, method):
                return self.function(self.converter.convert(method.__func__))(owner, *args, **kwargs)  # type: ignore[arg-type]
        if isinstance(method.__func__, types.FunctionType):
            return self._call_function(method.__func__, (owner, *args), kwargs)
        return method(*args, **kwargs)

    def _is_user_forward(self, module: nn.Module, method: types.MethodType) -> bool:
        """Torch's own containers (`nn.Sequential`) are rewritten where they hold modules of the user's."""
        code = getattr(method.__func__, "__code__", None)
        return (
            method.__name__ == "forward"
            and code is not None
            and is_internal(code.co_filename)
            and self._holds_user_code(module)
        )

    def _holds_user_code(self, module: nn.Module) -> bool:
        known = self._foreign.get(id(module))
        if known is None:
            holds = any(not is_internal(inspect.getfile(type(m))) for m in module.modules() if type(m) is not nn.Module)
            known = self._foreign[id(module)] = (module, holds)
        return known[1]

    def _call_module(self, module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        self._adopt(module)
        method = _user_method(module, "__call__")
        if method is not None:
            return self.call(method, module, *args, **kwargs)
        if module._forward_hooks or module._forward_pre_hooks:  # pyright: ignore[reportPrivateUsage]
            raise UnsupportedConstructError(
                f"a forward hook on a {type(module).__name__}",
                hint="remove the hook before compiling, or call its function in `forward`",
                location=here(),
            )
        return self.call(module.forward, *args, **kwargs)

    def _call_builtin(self, function: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        owner = getattr(function, "__self__", None)
        if function.__module__ in _MUTATING_MODULES:
            for value in args:
                self._touch(value)
        if isinstance(owner, torch.Tensor):
            return self._call_tensor_method(function.__name__, owner, function, args, kwargs)
        if isinstance(owner, _CONTAINERS) and function.__name__ in _MUTATING:
            self._touch(owner)
            if any(isinstance(v, Number) for v in args[:1]) and function.__name__ in ("pop", "insert"):
                raise UnsupportedConstructError(
                    f"`list.{function.__name__}` at a position that depends on tensor values",
                    hint="keep a tensor and a mask instead",
                    location=here(),
                )
            return function(*args, **kwargs)
        if function is next and self._control.is_conditional and sys.getrefcount(args[0]) > 2:
            # One that somebody holds, not a temporary as in `next(self.parameters())`.
            raise UnsupportedConstructError(
                "`next` of an iterator under a condition on a tensor: the other side would find it moved on",
                hint="make a list of it first, and index that",
                location=here(),
            )
        special = self._builtins.get(function) if not isinstance(owner, _CONTAINERS) else None
        if special is not None:
            return special(*args, **kwargs)
        return function(*args, **kwargs)

    def _call_tensor_method(
        self, name: str, tensor: torch.Tensor, method: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        if name == "item" or name == "__bool__":
            return self._number(tensor)
        if name == "tolist":
            return self._tolist(tensor)
        if name in ("numpy", "__array__"):
            raise UnsupportedConstructError(
                f"`Tensor.{name}()` of a traced tensor", hint="use the torch function of that name", location=here()
            )
        return method(*args, **kwargs)

    def _number(self, tensor: torch.Tensor) -> Any:
        return Number.of_tensor(tensor)

    def _tolist(self, tensor: torch.Tensor) -> Any:
        if tensor.dim() == 0:
            return self._number(tensor)
        if tensor.numel() > MAX_TOLIST:
            raise UnsupportedConstructError(
                f"`.tolist()` of {tensor.numel()} elements",
                hint=f"it is done for up to {MAX_TOLIST}; use tensor operations",
                location=here(),
            )
        return [self._tolist(row) for row in tensor]

    def _torch_cond(
        self, pred: Any, true_fn: Callable[..., Any], false_fn: Callable[..., Any], operands: Any = ()
    ) -> Any:
        """`torch.cond`."""
        return self.if_exp(pred, lambda: self.call(true_fn, *operands), lambda: self.call(false_fn, *operands))

    def _torch_while_loop(
        self, cond_fn: Callable[..., Any], body_fn: Callable[..., Any], carried_inputs: Any, additional_inputs: Any = ()
    ) -> Any:
        """`torch.while_loop`."""
        carried = tuple(carried_inputs)

        def test() -> Any:
            return self.call(cond_fn, *carried, *additional_inputs)

        def step() -> Signal | None:
            nonlocal carried
            carried = tuple(self.call(body_fn, *carried, *additional_inputs))

        self._control.while_(test, step, None, cell_locations(("carried",), step), truth=bool)
        return carried

    # Built-ins that learn about data ---------------------------------------------------------------------------------

    def _convert(self, kind: type, value: Any, *args: Any, **kwargs: Any) -> Any:
        if isinstance(value, TruthOnly) and kind is bool:
            return TruthOnly.truth(value)
        if isinstance(value, torch.Tensor):
            value = self._number(value)
        if isinstance(value, Number):
            return value.converted(kind)
        return kind(value, *args, **kwargs)

    def _int(self, *args: Any, **kwargs: Any) -> Any:
        return self._convert(int, *args, **kwargs) if args else int(**kwargs)

    def _float(self, *args: Any) -> Any:
        return self._convert(float, *args) if args else 0.0

    def _bool(self, *args: Any) -> Any:
        return self._convert(bool, *args) if args else False

    @staticmethod
    def _isinstance(value: Any, classes: Any) -> bool:
        if isinstance(value, Number):
            return issubclass(value.type, classes)
        return isinstance(value, classes)

    @staticmethod
    def _type(*args: Any, **kwargs: Any) -> Any:
        if len(args) == 1 and isinstance(args[0], Number):
            return args[0].type
        if len(args) == 1 and isinstance(args[0], torch.Tensor) and not isinstance(args[0], nn.Parameter):
            return torch.Tensor
        return type(*args, **kwargs)

    def _extreme(self, better: Callable[[Any, Any], Any], plain: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """`max` and `min`: the first of the best, as Python has it."""
        items = list(args[0]) if len(args) == 1 else list(args)
        if not any(isinstance(v, (Number, torch.Tensor)) for v in items):
            return plain(items, **kwargs) if len(args) == 1 else plain(*args, **kwargs)
        key = kwargs.pop("key", None)
        if kwargs.pop("default", None) is not None and not items:
            raise AssertionError("items hold data, so they are not empty")
        if kwargs:
            raise TypeError(f"{plain.__name__}() got an unexpected keyword argument {next(iter(kwargs))!r}")

        def rank(v: Any) -> Any:
            return self.call(key, v) if key is not None else v

        best, best_rank = items[0], rank(items[0])
        for item in items[1:]:
            item_rank = rank(item)
            is_better = better(item_rank, best_rank)
            best = self.if_exp(is_better, lambda item=item: item, lambda best=best: best)
            best_rank = best if key is None else self.if_exp(is_better, lambda r=item_rank: r, lambda r=best_rank: r)
        return best

    def _any_all(self, stops_on_false: bool, items: Any) -> Any:
        if isinstance(items, torch.Tensor):
            items = list(items)
        result: Any = stops_on_false
        state = self._control.state()
        for item in items:
            if self._control.predicate(item) is None:
                if bool(item) is not stops_on_false:
                    return not stops_on_false
                continue
            if state.delta():
                # Python would stop at the first item that decides.
                raise UnsupportedConstructError(
                    f"`{'all' if stops_on_false else 'any'}` over items that write to variables as they are computed",
                    hint="write a `for` loop with a `break`",
                    location=here(),
                )
            truth = self._as_truth(item)
            if isinstance(result, Number):
                function = torch.logical_and if stops_on_false else torch.logical_or
                result = Number(function(result.tensor, truth.tensor), bool)
            else:
                result = truth
        return result

    @staticmethod
    def _range(*args: Any) -> Any:
        numbers = [Number.of_tensor(a) if isinstance(a, torch.Tensor) else a for a in args]
        if not any(isinstance(a, Number) for a in numbers):
            return range(*args)
        start, stop, step = (0, numbers[0], 1) if len(numbers) == 1 else (*numbers, 1)[:3]
        if isinstance(step, Number):
            raise UnsupportedConstructError(
                "a range whose step depends on tensor values", hint="use a constant step", location=here()
            )
        if step == 0:
            raise ValueError("range() arg 3 must not be zero")
        return _Range(start, stop, step)

    @staticmethod
    def _print(*args: Any, **kwargs: Any) -> None:
        if any(isinstance(a, (Number, torch.Tensor)) for a in args):
            warnings.warn(f"{here()}: a `print` of tensor values is left out of the compiled program", stacklevel=2)
            return
        print(*args, **kwargs)

    def _tensor(self, plain: Callable[..., torch.Tensor], data: Any, *args: Any, **kwargs: Any) -> torch.Tensor:
        """`torch.tensor` of numbers on data, or of nested lists that hold some."""
        leaves = pytree.tree_leaves(data, is_leaf=lambda v: isinstance(v, Number))
        kinds = {v.type if isinstance(v, Number) else type(v) for v in leaves}
        if not any(isinstance(v, Number) for v in leaves) or not kinds <= {bool, int, float}:
            return plain(data, *args, **kwargs)
        default = torch.get_default_dtype() if float in kinds else torch.int64 if int in kinds else torch.bool
        dtype = kwargs.get("dtype") or (args[0] if args else None) or default

        def build(value: Any) -> torch.Tensor:
            if isinstance(value, (list, tuple)):
                return torch.stack([build(v) for v in value])
            return Number.of(value).tensor.to(dtype)

        return build(data)

    @staticmethod
    def _rounded(plain: Callable[[Any], Any], function: Callable[..., torch.Tensor], value: Any) -> Any:
        if isinstance(value, torch.Tensor):
            value = Number.of_tensor(value)
        if not isinstance(value, Number):
            return plain(value)
        if value.type is not float:
            return Number.of(value, int)
        return Number(function(value.tensor).to(torch.int64), int)


MAX_CALL_DEPTH = 300
"""How deep calls of the user's functions may nest. Python's own limit would strike inside torch's C++, which aborts."""

MAX_TOLIST = 64
"""How many elements `.tolist()` takes apart at most."""


class _Context:
    """A context manager of the user's: entered and left by rewritten code."""

    def __init__(self, manager: Any, operators: Operators) -> None:
        self._manager = manager
        self._operators = operators
        self._guard = operators.guarded_context()

    def __enter__(self) -> Any:
        enter = _user_method(self._manager, "__enter__")
        value = self._operators.call(enter, self._manager) if enter is not None else self._manager.__enter__()
        self._guard.__enter__()
        return value

    def __exit__(self, *error: Any) -> Any:
        self._guard.__exit__(*error)
        leave = _user_method(self._manager, "__exit__")
        if leave is not None:
            return self._operators.call(leave, self._manager, *error)
        return self._manager.__exit__(*error)


class _Range:
    """A `range` with a bound that depends on data."""

    def __init__(self, start: Any, stop: Any, step: int) -> None:
        self.start, self.stop, self.step = start, stop, step

    def __iter__(self) -> Any:
        raise UnsupportedConstructError(
            "iteration over a range that depends on tensor values, other than by a `for` statement of your own code",
            hint="write a `for` loop over it",
            location=here(),
        )


@functools.lru_cache(maxsize=4096)
def _written_free_names(code: types.CodeType) -> frozenset[str]:
    """The variables of enclosing functions that the code, or code nested in it, may bind or delete."""
    written = {i.argval for i in dis.get_instructions(code) if i.opname in ("STORE_DEREF", "DELETE_DEREF")}
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            written |= _written_free_names(constant)
    return frozenset(written & set(code.co_freevars))


def _written_outer_cells(function: Any) -> list[CellLocation]:
    code = function.__code__
    cells = dict(zip(code.co_freevars, function.__closure__ or (), strict=True))
    return [CellLocation.of(name, cells[name]) for name in sorted(_written_free_names(code))]


def _nothing() -> None:
    return None


def _user_method(owner: Any, name: str) -> Any:
    """A special method that a class of the user's defines in Python."""
    method = next((vars(c)[name] for c in type(owner).__mro__ if name in vars(c)), None)
    is_users = isinstance(method, types.FunctionType) and not is_internal(method.__code__.co_filename)
    return method if is_users else None


def _is_scalar_index(index: Any) -> bool:
    """Whether an index of a tensor is made of integers, at least one of which depends on data."""
    parts = index if isinstance(index, tuple) else (index,)

    def depends(part: Any) -> bool:
        if isinstance(part, Number):
            return part.type is int
        return isinstance(part, torch.Tensor) and part.dim() == 0 and not part.dtype.is_floating_point

    is_bool = any(isinstance(p, torch.Tensor) and p.dtype == torch.bool for p in parts)
    return not is_bool and any(map(depends, parts)) and all(depends(p) or type(p) is int for p in parts)


def _as_rows(index: Any) -> tuple[torch.Tensor, ...]:
    """An index of integers as tensors of one element each: it gives a row more than the index itself."""
    parts = index if isinstance(index, tuple) else (index,)

    def one(part: Any) -> torch.Tensor:
        if isinstance(part, Number):
            return part.tensor.reshape(1)
        return part.reshape(1) if isinstance(part, torch.Tensor) else torch.tensor([part])

    return tuple(one(p) for p in parts)


def _index(index: Any) -> Any:
    """An index with the numbers in it as tensors, for indexing a tensor."""
    if isinstance(index, Number):
        return index.tensor
    if isinstance(index, tuple):
        return tuple(_index(i) for i in index)
    return index
