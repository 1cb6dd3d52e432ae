# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""What a code object's instructions decide: its jumps and loops as the constructs of its source.

Instructions have exact positions (PEP 657), so that no opcode is known here by its number, and few by their name: what
jumps on a truth, and what asks an iterator for its next item.
"""

from __future__ import annotations

import ast
import dis
import types
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from dycl.report.constructs import (
    ComparisonPart,
    Construct,
    Leaf,
    Range,
    SourceFile,
    contains,
    range_of,
    read_source,
)

# Between what computes a truth and the jump on it there may be these.
_TRANSPARENT = ("TO_BOOL", "COPY", "NOP", "EXTENDED_ARG", "CACHE", "NOT_TAKEN")


@dataclass(frozen=True)
class Jump:
    """A jump on a truth, or a step of a loop.

    Attributes:
        own: the offset of the instruction itself. What is watched begins before: at an extended argument, or at an
            instruction that asks for the truth in its place (from Python 3.13 on).
        falls_to: the offset of the next instruction, where it goes on if it does not jump.
        leaf: what is asked for its truth; None for the step of a `for`.
        truth_if_taken: what the truth is if it jumps.
        loop: the `for`, or the comprehension, whose next item it takes; if it jumps there is none.
    """

    own: int
    falls_to: int
    leaf: Leaf | None = None
    truth_if_taken: bool = False
    loop: Construct | None = None


@dataclass(frozen=True)
class Where:
    """Where in its loops and `match` statements an instruction is.

    Attributes:
        loops: the loops whose test, iterable or body it belongs to.
        cases: of each `match` around it: the range of the `match`, the case and the part of it ("pattern", "guard",
            "body"), or None for the subject.
    """

    loops: tuple[Construct, ...]
    cases: tuple[tuple[Range, Construct | None, str], ...]


@dataclass(frozen=True)
class Plan:
    """What to watch while a code object runs.

    Attributes:
        source: its file's constructs.
        jumps: by the offset at which they begin.
        where: for each instruction (offset / 2) the place; None where it has no position of its own.
        endless: the offsets at which an iteration of a `while True` begins.
        matches: the cases of each `match`.
    """

    source: SourceFile
    jumps: Mapping[int, Jump]
    where: Sequence[Where | None]
    endless: Mapping[int, Construct]
    matches: Mapping[Range, Sequence[Construct]]


@lru_cache(maxsize=4096)
def plan_of(code: types.CodeType) -> Plan | None:
    """What to watch in a code object; None where nothing in it decides."""
    source = read_source(code.co_filename)
    if source is None:
        return None
    instructions = list(dis.get_instructions(code))
    jumps = dict(_jumps(instructions, source))
    places = [_range(i) for i in instructions]
    known = [p for p in places if p is not None]
    if not known:
        return None
    whole = (min(p[0] for p in known), 0, max(p[2] for p in known), 1 << 30)
    inside = [c for c in source.constructs if contains(whole, c.range)]
    loops = [c for c in inside if c.kind in ("for", "while")]
    cases = [c for c in inside if c.kind == "case"]
    if not jumps and not loops and not cases:
        return None
    matches: dict[Range, list[Construct]] = {}
    for case in cases:
        assert case.match is not None
        matches.setdefault(case.match, []).append(case)
    where: list[Where | None] = [None] * (len(code.co_code) // 2 + 1)
    shared: dict[Where, Where] = {}
    for instruction, place in zip(instructions, places, strict=True):
        if place is not None:
            made = _where(place, loops, matches)
            where[instruction.offset // 2] = shared.setdefault(made, made)
    endless = {
        begin: loop
        for loop in loops
        if loop.kind == "while" and not loop.leaves and (begin := _first_of_body(loop, instructions)) is not None
    }
    return Plan(source, jumps, where, endless, matches)


def _range(instruction: dis.Instruction) -> Range | None:
    p = instruction.positions
    if p is None or p.lineno is None or p.col_offset is None or p.end_lineno is None or p.end_col_offset is None:
        return None
    return (p.lineno, p.col_offset, p.end_lineno, p.end_col_offset)


def _where(place: Range, loops: Sequence[Construct], matches: Mapping[Range, Sequence[Construct]]) -> Where:
    around = tuple(
        loop
        for loop in loops
        if contains(loop.range, place) and not (loop.orelse is not None and contains(loop.orelse, place))
    )
    parts: list[tuple[Range, Construct | None, str]] = []
    for match, cases in matches.items():
        if contains(match, place):
            parts.append((match, *_part(place, cases)))
    return Where(around, tuple(parts))


def _part(place: Range, cases: Sequence[Construct]) -> tuple[Construct | None, str]:
    for case in cases:
        for part, region in (("body", case.body), ("guard", case.guard), ("pattern", case.range)):
            if region is not None and contains(region, place):
                return case, part
    return None, ""


def _first_of_body(loop: Construct, instructions: Sequence[dis.Instruction]) -> int | None:
    for instruction in instructions:
        place = _range(instruction)
        if place is not None and loop.body is not None and contains(loop.body, place):
            return instruction.offset
    return None


def _jumps(instructions: Sequence[dis.Instruction], source: SourceFile) -> list[tuple[int, Jump]]:
    found: list[tuple[int, Jump]] = []
    chains: dict[int, int] = {}
    comprehensions: dict[Range, int] = {}
    for index, instruction in enumerate(instructions):
        name = instruction.opname
        begin = _begin(instructions, index)
        falls_to = instructions[index + 1].offset if index + 1 < len(instructions) else -1
        if name == "FOR_ITER":
            loop = _loop(instruction, source, comprehensions)
            if loop is not None:
                found.append((instructions[begin].offset, Jump(instruction.offset, falls_to, loop=loop)))
        elif "JUMP" in name and "_IF_" in name:
            asked = _asked(instructions, index, source, chains)
            if asked is not None:
                leaf, inverted = asked
                truth = ("IF_TRUE" in name or "IF_NOT_NONE" in name or "IF_NONE" in name) != inverted
                if name.endswith("IF_NONE"):
                    truth = _is_none_test(leaf)
                elif name.endswith("IF_NOT_NONE"):
                    truth = not _is_none_test(leaf)
                found.append((instructions[begin].offset, Jump(instruction.offset, falls_to, leaf, truth)))
    return found


def _begin(instructions: Sequence[dis.Instruction], index: int) -> int:
    """The index of the first instruction that belongs to a jump: of what asks for the truth, if the jump does not."""
    begin = _before_extended(instructions, index)
    if begin and _asks_truth(instructions[begin - 1]):
        begin = _before_extended(instructions, begin - 1)
    return begin


def _before_extended(instructions: Sequence[dis.Instruction], index: int) -> int:
    while index and instructions[index - 1].opname == "EXTENDED_ARG":
        index -= 1
    return index


def _asks_truth(instruction: dis.Instruction) -> bool:
    """Whether an instruction leaves a bool for the jump after it; of a comparison, `dis` says `bool(>)` then."""
    is_comparison = instruction.opname == "COMPARE_OP" and instruction.argrepr.startswith("bool(")
    return is_comparison or instruction.opname == "TO_BOOL"


def _is_none_test(leaf: Leaf) -> bool:
    """Whether a leaf is `… is None`, not `… is not None`."""
    return isinstance(leaf, ast.Compare) and isinstance(leaf.ops[0], ast.Is)


def _loop(instruction: dis.Instruction, source: SourceFile, comprehensions: dict[Range, int]) -> Construct | None:
    """The loop whose next item an instruction takes: it has the place of the statement, or of the iterable."""
    place = _range(instruction)
    for construct in source.constructs:
        if place is not None and construct.kind == "for":
            iterable = construct.anchors[-1]
            if construct.range == place or iterable == (place[0], place[1] + 1):
                return construct
    candidates = [
        c for c in source.constructs if c.kind == "comprehension" and place is not None and place in (c.match, c.range)
    ]
    if not candidates or place is None:
        return None
    # The loops of one comprehension begin in the order in which they are written.
    nth = comprehensions.get(place, 0)
    comprehensions[place] = nth + 1
    return candidates[nth % len(candidates)]


def _asked(
    instructions: Sequence[dis.Instruction], index: int, source: SourceFile, chains: dict[int, int]
) -> tuple[Leaf, bool] | None:
    """The leaf that a jump asks, and whether it asks for its negation; None for jumps of Python's own."""
    before = index - 1
    while before >= 0 and instructions[before].opname in _TRANSPARENT:
        before -= 1
    computed = _range(instructions[before]) if before >= 0 else None
    inverted = before >= 0 and instructions[before].opname == "UNARY_NOT"
    # Of `a > b and not c`, Python 3.11 gives the jump that asks for `c` the place of `a > b`.
    for place in (computed, _range(instructions[index])):
        leaves = source.leaves.get(place) if place is not None else None
        if leaves:
            return _of_chain(leaves, chains), False
    if computed is None:
        return None
    if inverted:
        inner = [ls for r, ls in source.leaves.items() if contains(computed, r)]
        if inner:
            return inner[0][0], True
    around = [r for r in source.leaves if contains(r, computed)]
    if not around:
        return None
    smallest = max(around, key=lambda r: (r[0], r[1], -r[2], -r[3]))
    jump = _range(instructions[index])
    if jump is not None and not (contains(smallest, jump) or contains(jump, smallest)):
        return None
    return _of_chain(source.leaves[smallest], chains), False


def _of_chain(leaves: Sequence[Leaf], chains: dict[int, int]) -> Leaf:
    """Of a chain of comparisons, whose jumps have one place and come in order, the next one."""
    first = leaves[0]
    if not isinstance(first, ComparisonPart):
        return first
    nth = chains.get(id(first.chain), 0)
    chains[id(first.chain)] = nth + 1
    return leaves[nth % len(leaves)]


__all__ = ["Jump", "Plan", "Where", "plan_of", "range_of"]
