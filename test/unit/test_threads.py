# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Which regions run on several threads, and that they give what one thread gives."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import dycl
from dycl.runtime import host_runtime
from dycl.runtime.host_runtime import _patient, _Trial, pays_for_threads

FIXED = {"inputs": ["tensor<2xf32>", "i1"], "results": ["tensor<2xf32>"]}
DYNAMIC = {"inputs": ["tensor<?x4xf32>"], "results": ["tensor<?x4xf32>"]}


class Clock:
    """Stands in for time: a call takes as long as is said of it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 0
        self.calls: list[str] = []
        monkeypatch.setattr(time, "perf_counter_ns", lambda: self.now)

    def callee(self, name: str, milliseconds: Callable[..., float]) -> Callable[..., str]:
        def call(*values: Any) -> str:
            self.calls.append(name)
            self.now += int(1e6 * milliseconds(*values))
            return name

        return call


class Rows:
    """Stands in for a tensor."""

    def __init__(self, rows: int) -> None:
        self.shape = [rows, 4]


def trial(
    clock: Clock, region: dict, one: Callable[..., float], pool: Callable[..., float] | None
) -> tuple[_Trial, list[str]]:
    settled: list[str] = []
    found = clock.callee("pool", pool) if pool else None
    call = _Trial(region, clock.callee("one", one), lambda: found, lambda _, chosen: settled.append(chosen()))
    return call, settled


def answered(call: _Trial) -> _Trial:
    """After as many calls as it takes to find the better of the two."""
    for _ in range(26):
        call()
    return call


def test_a_small_region_stays_on_one_thread_and_is_not_timed_further(monkeypatch):
    clock = Clock(monkeypatch)
    call, settled = trial(clock, FIXED, lambda: 0.09, lambda: 0.01)
    while not settled:
        assert call() == "one"
    assert (settled, call.on_pool) == (["one"], False)
    assert clock.calls == 10 * ["one"]  # the cold one, eight that are timed, and the one that this test makes


@pytest.mark.parametrize(
    ("pool_ms", "expected", "turns"), [(0.9, "pool", 16), (0.97, "one", 16), (0.7, "pool", 8), (1.5, "one", 8)]
)
def test_a_large_region_gets_threads_where_it_is_faster_with_them(monkeypatch, pool_ms, expected, turns):
    clock = Clock(monkeypatch)
    call, settled = trial(clock, FIXED, lambda: 1.0, lambda: pool_ms)
    for _ in range(60):
        call()
    assert settled == []  # This is asked again.
    assert call.on_pool == (expected == "pool")
    # Each was called once cold; then one thread eight times, and then both in turns, four or eight times.
    fair = "pool one one pool one pool pool one one pool pool one pool one one pool".split()
    tried = [*9 * ["one"], "pool", *fair[:turns]]
    assert clock.calls == tried + (60 - len(tried)) * [expected]


@pytest.mark.parametrize("period", [2, 3, 4, 5])
def test_what_disturbs_calls_at_intervals_disturbs_both(monkeypatch, period):
    """A call after something else finds cold caches, and takes three times as long: the first of some in a row."""
    clock = Clock(monkeypatch)

    def times(warm: float) -> float:
        return 3 * warm if (len(clock.calls) - 1) % period == 0 else warm

    call, _ = trial(clock, FIXED, lambda: times(1.0), lambda: times(0.6))
    assert answered(call).on_pool


def test_a_call_that_noise_made_long_decides_nothing(monkeypatch):
    clock = Clock(monkeypatch)
    times = iter([9.0, 5.0, *40 * [0.09]])
    call, settled = trial(clock, FIXED, lambda: next(times), lambda: 0.01)
    while not settled:
        call()
    assert settled == ["one"]


def test_without_a_pool_a_large_region_stays_on_one_thread(monkeypatch):
    clock = Clock(monkeypatch)
    call, settled = trial(clock, FIXED, lambda: 1.0, None)
    while not settled:
        assert call() == "one"
    assert (settled, call.on_pool) == (["one"], False)


def test_a_pool_that_was_slow_is_tried_again(monkeypatch):
    clock = Clock(monkeypatch)
    pool_ms = 1.2
    call, _ = trial(clock, FIXED, lambda: 1.0, lambda: pool_ms)
    assert not answered(call).on_pool
    pool_ms = 0.6
    for _ in range(1000):
        call()
    assert call.on_pool


def test_a_pool_that_gets_slow_is_left_at_once(monkeypatch):
    clock = Clock(monkeypatch)
    pool_ms = 0.6
    call, _ = trial(clock, FIXED, lambda: 1.0, lambda: pool_ms)
    assert answered(call).on_pool
    pool_ms = 3.0
    for _ in range(40):
        call()
    assert not call.on_pool


def test_a_pool_on_which_some_calls_wait_for_long_is_left(monkeypatch):
    """Every fifth takes 5 ms, since another process has the core of one of the threads; medians do not show it."""
    clock = Clock(monkeypatch)
    call, _ = trial(clock, FIXED, lambda: 1.0, lambda: 0.6 if len(clock.calls) % 5 else 5.0)
    answered(call)
    for _ in range(40):
        call()
    assert not call.on_pool


def test_a_single_call_that_waits_for_long_changes_nothing(monkeypatch):
    clock = Clock(monkeypatch)
    call, _ = trial(clock, FIXED, lambda: 1.0, lambda: 5.0 if len(clock.calls) % 40 == 0 else 0.6)
    answered(call)
    for _ in range(5000):
        call()
        assert call.on_pool


def test_one_thread_that_gets_faster_is_found(monkeypatch):
    """At first something disturbed the calls on one thread only."""
    clock = Clock(monkeypatch)
    one_ms = 1.0
    call, _ = trial(clock, FIXED, lambda: one_ms, lambda: 0.6)
    assert answered(call).on_pool
    one_ms = 0.5
    for _ in range(1000):
        call()
    assert not call.on_pool


def test_cold_caches_after_another_path_are_no_reason_to_leave_the_pool(monkeypatch):
    """What runs before a region changes, and both get slower: the pool's gain of a tenth stays one."""
    clock = Clock(monkeypatch)
    warm = 1.0
    call, _ = trial(clock, FIXED, lambda: warm, lambda: 0.9 * warm)
    assert answered(call).on_pool
    warm = 1.5
    for _ in range(1000):
        call()
        assert call.on_pool
    assert clock.calls.count("one") < 70


