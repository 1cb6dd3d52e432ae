# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Reading and splitting modules, through the MLIR Python bindings of the torch-mlir wheel.

Those bindings are LLVM 24's and do not know the `dycl` dialect, so they are given the generic form, as
`dycl-opt` prints it: the form that every version of MLIR reads.
"""

from __future__ import annotations

import importlib
import math
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dycl.compiler.tools import find_dycl_tool, run_filter
from dycl.errors import CompileError
from dycl.signature import TensorSpec

if TYPE_CHECKING:
    from collections.abc import Generator

ENTRY = "main"

_PRODUCTS = {"linalg.matmul", "linalg.batch_matmul", "linalg.matvec", "linalg.vecmat"}
# What only lays out anew what it is given.
_LAYOUTS = {"linalg.transpose", "linalg.broadcast", "tensor.expand_shape", "tensor.collapse_shape", "tensor.cast"}
_WEIGHT = "util.global.load"
# Elements of a weight from which on packing it pays: smaller ones are in the L1 cache anyway.
_LARGE = 1 << 14


@dataclass(frozen=True)
class InspectedModule:
    """What a module says of itself.

    Attributes:
        phase: the last phase it has gone through: "import", "outline" or "partition".
        inputs: the tensors that its entry takes; a number is a tensor of rank 0.
        outputs: the tensors that its entry gives, likewise.
        numbers: the names of those that are numbers.
    """

    phase: str
    inputs: tuple[TensorSpec, ...] = ()
    outputs: tuple[TensorSpec, ...] = ()
    numbers: frozenset[str] = frozenset()


def inspect_module(text: str, *, source: str) -> InspectedModule:
    """The phase and the entry's types of a module; `source` says in messages where it is from.

    Raises:
        CompileError: where the text does not parse.
    """
    phase = "import"
    inputs: list[Any] = []
    outputs: list[Any] = []
    with _operations(text, source=source) as operations:
        kinds = {op.name for op in operations}
        if "dycl.program" in kinds:
            phase = "partition" if "builtin.module" in kinds else "outline"
        for op in operations:
            if op.name in ("func.func", "dycl.program") and _symbol_name(op) == ENTRY:
                inputs, outputs = _entry_types(op)
        border = [*inputs, *outputs]
        numbers = frozenset(name for name, type_ in border if not _is_tensor(type_))
        specs = [TensorSpec(name, *_dtype_and_shape(type_)) for name, type_ in border]
    return InspectedModule(phase, tuple(specs[: len(inputs)]), tuple(specs[len(inputs) :]), numbers)


def split_regions(text: str) -> dict[str, str]:
    """The region modules of a partitioned module: name to text, with the user's locations."""
    with _operations(text, source="the partitioned module") as operations:
        modules = [op for op in operations if op.name == "builtin.module"]
        return {_symbol_name(op): op.get_asm(enable_debug_info=True) for op in modules}


def find_choices(text: str) -> list[tuple[str, dict[str, list[int]]]]:
    """What may be chosen of each operation, in modules that `phases.tile_for_cpu` wrote with `lists_choices`.

    Returns:
        The operation's key, and by name the numbers that are worth trying, of which the first is the one chosen.
    """
    found: list[tuple[str, dict[str, list[int]]]] = []
    with _operations(text, source="the tiled module") as operations:
        for module in operations:
            for op in module.regions[0].blocks[0].operations if module.name == "builtin.module" else ():
                # The attributes of an operation have no `get`.
                for item in op.attributes["tile_choices"] if "tile_choices" in op.attributes else ():  # noqa: SIM401
                    key, *choices = str(item.value).split(":")
                    names = (choice.partition("=")[::2] for choice in choices)
                    found.append((key, {name: [int(n) for n in numbers.split("|")] for name, numbers in names}))
    return found


def packs_weights(module: str) -> bool:
    """Whether it pays to have IREE pack the weights of a region: it multiplies by large ones, and the sizes are known.

    Of dynamic sizes, packed products are slower and take IREE 3.13 up to a minute each to compile. It packs the weights
    of no convolution, and some regions with convolutions do not compile with it.
    """
    if not any(name in module for name in _PRODUCTS):  # Most regions of many: not worth parsing.
        return False
    ir = _bindings()
    multiplies, refused = False, False

    def look(op: Any) -> Any:
        nonlocal multiplies, refused
        refused |= op.name.startswith("linalg.conv")
        if op.name in _PRODUCTS:
            factors = list(op.operands)[:2]
            if all(factor.type.has_static_shape for factor in factors):
                multiplies |= any(map(_is_weight, factors))
            else:
                refused = True
        return ir.WalkResult.INTERRUPT if refused else ir.WalkResult.ADVANCE

    with ir.Context() as context:
        context.allow_unregistered_dialects = True
        try:
            parsed = ir.Module.parse(module)
        except ir.MLIRError:  # iree-compile will say what is wrong with it.
            return False
        parsed.operation.walk(look)
    return multiplies and not refused


def _is_weight(value: Any) -> bool:
    """Whether a value is a large weight, laid out in any way."""
    if math.prod(value.type.shape) < _LARGE:
        return False
    owner = value.owner
    while getattr(owner, "name", None) in _LAYOUTS:
        owner = owner.operands[0].owner
    return getattr(owner, "name", None) == _WEIGHT


@contextmanager
def _operations(text: str, *, source: str) -> Generator[list[Any]]:
    """The operations of a module's body, whichever form and dialects its text has."""
    ir = _bindings()
    flags = ["--allow-unregistered-dialect", "--mlir-print-op-generic", "--mlir-print-debuginfo"]
    generic = run_filter(find_dycl_tool("dycl-opt"), flags, text, doing=f"reading {source}")
    with ir.Context() as context:
        context.allow_unregistered_dialects = True
        module = ir.Module.parse(generic)
        yield [view.operation for view in module.body.operations]


def _bindings() -> Any:
    """The module `torch_mlir.ir`, which is not typed."""
    try:
        return importlib.import_module("torch_mlir.ir")
    except ImportError as error:
        raise CompileError("torch-mlir is not installed; run: pip install 'dycl[compiler]'") from error


def _symbol_name(op: Any) -> str:
    return str(op.attributes["sym_name"].value)


def _entry_types(op: Any) -> tuple[list[tuple[str, Any]], list[tuple[str, Any]]]:
    """The names and types of what the entry takes, and of what it gives."""
    ir = _bindings()
    signature = ir.FunctionType(ir.TypeAttr(op.attributes["function_type"]).value)
    names = [f"input{i}" for i in range(len(signature.inputs))]
    if "arg_attrs" in op.attributes:
        for i, attributes in enumerate(op.attributes["arg_attrs"]):
            names[i] = attributes["dycl.name"].value if "dycl.name" in attributes else names[i]
    outputs = [(f"output{i}", type_) for i, type_ in enumerate(signature.results)]
    return list(zip(names, signature.inputs, strict=True)), outputs


def _is_tensor(type_: Any) -> bool:
    return isinstance(type_, _bindings().RankedTensorType)


def _dtype_and_shape(type_: Any) -> tuple[str, tuple[int | None, ...]]:
    if not _is_tensor(type_):
        return "i64" if str(type_) == "index" else str(type_), ()
    shape = tuple(None if type_.is_dynamic_dim(i) else type_.get_dim_size(i) for i in range(type_.rank))
    return str(type_.element_type), shape
