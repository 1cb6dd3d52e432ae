# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""A small decoder-only language model: greedy decoding with a cache that grows.

Llama (Touvron et al., 2023) in the sizes of karpathy's tinyllamas `stories15M`: 6 layers of 288 features and 6 heads,
32,000 words.
"""

# pyright: reportArgumentType=false, reportAttributeAccessIssue=false, reportCallIssue=false, reportIndexIssue=false
# An nn.ModuleList does not know of which class its modules are.

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from dycl.zoo.calibration import seeded
from dycl.zoo.network import network

EOS = 2
"""Llama's word for the end."""

Cache = list[tuple[Tensor, Tensor]]
"""For each layer the keys and values f32[B,heads,T,C/heads] of the T words so far."""


@dataclass(frozen=True)
class DecoderConfig:
    """Sizes of a decoder, of the prompt i64[1,prompt] and of what is written at most."""

    layers: int = 6
    features: int = 288
    heads: int = 6
    hidden: int = 768
    words: int = 32_000
    prompt: int = 8
    limit: int = 32


TINY = DecoderConfig(layers=2, features=16, heads=2, hidden=24, words=20, prompt=3, limit=5)


def rotate(x: Tensor, angle: Tensor) -> Tensor:
    """Rotary position embedding: turns pairs of features f32[B,heads,T,F] by angles f32[T,F/2]."""
    even, odd = x.unflatten(3, (-1, 2)).unbind(4)
    cos, sin = angle.cos(), angle.sin()
    return torch.stack([even * cos - odd * sin, even * sin + odd * cos], dim=4).flatten(3)


