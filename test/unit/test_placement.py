# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""What a placement may be, and what is said of one that is not; manifests of programs on several devices."""

import copy
import json
from types import SimpleNamespace

import pytest

import dycl
from dycl.compiler.placement import is_placed, parse_placement, used_targets
from dycl.compiler.targets import parse_targets
from dycl.runtime import host_runtime
from dycl.runtime.bundle_reader import BundleProblem, parse_manifest
from dycl.runtime.graph import Region, runs_on
from dycl.runtime.profile import Profile
from dycl.runtime.vm_host import vm_host_problem

CPU, ARM, GPU = TARGETS = parse_targets(
    ["llvm-cpu", "llvm-cpu:aarch64-linux-gnu:cortex-a72:+neon,+crc", "vulkan:valhall4"]
)


def test_rules_name_targets_by_text_or_backend():
    rules = parse_placement(
        ["region_*=vulkan", "net.py:4?=llvm-cpu:aarch64-linux-gnu:cortex-a72:+neon,+crc", "auto", "region_0=llvm-cpu"],
        ["vulkan=1:2:3e1:4:.5"],
        TARGETS,
    )
    assert rules is not None
    assert rules.rules == (("region_*", GPU), ("net.py:4?", ARM), ("region_0", CPU))
    assert rules.automatic
    assert rules.pipeline_options == (
        f"targets=llvm-cpu,{ARM.folder},vulkan_valhall4 "
        f"place=region_*=vulkan_valhall4,net.py:4?={ARM.folder},region_0=llvm-cpu "
        "models=vulkan_valhall4=1:2:3e1:4:.5 place-automatically=true"
    )
    assert "," not in ARM.folder


def test_nothing_is_placed_unless_asked_for():
    assert parse_placement([], [], TARGETS) is None
    assert parse_placement(["auto"], [], TARGETS).pipeline_options.endswith("place-automatically=true")


@pytest.mark.parametrize(
    ("place", "models", "message"),
    [
        (
            ["region_1=cuda"],
            [],
            "'region_1=cuda' names no target of this program; there are: llvm-cpu, llvm-cpu:aarch64",
        ),
        (["region_1"], [], "placement 'region_1' is neither auto nor PATTERN=TARGET; a pattern is a region's name or"),
        (["=vulkan"], [], "placement '=vulkan' is neither auto nor PATTERN=TARGET"),
        (["a b=vulkan"], [], "placement 'a b=vulkan' is neither auto nor PATTERN=TARGET"),
        (["auto"], ["vulkan=1:2:3"], "device model 'vulkan=1:2:3' is not TARGET=GFLOPS:GBPS:CALL_US:LINK_GBPS:LINK_US"),
        (["auto"], ["cuda=1:2:3:4:5"], "'cuda=1:2:3:4:5' names no target of this program"),
        ([], ["vulkan=1:2:3:4:5"], "device models are given, and nothing is placed"),
    ],
)
def test_a_wrong_placement_says_what_there_is(place, models, message):
    with pytest.raises(dycl.CompileError) as raised:
        parse_placement(place, models, TARGETS)
    assert message in str(raised.value)


def test_placement_takes_several_targets():
    with pytest.raises(dycl.CompileError, match="placement needs several targets, and llvm-cpu is the only one"):
        parse_placement(["auto"], [], TARGETS[:1])
    several = parse_targets(["vulkan", "llvm-cpu:a", "llvm-cpu:b"])
    with pytest.raises(dycl.CompileError, match="'x=llvm-cpu' could mean several target of this program"):
        parse_placement(["x=llvm-cpu"], [], several)


@pytest.mark.parametrize("name", ["place", "device_models"])
def test_options_take_tuples(name):
    with pytest.raises(ValueError, match=f"{name} is a string; expected a tuple of strings"):
        dycl.Options(**{name: "auto"})


def described(home, **affinities):
    regions = [{"name": name, "affinity": folder} for name, folder in affinities.items()]
    return {"home": home, "regions": regions}


