# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Loads mutated bundles, each in a process of its own: a BundleError or a program, never a crash.

    python test/fuzz/bundles.py BUNDLE... [--count 5000] [--seed 0]      `make fuzz` does this with bundles of its own

Half of the mutations damage a file, and must be refused. The other half have their hashes made to fit: of manifest
fields, of zip structure, of parameter archives and of VMFBs. Of these some are still valid, and load. VMFBs are mutated
in two ways: anywhere but in code (the VM's bytecode, with its tables of functions and imports, machine code, SPIR-V),
and anywhere. A VMFB with other code is another program, which no check tells from the right one, so these are loaded
with `trial=True`. A program that is placed on several devices is left out where one of them is missing.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import os
import random
import resource
import shutil
import signal
import struct
import sys
import tempfile
import warnings
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import dycl
from dycl.bundle import pack
from dycl.runtime import bundle_formats, trial
from dycl.runtime.bundle_reader import BundleReader
from dycl.runtime.program import load

Files = dict[str, bytes]
SECONDS = 60
TRIAL_SECONDS = 10
ADDRESS_SPACE = 8 << 30
NUMBERS = (0, 1, -1, 7, 255, 2**31, 2**63, 2**64 - 1, 2**70)
VALUES = (None, True, [], {}, "", "x", "../x", "\0", "a" * 5000, 1.5, *NUMBERS)


@dataclass
class Report:
    """What became of the mutations: outcomes by kind, and each that is wrong, with how to make it again."""

    outcomes: Counter[tuple[str, str]] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)


def mutated_bytes(content: bytes, rng: random.Random, allowed: list[range] | None = None) -> bytes:
    """The bytes with a bit flipped, a byte or a word replaced, cut off, or with some inserted."""
    data = bytearray(content)
    if not data:
        return b"x"
    places = rng.choice(allowed) if allowed else range(len(data))
    position = rng.choice(places)
    kind = rng.randrange(5 if allowed is None else 3)
    if kind == 0:
        data[position] ^= 1 << rng.randrange(8)
    elif kind == 1:
        data[position] = rng.choice([value for value in (0, 1, 127, 128, 255) if value != data[position]])
    elif kind == 2:
        word = struct.pack("<I", rng.choice([0, 1, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, rng.getrandbits(32)]))
        end = min(position + 4, places.stop)
        data[position:end] = word[: end - position]
    elif kind == 3:
        del data[position:]
    else:
        data[position:position] = rng.randbytes(rng.randrange(1, 64))
    return bytes(data)


# ---- what is mutated ----------------------------------------------------------------------------------------


def damage(files: Files, rng: random.Random) -> str:
    """Truncated, bit-flipped, swapped or missing files."""
    name = rng.choice(sorted(set(files) - {"manifest.json"}))
    kind = rng.choice(["missing", "swapped", "mutated", "mutated", "manifest"])
    if kind == "missing":
        del files[name]
    elif kind == "swapped":
        other = rng.choice(sorted(n for n in files if n != "manifest.json" and files[n] != files[name]))
        files[name], files[other] = files[other], files[name]
    elif kind == "mutated":
        files[name] = mutated_bytes(files[name], rng)
    else:
        files["manifest.json"] = mutated_bytes(files["manifest.json"], rng)
    return kind


def places_in(value: object) -> Iterator[tuple[dict | list, str | int]]:
    """Every place of a JSON value, as its container and the key there."""
    keys = value.keys() if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    for key in keys:
        yield value, key
        yield from places_in(value[key])


def manifest_field(files: Files, rng: random.Random) -> str:
    name = rng.choice(["manifest.json"] * 4 + ["hcfg.json"])
    document = json.loads(files[name])
    places = [place for place in places_in(document) if place[1] not in ("sha256", "size")]
    for _ in range(rng.choice([1, 1, 2])):
        container, key = rng.choice(places)
        kind = rng.randrange(3)
        try:
            if kind == 0:
                del container[key]
            elif kind == 1:
                container[key] = rng.choice(VALUES)
            else:
                other, where = rng.choice(places)
                container[key] = json.loads(json.dumps(other[where]))
        except (KeyError, IndexError):
            continue  # the first change took it away
    files[name] = json.dumps(document).encode()
    return name


def archive(files: Files, rng: random.Random) -> str:
    name = rng.choice([name for name in files if name.endswith(".irpa")])
    header = [range(min(1024, len(files[name])))] if rng.random() < 0.8 else None
    files[name] = mutated_bytes(files[name], rng, header)
    return name


