# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The phases in order: from an imported program to a bundle."""

from __future__ import annotations

import json
import re
import shutil
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dycl.bundle import staged, write_bundle
from dycl.bundle.parameters import write_archive
from dycl.compiler import phases
from dycl.compiler.imported import PARAMETERS_FILE, SIGNATURE_FILE, STATE_FILE, ImportedProgram
from dycl.compiler.ir_inspection import packs_weights, split_regions
from dycl.compiler.iree import RegionJob, compile_regions, demotes_f64, embedding_flags
from dycl.compiler.packing import add_packed, find_unsuitable, find_weight_types
from dycl.compiler.placement import PlacementRules, is_placed, parse_placement, used_targets
from dycl.compiler.target_facts import find_facts
from dycl.compiler.targets import TargetSpec, parse_targets
from dycl.compiler.tuning_file import Tuning, read_tunings
from dycl.errors import CompileError, SourceLocation, UnsupportedConstructError
from dycl.options import PHASES, Options
from dycl.runtime.graph import runs_on
from dycl.runtime.host_runtime import DTYPES, device_file, parse_type, region_file
from dycl.runtime.vm_host import device_module, vm_host_file, vm_host_problem
from dycl.weights import Weights

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping, Sequence

# What `phases.legalize_for_iree` is for.
_NOT_FOR_IREE = re.compile(r"\blinalg\.conv_2d_(ngchw|nhwgc)_|\btm_tensor\.scatter\b")
_F64_TENSOR = re.compile(r"\btensor<[^<>]*f64\b")

# The phases that give text, in order; `ImportedProgram.phase` is one of them.
_TEXT_PHASES = ("import", "optimize", "outline", "partition")


@dataclass(frozen=True)
class PartitionedProgram:
    """A program after the phase `partition`, ready to be compiled for any target.

    Attributes:
        host: host.py.
        description: the regions, their signatures, and the HCFG (contract C of ARCHITECTURE.md).
        modules: the text of each region's module, by the module's name.
        host_module: the control flow as a module for IREE's VM; "" for none: see `vm_host_problem`.
        own_modules: by the folder of a target, the modules as written for that alone, where `modules` are not for it.
        own_parameters: by the folder of such a target, the keys of the weights that each region reads as written for
            it, by the region's name; `description` has those of `modules`.
    """

    host: str
    description: Mapping[str, Any]
    modules: Mapping[str, str]
    host_module: str = ""
    own_modules: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    own_parameters: Mapping[str, Mapping[str, Sequence[str]]] = field(default_factory=dict)

    def module(self, region: Mapping[str, Any], target: TargetSpec) -> str:
        """The text of a region's module for a target."""
        return self.own_modules.get(target.folder, self.modules)[region["module"]]

    def parameters(self, region: Mapping[str, Any], target: TargetSpec) -> Sequence[str]:
        """The keys of the weights that a region reads on a target."""
        own = self.own_parameters.get(target.folder, {})
        return own.get(region["name"], region["parameters"])

    def without_own(self, refused: Sequence[RegionJob]) -> PartitionedProgram:
        """The program with `modules` for those jobs whose own ones IREE refused."""
        modules = {folder: dict(own) for folder, own in self.own_modules.items()}
        parameters = {folder: dict(own) for folder, own in self.own_parameters.items()}
        regions = {region["name"]: region for region in self.description["regions"]}
        plain: dict[str, list[str]] = {}
        for job in refused:
            module = regions[job.name]["module"]
            modules[job.target.folder][module] = self.modules[module]
            for region in regions.values():
                if region["module"] == module:
                    parameters[job.target.folder].pop(region["name"], None)
                    plain.setdefault(region["name"], []).append(job.target.folder)
        described = [
            {**region, "plain": plain[region["name"]]} if region["name"] in plain else region
            for region in self.description["regions"]
        ]
        description = {**self.description, "regions": described}
        return replace(self, description=description, own_modules=modules, own_parameters=parameters)


