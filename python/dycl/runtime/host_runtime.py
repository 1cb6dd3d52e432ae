# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Runs the host program of a dycl bundle: loads its regions, calls them, and is its command line.

This file is the same in every bundle and imports only numpy and iree.runtime (which has ml_dtypes), and as a script
bundle_reader.py beside it: a device needs nothing of dycl for `python net.dycl/host.py --input @x.npy --output y.npy`.
"""

from __future__ import annotations

import argparse
import builtins
import contextlib
import ctypes
import io
import itertools
import os
import platform
import re
import sys
import threading
import time
import warnings
import weakref
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, Protocol

try:
    import iree.runtime as rt
    import ml_dtypes
    import numpy as np
except ImportError as error:
    raise ImportError(f"{error}; a dycl bundle needs: pip install numpy iree-base-runtime") from error

PARAMETERS = "parameters.irpa"
STATE = "state.irpa"

GENERATOR = ("<generator>.words", "<generator>.position", "<generator>.normal")
"""The names of the state that is the program's random number generator, as far as it draws: MT19937's words, i32[624],
how many of them are used, i64[], and what the other of a pair of normal numbers is made of, and whether it is taken
first, i64[3]."""

DEFAULT_SEED = 67280421310721
"""What the generator in a bundle is seeded with, PyTorch's default; one that is loaded is seeded anew."""

_SEEDS = range(-(1 << 63), 1 << 64)

SCOPES = {PARAMETERS: "model", STATE: "state"}
DEFAULT_DEVICE = "local-sync"
POOL_DEVICE = "local-task"

# MLIR's spelling of each dtype at the program's border -> numpy's type, and the HAL's element type.
DTYPES = {
    "i1": (np.dtype(np.bool_), rt.HalElementType.BOOL_8),
    "i8": (np.dtype(np.int8), rt.HalElementType.SINT_8),
    "i16": (np.dtype(np.int16), rt.HalElementType.SINT_16),
    "i32": (np.dtype(np.int32), rt.HalElementType.SINT_32),
    "i64": (np.dtype(np.int64), rt.HalElementType.SINT_64),
    "ui8": (np.dtype(np.uint8), rt.HalElementType.UINT_8),
    "ui16": (np.dtype(np.uint16), rt.HalElementType.UINT_16),
    "ui32": (np.dtype(np.uint32), rt.HalElementType.UINT_32),
    "ui64": (np.dtype(np.uint64), rt.HalElementType.UINT_64),
    "f16": (np.dtype(np.float16), rt.HalElementType.FLOAT_16),
    "bf16": (np.dtype(ml_dtypes.bfloat16), rt.HalElementType.BFLOAT_16),
    "f32": (np.dtype(np.float32), rt.HalElementType.FLOAT_32),
    "f64": (np.dtype(np.float64), rt.HalElementType.FLOAT_64),
    "complex<f32>": (np.dtype(np.complex64), rt.HalElementType.COMPLEX_64),
    "complex<f64>": (np.dtype(np.complex128), rt.HalElementType.COMPLEX_128),
}
NAMES = {dtype: name for name, (dtype, _) in DTYPES.items()}

# Where tensors live: on the device; on one that shares the host's memory, readable from the host.
_MEMORY = rt.MemoryType.DEVICE_LOCAL
_USAGE = rt.BufferUsage.DEFAULT | rt.BufferUsage.MAPPING
_STAGING_MEMORY = rt.MemoryType.HOST_LOCAL | rt.MemoryType.DEVICE_VISIBLE
_STAGING_USAGE = rt.BufferUsage.TRANSFER_TARGET | rt.BufferUsage.MAPPING

# The HAL drivers that run each backend's code, the default first.
_DEVICES = {"llvm-cpu": (DEFAULT_DEVICE, POOL_DEVICE), "vulkan": ("vulkan",), "cuda": ("cuda",)}

# LLVM's names of CPU features that programs are compiled to use -> Linux's, by architecture.
_CPU_FLAGS = {
    "x86_64": {
        **{name: name for name in ("ssse3", "avx", "avx2", "fma", "f16c", "bmi2", "popcnt", "cx16", "gfni", "vaes")},
        **{f"avx512{name}": f"avx512{name}" for name in ("f", "dq", "cd", "bw", "vl", "ifma", "vbmi")},
        **{f"avx512{name}": f"avx512_{name}" for name in ("vnni", "bf16", "fp16", "vbmi2", "bitalg", "vpopcntdq")},
        **{f"amx-{name}": f"amx_{name}" for name in ("tile", "int8", "bf16")},
        "sse3": "pni", "sse4.1": "sse4_1", "sse4.2": "sse4_2", "sse4a": "sse4a",
        "bmi": "bmi1", "lzcnt": "abm", "avxvnni": "avx_vnni",
    },
    "aarch64": {
        **{name: name for name in ("aes", "sha2", "i8mm", "bf16", "sve", "sve2", "sme")},
        "neon": "asimd", "dotprod": "asimddp", "fullfp16": "asimdhp", "lse": "atomics", "crc": "crc32",
    },
    "armv7": {"neon": "neon", "vfp3": "vfpv3"},
}  # fmt: skip

# What IREE's bindings raise, one for each kind of status.
IREE_ERRORS = (ValueError, RuntimeError, OSError, LookupError, MemoryError)

# What comes before the message of an assertion, in what they raise.
_ASSERTION = "FAILED_PRECONDITION; "

Decision = tuple[int, Any]
Shape = Sequence[int | None]


class BundleProblem(Exception):  # noqa: N818 - stands in for dycl.BundleError, where dycl is not installed
    """The bundle is not one, is damaged, or was made for something else."""


class InputProblem(Exception):  # noqa: N818 - likewise
    """An input differs from what the program was compiled for."""


class RegionProblem(Exception):  # noqa: N818 - likewise
    """IREE reported an error while a region ran."""


class SizeProblem(RegionProblem):
    """Sizes that depend on data do not agree: what a region asserts does not hold."""


class _ProgramRaises(Exception):  # noqa: N818 - likewise
    """The program itself raised an exception."""


# ---- the target -------------------------------------------------------------------------------------------


def pick_target(folder: Path, manifest: dict[str, Any], device: str | None = None) -> tuple[dict[str, Any], str]:
    """The target to run here, and the HAL device to run it on.

    Of the targets that `device` (or, for None, any device here) can run, it is the first in the order in which they
    were given to `compile`; among several for this CPU the one that uses most of what it has.

    Raises:
        BundleProblem: where there is none; the message says for each target why.
    """
    known = rt.query_available_drivers()
    if device is not None and device.partition(":")[0] not in known:
        raise BundleProblem(f"there is no device {device!r} here; drivers: {', '.join(known)}")
    fitting: list[dict[str, Any]] = []
    reasons: list[str] = []
    for target in manifest["targets"]:
        reason = _why_not_here(target, device)
        if reason is None:
            fitting.append(target)
        else:
            reasons.append(f"{target['target']}: {reason}")
    if not fitting:
        raise BundleProblem(f"{folder} has no target that runs here; {'; '.join(reasons)}")
    first = fitting[0]
    same_backend = [target for target in fitting if target["backend"] == first["backend"]]
    target = max(same_backend, key=lambda target: len(target["requires"]["cpu_features"]))
    return target, device or default_device(target)


def pick_devices(folder: Path, manifest: dict[str, Any], device: str | None = None) -> list[tuple[dict[str, Any], str]]:
    """The targets to run here, the home first, each with its HAL device.

    A program that is placed on several targets needs all of them. `device` then lists HAL devices, joined by commas:
    each target takes the first that can run it, or its default one.

    Raises:
        BundleProblem: where a target cannot run here, or a device in the list is for none.
    """
    home = manifest["program"].get("home")
    if home is None:
        return [pick_target(folder, manifest, device)]
    listed = device.split(",") if device else []
    picked: list[tuple[dict[str, Any], str]] = []
    for target in sorted(manifest["targets"], key=lambda target: target["folder"] != home):
        drivers = _DEVICES.get(target["backend"], ())
        mine = next((uri for uri in listed if uri.partition(":")[0] in drivers), None)
        reason = _why_not_here(target, mine)
        if reason is not None:
            raise BundleProblem(f"{folder} runs on several devices, and not here: {target['target']}: {reason}")
        picked.append((target, mine or default_device(target)))
    if unknown := [uri for uri in listed if uri not in {mine for _, mine in picked}]:
        backends = ", ".join(target["target"] for target, _ in picked)
        raise BundleProblem(f"{folder} runs on {backends}, and nothing of it on device {unknown[0]!r}")
    return picked


