# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The command `dycl`: compile a model to a bundle, run one, look into one.

A failure is one line on standard error, `error: …`, and exit status 1; wrong usage gives 2, an interrupt 130.
`dycl run` and `dycl inspect` import neither torch nor a compiler.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import shlex
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from dycl.argument_types import positive
from dycl.bench.command import add_bench
from dycl.errors import DyclError, InputError
from dycl.model_arguments import add_source_arguments, check_compiler, dynamic_dimensions, source_loader
from dycl.options import PHASES, Options
from dycl.report.command import add_verify
from dycl.text_table import text_table
from dycl.tuning.command import add_tune
from dycl.version import version

if TYPE_CHECKING:
    import numpy as np

    from dycl.bundle import Bundle
    from dycl.signature import Signature, Structure

    Array = np.ndarray[Any, np.dtype[Any]]

# The phases that give one text; what the later ones give, --dump-phases keeps.
_TEXT_PHASES = tuple(phase for phase in PHASES if phase not in ("compile", "bundle"))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status."""
    given = _parser().parse_args(arguments)
    try:
        status = given.run(given)
        sys.stdout.flush()
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # Whoever read our output has seen enough. Python would complain once more when it closes standard output.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:
        if given.debug:
            raise
        print(f"error: {_message(error)}", file=sys.stderr)
        return 1
    return status or 0


def _message(error: Exception) -> str:
    if isinstance(error, DyclError):
        return str(error)
    if isinstance(error, OSError):
        return f"{error.filename}: {error.strerror}" if error.filename else str(error)
    kind = type(error).__name__
    return f"{kind}: {error} (not an error that dycl expects; --debug before the command shows where it arose)"


# ---- usage --------------------------------------------------------------------------------------------------------


class _Parser(argparse.ArgumentParser):
    """Says `error: …` first, as every failure of dycl does."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"error: {message}\n{self.format_usage()}")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="dycl",
        description="A compiler for dynamic neural networks: PyTorch models whose control flow depends on the input.",
        epilog="`dycl COMMAND --help` shows an example of each command.",
    )
    parser.add_argument("--version", action="version", version=f"dycl {version()}")
    parser.add_argument("--debug", action="store_true", help="on a failure show Python's traceback")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    _add_compile(commands)
    _add_run(commands)
    _add_inspect(commands)
    _add_bundle(commands)
    add_verify(commands)
    add_bench(commands)
    add_tune(commands)
    _add_zoo(commands)
    return parser


