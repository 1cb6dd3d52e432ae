# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The zoo's networks by themselves, in eager PyTorch: sizes, seeds, both sides of conditions, accuracy."""

from __future__ import annotations

import re
from collections import Counter

import pytest
import torch
from torch.utils._pytree import tree_leaves

import dycl.zoo
from dycl.zoo import catalog, decoder, digits, encoders, translation
from dycl.zoo.images import random_images

# What the layer tables give: 2.99 million is published for MSDNet, 3.26 million for RANet. SDN's are known networks (of
# 3.22, 23.5, 0.86, 15.3 and 7.4 million) with their internal classifiers.
PARAMETERS = {
    "blockdrop32": 539_769,
    "blockdrop110": 1_806_112,
    "branchynet_lenet": 74_694,
    "convnet_aig": 1_766_630,
    "msdnet": 2_986_690,
    "ranet": 3_261_830,
    "sdn_mobilenet": 3_483_521,
    "sdn_resnet50": 24_381_068,
    "sdn_resnet56": 891_676,
    "sdn_vgg16": 15_468_684,
    "sdn_vgg19": 20_852_620,
    "sdn_wideresnet": 7_547_500,
    "skipnet38_dense": 1_074_684,
    "skipnet38_rnn": 571_263,
    "skipnet74_rnn": 1_161_459,
    "skipnet110_rnn": 1_751_655,
}


def blocks_run(model, image):
    """Which of a SkipNet's gated blocks ran."""
    ran = []
    handles = [
        block.register_forward_hook(lambda *_, index=index: ran.append(index))
        for index, block in enumerate(model.blocks[1:])
    ]
    model(image)
    for handle in handles:
        handle.remove()
    return ran


def tiny(name):
    return getattr(dycl.zoo, name).small


def leaves(value):
    return [leaf for leaf in tree_leaves(value) if isinstance(leaf, torch.Tensor)]


def test_each_network_of_the_catalog_is_offered():
    assert sorted(dycl.zoo.__all__) == sorted(catalog.entries())
    # Once it is imported, a file of that name would stand in the factory's place.
    assert not catalog.entries().keys() & {entry.module for entry in catalog.entries().values()}


@pytest.mark.parametrize("name", dycl.zoo.__all__)
def test_factory_gives_a_deterministic_model_in_evaluation_mode_and_its_arguments(name):
    model, args = getattr(dycl.zoo, name)(**tiny(name))
    assert not any(module.training for module in model.modules())
    with torch.no_grad():
        torch.testing.assert_close(model(*args), model(*args), rtol=0, atol=0)


@pytest.mark.parametrize("name", dycl.zoo.__all__)
def test_inputs_are_like_the_example_and_depend_on_the_seed_only(name):
    factory = getattr(dycl.zoo, name)
    _, args = factory(**tiny(name))
    first, again, other = (list(factory.inputs(3, seed=seed, **tiny(name))) for seed in (1, 1, 2))
    assert len(first) == 3
    for drawn in first:
        assert [(leaf.dtype, leaf.ndim) for leaf in leaves(drawn)] == [(leaf.dtype, leaf.ndim) for leaf in leaves(args)]
    torch.testing.assert_close(first, again, rtol=0, atol=0)
    assert any(a.shape != b.shape or not torch.equal(a, b) for a, b in zip(leaves(first), leaves(other), strict=True))


@pytest.mark.parametrize("entry", catalog.entries().values(), ids=lambda entry: entry.name)
def test_a_factory_says_what_it_is_and_on_what_it_decides(entry):
    assert entry.family
    assert entry.summary
    assert re.search("`(if|while|for|raise|torch.where)", entry.description), "the exact condition, in code quotes"
    assert "Returns:" in entry.description


def test_unknown_network_is_named_with_what_there_is():
    with pytest.raises(AttributeError, match=r"has no 'resnet'; it has .*digits_early_exit"):
        dycl.zoo.resnet  # noqa: B018


