# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""`python net.dycl/host.py`, where only numpy and iree-base-runtime are installed."""

import io
import os
import subprocess
import sys
import tomllib
import venv
from pathlib import Path

import handwritten
import numpy as np
import pytest

from dycl.runtime.host_runtime import (
    InputProblem,
    check_output_count,
    output_count,
    parse_input,
    parse_type,
    type_text,
)

ROOT = Path(__file__).parents[2]
UP = np.full((2, 3), 1.0, np.float32)


@pytest.fixture(scope="session")
def device_python(tmp_path_factory):
    """The Python of a fresh environment with dycl's base requirements, and without dycl."""
    folder = tmp_path_factory.mktemp("device")
    venv.create(folder, with_pip=True)
    python = folder / "bin" / "python"
    requirements = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    subprocess.run([python, "-m", "pip", "install", "--quiet", *requirements], check=True)
    return python


def run_python(python, *arguments, stdin=b""):
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
    return subprocess.run([python, *arguments], input=stdin, capture_output=True, env=environment, check=False)


def run(python, bundle, *arguments, stdin=b""):
    return run_python(python, bundle / "host.py", *map(str, arguments), stdin=stdin)


@pytest.mark.parametrize("value", [1, -5], ids=["true", "false"])
def test_a_fresh_environment_runs_a_bundle(device_python, gate_bundle, tmp_path, value):
    assert b"No module named 'dycl'" in run_python(device_python, "-c", "import dycl").stderr
    x = np.full((2, 3), value, np.float32)
    np.save(tmp_path / "x.npy", x)
    done = run(device_python, gate_bundle, "--input", f"@{tmp_path / 'x.npy'}", "--output", tmp_path / "y.npy")
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    np.testing.assert_allclose(np.load(tmp_path / "y.npy"), handwritten.gate_reference(x), rtol=1e-6)


def test_standard_input_and_output(gate_bundle):
    npy = io.BytesIO()
    np.save(npy, UP)
    done = run(sys.executable, gate_bundle, "--input", "-", "--output", "-", stdin=npy.getvalue())
    assert done.stderr == b""
    np.testing.assert_allclose(np.load(io.BytesIO(done.stdout)), handwritten.gate_reference(UP), rtol=1e-6)


def test_several_inputs_and_outputs_with_initial_state(counter_bundle, tmp_path):
    outputs = [tmp_path / "y.npy", tmp_path / "calls.npy"]
    for _ in range(2):
        arguments = ["--input", "2xf32=-1.5,2", "--input", "i64=3", "--output", outputs[0], "--output", outputs[1]]
        assert run(sys.executable, counter_bundle, *arguments).returncode == 0
        assert np.load(outputs[0]).tolist() == [0.5 * 8 + 100, 4 * 8 + 200]
        assert np.load(outputs[1]) == 41


def test_without_output_the_values_are_printed(counter_bundle):
    done = run(sys.executable, counter_bundle, "--input", "2xf32=0", "--input", "i64=0", "--device", "local-task")
    assert done.stdout.decode() == "y: 2xf32\n[100. 200.]\ncalls: i64\n41\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "0 inputs are given; expected 1: x: 2x3xf32"),
        (["--input", "2x3xf32=1"] * 2, "2 inputs are given; expected 1: x: 2x3xf32"),
        (["--input", "2x3xf64=1"], "input x is 2x3xf64; expected 2x3xf32"),
        (["--input", "3x2xf32=1"], "input x is 3x2xf32; expected 2x3xf32"),
        (["--input", "2x3xf32"], "cannot read the input '2x3xf32'; expected @FILE.npy, - for an npy"),
        (["--input", "2x3xf31=1"], "cannot read the input '2x3xf31=1'; expected @FILE.npy"),
        (["--input", "2x3xf32=1,2"], "cannot read the input '2x3xf32=1,2'; expected @FILE.npy"),
        (["--input", "@nowhere.npy"], "cannot read the input '@nowhere.npy': [Errno 2] No such file"),
        (["--input", "-"], "cannot read the input '-': "),
        (["--input", "2x3xf32=1", "--output", "a", "--output", "b"], "2 --output are given; expected 1, or none"),
        (["--input", "2x3xf32=1", "--output", "/no/such/y.npy"], "[Errno 2] No such file or directory: '/no/such"),
        (["--input", "2x3xf32=1", "--device", "abacus"], "there is no device 'abacus' here"),
    ],
)
def test_a_wrong_input_is_one_line_and_exit_1(gate_bundle, arguments, message):
    done = run(sys.executable, gate_bundle, *arguments)
    assert done.stdout == b""
    assert done.stderr.decode().startswith(f"error: {message}")
    assert done.stderr.count(b"\n") == 1
    assert done.returncode == 1


