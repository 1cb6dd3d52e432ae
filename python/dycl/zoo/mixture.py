# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Mixture of experts: each token goes to one expert, or to two, and an expert may get none.

Top-1: Fedus et al., "Switch Transformers", JMLR 2022. Top-2: Jiang et al., "Mixtral of Experts", 2024, with the loop
over experts of mistralai/mistral-inference (`moe.py`).
"""

# pyright: reportArgumentType=false, reportAttributeAccessIssue=false, reportCallIssue=false, reportIndexIssue=false
# An nn.ModuleList does not know of which class its modules are.

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from dycl.zoo.calibration import seeded
from dycl.zoo.network import network


class SwitchExpert(nn.Module):
    """T5's feed-forward network: two linear layers without biases, ReLU between."""

    def __init__(self, features: int, hidden: int) -> None:
        super().__init__()
        self.wi = nn.Linear(features, hidden, bias=False)
        self.wo = nn.Linear(hidden, features, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.wo(torch.relu(self.wi(x)))


class SwitchLayer(nn.Module):
    """The sparse feed-forward layer of a Switch Transformer, normalised before and added to its input.

    Args:
        features, hidden: of an expert.
        experts: how many.
        capacity_factor: an expert takes `tokens / experts` times this; tokens beyond keep what they had.
    """

    def __init__(self, features: int, hidden: int, experts: int, capacity_factor: float = 1.25) -> None:
        super().__init__()
        self.capacity_factor = capacity_factor
        self.norm = nn.RMSNorm(features, eps=1e-6)
        self.router = nn.Linear(features, experts, bias=False)
        self.experts = nn.ModuleList(SwitchExpert(features, hidden) for _ in range(experts))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Features f32[T,C] of T tokens with features f32[T,C], and the expert i64[T] that each was sent to."""
        normed = self.norm(x)
        probabilities = F.softmax(self.router(normed), dim=-1)
        gate, chosen = probabilities.max(dim=-1)
        capacity = int(self.capacity_factor * x.shape[0] / len(self.experts))
        routed = torch.zeros_like(x)
        for number, expert in enumerate(self.experts):
            tokens = torch.where(chosen == number)[0]
            if tokens.numel() == 0:
                continue
            if tokens.numel() > capacity:
                tokens = tokens[:capacity]
            routed[tokens] = gate[tokens, None] * expert(normed[tokens])
        return x + routed, chosen


def some_tokens(count: int, seed: int, tokens: int, features: int) -> Iterator[tuple[Tensor]]:
    """Features f32[tokens,features] for `count` calls: noise around a random centre, from near to far."""
    generator = torch.Generator().manual_seed(seed)
    for _ in range(count):
        centre = torch.randn(features, generator=generator)
        width = 2 * torch.rand((), generator=generator)
        yield (centre + width * torch.randn(tokens, features, generator=generator),)


def switch_tokens(count: int, seed: int, tiny: bool = False, **_: Any) -> Iterator[tuple[Tensor]]:
    """Arguments of `count` calls with 16 tokens f32[16,768] each, tiny f32[4,8]; alike in some, in others not."""
    return some_tokens(count, seed, *((4, 8) if tiny else (16, 768)))


@network(inputs=switch_tokens)
def moe_top1(tiny: bool = False, seed: int = 0) -> tuple[SwitchLayer, tuple[Tensor]]:
    """A Switch layer, 8 experts of 768×3072: skips one without tokens, `if tokens.numel() == 0: continue`.

    The sizes are those of `switch-base-8`. A token goes to the expert with the largest probability, which takes at
    most its capacity: `if tokens.numel() > capacity: tokens = tokens[:capacity]`. Weights are random and need no
    calibration: tokens that are alike crowd one expert and leave others empty.

    Args:
        tiny: 3 experts of 8×16, 4 tokens, for tests.
        seed: of the weights and the example.

    Returns:
        The model in evaluation mode, and example features f32[16,768]; its output is f32[16,768] and i64[16].
    """
    with seeded(seed):
        model = SwitchLayer(8, 16, experts=3) if tiny else SwitchLayer(768, 3072, experts=8)
    (args,) = switch_tokens(1, seed + 2, tiny)
    return model.eval(), args


class MixtralExpert(nn.Module):
    """Llama's feed-forward network, SwiGLU: `w2(silu(w1(x)) * w3(x))`."""

    def __init__(self, features: int, hidden: int) -> None:
        super().__init__()
        self.w1 = nn.Linear(features, hidden, bias=False)
        self.w2 = nn.Linear(hidden, features, bias=False)
        self.w3 = nn.Linear(features, hidden, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.w2(F.silu(self.w1(x)) * self.w3(x))


class MixtralLayer(nn.Module):
    """A sparse feed-forward layer whose tokens go to two experts each, normalised before and added to its input."""

    def __init__(self, features: int, hidden: int, experts: int, experts_per_token: int = 2) -> None:
        super().__init__()
        self.experts_per_token = experts_per_token
        self.norm = nn.RMSNorm(features, eps=1e-5)
        self.gate = nn.Linear(features, experts, bias=False)
        self.experts = nn.ModuleList(MixtralExpert(features, hidden) for _ in range(experts))

    def forward(self, x: Tensor) -> Tensor:
        """Features f32[T,C] of features f32[T,C]."""
        normed = self.norm(x)
        logits = self.gate(normed)
        weights, selected = torch.topk(logits, self.experts_per_token)
        weights = F.softmax(weights, dim=1)
        results = torch.zeros_like(normed)
        for number, expert in enumerate(self.experts):
            token, nth = torch.where(selected == number)
            results[token] += weights[token, nth, None] * expert(normed[token])
        return x + results


class Mixtral(nn.Module):
    """Mixtral's sparse layers, one after the other."""

    def __init__(self, layers: int, features: int, hidden: int, experts: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(MixtralLayer(features, hidden, experts) for _ in range(layers))

    def forward(self, x: Tensor) -> Tensor:
        """Features f32[T,C] of features f32[T,C]."""
        for layer in self.layers:
            x = layer(x)
        return x


def mixtral_tokens(count: int, seed: int, tiny: bool = False, **_: Any) -> Iterator[tuple[Tensor]]:
    """Arguments of `count` calls with 16 tokens f32[16,512] each, tiny f32[4,8]; alike in some, in others not."""
    return some_tokens(count, seed, *((4, 8) if tiny else (16, 512)))


@network(inputs=mixtral_tokens)
def moe_top2(tiny: bool = False, seed: int = 0) -> tuple[Mixtral, tuple[Tensor]]:
    """Mixtral's mixture, two of 8 experts a token: how many each gets is data, `torch.where(selected == number)`.

    Nothing is skipped: an expert without tokens computes on none. Four layers; Mixtral 8x7B's sizes, 4096×14336, are
    divided by eight, since a layer of it alone has 1.4 billion parameters. Weights are random and need no calibration.

    Args:
        tiny: one layer of 3 experts of 8×16, 4 tokens, for tests.
        seed: of the weights and the example.

    Returns:
        The model in evaluation mode, and example features f32[16,512]; its output is f32[16,512].
    """
    with seeded(seed):
        model = Mixtral(1, 8, 16, experts=3) if tiny else Mixtral(4, 512, 1792, experts=8)
    (args,) = mixtral_tokens(1, seed + 2, tiny)
    return model.eval(), args
