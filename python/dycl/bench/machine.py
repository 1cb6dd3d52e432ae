# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The machine that is measured on: its processor, its load, and the limits of a core in the same sitting.

A figure in GFLOP/s says little by itself. Beside the most that the core can do, measured at about the same time (others
share the machine, and clocks change), it says what is left to gain.
"""

from __future__ import annotations

import contextlib
import functools
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from dycl.runtime.host_runtime import usable_cores

FMA = "FMA"
MATMUL = "matmul"

_PEAK = {FMA: "FMA peak", MATMUL: "best matmul of NumPy here, a lower bound of the FMA peak (no C compiler)"}
_CACHES = Path("/sys/devices/system/cpu/cpu0/cache")
_LARGEST_BYTES = 1 << 30

# Where there is no C compiler. Both are less than the limit: OpenBLAS comes near the peak, and a dot product near the
# bandwidth. In a process of its own, since NumPy's threads are counted when it is imported.
_BY_NUMPY = """
import json, sys, time
import numpy as np
def best(call, n):
    def seconds():
        start = time.perf_counter()
        call()
        return time.perf_counter() - start
    return min(seconds() for _ in range(n))
a, b = np.ones((768, 768), np.float32), np.ones((768, 768), np.float32)
out = np.empty_like(a)
times = sorted(1e-9 * 2 * 768**3 / best(lambda: np.matmul(a, b, out=out), 1) for _ in range(100))
def gbps(n_bytes, n):
    data = np.ones(n_bytes // 4, np.float32)
    return 1e-9 * data.nbytes / best(lambda: np.dot(data, data), n)
print(json.dumps({"gflops": times[-1], "median_gflops": times[50], "l2_gbps": gbps(int(sys.argv[1]), 500),
                  "memory_gbps": gbps(int(sys.argv[2]), 5), "vector_bits": 0}))
"""


@dataclass(frozen=True)
class Limits:
    """What cores can do at most.

    Attributes:
        how: "FMA" where a loop of vector FMAs was measured, "matmul" where no C compiler is here and NumPy's matrix
            product stands in, which is less.
        gflops: f32 operations, an FMA as two, in the best of bursts of half a millisecond.
        median_gflops: in the median of the bursts: how steady the machine is.
        l2_gbps: reading half of the L2 cache again and again.
        memory_gbps: reading more than all caches hold.
        vector_bits: of the vectors used; 0 for matmul.
        cores: of how many cores, all at work, this is the sum.
    """

    how: str
    gflops: float
    median_gflops: float
    l2_gbps: float
    memory_gbps: float
    vector_bits: int
    cores: int = 1

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @staticmethod
    def from_json(data: Mapping[str, Any]) -> Limits:
        return Limits(**data)

    def __str__(self) -> str:
        return (
            f"{_PEAK[self.how]} {self.gflops:.0f} GFLOP/s (median of bursts {self.median_gflops:.0f}), reads "
            f"{self.memory_gbps:.0f} GB/s from memory and {self.l2_gbps:.0f} from L2"
            + (f", {self.cores} cores together" if self.cores > 1 else "")
        )


def measure_limits(cores: int = 1) -> Limits:
    """The limits of as many cores at work at a time; about half a second, or two where there is no C compiler."""
    with tempfile.TemporaryDirectory() as folder:
        program = _compiled(Path(folder))
        how = FMA if program else MATMUL
        command = [str(program)] if program else [sys.executable, "-c", _BY_NUMPY]
        command += [str(cache_bytes(2) // 2), str(_memory_bytes())]
        one_thread = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
        running = [
            subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={**os.environ, **one_thread})
            for _ in range(cores)
        ]
        found: list[dict[str, float]] = [json.loads(process.communicate()[0]) for process in running]

    def total(key: str) -> float:
        return sum(numbers[key] for numbers in found)

    return Limits(
        how,
        total("gflops"),
        total("median_gflops"),
        total("l2_gbps"),
        total("memory_gbps"),
        int(found[0]["vector_bits"]),
        cores,
    )


def processor() -> str:
    """The processor's name, as Linux has it."""
    names = ("model name", "Model Name", "uarch")  # of x86; of some Arm; of RISC-V
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            key, _, value = line.partition(":")
            if key.strip() in names:
                return value.strip()
    return _lscpu().get("Model name") or platform.processor() or "CPU unknown"


def describe() -> dict[str, Any]:
    """The processor, its architecture and family, how many cores this process may use, and the machine's load now."""
    known = _lscpu()
    return {
        "processor": processor(),
        "architecture": platform.machine(),
        "model": " ".join(known.get(key, "-") for key in ("CPU family", "Model", "Stepping")),
        "cores": len(usable_cores()),
        "l2_bytes": cache_bytes(2),
        "load": round(os.getloadavg()[0], 2),
    }


def cache_bytes(level: int) -> int:
    """The size of a core's data cache; where the system does not say, that of a small one."""
    for index in sorted(_CACHES.glob("index*")):
        with contextlib.suppress(OSError, ValueError):
            kind = (index / "type").read_text().strip()
            if int((index / "level").read_text()) == level and kind != "Instruction":
                size = (index / "size").read_text().strip()
                return int(size.rstrip("KM")) << {"K": 10, "M": 20}.get(size[-1], 0)
    return {1: 32 << 10, 2: 256 << 10}.get(level, 0)


def _memory_bytes() -> int:
    """As many bytes as no cache holds, of a quarter of the machine's memory."""
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return min(max(4 * cache_bytes(3), 128 << 20), _LARGEST_BYTES, total // 4)


def _compiled(folder: Path) -> Path | None:
    """peak.c as a program; None where no C compiler here makes one for this very machine."""
    compiler = shutil.which(os.environ.get("CC") or "cc")
    if compiler is None:
        return None
    program = folder / "peak"
    source = Path(__file__).with_name("peak.c")
    # GCC for Arm before 2017 and Clang for Arm know `-mcpu=native` only.
    for flag in ("-march=native", "-mcpu=native"):
        command = [compiler, "-O3", flag, str(source), "-o", str(program)]
        if subprocess.run(command, capture_output=True, check=False).returncode == 0:
            return program
    return None


@functools.cache
def _lscpu() -> dict[str, str]:
    if shutil.which("lscpu") is None:
        return {}
    text = subprocess.run(["lscpu"], capture_output=True, text=True, check=False, env={**os.environ, "LC_ALL": "C"})
    pairs = (line.partition(":") for line in text.stdout.splitlines())
    return {key.strip(): value.strip() for key, _, value in pairs}
