# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Targets: what iree-compile is asked for, which of a bundle's targets runs here, and programs that run on one."""

from __future__ import annotations

import platform
import re
import shutil
import subprocess
from dataclasses import replace

import handwritten
import numpy as np
import pytest

import dycl
from dycl.bundle import read_bundle
from dycl.compiler import pipeline
from dycl.compiler.pipeline import PartitionedProgram
from dycl.compiler.target_facts import TargetFacts, find_facts
from dycl.compiler.targets import TargetSpec
from dycl.runtime import host_runtime
from dycl.runtime.program import Program

ARM = "llvm-cpu:aarch64-linux-gnu:cortex-a72"
X = np.linspace(-3, 3, 6, dtype=np.float32).reshape(2, 3)


# ---- what a target asks for ---------------------------------------------------------------------------------


def test_a_gpu_target_in_full():
    target = TargetSpec.parse("vulkan:valhall4:spirv:v1.3,cap:Shader")
    assert (target.cpu, target.features, target.architecture) == ("valhall4", "spirv:v1.3,cap:Shader", "")
    assert target.compiler_flags() == (
        "--iree-hal-target-device=vulkan",
        "--iree-vulkan-target=valhall4",
        "--iree-vulkan-target-features=spirv:v1.3,cap:Shader",
    )
    assert TargetSpec.parse("vulkan:rdna3").compiler_flags()[1:] == ("--iree-vulkan-target=rdna3",)
    device, features = TargetSpec.parse("vulkan").compiler_flags()
    assert device == "--iree-hal-target-device=vulkan"
    assert "cap:StorageBuffer8BitAccess" in features
    assert TargetSpec.parse("cuda:sm_75").compiler_flags()[1:] == ("--iree-cuda-target=sm_75",)


def test_triples_bring_what_their_cpus_have():
    riscv = TargetSpec.parse("llvm-cpu:riscv64-linux-gnu").compiler_flags()
    assert "--iree-llvmcpu-target-cpu=generic-rv64" in riscv
    assert "--iree-llvmcpu-target-cpu-features=+m,+a,+f,+d,+c" in riscv
    assert "--iree-llvmcpu-target-abi=lp64d" in riscv
    soft = TargetSpec.parse("llvm-cpu:riscv64-linux-gnu:generic-rv64:+m,+a,+c").compiler_flags()
    assert "--iree-llvmcpu-target-abi=lp64" in soft
    arm = TargetSpec.parse("llvm-cpu:armv7a-linux-gnueabihf").compiler_flags()
    assert "--iree-llvmcpu-target-float-abi=hard" in arm


