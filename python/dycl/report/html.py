# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""A verification's report as one page: no scripts, no external resources."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from html import escape

from dycl.report.coverage import ORIGINS, TRIPS, Counts, EdgeCoverage
from dycl.report.result import VerifyReport
from dycl.runtime.graph import Node

_COLOURS = {"natural": "#1a7f37", "searched": "#0969da", "forced": "#bf8700", "never": "#cf222e", "dead": "#8c959f"}

_STYLE = """
body { font: 14px/1.5 system-ui, sans-serif; margin: 2em; max-width: 90em; color: #1f2328; }
h1 { font-size: 1.5em; } h2 { font-size: 1.15em; margin-top: 2em; }
table { border-collapse: collapse; } th, td { padding: .2em .8em; text-align: left; border-bottom: 1px solid #d1d9e0; }
td.n { text-align: right; } code { font-family: ui-monospace, monospace; font-size: .92em; }
pre { background: #f6f8fa; padding: 1em; overflow-x: auto; }
.ok { color: #1a7f37; } .bad { color: #cf222e; } .picture { overflow: auto; max-height: 60em; }
""" + "\n".join(f".{name} {{ color: {colour}; font-weight: 600; }}" for name, colour in _COLOURS.items())

_WIDTH, _HEIGHT, _GAP_X, _GAP_Y = 150, 30, 40, 34


def as_html(report: VerifyReport) -> str:
    """The whole page."""
    verdict = "agrees with eager" if report.ok else "disagrees with eager"
    body = [
        f"<h1>{escape(report.program)} <span class={'ok' if report.ok else 'bad'}>{verdict}</span></h1>",
        f"<pre>{escape(str(report))}</pre>",
        "<h2>Predicates</h2>",
        *_predicates(report),
        "<h2>Loops</h2>" if report.loops else "",
        *_loops(report),
        "<h2>Regions</h2>",
        *_regions(report),
        "<h2>Control flow</h2>",
        "<p>" + ", ".join(f"<span class={name}>{name}</span>" for name in _COLOURS) + "</p>",
        f'<div class="picture">{_picture(report)}</div>',
    ]
    head = f'<meta charset="utf-8"><title>{escape(report.program)}: dycl verify</title><style>{_STYLE}</style>'
    return f'<!doctype html>\n<html lang="en"><head>{head}</head><body>\n' + "\n".join(body) + "\n</body></html>\n"


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    yield "<table><tr>" + "".join(f"<th>{name}</th>" for name in header) + "</tr>"
    for row in rows:
        yield "<tr>" + "".join(cell if cell.startswith("<td") else f"<td>{cell}</td>" for cell in row) + "</tr>"
    yield "</table>"


def _counts(counts: Counts) -> list[str]:
    return [f'<td class="n">{getattr(counts, origin) or ""}</td>' for origin in ORIGINS]


def _predicates(report: VerifyReport) -> Iterator[str]:
    edges = [edge for edge in report.edges if edge.place]
    rows = (
        [
            escape(edge.place),
            f"<code>{escape(edge.text)}</code>",
            f'<span class="{_state(edge)}">{escape(edge.label)}</span>',
            *_counts(edge.calls),
            escape(edge.why) if not edge.is_taken else "",
        ]
        for edge in edges
    )
    return _table(["place", "source", "way", *ORIGINS, "why never"], rows)


def _loops(report: VerifyReport) -> Iterator[str]:
    if not report.loops:
        return
    rows = (
        [
            escape(loop.place),
            f"<code>{escape(loop.text)}</code>",
            *(f'<span class="{counts.first() or "never"}">{_sum(counts) or "never"}</span>' for counts in by_trips),
        ]
        for loop in report.loops
        for by_trips in [[loop.trips[trips] for trips in TRIPS]]
    )
    yield from _table(["place", "source", *(f"{trips} iterations" for trips in TRIPS)], rows)


def _regions(report: VerifyReport) -> Iterator[str]:
    rows = (
        [f'<span class="{r.calls.first() or "never"}">{escape(r.region)}</span>', escape(r.place), *_counts(r.calls)]
        for r in report.regions
    )
    return _table(["region", "place", *ORIGINS], rows)


def _sum(counts: Counts) -> int:
    return sum(getattr(counts, origin) for origin in ORIGINS)


def _state(edge: EdgeCoverage) -> str:
    return edge.calls.first() or ("dead" if edge.is_dead else "never")


# ---- the picture --------------------------------------------------------------------------------------------------


