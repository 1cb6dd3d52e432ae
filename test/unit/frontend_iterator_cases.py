# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Functions of the corpus that hold iterators: each path moves them on by itself. See `frontend_cases.py`."""

# ruff: noqa: B007, B905, C417 (written as users write it)
from __future__ import annotations

import functools
import itertools

import torch
from frontend_cases import case
from torch import nn

LEVELS = [(torch.full((2,), value),) for value in (0.5, 1.5, 2.5, 3.5, -1.0)]


# Moved on on one side ------------------------------------------------------------------------------------------------


@case(*LEVELS)
def iterator_read_by_a_loop_on_one_side(x):
    it = zip([1, 2, 3], [4, 5, 6])
    if x[0] > 1:
        for a, b in it:
            x = x + a * b
    return x + len(list(it))


@case(*LEVELS)
def iterator_read_by_a_builtin_on_one_side(x):
    it = map(abs, [1, -2, 3])
    y = sum(it) if x[0] > 1 else 0
    return x + y + 10 * sum(it)


@case(*LEVELS)
def iterator_unpacked_on_one_side(x):
    it = reversed([1, 2, 3])
    if x[0] > 1:
        a, *rest = it
        x = x + a + len(rest)
    return x * 2 + sum(it)


@case(*LEVELS)
def iterator_asked_for_membership_on_one_side(x):
    it = iter([1, 2, 3])
    if x[0] > 1:
        x = x + (2 in it)
    return x + sum(it)


@case(*LEVELS)
def generator_expression_on_one_side(x):
    it = (v * v for v in [1, 2, 3])
    if x[0] > 1:
        x = x + next(it)
    return x + sum(it)


@case(*LEVELS)
def generator_function_on_one_side(x):
    def counted():
        yield 1
        yield 2
        yield 4

    it = counted()
    if x[0] > 1:
        x = x + it.__next__()
    return x + sum(it)


@case(*LEVELS)
def iterator_reduced_on_one_side(x):
    it = enumerate([3, 4, 5])
    if x[0] > 1:
        x = x + functools.reduce(lambda total, item: total + item[1], itertools.islice(it, 2), 0)
    return x + len(list(it))


@case(*LEVELS)
def generator_that_is_sent_to_on_one_side(x):
    def running():
        total = 0
        while True:
            total += yield total

    it = running()
    next(it)
    if x[0] > 1:
        x = x + it.send(5)
    return x + it.send(1)


# Moved on as far as a loop gets --------------------------------------------------------------------------------------


@case(*LEVELS)
def iterator_left_by_a_break(x):
    it = iter([1, 2, 3, 4, 5])
    for v in it:
        if x[0] < v:
            break
    return x + next(it, 0)


@case(*LEVELS)
def zip_of_an_iterator_left_by_a_break(x):
    it = iter([1, 2, 3, 4, 5])
    for v, w in zip([1, 2, 3, 4], it):
        if x[0] < v:
            break
    return x + next(it)


@case(*LEVELS)
def map_of_an_iterator_left_by_a_return(x):
    it = iter([1, 2, 3, 4, 5])

    def find():
        for v in map(lambda v: v, it):
            if x[0] < v:
                return v
        return 9

    return x + find() + 100 * sum(it)


@case(*LEVELS)
def iterator_of_a_temporary_under_a_condition(x):
    for i, v in enumerate([1, 2, 3, 4]):
        if x[0] < v:
            break
    return x + i


@case(*LEVELS)
def two_loops_over_one_iterator(x):
    it = iter([1, 2, 3, 4, 5, 6])
    for v in it:
        if x[0] < v:
            x = x + 10 * v
            break
    for v in it:
        x = x + v
    return x


class Layered(nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(3)
        self.layers = nn.ModuleList(nn.Linear(2, 2) for _ in range(3))

    def forward(self, x):
        layers = iter(self.layers)
        y = next(layers)(x)
        for layer in layers:
            if y.sum() > 1:
                return y
            y = layer(y)
        return y * next(self.parameters()).dtype.itemsize


LAYERED = Layered().eval()


@case(
    *[(torch.tensor(v),) for v in ((3.0, 3.0), (-3.0, 3.0), (3.0, -3.0), (0.0, 0.0), (-9.0, -9.0), (9.0, -2.0))],
    unreached=1,
)
def layers_of_an_iterator(x):
    return LAYERED(x)


@case(*LEVELS)
def first_parameter_under_a_condition(x):
    if x[0] > 1:
        return x + next(LAYERED.parameters()).sum()
    return x - next(iter([1, 2]))


@case(*LEVELS)
def all_of_a_zip_that_nobody_holds(x):
    ones = [x[0], x[1], x[0] + 1]
    if all(a > b for a, b in zip(ones, [1, 1, 2])):
        return x + 1
    if any(v > i for i, v in enumerate(reversed(ones))):
        return x + 2
    return x


@case(*LEVELS)
def iterators_of_tee(x):
    first, second = itertools.tee([1, 2, 3])
    if x[0] > 1:
        x = x + sum(first)
    return x + len(list(second)) + len(list(first))