@pytest.mark.parametrize("pool_ms", [0.5, 0.99, 1.3, 4.0, 50.0])
def test_asking_again_costs_next_to_nothing(monkeypatch, pool_ms):
    clock = Clock(monkeypatch)
    call, _ = trial(clock, FIXED, lambda: 1.0, lambda: pool_ms)
    answered(call)
    start, calls = clock.now, 200_000
    for _ in range(calls):
        call()
    assert (clock.now - start) / 1e6 / calls < 1.02 * min(pool_ms, 1.0)


def test_a_region_of_changing_size_gets_threads_for_the_sizes_that_pay(monkeypatch):
    """1 ms for 64 rows, of which threads take half; few rows pay nothing, and 512 are slower with threads."""
    clock = Clock(monkeypatch)
    call, settled = trial(
        clock, DYNAMIC, lambda x: x.shape[0] / 64, lambda x: x.shape[0] / 128 if x.shape[0] < 512 else x.shape[0] / 32
    )
    for _ in range(20):
        assert call(Rows(4)) == "one"
    assert not call.on_pool
    for _ in range(40):
        call(Rows(64))
    assert call.on_pool
    assert call(Rows(100)) == "pool"  # between the same two powers of two
    for _ in range(40):
        call(Rows(512))
    assert call(Rows(512)) == "one"
    assert call(Rows(64)) == "pool"
    call(Rows(4))
    assert [call(Rows(4)) for _ in range(3)] == 3 * ["one"]
    assert settled == []


def test_the_cost_model_says_which_regions_pay():
    target = {"requires": {"cpu_features": ["avx2", "avx512f"]}}
    small = {"requires": {"cpu_features": []}}
    region = {"cost": {"flops": 40_000_000, "bytes": 1000}}
    assert (pays_for_threads(region, target), pays_for_threads(region, small)) == (False, True)
    assert pays_for_threads({"cost": {"flops": 80_000_000, "bytes": 1000}}, target)
    assert pays_for_threads({"cost": {"flops": 10, "bytes": 13_000_000}}, target)
    assert not pays_for_threads({}, target)


# ---- programs ----------------------------------------------------------------------------------------------------