def test_a_program_is_compiled_for_the_targets_that_it_uses():
    placed = described("vulkan_valhall4", a="llvm-cpu", b="vulkan_valhall4")
    automatic = parse_placement(["auto"], [], TARGETS)
    assert used_targets(placed, TARGETS, automatic) == (GPU, CPU)
    assert is_placed(placed)
    assert not is_placed(described("llvm-cpu", a="llvm-cpu"))
    assert [runs_on(region, CPU.folder) for region in placed["regions"]] == [True, False]
    with pytest.raises(dycl.CompileError, match=r"no region is placed on llvm-cpu:aarch64.*; leave it out"):
        used_targets(placed, TARGETS, parse_placement(["a=vulkan"], [], TARGETS))
    with pytest.raises(dycl.CompileError, match="no --target is vulkan_valhall4"):
        used_targets(placed, (CPU, ARM), None)  # read from a dump
    plain = {"regions": [{"name": "a"}]}
    assert used_targets(plain, TARGETS, None) == TARGETS
    assert all(runs_on(plain["regions"][0], target.folder) for target in TARGETS)


# ---- manifests ----------------------------------------------------------------------------------------------


@pytest.fixture
def manifest(gate_bundle):
    """The manifest of a program on two targets."""
    found = json.loads((gate_bundle / "manifest.json").read_text())
    found["schema_version"] = 2
    found["targets"].append({**copy.deepcopy(found["targets"][0]), "target": "vulkan", "folder": "vulkan"})
    found["program"]["home"] = "llvm-cpu"
    for region in found["program"]["regions"]:
        region["affinity"] = "llvm-cpu"
    found["program"]["regions"][1]["affinity"] = "vulkan"
    return found


def check(manifest, tmp_path):
    return parse_manifest(json.dumps(manifest).encode(), tmp_path)


def test_a_manifest_places_regions_on_its_targets(manifest, tmp_path):
    assert check(manifest, tmp_path)["program"]["home"] == "llvm-cpu"


def spoil_home(program):
    program["home"] = "cuda"


def spoil_home_type(program):
    program["home"] = ["llvm-cpu"]


def spoil_affinity(program):
    program["regions"][0]["affinity"] = "../x"


def spoil_affinity_type(program):
    program["regions"][0]["affinity"] = {}


def forget_affinity(program):
    del program["regions"][1]["affinity"]


def forget_home(program):
    del program["home"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (spoil_home, "program.home is 'cuda', which is no target"),
        (spoil_home_type, "which is no target"),
        (spoil_affinity, "region gate runs on '../x', which is no target"),
        (spoil_affinity_type, "region gate runs on '{}', which is no target"),
        (forget_affinity, "region double has no affinity"),
        (forget_home, "region gate has an affinity"),
    ],
)
def test_a_manifest_that_places_otherwise_is_damaged(manifest, tmp_path, change, message):
    change(manifest["program"])
    with pytest.raises(BundleProblem) as raised:
        check(manifest, tmp_path)
    assert message in str(raised.value)


# ---- devices ------------------------------------------------------------------------------------------------


@pytest.fixture
def placed(monkeypatch):
    """A manifest of a program on a CPU and two GPUs, of which this machine has all drivers but CUDA's."""
    monkeypatch.setattr(
        host_runtime, "_why_not_here", lambda target, _: "no driver" if target["backend"] == "cuda" else None
    )
    targets = [{"target": name, "folder": name, "backend": name} for name in ("vulkan", "llvm-cpu")]
    return {"program": {"home": "llvm-cpu"}, "targets": targets}


def picked(manifest, device=None):
    return [(target["target"], uri) for target, uri in host_runtime.pick_devices("net.dycl", manifest, device)]


def test_each_target_gets_a_device(placed):
    assert picked(placed) == [("llvm-cpu", "local-sync"), ("vulkan", "vulkan")]
    assert picked(placed, "vulkan://1") == [("llvm-cpu", "local-sync"), ("vulkan", "vulkan://1")]
    assert picked(placed, "vulkan,local-task") == [("llvm-cpu", "local-task"), ("vulkan", "vulkan")]


def test_a_program_needs_all_its_devices(placed):
    with pytest.raises(
        host_runtime.BundleProblem, match="runs on llvm-cpu, vulkan, and nothing of it on device 'cuda'"
    ):
        picked(placed, "local-task,cuda")
    placed["targets"].append({"target": "cuda:sm_80", "folder": "cuda", "backend": "cuda"})
    with pytest.raises(host_runtime.BundleProblem, match="on several devices, and not here: cuda:sm_80: no driver"):
        picked(placed)


# ---- profiles -----------------------------------------------------------------------------------------------


