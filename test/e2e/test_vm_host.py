# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The control flow as a VM module: the same as host.py, also with state, written inputs and exceptions."""

from __future__ import annotations

import hashlib
import json
import re
import shlex
import shutil
import subprocess
import weakref

import numpy as np
import pytest
import torch
from torch import nn

import dycl
import dycl.runtime.program


class Account(nn.Module):
    """State of two kinds, an input that is written, a loop, and an exception."""

    def __init__(self):
        super().__init__()
        self.register_buffer("total", torch.tensor([1.0, 2.0]))
        self.register_buffer("frozen", torch.tensor(False))
        self.rate = nn.Parameter(torch.tensor([0.5, 0.25]))

    def forward(self, x, n):
        x += 1
        if x.sum() < 0:
            self.frozen.fill_(True)
            raise ValueError("nothing left")
        for _ in range(int(n)):
            self.total += x * self.rate
        if self.frozen:
            return self.total * 0, x.sum().item() > 10
        return self.total - 1, x.sum().item() > 10


INPUTS = [([1.0, 2.0], 0), ([1.0, 2.0], 3), ([-5.0, 1.0], 2), ([9.0, 2.0], 1), ([0.0, 0.0], 5)]


def account_inputs(values, n):
    return torch.tensor(values), torch.tensor(n)


@pytest.fixture(scope="module")
def account(tmp_path_factory):
    folder = tmp_path_factory.mktemp("account") / "account.dycl"
    with torch.no_grad():
        dycl.compile(Account().eval(), account_inputs(*INPUTS[0])).save(folder)
    return folder


def outcome(function, inputs):
    try:
        return function(*inputs)
    except ValueError as error:
        return type(error), error.args


def test_a_program_ends_with_its_last_reference(account, no_collector):
    program = dycl.load(account, host="vm")
    program(*account_inputs(*INPUTS[1]))
    session = weakref.ref(program._loaded.session)
    del program
    assert session() is None


def test_calls_agree_with_eager_and_the_python_host(account):
    model = Account().eval()
    programs = [dycl.load(account, host=host) for host in ("python", "vm")]
    paths = set()
    for _ in range(2):
        for inputs in INPUTS:
            eager = account_inputs(*inputs)
            with torch.no_grad():
                expected = outcome(model, eager)
            for program in programs:
                mine = account_inputs(*inputs)
                got = outcome(program, mine)
                torch.testing.assert_close(mine, eager)
                if isinstance(expected[0], torch.Tensor):
                    torch.testing.assert_close(got[0], expected[0])
                    assert got[1] is expected[1]
                else:
                    assert got == expected == (ValueError, ("nothing left",))
            assert programs[0].last_path == programs[1].last_path
            paths.add(tuple(programs[1].last_path))
        for program in programs:
            program.reset_state()
        model = Account().eval()
    assert len(paths) == len(INPUTS)


def test_iree_alone_runs_a_program_in_its_initial_state(account, run_command, tmp_path):
    printed = run_command("dycl", "inspect", account, "--iree-run-module")
    assert printed.returncode == 0, printed.stderr
    command = shlex.split(printed.stdout)
    assert all(re.search(r"(^|=)/", part) for part in command if part.endswith((".vmfb", ".irpa", "-module")))
    model = Account().eval()
    x, n = account_inputs(*INPUTS[1])
    with torch.no_grad():
        total, large = model(x, n)
    # Outputs, the code of an exception, the written input, the new state: in the order of the host program.
    files = [tmp_path / f"{i}.npy" for i in range(6)]
    outputs = [f"--output=@{file}" for file in files]
    done = subprocess.run([*command, "--input=2xf32=1,2", "--input=i64=3", *outputs], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    results = [np.load(file) for file in files]
    np.testing.assert_allclose(results[0], total.numpy())
    assert bool(results[1]) == large
    assert results[2] == 0
    np.testing.assert_allclose(results[3], x.numpy())
    np.testing.assert_allclose(sorted(map(np.sum, results[4:])), sorted([model.total.sum().item(), 0]))


def test_nothing_of_the_bundle_is_executed_as_python(account, monkeypatch):
    def refuse(*_):
        raise AssertionError("a file of the bundle is executed")

    monkeypatch.setattr(dycl.runtime.program, "_execute", refuse)
    dycl.load(account, host="vm")(*account_inputs(*INPUTS[0]))
    with pytest.raises(AssertionError, match="a file of the bundle is executed"):
        dycl.load(account)


def test_a_trial_loads_the_vm_host(account, tmp_path):
    """Its module too: one that calls a region that is not there is refused, and named."""
    program = dycl.load(account, host="vm", trial=True)
    torch.testing.assert_close(program(*account_inputs(*INPUTS[1])), Account().eval()(*account_inputs(*INPUTS[1])))
    damaged = shutil.copytree(account, tmp_path / "damaged.dycl")
    manifest = json.loads((damaged / "manifest.json").read_text())
    (name,) = (name for name in manifest["files"] if name.startswith("host.") and name.endswith(".vmfb"))
    content = (damaged / name).read_bytes()
    assert b"region_0_module.region_0" in content
    content = content.replace(b"region_0_module.region_0", b"region_0_module.region_x")
    (damaged / name).write_bytes(content)
    manifest["files"][name]["sha256"] = hashlib.sha256(content).hexdigest()
    (damaged / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(dycl.BundleError, match=rf"{name} cannot be loaded .*region_x"):
        dycl.load(damaged, host="vm", trial=True)
    dycl.load(damaged, trial=True)  # host.py does not need it.


def test_command_line_runs_either_host(account, run_command):
    arguments = "--input", "2xf32=1,2", "--input", "i64=3", "--json"
    python, vm = (run_command("dycl", "run", account, *arguments, "--host", host) for host in ("python", "vm"))
    assert (python.returncode, vm.returncode) == (0, 0), python.stderr + vm.stderr
    assert json.loads(python.stdout) == json.loads(vm.stdout)


def test_a_missing_target_is_named(account, run_command):
    done = run_command("dycl", "inspect", account, "--iree-run-module", "--target", "vulkan")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.endswith("has no target 'vulkan'; it has llvm-cpu\n")
    with pytest.raises(ValueError, match="host is 'c'; expected one of python, vm"):
        dycl.load(account, host="c")
