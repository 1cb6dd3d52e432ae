# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""A small early-exit network, trained on the 8×8 handwritten digits that scikit-learn ships.

The exits are those of BranchyNet (Teerapittayanon et al., ICPR 2016), the rule that of Shallow-Deep Networks (Kaya et
al., ICML 2019): leave at the first exit that is confident. The images are the test set of UCI's "Optical
Recognition of Handwritten Digits", 1,797 in all.

`python -m dycl.zoo.digits` trains the network, in seconds, and writes the weights that `digits_early_exit` loads.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from dycl.zoo.network import network

WEIGHTS = Path(__file__).with_name("digits_early_exit.npz")


class EarlyExitCNN(nn.Module):
    """Three convolutional blocks with a classifier after each; confident images leave early, one at a time.

    Args:
        threshold: leave at an exit whose largest softmax probability is at least this.
    """

    def __init__(self, threshold: float = 0.9) -> None:
        super().__init__()
        self.threshold = threshold
        self.blocks = nn.ModuleList(
            [
                nn.Sequential(_conv(1, 8), nn.MaxPool2d(2)),
                nn.Sequential(_conv(8, 16), _conv(16, 16)),
                nn.Sequential(_conv(16, 32), _conv(32, 32), _conv(32, 32)),
            ]
        )
        self.exits = nn.ModuleList([_classifier(8), _classifier(16), _classifier(32)])

    def forward(self, x: Tensor) -> Tensor:
        """Logits f32[1,10] of an image f32[1,1,8,8] with values from 0 to 1."""
        for block, classify in zip(self.blocks[:-1], self.exits[:-1]):
            x = block(x)
            logits = classify(x)
            if torch.softmax(logits, dim=1).max() >= self.threshold:
                return logits
        return self.exits[-1](self.blocks[-1](x))

    def all_exits(self, x: Tensor) -> list[Tensor]:
        """The logits f32[N,10] of every exit for images f32[N,1,8,8], for training."""
        outputs: list[Tensor] = []
        for block, classify in zip(self.blocks, self.exits):
            x = block(x)
            outputs.append(classify(x))
        return outputs


def _conv(in_channels: int, channels: int) -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(in_channels, channels, 3, padding=1, bias=False), nn.BatchNorm2d(channels), nn.ReLU()
    )


def _classifier(channels: int) -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(channels * 4 * 4, 10))


class Digits(NamedTuple):
    """Images f32[N,1,8,8] with values from 0 to 1, and their labels i64[N]; a quarter is held out for the test."""

    train_images: Tensor
    train_labels: Tensor
    test_images: Tensor
    test_labels: Tensor


def load_digits() -> Digits:
    """The real images: 1,347 to train on, 450 held out, each class in the same proportion."""
    try:
        from sklearn import datasets, model_selection
    except ImportError as error:
        raise ImportError("the digits come with scikit-learn; install dycl[zoo]") from error

    images, labels = datasets.load_digits(return_X_y=True)
    images = (images / 16).astype(np.float32).reshape(-1, 1, 8, 8)
    split = model_selection.train_test_split(images, labels, test_size=450, stratify=labels, random_state=0)
    train_images, test_images, train_labels, test_labels = (torch.from_numpy(part) for part in split)
    return Digits(train_images, train_labels, test_images, test_labels)


def held_out_images(count: int, seed: int) -> Iterator[tuple[Tensor]]:
    """Arguments of `count` calls with one held-out image f32[1,1,8,8] each, none again until all were drawn."""
    images = load_digits().test_images
    generator = torch.Generator().manual_seed(seed)
    order = torch.cat([torch.randperm(len(images), generator=generator) for _ in range(-(-count // len(images)))])
    return ((images[index : index + 1],) for index in order[:count].tolist())


@network(inputs=held_out_images)
def digits_early_exit() -> tuple[EarlyExitCNN, tuple[Tensor]]:
    """The trained network, which leaves at an exit `if softmax(logits).max() >= 0.9`.

    Of the 450 held-out images it classifies 98.2% correctly; 394 leave at the first exit, 36 at the second.

    Returns:
        The model in evaluation mode, and the first test image f32[1,1,8,8]; its output is f32[1,10].
    """
    model = EarlyExitCNN()
    with np.load(WEIGHTS) as weights:
        model.load_state_dict({key: torch.from_numpy(value) for key, value in weights.items()})
    return model.eval(), (load_digits().test_images[:1],)


def train(epochs: int = 40, seed: int = 0) -> EarlyExitCNN:
    """A network trained on the training images: the three exits' losses are added, the learning rate falls to 0."""
    digits = load_digits()
    generator = torch.Generator().manual_seed(seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = EarlyExitCNN().train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3, weight_decay=0.05)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, epochs)
    for _ in range(epochs):
        for batch in torch.randperm(len(digits.train_images), generator=generator).split(64):
            outputs = model.all_exits(digits.train_images[batch])
            labels = digits.train_labels[batch]
            loss = torch.stack([nn.functional.cross_entropy(logits, labels) for logits in outputs]).sum()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        schedule.step()
    return model.eval()


@torch.inference_mode()
def accuracy(model: nn.Module) -> float:
    """The fraction of the test images that `model` classifies correctly, one image at a time."""
    digits = load_digits()
    predictions = torch.cat([model(image).argmax(dim=1) for image in digits.test_images.split(1)])
    return (predictions == digits.test_labels).double().mean().item()


def main() -> None:
    model = train()
    # Batch norms also count their batches, which evaluation never reads.
    weights = {k: v.numpy() for k, v in model.state_dict().items() if v.is_floating_point()}
    np.savez_compressed(WEIGHTS, **weights)
    print(f"{WEIGHTS}: test accuracy {accuracy(model):.2%}")


if __name__ == "__main__":
    main()
