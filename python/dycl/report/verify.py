# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""`dycl.verify`: a program against eager PyTorch, decision by decision, output by output, path by path."""

from __future__ import annotations

import copy
import functools
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import networkx
import torch
from torch import nn

from dycl.errors import DyclError, InputError, SizeMismatchError
from dycl.report.agreement import Agreement, Call, Disagreement, Predicate, compare_decisions
from dycl.report.coverage import FORCED, NATURAL, ORIGINS, Coverage
from dycl.report.dead import dead_edges
from dycl.report.inputs import Arguments, Inputs, generated_inputs, given_inputs
from dycl.report.observe import Observation, observe
from dycl.report.outputs import Difference, Scales, difference, exceptions_differ
from dycl.report.result import Failure, NearTie, VerifyReport
from dycl.report.search import Search
from dycl.runtime.arrays import to_torch
from dycl.runtime.host_runtime import GENERATOR

if TYPE_CHECKING:
    from dycl.runtime.graph import Node
    from dycl.runtime.program import Program


def verify(
    program: Program,
    model: Any,
    inputs: Iterable[Arguments] | Inputs | None = None,
    *,
    kwargs: Mapping[str, Any] | None = None,
    example: Sequence[Any] | None = None,
    count: int = 100,
    seed: int = 0,
    tolerance: float = 1e-5,
    noise: float = 1e-5,
    sequence: int = 4,
    search: int = 1000,
    search_time_s: float = 60.0,
    progress: bool | None = None,
) -> VerifyReport:
    """Compare a compiled program to the model that it was compiled from, run in eager as it is.

    Eager's decisions are observed in the running interpreter, without dycl's rewriter. Of every call are compared: each
    decision and number of iterations, the outputs (structure, types, dtypes, shapes, values), what is written to the
    arguments, the state, and exceptions. What no input took is then searched for: near the inputs that came close,
    along the gradient of what a condition compares, and at last by forcing the decision in both.

    Args:
        program: what `dycl.compile` or `dycl.load` gave.
        model: the model, in the state in which it was compiled; it stays as it is.
        inputs: for each call a tuple of its arguments; None to generate them.
        kwargs: keyword arguments of every call.
        example: arguments to generate inputs like, where none are given.
        count: how many to generate.
        seed: of everything that is random.
        tolerance: the largest error of an output relative to its scale: its largest magnitude in the call, or the
            median of those in all calls, if that is more.
        noise: the largest difference of what a condition compares, relative to its magnitude, by which a decision may
            differ: such calls are reported apart, and are no failures.
        sequence: of a program with state, how many calls follow each other from the initial state.
        search: how many calls of the program to spend on what no input took; 0: neither search nor force.
        search_time_s: after how many seconds the search ends, and forcing after as many again. The report says so.
        progress: say on standard error what is done; None for "on a terminal only".

    Raises:
        InputError: for inputs that are no tuples, or not what the program takes.
    """
    if inputs is None:
        chosen = generated_inputs(program.signature, example, count, seed)
    else:
        chosen = inputs if isinstance(inputs, Inputs) else given_inputs(inputs)
    says = sys.stderr.isatty() if progress is None else progress
    verifier = Verifier(program, model, dict(kwargs or {}), tolerance, noise, sequence, seed, says)
    for index, arguments in enumerate(chosen.arguments):
        verifier.say(f"comparing call {index + 1} of {len(chosen.arguments)}")
        starts = index % max(sequence, 1) == 0
        if starts:
            verifier.reseed()
        verifier.call(arguments, NATURAL, starts=starts)
    looking = None
    if search:
        looking = Search(verifier, search, seed, chosen.more, time_s=search_time_s)
        looking.run()
        if program.host == "python":
            looking.force()
        verifier.say("comparing all decisions")
    report = verifier.report(chosen.origin)
    if looking is not None:
        report.search_calls, report.search_s = looking.tried, looking.spent_s
        report.notes += looking.notes
    verifier.say("")
    return report


@dataclass
class Record:
    """One call, compared.

    Attributes:
        arguments: as they were before it.
        before: the model as it was before it.
        call: what was decided.
        seed: of the random numbers, where the program draws some.
        differences: of the outputs, the arguments and the state, by these kinds.
        problems: what differs other than decisions and by rounding: kinds of failures with messages.
        raised: whether both raised alike.
    """

    index: int
    origin: str
    arguments: Arguments
    before: Any
    call: Call
    seed: int = 0
    differences: dict[str, Difference] = field(default_factory=dict[str, Difference])
    problems: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
    raised: bool = False
    near_tie: NearTie | None = None
    was_judged: bool = False


