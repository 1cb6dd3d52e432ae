# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Progress on standard error."""

from __future__ import annotations

import sys


class Progress:
    """A line on standard error that counts what is done."""

    def __init__(self, doing: str, total: int, wanted: bool | None = None) -> None:
        """Begin to count.

        Args:
            doing: says what, as "compiling regions".
            total: how many there are.
            wanted: whether to show it; None for "on a terminal only".
        """
        self._doing = doing
        self._total = total
        self._done = 0
        self._terminal = sys.stderr.isatty()
        self._shown = self._terminal if wanted is None else wanted

    def __enter__(self) -> Progress:
        self._show("")
        return self

    def __exit__(self, *_: object) -> None:
        if self._shown and self._terminal:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)

    def advance(self, name: str) -> None:
        """One more is done, the one of this name."""
        self._done += 1
        self._show(name)

    def _show(self, name: str) -> None:
        if not self._shown:
            return
        line = f"{self._doing}: {self._done}/{self._total} {name}"
        if self._terminal:
            print(f"\r\x1b[K{line}", end="", file=sys.stderr, flush=True)
        elif name:
            print(line, file=sys.stderr, flush=True)
