# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Convolutions and products in dispatches with tiles of ours give what eager gives, whatever their sizes."""

from __future__ import annotations

import json
import platform
import re
import subprocess

import pytest
import torch
from torch import nn
from torch.export import Dim
from torch.nn import functional as F

import dycl
from dycl.compiler import phases
from dycl.compiler.api import import_model
from dycl.compiler.iree import compile_command
from dycl.compiler.pipeline import PhaseDump, partition_program
from dycl.compiler.target_facts import find_facts
from dycl.compiler.targets import parse_targets

TILED = "flow.dispatch.workgroups"
# What this machine runs, as IREE compiles by default; on x86 with AVX2 also for that alone.
_AVX2 = "llvm-cpu:x86_64-linux-gnu:x86-64-v3"
_FEATURES = find_facts(parse_targets("llvm-cpu")[0]).cpu_features
TARGETS = ["llvm-cpu"] + ([_AVX2] if platform.machine() == "x86_64" and "avx2" in _FEATURES else [])


def tiled_dispatches(model, args, target="llvm-cpu", **kwargs) -> int:
    """How many dispatches of ours the program's regions have for a target."""
    options = dycl.Options()
    imported = import_model(model, args, None, options, **kwargs)
    targets = parse_targets(target)
    program = partition_program(imported, targets, options, PhaseDump(None))
    modules = program.own_modules.get(targets[0].folder, {})
    return sum(text.count(f'"{TILED}"') for text in modules.values())


def check(model, *args, target="llvm-cpu", atol=2e-5, n=1, **kwargs):
    """The compiled model gives eager's result to 1e-5 of its scale, and has at least `n` dispatches of ours."""
    model.eval()
    if find_facts(parse_targets(target)[0]).vector_unit:
        assert tiled_dispatches(model, args, target, **kwargs) >= n
    program = dycl.compile(model, args, target=target, **kwargs)
    with torch.no_grad():
        expected, got = model(*args), program(*args)
    assert got.shape == expected.shape
    scale = expected.abs().max().clamp(min=1e-3)
    torch.testing.assert_close(got / scale, expected / scale, rtol=0, atol=atol)
    return program


class Convolutions(nn.Module):
    """A convolution, one that reads it with a border, and a residual of what the first gave."""

    def __init__(self, channels, features, kernel, stride, padding, dilation=1, bias=True):
        super().__init__()
        self.first = nn.Conv2d(channels, features, kernel, stride, padding, dilation, bias=bias)
        self.second = nn.Conv2d(features, features, 3, padding=1)

    def forward(self, x):
        y = F.relu(self.first(x))
        return F.relu(self.second(y) + y)


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize(
    ("batch", "channels", "features", "size", "kernel", "stride", "padding", "dilation"),
    [
        (1, 3, 16, (32, 32), 3, 1, 1, 1),
        (1, 16, 32, (8, 8), 3, 2, 1, 1),
        (1, 8, 64, (7, 7), 1, 1, 0, 1),
        # Sizes that tiles do not divide: the last tile is shifted back.
        (1, 5, 23, (17, 31), 3, 1, 1, 1),
        (1, 7, 40, (13, 29), (3, 2), (2, 1), (1, 0), 1),
        (2, 6, 24, (19, 37), 5, 1, 2, 1),
        (3, 4, 48, (11, 17), 3, 1, 2, 2),
        (1, 1, 33, (40, 1), (7, 1), (3, 1), (2, 0), 1),
        (1, 16, 100, (1, 1), 1, 1, 0, 1),
        (1, 3, 64, (64, 64), 7, 2, 3, 1),
        # Fewer output channels than a vector has numbers: a part of a vector, which zeros may fill.
        (1, 1, 5, (28, 28), 5, 1, 3, 1),
        (3, 6, 8, (9, 13), 3, 1, 1, 1),
        (2, 5, 10, (17, 15), 3, 2, 1, 1),
        (1, 4, 3, (6, 700), 3, 1, 1, 1),
        (1, 9, 1, (12, 12), 1, 1, 0, 1),
    ],
)
def test_convolutions(target, batch, channels, features, size, kernel, stride, padding, dilation):
    torch.manual_seed(features)
    model = Convolutions(channels, features, kernel, stride, padding, dilation)
    check(model, torch.randn(batch, channels, *size), target=target, n=2)


