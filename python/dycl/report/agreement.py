# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Whether a program decides as eager does: each predicate's decisions are those that eager took at its place.

A program does not decide in eager's order, nor as often: a condition whose sides turned out to be the same is gone, one
whose result is needed on one path only is decided there, and where the kinds of values differ by path it has several
copies. What stays is this. A predicate stands for one *role* of one construct of the source (the truth of an `if`, an
operand of an `and`, the iterations of a loop), so in every call its decisions are, in order, some of those that eager
took in that role. Outside of loops on data it also stands for one *context* (the same calls, the same iteration of an
unrolled loop) in all calls. A predicate for which no such role or context exists has decided otherwise than eager,
unless it is one of the program's own (a check, a choice inside a built-in), beside which the user's decisions at the
place are all accounted for.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from dycl.errors import SourceLocation
from dycl.report.constructs import BROKEN, PATTERN, RETURNED, TRIPS, WHOLE, Construct, read_source
from dycl.report.observe import Observation, Role, Taken
from dycl.runtime.graph import Node


@dataclass(frozen=True)
class Predicate:
    """A predicate of a program.

    Attributes:
        node: of the HCFG.
        kind: "if", "loop" or "switch".
        location: its place in the user's source.
        is_once: whether a call decides it at most once, for it is in no loop.
    """

    node: Node
    kind: str
    location: SourceLocation | None
    is_once: bool

    @cached_property
    def constructs(self) -> Sequence[Construct]:
        """What the user's source has at its place."""
        if self.location is None:
            return ()
        source = read_source(self.location.file)
        return () if source is None else source.at.get((self.location.line, self.location.column), ())

    @cached_property
    def inner(self) -> str:
        """What at its place may decide without a jump of the user's; empty where nothing does."""
        source = read_source(self.location.file) if self.location is not None else None
        if source is None or self.location is None:
            return ""
        return source.inner.get((self.location.line, self.location.column), "")

    def tokens(self, call: Call) -> Sequence[bool | int]:
        """What it decided in a call: ways, or of a loop the iterations of each time that it ran."""
        decisions = call.by_node.get(self.node, ())
        if self.kind != "loop" or any(not isinstance(d, bool) for d in decisions):
            return decisions
        tokens: list[int] = []
        trips = 0
        for goes_on in decisions:
            if goes_on:
                trips += 1
            else:
                tokens.append(trips)
                trips = 0
        return tokens

    def roles(self) -> Iterator[_Meaning]:
        """What it may stand for."""
        for construct in self.constructs:
            if self.kind == "loop" and construct.kind in ("for", "while", "comprehension"):
                yield from (_Meaning(Role(construct, TRIPS), peeled=peeled) for peeled in range(3))
            if self.kind == "if" and construct.kind in ("for", "while"):
                yield _Meaning(Role(construct, BROKEN))
                yield _Meaning(Role(construct, RETURNED))
                for negated in (False, True):
                    yield from (_Meaning(Role(construct, TRIPS), at_least=n, negated=negated) for n in (1, 2, 3))
            if construct.kind in ("for", "comprehension"):
                continue
            parts = dict.fromkeys([*(part for part, _ in construct.parts), WHOLE])
            yield from (_Meaning(Role(construct, part)) for part in parts)


@dataclass(frozen=True)
class _Meaning:
    """A role, as a predicate decides it: of a loop whose first iterations are apart, the rest of the iterations."""

    role: Role
    peeled: int = 0
    negated: bool = False
    at_least: int = 0

    def values(self, taken: Sequence[Taken]) -> list[tuple[bool | int, Taken]]:
        if self.at_least:
            reached = [t for t in taken if t.value >= self.at_least - 1]
            return [((t.value >= self.at_least) != self.negated, t) for t in reached]
        if self.role.part == TRIPS:
            return [(t.value - self.peeled, t) for t in taken if t.value >= self.peeled]
        return [(bool(t.value) != self.negated, t) for t in taken]


