# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""dycl's regions against the same network compiled by IREE into one VMFB. Writes docs/one-module.md.

    python test/benchmarks/one_module.py [--tiny] [--inputs N] [--again] [NETWORK ...]

IREE alone gets what dycl's regions are made of, the optimized function with its `scf` ops, as one module, with the same
flags; both are bundles of the same form, loaded by the same runtime and with the same archive of weights. So what
differs is where control flow runs: between calls that a host sequences, or in the VM's code of one module. (IREE's
importers would not have come so far: they trace.)

Measured a network: bytes of code, and of the bundle, a folder and a stripped zip, against what it may have, its weights
and 5% of them, and 15 KB a region; what a new process takes to load a bundle and make a first call, the one of the
inputs that calls the fewest regions, in seconds and in memory (as in footprint.py); milliseconds a call of all inputs,
with both hosts, in turns. Bundles are compiled once, in build/one-module, and measured when all are there.
"""

from __future__ import annotations

import argparse
import json
import pickle
import re
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

import footprint
import paper
import parts
from devices import as_numpy
from parts import ROOT
from torch.utils._pytree import tree_map

import dycl
import dycl.zoo
from dycl.bundle.pack import pack
from dycl.compiler import phases
from dycl.compiler.api import import_model
from dycl.compiler.imported import ImportedProgram
from dycl.compiler.ir_inspection import split_regions
from dycl.compiler.pipeline import PartitionedProgram, PhaseDump, partition_program, write_program
from dycl.compiler.targets import parse_targets
from dycl.runtime.bundle_reader import BundleReader
from dycl.runtime.host_runtime import PARAMETERS

BUILD = ROOT / "build" / "one-module"
PROCESSES = 5
KINDS = ("dycl", "one")
FAILURE = "failure.txt"  # of IREE alone, beside the bundles


# ---- compiling ----------------------------------------------------------------------------------------------


def compile_both(name: str, n_inputs: int, tiny: bool) -> dict:
    """Both bundles of a network, in build/one-module; for IREE alone, the error if it does not compile."""
    model, args, _ = paper.network(name, n_inputs, tiny)
    folder = BUILD / name
    folder.mkdir(parents=True, exist_ok=True)
    options, targets, dump = dycl.Options(), parse_targets("llvm-cpu"), PhaseDump(None)
    imported = import_model(model, args, None, options)
    write_program(
        partition_program(imported, targets, options, dump), imported, targets, options, folder / "dycl", dump
    )
    (folder / FAILURE).unlink(missing_ok=True)
    try:
        write_program(in_one_module(imported), imported, targets, options, folder / "one", dump)
    except dycl.CompileError as error:
        (folder / FAILURE).write_text(reason(error))
    return {}


def in_one_module(imported: ImportedProgram) -> PartitionedProgram:
    """A program of one region, in which all control flow of a network is."""
    text = phases.partition(as_one_region(phases.optimize(imported.mlir)))
    return PartitionedProgram(phases.host_source(text), phases.description(text), split_regions(text), "")


def as_one_region(optimized: str) -> str:
    """The outlined program that invokes the whole entry as a region."""
    head = re.search(r"^  func\.func @main\((.*)\) -> (.*?)(?: attributes .*)? \{$", optimized, re.MULTILINE)
    if head is None:
        raise ValueError("the optimized program has no entry that gives tensors")
    arguments = re.sub(r' loc\((?:[^()"]|"[^"]*"|\([^)]*\))*\)', "", head[1])
    names, types = zip(*re.findall(r"(%\w+): (tensor<[^>]*>)", arguments), strict=True)
    n_results = head[2].count("tensor<")
    results = ", ".join(f"%r#{i}" for i in range(n_results))
    program = (
        f"  dycl.program @main({arguments}) -> {head[2]} {{\n"
        f"    %r:{n_results} = dycl.invoke @whole({', '.join(names)}) : ({', '.join(types)}) -> {head[2]}\n"
        f"    dycl.return {results} : {head[2].strip('()')}\n"
        "  }\n"
    )
    function = optimized[head.start() :].replace("func.func @main(", "func.func private @whole(", 1)
    return optimized[: head.start()] + program + with_values(function)


def with_values(function: str) -> str:
    """IREE knows no poison: what no path reads is zeros."""
    zero = {"f": "0.0", "i": "0"}

    def constant(found: re.Match[str]) -> str:
        element = found[1].rpartition("x")[2].strip("tensor<>")
        value = "false" if element == "i1" else zero[element[0]]
        return f"arith.constant {f'dense<{value}>' if found[1].startswith('tensor') else value} : {found[1]}"

    return re.sub(r"ub\.poison : ((?:tensor<(?:\d+x)*)?[fi]\d+>?)", constant, function)


def reason(error: dycl.CompileError) -> str:
    """The first line in which iree-compile says what is wrong; a stack is that of a crash."""
    text = f"{error}\n{error.diagnostics or ''}"
    found = re.search(r"error: (.*)", text)
    if "Stack dump" in text or "PLEASE submit a bug report" in text:
        return "iree-compile crashes"
    return found[1] if found else text.splitlines()[0]


# ---- measuring ----------------------------------------------------------------------------------------------


def size(name: str, n_inputs: int, tiny: bool) -> dict:
    """Bytes of a network's bundle, and of the code that IREE alone makes if it compiles it."""
    del n_inputs, tiny
    bundle = BUILD / name / "dycl"
    reader = BundleReader(bundle)
    n_regions = len(reader.manifest["program"]["regions"])
    weights = bundle / PARAMETERS
    with tempfile.TemporaryDirectory() as folder:
        zipped = Path(folder) / "net.dycl"
        pack(reader, zipped, as_zip=True, strip=True)
        zip_bytes = zipped.stat().st_size
    record = {
        "regions": n_regions,
        "vmfbs": len(region_files(bundle)),
        "folder": total_bytes(path for path in bundle.rglob("*") if path.is_file()),
        "zip": zip_bytes,
        "allowed": 1.05 * (weights.stat().st_size if weights.exists() else 0) + 15 * 1024 * n_regions,
    }
    kinds = KINDS[:1] if (BUILD / name / FAILURE).exists() else KINDS
    return record | {f"code_{kind}": total_bytes(region_files(BUILD / name / kind)) for kind in kinds}


