# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The command line where it fails: one clear line, the right exit status, nothing left behind."""

from __future__ import annotations

import sys
import textwrap

import numpy as np
import pytest

from dycl.cli import main

NETS = """
import torch

class Net(torch.nn.Module):
    def forward(self, x):
        return x + 1

def make(size=3):
    return Net(), (torch.zeros(1, size),)

def make_model():
    return Net()

def raises():
    size = int("three")
    return Net(), (torch.zeros(size),)

def returns_list():
    return [Net(), (torch.zeros(3),)]

def returns_bare_args():
    return Net(), torch.zeros(3)

def returns_nothing():
    pass

def needs(size):
    return Net(), (torch.zeros(size),)

_hidden = 3
"""


@pytest.fixture
def nets(tmp_path, monkeypatch):
    """A folder with `nets.py`, as the current one; imports are undone afterwards."""
    (tmp_path / "nets.py").write_text(NETS)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.delitem(sys.modules, "nets", raising=False)
    yield tmp_path
    sys.modules.pop("nets", None)


def failure(capsys, *arguments):
    """The error line of a command that fails with status 1 and prints nothing else."""
    assert main(arguments) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("error: ")
    assert "Traceback" not in err
    return err.strip()


def usage_failure(capsys, *arguments):
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    return capsys.readouterr().err


EXPECTED = "expected FILE.py:FACTORY, PACKAGE.MODULE:FACTORY or FILE.mlir"


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("net", f"'net' names no factory; {EXPECTED}"),
        ("nets.py", f"'nets.py' names no factory; {EXPECTED}"),
        ("other.py:make", "other.py does not exist"),
        ("other.mlir", "other.mlir does not exist"),
        ("no.such.module:make", f"there is no module 'no' to import; {EXPECTED}"),
        ("dycl.zoo.nothing:make", f"there is no module 'dycl.zoo.nothing' to import; {EXPECTED}"),
        (
            "nets.py:mke",
            "nets.py has no 'mke'; it has Net, make, make_model, needs, raises, returns_bare_args, returns_list, "
            "returns_nothing",
        ),
        ("nets.py:_hidden", "nets.py has something else than a factory under the name '_hidden'"),
        ("net.pt2", f"net.pt2: an exported program (.pt2) is not supported yet; {EXPECTED}"),
        ("net.onnx", f"net.onnx: an ONNX model (.onnx) is not supported yet; {EXPECTED}"),
    ],
)
def test_unknown_source(nets, capsys, source, message):
    assert failure(capsys, "compile", source, "-o", "net.dycl").startswith(f"error: {message}")
    assert [path.name for path in nets.iterdir() if path.name != "__pycache__"] == ["nets.py"]


@pytest.mark.parametrize(
    ("factory", "message"),
    [
        (
            "raises",
            'factory nets.py:raises failed at {folder}/nets.py:15, in raises: `size = int("three")`: '
            "ValueError: invalid literal for int() with base 10: 'three'",
        ),
        (
            "returns_list",
            "factory nets.py:returns_list returned list; expected a model, (model, args) or (model, args, kwargs)",
        ),
        (
            "returns_bare_args",
            "factory nets.py:returns_bare_args returned args of type Tensor, not a tuple; expected",
        ),
        ("returns_nothing", "factory nets.py:returns_nothing returned NoneType; expected a model"),
        (
            "needs",
            "nets.py:needs takes (size): missing a required argument: 'size'; give its arguments as --arg NAME=JSON",
        ),
        (
            "make_model",
            "nets.py:make_model gives no arguments for its model; add --input TYPE, as 1x3x32x32xf32",
        ),
    ],
)
def test_factory_that_gives_no_model(nets, capsys, factory, message):
    error = failure(capsys, "compile", f"nets.py:{factory}", "-o", "net.dycl")
    assert error.startswith("error: " + message.format(folder=nets))


