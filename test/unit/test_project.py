# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The project's own rules: licence headers, collected tests, documented targets, light imports."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib

import pytest

HEADER = "SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception"
SOURCES = {".py", ".cpp", ".h", ".td", ".cmake"}


def tracked_files(root):
    listed = subprocess.run(["git", "ls-files"], cwd=root, capture_output=True, text=True, check=True)
    return [root / name for name in listed.stdout.splitlines() if (root / name).is_file()]


def test_every_source_file_states_its_licence(root):
    sources = [f for f in tracked_files(root) if f.suffix in SOURCES or f.name in ("CMakeLists.txt", "Makefile")]
    assert sources
    # MLIR's convention is a banner of a few lines, with the licence as its last.
    assert [f for f in sources if HEADER not in "\n".join(f.read_text().splitlines()[:10])] == []


def test_every_test_file_is_collected(root):
    collected = subprocess.run(
        [sys.executable, "-m", "pytest", "--collect-only", "-q", "-o", "addopts="],
        cwd=root,
        capture_output=True,
        text=True,
    )
    assert collected.returncode == 0, collected.stdout
    folders = [root / "test" / "unit", root / "test" / "e2e"]
    files = {f.relative_to(root).as_posix() for folder in folders for f in folder.rglob("*.py")}
    helpers = {f for f in files if not re.search(r"def test_|class Test", (root / f).read_text())}
    assert files - helpers == {line.partition("::")[0] for line in collected.stdout.splitlines() if "::" in line}


def test_make_help_names_every_target(root):
    makefile = (root / "Makefile").read_text()
    (phony,) = re.findall(r"^\.PHONY: (.*)$", makefile, re.MULTILINE)
    shown = subprocess.run(["make", "help"], cwd=root, capture_output=True, text=True, check=True).stdout
    assert re.findall(r"^  make ([\w-]+) ", shown, re.MULTILINE) == phony.split()


@pytest.mark.parametrize(
    ("variable", "expected"),
    [
        ("PYTHON", "error: no usable Python: /nowhere/tool is missing, not 3.11 to 3.13 or without venv"),
        ("CXX", "error: no C++17 compiler: /nowhere/tool cannot compile and link a C++17 program"),
    ],
)
def test_setup_says_which_prerequisite_is_missing(root, run_command, variable, expected):
    done = run_command(root / "scripts" / "find-python", **{variable: "/nowhere/tool"})
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(expected)


def test_unreleased_changes_stand_on_top(root):
    headings = re.findall(r"^## (.*)$", (root / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert headings[0] == "Unreleased"


def test_versions_are_pinned_in_pyproject_only(root):
    project = tomllib.loads((root / "pyproject.toml").read_text())
    requirements = [*project["build-system"]["requires"], *project["project"]["dependencies"]]
    requirements += [line for extra in project["project"]["optional-dependencies"].values() for line in extra]
    # A requirement is pinned exactly where its version is part of what was tested together.
    pins = dict(line.split("==") for line in requirements if "==" in line)
    assert {"iree-base-runtime", "torch-mlir", "xtc-mlir-dev"} < pins.keys()
    repeated = re.compile("|".join(rf"{re.escape(name)}\s*==" for name in pins))
    others = [
        f for f in tracked_files(root) if f.name != "pyproject.toml" and f.suffix in {"", ".txt", ".cmake", ".toml"}
    ]
    assert [f for f in others if repeated.search(f.read_text())] == []


@pytest.mark.parametrize("module", ["dycl", "dycl.cli", "dycl.zoo"])
def test_importing_is_light(module):
    heavy = "torch", "torch_mlir", "iree.compiler", "networkx", "sklearn"
    code = f"import sys, {module}; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