def _add_compile(commands: Any) -> None:
    parser = commands.add_parser(
        "compile",
        help="compile a model to a bundle",
        description="Compile a dynamic network to a bundle: compiled regions, weights, and the host that runs them.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="""\
examples:
  dycl compile dycl.zoo:skipnet38_rnn -o skipnet.dycl
  dycl compile net.py:make_net --arg depth=4 --input 1x3x32x32xf32 -o net.dycl
  dycl compile net.py:make_net --target llvm-cpu:aarch64-linux-gnu:cortex-a72 --target vulkan -o net.dycl
  dycl compile net.py:make_net --target llvm-cpu --target vulkan --place 'region_[12]=vulkan' -o net.dycl
  dycl compile net.py:make_net --compile-to outline -o net.mlir""",
    )
    add_source_arguments(parser)
    parser.add_argument(
        "--target",
        action="append",
        metavar="TARGET",
        help="what to compile for: llvm-cpu[:TRIPLE[:CPU[:FEATURES]]] (default: this machine), vulkan[:GPU], "
        "cuda[:sm_NN]; again for another one: what loads the bundle picks",
    )
    parser.add_argument(
        "--place",
        action="append",
        default=[],
        metavar="PATTERN=TARGET|auto",
        help="make one program of all the targets: regions whose name or FILE:LINE matches run on TARGET, the others "
        "on the first target or, with auto, where the least time is expected; again for another rule: the last counts",
    )
    parser.add_argument(
        "--device-model",
        action="append",
        default=[],
        metavar="TARGET=GFLOPS:GBPS:CALL_US:LINK_GBPS:LINK_US",
        help="what --place auto is to expect of a target (default: rough figures of its backend; docs/devices.md)",
    )
    phases = ", ".join(_TEXT_PHASES)
    parser.add_argument(
        "-o",
        "--output",
        required=True,
        metavar="PATH",
        help="the bundle, or with --compile-to a file or - (stdout)",
    )
    parser.add_argument("--compile-to", choices=_TEXT_PHASES, metavar="PHASE", help=f"stop after one of: {phases}")
    parser.add_argument("--dump-phases", metavar="DIR", help="keep what each phase gives in a folder")
    parser.add_argument(
        "--function",
        metavar="NAME",
        help="of FILE.mlir: which function is the program (default: main, or the only public one)",
    )
    parser.add_argument("--jobs", type=positive, metavar="N", help="regions to compile at a time (default: one a core)")
    parser.add_argument(
        "--no-cache",
        action="store_true",
        help="compile every region anew; otherwise what $DYCL_CACHE (or ~/.cache/dycl) has of the same region is taken",
    )
    parser.add_argument(
        "--no-simplify-host",
        action="store_true",
        help="keep regions that only pass on an input or give a constant",
    )
    parser.add_argument(
        "--embed-parameters",
        action="store_true",
        help="put the weights into the VMFBs that use them, not once into parameters.irpa",
    )
    parser.add_argument(
        "--no-tile",
        action="store_true",
        help="for CPUs: leave tiles, layouts of images and the order of weights to IREE, for comparison",
    )
    parser.add_argument(
        "--no-winograd",
        action="store_true",
        help="for CPUs: compute convolutions of 3x3 as they are: slower, with weights that take less space",
    )
    parser.add_argument(
        "--tuning",
        action="append",
        default=[],
        metavar="FILE",
        help="tiles that `dycl tune` found to be fast, for the target that it measured; again for another target",
    )
    parser.add_argument(
        "--no-pack-weights",
        action="store_true",
        help="keep the weights of matrix products mapped from the file: less memory, slower products",
    )
    parser.add_argument(
        "--demote-f64", action="store_true", help="compute f64 as f32 for targets without f64, as vulkan"
    )
    parser.add_argument(
        "--no-checks",
        action="store_true",
        help="give a result where eager raises for an index out of range or a division of integers by zero",
    )
    parser.add_argument("--json", action="store_true", help="report what was written as JSON")
    parser.set_defaults(run=_compile)


def _add_run(commands: Any) -> None:
    parser = commands.add_parser(
        "run",
        help="run a bundle once",
        description="Run a bundle once. Needs only numpy and IREE's runtime, as does `python net.dycl/host.py`.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="""\
examples:
  dycl run net.dycl --input @x.npy --output y.npy
  dycl run net.dycl --input 1x3x32x32xf32=0.5
  dycl run net.dycl --input @x.npy --profile --json""",
    )
    parser.add_argument("bundle", metavar="BUNDLE", help="a bundle that `dycl compile` wrote")
    parser.add_argument(
        "--input",
        action="append",
        default=[],
        metavar="@FILE|-|TYPE=VALUES",
        help="an input, once for each, in order: @x.npy, - (npy on standard input), 1x3xf32=0.5, 2xi64=1,2",
    )
    parser.add_argument(
        "--output",
        action="append",
        default=[],
        metavar="FILE|-",
        help="where an output goes as .npy (- is standard output), once for each; without any they are printed",
    )
    parser.add_argument(
        "--device",
        metavar="URI",
        help="IREE's HAL device: local-sync, local-task, vulkan, cuda; for a program on several targets some of them, "
        "joined by commas (default: what fits here)",
    )
    parser.add_argument(
        "--host",
        choices=("python", "vm"),
        default="python",
        help="what runs the control flow: host.py, or the same as an IREE VM module",
    )
    parser.add_argument(
        "--threads",
        type=positive,
        metavar="N",
        help="how many threads regions on a CPU may have; those that are faster with them get them "
        "(default: all cores, or 1 where --device is given)",
    )
    parser.add_argument(
        "--loading",
        choices=("lazy", "eager", "background"),
        default="lazy",
        help="load a region when it is first called (default), all of them first, or all of them in the background",
    )
    parser.add_argument(
        "--memory-budget",
        type=_bytes,
        metavar="BYTES",
        help="VMFBs and weights loaded at a time, as 500000 or 64M; the regions not called for longest are dropped",
    )
    parser.add_argument(
        "--seed",
        type=int,
        metavar="N",
        help="what random numbers are drawn by, as torch.manual_seed (default: a fresh one)",
    )
    _add_trial(parser)
    _add_require_signed(parser)
    parser.add_argument(
        "--profile",
        action="store_true",
        help="report on standard error (with --json in its output) what was called, copied and decided, and its time",
    )
    parser.add_argument("--json", action="store_true", help="print the outputs as JSON")
    parser.set_defaults(run=_run)


def _add_inspect(commands: Any) -> None:
    parser = commands.add_parser(
        "inspect",
        help="show what a bundle holds",
        description="Show a bundle's inputs and outputs, its regions with their source, cost and size, and its files.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="""\
examples:
  dycl inspect net.dycl
  dycl inspect net.dycl --json | jq '.regions[].name'
  $(dycl inspect net.dycl --iree-run-module) --input=1x3x32x32xf32=0.5""",
    )
    parser.add_argument("bundle", metavar="BUNDLE", help="a bundle that `dycl compile` wrote")
    _add_trial(parser)
    _add_require_signed(parser)
    parser.add_argument("--json", action="store_true", help="print it as JSON")
    parser.add_argument(
        "--iree-run-module",
        action="store_true",
        help="print the command that runs it without Python; add --input= (and --output=) for each input (and result)",
    )
    parser.add_argument("--target", metavar="TARGET", help="for --iree-run-module: which target (default: what fits)")
    parser.add_argument("--device", metavar="URI", help="for --iree-run-module and --trial: the HAL device")
    parser.set_defaults(run=_inspect)


def _add_bundle(commands: Any) -> None:
    parser = commands.add_parser(
        "bundle",
        help="make another bundle, or C sources, of a bundle",
        description="Make another bundle of a bundle: a zip, a stripped one, a signed one; or C sources of its VMFBs.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="""\
examples:
  dycl bundle net.dycl --zip --strip -o net-device.dycl
  openssl genpkey -algorithm ed25519 -out key.pem && openssl pkey -in key.pem -pubout -out key.pub
  dycl bundle net.dycl --sign key.pem -o net.dycl
  dycl bundle net.dycl --embed c -o src/""",
    )
    parser.add_argument("bundle", metavar="BUNDLE", help="a bundle, a folder or a zip")
    parser.add_argument("-o", "--output", required=True, metavar="PATH", help="what to write; may be BUNDLE itself")
    parser.add_argument("--zip", action="store_true", help="one file, which runs and loads as the folder does")
    parser.add_argument(
        "--strip",
        action="store_true",
        help="leave out places in the source, comments, docstrings and types; and a signature",
    )
    parser.add_argument("--sign", metavar="KEY", help="sign it with a private ed25519 key, a PEM file")
    parser.add_argument("--embed", choices=("c",), help="write C sources with the VMFBs, and a header, to a folder")
    parser.add_argument("--target", metavar="TARGET", help="with --embed: which of the bundle's targets")
    _add_require_signed(parser)
    parser.set_defaults(run=_bundle)


def _add_zoo(commands: Any) -> None:
    parser = commands.add_parser(
        "zoo",
        help="name the dynamic networks that come with dycl",
        description="Name the dynamic networks that come with dycl. Each is a SOURCE: dycl.zoo:NAME.",
    )
    actions = parser.add_subparsers(metavar="ACTION", required=True)
    listing = actions.add_parser(
        "list",
        help="name them all",
        description="Name the networks of the zoo, one a line, by family.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="""\
examples:
  dycl zoo list
  dycl zoo list --json | jq -r '.[].name'
  dycl compile dycl.zoo:skipnet38_rnn --arg tiny=true -o skipnet.dycl""",
    )
    listing.add_argument("--json", action="store_true", help="print it as JSON, with the whole descriptions")
    listing.set_defaults(run=_zoo_list)


def _add_trial(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--trial",
        action="store_true",
        help="first load all of it in a process of its own, with limits of time and memory: refuses a bundle that "
        "crashes or hangs when it is loaded. No sandbox: its code runs with your rights; see --require-signed",
    )


def _add_require_signed(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--require-signed", metavar="KEY", help="refuse a bundle not signed with this public key, a PEM file"
    )


def _bytes(text: str) -> int:
    number, unit = (text[:-1], text[-1].upper()) if text[-1:].upper() in ("K", "M", "G") else (text, "")
    if not number.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of bytes, as 500000, 64M or 1G")
    return int(number) << {"": 0, "K": 10, "M": 20, "G": 30}[unit]


# ---- dycl compile -------------------------------------------------------------------------------------------------


def _compile(given: argparse.Namespace) -> None:
    check_compiler()
    from dycl.bundle import read_bundle
    from dycl.compiler import build, compile_to
    from dycl.compiler.api import import_model
    from dycl.compiler.placement import parse_placement
    from dycl.compiler.targets import parse_targets

    if given.tuning and given.no_tile:
        raise InputError("--tuning chooses tiles; leave out --no-tile")
    options = Options(
        simplify_host=not given.no_simplify_host,
        cache=not given.no_cache,
        embed_parameters=given.embed_parameters,
        tile=not given.no_tile,
        winograd=not given.no_winograd,
        tuning=tuple(given.tuning),
        pack_weights=not given.no_pack_weights,
        demote_f64=given.demote_f64,
        checks="off" if given.no_checks else "eager",
        place=tuple(given.place),
        device_models=tuple(given.device_model),
        function=given.function,
        jobs=given.jobs,
        compile_to=given.compile_to,
        dump_phases=given.dump_phases,
    )
    # What costs nothing is checked before the model is loaded and minutes of compilation begin.
    load = source_loader(given)
    targets: list[str] = given.target or ["llvm-cpu"]
    parse_placement(options.place, options.device_models, parse_targets(targets))
    _check_output(given)

    imported = import_model(*load(), options=options, dynamic_shapes=dynamic_dimensions(given.input or ()))
    if given.compile_to is not None:
        _write_text(given.output, compile_to(imported, options, targets))
        return
    build(imported, targets, options, given.output)
    summary = _summary(read_bundle(given.output), given.output)
    print(json.dumps(summary) if given.json else _one_line(summary))


def _check_output(given: argparse.Namespace) -> None:
    if given.output == "-":
        if given.compile_to is None:
            raise InputError("a bundle is a folder and cannot go to standard output; give -o NAME.dycl")
        return
    folder = Path(given.output).absolute().parent
    if not folder.is_dir():
        raise InputError(f"cannot write {given.output}: the folder {folder} does not exist")


def _write_text(output: str, text: str) -> None:
    if output == "-":
        sys.stdout.write(text)
        return
    path = Path(output)
    new = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        new.write_text(text)
        new.replace(path)
    finally:
        new.unlink(missing_ok=True)


# ---- dycl run -----------------------------------------------------------------------------------------------------


def _run(given: argparse.Namespace) -> None:
    from dycl.runtime.host_runtime import InputProblem, check_inputs, check_output_count, output_count, parse_input
    from dycl.runtime.program import load

    if given.memory_budget is not None and given.loading == "background":
        raise InputError("--loading background and --memory-budget exclude each other")
    program = load(
        given.bundle,
        given.device,
        host=given.host,
        threads=given.threads,
        loading=given.loading,
        memory_budget=given.memory_budget,
        require_signed=given.require_signed,
        trial=given.trial,
    )
    if given.seed is not None:
        try:
            program.manual_seed(given.seed)
        except ValueError as problem:
            raise InputError(str(problem)) from problem
    signature = program.signature
    try:
        check_output_count(len(given.output), output_count(signature.output_structure.to_json()))
        takes = [spec.to_json() for spec in signature.inputs]
        sizes = [size.to_json() for size in signature.sizes]
        arrays = check_inputs([parse_input(text) for text in given.input], takes, sizes)
    except InputProblem as problem:
        raise InputError(str(problem)) from problem
    args, kwargs = signature.input_structure.build(lambda leaf: arrays[leaf.index])
    profile = program.profile() if given.profile else None
    try:
        named = program.call_flat(*args, **kwargs)
        check_output_count(len(given.output), len(named))
    except DyclError:
        raise
    except InputProblem as problem:
        raise InputError(str(problem)) from problem
    except Exception as error:  # What the model itself raises, such as a ValueError of its own.
        raise DyclError(f"the model raised {type(error).__name__}: {error}") from error
    if given.json:
        outputs = [{"name": n, "type": _type(a), "values": a.tolist()} for n, a in named.items()]
        print(json.dumps({"outputs": outputs} | ({"profile": profile.to_json()} if profile else {})))
        return
    if profile:
        print(profile, file=sys.stderr)
    if given.output:
        for file, array in zip(given.output, named.values(), strict=True):
            _write_array(file, array)
    else:
        for name, array in named.items():
            print(f"{name}: {_type(array)}\n{array}")


def _outputs(signature: Signature) -> list[dict[str, Any]]:
    """The outputs that a caller sees, each with whether it is part of the result on some paths only."""
    structure = signature.output_structure
    always = set(_leaves(structure, lambda _: ()))
    return [
        {"name": signature.outputs[i].name, "type": str(signature.outputs[i]), "always": i in always}
        for i in _leaves(structure, lambda choice: choice.items)
    ]


def _leaves(structure: Structure, items_of: Callable[[Structure], Sequence[Structure]]) -> list[int]:
    """The flat outputs in a structure; `items_of` gives the alternatives of a choice to look into."""
    if structure.kind in ("tensor", "number"):
        return [structure.index]
    items = items_of(structure) if structure.kind == "choice" else structure.items
    return [index for item in items for index in _leaves(item, items_of)]


def _type(array: Array) -> str:
    from dycl.runtime.host_runtime import NAMES, type_text

    return type_text(NAMES.get(array.dtype, str(array.dtype)), array.shape)


def _write_array(file: str, array: Array) -> None:
    import numpy as np

    if file == "-":
        np.lib.format.write_array(sys.stdout.buffer, array, allow_pickle=False)
        return
    with Path(file).open("wb") as out:
        np.lib.format.write_array(out, array, allow_pickle=False)


# ---- dycl bundle --------------------------------------------------------------------------------------------------


def _bundle(given: argparse.Namespace) -> None:
    from dycl.bundle import embed_c, pack, read_bundle

    if given.embed and (given.zip or given.strip or given.sign):
        raise InputError("--embed c writes sources; leave out --zip, --strip and --sign")
    if given.target and not given.embed:
        raise InputError("--target is for --embed; a bundle keeps all its targets")
    source = read_bundle(given.bundle, require_signed=given.require_signed).reader
    if given.embed:
        for path in embed_c(source, given.output, target=given.target):
            print(f"{path}: {_size(path.stat().st_size)}")
        return
    pack(source, given.output, as_zip=given.zip, strip=given.strip, key=given.sign)
    print(_one_line(_summary(read_bundle(given.output), given.output)))


# ---- dycl zoo -----------------------------------------------------------------------------------------------------


def _zoo_list(given: argparse.Namespace) -> None:
    from dycl.zoo.catalog import entries

    networks = sorted(entries().values(), key=lambda entry: (entry.module, entry.name))
    if given.json:
        print(json.dumps([asdict(entry) for entry in networks], indent=2, ensure_ascii=False))
        return
    width = max(len(entry.name) for entry in networks)
    for module, family in itertools.groupby(networks, key=lambda entry: entry.module):
        members = list(family)
        print(f"{members[0].family} [dycl/zoo/{module}.py]")
        for entry in members:
            print(f"  {entry.name:{width}}  {entry.summary}")


# ---- dycl inspect -------------------------------------------------------------------------------------------------


def _inspect(given: argparse.Namespace) -> None:
    from dycl.bundle import read_bundle

    read = read_bundle(given.bundle, require_signed=given.require_signed)
    if given.trial:
        from dycl.runtime.trial import try_to_load

        try_to_load(read.path, given.device, "python")
    if given.iree_run_module:
        from dycl.runtime.vm_host import run_module_command

        print(shlex.join(run_module_command(read.path, read.manifest, target=given.target, device=given.device)))
        return
    summary = _summary(read, given.bundle, is_verified=given.require_signed is not None)
    print(json.dumps(summary, indent=1) if given.json else _report(summary))


def _summary(read: Bundle, path: str, *, is_verified: bool = False) -> dict[str, Any]:
    """What a bundle, read from `path` as given, holds; sizes are in bytes."""
    from dycl.runtime.graph import runs_on
    from dycl.runtime.host_runtime import region_file

    files = read.manifest["files"]
    targets = read.manifest["targets"]
    regions = [
        {
            **region,
            "targets": [t["target"] for t in targets if runs_on(region, t["folder"])],
            "vmfb_bytes": {
                t["target"]: files[region_file(region, t["folder"])]["size"]
                for t in targets
                if runs_on(region, t["folder"])
            },
        }
        for region in read.manifest["program"]["regions"]
    ]
    nodes = read.hcfg["nodes"]
    return {
        "bundle": path,
        "form": "zip" if read.reader.is_zip else "folder",
        "signed": _signed(read.reader.signature_bytes is not None, is_verified),
        "weights": _weights(read),
        "name": read.signature.name,
        "dycl_version": read.manifest["dycl_version"],
        "targets": [t["target"] for t in targets],
        "home": next((t["target"] for t in targets if t["folder"] == read.manifest["program"].get("home")), None),
        "inputs": [{"name": s.name, "type": str(s)} for s in read.signature.inputs],
        "outputs": _outputs(read.signature),
        "state": [{"name": s.name, "type": str(s)} for s in read.signature.state],
        "predicates": sum(node["kind"] == "predicate" for node in nodes),
        "regions": regions,
        "bytes": read.path.stat().st_size if read.reader.is_zip else sum(file["size"] for file in files.values()),
        "files": {name: file["size"] for name, file in files.items()},
    }


def _signed(has_signature: bool, was_checked: bool) -> str:
    if not has_signature:
        return "no"
    return "yes, checked" if was_checked else "yes, not checked (--require-signed)"


def _weights(read: Bundle) -> str:
    """Where the weights are."""
    used = any(region["parameters"] for region in read.manifest["program"]["regions"])
    if "parameters.irpa" in read.reader:
        return "parameters.irpa"
    return "in the VMFBs" if used else "none"


def _one_line(summary: Mapping[str, Any]) -> str:
    regions, home = summary["regions"], summary["home"]
    targets = ", ".join(summary["targets"])
    if home is not None:
        shares = (f"{sum(t in r['targets'] for r in regions)} on {t}" for t in summary["targets"])
        targets = f"{' and '.join(summary['targets'])} together ({', '.join(shares)})"
    return (
        f"{summary['bundle']}: {summary['name']}, {len(regions)} regions and {summary['predicates']} "
        f"predicates for {targets}, {_size(summary['bytes'])}"
    )


def _report(summary: Mapping[str, Any]) -> str:
    lines = [_one_line(summary) + f", made by dycl {summary['dycl_version']}"]
    lines += [f"{summary['form']}, weights: {summary['weights']}, signed: {summary['signed']}", ""]
    for kind in ("inputs", "outputs", "state"):
        lines += [
            f"{kind[:-1] if kind != 'state' else kind:8}{item['name']}: {item['type']}"
            + ("" if item.get("always", True) else " (on some paths)")
            for item in summary[kind]
        ]
    rows = [
        (
            region["name"],
            _location(region["location"]),
            *(region["targets"] if summary["home"] else ()),
            _count(region["cost"]["flops"]),
            _size(region["cost"]["bytes"]),
            # The size of one that is shared is said once.
            f"in {region['vmfb']}" if "vmfb" in region else _size(sum(region["vmfb_bytes"].values())),
            str(len(region["parameters"])),
        )
        for region in summary["regions"]
    ]
    names = ("region", "source", *(("target",) if summary["home"] else ()))
    lines += ["", *text_table((*names, "FLOPs", "moves", "VMFB", "weights"), rows, len(names))]
    lines += [
        f"{region['name']} has tiles of IREE's own on {', '.join(region['plain'])}: IREE refused those of dycl"
        for region in summary["regions"]
        if "plain" in region
    ]
    return "\n".join(lines)


def _location(location: Mapping[str, Any] | None) -> str:
    return f"{Path(location['file']).name}:{location['line']}" if location and location.get("file") else "-"


def _count(number: float) -> str:
    return _scaled(number, 1000, ("", " k", " M", " G", " T"))


def _size(n_bytes: float) -> str:
    return _scaled(n_bytes, 1024, (" B", " KiB", " MiB", " GiB", " TiB"))


def _scaled(number: float, step: int, units: Sequence[str]) -> str:
    for unit in units[:-1]:
        if number < step:
            return f"{number:.0f}{unit}" if unit == units[0] else f"{number:.1f}{unit}"
        number /= step
    return f"{number:.1f}{units[-1]}"


if __name__ == "__main__":
    sys.exit(main())
