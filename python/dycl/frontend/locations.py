# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Where in the user's program execution stands: the innermost frame that is neither torch's nor dycl's nor Python's."""

from __future__ import annotations

import dis
import inspect
import os
import re
import types
from functools import lru_cache
from pathlib import Path

import torch

import dycl
from dycl.errors import SourceLocation
from dycl.frontend.rewrite import GENERATED_MARK

_DYCL = Path(dycl.__file__ or "").absolute().parent
_FRONTEND = f"{_DYCL / 'frontend'}{os.sep}"
_TORCH = f"{Path(torch.__file__).absolute().parent}{os.sep}"
# Modules of Python's own library that look things up and do not compute with what they are given: run as they are.
_LOOKING_UP = ("importlib", "inspect", "logging", "os", "pathlib", "platform", "re", "threading", "typing", "warnings")
_LIBRARY = f"{Path(os.__file__).absolute().parent}{os.sep}"
_INTERNAL_ROOTS = (
    *(_TORCH, f"{_DYCL}{os.sep}", "<frozen "),
    *(f"{_LIBRARY}{name}{end}" for name in _LOOKING_UP for end in (".py", os.sep)),
)
# User code that happens to be shipped with dycl, or with torch.
_USERS = (f"{_DYCL / 'zoo'}{os.sep}", f"{_TORCH}_export{os.sep}db{os.sep}examples{os.sep}")
# What of torch is rewritten: it is Python that decides on data, in the checks of its arguments for the most part.
_FOLLOWED = tuple(
    f"{_TORCH}{name.replace('/', os.sep)}"
    for name in ("distributions/", "nn/utils/rnn.py", "nn/modules/transformer.py")
)


@lru_cache(maxsize=4096)
def is_internal(filename: str) -> bool:
    """Whether a file belongs to torch, to dycl or to Python, so that its lines mean nothing to a user."""
    return filename.startswith(_INTERNAL_ROOTS) and not filename.startswith(_USERS)


@lru_cache(maxsize=4096)
def runs_as_it_is(filename: str) -> bool:
    """Whether code of a file is called without being rewritten: dycl's, and most of torch's and of Python's."""
    return is_internal(filename) and not filename.startswith(_FOLLOWED)


@lru_cache(maxsize=65536)
def _column(code: types.CodeType, instruction: int) -> int:
    """The 1-based column of an instruction, or 0 where it is unknown."""
    for index, position in enumerate(code.co_positions()):
        if index * 2 == instruction:
            return position[2] + 1 if position[2] is not None else 0
    return 0


def here() -> SourceLocation | None:
    """The user's file, line, column and function that is running now."""
    frame: types.FrameType | None = inspect.currentframe()
    while frame is not None:
        code = frame.f_code
        if not is_internal(code.co_filename):
            name = code.co_name.split(GENERATED_MARK)[0]
            return SourceLocation(code.co_filename, frame.f_lineno, name, _column(code, frame.f_lasti))
        frame = frame.f_back
    return None


def raised_at(error: BaseException) -> SourceLocation | None:
    """The user's line that an exception was raised in, the innermost one."""
    found: SourceLocation | None = None
    traceback = error.__traceback__
    while traceback is not None:
        code = traceback.tb_frame.f_code
        if not is_internal(code.co_filename):
            found = SourceLocation(code.co_filename, traceback.tb_lineno, code.co_name.split(GENERATED_MARK)[0])
        traceback = traceback.tb_next
    return found


def raised_in_library(error: BaseException) -> bool:
    """Whether code that is not rewritten raised, not a `raise` or a plain Python operation of the user's."""
    traceback = error.__traceback__
    filename = ""
    while traceback is not None:
        code = traceback.tb_frame.f_code
        if not code.co_filename.startswith(_FRONTEND):
            filename = code.co_filename
        traceback = traceback.tb_next
    return runs_as_it_is(filename)


def _innermost(error: BaseException) -> types.TracebackType | None:
    traceback = error.__traceback__
    while traceback is not None and traceback.tb_next is not None:
        traceback = traceback.tb_next
    return traceback


def raised_on_purpose(error: BaseException) -> bool:
    """Whether a `raise` statement raised, not an operation that cannot be done."""
    at = _innermost(error)
    return at is not None and dis.opname[at.tb_frame.f_code.co_code[at.tb_lasti]] in ("RAISE_VARARGS", "RERAISE")


def is_internal_error(error: BaseException) -> bool:
    """Whether an assertion of dycl's own failed, not one of the user's (which `operators/` raises)."""
    at = _innermost(error)
    if not isinstance(error, AssertionError) or at is None:
        return False
    filename = at.tb_frame.f_code.co_filename
    return filename.startswith(_FRONTEND) and not filename.startswith(f"{_FRONTEND}operators{os.sep}")


_STAND_IN = re.compile(r"\b(SymInt|SymFloat|SymBool|FunctionalTensor|FakeTensor)\b")


def is_of_tracing(error: BaseException) -> bool:
    """Whether a message names what stands for the user's values while the model is traced: eager raises no such one.

    That a tensor lacks an attribute, eager says as well.
    """
    if isinstance(error, AttributeError) and isinstance(error.obj, torch.Tensor):
        return False
    return any(isinstance(argument, str) and _STAND_IN.search(argument) for argument in error.args)


def unbound_local(error: NameError) -> UnboundLocalError | None:
    """What Python raises for an unbound variable of a function of the user's, whose bodies are functions here."""
    innermost = _innermost(error)
    frame = innermost.tb_frame if innermost is not None else None
    codes: list[types.CodeType] = []
    while frame is not None:
        if not is_internal(frame.f_code.co_filename):
            codes.append(frame.f_code)
        frame = frame.f_back

    def is_body(code: types.CodeType) -> bool:
        # A `lambda` without arguments stands for an operand, such as the right side of an `and`.
        return GENERATED_MARK in code.co_name or (code.co_name == "<lambda>" and code.co_argcount == 0)

    owner = next((code for code in codes if not is_body(code)), None)
    if owner is None or not is_body(codes[0]) or error.name not in owner.co_cellvars:
        return None
    made = UnboundLocalError(
        f"cannot access local variable {error.name!r} where it is not associated with a value", name=error.name
    )
    return made.with_traceback(error.__traceback__)
