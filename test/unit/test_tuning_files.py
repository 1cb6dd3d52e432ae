# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Tuning files, the keys of operations, and executors; test/e2e/test_tuning.py measures a network."""

from __future__ import annotations

import json
import platform
import re
import stat
import sys
import sysconfig
from concurrent.futures import Executor
from dataclasses import replace

import pytest
import torch
from torch import nn

import dycl
from dycl.bench.machine import describe, processor
from dycl.cli import main
from dycl.compiler import phases
from dycl.compiler.ir_inspection import find_choices
from dycl.compiler.target_facts import VectorUnit
from dycl.compiler.targets import TargetSpec
from dycl.compiler.tuning_file import Entry, Tuning, compiler_versions, read_tunings
from dycl.errors import CompileError, DyclError, DyclWarning
from dycl.tuning.executors import RunnerExecutor
from dycl.tuning.operations import Operation

AVX2 = TargetSpec.parse("llvm-cpu:x86_64-linux-gnu:x86-64-v3")
AVX512 = TargetSpec.parse("llvm-cpu:x86_64-linux-gnu:x86-64-v4")
UNIT = VectorUnit(256, 16)
KEY = "product-4x16x32"
TUNING = Tuning(
    AVX2,
    UNIT,
    {"processor": "Some CPU"},
    compiler_versions(),
    {KEY: Entry({"block": 8, "tile": 2}, {"rule": 3.0, "block=8 tile=2": 2.0}), "product-1x2x3": Entry({})},
)


@pytest.fixture
def file(tmp_path):
    """A tuning file whose JSON a test may change before it is read."""

    def write(change=lambda data: None, tuning=TUNING):
        data = tuning.to_json()
        change(data)
        path = tmp_path / "net.tuning.json"
        path.write_text(json.dumps(data))
        return str(path)

    return write


def model():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(16, 32), nn.Tanh()).eval(), (torch.randn(4, 16),)


# ---- files --------------------------------------------------------------------------------------------------------


def test_a_file_is_read_as_it_was_written(tmp_path):
    path = tmp_path / "net.tuning.json"
    TUNING.save(path)
    assert Tuning.read(path) == TUNING
    assert [p.name for p in tmp_path.iterdir()] == ["net.tuning.json"]


def test_passes_are_given_what_differs_from_the_rules():
    assert TUNING.pass_options() == (f"{KEY}:block=8:tile=2",)
    assert (TUNING.entries[KEY].gain, TUNING.entries["product-1x2x3"].gain) == (1.5, 1.0)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda data: data.update(schema=2), "has the schema 2, and this dycl reads 1; run `dycl tune` again"),
        (lambda data: data["versions"].update(dycl="9.9"), "was measured with dycl 9.9, and this is dycl "),
        (
            lambda data: data["versions"].update({"iree-base-compiler": "2.0"}),
            "was measured with iree-base-compiler 2.0, and this is iree-base-compiler ",
        ),
        (lambda data: data.pop("entries"), "is damaged: KeyError('entries')"),
        (lambda data: data["entries"][KEY]["choice"].update(tile="2"), "tile is '2', not a number"),
        (lambda data: data["entries"][KEY]["choice"].update({"a b": 2}), "'a b' is no key or name"),
        (lambda data: data["entries"].update({"a:b=1,c": {"choice": {}, "times_us": {}}}), "'a:b=1,c' is no key"),
        (lambda data: data["vector_unit"].update(lanes=8), "is damaged: TypeError"),
    ],
)
def test_a_file_that_is_none_of_this_version_is_refused(file, change, message):
    path = file(change)
    with pytest.raises(CompileError) as refused:
        Tuning.read(path)
    assert str(refused.value).startswith(path)
    assert message in str(refused.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [(None, "No such file"), ("{", "is no tuning file: "), ("[1]", "is no tuning file; expected")],
)
def test_what_is_no_tuning_file_is_refused(tmp_path, content, message):
    path = tmp_path / "net.tuning.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(CompileError, match=message):
        Tuning.read(path)


def test_a_file_for_another_target_is_refused_with_both_names(file):
    with pytest.raises(CompileError, match=rf"measured for the target {AVX2.text}, and this compiles for llvm-cpu$"):
        read_tunings([file()], [TargetSpec.parse("llvm-cpu")])