def default_device(target: dict[str, Any]) -> str:
    """The HAL device that runs a target of the manifest."""
    return _DEVICES[target["backend"]][0]


def device_file(target: dict[str, Any]) -> str:
    """The file of a bundle that gives the VM host a target's device; of programs on several devices."""
    return f"device.{target['folder']}.vmfb"


def region_file(region: Mapping[str, Any], folder: str) -> str:
    """The VMFB of a region for the target with a folder: its own, or that of the region it shares one with."""
    return f"regions/{folder}/{region.get('vmfb', region['name'])}.vmfb"


def _why_not_here(target: dict[str, Any], device: str | None) -> str | None:
    """Why a target cannot run here, on a HAL device if one is asked for; None where it can."""
    backend = target["backend"]
    if backend not in _DEVICES:
        return f"this dycl knows no backend {backend!r}"
    if device is not None and device.partition(":")[0] not in _DEVICES[backend]:
        return f"it is not for device {device!r}"
    if backend == "llvm-cpu":
        return _why_not_this_cpu(target)
    driver = device.partition(":")[0] if device else _DEVICES[backend][0]
    try:
        devices = rt.get_driver(driver).query_available_devices()
    except (ValueError, RuntimeError) as error:
        return f"there is no {driver} driver: {str(error).splitlines()[0]}"
    if not devices:
        return f"there is no {driver} device"
    return _why_not_this_gpu(target, driver, devices[0]["device_id"])


def _why_not_this_cpu(target: dict[str, Any]) -> str | None:
    here, there = _architecture(platform.machine()), _architecture(target["architecture"])
    if there != here:
        return f"it is for {there}, and this machine is {here}"
    names = _CPU_FLAGS.get(here, {})
    flags = _cpu_flags(here)
    missing = [f for f in target["requires"]["cpu_features"] if f in names and flags and names[f] not in flags]
    return f"this CPU has no {', '.join(missing)}" if missing else None


def _why_not_this_gpu(target: dict[str, Any], driver: str, device_id: int) -> str | None:
    """A wrong subgroup size, or a feature that is missing, may give wrong results, which no driver reports."""
    wanted = target["requires"]["subgroup_sizes"]
    features = target["requires"].get("gpu_features", ())  # The first bundles of this schema do not say.
    if driver != "vulkan" or not (wanted or features):
        return None
    info: str = rt.get_driver(driver).dump_device_info(device_id)  # pyright: ignore[reportAttributeAccessIssue]
    if missing := [name for name in features if f" {name}=no" in info]:
        return f"this GPU has no {', '.join(missing)}"
    sizes = re.search(r"minSubgroupSize=(\d+) maxSubgroupSize=(\d+)", info)
    if not wanted or sizes is None or any(int(sizes[1]) <= size <= int(sizes[2]) for size in wanted):
        return None
    return f"it is for subgroups of {' or '.join(map(str, wanted))}, and this GPU has {sizes[1]} to {sizes[2]}"


def _cpu_flags(architecture: str) -> set[str]:
    """What Linux says that this CPU has; nothing where it cannot be asked, or describes another (QEMU's host)."""
    try:
        text = Path("/proc/cpuinfo").read_text()
    except OSError:
        return set()
    key = "flags" if architecture == "x86_64" else "Features"
    found = re.search(rf"^{key}\s*:(.*)$", text, re.MULTILINE)
    return set(found[1].split()) if found else set()


def _architecture(name: str) -> str:
    name = name.lower()
    if name.startswith("armv7"):
        return "armv7"  # armv7l to Linux, armv7a to LLVM.
    return {"amd64": "x86_64", "arm64": "aarch64"}.get(name, name)


# ---- threads -----------------------------------------------------------------------------------------------

# A region is tried on threads where it takes this long on one: a call on the pool costs 30 to 50 us more, for waking
# threads and for being woken by them (ARCHITECTURE.md, "Threads"), and so hardly gains below.
_PAYS_NS = 100_000
# A host that cannot measure gives threads only to what takes this long by the estimate of `_RATES`.
_SURELY_PAYS_NS = 300_000
# So many calls are timed on one thread, and where that is long as many again, and on the pool. The median counts, since
# some calls on a pool wait longer for its threads than others, and it has to be less by a twentieth.
_TRIALS = 8
_GAIN = 0.95
# Where one of the two takes less than that of the other's time, half as many calls do.
_CLEAR = 0.8
# What is better is asked again after so many calls, then after twice as many each time that the answer is the same, and
# not before what was lost by asking is this small a part of what calls took since.
_REST, _MOST_REST = 64, 16384
_LOSS = 0.002
# On the pool each call is timed: of so many in a row the mean counts, in which none is more than this many times as
# long as on one thread. Other processes delay some calls on a pool by milliseconds, which medians do not show. It stays
# there while that is less than this part of the mean of calls on one thread.
_WINDOW = 32
_LONGEST = 4
_STAY = 1.0
# What a core computes and reads at most in a region, for a host that cannot measure: GFLOP/s and GB/s, by a feature of
# the CPU. At most, since a region that pays little on one thread should stay there: of ResNet-56, 38 MFLOP take 0.1 ms.
_RATES = (("avx512f", 250, 40), ("avx2", 100, 25), ("", 20, 8))


