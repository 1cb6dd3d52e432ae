# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""More functions for the corpus of `frontend_cases.py`: lists, dicts and objects that a path makes and then changes."""

from __future__ import annotations

import copy
import functools
import types

import torch
from frontend_cases import B, N, X, Z, case
from torch import nn

COUNTS = tuple((x, torch.tensor(n)) for x in (X, N) for n in (0, 1, 3))


class Note:
    def __init__(self, text):
        self.text = text


class Meter:
    """Each of its operators counts in a decimal place of its own."""

    def __init__(self, value):
        self.value = value
        self.uses = 0

    def __add__(self, other):
        self.uses += 1
        return Meter(self.value + other.value) if self.value.sum() > 0 else Meter(self.value - other.value)

    def __rmul__(self, factor):
        self.uses += 10
        return Meter(self.value * factor)

    def __lt__(self, other):
        self.uses += 100
        return self.value.sum() < other

    def __eq__(self, other):
        self.uses += 1000
        return self.value.sum() == other

    def __neg__(self):
        self.uses += 10_000
        return Meter(-self.value)

    def __bool__(self):
        self.uses += 100_000
        return bool(self.value.sum() > 1)

    def __contains__(self, item):
        self.uses += 1_000_000
        return bool((self.value == item).any())

    def __len__(self):
        self.uses += 10_000_000
        return len(self.value)

    def __iter__(self):
        self.uses += 100_000_000
        return iter(self.value)


@case((X,), (N,), (Z,), (B,), unreached=5)
def operators_of_an_object(x):
    meter = Meter(x)
    if meter < 0:
        return (meter + -meter).value, meter.uses
    if meter != 0 and 30 not in meter:
        return (2 * meter).value, meter.uses
    return x, meter.uses


@case((X,), (N,), (Z,), (B,))
def operators_under_a_condition(x):
    meter = Meter(x)
    total = 0
    if x[0] > 0:
        total = sum(len(meter) * value for value in meter)
        meter += Meter(x)
    return total + meter.value, meter.uses


@case((X,), (N,), (Z,), (B,), unreached=1)
def truth_of_an_object(x):
    meter = Meter(x)
    while meter:
        meter.value = meter.value - 1
    other = Meter(-x)
    return x + meter.uses if not other else x - meter.uses, other.uses, bool(meter) or x.sum() > -100


@case(*COUNTS)
def list_made_in_an_iteration(x, n):
    i = 0
    while i < n:
        parts = []
        parts.append(x)
        parts.append(x + 1)
        x = torch.cat(parts).reshape(2, 3).sum(0)
        i += 1
    return x


@case(*COUNTS)
def dict_made_in_an_iteration(x, n):
    i = 0
    while i < n:
        named = {"a": x}
        named["b"] = named["a"] * 2
        if x.sum() > 0:
            named["a"] = named["b"] - 1
        else:
            named["a"] = named["a"] + 1
        x = named["a"]
        i += 1
    return x


@case(*COUNTS)
def object_made_in_an_iteration(x, n):
    kept = Note(x)
    for _ in range(n):
        note = Note(kept.text + 1)
        note.more = [note.text, x]
        note.more[0] = note.more[0] * 2
        kept.text = note.more[0] - note.more[1]
    return kept.text


@case(*COUNTS)
def list_of_an_outer_iteration(x, n):
    i = 0
    while i < n:
        rows = [row * 2 for row in x]
        j = 0
        while j < n:
            rows[1] = rows[1] + rows[0]
            j += 1
        x = torch.stack(rows)
        i += 1
    return x


@case(*COUNTS)
def list_that_is_bound_again(x, n):
    pair = [x, x + 1]
    i = 0
    while i < n:
        pair = [pair[1], pair[0] - 1]
        pair[0] = pair[0] * 2
        i += 1
    return pair


@case((X,), (N,), (Z,), (B,))
def list_made_on_each_side(x):
    if x.sum() > 1:
        parts = []
        parts.append(x)
        parts.append(x + 1)
        y = torch.stack(parts).sum(0)
    else:
        parts = [x]
        y = parts.pop()
    return y


@case((X,), (N,), (Z,), (B,))
def list_made_after_a_return(x):
    if x.sum() > 1:
        return x
    parts = []
    parts.append(x)
    if x.sum() < 0:
        parts.append(x * 3)
        return torch.stack(parts).sum(0)
    parts.extend([x, x])
    return torch.stack(parts).sum(0)


@case((X,), (N,), (Z,), (B,))
def list_that_an_object_holds_is_the_same(x):
    parts = []
    holder = types.SimpleNamespace(parts=parts)
    for i in range(2):
        if x.sum() > i:
            parts.append(x)
        else:
            parts.append(-x)
    return holder.parts


class Settings:
    def __init__(self):
        self.start, self.scale = 0, 2


SETTINGS = Settings()


@case((X,), (N,), (Z,), (B,))
def copied_object_loses_an_attribute_on_each_path(x):
    """The attribute is gone after both sides of each condition, which is no disagreement."""
    y = x if x.sum() > 0 else None
    settings = copy.deepcopy(SETTINGS)
    if hasattr(settings, "start"):
        delattr(settings, "start")
    z = x if x.min() < -2 else None
    out = x if y is None else y * settings.scale
    return out if z is None else z + out


class Doubling(nn.Module):
    def forward(self, x):
        if x.sum() > 1:
            return x * 2
        return x


class CallsAbove(Doubling):
    def __call__(self, x):
        return super().__call__(x) + 1


DOUBLING, CALLS_ABOVE = Doubling(), CallsAbove()


@case((X,), (N,), (Z,), (B,))
def call_of_a_module_as_a_method(x):
    run = DOUBLING.__call__
    return run(x), CALLS_ABOVE(x)


class Sums:
    def __init__(self, x):
        self.x = x

    @functools.cached_property
    def total(self):
        return self.x.sum() * 2 if self.x.sum() > 0 else self.x.sum()

    @functools.cached_property
    def twice(self):
        return self.total * 2


@case((X,), (N,), (Z,), (B,), unreached=1)
def cached_properties_of_each_other(x):
    sums = Sums(x)
    if x.mean() > 0.5:
        y = sums.total
    else:
        sums.total = x.mean()
        y = sums.twice
    return y, sums.twice, sums.total


class Positive:
    """A descriptor of the user's that decides on data."""

    def __set_name__(self, owner, name):
        self.name = f"_{name}"

    def __get__(self, owner, cls):
        value = getattr(owner, self.name)
        return value if value.sum() > 0 else -value

    def __set__(self, owner, value):
        setattr(owner, self.name, value * 2 if value.mean() > 1 else value)

    def __delete__(self, owner):
        setattr(owner, self.name, torch.ones(3))


class Once:
    """A descriptor that computes an attribute when it is read first."""

    def __init__(self, function):
        self.function = function

    def __get__(self, owner, cls):
        value = self.function(owner)
        owner.__dict__[self.function.__name__] = value
        return value


class Described:
    extent = Positive()

    @Once
    def doubled(self):
        return self.extent * 2 if self.extent.max() > 5 else self.extent


@case((X,), (N,), (Z,), (B,))
def descriptors(x):
    one = Described()
    one.extent = x
    y = one.doubled
    if x[0] > 0:
        del one.extent
    return y, one.extent, one.doubled
