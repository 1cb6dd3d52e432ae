# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Reads the files of a dycl bundle, a folder or a zip, and lets nothing through that is not as its manifest says.

This file is the same in every bundle and imports only Python's standard library (and `cryptography`, where a signature
is asked for). Whatever a bundle holds, its reader raises `BundleProblem` or gives bytes that hash as the manifest says.
Hashes detect damage. Against malice only the signature helps: host.py is Python, and a VMFB for a CPU native code.
"""

from __future__ import annotations

import binascii
import hashlib
import json
import mmap
import os
import re
import stat
import struct
import zipfile
import zlib
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any

if __package__:
    from dycl.runtime.bundle_formats import archive_entries, check_vmfb
else:  # in a bundle
    from bundle_formats import archive_entries, check_vmfb  # pyright: ignore[reportMissingImports]

# 2 added programs whose regions run on several devices: "home" and "affinity" in the program.
# 3 added VMFBs of several regions: "vmfb" in those that are in another's.
SCHEMA_VERSION = 3
MANIFEST = "manifest.json"
SIGNATURE = "manifest.sig"

# No bundle of dycl's comes near these; they are checked before anything of that size is allocated.
MAX_MANIFEST_BYTES = 64 << 20
MAX_FILES = 100_000
_SIGNATURE_BYTES = 1024
_BLOCK = 1 << 20


class BundleProblem(Exception):  # noqa: N818 - stands in for dycl.BundleError, where dycl is not installed
    """The bundle is not one, is damaged, or was made for something else."""


# ---- folders and zips --------------------------------------------------------------------------------------


class BundleReader:
    """The files of a bundle.

    Attributes:
        path: the bundle's folder, or its zip.
        is_zip: whether it is a zip.
        manifest: manifest.json, of the form that `check_manifest` demands.
        manifest_bytes: the file itself.
        signature_bytes: the file manifest.sig, if there is one; it has been checked only with `require_signed`.
    """

    def __init__(self, path: str | os.PathLike[str], *, require_signed: str | bytes | None = None) -> None:
        """Open a bundle, and check its manifest; `check_files` does the rest.

        Args:
            path: the bundle.
            require_signed: the public ed25519 key with which it has to be signed: PEM, or the path of a PEM file.

        Raises:
            BundleProblem: where there is no bundle, or its manifest is damaged, too new or not signed with that key.
        """
        self.path = Path(path).absolute()
        if not self.path.exists():
            raise BundleProblem(f"{self.path} does not exist")
        self._files: _Folder | _Zip = _Folder(self.path) if self.path.is_dir() else _Zip(self.path)
        self.manifest_bytes = self._files.read(MANIFEST, MAX_MANIFEST_BYTES)
        self.signature_bytes = self._files.read(SIGNATURE, _SIGNATURE_BYTES) if self._files.has(SIGNATURE) else None
        if require_signed is not None:
            _check_signature(self.path, self.manifest_bytes, self.signature_bytes, require_signed)
        self.manifest = parse_manifest(self.manifest_bytes, self.path)
        self._archives: dict[str, tuple[Any, dict[str, tuple[int, int]]]] = {}

    def check_files(self) -> None:
        """Check each file's path, size and hash against the manifest.

        Raises:
            BundleProblem: naming the file that is missing, leads out of the bundle, or differs.
        """
        for name in self.manifest["files"]:
            self._check(name)

    def read(self, name: str) -> bytes:
        """The very bytes of a file that hash as the manifest says."""
        content = self._files.read(name, self.size(name))
        if hashlib.sha256(content).hexdigest() != self._expected(name)["sha256"]:
            raise self._differs(name)
        return content

    def copy(self, name: str, file: Any) -> None:
        """Write the contents of a file, which are checked on the way, to an open one."""
        self._check(name, file.write)

    def map(self, name: str) -> Any:
        """The contents of a file, which `check_files` has found as they should be: mapped where the bundle allows it.

        A zip's compressed files are read, as `bytes`. What is mapped must not be written while it is in use.
        """
        mapped = self._files.map(name, self.size(name))
        return self.read(name) if mapped is None or len(mapped) != self.size(name) else mapped

    def vmfb(self, name: str) -> Any:
        """A VMFB's contents, after checking their form: mapped if they can be, else `bytes`."""
        data = self.map(name)
        try:
            check_vmfb(data)
        except ValueError as error:
            raise BundleProblem(f"{self.path} is damaged: {name}: {error}") from error
        return data

    def archive(self, name: str) -> tuple[Any, dict[str, tuple[int, int]]]:
        """A parameter archive's contents, and the offset and length of each entry, after checking their form."""
        if name not in self._archives:
            data = self.map(name)
            try:
                self._archives[name] = data, archive_entries(data)
            except ValueError as error:
                raise BundleProblem(f"{self.path} is damaged: {name}: {error}") from error
        return self._archives[name]

    def release(self, name: str, offset: int, length: int) -> None:
        """Take whole pages of a mapped file out of memory; who reads them again gets them from the file."""
        mapped, start = self._files.mapping(name) or (None, 0)
        first = -(-(start + offset) // mmap.PAGESIZE) * mmap.PAGESIZE
        last = (start + offset + length) // mmap.PAGESIZE * mmap.PAGESIZE
        if mapped is not None and last > first and hasattr(mmap, "MADV_DONTNEED"):
            mapped.madvise(mmap.MADV_DONTNEED, first, last - first)

    def size(self, name: str) -> int:
        """How many bytes a file has."""
        return self._expected(name)["size"]

    @property
    def is_zip(self) -> bool:
        return isinstance(self._files, _Zip)

    def __contains__(self, name: str) -> bool:
        return name in self.manifest["files"]

    def _check(self, name: str, use: Callable[[bytes], Any] | None = None) -> None:
        expected = self._expected(name)
        size = self._files.size(name)
        if size != expected["size"]:
            raise BundleProblem(f"{self.path} is damaged: {name} has {size} bytes, expected {expected['size']}")
        digest = hashlib.sha256()
        for block in self._files.blocks(name, size):
            digest.update(block)
            if use is not None:
                use(block)
        if digest.hexdigest() != expected["sha256"]:
            raise self._differs(name)

    def _expected(self, name: str) -> dict[str, Any]:
        if name not in self:
            raise BundleProblem(f"{self.path} is not a whole bundle: its manifest has no {name}")
        return self.manifest["files"][name]

    def _differs(self, name: str) -> BundleProblem:
        return BundleProblem(f"{self.path} is damaged: {name} is not what was written (its SHA-256 differs)")


class _Folder:
    """The files of a bundle that is a folder."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._root = path.resolve()
        self._maps: dict[str, mmap.mmap] = {}
        if not (path / MANIFEST).is_file():
            raise BundleProblem(f"{path} is not a bundle: it has no {MANIFEST}")

    def size(self, name: str) -> int:
        with self._opened(name) as file:
            return os.fstat(file).st_size

    def blocks(self, name: str, size: int) -> Iterator[bytes]:
        with self._opened(name) as file:
            for offset in range(0, size, _BLOCK):
                yield os.pread(file, min(_BLOCK, size - offset), offset)

    def read(self, name: str, limit: int) -> bytes:
        size = self.size(name)
        if size > limit:
            raise BundleProblem(f"{self._path} is damaged: {name} has {size} bytes, expected at most {limit}")
        return b"".join(self.blocks(name, size))

    def map(self, name: str, size: int) -> mmap.mmap | None:
        if name not in self._maps:
            with self._opened(name) as file:
                if not size or os.fstat(file).st_size != size:
                    return None
                self._maps[name] = _mapped(file)
        return self._maps[name]

    def mapping(self, name: str) -> tuple[mmap.mmap, int] | None:
        return (self._maps[name], 0) if name in self._maps else None

    def has(self, name: str) -> bool:
        return (self._path / name).is_file()

    @contextmanager
    def _opened(self, name: str) -> Generator[int]:
        path = self._path / name
        if is_unsafe(name) or self._root not in path.resolve().parents:
            raise BundleProblem(f"{self._path} is refused: its file name {name!r} leads out of it")
        if not path.is_file():
            raise BundleProblem(f"{self._path} is damaged: {name} is missing")
        try:
            file = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0))
        except OSError as error:
            raise BundleProblem(f"{self._path} cannot be read: {name}: {error.strerror}") from error
        try:
            yield file
        except OSError as error:
            raise BundleProblem(f"{self._path} cannot be read: {name}: {error.strerror}") from error
        finally:
            os.close(file)


class _Zip:
    """The files of a bundle that is a zip. Files stored without compression are mapped where they lie."""

    def __init__(self, path: Path) -> None:
        self._path = path
        with self._errors():
            self._zip = zipfile.ZipFile(path)
            infos = self._zip.infolist()
        self._map: mmap.mmap | None = None
        self._infos: dict[str, zipfile.ZipInfo] = {}
        if len(infos) > MAX_FILES:
            raise BundleProblem(f"{path} is refused: it has {len(infos)} files, expected at most {MAX_FILES}")
        for info in infos:
            self._add(info)
        if MANIFEST not in self._infos:
            raise BundleProblem(f"{path} is not a bundle: it has no {MANIFEST}")

    def _add(self, info: zipfile.ZipInfo) -> None:
        # Only plain files: a link could lead out of the folder to which somebody unpacks the zip.
        mode = info.external_attr >> 16
        if is_unsafe(info.filename) or info.is_dir() or (stat.S_IFMT(mode) not in (0, stat.S_IFREG)):
            raise BundleProblem(f"{self._path} is refused: its file name {info.filename!r} leads out of it")
        if info.filename in self._infos:
            raise BundleProblem(f"{self._path} is damaged: it has {info.filename} twice")
        if info.flag_bits & 1 or info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise BundleProblem(f"{self._path} is refused: {info.filename} is encrypted, or compressed otherwise")
        self._infos[info.filename] = info

    def size(self, name: str) -> int:
        return self._info(name).file_size

    def blocks(self, name: str, size: int) -> Iterator[bytes]:
        # `size` is what the manifest says: a file that inflates to more is no longer read.
        with self._errors(), self._zip.open(self._info(name)) as file:
            while size > 0 and (block := file.read(min(_BLOCK, size))):
                size -= len(block)
                yield block

    def read(self, name: str, limit: int) -> bytes:
        size = self.size(name)
        if size > limit:
            raise BundleProblem(f"{self._path} is damaged: {name} has {size} bytes, expected at most {limit}")
        return b"".join(self.blocks(name, size))

    def map(self, name: str, size: int) -> memoryview | None:
        found = self.mapping(name)
        if found is None:
            return None
        mapped, start = found
        return memoryview(mapped)[start : start + size]

    def mapping(self, name: str) -> tuple[mmap.mmap, int] | None:
        """The mapped zip, and where in it a file lies, if it is stored as it is and aligned for the device."""
        info = self._info(name)
        if info.compress_type != zipfile.ZIP_STORED or not info.file_size:
            return None
        if self._map is None:
            with self._errors(), self._path.open("rb") as file:
                self._map = _mapped(file.fileno())
        # The local header repeats the name, and may have other extra fields than the directory.
        header = self._map[info.header_offset : info.header_offset + 30]
        if len(header) < 30:
            return None
        start = info.header_offset + 30 + sum(struct.unpack_from("<HH", header, 26))
        return (self._map, start) if start % 64 == 0 else None

    def has(self, name: str) -> bool:
        return name in self._infos

    def _info(self, name: str) -> zipfile.ZipInfo:
        if name not in self._infos:
            raise BundleProblem(f"{self._path} is damaged: {name} is missing")
        return self._infos[name]

    @contextmanager
    def _errors(self) -> Generator[None]:
        try:
            yield
        except (zipfile.BadZipFile, zlib.error, EOFError, ValueError, NotImplementedError, struct.error) as error:
            raise BundleProblem(f"{self._path} is not a bundle, or a damaged one: {error}") from error
        except (OSError, RuntimeError) as error:
            raise BundleProblem(f"{self._path} cannot be read: {error}") from error


def _mapped(file: int) -> mmap.mmap:
    return mmap.mmap(file, 0, access=mmap.ACCESS_READ)


def is_unsafe(name: str) -> bool:
    """Whether a file name could lead out of the bundle."""
    path = PurePosixPath(name)
    return not name or path.is_absolute() or ".." in path.parts or any(c in name for c in "\\\0:")


# ---- the signature -----------------------------------------------------------------------------------------


def _check_signature(path: Path, manifest: bytes, signature: bytes | None, key: str | bytes) -> None:
    """Refuse a bundle whose manifest is not signed with a key."""
    try:
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives import serialization
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    except ImportError as error:
        raise BundleProblem(f"checking a signature needs: pip install cryptography ({error})") from error
    text = key.encode() if isinstance(key, str) and "-----BEGIN" in key else key
    try:
        content = text if isinstance(text, bytes) else Path(text).read_bytes()
        public = serialization.load_pem_public_key(content)
    except (OSError, ValueError) as error:
        raise BundleProblem(f"cannot read the public key {text!r}: {error}") from error
    if not isinstance(public, Ed25519PublicKey):
        raise BundleProblem(f"the public key {text!r} is no ed25519 key")
    if signature is None:
        raise BundleProblem(f"{path} is not signed, and a signature is required")
    try:
        public.verify(binascii.unhexlify(signature.strip()), manifest)
    except (InvalidSignature, ValueError) as error:
        raise BundleProblem(f"{path} is not signed with the required key") from error


# ---- the manifest ------------------------------------------------------------------------------------------


def parse_manifest(content: bytes, path: Path) -> dict[str, Any]:
    """The manifest of the bundle at `path`.

    Raises:
        BundleProblem: where it is damaged, or its schema is newer than this file's.
    """
    where = f"{path}: {MANIFEST}" if path.is_file() else f"{path / MANIFEST}"
    try:
        manifest = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise BundleProblem(f"{where} is damaged: {error}") from error
    schema = manifest.get("schema_version") if isinstance(manifest, dict) else None
    if not isinstance(schema, int) or isinstance(schema, bool):
        raise BundleProblem(f"{where} is not a dycl manifest: it states no schema_version")
    if not 1 <= schema <= SCHEMA_VERSION:
        made_by = str(manifest.get("dycl_version", "?"))[:40]
        raise BundleProblem(
            f"{path} has schema version {schema} (made by dycl {made_by}), and this dycl reads 1 to "
            f"{SCHEMA_VERSION}; upgrade dycl, or compile the program again"
        )
    try:
        check_manifest(manifest)
    except _Wrong as wrong:
        raise BundleProblem(f"{where} is damaged: {wrong}") from wrong
    except RecursionError as error:
        raise BundleProblem(f"{where} is damaged: it is nested too deep") from error
    return manifest


class _Wrong(Exception):  # noqa: N818 - never leaves this file
    """What is wrong in a manifest, and where."""


_Check = Callable[[Any, str], None]


def _string(pattern: str, what: str) -> _Check:
    whole = re.compile(pattern)

    def check(value: Any, where: str) -> None:
        if not isinstance(value, str) or not whole.fullmatch(value):
            raise _Wrong(f"{where} is {str(value)[:60]!r}, expected {what}")

    return check


def _number(value: Any, where: str) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 2**63:
        raise _Wrong(f"{where} is {str(value)[:60]!r}, expected a number of at least 0")


def _flag(value: Any, where: str) -> None:
    if not isinstance(value, bool):
        raise _Wrong(f"{where} is {str(value)[:60]!r}, expected true or false")


def _optional(check: _Check) -> _Check:
    return lambda value, where: None if value is None else check(value, where)


def _list(check: _Check) -> _Check:
    def check_list(value: Any, where: str) -> None:
        if not isinstance(value, list):
            raise _Wrong(f"{where} is no list")
        for i, item in enumerate(value):
            check(item, f"{where}[{i}]")

    return check_list


def _mapping(key: _Check, item: _Check) -> _Check:
    def check(value: Any, where: str) -> None:
        if not isinstance(value, dict):
            raise _Wrong(f"{where} is no object")
        for name, member in value.items():
            key(name, f"a key of {where}")
            item(member, f"{where}[{name!r}]")

    return check


def _exception(value: Any, where: str) -> None:
    """The name of an exception and its arguments, in the form that `Signature.exceptions` describes."""
    _list(_anything)(value, where)
    for i, argument in enumerate(value):
        pieces = argument.get("text", [argument]) if isinstance(argument, dict) else [argument]
        for piece in pieces:
            if isinstance(piece, dict):
                _number(piece.get("value"), f"{where}[{i}].value")
            elif i == 0 or not isinstance(piece, (str, int, float, bool, type(None))):
                _text(piece, f"{where}[{i}]")


def _anything(value: Any, where: str) -> None:
    """What is checked elsewhere."""


def _object(**members: _Check) -> _Check:
    """An object that has these members; others are of a later dycl, and nothing here reads them."""

    def check(value: Any, where: str) -> None:
        if not isinstance(value, dict):
            raise _Wrong(f"{where or 'it'} is no object")
        for name, member in members.items():
            if name not in value:
                raise _Wrong(f"{where or 'it'} has no {name!r}")
            member(value[name], f"{where}.{name}" if where else name)

    return check


_DTYPE = r"(?:i1|u?i(?:8|16|32|64)|b?f16|f32|f64|complex<f32>|complex<f64>)"
_text = _string(r"[^\0]*", "text")
_identifier = _string(r"[A-Za-z][A-Za-z0-9_]*", "a name")
_folder_name = _string(r"(?!\.{1,2}$)[A-Za-z0-9+_.-]{1,200}", "the name of a folder")
_location = _object(file=_text, line=_number, column=_number)
_spec = _object(name=_text, dtype=_string(_DTYPE, "a dtype"), shape=_list(_optional(_number)))
_value_type = _string(rf"tensor<(?:(?:[0-9]+|\?)x)*{_DTYPE}>|index|{_DTYPE}", "a type")

_MANIFEST_FORM = _object(
    dycl_version=_text,
    tool_versions=_mapping(_text, _text),
    files=_mapping(_text, _object(sha256=_string("[0-9a-f]{64}", "a SHA-256"), size=_number)),
    signature=_object(
        name=_text,
        inputs=_list(_spec),
        outputs=_list(_spec),
        state=_list(_spec),
        mutated_inputs=_list(_number),
        parameter_names=_list(_text),
        exceptions=_list(_exception),
        exception_values=_number,
    ),
    targets=_list(
        _object(
            target=_text,
            folder=_folder_name,
            backend=_text,
            architecture=_text,
            demotes_f64=_flag,
            requires=_object(cpu_features=_list(_text), subgroup_sizes=_list(_number)),
        )
    ),
    program=_object(
        name=_text,
        regions=_list(
            _object(
                name=_identifier,
                module=_text,
                function=_text,
                inputs=_list(_value_type),
                results=_list(_value_type),
                parameters=_list(_text),
                location=_optional(_location),
                cost=_optional(_object(flops=_number, bytes=_number)),
            )
        ),
    ),
)


def check_manifest(manifest: Any) -> None:
    """Check the form of a manifest, and that its parts agree."""
    _MANIFEST_FORM(manifest, "")
    if len(manifest["files"]) > MAX_FILES:
        raise _Wrong(f"it names {len(manifest['files'])} files, expected at most {MAX_FILES}")
    signature = manifest["signature"]
    _check_structure(signature.get("input_structure"), "signature.input_structure", len(signature["inputs"]))
    _check_structure(signature.get("output_structure"), "signature.output_structure", len(signature["outputs"]))
    arguments = signature["input_structure"].get("items", ())
    if [item["kind"] for item in arguments] != ["tuple", "dict"]:
        raise _Wrong("signature.input_structure is no pair of a tuple and a dict")
    for i in signature["mutated_inputs"]:
        if i >= len(signature["inputs"]):
            raise _Wrong(f"signature.mutated_inputs names input {i} of {len(signature['inputs'])}")
    if any(not entry for entry in signature["exceptions"]) or (signature["exceptions"] and not signature["outputs"]):
        raise _Wrong("signature.exceptions has an entry without a name, or no output says which")
    if not manifest["targets"]:
        raise _Wrong("it has no target")
    for i, target in enumerate(manifest["targets"]):
        # The first bundles of this schema do not say.
        _list(_text)(target["requires"].get("gpu_features", []), f"targets[{i}].requires.gpu_features")
    _check_placement(manifest["program"], {target["folder"] for target in manifest["targets"]})
    _check_sharing(manifest["program"]["regions"])
    names = [region["name"] for region in manifest["program"]["regions"]]
    if len(set(names)) < len(names) or "constant" in names:
        raise _Wrong("two regions have one name, or a region is named 'constant'")


def _check_placement(program: dict[str, Any], folders: set[str]) -> None:
    """Check that a program of several devices says of each region where it runs, and names only devices it has."""
    home = program.get("home")
    for region in program["regions"]:
        affinity = region.get("affinity")
        if (affinity is None) is not (home is None):
            raise _Wrong(f"region {region['name']} has {'no' if affinity is None else 'an'} affinity")
        if affinity is not None and (not isinstance(affinity, str) or affinity not in folders):
            raise _Wrong(f"region {region['name']} runs on {str(affinity)[:60]!r}, which is no target")
    if home is not None and (not isinstance(home, str) or home not in folders):
        raise _Wrong(f"program.home is {str(home)[:60]!r}, which is no target")


def _check_sharing(regions: list[dict[str, Any]]) -> None:
    """Check that a region without a VMFB of its own is in that of one that has one, as part of the same module."""
    owners = {region["name"]: region for region in regions if "vmfb" not in region}
    for region in regions:
        if "vmfb" not in region:
            continue
        owner = owners.get(region["vmfb"]) if isinstance(region["vmfb"], str) else None
        if owner is None:
            raise _Wrong(f"region {region['name']} is in the VMFB of {str(region['vmfb'])[:60]!r}, which has none")
        for member in ("module", "affinity"):
            if region.get(member) != owner.get(member):
                raise _Wrong(f"region {region['name']} shares a VMFB with {owner['name']}, of another {member}")


_KEYED = ("dict", "OrderedDict", "namedtuple", "dataclass")
_NESTED = ("tuple", "list", "choice", "rows", "narrowed", "one_of", *_KEYED)


def _check_structure(value: Any, where: str, count: int) -> None:
    """Check the form of a `Structure` over `count` tensors."""
    if not isinstance(value, dict):
        raise _Wrong(f"{where} is missing or no object")
    kind = value.get("kind")
    if kind in ("tensor", "number", "choice"):
        _number(value.get("index"), f"{where}.index")
        if value["index"] >= count:
            raise _Wrong(f"{where}.index is {value['index']}, and there are {count}")
        if kind == "number" and value.get("type") not in ("bool", "int", "float"):
            raise _Wrong(f"{where}.type is {str(value.get('type'))[:60]!r}, expected bool, int or float")
    if kind == "constant" and isinstance(value.get("value"), (list, dict)):
        raise _Wrong(f"{where}.value is no constant")
    if kind in _NESTED:
        items: Any = value.get("items")
        keys: Any = value.get("keys", [])
        _list(_object())(items, f"{where}.items")
        if kind in _KEYED and (not isinstance(keys, list) or len(keys) != len(items)):
            raise _Wrong(f"{where} has not as many keys as items")
        if any(isinstance(key, (list, dict)) for key in keys):
            raise _Wrong(f"{where} has a key that is no constant")
        if kind in ("namedtuple", "dataclass"):
            _string(r"[\w.]+:[\w.<>]+", "MODULE:CLASS")(value.get("type"), f"{where}.type")
            _list(_string(r"[^\W\d]\w*", "a name"))(keys, f"{where}.keys")
        if kind == "rows" and len(items) != 1:
            raise _Wrong(f"{where} has {len(items)} items, expected one")
        kinds = [item.get("kind") for item in items]
        if kind == "narrowed":
            _list(_number)(keys, f"{where}.keys")
            if kinds != ["tensor", *["number"] * len(keys)]:
                raise _Wrong(f"{where} is not a tensor and a number for each of its keys")
        if kind == "one_of" and (kinds[:1] != ["number"] or {*kinds[1:]} != {"constant"}):
            raise _Wrong(f"{where} is not a number and constants")
        for i, item in enumerate(items):
            _check_structure(item, f"{where}.items[{i}]", count)
    elif kind not in ("tensor", "number", "constant"):
        raise _Wrong(f"{where}.kind is {str(kind)[:60]!r}, which this dycl does not know")
