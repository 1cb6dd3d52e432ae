# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Modules whose attributes hold values of other kinds from call to call, and a sequence of inputs for them.

`test_frontend_state_kinds.py` runs them captured and interpreted, `test/e2e/test_state_compiled.py` compiled.
"""

from __future__ import annotations

import torch
from torch import nn

SEQUENCE = [
    torch.tensor(values)
    for values in ([-1.0, -1, 0], [1.0, 2, 3], [-1.0, 0, 0], [-5.0, -4, 3], [-1.0, 0, 0], [5.0, 5, 5], [0.0, 0, 0])
]


class Ema(nn.Module):
    """The first call of all makes the average."""

    def __init__(self):
        super().__init__()
        self.average = None
        self.calls = 0

    def forward(self, x):
        self.calls += 1
        if self.average is None:
            self.average = x
        else:
            self.average = 0.5 * self.average + 0.5 * x
        return self.average * 1, self.calls


class Cache(nn.Module):
    """Data decides whether there is a value, and may take it away again."""

    def __init__(self):
        super().__init__()
        self.last = None

    def forward(self, x):
        if x.sum() > 0:
            self.last = x
        elif x.sum() < -5:
            self.last = None
        return self.last


class Recurrent(nn.Module):
    """A pair of tensors, a string, a count that becomes a float, a buffer that is not there at first."""

    def __init__(self):
        super().__init__()
        self.state = None
        self.mode = "a"
        self.count = 3
        self.register_buffer("largest", None)

    def forward(self, x):
        h, c = self.state if self.state is not None else (torch.zeros(3), torch.zeros(3))
        h = h + x
        c = c * 0.5 + h
        self.state = (h, c)
        if x.sum() > 0:
            self.mode = "b"
        else:
            self.count = self.count + 0.5
        if x.max() > 2:
            self.largest = x
        if self.mode == "b":
            x = x + 1
        return x + h, c, self.count, self.largest


class ReadInALoop(nn.Module):
    def __init__(self):
        super().__init__()
        self.best = None

    def forward(self, x):
        steps = x.abs().sum().clamp(0, 4).long()
        for i in range(steps):
            score = (x * i).sum()
            if self.best is None or score > self.best:
                self.best = score
        if self.best is None:
            return x
        return x + self.best


class Rope(nn.Module):
    """Frequencies that are scaled for what is long, and are the first ones again: two attributes hold one tensor."""

    def __init__(self):
        super().__init__()
        self.register_buffer("frequencies", torch.tensor([1.0, 0.1, 0.01]))
        self.first_frequencies = self.frequencies
        self.longest = 4

    def forward(self, x):
        length = torch.max(x).long() + 1
        if length > self.longest:
            self.frequencies = self.first_frequencies / (length / 4)
            self.longest = length
        if length < 2 and self.longest > 4:
            self.frequencies = self.first_frequencies
            self.longest = 4
        return x * self.frequencies


class Inner(nn.Module):
    def __init__(self, start):
        super().__init__()
        self.first = self.last = start

    def forward(self, x):
        if x.sum() > 0:
            self.last = self.first + x
        return self.last - self.first


class SharedStart(nn.Module):
    """Three places hold one tensor at first, in two modules and a list; two of them get others."""

    def __init__(self):
        super().__init__()
        start = torch.tensor([1.0, 2.0, 3.0])
        self.inner = Inner(start)
        self.other = start
        self.held = [start, start]

    def forward(self, x):
        y = self.inner(x)
        if y.sum() > x.sum():
            self.other = self.other + y
        return y, self.other, self.held[0] + self.held[1]


class Smoothed(nn.Module):
    """What is smoothed starts as the reference, which is kept; a count next to it."""

    def __init__(self):
        super().__init__()
        self.reference = torch.zeros(3)
        self.smoothed = self.reference
        self.resets = 0

    def forward(self, x):
        self.smoothed = 0.5 * self.smoothed + 0.5 * x
        if (self.smoothed - self.reference).abs().max() > 2:
            self.smoothed = self.reference
            self.resets += 1
        return self.smoothed * 1, self.resets


MODELS = [Ema, Cache, Recurrent, ReadInALoop, Rope, SharedStart, Smoothed]
