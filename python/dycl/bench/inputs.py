# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Arguments to time a program with, made without torch, which a device does not have."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from dycl.errors import InputError
from dycl.runtime.host_runtime import DTYPES, InputProblem, check_inputs, parse_input
from dycl.sources import import_file

if TYPE_CHECKING:
    from dycl.signature import DynamicSize, Signature, TensorSpec

Call = tuple[tuple[Any, ...], Mapping[str, Any]]
"""The arguments of a call, and those by name."""


def typed_inputs(signature: Signature, texts: Sequence[str]) -> list[Call]:
    """The one call that `--input` gives, an array for each time."""
    takes = [spec.to_json() for spec in signature.inputs]
    try:
        arrays = check_inputs([parse_input(text) for text in texts], takes, [s.to_json() for s in signature.sizes])
    except InputProblem as problem:
        raise InputError(str(problem)) from problem
    return [_as_call(signature, arrays)]


def file_inputs(text: str, count: int, seed: int) -> list[Call]:
    """The calls of FILE.npz or FILE.py:FUNCTION, as `dycl verify` takes them.

    Raises:
        InputError: where there is no such file, or not that in it.
    """
    where, colon, name = text.rpartition(":")
    path = Path(where if colon and where.endswith(".py") else text)
    if not path.is_file() or path.suffix not in (".npz", ".py") or (path.suffix == ".py" and not colon):
        missing = "" if path.is_file() else f"{path} does not exist; "
        raise InputError(f"--inputs {text}: {missing}expected FILE.npz or FILE.py:FUNCTION")
    if path.suffix == ".npz":
        with np.load(path, allow_pickle=False) as file:
            arrays = [file[key] for key in file.files]
        if not arrays or any(a.ndim == 0 for a in arrays) or len({len(a) for a in arrays}) != 1:
            raise InputError(f"--inputs {text}: its arrays differ in their first size, which counts the calls")
        calls: list[Any] = [tuple(np.asarray(a[i]) for a in arrays) for i in range(min(count, len(arrays[0])))]
    else:
        function: Any = getattr(import_file(path), name, None)
        if not callable(function):
            raise InputError(f"--inputs {text}: {path.name} has no function {name}")
        drawn: Any = function(count, seed)
        calls = list(drawn)
    if not calls or any(not isinstance(call, tuple) for call in calls):
        raise InputError(f"--inputs {text}: expected a tuple of the arguments of a call, (x,), for one call or more")
    return [(call, {}) for call in calls]


def drawn_inputs(signature: Signature, count: int, seed: int) -> list[Call]:
    """Calls with what the signature says: normal floats of several scales, small integers, fair bools, and any of the
    sizes that may vary.
    """
    generator = np.random.default_rng(seed)
    return [_drawn(signature, generator) for _ in range(count)]


def _drawn(signature: Signature, generator: np.random.Generator) -> Call:
    shapes = [[2 if size is None else size for size in spec.shape] for spec in signature.inputs]
    sizes = {size.name: _size(size, generator) for size in signature.sizes if size.equals is None}
    for size in signature.sizes:
        if size.equals is not None:
            other, scale, offset = size.equals
            sizes[size.name] = sizes[other] * scale + offset
        for place, dim, scale, offset in size.places:
            shapes[place][dim] = sizes[size.name] * scale + offset
    scale = 0.1 * 30 ** generator.random()  # from 0.1 to 3, so that not all inputs take the same path
    return _as_call(
        signature,
        [_array(spec, shape, scale, generator) for spec, shape in zip(signature.inputs, shapes, strict=True)],
    )


def _size(size: DynamicSize, generator: np.random.Generator) -> int:
    allowed = [n for n in range(size.low, min(size.high, max(size.low, 2) * 4) + 1) if n not in size.excluded]
    return int(generator.choice(allowed))


def _array(
    spec: TensorSpec, shape: Sequence[int], scale: float, generator: np.random.Generator
) -> np.ndarray[Any, np.dtype[Any]]:
    dtype = DTYPES[spec.dtype][0]
    if dtype.kind == "b":
        return generator.random(shape) < 0.5
    if dtype.kind in "iu":
        return generator.integers(0, 8, shape).astype(dtype)
    if dtype.kind == "c":
        return (generator.normal(0, scale, shape) + 1j * generator.normal(0, scale, shape)).astype(dtype)
    return generator.normal(0, scale, shape).astype(dtype)


def _as_call(signature: Signature, arrays: Sequence[Any]) -> Call:
    args, kwargs = signature.input_structure.build(lambda leaf: arrays[leaf.index])
    return tuple(args), kwargs
