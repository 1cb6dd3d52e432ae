# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""FastBERT: a BERT with student classifiers, left as soon as one is certain; one sentence at a time, or a batch.

Liu et al., "FastBERT: a Self-distilling BERT with Adaptive Inference Time", ACL 2020; the rule, and the batch that
shrinks, from the authors' code (autoliuweijie/FastBERT).
"""

# pyright: reportArgumentType=false, reportAttributeAccessIssue=false, reportCallIssue=false, reportIndexIssue=false
# pyright: reportReturnType=false
# An nn.ModuleList does not know of which class its modules are, and nobody that it has any.

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from dycl.zoo.bert import (
    BertConfig,
    Embeddings,
    Layer,
    config,
    one_sentence,
    sentences,
    sharpen_attention,
    standardize,
)
from dycl.zoo.calibration import seeded
from dycl.zoo.layers import entropy
from dycl.zoo.network import network
from dycl.zoo.tokens import PAD


class Student(nn.Module):
    """The classifier after a layer: self-attention in half the features, the first token, two linear layers."""

    def __init__(self, features: int, classes: int, heads: int = 2) -> None:
        super().__init__()
        self.heads = heads
        half = features // 2
        self.narrow = nn.Linear(features, half)
        self.query_key_value = nn.Linear(half, 3 * half)
        self.output = nn.Linear(half, half)
        self.hidden = nn.Linear(half, half)
        self.classifier = nn.Linear(half, classes)

    def summary(self, x: Tensor, mask: Tensor) -> Tensor:
        """What the classifier sees, f32[B,C/2], of features f32[B,L,C]."""
        x = torch.tanh(self.narrow(x))
        query, key, value = (
            part.unflatten(2, (self.heads, -1)).transpose(1, 2) for part in self.query_key_value(x).chunk(3, dim=2)
        )
        attended = F.scaled_dot_product_attention(query, key, value, attn_mask=mask)
        x = self.output(attended.transpose(1, 2).flatten(2))
        return torch.tanh(self.hidden(x[:, 0]))

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        return self.classifier(self.summary(x, mask))


class BertWithStudents(nn.Module):
    """BERT with a student after each layer, the last one being the teacher.

    Args:
        sizes: of the BERT.
        classes: size of the output.
        speed: leave at a student whose entropy, as a fraction of the largest possible, is below this.
    """

    def __init__(self, sizes: BertConfig, classes: int = 2, speed: float = 0.5) -> None:
        super().__init__()
        self.speed = speed
        self.largest_entropy = math.log(classes)
        self.classes = classes
        self.embeddings = Embeddings(sizes)
        self.layers = nn.ModuleList(Layer(sizes) for _ in range(sizes.layers))
        self.students = nn.ModuleList(Student(sizes.features, classes) for _ in range(sizes.layers))


class FastBert(BertWithStudents):
    """FastBERT for one sentence at a time."""

    def forward(self, tokens: Tensor) -> tuple[Tensor, int]:
        """Probabilities f32[1,classes] for tokens i64[1,L], and the number of layers that ran."""
        mask = (tokens != PAD)[:, None, None, :]
        x = self.embeddings(tokens)
        logits = None
        layers_run = 0
        for layer, student in zip(self.layers, self.students):
            x = layer(x, mask)
            layers_run += 1
            logits = student(x, mask)
            uncertainty = entropy(logits) / self.largest_entropy
            if uncertainty < self.speed:
                break
        return F.softmax(logits, dim=1), layers_run


class FastBertBatched(BertWithStudents):
    """FastBERT for a batch: who is certain leaves, the batch shrinks, and nobody left ends the loop."""

    def forward(self, tokens: Tensor) -> tuple[Tensor, Tensor]:
        """Probabilities f32[B,classes] for tokens i64[B,L], and the number of layers i64[B] that ran for each."""
        mask = (tokens != PAD)[:, None, None, :]
        x = self.embeddings(tokens)
        batch = tokens.shape[0]
        results = torch.zeros(batch, self.classes)
        layers_run = torch.zeros(batch, dtype=torch.int64)
        undecided = torch.arange(batch)
        for number, (layer, student) in enumerate(zip(self.layers, self.students), start=1):
            x = layer(x, mask)
            logits = student(x, mask)
            results[undecided] = F.softmax(logits, dim=1)
            layers_run[undecided] = number
            stay = entropy(logits) / self.largest_entropy >= self.speed
            if not stay.any():
                break
            x, mask, undecided = x[stay], mask[stay], undecided[stay]
        return results, layers_run


@network(inputs=one_sentence)
def fastbert(tiny: bool = False, seed: int = 0) -> tuple[FastBert, tuple[Tensor]]:
    """FastBERT, 12 layers of 256, for one sentence: leaves where `if uncertainty < self.speed: break`.

    `uncertainty` is the entropy of a student's softmax over the largest possible, ln 2. The weights are random, and
    calibrated so that about one in seven leaves at each exit: see `calibrate`.

    Args:
        tiny: 4 layers of 32 features, 2 heads, 200 words, 12 tokens, one in three leaves at each exit, for tests.
        seed: of the weights, the calibration and the example.

    Returns:
        The model in evaluation mode, and an example sentence i64[1,128]; its output is f32[1,2] and an int.
    """
    sizes = config(tiny)
    with seeded(seed):
        model = FastBert(sizes)
    calibrate(model, sentences(96, seed + 1, sizes), leave=1 / 3 if tiny else 1 / 7)
    return model.eval(), (sentences(1, seed + 2, sizes),)


BATCH = 8
TINY_BATCH = 3


def one_batch(count: int, seed: int, tiny: bool = False, **_: Any) -> Iterator[tuple[Tensor]]:
    """Arguments of `count` calls with one batch each: 8 sentences i64[8,128], tiny i64[3,12]."""
    batch = TINY_BATCH if tiny else BATCH
    return ((part,) for part in sentences(count * batch, seed, config(tiny)).split(batch))


@network(inputs=one_batch)
def fastbert_batched(tiny: bool = False, seed: int = 0) -> tuple[FastBertBatched, tuple[Tensor]]:
    """FastBERT, 12 layers of 256, for a batch that shrinks to the undecided: `if not stay.any(): break`.

    `stay = entropy(logits) / self.largest_entropy >= self.speed` are the rows that go on: `x = x[stay]`, a size on
    data. Weights and calibration are those of `fastbert`, but that one in two leaves at each exit, so that the batch is
    empty after any number of layers.

    Args:
        tiny: 4 layers of 32 features, 2 heads, 200 words, 12 tokens, 3 sentences, for tests.
        seed: of the weights, the calibration and the example.

    Returns:
        The model in evaluation mode, and an example batch i64[8,128]; its output is f32[8,2] and i64[8].
    """
    sizes = config(tiny)
    (args,) = one_batch(1, seed + 2, tiny)
    with seeded(seed):
        model = FastBertBatched(sizes)
    calibrate(model, sentences(96, seed + 1, sizes), leave=1 / 2)
    return model.eval(), args


@torch.no_grad()
def calibrate(model: BertWithStudents, tokens: Tensor, leave: float) -> None:
    """Gives every student logits of mean 0 and deviation 2 on `tokens` i64[N,L], and a speed.

    The speed is the quantile `leave` of the normalised entropies of all students but the last, so that at an exit such
    a part of the sentences leaves.
    """
    sharpen_attention(model)
    mask = (tokens != PAD)[:, None, None, :]
    x = model.embeddings(tokens)
    uncertainties: list[Tensor] = []
    for layer, student in zip(model.layers, model.students):
        x = layer(x, mask)
        logits = standardize(student.classifier, student.summary(x, mask), spread=2)
        uncertainties.append(entropy(logits) / model.largest_entropy)
    model.speed = torch.cat(uncertainties[:-1]).quantile(leave).item()
