# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""dycl's version, which pyproject.toml states, and the versions of the tools below it."""

from __future__ import annotations

import platform
from importlib import metadata

_TOOLS = ("torch", "torch-mlir", "iree-base-compiler", "iree-base-runtime", "numpy")


def version() -> str:
    """The version of the installed dycl; "0+uninstalled" in a source tree that is not installed."""
    return _installed("dycl") or "0+uninstalled"


def tool_versions() -> dict[str, str]:
    """The versions of what a program is compiled with, for a bundle's manifest."""
    found = {name: _installed(name) for name in _TOOLS}
    return {"python": platform.python_version(), **{name: v for name, v in found.items() if v}}


def _installed(distribution: str) -> str | None:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None
