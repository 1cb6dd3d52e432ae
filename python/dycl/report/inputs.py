# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Arguments to call a model and its program with: given, a factory's own, from a file, or made like an example."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.utils import _pytree as pytree

from dycl.errors import InputError
from dycl.runtime.host_runtime import DTYPES
from dycl.signature import DynamicSize, Signature
from dycl.sources import import_file

Arguments = tuple[Any, ...]

_BATCH = 25
"""How many inputs a factory draws at a time for the search, which may need only a few."""


@dataclass
class Inputs:
    """Arguments of calls, and a sentence on where they come from.

    Attributes:
        more: gives others of the same origin, without end, for the search; None where there are no others.
    """

    arguments: list[Arguments]
    origin: str
    more: Callable[[], Iterator[Arguments]] | None = None


def given_inputs(inputs: Iterable[Any], origin: str = "given") -> Inputs:
    """Inputs that a user gives.

    Raises:
        InputError: for one that is no tuple of arguments, or if there are none.
    """
    arguments: list[Arguments] = []
    for index, item in enumerate(inputs):
        if not isinstance(item, tuple):
            raise InputError(
                f"input {index} is a {type(item).__name__}; expected a tuple of the arguments of one call: (x,)"
            )
        arguments.append(item)
    if not arguments:
        raise InputError("there are no inputs to verify with")
    return Inputs(arguments, f"{len(arguments)} {origin}")


def factory_inputs(factory: Any, count: int, seed: int, factory_arguments: Mapping[str, Any]) -> Inputs | None:
    """What a factory says that its inputs are (`factory.inputs`); None where it says nothing."""
    draw: Any = getattr(factory, "inputs", None)
    if not callable(draw):
        return None

    def drawn(count: int, seed: int) -> list[Arguments]:
        found: Any = draw(count, seed, **factory_arguments)
        return given_inputs(found).arguments

    def more() -> Iterator[Arguments]:
        for other in itertools.count(seed + 1):
            yield from drawn(_BATCH, other)

    arguments = drawn(count, seed)
    return Inputs(arguments, f"{len(arguments)} drawn by the factory's `inputs`, seed {seed}", more)


def file_inputs(text: str, count: int, seed: int) -> Inputs:
    """Inputs of `FILE.npz` or `FILE.py:FUNCTION`.

    An npz has an array for each argument, in order, whose first dimension counts the calls. A function is called with
    `(count, seed)` and gives tuples of arguments.

    Raises:
        InputError: where there is no such file, or not that in it.
        SourceError: where importing it fails.
    """
    where, colon, name = text.rpartition(":")
    path = Path(where if colon and where.endswith(".py") else text)
    if not path.is_file():
        raise InputError(f"--inputs {text}: {path} does not exist; expected FILE.npz or FILE.py:FUNCTION")
    if path.suffix == ".npz":
        with np.load(path, allow_pickle=False) as file:
            arrays = [torch.from_numpy(file[key]) for key in file.files]
        if len({len(a) for a in arrays}) != 1:
            raise InputError(f"--inputs {text}: its arrays differ in their first size, which counts the calls")
        calls = min(count, len(arrays[0]))
        return given_inputs((tuple(a[i] for a in arrays) for i in range(calls)), f"from {path.name}")
    if path.suffix != ".py" or not colon:
        raise InputError(f"--inputs {text}: expected FILE.npz or FILE.py:FUNCTION")
    function: Any = getattr(import_file(path), name, None)
    if not callable(function):
        raise InputError(f"--inputs {text}: {path.name} has no function {name}")
    drawn: Any = function(count, seed)
    return given_inputs(drawn, f"of {name} in {path.name}, seed {seed}")


