# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""More functions for the corpus of `frontend_cases.py`: what passes a `finally` clause, and what leaves one."""

# ruff: noqa: B012 (written as users write it)
from __future__ import annotations

import torch
from frontend_cases import B, N, X, Z, case

ONES = tuple((torch.tensor(float(n)),) for n in range(-1, 8))


@case(*ONES, unreached=2)
def break_and_continue_pass_a_finally(x):
    n = 0
    for i in range(2):
        try:
            if x > i:
                if x > 2:
                    break
                continue
            n += 1
        finally:
            n += 100
    return x, n


@case(*ONES, unreached=6)
def handlers_that_jump_past_two_finallys(x):
    n = 0
    for i in range(3):
        try:
            try:
                if x > i:
                    raise ValueError("above")
                n += 1
            except ValueError:
                if x > 2:
                    break
                if x < 2:
                    return x, n
                continue
            finally:
                n += 10
        finally:
            x = x + 1
            n += 100
    return x, n


@case(*ONES)
def finally_that_returns(x):
    try:
        if x > 3:
            return 0
        x = x * 2
    finally:
        return x + 1


@case(*ONES, unreached=1)
def finally_that_returns_on_one_side(x):
    try:
        try:
            if x > 0:
                return x
            x = x - 1
        finally:
            x = x * 2
    finally:
        if x > 5:
            return x + 100
    return x - 100


@case(*ONES, unreached=2)
def finally_that_breaks(x):
    n = 0
    for i in range(4):
        try:
            if x > 2 * i + 1:
                return x, n
            n += 1
        finally:
            if n > 2:
                break
    return x + 100, n


@case(*ONES)
def exception_passes_a_finally(x):
    try:
        try:
            if x > 3:
                raise ValueError("above")
            x = x + 5
        finally:
            x = x * 2
    except ValueError:
        return x - 1
    return x


@case(*ONES)
def exception_of_a_handler_passes_a_finally(x):
    n = 0
    try:
        try:
            if x > 3:
                raise ValueError("above")
            n += 1
        except ValueError:
            raise KeyError("other") from None
        finally:
            n += 10
    except KeyError:
        n += 100
    return x, n


@case(*ONES)
def finally_that_swallows_an_exception(x):
    try:
        if x > 3:
            x = x * 2
            raise KeyError("gone")
        x = x + 1
    finally:
        return x


@case(*ONES)
def exception_leaves_the_program_through_a_finally(x):
    total = x * 2
    try:
        if total > 3:
            raise ValueError("too much")
    finally:
        total = total + 1
    return total


@case((X,), (N,), (Z,), (B,))
def every_path_raises(x):
    if x.sum() > 1:
        raise ValueError("positive")
    raise KeyError("not")


@case(*ONES)
def several_exceptions_pass_a_finally(x):
    log = [0]
    try:
        if x > 0:
            if x > 5:
                raise IndexError("five")
            if x > 3:
                raise ValueError("three")
            if x > 1:
                raise ValueError("one")
        x = x + 1
    finally:
        log[0] = log[0] + 1
    return x, log[0]


@case(*ONES, unreached=3)
def several_exceptions_pass_a_finally_to_handlers(x):
    n = 0
    try:
        try:
            for i in range(3):
                if x > 3 + i:
                    raise KeyError(i)
                if x < i:
                    raise ValueError("less")
        finally:
            n = n + 10
            if x > 6:
                n = n + 1
    except KeyError:
        n = n + 100
    return n


@case(*ONES, unreached=1)
def exceptions_with_numbers_pass_a_finally(x):
    n = 0
    try:
        if x > 5:
            raise ValueError(f"{x.item():.2f} is more than {5}")
        if x > 3:
            raise IndexError(int(x.item()), x.item() * 2, bool(x > 4))
        if x > 1:
            raise KeyError("plain")
        n = n + 1
    finally:
        n = n + 10
        if x > 4:
            n = n + 100
    return n
