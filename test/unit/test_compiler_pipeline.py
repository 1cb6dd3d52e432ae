# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The phases in a row with the real tools, dumps, and resuming from them."""

import gc
import json
import re
import tempfile

import numpy as np
import pytest
import torch

import dycl
from dycl.bundle.parameters import write_archive
from dycl.compiler import ImportedProgram, build, compile_to, read_dump
from dycl.compiler.imported import plain_signature
from dycl.options import Options
from dycl.signature import TensorSpec

BIAS = np.array([0.5, -1.0, 2.0], np.float32)

# y = x + bias; if y[0] > 0: y + y else: y * bias   (contract A of ARCHITECTURE.md)
MLIR = """
module @net {
  func.func @main(%x: tensor<3xf32> {dycl.name = "x"}) -> tensor<3xf32> {
    %bias = "dycl.parameter"() <{key = "layer.bias"}> : () -> tensor<3xf32> loc("net.py":3:1)
    %c0 = arith.constant 0 : index
    %zero = arith.constant 0.0 : f32
    %y = arith.addf %x, %bias : tensor<3xf32> loc("net.py":4:1)
    %first = tensor.extract %y[%c0] : tensor<3xf32> loc("net.py":5:1)
    %positive = arith.cmpf ogt, %first, %zero : f32 loc("net.py":5:1)
    %r = scf.if %positive -> tensor<3xf32> {
      %twice = arith.addf %y, %y : tensor<3xf32> loc("net.py":6:1)
      scf.yield %twice : tensor<3xf32>
    } else {
      %scaled = arith.mulf %y, %bias : tensor<3xf32> loc("net.py":8:1)
      scf.yield %scaled : tensor<3xf32>
    } loc("net.py":5:1)
    return %r : tensor<3xf32>
  }
}
"""


def reference(x):
    y = x + BIAS
    return y + y if y[0] > 0 else y * BIAS


INPUTS = [np.array([1, 2, 3], np.float32), np.array([-1, 2, 3], np.float32)]


def assert_right(program):
    labels = set()
    for x in INPUTS:
        np.testing.assert_allclose(program(x), reference(x), rtol=1e-6)
        labels |= {edge.label for edge in program.last_path}
    assert {"true", "false"} <= labels


def imported():
    x = TensorSpec("x", "f32", (3,))
    signature = plain_signature("net", (x,), (TensorSpec("y", "f32", (3,)),))
    return ImportedProgram(MLIR, signature, {"layer.bias": BIAS}, rewritten="def net(x): ...\n")


@pytest.fixture(scope="module")
def dump(tmp_path_factory):
    """A dump of every phase, and the bundle that came of it."""
    folder = tmp_path_factory.mktemp("dump")
    build(imported(), "llvm-cpu", Options(dump_phases=str(folder)), folder / "net.dycl")
    return folder


TEXTS = ["2-import.mlir", "3-optimize.mlir", "4-outline.mlir", "5-partition.mlir"]


def test_a_build_runs_on_both_paths(dump):
    program = dycl.load(dump / "net.dycl")
    assert_right(program)
    locations = {str(region.location) for region in program.regions}
    assert {"net.py:6", "net.py:8"} <= locations
    assert {key for region in program.regions for key in region.parameters} == {"layer.bias"}


def test_what_a_dump_holds(dump):
    files = {p.relative_to(dump).as_posix() for p in dump.rglob("*") if p.is_file() and "net.dycl" not in p.parts}
    expected = {*TEXTS, "1-rewrite.py", "parameters.irpa", "signature.json", "5-partition/host.py"}
    assert expected <= files
    names = [region["name"] for region in json.loads((dump / "5-partition" / "program.json").read_text())["regions"]]
    for name in names:
        assert f"5-partition/{name}_module.mlir" in files
        assert f"6-compile/llvm-cpu/{name}.vmfb" in files
    for text in TEXTS:
        assert '"net.py":6:1' in (dump / text).read_text()


