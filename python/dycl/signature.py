# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""What a program takes and gives: flat tensors for the host, nested Python values for its caller.

The host program is flat: `main(inputs..., state...) -> (outputs..., mutated inputs..., new state...)`, all tensors.
A `Structure` says how a nested Python value is made of such flat tensors, Python numbers and constants, so that a
caller gets the same tuples, lists, dicts and numbers as from eager PyTorch. This file imports neither torch nor a
compiler: a loaded bundle needs it, and a device may have nothing else.
"""

from __future__ import annotations

import importlib
import sys
from collections import OrderedDict, namedtuple
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, is_dataclass
from typing import Any

Json = Any


@dataclass(frozen=True)
class TensorSpec:
    """A flat tensor at the program's border.

    Attributes:
        name: how a user knows it: "x", "args[0]['ids']", "self.count".
        dtype: MLIR's spelling: "f32", "f64", "i64", "i32", "i1", "f16", "bf16", "ui8", ...
        shape: one entry a dimension; None where the size is dynamic.
    """

    name: str
    dtype: str
    shape: tuple[int | None, ...]

    def __str__(self) -> str:
        """As MLIR and the command line write it: `1x3x32x32xf32`, `?x4xi64`, `f32` for a scalar."""
        return "x".join([*("?" if d is None else str(d) for d in self.shape), self.dtype])

    def to_json(self) -> Json:
        return {"name": self.name, "dtype": self.dtype, "shape": list(self.shape)}

    @staticmethod
    def from_json(data: Json) -> TensorSpec:
        return TensorSpec(data["name"], data["dtype"], tuple(data["shape"]))


@dataclass(frozen=True)
class DynamicSize:
    """A size of inputs that may be another at each call.

    Attributes:
        name: what the user calls it: "batch", "x.shape[0]".
        low, high: its range, both included.
        excluded: sizes in that range that the program does not take.
        places: where it is found: `(input, dimension, scale, offset)` for a size of `scale * this + offset`.
        equals: `(name, scale, offset)` of another dynamic size, if this one has to be `scale * other + offset`.
    """

    name: str
    low: int
    high: int
    excluded: tuple[int, ...] = ()
    places: tuple[tuple[int, int, int, int], ...] = ()
    equals: tuple[str, int, int] | None = None

    def to_json(self) -> Json:
        out: dict[str, Any] = {"name": self.name, "low": self.low, "high": self.high}
        if self.excluded:
            out["excluded"] = list(self.excluded)
        out["places"] = [list(place) for place in self.places]
        if self.equals:
            out["equals"] = list(self.equals)
        return out

    @staticmethod
    def from_json(data: Json) -> DynamicSize:
        places = tuple((int(i), int(d), int(s), int(o)) for i, d, s, o in data["places"])
        equals = data.get("equals")
        return DynamicSize(
            data["name"],
            data["low"],
            data["high"],
            tuple(data.get("excluded", ())),
            places,
            (equals[0], equals[1], equals[2]) if equals else None,
        )


_NUMBERS: dict[str, type] = {"bool": bool, "int": int, "float": float}


@dataclass(frozen=True)
class Structure:
    """How a nested value is built. `kind` is one of:

    - "tensor": the flat tensor `index`;
    - "number": the flat 0-d tensor `index`, as the Python type `type` ("bool", "int", "float");
    - "constant": `value`, a JSON-able Python constant known at compile time (None, bool, int, float, str);
    - "tuple", "list": of `items`;
    - "dict", "OrderedDict": of `keys` to `items`;
    - "namedtuple", "dataclass": of the class `type` ("module:qualname") with field names `keys` and values `items`;
    - "choice": one of `items`, another on each path of the program; the flat 0-d i64 `index` says which. What the
      others are made of has no value then;
    - "one_of": one of the constants after the first of `items`, a number that says which, counted from 0;
    - "rows": a list (or the `type` "tuple") of as many items as the flat tensors of its one item have rows;
    - "narrowed": the first elements of a tensor, the first of `items`: along each dimension of `keys`, as many as the
      number says that is its place among the other items.
    """

    kind: str
    index: int = -1
    type: str = ""
    value: Any = None
    keys: tuple[Any, ...] = ()
    items: tuple[Structure, ...] = field(default=())

    def to_json(self) -> Json:
        out: dict[str, Any] = {"kind": self.kind}
        if self.kind in ("tensor", "number", "choice"):
            out["index"] = self.index
        if self.type:
            out["type"] = self.type
        if self.kind == "constant":
            out["value"] = self.value
        if self.keys:
            out["keys"] = list(self.keys)
        if self.kind not in ("tensor", "number", "constant"):
            out["items"] = [item.to_json() for item in self.items]
        return out

    @staticmethod
    def from_json(data: Json) -> Structure:
        return Structure(
            kind=data["kind"],
            index=data.get("index", -1),
            type=data.get("type", ""),
            value=data.get("value"),
            keys=tuple(data.get("keys", ())),
            items=tuple(Structure.from_json(item) for item in data.get("items", ())),
        )

    def build(self, leaf: Callable[[Structure], Any]) -> Any:
        """The nested value; `leaf` gives the value of each "tensor" and "number", and the index of each "choice"."""
        if self.kind in ("tensor", "number"):
            return leaf(self)
        if self.kind == "choice":
            return self.items[leaf(self)].build(leaf)
        if self.kind == "constant":
            return self.value
        if self.kind == "rows":
            rows = self._rows(leaf)
            return tuple(rows) if self.type == "tuple" else rows
        values = [item.build(leaf) for item in self.items]
        if self.kind == "narrowed":
            return self._narrowed(*values)
        if self.kind == "one_of":
            place, *constants = values
            return None if place is None else constants[place]
        if self.kind == "tuple":
            return tuple(values)
        if self.kind == "list":
            return values
        if self.kind == "dict":
            return dict(zip(self.keys, values, strict=True))
        if self.kind == "OrderedDict":
            return OrderedDict(zip(self.keys, values, strict=True))
        cls = _resolve_class(self.type, self.kind, tuple(map(str, self.keys)))
        if self.kind == "namedtuple":
            # Where the class cannot be imported (a device without the user's code), an equal-looking one serves.
            if cls is None:
                name = self.type.rpartition(":")[2].rpartition(".")[2]
                cls = namedtuple(name, [str(key) for key in self.keys])  # pyright: ignore[reportUntypedNamedTuple]
            return cls(*values) if hasattr(cls, "_fields") else cls(values)
        if self.kind == "dataclass":
            named = dict(zip(self.keys, values, strict=True))
            return cls(**named) if cls else named
        raise ValueError(f"unknown structure kind {self.kind!r}")

    def _rows(self, leaf: Callable[[Structure], Any]) -> list[Any]:
        (item,) = self.items
        stacks: dict[int, Any] = {}

        def note(node: Structure) -> None:
            stacks[node.index] = leaf(Structure("tensor", index=node.index))

        item.build(note)

        def row(i: int) -> Any:
            def part(node: Structure) -> Any:
                value = stacks[node.index][i]
                return _NUMBERS[node.type](value.item()) if node.kind == "number" else value

            return item.build(part)

        return [row(i) for i in range(len(next(iter(stacks.values()))))]

    def _narrowed(self, tensor: Any, *sizes: Any) -> Any:
        if tensor is None:
            return None
        parts: list[Any] = [slice(None)] * len(tensor.shape)
        for dim, size in zip(self.keys, sizes, strict=True):
            parts[dim] = slice(size)
        return tensor[tuple(parts)]

    def nodes(self, kind: str) -> Iterator[Structure]:
        """The nodes of a kind in it."""
        if self.kind == kind:
            yield self
        for item in self.items:
            yield from item.nodes(kind)


_TORCHS = "torch.return_types"
"""Where the classes are of what torch's functions return."""


