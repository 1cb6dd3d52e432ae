# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""`dycl bundle`, and what `run` and `inspect` say of what it makes."""

import hashlib
import json
import shutil
import subprocess

import numpy as np
import pytest
import torch
from test_bundle_forms import keys  # noqa: F401 - a fixture

import dycl
from dycl.cli import main
from dycl.compiler import build
from dycl.compiler.api import import_model


def run(capsys, *arguments):
    """Standard output of a command that succeeds."""
    status = main([str(argument) for argument in arguments])
    out, err = capsys.readouterr()
    assert (status, err) == (0, "")
    return out


def failure(capsys, *arguments):
    """The error line of a command that fails."""
    assert main([str(argument) for argument in arguments]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("error: ")
    return err


def inspected(capsys, bundle, *flags):
    return json.loads(run(capsys, "inspect", bundle, "--json", *flags))


def test_zip_strip_and_sign(capsys, gate_bundle, tmp_path, keys):  # noqa: F811
    key, public, other = keys
    small = tmp_path / "small.dycl"
    assert run(capsys, "bundle", gate_bundle, "--zip", "--strip", "--sign", key, "-o", small).startswith(
        f"{small}: gate"
    )
    summary = inspected(capsys, small, "--require-signed", public)
    assert summary["form"] == "zip"
    assert summary["weights"] == "parameters.irpa"
    assert summary["signed"] == "yes, checked"
    assert summary["bytes"] == small.stat().st_size
    assert inspected(capsys, small)["signed"] == "yes, not checked (--require-signed)"
    assert inspected(capsys, gate_bundle)["signed"] == "no"
    assert "zip, weights: parameters.irpa, signed: yes" in run(capsys, "inspect", small)

    np.save(tmp_path / "x.npy", np.ones((2, 3), np.float32))
    flags = ["--input", f"@{tmp_path / 'x.npy'}"]
    expected = run(capsys, "run", gate_bundle, *flags)
    for options in (["--require-signed", public], ["--loading", "eager"], ["--memory-budget", "1M"]):
        assert run(capsys, "run", small, *flags, *options) == expected
    assert "is not signed with the required key" in failure(capsys, "run", small, *flags, "--require-signed", other)
    assert "is not signed, and" in failure(capsys, "inspect", gate_bundle, "--require-signed", public)


def test_a_bundle_is_made_over_itself(capsys, gate_bundle, tmp_path, keys):  # noqa: F811
    copy = shutil.copytree(gate_bundle, tmp_path / "copy.dycl")
    run(capsys, "bundle", copy, "--sign", keys[0], "-o", copy)
    assert inspected(capsys, copy, "--require-signed", keys[1])["form"] == "folder"


_PRINT = """
#include <stdio.h>
#include "gate.h"
int main(void) {
  const iree_file_toc_t *files = gate_modules_create();
  for (int i = 0; i < GATE_REGION_COUNT; ++i) {
    const gate_region_t *region = &gate_regions[i];
    fwrite(files[region->index].data, 1, files[region->index].size, fopen(region->name, "wb"));
    printf("%s: (%s) -> (%s)\\n", region->function, region->inputs, region->results);
  }
  return 0;
}
"""


def test_c_sources_hold_what_the_vmfbs_hold(capsys, gate_bundle, tmp_path):
    out = run(capsys, "bundle", gate_bundle, "--embed", "c", "-o", tmp_path / "c")
    names = {"gate.h", "gate_modules.h", "gate_modules.c", "parameters.irpa"}
    assert {path.name for path in (tmp_path / "c").iterdir()} == names
    assert all(name in out for name in names)
    (tmp_path / "c/main.c").write_text(_PRINT)
    compile_all = ["cc", "-Wall", "-Werror", "main.c", "gate_modules.c", "-o", "main"]
    subprocess.run(compile_all, cwd=tmp_path / "c", check=True)
    said = subprocess.run(["./main"], cwd=tmp_path / "c", check=True, capture_output=True, text=True).stdout
    assert "gate_module.gate: (tensor<2x3xf32>) -> (tensor<2x3xf32>, i1)" in said.splitlines()
    for region in ("gate", "double", "less_one"):
        original = (gate_bundle / f"regions/llvm-cpu/{region}.vmfb").read_bytes()
        embedded = (tmp_path / "c" / region).read_bytes()
        assert hashlib.sha256(embedded).digest() == hashlib.sha256(original).digest()


_PRINT_PLACED = """
#include <stdio.h>
#include "signs.h"
static void print(const char *what, int index) {
  const iree_file_toc_t *file = signs_modules_create() + index;
  printf("%s %s %zu\\n", what, file->name, file->size);
}
int main(void) {
  for (int i = 0; i < SIGNS_TARGET_COUNT; ++i) {
    printf("%s %s\\n", signs_targets[i].name, signs_targets[i].backend);
    print("device", signs_targets[i].device_index);
  }
  for (int i = 0; i < SIGNS_REGION_COUNT; ++i)
    print(signs_targets[signs_regions[i].target].name, signs_regions[i].index);
  print("host", SIGNS_HOST_INDEX);
  return signs_modules_size() != SIGNS_HOST_INDEX + 1 + SIGNS_TARGET_COUNT;
}
"""


def signs(x):
    y = x * 2
    return y + 1 if y.sum() > 0 else y - x


def test_c_sources_of_a_program_on_several_devices(capsys, tmp_path):
    """At home on Vulkan; no device is opened."""
    options = dycl.Options(place=("region_1=llvm-cpu",))
    bundle = tmp_path / "signs.dycl"
    imported = import_model(signs, (torch.ones(3),), None, options)
    build(imported, ["vulkan", "llvm-cpu"], options, bundle)
    run(capsys, "bundle", bundle, "--embed", "c", "-o", tmp_path / "c")
    (tmp_path / "c/main.c").write_text(_PRINT_PLACED)
    subprocess.run(
        ["cc", "-Wall", "-Werror", "main.c", "signs_modules.c", "-o", "main"], cwd=tmp_path / "c", check=True
    )
    said = subprocess.run(["./main"], cwd=tmp_path / "c", check=True, capture_output=True, text=True).stdout

    def embedded(name):
        return f"{name.replace('/', '_')} {(bundle / name).stat().st_size}"

    regions = json.loads((bundle / "manifest.json").read_text())["program"]["regions"]
    assert {region["name"]: region["affinity"] for region in regions} == {
        "region_0": "vulkan",
        "region_1": "llvm-cpu",
        "region_2": "vulkan",
    }
    assert said.splitlines() == [
        "vulkan vulkan",
        "device " + embedded("device.vulkan.vmfb"),
        "llvm-cpu llvm-cpu",
        "device " + embedded("device.llvm-cpu.vmfb"),
        *(f"{r['affinity']} " + embedded(f"regions/{r['affinity']}/{r['name']}.vmfb") for r in regions),
        "host " + embedded("host.vulkan.vmfb"),
    ]
    arguments = "bundle", bundle, "--embed", "c", "--target", "vulkan", "-o", tmp_path / "other"
    assert "runs on vulkan and llvm-cpu at once; leave out --target" in failure(capsys, *arguments)


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--embed", "c", "--zip"], "leave out --zip, --strip and --sign"),
        (["--embed", "c", "--target", "vulkan"], "holds llvm-cpu; say with --target which of them"),
        (["--target", "llvm-cpu"], "--target is for --embed"),
        (["--sign", "nowhere.pem"], "cannot read the private key nowhere.pem"),
    ],
)
def test_wrong_flags(capsys, gate_bundle, tmp_path, flags, message):
    assert message in failure(capsys, "bundle", gate_bundle, "-o", tmp_path / "out", *flags)
    assert not (tmp_path / "out").exists()


def test_wrong_options_of_run(capsys, gate_bundle):
    flags = ["--input", "2x3xf32=1", "--loading", "background", "--memory-budget", "1"]
    assert "exclude each other" in failure(capsys, "run", gate_bundle, *flags)
    with pytest.raises(SystemExit) as exit_:
        main(["run", str(gate_bundle), "--memory-budget", "much"])
    assert exit_.value.code == 2
    assert "'much' is not a number of bytes" in capsys.readouterr().err