@pytest.mark.parametrize("text", TEXTS)
def test_every_phase_can_be_resumed(dump, text):
    assert_right(dycl.compile(dump / text))


@pytest.mark.parametrize(
    ("phase", "marks"),
    [
        ("rewrite", ["def net(x): ..."]),
        ("import", ["dycl.parameter", "scf.if", "func.func @main"]),
        ("optimize", ["dycl.parameter", "scf.if", "func.func @main"]),
        ("outline", ["dycl.program @main", "dycl.invoke"]),
        ("partition", ["dycl.region", "util.global", "flow.parameter.named"]),
    ],
)
def test_compile_to(phase, marks):
    text = compile_to(imported(), Options(compile_to=phase))
    for mark in marks:
        assert mark in text


def test_compile_to_refuses_what_is_past_or_gives_no_text(dump):
    with pytest.raises(dycl.CompileError, match="past phase 'optimize' already: it was read after phase 'outline'"):
        compile_to(read_dump(dump / "4-outline.mlir"), Options(compile_to="optimize"))
    with pytest.raises(ValueError, match="phase 'bundle' gives no text"):
        compile_to(imported(), Options(compile_to="bundle"))


def test_a_file_written_by_hand(tmp_path):
    (tmp_path / "net.mlir").write_text(MLIR)
    write_archive(tmp_path / "parameters.irpa", {"layer.bias": BIAS})
    program = dycl.compile(str(tmp_path / "net.mlir"))
    assert (program.signature.name, str(program.signature.inputs[0])) == ("net", "3xf32")
    assert_right(program)
    np.testing.assert_allclose(program(x=INPUTS[0]), reference(INPUTS[0]), rtol=1e-6)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (MLIR, "1 weights that regions use are not given: layer.bias; a program read from a file takes them from"),
        (MLIR.replace("scf.if %positive", "scf.if %nothing"), "reading .*net.mlir failed: .*undeclared SSA value name"),
        (MLIR.replace("@main", "private @start"), "net.mlir:.*has no public function with a body"),
        ("func.func @main(%n: i7) -> i7 { return %n : i7 }", "net.mlir:1:1: error: argument 0 of the entry is of type"),
    ],
)
def test_a_wrong_file_is_refused(tmp_path, text, message):
    (tmp_path / "net.mlir").write_text(text)
    with pytest.raises(dycl.CompileError, match=message):
        dycl.compile(tmp_path / "net.mlir")
    assert [p.name for p in tmp_path.iterdir()] == ["net.mlir"]


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(dycl.CompileError, match=re.escape(f"cannot read {tmp_path / 'net.mlir'}")):
        dycl.compile(tmp_path / "net.mlir")


def test_a_source_of_another_kind_is_refused():
    with pytest.raises(dycl.UnsupportedConstructError, match=r"a model from 'net\.onnx'; give an nn\.Module"):
        dycl.compile("net.onnx")


class Gate(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = torch.nn.Linear(4, 4)

    def forward(self, x, scale=2.0):
        y = self.linear(x)
        if y.sum() > 0:
            return {"y": y * scale}
        return {"y": y - 1}


def test_compile_a_model(tmp_path, monkeypatch):
    """Both paths agree with eager; the program's files go when it goes, and not before."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    torch.manual_seed(0)
    model = Gate().eval()
    program = dycl.compile(model, (torch.randn(2, 4),), {"scale": 3.0})
    labels = set()
    for factor in (1, -1):
        x = torch.linspace(-1, 2, 8).reshape(2, 4) * factor
        with torch.no_grad():
            torch.testing.assert_close(program(x, scale=3.0), model(x, scale=3.0))
        labels |= {edge.label for edge in program.last_path}
    assert {"true", "false"} <= labels
    assert len(list(tmp_path.glob("dycl-*"))) == 1
    del program
    gc.collect()
    assert list(tmp_path.glob("dycl-*")) == []
