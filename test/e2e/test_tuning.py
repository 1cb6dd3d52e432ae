# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""`dycl tune` measures on this machine, and what is compiled with its file gives what eager gives."""

from __future__ import annotations

import json
import os
import stat
import statistics
import sys
import tempfile
from concurrent.futures import Executor, Future
from pathlib import Path

import pytest
import torch
from torch import nn

import dycl
from dycl.bench.machine import describe
from dycl.compiler import phases
from dycl.compiler.api import import_model
from dycl.compiler.ir_inspection import find_choices
from dycl.compiler.iree import RegionJob, compile_regions
from dycl.compiler.pipeline import describe_target, partitioned_text
from dycl.compiler.target_facts import find_facts
from dycl.compiler.targets import TargetSpec
from dycl.compiler.tuning_file import Entry, Tuning, compiler_versions
from dycl.tuning import search
from dycl.tuning.executors import RunnerExecutor
from dycl.tuning.runner import Program, measure
from dycl.tuning.search import check_target

pytestmark = pytest.mark.skipif(
    find_facts(TargetSpec.parse("llvm-cpu")).vector_unit is None, reason="this CPU has no rules for tiles"
)

NET = """
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(4, 32, 3, padding=1)
        self.fc = nn.Linear(32 * 36, 64)

    def forward(self, x):
        y = torch.relu(self.conv(x))
        if y.mean() > 0.5:
            y = y * 2
        return self.fc(y.flatten(1))

def make():
    torch.manual_seed(0)
    return Net().eval(), (torch.randn(1, 4, 6, 6),)
"""
KEYS = ["conv-1x8x8x4-3x3x4x32-s1x1-d1x1", "product-1x1152x64"]


