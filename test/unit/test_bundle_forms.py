# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""A bundle as a zip, stripped and signed; and when its regions are loaded."""

import json
import mmap
import platform
import re
import shutil
import struct
import subprocess
import sys
import threading
import zipfile

import handwritten
import numpy as np
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from test_bundle import edit_manifest, files, sha256

import dycl
from dycl.bundle import pack
from dycl.runtime import host_runtime
from dycl.runtime.bundle_reader import BundleReader

UP = np.full((2, 3), 1.0, np.float32)  # takes `gate` and `double`
DOWN = np.full((2, 3), -5.0, np.float32)  # takes `gate` and `less_one`
REGIONS = {"gate", "double", "less_one"}


@pytest.fixture
def zipped(gate_bundle, tmp_path):
    path = tmp_path / "gate.zip.dycl"
    dycl.load(gate_bundle).save(path, zip=True)
    return path


def check(program):
    for x in (UP, DOWN):
        np.testing.assert_allclose(program(x), handwritten.gate_reference(x), rtol=1e-6)
        assert program.last_path


def packed(source, destination, **options):
    pack(BundleReader(source), destination, **options)
    return destination


# ---- zip ----------------------------------------------------------------------------------------------------


def test_a_zip_runs_as_its_folder_does(zipped, gate_bundle):
    check(dycl.load(zipped))
    with zipfile.ZipFile(zipped) as archive:
        assert {name: archive.read(name) for name in archive.namelist()} == files(gate_bundle)


def test_a_zip_runs_as_a_script(zipped, gate_bundle, tmp_path):
    np.save(tmp_path / "x.npy", UP)
    for bundle in (zipped, gate_bundle):
        command = [sys.executable, bundle, "--input", "@x.npy", "--output", "y.npy"]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        np.testing.assert_allclose(np.load(tmp_path / "y.npy"), handwritten.gate_reference(UP), rtol=1e-6)
        (tmp_path / "y.npy").unlink()


def test_weights_in_a_zip_are_mapped_where_they_lie(zipped):
    reader = BundleReader(zipped)
    weights, entries = reader.archive("parameters.irpa")
    assert isinstance(weights.obj, mmap.mmap)
    offset, length = entries["bias"]
    assert bytes(weights[offset : offset + length]) == handwritten.BIAS.tobytes()
    assert zipped.read_bytes().index(bytes(weights)) % 4096 == 0


def test_a_zip_saves_as_a_folder_and_the_same_zip_again(zipped, gate_bundle, tmp_path):
    program = dycl.load(zipped)
    program.save(tmp_path / "folder.dycl")
    assert files(tmp_path / "folder.dycl") == files(gate_bundle)
    before = zipped.read_bytes()
    program.save(zipped, zip=True)
    assert zipped.read_bytes() == before
    check(program)


def test_state_in_a_zip(counter_bundle, tmp_path):
    dycl.load(counter_bundle).save(tmp_path / "counter.zip", zip=True)
    program = dycl.load(tmp_path / "counter.zip")
    assert [program(np.zeros(2, np.float32), n=np.array(0))["calls"] for _ in range(2)] == [41, 42]


def test_what_begins_on_a_page_waits_for_the_end_of_one(gate_bundle, tmp_path):
    """Files of 300 bytes that do not get smaller come by the end of a page."""
    manifest = json.loads((gate_bundle / "manifest.json").read_text())
    weights, small = b"w" * 5000, [np.random.default_rng(i).bytes(300) for i in range(24)]
    contents = {"a.irpa": weights, "b.irpa": weights, **{f"regions/{i}.vmfb": text for i, text in enumerate(small)}}
    for name, content in contents.items():
        (gate_bundle / name).write_bytes(content)
        manifest["files"][name] = {"sha256": sha256(gate_bundle / name), "size": len(content)}
    manifest["files"] = dict(sorted(manifest["files"].items()))  # what is stored comes first
    (gate_bundle / "manifest.json").write_text(json.dumps(manifest))
    pack(BundleReader(gate_bundle), tmp_path / "gate.zip", as_zip=True)
    with zipfile.ZipFile(tmp_path / "gate.zip") as archive:
        for info in (archive.getinfo("a.irpa"), archive.getinfo("b.irpa")):
            assert len(info.extra) <= 512
            assert (info.header_offset + 30 + len(info.filename) + len(info.extra)) % 4096 == 0
            assert archive.read(info) == weights


