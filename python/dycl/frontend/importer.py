# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""From the structured graph to linalg-on-tensors and `scf`, through torch-mlir.

torch-mlir's FX importer does the ops; branches and loops are ours, since it has no `cond` and its `while_loop` fails on
one carried value and on bodies that read weights. Sides are imported as nested regions that use the values around them
directly.

A loop whose first condition folds to true would be taken for a counted loop by torch-mlir's lowering, *without its exit
test*. So the first condition always goes through an extra function argument (`_TRUE`), which nothing can fold; it is
replaced by its constant only after the lowering. Weights and poison values travel as extra arguments as well, and
become `dycl.parameter` and `ub.poison`.
"""

# torch-mlir's native modules have no stubs, and its importer is extended by subclassing, through its protected members.
# pyright: reportAttributeAccessIssue=false, reportPrivateUsage=false, reportArgumentType=false

from __future__ import annotations

import math
import operator
import re
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from torch import fx
from torch_mlir import ir
from torch_mlir.dialects import func as func_dialect
from torch_mlir.dialects import torch as torch_dialect
from torch_mlir.extras.fx_importer import ContextCache, FxImporter, GraphNodeImporter
from torch_mlir.passmanager import PassManager

from dycl.compiler.tools import run_filter
from dycl.errors import CompileError, SourceLocation, UnsupportedConstructError
from dycl.frontend.graph import Graph
from dycl.frontend.recorder import ASSERT, COND, POISON, WHILE, graph_outputs, nested_graphs
from dycl.frontend.sizes import is_static

_MAX_TRIPS = 2**63 - 1

_RESHAPE = "dycl.reshape"

_DYNAMIC = -(2**63)
"""How MLIR writes a dynamic size in an attribute."""


class _Locations(ContextCache):
    """Gives each op the user's file, line and column that the recorder noted."""

    __slots__ = ()

    def get_node_location(self, node: fx.Node) -> ir.Location | None:
        location = node.meta.get("location")
        if location is None:
            return None
        return ir.Location.file(location.file, location.line, location.column, context=self._c)


class _Importer(FxImporter):
    """An importer of graphs whose nested graphs use values around them."""

    def __init__(self, context: ir.Context) -> None:
        super().__init__(context=context, graph_node_importer_cls=_NodeImporter)
        self._cc = _Locations(context, py_attr_tracker=self._py_attr_tracker)


