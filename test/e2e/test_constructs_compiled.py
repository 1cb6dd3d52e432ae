# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Every construct of the corpus, compiled: the program agrees with eager, on inputs that take different paths."""

from __future__ import annotations

import copy

import frontend_more_cases  # noqa: F401 (registers its cases)
import pytest
import torch
from frontend_cases import CASES, Case, generated_inputs, run_eager
from torch.utils import _pytree as pytree

import dycl


def assert_close(got: object, expected: object) -> None:
    """Equal structures, types and dtypes; values up to the rounding of another order of operations."""
    if isinstance(expected, Exception):
        assert (type(got), getattr(got, "args", None)) == (type(expected), expected.args)
        return
    got_leaves, got_spec = pytree.tree_flatten(got)
    expected_leaves, expected_spec = pytree.tree_flatten(expected)
    assert got_spec == expected_spec
    for a, b in zip(got_leaves, expected_leaves, strict=True):
        assert type(a) is type(b)
        if isinstance(a, torch.Tensor):
            torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-5)
        elif isinstance(a, float):
            assert a == pytest.approx(b, rel=1e-5, abs=1e-5)
        else:
            assert a == b


def run_compiled(program: dycl.Program, inputs: tuple[torch.Tensor, ...]) -> object:
    try:
        return program(*inputs)
    except (ArithmeticError, ValueError, KeyError, AssertionError) as error:
        return error


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_compiled_construct_agrees_with_eager(case: Case) -> None:
    program = dycl.compile(case.function, copy.deepcopy(case.inputs[0]))
    paths = set()
    for inputs in [*case.inputs, *generated_inputs(case.inputs[0])]:
        mine, eager = copy.deepcopy(inputs), copy.deepcopy(inputs)
        expected = run_eager(case, eager)
        got = run_compiled(program, mine)
        assert_close(got, expected)
        assert_close(mine, eager)
        paths.add(tuple(program.last_path))
    assert len(paths) > 1, "all inputs took one path"
