# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Machine code without sections: how it is linked, what it still holds, and that damage to it is seen."""

from __future__ import annotations

import platform
import shlex
import struct
import subprocess
from dataclasses import replace

import pytest

import dycl
from dycl.compiler import link, target_facts, tools
from dycl.compiler.iree import RegionJob, compile_command, compile_regions
from dycl.compiler.target_facts import find_facts, named_flags
from dycl.compiler.targets import TargetSpec
from dycl.runtime import bundle_formats

HOST = TargetSpec.parse("llvm-cpu")
TARGETS = {
    "host": "llvm-cpu",
    "x86_64": "llvm-cpu:x86_64-linux-gnu:znver3",
    "aarch64": "llvm-cpu:aarch64-linux-gnu:cortex-a72",
    "armv7": "llvm-cpu:armv7a-linux-gnueabihf",
    "riscv64": "llvm-cpu:riscv64-linux-gnu",
}
MODULE = """
func.func @run(%x: tensor<8x8xf32>, %y: tensor<8x8xf32>) -> tensor<8x8xf32> {
  %zero = arith.constant 0.0 : f32
  %empty = tensor.empty() : tensor<8x8xf32>
  %filled = linalg.fill ins(%zero : f32) outs(%empty : tensor<8x8xf32>) -> tensor<8x8xf32>
  %0 = linalg.matmul ins(%x, %y : tensor<8x8xf32>, tensor<8x8xf32>) outs(%filled : tensor<8x8xf32>) -> tensor<8x8xf32>
  %1 = math.tanh %0 : tensor<8x8xf32>
  return %1 : tensor<8x8xf32>
}
"""
TYPE, FLAGS, OFFSET, ADDRESS, _, FILE_SIZE, MEMORY_SIZE, ALIGNMENT = range(8)


def compiled(target, folder, *flags):
    """A VMFB as IREE alone makes it, with the flags of dycl."""
    return run([*compile_command(TargetSpec.parse(target), dycl.Options()), *flags], folder)


def run(command, folder):
    output = folder / "net.vmfb"
    command = [*command, "-o", output, "-"]
    subprocess.run(command, input=MODULE, text=True, check=True, capture_output=True)
    return output.read_bytes()


def elf_of(vmfb):
    return next(bytes(s) for s in bundle_formats._rodata_segments(vmfb) if bytes(s[:4]) == b"\x7fELF")


def program_headers(elf):
    """Those of a file of 64 bits, as (position, fields)."""
    (start,), (count,) = struct.unpack_from("<Q", elf, 32), struct.unpack_from("<H", elf, 56)
    return [(start + 56 * i, struct.unpack_from("<IIQQQQQQ", elf, start + 56 * i)) for i in range(count)]


def loaded(elf):
    return [elf[f[OFFSET] : f[OFFSET] + f[FILE_SIZE]] for _, f in program_headers(elf) if f[TYPE] == 1]


@pytest.fixture(scope="module")
def elf(tmp_path_factory):
    return elf_of(compiled("llvm-cpu", tmp_path_factory.mktemp("link"), tools.linker_flag()))


@pytest.mark.parametrize("target", TARGETS.values(), ids=TARGETS)
def test_code_is_smaller_and_passes_the_checks(target, tmp_path):
    plain = compiled(target, tmp_path)
    linked = compiled(target, tmp_path, tools.linker_flag())
    bundle_formats.check_vmfb(plain)
    bundle_formats.check_vmfb(linked)
    assert len(linked) < len(plain) - 800


def test_what_is_loaded_is_the_same(elf, tmp_path):
    # But for the file's own header, which says where the sections are.
    plain = loaded(elf_of(compiled("llvm-cpu", tmp_path)))
    assert [part[64:] if i == 0 else part for i, part in enumerate(loaded(elf))] == [plain[0][64:], *plain[1:]]


def test_regions_are_linked_so(tmp_path):
    compile_regions([RegionJob("run", MODULE, HOST, tmp_path / "run.vmfb")], dycl.Options(cache=False))
    assert struct.unpack_from("<H", elf_of((tmp_path / "run.vmfb").read_bytes()), 60) == (1,)


def test_a_failure_names_the_linker_and_can_be_run_again(tmp_path, monkeypatch):
    """From a folder with a space, where the linker fails."""
    script = tmp_path / "a folder" / "link.py"
    script.parent.mkdir()
    script.write_text("import sys; sys.exit('no space left')")
    monkeypatch.setattr(tools, "LINKER_SCRIPT", script)
    with pytest.raises(dycl.CompileError, match="failed to link executable") as caught:
        compile_regions([RegionJob("run", MODULE, HOST, tmp_path / "run.vmfb")], dycl.Options(cache=False))
    again = subprocess.run(caught.value.command, shell=True, capture_output=True, text=True, check=False)
    assert again.returncode != 0
    for said in (caught.value.diagnostics, again.stderr):
        assert "no space left" in said


def test_the_linker_s_status_is_passed_on():
    command = shlex.split(tools.linker_flag().partition("=")[2])
    done = subprocess.run(
        [*command, "-flavor", "gnu", "-o", "/nowhere/a.so", "/nowhere/a.o"], capture_output=True, text=True, check=False
    )
    assert done.returncode != 0
    assert "/nowhere/a.o" in done.stderr


def test_what_is_no_code_without_sections_is_refused(elf, tmp_path):
    for other in (b"", b"MZ" * 64, elf[:5] + b"\2" + elf[6:]):
        with pytest.raises(ValueError, match="no ELF file"):
            link.without_sections(other.ljust(64, b"\0"))
    with pytest.raises(ValueError, match="wrote section headers"):
        link.without_sections(elf_of(compiled("llvm-cpu", tmp_path)))


