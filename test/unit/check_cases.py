# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Functions that eager checks values in, each with inputs that it takes and inputs that it raises for.

`test_frontend_checks.py` runs them captured and interpreted, `test/e2e/test_checks.py` compiled.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F

ROW = torch.arange(3.0)
TABLE = torch.arange(6.0).reshape(2, 3)
INDICES = tuple((torch.tensor(pair),) for pair in ((0, 1), (1, 2), (1, 7), (-1, 0), (5, 9), (-3, -9)))
DIVISORS = tuple((torch.tensor([7, -7]), torch.tensor(pair)) for pair in ((2, 3), (-2, 5), (2, 0), (0, 0)))
MASKED = tuple(
    (torch.tensor(x), torch.tensor(v))
    for x, v in (
        ((1.0, 2.0, -1.0), (1.0, -1.0, 1.0)),
        ((1.0, 2.0, -1.0), (1.0, 1.0, 1.0)),
        ((1.0, -2.0, -1.0), (1.0, 2.0, 1.0)),
        ((1.0, 1.0, -1.0), (-1.0, -2.0, 3.0)),
        ((-1.0, -2.0, -1.0), (1.0, -2.0, 1.0)),
    )
)

CASES = []


def case(*inputs, dynamic=None):
    def register(function):
        CASES.append((function, inputs, dynamic))
        return function

    return register


@case(*INDICES)
def embedding(i):
    return F.embedding(i, TABLE)


@case(*INDICES)
def embedding_bag(i):
    return F.embedding_bag(i.reshape(1, 2), TABLE, mode="sum")


@case(*INDICES)
def index_select_row(i):
    return ROW.index_select(0, i)


@case(*INDICES)
def index_select_table(i):
    return TABLE.index_select(-1, i)


@case(*INDICES)
def gather(i):
    return TABLE.gather(-1, i.reshape(2, 1))


@case(*INDICES)
def take(i):
    return TABLE.take(i)


@case(*INDICES)
def scatter(i):
    return ROW.scatter(0, i, torch.ones(2))


@case(*INDICES)
def scatter_number(i):
    return ROW.scatter(0, i, 2.0)


@case(*INDICES)
def scatter_add(i):
    return ROW.scatter_add(0, i, torch.ones(2))


@case(*INDICES)
def scatter_reduce(i):
    return ROW.scatter_reduce(0, i, torch.ones(2), "amax")


@case(*INDICES)
def index_add(i):
    return TABLE.index_add(1, i, torch.ones(2, 2))


@case(*INDICES)
def index_copy(i):
    return ROW.index_copy(0, i, torch.ones(2))


@case(*INDICES)
def index_fill(i):
    return ROW.index_fill(0, i, 2.0)


@case(*INDICES)
def by_tensor(i):
    return ROW[i]


@case(*INDICES)
def by_tensor_behind(i):
    return TABLE[:, i]


@case(*INDICES)
def by_two_tensors(i):
    return TABLE[i[:1], i[1:]]


@case(*INDICES)
def by_single_items(i):
    return TABLE[i[0], i[1]]


@case(*INDICES)
def by_ints(i):
    return TABLE[int(i[0])] + TABLE[0, int(i[1])]


@case(*INDICES)
def select(i):
    return ROW.select(0, int(i[1])), TABLE.select(1, int(i[0]))


@case(*INDICES)
def assigned(i):
    y = ROW.clone()
    y[i] = 3.0
    return y


@case(*INDICES)
def item_assigned(i):
    y = ROW.clone()
    y[int(i[0])] = 3.0
    y[int(i[1])] += 1.0
    return y


@case(*INDICES)
def counted(i):
    return torch.bincount(i, minlength=10)


@case(*INDICES)
def one_hot(i):
    return F.one_hot(i, 3)


@case(*INDICES)
def cross_entropy(i):
    return F.cross_entropy(TABLE, i)


@case(*INDICES)
def nll_ignoring(i):
    return F.nll_loss(TABLE, i, reduction="none", ignore_index=-1)


@case(*DIVISORS)
def floor_divided(a, b):
    return a // b, a % b


@case(*DIVISORS)
def number_divided(a, b):
    return 7 // b + a, 7 % b


@case(*DIVISORS)
def truncated(a, b):
    return torch.div(a, b, rounding_mode="trunc"), torch.fmod(a, b)


@case(*DIVISORS)
def bytes_divided(a, b):
    return a.to(torch.int8) // b.to(torch.int8)


