# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Objects whose contents dycl does not follow: what changes them is noticed. See also `frontend_container_cases.py`."""

from __future__ import annotations

import importlib.util
import linecache
import random
from collections import deque

import numpy as np
import pytest
import torch
from test_frontend_constructs import run_captured
from torch import nn

from dycl.errors import UnsupportedConstructError
from dycl.frontend.capture import capture
from dycl.frontend.foreign import foreign_kind
from dycl.options import Options

X = torch.tensor([1.0, -2.0, 3.0])
GENERATOR = np.random.default_rng(3)
HISTORY = deque([1])

# What is made, how it is changed, and what is read of it, on which the result depends.
CHANGED = [
    ("deque([1])", "held.append(2)", "len(held)"),
    ("deque([1, 2])", "held.rotate(1)", "held[0]"),
    ("deque([1, 2])", "held[0] = 9", "held[0]"),
    ("deque([1, 2])", "del held[0]", "held[0]"),
    ("deque([1, 2])", "held += [3]", "held[-1]"),
    ("deque([1, 2])", "held.__setitem__(1, 7)", "held[-1]"),
    ("deque([1, 2])", "deque.appendleft(held, 9)", "held[0]"),
    ("bytearray(b'a')", "held.append(7)", "len(held)"),
    ("bytearray(b'a')", "bytearray.__setitem__(held, 0, 7)", "held[0]"),
    ("array('i', [1])", "held.frombytes(bytes(4))", "len(held)"),
    ("np.zeros(2)", "held.fill(3)", "float(held.sum())"),
    ("np.zeros(2)", "held[1:] = 3", "float(held.sum())"),
    ("np.arange(3)", "held.resize(5, refcheck=False)", "held.size"),
    ("StringIO('abc')", "held.write('x')", "ord(held.getvalue()[0])"),
    ("BytesIO(b'abc')", "held.read(2)", "held.tell()"),
    ("Random(1)", "held.random()", "held.random()"),
    ("Random(1)", "held.shuffle([1, 2, 3])", "held.random()"),
    ("np.random.RandomState(1)", "held.rand()", "float(held.rand())"),
    ("np.random.default_rng(1)", "held.normal()", "float(held.normal())"),
]
FORMS = """
from array import array
from collections import deque
from io import BytesIO, StringIO
from random import Random
import numpy as np
from torch import nn

def condition(x):
    held = {made}
    if x.sum() > 0:
        {change}
    return x + {read}

def loop(x):
    held = {made}
    while x.sum() < 10:  # here
        x = x + 1
        {change}
    return x + {read}

class Keeping(nn.Module):
    def __init__(self):
        super().__init__()
        self.held = {made}

    def forward(self, x):
        held = self.held
        {change}
        return x + {read}
"""


@pytest.fixture(params=CHANGED, ids=lambda changed: f"{changed[0]}: {changed[1]}")
def forms(request, tmp_path):
    """A module with each form of a change."""
    made, change, read = request.param
    file = tmp_path / "forms.py"
    file.write_text(FORMS.format(made=made, change=change, read=read))
    spec = importlib.util.spec_from_file_location("forms", file)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def refused(model, match):
    with pytest.raises(UnsupportedConstructError, match=match) as caught:
        capture(model, (X,), {}, Options())
    assert caught.value.hint
    return caught.value.location


def test_sides_of_a_condition_that_leave_something_else_go_on_apart(forms):
    program = capture(forms.condition, (X,), {}, Options())
    results = [run_captured(program, (x,))[0] for x in (X, -X, X)]
    for x, result in zip((X, -X, X), results, strict=True):
        torch.testing.assert_close(result, forms.condition(x), rtol=0, atol=0)
    assert not torch.equal(results[0] - X, results[1] + X)


def test_loops_on_data_do_not_carry_them(forms):
    location = refused(forms.loop, "is changed in a loop on a tensor")
    assert location.file == forms.__file__
    assert linecache.getline(location.file, location.line).endswith("# here\n")


def test_what_outlives_a_call_may_not_be_changed_and_is_left_as_it_was(forms):
    model = forms.Keeping()
    kind = foreign_kind(model.held)
    before = kind.keep(model.held)
    refused(model, "`held` holds after a call something else than before")
    assert kind.same(before, kind.keep(model.held))


def test_a_global_one():
    def forward(x):
        HISTORY.append(2)
        return x + len(HISTORY)

    refused(forward, "`HISTORY` holds after a call something else than before")
    assert list(HISTORY) == [1]


def test_what_is_read_only():
    class Reading(nn.Module):
        def __init__(self):
            super().__init__()
            self.queue, self.table = deque([3, 4]), np.ones(3)

        def forward(self, x):
            if x.sum() > 0:
                return x + self.queue[0] + self.queue.count(4)
            return x + float(self.table.sum()) + self.queue.index(4)

    assert capture(Reading(), (X,), {}, Options()).signature.state == ()


def of_random():
    return random.random()


def of_integers():
    return random.randint(1, 6)


def of_numpy():
    return np.random.rand()  # noqa: NPY002


@pytest.mark.parametrize("draw", [of_random, of_integers, of_numpy])
def test_numbers_of_the_generators_that_all_share(draw):
    before = random.getstate(), np.random.get_state()[1].tolist()  # noqa: NPY002

    def forward(x):
        return x + float(draw())

    refused(forward, "a random number, which is another one in each call of the model")
    assert (random.getstate(), np.random.get_state()[1].tolist()) == before  # noqa: NPY002


def test_a_generator_from_outside():
    def forward(x):
        return x + float(GENERATOR.random())

    refused(forward, "`GENERATOR` holds after a call something else than before")
