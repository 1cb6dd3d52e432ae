# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The zoo on every device and host, compared with eager PyTorch: decisions and outputs. Prints a table, or JSON.

    python test/benchmarks/devices.py [--tiny] [--inputs N] [--network NAME] [--json]

The table has the largest error, relative to the output's scale, where every call took the same path.

Devices: llvm-cpu on this machine; Vulkan, whichever driver is here (lavapipe computes in software); 64-bit Arm, a
Cortex-A72 that QEMU emulates (`make systems` installs both). Hosts: host.py, and the VM module. On Arm, dycl's base
install (NumPy and IREE's runtime) runs host.py, and iree-run-module the VM module. A device that is not here is left
out, with its reason. Where Vulkan has no f64, f64 is computed as f32 (--demote-f64).

On this CPU, outputs are compared with eager's; the decisions of host.py there are those that the others are compared
with, and `dycl verify` compares them with eager's. On Arm, outputs are compared with those of this CPU, since they are
given one by one there.

With --overhead instead: microseconds that a trip of a loop with one small region takes on each host, on this CPU.
"""

from __future__ import annotations

import argparse
import itertools
import json
import pickle
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
from calls_on_device import decisions, made
from torch.utils._pytree import tree_leaves, tree_map

import dycl
import dycl.zoo
from dycl.compiler import build
from dycl.compiler.api import import_model
from dycl.runtime.vm_host import run_module_command

ARM = "llvm-cpu:aarch64-linux-gnu:cortex-a72"
TARGETS = ["llvm-cpu", "vulkan", ARM]
ROOT = Path(__file__).parents[2]
ARM_SYSTEM = ROOT / "build/systems/aarch64"
EMULATOR = ["qemu-aarch64-static", "-cpu", "cortex-a72", "-L", str(ARM_SYSTEM / "root")]
TOLERANCE = 1e-4


# ---- devices ------------------------------------------------------------------------------------------------
# What runs calls: a function of the arguments of each, to their results and decisions.


def in_process(bundle, device, host):
    program = dycl.load(bundle, device=device, host=host)

    def run(calls):
        return [(program(*args), decisions(program)) for args in calls]

    return run


def by_outputs(bundle):
    """The same on this CPU, with results as their outputs one by one."""
    program = dycl.load(bundle, device="local-sync")

    return lambda calls: as_results(made(program, calls))


def as_results(calls):
    """Outputs by name as tensors one by one."""
    return [(tuple(torch.from_numpy(np.asarray(a)) for a in outputs.values()), path) for outputs, path in calls]


def on_arm_by_python(bundle):
    """By dycl's base install, one process for all calls."""
    packages = f"{ROOT / 'python'}:{ARM_SYSTEM / 'site-packages'}"
    script = Path(__file__).with_name("calls_on_device.py")
    command = [*EMULATOR, "-E", f"PYTHONPATH={packages}", str(ARM_SYSTEM / "root/usr/bin/python3"), str(script)]

    def run(calls):
        with tempfile.TemporaryDirectory() as folder:
            given, found = Path(folder) / "calls.pickle", Path(folder) / "results.pickle"
            given.write_bytes(pickle.dumps([tree_map(as_numpy, args) for args in calls]))
            checked([*command, str(bundle), str(given), str(found)])
            return as_results(pickle.loads(found.read_bytes()))

    return run


def by_tool(bundle, target, emulated=None):
    """By `iree-run-module`, a process a call; results are all outputs, those of other paths too."""
    manifest = json.loads((bundle / "manifest.json").read_text())
    tool, *arguments = run_module_command(bundle, manifest, target=target)
    arguments[arguments.index("--function=main")] = "--function=main_recorded"
    command = [*(emulated or [tool]), *arguments]
    n_results = len(manifest["signature"]["outputs"])

    def run_one(args):
        tensors = [leaf for leaf in tree_leaves(args) if isinstance(leaf, torch.Tensor)]
        with tempfile.TemporaryDirectory() as folder:
            for i, tensor in enumerate(tensors):
                np.save(f"{folder}/x{i}.npy", tensor.numpy())
            files = [f"--input=@{folder}/x{i}.npy" for i in range(len(tensors))]
            files += [f"--output=@{folder}/y{i}.npy" for i in range(n_results)] + ["--output=-"]
            numbers = [int(n) for n in re.findall(r"child_list\[\d+\]: i64=(-?\d+)", checked([*command, *files]))]
            results = tuple(torch.from_numpy(np.load(f"{folder}/y{i}.npy")) for i in range(n_results))
        return results, numbers[1::2]  # Each after the predicate that it is of.

    return lambda calls: [run_one(args) for args in calls]


def as_numpy(leaf):
    return leaf.numpy() if isinstance(leaf, torch.Tensor) else leaf


def checked(command):
    """What a command prints."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(done.stderr)
    return done.stdout


def compiled(imported, path):
    """The bundle, and why Vulkan is not among its targets, if it is not."""
    options = dycl.Options(demote_f64=True)
    try:
        return build(imported, TARGETS, options, path), None
    except dycl.DyclError as error:
        refusal = str(error).partition("\n")[0]
        if "vulkan" not in refusal:
            raise
        return build(imported, [target for target in TARGETS if target != "vulkan"], options, path), refusal


def runners_here(bundle):
    """(device, host, what runs a call, or why nothing does) of each device but Vulkan."""
    yield "llvm-cpu", "python", in_process(bundle, "local-sync", "python")
    yield "llvm-cpu", "vm", in_process(bundle, "local-sync", "vm")
    missing = "no qemu-aarch64-static, or no Python for Arm: make systems"
    has_arm = shutil.which(EMULATOR[0]) and (ARM_SYSTEM / ".complete").is_file()
    yield "aarch64", "python", on_arm_by_python(bundle) if has_arm else missing
    tool = [*EMULATOR, str(ARM_SYSTEM / "site-packages/iree/_runtime_libs/iree-run-module")]
    yield "aarch64", "vm", by_tool(bundle, ARM, tool) if has_arm else missing


def runners_on_vulkan(bundle, refusal):
    """The same of Vulkan."""
    for host in ("python", "vm"):
        try:
            yield "vulkan", host, refusal or in_process(bundle, "vulkan", host)
        except dycl.BundleError as error:
            yield "vulkan", host, str(error)


# ---- comparison ---------------------------------------------------------------------------------------------


class Comparison:
    """A network compiled for all devices, its inputs, and what eager and this CPU make of them."""

    def __init__(self, name, n_inputs, tiny, bundle):
        self.name = name
        factory = getattr(dycl.zoo, name)
        arguments = factory.small if tiny else {}
        model, args = factory(**arguments)
        drawn = list(factory.inputs(10 * n_inputs, seed=3, **arguments))
        self.bundle, self.refusal = compiled(import_model(model, args, None, dycl.Options()), bundle)
        self.inputs = on_different_paths(drawn, in_process(self.bundle, "local-sync", "python"), n_inputs)
        self.here = by_outputs(self.bundle)(self.inputs)
        self.expected = [(model(*given), path) for given, (_, path) in zip(self.inputs, self.here, strict=True)]

    def rows_here(self):
        """A row for each host of each device but Vulkan."""
        return [self.row(*runner) for runner in runners_here(self.bundle)]

    def rows_on_vulkan(self):
        return [self.row(*runner) for runner in runners_on_vulkan(self.bundle, self.refusal)]

    def row(self, device, host, run):
        row = {"device": device, "host": host, "network": self.name, "inputs": len(self.inputs)}
        row["paths"] = len({tuple(path) for _, path in self.here})
        if isinstance(run, str):
            return {**row, "missing": run}
        wanted = self.expected
        if device == "aarch64":
            wanted = self.here if host == "python" else by_tool(self.bundle, TARGETS[0])(self.inputs)
        results = run(self.inputs)
        errors = relative_errors([output for output, _ in results], [output for output, _ in wanted])
        row["same_decisions"] = sum(a == b for (_, a), (_, b) in zip(results, wanted, strict=True))
        row["largest_error"] = max(errors)
        row["agrees"] = row["same_decisions"] == len(self.inputs) and row["largest_error"] <= TOLERANCE
        return row


def compare(names, n_inputs, tiny):
    """A row for each network, device and host.

    Vulkan comes after all else: as long as lavapipe's device is open, two of its threads poll, and IREE keeps it open.
    """
    with tempfile.TemporaryDirectory() as folder:
        comparisons, rows = [], []
        for name in names:
            print(name, file=sys.stderr, flush=True)
            comparisons.append(Comparison(name, n_inputs, tiny, Path(folder) / f"{name}.dycl"))
            rows += comparisons[-1].rows_here()
        for comparison in comparisons:
            print(f"{comparison.name} on Vulkan", file=sys.stderr, flush=True)
            rows += comparison.rows_on_vulkan()
    return rows


def on_different_paths(drawn, run, count):
    """Some of the inputs drawn: as many from each path as there are, in turns."""
    by_path = {}
    for given, (_, path) in zip(drawn, run(drawn), strict=True):
        by_path.setdefault(tuple(path), []).append(given)
    turns = (found[i] for i in range(len(drawn)) for found in by_path.values() if i < len(found))
    return list(itertools.islice(turns, count))


def table(rows):
    """A line for each network, a column for each device and host, and below it why some is missing."""
    columns = list(dict.fromkeys((row["device"], row["host"]) for row in rows))
    notes = list(dict.fromkeys(row["missing"] for row in rows if "missing" in row))
    lines = [
        f"| network | inputs, paths | {' | '.join(f'{device}, {host}' for device, host in columns)} |",
        "|---" * (2 + len(columns)) + "|",
    ]
    for name in dict.fromkeys(row["network"] for row in rows):
        mine = {(row["device"], row["host"]): row for row in rows if row["network"] == name}
        any_row = next(iter(mine.values()))
        cells = " | ".join(cell(mine[column], notes) for column in columns)
        lines.append(f"| {name} | {any_row['inputs']}, {any_row['paths']} | {cells} |")
    return "\n".join([*lines, "", *(f"({i}) {note}" for i, note in enumerate(notes, start=1))])


def cell(row, notes):
    """The largest error where all decisions agree; else how many calls' do."""
    if "missing" in row:
        return f"({notes.index(row['missing']) + 1})"
    error = f"{row['largest_error']:.1e}"
    share = f"{row['same_decisions']} of {row['inputs']}"
    return error if row["same_decisions"] == row["inputs"] else f"{share} decide alike; {error}"


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
        rows = compare(given.network or dycl.zoo.__all__, given.inputs, given.tiny)
    print(json.dumps(rows, indent=1) if given.json else table(rows))
    return 0 if all(row.get("agrees", True) for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
