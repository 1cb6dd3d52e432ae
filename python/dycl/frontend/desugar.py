# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Syntax that is brought to simpler Python before it is rewritten: `match` to `if`s, comprehensions to loops.

What is made here is Python as a user could have written it; `rewrite.py` then makes its control flow explicit.
"""

from __future__ import annotations

import ast
import copy
import sys
from collections.abc import Sequence

from dycl.errors import SourceLocation, UnsupportedConstructError

_OUT = "dycl__out"
_KEY = "dycl__key"
_ITEMS = "dycl__items"
_COLLECTORS = {"sum", "list", "tuple", "set", "frozenset", "max", "min", "sorted", "dict"}
"""Built-ins that take all of a generator at once, so that it may be a list."""

Comprehension = ast.ListComp | ast.SetComp | ast.DictComp


def _load(name: str) -> ast.Name:
    return ast.Name(name, ast.Load())


def _store(name: str) -> ast.Name:
    return ast.Name(name, ast.Store())


def has_conditions(node: ast.AST) -> bool:
    """Whether a comprehension or generator expression has an `if`."""
    return any(g.ifs and not g.is_async for g in getattr(node, "generators", ()))


# ---------------------------------------------------------------------------------------------------------------------
# Comprehensions


def comprehension_function(node: Comprehension, name: str) -> ast.FunctionDef:
    """`def name(items): ...`, which gives what the comprehension gives, for the value of its first iterable."""
    if isinstance(node, ast.DictComp):
        first: ast.expr = ast.Dict([], [])
        key: list[ast.stmt] = [ast.Assign([_store(_KEY)], node.key)]
        target = ast.Subscript(_load(_OUT), _load(_KEY), ast.Store())
        add: list[ast.stmt] = [*key, ast.Assign([target], node.value)]
    else:
        is_list = isinstance(node, ast.ListComp)
        first = ast.List([], ast.Load()) if is_list else ast.Call(_load("set"), [], [])
        method = ast.Attribute(_load(_OUT), "append" if is_list else "add", ast.Load())
        add = [ast.Expr(ast.Call(method, [node.elt], []))]
    body = [ast.Assign([_store(_OUT)], first), *_loops(node.generators, add), ast.Return(_load(_OUT))]
    return _function(name, body, node, [_ITEMS])


def with_own_names(node: Comprehension) -> Comprehension:
    """A comprehension whose variables have names that nothing else has.

    From Python 3.12 on it runs in the frame around it (PEP 709). A variable of the same name that belongs to a function
    farther out is lost there for functions that were defined in that frame before. Rewriting makes such functions.
    """
    if sys.version_info < (3, 12):
        return node
    bound = {n.id for g in node.generators for n in ast.walk(g.target) if isinstance(n, ast.Name)}
    names = {name: f"dycl__{name}_{node.lineno}_{node.col_offset}" for name in bound}
    first = node.generators[0]
    iterable = first.iter  # evaluated outside
    first.iter = ast.Constant(None)
    renamed = _Renamed(names).generic_visit(node)
    first.iter = iterable
    assert isinstance(renamed, (ast.ListComp, ast.SetComp, ast.DictComp))
    return renamed


class _Renamed(ast.NodeTransformer):
    """Gives variables other names, but not parameters of lambdas that hide them."""

    def __init__(self, names: dict[str, str]) -> None:
        self._names = names

    def visit_Name(self, node: ast.Name) -> ast.AST:
        return ast.copy_location(ast.Name(self._names.get(node.id, node.id), node.ctx), node)

    def visit_Lambda(self, node: ast.Lambda) -> ast.AST:
        arguments = node.args
        parameters = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
        parameters += [a for a in (arguments.vararg, arguments.kwarg) if a is not None]
        hidden = {parameter.arg for parameter in parameters}
        self.visit(arguments)  # the defaults
        node.body = _Renamed({old: new for old, new in self._names.items() if old not in hidden}).visit(node.body)
        return node


def is_written_out(node: Comprehension | ast.GeneratorExp) -> bool:
    """Whether a comprehension without conditions is over constants: of a known number, in any case."""
    if has_conditions(node):
        return False
    for generator in node.generators:
        items = generator.iter
        is_range = isinstance(items, ast.Call) and isinstance(items.func, ast.Name) and items.func.id == "range"
        parts = items.args if is_range and isinstance(items, ast.Call) else [items]
        if not all(isinstance(part, (ast.Constant, ast.Tuple, ast.List, ast.Dict)) for part in parts):
            return False
    return True


def first_match_function(node: ast.GeneratorExp, name: str, *, has_default: bool) -> ast.FunctionDef:
    """`def name(items, default): ...`, which gives what `next(generator, default)` gives; or without a default."""
    last: ast.stmt = ast.Return(_load("dycl__default")) if has_default else ast.Raise(_load("StopIteration"), None)
    body = [*_loops(node.generators, [ast.Return(node.elt)]), last]
    return _function(name, body, node, [_ITEMS, "dycl__default"] if has_default else [_ITEMS])


def sum_function(node: ast.GeneratorExp, name: str, runtime: str) -> ast.FunctionDef:
    """`def name(items, start): ...`, which gives what `sum(generator, start)` gives."""
    added: list[ast.stmt] = [ast.Assign([_store(_OUT)], ast.BinOp(_load(_OUT), ast.Add(), node.elt))]
    loop = [ast.Assign([_store(_OUT)], _load("dycl__start")), *_loops(node.generators, added), ast.Return(_load(_OUT))]
    plain = ast.Call(_load("sum"), [_as_it_is(node, runtime), _load("dycl__start")], [])
    body: list[ast.stmt] = [ast.If(_runtime_call(runtime, "is_builtin", _load("sum")), loop, [ast.Return(plain)])]
    return _function(name, body, node, [_ITEMS, "dycl__start"])


def any_function(node: ast.GeneratorExp, name: str, runtime: str, *, is_any: bool) -> ast.FunctionDef:
    """`def name(items): ...`, which gives what `any(generator)` or `all(generator)` gives.

    Over a number of items that depends on data it is a loop that ends where one decides; else all are asked.
    """
    builtin = _load("any" if is_any else "all")
    test = node.elt if is_any else ast.UnaryOp(ast.Not(), node.elt)
    found: list[ast.stmt] = [ast.If(test, [ast.Return(ast.Constant(is_any))], [])]
    loop = [*_loops(node.generators, found), ast.Return(ast.Constant(not is_any))]
    tests: list[ast.expr] = [
        _runtime_call(runtime, "is_builtin", builtin),
        _runtime_call(runtime, "is_of_unknown_length", _load(_ITEMS)),
    ]
    plain = consumed_generator(ast.Call(builtin, [_as_it_is(node, runtime)], []))
    return _function(name, [ast.If(ast.BoolOp(ast.And(), tests), loop, [ast.Return(plain)])], node, [_ITEMS])


def _runtime_call(runtime: str, function: str, *args: ast.expr) -> ast.expr:
    return ast.Call(ast.Attribute(_load(runtime), function, ast.Load()), list(args), [])


def _as_it_is(node: ast.GeneratorExp, runtime: str) -> ast.GeneratorExp:
    """The generator expression itself, over what the function is given."""
    same = copy.deepcopy(node)
    same.generators[0].iter = _runtime_call(runtime, "iterated", _load(_ITEMS))
    return same


def is_taken_as_it_is(node: ast.GeneratorExp, runtime: str) -> bool:
    """Whether `_as_it_is` made it."""
    call = node.generators[0].iter
    function = call.func if isinstance(call, ast.Call) else None
    is_runtimes = isinstance(function, ast.Attribute) and isinstance(function.value, ast.Name)
    return is_runtimes and function.attr == "iterated" and function.value.id == runtime  # type: ignore[union-attr]


def _loops(generators: Sequence[ast.comprehension], innermost: list[ast.stmt]) -> list[ast.stmt]:
    body: list[ast.stmt] = innermost
    for number, generator in reversed(list(enumerate(generators))):
        for test in reversed(generator.ifs):
            conditional: ast.stmt = ast.If(test, body, [])
            body = [conditional]
        loop: ast.stmt = ast.For(generator.target, generator.iter if number else _load(_ITEMS), body, [])
        body = [loop]
    return body


def _function(name: str, body: Sequence[ast.stmt], node: ast.expr, parameters: Sequence[str]) -> ast.FunctionDef:
    walrus = sorted({n.target.id for s in body for n in ast.walk(s) if isinstance(n, ast.NamedExpr)})
    header: list[ast.stmt] = [ast.Nonlocal(walrus)] if walrus else []
    arguments = ast.arguments(
        posonlyargs=[], args=[ast.arg(p) for p in parameters], kwonlyargs=[], kw_defaults=[], defaults=[]
    )
    function = ast.FunctionDef(name, arguments, [*header, *body], [])
    for n in ast.walk(function):
        if isinstance(n, (ast.stmt, ast.expr, ast.arg)) and not hasattr(n, "lineno"):
            ast.copy_location(n, node)
    return function


def consumed_generator(node: ast.Call) -> ast.Call:
    """A call of a built-in on a generator with conditions, as one that needs no conditions in it, or on a list.

    `any(a for x in y if b)` stops at the first item that decides, so it becomes `any(b and a for x in y)`.
    """
    if not (isinstance(node.func, ast.Name) and node.args and isinstance(node.args[0], ast.GeneratorExp)):
        return node
    generator = node.args[0]
    name = node.func.id
    if not has_conditions(generator) and (name not in _COLLECTORS or is_written_out(generator)):
        return node
    if name in _COLLECTORS:
        collected = ast.ListComp(generator.elt, generator.generators)
        node.args[0] = ast.copy_location(collected, generator)
    elif name in ("any", "all") and len(generator.generators) == 1 and len(node.args) == 1:
        (only,) = generator.generators
        tests, only.ifs = only.ifs, []
        if name == "all":
            tests = [ast.copy_location(ast.UnaryOp(ast.Not(), t), t) for t in tests]
        operator = ast.And() if name == "any" else ast.Or()
        generator.elt = ast.copy_location(ast.BoolOp(operator, [*tests, generator.elt]), generator.elt)
    return node


# ---------------------------------------------------------------------------------------------------------------------
# Match statements


def match_as_ifs(node: ast.Match, subject: str, runtime: str, filename: str = "") -> list[ast.stmt]:
    """The statements that a `match` stands for: an assignment of the subject, and a chain of `if`s.

    A pattern is a chain of `and`s over its parts, and then, once all hold, of `:=` for the names that it binds.

    Args:
        node: the statement.
        subject: the name of a variable for its subject.
        runtime: the name of the operators, which know `is_sequence` and the like.
        filename: for the location of an error.
    """
    chain: list[ast.stmt] = []
    for case in reversed(node.cases):
        captures: list[tuple[str, ast.expr]] = []
        tests = _Pattern(runtime, filename).tests(case.pattern, _load(subject), captures)
        tests += [_bound(name, value, runtime) for name, value in captures]
        if case.guard is not None:
            tests.append(case.guard)
        if not tests:
            chain = list(case.body)
            continue
        test = tests[0] if len(tests) == 1 else ast.BoolOp(ast.And(), tests)
        for n in ast.walk(test):
            if isinstance(n, ast.expr) and not hasattr(n, "lineno"):
                ast.copy_location(n, case.pattern)
        statement = ast.If(test, case.body, chain)
        chain = [ast.copy_location(statement, case.pattern)]
    statements: list[ast.stmt] = [ast.Assign([_store(subject)], node.subject), *(chain or [ast.Pass()])]
    for statement in statements:
        for n in ast.walk(statement):
            if isinstance(n, (ast.stmt, ast.expr)) and not hasattr(n, "lineno"):
                ast.copy_location(n, node)
    return statements


def _bound(name: str, value: ast.expr, runtime: str) -> ast.expr:
    """`(name := value)` as a test that always holds."""
    binding = ast.NamedExpr(_store(name), value)
    return ast.Call(ast.Attribute(_load(runtime), "holds", ast.Load()), [binding], [])


class _Pattern:
    def __init__(self, runtime: str, filename: str) -> None:
        self._runtime = runtime
        self._filename = filename

    def _call(self, function: str, *args: ast.expr) -> ast.expr:
        return ast.Call(ast.Attribute(_load(self._runtime), function, ast.Load()), list(args), [])

    def tests(self, pattern: ast.pattern, value: ast.expr, captures: list[tuple[str, ast.expr]]) -> list[ast.expr]:
        """What has to hold for `value` to match; adds to `captures` the names that are bound then."""
        if isinstance(pattern, ast.MatchValue):
            return [ast.Compare(value, [ast.Eq()], [pattern.value])]
        if isinstance(pattern, ast.MatchSingleton):
            return [ast.Compare(value, [ast.Is()], [ast.Constant(pattern.value)])]
        if isinstance(pattern, ast.MatchAs):
            tests = self.tests(pattern.pattern, value, captures) if pattern.pattern is not None else []
            if pattern.name is not None:
                captures.append((pattern.name, value))
            return tests
        if isinstance(pattern, ast.MatchOr):
            return [ast.BoolOp(ast.Or(), [self._alternative(p, value) for p in pattern.patterns])]
        if isinstance(pattern, ast.MatchSequence):
            return self._sequence(pattern, value, captures)
        if isinstance(pattern, ast.MatchMapping):
            return self._mapping(pattern, value, captures)
        if isinstance(pattern, ast.MatchClass):
            return self._class(pattern, value, captures)
        raise AssertionError(f"an unknown pattern {pattern!r}")

    def _alternative(self, pattern: ast.pattern, value: ast.expr) -> ast.expr:
        captures: list[tuple[str, ast.expr]] = []
        tests = self.tests(pattern, value, captures)
        if captures:
            raise UnsupportedConstructError(
                "a `|` pattern that binds names",
                hint="write a `case` for each alternative",
                location=SourceLocation(self._filename, pattern.lineno, "", pattern.col_offset + 1),
            )
        return tests[0] if len(tests) == 1 else ast.BoolOp(ast.And(), tests) if tests else ast.Constant(True)

    def _sequence(
        self, pattern: ast.MatchSequence, value: ast.expr, captures: list[tuple[str, ast.expr]]
    ) -> list[ast.expr]:
        star = next((i for i, p in enumerate(pattern.patterns) if isinstance(p, ast.MatchStar)), None)
        count = len(pattern.patterns)
        least = count if star is None else count - 1
        tests = [self._call("is_sequence", value, ast.Constant(least), ast.Constant(star is not None))]
        for i, part in enumerate(pattern.patterns):
            if isinstance(part, ast.MatchStar):
                if part.name is not None:
                    end = ast.Constant(i + 1 - count) if i + 1 < count else ast.Constant(None)
                    captures.append((part.name, self._call("middle", value, ast.Constant(i), end)))
                continue
            position = ast.Constant(i if star is None or i < star else i - count)
            tests += self.tests(part, ast.Subscript(value, position, ast.Load()), captures)
        return tests

    def _mapping(
        self, pattern: ast.MatchMapping, value: ast.expr, captures: list[tuple[str, ast.expr]]
    ) -> list[ast.expr]:
        keys = ast.Tuple(list(pattern.keys), ast.Load())
        tests = [self._call("is_mapping", value, keys)]
        for key, part in zip(pattern.keys, pattern.patterns, strict=True):
            tests += self.tests(part, ast.Subscript(value, key, ast.Load()), captures)
        if pattern.rest is not None:
            captures.append((pattern.rest, self._call("mapping_rest", value, keys)))
        return tests

    def _class(self, pattern: ast.MatchClass, value: ast.expr, captures: list[tuple[str, ast.expr]]) -> list[ast.expr]:
        tests: list[ast.expr] = [ast.Call(_load("isinstance"), [value, pattern.cls], [])]
        count = ast.Constant(len(pattern.patterns))
        for i, part in enumerate(pattern.patterns):
            found = self._call("positional", value, pattern.cls, ast.Constant(i), count)
            tests += self.tests(part, found, captures)
        for attribute, part in zip(pattern.kwd_attrs, pattern.kwd_patterns, strict=True):
            tests.append(ast.Call(_load("hasattr"), [value, ast.Constant(attribute)], []))
            tests += self.tests(part, ast.Attribute(value, attribute, ast.Load()), captures)
        return tests