@pytest.mark.parametrize(
    ("code", "message"),
    [
        (
            "import torch\nimport nowhere\n",
            "importing broken.py failed at {folder}/broken.py:2, in <module>: `import nowhere`",
        ),
        (
            "def make(:\n",
            "importing broken.py failed at {folder}/broken.py:1: `def make(:`: SyntaxError: invalid syntax",
        ),
        (
            "raise SystemExit(3)\n",
            "importing broken.py failed at {folder}/broken.py:1, in <module>: `raise SystemExit(3)`",
        ),
    ],
)
def test_file_that_cannot_be_imported(nets, capsys, code, message):
    (nets / "broken.py").write_text(code)
    error = failure(capsys, "compile", "broken.py:make", "-o", "net.dycl")
    assert error.startswith("error: " + message.format(folder=nets))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (
            "1,3,32,32",
            "--input '1,3,32,32' is not a type; expected sizes and a dtype joined by x, as 1x3x32x32xf32",
        ),
        ("1x3xfloat", "--input '1x3xfloat' is not a type"),
        ("1x-3xf32", "--input '1x-3xf32' is not a type"),
        ("1x3", "--input '1x3' is not a type"),
        ("", "--input '' is not a type"),
        ("@missing.npy", "cannot read the input '@missing.npy': [Errno 2] No such file or directory"),
        ("@nets.py", "cannot read the input '@nets.py'"),
        ("-", "--input - is for `dycl run`"),
    ],
)
def test_wrong_input_syntax(nets, capsys, given, message):
    error = failure(capsys, "compile", "nets.py:make", f"--input={given}", "-o", "net.dycl")
    assert error.startswith(f"error: {message}")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["size"], "--arg 'size' is not NAME=JSON; expected for example tiny=true or seed=3"),
        (["2=3"], "--arg '2=3' is not NAME=JSON"),
        (
            ["size=three"],
            "--arg 'size=three': 'three' is not JSON; expected for example size=true, size=3 or size=\"text\"",
        ),
        (["size=1", "size=2"], "--arg size is given twice"),
        (["width=1"], "nets.py:make takes (size=3): got an unexpected keyword argument 'width'"),
    ],
)
def test_wrong_factory_argument(nets, capsys, given, message):
    arguments = [word for text in given for word in ("--arg", text)]
    assert failure(capsys, "compile", "nets.py:make", *arguments, "-o", "net.dycl").startswith(f"error: {message}")


def test_compiling_without_the_compilers_says_what_to_install(nets, capsys, monkeypatch):
    monkeypatch.setattr("dycl.model_arguments.find_spec", lambda name: None if name == "torch" else object())
    error = failure(capsys, "compile", "nets.py:make", "-o", "net.dycl")
    assert error == "error: compiling needs torch: pip install 'dycl[compiler]'"


def test_wrong_target(nets, capsys):
    error = failure(capsys, "compile", "nets.py:make", "--target", "llvm-gpu", "-o", "net.dycl")
    assert error.startswith("error: unknown backend 'llvm-gpu' in target 'llvm-gpu'; known backends: llvm-cpu")


def test_output_that_cannot_be_written(nets, capsys):
    error = failure(capsys, "compile", "nets.py:make", "-o", "nowhere/net.dycl")
    assert error == f"error: cannot write nowhere/net.dycl: the folder {nets}/nowhere does not exist"
    error = failure(capsys, "compile", "nets.py:make", "-o", "-")
    assert error == "error: a bundle is a folder and cannot go to standard output; give -o NAME.dycl"


