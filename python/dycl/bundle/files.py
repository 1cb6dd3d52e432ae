# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Folders and files that appear whole or not at all."""

from __future__ import annotations

import ctypes
import os
import shutil
import tempfile
import zipfile
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from dycl.errors import BundleError
from dycl.runtime.bundle_reader import MANIFEST

if TYPE_CHECKING:
    from collections.abc import Generator


@contextmanager
def staged(destination: str | Path, *, is_zip: bool = False) -> Generator[Path]:
    """An empty folder (or a file to be made) that takes the place of `destination` when the block ends.

    It vanishes if the block fails. An earlier bundle there is exchanged for the new one in one step where the system
    can (Linux), so that whatever ends this process, the old or the new one is there; whoever has the old one open
    keeps it.

    Raises:
        BundleError: where `destination` cannot be written, or is something else than a bundle.
    """
    destination = Path(destination).absolute()
    _check_replaceable(destination)
    _remove_abandoned(destination)
    try:
        prefix = f".{destination.name}-{os.getpid()}-"
        work = Path(tempfile.mkdtemp(prefix=prefix, dir=destination.parent))
    except OSError as error:
        raise BundleError(f"cannot write {destination}: {error.strerror}") from error
    try:
        new = work / "new"
        if not is_zip:
            new.mkdir()
        yield new
        _swap(new, destination, work / "old")
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _check_replaceable(destination: Path) -> None:
    if destination.is_dir():
        if any(destination.iterdir()) and not (destination / MANIFEST).is_file():
            raise BundleError(f"{destination} exists and is not a bundle; choose another path or remove it")
    elif (destination.exists() or destination.is_symlink()) and not _is_zip_bundle(destination):
        raise BundleError(f"{destination} exists and is not a bundle but a file; choose another path or remove it")


def _is_zip_bundle(path: Path) -> bool:
    try:
        with zipfile.ZipFile(path) as archive:
            return MANIFEST in archive.namelist()
    except (OSError, ValueError, zipfile.BadZipFile):
        return False


def _remove_abandoned(destination: Path) -> None:
    """Remove what a process that was killed has left beside `destination`."""
    prefix = f".{destination.name}-"
    for path in destination.parent.glob(f"{prefix}*"):
        pid = path.name[len(prefix) :].partition("-")[0]
        if pid.isdecimal() and not _is_running(int(pid)):
            shutil.rmtree(path, ignore_errors=True)


def _is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


def _swap(new: Path, destination: Path, old: Path) -> None:
    """Put `new` at `destination`; what was there goes to `new` or `old`, and stays there if that fails."""
    try:
        if not destination.exists():
            new.rename(destination)
        elif not _exchange(new, destination):
            # Between the two steps nothing is at the destination.
            destination.rename(old)
            new.rename(destination)
    except OSError as error:
        if old.exists() and not destination.exists():
            old.rename(destination)
        raise BundleError(f"cannot write {destination}: {error.strerror}") from error


def _exchange(a: Path, b: Path) -> bool:
    """Give two paths each other's names in one step; False where the system cannot."""
    with suppress(AttributeError, OSError):
        renameat2 = ctypes.CDLL(None, use_errno=True).renameat2
        at_current_folder, exchange = -100, 2
        paths = os.fsencode(a), os.fsencode(b)
        return renameat2(at_current_folder, paths[0], at_current_folder, paths[1], exchange) == 0
    return False
