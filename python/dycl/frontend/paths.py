# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""What paths through the program are made of: jumps, the places where they land, traced sides, open forks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import torch
from torch import fx

from dycl.errors import SourceLocation
from dycl.frontend.kinds import MISSING
from dycl.frontend.sizes import Learnt
from dycl.frontend.state import Delta, Snapshot
from dycl.frontend.values import Site


@dataclass(frozen=True)
class Signal:
    """What a rewritten body returns when it jumps; None means that it fell out of its end."""

    kind: str  # "return", "break" or "continue"
    value: Any = None


BREAK = Signal("break")
CONTINUE = Signal("continue")


Handler = tuple[Callable[[], Any], Callable[[BaseException], Signal | None]]
"""An `except` clause: its exception types, and its body."""


@dataclass(eq=False)
class Scope:
    """A place where jumps land, or that they pass.

    `kind` is "return", "break" or "continue" for the end of a function, of a loop, of an iteration, where the signals
    of that kind land; "try" for the end of a `try` statement and "raise" for the end of the program, where exceptions
    land; "handlers" while `except` clauses are in force, "finally" while a `finally` clause is, "with" for a body that
    runs inside of another function.
    """

    kind: str
    first_fork: int
    """How many forks were open when it began."""
    handlers: Sequence[Handler] = ()
    end: Scope | None = None
    """Of "handlers": the end of their `try` statement."""
    final: Callable[[], Signal | None] | None = None
    """Of "finally": the clause."""
    errors: list[tuple[Exception, tuple[int, ...]]] = field(default_factory=list[tuple[Exception, tuple[int, ...]]])
    """... and the exceptions that pass it, each with where the values in its arguments are."""


class Unwind(BaseException):
    """Takes a jump out of the Python frames between an exception under a condition and where it is handled."""

    def __init__(self, target: Scope, value: Any) -> None:
        super().__init__()
        self.target = target
        self.value = value


@dataclass(frozen=True)
class Arrested:
    """How a body ended, whose jump is to be taken later.

    Attributes:
        possible: which of `KINDS` it may be, by number.
        number: which it is; an int, or a number on data.
        value: what is returned, if it is a return.
    """

    KINDS: ClassVar = ("return", "break", "continue", "with")
    """... of a jump; "with" is none."""
    possible: frozenset[int] = frozenset({3})
    number: Any = 3
    value: Any = MISSING


@dataclass(eq=False)
class Deferred:
    """A jump that is taken after a join iff `flag` holds."""

    flag: torch.Tensor
    target: Scope
    value: Any  # frozen


@dataclass(eq=False)
class Side:
    """One traced side of a fork.

    `target` is where its end jumps to (None: it falls out), with `value` (frozen); each deferred jump comes before it.
    """

    graph: fx.Graph
    delta: Delta
    target: Scope | None = None
    value: Any = None
    deferred: list[Deferred] = field(default_factory=list)

    def flags_of_raising(self) -> list[torch.Tensor]:
        """The recorded bools that say on its end that it has raised, out of the program."""
        return [jump.flag for jump in self.deferred if jump.target.kind == "raise"]


@dataclass(eq=False)
class Context:
    """Code that can be traced again from its start: the program, or the body of a loop on data.

    Attributes:
        left: how many more times it may be taken apart.
        assumed: which side to take at which of its sites.
        stop_at: the site at which the run ends.
        met: how many of its sites this run has met.
        around: the context that this one is in.
    """

    left: int
    around: Context | None = None
    assumed: dict[int, bool] = field(default_factory=dict)
    stop_at: int | None = None
    met: int = 0

    def new_site(self, location: SourceLocation | None) -> Site:
        self.met += 1
        return Site(self, self.met - 1, location)


class Restart(BaseException):
    """Ends a run that has learnt what it has to know from the start."""


@dataclass
class Escaping:
    """The exceptions that leave the program; the runs of one capture share it.

    Attributes:
        entries: the name of each and its arguments, as `Signature.exceptions` has them.
        values: the types (int or float) of the values that their arguments are made of; a path that raises needs some
            of them.
        reported: the warnings that were given.
    """

    entries: list[tuple[Any, ...]] = field(default_factory=list)
    values: list[type] = field(default_factory=list)
    reported: set[str] = field(default_factory=set)

    def number_of(self, entry: tuple[Any, ...]) -> int:
        """1 for the first entry."""
        if entry not in self.entries:
            self.entries.append(entry)
        return self.entries.index(entry) + 1

    def place(self, kind: type, taken: set[int]) -> int:
        """The place of a value of a type; noted in `taken`.

        Raises:
            Restart: there was none.
        """
        for place, known in enumerate(self.values):
            if known is kind and place not in taken:
                taken.add(place)
                return place
        self.values.append(kind)
        raise Restart


class Stop(BaseException):
    """Ends a run at a site: the run's result is whether the site is reached with its condition holding."""

    def __init__(self, condition: torch.Tensor) -> None:
        super().__init__()
        self.condition = condition


@dataclass(eq=False)
class Fork:
    """A condition one side of which is parked, while the other is open."""

    predicate: torch.Tensor
    outer: fx.Graph
    snapshot: Snapshot
    parked: Side
    parked_is_then: bool
    site: Site
    learnt: Learnt
    """What torch had learnt of sizes where the paths part."""
