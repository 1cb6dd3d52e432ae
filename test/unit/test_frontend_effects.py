# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Side effects and aliases that are easily lost: each is as in eager, or refused, but never silently different."""

from __future__ import annotations

import contextlib
import copy
import heapq
import itertools
from collections.abc import Callable
from typing import Any

import pytest
import torch
from frontend_cases import B, N, X, Z, assert_same
from test_frontend_constructs import run_captured
from torch import nn

from dycl.errors import UnsupportedConstructError
from dycl.frontend.capture import capture
from dycl.options import Options

EXACT: list[Callable[..., Any]] = []
EXACT_OR_REFUSED: list[Callable[..., Any]] = []


def exact(function):
    EXACT.append(function)
    return function


def exact_or_refused(function):
    EXACT_OR_REFUSED.append(function)
    return function


@exact
def write_to_what_may_be_the_argument(x):
    y = x
    if x.sum() > 0:
        y = x * 2
    y += 1
    return x * 1, y * 1


@exact
def choice_of_the_same_tensor_or_a_copy(x):
    a = x + 1
    b = a if x.sum() > 0 else a.clone()
    b.add_(1)
    return a, b


@exact
def write_to_the_tensor_that_was_chosen(x):
    a = x + 1
    b = a if x.sum() > 0 else a.clone()
    a.add_(1)
    return a, b


@exact
def write_to_what_another_variable_may_be(x):
    a = x + 1
    b = a if x.sum() > 0 else None
    a.add_(1)
    return a, b


@exact_or_refused
def write_to_what_a_loop_may_have_left(x):
    a = x + 1
    b = a
    while b.sum() < 0:
        b = b + 1
    a.add_(1)
    return b * 1


@exact_or_refused
def write_to_a_join_of_a_join(x):
    a = x + 1
    b = a
    if x.sum() > 0:
        a = a * 2
    a = a + 0 if x.sum() > 3 else a
    a += 1
    return a, b


@exact_or_refused
def write_to_a_join_in_a_loop(x):
    a = x + 1
    b, n = a, 0
    while n < 3:
        if x.sum() > n:
            a = a * 2
        n += 1
        a += 1
    return a, b


@exact_or_refused
def written_argument_is_swapped(x):
    a, b = x, x * 2
    while a.sum() < 9:
        a, b = b, a
        a += 3
    return a, b


@exact_or_refused
def write_to_what_a_loop_has_left(x):
    a, b, n = x + 1, x + 2, 0
    while n < x.sum():
        b = a
        n += 1
    b += 1
    return a, b


@exact
def second_name(x):
    n = 0
    kept = x * 2
    h = kept
    while n < 3 and h.sum() < 20:
        n += 1
        h.add_(1)
        h = h * 2
    return h, kept


@exact
def name_in_an_object(x):
    n = 0
    holder = {"h": x * 2}
    other = dict(holder)
    while n < 3 and holder["h"].sum() < 20:
        n += 1
        holder["h"].add_(1)
        holder["h"] = holder["h"] * 2
    return other


@exact
def view_of_an_argument(x):
    n = 0
    head = x[:2]
    while n < 3 and head.sum() < 20:
        n += 1
        head.add_(1)
        head = head * 2
    return head


@exact
def argument_that_an_iteration_leaves(x):
    n = 0
    h = x + 0
    while n < 3 and h.sum() < 20:
        n += 1
        h.add_(1)
        h = x
    return h


@exact
def two_names_that_are_bound_again(x):
    n = 0
    a = x * 2
    b = a
    while n < 3 and a.sum() < 20:
        n += 1
        a.add_(1)
        a, b = a * 2, b * 3
    return a, b


@exact
def write_to_what_the_variable_was(x):
    n = 0
    y = x * 2
    z = y
    while n < 3 and z.sum() < 20:
        n += 1
        y.add_(1)
        z = z * 2
    return z


@exact
def in_an_inner_loop(x):
    n = 0
    kept = x * 2
    h = kept
    while n < 3 and h.sum() < 20:
        n += 1
        while h.max() < 9 and n < 9:
            n += 1
            h.add_(1)
            h = h * 2
        h = h + 3
    return h, kept


@exact
def swapped_then_written(x):
    cur, nxt = x + 1, x + 2
    if x.sum() > 0:
        cur, nxt = nxt, cur
    cur.add_(1)
    return cur, nxt


@exact_or_refused
def view_made_on_both_sides(x):
    if x.sum() > 0:
        y = x * 2
        f = y.view(-1)
    else:
        y = x * 3
        f = y.view(-1)
    f[0] = 0
    return y


@exact
def two_names_for_one_tensor(x):
    if x.sum() > 0:
        a = x + 1
        b = a
    else:
        a = x + 2
        b = a
    a.add_(1)
    return b


@exact_or_refused
def write_after_a_loop_that_may_not_run(x):
    h = x
    while h.sum() < 5:
        h = h + 1
    h.relu_()
    return x * 1, h * 1


