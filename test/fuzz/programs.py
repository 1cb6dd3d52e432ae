# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Captures small random programs, and compares them with eager: right, or refused with a reason, never another result.

    make programs                                       1,000 of them (some minutes)
    python test/fuzz/programs.py --count 200 --seed 7   programs 7 to 206
    python test/fuzz/programs.py --show 7               program 7

They have what searches and state machines are made of: values that are None on some paths, with flags and names that
tell so, helpers that find something or nothing, loops that Python or data decide, jumps, `finally`. The graph is run by
the interpreter, without a compiler, on inputs that take different paths. test_program_fuzz.py runs a sample.
"""

from __future__ import annotations

import argparse
import importlib.util
import random
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

import torch

sys.path.insert(0, str(Path(__file__).parent.parent / "unit"))

import test_frontend_constructs
from frontend_cases import Case, assert_same, run_eager

from dycl.errors import DyclError
from dycl.frontend.capture import capture
from dycl.options import Options

INPUTS = [(torch.randn(4, generator=torch.Generator().manual_seed(seed)) * 2,) for seed in range(24)]

HELPERS = """\
import torch


def find(x, bound):
    for i in range(4):
        if x[i] > bound:
            return x[i] * 10, True
    return None, False


def name(x):
    if x[1] > 0:
        return "s"
    return "t" if x[2] > 0 else "u"


"""

CONDITIONS = (
    *("v is None", "v is not None", "w is None", "w is not None", "t is None", "t is not None"),
    *("f", "g", 'm == "s"', 'm != "t"', "k == 1", "x[0] > x[1]"),
)

GUARDED = {
    "f": "v",
    "g": "w",
    "v is not None": "v",
    "w is not None": "w",
    "t is not None": "t[0] + t[1]",
    "t is not None and f": "t[1] * v",
    "f and g": "v * w",
    "not f or v is not None": "acc",
}
"""What may be added where a condition holds."""

DEFAULTS = {"v is None": ("v, f = x[0], True", "v"), "w is None": ("w, g = x[1] + 1, True", "w")} | {
    "t is None": ("t = (x[3], x[2])", "t[0]")
}
"""What is assigned where a condition holds, and may be added afterwards."""


class Writer:
    """Writes one program.

    `v` and `w` are tensors or None, as the flags `f` and `g` say; `t` is a pair or None; `m` a string, `k` an int.
    """

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self._lines: list[str] = []
        self._loops = 0
        self._loop_depth = 0

    def write(self) -> str:
        self._add(0, "def program(x):")
        self._add(1, 'acc, v, w, m, t, f, g, k = x.sum(), None, None, "s", None, False, False, 1')
        self._block(1, 0, self._random.randint(4, 8))
        self._add(1, "return acc, v, m, f, w, g, t, k")
        return HELPERS + "\n".join(self._lines) + "\n"

    def _add(self, indent: int, line: str) -> None:
        self._lines.append("    " * indent + line)

    def _item(self) -> str:
        return f"x[{self._random.randrange(4)}]"

    def _condition(self, depth: int = 0) -> str:
        kind = self._random.random()
        if depth < 2 and kind < 0.35:
            word = "and" if kind < 0.2 else "or"
            return f"({self._condition(depth + 1)} {word} {self._condition(depth + 1)})"
        if kind < 0.42:
            return f"(not {self._condition(depth + 1)})"
        if kind < 0.5:
            return f"{self._item()} > {self._random.choice((-1, 0, 0.5, 1))}"
        return self._random.choice(CONDITIONS)

    def _block(self, indent: int, depth: int, count: int | None = None) -> None:
        for _ in range(count or self._random.randint(1, 3)):
            self._statement(indent, depth)

    def _statement(self, indent: int, depth: int) -> None:
        kinds: list[tuple[float, Callable[[int, int], None]]] = [
            (33 if depth < 3 else 0, self._if),
            (5 if depth < 2 else 0, self._loop),
            (4 if depth < 2 else 0, self._finally),
            (24, self._assign),
            (11, self._guarded),
            (6, self._default),
            (4 if self._loop_depth else 0, self._leave_loop),
            (4, self._return),
            (6, self._compute),
        ]
        weights, statements = zip(*kinds, strict=True)
        self._random.choices(statements, weights)[0](indent, depth)

    def _if(self, indent: int, depth: int) -> None:
        self._add(indent, f"if {self._condition()}:")
        self._block(indent + 1, depth + 1)
        if self._random.random() < 0.5:
            self._add(indent, "else:")
            self._block(indent + 1, depth + 1)

    def _loop(self, indent: int, depth: int) -> None:
        self._loops += 1
        count = f"c{self._loops}"
        if self._random.random() < 0.6:
            self._add(indent, f"for {count} in range(2):")
        else:
            self._add(indent, f"{count} = torch.tensor(0)")
            self._add(indent, f"while {count} < 3 and {self._item()} + {count} < 2:")
            self._add(indent + 1, f"{count} = {count} + 1")
        self._loop_depth += 1
        self._block(indent + 1, depth + 1)
        self._loop_depth -= 1

    def _finally(self, indent: int, depth: int) -> None:
        self._add(indent, "try:")
        self._block(indent + 1, depth + 1)
        self._add(indent, "finally:")
        self._add(indent + 1, f"acc = acc + {self._random.choice((1, 2))}")

    def _assign(self, indent: int, depth: int) -> None:
        value, flag = self._random.choice((("v", "f"), ("w", "g")))
        forms = (
            f"{value}, {flag} = {self._item()} * {self._random.choice((2, 3))}, True",
            f"{value}, {flag} = None, False",
            f"{value}, {flag} = find(x, {self._random.choice((-1, 0, 1))})",
            f"m = {self._random.choice(('name(x)', repr('s'), repr('t'), repr('u')))}",
            f"t = {self._random.choice(('None', '(x[0], x[1])', '(x[2] * 2, x[3])'))}",
            f"k = {self._random.choice(('1', '2', 'k + 1'))}",
        )
        self._add(indent, self._random.choice(forms))

    def _guarded(self, indent: int, depth: int) -> None:
        condition, value = self._random.choice([*GUARDED.items()])
        self._add(indent, f"if {condition}:")
        self._add(indent + 1, f"acc = acc + {value}")

    def _default(self, indent: int, depth: int) -> None:
        condition, (assignment, value) = self._random.choice([*DEFAULTS.items()])
        self._add(indent, f"if {condition}:")
        self._add(indent + 1, assignment)
        self._add(indent, f"acc = acc + {value}")

    def _leave_loop(self, indent: int, depth: int) -> None:
        self._add(indent, f"if {self._condition()}:")
        self._add(indent + 1, self._random.choice(("break", "continue")))

    def _return(self, indent: int, depth: int) -> None:
        self._add(indent, f"if {self._condition()}:")
        result = self._random.choice(("acc, v, m, f", 'acc, None, "z", g', "acc, t, k, f"))
        self._add(indent + 1, f"return {result}")

    def _compute(self, indent: int, depth: int) -> None:
        self._add(indent, f"acc = acc * {self._random.choice((2, 0.5))} + {self._random.choice(('k', 'x[0]', '1'))}")


@contextmanager
def imported(source: str) -> Generator[ModuleType]:
    """A module of that source, in a file, which the front end reads."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "random_program.py"
        path.write_text(source)
        spec = importlib.util.spec_from_file_location("random_program", path)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        yield module