@case(*DIVISORS)
def float_divided(a, b):
    return a / b


@case(*MASKED)
def masked_assignment(x, v):
    y = x.clone()
    y[x > 0] = v[v > 0]
    return y


@case(*MASKED)
def masked_assignment_of_rows(x, v):
    y = TABLE.T.clone()
    y[x > 0] = torch.stack([v, x]).T[v > 0]
    return y


@case(*MASKED)
def masked_assignment_of_two(x, v):
    y = x.clone()
    y[x > 0] = v[:2]
    return y


@case(*MASKED)
def masked_scatter(x, v):
    return x.masked_scatter(x > 0, v[v > 0])


@case(*INDICES)
def first_of_two(i):
    """The first check that fails counts, not the first in the program's text that the compiler runs."""
    a = ROW[i]
    return a + F.embedding(i, TABLE)[:, 0]


@case(*INDICES, (torch.tensor([0, 2]),))
def on_one_side(i):
    if i[0] > 0:
        return ROW[i] * 2
    y = ROW.gather(0, i)
    if y.sum() > 1:
        raise ValueError(f"a sum of {y.sum().item():.1f}")
    return y


@case(*INDICES)
def in_a_loop(i):
    n, total = 0, torch.zeros(())
    while n < i[0]:
        total = total + ROW[i[1] - n]
        n += 1
    return total


@case(*INDICES)
def handled(i):
    try:
        return ROW[i]
    except IndexError:
        return ROW.sum()


@case(*INDICES)
def handled_by_a_caller(i):
    def first():
        return ROW[i[1]]

    try:
        y = first()
    except (KeyError, IndexError) as error:
        y = ROW[0] - len(error.args)
    return y + TABLE[0, i[0]]


@case(*INDICES)
def handled_for_another_reason(i):
    try:
        return ROW[i]
    except KeyError:
        return ROW.sum()


@case(
    (torch.arange(4.0), torch.tensor([3, -4])),
    (torch.arange(6.0), torch.tensor([5, 0])),
    (torch.arange(2.0), torch.tensor([2, 0])),
    dynamic=({0: torch.export.Dim("n", min=1, max=9)}, None),
)
def of_a_declared_size(x, i):
    return x[i]


@case(*MASKED)
def of_a_size_on_data(x, v):
    return x[x > 0][(v > 1.5).sum()]


@case((torch.tensor([2, 1]),), (torch.tensor([0, 0]),), (torch.tensor([-5, 3]),))
def known_to_be_in_range(i):
    """No check is needed, so none is made."""
    order = torch.topk(ROW + i.sum(), 2).indices
    return ROW[order] + TABLE[(TABLE * i[0]).argmax(1).clamp(0, 1), 0] + ROW[i.clamp(0, 2)]


WORDS = [(torch.tensor(words),) for words in ([3, 1, 2, 1], [1, 1, 1, 1], [2, 2, 3, 3], [0, 2, 3, 1])]
"""... of which one has no 1, so that a search for it leaves the tensor."""


@case(*WORDS)
def search_without_a_limit(words):
    """With the nearest word instead, it would not end."""
    position = 0
    while True:
        if words[position] == 1:
            break
        position += 1
    return position


@case(*WORDS)
def search_by_the_test(words):
    position = 0
    while words[position] != 1:
        position += 1
    return position * 2


@case((torch.tensor([2, 0, 1]),), (torch.tensor([1, 2, 5]),), (torch.tensor([0, 0, 0]),), (torch.tensor([1, 2, -4]),))
def links_are_followed(links):
    at, steps = links[0], 0
    while at != 0:
        at = links[at]
        steps += 1
    return steps, at


@case(*WORDS)
def search_that_reads_in_a_loop_in_a_loop(words):
    total, position = torch.zeros((), dtype=torch.int64), 0
    while total < 4:
        while words[position] != 1:
            position += 1
        total = total + words[position] + 1
    return total, position


@case((torch.tensor([1, 0, 2]),), (torch.tensor([0, 5, 1]),), (torch.tensor([2, 2, 2]),), (torch.tensor([0, 1, -4]),))
def search_with_a_limit(words):
    """It ends by the counter, with which the host needs no answer of the device."""
    position, found = 0, torch.zeros((), dtype=torch.int64)
    while position < 3:
        found = found + TABLE[0, words[position]].to(torch.int64)
        position += 1
    return found
