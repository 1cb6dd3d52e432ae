# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Phases 1 and 2: a PyTorch model with data-dependent control flow becomes linalg-on-tensors and `scf`.

`rewrite.py` and `convert.py` make control flow explicit in the Python source; `capture.py` runs the rewritten model on
fake tensors, with `operators` (what each construct means), `control.py` (paths), `state.py` (what paths change),
`values.py` (numbers on data), `function_mode.py` (torch's functions) and `recorder.py` (ops); `fold.py`,
`convolutions.py` and `layouts.py` optimize the graph; `importer.py` lowers it.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch

from dycl.compiler.imported import ImportedProgram
from dycl.frontend.capture import capture
from dycl.frontend.convolutions import reform_convolutions
from dycl.frontend.fold import fold_batch_norms
from dycl.frontend.graph import LITERAL
from dycl.frontend.importer import can_inline, import_graph
from dycl.frontend.layouts import store_channels_last
from dycl.options import Options
from dycl.weights import Weights

__all__ = ["import_program"]


def import_program(
    model: Callable[..., Any],
    args: tuple[Any, ...],
    kwargs: dict[str, Any] | None = None,
    options: Options | None = None,
    dynamic_shapes: Any = None,
) -> ImportedProgram:
    """Captures a model on example arguments and imports it into MLIR.

    Args:
        model: an `nn.Module`, a plain function, or a `torch.export.ExportedProgram`. It and the arguments are left as
            they were.
        args, kwargs: example arguments. Tensors are inputs of the program (their values do not matter), everything
            else is a constant of it. Without any, an `ExportedProgram`'s own examples serve.
        options: see `Options`.
        dynamic_shapes: which sizes of the inputs may vary, as `torch.export.export` takes it; see `dynamic_shapes.py`.

    Raises:
        UnsupportedConstructError: the model uses something that is not compiled; names the user's file and line.
        CompileError: torch-mlir cannot lower an operation.
    """
    options = options or Options()
    if isinstance(model, torch.export.ExportedProgram):
        if not args and not kwargs and model.example_inputs is not None:
            args, kwargs = model.example_inputs
        model = _unlifted(model)
    # Tracing and importing take some frames for each level of calls and conditions, whose depths are limited.
    with _recursion_limit(20_000):
        program = capture(model, tuple(args), dict(kwargs or {}), options, dynamic_shapes)
        fold_batch_norms(program, enabled=options.fold_batch_norm)
        reform_convolutions(program)
        store_channels_last(program)
        signature = program.signature
        names = [spec.name for spec in (*signature.inputs, *signature.state)]
        parameters = Weights.of(program.parameters).map(_array)
        small = [key for key, value in program.parameters.items() if key.startswith(LITERAL) or not value.numel()]
        inline = {key: value for key in small if can_inline(value := parameters[key])}
        mlir = import_graph(program.graph, signature.name, names, list(parameters), inline)
    return ImportedProgram(
        mlir=mlir,
        signature=signature,
        parameters=parameters.only(key for key in parameters if key not in inline),
        state={name: _array(tensor) for name, tensor in program.state.items()},
        rewritten=program.rewritten,
    )


def _unlifted(program: torch.export.ExportedProgram) -> torch.nn.Module:
    """An exported program as a module, without the hooks that check its inputs: the compiled program checks its own."""
    module = program.module(check_guards=False)
    for hooks in (module._forward_pre_hooks, module._forward_hooks):  # pyright: ignore[reportPrivateUsage]
        hooks.clear()
    return module


def _array(tensor: torch.Tensor) -> np.ndarray[Any, Any]:
    tensor = tensor.detach().cpu().contiguous()
    if tensor.dtype == torch.bfloat16:
        import ml_dtypes

        return tensor.view(torch.uint16).numpy().view(ml_dtypes.bfloat16)
    return tensor.numpy()


@contextmanager
def _recursion_limit(frames: int) -> Generator[None]:
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(max(limit, frames))
    try:
        yield
    finally:
        sys.setrecursionlimit(limit)
