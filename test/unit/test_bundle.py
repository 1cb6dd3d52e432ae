# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Bundles on disk: whole or refused, written at once or not at all."""

import hashlib
import json
import re
import shutil

import handwritten
import numpy as np
import pytest

import dycl
from dycl.bundle import read_bundle, staged
from dycl.bundle.parameters import read_archive, write_archive

UP = np.full((2, 3), 1.0, np.float32)


@pytest.fixture
def copy(gate_bundle, tmp_path):
    """A bundle to damage."""
    return shutil.copytree(gate_bundle, tmp_path / "copy.dycl")


def refused(folder, message):
    with pytest.raises(dycl.BundleError, match=re.escape(message)):
        dycl.load(folder)


def files(folder):
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def sha256(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def edit_manifest(folder, change):
    path = folder / "manifest.json"
    manifest = json.loads(path.read_text())
    change(manifest)
    path.write_text(json.dumps(manifest))


# ---- contents -----------------------------------------------------------------------------------------------


def test_what_a_bundle_holds(gate_bundle):
    bundle = read_bundle(gate_bundle)
    regions = {f"regions/llvm-cpu/{name}.vmfb" for name in ("gate", "double", "less_one")}
    python = {"host.py", "host_runtime.py", "bundle_reader.py", "bundle_formats.py", "__main__.py"}
    expected = {"hcfg.json", "parameters.irpa", "manifest.json"} | python | regions
    assert set(bundle.files) == set(files(gate_bundle)) == expected
    assert bundle.manifest["targets"][0]["target"] == "llvm-cpu"
    assert bundle.manifest["tool_versions"]["iree-base-compiler"] == "3.13.0"
    assert "hcfg" not in bundle.manifest["program"]


def test_only_the_weights_that_regions_use_are_in_it_once(gate_bundle):
    weights = read_archive(gate_bundle / "parameters.irpa")
    assert list(weights) == ["bias"]
    np.testing.assert_array_equal(weights["bias"].view(np.float32), handwritten.BIAS)


def test_an_archive_keeps_every_kind_of_array(tmp_path):
    arrays = {
        "scalar": np.array(2.5),
        "empty": np.zeros((0, 3), np.float32),
        "transposed": np.arange(6, dtype=np.int32).reshape(2, 3).T,
        "bool": np.array([True, False]),
    }
    write_archive(tmp_path / "a.irpa", arrays)
    read = read_archive(tmp_path / "a.irpa")
    assert {k: v.tobytes() for k, v in read.items()} == {k: v.tobytes() for k, v in arrays.items()}


def test_equal_arrays_are_in_an_archive_once(tmp_path):
    weight = np.arange(10_000, dtype=np.float32)
    arrays = {"a": weight, "empty": weight[:0], "b": weight.copy(), "c": weight.view(np.int32), "other": weight + 1}
    write_archive(tmp_path / "a.irpa", arrays)
    assert {k: v.tobytes() for k, v in read_archive(tmp_path / "a.irpa").items()} == {
        k: v.tobytes() for k, v in arrays.items()
    }
    assert (tmp_path / "a.irpa").stat().st_size < 2 * weight.nbytes + 1024


def test_embedded_weights_are_in_the_regions_that_use_them(tmp_path):
    options = dycl.Options(embed_parameters=True)
    folder = handwritten.write(*handwritten.gate_program(), tmp_path / "gate.dycl", options=options)
    assert "parameters.irpa" not in files(folder)
    np.testing.assert_allclose(dycl.load(folder)(UP), handwritten.gate_reference(UP), rtol=1e-6)


def test_a_bundle_may_be_made_again_byte_by_byte(gate_bundle, tmp_path):
    again = handwritten.write(*handwritten.gate_program(), tmp_path / "again.dycl")
    assert files(again) == files(gate_bundle)


# ---- damage -------------------------------------------------------------------------------------------------


def test_what_is_no_bundle_is_refused(tmp_path):
    refused(tmp_path / "nowhere", f"{tmp_path / 'nowhere'} does not exist")
    refused(tmp_path, "is not a bundle: it has no manifest.json")
    (tmp_path / "file").write_text("x")
    refused(tmp_path / "file", "is not a bundle, or a damaged one: File is not a zip file")


NAMES = ["host.py", "host_runtime.py", "hcfg.json", "parameters.irpa", "regions/llvm-cpu/gate.vmfb"]


@pytest.mark.parametrize("name", NAMES)
def test_a_missing_file_is_named(copy, name):
    (copy / name).unlink()
    refused(copy, f"is damaged: {name} is missing")


@pytest.mark.parametrize("name", NAMES)
def test_a_truncated_file_is_named(copy, name):
    content = (copy / name).read_bytes()
    (copy / name).write_bytes(content[:-1])
    refused(copy, f"is damaged: {name} has {len(content) - 1} bytes, expected {len(content)}")


@pytest.mark.parametrize("name", NAMES)
def test_a_flipped_bit_is_found(copy, name):
    content = bytearray((copy / name).read_bytes())
    content[len(content) // 2] ^= 1
    (copy / name).write_bytes(content)
    refused(copy, f"is damaged: {name} is not what was written (its SHA-256 differs)")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "manifest.json is damaged: Expecting property name"),
        ("", "manifest.json is damaged: Expecting value"),
        ("[1]", "is not a dycl manifest: it states no schema_version"),
        ("{}", "is not a dycl manifest: it states no schema_version"),
        ('{"schema_version": 1}', "is damaged: it has no 'dycl_version'"),
        ('{"schema_version": true}', "is not a dycl manifest: it states no schema_version"),
        ('{"schema_version": 0}', "has schema version 0 (made by dycl ?), and this dycl reads 1 to 3"),
        ("[" * 100_000, "manifest.json is damaged: "),
        ('{"schema_version": 99, "dycl_version": "9.1"}', "has schema version 99 (made by dycl 9.1), and this dycl"),
    ],
)
def test_a_wrong_manifest_is_refused(copy, text, message):
    (copy / "manifest.json").write_text(text)
    refused(copy, message)