def usable_cores() -> list[int]:
    """The cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))


def pays_for_threads(region: Mapping[str, Any], target: Mapping[str, Any]) -> bool:
    """Whether a region takes long enough for several threads, by what it computes and reads; not measured."""
    cost = region.get("cost")
    if cost is None:
        return False
    features = target["requires"]["cpu_features"]
    gflops, gbps = next(rates for feature, *rates in _RATES if feature in features or not feature)
    return max(cost["flops"] / gflops, cost["bytes"] / gbps) >= _SURELY_PAYS_NS


class _Process(ModuleType):
    """What all programs of a process share, each of which may have a copy of this file of its own: a module, so that
    they find it.

    Attributes:
        pools: the devices with a pool of threads, by their number.
        lock: for them.
        sessions: all that may be on a pool.
    """

    pools: dict[int, rt.HalDevice]
    lock: Any
    sessions: weakref.WeakSet[Any]


def _process() -> _Process:
    name = "_dycl_threads"
    found: Any = sys.modules.get(name)
    if found is None:
        found = sys.modules[name] = _Process(name)
        found.pools, found.lock, found.sessions = {}, threading.Lock(), weakref.WeakSet()
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=_after_fork)
    return found


def _open_pool(threads: int) -> rt.HalDevice:
    """IREE's device with a pool of so many threads, at most one for each physical core; all programs share it.

    IREE reads the number from a flag of the process when it makes a driver, and keeps the first driver that
    `get_device` makes: so this makes one of its own.
    """
    process = _process()
    with process.lock:
        if threads not in process.pools:
            try:
                rt.flags.parse_flags(f"--task_topology_max_group_count={threads}")
                driver: Any = rt._binding.create_hal_driver(POOL_DEVICE)  # pyright: ignore[reportPrivateUsage, reportAttributeAccessIssue]
                process.pools[threads] = driver.create_device_by_uri(POOL_DEVICE)
            finally:
                rt.flags.parse_flags("--task_topology_max_group_count=64")  # IREE's default
        return process.pools[threads]


def _patient(invoke: Callable[..., None]) -> Callable[..., None]:
    """A context's `invoke` on the pool, whose caller takes no core from the thread that wakes it.

    A caller that IREE's wait has woken waits actively until the thread that woke it is done with that
    (`iree_async_semaphore_multi_wait` of IREE 3.13). Where Linux lets it run on the core of that thread, in its place,
    it waits until its time is over: 1 to 5 ms, in 1% of calls of 70 us and 8% of those of 650 us on two cores. A thread
    of the policy SCHED_BATCH has its share like all others, but interrupts none when it wakes: so the caller has
    it in a call.
    """
    if sys.platform != "linux":
        return invoke
    get_policy, set_policy, none = os.sched_getscheduler, os.sched_setscheduler, os.sched_param(0)
    usual, patient = os.SCHED_OTHER, os.SCHED_BATCH

    def invoke_patiently(*arguments: Any) -> None:
        is_changed = False
        with contextlib.suppress(OSError):  # A container may forbid it.
            if get_policy(0) == usual:  # 0 is this thread.
                set_policy(0, patient, none)
                is_changed = True
        try:
            invoke(*arguments)
        finally:
            if is_changed:
                set_policy(0, usual, none)

    return invoke_patiently


def _after_fork() -> None:
    """In a child process, which has none of the threads: programs go on with one."""
    process = _process()
    process.lock = threading.Lock()
    process.pools.clear()
    for session in list(process.sessions):
        session.lose_threads()


def _median(times: Sequence[int]) -> int:
    """The lower of two: what disturbs half of the calls, which it makes longer, does not count."""
    return sorted(times)[(len(times) - 1) // 2]


class _Comparison:
    """What a region's calls of about one size take on one thread and on the pool, and so where the next one is to be.

    It goes through these phases, each of which is a method that notes a call's nanoseconds:

    - `_first`: calls on one thread; where they are short, all further ones are there too (`is_settled`);
    - `_turns`: calls on one thread and on the pool in turns. These are those of Thue and Morse, which are fair whatever
      else happens at intervals: where something else runs between every two calls, say, each second one finds the
      caches cold. The better of the two gets the next calls;
    - `_rest`: calls on one thread, and after some of them turns again;
    - `_watch`: calls on the pool. Where they take as long as on one thread, or after some of them,
    - `_check`: a few calls on one thread, which the mean on the pool is compared with.

    Attributes:
        on_pool: where the next call is.
        prefers_pool: what was found to be better.
        is_settled: whether all further calls are on one thread.
        note: what to call with a call's place and its nanoseconds.
    """

    def __init__(self) -> None:
        self.on_pool = self.prefers_pool = self.is_settled = False
        self.note: Callable[[bool, int], None] = self._first
        self._times: dict[bool, list[int]] = {False: [], True: []}
        self._one = 0  # a call on one thread takes this long
        self._left = 0  # so many calls stay where they are before what is better is asked again
        self._pause = _REST // 2  # after the last answer it was this many
        self._window = _Window()

    def take_rest(self) -> int:
        """How many calls from now on are on one thread and need not be noted; they count as made."""
        if self.note != self._rest:
            return 0
        left, self._left = self._left - 1, 1
        return left

    def settle(self) -> None:
        """Have all further calls on one thread."""
        self.on_pool = self.prefers_pool = False
        self.is_settled = True

    def _first(self, _on_pool: bool, taken: int) -> None:
        times = self._times[False]
        times.append(taken)
        if len(times) < _TRIALS:
            return
        if _median(times) < _PAYS_NS:
            self.settle()
        else:
            self._begin_turns()

    def _begin_turns(self) -> None:
        self._times = {False: [], True: []}
        self.on_pool, self.note = True, self._turns

    def _turns(self, on_pool: bool, taken: int) -> None:
        one, pool = self._times[False], self._times[True]
        self._times[on_pool].append(taken)
        if min(len(one), len(pool)) >= _TRIALS or (len(one) == len(pool) == _TRIALS // 2 and self._is_clear()):
            self._one = _median(one)
            better = _median(pool) < _GAIN * self._one
            self._answer(better, sum(one) - sum(pool) if better else sum(pool) - sum(one))
        else:
            self.on_pool = (len(one) + len(pool)).bit_count() % 2 == 0

    def _is_clear(self) -> bool:
        less, more = sorted(map(_median, self._times.values()))
        return less < _CLEAR * more

    def _answer(self, prefers_pool: bool, lost: int) -> None:
        """Note what is better, and the nanoseconds that finding it cost."""
        self._pause = min(2 * self._pause, _MOST_REST) if prefers_pool == self.prefers_pool else _REST
        self._left = max(self._pause, min(int(lost / _LOSS / max(self._one, 1)), _MOST_REST))
        self.on_pool = self.prefers_pool = prefers_pool
        self.note = self._watch if prefers_pool else self._rest
        self._window = _Window()

    def _rest(self, _on_pool: bool, _taken: int) -> None:
        self._left -= 1
        if self._left <= 0:
            self._begin_turns()

    def _watch(self, on_pool: bool, taken: int) -> None:
        if not on_pool:
            return  # Another thread began this call before the last answer.
        self._left -= 1
        window = self._window
        window.add(min(taken, _LONGEST * self._one))
        if window.is_full and (self._left <= 0 or window.mean >= _STAY * self._one):
            self._times[False] = []
            self.on_pool, self.note = False, self._check

    def _check(self, on_pool: bool, taken: int) -> None:
        if on_pool:
            return
        times = self._times[False]
        times.append(taken)
        if len(times) >= _TRIALS:
            longest = _LONGEST * _median(times)
            self._one = sum(min(taken, longest) for taken in times) // len(times)
            pool = self._window.mean
            self._answer(pool < _STAY * self._one, int(len(times) * (self._one - pool)))


class _Window:
    """The mean of the last times."""

    def __init__(self) -> None:
        self._times: deque[int] = deque(maxlen=_WINDOW)
        self._sum = 0

    def add(self, taken: int) -> None:
        if self.is_full:
            self._sum -= self._times[0]
        self._times.append(taken)
        self._sum += taken

    @property
    def is_full(self) -> bool:
        return len(self._times) == _WINDOW

    @property
    def mean(self) -> float:
        return self._sum / len(self._times)


class _Trial:
    """A region's callable that finds out whether the region is faster on the pool of threads.

    While it takes less than `_PAYS_NS`, it is on one thread; where its sizes are fixed, `settle` is told. Else it is
    tried on both, and the better gets the next calls: see `_Comparison`. Of a region whose sizes change, calls with
    inputs between two powers of two are compared with each other.
    """

    def __init__(
        self,
        region: Mapping[str, Any],
        one: Callable[..., Any],
        load: Callable[[], Callable[..., Any] | None],
        settle: Callable[[_Trial, Callable[..., Any]], None],
    ) -> None:
        """Begin on one thread.

        Args:
            region: the manifest's entry.
            one: the callable on one thread.
            load: gives that on the pool, or None where there is none.
            settle: is told this and `one`, once it is known that all calls are on one thread. It holds no reference to
                this, so that a region which is dropped leaves the memory at once.
        """
        self._one, self._load, self._settle = one, load, settle
        self._pool: Callable[..., Any] | None = None
        self._dynamic = [i for i, type_ in enumerate(region["inputs"]) if "?" in type_]
        self._is_fixed = not self._dynamic and not any("?" in type_ for type_ in region["results"])
        self._is_large = self._is_fixed  # whether the last call was
        self._rest = 0  # so many calls are on one thread, whatever they take
        self._comparisons: dict[tuple[int, ...], _Comparison] = {}
        self._warm: set[bool] = set()

    @property
    def on_pool(self) -> bool:
        """Whether there are calls that are better on the pool."""
        return any(comparison.prefers_pool for comparison in self._comparisons.values())

    def __call__(self, *values: Any) -> Any:
        if self._rest > 0:
            self._rest -= 1
            return self._one(*values)
        if not self._is_large:
            start = time.perf_counter_ns()
            result = self._one(*values)
            self._is_large = time.perf_counter_ns() - start >= _PAYS_NS
            return result
        sizes = tuple([size.bit_length() for i in self._dynamic if values[i] is not None for size in values[i].shape])
        comparison = self._comparisons.get(sizes)
        if comparison is None:
            comparison = self._comparisons.setdefault(sizes, _Comparison())
        on_pool = comparison.on_pool
        if on_pool and self._pool is None:
            self._pool = self._load()
            if self._pool is None:
                comparison.settle()
                on_pool = False
        call = self._pool if on_pool else self._one
        assert call is not None
        start = time.perf_counter_ns()
        result = call(*values)
        taken = time.perf_counter_ns() - start
        if not self._is_fixed:
            self._is_large = taken >= (_PAYS_NS // 2 if on_pool else _PAYS_NS)
        if on_pool not in self._warm:  # Pages and caches are cold in the first call.
            self._warm.add(on_pool)
        elif not comparison.is_settled:
            comparison.note(on_pool, taken)
        if self._is_fixed:
            if comparison.is_settled:
                self._settle(self, self._one)
            self._rest = comparison.take_rest()
        return result


# ---- regions -----------------------------------------------------------------------------------------------


class BundleFiles(Protocol):
    """A bundle's files, checked: what `bundle_reader.BundleReader` is."""

    path: Path
    manifest: dict[str, Any]

    def __contains__(self, name: str) -> bool: ...

    def size(self, name: str) -> int:
        """How many bytes a file has."""
        ...

    def map(self, name: str) -> Any:
        """A file's contents, mapped where that can be."""
        ...

    def vmfb(self, name: str) -> Any:
        """A VMFB's contents, after checking their form."""
        ...

    def archive(self, name: str) -> tuple[Any, dict[str, tuple[int, int]]]:
        """A parameter archive's contents, and the offset and length of each entry."""
        ...

    def release(self, name: str, offset: int, length: int) -> None:
        """Take a mapped range out of memory; who reads it again gets it from the file."""
        ...


