# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Functions of the corpus with what published libraries do and one's own code seldom does. See `frontend_cases.py`."""

from __future__ import annotations

import dataclasses
import functools
import types
from collections import OrderedDict

import torch
from frontend_cases import B, N, X, Z, case
from torch import nn

COUNTS = tuple((X, torch.tensor(n)) for n in (0, 1, 2, 3, 4, -1, -2, -4))
ROWS = tuple((torch.roll(torch.tensor([3.0, 1.0, -2.0]), k),) for k in range(3))


@dataclasses.dataclass
class Output(OrderedDict):
    """As `transformers.utils.ModelOutput`: a dict and a dataclass in one."""

    logits: torch.Tensor = None
    hidden: torch.Tensor = None

    def __post_init__(self):
        for field in dataclasses.fields(self):
            if getattr(self, field.name) is not None:
                super().__setitem__(field.name, getattr(self, field.name))

    def __setattr__(self, name, value):
        if value is not None:
            super().__setitem__(name, value)
        super().__setattr__(name, value)


@case((X,), (N,), (Z,), (B,))
def dict_that_is_a_dataclass(x):
    out = Output(logits=x + 1, hidden=x * 2)
    if x.sum() > 0:
        out = Output(logits=x * 3, hidden=out.hidden)
    return out.logits, out["hidden"], list(out)


@case((X,), (N,), (Z,), (B,))
def attribute_of_a_dict_differs(x):
    class Named(dict):
        pass

    out = Named(a=x)
    out.scale = 2
    if x.sum() > 0:
        out = Named(a=x + 1)
        out.scale = 3
    return out["a"] * out.scale


class Clamp(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, limit=2):
        ctx.save_for_backward(x)
        ctx.limit = limit
        if x.abs().max() > limit:
            return x / x.abs().max()
        return x * limit


class Shift(torch.autograd.Function):
    @staticmethod
    def forward(x, by=1):
        if x.sum() > 0:
            return x - by
        return x + by

    @staticmethod
    def setup_context(ctx, inputs, output):
        assert len(inputs) == 2
        ctx.mark_non_differentiable(output)


@case((X,), (N,), (Z,), (B,))
def autograd_functions(x):
    return Clamp.apply(x), Clamp.apply(x, 5), Shift.apply(x)


EXPERTS = nn.ModuleDict({f"expert_{i}": nn.Threshold(float(i), 7.0) for i in range(3)})


@case(*ROWS, unreached=3)
def module_by_a_text_of_data(x):
    return EXPERTS[f"expert_{x.argmax()}"](x)


@case(*((torch.tensor(n),) for n in (0, 1, 2, 3, 10, -1)), unreached=3)
def items_by_a_text_of_data(n):
    table = {"k1": 5, "k10": 6, "k01": 7, "k-1": 8, "1": 9, 1: 10}
    if n == 3:
        return table[f"k{n}"]
    return table.get(f"k{n}", 0), table.get("k" + str(n.item() > 0))


@case(*COUNTS)
def list_up_to_a_number(x, n):
    history = [x, x + 1, x * 2]
    y = torch.zeros(3)
    for item in reversed(history[:n]):
        y = y * 2 + item
    return y, history[n:], history[-2:]


@case(*COUNTS, unreached=1)
def list_that_grows_is_reversed_and_popped(x, n):
    out = []
    for i in range(n):
        out.append(x * i)
    out.reverse()
    out.append(x - 1)
    first = out.pop()
    out.insert(0, x + 5)
    last = out.pop()
    return first, last, out


@case(*COUNTS)
def list_that_grows_popped_until_it_is_empty(x, n):
    out = []
    for i in range(n):
        out.append(i)
    out.pop()
    return bool(out), out.pop()


@case(*COUNTS, unreached=1)
def slice_of_a_list_that_grows_may_be_empty(x, n):
    out = []
    for i in range(n):
        out.append(x * i)
    return bool(out[1:]), out[1:] or None, torch.stack(out[1:]) if out[1:] else x