def test_a_manifest_that_is_not_text_is_refused(copy):
    (copy / "manifest.json").write_bytes(b"\xff\xfe\x00\x80")
    refused(copy, "manifest.json is damaged")


@pytest.mark.parametrize("name", ["../outside", "/etc/hostname", "a/../../outside", "..", "a\\b", ""])
def test_a_path_out_of_the_bundle_is_refused(copy, name):
    (copy.parent / "outside").write_text("x")
    entry = {"sha256": sha256(copy.parent / "outside"), "size": 1}
    edit_manifest(copy, lambda manifest: manifest["files"].update({name: entry}))
    refused(copy, f"is refused: its file name {name!r} leads out of it")


def test_a_link_out_of_the_bundle_is_refused(copy):
    outside = copy.parent / "host.py"
    (copy / "host.py").rename(outside)
    (copy / "host.py").symlink_to(outside)
    refused(copy, "is refused: its file name 'host.py' leads out of it")


@pytest.mark.parametrize("key", ["signature", "program", "targets", "files"])
def test_a_manifest_without_a_part_is_refused(copy, key):
    edit_manifest(copy, lambda manifest: manifest.pop(key))
    refused(copy, f"is damaged: it has no {key!r}")


@pytest.mark.parametrize("features", [5, None, "shaderInt8", [7], {"shaderInt8": True}])
def test_features_of_a_gpu_of_another_form_are_refused(copy, features):
    edit_manifest(copy, lambda manifest: manifest["targets"][0]["requires"].update(gpu_features=features))
    refused(copy, "is damaged: targets[0].requires.gpu_features")


def test_bundles_that_say_nothing_of_gpus_load(copy):
    edit_manifest(copy, lambda manifest: manifest["targets"][0]["requires"].pop("gpu_features"))
    assert dycl.load(copy).regions


def test_a_signature_of_another_form_is_refused(copy):
    edit_manifest(copy, lambda manifest: manifest["signature"].pop("output_structure"))
    refused(copy, "is damaged: signature.output_structure is missing or no object")


def test_an_exception_that_is_none_is_refused(checked_bundle, tmp_path):
    copy = shutil.copytree(checked_bundle, tmp_path / "copy.dycl")
    edit_manifest(copy, lambda manifest: manifest["signature"].update(exceptions=[["print", "x"]]))
    refused(copy, "its program raises 'print', which is no exception")


