# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""`dycl.compile`."""

from __future__ import annotations

import shutil
import tempfile
import weakref
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dycl.bundle import read_bundle
from dycl.compiler.imported import ImportedProgram, read_dump
from dycl.compiler.pipeline import build
from dycl.errors import UnsupportedConstructError
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
        dynamic_shapes: which sizes of the inputs may vary, as `torch.export.export` takes it. One may be 0 where it is
            0 in the example.

    Raises:
        UnsupportedConstructError: where the model uses what dycl does not compile.
        CompileError: where a phase below fails.
    """
    options = options or Options()
    imported = import_model(model, args, kwargs, options, dynamic_shapes)
    work = Path(tempfile.mkdtemp(prefix="dycl-"))
    try:
        program = Program(read_bundle(build(imported, target, options, work / "program.dycl")))
    except BaseException:
        shutil.rmtree(work, ignore_errors=True)
        raise
    weakref.finalize(program, shutil.rmtree, work, ignore_errors=True)
    return program


def import_model(
    model: Any,
    args: Sequence[Any],
    kwargs: Mapping[str, Any] | None,
    options: Options,
    dynamic_shapes: Any = None,
) -> ImportedProgram:
    """The phases `rewrite` and `import`, or what an `.mlir` file holds."""
    if isinstance(model, (str, Path)):
        if Path(model).suffix != ".mlir":
            hint = "give an nn.Module, a function, or the path of an .mlir file"
            raise UnsupportedConstructError(f"a model from {str(model)!r}", hint=hint)
        return read_dump(model, options.function)
    from dycl.frontend import import_program  # torch: not before a model is there to compile

    return import_program(model, tuple(args), dict(kwargs or {}), options, dynamic_shapes)
