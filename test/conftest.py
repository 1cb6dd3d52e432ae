# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""What all Python tests share."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import pytest

ROOT = Path(__file__).parent.parent
# As many processes as cores run tests, so each has one: more threads would wait for each other, actively. Set before
# torch is imported.
os.environ["OMP_NUM_THREADS"] = "1"
# A clean clone compiles everything; a test that is run again, only what changed. Tests' own processes inherit it.
os.environ["DYCL_CACHE"] = str(ROOT / "build" / "cache")

RunCommand = Callable[..., "subprocess.CompletedProcess[str]"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests that open a Vulkan device come last.

    While IREE has one of lavapipe's open, two threads of it wait by polling, and IREE keeps it for the whole process:
    every test after it would have less than half of a core.
    """
    items.sort(key=lambda item: "vulkan" in item.nodeid or "vulkan" in getattr(item, "fixturenames", ()))


@pytest.fixture(scope="session")
def root() -> Path:
    """The checkout."""
    return ROOT


@pytest.fixture(scope="session")
def run_command() -> RunCommand:
    """Run a command as a user would in a shell of the virtual environment: its text on both streams, its status."""
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}

    def run(*command: str | Path, cwd: Path | None = None, **changed: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(part) for part in command],
            cwd=cwd,
            env={**environment, **changed},
            capture_output=True,
            text=True,
            check=False,
        )

    return run


def lack(reason: str) -> NoReturn:
    """Skip a test for something that this machine lacks; in continuous integration that is a failure."""
    message = f"{reason}; see `make systems`"
    if os.environ.get("CI") == "true":
        pytest.fail(message)
    pytest.skip(message)


@pytest.fixture(scope="session")
def vulkan() -> str:
    """The HAL device of a Vulkan driver: lavapipe, where there is no GPU."""
    import iree.runtime as rt

    try:
        devices = rt.get_driver("vulkan").query_available_devices()
    except (RuntimeError, ValueError) as error:
        lack(f"no Vulkan loader: {error}")
    if not devices:
        lack("no Vulkan device")
    return "vulkan"


@pytest.fixture(scope="session")
def emulated_arm(root: Path) -> None:
    """Needs the 64-bit Arm CPU that test/benchmarks/devices.py emulates, and what runs on it."""
    if shutil.which("qemu-aarch64-static") is None or not (root / "build/systems/aarch64/.complete").is_file():
        lack("no emulator of 64-bit Arm, or no Python for it")
