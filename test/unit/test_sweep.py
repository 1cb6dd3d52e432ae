# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""A sample of `make sweep`: ops with every size and count dynamic, compiled and compared with eager at three sizes."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent.parent / "sweep"))

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
