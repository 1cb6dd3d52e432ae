# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""dycl beside what a user would pick instead, on the zoo: docs/peers.md, from one JSON file a network in docs/peers.

    make peers                                             installs the peers, then measures what has no result yet
    python test/benchmarks/peers.py skipnet38_rnn          measures one network anew (under two minutes)
    python test/benchmarks/peers.py --tiny --inputs 8 --results /tmp/r --page /tmp/peers.md digits_early_exit   a trial

Of the seeded inputs of a network three are taken, of the paths with the fewest, the median and the most operations (as
`torch.utils.flop_counter` counts products and convolutions in eager). Each peer gets each of them; peer_runtimes.py
says which peers, with which settings, and which of them know the path. First, results are compared with eager's: a peer
that fails or is wrong is in the page with its reason.

Then all take turns, on one core (`--part one`) and on two (`--part two`): with one thread in one process; with two,
each runtime in a process of its own, since threads of one that wait actively take the core of another. A turn is a few
calls. The page has the medians of its *warm* calls, all but the first, and says apart what the *cold* ones are, which
find caches that others filled: both count, for a device may call once an image. All samples are in the JSON.

Figures are ratios, and GFLOP/s beside the peak of the same minutes, which is measured, too. Nothing else should run.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
import traceback
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import one_module
import paper
import parts
import peer_page
import peer_runtimes
import torch
from parts import ROOT
from peer_runtimes import DYCL_ONE, FAMILIES, LABELS, Refused
from torch.utils.flop_counter import FlopCounterMode

import dycl
import dycl.zoo
from dycl.bench import measure
from dycl.bench.machine import describe, measure_limits
from dycl.bench.timing import take_turns, turn_of
from dycl.compiler.api import import_model
from dycl.compiler.pipeline import PhaseDump, partition_program, write_program
from dycl.compiler.targets import parse_targets
from dycl.runtime.host_runtime import usable_cores

BUILD = ROOT / "build" / "peers"
SECONDS_A_PATH = 4
# More samples than this say no more.
MOST_ROUNDS, MOST_CALLS_A_TURN = 40, 15
# Threads that wait actively for more work have gone to sleep after that.
PAUSE_S = 0.005
# A peer whose process dies is left out, and the rest measured again.
MOST_CRASHES = 4
PACKAGES = ("torch", "onnxruntime", "openvino", "onnx", "iree-base-compiler", "dycl")


# ---- preparing ----------------------------------------------------------------------------------------------


def prepare(name: str, n_inputs: int, tiny: bool) -> dict:
    """Chooses the paths, and compiles and exports all that can be run in other processes: build/peers/NETWORK."""
    model, args, drawn = paper.network(name, n_inputs, tiny)
    folder = folder_of(name, tiny)
    folder.mkdir(parents=True, exist_ok=True)
    for old in [*folder.glob("*.onnx*"), *folder.glob("*.xml"), *folder.glob("*.bin"), *folder.glob("*.failure")]:
        old.unlink()
    options, targets, dump = dycl.Options(), parse_targets("llvm-cpu"), PhaseDump(None)
    imported = import_model(model, args, None, options)
    partitioned = partition_program(imported, targets, options, dump)
    write_program(partitioned, imported, targets, options, folder / "dycl", dump)
    try:
        write_program(one_module.in_one_module(imported), imported, targets, options, folder / "one", dump)
    except (dycl.CompileError, ValueError) as error:
        why = one_module.reason(error) if isinstance(error, dycl.CompileError) else str(error)
        (folder / "one.failure").write_text(why)
    program = dycl.load(folder / "dycl")
    chosen = choose_paths(works(model, program, drawn.arguments))
    attempt, refused = peer_runtimes.Attempts(folder / "trying", crashed()), {}
    for path in chosen:
        given = drawn.arguments[path["input"]]
        expected = paper.as_tensors(model(*given))
        torch.save({"args": given, "expected": expected}, folder / f"{path['path']}.pt")
        refused[path["path"]] = peer_runtimes.export_path(attempt, model, given, folder, path["path"])
    control = peer_runtimes.export_control(attempt, model, args, folder)
    return {"inputs": len(drawn.arguments), "chosen": chosen, "refused": refused, "refused_control": control}


