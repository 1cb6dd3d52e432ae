# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""From an imported program to a bundle: the phases optimize, outline, partition, compile and emit host.

Each phase is a function from one value to the next; `pipeline.build` is their composition.
"""

from dycl.compiler.api import compile  # noqa: A004 - the public name
from dycl.compiler.imported import ImportedProgram, read_dump
from dycl.compiler.pipeline import build, compile_to
from dycl.compiler.targets import TargetSpec

__all__ = ["ImportedProgram", "TargetSpec", "build", "compile", "compile_to", "read_dump"]