def through(x, bump):
    if x.sum() > 0:
        bump()
    return x


@exact
def nonlocal_write_through_a_helper(x):
    n = 0

    def bump():
        nonlocal n
        n += 1

    return through(x, bump), n


@exact
def nonlocal_write_in_an_expression(x):
    n = 0

    def bump():
        nonlocal n
        n += 1
        return True

    both = x.sum() > 0 and bump()
    y = x if bump() else x + 1
    return y, n, bool(both)


@exact
def value_before_target(x):
    n = [0]

    def next_value():
        n[0] += 1
        return x * n[0]

    out = [x, x, x]
    out[n[0]] = next_value()
    return out


class Counter:
    def __init__(self):
        self.n = 0

    def bump(self):
        self.n += 5
        return 1


@exact
def target_before_value_in_augmented(x):
    c = Counter()
    c.n += c.bump()
    return x * c.n


class Store:
    def __init__(self):
        self.d = {}

    def __setitem__(self, k, v):
        self.d[k] = v

    def __getitem__(self, k):
        return self.d[k]


@exact
def special_methods_of_the_users(x):
    s = Store()
    key = "a"
    s[key] = x
    if x.sum() > 0:
        s[key] = x + 1
    return s[key]


@exact
def and_with_a_whole_tensor(x):
    y = (x.sum() > 0) and x
    return x if y is False else x + 1


@exact
def index_out_of_range(x):
    items = [x, x + 1, x + 2]
    try:
        return items[int(x.sum())]
    except IndexError:
        return x * 100


@exact
def key_on_data(x):
    d = {"a": x, "b": x + 1}
    k = "a" if x.sum() > 0 else "b"
    return d[k]


@exact_or_refused
def iterator_shared_by_both_sides(x):
    it = iter([x, x + 1, x + 2])
    y = next(it) if x.sum() > 0 else -next(it)
    return y + next(it)


@exact_or_refused
def suppressed_exception(x):
    with contextlib.suppress(ValueError):
        if x.sum() > 0:
            raise ValueError("no")
        x = x - 1
    return x


class Manager:
    def __init__(self, x):
        self.x = x

    def __enter__(self):
        self.x = self.x + 1
        return self

    def __exit__(self, *error):
        self.x = self.x * 2


@exact
def manager_under_a_condition(x):
    m = Manager(x)
    if x.sum() > 0:
        with m:
            x = x + 1
    return x, m.x


@exact
def return_out_of_a_manager(x):
    m = Manager(x)

    def inner():
        with m:
            if m.x.sum() > 0:
                return 1
        return 2

    return inner(), m.x


@exact_or_refused
def list_that_may_be_another(x):
    first, second = [x], [x + 1]
    chosen = first if x.sum() > 0 else second
    chosen.append(x)
    return first, second


@exact_or_refused
def object_that_may_be_another(x):
    a, b = Counter(), Counter()
    b.n = 1
    chosen = a if x.sum() > 0 else b
    chosen.n = 5
    return x * a.n, x * b.n


@exact_or_refused
def view_carried_by_a_loop(x):
    buffer = x * 1
    row = buffer[0:1]
    while buffer.sum() < 5:
        buffer = buffer + 1
        row = buffer[0:1]
    row.add_(10)
    return buffer


@exact
def unbound_append_and_heap(x):
    heap = [3, 1]
    items = [x]
    if x.sum() > 0:
        heapq.heappush(heap, 0)
        list.append(items, x + 1)
    else:
        heapq.heappush(heap, 2)
        list.append(items, x + 2)
    return heap[0], items


class Scaled:
    def __init__(self, x):
        self._x = x
        self.writes = 0

    @property
    def x(self):
        return self._x

    @x.setter
    def x(self, value):
        self.writes = self.writes + 1
        self._x = value * 2

    def __iadd__(self, other):
        self._x = self._x + other
        return self


@exact
def property_and_augmented_of_the_users(x):
    s = Scaled(x)
    if x.sum() > 0:
        s.x = x + 1
        s += 3
    return s.x, s.writes


@exact_or_refused
def any_with_side_effects(x):
    seen = []

    def test(v):
        seen.append(1)
        return v > 0

    found = any(test(v) for v in x)
    return found, len(seen)


def make_list(x):
    out = []
    for i in range(3):
        out.append(x[i] + 1)
    return torch.stack(out)


@exact
def list_made_and_filled_in_a_branch(x):
    if x.sum() > 0:
        x = make_list(x)
    return x


@exact
def list_made_and_filled_in_a_loop(x):
    while x.sum() < 6:
        x = make_list(x)
    return x