def works(model, program, inputs) -> list[dict]:
    """The paths that inputs take, each by its first input, and what eager computes for that.

    Inputs that decide alike may still differ in sizes on data: where there are fewer than three paths, those with other
    numbers of operations count as others.
    """
    decided = []
    for given in inputs:
        program(*given)
        decided.append(json.dumps([[str(node), decision] for node, decision in program.last_decisions]))
    by_size = len(set(decided)) < 3
    found = {}
    for number, (given, path) in enumerate(zip(inputs, decided, strict=True)):
        if by_size or path not in found:
            with FlopCounterMode(display=False) as counter:  # Some ten times as slow as a call.
                model(*given)
            flops = counter.get_total_flops()
            key = f"{path} {flops}" if by_size else path
            found.setdefault(key, {"input": number, "flops": flops, "decisions": json.loads(path)})
    return list(found.values())


def choose_paths(found: list[dict]) -> list[dict]:
    """The paths with the fewest, the median and the most operations; fewer if there are less.

    Where two have as many, the one with fewer decisions counts as the shorter.
    """
    ordered = sorted(found, key=lambda path: (path["flops"], len(path["decisions"]), path["input"]))
    places = {"shortest": 0, "middle": (len(ordered) - 1) // 2, "longest": len(ordered) - 1}
    if len(ordered) == 2:
        del places["middle"]
    elif len(ordered) == 1:
        places = {"only": 0}
    return [
        {
            "path": label,
            "input": ordered[at]["input"],
            "flops": ordered[at]["flops"],
            "decisions": len(ordered[at]["decisions"]),
            "of_paths": len(ordered),
        }
        for label, at in places.items()
    ]


def crashed() -> dict[str, str]:
    """What ended a process that tried the same before, and how."""
    return json.loads(os.environ["DYCL_PEERS_CRASHED"])


def folder_of(name: str, tiny: bool) -> Path:
    return BUILD / (f"{name}-tiny" if tiny else name)


class Died(Exception):
    """The process of a peer ended; the message says by what."""


# ---- measuring ----------------------------------------------------------------------------------------------


def measure_one(name: str, n_inputs: int, tiny: bool) -> dict:
    """One thread, on one core, in this process."""
    return measure_paths(name, n_inputs, tiny, 1)


def measure_two(name: str, n_inputs: int, tiny: bool) -> dict:
    """Two threads, on two cores, each runtime in a process of its own."""
    return measure_paths(name, n_inputs, tiny, 2)


PARTS = {"prepare": prepare, "one": measure_one, "two": measure_two}


def measure_paths(name: str, n_inputs: int, tiny: bool, threads: int) -> dict:
    pinned = pin(threads)
    folder = folder_of(name, tiny)
    prepared = json.loads(Path(os.environ["DYCL_PEERS_PREPARED"]).read_text())
    about = {"threads": threads, "pinned": pinned, "about": describe(), "versions": versions()}
    limits = [measure_limits(threads)]
    paths = []
    groups = [Here(folder, name, tiny, threads)] if threads == 1 else separate(folder, name, tiny, threads)
    try:
        for chosen in prepared["chosen"]:
            label = chosen["path"]
            known = {**prepared["refused"][label], **prepared["refused_control"], **crashed()}
            if threads == 1:
                known[DYCL_ONE] = "it is for several threads"
            record = measure_path(groups, label, known)
            if threads == 1:
                record["regions"] = regions_of(folder, label)
            paths.append(chosen | record)
            limits.append(measure_limits(threads))
    finally:
        for group in groups:
            group.close()
    return about | {"limits": [each.to_json() for each in limits], "paths": paths}


def measure_path(groups: list, label: str, known: dict[str, str]) -> dict:
    """The samples of all peers on one path, their errors, and why others have none."""
    refused, errors, turns = dict(known), {}, {}
    failed: dict[str, str] = {}

    def guarded(peer: str, turn):
        """A turn that, once it has failed, is empty: a runtime may fail in a later call only."""

        def take() -> list:
            if peer in failed:
                return []
            try:
                return turn()
            except RuntimeError as error:
                failed[peer] = next(line for line in reversed(str(error).splitlines()) if line.strip()).strip()
                return []

        return take

    for group in groups:
        for peer in group.peers:
            if peer not in known:
                try:
                    errors[peer] = group.open(peer, label)
                    turns[peer] = group.turn(peer)
                except Refused as refusal:
                    refused[peer] = str(refusal)
    ordered = {peer: guarded(peer, turns[peer]) for peer in LABELS if peer in turns}
    samples = take_turns(
        ordered, seconds=SECONDS_A_PATH, at_most=MOST_ROUNDS, pause_s=PAUSE_S if len(groups) > 1 else 0.0
    )
    for peer, why in failed.items():
        refused[peer] = f"a later call failed: {why}"
        del samples[peer], errors[peer]
    return {"turns_ms": samples, "errors": errors, "refused": refused}


def regions_of(folder: Path, label: str) -> list[dict]:
    """dycl's regions on a path, one call of it."""
    program = dycl.load(folder / "dycl")
    calls = [(torch.load(folder / f"{label}.pt")["args"], {})]
    return [region.to_json(None) for region in measure.time_regions(program, measure.find_paths(program, calls), calls)]


class Here:
    """Peers in this process."""

    peers = LABELS

    def __init__(self, folder: Path, name: str, tiny: bool, threads: int):
        factory = getattr(dycl.zoo, name)
        self.model, _ = factory(**(factory.small if tiny else {}))
        self.folder, self.threads = folder, threads
        self.calls = {}

    def open(self, peer: str, label: str) -> float:
        """Builds a peer for a path, in place of that for the last one, and gives the error of its results."""
        self.calls.pop(peer, None)
        saved = torch.load(self.folder / f"{label}.pt")
        trying = self.folder / "trying"
        trying.write_text(peer)  # Which it was, should the process die.
        call = peer_runtimes.build(peer, self.model, saved["args"], self.folder, label, self.threads)
        error = peer_runtimes.checked(call, saved["expected"])
        trying.unlink()
        self.calls[peer] = call
        return error

    def turn(self, peer: str):
        return turn_of(self.calls[peer], at_least=3, at_most=MOST_CALLS_A_TURN, turn_ms=20)

    def close(self) -> None:
        self.calls.clear()


class Elsewhere:
    """The peers of one runtime, in a process of their own."""

    def __init__(self, peers: tuple[str, ...], *arguments):
        self.peers, self.arguments = peers, arguments
        self.opened: dict[str, str] = {}
        self._start()

    def open(self, peer: str, label: str) -> float:
        try:
            error = self._ask("open", peer, label)
        except Died as death:  # It takes the others of this path with it, which did nothing.
            self._start()
            for other, opened_for in self.opened.items():
                if opened_for == label:
                    self._ask("open", other, label)
            raise Refused(str(death)) from None
        self.opened[peer] = label
        return error

    def turn(self, peer: str):
        return lambda: self._ask("turn", peer)

    def close(self) -> None:
        self.pipe.close()
        self.process.join()

    def _start(self) -> None:
        context = multiprocessing.get_context("spawn")
        self.pipe, other = context.Pipe()
        self.process = context.Process(target=serve, args=(other, *self.arguments))
        self.process.start()
        other.close()

    def _ask(self, *question: str):
        try:
            self.pipe.send(question)
            found, value = self.pipe.recv()
        except (EOFError, OSError):
            self.process.join()
            raise Died(crash(-(self.process.exitcode or 0))) from None
        if found == "refused":
            raise Refused(value)
        if found == "failed":
            raise RuntimeError(value)
        return value


def separate(folder: Path, name: str, tiny: bool, threads: int) -> list[Elsewhere]:
    return [Elsewhere(peers, folder, name, tiny, threads) for peers in FAMILIES.values()]


def serve(pipe, folder: Path, name: str, tiny: bool, threads: int) -> None:
    """What a process of `Elsewhere` does: opens peers, and takes their turns."""
    torch.set_num_threads(threads)
    with torch.no_grad():
        here = Here(folder, name, tiny, threads)
        while True:
            try:
                what, *question = pipe.recv()
            except EOFError:
                return
            try:
                answer = here.open(*question) if what == "open" else here.turn(*question)()
                pipe.send(("ok", answer))
            except Refused as refusal:
                pipe.send(("refused", str(refusal)))
            except Exception:
                pipe.send(("failed", traceback.format_exc()))


def pin(threads: int) -> list[int]:
    """Keeps this process to as many cores as threads; the last ones, since the first often serves the devices.

    Raises:
        RuntimeError: where it may not use as many.
    """
    cores = usable_cores()
    if len(cores) < threads:
        raise RuntimeError(f"{threads} threads need as many cores, and this process may use {len(cores)}")
    chosen = cores[-threads:]
    os.sched_setaffinity(0, chosen)
    return chosen


def versions() -> dict[str, str]:
    found = {}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "not installed"
    return found


# ---- command line -------------------------------------------------------------------------------------------


def main() -> int:
    given = parts.parse(__doc__, PARTS, inputs=40, results=BUILD / "results", page=ROOT / "docs" / "peers.md")
    if given.alone:
        return parts.measure_alone(PARTS, given)
    given.results = given.results.absolute()
    given.results.mkdir(parents=True, exist_ok=True)
    folder = given.page.with_suffix("")
    folder.mkdir(parents=True, exist_ok=True)
    failed, slow = [], []
    for name in given.networks or dycl.zoo.__all__:
        missing = [part for part in given.part or PARTS if is_missing(given, name, part)]
        if given.part is None and missing:
            missing = [*PARTS]
        for part in missing:
            if not measured(given, name, part):
                failed.append((name, part))
                if part == "prepare":  # The others need it.
                    break
        if given.part is None:  # The weights of all networks, twice for each path, are much.
            shutil.rmtree(folder_of(name, given.tiny), ignore_errors=True)
        if (record := joined(given, name)) is not None:
            (folder / f"{name}.json").write_text(json.dumps(record) + "\n")
            print("\n".join(peer_page.network_lines(record)), flush=True)
            slow += peer_page.below_floor(record)
    write_page(given.page, folder)
    print("".join(f"below the floor: {line}\n" for line in slow), end="", file=sys.stderr)
    return parts.report(failed) or bool(slow)


def is_missing(given: argparse.Namespace, name: str, part: str) -> bool:
    """A network that is named is measured anew."""
    return given.again or bool(given.networks) or not parts.path(given, name, part).exists()


def measured(given: argparse.Namespace, name: str, part: str) -> bool:
    """Measures a part in a process of its own; again without a peer that ends the process."""
    print(f"{name}: {part}", flush=True)
    command = [sys.executable, __file__, name, "--alone", f"--part={part}", f"--inputs={given.inputs}"]
    command += [f"--results={given.results}", *(["--tiny"] if given.tiny else [])]
    trying = folder_of(name, given.tiny) / "trying"
    ended: dict[str, str] = {}
    for _ in range(MOST_CRASHES):
        trying.unlink(missing_ok=True)
        environment = {
            **os.environ,
            "DYCL_PEERS_PREPARED": str(parts.path(given, name, "prepare")),
            "DYCL_PEERS_CRASHED": json.dumps(ended),
            # What torch.compile made is kept, as dycl's regions are.
            "TORCHINDUCTOR_CACHE_DIR": str(BUILD / "inductor"),
        }
        status = subprocess.run(command, check=False, env=environment).returncode
        if status >= 0 or not trying.exists():
            if status < 0:
                print(f"{name}: {part}: {crash(-status)}", file=sys.stderr)
            return status == 0
        ended[trying.read_text()] = crash(-status)
    return False


def crash(number: int) -> str:
    """A few words on a process that a signal ended."""
    try:
        return f"the process ended by {signal.Signals(number).name}"
    except ValueError:
        return "the process ended"


def joined(given: argparse.Namespace, name: str) -> dict | None:
    """All that was measured of a network; None where that is nothing."""
    paths = {part: parts.path(given, name, part) for part in PARTS}
    found = {part: json.loads(path.read_text()) for part, path in paths.items() if path.exists()}
    if not {"one", "two"} & found.keys():
        return None
    return {"network": name, "tiny": given.tiny, "inputs": found.get("prepare", {}).get("inputs")} | {
        part: found[part] for part in ("one", "two") if part in found
    }


def write_page(page: Path, folder: Path) -> None:
    found = {path.stem: path for path in folder.glob("*.json")}
    records = [json.loads(found[name].read_text()) for name in dycl.zoo.__all__ if name in found]
    if records:
        peer_page.plot(records, folder / "ratios.svg")
        page.write_text(peer_page.page(records, folder.name))
        print(f"{page}: {len(records)} networks")


if __name__ == "__main__":
    sys.exit(main())