@dataclass
class Call:
    """One call, in eager and by the program.

    Attributes:
        eager: what eager did.
        decisions: what the program decided, in order.
    """

    eager: Observation
    decisions: Sequence[tuple[Node, Any]]

    @cached_property
    def by_role(self) -> Mapping[Role, Sequence[Taken]]:
        found: dict[Role, list[Taken]] = defaultdict(list)
        for taken in self.eager.taken:
            found[taken.role].append(taken)
        return found

    @cached_property
    def by_node(self) -> Mapping[Node, Sequence[Any]]:
        found: dict[Node, list[Any]] = defaultdict(list)
        for node, decision in self.decisions:
            found[node].append(decision)
        return found


@dataclass(frozen=True)
class Disagreement:
    """A predicate that decided otherwise than eager.

    Attributes:
        call: the index of the call.
        predicate: which one.
        program: what the program decided there, in this call: bools, or iterations.
        eager: what eager decided, in the role that fits best.
        role: that role.
    """

    call: int
    predicate: Predicate
    program: tuple[bool | int, ...]
    eager: tuple[bool | int, ...]
    role: str

    def of_call(self, index: int) -> Disagreement:
        """The same, of a call with another index."""
        return replace(self, call=index)

    def __str__(self) -> str:
        shown = ", ".join(map(str, self.program)), ", ".join(map(str, self.eager)) or "nothing"
        return f"{self.role}: the program decided {shown[0]}; eager {shown[1]}"


@dataclass
class Agreement:
    """How the decisions of a program compare to eager's.

    Attributes:
        decided: decisions of the program, in all calls, in a role of the user's source.
        own: those in no role of the user's source, by what they are.
        disagreements: the predicates that decided otherwise, call by call.
        eager_only: decisions of eager on data that the program needed none for, by place: both ways lead to the same.
        eager: decisions of eager on data, at the places of predicates.
        meanings: what each predicate stands for.
    """

    decided: int = 0
    own: Counter[str] = field(default_factory=Counter[str])
    disagreements: list[Disagreement] = field(default_factory=list[Disagreement])
    eager_only: Counter[str] = field(default_factory=Counter[str])
    eager: int = 0
    meanings: dict[Node, list[_Meaning]] = field(default_factory=dict[Node, list[_Meaning]])
    contexts: dict[Node, set[Any]] = field(default_factory=dict[Node, set[Any]])

    def counterpart(self, predicate: Predicate, call: Call, nth: int) -> Taken | None:
        """The decision of eager that a predicate's n-th decision in a call stands for, as far as that can be told."""
        for meaning in self.meanings.get(predicate.node, ()):
            values = meaning.values(call.by_role.get(meaning.role, ()))
            tokens = predicate.tokens(call)
            matched = _match(tokens, values, self.contexts.get(predicate.node))
            if matched is not None and nth < len(matched):
                return matched[nth]
        return None


def compare_decisions(predicates: Iterable[Predicate], calls: Sequence[Call]) -> Agreement:
    """Compares the decisions of several calls.

    Args:
        predicates: all of the program's.
        calls: the calls.
    """
    predicates = list(predicates)
    result = Agreement()
    misfits: list[tuple[Predicate, _Meaning | None, list[int]]] = []
    aligned = [_aligned(predicates, call) for call in calls]
    for predicate in predicates:
        executed = [i for i, call in enumerate(calls) if predicate.node in call.by_node]
        fitting, best, failing = _fit(predicate, calls, executed, result)
        if fitting:
            result.meanings[predicate.node] = fitting
            _narrow(predicate, [aligned[i] for i in executed], result)
        elif executed:
            misfits.append((predicate, best, failing))
    for predicate, best, failing in misfits:
        _judge_misfit(predicate, best, failing, predicates, calls, result)
    _count(predicates, calls, result)
    return result


