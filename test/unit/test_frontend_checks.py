# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""What eager raises of values (`Options.checks`), captured and run by the graph interpreter."""

from __future__ import annotations

import copy

import pytest
import torch
import torch.nn.functional as F
from check_cases import CASES, MASKED, ROW, TABLE, known_to_be_in_range
from frontend_cases import assert_same
from test_frontend_constructs import run_captured

from dycl import Options, UnsupportedConstructError
from dycl.frontend.capture import capture


def eager(function, inputs):
    """Eager's result, or its exception without what torch adds to the message for developers of its own."""
    try:
        return function(*copy.deepcopy(inputs))
    except (RuntimeError, IndexError, ValueError) as error:
        return type(error)(str(error).partition("\n")[0])


@pytest.mark.parametrize(("function", "inputs", "dynamic"), CASES, ids=[c[0].__name__ for c in CASES])
def test_raises_what_eager_raises(function, inputs, dynamic):
    program = capture(function, inputs[0], {}, Options(), dynamic)
    for given in inputs:
        result, _ = run_captured(program, copy.deepcopy(given))
        assert_same(result, eager(function, given), tolerance=1e-6)


def test_cases_raise_and_do_not():
    """Each case has inputs of both kinds, but for those that never raise."""
    for function, inputs, _ in CASES:
        raising = [isinstance(eager(function, given), Exception) for given in inputs]
        assert not raising[0], function
        never = function.__name__ in ("known_to_be_in_range", "float_divided")
        assert any(raising) is not never or function.__name__ == "handled", function


def places_that_are_found(i):
    """Of a mask, on one side fewer of them."""
    row, column = torch.where(TABLE > i.sum())
    if row.numel() > 2:
        row, column = row[:2], column[:2]
    return TABLE[row, column], ROW[torch.nonzero(ROW > i[0])[:, 0]]


@pytest.mark.parametrize("function", [known_to_be_in_range, places_that_are_found])
def test_what_is_in_range_is_not_checked(function):
    program = capture(function, (torch.tensor([2, 1]),), {}, Options())
    assert program.signature.exceptions == ()
    for i in (torch.tensor([2, 1]), torch.tensor([0, 0]), torch.tensor([-1, 9])):
        assert_same(run_captured(program, (i,))[0], function(i))


def test_the_other_column_of_places_is_checked():
    def swapped(i):
        row, column = torch.where(TABLE > i.sum())
        return TABLE[column, row]

    program = capture(swapped, (torch.tensor([4, 1]),), {}, Options())
    assert len(program.signature.exceptions) == 1
    with pytest.raises(IndexError, match="index 2 is out of bounds for dimension 0 with size 2") as raised:
        swapped(torch.tensor([3, 1]))
    assert_same(run_captured(program, (torch.tensor([3, 1]),))[0], raised.value)


@pytest.mark.parametrize("function", [c[0] for c in CASES if c[1] is MASKED or c[0].__name__.startswith("by_")])
def test_off_makes_no_check(function):
    ((_, inputs, dynamic),) = [c for c in CASES if c[0] is function]
    program = capture(function, inputs[0], {}, Options(checks="off"), dynamic)
    assert program.signature.exceptions == ()
    assert_same(run_captured(program, copy.deepcopy(inputs[0]))[0], eager(function, inputs[0]))


def test_checks_is_one_of_two():
    with pytest.raises(ValueError, match="checks is 'all'; expected 'eager' or 'off'"):
        Options(checks="all")


def test_a_write_whose_failure_is_handled_is_refused():
    def forward(x, i):
        try:
            x[i] = 1.0
        except IndexError:
            return x - 1
        return x

    with pytest.raises(UnsupportedConstructError, match="a write at an index that may be out of range") as error:
        capture(forward, (torch.zeros(3), torch.tensor([1])), {}, Options())
    assert error.value.location is not None
    assert error.value.location.line == forward.__code__.co_firstlineno + 2


def adds(x, v):
    return x[x > 0] + v[v > 0]


def multiplies(x, v):
    return torch.ones(2, 3)[:, x > 0] @ torch.ones(3, 2)[v > 0]


def stacks(x, v):
    return torch.stack([x[x > 0], v[v > 0]])


def concatenates(x, v):
    return torch.cat([torch.ones(2, 3)[:, x > 0], torch.ones(2, 3)[:, v > 0]])


def chooses(x, v):
    return torch.where(x[x > 0] > 1, v[v > 0], 0.0)


def fills(x, v):
    y = torch.zeros(3)[x > 0]
    y.copy_(v[v > 0])
    return y


def puts(x, v):
    return x.index_put((torch.nonzero(x > 0).squeeze(1),), v[v > 0])


SIZES_THAT_AGREE = [adds, multiplies, stacks, concatenates, chooses, fills, puts]


@pytest.mark.parametrize("function", SIZES_THAT_AGREE)
def test_sizes_on_data_have_to_agree(function):
    """The error is of eager's class and names the line, but not the sizes."""
    program = capture(function, MASKED[0], {}, Options())
    for x, v in (MASKED[0], MASKED[1], MASKED[4]):
        expected = eager(function, (x, v))
        if isinstance(expected, Exception):
            line = function.__code__.co_firstlineno + (2 if function is fills else 1)
            with pytest.raises(RuntimeError, match=rf"do not agree, at .*test_frontend_checks.py:{line} "):
                run_captured(program, (x, v))
        else:
            assert_same(run_captured(program, (x, v))[0], expected)


def test_sizes_agree_on_one_side_only():
    """What one side takes for granted is not known on the other, where the sizes differ."""

    def forward(x, v):
        a, b = x[x > 0], v[v > 0]
        if a.shape[0] == b.shape[0]:
            return a + b, a
        return a * 2, torch.ones(a.shape[0], 2), torch.ones(b.shape[0])

    program = capture(forward, MASKED[0], {}, Options())
    for inputs in MASKED:
        assert_same(run_captured(program, inputs)[0], forward(*inputs))


@pytest.mark.parametrize(
    ("function", "low"),
    [
        (lambda x: x[2], 3),
        (lambda x: x.t()[:, -2], 2),
        (lambda x: x.select(0, 4), 5),
        (lambda x: x.topk(3, 0).values, 3),
        (lambda x: x.kthvalue(2, 0).values, 2),
        (lambda x: x.narrow(0, 1, 2), 3),
        (lambda x: x.unfold(0, 3, 1), 3),
        (lambda x: F.pad(x.t(), (2, 3), mode="reflect"), 4),
        (lambda x: F.conv1d(x.t()[None], torch.ones(1, 2, 3)), 3),
        (lambda x: F.conv1d(F.conv1d(x.t()[None], torch.ones(1, 2, 3)), torch.ones(1, 1, 4)), 6),
        (lambda x: F.max_pool1d(x.t(), 3), 3),
        (lambda x: x.amax(0), 1),
    ],
)
def test_declared_sizes_that_are_too_small_are_not_taken(function, low):
    def forward(x):
        return function(x) if x.sum() > 0 else function(-x)

    shapes = ({0: torch.export.Dim("n", max=64)},)
    (size,) = capture(forward, (torch.ones(12, 2),), {}, Options(), shapes).signature.sizes
    assert (size.low, size.high) == (low, 64)
    with pytest.raises((IndexError, RuntimeError)):
        forward(torch.ones(low - 1, 2))
    forward(torch.ones(low, 2))
