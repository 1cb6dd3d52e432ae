# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Translation with a GRU that attends to the sentence, word by word until the end.

PyTorch's tutorial "NLP From Scratch: Translation with a Sequence to Sequence Network and Attention"
(pytorch/tutorials), after Bahdanau et al., ICLR 2015; sentences of up to 10 words. `seq2seq_roman` is such a network,
trained.

`python -m dycl.zoo.translation` trains it, in about a minute, and writes the weights that `seq2seq_roman` loads.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from dycl.zoo.calibration import seeded
from dycl.zoo.network import network

WEIGHTS = Path(__file__).with_name("seq2seq_roman.npz")

SOS, EOS = 0, 1
"""The words before and after a sentence; the places after it hold EOS, too."""


class Attention(nn.Module):
    """Bahdanau's: a mean of what the encoder gave, weighted by how well it goes with the decoder's state."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.query = nn.Linear(features, features)
        self.key = nn.Linear(features, features)
        self.score = nn.Linear(features, 1)

    def forward(self, state: Tensor, outputs: Tensor, mask: Tensor) -> Tensor:
        """The context f32[B,1,H] for a state f32[B,1,H] and outputs f32[B,L,H], where `mask` bool[B,L] holds."""
        scores = self.score(torch.tanh(self.query(state) + self.key(outputs))).squeeze(2)
        weights = torch.softmax(scores.masked_fill(~mask, float("-inf")), dim=1)
        return torch.bmm(weights[:, None], outputs)


class Seq2Seq(nn.Module):
    """Encoder and decoder, each an embedding and a GRU, for one sentence at a time.

    Args:
        source_words, target_words: sizes of the vocabularies.
        features: of the embeddings and the GRUs.
        limit: the largest number of words of a translation.
    """

    def __init__(self, source_words: int, target_words: int, features: int, limit: int) -> None:
        super().__init__()
        self.limit = limit
        self.features = features
        self.source_embedding = nn.Embedding(source_words, features)
        self.encoder = nn.GRU(features, features, batch_first=True)
        self.target_embedding = nn.Embedding(target_words, features)
        self.attention = Attention(features)
        self.decoder = nn.GRU(2 * features, features, batch_first=True)
        self.out = nn.Linear(features, target_words)

    def step(self, word: Tensor, state: Tensor, outputs: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """The logits f32[B,words] of the word after `word` i64[B,1], and the decoder's next state f32[1,B,H]."""
        context = self.attention(state.transpose(0, 1), outputs, mask)
        output, state = self.decoder(torch.cat([self.target_embedding(word), context], dim=2), state)
        return self.out(output[:, 0]), state

    def forward(self, sentence: Tensor) -> Tensor:
        """The translation i64[N] of a sentence i64[L], EOS included unless the limit came first."""
        outputs = torch.zeros(1, len(sentence), self.features)
        state = torch.zeros(1, 1, self.features)
        position = 0
        while True:
            word = sentence[position].view(1, 1)
            output, state = self.encoder(self.source_embedding(word), state)
            outputs[:, position] = output[:, 0]
            if word == EOS:
                break
            position += 1
        mask = torch.arange(len(sentence))[None] <= position
        word = torch.tensor([[SOS]])
        translation = torch.zeros(0, dtype=torch.int64)
        while True:
            logits, state = self.step(word, state, outputs, mask)
            word = logits.argmax(dim=1, keepdim=True)
            translation = torch.cat([translation, word[0]])
            if word == EOS or len(translation) == self.limit:
                break
        return translation

    def logits(self, sentences: Tensor, translations: Tensor) -> Tensor:
        """The logits f32[B,N,words] of translations i64[B,N] of sentences i64[B,L], each word given those before it."""
        outputs, _ = self.encoder(self.source_embedding(sentences))
        lengths = (sentences != EOS).sum(dim=1)
        mask = torch.arange(sentences.shape[1])[None] <= lengths[:, None]
        state = outputs[torch.arange(len(sentences)), lengths][None]
        word = torch.full((len(sentences), 1), SOS)
        steps: list[Tensor] = []
        for target in translations.split(1, dim=1):
            logits, state = self.step(word, state, outputs, mask)
            steps.append(logits)
            word = target
        return torch.stack(steps, dim=1)


