# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Functions with sizes that are not known at compile time: declared dynamic, or depending on data."""

# ruff: noqa: B008, B905, RUF005, UP031, UP032 (written as users write it)
from __future__ import annotations

import torch
import torch.nn.functional as F
from frontend_cases import case
from torch import nn
from torch.export import Dim

BATCH, TIME = Dim("batch"), Dim("time", max=64)


def _rows(*shape: int, mean: float = 0.0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(sum(shape))
    return torch.randn(*shape, generator=generator) + mean


def _both(*shape: int) -> list[tuple[torch.Tensor]]:
    """Inputs of a shape on both sides of most conditions."""
    return [(_rows(*shape, mean=2.0),), (_rows(*shape, mean=-2.0),)]


WEIGHT = _rows(3, 4)

# Declared sizes ------------------------------------------------------------------------------------------------------


@case(*_both(3, 4), *_both(1, 4), *_both(7, 4), dynamic=({0: BATCH},))
def batch_of_any_size(x):
    if x.mean() > 0:
        return F.linear(x, WEIGHT).relu()
    return F.linear(x, WEIGHT * 2) + 1


@case((_rows(3, 4),), (_rows(1, 4),), (_rows(2, 4),), (_rows(9, 4),), dynamic=({0: BATCH},))
def condition_on_a_size(x):
    n = x.shape[0]
    if n > 2 and n % 3 == 0:
        return x.sum(0), n
    return x.sum(0) * 10, n * 2


@case(*_both(3, 4), *_both(1, 4), *_both(6, 4), dynamic=({0: BATCH},))
def size_in_arithmetic(x):
    n, width = x.shape
    y = x.reshape(n * 2, width // 2)
    if x.sum() / n > 0:
        y = y[:n]
    return y.sum() / y.size(0), len(x) + 1, n * 0.5, n / 4


@case(*_both(3, 4), *_both(1, 4), *_both(7, 4), dynamic=({0: BATCH},))
def loop_over_rows(x):
    total = torch.zeros(4)
    for row in x:
        if row.sum() > 0:
            total = total + row
        else:
            total = total - 2 * row
    return total


@case(*_both(3, 4), *_both(1, 4), *_both(5, 4), dynamic=({0: BATCH},), unreached=1)
def loop_over_enumerated_rows(x):
    best, where = torch.full((), -100.0), -1
    for i, row in enumerate(x):
        if row.max() > best:
            best, where = row.max(), i
    return best, where


@case(
    *[(a, b) for (a,), (b,) in zip(_both(3, 4), _both(3, 2), strict=True)],
    (_rows(5, 4), _rows(5, 2)),
    (_rows(1, 4), _rows(1, 2)),
    dynamic={"x": {0: BATCH}, "y": {0: BATCH}},
    unreached=1,
)
def loop_over_rows_of_two(x, y):
    total = torch.zeros(4)
    for a, b in zip(x, y):
        if b.sum() > 0:
            total = total + a * b[0]
    for i in reversed(range(x.shape[0])):
        total = total * 0.5 + y[i, 1]
    return total


@case(*_both(3, 4), *_both(2, 4), dynamic=({0: BATCH},), unreached=1)
def assertion_on_a_size(x):
    assert x.shape[0] % 2 == 1, "an odd batch"
    return x * 2


@case(*_both(2, 3, 8), *_both(1, 1, 8), *_both(2, 7, 8), dynamic=({0: BATCH, 1: TIME},), tolerance=1e-5)
def attention_over_any_length(x, attention=nn.MultiheadAttention(8, 2, batch_first=True).eval()):
    y, _ = attention(x, x, x)
    if y.sum() > x.sum():
        y = y + x
    return y.mean(1)


@case(*_both(3, 5, 4), *_both(1, 5, 4), *_both(6, 5, 4), dynamic=({0: Dim.DYNAMIC},), tolerance=1e-5)
def recurrent_net_on_any_batch(x, cell=nn.GRU(4, 6, batch_first=True).eval()):
    y, h = cell(x)
    if x.mean() > 0:
        return y[:, -1]
    return h[0] * 2


@case(*_both(2, 3, 8, 8), *_both(1, 3, 8, 8), *_both(5, 3, 8, 8), dynamic=({0: BATCH},))
def convolution_on_any_batch(
    x, net=nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2)).eval()
):
    y = net(x)
    if x.mean() > 0:
        y = F.adaptive_avg_pool2d(y, 1)
    return y.flatten(1).sum(1)


