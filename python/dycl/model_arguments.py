# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""A model and its example inputs as arguments of the commands that compile one."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dycl.errors import CompileError, InputError

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, np.dtype[Any]]


def add_source_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds SOURCE, --input and --arg."""
    parser.add_argument(
        "source",
        metavar="SOURCE",
        help="FILE.py:FACTORY or PACKAGE.MODULE:FACTORY, a function that returns a model, (model, args) or "
        "(model, args, kwargs); or FILE.mlir, a program in MLIR or a phase's dump",
    )
    parser.add_argument(
        "--input",
        action="append",
        metavar="TYPE",
        help="the type of an input, as 1x3x32x32xf32, ?x64xf32 (a size that may vary), or @x.npy for one like it; once "
        "for each positional argument, in place of the factory's args",
    )
    parser.add_argument(
        "--arg", action="append", default=[], metavar="NAME=JSON", help="a keyword argument for the factory"
    )


def check_compiler() -> None:
    """Refuses to begin where what compiles is not installed.

    Raises:
        CompileError: it is not; the message says how to install it.
    """
    missing = [name for name in ("torch", "torch_mlir", "iree.compiler") if find_spec(name) is None]
    if missing:
        raise CompileError(f"compiling needs {', '.join(missing)}: pip install 'dycl[compiler]'")


def source_loader(given: argparse.Namespace) -> Callable[[], tuple[Any, Sequence[Any], Mapping[str, Any]]]:
    """What loads the model, with example arguments and those by name; what costs nothing is checked before.

    Raises:
        InputError: for a wrong --input.
        SourceError: for a wrong --arg; and from what is returned, where there is no such model.
    """
    from dycl.sources import load_source, parse_factory_arguments

    factory_arguments = parse_factory_arguments(given.arg)
    examples = None if given.input is None else [example(text) for text in given.input]

    def load() -> tuple[Any, Sequence[Any], Mapping[str, Any]]:
        source = load_source(given.source, factory_arguments)
        args = source.args if examples is None else tensors(examples)
        if args is None and not isinstance(source.model, Path):
            raise InputError(f"{given.source} gives no arguments for its model; add --input TYPE, as 1x3x32x32xf32")
        return source.model, args or (), source.kwargs

    return load


def example(text: str) -> Array:
    """An array of the type that `--input` gives; its values do not matter."""
    import numpy as np

    from dycl.runtime.host_runtime import DTYPES, InputProblem, parse_input, parse_type

    if text == "-":
        raise InputError("--input - is for `dycl run`; give the type of the input, as 1x3x32x32xf32")
    if text.startswith("@"):
        try:
            return parse_input(text)
        except InputProblem as problem:
            raise InputError(str(problem)) from problem
    try:
        dtype, shape = parse_type(text)
    except ValueError:
        known = ", ".join(DTYPES)
        raise InputError(
            f"--input {text!r} is not a type; expected sizes and a dtype joined by x, as 1x3x32x32xf32 or i64, "
            f"or @FILE.npy; dtypes: {known}"
        ) from None
    return np.zeros([2 if size is None else size for size in shape], DTYPES[dtype][0])


def dynamic_dimensions(texts: Sequence[str]) -> Any:
    """The `dynamic_shapes` of inputs given as types: each `?` is a size of its own; None if there is none."""
    from torch.export import Dim

    from dycl.runtime.host_runtime import parse_type

    def dims(text: str) -> dict[int, Any] | None:
        shape = () if text.startswith("@") else parse_type(text)[1]
        return {d: Dim.DYNAMIC for d, size in enumerate(shape) if size is None} or None

    declared = tuple(dims(text) for text in texts)
    return declared if any(declared) else None


def tensors(arrays: Sequence[Array]) -> tuple[Any, ...]:
    """Arrays as torch's tensors."""
    import torch

    # numpy has no bfloat16 of its own, and torch takes none from it.
    return tuple(
        torch.zeros(a.shape, dtype=torch.bfloat16) if a.dtype.name == "bfloat16" else torch.from_numpy(a)
        for a in arrays
    )