def test_skipnet38_has_the_layers_of_the_paper():
    model, (image,) = dycl.zoo.skipnet38_rnn()
    assert image.shape == (1, 3, 32, 32)
    assert [block.conv1.out_channels for block in model.blocks] == [16] * 6 + [32] * 6 + [64] * 6
    assert len(model.gates) == 17
    convolutions = [m for m in model.modules() if isinstance(m, torch.nn.Conv2d) and m.kernel_size == (3, 3)]
    assert len(convolutions) + 1 == 38  # and the classifier


@pytest.mark.parametrize(("tiny", "seed", "n_gates"), [(False, 0, 17), (True, 0, 5), (True, 7, 5)])
def test_every_gate_of_a_skipnet_takes_both_sides(tiny, seed, n_gates):
    model, _ = dycl.zoo.skipnet38_rnn(tiny=tiny, seed=seed)
    drawn = random_images(60, seed=seed + 1000).split(1)
    runs = [blocks_run(model, image) for image in drawn]
    counts = [sum(index in ran for ran in runs) for index in range(n_gates)]
    assert all(10 <= count <= 50 for count in counts), counts


@pytest.mark.parametrize(
    ("name", "inputs"),
    [("msdnet", [160, 208, 140, 188, 236, 152, 200]), ("ranet", [160, 256, 140, 188, 93, 117, 180, 204])],
)
def test_classifiers_see_the_published_channels(name, inputs, monkeypatch):
    monkeypatch.setattr(f"dycl.zoo.{catalog.entries()[name].module}.calibrate", lambda *_: None)
    model, _ = getattr(dycl.zoo, name)()
    assert [classifier.layers[0][0].in_channels for classifier in model.classifiers] == inputs


def test_encoders_are_the_published_ones():
    sizes = [sum(p.numel() for p in encoder.parameters()) for encoder in (encoders.googlenet(), encoders.resnext())]
    # GoogLeNet's 5.97 million weights, and its batch norms; ResNeXt-50's 25.03 million without the last layer.
    assert sizes == [5_966_272 + 2 * 7280, 25_028_904 - 2_049_000]


@pytest.mark.parametrize("name", ["caption_googlenet", "caption_resnext"])
def test_captions_have_no_word_one_many_and_the_limit(name):
    factory = getattr(dycl.zoo, name)
    model, _ = factory(tiny=True)
    with torch.no_grad():
        captions = [model(*args) for args in factory.inputs(100, seed=5, tiny=True)]
    assert {0, 1, 2, model.limit} <= {number for _, number in captions}
    assert all(len(words) == number + 1 for words, number in captions)
    assert len({tuple(words.tolist()) for words, _ in captions}) > 10


# What of a network that skips some blocks runs where a block does.
SKIPPED = {
    "blockdrop32": lambda model: model.blocks,
    "blockdrop110": lambda model: model.blocks,
    "convnet_aig": lambda model: [block.residual for block in model.blocks],
    "skipnet38_dense": lambda model: model.blocks[1:],
    "skipnet74_rnn": lambda model: model.blocks[1:],
    "skipnet110_rnn": lambda model: model.blocks[1:],
}


@pytest.mark.parametrize(("name", "skipped"), SKIPPED.items(), ids=SKIPPED)
def test_every_block_that_may_be_skipped_runs_for_about_half_of_the_images(name, skipped):
    factory = getattr(dycl.zoo, name)
    model, _ = factory(tiny=True)
    runs = [0] * len(skipped(model))

    def count(index):
        runs[index] += 1

    for index, block in enumerate(skipped(model)):
        block.register_forward_hook(lambda *_, index=index: count(index))
    with torch.no_grad():
        for args in factory.inputs(100, seed=5, tiny=True):
            model(*args)
    assert all(20 <= n <= 80 for n in runs), runs


def test_skipnet_is_a_function_of_its_seed():
    torch.manual_seed(1)
    before = torch.random.get_rng_state()
    first, (image,) = dycl.zoo.skipnet38_rnn(tiny=True)
    assert torch.equal(torch.random.get_rng_state(), before)
    torch.manual_seed(2)
    second, _ = dycl.zoo.skipnet38_rnn(tiny=True)
    other, _ = dycl.zoo.skipnet38_rnn(tiny=True, seed=1)
    assert torch.equal(first(image), second(image))
    assert not torch.equal(first(image), other(image))


