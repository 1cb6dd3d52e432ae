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
from dycl.runtime.graph import runs_on
from dycl.runtime.host_runtime import PARAMETERS, device_file, region_file
from dycl.runtime.vm_host import vm_host_file

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from dycl.runtime.bundle_reader import BundleReader

_TOOL = "iree-c-embed-data"


def embed_c(source: BundleReader, destination: str | Path, *, target: str | None = None) -> tuple[Path, ...]:
    """Write a bundle's VMFBs as C sources, by IREE's own embedding tool, and a header of ours.

    They are those for one target or, of a program on several devices, each region's for its own. The folder gets
    NAME_modules.c and .h (the bytes), NAME.h (which region is which), and parameters.irpa, which stays a file: weights
    as C text would be five times as large. `embed_parameters` at compile time makes it unnecessary.

    Args:
        source: the bundle.
        destination: a folder, which may be there already.
        target: which of the bundle's targets, as it was given to `compile`; None for the only one, and for a program on
            several devices.

    Returns:
        The files that were written.

    Raises:
        BundleError: where the tool is not installed, the target is not in the bundle, or a file cannot be written.
    """
    targets = _choose(source, target)
    name = re.sub(r"\W", "_", source.manifest["program"]["name"], flags=re.ASCII)
    name = name if name[:1].isalpha() else f"net_{name}"
    regions = source.manifest["program"]["regions"]
    # Where each region runs, by its place among the targets; the host's modules come after the regions'.
    places = [next(i for i, t in enumerate(targets) if runs_on(region, t["folder"])) for region in regions]
    owners = [region_file(region, targets[place]["folder"]) for region, place in zip(regions, places, strict=True)]
    vmfbs = [*dict.fromkeys(owners)]
    indices = [vmfbs.index(vmfb) for vmfb in owners]
    host = vm_host_file(targets[0])
    if host in source:
        vmfbs.append(host)
        vmfbs += [device_file(dict(entry)) for entry in targets] if len(targets) > 1 else []
    folder = Path(destination)
    try:
        folder.mkdir(exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="dycl-") as work:
            files = [path.replace("/", "_") for path in vmfbs]
            for short, path in zip(files, vmfbs, strict=True):
                (Path(work) / short).write_bytes(source.read(path))
            written = _run_tool(name, files, Path(work), folder)
        header = folder / f"{name}.h"
        rows = list(zip(regions, indices, places, strict=True))
        header.write_text(_header(name, targets, rows, host in vmfbs))
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


def _choose(source: BundleReader, target: str | None) -> list[Mapping[str, Any]]:
    """The targets of the sources; where they are several, the home first."""
    targets: list[Mapping[str, Any]] = source.manifest["targets"]
    home = source.manifest["program"].get("home")
    if home is not None:
        if target is not None:
            placed = " and ".join(entry["target"] for entry in targets)
            raise BundleError(f"{source.path} runs on {placed} at once; leave out --target")
        return sorted(targets, key=lambda entry: entry["folder"] != home)
    fitting = [entry for entry in targets if target in (None, entry["target"])]
    if len(fitting) != 1:
        known = ", ".join(entry["target"] for entry in targets)
        raise BundleError(f"{source.path} holds {known}; say with --target which of them to embed")
    return fitting


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


def _header(
    name: str,
    targets: Sequence[Mapping[str, Any]],
    placed_regions: Sequence[tuple[Mapping[str, Any], int, int]],
    has_host: bool,
) -> str:
    """The tables of targets and regions: which VMFB for which device, which function of it, what it takes and gives.

    A region comes with the indices of its VMFB and of its target.
    """
    upper, modules = name.upper(), f"{name}_modules_create()"
    n_vmfbs = 1 + max((index for _, index, _ in placed_regions), default=-1)
    devices = range(n_vmfbs + 1, n_vmfbs + 1 + len(targets)) if has_host and len(targets) > 1 else None
    target_rows = [
        f"    {{{_c(entry['target'])}, {_c(entry['backend'])}, {-1 if devices is None else devices[i]}}},"
        for i, entry in enumerate(targets)
    ]
    rows = [
        f'    {{"{region["name"]}", {_c(region["module"] + "." + region["function"])}, '
        f"{_c(', '.join(region['inputs']))}, {_c(', '.join(region['results']))}, {index}, {place}}},"
        for region, index, place in placed_regions
    ]
    described = " and ".join(entry["target"].replace(chr(10), " ") for entry in targets)
    host = f"#define {upper}_HOST_INDEX {n_vmfbs}  // the control flow, in {modules}\n"
    several = f"""//
// The program runs on {len(targets)} devices at once. An iree_runtime_session_t has one device: make an
// iree_vm_context_t instead. Its HAL module has a device for each target, in the order of {name}_targets; behind the
// regions come the modules of these devices (device_index), and the control flow last. That copies what a region takes
// from another device; who calls regions without it has to do so.
"""
    return f"""// Made by dycl of the program {name}, for {described}.
// {modules}[region.index] holds a region's VMFB: its data and size. Regions of the same code share one.
// Append each, once, to an iree_runtime_session_t with
// iree_runtime_session_append_bytecode_module_from_memory, after a parameter module of the scope "model" over
// {PARAMETERS} if the program has weights in it.
{several if len(targets) > 1 else ""}#ifndef DYCL_{upper}_H_
#define DYCL_{upper}_H_

#include "{name}_modules.h"

typedef struct {{
  const char *name;     // as it was given to dycl
  const char *backend;  // llvm-cpu, vulkan or cuda
  int device_index;     // of the VMFB that gives the control flow the device; -1 where it needs none
}} {name}_target_t;

typedef struct {{
  const char *name;      // of the region, in the manifest
  const char *function;  // MODULE.FUNCTION, as the VM looks it up
  const char *inputs;    // MLIR types
  const char *results;
  size_t index;          // of its VMFB
  size_t target;         // that it runs on, in {name}_targets
}} {name}_region_t;

#define {upper}_TARGET_COUNT {len(targets)}
static const {name}_target_t {name}_targets[{upper}_TARGET_COUNT] = {{
{chr(10).join(target_rows)}
}};

#define {upper}_VMFB_COUNT {n_vmfbs}  // of regions; they come first
#define {upper}_REGION_COUNT {len(placed_regions)}
{host if has_host else ""}static const {name}_region_t {name}_regions[{upper}_REGION_COUNT] = {{
{chr(10).join(rows)}
}};

#endif  // DYCL_{upper}_H_
"""


def _c(text: str) -> str:
    """A string literal of C."""
    return json.dumps(text)
