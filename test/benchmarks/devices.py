# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The zoo on every device and host, compared with eager PyTorch: decisions and outputs. Prints a table, or JSON.

    python test/benchmarks/devices.py [--tiny] [--inputs N] [--network NAME] [--json]

Devices: llvm-cpu on this machine; Vulkan, whichever driver is here (lavapipe computes in software); 64-bit Arm, a
Cortex-A72 that QEMU emulates (`make systems` installs both). Hosts: host.py, and the VM module. On Arm iree-run-module
runs the VM module; host.py would need a Python for Arm. A device that is not here is left out, with its reason. Where
Vulkan has no f64, f64 is computed as f32 (--demote-f64).

On this CPU, outputs are compared with eager's; the decisions of host.py there are those that the others are compared
with, and `dycl verify` compares them with eager's. On Arm, outputs are compared with those of this CPU, since
iree-run-module gives them one by one.

With --overhead instead: microseconds that a trip of a loop with one small region takes on each host, on this CPU.
"""

from __future__ import annotations

import argparse
import itertools
import json
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from agreement import relative_errors
from torch.utils._pytree import tree_leaves

import dycl
import dycl.zoo
from dycl.compiler import build
from dycl.compiler.api import import_model
from dycl.runtime.vm_host import run_module_command

ARM = "llvm-cpu:aarch64-linux-gnu:cortex-a72"
TARGETS = ["llvm-cpu", "vulkan", ARM]
ROOT = Path(__file__).parents[2]
EMULATED = ROOT / "build/systems/aarch64/site-packages/iree/_runtime_libs/iree-run-module"
TOLERANCE = 1e-4


# ---- devices ------------------------------------------------------------------------------------------------


def in_process(bundle, device, host):
    """What runs a call: its result, and the decisions in order."""
    program = dycl.load(bundle, device=device, host=host)

    def run(args):
        result = program(*args)
        return result, program.last_path

    return run


def by_tool(bundle, target, prefix=()):
    """The same by `iree-run-module`, a process a call: each result, and the decisions as numbers."""
    manifest = json.loads((bundle / "manifest.json").read_text())
    tool, *arguments = run_module_command(bundle, manifest, target=target)
    arguments[arguments.index("--function=main")] = "--function=main_recorded"
    command = [*(prefix or [tool]), *arguments]
    n_results = len(manifest["signature"]["outputs"])

    def run(args):
        tensors = [leaf for leaf in tree_leaves(args) if isinstance(leaf, torch.Tensor)]
        with tempfile.TemporaryDirectory() as folder:
            for i, tensor in enumerate(tensors):
                np.save(f"{folder}/x{i}.npy", tensor.numpy())
            files = [f"--input=@{folder}/x{i}.npy" for i in range(len(tensors))]
            files += [f"--output=@{folder}/y{i}.npy" for i in range(n_results)] + ["--output=-"]
            done = subprocess.run([*command, *files], capture_output=True, text=True, check=False)
            if done.returncode != 0:
                raise RuntimeError(done.stderr)
            numbers = [int(n) for n in re.findall(r"child_list\[\d+\]: i64=(-?\d+)", done.stdout)]
            return tuple(torch.from_numpy(np.load(f"{folder}/y{i}.npy")) for i in range(n_results)), numbers

    return run


def compiled(imported, folder):
    """The bundle, and why Vulkan is not among its targets, if it is not."""
    options, path = dycl.Options(demote_f64=True), Path(folder) / "net.dycl"
    try:
        return build(imported, TARGETS, options, path), None
    except dycl.DyclError as error:
        refusal = str(error).partition("\n")[0]
        if "vulkan" not in refusal:
            raise
        return build(imported, [target for target in TARGETS if target != "vulkan"], options, path), refusal


def runners(bundle, refusal):
    """(device, host, what runs a call, or why nothing does)."""
    yield "llvm-cpu", "python", in_process(bundle, "local-sync", "python")
    yield "llvm-cpu", "vm", in_process(bundle, "local-sync", "vm")
    for host in ("python", "vm"):
        try:
            yield "vulkan", host, refusal or in_process(bundle, "vulkan", host)
        except dycl.BundleError as error:
            yield "vulkan", host, str(error)
    if shutil.which("qemu-aarch64-static") and EMULATED.is_file():
        emulator = ["qemu-aarch64-static", "-cpu", "cortex-a72", "-L", "/usr/aarch64-linux-gnu", str(EMULATED)]
        yield "aarch64", "vm", by_tool(bundle, ARM, emulator)
    else:
        yield "aarch64", "vm", "no qemu-aarch64-static, or no iree-run-module for Arm: make systems"


# ---- comparison ---------------------------------------------------------------------------------------------


def compare(name, n_inputs, tiny):
    """A row for each device and host."""
    factory = getattr(dycl.zoo, name)
    arguments = factory.small if tiny else {}
    model, args = factory(**arguments)
    drawn = list(factory.inputs(10 * n_inputs, seed=3, **arguments))
    with tempfile.TemporaryDirectory() as folder:
        bundle, refusal = compiled(import_model(model, args, None, dycl.Options()), folder)
        by_path = on_different_paths(drawn, in_process(bundle, "local-sync", "python"), n_inputs)
        inputs, expected = [given for given, _ in by_path], [(model(*given), path) for given, path in by_path]
        paths = len({tuple(path) for _, path in expected})
        for device, host, run in runners(bundle, refusal):
            row = {"device": device, "host": host, "network": name, "inputs": len(inputs), "paths": paths}
            if isinstance(run, str):
                yield {**row, "missing": run}
                continue
            wanted = list(map(by_tool(bundle, TARGETS[0]), inputs)) if device == "aarch64" else expected
            results = [run(given) for given in inputs]
            errors = relative_errors([output for output, _ in results], [output for output, _ in wanted])
            row["same_decisions"] = sum(a == b for (_, a), (_, b) in zip(results, wanted, strict=True))
            row["largest_error"] = max(errors)
            row["agrees"] = row["same_decisions"] == len(inputs) and row["largest_error"] <= TOLERANCE
            yield row


def on_different_paths(drawn, run, count):
    """Some of the inputs drawn, each with its path: as many from each path as there are, in turns."""
    by_path = {}
    for given in drawn:
        path = run(given)[1]
        by_path.setdefault(tuple(path), []).append((given, path))
    turns = (found[i] for i in range(len(drawn)) for found in by_path.values() if i < len(found))
    return list(itertools.islice(turns, count))


def table(rows):
    lines = [
        "| device | host | network | same decisions | largest error, of the output's scale |",
        "|---|---|---|---|---|",
    ]
    for row in rows:
        where = f"| {row['device']} | {row['host']} | {row['network']} |"
        if "missing" in row:
            lines.append(f"{where} {row['missing']} | |")
            continue
        share = f"{row['same_decisions']} of {row['inputs']}, on {row['paths']} paths"
        lines.append(f"{where} {share} | {row['largest_error']:.1e} |")
    return "\n".join(lines)


# ---- overhead -----------------------------------------------------------------------------------------------


def counted(x, n):
    i = 0
    while i < n:
        x = x + 1
        i = i + 1
    return x


def overhead(trips=2000, rounds=9):
    """Microseconds a trip of a loop around a region that adds one to a number, on each host: medians."""
    arguments = torch.zeros(()), torch.tensor(0)
    report = {}
    with tempfile.TemporaryDirectory() as folder:
        options = dycl.Options()
        bundle = build(import_model(counted, arguments, None, options), "llvm-cpu", options, Path(folder) / "net.dycl")
        for host in ("python", "vm"):
            program = dycl.load(bundle, host=host)
            samples = {0: [], trips: []}
            for _ in range(rounds):
                for n, times in samples.items():
                    start = time.perf_counter()
                    program(torch.zeros(()), torch.tensor(n))
                    times.append(time.perf_counter() - start)
            none, many = (statistics.median(times) for times in samples.values())
            report[host] = {"us_a_trip": round((many - none) / trips * 1e6, 2), "us_a_call": round(none * 1e6, 1)}
    return report


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--inputs", type=int, default=20, help="of each network (default: 20)")
    parser.add_argument("--network", choices=dycl.zoo.__all__, action="append", help="again for another (default: all)")
    parser.add_argument("--tiny", action="store_true", help="the small forms of the networks")
    parser.add_argument("--overhead", action="store_true", help="measure a region call on each host instead")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    with torch.no_grad():
        if given.overhead:
            print(json.dumps(overhead()))
            return 0
        rows = [row for name in given.network or dycl.zoo.__all__ for row in compare(name, given.inputs, given.tiny)]
    print(json.dumps(rows, indent=1) if given.json else table(rows))
    return 0 if all(row.get("agrees", True) for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
