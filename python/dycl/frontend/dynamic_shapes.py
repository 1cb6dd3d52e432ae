# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""`dynamic_shapes=`, as `torch.export.export` takes it: which sizes of which input may vary.

For each argument it holds None, or, for a tensor, a dict from dimensions to a `torch.export.Dim` (or `Dim.DYNAMIC`,
`Dim.AUTO`; None, an int or `Dim.STATIC` for a size that does not vary), or a tuple of these with one for each
dimension; for a container of tensors, a container of such. One `Dim` in several places is one size.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch.export import Dim
from torch.export.dynamic_shapes import ShapesCollection

from dycl.errors import UnsupportedConstructError
from dycl.frontend.sizes import Sizes
from dycl.signature import Structure

Shape = list[int | torch.SymInt]


def shapes_of_inputs(
    declared: Any,
    structure: Structure,
    tensors: Sequence[torch.Tensor],
    names: Mapping[int, str],
    positional: Sequence[str],
    sizes: Sizes,
) -> list[Shape]:
    """The shape of each flat input, with a symbol for each size that is declared dynamic.

    Args:
        declared: what the user gave as `dynamic_shapes`.
        structure: of `(args, kwargs)`.
        tensors: the example of each flat input.
        names: what the user calls each flat input.
        positional: the names of the model's positional parameters.
        sizes: makes the symbols.

    Raises:
        UnsupportedConstructError: the declaration does not fit the arguments.
    """
    found: dict[int, dict[int, Any]] = {}
    for item, spec in _arguments(declared, structure, positional):
        _collect(item, spec, tensors, names, found)
    symbols = _Symbols(sizes)
    # Plain ones first: a derived `2 * dim` alone has to guess the example of `dim`.
    wanted = [(i, d, dim) for i, dims in found.items() for d, dim in dims.items()]
    for index, d, dim in sorted(wanted, key=lambda w: hasattr(w[2], "root")):
        symbols.note(dim, tensors[index].shape[d], f"{names[index]}.shape[{d}]")
    return [
        [
            symbols.size(dims[d], f"{names[i]}.shape[{d}]") if d in (dims := found.get(i, {})) else n
            for d, n in enumerate(tensor.shape)
        ]
        for i, tensor in enumerate(tensors)
    ]


def _arguments(declared: Any, structure: Structure, positional: Sequence[str]) -> list[tuple[Structure, Any]]:
    """Each argument's structure with what is declared for it."""
    args, kwargs = structure.items
    items = dict(zip([*positional[: len(args.items)]], args.items, strict=False))
    named = {**items, **dict(zip(kwargs.keys, kwargs.items, strict=True))}
    if isinstance(declared, Mapping):
        if set(declared) - set(named):
            raise _wrong(f"`dynamic_shapes` names {', '.join(map(repr, sorted(set(declared) - set(named))))}", named)
        return [(named[name], spec) for name, spec in declared.items()]
    every = [*args.items, *kwargs.items]
    if not isinstance(declared, (tuple, list)) or len(declared) != len(every):
        raise _wrong(f"`dynamic_shapes` is {declared!r}", named)
    return list(zip(every, declared, strict=True))


def _wrong(what: str, named: Mapping[str, Any]) -> UnsupportedConstructError:
    return UnsupportedConstructError(
        what, hint=f"give a dict with the names of arguments ({', '.join(named)}), or a tuple with an entry for each"
    )


