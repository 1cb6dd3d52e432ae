# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Eager's decisions, observed opcode by opcode: what they are, and that a program that decides otherwise is found.

That captured programs decide the same, test_frontend_constructs.py asks of the whole corpus.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest
import torch
from observed_functions import FUNCTIONS, helper_twice, recursive
from test_frontend_constructs import CASES, capture_case, compared

from dycl.report.agreement import Call, compare_decisions
from dycl.report.constructs import TRIPS, WHOLE
from dycl.report.dead import dead_edges
from dycl.report.observe import observe

X = torch.tensor([1.0, -2.0, 3.0])


@pytest.mark.filterwarnings("ignore::dycl.errors.DyclWarning", "ignore:negative")
@pytest.mark.parametrize(
    "name", ["early", "elif_chain", "nested_fall", "while_return", "complex_break", "tolist", "collatz", "nested_for"]
)
def test_predicate_that_decides_the_opposite_is_found(name: str) -> None:
    case = next(case for case in CASES if case.name == name)
    predicates, calls, agreement = compared(case, capture_case(case), every=2)
    for predicate in predicates:
        is_a_way_out_of_a_loop = any(c.kind in ("for", "while") for c in predicate.constructs)
        if predicate.kind != "if" or is_a_way_out_of_a_loop or predicate.node not in agreement.meanings:
            continue
        swapped = [
            replace_decisions(call, [(n, (not v) if n is predicate.node else v) for n, v in call.decisions])
            for call in calls
        ]
        found = compare_decisions(predicates, swapped).disagreements
        assert predicate.node in {d.predicate.node for d in found}, predicate.location


@pytest.mark.filterwarnings("ignore::dycl.errors.DyclWarning", "ignore:negative")
@pytest.mark.parametrize("name", ["whiles", "nested_while", "while_else", "collatz", "nested_for", "tuple_state"])
@pytest.mark.parametrize("more", [True, False])
def test_another_number_of_iterations_is_found(name: str, more: bool) -> None:
    case = next(case for case in CASES if case.name == name)
    predicates, calls, _ = compared(case, capture_case(case))
    for predicate in (p for p in predicates if p.kind == "loop"):
        index, at = next(
            (i, k)
            for i, call in enumerate(calls)
            for k, decision in enumerate(call.decisions)
            if decision == (predicate.node, True)
        )
        decisions = list(calls[index].decisions)
        decisions[at : at + 1] = [(predicate.node, True)] * 2 if more else []
        wrong = [*calls[:index], replace_decisions(calls[index], decisions), *calls[index + 1 :]]
        found = compare_decisions(predicates, wrong).disagreements
        assert (index, predicate.node) in {(d.call, d.predicate.node) for d in found}


def replace_decisions(call: Call, decisions: list[tuple[object, object]]) -> Call:
    return replace(call, decisions=decisions)  # type: ignore[arg-type]


@pytest.mark.parametrize(("function", "arguments", "expected"), FUNCTIONS)
def test_decisions_of(function, arguments, expected) -> None:
    """What each construct decides, in order: its kind, the part of it, and which way."""
    eager = observe(function, arguments, {}, [function.__code__.co_filename])
    assert eager.raised is None
    plain = function(*arguments)
    assert eager.result == plain if not isinstance(plain, torch.Tensor) else torch.equal(eager.result, plain)
    found = [
        (t.role.construct.kind, t.role.part or WHOLE, t.value)
        for t in eager.taken
        if t.role.part in (WHOLE, TRIPS) or t.role.part.startswith("operand")
    ]
    assert found == expected


def test_calls_from_two_places_are_told_apart() -> None:
    eager = observe(helper_twice, (X,), {}, [helper_twice.__code__.co_filename])
    in_helper = [t for t in eager.taken if t.role.construct.kind == "if"]
    assert [t.value for t in in_helper] == [True, False]
    assert len({t.role for t in in_helper}) == 1
    assert len({t.context for t in in_helper}) == 2


def test_recursion_has_a_context_a_call() -> None:
    eager = observe(recursive, (X, 3), {}, [recursive.__code__.co_filename])
    tests = [t for t in eager.taken if t.on_data]
    assert len(tests) == 3
    assert len({t.context for t in tests}) == 3


def test_margin_and_forcing() -> None:
    def forward(x):
        if x.sum() > 1.5:
            return x + 1
        return x - 1

    files = [forward.__code__.co_filename]
    eager = observe(forward, (X,), {}, files)
    (taken,) = eager.taken
    assert taken.margin is not None
    assert (taken.margin.value, taken.value, taken.on_data) == (0.5, True, True)
    assert not taken.margin.is_near_tie
    assert taken.turned is not None
    number, value = taken.turned
    forced = observe(forward, (X,), {}, files, forced={number: value})
    assert torch.equal(forced.result, X - 1)


def test_nothing_is_left_tracing_and_the_model_is_as_it_was() -> None:
    import sys

    before = sys.gettrace()

    def forward(x):
        if x.sum() > 0:
            raise KeyError("left")
        return x

    eager = observe(forward, (X,), {}, [forward.__code__.co_filename])
    assert isinstance(eager.raised, KeyError)
    assert sys.gettrace() is before
    assert X.__class__ is torch.Tensor


def test_edges_proved_dead() -> None:
    host = """
def main(regions, decide, x):
    p0 = regions.region_0(x)
    if decide(0, p0):
        v0, p1 = regions.region_1(x)
    else:
        v0, p1 = x, False
    if decide(1, p1):
        if decide(2, p0):
            return (v0,)
        return (x,)
    p2 = False
    while decide(3, p2):
        p2 = regions.region_2(v0)
    if decide(4, p2):
        return (x,)
    return (v0,)
"""
    nodes = [{"id": 0, "kind": "entry"}, {"id": 9, "kind": "exit"}]
    nodes += [{"id": 10 + k, "kind": "predicate", "predicate": k} for k in range(5)]
    ways = {10: (11, 11), 11: (12, 13), 12: (9, 9), 13: (13, 14), 14: (9, 9)}
    edges = [{"source": 0, "target": 10, "label": "next"}]
    for node, targets in ways.items():
        labels = ("iterate", "exit") if node == 13 else ("true", "false")
        edges += [{"source": node, "target": t, "label": label} for t, label in zip(targets, labels, strict=True)]
    dead = dead_edges(host, {"nodes": nodes, "edges": edges})
    # p2 is False after the loop; before it, it is False the first time only. p1 says nothing of p0 to this prover.
    assert set(dead) == {(14, "true")}
    assert Counter(reason.partition(":")[0] for reason in dead.values()) == {"dead": 1}