LOADING = ("lazy", "eager", "background")


class _Device:
    """A HAL device, and what the regions of a target share on it.

    Attributes:
        target: the manifest's entry of the target.
        uri: IREE's name of the device.
        threads: how many threads a region may have here beside those of the device itself.
    """

    def __init__(
        self,
        files: BundleFiles,
        instance: rt.VmInstance,
        target: dict[str, Any],
        uri: str,
        device: rt.HalDevice,
        threads: int = 1,
    ) -> None:
        self.target, self.uri, self.threads = target, uri, threads
        self.instance = instance
        self._files = files
        self._device = device
        self._pool: _Device | None = None
        self._allocator = self._device.allocator
        self._is_mappable = target["backend"] == "llvm-cpu"
        self._usage = _USAGE if self._is_mappable else rt.BufferUsage.DEFAULT
        self.modules = self.shared_modules(PARAMETERS)

    def shared_modules(self, *archives: str) -> list[rt.VmModule]:
        """What a context has beside regions: the HAL, and those of some archives that the bundle has."""
        try:
            modules = [rt.create_hal_module(self.instance, self._device)]
            providers = [self._provider(archive) for archive in archives if archive in self._files]
            if providers:
                modules.insert(0, rt.create_io_parameters_module(self.instance, *providers))
            return modules
        except IREE_ERRORS as error:
            raise self.not_loadable(error) from error

    def _provider(self, archive: str) -> Any:
        """What gives modules the entries of an archive, which all of them map from one file."""
        data, entries = self._files.archive(archive)
        handle = rt.FileHandle.wrap_memory(data)  # pyright: ignore[reportAttributeAccessIssue]
        index = rt.ParameterIndex()
        for key, (offset, length) in entries.items():
            index.add_from_file_handle(key, handle, length, offset)  # pyright: ignore[reportCallIssue]
        return index.create_provider(scope=SCOPES[archive])

    def not_loadable(self, error: Exception, region: str | None = None) -> BundleProblem:
        what = f"{self._files.path}: region {region}" if region else str(self._files.path)
        return BundleProblem(f"{what} cannot be loaded on {self.uri}: {error}")

    def lose_threads(self) -> None:
        """In a child process: have no pool of threads any more, nor open one.

        IREE ends a device by waiting for its threads, and each has at least one, for events. The child has none of
        them and would wait for ever, so that its devices are never to end.
        """
        if self._pool is not None:
            self._pool.lose_threads()
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(self._device))
        self.threads, self._pool = 1, None

    def pool(self) -> _Device | None:
        """The same cores as a pool of threads, opened when a region first needs it; None where there is one thread.

        Tensors of the one are tensors of the other: both are memory of this process.
        """
        if self._pool is None and self.threads > 1:
            try:
                device = _open_pool(self.threads)
                self._pool = _Device(self._files, self.instance, self.target, POOL_DEVICE, device)
            except (BundleProblem, *IREE_ERRORS) as error:
                warnings.warn(f"no pool of {self.threads} threads, so all runs on one: {error}", RuntimeWarning, 2)
                self.threads = 1
        return self._pool

    @property
    def is_pool(self) -> bool:
        """Whether this itself is a pool of threads."""
        return self.uri.partition(":")[0] == POOL_DEVICE

    def module(self, vmfb: str) -> rt.VmModule:
        """The VM module of a file."""
        data = self._files.vmfb(vmfb)
        make = rt.VmModule.copy_buffer if isinstance(data, bytes) else rt.VmModule.wrap_buffer
        return make(self.instance, data)

    def upload(self, array: np.ndarray, dtype: str) -> rt.HalBufferView:
        """A copy of an array's bytes on the device, as a tensor of its shape and the MLIR type `dtype`."""
        numpy_type, element_type = DTYPES[self._as_computed(dtype)]
        array = np.asarray(array, numpy_type, order="C")
        if dtype == "bf16":
            array = array.view(np.int16)  # A bfloat16 array has no buffer protocol.
        view: Any = self._allocator.allocate_buffer_copy(_MEMORY, self._usage, self._device, array, element_type)
        return view

    def read(self, view: rt.HalBufferView, dtype: str) -> np.ndarray:
        """A device tensor as an array, whose memory may be the device's, of the dtype that the device computes in."""
        held = self._as_computed(dtype)
        mapped: Any = view.map() if self._is_mappable else self._copy_to_host(view.get_buffer()).map()
        # A buffer of another length than the type has is an error of numpy's; `asarray` would read beyond its end.
        return np.frombuffer(mapped, DTYPES[held][0]).reshape(view.shape)

    def download(self, view: rt.HalBufferView, dtype: str) -> np.ndarray:
        """A copy of a device tensor as a numpy array of its own memory."""
        return np.array(self.read(view, dtype), DTYPES[dtype][0])

    def _as_computed(self, dtype: str) -> str:
        """The type of the device's tensors for the program's `dtype`: f32 for f64 where that was asked for."""
        return "f32" if dtype == "f64" and self.target["demotes_f64"] else dtype

    def _copy_to_host(self, source: rt.HalBuffer) -> rt.HalBuffer:
        """The contents of a buffer that the host cannot see."""
        copy = self._allocator.allocate_buffer(
            memory_type=_STAGING_MEMORY, allowed_usage=_STAGING_USAGE, allocation_size=source.byte_length()
        )
        done = self._device.create_semaphore(0)
        before, after = rt.HalFence.create_at(done, 0), rt.HalFence.create_at(done, 1)
        self._device.queue_copy(source, copy, wait_semaphores=before, signal_semaphores=after)
        after.wait()
        return copy

    def unread(self, type_: str) -> Any:
        """Any value, for an argument that is poison on this path (None in the host): nothing reads it."""
        if type_ in _PUSH:
            return 0
        dtype, shape = parse_type(type_[len("tensor<") : -1])
        return self.upload(np.zeros([1 if size is None else size for size in shape], DTYPES[dtype][0]), dtype)


