# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The phases below the front end: targets, tools, failures, and what iree-compile is asked for."""

import os
import re
import signal
import stat
import subprocess
import sys
import threading
import time
from pathlib import Path

import handwritten
import numpy as np
import pytest

import dycl
from dycl.bundle import read_bundle
from dycl.compiler import iree, phases, tools
from dycl.compiler.iree import RegionJob, compile_command, compile_regions
from dycl.compiler.targets import TargetSpec, parse_targets
from dycl.options import Options

HOST = TargetSpec.parse("llvm-cpu")
UP = np.full((2, 3), 1.0, np.float32)


# ---- targets ------------------------------------------------------------------------------------------------


def test_a_target_in_full():
    target = TargetSpec.parse("llvm-cpu:aarch64-linux-gnu:cortex-a72:+neon,+crc")
    assert (target.triple, target.cpu, target.features) == ("aarch64-linux-gnu", "cortex-a72", "+neon,+crc")
    assert target.architecture == "aarch64"
    assert target.folder == "llvm-cpu_aarch64-linux-gnu_cortex-a72_+neon_+crc"
    assert target.compiler_flags()[2:] == (
        "--iree-llvmcpu-target-triple=aarch64-linux-gnu",
        "--iree-llvmcpu-target-cpu=cortex-a72",
        "--iree-llvmcpu-target-cpu-features=+neon,+crc",
    )


def test_a_target_without_a_triple_is_this_machine():
    assert HOST.architecture == os.uname().machine
    assert "--iree-llvmcpu-target-cpu=host" in HOST.compiler_flags()
    assert TargetSpec.parse("llvm-cpu::znver4").compiler_flags()[-1] == "--iree-llvmcpu-target-cpu=znver4"
    assert "--iree-llvmcpu-target-cpu=generic" in TargetSpec.parse("llvm-cpu:aarch64-linux-gnu").compiler_flags()


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("gpu", "unknown backend 'gpu' in target 'gpu'; known backends: llvm-cpu, vulkan, cuda"),
        ("", "unknown backend '' in target ''"),
        ("llvm-cpu:a:b:c:d", "has 5 parts; expected llvm-cpu[:TRIPLE[:CPU[:FEATURES]]]"),
        ([], "no target is given"),
        (["llvm-cpu", "llvm-cpu"], "would share the folder 'llvm-cpu'"),
        (["llvm-cpu:a_b", "llvm-cpu:a:b"], "targets 'llvm-cpu:a_b' and 'llvm-cpu:a:b' would share the folder"),
    ],
)
def test_a_wrong_target_is_refused(target, message):
    with pytest.raises(dycl.CompileError, match=re.escape(message)):
        parse_targets(target)


def test_a_bundle_for_several_targets_runs_on_its_own(tmp_path):
    targets = ["llvm-cpu:aarch64-linux-gnu:cortex-a72", "llvm-cpu"]
    folder = handwritten.write(*handwritten.gate_program(), tmp_path / "two.dycl", target=targets)
    assert [t["target"] for t in read_bundle(folder).manifest["targets"]] == targets
    program = dycl.load(folder)
    assert program.regions[0].target == "llvm-cpu"
    np.testing.assert_allclose(program(UP), handwritten.gate_reference(UP), rtol=1e-6)


def test_a_bundle_for_another_machine_is_compiled_and_not_loaded(tmp_path):
    target = "llvm-cpu:aarch64-linux-gnu:cortex-a72" if os.uname().machine != "aarch64" else "llvm-cpu:x86_64-linux-gnu"
    folder = handwritten.write(*handwritten.gate_program(), tmp_path / "other.dycl", target=target)
    assert (folder / "regions" / TargetSpec.parse(target).folder / "gate.vmfb").stat().st_size > 1000
    with pytest.raises(dycl.BundleError, match=re.escape(f"has no target that runs here; {target}: it is for ")):
        dycl.load(folder)


# ---- tools --------------------------------------------------------------------------------------------------


