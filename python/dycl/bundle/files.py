# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Folders that appear whole or not at all."""

from __future__ import annotations

import shutil
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from dycl.errors import BundleError

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable

MANIFEST = "manifest.json"


@contextmanager
def staged(destination: str | Path) -> Generator[Path]:
    """An empty folder that takes the place of `destination` when the block ends, and vanishes if it fails.

    An earlier bundle there is replaced by a rename; whoever has it open keeps the old one.

    Raises:
        BundleError: where `destination` cannot be written, or is something else than a bundle.
    """
    destination = Path(destination).absolute()
    _check_replaceable(destination)
    try:
        work = Path(tempfile.mkdtemp(prefix=f".{destination.name}-", dir=destination.parent))
    except OSError as error:
        raise BundleError(f"cannot write {destination}: {error.strerror}") from error
    try:
        new = work / "new"
        new.mkdir()
        yield new
        _swap(new, destination, work / "old")
    finally:
        shutil.rmtree(work, ignore_errors=True)


def copy_bundle(source: Path, names: Iterable[str], destination: str | Path) -> None:
    """Copy the files `names` of a bundle, and nothing else in its folder, atomically; see `staged`."""
    with staged(destination) as folder:
        for name in names:
            target = folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source / name, target)


def _check_replaceable(destination: Path) -> None:
    if destination.is_dir():
        if any(destination.iterdir()) and not (destination / MANIFEST).is_file():
            raise BundleError(f"{destination} exists and is not a bundle; choose another path or remove it")
    elif destination.exists() or destination.is_symlink():
        raise BundleError(f"{destination} exists and is not a bundle but a file; choose another path or remove it")


def _swap(new: Path, destination: Path, old: Path) -> None:
    """Put `new` at `destination`; what was there goes to `old`, and comes back if that fails."""
    try:
        if destination.exists():
            destination.rename(old)
        new.rename(destination)
    except OSError as error:
        if old.exists() and not destination.exists():
            old.rename(destination)
        raise BundleError(f"cannot write {destination}: {error.strerror}") from error
