# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Python values that depend on data: numbers made of tensors, and values that must not be used.

`Number` stands for what `.item()` gives. It computes as Python does, in 64 bits: `t.item() * 0.5` is an f64 whatever
the dtype of `t`, and together with a tensor it promotes like a Python number, not like a 0-d tensor.

`Unusable` stands for a variable that is of another kind on each path (a tensor on one side, None on the other). It may
be overwritten, forgotten, passed on or returned; using it in any other way is refused with the reason. So a branch's
temporaries need no liveness analysis: what nobody reads costs nothing and is never refused. Its `Choice` holds what it
is on each path, so that the path can be asked later: by the caller of the program, or by `specialize.py`.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, NoReturn

import torch
from torch.utils import _pytree as pytree

from dycl.errors import SourceLocation, UnsupportedConstructError
from dycl.frontend.bounds import trusted
from dycl.frontend.elementwise import int_power
from dycl.frontend.locations import here
from dycl.frontend.scalar_arguments import SCALAR_FORMS

_DTYPES = {bool: torch.bool, int: torch.int64, float: torch.float64}
_RANK = {bool: 0, int: 1, float: 2}

_HALVES = (torch.float16, torch.bfloat16)
_PRODUCTS = {"mul", "div", "multiply", "divide", "true_divide"}

PythonNumber = bool | int | float


