# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""State of another kind from call to call, compiled: every call of a sequence agrees with eager."""

from __future__ import annotations

import pytest
from frontend_cases import assert_same
from frontend_state_models import MODELS, SEQUENCE

import dycl


@pytest.mark.parametrize("make", MODELS, ids=lambda make: make.__name__)
def test_compiled_sequence_agrees_with_eager(make, tmp_path):
    compiled = dycl.compile(make(), (SEQUENCE[0].clone(),))
    compiled.save(tmp_path / "state.dycl")
    for program in (compiled, dycl.load(tmp_path / "state.dycl")):
        for _ in range(2):
            program.reset_state()
            model = make()
            for x in SEQUENCE:
                assert_same(program(x.clone()), model(x.clone()), tolerance=1e-5)