def rewritten(path, change):
    """A zip with the entries that `change` makes of (name, content) pairs."""
    with zipfile.ZipFile(path) as archive:
        entries = [(info.filename, archive.read(info)) for info in archive.infolist()]
    with pytest.warns() if len({n for n, _ in change(entries)}) < len(change(entries)) else nothing():
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, content in change(entries):
                archive.writestr(name, content)


def nothing():
    from contextlib import nullcontext

    return nullcontext()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda entries: [*entries, ("../outside", b"x")], "its file name '../outside' leads out of it"),
        (lambda entries: [*entries, ("/etc/x", b"x")], "its file name '/etc/x' leads out of it"),
        (lambda entries: [*entries, entries[0]], "is damaged: it has "),
        (lambda entries: entries[1:], "is missing"),
        (lambda entries: [(n, b"" if n == "manifest.json" else c) for n, c in entries], "is damaged: Expecting value"),
        (lambda entries: [(n, c) for n, c in entries if n != "manifest.json"], "is not a bundle: it has no manifest"),
        (lambda entries: [(n, c[:-1] if n == "host.py" else c) for n, c in entries], "host.py has "),
        (lambda entries: [(n, c + b"\0" * 10**8 if n == "host.py" else c) for n, c in entries], "host.py has 1000"),
        (lambda entries: [(n, c + b" " * 10**8 if n == "manifest.json" else c) for n, c in entries], "at most"),
    ],
)
def test_a_wrong_zip_is_refused(zipped, change, message):
    rewritten(zipped, change)
    with pytest.raises(dycl.BundleError, match=message):
        dycl.load(zipped)


def test_a_link_in_a_zip_is_refused(zipped):
    with zipfile.ZipFile(zipped, "a") as archive:
        info = zipfile.ZipInfo("link")
        info.external_attr = 0o120777 << 16
        archive.writestr(info, "/etc/passwd")
    with pytest.raises(dycl.BundleError, match="its file name 'link' leads out of it"):
        dycl.load(zipped)


def test_a_file_that_inflates_to_more_than_it_says_is_not_read_on(zipped):
    """The directory says what the manifest says, and the data go on."""
    with zipfile.ZipFile(zipped) as archive:
        info = archive.getinfo("host.py")
        assert info.compress_type == zipfile.ZIP_DEFLATED
    content = bytearray(zipped.read_bytes())
    size = info.file_size.to_bytes(4, "little")
    for position in range(len(content)):  # in the local header and in the directory
        if content[position : position + 4] == size:
            content[position : position + 4] = (info.file_size - 10).to_bytes(4, "little")
    zipped.write_bytes(content)
    with pytest.raises(dycl.BundleError, match=r"host.py has \d+ bytes, expected"):
        dycl.load(zipped)


@pytest.mark.parametrize("cut", [0, 1, 100, -1, -22, -500])
def test_a_truncated_zip_is_refused(zipped, cut):
    zipped.write_bytes(zipped.read_bytes()[:cut])
    with pytest.raises(dycl.BundleError, match="is not a bundle, or a damaged one"):
        dycl.load(zipped)


