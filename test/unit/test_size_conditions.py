# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Conditions on one size are decided for all sizes that may be, not for samples of them."""

from __future__ import annotations

import pytest
import sympy
import torch
import torch.nn.functional as F
from torch.export import Dim
from torch.utils._sympy.functions import FloorDiv, Max, Mod, PythonMod
from torch.utils._sympy.value_ranges import ValueRanges

from dycl.errors import UnsupportedConstructError
from dycl.frontend.capture import capture
from dycl.frontend.size_conditions import at_size, is_same_for_all, sizes_without
from dycl.frontend.size_facts import SizeFacts
from dycl.options import Options

n = sympy.Symbol("n", integer=True, positive=True)
LARGEST = 2**31 - 1

# The same for 2, 3, 4, 7, 16 and 1023, and not for others.
AS_SAMPLED = [
    sympy.Eq(n, 777),
    sympy.Ne(n, 777),
    sympy.Eq(Mod(n, 97), 0),
    sympy.Ne(Mod(n, 97), 0),
    (n - 300) * (n - 400) < 0,
    sympy.Eq(FloorDiv(n, 97), 5),
    sympy.And(n > 500, n < 600),
    sympy.Eq(FloorDiv(100, n) * n, 100) & (n > 20),
]


@pytest.mark.parametrize("condition", AS_SAMPLED, ids=str)
def test_what_no_sample_tells(condition):
    assert not is_same_for_all(condition, 2, 1000)
    found = sizes_without(condition, 1, 1000, at_most=1000)
    assert found is None or found == [size for size in range(1, 1001) if not at_size(condition, n, size)]


@pytest.mark.parametrize(
    "condition",
    [
        sympy.Eq(n, 1),
        sympy.Ne(n * (n + 1), 2),
        n * n - n >= 0,
        FloorDiv(n + 96, 97) >= 1,
        Max(n, 5) >= 5,
        sympy.Eq(8 * n, 8),
        sympy.Lt(n - 1, 1),
    ],
    ids=str,
)
def test_what_is_the_same_for_all_but_1_is_proved(condition):
    assert is_same_for_all(condition, 2, LARGEST)


def test_the_excluded_sizes_are_found_where_they_lie():
    assert sizes_without(sympy.Ne(n, 777), 1, LARGEST, at_most=16) == [777]
    assert sizes_without((n - 300000) * (n - 300003) >= 0, 1, LARGEST, at_most=16) == [300001, 300002]
    assert sizes_without(n >= 5, 1, LARGEST, at_most=16) == [1, 2, 3, 4]
    assert sizes_without(n >= 50, 1, LARGEST, at_most=16) is None
    assert sizes_without(sympy.Ne(Mod(n, 97), 0), 1, LARGEST, at_most=16) is None


@pytest.mark.parametrize(("low", "high"), [(1, 40), (3, 9), (5, 5), (777, 777), (770, 800)])
def test_ranges_end_where_they_say(low, high):
    for condition in AS_SAMPLED:
        expected = [size for size in range(low, high + 1) if not at_size(condition, n, size)]
        assert sizes_without(condition, low, high, at_most=high) == expected


# Programs ------------------------------------------------------------------------------------------------------------


def rows_of_97(x):
    return x.reshape(97, -1) + 1


def columns_of_97(x):
    return x.view(-1, 97).sum(0)


def groups_of_97(x):
    return F.channel_shuffle(x.reshape(1, -1, 1, 1), 97)


def halves(x):
    return F.glu(x, 0)


def normalized_groups(x):
    return F.group_norm(x.reshape(1, -1, 1), 97)


@pytest.mark.parametrize("function", [rows_of_97, columns_of_97, groups_of_97, halves, normalized_groups])
def test_an_op_that_takes_multiples_only_is_no_program_for_all_sizes(function):
    """C++ asks whether 97 divides the size: no for every sample, yes for the example."""
    with pytest.raises(
        UnsupportedConstructError, match="a dynamic size for which the model only works where"
    ) as refused:
        capture(function, (torch.ones(194),), {}, Options(), ({0: Dim("n", min=1, max=1000)},))
    assert refused.value.hint


def test_what_a_remainder_says_of_a_size():
    """An odd size is 1 or more: not known to be 1."""
    size = sympy.Symbol("n", integer=True, positive=True)
    facts = SizeFacts((sympy.Eq(PythonMod(size, 2), 1),), {size: ValueRanges(1, 1000)})
    assert facts.answer(sympy.Eq(size, 1)) is None
    assert facts.answer(size >= 2) is None