class Number:
    """A Python bool, int or float that depends on data.

    Attributes:
        tensor: its value, a 0-d tensor of bool, i64 or f64.
        type: the Python type it stands for.
    """

    __slots__ = ("tensor", "type")

    def __init__(self, tensor: torch.Tensor, type_: type) -> None:
        assert (tensor.dim(), tensor.dtype) == (0, _DTYPES[type_]), (tensor.shape, tensor.dtype, type_)
        self.tensor = tensor
        self.type = type_

    # Conversions -----------------------------------------------------------------------------------------------------

    @staticmethod
    def of_tensor(tensor: torch.Tensor) -> Number:
        """What `tensor.item()` gives.

        Raises:
            RuntimeError: the tensor has other than one element, as in eager.
        """
        if not is_single(tensor):
            raise RuntimeError(f"a Tensor with {tensor.numel()} elements cannot be converted to Scalar")
        if tensor.dtype == torch.bool:
            kind: type = bool
        elif tensor.dtype.is_floating_point:
            kind = float
        elif tensor.dtype.is_complex:
            raise UnsupportedConstructError(
                "`.item()` of a complex tensor", hint="take its real and imaginary parts first", location=here()
            )
        else:
            kind = int
        return Number(tensor.reshape(()).to(_DTYPES[kind]), kind)

    @staticmethod
    def of(value: Number | PythonNumber, kind: type | None = None) -> Number:
        """A number as a tensor of `kind` (its own type by default)."""
        if isinstance(value, Number):
            return value if kind is None or kind is value.type else Number(value.tensor.to(_DTYPES[kind]), kind)
        kind = kind or type(value)
        return Number(torch.full((), value, dtype=_DTYPES[kind]), kind)

    def converted(self, kind: type) -> Number:
        """`int(self)`, `float(self)` or `bool(self)`; `int` of a float truncates towards zero."""
        if kind is bool and self.type is not bool:
            return Number(self.tensor.ne(0), bool)
        if kind is int and self.type is float:
            return Number(self.tensor.trunc().to(torch.int64), int)
        return Number.of(self, kind)

    def like(self, tensor: torch.Tensor) -> torch.Tensor:
        """A 0-d tensor that acts in an operation with `tensor` as the Python number would."""
        return self.tensor.to(torch.result_type(tensor, self.type()))

    # Arithmetic ------------------------------------------------------------------------------------------------------

    def _binary(self, other: Any, function: Callable[[Any, Any], Any], name: str, reflected: bool = False) -> Any:
        if isinstance(other, torch.SymInt):
            other = Number(torch.full((), other, dtype=torch.int64), int)  # type: ignore[arg-type]
        if isinstance(other, torch.Tensor):
            left, right = (other, self) if reflected else (self, other)
            if other.dtype in _HALVES and name in ("*", "/"):
                # Torch computes these, but not sums, in f32, with the number in f32 too.
                left, right = ((v.tensor if isinstance(v, Number) else v).float() for v in (left, right))
                return function(left, right).to(other.dtype)
            return function(*(v.like(other) if isinstance(v, Number) else v for v in (left, right)))
        if not isinstance(other, (Number, bool, int, float)):
            return NotImplemented
        left, right = (other, self) if reflected else (self, other)
        return python_arithmetic(left, right, function, name)

    def __add__(self, other: Any) -> Any:
        return self._binary(other, operator.add, "+")

    def __radd__(self, other: Any) -> Any:
        return self._binary(other, operator.add, "+", True)

    def __sub__(self, other: Any) -> Any:
        return self._binary(other, operator.sub, "-")

    def __rsub__(self, other: Any) -> Any:
        return self._binary(other, operator.sub, "-", True)

    def __mul__(self, other: Any) -> Any:
        return self._binary(other, operator.mul, "*")

    def __rmul__(self, other: Any) -> Any:
        return self._binary(other, operator.mul, "*", True)

    def __truediv__(self, other: Any) -> Any:
        return self._binary(other, operator.truediv, "/")

    def __rtruediv__(self, other: Any) -> Any:
        return self._binary(other, operator.truediv, "/", True)

    def __floordiv__(self, other: Any) -> Any:
        return self._binary(other, operator.floordiv, "//")

    def __rfloordiv__(self, other: Any) -> Any:
        return self._binary(other, operator.floordiv, "//", True)

    def __mod__(self, other: Any) -> Any:
        return self._binary(other, operator.mod, "%")

    def __rmod__(self, other: Any) -> Any:
        return self._binary(other, operator.mod, "%", True)

    def __pow__(self, other: Any) -> Any:
        return self._binary(other, operator.pow, "**")

    def __rpow__(self, other: Any) -> Any:
        return self._binary(other, operator.pow, "**", True)

    def __lshift__(self, other: Any) -> Any:
        return self._binary(other, operator.lshift, "<<")

    def __rlshift__(self, other: Any) -> Any:
        return self._binary(other, operator.lshift, "<<", True)

    def __rshift__(self, other: Any) -> Any:
        return self._binary(other, operator.rshift, ">>")

    def __rrshift__(self, other: Any) -> Any:
        return self._binary(other, operator.rshift, ">>", True)

    def __and__(self, other: Any) -> Any:
        return self._binary(other, operator.and_, "&")

    def __rand__(self, other: Any) -> Any:
        return self._binary(other, operator.and_, "&", True)

    def __or__(self, other: Any) -> Any:
        return self._binary(other, operator.or_, "|")

    def __ror__(self, other: Any) -> Any:
        return self._binary(other, operator.or_, "|", True)

    def __xor__(self, other: Any) -> Any:
        return self._binary(other, operator.xor, "^")

    def __rxor__(self, other: Any) -> Any:
        return self._binary(other, operator.xor, "^", True)

    def __lt__(self, other: Any) -> Any:
        return self._binary(other, operator.lt, "<")

    def __le__(self, other: Any) -> Any:
        return self._binary(other, operator.le, "<=")

    def __gt__(self, other: Any) -> Any:
        return self._binary(other, operator.gt, ">")

    def __ge__(self, other: Any) -> Any:
        return self._binary(other, operator.ge, ">=")

    def __eq__(self, other: object) -> Any:
        return self._binary(other, operator.eq, "==")

    def __ne__(self, other: object) -> Any:
        return self._binary(other, operator.ne, "!=")

    def __neg__(self) -> Number:
        value = Number.of(self, int) if self.type is bool else self
        return Number(value.tensor.neg(), value.type)

    def __pos__(self) -> Number:
        return Number.of(self, int) if self.type is bool else self

    def __abs__(self) -> Number:
        value = Number.of(self, int) if self.type is bool else self
        return Number(value.tensor.abs(), value.type)

    def __invert__(self) -> Number:
        if self.type is float:
            raise TypeError("bad operand type for unary ~: 'float'")
        return Number(Number.of(self, int).tensor.bitwise_not(), int)

    def __round__(self, digits: int | None = None) -> Number:
        if digits is not None and self.type is float:
            self._refuse("rounding to digits", "round a tensor with `torch.round(x, decimals=...)`")
        if digits is not None and digits < 0:
            return self._rounded_to(10**-digits)
        if self.type is float:
            return Number(self.tensor.round().to(torch.int64), int)  # both round halves to even
        return Number.of(self, int)

    def _rounded_to(self, unit: int) -> Number:
        """An int rounded to a multiple of `unit`, halves to even."""
        value = Number.of(self, int).tensor
        whole = torch.div(value, unit, rounding_mode="floor")
        twice = (value - whole * unit) * 2
        up = (twice > unit) | ((twice == unit) & (torch.remainder(whole, 2) == 1))
        return Number((whole + up.to(torch.int64)) * unit, int)

    # Methods and attributes of ints and floats -----------------------------------------------------------------------

    def item(self) -> Number:
        return self

    def is_integer(self) -> Number:
        if self.type is not float:
            raise AttributeError(f"{self.type.__name__!r} object has no attribute 'is_integer'")
        return Number(self.tensor.isfinite() & (self.tensor == self.tensor.floor()), bool)

    def bit_length(self) -> Number:
        bits = self._magnitude("bit_length") >= torch.tensor([1 << k for k in range(63)])
        return Number(bits.sum(), int)

    def bit_count(self) -> Number:
        bits = torch.bitwise_right_shift(self._magnitude("bit_count"), torch.arange(63))
        return Number(bits.bitwise_and(1).sum(), int)

    def _magnitude(self, method: str) -> torch.Tensor:
        if self.type is float:
            raise AttributeError(f"'float' object has no attribute {method!r}")
        return Number.of(self, int).tensor.abs()

    def conjugate(self) -> Number:
        return +self

    @property
    def real(self) -> Number:
        return +self

    @property
    def imag(self) -> PythonNumber:
        return 0.0 if self.type is float else 0

    def __getattr__(self, name: str) -> Any:
        if name in dir(self.type) and not name.startswith("__"):
            self._refuse(f"`.{name}`", "use arithmetic, or return the number and do it outside the model")
        raise AttributeError(f"{self.type.__name__!r} object has no attribute {name!r}")

    # What needs the value itself -------------------------------------------------------------------------------------

    def _refuse(self, construct: str, hint: str) -> NoReturn:
        raise UnsupportedConstructError(
            f"{construct} of a Python {self.type.__name__} that depends on tensor values", hint=hint, location=here()
        )

    def __bool__(self) -> bool:
        self._refuse("the truth value, in code that dycl does not rewrite,", "test it in a function of your own")

    def __index__(self) -> int:
        self._refuse("the use as an index or a size", "index with a tensor (`torch.index_select`), or mask")

    def __hash__(self) -> int:
        self._refuse("the use as a key or as an item of a set", "use a list, or `if` and `elif`")

    def __int__(self) -> int:
        self._refuse("the conversion, in code that dycl does not rewrite,", "convert it in a function of your own")

    def __float__(self) -> float:
        self._refuse("the conversion, in code that dycl does not rewrite,", "use the `torch` function instead")

    def __format__(self, spec: str) -> str:
        self._refuse("the formatting", "return the number and format it outside the model")

    def __repr__(self) -> str:
        return f"<a Python {self.type.__name__} that depends on tensor values>"

    @classmethod
    def __torch_function__(
        cls, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        return _torch_function_with_numbers(func, args, kwargs)


def python_arithmetic(
    left: Any, right: Any, function: Callable[[Any, Any], Any], name: str, *, right_is_checked: bool = False
) -> Any:
    """`left <op> right` of Python numbers, at least one of which depends on data.

    Args:
        left: the left operand.
        right: the right operand.
        function: what computes it on tensors, and on plain numbers.
        name: the operator as Python writes it.
        right_is_checked: the paths on which Python raises for the value of `right` have left already.
    """
    types = [v.type if isinstance(v, Number) else _plain_type(v) for v in (left, right)]
    kind = max(types, key=_RANK.__getitem__)
    if name in ("<", "<=", ">", ">=", "==", "!="):
        a, b = Number.of(left, kind), Number.of(right, kind)
        if name in ("<", "<=", ">", ">=") and kind is bool:
            a, b = a.converted(int), b.converted(int)
        return Number(function(a.tensor, b.tensor), bool)
    if name in ("<<", ">>"):
        return _shifted(left, right, function, name, right_is_checked)
    if name in ("&", "|", "^"):
        if kind is float:
            raise TypeError(f"unsupported operand type(s) for {name}: {types[0].__name__!r} and {types[1].__name__!r}")
        return Number(function(Number.of(left, kind).tensor, Number.of(right, kind).tensor), kind)
    if kind is bool:
        kind = int
    if name in ("/", "//", "%"):
        if isinstance(right, Number) and not right_is_checked:
            raise UnsupportedConstructError(
                f"`{name}` by a Python number that depends on tensor values, in code that dycl does not rewrite",
                hint="divide in a function of your own, or divide the tensors, before `.item()`",
                location=here(),
            )
        if not isinstance(right, Number) and right == 0:
            function(types[0](1), right)  # raises what Python raises
        if name == "/":
            kind = float
    if name == "**":
        if isinstance(right, Number) or not (isinstance(right, int) and right >= 0):
            raise UnsupportedConstructError(
                "`**` of a Python number that depends on tensor values, with an exponent that is not a constant "
                "non-negative int",
                hint="use `torch.pow` on tensors",
                location=here(),
            )
        base = Number.of(left, kind).tensor
        return Number(int_power(base, Number.of(right).tensor) if kind is int else torch.pow(base, right), kind)
    if name in ("//", "%") and kind is float and not _is_power_of_two(right):
        raise UnsupportedConstructError(
            f"`{name}` of a Python float that depends on tensor values, by what is not a constant power of two",
            hint="compiled code would round it in another way; use ints, or `torch.remainder` on tensors",
            location=here(),
        )
    a, b = Number.of(left, kind).tensor, Number.of(right, kind).tensor
    if name == "%" and kind is float:
        return Number(a - torch.floor(a / b) * b, kind)
    if name == "//":
        with trusted():  # A division by zero has raised before.
            return Number(torch.floor(a / b) if kind is float else torch.div(a, b, rounding_mode="floor"), kind)
    if name == "%":
        with trusted():
            return Number(torch.remainder(a, b), kind)
    return Number(function(a, b), kind)


def _plain_type(value: PythonNumber) -> type:
    """Of a constant; an `IntEnum` member is an int."""
    return bool if isinstance(value, bool) else int if isinstance(value, int) else float


def _is_power_of_two(value: Any) -> bool:
    return not isinstance(value, Number) and abs(math.frexp(value)[0]) == 0.5


def _shifted(left: Any, right: Any, function: Callable[[Any, Any], Any], name: str, right_is_checked: bool) -> Number:
    if not isinstance(right, Number):
        function(1, right)  # raises what Python raises
    elif not right_is_checked:
        raise UnsupportedConstructError(
            f"`{name}` by a Python number that depends on tensor values, in code that dycl does not rewrite",
            hint="shift in a function of your own",
            location=here(),
        )
    value, amount = Number.of(left, int).tensor, Number.of(right, int).tensor
    if name == ">>":
        return Number(torch.bitwise_right_shift(value, amount.clamp(max=63)), int)
    return Number(torch.bitwise_left_shift(value, amount), int)


def _torch_function_with_numbers(func: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """A torch function called with numbers: with tensors beside them, each becomes a 0-d tensor of the dtype that keeps
    the promotion of a Python number.
    """
    name = getattr(func, "__name__", str(func))
    if func in (torch.full, torch.full_like, torch.Tensor.fill_, torch.Tensor.new_full):
        return _filled(func, args, kwargs)
    form = scalar_form(func, args, kwargs)
    if form is not None:
        return form(*args, **kwargs)
    flat, spec = pytree.tree_flatten((args, kwargs), is_leaf=lambda v: isinstance(v, Number))
    tensors = [v for v in flat if isinstance(v, torch.Tensor)]
    if tensors:
        # The widest of the tensors decides, as it does for a Python number.
        partner = tensors[0]
        for other in tensors[1:]:
            if torch.promote_types(partner.dtype, other.dtype) != partner.dtype:
                partner = other
        if partner.dtype in _HALVES and name.strip("_") in _PRODUCTS and len(tensors) == 1 and not kwargs:
            halves = [v.tensor.float() if isinstance(v, Number) else v.float() for v in args]
            return func(*halves).to(partner.dtype)
        swapped = [v.like(partner) if isinstance(v, Number) else v for v in flat]
        new_args, new_kwargs = pytree.tree_unflatten(swapped, spec)
        try:
            return func(*new_args, **new_kwargs)
        except TypeError:
            pass
    raise UnsupportedConstructError(
        f"`{name}` with a Python number that depends on tensor values",
        hint="pass the tensor itself, without `.item()`",
        location=here(),
    )


def scalar_form(func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Callable[..., Any] | None:
    """What to call for a function if a number on data stands where torch takes no tensor, and we have a form of it.

    `add(x, n)` is fine, `add(x, y, alpha=n)` is not.
    """
    name = getattr(func, "__name__", "")
    if name not in SCALAR_FORMS:
        return None
    operands = args[:2] if name.rstrip("_") in ("add", "sub", "subtract") else args[:1]
    flat = pytree.tree_leaves((args[len(operands) :], kwargs), is_leaf=lambda v: isinstance(v, Number))
    return SCALAR_FORMS[name] if any(isinstance(v, Number) for v in flat) else None


def _filled(func: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    if func is torch.Tensor.fill_:
        return func(args[0], args[1].tensor.to(args[0].dtype))
    values = [v for v in (*args, *kwargs.values()) if isinstance(v, Number)]
    if len(values) != 1:
        raise UnsupportedConstructError(
            "a tensor whose size depends on values", hint="use a tensor of fixed size", location=here()
        )
    (number,) = values

    def fill(v: Any) -> Any:
        return 0 if v is number else v

    kwargs = {k: fill(v) for k, v in kwargs.items()}
    if func is torch.full and kwargs.get("dtype") is None:
        kwargs["dtype"] = torch.get_default_dtype() if number.type is float else number.tensor.dtype
    blank = func(*(fill(v) for v in args), **kwargs)
    return number.tensor.to(blank.dtype).expand(blank.shape).clone()


def same_constant(a: Any, b: Any) -> bool:
    """Whether two compile-time constants are the same value of the same type (NaN equals itself, 0.0 is not -0.0)."""
    if a is b:
        return True
    if type(a) is not type(b):
        return False
    if isinstance(a, float):
        return (math.isnan(a) and math.isnan(b)) or (a == b and math.copysign(1, a) == math.copysign(1, b))
    if isinstance(a, (bool, int, str, bytes, torch.dtype, torch.device, torch.Size, slice, range, complex)):
        return a == b
    return False


@dataclass(frozen=True)
class Site:
    """One meeting of the program with a condition on data, or with a choice whose alternatives are of several kinds.

    Attributes:
        context: what can be traced again from its start to take apart what follows (`specialize.py`), if anything.
        number: counts the sites of a context in the order of tracing, the same in every run up to a given one.
        location: where it is.
    """

    context: object | None
    number: int
    location: SourceLocation | None


class DisagreementError(UnsupportedConstructError):
    """The sides of a condition disagree on a value that is used after it; `site` tells which condition, if known."""

    def __init__(
        self, construct: str, *, hint: str, location: SourceLocation | None = None, site: Site | None = None
    ) -> None:
        super().__init__(construct, hint=hint, location=location)
        self.site = site


class SharedObjectError(DisagreementError):
    """A write to an object that may be another variable's too: on one side of a condition, or in a loop."""


class LengthDisagreementError(DisagreementError):
    """The sides of a condition leave a list with other numbers of items."""


class FailingPathError(UnsupportedConstructError):
    """A path under a condition on data that can never succeed."""


@dataclass(frozen=True, eq=False)
class Choice:
    """A value of several kinds: `values[tag]`; the others have no value on that path.

    Attributes:
        tag: the index, a recorded 0-d i64 tensor, or an int where it is known.
        values: what it may be. No two have a common type.
    """

    tag: torch.Tensor | int
    values: tuple[Any, ...]


class Unusable:
    """A value that may be overwritten, dropped or returned, and is refused with the reason when it is used.

    Attributes:
        reason: what makes it unusable, e.g. "`h` is a tensor f32[3] on one side of the `if` at line 7 and None ...".
        hint: what to write instead.
        location: where the value became unusable.
        site: the condition whose sides disagree, where the rest of the program can be traced apart for each side.
        choice: what it is on which path; None where that cannot be represented.
    """

    __slots__ = ("_choice", "_error")

    def __init__(
        self,
        reason: str,
        hint: str,
        location: SourceLocation | None,
        site: Site | None = None,
        choice: Choice | None = None,
    ) -> None:
        object.__setattr__(self, "_error", (reason, hint, location, site))
        object.__setattr__(self, "_choice", choice)

    def __getattribute__(self, name: str) -> Any:
        if name in ("_error", "_choice", "__class__", "__torch_function__"):
            return object.__getattribute__(self, name)
        if name in _TO_ONE_RANK and _is_of_tensors(self):
            choice = Unusable.choice(self)
            assert choice is not None
            return one_of_methods.get()(choice, [getattr(tensor, name) for tensor in choice.values])
        return getattr(known(self), name)

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(known(self), name, value)

    @classmethod
    def __torch_function__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        args, kwargs = pytree.tree_map_only(Unusable, known, (args, kwargs or {}))
        return func(*args, **kwargs)

    @staticmethod
    def choice(value: Unusable) -> Choice | None:
        return object.__getattribute__(value, "_choice")

    @staticmethod
    def site(value: Unusable) -> Site | None:
        return object.__getattribute__(value, "_error")[3]

    @staticmethod
    def may_be(value: Unusable, alternative: Any) -> bool:
        """Whether it is the given object on some path."""
        choice = Unusable.choice(value)
        return choice is not None and any(v is alternative for v in choice.values)

    @staticmethod
    def with_choice(value: Unusable, choice: Choice | None, site: Site | None = None) -> Unusable:
        """Another value that is refused for the same reason, at the same site if no other is given."""
        reason, hint, location, old_site = object.__getattribute__(value, "_error")
        return Unusable(reason, hint, location, site or old_site, choice)


def check_truth(tensor: torch.Tensor) -> None:
    """Raises what eager does where a tensor has no truth value.

    Raises:
        RuntimeError: it has not exactly one element.
    """
    if not is_single(tensor):
        amount = "more than one value" if tensor.numel() else "no values"
        raise RuntimeError(f"Boolean value of Tensor with {amount} is ambiguous")


def is_single(tensor: torch.Tensor) -> bool:
    """Whether a tensor has one element."""
    count: Any = tensor.numel()
    if isinstance(count, int):
        return count == 1
    # torch's number of elements is symbolic where a size is.
    expression = count.node.expr
    if not expression.is_number:
        raise UnsupportedConstructError(
            "the value of a tensor whose number of elements is not known at compile time",
            hint="index the element first",
            location=here(),
        )
    return int(expression) == 1


class TruthOnly(Unusable):
    """The value of `a and b` where the two have no common type: a condition may test it."""

    __slots__ = ("_truth",)

    def __init__(self, value: Unusable, truth: Number) -> None:
        reason, hint, location, site = object.__getattribute__(value, "_error")
        super().__init__(reason, hint, location, site, Unusable.choice(value))
        object.__setattr__(self, "_truth", truth)

    @staticmethod
    def truth(value: TruthOnly) -> Number:
        return object.__getattribute__(value, "_truth")


def refuse(value: Unusable) -> NoReturn:
    """Raises the error of an unusable value."""
    reason, hint, origin, site = object.__getattribute__(value, "_error")
    raise DisagreementError(reason, hint=hint, location=origin or here(), site=site)


which_alternative: ContextVar[Callable[[Choice], int | None]] = ContextVar("which_alternative", default=lambda _: None)
"""Says which alternative a choice is on the path that is being traced; None if it may be several."""


def known(value: Any) -> Any:
    """A value; an unusable one as what it is on the path that is being traced.

    Raises:
        DisagreementError: it may be several things there.
    """
    if not isinstance(value, Unusable):
        return value
    choice = Unusable.choice(value)
    index = which_alternative.get()(choice) if choice is not None else None
    if choice is None or index is None or isinstance(choice.values[index], Unusable):
        refuse(value)
    return choice.values[index]


one_of_methods: ContextVar[Callable[[Choice, Sequence[Any]], Any]] = ContextVar("one_of_methods")
"""Gives what may be called for one of some methods, those of a choice's values: each is called on a path of its own."""

_TO_ONE_RANK = ("reshape", "view", "flatten", "ravel")
"""Methods after which it does not matter how many dimensions a tensor had: the rest is compiled once."""


def _is_of_tensors(value: Unusable) -> bool:
    """Whether a value may be several tensors on the path that is being traced, of different numbers of dimensions."""
    choice = Unusable.choice(value)
    if choice is None or not all(isinstance(v, torch.Tensor) for v in choice.values):
        return False
    return not isinstance(choice.tag, int) and which_alternative.get()(choice) is None


def known_or_open(value: Any) -> Any:
    """A value; an unusable one as what it is on the path that is being traced, or where it may be several, as it is.

    Functions and other objects are told apart: code that is made of one keeps what belongs to its path.
    """
    choice = Unusable.choice(value) if isinstance(value, Unusable) else None
    plain = (type(None), bool, int, float, str, Number, torch.Tensor)
    if choice is None or not all(isinstance(alternative, plain) for alternative in choice.values):
        return known(value)
    index = which_alternative.get()(choice)
    return value if index is None else choice.values[index]


_PLAIN = "neg pos abs invert index lt le gt ge eq ne getitem setitem delitem contains"
_BINARY = "add sub mul truediv floordiv mod pow matmul and_ or_ xor lshift rshift"

_USES: dict[str, Callable[..., Any]] = {
    **{name: getattr(operator, name) for name in [*_PLAIN.split(), *_BINARY.split()]},
    **{f.__name__: f for f in (bool, int, float, len, iter, next, str, hash, format, round)},
    **{f"r{name}": lambda a, b, name=name: getattr(operator, name)(b, a) for name in _BINARY.split()},
    "call": lambda function, *args: function(*args),
    "enter": lambda manager: type(manager).__enter__(manager),
    "exit": lambda manager, *error: type(manager).__exit__(manager, *error),
}
"""What the special methods do."""


def _method(function: Callable[..., Any]) -> Callable[..., Any]:
    def method(self: Unusable, *args: Any) -> Any:
        return function(known(self), *map(known, args))

    return method


for _name, _function in _USES.items():
    setattr(Unusable, f"__{_name.rstrip('_')}__", _method(_function))
