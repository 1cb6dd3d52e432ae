# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The command `dycl verify`."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dycl.argument_types import not_negative, not_negative_seconds, positive

if TYPE_CHECKING:
    from dycl.report.inputs import Inputs
    from dycl.runtime.program import Program
    from dycl.sources import Source


def add_verify(commands: Any) -> None:
    """Adds the command to the others."""
    parser = commands.add_parser(
        "verify",
        help="compare a program to eager PyTorch",
        description="Compare a program to its model in eager PyTorch: every decision and number of iterations, "
        "outputs, state and exceptions; and say which paths were taken. Exit status 1 where anything differs.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="""\
examples:
  dycl verify dycl.zoo:skipnet38_rnn --arg tiny=true
  dycl verify net.py:make_net --inputs net.py:draw --count 500 --html report.html
  dycl verify net.dycl --model net.py:make_net --inputs x.npz --json""",
    )
    parser.add_argument(
        "source",
        metavar="SOURCE|BUNDLE",
        help="FILE.py:FACTORY or PACKAGE.MODULE:FACTORY, which is compiled first; or a bundle, with --model",
    )
    parser.add_argument("--model", metavar="SOURCE", help="the factory that the bundle was compiled from")
    parser.add_argument(
        "--arg", action="append", default=[], metavar="NAME=JSON", help="a keyword argument for the factory"
    )
    parser.add_argument(
        "--inputs",
        metavar="FILE.npz|FILE.py:FUNCTION",
        help="an array for each argument, whose first size counts the calls; or a function of (count, seed) that gives "
        "tuples of arguments (default: the factory's `inputs`, else inputs like its example)",
    )
    parser.add_argument("--count", type=positive, default=100, metavar="N", help="how many calls (default: 100)")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of all that is random (default: 0)")
    parser.add_argument(
        "--tolerance", type=float, default=1e-5, metavar="E", help="largest error of an output's scale (default: 1e-5)"
    )
    parser.add_argument(
        "--noise",
        type=float,
        default=1e-5,
        metavar="E",
        help="a decision may differ where what it compares is as close as this, of its magnitude (default: 1e-5)",
    )
    parser.add_argument(
        "--search",
        type=not_negative,
        default=1000,
        metavar="N",
        help="calls to spend on what no input took; 0: neither search nor force (default: 1000)",
    )
    parser.add_argument(
        "--search-time",
        type=not_negative_seconds,
        default=60.0,
        metavar="SECONDS",
        help="stop that search after so long, and forcing after as long again (default: 60)",
    )
    parser.add_argument("--target", metavar="TARGET", help="what to compile for, as for `dycl compile`")
    parser.add_argument("--json", action="store_true", help="print the report as JSON")
    parser.add_argument("--html", metavar="FILE", help="write the report as a page")
    parser.set_defaults(run=run, wrong_usage=parser.error)


def run(given: argparse.Namespace) -> int:
    """Runs the command: 0 where program and eager agree, 1 where not."""
    if Path(given.source).exists() and given.model is None:
        given.wrong_usage(f"{given.source} is a bundle; --model SOURCE says what to compare it to")
    if given.model is not None and given.target is not None:
        given.wrong_usage("--target is for a source that is compiled; a bundle has its targets")
    from dycl.report.verify import verify
    from dycl.sources import SourceError, load_source, parse_factory_arguments

    factory_arguments = parse_factory_arguments(given.arg)
    source = load_source(given.model or given.source, factory_arguments)
    if isinstance(source.model, Path):
        raise SourceError(f"{given.model or given.source} is no model that PyTorch can run; give a factory")
    program = _program(given, source)
    report = verify(
        program,
        source.model,
        _inputs(given, source, factory_arguments),
        kwargs=source.kwargs,
        example=source.args,
        count=given.count,
        seed=given.seed,
        tolerance=given.tolerance,
        noise=given.noise,
        search=given.search,
        search_time_s=given.search_time,
    )
    if given.html is not None:
        report.to_html(given.html)
    print(json.dumps(report.to_json(), indent=1) if given.json else report)
    sys.stdout.flush()
    return 0 if report.ok else 1


def _program(given: argparse.Namespace, source: Source) -> Program:
    if given.model is not None:
        from dycl.runtime.program import load

        return load(given.source)
    from dycl.compiler.api import compile as compile_model
    from dycl.errors import InputError

    if source.args is None:
        raise InputError(f"{given.source} gives no arguments for its model; it has to return (model, args)")
    return compile_model(source.model, source.args, source.kwargs, target=given.target or "llvm-cpu")


def _inputs(given: argparse.Namespace, source: Source, factory_arguments: dict[str, Any]) -> Inputs | None:
    from dycl.report.inputs import factory_inputs, file_inputs

    if given.inputs is not None:
        return file_inputs(given.inputs, given.count, given.seed)
    return factory_inputs(source.factory, given.count, given.seed, factory_arguments)
