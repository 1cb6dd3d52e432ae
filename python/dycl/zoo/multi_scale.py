# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""MSDNet: dense layers at several resolutions at once, with classifiers on the coarsest.

Huang et al., "Multi-Scale Dense Networks for Resource Efficient Image Classification", ICLR 2018; layer tables and exit
rule from `models/msdnet.py` of kalviny/MSDNet-PyTorch, for CIFAR.
"""

# pyright: reportArgumentType=false
# An nn.ModuleList does not know of which class its modules are.

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor, nn

from dycl.zoo.calibration import exit_thresholds, seeded, settled_exits
from dycl.zoo.images import calibrated, one_image
from dycl.zoo.layers import conv_bn_relu
from dycl.zoo.network import network

FACTORS = (1, 2, 4)
"""How many times the channels of the finest scale each scale has; and how wide its bottlenecks are."""


def bottleneck(in_channels: int, channels: int, factor: int, stride: int = 1) -> nn.Module:
    """conv1×1 to at most `factor` times the channels, then conv3×3, each with batch norm and ReLU."""
    inner = min(in_channels, factor * channels)
    return nn.Sequential(conv_bn_relu(in_channels, inner, 1), conv_bn_relu(inner, channels, 3, stride))


class Classifier(nn.Module):
    """Two conv3×3 with stride 2, batch norm and ReLU, AvgPool2, one linear layer; for features of 8×8."""

    def __init__(self, channels: int, inner: int = 128, classes: int = 10) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            conv_bn_relu(channels, inner, stride=2), conv_bn_relu(inner, inner, stride=2), nn.AvgPool2d(2)
        )
        self.linear = nn.Linear(inner, classes)

    def forward(self, x: Tensor) -> Tensor:
        """Logits f32[N,classes] of features f32[N,channels,8,8]."""
        return self.linear(self.layers(x).flatten(1))


class Pyramid(nn.Module):
    """The first layer: an image at every scale, the finest first."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        widths = [3, *(channels * factor for factor in FACTORS)]
        self.scales = nn.ModuleList(
            conv_bn_relu(a, b, stride=1 if a == 3 else 2) for a, b in itertools.pairwise(widths)
        )

    def forward(self, x: Tensor) -> list[Tensor]:
        features: list[Tensor] = []
        for scale in self.scales:
            x = scale(x)
            features.append(x)
        return features