def _fit(
    predicate: Predicate, calls: Sequence[Call], executed: Sequence[int], result: Agreement
) -> tuple[list[_Meaning], _Meaning | None, list[int]]:
    """What a predicate may stand for in all calls; else what fits most of them, and the calls that it does not fit."""
    fitting: list[_Meaning] = []
    best: tuple[int, _Meaning | None, list[int]] = (-1, None, list(executed))
    contexts: set[Any] | None = None
    for meaning in predicate.roles():
        possible: set[Any] | None = None
        failing: list[int] = []
        for index in executed:
            call = calls[index]
            tokens = predicate.tokens(call)
            values = meaning.values(call.by_role.get(meaning.role, ()))
            if predicate.is_once:
                here = {t.context for value, t in values if value == tokens[0]}
                now = here if possible is None else possible & here
                if now:
                    possible = now
                else:
                    failing.append(index)
            elif _match(tokens, values, None) is None:
                failing.append(index)
        if executed and not failing:
            fitting.append(meaning)
            contexts = (contexts or set()) | (possible or set())
        if len(executed) - len(failing) > best[0]:
            best = (len(executed) - len(failing), meaning, failing)
    if fitting and predicate.is_once and contexts:
        result.contexts[predicate.node] = contexts
    return fitting, best[1], best[2]


def _aligned(predicates: Sequence[Predicate], call: Call) -> Mapping[Node, Any]:
    """For predicates outside of loops on data the context that each stands for in a call, by their order.

    Only where a construct was decided as often by eager as by the program.
    """
    nodes: dict[Construct, list[Node]] = defaultdict(list)
    once = {p.node: p for p in predicates if p.is_once and p.kind == "if" and len(p.constructs) == 1}
    for node, _ in call.decisions:
        if node in once:
            nodes[once[node].constructs[0]].append(node)
    found: dict[Node, Any] = {}
    for construct, reached in nodes.items():
        taken = [t for t in call.by_role.get(Role(construct), ()) if t.on_data]
        if len(taken) == len(reached):
            found.update({node: t.context for node, t in zip(reached, taken, strict=True)})
    return found


def _narrow(predicate: Predicate, aligned: Sequence[Mapping[Node, Any]], result: Agreement) -> None:
    """Of several contexts that fit a predicate in all calls, the one that its order says.

    Calls in which all blocks of a network decide alike do not tell which predicate is which block's.
    """
    possible = result.contexts.get(predicate.node, ())
    by_order = {found[predicate.node] for found in aligned if predicate.node in found}
    if len(possible) > 1 and len(by_order) == 1 and by_order <= set(possible):
        result.contexts[predicate.node] = by_order


def _match(
    tokens: Sequence[bool | int], values: Sequence[tuple[bool | int, Taken]], contexts: set[Any] | None
) -> list[Taken] | None:
    """For each token, in order, a decision of eager with its value; None where there are none."""
    found: list[Taken] = []
    rest = iter(values)
    for token in tokens:
        for value, taken in rest:
            if value == token and (contexts is None or taken.context in contexts):
                found.append(taken)
                break
        else:
            return None
    return found


def _judge_misfit(
    predicate: Predicate,
    best: _Meaning | None,
    failing: Sequence[int],
    predicates: Sequence[Predicate],
    calls: Sequence[Call],
    result: Agreement,
) -> None:
    """A predicate without a role is the program's own if the user's decisions at its place are accounted for."""
    if best is None:
        return
    is_users = predicate.kind == "loop" or _is_the_opposite(predicate, calls)
    for index in failing:
        call = calls[index]
        if is_users or not _is_accounted_for(predicate, predicates, call, result):
            eager = tuple(value for value, _ in best.values(call.by_role.get(best.role, ())))
            program = tuple(predicate.tokens(call))
            result.disagreements.append(Disagreement(index, predicate, program, eager, str(best.role)))


def _is_the_opposite(predicate: Predicate, calls: Sequence[Call]) -> bool:
    """Whether a predicate always decides the opposite of what eager does at its place, both ways seen."""
    if predicate.kind != "if" or (predicate.inner and predicate.inner != PATTERN):
        return False
    reached = [call for call in calls if predicate.node in call.by_node]
    if {token for call in reached for token in predicate.tokens(call)} != {False, True}:
        return False
    for meaning in predicate.roles():
        if meaning.role.part != WHOLE or meaning.role.construct.kind == "while":
            continue
        opposite = replace(meaning, negated=True)
        values = [(predicate.tokens(c), opposite.values(c.by_role.get(meaning.role, ()))) for c in reached]
        if all(_match(tokens, taken, None) is not None for tokens, taken in values):
            return True
    return False


