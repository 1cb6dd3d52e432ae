# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Functions of the corpus after public reports of people who tried to export such code. See `frontend_cases.py`."""

from __future__ import annotations

import dataclasses
import enum
import math

import torch
from frontend_cases import B, N, X, Z, case

EDGES = tuple(
    (torch.tensor(rows),)
    for rows in (
        [[0, 1], [1, 2], [0, 1], [1, 2]],
        [[2, 0], [2, 0], [2, 0], [0, 0]],
        [[3, -1], [0, 5], [-2, 1], [0, 5]],
        [[1, 1], [1, 1], [1, 1], [1, 1]],
        [[1, -1], [1, 1], [2, 1], [3, 1]],
        [[1, 0], [1, 0], [2, 0], [3, 0]],
    )
)
TABLE = torch.arange(12, dtype=torch.float32).reshape(3, 4)
PLACES = tuple(
    (TABLE, torch.tensor(rows), torch.tensor(column))
    for rows, column in (([0, 2, 2], 1), ([1, 1, 0], 6), ([2, 0, 1], 3), ([5, 0, 0], 0))
)
LOGITS = tuple(
    (torch.tensor(rows),)
    for rows in (
        [[3.0, 1.0, 0.5], [0.0, 2.0, 1.0], [1.0, 0.0, 4.0], [5.0, 2.0, 1.0]],
        [[3.0, 1.0, 0.5], [3.0, 2.0, 1.0], [9.0, 0.0, 4.0], [5.0, 2.0, 1.0]],
        [[0.0, 1.0, 2.0], [0.0, 2.0, 1.0], [1.0, 0.0, 4.0], [1.0, 2.0, 3.0]],
        [[0.0, 3.0, 2.0], [0.0, 2.0, 1.0], [1.0, 9.0, 4.0], [1.0, 2.0, 1.5]],
    )
)


# Integers of 8 bits, and slices that repeat ------------------------------------------------------------------------


@case(*LOGITS)
def halting_by_bytes(x):
    level, steps = x.sigmoid().amax(1), 0
    while (level < 0.999).byte().any():
        level = level + (1 - level) * 0.5
        steps += 1
    return level, steps


@case(*EDGES)
def all_and_any_of_bytes(x):
    mask = (x > 0).to(torch.uint8)
    if mask.all(1).any() and not mask.all(0).any():
        return mask.any(dim=0), mask.all(dim=1, keepdim=True)
    return mask.all(dim=0), mask.any(dim=1, keepdim=True)


@case(*EDGES)
def collapsed_along_a_dimension(x):
    best = x.argmax(-1)
    path = torch.unique_consecutive(best, dim=-1)
    if path.numel() > 1:
        return path[path != 0]
    return path


@case(*EDGES, unreached=2)
def runs_of_rows(x):
    rows, of_row, counts = torch.unique_consecutive(x, return_inverse=True, return_counts=True, dim=0)
    if counts.max() > 1:
        return rows[counts.argmax()], of_row
    return rows.sum(0), of_row


@case(*EDGES, unreached=2)  # without columns
def runs_of_columns(x):
    columns = torch.unique_consecutive(x, dim=1)
    if columns.shape[1] == 1:
        return columns[:, 0]
    return columns[:, 0] - columns[:, 1]


@case(*EDGES)
def edges_each_once(x):
    edges, of_edge, counts = torch.unique(x, dim=0, return_inverse=True, return_counts=True)
    if edges.shape[0] == x.shape[0]:
        return edges, of_edge
    return edges[counts > 1], of_edge


@case(*EDGES)
def columns_each_once(x):
    columns = torch.unique(x.float(), dim=1)
    if columns.shape[1] > 1:
        return columns * 2
    return columns


# A number on data beside a tensor of positions, or a mask, in one index ---------------------------------------------


@case(*PLACES)
def column_of_rows(x, rows, column):
    rows, column = rows % 3, column % 4
    if x[rows, column].sum() > 14:
        return x[rows, column]
    return x[rows][:, column] + 1


@case(*PLACES)
def column_of_masked_rows(x, rows, column):
    rows, column = rows % 3, column % 4
    mask = x[:, 0] > rows.sum()
    if mask.any():
        return x[mask, column]
    return x[~mask, column.item()]


