# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Capturing, against eager PyTorch, without a compiler: each construct on every path, by the graph interpreter."""

from __future__ import annotations

import copy

import frontend_class_cases  # noqa: F401 (registers its cases)
import frontend_container_cases  # noqa: F401
import frontend_finally_cases  # noqa: F401
import frontend_library_cases  # noqa: F401
import frontend_more_cases  # noqa: F401
import frontend_number_cases  # noqa: F401
import frontend_object_cases  # noqa: F401
import frontend_syntax_cases  # noqa: F401
import frontend_value_cases  # noqa: F401
import pytest
import size_cases  # noqa: F401 (registers its cases)
import torch
from frontend_cases import CASES, Case, assert_same, generated_inputs, run_eager

from dycl.frontend.capture import CapturedProgram, capture
from dycl.frontend.interpreter import Decision, Interpreter, conditions
from dycl.options import Options
from dycl.runtime.host_runtime import exception_of, size_problem


def run_captured(program: CapturedProgram, inputs: tuple[torch.Tensor, ...]) -> tuple[object, list[Decision]]:
    """The result of a captured program; its writes to the inputs are done to them."""
    signature = program.signature
    shapes = [tuple(value.shape) for value in inputs]
    names = [spec.name for spec in signature.inputs]
    assert size_problem([size.to_json() for size in signature.sizes], names, shapes) is None
    interpreter = Interpreter(program)
    flat = interpreter.run(inputs)
    for index, value in zip(signature.mutated_inputs, flat[len(signature.outputs) :], strict=True):
        inputs[index].copy_(value)
    code = flat[len(signature.outputs) - 1].item() if signature.exceptions else 0
    if code:
        values = [v.item() for v in flat[len(signature.results) : len(signature.outputs) - 1]]
        return exception_of(signature.exceptions[code - 1], values), list(interpreter.decisions)
    result = signature.output_structure.build(
        lambda leaf: flat[leaf.index] if leaf.kind == "tensor" else flat[leaf.index].item()
    )
    return result, list(interpreter.decisions)


@pytest.mark.filterwarnings("ignore::dycl.errors.DyclWarning", "ignore:negative")
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_construct_agrees_with_eager_on_every_path(case: Case) -> None:
    program = capture(case.function, copy.deepcopy(case.inputs[0]), {}, Options(), case.dynamic)
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