def region_files(bundle: Path) -> list[Path]:
    """The regions' VMFBs, without the host's."""
    return list((bundle / "regions").rglob("*.vmfb"))


def total_bytes(files: Iterable[Path]) -> int:
    return sum(path.stat().st_size for path in files)


def measure(name: str, n_inputs: int, tiny: bool) -> dict:
    """How both bundles of a network compare. All samples are kept."""
    folder = BUILD / name
    if (folder / FAILURE).exists():
        return {"failure": (folder / FAILURE).read_text()}
    _, _, drawn = paper.network(name, n_inputs, tiny)
    inputs = drawn.arguments
    program = dycl.load(folder / "dycl")
    whole = dycl.load(folder / "one")
    n_calls, kinds = [], dict(program.hcfg.nodes(data="kind"))
    for given in inputs:
        expected = program(*given)
        found = paper.agreement([whole(*given)], [expected])
        if found["inconsistent"]:
            raise RuntimeError(f"{name} in one module gives other results than dycl's regions")
        n_calls.append(sum(edge.count for edge in program.last_path if kinds[edge.target] == "region"))
    shortest = min(range(len(inputs)), key=n_calls.__getitem__)
    first = folder / "first.pickle"
    first.write_bytes(pickle.dumps(tree_map(as_numpy, inputs[shortest])))
    record: dict = {"inputs": len(inputs), "calls": statistics.mean(n_calls)}
    starts = [(kind, started(folder / kind, first)) for _ in range(PROCESSES) for kind in KINDS]
    for kind in KINDS:
        record[f"start_{kind}"] = [numbers for which, numbers in starts if which == kind]
    calls = {"dycl": program, "vm": dycl.load(folder / "dycl", host="vm"), "one": whole}
    for given in inputs:
        calls["vm"](*given)
    return record | paper.latencies(calls, inputs)


def started(bundle: Path, first: Path) -> dict:
    """What a new process takes to load a bundle, and for a first call."""
    command = [sys.executable, footprint.__file__, "--load", str(bundle), "--call", str(first)]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


# ---- the page -----------------------------------------------------------------------------------------------