class Steps(nn.Module):
    """A region of 0.2 GFLOP on each side, and small ones between."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(512, 512), nn.Linear(512, 512)

    def forward(self, x):
        if x.sum() > 0:
            for _ in range(3):
                x = torch.tanh(self.first(x))
        else:
            for _ in range(3):
                x = torch.relu(self.second(x))
        return x, x.mean()


ROWS = 160


@pytest.fixture(scope="module")
def bundle(tmp_path_factory) -> tuple[Path, nn.Module]:
    torch.manual_seed(0)
    model = Steps().eval()
    path = tmp_path_factory.mktemp("threads") / "steps.dycl"
    dycl.compile(model, (torch.randn(ROWS, 512),)).save(path)
    return path, model


@pytest.fixture
def always_pays(monkeypatch):
    """Regions of a runtime go to the pool whatever they take, so that a test does not depend on the machine."""

    def everywhere(runtime: dict[str, Any]) -> None:
        monkeypatch.setitem(runtime, "_PAYS_NS", 0)
        monkeypatch.setitem(runtime, "_GAIN", 1e9)
        monkeypatch.setitem(runtime, "_STAY", 1e9)

    return everywhere


def runtime_of(program: dycl.Program) -> dict[str, Any]:
    """The names of the runtime that a program has: of the Python host its bundle's own."""
    return type(program._loaded.session).__init__.__globals__


def inputs() -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    x = torch.rand(ROWS, 512, generator=generator)
    return [x, -x]


@pytest.mark.parametrize("host", ["python", "vm"])
def test_threads_give_what_one_thread_gives(bundle, host, always_pays):
    path, model = bundle
    always_pays(vars(host_runtime))
    one, two = dycl.load(path, host=host, threads=1), dycl.load(path, host=host, threads=2)
    if host == "python":
        always_pays(runtime_of(two))
    for x in inputs():
        for _ in range(40):
            expected, got = one(x), two(x)
            torch.testing.assert_close(got, expected, rtol=0, atol=0)
        torch.testing.assert_close(got, model(x), rtol=1e-5, atol=1e-5)
        assert one.last_decisions == two.last_decisions
    assert one.threaded_regions == ()
    if host == "python":
        assert set(two.threaded_regions) == set(two.loaded_regions) != set()


def test_programs_share_a_pool_of_threads(bundle, always_pays):
    """Each has a copy of the runtime of its own; neither a copy nor a pool stays for each that was loaded."""
    path, _ = bundle
    for _ in range(3):
        program = dycl.load(path, threads=2)
        always_pays(runtime_of(program))
        for _ in range(40):
            program(inputs()[0])
        assert program.threaded_regions
    shared = host_runtime._process()
    assert runtime_of(program)["_process"]() is shared
    assert [*shared.pools] == [2]


def test_a_device_that_is_given_has_one_thread(bundle, always_pays):
    path, _ = bundle
    program = dycl.load(path, device="local-sync")
    always_pays(runtime_of(program))
    for _ in range(40):
        program(inputs()[0])
    assert program.threaded_regions == ()


@pytest.mark.parametrize("threads", [0, -1])
def test_no_thread_is_refused(bundle, threads):
    with pytest.raises(ValueError, match=f"threads is {threads}; expected 1 or more, or None for all cores"):
        dycl.load(bundle[0], threads=threads)


def test_a_memory_budget_and_threads_go_together(bundle, always_pays):
    path, model = bundle
    program = dycl.load(path, threads=2, memory_budget=1)  # One region at a time, so that each is dropped again.
    always_pays(runtime_of(program))
    for _ in range(10):
        for x in inputs():
            torch.testing.assert_close(program(x), model(x), rtol=1e-5, atol=1e-5)
    assert len(program.loaded_regions) == 1


def test_where_no_pool_opens_there_is_one_thread_and_a_warning(bundle, always_pays, monkeypatch):
    path, model = bundle
    program = dycl.load(path, threads=2)
    runtime = runtime_of(program)
    always_pays(runtime)

    def refuse(_threads):
        raise RuntimeError("no more threads")

    monkeypatch.setitem(runtime, "_open_pool", refuse)

    def call_often():
        return [program(inputs()[0]) for _ in range(40)][-1]

    with pytest.warns(RuntimeWarning, match="no pool of 2 threads, so all runs on one: no more threads"):
        got = call_often()
    torch.testing.assert_close(got, model(inputs()[0]), rtol=1e-5, atol=1e-5)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for _ in range(40):
            program(inputs()[1])
    assert program.threaded_regions == ()


