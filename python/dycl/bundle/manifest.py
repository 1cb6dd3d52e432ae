# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Writing a bundle, and reading one back after checking it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from dycl.bundle.files import MANIFEST
from dycl.bundle.parameters import write_archive
from dycl.errors import BundleError
from dycl.runtime import host_runtime
from dycl.signature import Signature
from dycl.version import tool_versions, version

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

Array = np.ndarray[Any, np.dtype[Any]]

_HOST = "host.py"
_RUNTIME = "host_runtime.py"
_HCFG = "hcfg.json"


@dataclass(frozen=True)
class Bundle:
    """A bundle whose files are as its manifest says.

    Attributes:
        folder: where it is.
        manifest: `manifest.json`.
        signature: what the program takes and gives.
        hcfg: `hcfg.json`: "nodes" and "edges" (contract C of ARCHITECTURE.md).
        host_source: `host.py`, as it was when it was checked.
        runtime_source: `host_runtime.py`, likewise.
    """

    folder: Path
    manifest: Mapping[str, Any]
    signature: Signature
    hcfg: Mapping[str, Any]
    host_source: str
    runtime_source: str

    @property
    def files(self) -> tuple[str, ...]:
        """Every file of the bundle, relative to its folder."""
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
    (folder / _RUNTIME).write_bytes(resources.files("dycl.runtime").joinpath(_RUNTIME).read_bytes())
    (folder / _HCFG).write_text(json.dumps(description["hcfg"], separators=(",", ":")))
    if parameters:
        write_archive(folder / host_runtime.PARAMETERS, parameters)
    if state:
        write_archive(folder / host_runtime.STATE, state)
    manifest = {
        "schema_version": host_runtime.SCHEMA_VERSION,
        "dycl_version": version(),
        "tool_versions": tool_versions(),
        "signature": signature.to_json(),
        "program": program,
        "targets": list(targets),
        "files": {
            path.relative_to(folder).as_posix(): {
                "sha256": host_runtime.sha256(path),
                "size": path.stat().st_size,
            }
            for path in sorted(folder.rglob("*"))
            if path.is_file()
        },
    }
    (folder / MANIFEST).write_text(json.dumps(manifest, separators=(",", ":")))


def read_bundle(path: str | Path) -> Bundle:
    """The bundle at `path`, after checking each of its files against its hash and size.

    Raises:
        BundleError: where it is missing, no bundle, damaged, or of a newer schema.
    """
    folder = Path(path).absolute()
    try:
        manifest = host_runtime.read_manifest(folder)
        host_runtime.check_files(folder, manifest)
        host, runtime, hcfg = (host_runtime.read_checked(folder, manifest, name) for name in (_HOST, _RUNTIME, _HCFG))
    except host_runtime.BundleProblem as problem:
        raise BundleError(str(problem)) from problem
    except OSError as error:
        raise BundleError(f"{folder} cannot be read: {error}") from error
    try:
        signature = Signature.from_json(manifest["signature"])
        return Bundle(folder, manifest, signature, json.loads(hcfg), host.decode(), runtime.decode())
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise BundleError(f"{folder} is damaged: {error!r}") from error
