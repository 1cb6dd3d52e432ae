# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""`dycl bench`: its arithmetic on known numbers, its inputs, and small bundles timed through the command line."""

import importlib
import json
import os
import re
import shutil
import subprocess
import sys
import time

import numpy as np
import pytest
import torch

from dycl.bench.inputs import drawn_inputs, file_inputs
from dycl.bench.machine import FMA, MATMUL, Limits, measure_limits
from dycl.bench.measure import RegionTimes
from dycl.bench.timing import cold, geometric_mean, percentile, rates, summary, take_turns, turn_of, warm
from dycl.cli import main
from dycl.errors import InputError
from dycl.runtime.graph import Cost, Region
from dycl.signature import DynamicSize, Signature, Structure, TensorSpec

LIMITS = Limits(FMA, gflops=100.0, median_gflops=90.0, l2_gbps=200.0, memory_gbps=20.0, vector_bits=256)

NET = """
import torch

class Net(torch.nn.Module):
    def __init__(self, seed):
        super().__init__()
        torch.manual_seed(seed)
        self.layers = torch.nn.ModuleList(torch.nn.Linear(4, 4) for _ in range(3))

    def forward(self, x):
        for layer in self.layers[:-1]:
            if x.sum() > 10:  # the first exit
                return x * 2
            x = layer(x) + 4 * x.abs()
        return self.layers[-1](x)

def make(seed=0):
    return Net(seed).eval(), (torch.zeros(1, 4),)

def draw(count, seed):
    scales = (5.0, 1.0, 0.0)  # the first exit, the second, none
    return [(torch.full((1, 4), scales[i % 3]),) for i in range(count)]
"""


# ---- arithmetic ---------------------------------------------------------------------------------------------


def test_rates_of_known_work():
    # 50 MFLOP and 4 MB in 2 ms: 25 GFLOP/s, a quarter of the peak, 2 GB/s.
    found = rates(2.0, 50_000_000, 4_000_000, LIMITS)
    assert found == pytest.approx({"gflops": 25.0, "percent_of_peak": 25.0, "gbps": 2.0})
    assert rates(2.0, 50_000_000, 4_000_000, None)["percent_of_peak"] is None
    assert set(rates(0.0, 1, 1, LIMITS).values()) == {None}


def test_cold_calls_are_apart_from_warm_ones():
    turns = [[9.0, 1.0, 2.0], [7.0, 3.0], [8.0]]
    assert cold(turns) == [9.0, 7.0, 8.0]
    assert warm(turns) == [1.0, 2.0, 3.0, 8.0]  # a turn of one call has no other
    found = summary([[9.0, 1.0, 2.0], [7.0, 3.0, 4.0, 5.0]])
    assert found == {"median_ms": 3.0, "p5_ms": 1.2, "p95_ms": 4.8, "cold_median_ms": 8.0, "calls": 5}


def test_percentiles_interpolate():
    assert [percentile([0.0, 10.0, 20.0], p) for p in (0, 25, 50, 95, 100)] == [0, 5, 10, 19, 20]
    assert percentile([3.0], 95) == 3.0


def test_the_geometric_mean_of_ratios():
    assert geometric_mean([0.5, 2.0]) == pytest.approx(1.0)
    assert geometric_mean([]) is None


def test_turns_alternate_and_prepare_each_call():
    log = []

    def contender(name):
        return turn_of(log.append, lambda: (name,), at_least=2, turn_ms=0)

    samples = take_turns({"a": contender("a"), "b": contender("b")}, seconds=0, at_least=3)
    assert log == ["a", "a", "b", "b"] * 3
    assert [[len(turn) for turn in samples[name]] for name in "ab"] == [[2, 2, 2]] * 2
    assert len(take_turns({"a": contender("a")}, seconds=60, at_most=4)["a"]) == 4


def test_what_prepares_a_call_is_not_timed():
    turn = turn_of(lambda: None, lambda: (time.sleep(0.02), ())[1], at_least=3, turn_ms=0)
    assert min(turn()) < 20


def test_quick_calls_fill_a_turn_up_to_a_limit():
    assert len(turn_of(lambda: None, at_most=7, turn_ms=1e6)()) == 7


def test_a_region_by_its_cost():
    region = Region("r", ("tensor<?x4xf32>",), ("tensor<4xf32>",), None, "llvm-cpu", Cost(10_000_000, 1000), ())
    times = RegionTimes(region, calls=3, ms=0.5)
    found = times.to_json(LIMITS)
    assert (found["gflops"], found["percent_of_peak"]) == pytest.approx((20.0, 20.0))
    assert (found["calls"], found["total_ms"], found["unknown_sizes"]) == (3, 1.5, True)
    free = RegionTimes(Region("r", (), ("i1",), None, "llvm-cpu", None, ()), 1, 0.5).to_json(LIMITS)
    assert (free["flops"], free["gflops"], free["unknown_sizes"]) == (None, None, False)


