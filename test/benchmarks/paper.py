# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The DyCL paper's evaluation (ISSTA 2023), redone on the zoo: docs/paper.md, from one JSON file a network.

    python test/benchmarks/paper.py                        measure what has no result yet, then write the page
    python test/benchmarks/paper.py skipnet38_rnn --again  measure one network again
    python test/benchmarks/paper.py --tiny --inputs 10 --results /tmp/r --page /tmp/paper.md      a trial

RQ1  are the results eager PyTorch's? Of dycl, and of what a tracing compiler is given (`torch.jit.trace`, from which
     ONNX Runtime's and TVM's importers start, and `torch.export`).
RQ2  how fast is it? Eager and dycl take turns, one thread each, on the same inputs; medians, all samples in the JSON.
RQ3  what do the graph optimizations (`simplify_host`) bring?
RQ4  how long do rewriting, optimizing and compiling take? Compiled anew, on every core.

Each part (`--part results` is RQ1 and RQ4, `--part speed` RQ2 and RQ3) of each network is measured in a process of its
own. Nothing else should run on the machine: the page says what its load was.
"""

from __future__ import annotations

import argparse
import copy
import io
import json
import logging
import shutil
import statistics
import sys
import tempfile
import time
import warnings
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import parts
import torch
from agreement import relative_errors
from parts import ROOT
from torch.utils._pytree import tree_leaves, tree_map

import dycl
import dycl.zoo
from dycl.bundle import read_bundle
from dycl.compiler.api import import_model
from dycl.compiler.imported import ImportedProgram
from dycl.compiler.pipeline import PhaseDump, partition_program, write_program
from dycl.compiler.targets import parse_targets
from dycl.report.inputs import factory_inputs
from dycl.runtime.program import Program

SEED = 2023
# Beyond rounding: a difference that is this large, relative to the largest number of the output, has another cause.
INCONSISTENT = 1e-3
INPUTS_A_TURN = 25
# Profiled with `program.profile()`; ARCHITECTURE.md says more.
WHY_SLOWER = (
    "What takes their time are products of sizes that depend on data (the rows that are routed to an expert, the "
    "sentences of a batch that are left): IREE compiles those for any size, and dycl has no weights packed for them."
)
SECONDS_A_NETWORK = 60

# The nine subjects of the paper, by what the zoo calls them.
SUBJECTS = (
    "sdn_mobilenet",
    "sdn_vgg19",
    "sdn_resnet50",
    "sdn_wideresnet",
    "skipnet38_rnn",
    "skipnet38_dense",
    "blockdrop32",
    "caption_resnext",
    "caption_googlenet",
)
ORDER = tuple(dict.fromkeys([*SUBJECTS, *dycl.zoo.__all__]))


# ---- one network --------------------------------------------------------------------------------------------


def measure_results(name: str, n_inputs: int, tiny: bool) -> dict:
    """Costs in seconds, and how results compare; errors are relative to the output's scale."""
    model, args, drawn = network(name, n_inputs, tiny)
    inputs = drawn.arguments
    record = {"inputs": len(inputs), "parameters": sum(p.numel() for p in model.parameters())}
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        imported = import_model(model, args, None, dycl.Options())
        record["import_s"] = time.perf_counter() - start
        shutil.rmtree(parts.cache_of(name), ignore_errors=True)  # Compiled anew; kept for `measure_speed`.
        program = build(imported, dycl.Options(), Path(folder) / "net.dycl", record)
        record["regions"] = len(program.regions)
        expected = [model(*given) for given in inputs]
        record["dycl"] = agreement([program(*given) for given in inputs], expected)
        report = dycl.verify(program, model, drawn)
        record["decisions"] = {"compared": report.decisions, "agreeing": report.agreed}
        record |= {"near_ties": len(report.near_ties), "failures": [failure.message for failure in report.failures]}
        record["coverage"] = report.coverage
        record["untaken"] = [f"{edge.place} {edge.label}: {edge.why}" for edge in report.untaken]
    record["traced"] = traced(model, args, inputs, expected)
    record["exported"] = exported(model, args, inputs, expected)
    record["eager_rounding"] = rounding(model, inputs, expected)
    return record


def measure_speed(name: str, n_inputs: int, tiny: bool) -> dict:
    """Milliseconds of a call of eager, dycl, and dycl without its graph optimizations."""
    model, args, drawn = network(name, n_inputs, tiny)
    inputs = drawn.arguments
    program = dycl.compile(model, args)
    plain = dycl.compile(model, args, options=dycl.Options(simplify_host=False))
    expected = [model(*given) for given in inputs]
    for compiled in (program, plain):  # Warm, and what is timed is right.
        found = agreement([compiled(*given) for given in inputs], expected)
        if found["inconsistent"]:
            raise RuntimeError(f"{name} is wrong on {found['inconsistent']} inputs; see dycl verify dycl.zoo:{name}")
    return {"regions_without": len(plain.regions)} | latencies(
        {"eager": model, "dycl": program, "without": plain}, inputs
    )


