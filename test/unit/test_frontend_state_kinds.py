# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""State of another kind from call to call: captured, interpreted, against a sequence of eager calls."""

from __future__ import annotations

import pytest
from frontend_cases import assert_same
from frontend_state_models import MODELS, SEQUENCE, Ema

from dycl.frontend.capture import capture
from dycl.frontend.interpreter import Interpreter
from dycl.options import Options


@pytest.mark.parametrize("make", MODELS, ids=lambda make: make.__name__)
def test_every_call_of_a_sequence_agrees_with_eager(make):
    model = make()
    before = repr(vars(model))
    program = capture(model, (SEQUENCE[0].clone(),), {}, Options())
    assert repr(vars(model)) == before
    signature, interpreter = program.signature, Interpreter(program)
    state = list(program.state.values())
    for x in SEQUENCE:
        flat = interpreter.run([x.clone()], state)
        state = flat[len(signature.outputs) :]
        got = signature.output_structure.build(
            lambda leaf, flat=flat: flat[leaf.index] if leaf.kind == "tensor" else flat[leaf.index].item()
        )
        assert_same(got, model(x.clone()))


def test_state_of_kinds_is_named():
    program = capture(Ema(), (SEQUENCE[0],), {}, Options())
    assert [str(s) for s in program.signature.state] == ["i64", "3xf32", "i64"]
    assert [s.name for s in program.signature.state] == ["average.kind", "average.kind1", "calls"]