class _NodeImporter(GraphNodeImporter):
    """Imports the nodes of one graph into one block; `_v` (node to value) is shared with the graphs around it.

    Attributes:
        opaque_true: a 0-d tensor that is true, which no pass can see.
        poison: a value no path reads, by type.
        scalar_results: the results of branches that cross as a scalar `i1`, as (node, index).
        reshapes: the reshapes with dynamic sizes, by the function that stands for each.
    """

    __slots__ = ("opaque_true", "poison", "reshapes", "scalar_results")

    def nested(self, block: ir.Block) -> _NodeImporter:
        inner = _NodeImporter(self.fx_importer, self._c, self._cc, block)
        inner._v = self._v
        inner._multi_result_nodes = self._multi_result_nodes
        inner.opaque_true, inner.poison, inner.scalar_results = self.opaque_true, self.poison, self.scalar_results
        inner.reshapes = self.reshapes
        return inner

    def import_graph(self, graph: fx.Graph) -> list[ir.Value]:
        """Imports the nodes of a graph but its placeholders and output; gives the values it yields."""
        for node in graph.nodes:
            if node.op != "call_function":
                continue
            loc = self._cc.get_node_location(node) or ir.Location.unknown(self._c)
            if node.target is COND:
                self._import_cond(loc, node)
            elif node.target is WHILE:
                self._import_while(loc, node)
            elif node.target is POISON:
                self.bind_node_value(node, self.poison[_type_key(node.meta["val"])])
            elif node.target is ASSERT:
                self._import_assertion(loc, node)
            else:
                with ir.InsertionPoint(self._b):
                    if node.target is operator.getitem:
                        self._import_getitem(loc, node)
                    elif "groups" in node.meta:
                        self._import_reshape(loc, node)
                    else:
                        self._import_op(loc, node)
        return [self.resolve_node_value(n) for n in graph_outputs(graph)]

    def _import_op(self, loc: ir.Location, node: fx.Node) -> None:
        try:
            self._import_torch_op_overload(loc, node)
        except (NotImplementedError, TypeError) as error:  # the latter of a number that it does not take
            name = cast("torch._ops.OpOverload", node.target).__name__
            raise _not_lowered(name, node.meta.get("location")) from error

    def _bool(self, loc: ir.Location, value: ir.Value) -> ir.Value:
        """A condition as a scalar; one that crossed a branch is one already."""
        if value.type == self._cc.torch_bool_type:
            return value
        return ir.Operation.create(
            "torch.aten.Bool.Tensor", results=[self._cc.torch_bool_type], operands=[value], loc=loc
        ).result

    def _result_types(self, node: fx.Node) -> tuple[list[ir.Type], list[int]]:
        """The types of a branch's or a loop's results, and which of them are scalars."""
        types = [self._cc.value_info_to_type(v) for v in node.meta["val"]]
        scalars = [i for i in range(len(types)) if (node, i) in self.scalar_results]
        for i in scalars:
            types[i] = self._cc.torch_bool_type
        return types, scalars

    @staticmethod
    def _cast(loc: ir.Location, values: Sequence[ir.Value], types: Sequence[ir.Type]) -> list[ir.Value]:
        """The values with the sizes that another side, or iteration, makes differ forgotten."""

        def forget(value: ir.Value, type_: ir.Type) -> ir.Value:
            if value.type == type_:
                return value
            name = "torch.tensor_static_info_cast"
            return ir.Operation.create(name, results=[type_], operands=[value], loc=loc).result

        return [forget(v, t) for v, t in zip(values, types, strict=True)]

    def _bind_results(self, node: fx.Node, operation: ir.Operation) -> None:
        self._multi_result_nodes.add(node)
        for index, value in enumerate(operation.results):
            self.bind_node_value(node, value, index)

    def _import_cond(self, loc: ir.Location, node: fx.Node) -> None:
        types, scalars = self._result_types(node)
        with ir.InsertionPoint(self._b):
            condition = self._bool(loc, self.resolve_node_value(node.args[0]))
            operation = ir.Operation.create("torch.prim.If", results=types, operands=[condition], regions=2, loc=loc)
        for region, graph in zip(operation.regions, node.meta["branches"], strict=True):
            with loc:
                block = ir.Block.create_at_start(region, [])
            values = self.nested(block).import_graph(graph)
            with ir.InsertionPoint(block):
                for i in scalars:
                    values[i] = self._bool(loc, values[i])
                values = self._cast(loc, values, types)
                ir.Operation.create("torch.prim.If.yield", operands=values, loc=loc)
        self._bind_results(node, operation)

    def _import_reshape(self, loc: ir.Location, node: fx.Node) -> None:
        """A reshape with dynamic sizes: a call of a declaration, which `_lower_reshape` replaces after the lowering.

        torch-mlir guesses which dimensions belong together, and may guess wrong.
        """
        source, sizes = cast("tuple[fx.Node, list[Any]]", node.args)
        operands = [self.resolve_node_value(source)]
        operands += [self.resolve_node_value(n) for n in sizes if isinstance(n, fx.Node)]
        result = self._cc.value_info_to_type(node.meta["val"])
        name = f"{_RESHAPE}{len(self.reshapes)}"
        self.reshapes[name] = node
        module = self.fx_importer.module
        function_type = ir.FunctionType.get([v.type for v in operands], [result], context=self._c)
        with ir.InsertionPoint.at_block_begin(module.body), loc:
            func_dialect.FuncOp(name, function_type, visibility="private")
        call = func_dialect.CallOp([result], ir.FlatSymbolRefAttr.get(name, self._c), operands, loc=loc)
        self.bind_node_value(node, call.results[0])

    def _import_assertion(self, loc: ir.Location, node: fx.Node) -> None:
        holds, message = node.args
        with ir.InsertionPoint(self._b):
            ir.Operation.create(
                "torch.runtime.assert",
                operands=[self.resolve_node_value(holds)],
                attributes={"message": ir.StringAttr.get(message, self._c)},
                loc=loc,
            )

    def _import_while(self, loc: ir.Location, node: fx.Node) -> None:
        first, *inits = [self.resolve_node_value(n) for n in node.args]
        types, scalars = self._result_types(node)
        with ir.InsertionPoint(self._b):
            for i in scalars:
                inits[i] = self._bool(loc, inits[i])
            inits = self._cast(loc, inits, types)
            # `first and opaque true`: see the head of this file.
            vtensor = ir.Type.parse("!torch.vtensor<[],i1>", self._c)
            guarded = ir.Operation.create(
                "torch.aten.logical_and", results=[vtensor], operands=[first, self.opaque_true], loc=loc
            ).result
            trips = ir.Operation.create(
                "torch.constant.int",
                results=[self._cc.torch_int_type],
                attributes={"value": self._cc.integer_attr(_MAX_TRIPS, 64)},
                loc=loc,
            ).result
            operation = ir.Operation.create(
                "torch.prim.Loop",
                results=types,
                operands=[trips, self._bool(loc, guarded), *inits],
                regions=1,
                loc=loc,
            )
        body: fx.Graph = node.meta["body"]
        with loc:
            block = ir.Block.create_at_start(operation.regions[0], [self._cc.torch_int_type, *types])
        inner = self.nested(block)
        placeholders = [n for n in body.nodes if n.op == "placeholder"]
        for placeholder, argument in zip(placeholders, list(block.arguments)[1:], strict=True):
            inner.bind_node_value(placeholder, argument)
        condition, *nexts = inner.import_graph(body)
        with ir.InsertionPoint(block):
            nexts = self._cast(loc, nexts, types)
            ir.Operation.create("torch.prim.Loop.condition", operands=[inner._bool(loc, condition), *nexts], loc=loc)
        self._bind_results(node, operation)