def page(records: list[dict]) -> str:
    both = [record for record in records if "failure" not in record]
    failed = [record for record in records if "failure" in record]
    ratios = sorted(record["ms"]["one"] / record["ms"]["dycl"] for record in both)
    lines = [
        "<!-- Written by test/benchmarks/one_module.py; do not edit. -->",
        "# Against one VMFB",
        "",
        f"{len(records)} networks of the zoo, {both[0]['inputs']} inputs each, one thread, {both[0]['machine']}: "
        "dycl's regions, and the same optimized function compiled by IREE into one VMFB, with the same flags, weights "
        f"and runtime. IREE alone compiles {len(both)} of them. Load average when a measurement began: at most "
        f"{max(record['load'] for record in both)}. Medians; `docs/one-module.json` has the samples.",
        "",
        f"A call takes IREE alone {ratios[0]:.2f} to {ratios[-1]:.2f} times as long as dycl (median "
        f"{statistics.median(ratios):.2f}).",
        "",
        "## A call",
        "",
        "Milliseconds over all inputs, in turns; `calls` is how many regions an input calls, on average; the last "
        "columns are what dycl takes more than IREE alone, in microseconds a region call, with host.py and with the VM "
        "host. Where regions are small that is what a call costs; where they are large, noise, and what IREE makes "
        "of one module or of several.",
        "",
        "| network | regions | calls | dycl | dycl, VM host | one VMFB | one VMFB / dycl | more: python | more: vm |",
        "|---|---|---|---|---|---|---|---|---|",
        *map(call_row, both),
        "",
        "## A start",
        "",
        f"Of a new process (medians of {PROCESSES}): the time to load the bundle, hashes checked, and for the first "
        "call, the shortest of the inputs; the peak of memory that this adds, and how much of what stays "
        "is the process's own (heap) and not pages of files.",
        "",
        "| network | load: dycl, one (ms) | first call (ms) | peak: dycl, one (MB) | heap: dycl, one (MB) |",
        "|---|---|---|---|---|",
        *map(start_row, both),
        "",
        "## A bundle",
        "",
        "KB of it as a folder, and as one file that people need not read (`dycl bundle --zip --strip`; weights are "
        "mapped from it as from a folder), and what either may have: weights, 5% of them and 15 KB a region. "
        f"{within(records, 'zip')} of {len(records)} zips have no more, and {within(records, 'folder')} folders; in "
        "bold, what has. First, in how many VMFBs the code is, and how large.",
        "",
        "| network | regions: VMFBs | code: dycl | code: one VMFB | folder | stripped zip | allowed |",
        "|---|---|---|---|---|---|---|",
        *map(size_row, records),
        "",
        "## What IREE alone does not compile",
        "",
        *(f"- {record['network']}: {record['failure']}" for record in failed),
    ]
    return "\n".join(lines) + "\n"


def call_row(record: dict) -> str:
    ms = record["ms"]
    cells = [record["regions"], f"{record['calls']:.0f}", *(f"{ms[kind]:.3g}" for kind in ("dycl", "vm", "one"))]
    cells += [f"{ms['one'] / ms['dycl']:.2f}", f"{more(record, 'dycl'):+.1f}", f"{more(record, 'vm'):+.1f}"]
    return f"| {record['network']} | {' | '.join(map(str, cells))} |"


def more(record: dict, host: str) -> float:
    """What dycl takes more than IREE alone, in microseconds a region call."""
    return 1e3 * (record["ms"][host] - record["ms"]["one"]) / record["calls"]


def start_row(record: dict) -> str:
    def pair(give, digits: int) -> str:
        return ", ".join(f"{statistics.median(map(give, record[f'start_{kind}'])):.{digits}f}" for kind in KINDS)

    cells = [
        pair(lambda s: s["load_s"] * 1e3, 0),
        pair(lambda s: s["first_call_s"] * 1e3, 0),
        pair(lambda s: max(s["load_peak_mb"], s["load_resident_mb"] + s["first_call_peak_mb"]), 0),
        pair(lambda s: s["load_heap_mb"] + s["first_call_heap_mb"], 0),
    ]
    return f"| {record['network']} | {' | '.join(cells)} |"


def within(records: list[dict], form: str) -> int:
    """How many bundles of a form, folder or zip, have no more than they may have."""
    return sum(record[form] <= record["allowed"] for record in records)


def size_row(record: dict) -> str:
    def kilobytes(form: str) -> str:
        text = f"{record[form] / 1024:.0f}"
        return f"**{text}**" if record[form] > record["allowed"] else text

    one = f"{record['code_one'] / 1024:.0f}" if "code_one" in record else ""
    cells = [f"{record['regions']}: {record['vmfbs']}", f"{record['code_dycl'] / 1024:.0f}", one]
    return f"| {record['network']} | {' | '.join([*cells, *map(kilobytes, ('folder', 'zip', 'allowed'))])} |"


# ---- command line -------------------------------------------------------------------------------------------

PARTS = {"compile": compile_both, "size": size, "measure": measure}


def main() -> int:
    docs = ROOT / "docs"
    given = parts.parse(__doc__, PARTS, inputs=20, results=BUILD, page=docs / "one-module.md")
    if given.alone:
        return parts.measure_alone(PARTS, given)
    failed = parts.measure_missing(__file__, PARTS, given.networks or dycl.zoo.__all__, given)
    records = [record for name in dycl.zoo.__all__ if (record := recorded(given, name))]
    if any("failure" not in record for record in records):
        given.page.write_text(page(records))
        given.page.with_suffix(".json").write_text(as_json(records))
        print(f"{given.page}: {len(records)} networks")
    return parts.report(failed)


def recorded(given: argparse.Namespace, name: str) -> dict | None:
    """What was measured of a network; none if a part is missing."""
    paths = [parts.path(given, name, part) for part in ("size", "measure")]
    if not all(path.exists() for path in paths):
        return None
    sizes, measured = (json.loads(path.read_text()) for path in paths)
    return sizes | measured  # its load average is that of the measured times


def as_json(records: list[dict]) -> str:
    """A list, a line a network."""
    return "[\n" + ",\n".join(map(json.dumps, records)) + "\n]\n"


if __name__ == "__main__":
    sys.exit(main())
