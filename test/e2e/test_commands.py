# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The commands as a user gives them, each in a process of its own."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from dycl.zoo import digits

SOURCE = "dycl.zoo:digits_early_exit"

NETS = """\
import torch

class Net(torch.nn.Module):
    def forward(self, x, y):
        if x.sum() > 0:
            return {"sum": x + y, "count": y.sum()}
        return {"sum": x - y, "count": y.sum()}

def make(size=3):
    return Net(), (torch.zeros(size), torch.zeros(size))

def make_model():
    return Net()

class Strict(torch.nn.Module):
    def forward(self, x):
        if x.sum() < 0:
            raise ValueError("x is negative")
        return x

def make_strict():
    return Strict(), (torch.zeros(3),)

class ThroughNumpy(torch.nn.Module):
    def forward(self, x):
        return torch.from_numpy(x.numpy())

def make_through_numpy():
    return ThroughNumpy(), (torch.zeros(3),)
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cli")
    (folder / "nets.py").write_text(NETS)
    return folder


@pytest.fixture(scope="module")
def dycl_command(run_command, folder):
    return lambda *arguments, **environment: run_command("dycl", *arguments, cwd=folder, **environment)


def succeed(done):
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def fail(done):
    assert (done.returncode, done.stdout) == (1, ""), done.stderr
    assert done.stderr.startswith("error: ")
    assert "Traceback" not in done.stderr
    return done.stderr.strip()


@pytest.fixture(scope="module")
def digits_bundle(dycl_command, folder):
    report = succeed(dycl_command("compile", SOURCE, "-o", "digits.dycl"))
    assert report.startswith("digits.dycl: EarlyExitCNN, ")
    assert report.count("\n") == 1
    return folder / "digits.dycl"


@pytest.fixture(scope="module")
def nets_bundle(dycl_command, folder):
    succeed(dycl_command("compile", "nets.py:make", "--arg", "size=4", "-o", "nets.dycl"))
    return folder / "nets.dycl"


def test_run_gives_what_eager_gives(dycl_command, digits_bundle, folder):
    model, (image,) = digits.digits_early_exit()
    np.save(folder / "x.npy", image.numpy())
    assert succeed(dycl_command("run", "digits.dycl", "--input", "@x.npy", "--output", "y.npy")) == ""
    np.testing.assert_allclose(np.load(folder / "y.npy"), model(image).detach().numpy(), rtol=1e-5, atol=1e-5)


def test_run_without_an_output_prints(dycl_command, digits_bundle):
    shown = succeed(dycl_command("run", "digits.dycl", "--input", "1x1x8x8xf32=0.5"))
    assert "1x10xf32\n[[" in shown


def test_run_reads_and_writes_standard_streams(digits_bundle, folder):
    model, (image,) = digits.digits_early_exit()
    stdin = io.BytesIO()
    np.save(stdin, image.numpy())
    command = [sys.executable, "-m", "dycl", "run", "digits.dycl", "--input", "-", "--output", "-"]
    done = subprocess.run(command, cwd=folder, input=stdin.getvalue(), capture_output=True, check=True)
    np.testing.assert_allclose(np.load(io.BytesIO(done.stdout)), model(image).detach().numpy(), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(("x", "expected"), [(1, 3), (-1, -3)])
def test_run_gives_every_output_by_name_as_json(dycl_command, nets_bundle, x, expected):
    inputs = "--input", f"4xf32={x}", "--input", "4xf32=2"
    outputs = json.loads(succeed(dycl_command("run", "nets.dycl", *inputs, "--json")))["outputs"]
    assert [output["type"] for output in outputs] == ["4xf32", "f32"]
    assert [output["values"] for output in outputs] == [[expected] * 4, 8]
    assert len({output["name"] for output in outputs}) == 2


def test_run_imports_neither_torch_nor_a_compiler(digits_bundle, folder):
    code = (
        "import sys; from dycl.cli import main; main(['run', 'digits.dycl', '--input', '1x1x8x8xf32=0.5'])\n"
        "assert not {'torch', 'torch_mlir', 'iree.compiler', 'networkx'} & sys.modules.keys()"
    )
    subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, check=True)


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ([], "0 inputs are given; expected 2: "),
        (["4xf32=1"], "1 inputs are given; expected 2: "),
        (["4xf32=1", "5xf32=1"], "is 5xf32; expected 4xf32"),
        (["4xf32=1", "4xf64=1"], "is 4xf64; expected 4xf32"),
        (["4xf32=1", "1x4xf32=1"], "is 1x4xf32; expected 4xf32"),
        (["4xf32=1", "4xf32"], "cannot read the input '4xf32'; expected @FILE.npy, "),
        (["4xf32=1", "4xf32=1,2"], "cannot read the input '4xf32=1,2'; expected @FILE.npy, "),
        (["4xf32=1", "@nowhere.npy"], "cannot read the input '@nowhere.npy': "),
        (["4xf32=1", "@nets.py"], "cannot read the input '@nets.py': "),
    ],
)
def test_run_names_a_wrong_input(dycl_command, nets_bundle, folder, inputs, message):
    arguments = [word for text in inputs for word in ("--input", text)]
    error = fail(dycl_command("run", "nets.dycl", *arguments, "--output", "a.npy", "--output", "b.npy"))
    assert message in error
    assert error.count("\n") == 0
    assert not (folder / "a.npy").exists()


def test_run_says_what_the_model_raises(dycl_command, folder):
    succeed(dycl_command("compile", "nets.py:make_strict", "-o", "strict.dycl"))
    succeed(dycl_command("run", "strict.dycl", "--input", "3xf32=1", "--output", "y.npy"))
    error = fail(dycl_command("run", "strict.dycl", "--input", "3xf32=-1"))
    assert error == "error: the model raised ValueError: x is negative"


def test_run_wants_as_many_output_files_as_outputs(dycl_command, nets_bundle):
    inputs = "--input", "4xf32=1", "--input", "4xf32=1"
    error = fail(dycl_command("run", "nets.dycl", *inputs, "--output", "a.npy"))
    assert error == "error: 1 --output are given; expected 2, or none to print"


def test_run_names_a_device_that_is_not_there(dycl_command, nets_bundle):
    inputs = "--input", "4xf32=1", "--input", "4xf32=1"
    assert "there is no device 'tpu' here" in fail(dycl_command("run", "nets.dycl", *inputs, "--device", "tpu"))


def test_inspect_shows_regions_with_their_source(dycl_command, digits_bundle):
    shown = succeed(dycl_command("inspect", "digits.dycl"))
    held = json.loads(succeed(dycl_command("inspect", "digits.dycl", "--json")))
    assert held["predicates"] == 2
    assert held["inputs"] == [{"name": "x", "type": "1x1x8x8xf32"}]
    assert held["targets"] == ["llvm-cpu"]
    for region in held["regions"]:
        assert region["cost"]["flops"] > 0
        assert region["vmfb_bytes"]["llvm-cpu"] > 0
        assert f"{region['name']} " in shown
    assert "digits.py:" in shown


def test_damaged_bundle_is_refused(dycl_command, digits_bundle, folder):
    subprocess.run(["cp", "-r", digits_bundle, folder / "damaged.dycl"], check=True)
    host = folder / "damaged.dycl" / "host.py"
    host.write_text(host.read_text() + "\n")
    for command in ("inspect", "run"):
        assert f"{folder}/damaged.dycl is damaged: host.py has " in fail(dycl_command(command, "damaged.dycl"))


def test_example_inputs_replace_the_factorys(dycl_command, folder):
    inputs = "--input", "2x3xf32", "--input", "2x3xf32"
    written = json.loads(succeed(dycl_command("compile", "nets.py:make_model", *inputs, "-o", "two.dycl", "--json")))
    assert [item["type"] for item in written["inputs"]] == ["2x3xf32", "2x3xf32"]


def test_compile_to_a_phase_writes_its_text(dycl_command, folder):
    assert "scf.if" in succeed(dycl_command("compile", "nets.py:make", "--compile-to", "import", "-o", "-"))
    assert succeed(dycl_command("compile", "nets.py:make", "--compile-to", "partition", "-o", "nets.mlir")) == ""
    assert "dycl.program" in (folder / "nets.mlir").read_text()


def test_program_can_be_resumed_from_any_phases_dump(dycl_command, folder):
    succeed(dycl_command("compile", "nets.py:make", "--dump-phases", "phases", "-o", "dumped.dycl"))
    expected = succeed(dycl_command("run", "dumped.dycl", "--input", "3xf32=1", "--input", "3xf32=2"))
    dumps = sorted((folder / "phases").glob("[2-5]-*.mlir"))
    assert [dump.name for dump in dumps] == ["2-import.mlir", "3-optimize.mlir", "4-outline.mlir", "5-partition.mlir"]
    for dump in dumps:
        succeed(dycl_command("compile", dump, "-o", "resumed.dycl"))
        assert succeed(dycl_command("run", "resumed.dycl", "--input", "3xf32=1", "--input", "3xf32=2")) == expected


def test_unsupported_construct_is_named_with_its_line(dycl_command, folder):
    error = fail(dycl_command("compile", "nets.py:make_through_numpy", "-o", "through_numpy.dycl"))
    assert error.startswith(f"error: {folder}/nets.py:26 (in forward): ")
    assert "`Tensor.numpy()` of a traced tensor" in error
    assert "use the torch function of that name" in error
    assert not (folder / "through_numpy.dycl").exists()


def test_existing_folder_that_is_no_bundle_is_kept(dycl_command, folder):
    (folder / "mine").mkdir()
    (folder / "mine" / "notes.txt").write_text("keep me")
    error = fail(dycl_command("compile", "nets.py:make", "-o", "mine"))
    assert error == f"error: {folder}/mine exists and is not a bundle; choose another path or remove it"
    assert (folder / "mine" / "notes.txt").read_text() == "keep me"


def test_interrupted_compilation_leaves_nothing(folder):
    before = sorted(folder.iterdir())
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    command = [sys.executable, "-m", "dycl", "compile", "dycl.zoo:skipnet38_rnn", "-o", "interrupted.dycl"]
    process = subprocess.Popen(command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    time.sleep(8)  # in the middle: importing torch alone takes a second or two, the regions half a minute
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert process.returncode == 130, err
    assert out == b""
    assert sorted(folder.iterdir()) == before


def test_reader_that_stops_early_is_no_failure(digits_bundle, folder):
    shell = f"{sys.executable} -m dycl inspect digits.dycl --json | head -c 1"
    done = subprocess.run(["bash", "-o", "pipefail", "-c", shell], cwd=folder, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "{", "")
