# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""SkipNet: a residual network that decides, image by image, which of its blocks to run.

Wang et al., "SkipNet: Learning Dynamic Routing in Convolutional Networks", ECCV 2018; layer tables and gate rule from
the authors' `cifar/models.py` (ucbdrive/skipnet). There both sides are computed and masked; here the `if` is one.
"""

# pyright: reportArgumentType=false, reportAttributeAccessIssue=false, reportCallIssue=false, reportIndexIssue=false
# pyright: reportOptionalSubscript=false
# An nn.ModuleList does not know of which class its modules are.

from __future__ import annotations

import torch
from torch import Tensor, nn

from dycl.zoo.calibration import routed, seeded, settled
from dycl.zoo.images import calibrated, one_image
from dycl.zoo.layers import block_shapes, conv_bn_relu, projection
from dycl.zoo.network import network


class BasicBlock(nn.Module):
    """conv3×3-BN-ReLU-conv3×3-BN, plus the shortcut, ReLU."""

    def __init__(self, in_channels: int, channels: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, channels, 3, stride=stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
        self.downsample = projection(in_channels, channels, stride)

    def forward(self, x: Tensor) -> Tensor:
        y = torch.relu(self.bn1(self.conv1(x)))
        y = self.bn2(self.conv2(y))
        return torch.relu(y + self.downsample(x))


class RNNGate(nn.Module):
    """The LSTM that all gates share: what it saw of the blocks before, it remembers."""

    def __init__(self, size: int = 10) -> None:
        super().__init__()
        self.rnn = nn.LSTM(size, size)
        self.proj = nn.Linear(size, 1)

    def forward(self, features: Tensor, state: tuple[Tensor, Tensor] | None) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """The probability f32[1,1] of running the next block, from features f32[1,10], and the LSTM's new state."""
        output, new_state = self.rnn(features.unsqueeze(0), state)
        return torch.sigmoid(self.proj(output[0])), new_state


