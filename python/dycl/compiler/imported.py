# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The value between the front end and the compiler, and its reading from a phase's dump."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from dycl.bundle.parameters import read_archive
from dycl.compiler import phases
from dycl.compiler.ir_inspection import ENTRY, inspect_module
from dycl.errors import CompileError
from dycl.signature import Signature, Structure, TensorSpec

if TYPE_CHECKING:
    from collections.abc import Mapping

Array = np.ndarray[Any, np.dtype[Any]]

PARAMETERS_FILE = "parameters.irpa"
STATE_FILE = "state.irpa"
SIGNATURE_FILE = "signature.json"


@dataclass(frozen=True)
class ImportedProgram:
    """A program after the phase `import` (or a later one, when it was read from a dump).

    Attributes:
        mlir: one `builtin.module` as text, with debug locations; contract A of ARCHITECTURE.md.
        signature: what the program takes and gives.
        parameters: the weights by key, of any shape; their bytes are what counts. Read one at a time: the front end
            makes each when it is read.
        state: the initial value of each of `signature.state`, by its name.
        rewritten: the Python source after the phase `rewrite`; "" where there is none.
        phase: the last phase that `mlir` has gone through: "import", "outline" or "partition".
    """

    mlir: str
    signature: Signature
    parameters: Mapping[str, Array] = field(default_factory=dict[str, Array])
    state: Mapping[str, Array] = field(default_factory=dict[str, Array])
    rewritten: str = ""
    phase: str = "import"


def read_dump(path: str | Path, function: str | None = None) -> ImportedProgram:
    """The program of an `.mlir` file: what `--dump-phases` or `--compile-to` wrote, or one written by hand.

    Beside it may stand `parameters.irpa` (its weights), and `signature.json` with `state.irpa`. Without a
    signature the program takes and gives what its function does, positionally, numbers as Python's, and has no state.

    Args:
        path: the file.
        function: which function is the program; None for `main`, or the only public one. Of a program that is
            outlined already, it is `main`.

    Raises:
        CompileError: for a file that cannot be read, does not parse, or is no program; it names file and line.
    """
    path = Path(path)
    try:
        path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise CompileError(f"cannot read {path}: {error}") from error
    text = phases.parse(path)
    found = inspect_module(text, source=str(path))
    if found.phase == "import":
        text = phases.read(path, function)
        found = inspect_module(text, source=str(path))
    elif function not in (None, ENTRY):
        raise CompileError(f"{path} is past the phase outline, and has no function {function!r} beside `{ENTRY}`")
    elif not found.inputs and not found.outputs:
        raise CompileError(f"{path} has no program `{ENTRY}` with inputs or results")
    signature = _read_signature(path.parent / SIGNATURE_FILE)
    return ImportedProgram(
        mlir=text,
        signature=signature or plain_signature(path.stem, found.inputs, found.outputs, found.numbers),
        parameters=_read_if_there(path.parent / PARAMETERS_FILE),
        state=_read_if_there(path.parent / STATE_FILE),
        phase=found.phase,
    )


def plain_signature(
    name: str,
    inputs: tuple[TensorSpec, ...],
    outputs: tuple[TensorSpec, ...],
    numbers: frozenset[str] = frozenset(),
) -> Signature:
    """The signature of a program that takes tensors by position and gives one tensor, or a tuple of them.

    `numbers` has the names of inputs and outputs that are Python numbers.
    """
    arguments = Structure("tuple", items=tuple(_leaf(i, spec, numbers) for i, spec in enumerate(inputs)))
    results = tuple(_leaf(i, spec, numbers) for i, spec in enumerate(outputs))
    return Signature(
        name=name,
        inputs=inputs,
        input_structure=Structure("tuple", items=(arguments, Structure("dict"))),
        outputs=outputs,
        output_structure=results[0] if len(results) == 1 else Structure("tuple", items=results),
        parameter_names=tuple(spec.name for spec in inputs),
    )


def _leaf(index: int, spec: TensorSpec, numbers: frozenset[str]) -> Structure:
    if spec.name not in numbers:
        return Structure("tensor", index=index)
    kind = "bool" if spec.dtype == "i1" else "int" if "i" in spec.dtype else "float"
    return Structure("number", index=index, type=kind)


def _read_signature(path: Path) -> Signature | None:
    if not path.exists():
        return None
    try:
        return Signature.from_json(json.loads(path.read_text()))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CompileError(f"{path} is not a signature that dycl wrote: {error!r}") from error


def _read_if_there(path: Path) -> Mapping[str, Array]:
    return read_archive(path) if path.exists() else {}
