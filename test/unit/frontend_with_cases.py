# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""More functions for the corpus of `frontend_cases.py`: `with` statements, their managers, and what leaves them."""

from __future__ import annotations

import contextlib
import contextvars

import torch
from frontend_cases import B, N, X, Z, case
from frontend_finally_cases import ONES


class Counted:
    """Notes how it is entered and left; takes a ValueError for done."""

    def __init__(self):
        self.n = 0

    def __enter__(self):
        self.n = self.n + 1
        return self

    def __exit__(self, kind, error, traceback):
        self.n = self.n * 10 + (error is not None)
        return kind is ValueError


class Scale:
    k = 1


@contextlib.contextmanager
def scaled(owner, k):
    old, owner.k = owner.k, k
    try:
        yield old + k
    finally:
        owner.k = old


@contextlib.contextmanager
def doubled_or_less(x):
    if x.sum() > 1:
        yield x * 2
    else:
        yield x - 1


@contextlib.contextmanager
def forgiving(log, *kinds):
    log.n = log.n + 1
    try:
        yield
    except kinds:
        log.n = log.n + 100
    else:
        log.n = log.n + 10000


@contextlib.contextmanager
def yields_sometimes(x):
    if x > 2:
        yield 1
    if x > 4:
        yield 2


@case((X,), (N,), (Z,), (B,))
def generator_context_under_a_condition(x):
    scale = Scale()
    y = x
    if x.sum() > 1:
        with scaled(scale, 3) as n, torch.no_grad():
            y = x * scale.k + n
            if x.sum() > 3:
                y = y + scale.k
    return y * scale.k


@case((X,), (N,), (Z,), (B,))
def generator_context_that_decides_on_data(x):
    with doubled_or_less(x) as y:
        total = y.sum()
    return y, total


@case(*ONES, unreached=2)
def returns_leave_a_generator_context(x):
    log = Counted()
    with forgiving(log, KeyError):
        if x > 5:
            return x * 2, 0
        if x > 3:
            return log.n, 1
        x = x + 1
    return x, log.n


@case(*ONES, unreached=2)
def exceptions_pass_a_generator_context(x):
    log = Counted()
    with forgiving(log, KeyError, ValueError):
        if x > 4:
            raise KeyError("four")
        if x > 2:
            raise ValueError("two")
        if x > 0:
            raise IndexError("nothing takes it")
        x = x * 2
    return x, log.n


@case(*ONES, unreached=1)
def context_that_yields_as_often_as_data_says(x):
    with yields_sometimes(x) as n:
        x = x + n
    return x


@case(*ONES, unreached=5)
def jumps_leave_contexts_in_a_loop(x):
    log, total = Counted(), x * 0
    for i in range(2):
        with log as same:
            if x > i + 4:
                continue
            total = total + 1
            if x > i + 2:
                raise ValueError("done with this one")
            if x < 0:
                break
            if x < 1:
                return total, same.n
            total = total + same.n
    return total, log.n


@case(*ONES, unreached=4)
def jumps_leave_contexts_in_a_loop_on_data(x):
    log = Counted()
    while x < 6:
        with log:
            x = x + 1
            if x > 5:
                break
            if x > 4:
                return x, log.n
            if x > 3:
                continue
            x = x + 1
        with forgiving(log, ValueError):
            if x > 3:
                raise ValueError("large")
            x = x + 0.5
    return x, log.n


@case(*ONES)
def exception_leaves_the_program_through_a_context(x):
    log = Counted()
    with log:
        if x > 3:
            raise KeyError("too large")
        x = x + 1
    return x, log.n


@case(*ONES, unreached=1)
def return_in_every_path_of_a_context(x):
    with Counted() as log:
        if x > 3:
            return x + log.n
        return x - log.n


UNSET = contextvars.ContextVar("UNSET")
LEVEL = contextvars.ContextVar("LEVEL", default=1)


def leveled(x):
    if x > 4:
        raise ValueError("high")
    return x * LEVEL.get() + UNSET.get(10)


@case(*ONES)
def context_variables_are_reset_on_every_path(x):
    y = x
    try:
        if x > 1:
            token = LEVEL.set(3)
            other = UNSET.set(x * 2)
            try:
                if x > 5:
                    raise KeyError("first")
                y = leveled(x)
            finally:
                LEVEL.reset(token)
                UNSET.reset(other)
    except KeyError:
        y = x * LEVEL.get()
    return y * 2 + LEVEL.get() + UNSET.get(1)


@case((X,), (N,), (Z,), (B,))
def context_variable_with_a_value_of_each_side(x):
    token = LEVEL.set(2)
    if x.sum() > 1:
        LEVEL.set(5)
    y = x * LEVEL.get()
    LEVEL.reset(token)
    return y + LEVEL.get()