class Depthwise(nn.Module):
    def __init__(self, channels, stride):
        super().__init__()
        self.depthwise = nn.Conv2d(channels, channels, 3, stride, 1, groups=channels)
        self.pointwise = nn.Conv2d(channels, 24, 1)

    def forward(self, x):
        return self.pointwise(F.relu6(self.depthwise(x)))


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize(("channels", "size", "stride"), [(32, 14, 1), (24, 17, 2), (144, 9, 1), (50, 5, 1)])
def test_depthwise_convolutions(target, channels, size, stride):
    torch.manual_seed(channels)
    check(Depthwise(channels, stride), torch.randn(2, channels, size, size), target=target, n=2)


def test_grouped_convolutions():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(64, 96, 3, padding=1, groups=4), nn.ReLU(), nn.Conv2d(96, 32, 3, groups=2))
    check(model, torch.randn(1, 64, 9, 9), n=2)


def test_a_border_that_several_convolutions_read():
    """Each with a border of its own width, and a pool that needs none."""

    class Inception(nn.Module):
        def __init__(self):
            super().__init__()
            self.stem = nn.Conv2d(3, 32, 1)
            self.three, self.five = nn.Conv2d(32, 16, 3, padding=1), nn.Conv2d(32, 16, 5, padding=2)
            self.one = nn.Conv2d(32, 16, 1)

        def forward(self, x):
            x = torch.relu(self.stem(x))
            pooled = F.max_pool2d(x, 3, 1, 1)
            return torch.cat([self.three(x), self.five(x), self.one(x), pooled], 1)

    torch.manual_seed(0)
    check(Inception(), torch.randn(2, 3, 11, 14), n=4)


def plain_regions(program, path) -> list[str]:
    """The regions of a program that IREE refused with dispatches of ours in them."""
    program.save(path)
    regions = json.loads((path / "manifest.json").read_text())["program"]["regions"]
    return [region["name"] for region in regions if "plain" in region]


@pytest.mark.parametrize("channels", [(4, 3), (30, 1, 5), (100, 28), (70,), (5, 5, 5, 5)])
def test_joined_channels(channels, tmp_path):
    """Each layer's channels are appended to those before: one dispatch a layer, one to append, and the last."""

    class Dense(nn.Module):
        def __init__(self):
            super().__init__()
            sums = [sum(channels[: i + 1]) for i in range(len(channels))]
            self.layers = nn.ModuleList(
                nn.Conv2d(6 + a - c, c, 3, padding=1) for a, c in zip(sums, channels, strict=True)
            )
            self.last = nn.Conv2d(6 + sums[-1], 20, 3, 2, 1)

        def forward(self, x):
            for layer in self.layers:
                x = torch.cat([x, torch.relu(layer(x))], 1)
            return self.last(x)

    torch.manual_seed(0)
    program = check(Dense(), torch.randn(2, 6, 10, 7), n=2 * len(channels))
    assert plain_regions(program, tmp_path / "bundle") == []


def test_images_stay_channels_last_between_regions():
    """Blocks that are skipped for some inputs: what passes from region to region is nhwc, and no region transposes."""

    class Skips(nn.Module):
        def __init__(self):
            super().__init__()
            self.stem = nn.Conv2d(3, 16, 3, padding=1)
            self.blocks = nn.ModuleList(nn.Conv2d(16, 16, 3, padding=1) for _ in range(3))

        def forward(self, x):
            x = torch.relu(self.stem(x))
            for block, threshold in zip(self.blocks, (0.8, 0.4, 0.2), strict=True):
                if x.mean() > threshold:
                    x = torch.relu(block(x)) * 0.5
            return x.mean((2, 3))

    torch.manual_seed(0)
    model = Skips().eval()
    program = dycl.compile(model, (torch.randn(1, 3, 12, 10),))
    if find_facts(parse_targets("llvm-cpu")[0]).vector_unit:
        between = {type_ for region in program.regions for type_ in region.results if type_.count("x") == 4}
        assert between == {"tensor<1x12x10x16xf32>"}
    taken = set()
    for scale in (0.25, 0.5, 1.0, 1.5, 2.0, 4.0):
        x = torch.randn(1, 3, 12, 10) * scale
        with torch.no_grad():
            torch.testing.assert_close(program(x), model(x), rtol=1e-5, atol=1e-5)
        taken.add(tuple((edge.source, edge.label) for edge in program.last_path))
    assert len(taken) >= 3


