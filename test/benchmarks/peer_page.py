# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The page, the plot and the lines on a terminal of peers.py, from its records."""

from __future__ import annotations

from pathlib import Path

from peer_runtimes import (
    COMPILE,
    DYCL,
    DYCL_ONE,
    EAGER,
    IREE,
    KNOW_THE_PATH,
    LABELS,
    OPENVINO,
    ORT,
)

from dycl.bench.machine import Limits
from dycl.bench.timing import cold, geometric_mean, rates, summary

PARTS = {"one": "One thread", "two": "Two threads"}
LARGE = 1_000_000  # FLOPs of a region that is worth a figure in % of the peak
# What a large region reaches of the FMA peak, or of the bandwidth of memory if that is what it waits for. One that is
# below stands out, and peers.py fails.
FLOOR_PERCENT, FLOOR_BANDWIDTH = 10, 0.5
LEAST_SHARE = 0.1  # of its network's time, for a region to be in the table
BEST = "best that knows the path"


def median(path: dict, peer: str, *, is_cold: bool = False) -> float | None:
    """Milliseconds of a peer on a path; None where it has none."""
    turns = path["turns_ms"].get(peer)
    if not turns:
        return None
    return summary([[ms] for ms in cold(turns)] if is_cold else turns)["median_ms"]


def best_peer(path: dict, *, is_cold: bool = False) -> float | None:
    times = [median(path, peer, is_cold=is_cold) for peer in KNOW_THE_PATH]
    return min((ms for ms in times if ms is not None), default=None)


def ratio(path: dict, peer: str, *, is_cold: bool = False) -> float | None:
    """How many times as long as dycl a peer takes: above 1, dycl is faster."""
    mine = median(path, DYCL, is_cold=is_cold)
    other = best_peer(path, is_cold=is_cold) if peer == BEST else median(path, peer, is_cold=is_cold)
    return None if mine is None or other is None else other / mine


def mean_ratio(paths: list[dict], peer: str, *, is_cold: bool = False) -> float | None:
    """Geometric mean over paths."""
    found = [ratio(path, peer, is_cold=is_cold) for path in paths]
    return geometric_mean([each for each in found if each is not None])


def limits_of(part: dict) -> Limits:
    """The highest peak of a sitting: nothing exceeds a peak."""
    return max((Limits.from_json(each) for each in part["limits"]), key=lambda each: each.gflops)


def regions_of(part: dict) -> list[dict]:
    """Regions on the longest path, with their rates beside the peak and their share of the time of all of them."""
    limits, regions = limits_of(part), part["paths"][-1].get("regions", [])
    total = sum(region["total_ms"] for region in regions)
    return [
        region | {"share": region["total_ms"] / total} | rates(region["ms"], region["flops"], region["bytes"], limits)
        for region in regions
        if region["flops"]
    ]


def large_regions(part: dict) -> list[dict]:
    """Those above 1 MFLOP, without those whose sizes depend on data: they do more than is counted."""
    return [region for region in regions_of(part) if is_large(region)]


def is_large(region: dict) -> bool:
    return region["flops"] >= LARGE and not region["unknown_sizes"]


def is_below_floor(part: dict, region: dict) -> bool:
    is_waiting = region["gbps"] >= FLOOR_BANDWIDTH * limits_of(part).memory_gbps
    return is_large(region) and region["percent_of_peak"] < FLOOR_PERCENT and not is_waiting


def below_floor(record: dict) -> list[str]:
    """A line for each region of a network that is below the floor."""
    part = record.get("one")
    return [
        f"{record['network']}: {region['name']} ({Path(region['location'] or '–').name}) reaches "
        f"{region['percent_of_peak']:.1f}% of the peak and {region['gbps']:.3g} GB/s"
        for region in (regions_of(part) if part else ())
        if is_below_floor(part, region)
    ]


def percent_of_peak(part: dict) -> float | None:
    return geometric_mean([region["percent_of_peak"] for region in large_regions(part)])


def number(value: float | None, form: str = ".2f") -> str:
    return "–" if value is None else format(value, form)


def triple(paths: list[dict], peer: str) -> str:
    return " / ".join(number(ratio(path, peer)) for path in paths)


# ---- a terminal ---------------------------------------------------------------------------------------------


