# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Which regions, edges and numbers of iterations the calls of a verification took, by where their inputs came from."""

from __future__ import annotations

import linecache
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dycl.report.agreement import Predicate
from dycl.runtime.graph import Node, PathEdge

NATURAL, SEARCHED, FORCED = ORIGINS = ("natural", "searched", "forced")
"""Inputs as given or drawn; inputs that were searched for; predicates that were forced."""

TRIPS = ("0", "1", "many")

Edge = tuple[Node, Node, str]


@dataclass
class Counts:
    """In how many calls of each origin something happened."""

    natural: int = 0
    searched: int = 0
    forced: int = 0

    def add(self, origin: str) -> None:
        setattr(self, origin, getattr(self, origin) + 1)

    def first(self) -> str | None:
        """The most natural origin of which there is a call."""
        return next((origin for origin in ORIGINS if getattr(self, origin)), None)


@dataclass
class EdgeCoverage:
    """An edge of the HCFG.

    Attributes:
        source, target, label: as in `program.hcfg`.
        place: of its predicate in the user's source: "net.py:12"; empty for edges of no predicate.
        text: that source line.
        calls: which calls took it.
        why: for one that none took, why.
    """

    source: Node
    target: Node
    label: str
    place: str
    text: str
    calls: Counts = field(default_factory=Counts)
    why: str = ""

    @property
    def is_taken(self) -> bool:
        """Whether any call took it."""
        return self.calls.first() is not None

    @property
    def is_dead(self) -> bool:
        """Whether no input can take it, which was proved."""
        return self.why.startswith("dead: ")


@dataclass
class RegionCoverage:
    """A place where a region is invoked."""

    node: Node
    region: str
    place: str
    calls: Counts = field(default_factory=Counts)


@dataclass
class LoopCoverage:
    """A loop on data: in how many calls it had no, one, or more iterations."""

    node: Node
    place: str
    text: str
    trips: dict[str, Counts] = field(default_factory=lambda: {trips: Counts() for trips in TRIPS})

    @property
    def is_taken(self) -> bool:
        """Whether there were calls with none, with one and with more."""
        return all(calls.first() is not None for calls in self.trips.values())


class Coverage:
    """What the calls of a verification took of a program's HCFG.

    Args:
        hcfg: the nodes and edges of the program.
        predicates: its predicates.
        dead: for edges that were proved dead why, by node and label.
    """

    def __init__(
        self, hcfg: Mapping[str, Any], predicates: Iterable[Predicate], dead: Mapping[tuple[Node, str], str]
    ) -> None:
        by_node = {predicate.node: predicate for predicate in predicates}
        self._predicates = by_node
        self.edges: dict[Edge, EdgeCoverage] = {}
        for edge in hcfg["edges"]:
            predicate = by_node.get(edge["source"])
            place, text = (place_of(predicate), text_of(predicate)) if predicate else ("", "")
            key = (edge["source"], edge["target"], edge["label"])
            self.edges[key] = EdgeCoverage(*key, place, text, why=dead.get((edge["source"], edge["label"]), ""))
        self.regions = {
            node["id"]: RegionCoverage(node["id"], node["region"], _place(node))
            for node in hcfg["nodes"]
            if node["kind"] == "region"
        }
        self.loops = {
            node: LoopCoverage(node, place_of(predicate), text_of(predicate))
            for node, predicate in by_node.items()
            if predicate.kind == "loop"
        }

    def add(self, path: Sequence[PathEdge], trips: Mapping[Node, Sequence[int]], origin: str) -> None:
        """Adds a call: its path, and the iterations of each loop, each time that it ran."""
        for node in {edge.target for edge in path} & self.regions.keys():
            self.regions[node].calls.add(origin)
        for edge in path:
            self.edges[edge.source, edge.target, edge.label].calls.add(origin)
        for node, counts in trips.items():
            for kind in {TRIPS[min(count, 2)] for count in counts}:
                self.loops[node].trips[kind].add(origin)

    def is_new(self, path: Sequence[PathEdge], trips: Mapping[Node, Sequence[int]]) -> bool:
        """Whether a call takes what no call took yet."""
        if any(not self.edges[e.source, e.target, e.label].is_taken for e in path):
            return True
        return any(
            self.loops[node].trips[TRIPS[min(count, 2)]].first() is None
            for node, counts in trips.items()
            for count in counts
        )

    def untaken(self) -> list[EdgeCoverage]:
        """The edges of predicates that no call took."""
        return [e for e in self.edges.values() if e.source in self._predicates and not e.is_taken]

    def reached(self, node: Node) -> bool:
        """Whether any call came to a predicate."""
        return any(e.is_taken for e in self.edges.values() if e.source == node)

    def summary(self) -> dict[str, dict[str, int]]:
        """Of regions, edges and numbers of iterations: how many there are, were proved dead, and were taken first by
        calls of each origin.
        """
        trips = [counts for loop in self.loops.values() for counts in loop.trips.values()]
        found = {}
        for name, items in (
            ("regions", [r.calls for r in self.regions.values()]),
            ("edges", [e.calls for e in self.edges.values()]),
            ("loop_trips", trips),
        ):
            by_origin = Counter(counts.first() for counts in items)
            found[name] = {"total": len(items), "dead": 0, **{origin: by_origin[origin] for origin in ORIGINS}}
        found["edges"]["dead"] = sum(e.is_dead for e in self.edges.values() if not e.is_taken)
        return found


def place_of(predicate: Predicate) -> str:
    location = predicate.location
    return f"{Path(location.file).name}:{location.line}" if location else ""


def text_of(predicate: Predicate) -> str:
    """The source line of a predicate; empty where it is not to be had."""
    return predicate.constructs[0].text if predicate.constructs else _line(predicate)


def _line(predicate: Predicate) -> str:
    location = predicate.location
    return linecache.getline(location.file, location.line).strip() if location else ""


def _place(node: Mapping[str, Any]) -> str:
    location = node.get("location")
    return f"{Path(location['file']).name}:{location['line']}" if location and location.get("file") else ""
