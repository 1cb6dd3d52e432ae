# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Runs a model in eager PyTorch, as it is, and writes down every decision that its source takes.

The interpreter itself says where it goes: `sys.settrace` with opcode events, in the files that hold predicates of the
program. dycl's rewriter, which made the program, has no part in it.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from types import CodeType, FrameType
from typing import Any

import torch

from dycl.report.bytecode import Jump, Plan, Where, plan_of
from dycl.report.constructs import BROKEN, RETURNED, TRIPS, WHOLE, Construct, Leaf, canonical, truth
from dycl.report.truths import Margin, Read, Truths

_GENERATOR = 0x20 | 0x80 | 0x200  # inspect.CO_GENERATOR, CO_COROUTINE, CO_ASYNC_GENERATOR


@dataclass(frozen=True)
class Role:
    """What of a construct is decided: its own truth, an operand's, or how often it iterates."""

    construct: Construct
    part: str = WHOLE

    def __str__(self) -> str:
        part = f", {self.part}" if self.part else ""
        return f"{self.construct} `{self.construct.text}` ({self.construct.kind}{part})"


@dataclass
class Taken:
    """One decision of eager.

    Attributes:
        role: what was decided.
        value: which way: a bool, or the number of iterations.
        context: where from: the calls and the iterations around it.
        on_data: whether a tensor's truth decided it; False also where that cannot be seen (a number read before).
        margin: how far from the other way, where it is known.
        read: the truth that it read, by number, where it read one and asked for nothing else.
        turned: the read, by number, and what it would have to be for the other way; None where that is not known.
        operands: what was compared, or the tensor whose number was, where that is kept.
        is_alone: whether nothing but these operands decided it.
    """

    role: Role
    value: bool | int
    context: tuple[Any, ...]
    on_data: bool = False
    margin: Margin | None = None
    read: int | None = None
    turned: tuple[int, Any] | None = None
    operands: tuple[Any, Any] | None = None
    is_alone: bool = False


@dataclass
class Observation:
    """One call in eager.

    Attributes:
        result: what it gave; None where it raised.
        raised: what it raised.
        taken: every decision, in order.
        reads: every truth and number that was read of a tensor.
    """

    result: Any = None
    raised: BaseException | None = None
    taken: list[Taken] = field(default_factory=list[Taken])
    reads: list[Read] = field(default_factory=list[Read])


def observe(
    function: Callable[..., Any],
    args: Sequence[Any],
    kwargs: Mapping[str, Any],
    files: Collection[str],
    *,
    tolerance: float = 1e-6,
    forced: Mapping[int, Any] | None = None,
    with_gradients: bool = False,
) -> Observation:
    """Calls a function in eager and notes its decisions.

    Args:
        function: the model.
        args, kwargs: its arguments, which it may write to.
        files: the source files whose decisions are of interest.
        tolerance: relative to the scale of what is compared, what counts as noise.
        forced: what reads, by number, are to give instead.
        with_gradients: keep what is compared, with the graph that computed it.
    """
    observer = _Observer(frozenset(map(canonical, files)), tolerance, forced, with_gradients)
    return observer.run(function, args, kwargs)


class _Observer:
    def __init__(
        self, files: frozenset[str], tolerance: float, forced: Mapping[int, Any] | None, with_gradients: bool
    ) -> None:
        self._files = files
        self._of_interest: dict[str, bool] = {}
        self._plans: dict[CodeType, Plan | None] = {}
        self.frames: dict[FrameType, _Frame] = {}
        self.found = Observation()
        self.truths = Truths(tolerance, forced, with_gradients, self._asks)
        self.found.reads = self.truths.reads
        self.asked = 0
        """How many reads belong to decisions that were taken."""
        self._with_gradients = with_gradients

    def run(self, function: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]) -> Observation:
        tracer = sys.gettrace()
        try:
            with torch.set_grad_enabled(self._with_gradients), self.truths:
                # Python 3.12 looks, when tracing begins, whether any frame ever wanted opcodes.
                sys._getframe().f_trace_opcodes = True  # pyright: ignore[reportPrivateUsage]
                sys.settrace(self._on_call)
                try:
                    self.found.result = function(*args, **kwargs)
                finally:
                    sys.settrace(tracer)
        except Exception as error:
            self.found.raised = error
        finally:
            self.frames.clear()
        return self.found

    def _on_call(self, frame: FrameType, event: str, _argument: Any) -> Any:
        if event != "call":
            return None
        code = frame.f_code
        if code not in self._plans:
            self._plans[code] = plan_of(code) if self._is_of_interest(code.co_filename) else None
        plan = self._plans[code]
        if plan is None:
            return None
        state = self.frames.get(frame)  # a generator goes on
        if state is None:
            state = self.frames[frame] = _Frame(self, frame, plan)
        # In this order: from Python 3.13 on, a frame that is not traced yet gives no opcodes.
        frame.f_trace = state.on_event
        frame.f_trace_opcodes = True
        frame.f_trace_lines = False
        return state.on_event

    def _is_of_interest(self, file: str) -> bool:
        if file not in self._of_interest:
            self._of_interest[file] = canonical(file) in self._files
        return self._of_interest[file]

    def _asks(self, frame: FrameType) -> bool:
        state = self.frames.get(frame)
        return state is not None and state.is_at_jump()

    def context_of(self, frame: FrameType) -> tuple[Any, ...]:
        """The calls, and the iterations around them, that led to a frame."""
        calls: list[Any] = []
        caller = frame.f_back
        while caller is not None and caller.f_code is not _Observer.run.__code__:
            calls.append((caller.f_code, caller.f_lasti))
            state = self.frames.get(caller)
            if state is not None:
                return (*state.context, state.iterations(), *calls)
            caller = caller.f_back
        return tuple(calls)


