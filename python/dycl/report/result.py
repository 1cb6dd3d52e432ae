# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""What `dycl.verify` found."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from dycl.report.coverage import EdgeCoverage, LoopCoverage, RegionCoverage


@dataclass
class NearTie:
    """A decision that rounding can turn: in a call in which program and eager went different ways there.

    Attributes:
        call: the index of the call.
        place: the condition in the user's source.
        margin: how far the compared operands are apart.
        noise: what their difference is uncertain by.
        confirmed: whether eager, made to decide the other way there, does what the program does.
    """

    call: int
    place: str
    margin: float
    noise: float
    confirmed: bool


@dataclass
class Failure:
    """A call in which the program does not do what eager does.

    Attributes:
        call: its index.
        origin: where its input came from: "natural", "searched" or "forced".
        what: "decision", "iterations", "output", "argument", "state", "exception" or "error".
        message: what differs.
    """

    call: int
    origin: str
    what: str
    message: str


@dataclass
class VerifyReport:
    """What `dycl.verify` found; `str(report)` is for reading.

    Attributes:
        program: the program's name.
        inputs: where the inputs came from.
        calls: how many calls were compared, by origin of their inputs: natural, searched, forced.
        tolerance: the largest error relative to the scale of an output that is allowed.
        largest_absolute, largest_relative: the largest errors of all outputs.
        decisions: decisions of the program in a role of the user's source, all calls together.
        agreed: how many of these eager took alike.
        own_decisions: decisions of the program that are no jump of the user's (checks, choices inside of built-ins), by
            what they are.
        eager_decisions: decisions that eager took on tensors, at the places of the program's predicates.
        eager_only: those of them that the program needs no decision for, since both ways lead to the same, by place.
        exceptions: calls that raised, both alike.
        within_noise: decisions whose margin is below the noise.
        near_ties: calls that differ after such a decision: counted apart, and no failures.
        failures: what differs.
        coverage: for regions, edges and loop_trips: how many there are, and how many were taken, by origin.
        edges, regions, loops: the same one by one.
        search_calls: calls of the program that were spent on what no input took.
        search_s: how long that took, in seconds.
        notes: what else the reader should know.
    """

    program: str
    inputs: str
    calls: dict[str, int]
    tolerance: float
    noise: float
    largest_absolute: float = 0.0
    largest_relative: float = 0.0
    decisions: int = 0
    agreed: int = 0
    own_decisions: dict[str, int] = field(default_factory=dict[str, int])
    eager_decisions: int = 0
    eager_only: dict[str, int] = field(default_factory=dict[str, int])
    exceptions: int = 0
    within_noise: int = 0
    near_ties: list[NearTie] = field(default_factory=list[NearTie])
    failures: list[Failure] = field(default_factory=list[Failure])
    coverage: dict[str, dict[str, int]] = field(default_factory=dict[str, dict[str, int]])
    edges: list[EdgeCoverage] = field(default_factory=list[EdgeCoverage])
    regions: list[RegionCoverage] = field(default_factory=list[RegionCoverage])
    loops: list[LoopCoverage] = field(default_factory=list[LoopCoverage])
    search_calls: int = 0
    search_s: float = 0.0
    notes: list[str] = field(default_factory=list[str])
    nodes: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])

    @property
    def ok(self) -> bool:
        """Whether the program does what eager does in every call."""
        return not self.failures

    @property
    def untaken(self) -> Sequence[EdgeCoverage]:
        """The edges that no call took, other than those proved dead."""
        return [edge for edge in self.edges if not edge.is_taken and not edge.is_dead]

    def __str__(self) -> str:
        from dycl.report.text import as_text

        return as_text(self)

    def to_json(self) -> dict[str, Any]:
        """All of it as JSON's types."""
        data = {"ok": self.ok, **asdict(self)}
        return json.loads(json.dumps(data, default=str))

    def to_html(self, path: str | Path | None = None) -> str:
        """A page of its own, without external resources; also written to `path`, if one is given."""
        from dycl.report.html import as_html

        page = as_html(self)
        if path is not None:
            Path(path).write_text(page, encoding="utf-8")
        return page
