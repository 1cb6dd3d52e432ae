# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Rewrites the syntax tree of one function so that its control flow becomes calls.

An `if` becomes

    def forward__then_7():
        nonlocal x
        x = ...
    def forward__else_7(): ...
    dycl__.if_(test, forward__then_7, forward__else_7, ('x',))

and loops, `and`/`or`/`not`, conditional expressions, comparison chains, calls and stores to attributes and items become
calls in the same way (`operators` gives each its meaning). Names that a body assigns stay variables of the enclosing
function through `nonlocal`, so an operator reads, restores and merges them through the closure's cells; a variable that
is undefined on one side is simply an empty cell.

A jump inside a body becomes a returned *signal* (`return dycl__.Return(v)`, `dycl__.BREAK`, `dycl__.CONTINUE`), which
the statement after the call passes on. No "did return" flag exists in the rewritten program: `control.py` lets the path
that goes on stay open and joins the others where their jump lands.

The tree keeps the user's line numbers and is compiled under the user's file name, so tracebacks, warnings and the
locations in the IR point at the user's program without any source map.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Sequence
from typing import Any, TypeVar

import torch

from dycl.frontend import desugar

RUNTIME = "dycl__"
"""The name under which rewritten code finds the operators."""

RESUME = "dycl__resume"
"""The name under which a rewritten generator function finds what runs at its `yield`."""

GENERATED_MARK = "__dycl_"
"""Stands in the name of every generated function, between the user's function name and what it is."""

TENSOR_ATTRIBUTES = frozenset(dir(torch.Tensor))

_Scope = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda | ast.ClassDef
_COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
_N = TypeVar("_N", bound=ast.AST)


def rewrite_function(
    node: ast.FunctionDef | ast.Lambda, free_names: Sequence[str], class_name: str | None
) -> ast.Module:
    """A module that defines a factory, whose inner function is `node` with its control flow rewritten.

    Args:
        node: the function as the user wrote it. It is changed.
        free_names: the variables it takes from enclosing functions (`__class__` included).
        class_name: the class whose body holds it, for the mangling of `__private` names.

    Returns:
        `def dycl__factory(dycl__, dycl__resume, <free names>): def f(...): ...; return f`. The caller takes the inner
        code object and gives it the original's cells.
    """
    function_name = node.name if isinstance(node, ast.FunctionDef) else "lambda"
    rewriter = _Rewriter(function_name, class_name, frozenset(free_names))
    inner: ast.stmt
    if isinstance(node, ast.FunctionDef):
        node.decorator_list = []
        inner = rewriter.rewrite_def(node, nested=False)
        result: ast.expr = _name(node.name)
    else:
        inner = ast.Assign([_name("dycl__lambda", store=True)], rewriter.visit(node))
        result = _name("dycl__lambda")
    parameters = [ast.arg(name) for name in dict.fromkeys([RUNTIME, RESUME, *free_names])]
    body: list[ast.stmt] = [inner, ast.Return(result)]
    if isinstance(node, ast.FunctionDef) and node.name not in free_names:
        # A function at module level finds itself, in a recursion, among its globals and not in the factory.
        body.insert(0, ast.Global([node.name]))
    factory = ast.FunctionDef(
        name="dycl__factory",
        args=ast.arguments(posonlyargs=[], args=parameters, kwonlyargs=[], kw_defaults=[], defaults=[]),
        body=body,
        decorator_list=[],
    )
    for part in (inner, *factory.body):
        _locate(part, node)
    return _begin_calls_where_nodes_begin(ast.fix_missing_locations(ast.Module([_locate(factory, node)], [])))


def _begin_calls_where_nodes_begin(module: ast.Module) -> ast.Module:
    """Gives each operator's name the line on which its call begins.

    CPython takes the place of a method call from the line on which the method's name ends, which for a call that
    stands for an expression of several lines would be the last of them.
    """
    for node in ast.walk(module):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            owner = node.func.value
            if isinstance(owner, ast.Name) and owner.id == RUNTIME:
                name = node.func
                name.lineno = name.end_lineno = node.lineno
                # Where the expression ends further left than it begins, on a later line.
                name.end_col_offset = max(name.col_offset, name.end_col_offset or 0)
    return module


def is_rewritable(node: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda) -> bool:
    """Generators and coroutines suspend in the middle of a body, which a closure cannot: they run as they are."""
    if isinstance(node, ast.AsyncFunctionDef):
        return False
    return not any(isinstance(n, (ast.Yield, ast.YieldFrom, ast.Await)) for n in _walk_scope(node))


def is_rewritable_context(node: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda) -> bool:
    """Whether a generator function can be rewritten as one that calls what runs at its `yield`."""
    others = (ast.YieldFrom, ast.Await)
    return isinstance(node, ast.FunctionDef) and not any(isinstance(n, others) for n in _walk_scope(node))


# ---------------------------------------------------------------------------------------------------------------------
# Scopes: what a piece of code assigns