def test_a_file_for_other_vectors_is_refused(file):
    """As where "this machine" has become another one."""
    path = file(lambda data: data["vector_unit"].update(bits=512, registers=32))
    with pytest.raises(CompileError, match=r"vectors of 512 bits in 32 registers, and .* has 256 bits in 16 registers"):
        read_tunings([path], [AVX2])


def test_two_files_for_one_target_are_refused(file):
    with pytest.raises(CompileError, match="is another tuning file for the target"):
        read_tunings([file(), file()], [AVX2])


def test_a_file_of_another_cpu_is_taken_with_a_warning(file, monkeypatch):
    here = TargetSpec.parse("llvm-cpu")
    monkeypatch.setattr("dycl.compiler.tuning_file.find_facts", lambda _: type("Facts", (), {"vector_unit": UNIT}))
    path = file(tuning=replace(TUNING, target=here))
    with pytest.warns(DyclWarning, match=re.escape(f"was measured on Some CPU, and this is {processor()}")):
        assert read_tunings([path], [here])[here].entries == TUNING.entries
    # Where another machine is compiled for, this one does not matter.
    assert list(read_tunings([file()], [AVX2])) == [AVX2]


def test_options_refuse_tuning_without_tiles():
    with pytest.raises(ValueError, match="tile is off"):
        dycl.Options(tuning=("net.tuning.json",), tile=False)
    with pytest.raises(ValueError, match="tuning is a string"):
        dycl.Options(tuning="net.tuning.json")


# ---- compiling with one -------------------------------------------------------------------------------------------


def compiled(path, folder, *targets):
    """The VMFB's bytes, for AVX2 whatever this machine has, and the weights that its region reads."""
    net, args = model()
    options = dycl.Options(tuning=(path,) if path else ())
    program = dycl.compile(net, args, target=targets or AVX2.text, options=options)
    program.save(folder)
    manifest = json.loads((folder / "manifest.json").read_text())
    vmfbs = [file.read_bytes() for file in sorted(folder.rglob("*.vmfb"))]
    return vmfbs, manifest["program"]["regions"][0]["parameters"]


@pytest.mark.skipif(platform.machine() != "x86_64", reason="loads a program for x86")
def test_compiling_with_a_file_changes_the_code_and_is_deterministic(file, tmp_path):
    plain, plain_weights = compiled(None, tmp_path / "plain.dycl")
    tuned, weights = compiled(file(), tmp_path / "tuned.dycl")
    again, _ = compiled(file(), tmp_path / "again.dycl")
    assert plain_weights != weights
    assert any("@blocks(8)" in key for key in weights)
    # The cache does not take one for the other.
    assert tuned == again != plain


def test_a_choice_that_is_not_legal_is_an_error_with_its_key(file, tmp_path):
    path = file(lambda data: data["entries"][KEY]["choice"].update(tile=5))
    with pytest.raises(CompileError, match=f"tuning of {KEY}: tile is 5, expected 1 to 4"):
        compiled(path, tmp_path / "net.dycl")


def test_an_unknown_choice_is_an_error_with_its_key(file, tmp_path):
    path = file(lambda data: data["entries"][KEY]["choice"].update(colour=5))
    with pytest.raises(CompileError, match=f"tuning of {KEY}: it has no choice of 'colour', expected of block, rows"):
        compiled(path, tmp_path / "net.dycl")


def test_the_command_compiles_with_a_file(file, tmp_path, monkeypatch, capsys):
    (tmp_path / "net.py").write_text(
        "import torch\ndef make():\n    return torch.nn.Linear(16, 32), (torch.randn(4, 16),)\n"
    )
    monkeypatch.chdir(tmp_path)
    path = file(lambda data: data["target"].update(target="vulkan"))
    assert main(["compile", "net.py:make", "--tuning", path, "-o", "net.dycl"]) == 1
    error = capsys.readouterr().err
    assert error == f"error: {path} was measured for the target vulkan, and this compiles for llvm-cpu\n"
    assert main(["compile", "net.py:make", "--tuning", path, "--no-tile", "-o", "net.dycl"]) == 1
    assert capsys.readouterr().err == "error: --tuning chooses tiles; leave out --no-tile\n"