@dataclass
class Seeded:
    """The model of a program that draws random numbers, and the state of eager's generator that goes with it."""

    model: Any
    random: torch.Tensor

    def observe(self, *args: Any, **options: Any) -> Observation:
        """What `observe` of the model gives; eager's generator is then as it was."""
        with torch.random.fork_rng(devices=[]):
            torch.set_rng_state(self.random)
            found = observe(self.model, *args, **options)
            self.random = torch.get_rng_state()
        return found


class Verifier:
    """Runs and compares calls, and keeps what was found.

    Args:
        program, model, kwargs, tolerance, noise, sequence, seed: see `verify`.
        says: whether to tell the progress on standard error.
    """

    def __init__(
        self,
        program: Program,
        model: Any,
        kwargs: dict[str, Any],
        tolerance: float,
        noise: float,
        sequence: int,
        seed: int,
        says: bool,
    ) -> None:
        self.program = program
        self.kwargs = kwargs
        self.tolerance = tolerance
        self.noise = noise
        self.records: list[Record] = []
        self.predicates = predicates_of(program)
        self.files = sorted({p.location.file for p in self.predicates if p.location is not None})
        self.hcfg = program_hcfg(program)
        self.coverage = Coverage(self.hcfg, self.predicates, dead_edges(program.host_source, self.hcfg))
        self.scales = Scales()
        self.has_state = bool(program.signature.state)
        self._initial = copy.deepcopy(model) if isinstance(model, nn.Module) else model
        self.is_random = any(spec.name in GENERATOR for spec in program.signature.state)
        if self.is_random:
            self._initial = Seeded(self._initial, torch.Generator().get_state())
        self.seed = seed
        self.model = self._initial
        self._sequence = sequence
        self._says = says

    def say(self, text: str) -> None:
        """Progress, on one line of standard error; the empty text ends it."""
        if self._says:
            sys.stderr.write(f"\r\x1b[K{text}")
            sys.stderr.flush()

    # Running ---------------------------------------------------------------------------------------------------------

    def reseed(self) -> None:
        """From the next start on, both draw other random numbers."""
        self.seed += 1

    def start(self, seed: int | None = None) -> None:
        """Both go back to the initial state; `seed` is of the random numbers, the last one by default."""
        if self.has_state:
            self.program.reset_state()
            self.model = copy.deepcopy(self._initial)
        if self.is_random:
            self.seed = self.seed if seed is None else seed
            self.program.manual_seed(self.seed)
            self.model.random = torch.Generator().manual_seed(self.seed).get_state()

    def call(self, arguments: Arguments, origin: str, *, starts: bool = True) -> Record:
        """Runs both with the same arguments, from the initial state or from where they are, and compares."""
        if starts:
            self.start()
        before = copy.deepcopy(self.model) if self.has_state else self.model
        mine, eagers = copy.deepcopy(arguments), copy.deepcopy(arguments)
        eager = self.observe(self.model, eagers)
        record = self.compared(arguments, origin, before, eager, eagers, mine)
        self.keep(record)
        return record

    def keep(self, record: Record) -> None:
        """Adds the program's last call, compared, to the others."""
        record.index = len(self.records)
        for found in record.differences.values():
            self.scales.add(found)
        self.records.append(record)
        self.coverage.add(self.program.last_path, self.trips(record.call), record.origin)

    def observe(self, model: Any, arguments: Arguments, **options: Any) -> Observation:
        run = model.observe if isinstance(model, Seeded) else functools.partial(observe, model)
        return run(arguments, self.kwargs, self.files, tolerance=self.noise, **options)

    def run_program(self, arguments: Arguments) -> tuple[Any, Exception | None]:
        """The program's result, or what it raised.

        Raises:
            InputError: where the arguments are not for it.
        """
        try:
            return self.program(*arguments, **self.kwargs), None
        except InputError:
            raise
        except Exception as error:
            return None, error

    def compared(
        self, arguments: Arguments, origin: str, before: Any, eager: Observation, eagers: Arguments, mine: Arguments
    ) -> Record:
        """Runs the program, and compares it to what eager did."""
        result, raised = self.run_program(mine)
        call = Call(eager, self.program.last_decisions)
        record = Record(len(self.records), origin, arguments, before, call, self.seed)
        if isinstance(raised, SizeMismatchError) and isinstance(eager.raised, RuntimeError):
            record.raised = True  # The same error, without the sizes in its message.
            return record
        if isinstance(raised, DyclError):
            record.problems.append(("error", f"the program failed: {raised}"))
            return record
        self.compare(record, eager, result, raised, eagers, mine)
        return record

    def compare(
        self, record: Record, eager: Observation, result: Any, raised: Exception | None, eagers: Any, mine: Any
    ) -> None:
        """Notes what differs between both, other than decisions."""
        raised_otherwise = exceptions_differ(raised, eager.raised)
        if raised_otherwise is not None:
            record.problems.append(("exception", raised_otherwise))
        elif raised is not None:
            record.raised = True
        else:
            record.differences["output"] = difference(result, eager.result)
        record.differences["argument"] = difference(mine, eagers, "argument")
        if self.has_state:
            record.differences["state"] = self._state_difference()
        for what, found in record.differences.items():
            record.problems += [(what, message) for message in found.mismatches]

    def problems(self, record: Record) -> list[tuple[str, str]]:
        """What differs in a call other than decisions: the kind of failure, and the message."""
        too_large = [
            (what, message)
            for what, found in record.differences.items()
            for message in self.scales.too_large(found, self.tolerance)
        ]
        return [*record.problems, *too_large]

    def _state_difference(self) -> Difference:
        whole = Difference()
        model = self.model.model if isinstance(self.model, Seeded) else self.model
        for name, array in self.program.state.items():
            expected = _attribute(model, name)
            if isinstance(expected, torch.Tensor):
                found = difference(to_torch(array), expected.detach(), name)
            elif isinstance(expected, (bool, int, float)):
                found = difference(type(expected)(array.item()), expected, name)
            else:
                continue
            whole.mismatches += found.mismatches
            whole.errors += found.errors
        return whole

    def trips(self, call: Call) -> dict[Node, Sequence[int]]:
        """The iterations of each loop on data in a call."""
        return {p.node: [int(t) for t in p.tokens(call)] for p in self.predicates if p.kind == "loop"}

    # Judging ---------------------------------------------------------------------------------------------------------

    def judge(self) -> Agreement:
        """Compares the decisions of all calls, those apart that differ after a near tie."""
        agreement = compare_decisions(self.predicates, [r.call for r in self.records])
        doubtful = {d.call for d in agreement.disagreements} | {r.index for r in self.records if self.problems(r)}
        others = [r for r in self.records if r.index not in doubtful][:20]
        for index in sorted(doubtful):
            record = self.records[index]
            if not record.was_judged and record.origin != FORCED:
                record.was_judged = True
                record.near_tie = self._near_tie(record, others)
        return self._agreement_of_the_rest()

    def _agreement_of_the_rest(self) -> Agreement:
        rest = [r for r in self.records if r.near_tie is None]
        agreement = compare_decisions(self.predicates, [r.call for r in rest])
        agreement.disagreements = [d.of_call(rest[d.call].index) for d in agreement.disagreements]
        return agreement

    def _near_tie(self, record: Record, others: Sequence[Record]) -> NearTie | None:
        """The decision within noise after which a call differs, if eager decided the other way does what it does."""
        unconfirmed: NearTie | None = None
        for taken in record.call.eager.taken:
            if taken.margin is None or not taken.margin.is_near_tie:
                continue
            tie = NearTie(record.index, str(taken.role), taken.margin.value, taken.margin.noise, confirmed=False)
            if taken.read is None:
                unconfirmed = unconfirmed or tie
                continue
            if self._agrees_when_forced(record, {taken.read: not record.call.eager.reads[taken.read].value}, others):
                tie.confirmed = True
                return tie
        return unconfirmed

    def _agrees_when_forced(self, record: Record, forced: Mapping[int, bool], others: Sequence[Record]) -> bool:
        if self.has_state:
            return False  # The program's state before the call is gone.
        eagers, mine = copy.deepcopy(record.arguments), copy.deepcopy(record.arguments)
        eager = self.observe(record.before, eagers, forced=forced)
        again = self.compared(record.arguments, record.origin, record.before, eager, eagers, mine)
        return not self.problems(again) and not self.disagreements([*(other.call for other in others), again.call])

    def disagreements(self, calls: Sequence[Call]) -> list[Disagreement]:
        """The predicates that decide otherwise than eager in some calls."""
        return compare_decisions(self.predicates, calls).disagreements

    def report(self, inputs: str) -> VerifyReport:
        """What was found in all calls."""
        agreement = self.judge()
        signature = self.program.signature
        counted = [r for r in self.records if r.near_tie is None]
        errors = [error for r in counted for found in r.differences.values() for error in found.errors]
        report = VerifyReport(
            program=signature.name,
            inputs=inputs,
            calls={origin: sum(r.origin == origin for r in self.records) for origin in ORIGINS},
            tolerance=self.tolerance,
            noise=self.noise,
            largest_absolute=max((error.absolute for error in errors), default=0.0),
            largest_relative=max((self.scales.relative(error) for error in errors), default=0.0),
            decisions=agreement.decided + sum(len(d.program) for d in agreement.disagreements),
            agreed=agreement.decided,
            own_decisions=dict(agreement.own),
            eager_decisions=agreement.eager,
            eager_only=dict(agreement.eager_only),
            exceptions=sum(r.raised for r in counted),
            within_noise=sum(
                t.margin is not None and t.margin.is_near_tie and t.role.part == ""
                for r in self.records
                for t in r.call.eager.taken
            ),
            near_ties=[r.near_tie for r in self.records if r.near_tie is not None],
            coverage=self.coverage.summary(),
            edges=list(self.coverage.edges.values()),
            regions=list(self.coverage.regions.values()),
            loops=list(self.coverage.loops.values()),
            nodes=list(self.hcfg["nodes"]),
        )
        for disagreement in agreement.disagreements:
            what = "iterations" if disagreement.predicate.kind == "loop" else "decision"
            record = self.records[disagreement.call]
            report.failures.append(Failure(record.index, record.origin, what, str(disagreement)))
        for record in counted:
            report.failures += [
                Failure(record.index, record.origin, what, text) for what, text in self.problems(record)
            ]
        report.failures.sort(key=lambda failure: failure.call)
        if not self.files and self.predicates:
            report.notes.append(
                "the bundle does not say where in the source its predicates are (it was stripped): decisions were not "
                "compared"
            )
        return report


