# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Images for networks that no data set was trained into."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

M = TypeVar("M", bound=nn.Module)


def random_images(count: int, seed: int, channels: int = 3, side: int = 32) -> Tensor:
    """Noise f32[count,channels,side,side] around a random colour with a random contrast, so that images differ."""
    generator = torch.Generator().manual_seed(seed)
    colour = torch.randn(count, channels, 1, 1, generator=generator)
    contrast = torch.rand(count, 1, 1, 1, generator=generator)
    return colour + contrast * torch.randn(count, channels, side, side, generator=generator)


def one_image(count: int, seed: int, **_: Any) -> Iterator[tuple[Tensor]]:
    """Arguments of `count` calls with one image f32[1,3,32,32] each, whatever the network's arguments."""
    return ((image,) for image in random_images(count, seed).split(1))


def calibrated(
    model: M, calibrate: Callable[[M, Tensor], None], seed: int, n_images: int = 128
) -> tuple[M, tuple[Tensor]]:
    """A model in evaluation mode, calibrated on images f32[n_images,3,32,32], and an example image f32[1,3,32,32]."""
    calibrate(model, random_images(n_images, seed=seed + 1))
    return model.eval(), (random_images(1, seed=seed + 2),)