def test_facts_come_from_the_compiler():
    assert {"avx2", "fma"} <= set(find_facts(TargetSpec.parse("llvm-cpu:x86_64-linux-gnu:znver3")).cpu_features)
    assert {"neon"} <= set(find_facts(TargetSpec.parse(ARM)).cpu_features)
    hidden = find_facts(TargetSpec.parse("llvm-cpu:x86_64-linux-gnu:znver3:-fma,+gfni")).cpu_features
    assert "gfni" in hidden
    assert "fma" not in hidden
    needs = "storageBuffer8BitAccess", "storageBuffer16BitAccess", "shaderInt8", "shaderFloat16"
    facts = find_facts(TargetSpec.parse("vulkan"))
    assert replace(facts, description="") == TargetFacts(gpu_features=needs, has_f64=False, stored_bits=(8, 16, 32))
    assert find_facts(TargetSpec.parse("vulkan:adreno")).stored_bits == (16, 32, 64)
    assert find_facts(TargetSpec.parse("vulkan::spirv:v1.3,cap:Shader")).stored_bits == (32,)
    assert find_facts(TargetSpec.parse("vulkan:valhall4")).subgroup_sizes == (16,)
    assert find_facts(TargetSpec.parse("vulkan::spirv:v1.3,cap:Shader,cap:Float64")).has_f64
    assert find_facts(TargetSpec.parse("cuda")).has_f64


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("vulkan:nonsense", "does not know the target 'vulkan:nonsense'"),
        ("cuda:sm_999", "does not know the target 'cuda:sm_999'; sm_60 to sm_89"),
        ("llvm-cpu:x86_64-linux-gnu:nonsense", "accepted CPUs: .*znver4"),
        ("llvm-cpu:nonsense-linux", "does not know the target 'llvm-cpu:nonsense-linux'"),
    ],
)
def test_an_unknown_triple_cpu_or_gpu_is_refused_before_anything_is_compiled(tmp_path, target, message):
    with pytest.raises(dycl.CompileError, match=message):
        handwritten.write(*handwritten.gate_program(), tmp_path / "no.dycl", target=target)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("target", "elf_machine"),
    [
        (ARM, 183),
        ("llvm-cpu:aarch64-linux-android", 183),
        ("llvm-cpu:armv7a-linux-gnueabihf", 40),
        ("llvm-cpu:riscv64-linux-gnu:sifive-u74", 243),
    ],
)
def test_code_is_for_the_architecture_of_the_target(tmp_path, target, elf_machine):
    folder = handwritten.write(*handwritten.gate_program(), tmp_path / "gate.dycl", target=target)
    content = (folder / "regions" / TargetSpec.parse(target).folder / "gate.vmfb").read_bytes()
    start = content.index(b"\x7fELF")
    assert int.from_bytes(content[start + 18 : start + 20], "little") == elf_machine


# ---- which target runs here ---------------------------------------------------------------------------------


def entry(text, *, cpu_features=(), subgroup_sizes=()):
    target = TargetSpec.parse(text)
    requires = {"cpu_features": list(cpu_features), "subgroup_sizes": list(subgroup_sizes)}
    return {**target.to_json(), "requires": requires, "demotes_f64": False}


def pick(*targets, device=None):
    target, uri = host_runtime.pick_target("net.dycl", {"targets": list(targets)}, device)
    return target["target"], uri


@pytest.fixture
def small_x86(monkeypatch):
    """An x86 CPU with AVX2 and without AVX-512, and no GPU."""
    monkeypatch.setattr(platform, "machine", lambda: "x86_64")
    monkeypatch.setattr(host_runtime, "_cpu_flags", lambda _: {"avx", "avx2", "fma", "pni"})


def test_the_cpu_target_that_uses_most_of_this_cpu_is_picked(small_x86):
    generic = entry("llvm-cpu:x86_64-linux-gnu")
    avx2 = entry("llvm-cpu:x86_64-linux-gnu:haswell", cpu_features=["avx", "avx2", "fma", "sse3"])
    avx512 = entry("llvm-cpu:x86_64-linux-gnu:znver4", cpu_features=["avx", "avx2", "fma", "avx512f", "gfni"])
    assert pick(generic, avx2, avx512) == (avx2["target"], "local-sync")
    assert pick(avx512, generic) == (generic["target"], "local-sync")
    assert pick(generic, device="local-task") == (generic["target"], "local-task")


def test_no_fitting_target_says_why_for_each(small_x86):
    avx512 = entry("llvm-cpu:x86_64-linux-gnu:znver4", cpu_features=["avx512f", "gfni", "unheard-of"])
    with pytest.raises(host_runtime.BundleProblem) as raised:
        pick(avx512, entry(ARM), entry("cuda"), {**entry("cuda"), "target": "tpu", "backend": "tpu"})
    message = str(raised.value)
    assert "net.dycl has no target that runs here; " in message
    assert f"{avx512['target']}: this CPU has no avx512f, gfni" in message
    assert f"{ARM}: it is for aarch64, and this machine is x86_64" in message
    assert "; cuda: there is no cuda d" in message
    assert message.endswith("tpu: this dycl knows no backend 'tpu'")


def test_a_device_rules_out_the_targets_of_others(small_x86):
    with pytest.raises(host_runtime.BundleProblem, match="it is not for device 'vulkan'"):
        pick(entry("llvm-cpu"), device="vulkan")
    with pytest.raises(host_runtime.BundleProblem, match="there is no device 'toaster:2' here; drivers: "):
        pick(entry("llvm-cpu"), device="toaster:2")


