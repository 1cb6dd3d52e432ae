# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""RANet: sub-networks from the coarsest to the finest resolution, each with what the one before it saw.

Yang et al., "Resolution Adaptive Networks for Efficient Inference", CVPR 2020; layer tables and exit rule from
`models/RANet.py` of yangle15/RANet-pytorch, for CIFAR.
"""

# pyright: reportArgumentType=false, reportCallIssue=false, reportIndexIssue=false, reportPossiblyUnboundVariable=false
# pyright: reportAssignmentType=false
# An nn.ModuleList does not know of which class its modules are.

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from dycl.zoo.calibration import seeded
from dycl.zoo.images import calibrated, one_image
from dycl.zoo.layers import conv_bn_relu
from dycl.zoo.multi_scale import Classifier, bottleneck, calibrate
from dycl.zoo.network import network


class Scale(NamedTuple):
    """A sub-network.

    Attributes:
        factor: how many times the channels of the finest sub-network it has, and how wide its bottlenecks are.
        transitions: the blocks, from 1, after which a convolution halves the channels.
        strided: the blocks, from 1, that end at half the resolution.
    """

    factor: int
    transitions: Sequence[int] = ()
    strided: Sequence[int] = ()


class DenseLayer(nn.Module):
    """Appends `growth` features."""

    def __init__(self, channels: int, growth: int, factor: int) -> None:
        super().__init__()
        self.grow = bottleneck(channels, growth, factor)

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([x, self.grow(x)], dim=1)


class FusionLayer(nn.Module):
    """Appends `growth` features, of which a quarter are of the coarser sub-network's, brought to the same size."""

    def __init__(
        self, channels: int, coarse: int, growth: int, factor: int, coarse_factor: int, stride: int = 1
    ) -> None:
        super().__init__()
        self.grow_coarse = bottleneck(coarse, growth // 4, coarse_factor)
        self.grow = bottleneck(channels, growth - growth // 4, factor, stride)

    def forward(self, x: Tensor, coarse: Tensor) -> Tensor:
        new = self.grow(x)
        return torch.cat([_resized(x, new), _resized(self.grow_coarse(coarse), new), new], dim=1)


def _resized(x: Tensor, like: Tensor) -> Tensor:
    return interpolate(x, size=like.shape[2:], mode="bilinear", align_corners=True)


class DenseBlock(nn.Module):
    """Dense layers, then perhaps a transition to half the channels. Also gives what there was between the layers."""

    def __init__(self, channels: int, growth: int, factor: int, n_layers: int, transition: bool) -> None:
        super().__init__()
        self.widths = [channels + i * growth for i in range(n_layers + 1)]
        self.layers = nn.ModuleList(DenseLayer(width, growth, factor) for width in self.widths[:-1])
        self.channels = self.widths[-1] // 2 if transition else self.widths[-1]
        self.transition = conv_bn_relu(self.widths[-1], self.channels, 1) if transition else nn.Identity()

    def forward(self, x: Tensor) -> tuple[Tensor, list[Tensor]]:
        features = [x]
        for layer in self.layers:
            x = layer(x)
            features.append(x)
        return self.transition(x), features


class FusionBlock(nn.Module):
    """Fusion layers with the features of the coarser sub-network's block, the last perhaps with a stride of 2."""

    def __init__(
        self,
        channels: int,
        coarse: Sequence[int],
        growth: int,
        factors: tuple[int, int],
        stride: int,
        transition: bool,
    ) -> None:
        super().__init__()
        n_layers = len(coarse) - 1
        self.widths = [channels + i * growth for i in range(n_layers + 1)]
        self.layers = nn.ModuleList(
            FusionLayer(width, low, growth, *factors, stride=stride if i == n_layers - 1 else 1)
            for i, (width, low) in enumerate(zip(self.widths[:-1], coarse[:-1], strict=True))
        )
        fused = self.widths[-1] // 4
        self.fuse = conv_bn_relu(coarse[-1], fused, 1)
        self.channels = (self.widths[-1] + fused) // 2 if transition else self.widths[-1] + fused
        self.transition = conv_bn_relu(self.widths[-1] + fused, self.channels, 1) if transition else nn.Identity()

    def forward(self, x: Tensor, coarse: list[Tensor]) -> tuple[Tensor, list[Tensor]]:
        features = [x]
        for layer, low in zip(self.layers, coarse[:-1]):
            x = layer(x, low)
            features.append(x)
        x = torch.cat([x, _resized(self.fuse(coarse[-1]), x)], dim=1)
        return self.transition(x), features


class RANet(nn.Module):
    """A resolution-adaptive network, for one image at a time.

    Sub-network `i` has `2 * (i + 1)` blocks; the last two of each are followed by a classifier, those before them fuse
    the features of the sub-network before it.

    Args:
        scales: the sub-networks, the coarsest first.
        strides: of the convolutions that make the images for the sub-networks, the finest first.
        n_layers: of each block.
        channels: of the image for the finest sub-network.
        growth: of the finest sub-network, per layer.
        classifier: channels within a classifier.
    """

    def __init__(
        self,
        scales: Sequence[Scale],
        strides: Sequence[int],
        n_layers: int = 4,
        channels: int = 16,
        growth: int = 6,
        classifier: int = 128,
    ) -> None:
        super().__init__()
        self.base = nn.ModuleList()
        width = 3
        for scale, stride in zip(reversed(scales), strides, strict=True):
            self.base.append(conv_bn_relu(width, channels * scale.factor, stride=stride))
            width = channels * scale.factor
        self.flows = nn.ModuleList()
        self.classifiers = nn.ModuleList()
        coarse: list[list[int]] = []
        for i, scale in enumerate(scales):
            flow = nn.ModuleList()
            width = channels * scale.factor
            for number in range(1, 2 * i + 3):
                transition = number in scale.transitions
                if number <= len(coarse):
                    factors = scale.factor, scales[i - 1].factor
                    stride = 2 if number in scale.strided else 1
                    low = coarse[number - 1]
                    block = FusionBlock(width, low, growth * scale.factor, factors, stride, transition)
                else:
                    block = DenseBlock(width, growth * scale.factor, scale.factor, n_layers, transition)
                width = block.channels
                flow.append(block)
                if number > len(coarse):
                    self.classifiers.append(Classifier(width, classifier))
            self.flows.append(flow)
            coarse = [block.widths for block in flow]
        self.thresholds = [1.0] * (len(self.classifiers) - 1)

    def forward(self, x: Tensor) -> Tensor:
        """Logits f32[1,10] of an image f32[1,3,32,32]."""
        images: list[Tensor] = []
        for convolution in self.base:
            x = convolution(x)
            images.append(x)
        coarse: list[list[Tensor]] = []
        exits = 0
        for flow in self.flows:
            x = images.pop()
            seen: list[list[Tensor]] = []
            for index, block in enumerate(flow):
                if index < len(coarse):
                    x, features = block(x, coarse[index])
                    seen.append(features)
                    continue
                x, features = block(x)
                seen.append(features)
                logits = self.classifiers[exits](x)
                if exits < len(self.thresholds) and torch.softmax(logits, dim=1).max() >= self.thresholds[exits]:
                    return logits
                exits += 1
            coarse = seen
        return logits


@network(inputs=one_image)
def ranet(tiny: bool = False, seed: int = 0) -> tuple[RANet, tuple[Tensor]]:
    """RANet with eight classifiers, each left `if softmax(logits).max() >= thresholds[k]`.

    Four sub-networks at 8×8, 16×16, 32×32 and 32×32, of 2, 4, 6 and 8 blocks with 4 layers each. The weights are
    random; the thresholds are such that equally many images leave at each classifier: see `calibrate`.

    Args:
        tiny: two sub-networks, at 8×8 and 16×16, of 2 and 4 blocks with 2 layers each.
        seed: of the weights, the calibration and the example.

    Returns:
        The model in evaluation mode, and an example image f32[1,3,32,32]; its output is f32[1,10].
    """
    fine = Scale(2, transitions=(2,), strided=(2,))
    with seeded(seed):
        if tiny:
            model = RANet([Scale(2), fine], (2, 2), 2, channels=2, growth=4, classifier=8)
        else:
            finer = Scale(1, transitions=(2, 4), strided=(2, 4))
            finest = Scale(1, transitions=(2, 5), strided=(4, 6))
            model = RANet([Scale(4), fine, finer, finest], (1, 1, 2, 2))
    return calibrated(model, calibrate, seed, n_images=72)
