# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""What the calls of a program did: its regions, the copies between devices, its decisions, and how long each took."""

from __future__ import annotations

import math
import threading
import time
from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from dycl.runtime.host_runtime import DTYPES
from dycl.text_table import text_table

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from dycl.errors import SourceLocation
    from dycl.runtime.graph import Decision, Region


@dataclass(frozen=True)
class RegionProfile:
    """The calls of a region.

    Attributes:
        name: the region's name.
        target: what it runs on.
        location: where in the user's source it begins; None where that is not known.
        calls: how many of its calls returned.
        total_ms: how long they took, from the host's call to its return.
        loading_ms: how long it took to load it, where that happened in a call.
    """

    name: str
    target: str
    location: SourceLocation | None
    calls: int = 0
    total_ms: float = 0.0
    loading_ms: float = 0.0

    @property
    def mean_ms(self) -> float:
        return self.total_ms / self.calls if self.calls else 0.0


@dataclass(frozen=True)
class TransferProfile:
    """The copies from one target's device to another's.

    Attributes:
        source: the target that had the tensors.
        destination: the target that got them.
        count: how many tensors were copied.
        bytes: how much they held.
        total_ms: how long that took.
    """

    source: str
    destination: str
    count: int = 0
    bytes: int = 0
    total_ms: float = 0.0


@dataclass
class _Sums:
    """What has been counted so far, under a lock: calls of a program may run in several threads."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    calls: int = 0
    total_ms: float = 0.0
    regions: dict[str, RegionProfile] = field(default_factory=dict[str, RegionProfile])
    transfers: dict[tuple[str, str], TransferProfile] = field(default_factory=dict[tuple[str, str], TransferProfile])
    decisions: dict[int, Counter[Any]] = field(default_factory=dict[int, Counter[Any]])


class Profile:
    """What the calls of a program did since `Program.profile`, until `stop` or the end of a `with`; live till then.

    Times are wall-clock milliseconds; of a call, they leave out what stands before and after the host program: checks,
    and copies of inputs and outputs.
    """

    def __init__(
        self, regions: Iterable[Region], targets: Mapping[str, str], on_stop: Callable[[Profile], None]
    ) -> None:
        """Not for users, who have `Program.profile`.

        Args:
            regions: the program's regions.
            targets: the text of each target, by the name that host.py has for it.
            on_stop: ends this profiling.
        """
        self._sums = _Sums()
        self._targets = targets
        self._on_stop = on_stop
        for region in regions:
            self._sums.regions[region.name] = RegionProfile(region.name, region.target, region.location)

    def stop(self) -> None:
        """Count no further calls."""
        self._on_stop(self)

    def __enter__(self) -> Profile:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def calls(self) -> int:
        """How many calls of the program came to their end."""
        return self._sums.calls

    @property
    def total_ms(self) -> float:
        """How long the host program ran in them, with all that it called."""
        return self._sums.total_ms

    @property
    def regions(self) -> tuple[RegionProfile, ...]:
        """Every region of the program, also those that were not called."""
        with self._sums.lock:
            return tuple(self._sums.regions.values())

    @property
    def transfers(self) -> tuple[TransferProfile, ...]:
        """The copies between devices, by source and destination; none in a program of one device."""
        with self._sums.lock:
            return tuple(self._sums.transfers.values())

    @property
    def decisions(self) -> dict[int, dict[Any, int]]:
        """By predicate, how often each decision was taken: True or False, the case of a switch, a number of trips."""
        with self._sums.lock:
            return {predicate: dict(counts) for predicate, counts in sorted(self._sums.decisions.items())}

    def to_json(self) -> dict[str, Any]:
        """The same as values of JSON."""
        return {
            "calls": self.calls,
            "total_ms": self.total_ms,
            "regions": [
                {
                    "name": r.name,
                    "target": r.target,
                    "location": str(r.location) if r.location else None,
                    "calls": r.calls,
                    "total_ms": r.total_ms,
                    "mean_ms": r.mean_ms,
                    "loading_ms": r.loading_ms,
                }
                for r in self.regions
            ],
            "transfers": [vars(transfer) for transfer in self.transfers],
            "decisions": [
                {"predicate": predicate, "decision": decision, "count": count}
                for predicate, counts in self.decisions.items()
                for decision, count in counts.items()
            ],
        }

    def __str__(self) -> str:
        lines = [f"{self.calls} calls, {self.total_ms:.3f} ms"]
        rows = [
            (r.name, r.location or "-", r.target, r.calls, r.total_ms, r.mean_ms, r.loading_ms) for r in self.regions
        ]
        lines += text_table(
            ("region", "source", "target", "calls", "total ms", "mean ms", "loading ms"), _rows(rows), n_left=3
        )
        if self.transfers:
            rows = [(t.source, t.destination, t.count, t.bytes, t.total_ms) for t in self.transfers]
            lines += ["", *text_table(("from", "to", "transfers", "bytes", "total ms"), _rows(rows), n_left=2)]
        if self.decisions:
            rows = [
                (f"predicate {predicate}", decision, count)
                for predicate, counts in self.decisions.items()
                for decision, count in counts.items()
            ]
            lines += ["", *text_table(("decision", "taken", "count"), _rows(rows), n_left=2)]
        return "\n".join(lines)

    # ---- counting --------------------------------------------------------------------------------------------

    def watch(self, session: Any) -> Any:
        """What `main` of host.py gets in place of the session's `regions`."""
        return _WatchedRegions(session, self)

    def add_call(self, milliseconds: float, decisions: Sequence[Decision]) -> None:
        with self._sums.lock:
            self._sums.calls += 1
            self._sums.total_ms += milliseconds
            for predicate, decision in decisions:
                self._sums.decisions.setdefault(predicate, Counter())[decision] += 1

    def add_region_call(self, name: str, milliseconds: float, loading_ms: float) -> None:
        with self._sums.lock:
            r = self._sums.regions[name]
            self._sums.regions[name] = replace(
                r, calls=r.calls + 1, total_ms=r.total_ms + milliseconds, loading_ms=r.loading_ms + loading_ms
            )

    def add_transfer(self, source: str, destination: str, n_bytes: int, milliseconds: float) -> None:
        with self._sums.lock:
            ends = self._targets[source], self._targets[destination]
            t = self._sums.transfers.get(ends) or TransferProfile(*ends)
            self._sums.transfers[ends] = replace(
                t, count=t.count + 1, bytes=t.bytes + n_bytes, total_ms=t.total_ms + milliseconds
            )


