# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Token sequences for networks that no text was learned into."""

from __future__ import annotations

import torch
from torch import Tensor

PAD, CLS, SEP = 0, 101, 102
"""BERT's special tokens; words start after them."""


def random_sentences(count: int, seed: int, vocabulary: int, length: int) -> Tensor:
    """Sentences i64[count,length], `CLS words… SEP`, of any number of words from two on, padded at their end.

    Each keeps to a random range of the vocabulary, small or large, so that some repeat few words and others none.
    """
    generator = torch.Generator().manual_seed(seed)
    sentences = torch.full((count, length), PAD)
    for sentence in sentences:
        words = int(torch.randint(2, length - 1, (), generator=generator))
        start = int(torch.randint(SEP + 1, vocabulary - 3, (), generator=generator))
        stop = int(torch.randint(start + 3, vocabulary + 1, (), generator=generator))
        sentence[0], sentence[words + 1] = CLS, SEP
        sentence[1 : words + 1] = torch.randint(start, stop, (words,), generator=generator)
    return sentences
