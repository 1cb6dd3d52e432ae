# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""VMFBs of earlier compilations, by the content of what they were compiled from.

`$DYCL_CACHE` names the folder; without it, it is `dycl` in `$XDG_CACHE_HOME`, or in `~/.cache`. It may be deleted at
any time. What is in it is as trusted as dycl's own files: it is the user's.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import tempfile
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from dycl.compiler.target_facts import find_facts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dycl.compiler.targets import TargetSpec


# A location as MLIR prints it after an op: parentheses nest where functions were inlined. VMFBs hold none, and a line
# that was added above a model changes those of all its regions.
def _location_pattern(depth: int) -> str:
    nested = rf"|\({_location_pattern(depth - 1)}\)" if depth else ""
    return rf'(?:[^()"]|"[^"]*"{nested})*'


_LOCATION = re.compile(rf" loc\({_location_pattern(16)}\)")

# Of all VMFBs together; those not used for longest go first.
MAXIMUM_BYTES = 2 * 2**30


class CompilationCache:
    """A folder of VMFBs, shared by all processes of a user."""

    def __init__(self, folder: Path | None = None, maximum_bytes: int = MAXIMUM_BYTES) -> None:
        self._folder = folder or _default_folder()
        self._maximum_bytes = maximum_bytes
        self._has_grown = False

    def find(self, key: str, output: Path) -> bool:
        """Copies what is kept under `key` to `output`; whether there was any."""
        kept = self._path(key)
        try:
            vmfb = kept.read_bytes()
        except OSError:
            return False
        with suppress(OSError):
            os.utime(kept)
        output.write_bytes(vmfb)
        return True

    def keep(self, key: str, vmfb: Path) -> None:
        """Keeps a copy of `vmfb` under `key`; a folder that cannot be written keeps nothing."""
        path = self._path(key)
        with suppress(OSError):
            path.parent.mkdir(parents=True, exist_ok=True)
            # Another process may read, or keep the same, at any moment: a file is there whole, or not at all.
            with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as copy, vmfb.open("rb") as source:
                shutil.copyfileobj(source, copy)
            Path(copy.name).replace(path)
            self._has_grown = True

    def trim(self) -> None:
        """Deletes what was not used for longest, until the rest is small enough; nothing where nothing was kept."""
        if not self._has_grown:
            return
        found: list[tuple[float, int, Path]] = []
        for path in self._folder.glob("*/*"):
            with suppress(FileNotFoundError):
                facts = path.stat()
                found.append((facts.st_mtime, facts.st_size, path))
        excess = sum(size for _, size, _ in found) - self._maximum_bytes
        for _, size, path in sorted(found):
            if excess <= 0:
                return
            with suppress(OSError):
                path.unlink(missing_ok=True)
            excess -= size

    def _path(self, key: str) -> Path:
        return self._folder / key[:2] / f"{key}.vmfb"


def cache_key(module: str, flags: Sequence[str], target: TargetSpec) -> str:
    """What a VMFB depends on, as a hash: the module's text, the flags, IREE's version, and what a target stands for.

    Locations are left out. A target may be "this machine", so its CPU and features are part of the key: the folder may
    be on a shared disk.
    """
    parts = (version("iree-base-compiler"), find_facts(target).description, *flags, _LOCATION.sub("", module))
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def _default_folder() -> Path:
    if named := os.environ.get("DYCL_CACHE"):
        return Path(named)
    caches = os.environ.get("XDG_CACHE_HOME")
    return (Path(caches) if caches else Path.home() / ".cache") / "dycl"