def build(imported: ImportedProgram, target: str | Sequence[str], options: Options, destination: str | Path) -> Path:
    """Compile a program to a bundle.

    Args:
        imported: the program after the phase `import`, or a later one.
        target: one or several of `backend[:triple[:cpu[:features]]]`.
        options: see `dycl.Options`.
        destination: the bundle's folder; it appears whole, or not at all.

    Returns:
        The bundle's folder.

    Raises:
        CompileError: where a phase fails, or the placement asked for is none of this program.
        BundleError: where the destination cannot be written.
    """
    targets = parse_targets(target)
    rules = parse_placement(options.place, options.device_models, targets)
    dump = PhaseDump(options.dump_phases)
    dump.imported(imported)
    partitioned = partition_program(imported, targets, options, dump, rules)
    used = used_targets(partitioned.description, targets, rules)
    return write_program(partitioned, imported, used, options, destination, dump)


def compile_to(imported: ImportedProgram, options: Options, target: str | Sequence[str] = "llvm-cpu") -> str:
    """The result of the phase `options.compile_to`, which is one that gives text.

    Raises:
        CompileError: where a phase fails, or the program is past that phase already.
        ValueError: for a phase that gives files, not text.
    """
    phase = options.compile_to
    if phase == "rewrite":
        return imported.rewritten
    if phase not in _TEXT_PHASES:
        raise ValueError(f"phase {phase!r} gives no text; expected one of rewrite, {', '.join(_TEXT_PHASES)}")
    dump = PhaseDump(options.dump_phases)
    dump.imported(imported)
    targets = parse_targets(target)
    rules = parse_placement(options.place, options.device_models, targets)
    return _run_until(phase, imported, options, dump, rules, targets)


def partition_program(
    imported: ImportedProgram,
    targets: Sequence[TargetSpec],
    options: Options,
    dump: PhaseDump,
    rules: PlacementRules | None = None,
) -> PartitionedProgram:
    """Run the phases up to `partition`, and emit the hosts.

    Raises:
        CompileError: where a phase fails, or the placement asked for is none of this program.
    """
    text = _run_until("partition", imported, options, dump, rules, targets)
    description = _share_vmfbs(phases.description(text))
    used = used_targets(description, targets, rules)
    has_vm_host = vm_host_problem(description, [describe_target(target, options) for target in used]) is None
    host_module = phases.host_module(text, len(imported.signature.state)) if has_vm_host else ""
    tunings = read_tunings(options.tuning, used)
    plain = phases.legalize_for_iree(text) if _NOT_FOR_IREE.search(text) else text
    written = {
        target.folder: _write_for(target, text, plain, imported, options, tunings.get(target)) for target in used
    }
    own = {folder: own for folder, own in written.items() if own != plain}
    program = PartitionedProgram(
        phases.host_source(text),
        description,
        split_regions(plain),
        host_module,
        own_modules={folder: split_regions(module) for folder, module in own.items()},
        own_parameters={
            folder: {region["name"]: region["parameters"] for region in phases.description(module)["regions"]}
            for folder, module in own.items()
        },
    )
    dump.partitioned(program)
    return program


def partitioned_text(imported: ImportedProgram, target: TargetSpec, options: Options) -> str:
    """The result of the phase `partition`, of a program for one target.

    Raises:
        CompileError: where a phase fails, or the program is past that phase already.
    """
    return _run_until("partition", imported, options, PhaseDump(None), None, (target,))


def _write_for(
    target: TargetSpec,
    partitioned: str,
    plain: str,
    imported: ImportedProgram,
    options: Options,
    tuning: Tuning | None,
) -> str:
    """A partitioned module as it is compiled for a target; `plain` is as it is for any target."""
    unit = find_facts(target).vector_unit
    if target.backend == "vulkan":
        return phases.legalize_for_spirv(partitioned)
    if unit and options.tile:
        given = tuning.pass_options() if tuning else ()
        tiled = phases.tile_for_cpu(partitioned, unit, given, winograd=options.winograd)
        weights, types = Weights.of(imported.parameters), find_weight_types([partitioned])
        if find_unsuitable(weights, types, find_weight_types([tiled])):
            return phases.tile_for_cpu(partitioned, unit, given, winograd=False)
        return tiled
    return plain


