# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Functions of the corpus on containers indexed by data, and on text made of data. See `frontend_cases.py`."""

# ruff: noqa: UP032 (written as users write it)
from __future__ import annotations

import array
import io
import logging
import random
import warnings
from collections import OrderedDict, deque

import numpy as np
import torch
from frontend_cases import B, N, X, Z, case
from torch import nn

INTS = tuple((torch.tensor(v),) for v in (5, 0, -3, 12, 1, 2, -1, -2, 20))
ROWS = tuple((torch.roll(torch.tensor([3.0, 1.0, -2.0]), k) * s,) for k in range(3) for s in (1, -1, 0))
logger = logging.getLogger(__name__)


def seeded(count):
    torch.manual_seed(0)
    return [nn.Linear(3, 3) for _ in range(count)]


HEADS = nn.ModuleList(seeded(3))
NAMED = nn.ModuleDict({"a": nn.Linear(3, 3), "b": nn.Identity()})
SEQUENTIAL = nn.Sequential(nn.Tanh(), nn.ReLU(), nn.Sigmoid())


@case(*ROWS, tolerance=1e-6)
def head_by_argmax(x):
    return HEADS[int(x.argmax())](x)


@case(*ROWS, unreached=3, tolerance=1e-6)
def head_in_a_variable(x):
    k = x.argmax().item()
    layer = HEADS[k - 3]
    y = layer(x)
    if y.sum() > 0:
        layer = HEADS[2 - k]
    return layer(y), SEQUENTIAL[x.argmin()](y)


@case(*INTS, tolerance=1e-6)
def head_out_of_range(n):
    return HEADS[n.item()](torch.ones(3))


@case(*ROWS, unreached=1, tolerance=1e-6)
def head_in_a_loop_on_data(x):
    n = 0
    while x.abs().sum() < 9 and n < 4:
        x = HEADS[int(x.argmax())](x) + 1
        n += 1
    return x, n


@case(*ROWS, unreached=4)
def functions_by_position(x):
    functions = (torch.neg, lambda t: t * 2 if t.sum() > 0 else t * 3, torch.relu)
    table = {0: torch.abs, 1: lambda t: t - 1, 2.0: torch.neg}
    k = int(x.argmax())
    return functions[k](x), table.get(k, torch.neg)(x)


@case(*INTS, unreached=1)
def item_assigned_by_position(n):
    items = [0, 10, 20]
    try:
        items[n.item()] = 5
        items[n] += 2
    except IndexError:
        items[0] = -1
    return items


@case(*ROWS, unreached=3)
def tensors_assigned_by_position(x):
    items = [x, x + 1, x + 2]
    k = x.argmax()
    items[k] = items[k] * 10
    if items[0].sum() > 3:
        items[-1 - int(k)] = x
    return items


@case(*INTS, unreached=1)
def dict_by_number(n):
    table = {5: 10, 0: 20, "x": 1, -3: 30, 12: 40}
    return table[n.item()] + 1


@case(*INTS, unreached=3)
def dict_get_and_in(n):
    table = OrderedDict([(5, 10), (0, 20)])
    k = n.item()
    if k in table:
        return table[k], table.get(k + 5, -2)
    return -1, table.get(k, 7)


@case(*INTS, unreached=7)
def methods_of_lists(n):
    items = [3, 1, 2, 1]
    k = n.item()
    taken = items.pop(k)
    items.insert(k, 7)
    items.sort(reverse=True)
    if taken == 1:
        items.remove(taken)
    else:
        del items[k - 1]
    return taken, items, items.index(7), items.count(taken)


@case((X,), (N,), (Z,), (B,), unreached=4)
def index_of_the_largest(x):
    values = x.tolist()
    place = values.index(max(values))
    if (1, 2, int(x[0])).index(int(x[0])) == 2:
        return place, values.count(values[0])
    return place, values.count(0.0)


@case(*INTS)
def value_not_in_list(n):
    return [5, 0, -3].index(n.item())


