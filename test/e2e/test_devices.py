# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The zoo on every device that is here, on both hosts: test/benchmarks/devices.py, with fewer images."""

from __future__ import annotations

import json
import sys

import pytest
import torch
from torch import nn

import dycl

# Exits, skipped blocks, and a loop that ends when predictions agree.
NETWORKS = ("digits_early_exit", "skipnet38_rnn", "pabee")
INPUTS = 6  # Calls in an emulator take seconds each.


@pytest.fixture(scope="module")
def rows(root, run_command, once):
    def compare():
        chosen = [f"--network={name}" for name in NETWORKS]
        arguments = "--tiny", "--inputs", str(INPUTS), "--json", *chosen
        done = run_command(sys.executable, root / "test" / "benchmarks" / "devices.py", *arguments)
        assert done.stdout, done.stderr
        return json.loads(done.stdout)

    return once("devices", compare)


def check(rows, device, hosts):
    mine = [row for row in rows if row["device"] == device]
    assert {(row["network"], row["host"]) for row in mine} == {
        (network, host) for network in NETWORKS for host in hosts
    }
    for row in mine:
        assert row.get("missing") is None, row
        assert row["same_decisions"] == row["inputs"] == INPUTS, row
        assert row["largest_error"] < 1e-5, row
        assert row["paths"] >= 3, row


def test_this_cpu_agrees(rows):
    check(rows, "llvm-cpu", ("python", "vm"))


def test_vulkan_agrees(vulkan, rows):
    check(rows, "vulkan", ("python", "vm"))


def test_emulated_arm_agrees(emulated_arm, rows):
    check(rows, "aarch64", ("python", "vm"))


def test_what_iree_compiles_wrongly_for_vulkan_is_refused(tmp_path):
    model = nn.Sequential(nn.Conv2d(4, 4, 3, padding=1, groups=4), nn.ReLU()).eval()
    args = (torch.ones(1, 4, 6, 6),)
    with pytest.raises(dycl.UnsupportedConstructError, match=r"depthwise convolution.*vulkan") as caught:
        dycl.compile(model, args, target=["llvm-cpu", "vulkan"])
    assert "llvm-cpu" in caught.value.hint
    with torch.no_grad():
        torch.testing.assert_close(dycl.compile(model, args)(*args), model(*args))
