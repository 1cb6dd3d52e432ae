# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The random numbers of the front end, on real tensors, against PyTorch's own generator."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F

from dycl.frontend import random_numbers
from dycl.frontend.capture import capture
from dycl.frontend.draws import new_state
from dycl.frontend.interpreter import Interpreter
from dycl.frontend.random_numbers import Generator, eager_loop
from dycl.options import Options

SEEDS = (0, 1, 2**32 - 1, 67280421310721, -5)
SIZES = (*range(1, 41), 311, 312, 313, 623, 624, 625, 1000, 1247, 1248, 1249, 5000)
FLOATS = (torch.float32, torch.float64, torch.float16, torch.bfloat16)
INTEGERS = (torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8)


def agrees(
    ours: Callable[[Generator, int], torch.Tensor],
    eager: Callable[[int], torch.Tensor],
    *,
    tolerance: float = 0.0,
    sizes: tuple[int, ...] = SIZES,
) -> None:
    """Draws of all sizes, one after the other from one generator, and what is drawn after them."""
    for seed in SEEDS:
        generator = Generator(*new_state(seed), loop=eager_loop)
        torch.manual_seed(seed)
        for size in sizes:
            torch.testing.assert_close(ours(generator, size), eager(size), rtol=tolerance, atol=tolerance)
            assert torch.equal(random_numbers.uniform(generator, 3, torch.float32), torch.rand(3)), "out of step"


def close(dtype: torch.dtype) -> float:
    """A few units in the last place."""
    return 64 * torch.finfo(dtype).eps


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize(("low", "high"), [(0.0, 1.0), (-0.3, 1.7), (0.1, 0.2), (-1000.0, 7.3)])
def test_uniform_is_the_same(dtype, low, high):
    agrees(
        lambda generator, n: random_numbers.uniform(generator, n, dtype, low, high),
        lambda n: torch.empty(n, dtype=dtype).uniform_(low, high),
    )


@pytest.mark.parametrize("dtype", FLOATS)
def test_normal_agrees(dtype):
    agrees(
        lambda generator, n: random_numbers.normal(generator, n, dtype, 0.5, 2.0, one_by_one=n < 16),
        lambda n: torch.empty(n, dtype=dtype).normal_(0.5, 2.0),
        tolerance=close(dtype),
    )


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("rate", [1.0, 3.0])
def test_exponential_agrees(dtype, rate):
    agrees(
        lambda generator, n: random_numbers.exponential(generator, n, dtype, rate),
        lambda n: torch.empty(n, dtype=dtype).exponential_(rate),
        tolerance=close(torch.float64) if dtype == torch.float64 else 0.0,
    )


@pytest.mark.parametrize("dtype", FLOATS)
def test_cauchy_log_normal_and_geometric_agree(dtype):
    rounded = random_numbers.rounded
    agrees(
        lambda generator, n: rounded(random_numbers.cauchy(generator, n, 1.0, 2.0), dtype),
        lambda n: torch.empty(n, dtype=dtype).cauchy_(1.0, 2.0),
        tolerance=max(close(dtype), 1e-8),
    )
    agrees(
        lambda generator, n: rounded(torch.exp(random_numbers.normal_f64(generator, n) * 0.5 + 0.1), dtype),
        lambda n: torch.empty(n, dtype=dtype).log_normal_(0.1, 0.5),
        tolerance=close(dtype),
    )
    agrees(
        lambda generator, n: rounded(random_numbers.geometric(generator, n, 0.2), dtype),
        lambda n: torch.empty(n, dtype=dtype).geometric_(0.2),
    )


@pytest.mark.parametrize("probability", [0.0, 0.3, 0.5, 1.0])
def test_bernoulli_is_the_same(probability):
    agrees(
        lambda generator, n: random_numbers.bernoulli(generator, n, probability),
        lambda n: torch.empty(n, dtype=torch.bool).bernoulli_(probability),
    )


