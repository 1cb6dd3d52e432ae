# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""IREE's linker, for machine code without what nothing reads at run time: descriptions of sections, local symbols.

iree-compile runs `python -IS link.py IREE_LLD ARGUMENT...` where it would run iree-lld itself. That is once a region,
so this file imports little, and nothing of dycl.
"""

from __future__ import annotations

import os
import struct
import sys

_PT_LOAD = 1
_TABLE_ALIGNMENT = 8
# By the class of an ELF file. Of its header: where the program headers and those of sections are, how large one is and
# how many there are, of both, and the section of their names. Of a program header: type, offset and size in the file.
_HEADERS = {1: struct.Struct("<28xII6x5H"), 2: struct.Struct("<32xQQ6x5H")}
_PROGRAM_HEADERS = {1: struct.Struct("<II8xI"), 2: struct.Struct("<I4xQ16xQ")}
# Where the header says where the headers of sections are, in which form, and how many.
_SECTIONS = {1: ("<I", 32, 48), 2: ("<Q", 40, 60)}


def without_sections(elf: bytes) -> bytes:
    """An ELF file as far as it is loaded, and a table of sections with only the empty entry that each begins with.

    IREE's loader reads no section, but refuses a file without a table of them.

    Args:
        elf: as lld writes it with `-z nosectionheader`: without the table, but with room for it.

    Raises:
        ValueError: where it is something else.
    """
    kind = elf[4] if elf[:4] == b"\x7fELF" and elf[5] == 1 else 0
    if kind not in _HEADERS:
        raise ValueError("the linker wrote no ELF file of little endian")
    position, table, size, count, entry_size, entries, names = _HEADERS[kind].unpack_from(elf)
    if table or entries or names:
        raise ValueError("the linker wrote section headers")
    parts = [_PROGRAM_HEADERS[kind].unpack_from(elf, position + i * size) for i in range(count)]
    end = max(offset + length for part, offset, length in parts if part == _PT_LOAD)
    table = -(-end // _TABLE_ALIGNMENT) * _TABLE_ALIGNMENT
    stripped = bytearray(elf[:end].ljust(table + entry_size, b"\0"))
    form, table_at, entries_at = _SECTIONS[kind]
    struct.pack_into(form, stripped, table_at, table)
    struct.pack_into("<H", stripped, entries_at, 1)
    return bytes(stripped)


def main(arguments: list[str]) -> int:
    """Links; the exit status is the linker's."""
    linker, *rest = arguments
    child = os.posix_spawn(linker, [linker, *rest, "--strip-all", "-z", "nosectionheader"], os.environ)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if status == 0:
        with open(rest[rest.index("-o") + 1], "r+b") as file:  # noqa: PTH123, pathlib takes longer than the rest
            stripped = without_sections(file.read())
            file.seek(0)
            file.write(stripped)
            file.truncate()
    return abs(status)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