def network_lines(record: dict) -> list[str]:
    """What was measured of one network."""
    lines = []
    for key, title in PARTS.items():
        if key not in record:
            continue
        part = record[key]
        about, limits = part["about"], limits_of(part)
        lines += ["", f"{record['network']}, {title.lower()}: {about['processor']}, load {about['load']}; {limits}"]
        lines += [f"  {'ms (dycl is faster by)':24}" + "".join(f"{path['path']:>20}" for path in part["paths"])]
        for peer in LABELS:
            if any(peer in path["turns_ms"] for path in part["paths"]):
                cells = [time_and_ratio(path, peer) for path in part["paths"]]
                lines.append(f"  {peer:24}" + "".join(f"{cell:>20}" for cell in cells))
        lines += [f"  {reason}" for reason in reasons(part)]
        if key == "one":
            lines += [
                f"  {region['name']:12} ×{region['calls']:<4}{1e3 * region['ms']:9.1f} µs"
                f"{number(region['gflops'], '7.1f')} GFLOP/s {number(region['percent_of_peak'], '5.1f')}% of peak"
                f"{number(region['gbps'], '7.1f')} GB/s"
                for region in regions_of(part)[:8]
            ]
    return lines


def time_and_ratio(path: dict, peer: str) -> str:
    """`0.499 (0.68×)`"""
    ms = median(path, peer)
    return "–" if ms is None else f"{ms:.4g} ({number(ratio(path, peer))}×)"


def reasons(part: dict) -> list[str]:
    """Why peers have no times: a line a reason, with the peers and, where not all, the paths that it is of."""
    found: dict[str, dict[str, list[str]]] = {}
    for path in part["paths"]:
        for peer, why in path["refused"].items():
            if not (peer == DYCL_ONE and part["threads"] == 1):
                found.setdefault(why, {}).setdefault(peer, []).append(path["path"])
    n_paths = len(part["paths"])
    lines = []
    for why, peers in found.items():
        names = [f"{p} ({', '.join(which)})" if len(which) < n_paths else p for p, which in peers.items()]
        lines.append(f"{'; '.join(names)}: {why}")
    return lines


# ---- the page -----------------------------------------------------------------------------------------------


def page(records: list[dict], folder: str) -> str:
    lines = [
        "<!-- Written by test/benchmarks/peers.py; do not edit. -->",
        "# Beside its peers",
        "",
        *introduction(records),
        "",
        f"![How many times as long as dycl the others take, one thread]({folder}/ratios.svg)",
        "",
        "## In short",
        "",
        "How many times as long as dycl each takes, as geometric means over networks (of which each is the mean of its "
        "paths): above 1, dycl is faster. *Cold* are first calls after another runtime ran.",
        "",
        *short_table(records),
        "",
    ]
    for key, title in PARTS.items():
        chosen = [record for record in records if key in record]
        if chosen:
            lines += [
                f"## {title}",
                "",
                *ratio_table(chosen, key),
                "",
                "### Milliseconds",
                "",
                *time_table(chosen, key),
                "",
            ]
    lines += region_section([record for record in records if "one" in record])
    lines += ["## What has no times, and why", "", *refusals(records)]
    return "\n".join(lines).rstrip() + "\n"


def introduction(records: list[dict]) -> list[str]:
    by_machine: dict[str, list[dict]] = {}
    for record in records:
        for key in PARTS:
            if key in record:
                by_machine.setdefault(machine_of(record[key]), []).append(record[key])
    size = "in their small forms" if any(record["tiny"] for record in records) else "at their published sizes"
    first = next(record[key] for record in records for key in PARTS if key in record)
    used = ", ".join(f"{name} {text}" for name, text in first["versions"].items())
    lines = [
        f"{len(records)} networks of the zoo, {size}, f32. Three inputs each, of {records[0]['inputs']} seeded ones: "
        "those of the shortest, the median and the longest path, by operations. ONNX Runtime and OpenVINO get the "
        "graph of *the path that the input takes, known in advance and traced alone*, with no predicate computed: the "
        "hardest bound. IREE gets all of the network as one module. Each with the settings that its documentation has "
        "for latency; all take turns on the same cores, and results were compared with eager's first.",
        "",
        f"`python test/benchmarks/peers.py` measures and writes this page. {used}.",
        "",
    ]
    for machine, found in by_machine.items():
        lows, highs = zip(*(span_of(part) for part in found), strict=True)
        loads = [part["about"]["load"] for part in found]
        lines.append(
            f"- {machine}: FMA peak of a core in each sitting {min(lows):.0f} to {max(highs):.0f} GFLOP/s, reads "
            f"{bandwidth(found, 'memory_gbps')} GB/s from memory and {bandwidth(found, 'l2_gbps')} from L2; load "
            f"average when a measurement began {min(loads)} to {max(loads)}."
        )
    return lines


