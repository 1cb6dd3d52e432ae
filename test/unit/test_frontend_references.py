# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""References are counted in one place, which notices where an interpreter counts otherwise."""

from __future__ import annotations

import copy
import inspect
import sys
import types

import pytest
from frontend_cases import B, N, X, Z, assert_same
from test_frontend_constructs import run_captured

import dycl.frontend as frontend
from dycl.errors import UnsupportedConstructError
from dycl.frontend import references, state
from dycl.frontend.capture import capture
from dycl.options import Options


def counting(monkeypatch, count):
    """An interpreter whose `sys.getrefcount` gives `count(object, real count of the caller's references)`."""
    fake = types.SimpleNamespace(getrefcount=lambda one: count(one, sys.getrefcount(one) - 1))
    monkeypatch.setattr(references, "sys", fake)


def test_this_interpreter_counts_every_holder():
    assert references.counts_holders()
    assert references._counts_holders


def test_only_one_module_counts():
    folder = inspect.getfile(frontend).rpartition("/")[0]
    found = [m for m in sys.modules.values() if (getattr(m, "__file__", None) or "").startswith(folder)]
    assert len(found) > 50
    assert {m.__name__ for m in found if "getrefcount" in inspect.getsource(m)} == {"dycl.frontend.references"}


@pytest.mark.parametrize("shift", [-1, 1, 2])
def test_what_the_interpreter_holds_itself_does_not_matter(monkeypatch, shift):
    """Python 3.14 passes a variable without counting it (gh-130704); a debugger may hold one more."""
    counting(monkeypatch, lambda one, count: count + shift)
    assert references.counts_holders()
    variable = []
    assert not references.is_held([[]])
    assert references.is_held([variable])
    assert not references.is_held([variable], known=1)


@pytest.mark.parametrize(
    "count",
    [
        lambda one, count: 1,
        lambda one, count: min(count, 2),  # saturates
        lambda one, count: 2 * count,
        lambda one, count: count - (type(one) is list),
        lambda one, count: count + (type(one) is list),
    ],
)
def test_an_interpreter_that_counts_otherwise_is_noticed(monkeypatch, count):
    counting(monkeypatch, count)
    assert not references.counts_holders()


@pytest.mark.parametrize("hidden", references._HIDDEN, ids=lambda check: check.__name__)
def test_each_check_notices_a_holder_that_does_not_count(monkeypatch, hidden):
    assert hidden()
    monkeypatch.setattr(references, "_others", lambda items, index: 0)
    assert not hidden()


# What the counts decide: in use, or not ------------------------------------------------------------------------------


def list_that_the_other_side_sees(x):
    found = [x]
    if x.sum() > 0:
        found.append(x + 1)
    return found[-1] * len(found)


def list_of_a_helper(x):
    def make(y):
        made = []
        if y[0] > 0:
            made.append(y * 2)
        made.append(y)
        return made

    return make(x)[0] + 1


def list_that_an_object_keeps(x):
    class Holder:
        pass

    holder = Holder()
    holder.items = []
    kept = holder.items
    if x.sum() > 0:
        kept.append(x)
    return x + len(holder.items)


def list_in_a_generator(x):
    def keep():
        items = []
        while True:
            yield items

    waiting = keep()
    if x.sum() > 0:
        next(waiting).append(x)
    return x * len(next(waiting))


def list_chosen_and_written(x):
    a, b = [x, x + 1], [x + 2, x + 3]
    c = a if x.sum() > 0 else b
    c[0] = c[0] * 5
    return a[0] + b[0]


def tensor_chosen_and_written(x):
    a, b = x + 1, x + 2
    c = a if x.sum() > 0 else b
    c.mul_(3)
    return a + b


def list_made_in_a_loop(x):
    total = x
    while total.sum() < 9:
        items = [total]
        if total[0] > 0:
            items.append(total + 1)
        total = total + len(items)
    return total


def iterator_that_the_other_side_sees(x):
    it = iter([1, 2, 3])
    if x.sum() > 0:
        x = x + next(it)
    return x + next(it)


def iterator_left_where_data_says(x):
    it = iter([1, 2, 3, 4])
    if any(x[0] < v for v in it):
        x = x + 10
    return x + next(it, 0)


def iterator_that_both_sides_move_on(x):
    it = iter([1, 2, 3, 4])
    y = x + next(it) if x.sum() > 0 else x - next(it)
    return y + next(it)


def iterator_moved_on_in_a_loop_on_data(x):
    it = iter([1, 2, 3, 4])
    while x.sum() < 9:
        x = x.abs() + next(it, 1)
    return x


@pytest.mark.parametrize(
    "function", [iterator_left_where_data_says, iterator_that_both_sides_move_on, iterator_moved_on_in_a_loop_on_data]
)
def test_an_iterator_whose_place_depends_on_data_is_refused(function):
    with pytest.raises(
        UnsupportedConstructError, match=r"an iterator( is changed in a loop|, here, that was moved on)"
    ):
        capture(function, (X,), {}, Options())


DECIDED = [
    list_that_the_other_side_sees,
    list_of_a_helper,
    list_that_an_object_keeps,
    list_in_a_generator,
    list_chosen_and_written,
    tensor_chosen_and_written,
    list_made_in_a_loop,
    iterator_that_the_other_side_sees,
]


def is_right(function):
    """Whether it is captured, and then gives what eager gives; False where it is refused."""
    try:
        program = capture(function, (X.clone(),), {}, Options())
    except UnsupportedConstructError:
        return False
    for x in (X, N, Z, B):
        mine, eager = (copy.deepcopy(x),), (copy.deepcopy(x),)
        expected = function(*eager)
        got, _ = run_captured(program, mine)
        assert_same(got, expected)
        assert_same(mine, eager)
    return True


@pytest.mark.parametrize("function", DECIDED, ids=lambda f: f.__name__)
def test_nothing_is_wrong_where_counts_cannot_be_trusted(monkeypatch, function):
    monkeypatch.setattr(references, "_counts_holders", False)
    is_right(function)  # or refused


def test_counts_decide_for_a_list_that_a_path_makes_for_itself(monkeypatch):
    assert is_right(list_made_in_a_loop)
    monkeypatch.setattr(references, "_counts_holders", False)
    assert not is_right(list_made_in_a_loop)


def test_too_low_a_count_would_be_wrong(monkeypatch):
    """What the checks keep from happening: were nothing counted, a list would be lost that is in use."""
    monkeypatch.setattr(state, "is_held", lambda *_, **__: False)
    with pytest.raises(AssertionError):
        is_right(list_that_the_other_side_sees)