class FeedForwardGate(nn.Module):
    """MaxPool2, conv3×3-BN-ReLU, conv3×3-BN-ReLU with stride 2, average, conv1×1 to two logits: skip, run."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.MaxPool2d(2), conv_bn_relu(channels, channels), conv_bn_relu(channels, channels, stride=2)
        )
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.linear = nn.Conv2d(channels, 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        """The probabilities f32[N,2] of skipping and of running the next block, from f32[N,channels,side,side]."""
        return torch.softmax(self.linear(self.pool(self.layers(x))).flatten(1), dim=1)


class ResNet(nn.Module):
    """The residual network within.

    Args:
        blocks: blocks in each group; `(6, 6, 6)` is ResNet-38. Groups after the first halve the resolution.
        channels: channels of each group.
    """

    def __init__(self, blocks: tuple[int, ...], channels: tuple[int, ...]) -> None:
        super().__init__()
        self.stem = conv_bn_relu(3, channels[0])
        self.blocks = nn.ModuleList(BasicBlock(*shape) for shape in block_shapes(blocks, channels, channels[0]))


class SkipNet(ResNet):
    """A residual network with an RNN gate before every block but the first, for one image at a time."""

    def __init__(self, blocks: tuple[int, ...], channels: tuple[int, ...], classes: int = 10) -> None:
        super().__init__(blocks, channels)
        # What the gate before a block sees: the image so far, averaged, in ten features.
        self.gates = nn.ModuleList(
            nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Conv2d(block.conv1.in_channels, 10, 1), nn.Flatten())
            for block in list(self.blocks)[1:]
        )
        self.control = RNNGate()
        self.classifier = nn.Linear(channels[-1], classes)

    def forward(self, x: Tensor) -> Tensor:
        """Logits f32[1,classes] of an image f32[1,3,32,32]."""
        x = self.blocks[0](self.stem(x))
        state = None
        for gate, block in zip(self.gates, self.blocks[1:]):
            probability, state = self.control(gate(x), state)
            if probability > 0.5:
                x = block(x)
            else:
                x = block.downsample(x)
        return self.classifier(x.mean(dim=(2, 3)))


class FeedForwardSkipNet(ResNet):
    """A residual network with a small convolutional gate before every block but the first, for one image at a time."""

    def __init__(self, blocks: tuple[int, ...], channels: tuple[int, ...], classes: int = 10) -> None:
        super().__init__(blocks, channels)
        self.gates = nn.ModuleList(FeedForwardGate(block.conv1.in_channels) for block in list(self.blocks)[1:])
        self.classifier = nn.Linear(channels[-1], classes)

    def forward(self, x: Tensor) -> Tensor:
        """Logits f32[1,classes] of an image f32[1,3,32,32]."""
        x = self.blocks[0](self.stem(x))
        for gate, block in zip(self.gates, self.blocks[1:]):
            probabilities = gate(x)[0]
            if probabilities[1] > 0.5:
                x = block(x)
            else:
                x = block.downsample(x)
        return self.classifier(x.mean(dim=(2, 3)))


@network(inputs=one_image)
def skipnet38_rnn(tiny: bool = False, seed: int = 0) -> tuple[ResNet, tuple[Tensor]]:
    """SkipNet-38 with the RNN gate: 17 gates, each `if probability > 0.5` on one image.

    The weights are random, and calibrated so that every gate takes both sides: see `calibrate`.

    Args:
        tiny: five gates and an eighth of the channels, for tests: `[2, 2, 2]` blocks of 4, 8 and 16 channels.
        seed: of the weights, the calibration and the example.

    Returns:
        The model in evaluation mode, and an example image f32[1,3,32,32]; its output is f32[1,10].
    """
    with seeded(seed):
        model = SkipNet((2, 2, 2), (4, 8, 16)) if tiny else SkipNet((6, 6, 6), (16, 32, 64))
    return calibrated(model, calibrate, seed)


@network(inputs=one_image)
def skipnet38_dense(tiny: bool = False, seed: int = 0) -> tuple[ResNet, tuple[Tensor]]:
    """SkipNet-38 with the feed-forward gate: 17 gates, each `if probabilities[1] > 0.5` on one image.

    The weights are random, and calibrated so that every gate takes both sides: see `calibrate`.

    Args:
        tiny: three gates and an eighth of the channels, for tests: `[1, 2, 1]` blocks of 4, 8 and 16 channels.
        seed: of the weights, the calibration and the example.

    Returns:
        The model in evaluation mode, and an example image f32[1,3,32,32]; its output is f32[1,10].
    """
    with seeded(seed):
        model = FeedForwardSkipNet((1, 2, 1), (4, 8, 16)) if tiny else FeedForwardSkipNet((6, 6, 6), (16, 32, 64))
    return calibrated(model, calibrate, seed)


@network(inputs=one_image)
def skipnet74_rnn(tiny: bool = False, seed: int = 0) -> tuple[ResNet, tuple[Tensor]]:
    """SkipNet-74 with the RNN gate: 35 gates, each `if probability > 0.5` on one image.

    The weights are random, and calibrated so that every gate takes both sides: see `calibrate`.

    Args:
        tiny: three gates and an eighth of the channels, for tests: `[2, 1, 1]` blocks of 4, 8 and 16 channels.
        seed: of the weights, the calibration and the example.

    Returns:
        The model in evaluation mode, and an example image f32[1,3,32,32]; its output is f32[1,10].
    """
    with seeded(seed):
        model = SkipNet((2, 1, 1), (4, 8, 16)) if tiny else SkipNet((12, 12, 12), (16, 32, 64))
    return calibrated(model, calibrate, seed)


@network(inputs=one_image)
def skipnet110_rnn(tiny: bool = False, seed: int = 0) -> tuple[ResNet, tuple[Tensor]]:
    """SkipNet-110 with the RNN gate: 53 gates, each `if probability > 0.5` on one image.

    The weights are random, and calibrated so that every gate takes both sides: see `calibrate`.

    Args:
        tiny: four gates and an eighth of the channels, for tests: `[1, 2, 2]` blocks of 4, 8 and 16 channels.
        seed: of the weights, the calibration and the example.

    Returns:
        The model in evaluation mode, and an example image f32[1,3,32,32]; its output is f32[1,10].
    """
    with seeded(seed):
        model = SkipNet((1, 2, 2), (4, 8, 16)) if tiny else SkipNet((18, 18, 18), (16, 32, 64))
    return calibrated(model, calibrate, seed)


@torch.no_grad()
def calibrate(model: ResNet, images: Tensor) -> None:
    """Makes every gate run its block for half of `images`, as a trained SkipNet's gates run theirs for some.

    Layer by layer, in the order of `forward`, each image on the way that its own gates chose: batch norms take the
    statistics of what reaches them, and a gate is set to a median probability of 0.5.
    """
    gates = RecurrentGates(model.control) if isinstance(model, SkipNet) else FeedForwardGates()
    x = settled(model.blocks[0], settled(model.stem, images))
    for gate, block in zip(model.gates, model.blocks[1:]):
        x = routed(x, gates.set_to_median(gate, x), block, block.downsample)


class FeedForwardGates:
    """Sets gates that see nothing but the image so far, by the bias of one of the two logits."""

    def set_to_median(self, gate: FeedForwardGate, x: Tensor) -> Tensor:
        """Which of f32[N,…] now run: bool[N]."""
        logits = torch.logit(settled(gate, x)[:, 1].double())
        gate.linear.bias[1] -= logits.median().float()
        return gate(x)[:, 1] > 0.5


class RecurrentGates:
    """Sets gates that share an LSTM, in their order.

    A gate's 1×1 convolution is scaled to ten features of mean 0 and variance 1; and its bias is then moved until the
    median is met. The layer after the LSTM is scaled first: as initialized, it leaves every probability within a few
    hundredths of 0.5.
    """

    def __init__(self, control: RNNGate) -> None:
        control.proj.weight *= 16
        control.proj.bias.zero_()
        self.control = control
        self.state: tuple[Tensor, Tensor] | None = None

    def set_to_median(self, gate: nn.Module, x: Tensor) -> Tensor:
        """Which of f32[N,…] now run: bool[N]."""
        _standardize(gate, x)
        features = gate(x)
        shift = _shift_to_median(self.control, features, self.state)
        gate[1].bias += shift
        probability, self.state = self.control(features + shift, self.state)
        return (probability > 0.5).flatten()


def _standardize(gate: nn.Module, x: Tensor) -> None:
    conv = gate[1]
    std, mean = torch.std_mean(gate(x), dim=0)
    conv.weight /= std[:, None, None, None]
    conv.bias -= mean
    conv.bias /= std


def _shift_to_median(control: RNNGate, features: Tensor, state: tuple[Tensor, Tensor] | None) -> Tensor:
    """What to add to `features` f32[N,10] for a median logit of 0, by Newton steps along its gradient."""
    shift = torch.zeros(features.shape[1])
    for _ in range(50):
        shift.requires_grad_()
        with torch.enable_grad():
            logit = torch.logit(control(features + shift, state)[0]).median()
            (gradient,) = torch.autograd.grad(logit, shift)
        step = logit * gradient / gradient.square().sum()
        shift = shift.detach() - step / step.norm().clamp(min=1)
    return shift