def code(files: Files, rng: random.Random) -> str:
    return vmfb(files, rng, anywhere=True)


def vmfb(files: Files, rng: random.Random, anywhere: bool = False) -> str:
    name = rng.choice([name for name in files if name.endswith(".vmfb")])
    content = files[name]
    if rng.random() < 0.1:
        files[name] = rng.choice(
            [content[: rng.randrange(len(content))], content + rng.randbytes(64), rng.randbytes(999)]
        )
    else:
        files[name] = mutated_bytes(content, rng, None if anywhere else no_code(content))
    return name


def no_code(content: bytes) -> list[range]:
    """Where in a VMFB there is neither bytecode, nor the tables by which it is linked, nor code for a CPU or a GPU."""
    code = [*bytecode(content), *machine_code(content), *spirv(content)]
    free: list[range] = []
    position = 0
    for part in sorted(code, key=lambda r: r.start):
        if part.start > position:
            free.append(range(position, part.start))
        position = max(position, part.stop)
    return [*free, range(position, len(content))] if position < len(content) else free


def bytecode(content: bytes) -> Iterator[range]:
    """The VM's code: the bytes of its functions, where each begins, and which functions of the runtime it calls."""
    (length,) = struct.unpack_from("<I", content)
    buffer = memoryview(content)[4 : 4 + length]

    def number(position: int) -> int:
        return struct.unpack_from("<I", buffer, position)[0]

    def vector(position: int, size: int) -> range:
        return range(4 + position, 4 + position + 4 + size * number(position))

    root = bundle_formats._FlatTable(buffer, number(0))
    imports, descriptors, code = (root.reference(field) for field in (6, 12, 14))
    yield vector(code, 1)
    yield vector(descriptors, 20)
    yield vector(imports, 4)
    for i in range(number(imports)):
        entry = imports + 4 + 4 * i
        table = bundle_formats._FlatTable(buffer, entry + number(entry))
        yield range(4 + table._position, 4 + table._position + 16)
        signature = bundle_formats._FlatTable(buffer, table.reference(1))
        yield range(4 + signature._position, 4 + signature._position + 8)
        yield vector(table.reference(0), 1)
        yield vector(signature.reference(0), 1)


def machine_code(content: bytes) -> Iterator[range]:
    elf = content.find(b"\x7fELF")
    if elf < 0:
        return
    (phoff,), (count,) = struct.unpack_from("<Q", content, elf + 32), struct.unpack_from("<H", content, elf + 56)
    headers_end = phoff + 56 * count
    for i in range(count):
        kind, _, offset, _, _, file_size = struct.unpack_from("<IIQQQQ", content, elf + phoff + 56 * i)
        if kind == 1:
            yield range(elf + max(offset, headers_end), elf + offset + file_size)


def spirv(content: bytes) -> Iterator[range]:
    """Vectors of words that begin with SPIR-V's magic number."""
    position = content.find(_SPIRV)
    while position >= 0:
        (words,) = struct.unpack_from("<I", content, position - 4)
        yield range(position - 4, min(position + 4 * words, len(content)))
        position = content.find(_SPIRV, position + 4)


_SPIRV = struct.pack("<I", 0x07230203)

FITTING: dict[str, Callable[[Files, random.Random], str]] = {
    "manifest": manifest_field,
    "archive": archive,
    "vmfb": vmfb,
    "code": code,
}


def with_hashes(files: Files) -> None:
    """Make the manifest's hashes and sizes fit the files, where it still names them."""
    manifest = json.loads(files["manifest.json"])
    entries = manifest.get("files") if isinstance(manifest, dict) else None
    for name, content in files.items():
        if isinstance(entries, dict) and isinstance(entries.get(name), dict):
            entries[name].update(sha256=hashlib.sha256(content).hexdigest(), size=len(content))
    files["manifest.json"] = json.dumps(manifest).encode()


