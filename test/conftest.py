# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""What all Python tests share."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

RunCommand = Callable[..., "subprocess.CompletedProcess[str]"]


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
