# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Context variables (`contextvars`): what one side of a condition sets, the other does not find."""

from __future__ import annotations

import contextvars
from typing import Any

from dycl.frontend.operators.calls import Calls
from dycl.frontend.operators.replacements import replaces
from dycl.frontend.state import UNDEFINED, ContextLocation


class Token:
    """What `ContextVar.set` gives: Python's own knows whether it was used, on whatever path."""

    MISSING = contextvars.Token.MISSING

    def __init__(self, var: contextvars.ContextVar[Any], old_value: Any) -> None:
        self.var, self.old_value = var, old_value
        self.is_used = False


@replaces(contextvars.ContextVar.set)
def set_(ops: Calls, variable: contextvars.ContextVar[Any], value: Any) -> Token:
    place = ContextLocation.of(variable)
    before = place.get()
    ops.control.journal.touch(place)
    place.set(value)
    return Token(variable, Token.MISSING if before is UNDEFINED else before)


@replaces(contextvars.ContextVar.reset)
def reset(ops: Calls, variable: contextvars.ContextVar[Any], token: Any) -> None:
    place = ContextLocation.of(variable)
    ops.control.journal.touch(place)
    if not isinstance(token, Token):
        variable.reset(token)
        return

    def used() -> None:
        raise RuntimeError("a token of a context variable has already been used once")

    ops.if_(token.is_used, used, None, ())
    if token.var is not variable:
        raise ValueError("a token was created by a different ContextVar")
    ops.setattr_(token, "is_used", True)
    place.set(UNDEFINED if token.old_value is Token.MISSING else token.old_value)
