# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""`dycl.compile`."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dycl.bundle import read_bundle
from dycl.compiler.imported import ImportedProgram, read_dump
from dycl.compiler.pipeline import build
from dycl.options import Options
from dycl.runtime.program import Program

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


def compile(  # noqa: A001 - the public name, as in re.compile and torch.compile
    model: Any,
    args: Sequence[Any] = (),
    kwargs: Mapping[str, Any] | None = None,
    *,
    target: str | Sequence[str] = "llvm-cpu",
    options: Options | None = None,
    dynamic_shapes: Any = None,
) -> Program:
    """Compile a model, with every path that its tensors can choose, to a program.

    Args:
        model: an `nn.Module`, a plain function, or the path of an `.mlir` file. Weights are snapshotted; the
            model and the arguments stay as they are.
        args: example arguments: tensors, and constants (Python values, which the program is compiled for).
        kwargs: example keyword arguments, likewise.
        target: what to compile for, one or several of `backend[:triple[:cpu[:features]]]`.
        options: see `dycl.Options`.
        dynamic_shapes: which sizes of the inputs may vary, as `torch.export.export` takes it.

    Raises:
        UnsupportedConstructError: where the model uses what dycl does not compile.
        CompileError: where a phase below fails.
    """
    options = options or Options()
    imported = import_model(model, args, kwargs, options, dynamic_shapes)
    work = tempfile.TemporaryDirectory(prefix="dycl-")
    folder = build(imported, target, options, Path(work.name) / "program.dycl")
    return Program(read_bundle(folder), keep_alive=work)


def import_model(
    model: Any,
    args: Sequence[Any],
    kwargs: Mapping[str, Any] | None,
    options: Options,
    dynamic_shapes: Any = None,
) -> ImportedProgram:
    """The phases `rewrite` and `import`, or what an `.mlir` file holds."""
    if isinstance(model, (str, Path)) and Path(model).suffix == ".mlir":
        return read_dump(model)
    from dycl.frontend import import_program  # torch: not before a model is there to compile

    return import_program(model, args, kwargs or {}, options, dynamic_shapes=dynamic_shapes)