def _scalar_results(graph: fx.Graph) -> set[tuple[fx.Node, int]]:
    """The 0-d bool results of branches and loops that are read as conditions only.

    As scalars they need no region to be read again, and a constant one is seen by `--dycl-thread-branches`.
    """
    owners: dict[fx.Graph, fx.Node] = {}

    def collect(inside: fx.Graph) -> Iterator[fx.Node]:
        for node in inside.nodes:
            for inner in nested_graphs(node):
                owners[inner] = node
                yield from collect(inner)
            if node.target in (COND, WHILE):
                yield node

    def readers(node: fx.Node, index: int) -> list[fx.Node]:
        """The nodes that stand for a result, and for the value inside where a loop carries it."""
        items = [u for u in node.users if u.target is operator.getitem and u.args[1] == index]
        if node.target is WHILE:
            items.append([n for n in node.meta["body"].nodes if n.op == "placeholder"][index])
        return items

    results = {
        (node, i)
        for node in collect(graph)
        for i, value in enumerate(node.meta["val"])
        if value.dtype == torch.bool and value.dim() == 0
    }

    def is_condition(item: fx.Node, user: fx.Node) -> bool:
        if user.op != "output":
            # The first condition of a loop goes through a tensor op: see the head of this file.
            return user.target is COND or (
                user.target is WHILE
                and all((user, i - 1) in results for i, argument in enumerate(user.args) if argument is item)
            )
        owner = owners.get(user.graph)
        positions = [i for i, n in enumerate(graph_outputs(user.graph)) if n is item]
        if owner is None:
            return False
        # The first output of a loop's body is the next condition, the others are what it carries.
        first = 1 if owner.target is WHILE else 0
        return all(i < first or (owner, i - first) in results for i in positions)

    while True:
        kept = {
            (node, i)
            for node, i in results
            if all(is_condition(item, user) for item in readers(node, i) for user in item.users)
        }
        if kept == results:
            return results
        results = kept


