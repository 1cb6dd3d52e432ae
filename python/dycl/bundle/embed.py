# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""A bundle's VMFBs as C sources, for a program that IREE's C API runs without any file system."""

from __future__ import annotations

import importlib.util
import json
import re
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dycl.errors import BundleError
from dycl.runtime.bundle_reader import BundleProblem
from dycl.runtime.host_runtime import PARAMETERS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from dycl.runtime.bundle_reader import BundleReader

_TOOL = "iree-c-embed-data"


def embed_c(source: BundleReader, destination: str | Path, *, target: str | None = None) -> tuple[Path, ...]:
    """Write a bundle's VMFBs for one target as C sources, by IREE's own embedding tool, and a header of ours.

    The folder gets NAME_modules.c and .h (the bytes), NAME.h (which region is which), and parameters.irpa, which stays
    a file: weights as C text would be five times as large. `embed_parameters` at compile time makes it unnecessary.

    Args:
        source: the bundle.
        destination: a folder, which may be there already.
        target: which of the bundle's targets, as it was given to `compile`; None for the only one.

    Returns:
        The files that were written.

    Raises:
        BundleError: where the tool is not installed, the target is not in the bundle, the program is placed on several
            devices, or a file cannot be written.
    """
    chosen = _choose(source, target)
    name = re.sub(r"\W", "_", source.manifest["program"]["name"], flags=re.ASCII)
    name = name if name[:1].isalpha() else f"net_{name}"
    regions = source.manifest["program"]["regions"]
    vmfbs = {f"{region['name']}.vmfb": f"regions/{chosen['folder']}/{region['name']}.vmfb" for region in regions}
    host = f"host.{chosen['folder']}.vmfb"
    if host in source:
        vmfbs["host.vmfb"] = host
    folder = Path(destination)
    try:
        folder.mkdir(exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="dycl-") as work:
            for short, path in vmfbs.items():
                (Path(work) / short).write_bytes(source.read(path))
            written = _run_tool(name, list(vmfbs), Path(work), folder)
        header = folder / f"{name}.h"
        header.write_text(_header(name, chosen, regions, "host.vmfb" in vmfbs))
        written = (*written, header)
        if PARAMETERS in source:
            with (folder / PARAMETERS).open("wb") as file:
                source.copy(PARAMETERS, file)
            written = (*written, folder / PARAMETERS)
    except BundleProblem as problem:
        raise BundleError(str(problem)) from problem
    except OSError as error:
        raise BundleError(f"cannot write {folder}: {error}") from error
    return written


def _choose(source: BundleReader, target: str | None) -> Mapping[str, Any]:
    targets = source.manifest["targets"]
    if "home" in source.manifest["program"]:
        placed = " and ".join(entry["target"] for entry in targets)
        raise BundleError(f"{source.path} runs on {placed} at once; C sources are for a program on one device")
    fitting = [entry for entry in targets if target in (None, entry["target"])]
    if len(fitting) != 1:
        known = ", ".join(entry["target"] for entry in targets)
        raise BundleError(f"{source.path} holds {known}; say with --target which of them to embed")
    return fitting[0]


def _run_tool(name: str, files: Sequence[str], work: Path, folder: Path) -> tuple[Path, ...]:
    outputs = (folder / f"{name}_modules.h", folder / f"{name}_modules.c")
    command = [
        _find_tool(),
        f"--output_header={outputs[0].absolute()}",
        f"--output_impl={outputs[1].absolute()}",
        f"--identifier={name}_modules",
        "--flatten",
        *files,
    ]
    done = subprocess.run(command, cwd=work, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise BundleError(f"{_TOOL} failed: {done.stderr.strip() or done.stdout.strip()}")
    return outputs


def _find_tool() -> str:
    """The tool in the installed iree-base-runtime."""
    for package in ("iree._runtime_libs", "iree.compiler"):
        try:
            found = importlib.util.find_spec(package)
        except ModuleNotFoundError:
            found = None
        for folder in (found.submodule_search_locations or ()) if found else ():
            if (Path(folder) / _TOOL).is_file():
                return str(Path(folder) / _TOOL)
    on_path = shutil.which(_TOOL)
    if on_path is None:
        raise BundleError(f"{_TOOL} is neither in the installed iree-base-runtime nor on PATH")
    return on_path


def _header(name: str, target: Mapping[str, Any], regions: Sequence[Mapping[str, Any]], has_host: bool) -> str:
    """The table of the regions: which VMFB, which function of it, what it takes and gives."""
    rows = [
        f'    {{"{region["name"]}", {_c(region["module"] + "." + region["function"])}, '
        f"{_c(', '.join(region['inputs']))}, {_c(', '.join(region['results']))}, {i}}},"
        for i, region in enumerate(regions)
    ]
    host = f"#define {name.upper()}_HOST_INDEX {len(regions)}  // the control flow, in {name}_modules_create()\n"
    return f"""// Made by dycl of the program {name}, for {target["target"].replace(chr(10), " ")}.
// {name}_modules_create()[region.index] holds a region's VMFB: its data and size. Append each to an
// iree_runtime_session_t with iree_runtime_session_append_bytecode_module_from_memory, after a parameter module of the
// scope "model" over {PARAMETERS} if the program has weights in it.
#ifndef DYCL_{name.upper()}_H_
#define DYCL_{name.upper()}_H_

#include "{name}_modules.h"

typedef struct {{
  const char *name;      // of the region, in the manifest
  const char *function;  // MODULE.FUNCTION, as the VM looks it up
  const char *inputs;    // MLIR types
  const char *results;
  size_t index;          // of its VMFB
}} {name}_region_t;

#define {name.upper()}_REGION_COUNT {len(regions)}
{host if has_host else ""}static const {name}_region_t {name}_regions[{name.upper()}_REGION_COUNT] = {{
{chr(10).join(rows)}
}};

#endif  // DYCL_{name.upper()}_H_
"""


def _c(text: str) -> str:
    """A string literal of C."""
    return json.dumps(text)