class Head(nn.Module):
    """Products whose sizes no tile divides, with a bias, activations and a residual."""

    def __init__(self, features, hidden):
        super().__init__()
        self.up, self.down = nn.Linear(features, hidden), nn.Linear(hidden, features)

    def forward(self, x):
        return x + self.down(F.gelu(self.up(x)))


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize(
    ("rows", "features", "hidden"),
    [((1,), 64, 256), ((7,), 48, 100), ((1, 13), 33, 70), ((2, 3, 5), 20, 37), ((300,), 600, 17), ((1,), 1, 16)],
)
def test_products(target, rows, features, hidden):
    torch.manual_seed(hidden)
    check(Head(features, hidden), torch.randn(*rows, features), target=target)


@pytest.mark.parametrize("target", TARGETS)
def test_rows_that_are_declared_dynamic(target):
    torch.manual_seed(0)
    model = Head(24, 50).eval()
    sizes = ({0: Dim("n", min=1, max=64)},)
    program = check(model, torch.randn(3, 24), target=target, dynamic_shapes=sizes)
    for rows in (1, 2, 4, 5, 7, 8, 9, 16, 31, 64):
        x = torch.randn(rows, 24)
        with torch.no_grad():
            torch.testing.assert_close(program(x), model(x), rtol=1e-5, atol=1e-5)


