# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The control flow as a VM module, `host.TARGET.vmfb`: run from Python, or by `iree-run-module` without any.

Nothing of the bundle is executed by Python here: neither host.py nor host_runtime.py.
"""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import iree.runtime as rt

from dycl.errors import BundleError
from dycl.runtime import host_runtime
from dycl.runtime.bundle_reader import BundleProblem
from dycl.runtime.graph import runs_on
from dycl.runtime.host_runtime import IREE_ERRORS, Session, problem_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from dycl.signature import Signature

FUNCTION = "main"
_RECORDED = "main_recorded"

# The backends whose devices the host's functions copy between -> IREE's name of such a device.
_DEVICE_KINDS = {"llvm-cpu": "local", "vulkan": "vulkan"}


def vm_host_file(target: Mapping[str, Any]) -> str:
    """The host of a target in a bundle; `target` is its entry in the manifest."""
    return f"host.{target['folder']}.vmfb"


def device_module(backend: str) -> str:
    """The text of the module that gives the host of a program on several devices the one of a backend."""
    kind = _DEVICE_KINDS[backend]
    return f"""module @device_{kind} {{
  util.global private @device = #hal.device.alias<"{kind}"> : !hal.device
  func.func @get() -> !hal.device {{
    %device = util.global.load @device : !hal.device
    return %device : !hal.device
  }}
}}
"""


def vm_host_problem(program: Mapping[str, Any], targets: Sequence[Mapping[str, Any]]) -> str | None:
    """Why a program cannot have a VM host; None where it can.

    Args:
        program: its description (contract C of ARCHITECTURE.md).
        targets: the manifest's entries of its targets.
    """
    if "home" not in program or len(targets) == 1:
        return None
    placed = " and ".join(entry["target"] for entry in targets)
    if sorted(entry["backend"] for entry in targets) != sorted(_DEVICE_KINDS):
        return (
            f"the program runs on {placed}, and the VM host on one device, or on one llvm-cpu and one vulkan; "
            "use host.py (host='python')"
        )
    types = {type_ for region in program["regions"] for type_ in (*region["inputs"], *region["results"])}
    if len({entry["demotes_f64"] for entry in targets}) > 1 and any("f64" in type_ for type_ in types):
        return (
            f"the program runs on {placed}, of which one computes f64 as f32, and the VM host copies without "
            "converting; use host.py (host='python')"
        )
    return None


def link_main(session: Session, signature: Signature) -> Callable[..., tuple[Any, ...]]:
    """The VM host's `main`, called as that of host.py: `main(regions, decide, inputs..., state...)`.

    Raises:
        BundleProblem: where the bundle has no VM host for the session's target.
    """
    problem = vm_host_problem(session.manifest["program"], session.manifest["targets"])
    if problem is not None:
        raise BundleProblem(problem)
    name = vm_host_file(session.target)

    def link() -> tuple[Callable[..., None], Any]:
        invoke, module = session.link(name)
        function = module.lookup_function(_RECORDED)
        if function is None:
            raise BundleProblem(f"{name} is damaged: it has no function {_RECORDED}")
        return invoke, function

    linked, forks = link(), session.forks
    n_results = len(signature.outputs) + len(signature.mutated_inputs) + len(signature.state)

    def main(_regions: object, decide: Callable[[int, Any], Any], *values: Any) -> tuple[Any, ...]:
        nonlocal linked, forks
        if forks != session.forks:
            linked, forks = link(), session.forks
        invoke, function = linked
        arguments, results = rt.VmVariantList(len(values)), rt.VmVariantList(n_results + 1)
        for value in values:
            arguments.push_ref(value)
        try:
            invoke(function, arguments, results)
        except IREE_ERRORS as error:
            raise problem_of("the host", error) from error
        decisions = results.get_as_list(n_results)
        for i in range(0, decisions.size, 2):
            predicate, decision = decisions.get_variant(i), decisions.get_variant(i + 1)
            decide(predicate >> 1, decision if predicate & 1 else bool(decision))
        return tuple([_view(results, i) for i in range(n_results)])

    return main


def _view(results: rt.VmVariantList, i: int) -> rt.HalBufferView | None:
    """A result, or None for one that has no value on the path taken."""
    return None if results.get_variant(i) is None else results.get_as_object(i, rt.HalBufferView)


def run_module_command(
    folder: Path, manifest: Mapping[str, Any], *, target: str | None = None, device: str | None = None
) -> list[str]:
    """The command that runs a bundle without Python, in its initial state; `--input=` and `--output=` are to be added.

    Its results are the program's outputs, then the inputs that it writes, then its new state.

    Args:
        folder: the bundle.
        manifest: its manifest.
        target: which of its targets; None for the one that fits this machine, and for a program that runs on several.
        device: a HAL device; None for the target's own. For a program on several devices: see `pick_devices`.

    Raises:
        BundleError: where the bundle has no such target, or none that runs here; where the program has no VM host.
    """
    problem = vm_host_problem(manifest["program"], manifest["targets"])
    if problem is not None:
        raise BundleError(problem)
    picked = _pick_devices(folder, manifest, target, device)
    home, _ = picked[0]
    host = vm_host_file(home)
    if host not in manifest["files"]:
        raise BundleError(f"{folder} has no host as a VM module for {home['target']}; compile it again")
    if folder.is_file():
        raise BundleError(f"{folder} is a zip, which iree-run-module cannot read; unzip it first")
    folder = folder.resolve()
    modules = [
        *dict.fromkeys(
            host_runtime.region_file(region, chosen["folder"])
            for chosen, _ in picked
            for region in manifest["program"]["regions"]
            if runs_on(region, chosen["folder"])
        )
    ]
    if len(picked) > 1:
        modules += [host_runtime.device_file(dict(chosen)) for chosen, _ in picked]
    archives = host_runtime.SCOPES
    return [
        _find_run_module(),
        # The inputs are put on the first, which is the home.
        *(f"--device={uri}" for _, uri in picked),
        *(f"--module={folder / name}" for name in [*modules, host]),
        f"--function={FUNCTION}",
        *(f"--parameters={scope}={folder / name}" for name, scope in archives.items() if name in manifest["files"]),
    ]


def _pick_devices(
    folder: Path, manifest: Mapping[str, Any], target: str | None, device: str | None
) -> list[tuple[Mapping[str, Any], str]]:
    """The targets to run, the home first, each with its HAL device."""
    if target is None:
        try:
            return [(chosen, uri) for chosen, uri in host_runtime.pick_devices(folder, dict(manifest), device)]
        except host_runtime.BundleProblem as problem:
            raise BundleError(str(problem)) from problem
    by_text = {entry["target"]: entry for entry in manifest["targets"]}
    if "home" in manifest["program"]:
        raise BundleError(f"{folder} runs on {' and '.join(by_text)} at once; leave out --target")
    if target not in by_text:
        raise BundleError(f"{folder} has no target {target!r}; it has {', '.join(by_text)}")
    return [(by_text[target], device or host_runtime.default_device(dict(by_text[target])))]


def _find_run_module() -> str:
    """The path of `iree-run-module` in the installed iree-base-runtime."""
    package = importlib.util.find_spec("iree")
    for place in (package.submodule_search_locations or ()) if package else ():
        tool = Path(place) / "_runtime_libs" / "iree-run-module"
        if tool.is_file():
            return str(tool.resolve())
    return str(Path(sys.executable).parent / "iree-run-module")