@case(*PLACES)
def column_of_rows_is_written(x, rows, column):
    rows, column = rows % 3, column % 4
    x = x.clone()
    if column > 0:
        x[rows, column] = -1.0
    else:
        x[x[:, 1] > 2, column] = x[0, 1]
    return x


@case(*PLACES)
def column_of_rows_is_added_to(x, rows, column):
    rows, column = rows % 3, column % 4
    y = torch.zeros_like(x)
    for c in rows:
        y[rows, c] += x[rows, column]
        if y.max() > 10:
            y[y[:, c] > 5, c] = 0.0
    return y


@case(*PLACES)
def number_between_slice_and_positions(x, rows, column):
    rows, column = rows % 3, column % 3
    blocks = torch.stack([x, x * 2, -x])  # 3 x 3 x 4
    if column > 1:
        return blocks[:, rows, column]
    return blocks[rows, :, column], blocks[column, ..., rows], blocks[None, rows.sum() % 3, :, rows]


@case(*PLACES)
def missing_values_of_columns(x, rows, column):
    rows, column = rows % 3, column % 4
    x = torch.where(x % 4 == column, torch.full((), float("nan")), x)
    x[1, 2] = float("nan")
    gaps = torch.isnan(x)
    for c in gaps.any(0).nonzero(as_tuple=True)[0]:
        known = x[~gaps[:, c], c]
        x[gaps[:, c], c] = known.mean() if known.numel() > 0 else rows.sum().float()
    return x


# Counts of positions are as many as there are positions ------------------------------------------------------------


@case(*LOGITS, unreached=1)  # The sizes of the parts always add up.
def rows_of_each_expert(x):
    chosen = x.argmax(-1)
    counts = torch.bincount(chosen, minlength=3)
    order = torch.argsort(chosen, stable=True)
    out = []
    for i, rows in enumerate(torch.split(x[order], counts.tolist())):
        out.append(rows * (i + 1) if rows.shape[0] > 1 else -rows)
    back = torch.zeros_like(x)
    back[order] = torch.cat(out)
    return back


@case(*LOGITS)
def load_of_experts(x):
    weights, chosen = x.topk(2, dim=-1)
    load = torch.bincount(chosen.flatten(), weights.flatten(), minlength=4).tolist()
    if load[0] > load[1]:
        return load[0], chosen
    return [n > 4.0 for n in load], load[2] - load[0]


@case(*LOGITS)
def experts_by_their_counts(x):
    _, chosen = x.max(dim=1)
    total = torch.zeros(3)
    for i, n in enumerate(torch.bincount(chosen, minlength=3)):
        if n == 0:
            continue
        total = total + x[chosen == i].mean(0) * n
    return total


# Members of enumerations, in variables and objects -----------------------------------------------------------------


class Mode(enum.Enum):
    IDLE = 0
    ACTIVE = 1
    DONE = 2

    def following(self):
        return Mode((self.value + 1) % 3)


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 3


@dataclasses.dataclass
class Crop:
    image: torch.Tensor
    top: int = 0
    mode: Mode = Mode.ACTIVE

    @property
    def area(self):
        return self.image.shape[0] * 2


def mode_of(x):
    if x.sum() > 3:
        return Mode.DONE
    return Mode.ACTIVE if x.sum() < -3 else Mode.IDLE


@case((X,), (N,), (Z,), (B,))
def member_is_compared(x):
    mode = mode_of(x)
    if mode is Mode.IDLE:
        return x
    return x * (2 if mode == Mode.DONE else 3), mode != Mode.ACTIVE


@case((X,), (N,), (Z,), (B,), unreached=1)
def member_is_used(x):
    mode = mode_of(x)
    return x + mode.value, mode.following() is Mode.IDLE


@case((X,), (N,), (Z,), (B,))
def member_is_matched(x):
    match mode_of(x):
        case Mode.IDLE:
            return x
        case Mode.DONE:
            return x - 1
    return x + 1


@case((X,), (N,), (Z,), (B,))
def member_as_a_number(x):
    level = Level.HIGH if x.sum() > 0 else Level.LOW
    if level > Level.LOW:
        x = x * 2
    return x + level


