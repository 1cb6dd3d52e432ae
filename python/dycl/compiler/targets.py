# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""What a program is compiled for: `backend[:triple[:cpu[:features]]]`."""

from __future__ import annotations

import platform
import string
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dycl.errors import CompileError

if TYPE_CHECKING:
    from collections.abc import Sequence

KNOWN_BACKENDS = ("llvm-cpu",)
_FOLDER_CHARACTERS = frozenset(string.ascii_letters + string.digits + "-_.+")


@dataclass(frozen=True)
class TargetSpec:
    """A target, as `--target` and `dycl.compile(target=...)` take it.

    Attributes:
        text: the exact string that the user gave; the manifest records it.
        backend: IREE's name of what generates code, one of `KNOWN_BACKENDS`.
        triple: LLVM's target triple; "" for the machine that compiles.
        cpu: LLVM's CPU name; "" for this machine's own, or a generic one where a triple is given.
        features: LLVM's CPU features, "+neon,+dotprod"; "" for those of the CPU.
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
        backend, *rest = text.split(":")
        if backend not in KNOWN_BACKENDS:
            known = ", ".join(KNOWN_BACKENDS)
            raise CompileError(f"unknown backend {backend!r} in target {text!r}; known backends: {known}")
        if len(rest) > 3:
            raise CompileError(f"target {text!r} has {len(rest) + 1} parts; expected backend[:triple[:cpu[:features]]]")
        return TargetSpec(text, backend, *rest)

    @property
    def folder(self) -> str:
        """A folder name for this target: its text with every unusual character replaced."""
        return "".join(c if c in _FOLDER_CHARACTERS else "_" for c in self.text)

    @property
    def architecture(self) -> str:
        """The machine architecture that runs this target: "x86_64", "aarch64"."""
        return self.triple.partition("-")[0] or platform.machine()

    def compiler_flags(self) -> tuple[str, ...]:
        """The flags of iree-compile that choose this target."""
        flags = ["--iree-hal-target-device=local", f"--iree-hal-local-target-device-backends={self.backend}"]
        if self.triple:
            flags.append(f"--iree-llvmcpu-target-triple={self.triple}")
        flags.append(f"--iree-llvmcpu-target-cpu={self.cpu or ('generic' if self.triple else 'host')}")
        if self.features:
            flags.append(f"--iree-llvmcpu-target-cpu-features={self.features}")
        return tuple(flags)

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
        raise CompileError("no target is given; expected one or more of backend[:triple[:cpu[:features]]]")
    targets = tuple(TargetSpec.parse(text) for text in texts)
    folders: dict[str, str] = {}
    for spec in targets:
        other = folders.setdefault(spec.folder, spec.text)
        if other != spec.text or texts.count(spec.text) > 1:
            raise CompileError(f"targets {other!r} and {spec.text!r} would share the folder {spec.folder!r}")
    return targets