PARTS = {"results": measure_results, "speed": measure_speed}


def network(name: str, n_inputs: int, tiny: bool) -> tuple:
    """The model, example arguments, and arguments of the calls that are compared."""
    factory = getattr(dycl.zoo, name)
    arguments = factory.small if tiny else {}
    model, args = factory(**arguments)
    return model, args, factory_inputs(factory, n_inputs, SEED, arguments)


def build(imported: ImportedProgram, options: dycl.Options, destination: Path, record: dict) -> Program:
    dump = PhaseDump(None)
    start = time.perf_counter()
    targets = parse_targets("llvm-cpu")
    partitioned = partition_program(imported, targets, options, dump)
    record["optimize_s"] = time.perf_counter() - start
    start = time.perf_counter()
    write_program(partitioned, imported, targets, options, destination, dump)
    record["compile_s"] = time.perf_counter() - start
    return Program(read_bundle(destination))


def agreement(results: list, expected: list) -> dict:
    """Of how many inputs the results differ by more than rounding, and the largest error of the others."""
    errors = relative_errors(list(map(as_tensors, results)), list(map(as_tensors, expected)))
    right = [error for error in errors if error <= INCONSISTENT]
    return {"inconsistent": len(errors) - len(right), "of": len(errors), "largest_error": max(right, default=None)}


def as_tensors(result: object) -> tuple:
    """The leaves of a result; a tracer gives numbers and flags as tensors too."""
    return tuple(torch.as_tensor(leaf) for leaf in tree_leaves(result) if leaf is not None)


class Tensors(torch.nn.Module):
    """A model whose results are tensors only, as a tracer wants them."""

    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, *args):
        return as_tensors(self.model(*args))


def rounding(model, inputs: list, expected: list) -> float | None:
    """The largest error of eager's own results, against eager in f64; None where the model does not run in f64. Inputs
    on which f64 takes another path are left out.
    """

    def converted(values, dtype):
        return tree_map(lambda x: x.to(dtype) if torch.is_tensor(x) and x.is_floating_point() else x, values)

    exact = copy.deepcopy(model).double()
    try:
        results = [converted(exact(*converted(given, torch.float64)), torch.float32) for given in inputs]
    except RuntimeError:
        return None
    return agreement(expected, results)["largest_error"]


def traced(model, args, inputs, expected) -> dict:
    """What the path of the example gives for every input."""
    return compare_captured(lambda wrapped: torch.jit.trace(wrapped, args, check_trace=False), model, inputs, expected)


def exported(model, args, inputs, expected) -> dict:
    return compare_captured(lambda wrapped: torch.export.export(wrapped, args).module(), model, inputs, expected)


def compare_captured(capture, model, inputs, expected) -> dict:
    quiet = io.StringIO()  # torch.export prints the whole graph up to the condition.
    with warnings.catch_warnings(), redirect_stdout(quiet), redirect_stderr(quiet):
        warnings.simplefilter("ignore")  # The tracer's own warnings, that what it gives may be wrong.
        logging.disable(logging.CRITICAL)
        try:
            captured = capture(Tensors(model).eval())
        except Exception as error:  # Whatever a tracer raises is its answer, and goes into the table.
            return {"refused": f"{type(error).__name__}: {error}".partition("\n")[0][:200]}
        results = []
        for given in inputs:
            try:
                results.append(captured(*given))
            except Exception:
                results.append(())  # It fails on an input that eager takes: not like eager's result.
    return agreement(results, expected)


def latencies(calls: dict, inputs: list) -> dict:
    """All samples in ms, and their medians; the calls take turns by runs of inputs. All are warm."""
    samples = {name: [] for name in calls}
    start, rounds = time.perf_counter(), 0
    while rounds < 3 and (rounds == 0 or time.perf_counter() - start < SECONDS_A_NETWORK):
        for first in range(0, len(inputs), INPUTS_A_TURN):
            for name, call in calls.items():
                for given in inputs[first : first + INPUTS_A_TURN]:
                    before = time.perf_counter()
                    call(*given)
                    samples[name].append(round((time.perf_counter() - before) * 1e3, 4))
        rounds += 1
    return {"ms": {name: statistics.median(times) for name, times in samples.items()}, "samples_ms": samples}


# ---- the page -----------------------------------------------------------------------------------------------


