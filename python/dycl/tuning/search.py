# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""`dycl.tune`: compiles each operation of a program in several ways, and measures which is the fastest."""

from __future__ import annotations

import queue
import statistics
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dycl.bench.machine import describe
from dycl.bench.timing import percentile
from dycl.compiler import phases
from dycl.compiler.api import import_model
from dycl.compiler.ir_inspection import find_choices, split_regions
from dycl.compiler.iree import RegionJob, compile_regions
from dycl.compiler.packing import find_weight_types
from dycl.compiler.pipeline import describe_target, partitioned_text
from dycl.compiler.target_facts import VectorUnit, find_facts
from dycl.compiler.targets import TargetSpec
from dycl.compiler.tuning_file import Entry, Tuning, choice_text, compiler_versions
from dycl.errors import CompileError, DyclError
from dycl.options import Options
from dycl.progress import Progress
from dycl.tuning.executors import RunnerExecutor
from dycl.tuning.operations import NAME, WEIGHT, Operation
from dycl.tuning.runner import Program, measure

if TYPE_CHECKING:
    from dycl.compiler.imported import ImportedProgram

# How many times as fast as the rules' an alternative has to be: less is noise.
MINIMUM_GAIN = 1.03
# How much of the time of the best so far another choice may take.
_WORTH = 0.99
# About how long an alternative is measured among others, and in the comparison with the rules that decides.
_SECONDS, _SECONDS_AT_LAST = 0.1, 0.4

Choice = dict[str, int]
"""All that is chosen of an operation, by name."""


def tune(
    model: Any,
    args: Sequence[Any] = (),
    kwargs: Mapping[str, Any] | None = None,
    *,
    target: str = "llvm-cpu",
    options: Options | None = None,
    dynamic_shapes: Any = None,
    executors: Sequence[Executor] = (),
    budget_s: float | None = None,
) -> Tuning:
    """Measure which tiles are the fastest for the operations of a model.

    Each convolution and product of static sizes is compiled by itself in several ways, and measured; those that take
    most arithmetic first. What is not faster by 3% stays with the rules.

    Args:
        model: as for `dycl.compile`, as are `args`, `kwargs` and `dynamic_shapes`.
        args: see above.
        kwargs: see above.
        target: what to compile for, one of `llvm-cpu[:triple[:cpu[:features]]]`.
        options: those of the compilation that the tuning is for.
        dynamic_shapes: see above.
        executors: what measures, each on a device of its own that runs the target, all of one kind; an operation is
            measured by one of them. They are given functions of `dycl.tuning.runner` and `dycl.bench.machine`, so an
            executor of any library does that runs them in a Python with dycl; `RunnerExecutor` needs no dycl there.
            None given: this machine.
        budget_s: after how many seconds no new measurement begins; None for when all is measured.

    Returns:
        The tuning; `save` writes it for `Options.tuning`.

    Raises:
        UnsupportedConstructError: where the model uses what dycl does not compile.
        CompileError: where a phase fails, or the target has no tiles to choose.
        DyclError: where a device cannot measure.
    """
    options = options or Options()
    spec = TargetSpec.parse(target)
    unit = check_target(spec)
    imported = import_model(model, args, kwargs, options, dynamic_shapes)
    return tune_program(imported, spec, unit, options, executors, budget_s)


def check_target(target: TargetSpec) -> VectorUnit:
    """The vector unit that a target's tiles are made for.

    Raises:
        CompileError: where there are no tiles to choose.
    """
    unit = find_facts(target).vector_unit
    if unit is None:
        raise CompileError(
            f"there is nothing to tune for {target.text}: dycl tiles for CPUs with AVX-512, AVX2 and FMA, or NEON"
        )
    return unit