@case((X,), (N,), (Z,), (B,))
def machine_in_a_loop(x):
    mode, steps = Mode.IDLE, 0
    while steps < x.abs().sum() and mode is not Mode.DONE:
        if mode == Mode.IDLE:
            mode = Mode.ACTIVE if x[steps % 3] > 0 else Mode.IDLE
        elif x[steps % 3] < 0:
            mode = Mode.DONE
        steps += 1
    return steps, mode is Mode.DONE


def box_of(mask):
    rows = mask.nonzero().squeeze(1)
    if rows.numel() == 0:
        return None
    return rows[0].item(), rows[-1].item() + 1


@case((X,), (N,), (Z,), (B,), unreached=8)
def member_in_an_object_of_three_kinds(x):
    box = box_of(x > 0.5)
    crop = Crop(x, mode=Mode.IDLE) if box is None else Crop(x[box[0] : box[1]], box[0])
    if crop.area > 2 and crop.mode is not Mode.IDLE:
        crop = dataclasses.replace(crop, mode=Mode.DONE)
    if crop.mode is Mode.IDLE:
        return x.mean(), crop.top
    return crop.image.sum() * (2.0 if crop.mode == Mode.DONE else 1.0), crop.mode.value


@case((X,), (N,), (Z,), (B,), unreached=4)
def pair_with_one_of_three_kinds(x):
    pair = (x, None)
    if x.sum() > 3:
        pair = (x + 1, x)
    elif x.sum() < -3:
        pair = (x - 1, "low")
    first, second = pair
    if second is None:
        return first
    return first * (len(second) if isinstance(second, str) else second)


@case((X,), (N,), (Z,), (B,), unreached=2)
def dict_with_one_of_three_kinds(x):
    found = {"box": None, "score": x.sum()}
    if x.sum() > 3:
        found["box"] = x[:2]
    elif x.sum() < -3:
        found["box"] = 4
    if found["box"] is not None:
        return found["score"] + found["box"]
    return found["score"]


# Positions that are sizes ------------------------------------------------------------------------------------------

ANY_LENGTH = ({0: torch.export.Dim("n", min=2, max=9)},)
STEPS = tuple(
    (torch.tensor(rows),)
    for rows in (
        [[1.0, 2.0], [3.0, -1.0], [0.5, 4.0]],
        [[-1.0, 2.0], [-3.0, 1.0]],
        [[1.0, 2.0], [1.0, 2.0], [2.0, 1.0], [-3.0, 1.0], [2.0, 2.0]],
    )
)


@case(*STEPS, dynamic=ANY_LENGTH)
def last_of_any_length(x):
    if x[x.shape[0] - 1].sum() > 0:
        return x[len(x) - 1, 0]
    return x[x.shape[0] - 2]