@case(*_both(6, 4), *_both(2, 4), dynamic=({0: 2 * BATCH},))
def derived_size(x):
    y = x.reshape(-1, 2, 4).sum(1)
    if x.mean() > 0:
        y = y * 2
    return y


@case(*_both(3, 4), *_both(1, 4), dynamic=({0: BATCH},))
def size_of_one(x):
    """A size of 1 broadcasts, and is squeezed away: it must be told apart."""
    if x.shape[0] == 1:
        y = x * 100
    else:
        y = x.sum(0, keepdim=True)
    if x.mean() > 0:
        y = y + x
    return y


# Sizes that depend on data -------------------------------------------------------------------------------------------

X = torch.tensor([1.0, -2.0, 3.0, 0.5, -0.25])
POSITIVE, NEGATIVE = X.abs(), -X.abs()


@case((X,), (POSITIVE,), (NEGATIVE,), unreached=1)
def sides_of_other_sizes(x):
    if x.sum() > 0:
        y = x[:3]
    else:
        y = torch.cat([x, x])
    z = y * 2
    if y.shape[0] > 4:
        z = z + 1
    return z, z.sum()


@case((X,), (POSITIVE,), (NEGATIVE,))
def rows_chosen_by_a_mask(x):
    y = x[x > 0]
    if y.shape[0] > 2:
        return y * 2
    return y + torch.ones(len(y))


@case((X,), (POSITIVE,), (NEGATIVE,))
def rows_written_by_a_mask(x):
    y = x.clone()
    if x.sum() > 0:
        y[y < 1] = y[y < 1] * 10
    else:
        y[y < 1] = -5.0
    return y


@case((X,), (POSITIVE,), (NEGATIVE,))
def positions_of_a_mask(x):
    rows = torch.nonzero(x > 0)[:, 0]
    total = torch.zeros(())
    for i in rows:
        total = total * 0.5 + x[i]
    return total, rows


COUNTS = [(X, torch.tensor(n)) for n in (2, 0, 5, 9, -2, -9)]


@case(*COUNTS)
def slice_up_to_a_number(x, n):
    head, tail = x[: n.item()], x[n.item() :]
    if n > 1:
        return head * 2, tail
    return head, tail + 1


@case(*COUNTS)
def slice_between_numbers(x, n):
    i = int(n)
    middle = x[i : i + 2]
    if x[1:i].shape[0] == 0:
        return middle
    return torch.cat([middle, x[-i:]])


@case(*COUNTS)
def slice_that_is_written(x, n):
    y = x.clone()
    y[: int(n)] = 7.0
    if n > 1:
        y[int(n) :] *= 2
    return y


@case(*COUNTS, unreached=4)  # that a size is negative
def tensors_made_of_a_number(x, n):
    k = max(int(n), 0)
    if k == 0:
        return torch.zeros(k + 1, 2)
    return torch.ones(k, 2) * torch.arange(k)[:, None] + torch.full((2,), 0.5)


@case(*COUNTS)
def padding_of_a_number(x, n):
    k = min(max(n.item(), 0), 4)
    y = F.pad(x, (k, 1))
    if n > 2:
        y = y[1:]
    return y, y.shape[0]


@case(*((torch.arange(6.0), torch.tensor(n)) for n in (3, 5, 6, 2)), unreached=1)
def padding_that_cuts_off(x, n):
    """There always is what is cut off."""
    n = n.clamp(2, 6)
    y = x[:n]
    if n > 4:
        y = y + 1
    shifted = F.pad(y == 1, (1, -1)), F.pad(y, (-2, 3)), F.pad(x.reshape(2, 3), (1, -2, -1, 2), value=7.0)
    return *shifted, F.pad(x, (n.item() - 4, 1))


# Growing in loops ----------------------------------------------------------------------------------------------------

TRIPS = [(torch.tensor(n),) for n in (2, 0, 1, 5)]


@case(*TRIPS)
def tensor_that_grows(n):
    y = torch.zeros(1, 2)
    i = 0
    while i < n:
        y = torch.cat([y, torch.ones(1, 2) * i])
        i += 1
    return y, y.sum()


