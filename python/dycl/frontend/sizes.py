# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Sizes that are known only when the program runs.

Torch computes with them as symbols (`SymInt`): one for each size of an input that the user declares dynamic, and fresh
ones for results whose size depends on data. `recorder.py` asks here for the node of a symbolic size where an op takes
one: sums and products of `aten.size.int` of the tensors that the symbols come from, so that the compiler below sees
how sizes hang together.

While the model is traced, torch decides some questions about the sizes of inputs by those of the examples, and notes
that as a guard. `constraints` turns the guards into what a call has to fulfil; nothing that was assumed goes unchecked.
"""

# Symbolic shapes are torch's private API; no stable form of them exists.
# pyright: reportPrivateUsage=false, reportPrivateImportUsage=false, reportAttributeAccessIssue=false

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, cast

import sympy
import torch
from torch import fx
from torch._dynamo.source import ConstantSource
from torch.fx.experimental import _config as symbolic_config
from torch.fx.experimental.symbolic_shapes import (
    DimDynamic,
    GuardOnDataDependentSymNode,
    RelaxedUnspecConstraint,
    ShapeEnv,
    SLoc,
    free_unbacked_symbols,
    statically_known_true,
)
from torch.utils._sympy import functions as torch_sympy
from torch.utils._sympy.value_ranges import bound_sympy

from dycl.errors import SourceLocation, UnsupportedConstructError
from dycl.frontend.locations import here
from dycl.frontend.size_conditions import is_same_for_all, sizes_without
from dycl.frontend.size_facts import SizeFacts
from dycl.frontend.values import DisagreementError, Site
from dycl.signature import DynamicSize

aten = torch.ops.aten

Symbolic = (torch.SymInt, torch.SymFloat, torch.SymBool)

LARGEST = 2**31 - 1
"""No input's size is larger."""

_MAX_EXCLUDED = 16
"""How many sizes a program may exclude that lie between others."""


def is_static(size: int | torch.SymInt) -> bool:
    return not isinstance(size, torch.SymInt) or expression(size).is_number


def may_be_zero(size: int | torch.SymInt) -> bool:
    return not statically_known_true(size >= 1)


def expression(value: Any) -> Any:
    """A size as torch knows it now: a number, or an expression of symbols."""
    if isinstance(value, Symbolic):
        return value.node.expr
    return sympy.sympify(value)


def same_size(a: Any, b: Any) -> bool:
    """Whether two sizes are the same by form; other than `==`, it assumes nothing."""
    return expression(a) == expression(b)


def is_same_if(equation: Any, a: Any, b: Any) -> bool:
    """Whether two sizes are the same where an equation of sizes holds."""
    values = _solved(equation)
    return values is not None and expression(a).subs(values) == expression(b).subs(values)


def _solved(equation: Any) -> dict[Any, Any] | None:
    """What a symbol is by an equation of sizes; None where it does not tell."""
    left, right = equation.args
    if left.is_Symbol:
        return {left: right}
    if len(equation.free_symbols) != 1:
        return None
    (symbol,) = equation.free_symbols
    difference = sympy.expand(left - right)
    scale, rest = difference.coeff(symbol, 1), difference.coeff(symbol, 0)
    if not scale.is_Integer or scale == 0 or sympy.expand(scale * symbol + rest - difference) != 0:
        return None
    return {symbol: -rest / scale}


def _of_any_integers(condition: Any) -> bool | None:
    """What an equation of sizes is of any: `3 * n == 1` never holds. None where that depends on them."""
    if not isinstance(condition, (sympy.Eq, sympy.Ne)) or not condition.free_symbols:
        return None
    value = next(iter((_solved(condition) or {}).values()), None)
    if value is None or not value.is_Rational or value.is_Integer:
        return None
    return isinstance(condition, sympy.Ne)


