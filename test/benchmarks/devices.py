# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The zoo on every device and host, compared with eager PyTorch: decisions and outputs. Prints a table, or JSON.

    python test/benchmarks/devices.py [--tiny] [--images N] [--json]

Devices: llvm-cpu on this machine; Vulkan, whichever driver is here (lavapipe computes in software); 64-bit Arm, a
Cortex-A72 that QEMU emulates (`make systems` installs both). Hosts: host.py, and the VM module. On Arm iree-run-module
runs the VM module; host.py would need a Python for Arm. A device that is not here is left out, with its reason.

With --overhead instead: microseconds that a trip of a loop with one small region takes on each host, on this CPU.
"""

from __future__ import annotations

import argparse
import copy
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

import dycl
from dycl.compiler import build
from dycl.compiler.api import import_model
from dycl.runtime.vm_host import run_module_command
from dycl.zoo import digits
from dycl.zoo.images import random_images

ARM = "llvm-cpu:aarch64-linux-gnu:cortex-a72"
TARGETS = ["llvm-cpu", "vulkan", ARM]
ROOT = Path(__file__).parents[2]
EMULATED = ROOT / "build/systems/aarch64/site-packages/iree/_runtime_libs/iree-run-module"
TOLERANCE = 1e-4


# ---- networks -----------------------------------------------------------------------------------------------


def watch(modules):
    """A set that always holds the indices of the modules that ran since it was last cleared."""
    ran = set()
    for index, module in enumerate(modules):
        module.register_forward_hook(lambda *_, index=index: ran.add(index))
    return ran


def digits_case(n_images, tiny):
    """The network, another of it for eager, images that leave at each exit, what ran, and what eager decided last."""
    model, _ = dycl.zoo.digits_early_exit()
    eager = copy.deepcopy(model)  # dycl compiles no model with hooks
    ran = watch(eager.exits)
    images = digits.load_digits().test_images.split(1)
    by_exit = {}
    for image in images:
        ran.clear()
        eager(image)
        by_exit.setdefault(len(ran), []).append(image)
    chosen = [found[i] for i in range(n_images) for found in by_exit.values() if i < len(found)][:n_images]
    return model, eager, chosen, ran, lambda: [False] * (len(ran) - 1) + [True] * (len(ran) < 3)


def skipnet_case(n_images, tiny):
    model, _ = dycl.zoo.skipnet38_rnn(tiny=tiny)
    eager = copy.deepcopy(model)
    ran = watch(eager.blocks[1:])
    images = list(random_images(n_images, seed=3).split(1))
    return model, eager, images, ran, lambda: [index in ran for index in range(len(model.blocks) - 1)]


NETWORKS = {"digits_early_exit": digits_case, "skipnet38_rnn": skipnet_case}


# ---- devices ------------------------------------------------------------------------------------------------


def in_process(bundle, device, host):
    """What runs an image: its output, and the conditions decided."""
    program = dycl.load(bundle, device=device, host=host)

    def run(image):
        output = program(image)
        return output.numpy(), [edge.label == "true" for edge in program.last_path if edge.label in ("true", "false")]

    return run


def emulated(bundle):
    """The same by `iree-run-module` for Arm: a process an image."""
    manifest = json.loads((bundle / "manifest.json").read_text())
    _, *arguments = run_module_command(bundle, manifest, target=ARM)
    arguments[arguments.index("--function=main")] = "--function=main_recorded"
    command = ["qemu-aarch64-static", "-cpu", "cortex-a72", "-L", "/usr/aarch64-linux-gnu", EMULATED, *arguments]

    def run(image):
        with tempfile.TemporaryDirectory() as folder:
            np.save(f"{folder}/x.npy", image.numpy())
            files = [f"--input=@{folder}/x.npy", f"--output=@{folder}/y.npy", "--output=-"]
            done = subprocess.run([*command, *files], capture_output=True, text=True, check=False)
            if done.returncode != 0:
                raise RuntimeError(done.stderr)
            numbers = [int(n) for n in re.findall(r"child_list\[\d+\]: i64=(-?\d+)", done.stdout)]
            return np.load(f"{folder}/y.npy"), [bool(decision) for decision in numbers[1::2]]

    return run


def runners(bundle):
    """(device, host, what runs an image, or why nothing does)."""
    yield "llvm-cpu", "python", in_process(bundle, "local-sync", "python")
    yield "llvm-cpu", "vm", in_process(bundle, "local-sync", "vm")
    for host in ("python", "vm"):
        try:
            yield "vulkan", host, in_process(bundle, "vulkan", host)
        except dycl.BundleError as error:
            yield "vulkan", host, str(error)
    if shutil.which("qemu-aarch64-static") and EMULATED.is_file():
        yield "aarch64", "vm", emulated(bundle)
    else:
        yield "aarch64", "vm", "no qemu-aarch64-static, or no iree-run-module for Arm: make systems"


# ---- comparison ---------------------------------------------------------------------------------------------


def compare(name, n_images, tiny):
    """A row for each device and host."""
    model, eager, images, ran, decisions = NETWORKS[name](n_images, tiny)
    expected = []
    for image in images:
        ran.clear()
        expected.append((eager(image).numpy(), decisions()))
    paths = len({tuple(taken) for _, taken in expected})
    with tempfile.TemporaryDirectory() as folder:
        options = dycl.Options()
        bundle = build(import_model(model, (images[0],), None, options), TARGETS, options, Path(folder) / "net.dycl")
        for device, host, run in runners(bundle):
            row = {"device": device, "host": host, "network": name, "images": len(images), "paths": paths}
            if isinstance(run, str):
                yield {**row, "missing": run}
                continue
            results = [run(image) for image in images]
            pairs = list(zip(results, expected, strict=True))
            row["same_decisions"] = sum(got[1] == wanted[1] for got, wanted in pairs)
            row["largest_difference"] = max(float(np.abs(got[0] - wanted[0]).max()) for got, wanted in pairs)
            row["agrees"] = row["same_decisions"] == len(images) and row["largest_difference"] <= TOLERANCE
            yield row


def table(rows):
    lines = ["| device | host | network | same decisions | largest difference |", "|---|---|---|---|---|"]
    for row in rows:
        where = f"| {row['device']} | {row['host']} | {row['network']} |"
        if "missing" in row:
            lines.append(f"{where} not here | |")
            continue
        share = f"{row['same_decisions']} of {row['images']}, on {row['paths']} paths"
        lines.append(f"{where} {share} | {row['largest_difference']:.1e} |")
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
    parser.add_argument("--images", type=int, default=20, help="of each network (default: 20)")
    parser.add_argument("--network", choices=NETWORKS, action="append", help="again for another (default: all)")
    parser.add_argument("--tiny", action="store_true", help="a SkipNet of five gates and an eighth of the channels")
    parser.add_argument("--overhead", action="store_true", help="measure a region call on each host instead")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    with torch.no_grad():
        if given.overhead:
            print(json.dumps(overhead()))
            return 0
        rows = [row for name in given.network or NETWORKS for row in compare(name, given.images, given.tiny)]
    print(json.dumps(rows, indent=1) if given.json else table(rows))
    return 0 if all(row.get("agrees", True) for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
