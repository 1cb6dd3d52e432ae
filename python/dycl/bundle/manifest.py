# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Writing a bundle, and reading one back after checking it."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from importlib import resources
from typing import TYPE_CHECKING, Any

import numpy as np

from dycl.bundle.parameters import write_archive
from dycl.errors import BundleError
from dycl.runtime.bundle_reader import MANIFEST, SCHEMA_VERSION, BundleProblem, BundleReader
from dycl.runtime.host_runtime import PARAMETERS, STATE
from dycl.signature import Signature
from dycl.version import tool_versions, version

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

Array = np.ndarray[Any, np.dtype[Any]]

_HOST = "host.py"
_RUNTIME = "host_runtime.py"
_HCFG = "hcfg.json"
# What is the same in every bundle. __main__.py makes `python net.dycl` run it, also where it is a zip.
_STATIC = (_RUNTIME, "bundle_reader.py", "bundle_formats.py")
_MAIN = """import runpy
import sys

sys.dont_write_bytecode = True
runpy.run_module("host", run_name="__main__")
"""


@dataclass(frozen=True)
class Bundle:
    """A bundle whose files are as its manifest says.

    Attributes:
        reader: its files.
        manifest: `manifest.json`.
        signature: what the program takes and gives.
        hcfg: `hcfg.json`: "nodes" and "edges" (contract C of ARCHITECTURE.md).
        host_source: `host.py`, as it was when it was checked.
        runtime_source: `host_runtime.py`, likewise.
    """

    reader: BundleReader
    manifest: Mapping[str, Any]
    signature: Signature
    hcfg: Mapping[str, Any]
    host_source: str
    runtime_source: str

    @property
    def path(self) -> Path:
        """Where it is."""
        return self.reader.path

    @property
    def files(self) -> tuple[str, ...]:
        """Every file of the bundle but its signature, relative to its folder."""
        return (*self.manifest["files"], MANIFEST)


def write_bundle(
    folder: Path,
    *,
    signature: Signature,
    description: Mapping[str, Any],
    host_source: str,
    targets: Sequence[Mapping[str, Any]],
    parameters: Mapping[str, Array],
    state: Mapping[str, Array],
) -> None:
    """Complete a folder that holds `regions/TARGET/NAME.vmfb` to a bundle.

    Args:
        folder: the folder.
        signature: what the program takes and gives.
        description: the program description (contract C of ARCHITECTURE.md).
        host_source: host.py.
        targets: `TargetSpec.to_json()` of each target.
        parameters: the weights that regions use, by key.
        state: the initial value of each state, by its name.
    """
    program = {key: value for key, value in description.items() if key != "hcfg"}
    (folder / _HOST).write_text(host_source)
    (folder / "__main__.py").write_text(_MAIN)
    for name in _STATIC:
        (folder / name).write_bytes(resources.files("dycl.runtime").joinpath(name).read_bytes())
    (folder / _HCFG).write_text(json.dumps(description["hcfg"], separators=(",", ":")))
    if parameters:
        write_archive(folder / PARAMETERS, parameters)
    if state:
        write_archive(folder / STATE, state)
    shares_vmfbs = any("vmfb" in region for region in program["regions"])
    manifest = {
        # What needs no later schema says the first one: any dycl reads it.
        "schema_version": SCHEMA_VERSION if shares_vmfbs else 2 if "home" in program else 1,
        "dycl_version": version(),
        "tool_versions": tool_versions(),
        "signature": signature.to_json(),
        "program": program,
        "targets": list(targets),
        "files": {
            path.relative_to(folder).as_posix(): {
                "sha256": _sha256(path),
                "size": path.stat().st_size,
            }
            for path in sorted(folder.rglob("*"))
            if path.is_file()
        },
    }
    (folder / MANIFEST).write_text(json.dumps(manifest, separators=(",", ":")))


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_bundle(path: str | Path, *, require_signed: str | Path | bytes | None = None) -> Bundle:
    """The bundle at `path`, a folder or a zip, after checking each of its files against its hash and size.

    Raises:
        BundleError: where it is missing, no bundle, damaged, of a newer schema, or not signed with the key that
            `require_signed` gives: PEM, or the path of a PEM file.
    """
    key = require_signed if isinstance(require_signed, bytes | None) else str(require_signed)
    try:
        reader = BundleReader(path, require_signed=key)
        reader.check_files()
        host, runtime, hcfg = (reader.read(name) for name in (_HOST, _RUNTIME, _HCFG))
    except BundleProblem as problem:
        raise BundleError(str(problem)) from problem
    except OSError as error:
        raise BundleError(f"{path} cannot be read: {error}") from error
    try:
        signature = Signature.from_json(reader.manifest["signature"])
        graph = json.loads(hcfg)
        for kind in ("nodes", "edges"):
            graph[kind][:0]
        return Bundle(reader, reader.manifest, signature, graph, host.decode(), runtime.decode())
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
        raise BundleError(f"{path} is damaged: {error!r}") from error
