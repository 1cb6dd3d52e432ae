# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Shallow-Deep Networks: classifiers inside well-known networks, the first confident one of which answers.

Kaya et al., "Shallow-Deep Networks: Understanding and Mitigating Network Overthinking", ICML 2019; layer tables and
exit rule from the authors' code (yigitcankaya/Shallow-Deep-Networks) for CIFAR. The DyCL paper adds VGG19 and ResNet50;
there, as the authors do, a classifier stands where 15, 30, 45, 60, 75 and 90% of the multiplications are done.
"""

# pyright: reportArgumentType=false, reportAttributeAccessIssue=false, reportCallIssue=false, reportIndexIssue=false
# An nn.ModuleList does not know of which class its modules are.

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from dycl.zoo.calibration import damp, seeded, settled_exits
from dycl.zoo.images import calibrated, one_image
from dycl.zoo.layers import Bottleneck, block_shapes, conv_bn_relu
from dycl.zoo.network import network
from dycl.zoo.skipnet import BasicBlock

CLASSES = 10


class Layer(NamedTuple):
    """A layer of the network within, with the channels and the side of what it gives."""

    module: nn.Module
    channels: int
    side: int


class InternalClassifier(nn.Module):
    """A mixture of max and average pooling down to about 4×4, by a learned scalar, then one linear layer."""

    def __init__(self, channels: int, side: int) -> None:
        super().__init__()
        self.window = side // 4 if side >= 4 else 1
        self.alpha = nn.Parameter(torch.rand(1))
        self.linear = nn.Linear(channels * (side // self.window) ** 2, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        """Logits f32[N,10] of features f32[N,channels,side,side]."""
        if self.window > 1:
            largest = nn.functional.max_pool2d(x, self.window)
            average = nn.functional.avg_pool2d(x, self.window)
            x = self.alpha * largest + (1 - self.alpha) * average
        return self.linear(x.flatten(1))


class ShallowDeepNetwork(nn.Module):
    """A network with internal classifiers, for one image at a time.

    Args:
        stem: before the first layer.
        layers: of the network.
        exits: the layers that a classifier follows.
        end: the network's own classifier.
        threshold: leave at a classifier whose largest softmax probability is at least this.
    """

    def __init__(
        self, stem: nn.Module, layers: Sequence[Layer], exits: Sequence[int], end: nn.Sequential, threshold: float = 0.8
    ) -> None:
        super().__init__()
        starts = [0, *(index + 1 for index in exits)]
        parts = [[layer.module for layer in layers[a:b]] for a, b in zip(starts, [*starts[1:], len(layers)])]
        self.stages = nn.ModuleList([nn.Sequential(*part) for part in [[stem, *parts[0]], *parts[1:-1]]])
        self.classifiers = nn.ModuleList(
            [InternalClassifier(layers[index].channels, layers[index].side) for index in exits]
        )
        self.end = nn.Sequential(*parts[-1], *end)
        self.threshold = threshold

    def forward(self, x: Tensor) -> tuple[Tensor, int, bool]:
        """Of an image f32[1,3,32,32]: logits f32[1,10], the classifier that they are of, whether it was left early."""
        outputs, confidences = [], []
        for index, (stage, classify) in enumerate(zip(self.stages, self.classifiers)):
            x = stage(x)
            logits = classify(x)
            confidence = torch.softmax(logits, dim=1).max()
            if confidence >= self.threshold:
                return logits, index, True
            outputs.append(logits)
            confidences.append(confidence)
        logits = self.end(x)
        outputs.append(logits)
        confidences.append(torch.softmax(logits, dim=1).max())
        most_confident = int(torch.stack(confidences).argmax())
        return outputs[most_confident], most_confident, False


class WideBasic(nn.Module):
    """BN-ReLU-conv3×3-dropout-BN-ReLU-conv3×3, plus the shortcut; the second convolution has the stride."""

    def __init__(self, in_channels: int, channels: int, stride: int) -> None:
        super().__init__()
        self.residual = nn.Sequential(
            nn.BatchNorm2d(in_channels),
            nn.ReLU(),
            nn.Conv2d(in_channels, channels, 3, padding=1),
            nn.Dropout(0.3),
            nn.BatchNorm2d(channels),
            nn.ReLU(),
            nn.Conv2d(channels, channels, 3, stride, padding=1),
        )
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or in_channels != channels:
            self.shortcut = nn.Conv2d(in_channels, channels, 1, stride)

    def forward(self, x: Tensor) -> Tensor:
        return self.residual(x) + self.shortcut(x)


def _pooled_linear(channels: int) -> nn.Sequential:
    return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, CLASSES))


def _groups(block: type[nn.Module], blocks: Sequence[int], channels: Sequence[int], width: int) -> list[Layer]:
    """Groups of residual blocks, each but the first at half the resolution of the one before."""
    layers: list[Layer] = []
    side, expansion = 32, 4 if block is Bottleneck else 1
    for in_channels, group_channels, stride in block_shapes(blocks, channels, width, expansion):
        side //= stride
        layers.append(Layer(block(in_channels, group_channels, stride), expansion * group_channels, side))
    return layers


def _mobilenet(stem: int, separable: Iterable[tuple[int, int]], exits: Sequence[int]) -> ShallowDeepNetwork:
    """A MobileNet of depthwise separable convolutions, each of so many channels and such a stride."""
    layers: list[Layer] = []
    width, side = stem, 32
    for channels, stride in separable:
        side //= stride
        module = nn.Sequential(conv_bn_relu(width, width, 3, stride, groups=width), conv_bn_relu(width, channels, 1))
        layers.append(Layer(module, channels, side))
        width = channels
    return ShallowDeepNetwork(conv_bn_relu(3, stem), layers, exits, _pooled_linear(width))


def _vgg(groups: Sequence[Sequence[int]], exits: Sequence[int], hidden: int = 512) -> ShallowDeepNetwork:
    """A VGG with batch norm; each group of 3×3 convolutions ends in a pooling layer."""
    layers: list[Layer] = []
    width, side = 3, 32
    for group in groups:
        for index, channels in enumerate(group):
            modules = [nn.Conv2d(width, channels, 3, padding=1), nn.BatchNorm2d(channels), nn.ReLU()]
            if index == len(group) - 1:
                modules.append(nn.MaxPool2d(2))
                side //= 2
            layers.append(Layer(nn.Sequential(*modules), channels, side))
            width = channels
    end = nn.Sequential(
        nn.Flatten(),
        nn.Linear(width * side * side, hidden),
        nn.ReLU(),
        nn.Dropout(0.5),
        nn.Linear(hidden, hidden),
        nn.Dropout(0.5),
        nn.Linear(hidden, CLASSES),
    )
    return ShallowDeepNetwork(nn.Identity(), layers, exits, end)


@network(inputs=one_image)
def sdn_mobilenet(tiny: bool = False, seed: int = 0) -> tuple[ShallowDeepNetwork, tuple[Tensor]]:
    """MobileNet with five internal classifiers, each left `if softmax(logits).max() >= 0.8`.

    Stem of 32 channels; 13 depthwise separable convolutions. If none is confident, the most confident one answers:
    `outputs[int(torch.stack(confidences).argmax())]`. The weights are random, and calibrated: see `calibrate`.

    Args:
        tiny: 4 separable convolutions of 8 to 16 channels, and two internal classifiers.
        seed: of the weights, the calibration and the example.

    Returns:
        The model in evaluation mode, and an example image f32[1,3,32,32]; its output is logits f32[1,10], the
        classifier that they are of (int), whether it was left early (bool).
    """
    with seeded(seed):
        if tiny:
            model = _mobilenet(8, [(8, 2), (16, 2), (16, 1), (16, 2)], exits=(1, 2))
        else:
            separable = [(64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), *[(512, 1)] * 5]
            model = _mobilenet(32, [*separable, (1024, 2), (1024, 1)], exits=(2, 4, 6, 8, 11))
    return calibrated(model, calibrate, seed, n_images=256)


@network(inputs=one_image)
def sdn_vgg16(tiny: bool = False, seed: int = 0) -> tuple[ShallowDeepNetwork, tuple[Tensor]]:
    """VGG16 with batch norm and six internal classifiers, each left `if softmax(logits).max() >= 0.8`.

    If none is confident, the most confident one answers: `outputs[int(torch.stack(confidences).argmax())]`. The
    weights are random, and calibrated: see `calibrate`.

    Args:
        tiny: 5 convolutions of 4 to 16 channels, and two internal classifiers.
        seed: of the weights, the calibration and the example.

    Returns:
        The model in evaluation mode, and an example image f32[1,3,32,32]; its output is logits f32[1,10], the
        classifier that they are of (int), whether it was left early (bool).
    """
    with seeded(seed):
        if tiny:
            model = _vgg([[4], [8], [8, 16], [16]], exits=(1, 2), hidden=16)
        else:
            groups = [[64] * 2, [128] * 2, [256] * 3, [512] * 3, [512] * 3]
            model = _vgg(groups, exits=(1, 3, 5, 6, 8, 9))
    return calibrated(model, calibrate, seed)


@network(inputs=one_image)
def sdn_vgg19(tiny: bool = False, seed: int = 0) -> tuple[ShallowDeepNetwork, tuple[Tensor]]:
    """VGG19 with batch norm and six internal classifiers, each left `if softmax(logits).max() >= 0.8`.

    If none is confident, the most confident one answers: `outputs[int(torch.stack(confidences).argmax())]`. The
    weights are random, and calibrated: see `calibrate`.

    Args:
        tiny: 6 convolutions of 4 to 16 channels, and three internal classifiers.
        seed: of the weights, the calibration and the example.

    Returns:
        The model in evaluation mode, and an example image f32[1,3,32,32]; its output is logits f32[1,10], the
        classifier that they are of (int), whether it was left early (bool).
    """
    with seeded(seed):
        if tiny:
            model = _vgg([[4], [8], [8, 16], [16, 16]], exits=(1, 2, 3), hidden=16)
        else:
            groups = [[64] * 2, [128] * 2, [256] * 4, [512] * 4, [512] * 4]
            model = _vgg(groups, exits=(2, 4, 6, 8, 9, 11))
    return calibrated(model, calibrate, seed)


@network(inputs=one_image)
def sdn_resnet50(tiny: bool = False, seed: int = 0) -> tuple[ShallowDeepNetwork, tuple[Tensor]]:
    """ResNet50 for CIFAR with six internal classifiers, each left `if softmax(logits).max() >= 0.8`.

    3×3 stem of 64 channels without pooling, bottlenecks [3, 4, 6, 3]. If none is confident, the most confident one
    answers: `outputs[int(torch.stack(confidences).argmax())]`. The weights are random, and calibrated: see `calibrate`.

    Args:
        tiny: bottlenecks [1, 1, 1] of 2, 4 and 4 channels in the middle, and two internal classifiers.
        seed: of the weights, the calibration and the example.

    Returns:
        The model in evaluation mode, and an example image f32[1,3,32,32]; its output is logits f32[1,10], the
        classifier that they are of (int), whether it was left early (bool).
    """
    with seeded(seed):
        if tiny:
            layers = _groups(Bottleneck, (1, 1, 1), (2, 4, 4), width=8)
            model = ShallowDeepNetwork(conv_bn_relu(3, 8), layers, (0, 1), _pooled_linear(16))
        else:
            layers = _groups(Bottleneck, (3, 4, 6, 3), (64, 128, 256, 512), width=64)
            model = ShallowDeepNetwork(conv_bn_relu(3, 64), layers, (2, 4, 6, 8, 11, 13), _pooled_linear(2048))
    return calibrated(model, calibrate, seed, n_images=64)


@network(inputs=one_image)
def sdn_resnet56(tiny: bool = False, seed: int = 0) -> tuple[ShallowDeepNetwork, tuple[Tensor]]:
    """ResNet56 for CIFAR with six internal classifiers, each left `if softmax(logits).max() >= 0.8`.

    If none is confident, the most confident one answers: `outputs[int(torch.stack(confidences).argmax())]`. The
    weights are random, and calibrated: see `calibrate`.

    Args:
        tiny: blocks [1, 1, 1] of 4, 8 and 8 channels, and two internal classifiers.
        seed: of the weights, the calibration and the example.

    Returns:
        The model in evaluation mode, and an example image f32[1,3,32,32]; its output is logits f32[1,10], the
        classifier that they are of (int), whether it was left early (bool).
    """
    with seeded(seed):
        if tiny:
            layers = _groups(BasicBlock, (1, 1, 1), (4, 8, 8), width=4)
            model = ShallowDeepNetwork(conv_bn_relu(3, 4), layers, (0, 1), _pooled_linear(8))
        else:
            layers = _groups(BasicBlock, (9, 9, 9), (16, 32, 64), width=16)
            model = ShallowDeepNetwork(conv_bn_relu(3, 16), layers, (3, 7, 11, 15, 19, 23), _pooled_linear(64))
    return calibrated(model, calibrate, seed)


@network(inputs=one_image)
def sdn_wideresnet(tiny: bool = False, seed: int = 0) -> tuple[ShallowDeepNetwork, tuple[Tensor]]:
    """WideResNet-32-4 with six internal classifiers, each left `if softmax(logits).max() >= 0.8`.

    Blocks [5, 5, 5] of 64, 128 and 256 channels, pre-activated. If none is confident, the most confident one answers:
    `outputs[int(torch.stack(confidences).argmax())]`. The weights are random, and calibrated: see `calibrate`.

    Args:
        tiny: blocks [1, 1, 1] of 4, 8 and 8 channels, and two internal classifiers.
        seed: of the weights, the calibration and the example.

    Returns:
        The model in evaluation mode, and an example image f32[1,3,32,32]; its output is logits f32[1,10], the
        classifier that they are of (int), whether it was left early (bool).
    """
    with seeded(seed):
        blocks, channels, stem = ((1, 1, 1), (4, 8, 8), 4) if tiny else ((5, 5, 5), (64, 128, 256), 16)
        layers = _groups(WideBasic, blocks, channels, width=stem)
        end = nn.Sequential(nn.BatchNorm2d(channels[-1]), nn.ReLU(), *_pooled_linear(channels[-1]))
        exits = (0, 1) if tiny else (2, 4, 6, 8, 10, 12)
        model = ShallowDeepNetwork(nn.Conv2d(3, stem, 3, padding=1), layers, exits, end)
    return calibrated(model, calibrate, seed, n_images=64)


@torch.no_grad()
def calibrate(model: ShallowDeepNetwork, images: Tensor) -> None:
    """Makes about equally many of `images` leave at each classifier, and as many at none.

    Batch norms take the statistics of `images`, those before a ReLU with a bias of 1: see `damp`. Then, in order, each
    internal classifier's linear layer is scaled, which sharpens its probabilities, until its share of the images that
    reach it is confident; the network's own is scaled until for half of the rest it is more confident than the
    classifiers before it.
    """
    blocks = [block for block in model.modules() if isinstance(block, BasicBlock)]
    damp(model, *(norm for block in blocks for norm in (block.bn1, block.bn2)))
    threshold, model.threshold = model.threshold, math.inf
    outputs = settled_exits(model, [*model.classifiers, model.end], images)
    model.threshold = threshold
    remaining = torch.ones(len(images), dtype=torch.bool)
    best = torch.zeros(len(images))
    linears: list[Any] = [*(classifier.linear for classifier in model.classifiers), model.end[-1]]
    for index, (linear, logits) in enumerate(zip(linears, outputs, strict=True)):
        left = logits[remaining]
        if linear is not linears[-1]:
            count = round(len(left) / (len(outputs) - index + 1))
            scale = _scale(left, torch.full((len(left),), threshold), count)
        else:
            scale = _scale(left, best[remaining], len(left) // 2)
        linear.weight *= scale
        linear.bias *= scale
        confidence = torch.softmax(logits * scale, dim=1).amax(dim=1)
        remaining &= confidence < threshold
        best = torch.maximum(best, confidence)


def _scale(logits: Tensor, thresholds: Tensor, count: int) -> float:
    """What makes the largest probability of `count` of logits f32[N,10] reach their thresholds f32[N]."""
    low, high = torch.zeros(len(logits)), torch.full((len(logits),), 1000.0)
    for _ in range(50):  # The probability grows with the scale: bisect.
        middle = (low + high) / 2
        reached = torch.softmax(logits * middle[:, None], dim=1).amax(dim=1) >= thresholds
        low, high = torch.where(reached, low, middle), torch.where(reached, middle, high)
    needed = high.sort().values
    return ((needed[count - 1] + needed[count]) / 2).item()