# ---- strip --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("as_zip", [False, True])
def test_a_stripped_bundle_runs_and_names_no_source(gate_bundle, tmp_path, as_zip):
    stripped = packed(gate_bundle, tmp_path / "stripped.dycl", strip=True, as_zip=as_zip)
    program = dycl.load(stripped)
    check(program)
    assert all(region.location is None for region in program.regions)
    reader = BundleReader(stripped)
    assert sum(f["size"] for f in reader.manifest["files"].values()) < 0.85 * sum(map(len, files(gate_bundle).values()))
    for name in reader.manifest["files"]:
        assert b"net.py" not in reader.read(name)
    assert b"net.py" not in reader.manifest_bytes
    assert b"host_runtime" in reader.read("host.py")
    done = subprocess.run(
        [sys.executable, stripped, "--input", "2x3xf32=1"], capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith("y: 2x3xf32")


# ---- signatures ---------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def keys(tmp_path_factory):
    """The files of a private key, its public key, and another public key."""
    folder = tmp_path_factory.mktemp("keys")
    private, other = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
    pem, form = serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    (folder / "key.pem").write_bytes(
        private.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    (folder / "key.pub").write_bytes(private.public_key().public_bytes(pem, form))
    (folder / "other.pub").write_bytes(other.public_key().public_bytes(pem, form))
    return folder / "key.pem", folder / "key.pub", folder / "other.pub"


@pytest.mark.parametrize("as_zip", [False, True])
def test_a_signed_bundle(gate_bundle, tmp_path, keys, as_zip):
    key, public, other = keys
    signed = packed(gate_bundle, tmp_path / "signed.dycl", key=key, as_zip=as_zip)
    for given in (public, str(public), public.read_text(), public.read_bytes()):
        check(dycl.load(signed, require_signed=given))
    check(dycl.load(signed))
    with pytest.raises(dycl.BundleError, match="is not signed with the required key"):
        dycl.load(signed, require_signed=other)
    with pytest.raises(dycl.BundleError, match="is not signed, and a signature is required"):
        dycl.load(gate_bundle, require_signed=public)
    with pytest.raises(dycl.BundleError, match="cannot read the public key"):
        dycl.load(signed, require_signed=tmp_path / "no.pub")
    with pytest.raises(dycl.BundleError, match="cannot read the private key"):
        packed(gate_bundle, tmp_path / "again.dycl", key=public)
    assert not (tmp_path / "again.dycl").exists()


def test_what_is_changed_is_signed_no_more(gate_bundle, tmp_path, keys):
    key, public, _ = keys
    signed = packed(gate_bundle, tmp_path / "signed.dycl", key=key)
    (signed / "host.py").write_text("raise SystemExit('executed')")
    entry = {"sha256": sha256(signed / "host.py"), "size": (signed / "host.py").stat().st_size}
    edit_manifest(signed, lambda manifest: manifest["files"].update({"host.py": entry}))
    with pytest.raises(dycl.BundleError, match="is not signed with the required key"):
        dycl.load(signed, require_signed=public)


@pytest.mark.parametrize("content", [b"", b"zz", b"00" * 64, b"00" * 600])
def test_a_wrong_signature_is_refused(gate_bundle, tmp_path, keys, content):
    key, public, _ = keys
    signed = packed(gate_bundle, tmp_path / "signed.dycl", key=key)
    (signed / "manifest.sig").write_bytes(content)
    with pytest.raises(dycl.BundleError, match=r"is not signed with the required key|manifest.sig has 1200 bytes"):
        dycl.load(signed, require_signed=public)


def test_saving_keeps_a_signature_and_stripping_drops_it(gate_bundle, tmp_path, keys):
    key, public, _ = keys
    signed = packed(gate_bundle, tmp_path / "signed.dycl", key=key)
    dycl.load(signed).save(tmp_path / "saved.dycl")
    check(dycl.load(tmp_path / "saved.dycl", require_signed=public))
    stripped = packed(signed, tmp_path / "stripped.dycl", strip=True)
    assert not (stripped / "manifest.sig").exists()
    check(dycl.load(packed(stripped, stripped, key=key), require_signed=public))


# ---- loading ------------------------------------------------------------------------------------------------


def test_a_region_is_loaded_when_it_is_first_called(gate_bundle):
    program = dycl.load(gate_bundle)
    assert program.loaded_regions == ()
    program(UP)
    assert set(program.loaded_regions) == {"gate", "double"}
    program(DOWN)
    assert set(program.loaded_regions) == REGIONS


def test_all_regions_up_front(gate_bundle):
    assert set(dycl.load(gate_bundle, loading="eager").loaded_regions) == REGIONS


def test_regions_loaded_in_the_background(gate_bundle):
    program = dycl.load(gate_bundle, loading="background")
    check(program)
    for thread in threading.enumerate():
        if thread.daemon:
            thread.join(timeout=10)
    assert set(program.loaded_regions) == REGIONS


def test_the_region_not_called_for_longest_is_dropped(gate_bundle):
    sizes = {region: (gate_bundle / f"regions/llvm-cpu/{region}.vmfb").stat().st_size for region in REGIONS}
    program = dycl.load(gate_bundle, memory_budget=sizes["gate"] + max(sizes["double"], sizes["less_one"]) + 12)
    for _ in range(3):
        check(program)
        assert set(program.loaded_regions) == {"gate", "less_one"}
    program(UP)
    assert set(program.loaded_regions) == {"gate", "double"}


def test_a_budget_below_any_region_holds_one_at_a_time(gate_bundle):
    program = dycl.load(gate_bundle, memory_budget=0)
    for _ in range(2):
        check(program)
        assert program.loaded_regions == ("less_one",)


def test_regions_are_loaded_and_dropped_by_several_threads(gate_bundle):
    program = dycl.load(gate_bundle, memory_budget=0)
    wrong = []

    def run():
        for x in (UP, DOWN) * 20:
            if not np.allclose(program(x), handwritten.gate_reference(x)):
                wrong.append(x)

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_regions_are_called_while_another_is_loaded():
    # What a thread may do between two steps of the one that loads: here the size of a file is asked for.
    calls = []

    class Files:
        def size(self, name):
            for call in calls:
                call()
            return 10

        def __contains__(self, name):
            return False

    files = Files()
    cache = host_runtime._Cache(files, host_runtime._MappedWeights(files), budget=20)
    regions = {name: {"name": name, "parameters": []} for name in "abc"}
    for name in "ab":
        assert cache.admit(name, [regions[name]]) == []
        calls.append(cache.noting_use(name, lambda: None))
    assert cache.admit("c", [regions["c"]]) == [regions["a"]]
    calls[:] = [cache.noting_use("c", lambda: None)]
    assert cache.admit("a", [regions["a"]]) == [regions["b"]]


@pytest.mark.parametrize("options", [{"loading": "never"}, {"loading": "background", "memory_budget": 1}])
def test_wrong_ways_of_loading(gate_bundle, options):
    with pytest.raises(ValueError, match="loading"):
        dycl.load(gate_bundle, **options)


@pytest.mark.parametrize("flags", [["--loading", "eager"], ["--memory-budget", "0"]])
def test_loading_of_a_script(gate_bundle, flags):
    command = [sys.executable, gate_bundle / "host.py", "--input", "2x3xf32=1", *flags]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.startswith("y: 2x3xf32")


# ---- trial --------------------------------------------------------------------------------------------------


def with_host(copy, first_line):
    """A bundle with a line before its host.py, its hash made to fit."""
    host = copy / "host.py"
    host.write_text(f"{first_line}\n{host.read_text()}")
    entry = {"sha256": sha256(host), "size": host.stat().st_size}
    edit_manifest(copy, lambda manifest: manifest["files"].update({"host.py": entry}))


@pytest.fixture
def copied(gate_bundle, tmp_path):
    return shutil.copytree(gate_bundle, tmp_path / "copy.dycl")


def test_a_trial_of_what_loads(gate_bundle):
    check(dycl.load(gate_bundle, trial=True))


@pytest.mark.parametrize(
    ("host", "message"),
    [
        (
            "import os, signal; os.kill(os.getpid(), signal.SIGSEGV)",
            r"loading host.py ended the process that tried it \(SIGSEGV\)",
        ),
        ("import os; os._exit(0)", r"loading host.py ended the process that tried it \(exit code 0\)"),
        ("print('loaded'); raise RuntimeError('no')", r"host.py does not run: RuntimeError\('no'\)"),
    ],
    ids=["crashes", "exits", "raises_and_prints"],
)
def test_a_trial_of_what_does_not_load(copied, host, message):
    with_host(copied, host)
    with pytest.raises(dycl.BundleError, match=message):
        dycl.load(copied, trial=True)


def test_a_trial_of_what_does_not_end(copied, monkeypatch):
    monkeypatch.setattr("dycl.runtime.trial.SECONDS", 5)
    with_host(copied, "import time; time.sleep(1000)")
    with pytest.raises(dycl.BundleError, match=r"loading host.py did not end in 5 s"):
        dycl.load(copied, trial=True)


@pytest.mark.skipif(sys.platform != "linux", reason="memory is limited on Linux only")
def test_a_trial_of_what_takes_all_memory(copied):
    with_host(copied, "held = bytearray(3 << 30)")
    with pytest.raises(dycl.BundleError, match=r"host.py does not run: MemoryError"):
        dycl.load(copied, trial=True)


def test_a_trial_names_the_region_whose_code_crashes(copied, run_command):
    """The machine code of a region is found by the address of the only symbol that its ELF file exports."""
    name = "regions/llvm-cpu/double.vmfb"
    path = copied / name
    content = bytearray(path.read_bytes())
    entry = machine_code_entry(content)
    content[entry : entry + 2] = b"\x0f\x0b"  # x86-64's undefined instruction
    path.write_bytes(content)
    listed = {"sha256": sha256(path), "size": len(content)}
    edit_manifest(copied, lambda manifest: manifest["files"].update({name: listed}))
    message = f"loading {name} ended the process that tried it (SIGILL)"
    with pytest.raises(dycl.BundleError, match=re.escape(message)):
        dycl.load(copied, trial=True)
    for command in (("run", copied, "--input", "2x3xf32=1"), ("inspect", copied)):
        done = run_command("dycl", *command, "--trial")
        assert (done.returncode, message in done.stderr) == (1, True), done.stderr


def machine_code_entry(vmfb):
    """Where in an x86-64 VMFB the function is that IREE calls to learn what its machine code offers."""
    if platform.machine() not in ("x86_64", "AMD64"):
        pytest.skip("the instruction is x86-64's")
    elf = bytes(vmfb).index(b"\x7fELF")
    (phoff,), (count,) = struct.unpack_from("<Q", vmfb, elf + 32), struct.unpack_from("<H", vmfb, elf + 56)
    headers = [struct.unpack_from("<IIQQQQ", vmfb, elf + phoff + 56 * i) for i in range(count)]
    loaded = [(offset, address, size) for kind, _, offset, address, _, size in headers if kind == 1]

    def place(wanted):
        return next(elf + o + wanted - a for o, a, size in loaded if a <= wanted < a + size)

    dynamic = next(elf + offset for kind, _, offset, *_ in headers if kind == 2)
    tables = dict(struct.unpack_from("<QQ", vmfb, dynamic + 16 * i) for i in range(16))
    _, symbols = struct.unpack_from("<II", vmfb, place(tables[4]))
    values = [struct.unpack_from("<Q", vmfb, place(tables[6]) + 24 * i + 8)[0] for i in range(symbols)]
    return place(next(value for value in values if value))


def test_a_trial_that_cannot_start(gate_bundle, monkeypatch):
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    with pytest.raises(dycl.DyclError, match="cannot start Python for the trial"):
        dycl.load(gate_bundle, trial=True)
    monkeypatch.setattr(sys, "executable", shutil.which("false"))
    with pytest.raises(dycl.DyclError, match="did not begin: exit code 1"):
        dycl.load(gate_bundle, trial=True)


# ---- archives -----------------------------------------------------------------------------------------------


def damaged_archive(copy, change):
    """A bundle whose parameters.irpa was changed, its hash made to fit."""
    path = copy / "parameters.irpa"
    content = bytearray(path.read_bytes())
    change(content)
    path.write_bytes(content)
    entry = {"sha256": sha256(path), "size": len(content)}
    edit_manifest(copy, lambda manifest: manifest["files"].update({"parameters.irpa": entry}))


@pytest.mark.parametrize(
    ("position", "value", "message"),
    [
        (0, b"XXXX", "it is no parameter archive"),
        (16, b"\x60", "it is no parameter archive that dycl wrote"),  # a further archive
        (32, b"\xff" * 8, "its table has no place for its entries"),
        (40, b"\xff" * 8, "a part of it leads out of it"),
        (80, b"\xff" * 4, "a part of it leads out of it"),
        (96 + 8, b"\x03", "it has an entry of kind 3"),  # a path of another file
        (96 + 8, b"\x01", "it has an entry of kind 1"),
        (80, b"\x00" * 8, "an entry leads out of it"),
        (96 + 68, b"\xff", "an entry leads out of it"),
        (96 + 68, b"\x04", "region gate cannot be loaded on local-sync: .*`bias` range out of bounds"),
    ],
)
def test_an_archive_that_leads_out_of_itself_is_refused(gate_bundle, tmp_path, position, value, message):
    copy = shutil.copytree(gate_bundle, tmp_path / "copy.dycl")

    def change(content):
        content[position : position + len(value)] = value

    damaged_archive(copy, change)
    with pytest.raises(dycl.BundleError, match=message):
        dycl.load(copy, loading="eager")


def test_a_manifest_whose_parts_disagree_is_refused(gate_bundle, tmp_path):
    def structure(manifest, value):
        manifest["signature"]["output_structure"] = value

    def region(manifest):
        return manifest["program"]["regions"][0]

    changes = {
        "signature.output_structure.index is 7, and there are 1": lambda m: structure(
            m, {"kind": "tensor", "index": 7}
        ),
        "signature.output_structure.kind is 'pickle'": lambda m: structure(m, {"kind": "pickle"}),
        "signature.output_structure is not a tensor and a number for each of its keys": lambda m: structure(
            m, {"kind": "narrowed", "keys": [0], "items": [{"kind": "tensor", "index": 0}]}
        ),
        "is 'x y', expected MODULE:CLASS": lambda m: structure(m, {"kind": "dataclass", "type": "x y", "items": []}),
        "has not as many keys as items": lambda m: structure(m, {"kind": "dict", "keys": ["a"], "items": []}),
        "two regions have one name": lambda m: m["program"]["regions"].append(region(m)),
        "regions.0..name is '__class__', expected a name": lambda m: m["program"]["regions"][0].update(
            name="__class__"
        ),
        "targets.0..folder is '..', expected the name": lambda m: m["targets"][0].update(folder=".."),
        "files.*size is '-1', expected a number": lambda m: m["files"]["host.py"].update(size=-1),
        "files.*sha256 is 'x', expected a SHA-256": lambda m: m["files"]["host.py"].update(sha256="x"),
        "inputs.0..dtype is 'f31'": lambda m: m["signature"]["inputs"][0].update(dtype="f31"),
        "mutated_inputs names input 3 of 1": lambda m: m["signature"].update(mutated_inputs=[3]),
        "it has no target": lambda m: m.update(targets=[]),
    }
    for i, (message, change) in enumerate(changes.items()):
        copy = shutil.copytree(gate_bundle, tmp_path / f"{i}.dycl")
        edit_manifest(copy, change)
        with pytest.raises(dycl.BundleError, match=message):
            dycl.load(copy)


def test_a_class_that_is_no_dataclass_is_not_called(gate_bundle, tmp_path):
    """A manifest cannot have any function called with constants of its own."""
    copy = shutil.copytree(gate_bundle, tmp_path / "copy.dycl")
    marker = tmp_path / "marker"
    call = {
        "kind": "dataclass",
        "type": "subprocess:Popen",
        "keys": ["args"],
        "items": [{"kind": "tuple", "items": [{"kind": "constant", "value": v} for v in ("touch", str(marker))]}],
    }
    edit_manifest(copy, lambda manifest: manifest["signature"].update(output_structure=call))
    assert dycl.load(copy)(UP) == {"args": ("touch", str(marker))}
    assert not marker.exists()
    assert json.loads((copy / "manifest.json").read_text())["signature"]["output_structure"] == call