@pytest.mark.parametrize("command", ["run", "inspect"])
def test_bundle_that_is_not_one(nets, capsys, command):
    assert failure(capsys, command, "net.dycl") == f"error: {nets}/net.dycl does not exist"
    assert failure(capsys, command, str(nets)) == f"error: {nets} is not a bundle: it has no manifest.json"
    (nets / "manifest.json").write_text("{")
    assert failure(capsys, command, str(nets)).startswith(f"error: {nets}/manifest.json is damaged: ")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "the following arguments are required: COMMAND"),
        (["compile", "nets.py:make"], "the following arguments are required: -o/--output"),
        (["build"], "argument COMMAND: invalid choice: 'build'"),
        (
            ["compile", "nets.py:make", "-o", "x", "--jobs", "0"],
            "argument --jobs: '0' is not a number of at least 1",
        ),
        (
            ["compile", "nets.py:make", "-o", "x", "--compile-to", "link"],
            "argument --compile-to: invalid choice: 'link'",
        ),
        (
            ["verify", "nets.py:make", "--search-time", "soon"],
            "argument --search-time: 'soon' is not a number of seconds",
        ),
        (
            ["verify", "nets.py:make", "--search-time", "inf"],
            "argument --search-time: 'inf' is not a number of seconds",
        ),
        (["inspect", "x", "--loud"], "unrecognized arguments: --loud"),
    ],
)
def test_wrong_usage(capsys, arguments, message):
    error = usage_failure(capsys, *arguments)
    assert error.startswith(f"error: {message}")
    assert "\nusage: dycl" in error


def test_failure_that_dycl_does_not_expect_says_so(nets, capsys, monkeypatch):
    def surprise(*_, **__):
        raise ZeroDivisionError("half of nothing")

    monkeypatch.setattr("dycl.bundle.read_bundle", surprise)
    error = failure(capsys, "inspect", "net.dycl")
    assert error.startswith("error: ZeroDivisionError: half of nothing (not an error that dycl expects; --debug ")
    with pytest.raises(ZeroDivisionError):
        main(["--debug", "inspect", "net.dycl"])


def test_interrupt_gives_130(capsys, monkeypatch):
    def interrupt(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("dycl.bundle.read_bundle", interrupt)
    assert main(["inspect", "net.dycl"]) == 130
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("command", ["compile", "run", "inspect"])
def test_help_shows_an_example(capsys, command):
    with pytest.raises(SystemExit) as ended:
        main([command, "--help"])
    assert ended.value.code == 0
    assert f"examples:\n  dycl {command} " in capsys.readouterr().out


def test_own_file_may_be_named_like_a_module(nets, capsys):
    """A user's json.py is imported, and the standard one stays what it is."""
    import json

    (nets / "json.py").write_text(
        textwrap.dedent("""
        def make():
            raise ValueError("the user's json")
    """)
    )
    assert "the user's json" in failure(capsys, "compile", "json.py:make", "-o", "net.dycl")
    assert sys.modules["json"] is json


def test_example_input_from_a_file_has_its_type(nets, capsys):
    np.save("x.npy", np.zeros((2, 3), np.float32))
    np.savez("x.npz", np.zeros(3))
    error = failure(capsys, "compile", "nets.py:raises", "--input", "@x.npy", "-o", "net.dycl")
    assert "factory nets.py:raises failed" in error
    error = failure(capsys, "compile", "nets.py:make", "--input", "@x.npz", "-o", "net.dycl")
    assert error == "error: cannot read the input '@x.npz': it is not an .npy file with one array"


def test_run_and_inspect_a_result_of_several_kinds(kinds_bundle, capsys):
    bundle = str(kinds_bundle)
    assert main(["run", bundle, "--input", "2xf32=-3,1"]) == 0
    assert capsys.readouterr().out == "output 1: 2xf32\n[-2.  2.]\n"
    assert main(["run", bundle, "--input", "2xf32=3,1", "--json"]) == 0
    assert capsys.readouterr().out == ('{"outputs": [{"name": "output 2", "type": "2xf32", "values": [6.0, 2.0]}]}\n')
    error = failure(capsys, "run", bundle, "--input", "2xf32=3,1", "--output", "a.npy", "--output", "b.npy")
    assert "2 --output are given; expected 1, or none to print" in error
    assert main(["inspect", bundle]) == 0
    shown = capsys.readouterr().out
    assert "output  output 1: 2xf32 (on some paths)\noutput  output 2: 2xf32 (on some paths)\n" in shown
    assert "choice" not in shown