# ---- operations ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "flops"),
    [
        ("conv-1x10x10x8-3x3x8x32-s1x1-d1x1", 2 * 8 * 8 * 32 * 9 * 8),
        # A border that the last row does not reach, and a kernel of two sizes.
        ("conv-2x12x9x8-3x2x8x40-s2x1-d1x2", 2 * 2 * 5 * 7 * 40 * 6 * 8),
        ("depthwise-1x9x9x24-3x3x24-s2x2-d1x1", 2 * 4 * 4 * 24 * 9),
        ("product-7x20x48", 2 * 7 * 20 * 48),
        ("batch_product-3x7x20x48", 2 * 3 * 7 * 20 * 48),
    ],
)
def test_an_operation_by_itself_has_the_key_that_it_was_made_of(key, flops):
    operation = Operation.parse(key)
    assert operation is not None
    listed = find_choices(phases.tile_for_cpu(operation.module(), UNIT, lists_choices=True))
    assert [found for found, _ in listed] == [key]
    assert operation.flops == flops


@pytest.mark.parametrize("key", ["product-?x20x48", "product-2x3x4x5", "sort-8", "conv-1x2x3-1x1x3x4-s1x1-d1x1"])
def test_other_keys_are_not_tuned(key):
    assert Operation.parse(key) is None


@pytest.mark.parametrize(("choice", "block"), [((), 16), (("block=8",), 8)])
def test_listed_first_is_what_is_chosen(choice, block):
    tuning = [":".join((KEY, *choice))] if choice else []
    operation = Operation.parse(KEY)
    assert operation is not None
    ((_, choices),) = find_choices(phases.tile_for_cpu(operation.module(), UNIT, tuning, lists_choices=True))
    assert list(choices) == ["block", "rows", "tile"]
    assert choices["block"][0] == block
    assert set(choices["block"]) == {8, 16, 32}


# ---- measuring ----------------------------------------------------------------------------------------------------


def test_an_executor_measures_in_a_python_without_dycl(tmp_path):
    """`ssh` here is a script that, like it, gives its arguments to a shell, in which nothing of dycl is found: no .pth
    file is read there."""
    ssh, packages = tmp_path / "ssh", sysconfig.get_path("purelib")
    ssh.write_text(
        f'#!/bin/sh\necho "$2 $3" >> {tmp_path}/calls\nshift 2\ncd {tmp_path}\nPYTHONPATH={packages} exec sh -c "$*"\n'
    )
    ssh.chmod(ssh.stat().st_mode | stat.S_IXUSR)
    with RunnerExecutor.over_ssh("user@board", f"{sys.executable} -S", ssh=(str(ssh),)) as executor:
        found = executor.submit(describe).result()
    assert found["processor"] == processor()
    assert (tmp_path / "calls").read_text().startswith("user@board ")


@pytest.mark.parametrize(
    ("command", "message"),
    [
        (("/nowhere/ssh", "board"), "cannot measure with `/nowhere/ssh board`: .*No such file"),
        (("sh", "-c", "echo no route to host >&2; exit 255"), "no route to host"),
        (("sh", "-c", "echo welcome"), "gave something else than measurements: b'welcome"),
    ],
)
def test_a_device_that_cannot_be_reached_is_an_error_that_names_it(command, message):
    with RunnerExecutor(command) as executor, pytest.raises(DyclError, match=message):
        executor.submit(describe).result()


def test_what_the_function_raises_is_told():
    with RunnerExecutor() as executor, pytest.raises(DyclError, match=r"(?s)cannot measure with .*TypeError"):
        executor.submit(describe, 1).result()


def test_an_executor_is_one_of_the_standard_librarys():
    assert issubclass(RunnerExecutor, Executor)


def test_a_target_without_tiles_is_refused(capsys):
    assert main(["tune", "nowhere.py:make", "--target", "llvm-cpu:riscv64-linux-gnu", "-o", "net.json"]) == 1
    assert capsys.readouterr().err == (
        "error: there is nothing to tune for llvm-cpu:riscv64-linux-gnu: dycl tiles for CPUs with AVX-512, AVX2 and "
        "FMA, or NEON\n"
    )


def test_help_shows_an_example(capsys):
    with pytest.raises(SystemExit):
        main(["tune", "--help"])
    assert "examples:\n  dycl tune " in capsys.readouterr().out