class Session:
    """A bundle's regions on a HAL device, or each on its own of several.

    Each VMFB is loaded into a context of its own, so that it can be loaded when a region of it is first called, and
    dropped. Most hold one region; those with the same code share one.
    Calls may run in several threads at a time: what a call needs is its own, and regions keep no state.
    Nothing that a session has refers to it but weakly: with the last reference from outside its devices are closed and
    its memory is free. Python's collector of cycles may not run for long, and on a GPU it is not Python's memory.

    Attributes:
        regions: what `main` of host.py gets.
        target: the manifest's entry of the target that was loaded; of several, the home, where inputs and outputs are.
        manifest: the bundle's manifest.
        forks: how often the process was forked; a child has one thread only, and has to `link` again.
    """

    def __init__(
        self,
        files: BundleFiles,
        device: str | None = None,
        *,
        threads: int | None = None,
        loading: str = "lazy",
        memory_budget: int | None = None,
    ) -> None:
        """Load the regions of a bundle that has been checked.

        Args:
            files: the bundle.
            device: a HAL device: "local-sync" (the CPU), "local-task" (the CPU, with every region on the pool of
                threads, also those that are slower for it), "vulkan", "cuda", or a URI of IREE's with one of these as
                its driver; None for what the bundle was compiled for and this machine has: see `pick_target`. For a
                program that runs on several devices, one or more of them joined by commas: see `pick_devices`.
            threads: how many threads regions on a CPU may have. Those that are faster for it get them, others run in
                the calling thread: see `_Trial`, and for the VM host `link`. None: as many as there are cores for
                this process, but 1 where `device` is given.
            loading: "lazy" loads a VMFB when a region of it is first called, "eager" all of them here, "background" all
                of them in a thread that this starts.
            memory_budget: how many bytes of VMFBs and weights may be loaded at a time; those that were not called for
                longest are dropped. One that is larger by itself is loaded all the same.

        Raises:
            BundleProblem: where this machine has no such device, or cannot run the bundle.
            ValueError: for an unknown way of loading, or no thread.
        """
        if threads is not None and threads < 1:
            raise ValueError(f"threads is {threads}; expected 1 or more, or None for all cores")
        if loading not in LOADING:
            raise ValueError(f"loading is {loading!r}; expected one of {', '.join(LOADING)}")
        if memory_budget is not None and loading == "background":
            raise ValueError("loading in the background and a memory budget exclude each other")
        picked = pick_devices(files.path, files.manifest, device)
        self._files = files
        self._instance = rt.VmInstance()
        if threads is None:
            threads = len(usable_cores()) if device is None else 1
        self._devices = {
            # Of several targets each has a device of its own, though it may be the same piece of hardware.
            target["folder"]: _Device(
                files,
                self._instance,
                target,
                uri,
                _open_pool(threads) if uri == POOL_DEVICE and threads > 1 else _open_device(uri, own=len(picked) > 1),
                threads if uri == DEFAULT_DEVICE else 1,
            )
            for target, uri in picked
        }
        self._home = self._devices[picked[0][0]["folder"]]
        self.manifest = files.manifest
        self.target = self._home.target
        self.upload, self.download = self._home.upload, self._home.download
        self.forks = 0
        self._lock = threading.RLock()
        self._trials: dict[str, _Trial] = {}
        self.regions = Regions(self)
        self._weights = _MappedWeights(files)
        self._cache = _Cache(files, self._weights, memory_budget) if memory_budget is not None else None
        self._described = {region["name"]: region for region in files.manifest["program"]["regions"]}
        self._sharing: dict[str, list[dict[str, Any]]] = {}  # the regions of each VMFB
        for region in self._described.values():
            vmfb = self._vmfb(region)
            if vmfb not in files:
                raise BundleProblem(f"{files.path} is not a whole bundle: its manifest has no {vmfb}")
            self._sharing.setdefault(vmfb, []).append(region)
            self._drop(region)
        _process().sessions.add(self)
        if loading == "eager":
            self._load_all(self._described.values())
        elif loading == "background":
            threading.Thread(target=self._load_all, args=(self._described.values(), True), daemon=True).start()

    @property
    def loaded(self) -> tuple[str, ...]:
        """The names of the regions that are loaded now."""
        with self._lock:
            return tuple(name for name, call in vars(self.regions).items() if getattr(call, "is_loaded", False))

    @property
    def threaded(self) -> tuple[str, ...]:
        """The names of the regions that run on several threads now."""
        with self._lock:
            return tuple(name for name, trial in self._trials.items() if trial.on_pool)

    def lose_threads(self) -> None:
        """In a child process: regions on the pool of threads, which the child has not, are loaded again on one."""
        self._lock = threading.RLock()  # Another thread of the parent may have held it.
        self.forks += 1
        for device in self._devices.values():
            device.lose_threads()
        for name in list(self._trials):
            self._drop(self._described[name])

    def device_of(self, region: dict[str, Any]) -> _Device:
        """The device that runs a region of the manifest."""
        return self._devices[region["affinity"]] if "affinity" in region else self._home

    def device(self, name: str) -> _Device:
        """The device with the name that host.py gives it: its target's folder."""
        return self._devices[name]

    def _vmfb(self, region: dict[str, Any]) -> str:
        return region_file(region, self.device_of(region).target["folder"])

    def link(self, name: str) -> tuple[Callable[..., None], rt.VmModule]:
        """A module of the bundle, in a context with all regions, which it may call, and what calls its functions.

        The files of regions that `pays_for_threads` are on the pool of threads, if there is one: which of them are
        faster for it cannot be measured between the calls of a host that is no Python.

        Raises:
            BundleProblem: where the bundle has no such module, or it cannot be loaded.
        """
        if name not in self._files:
            raise BundleProblem(f"{self._files.path} has no host as a VM module, {name}; compile it again")
        linked: list[rt.VmModule] = []
        has_pool = any(device.is_pool for device in self._devices.values())
        try:
            # A module is linked to the last HAL before it: of a program on several devices, to that of its own device.
            for device in sorted(self._devices.values(), key=lambda device: device is self._home):
                vmfbs = self._vmfbs_on(device)
                large = [vmfb for vmfb in vmfbs if self._pays_for_threads(device, vmfb)]
                if large and (pool := device.pool()) is not None:
                    has_pool = True
                    linked += [*pool.modules, *(pool.module(vmfb) for vmfb in large)]
                    vmfbs = [vmfb for vmfb in vmfbs if vmfb not in large]
                linked += self._home.shared_modules(PARAMETERS, STATE) if device is self._home else device.modules
                linked += [device.module(vmfb) for vmfb in vmfbs]
            linked.append(self._home.module(name))
            context = rt.VmContext(self._instance, linked)
        except IREE_ERRORS as error:
            uris = ",".join(device.uri for device in self._devices.values())
            raise BundleProblem(f"{self._files.path}: {name} cannot be loaded on {uris}: {error}") from error
        for region in self._described.values():
            self._hand_back(region)
        return _patient(context.invoke) if has_pool else context.invoke, linked[-1]

    def _vmfbs_on(self, device: _Device) -> list[str]:
        """The files that the VM host needs on a device."""
        vmfbs = [vmfb for vmfb, regions in self._sharing.items() if self.device_of(regions[0]) is device]
        return [*vmfbs, device_file(device.target)] if len(self._devices) > 1 else vmfbs

    def _pays_for_threads(self, device: _Device, vmfb: str) -> bool:
        return any(pays_for_threads(region, device.target) for region in self._sharing.get(vmfb, ()))

    def _hand_back(self, region: dict[str, Any]) -> None:
        """Of the weights that a region packed into memory of its own, the file's pages are not needed any more."""
        self._weights.release(self._weights.of(region))

    def _load_all(self, regions: Iterable[dict[str, Any]], quietly: bool = False) -> None:
        try:
            for region in regions:
                self._load(region)
        except Exception:
            if not quietly:  # In a thread nobody hears it; the call that needs the region fails likewise.
                raise

    def load(self, name: str) -> Callable[..., Any]:
        """The callable of a region, which is loaded unless it is.

        Raises:
            BundleProblem: where it cannot be loaded.
        """
        return self._load(self._described[name])

    def _load(self, region: dict[str, Any]) -> Callable[..., Any]:
        """Load a region and those of its VMFB, unless it is: its callable. Each then is an attribute of `regions`."""
        name = region["name"]
        with self._lock:
            known = getattr(self.regions, name)
            if known.is_loaded:
                return known
            device, vmfb = self.device_of(region), self._vmfb(region)
            loaded = self._sharing[vmfb]
            calls = self._bind_all(device, vmfb, name)
            for other in loaded:
                self._hand_back(other)
            if self._cache is not None:
                for dropped in self._cache.admit(vmfb, loaded):
                    self._drop(dropped)
            for other, call in calls.items():
                self._put(other, vmfb, self._try_threads(other, vmfb, call) if device.threads > 1 else call)
            return getattr(self.regions, name)

    def _put(self, name: str, vmfb: str, call: Any) -> None:
        """Make a callable that of a loaded region, for the host."""
        call = call if self._cache is None else self._cache.noting_use(vmfb, call)
        call.is_loaded = True
        setattr(self.regions, name, call)

    def _try_threads(self, name: str, vmfb: str, one: Callable[..., Any]) -> _Trial:
        """A region's callable that finds out whether it is faster on the pool of threads."""
        region = self._described[name]
        device = self.device_of(region)
        session: Session = weakref.proxy(self)

        def load() -> Callable[..., Any] | None:
            pool = device.pool()
            return None if pool is None else session._bind_all(pool, vmfb, name)[name]

        def settle(trial: _Trial, call: Callable[..., Any]) -> None:
            with session._lock:
                if session._trials.get(name) is trial:  # It was not dropped meanwhile.
                    session._put(name, vmfb, call)

        trial = self._trials[name] = _Trial(region, one, load, settle)
        return trial

    def _drop(self, region: dict[str, Any]) -> None:
        """Forget a region, or begin without it; the next call loads it."""
        session: Session = weakref.proxy(self)

        def first_call(*values: Any) -> Any:
            return session._load(region)(*values)

        call: Any = first_call
        call.is_loaded = False
        self._trials.pop(region["name"], None)
        setattr(self.regions, region["name"], call)

    def raised(self, signature: dict[str, Any], outputs: Sequence[rt.HalBufferView]) -> Exception | None:
        """What the program's outputs say that it raises, if anything."""
        code = self.download(outputs[-1], "i64").item()
        if not code:
            return None
        first = -1 - signature["exception_values"]
        specs = signature["outputs"][first:-1]
        values = [self.download(v, s["dtype"]).item() for v, s in zip(outputs[first:-1], specs, strict=True)]
        return exception_of(signature["exceptions"][code - 1], values)

    def _bind_all(self, device: _Device, vmfb: str, asked: str) -> dict[str, Callable[..., Any]]:
        """The callables of a file's regions on a device, in a context of their own; one of them is asked for."""
        try:
            module = device.module(vmfb)
            context = rt.VmContext(self._instance, [*device.modules, module])
        except IREE_ERRORS as error:
            raise device.not_loadable(error, asked) from error
        return {region["name"]: self._bind(region, device, context, module) for region in self._sharing[vmfb]}

    def _bind(
        self, region: dict[str, Any], device: _Device, context: rt.VmContext, module: rt.VmModule
    ) -> Callable[..., Any]:
        """The callable of a region, with everything looked up that does not change from call to call."""
        name = region["name"]
        function = module.lookup_function(region["function"])
        if function is None:
            raise BundleProblem(f"region {name} is damaged: it has no function {region['function']}")
        inputs = region["inputs"]
        names: dict[str, Any] = {
            "invoke": _patient(context.invoke) if device.is_pool else context.invoke,
            "function": function,
            "unread": lambda i: device.unread(inputs[i]),
            "problem": lambda error: problem_of(f"region {name}", error),
            **_CALL_NAMES,
        }
        exec(_call_source(inputs, region["results"]), names)
        call = names.pop("call")  # These are its globals: a cycle would keep a dropped region in memory.
        call.__name__ = name
        return call