def random_sentences(count: int, seed: int, words: int, length: int) -> Tensor:
    """Sentences i64[count,length] of up to `length - 1` words, EOS after each."""
    generator = torch.Generator().manual_seed(seed)
    sentences = torch.randint(EOS + 1, words, (count, length), generator=generator)
    lengths = torch.randint(0, length, (count, 1), generator=generator)
    return torch.where(torch.arange(length) < lengths, sentences, EOS)


FRENCH, ENGLISH, LENGTH = 4_601, 2_991, 11
TINY_WORDS, TINY_LENGTH = 12, 4


def one_sentence(count: int, seed: int, tiny: bool = False, **_: Any) -> Iterator[tuple[Tensor]]:
    """Arguments of `count` calls with one sentence each: i64[11] of 4,601 words, tiny i64[4] of 12."""
    return ((sentence,) for sentence in _sentences(count, seed, tiny))


def _sentences(count: int, seed: int, tiny: bool) -> Tensor:
    return random_sentences(count, seed, *((TINY_WORDS, TINY_LENGTH) if tiny else (FRENCH, LENGTH)))


@network(inputs=one_sentence)
def seq2seq_gru(tiny: bool = False, seed: int = 0) -> tuple[Seq2Seq, tuple[Tensor]]:
    """Translation by a GRU of 256 with attention, until `if word == EOS or len(translation) == self.limit: break`.

    It writes in a `while True:`, and reads likewise, until `if word == EOS: break`. The tutorial's sizes: 4,601 French
    and 2,991 English words, sentences of up to 10 words, at most ten written. The weights are random, and calibrated so
    that a translation may end after any number of words: see `calibrate`.

    Args:
        tiny: features 16, 12 words of either language, sentences of up to 3 words, at most 4 written, for tests.
        seed: of the weights, the calibration and the example.

    Returns:
        The model in evaluation mode, and an example sentence i64[11]; its output is i64[N] with N from 1 to 10.
    """
    with seeded(seed):
        model = Seq2Seq(TINY_WORDS, TINY_WORDS, 16, limit=4) if tiny else Seq2Seq(FRENCH, ENGLISH, 256, limit=10)
    calibrate(model, _sentences(64, seed + 1, tiny))
    return model.eval(), (_sentences(1, seed + 2, tiny)[0],)


@torch.no_grad()
def calibrate(model: Seq2Seq, sentences: Tensor) -> None:
    """Makes one in eight of the words that are written for `sentences` i64[N,L] an EOS.

    EOS gets the bias at which its logit is the largest in one of eight steps, all the steps up to the limit counted,
    each on the way that the network goes without EOS. The layer after the GRU is first scaled by 8: as initialized, it
    gives all words nearly the same logit, whatever the sentence.
    """
    model.out.weight *= 8
    model.out.bias[EOS] = float("-inf")
    translations = torch.full((len(sentences), model.limit), SOS)
    for position in range(model.limit):
        translations[:, position] = model.logits(sentences, translations)[:, position].argmax(dim=1)
    largest = model.logits(sentences, translations).amax(dim=2)
    model.out.bias[EOS] = 0
    model.out.bias[EOS] = (largest - model.logits(sentences, translations)[:, :, EOS]).flatten().quantile(1 / 8)


ROMAN = dict(M=1000, CM=900, D=500, CD=400, C=100, XC=90, L=50, XL=40, X=10, IX=9, V=5, IV=4, I=1)  # noqa: C408
LETTERS, DIGITS = "IVXLCDM", "0123456789"
"""The words of the two languages, numbered from 2: before them come SOS and EOS."""