@pytest.mark.parametrize("function", [*EXACT, *EXACT_OR_REFUSED], ids=lambda f: f.__name__)
def test_never_silently_different(function):
    try:
        program = capture(function, (X.clone(),), {}, Options())
    except UnsupportedConstructError:
        assert function in EXACT_OR_REFUSED
        return
    for x in (X, N, Z, B, B * 3):
        mine, eager = (copy.deepcopy(x),), (copy.deepcopy(x),)
        expected = function(*eager)
        got, _ = run_captured(program, mine)
        assert_same(got, expected)
        assert_same(mine, eager)


COUNT = 0
TABLE = torch.zeros(3)


def test_global_writes_are_refused():
    def forward(x):
        global COUNT
        COUNT = 5
        return x

    with pytest.raises(UnsupportedConstructError, match="assignment to the global `COUNT`"):
        capture(forward, (X,), {}, Options())


def test_in_place_write_to_a_global_tensor_is_refused_and_not_done():
    def forward(x):
        TABLE.add_(x)
        return x + TABLE

    with pytest.raises(UnsupportedConstructError, match="neither an argument nor the model's"):
        capture(forward, (X,), {}, Options())
    assert torch.equal(TABLE, torch.zeros(3))


class Step(nn.Module):
    def __init__(self, k):
        super().__init__()
        self.k = k

    def forward(self, x):
        if x.sum() > 0:
            self.k += 1
        return x * self.k


class TwoSteps(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b = Step(0), Step(100)

    def forward(self, x):
        return self.a(x), self.b(-x)


def test_state_of_two_submodules_has_two_names():
    program = capture(TwoSteps(), (X,), {}, Options())
    assert [(s.name, program.state[s.name].item()) for s in program.signature.state] == [("a.k", 0), ("b.k", 100)]


def test_module_made_in_the_forward_is_no_state():
    def forward(x):
        step = Step(1)
        return step(x)

    assert capture(forward, (X,), {}, Options()).signature.state == ()


def test_number_in_a_nested_container_is_state():
    class Nested(nn.Module):
        def __init__(self):
            super().__init__()
            self.c = [[0]]

        def forward(self, x):
            self.c[0][0] += 1
            return x * self.c[0][0]

    program = capture(Nested(), (X,), {}, Options())
    assert [(s.name, program.state[s.name].item()) for s in program.signature.state] == [("c.0.0", 0)]


class Numbered(nn.Module):
    calls = 0

    def forward(self, x):
        type(self).calls += 1
        return x * type(self).calls


def test_an_attribute_of_a_class_is_state():
    program = capture(Numbered(), (X,), {}, Options())
    assert [(s.name, program.state[s.name].item()) for s in program.signature.state] == [("Numbered.calls", 0)]
    assert Numbered.calls == 0


class Iterating(nn.Module):
    def __init__(self, items, move):
        super().__init__()
        self.items, self.move = items, move

    def forward(self, x):
        return x + self.move(self.items)


def by_next(items):
    return next(items)


def by_a_default(items):
    return next(items, 7)


def by_a_loop(items):
    for item in items:
        if item:
            break
    return item


def by_zip(items):
    return sum(a * b for a, b in zip(items, [1, 2], strict=False))


@pytest.mark.parametrize("move", [by_next, by_a_default, by_a_loop, by_zip])
@pytest.mark.parametrize("made", [itertools.count, lambda: iter([1, 2, 3]), lambda: (i for i in range(5))])
def test_an_iterator_that_outlives_a_call_is_not_moved_on(made, move):
    model = Iterating(made(), move)
    with pytest.raises(UnsupportedConstructError, match="`items` is moved on, an iterator that stands elsewhere"):
        capture(model, (X,), {}, Options())
    assert next(model.items) == next(made())


COUNTER = itertools.count(5)


def test_an_iterator_of_the_module_is_not_moved_on():
    def forward(x):
        return x + next(COUNTER)

    with pytest.raises(UnsupportedConstructError, match="`COUNTER` is moved on"):
        capture(forward, (X,), {}, Options())
    assert next(COUNTER) == 5


def test_a_default_that_is_changed_is_refused():
    def forward(x, seen=[0]):  # noqa: B006
        seen.append(1)
        return x + len(seen)

    with pytest.raises(UnsupportedConstructError, match="`seen` holds after a call other items than before"):
        capture(forward, (X,), {}, Options())
    assert forward.__defaults__ == ([0],)


def test_a_variable_of_a_function_that_has_ended_is_refused():
    def counter():
        count = 4

        def bump():
            nonlocal count
            count += 1
            return count

        return bump

    class Counting(nn.Module):
        def __init__(self):
            super().__init__()
            self.bump = counter()

        def forward(self, x):
            return x + self.bump()

    model = Counting()
    with pytest.raises(UnsupportedConstructError, match="the variable `count` of an enclosing function holds after a"):
        capture(model, (X,), {}, Options())
    assert model.bump() == 5


@exact
def variable_of_a_function_that_ends_in_the_call(x):
    count = 0

    def bump(y):
        nonlocal count
        count += 1
        return y + count

    return bump(bump(x)) + count
