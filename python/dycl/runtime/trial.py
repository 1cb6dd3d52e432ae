# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""A trial: all of a bundle is loaded in a process of its own, before this one loads it.

IREE's runtime believes the code that it loads: a VMFB whose bytecode or machine code was changed, with fitting hashes,
may crash the process, keep it busy for ever or ask for all memory. A trial finds this out, and says at which file. It
is no sandbox: the code runs with the user's rights, there as here, and only a signature protects from malice.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from dycl.bundle import read_bundle
from dycl.errors import BundleError, DyclError
from dycl.runtime import host_runtime

if TYPE_CHECKING:
    from dycl.bundle import Bundle

SECONDS = 120
# What the loading of a bundle may take beyond the device's own: this, and as often the bundle's size, since weights are
# mapped, and some are copied.
_EXTRA_BYTES = 1 << 30
_TIMES_ITS_SIZE = 4

# What the process writes, a line each: that it has begun, the file that it loads next, and how it ended.
_BEGUN, _LOADING, _LOADED, _REFUSED = "begun", "loading ", "loaded", "refused "


def try_to_load(path: Path, device: str | None, host: str) -> None:
    """Load a bundle's files, all that `device` and `host` need, in another process, and forget them.

    That process has `SECONDS`, and on Linux an address space of a GiB and four times the bundle's size beside what it
    had when its devices were open (drivers reserve much).

    Raises:
        BundleError: where loading crashes, does not end, or is refused; it says at which file.
        DyclError: where no such process can be started.
    """
    command = [sys.executable, "-P", "-m", __name__, str(path), host, *([device] if device else [])]
    # It has to find dycl where this process did.
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, errors="replace", env=environment, timeout=SECONDS, check=False
        )
    except OSError as error:
        raise DyclError(f"cannot start Python for the trial of {path}: {error}") from error
    except subprocess.TimeoutExpired as error:
        lines = (error.stdout or b"").decode(errors="replace").splitlines()
        raise BundleError(f"{path} is refused: loading {_last_file(lines)} did not end in {SECONDS} s") from error
    lines = done.stdout.splitlines()
    if not lines or lines[0] != _BEGUN:
        raise DyclError(f"the trial of {path} did not begin: {done.stderr.strip() or _ending(done.returncode)}")
    if lines[-1] == _LOADED:
        return
    if lines[-1].startswith(_REFUSED):
        raise BundleError(lines[-1].removeprefix(_REFUSED))
    raise BundleError(
        f"{path} is refused: loading {_last_file(lines)} ended the process that tried it ({_ending(done.returncode)})"
    )


def _last_file(lines: list[str]) -> str:
    loading = [line.removeprefix(_LOADING) for line in lines if line.startswith(_LOADING)]
    return loading[-1] if loading else "it"


def _ending(code: int) -> str:
    return signal.Signals(-code).name if code < 0 else f"exit code {code}"


# ---- in the process of its own ------------------------------------------------------------------------------


class _Reporter:
    """Says what is loaded next, on what was standard output: the bundle's Python may print to that."""

    def __init__(self) -> None:
        self._lines = os.fdopen(os.dup(1), "w", buffering=1)
        os.dup2(2, 1)

    def __call__(self, line: str) -> None:
        print(" ".join(line.splitlines()), file=self._lines)


def _load(path: str, host: str, device: str | None, report: _Reporter) -> None:
    from dycl.runtime.program import Program

    bundle = read_bundle(path)
    reader, vmfb = bundle.reader, bundle.reader.vmfb
    limited = False

    def noted(name: str) -> object:
        nonlocal limited
        if not limited:  # The first file is loaded when all devices are open.
            limited = True
            _limit_memory(bundle)
        report(_LOADING + name)
        return vmfb(name)

    reader.vmfb = noted
    # By itself, each region: a crash in a context that links all of them could be any one's.
    host_runtime.Session(reader, device, loading="eager")
    report(f"{_LOADING}{'the host' if host == 'vm' else 'host.py'}")
    Program(bundle, device=device, host=host).prepare()


def _limit_memory(bundle: Bundle) -> None:
    """Limit what this process may take from here on; only Linux can."""
    if sys.platform != "linux":
        return
    import resource

    pages = int(Path("/proc/self/statm").read_text().split()[0])
    size = sum(entry["size"] for entry in bundle.manifest["files"].values())
    limit = pages * resource.getpagesize() + _EXTRA_BYTES + _TIMES_ITS_SIZE * size
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (limit if hard == resource.RLIM_INFINITY else min(limit, hard), hard))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _main(path: str, host: str, device: str | None = None) -> None:
    report = _Reporter()
    report(_BEGUN)
    try:
        _load(path, host, device, report)
    except (BundleError, host_runtime.BundleProblem) as problem:
        report(_REFUSED + str(problem))
    except Exception as error:
        report(f"{_REFUSED}{path} cannot be loaded: {error!r}")
    else:
        report(_LOADED)
    # No destructors: what they would run is not needed, and what was loaded may have damaged memory.
    os._exit(0)


if __name__ == "__main__":
    _main(*sys.argv[1:])
