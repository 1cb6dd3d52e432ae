# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""A small BERT, for the networks that leave it early.

Devlin et al., NAACL 2019, in the sizes of Turc et al., "Well-Read Students Learn Better", 2019: 12 layers of 256
features and 4 heads (`bert_uncased_L-12_H-256_A-4`), 30,522 word pieces, sentences of 128 tokens as for GLUE. It has
the twelve layers, and so the exits, of the BERT-base that these networks were published on, at a ninth of its cost.
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

from dycl.zoo.tokens import PAD, random_sentences


@dataclass(frozen=True)
class BertConfig:
    """Sizes of a BERT."""

    layers: int = 12
    features: int = 256
    heads: int = 4
    vocabulary: int = 30_522
    length: int = 128


TINY = BertConfig(layers=4, features=32, heads=2, vocabulary=200, length=12)


def config(tiny: bool) -> BertConfig:
    return TINY if tiny else BertConfig()


def one_sentence(count: int, seed: int, tiny: bool = False, **_: Any) -> Iterator[tuple[Tensor]]:
    """Arguments of `count` calls with one sentence each: i64[1,128] of 30,522 words, tiny i64[1,12] of 200."""
    return ((sentence,) for sentence in sentences(count, seed, config(tiny)).split(1))


def sentences(count: int, seed: int, sizes: BertConfig) -> Tensor:
    """Sentences i64[count,length] as `random_sentences` draws them."""
    return random_sentences(count, seed, sizes.vocabulary, sizes.length)


class Embeddings(nn.Module):
    """Word, position and sentence embeddings, added and normalised."""

    def __init__(self, sizes: BertConfig) -> None:
        super().__init__()
        self.words = nn.Embedding(sizes.vocabulary, sizes.features, padding_idx=PAD)
        self.positions = nn.Embedding(512, sizes.features)
        self.token_types = nn.Embedding(2, sizes.features)
        self.norm = nn.LayerNorm(sizes.features, eps=1e-12)

    def forward(self, tokens: Tensor) -> Tensor:
        """Features f32[B,L,C] of tokens i64[B,L], all of the first sentence."""
        positions = torch.arange(tokens.shape[1])
        return self.norm(self.words(tokens) + self.positions(positions) + self.token_types.weight[0])


class Layer(nn.Module):
    """Self-attention and a feed-forward network four times as wide, each added and normalised."""

    def __init__(self, sizes: BertConfig) -> None:
        super().__init__()
        self.heads = sizes.heads
        features = sizes.features
        self.query = nn.Linear(features, features)
        self.key = nn.Linear(features, features)
        self.value = nn.Linear(features, features)
        self.attention_output = nn.Linear(features, features)
        self.attention_norm = nn.LayerNorm(features, eps=1e-12)
        self.intermediate = nn.Linear(features, 4 * features)
        self.output = nn.Linear(4 * features, features)
        self.output_norm = nn.LayerNorm(features, eps=1e-12)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """Features f32[B,L,C] from features of the layer before, for tokens where `mask` bool[B,1,1,L] holds."""
        query, key, value = (
            project(x).unflatten(2, (self.heads, -1)).transpose(1, 2) for project in (self.query, self.key, self.value)
        )
        attended = F.scaled_dot_product_attention(query, key, value, attn_mask=mask)
        x = self.attention_norm(x + self.attention_output(attended.transpose(1, 2).flatten(2)))
        return self.output_norm(x + self.output(F.gelu(self.intermediate(x))))


class Pooler(nn.Module):
    """What BERT makes of its first token: a linear layer and tanh."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.dense = nn.Linear(features, features)

    def forward(self, x: Tensor) -> Tensor:
        return torch.tanh(self.dense(x[:, 0]))


@torch.no_grad()
def sharpen_attention(model: nn.Module) -> None:
    """Makes each token attend to some more than to others, as in a trained BERT: queries and keys are scaled by 3.

    As initialized, every token takes the mean of all, and little of it: the first one, on which the exits look, hardly
    tells sentences apart. So what it takes is scaled, too, values and output by 2.
    """
    for layer in model.modules():
        if isinstance(layer, Layer):
            layer.query.weight *= 3
            layer.key.weight *= 3
            layer.value.weight *= 2
            layer.attention_output.weight *= 2


@torch.no_grad()
def standardize(classifier: nn.Linear, features: Tensor, spread: float) -> Tensor:
    """Changes `classifier` so that its logits f32[N,classes] of `features` have mean 0 and deviation `spread`."""
    deviation, mean = torch.std_mean(classifier(features), dim=0)
    classifier.weight *= (spread / deviation)[:, None]
    classifier.bias -= mean
    classifier.bias *= spread / deviation
    return classifier(features)