def _walk_scope(node: ast.AST) -> Iterable[ast.AST]:
    """The nodes below `node`, without entering nested functions, lambdas and classes (these are yielded themselves)."""
    stack = list(ast.iter_child_nodes(node))
    while stack:
        n = stack.pop()
        yield n
        if isinstance(n, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef)):
            continue
        stack.extend(ast.iter_child_nodes(n))


def assigned_names(nodes: Sequence[ast.AST]) -> list[str]:
    """The variables of the current function that the code may bind or delete, in order of name.

    Targets of comprehensions belong to the comprehension; a walrus inside one belongs to the function.
    """
    names: set[str] = set()
    declared: set[str] = set()

    def collect(n: ast.AST, in_comprehension: bool) -> None:
        if isinstance(n, ast.NamedExpr):
            names.add(n.target.id)
            collect(n.value, in_comprehension)
            return
        if isinstance(n, ast.Name):
            if isinstance(n.ctx, (ast.Store, ast.Del)) and not in_comprehension:
                names.add(n.id)
            return
        if isinstance(n, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            names.add(n.name)
            return
        if isinstance(n, ast.Lambda):
            return
        if isinstance(n, (ast.Import, ast.ImportFrom)):
            names.update((alias.asname or alias.name).split(".")[0] for alias in n.names if alias.name != "*")
        elif (isinstance(n, ast.ExceptHandler) and n.name) or (isinstance(n, (ast.MatchAs, ast.MatchStar)) and n.name):
            names.add(n.name)
        elif isinstance(n, ast.MatchMapping) and n.rest:
            names.add(n.rest)
        elif isinstance(n, ast.Global):
            declared.update(n.names)
        for child in ast.iter_child_nodes(n):
            collect(child, in_comprehension or isinstance(n, _COMPREHENSIONS))

    for node in nodes:
        collect(node, False)
    return sorted(names - declared)


def _has_jump(nodes: Sequence[ast.AST], kinds: tuple[type[ast.stmt], ...]) -> bool:
    """Whether the statements can jump out by `return`, or by a `break`/`continue` of an enclosing loop."""

    def search(n: ast.AST, in_loop: bool) -> bool:
        if isinstance(n, ast.Return):
            return ast.Return in kinds
        if isinstance(n, (ast.Break, ast.Continue)):
            return not in_loop and type(n) in kinds
        if isinstance(n, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef)):
            return False
        if isinstance(n, (ast.For, ast.AsyncFor, ast.While)):
            # The else clause of a loop is outside it: a `break` there leaves the enclosing one.
            return any(search(c, True) for c in n.body) or any(search(c, in_loop) for c in n.orelse)
        return any(search(c, in_loop) for c in ast.iter_child_nodes(n))

    return any(search(node, False) for node in nodes)


# ---------------------------------------------------------------------------------------------------------------------
# Building blocks


def _locate(new: _N, old: ast.AST) -> _N:
    ast.copy_location(new, old)
    return new


def _name(identifier: str, store: bool = False) -> ast.Name:
    return ast.Name(identifier, ast.Store() if store else ast.Load())


def _runtime(operator: str) -> ast.expr:
    return ast.Attribute(_name(RUNTIME), operator, ast.Load())


def _call(operator: str, *args: ast.expr) -> ast.Call:
    return ast.Call(_runtime(operator), list(args), [])


def _thunk(body: ast.expr) -> ast.Lambda:
    empty = ast.arguments(posonlyargs=[], args=[], kwonlyargs=[], kw_defaults=[], defaults=[])
    return ast.Lambda(empty, body)


def _names_tuple(names: Sequence[str]) -> ast.expr:
    return ast.Tuple([ast.Constant(n) for n in names], ast.Load())


def _contains(node: ast.AST, kinds: tuple[type[ast.AST], ...]) -> bool:
    return any(isinstance(n, kinds) for n in ast.walk(node))


# ---------------------------------------------------------------------------------------------------------------------
# The rewriter


class _Test(ast.Expr):
    """The test of a loop, which is to be returned from a function of its own."""


class _Body:
    """What surrounds the statement that is being rewritten."""

    def __init__(self, function: _Function, at_function_level: bool) -> None:
        self.function = function
        self.at_function_level = at_function_level
        """False inside a generated body, where a jump is a returned signal."""


def maybe_undefined(statements: Sequence[ast.stmt]) -> set[str]:
    """The variables that code may find undefined: bound in one part of a compound statement only, or deleted."""
    bound: set[str] = set()
    maybe: set[str] = set()
    for statement in statements:
        names = set(assigned_names([statement]))
        if isinstance(statement, (ast.If, ast.For, ast.While, ast.Try, ast.With, ast.Match)):
            maybe |= names - bound
        else:
            bound |= names
        maybe |= {n.id for n in ast.walk(statement) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Del)}
    return maybe


