# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Functions whose decisions `test_observe.py` knows: for each the arguments, and what is decided, in order."""

# ruff: noqa: RUF021 (written as users write it)
from __future__ import annotations

import torch

X = torch.tensor([1.0, -2.0, 3.0])


def both_operands(x):
    if x.sum() > 0 and x[0] > 5 or not x[1] > 0:
        return 1
    return 2


def and_not(x):
    done = False
    if x[0] > 0 and not done:
        return 1
    return 2


def chained(x):
    return 0 < x.sum() < 1.5


def ternary(x):
    return 1 if not x[0] > 2 else 2


def loops(x):
    n = 0
    while x.sum() > n:
        for _ in range(n):
            if x[0] < n:
                break
        n += 1
    return n


def never(x):
    while x.sum() > 100:
        x = x - 1
    for _ in range(0):
        x = x + 1
    return x


def endless(x):
    n = 0
    while True:
        n += 1
        if x.sum() < n:
            return n


def with_else(x):
    for v in x:
        if v > 2:
            break
    else:
        return 0
    while x[0] > 9:
        x = x + 1
    else:
        return 1


def comprehension(x):
    return len([v for v in x if v > 0])


def matched(x):
    match int(x[2]):
        case 1 | 2:
            return "low"
        case n if n > 5:
            return "high"
        case 3:
            return "three"
        case _:
            return "other"


def asserted(x):
    assert x[0] > 0, "negative"
    return (x[0] > 5 or x[1] > 5) and None


def caught(x):
    try:
        if x[0] > 0:
            raise ValueError
    except ValueError:
        return 1 if x[1] > 0 else 2


def early_in_finally(x):
    for i in range(3):
        try:
            if x[i] < 0:
                return i
        finally:
            x = x + 0
    return -1


def _is_positive(v):
    if v > 0:
        return True
    return False


def helper_twice(x):
    return _is_positive(x[0]), _is_positive(x[1])


def recursive(x, depth):
    if depth == 0:
        return x
    if x.sum() > depth:
        return recursive(x - 1, depth - 1)
    return recursive(x + 1, depth - 1)


W, T = "", "iterations"
FUNCTIONS = [
    (
        both_operands,
        (X,),
        [
            ("and/or", "operand 1", True),
            ("and/or", "operand 1", False),
            ("and/or", "operand 2", False),
            ("and/or", W, False),
            ("if", W, True),
            ("and/or", "operand 2", True),
            ("and/or", W, True),
        ],
    ),
    # `not done` is decided by Python alone.
    (
        and_not,
        (X,),
        [("and/or", "operand 1", True), ("if", W, True), ("and/or", "operand 2", True), ("and/or", W, True)],
    ),
    (chained, (X,), [("comparison", "operand 1", True)]),
    (ternary, (X,), [("ternary", W, True)]),
    (
        loops,
        (X,),
        [("while", W, True), ("for", T, 0), ("while", W, True), ("if", W, False), ("for", T, 1), ("while", W, False),
         ("while", T, 2)],
    ),
    (never, (X,), [("while", W, False), ("while", T, 0), ("for", T, 0)]),
    (endless, (X,), [("if", W, False), ("if", W, False), ("if", W, True), ("while", T, 3)]),
    (
        with_else,
        (X,),
        [("if", W, False), ("if", W, False), ("if", W, True), ("for", T, 3), ("while", W, False), ("while", T, 0)],
    ),
    (comprehension, (X,), [("if", W, True), ("if", W, False), ("if", W, True), ("comprehension", T, 3)]),
    (matched, (X,), [("case", W, False), ("case", W, False), ("case", W, True)]),
    (
        asserted,
        (X,),
        [
            ("assert", W, True),
            ("and/or", "operand 1", False),
            # The second operand of the `or` settles what is around it.
            ("and/or", "operand 1", False),
            ("and/or", W, False),
            ("and/or", "operand 2", False),
            ("and/or", W, False),
        ],
    ),
    (caught, (X,), [("if", W, True), ("ternary", W, False)]),
    (early_in_finally, (X,), [("if", W, False), ("if", W, True), ("for", T, 2)]),
]  # fmt: skip
