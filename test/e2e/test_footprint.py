# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Weights are in a bundle once, and in memory not at all until they are read: measured in processes of their own."""

from __future__ import annotations

import json
import sys

import pytest

MB = 64


@pytest.fixture(scope="module", params=["linear", "conv"])
def figures(request, root, run_command, tmp_path_factory):
    """What test/benchmarks/footprint.py says of a network of 64 MB: compiling, loading, and its bundle."""
    return measured(root, run_command, tmp_path_factory, request.param, "--no-pack-weights", "--no-winograd")


@pytest.fixture(scope="module")
def transformed(root, run_command, tmp_path_factory):
    """The same of convolutions of 256 channels, 8x8 pixels, whose weights are transformed."""
    return measured(root, run_command, tmp_path_factory, "conv")


@pytest.fixture(scope="module")
def packed(root, run_command, tmp_path_factory):
    """The same of one whose weights IREE packs when a region is loaded."""
    return measured(root, run_command, tmp_path_factory, "linear", "--no-tile")


def measured(root, run_command, tmp_path_factory, kind, *options):
    bundle = tmp_path_factory.mktemp("footprint") / "net.dycl"
    script = [sys.executable, root / "test/benchmarks/footprint.py"]
    reports = []
    for arguments in (["--kind", kind, "--mb", MB, "--output", bundle, *options], ["--load", bundle]):
        done = run_command(*script, *arguments)
        assert done.returncode == 0, done.stderr
        reports.append(json.loads(done.stdout))
    return *reports, bundle


def test_importing_copies_no_weights_and_prints_none(figures):
    compiled, _, _ = figures
    assert compiled["weights_mb"] == pytest.approx(MB, rel=0.05)
    assert compiled["import_peak_mb"] < MB / 4
    assert compiled["compile_peak_mb"] < MB / 2  # Weights are made one at a time, as they are written.
    assert compiled["ir_kb"] < 200


def test_a_bundle_is_hardly_larger_than_its_weights(figures):
    compiled, _, bundle = figures
    regions = len(list(bundle.glob("regions/*/*.vmfb")))
    assert compiled["bundle_mb"] < compiled["weights_mb"] * 1.05 + regions * 15 / 1024


def test_transformed_weights_are_stored_instead_of_the_others(transformed):
    compiled, _, bundle = transformed
    regions = len(list(bundle.glob("regions/*/*.vmfb")))
    assert compiled["bundle_mb"] < compiled["weights_mb"] * 16 / 9 * 1.05 + regions * 15 / 1024
    # One at a time, as they are written, not all 112 MB of them. How much more there is depends on malloc.
    assert compiled["compile_peak_mb"] < 0.75 * MB


def test_an_early_exit_takes_less_memory_than_the_whole_network(figures):
    _, loaded, _ = figures
    assert loaded["first_call_regions"] < loaded["regions"]
    assert loaded["first_call_peak_mb"] < 0.65 * MB
    assert resident_of_calls(loaded) > 0.95 * MB


def test_a_memory_budget_keeps_regions_and_their_weights_out(figures, root, run_command):
    # Half of the weights; without a budget it is all of them.
    assert resident_of_calls(loaded_with_a_budget(root, run_command, figures[-1])) < 0.6 * MB


def loaded_with_a_budget(root, run_command, bundle):
    """What footprint.py says of loading and two calls, with memory for little more than one side of the network."""
    script = [sys.executable, root / "test/benchmarks/footprint.py"]
    done = run_command(*script, "--load", bundle, "--memory-budget", int(0.6 * MB))
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def resident_of_calls(loaded):
    """MB that stay after a call of each side: of weights, and not what the libraries take, which machines differ in."""
    return loaded["first_call_resident_mb"] + loaded["other_side_resident_mb"]


def test_weights_stay_mapped_from_the_file(figures):
    _, loaded, _ = figures
    for name in ("load", "first_call", "other_side"):
        assert loaded[f"{name}_heap_mb"] < MB / 4
    assert loaded["load_peak_mb"] < MB / 2


def test_packed_weights_are_copied_once_and_their_pages_handed_back(packed):
    compiled, loaded, _ = packed
    assert compiled["pack_weights"]
    assert loaded["first_call_heap_mb"] == pytest.approx(MB / 2, rel=0.1)  # Only of the region that ran.
    assert loaded["other_side_heap_mb"] == pytest.approx(MB / 2, rel=0.1)
    assert resident_of_calls(loaded) < 1.15 * MB


def test_a_memory_budget_drops_packed_weights(packed, root, run_command):
    assert resident_of_calls(loaded_with_a_budget(root, run_command, packed[-1])) < 0.6 * MB
