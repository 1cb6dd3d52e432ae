# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The zoo compiled: every path of each network, compared with eager on the original model."""

from __future__ import annotations

import pytest
import torch
from torch.utils._pytree import tree_leaves

import dycl
import dycl.compiler.api
import dycl.zoo
from dycl.bundle import pack
from dycl.compiler.api import import_model
from dycl.compiler.pipeline import build
from dycl.runtime.bundle_reader import BundleReader
from dycl.zoo import digits, translation
from dycl.zoo.images import random_images

# How many inputs it takes to see every edge; which module runs tells every decision.
IMAGE_NETWORKS = {
    "blockdrop32": 100,
    "blockdrop110": 100,
    "branchynet_lenet": 50,
    "caption_googlenet": 100,
    "caption_resnext": 100,
    "convnet_aig": 100,
    "msdnet": 100,
    "ranet": 100,
    "sdn_mobilenet": 100,
    "sdn_resnet50": 100,
    "sdn_resnet56": 100,
    "sdn_vgg16": 100,
    "sdn_vgg19": 100,
    "sdn_wideresnet": 100,
    "skipnet38_dense": 100,
    "skipnet38_rnn": 100,
    "skipnet74_rnn": 100,
    "skipnet110_rnn": 100,
}

# The networks that decide on sequences.
SEQUENCE_NETWORKS = (
    "decoder_kv",
    "deebert",
    "fastbert",
    "fastbert_batched",
    "moe_top1",
    "moe_top2",
    "pabee",
    "seq2seq_gru",
    "speculative",
    "tree_lstm",
    "universal_transformer",
)


@pytest.fixture(scope="module", autouse=True)
def no_gradients():
    with torch.no_grad():
        yield


def conditions(program):
    """What the conditions of the last call were, in order."""
    return [edge.label == "true" for edge in program.last_path if edge.label in ("true", "false")]


def watch(modules):
    """A list that always holds, in order, the indices of the modules that ran since it was last cleared."""
    ran = []
    for index, module in enumerate(modules):
        module.register_forward_hook(lambda *_, index=index: ran.append(index))
    return ran


class Trace:
    """What a call of a model in eager did: the modules that ran, in order, and what it returned that is no tensor."""

    def __init__(self, model):
        self.model = model
        self.ran = []
        for name, module in model.named_modules():
            module.register_forward_hook(lambda *_, name=name: self.ran.append(name))

    def __call__(self, *args):
        self.ran.clear()
        output = self.model(*args)
        plain = [leaf for leaf in tree_leaves(output) if not isinstance(leaf, torch.Tensor)]
        return output, (*self.ran, *plain)


@pytest.fixture(scope="module")
def digits_program():
    model, args = dycl.zoo.digits_early_exit()
    return dycl.compile(model, args)


@pytest.fixture(scope="module")
def tiny_skipnet_program():
    model, args = dycl.zoo.skipnet38_rnn(tiny=True)
    return dycl.compile(model, args)


def test_digits_leave_where_eager_leaves_them(digits_program):
    model, _ = dycl.zoo.digits_early_exit()
    ran = watch(model.exits)
    left = []
    for image in digits.load_digits().test_images.split(1):
        ran.clear()
        torch.testing.assert_close(digits_program(image), model(image), rtol=1e-5, atol=1e-5)
        taken = {(0,): [True], (0, 1): [False, True], (0, 1, 2): [False, False]}[tuple(ran)]
        assert conditions(digits_program) == taken
        left.append(len(ran))
    assert [left.count(n) for n in (1, 2, 3)] == [394, 36, 20]


# Code for AVX-512 is larger, since its instructions are longer.
@pytest.mark.parametrize(("cpu", "kib_a_region"), [("x86-64-v3", 15), ("x86-64-v4", 16)])
def test_a_stripped_zip_is_hardly_larger_than_its_weights(tmp_path, cpu, kib_a_region):
    model, args = dycl.zoo.digits_early_exit()
    # Not loaded: this machine may be another.
    imported = import_model(model, args, None, dycl.Options())
    build(imported, f"llvm-cpu:x86_64-linux-gnu:{cpu}", dycl.Options(), tmp_path / "digits.dycl")
    reader = BundleReader(tmp_path / "digits.dycl")
    pack(reader, tmp_path / "digits.zip", as_zip=True, strip=True)
    weights = sum(length for _, length in reader.archive("parameters.irpa")[1].values())
    bound = 1.05 * weights + kib_a_region * 1024 * len(reader.manifest["program"]["regions"])
    assert (tmp_path / "digits.zip").stat().st_size <= bound


def test_a_stripped_zip_gives_what_the_program_gives(digits_program, tmp_path):
    digits_program.save(tmp_path / "digits.dycl")
    pack(BundleReader(tmp_path / "digits.dycl"), tmp_path / "digits.zip", as_zip=True, strip=True)
    image = digits.load_digits().test_images[:1]
    torch.testing.assert_close(dycl.load(tmp_path / "digits.zip")(image), digits_program(image), rtol=0, atol=0)


def test_regions_come_from_the_networks_own_lines(digits_program):
    files = {region.location.file for region in digits_program.regions}
    assert files == {digits.__file__}


