# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""What a random network lacks to be dynamic: activations of a usable scale, and thresholds that divide its inputs.

The rule is the same everywhere: on seeded inputs, layer by layer in the order of `forward`, each input on the way that
its own decisions chose, batch norms take the statistics of what reaches them and a threshold becomes a stated quantile
of what is compared with it. Nothing is trained.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

import torch
from torch import Tensor, nn

_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d)


R = TypeVar("R")


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Seeds torch's global generator, from which its initializers draw the weights, and leaves it as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield


@torch.no_grad()
def settled(module: nn.Module, *args: Tensor, call: Callable[..., R] | None = None) -> R:
    """What `module` gives of a batch, after setting its batch norms to the statistics that they meet there.

    Args:
        call: what to call, if not the module itself: a method of it.
    """
    call = call or module
    module.eval()
    for norm in module.modules():
        if isinstance(norm, _NORMS):
            norm.train()  # And no dropout.
            norm.momentum = None  # A cumulative average: after one batch, that batch's own statistics.
            norm.reset_running_stats()
    call(*args)
    module.eval()
    return call(*args)


@torch.no_grad()
def exit_thresholds(scores: Sequence[Tensor]) -> list[float]:
    """Thresholds for the exits but the last, such that about equally many inputs leave at each exit.

    Args:
        scores: for each exit but the last, the score f32[N] of every input there; one with a score of at least the
            threshold leaves, and is not seen by the exits after it.
    """
    remaining = torch.ones_like(scores[0], dtype=torch.bool)
    thresholds: list[float] = []
    for index, score in enumerate(scores):
        left = score[remaining].sort(descending=True).values
        count = round(len(left) / (len(scores) + 1 - index))
        # Between two scores, so that no input of the calibration is a near tie.
        thresholds.append(((left[count - 1] + left[count]) / 2).item())
        remaining &= score < thresholds[-1]
    return thresholds