@dataclass
class _Asking:
    """The truths of a construct's leaves, as far as they are known, in one evaluation of it."""

    known: dict[int, bool] = field(default_factory=dict[int, bool])
    last: int = -1
    told: set[str] = field(default_factory=set[str])
    on_data: bool = False
    margin: Margin | None = None
    reads: list[Read] = field(default_factory=list[Read])
    turned: tuple[int, Any] | None = None


class _Frame:
    """What is known of a running function of the user's."""

    def __init__(self, observer: _Observer, frame: FrameType, plan: Plan) -> None:
        self._observer = observer
        self._plan = plan
        self._is_generator = bool(frame.f_code.co_flags & _GENERATOR)
        self.context = (frame.f_code, *observer.context_of(frame))
        self._asking: dict[Construct, _Asking] = {}
        self._loops: dict[Construct, int] = {}
        self._matches: dict[tuple[int, int, int, int], int] = {}
        self._pending: Jump | None = None
        self._begun = 0
        self._reads_at_jump = 0
        self._where: Where | None = None

    def is_at_jump(self) -> bool:
        return self._pending is not None and self._pending.leaf is not None

    def iterations(self) -> tuple[int, ...]:
        return tuple(self._loops.values())

    def on_event(self, frame: FrameType, event: str, _argument: Any) -> Any:
        if event == "opcode":
            self._on_instruction(frame)
        elif event == "exception":
            self._pending = None
        elif event == "return" and not self._is_generator:
            self._pending = None
            for loop in list(self._loops):
                self._close(loop, left=RETURNED)
        return self.on_event

    def _on_instruction(self, frame: FrameType) -> None:
        offset = frame.f_lasti
        if self._pending is not None:
            if self._begun < offset <= self._pending.own:
                return
            jump, self._pending = self._pending, None
            self._after(jump, offset != jump.falls_to, frame)
        where = self._plan.where[offset >> 1]
        if where is not None and where is not self._where:
            self._move(where)
        if offset in self._plan.endless:
            loop = self._plan.endless[offset]
            self._loops[loop] = self._loops.get(loop, 0) + 1
        jump = self._plan.jumps.get(offset)
        if jump is not None:
            self._pending, self._begun = jump, offset
            self._reads_at_jump = len(self._observer.truths.reads)

    # Tests -----------------------------------------------------------------------------------------------------------

    def _after(self, jump: Jump, is_taken: bool, frame: FrameType) -> None:
        if jump.leaf is not None:
            self._tell(jump.leaf, jump.truth_if_taken == is_taken, frame)
        elif jump.loop is not None:
            if is_taken:
                self._close(jump.loop)
            else:
                self._loops[jump.loop] = self._loops.get(jump.loop, 0) + 1

    def _tell(self, leaf: Leaf, value: bool, frame: FrameType) -> None:
        """Notes the truth of a leaf, and of what it settles."""
        observer = self._observer
        reads = observer.truths.reads
        at_jump = [read for read in reads[self._reads_at_jump :] if read.is_truth]
        before = reads[observer.asked : self._reads_at_jump]
        observer.asked = len(reads)
        margin, turned = None, None
        if at_jump:
            margin = at_jump[-1].margin
            turned = (at_jump[-1].number, not at_jump[-1].value)
        elif before:
            margin, turned = self._numbers(leaf, before[-1], frame)
        for construct in self._plan.source.by_leaf.get(id(leaf), ()):
            index = next(i for i, other in enumerate(construct.leaves) if other is leaf)
            asking = self._asking.get(construct)
            if asking is None or index <= asking.last:
                asking = self._asking[construct] = _Asking()
            asking.last = index
            asking.known[id(leaf)] = value
            asking.on_data |= bool(at_jump)
            asking.reads += at_jump or before[-1:]
            asking.turned = turned if len(asking.known) == 1 else None
            if margin is not None and (asking.margin is None or margin.value < asking.margin.value):
                asking.margin = margin
            self._settle(construct, asking)

    def _settle(self, construct: Construct, asking: _Asking) -> None:
        for part, expression in construct.parts:
            if part in asking.told:
                continue
            value = truth(expression, asking.known)
            if value is None:
                continue
            asking.told.add(part)
            self._emit(construct, part, value, asking)
            if construct.kind == "while" and part == WHOLE:
                if value:
                    self._loops[construct] = self._loops.get(construct, 0) + 1
                else:
                    self._close(construct)

    def _emit(self, construct: Construct, part: str, value: bool | int, asking: _Asking | None = None) -> None:
        taken = Taken(Role(construct, part), value, (*self.context, self.iterations()))
        if asking is not None:
            taken.on_data = asking.on_data
            taken.margin = asking.margin
            if asking.reads:
                taken.operands = asking.reads[-1].operands
                taken.is_alone = len(asking.known) == len(asking.reads) == 1 and asking.reads[-1].is_alone
                if len(asking.known) == 1 and asking.reads[-1].is_truth:
                    taken.read = asking.reads[-1].number
            taken.turned = asking.turned
        self._observer.found.taken.append(taken)

    def _numbers(self, leaf: Leaf, read: Read, frame: FrameType) -> tuple[Margin | None, tuple[int, Any] | None]:
        """The margin of a comparison of Python numbers, if its operands can be had without running anything.

        And if one is the number that was read last, as far on the other side of the other one as it is on this.
        """
        if not isinstance(leaf, ast.Compare):
            return None, None
        left = _number(leaf.left, frame, read.value)
        right = _number(leaf.comparators[0], frame, read.value)
        if left is None or right is None:
            return None, None
        turned = None
        if read.value in (left, right) and left != right:
            other = right if read.value == left else left
            turned = (read.number, type(read.value)(2 * other - read.value))
        return self._observer.truths.margin(left, right), turned

    # Loops and matches -----------------------------------------------------------------------------------------------

    def _move(self, where: Where) -> None:
        self._where = where
        for loop in [loop for loop in self._loops if loop.kind != "comprehension"]:
            if loop not in where.loops:
                self._close(loop, left=BROKEN)
        inside = {match for match, _, _ in where.cases}
        for match in [m for m in self._matches if m not in inside]:
            self._decide_cases(match, len(self._plan.matches[match]))
            del self._matches[match]
        for match, case, part in where.cases:
            self._matches.setdefault(match, 0)
            if case is not None:
                self._decide_cases(match, case.index)
                if part == "body" and self._matches[match] == case.index:
                    self._emit(case, WHOLE, True)
                    self._matches[match] = len(self._plan.matches[match])

    def _decide_cases(self, match: tuple[int, int, int, int], upto: int) -> None:
        """The cases before one that is tried, or reached, did not match."""
        while self._matches[match] < upto:
            self._emit(self._plan.matches[match][self._matches[match]], WHOLE, False)
            self._matches[match] += 1

    def _close(self, loop: Construct, left: str = "") -> None:
        trips = self._loops.pop(loop, 0)
        self._emit(loop, TRIPS, trips)
        self._emit(loop, BROKEN, left == BROKEN)
        self._emit(loop, RETURNED, left == RETURNED)


def _number(expression: ast.expr, frame: FrameType, read: Any) -> float | int | None:
    """The value of a number in an expression that runs no code; what was read last stands for a call of `.item()`."""
    if isinstance(expression, ast.Constant):
        value = expression.value
    elif isinstance(expression, ast.Name):
        value = frame.f_locals.get(expression.id, frame.f_globals.get(expression.id))
    elif isinstance(expression, ast.Attribute) and isinstance(expression.value, ast.Name):
        owner = frame.f_locals.get(expression.value.id)
        value = getattr(owner, "__dict__", {}).get(expression.attr)
    elif isinstance(expression, ast.UnaryOp) and isinstance(expression.op, ast.USub):
        operand = _number(expression.operand, frame, read)
        value = -operand if operand is not None else None
    elif isinstance(expression, ast.Call) and isinstance(expression.func, ast.Attribute):
        value = read if expression.func.attr == "item" else None
    else:
        value = None
    return value if isinstance(value, (int, float)) and not isinstance(value, bool) else None
