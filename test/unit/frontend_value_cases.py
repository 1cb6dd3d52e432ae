# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Functions of the corpus whose values are of another kind on each path. See `frontend_cases.py`."""

# ruff: noqa: B007, F821 (written as users write it)
from __future__ import annotations

import functools
from collections import namedtuple

import torch
from frontend_cases import B, N, X, Z, case

INTS = ((torch.tensor(5),), (torch.tensor(0),), (torch.tensor(-3),), (torch.tensor(12),))
XS = ((X,), (N,), (Z,), (B,))


# Results -------------------------------------------------------------------------------------------------------------


@case(*XS)
def returns_none_implicitly(x):
    if x.sum() > 0:
        return x * 2


@case(*XS)
def returns_int_or_float(x):
    if x.sum() > 0:
        return 1
    return 1.5


@case(*XS)
def returns_tensor_or_tuple(x):
    if x.sum() > 0:
        return x
    return x, x + 1


@case(*XS)
def returns_many_kinds(x):
    if x.sum() > 5:
        return None
    if x.sum() > 0:
        return "positive"
    if x.sum() == 0:
        return {"x": x, "n": 3}
    return [x.sum().item(), True]


@case(*XS)
def returns_other_dtypes(x):
    if x.sum() > 5:
        return x.long()
    if x.sum() > 0:
        return x.double()
    return x


@case(*XS)
def returns_other_ranks(x):
    y = x[None] if x.sum() > 0 else x.sum()
    return y, x + 1


@case(*XS)
def item_of_another_kind(x):
    label = None
    if x.max() > 2:
        label = x.argmax().item()
    return {"label": label, "x": x * 2}, label


@case(*XS)
def two_items_of_other_kinds(x):
    a = x if x.sum() > 0 else None
    b = 1 if x.max() > 5 else 2.5
    return a, b


Out = namedtuple("Out", "logits hidden")


@case(*XS)
def namedtuple_with_an_optional_field(x):
    hidden = None
    if x.sum() > 0:
        hidden = x + 1
    return Out(x * 2, hidden)


def exit_or_none(x, threshold):
    if x.sum() > threshold:
        return x, threshold


@case(*XS, unreached=2)
def early_exits_by_optional_results(x):
    for threshold in (20, 5, 0):
        found = exit_or_none(x, threshold)
        if found is not None:
            return found
        x = x + 0.5
    return x


@case(*XS, unreached=1)
def result_of_a_loop_or_none(x):
    n = 0
    while n < 5:
        x = x + 1
        n = n + 1
        if x.sum() > 6:
            return x
    return None


@case(*XS)
def returned_from_a_loop_on_data(x):
    while x.sum() < 20:
        if x.max() > 4:
            return x, "max"
        x = x + 1
        if x.min() < -20:
            return None
    return x


@case(*XS)
def raises_or_returns_kinds(x):
    if x.sum() > 5:
        raise ValueError("too large")
    if x.sum() > 0:
        return x
    return 0


# Variables that may be undefined -------------------------------------------------------------------------------------


@case(*XS)
def undefined_on_one_side(x):
    if x.sum() > 0:
        y = x + 1
    return y * 2


@case(*XS, unreached=3)
def undefined_only_where_it_is_not_used(x):
    positive = x.sum() > 0
    if positive:
        y = x + 1
    if x.max() > 2:
        if x.sum() > 0:
            return y
    return x


@case(*INTS)
def assigned_in_a_loop_only(n):
    for i in range(n):
        last = i * 2
    return last


@case(*INTS)
def loop_variable_after_its_loop(n):
    for i in range(n):
        if i > 7:
            break
    return i


@case(*XS)
def assigned_in_a_while_only(x):
    while x.sum() < 3:
        x = x + 1
        last = x * 2
    return last.sum()


@case(*XS, unreached=1)
def undefined_is_caught(x):
    while x.sum() < 3:
        x = x + 1
        last = x * 2
    try:
        return last
    except NameError:
        return x - 1


@case(*INTS, unreached=3)
def undefined_inside_the_loop(n):
    s = 0
    for i in range(n):
        if i > 0:
            s = s + previous
        previous = i * i
    return s


@case(*INTS)
def assigned_sometimes_in_a_loop(n):
    for i in range(n):
        if i % 3 == 2:
            found = i
    return found + 1


@case(*XS)
def deleted_on_one_side(x):
    y = x + 1
    if x.sum() > 0:
        del y
    return y


# None before a loop --------------------------------------------------------------------------------------------------


@case(*XS)
def best_so_far(x):
    best = None
    n = 0
    while n < x.abs().sum():
        score = (x * n).sum()
        if best is None or score > best:
            best = score
        n = n + 1
    return best


@case(*XS)
def patience_on_data(x):
    """PABEE with a number of layers that depends on data."""
    previous = None
    count = 0
    layers = x.abs().sum().long()
    for i in range(layers):
        x = torch.stack([x[1] - 1, x[0] + 0.3, x[2] * 0.5])
        label = x.argmax().item()
        if previous is not None and label == previous:
            count = count + 1
        else:
            count = 0
        previous = label
        if count == 2:
            break
    return x, count, previous


@case(*XS, unreached=2)
def hidden_state_made_in_the_loop(x):
    h = None
    while x.sum() < 10:
        if h is None:
            h = torch.zeros(2, 3)
        h = h + x
        x = x + h.abs().mean() + 1
    if h is None:
        return x
    return h.sum(0)


@case(*XS)
def tuple_state_made_in_the_loop(x):
    state = (None, 0)
    while x.sum() < 5:
        h, n = state
        h = x if h is None else h + x
        state = (h, n + 1)
        x = x + 1
    return state