def test_first_target_that_fits_is_picked(vulkan):
    both = entry("llvm-cpu"), entry("vulkan")
    assert pick(*both) == ("llvm-cpu", "local-sync")
    assert pick(*reversed(both)) == ("vulkan", "vulkan")
    assert pick(*both, device="vulkan") == ("vulkan", "vulkan")


def test_subgroups_of_another_size_are_refused(vulkan, tmp_path):
    """llvmpipe has subgroups of 4 or 8; code for 64 would run on it, and give wrong numbers."""
    folder = handwritten.write(*handwritten.gate_program(), tmp_path / "gate.dycl", target="vulkan:rdna3")
    with pytest.raises(dycl.BundleError, match=r"it is for subgroups of .*64, and this GPU has"):
        dycl.load(folder)


def test_a_gpu_without_a_feature_is_refused(vulkan, monkeypatch):
    target = entry("vulkan")
    requires = {**target["requires"], "gpu_features": ["shaderInt8", "shaderFloat16", "unheardOf"]}
    assert pick({**target, "requires": requires}) == ("vulkan", "vulkan")

    class Driver:
        def dump_device_info(self, device_id):
            return f"device {device_id}: shaderInt8=yes shaderFloat16=no minSubgroupSize=8 maxSubgroupSize=8"

    monkeypatch.setattr(host_runtime.rt, "get_driver", lambda name: Driver())
    assert host_runtime._why_not_this_gpu(target, "vulkan", 0) is None
    assert host_runtime._why_not_this_gpu({**target, "requires": requires}, "vulkan", 0) == (
        "this GPU has no shaderFloat16"
    )


@pytest.mark.parametrize(
    ("target", "type_", "fits"),
    [
        ("vulkan:adreno", "tensor<3xi1>", False),
        ("vulkan:adreno", "tensor<?x6xi8>", False),
        ("vulkan:adreno", "tensor<?x8xi8>", True),
        ("vulkan:adreno", "tensor<3xf16>", True),
        ("vulkan::spirv:v1.3,cap:Shader", "tensor<8xf16>", False),
        ("vulkan::spirv:v1.3,cap:Shader", "tensor<i1>", False),
        ("vulkan", "tensor<i1>", True),
        ("llvm-cpu", "tensor<i1>", True),
    ],
)
def test_parts_of_words_are_refused_where_there_are_only_words(target, type_, fits):
    program = PartitionedProgram(
        "", {"regions": [{"name": "r", "module": "m", "inputs": [type_], "results": [], "location": None}]}, {"m": ""}
    )
    if fits:
        pipeline._check_narrow(program, TargetSpec.parse(target))
        return
    with pytest.raises(dycl.UnsupportedConstructError, match=r"region r has a tensor<.*-bit storage") as caught:
        pipeline._check_narrow(program, TargetSpec.parse(target))
    assert "llvm-cpu" in caught.value.hint


# ---- running on it ------------------------------------------------------------------------------------------


def test_vulkan_agrees(vulkan, tmp_path):
    folder = handwritten.write(*handwritten.gate_program(), tmp_path / "gate.dycl", target=["llvm-cpu", "vulkan"])
    program = dycl.load(folder, device="vulkan")
    assert {region.target for region in program.regions} == {"vulkan"}
    for x in (X, -X, X + 1):
        np.testing.assert_allclose(program(x), handwritten.gate_reference(x), rtol=1e-6)


def test_results_that_the_host_cannot_see_are_copied(vulkan, tmp_path):
    """As on a GPU with memory of its own; llvmpipe's is the host's, so the flag stands in."""
    folder = handwritten.write(*handwritten.gate_program(), tmp_path / "gate.dycl", target="vulkan")
    bundle = read_bundle(folder)
    session = host_runtime.Session(bundle.reader)
    view = session.upload(X, "f32")
    assert not session.device("vulkan")._is_mappable
    np.testing.assert_array_equal(session.download(view, "f32"), X)


