# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The command `dycl tune`."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dycl.argument_types import positive
from dycl.errors import InputError
from dycl.model_arguments import add_source_arguments, check_compiler, dynamic_dimensions, source_loader
from dycl.options import Options
from dycl.text_table import text_table

if TYPE_CHECKING:
    from dycl.compiler.tuning_file import Tuning


def add_tune(commands: Any) -> None:
    """Adds the command to the others."""
    parser = commands.add_parser(
        "tune",
        help="measure which tiles are fast on a device",
        description="Compile each convolution and product of a model in several ways, measure them on a device, and "
        "write which is the fastest to a file for `dycl compile --tuning`. What is not 3%% faster than what dycl "
        "chooses by itself is left as it is.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="""\
examples:
  dycl tune dycl.zoo:skipnet38_rnn -o skipnet.tuning.json
  dycl compile dycl.zoo:skipnet38_rnn --tuning skipnet.tuning.json -o skipnet.dycl
  dycl tune net.py:make_net --target llvm-cpu:aarch64-linux-gnu:cortex-a72 --on pi@board -o net.tuning.json""",
    )
    add_source_arguments(parser)
    parser.add_argument(
        "--target",
        default="llvm-cpu",
        metavar="TARGET",
        help="what to compile for: llvm-cpu[:TRIPLE[:CPU[:FEATURES]]] (default: this machine)",
    )
    parser.add_argument(
        "--on",
        action="append",
        default=[],
        metavar="USER@HOST",
        help="measure there over SSH, where a Python has numpy and iree-base-runtime (default: on this machine); again "
        "for more devices of the same kind",
    )
    parser.add_argument(
        "--python", default="python3", metavar="COMMAND", help="for --on: that Python (default: python3)"
    )
    parser.add_argument(
        "--budget", type=positive, metavar="SECONDS", help="begin no measurement after that (default: measure all)"
    )
    parser.add_argument("-o", "--output", required=True, metavar="FILE", help="the tuning file to write")
    parser.add_argument("--jobs", type=positive, metavar="N", help="what to compile at a time (default: one a core)")
    parser.add_argument("--json", action="store_true", help="print what was measured as JSON")
    parser.set_defaults(run=run)


def run(given: argparse.Namespace) -> None:
    """Runs the command."""
    check_compiler()
    from dycl.compiler.api import import_model
    from dycl.compiler.targets import TargetSpec
    from dycl.tuning.executors import RunnerExecutor
    from dycl.tuning.search import check_target, tune_program

    options = Options(jobs=given.jobs)
    load = source_loader(given)
    target = TargetSpec.parse(given.target)
    unit = check_target(target)
    if not Path(given.output).absolute().parent.is_dir():
        raise InputError(f"cannot write {given.output}: its folder does not exist")
    imported = import_model(*load(), options=options, dynamic_shapes=dynamic_dimensions(given.input or ()))
    executors = [RunnerExecutor.over_ssh(host, given.python) for host in given.on]
    try:
        tuning = tune_program(imported, target, unit, options, executors, given.budget)
    finally:
        for executor in executors:
            executor.shutdown()
    tuning.save(given.output)
    print(json.dumps(tuning.to_json()) if given.json else _text(given.output, tuning))


def _text(output: str, tuning: Tuning) -> str:
    """A row an operation, the one that gains most first."""
    from dycl.compiler.tuning_file import choice_text

    entries = sorted(tuning.entries.items(), key=lambda item: -item[1].gain)
    rows = [
        (
            key,
            f"{entry.times_us['rule']:.1f}" if "rule" in entry.times_us else "-",
            f"{entry.times_us[choice_text(entry.choice)]:.1f}" if entry.choice else "-",
            f"{entry.gain:.2f}×",
            choice_text(entry.choice) or "as the rules have it",
        )
        for key, entry in entries
    ]
    n_gains = sum(1 for _, entry in entries if entry.choice)
    last = f"{output}: {n_gains} of {len(entries)} operations are faster, on {tuning.machine['processor']}"
    return "\n".join([*text_table(("operation", "rule µs", "best µs", "gain", "tiles"), rows, n_left=1), last])