class _WatchedRegions:
    """The regions of a session, whose calls are counted and timed."""

    def __init__(self, session: Any, profile: Profile) -> None:
        self._session = session
        self._profile = profile
        self.constant = session.regions.constant

    def __getattr__(self, name: str) -> Callable[..., Any]:
        """The callable of a region, made at its first use."""
        regions, load = self._session.regions, self._session.load
        add, now = self._profile.add_region_call, time.perf_counter

        def call(*values: Any) -> Any:
            before_loading = now()
            region = getattr(regions, name)
            if not region.is_loaded:
                region = load(name)
            start = now()
            result = region(*values)
            add(name, 1e3 * (now() - start), 1e3 * (start - before_loading))
            return result

        setattr(self, name, call)
        return call

    def transfer(self, tensor: Any, source: str, destination: str, dtype: str) -> Any:
        start = time.perf_counter()
        copy = self._session.regions.transfer(tensor, source, destination, dtype)
        if copy is not None:
            n_bytes = math.prod(copy.shape) * DTYPES[dtype][0].itemsize
            self._profile.add_transfer(source, destination, n_bytes, 1e3 * (time.perf_counter() - start))
        return copy


def _rows(rows: Iterable[Sequence[Any]]) -> list[list[str]]:
    return [[f"{cell:.3f}" if isinstance(cell, float) else str(cell) for cell in row] for row in rows]
