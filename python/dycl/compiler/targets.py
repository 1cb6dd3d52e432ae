# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""What a program is compiled for: `backend[:triple[:cpu[:features]]]`, or `vulkan` and `cuda` with a GPU's name."""

from __future__ import annotations

import platform
import string
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dycl.errors import CompileError

if TYPE_CHECKING:
    from collections.abc import Sequence

# Each backend, with how the rest of a target is written for it.
KNOWN_BACKENDS = {
    "llvm-cpu": "llvm-cpu[:TRIPLE[:CPU[:FEATURES]]]",
    "vulkan": "vulkan[:GPU[:FEATURES]]",
    "cuda": "cuda[:sm_NN[:FEATURES]]",
}
_FOLDER_CHARACTERS = frozenset(string.ascii_letters + string.digits + "-_.+")

# Without a name IREE compiles for every GPU from 2022's Android phones on: no subgroups, f32 and i32 (wider integers
# are emulated). A named GPU is faster, and wrong on a device whose subgroups have another size; `load` checks that.
_DEFAULT_CUDA = "sm_80"

# What a CPU has that runs such a triple at all, where LLVM's "generic" has less. Without them the RISC-V code would
# have no floating point unit, and the 32-bit Arm code no vectors.
_BASE_FEATURES = {"riscv64": "+m,+a,+f,+d,+c", "armv7": "+neon,+vfp3"}
_GENERIC_CPUS = {"riscv64": "generic-rv64"}

# What "vulkan" asks of a GPU: SPIR-V 1.3, and tensors of 8 and 16 bits an element. Where IREE 3.13 emulates these, it
# reads and writes words, of which the last is not all inside of a buffer (on lavapipe, a bool[3] was never written),
# and computes f16 wrongly.
_VULKAN_FEATURES = (
    "spirv:v1.3,cap:Shader,cap:Int8,cap:Int16,cap:Float16,cap:StorageBuffer8BitAccess,cap:StorageBuffer16BitAccess,"
    "ext:SPV_KHR_8bit_storage,ext:SPV_KHR_16bit_storage,ext:SPV_KHR_storage_buffer_storage_class"
)


@dataclass(frozen=True)
class TargetSpec:
    """A target, as `--target` and `dycl.compile(target=...)` take it.

    Attributes:
        text: the exact string that the user gave; the manifest records it.
        backend: IREE's name of what generates code, one of `KNOWN_BACKENDS`.
        triple: LLVM's target triple; "" for the machine that compiles, and for a GPU.
        cpu: LLVM's CPU name ("" for this machine's own, or a generic one where a triple is given), or IREE's name
            of a GPU: "valhall4", "rdna3", "sm_80" ("" for a common denominator).
        features: LLVM's CPU features, "+neon,+dotprod", or a GPU's, "spirv:v1.3,cap:Shader"; "" for those of `cpu`.
    """

    text: str
    backend: str
    triple: str = ""
    cpu: str = ""
    features: str = ""

    @staticmethod
    def parse(text: str) -> TargetSpec:
        """The target that `text` names.

        Raises:
            CompileError: for an unknown backend or wrong syntax; the message lists what is known.
        """
        backend, *rest = text.split(":", 1)
        if backend not in KNOWN_BACKENDS:
            known = ", ".join(KNOWN_BACKENDS)
            raise CompileError(f"unknown backend {backend!r} in target {text!r}; known backends: {known}")
        if backend != "llvm-cpu":
            # Features hold colons themselves: spirv:v1.3.
            cpu, _, features = "".join(rest).partition(":")
            return TargetSpec(text, backend, cpu=cpu or (_DEFAULT_CUDA if backend == "cuda" else ""), features=features)
        parts = rest[0].split(":") if rest else []
        if len(parts) > 3:
            raise CompileError(f"target {text!r} has {len(parts) + 1} parts; expected {KNOWN_BACKENDS[backend]}")
        return TargetSpec(text, backend, *parts)

    @property
    def folder(self) -> str:
        """A folder name for this target: its text with every unusual character replaced."""
        return "".join(c if c in _FOLDER_CHARACTERS else "_" for c in self.text)

    @property
    def architecture(self) -> str:
        """The machine architecture that runs this target: "x86_64", "aarch64"; "" for a GPU."""
        if self.backend != "llvm-cpu":
            return ""
        return self.triple.partition("-")[0] or platform.machine()

    @property
    def is_cpu(self) -> bool:
        return self.backend == "llvm-cpu"

    def compiler_flags(self) -> tuple[str, ...]:
        """The flags of iree-compile that choose this target."""
        if self.is_cpu:
            return tuple(self._cpu_flags())
        flags = [f"--iree-hal-target-device={self.backend}"]
        if self.cpu:
            flags.append(f"--iree-{self.backend}-target={self.cpu}")
        features = self.features
        if self.backend == "vulkan" and not self.cpu:
            features = features or _VULKAN_FEATURES
        if features:
            flags.append(f"--iree-{self.backend}-target-features={features}")
        return tuple(flags)

    def _cpu_flags(self) -> list[str]:
        flags = ["--iree-hal-target-device=local", f"--iree-hal-local-target-device-backends={self.backend}"]
        family = "armv7" if self.architecture.startswith("armv7") else self.architecture
        cpu = self.cpu or (_GENERIC_CPUS.get(family, "generic") if self.triple else "host")
        features = self.features
        # LLVM knows what a named RISC-V CPU has; IREE does not ask it for 32-bit Arm.
        if self.triple and not features and (not self.cpu or family == "armv7"):
            features = _BASE_FEATURES.get(family, "")
        if self.triple:
            flags.append(f"--iree-llvmcpu-target-triple={self.triple}")
        flags.append(f"--iree-llvmcpu-target-cpu={cpu}")
        if features:
            flags.append(f"--iree-llvmcpu-target-cpu-features={features}")
        if family == "riscv64":
            has = features.split(",") if features else ["+d"]
            flags.append(f"--iree-llvmcpu-target-abi=lp64{'d' if '+d' in has else 'f' if '+f' in has else ''}")
        if self.triple.endswith("eabihf"):
            flags.append("--iree-llvmcpu-target-float-abi=hard")
        return flags

    def to_json(self) -> dict[str, Any]:
        return {
            "target": self.text,
            "folder": self.folder,
            "backend": self.backend,
            "architecture": self.architecture,
            "cpu": self.cpu,
            "features": self.features,
        }


def parse_targets(target: str | Sequence[str]) -> tuple[TargetSpec, ...]:
    """The targets that a user gave, one or several.

    Raises:
        CompileError: for none, an unknown one, or two whose folder would be the same.
    """
    texts = (target,) if isinstance(target, str) else tuple(target)
    if not texts:
        raise CompileError(f"no target is given; expected one or more of {', '.join(KNOWN_BACKENDS.values())}")
    targets = tuple(TargetSpec.parse(text) for text in texts)
    folders: dict[str, str] = {}
    for spec in targets:
        other = folders.setdefault(spec.folder, spec.text)
        if other != spec.text or texts.count(spec.text) > 1:
            raise CompileError(f"targets {other!r} and {spec.text!r} would share the folder {spec.folder!r}")
    return targets