def test_a_region_without_its_file_in_the_manifest_is_refused(copy):
    edit_manifest(copy, lambda manifest: manifest["files"].pop("regions/llvm-cpu/gate.vmfb"))
    refused(copy, "is not a whole bundle: its manifest has no regions/llvm-cpu/gate.vmfb")


def test_host_is_not_executed_unless_the_manifest_vouches_for_it(copy):
    (copy / "host.py").write_text("raise SystemExit('executed')")
    edit_manifest(copy, lambda manifest: manifest["files"].pop("host.py"))
    refused(copy, "is not a whole bundle: its manifest has no host.py")


def test_a_vmfb_that_is_none_is_refused(copy):
    """Its hash made to fit: what IREE says reaches the user as a BundleError."""
    name = "regions/llvm-cpu/gate.vmfb"
    (copy / name).write_bytes(b"not a VMFB" * 100)
    entry = {"sha256": sha256(copy / name), "size": 1000}
    edit_manifest(copy, lambda manifest: manifest["files"].update({name: entry}))
    with pytest.raises(dycl.BundleError, match=r"gate.vmfb: it is no VMFB, or not a whole one"):
        dycl.load(copy, loading="eager")
    program = dycl.load(copy)
    with pytest.raises(dycl.BundleError, match=r"gate.vmfb: it is no VMFB, or not a whole one"):
        program(UP)


def test_a_bundle_for_another_machine_is_refused(copy):
    def change(manifest):
        manifest["targets"][0].update(target="llvm-cpu:riscv64-linux-gnu", architecture="riscv64")

    edit_manifest(copy, change)
    refused(copy, "has no target that runs here; llvm-cpu:riscv64-linux-gnu: it is for riscv64, and this machine is ")


def test_an_unknown_device_is_refused(gate_bundle):
    with pytest.raises(dycl.BundleError, match=r"there is no device 'abacus' here; drivers: .*local-sync"):
        dycl.load(gate_bundle, device="abacus")


def test_another_device(gate_bundle):
    program = dycl.load(gate_bundle, device="local-task")
    np.testing.assert_allclose(program(UP), handwritten.gate_reference(UP), rtol=1e-6)


# ---- saving -------------------------------------------------------------------------------------------------


def test_a_saved_bundle_is_the_same_and_holds_the_initial_state(counter_bundle, tmp_path):
    program = dycl.load(counter_bundle)
    program(np.zeros(2, np.float32), n=np.array(0))
    program.save(tmp_path / "saved.dycl")
    assert files(tmp_path / "saved.dycl") == files(counter_bundle)
    assert dycl.load(tmp_path / "saved.dycl")(np.zeros(2, np.float32), n=np.array(0))["calls"] == 41


def test_saving_leaves_out_what_is_not_of_the_bundle(copy, tmp_path):
    (copy / "__pycache__").mkdir()
    (copy / "__pycache__" / "host_runtime.pyc").write_text("x")
    dycl.load(copy).save(tmp_path / "saved.dycl")
    assert not (tmp_path / "saved.dycl" / "__pycache__").exists()


def test_saving_replaces_a_bundle_even_its_own(counter_bundle, copy):
    dycl.load(counter_bundle).save(copy)
    assert files(copy) == files(counter_bundle)
    program = dycl.load(copy)
    program.save(copy)
    assert files(copy) == files(counter_bundle)
    assert program(np.zeros(2, np.float32), n=np.array(0))["calls"] == 41
    assert [p.name for p in copy.parent.iterdir()] == [copy.name]


def test_saving_spares_what_is_no_bundle(gate_bundle, tmp_path):
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "todo.txt").write_text("x")
    (tmp_path / "file").write_text("x")
    program = dycl.load(gate_bundle)
    for name in ("notes", "file"):
        with pytest.raises(dycl.BundleError, match=f"{name} exists and is not a bundle"):
            program.save(tmp_path / name)
    assert (tmp_path / "notes" / "todo.txt").read_text() == "x"
    with pytest.raises(dycl.BundleError, match=r"cannot write .*No such file or directory"):
        program.save(tmp_path / "no" / "such" / "folder")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["file", "notes"]


def test_an_interrupted_write_leaves_the_old_bundle(copy):
    before = files(copy)

    def interrupted():
        with staged(copy) as folder:
            (folder / "manifest.json").write_text("half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert files(copy) == before
    assert [p.name for p in copy.parent.iterdir()] == [copy.name]