def value_on_path(size: Any, symbol: Any) -> int | None:
    """What a symbol in a size is by the conditions of the path that is being traced; None where they do not tell."""
    env = size.node.shape_env
    for condition in env.conditions() if isinstance(env, _Environment) else ():
        values = _solved(condition) if isinstance(condition, sympy.Eq) else None
        value = None if values is None else values.get(symbol)
        if value is not None and value.is_Integer:
            return int(value)
    return None


def same_sizes(a: Sequence[Any], b: Sequence[Any]) -> bool:
    return len(a) == len(b) and all(same_size(x, y) for x, y in zip(a, b, strict=True))


def sizes_text(shape: Iterable[Any]) -> str:
    """A shape as a message says it: `[3, ?]`."""
    return "[" + ", ".join(str(expression(s)) if is_static(s) else "?" for s in shape) + "]"


def reassociation(before: Sequence[Any], after: Sequence[Any]) -> list[tuple[list[int], list[int]]]:
    """How a reshape goes: groups of consecutive dimensions before it, and what each becomes after it.

    The sizes of a group have the same product before and after. Where their form does not tell, all are one group.
    """
    sides = [[expression(n) for n in shape] for shape in (before, after)]
    groups: list[tuple[list[int], list[int]]] = []
    places = [0, 0]
    while places[0] < len(before) and places[1] < len(after):
        group: tuple[list[int], list[int]] = ([], [])
        products = [sympy.Integer(1), sympy.Integer(1)]

        def take(side: int, group: Any = group, products: Any = products) -> bool:
            if places[side] == len(sides[side]):
                return False
            group[side].append(places[side])
            products[side] = sympy.expand(products[side] * sides[side][places[side]])
            places[side] += 1
            return True

        take(0)
        take(1)
        while products[0] != products[1]:
            # The side whose product divides the other's has to grow.
            side = 0 if sympy.cancel(products[1] / products[0]).is_polynomial() else 1
            if not take(side):
                return [(list(range(len(before))), list(range(len(after))))]
        groups.append(group)
    rest = (range(places[0], len(before)), range(places[1], len(after)))
    if any(sides[s][i] != 1 for s in (0, 1) for i in rest[s]) or not groups:
        return [(list(range(len(before))), list(range(len(after))))]
    for side in (0, 1):
        groups[-1][side].extend(rest[side])
    return groups


@dataclass(frozen=True)
class _Origin:
    """Where the value of a symbol is found: in the size of a tensor, or the contents of a 0-d i64 tensor (no `dim`).

    The symbol is `(size - offset) // scale`.
    """

    node: fx.Node
    dim: int | None
    scale: int = 1
    offset: int = 0


class UnknownSizeError(DisagreementError, GuardOnDataDependentSymNode):
    """Code that dycl does not rewrite asks a size for its value that depends on data.

    It is torch's error, too, which torch handles in some places.
    """

    def __init__(self, condition: Any, site: Site | None, origins: Mapping[str, SourceLocation] | None = None) -> None:
        asked = "whether" if condition.is_Relational or condition.is_Boolean else "the value of"
        known = "".join(f", where `{symbol}` is a size made at {place}" for symbol, place in (origins or {}).items())
        super().__init__(
            f"a size that depends on tensor values has to be known: {asked} `{condition}`{known}",
            hint="keep the size fixed, such as by a mask, or move the condition on the size into your own code",
            location=here(),
            site=site,
        )
        self.cond = condition


