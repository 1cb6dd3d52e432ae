# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The zoo on every device that is here, on both hosts: test/benchmarks/devices.py, with fewer images."""

from __future__ import annotations

import json
import sys

import pytest
import torch
from torch import nn
from torch.nn import functional as F

import dycl
from dycl.compiler import build
from dycl.compiler.api import import_model
from dycl.zoo.decoder import Decoder, DecoderConfig

# Exits, skipped blocks, and a loop that ends when predictions agree.
NETWORKS = ("digits_early_exit", "skipnet38_rnn", "pabee")
INPUTS = 6  # Calls in an emulator take seconds each.


@pytest.fixture(scope="module")
def rows(root, run_command, once):
    def compare():
        chosen = [f"--network={name}" for name in NETWORKS]
        arguments = "--tiny", "--inputs", str(INPUTS), "--json", *chosen
        done = run_command(sys.executable, root / "test" / "benchmarks" / "devices.py", *arguments)
        assert done.stdout, done.stderr
        return json.loads(done.stdout)

    return once("devices", compare)


def check(rows, device, hosts):
    mine = [row for row in rows if row["device"] == device]
    assert {(row["network"], row["host"]) for row in mine} == {
        (network, host) for network in NETWORKS for host in hosts
    }
    for row in mine:
        assert row.get("missing") is None, row
        assert row["same_decisions"] == row["inputs"] == INPUTS, row
        assert row["largest_error"] < 1e-5, row
        assert row["paths"] >= 3, row


def test_this_cpu_agrees(rows):
    check(rows, "llvm-cpu", ("python", "vm"))


def test_vulkan_agrees(vulkan, rows):
    check(rows, "vulkan", ("python", "vm"))


def test_emulated_arm_agrees(emulated_arm, rows):
    check(rows, "aarch64", ("python", "vm"))


# What IREE compiles wrongly for Vulkan, or not at all, unless it is written in another way.


class Depthwise(nn.Module):
    def __init__(self):
        super().__init__()
        self.convolution = nn.Conv2d(4, 8, 3, stride=2, padding=1, groups=4)

    def forward(self, x):
        return self.convolution(x)


def bool_of_any_size(x, mask):
    return x > 0.5, ~mask, mask.sum(), mask.to(torch.int8).cumsum(0)


def sums_of_chosen(x, mask):
    chosen = x[mask]
    return chosen.sum(0), chosen.t() @ chosen, chosen.to(torch.int64).sum(), mask.reshape(-1, 1).nonzero()


def divided(a, b):
    return a // b, a % b, torch.div(a, b, rounding_mode="trunc")


def long_in_vectors(tokens, x):
    """Sizes that IREE would vectorize, and emulates no i64 in."""
    mask = (tokens != 0)[:, None, None, :]
    return F.scaled_dot_product_attention(x, x, x, attn_mask=mask), tokens.abs() * 3, tokens.sum(1), tokens.float()


def resized(x):
    return F.interpolate(x, scale_factor=2.0, mode="bilinear", align_corners=True)


def best_words(x, bias):
    """Rows that fill no workgroup, each longer than shared memory, together longer than lavapipe counts."""
    logits = x + bias
    exact = (logits * 64).round() / 64  # A sum of these is not rounded, in whichever order.
    return logits.argmax(1, keepdim=True), logits.softmax(1), exact.sum(), logits.var(1)


def broadcast_products(v, matrix, image, kernel, batch, images):
    """What multiplies, and users that broadcast what it gives."""
    product, convolved = v @ matrix, torch.conv2d(image, kernel)
    outer = product.sigmoid()[:, :, None] * product[:, None, :2]
    return torch.sigmoid(product + batch), outer, torch.relu(convolved + images), product.softmax(0)


def broadcast_reductions(x, image, wide):
    """What else reduces few, likewise."""
    pooled = F.max_pool2d(image, 3)
    centred = x - x.mean((1, 3), keepdim=True)
    return (
        torch.softmax(x, 1),
        x / x.norm(dim=2, keepdim=True),
        centred,
        pooled + wide,
        (x > 1).any(1, keepdim=True) | (x < -1),
    )