def _picture(report: VerifyReport) -> str:
    """The control flow graph as SVG, from the entry down; an edge has the colour of the calls that took it."""
    levels = _levels(report)
    columns: dict[int, int] = {}
    at: dict[Node, tuple[int, int]] = {}
    for node, level in levels.items():
        column = columns.get(level, 0)
        columns[level] = column + 1
        at[node] = (column * (_WIDTH + _GAP_X) + 20, level * (_HEIGHT + _GAP_Y) + 10)
    width = max((x for x, _ in at.values()), default=0) + _WIDTH + 80
    height = max((y for _, y in at.values()), default=0) + _HEIGHT + 20
    parts = [_edge(edge, at) for edge in report.edges]
    parts += [_node(node, at[node["id"]], report) for node in report.nodes]
    return f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}">{"".join(parts)}</svg>'


def _levels(report: VerifyReport) -> dict[Node, int]:
    """How far from the entry each node is drawn: below all that lead to it, other than from below."""
    after: dict[Node, list[Node]] = {node["id"]: [] for node in report.nodes}
    for edge in report.edges:
        after[edge.source].append(edge.target)
    entry = next(node["id"] for node in report.nodes if node["kind"] == "entry")
    order: list[Node] = []
    state: dict[Node, int] = {}
    back: set[tuple[Node, Node]] = set()
    stack: list[tuple[Node, Iterator[Node]]] = [(entry, iter(after[entry]))]
    state[entry] = 1
    while stack:
        node, rest = stack[-1]
        following = next(rest, None)
        if following is None:
            state[node] = 2
            order.append(node)
            stack.pop()
        elif state.get(following) == 1:
            back.add((node, following))
        elif following not in state:
            state[following] = 1
            stack.append((following, iter(after[following])))
    levels: dict[Node, int] = dict.fromkeys(reversed(order), 0)
    for node in reversed(order):
        for following in after[node]:
            if (node, following) not in back:
                levels[following] = max(levels[following], levels[node] + 1)
    for node in after:
        levels.setdefault(node, 0)  # Nothing leads to it.
    return levels


def _node(node: Mapping[str, object], at: tuple[int, int], report: VerifyReport) -> str:
    x, y = at
    kind = str(node["kind"])
    states = [_state(edge) for edge in report.edges if node["id"] in (edge.source, edge.target)]
    colour = _COLOURS[next((s for s in (*ORIGINS, "never", "dead") if s in states), "never")]
    place = next((e.place for e in report.edges if e.source == node["id"] and e.place), "")
    label = str(node.get("region") or place or kind)
    radius = 15 if kind == "predicate" else 3
    text = next((e.text for e in report.edges if e.source == node["id"] and e.text), label)
    return (
        f'<g><title>{escape(text)}</title><rect x="{x}" y="{y}" width="{_WIDTH}" height="{_HEIGHT}" rx="{radius}" '
        f'fill="white" stroke="{colour}" stroke-width="1.5"/><text x="{x + _WIDTH // 2}" y="{y + 19}" '
        f'text-anchor="middle" font-size="11" font-family="sans-serif">{escape(label[:24])}</text></g>'
    )


def _edge(edge: EdgeCoverage, at: Mapping[Node, tuple[int, int]]) -> str:
    (x1, y1), (x2, y2) = at[edge.source], at[edge.target]
    x1, x2, y1 = x1 + _WIDTH // 2, x2 + _WIDTH // 2, y1 + _HEIGHT
    colour = _COLOURS[_state(edge)]
    dash = ' stroke-dasharray="4 3"' if not edge.is_taken else ""
    if y2 > y1:
        path = f"M{x1} {y1} C{x1} {y1 + 20} {x2} {y2 - 20} {x2} {y2}"
    else:  # back to a loop's test
        side = max(x1, x2) + _WIDTH // 2 + 15
        path = f"M{x1} {y1} C{side} {y1 + 20} {side} {y2 - 20} {x2 + 10} {y2}"
    label = "" if edge.label == "next" else edge.label
    text = (
        f'<text x="{(2 * x1 + x2) // 3 + 4}" y="{y1 + 14}" font-size="9" fill="{colour}" '
        f'font-family="sans-serif">{escape(label)}</text>'
    )
    line = f'<path d="{path}" fill="none" stroke="{colour}"{dash}/>'
    return f"<g><title>{escape(edge.label)}: {_sum(edge.calls)} calls</title>{line}{text}</g>"