def _with_parameters(program: PartitionedProgram, targets: Sequence[TargetSpec]) -> Mapping[str, Any]:
    """The program's description, with the weights that its regions read on any of the targets."""
    regions = [
        {
            **region,
            "parameters": list(
                dict.fromkeys(
                    key
                    for target in targets
                    if runs_on(region, target.folder)
                    for key in program.parameters(region, target)
                )
            ),
        }
        for region in program.description["regions"]
    ]
    return {**program.description, "regions": regions}


def write_program(
    program: PartitionedProgram,
    imported: ImportedProgram,
    targets: Sequence[TargetSpec],
    options: Options,
    destination: str | Path,
    dump: PhaseDump,
) -> Path:
    """Compile the regions, and write the bundle (phases `compile` and `bundle`).

    Raises:
        CompileError: where a region fails, or uses a weight that the program does not bring.
        BundleError: where the destination cannot be written.
    """
    parameters = _used_parameters(program, imported, targets)
    for target in targets:
        _check_f64(program, target, options)
        _check_narrow(program, target)
    packing = {
        (target, name)
        for target in targets
        for name, text in program.own_modules.get(target.folder, program.modules).items()
        if target.is_cpu and options.pack_weights and packs_weights(text)
    }
    # What IREE refuses of ours is compiled with the weights as they are.
    embedded = Weights.of(imported.parameters).union(parameters)
    with staged(destination) as folder, _embedding(embedded, options) as flags:
        jobs = [
            replace(
                _job(region, program, target, folder),
                flags=flags,
                packs_weights=(target, region["module"]) in packing,
            )
            for target in targets
            for region in program.description["regions"]
            if runs_on(region, target.folder) and "vmfb" not in region
        ]
        if program.host_module:
            jobs += _host_jobs(program, targets, folder)
        refused = compile_regions(jobs, options)
        dump.compiled(folder)
        if refused:
            program = program.without_own(refused)
            parameters = _used_parameters(program, imported, targets)
        description = _with_parameters(program, targets)
        write_bundle(
            folder,
            signature=imported.signature,
            description=description if is_placed(description) else _unplaced(description),
            host_source=program.host,
            targets=[describe_target(target, options) for target in targets],
            parameters={} if options.embed_parameters else parameters,
            state=imported.state,
        )
    return Path(destination)


@contextmanager
def _embedding(parameters: Weights[Any], options: Options) -> Generator[tuple[str, ...]]:
    """The flags that embed weights into VMFBs, while the archive is there that they name; none without weights."""
    if not (options.embed_parameters and parameters):
        yield ()
        return
    with tempfile.TemporaryDirectory(prefix="dycl-") as folder:
        archive = Path(folder) / PARAMETERS_FILE
        write_archive(archive, parameters)
        yield embedding_flags(archive)


def _run_until(
    last: str,
    imported: ImportedProgram,
    options: Options,
    dump: PhaseDump,
    rules: PlacementRules | None,
    targets: Sequence[TargetSpec],
) -> str:
    done = _TEXT_PHASES.index(imported.phase)
    if done > _TEXT_PHASES.index(last):
        raise CompileError(f"the program is past phase {last!r} already: it was read after phase {imported.phase!r}")
    if rules and imported.phase == "partition":
        raise CompileError("regions are placed in the phase partition, and the program was read after it")
    text = imported.mlir
    for phase in _TEXT_PHASES[done + 1 : _TEXT_PHASES.index(last) + 1]:
        if phase == "optimize":
            text = phases.optimize(text, channels_last=options.tile and all(target.is_cpu for target in targets))
        elif phase == "outline":
            text = phases.outline(text, simplify_host=options.simplify_host)
        else:
            text = phases.partition(text, rules.pipeline_options if rules else "")
        dump.text(phase, text)
    return text