def test_an_exception_of_the_program_is_one_line_and_exit_1(checked_bundle, tmp_path):
    done = run(sys.executable, checked_bundle, "--input", "2xf32=-2", "--output", tmp_path / "y.npy")
    assert (done.returncode, done.stdout, done.stderr) == (1, b"", b"error: ValueError: x is negative\n")
    assert not (tmp_path / "y.npy").exists()
    done = run(sys.executable, checked_bundle, "--input", "2xf32=2")
    assert done.stdout == b"y: 2xf32\n[6. 6.]\n"


def test_outputs_are_those_of_the_path(kinds_bundle, tmp_path):
    done = run(sys.executable, kinds_bundle, "--input", "2xf32=-3,1", "--output", tmp_path / "y.npy")
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    assert np.load(tmp_path / "y.npy").tolist() == [-2, 2]
    done = run(sys.executable, kinds_bundle, "--input", "2xf32=3,1")
    assert done.stdout == b"output 2: 2xf32\n[6. 2.]\n"


def test_how_many_outputs_a_result_has():
    one, none = {"kind": "tensor", "index": 0}, {"kind": "constant", "value": None}
    choice = {"kind": "choice", "index": 1, "items": [one, none]}
    same = {"kind": "choice", "index": 1, "items": [one, one]}
    counts = [output_count(s) for s in (one, none, choice, same, {"kind": "tuple", "items": [one, same]})]
    assert counts == [1, 0, None, 1, 2]
    assert output_count({"kind": "tuple", "items": [one, choice]}) is None
    check_output_count(2, None)
    with pytest.raises(InputProblem, match="2 --output are given; expected 1, or none to print"):
        check_output_count(2, output_count(same))


def test_wrong_usage_is_exit_2(gate_bundle):
    done = run(sys.executable, gate_bundle, "--inptu", "x")
    assert done.returncode == 2
    assert b"unrecognized arguments" in done.stderr


def test_a_damaged_bundle_is_exit_1(gate_bundle, tmp_path):
    for file in gate_bundle.glob("*.*"):
        (tmp_path / file.name).write_bytes(file.read_bytes())
    done = run(sys.executable, tmp_path, "--input", "2x3xf32=1")
    assert done.returncode == 1
    assert done.stderr.decode().startswith(f"error: {tmp_path} is damaged: regions/llvm-cpu/double.vmfb is missing")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("3xf32=0.5", np.full(3, 0.5, np.float32)),
        ("2x2xi64=1,2,3 4", np.array([[1, 2], [3, 4]])),
        ("2xi1=true,0", np.array([True, False])),
        ("i64=9007199254740993", np.array(9007199254740993)),
        ("f64=1e-300", np.array(1e-300)),
        ("0x3xf32=0", np.zeros((0, 3), np.float32)),
        ("2xcomplex<f32>=1+2j", np.array([1 + 2j, 1 + 2j], np.complex64)),
    ],
)
def test_parse_input(text, expected):
    got = parse_input(text)
    assert got.dtype == expected.dtype
    np.testing.assert_array_equal(got, expected)


@pytest.mark.parametrize("text", ["ui8=300", "ui8=-1", "i64=0.5", "2xf32=", "?xf32=1", "xf32=1", "f32", "=1", ""])
def test_parse_input_refuses(text):
    with pytest.raises(InputProblem, match="cannot read the input"):
        parse_input(text)


@pytest.mark.parametrize("text", ["f32", "1x?x3xi64", "2xcomplex<f32>", "complex<f64>", "0xbf16", "3xui8"])
def test_types_round_trip(text):
    assert type_text(*parse_type(text)) == text
