# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Layers that several families share."""

from __future__ import annotations

from torch import nn


def conv_bn_relu(in_channels: int, channels: int, kernel_size: int = 3, stride: int = 1, groups: int = 1) -> nn.Module:
    """A convolution that keeps the resolution (but for its stride), batch norm, ReLU."""
    padding = kernel_size // 2
    conv = nn.Conv2d(in_channels, channels, kernel_size, stride, padding, groups=groups, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(channels), nn.ReLU())