def generated_inputs(signature: Signature, example: Sequence[Any] | None, count: int, seed: int) -> Inputs:
    """Inputs like an example, or where there is none, like the program's signature.

    Floats are normal with the example's mean and deviation times a factor from 0.1 to 3, around that mean plus as much
    again; ints are from the example's range; bools are fair; sizes that the program takes several of vary.
    """
    made = _example_of(signature) if example is None else tuple(example)
    generator = torch.Generator().manual_seed(seed)
    draw = _Draw(generator, signature)
    arguments = [tuple(copy.deepcopy(made))] if example is not None else []
    arguments += [draw.like(made) for _ in range(count - len(arguments))]
    like = "the example" if example is not None else "the signature"
    return Inputs(arguments, f"{len(arguments)} generated like {like}, seed {seed}")


def _example_of(signature: Signature) -> tuple[Any, ...]:
    """Arguments of the signature's types, normal floats and small ints."""
    generator = torch.Generator().manual_seed(0)

    def tensor(index: int) -> torch.Tensor:
        spec = signature.inputs[index]
        shape = [2 if size is None else size for size in spec.shape]
        dtype = torch.from_numpy(np.zeros((), DTYPES[spec.dtype][0])).dtype if spec.dtype != "bf16" else torch.bfloat16
        if dtype.is_floating_point:
            return torch.randn(shape, generator=generator).to(dtype)
        return torch.randint(0, 2 if dtype is torch.bool else 8, shape, generator=generator).to(dtype)

    args, kwargs = signature.input_structure.build(lambda leaf: tensor(leaf.index))
    if kwargs:
        raise InputError("the program takes arguments by name; give inputs, and those by name as kwargs")
    return tuple(args)


class _Draw:
    def __init__(self, generator: torch.Generator, signature: Signature) -> None:
        self._generator = generator
        self._sizes = signature.sizes

    def like(self, example: Sequence[Any]) -> Arguments:
        sizes = {size.name: self._size(size) for size in self._sizes if size.equals is None}
        leaves, spec = pytree.tree_flatten(tuple(example))
        drawn: list[Any] = []
        index = 0
        for leaf in leaves:
            if isinstance(leaf, torch.Tensor):
                drawn.append(self._tensor(leaf, self._shape(leaf, index, sizes)))
                index += 1
            else:
                drawn.append(leaf)
        return pytree.tree_unflatten(drawn, spec)

    def _size(self, size: DynamicSize) -> int:
        high = min(size.high, max(size.low, 2) * 4)
        while True:
            value = size.low + int(torch.randint(0, high - size.low + 1, (), generator=self._generator))
            if value not in size.excluded:
                return value

    def _shape(self, like: torch.Tensor, index: int, sizes: Mapping[str, int]) -> list[int]:
        shape = list(like.shape)
        for size in self._sizes:
            value = sizes.get(size.name)
            if value is None and size.equals is not None:
                other, scale, offset = size.equals
                value = sizes[other] * scale + offset
            for place, dim, scale, offset in size.places:
                if place == index and value is not None:
                    shape[dim] = value * scale + offset
        return shape

    def _tensor(self, like: torch.Tensor, shape: Sequence[int]) -> torch.Tensor:
        generator = self._generator
        if like.dtype is torch.bool:
            return torch.rand(tuple(shape), generator=generator) < 0.5
        if like.dtype.is_complex:
            return torch.complex(
                torch.randn(tuple(shape), generator=generator), torch.randn(tuple(shape), generator=generator)
            ).to(like.dtype)
        if not like.is_floating_point():
            low, high = (int(like.min()), int(like.max())) if like.numel() else (0, 1)
            if low == high:
                low, high = min(low, 0), max(high, low + 1) + 1
            return torch.randint(low, high + 1, tuple(shape), generator=generator).to(like.dtype)
        mean = like.double().mean().item() if like.numel() else 0.0
        deviation = like.double().std().item() if like.numel() > 1 else 0.0
        deviation = deviation or abs(mean) or 1.0
        contrast = 0.1 * 30 ** torch.rand((), generator=generator).item()
        shift = torch.randn((), generator=generator).item()
        noise = torch.randn(tuple(shape), generator=generator)
        return (mean + deviation * (shift + contrast * noise)).to(like.dtype)


def random_like(example: Sequence[Any], signature: Signature, generator: torch.Generator) -> Arguments:
    """Arguments like others."""
    return _Draw(generator, signature).like(example)
