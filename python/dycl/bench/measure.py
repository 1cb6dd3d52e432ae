# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Measures a program: each path that its inputs take, on both hosts and beside eager, and each of its regions."""

from __future__ import annotations

import copy
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from dycl.bench.timing import Turn, Turns, rates, summary, take_turns, turn_of
from dycl.errors import BundleError, DyclError
from dycl.runtime.host_runtime import GENERATOR

if TYPE_CHECKING:
    from dycl.bench.inputs import Call
    from dycl.bench.machine import Limits
    from dycl.runtime.graph import Node, Region
    from dycl.runtime.program import Program

TOLERANCE = 1e-4
"""The largest error, relative to the output's scale, at which times are worth comparing; `dycl verify` looks closer."""

INPUTS_A_PATH = 5
"""How many of the inputs of a path are timed."""

PROFILED_CALLS = 10
"""Of each path, for the times of its regions."""


@dataclass
class PathTimes:
    """The calls that took one path.

    Attributes:
        decisions: what each predicate decided, in order.
        inputs: which of the inputs took it.
        calls: how often a call calls each region.
        flops: of the regions that a call calls, together.
        raises: the exception that the model raises at its end; None where it returns.
        times: the milliseconds of calls, by turn, of "python", "vm" and "eager".
    """

    decisions: list[tuple[Node, Any]]
    inputs: list[int]
    calls: dict[str, int]
    flops: int
    raises: str | None = None
    times: dict[str, Turns] = field(default_factory=dict[str, Turns])

    def to_json(self) -> dict[str, Any]:
        return {
            "decisions": [list(decision) for decision in self.decisions],
            "inputs": self.inputs,
            "calls": self.calls,
            "flops": self.flops,
            "raises": self.raises,
            "latency": {name: summary(turns) for name, turns in self.times.items()},
            "samples_ms": self.times,
        }


@dataclass(frozen=True)
class RegionTimes:
    """A region's calls: how many in one call of each input, and how long one takes (the median of calls of paths)."""

    region: Region
    calls: int
    ms: float

    @property
    def total_ms(self) -> float:
        return self.calls * self.ms

    @property
    def has_unknown_sizes(self) -> bool:
        """Whether sizes depend on data: its cost counts those as one, and its rates are less than they are."""
        return any("?" in type_ for type_ in (*self.region.inputs, *self.region.results))

    def rates(self, limits: Limits | None) -> dict[str, float | None]:
        cost = self.region.cost
        return rates(self.ms if cost else 0.0, cost.flops if cost else 0, cost.bytes if cost else 0, limits)

    def to_json(self, limits: Limits | None) -> dict[str, Any]:
        cost = self.region.cost
        return {
            "name": self.region.name,
            "location": str(self.region.location) if self.region.location else None,
            "calls": self.calls,
            "ms": self.ms,
            "total_ms": self.total_ms,
            "flops": cost.flops if cost else None,
            "bytes": cost.bytes if cost else None,
            "unknown_sizes": self.has_unknown_sizes,
            **self.rates(limits),
        }


class Contender:
    """A program or a model that is timed, whose state and arguments each call finds as they were at first.

    A call gives the exception that the model raises, where it does.
    """

    def __init__(self, callee: Any, signature: Any) -> None:
        self._callee = callee
        self._writes = bool(signature.mutated_inputs)
        self._has_state = bool(signature.state)
        self._is_random = any(spec.name in GENERATOR for spec in signature.state)

    def __call__(self, call: Call) -> Any:
        """What a call gives."""
        return self._made(*self._prepare(call))

    def turn(self, call: Call, **options: Any) -> Turn:
        return turn_of(self._made, lambda: self._prepare(call), **options)

    def _prepare(self, call: Call) -> tuple[Any, Call]:
        callee = self._callee
        if self._is_random:
            _seed(callee)
        if self._has_state and hasattr(callee, "reset_state"):
            callee.reset_state()
        elif self._has_state:
            callee = copy.deepcopy(callee)
        return callee, copy.deepcopy(call) if self._writes else call

    def _made(self, callee: Any, call: Call) -> Any:
        args, kwargs = call
        try:
            return callee(*args, **kwargs)
        except DyclError:
            raise
        except Exception as error:  # The model's own, of any built-in type.
            return error