# ---- the machine --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", [FMA, MATMUL])
def test_limits_of_a_core_and_how_they_were_found(how, monkeypatch):
    """With a C compiler a loop of FMAs; without one NumPy's product, which is named as what it is."""
    if how == MATMUL:
        monkeypatch.setenv("CC", "/nowhere/cc")
    elif shutil.which(os.environ.get("CC") or "cc") is None:
        pytest.skip("there is no C compiler here under the name cc")
    limits = measure_limits()
    assert limits.how == how
    assert limits.gflops >= limits.median_gflops > 0.1
    assert limits.l2_gbps > 0.1
    assert limits.memory_gbps > 0.1
    assert ("lower bound" in str(limits)) == (how == MATMUL)
    assert Limits.from_json(json.loads(json.dumps(limits.to_json()))) == limits


# ---- inputs -------------------------------------------------------------------------------------------------


def dynamic_signature():
    """x: f32[n, 2 * n + 1], mask: i1[n], index: i64; n from 2 to 6, not 4."""
    return Signature(
        name="net",
        inputs=(
            TensorSpec("x", "f32", (None, None)), TensorSpec("mask", "i1", (None,)), TensorSpec("index", "i64", ())
        ),
        input_structure=Structure.from_json(
            {"kind": "tuple", "items": [
                {"kind": "tuple", "items": [{"kind": "tensor", "index": i} for i in range(3)]},
                {"kind": "dict", "items": []},
            ]}
        ),
        outputs=(),
        output_structure=Structure.from_json({"kind": "tuple", "items": []}),
        sizes=(
            DynamicSize("n", 2, 6, excluded=(4,), places=((0, 0, 1, 0), (1, 0, 1, 0))),
            DynamicSize("m", 5, 13, equals=("n", 2, 1), places=((0, 1, 1, 0),)),
        ),
    )  # fmt: skip


def test_drawn_inputs_keep_to_the_sizes_of_the_signature():
    calls = drawn_inputs(dynamic_signature(), 60, 0)
    shapes = {(x.shape, mask.shape) for (x, mask, _), _ in calls}
    assert shapes == {((n, 2 * n + 1), (n,)) for n in (2, 3, 5, 6)}
    (x, mask, index), by_name = calls[0]
    assert (x.dtype, mask.dtype, index.dtype, by_name) == (np.float32, np.bool_, np.int64, {})
    again = drawn_inputs(dynamic_signature(), 60, 0)
    assert all((a[0][0] == b[0][0]).all() for a, b in zip(calls, again, strict=True))
    scales = [np.abs(call[0][0]).mean() for call in calls]
    assert max(scales) > 5 * min(scales)


def test_inputs_of_a_file(tmp_path):
    np.savez(tmp_path / "x.npz", a=np.arange(6).reshape(3, 2), b=np.arange(3))
    calls = file_inputs(str(tmp_path / "x.npz"), 2, 0)
    assert [[leaf.tolist() for leaf in args] for args, _ in calls] == [[[0, 1], 0], [[2, 3], 1]]
    (tmp_path / "draw.py").write_text("def draw(count, seed):\n    return [(i + seed,) for i in range(count)]\n")
    assert file_inputs(f"{tmp_path / 'draw.py'}:draw", 2, 5) == [((5,), {}), ((6,), {})]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("none.npz", "none.npz does not exist; expected FILE.npz or FILE.py:FUNCTION"),
        ("draw.py", "expected FILE.npz or FILE.py:FUNCTION"),
        ("draw.py:other", "draw.py has no function other"),
        ("draw.py:wrong", "expected a tuple of the arguments of a call, (x,), for one call or more"),
        ("draw.py:none", "expected a tuple of the arguments of a call, (x,), for one call or more"),
        ("uneven.npz", "its arrays differ in their first size, which counts the calls"),
    ],
)
def test_files_that_hold_no_inputs(tmp_path, monkeypatch, text, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "draw.py").write_text(
        "def wrong(count, seed):\n    return [1]\ndef none(count, seed):\n    return []\n"
    )
    np.savez(tmp_path / "uneven.npz", a=np.zeros(3), b=np.zeros(2))
    with pytest.raises(InputError, match=re.escape(message)):
        file_inputs(text, 2, 0)


