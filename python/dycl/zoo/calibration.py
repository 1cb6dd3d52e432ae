# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""What a random network lacks to be dynamic: activations of a usable scale, and thresholds that divide its inputs.

The rule is the same everywhere: on seeded inputs, layer by layer in the order of `forward`, each input on the way that
its own decisions chose, batch norms take the statistics of what reaches them and a threshold becomes a stated quantile
of what is compared with it. Nothing is trained.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d)


@contextmanager
def seeded(seed: int) -> Generator[None]:
    """Seeds torch's global generator, from which its initializers draw the weights, and leaves it as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield


@torch.no_grad()
def damp(model: nn.Module, *others: nn.BatchNorm2d) -> None:
    """Gives the batch norms before a ReLU a bias of 1, so that a deep random network is well-conditioned.

    With a bias of 0 each such layer makes differences sqrt(π / (π - 1)) = 1.21 times as large (Yang et al., "A Mean
    Field Theory of Batch Normalization", ICLR 2019), those by rounding too: 170 times after 27 layers. A bias of 1
    has the ReLU cut off little, which leaves a factor of 1.06.

    Args:
        others: such norms that do not stand before their ReLU in an `nn.Sequential`.
    """
    found = list(others)
    for module in model.modules():
        if isinstance(module, nn.Sequential):
            pairs = itertools.pairwise(module)
            found += [a for a, b in pairs if isinstance(a, nn.BatchNorm2d) and isinstance(b, nn.ReLU)]
    for norm in found:
        norm.bias.fill_(1)


@torch.no_grad()
def settled(module: nn.Module, *args: Any) -> Any:
    """What `module` gives of a batch, after setting its batch norms to the statistics that they meet there."""
    module.eval()
    for norm in module.modules():
        if isinstance(norm, _NORMS):
            norm.train()  # And no dropout.
            norm.momentum = None  # A cumulative average: after one batch, that batch's own statistics.
            norm.reset_running_stats()
    module(*args)
    return module.eval()(*args)


@torch.no_grad()
def settled_exits(model: nn.Module, exits: Iterable[nn.Module], images: Tensor) -> list[Tensor]:
    """What each of `exits`, modules of `model` none of which is taken, gives of a batch; batch norms are settled."""
    found: dict[nn.Module, Tensor] = {}

    def note(module: nn.Module, _: Any, output: Tensor) -> None:
        found[module] = output

    hooks = [module.register_forward_hook(note) for module in exits]
    settled(model, images)
    for hook in hooks:
        hook.remove()
    return list(found.values())


@torch.no_grad()
def routed(x: Tensor, run: Tensor, block: nn.Module, otherwise: Callable[[Tensor], Tensor]) -> Tensor:
    """A batch f32[N,…] of which those with `run` bool[N] went through `block`, which is settled, others not."""
    ran, skipped = settled(block, x[run]), otherwise(x[~run])
    x = skipped.new_empty(len(x), *skipped.shape[1:])
    x[run], x[~run] = ran, skipped
    return x


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
