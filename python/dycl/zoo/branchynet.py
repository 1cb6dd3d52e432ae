# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""BranchyNet: side branches of a network answer where they are certain, by the entropy of what they say.

Teerapittayanon et al., "BranchyNet: Fast Inference via Early Exiting from Deep Neural Networks", ICPR 2016; layer table
and rule from the authors' code (kunglab/branchynet).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from dycl.zoo.calibration import exit_thresholds, seeded
from dycl.zoo.images import random_images
from dycl.zoo.layers import entropy
from dycl.zoo.network import network


def _pool() -> nn.Module:
    return nn.Sequential(nn.MaxPool2d(2, ceil_mode=True), nn.ReLU())


class BranchyLeNet(nn.Module):
    """LeNet with one side branch, for one image at a time.

    Args:
        widths: channels of the first convolution, the second (and the branch's) and the third; the hidden layer.
        threshold: leave at the branch if its entropy in nats is below this.
    """

    def __init__(self, widths: tuple[int, int, int, int] = (5, 10, 20, 84), threshold: float = 0.0) -> None:
        super().__init__()
        first, second, third, hidden = widths
        self.stem = nn.Conv2d(1, first, 5, padding=3)
        self.branch = nn.Sequential(
            _pool(), nn.Conv2d(first, second, 3, padding=1), _pool(), nn.Flatten(), nn.Linear(second * 8 * 8, 10)
        )
        self.main = nn.Sequential(
            _pool(),
            nn.Conv2d(first, second, 5, padding=3),
            _pool(),
            nn.Conv2d(second, third, 5, padding=3),
            _pool(),
            nn.Flatten(),
            nn.Linear(third * 6 * 6, hidden),
            nn.Linear(hidden, 10),
        )
        self.threshold = threshold

    def forward(self, x: Tensor) -> tuple[Tensor, int]:
        """Of an image f32[1,1,28,28]: logits f32[1,10], and the exit that they are of: 0 or 1."""
        x = self.stem(x)
        logits = self.branch(x)
        if entropy(logits) < self.threshold:
            return logits, 0
        return self.main(x), 1


def grey_images(count: int, seed: int, **_: Any) -> Iterator[tuple[Tensor]]:
    """Arguments of `count` calls with one image f32[1,1,28,28] each, whatever the network's arguments."""
    return ((image,) for image in random_images(count, seed, channels=1, side=28).split(1))


@network(inputs=grey_images)
def branchynet_lenet(tiny: bool = False, seed: int = 0) -> tuple[BranchyLeNet, tuple[Tensor]]:
    """BranchyNet's LeNet: one side branch, left `if entropy(logits) < threshold`.

    The weights are random; the threshold is such that half of the images leave: see `calibrate`.

    Args:
        tiny: a quarter of the channels.
        seed: of the weights, the calibration and the example.

    Returns:
        The model in evaluation mode, and an example image f32[1,1,28,28]; its output is logits f32[1,10] and the exit.
    """
    with seeded(seed):
        model = BranchyLeNet((2, 3, 5, 16)) if tiny else BranchyLeNet()
    calibrate(model, random_images(128, seed + 1, channels=1, side=28))
    return model.eval(), (random_images(1, seed + 2, channels=1, side=28),)


@torch.no_grad()
def calibrate(model: BranchyLeNet, images: Tensor) -> None:
    """Makes half of `images` leave at the branch, by the median of their entropies there."""
    certainty = -entropy(model.branch(model.stem(images)))
    (threshold,) = exit_thresholds([certainty])
    model.threshold = -threshold