class DenseScales(nn.Module):
    """A layer that appends to every scale features of that scale, and of the next finer one where it has one.

    Args:
        channels: that the finest scale of all has before this layer; scale `s` has `FACTORS[s]` times as many.
        growth: that the finest scale of all gets.
        n_in, n_out: scales before and after this layer, always the coarsest; of the finer ones nothing is kept.
    """

    def __init__(self, channels: int, growth: int, n_in: int, n_out: int) -> None:
        super().__init__()
        self.normal = nn.ModuleList()
        self.down = nn.ModuleList()
        for scale in range(len(FACTORS) - n_out, len(FACTORS)):
            factor = FACTORS[scale]
            new = growth * factor
            if scale > len(FACTORS) - n_in:
                finer = FACTORS[scale - 1]
                self.down.append(bottleneck(channels * finer, new // 2, finer, stride=2))
                new //= 2
            self.normal.append(bottleneck(channels * factor, new, factor))
        self.n_out = n_out

    def forward(self, x: list[Tensor]) -> list[Tensor]:
        finer, kept = [*x[-len(self.down) - 1 : -1]], x[-self.n_out :]
        alone = self.n_out - len(self.down)  # The finest scale of all has no finer one.
        out: list[Tensor] = []
        for i, (same, normal) in enumerate(zip(kept, self.normal)):
            if i < alone:
                out.append(torch.cat([same, normal(same)], dim=1))
            else:
                out.append(torch.cat([same, self.down[i - alone](finer[i - alone]), normal(same)], dim=1))
        return out


class Transition(nn.Module):
    """conv1×1, batch norm and ReLU at every scale, to fewer channels."""

    def __init__(self, channels: int, out_channels: int, n_scales: int) -> None:
        super().__init__()
        self.scales = nn.ModuleList(
            conv_bn_relu(channels * factor, out_channels * factor, 1) for factor in FACTORS[-n_scales:]
        )

    def forward(self, x: list[Tensor]) -> list[Tensor]:
        return [scale(features) for scale, features in zip(self.scales, x)]


class MSDNet(nn.Module):
    """A multi-scale dense network with a classifier after every block, for one image at a time.

    The finest scales are dropped one after the other, at equal distances, each time with half of the channels.

    Args:
        layers: of each block.
        channels: of the finest scale at first.
        growth: of the finest scale, per layer.
        classifier: channels within a classifier.
    """

    def __init__(self, layers: Sequence[int], channels: int = 16, growth: int = 6, classifier: int = 128) -> None:
        super().__init__()
        self.pyramid = Pyramid(channels)
        self.blocks = nn.ModuleList()
        self.classifiers = nn.ModuleList()
        distance = math.ceil(sum(layers) / len(FACTORS))
        n_scales, layer = len(FACTORS), 0
        for count in layers:
            block: list[nn.Module] = []
            for _ in range(count):
                n_out = len(FACTORS) - layer // distance
                block.append(DenseScales(channels, growth, n_scales, n_out))
                channels += growth
                if n_out < n_scales:
                    block.append(Transition(channels, channels // 2, n_out))
                    channels //= 2
                n_scales, layer = n_out, layer + 1
            self.blocks.append(nn.Sequential(*block))
            self.classifiers.append(Classifier(channels * FACTORS[-1], classifier))
        self.thresholds = [1.0] * (len(layers) - 1)

    def forward(self, x: Tensor) -> Tensor:
        """Logits f32[1,10] of an image f32[1,3,32,32]."""
        features = self.pyramid(x)
        for block, classify, threshold in zip(self.blocks, self.classifiers, self.thresholds):
            features = block(features)
            logits = classify(features[-1])
            if torch.softmax(logits, dim=1).max() >= threshold:
                return logits
        return self.classifiers[-1](self.blocks[-1](features)[-1])


@network(inputs=one_image)
def msdnet(tiny: bool = False, seed: int = 0) -> tuple[MSDNet, tuple[Tensor]]:
    """MSDNet with seven classifiers, each left `if softmax(logits).max() >= threshold[k]`.

    The anytime configuration for CIFAR: 4 layers, then 2 a block; 16 channels, growth 6, factors 1-2-4. The weights are
    random; the thresholds are such that equally many images leave at each classifier: see `calibrate`.

    Args:
        tiny: three blocks of one layer with 4 channels, growth 2.
        seed: of the weights, the calibration and the example.

    Returns:
        The model in evaluation mode, and an example image f32[1,3,32,32]; its output is f32[1,10].
    """
    with seeded(seed):
        model = MSDNet((1, 1, 1), 4, 2, 8) if tiny else MSDNet((4, 2, 2, 2, 2, 2, 2))
    return calibrated(model, calibrate, seed)


class EarlyExits(Protocol):
    """What `calibrate` needs of a network."""

    classifiers: nn.ModuleList
    thresholds: list[float]


@torch.no_grad()
def calibrate(model: EarlyExits, images: Tensor) -> None:
    """Makes about equally many of `images` leave at each classifier.

    Batch norms take the statistics of `images`; a threshold is a quantile of the largest probabilities of the images
    that reach its classifier.
    """
    assert isinstance(model, nn.Module)
    model.thresholds = [math.inf] * len(model.thresholds)
    outputs = settled_exits(model, model.classifiers, images)
    model.thresholds = exit_thresholds([torch.softmax(logits, dim=1).amax(dim=1) for logits in outputs[:-1]])