@pytest.fixture(scope="module")
def net(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tuning")
    (folder / "net.py").write_text(NET)
    return folder


def test_a_network_is_tuned_and_compiled_with_the_file(net, run_command):
    done = run_command("dycl", "tune", "net.py:make", "-o", "net.tuning.json", cwd=net)
    assert done.returncode == 0, done.stderr
    assert [line.split()[0] for line in done.stdout.splitlines()[:1]] == ["operation"]
    data = json.loads((net / "net.tuning.json").read_text())
    assert sorted(data["entries"]) == KEYS
    for entry in data["entries"].values():
        assert entry["times_us"]["rule"] > 0
        assert len(entry["times_us"]) > 2
    done = run_command("dycl", "compile", "net.py:make", "--tuning", "net.tuning.json", "-o", "net.dycl", cwd=net)
    assert done.returncode == 0, done.stderr
    namespace: dict = {}
    exec(NET, namespace)
    model, (x,) = namespace["make"]()
    program = dycl.load(net / "net.dycl")
    for scale in (0.1, 10):
        with torch.no_grad():
            torch.testing.assert_close(program(x * scale), model(x * scale), rtol=1e-5, atol=1e-5)


class Mixed(nn.Module):
    """Convolutions, one of which reads the other with a border and adds it, a linear layer, and two activations."""

    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Conv2d(8, 40, 3, padding=1), nn.Conv2d(40, 40, 3, padding=1)
        self.depthwise, self.fc = nn.Conv2d(40, 40, 3, groups=40), nn.Linear(20, 72)

    def forward(self, x, rows, keys):
        y = torch.relu(self.first(x))
        y = self.depthwise(torch.relu(self.second(y) + y))
        return y, torch.tanh(self.fc(rows)), rows[None] @ keys


# What no tile divides, so that the last is shifted back; what registers do not hold; and the smallest that there is.
@pytest.mark.parametrize(
    ("blocks", "tile", "rows", "unroll"), [(1, 6, 4, 2), (2, 5, 3, 8), (1, 1, 1, 1), (2, 7, 7, 4), (1, 4, 5, 1)]
)
def test_whatever_is_chosen_gives_what_eager_gives(tmp_path, blocks, tile, rows, unroll):
    target = TargetSpec.parse("llvm-cpu")
    unit = check_target(target)
    block = blocks * unit.bits // 32
    image = {"block": block, "tile": tile, "rows": rows}
    product = {"block": block, "rows": rows, "tile": min(tile, rows)}
    choices = {
        "conv-1x13x15x8-3x3x8x40-s1x1-d1x1": {**image, "unroll": unroll},
        "conv-1x13x15x40-3x3x40x40-s1x1-d1x1": {**image, "unroll": unroll},
        "depthwise-1x11x13x40-3x3x40-s1x1-d1x1": image,
        "product-7x20x72": product,
        "batch_product-1x7x20x72": {"block": block, "tile": min(tile, 7)},
    }
    entries = {key: Entry(choice) for key, choice in choices.items()}
    path = tmp_path / "net.tuning.json"
    Tuning(target, unit, describe(), compiler_versions(), entries).save(path)
    torch.manual_seed(0)
    model, args = Mixed().eval(), (torch.randn(1, 8, 11, 13), torch.randn(7, 20), torch.randn(1, 20, 72))
    # Without Winograd, which some vector units would take for the second convolution, with nothing to choose.
    options = dycl.Options(tuning=(str(path),), winograd=False)
    listed = phases.tile_for_cpu(
        partitioned_text(import_model(model, args, None, options), target, options),
        unit,
        Tuning.read(path).pass_options(),
        winograd=False,
        lists_choices=True,
    )
    chosen = {key: {name: numbers[0] for name, numbers in found.items()} for key, found in find_choices(listed)}
    assert chosen == choices
    program = dycl.compile(model, args, options=options)
    program.save(tmp_path / "net.dycl")
    manifest = json.loads((tmp_path / "net.dycl" / "manifest.json").read_text())
    assert not any("plain" in region for region in manifest["program"]["regions"])
    with torch.no_grad():
        for got, expected in zip(program(*args), model(*args), strict=True):
            torch.testing.assert_close(got, expected, rtol=1e-5, atol=1e-5)


def test_another_machine_measures_over_ssh(net, run_command):
    """`ssh` here is a script that, like it, gives the command to a shell."""
    folder = net / "bin"
    folder.mkdir()
    ssh = folder / "ssh"
    ssh.write_text(f'#!/bin/sh\necho "$4 $5" >> {net}/calls\nshift 4\nexec sh -c "$*"\n')
    ssh.chmod(ssh.stat().st_mode | stat.S_IXUSR)
    command = ["dycl", "tune", "net.py:make", "--on", "pi@board", "--python", sys.executable, "-o", "board.json"]
    path = os.pathsep.join((str(folder), str(Path(sys.executable).parent), os.environ["PATH"]))
    done = run_command(*command, "--budget", "1", "--json", cwd=net, PATH=path)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == json.loads((net / "board.json").read_text())
    assert set((net / "calls").read_text().splitlines()) == {f"pi@board {sys.executable}"}
    ssh.write_text("#!/bin/sh\necho 'ssh: connect to host board port 22: No route to host' >&2\nexit 255\n")
    done = run_command(*command, cwd=net, PATH=path)
    assert done.returncode == 1
    assert done.stderr.startswith("error: cannot measure with `ssh -o BatchMode=yes -- pi@board ")
    assert done.stderr.endswith("No route to host\n")


class Fake:
    """Finds the first program, which is as the rules have it, slower than all others by a factor: another one where
    the cache is emptied."""

    def __init__(self, gain, cold_gain):
        self.gain, self.cold_gain, self.measured = gain, cold_gain, 0

    def __call__(self, programs, function, inputs, weights, target, seconds, *, evicts=False):
        self.measured += 1
        return [[10.0] * 5, *([10.0 / (self.cold_gain if evicts else self.gain)] * 5 for _ in programs[1:])]


class Inline(Executor):
    """Another executor than dycl's own, which knows nothing of what it runs."""

    def submit(self, fn, /, *args, **kwargs):
        future: Future = Future()
        future.set_result(fn(*args, **kwargs))
        return future


@pytest.mark.parametrize(
    ("gain", "cold_gain", "is_kept"), [(1.5, 1.0, True), (1.5, 0.99, False), (1.01, 1.5, False), (0.5, 1.5, False)]
)
def test_what_is_hardly_faster_stays_with_the_rules(monkeypatch, gain, cold_gain, is_kept):
    fake = Fake(gain, cold_gain)
    monkeypatch.setattr(search, "measure", fake)
    torch.manual_seed(0)
    model = torch.nn.Linear(16, 32).eval()
    tuning = dycl.tune(model, (torch.randn(4, 16),), executors=[Inline(), Inline()])
    ((key, entry),) = tuning.entries.items()
    assert key == "product-4x16x32"
    assert bool(entry.choice) == is_kept
    assert fake.measured > 1
    assert tuning.machine["processor"] == describe()["processor"]


def test_devices_of_two_kinds_are_refused(monkeypatch):
    found = iter([{"processor": "One"}, {"processor": "Another"}])
    monkeypatch.setattr(search, "describe", lambda: next(found))
    with pytest.raises(dycl.DyclError, match="one device is One, another Another"):
        dycl.tune(torch.nn.Linear(16, 32), (torch.randn(4, 16),), executors=[Inline(), Inline()])


def test_no_measurement_begins_after_the_budget():
    tuning = dycl.tune(torch.nn.Linear(16, 32), (torch.randn(4, 16),), budget_s=0)
    assert tuning.entries == {}


def test_a_wrong_program_is_not_chosen():
    """One that computes something else than the first has no time; one that does not load neither."""

    target, options = TargetSpec.parse("llvm-cpu"), dycl.Options(progress=False)

    def program(tmp, value):
        text = f"""
module @operation {{
  func.func @operation(%x: tensor<8xf32>) -> tensor<8xf32> {{
    %c = arith.constant dense<{value}> : tensor<8xf32>
    %0 = arith.mulf %x, %c : tensor<8xf32>
    return %0 : tensor<8xf32>
  }}
}}"""
        job = RegionJob("operation", text, target, tmp)
        compile_regions([job], options)
        return Program(tmp.read_bytes(), ())

    with tempfile.TemporaryDirectory() as folder, RunnerExecutor() as executor:
        right, wrong = program(Path(folder) / "a.vmfb", 2.0), program(Path(folder) / "b.vmfb", 2.1)
        samples = executor.submit(
            measure,
            [right, wrong, right, Program(b"no VMFB", ())],
            "operation",
            ("8xf32",),
            {},
            describe_target(target, options),
            0.05,
        ).result()
    assert [bool(found) for found in samples] == [True, False, True, False]
    assert statistics.median(samples[0]) > 0
