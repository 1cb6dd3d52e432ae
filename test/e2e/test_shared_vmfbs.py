# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Regions of the same code share a VMFB: each has its own weights, on all paths and hosts; they are loaded as one."""

from __future__ import annotations

import itertools
import json
import shlex
import subprocess
import threading

import numpy as np
import pytest
import torch
from torch import nn

import dycl
from dycl.runtime.bundle_reader import BundleProblem, parse_manifest

N_BLOCKS = 4


class Skipping(nn.Module):
    """Blocks of one shape, each with weights of its own, and left out where the input says so; a head of another."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(3)
        self.blocks = nn.ModuleList(nn.Linear(6, 6) for _ in range(N_BLOCKS))
        self.head = nn.Linear(6, 2)

    def forward(self, x, taken):
        for i, block in enumerate(self.blocks):
            if taken[i]:
                x = x + torch.tanh(block(x))
        return self.head(x)


X = torch.linspace(-1, 1, 12).reshape(2, 6)
CASES = [torch.tensor(taken) for taken in itertools.product([False, True], repeat=N_BLOCKS)]


@pytest.fixture(scope="module")
def model():
    return Skipping().eval()


def compiled(model, folder, **options):
    with torch.no_grad():
        dycl.compile(model, (X, CASES[0]), **options).save(folder)
    return folder


@pytest.fixture(scope="module")
def bundle(model, tmp_path_factory):
    return compiled(model, tmp_path_factory.mktemp("shared") / "skipping.dycl")


def agrees(program, model, cases=CASES):
    """Checks calls on all paths; gives the paths."""
    paths = set()
    for taken in cases:
        with torch.no_grad():
            torch.testing.assert_close(program(X, taken), model(X, taken))
        paths.add(tuple(program.last_path))
    return paths


def manifest_of(bundle):
    return json.loads((bundle / "manifest.json").read_text())


def blocks_of(bundle):
    """The names of the regions that share a VMFB, in order, its owner first."""
    regions = manifest_of(bundle)["program"]["regions"]
    (owner,) = {region["vmfb"] for region in regions if "vmfb" in region}
    return [region["name"] for region in regions if owner in (region["name"], region.get("vmfb"))]


def test_the_blocks_are_compiled_once(bundle, run_command):
    regions = manifest_of(bundle)["program"]["regions"]
    blocks = blocks_of(bundle)
    assert len(blocks) == N_BLOCKS
    files = {path.stem for path in bundle.glob("regions/*/*.vmfb")}
    assert files == {region["name"] for region in regions} - set(blocks[1:])
    assert manifest_of(bundle)["schema_version"] == 3
    weights = {name: region["parameters"] for region in regions if (name := region["name"]) in blocks}
    assert len(set(itertools.chain(*weights.values()))) == 2 * N_BLOCKS
    said = run_command("dycl", "inspect", bundle).stdout
    assert said.count(f"  in {blocks[0]} ") == N_BLOCKS - 1


@pytest.mark.parametrize("host", ["python", "vm"])
def test_every_path_is_eagers(bundle, model, host):
    assert len(agrees(dycl.load(bundle, host=host), model)) == len(CASES)


@pytest.mark.parametrize("options", [dycl.Options(embed_parameters=True), dycl.Options(pack_weights=False)])
def test_other_ways_of_keeping_weights(model, tmp_path, options):
    other = compiled(model, tmp_path / "other.dycl", options=options)
    assert len(blocks_of(other)) == N_BLOCKS
    assert len(agrees(dycl.load(other), model)) == len(CASES)


def test_what_shares_a_vmfb_is_loaded_together(bundle, model):
    blocks = set(blocks_of(bundle))
    program = dycl.load(bundle)
    assert not blocks & set(program.loaded_regions)
    agrees(program, model, CASES[1:2])
    assert blocks <= set(program.loaded_regions)


def test_what_shares_a_vmfb_is_dropped_together(bundle, model):
    blocks = set(blocks_of(bundle))
    program = dycl.load(bundle, memory_budget=0)
    for taken in CASES:
        agrees(program, model, [taken])
        assert not blocks & set(program.loaded_regions)  # The head is called last.
    threads = [threading.Thread(target=agrees, args=(program, model)) for _ in range(3)]
    failed = []
    threading.excepthook, hook = failed.append, threading.excepthook
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        threading.excepthook = hook
    assert not failed


def test_iree_alone_runs_it(bundle, model, run_command, tmp_path):
    command = shlex.split(run_command("dycl", "inspect", bundle, "--iree-run-module").stdout)
    modules = [part for part in command if part.startswith("--module=")]
    assert len(modules) == len(set(modules)) == len(list(bundle.rglob("*.vmfb")))
    np.save(tmp_path / "x.npy", X.numpy())
    for taken in CASES[::5]:
        np.save(tmp_path / "taken.npy", taken.numpy())
        given = [f"--input=@{tmp_path / name}.npy" for name in ("x", "taken")] + [f"--output=@{tmp_path / 'y.npy'}"]
        subprocess.run([*command, *given], check=True, capture_output=True)
        with torch.no_grad():
            torch.testing.assert_close(torch.from_numpy(np.load(tmp_path / "y.npy")), model(X, taken))


def test_a_zip_and_the_script_in_it(bundle, model, run_command, tmp_path):
    packed = tmp_path / "skipping.zip"
    assert run_command("dycl", "bundle", bundle, "--zip", "-o", packed).returncode == 0
    agrees(dycl.load(packed, trial=True), model)
    np.save(tmp_path / "x.npy", X.numpy())
    done = run_command(
        "python", packed, "--input", f"@{tmp_path / 'x.npy'}", "--input", "4xi1=0,1,1,0", "--output", tmp_path / "y.npy"
    )
    assert done.returncode == 0, done.stderr
    with torch.no_grad():
        expected = model(X, torch.tensor([False, True, True, False]))
    torch.testing.assert_close(torch.from_numpy(np.load(tmp_path / "y.npy")), expected)


_PRINT = """
#include <stdio.h>
#include "Skipping.h"
int main(void) {
  for (int i = 0; i < SKIPPING_REGION_COUNT; ++i)
    printf("%s %s %s\\n", Skipping_regions[i].name, Skipping_regions[i].function,
           Skipping_modules_create()[Skipping_regions[i].index].name);
  return Skipping_modules_size() != SKIPPING_VMFB_COUNT + 1 || SKIPPING_HOST_INDEX != SKIPPING_VMFB_COUNT;
}
"""


def test_c_sources_hold_it_once(bundle, run_command, tmp_path):
    assert run_command("dycl", "bundle", bundle, "--embed", "c", "-o", tmp_path).returncode == 0
    (tmp_path / "main.c").write_text(_PRINT)
    compile_all = ["cc", "-Wall", "-Werror", "main.c", "Skipping_modules.c", "-o", "main"]
    subprocess.run(compile_all, cwd=tmp_path, check=True)
    said = subprocess.run(["./main"], cwd=tmp_path, check=True, capture_output=True, text=True).stdout
    expected = [
        f"{region['name']} {(owner := region.get('vmfb', region['name']))}_module.{region['name']} "
        f"regions_llvm-cpu_{owner}.vmfb"
        for region in manifest_of(bundle)["program"]["regions"]
    ]
    assert said.splitlines() == expected


def test_a_profile_tells_regions_of_a_vmfb_apart(bundle, model):
    program = dycl.load(bundle)
    with program.profile() as profile:
        agrees(program, model, [torch.tensor([True, False, True, False])])
    first, _, third, _ = blocks_of(bundle)
    calls = {timing.name: timing.calls for timing in profile.regions if timing.calls}
    assert {first, third} <= calls.keys()
    assert all(count == 1 for count in calls.values())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"vmfb": 7}, "is in the VMFB of '7', which has none"),
        ({"vmfb": "nothing"}, "is in the VMFB of 'nothing', which has none"),
        ({"vmfb": "ITSELF"}, "which has none"),
        ({"module": "other"}, "shares a VMFB with {owner}, of another module"),
        ({"affinity": "elsewhere"}, "shares a VMFB with {owner}, of another affinity"),
    ],
)
def test_a_manifest_in_which_it_does_not_fit(bundle, change, message):
    manifest = manifest_of(bundle)
    owner, _, third, _ = blocks_of(bundle)
    if "affinity" in change:  # Of a program that is placed on two devices.
        home = manifest["targets"][0]
        manifest["targets"].append({**home, "folder": "elsewhere"})
        manifest["program"]["home"] = home["folder"]
        for region in manifest["program"]["regions"]:
            region["affinity"] = home["folder"]
    (region,) = (region for region in manifest["program"]["regions"] if region["name"] == third)
    region.update({key: third if value == "ITSELF" else value for key, value in change.items()})
    with pytest.raises(BundleProblem, match=message.format(owner=owner)):
        parse_manifest(json.dumps(manifest).encode(), bundle)
