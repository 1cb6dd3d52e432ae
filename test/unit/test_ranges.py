# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Between which values what a condition compares can lie, read off the graph that autograd keeps."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F

from dycl.report.ranges import range_of

INF = math.inf
LINEAR = torch.nn.Linear(4, 4)


@pytest.mark.parametrize(
    ("compute", "expected"),
    [
        (lambda x: LINEAR(x).softmax(-1).max(), (0, 1)),
        (lambda x: x.softmax(1).max(dim=1).values.min(), (0, 1)),
        (lambda x: x.softmax(-1).topk(2).values[0, 1], (0, 1)),
        (lambda x: x.sigmoid().mean(), (0, 1)),
        (lambda x: x.tanh() * 2, (-2, 2)),
        (lambda x: x.relu().sum(), (0, INF)),
        (lambda x: F.adaptive_avg_pool1d(x[None].relu(), 1).flatten(), (0, INF)),
        (lambda x: (x**2).mean(), (0, INF)),
        (lambda x: (x**3).mean(), (-INF, INF)),
        (lambda x: -(x.softmax(-1) * x.log_softmax(-1)).sum(), (0, INF)),
        (lambda x: x.clamp(0, 6).amax(), (0, 6)),
        (lambda x: x.clamp(min=x.sum()), (-INF, INF)),
        (lambda x: torch.maximum(x.sigmoid(), x.tanh()), (-1, 1)),
        (lambda x: x.sigmoid() + x.tanh(), (-1, 2)),
        (lambda x: x.sigmoid() - x.sigmoid(), (-1, 1)),
        (lambda x: x.norm(), (0, INF)),
        (lambda x: x.sum(), (-INF, INF)),
        (lambda x: LINEAR(x), (-INF, INF)),
        (lambda x: x.detach().sigmoid(), (-INF, INF)),
        (lambda x: LINEAR.weight.max(), (LINEAR.weight.min().item(), LINEAR.weight.max().item())),
        (lambda x: 1.5, (1.5, 1.5)),
    ],
)
def test_range(compute, expected):
    x = torch.randn(3, 4, requires_grad=True)
    assert range_of(compute(x), [x]) == pytest.approx(expected)


def test_a_large_graph_gives_no_range():
    x = torch.randn(3, 4, requires_grad=True)
    y = x.sigmoid()
    for _ in range(600):
        y = -y
    assert range_of(y, [x]) == (-INF, INF)
