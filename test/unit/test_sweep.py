# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""A sample of `make sweep`: ops with every size and count dynamic, and on every dtype, compared with eager."""

import sys
from pathlib import Path

import pytest
import torch

sys.path.insert(0, str(Path(__file__).parent.parent / "sweep"))

import dtypes
import shapes

SAMPLE = (
    "argument_pow",
    "repeat_both",
    "roll_two",
    "repeat_interleave_tensor",
    "pad_count",
    "cat_new",
    "slice_negative",
    "cumsum",
)


@pytest.mark.parametrize("case", [case for case in shapes.cases() if case.name in SAMPLE], ids=str)
def test_sample(case):
    assert shapes.outcome(case) == "right"


@pytest.mark.parametrize(
    ("expected", "given", "problem"),
    [
        (ValueError, ValueError, ""),
        (ValueError, IndexError, "eager raises ValueError, dycl IndexError"),
        ((shapes.torch.ones(2),), ValueError, "eager gives [(2,)], dycl ValueError"),
        ((shapes.torch.ones(2),), (shapes.torch.ones(1, 2),), "eager (2,) torch.float32, dycl (1, 2) torch.float32"),
        ((shapes.torch.ones(2),), (shapes.torch.ones(2) * 2,), "eager [1.0, 1.0], dycl [2.0, 2.0]"),
        ((shapes.torch.ones(2),), (shapes.torch.ones(2),), ""),
    ],
)
def test_what_is_a_difference(expected, given, problem):
    assert shapes.difference(expected, given) == problem


OF_DTYPES = (
    "unary-neg-",
    "unary-add_bool-",
    "unary-gelu_tanh-",
    "unary-div_int-uint8",
    "unary-wrapped_compare-",
    "unary-converted_full-",
    "binary-atan2-",
    "binary-divide_floor-",
    "binary-with_f32-",
    "structured-sum-",
    "structured-argmax-",
    "cast-uint8-",
)


@pytest.mark.parametrize("group", dtypes.groups(OF_DTYPES), ids=lambda group: f"{group[0].family}-{group[0].dtype}")
def test_sample_of_dtypes(group):
    results = dtypes.outcomes(group)
    refused = [case for case, result in zip(group, results, strict=True) if "64-bit floats" in result]
    assert all(case.dtype == "float64" for case in refused)
    assert [result for result in results if "64-bit floats" not in result and result != "right"] == []


@pytest.mark.parametrize(
    ("dtype", "expected", "given", "close"),
    [
        (torch.float64, 1.0, 1.0 + 1e-13, True),
        (torch.float64, 1.0, 1.0 + 1e-10, False),
        (torch.float32, 1.0, 1.0 + 1e-5, False),
        (torch.float16, 1.0, 1.0 + 1e-3, True),
        (torch.float16, 1.0, 1.05, False),
        (torch.float32, float("nan"), float("nan"), True),
        (torch.float32, float("inf"), 3e38, False),
        (torch.uint8, 3, 4, False),
    ],
)
def test_what_is_close(dtype, expected, given, close):
    one, other = (torch.tensor([value], dtype=dtype) for value in (expected, given))
    assert bool(dtypes.is_close(one, other)) is close
