# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Whether IREE uses the tiles that dycl asks for, of every region of every network of the zoo.

    python test/benchmarks/tiles_used.py                    published sizes, AVX-512, AVX2 and NEON (make tiles)
    python test/benchmarks/tiles_used.py digits_early_exit skipnet38_rnn

What IREE drops it drops without a word, and the region is ten times as slow: so this compiles each region up to the
configuration of its executables, and looks for each tile size that was asked for. Exit status 1 where one is missing.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import dycl
import dycl.zoo
from dycl.compiler.api import import_model
from dycl.compiler.iree import compile_command
from dycl.compiler.pipeline import PhaseDump, partition_program
from dycl.compiler.targets import TargetSpec, parse_targets
from dycl.sources import load_source

TARGETS = (
    "llvm-cpu:x86_64-linux-gnu:x86-64-v4",
    "llvm-cpu:x86_64-linux-gnu:x86-64-v3",
    "llvm-cpu:aarch64-linux-gnu:cortex-a72",
)
TILES = re.compile(r"vector_common_parallel = \[[\d, ]+\], vector_reduction = \[[\d, ]+\]")


def dropped(module: str, target: TargetSpec, options: dycl.Options) -> tuple[set[str], set[str]]:
    """The tile sizes that a region asks for, and those of them that no executable has."""
    asked = set(TILES.findall(module))
    if not asked:
        return asked, set()
    command = [*compile_command(target, options), "--compile-to=executable-configurations", "-o", "-", "-"]
    done = subprocess.run(command, input=module, capture_output=True, text=True, check=False)
    if done.returncode:  # dycl compiles such a region without tiles, and says so.
        return asked, {f"refused: {done.stderr.splitlines()[0] if done.stderr else done.returncode}"}
    return asked, asked - set(TILES.findall(done.stdout))


def check(name: str, options: dycl.Options) -> int:
    """How many tile sizes of a network are not used; each is printed."""
    source = load_source(f"dycl.zoo:{name}", {})
    imported = import_model(source.model, source.args, source.kwargs, options)
    missing = 0
    for target in (parse_targets(text)[0] for text in TARGETS):
        program = partition_program(imported, [target], options, PhaseDump(None))
        modules = program.own_modules.get(target.folder, {})
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            found = list(pool.map(lambda text, target=target: dropped(text, target, options), modules.values()))
        n_asked = sum(len(asked) for asked, _ in found)
        for region, (_, lost) in zip(modules, found, strict=True):
            for tiles in sorted(lost):
                print(f"{name}, {target.text}: {region}: {tiles}", flush=True)
                missing += 1
        print(f"{name}, {target.text}: {n_asked} tile sizes in {len(modules)} regions", flush=True)
    return missing


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("networks", nargs="*", metavar="NETWORK", help="names of dycl.zoo (default: all)")
    given = parser.parse_args()
    options = dycl.Options()
    missing = {name: check(name, options) for name in given.networks or dycl.zoo.__all__}
    for name, count in missing.items():
        if count:
            print(f"{name}: {count} tile sizes are not used", file=sys.stderr)
    return int(any(missing.values()))


if __name__ == "__main__":
    sys.exit(main())
