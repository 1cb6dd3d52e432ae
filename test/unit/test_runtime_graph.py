# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Replaying recorded decisions as a walk through the HCFG."""

import pytest
from handwritten import hcfg

from dycl.errors import BundleError
from dycl.runtime.graph import walk
from dycl.runtime.host_runtime import recorder


def loops_and_switch():
    """A counted loop (1) in a while (0), and a switch (2) after them."""
    nodes = [
        ("entry", "entry", None),
        ("while", "predicate", 0),
        ("for", "predicate", 1),
        ("body", "region", "r"),
        ("switch", "predicate", 2),
        ("exit", "exit", None),
    ]
    edges = [
        ("entry", "while", "next"),
        ("while", "for", "iterate"),
        ("for", "body", "iterate"),
        ("body", "for", "next"),
        ("for", "while", "exit"),
        ("while", "switch", "exit"),
        ("switch", "exit", "case 0"),
        ("switch", "exit", "case 2"),
        ("switch", "exit", "default"),
    ]
    return hcfg(nodes, edges)


def counts(decisions):
    return {(e.source, e.target, e.label): e.count for e in walk(loops_and_switch(), decisions)}


def test_a_counted_loop_decides_once_each_time_it_is_entered():
    edges = counts([(0, True), (1, 2), (0, True), (1, 0), (0, True), (1, 1), (0, False), (2, 2)])
    assert edges["while", "for", "iterate"] == 3
    assert edges["for", "body", "iterate"] == 3
    assert edges["for", "while", "exit"] == 3
    assert edges["while", "switch", "exit"] == 1
    assert edges["switch", "exit", "case 2"] == 1


@pytest.mark.parametrize(("index", "label"), [(0, "case 0"), (2, "case 2"), (1, "default"), (-1, "default")])
def test_a_switch_takes_its_case_or_the_default(index, label):
    edges = counts([(0, False), (2, index)])
    assert [key[2] for key in edges if key[0] == "switch"] == [label]


@pytest.mark.parametrize(
    ("decisions", "message"),
    [
        ([(1, 2)], "the host decided predicate 1, where its HCFG has 0"),
        ([(0, False)], "the host decided predicate None, where its HCFG has 2"),
        ([(0, False), (2, 0), (2, 0)], "the host decided 1 times more"),
    ],
)
def test_decisions_of_another_program_are_refused(decisions, message):
    with pytest.raises(BundleError, match=message):
        counts(decisions)


def test_a_predicate_without_the_way_that_was_taken_is_refused():
    graph = hcfg([("entry", "entry", None), ("if", "predicate", 0), ("exit", "exit", None)],
                 [("entry", "if", "next"), ("if", "exit", "true")])  # fmt: skip
    with pytest.raises(BundleError, match="no edge 'false' at if"):
        walk(graph, [(0, False)])


def test_decide_records_in_order_and_passes_values_on():
    decisions, decide = recorder()
    assert decide(3, True) is True
    assert list(decide(1, range(4, 10, 2))) == [4, 6, 8]
    assert decide(7, -2) == -2
    assert decide(3, False) is False
    assert decisions == [(3, True), (1, 3), (7, -2), (3, False)]
    assert recorder()[0] == []