def outcome(seed: int) -> tuple[str, str]:
    """What becomes of a program: "right", "refused" or "wrong", and why."""
    with imported(Writer(seed).write()) as module:
        try:
            program = capture(module.program, (INPUTS[0][0].clone(),), {}, Options())
        except DyclError as refusal:
            return "refused", str(refusal).partition(": ")[2]
        for (x,) in INPUTS:
            expected = run_eager(Case(module.program, ()), (x.clone(),))
            got, _ = test_frontend_constructs.run_captured(program, (x.clone(),))
            try:
                assert_same(got, expected, tolerance=1e-5)
            except AssertionError as difference:
                return "wrong", str(difference)
    return "right", ""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0, help="of the first one")
    parser.add_argument("--show", type=int, metavar="SEED", help="print a program, and try none")
    given = parser.parse_args()
    if given.show is not None:
        print(Writer(given.show).write(), end="")
        return 0
    counts, reasons = Counter[str](), Counter[str]()
    for seed in range(given.seed, given.seed + given.count):
        found, why = outcome(seed)
        counts[found] += 1
        if found == "wrong":
            print(f"program {seed}: {why}", flush=True)
        elif found == "refused":
            reasons[why[:100]] += 1
    print(", ".join(f"{number} {found}" for found, number in counts.most_common()))
    for why, number in reasons.most_common(10):
        print(f"  {number} refused: {why}")
    return counts["wrong"] > 0


if __name__ == "__main__":
    sys.exit(main())