_WIDE = (
    "wide",
    ["tensor<2xf64>", "f64"],
    ["tensor<2xf64>", "f64"],
    """
    %r = arith.addf %a0, %a0 : tensor<2xf64>
    %s = arith.addf %a1, %a1 : f64
    return %r, %s : tensor<2xf64>, f64""",
)

_WIDE_HOST = """
def main(regions, decide, x):
    v0, s0 = regions.wide(x, 0.5)
    if decide(0, s0 == 1.0):
        v0, s0 = regions.wide(v0, s0)
    return (v0,)
"""


def wide_program():
    """y = 4x in f64."""
    from dycl.compiler.imported import ImportedProgram, plain_signature
    from dycl.signature import TensorSpec

    signature = plain_signature("wide", (TensorSpec("x", "f64", (2,)),), (TensorSpec("y", "f64", (2,)),))
    graph = handwritten.hcfg(
        [("entry", "entry", None), ("exit", "exit", None)],
        [("entry", "exit", "next")],
    )
    description = handwritten.description(signature, [handwritten.region(*_WIDE[:3], line=7)], graph)
    modules = {"wide_module": handwritten.function_module(*_WIDE)}
    return PartitionedProgram(_WIDE_HOST, description, modules), ImportedProgram("", signature)


def test_f64_is_refused_where_the_target_has_none(tmp_path):
    with pytest.raises(dycl.UnsupportedConstructError, match=r"net.py:7: region wide computes in f64.*--demote-f64"):
        handwritten.write(*wide_program(), tmp_path / "wide.dycl", target=["llvm-cpu", "vulkan"])


def test_f64_is_demoted_only_where_the_target_has_none(vulkan, tmp_path):
    options = dycl.Options(demote_f64=True)
    folder = handwritten.write(*wide_program(), tmp_path / "wide.dycl", target=["llvm-cpu", "vulkan"], options=options)
    x = np.array([0.1, 1e10])
    exact, rounded = dycl.load(folder)(x), dycl.load(folder, device="vulkan")(x)
    assert exact.dtype == rounded.dtype == np.float64
    np.testing.assert_array_equal(exact, 4 * x)
    np.testing.assert_array_equal(rounded, 4 * x.astype(np.float32))


def test_f64_weight_is_not_demoted(tmp_path):
    program, imported = handwritten.gate_program()
    text = program.modules["gate_module"].replace("tensor<3xf32>", "tensor<3xf64>")
    wide = replace(program, modules={**program.modules, "gate_module": text})
    options = dycl.Options(demote_f64=True)
    with pytest.raises(dycl.UnsupportedConstructError, match=r"net.py:12: weight bias is f64.*model\.float\(\)"):
        handwritten.write(wide, imported, tmp_path / "gate.dycl", target="vulkan", options=options)


def test_ptx_is_accepted_by_ptxas(tmp_path):
    if shutil.which("ptxas") is None:
        pytest.skip("no ptxas is installed here")
    folder = handwritten.write(*handwritten.gate_program(), tmp_path / "gate.dycl", target="cuda:sm_80")
    texts = []
    for vmfb in sorted((folder / "regions" / "cuda_sm_80").glob("*.vmfb")):
        texts += re.findall(rb"\.version [\x09-\x7e]*", vmfb.read_bytes())
    assert len(texts) >= 3  # each region has at least one
    for index, text in enumerate(texts):
        ptx = tmp_path / f"{index}.ptx"
        ptx.write_bytes(text)
        done = subprocess.run(
            ["ptxas", "-arch=sm_80", ptx, "-o", tmp_path / "out.cubin"], capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr


def test_program_object_has_no_device_until_it_runs(tmp_path):
    folder = handwritten.write(*handwritten.gate_program(), tmp_path / "gate.dycl", target=ARM)
    program = Program(read_bundle(folder))
    assert {region.target for region in program.regions} == {ARM}