def roman(number: int) -> str:
    """A number from 1 to 3999 in Roman numerals."""
    text = ""
    for letters, value in ROMAN.items():
        text += letters * (number // value)
        number %= value
    return text


class Numerals(NamedTuple):
    """Roman numerals i64[N,16] and the numbers in decimal digits i64[N,4], EOS after both where there is room."""

    train_sources: Tensor
    train_targets: Tensor
    test_sources: Tensor
    test_targets: Tensor


def load_numerals() -> Numerals:
    """The numbers from 1 to 3999 in a seeded order: 3,199 to train on, 800 held out."""
    order = (torch.randperm(3999, generator=torch.Generator().manual_seed(0)) + 1).tolist()
    sources = torch.tensor([_words(roman(number), LETTERS, 16) for number in order])
    targets = torch.tensor([_words(str(number), DIGITS, 4) for number in order])
    return Numerals(sources[:-800], targets[:-800], sources[-800:], targets[-800:])


def _words(text: str, alphabet: str, length: int) -> list[int]:
    return [*(alphabet.index(letter) + 2 for letter in text), *[EOS] * (length - len(text))]


def held_out_numerals(count: int, seed: int) -> Iterator[tuple[Tensor]]:
    """Arguments of `count` calls with one held-out numeral i64[16] each, none again until all were drawn."""
    numerals = load_numerals().test_sources
    generator = torch.Generator().manual_seed(seed)
    order = torch.cat([torch.randperm(len(numerals), generator=generator) for _ in range(-(-count // len(numerals)))])
    return ((numerals[index],) for index in order[:count].tolist())


@network(inputs=held_out_numerals)
def seq2seq_roman() -> tuple[Seq2Seq, tuple[Tensor]]:
    """A trained GRU of 64 that reads Roman numerals, until `if word == EOS: break`, and writes them in decimal.

    Numbers below 1000 end with EOS, the others at the limit: `if word == EOS or len(translation) == self.limit: break`.
    Of the 800 held-out numbers from 1 to 3999 it translates all exactly.

    Returns:
        The model in evaluation mode, and the first held-out numeral i64[16]; its output is i64[N] with N from 2 to 4.
    """
    model = Seq2Seq(len(LETTERS) + 2, len(DIGITS) + 2, 64, limit=4)
    with np.load(WEIGHTS) as weights:
        model.load_state_dict({key: torch.from_numpy(value) for key, value in weights.items()})
    return model.eval(), (load_numerals().test_sources[0],)


def train(epochs: int = 60, seed: int = 0) -> Seq2Seq:
    """A network trained on the training numbers, each word given the right ones before it."""
    numerals = load_numerals()
    generator = torch.Generator().manual_seed(seed)
    with seeded(seed):
        model = Seq2Seq(len(LETTERS) + 2, len(DIGITS) + 2, 64, limit=4)
    optimizer = torch.optim.AdamW(model.parameters(), lr=5e-3, weight_decay=0.01)
    batches = -(-len(numerals.train_sources) // 64)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 5e-3, epochs * batches)
    for _ in range(epochs):
        for batch in torch.randperm(len(numerals.train_sources), generator=generator).split(64):
            targets = numerals.train_targets[batch]
            logits = model.logits(numerals.train_sources[batch], targets)
            # What comes after the first EOS is never written.
            counts = torch.cat([torch.ones(len(targets), 1, dtype=torch.bool), targets[:, :-1] != EOS], dim=1)
            loss = nn.functional.cross_entropy(logits[counts], targets[counts])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    return model.eval()


@torch.inference_mode()
def accuracy(model: Any) -> float:
    """The fraction of the held-out numerals that `model` translates without any fault, one at a time."""
    numerals = load_numerals()
    right = 0
    for source, target in zip(numerals.test_sources, numerals.test_targets):
        words = model(source)
        expected = target[: int((target != EOS).sum()) + 1]
        right += torch.equal(words, expected)
    return right / len(numerals.test_sources)


def main() -> None:
    model = train()
    np.savez_compressed(WEIGHTS, **{key: value.numpy() for key, value in model.state_dict().items()})
    print(f"{WEIGHTS}: {accuracy(model):.2%} of the held-out numerals")


if __name__ == "__main__":
    main()
