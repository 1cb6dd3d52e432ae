# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""PABEE: a BERT that is left when its classifiers have agreed for long enough.

Zhou et al., "BERT Loses Patience: Fast and Robust Inference with Early Exit", NeurIPS 2020; the rule from the authors'
code (JetRunner/PABEE).
"""

# pyright: reportArgumentType=false, reportAttributeAccessIssue=false, reportCallIssue=false, reportIndexIssue=false
# pyright: reportReturnType=false
# An nn.ModuleList does not know of which class its modules are, and nobody that it has any.

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
from dycl.zoo.calibration import seeded
from dycl.zoo.network import network
from dycl.zoo.tokens import PAD


class Pabee(nn.Module):
    """BERT with a classifier after each layer, for one sentence at a time.

    Args:
        sizes: of the BERT.
        patience: leave when so many classifiers in a row have found what the one before them found.
        classes: size of the output.
    """

    def __init__(self, sizes: BertConfig, patience: int, classes: int = 2) -> None:
        super().__init__()
        self.patience = patience
        self.embeddings = Embeddings(sizes)
        self.layers = nn.ModuleList(Layer(sizes) for _ in range(sizes.layers))
        self.pooler = Pooler(sizes.features)
        self.classifiers = nn.ModuleList(nn.Linear(sizes.features, classes) for _ in range(sizes.layers))

    def forward(self, tokens: Tensor) -> tuple[Tensor, int]:
        """Logits f32[1,classes] of tokens i64[1,L], and the number of layers that ran."""
        mask = (tokens != PAD)[:, None, None, :]
        x = self.embeddings(tokens)
        logits = None
        result = None
        agreed = 0
        layers_run = 0
        for layer, classifier in zip(self.layers, self.classifiers):
            x = layer(x, mask)
            layers_run += 1
            logits = classifier(self.pooler(x))
            label = logits.argmax(dim=1)
            if result is not None and torch.all(label == result):
                agreed += 1
            else:
                agreed = 0
            result = label
            if agreed == self.patience:
                break
        return logits, layers_run


@network(inputs=one_sentence)
def pabee(tiny: bool = False, seed: int = 0) -> tuple[Pabee, tuple[Tensor]]:
    """PABEE, 12 layers of 256: counts agreeing classifiers and leaves where `if agreed == self.patience: break`.

    `agreed` grows where `if result is not None and torch.all(label == result)`, and starts again at 0 elsewhere; before
    the first layer `result` is None. Patience is 3, so no input leaves at the second or third layer. The weights are
    random; each classifier's logits are calibrated to mean 0 and deviation 2 on seeded sentences, so that it finds
    either label about as often.

    Args:
        tiny: 4 layers of 32 features, 2 heads, 200 words, 12 tokens, patience 2, for tests.
        seed: of the weights, the calibration and the example.

    Returns:
        The model in evaluation mode, and an example sentence i64[1,128]; its output is f32[1,2] and an int.
    """
    sizes = config(tiny)
    with seeded(seed):
        model = Pabee(sizes, patience=2 if tiny else 3)
    calibrate(model, sentences(96, seed + 1, sizes))
    return model.eval(), (sentences(1, seed + 2, sizes),)


@torch.no_grad()
def calibrate(model: Pabee, tokens: Tensor) -> None:
    """Gives every classifier logits of mean 0 and deviation 2 on `tokens` i64[N,L]."""
    sharpen_attention(model)
    mask = (tokens != PAD)[:, None, None, :]
    x = model.embeddings(tokens)
    for layer, classifier in zip(model.layers, model.classifiers):
        x = layer(x, mask)
        standardize(classifier, model.pooler(x), spread=2)
