# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Constructs of the corpus, compiled: the program agrees with eager, on inputs that take different paths.

`make test` compiles one in five, `make corpus` all; what is captured of each is tested by test_frontend_constructs.py.
"""

from __future__ import annotations

import copy
from pathlib import Path

import argument_cases  # noqa: F401 (registers its cases)
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

import dycl


def run_compiled(program: dycl.Program, inputs: tuple[torch.Tensor, ...]) -> object:
    program.manual_seed(SEED)
    try:
        return program(*inputs)
    except (ArithmeticError, LookupError, TypeError, ValueError, RuntimeError, AssertionError, NameError) as error:
        return error


@pytest.mark.sampled(every=5)
@pytest.mark.filterwarnings(*EXPECTED_WARNINGS)
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_compiled_construct_agrees_with_eager(case: Case, tmp_path: Path) -> None:
    program = dycl.compile(case.function, copy.deepcopy(case.inputs[0]), dynamic_shapes=case.dynamic)
    paths = set()
    for inputs in [*case.inputs, *generated_inputs(case.inputs[0])]:
        compare(case, program, inputs)
        paths.add(tuple(program.last_path))
    assert len(paths) > 1, "all inputs took one path"
    compare_hosts(case, program, tmp_path / "case.dycl")


def compare(case: Case, program: dycl.Program, inputs: tuple[torch.Tensor, ...]) -> None:
    mine, eager = copy.deepcopy(inputs), copy.deepcopy(inputs)
    with torch.no_grad():
        expected = run_eager(case, eager)
    assert_same(run_compiled(program, mine), expected, tolerance=1e-5)
    assert_same(mine, eager, tolerance=1e-5)


def compare_hosts(case: Case, program: dycl.Program, bundle: Path) -> None:
    """The same without Python: results, what is written, and the paths taken."""
    program.save(bundle)
    without_python = dycl.load(bundle, host="vm")
    for inputs in [*case.inputs, *generated_inputs(case.inputs[0])]:
        compare(case, without_python, inputs)
        run_compiled(program, copy.deepcopy(inputs))
        assert without_python.last_path == program.last_path


def test_sizes_that_do_not_agree_are_an_error() -> None:
    """Eager raises an error of its own, or broadcasts; a compiled program must not read out of bounds."""

    def forward(x, n):
        y = x[: n.item()]
        if x.sum() > 0:
            y = y * 2
        return y + torch.ones(3)

    program = dycl.compile(forward, (torch.ones(5), torch.tensor(3)))
    assert torch.equal(program(torch.ones(5), torch.tensor(3)), torch.full((3,), 3.0))
    with pytest.raises(dycl.DyclError, match=r"do not agree: 3 and 2"):
        program(torch.ones(5), torch.tensor(2))


def test_division_of_integers_by_zero_does_not_end_the_process() -> None:
    def forward(x, y):
        if x > 0:
            return x % y, torch.div(x, y, rounding_mode="trunc")
        return x // y, torch.fmod(x, y)

    program = dycl.compile(forward, (torch.tensor(7), torch.tensor(5)), options=dycl.Options(checks="off"))
    assert program(torch.tensor(7), torch.tensor(0)) == (0, 7)
    assert program(torch.tensor(-7), torch.tensor(0)) == (-7, 0)
    assert program(torch.tensor(-7), torch.tensor(2)) == (-4, -1)