@case(*[(_rows(1, 4), *n) for n in TRIPS])
def cache_of_keys_and_values(x, n):
    keys, values, out = x, x * 2, x
    i = 0
    while i < n:
        keys = torch.cat([keys, out + 1])
        values = torch.cat([values, out * 0.5])
        out = torch.softmax(out @ keys.T, -1) @ values + x
        if out.sum() > 50:
            break
        i += 1
    return out, keys


@case(*[(X, *n) for n in TRIPS])
def tensor_that_shrinks(x, n):
    y = x
    while n > 0 and y.shape[0] > 1:
        y = y[1:] if y.sum() > 0 else y[:-1]
        n = n - 1
    return y


@case((_rows(6, 3, mean=1.0),), (_rows(6, 3),), (_rows(6, 3, mean=-3.0),))
def batch_that_shrinks(x):
    """Rows leave when they are done, as in FastBERT."""
    steps = 0
    while x.shape[0] > 0 and steps < 6:
        x = x[x.sum(1) > 0] - 0.7
        steps += 1
    return x.shape[0], steps


# Lists that grow in loops --------------------------------------------------------------------------------------------


@case(*TRIPS, unreached=1)
def list_that_is_stacked(n):
    out = [torch.zeros(2)]
    i = 0
    while i < n:
        out.append(torch.ones(2) * i)
        i += 1
    return torch.stack(out), len(out)


@case(*[(_rows(1, 4), *n) for n in TRIPS], unreached=1)
def tokens_until_the_end(x, n):
    """A greedy decoder: the list that it returns is as long as the loop runs."""
    tokens = []
    h = x
    for _ in range(6):
        h = torch.tanh(h @ torch.eye(4)) + 0.5
        token = int(h.argmax()) + len(tokens)
        tokens.append(token)
        if token >= n:
            break
    return tokens, h


@case(*TRIPS, unreached=2)  # that it is empty, once more
def list_that_may_stay_empty(n):
    out = []
    for i in range(int(n)):
        if i % 2 == 0:
            out.append(torch.full((1, 2), float(i)))
    if len(out) == 0:
        return torch.zeros(1, 2)
    return torch.cat(out)


@case(*TRIPS, unreached=2)  # that there is no last item
def list_of_pairs_in_nested_loops(n):
    pairs = []
    i = 0
    while i < n:
        j = 0
        while j < i:
            pairs.append((torch.ones(3) * j, i * 10 + j))
            j += 1
        i += 1
    total = torch.zeros(3)
    for row, number in pairs:
        total = total * 0.5 + row * number
    if pairs:
        total = total + pairs[-1][0]
    return total, pairs


@case(*TRIPS, unreached=3)  # that there is no such item
def list_that_is_indexed(n):
    out = [torch.tensor([1.0, 2.0]), torch.tensor([3.0, 4.0])]
    while n > 0:
        out.append(out[-1] + out[-2])
        n = n - 1
    return out[-1], out[0], out[1:]


@case(*TRIPS)
def list_that_is_made_anew(n):
    numbers = []
    i = 0
    while i < n:
        numbers = numbers + [i * i]
        i += 1
    return torch.tensor(numbers, dtype=torch.float32).sum(), numbers


@case(*TRIPS, unreached=1)  # that it is empty
def list_that_is_filled_up(n):
    out = []
    while n > 0:
        out.append(torch.ones(2) * n)
        n = n - 1
    if len(out) < 2:
        out.append(torch.zeros(2))
    return torch.stack(out, 1)


# As many places as the data say, also none; -1.0 only, 1.0 only, both.
PLACES = tuple((torch.tensor(signs),) for signs in ([-1.0] * 4, [1.0] * 4, [1.0, -1, -1, 1], [-1.0, -1, 2, -1]))


@case(*PLACES)
def rows_that_may_be_none_are_written(x):
    rows = torch.where(x > 0)[0]
    y = torch.ones(4, 3)
    y[rows] = torch.arange(12.0).reshape(4, 3)[rows]
    y[rows - 4, 1:] += x[rows, None]
    y[:, rows.clamp(max=2)] *= 2
    if x.sum() > 0:
        y[rows] = 7
    return y