def _type_key(value: torch.Tensor) -> tuple[Any, ...]:
    return (tuple(int(n) if is_static(n) else None for n in value.shape), value.dtype)


def _poison_types(graph: fx.Graph) -> dict[tuple[Any, ...], torch.Tensor]:
    """An example of each type of poison in the graph and the graphs in it."""
    found: dict[tuple[Any, ...], torch.Tensor] = {}
    for node in graph.nodes:
        if node.target is POISON:
            found.setdefault(_type_key(node.meta["val"]), node.meta["val"])
        if node.target is COND:
            for branch in node.meta["branches"]:
                found.update(_poison_types(branch))
        if node.target is WHILE:
            found.update(_poison_types(node.meta["body"]))
    return found


def import_graph(
    graph: Graph,
    name: str,
    argument_names: Sequence[str],
    parameter_keys: Sequence[str],
    inline: Mapping[str, np.ndarray[Any, Any]] | None = None,
) -> str:
    """The IR of a captured program, as text with locations.

    Args:
        graph: its placeholders are the arguments, then the parameters.
        name: the name of the module.
        argument_names: what a user calls each argument.
        parameter_keys: the key of each parameter.
        inline: the values of those that become constants in the IR, by key; see `can_inline`.

    Raises:
        CompileError: torch-mlir cannot lower it; the message holds its diagnostics.
    """
    context = ir.Context()
    torch_dialect.register_dialect(context)
    context.allow_unregistered_dialects = True
    with context:
        importer = _Importer(context)
        poisons = _poison_types(graph.body)
        reshapes = _import_main(importer, graph, list(poisons.values()), list(poisons))
        module = _lower(importer.module.operation.get_asm(enable_debug_info=True))
        _lower_reshapes(module, reshapes)
        _finish_main(module, argument_names, parameter_keys, inline or {})
        module.operation.attributes["sym_name"] = ir.StringAttr.get(name)
        module.operation.verify()
        return _text(module)


def _text(module: ir.Module) -> str:
    """The module's text with locations: pretty, but generic where it holds `tm_tensor` ops (sorts, scatters, scans).

    Those are of torch-mlir's own; `dycl-opt` and IREE's parser of another version know only their generic form.
    """
    names: set[str] = set()

    def note(op: ir.Operation) -> ir.WalkResult:
        names.add(op.name.partition(".")[0])
        return ir.WalkResult.ADVANCE

    module.operation.walk(note)
    return module.operation.get_asm(enable_debug_info=True, print_generic_op_form="tm_tensor" in names)


def _import_main(
    importer: _Importer, graph: Graph, poisons: list[torch.Tensor], poison_keys: list[tuple[Any, ...]]
) -> dict[str, fx.Node]:
    """Imports the program as `main`; gives the reshapes that functions stand for."""
    cc = importer._cc
    outputs = graph_outputs(graph.body)
    true_type = ir.Type.parse("!torch.vtensor<[],i1>", importer._c)
    inputs = [cc.node_val_to_type(p) for p in graph.placeholders]
    inputs += [true_type, *(cc.value_info_to_type(p) for p in poisons)]
    loc = next((loc for n in graph.body.nodes if (loc := cc.get_node_location(n))), ir.Location.unknown(importer._c))
    with loc:
        function = func_dialect.FuncOp(
            "main",
            ir.FunctionType.get(inputs, [cc.node_val_to_type(o) for o in outputs], context=importer._c),
            ip=importer._m_ip,
        )
        block = ir.Block.create_at_start(function.body, inputs, [loc] * len(inputs))
    nodes = _NodeImporter(importer, importer._c, cc, block)
    arguments = list(block.arguments)
    for placeholder, argument in zip(graph.placeholders, arguments, strict=False):
        nodes.bind_node_value(placeholder, argument)
    nodes.opaque_true = arguments[len(graph.placeholders)]
    nodes.scalar_results = _scalar_results(graph.body)
    nodes.reshapes = {}
    nodes.poison = dict(zip(poison_keys, arguments[len(graph.placeholders) + 1 :], strict=True))
    values = nodes.import_graph(graph.body)
    with ir.InsertionPoint(block):
        func_dialect.ReturnOp(values, loc=loc)
    return nodes.reshapes