def _seed(callee: Any) -> None:
    """Has a program or a model draw the same random numbers in each call."""
    if hasattr(callee, "manual_seed"):
        callee.manual_seed(0)
    else:
        import torch

        torch.manual_seed(0)


def find_paths(program: Program, inputs: Sequence[Call]) -> list[PathTimes]:
    """The paths that the inputs take, in the order of their first input; each region that is called is loaded then."""
    flops = {region.name: region.cost.flops if region.cost else 0 for region in program.regions}
    found: dict[Any, PathTimes] = {}
    call = Contender(program, program.signature)
    for index, given in enumerate(inputs):
        with program.profile() as profile:
            result = call(given)
        decisions = program.last_decisions
        calls = {region.name: region.calls for region in profile.regions if region.calls}
        raises = f"{type(result).__name__}: {result}" if isinstance(result, Exception) else None
        path = found.setdefault(
            (*decisions,),
            PathTimes(decisions, [], calls, sum(n * flops[name] for name, n in calls.items()), raises),
        )
        path.inputs.append(index)
    return list(found.values())


def largest_error(program: Program, model: Any, inputs: Sequence[Call]) -> float:
    """The largest error of the program, relative to the scale of eager's outputs.

    Raises:
        DyclError: where a result is another than eager's.
    """
    from dycl.report.outputs import Scales, difference, exceptions_differ

    mine, eager = Contender(program, program.signature), Contender(model, program.signature)
    largest, scales = 0.0, Scales()
    for index, given in enumerate(inputs):
        got, expected = mine(given), eager(given)
        if isinstance(got, Exception) or isinstance(expected, Exception):
            exceptions = [x if isinstance(x, Exception) else None for x in (got, expected)]
            problem = exceptions_differ(*exceptions)
            problems = [problem] if problem else []
        else:
            found = difference(got, expected)
            scales.add(found)
            largest = max([largest, *map(scales.relative, found.errors)])
            problems = [*found.mismatches, *scales.too_large(found, TOLERANCE)]
        if problems:
            raise DyclError(
                f"the program and eager differ on input {index}, so their times are not compared: {problems[0]}; "
                "a factory has to give the weights that were compiled, and `dycl verify` looks closer"
            )
    return largest


def vm_program(load: Callable[[], Program]) -> tuple[Program | None, str | None]:
    """The program with the VM host, or why there is none."""
    try:
        return load(), None
    except BundleError as problem:
        return None, str(problem)


def time_paths(
    contenders: Mapping[str, Contender], paths: Sequence[PathTimes], inputs: Sequence[Call], seconds: float
) -> None:
    """Times a few inputs of each path, in turns."""
    chosen = [(path, path.inputs[:INPUTS_A_PATH]) for path in paths]
    a_share = seconds / max(1, sum(len(indices) for _, indices in chosen))
    for path, indices in chosen:
        times: dict[str, list[list[float]]] = {name: [] for name in contenders}
        for index in indices:
            turns = {name: contender.turn(inputs[index]) for name, contender in contenders.items()}
            for name, samples in take_turns(turns, seconds=a_share).items():
                times[name] += samples
        path.times = {**times}


def time_regions(program: Program, paths: Sequence[PathTimes], inputs: Sequence[Call]) -> list[RegionTimes]:
    """The regions that the paths call, the one that takes most time first."""
    samples: dict[str, list[float]] = {}
    counts: dict[str, int] = {}
    call = Contender(program, program.signature)
    for path in paths:
        for name, n in path.calls.items():
            counts[name] = counts.get(name, 0) + n * len(path.inputs)
        for _ in range(PROFILED_CALLS):
            with program.profile() as profile:
                call(inputs[path.inputs[0]])
            for region in profile.regions:
                if region.calls:
                    samples.setdefault(region.name, []).append(region.mean_ms)
    times = [
        RegionTimes(region, counts[region.name], statistics.median(samples[region.name]))
        for region in program.regions
        if region.name in samples
    ]
    return sorted(times, key=lambda each: -each.total_ms)