# ---- the command --------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def net(tmp_path_factory):
    """A folder with bench_net.py, and the bundle of its network with two exits."""
    folder = tmp_path_factory.mktemp("bench")
    (folder / "bench_net.py").write_text(NET)
    assert main(["compile", f"{folder / 'bench_net.py'}:make", "-o", str(folder / "net.dycl")]) == 0
    return folder


@pytest.fixture(autouse=True)
def undone(monkeypatch):
    """What importing a factory's file leaves behind is undone."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.delitem(sys.modules, "bench_net", raising=False)
    yield
    sys.modules.pop("bench_net", None)


def bench(capsys, *arguments):
    """What `dycl bench --seconds 1` prints."""
    status = main(["bench", "--seconds", "1", *map(str, arguments)])
    out, err = capsys.readouterr()
    assert (status, err) == (0, "")
    return out


def as_json(capsys, *arguments):
    return json.loads(bench(capsys, *arguments, "--json"))


def test_every_path_is_timed_on_both_hosts_and_beside_eager(capsys, net):
    capsys.readouterr()
    model = f"{net / 'bench_net.py'}:make"
    report = as_json(
        capsys, net / "net.dycl", "--model", model, "--inputs", f"{net / 'bench_net.py'}:draw", "--count", 7
    )
    assert report["inputs"] == {"count": 7, "origin": f"of {net / 'bench_net.py'}:draw"}
    assert report["largest_error"] < 1e-6
    assert report["no_vm_host"] is None
    first, second, whole = report["paths"]
    assert [path["inputs"] for path in report["paths"]] == [[0, 3, 6], [1, 4], [2, 5]]
    assert [[decision for _, decision in path["decisions"]] for path in report["paths"]] == [
        [True], [False, True], [False, False]
    ]  # fmt: skip
    # Longer paths call more regions; a call's operations are those of its regions.
    assert set(first["calls"]) < set(second["calls"]) | set(whole["calls"])
    flops = {region["name"]: region["flops"] for region in report["regions"]}
    for path in report["paths"]:
        assert path["flops"] == sum(n * flops[name] for name, n in path["calls"].items())
        assert set(path["latency"]) == {"python", "vm", "eager"}
        for name, found in path["latency"].items():
            samples = warm(path["samples_ms"][name])
            assert 0 < found["p5_ms"] <= found["median_ms"] <= found["p95_ms"] <= max(samples)
            assert found["calls"] == len(samples)
    calls = {region["name"]: region["calls"] for region in report["regions"]}
    assert calls == {
        name: sum(len(path["inputs"]) * path["calls"].get(name, 0) for path in report["paths"]) for name in calls
    }
    limits = Limits.from_json(report["limits"])
    for region in report["regions"]:
        assert region["gflops"] == pytest.approx(region["flops"] / region["ms"] / 1e6)
        assert region["percent_of_peak"] == pytest.approx(100 * region["gflops"] / limits.gflops)
        assert region["gbps"] == pytest.approx(region["bytes"] / region["ms"] / 1e6)
        assert region["location"].startswith(str(net / "bench_net.py"))
    assert [r["total_ms"] for r in report["regions"]] == sorted(
        (r["total_ms"] for r in report["regions"]), reverse=True
    )


def test_the_text_names_paths_regions_and_ratio(capsys, net):
    capsys.readouterr()
    model = f"{net / 'bench_net.py'}:make"
    text = bench(capsys, net / "net.dycl", "--model", model, "--count", 3, "--inputs", f"{net / 'bench_net.py'}:draw")
    assert "3 inputs, of " in text
    assert "take 3 paths; largest difference to eager " in text
    header = next(line for line in text.splitlines() if line.startswith("path"))
    assert re.split(r" {2,}", header) == [
        "path", "inputs", "MFLOP", "host.py ms", "p5", "p95", "VM host ms", "p5", "p95", "eager ms", "p5", "p95",
        "cold ms", "eager/host.py",
    ]  # fmt: skip
    assert len(re.findall(r"^region_.*×$", text, re.MULTILINE)) == 3
    regions = next(line for line in text.splitlines() if line.startswith("region "))
    assert re.split(r" {2,}", regions)[-3:] == ["GFLOP/s", "% of peak", "GB/s"]
    assert "bench_net.py:" in text


def test_without_a_model_inputs_are_drawn_or_given(capsys, net):
    drawn = as_json(capsys, net / "net.dycl", "--count", 6, "--seed", 3)
    assert drawn["inputs"] == {"count": 6, "origin": "drawn by type, seed 3"}
    assert {name for path in drawn["paths"] for name in path["latency"]} == {"python", "vm"}
    assert (drawn["largest_error"], drawn["threads"], drawn["threaded_regions"]) == (None, 1, [])
    given = as_json(capsys, net / "net.dycl", "--input", "1x4xf32=5")
    assert [[decision for _, decision in path["decisions"]] for path in given["paths"]] == [[True]]


def test_inputs_like_the_example_of_a_factory(capsys, net):
    report = as_json(capsys, net / "net.dycl", "--model", f"{net / 'bench_net.py'}:make", "--count", 4)
    assert report["inputs"] == {"count": 4, "origin": "generated like the example, seed 0"}


def test_a_base_install_without_a_compiler_names_its_lower_bound(net):
    """Neither torch nor a compiler is imported, and none in C is found."""
    code = f"""