def _resolve_class(name: str, kind: str, keys: tuple[str, ...]) -> Any:
    """The class of "module:qualname" if its module can be imported here and it has these fields, else None.

    The name comes from a manifest, which may be a stranger's: nothing else than such a class is called.
    """
    module, _, qualname = name.partition(":")
    if module == _TORCHS:
        found = getattr(sys.modules.get(module), qualname, None)  # Not imported: that takes seconds.
        is_named = isinstance(found, type) and issubclass(found, tuple)
        return found if is_named and getattr(found, "__match_args__", None) == keys else None
    try:
        found: Any = importlib.import_module(module)
        for part in qualname.split("."):
            found = getattr(found, part)
    except (ImportError, AttributeError):
        return None
    if not isinstance(found, type):
        return None
    if kind == "namedtuple":
        return found if issubclass(found, tuple) and getattr(found, "_fields", None) == keys else None
    return found if is_dataclass(found) and tuple(f.name for f in fields(found)) == keys else None


def structure_of(value: Any, leaf: Callable[[Any], Structure | None]) -> Structure:
    """The structure of a nested value.

    Args:
        value: nested tuples, lists, dicts, namedtuples, dataclasses of leaves.
        leaf: the Structure of a leaf; None for what it does not know.

    Raises:
        TypeError: for a leaf that neither `leaf` nor JSON knows; the message names its type.
    """
    found = leaf(value)
    if found is not None:
        return found
    if value is None or isinstance(value, (bool, int, float, str)):
        return Structure("constant", value=value)
    names = field_names(value)
    if isinstance(value, tuple) and names is not None:
        return Structure("namedtuple", type=_class_name(value), keys=names, items=_structures(value, leaf))
    if isinstance(value, tuple):
        return Structure("tuple", items=_structures(value, leaf))
    if isinstance(value, list):
        return Structure("list", items=_structures(value, leaf))
    if is_dataclass(value) and not isinstance(value, type):
        names = tuple(f.name for f in fields(value))
        items = _structures([getattr(value, name) for name in names], leaf)
        return Structure("dataclass", type=_class_name(value), keys=names, items=items)
    if isinstance(value, OrderedDict):
        return Structure("OrderedDict", keys=tuple(value), items=_structures(tuple(value.values()), leaf))
    if isinstance(value, Mapping):
        return Structure("dict", keys=tuple(value), items=_structures(tuple(value.values()), leaf))
    raise TypeError(f"a value of type {type(value).__name__} is neither a tensor nor a constant")