# An `if` that only chooses between two values stays a decision of the host, not an op on tensors.
_CANONICALIZE_KEEPING_IFS = "canonicalize{disable-patterns={anonymous}::ConvertTrivialIfToSelect}"

# The passes of torch-mlir's "torchdynamo-export-to-torch-backend-pipeline" and "torch-backend-to-linalg-on-tensors-
# backend-pipeline", without the verifier at the end: `dycl-opt --dycl-verify-input` checks what dycl needs.
_FUNCTION_PASSES = (
    "torch-match-quantized-custom-ops",
    "torch-reduce-op-variants",
    "canonicalize",
    "torch-decompose-complex-ops",
    "torch-recompose-complex-ops",
    "canonicalize",
    "torch-restructure-non-constant-axes",
    "torch-fuse-quantized-ops",
    "convert-torch-to-tmtensor",
    "canonicalize",
    "convert-torch-to-linalg",
    "canonicalize",
    "convert-torch-to-scf",
    "convert-torch-to-arith",
    "convert-torch-to-tensor",
    "memref-expand",
    _CANONICALIZE_KEEPING_IFS,
    "resolve-shaped-type-result-dims",
    "cse",
)
_PIPELINE = (
    f"builtin.module(func.func({','.join(_FUNCTION_PASSES)}),torch-func-backend-type-conversion,"
    f"func.func({_CANONICALIZE_KEEPING_IFS},torch-finalizing-backend-type-conversion))"
)


_TOOL = Path(ir.__file__).parent / "_mlir_libs" / "torch-mlir-opt"
_LOWER = (f"-pass-pipeline={_PIPELINE}", "--allow-unregistered-dialect")


def _lower(as_torch: str) -> ir.Module:
    """Lowers the torch dialect to linalg-on-tensors and `scf`, in a process of its own.

    What torch-mlir divides by zero, or asserts, would end the user's. (A `view` of no elements does.)
    """
    form = ["--mlir-print-debuginfo", "--mlir-print-op-generic"]
    try:
        lowered = run_filter(str(_TOOL), [*_LOWER, *form], as_torch, doing="phase import")
    except CompileError as error:
        refusal = _refusal(error.diagnostics.splitlines()) or _refusal_of_crash(as_torch)
        if refusal is None:
            raise
        raise refusal from error
    # Loads the dialects that the result is of.
    PassManager.parse(_PIPELINE).run(ir.Module.create(ir.Location.unknown()).operation)
    return ir.Module.parse(lowered)


def _refusal_of_crash(as_torch: str) -> UnsupportedConstructError | None:
    """At which op of `main` the lowering ends its process: the first with which a program that ends there does.

    None where it does not end it.
    """

    def find_main(module: ir.Module) -> tuple[ir.Operation, ir.Block]:
        main = next(op for op in module.body.operations if _symbol(op) == "main").operation
        return main, main.regions[0].blocks[0]

    def ends(count: int) -> bool:
        module = ir.Module.parse(as_torch)
        main, block = find_main(module)
        *ops, end = list(block.operations)
        tensors = ([v for v in op.results if str(v.type).startswith("!torch.vtensor")] for op in reversed(ops[:count]))
        given = next(filter(None, tensors), [])
        for op in [end, *reversed(ops[count:])]:
            op.operation.erase()
        with ir.InsertionPoint(block), main.location:
            func_dialect.ReturnOp(given)
        inputs = [argument.type for argument in block.arguments]
        main.attributes["function_type"] = ir.TypeAttr.get(ir.FunctionType.get(inputs, [v.type for v in given]))
        text = module.operation.get_asm()
        return subprocess.run([_TOOL, *_LOWER], input=text, capture_output=True, text=True, check=False).returncode < 0

    whole = ir.Module.parse(as_torch)  # Its operations live as long as it does.
    ops = list(find_main(whole)[1].operations)[:-1]
    low, high = 0, len(ops)
    if not ends(high):
        return None
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if ends(middle) else (middle, high)
    op = ops[high - 1].operation
    found = _DIAGNOSTIC.match(f"{_describe(op.location)}: error: '{op.name}'")
    return _refused(found) if found else None