import sys
sys.modules.update(torch=None)  # importing it fails
from dycl.cli import main
assert main(["bench", {str(net / "net.dycl")!r}, "--seconds", "1", "--count", "2"]) == 0
print(*sys.modules, file=sys.stderr)
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env={"PATH": "/nowhere"}, check=True
    )
    assert "% of matmul" in done.stdout
    assert "best matmul of NumPy here, a lower bound" in done.stdout
    assert not {"torch_mlir", "iree.compiler", "networkx", "dycl.compiler", "dycl.frontend"} & set(done.stderr.split())


def test_state_is_the_same_at_each_call(capsys, counter_bundle):
    """The program counts its calls, and writes its input: each timed call takes the path of the first."""
    report = as_json(capsys, counter_bundle, "--input", "2xf32=1,2", "--input", "i64=3")
    (path,) = report["paths"]
    again = as_json(capsys, counter_bundle, "--input", "2xf32=1,2", "--input", "i64=3")
    assert again["paths"][0]["decisions"] == path["decisions"]
    assert again["paths"][0]["calls"] == path["calls"]


def test_a_path_that_raises_is_timed_and_named(capsys, checked_bundle):
    arguments = [checked_bundle, "--input", "2xf32=-5,-5"]
    (path,) = as_json(capsys, *arguments)["paths"]
    assert path["raises"] == "ValueError: x is negative"
    assert path["latency"]["python"]["median_ms"] > 0
    assert "raises ValueError" in bench(capsys, *arguments)
    (path,) = as_json(capsys, checked_bundle, "--input", "2xf32=5,5")["paths"]
    assert path["raises"] is None