def test_rows_that_data_counts_may_be_none():
    class Selected(nn.Module):
        def __init__(self):
            super().__init__()
            self.head = Head(24, 50)

        def forward(self, x):
            return self.head(x[x[:, 0] > 0])

    torch.manual_seed(0)
    model = Selected().eval()
    program = dycl.compile(model, (torch.randn(5, 24),))
    for rows in range(6):
        x = torch.randn(5, 24).abs()
        x[rows:, 0] *= -1
        with torch.no_grad():
            expected = model(x)
        assert expected.shape == (rows, 24)
        torch.testing.assert_close(program(x), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize(("heads", "rows", "size"), [(4, 16, 64), (3, 7, 20), (1, 33, 17)])
def test_attention(target, heads, rows, size):
    class Attention(nn.Module):
        def __init__(self):
            super().__init__()
            self.qkv = nn.Linear(heads * size, 3 * heads * size)
            self.out = nn.Linear(heads * size, heads * size)

        def forward(self, x, mask):
            q, k, v = (t.unflatten(-1, (heads, size)).transpose(1, 2) for t in self.qkv(x).chunk(3, -1))
            y = F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
            return self.out(y.transpose(1, 2).flatten(2))

    torch.manual_seed(rows)
    mask = torch.rand(2, 1, rows, rows) > 0.3
    mask[1, 0, 2] = False  # A row that is masked everywhere.
    check(Attention(), torch.randn(2, rows, heads * size), mask, target=target, n=2)


def test_a_weight_that_two_layers_share():
    """An embedding tied to the head: both read it, in another order each."""

    class Tied(nn.Module):
        def __init__(self):
            super().__init__()
            self.embedding = nn.Embedding(70, 32)
            self.head = nn.Linear(32, 70, bias=False)
            self.head.weight = self.embedding.weight

        def forward(self, ids):
            x = self.embedding(ids)
            return self.head(x), x @ self.embedding.weight.T, x @ self.embedding.weight[:32]

    torch.manual_seed(0)
    model = Tied().eval()
    ids = torch.tensor([[3, 69, 0, 12]])
    program = dycl.compile(model, (ids,))
    with torch.no_grad():
        for got, expected in zip(program(ids), model(ids), strict=True):
            torch.testing.assert_close(got, expected, rtol=1e-5, atol=1e-5)


def test_sizes_that_a_reshape_exchanges():
    """Both are dynamic, so that the types before and behind are the same."""

    class Exchanged(nn.Module):
        def forward(self, x):
            return x.flatten(0, 1).view(x.shape[1], x.shape[0], 8) * 2

    model = Exchanged()
    sizes = ({0: Dim("a", min=2, max=9), 1: Dim("b", min=2, max=9)},)
    program = dycl.compile(model, (torch.randn(3, 5, 8),), dynamic_shapes=sizes)
    for a, b in [(3, 5), (7, 2), (4, 4)]:
        x = torch.randn(a, b, 8)
        assert torch.equal(program(x), model(x))


@pytest.mark.parametrize("join", [lambda c, a, b: torch.where(c > 0, a, b), lambda c, a, b: torch.cat([c, a, b], 1)])
def test_operands_in_three_orders(join):
    def model(c, a, b):
        return join(c, a.permute(0, 3, 1, 2), b.permute(0, 2, 3, 1))

    args = tuple(torch.randn(3, 1, 4, 4, 4))
    assert torch.equal(dycl.compile(model, args)(*args), model(*args))


def test_heads_that_share_keys():
    def model(q, k, v):
        return F.scaled_dot_product_attention(q, k, v, enable_gqa=True)

    torch.manual_seed(0)
    args = torch.randn(1, 4, 5, 16), torch.randn(1, 2, 7, 16), torch.randn(1, 2, 7, 16)
    torch.testing.assert_close(dycl.compile(model, args)(*args), model(*args), rtol=1e-5, atol=1e-5)


def test_names_of_weights_may_be_anything():
    class Named(nn.Module):
        def __init__(self):
            super().__init__()
            self.größe = nn.Linear(20, 40)
            self.weights = nn.ParameterDict({'a"b': torch.randn(40, 32), "c@blocks(16)": torch.randn(32, 16)})

        def forward(self, x):
            return self.größe(x) @ self.weights['a"b'] @ self.weights["c@blocks(16)"]

    torch.manual_seed(0)
    program = check(Named(), torch.randn(3, 20))
    assert any(key.startswith("größe.weight") for region in program.regions for key in region.parameters)


# ---- bad input ------------------------------------------------------------------------------------------------------


def test_weights_that_are_not_finite_give_what_eager_gives():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(4, 32, 3, padding=1), nn.Flatten(), nn.Linear(32 * 25, 40)).eval()
    with torch.no_grad():
        model[0].weight[3, 1, 0, 2] = float("nan")
        model[0].bias[5] = float("inf")
        model[2].weight[7, 11] = float("-inf")
    x = torch.randn(1, 4, 5, 5)
    with torch.no_grad():
        torch.testing.assert_close(dycl.compile(model, (x,))(x), model(x), rtol=1e-5, atol=1e-5, equal_nan=True)


def test_weights_that_are_not_contiguous():
    torch.manual_seed(0)
    linear = nn.Linear(40, 48)
    linear.weight = nn.Parameter(torch.randn(40, 96).T[::2])
    convolution = nn.Conv2d(6, 32, 3)
    convolution.weight = nn.Parameter(torch.randn(3, 3, 6, 32).permute(3, 2, 0, 1))
    assert not linear.weight.is_contiguous()
    check(linear, torch.randn(5, 40))
    check(convolution, torch.randn(1, 6, 9, 9))


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16])
def test_other_precisions_stay_on_the_plain_path(dtype):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(32, 64), nn.ReLU(), nn.Linear(64, 32)).to(dtype).eval()
    x = torch.randn(4, 32, dtype=dtype)
    convolution, image = nn.Conv2d(4, 32, 3).to(dtype).eval(), torch.randn(1, 4, 9, 9, dtype=dtype)
    left, right = torch.randn(3, 7, 9, dtype=dtype), torch.randn(3, 9, 32, dtype=dtype)
    assert tiled_dispatches(model, (x,)) == 0
    assert tiled_dispatches(convolution, (image,)) == 0
    assert tiled_dispatches(torch.bmm, (left, right)) == 0
    with torch.no_grad():
        atol = 1e-3 if dtype is torch.float16 else 1e-12
        torch.testing.assert_close(dycl.compile(model, (x,))(x), model(x), rtol=0, atol=atol)


