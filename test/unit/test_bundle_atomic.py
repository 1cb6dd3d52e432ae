# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Killed at any point, a save or a compilation leaves the old bundle, or the new one."""

import random
import signal
import subprocess
import sys
import time

import handwritten
import numpy as np
import pytest
from test_bundle import files

import dycl
from dycl.bundle import read_bundle

UP = np.full((2, 3), 1.0, np.float32)

_SAVING = """
import sys
import dycl
programs = [dycl.load(path) for path in sys.argv[2:4]]
print("saving", flush=True)
while True:
    for program in programs:
        program.save(sys.argv[1], zip=sys.argv[4] == "zip")
"""


@pytest.mark.parametrize("form", ["folder", "zip"])
def test_a_save_that_is_killed(gate_bundle, counter_bundle, tmp_path, form):
    """Two bundles take turns at one place, as fast as they can, until the process is killed."""
    destination = tmp_path / "saved.dycl"
    dycl.load(gate_bundle).save(destination, zip=form == "zip")
    rng = random.Random(0)
    for _ in range(6):
        command = [sys.executable, "-c", _SAVING, destination, gate_bundle, counter_bundle, form]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
            assert child.stdout.readline() == "saving\n"
            time.sleep(rng.uniform(0.1, 0.4))
            child.send_signal(signal.SIGKILL)
        assert child.returncode == -signal.SIGKILL
        assert read_bundle(destination).signature.name in ("gate", "counter")
    dycl.load(gate_bundle).save(destination, zip=form == "zip")
    assert [path.name for path in tmp_path.iterdir()] == ["saved.dycl"]  # what the killed ones left is gone


_COMPILING = """
import sys
import handwritten
handwritten.write(*handwritten.counter_program(), sys.argv[1])
"""


def test_a_compilation_that_is_killed(tmp_path, root):
    destination = handwritten.write(*handwritten.gate_program(), tmp_path / "net.dycl")
    before = files(destination)
    command = [sys.executable, "-c", _COMPILING, destination]
    with subprocess.Popen(command, cwd=root / "test/unit") as child:
        while child.poll() is None and not list(tmp_path.glob(".net.dycl-*/new/regions/*/*")):
            time.sleep(0.005)
        child.send_signal(signal.SIGKILL)
    assert child.returncode == -signal.SIGKILL
    assert files(destination) == before
    np.testing.assert_allclose(dycl.load(destination)(UP), handwritten.gate_reference(UP), rtol=1e-6)


def test_where_names_cannot_be_exchanged_the_old_bundle_makes_way(gate_bundle, counter_bundle, tmp_path, monkeypatch):
    monkeypatch.setattr("dycl.bundle.files._exchange", lambda a, b: False)
    destination = tmp_path / "net.dycl"
    for bundle in (gate_bundle, counter_bundle):
        dycl.load(bundle).save(destination)
        assert files(destination) == files(bundle)
    assert [path.name for path in tmp_path.iterdir()] == ["net.dycl"]