def _job(region: Mapping[str, Any], program: PartitionedProgram, target: TargetSpec, folder: Path) -> RegionJob:
    output = folder / region_file(region, target.folder)
    output.parent.mkdir(parents=True, exist_ok=True)
    cost = region["cost"]["flops"] if region["cost"] else 0
    module, plain = program.module(region, target), program.modules[region["module"]]
    return RegionJob(
        region["name"], module, target, output, cost, plain=plain if target.is_cpu and plain != module else ""
    )


def _host_jobs(program: PartitionedProgram, targets: Sequence[TargetSpec], folder: Path) -> list[RegionJob]:
    """The VM host for each target; of a program on several devices for its home, and what gives it the devices."""
    is_on_several = is_placed(program.description)
    homes = targets[:1] if is_on_several else targets
    jobs = [RegionJob("host", program.host_module, home, folder / vm_host_file(home.to_json())) for home in homes]
    if is_on_several:
        for target in targets:
            output = folder / device_file(target.to_json())
            jobs.append(RegionJob("device", device_module(target.backend), target, output))
    return jobs


def _share_vmfbs(description: Mapping[str, Any]) -> Mapping[str, Any]:
    """A program in whose description regions of one module are said to be in the VMFB of the first of them."""
    owners: dict[str, str] = {}
    regions = [
        region if owners.setdefault(region["module"], region["name"]) == region["name"]
        else {**region, "vmfb": owners[region["module"]]}
        for region in description["regions"]
    ]  # fmt: skip
    return {**description, "regions": regions}


def _unplaced(description: Mapping[str, Any]) -> Mapping[str, Any]:
    """A program whose regions are all at home, as one that nobody has placed."""
    regions = [{key: value for key, value in region.items() if key != "affinity"} for region in description["regions"]]
    return {**{key: value for key, value in description.items() if key != "home"}, "regions": regions}


def describe_target(target: TargetSpec, options: Options) -> dict[str, Any]:
    """The manifest's entry of a target."""
    return {
        **target.to_json(),
        "requires": find_facts(target).to_json(),
        "demotes_f64": demotes_f64(target, options),
    }


def _check_f64(program: PartitionedProgram, target: TargetSpec, options: Options) -> None:
    """Refuse f64 where the target has none.

    Raises:
        UnsupportedConstructError: at the first region with tensors of f64 or, if they are to be demoted, weights.
    """
    if find_facts(target).has_f64:
        return
    for region, module, location in _regions_on(program, target):
        wide = [name for name, type_ in find_weight_types([module]).items() if type_.endswith("f64")]
        if wide and options.demote_f64:
            raise UnsupportedConstructError(
                f"weight {wide[0]} is f64, which {target.text} has not",
                hint="convert the model first: model.float()",
                location=location,
            )
        if _F64_TENSOR.search(module) and not options.demote_f64:
            raise UnsupportedConstructError(
                f"region {region['name']} computes in f64, which {target.text} has not",
                hint="compute in f32 there, or compile with --demote-f64 (demote_f64=True)",
                location=location,
            )


def _check_narrow(program: PartitionedProgram, target: TargetSpec) -> None:
    """Refuse tensors of less than 32 bits an element that cross a region's border, where a target has only wider ones.

    Raises:
        UnsupportedConstructError: at the first region that takes, gives or has as a weight such a tensor.
    """
    stored = find_facts(target).stored_bits
    for region, module, location in _regions_on(program, target):
        weights = (f"tensor<{type_}>" for type_ in find_weight_types([module]).values())
        for type_ in (*region["inputs"], *region["results"], *weights):
            bits = _emulated_bits(type_, stored)
            if bits is not None:
                raise UnsupportedConstructError(
                    f"region {region['name']} has a {type_} outside, which IREE reads and writes wrongly for "
                    f"{target.text}: it has no {bits}-bit storage",
                    hint="compile for vulkan, whose code asks for a GPU that has it, or for llvm-cpu; or convert: "
                    "x.to(torch.int32)",
                    location=location,
                )