# ---- damage -------------------------------------------------------------------------------------------------


def refused(elf):
    try:
        bundle_formats._check_elf(memoryview(elf))
    except (ValueError, struct.error):
        return True
    return False


CHANGES = [1, -1, 2, 8, -8, 64, -64, 4096, -4096, 1 << 16, 1 << 40]


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize(
    "field", [OFFSET, ADDRESS, FILE_SIZE, MEMORY_SIZE], ids=["offset", "address", "size", "memory"]
)
def test_a_segment_that_is_elsewhere_is_refused(elf, field, change):
    assert not refused(elf)
    for position, fields in program_headers(elf):
        is_data = fields[FLAGS] & 2
        if fields[TYPE] != 1 or (field == MEMORY_SIZE and is_data and change < 1 << 40):
            continue  # How much memory data take beyond the file is for the loader.
        damaged = bytearray(elf)
        struct.pack_into("<Q", damaged, position + 8 * (field - 1), (fields[field] + change) % (1 << 64))
        assert refused(damaged), fields


@pytest.mark.parametrize("flags", [0, 1, 2, 3, 4, 5, 6, 7])
def test_other_rights_are_refused(elf, flags):
    for position, fields in program_headers(elf):
        if fields[TYPE] == 1 and fields[FLAGS] != flags:
            damaged = bytearray(elf)
            struct.pack_into("<I", damaged, position + 4, flags)
            assert refused(damaged)


def test_a_segment_that_is_missing_is_refused(elf):
    for position, fields in program_headers(elf):
        if fields[TYPE] in (1, 2):
            damaged = bytearray(elf)
            struct.pack_into("<I", damaged, position, 0)
            assert refused(damaged)


def test_tables_are_in_the_data(elf):
    """The loader reads the dynamic table where it is in memory, and makes what RELRO names read-only."""
    for position, fields in program_headers(elf):
        if fields[TYPE] in (2, 0x6474E552):
            for field in (OFFSET, ADDRESS):
                damaged = bytearray(elf)
                struct.pack_into("<Q", damaged, position + 8 * (field - 1), fields[field] - 8)
                assert refused(damaged)


def test_what_follows_the_segments_is_refused(elf):
    for damaged in (elf + b"\0", elf[:-1], elf[:-8], elf[:-1] + b"\1"):
        assert refused(damaged)
    (table,) = struct.unpack_from("<Q", elf, 40)
    for position, form, value in ((40, "<Q", table - 8), (40, "<Q", 0), (60, "<H", 0), (60, "<H", 2), (58, "<H", 0)):
        damaged = bytearray(elf)
        struct.pack_into(form, damaged, position, value)
        assert refused(damaged), position


# ---- the CPU's name -------------------------------------------------------------------------------------------


def test_the_host_s_cpu_is_named_with_the_same_features(tmp_path):
    flags = named_flags(HOST)
    assert flags == named_flags(TargetSpec.parse("llvm-cpu::host"))
    if flags == HOST.compiler_flags():
        pytest.skip("this machine's CPU has no name with few features beside it")
    cpu, features = (flag.partition("=")[2] for flag in flags[-2:])
    named = TargetSpec.parse(f"llvm-cpu::{cpu}:{features}")
    assert find_facts(named).cpu_features == find_facts(HOST).cpu_features
    command = compile_command(HOST, dycl.Options())
    by_name, host = run(command, tmp_path), run([*command[:1], *HOST.compiler_flags(), *command[5:]], tmp_path)
    assert command[1:5] == flags
    assert elf_of(by_name) == elf_of(host)
    assert len(by_name) < len(host)


def described(features):
    text = f'#hal.executable.target<"llvm-cpu", {{cpu = "znver4", cpu_features = "{features}"}}>'
    return replace(target_facts._read_cpu(text), description=text)


@pytest.mark.parametrize(
    ("of_host", "of_name", "features"),
    [
        ("+avx,+fma,+pku,+64bit,+avx,+fma,-pku", "+avx,+fma,+pku,-pku,+64bit", "-pku,+64bit"),
        # Features may rest on AVX.
        ("+avx,+fma,+64bit,-avx,+fma", "+avx,+fma,-avx,+64bit", None),
        # iree-compile makes something else of the name.
        ("+avx,+fma,+pku,+64bit,+avx,+fma,-pku", "+avx,+fma,+pku,-pku,+64bit,+sha", None),
        # There is one list only.
        ("+avx,+fma", "+avx,+fma", None),
    ],
    ids=["same", "others_rest_on_it", "something_else", "one_list"],
)
def test_the_host_s_cpu_is_named_only_where_that_is_the_same(monkeypatch, of_host, of_name, features):
    monkeypatch.setattr(platform, "machine", lambda: "x86_64")
    monkeypatch.setattr(target_facts, "find_facts", lambda target: described(of_name if target.cpu else of_host))
    flags = named_flags.__wrapped__(HOST)
    named = ("--iree-llvmcpu-target-cpu=znver4", f"--iree-llvmcpu-target-cpu-features={features}")
    assert flags == ((*HOST.compiler_flags()[:2], *named) if features else HOST.compiler_flags())


@pytest.mark.parametrize("target", ["llvm-cpu::znver4", "llvm-cpu:x86_64-linux-gnu", "vulkan", "cuda:sm_75"])
def test_other_targets_are_named_as_they_are(target):
    assert named_flags(TargetSpec.parse(target)) == TargetSpec.parse(target).compiler_flags()
