# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Every example runs, and so does every command that the documents show."""

from __future__ import annotations

import re
import sys

import pytest

# What each example is called with, so that it takes seconds; every example must be here.
ARGUMENTS = {
    "demo.py": ["--network", "digits_early_exit", "--images", "120"],
    "early_exit.py": [],
    "elsewhere.py": ["--network", "sparsemax"],
}


def code_blocks(text, language):
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def test_every_example_is_run(root):
    assert {path.name for path in (root / "python" / "examples").glob("*.py")} == ARGUMENTS.keys()


@pytest.mark.parametrize("name", ARGUMENTS)
def test_example_succeeds(root, run_command, tmp_path, name):
    done = run_command(sys.executable, root / "python" / "examples" / name, *ARGUMENTS[name], cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    assert done.stdout
    assert list(tmp_path.iterdir()) == []
    if name == "demo.py":
        check_demo(done.stdout)


def check_demo(printed):
    """It reports that the compiled program agrees with eager."""
    rows = dict(re.findall(r"^(\w.*?)  +(.*)$", printed, re.MULTILINE))
    assert rows["same decisions as eager"] == "100.00%"
    assert rows["accuracy, eager"] == rows["accuracy, dycl"]
    assert sum(map(int, rows["images left at each exit"].split(" / "))) == 120


def test_readme_commands_and_code_work(root, run_command, tmp_path):
    readme = (root / "README.md").read_text()
    net, use = code_blocks(readme, "python")
    assert len([line for line in net.splitlines() if line]) < 15
    (tmp_path / "net.py").write_text(net)
    for commands in code_blocks(readme, "sh"):
        if "make " in commands:
            continue  # What `make` does, this test runs in.
        done = run_command("bash", "-euc", commands, cwd=tmp_path)
        assert (done.returncode, done.stderr) == (0, ""), commands
    host = next(block for block in code_blocks(readme, "text") if block.startswith("def main"))
    assert host in (tmp_path / "digits.dycl" / "host.py").read_text()
    done = run_command(sys.executable, "-c", use, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / "net.dycl" / "host.py").is_file()
