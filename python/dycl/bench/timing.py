# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Timing several things side by side, and what their samples and a region's work come to.

What is compared takes turns, A B A B, so that what else happens on the machine happens to all. A turn is a few calls of
one of them: the first finds caches that the others filled, as in an application that does other things between calls;
the rest find their own data again, as in a loop. Both are kept, and said apart.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from dycl.bench.machine import Limits

Turn = Callable[[], list[float]]
"""Takes a turn, and gives the milliseconds of each of its calls."""

Turns = Sequence[Sequence[float]]
"""The milliseconds of all calls, by turn."""


def turn_of(
    call: Callable[..., object],
    prepare: Callable[[], Sequence[Any]] = tuple,
    *,
    at_least: int = 3,
    at_most: int = 50,
    turn_ms: float = 20.0,
) -> Turn:
    """Turns of a call.

    Args:
        call: what is timed.
        prepare: gives its arguments anew for each call; not timed.
        at_least: calls in a turn.
        at_most: calls in a turn.
        turn_ms: after how long a turn that has enough calls ends.
    """

    def turn() -> list[float]:
        samples: list[float] = []
        total = 0.0
        while len(samples) < at_least or (total < turn_ms and len(samples) < at_most):
            arguments = prepare()
            start = time.perf_counter()
            call(*arguments)
            samples.append(1e3 * (time.perf_counter() - start))
            total += samples[-1]
        return samples

    return turn


def take_turns(
    turns: Mapping[str, Turn], *, seconds: float, at_least: int = 3, at_most: int = 1000, pause_s: float = 0.0
) -> dict[str, list[list[float]]]:
    """The samples of each by turn, in milliseconds rounded to 0.1 µs.

    Args:
        turns: what is compared.
        seconds: after how long no new round begins.
        at_least: rounds, however long they take.
        at_most: rounds, however quick they are.
        pause_s: sleep before each turn, for threads of the last one that wait actively to go to sleep.
    """
    samples: dict[str, list[list[float]]] = {name: [] for name in turns}
    start, rounds = time.perf_counter(), 0
    while rounds < at_least or (rounds < at_most and time.perf_counter() - start < seconds):
        for name, turn in turns.items():
            if pause_s:
                time.sleep(pause_s)
            samples[name].append([round(ms, 4) for ms in turn()])
        rounds += 1
    return samples


def warm(turns: Turns) -> list[float]:
    """The calls that found their own data in the caches: all of a turn but its first, where it has more."""
    return [ms for turn in turns for ms in (turn[1:] or turn)]


def cold(turns: Turns) -> list[float]:
    """The first call of each turn."""
    return [turn[0] for turn in turns if turn]


def summary(turns: Turns) -> dict[str, float | int]:
    """Median, 5th and 95th percentile and number of the warm calls, and the median of the cold ones; milliseconds."""
    samples = sorted(warm(turns))
    return {
        "median_ms": statistics.median(samples),
        "p5_ms": percentile(samples, 5),
        "p95_ms": percentile(samples, 95),
        "cold_median_ms": statistics.median(cold(turns)),
        "calls": len(samples),
    }


def percentile(ordered: Sequence[float], percent: float) -> float:
    """Of numbers in ascending order, interpolated between two."""
    place = (len(ordered) - 1) * percent / 100
    low = int(place)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (place - low)


def rates(ms: float, flops: int, n_bytes: int, limits: Limits | None) -> dict[str, float | None]:
    """What a call that takes `ms` does a second: `gflops`, `percent_of_peak`, `gbps`.

    None where nothing is known: no time, or no limits.
    """
    if ms <= 0:
        return {"gflops": None, "percent_of_peak": None, "gbps": None}
    gflops = flops / ms / 1e6
    return {
        "gflops": gflops,
        "percent_of_peak": 100 * gflops / limits.gflops if limits and limits.gflops > 0 else None,
        "gbps": n_bytes / ms / 1e6,
    }


def geometric_mean(numbers: Sequence[float]) -> float | None:
    """None of none."""
    return statistics.geometric_mean(numbers) if numbers else None
