# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""How lit runs the tests of the tools: `lit test` from the checkout, with the environment's bin on PATH.

The tools come from DYCL_TOOLS_DIR (a build folder's bin) or PATH; FileCheck and not from LLVM's Python package, which
is a build requirement, or PATH.
"""

# ruff: noqa: F821  (lit defines `config` and `lit_config`)

import importlib.util
import os
import shutil
import sys
from pathlib import Path

import lit.formats

config.name = "dycl"
config.test_format = lit.formats.ShTest(execute_external=False)
config.test_source_root = str(Path(__file__).parent)
config.test_exec_root = str(Path(os.environ.get("DYCL_TEST_OUTPUT", Path(__file__).parent.parent / "build" / "test")))
config.suffixes = [".mlir"]
config.excludes = ["unit", "e2e", "benchmarks", "conftest.py", "lit.cfg.py", "Inputs"]


def llvm_tools() -> str:
    """The folder of FileCheck and not in LLVM's Python package, or an empty string."""
    spec = importlib.util.find_spec("llvm")
    places = list(spec.submodule_search_locations or []) if spec else []
    return str(Path(places[0]) / "bin") if places else ""


# This environment's tools come before those of other places.
path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"], llvm_tools()])
if "DYCL_TOOLS_DIR" in os.environ:
    path = os.environ["DYCL_TOOLS_DIR"] + os.pathsep + path
for tool in ("dycl-opt", "dycl-translate", "FileCheck", "not"):
    if shutil.which(tool, path=path) is None:
        lit_config.fatal(
            f"{tool} was not found; run `make setup`, or build the tools and set DYCL_TOOLS_DIR to their folder"
        )
config.environment["PATH"] = path
config.environment["FILECHECK_OPTS"] = "--enable-var-scope --dump-input-filter=error"
config.substitutions.append(("%python", f'"{sys.executable}"'))
if shutil.which("iree-compile", path=path):
    config.available_features.add("iree-compile")
