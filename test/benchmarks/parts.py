# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""What benchmarks on the zoo share: parts that are measured a network at a time, each in a process of its own.

A part is a function of a network's name, the number of inputs and whether the small form is meant, to a record. Records
are kept as `RESULTS/NETWORK.PART.json`, so that a run which was interrupted goes on where it was.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import torch

import dycl.zoo

ROOT = Path(__file__).parents[2]

Parts = Mapping[str, Callable[[str, int, bool], dict]]


def parse(doc: str | None, parts: Parts, *, inputs: int, results: Path, page: Path) -> argparse.Namespace:
    """The command line, all networks of the zoo where it names none."""
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("networks", nargs="*", metavar="NETWORK", help="of the zoo; none for all")
    parser.add_argument("--inputs", type=int, default=inputs, metavar="N", help=f"of each network (default: {inputs})")
    parser.add_argument("--part", action="append", choices=parts, help="only this; again for another (default: all)")
    parser.add_argument("--tiny", action="store_true", help="the small forms of the networks")
    parser.add_argument("--again", action="store_true", help="measure also what has a result")
    parser.add_argument("--results", type=Path, default=results, metavar="DIR")
    parser.add_argument("--page", type=Path, default=page, metavar="FILE")
    parser.add_argument("--alone", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if unknown := [name for name in given.networks if name not in dycl.zoo.__all__]:
        parser.error(f"the zoo has no {', '.join(unknown)}; see dycl zoo list")
    return given


def path(given: argparse.Namespace, name: str, part: str) -> Path:
    """Where the record of a part is."""
    return given.results / f"{name}.{part}.json"


def cache_of(name: str) -> Path:
    """The VMFBs of a network, kept from part to part."""
    return ROOT / "build" / "paper-cache" / name


def measure_alone(parts: Parts, given: argparse.Namespace) -> int:
    """Measures one part of one network in this process, on one thread."""
    (name,), (part,) = given.networks, given.part
    torch.set_num_threads(1)
    os.environ["DYCL_CACHE"] = str(cache_of(name))
    load = round(os.getloadavg()[0], 1)
    with torch.no_grad():
        record = parts[part](name, given.inputs, given.tiny)
    about = {"network": name, "machine": f"{platform.machine()}, {_processor()}", "tiny": given.tiny, "load": load}
    path(given, name, part).write_text(json.dumps(about | record) + "\n")
    return 0


def measure_missing(script: str, parts: Parts, names: Iterable[str], given: argparse.Namespace) -> list[tuple]:
    """Measures what has no result; the networks and parts that failed."""
    given.results.mkdir(parents=True, exist_ok=True)
    wanted = [(name, part) for part in given.part or parts for name in names]
    return [(name, part) for name, part in wanted if not _is_measured(script, name, part, given)]


def report(failed: list[tuple]) -> int:
    """Says what was not measured; the exit status."""
    for name, part in failed:
        print(f"error: the part {part} of {name} was not measured", file=sys.stderr)
    return 1 if failed else 0


def _is_measured(script: str, name: str, part: str, given: argparse.Namespace) -> bool:
    if path(given, name, part).exists() and not given.again:
        return True
    print(f"{name}: {part}", flush=True)
    command = [sys.executable, script, name, "--alone", f"--part={part}", f"--inputs={given.inputs}"]
    command += [f"--results={given.results}", *(["--tiny"] if given.tiny else [])]
    return subprocess.run(command, check=False).returncode == 0


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "CPU unknown")
