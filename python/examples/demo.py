# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Compile the zoo's two networks, and compare them with eager PyTorch on every image: `make demo`.

Exit status 1 if a decision, the accuracy or an output differs from eager's.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor, nn

import dycl
from dycl.bench.machine import Limits, measure_limits, processor
from dycl.zoo import digits, skipnet
from dycl.zoo.images import random_images

TOLERANCE = 1e-4
TIMED_ROUNDS = 3
IMAGES_A_TURN = 25
LARGE_FLOPS = 1e6


@dataclass(frozen=True)
class Network:
    """A network and the images to compare it on.

    Attributes:
        images: f32[N,C,H,W]; the network takes them one at a time.
        labels: i64[N], or None where the images show nothing.
        watched: modules of the model of which eager runs some, depending on the image.
        decisions: what the network's conditions were, in order, given which of `watched` ran.
        exits: how many exits there are; 0 where the network has no early exits.
    """

    name: str
    model: nn.Module
    images: Tensor
    labels: Tensor | None
    watched: Sequence[nn.Module]
    decisions: Callable[[Sequence[bool]], list[bool]]
    exits: int = 0


@dataclass
class Comparison:
    """What the comparison of a network with eager found: one entry an image, one latency a call."""

    network: Network
    n_regions: int
    compile_s: float
    eager_decisions: list[list[bool]] = field(default_factory=list[list[bool]])
    dycl_decisions: list[list[bool]] = field(default_factory=list[list[bool]])
    eager_classes: list[int] = field(default_factory=list[int])
    dycl_classes: list[int] = field(default_factory=list[int])
    differences: list[float] = field(default_factory=list[float])
    eager_ms: list[float] = field(default_factory=list[float])
    dycl_ms: list[float] = field(default_factory=list[float])
    large_gflops: float | None = None
    """Of the regions above `LARGE_FLOPS`, each as often as it is called; None where there are none."""

    @property
    def agreeing(self) -> int:
        return sum(a == b for a, b in zip(self.eager_decisions, self.dycl_decisions, strict=True))

    def accuracy(self, classes: Sequence[int]) -> float | None:
        labels = self.network.labels
        if labels is None:
            return None
        return statistics.mean(a == b for a, b in zip(classes, labels.tolist(), strict=True))

    def both_sides(self) -> tuple[int, int]:
        """How many conditions were true for some images and false for others, and how many there are."""
        depth = max(map(len, self.dycl_decisions))
        seen = [{taken[i] for taken in self.dycl_decisions if i < len(taken)} for i in range(depth)]
        return sum(len(values) == 2 for values in seen), depth

    def left_at(self) -> list[int]:
        """How many images left at each exit: at the one whose condition was true, or at the last."""
        exits = self.network.exits
        left = [taken.index(True) if True in taken else exits - 1 for taken in self.dycl_decisions]
        return [left.count(i) for i in range(exits)]

    def failures(self) -> list[str]:
        name, n_images = self.network.name, len(self.network.images)
        found: list[str] = []
        if self.agreeing != n_images:
            found.append(f"{name}: decisions differ from eager's on {n_images - self.agreeing} of {n_images} images")
        if self.accuracy(self.eager_classes) != self.accuracy(self.dycl_classes):
            found.append(f"{name}: accuracy differs from eager's")
        if max(self.differences) > TOLERANCE:
            found.append(f"{name}: outputs differ from eager's by up to {max(self.differences):.1e}")
        taken, conditions = self.both_sides()
        if taken != conditions:
            found.append(f"{name}: only {taken} of {conditions} conditions took both sides")
        return found


def digits_network(n_images: int | None) -> Network:
    model, _ = digits.digits_early_exit()
    held_out = digits.load_digits()
    return Network(
        name="digits_early_exit",
        model=model,
        images=held_out.test_images[:n_images],
        labels=held_out.test_labels[:n_images],
        watched=list(model.exits),
        decisions=exit_decisions,
        exits=len(model.exits),
    )


def skipnet_network(n_images: int | None) -> Network:
    model, _ = skipnet.skipnet38_rnn()
    return Network(
        name="skipnet38_rnn",
        model=model,
        images=random_images(n_images or 100, seed=2023),
        labels=None,
        watched=list(model.blocks)[1:],
        decisions=list,
    )


def exit_decisions(ran: Sequence[bool]) -> list[bool]:
    """An early exit was taken if the exit after it did not run."""
    decisions: list[bool] = []
    for next_ran in ran[1:]:
        decisions.append(not next_ran)
        if not next_ran:
            break
    return decisions


def compare(network: Network) -> Comparison:
    """Compile a network, then run every image through it and through eager."""
    say(f"{network.name}: compiling")
    start = time.perf_counter()
    compiled = dycl.compile(network.model, (network.images[:1],))
    found = Comparison(network, len(compiled.regions), time.perf_counter() - start)
    say(f"{network.name}: {found.n_regions} regions in {found.compile_s:.1f} s; comparing {len(network.images)} images")
    with tempfile.TemporaryDirectory() as folder, torch.inference_mode():
        compiled.save(Path(folder) / "net.dycl")
        program = dycl.load(Path(folder) / "net.dycl", threads=1)  # as eager, for the comparison
        compare_results(network, program, found)
        compare_latencies(network, program, found)
        found.large_gflops = speed_of_large_regions(network, program)
    return found