def test_sizes_of_zero():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(32, 64), nn.ReLU()).eval()
    x = torch.randn(0, 32)
    assert dycl.compile(model, (x,))(x).shape == (0, 64)


# ---- that IREE uses the tiles ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("target", TARGETS)
def test_iree_uses_the_tiles_that_were_asked_for(target, tmp_path):
    """What IREE drops it drops without a word: each tile size has to be in the configuration of an executable."""
    spec = parse_targets(target)[0]
    if not find_facts(spec).vector_unit:
        pytest.skip("no rules for this machine's vector unit")

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b = nn.Conv2d(3, 32, 3, padding=1), nn.Conv2d(32, 64, 3, stride=2, padding=1)
            self.c, self.d = nn.Conv2d(64, 64, 3, groups=64, padding=1), nn.Conv2d(64, 32, 1)
            self.e = nn.Linear(32, 50)

        def forward(self, x):
            x = torch.relu(self.d(torch.relu(self.c(torch.relu(self.b(torch.relu(self.a(x))))))))
            return self.e(x.mean((2, 3)))

    options = dycl.Options()
    imported = import_model(Net().eval(), (torch.randn(1, 3, 16, 16),), None, options)
    program = partition_program(imported, [spec], options, PhaseDump(None))
    tiles = re.compile(r"vector_common_parallel = \[[\d, ]+\], vector_reduction = \[[\d, ]+\]")
    asked, used = [], []
    for text in program.own_modules[spec.folder].values():
        asked += tiles.findall(text)
        command = [*compile_command(spec, options), "--compile-to=executable-configurations", "-o", "-", "-"]
        done = subprocess.run(command, input=text, capture_output=True, text=True, check=True)
        used += tiles.findall(done.stdout)
    assert len(asked) == 5
    for tile in asked:
        assert used.count(tile) >= asked.count(tile), tile


# ---- where IREE refuses them ----------------------------------------------------------------------------------------


def test_a_region_that_iree_refuses_is_compiled_as_without_tiles(tmp_path, monkeypatch, run_command):
    """It reads the weights as they are, the others packed ones, and `dycl inspect` says so."""
    if not find_facts(parse_targets("llvm-cpu")[0]).vector_unit:
        pytest.skip("no rules for this machine's vector unit")

    class TwoStages(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.second = nn.Linear(20, 48), nn.Linear(48, 16)

        def forward(self, x):
            x = torch.relu(self.first(x))
            if x.sum() > 8:
                return self.second(x)
            return x[:, :16] * 2

    tile = phases.tile_for_cpu

    def spoil(partitioned, unit, *args, **kwargs):
        # A pipeline that IREE does not have, for the product of 20 numbers.
        lines = tile(partitioned, unit, *args, **kwargs).splitlines()
        return "\n".join(
            line.replace("DoubleTilingExpert", "NoSuchPipeline") if "tensor<1x20xf32>, tensor<20x" in line else line
            for line in lines
        )

    monkeypatch.setattr(phases, "tile_for_cpu", spoil)
    torch.manual_seed(0)
    model = TwoStages().eval()
    program = dycl.compile(model, (torch.randn(1, 20),), target=TARGETS[0])
    program.save(tmp_path / "net.dycl")
    said = run_command("dycl", "inspect", tmp_path / "net.dycl")
    loaded = dycl.load(tmp_path / "net.dycl")
    keys = {key for region in loaded.regions for key in region.parameters}
    spoiled = [line for line in said.stdout.splitlines() if "IREE refused those of dycl" in line]
    assert len(spoiled) == 1
    assert "first.weight" in keys
    assert any(key.startswith("second.weight@") for key in keys)
    taken = set()
    for scale in (0.1, 1.0, 5.0):
        x = torch.randn(1, 20) * scale
        with torch.no_grad():
            torch.testing.assert_close(loaded(x), model(x), rtol=1e-5, atol=1e-5)
        taken.add(tuple((edge.source, edge.label) for edge in loaded.last_path))
    assert len(taken) == 2
