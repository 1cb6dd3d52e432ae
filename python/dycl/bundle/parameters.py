# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""IREE parameter archives (.irpa): named byte arrays that the runtime memory-maps.

An archive holds bytes; the dtype and shape of each entry are where it is used, in a region or a signature.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

Array = np.ndarray[Any, np.dtype[Any]]


def write_archive(path: Path, arrays: Mapping[str, Array]) -> None:
    """Write each array's bytes under its key."""
    from iree.runtime import save_archive_file

    save_archive_file({key: _bytes_of(array) for key, array in arrays.items()}, path)
    path.chmod(0o644)  # IREE makes it unreadable for others, unlike every other file of a bundle.


def read_archive(path: Path) -> dict[str, Array]:
    """The bytes of each entry, as `u8[n]`, memory-mapped where the runtime can."""
    from iree.runtime import ParameterIndex

    index = ParameterIndex()
    index.load(str(path))
    return {key: np.asarray(entry.file_view) for key, entry in index.items()}


def _bytes_of(array: Array) -> Array:
    return np.ascontiguousarray(array).reshape(-1).view(np.uint8)
