# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Checks what IREE reads of a bundle, before IREE does: parameter archives, VMFBs, and the ELF files in these.

This file is the same in every bundle and imports only Python's standard library. What it lets through leads nowhere
outside of itself: offsets, lengths and counts are within the file, and no other file is named. IREE verifies a VMFB's
FlatBuffer and the form of its bytecode itself. What no check can know is whether the code, of the VM and of the
machine, does what it should: that is what the signature is for.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any


def _within(offset: int, length: int, total: int) -> bool:
    return 0 <= offset <= total and 0 <= length <= total - offset


# ---- parameter archives ------------------------------------------------------------------------------------

# iree/schemas/parameter_archive.h, version 0.0; see dycl/bundle/parameters.py.
_ARCHIVE_HEADER = struct.Struct("<4sHHQQQQ" + 3 * "QQ")
_ARCHIVE_ENTRY = struct.Struct("<QIQQQQQQQQ")


def archive_entries(data: Any) -> dict[str, tuple[int, int]]:
    """The offset and length in bytes of each entry of a parameter archive, all of them inside of it.

    An archive may refer to other files and to further archives; dycl writes none such, and none is read.

    Raises:
        ValueError: where the archive is damaged.
    """
    if len(data) < _ARCHIVE_HEADER.size:
        raise ValueError("it is no parameter archive")
    magic, major, _, header_size, following, _, count, *ranges = _ARCHIVE_HEADER.unpack_from(data)
    if magic != b"IRPA" or major != 0 or header_size < _ARCHIVE_HEADER.size or following:
        raise ValueError("it is no parameter archive that dycl wrote")
    segments = list(zip(ranges[::2], ranges[1::2], strict=True))
    if not all(_within(offset, length, len(data)) for offset, length in segments):
        raise ValueError("a part of it leads out of it")
    (position, table), (names, names_length), (storage, storage_length) = segments
    if count * _ARCHIVE_ENTRY.size > table:
        raise ValueError("its table has no place for its entries")
    end, entries = position + table, dict[str, tuple[int, int]]()
    for _ in range(count):
        if not _within(position, _ARCHIVE_ENTRY.size, end):
            raise ValueError("an entry leads out of its table")
        size, kind, _, key, key_length, _, _, _, offset, length = _ARCHIVE_ENTRY.unpack_from(data, position)
        if kind != 2 or size < _ARCHIVE_ENTRY.size:
            raise ValueError(f"it has an entry of kind {kind} and {size} bytes, which dycl does not write")
        if not _within(key, key_length, names_length) or not _within(offset, length, storage_length):
            raise ValueError("an entry leads out of it")
        try:
            text = bytes(data[names + key : names + key + key_length]).decode()
        except UnicodeDecodeError as error:
            raise ValueError(f"a name is no text: {error}") from error
        if text in entries or (storage + offset) % 64:
            raise ValueError(f"it has {text[:60]!r} twice, or not aligned")
        entries[text] = (storage + offset, length)
        position += (size + 15) // 16 * 16
    return entries


# ---- VMFBs -------------------------------------------------------------------------------------------------

# The fields of iree/schemas/bytecode_module_def.fbs that are read here, by their place in the schema.
_RODATA_SEGMENTS = 9
_EMBEDDED_DATA, _EXTERNAL_OFFSET, _EXTERNAL_LENGTH = 2, 3, 4
_SEGMENT_ALIGNMENT = 64


def check_vmfb(data: Any) -> None:
    """Check that a VMFB's parts lie inside of it, and its machine code likewise.

    Raises:
        ValueError: where they do not.
    """
    try:
        for segment in _rodata_segments(data):
            if bytes(segment[:4]) == b"\x7fELF":
                _check_elf(segment)
    except struct.error as error:
        raise ValueError(f"a part of it leads out of it ({error})") from error


