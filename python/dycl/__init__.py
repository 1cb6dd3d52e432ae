# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""dycl compiles dynamic neural networks: PyTorch models whose control flow depends on tensor values.

    program = dycl.compile(model, args)      # a model, a function, a path
    y = program(*args)                       # what `model(*args)` gives
    program.save("net.dycl")
    program = dycl.load("net.dycl")

Importing dycl imports neither torch nor a compiler, so that a device which only loads programs needs neither.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from dycl.errors import (
    BundleError,
    CompileError,
    DyclError,
    InputError,
    SizeMismatchError,
    SourceLocation,
    UnsupportedConstructError,
)
from dycl.options import Options

if TYPE_CHECKING:
    from dycl.compiler.api import compile  # noqa: A004 - the public name
    from dycl.compiler.tuning_file import Tuning
    from dycl.report.verify import verify
    from dycl.runtime.program import Program, load
    from dycl.tuning.search import tune

    __version__: str

__all__ = [
    "BundleError",
    "CompileError",
    "DyclError",
    "InputError",
    "Options",
    "Program",
    "SizeMismatchError",
    "SourceLocation",
    "Tuning",
    "UnsupportedConstructError",
    "__version__",
    "compile",
    "load",
    "tune",
    "verify",
]

# Imported on first use: what each needs (numpy and IREE's runtime; torch and the compilers) is not light.
_LAZY = {
    "Program": "dycl.runtime.program",
    "Tuning": "dycl.compiler.tuning_file",
    "compile": "dycl.compiler.api",
    "load": "dycl.runtime.program",
    "tune": "dycl.tuning.search",
    "verify": "dycl.report.verify",
}


def __getattr__(name: str) -> Any:
    if name == "__version__":
        return importlib.import_module("dycl.version").version()
    if name not in _LAZY:
        raise AttributeError(f"module 'dycl' has no attribute {name!r}")
    value = getattr(importlib.import_module(_LAZY[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