class _Environment(ShapeEnv):
    """Torch's record of the symbols, whose errors name the user's line."""

    def __init__(self, origins: Mapping[Any, _Origin]) -> None:
        super().__init__(specialize_zero_one=False, duck_shape=False)
        self._origins = origins
        self.sites: dict[Any, Site] = {}
        self.answers: dict[Any, SourceLocation | None] = {}
        """What was said to hold of sizes when code that dycl does not rewrite asked, and where."""
        self.require: Callable[[Any], None] = lambda _: None
        """Called with an equation of sizes, one of which depends on data, that an op takes for granted."""
        self.conditions: Callable[[], tuple[Any, ...]] = tuple
        """Gives the conditions on sizes that hold on the path that is being traced."""
        self._facts: tuple[Any, SizeFacts] | None = None
        self._is_asked = False

    def detach(self) -> None:
        """The trace has ended: ask nobody any more.

        Tensors refer to this, and some are held by torch's C++, through which Python's collector of cycles sees
        nothing: with all that this referred to, a trace would stay in memory, the model in it.
        """
        self.require, self.conditions, self._facts = lambda _: None, tuple, None

    def on_path(self, question: Any) -> Any:
        """What the conditions of the path say of an expression of sizes; None where they do not tell."""
        if self._is_asked or not question.free_symbols:
            return None
        self._is_asked = True  # What the answer is made of may ask for sizes, too.
        try:
            conditions = self.conditions()
            if not conditions:
                return None
            question, *conditions = map(self.replace, (question, *conditions))
            symbols = question.free_symbols.union(*(c.free_symbols for c in conditions))
            ranges = {s: self.var_to_range[s] for s in sorted(symbols, key=str) if s in self.var_to_range}
            key = (tuple(conditions), tuple(ranges.items()))
            if self._facts is None or self._facts[0] != key:
                self._facts = key, SizeFacts(conditions, ranges)
            return self._facts[1].answer(question)
        finally:
            self._is_asked = False

    def _maybe_evaluate_static(self, expr: Any, **options: Any) -> Any:  # pyright: ignore[reportIncompatibleVariableOverride]
        found = super()._maybe_evaluate_static(expr, **options)
        if found is not None and (found.is_number or (found.is_Boolean and not found.free_symbols)):
            return found
        answer = None if options.get("compute_hint") else self.on_path(expr)
        return found if answer is None else answer

    def _get_stack_summary(self, is_debug: bool = False, framework_loc: str | None = None) -> tuple[SLoc, str]:  # noqa: ARG002
        """Where torch's code is: for its logs only, and it would cost a tenth of a second for each size."""
        return SLoc(framework_loc, None), ""

    # Torch clears the cache of its own.
    _maybe_evaluate_static.cache_clear = ShapeEnv._maybe_evaluate_static.cache_clear  # pyright: ignore[reportFunctionMemberAccess]

    def evaluate_sym_node(self, sym_node: Any, size_oblivious: bool = False, fallback_value: Any = None) -> Any:
        condition = sym_node.expr
        known = _of_any_integers(condition)
        if known is None:
            known = self.on_path(condition)
        if known is not None:
            return known
        if not _asks_python() and self._tells_one_apart(condition):
            # Torch's C++ asks how a tensor lies in memory: a size of 1 makes it contiguous. Here that does not matter.
            with self.suppress_guards():
                return super().evaluate_sym_node(sym_node, size_oblivious, fallback_value)
        answer = super().evaluate_sym_node(sym_node, size_oblivious, fallback_value)
        if condition.free_symbols and answer in (True, False) and not self._suppress_guards_tls():
            # Torch itself does not note what it takes for granted of a dynamic size: that it is none that is special.
            self.answers.setdefault(condition if answer else sympy.Not(condition), here())
        return answer

    def _tells_one_apart(self, condition: Any) -> bool:
        """Whether a condition on one size is the same for all that it may be, but perhaps 1 (and 0: no elements).

        A size itself, which torch's C++ wants as a number, is no condition.
        """
        if len(condition.free_symbols) != 1 or not (condition.is_Boolean or condition.is_Relational):
            return False
        (symbol,) = condition.free_symbols
        low, high = _bounds(self.var_to_range[symbol])
        return is_same_for_all(condition, max(low, 2), high)

    def guard_or_defer_runtime_assert(  # pyright: ignore[reportIncompatibleVariableOverride] (cached by torch)
        self, orig_expr: Any, msg: str, fx_node: Any = None
    ) -> bool:
        """Sizes have to agree, one of which depends on data: checked when the program runs.

        Where they depend on a condition, each side of that is traced by itself instead, on which they may be known.
        """
        condition = self.simplify(self.replace(orig_expr))
        known = self.on_path(condition)
        if known is not None:
            return bool(known)
        site = next((self.sites[s] for s in condition.free_symbols if s in self.sites), None)
        known = self._maybe_evaluate_static(condition)
        if site is not None and known != sympy.true:
            raise UnknownSizeError(condition, site, self._places(condition))
        can_be_checked = condition.free_symbols <= self._origins.keys() and bool(free_unbacked_symbols(condition))
        if known is None and isinstance(condition, sympy.Eq) and can_be_checked:
            self.require(condition)
        return super().guard_or_defer_runtime_assert(orig_expr, msg, fx_node)

    def _make_data_dependent_error(
        self,
        expr: Any,
        unhinted_expr: Any,
        *,
        expr_sym_node_id: int | None = None,  # noqa: ARG002 (torch's signature)
    ) -> GuardOnDataDependentSymNode:
        site = next((self.sites[s] for s in unhinted_expr.free_symbols if s in self.sites), None)
        return UnknownSizeError(expr, site, self._places(expr))

    def _places(self, condition: Any) -> dict[str, SourceLocation]:
        """Where the tensors were made that have the sizes in a condition, by the symbols' names."""
        origins = {str(s): self._origins[s] for s in condition.free_symbols if s in self._origins}
        places = {name: origins[name].node.meta.get("location") for name in sorted(origins)}
        return {name: place for name, place in places.items() if place is not None}