def zip_structure(content: bytes, rng: random.Random) -> bytes:
    """A zip with its headers mutated, or its members under other names, twice or in other order."""
    with zipfile.ZipFile(io.BytesIO(content)) as whole:
        infos = whole.infolist()
        members = [(info.filename, whole.read(info)) for info in infos]
    if rng.random() < 0.7:
        headers = [range(i.header_offset, i.header_offset + 30 + len(i.filename)) for i in infos]
        return mutated_bytes(content, rng, [*headers, range(whole.start_dir, len(content))])
    index = rng.randrange(len(members))
    kind = rng.randrange(3)
    if kind == 0:
        members[index] = (rng.choice(["../x", "/x", "a\\b", members[0][0], "x" * 60000]), members[index][1])
    elif kind == 1:
        members.append((members[index][0], b"other"))
    else:
        rng.shuffle(members)
    out = io.BytesIO()
    with (
        warnings.catch_warnings(action="ignore"),
        zipfile.ZipFile(out, "w", rng.choice([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2])) as made,
    ):
        for name, data in members:
            made.writestr(zipfile.ZipInfo(name), data, made.compression)
    return out.getvalue()


# ---- running ------------------------------------------------------------------------------------------------


def make(base: Files, base_zip: bytes, number: int, seed: int, folder: Path) -> tuple[str, Path, bool]:
    """Write mutation `number`: its kind, its path, and whether it has to be refused."""
    rng = random.Random(f"{seed}/{number}")
    path = folder / "mutated.dycl"
    shutil.rmtree(path, ignore_errors=True)
    path.unlink(missing_ok=True)
    kind = "damage" if number % 2 == 0 else rng.choice(["zip", *FITTING])
    if kind == "zip":
        path.write_bytes(zip_structure(base_zip, rng))
        return kind, path, False
    files = dict(base)
    if kind == "damage":
        if rng.random() < 0.2:
            path.write_bytes(mutated_bytes(base_zip, rng))
            return "damage of a zip", path, False  # what of it is no file's content may differ
        kind += f" ({damage(files, rng)})"
    else:
        FITTING[kind](files, rng)
        with_hashes(files)
    for name, content in files.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(content)
    # Of the manifest itself nothing but a signature keeps a hash.
    return kind, path, kind.startswith("damage") and "manifest" not in kind and files != base


def outcome(path: Path, after_trial: bool = False) -> str:
    """What a process of its own says: "program", "BundleError", another exception's text, or a signal's name."""
    sys.stdout.flush()
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(read)
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
        signal.alarm(SECONDS)
        resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_SPACE, ADDRESS_SPACE))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        try:
            load(path, loading="eager", trial=after_trial)
            said = "program"
        except dycl.BundleError:
            said = "BundleError"
        except BaseException as error:
            said = f"{type(error).__name__}: {error}"
        os.write(write, said.encode()[:1000])
        os._exit(0)
    os.close(write)
    with os.fdopen(read, "rb") as pipe:
        said = pipe.read().decode(errors="replace")
    _, status = os.waitpid(child, 0)
    return signal.Signals(os.WTERMSIG(status)).name if os.WIFSIGNALED(status) else said


def run(bundles: list[Path], count: int, seed: int, numbers: list[int] | None = None) -> Report:
    """Load `count` mutations of some bundles, in turn."""
    report = Report()
    trial.SECONDS = TRIAL_SECONDS
    with tempfile.TemporaryDirectory() as work:
        folder = Path(work)
        bases: list[tuple[Files, bytes]] = []
        for bundle in bundles:
            reader = BundleReader(bundle)
            if outcome(bundle) != "program":
                if "home" not in reader.manifest["program"]:
                    raise SystemExit(f"{bundle} cannot be loaded")
                print(f"{bundle} is left out: a device of it is missing")
                continue
            files = {name: reader.read(name) for name in reader.manifest["files"]}
            pack(reader, folder / "base.zip", as_zip=True)
            bases.append(({**files, "manifest.json": reader.manifest_bytes}, (folder / "base.zip").read_bytes()))
        for number in numbers if numbers is not None else range(count):
            base = bases[number // 2 % len(bases)]
            kind, path, must_fail = make(*base, number, seed, folder)
            said = outcome(path, after_trial=kind == "code")
            known = said if said in ("program", "BundleError") else "wrong"
            report.outcomes[kind, known] += 1
            if known == "wrong" or (must_fail and said == "program"):
                report.wrong.append(f"mutation {number} of seed {seed} ({kind}): {said}")
    return report


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bundles", type=Path, nargs="+")
    parser.add_argument("--count", type=int, default=5000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", type=int, action="append", help="only this mutation")
    given = parser.parse_args()
    report = run(given.bundles, given.count, given.seed, given.only)
    for (kind, said), times in sorted(report.outcomes.items()):
        print(f"{kind:24} {said:12} {times:6}")
    for line in report.wrong[:50]:
        print(line)
    sys.exit(1 if report.wrong else 0)


if __name__ == "__main__":
    main()
