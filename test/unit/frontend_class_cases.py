# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Functions of the corpus on classes of the user's and on hooks. See `frontend_cases.py`."""

from __future__ import annotations

import dataclasses
import functools

from frontend_cases import B, N, X, Z, case
from torch import nn


class Gauge:
    def __init__(self, x, scale=2):
        if x.sum() > 0:
            self.v = x * scale
        else:
            self.v = x * 3
        self._level = 1

    @property
    def peak(self):
        return self.v.max() if self.v.sum() > 0 else self.v.min()

    @functools.cached_property
    def average(self):
        return self.v.mean() if self.v.sum() > 5 else self.v.sum()

    @property
    def level(self):
        return self._level

    @level.setter
    def level(self, value):
        if value > 0:
            self._level = value
        else:
            self._level = -value

    def __call__(self, t):
        return t + self.v if t.sum() > 0 else t - self.v

    def __len__(self):
        return 3

    def __getitem__(self, i):
        return self.v[i] if self.v[i] > 0 else -self.v[i]

    def __iter__(self):
        return iter([self[0], self[1]])

    def __contains__(self, item):
        return self.v.max() > item

    def __bool__(self):
        return bool(self.v.sum() > 0)

    def __getattr__(self, name):
        if name == "dynamic":
            return self.v if self.v.sum() > 0 else self.v * 5
        raise AttributeError(name)

    @classmethod
    def of(cls, x):
        return cls(x) if x.sum() > 0 else cls(-x)

    @staticmethod
    def positive(t):
        return t if t.sum() > 0 else -t


@case((X,), (N,), (Z,), (B,))
def constructor_and_properties(x):
    gauge = Gauge(x, scale=4)
    gauge.level = x[0]
    return gauge.v, gauge.peak, gauge.level, gauge.average + gauge.average


@case((X,), (N,), (Z,), (B,))
def accessors(x):
    gauge = Gauge(x)
    total = gauge(x) + gauge.dynamic + gauge[0] * len(gauge)
    for v in gauge:
        total = total + v
    return total, getattr(gauge, "dynamic"), getattr(gauge, "absent", 3), hasattr(gauge, "absent")  # noqa: B009


@case((X,), (N,), (Z,), (B,))
def truth_and_membership_of_objects(x):
    gauge = Gauge(x)
    if gauge and 2 in gauge:
        return x
    return x + 1 if not gauge else x + 2


@case((X,), (N,), (Z,), (B,), unreached=3)
def alternative_constructors(x):
    return Gauge.of(x).v, Gauge.positive(x), Gauge(x).positive(-x)


@dataclasses.dataclass
class Output:
    logits: object
    score: int = 3

    def __post_init__(self):
        if self.logits.sum() > 0:
            self.score = 5

    def total(self):
        return self.logits * self.score if self.logits.sum() > 1 else self.logits


@case((X,), (N,), (Z,), (B,))
def dataclass_with_post_init(x):
    output = Output(x)
    if x.max() > 2:
        output = dataclasses.replace(output, logits=x * 2)
    return output.total(), output.score


class Hooked(nn.Module):
    def forward(self, x, scale=1):
        return x * 2 * scale if x.sum() > 0 else x


def doubled(module, args, result):
    return result * 2 if result.sum() > 3 else None


HOOKED = Hooked()
HOOKED.register_forward_hook(doubled)
HOOKED.register_forward_hook(lambda m, args, kwargs, result: result + kwargs.get("scale", 7), with_kwargs=True)
HOOKED.register_forward_pre_hook(lambda m, args: args[0] + 1)
HOOKED.register_forward_pre_hook(lambda m, args, kwargs: (args, {**kwargs, "scale": 3}), with_kwargs=True)
IN_TORCHS_CONTAINER = nn.Sequential(nn.ReLU(), nn.Identity())
IN_TORCHS_CONTAINER[1].register_forward_hook(doubled)


@case((X,), (N,), (Z,), (B,), unreached=1)
def hooks_on_modules(x):
    return HOOKED(x), IN_TORCHS_CONTAINER(x)