def _emulated_bits(type_: str, stored: Sequence[int]) -> int | None:
    """The bits of an element where IREE is wrong about tensors of this type, given the widths that a target stores.

    It is right about 32 bits and more, and about integers that fill words of 32 bits in any case.
    """
    if not type_.startswith("tensor<"):
        return None
    dtype, shape = parse_type(type_.removeprefix("tensor<").removesuffix(">"))
    bits = 8 * DTYPES[dtype][0].itemsize
    if bits >= 32 or bits in stored:
        return None
    fills_words = prod(size for size in shape if size is not None) * bits % 32 == 0
    return None if fills_words and dtype not in ("f16", "bf16") else bits


def _regions_on(
    program: PartitionedProgram, target: TargetSpec
) -> Generator[tuple[Mapping[str, Any], str, SourceLocation | None]]:
    """The description, the module's text and the place in the source of each region that is compiled for a target."""
    for region in program.description["regions"]:
        if runs_on(region, target.folder):
            place = region["location"]
            location = SourceLocation(place["file"], place["line"]) if place else None
            yield region, program.module(region, target), location


def _used_parameters(
    program: PartitionedProgram, imported: ImportedProgram, targets: Sequence[TargetSpec]
) -> Weights[Any]:
    """The weights that the regions read on these targets."""
    weights = Weights.of(imported.parameters)
    types = find_weight_types(program.modules.values())
    missing = [key for key in types if key not in weights]
    if missing:
        raise CompileError(
            f"{len(missing)} weights that regions use are not given: {', '.join(missing[:5])}; "
            f"a program read from a file takes them from {PARAMETERS_FILE} beside it"
        )
    keys = dict.fromkeys(
        key
        for target in targets
        for region, _, _ in _regions_on(program, target)
        for key in program.parameters(region, target)
    )
    return add_packed(weights, types, keys).only(keys)


class PhaseDump:
    """The folder that keeps each phase's result; without a folder it keeps nothing.

    It holds 1-rewrite.py, 2-import.mlir, 3-optimize.mlir, 4-outline.mlir, 5-partition.mlir,
    5-partition/{REGION_MODULE.mlir, TARGET/REGION_MODULE.mlir, host.mlir, host.py, program.json} and
    6-compile/TARGET/REGION.vmfb; and beside them parameters.irpa, state.irpa and signature.json, with which any of the
    .mlir files can be resumed.
    """

    def __init__(self, folder: str | None) -> None:
        self._folder = Path(folder) if folder else None

    def imported(self, program: ImportedProgram) -> None:
        if self._folder is None:
            return
        if program.rewritten:
            self._write("1-rewrite.py", program.rewritten)
        if program.phase == "import":
            self._write("2-import.mlir", program.mlir)
        self._write(SIGNATURE_FILE, json.dumps(program.signature.to_json(), indent=1))
        for name, arrays in ((PARAMETERS_FILE, program.parameters), (STATE_FILE, program.state)):
            if arrays:
                write_archive(self._folder / name, arrays)

    def text(self, phase: str, text: str) -> None:
        self._write(f"{PHASES.index(phase) + 1}-{phase}.mlir", text)

    def partitioned(self, program: PartitionedProgram) -> None:
        for name, module in program.modules.items():
            self._write(f"5-partition/{name}.mlir", module)
        for folder, modules in program.own_modules.items():
            for name, module in modules.items():
                self._write(f"5-partition/{folder}/{name}.mlir", module)
        self._write("5-partition/host.py", program.host)
        self._write("5-partition/host.mlir", program.host_module)
        self._write("5-partition/program.json", json.dumps(program.description, indent=1))

    def compiled(self, folder: Path) -> None:
        if self._folder is not None:
            shutil.copytree(folder / "regions", self._folder / "6-compile", dirs_exist_ok=True)

    def _write(self, name: str, text: str) -> None:
        if self._folder is None:
            return
        path = self._folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
