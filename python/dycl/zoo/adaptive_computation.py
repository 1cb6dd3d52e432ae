# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Universal Transformer: one layer, run until every position has had enough (adaptive computation time).

Dehghani et al., "Universal Transformers", ICLR 2019, with Graves's ACT; the rule, threshold 0.9, from
andreamad8/Universal-Transformer-Pytorch; the sizes of tensor2tensor's `universal_transformer_base`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from dycl.zoo.calibration import seeded
from dycl.zoo.network import network


class EncoderLayer(nn.Module):
    """Self-attention and a feed-forward network, each normalised before and added."""

    def __init__(self, features: int, hidden: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.attention_norm = nn.LayerNorm(features)
        self.query_key_value = nn.Linear(features, 3 * features, bias=False)
        self.attention_output = nn.Linear(features, features, bias=False)
        self.norm = nn.LayerNorm(features)
        self.intermediate = nn.Linear(features, hidden)
        self.output = nn.Linear(hidden, features)

    def forward(self, x: Tensor) -> Tensor:
        """Features f32[B,L,C] of features f32[B,L,C]."""
        query, key, value = (
            part.unflatten(2, (self.heads, -1)).transpose(1, 2)
            for part in self.query_key_value(self.attention_norm(x)).chunk(3, dim=2)
        )
        attended = F.scaled_dot_product_attention(query, key, value)
        x = x + self.attention_output(attended.transpose(1, 2).flatten(2))
        return x + self.output(torch.relu(self.intermediate(self.norm(x))))


class UniversalTransformer(nn.Module):
    """An encoder that runs its one layer as often as its slowest position asks for.

    Args:
        features, hidden, heads: of the layer.
        max_hop: the largest number of steps.
        threshold: a position halts when its halting probabilities add up to more than this.
    """

    frequencies: Tensor

    def __init__(self, features: int, hidden: int, heads: int, max_hop: int = 12, threshold: float = 0.9) -> None:
        super().__init__()
        self.max_hop = max_hop
        self.threshold = threshold
        self.layer = EncoderLayer(features, hidden, heads)
        self.halt = nn.Linear(features, 1)
        self.norm = nn.LayerNorm(features)
        half = features // 2
        self.register_buffer("frequencies", 10_000 ** (-torch.arange(half) / max(half - 1, 1)))

    def signal(self, position: Tensor) -> Tensor:
        """Sines and cosines f32[…,C] of positions, or of a step, f32[…]."""
        angle = position[..., None] * self.frequencies
        return torch.cat([angle.sin(), angle.cos()], dim=-1)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Features f32[1,L,C] of features f32[1,L,C], the remainders f32[1,L] and the numbers of updates f32[1,L]."""
        halting = torch.zeros(x.shape[:2])
        remainders = torch.zeros(x.shape[:2])
        updates = torch.zeros(x.shape[:2])
        result = torch.zeros_like(x)
        positions = self.signal(torch.arange(x.shape[1], dtype=torch.float32))
        step = torch.zeros(())
        while ((halting < self.threshold) & (updates < self.max_hop)).any():
            x = x + positions + self.signal(step)
            probability = torch.sigmoid(self.halt(x)).squeeze(-1)
            running = (halting < 1).float()
            halts_now = (halting + probability * running > self.threshold).float() * running
            running = (halting + probability * running <= self.threshold).float() * running
            halting = halting + probability * running
            remainders = remainders + halts_now * (1 - halting)
            halting = halting + halts_now * remainders
            updates = updates + running + halts_now
            weight = (probability * running + halts_now * remainders)[..., None]
            x = self.layer(x)
            result = x * weight + result * (1 - weight)
            step = step + 1
        return self.norm(result), remainders, updates


LENGTH, FEATURES = 16, 1024
TINY_LENGTH, TINY_FEATURES = 5, 16


def one_sequence(count: int, seed: int, tiny: bool = False, **_: Any) -> Iterator[tuple[Tensor]]:
    """Arguments of `count` calls with one sequence each, f32[1,16,1024], tiny f32[1,5,16]."""
    return ((sequence,) for sequence in _sequences(count, seed, tiny).split(1))


def _sequences(count: int, seed: int, tiny: bool) -> Tensor:
    """Noise around a centre, from near to far."""
    length, features = (TINY_LENGTH, TINY_FEATURES) if tiny else (LENGTH, FEATURES)
    generator = torch.Generator().manual_seed(seed)
    centres = torch.randn(count, 1, features, generator=generator)
    widths = torch.rand(count, 1, 1, generator=generator)
    return centres + widths * torch.randn(count, length, features, generator=generator)


@network(inputs=one_sequence)
def universal_transformer(tiny: bool = False, seed: int = 0) -> tuple[UniversalTransformer, tuple[Tensor]]:
    """Universal Transformer with ACT: `while ((halting < self.threshold) & (updates < self.max_hop)).any()`.

    Features 1024, hidden 4096, 16 heads; at most 12 steps, threshold 0.9, 16 positions. The weights are random, and the
    halting unit is calibrated so that the number of steps varies from two to all: see `calibrate`.

    Args:
        tiny: features 16, hidden 32, 2 heads, at most 6 steps, 5 positions, for tests.
        seed: of the weights, the calibration and the example.

    Returns:
        The model in evaluation mode, and an example f32[1,16,1024]; its outputs are f32[1,16,1024] and two f32[1,16].
    """
    with seeded(seed):
        model = UniversalTransformer(16, 32, 2, max_hop=6) if tiny else UniversalTransformer(1024, 4096, 16)
    calibrate(model, _sequences(32, seed + 1, tiny))
    return model.eval(), (_sequences(1, seed + 2, tiny),)


@torch.no_grad()
def calibrate(model: UniversalTransformer, x: Tensor) -> None:
    """Scales the halting unit to logits of deviation 1.5, and moves it so that one in eight sequences takes all steps.

    Halting does not change what the layer computes, so the logits of all steps are known beforehand.
    """
    model.halt.bias.zero_()
    positions = model.signal(torch.arange(x.shape[1], dtype=torch.float32))
    logits: list[Tensor] = []
    for step in range(model.max_hop):
        x = x + positions + model.signal(torch.tensor(float(step)))
        logits.append(model.halt(x).squeeze(-1))
        x = model.layer(x)
    # A unit that sees larger and larger features would be sure from the second step on: steps are told apart by less.
    stacked = torch.stack(logits)
    scale = 1.5 / stacked[0].std()
    model.halt.weight *= scale
    stacked *= scale
    low, high = -20.0, 20.0
    for _ in range(40):
        bias = (low + high) / 2
        # A position halts in the first step in which its probabilities add up to more than the threshold.
        halted = torch.sigmoid(stacked[:-1] + bias).sum(dim=0) > model.threshold
        takes_all = (~halted).any(dim=1).float().mean()
        low, high = (bias, high) if takes_all > 1 / 8 else (low, bias)
    model.halt.bias.fill_((low + high) / 2)
