# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""IREE parameter archives (.irpa): named byte arrays that the runtime memory-maps.

An archive holds bytes; the dtype and shape of each entry are where it is used, in a region or a signature. The format
is that of iree/schemas/parameter_archive.h, version 0.0: a header, a table of entries, their names, their data.
IREE's own writer wants every array in memory at a time, and writes equal ones as often as they are named.
"""

from __future__ import annotations

import hashlib
import struct
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

Array = np.ndarray[Any, np.dtype[Any]]

_DATA_ALIGNMENT = 64
_ENTRY_ALIGNMENT = 16
_DATA_ENTRY = 2
# magic, version major, minor, header size, next header, flags, entry count; then (offset, length) of the entries, the
# names and the data.
_HEADER = struct.Struct("<4sHHQQQQ" + 3 * "QQ")
# entry size, type, flags, name (offset, length), metadata (offset, length), minimum alignment, data (offset, length).
_ENTRY = struct.Struct("<QIQQQQQQQQ")


def write_archive(path: Path, arrays: Mapping[str, Array]) -> None:
    """Write each array's bytes under its key, equal ones once; reads one array at a time."""
    names = [key.encode() for key in arrays]
    stride = _aligned(_ENTRY.size, _ENTRY_ALIGNMENT)
    entries = _aligned(_HEADER.size, _ENTRY_ALIGNMENT), stride * len(names)
    metadata = sum(entries), sum(map(len, names))
    start = _aligned(sum(metadata), _DATA_ALIGNMENT)
    table: list[bytes] = []
    with path.open("wb") as file:
        file.write(bytes(entries[0] + entries[1]) + b"".join(names))
        stored: dict[bytes, int] = {}
        name_offset = end = 0
        for name, array in zip(names, arrays.values(), strict=True):
            data = _bytes_of(array)
            offset = stored.setdefault(hashlib.sha256(data).digest(), _aligned(end, _DATA_ALIGNMENT))
            if offset >= end:
                file.seek(start + offset)
                file.write(data)
                end = offset + data.nbytes
            fields = (name_offset, len(name), 0, 0, _DATA_ALIGNMENT, offset, data.nbytes)
            table.append(_ENTRY.pack(_ENTRY.size, _DATA_ENTRY, 0, *fields).ljust(stride, b"\0"))
            name_offset += len(name)
        file.truncate(start + end)
        header = _HEADER.pack(b"IRPA", 0, 0, _HEADER.size, 0, 0, len(names), *entries, *metadata, start, end)
        file.seek(0)
        file.write(header.ljust(entries[0], b"\0") + b"".join(table))


def _aligned(offset: int, alignment: int) -> int:
    return -(-offset // alignment) * alignment


def read_archive(path: Path) -> dict[str, Array]:
    """The bytes of each entry, as `u8[n]`, memory-mapped where the runtime can."""
    from iree.runtime import ParameterIndex

    index = ParameterIndex()
    index.load(str(path))
    return {key: np.asarray(entry.file_view) for key, entry in index.items()}


def _bytes_of(array: Array) -> memoryview:
    return np.ascontiguousarray(array).reshape(-1).view(np.uint8).data
