# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""A verification's report as text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from dycl.report.coverage import ORIGINS
from dycl.report.result import VerifyReport

_SHOWN = 20


def as_text(report: VerifyReport) -> str:
    """Lines for a terminal: the verdict first, then what was compared, then what was taken."""
    return "\n".join(_lines(report))


def _lines(report: VerifyReport) -> Iterator[str]:
    verdict = "agrees with eager" if report.ok else f"DISAGREES with eager in {len(_calls(report))} calls"
    yield f"{report.program} {verdict}"
    calls = ", ".join(f"{count} {origin}" for origin, count in report.calls.items() if count)
    yield f"calls        {calls or 'none'}; inputs: {report.inputs}"
    yield (
        f"decisions    {report.agreed} of {report.decisions} agree"
        f"{f' ({report.agreed / report.decisions:.2%})' if report.decisions else ''}; {report.within_noise} within "
        f"noise ({report.noise:g} of what is compared)"
    )
    yield (
        f"outputs      largest error {report.largest_absolute:.3g}, {report.largest_relative:.3g} of the output's "
        f"scale (tolerance {report.tolerance:g})"
    )
    if report.exceptions:
        yield f"exceptions   {report.exceptions} calls raise, both alike"
    yield f"near ties    {len(report.near_ties)} calls differ after a decision that is within noise"
    for tie in report.near_ties[:_SHOWN]:
        how = "eager does the same, decided the other way" if tie.confirmed else "not confirmed: on a Python number"
        yield f"  call {tie.call}: {tie.place}: margin {tie.margin:.3g}, noise {tie.noise:.3g}; {how}"
    yield from _coverage(report)
    if report.search_calls:
        yield f"search       {report.search_calls} calls of the program in {report.search_s:.1f} s"
    yield from _not_of_the_user(report)
    if report.failures:
        yield f"failures     {len(report.failures)}"
        for failure in report.failures[:_SHOWN]:
            yield f"  call {failure.call} ({failure.origin}), {failure.what}: {failure.message}"
        if len(report.failures) > _SHOWN:
            yield f"  … and {len(report.failures) - _SHOWN} more"
    for note in report.notes:
        yield f"note         {note}"


def _calls(report: VerifyReport) -> set[int]:
    return {failure.call for failure in report.failures}


def _coverage(report: VerifyReport) -> Iterator[str]:
    for name, label in (("regions", "regions"), ("edges", "edges"), ("loop_trips", "iterations")):
        counts = report.coverage.get(name)
        if counts and counts["total"]:
            yield f"{label:12} {_share(counts)}"
    untaken = [edge for edge in report.edges if edge.place and not edge.is_taken]
    if untaken:
        yield f"never taken  {len(untaken)} edges of predicates"
    for edge in untaken[:_SHOWN]:
        yield f"  {edge.place} `{edge.text}` {edge.label}: {edge.why or 'no input found'}"
    if len(untaken) > _SHOWN:
        yield f"  … and {len(untaken) - _SHOWN} more"
    for loop in report.loops:
        missing = [trips for trips, counts in loop.trips.items() if counts.first() is None]
        if missing:
            yield f"  {loop.place} `{loop.text}`: never {', '.join(missing)} iterations"


def _share(counts: Mapping[str, int]) -> str:
    total = counts["total"]
    taken = sum(counts[origin] for origin in ORIGINS)
    parts = [f"{counts[origin]} by {origin} inputs" for origin in ORIGINS if counts[origin]]
    if counts["dead"]:
        parts.append(f"{counts['dead']} proved dead")
    left = total - taken - counts["dead"]
    if left:
        parts.append(f"{left} never")
    return f"{(total - left) / total:.1%} of {total}: {', '.join(parts)}"


def _not_of_the_user(report: VerifyReport) -> Iterator[str]:
    if report.own_decisions:
        total = sum(report.own_decisions.values())
        yield f"own          {total} decisions are no jump of the user's; they are checked by the outputs only"
        for what, count in sorted(report.own_decisions.items(), key=lambda item: -item[1])[:_SHOWN]:
            yield f"  {what}: {count}"
    if report.eager_only:
        total = sum(report.eager_only.values())
        yield f"eager only   {total} of {report.eager_decisions} decisions on data need none in the program"
        for what, count in sorted(report.eager_only.items(), key=lambda item: -item[1])[:_SHOWN]:
            yield f"  {what}: {count}"