def problem_of(what: str, error: Exception) -> RegionProblem:
    """The problem that IREE reports of a region, or of the host program."""
    _, is_assertion, message = str(error).partition(_ASSERTION)
    if is_assertion:
        return SizeProblem(f"{message.rstrip('; ')} ({what})")
    shape = re.search(r"shape dimension \d+ mismatch; expected (\d+) but have (\d+)", str(error))
    if shape is not None:
        return SizeProblem(f"sizes that depend on tensor values do not agree: {shape[1]} and {shape[2]} ({what})")
    return RegionProblem(f"{what} failed: {error}")


class _MappedWeights:
    """Where the weights are in a bundle's file of them; there are none where the VMFBs hold them."""

    def __init__(self, files: BundleFiles) -> None:
        self._files = files
        self._ranges = files.archive(PARAMETERS)[1] if PARAMETERS in files else {}

    def of(self, region: dict[str, Any]) -> set[str]:
        """The names of a region's weights."""
        return self._ranges.keys() & region["parameters"]

    def bytes(self, keys: Iterable[str]) -> int:
        return sum(self._ranges[key][1] for key in keys)

    def release(self, keys: Iterable[str]) -> None:
        """Takes weights out of memory; who reads them again gets them from the file."""
        for key in keys:
            self._files.release(PARAMETERS, *self._ranges[key])


class _Held:
    """A VMFB that is loaded: its regions, and when one of them was last called, as a number that only grows."""

    def __init__(self, regions: list[dict[str, Any]], used: int) -> None:
        self.regions = regions
        self.used = used