def tune_program(
    imported: ImportedProgram,
    target: TargetSpec,
    unit: VectorUnit,
    options: Options,
    executors: Sequence[Executor] = (),
    budget_s: float | None = None,
) -> Tuning:
    """The same for a program that is imported already."""
    options = replace(options, tuning=(), tile=True)
    deadline = time.monotonic() + budget_s if budget_s is not None else float("inf")
    listed = phases.tile_for_cpu(
        partitioned_text(imported, target, options), unit, winograd=options.winograd, lists_choices=True
    )
    counts = Counter(key for key, _ in find_choices(listed))
    operations = [operation for key in counts if (operation := Operation.parse(key))]
    # The same order each time, whatever the order in the program.
    operations.sort(key=lambda operation: (-operation.flops * counts[operation.key], operation.key))
    own = [] if executors else [RunnerExecutor()]
    try:
        devices = [_Device(executor) for executor in executors or own]
        machine = _machine(devices)
        tuner = _Tuner(target, unit, options, deadline)
        with Progress("tuning operations", len(operations), options.progress) as progress:
            entries = _share(operations, devices, tuner, progress)
    finally:
        for executor in own:
            executor.shutdown()
    ordered = {operation.key: entries[operation.key] for operation in operations if operation.key in entries}
    return Tuning(target, unit, machine, compiler_versions(), ordered)


@dataclass(frozen=True)
class _Device:
    executor: Executor

    def call(self, function: Any, *args: Any, **kwargs: Any) -> Any:
        return self.executor.submit(function, *args, **kwargs).result()


def _machine(devices: Sequence[_Device]) -> dict[str, Any]:
    """What the devices are, which is the same for all."""
    found = [device.call(describe) for device in devices]
    for other in found[1:]:
        if other["processor"] != found[0]["processor"]:
            raise DyclError(
                f"one device is {found[0]['processor']}, another {other['processor']}; tune for each by itself"
            )
    return {key: value for key, value in found[0].items() if key != "load"}


def _share(
    operations: Sequence[Operation], devices: Sequence[_Device], tuner: _Tuner, progress: Progress
) -> dict[str, Entry]:
    """The entries of the operations, each measured by the device that is free first."""
    waiting: queue.SimpleQueue[Operation] = queue.SimpleQueue()
    for operation in operations:
        waiting.put(operation)
    entries: dict[str, Entry] = {}
    stop = threading.Event()

    def work(device: _Device) -> None:
        try:
            while not stop.is_set() and not tuner.is_over():
                operation = waiting.get_nowait()
                entry = tuner.tune(operation, device)
                if entry is not None:
                    entries[operation.key] = entry
                progress.advance(operation.key)
        except queue.Empty:
            return
        except BaseException:
            stop.set()
            raise

    with ThreadPoolExecutor(len(devices), thread_name_prefix="dycl-tune") as pool:
        try:
            for future in [pool.submit(work, device) for device in devices]:
                future.result()
        except BaseException:
            stop.set()
            raise
    return entries