@case(*ROWS)
def rows_by_position(x):
    y = torch.stack([x, x + 1, x + 2])
    n = int(x.argmax())
    a, b, c, d = y[n].clone(), y[:, n].clone(), y[n, :2] + 0, y[..., -1 - n] * 2
    if y[n][n] > 3:
        y[n] = x * 2
        y[n, 1] = 0
        y[:, n] += 1
    else:
        y[0, n] = y[n, n] - 7
        y[n] -= x[n]
    return y, a + b + d, c, y[None, n, 0]


@case(*ROWS, unreached=4)
def ranges_and_deques_by_position(x):
    k = int(x.argmax())
    queue = deque([x, x * 2, x * 3])
    if x.sum() > 0:
        return range(2, 20, 3)[k], queue[k]
    return range(9)[-k], queue[0] + queue[-1 - k]


@case((X,), (N,), (Z,), (B,))
def prints_and_logs(x):
    print("starts")
    if x.sum() > 0:
        print("positive", x.sum(), f"{x.sum().item():.2f}")
        logger.info("sum %s", x.sum().item())
        logger.debug("constant")
        return x
    text = "negative: " + str(x.sum().item()) + " of {:.1f}".format(x.max().item()) + " and %d" % int(x.min())  # noqa: UP031
    warnings.warn(text + ", ".join([f"{v}" for v in x.tolist()]), stacklevel=2)
    return -x


@case((X,), (N,), (Z,), (B,))
def message_with_numbers(x):
    s = x.sum().item()
    if s > 5:
        raise ValueError(f"sum {s:.3f} > {5}", int(s), s > 6)
    if x.min() < -5:
        raise ValueError("too small: " + str(x.min().item()) + f" {int(s)!r:>6} {x.min()}")
    assert x.max() != 2, f"{x.max():.1f}"
    return x


@case((X,), (N,), (Z,), (B,))
def message_that_is_caught(x):
    try:
        if x.sum() > 5:
            raise ValueError(f"sum {x.tolist()} {x}")
        x = x + 1
    except ValueError as e:
        return x * len(e.args)
    return x


@case((X,), (N,), (Z,), (B,), unreached=1)
def numbers_raised_on_specialized_paths(x):
    h = None
    if x.sum() > 0:
        h = x * 2
    if x.max() > 9:
        raise KeyError(int(x.max()))
    if h is None:
        if x.min() < -5:
            raise ValueError(f"{x.min().item()}")
        return x
    return h + x


@case(*((torch.tensor([v, 0.0, 0.0]),) for v in (4.0, 2.5, 1.0, 0.125, -1.0)))
def lists_of_a_loop_that_is_left_early(x):
    before = []
    for flow in range(2):
        seen = []
        for index in range(2):
            if index < len(before):
                x = x + before[index]
            seen.append(x)
            if x.sum() > 3 - 2 * flow - index:
                return x
        before = seen
    return x - 1


def grown(x, box):
    found = []
    for index in range(3):
        if index == 1:
            found = found[:]
        found.append(x * index)
        if index == 1:
            box["last"] = [found]
        if x[index] > 0:
            return found, index
    return found, 9


@case(*ROWS)
def list_of_a_function_that_is_left_early(x):
    box = {"last": [[x]]}
    found, index = grown(x, box)
    return torch.stack(found).sum(dim=0), len(found), index


@case(*ROWS)
def list_of_a_function_that_is_left_early_in_an_object(x):
    box = {"last": [[x]]}
    _, index = grown(x, box)
    return torch.stack(box["last"][0]).sum(dim=0), len(box["last"][0]), index


class Found(Exception):
    pass


class Box:
    def __init__(self, items):
        self.items = items


def boxed(x):
    found = []
    for index in range(3):
        if index == 1:
            found = found[:]
        found.append(x * index)
        if x[index] > 0:
            return Box(found)
    return Box(found)


