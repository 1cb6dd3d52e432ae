# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""DeeBERT: a BERT that is left early by an exception.

Xin et al., "DeeBERT: Dynamic Early Exiting for Accelerating BERT Inference", ACL 2020; the rule, and the exception that
carries the result out of the encoder, from the authors' code (castorini/DeeBERT).
"""

# pyright: reportArgumentType=false, reportAttributeAccessIssue=false, reportCallIssue=false, reportIndexIssue=false
# An nn.ModuleList does not know of which class its modules are.

from __future__ import annotations

import torch
from torch import Tensor, nn

from dycl.zoo.bert import (
    BertConfig,
    Embeddings,
    Layer,
    Pooler,
    config,
    one_sentence,
    sentences,
    sharpen_attention,
    standardize,
)
from dycl.zoo.calibration import exit_thresholds, seeded
from dycl.zoo.layers import entropy
from dycl.zoo.network import network
from dycl.zoo.tokens import PAD


class HighwayException(Exception):  # noqa: N818 - the authors' name
    """Leaves the encoder with what the exit at a layer found."""

    def __init__(self, logits: Tensor, exit_layer: int) -> None:
        super().__init__()
        self.logits = logits
        self.exit_layer = exit_layer


class Highway(nn.Module):
    """The exit after a layer: a pooler and a classifier."""

    def __init__(self, features: int, classes: int) -> None:
        super().__init__()
        self.pooler = Pooler(features)
        self.classifier = nn.Linear(features, classes)

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(self.pooler(x))


class Encoder(nn.Module):
    """BERT's layers, with a highway after each but the last."""

    def __init__(self, sizes: BertConfig, classes: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(Layer(sizes) for _ in range(sizes.layers))
        self.highways = nn.ModuleList(Highway(sizes.features, classes) for _ in range(sizes.layers - 1))
        self.thresholds = [0.0] * (sizes.layers - 1)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """Features f32[1,L,C] of the last layer.

        Raises:
            HighwayException: a highway's entropy is below its threshold.
        """
        for index, layer in enumerate(self.layers):
            x = layer(x, mask)
            if index < len(self.highways):
                logits = self.highways[index](x)
                if entropy(logits) < self.thresholds[index]:
                    raise HighwayException(logits, index + 1)
        return x


class DeeBert(nn.Module):
    """BERT for classification of one sentence at a time, left by exceptions."""

    def __init__(self, sizes: BertConfig, classes: int = 2) -> None:
        super().__init__()
        self.embeddings = Embeddings(sizes)
        self.encoder = Encoder(sizes, classes)
        self.pooler = Pooler(sizes.features)
        self.classifier = nn.Linear(sizes.features, classes)

    def forward(self, tokens: Tensor) -> tuple[Tensor, int]:
        """Logits f32[1,classes] of tokens i64[1,L], and the number of layers that ran."""
        mask = (tokens != PAD)[:, None, None, :]
        exit_layer = len(self.encoder.layers)
        try:
            x = self.encoder(self.embeddings(tokens), mask)
            logits = self.classifier(self.pooler(x))
        except HighwayException as early:
            logits = early.logits
            exit_layer = early.exit_layer
        return logits, exit_layer


@network(inputs=one_sentence)
def deebert(tiny: bool = False, seed: int = 0) -> tuple[DeeBert, tuple[Tensor]]:
    """DeeBERT, 12 layers of 256: leaves where `if entropy(logits) < self.thresholds[index]: raise HighwayException(…)`.

    The exception is raised in the encoder and caught in the outer `forward`. The weights are random, and calibrated so
    that about as many sentences leave at each of the twelve exits: see `calibrate`.

    Args:
        tiny: 4 layers of 32 features, 2 heads, 200 words, 12 tokens, for tests.
        seed: of the weights, the calibration and the example.

    Returns:
        The model in evaluation mode, and an example sentence i64[1,128]; its output is f32[1,2] and an int.
    """
    sizes = config(tiny)
    with seeded(seed):
        model = DeeBert(sizes)
    calibrate(model, sentences(96, seed + 1, sizes))
    return model.eval(), (sentences(1, seed + 2, sizes),)


@torch.no_grad()
def calibrate(model: DeeBert, tokens: Tensor) -> None:
    """Gives the exits logits of deviation 2 on `tokens` i64[N,L], and thresholds at which equally many leave."""
    sharpen_attention(model)
    mask = (tokens != PAD)[:, None, None, :]
    x = model.embeddings(tokens)
    scores: list[Tensor] = []
    for layer, highway in zip(model.encoder.layers, model.encoder.highways):
        x = layer(x, mask)
        scores.append(-entropy(standardize(highway.classifier, highway.pooler(x), spread=2)))
    model.encoder.thresholds = [-score for score in exit_thresholds(scores)]
    x = model.encoder.layers[-1](x, mask)
    standardize(model.classifier, model.pooler(x), spread=2)