class _Function:
    """The user's function that is being rewritten."""

    def __init__(self, node: ast.FunctionDef | ast.Lambda, name: str, outer: _Function | None = None) -> None:
        self.name = name
        self.outer = outer
        args = node.args
        positional = [*args.posonlyargs, *args.args]
        self.first_parameter = positional[0].arg if positional else None
        parameters = [*positional, *args.kwonlyargs, *(a for a in (args.vararg, args.kwarg) if a)]
        self.parameters = {a.arg for a in parameters}
        body = node.body if isinstance(node, ast.FunctionDef) else [node.body]
        self.global_names = {g for n in _walk_scope(node) if isinstance(n, ast.Global) for g in n.names}
        self.outer_names = {g for n in _walk_scope(node) if isinstance(n, ast.Nonlocal) for g in n.names}
        self.assigned = [n for n in assigned_names(body) if n not in self.outer_names]
        self._maybe_undefined = maybe_undefined(node.body) if isinstance(node, ast.FunctionDef) else set[str]()
        # Variables that a nested function of the user's assigns through `nonlocal` can change in any call.
        locals_ = {*self.assigned, *self.parameters}
        self.shared = sorted(
            {
                g
                for inner in ast.walk(node)
                if isinstance(inner, ast.Nonlocal)
                for g in inner.names
                if g in locals_ or g in self.outer_names
            }
        )

    def may_be_undefined(self, name: str) -> bool:
        """Whether reading a variable of this function, or of one around it, may find it undefined."""
        if name in self.parameters or name in self.assigned:
            return name in self._maybe_undefined
        return self.outer is not None and self.outer.may_be_undefined(name)