class DecoderLayer(nn.Module):
    """Causal self-attention over the cache, and SwiGLU, each normalised before and added."""

    frequencies: Tensor

    def __init__(self, sizes: DecoderConfig) -> None:
        super().__init__()
        features = sizes.features
        self.heads = sizes.heads
        self.attention_norm = nn.RMSNorm(features, eps=1e-5)
        self.wq = nn.Linear(features, features, bias=False)
        self.wk = nn.Linear(features, features, bias=False)
        self.wv = nn.Linear(features, features, bias=False)
        self.wo = nn.Linear(features, features, bias=False)
        self.ffn_norm = nn.RMSNorm(features, eps=1e-5)
        self.w1 = nn.Linear(features, sizes.hidden, bias=False)
        self.w2 = nn.Linear(sizes.hidden, features, bias=False)
        self.w3 = nn.Linear(features, sizes.hidden, bias=False)
        size = features // sizes.heads
        self.register_buffer("frequencies", 10_000 ** (-torch.arange(0, size, 2) / size))

    def forward(self, x: Tensor, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Features f32[B,T,C] of the T newest words, and the keys and values of those and all before them."""
        new, past = x.shape[1], keys.shape[2]
        normed = self.attention_norm(x)
        query, key, value = (
            project(normed).unflatten(2, (self.heads, -1)).transpose(1, 2) for project in (self.wq, self.wk, self.wv)
        )
        angle = (past + torch.arange(new))[:, None] * self.frequencies
        keys = torch.cat([keys, rotate(key, angle)], dim=2)
        values = torch.cat([values, value], dim=2)
        # A word sees those before it and itself.
        seen = torch.arange(past + new)[None, :] <= (past + torch.arange(new))[:, None]
        attended = F.scaled_dot_product_attention(rotate(query, angle), keys, values, attn_mask=seen)
        x = x + self.wo(attended.transpose(1, 2).flatten(2))
        normed = self.ffn_norm(x)
        return x + self.w2(F.silu(self.w1(normed)) * self.w3(normed)), keys, values


class Decoder(nn.Module):
    """Llama, with greedy decoding, for one prompt at a time."""

    def __init__(self, sizes: DecoderConfig) -> None:
        super().__init__()
        self.sizes = sizes
        self.embedding = nn.Embedding(sizes.words, sizes.features)
        self.layers = nn.ModuleList(DecoderLayer(sizes) for _ in range(sizes.layers))
        self.norm = nn.RMSNorm(sizes.features, eps=1e-5)
        self.output = nn.Linear(sizes.features, sizes.words)

    def empty_cache(self, batch: int = 1) -> Cache:
        empty = torch.zeros(batch, self.sizes.heads, 0, self.sizes.features // self.sizes.heads)
        return [(empty, empty) for _ in self.layers]

    def layered(self, tokens: Tensor, cache: Cache) -> tuple[Tensor, Cache]:
        """What as many layers as `cache` is for make of `tokens` i64[B,T], f32[B,T,C], and the cache with these."""
        x = self.embedding(tokens)
        grown: Cache = []
        for layer, (keys, values) in zip(self.layers, cache):
            x, keys, values = layer(x, keys, values)
            grown.append((keys, values))
        return x, grown

    def features(self, tokens: Tensor, cache: Cache) -> tuple[Tensor, Cache]:
        """The features f32[B,C] after `tokens` i64[B,T], and the cache with these."""
        x, cache = self.layered(tokens, cache)
        return self.norm(x[:, -1]), cache

    def read(self, tokens: Tensor, cache: Cache) -> tuple[Tensor, Cache]:
        """The logits f32[B,words] of what follows `tokens` i64[B,T], and the cache with these."""
        features, cache = self.features(tokens, cache)
        return self.output(features), cache

    def forward(self, prompt: Tensor) -> Tensor:
        """What follows a prompt i64[1,P]: i64[1,N], EOS included unless the limit came first."""
        logits, cache = self.read(prompt, self.empty_cache())
        word = logits.argmax(dim=1, keepdim=True)
        written = word
        while word != EOS and written.shape[1] < self.sizes.limit:
            logits, cache = self.read(word, cache)
            word = logits.argmax(dim=1, keepdim=True)
            written = torch.cat([written, word], dim=1)
        return written


def one_prompt(count: int, seed: int, tiny: bool = False, **_: Any) -> Iterator[tuple[Tensor]]:
    """Arguments of `count` calls with one prompt each: i64[1,8] of 32,000 words, tiny i64[1,3] of 20."""
    return ((prompt,) for prompt in random_prompts(count, seed, TINY if tiny else DecoderConfig()).split(1))


def random_prompts(count: int, seed: int, sizes: DecoderConfig) -> Tensor:
    """Prompts i64[count,prompt] of any words but the special ones."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(EOS + 1, sizes.words, (count, sizes.prompt), generator=generator)


@network(inputs=one_prompt)
def decoder_kv(tiny: bool = False, seed: int = 0) -> tuple[Decoder, tuple[Tensor]]:
    """Greedy decoding with a growing cache: `while word != EOS and written.shape[1] < self.sizes.limit`.

    `stories15M`'s sizes (its output layer has the embedding's weights; here it has its own, and a bias), prompts of 8
    words, at most 32 written. The weights are random, and calibrated so that the end may come after any number of
    words, the first one included: see `calibrate`.

    Args:
        tiny: 2 layers of 16 features, 2 heads, 20 words, prompts of 3 words, at most 5 written, for tests.
        seed: of the weights, the calibration and the example.

    Returns:
        The model in evaluation mode, and an example prompt i64[1,8]; its output is i64[1,N] with N from 1 to 32.
    """
    sizes = TINY if tiny else DecoderConfig()
    with seeded(seed):
        model = Decoder(sizes)
    calibrate(model, random_prompts(32, seed + 1, sizes))
    return model.eval(), (random_prompts(1, seed + 2, sizes),)


@torch.no_grad()
def calibrate(model: Decoder, prompts: Tensor) -> None:
    """Gives EOS the bias with which it is the word in one of eight steps.

    All the steps up to the limit are counted, for prompts i64[N,P], each on the way that the model goes without EOS.
    """
    model.output.bias.zero_()
    model.output.bias[EOS] = float("-inf")
    margins: list[Tensor] = []
    tokens, cache = prompts, model.empty_cache(len(prompts))
    for _ in range(model.sizes.limit):
        features, cache = model.features(tokens, cache)
        logits = model.output(features)
        margins.append(logits.amax(dim=1) - features @ model.output.weight[EOS])
        tokens = logits.argmax(dim=1, keepdim=True)
    model.output.bias[EOS] = torch.cat(margins).quantile(1 / 8)