@case(*ROWS)
def list_in_an_object_of_a_function_that_is_left_early(x):
    found = boxed(x).items
    return torch.stack(found).sum(dim=0), len(found)


@case(*ROWS)
def list_that_a_closure_keeps(x):
    def make():
        found = []
        for index in range(3):
            if index == 1:
                found = found[:]
            found.append(x * index)
            if x[index] > 0:
                return lambda: found
        return lambda: found

    found = make()()
    return torch.stack(found).sum(dim=0), len(found)


@case(*ROWS)
def list_that_an_exception_carries(x):
    def search():
        found = []
        for index in range(3):
            if index == 1:
                found = found[:]
            found.append(x * index)
            if x[index] > 0:
                raise Found(found)
        return found

    try:
        found = search()
    except Found as error:
        found = error.args[0]
    return torch.stack(found).sum(dim=0), len(found)


# ---- contents that are kept and put back, as dycl does not follow them ---------------------------------------------


@case((X,), (N,), (Z,), (B,))
def deque_of_one_side(x):
    y = x
    if x.sum() > 0:
        made = deque([x])
        made.appendleft(x * 2)
        y = torch.stack(list(made)).sum(0) * len(made)
    return y + 1


@case((X,), (N,), (Z,), (B,))
def deque_that_each_side_fills_for_itself(x):
    queue = deque([x], maxlen=2)
    if x.sum() > 0:
        queue.append(x * 2)
        return queue[0] - queue[-1] * len(queue)
    queue.append(x * 3)
    queue.append(x * 5)
    return queue[0] - queue[-1] * len(queue)


@case((X,), (N,), (Z,), (B,))
def deque_that_is_longer_after_one_side(x):
    queue, data = deque([x]), bytearray(b"a")
    if x.sum() > 0:
        queue.append(x * 2)
        data.append(3)
    return torch.stack(list(queue)).sum(0) + len(queue) + len(data) * 10


@case((X,), (N,), (Z,), (B,))
def deque_that_is_as_it_was_again(x):
    queue = deque([x, x + 1])
    if x.sum() > 0:
        y = queue.popleft()
        queue.appendleft(y)
    else:
        queue.rotate(2)
        y = queue[1]
    return y + queue[0] * 2 + len(queue)


@case((X,), (N,), (Z,), (B,))
def bytes_and_numbers_that_both_sides_write_alike(x):
    data, numbers = bytearray(b"a"), array.array("i", [1, 2])
    if x.sum() > 0:
        data += b"bc"
        numbers[0] = 7
        y = x
    else:
        data.extend((98, 99))
        array.array.__setitem__(numbers, 0, 7)
        y = x * 2
    return y + sum(data) + sum(numbers)


@case((X,), (N,), (Z,), (B,))
def numpy_array_written_before_an_exit(x):
    table = np.arange(3.0)
    if x.sum() > 0:
        table[1] = 5
        table *= 2
        return x + float(table.sum())
    np.ndarray.fill(table, 4)
    table.sort()
    return x - float(table.sum())


@case((X,), (N,), (Z,), (B,))
def text_and_seeded_numbers_of_each_side(x):
    out, numbers, other = io.StringIO(), random.Random(4), np.random.default_rng(5)
    if x.sum() > 0:
        out.write("abc")
        return x * len(out.getvalue()) + numbers.random() + float(other.normal())
    out.write("a")
    return x * len(out.getvalue()) + numbers.randint(0, 9) - float(other.normal())


@case((X, torch.tensor(0)), (N, torch.tensor(1)), (B, torch.tensor(5)))
def deque_of_an_iteration(x, n):
    for _ in range(int(n)):
        made = deque([x])
        made.append(x * 2)
        x = made.pop() + made.popleft()
    return x


@case((X,), (N,), (Z,), (B,))
def deque_filled_where_the_other_side_raises(x):
    queue = deque([1])
    if x.sum() > 0:
        raise ValueError("positive")
    queue.append(2)
    return x + len(queue)