def _rodata_segments(data: Any) -> Iterator[memoryview]:
    """The read-only data of a VMFB, among it the compiled code."""
    view = memoryview(data)
    (length,) = struct.unpack_from("<I", view)
    if not _within(4, length, len(view)) or bytes(view[8:12]) != b"IREE":
        raise ValueError("it is no VMFB, or not a whole one")
    flatbuffer = view[4 : 4 + length]
    rodata = -(-(4 + length) // _SEGMENT_ALIGNMENT) * _SEGMENT_ALIGNMENT
    table = _FlatTable(flatbuffer, struct.unpack_from("<I", flatbuffer)[0])
    vector = table.reference(_RODATA_SEGMENTS)
    if vector is None:
        return
    (count,) = struct.unpack_from("<I", flatbuffer, vector)
    if not _within(vector + 4, 4 * count, len(flatbuffer)):
        raise ValueError("its read-only data lead out of it")
    for i in range(count):
        position = vector + 4 + 4 * i
        segment = _FlatTable(flatbuffer, position + struct.unpack_from("<I", flatbuffer, position)[0])
        embedded = segment.reference(_EMBEDDED_DATA)
        if embedded is not None:
            (size,) = struct.unpack_from("<I", flatbuffer, embedded)
            source, start = flatbuffer, embedded + 4
        else:
            source, start = view, rodata + segment.number(_EXTERNAL_OFFSET)
            size = segment.number(_EXTERNAL_LENGTH)
        if not _within(start, size, len(source)):
            raise ValueError("its read-only data lead out of it")
        yield source[start : start + size]


class _FlatTable:
    """A table of a FlatBuffer. Reads inside of the buffer or raises `struct.error`."""

    def __init__(self, buffer: memoryview, position: int) -> None:
        self._buffer, self._position = buffer, position
        self._vtable = position - struct.unpack_from("<i", buffer, position)[0]
        if self._vtable < 0:
            raise struct.error("a table's description is before the file")
        (self._vtable_size,) = struct.unpack_from("<H", buffer, self._vtable)

    def _field(self, field: int) -> int | None:
        """Where a field is; None where the table has none."""
        slot = 4 + 2 * field
        if slot + 2 > self._vtable_size:
            return None
        (offset,) = struct.unpack_from("<H", self._buffer, self._vtable + slot)
        return self._position + offset if offset else None

    def reference(self, field: int) -> int | None:
        """Where what a field refers to is."""
        position = self._field(field)
        return None if position is None else position + struct.unpack_from("<I", self._buffer, position)[0]

    def number(self, field: int) -> int:
        """A field of 64 bits."""
        position = self._field(field)
        return 0 if position is None else struct.unpack_from("<Q", self._buffer, position)[0]


# ---- ELF files ---------------------------------------------------------------------------------------------

_PT_LOAD, _PT_DYNAMIC, _PT_GNU_RELRO = 1, 2, 0x6474E552
_DT_PLTRELSZ, _DT_HASH, _DT_STRTAB, _DT_SYMTAB, _DT_RELA, _DT_RELASZ, _DT_RELAENT = 2, 4, 5, 6, 7, 8, 9
_DT_STRSZ, _DT_SYMENT, _DT_REL, _DT_RELSZ, _DT_RELENT, _DT_JMPREL = 10, 11, 17, 18, 19, 23
_DT_INIT, _DT_FINI, _DT_INIT_ARRAY = 12, 13, 25
_MAX_ELF_MEMORY = 1 << 30


@dataclass(frozen=True)
class _ElfClass:
    """How an ELF file of 32 or of 64 bits is laid out; `phdr` says where its fields are."""

    ehdr: struct.Struct
    phdr: struct.Struct
    order: tuple[int, ...]  # type, flags, offset, vaddr, filesz, memsz, align
    shdr: struct.Struct
    dyn: struct.Struct
    symbol: struct.Struct
    symbol_value: int
    rela: struct.Struct
    rel: struct.Struct
    type_mask: int


_ELF_CLASSES = {
    1: _ElfClass(
        struct.Struct("<16sHHIIIIIHHHHHH"), struct.Struct("<8I"), (0, 6, 1, 2, 4, 5, 7), struct.Struct("<10I"),
        struct.Struct("<II"), struct.Struct("<IIIBBH"), 1, struct.Struct("<IIi"), struct.Struct("<II"), 0xFF,
    ),
    2: _ElfClass(
        struct.Struct("<16sHHIQQQIHHHHHH"), struct.Struct("<IIQQQQQQ"), (0, 1, 2, 3, 5, 6, 7),
        struct.Struct("<IIQQQQIIQQ"),
        struct.Struct("<QQ"), struct.Struct("<IBBHQQ"), 4, struct.Struct("<QQq"), struct.Struct("<QQ"), 0xFFFFFFFF,
    ),
}  # fmt: skip
# The relocations that add the image's address, by machine: 386, ARM, x86-64, AArch64, RISC-V.
_RELATIVE = {3: 8, 40: 23, 62: 8, 183: 1027, 243: 3}


@dataclass(frozen=True)
class _Segment:
    flags: int
    offset: int
    address: int
    file_size: int
    memory_size: int

    def holds(self, address: int, size: int) -> bool:
        return self.address <= address and _within(address - self.address, size, self.memory_size)


def _check_elf(data: memoryview) -> None:
    """Check an ELF file as IREE's compiler writes it and its own loader reads it."""
    kind = _ELF_CLASSES.get(data[4] if len(data) > 6 else 0)
    if kind is None or data[5] != 1:
        raise ValueError("its machine code is of an unknown kind")
    header = kind.ehdr.unpack_from(data)
    _, file_type, machine, _, _, phoff, shoff, _, size, phdr_size, count, shdr_size, sections, _ = header
    if file_type != 3 or machine not in _RELATIVE or size != kind.ehdr.size or phdr_size != kind.phdr.size:
        raise ValueError("its machine code is of an unknown kind")
    if shdr_size != kind.shdr.size or not sections or not _within(shoff, sections * shdr_size, len(data)):
        raise ValueError("the sections of its machine code lead out of it")
    if not count or not _within(phoff, count * phdr_size, len(data)):
        raise ValueError("the segments of its machine code lead out of it")
    headers = [kind.phdr.unpack_from(data, phoff + i * phdr_size) for i in range(count)]
    loaded, others = _segments([[fields[i] for i in kind.order] for fields in headers], len(data))
    dynamic = [segment for kind_, segment in others if kind_ == _PT_DYNAMIC]
    for _, segment in others:
        if not any(s.holds(segment.address, segment.memory_size) for s in loaded):
            raise ValueError("the segments of its machine code lead out of it")
    if len(dynamic) != 1:
        raise ValueError("its machine code has no table of what it holds")
    _check_sections([kind.shdr.unpack_from(data, shoff + i * shdr_size)[1:6] for i in range(sections)], loaded)
    _check_dynamic(data, kind, machine, loaded, dynamic[0])


def _check_sections(sections: list[tuple[int, ...]], loaded: list[_Segment]) -> None:
    """Check that sections and segments describe the same file: what is damaged in one shows in the other."""
    ends = dict.fromkeys(loaded, 0)
    for kind, flags, address, offset, size in sections:
        if not flags & 2 or kind == 8:  # not loaded, or not in the file
            continue
        for segment in loaded:
            if segment.address <= address and address + size <= segment.address + segment.file_size:
                # A segment's read, write and execute are 4, 2, 1; a section's write and execute 1, 4.
                access = 4 | (2 if flags & 1 else 0) | (1 if flags & 4 else 0)
                if address - segment.address == offset - segment.offset and access == segment.flags:
                    ends[segment] = max(ends[segment], address + size)
                    break
        else:
            raise ValueError("the sections of its machine code are in no segment")
    if any(end != segment.address + segment.file_size for segment, end in ends.items()):
        raise ValueError("the segments of its machine code are not what its sections are")


def _segments(headers: list[list[int]], size: int) -> tuple[list[_Segment], list[tuple[int, _Segment]]]:
    """The segments that are loaded, and those that describe parts of them."""
    loaded: list[_Segment] = []
    others: list[tuple[int, _Segment]] = []
    for kind, flags, offset, address, file_size, memory_size, alignment in headers:
        if kind not in (_PT_LOAD, _PT_DYNAMIC, _PT_GNU_RELRO):
            continue
        segment = _Segment(flags, offset, address, file_size, memory_size)
        if not _within(offset, file_size, size) or not file_size <= memory_size <= _MAX_ELF_MEMORY:
            raise ValueError("the segments of its machine code lead out of it")
        if kind != _PT_LOAD:
            others.append((kind, segment))
            continue
        # The loader protects each segment's pages by itself, so no two may share one.
        page = 4096
        previous = loaded[-1].address + loaded[-1].memory_size if loaded else 0
        if alignment & (alignment - 1) or not page <= alignment <= 1 << 16 or flags & 3 == 3 or not 0 < flags <= 7:
            raise ValueError("the segments of its machine code are not as they should be")
        if (loaded and address // page < -(-previous // page)) or address + memory_size > _MAX_ELF_MEMORY:
            raise ValueError("the segments of its machine code overlap")
        loaded.append(segment)
    return loaded, others


def _check_dynamic(data: memoryview, kind: _ElfClass, machine: int, loaded: list[_Segment], table: _Segment) -> None:
    """Check the tables by which the loader finds and relocates the code."""
    entries: dict[int, int] = {}
    for position in range(table.offset, table.offset + table.file_size - kind.dyn.size + 1, kind.dyn.size):
        tag, value = kind.dyn.unpack_from(data, position)
        if tag == 0:
            break
        if tag in entries or tag in (_DT_INIT, _DT_FINI, _DT_INIT_ARRAY, _DT_JMPREL, _DT_PLTRELSZ):
            raise ValueError("its machine code has tables that IREE does not write")
        entries[tag] = value
    else:
        raise ValueError("the table of its machine code has no end")

    def contents(tag: int, size: int) -> memoryview:
        """The bytes of the file at the address that an entry gives."""
        address = entries.get(tag, -1)
        for segment in loaded:
            if segment.address <= address and _within(address - segment.address, size, segment.file_size):
                start = segment.offset + address - segment.address
                return data[start : start + size]
        raise ValueError("a table of its machine code leads out of it")

    if entries.get(_DT_SYMENT) != kind.symbol.size:
        raise ValueError("its machine code has symbols of an unknown kind")
    names = bytes(contents(_DT_STRTAB, entries.get(_DT_STRSZ, 0)))
    _, symbols = struct.unpack("<II", contents(_DT_HASH, 8))  # as many as the hash table has chains
    code = [segment for segment in loaded if segment.flags & 1]
    for fields in kind.symbol.iter_unpack(contents(_DT_SYMTAB, kind.symbol.size * symbols)):
        name, value = fields[0], fields[kind.symbol_value]
        if name >= len(names) or b"\0" not in names[name:]:
            raise ValueError("a symbol of its machine code has no name")
        if value and not any(segment.holds(value, 1) for segment in code):
            raise ValueError("a symbol of its machine code leads out of the code")
    for tag, size_tag, entry_tag, form in (
        (_DT_RELA, _DT_RELASZ, _DT_RELAENT, kind.rela),
        (_DT_REL, _DT_RELSZ, _DT_RELENT, kind.rel),
    ):
        if tag not in entries:
            continue
        size = entries.get(size_tag, 0)
        if entries.get(entry_tag) != form.size or size % form.size:
            raise ValueError("its machine code has relocations of an unknown kind")
        for address, info, *addend in form.iter_unpack(contents(tag, size)):
            _check_relocation(loaded, address, info == _RELATIVE[machine], addend)


def _check_relocation(loaded: list[_Segment], address: int, is_relative: bool, addend: list[int]) -> None:
    """Only the image's own addresses are written, into its data."""
    if not is_relative or not any(s.flags & 2 and s.holds(address, 8) for s in loaded):
        raise ValueError("a relocation of its machine code leads out of its data")
    if addend and not any(segment.holds(addend[0], 1) for segment in loaded):
        raise ValueError("a relocation of its machine code leads out of it")
