# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""A few of the mutated bundles of `make fuzz`."""

import subprocess
import sys


def test_mutated_bundles_never_crash_the_process_that_loads_them(root, gate_bundle, counter_bundle):
    """In a process without torch's threads, which forks for each mutation."""
    command = [sys.executable, root / "test/fuzz/bundles.py", gate_bundle, counter_bundle, "--count", "300"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    lines = [line.split() for line in done.stdout.splitlines()]
    refused = {line[0] for line in lines if "BundleError" in line}
    assert {"damage", "manifest", "zip", "archive", "vmfb", "code"} <= refused
    assert sum(int(line[-1]) for line in lines) == 300
