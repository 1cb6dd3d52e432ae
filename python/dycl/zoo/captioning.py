# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Captions for images: a convolutional encoder, and an LSTM that says one word after the other until it says `<end>`.

Vinyals et al., "Show and Tell: A Neural Image Caption Generator", CVPR 2015, with greedy decoding; two of the DyCL
paper's subjects. Sizes of the decoder as in widely used tutorials: embeddings of 256, one LSTM layer of 512, a
vocabulary of 9,956 words, 20 words at most.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from dycl.zoo.calibration import seeded, settled
from dycl.zoo.encoders import Widths, googlenet, resnext
from dycl.zoo.images import random_images
from dycl.zoo.network import network

START, END = 1, 2
"""The numbers of the words `<start>` and `<end>`; 0 pads."""


class Captioner(nn.Module):
    """An encoder and a decoder, for one image at a time.

    Args:
        encoder: of images, to features f32[N,features].
        features: that the encoder gives.
        embedding, hidden, words: sizes of the decoder.
        limit: the most words of a caption, without `<start>` and `<end>`.
    """

    def __init__(
        self,
        encoder: nn.Module,
        features: int,
        embedding: int = 256,
        hidden: int = 512,
        words: int = 9956,
        limit: int = 20,
    ) -> None:
        super().__init__()
        self.encoder = nn.Sequential(encoder, nn.Linear(features, embedding), nn.BatchNorm1d(embedding))
        self.embed = nn.Embedding(words, embedding)
        self.lstm = nn.LSTM(embedding, hidden, batch_first=True)
        self.linear = nn.Linear(hidden, words)
        self.limit = limit

    def forward(self, image: Tensor) -> tuple[Tensor, int]:
        """Of an image f32[1,3,side,side]: `<start>` and the words of its caption i64[1+n], and n."""
        hidden, state = self.lstm(self.encoder(image).unsqueeze(1))
        word = self.linear(hidden[:, 0]).argmax(dim=1)
        caption = [torch.full((1,), START)]
        while word != END and len(caption) <= self.limit:
            caption.append(word)
            hidden, state = self.lstm(self.embed(word).unsqueeze(1), state)
            word = self.linear(hidden[:, 0]).argmax(dim=1)
        return torch.cat(caption), len(caption) - 1


def images_to_caption(count: int, seed: int, tiny: bool = False, **_: Any) -> Iterator[tuple[Tensor]]:
    """Arguments of `count` calls with one image each: f32[1,3,224,224], or for the tiny networks f32[1,3,32,32]."""
    for index in range(count):  # One by one: a hundred of them would be 60 MB.
        yield (random_images(1, seed=seed * 100_003 + index, side=32 if tiny else 224),)


@network(inputs=images_to_caption)
def caption_googlenet(tiny: bool = False, seed: int = 0) -> tuple[Captioner, tuple[Tensor]]:
    """GoogLeNet and an LSTM that gives words `while word != END and len(caption) <= limit`.

    The weights are random; the bias of `<end>` is such that captions are of all lengths: see `calibrate`.

    Args:
        tiny: two inception modules, 16 hidden units, 24 words, captions of at most 5 of them.
        seed: of the weights, the calibration and the example.

    Returns:
        The model in evaluation mode, and an example image f32[1,3,224,224]; its output is `<start>` and the words of
        the caption, i64[1+n], and n (int).
    """
    with seeded(seed):
        if tiny:
            encoder = googlenet([[Widths(4, 4, 4, 2, 2, 2)], [Widths(4, 4, 4, 2, 2, 2)]], stem=(4, 8))
            model = Captioner(encoder, 12, 8, 16, 24, limit=5)
        else:
            model = Captioner(googlenet(), 1024)
    return _calibrated(model, seed, tiny, 32)


@network(inputs=images_to_caption)
def caption_resnext(tiny: bool = False, seed: int = 0) -> tuple[Captioner, tuple[Tensor]]:
    """ResNeXt-50 and an LSTM that gives words `while word != END and len(caption) <= limit`.

    The weights are random; the bias of `<end>` is such that captions are of all lengths: see `calibrate`.

    Args:
        tiny: two blocks with groups of two channels, 16 hidden units, 24 words, captions of at most 5 of them.
        seed: of the weights, the calibration and the example.

    Returns:
        The model in evaluation mode, and an example image f32[1,3,224,224]; its output is `<start>` and the words of
        the caption, i64[1+n], and n (int).
    """
    with seeded(seed):
        if tiny:
            model = Captioner(resnext((1, 1), (8, 8), groups=4), 16, 8, 16, 24, limit=5)
        else:
            model = Captioner(resnext(), 2048)
    return _calibrated(model, seed, tiny, 16)


def _calibrated(model: Captioner, seed: int, tiny: bool, n_images: int) -> tuple[Captioner, tuple[Tensor]]:
    # The encoder is what takes time: those of full size see fewer images.
    drawn = images_to_caption(128 if tiny else n_images, seed + 1, tiny)
    calibrate(model, torch.cat([image for (image,) in drawn]))
    return model.eval(), next(images_to_caption(1, seed + 2, tiny))


@torch.no_grad()
def calibrate(model: Captioner, images: Tensor) -> None:
    """Makes captions of `images` differ in their words, and in their lengths from none to the limit.

    The encoder's batch norms take the statistics of `images`. The LSTM's weights are tripled, and the last layer's
    biases zero: as initialized, its state hardly depends on what it reads, and the same word comes again and again.
    Then the decoder runs to its limit for each image, saying the best word that is not `<end>`; and the bias of `<end>`
    is the one with which the most different lengths come about.
    """
    for weight in model.lstm.parameters():
        weight *= 3
    model.linear.bias.zero_()
    features = settled(model.encoder, images)
    hidden, state = model.lstm(features.unsqueeze(1))
    missing: list[Tensor] = []
    for _ in range(model.limit + 1):
        logits = model.linear(hidden[:, 0])
        end = logits[:, END].clone()
        logits[:, END] = -torch.inf
        best, word = logits.max(dim=1)
        missing.append(best - end)
        hidden, state = model.lstm(model.embed(word).unsqueeze(1), state)
    # With a bias of more than what is missing at a step, `<end>` comes there: the length is the first such step.
    lacks = torch.stack(missing, dim=1)
    values = lacks.flatten().sort().values
    biases = ((values[:-1] + values[1:]) / 2)[:: max(1, len(values) // 500)]
    model.linear.bias[END] = max(biases, key=lambda bias: _evenness(lacks, bias))


def _evenness(lacks: Tensor, bias: Tensor) -> float:
    """The entropy of the lengths of captions for a bias of `<end>`, from what is missing at each step, f32[N,steps]."""
    ends = lacks < bias
    ends[:, -1] = True  # The limit.
    shares = torch.bincount(ends.int().argmax(dim=1)) / len(ends)
    return torch.special.entr(shares).sum().item()
