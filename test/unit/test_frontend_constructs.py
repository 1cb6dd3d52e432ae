# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Capturing, against eager PyTorch, without a compiler: each construct on every path, by the graph interpreter.

Results and writes are compared with eager's; decisions with what is observed of eager, as it is.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator

import argument_cases  # noqa: F401 (registers its cases)
import constant_item_cases  # noqa: F401
import frontend_class_cases  # noqa: F401 (registers its cases)
import frontend_container_cases  # noqa: F401
import frontend_finally_cases  # noqa: F401
import frontend_iterator_cases  # noqa: F401
import frontend_library_cases  # noqa: F401
import frontend_list_cases  # noqa: F401
import frontend_more_cases  # noqa: F401
import frontend_number_cases  # noqa: F401
import frontend_object_cases  # noqa: F401
import frontend_operator_cases  # noqa: F401
import frontend_recurrent_cases  # noqa: F401
import frontend_report_cases  # noqa: F401
import frontend_search_cases  # noqa: F401
import frontend_syntax_cases  # noqa: F401
import frontend_torch_cases  # noqa: F401
import frontend_value_cases  # noqa: F401
import frontend_with_cases  # noqa: F401
import number_or_tensor_cases  # noqa: F401
import pytest
import ragged_cases  # noqa: F401 (registers its cases)
import random_cases  # noqa: F401
import shared_object_cases  # noqa: F401 (registers its cases)
import size_cases  # noqa: F401 (registers its cases)
import size_condition_cases  # noqa: F401
import small_size_cases  # noqa: F401
import tensor_of_list_cases  # noqa: F401
import torch
from frontend_cases import CASES, EXPECTED_WARNINGS, SEED, Case, assert_same, generated_inputs, run_eager
from torch import fx

from dycl.frontend.capture import CapturedProgram, capture
from dycl.frontend.interpreter import Decision, Interpreter, conditions
from dycl.frontend.recorder import WHILE, nested_graphs
from dycl.options import Options
from dycl.report.agreement import Agreement, Call, Predicate, compare_decisions
from dycl.report.observe import observe
from dycl.runtime.host_runtime import exception_of, seeded, size_problem

GENERATOR = {name: torch.from_numpy(value) for name, value in seeded(SEED).items()}


def run_captured(program: CapturedProgram, inputs: tuple[torch.Tensor, ...]) -> tuple[object, list[Decision]]:
    """The result of a captured program; its writes to the inputs are done to them."""
    signature = program.signature
    shapes = [tuple(value.shape) for value in inputs]
    names = [spec.name for spec in signature.inputs]
    assert size_problem([size.to_json() for size in signature.sizes], names, shapes) is None
    interpreter = Interpreter(program)
    flat = interpreter.run(inputs, [GENERATOR[spec.name] for spec in signature.state])
    written = flat[len(signature.outputs) : len(flat) - len(signature.state)]
    for index, value in zip(signature.mutated_inputs, written, strict=True):
        inputs[index].copy_(value)
    code = flat[len(signature.outputs) - 1].item() if signature.exceptions else 0
    if code:
        values = [v.item() for v in flat[len(signature.results) : len(signature.outputs) - 1]]
        return exception_of(signature.exceptions[code - 1], values), list(interpreter.decisions)
    result = signature.output_structure.build(
        lambda leaf: flat[leaf.index] if leaf.kind == "tensor" else flat[leaf.index].item()
    )
    return result, list(interpreter.decisions)


def predicates_of(graph: fx.Graph, *, is_once: bool = True) -> Iterator[Predicate]:
    for node in graph.nodes:
        inner = list(nested_graphs(node))
        if not inner:
            continue
        is_loop = node.target is WHILE
        once = is_once and not is_loop
        yield Predicate(node, "loop" if is_loop else "if", node.meta["location"], once)  # type: ignore[arg-type]
        for nested in inner:
            yield from predicates_of(nested, is_once=once)


def compared(case: Case, program: CapturedProgram, every: int = 12) -> tuple[list[Predicate], list[Call], Agreement]:
    """A case's captured program and eager as observed, on its inputs and some generated ones."""
    predicates = list(predicates_of(program.graph.body))
    files = {p.location.file for p in predicates if p.location}
    calls: list[Call] = []
    for inputs in [*case.inputs, *generated_inputs(case.inputs[0])[::every]]:
        torch.default_generator.manual_seed(SEED)
        eager = observe(case.function, copy.deepcopy(inputs), {}, files)
        _, decisions = run_captured(program, copy.deepcopy(inputs))
        calls.append(Call(eager, [(d.node, d.value) for d in decisions]))  # type: ignore[misc]
    return predicates, calls, compare_decisions(predicates, calls)


def capture_case(case: Case) -> CapturedProgram:
    return capture(case.function, copy.deepcopy(case.inputs[0]), {}, Options(), case.dynamic)


@pytest.fixture(scope="module", params=CASES, ids=lambda case: case.name)
def captured(request: pytest.FixtureRequest) -> tuple[Case, CapturedProgram]:
    """A case and its captured program: captured once for both tests, which pytest runs one after the other."""
    return request.param, capture_case(request.param)


@pytest.mark.filterwarnings(*EXPECTED_WARNINGS)
def test_construct_agrees_with_eager_on_every_path(captured: tuple[Case, CapturedProgram]) -> None:
    case, program = captured
    taken: set[Decision] = set()
    for inputs in [*case.inputs, *generated_inputs(case.inputs[0])]:
        mine, eager = copy.deepcopy(inputs), copy.deepcopy(inputs)
        with torch.no_grad():
            expected = run_eager(case, eager)
        got, decisions = run_captured(program, mine)
        assert_same(got, expected, tolerance=case.tolerance)
        assert_same(mine, eager, tolerance=case.tolerance)
        taken.update(decisions)
    nodes = conditions(program.graph.body)
    assert nodes, "the case has no condition on data"
    missed = {(d.line, d.value) for n in nodes for d in (Decision(n, True), Decision(n, False)) if d not in taken}
    assert len(missed) <= case.unreached, f"paths never taken, by line: {sorted(missed)}"


@pytest.mark.filterwarnings(*EXPECTED_WARNINGS)
def test_captured_program_decides_as_observed_in_eager(captured: tuple[Case, CapturedProgram]) -> None:
    predicates, calls, agreement = compared(*captured)
    assert [str(d) for d in agreement.disagreements] == []
    assert agreement.decided + sum(agreement.own.values()) == sum(
        len(p.tokens(call)) for call in calls for p in predicates if p.node in call.by_node
    )


@pytest.mark.parametrize(
    "name",
    [
        *("all_runs", "first_runs", "first_runs_by_none", "runs_until_none_is_left", "peak_or_default"),
        *("by_name", "by_other_name", "by_two_conditions", "finds_an_object", "finds_twice", "finds_or_makes"),
        *("optional_pair", "optional_list_item", "flag_of_what_was_made", "one_of_two_flags", "truth_of_ints"),
        *("helper_gives_sizes", "size_on_one_side", "speech_segments", "kept_pairs", "two_lists"),
        *("sum_of_some_rows", "offset_of_what_came_before", "sum_of_scalars"),
    ],
)
def test_nothing_is_taken_apart_where_a_condition_tells(name: str) -> None:
    (case,) = [case for case in CASES if case.name == name]
    capture(case.function, copy.deepcopy(case.inputs[0]), {}, Options(max_specializations=1), case.dynamic)
