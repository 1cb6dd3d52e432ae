# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""What a bundle costs: seconds and memory of import, compilation and loading, and its size. Prints JSON.

    python test/benchmarks/footprint.py [--mb 400] [--kind linear|conv]     a network of that many MB, with one branch
                                        [--no-pack-weights]                  whose weights are all mapped
    python test/benchmarks/footprint.py --load NET.dycl [--loading eager] [--memory-budget MB]   load it, call it twice
                                        [--call ARGUMENTS.pickle]            load it, call it once with these

Memory is Linux's, in MB (2**20 bytes): `peak` is how far the resident set rose above where it was when the model was
loaded, `heap` how much of what stayed is the process's own (RssAnon), not pages of files, `resident` how far it rose in
all. Each line is one process.
"""

from __future__ import annotations

import argparse
import json
import pickle
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path


def memory(key: str) -> float:
    """A line of /proc/self/status, in MB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(f"{key}:"))


@contextmanager
def measured(report: dict, name: str):
    """Notes the seconds and the memory of what runs inside, as NAME_s, NAME_peak_mb, NAME_resident_mb, NAME_heap_mb."""
    Path("/proc/self/clear_refs").write_text("5")  # the peak so far is forgotten
    resident, heap, start = memory("VmRSS"), memory("RssAnon"), time.perf_counter()
    yield
    report[f"{name}_s"] = round(time.perf_counter() - start, 4)
    report[f"{name}_peak_mb"] = round(memory("VmHWM") - resident, 1)
    report[f"{name}_resident_mb"] = round(memory("VmRSS") - resident, 1)
    report[f"{name}_heap_mb"] = round(memory("RssAnon") - heap, 1)


def network(kind: str, mb: int):
    """A network of `mb` MB of weights in two halves, the second behind a condition; and an input."""
    import torch

    torch.manual_seed(0)
    if kind == "linear":
        width = 1024
        layer = lambda: torch.nn.Sequential(torch.nn.Linear(width, width), torch.nn.Tanh())
        x, size = torch.ones(1, width), width * width * 4
    else:
        width = 256
        layer = lambda: torch.nn.Sequential(
            torch.nn.Conv2d(width, width, 3, padding=1, bias=False), torch.nn.BatchNorm2d(width), torch.nn.ReLU()
        )
        x, size = torch.ones(1, width, 8, 8), width * width * 9 * 4
    half = max(1, round(mb * 2**20 / size / 2))

    class Net(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.first = torch.nn.Sequential(*[layer() for _ in range(half)])
            self.second = torch.nn.Sequential(*[layer() for _ in range(half)])

        def forward(self, x):
            y = self.first(x)
            if x.sum() > 0:
                return y
            return self.second(y)

    return Net().eval(), x


def compiled(kind: str, mb: int, destination: Path, options) -> dict:
    """Compiles a network, and says what that took."""
    import torch

    from dycl.compiler import build
    from dycl.compiler.api import import_model

    report: dict = {"kind": kind, "pack_weights": options.pack_weights}
    warm_up, x = network(kind, 1)
    import_model(warm_up, (x,), None, options)  # loads the libraries, which are no part of this
    model, x = network(kind, mb)
    report["weights_mb"] = round(sum(p.numel() * p.element_size() for p in model.parameters()) / 2**20, 1)
    with measured(report, "import"):
        imported = import_model(model, (x,), None, options)
    report["ir_kb"] = round(len(imported.mlir) / 1024, 1)
    with measured(report, "compile"):
        build(imported, "llvm-cpu", options, destination)
    files = [path.stat().st_size for path in destination.rglob("*") if path.is_file()]
    report["bundle_mb"] = round(sum(files) / 2**20, 2)
    report["threads"] = torch.get_num_threads()
    return report


def loaded(bundle: str, call: Path | None = None, **options) -> dict:
    """Loads a bundle, makes its first call, and says what that took.

    Args:
        bundle: to load.
        call: the arguments, pickled; without it, ones, and a second call is made with their negatives.
        options: of `dycl.load`.
    """
    import numpy as np

    import dycl

    report: dict = {"bundle": Path(bundle).name, **options}
    resident = memory("VmRSS")
    with measured(report, "load"):
        program = dycl.load(bundle, **options)
    inputs = (
        pickle.loads(call.read_bytes())
        if call
        else [np.ones(spec.shape, spec.dtype.replace("f", "float")) for spec in program.signature.inputs]
    )
    with measured(report, "first_call"):
        program.call_flat(*inputs)
    report["regions"] = len(program.regions)
    report["first_call_regions"] = len(program.loaded_regions)
    if call is None:
        with measured(report, "other_side"):
            program.call_flat(*[-x for x in inputs])
    report["resident_mb"] = round(memory("VmRSS") - resident, 1)
    return report


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mb", type=int, default=400)
    parser.add_argument("--kind", choices=("linear", "conv"))
    parser.add_argument("--no-pack-weights", action="store_true")
    parser.add_argument("--no-tile", action="store_true", help="so that IREE packs weights, not dycl")
    parser.add_argument("--no-winograd", action="store_true", help="with weights of convolutions as large as they are")
    parser.add_argument("--output", type=Path, help="keep the bundle here")
    parser.add_argument("--load", metavar="BUNDLE")
    parser.add_argument("--loading", default="lazy")
    parser.add_argument("--memory-budget", type=int, metavar="MB")
    parser.add_argument("--call", type=Path, metavar="ARGUMENTS")
    given = parser.parse_args()
    if given.load:
        budget = given.memory_budget * 2**20 if given.memory_budget is not None else None
        print(json.dumps(loaded(given.load, given.call, loading=given.loading, memory_budget=budget)))
    elif given.kind and given.output:
        import dycl

        options = dycl.Options(
            pack_weights=not given.no_pack_weights, tile=not given.no_tile, winograd=not given.no_winograd
        )
        print(json.dumps(compiled(given.kind, given.mb, given.output, options)))
    else:
        packing = ["--no-pack-weights"] if given.no_pack_weights else []
        packing += ["--no-tile"] if given.no_tile else []
        packing += ["--no-winograd"] if given.no_winograd else []
        for kind in (given.kind,) if given.kind else ("linear", "conv"):
            with tempfile.TemporaryDirectory() as folder:
                bundle = f"{folder}/net.dycl"
                made = ["--kind", kind, "--mb", str(given.mb), "--output", bundle, *packing]
                for arguments in (made, ["--load", bundle]):
                    subprocess.run([sys.executable, __file__, *arguments], check=True)


if __name__ == "__main__":
    main()