class _Rewriter(ast.NodeTransformer):
    def __init__(self, function_name: str, class_name: str | None, free_names: frozenset[str]) -> None:
        self._free_names = free_names
        self._path = [function_name]
        self._class_name = class_name.lstrip("_") if class_name else None
        self._body: _Body | None = None
        self._counter = 0
        self._pending: list[ast.stmt] | None = None
        """Definitions that go before the statement that is being rewritten; None where there is none around."""

    # Functions -------------------------------------------------------------------------------------------------------

    def rewrite_def(self, node: ast.FunctionDef, nested: bool) -> ast.FunctionDef:
        if nested:
            node.decorator_list = [self.visit(d) for d in node.decorator_list]
            # The innermost decorator makes each call a place where a `return` under a condition lands.
            node.decorator_list.append(_runtime("function"))
            self._visit_defaults(node.args)
        function = _Function(node, node.name, self._body.function if self._body is not None else None)
        outer, self._body = self._body, _Body(function, at_function_level=True)
        self._path.append(node.name)
        docstring = node.body[:1] if ast.get_docstring(node, clean=False) is not None else []
        statements = self._statements(node.body[len(docstring) :])
        # `x: "local"` makes x a variable of this function without binding it, so that bodies can say `nonlocal x`.
        declarations: list[ast.stmt] = [
            ast.AnnAssign(_name(name, store=True), ast.Constant("local"), None, simple=1)
            for name in function.assigned
            if name not in function.parameters and name not in function.global_names
        ]
        scope = [s for s in statements if isinstance(s, (ast.Global, ast.Nonlocal))]
        rest = [s for s in statements if not isinstance(s, (ast.Global, ast.Nonlocal))]
        node.body = [*docstring, *scope, *(_locate(d, node) for d in declarations), *rest] or [ast.Pass()]
        self._path.pop()
        self._body = outer
        return node

    def _visit_defaults(self, args: ast.arguments) -> None:
        args.defaults = [self.visit(d) for d in args.defaults]
        args.kw_defaults = [self.visit(d) if d is not None else None for d in args.kw_defaults]

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        if not is_rewritable(node):
            return node
        return self.rewrite_def(node, nested=True)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> ast.AST:
        return node

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        # A class made inside a forward: its methods are rewritten when they are called, as any other function's.
        return node

    def visit_Lambda(self, node: ast.Lambda) -> ast.AST:
        if not is_rewritable(node):
            return node
        self._visit_defaults(node.args)
        function = _Function(node, "lambda", self._body.function if self._body is not None else None)
        outer, self._body = self._body, _Body(function, at_function_level=True)
        node.body = self._within_expression(node.body)
        self._body = outer
        return node

    def _within_expression(self, node: ast.expr) -> ast.expr:
        """Visits what has variables of its own that no statement binds: a definition cannot be put before it."""
        outer, self._pending = self._pending, None
        visited = self.visit(node)
        self._pending = outer
        return visited

    # Statements ------------------------------------------------------------------------------------------------------

    def _statements(self, statements: Sequence[ast.stmt]) -> list[ast.stmt]:
        out: list[ast.stmt] = []
        for statement in statements:
            outer, self._pending = self._pending, []
            result = self.visit(statement)
            out.extend(self._pending)
            self._pending = outer
            if isinstance(result, list):
                out.extend(result)
            elif result is not None:
                out.append(result)
        return out

    def _generated(self, what: str, node: ast.stmt | ast.expr) -> str:
        self._counter += 1
        return f"{self._path[-1]}{GENERATED_MARK}{what}_{node.lineno}_{self._counter}"

    def _make_body(
        self,
        name: str,
        statements: Sequence[ast.stmt],
        at: ast.stmt,
        writes: Sequence[str],
        prologue: Sequence[ast.stmt] = (),
        item: str = "",
    ) -> ast.FunctionDef:
        """A generated function for a branch or a loop body, over the enclosing function's variables `writes`."""
        assert self._body is not None
        function = self._body.function
        outer, self._body = self._body, _Body(function, at_function_level=False)
        body = self._statements(statements)
        self._body = outer
        header: list[ast.stmt] = [ast.Nonlocal(list(writes))] if writes else []
        globals_ = [n for n in sorted(function.global_names) if _binds([*prologue, *statements], n)]
        if globals_:
            header.append(ast.Global(globals_))
        body = [s for s in body if not isinstance(s, (ast.Global, ast.Nonlocal))]
        args = ast.arguments(
            posonlyargs=[], args=[ast.arg(item)] if item else [], kwonlyargs=[], kw_defaults=[], defaults=[]
        )
        return _locate(ast.FunctionDef(name, args, [*header, *prologue, *body] or [ast.Pass()], []), at)

    def _writes(self, nodes: Sequence[ast.AST]) -> list[str]:
        assert self._body is not None
        function = self._body.function
        names = {n for n in assigned_names(nodes) if n not in function.global_names}
        return sorted(names | set(function.shared))

    def _pass_on(self, call: ast.expr, may_jump: bool, at: ast.stmt) -> list[ast.stmt]:
        """The call of an operator, and where its body may jump, the statement that passes the signal on."""
        assert self._body is not None
        if not may_jump:
            return [_locate(ast.Expr(call), at)]
        signal = _name("dycl__signal")
        value = _call("value", signal) if self._body.at_function_level else signal
        test = ast.Compare(signal, [ast.IsNot()], [ast.Constant(None)])
        return [
            _locate(ast.Assign([_name("dycl__signal", store=True)], call), at),
            _locate(ast.If(test, [_locate(ast.Return(value), at)], []), at),
        ]

    def visit_If(self, node: ast.If) -> list[ast.stmt] | ast.AST:
        if isinstance(node.test, ast.Constant):  # It stays a plain `if`, for the reader's sake.
            node.test = self.visit(node.test)
            node.body = self._statements(node.body)
            node.orelse = self._statements(node.orelse)
            return node
        test = self.visit(node.test)
        writes = self._writes([*node.body, *node.orelse])
        then = self._make_body(self._generated("then", node), node.body, node, writes)
        definitions: list[ast.stmt] = [then]
        otherwise: ast.expr = ast.Constant(None)
        if node.orelse:
            orelse = self._make_body(self._generated("else", node), node.orelse, node, writes)
            definitions.append(orelse)
            otherwise = _name(orelse.name)
        may_jump = _has_jump([*node.body, *node.orelse], (ast.Return, ast.Break, ast.Continue))
        call = _locate(_call("if_", test, _name(then.name), otherwise, _names_tuple(writes)), node.test)
        return [*definitions, *self._pass_on(call, may_jump, node)]

    def visit_While(self, node: ast.While) -> list[ast.stmt]:
        test_name = self._generated("test", node)
        writes = self._writes([node.test, *node.body, *node.orelse])
        walrus = assigned_names([node.test])
        test_body: list[ast.stmt] = [ast.Nonlocal(walrus)] if walrus else []
        test_body += self._statements([_locate(_Test(node.test), node.test)])
        test = _locate(
            ast.FunctionDef(
                test_name,
                ast.arguments(posonlyargs=[], args=[], kwonlyargs=[], kw_defaults=[], defaults=[]),
                test_body,
                [],
            ),
            node,
        )
        body = self._make_body(self._generated("body", node), node.body, node, writes)
        definitions: list[ast.stmt] = [test, body]
        otherwise = self._loop_else(node, definitions, writes)
        call = _call("while_", _name(test_name), _name(body.name), otherwise, _names_tuple(writes))
        if isinstance(node.test, ast.Constant) and node.test.value:
            call.keywords.append(ast.keyword("endless", ast.Constant(True)))
        return [*definitions, *self._pass_on(_locate(call, node.test), self._loop_may_jump(node), node)]

    def visit_For(self, node: ast.For) -> list[ast.stmt]:
        item = "dycl__item"
        # The target may be anything assignable; a store to an attribute or item goes through the operators too.
        bind = self._statements([_locate(ast.Assign([node.target], _name(item)), node)])
        iterable = self.visit(node.iter)
        writes = self._writes([node.target, *node.body, *node.orelse])
        body = self._make_body(self._generated("body", node), node.body, node, writes, bind, item)
        definitions: list[ast.stmt] = [body]
        otherwise = self._loop_else(node, definitions, writes)
        call = _call("for_", iterable, _name(body.name), otherwise, _names_tuple(writes))
        return [*definitions, *self._pass_on(_locate(call, node.iter), self._loop_may_jump(node), node)]

    def _loop_else(self, node: ast.For | ast.While, definitions: list[ast.stmt], writes: Sequence[str]) -> ast.expr:
        if not node.orelse:
            return ast.Constant(None)
        orelse = self._make_body(self._generated("else", node), node.orelse, node, writes)
        definitions.append(orelse)
        return _name(orelse.name)

    @staticmethod
    def _loop_may_jump(node: ast.For | ast.While) -> bool:
        return _has_jump(node.body, (ast.Return,)) or _has_jump(node.orelse, (ast.Return, ast.Break, ast.Continue))

    def visit_With(self, node: ast.With) -> list[ast.stmt]:
        item, *others = node.items
        statements = [_locate(ast.With(others, node.body), node)] if others else node.body
        manager = self.visit(item.context_expr)
        bind: list[ast.stmt] = []
        if item.optional_vars is not None:
            bind = self._statements([_locate(ast.Assign([item.optional_vars], _name("dycl__item")), node)])
        writes = self._writes([item, *node.body, *others])
        body = self._make_body(self._generated("with", node), statements, node, writes, bind, "dycl__item")
        call = _locate(_call("with_", manager, _name(body.name), _names_tuple(writes)), item.context_expr)
        return [body, *self._pass_on(call, _has_jump(node.body, (ast.Return, ast.Break, ast.Continue)), node)]

    def visit_Yield(self, node: ast.Yield) -> ast.AST:
        # Of a generator function that `contextlib.contextmanager` makes a context manager of.
        value = self.visit(node.value) if node.value is not None else ast.Constant(None)
        return _locate(ast.Call(_name(RESUME), [value], []), node)

    def visit_Try(self, node: ast.Try) -> list[ast.stmt]:
        everything = [*node.body, *node.handlers, *node.orelse, *node.finalbody]
        writes = self._writes(everything)
        definitions: list[ast.stmt] = []

        def make(what: str, statements: Sequence[ast.stmt], **extra: Any) -> ast.expr:
            if not statements:
                return ast.Constant(None)
            body = self._make_body(self._generated(what, node), statements, node, writes, **extra)
            definitions.append(body)
            return _name(body.name)

        body = make("try", node.body)
        handlers: list[ast.expr] = []
        for handler in node.handlers:
            error = "dycl__item"
            bind = ast.Assign([_name(handler.name, store=True)], _name(error)) if handler.name else None
            prologue = [_locate(bind, handler)] if bind is not None else []
            function = make("except", handler.body, prologue=prologue, item=error)
            types = self.visit(handler.type) if handler.type is not None else _name("BaseException")
            handlers.append(ast.Tuple([_locate(_thunk(types), handler), function], ast.Load()))
        orelse = make("else", node.orelse)
        final = make("finally", node.finalbody)
        may_jump = _has_jump(everything, (ast.Return, ast.Break, ast.Continue))
        call = _call("try_", body, ast.Tuple(handlers, ast.Load()), orelse, final, _names_tuple(writes))
        return [*definitions, *self._pass_on(_locate(call, node), may_jump, node)]

    def visit_Return(self, node: ast.Return) -> ast.AST:
        assert self._body is not None
        value = self.visit(node.value) if node.value is not None else ast.Constant(None)
        if not self._body.at_function_level:
            value = _locate(_call("Return", value), node)
        return _locate(ast.Return(value), node)

    def visit__Test(self, node: _Test) -> ast.AST:
        return _locate(ast.Return(self.visit(node.value)), node)

    def visit_Break(self, node: ast.Break) -> ast.AST:
        return _locate(ast.Return(_runtime("BREAK")), node)

    def visit_Continue(self, node: ast.Continue) -> ast.AST:
        return _locate(ast.Return(_runtime("CONTINUE")), node)

    def visit_Match(self, node: ast.Match) -> list[ast.stmt]:
        self._counter += 1
        statements = desugar.match_as_ifs(node, f"dycl__subject_{self._counter}", RUNTIME)
        return self._statements(statements)

    def visit_Assert(self, node: ast.Assert) -> ast.AST:
        message = _thunk(self.visit(node.msg)) if node.msg is not None else ast.Constant(None)
        return _locate(ast.Expr(_locate(_call("assert_", self.visit(node.test), message), node)), node)

    # Stores ----------------------------------------------------------------------------------------------------------

    def visit_Assign(self, node: ast.Assign) -> list[ast.stmt] | ast.AST:
        value = self.visit(node.value)
        if all(_is_plain_target(t) for t in node.targets):
            return _locate(ast.Assign([self.visit(t) for t in node.targets], value), node)
        if len(node.targets) == 1 and isinstance(node.targets[0], (ast.Attribute, ast.Subscript)):
            return self._store(node.targets[0], value, node)
        # `a, self.b = value`: bind plain temporaries first, then store left to right, as Python does.
        out: list[ast.stmt] = [_locate(ast.Assign([_name("dycl__value", store=True)], value), node)]
        for target in node.targets:
            stores: list[ast.stmt] = []
            plain = self._plain_target(target, stores, node)
            out.append(_locate(ast.Assign([plain], _name("dycl__value")), node))
            out.extend(stores)
        return out

    def _plain_target(self, target: ast.expr, stores: list[ast.stmt], at: ast.stmt) -> ast.expr:
        if isinstance(target, (ast.Tuple, ast.List)):
            elements = [self._plain_target(e, stores, at) for e in target.elts]
            return _locate(type(target)(elements, ast.Store()), target)
        if isinstance(target, ast.Starred):
            return _locate(ast.Starred(self._plain_target(target.value, stores, at), ast.Store()), target)
        if isinstance(target, (ast.Attribute, ast.Subscript)):
            self._counter += 1
            temporary = f"dycl__target_{self._counter}"
            stores.append(self._store(target, _name(temporary), at))
            return _locate(_name(temporary, store=True), target)
        return target

    def _store(self, target: ast.Attribute | ast.Subscript, value: ast.expr, at: ast.stmt) -> ast.stmt:
        owner = self.visit(target.value)
        if isinstance(target, ast.Attribute):
            call = _call("store_attr", value, owner, ast.Constant(self._mangled(target.attr)))
        else:
            call = _call("store_item", value, owner, _index(self.visit(target.slice)))
        return _locate(ast.Expr(_locate(call, target)), at)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST | list[ast.stmt] | None:
        if node.value is None:
            return None
        assign = _locate(ast.Assign([node.target], node.value), node)
        return self.visit_Assign(assign)

    def visit_AugAssign(self, node: ast.AugAssign) -> ast.AST | list[ast.stmt]:
        operator = ast.Constant(type(node.op).__name__)
        value = self.visit(node.value)
        target = node.target
        if isinstance(target, ast.Name):
            update = _locate(_call("augmented", operator, _locate(_name(target.id), target), value), node)
            return _locate(ast.Assign([target], update), node)
        if not _contains(node.value, (ast.NamedExpr,)):
            value = _locate(_thunk(value), node.value)  # Python reads the target first
        else:
            value = _locate(_call("evaluated", value), node.value)
        owner = self.visit(target.value)
        if isinstance(target, ast.Attribute):
            call = _call("augment_attr", operator, owner, ast.Constant(self._mangled(target.attr)), value)
        else:
            call = _call("augment_item", operator, owner, _index(self.visit(target.slice)), value)
        return _locate(ast.Expr(_locate(call, node)), node)

    def visit_Delete(self, node: ast.Delete) -> list[ast.stmt]:
        out: list[ast.stmt] = []
        for target in node.targets:
            if isinstance(target, ast.Attribute):
                call = _call("delattr_", self.visit(target.value), ast.Constant(self._mangled(target.attr)))
                out.append(_locate(ast.Expr(_locate(call, target)), node))
            elif isinstance(target, ast.Subscript):
                call = _call("delitem", self.visit(target.value), _index(self.visit(target.slice)))
                out.append(_locate(ast.Expr(_locate(call, target)), node))
            else:
                if isinstance(target, ast.Name):
                    out.append(_locate(ast.Expr(_locate(_call("read", _name(target.id)), target)), node))
                out.append(_locate(ast.Delete([target]), node))
        return out

    # Expressions -----------------------------------------------------------------------------------------------------

    def visit_Name(self, node: ast.Name) -> ast.AST:
        is_read = isinstance(node.ctx, ast.Load) and self._body is not None
        if is_read and self._body.function.may_be_undefined(node.id):  # type: ignore[union-attr]
            return _locate(_call("read", node), node)
        return node

    def _mangled(self, identifier: str) -> str:
        if self._class_name and identifier.startswith("__") and not identifier.endswith("__"):
            return f"_{self._class_name}{identifier}"
        return identifier

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        is_load = isinstance(node.ctx, ast.Load) and self._may_be_users(node.value, node.attr)
        node.value = self.visit(node.value)
        node.attr = self._mangled(node.attr)
        return _locate(_call("attr", node.value, ast.Constant(node.attr)), node) if is_load else node

    def _may_be_users(self, owner: ast.expr, attribute: str) -> bool:
        """Whether an attribute may be a property of the user's: not one that tensors have, nor one of a global.

        So that what is rewritten stays legible.
        """
        if attribute in TENSOR_ATTRIBUTES:
            return False
        while isinstance(owner, ast.Attribute):
            owner = owner.value
        if not isinstance(owner, ast.Name):
            return True
        function = self._body.function if self._body is not None else None
        while function is not None:
            if owner.id in function.parameters or owner.id in function.assigned:
                return True
            function = function.outer
        return owner.id in self._free_names

    def visit_Call(self, node: ast.Call) -> ast.AST:
        if isinstance(node.func, ast.Name) and node.func.id == "super" and not node.args and not node.keywords:
            # Zero-argument super() reads its frame, which inside a generated body is not the method's.
            assert self._body is not None
            first = self._body.function.first_parameter
            if first is not None:
                arguments = ast.Tuple([_name("__class__"), _name(first)], ast.Load())
                return _locate(_call("super_", node.func, _locate(_thunk(arguments), node)), node)
        consumed = self._first_match(node) or self._consumed(node)
        if consumed is not None:
            return consumed
        node = desugar.consumed_generator(node)
        args = [self.visit(a) for a in node.args]
        keywords = [_locate(ast.keyword(k.arg, self.visit(k.value)), k) for k in node.keywords]
        return _locate(ast.Call(_runtime("call"), [self.visit(node.func), *args], keywords), node)

    def visit_BoolOp(self, node: ast.BoolOp) -> ast.AST:
        if self._pending is None and any(_contains(v, (ast.NamedExpr,)) for v in node.values[1:]):
            # A walrus would bind inside the lambda. Tensor operands are then refused by their truth test.
            return self.generic_visit(node)
        operator = "and_" if isinstance(node.op, ast.And) else "or_"
        first, *rest = node.values
        return _locate(_call(operator, self.visit(first), *(self._operand(v) for v in rest)), node)

    def _operand(self, node: ast.expr) -> ast.expr:
        """An operand that may not be evaluated, as a function; one that binds names by `:=` needs a statement."""
        walrus = sorted({n.target.id for n in ast.walk(node) if isinstance(n, ast.NamedExpr)})
        visited = self.visit(node)
        if not walrus:
            return _locate(_thunk(visited), node)
        assert self._pending is not None
        assert self._body is not None
        name = self._generated("operand", node)
        is_global = self._body.function.global_names.issuperset(walrus)
        scope = ast.Global(walrus) if is_global else ast.Nonlocal(walrus)
        empty = ast.arguments(posonlyargs=[], args=[], kwonlyargs=[], kw_defaults=[], defaults=[])
        function = ast.FunctionDef(name, empty, [scope, _locate(ast.Return(visited), node)], [])
        self._pending.append(_locate(function, node))
        return _locate(_call("binding", _name(name)), node)

    # Comprehensions --------------------------------------------------------------------------------------------------

    def _visit_comprehension(self, node: desugar.Comprehension) -> ast.AST:
        # Any but over what is written out may be over a number of items that depends on data.
        needs_loop = not desugar.is_written_out(node) or any(isinstance(n, ast.NamedExpr) for n in ast.walk(node))
        if self._pending is None or not needs_loop or any(g.is_async for g in node.generators):
            self._visit_as_it_is(node)
            return desugar.with_own_names(node)
        function = desugar.comprehension_function(node, self._generated("items", node))
        return self._loop_over(node, node.generators[0].iter, function)

    def _loop_over(self, node: ast.expr, items: ast.expr, function: ast.FunctionDef, *args: ast.expr) -> ast.expr:
        """The call of a function that is made for what `node` does with some items."""
        assert self._pending is not None
        given = self.visit(items)
        arguments = [self.visit(a) for a in args]
        self._pending.append(self.rewrite_def(function, nested=True))
        return _locate(ast.Call(_name(function.name), [given, *arguments], []), node)

    def visit_ListComp(self, node: ast.ListComp) -> ast.AST:
        return self._visit_comprehension(node)

    def visit_SetComp(self, node: ast.SetComp) -> ast.AST:
        return self._visit_comprehension(node)

    def visit_DictComp(self, node: ast.DictComp) -> ast.AST:
        return self._visit_comprehension(node)

    def visit_GeneratorExp(self, node: ast.GeneratorExp) -> ast.AST:
        self._visit_as_it_is(node)
        return _locate(_call("iterator", node), node)

    def _visit_as_it_is(self, node: desugar.Comprehension | ast.GeneratorExp) -> None:
        """One that Python runs: what it iterates over has to be known item by item."""
        outer, self._pending = self._pending, None
        self.generic_visit(node)
        self._pending = outer
        for generator in node.generators:
            generator.iter = _locate(_call("iterated", generator.iter), generator.iter)

    def _first_match(self, node: ast.Call) -> ast.expr | None:
        """`next(x for x in xs if test, default)`: a loop that returns."""
        is_next = isinstance(node.func, ast.Name) and node.func.id == "next" and len(node.args) in (1, 2)
        if not is_next or self._pending is None or not isinstance(node.args[0], ast.GeneratorExp):
            return None
        generator, *default = node.args
        assert isinstance(generator, ast.GeneratorExp)
        if any(g.is_async for g in generator.generators):
            return None
        function = desugar.first_match_function(generator, self._generated("first", node), has_default=bool(default))
        return self._loop_over(node, generator.generators[0].iter, function, *default)

    def _consumed(self, node: ast.Call) -> ast.expr | None:
        """`sum`, `any` or `all` of a generator expression: a loop, where that is one on data or has conditions."""
        names = ("sum", "any", "all")
        is_one = isinstance(node.func, ast.Name) and node.func.id in names and node.args and not node.keywords
        if not is_one or self._pending is None or not isinstance(node.args[0], ast.GeneratorExp):
            return None
        generator, *start = node.args
        assert isinstance(node.func, ast.Name)
        assert isinstance(generator, ast.GeneratorExp)
        if any(g.is_async for g in generator.generators) or desugar.is_taken_as_it_is(generator, RUNTIME):
            return None
        name = self._generated(node.func.id, node)
        if node.func.id == "sum":
            if not desugar.has_conditions(generator) and desugar.is_written_out(generator):
                return None
            function = desugar.sum_function(generator, name, RUNTIME)
            return self._loop_over(node, generator.generators[0].iter, function, *(start or [ast.Constant(0)]))
        if start or desugar.is_written_out(generator):
            return None
        function = desugar.any_function(generator, name, RUNTIME, is_any=node.func.id == "any")
        return self._loop_over(node, generator.generators[0].iter, function)

    def visit_JoinedStr(self, node: ast.JoinedStr) -> ast.AST:
        pieces: list[ast.expr] = []
        for value in node.values:
            if isinstance(value, ast.FormattedValue):
                conversion = ast.Constant(chr(value.conversion) if value.conversion > 0 else "")
                spec = self.visit(value.format_spec) if value.format_spec is not None else ast.Constant("")
                value = _locate(ast.Tuple([self.visit(value.value), conversion, spec], ast.Load()), value)
            pieces.append(value)
        return _locate(_call("text", *pieces), node)

    def visit_UnaryOp(self, node: ast.UnaryOp) -> ast.AST:
        operand = self.visit(node.operand)
        if isinstance(node.op, ast.Not):
            return _locate(_call("not_", operand), node)
        if isinstance(operand, ast.Constant):
            node.operand = operand
            return node
        return _locate(_call("unary", ast.Constant(type(node.op).__name__), operand), node)

    def visit_BinOp(self, node: ast.BinOp) -> ast.AST:
        node.left, node.right = self.visit(node.left), self.visit(node.right)
        if isinstance(node.left, ast.Constant) and isinstance(node.right, ast.Constant):
            return node
        return _locate(_call("arithmetic", ast.Constant(type(node.op).__name__), node.left, node.right), node)

    def visit_IfExp(self, node: ast.IfExp) -> ast.AST:
        binds = _contains(node.body, (ast.NamedExpr,)) or _contains(node.orelse, (ast.NamedExpr,))
        if binds and self._pending is None:
            return self.generic_visit(node)
        return _locate(
            _call("if_exp", self.visit(node.test), self._operand(node.body), self._operand(node.orelse)), node
        )

    def visit_Compare(self, node: ast.Compare) -> ast.AST:
        special = (ast.In, ast.NotIn, ast.Is, ast.IsNot)
        binds = any(_contains(v, (ast.NamedExpr,)) for v in node.comparators[1:])
        if len(node.ops) == 1 and not isinstance(node.ops[0], special):
            operands = [self.visit(v) for v in (node.left, *node.comparators)]
            return _locate(_call("comparison", ast.Constant(type(node.ops[0]).__name__), *operands), node)
        if len(node.ops) > 1 and binds and self._pending is None:
            operands = [self.visit(v) for v in (node.left, *node.comparators)]
            return _locate(ast.Compare(operands[0], node.ops, operands[1:]), node)
        if len(node.ops) == 1:
            operator = {"In": "in_", "NotIn": "not_in", "Is": "is_", "IsNot": "is_not"}[type(node.ops[0]).__name__]
            return _locate(_call(operator, self.visit(node.left), self.visit(node.comparators[0])), node)
        # The first comparison is always made: its operand may bind names as it likes.
        left, right = self.visit(node.left), node.comparators[0]
        steps: list[ast.expr] = [ast.Constant(type(node.ops[0]).__name__), self.visit(right)]
        for op, operand in zip(node.ops[1:], node.comparators[1:], strict=True):
            steps += [_locate(ast.Constant(type(op).__name__), operand), self._operand(operand)]
        return _locate(_call("compare", left, *steps), node)

    def visit_Subscript(self, node: ast.Subscript) -> ast.AST:
        return _locate(_call("getitem", self.visit(node.value), _index(self.visit(node.slice))), node)


def _binds(nodes: Sequence[ast.AST], name: str) -> bool:
    return any(
        isinstance(n, ast.Name) and n.id == name and not isinstance(n.ctx, ast.Load) for s in nodes for n in ast.walk(s)
    )


def _is_plain_target(target: ast.expr) -> bool:
    if isinstance(target, ast.Name):
        return True
    if isinstance(target, (ast.Tuple, ast.List)):
        return all(_is_plain_target(e) for e in target.elts)
    return isinstance(target, ast.Starred) and _is_plain_target(target.value)


def _index(node: ast.expr) -> ast.expr:
    """An index as an expression: `a[1:2, i]` is `getitem(a, (slice(1, 2, None), i))`."""
    if isinstance(node, ast.Slice):
        bounds = [b if b is not None else ast.Constant(None) for b in (node.lower, node.upper, node.step)]
        return _locate(ast.Call(_runtime("slice"), bounds, []), node)
    if isinstance(node, ast.Tuple):
        return _locate(ast.Tuple([_index(e) for e in node.elts], ast.Load()), node)
    return node
