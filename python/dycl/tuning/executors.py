# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Executors that measure in a process of its own: on this machine, or on another one over SSH."""

from __future__ import annotations

import io
import json
import pickle
import shlex
import subprocess
import sys
import zipfile
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TypeVar

from dycl.errors import DyclError

T = TypeVar("T")

# What `dycl.tuning.runner` needs. A device has numpy and IREE's runtime, and nothing of dycl.
_SENT = (
    "dycl.errors",
    "dycl.weights",
    "dycl.bench.machine",
    "dycl.bench.timing",
    "dycl.compiler.packing",
    "dycl.runtime.host_runtime",
    "dycl.tuning.runner",
)
# Reads how long the zip of these files is, the zip, and what is left for `serve`.
_START = (
    "import importlib.machinery, io, sys, tempfile, zipfile; "
    "read = sys.stdin.buffer.read; "
    "data = read(int.from_bytes(read(8), 'big')); "
    "folder = tempfile.TemporaryDirectory(); "
    "zipfile.ZipFile(io.BytesIO(data)).extractall(folder.name); "
    "sys.path.insert(0, folder.name); "
    # Before what an editable installation of dycl there has for its imports.
    "sys.meta_path.insert(0, importlib.machinery.PathFinder); "
    "from dycl.tuning.runner import serve; "
    "serve()"
)


class RunnerExecutor(Executor):
    """Runs functions of `dycl.tuning.runner` and `dycl.bench.machine`, one at a time, each in a new Python.

    Nothing of dycl has to be installed there, and nothing is left there. What a function takes has to be picklable,
    what it gives has to be JSON.
    """

    def __init__(self, command: Sequence[str] = (sys.executable,), *, is_shell: bool = False) -> None:
        """Measure with a command.

        Args:
            command: a Python with numpy and iree-base-runtime, and what starts it.
            is_shell: the command gives its last arguments to a shell, as ssh does.
        """
        self._command = tuple(command)
        self._is_shell = is_shell
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="dycl-tune")

    @staticmethod
    def over_ssh(
        host: str, python: str = "python3", ssh: Sequence[str] = ("ssh", "-o", "BatchMode=yes")
    ) -> RunnerExecutor:
        """One that measures on another machine.

        Args:
            host: as `ssh` takes it: "user@host".
            python: a Python there, with numpy and iree-base-runtime.
            ssh: the command, with its options.
        """
        return RunnerExecutor((*ssh, "--", host, python), is_shell=True)

    def __str__(self) -> str:
        return shlex.join(self._command)

    def submit(self, fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> Future[T]:
        return self._pool.submit(self._run, fn, args, kwargs)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        self._pool.shutdown(wait=wait, cancel_futures=cancel_futures)

    def _run(self, fn: Callable[..., T], args: tuple[Any, ...], kwargs: dict[str, Any]) -> T:
        code = _sent_files()
        # Protocol 4: the other Python may be older.
        request = len(code).to_bytes(8, "big") + code + pickle.dumps((fn, args, kwargs), 4)
        command = [*self._command, "-c", shlex.quote(_START) if self._is_shell else _START]
        try:
            done = subprocess.run(command, input=request, capture_output=True, check=False)
        except OSError as error:
            raise DyclError(f"cannot measure with `{self}`: {error}") from error
        said = done.stderr.decode(errors="replace").strip().splitlines()
        if done.returncode != 0:
            reason = said[-1] if said else f"it ended with {done.returncode}"
            raise DyclError(f"cannot measure with `{self}`: {reason}")
        try:
            answer = json.loads(done.stdout)
        except ValueError as error:
            raise DyclError(f"`{self}` gave something else than measurements: {done.stdout[:80]!r}") from error
        if "error" in answer:
            raise DyclError(f"cannot measure with `{self}`: {answer['error']}")
        return answer["result"]


def _sent_files() -> bytes:
    """The files as a zip; packages are empty in it."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for package in sorted({name.rpartition(".")[0].replace(".", "/") for name in _SENT}):
            archive.writestr(f"{package}/__init__.py", "")
        for name in _SENT:
            spec = find_spec(name)
            if spec is None or spec.origin is None:
                raise DyclError(f"{name} is not in this installation of dycl")
            archive.write(Path(spec.origin), f"{name.replace('.', '/')}.py")
    return packed.getvalue()
