# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The command `dycl bench`."""

from __future__ import annotations

import argparse
import contextlib
import json
import sys
from collections.abc import Generator, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dycl.argument_types import positive
from dycl.errors import DyclError, InputError
from dycl.text_table import text_table

if TYPE_CHECKING:
    from dycl.bench.inputs import Call
    from dycl.bench.machine import Limits
    from dycl.bench.measure import PathTimes, RegionTimes
    from dycl.runtime.program import Program
    from dycl.sources import Source

_PATHS_SHOWN = 12
_NAMES = {"python": "host.py", "vm": "VM host", "eager": "eager"}
_COLUMNS = ("region", "source", "calls", "µs", "share", "MFLOP", "GFLOP/s")


def add_bench(commands: Any) -> None:
    """Adds the command to the others."""
    parser = commands.add_parser(
        "bench",
        help="time a bundle: its paths, its regions, beside eager",
        description="Time a bundle on this machine: each path that its inputs take, on both hosts and beside eager "
        "PyTorch, taking turns; and each region, beside what the processor can do at most. Without --model it needs "
        "only numpy and IREE's runtime.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="""\
examples:
  dycl bench net.dycl
  dycl bench net.dycl --model net.py:make_net --arg depth=4 --count 50
  dycl bench net.dycl --inputs x.npz --json > before.json""",
    )
    parser.add_argument("bundle", metavar="BUNDLE", help="a bundle that `dycl compile` wrote")
    parser.add_argument(
        "--model", metavar="SOURCE", help="the factory that the bundle was compiled from: eager is timed beside it"
    )
    parser.add_argument(
        "--arg", action="append", default=[], metavar="NAME=JSON", help="a keyword argument for the factory"
    )
    parser.add_argument(
        "--input",
        action="append",
        metavar="@FILE|-|TYPE=VALUES",
        help="an input of the one call to time, once for each, as for `dycl run`",
    )
    parser.add_argument(
        "--inputs",
        metavar="FILE.npz|FILE.py:FUNCTION",
        help="the calls to time, as for `dycl verify` (default: with --model the factory's `inputs`, else inputs like "
        "its example; without, drawn by the bundle's types)",
    )
    parser.add_argument(
        "--count", type=positive, metavar="N", help="how many calls, of --inputs or drawn (default: 20)"
    )
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of what is drawn (default: 0)")
    parser.add_argument(
        "--seconds", type=positive, default=10, metavar="N", help="about how long to time calls (default: 10)"
    )
    parser.add_argument(
        "--device", metavar="URI", help="IREE's HAL device, as for `dycl run` (default: what fits here)"
    )
    parser.add_argument(
        "--threads",
        type=positive,
        default=1,
        metavar="N",
        help="how many threads eager has, and regions on a CPU that are faster with them (default: 1)",
    )
    parser.add_argument("--json", action="store_true", help="print it as JSON, with all samples")
    parser.set_defaults(run=run, wrong_usage=parser.error)


def run(given: argparse.Namespace) -> None:
    """Runs the command."""
    if given.input is not None and (given.inputs is not None or given.count is not None):
        given.wrong_usage("--input gives the one call to time; leave out --inputs and --count")
    if given.arg and given.model is None:
        given.wrong_usage("--arg is for the factory of --model")
    if given.model is not None and find_spec("torch") is None:
        raise DyclError("--model needs torch: pip install 'dycl[compiler]'")
    from dycl.bench import measure
    from dycl.bench.machine import describe, measure_limits
    from dycl.runtime.program import load

    machine = describe()  # The load, before this adds to it.
    program = load(given.bundle, given.device, threads=given.threads)
    source = _source(given)
    inputs, origin = _inputs(given, program, source)
    with _eager(given.threads if source else 0):
        model = source.model if source else None
        error = measure.largest_error(program, model, inputs) if source else None
        contenders = {"python": measure.Contender(program, program.signature)}
        vm, no_vm = measure.vm_program(lambda: load(given.bundle, given.device, host="vm", threads=given.threads))
        if vm is not None:
            contenders["vm"] = measure.Contender(vm, program.signature)
        if source:
            contenders["eager"] = measure.Contender(model, program.signature)
        paths = measure.find_paths(program, inputs)
        limits = measure_limits(min(given.threads, machine["cores"]))
        measure.time_paths(contenders, paths, inputs, given.seconds)
        regions = measure.time_regions(program, paths, inputs)
    report = {
        "bundle": given.bundle,
        "name": program.signature.name,
        "target": program.regions[0].target if program.regions else None,
        "device": given.device,
        "machine": machine,
        "limits": limits.to_json(),
        "threads": given.threads,
        "threaded_regions": program.threaded_regions,
        "inputs": {"count": len(inputs), "origin": origin},
        "largest_error": error,
        "no_vm_host": no_vm,
        "paths": [path.to_json() for path in paths],
        "regions": [region.to_json(limits) for region in regions],
    }
    print(json.dumps(report) if given.json else _text(report, limits, paths, regions))
    sys.stdout.flush()


def _source(given: argparse.Namespace) -> Source | None:
    if given.model is None:
        return None
    from dycl.sources import SourceError, load_source, parse_factory_arguments

    source = load_source(given.model, parse_factory_arguments(given.arg))
    if isinstance(source.model, Path):
        raise SourceError(f"{given.model} is no model that PyTorch can run; give a factory")
    return source


def _inputs(given: argparse.Namespace, program: Program, source: Source | None) -> tuple[list[Call], str]:
    """The calls, and a few words on where they come from."""
    from dycl.bench.inputs import drawn_inputs, file_inputs, typed_inputs

    count = given.count or 20
    if given.input is not None:
        calls, origin = typed_inputs(program.signature, given.input), "given"
    elif given.inputs is not None:
        calls, origin = file_inputs(given.inputs, count, given.seed), f"of {given.inputs}"
    elif source is not None:
        return _inputs_like(given, program, source, count)
    else:
        calls, origin = drawn_inputs(program.signature, count, given.seed), f"drawn by type, seed {given.seed}"
    if source is not None:
        calls = [_as_torch(call) for call in calls]
    return calls, origin


def _inputs_like(given: argparse.Namespace, program: Program, source: Source, count: int) -> tuple[list[Call], str]:
    """What a factory says that its inputs are, or what is like its example."""
    from dycl.report.inputs import factory_inputs, generated_inputs
    from dycl.sources import parse_factory_arguments

    inputs = factory_inputs(source.factory, count, given.seed, parse_factory_arguments(given.arg))
    if inputs is None:
        if source.kwargs and source.args is None:
            raise InputError("the factory gives arguments by name only; give inputs by --inputs")
        inputs = generated_inputs(program.signature, source.args, count, given.seed)
    return [(args, source.kwargs) for args in inputs.arguments], inputs.origin.partition(" ")[2]


def _as_torch(call: Call) -> Call:
    import numpy as np
    import torch
    from torch.utils import _pytree as pytree

    def convert(leaf: Any) -> Any:
        return torch.from_numpy(leaf) if isinstance(leaf, np.ndarray) else leaf

    args, kwargs = call
    return pytree.tree_map(convert, args), pytree.tree_map(convert, dict(kwargs))


@contextlib.contextmanager
def _eager(threads: int) -> Generator[None]:
    """PyTorch on so many threads, without gradients; none: without PyTorch."""
    if not threads:
        yield
        return
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        with torch.no_grad():
            yield
    finally:
        torch.set_num_threads(before)


# ---- text -------------------------------------------------------------------------------------------------------


def _text(report: Mapping[str, Any], limits: Limits, paths: Sequence[PathTimes], regions: Sequence[RegionTimes]) -> str:
    machine, inputs = report["machine"], report["inputs"]
    cores = "one core" if limits.cores == 1 else "peak"
    lines = [
        f"{report['bundle']}: {report['name']}, for {report['target']}",
        f"{machine['processor']}, {machine['cores']} cores, load {machine['load']}; {cores}: {limits}",
        f"{inputs['count']} inputs, {inputs['origin']}, take {len(paths)} paths"
        + ("" if report["largest_error"] is None else f"; largest difference to eager {report['largest_error']:.1e}"),
        "",
        *_path_lines(report, paths),
        "",
        *_region_lines(limits, regions),
    ]
    if report["threads"] > 1:
        names = ", ".join(report["threaded_regions"]) or "none"
        lines += ["", f"regions on {report['threads']} threads, which are faster with them: {names}"]
    if report["no_vm_host"]:
        lines += ["", f"no VM host: {report['no_vm_host']}"]
    return "\n".join(lines)


def _path_lines(report: Mapping[str, Any], paths: Sequence[PathTimes]) -> list[str]:
    """A row a path, the quickest first."""
    names = [name for name in _NAMES if paths and name in paths[0].times]
    latency = {id(path): found["latency"] for path, found in zip(paths, report["paths"], strict=True)}
    ordered = sorted(paths, key=lambda path: latency[id(path)]["python"]["median_ms"])
    header = ["path", "inputs", "MFLOP"]
    for name in names:
        header += [f"{_NAMES[name]} ms", "p5", "p95"]
    header += ["cold ms", *(["eager/host.py"] if "eager" in names else [])]
    rows: list[list[str]] = []
    for path in ordered[:_PATHS_SHOWN]:
        found = latency[id(path)]
        cells = [_calls_text(path), str(len(path.inputs)), f"{path.flops / 1e6:.3g}"]
        for name in names:
            cells += [f"{found[name][key]:.3g}" for key in ("median_ms", "p5_ms", "p95_ms")]
        cells.append(f"{found['python']['cold_median_ms']:.3g}")
        if "eager" in names:
            cells.append(f"{found['eager']['median_ms'] / found['python']['median_ms']:.2f}×")
        rows.append(cells)
    lines = text_table(header, rows, n_left=1)
    if len(ordered) > _PATHS_SHOWN:
        lines.append(f"... and {len(ordered) - _PATHS_SHOWN} paths more; --json has them")
    return [*lines, "cold: the first call after another program ran; all others are of calls in a row"]


def _calls_text(path: PathTimes) -> str:
    """What a path calls: `region_0, region_1 ×3`."""
    texts = [name if n == 1 else f"{name} ×{n}" for name, n in path.calls.items()]
    if len(texts) > 3:
        texts = [*texts[:2], f"... {sum(path.calls.values())} calls"]
    return ", ".join(texts) + (f", raises {path.raises.partition(':')[0]}" if path.raises else "")


def _region_lines(limits: Limits, regions: Sequence[RegionTimes]) -> list[str]:
    total = sum(region.total_ms for region in regions)
    rows: list[list[str]] = []
    for each in regions:
        location, cost, found = each.region.location, each.region.cost, each.rates(limits)
        rows.append(
            [
                each.region.name + ("*" if each.has_unknown_sizes else ""),
                f"{Path(location.file).name}:{location.line}" if location else "-",
                str(each.calls),
                f"{1e3 * each.ms:.1f}",
                f"{100 * each.total_ms / total:.0f}%" if total else "-",
                f"{cost.flops / 1e6:.3g}" if cost else "-",
                *(_number(found[key]) for key in ("gflops", "percent_of_peak", "gbps")),
            ]
        )
    header = (*_COLUMNS, "% of peak" if limits.how == "FMA" else "% of matmul", "GB/s")
    lines = text_table(header, rows, n_left=2)
    if any(region.has_unknown_sizes for region in regions):
        lines.append("* sizes that depend on data count as one: it does more than that")
    return lines


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3g}"
