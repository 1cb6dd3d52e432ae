# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Lists, dicts and dataclasses that one side of a condition writes and the other replaces, or that have two names.

What a side writes in place belongs to the variables that it does not assign, whatever the other side assigns.

Sides that are never taken: an index out of range, no items to stack; a break at the first two items.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections import OrderedDict

import torch
from frontend_cases import case
from torch.export import Dim

POINTS = [(torch.tensor(point),) for point in itertools.product((-1.0, 0.5, 4.0), repeat=3)]
SOME = POINTS[::2]
LATE = [(point,) for (point,) in POINTS if point[:2].max() < 3]
"""The last value may be above three."""


@dataclasses.dataclass
class Pair:
    first: object
    second: object = 0


class Holder:
    def __init__(self, value):
        self.value = value


@case(*POINTS)
def an_item_is_written_or_the_list_replaced(x):
    found = [0, 1]
    if x[0] > 0:
        found[0] = 5
    elif x[1] > 0:
        found = [7, found[0]]
    return found[0] + 10 * found[1]


@case(*SOME)
def an_item_of_a_dict_is_written_or_the_dict_replaced(x):
    found = {"a": 1, "b": x}
    if x[0] > 0:
        found["a"] = 2
    else:
        found = {"a": 3, "b": x * 2}
    return found["a"] * found["b"]


@case(*SOME)
def an_ordered_dict_is_written_or_replaced(x):
    found = OrderedDict(a=1, b=2)
    if x[0] > 0:
        found["b"] = 5
    else:
        found = OrderedDict(a=3, b=4)
    return found["a"] * 10 + found["b"]


@case(*SOME)
def a_field_is_written_or_the_dataclass_replaced(x):
    pair = Pair(Pair(1), 2)
    if x[0] > 0:
        pair.first = Pair(9)
    elif x[1] > 0:
        pair.first.first = 4
    else:
        pair = Pair(Pair(7), 3)
    return pair.first.first * 10 + pair.second


@case(*SOME)
def a_list_in_a_tuple_is_written_or_the_tuple_replaced(x):
    found = ([1], {"k": x})
    if x[0] > 0:
        found[0][0] = 2
        found[1]["k"] = x * 2
    else:
        found = ([4], {"k": x * 3})
    return found[1]["k"] * found[0][0]


@case(*SOME)
def a_list_of_an_object_is_written_or_the_object_replaced(x):
    holder = Holder([1])
    if x[0] > 0:
        holder.value[0] = 5
    else:
        holder = Holder([7])
    return holder.value[0]


@case(*LATE, unreached=5)
def a_list_or_none_is_appended_to(x):
    found = None
    for value in x.tolist():
        if value > 3:
            break
        if found is not None:
            found.append(value)
        elif value > 0:
            found = []
    return found


@case(*LATE, unreached=3)
def a_dict_or_none_is_written(x):
    found = None
    for i in range(3):
        if x[i] > 3:
            break
        if found is not None:
            found["a"] += i
        elif x[i] > 0:
            found = {"a": 3}
    return -1 if found is None else found["a"]


@case(*SOME)
def a_list_is_sorted_reversed_filled_or_replaced(x):
    found = [3, 1, 2]
    if x[0] > 0:
        found.sort()
    elif x[1] > 0:
        found.reverse()
    elif x[2] > 0:
        found[:] = [8, 9, 10]
    else:
        found = [5, 6, 5]
    return found[0] * 100 + found[1] * 10 + found[2]


@case(*POINTS, unreached=3)
def a_list_is_written_or_replaced_in_a_loop(x):
    found, i = [0, 1], 0
    while i < 3 and x[i] < 3:
        if x[i] > 0:
            found[i % 2] += 5
        else:
            found = [found[1], i + 7]
        i += 1
    return found[0] * 100 + found[1]


@case(*SOME)
def a_closure_writes_or_replaces_a_dict(x):
    state = {"h": x, "n": 0}

    def step(value):
        nonlocal state
        if value > 0:
            state["n"] += 1
        else:
            state = {"h": state["h"] + 1, "n": -1}

    for i in range(3):
        step(x[i])
    return state["h"] * state["n"]


@case(*SOME)
def another_name_is_written_after_the_join(x):
    found = [0]
    other = found
    if x[0] > 0:
        found[0] = 5
    else:
        found = [7]
    other[0] += 2
    return found[0], other[0]


@case(*SOME)
def a_list_becomes_another_which_is_written(x):
    a, b = [1], [2]
    if x[0] > 0:
        a[0] = 5
    else:
        a = b
    if x[1] > 0:
        b[0] = 9
    return a[0], b[0]


@case(*SOME)
def the_list_that_was_chosen_is_written_by_its_own_name(x):
    a, b = {"v": 1}, {"v": 2}
    chosen = a if x[0] > 0 else b
    a["v"] = 5
    return chosen["v"]