def compare_results(network: Network, program: dycl.Program, found: Comparison) -> None:
    """The outputs and decisions of every image. What eager decides is seen by which modules it runs."""
    for image in network.images.split(1):
        with watching(network.watched) as ran:
            eager_logits = network.model(image)
        dycl_logits = program(image)
        found.eager_decisions.append(network.decisions([module in ran for module in network.watched]))
        found.dycl_decisions.append([e.label == "true" for e in program.last_path if e.label in ("true", "false")])
        found.eager_classes.append(int(eager_logits.argmax()))
        found.dycl_classes.append(int(dycl_logits.argmax()))
        found.differences.append(float((eager_logits - dycl_logits).abs().max()))


def compare_latencies(network: Network, program: dycl.Program, found: Comparison) -> None:
    """Every image several times, the two taking turns by runs of images, so that both see the machine's moods alike.

    Both are warm: each image has just been through them. Runs, not single calls, since each call of one would else
    begin with the caches that the other left.
    """
    for _ in range(TIMED_ROUNDS):
        for images in network.images.split(IMAGES_A_TURN):
            found.eager_ms += latencies_ms(network.model, images)
            found.dycl_ms += latencies_ms(program, images)


def speed_of_large_regions(network: Network, program: dycl.Program) -> float | None:
    """GFLOP/s of the regions above `LARGE_FLOPS` over some images, from the host's call of a region to its return."""
    flops = {region.name: region.cost.flops for region in program.regions if region.cost}
    with program.profile() as profile:
        for image in network.images[:IMAGES_A_TURN].split(1):
            program(image)
    large = [region for region in profile.regions if region.calls and flops.get(region.name, 0) > LARGE_FLOPS]
    total_ms = sum(region.total_ms for region in large)
    return sum(flops[region.name] * region.calls for region in large) / total_ms / 1e6 if large else None


def latencies_ms(call: Callable[[Tensor], Tensor], images: Tensor) -> list[float]:
    """The time of each of a run of calls."""
    times: list[float] = []
    for image in images.split(1):
        start = time.perf_counter()
        call(image)
        times.append((time.perf_counter() - start) * 1e3)
    return times


@contextmanager
def watching(modules: Sequence[nn.Module]) -> Generator[set[nn.Module]]:
    """The set of those modules that run within the block."""
    ran: set[nn.Module] = set()

    def note(module: nn.Module, _arguments: object) -> None:
        ran.add(module)

    handles = [module.register_forward_pre_hook(note) for module in modules]
    try:
        yield ran
    finally:
        for handle in handles:
            handle.remove()


def table(comparisons: Sequence[Comparison], limits: Limits) -> str:
    """One column a network, one row a figure."""
    rows = [["", *(c.network.name for c in comparisons)]]
    for label, cell in _ROWS.items():
        rows.append([label, *(cell(c) for c in comparisons)])
    shares = [c.large_gflops / limits.gflops if c.large_gflops else None for c in comparisons]
    rows.append([f"of the {limits.how} peak, regions > 1 MFLOP", *("-" if s is None else f"{s:.0%}" for s in shares)])
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]) for row in rows]
    return "\n".join([lines[0], "-" * len(lines[0]), *lines[1:]])


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{value:.2%}"


_ROWS: dict[str, Callable[[Comparison], str]] = {
    "images": lambda c: f"{len(c.network.images)} {'random' if c.network.labels is None else 'real, held out'}",
    "accuracy, eager": lambda c: _percent(c.accuracy(c.eager_classes)),
    "accuracy, dycl": lambda c: _percent(c.accuracy(c.dycl_classes)),
    "same decisions as eager": lambda c: _percent(c.agreeing / len(c.network.images)),
    "conditions that took both sides": lambda c: "{} of {}".format(*c.both_sides()),
    "images left at each exit": lambda c: " / ".join(map(str, c.left_at())) or "-",
    "largest difference": lambda c: f"{max(c.differences):.1e}",
    "regions": lambda c: str(c.n_regions),
    "compilation": lambda c: f"{c.compile_s:.1f} s",
    "latency, eager (median)": lambda c: f"{statistics.median(c.eager_ms):.3f} ms",
    "latency, dycl (median)": lambda c: f"{statistics.median(c.dycl_ms):.3f} ms",
    "dycl is faster by": lambda c: f"{statistics.median(c.eager_ms) / statistics.median(c.dycl_ms):.2f}×",
}


def say(text: str) -> None:
    print(f"==> {text}", flush=True)


NETWORKS = {"digits_early_exit": digits_network, "skipnet38_rnn": skipnet_network}


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog="example: python python/examples/demo.py --network digits_early_exit --images 50",
    )
    parser.add_argument("--network", choices=NETWORKS, help="only this one")
    parser.add_argument("--images", type=int, metavar="N", help="only so many images")
    given = parser.parse_args()

    torch.set_num_threads(1)
    comparisons = [compare(make(given.images)) for name, make in NETWORKS.items() if given.network in (None, name)]
    limits = measure_limits()
    print(f"\n{table(comparisons, limits)}\n\nPyTorch {torch.__version__} and dycl {dycl.__version__}, one thread each")
    print(f"{processor()}: {limits}")
    failures = [failure for comparison in comparisons for failure in comparison.failures()]
    for failure in failures:
        print(f"error: {failure}", file=sys.stderr)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
