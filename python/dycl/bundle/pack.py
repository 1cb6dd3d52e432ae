# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Bundles made of bundles: copied, as a zip, stripped, signed."""

from __future__ import annotations

import ast
import hashlib
import json
import os
import struct
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from dycl.bundle.files import staged
from dycl.errors import BundleError
from dycl.runtime.bundle_reader import MANIFEST, SIGNATURE, BundleProblem

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from dycl.runtime.bundle_reader import BundleReader

# Files of which a program reads parts, or which are large, are stored in a zip as they are, on a page of their own, so
# that they are mapped where they lie. The rest, code mostly, is compressed to less than half.
_STORED_SUFFIX = ".irpa"
_STORED_BYTES = 1 << 20
_PAGE = 4096
_SMALL_PADDING = _PAGE // 8
_PADDING_ID = 0xD935  # of the extra field with which Android's zipalign pads
_ZIP64_EXTRA = 20
_MANY = 1_900_000_000  # bytes, from where Python's zipfile writes a ZIP64 extra field


def pack(
    source: BundleReader,
    destination: str | Path,
    *,
    as_zip: bool = False,
    strip: bool = False,
    key: str | Path | None = None,
) -> None:
    """Write a bundle anew, all of it or, on failure, nothing; what is no file of the bundle is left out.

    Args:
        source: the bundle.
        destination: a folder, or with `as_zip` a file; it may be where `source` is.
        as_zip: make it a zip.
        strip: leave out what only people read: places in the source, comments, docstrings and types of the Python
            files. A signature is left out, too, since it is one of what is left out.
        key: the PEM file of a private ed25519 key to sign with.

    Raises:
        BundleError: where the destination cannot be written, the source not be read, or the key is none.
    """
    try:
        contents = _stripped(source) if strip else {MANIFEST: source.manifest_bytes}
        if key is not None:
            contents[SIGNATURE] = signature_of(contents[MANIFEST], key)
        elif not strip and source.signature_bytes is not None:
            contents[SIGNATURE] = source.signature_bytes
        names = [*source.manifest["files"], *(name for name in (MANIFEST, SIGNATURE) if name in contents)]
        with staged(destination, is_zip=as_zip) as new:
            write = _write_zip if as_zip else _write_folder
            write(new, [_File.of(name, source, contents.get(name)) for name in names])
    except BundleProblem as problem:
        raise BundleError(str(problem)) from problem
    except OSError as error:
        raise BundleError(f"cannot write {destination}: {error}") from error


def signature_of(manifest: bytes, key: str | Path) -> bytes:
    """The text of a bundle's signature: of its manifest, which has the hash of every other file."""
    try:
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
        from cryptography.hazmat.primitives.serialization import load_pem_private_key
    except ImportError as error:
        raise BundleError("signing needs the package cryptography; run: pip install 'dycl[sign]'") from error
    try:
        private = load_pem_private_key(Path(key).read_bytes(), password=None)
    except (OSError, ValueError, TypeError) as error:
        raise BundleError(f"cannot read the private key {key}: {error}") from error
    if not isinstance(private, Ed25519PrivateKey):
        raise BundleError(f"{key} is no ed25519 key; make one with: openssl genpkey -algorithm ed25519 -out {key}")
    return private.sign(manifest).hex().encode() + b"\n"


@dataclass(frozen=True)
class _File:
    """A file to write: `copy` writes its contents to an open file."""

    name: str
    size: int
    copy: Callable[[Any], None]

    @property
    def is_stored(self) -> bool:
        return self.name.endswith(_STORED_SUFFIX) or self.size >= _STORED_BYTES

    @staticmethod
    def of(name: str, source: BundleReader, content: bytes | None) -> _File:
        if content is not None:
            return _File(name, len(content), lambda file: file.write(content))
        return _File(name, source.size(name), lambda file: source.copy(name, file))


def _write_folder(folder: Path, files: list[_File]) -> None:
    for each in files:
        path = folder / each.name
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("wb") as file:
            each.copy(file)


