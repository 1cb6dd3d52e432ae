# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""From a function object to its rewritten twin: finds the source, rewrites it, compiles it, keeps its closure.

The twin shares the original's globals, defaults and closure cells, and is compiled under the original's file name and
line numbers. The result of rewriting a code object is cached, so a method that a network calls fifty times is rewritten
once.
"""

from __future__ import annotations

import ast
import linecache
import types
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from dycl.errors import SourceLocation, UnsupportedConstructError
from dycl.frontend.rewrite import RESUME, RUNTIME, is_rewritable, is_rewritable_context, rewrite_function


class NoSourceError(Exception):
    """The function has no source text (a REPL, `exec`, a built-in), or is of a kind that is run as it is."""


@dataclass
class Converter:
    """Rewrites functions for one capture.

    Attributes:
        runtime: what rewritten code finds under the name `dycl__` (`operators.Operators`).
        sources: the rewritten functions as text, by "file:line name", in the order they were met.
    """

    runtime: object
    sources: dict[str, str] = field(default_factory=dict)
    _cache: dict[types.CodeType, types.CodeType] = field(default_factory=dict)
    _converted: set[types.CodeType] = field(default_factory=set)

    def is_converted(self, function: types.FunctionType) -> bool:
        """Whether the function is rewritten code already (one defined inside a rewritten function is)."""
        return function.__code__ in self._converted

    def convert(self, function: types.FunctionType, resume: Callable[[Any], None] | None = None) -> types.FunctionType:
        """The function with its control flow rewritten.

        Args:
            function: the function.
            resume: of a generator function, what its `yield` calls with the value that it yields.

        Raises:
            NoSourceError: there is no source to rewrite; the message says why.
        """
        code = function.__code__
        rewritten = self._cache.get(code)
        if rewritten is None or (resume is None and RESUME in rewritten.co_freevars):
            rewritten = self._rewrite(function, is_context=resume is not None)
            self._cache[code] = rewritten
        cells = dict(zip(code.co_freevars, function.__closure__ or (), strict=True))
        cells[RUNTIME] = types.CellType(self.runtime)
        cells[RESUME] = types.CellType(resume)
        closure = tuple(cells[name] for name in rewritten.co_freevars)
        twin = types.FunctionType(rewritten, function.__globals__, function.__name__, function.__defaults__, closure)
        twin.__kwdefaults__ = function.__kwdefaults__
        twin.__qualname__ = function.__qualname__
        twin.__module__ = function.__module__
        return twin

    def _rewrite(self, function: types.FunctionType, *, is_context: bool) -> types.CodeType:
        code = function.__code__
        node, class_name = find_definition(code)
        if not (is_rewritable_context if is_context else is_rewritable)(node):
            raise NoSourceError("it is a generator or a coroutine")
        assert isinstance(node, (ast.FunctionDef, ast.Lambda))
        if isinstance(node, ast.FunctionDef) and hasattr(node, "type_params"):
            # Of a generic function (PEP 695) they are in cells, as for the original; the code would lie one deeper.
            setattr(node, "type_params", [])  # noqa: B010 (Python 3.11 has no such attribute)
        refuse_global_stores(node, code)
        module = rewrite_function(node, code.co_freevars, class_name)
        compiled = compile(module, code.co_filename, "exec", dont_inherit=True, flags=code.co_flags & _FUTURE_FLAGS)
        factory = next(c for c in compiled.co_consts if isinstance(c, types.CodeType))
        wanted = node.name if isinstance(node, ast.FunctionDef) else "<lambda>"
        inner = next(c for c in factory.co_consts if isinstance(c, types.CodeType) and c.co_name == wanted)
        self._converted.update(_all_code(inner))
        self.sources[f"{code.co_filename}:{code.co_firstlineno} {function.__qualname__}"] = ast.unparse(
            module.body[0].body[0]  # type: ignore[attr-defined]
        )
        return inner


def refuse_global_stores(node: ast.FunctionDef | ast.Lambda, code: types.CodeType) -> None:
    """A function that assigns a global: what it would leave there is not a value."""
    declared = {name for n in ast.walk(node) if isinstance(n, ast.Global) for name in n.names}
    for n in ast.walk(node):
        if isinstance(n, ast.Name) and n.id in declared and not isinstance(n.ctx, ast.Load):
            raise UnsupportedConstructError(
                f"an assignment to the global `{n.id}`",
                hint="return the value, or keep it in an attribute or a buffer of the module",
                location=SourceLocation(code.co_filename, n.lineno, code.co_name, n.col_offset + 1),
            )


_FUTURE_FLAGS = 0x1FE0000
"""The bits of `co_flags` that `from __future__` imports set."""


def _all_code(code: types.CodeType) -> list[types.CodeType]:
    found = [code]
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            found.extend(_all_code(constant))
    return found


@dataclass(frozen=True)
class _Definition:
    node: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
    class_name: str | None


@lru_cache(maxsize=256)
def _parsed_lines(filename: str, lines: tuple[str, ...]) -> list[_Definition]:
    """Every function and lambda of a file, with the class that holds it."""
    found: list[_Definition] = []

    def walk(node: ast.AST, class_name: str | None) -> None:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
                found.append(_Definition(child, class_name))
            walk(child, child.name if isinstance(child, ast.ClassDef) else class_name)

    walk(ast.parse("".join(lines), filename), None)
    return found


def find_definition(
    code: types.CodeType,
) -> tuple[ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda, str | None]:
    """A fresh syntax tree of the function that `code` was compiled from, and the class that holds it.

    Raises:
        NoSourceError: there is no source, or it has changed since it was imported.
    """
    linecache.checkcache(code.co_filename)
    lines = tuple(linecache.getlines(code.co_filename))
    if not lines:
        raise NoSourceError(f"there is no source text for {code.co_filename!r}")
    try:
        definitions = _parsed_lines(code.co_filename, lines)
    except SyntaxError as error:
        raise NoSourceError(f"{code.co_filename} no longer parses: {error.msg}") from error
    # The innermost match: a lambda inside a lambda lies within the outer one's body too.
    for definition in reversed(definitions):
        if _matches(definition.node, code):
            return _copy(definition.node), definition.class_name
    raise NoSourceError(f"{code.co_filename} has changed since it was imported")


def _matches(node: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda, code: types.CodeType) -> bool:
    if isinstance(node, ast.Lambda):
        return code.co_name == "<lambda>" and node.lineno == code.co_firstlineno and _lambda_covers(node, code)
    first = min([node.lineno, *(d.lineno for d in node.decorator_list)])
    return node.name == code.co_name and first == code.co_firstlineno


def _lambda_covers(node: ast.Lambda, code: types.CodeType) -> bool:
    """Whether the code's instructions lie in the lambda's body: two lambdas may start on one line."""
    body = node.body
    for line, end_line, column, end_column in code.co_positions():
        if line is None or end_line is None or not column or end_column is None:
            continue
        start, end = (line, column), (end_line, end_column)
        if start < (body.lineno, body.col_offset) or end > (body.end_lineno or 0, body.end_col_offset or 0):
            return False
    return True


def _copy(node: ast.AST) -> ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda:
    """A deep copy: rewriting changes the tree, and the parsed file is kept. (`copy.deepcopy` is four times slower.)"""

    def copy(value: object) -> object:
        if isinstance(value, ast.AST):
            new = type(value)(**{name: copy(getattr(value, name, None)) for name in value._fields})
            for attribute in value._attributes:
                if hasattr(value, attribute):
                    setattr(new, attribute, getattr(value, attribute))
            return new
        if isinstance(value, list):
            return [copy(item) for item in value]
        return value

    result = copy(node)
    assert isinstance(result, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda))
    return result
