# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Weights in the order in which compiled code reads them.

`passes/Utils/PackedWeights` asks for a weight in another order by a key that says how it is made:
`fc.weight@transpose(1,0)@blocks(32)` is `fc.weight`, transposed, in blocks of 32 columns;
`conv.weight@winograd(4)` what `passes/WinogradConvolutions.cpp` multiplies with, for tiles of 4x4 outputs.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import numpy as np

from dycl.errors import CompileError
from dycl.runtime.host_runtime import DTYPES, parse_type
from dycl.weights import Weights

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterable, Mapping

    Array = np.ndarray[Any, np.dtype[Any]]

_WEIGHT = re.compile(r'parameter\.named<"model"::"([^"]*)"> : tensor<([^<>]*)>')
# Sums of products with weights below it are finite in f32.
_LARGEST_TRANSFORMED = 1e30
_AT_A_TIME = 1 << 14  # pairs of channels whose kernels are transformed together
_STEP = re.compile(r"@(select|transpose|reshape|blocks|winograd)\(([\d,]*)\)")


def find_weight_types(modules: Iterable[str]) -> dict[str, str]:
    """The type of each weight that regions' modules name, as `16x3x3x3xf32`, by its key."""
    return {_unescape(key): type_ for module in modules for key, type_ in _WEIGHT.findall(module)}


def _unescape(text: str) -> str:
    """A string as MLIR's text has it: a backslash is before itself, or two digits of a byte."""
    plain = re.sub(rb"\\(\\|[0-9A-F]{2})", _unescaped_byte, text.encode())
    return plain.decode()


def _unescaped_byte(found: re.Match[bytes]) -> bytes:
    return found[1] if found[1] == b"\\" else bytes.fromhex(found[1].decode())


def add_packed(weights: Weights[Array], types: Mapping[str, str], keys: Iterable[str]) -> Weights[Array]:
    """The weights, and the packed ones of `keys` that are made of them.

    Args:
        weights: the program's; an array may have any shape, its bytes are what counts.
        types: the type of each, where it is not packed.
        keys: of all weights that are asked for; those that `weights` has stay as they are.

    Raises:
        CompileError: for a key that names no weight of the program.
    """
    packed: dict[str, Callable[[], Array]] = {}
    for key in keys:
        if key in weights:
            continue
        base, steps = _parse(key, weights)
        if base not in weights or base not in types:
            raise CompileError(f"weight {key} is used and not given")
        packed[key] = _maker(weights.maker(base), types[base], steps)
    return weights.union(Weights(packed))


def _parse(key: str, names: Container[str]) -> tuple[str, list[tuple[str, list[int]]]]:
    """The weight that a key starts from, the longest name that there is, and the steps from it."""
    base = key
    steps: list[tuple[str, list[int]]] = []
    for found in reversed(list(_STEP.finditer(key))):
        if base in names or found.end() != len(base):
            break
        steps.insert(0, (found[1], [int(number) for number in found[2].split(",")]))
        base = key[: found.start()]
    return base, steps


def _maker(make: Callable[[], Array], type_: str, steps: list[tuple[str, list[int]]]) -> Callable[[], Array]:
    dtype, shape = parse_type(type_)
    sizes = [size for size in shape if size is not None]

    def packed() -> Array:
        array = np.ascontiguousarray(make()).reshape(-1).view(DTYPES[dtype][0]).reshape(sizes)
        for step, numbers in steps:
            array = _apply(array, step, numbers)
        return np.ascontiguousarray(array)

    return packed


def _apply(array: Array, step: str, numbers: list[int]) -> Array:
    if step == "select":
        return array[numbers[0]]
    if step == "transpose":
        return array.transpose(numbers)
    if step == "reshape":
        return array.reshape(numbers)
    if step == "winograd":
        return _transform(array, numbers[0])
    block, size = numbers[0], array.shape[-1]
    if size < block:
        array, size = np.pad(array, [(0, 0)] * (array.ndim - 1) + [(0, block - size)]), block
    # The last block is shifted back where blocks do not divide the channels.
    starts = [min(start, size - block) for start in range(0, size, block)]
    return np.stack([array[..., start : start + block] for start in starts])


def _transform(kernels: Array, tile: int) -> Array:
    """Kernels of 3x3, `[3, 3, C, F]`, at the points of a Winograd convolution, `[(tile + 2)**2, C, F]`.

    The points are 0, pairs of p and -p, and infinity, in this order.
    """
    squares = {2: [1.0], 4: [0.5, 2.0]}[tile]
    rows = [[1 / float(np.prod([-square for square in squares])), 0, 0]]
    for square in squares:
        scale = 2 * square * float(np.prod([square - other for other in squares if other != square]))
        rows += [[1 / scale, sign * square**0.5 / scale, square / scale] for sign in (1, -1)]
    matrix = np.array([*rows, [0, 0, 1]])
    both = np.einsum("ia,jb->ijab", matrix, matrix).reshape(len(matrix) ** 2, 9)
    plain = kernels.reshape(9, -1)
    transformed = np.empty((len(both), plain.shape[1]), kernels.dtype)
    # Some at a time: in f64 all of them would take a multiple of the weight.
    for start in range(0, plain.shape[1], _AT_A_TIME):
        part = slice(start, start + _AT_A_TIME)
        transformed[:, part] = both @ plain[:, part].astype(np.float64)
    return transformed.reshape(-1, *kernels.shape[2:])


def find_unsuitable(weights: Weights[Array], types: Mapping[str, str], keys: Iterable[str]) -> list[str]:
    """Of the packed weights of `keys`, those transformed of weights that are not all finite, or nearly not.

    Of one such number the transform would make many that are not.
    """
    unsuitable = []
    for key in keys:
        base, steps = _parse(key, weights)
        if any(step == "winograd" for step, _ in steps) and base in weights and base in types:
            array = _maker(weights.maker(base), types[base], [])()
            # Not for NaN either.
            if not np.abs(array).max(initial=0) < _LARGEST_TRANSFORMED:
                unsuitable.append(key)
    return unsuitable