def _is_accounted_for(predicate: Predicate, predicates: Sequence[Predicate], call: Call, result: Agreement) -> bool:
    """Whether other predicates at the same place stand for all that eager decided there on data.

    What it decided on Python values counts too where no other predicate stands for it: they may be of tensors.
    """
    constructs = set(predicate.constructs)
    loops = {c for p in predicates if p.kind == "loop" for c in p.constructs}
    standing = _Standing.of(predicates, call, result)
    wanted: list[Taken] = []
    for taken in call.eager.taken:
        construct = taken.role.construct
        if construct not in constructs:
            continue
        is_known = standing.for_any(construct) or bool(predicate.inner)
        is_test = taken.role.part == WHOLE and construct.kind != "while" and (taken.on_data or not is_known)
        if is_test or (taken.role.part == TRIPS and construct in loops):
            wanted.append(taken)
    numbers = Counter(taken.role.construct for taken in wanted)
    return not standing.lacking(wanted) and all(standing.all[c] >= number for c, number in numbers.items())


@dataclass
class _Standing:
    """What the predicates that a call reached stand for.

    Attributes:
        contexts: of predicates outside of loops on data: the constructs, each with the contexts.
        counts: of predicates inside: how many decisions for each construct; of a loop, how many times that it ran.
        all: the same of all predicates.
    """

    contexts: set[tuple[Construct, Any]] = field(default_factory=set[tuple[Construct, Any]])
    counts: Counter[Construct] = field(default_factory=Counter[Construct])
    all: Counter[Construct] = field(default_factory=Counter[Construct])

    @staticmethod
    def of(predicates: Sequence[Predicate], call: Call, result: Agreement) -> _Standing:
        standing = _Standing()
        for predicate in predicates:
            if predicate.node not in call.by_node:
                continue
            tokens = predicate.tokens(call)
            for construct in {m.role.construct for m in result.meanings.get(predicate.node, ())}:
                is_apart = predicate.kind == "if" and construct.kind in ("for", "while")
                # The first iteration, apart from the others: where there is none, the loop itself does not run.
                number = sum(not token for token in tokens) if is_apart else len(tokens)
                standing.all[construct] += number
                if predicate.is_once and not is_apart:
                    contexts = result.contexts.get(predicate.node, ())
                    standing.contexts |= {(construct, context) for context in contexts}
                else:
                    standing.counts[construct] += number
        return standing

    def for_any(self, construct: Construct) -> bool:
        """Whether any predicate stands for decisions of a construct."""
        return bool(self.counts[construct]) or any(construct is known for known, _ in self.contexts)

    def lacking(self, wanted: Iterable[Taken]) -> Counter[Construct]:
        """For each construct how many of some decisions of eager no predicate stands for."""
        rest = Counter(t.role.construct for t in wanted if (t.role.construct, t.context) not in self.contexts)
        return Counter({c: n - self.counts[c] for c, n in rest.items() if n > self.counts[c]})


def _count(predicates: Sequence[Predicate], calls: Sequence[Call], result: Agreement) -> None:
    disagreeing = {(d.call, d.predicate.node) for d in result.disagreements}
    by_node = {predicate.node: predicate for predicate in predicates}
    places = {c for p in predicates for c in p.constructs}
    for index, call in enumerate(calls):
        for node in call.by_node:
            predicate = by_node[node]
            tokens = predicate.tokens(call)
            if (index, node) in disagreeing:
                continue
            if node in result.meanings:
                result.decided += len(tokens)
            else:
                result.own[_own(predicate)] += len(tokens)
        on_data = [
            t for t in call.eager.taken if t.on_data and t.role.part == WHOLE and t.role.construct in places
        ]  # fmt: skip
        result.eager += len(on_data)
        # What the tests of a loop say, its iterations do.
        tests = [t for t in on_data if t.role.construct.kind != "while"]
        for construct, number in _Standing.of(predicates, call, result).lacking(tests).items():
            result.eager_only[f"{construct} `{construct.text}`"] += number


def _own(predicate: Predicate) -> str:
    where = f"{Path(predicate.location.file).name}:{predicate.location.line}" if predicate.location else ""
    if predicate.constructs:
        return f"{where}: beside `{predicate.constructs[0].text}`"
    return f"{where}: {predicate.inner or 'a check or a choice of the program'}"