@case(*STEPS, dynamic=ANY_LENGTH)
def last_of_a_selection(x):
    kept = torch.cat([x[:1], x[x[:, 0] > -2]])
    n = kept.shape[0]
    if kept[n - 1, 1] > 1:
        return kept[n - 1] + kept[n // 2]
    return kept[-n]


@case(*STEPS, dynamic=ANY_LENGTH)
def middle_is_written(x):
    y = x.clone()
    y[x.shape[0] // 2] = 0.0
    y[x.shape[0] - 1, 1] += 2
    if y.sum() > 4:
        y[:, 0][x.shape[0] // 2 - 1] = 7.0
    return y


@case(*STEPS, dynamic=ANY_LENGTH)
def backwards_from_the_last(x):
    i = 0
    while i < 2 and x[x.shape[0] - 1 - i, 0] > 0:
        i += 1
    return i


@case(*STEPS, dynamic=ANY_LENGTH)
def column_by_a_size(x):
    if x[torch.tensor([0, 1]), x.shape[0] % 2].sum() > 2:
        return x[:, x.shape[0] % 2]
    return x[x[:, 0] > 0, x.shape[0] % 2]


@case(*STEPS, dynamic=ANY_LENGTH, unreached=5)
def item_of_a_list_by_a_size(x):
    scales = [1.0, 10.0, 100.0, 1000.0]
    if x.sum() > 0:
        return x * scales[x.shape[0] - 2]
    return x, scales[-x.shape[0] % 3]


@case(*STEPS, dynamic=ANY_LENGTH, unreached=1)
def draft_and_its_check(x):
    tokens = (x[:, 0].abs() * 3).long()
    start = tokens.shape[0]
    for _ in range(3):
        tokens = torch.cat([tokens, (tokens[-1:] * 3 + 1) % 7])
    checked = tokens[start - 1 :] * 2 % 7
    n = 0
    while n < 3 and checked[n] == tokens[start + n]:
        n += 1
    return torch.cat([tokens[: start + n], checked[n : n + 1]]), n


# What torch's functions return, as they return it --------------------------------------------------------------------


@case(*LOGITS)
def maximum_with_its_place(x):
    found = x.max(0)
    if found.values.sum() > 9:
        return found
    return x.max(1)


@case(*LOGITS)
def results_of_several_functions(x):
    if x[0, 0] > 1:
        return torch.sort(x, dim=1), torch.topk(x, 2), [x.min(0)]
    return torch.sort(x, dim=0), torch.topk(x, 2, dim=0), [x.median(0)]


@case(*LOGITS)
def result_goes_through_a_helper(x):
    def best(rows):
        return rows.min(-1) if rows.sum() < 20 else rows.max(-1).values

    found = best(x)
    return found if isinstance(found, torch.Tensor) else found.indices


@case(*LOGITS)
def result_kept_in_a_dict(x):
    kept = {"first": x.max(0), "count": 0}
    for row in x:
        if row.max() > 2:
            kept["count"] += 1
            kept["first"] = torch.stack([row, x[0]]).max(0)
    return kept


@case(*LOGITS)
def result_made_in_a_loop(x):
    found, n = x.max(0), 0
    while found.values.sum() < 20 and n < 4:
        found = (found.values + x).max(0)
        n += 1
    return found, n


@case(*LOGITS)
def parts_of_a_result(x):
    values, places = x.sort(descending=True)
    if places[0, 0] == 0:
        return values[:, 0], x.kthvalue(2)
    return places, x.kthvalue(1)


# Sizes as numbers of functions and texts -----------------------------------------------------------------------------


@case((X,), (N,), (Z,), (B,), tolerance=1e-6, unreached=4)  # Arguments outside of a domain.
def roots_of_sizes(x):
    n = x[x > 0].shape[0]
    if x.sum() > 0:
        return x / math.sqrt(n), math.log2(n + 1)
    return x * math.log(n) if n > 0 else x


@case((X,), (N,), (Z,), (B,), unreached=2)  # A size that is negative.
def half_of_a_size(x):
    n = math.ceil(x[x > 0].shape[0] / 2)
    if n > 0:
        return torch.zeros(n), math.floor(n * 1.5), math.trunc(n / 3)
    return x[: round(x.shape[0] * 0.4)]


@case(*STEPS, dynamic=ANY_LENGTH, unreached=2)
def rounded_share_of_any_length(x):
    kept = max(1, round(x.shape[0] * 0.3))
    if x.sum() > 0:
        return x[:kept]
    return x[-kept:] * math.sqrt(x.shape[0])


@case((X,), (N,), (Z,), (B,))
def size_in_a_message(x):
    kept = x[x > 0]
    if kept.shape[0] < 2:
        raise ValueError(f"only {kept.shape[0]} of {x.shape[0]:>3}, {kept.shape[0] / 2:.2f}")
    return kept.sum()


@case((X,), (N,), (Z,), (B,))
def shape_in_a_message(x):
    kept = x[x > 0]
    assert kept.numel() != 1, f"{kept.shape} and {tuple(kept.shape)} of {list(x.shape)}"
    return kept.sum()


@case((X,), (N,), (Z,), (B,))
def size_in_a_made_text(x):
    n = x[x > 0].shape[0]
    text = "kept " + str(n) + ", of which {} are {!r}".format(n, (n, 1))  # noqa: UP032 (as users write it)
    if n != 1:
        raise IndexError(text)
    return x


@case(*STEPS, dynamic=ANY_LENGTH)
def any_length_in_a_message(x):
    if x.sum() < 4 or x.shape[0] == 2:
        raise RuntimeError(f"{x.shape[0]} rows ({x.shape[0] * 2}) of shape {x.shape}")
    return x.mean(0)
