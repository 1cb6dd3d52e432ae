# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Asking eager whether it raises leaves what it is asked with as it was."""

import pytest
import torch

from dycl.frontend.eager_errors import is_raised_by_eager, note_if_eager_raises


def test_eager_is_asked_with_copies_and_other_random_numbers():
    kept = torch.ones(2)
    state = torch.random.get_rng_state()
    note_if_eager_raises(RuntimeError(), lambda tensor: tensor.zero_().uniform_(), (kept,), {})
    assert kept.tolist() == [1, 1]
    assert torch.equal(torch.random.get_rng_state(), state)


@pytest.mark.parametrize(("error", "is_eagers"), [(RuntimeError("of tracing"), True), (ValueError("another"), False)])
def test_the_same_exception_gets_eagers_message(error, is_eagers):
    note_if_eager_raises(error, torch.stack, ([],), {})
    assert is_raised_by_eager(error) is is_eagers
    assert ("non-empty" in str(error)) is is_eagers


def test_what_eager_does_not_raise_is_no_error_of_eagers():
    error = RuntimeError("of tracing")
    note_if_eager_raises(error, torch.add, (torch.ones(2), 1), {})
    assert not is_raised_by_eager(error)
    assert str(error) == "of tracing"