def test_a_missing_tool_is_named(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    with pytest.raises(dycl.CompileError, match=f"dycl-opt is neither in {tmp_path} nor on PATH"):
        tools.find_dycl_tool("dycl-opt")


def test_a_missing_iree_compile_is_named(monkeypatch):
    monkeypatch.setattr(tools.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(dycl.CompileError, match=r"iree-compile is not installed; run: pip install 'dycl\[compiler\]'"):
        tools.find_iree_compile()


def script(path, text):
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return str(path)


def test_a_failing_phase_names_the_users_line_and_can_be_repeated(monkeypatch, tmp_path):
    text = 'echo \'net.py:12:5: error: op is not allowed here\' >&2; test -z "$4" || cat "$4"; exit 1'
    tool = script(tmp_path / "dycl-opt", text)
    monkeypatch.setattr(phases, "find_dycl_tool", lambda name: tool)
    with pytest.raises(
        dycl.CompileError, match=r"^phase outline failed: net\.py:12:5: error: op is not allowed"
    ) as caught:
        phases.outline("module {}", simplify_host=False)
    error = caught.value
    assert "--dycl-outline-pipeline=simplify-host=false" in error.command
    again = subprocess.run(error.command, shell=True, capture_output=True, text=True, check=False)
    assert (again.returncode, again.stdout) == (1, "module {}")
    assert again.stderr == error.diagnostics


def test_a_host_that_is_no_python_is_refused(monkeypatch, tmp_path):
    tool = script(tmp_path / "dycl-translate", "echo 'def main(:'")
    monkeypatch.setattr(phases, "find_dycl_tool", lambda name: tool)
    with pytest.raises(dycl.CompileError, match="gave wrong Python: invalid syntax"):
        phases.host_source("module {}")


# ---- compiling regions --------------------------------------------------------------------------------------


def test_a_failing_region_tells_the_diagnostics_and_the_command(tmp_path):
    """The region has a mistake at a known line of the user's; nothing half-written is left."""
    program, imported = handwritten.gate_program()
    wrong = 'func.func @double(%x: tensor<2xf32>) -> tensor<3xf32> { return %x : tensor<2xf32> loc("net.py":14:3) }'
    program.modules["double_module"] = wrong
    with pytest.raises(dycl.CompileError, match=r"compiling region double for llvm-cpu failed: .*error: ") as caught:
        handwritten.write(program, imported, tmp_path / "out.dycl")
    error = caught.value
    assert "net.py:14:3" in error.diagnostics
    assert list(tmp_path.iterdir()) == []
    again = subprocess.run(error.command, shell=True, capture_output=True, text=True, check=False)
    assert again.returncode != 0
    assert "net.py:14:3" in again.stderr
    assert Path(error.command.split()[-1]).read_text() == wrong


def test_a_weight_that_is_not_given_is_named(tmp_path):
    program, imported = handwritten.gate_program()
    del imported.parameters["bias"]
    with pytest.raises(dycl.CompileError, match="1 weights that regions use are not given: bias"):
        handwritten.write(program, imported, tmp_path / "out.dycl")


@pytest.fixture
def slow_compiler(monkeypatch, tmp_path):
    """An iree-compile that notes its process, and then sleeps; on the text "fail" it fails when another sleeps."""
    started = tmp_path / "started"
    fail = f"while ! test -e {started}; do sleep 0.02; done; exit 3"
    tool = script(
        tmp_path / "iree-compile", f'case "$(cat)" in fail) {fail};; esac; echo $$ >>{started}; exec sleep 60'
    )
    monkeypatch.setattr(iree, "find_iree_compile", lambda: tool)
    return started


def region_jobs(folder, texts):
    return [RegionJob(f"r{i}", text, HOST, folder / f"r{i}.vmfb", cost=-i) for i, text in enumerate(texts)]


def assert_ended(started):
    processes = [int(line) for line in started.read_text().split()]
    assert processes
    for process in processes:
        with pytest.raises(ProcessLookupError):
            os.kill(process, 0)


def wait_until_started(started, n):
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline and not (started.exists() and len(started.read_text().split()) >= n):
        time.sleep(0.02)


def test_an_interrupt_ends_the_compilers(slow_compiler, tmp_path):
    def interrupt():
        wait_until_started(slow_compiler, 2)
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=interrupt).start()
    begun = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        compile_regions(region_jobs(tmp_path, ["sleep"] * 4), Options(jobs=2))
    assert time.monotonic() - begun < 30
    assert_ended(slow_compiler)


def test_a_failure_ends_the_other_compilers(slow_compiler, tmp_path):
    begun = time.monotonic()
    with pytest.raises(dycl.CompileError, match="compiling region r1 for llvm-cpu failed: iree-compile ended with 3"):
        compile_regions(region_jobs(tmp_path, ["sleep", "fail", "sleep"]), Options(jobs=2))
    assert time.monotonic() - begun < 30
    assert_ended(slow_compiler)


def test_progress_is_told_when_asked_for(tmp_path, capfd):
    program, imported = handwritten.gate_program()
    handwritten.write(program, imported, tmp_path / "a.dycl")
    assert capfd.readouterr() == ("", "")
    handwritten.write(program, imported, tmp_path / "b.dycl", options=Options(progress=True, jobs=1))
    lines = capfd.readouterr().err.splitlines()
    # The costliest region is first: their costs are 12, 14 and 16.
    expected = ["1/3 less_one", "2/3 double", "3/3 gate"]
    assert lines == [f"compiling regions: {line}" for line in expected]


_CONVOLUTION = """
module @conv_module {
  "util.global"() <{initial_value = #flow.parameter.named<"model"::"w"> : tensor<32x16x3x3xf32>, sym_name = "w",
      sym_visibility = "private", type = tensor<32x16x3x3xf32>}> : () -> ()
  func.func @conv(%x: tensor<1x16x34x34xf32>) -> tensor<1x32x32x32xf32> {
    %w = "util.global.load"() <{global = @w}> : () -> tensor<32x16x3x3xf32>
    %zero = arith.constant 0.0 : f32
    %empty = tensor.empty() : tensor<1x32x32x32xf32>
    %init = linalg.fill ins(%zero : f32) outs(%empty : tensor<1x32x32x32xf32>) -> tensor<1x32x32x32xf32>
    %y = linalg.conv_2d_nchw_fchw {dilations = dense<1> : vector<2xi64>, strides = dense<1> : vector<2xi64>}
        ins(%x, %w : tensor<1x16x34x34xf32>, tensor<32x16x3x3xf32>)
        outs(%init : tensor<1x32x32x32xf32>) -> tensor<1x32x32x32xf32>
    return %y : tensor<1x32x32x32xf32>
  }
}
"""


def test_layout_transposes_of_weights_run_at_load_only():
    """The conv goes to channels-last: the weight's transpose is in an initializer, not in the function."""
    command = [*compile_command(HOST, Options()), "--compile-to=flow", "-"]
    flow = subprocess.run(command, input=_CONVOLUTION, capture_output=True, text=True, check=True).stdout
    initializer = flow[flow.index("util.initializer") : flow.index("util.return")]
    function = flow[flow.index("util.func public @conv") :]
    assert "global.load immutable @__parameter_model_w" in initializer
    assert "transpose" in initializer
    assert "@__parameter_model_w" not in function
    assert "initializer" not in function


def test_a_value_that_a_path_leaves_undefined_is_refused_at_the_users_line():
    module = """
    func.func @main(%p: i1, %x: tensor<?xf32>, %y: tensor<?xf32>) -> tensor<?xf32> {
      %0 = scf.if %p -> (tensor<?xf32>) {
        scf.yield %x : tensor<?xf32>
      } else {
        %1 = ub.poison : tensor<?xf32>
        scf.yield %1 : tensor<?xf32>
      }
      %2 = arith.addf %0, %y : tensor<?xf32> loc("net.py":7:3)
      return %2 : tensor<?xf32>
    }
    """
    with pytest.raises(
        dycl.UnsupportedConstructError, match="computed with where a path has ended or jumped"
    ) as caught:
        phases.optimize(module)
    assert (caught.value.location.file, caught.value.location.line) == ("net.py", 7)
    assert "tensor<" not in str(caught.value)