def _write_zip(path: Path, files: list[_File]) -> None:
    stored = [each for each in files if each.is_stored]
    with path.open("wb") as out, zipfile.ZipFile(out, "w") as archive:

        def write(each: _File, compress_type: int, extra: bytes = b"") -> None:
            info = zipfile.ZipInfo(each.name)  # of 1980, so that the same bundle is the same zip
            info.external_attr = 0o100644 << 16
            info.file_size = each.size
            info.compress_type, info.extra = compress_type, extra
            with archive.open(info, "w") as file:
                each.copy(file)

        def padding() -> bytes:
            return _padding(out.tell() + 30 + len(stored[0].name.encode()), stored[0].size)

        for each in files:
            if each.is_stored:
                continue
            write(each, zipfile.ZIP_DEFLATED)
            # What begins on a page waits for the end of one: the padding is up to a page otherwise.
            while stored and len(padding()) <= _SMALL_PADDING:
                write(stored[0], zipfile.ZIP_STORED, padding())
                del stored[0]
        while stored:
            write(stored[0], zipfile.ZIP_STORED, padding())
            del stored[0]


def _padding(position: int, size: int) -> bytes:
    """The extra field after which a file's contents begin on a page, if the field begins at `position`."""
    position += 4 + (_ZIP64_EXTRA if size > _MANY else 0)
    return struct.pack("<HH", _PADDING_ID, -position % _PAGE).ljust(4 + -position % _PAGE, b"\0")


# ---- strip -------------------------------------------------------------------------------------------------


def _stripped(source: BundleReader) -> dict[str, bytes]:
    """The files that are others without what only people read, among them the manifest."""
    contents = {name: _without_comments(source.read(name)) for name in source.manifest["files"] if name.endswith(".py")}
    contents["hcfg.json"] = _compact(_without_locations(json.loads(source.read("hcfg.json"))))
    manifest = {**source.manifest, "program": _without_locations(source.manifest["program"])}
    manifest["files"] = {
        name: {"sha256": hashlib.sha256(contents[name]).hexdigest(), "size": len(contents[name])}
        if name in contents
        else entry
        for name, entry in source.manifest["files"].items()
    }
    return {**contents, MANIFEST: _compact(manifest)}


def _compact(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def _without_locations(value: Any) -> Any:
    if isinstance(value, list):
        return [_without_locations(item) for item in value]
    if isinstance(value, dict):
        members: Mapping[str, Any] = value
        return {k: None if k == "location" else _without_locations(item) for k, item in members.items()}
    return value


def _without_comments(source: bytes) -> bytes:
    """A Python file without comments, docstrings and types."""
    return (ast.unparse(_Executed().visit(ast.parse(source))) + os.linesep).encode()


_Documented = TypeVar("_Documented", ast.Module, ast.ClassDef, ast.FunctionDef)


def _without_docstring(node: _Documented) -> _Documented:
    if ast.get_docstring(node, clean=False):
        node.body = node.body[1:] or [ast.Pass()]
    return node


class _Executed(ast.NodeTransformer):
    """What of a Python file Python itself acts on. A class keeps the types of its members: they make a dataclass."""

    def visit_Module(self, node: ast.Module) -> ast.AST:
        return self.generic_visit(_without_docstring(node))

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.ClassDef:
        _without_docstring(node)
        node.body = [each if isinstance(each, ast.AnnAssign) else self.visit(each) for each in node.body]
        return node

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        node.returns = None
        return self.generic_visit(_without_docstring(node))

    def visit_arg(self, node: ast.arg) -> ast.arg:
        node.annotation = None
        return node

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.stmt:
        if node.value is None:
            return node
        return ast.copy_location(ast.Assign([node.target], node.value), node)

    def visit_If(self, node: ast.If) -> Any:
        is_for_types = isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING" and not node.orelse
        return None if is_for_types else self.generic_visit(node)