def _asks_python() -> bool:
    """Whether a condition on sizes is asked for by Python code (`if size == 1`), not by torch's C++."""
    # `SymBool.__bool__` calls `SymNode.bool_`, which calls `guard_bool` as C++ does.
    frame: Any = sys._getframe(2)
    while frame is not None and frame.f_code.co_name in ("evaluate", "guard_bool"):
        frame = frame.f_back
    return frame is not None and frame.f_code.co_name == "bool_"


def _bounds(sizes: Any) -> tuple[int, int]:
    """A range of torch's, as ints that no size is beyond."""
    return int(max(sizes.lower, 0)), int(min(sizes.upper, LARGEST))


@dataclass(frozen=True)
class Learnt:
    """What torch has learnt of sizes: from runtime assertions, and from what code takes for granted."""

    ranges: dict[Any, Any]
    replacements: dict[Any, Any]
    axioms: dict[Any, Any]
    divisible: set[Any]


class Sizes:
    """The symbols of one capture.

    Attributes:
        env: torch's own record of them.
    """

    def __init__(self) -> None:
        self._origins: dict[Any, _Origin] = {}
        self.env = _Environment(self._origins)
        self._inputs: dict[Any, DynamicSize] = {}
        self._emitted: dict[tuple[fx.Graph, Any], fx.Node] = {}
        self.noted: dict[fx.Node, Any] = {}
        """The recorded bools that tell whether a condition on sizes holds, each with the condition."""

    # Paths -----------------------------------------------------------------------------------------------------------

    def note(self, node: fx.Node, condition: Any) -> None:
        """Notes that a recorded bool tells whether a condition on sizes holds."""
        self.noted[node] = expression(condition)

    def learnt(self) -> Learnt:
        """What torch has learnt of the sizes that depend on data until now."""
        env = self.env
        return Learnt(dict(env.var_to_range), dict(env.replacements), dict(env.axioms), set(env.divisible))

    def forget(self, before: Learnt) -> None:
        """Forgets what torch has learnt since, at the end of a path: elsewhere it need not hold.

        Of the sizes of inputs, what it has taken for granted is kept: it is a condition that each call has to fulfil.
        """
        env = self.env
        if not before.ranges and not env.var_to_range:
            return
        own = [s for s in before.ranges if s not in self._inputs]
        env.var_to_range.update({s: before.ranges[s] for s in own})
        for symbol in own:
            if symbol in before.replacements:
                env.replacements[symbol] = before.replacements[symbol]
            else:
                env.replacements.pop(symbol, None)
        env.axioms = {
            c: v for c, v in env.axioms.items() if c in before.axioms or c.free_symbols <= self._inputs.keys()
        }
        env.divisible = {c for c in env.divisible if c in before.divisible or c.free_symbols <= self._inputs.keys()}
        # Torch's caches are keyed by this number, or by nothing.
        env._version_counter += 1
        env._resimplify_floor_div_axioms = True
        type(env)._inner_evaluate_expr.cache_clear()  # pyright: ignore[reportFunctionMemberAccess]
        env.fake_tensor_cache.clear()

    @contextmanager
    def of_another_path(self) -> Generator[None]:
        """While it is entered, what torch learns of sizes holds on a path that is not open, whose values are used."""
        before = self.learnt()
        try:
            yield
        finally:
            now = self.learnt()
            if dataclasses.replace(now, ranges={s: now.ranges[s] for s in before.ranges}) != before:
                self.forget(before)

    @staticmethod
    @contextmanager
    def assuming_nothing() -> Generator[None]:
        """Torch takes a dynamic size for none that is special (1 broadcasts, say) without noting it as a guard."""
        with symbolic_config.patch(backed_size_oblivious=True):
            yield

    # Symbols ---------------------------------------------------------------------------------------------------------

    def of_input(self, name: str, example: int, low: int, high: int | None) -> torch.SymInt:
        """The symbol of an input's size.

        Args:
            name: what messages call it.
            example: its size in the example, a hint for what torch decides by it.
            low, high: its range, as the user declares it; it may be 0 only where the example is. Torch's own code takes
                other paths without elements, and by default a declaration allows 0.
        """
        low, high = max(low, min(example, 1)), LARGEST if high is None else high
        hint = min(max(example, low, 2), high)
        source = ConstantSource(name)
        symbol = self.env.create_symbol(
            hint,
            source,
            DimDynamic.DYNAMIC,
            RelaxedUnspecConstraint(warn_only=True),
            positive=low > 0 or None,  # None: not known
            do_not_specialize_zero_one=True,
        )
        self.env.constrain_symbol_range(symbol, low, high)
        size = self.env.create_symintnode(symbol, hint=hint, source=source)
        assert isinstance(symbol, sympy.Symbol)
        assert isinstance(size, torch.SymInt)
        self._inputs[symbol] = DynamicSize(name, low, high)
        return size

    def fresh(self, site: Site | None = None, low: int = 0) -> torch.SymInt:
        """A size that depends on data, and is at least `low`; `site` is the condition whose sides make it differ."""
        size = self.env.create_unbacked_symint()
        if site is not None:
            self.env.sites[size.node.expr] = site
        self.env.constrain_symbol_range(size.node.expr, low, LARGEST)
        self.env.pending_fresh_unbacked_symbols.clear()
        return size

    def of_number(self, node: fx.Node, low: int | None) -> torch.SymInt:
        """A Python int that depends on data, given the node of its 0-d i64 tensor, where torch wants a plain int.

        `low` is what it is known to be at least.
        """
        size = self.env.create_unbacked_symint()
        if low is not None:
            self.env.constrain_symbol_range(size.node.expr, low, LARGEST)
        self.env.pending_fresh_unbacked_symbols.clear()
        self._origins[size.node.expr] = _Origin(node, None)
        return size

    def at_least(self, size: Any) -> int:
        """What a size, or an expression of sizes, is known to be at least."""
        return max(self._low(size), 0)

    def _low(self, size: Any) -> int:
        expr = self.env.replace(expression(size))
        low = bound_sympy(expr, {s: self.env.var_to_range[s] for s in expr.free_symbols}).lower
        return int(low) if low.is_Integer else 0 if low.is_nonnegative else -1

    def bind(self, tensor: torch.Tensor, node: fx.Node) -> None:
        """Notes the symbols that a recorded tensor brings: they can be read off its sizes."""
        for dim, size in enumerate(tensor.shape):
            if isinstance(size, torch.SymInt):
                # Before replacement: torch may know by now that it equals another.
                expr = size.node._expr
                if len(expr.free_symbols) != 1:
                    continue
                (symbol,) = expr.free_symbols
                if symbol not in self._origins and (symbol == expr or symbol in self._inputs):
                    scale, offset = _linear(expr, symbol, "an input")
                    self._origins[symbol] = _Origin(node, dim, scale, offset)

    def outside(self, shape: Sequence[Any], inner: set[fx.Graph], fresh: dict[Any, torch.SymInt]) -> list[Any]:
        """The sizes of a result as they are known around the branch or loop that gives it.

        Args:
            shape: the sizes as the nested graphs know them.
            inner: the nested graphs; a size that is made in them becomes another symbol outside.
            fresh: the symbols that were made for that, by what they stand for; added to.
        """

        def one(size: Any) -> Any:
            expr = expression(size)
            if not self.is_made_in(size, inner):
                return size
            return fresh[expr] if expr in fresh else fresh.setdefault(expr, self.fresh(low=self.at_least(expr)))

        return [one(size) for size in shape]

    # Nodes -----------------------------------------------------------------------------------------------------------

    def emit(self, graph: fx.Graph, size: torch.SymInt) -> fx.Node | int:
        """The node of a size in `graph`, or the size itself where it turned out to be static."""
        expr = expression(size)
        return int(expr) if expr.is_number else self._emit(graph, expr)

    def _emit(self, graph: fx.Graph, expr: Any) -> Any:
        if expr.is_Integer:
            return int(expr)
        key = (graph, expr)
        found = self._emitted.get(key)
        if found is None:
            found = self._emitted[key] = self._make(graph, expr)
        return found

    def _make(self, graph: fx.Graph, expr: Any) -> fx.Node:
        if isinstance(expr, sympy.Symbol):
            origin = self._origins.get(expr)
            if origin is None:
                raise AssertionError(f"a size that no recorded tensor has: {expr}")
            if origin.dim is None:
                return self._op(graph, aten.Int.Tensor, origin.node)
            size = self._op(graph, aten.size.int, origin.node, origin.dim)
            if origin.offset:
                size = self._op(graph, aten.sub.int, size, origin.offset)
            return size if origin.scale == 1 else self._op(graph, aten.floordiv.int, size, origin.scale)
        if isinstance(expr, (sympy.Add, sympy.Mul, torch_sympy.Max, torch_sympy.Min)):
            function = next(f for kind, f in _REDUCTIONS.items() if isinstance(expr, kind))
            first, *rest = (self._emit(graph, a) for a in expr.args)
            for term in rest:
                first = self._op(graph, function, first, term)
            return first
        if isinstance(expr, sympy.Pow) and expr.exp.is_Integer and expr.exp > 0:
            base = product = self._emit(graph, expr.base)
            for _ in range(int(expr.exp) - 1):
                product = self._op(graph, aten.mul.int, product, base)
            return product
        if isinstance(expr, (torch_sympy.PythonMod, torch_sympy.Mod)) and not self._is_counted(expr.args[0]):
            # torch-mlir's remainder has the sign of the dividend.
            dividend, divisor = (self._emit(graph, a) for a in expr.args)
            quotient = self._op(graph, aten.floordiv.int, dividend, divisor)
            return self._op(graph, aten.sub.int, dividend, self._op(graph, aten.mul.int, quotient, divisor))
        for kind, function in _BINARY.items():
            if isinstance(expr, kind):
                return self._op(graph, function, *(self._emit(graph, a) for a in expr.args[:2]))
        if isinstance(expr, torch_sympy.Identity):
            return self._emit(graph, expr.args[0])
        raise UnsupportedConstructError(
            f"a size that is computed as `{expr}`",
            hint="use sums, products, `//` and `%` of sizes",
            location=here(),
        )

    def _is_counted(self, expr: Any) -> bool:
        """Whether an expression of sizes is known not to be negative."""
        known = bound_sympy(expr, {s: self.env.var_to_range[s] for s in expr.free_symbols})
        return bool(known.lower >= 0)

    @staticmethod
    def _op(graph: fx.Graph, function: Any, *args: Any) -> fx.Node:
        node = graph.call_function(function, args)
        # What torch-mlir needs is the type.
        node.meta.update(val=1, location=here())
        return node

    def emit_equation(self, graph: fx.Graph, equation: Any) -> fx.Node:
        """The node, in `graph`, of whether two expressions of sizes are equal; a Python bool."""
        node = self._op(graph, aten.eq.int, *(self._emit(graph, side) for side in equation.args))
        node.meta["val"] = True
        return node

    def is_made_in(self, size: Any, graphs: set[fx.Graph]) -> bool:
        """Whether a size is made of one that is known in some graphs only."""
        origins = map(self._origins.get, expression(size).free_symbols)
        return any(origin is not None and origin.node.graph in graphs for origin in origins)

    def varies_beside(self, size: Any, graphs: set[fx.Graph]) -> bool:
        """Whether a size of an item that is made in some graphs may be no size where there is no item, or another's.

        It is made with the item, or it may be below zero there: a number of the program, `n - 3` of what is longer.
        """
        origins = map(self._origins.get, expression(size).free_symbols)
        is_number = any(o is not None and o.dim is None for o in origins)
        return self.is_made_in(size, graphs) or is_number or self._low(size) < 0

    def depends_on_data(self, size: Any) -> bool:
        """Whether a size is not made of those of inputs only."""
        return not expression(size).free_symbols <= self._inputs.keys()

    def may_have_none(self, size: Any) -> bool:
        """Whether a size is made of one of an input that may be 0."""
        return any(s in self._inputs and not self._inputs[s].low for s in expression(size).free_symbols)

    def condition_of(self, error: UnknownSizeError) -> torch.SymBool | None:
        """The condition on sizes that a function of torch's asked; None where it asked for a value, or it is settled.

        A size that is made on one side of a condition is known there, perhaps: then that is taken apart.
        """
        condition: Any = error.cond
        is_condition = condition.is_Relational or condition.is_Boolean
        if not is_condition or error.site is not None or not condition.free_symbols <= self._origins.keys():
            return None
        return self.env.create_symboolnode(condition)

    # Guards ----------------------------------------------------------------------------------------------------------

    def decide(self, condition: torch.SymBool) -> bool | None:
        """What a condition on sizes is for all sizes that may be, or None where it depends on them."""
        expr = expression(condition)
        if expr in (sympy.true, sympy.false):
            return bool(expr)
        known = bound_sympy(expr, {s: self.env.var_to_range[s] for s in expr.free_symbols})
        return bool(known.lower) if known.is_singleton() else None

    def constraints(self, inputs: Sequence[tuple[str, torch.Tensor]]) -> tuple[DynamicSize, ...]:
        """What the dynamic sizes of a call's inputs have to fulfil.

        Args:
            inputs: the name of each input, and its recorded tensor.

        Raises:
            UnsupportedConstructError: the model only works for sizes that cannot be described so.
        """
        for symbol, size in self._inputs.items():
            value = self.env.replace(symbol)
            if value.is_number:
                raise UnsupportedConstructError(
                    f"the dynamic size `{size.name}` can only be {value}: the model needs it as a constant",
                    hint="leave it out of `dynamic_shapes`, or write the model for any size",
                )
        excluded = self._excluded()
        found: list[DynamicSize] = []
        for symbol, size in self._inputs.items():
            places: list[tuple[int, int, int, int]] = []
            for index, (name, tensor) in enumerate(inputs):
                for dim, given in enumerate(tensor.shape):
                    if not isinstance(given, torch.SymInt) or symbol not in given.node._expr.free_symbols:
                        continue
                    scale, offset = _linear(given.node._expr, symbol, f"`{name}`")
                    places.append((index, dim, scale, offset))
            allowed = self.env.var_to_range[symbol]
            found.append(
                DynamicSize(
                    size.name,
                    max(size.low, int(allowed.lower)),
                    min(size.high, int(min(allowed.upper, LARGEST))),
                    tuple(sorted(excluded.get(symbol, ()))),
                    tuple(places),
                    self._equal(symbol),
                )
            )
        return tuple(found)

    def _equal(self, symbol: Any) -> tuple[str, int, int] | None:
        """The size, times a number and plus another, that a size has to be."""
        value = self.env.replace(symbol)
        if value == symbol:
            return None
        (other,) = [s for s in value.free_symbols if s in self._inputs] or [symbol]
        scale, offset = _linear(value, other, f"`{self._inputs[symbol].name}`")
        return self._inputs[other].name, scale, offset

    def _excluded(self) -> dict[Any, set[int]]:
        """The sizes that some guard on one size excludes."""
        excluded: dict[Any, set[int]] = {}
        noted: dict[Any, SourceLocation | None] = {guard.expr: None for guard in self.env.guards}
        for condition, location in {**noted, **self.env.answers}.items():
            expr = self._reduced(self.env.simplify(self.env.replace(condition)))
            symbols = [s for s in expr.free_symbols if s in self._inputs]
            if expr == sympy.true or self._holds(expr) or len(symbols) < len(expr.free_symbols):
                continue  # always, or of a size that depends on data, for which torch assumes nothing
            if len(symbols) != 1:
                raise _needs(expr, location)
            (symbol,) = symbols
            low, high = _bounds(self.env.var_to_range[symbol])
            wrong = sizes_without(expr, low, high, _MAX_EXCLUDED)
            if wrong is None:
                raise _needs(expr, location)
            excluded.setdefault(symbol, set()).update(wrong)
        return excluded

    def _reduced(self, condition: Any) -> Any:
        """An equation of sizes without the factors that are not 0: `2 * n * m != m` is `2 * n != 1`."""
        if not isinstance(condition, (sympy.Eq, sympy.Ne)) or len(condition.free_symbols) < 2:
            return condition
        left, right = cast("tuple[Any, Any]", condition.args)
        product: Any = sympy.factor(left - right)
        factors = cast("tuple[Any, ...]", sympy.Mul.make_args(product))
        kept = [factor for factor in factors if not self._holds(sympy.Gt(factor, 0))]
        return type(condition)(sympy.Mul(*kept), 0)

    def _holds(self, condition: Any) -> bool:
        """Whether a condition on sizes holds for all in their ranges."""
        known = bound_sympy(condition, {s: self.env.var_to_range[s] for s in condition.free_symbols})
        return known.is_singleton() and bool(known.lower)


