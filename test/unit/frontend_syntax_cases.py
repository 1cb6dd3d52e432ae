# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Functions of the corpus on syntax: `match`, `:=`, comprehensions with conditions. See `frontend_cases.py`."""

from __future__ import annotations

import dataclasses
import enum
import math

import torch
from frontend_cases import B, N, X, Z, case

INTS = tuple((torch.tensor(v),) for v in (5, 0, -3, 12, 1, 2, 4, 6, 20))


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 2


@dataclasses.dataclass(frozen=True)
class Pair:
    a: object
    b: object


@case(*INTS)
def match_values(n):
    match n.item():
        case 5 | 12:
            return 1
        case 0:
            return 2
        case Level.HIGH | math.inf:
            return 3
        case k if k < 0:
            return k
        case k:
            return k * 2


@case(*INTS, unreached=1)
def match_in_a_loop(n):
    s = 0
    for i in range(3):
        match n.item() + i:
            case 5:
                break
            case 6 | 2:
                continue
            case k if k > 10:
                s += k
            case _:
                s += 1
    return s


@case((X,), (N,), (Z,), (B,))
def match_sequences(x):
    match (x[0].item(), [x[1].item(), 3, 4]):
        case (0.0, _):
            return x
        case (a, [b, *rest]) if a > b:
            return x * len(rest)
        case (a, [b, 3, last]) as whole:
            return x + a + last - b + len(whole)
    return x


@case((X,), (N,), (Z,), (B,))
def match_mappings_and_classes(x):
    match {"k": x, "n": 3}:
        case {"m": _}:
            return x
        case {"k": v, **rest} if v.sum() > 0:
            x = v * rest["n"]
    match Pair(x, 2):
        case Pair(a=v, b=1):
            return v
        case Pair(v, 2) if v.sum() > 3:
            return -v
        case Pair(torch.Tensor() as v):
            return v + 1


@case(*INTS, unreached=6)
def match_types(n):
    match n.item() > 3, n.item():
        case True, int(k):
            return k
        case False, (float() | str()):
            return -1
        case False, int() as k:
            return -k
    return 0


@case((X,), (N,), (Z,), (B,), unreached=3)
def walrus_in_operands(x):
    y = x.min()
    if x.sum() > 0 and (y := x.max()) > 2:
        return y, (a := x.sum()) > 5 or (a := x.max()) > 1, a
    r = (z := x * 2) if x.sum() < 0 else (z := x * 3)
    return y + (r + z).sum(), -1 < (s := x.sum()) < (t := 5), s * t


@case((X,), (N,), (Z,), (B,), unreached=2)
def comprehensions_with_conditions(x):
    kept = [v * 2 for v in x[:2] if v > 0]
    table = {i: v for i, v in enumerate(x) if i != 1}
    total = sum(v for v in x[1:2] if v < 0 and v > -5)
    return len(kept), table[0] + table[2], total


@case((X,), (N,), (Z,), (B,))
def any_and_all_with_conditions(x):
    if any(v > 5 for v in x if v < 20):
        return x + 1
    return x + 2 if all(v > -2 for v in x if v != 0) else x


@case((X,), (N,), (Z,), (B,), unreached=1)
def first_that_matches(x):
    place = next((i for i in range(3) if x[i] > 0.5), -1)
    value = next((v for v in x if v < -15), x.sum())
    return place, value


@case((X,), (N,), (Z,), (B,), unreached=1)
def nested_comprehensions(x):
    rows = [[a * b if a > b else a + b for a in x if a is not b] for b in x]
    last = [y for v in x if (y := v * 2) is not None]
    return [torch.stack(r) for r in rows], last[0] + y