@case(*XS, unreached=4)
def string_state_in_a_loop(x):
    mode = "up"
    n = 0
    while n < 6:
        if mode == "up":
            x = x + 1
            if x.max() > 5:
                mode = "down"
        else:
            x = x - 2
            if x.max() < 3:
                mode = "up"
        n = n + x.abs().sum().clamp(1, 2)
    return x, mode


# Types that change in a loop -----------------------------------------------------------------------------------------


@case(*XS, unreached=2)
def int_becomes_float(x):
    n = 0
    while x.sum() < 3:
        n = n + 0.5
        x = x + 1
    return x * n, n


@case(*XS)
def bool_becomes_int(x):
    n = True
    while x.sum() < 3:
        n = n + 1
        x = x + 1
    return n


@case(*INTS)
def integer_tensor_becomes_float(n):
    t = torch.tensor([1, 2])
    for i in range(n):
        t = t * 0.5
    return t


@case(*XS)
def kind_changes_every_iteration(x):
    y = 1
    while x.sum() < 4:
        y = y * 1.5 if isinstance(y, int) else int(y) + 2
        x = x + 1
    return y


# `else` of loops -----------------------------------------------------------------------------------------------------


@case(*XS)
def else_of_a_loop_with_break(x):
    n = 0
    while x.sum() < 20:
        x = x + 1
        n += 1
        if x.max() > 8:
            break
    else:
        n = -n
    return x, n


@case(*INTS, unreached=1)
def for_else_of_a_range_on_data(n):
    for i in range(n):
        if i * i > 30:
            result = i
            break
    else:
        result = -1
    return result


@case(*XS, unreached=2)
def else_that_returns(x):
    while x.sum() < 10:
        x = x + 1
        if x.min() > 0:
            break
        if x.max() > 30:
            return x
    else:
        return x * 100
    return x - 1


@case(*XS, unreached=3)
def else_of_an_inner_loop_leaves_the_outer(x):
    rounds = 0
    while rounds < 4:
        rounds += 1
        while x.sum() < 5:
            x = x + 1
            if x.max() > 6:
                break
        else:
            x = x - 2
            if x.sum() > 4:
                break
        x = x * 0.5
    return x, rounds


# Specialization inside loops -----------------------------------------------------------------------------------------


@case(*XS)
def none_on_one_side_in_a_loop(x):
    total = torch.zeros(3)
    while x.sum() < 12:
        bonus = x * 2 if x.max() > 3 else None
        x = x + 1
        if bonus is not None:
            total = total + bonus
    return total


@case(*XS)
def kinds_before_the_loop_used_inside(x):
    scale = 2 if x.sum() > 0 else 1.5
    n = 0
    while n < 3:
        x = x + scale
        n = n + x.abs().sum().clamp(1, 2)
    return x, scale


@case(*XS, unreached=4)
def break_with_kinds(x):
    found = None
    n = 0
    while n < 10:
        n = n + 1
        x = x + 0.5
        if x.sum() > 4:
            found = x
            break
        if x.max() > 6:
            found = n
            break
    if found is None:
        return x
    return found


@case(*XS)
def mode_chosen_by_data(x):
    mode = "a" if x.sum() > 0 else "b"
    x = x + 1
    if mode == "a":
        return x * 2
    return x - 1


@case(*XS)
def sets_that_differ(x):
    seen = {1}
    if x.sum() > 0:
        seen.add(2)
    return x + len(seen) + (2 in seen)


@case(*XS)
def dicts_that_differ(x):
    d = {"a": x}
    if x.sum() > 0:
        d["b"] = x + 1
    return sum(d.values()), len(d)


# None, or another kind, handed on ------------------------------------------------------------------------------------


def _predicted(token, state):
    if token is None:
        token = 3
    if state is None:
        state = torch.zeros(2)
    return state * 0.5 + token


class _Cell(torch.nn.Module):
    def forward(self, x, state=None):
        return x if state is None else x + state


_CELL = _Cell()
_CHOICES = [
    (torch.tensor(steps),) for steps in ([1.0, -1, 1, -2], [-1.0, -1, -1, -1], [1.0, 1, 1, 1], [-1.0, 2, -1, 1])
]


@case(*_CHOICES)
def optional_values_are_handed_to_a_helper_in_a_loop(x):
    token, state, i = None, None, 0
    while i < 4:
        state_now = _predicted(token, state)
        if x[i] > 0:
            token, state = int(state_now.sum()), state_now
        i += 1 + int(x[0] > 5)
    return (state if state is not None else x), token


@case(*_CHOICES, unreached=1)  # the first step has no state
def optional_state_is_handed_to_a_module(x):
    state = None
    for value in x:
        if value > 0:
            state = _CELL(value * 2, state)
    return _CELL(x, state=state)


@case(*_CHOICES)
def optional_value_is_handed_through_a_partial(x):
    token = None
    if x[0] > 0:
        token = int(x[2])
    return functools.partial(_predicted, token)(None)


@case(*_CHOICES)
def truth_of_what_is_of_two_kinds(x):
    value, label = None, None
    if x[0] > 0:
        value = int(x[3])
    if x[1] > 0:
        label = "up" if x[2] > 0 else ""
    return value or 7, not label, (label or "none"), -1 if value and label else 1


class _Step:
    def __init__(self, at, of=None):
        self.at = at
        self.of = at if of is None else of


@case(*_CHOICES)
def optional_value_is_given_to_a_constructor(x):
    of = None
    if x[1] > 0:
        of = x[2] * 2
    step = _Step(x[0], of)
    return step.at + step.of