_DIAGNOSTIC = re.compile(r"(?P<file>.*):(?P<line>\d+):(?P<column>\d+): error: (?P<message>.*)", re.DOTALL)

# The op that a diagnostic is about; one that torch-mlir has no definition of has its name as an attribute.
_OP = re.compile(r"'torch\.aten\.(?P<op>\w+)|<\{name = \"torch\.aten\.(?P<other>\w+)")


def _refusal(errors: Sequence[str]) -> UnsupportedConstructError | None:
    """What torch-mlir's diagnostics say of the user's program: at which op of it the lowering failed; None if nothing.

    It may have no lowering for it, or one that does not hold of these types and sizes.
    """
    found = list(filter(None, map(_DIAGNOSTIC.match, errors)))
    found.sort(key=lambda diagnostic: not _OP.search(diagnostic["message"]))
    return _refused(found[0]) if found else None


def _refused(diagnostic: re.Match[str]) -> UnsupportedConstructError:
    op = _OP.search(diagnostic["message"])
    name = op and (op["op"] or op["other"])
    location = SourceLocation(diagnostic["file"], int(diagnostic["line"]), column=int(diagnostic["column"]))
    return _not_lowered(name, location)


def _not_lowered(name: str | None, location: SourceLocation | None) -> UnsupportedConstructError:
    what = f"`{name.partition('.')[0]}` of these tensors" if name else "an operation"
    return UnsupportedConstructError(
        f"{what}, which torch-mlir does not lower",
        hint="write it with other operations, or compute it outside of the model",
        location=location,
    )


def _lower_reshapes(module: ir.Module, reshapes: Mapping[str, fx.Node]) -> None:
    """Puts `tensor.collapse_shape` and `tensor.expand_shape` in the place of the calls of `_import_reshape`."""
    calls: list[tuple[ir.Operation, fx.Node]] = []

    def note(op: ir.Operation) -> ir.WalkResult:
        if op.name == "func.call":
            name = ir.FlatSymbolRefAttr(op.attributes["callee"]).value
            if name in reshapes:
                calls.append((op, reshapes[name]))
        return ir.WalkResult.ADVANCE

    module.operation.walk(note)
    for call, node in calls:
        _lower_reshape(call, node)
    for op in list(module.body.operations):
        if _symbol(op) in reshapes:
            op.operation.erase()


def _lower_reshape(call: ir.Operation, node: fx.Node) -> None:
    groups = node.meta["groups"]
    value, *sizes = call.operands
    result_type = ir.RankedTensorType(call.results[0].type)
    before = [None if n < 0 else n for n in ir.RankedTensorType(value.type).shape]
    after = [n if isinstance(n, int) else None for n in list[Any](node.args[1])]

    def create(name: str, shape: Sequence[int | None], operands: Sequence[ir.Value], **attributes: str) -> ir.Value:
        type_ = ir.RankedTensorType.get([_DYNAMIC if n is None else n for n in shape], result_type.element_type)
        parsed = {key: ir.Attribute.parse(text) for key, text in attributes.items()}
        return ir.Operation.create(name, results=[type_], operands=list(operands), attributes=parsed).result

    def dimensions(side: int) -> str:
        """The groups of one side, as `collapse_shape` and `expand_shape` take them."""
        return str([[f"{d} : i64" for d in group[side]] for group in groups]).replace("'", "")

    with ir.InsertionPoint(call), call.location:
        if any(len(g) != 1 for g, _ in groups):
            sizes_of = [[before[d] for d in g] for g, _ in groups]
            flat = [None if None in known else math.prod(n for n in known if n) for known in sizes_of]
            value = create("tensor.collapse_shape", flat, [value], reassociation=dimensions(0))
        if any(len(g) != 1 for _, g in groups):
            index = ir.IndexType.get()
            indices = [ir.Operation.create("arith.index_cast", results=[index], operands=[s]).result for s in sizes]
            static = ", ".join(str(_DYNAMIC if n is None else n) for n in after)
            value = create(
                "tensor.expand_shape",
                after,
                [value, *indices],
                reassociation=dimensions(1),
                static_output_shape=f"array<i64: {static}>",
            )
        if value.type != result_type:
            value = ir.Operation.create("tensor.cast", results=[result_type], operands=[value]).result
    call.results[0].replace_all_uses_with(value)
    call.erase()