def _needs(condition: Any, location: SourceLocation | None) -> UnsupportedConstructError:
    return UnsupportedConstructError(
        f"a dynamic size for which the model only works where `{condition}`",
        hint="narrow its range (`torch.export.Dim(name, min=..., max=...)`), or leave it out of `dynamic_shapes`",
        location=location,
    )


def _linear(expr: Any, symbol: Any, what: str) -> tuple[int, int]:
    scale, offset = expr.coeff(symbol, 1), expr.coeff(symbol, 0)
    if not (scale.is_Integer and offset.is_Integer and sympy.expand(scale * symbol + offset - expr) == 0):
        raise UnsupportedConstructError(
            f"a size of {what} that is declared as `{expr}`", hint="declare it as `scale * dim + offset`"
        )
    return int(scale), int(offset)


_REDUCTIONS: dict[type, Callable[..., Any]] = {
    sympy.Add: aten.add.int,
    sympy.Mul: aten.mul.int,
    torch_sympy.Max: torch.ops.prim.max.int,
    torch_sympy.Min: torch.ops.prim.min.int,
}
_BINARY: dict[type, Callable[..., Any]] = {
    torch_sympy.FloorDiv: aten.floordiv.int,
    torch_sympy.CleanDiv: aten.floordiv.int,
    torch_sympy.PythonMod: aten.remainder.int,
    torch_sympy.Mod: aten.remainder.int,
}
