# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""What a compiled program consists of, and the way a call took through it.

The HCFG (heterogeneous control flow graph; DyCL, ISSTA 2023) has a node for the entry, the exit, each place
where a region is invoked, and each predicate; its edges are the ways that control can go.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dycl.errors import BundleError, DyclError, SourceLocation

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    import networkx

Decision = tuple[int, Any]
Node = int | str  # a node's id; dycl-translate numbers them


@dataclass(frozen=True)
class Cost:
    """An estimate of a region's work: floating point operations, and bytes read and written."""

    flops: int
    bytes: int


@dataclass(frozen=True)
class Region:
    """A control-flow-free piece of the program, compiled on its own.

    Attributes:
        name: its name in host.py.
        inputs: what it takes, as MLIR types: "tensor<1x3x32x32xf32>", "i1".
        results: what it gives, likewise.
        location: where in the user's source it begins; None where that is not known.
        target: what the loaded VMFB was compiled for; in a program of several devices, the device it runs on.
        cost: an estimate of its work; None where there is none.
        parameters: the keys of the weights that it uses.
    """

    name: str
    inputs: tuple[str, ...]
    results: tuple[str, ...]
    location: SourceLocation | None
    target: str
    cost: Cost | None
    parameters: tuple[str, ...]

    @property
    def signature(self) -> str:
        """`(tensor<1x3xf32>) -> (tensor<1x2xf32>, i1)`."""
        return f"({', '.join(self.inputs)}) -> ({', '.join(self.results)})"

    @staticmethod
    def from_json(data: Mapping[str, Any], *, target: str) -> Region:
        return Region(
            name=data["name"],
            inputs=tuple(data["inputs"]),
            results=tuple(data["results"]),
            location=_location(data),
            target=target,
            cost=Cost(data["cost"]["flops"], data["cost"]["bytes"]) if data["cost"] else None,
            parameters=tuple(data["parameters"]),
        )


@dataclass(frozen=True)
class PathEdge:
    """An edge of the HCFG, and how often a call took it; `source` and `target` are nodes of `program.hcfg`."""

    source: Node
    target: Node
    label: str
    count: int


def to_networkx(hcfg: Mapping[str, Any], regions: Iterable[Region]) -> networkx.MultiDiGraph[Node]:
    """The HCFG: nodes with `kind`, `location` and, for regions, `region`, `cost` and `target`; edges keyed by label.

    Raises:
        DyclError: where networkx is not installed.
    """
    try:
        import networkx
    except ImportError as error:
        raise DyclError("program.hcfg needs networkx; install it with: pip install networkx") from error
    known = {region.name: region for region in regions}
    graph: networkx.MultiDiGraph[Node] = networkx.MultiDiGraph()
    for node in hcfg["nodes"]:
        attributes = {key: value for key, value in node.items() if key not in ("id", "location")}
        attributes["location"] = _location(node)
        if node["kind"] == "region":
            region = known[node["region"]]
            attributes["cost"], attributes["target"] = region.cost, region.target
        graph.add_node(node["id"], **attributes)
    for edge in hcfg["edges"]:
        graph.add_edge(edge["source"], edge["target"], key=edge["label"], label=edge["label"])
    return graph


def runs_on(region: Mapping[str, Any], folder: str) -> bool:
    """Whether a region of the program description is there for the target with a folder.

    Placed, it is for its own alone; where nothing is placed, for each.
    """
    return region.get("affinity", folder) == folder


def predicate_nodes(hcfg: Mapping[str, Any]) -> dict[int, Node]:
    """The node of each predicate, by its number in host.py."""
    return {node["predicate"]: node["id"] for node in hcfg["nodes"] if node["kind"] == "predicate"}


def walk(hcfg: Mapping[str, Any], decisions: Iterable[Decision]) -> list[PathEdge]:
    """The edges that a call took from entry to exit, each once with its count, in the order of first use.

    `decisions` is what `decide` recorded: (predicate, decision), in order.

    Raises:
        BundleError: where the decisions do not fit the graph: host and graph are not of one program.
    """
    nodes = {node["id"]: node for node in hcfg["nodes"]}
    ways: dict[Node, dict[str, Node]] = {node: {} for node in nodes}
    for edge in hcfg["edges"]:
        ways[edge["source"]][edge["label"]] = edge["target"]

    replay = _Replay(decisions)
    taken: Counter[tuple[Node, Node, str]] = Counter()
    here = next(node for node in nodes if nodes[node]["kind"] == "entry")
    while nodes[here]["kind"] != "exit":
        is_predicate = nodes[here]["kind"] == "predicate"
        label = replay.way(here, nodes[here]["predicate"], ways[here]) if is_predicate else "next"
        if label not in ways[here]:
            raise BundleError(f"the HCFG has no edge {label!r} at {here}")
        there = ways[here][label]
        taken[here, there, label] += 1
        here = there
    replay.check_end()
    return [PathEdge(*edge, count) for edge, count in taken.items()]


class _Replay:
    """Recorded decisions as labels of edges."""

    def __init__(self, decisions: Iterable[Decision]) -> None:
        self._pending = iter(decisions)
        self._trips_left: dict[Node, int] = {}  # of each counted loop that the walk is in

    def way(self, node: Node, predicate: int, ways: Collection[str]) -> str:
        """The label of the edge to take at a predicate."""
        if node not in self._trips_left:
            recorded, decision = next(self._pending, (None, False))
            if recorded != predicate:
                raise BundleError(f"the host decided predicate {recorded}, where its HCFG has {predicate} ({node})")
            if "iterate" in ways and not isinstance(decision, bool):
                self._trips_left[node] = decision
            else:
                return _label(decision, ways)
        return self._count_down(node)

    def check_end(self) -> None:
        left = sum(1 for _ in self._pending)
        if left:
            raise BundleError(f"the host decided {left} times more than its HCFG has predicates on the way")

    def _count_down(self, node: Node) -> str:
        """The label at a counted loop, which decides once for all its trips."""
        if self._trips_left[node] > 0:
            self._trips_left[node] -= 1
            return "iterate"
        del self._trips_left[node]
        return "exit"


def _label(decision: Any, ways: Collection[str]) -> str:
    """The label of the edge that a decision at an if, a while or a switch means."""
    if "iterate" in ways:
        return "iterate" if decision else "exit"
    if isinstance(decision, bool):
        return "true" if decision else "false"
    case = f"case {decision}"
    return case if case in ways else "default"


def _location(data: Mapping[str, Any]) -> SourceLocation | None:
    """The location of a region or node of the program description; None where it has none."""
    location = data.get("location")
    if not location or not location.get("file"):
        return None
    return SourceLocation(location["file"], location["line"], column=location.get("column") or 0)