@case(*[(torch.tensor([float(n), 1.0, 2.0]),) for n in range(4)])
def two_lists_change_places_in_a_loop(x):
    a, b = [1], [2]
    for _ in range(int(x[0])):
        a, b = b, a
    a[0] = 7
    return a[0], b[0]


@case(*[(torch.tensor([float(n), 1.0, 2.0]),) for n in range(4)])
def a_list_keeps_its_two_names_through_a_loop(x):
    found = [0, 0]
    other = found
    left = x[0]
    while left > 0:
        found[0] += 1
        left = left - 1
    other[1] = 9
    return found[0], other[0], found[1], other[1]


# Items of lists whose length depends on data -------------------------------------------------------------------------

STEPS = [
    (torch.tensor(steps),)
    for steps in ([1.0, -1, 1, 1, -1, 1], [-1.0] * 6, [1.0] * 6, [1.0, 1, -1, 1, -1, -1], [-1.0, -1, 1, -1, 1, 1])
]


@case(*STEPS)
def an_item_is_written_before_it_is_appended_and_after(x):
    found = []
    for i in range(6):
        if x[i] > 0:
            now = {"start": i, "end": 0}
            now["start"] += 1
            found.append(now)
            now["end"] = i * 2
    return [v["end"] - v["start"] for v in found]


@case(*STEPS, unreached=3)
def an_item_is_put_in_the_place_of_another(x):
    found = []
    for i in range(6):
        if x[i] > 0:
            found.append({"start": i, "end": 0})
        elif found:
            found[-1] = {**found[-1], "end": i}
    return found


@case(*STEPS, unreached=4)
def an_item_that_is_a_tensor_is_added_to(x):
    found = []
    for i in range(6):
        if x[i] > 0:
            found.append(torch.zeros(2) + i)
        elif found:
            found[-1] = found[-1] + 10
    return torch.stack(found) if found else x


@case(*STEPS, unreached=1)
def tensors_are_written_before_they_are_appended(x):
    found, i = [], 0
    while i < (x > 0).sum():
        now = torch.zeros(2)
        now[0] = i
        now += 1
        found.append(now)
        i += 1
    return torch.stack(found) if found else x


@case(*STEPS, unreached=1)
def a_copy_of_an_item_is_written(x):
    found = []
    for i in range(6):
        if x[i] > 0:
            found.append([i, 0])
    last = list(found[-1]) if found else [7, 7]
    last[1] = 5
    return found, last


@case(
    *((torch.ones(2, n, 3), torch.rand(2, n, generator=torch.Generator().manual_seed(n)) > 0.5) for n in range(1, 6)),
    (torch.ones(2, 3, 3), torch.zeros(2, 3, dtype=torch.bool)),
    dynamic=({1: Dim("steps", max=9)}, {1: Dim("steps", max=9)}),
)
def one_side_reshapes_what_the_other_writes_in_a_loop(x, mask):
    batch, steps, width = x.shape
    flat = x.reshape(-1, width)
    out = torch.zeros_like(flat)
    if not mask.any():
        return out.view(batch, steps, width)
    for place in mask.reshape(-1).nonzero():
        out[place] = flat[place] * 2
    return out.reshape(batch, steps, width)


@case(*STEPS)
def a_row_of_what_the_other_side_writes(x):
    table = x.reshape(2, 3) * 1
    if x[0] > 0:
        row = table[0]
        picked = row.sum()
    else:
        table[0] = 5.0
        picked = table[1].sum()
    table[1, 0] = picked
    return table


@dataclasses.dataclass
class Segment:
    start: int
    end: int = 0


@case(*STEPS, unreached=1)
def segments_are_dataclasses(x):
    found, now = [], None
    for i in range(6):
        if x[i] > 0:
            now = now or Segment(i)
            now.end = i + 1
        elif now is not None:
            found.append(now)
            now = None
    if now is not None:
        found.append(now)
    spans = torch.tensor([[s.start, s.end] for s in found], dtype=torch.long).reshape(-1, 2)
    return spans, [s.end - s.start for s in found]


@case(*STEPS)
def segments_are_returned(x):
    found = []
    for i in range(6):
        if x[i] > 0:
            found.append(Segment(i, i + 2))
    return found


@case(*STEPS, unreached=3)
def an_item_is_put_before_another_in_a_list_of_dicts(x):
    found = []
    for i in range(6):
        if x[i] > 0:
            found.append({"at": i, "of": {"value": x[i] * i}})
    found.reverse()
    if len(found) > 1:
        found[0] = {"at": -1, "of": {"value": x[0]}}
    return found, [v["of"]["value"] + v["at"] for v in found]