@pytest.mark.parametrize(("name", "parameters"), PARAMETERS.items(), ids=PARAMETERS)
def test_full_size_is_the_published_one(name, parameters, monkeypatch):
    monkeypatch.setattr(f"dycl.zoo.{catalog.entries()[name].module}.calibrate", lambda *_: None)
    model, _ = getattr(dycl.zoo, name)()
    assert sum(p.numel() for p in model.parameters()) == parameters


@pytest.mark.parametrize("name", [name for name in dycl.zoo.__all__ if name.startswith("sdn_")])
def test_each_classifier_of_a_shallow_deep_network_answers_early_and_late(name):
    factory = getattr(dycl.zoo, name)
    model, _ = factory(tiny=True)
    with torch.no_grad():
        answers = [model(*args)[1:] for args in factory.inputs(300, seed=5, tiny=True)]
    counts = Counter(answers)
    n = len(model.classifiers)
    assert set(counts) == {(i, early) for i in range(n) for early in (True, False)} | {(n, False)}
    assert all(counts[i, True] >= 300 / (n + 2) / 3 for i in range(n))


def test_digits_are_split_as_stated():
    held_out = digits.load_digits()
    assert held_out.train_images.shape == (1347, 1, 8, 8)
    assert held_out.test_images.shape == (450, 1, 8, 8)
    assert (held_out.test_images.min(), held_out.test_images.max()) == (0, 1)


def test_stored_digits_network_is_as_accurate_as_stated():
    model, _ = digits.digits_early_exit()
    assert digits.accuracy(model) == pytest.approx(0.9822, abs=0.0025)


def test_each_exit_of_the_digits_network_is_taken():
    model, _ = digits.digits_early_exit()
    images = digits.load_digits().test_images
    with torch.inference_mode():
        first, second, _ = (logits.softmax(1).amax(1) >= model.threshold for logits in model.all_exits(images))
    left = [first.sum().item(), (~first & second).sum().item(), (~first & ~second).sum().item()]
    assert left == [394, 36, 20]


def test_training_reproduces_the_accuracy():
    model = digits.train()
    assert digits.accuracy(model) >= 0.97


def test_speculative_decoding_writes_what_greedy_decoding_writes():
    model, _ = dycl.zoo.speculative(tiny=True)
    checks = set()
    with torch.no_grad():
        for prompt in dycl.zoo.speculative.inputs(60, seed=5, tiny=True):
            written, count = model(*prompt)
            assert torch.equal(written, decoder.Decoder.forward(model, *prompt))
            checks.add((written.shape[1], count))
    # From no check at all to one a word, and several words accepted at once.
    assert {(1, 0), (2, 1), (4, 3), (5, 2), (5, 4)} <= checks


@pytest.mark.parametrize("name", ["decoder_kv", "seq2seq_gru"])
def test_what_is_written_ends_early_late_and_at_the_limit(name):
    factory = getattr(dycl.zoo, name)
    model, _ = factory(tiny=True)
    with torch.no_grad():
        lengths = [model(*drawn).numel() for drawn in factory.inputs(60, seed=5, tiny=True)]
    assert {1, 2, max(lengths)} <= set(lengths)
    assert lengths.count(1) >= 5
    assert lengths.count(max(lengths)) >= 5


def test_numerals_are_as_the_romans_wrote_them():
    assert [translation.roman(n) for n in (4, 9, 14, 1994, 3888)] == ["IV", "IX", "XIV", "MCMXCIV", "MMMDCCCLXXXVIII"]
    numerals = translation.load_numerals()
    assert len(numerals.train_sources) == 3199
    assert len(numerals.test_sources) == 800
    assert (numerals.test_sources[:, -1] == translation.EOS).all()


def test_stored_translation_of_numerals_is_as_accurate_as_stated():
    model, _ = translation.seq2seq_roman()
    assert translation.accuracy(model) == 1


def test_training_on_numerals_reproduces_the_accuracy():
    # The stored one is of more epochs, which takes a minute.
    assert translation.accuracy(translation.train(epochs=25)) >= 0.99