@case(*COUNTS, unreached=8)
def tensors_as_sizes(x, n):
    n = n.clamp(0, 5)
    if n > 2:
        n = n - 1
    square = torch.zeros((n, n + 1)) + torch.arange(n)[:, None]
    return square, x.new_ones((2, n)), torch.full((n,), 2.0), x.expand(n, 3), torch.eye(n), torch.arange(1, n + 1)


@case((X,), (N,), (Z,), (B,), (X - 2,))
def checks_of_torch(x):
    positive = x[x > 0]
    torch._check_with(ValueError, positive.numel() > 0, lambda: "nothing is positive")
    torch._check_tensor_all_with(KeyError, x < 20, lambda: "too large")
    torch._assert(x.sum() > 0, "negative sum")
    return x + 1


class OwnError(ValueError):
    """An exception of a class of the user's."""


@case((X,), (N,), (Z,), (B,))
def exception_of_a_class_of_the_users(x):
    if x.sum() > 5:
        raise OwnError
    if x.sum() > 0:
        raise OwnError(f"sum {x.sum().item():.1f}", 3)
    return x


@case((X,), (N,), (Z,), (B,))
def iterator_made_and_moved_on_one_path(x):
    if x.sum() > 0:
        layers = iter([x + 1, x * 2])
        x = next(layers) + 1
        x = next(layers) + x
        if x.sum() > 9:
            return x
        later = iter((x, x * 3))
        return next(later), list(later)
    return x


@case(*((torch.tensor([a, b]),) for a in (0, 1, 2) for b in (0, 3)))
def lists_that_hold_data_are_compared(x):
    if [x[0], 1, int(x[1])] == [1, x[0], 3]:
        return x
    return x + 1 if (x[0].item(), (x[1],)) != (2, (3,)) else x - 1


# fmt: off
@case((X,), (N,), (Z,), (B,))
def expressions_that_end_further_left(x):
                y = torch.where(x > 0, (
    x
), x - 1)
                if (y.sum() > 0 and
  x.sum() < 5):
                    y = y.add(
    1
    )
                return y
# fmt: on


class Scale:
    """Something that is made once for each factor."""

    def __init__(self, factor):
        self.factor = factor
        self.kind = torch.float32

    def __call__(self, x):
        return x.to(self.kind) * self.factor


SCALES = {}
NAMES = set()
BACKENDS = {}


def scale_of(factor):
    if factor not in SCALES:
        SCALES[factor] = Scale(factor)
        NAMES.add(f"by {factor}")
    return SCALES[factor]


@case((X,), (N,), (Z,), (B,))
def remembered_on_each_side(x):
    if x.sum() > 0:
        return scale_of(2)(x)
    return scale_of(3)(x) + scale_of(2)(x)


@case((X,), (N,), (Z,), (B,))
def remembered_on_one_side(x):
    if x.sum() > 0:
        x = scale_of(5)(x)
    return scale_of(5)(x) - scale_of(6)(x)


@case((X,), (N,), (Z,), (B,))
def remembered_by_type(x):
    backend = BACKENDS.get(type(x))
    if backend is None:
        backend = BACKENDS[type(x)] = types.SimpleNamespace(name="torch")
        backend.relu = torch.relu
    if backend.name == "torch" and x.sum() > 0:
        return backend.relu(x)
    return x - backend.relu(-x)


class Remembering(nn.Module):
    def __init__(self):
        super().__init__()
        self.function = None
        self.table = {}

    def forward(self, x):
        if self.function is None:
            self.function = torch.tanh
        self.table.setdefault("relu", torch.relu)
        return self.function(x) if x.sum() > 0 else self.table["relu"](x)


REMEMBERING = Remembering()


@case((X,), (N,), (Z,), (B,))
def remembered_in_attributes(x):
    return REMEMBERING(x) * 2


@functools.lru_cache
def steps_of(n):
    return torch.arange(n), {"count": n}


@case((X,), (N,), (Z,), (B,))
def cached_function(x):
    if x.sum() > 0:
        return x + steps_of(3)[0]
    return x * steps_of(3)[1]["count"] - steps_of(n=3)[0]