def machine_of(part: dict) -> str:
    about = part["about"]
    return f"{about['processor']} (family, model, stepping {about['model']}; {about['architecture']})"


def span_of(part: dict) -> tuple[float, float]:
    peaks = [each["gflops"] / each["cores"] for each in part["limits"]]
    return min(peaks), max(peaks)


def bandwidth(found: list[dict], key: str) -> str:
    rates_ = [each[key] / each["cores"] for part in found for each in part["limits"]]
    return f"{min(rates_):.0f}–{max(rates_):.0f}"


def short_table(records: list[dict]) -> list[str]:
    lines = [
        f"| | networks | {EAGER} | {COMPILE} | {IREE} | {ORT} | {OPENVINO} | {BEST} | slower than eager | % of peak |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for key, title in PARTS.items():
        chosen = [record for record in records if key in record]
        for is_cold in (False, True) if chosen else ():
            means = {
                peer: [mean_ratio(r[key]["paths"], peer, is_cold=is_cold) for r in chosen]
                for peer in (EAGER, COMPILE, IREE, *KNOW_THE_PATH, BEST)
            }
            cells = [number(geometric_mean([m for m in found if m is not None])) for found in means.values()]
            slower = sum(each is not None and each < 1 for each in means[EAGER])
            peaks = [p for r in chosen if (p := percent_of_peak(r[key])) is not None]
            peak = number(geometric_mean(peaks), ".0f") if not is_cold else "–"
            name = f"{title.lower()}{', cold' if is_cold else ''}"
            lines.append(f"| {name} | {len(chosen)} | {' | '.join(cells)} | {slower} | {peak} |")
    return lines


def ratio_table(records: list[dict], key: str) -> list[str]:
    others = [EAGER, COMPILE, IREE, ORT, OPENVINO, *([DYCL_ONE] if key == "two" else [])]
    lines = [
        f"Times of others / dycl's, by path: shortest / middle / longest. *{BEST}*: the quicker of {ORT} and "
        f"{OPENVINO} on each path, and last its geometric mean.",
        "",
        f"| network | {' | '.join(others)} | {EAGER}: mean | {BEST}: mean | cold: both |",
        f"|{'---|' * (len(others) + 4)}",
    ]
    for record in records:
        paths = record[key]["paths"]
        cells = [triple(paths, peer) for peer in others]
        cells += [bold_below(mean_ratio(paths, EAGER)), bold_below(mean_ratio(paths, BEST))]
        cells.append(", ".join(number(mean_ratio(paths, peer, is_cold=True)) for peer in (EAGER, BEST)))
        lines.append(f"| {record['network']} | {' | '.join(cells)} |")
    return lines


def bold_below(value: float | None) -> str:
    """What is slower than the other stands out."""
    return f"**{value:.2f}**" if value is not None and value < 1 else number(value)


def time_table(records: list[dict], key: str) -> list[str]:
    peers = [peer for peer in LABELS if any(peer in path["turns_ms"] for r in records for path in r[key]["paths"])]
    lines = [
        "Medians of warm calls.",
        "",
        f"| network | path | MFLOP | {' | '.join(peers)} |",
        f"|{'---|' * (len(peers) + 3)}",
    ]
    for record in records:
        for path in record[key]["paths"]:
            cells = [number(median(path, peer), ".3g") for peer in peers]
            lines.append(f"| {record['network']} | {path['path']} | {path['flops'] / 1e6:.3g} | {' | '.join(cells)} |")
    return lines


def region_section(records: list[dict]) -> list[str]:
    """How near dycl's large regions come to the peak, and those that come least near."""
    if not records:
        return []
    lines = [
        "## Regions",
        "",
        f"dycl's regions above {LARGE / 1e6:g} MFLOP on the longest path, one thread: how many, the share of a "
        "call's time that they take, and what part of the FMA peak of the sitting they reach (geometric mean, least "
        "and most). Regions with sizes that depend on data, which are counted as one, are left out: they do more. A "
        "convolution counts as what it is by its definition, also where fewer products give its result (Winograd), so "
        "that a region may exceed the peak.",
        "",
        "| network | regions called | above 1 MFLOP | share of time | % of peak | least | most |",
        "|---|---|---|---|---|---|---|",
    ]
    longest: list[tuple[str, dict]] = []
    part_of = {record["network"]: record["one"] for record in records}
    for record in records:
        part = record["one"]
        called, large = part["paths"][-1]["regions"], large_regions(part)
        percents = [region["percent_of_peak"] for region in large]
        share = number(100 * sum(region["share"] for region in large), ".0f")
        cells = [number(each, ".0f") for each in (geometric_mean(percents), *extremes(percents))]
        lines.append(f"| {record['network']} | {len(called)} | {len(large)} | {share}% | {' | '.join(cells)} |")
        longest += [(record["network"], region) for region in regions_of(part) if region["share"] >= LEAST_SHARE]
    lines += [
        "",
        f"Regions of any size that take {100 * LEAST_SHARE:.0f}% of their network's time or more, on that path:",
        "",
        "| network | region | source | calls | µs | share of time | MFLOP | GFLOP/s | % of peak | GB/s |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for name, region in longest:
        place = Path(region["location"] or "–").name
        below = is_below_floor(part_of[name], region)
        percent = number(region["percent_of_peak"], ".0f")
        cells = [
            f"{region['name']}{'*' if region['unknown_sizes'] else ''}", place, region["calls"],
            f"{1e3 * region['ms']:.0f}", f"{100 * region['share']:.0f}%", f"{region['flops'] / 1e6:.3g}",
            number(region["gflops"], ".3g"), f"**{percent}**" if below else percent, number(region["gbps"], ".3g"),
        ]  # fmt: skip
        lines.append(f"| {name} | {' | '.join(map(str, cells))} |")
    return [*lines, "", "\\* with sizes that depend on data: it does more than is counted", ""]


def extremes(values: list[float]) -> tuple[float | None, float | None]:
    return min(values, default=None), max(values, default=None)


def refusals(records: list[dict]) -> list[str]:
    """Reasons, each with the networks that it is of."""
    found: dict[str, dict[str, None]] = {}
    for record in records:
        for key in PARTS:
            for reason in reasons(record[key]) if key in record else ():
                found.setdefault(reason, {})[record["network"]] = None
    return [f"- {', '.join(names)}: {reason.replace('|', chr(92) + '|')}" for reason, names in found.items()] or [
        "None."
    ]


# ---- the plot -----------------------------------------------------------------------------------------------


def plot(records: list[dict], path: Path) -> None:
    """Bars a network, one thread where that was measured."""
    import matplotlib as mpl

    mpl.use("svg")
    mpl.rcParams["svg.hashsalt"] = "dycl"  # the same picture is the same file
    from matplotlib import pyplot as plt

    key = "one" if any("one" in record for record in records) else "two"
    shown = [(r["network"], [mean_ratio(r[key]["paths"], p) for p in (EAGER, BEST)]) for r in records if key in r]
    shown.sort(key=lambda each: each[1][0] or 0.0)
    figure, axes = plt.subplots(figsize=(8, 1.2 + 0.4 * len(shown)), layout="constrained")
    for offset, colour, label in ((0.2, "tab:gray", "eager"), (-0.2, "tab:blue", BEST)):
        values = [ratios[0 if label == "eager" else 1] for _, ratios in shown]
        bars = axes.barh(
            [at + offset for at in range(len(shown))], [v or 0 for v in values], 0.4, color=colour, label=label
        )
        axes.bar_label(bars, [number(value) for value in values], padding=3, fontsize=8)
    axes.set_yticks(range(len(shown)), [name for name, _ in shown])
    axes.axvline(1, color="black", linewidth=1)
    every = [value for _, ratios in shown for value in ratios if value]
    axes.set_xscale("log")
    axes.set_xlim(min([0.5, *every]) * 0.8, max([1.5, *every]) * 1.5)
    ticks = [tick for tick in (0.1, 0.2, 0.5, 1, 2, 5, 10, 20) if axes.get_xlim()[0] <= tick <= axes.get_xlim()[1]]
    axes.set_xticks(ticks, [f"{tick:g}×" for tick in ticks])
    axes.minorticks_off()
    axes.set_xlabel(f"time of others / dycl's, {PARTS[key].lower()}: right of the line dycl is faster")
    axes.legend(fontsize=8, loc="lower right")
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, metadata={"Date": None})
    plt.close(figure)