FORKING = """
import os, sys, signal
import numpy as np
import dycl
from dycl.runtime import host_runtime

host_runtime._PAYS_NS, host_runtime._GAIN, host_runtime._STAY = 0, 1e9, 1e9
host = sys.argv[2]
program = dycl.load(sys.argv[1], host=host, threads=2)
globals_ = type(program._loaded.session).__init__.__globals__
globals_["_PAYS_NS"], globals_["_GAIN"], globals_["_STAY"] = 0, 1e9, 1e9
x = np.random.default_rng(0).random((160, 512), np.float32)
for _ in range(40):
    expected = program(x)[0]
assert host == "vm" or program.threaded_regions
child = os.fork()
if not child:
    signal.alarm(60)  # Ends the child where it waits for threads.
    for sign in (1, -1):
        for _ in range(3):
            got = program(sign * x)[0]
        assert sign < 0 or np.array_equal(got, expected)
    assert program.threaded_regions == ()
    print("child")
    sys.exit(0)  # With the interpreter's end, which destroys what is left.
_, status = os.waitpid(child, 0)
assert status == 0, status
assert np.array_equal(program(x)[0], expected)
print("parent")
"""


linux = pytest.mark.skipif(sys.platform != "linux", reason="this is a policy of Linux's scheduler")


@linux
def test_a_caller_of_the_pool_interrupts_no_thread_that_wakes_it():
    seen: list[Any] = []

    def invoke(*arguments: Any) -> None:
        seen.extend([*arguments, os.sched_getscheduler(0)])
        raise RuntimeError("the region fails")

    before = os.sched_getscheduler(0)
    with pytest.raises(RuntimeError, match="the region fails"):
        _patient(invoke)("function", "arguments", "results")
    assert seen == ["function", "arguments", "results", os.SCHED_BATCH]
    assert os.sched_getscheduler(0) == before == os.SCHED_OTHER


@linux
@pytest.mark.parametrize("refused", ["sched_getscheduler", "sched_setscheduler"])
def test_where_no_policy_can_be_set_the_pool_is_called_all_the_same(monkeypatch, refused):
    def refuse(*_arguments: Any) -> None:
        raise PermissionError

    seen: list[int] = []
    policy_of = os.sched_getscheduler
    monkeypatch.setattr(os, refused, refuse)
    _patient(lambda: seen.append(policy_of(0)))()
    assert seen == [os.SCHED_OTHER]


@linux
def test_a_policy_that_a_program_chose_stays():
    seen: list[int] = []

    def call() -> None:
        os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
        _patient(lambda: seen.append(os.sched_getscheduler(0)))()
        seen.append(os.sched_getscheduler(0))

    thread = threading.Thread(target=call)
    thread.start()
    thread.join()
    assert seen == 2 * [os.SCHED_IDLE]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
@pytest.mark.parametrize("host", ["python", "vm"])
def test_a_forked_process_goes_on_with_one_thread(bundle, host):
    done = subprocess.run(
        [sys.executable, "-c", FORKING, str(bundle[0]), host], capture_output=True, text=True, timeout=120, check=False
    )
    assert (done.returncode, done.stdout.split()) == (0, ["child", "parent"]), done.stderr


def test_the_command_line_takes_threads(bundle, tmp_path):
    path, model = bundle
    x = inputs()[0]
    np.save(tmp_path / "x.npy", x.numpy())
    for command in (["-m", "dycl", "run", str(path)], [str(path)]):
        outputs = [tmp_path / "y.npy", tmp_path / "mean.npy"]
        flags = [f"--input=@{tmp_path / 'x.npy'}", *(f"--output={output}" for output in outputs)]
        subprocess.run([sys.executable, *command, *flags, "--threads=2"], check=True, timeout=120)
        torch.testing.assert_close(torch.from_numpy(np.load(outputs[0])), model(x)[0], rtol=1e-5, atol=1e-5)
        refused = subprocess.run(
            [sys.executable, *command, *flags, "--threads=0"], capture_output=True, text=True, timeout=120, check=False
        )
        assert refused.returncode in (1, 2)
        assert "threads" in refused.stderr
