# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Speculative decoding: a draft writes some words ahead, the model checks all of them at once.

Leviathan et al., "Fast Inference from Transformers via Speculative Decoding", ICML 2023; the draft is the model's own
first layers, as in Elhoushi et al., "LayerSkip", ACL 2024 (facebookresearch/LayerSkip). What is written is what greedy
decoding writes.
"""

# pyright: reportArgumentType=false, reportAttributeAccessIssue=false, reportCallIssue=false, reportIndexIssue=false
# pyright: reportIncompatibleMethodOverride=false
# An nn.ModuleList does not know of which class its modules are.

from __future__ import annotations

import torch
from torch import Tensor

from dycl.zoo.calibration import seeded
from dycl.zoo.decoder import EOS, TINY, Cache, Decoder, DecoderConfig, calibrate, one_prompt, random_prompts
from dycl.zoo.network import network


class SelfSpeculativeDecoder(Decoder):
    """A decoder whose first layers draft.

    Args:
        sizes: of the decoder.
        draft_layers: how many layers draft.
        ahead: how many words they write before the model checks them.
    """

    def __init__(self, sizes: DecoderConfig, draft_layers: int, ahead: int) -> None:
        super().__init__(sizes)
        self.draft_layers = draft_layers
        self.ahead = ahead

    def run(self, tokens: Tensor, cache: Cache) -> tuple[Tensor, Cache]:
        """The most likely words i64[1,T] after each of `tokens` i64[1,T], by as many layers as `cache` is for."""
        x, cache = self.layered(tokens, cache)
        return self.output(self.norm(x)).argmax(dim=2), cache

    def draft(self, word: Tensor, cache: Cache) -> Tensor:
        """What the first layers write after `word` i64[1,1]: i64[1,ahead]."""
        words: list[Tensor] = []
        cache = cache[: self.draft_layers]
        for _ in range(self.ahead):
            word, cache = self.run(word, cache)
            words.append(word)
        return torch.cat(words, dim=1)

    def forward(self, prompt: Tensor) -> tuple[Tensor, int]:
        """What follows a prompt i64[1,P]: i64[1,N], EOS included unless the limit came first; and how many checks."""
        following, cache = self.run(prompt, self.empty_cache())
        word = following[:, -1:]
        written = word
        checks = 0
        while word != EOS and written.shape[1] < self.sizes.limit:
            drafted = self.draft(word, cache)
            past = cache[0][0].shape[2]
            checked, cache = self.run(torch.cat([word, drafted], dim=1), cache)
            checks += 1
            agreed = 0
            while agreed < self.ahead and drafted[0, agreed] == checked[0, agreed] and checked[0, agreed] != EOS:
                agreed += 1
            # The words that were drafted right, and the one that the model itself has after them.
            accepted = checked[:, : agreed + 1]
            cache = [(keys[:, :, : past + agreed + 1], values[:, :, : past + agreed + 1]) for keys, values in cache]
            written = torch.cat([written, accepted], dim=1)
            word = checked[:, agreed, None]
        return written[:, : self.sizes.limit], checks


@network(inputs=one_prompt)
def speculative(tiny: bool = False, seed: int = 0) -> tuple[SelfSpeculativeDecoder, tuple[Tensor]]:
    """Speculative decoding: `while agreed < self.ahead and drafted[0, agreed] == checked[0, agreed] and …`.

    Around it the loop over checks, `while word != EOS and written.shape[1] < self.sizes.limit`; the cache grows by all
    that is checked and is cropped to what was accepted. The decoder is that of `decoder_kv`; its first two layers draft
    4 words ahead. The weights are random, and calibrated so that any number of words is accepted: see
    `calibrate_draft`.

    Args:
        tiny: 2 layers of 16 features, 2 heads, 20 words, prompts of 3 words, at most 5 written; the first layer drafts
            2 words ahead; for tests.
        seed: of the weights, the calibration and the example.

    Returns:
        The model in evaluation mode, and an example prompt i64[1,8]; its output is i64[1,N] with N from 1 to 32, and an
        int.
    """
    sizes = TINY if tiny else DecoderConfig()
    with seeded(seed):
        model = SelfSpeculativeDecoder(sizes, 1, ahead=2) if tiny else SelfSpeculativeDecoder(sizes, 2, ahead=4)
    prompts = random_prompts(32, seed + 1, sizes)
    calibrate_draft(model, prompts)
    calibrate(model, prompts)
    return model.eval(), (random_prompts(1, seed + 2, sizes),)


@torch.no_grad()
def calibrate_draft(model: SelfSpeculativeDecoder, prompts: Tensor) -> None:
    """Makes the draft agree with the model on two of three words of `prompts` i64[N,P].

    For that, what the layers after the draft's add is scaled down, as far as needed: a trained model's last layers
    change few of its words, those of a random one all.
    """
    last = list(model.layers)[model.draft_layers :]
    weights = [weight for layer in last for weight in (layer.wo.weight, layer.w2.weight)]
    originals = [weight.clone() for weight in weights]
    cache = model.empty_cache(len(prompts))
    drafted, _ = model.run(prompts, cache[: model.draft_layers])
    low, high = 0.0, 1.0
    for _ in range(12):
        scale = (low + high) / 2
        for weight, original in zip(weights, originals):
            weight.copy_(scale * original)
        agree = (model.run(prompts, cache)[0] == drafted).float().mean()
        low, high = (scale, high) if agree > 2 / 3 else (low, scale)
