# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Programs that draw random numbers, compiled: after the same seed they draw those of eager, from call to call."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from frontend_cases import assert_same
from torch import nn

import dycl

END = 0
STARTS = tuple(
    (torch.tensor([token]), torch.tensor(temperature)) for token in (1, 7) for temperature in (0.7, 1.0, 2.0)
)


class Sampler(nn.Module):
    """Samples tokens of the `kept` that are most likely, until it draws the end: token i64[1], temperature f32[]."""

    def __init__(self, vocabulary: int = 61, width: int = 16, kept: int = 9, longest: int = 24) -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, width)
        self.cell = nn.GRUCell(width, width)
        self.scores = nn.Linear(width, vocabulary)
        self.width, self.kept, self.longest = width, kept, longest

    def forward(self, token: torch.Tensor, temperature: torch.Tensor) -> torch.Tensor:
        hidden = torch.zeros(1, self.width)
        tokens = token
        while token[0] != END and len(tokens) < self.longest:
            hidden = self.cell(self.embedding(token), hidden)
            scores = self.scores(hidden) / temperature
            least = torch.topk(scores, self.kept)[0][:, -1:]
            scores = scores.masked_fill(scores < least, -torch.inf)
            token = torch.multinomial(scores.softmax(-1), 1)[:, 0]
            tokens = torch.cat([tokens, token])
        return tokens


def make_sampler() -> Sampler:
    torch.manual_seed(3)
    model = Sampler().eval()
    with torch.no_grad():
        model.scores.bias[END] += 0.5
    return model


class Noisy(nn.Module):
    """Dropout, and on one path noise; it counts its calls."""

    def __init__(self) -> None:
        super().__init__()
        self.dropout = nn.Dropout(0.5)
        self.register_buffer("calls", torch.zeros((), dtype=torch.int64))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.calls += 1
        x = self.dropout(x)
        if x.sum() > 0:
            x = x + torch.randn(5)
        return x * self.calls


UP, DOWN = torch.arange(5.0), -torch.arange(5.0)


@pytest.fixture(scope="module")
def sampler_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("random") / "sampler.dycl"
    dycl.compile(make_sampler(), STARTS[0]).save(path)
    return path


@pytest.fixture(scope="module")
def noisy() -> dycl.Program:
    return dycl.compile(Noisy(), (UP,))


@pytest.mark.parametrize("host", ["python", "vm"])
def test_a_sampled_decoder_agrees_with_eager_token_for_token(sampler_bundle: Path, host: str) -> None:
    program, model = dycl.load(sampler_bundle, host=host), make_sampler()
    lengths = set()
    for seed in (0, 1, 2, 67280421310721, -1):
        program.manual_seed(seed)
        torch.manual_seed(seed)
        for start in STARTS:
            expected = model(*start)
            assert torch.equal(program(*start), expected)
            lengths.add(len(expected))
    assert len(lengths) > 3


def test_state_and_random_numbers_go_on_from_call_to_call(noisy: dycl.Program) -> None:
    for seed in (0, 5):
        model = Noisy()
        noisy.reset_state()
        noisy.manual_seed(seed)
        torch.manual_seed(seed)
        for x in (UP, DOWN, DOWN, UP, UP):
            assert_same(noisy(x), model(x), tolerance=1e-6)


def test_a_seed_leaves_other_state_as_it_is_and_reset_goes_back_to_both(noisy: dycl.Program) -> None:
    noisy.reset_state()
    noisy.manual_seed(2)
    assert noisy.initial_seed() == 2
    first = noisy(UP), noisy(UP)
    noisy.manual_seed(2)
    again = noisy(UP)
    assert torch.equal((again / 3 == 0), (first[0] == 0))
    assert noisy.state["calls"] == 3
    noisy.reset_state()
    assert_same((noisy(UP), noisy(UP)), first)


def test_without_a_seed_numbers_are_others_each_time(sampler_bundle: Path) -> None:
    programs = [dycl.load(sampler_bundle) for _ in range(2)]
    assert programs[0].initial_seed() != programs[1].initial_seed()
    drawn = [[program(*start).tolist() for start in STARTS for _ in range(3)] for program in programs]
    assert drawn[0] != drawn[1]


def test_a_seed_is_any_number_of_64_bits(noisy: dycl.Program) -> None:
    for seed in (-(1 << 63), (1 << 64) - 1):
        noisy.manual_seed(seed)
    for seed in (-(1 << 63) - 1, 1 << 64):
        with pytest.raises(ValueError, match=r"a seed is between -2\*\*63 and 2\*\*64 - 1"):
            noisy.manual_seed(seed)


def test_a_program_without_random_numbers_has_nothing_to_seed() -> None:
    program = dycl.compile(lambda x: x + 1 if x.sum() > 0 else x, (UP,))
    assert program.signature.state == ()
    program.manual_seed(1)
    assert torch.equal(program(UP), UP + 1)


def test_command_lines_take_a_seed(sampler_bundle: Path, capfd: pytest.CaptureFixture[str]) -> None:
    model = make_sampler()
    inputs = ["--input", "1xi64=7", "--input", "f32=2"]
    for seed in (1, 4):
        torch.manual_seed(seed)
        expected = model(torch.tensor([7]), torch.tensor(2.0))
        for command in (["-m", "dycl", "run", str(sampler_bundle)], [str(sampler_bundle / "host.py")]):
            subprocess.run([sys.executable, *command, "--seed", str(seed), *inputs], check=True)
            numbers = capfd.readouterr().out.split("\n", 1)[1].translate(str.maketrans("[]", "  ")).split()
            assert list(map(int, numbers)) == expected.tolist()


def test_verify_seeds_both(sampler_bundle: Path) -> None:
    report = dycl.verify(dycl.load(sampler_bundle), make_sampler(), STARTS, search=0)
    assert report.ok, str(report)
    assert report.decisions > 50


def test_verify_sees_other_draws(noisy: dycl.Program) -> None:
    class Otherwise(Noisy):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return super().forward(x + 0 * torch.rand(1))

    state = torch.get_rng_state()
    report = dycl.verify(noisy, Noisy(), [(UP,), (DOWN,), (UP,), (DOWN,), (UP,)], search=50)
    assert report.ok, str(report)
    assert torch.equal(torch.get_rng_state(), state)
    assert not dycl.verify(noisy, Otherwise(), [(UP,)] * 4, search=0).ok


@pytest.mark.parametrize("size", [39_936, 40_000, 50_257])
def test_many_numbers_are_drawn_in_a_loop(size: int) -> None:
    def forward(x: torch.Tensor) -> tuple[torch.Tensor, ...]:
        return torch.multinomial(x.softmax(-1), 1), F.dropout(x, 0.5)[:9], torch.rand(3)

    x = torch.randn(size, generator=torch.Generator().manual_seed(0))
    program = dycl.compile(forward, (x,))
    program.manual_seed(1)
    torch.manual_seed(1)
    for _ in range(3):
        assert_same(program(x), forward(x), tolerance=1e-6)


def test_many_categories_are_added_up_as_eager_does() -> None:
    def forward(p: torch.Tensor) -> torch.Tensor:
        return torch.multinomial(p, 200, replacement=True)

    p = torch.rand(2, 5000, generator=torch.Generator().manual_seed(0))
    program = dycl.compile(forward, (p,))
    for seed in range(5):
        program.manual_seed(seed)
        torch.manual_seed(seed)
        assert torch.equal(program(p), forward(p))
