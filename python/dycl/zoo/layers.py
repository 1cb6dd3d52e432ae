# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Layers that several families share."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor, nn


def conv_bn_relu(in_channels: int, channels: int, kernel_size: int = 3, stride: int = 1, groups: int = 1) -> nn.Module:
    """A convolution that keeps the resolution (but for its stride), batch norm, ReLU."""
    padding = kernel_size // 2
    conv = nn.Conv2d(in_channels, channels, kernel_size, stride, padding, groups=groups, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(channels), nn.ReLU())


def projection(in_channels: int, channels: int, stride: int) -> nn.Module:
    """A residual block's shortcut: as it is where the size stays, else conv1×1-BN."""
    if stride == 1 and in_channels == channels:
        return nn.Identity()
    return nn.Sequential(nn.Conv2d(in_channels, channels, 1, stride, bias=False), nn.BatchNorm2d(channels))


class Bottleneck(nn.Module):
    """conv1×1-BN-ReLU-conv3×3-BN-ReLU-conv1×1-BN to `expansion` times the channels, plus the shortcut, ReLU."""

    def __init__(self, in_channels: int, channels: int, stride: int, expansion: int = 4, groups: int = 1) -> None:
        super().__init__()
        out = expansion * channels
        self.residual = nn.Sequential(
            conv_bn_relu(in_channels, channels, 1),
            conv_bn_relu(channels, channels, 3, stride, groups),
            nn.Conv2d(channels, out, 1, bias=False),
            nn.BatchNorm2d(out),
        )
        self.shortcut = projection(in_channels, out, stride)

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(self.residual(x) + self.shortcut(x))


def block_shapes(
    blocks: Sequence[int], channels: Sequence[int], width: int, expansion: int = 1
) -> Iterator[tuple[int, int, int]]:
    """The input channels, channels and stride of each residual block; groups after the first halve the resolution.

    Args:
        blocks: in each group.
        channels: of each group.
        width: the input channels of the first block.
        expansion: how many times its channels a block gives.
    """
    for group, (count, group_channels) in enumerate(zip(blocks, channels, strict=True)):
        for index in range(count):
            yield width, group_channels, 2 if group > 0 and index == 0 else 1
            width = expansion * group_channels


def entropy(logits: Tensor) -> Tensor:
    """The entropy f32[N], in nats, of the softmax of logits f32[N,classes]."""
    return -(torch.softmax(logits, dim=1) * torch.log_softmax(logits, dim=1)).sum(dim=1)
