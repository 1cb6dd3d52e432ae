# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Measures compiled operations on the machine that this runs on.

A device needs only numpy and IREE's runtime for it: `RunnerExecutor` sends these files over, without the rest of dycl.
"""

from __future__ import annotations

import json
import os
import pickle
import sys
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import iree.runtime as rt
import numpy as np

from dycl.bench.machine import cache_bytes
from dycl.bench.timing import take_turns, turn_of, warm
from dycl.compiler.packing import add_packed
from dycl.errors import DyclError
from dycl.runtime.host_runtime import DTYPES, IREE_ERRORS, BundleProblem, parse_type, pick_target
from dycl.weights import Weights

# An alternative whose numbers differ more than that from the first one's, of their scale, is wrong.
TOLERANCE = 1e-4
_SAMPLE_S = 50e-6


@dataclass(frozen=True)
class Program:
    """An operation, compiled in one of several ways.

    Attributes:
        vmfb: the compiled module.
        keys: of the weights that it reads, as `dycl.compiler.packing` makes them.
    """

    vmfb: bytes
    keys: tuple[str, ...]


def measure(
    programs: Sequence[Program],
    function: str,
    inputs: Sequence[str],
    weights: Mapping[str, str],
    target: Mapping[str, Any],
    seconds: float,
    *,
    evicts: bool = False,
) -> list[list[float] | None]:
    """How long calls of each program take, in microseconds: all samples of warm calls, taken in turns.

    Args:
        programs: what is compared; they compute the same.
        function: what is called, in each.
        inputs: the types of its arguments, `1x58x58x64xf32`.
        weights: the types of the weights, by key.
        target: the manifest's entry of what the programs are compiled for.
        seconds: about how long to measure, for all together.
        evicts: empty the L2 cache before each call, as the rest of a network may.

    Returns:
        The samples of each program; None for one that does not load, or computes something else than the first.

    Raises:
        DyclError: where this machine does not run programs for the target, or not the first of these.
    """
    try:
        _, uri = pick_target(Path(), {"targets": [target]})
    except BundleProblem as problem:
        raise DyclError(str(problem)) from problem
    random = np.random.default_rng(0)
    arrays = [_draw(random, type_) for type_ in inputs]
    base: dict[str, np.ndarray[Any, Any]] = {key: _draw(random, type_) for key, type_ in weights.items()}
    calls: dict[int, _Call] = {}
    expected: np.ndarray[Any, Any] | None = None
    for index, program in enumerate(programs):
        try:
            packed = {
                key: np.ascontiguousarray(array)
                for key, array in add_packed(Weights.of(base), weights, program.keys).only(program.keys).items()
            }
            call = _Call(program.vmfb, function, packed, arrays, uri)
            result = call.result()
        except IREE_ERRORS as error:
            if index == 0:
                raise DyclError(f"what the rules choose does not run here: {error}") from error
            continue
        expected = result if expected is None else expected
        scale = float(np.max(np.abs(expected), initial=0))
        if index == 0 or np.max(np.abs(result - expected), initial=0) <= TOLERANCE * scale:
            calls[index] = call
    n = 1 if evicts else _calls_a_sample(calls[0])
    prepare = _make_evict() if evicts else lambda: (n,)
    turns = {str(index): turn_of(call.repeat, prepare, at_most=2000, turn_ms=5) for index, call in calls.items()}
    taken = take_turns(turns, seconds=seconds)
    return [
        [1e3 * ms / n for ms in warm(taken[str(index)])] if index in calls else None for index in range(len(programs))
    ]


def _make_evict() -> Callable[[], tuple[int]]:
    """What fills the L2 cache with other data, and gives the arguments of one call."""
    source = np.ones(2 * cache_bytes(2) // 4, np.float32)
    target = np.empty_like(source)

    def evict() -> tuple[int]:
        np.copyto(target, source)
        return (1,)

    return evict


def _calls_a_sample(call: _Call) -> int:
    """How many calls take long beside reading the clock, and what a sample is rounded to."""
    n = 1
    while True:
        start = time.perf_counter()
        call.repeat(n)
        if time.perf_counter() - start >= _SAMPLE_S:
            return n
        n *= 2


def _draw(random: np.random.Generator, type_: str) -> np.ndarray[Any, Any]:
    dtype, shape = parse_type(type_)
    sizes = [size or 1 for size in shape]
    return random.standard_normal(sizes, np.float32).astype(DTYPES[dtype][0])


class _Call:
    """A function of a VMFB with its arguments; calling it computes the result and drops it."""

    def __init__(
        self,
        vmfb: bytes,
        function: str,
        weights: Mapping[str, np.ndarray[Any, Any]],
        arrays: Sequence[np.ndarray[Any, Any]],
        uri: str,
    ) -> None:
        instance = rt.VmInstance()
        device = rt.get_device(uri)
        modules: list[Any] = [rt.create_hal_module(instance, device)]
        if weights:
            index = rt.ParameterIndex()
            for key, array in weights.items():
                index.add_buffer(key, array)  # pyright: ignore[reportCallIssue]
            modules.insert(0, rt.create_io_parameters_module(instance, index.create_provider(scope="model")))
        module = rt.VmModule.copy_buffer(instance, vmfb)
        self._context = rt.VmContext(instance, modules=[*modules, module])
        found = module.lookup_function(function)
        if found is None:
            raise LookupError(f"the module has no function {function}")
        self._function = found
        self._arguments = rt.VmVariantList(len(arrays))
        for array in arrays:
            view: Any = device.allocator.allocate_buffer_copy(
                rt.MemoryType.DEVICE_LOCAL,
                rt.BufferUsage.DEFAULT | rt.BufferUsage.MAPPING,
                device,
                array,
                rt.HalElementType.FLOAT_32,
            )
            self._arguments.push_ref(view)
        self._kept = (instance, device, modules, weights)

    def __call__(self) -> Any:
        results = rt.VmVariantList(1)
        self._context.invoke(self._function, self._arguments, results)
        return results

    def repeat(self, n: int) -> None:
        """Calls it so many times."""
        for _ in range(n):
            self()

    def result(self) -> np.ndarray[Any, Any]:
        view = self().get_as_object(0, rt.HalBufferView)
        return np.array(view.map().asarray(view.shape, np.dtype(np.float32)))


def serve() -> None:
    """Calls the function that is pickled on standard input, and prints what it gives as JSON.

    `{"result": …}`, or `{"error": …}` for a DyclError.
    """
    # What else prints does so on standard error.
    answer = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    function, args, kwargs = pickle.load(sys.stdin.buffer)
    try:
        found = {"result": function(*args, **kwargs)}
    except DyclError as error:
        found = {"error": str(error)}
    except Exception:
        found = {"error": traceback.format_exc()}
    json.dump(found, answer)
    answer.flush()
