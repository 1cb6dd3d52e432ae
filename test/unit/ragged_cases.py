# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Lists whose length depends on data, of tensors whose sizes do, too: segments, groups, expanded items.

Sides that are never taken: where the list is known to hold an item, what a function raises of an empty one; the inner
loop of `segments` starts within the row; a count under `if count > 0` is not below zero; there always is a last piece.
"""

# ruff: noqa: B905 (written as users write it)
from __future__ import annotations

import torch
from frontend_cases import case
from torch.export import Dim
from torch.nn.utils.rnn import pad_sequence


def lines(*rows: tuple[float, ...]) -> list[tuple[torch.Tensor]]:
    return [(torch.tensor(row),) for row in rows]


SEGMENTS = lines(
    (1, 2, -1, 5, 6, 7),
    (-1, -1, -1, -1, -1, -1),
    (3, 3, 3, 3, 3, 3),
    (-1, 4, -1, 2, 2, -1),
    (5, -1, 3, -2, 1, -3),
    (1, 2, -3, -4, 5, 6),
)
COUNTS = lines((1, 2, 0, 3), (0, 0, 0, 0), (2, 2, 2, 2), (0, 0, 3, 0), (4, 0, 0, 1))


def segments(x):
    found = []
    start = 0
    while start < x.shape[0]:
        end = start
        while end < x.shape[0] and x[end] > 0:
            end = end + 1
        if end > start:
            found.append(x[start:end] * 2)
        start = end + 1
    return found


@case(*SEGMENTS, unreached=5)
def segments_one_after_the_other(x):
    found = segments(x)
    if not found:
        return torch.empty(0), 0
    return torch.cat(found), len(found)


@case(*SEGMENTS, unreached=2)
def segments_that_are_returned(x):
    return segments(x)


@case(*SEGMENTS, unreached=5)
def first_and_last_segment(x):
    found = segments(x)
    if len(found) == 0:
        return x, x
    return found[0] + 1, found[-1] - 1


@case(*SEGMENTS, unreached=2)
def segments_in_a_loop(x):
    total = torch.zeros(())
    for number, segment in enumerate(segments(x)):
        total = total + segment.sum() * (number + 1)
    return total


@case(*SEGMENTS, unreached=5)
def lengths_of_segments(x):
    found = segments(x)
    if not found:
        return [], 0
    return [len(segment) for segment in found], max(segment.shape[0] for segment in found)


@case(*SEGMENTS, unreached=5)
def padded_segments(x):
    found = segments(x)
    if not found:
        return x.new_zeros(1, 1)
    return pad_sequence(found, batch_first=True, padding_value=-1.0)


@case(*SEGMENTS, unreached=5)
def segments_padded_on_the_left(x):
    found = segments(x)
    if not found:
        return x.new_zeros(1, 1)
    return pad_sequence(found, padding_side="left")


@case(*SEGMENTS, unreached=2)
def segments_that_have_to_be_of_one_length(x):
    return torch.stack(segments(x))


@case(*SEGMENTS, unreached=3)
def segments_under_each_other_have_to_be_of_one_length(x):
    return torch.cat([segment[None] for segment in segments(x)])


@case(*SEGMENTS, unreached=6)
def first_segment_is_replaced_by_a_longer_one(x):
    found = segments(x)
    if not found:
        return x
    found[0] = torch.cat([x, x])
    found.insert(1, x[:1])
    return torch.cat(found), found[-1]


@case(*SEGMENTS, unreached=5)
def last_segment_is_taken_out(x):
    found = segments(x)
    if len(found) < 2:
        return x
    last = found.pop()
    found.reverse()
    return last, torch.cat(found[:2])


WEIGHTS = lines((0.5, 0.2, 0.1), (3, 0.1, 0.2), (3.0, 2, 4), (0.1, 0.1, 0.1), (0.5, 2, 0.3), (2, 0.5, 0.1))


@case(*WEIGHTS)
def kept_up_to_a_small_one(x):
    kept = []
    for i in range(3):
        if x[i] > 1:
            continue
        kept.append(x[i])
        if x[i] < 0.15:
            break
    return len(kept) == 0, len(kept)


@case(*WEIGHTS, unreached=1)
def prefixes_kept_up_to_a_small_one(x):
    kept = []
    for i in range(3):
        if x[i] > 1:
            continue
        kept.append(x[x <= x[i]])
        if x[i] < 0.15:
            break
    return torch.cat(kept) if kept else x


@case(*WEIGHTS)
def states_until_one_is_large(x):
    states, steps, now = [x], 0, x
    while steps < int(x[2] > 0.2) + 2:
        steps = steps + 1
        now = now * 2
        if now[1] > 1:
            states.append(now)
            if now[0] > 3.0:
                break
    return torch.stack(states)


@case(*WEIGHTS, unreached=1)
def tensor_of_pairs(x):
    pairs = []
    i = 0
    while i < 3:
        if x[i] < 1:
            pairs.append((i, i + 1))
        i = i + 1
    if not pairs:
        return torch.zeros(0, 2, dtype=torch.long)
    return torch.tensor(pairs)


@case(*COUNTS, unreached=4)
def each_row_as_often_as_it_says(counts):
    rows = torch.arange(8.0).reshape(4, 2)
    pieces = []
    for row, count in zip(rows, counts):
        n = max(int(count), 0)
        if n == 0:
            continue
        pieces.append(row.expand(n, -1))
    return torch.cat(pieces, 0) if pieces else rows.new_zeros(1, 2)


@case(*COUNTS, unreached=2)
def columns_side_by_side(counts):
    rows = torch.arange(8.0).reshape(4, 2)
    pieces = [rows[:, :1]]
    for i in range(4):
        if counts[i] > 1:
            pieces.append(rows[i, 0] * torch.ones(4, int(counts[i])))
    return torch.cat(pieces, dim=1), len(pieces)


@case(*COUNTS, unreached=3)
def pieces_with_their_counts(counts):
    rows = torch.arange(8.0).reshape(4, 2)
    pieces = []
    for row, count in zip(rows, counts):
        n = int(count)
        if n > 0:
            pieces.append((row[1:].expand(n), n))
    joined = torch.cat([piece for piece, _ in pieces]) if len(pieces) > 0 else rows[:0, 0]
    return joined, sum(n for _, n in pieces)


@case(*COUNTS, unreached=1)
def groups_of_different_fixed_sizes(counts):
    rows = torch.arange(8.0).reshape(4, 2)
    groups = []
    if counts[0] > 0:
        groups.append(rows[:1])
    if counts[1] > 1:
        groups.append(rows[1:] + 1)
    if counts[2] > 2:
        groups.append(rows[:3] + 2)
    return torch.cat(groups) if groups else rows, len(groups)


@case(*COUNTS, unreached=1)
def experts_with_their_rows(counts):
    rows = torch.arange(12.0).reshape(4, 3) - 5
    chosen = counts.long().clamp(max=3)
    outputs, places = [], []
    for expert in range(4):
        place = torch.where(chosen == expert)[0]
        if place.shape[0] == 0:
            continue
        outputs.append(rows[place] * (expert + 1))
        places.append(place)
    result = torch.zeros_like(rows)
    result[torch.cat(places)] = torch.cat(outputs)
    return result


@case(*SEGMENTS)
def best_of_a_growing_prefix_or_none(x):
    chosen = x[x > 0]
    best = None
    end = 0
    while end < chosen.shape[0]:
        prefix = chosen[: end + 1]
        if prefix.sum() > 4 and (best is None or prefix.shape[0] > best.shape[0]):
            best = prefix
        end = end + 1
    if best is None:
        return x.sum()
    return best * 2


# Pieces of what has no known size -------------------------------------------------------------------------------------


@case(*SEGMENTS)
def sums_of_pieces(x):
    y = x[x > 0]
    return [piece.sum() for piece in y.split(2)], len(y.split(4))


@case(*SEGMENTS, unreached=1)
def pieces_that_are_kept(x):
    found = []
    for piece in torch.split(x[x > 0], 2):
        if piece.sum() > 4:
            found.append(piece * 2)
    return torch.cat(found) if found else x


@case(*SEGMENTS, unreached=1)
def last_piece_of_columns(x):
    y = x[x > 0]
    pieces = torch.stack([y, y + 1]).split(3, dim=1)
    return pieces if y.sum() > 5 else pieces[-1]


@case(*[(torch.arange(1.0, n + 1),) for n in (4, 1, 2, 3, 8, 9)], dynamic=({0: Dim("n", min=1, max=9)},))
def state_over_pieces_of_a_declared_size(x):
    state = torch.zeros(3)
    for piece in x.split(3):
        state = state * 0.5 + torch.nn.functional.pad(piece, (0, 3 - piece.shape[0]))
    return state


@case(*SEGMENTS, unreached=1)
def rows_by_unbind(x):
    y = x[x > 0]
    total = torch.zeros(2)
    for row in torch.stack([y, -y], 1).unbind(0):
        if row.sum() >= 0:
            total = total + row
    return total, torch.stack([y, -y]).unbind(1)


ROUTES = lines((0, 1, 2, 2, 2, 2, 1, 1, 0), (1,) * 9, (0,) * 9, (2,) * 9, (0, 1, 0, 1, 0, 1, 0, 1, 1))


@case(*ROUTES, unreached=2)
def rows_beyond_the_capacity_of_an_expert(routes):
    """What is learnt of a size where it is above the capacity does not hold where it is written by."""
    x = torch.arange(18.0).reshape(9, 2) + 1
    chosen = [torch.eq(routes, expert).nonzero(as_tuple=True)[0] for expert in range(3)]
    counts = x.new_tensor([len(rows) for rows in chosen])
    beyond = []
    for rows in chosen:
        if len(rows) <= 3:
            continue
        beyond.append(rows[3:])
    y = torch.zeros_like(x)
    for expert, rows in enumerate(chosen):
        y[rows, :] = x[rows, :] * (expert + 2)
    if beyond:
        dropped = torch.cat(beyond)
        y[dropped, :] = x[dropped, :]
    return y, counts, len(beyond)
