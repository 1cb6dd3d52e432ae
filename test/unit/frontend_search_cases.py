# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Functions of the corpus that search: what they find, or None; segments in lists. See `frontend_cases.py`.

A condition tells of which kind other values are: nothing is traced apart for them (`facts.py`). Sides that are never
taken: the first test of a `while` whose start is in range; an empty list where none can be; where paths are taken
apart, a condition that none needs.
"""

# ruff: noqa: E714 (written as users write it)
from __future__ import annotations

import dataclasses

import torch
from frontend_cases import N, X, Z, case


def vectors(*rows: tuple[float, ...]) -> list[tuple[torch.Tensor]]:
    return [(torch.tensor(row),) for row in rows]


RUNS = vectors(
    *(
        (1, 2, -1, -1, 3, -2),
        (-1, -1, -1, -1, -1, -1),
        (-1, 5, -1, 4, -1, 2),
        (3, 3, 3, 3, 3, 3),
        (-1, -2, -3, 1, 2, 3),
    ),
    *(tuple(7 if at == i else -1 for i in range(6)) for at in range(6)),
    *((2, 1, 2, 3, 4, 5), (9, 1, -1, 5, 1, 4), (-1, 2, 2, 2, 2, 2)),
    *((9, 4, 5, 0, 0, 0), (9, 4, 3, 0, 0, 0), (1, 4, 3, 0, 0, 0), (1, 4, 6, 0, 0, 0), (4, 1, 3, 0, 0, 0)),
)
XS = ((X,), (N,), (Z,))


# What a helper finds -------------------------------------------------------------------------------------------------


def next_run(x, start):
    n = x.shape[0]
    while start < n and x[start] <= 0:
        start = start + 1
    if start >= n:
        return False, None, start
    end = start
    while end < n and x[end] > 0:
        end = end + 1
    return True, x[start] + x[end - 1], end


@case(*RUNS, unreached=1)
def all_runs(x):
    total, at = torch.zeros(()), 0
    while True:
        found, value, at = next_run(x, at)
        if not found:
            break
        total = total + value
    return total, at


@case(*RUNS, unreached=2)
def first_runs(x):
    total, at = torch.zeros(()), torch.tensor(0)
    for _ in range(3):
        found, value, at = next_run(x, at)
        if found:
            total = total + value
    return total, at


@case(*RUNS, unreached=2)
def first_runs_by_none(x):
    total, at = torch.zeros(()), torch.tensor(0)
    for _ in range(2):
        _, value, at = next_run(x, at)
        if value is not None:
            total = total + value
    return total, at


def next_run_without_end(x, start):
    n = x.shape[0]
    while True:
        if start >= n:
            return False, None, start
        if x[start] > 0:
            break
        start = start + 1
    end = start
    while True:
        if end >= n or x[end] <= 0:
            break
        end = end + 1
    return True, x[start] + x[end - 1], end


@case(*RUNS)
def runs_until_none_is_left(x):
    total, at, more = torch.zeros(()), 0, True
    while more:
        more, value, at = next_run_without_end(x, at)
        if more:
            total = total * 2 + value
    return total


def peak(x):
    best = None
    for value in x:
        if value > 0:
            if best is None or value > best:
                best = value
    return best


@case(*RUNS)
def peak_or_nothing(x):
    return peak(x)


@case(*RUNS)
def peak_or_default(x):
    best = peak(x)
    return x.sum() if best is None else best * 10


@case(*RUNS)
def peak_by_early_return(x):
    best = peak(x)
    if best is None:
        return torch.tensor(-1.0), 0
    return best * 2, 1


def classify(x):
    total = x.sum()
    if total > 0:
        return "positive", total
    if total == 0:
        return "zero", None
    return "negative", (total, total.abs())


@case(*XS)
def by_name(x):
    name, value = classify(x)
    if name == "positive":
        return x + value
    elif name == "negative":
        return x - value[1]
    return x


@case(*XS)
def by_other_name(x):
    name, value = classify(x)
    if name != "negative":
        return x * 3
    low, high = value
    return low + high + x


@case(*XS)
def by_two_conditions(x):
    name, value = classify(x)
    if name == "positive" and value > 1:
        return value * 100
    if value is None or name == "positive":
        return x.sum()
    return value[0]


@dataclasses.dataclass
class Found:
    value: torch.Tensor
    at: int


def search(x):
    for i in range(x.shape[0]):
        if x[i] > 1.5:
            return Found(x[i] * 2, i)
    return None


@case(*RUNS)
def finds_an_object(x):
    found = search(x)
    if found is None:
        return x
    return x + found.value * found.at


@case(*RUNS)
def finds_twice(x):
    first, second = search(x), search(x - 1)
    if first is not None and second is not None:
        return first.value - second.value
    if first is not None:
        return first.value
    return torch.zeros(())


@case(*RUNS)
def finds_or_makes(x):
    found = search(x)
    if found is None:
        found = Found(x[0], 0)
    return found.value, found.at


def halves(x):
    middle = x.shape[0] // 2
    return (x[:middle], x[middle:]) if x[0] > 0 else None


@case(*RUNS)
def optional_pair(x):
    parts = halves(x)
    if not (parts is None):
        left, right = parts
        return left * right[0]
    return x


@case(*RUNS)
def optional_list_item(x):
    kept = [x.sum()] if x[0] > 0 else None
    if kept is None:
        return x
    return kept[0] + len(kept)


@case(*RUNS)
def flag_of_what_was_made(x):
    has_mask = False
    mask = None
    if x[0] > 0:
        mask = x > 0
        has_mask = True
    y = x * 2
    if has_mask:
        y = torch.where(mask, y, -y)
    return y


@case(*RUNS)
def one_of_two_flags(x):
    low, high = None, None
    if x[0] > 0:
        low = x[0]
    if x[1] > 0:
        high = x[1]
    if low is not None or high is not None:
        if low is None:
            return high
        if high is None:
            return low
        return low + high
    return x.sum()


@case(*RUNS, unreached=1)
def optional_in_a_loop_on_data(x):
    last, i = None, torch.tensor(0)
    while i < x.shape[0] and x[i] != 3:
        if x[i] > 0:
            last = x[i]
        i = i + 1
    if last is None:
        return x.sum()
    return last * i


@case(*XS)
def finally_of_the_path_that_returns(x):
    found = x[0] > 0
    value = x * 2 if found else None
    seen = torch.zeros(3)
    try:
        if found:
            return x.sum(), seen
        x = x - 1
    finally:
        if value is None:
            seen.add_(1)
        else:
            seen.add_(value)
    return x.sum(), seen


# Lists of segments ---------------------------------------------------------------------------------------------------


SPEECH = vectors(
    (0.9, 0.9, 0.1, 0.1, 0.9, 0.1),
    (0.1, 0.1, 0.1, 0.1, 0.1, 0.1),
    (0.6, 0.9, 0.9, 0.1, 0.1, 0.4),
    (0.6, 0.1, 0.4, 0.1, 0.1, 0.9),
    (0.9, 0.9, 0.9, 0.1, 0.1, 0.1),
    *((*map(float, f"{i:06b}"),) for i in range(64)),
)


@case(*SPEECH, unreached=1)
def speech_segments(p):
    on, start, quiet, out = False, 0, 0, []
    for i in range(6):
        if p[i] >= 0.5 and quiet:
            quiet = 0
        if p[i] >= 0.5 and not on:
            on, start = True, i
            continue
        if p[i] < 0.35 and on:
            if not quiet:
                quiet = i
            if i - quiet + 1 < 2:
                continue
            if quiet - start >= 2:
                out.append(torch.tensor([start, quiet]))
            on, quiet = False, 0
    return out


@case(*RUNS)
def lengths_of_runs(x):
    lengths, run = [], 0
    for i in range(6):
        if x[i] > 0:
            run = run + 1
        elif run > 0:
            lengths.append(run)
            run = 0
    if run > 0:
        lengths.append(run)
    return lengths


@case(*RUNS)
def kept_pairs(x):
    kept = []
    for i in range(5):
        if x[i] > 0 and x[i + 1] > 0:
            kept.append((i, x[i] * x[i + 1]))
    return kept


@case(*RUNS)
def stacked_rises(x):
    rises = [x[:1]]
    for i in range(1, 6):
        if x[i] > x[i - 1]:
            rises.append(x[i : i + 1])
    return torch.cat(rises)


@case(*RUNS, unreached=2)
def rises_of_several_lengths(x):
    parts = []
    for i in range(1, 3):
        if x[i] > x[i - 1]:
            parts.append(x[i - 1 : i + 1])
        if x[i] > 2:
            parts.append(x[i].reshape(1))
    return torch.cat([x[:1], *parts])


@case(*RUNS, unreached=3)
def list_that_shrinks(x):
    stack = []
    for i in range(3):
        if x[i] > 0:
            stack.append(x[i])
        elif len(stack) > 0:
            stack.pop()
    return len(stack)


@case(*RUNS)
def two_lists(x):
    up, down = [], []
    for i in range(5):
        if x[i] > 0:
            up.append(x[i])
        else:
            down.append(x[i] * 2)
    return up, down


# Paths on which torch raises -----------------------------------------------------------------------------------------


SIX = [(x.float(),) for (x,) in RUNS]


@case(*SIX)
def stack_of_nothing(x):
    kept = []
    for i in range(4):
        if x[i] > 0:
            kept.append(x[i])
    return torch.stack(kept).sum()


@case(*SIX)
def cat_of_nothing(x):
    parts = []
    if x[0] > 0:
        parts.append(x[:2])
    if x[1] > 0:
        parts.append(x[2:])
    return torch.cat(parts)


@case(*SIX)
def sizes_that_do_not_fit(x):
    part = x[:2] if x[0] > 0 else x
    return part + torch.ones(2)


@case(*SIX, tolerance=1e-6)
def products_that_do_not_fit(x):
    part = x[:2] if x[0] > 0 else x
    return part @ torch.ones(6)


@case(*SIX)
def dimension_out_of_range(x):
    table = x.view(2, 3) if x[0] > 0 else x
    return table.transpose(0, 1)


@case(*SIX)
def view_of_another_size(x):
    part = x[:4] if x[0] > 0 else x[:3]
    return part.view(2, 2)


@case(*SIX)
def image_smaller_than_its_kernel(x):
    image = (x[:2] if x[0] > 0 else x).reshape(1, 1, -1)
    return torch.nn.functional.conv1d(image, torch.ones(1, 1, 3))


@case(*SIX)
def ranks_that_do_not_fit(x):
    other = x.view(2, 3)[:1] if x[0] > 0 else x[:3]
    return torch.cat((x, other))


@case(*SIX)
def raises_in_a_helper_under_two_conditions(x):
    def halves(y):
        return y.view(2, -1)

    if x[0] > 0:
        if x[1] > 0:
            return halves(x[:5])
        return halves(x[:4])
    return halves(x)


@case(*SIX)
def raises_and_is_caught(x):
    kept = [x[0]] if x[0] > 0 else []
    try:
        return torch.stack(kept)
    except RuntimeError:
        return x * 2
    finally:
        x = x + 1


# Lists that grow, behind another exit --------------------------------------------------------------------------------


def positions_above(x, bound):
    if x.max() <= bound:
        return torch.empty(0, dtype=torch.long)
    kept, i = [], torch.tensor(0)
    while i < x.shape[0]:
        if x[i] > bound:
            kept.append(i)
        i = i + 1
    return torch.stack(kept)


@case(*RUNS, unreached=2)
def first_two_positions(x):
    return positions_above(x, 0)[:2]


@case(*RUNS, unreached=2)
def items_at_positions(x):
    at = positions_above(x, 1)
    return x[at] * 2, at.shape[0]


def kept_apart(x, distance):
    order = x.argsort(descending=True)
    if x.max() < 1:
        return torch.empty(0, dtype=torch.long)
    keep = []
    while order.numel() > 0:
        first = order[0]
        keep.append(first)
        if order.numel() == 1:
            break
        rest = order[1:]
        order = rest[(x[rest] - x[first]).abs() > distance]
    return torch.stack(keep)


APART = vectors(
    (1.5, 2.25, -1.125, -1.75, 3.5, -2.5),
    (0.5, 0.25, -1, -2, -3, -4),
    (9, 8.5, 8.25, 8.125, 8, 7.75),
    (1.5, 3, 5, 7, 9, 11),
)


@case(*APART, unreached=3)
def suppressed(x):
    return x[kept_apart(x, 1.0)[:3]]


TOKENS = vectors((1, 2, 3, 1, 2), (3, 3, 3, 1, 3), (1, 2, 1, 2, 2), (1, 1, 2, 2, 1))


@case(*TOKENS, unreached=3)
def merged_pairs(ids):
    merged = True
    while merged:
        out, i, merged = [], 0, False
        while i < len(ids):
            if i + 1 < len(ids) and ids[i] == 1 and ids[i + 1] == 2:
                out.append(torch.tensor(1))
                i = i + 2
                merged = True
            else:
                out.append(ids[i])
                i = i + 1
        ids = torch.stack(out)
    return ids


# Shapes that the elements may not fit --------------------------------------------------------------------------------


@case(*SIX)
def rows_of_what_is_kept(x):
    return x[x > 0].view(3, -1) * 2


@case(*SIX)
def table_of_what_is_kept(x):
    return x[x > 0].reshape(2, 2).sum(0)


@case(*SIX)
def pairs_of_what_is_kept(x):
    kept = x[x > 0]
    try:
        return torch.reshape(kept, (-1, 2)).sum(1)
    except RuntimeError:
        return kept


@case(*SIX)
def rows_are_whole(x):
    """Three columns stay three: nothing can fail here."""
    table = x.view(2, 3) if x[0] > 0 else x.view(2, 3) * 2
    return table[table[:, 0] > 0].view(-1, 3).sum(0)


# What looks like a flag, and is none ---------------------------------------------------------------------------------


FOUR = vectors(
    (1.0, 2, 3, 4),
    (-1.0, 2, 3, 4),
    (1.0, -2, 3, 4),
    (2.0, -2, -3, 0.1),
    (-2.0, -2, -1, -1),
    (2.0, 2, 2, -1),
    (-1.0, 200, 3, 4),
)


@case(*FOUR)
def truth_of_ints(x):
    state, value = (torch.full((), 2), None) if x[0] > 0 else (torch.full((), 0), x)
    if torch.logical_or(state, x[1] > 100):
        return x + 1 if value is None else value * 2
    return x + 5


@case(*FOUR)
def truth_of_floats(x):
    half = x[0] / 2
    ok, value = (True, x) if half == 1 else (False, None)
    if torch.logical_and(half, x[1] > 0):
        return x - 1 if value is None else value * 100
    return x + 5 if not ok else x


@case(*FOUR)
def bool_of_another_number(x):
    flag = torch.full((), 2, dtype=torch.bool)
    flag = flag if x[0] > 0 else (x[1] > 0)
    value = None if x[1] > 0 else x
    if flag:
        return x + 1 if value is None else value * 2
    return x - 1


@case(*FOUR)
def size_on_one_side(x):
    y = x[x > 0]
    if y.sum() < 0.5:
        found, n = False, None
    else:
        found, n = True, y[y > 1].shape[0]
    if found:
        return x.sum() + n
    return x.sum()


@case(*FOUR)
def size_or_zero(x):
    z, n = None, 0
    if x[0] > 0:
        z = x[x > 1]
        n = z.shape[0]
    if z is not None:
        return x.sum() + n
    return x.sum() - n


@case(*FOUR)
def helper_gives_sizes(x):
    def kept(y):
        if y.sum() < 0.5:
            return False, None, y.shape[0]
        z = y[y > 1]
        return True, z, z.shape[0]

    found, z, n = kept(x[x > 0])
    if found:
        return z.sum() + n
    return x.sum() - n


@case(*FOUR, unreached=2)
def flag_of_many_flags(x):
    f = x[0] > -100
    for i in range(20):
        if f:
            f = f and (x[i % 4] > -i / 4 - 1)
    return x * 2 if f else x


@case(*FOUR)
def reshaped_by_keywords(x):
    y = torch.reshape(input=x, shape=(2, -1))
    return y * 2 if x[0] > 0 else y


@case(*FOUR)
def helper_with_two_exits(x):
    def kept(y):
        if y.sum() < 0.5:
            return False, None
        if y.shape[0] == 3:
            return False, None
        return True, y[y > 1]

    found, z = kept(x[x > 0])
    if found:
        return z.sum()
    return x.sum()
