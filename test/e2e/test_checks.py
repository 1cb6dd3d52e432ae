# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""What eager raises of values (`Options.checks`), compiled, with both hosts."""

from __future__ import annotations

import copy

import pytest
import torch
from check_cases import CASES, MASKED
from frontend_cases import assert_same
from test_frontend_checks import SIZES_THAT_AGREE, eager

import dycl


def called(program, inputs):
    try:
        return program(*copy.deepcopy(inputs))
    except (RuntimeError, IndexError, ValueError) as error:
        return error


@pytest.mark.parametrize(("function", "inputs", "dynamic"), CASES, ids=[c[0].__name__ for c in CASES])
def test_raises_what_eager_raises(function, inputs, dynamic, tmp_path):
    program = dycl.compile(function, inputs[0], dynamic_shapes=dynamic)
    program.save(tmp_path / "net.dycl")
    for one in (program, dycl.load(tmp_path / "net.dycl", host="vm")):
        for given in inputs:
            assert_same(called(one, given), eager(function, given), tolerance=1e-5)


@pytest.mark.parametrize("function", SIZES_THAT_AGREE)
def test_sizes_on_data_have_to_agree(function):
    """Nothing is read or written outside of memory: the region ends before."""
    program = dycl.compile(function, MASKED[0])
    for inputs in MASKED:
        expected, got = eager(function, inputs), called(program, inputs)
        if isinstance(expected, Exception):
            assert isinstance(got, dycl.DyclError)
            assert isinstance(got, RuntimeError)
            assert "sizes that depend on tensor values do not agree, at" in str(got)
        elif not isinstance(got, RuntimeError):  # of a size of 1, which eager takes for all
            assert_same(got, expected, tolerance=1e-5)


def test_a_power_that_is_complex_in_python_raises():
    def forward(x):
        return x.sum().item() ** 0.5, x[x > 0].shape[0] ** 1.5

    program = dycl.compile(forward, (torch.ones(4),))
    assert program(torch.ones(4)) == (2.0, pytest.approx(8.0, rel=1e-15))
    assert program(torch.zeros(4)) == (0.0, 0.0)
    with pytest.raises(ValueError, match="a negative number to a power that is not whole is complex"):
        program(-torch.ones(4))
