# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""What importing dycl and loading a bundle bring along: a device has neither torch nor a compiler."""

import subprocess
import sys

import pytest

import dycl


def modules_after(code):
    report = "import sys; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", f"{code}\n{report}"], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_import_is_light():
    heavy = {"torch", "numpy", "iree", "iree.runtime", "iree.compiler", "torch_mlir", "networkx", "dycl.compiler"}
    found = modules_after("import dycl; dycl.Options; dycl.CompileError")
    assert "dycl.errors" in found
    assert not heavy & found


def test_running_a_bundle_imports_neither_torch_nor_a_compiler(gate_bundle):
    code = f"""
import dycl, numpy
program = dycl.load({str(gate_bundle)!r})
program(numpy.ones((2, 3), numpy.float32))
program.last_path, program.regions
"""
    found = modules_after(code)
    assert "iree.runtime" in found
    assert not {"torch", "torch_mlir", "iree.compiler", "networkx", "dycl.compiler", "dycl.frontend"} & found


def test_the_public_names():
    assert set(dycl.__all__) <= set(dir(dycl))
    assert dycl.load.__module__ == "dycl.runtime.program"
    assert dycl.compile.__module__ == "dycl.compiler.api"
    with pytest.raises(AttributeError, match="module 'dycl' has no attribute 'laod'"):
        dycl.laod  # noqa: B018