def program_hcfg(program: Program) -> Mapping[str, Any]:
    """The program's nodes and edges, as its bundle has them."""
    graph = program.hcfg
    nodes: list[dict[str, Any]] = [{"id": node, **data} for node, data in graph.nodes(data=True)]
    for node in nodes:
        location = node["location"]
        node["location"] = {"file": location.file, "line": location.line} if location else None
    edges = [{"source": s, "target": t, "label": label} for s, t, label in graph.edges(keys=True)]
    return {"nodes": nodes, "edges": edges}


def predicates_of(program: Program) -> list[Predicate]:
    """The predicates of a program, in the order of its graph."""
    graph = program.hcfg
    inside: set[Node] = set()
    for component in networkx.strongly_connected_components(graph):
        if len(component) > 1 or any(graph.has_edge(n, n) for n in component):
            inside |= component
    found: list[Predicate] = []
    for node, data in graph.nodes(data=True):
        if data["kind"] == "predicate":
            labels = {label for _, _, label in graph.out_edges(node, keys=True)}
            kind = "loop" if "iterate" in labels else "if" if labels <= {"true", "false"} else "switch"
            found.append(Predicate(node, kind, data["location"], node not in inside))
    return found


def _attribute(model: Any, name: str) -> Any:
    """What a path like `self.blocks.0.count` or `items[1]` names in a model; None where nothing."""
    found: Any = model
    for part in re.findall(r"[^.\[\]]+", name.removeprefix("self.")):
        key: Any = part.strip("'\"")
        if isinstance(found, (list, tuple)) or (isinstance(found, Mapping) and key not in found):
            key = int(key) if re.fullmatch(r"-?\d+", key) else key
        try:
            found = found[key] if isinstance(found, (list, tuple, Mapping)) else getattr(found, str(key))
        except (KeyError, IndexError, AttributeError, TypeError):
            return None
    return found