def broadcast_to_chosen(v, matrix, rows, chosen):
    """How many rows a product is added to is data."""
    return torch.sigmoid(v @ matrix + rows[chosen])


class FirstLogits(nn.Module):
    """A prompt's: results of a reduction are memory that IREE may take for something else too early."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.decoder = Decoder(DecoderConfig(layers=2, words=50, features=48, hidden=64, heads=2))

    def forward(self, prompt):
        return self.decoder.read(prompt, self.decoder.empty_cache())[0]


class Bytes(nn.Module):
    """Weights of less than a word."""

    def __init__(self):
        super().__init__()
        self.register_buffer("table", torch.arange(-34, 33, dtype=torch.int8))
        self.register_buffer("mask", torch.arange(67) % 3 == 0)

    def forward(self, i):
        return self.table[i], self.table.half() * 0.5, self.mask.sum() + i


def masks(size):
    for seed in range(4):
        torch.manual_seed(seed)
        yield torch.randn(size, 5), torch.rand(size) < 0.4 + 0.2 * (seed % 2)


def numbers():
    yield torch.tensor([7, -7, 7, -7, 0, 2**40]), torch.tensor([2, 2, -2, -2, 5, 3])
    generator = torch.Generator().manual_seed(1)
    for limit in (2**31, 2**62):
        a = torch.randint(-limit, limit, (6,), generator=generator)
        yield a, torch.randint(1, limit, (6,), generator=generator) * torch.tensor([1, -1] * 3)
    yield (
        torch.tensor([2**63 - 1, -(2**63), 2**63 - 1, -(2**63) + 1, 1, -1]),
        torch.tensor([3, 3, -5, 2**62, 2**63 - 1, 9]),
    )


def generated(*shapes):
    generator = torch.Generator().manual_seed(1)
    return tuple(torch.randn(shape, generator=generator) for shape in shapes)


def tokens_of(size):
    tokens = torch.arange(2 * size).reshape(2, size) % 5 * (-(2**40))
    return tokens, *generated((2, 3, size, 8))


@pytest.mark.parametrize(
    ("function", "calls"),
    [
        (Depthwise(), [(torch.randn(1, 4, 7, 6, generator=torch.Generator().manual_seed(i)),) for i in range(3)]),
        *((bool_of_any_size, list(masks(size))) for size in (1, 3, 8, 13)),
        (sums_of_chosen, list(masks(7))),
        (divided, list(numbers())),
        *((long_in_vectors, [tokens_of(size)]) for size in (32, 100, 128)),
        *((resized, [generated((1, channels, 16, 16))]) for channels in (1, 2)),
        *(
            (
                broadcast_products,
                [generated((5, 64), (64, n), (1, 3, 9, 9), (n, 3, 3, 3), (3, 5, n), (3, n, 7, 7))],
            )
            for n in (32, 37, 150)
        ),
        *((broadcast_reductions, [generated((2, 3, n, 5), (1, n, 9, 9), (3, n, 3, 3))]) for n in (32, 37, 150)),
        (
            broadcast_to_chosen,
            [(*generated((300,), (300, 150), (7, 150)), torch.arange(7) % step == 0) for step in (1, 3, 7)],
        ),
        (FirstLogits().eval(), [(torch.arange(first, first + 8)[None],) for first in (3, 20)]),
        *((best_words, [generated((rows, 32_000), (32_000,))]) for rows in (1, 5)),
        (Bytes(), [(torch.tensor(i),) for i in (0, 3, 66)]),
    ],
    ids=lambda value: getattr(value, "__name__", type(value).__name__),
)
def test_what_iree_has_trouble_with_agrees_on_vulkan(vulkan, tmp_path, function, calls):
    options = dycl.Options(demote_f64=True)
    imported = import_model(function, calls[0], None, options)
    program = dycl.load(build(imported, "vulkan", options, tmp_path / "net.dycl"))
    with torch.no_grad():
        for args in calls * 2:  # What is not written may hold the right numbers, the first time.
            torch.testing.assert_close(program(*args), function(*args))
