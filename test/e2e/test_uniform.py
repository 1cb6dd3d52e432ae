# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Reductions of tensors that hold one number only, of a dynamic size: IREE would count vectors for elements."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch.export import Dim

import dycl

FUNCTIONS = {
    "mean loss": lambda x: F.nll_loss(x.log_softmax(1), torch.zeros(x.shape[0], dtype=torch.long)),
    "count": lambda x: x.sum() / (torch.zeros(x.shape[0]) == 0).sum(),
    "rows": lambda x: x.sum(0) / torch.full((3, x.shape[0]), 2, dtype=torch.int32).sum(1),
    "extremes": lambda x: x.sum() * torch.full((x.shape[0],), 1.5).max() + torch.full((x.shape[0],), -2.5).min(),
    "all": lambda x: x.sum() + (torch.ones(x.shape[0]) > 0).all(),
    "product": lambda x: x.sum() * torch.full((x.shape[0],), 1.5).prod(),
}


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("is_declared", [True, False], ids=["declared", "data"])
def test_reduction_of_one_number(name: str, is_declared: bool) -> None:
    generator = torch.Generator().manual_seed(0)
    x = torch.rand(21, 3, generator=generator) + 0.5

    def forward(x):
        return FUNCTIONS[name](x if is_declared else x[x[:, 0] > 0])

    sizes = ({0: Dim("n", min=1, max=40)},) if is_declared else None
    program = dycl.compile(forward, (x,), dynamic_shapes=sizes)
    for count in (21, 1, 2, 8, 9, 20):
        inputs = x[:count] if is_declared else torch.cat([x[:count], -x[count:]])
        torch.testing.assert_close(program(inputs), forward(inputs), rtol=1e-5, atol=1e-6)