def field_names(value: Any) -> tuple[str, ...] | None:
    """The names of the items of a named tuple, or of what torch's functions return (`x.max(0)`); None for others."""
    if not isinstance(value, tuple):
        return None
    names: Any = getattr(value, "_fields", None)
    if names is None and hasattr(value, "n_sequence_fields"):
        names = type(value).__match_args__  # type: ignore[attr-defined]
    return None if names is None else tuple(names)


def _structures(values: Sequence[Any], leaf: Callable[[Any], Structure | None]) -> tuple[Structure, ...]:
    return tuple(structure_of(v, leaf) for v in values)


def _class_name(value: Any) -> str:
    return f"{type(value).__module__}:{type(value).__qualname__}"


@dataclass(frozen=True)
class Signature:
    """A program's border.

    Attributes:
        name: the program's name, e.g. "SkipNet".
        inputs: flat tensor inputs, in the order of the host's leading arguments.
        input_structure: the structure of `(args, kwargs)`: a "tuple" of a "tuple" and a "dict".
            Constants in it are compile-time constants: a call must pass equal ones.
        parameter_names: names of the callable's positional parameters, for messages and for binding keywords.
        outputs: flat tensor outputs, in the order of the host's leading results.
        output_structure: how the caller's result is made of `outputs`.
        mutated_inputs: indices of `inputs` that the program writes; their new values follow the outputs.
        state: buffers and attributes that carry over from call to call, and the random number generator
            (`host_runtime.GENERATOR`); trailing arguments, and trailing results.
        exceptions: what the program may raise instead of returning: the name of a built-in exception, or
            "module:qualname(BUILTIN)" of one that derives from it, and its arguments. One is a constant, or where it
            depends on data, a dict of JSON: `{"value": k, "type": "int"}` is the exception value k as that Python type,
            `{"text": pieces}` the concatenation of strings and of such values, which have a "conversion" ("", "r" or
            "s") and a format "spec" then. Where there are any exceptions, the last of `outputs`, a 0-d i64 named
            "exception", is 0 or one more than the index of what is to be raised; the results have no value then.
        exception_values: how many of `outputs`, before the last, are values in the arguments of exceptions.
        sizes: the sizes of inputs that may be another at each call.
    """

    name: str
    inputs: tuple[TensorSpec, ...]
    input_structure: Structure
    outputs: tuple[TensorSpec, ...]
    output_structure: Structure
    mutated_inputs: tuple[int, ...] = ()
    state: tuple[TensorSpec, ...] = ()
    parameter_names: tuple[str, ...] = ()
    exceptions: tuple[tuple[Any, ...], ...] = ()
    exception_values: int = 0
    sizes: tuple[DynamicSize, ...] = ()

    @property
    def results(self) -> tuple[TensorSpec, ...]:
        """The outputs that the caller's result is made of."""
        return self.outputs[: -1 - self.exception_values] if self.exceptions else self.outputs

    def to_json(self) -> Json:
        return {
            "name": self.name,
            "inputs": [spec.to_json() for spec in self.inputs],
            "input_structure": self.input_structure.to_json(),
            "outputs": [spec.to_json() for spec in self.outputs],
            "output_structure": self.output_structure.to_json(),
            "mutated_inputs": list(self.mutated_inputs),
            "state": [spec.to_json() for spec in self.state],
            "parameter_names": list(self.parameter_names),
            "exceptions": [list(entry) for entry in self.exceptions],
            "exception_values": self.exception_values,
            "sizes": [size.to_json() for size in self.sizes],
        }

    @staticmethod
    def from_json(data: Json) -> Signature:
        def specs(key: str) -> tuple[TensorSpec, ...]:
            return tuple(TensorSpec.from_json(item) for item in data[key])

        return Signature(
            name=data["name"],
            inputs=specs("inputs"),
            input_structure=Structure.from_json(data["input_structure"]),
            outputs=specs("outputs"),
            output_structure=Structure.from_json(data["output_structure"]),
            mutated_inputs=tuple(data["mutated_inputs"]),
            state=specs("state"),
            parameter_names=tuple(data["parameter_names"]),
            exceptions=tuple(tuple(entry) for entry in data.get("exceptions", ())),
            exception_values=data.get("exception_values", 0),
            sizes=tuple(DynamicSize.from_json(item) for item in data.get("sizes", ())),
        )