def test_a_program_that_is_not_the_models_is_not_timed(capsys, net):
    status = main(["bench", str(net / "net.dycl"), "--model", f"{net / 'bench_net.py'}:make", "--arg", "seed=1"])
    out, err = capsys.readouterr()
    assert (status, out) == (1, "")
    assert re.match(r"error: the program and eager differ on input 0, so their times are not compared: output is", err)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--input", "1x4xf32=1", "--count", "3"], "--input gives the one call to time"),
        (["--input", "1x4xf32=1", "--inputs", "x.npz"], "--input gives the one call to time"),
        (["--arg", "seed=1"], "--arg is for the factory of --model"),
        (["--count", "0"], "'0' is not a number of at least 1"),
        (["--threads", "none"], "'none' is not a number of at least 1"),
    ],
)
def test_wrong_usage(capsys, net, arguments, message):
    with pytest.raises(SystemExit) as ended:
        main(["bench", str(net / "net.dycl"), *arguments])
    assert ended.value.code == 2
    assert f"error: {message}" in capsys.readouterr().err.replace("argument --count: ", "").replace(
        "argument --threads: ", ""
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--input", "1x5xf32=1"], "1x4xf32"),
        (["--inputs", "none.npz"], "none.npz does not exist"),
        (["--model", "nothing"], "'nothing' names no factory"),
        (["--device", "warp"], "there is no device 'warp' here"),
    ],
)
def test_failures_are_one_line(capsys, net, arguments, message):
    assert main(["bench", str(net / "net.dycl"), *arguments]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("error: ")
    assert message in err
    assert err.count("\n") == 1


# ---- what peers.py computes of its samples ------------------------------------------------------------------


@pytest.fixture
def peers(root, monkeypatch):
    monkeypatch.syspath_prepend(str(root / "test" / "benchmarks"))
    return importlib.import_module("peers")


def test_paths_are_chosen_by_their_operations(peers):
    works = [
        {"flops": flops, "decisions": [["if#0", True]] * trips, "input": number}
        for number, (flops, trips) in enumerate([(30, 2), (10, 2), (50, 1), (30, 1), (10, 1)])
    ]
    chosen = peers.choose_paths(works)
    assert [(each["path"], each["input"], each["flops"], each["of_paths"]) for each in chosen] == [
        ("shortest", 4, 10, 5), ("middle", 3, 30, 5), ("longest", 2, 50, 5)
    ]  # fmt: skip
    assert [each["path"] for each in peers.choose_paths(works[:2])] == ["shortest", "longest"]
    assert [each["path"] for each in peers.choose_paths(works[:1])] == ["only"]


def record(times):
    """A record of one network on one path, each peer with one turn of a cold and two warm calls."""
    path = {
        "path": "only", "flops": 2_000_000, "refused": {"IREE, one module": "it crashes"},
        "turns_ms": {peer: [[10 * ms, ms, ms]] for peer, ms in times.items()},
        "regions": [
            {"name": "region_0", "location": "net.py:3", "calls": 2, "ms": 0.1, "total_ms": 0.2, "flops": 2_000_000,
             "bytes": 1000, "unknown_sizes": False},
            {"name": "region_1", "location": None, "calls": 1, "ms": 0.1, "total_ms": 0.1, "flops": 10, "bytes": 10,
             "unknown_sizes": False},
        ],
    }  # fmt: skip
    about = {"processor": "CPU", "model": "1 2 3", "architecture": "x86_64", "load": 0.5}
    part = {"threads": 1, "about": about, "versions": {"torch": "2"}, "limits": [LIMITS.to_json()], "paths": [path]}
    return {"network": "net", "tiny": False, "inputs": 5, "one": part}


def test_ratios_regions_and_reasons_of_a_page(peers, tmp_path):
    page = peers.peer_page
    found = record({"eager": 6.0, "ONNX Runtime": 1.0, "OpenVINO": 1.5, "dycl": 2.0})
    (path,) = found["one"]["paths"]
    assert page.ratio(path, "eager") == 3.0
    assert page.ratio(path, page.BEST) == 0.5  # dycl takes twice as long as the better of the two
    assert page.ratio(path, "torch.compile") is None
    # 2 MFLOP in 0.1 ms is 20 GFLOP/s of 100; the other region is too small for a figure.
    assert page.percent_of_peak(found["one"]) == pytest.approx(20.0)
    text = page.page([found], "peers")
    assert "| net | 3.00 | – | – | 0.50 | 0.75 | 3.00 | **0.50** | 3.00, 0.50 |" in text
    assert "| net | only | 2 | 6 | 1 | 1.5 | 2 |" in text
    assert "| net | region_0 | net.py:3 | 2 | 100 | 67% | 2 | 20 | 20 | 0.01 |" in text
    assert "- net: IREE, one module: it crashes" in text
    assert any("region_0" in line and "20.0% of peak" in line for line in page.network_lines(found))
    assert page.below_floor(found) == []
    page.plot([found], tmp_path / "ratios.svg")
    assert "<svg" in (tmp_path / "ratios.svg").read_text()


def test_a_large_region_below_the_floor_is_named(peers):
    page = peers.peer_page
    found = record({"eager": 6.0, "dycl": 2.0})
    large, small = found["one"]["paths"][0]["regions"]
    large["ms"] = small["ms"] = 1.0  # 2 GFLOP/s of 100
    assert page.below_floor(found) == ["net: region_0 (net.py:3) reaches 2.0% of the peak and 0.001 GB/s"]
    assert "| **2** |" in page.page([found], "peers")
    large["bytes"] = int(0.6e6 * LIMITS.memory_gbps)  # It waits for memory.
    assert page.below_floor(found) == []
    large |= {"bytes": 1000, "unknown_sizes": True}
    assert page.below_floor(found) == []


def test_a_peer_that_is_wrong_or_fails_is_refused(peers):
    runtimes = peers.peer_runtimes
    expected = (torch.tensor([1.0, 2.0]),)
    assert runtimes.checked(lambda: (np.array([1.0, 2.0], np.float32),), expected) == 0.0
    for results, why in [
        ((np.array([1.0, 2.1], np.float32),), "wrong: its results differ"),
        ((np.array([1.0], np.float32),), "wrong: its results differ"),
        ((), "wrong: it gives 0 results, eager 1"),
    ]:
        with pytest.raises(peers.Refused, match=why):
            runtimes.checked(lambda results=results: results, expected)

    def fail():
        raise ValueError("first line\nsecond")

    assert runtimes.attempted(fail) == (None, "ValueError: first line")
    assert runtimes.attempted(lambda: time.sleep(5), seconds=0.05) == (None, "it took more than 0.05 s")
