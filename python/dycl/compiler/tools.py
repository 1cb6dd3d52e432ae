# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The command line tools that compile: where they are, and how a failure of one is told."""

from __future__ import annotations

import importlib.util
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from dycl.errors import CompileError

if TYPE_CHECKING:
    from collections.abc import Sequence


def find_dycl_tool(name: str) -> str:
    """The path of `dycl-opt` or `dycl-translate`: beside this Python's executable, else on PATH.

    Raises:
        CompileError: where there is none.
    """
    beside = Path(sys.executable).parent / name
    found = str(beside) if beside.is_file() else shutil.which(name)
    if found is None:
        raise CompileError(f"{name} is neither in {beside.parent} nor on PATH; install dycl with: pip install .")
    return found


def find_iree_compile() -> str:
    """The path of `iree-compile` in the installed iree-base-compiler.

    Raises:
        CompileError: where it is not installed.
    """
    try:
        package = importlib.util.find_spec("iree.compiler")
    except ModuleNotFoundError:
        package = None
    for folder in (package.submodule_search_locations or ()) if package else ():
        tool = Path(folder) / "_mlir_libs" / "iree-compile"
        if tool.is_file():
            return str(tool)
    raise CompileError("iree-compile is not installed; run: pip install 'dycl[compiler]'")


def run_filter(tool: str, flags: Sequence[str], text: str, *, doing: str) -> str:
    """What `tool` makes of `text`, from standard input to standard output.

    `doing` says for the message what is being done: "phase optimize".

    Raises:
        CompileError: when the tool fails.
    """
    try:
        done = subprocess.run([tool, *flags], input=text, capture_output=True, text=True, check=False)
    except OSError as error:
        raise CompileError(f"{doing} failed: cannot run {tool}: {error}") from error
    if done.returncode != 0:
        raise failure([tool, *flags], text, doing=doing, diagnostics=done.stderr, status=done.returncode)
    return done.stdout


def run_on_file(tool: str, flags: Sequence[str], path: Path, *, doing: str) -> str:
    """What `tool` makes of a file, whose name is in its messages and locations then.

    Raises:
        CompileError: when the tool fails.
    """
    command = [tool, *flags, str(path)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError as error:
        raise CompileError(f"{doing} failed: cannot run {tool}: {error}") from error
    if done.returncode != 0:
        reason = _reason(command, done.stderr, done.returncode)
        raise CompileError(f"{doing} failed: {reason}", diagnostics=done.stderr, command=shlex.join(command))
    return done.stdout


def _reason(command: Sequence[str], diagnostics: str, status: int) -> str:
    first = next((line for line in diagnostics.splitlines() if "error: " in line), "")
    return first or f"{Path(command[0]).name} ended with {status}"


def failure(
    command: Sequence[str], text: str, *, doing: str, diagnostics: str, status: int, takes_output: bool = False
) -> CompileError:
    """The error of a tool that failed on `text`, which is kept in a file for the command to run again.

    A tool that takes `-o` writes beside that file.
    """
    kept = Path(tempfile.mkdtemp(prefix="dycl-failed-")) / "input.mlir"
    kept.write_text(text)
    message = f"{doing} failed: {_reason(command, diagnostics, status)}\nits input is kept in {kept}"
    output = ["-o", str(kept.with_name("output"))] if takes_output else []
    return CompileError(message, diagnostics=diagnostics, command=shlex.join([*command, *output, str(kept)]))