def page(records: list[dict]) -> str:
    speedups = {record["network"]: record["ms"]["eager"] / record["ms"]["dycl"] for record in records}
    subjects = [name for name in SUBJECTS if name in speedups]
    slower = [name for name, ratio in speedups.items() if ratio < 1]
    errors = [record["dycl"]["largest_error"] or 0.0 for record in records]
    machine = records[0]["machine"]
    size = "in their small forms" if any(record["tiny"] for record in records) else "at their published sizes"
    lines = [
        "<!-- Written by test/benchmarks/paper.py; do not edit. -->",
        "# The DyCL paper's evaluation, redone",
        "",
        f"{len(records)} networks of the zoo, {size}, {records[0]['inputs']} inputs each (seed {SEED}), one thread, "
        f"{machine}. The first {len(subjects)} are the paper's own subjects. Load average when a "
        f"measurement began: at most {max(record['load'] for record in records)}. Nothing here was chosen by hand: "
        "`python test/benchmarks/paper.py` measures and writes this page, `docs/paper/*.json` has every sample.",
        "",
        "| | DyCL (ISSTA 2023) | dycl, its subjects | dycl, all |",
        "|---|---|---|---|",
        f"| inconsistent results | 0 | {inconsistent(records, subjects)} | {inconsistent(records, speedups)} |",
        f"| largest error (dycl: relative to the output) | 10^-4.72 = 1.9e-5 | {worst(records, subjects):.1e} | "
        f"{max(errors):.1e} |",
        f"| speed-up over eager PyTorch | 1.12× to 20.21× | {span(speedups, subjects)} | {span(speedups, speedups)} |",
        f"| graph optimization | 4.0% (ONNX Runtime), 9.4% (TVM) | {gain(records, subjects):.1f}% | "
        f"{gain(records, speedups):.1f}% |",
        f"| rewriting (dycl: and tracing, importing) | 0.09 s | {mean(records, subjects, 'import_s'):.1f} s | "
        f"{mean(records, speedups, 'import_s'):.1f} s |",
        f"| compilation | 114 s (ONNX Runtime), 414 s (TVM) | {mean(records, subjects, 'compile_s'):.0f} s | "
        f"{mean(records, speedups, 'compile_s'):.0f} s |",
        "",
        "Slower than eager: " + (f"{', '.join(slower)}. {WHY_SLOWER}" if slower else "none."),
        "",
        "![Speed-up over eager PyTorch, by network](paper/speedup.svg)",
        "",
        "## RQ1: are the results right?",
        "",
        f"An input is inconsistent where a result differs by more than {INCONSISTENT:g} of its largest number, or is "
        "of another shape. A decision is one of the conditions on data that eager was seen to take (`dycl verify`). A "
        "tracer keeps the path of the example input for all others.",
        "",
        "Coverage: of the regions and of the edges of the control-flow graph that were not proved dead, how many these "
        "inputs took; then how many more inputs that `dycl verify` searched for, and how many only by force.",
        "",
        "The largest errors are those of dycl to eager, both in f32, and those of eager to itself in f64 (where it "
        "runs in f64 and takes the same path): two ways of rounding differ by about as much as each is off.",
        "",
        "| network | inconsistent: dycl | largest error | of eager itself | decisions that agree | regions taken | "
        "edges taken | `torch.jit.trace` | `torch.export` |",
        "|---|---|---|---|---|---|---|---|---|",
        *(correctness_row(record) for record in records),
        "",
        *untaken(records),
        "## RQ2, RQ3: how fast is it?",
        "",
        "Medians in ms of eager, dycl, and dycl without its graph optimizations (`simplify_host=False`), taking turns.",
        "",
        "| network | eager | dycl | speed-up | without | graph optimization |",
        "|---|---|---|---|---|---|",
        *(speed_row(record) for record in records),
        "",
        "## RQ4: what does it cost?",
        "",
        "Seconds, on all cores: rewriting, tracing and importing; `dycl-opt`; `iree-compile`.",
        "",
        "| network | parameters | regions | without RQ3's | import | optimize | compile |",
        "|---|---|---|---|---|---|---|",
        *(cost_row(record) for record in records),
    ]
    return "\n".join(lines) + "\n"


def inconsistent(records: list[dict], names) -> str:
    chosen = [record["dycl"] for record in records if record["network"] in names]
    return f"{sum(found['inconsistent'] for found in chosen)} of {sum(found['of'] for found in chosen)}"


def worst(records: list[dict], names) -> float:
    return max((record["dycl"]["largest_error"] or 0.0 for record in records if record["network"] in names), default=0)


def span(speedups: dict[str, float], names) -> str:
    ratios = [speedups[name] for name in names]
    return f"{min(ratios):.2f}× to {max(ratios):.2f}×" if ratios else "–"


def gain(records: list[dict], names) -> float:
    """By how many percent simplify_host shortens a call, on average."""
    gains = [1 - r["ms"]["dycl"] / r["ms"]["without"] for r in records if r["network"] in names]
    return 100 * statistics.mean(gains) if gains else 0.0


