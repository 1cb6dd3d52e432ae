# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Lists whose length depends on data, of strings, None, members of enums and other constants that are no numbers.

Sides that are never taken: an index out of range.
"""

from __future__ import annotations

import enum

import torch
from frontend_cases import case

STEPS = [
    (torch.tensor(steps),)
    for steps in ([1.0, -1, 1, 1, -1, 1], [-1.0] * 6, [1.0] * 6, [1.0, 1, -1, 1, -1, -1], [-1.0, -1, 1, -1, 1, 1])
]
NAMES = ("hip", "knee", "ankle", "foot", "toe", "hip")


class Event(enum.Enum):
    UP = 1
    DOWN = 2


@case(*STEPS)
def names_of_what_holds(x):
    found = []
    for name, value in zip(NAMES, x, strict=True):
        if value > 0:
            found.append(name)
    return found, len(found), torch.tensor([name in found for name in (*NAMES, "heel")])


@case(*STEPS)
def names_are_compared(x):
    found = []
    for name, value in zip(NAMES, x, strict=True):
        if value > 0:
            found.append(name)
    hips = 0
    for name in found:
        if name == "hip":
            hips += 1
        elif name != "knee":
            hips += 10
    return hips, "hip" not in found


@case(*STEPS)
def labels_by_data_are_appended(x):
    labels, i = [], 0
    while i < (x > 0).sum():
        labels.append("even" if x[i] > 0 else None)
        i += 1
    return labels, None in labels, "odd" in labels


@case(*STEPS)
def pairs_of_a_name_and_a_number(x):
    found = []
    for i, name in enumerate(NAMES):
        if x[i] > 0:
            found.append((name, i * 2))
    return found, ("knee", 2) in found, ("knee", 3) in found, sum(n for _, n in found)


@case(*STEPS)
def members_of_an_enum(x):
    events = []
    for i in range(1, 6):
        if x[i] > x[i - 1]:
            events.append(Event.UP)
        elif x[i] < x[i - 1]:
            events.append(Event.DOWN)
    return Event.UP in events, sum(1 if event is Event.UP else -1 for event in events)


@case(*STEPS, unreached=3)
def a_name_is_put_in_the_place_of_another(x):
    found = []
    for i, name in enumerate(NAMES):
        if x[i] > 0:
            found.append(name)
    if len(found) > 2:
        found[1] = "none"
    return found, found[::-1]


@case(*STEPS)
def two_lists_of_other_names_are_compared(x):
    left, right = [], []
    for i in range(3):
        if x[i] > 0:
            left.append("abc"[i])
        if x[i + 3] > 0:
            right.append("cba"[2 - i])
    return left == right, left + right


@case(*STEPS)
def names_that_both_sides_append(x):
    found = ["start"]
    for i in range(6):
        if x[i] > 0:
            found.append(NAMES[i])
            if x.sum() > 0:
                found.append("up")
        elif x.sum() < -1:
            found.append("down")
    return found