def test_a_profile_of_one_device(gate_bundle):
    import handwritten

    program = dycl.load(gate_bundle)
    x = handwritten.BIAS.reshape(1, 3).repeat(2, axis=0)
    with program.profile() as profile:
        program(x)
        program(x)
        program(-10 - x)
    program(x)
    assert profile.calls == 3
    assert {region.name: region.calls for region in profile.regions} == {"gate": 3, "double": 2, "less_one": 1}
    assert profile.transfers == ()
    assert profile.decisions == {0: {True: 2, False: 1}}
    gate = profile.regions[0]
    assert gate.target == "llvm-cpu"
    assert str(gate.location) == "net.py:12"
    assert 0 < gate.mean_ms <= gate.total_ms <= profile.total_ms
    assert all(region.loading_ms > 0 for region in profile.regions)
    data = json.loads(json.dumps(profile.to_json()))
    assert data["decisions"] == [
        {"predicate": 0, "decision": True, "count": 2},
        {"predicate": 0, "decision": False, "count": 1},
    ]
    assert [region["calls"] for region in data["regions"]] == [3, 2, 1]
    first, *rows = str(profile).splitlines()
    assert first.startswith("3 calls, ")
    assert rows[1].split()[:4] == ["gate", "net.py:12", "llvm-cpu", "3"]


def test_one_profile_at_a_time(gate_bundle):
    import handwritten

    program = dycl.load(gate_bundle)
    x = handwritten.BIAS.reshape(1, 3).repeat(2, axis=0)
    first = program.profile()
    program(x)
    second = program.profile()
    first.stop()
    program(x)
    assert (first.calls, second.calls) == (1, 1)
    second.stop()
    program(x)
    assert second.calls == 1


def test_a_profile_adds_up_transfers():
    region = Region("a", (), (), None, "vulkan", None, ())
    profile = Profile([region], {"llvm-cpu": "llvm-cpu", "vulkan_x": "vulkan:x"}, lambda: None)
    session = SimpleNamespace(regions=SimpleNamespace(constant=None, transfer=lambda *_: SimpleNamespace(shape=[2, 3])))
    watched = profile.watch(session)
    for dtype in ("f32", "i1", "f64"):
        watched.transfer(object(), "llvm-cpu", "vulkan_x", dtype)
    session.regions.transfer = lambda *_: None
    assert watched.transfer(None, "vulkan_x", "llvm-cpu", "f32") is None
    (transfer,) = profile.transfers
    assert (transfer.source, transfer.destination, transfer.count, transfer.bytes) == ("llvm-cpu", "vulkan:x", 3, 78)
    assert "vulkan:x" in str(profile)


def test_the_vm_host_has_no_profile(gate_bundle):
    program = dycl.load(gate_bundle)
    program._host = "vm"
    with pytest.raises(dycl.DyclError, match="needs host='python'; the VM host calls the regions inside of IREE"):
        program.profile()


def vm_problem(targets, types=("tensor<4xf32>",), demoting=()):
    regions = [
        {"name": f"region_{i}", "inputs": list(types), "results": [], "affinity": t} for i, t in enumerate(targets)
    ]
    entries = [
        {"target": t, "folder": t, "backend": t.partition(":")[0], "demotes_f64": t in demoting} for t in targets
    ]
    return vm_host_problem({"home": targets[0], "regions": regions}, entries)


@pytest.mark.parametrize(
    "targets",
    [
        ("llvm-cpu", "llvm-cpu:x86_64-linux-gnu"),
        ("llvm-cpu", "cuda"),
        ("vulkan", "cuda"),
        ("llvm-cpu", "vulkan", "cuda"),
    ],
)
def test_devices_that_the_vm_host_does_not_copy_between(targets):
    problem = vm_problem(targets)
    assert problem is not None
    assert f"runs on {' and '.join(targets)}, and the VM host on one device, or on one llvm-cpu and one vul" in problem


def test_the_vm_host_copies_between_a_cpu_and_vulkan_what_both_hold_alike():
    assert vm_problem(["llvm-cpu", "vulkan:valhall4"]) is None
    assert vm_problem(["vulkan", "llvm-cpu:aarch64-linux-gnu"]) is None
    for type_ in ("tensor<4xf64>", "f64", "tensor<2xcomplex<f64>>"):
        assert vm_problem(["llvm-cpu", "vulkan"], [type_]) is None
        problem = vm_problem(["llvm-cpu", "vulkan"], [type_], demoting=["vulkan"])
        assert problem is not None
        assert "of which one computes f64 as f32" in problem
    assert vm_problem(["llvm-cpu", "vulkan"], ["i64"], demoting=["vulkan"]) is None
    # Alternatives, of which one runs.
    assert vm_host_problem({"regions": []}, [{"backend": "cuda"}, {"backend": "cuda"}]) is None
