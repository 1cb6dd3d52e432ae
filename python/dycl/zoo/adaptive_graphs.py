# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""ConvNet-AIG: a residual network each of whose blocks has a gate that decides by the block's input.

Veit and Belongie, "Convolutional Networks with Adaptive Inference Graphs", ECCV 2018; layer tables and gate rule from
the authors' `convnet_aig.py` (andreasveit/convnet-aig), where both sides are computed and masked; here the `if` is one.
This is the ResNet-110 of their experiments on CIFAR.
"""

# pyright: reportArgumentType=false
# An nn.ModuleList does not know of which class its modules are.

from __future__ import annotations

import torch
from torch import Tensor, nn

from dycl.zoo.calibration import seeded, settled
from dycl.zoo.images import calibrated, one_image
from dycl.zoo.layers import block_shapes, conv_bn_relu, projection
from dycl.zoo.network import network


class Gate(nn.Module):
    """The image so far, averaged; conv1×1 to 16, BN, ReLU; conv1×1 to two logits: closed, open."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.relevance = nn.Sequential(
            nn.AdaptiveAvgPool2d(1), nn.Conv2d(channels, 16, 1), nn.BatchNorm2d(16), nn.ReLU()
        )
        self.decision = nn.Conv2d(16, 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Logits f32[N,2] of features f32[N,channels,side,side]."""
        return self.decision(self.relevance(x)).flatten(1)


class GatedBlock(nn.Module):
    """conv3×3-BN-ReLU-conv3×3-BN if the gate is open, plus the shortcut, ReLU; for one image at a time."""

    def __init__(self, in_channels: int, channels: int, stride: int) -> None:
        super().__init__()
        self.residual = nn.Sequential(
            conv_bn_relu(in_channels, channels, stride=stride),
            nn.Conv2d(channels, channels, 3, padding=1, bias=False),
            nn.BatchNorm2d(channels),
        )
        self.shortcut = projection(in_channels, channels, stride)
        self.gate = Gate(in_channels)

    def forward(self, x: Tensor) -> Tensor:
        out = self.shortcut(x)
        if self.gate(x).argmax(dim=1) == 1:
            out = out + self.residual(x)
        return torch.relu(out)


class ConvNetAIG(nn.Module):
    """A residual network of gated blocks, for one image at a time.

    Args:
        blocks: blocks in each group; `(18, 18, 18)` is ResNet-110. Groups after the first halve the resolution.
        channels: channels of each group.
        classes: size of the output.
    """

    def __init__(self, blocks: tuple[int, ...], channels: tuple[int, ...], classes: int = 10) -> None:
        super().__init__()
        self.stem = conv_bn_relu(3, channels[0])
        self.blocks = nn.ModuleList(GatedBlock(*shape) for shape in block_shapes(blocks, channels, channels[0]))
        self.classifier = nn.Linear(channels[-1], classes)

    def forward(self, x: Tensor) -> Tensor:
        """Logits f32[1,classes] of an image f32[1,3,32,32]."""
        x = self.stem(x)
        for block in self.blocks:
            x = block(x)
        return self.classifier(x.mean(dim=(2, 3)))


@network(inputs=one_image)
def convnet_aig(tiny: bool = False, seed: int = 0) -> tuple[ConvNetAIG, tuple[Tensor]]:
    """ConvNet-AIG on ResNet-110 for CIFAR: 54 gates, each `if gate(x).argmax(dim=1) == 1` on one image.

    The weights are random, and calibrated so that every gate opens for about half of the images: see `calibrate`.

    Args:
        tiny: four blocks of 4, 8 and 16 channels.
        seed: of the weights, the calibration and the example.

    Returns:
        The model in evaluation mode, and an example image f32[1,3,32,32]; its output is f32[1,10].
    """
    with seeded(seed):
        model = ConvNetAIG((2, 1, 1), (4, 8, 16)) if tiny else ConvNetAIG((18, 18, 18), (16, 32, 64))
    return calibrated(model, calibrate, seed)


@torch.no_grad()
def calibrate(model: ConvNetAIG, images: Tensor) -> None:
    """Makes every gate open for half of `images`.

    Block by block, each image on the way that its own gates chose: batch norms take the statistics of what reaches
    them, and the bias of a gate's logit for open is set to a median difference of 0 to the other.
    """
    x = settled(model.stem, images)
    for block in model.blocks:
        assert isinstance(block, GatedBlock)
        assert block.gate.decision.bias is not None
        closed, opened = settled(block.gate, x).T
        block.gate.decision.bias[1] -= (opened - closed).median()
        run = block.gate(x).argmax(dim=1) == 1
        shortcut = settled(block.shortcut, x)
        residual = torch.zeros_like(shortcut)
        residual[run] = settled(block.residual, x[run])
        x = torch.relu(shortcut + residual)