class _Cache:
    """Which VMFBs are loaded, within a budget of bytes, and when a region of each was last called.

    It is asked under the session's lock. Calls, which take no lock, write only when something was used.
    """

    def __init__(self, files: BundleFiles, weights: _MappedWeights, budget: int) -> None:
        self._files = files
        self._weights = weights
        self._budget = budget
        self._held: dict[str, _Held] = {}
        self._clock = itertools.count()

    def admit(self, vmfb: str, regions: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Note that a VMFB is loaded with its regions; gives the regions that have to be dropped."""
        dropped: list[dict[str, Any]] = []
        self._held[vmfb] = _Held(regions, next(self._clock))
        while len(self._held) > 1 and self._bytes() > self._budget:
            others = [name for name in self._held if name != vmfb]  # A thread may call one of them right now.
            dropped += self._held.pop(min(others, key=lambda name: self._held[name].used)).regions
        self._weights.release({key for other in dropped for key in self._weights.of(other)} - self._keys())
        return dropped

    def noting_use(self, vmfb: str, call: Callable[..., Any]) -> Callable[..., Any]:
        """A region's callable that notes for its VMFB that it is called."""
        held, clock = self._held[vmfb], self._clock

        def noted(*values: Any) -> Any:
            held.used = next(clock)
            return call(*values)

        return noted

    def _keys(self) -> set[str]:
        return {key for held in self._held.values() for region in held.regions for key in self._weights.of(region)}

    def _bytes(self) -> int:
        vmfbs = sum(map(self._files.size, self._held))
        return vmfbs + self._weights.bytes(self._keys())


class Regions:
    """The regions as attributes, each callable with device tensors and Python scalars."""

    def __init__(self, session: Session) -> None:
        """Those of a session, which has to outlive them."""
        self._session: Session = weakref.proxy(session)
        self._constants: dict[tuple[int, str | None], tuple[np.ndarray, rt.HalBufferView]] = {}

    def constant(self, array: np.ndarray, device: str | None = None) -> rt.HalBufferView:
        """A constant of the host on a device, or at home; the same array gives the same tensor."""
        held = self._constants.get((id(array), device))
        if held is None:
            upload = self._session.upload if device is None else self._session.device(device).upload
            # The array is held as well, so that its id is not given to another one.
            held = (array, upload(array, NAMES[array.dtype]))
            self._constants[id(array), device] = held
        return held[1]

    def transfer(
        self, tensor: rt.HalBufferView | None, source: str, destination: str, dtype: str
    ) -> rt.HalBufferView | None:
        """A copy of a tensor of the MLIR type `dtype` on another device, through the host's memory.

        IREE's devices know nothing of each other's memory. A value that no path reads (None) stays none.
        """
        if tensor is None:
            return None
        array = self._session.device(source).read(tensor, dtype)
        return self._session.device(destination).upload(array, dtype)


def recorder() -> tuple[list[Decision], Callable[[int, Any], Any]]:
    """A list, and the `decide` that fills it: one (predicate, decision) for each that the control flow takes.

    A decision is what was decided: a bool, the index of a switch, or the trip count of a counted loop.
    """
    decisions: list[Decision] = []
    append = decisions.append

    def decide(predicate: int, value: Any) -> Any:
        append((predicate, len(value) if type(value) is range else value))
        return value

    return decisions, decide


def check_exceptions(entries: Sequence[Sequence[Any]]) -> None:
    """Checks that a signature's `exceptions` are some.

    Raises:
        BundleProblem: there is no such exception.
    """
    for name, *_ in entries:
        _exception_class(name)


_USERS_EXCEPTION = re.compile(r"([\w.]+):([\w.<>]+)\((\w+)\)")


def _exception_class(name: str) -> type[Exception]:
    """The class of a built-in's name, or of "module:qualname(BUILTIN)", which names one that derives from a built-in.

    Where that module is not loaded here, or has no such class, a new class of that name stands for it. Nothing is
    imported: the name may be a stranger's.
    """
    users = _USERS_EXCEPTION.fullmatch(name)
    base = getattr(builtins, users[3] if users else name, None)
    if not (isinstance(base, type) and issubclass(base, Exception)):
        raise BundleProblem(f"the bundle is damaged: its program raises {name!r}, which is no exception")
    if users is None:
        return base
    found: Any = sys.modules.get(users[1])
    for part in users[2].split("."):
        found = getattr(found, part, None)
    if isinstance(found, type) and issubclass(found, base):
        return found
    return type(users[2].rpartition(".")[2], (base,), {"__module__": users[1], "__qualname__": users[2]})


def exception_of(entry: Sequence[Any], values: Sequence[Any]) -> Exception:
    """The exception that an entry of a signature's `exceptions` stands for: the name of a class, and its arguments.
    The `__init__` of a class of the user's is not run.

    Args:
        entry: the name and the arguments, as the signature has them.
        values: the program's exception values.
    """
    cls = _exception_class(entry[0])
    arguments = [_argument(argument, values) for argument in entry[1:]]
    return cls.__new__(cls, *arguments) if _USERS_EXCEPTION.fullmatch(entry[0]) else cls(*arguments)


def _argument(argument: Any, values: Sequence[Any]) -> Any:
    """An argument of an exception: a constant, a number that the program computed, or text with some in it."""
    if not isinstance(argument, dict):
        return argument
    if "text" in argument:
        return "".join(piece if isinstance(piece, str) else _formatted(piece, values) for piece in argument["text"])
    return {"bool": bool, "int": int, "float": float}[argument["type"]](values[argument["value"]])


def _formatted(piece: dict[str, Any], values: Sequence[Any]) -> str:
    value = _argument(piece, values)
    converted = {"r": repr, "s": str}.get(piece["conversion"], lambda v: v)(value)
    return format(converted, piece["spec"])


def taken_outputs(structure: dict[str, Any], tag_of: Callable[[int], int]) -> list[int]:
    """The flat outputs that a result is made of: not those of alternatives that this call did not take.

    Args:
        structure: the "output_structure" of a manifest's signature, or a part of it.
        tag_of: gives the value of a flat output that says which alternative of a choice is taken.
    """
    kind, items = structure["kind"], structure.get("items", [])
    if kind in ("tensor", "number"):
        return [structure["index"]]
    if kind == "choice":
        items = [items[tag_of(structure["index"])]]
    return [index for item in items for index in taken_outputs(item, tag_of)]


def _open_device(uri: str, own: bool) -> rt.HalDevice:
    try:
        return rt.get_device(uri, cache=not own)
    except (ValueError, RuntimeError) as error:
        known = ", ".join(rt.query_available_drivers())
        raise BundleProblem(f"there is no device {uri!r} here: {error}; drivers: {known}") from error


# How a value of each scalar type enters and leaves the VM in the source of a call; all else is a tensor.
_PUSH = {
    **dict.fromkeys(("i1", "i8", "i16", "i32", "i64", "index"), "push_int"),
    **dict.fromkeys(("f32", "f64"), "push_float"),
}
_READ = {**dict.fromkeys(_PUSH, "get_variant(results, {})"), "i1": "bool(get_variant(results, {}))"}
_CALL_NAMES = {
    "Variants": rt.VmVariantList,
    "View": rt.HalBufferView,
    "errors": IREE_ERRORS,
    **{
        name: getattr(rt.VmVariantList, name)
        for name in ("push_int", "push_float", "push_ref", "get_variant", "get_as_object")
    },
}


def _call_source(inputs: Sequence[str], results: Sequence[str]) -> str:
    """The text of a region's `call`, for its types: one line for each value. Several results are a tuple.

    A loop over them, with a function for each, takes 2 us more on a Zen 3 core, where all else of a call that computes
    nothing takes 5. No text of the manifest is in it. Values that are None are poison on this path.
    """
    pushes = [
        f"    {_PUSH.get(type_, 'push_ref')}(arguments, unread({i}) if v{i} is None else v{i})\n"
        for i, type_ in enumerate(inputs)
    ]
    reads = [_READ.get(type_, "get_as_object(results, {}, View)").format(i) for i, type_ in enumerate(results)]
    given = ", ".join(f"v{i}" for i in range(len(inputs)))
    return (
        f"def call({given}):\n"
        f"    arguments, results = Variants({len(inputs)}), Variants({len(results)})\n"
        f"{''.join(pushes)}"
        "    try:\n"
        "        invoke(function, arguments, results)\n"
        "    except errors as error:\n"
        "        raise problem(error) from error\n"
        f"    return ({', '.join(reads)})\n"
    )


# ---- types and inputs --------------------------------------------------------------------------------------


def parse_type(text: str) -> tuple[str, tuple[int | None, ...]]:
    """The dtype and shape of `1x?x32xf32`, as MLIR writes it; `f32` alone is a scalar.

    Raises:
        ValueError: for anything else.
    """
    *sizes, dtype = text.split("x")
    if dtype == "<f32>" or (sizes and "comple" in sizes[-1]):  # The x of complex<f32> is no separator.
        dtype = f"{sizes.pop()}x{dtype}"
    if dtype not in DTYPES or not all(size == "?" or size.isdecimal() for size in sizes):
        raise ValueError(text)
    return dtype, tuple(None if size == "?" else int(size) for size in sizes)


def type_text(dtype: str, shape: Shape) -> str:
    """`1x?x32xf32`: the inverse of `parse_type`."""
    return "x".join([*("?" if size is None else str(size) for size in shape), dtype])


def fits(dtype: str, shape: Sequence[int], expected_dtype: str, expected_shape: Shape) -> bool:
    """Whether a tensor is of the expected dtype and shape; None in the expected shape takes any size."""
    if dtype != expected_dtype or len(shape) != len(expected_shape):
        return False
    pairs = zip(shape, expected_shape, strict=True)
    return shape == expected_shape or all(size is None or size == given for given, size in pairs)


def parse_input(text: str) -> np.ndarray:
    """The array of an `--input`: `@x.npy`, `-` (an npy on standard input), or `2x3xf32=0.5` / `2xi64=1,2`.

    Raises:
        InputProblem: for wrong syntax, or a file that cannot be read.
    """
    if text == "-" or text.startswith("@"):
        return _read_npy(text)
    type_, equals, values = text.partition("=")
    try:
        dtype, sizes = parse_type(type_)
        shape = [size for size in sizes if size is not None]
        if len(shape) < len(sizes) or not equals:
            raise ValueError
        items = values.replace(",", " ").split()
        if dtype == "i1":
            items = [{"true": 1, "false": 0}.get(item, item) for item in items]
        array = np.array([_number(item, dtype) for item in items], DTYPES[dtype][0])
        return np.full(shape, array[0]) if array.size == 1 else array.reshape(shape)
    except (ValueError, OverflowError):
        raise InputProblem(
            f"cannot read the input {text!r}; expected @FILE.npy, - for an npy on standard input, or "
            "TYPE=VALUES with one value for all elements or as many as there are: 1x3xf32=0.5, 2xi64=1,2"
        ) from None


def _number(item: Any, dtype: str) -> Any:
    if dtype.startswith("complex"):
        return complex(item)
    return float(item) if "f" in dtype else int(item)


def _read_npy(text: str) -> np.ndarray:
    try:
        content = sys.stdin.buffer.read() if text in ("-", "@-") else Path(text[1:]).read_bytes()
        loaded = np.load(io.BytesIO(content), allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise InputProblem(f"cannot read the input {text!r}: {error}") from error
    if not isinstance(loaded, np.ndarray):
        raise InputProblem(f"cannot read the input {text!r}: it is not an .npy file with one array")
    return loaded


def size_problem(sizes: Sequence[dict[str, Any]], names: Sequence[str], shapes: Sequence[Sequence[int]]) -> str | None:
    """What is wrong with the dynamic sizes of a call's inputs, as a message says it; None if nothing is.

    Args:
        sizes: the "sizes" of the manifest's signature.
        names: what the user calls each input.
        shapes: the shape of each input, of the rank that the program takes.
    """
    values: dict[str, int] = {}
    for size in sizes:
        name, first = size["name"], ""
        for index, dim, scale, offset in size["places"]:
            given, where = shapes[index][dim], f"dimension {dim} of {names[index]}"
            value, rest = divmod(given - offset, scale)
            if rest:
                return f"{where} is {given}; expected {scale} * {name}" + (f" + {offset}" if offset else "")
            if values.setdefault(name, value) != value:
                return f"{where} makes `{name}` {value}; {first} makes it {values[name]}"
            first = first or where
            if not size["low"] <= value <= size["high"]:
                wanted = f"{where} makes `{name}` {value}; the program takes {size['low']} to {size['high']}"
                is_empty = value == 0 and size["low"] == 1
                return wanted + ("; compiled with an example whose size is 0, it takes that" if is_empty else "")
            if value in size.get("excluded", ()):
                return f"{where} makes `{name}` {value}, which the program does not take"
    for size in sizes:
        if "equals" in size and size["name"] in values:
            other, scale, offset = size["equals"]
            value, expected = values[size["name"]], scale * values[other] + offset
            if value != expected:
                return f"`{size['name']}` is {value} where `{other}` is {values[other]}; expected {expected}"
    return None


def check_inputs(
    arrays: Sequence[np.ndarray], specs: Sequence[dict[str, Any]], sizes: Sequence[dict[str, Any]] = ()
) -> list[np.ndarray]:
    """The arrays, once each is of the dtype and shape that the program takes.

    `specs` holds the "name", "dtype" and "shape" of each input, and `sizes` the dynamic sizes, as the manifest's
    signature does.

    Raises:
        InputProblem: naming what is given and what is expected.
    """
    if len(arrays) != len(specs):
        expected = ", ".join(f"{spec['name']}: {type_text(spec['dtype'], spec['shape'])}" for spec in specs)
        raise InputProblem(f"{len(arrays)} inputs are given; expected {len(specs)}: {expected}")
    checked = []
    for array, spec in zip(arrays, specs, strict=True):
        if spec["dtype"] == "bf16" and array.dtype.kind == "V" and array.dtype.itemsize == 2:
            array = array.view(ml_dtypes.bfloat16)  # An npy file does not keep the name of this dtype.
        given = NAMES.get(array.dtype, str(array.dtype))
        if not fits(given, array.shape, spec["dtype"], spec["shape"]):
            expected = type_text(spec["dtype"], spec["shape"])
            raise InputProblem(f"input {spec['name']} is {type_text(given, array.shape)}; expected {expected}")
        checked.append(array)
    problem = size_problem(sizes, [spec["name"] for spec in specs], [array.shape for array in checked])
    if problem is not None:
        raise InputProblem(problem)
    return checked


# ---- the command line of host.py ---------------------------------------------------------------------------


def run_as_script(main: Callable[..., tuple[Any, ...]], file: str) -> None:
    """The command line of a bundle's host.py; ends the process.

    Exit status: 0; 1 for a wrong input or bundle; 2 for wrong usage; 130 when interrupted.
    """
    from bundle_reader import BundleProblem as Damaged  # pyright: ignore[reportMissingImports]
    from bundle_reader import BundleReader  # pyright: ignore[reportMissingImports]

    path = Path(file).resolve().parent
    try:
        arguments = _parse_arguments(path)
        files = BundleReader(path)
        files.check_files()
        signature = files.manifest["signature"]
        check_output_count(len(arguments.output), output_count(signature["output_structure"]))
        inputs = check_inputs(
            [parse_input(text) for text in arguments.input], signature["inputs"], signature.get("sizes", ())
        )
        budget = arguments.memory_budget
        session = Session(
            files, arguments.device, threads=arguments.threads, loading=arguments.loading, memory_budget=budget
        )
        outputs, specs = _run_once(main, session, files, signature, inputs, arguments.seed)
        check_output_count(len(arguments.output), len(specs))
        _write_outputs(outputs, arguments.output, specs)
    except (Damaged, BundleProblem, InputProblem, RegionProblem, _ProgramRaises, OSError, ValueError) as problem:
        print(f"error: {problem}", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)


def output_count(structure: dict[str, Any]) -> int | None:
    """Of how many outputs a result is made; None where that depends on the path."""
    if structure["kind"] in ("tensor", "number"):
        return 1
    counts = [output_count(item) for item in structure.get("items", [])]
    if structure["kind"] == "choice":
        return counts[0] if len(set(counts)) == 1 else None
    known = [count for count in counts if count is not None]
    return sum(known) if len(known) == len(counts) else None


def check_output_count(given: int, expected: int | None) -> None:
    """Whether there is a file for each output, or for none; None for a number that is not known.

    Raises:
        InputProblem: where there is not.
    """
    if expected is not None and given not in (0, expected):
        raise InputProblem(f"{given} --output are given; expected {expected}, or none to print")


def read_state(files: BundleFiles, specs: Sequence[dict[str, Any]], seed: int | None = None) -> list[np.ndarray]:
    """The initial values of the program's state; `seed` is of its random number generator, None for a fresh one."""
    values = _stored_state(files, specs)
    generator = seeded(fresh_seed() if seed is None else seed)
    return [generator.get(spec["name"], value) for spec, value in zip(specs, values, strict=True)]


def _stored_state(files: BundleFiles, specs: Sequence[dict[str, Any]]) -> list[np.ndarray]:
    if not specs:
        return []
    try:
        data, entries = files.archive(STATE)
        ranges = [entries[spec["name"]] for spec in specs]
        return [
            np.frombuffer(data, np.uint8, length, offset).copy().view(DTYPES[spec["dtype"]][0]).reshape(spec["shape"])
            for spec, (offset, length) in zip(specs, ranges, strict=True)
        ]
    except (KeyError, ValueError) as error:
        raise BundleProblem(
            f"{files.path} is damaged: {STATE} does not hold the program's state ({error!r})"
        ) from error


def seeded(seed: int) -> dict[str, np.ndarray]:
    """The state of a random number generator, by the names of `GENERATOR`, as `torch.manual_seed(seed)` leaves it.

    Raises:
        ValueError: for a seed that is no number of 64 bits.
    """
    if seed not in _SEEDS:
        raise ValueError(f"a seed is between -2**63 and 2**64 - 1, not {seed}")
    words = [seed & 0xFFFFFFFF]
    for i in range(1, 624):
        words.append((1812433253 * (words[-1] ^ (words[-1] >> 30)) + i) & 0xFFFFFFFF)
    state = np.array(words, np.uint32).view(np.int32), np.array(len(words), np.int64), np.zeros(3, np.int64)
    return dict(zip(GENERATOR, state, strict=True))


def fresh_seed() -> int:
    """A seed that nobody knows, as PyTorch's generator has in a new process."""
    return int.from_bytes(os.urandom(8), "little")


def _run_once(
    main: Callable[..., tuple[Any, ...]],
    session: Session,
    files: BundleFiles,
    signature: dict[str, Any],
    inputs: Sequence[np.ndarray],
    seed: int | None,
) -> tuple[list[np.ndarray], list[dict[str, Any]]]:
    """The outputs that the result is made of, and what the signature says of each."""
    arrays = [*inputs, *read_state(files, signature["state"], seed)]
    dtypes = [spec["dtype"] for spec in signature["inputs"] + signature["state"]]
    _, decide = recorder()
    uploaded = [session.upload(array, dtype) for array, dtype in zip(arrays, dtypes, strict=True)]
    flat = main(session.regions, decide, *uploaded)
    specs = signature["outputs"]
    if signature["exceptions"]:
        raised = session.raised(signature, flat[: len(specs)])
        if raised is not None:
            raise _ProgramRaises(f"{type(raised).__name__}: {raised}" if raised.args else type(raised).__name__)
    taken = taken_outputs(signature["output_structure"], lambda index: session.download(flat[index], "i64").item())
    return [session.download(flat[index], specs[index]["dtype"]) for index in taken], [specs[index] for index in taken]


def _parse_arguments(bundle: Path) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog=f"python {bundle.name}",
        description="Run this compiled program once.",
        epilog=f"example: python {bundle.name} --input @x.npy --input 1x3xf32=0.5 --output y.npy",
    )
    parser.add_argument(
        "--input", action="append", default=[], metavar="@FILE|-|TYPE=VALUES",
        help="an input, once for each, in order: @x.npy, - (npy on standard input), 1x3xf32=0.5, 2xi64=1,2",
    )  # fmt: skip
    parser.add_argument(
        "--output", action="append", default=[], metavar="FILE|-",
        help="where an output goes as .npy, once for each, in order; without any they are printed",
    )  # fmt: skip
    parser.add_argument(
        "--device",
        help="HAL device: local-sync, local-task, vulkan, cuda; several with commas (default: what fits here)",
    )
    parser.add_argument("--threads", type=int, metavar="N", help="on a CPU, for regions that pay (default: all cores)")
    parser.add_argument(
        "--loading", choices=LOADING, default="lazy", help="when regions are loaded (default: when first called)"
    )
    parser.add_argument("--seed", type=int, metavar="N", help="what random numbers are drawn by (default: a fresh one)")
    parser.add_argument("--memory-budget", type=int, metavar="BYTES", help="drop the regions not called for longest")
    return parser.parse_args()


def _write_outputs(outputs: Sequence[np.ndarray], files: Sequence[str], specs: Sequence[dict[str, Any]]) -> None:
    if not files:
        for array, spec in zip(outputs, specs, strict=True):
            print(f"{spec['name']}: {type_text(spec['dtype'], array.shape)}\n{array}")
        return
    for array, file in zip(outputs, files, strict=True):
        content = io.BytesIO()
        np.save(content, array, allow_pickle=False)
        if file == "-":
            sys.stdout.buffer.write(content.getvalue())
        else:
            Path(file).write_bytes(content.getvalue())