def _describe(location: ir.Location) -> str:
    """`file:line:column`. The bindings have no accessor for it, only the text `loc("file":line:column)`."""
    return str(location).removeprefix("loc(").removesuffix(")").replace('"', "")


def _finish_main(
    module: ir.Module,
    argument_names: Sequence[str],
    parameter_keys: Sequence[str],
    inline: Mapping[str, np.ndarray[Any, Any]],
) -> None:
    """Turns the extra arguments of `main` into what they stand for, and names the others."""
    argument_count = len(argument_names)
    main = next(op for op in module.body.operations if _symbol(op) == "main")
    block = main.regions[0].blocks[0]
    arguments = list(block.arguments)
    extra = arguments[argument_count:]
    with ir.InsertionPoint.at_block_begin(block), main.operation.location:
        for key, argument in zip(parameter_keys, extra, strict=False):
            if key in inline:
                value = _constant(inline[key], argument.type)
            else:
                attributes = {"key": ir.StringAttr.get(key)}
                value = ir.Operation.create("dycl.parameter", results=[argument.type], attributes=attributes)
            argument.replace_all_uses_with(value.result)
        true, *poisons = extra[len(parameter_keys) :]
        true.replace_all_uses_with(_constant(np.array(True), true.type).result)
        for argument in poisons:
            poison = ir.Operation.create(
                "ub.poison", results=[argument.type], attributes={"value": ir.Attribute.parse("#ub.poison")}
            )
            argument.replace_all_uses_with(poison.result)
    for index in reversed(range(argument_count, len(arguments))):
        block.erase_argument(index)
    function_type = ir.FunctionType(ir.TypeAttr(main.attributes["function_type"]).value)
    main.attributes["function_type"] = ir.TypeAttr.get(
        ir.FunctionType.get(function_type.inputs[:argument_count], function_type.results)
    )
    named = [ir.DictAttr.get({"dycl.name": ir.StringAttr.get(n)}) for n in argument_names]
    main.attributes["arg_attrs"] = ir.ArrayAttr.get(named)


def can_inline(array: np.ndarray[Any, Any]) -> bool:
    """Whether a constant is small enough to stand in the IR, and of a dtype that `arith.constant` takes.

    One without elements has to: IREE does not compile a region that returns such a parameter.
    """
    return not array.size or (array.nbytes <= _MAX_INLINE_BYTES and array.dtype.name in _INLINE_DTYPES)


_MAX_INLINE_BYTES = 256
_INLINE_DTYPES = ("bool", "int8", "int16", "int32", "int64", "float16", "bfloat16", "float32", "float64")


def _constant(array: np.ndarray[Any, Any], type_: ir.Type) -> ir.Operation:
    """An `arith.constant` of a small array."""
    if not array.size:
        value = ir.Attribute.parse(f"dense<> : {type_}")
        return ir.Operation.create("arith.constant", results=[type_], attributes={"value": value})
    element = ir.RankedTensorType(type_).element_type
    attribute = ir.IntegerAttr if isinstance(element, ir.IntegerType) else ir.FloatAttr
    elements = [attribute.get(element, item) for item in array.reshape(-1).tolist()]
    value = ir.DenseElementsAttr.get(elements, type_)
    return ir.Operation.create("arith.constant", results=[type_], attributes={"value": value})


def _symbol(op: Any) -> str:
    name = op.operation.attributes
    return ir.StringAttr(name["sym_name"]).value if "sym_name" in name else ""
