# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The zoo on every device that is here, on both hosts: test/benchmarks/devices.py, with fewer images."""

from __future__ import annotations

import json
import sys

import pytest


@pytest.fixture(scope="module")
def rows(root, run_command):
    arguments = "--tiny", "--images", "12", "--json"
    done = run_command(sys.executable, root / "test" / "benchmarks" / "devices.py", *arguments)
    assert done.stdout, done.stderr
    return json.loads(done.stdout)


def check(rows, device, hosts):
    mine = [row for row in rows if row["device"] == device]
    assert {(row["network"], row["host"]) for row in mine} == {
        (network, host) for network in ("digits_early_exit", "skipnet38_rnn") for host in hosts
    }
    for row in mine:
        assert row.get("missing") is None, row
        assert row["same_decisions"] == row["images"] == 12, row
        assert row["largest_difference"] < 1e-4, row
    # Every exit of the one; of the other's 32 ways some.
    assert {row["network"]: row["paths"] for row in mine}["digits_early_exit"] == 3
    assert {row["network"]: row["paths"] for row in mine}["skipnet38_rnn"] >= 4


def test_this_cpu_agrees(rows):
    check(rows, "llvm-cpu", ("python", "vm"))


def test_vulkan_agrees(vulkan, rows):
    check(rows, "vulkan", ("python", "vm"))


def test_emulated_arm_agrees(on_aarch64, rows):
    check(rows, "aarch64", ("vm",))
