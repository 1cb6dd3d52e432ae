# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Image encoders without control flow: GoogLeNet and ResNeXt-50, up to their pooled features.

Szegedy et al., "Going Deeper with Convolutions", CVPR 2015, table 1, with batch norm after each convolution; Xie et
al., "Aggregated Residual Transformations for Deep Neural Networks", CVPR 2017, table 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from dycl.zoo.layers import Bottleneck, block_shapes, conv_bn_relu


class Widths(NamedTuple):
    """Channels of an inception module: of each branch, and of the 1×1 reductions before the 3×3 and the 5×5."""

    one: int
    three_reduce: int
    three: int
    five_reduce: int
    five: int
    pooled: int

    @property
    def total(self) -> int:
        return self.one + self.three + self.five + self.pooled


GOOGLENET = (
    [Widths(64, 96, 128, 16, 32, 32), Widths(128, 128, 192, 32, 96, 64)],
    [
        Widths(192, 96, 208, 16, 48, 64),
        Widths(160, 112, 224, 24, 64, 64),
        Widths(128, 128, 256, 24, 64, 64),
        Widths(112, 144, 288, 32, 64, 64),
        Widths(256, 160, 320, 32, 128, 128),
    ],
    [Widths(256, 160, 320, 32, 128, 128), Widths(384, 192, 384, 48, 128, 128)],
)
"""Inception modules 3a-3b, 4a-4e, 5a-5b."""


class Inception(nn.Module):
    """1×1; 1×1 and 3×3; 1×1 and 5×5; 3×3 max pooling and 1×1: side by side."""

    def __init__(self, in_channels: int, widths: Widths) -> None:
        super().__init__()
        self.one = conv_bn_relu(in_channels, widths.one, 1)
        self.three = nn.Sequential(
            conv_bn_relu(in_channels, widths.three_reduce, 1), conv_bn_relu(widths.three_reduce, widths.three)
        )
        self.five = nn.Sequential(
            conv_bn_relu(in_channels, widths.five_reduce, 1), conv_bn_relu(widths.five_reduce, widths.five, 5)
        )
        self.pooled = nn.Sequential(nn.MaxPool2d(3, 1, padding=1), conv_bn_relu(in_channels, widths.pooled, 1))

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([self.one(x), self.three(x), self.five(x), self.pooled(x)], dim=1)


def googlenet(groups: Sequence[Sequence[Widths]] = GOOGLENET, stem: tuple[int, int] = (64, 192)) -> nn.Sequential:
    """GoogLeNet up to its pooled features, f32[N,1024] of images f32[N,3,224,224]; a max pooling before each group.

    Args:
        groups: of inception modules.
        stem: channels of the 7×7 convolution, and of the 3×3 one.
    """
    pool = nn.MaxPool2d(3, 2, ceil_mode=True)
    layers = [conv_bn_relu(3, stem[0], 7, 2), pool, conv_bn_relu(stem[0], stem[0], 1), conv_bn_relu(*stem)]
    width = stem[1]
    for group in groups:
        layers.append(pool)
        for widths in group:
            layers.append(Inception(width, widths))
            width = widths.total
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten())


def resnext(
    blocks: Sequence[int] = (3, 4, 6, 3), channels: Sequence[int] = (128, 256, 512, 1024), groups: int = 32
) -> nn.Sequential:
    """ResNeXt-50 (32×4d) up to its pooled features, f32[N,2048] of images f32[N,3,224,224].

    Args:
        blocks: in each group of blocks; those after the first halve the resolution.
        channels: of the grouped convolutions in each; the stem has half as many as the first.
        groups: of the grouped convolutions, the cardinality.
    """
    width = channels[0] // 2
    layers: list[nn.Module] = [conv_bn_relu(3, width, 7, 2), nn.MaxPool2d(3, 2, padding=1)]
    layers += [Bottleneck(*shape, expansion=2, groups=groups) for shape in block_shapes(blocks, channels, width, 2)]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten())