def mean(records: list[dict], names, key: str) -> float:
    return statistics.mean([record[key] for record in records if record["network"] in names] or [0.0])


def correctness_row(record: dict) -> str:
    mine, decisions = record["dycl"], record["decisions"]
    errors = " | ".join(
        "–" if error is None else f"{error:.1e}" for error in (mine["largest_error"], record["eager_rounding"])
    )
    share = f"{decisions['agreeing']} of {decisions['compared']}"
    taken = " | ".join(coverage(record["coverage"][what]) for what in ("regions", "edges"))
    others = " | ".join(captured(record[key]) for key in ("traced", "exported"))
    return f"| {record['network']} | {mine['inconsistent']} of {mine['of']} | {errors} | {share} | {taken} | {others} |"


def untaken(records: list[dict]) -> list[str]:
    """The edges that nothing took, and why."""
    lines = [f"- {record['network']}: {edge}" for record in records for edge in record["untaken"]]
    return ["Edges that nothing took:", "", *lines, ""] if lines else []


def coverage(counts: dict) -> str:
    by = [f"{counts[origin]} {origin}" for origin in ("searched", "forced") if counts[origin]]
    return ", ".join([f"{counts['natural']} of {counts['total'] - counts['dead']}", *by])


def captured(found: dict) -> str:
    if "refused" in found:
        return f"refused ({found['refused'].partition(':')[0]})"
    return f"{found['inconsistent']} of {found['of']} wrong"


def speed_row(record: dict) -> str:
    ms = record["ms"]
    gained = 100 * (1 - ms["dycl"] / ms["without"])
    ratio = ms["eager"] / ms["dycl"]
    return (
        f"| {record['network']} | {ms['eager']:.3g} | {ms['dycl']:.3g} | {ratio:.2f}× | {ms['without']:.3g} | "
        f"{gained:+.1f}% |"
    )


def cost_row(record: dict) -> str:
    seconds = " | ".join(f"{record[key]:.1f}" for key in ("import_s", "optimize_s", "compile_s"))
    sizes = f"{record['parameters'] / 1e6:.2f} M | {record['regions']} | {record['regions_without']}"
    return f"| {record['network']} | {sizes} | {seconds} |"


def plot(records: list[dict], path: Path) -> None:
    import matplotlib as mpl

    mpl.use("svg")
    mpl.rcParams["svg.hashsalt"] = "dycl"  # the same picture is the same file
    from matplotlib import pyplot as plt

    ordered = sorted(records, key=lambda record: record["ms"]["eager"] / record["ms"]["dycl"])
    ratios = [record["ms"]["eager"] / record["ms"]["dycl"] for record in ordered]
    figure, axes = plt.subplots(figsize=(8, 0.6 + 0.25 * len(ordered)), layout="constrained")
    colours = ["tab:blue" if record["network"] in SUBJECTS else "tab:gray" for record in ordered]
    bars = axes.barh([record["network"] for record in ordered], ratios, color=colours)
    axes.bar_label(bars, [f"{ratio:.2f}×" for ratio in ratios], padding=3, fontsize=8)
    axes.axvline(1, color="black", linewidth=1)
    axes.set_xscale("log")
    axes.set_xlim(min(0.8, *ratios) * 0.9, max(ratios) * 1.4)
    ticks = [tick for tick in (0.5, 1, 2, 5, 10, 20, 50) if min(0.8, *ratios) <= tick <= max(ratios) * 1.4]
    axes.set_xticks(ticks, [f"{tick:g}×" for tick in ticks])
    axes.minorticks_off()
    axes.set_xlabel("speed-up over eager PyTorch, one thread (blue: the DyCL paper's subjects)")
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, metadata={"Date": None})


# ---- command line -------------------------------------------------------------------------------------------


def main() -> int:
    given = parts.parse(__doc__, PARTS, inputs=100, results=ROOT / "docs" / "paper", page=ROOT / "docs" / "paper.md")
    if given.alone:
        return parts.measure_alone(PARTS, given)
    failed = parts.measure_missing(__file__, PARTS, given.networks or ORDER, given)
    if found := complete(given):
        plot(found, given.results / "speedup.svg")
        given.page.write_text(page(found))
        print(f"{given.page}: {len(found)} networks")
    return parts.report(failed)


def complete(given: argparse.Namespace) -> list[dict]:
    """The networks of which both parts were measured, the paper's subjects first."""
    records = []
    for name in ORDER:
        paths = [parts.path(given, name, part) for part in PARTS]
        if all(p.exists() for p in paths):
            results, speed = (json.loads(p.read_text()) for p in paths)
            records.append(results | speed | {"load": max(results["load"], speed["load"])})
    return records


if __name__ == "__main__":
    sys.exit(main())
