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
from dycl.runtime.host_runtime import IREE_ERRORS, RegionProblem, Session

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from dycl.signature import Signature

FUNCTION = "main"
_RECORDED = "main_recorded"


def vm_host_file(target: Mapping[str, Any]) -> str:
    """The host of a target in a bundle; `target` is its entry in the manifest."""
    return f"host.{target['folder']}.vmfb"


def _refuse_several_devices(manifest: Mapping[str, Any]) -> None:
    """Refuse a program that is placed on several devices: a VM context knows the devices of one list.

    Raises:
        BundleProblem: for such a program.
    """
    if "home" in manifest["program"]:
        placed = " and ".join(entry["target"] for entry in manifest["targets"])
        raise BundleProblem(f"the program runs on {placed}, and the VM host on one device; use host.py (host='python')")


def link_main(session: Session, signature: Signature) -> Callable[..., tuple[Any, ...]]:
    """The VM host's `main`, called as that of host.py: `main(regions, decide, inputs..., state...)`.

    Raises:
        BundleProblem: where the bundle has no VM host for the session's target.
    """
    _refuse_several_devices(session.manifest)
    name = vm_host_file(session.target)
    context, module = session.link(name)
    function = module.lookup_function(_RECORDED)
    if function is None:
        raise BundleProblem(f"{name} is damaged: it has no function {_RECORDED}")
    n_results = len(signature.outputs) + len(signature.mutated_inputs) + len(signature.state)

    def main(_regions: object, decide: Callable[[int, Any], Any], *values: Any) -> tuple[Any, ...]:
        arguments, results = rt.VmVariantList(len(values)), rt.VmVariantList(n_results + 1)
        for value in values:
            arguments.push_ref(value)
        try:
            context.invoke(function, arguments, results)
        except IREE_ERRORS as error:
            raise RegionProblem(f"the host failed: {error}") from error
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
        target: which of its targets; None for the one that fits this machine.
        device: a HAL device; None for the target's own.

    Raises:
        BundleError: where the bundle has no such target, or none that runs here; where it needs several at once.
    """
    try:
        _refuse_several_devices(manifest)
    except BundleProblem as problem:
        raise BundleError(str(problem)) from problem
    if target is None:
        try:
            chosen, device = host_runtime.pick_target(folder, dict(manifest), device)
        except host_runtime.BundleProblem as problem:
            raise BundleError(str(problem)) from problem
    else:
        by_text = {entry["target"]: entry for entry in manifest["targets"]}
        if target not in by_text:
            raise BundleError(f"{folder} has no target {target!r}; it has {', '.join(by_text)}")
        chosen = by_text[target]
    host = vm_host_file(chosen)
    if host not in manifest["files"]:
        raise BundleError(f"{folder} has no host as a VM module for {chosen['target']}; compile it again")
    if folder.is_file():
        raise BundleError(f"{folder} is a zip, which iree-run-module cannot read; unzip it first")
    folder = folder.resolve()
    regions = [f"regions/{chosen['folder']}/{region['name']}.vmfb" for region in manifest["program"]["regions"]]
    archives = host_runtime.SCOPES
    return [
        _find_run_module(),
        f"--device={device or host_runtime.default_device(dict(chosen))}",
        *(f"--module={folder / name}" for name in [*regions, host]),
        f"--function={FUNCTION}",
        *(f"--parameters={scope}={folder / name}" for name, scope in archives.items() if name in manifest["files"]),
    ]


def _find_run_module() -> str:
    """The path of `iree-run-module` in the installed iree-base-runtime."""
    package = importlib.util.find_spec("iree")
    for place in (package.submodule_search_locations or ()) if package else ():
        tool = Path(place) / "_runtime_libs" / "iree-run-module"
        if tool.is_file():
            return str(tool.resolve())
    return str(Path(sys.executable).parent / "iree-run-module")