def test_each_edge_of_the_digits_network_is_taken(digits_program):
    taken = set()
    for image in digits.load_digits().test_images.split(1):
        digits_program(image)
        taken.update((edge.source, edge.target, edge.label) for edge in digits_program.last_path)
    edges = {(source, target, label) for source, target, label in digits_program.hcfg.edges(keys=True)}
    assert taken == edges


def test_skipnet_runs_the_blocks_that_eager_runs(tiny_skipnet_program):
    model, _ = dycl.zoo.skipnet38_rnn(tiny=True)
    ran = watch(model.blocks[1:])
    paths = set()
    for image in random_images(1000, seed=3).split(1):
        ran.clear()
        torch.testing.assert_close(tiny_skipnet_program(image), model(image), rtol=1e-5, atol=1e-5)
        expected = tuple(index in ran for index in range(5))
        assert tuple(conditions(tiny_skipnet_program)) == expected
        paths.add(expected)
    # Of the 32 combinations, these images take most; the rest none of thousands does.
    assert len(paths) >= 25
    for gate in range(5):
        assert {path[gate] for path in paths} == {False, True}


@pytest.mark.parametrize(("name", "count"), IMAGE_NETWORKS.items(), ids=IMAGE_NETWORKS)
def test_image_network_goes_eagers_way_on_every_path(name, count):
    factory = getattr(dycl.zoo, name)
    model, args = factory(tiny=True)
    program = dycl.compile(model, args)
    report = dycl.verify(program, model, list(factory.inputs(count, seed=5, tiny=True)))
    assert report.ok, str(report)
    assert report.decisions == report.agreed
    assert all(edge.calls.natural for edge in report.edges)
    assert all(counts.natural for loop in report.loops for counts in loop.trips.values())


@pytest.mark.parametrize("name", SEQUENCE_NETWORKS)
def test_sequence_network_decides_as_eager_on_every_path(name):
    factory = getattr(dycl.zoo, name)
    model, args = factory(tiny=True)
    program = dycl.compile(model, args)
    report = dycl.verify(program, model, factory.inputs(60, seed=5, tiny=True))
    assert report.ok, str(report)
    assert report.agreed == report.decisions
    assert not report.untaken, str(report)


def test_trained_translation_is_as_accurate_as_in_eager():
    model, args = dycl.zoo.seq2seq_roman()
    program = dycl.compile(model, args)
    assert translation.accuracy(program) == translation.accuracy(model) == 1
    edges = set()
    for drawn in dycl.zoo.seq2seq_roman.inputs(100, seed=1):
        assert torch.equal(program(*drawn), model(*drawn))
        edges.update((edge.source, edge.target, edge.label) for edge in program.last_path)
    assert edges == set(program.hcfg.edges(keys=True))


def both_ways(name, count):
    """Compares a network compiled with eager: the program, for each path it took what eager did, and the edges."""
    factory = getattr(dycl.zoo, name)
    model, args = factory(tiny=True)
    program = dycl.compile(model, args)
    inputs = list(factory.inputs(count, seed=5, tiny=True))
    eager = Trace(model)
    expected = [eager(*drawn) for drawn in inputs]
    leaves = [tree_leaves(output) for output, _ in expected]
    scales = [max(magnitude(leaf) for leaf in same) for same in zip(*leaves, strict=True)]
    edges, ways = set(), {}
    for drawn, theirs, (_, way) in zip(inputs, leaves, expected, strict=True):
        for got, leaf, scale in zip(tree_leaves(program(*drawn)), theirs, scales, strict=True):
            assert type(got) is type(leaf)
            if isinstance(leaf, torch.Tensor):
                torch.testing.assert_close(got, leaf, rtol=0, atol=1e-5 * scale)
            else:
                assert got == leaf
        taken = tuple((edge.source, edge.target, edge.label, edge.count) for edge in program.last_path)
        assert ways.setdefault(taken, way) == way, "eager did something else on this path before"
        edges.update((source, target, label) for source, target, label, _ in taken)
    return program, ways, edges


def magnitude(value):
    """The largest absolute value of a tensor of floats; 0 of anything that has to be exact."""
    is_float = isinstance(value, torch.Tensor) and value.is_floating_point() and value.numel()
    return value.abs().max().item() if is_float else 0


def test_host_simplification_changes_no_result(tiny_skipnet_program):
    model, args = dycl.zoo.skipnet38_rnn(tiny=True)
    plain = dycl.compile(model, args, options=dycl.Options(simplify_host=False))
    assert len(tiny_skipnet_program.regions) <= len(plain.regions)
    for image in random_images(50, seed=4).split(1):
        torch.testing.assert_close(tiny_skipnet_program(image), plain(image), rtol=0, atol=0)
        assert conditions(tiny_skipnet_program) == conditions(plain)


def test_compiling_leaves_the_model_as_it_was():
    model, args = dycl.zoo.skipnet38_rnn(tiny=True)
    before = {key: value.clone() for key, value in model.state_dict().items()}
    dycl.compiler.api.import_model(model, args, None, dycl.Options())
    assert not model.training
    assert before.keys() == model.state_dict().keys()
    assert all(torch.equal(before[key], value) for key, value in model.state_dict().items())
