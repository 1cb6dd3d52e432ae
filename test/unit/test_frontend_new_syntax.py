# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Syntax and semantics that came after Python 3.11: rewritten, and observed, as that version has them."""

from __future__ import annotations

import importlib.util
import sys

import pytest
import torch
from frontend_cases import assert_same
from test_frontend_constructs import run_captured

from dycl.frontend.capture import capture
from dycl.options import Options
from dycl.report.observe import observe

# Name, the first version that has it, and a module whose `f` takes one tensor.
SOURCES = [
    (
        "generic_function",
        (3, 12),
        """
def pick[T](a: T, b: T, first: bool) -> T:
    return a if first else b

def f(x):
    if x.sum() > 0:
        return pick(x, x + 1, True) * 2
    return pick[torch.Tensor](x, x + 1, False) if hasattr(pick, "__getitem__") else pick(x, x + 1, False)
""",
    ),
    (
        "generic_class",
        (3, 12),
        """
class Box[T]:
    def __init__(self, value: T) -> None:
        self.value = value

    def larger(self, other: "Box[T]") -> T:
        if self.value.sum() > other.value.sum():
            return self.value
        return other.value

def f(x):
    return Box(x).larger(Box(-x)) + Box[int](3).value
""",
    ),
    (
        "type_alias_in_a_function",
        (3, 12),
        """
type Pair = tuple[torch.Tensor, torch.Tensor]

def f(x):
    type Local = Pair
    made: Local = (x, x + 1)
    if x.sum() > 0:
        type Inner = list[Local]
        made = (made[1], made[0])
    return made[0] * 3 + made[1]
""",
    ),
    (
        "nested_quotes_in_an_f_string",
        (3, 12),
        """
def f(x):
    names = {"a": 1, "b": 2}
    key = f"{"a" if x.dim() == 1 else f"{"b"}"}"
    if x.sum() > 0:
        x = x + names[f"{key}"] + len(f"{f"{"ab" + "\\n"}"!r:>10}")
    return x * names[f"{
        "b"  # a comment in an f-string
    }"]
""",
    ),
    (
        "comprehension_beside_a_variable_of_its_name",
        (3, 11),
        """
def f(x):
    i = 7
    parts = [x[i] * i for i in range(3)]
    if x.sum() > 0:
        parts = [v + i for v in parts if v > 0] + [x[0] for i in range(2)]
    return torch.stack([x.sum(), *parts]).sum() + i
""",
    ),
    (
        "lambda_in_a_comprehension",
        (3, 11),
        """
def f(x):
    scale = [lambda y, k=k: y * k for k in range(3)]
    late = [lambda: k for k in range(3)]
    total = x * 0
    for s, one in zip(scale, late):
        if s(x).sum() > 1:
            total = total + s(x) + one()
    return total
""",
    ),
    (
        "exception_groups",
        (3, 11),
        """
def f(x):
    try:
        if x.sum() > 0:
            raise ValueError("no")
        y = x * 2
    except ValueError:
        y = x - 1
    finally:
        x = x + 10
    return y + x
""",
    ),
    (
        "default_of_a_type_parameter",
        (3, 13),
        """
def same[T = int](value: T) -> T:
    if value.sum() > 0:
        return value + 1
    return value - 1

def f(x):
    return same(x)
""",
    ),
    (
        "decorated_nested_generic",
        (3, 12),
        """
import functools

def f(x):
    def twice(g):
        @functools.wraps(g)
        def both[T](y: T) -> T:
            return g(g(y))
        return both

    @twice
    def step[T](y: T) -> T:
        if y.sum() > 0:
            return y - 3
        return y + 2
    return step(x)
""",
    ),
    (
        "match_with_a_guard_on_data",
        (3, 11),
        """
def f(x):
    match (x.dim(), "a"):
        case (1, "a" | "b") if x.sum() > 3:
            return x + 1
        case (1, str() as kind) if x.sum() > 0:
            return x + len(kind) * 5
        case [_, *_]:
            return x - 1
""",
    ),
    (
        "walrus_in_a_comprehension",
        (3, 11),
        """
def f(x):
    last = x * 0
    kept = [last := v * 2 for v in (x, x + 1) if v.sum() > 0]
    return last + len(kept)
""",
    ),
]
INPUTS = [
    torch.tensor(v)
    for v in ((1.0, 2.0, 3.0), (-1.0, -2.0, -3.0), (0.5, 0.25, -0.125), (0.0, 0.0, -9.0), (5.0, -4.0, -0.5))
]


def module_of(source, folder, name):
    file = folder / f"{name}.py"
    file.write_text("import torch\n" + source)
    spec = importlib.util.spec_from_file_location(name, file)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module, file


@pytest.mark.parametrize(("name", "since", "source"), SOURCES, ids=[name for name, _, _ in SOURCES])
def test_syntax_of_newer_pythons(name, since, source, tmp_path):
    if sys.version_info < since:
        pytest.skip(f"syntax of Python {since[0]}.{since[1]}")
    module, file = module_of(source, tmp_path, name)
    try:
        program = capture(module.f, (INPUTS[0],), {}, Options())
        ways = set()
        for x in INPUTS:
            expected = module.f(x.clone())
            got, decisions = run_captured(program, (x.clone(),))
            assert_same(got, expected)
            seen = observe(module.f, (x.clone(),), {}, [str(file)])
            assert seen.raised is None
            assert_same(seen.result, expected)
            assert bool(decisions) == any(t.on_data for t in seen.taken)
            ways.add(str(decisions))
        assert len(ways) > 1
    finally:
        del sys.modules[name]