def _collect(
    structure: Structure,
    spec: Any,
    tensors: Sequence[torch.Tensor],
    names: Mapping[int, str],
    found: dict[int, dict[int, Any]],
) -> None:
    if spec is None:
        return
    if structure.kind == "tensor":
        tensor, name = tensors[structure.index], names[structure.index]
        if isinstance(spec, Mapping):
            dims = dict(spec)
        elif isinstance(spec, (tuple, list)) and len(spec) == tensor.dim():
            dims = dict(enumerate(spec))
        else:
            raise UnsupportedConstructError(
                f"`dynamic_shapes` declares `{spec!r}` for {name}, a tensor of {tensor.dim()} dimensions",
                hint="give a dict from dimensions to a `torch.export.Dim`, or a tuple with an entry for each dimension",
            )
        for d, dim in dims.items():
            if not isinstance(d, int) or not -tensor.dim() <= d < tensor.dim():
                raise UnsupportedConstructError(
                    f"`dynamic_shapes` declares dimension {d!r} of {name}, which has {tensor.dim()}",
                    hint="count dimensions from 0",
                )
            if _varies(dim, tensor.shape[d], f"{name}.shape[{d}]"):
                found.setdefault(structure.index, {})[d % tensor.dim()] = dim
        return
    items: Sequence[Structure] = structure.items
    if isinstance(spec, Mapping) and structure.keys:
        pairs = [(item, spec.get(key)) for key, item in zip(structure.keys, items, strict=True)]
    elif isinstance(spec, (tuple, list)) and len(spec) == len(items):
        pairs = list(zip(items, spec, strict=True))
    else:
        raise UnsupportedConstructError(
            f"`dynamic_shapes` declares `{spec!r}` for a {structure.kind} of {len(items)}",
            hint="give it the same nesting as the arguments",
        )
    for item, part in pairs:
        _collect(item, part, tensors, names, found)


def _varies(dim: Any, example: int, where: str) -> bool:
    """Whether a size is declared to vary."""
    if dim is None or dim == Dim.STATIC or (isinstance(dim, int) and not isinstance(dim, bool)):
        if isinstance(dim, int) and dim != example:
            raise UnsupportedConstructError(
                f"`dynamic_shapes` declares {where} to be {dim}; it is {example} in the example", hint="make them agree"
            )
        return False
    if not isinstance(dim, (Dim, type(Dim.DYNAMIC))):
        raise UnsupportedConstructError(
            f"`dynamic_shapes` declares `{dim!r}` for {where}", hint="use `torch.export.Dim`, `Dim.DYNAMIC` or None"
        )
    return True


class _Symbols:
    """The symbol of each `Dim`."""

    def __init__(self, sizes: Sizes) -> None:
        self._sizes = sizes
        self._symbols: dict[Any, torch.SymInt] = {}

    def note(self, dim: Any, example: int, where: str) -> None:
        """Makes the symbol that a size needs, if there is none yet."""
        root = getattr(dim, "root", dim)
        key = self._key(root, where)
        if key in self._symbols:
            return
        low, high = getattr(root, "min", None), getattr(root, "max", None)
        # torch writes an unbounded range as a symbolic infinity.
        low, high = (n if isinstance(n, int) else None for n in (low, high))
        value = example
        if root is not dim:
            offset = dim.fn(0)
            value = (example - offset) // (dim.fn(1) - offset)
        self._check(dim, example, value, (low, high), where)
        name = getattr(root, "__name__", where)
        self._symbols[key] = self._sizes.of_input(name, value, 0 if low is None else low, high)

    def size(self, dim: Any, where: str) -> int | torch.SymInt:
        function: Callable[[Any], Any] = getattr(dim, "fn", lambda size: size)
        return function(self._symbols[self._key(getattr(dim, "root", dim), where)])

    @staticmethod
    def _key(root: Any, where: str) -> Any:
        # A hint such as Dim.DYNAMIC stands for another size in each place.
        return root.__name__ if isinstance(root, Dim) else where

    @staticmethod
    def _check(dim: Any, example: int, value: int, allowed: tuple[int | None, int | None], where: str) -> None:
        low, high = allowed
        fits = getattr(dim, "fn", lambda n: n)(value) == example
        if not fits or (low is not None and value < low) or (high is not None and value > high):
            raise UnsupportedConstructError(
                f"{where} is {example} in the example, which is not in the range of `{dim}`",
                hint="give an example of a size that is declared",
            )


def plain(declared: Any, model: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
    """The declaration as nested containers, which torch lets a `ShapesCollection` stand for."""
    if isinstance(declared, ShapesCollection):
        return declared.dynamic_shapes(model, tuple(args), dict(kwargs))
    return declared
