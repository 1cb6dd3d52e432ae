# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""BlockDrop: a small policy network looks at the image and says at once which blocks of a residual network to run.

Wu et al., "BlockDrop: Dynamic Inference Paths in Residual Networks", CVPR 2018; layer tables and rule from the authors'
`models/resnet.py` and `test.py` (Tushar-N/blockdrop).
"""

# pyright: reportArgumentType=false, reportAttributeAccessIssue=false, reportCallIssue=false, reportIndexIssue=false
# pyright: reportOperatorIssue=false
# An nn.ModuleList does not know of which class its modules are.

from __future__ import annotations

import torch
from torch import Tensor, nn

from dycl.zoo.calibration import routed, seeded, settled
from dycl.zoo.images import calibrated, one_image
from dycl.zoo.layers import block_shapes, conv_bn_relu
from dycl.zoo.network import network


class HalvingShortcut(nn.Module):
    """Half the resolution by averages, and zeros for the channels that are new."""

    def __init__(self, new_channels: int) -> None:
        super().__init__()
        self.pool = nn.AvgPool2d(2)
        self.new_channels = new_channels

    def forward(self, x: Tensor) -> Tensor:
        x = self.pool(x)
        zeros = torch.zeros(x.shape[0], self.new_channels, *x.shape[2:])
        return torch.cat([x, zeros], dim=1)


class FlatResNet(nn.Module):
    """A residual network as one list of residual functions and one of shortcuts, without its classifier.

    Args:
        blocks: blocks in each group; `(5, 5, 5)` is ResNet-32. Groups after the first halve the resolution.
        channels: channels of each group.
    """

    def __init__(self, blocks: tuple[int, ...], channels: tuple[int, ...]) -> None:
        super().__init__()
        self.stem = conv_bn_relu(3, channels[0])
        self.blocks = nn.ModuleList()
        self.shortcuts = nn.ModuleList()
        for in_channels, out_channels, stride in block_shapes(blocks, channels, channels[0]):
            self.blocks.append(
                nn.Sequential(
                    conv_bn_relu(in_channels, out_channels, stride=stride),
                    nn.Conv2d(out_channels, out_channels, 3, padding=1, bias=False),
                    nn.BatchNorm2d(out_channels),
                )
            )
            self.shortcuts.append(HalvingShortcut(out_channels - in_channels) if stride > 1 else nn.Identity())

    def forward(self, x: Tensor) -> Tensor:
        """Features f32[N,channels[-1]] of images f32[N,3,32,32], by all blocks."""
        x = self.stem(x)
        for block, shortcut in zip(self.blocks, self.shortcuts):
            x = torch.relu(shortcut(x) + block(x))
        return x.mean(dim=(2, 3))


class BlockDrop(FlatResNet):
    """A residual network of which a policy network chooses the blocks, for one image at a time."""

    def __init__(self, blocks: tuple[int, ...], channels: tuple[int, ...], classes: int = 10) -> None:
        super().__init__(blocks, channels)
        features = FlatResNet((1, 1, 1), channels)
        self.policy = nn.Sequential(features, nn.Linear(channels[-1], sum(blocks)), nn.Sigmoid())
        self.classifier = nn.Linear(channels[-1], classes)

    def forward(self, x: Tensor) -> Tensor:
        """Logits f32[1,classes] of an image f32[1,3,32,32]."""
        policy = (self.policy(x)[0] >= 0.5).int()
        x = self.stem(x)
        for t, (block, shortcut) in enumerate(zip(self.blocks, self.shortcuts)):
            residual = shortcut(x)
            if policy[t] == 1:
                x = torch.relu(residual + block(x))
            else:
                x = residual
        return self.classifier(x.mean(dim=(2, 3)))


@network(inputs=one_image)
def blockdrop32(tiny: bool = False, seed: int = 0) -> tuple[BlockDrop, tuple[Tensor]]:
    """BlockDrop on FlatResNet-32: 15 blocks, each `if policy[t] == 1`, where `policy = probabilities >= 0.5`.

    The weights are random, and calibrated so that every block runs for about half of the images: see `calibrate`.

    Args:
        tiny: four blocks of 4, 8 and 16 channels.
        seed: of the weights, the calibration and the example.

    Returns:
        The model in evaluation mode, and an example image f32[1,3,32,32]; its output is f32[1,10].
    """
    with seeded(seed):
        model = BlockDrop((1, 2, 1), (4, 8, 16)) if tiny else BlockDrop((5, 5, 5), (16, 32, 64))
    return calibrated(model, calibrate, seed)


@network(inputs=one_image)
def blockdrop110(tiny: bool = False, seed: int = 0) -> tuple[BlockDrop, tuple[Tensor]]:
    """BlockDrop on FlatResNet-110: 54 blocks, each `if policy[t] == 1`, where `policy = probabilities >= 0.5`.

    The weights are random, and calibrated so that every block runs for about half of the images: see `calibrate`.

    Args:
        tiny: five blocks of 4, 8 and 16 channels.
        seed: of the weights, the calibration and the example.

    Returns:
        The model in evaluation mode, and an example image f32[1,3,32,32]; its output is f32[1,10].
    """
    with seeded(seed):
        model = BlockDrop((2, 2, 1), (4, 8, 16)) if tiny else BlockDrop((18, 18, 18), (16, 32, 64))
    return calibrated(model, calibrate, seed)


@torch.no_grad()
def calibrate(model: BlockDrop, images: Tensor) -> None:
    """Makes the policy run every block for half of `images`.

    Batch norms take the statistics of what reaches them, in the order of `forward`, each image on the way that the
    policy chose for it; the policy's biases are set to a median probability of 0.5.
    """
    probabilities = settled(model.policy, images)
    model.policy[1].bias -= torch.logit(probabilities).median(dim=0).values
    policy = model.policy(images) >= 0.5
    x = settled(model.stem, images)
    for run, block, shortcut in zip(policy.T, model.blocks, model.shortcuts):
        x = routed(x, run, _Residual(block, shortcut), shortcut)


class _Residual(nn.Module):
    """A block that runs, with its shortcut."""

    def __init__(self, block: nn.Module, shortcut: nn.Module) -> None:
        super().__init__()
        self.block, self.shortcut = block, shortcut

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(self.shortcut(x) + self.block(x))
