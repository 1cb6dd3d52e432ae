# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""What all Python tests share."""

from __future__ import annotations

import fcntl
import gc
import json
import os
import shutil
import signal
import subprocess
import sys
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NoReturn

import pytest

ROOT = Path(__file__).parent.parent
# As many processes as cores run tests, so each has one: more threads would wait for each other, actively. Set before
# torch is imported.
os.environ["OMP_NUM_THREADS"] = "1"
# A clean clone compiles everything; a test that is run again, only what changed. Tests' own processes inherit it.
os.environ["DYCL_CACHE"] = str(ROOT / "build" / "cache")

# A shell has what it runs in the background (`make test &` in a script) ignore interrupts, and tests send some.
signal.signal(signal.SIGINT, signal.default_int_handler)

RunCommand = Callable[..., "subprocess.CompletedProcess[str]"]
Once = Callable[[str, Callable[[], Any]], Any]


@pytest.fixture(autouse=True)
def checked_distributions() -> None:
    """A library that another test imports may have switched the checks of `torch.distributions` off."""
    distributions = sys.modules.get("torch.distributions")
    if distributions is not None:
        distributions.Distribution.set_default_validate_args(__debug__)


@pytest.fixture
def no_collector() -> Iterator[None]:
    """Python's collector of cycles does not run: what no reference holds is gone, or never goes."""
    gc.disable()
    yield
    gc.enable()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--whole", action="store_true", help="all cases, where by default some of many are tested")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Of many cases that take long, some; tests that open a Vulkan device come last.

    `@pytest.mark.sampled(every=5)` has one in five tested, the same ones on each run, unless `--whole`, `-k` or the
    name of a test asks for others.

    While IREE has one of lavapipe's open, two threads of it wait by polling, and IREE keeps it for the whole process:
    every test after it would have less than half of a core. Of these tests, those that run commands come first, so that
    nothing polls while they wait for processes of their own.
    """

    def rank(item: pytest.Item) -> tuple[bool, bool]:
        fixtures = getattr(item, "fixturenames", ())
        on_vulkan = "vulkan" in item.nodeid or "vulkan" in fixtures
        return on_vulkan, on_vulkan and "run_command" not in fixtures

    items.sort(key=rank)
    if config.option.whole or config.option.keyword or any("::" in argument for argument in config.args):
        return
    left_out = [item for item in items if not _is_in_sample(item)]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if _is_in_sample(item)]


def _is_in_sample(item: pytest.Item) -> bool:
    marker = item.get_closest_marker("sampled")
    return marker is None or zlib.crc32(item.name.encode()) % marker.kwargs["every"] == 0


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


@pytest.fixture(scope="session")
def once(tmp_path_factory: pytest.TempPathFactory) -> Once:
    """Make a value of JSON, under a name of its own, once for all processes that run tests: the others wait for it.

    pytest-xdist gives a file's tests to several processes, and Vulkan's come last: a fixture would make it twice.
    """
    folder = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        folder = folder.parent

    def make_once(name: str, make: Callable[[], Any]) -> Any:
        made = folder / f"{name}.json"
        with (folder / f"{name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not made.exists():
                made.write_text(json.dumps(make()))
        return json.loads(made.read_text())

    return make_once


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
