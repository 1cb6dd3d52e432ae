# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Tensors of nested lists, some of which are as long as data say; constants without elements."""

from __future__ import annotations

import torch
from frontend_cases import case
from torch import nn

ROWS = [(torch.tensor(row),) for row in [(1.0, -1, 2, 0.5, 3), (-1.0, -1, -2, 0.5, 3), (-1.0,) * 5, (2.0,) * 5]]
WHOLE = [
    (torch.tensor(row),) for row in [(1, -1, 2, 0, 7), (3, -1, 2, 0, 7), (3, 4, 2, 0, 7), (7, 4, 9, 5, 7), (-1,) * 5]
]


def above(x, bound):
    found = []
    for v in x.tolist():
        if v > bound:
            found.append(v)
    return found


@case(*ROWS)
def tensor_of_one_growing_list(x):
    found = above(x, 0)
    return torch.tensor([found]), torch.as_tensor([[found]]), torch.tensor([found], dtype=torch.float64)


@case(*ROWS)
def tensor_of_the_same_list_twice(x):
    found = above(x, 0)
    return torch.tensor([found, found]), x.new_tensor([found]) * 2


@case(*ROWS)
def tensor_of_a_list_of_growing_tuples(x):
    pairs = []
    for v in x.tolist():
        if v > 0:
            pairs.append((v, 2 * v))
    return torch.tensor([pairs])


@case(*WHOLE, unreached=1)  # A list that is shorter than another of which it is a part, and not empty.
def tensor_of_lists_of_two_lengths(x):
    return torch.tensor([above(x, 2), above(x, 3)])


@case(*WHOLE)
def tensor_of_a_growing_list_beside_a_known_one(x):
    found = above(x, 2)
    return torch.tensor([found, [5, int(x[0])]]), torch.tensor([[], found])


@case(*WHOLE)
def tensor_of_a_growing_list_behind_a_known_one(x):
    return torch.tensor([[int(x[0]), 5, 6], above(x, 2)])


@case(*WHOLE, unreached=3)  # No number, where there is one.
def tensors_of_whole_numbers(x):
    found = above(x, 2)
    if len(found) == 1:
        return torch.tensor([[found], [found]])
    return torch.tensor([(found[0], len(found))]) if found else torch.tensor([[len(found)]])


@case(*WHOLE)
def tensors_by_their_types(x):
    found = above(x, 2)
    first, second = x[0].item(), x[1].item()
    return (
        torch.LongTensor(found),
        torch.FloatTensor([first, 2]),
        torch.LongTensor([len(found), 3]),
        torch.BoolTensor([first > 2, False]),
        torch.LongTensor([found]),
        torch.IntTensor([[second], [2]]),
        torch.DoubleTensor([first / 4]),
    )


@case(*ROWS)
def lengths_as_a_tensor(x):
    kept = [x[x > bound] for bound in (-2, 0, 1)]
    lengths = torch.LongTensor([k.shape[0] for k in kept])
    if lengths[1] > 2:
        return lengths, torch.FloatTensor([kept[1].sum().item()])
    return lengths, torch.FloatTensor([0])


NOTHING = torch.zeros(2, 0)


@case(*ROWS, unreached=0)
def constant_without_elements(x):
    if x.sum() > 0:
        return NOTHING, torch.zeros(2, 1, 0)
    return torch.cat([NOTHING, x[:4].reshape(2, 2)], 1), torch.zeros(2, 1, 0)


class Empty(nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("none", torch.zeros(0, 3, dtype=torch.int32))

    def forward(self, x):
        if x.sum() > 0:
            return self.none
        return torch.cat([self.none, x[:3].to(torch.int32).reshape(1, 3)])


_EMPTY = Empty()


@case(*ROWS)
def buffer_without_elements(x):
    return _EMPTY(x)