@pytest.mark.parametrize("dtype", FLOATS)
def test_bernoulli_by_a_tensor_is_the_same(dtype):
    agrees(
        lambda generator, n: random_numbers.bernoulli_of(generator, torch.linspace(0, 1, n, dtype=dtype)).to(dtype),
        lambda n: torch.bernoulli(torch.linspace(0, 1, n, dtype=dtype)),
    )


@pytest.mark.parametrize(
    ("low", "high"),
    [
        *((0, 1), (0, 10), (-5, 7), (0, 2**28 - 1), (0, 2**28), (0, 2**31 + 5), (5, 2**40)),
        *((0, 2**63 - 1), (-(2**62), 2**62 + 1), (-(2**63), 2**63 - 1)),
    ],
)
def test_integers_are_the_same(low, high):
    agrees(
        lambda generator, n: random_numbers.integers(generator, n, low, high - low),
        lambda n: torch.randint(low, high, (n,)),
    )


@pytest.mark.parametrize("dtype", [*INTEGERS, torch.bool, *FLOATS])
def test_integers_without_bounds_are_the_same(dtype):
    agrees(
        lambda generator, n: random_numbers.any_integers(generator, n, dtype).to(dtype),
        lambda n: torch.empty(n, dtype=dtype).random_(),
    )


def test_permutations_are_the_same():
    agrees(random_numbers.permutation, torch.randperm, sizes=(*range(1, 41), 100, 625, 1000))


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("categories", [1, 2, 5, 33, 64])
def test_choices_are_the_same(dtype, categories):
    probabilities = torch.rand(3, categories, dtype=dtype, generator=torch.Generator().manual_seed(categories))
    agrees(
        lambda generator, n: random_numbers.choices(generator, probabilities, n),
        lambda n: torch.multinomial(probabilities, n, replacement=True),
        sizes=(2, 3, 5, 16, 40, 208, 313),
    )


def test_more_words_than_are_unrolled_are_drawn_in_a_loop():
    most = random_numbers.MAX_UNROLLED * random_numbers.SIZE
    agrees(
        lambda generator, n: random_numbers.uniform(generator, n, torch.float32),
        torch.rand,
        sizes=(most - 1, most, most + 1, 2 * most + 5),
    )


def channels_last(x: torch.Tensor) -> torch.Tensor:
    return x.contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize(
    "make",
    [
        lambda x: x.transpose(1, 3),
        lambda x: x.transpose(1, 3) + torch.ones(3),
        lambda x: x.transpose(1, 3).softmax(-1),
        lambda x: x.transpose(0, 1)[:, 1:, ::2],
        lambda x: x[:1].expand(3, 3, 5, 7),
        lambda x: F.layer_norm(x.transpose(1, 3), (3,)),
        lambda x: x.transpose(1, 3).sort(-1)[0],
        lambda x: x.transpose(1, 3).topk(2)[0],
        lambda x: F.scaled_dot_product_attention(x, x, x),
        lambda x: F.scaled_dot_product_attention(*[x.transpose(1, 2)] * 3),
        lambda x: F.linear(x[0].transpose(0, 1), torch.ones(6, 7)),
        lambda x: F.conv2d(channels_last(x), torch.ones(8, 3, 3, 3)),
        lambda x: F.max_pool2d(channels_last(x), 2),
        lambda x: F.interpolate(channels_last(x), scale_factor=2.0),
        lambda x: F.interpolate(x.transpose(2, 3), scale_factor=2.0, mode="bilinear"),
        lambda x: F.interpolate(x[0].transpose(1, 2), scale_factor=2.0),
    ],
)
def test_a_tensor_like_another_is_filled_in_the_order_of_its_memory(make):
    def forward(x):
        like = make(x)
        return torch.rand_like(like), torch.randn_like(like), torch.multinomial(like.abs().flatten(1) + 1, 1)

    x = torch.rand(4, 3, 5, 7, generator=torch.Generator().manual_seed(0))
    program = capture(forward, (x,), {}, Options())
    torch.manual_seed(1)
    expected = forward(x)
    found = Interpreter(program).run((x,), new_state(1)[: len(program.signature.state)])
    for ours, eagers in zip(found, expected, strict=False):
        torch.testing.assert_close(ours, eagers, rtol=1e-6, atol=1e-6)