class _Tuner:
    """Tries alternatives of an operation for a target."""

    def __init__(self, target: TargetSpec, unit: VectorUnit, options: Options, deadline: float) -> None:
        self._target, self._unit, self._deadline = target, unit, deadline
        self._options = replace(options, progress=False, dump_phases=None)

    def is_over(self) -> bool:
        """Whether the time for it is."""
        return time.monotonic() >= self._deadline

    def tune(self, operation: Operation, device: _Device) -> Entry | None:
        """What is best for an operation; None where the passes do not know it by its key alone."""
        choices = self._choices(operation, {})
        if choices is None:
            return None
        rule = best = {name: numbers[0] for name, numbers in choices.items()}
        times: dict[str, float] = {}
        # The tile of registers first, since the rest depends on it.
        for name in ("tile", *(name for name in choices if name not in ("block", "tile"))):
            others = self._tiles(operation) if name == "tile" else self._others(operation, best, name)
            candidates = [rule, *(other for other in others if other != rule)]
            if len(candidates) == 1 or self.is_over():
                continue
            for choice, samples in zip(candidates, self._measure(operation, candidates, device, _SECONDS), strict=True):
                if samples:
                    times[_text(choice, rule)] = _best(samples)
            # What is hardly faster is not worth another choice.
            first = min(candidates, key=lambda choice: times.get(_text(choice, rule), float("inf")))
            if times[_text(first, rule)] < _WORTH * times[_text(best, rule)]:
                best = first
        if best != rule and not self._is_faster(operation, best, rule, device, times):
            best = rule
        return Entry({} if best == rule else best, {text: round(time, 3) for text, time in times.items()})

    def _is_faster(
        self, operation: Operation, choice: Choice, rule: Choice, device: _Device, times: dict[str, float]
    ) -> bool:
        """Whether a choice is faster than the rules', measured once more: the best of many is so by chance, too.

        And not slower where the weights are not in the cache: in a network other operations need it in between.
        """
        pair = [rule, choice]
        of_rule, of_choice = self._measure(operation, pair, device, _SECONDS_AT_LAST)
        if not of_rule or not of_choice:
            return False
        times["rule"], times[choice_text(choice)] = _best(of_rule), _best(of_choice)
        if _best(of_rule) < MINIMUM_GAIN * _best(of_choice) or statistics.median(
            of_rule
        ) < MINIMUM_GAIN * statistics.median(of_choice):
            return False
        of_rule, of_choice = self._measure(operation, pair, device, _SECONDS_AT_LAST, evicts=True)
        if not of_rule or not of_choice:
            return False
        return statistics.median(of_choice) <= statistics.median(of_rule)

    def _tiles(self, operation: Operation) -> list[Choice]:
        """Alternatives of the block, each with those of the tile that suit it."""
        found: list[Choice] = []
        for block in (self._choices(operation, {}) or {}).get("block", ()):
            of_block = self._choices(operation, {"block": block}) or {}
            for tile in of_block.get("tile", ()):
                found += self._whole(operation, {"block": block, "tile": tile})
        return found

    def _others(self, operation: Operation, best: Choice, name: str) -> list[Choice]:
        """Alternatives of what is chosen by a name; where the best tile does not suit one, with a tile of the rules."""
        numbers = (self._choices(operation, best) or {}).get(name, ())
        without = {other: number for other, number in best.items() if other != "tile"}
        return [
            whole
            for number in numbers
            for whole in self._whole(operation, {**best, name: number})
            or self._whole(operation, {**without, name: number})
        ]

    def _whole(self, operation: Operation, part: Choice) -> list[Choice]:
        """What is chosen of all names where a part is; nothing where that is not legal."""
        choices = self._choices(operation, part)
        return [] if choices is None else [{name: numbers[0] for name, numbers in choices.items()}]

    def _choices(self, operation: Operation, choice: Choice) -> dict[str, list[int]] | None:
        """What may be chosen where something is already; None where that is not legal."""
        try:
            tiled = self._tile(operation, choice, lists_choices=True)
        except CompileError:
            return None
        found = find_choices(tiled)
        return found[0][1] if len(found) == 1 and found[0][0] == operation.key else None

    def _tile(self, operation: Operation, choice: Choice, *, lists_choices: bool = False) -> str:
        tuning = (":".join((operation.key, *choice_text(choice).split())),) if choice else ()
        return phases.tile_for_cpu(operation.module(), self._unit, tuning, winograd=False, lists_choices=lists_choices)

    def _measure(
        self,
        operation: Operation,
        candidates: Sequence[Choice],
        device: _Device,
        seconds: float,
        *,
        evicts: bool = False,
    ) -> list[list[float] | None]:
        """The samples of each choice, in microseconds; None of what IREE does not compile, or computes wrongly."""
        with tempfile.TemporaryDirectory(prefix="dycl-tune-") as folder:
            modules = [split_regions(self._tile(operation, choice))[NAME] for choice in candidates]
            jobs = [
                # What IREE refuses is compiled as the rules have it, and not measured.
                RegionJob(NAME, module, self._target, Path(folder) / f"{index}.vmfb", plain=modules[0] if index else "")
                for index, module in enumerate(modules)
            ]
            refused = {job.output for job in compile_regions(jobs, self._options)}
            compiled = [index for index, job in enumerate(jobs) if job.output not in refused]
            programs = [
                Program(jobs[index].output.read_bytes(), tuple(find_weight_types([modules[index]])))
                for index in compiled
            ]
        samples = device.call(
            measure,
            programs,
            NAME,
            operation.inputs,
            {WEIGHT: operation.weight} if operation.weight else {},
            describe_target(self._target, self._options),
            seconds * len(programs),
            evicts=evicts,
        )
        by_index = dict(zip(compiled, samples, strict=True))
        return [by_index.get(index) for index in range(len(candidates))]


def _text(choice: Choice, rule: Choice) -> str:
    return "rule" if choice == rule else choice_text(choice)


def _best(samples: Sequence[float]) -> float:
    """What disturbs a measurement makes it longer, never shorter; the very shortest is a clock's."""
    return percentile(sorted(samples), 5)
