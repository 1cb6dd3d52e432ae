# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""What IREE makes of a target: whether it knows it, and what its code will ask of the machine that runs it."""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING, Any

from dycl.compiler.tools import find_iree_compile
from dycl.errors import CompileError

if TYPE_CHECKING:
    from dycl.compiler.targets import TargetSpec

# Anything at all: what is read is how IREE describes the target.
_PROBE = """
func.func @probe(%x: tensor<4xf32>) -> tensor<4xf32> {
  %0 = arith.addf %x, %x : tensor<4xf32>
  return %0 : tensor<4xf32>
}
"""

# SPIR-V's capabilities, and what Vulkan and IREE's runtime call the features of a GPU that has them.
_VULKAN_NAMES = {
    "StorageBuffer8BitAccess": "storageBuffer8BitAccess",
    "StorageBuffer16BitAccess": "storageBuffer16BitAccess",
    "Int8": "shaderInt8",
    "Float16": "shaderFloat16",
}


@dataclass(frozen=True)
class VectorUnit:
    """The vector unit of a CPU that passes/Utils/TileRules.h has rules for.

    Attributes:
        bits: of a register.
        registers: how many there are.
    """

    bits: int
    registers: int


@dataclass(frozen=True)
class TargetFacts:
    """What code for a target asks of a machine.

    Attributes:
        cpu_features: LLVM's names of the CPU features that it may use: "avx2", "neon"; none for a GPU.
        subgroup_sizes: the subgroup sizes that it is right for; none where it does not depend on them.
        gpu_features: Vulkan's names of the features that it uses, of those that IREE's runtime tells of a GPU.
        has_f64: whether the target computes in f64.
        stored_bits: the widths of numbers that it reads and writes as such; others as parts of wider ones.
        vector_unit: of a CPU; None for a GPU, and for a CPU without rules for tiles.
        description: IREE's whole text of a small program for the target, from which the others are read.
    """

    cpu_features: tuple[str, ...] = ()
    subgroup_sizes: tuple[int, ...] = ()
    gpu_features: tuple[str, ...] = ()
    has_f64: bool = True
    stored_bits: tuple[int, ...] = (8, 16, 32, 64)
    vector_unit: VectorUnit | None = None
    description: str = ""

    def to_json(self) -> dict[str, Any]:
        """What the manifest records, for whoever loads the bundle to check."""
        return {
            "cpu_features": list(self.cpu_features),
            "subgroup_sizes": list(self.subgroup_sizes),
            "gpu_features": list(self.gpu_features),
        }


@cache
def find_facts(target: TargetSpec) -> TargetFacts:
    """What iree-compile says of a target.

    Raises:
        CompileError: where it does not know the target's triple, CPU or GPU.
    """
    command = [find_iree_compile(), *target.compiler_flags(), "--compile-to=flow", "-o", "-", "-"]
    done = subprocess.run(command, input=_PROBE, capture_output=True, text=True, check=False)
    # An unknown CPU is a warning to it, and an unknown CUDA GPU gives a target without a description.
    unknown = re.search(r"Unknown CPU .*\nList of (accepted .*)", done.stderr)
    described = target.is_cpu or "#iree_gpu.target<" in done.stdout
    if done.returncode != 0 or unknown or not described:
        known = unknown[1] if unknown else "see the guide to the backend on iree.dev"
        if target.backend == "cuda":
            known = "sm_60 to sm_89, which later GPUs run as well"
        raise CompileError(f"iree-compile does not know the target {target.text!r}; {known}", diagnostics=done.stderr)
    facts = _read_cpu(done.stdout, target.architecture) if target.is_cpu else _read_gpu(done.stdout)
    return replace(facts, description=done.stdout)


def _read_cpu(text: str, architecture: str) -> TargetFacts:
    listed = re.search(r'\bcpu_features = "([^"]*)"', text)
    # What the named CPU has, then what is given beside it: of the host, also what its CPU has and a hypervisor hides.
    signs = {name[1:]: name[0] for name in listed[1].split(",") if name} if listed else {}
    features = {name for name, sign in signs.items() if sign == "+"}
    return TargetFacts(tuple(sorted(features)), vector_unit=_find_vector_unit(architecture, features))


def _find_vector_unit(architecture: str, features: set[str]) -> VectorUnit | None:
    if architecture == "x86_64" and "avx512f" in features:
        return VectorUnit(bits=512, registers=32)
    if architecture == "x86_64" and {"avx2", "fma"} <= features:
        return VectorUnit(bits=256, registers=16)
    if architecture == "aarch64":
        return VectorUnit(bits=128, registers=32)
    return None


def _read_gpu(text: str) -> TargetFacts:
    compute = re.search(r"\bcompute = ([\w|]+)", text)
    storage = re.search(r"\bstorage = ([\w|]+)", text)
    features = re.search(r'\bfeatures = "([^"]*)"', text)
    capabilities = re.findall(r"\bcap:(\w+)", features[1]) if features else []
    stored = {int(name[1:]) for name in storage[1].split("|") if name != "none"} if storage else {32}
    stored |= {bits for bits in (8, 16) if f"StorageBuffer{bits}BitAccess" in capabilities}
    subgroup = re.search(r"\bsubgroup = ([\w|]+)", text)
    sizes = re.search(r"\bsubgroup_size_choices = \[([\d, ]*)\]", text)
    uses_subgroups = subgroup is not None and subgroup[1] != "none"
    return TargetFacts(
        subgroup_sizes=tuple(map(int, sizes[1].split(","))) if sizes and uses_subgroups else (),
        gpu_features=tuple(name for capability, name in _VULKAN_NAMES.items() if capability in capabilities),
        has_f64=bool(compute and "fp64" in compute[1].split("|")) or "Float64" in capabilities,
        stored_bits=tuple(sorted(stored)),
    )
