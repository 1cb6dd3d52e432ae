# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Plain functions with control flow on data, as a user would write them, each with inputs that take every path.

`test_frontend_constructs.py` runs them captured and interpreted, `test/e2e/test_constructs_compiled.py` compiled.
They are not formatted by hand into fewer statements: each shows the construct it is named after.
"""

# ruff: noqa: RUF021 (written as users write it)
from __future__ import annotations

import dataclasses
import functools
from collections import namedtuple
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch.utils import _pytree as pytree

CASES: list[Case] = []

SEED = 1
"""Of the random numbers, where a case draws some, in eager and in the program."""

EXPECTED_WARNINGS = (
    "ignore::dycl.errors.DyclWarning",
    "ignore:negative",
    # Of eager, about how it computes.
    "ignore:The PyTorch API of nested tensors",
    "ignore:LSTM with projections is not supported with oneDNN",
    r"ignore:(std|var)\(\)",
)
"""Filters of warnings that cases of the corpus give."""


@dataclasses.dataclass(frozen=True)
class Case:
    """A function, inputs that together take its paths, and how many sides of conditions no input can take.

    `dynamic` is its `dynamic_shapes=`; `tolerance` is how far the results may be from eager's where rounding depends on
    how torch computes an op.
    """

    function: Callable[..., Any]
    inputs: tuple[tuple[torch.Tensor, ...], ...]
    unreached: int = 0
    dynamic: Any = None
    tolerance: float = 0.0

    @property
    def name(self) -> str:
        return self.function.__name__


def case(
    *inputs: tuple[torch.Tensor, ...], unreached: int = 0, dynamic: Any = None, tolerance: float = 0.0
) -> Callable[[Any], Any]:
    def register(function: Callable[..., Any]) -> Callable[..., Any]:
        CASES.append(Case(function, inputs, unreached, dynamic, tolerance))
        return function

    return register


def run_eager(case: Case, inputs: tuple[torch.Tensor, ...]) -> object:
    """What eager gives: a value, or the exception that leaves the function."""
    torch.default_generator.manual_seed(SEED)  # `torch.manual_seed` formats the stack for each kind of GPU
    try:
        return case.function(*inputs)
    except (ArithmeticError, LookupError, TypeError, ValueError, RuntimeError, AssertionError, NameError) as error:
        return error


def assert_same(got: object, expected: object, *, tolerance: float = 0.0) -> None:
    """Equal structures, types and dtypes; values exactly equal, or as far apart as rounding in another order."""
    if isinstance(expected, Exception):
        assert (type(got), getattr(got, "args", None)) == (type(expected), expected.args)
        return
    got_leaves, got_spec = pytree.tree_flatten(got)
    expected_leaves, expected_spec = pytree.tree_flatten(expected)
    assert got_spec == expected_spec
    for a, b in zip(got_leaves, expected_leaves, strict=True):
        assert type(a) is type(b)
        if isinstance(a, torch.Tensor):
            torch.testing.assert_close(a, b, rtol=tolerance, atol=tolerance, equal_nan=True)
        elif isinstance(a, float) and tolerance:
            assert a == pytest.approx(b, rel=tolerance, abs=tolerance)
        else:
            assert a == b


def generated_inputs(like: tuple[torch.Tensor, ...]) -> list[tuple[torch.Tensor, ...]]:
    """Seeded inputs of many sizes and means, to reach the paths that the named ones do not."""
    generator = torch.Generator().manual_seed(0)
    return [
        tuple((torch.randn(t.shape, generator=generator) * scale + mean).to(t.dtype) for t in like)
        for scale in (0.1, 1.0, 3.0, 10.0)
        for mean in (-30.0, -5.0, -1.0, 0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 5.0, 30.0)
    ]


X = torch.tensor([1.0, -2.0, 3.0])
N = -X
Z = torch.zeros(3)
B = X * 10


@case((X,), (N,), (Z,), (B,))
def early(x):
    if x.sum() > 0:
        return x + 1
    return x - 1


@case((X,), (N,), (Z,), (B,))
def elif_chain(x):
    if x.sum() > 5:
        y = x * 2
    elif x.sum() > 0:
        y = x * 3
    elif x.sum() == 0:
        y = x + 7
    else:
        y = x * 4
    return y


@case((X,), (N,), (Z,), (B,))
def nested_fall(x):
    if x.sum() > 0:
        if x.sum() > 5:
            return x * 100
        x = x + 1
    else:
        x = x - 1
    return x * 2


@case((X,), (N,), (Z,), (B,), unreached=1)
def loop_break_return(x):
    for i in range(4):
        x = x + i
        if x.sum() > 20:
            break
        if x.sum() < -5:
            return x * 1000, -3
        if x.sum() > 8:
            continue
        x = x * 2
    else:
        x = x - 0.5
    return x, i


@case((X,), (N,), (Z,), (B,), unreached=1)
def loop_continue_then_return(x):
    for i in range(3):
        x = x + 1
        if x.sum() > 6:
            continue
        return x, i
    return x * 5, 9


@case((X,), (N,), (Z,), (B,))
def whiles(x):
    n = 0
    while x.sum() < 20:
        x = x + 1
        n += 1
        if x.max() > 9:
            break
    return x, n


@case((X,), (N,), (Z,), (B,))
def while_true(x):
    n = 0
    while True:
        n += 1
        x = x + n
        if x.sum() > 15:
            break
    return x, n


@case((X,), (N,), (Z,), (B,), unreached=1)
def while_return(x):
    n = 0
    while n < 10:
        x = x + 1
        n += 1
        if x.sum() > 15:
            return x * 2, n
    return x, n


@case((X,), (N,), (Z,), (B,))
def while_dyn_return(x):
    n = 0
    while x.sum() < 18:
        x = x + 1
        n += 1
        if x.min() > 2:
            return x * 2, n
        if x.max() > 4.5:
            continue
        x = x + 0.5
    return x, n


@case((X,), (N,), (Z,), (B,))
def nested_while(x):
    k = 0
    while x.sum() < 30:
        y = x
        j = 0
        while y.sum() < 10 and j < 3:
            y = y + 1
            j += 1
        x = y + 1
        k += j
    return x, k


@case((X,), (N,), (Z,), (B,))
def ternary(x):
    y = x * 2 if x.sum() > 0 else x * 3
    z = x.sum().item() if x.max() > 2 else 5.0
    return y + z


@case((X,), (N,), (Z,), (B,))
def boolops(x):
    if x.sum() > 0 and x.max() < 5 or x.min() > -1:
        return x + 1
    if not (x.sum() > -1):
        return x + 2
    return x + 3


@case((X,), (N,), (Z,), (B,))
def chain(x):
    if 0 < x.sum() <= 2:
        return x + 1
    return x - 1


@case((X,), (N,), (Z,), (B,))
def item_arith(x):
    s = x.sum().item()
    if s > 0.1:
        s = s * 0.1 + 1
    n = int(s)
    if n % 2 == 0:
        return x * s
    return x + n


@case((X,), (N,), (Z,), (B,))
def partial_undefined(x):
    if x.sum() > 0:
        y = x + 1
        t = 3
    else:
        y = x - 1
    return y


@case((X,), (N,), (Z,), (B,))
def inplace(x):
    y = x.clone()
    v = y[1:]
    if x.sum() > 0:
        v.mul_(2)
    else:
        y.add_(1)
    return y + 1, v


@case((X,), (N,), (Z,), (B,))
def arg_mut(x):
    if x.sum() > 0:
        x.add_(1)
    return x * 2


def helper(x, k):
    if x.sum() > 0:
        return x + k
    return x - k


@case((X,), (N,), (Z,), (B,))
def helpers(x):
    for k in range(5):
        x = helper(x, k)
    return x


@case((X,), (N,), (Z,), (B,))
def nested_def(x):
    count = 0

    def inner(y):
        nonlocal count
        if y.sum() > 0:
            return y * 2
        count += 1
        return y + 1

    x = inner(x)
    x = inner(x)
    x = inner(-x)
    return x, count


@case((X,), (N,), (Z,), (B,))
def lambdas(x):
    f = lambda t: t * 2 if t.sum() > 0 else t * 3
    g = functools.partial(helper, k=3)
    return f(x) + g(x)


@case((X,), (N,), (Z,), (B,))
def lists(x):
    out = []
    for i in range(3):
        if x.sum() > i:
            out.append(x * i)
        else:
            out.append(x + i)
    d = {"a": x}
    if x.sum() > 0:
        d["a"] = d["a"] + 1
    return out, d


P = namedtuple("P", "a b")


@case((X,), (N,), (Z,), (B,))
def structs(x):
    if x.sum() > 0:
        p = P(x, x + 1)
    else:
        p = P(x + 2, x)
    return p, (p.a + p.b, [p.a])


@case((X,), (N,), (Z,), (B,))
def walrus(x):
    if (s := x.sum()) > 0:
        return s + x
    while (m := x.max()) < 5:
        x = x + 1
    return x + m


@case((X,), (N,), (Z,), (B,))
def for_range_tensor(x):
    n = x.abs().sum().to(torch.int64)
    s = torch.zeros(3)
    for i in range(n):
        s = s + x * i
        if s.sum() > 50:
            break
    return s


@case((X,), (N,), (Z,), (B,))
def rows(x):
    t = torch.stack([x, x + 1, -x])
    acc = torch.zeros(3)
    for r in t:
        if r.sum() > 0:
            acc = acc + r
    return acc


@case((X,), (N,), (Z,), (B,))
def maxmin(x):
    a = max(x.sum().item(), 1.5)
    b = min(x[0], x[1])
    return x * a + b


@case((X,), (N,), (Z,), (B,))
def anyall(x):
    if any(v > 2 for v in [x[0], x[1], x[2]]):
        return x + 1
    if all([x[0] == 0, x[1] == 0]):
        return x + 5
    return x


@case((X,), (N,), (Z,), (B,), unreached=1)
def dynidx(x):
    outs = [x + 1, x * 2, x - 3]
    return outs[x.argmax()]


@case((X,), (N,), (Z,), (B,))
def inlist(x):
    if int(x.sum()) in (0, 2):
        return x + 1
    return x


@case((X,), (N,), (Z,), (B,))
def while_else(x):
    while x.sum() < 5:
        x = x + 1
    else:
        x = x * 2
    return x


@case((X,), (N,), (Z,), (B,), unreached=1)
def deep(x):
    for i in range(12):
        x = x * 1.1 + 0.1
        if x.sum() > i:
            return x, i
    return x, -1


@case((X,), (N,), (Z,), (B,))
def match_static(x, mode="b"):
    match mode:
        case "a":
            return x
        case "b":
            if x.sum() > 0:
                return x * 2
    return x * 3


@case((X,), (N,), (Z,), (B,))
def withs(x):
    with torch.no_grad():
        if x.sum() > 0:
            return x * 2
    try:
        y = x + 1
    finally:
        z = x
    return y + z


@case((X,), (N,), (Z,), (B,))
def none_branch(x):
    h = None
    if x.sum() > 0:
        h = x
    if x.sum() > 0:
        return x * 2
    return x


@case((X,), (N,), (Z,), (B,))
def star(x):
    a, *b = x
    if a > 0:
        a, b = b[0], b[1]
    else:
        a, b = b[1], b[0]
    return a, b


@case((X,), (N,), (Z,), (B,))
def break_both(x):
    i = 0
    while x.sum() < 100:
        i += 1
        if x.sum() > 10:
            if x.max() > 20:
                break
            x = x * 2
        elif x.sum() < -10:
            break
        else:
            x = x + 2
    return x, i


@dataclasses.dataclass
class D:
    a: torch.Tensor
    k: int


@case((X,), (N,), (Z,), (B,))
def dc(x):
    d = D(x, 1)
    if x.sum() > 0:
        d.a = d.a * 2
        d.k = 5
    return d.a * d.k


@case((X,), (N,), (Z,), (B,))
def raise_under_condition(x):
    if x.sum() > 5:
        raise ValueError("too large")
    if x.sum() < -5:
        raise KeyError("too small")
    return x * 2, x.sum().item()


@case((X,), (N,), (Z,), (B,))
def assert_with_message(x):
    assert x.sum() < 5, "not under five"
    assert x.max() > -20
    return x + 1


class Exit(Exception):
    def __init__(self, result):
        super().__init__()
        self.result = result


def layer_that_exits(x, k):
    x = x * 1.5
    if x.sum() > 5 - k:
        raise Exit((x, k))
    return x + 1


@case((X,), (N,), (Z,), (B,))
def exit_by_exception(x):
    exit_at = -1
    try:
        for k in range(3):
            x = layer_that_exits(x, k)
    except Exit as e:
        x, exit_at = e.result
        x = x - 100
    return x, exit_at


@case((X,), (N,), (Z,), (B,))
def handler_that_returns(x):
    try:
        x = layer_that_exits(x, 1)
        x = layer_that_exits(x, 3)
    except (Exit, ValueError) as e:
        return e.result[0] * 7
    else:
        x = x - 3
    return x


@case((X,), (N,), (Z,), (B,))
def handlers_nest(x):
    try:
        try:
            if x.sum() > 5:
                raise ValueError("inner")
            if x.sum() < -5:
                raise KeyError("outer")
            x = x + 1
        except ValueError:
            x = x * 2
            if x.max() > 60:
                raise
    except (KeyError, ValueError):
        x = x - 1000
    return x


@case((X,), (N,), (Z,), (B,))
def raise_in_a_loop_on_data(x):
    n = 0
    try:
        while x.sum() < 20:
            x = x + 1
            n += 1
            if x.max() > 8:
                raise Exit(x * 2)
    except Exit as e:
        return e.result, n
    return x, -n


@case((X,), (N,), (Z,), (B,))
def finally_on_every_path(x):
    log = [x]
    try:
        if x.sum() > 3:
            return x * 2, log
        if x.sum() < -3:
            x = x - 1
        else:
            return x * 3, log
    finally:
        log[0] = log[0] + 10
    return x, log


@case((X,), (N,), (Z,), (B,))
def helper_returns_or_raises(x):
    def inner(y):
        if y.sum() > 0:
            return y * 2
        raise Exit(y + 5)

    try:
        x = inner(x)
        x = inner(x - 3)
    except Exit as e:
        x = e.result
    return x


@case((X,), (N,), (Z,), (B,), unreached=3)
def divisions(x):
    n = x.abs().sum().item()
    k = int(n)
    total = 7 // k + 7 % k
    total /= n
    return x * total, 1.0 / k


@case((X,), (N,), (Z,), (B,))
def assigned_in_an_endless_loop(x):
    n = 0
    while True:
        step = x * n
        label = n * 2
        n += 1
        x = x + 1
        if x.sum() > 3 or n > 4:
            break
    return x, step, label


@case((X,), (N,), (Z,), (B,))
def none_on_one_side(x):
    h = None
    if x.sum() > 0:
        h = x * 2
    y = x + 1
    if y.max() > 3:
        y = y * 3
    if h is None:
        return y
    return y + h


@case((X,), (N,), (Z,), (B,), unreached=4)
def dtype_differs(x):
    if x.sum() > 0:
        k = x.to(torch.float64)
    elif x.sum() < -5:
        k = x.long()
    else:
        k = x
    return (k * 2).float(), k.sum().item() > 1


@case((X,), (N,), (Z,), (B,))
def shape_differs(x):
    y = x[:2] if x.sum() > 0 else x
    return y.sum() + y.numel()


@case((X,), (N,), (Z,), (B,), unreached=2)
def list_grows_on_one_side(x):
    out = [x]
    for i in range(3):
        if x.sum() > i:
            break
        out.append(x + i)
        x = x + 1
    return sum(out), len(out)


@case((X,), (N,), (Z,), (B,))
def patience(x):
    """PABEE: the first comparison is with None."""
    last, count = None, 0
    for i in range(4):
        x = torch.stack([x[1] - i, x[0] + 0.3, x[2] * 0.5])
        label = x.argmax().item()
        if last is not None and label == last:
            count += 1
        else:
            count = 0
        last = label
        if count == 1:
            break
    return x, i


@case((X,), (N,), (Z,), (B,))
def defined_together(x):
    if x.sum() > 0:
        bonus = x * 5
        found = True
    else:
        found = False
    return x + bonus if found else x


@case((X,), (N,), (Z,), (B,))
def int_or_float(x):
    s = 1
    if x.sum() > 0:
        s = 2.5
    t = s * 2
    return x * t


@case((X,), (N,), (Z,), (B,))
def torch_cond_itself(x):
    def larger(a, b):
        return a * 2 + b, b + 3

    return torch.cond(x.sum() > 0, larger, lambda a, b: (a - b, b * 2), (x, x + 1))


@case((X,), (N,), (Z,), (B,))
def torch_while_loop_itself(x):
    count = torch.zeros((), dtype=torch.int64)
    return torch.while_loop(lambda n, y: y.sum() < 10, lambda n, y: (n + 1, y + n), (count, x + 0.5))
