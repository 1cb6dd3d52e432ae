# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The random numbers of the front end, on real tensors, against PyTorch's own generator."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from dycl.frontend import random_numbers
from dycl.frontend.draws import new_state
from dycl.frontend.random_numbers import Generator, eager_loop

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
