# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The errors that dycl raises. Each is one clear message: what was given, what is expected, what to do."""

from __future__ import annotations

from dataclasses import dataclass


class DyclError(Exception):
    """Base of every error that dycl raises on purpose."""


class DyclWarning(UserWarning):
    """The compiled program leaves out something that eager does; names the user's file and line."""


@dataclass(frozen=True)
class SourceLocation:
    """A place in the user's program: `file:line`, the function it is in, and the column from 1 (0: unknown)."""

    file: str
    line: int
    function: str = ""
    column: int = 0

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}"
        return f"{where} (in {self.function})" if self.function else where


class UnsupportedConstructError(DyclError):
    """The program uses something that dycl does not compile.

    The message names the user's file and line, the construct, and what to write instead.

    Attributes:
        location: where in the user's source, or None where there is no source (REPL, `exec`).
        construct: what was met, e.g. "`yield` under a tensor condition".
        hint: what to write instead.
    """

    def __init__(self, construct: str, *, hint: str, location: SourceLocation | None = None) -> None:
        self.construct = construct
        self.hint = hint
        self.location = location
        where = f"{location}: " if location else ""
        # Not `super()`: of an error that is torch's too, the next constructor drops the text.
        Exception.__init__(self, f"{where}{construct}; {hint}")


class CompileError(DyclError):
    """A compiler below dycl failed.

    Attributes:
        diagnostics: what the compiler printed.
        command: the shell command that reproduces the failure, or "".
    """

    def __init__(self, message: str, *, diagnostics: str = "", command: str = "") -> None:
        self.diagnostics = diagnostics
        self.command = command
        text = message
        if diagnostics:
            text += "\n" + diagnostics.rstrip()
        if command:
            text += f"\nreproduce with: {command}"
        super().__init__(text)


class BundleError(DyclError):
    """A bundle is not one, is damaged, or was made for something else."""


class SizeMismatchError(DyclError, RuntimeError):
    """Sizes that depend on tensor values do not agree, where eager raises a `RuntimeError` as well.

    Its message names the user's line, but not the sizes.
    """


class InputError(DyclError):
    """The inputs of a call differ from what the program was compiled for (count, dtype, shape, constant)."""