@case(*PLACES)
def as_many_pairs_of_places_as_data_say(x):
    table = x[:, None] * torch.arange(1.0, 4)
    row, column = torch.where(table > 1)
    y = torch.ones(4, 3)
    y[row, column] += table[row, column]
    y[row - 4, -1 - column] *= 2
    stacked = torch.ones(2, 4, 3)
    stacked[column // 2, :, column] = table[:, column].T
    if row.numel() == 0:
        return y, stacked, stacked[:, row, column]
    return y * 2, stacked[column // 2, :, column], stacked[:, row, column]


RUNS = tuple(
    (torch.tensor(rows),) for rows in ([[1.0, 2, 2], [2, -3, 1]], [[0.0] * 3, [0, 0, -1]], [[3.0] * 3, [1, 1, -1]])
)


@case(*RUNS)
def runs_of_equal_elements(x):
    found, inverse, counts = torch.unique_consecutive(x, return_inverse=True, return_counts=True)
    if torch.unique_consecutive((x > 0).sum(1)).numel() != 1:
        found = found * 2
    return found, inverse, counts


@case(*RUNS, (torch.full((2, 3), -1.0),))
def runs_of_as_many_elements_as_data_say(x):
    positive, counts = torch.unique_consecutive(x[x > 0], return_counts=True)
    if positive.numel() == 0:
        return positive, counts
    return positive * 2, counts


def _written_after_a_mask(x, write):
    """What was masked is written over before the size of the mask is known to IREE's host."""
    y = x * 2 if x[0] > 0 else x + 1
    before = y[y > 0]
    return before, write(y)


@case(*PLACES)
def sorted_after_a_mask(x):
    def write(y):
        ordered = y.sort()[0]
        return ordered[ordered > 1]

    return _written_after_a_mask(x, write)


@case(*PLACES)
def slice_written_after_a_mask(x):
    def write(y):
        changed = y.clone()
        changed[1:3] = 7
        return changed[changed > 1], y.sum()

    return _written_after_a_mask(x, write)


@case(*PLACES)
def places_written_after_a_mask_of_a_view(x):
    def write(y):
        changed = y.reshape(2, 2).clone()
        changed[torch.tensor([0, 1]), torch.tensor([1, 0])] = -9
        return changed[changed < 1], y.reshape(-1)[y < 0]

    return _written_after_a_mask(x, write)


@case((torch.ones(3),), (torch.ones(3) * 5,), (torch.tensor([0.0, 1.0, 2.0]),))
def growing_size_is_at_least_the_first(x):
    y, large = x, torch.zeros(2, dtype=torch.bool)
    while y.sum() < 12 and y.shape[0] < 8:
        steps = torch.diff(y, prepend=y[:1] - 1)  # which asks whether there is an element
        y = torch.cat([y, steps[-1:] + y[-1:]])
        large = large | torch.full((2,), y.shape[0] > 4, dtype=torch.bool)
    return y, large, torch.full((1,), y.shape[0] / 2)


@case(
    (torch.ones(3),),
    (torch.ones(3) * 5,),
    (torch.tensor([-1.0, 3.0, 2.0]),),
    (torch.tensor([-1.0, -3.0, 2.0]),),
    unreached=2,
)
def shrinking_size_gets_to_zero(x):
    y, grown = x, x
    while y.sum() > 1:
        y = y[1:]
        grown = torch.cat([grown, y])
    if y.shape[0] > 0:
        return y[-1], grown
    return x.sum() * 100, grown


@case((torch.ones(4),), (torch.ones(4) * 5,), (torch.tensor([2.0, -9.0, 1.0, 1.0]),))
def size_that_grows_or_shrinks(x):
    y = x
    for _ in range(3):
        y = y[2:] if y.sum() > 2 else torch.cat([y, y])
    n = 0
    while y.shape[0] > 0 and n < 2:
        y = y[:-1] if y.sum() > 0 else torch.cat([y, -y - 1])  # no sum that is zero but for rounding
        n += 1
    return y, y.shape[0]


# Repeating, rotating, writing by sizes and counts ---------------------------------------------------------------------

A_FEW = Dim("count", min=1, max=9)


@case(*_both(3, 2), *_both(1, 2), *_both(4, 2), dynamic=({0: A_FEW},))
def repeated_by_its_own_size(x):
    n = x.shape[0]
    if x.sum() > 0:
        x = x * 3
    return x.repeat(n, 1), x.repeat(2, n, 3), x.tile((n, 1)), torch.tile(x, (2,)), x[None].repeat(n, 1, n)


@case((_rows(3, 2), torch.tensor(2)), (_rows(3, 2), torch.tensor(0)), (_rows(3, 2), torch.tensor(5)), unreached=1)
def repeated_by_data(x, count):
    count = count.abs() % 7
    n = int(count)
    if n > 1:
        x = x * 3
    return x.repeat(n, 1), x.repeat_interleave(n, dim=1), x.repeat_interleave(count), torch.tile(x, (1, n))


@case(
    (_rows(3, 2), torch.tensor([1, 0, 3])),
    (_rows(3, 2), torch.tensor([0, 0, 0])),
    (_rows(3, 2), torch.tensor([2, 5, 1])),
    (_rows(3, 2), torch.tensor([2, -1, 1])),
    unreached=2,  # The first of the three to refuse a negative count ends the call.
)
def rows_repeated_by_data(x, repeats):
    return (
        torch.repeat_interleave(x, repeats, dim=0),
        torch.repeat_interleave(repeats),
        x.T.repeat_interleave(repeats, 1),
    )


@case(*_both(3, 2), *_both(1, 2), *_both(5, 2), dynamic=({0: A_FEW},))
def rotated_by_its_own_size(x):
    n = x.shape[0]
    if x.sum() > 0:
        x = x * 3
    return x.roll(n - 1, 0), x.roll((1, n), (0, 1)), x.roll(n + 2), x.roll(-7, 0), x.roll((2, 3), (1, 1))


@case((_rows(3, 2), torch.tensor(1)), (_rows(3, 2), torch.tensor(-4)), (_rows(3, 2), torch.tensor(7)))
def rotated_by_data(x, count):
    n = int(count)
    if n > 1:
        x = x * 3
    return x.roll(n, 0), x.roll((1, n), (0, 1)), x.roll(n), torch.roll(x, (n, n), (0, 0))


@case(
    (torch.tensor([3, 1, 0, 2, 1]),),
    (torch.tensor([0]),),
    (torch.tensor([5, 5, 5]),),
    (torch.tensor([2, 0, 2, 0, 2, 0, 1]),),
    dynamic=({0: A_FEW},),
)
def distinct_of_any_number(x):
    if x.sum() > 6:
        x = x - 1
    values = x.sort().values
    changes = torch.cat([values.new_zeros((1,)), values]).narrow(0, 0, x.shape[0]) != values
    return torch.unique(x), torch.unique(x > 1), values[changes], changes.nonzero()


@case(
    (torch.tensor([3, 1, 0, 2, 1]), torch.tensor([0, 2]), torch.tensor([1, 2])),
    (torch.tensor([1, 4, 2]), torch.tensor([1, 0]), torch.tensor([1, 1])),
    dynamic=({0: Dim("length", min=3, max=9)}, None, None),
)
def written_three_times_over_the_same(x, first, second):
    if x[0] > 2:
        x = x - 1
    first, second = first % 3, second % 3
    zeros = torch.zeros_like(x)
    a = zeros.scatter_add(0, first, x[:2] * 3)
    b = zeros.scatter_add(0, second, a[:2])
    flags = (x > 9).scatter(0, first, True), (x > 9).scatter(0, second, True)
    return zeros.scatter_add(0, second, b[:2]), a, flags, zeros


@case(*_both(3, 2), *_both(1, 2), *_both(7, 2), dynamic=({0: A_FEW},))
def scattered_from_what_is_computed(x):
    places = torch.arange(x.shape[0]) % 3
    if x.sum() > 0:
        x = x * 2
    sums = torch.zeros(3, 2).index_add(0, places, (x * 8).round())
    large = torch.zeros(4, 64).index_add(0, torch.arange(3000) % 4, torch.arange(192000.0).reshape(3000, 64) % 7)
    counts = torch.bincount((x[:, 0] * 3).long().abs() % 5, minlength=4)
    return sums, large + x.sum(), counts, torch.zeros(5, 2).scatter(0, places[:, None].expand_as(x) + 1, x - 1)


@case(*_both(4, 2), *_both(3, 2), *_both(7, 2), dynamic=({0: A_FEW},))
def taken_from_its_own_size(x):
    n = x.shape[0]
    if x.sum() > 0:
        x = x * 2
    return n - x, n - torch.arange(4), 2 * n - (x > 0).int(), torch.rsub(x, n, alpha=2), (n + 1) / (x.abs() + 1)


@case((torch.tensor([1, 0, 3]),), (torch.tensor([0, 2, 5]),))
def shifted(x):
    if x[0] > 0:
        x = x + 1
    narrow = x.to(torch.int8) << 3, x.to(torch.uint8) >> 1, x.to(torch.int32) << x.to(torch.int32)
    return narrow, torch.arange(5) << int(x[0]), 9 >> x, 1 << x, x >> x[0], x >> 1


TABLE = torch.arange(12.0).reshape(4, 3)


@case((torch.tensor([1, 2, 3]),), (torch.tensor([0, -1, 2]),), (torch.tensor([2, 0, 1]),))
def picked_by_lists_of_numbers(x):
    first, second = int(x[0]) % 3, int(x[1]) % 3
    if first > 0:
        x = x * 2
    y = TABLE * x.sum()
    y[[second, 0]] = 5.0
    y[[first], 1] += 1
    return (
        y[[first, second]],
        y[[[first, 1], [second, 0]], [0, 2]],
        y[[first > 0, True, second > 1, False]],
        y[[first + 0.75, 1]],
        x,
    )


@case(*_both(3), *_both(3))
def made_like_what_is_outside(x):
    total = torch.zeros_like(TABLE[0])
    total += x
    if x.sum() > 0:
        total[1] = 7
    other = TABLE.new_ones(3)
    other.mul_(x)
    return total, other, TABLE


@case(*_both(4), *_both(4))
def without_elements(x):
    none = x[:0]
    if x.sum() > 0:
        none = none.reshape(3, -1, 2)
        return none, none.view(2, 0, 3) + 1, x.reshape(2, 2)
    return none.view(2, 1, -1), none[None].expand(3, 0).sum(), none.reshape(0, 5).sum(0)


NUMBERS = (
    (torch.tensor([1, 2, 2, 5]),),
    (torch.tensor([0, 0, 0, 0]),),
    (torch.tensor([9, 8, 7, 1]),),
    (torch.tensor([3, 0, 3, 2]),),
)


@case(*NUMBERS, unreached=1)  # a stack of nothing
def numbers_of_a_selection(x):
    total, pairs, kept = 0, 0, []
    for v in torch.unique(x).tolist():
        total = total + v
    for i, j in (x > 1).nonzero().repeat(1, 2).tolist():
        pairs = pairs + i * (j + 1)
    for v in x[x > 0].tolist():
        if v > 2:
            kept.append(x[0] * v)
    return x * total + pairs, torch.stack(kept) if kept else x


@case(*NUMBERS, unreached=2)  # items that there are not
def items_of_numbers_of_a_selection(x):
    values, parts = torch.unique(x).tolist(), (x[x > 1] / 4).tolist()
    last = values[-1] if len(values) > 2 else len(values)
    return x * last, x + parts[0] if parts else x, len(parts)


@case(*NUMBERS)
def longer_of_two_selections(x):
    if x[0] > 2:
        x = x - 1
    many, few, none = x[x > 0], x[x > 2], x[x < 0]
    length = max(many.shape[0], none.shape[0], 1)
    return torch.zeros(length) + 1, torch.ones(min(len(many), len(few) + 1, 3)), F.pad(few, (0, length - len(few)))


@case(*_both(3), *_both(1), *_both(7), dynamic=({0: A_FEW},))
def longer_of_size_and_number(x):
    n = x.shape[0]
    if x.sum() > 0:
        x = x * 2
    return x, torch.zeros(max(n, 4)), torch.ones(min(n, 4, 2 * n - 1)), max(n, 2.5)


@case(*NUMBERS)
def totals_of_a_selection(x):
    if x[0] > 2:
        x = x - 1
    total = sum(x[x > 1].tolist(), 5) + sum((x > 1)[x > 0].tolist())
    return x * total, sum((x[x > 2] / 4).tolist())


@case(*NUMBERS, (torch.tensor([-1, -2, 0, -1]),), unreached=1)  # The second is never the first to find none.
def extremes_of_a_selection(x):
    chosen = x[x > -1].tolist()
    return x * max(chosen) - min(chosen)


@case(*_both(3), *_both(1), *_both(7), dynamic=({0: A_FEW},))
def sizes_in_a_message(x):
    if x.sum() > 0:
        raise ValueError(f"{x.shape[0]:3d} of {x.shape}, {tuple(x.shape)} {list(x.shape)!r} " + "%d, %s" % (len(x), 2))
    if x[0] > -1:
        raise ValueError("{} and {!r}".format(x.shape, x.shape[0]), x.shape[0], str(x.size(0)) + repr(x.shape))
    return x


@case(*NUMBERS)
def sizes_of_data_in_a_message(x):
    chosen = x[x > 0]
    if x[0] > 1:
        raise ValueError(f"{chosen.shape} {len(chosen)} {(len(chosen),)}", chosen.shape[0])
    return chosen


# Nothing selected ----------------------------------------------------------------------------------------------------

_NONE, _ONE = -_rows(4, 3).abs() - 1, _rows(4, 3)
_ONE[:, 0] = torch.tensor([-1.0, -1.0, 2.0, -1.0])
SELECTED = [(_NONE,), (_ONE,), (_rows(5, 3).abs()[:4] + 0.1,)]


@case(*SELECTED)
def mean_of_what_may_be_none(x):
    y = x[x[:, 0] > 0]
    if x.mean() > 0:
        return y.mean(), y.mean(0), y.sum(0), y.prod(0)
    return y.mean() + 1, y.mean(1).sum(), y.sum(0) * 2, y.prod(0)


@case(*SELECTED, tolerance=1e-6)
def variance_of_what_may_be_none(x):
    y = x[x[:, 0] > 0]
    if x.mean() > 0:
        return y.var(0), torch.std(y), y.var(dim=0, correction=0), torch.var(y, 1)
    return y.std(0), torch.var(y), y.std(dim=0, correction=0), torch.std(y, 1)


@case(*SELECTED)
def maximum_of_what_may_be_none(x):
    return x[x[:, 0] > 0].max()


@case(*SELECTED)
def maxima_of_what_may_be_none(x):
    return x[x[:, 0] > 0].amax(0)


@case(*SELECTED)
def maxima_and_places_of_what_may_be_none(x):
    found = torch.max(x[x[:, 0] > 0], dim=0)
    return found.values, found.indices


@case(*SELECTED)
def place_in_what_may_be_none(x):
    return x[x[:, 0] > 0].argmax(0)


@case(*SELECTED)
def minimum_of_each_row_of_none(x):
    y = x[x[:, 0] > 0]
    if x.mean() > 0:
        return y.min(dim=1).values, y.argmin(dim=1), y.amax(-1, keepdim=True)
    return y.max(dim=1).values, y.argmax(dim=1), y.amin(-1, keepdim=True)


@case(*SELECTED)
def first_of_what_may_be_none(x):
    return x[x[:, 0] > 0][0]


@case(*SELECTED)
def last_of_what_may_be_none(x):
    y = x[x[:, 0] > 0]
    return y[-1, 2] * 2


@case(*SELECTED)
def second_of_few(x):
    return x[x[:, 0] > 0][1]


@case(*SELECTED)
def caught_where_there_is_none(x):
    try:
        return x[x[:, 0] > 0].max()
    except RuntimeError:
        return torch.tensor(-1.0)


@case(*SELECTED)
def order_of_what_may_be_none(x):
    y = x[x[:, 0] > 0]
    if x.mean() > 0:
        return y.sort(0).values, y.logsumexp(0), y.cumsum(0)
    return y.sort(0, descending=True).values, y.logsumexp(1), y.cumsum(1)


@case(*SELECTED)
def layers_of_what_may_be_none(x):
    y = x[x[:, 0] > 0]
    z = F.layer_norm(F.linear(y, torch.ones(3, 3)), (3,)).softmax(-1)
    if x.mean() > 0:
        return torch.cat([z, x[:1]]), y.T @ y, z.softmax(0)
    return torch.cat([x[:1], z]), y @ y.T, z.softmax(1)


@case(*SELECTED)
def loop_over_what_may_be_none(x):
    total = torch.zeros(3)
    for row in x[x[:, 0] > 0]:
        if row.sum() > 0:
            total = total + row
    return total


# Resized images ------------------------------------------------------------------------------------------------------

SIDE = Dim("side", min=2, max=12)
IMAGES = [(torch.linspace(-1, 2, 2 * n * m).reshape(1, 2, n, m).sin(),) for n, m in ((6, 4), (3, 4), (9, 4), (2, 4))]


@case(*IMAGES, dynamic=({2: SIDE},), tolerance=1e-5)
def upsampled_images(x):
    if x.mean() > 0.2:
        return F.interpolate(x, scale_factor=2), F.interpolate(x, scale_factor=(2.1, 1.5), mode="nearest")
    return F.interpolate(x, scale_factor=1.5, mode="nearest-exact"), F.interpolate(x, (5, 7))


@case(*IMAGES, dynamic=({2: SIDE},), tolerance=1e-5)
def downsampled_images(x):
    half = F.interpolate(x, scale_factor=0.5, mode="bilinear")
    if half.mean() > 0.2:
        return half, F.interpolate(half, x.shape[2:], mode="bilinear", align_corners=True)
    return F.interpolate(x, scale_factor=0.75, mode="bicubic"), F.interpolate(half, x.shape[2:], mode="nearest")


@case(*SELECTED, tolerance=1e-5)
def resized_selection(x):
    y = x[x[:, 0] > 0]
    if y.shape[0] == 0:
        return x
    z = F.interpolate(y.T[None], scale_factor=2)[0].T
    return F.interpolate(z.T[None], y.shape[0] + 1, mode="linear")[0].T if x.mean() > 0 else z


# What functions of torch ask about sizes ------------------------------------------------------------------------------


@case(*SELECTED)
def squeezed_selection(x):
    y = x[x[:, 0] > 0]
    z = y.squeeze(0)
    return z if x.mean() > 0 else z.sum(-1)


@case(*SELECTED, tolerance=1e-6)
def normalized_selection(x):
    mean, variance = torch.tensor([0.5, 1.0, -1.0]), torch.tensor([1.0, 4.0, 9.0])
    return F.batch_norm(x[x[:, 0] > 0], mean, variance)


@case(*SELECTED, tolerance=1e-6)
def attention_within_a_selection(x):
    y = x[x[:, 0] > 0][None, None]
    return F.scaled_dot_product_attention(y, y, y, is_causal=True)


@case(*SELECTED, tolerance=1e-6)
def contracted_selection(x):
    y = x[x[:, 0] > 0]
    product = torch.tensordot(y, y, dims=([0], [0]))
    return product + y.diff(dim=0).sum(), torch.tensordot(y, torch.ones(3, 2), dims=1) + y[:, :2]


@case(*SELECTED, tolerance=1e-5)
def group_norm_of_a_selection(x):
    y = x[x[:, 0] > 0]
    images = y[:, :, None].expand(-1, -1, 2) * torch.tensor([1.0, -2.0])
    z = F.group_norm(images, 3, torch.arange(3.0), torch.ones(3))
    return z if x.mean() > 0 else F.group_norm(y.repeat(1, 2), 2)


@case(*SELECTED, tolerance=1e-6)
def adaptive_pools_of_a_selection(x):
    y = x[x[:, 0] > 0].t()[None]
    if y.shape[2] == 0:
        return y
    pools = F.adaptive_avg_pool1d(y, 1), F.adaptive_max_pool1d(y, 2), F.adaptive_avg_pool1d(y, 3)
    return *pools, F.max_pool1d(y, 3, 2, 1), F.adaptive_max_pool2d(y, (None, 1))


@case(*SELECTED, tolerance=1e-5)
def statistics_of_a_selection(x):
    y = x[x[:, 0] > 0]
    if y.shape[0] > 1:
        return torch.cov(y.t()), torch.var_mean(y, 0), torch.corrcoef(y.t())
    return torch.kron(y, torch.tensor([[1.0, -1.0]]))


@case(*SELECTED)
def pairs_of_a_selection(x):
    y = x[x[:, 0] > 0]
    pairs = torch.cartesian_prod(y[:, 0], y[:, 1])
    return pairs if x.mean() > 0 else F.bilinear(pairs, pairs, torch.ones(1, 2, 2)) * 0


@case(
    *((torch.randn(4, 5, generator=torch.Generator().manual_seed(n)), torch.tensor(n)) for n in range(1, 5)),
    tolerance=1e-6,
)
def softmax_of_rows_and_columns_on_data(x, n):
    y = x[x[:, 0] > 0][:, :n]
    return y.softmax(-1) if y.sum() > 0 else y


@case(*SELECTED, unreached=1)
def size_that_is_returned_beside_a_path_that_raises(x):
    """There always is a piece: `cat` does not raise."""
    y = torch.cat([piece * 2 for piece in x[x[:, 0] > 0].split(2)])
    chosen = (y[:, 0] > 1).nonzero()
    return y, chosen.shape[0]
