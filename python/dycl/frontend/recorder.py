# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Records the ATen ops that the model runs, functionalized and decomposed, into a stack of graphs.

All of torch's private API that capturing needs is in this file. Three modes work on each op, outermost first:
functionalization (in-place ops and views become pure ones), this recorder, fake tensors (shapes and dtypes, no data).
The order follows from the mode keys, not from the nesting of `with`: a dispatch mode without a key would run before
functionalization, so the recorder takes the proxy tracer's.

One graph is recorded for each branch or loop body. A node may refer to nodes of the graphs around it, as a nested
region in MLIR may: nothing has to be lifted into arguments.
"""

# pyright: reportPrivateUsage=false, reportPrivateImportUsage=false, reportAttributeAccessIssue=false

from __future__ import annotations

import logging
import operator
import types
import warnings
import weakref
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import fx
from torch._dispatch.python import enable_python_dispatcher
from torch._subclasses.fake_tensor import (
    DataDependentOutputException,
    DynamicOutputShapeException,
    FakeTensor,
    FakeTensorMode,
)
from torch._subclasses.functional_tensor import FunctionalTensor, FunctionalTensorMode
from torch.utils import _pytree as pytree
from torch.utils._python_dispatch import TorchDispatchMode, _disable_current_modes

from dycl.errors import UnsupportedConstructError
from dycl.frontend import elementwise, narrow_integers
from dycl.frontend.bounds import is_trusted, trusted, upper_bound_of
from dycl.frontend.decompositions import counted, decompositions
from dycl.frontend.draws import Draws, in_memory_order, is_random, memory_order, refusal
from dycl.frontend.indices import in_bounds, is_indexing, is_write
from dycl.frontend.locations import here
from dycl.frontend.memory import Memory, Write
from dycl.frontend.sizes import Sizes, is_static, reassociation, same_size, same_sizes
from dycl.frontend.values import Site

aten = torch.ops.aten

COND = torch.ops.higher_order.cond
"""Target of a branch node: args (predicate,), meta["branches"] = (then graph, else graph)."""

WHILE = torch.ops.higher_order.while_loop
"""Target of a loop node: args (first condition, *inits), meta["body"] = a graph whose placeholders are the
loop-carried values and whose outputs are (next condition, *next values)."""


def POISON() -> torch.Tensor:  # noqa: N802 (a node's target needs a callable with a name)
    """Target of a node whose value no path reads."""
    raise AssertionError("poison is never run")


def ASSERT(holds: bool, message: str) -> None:  # noqa: N802 (likewise)
    """Target of a node that ends the program where what an op takes for granted does not hold.

    It is recorded before the op, which may read or write outside of memory otherwise.
    """
    if not holds:
        raise RuntimeError(message)


BATCH_NORM = aten._native_batch_norm_legit_no_training.default
"""Kept whole: `fold.py` folds it into the layer before, or brings it to a form that lowers."""

_BATCH_NORMS = {
    aten.native_batch_norm.default,
    aten._native_batch_norm_legit.default,
    aten._native_batch_norm_legit_functional.default,
}
"""The others; their argument 5 is "training"."""

_LIFTS = {aten.lift_fresh.default, aten.lift_fresh_copy.default, aten.lift.default}

_RESHAPES = {aten.view.default, aten._unsafe_view.default, aten.reshape.default}

_LAID_OUT = {
    aten._scaled_dot_product_flash_attention_for_cpu.default,
    aten.native_layer_norm.default,
    aten.sort.default,
    aten.sort.stable,
}
"""Ops whose decompositions may order the memory of their results otherwise than the op."""

# `full` decomposes into `empty` and `full_like`, which says less.
_KEPT = {BATCH_NORM, aten.full.default}


def _is_contiguous(tensor: torch.Tensor) -> bool:
    """Whether a tensor is contiguous, by the form of its sizes; nothing is assumed of them."""
    stride: Any = 1
    for size, step in zip(reversed(tensor.shape), reversed(tensor.stride()), strict=True):
        if is_static(size) and int(size) == 1:
            continue
        if not same_size(step, stride):
            return False
        stride = stride * size
    return True


def _compact(tensor: torch.Tensor) -> torch.Tensor:
    return aten.clone.default(tensor, memory_format=torch.contiguous_format)


def _batch_norm(
    x: torch.Tensor,
    weight: torch.Tensor | None,
    bias: torch.Tensor | None,
    mean: torch.Tensor,
    variance: torch.Tensor,
    momentum: float,  # noqa: ARG001 (the op's signature)
    epsilon: float,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """A batch norm in evaluation mode, of a layer that the model makes on the way."""
    shape = (-1, *[1] * (x.dim() - 2))
    y = (x - mean.reshape(shape)) * torch.rsqrt(variance + epsilon).reshape(shape)
    y = y if weight is None else y * weight.reshape(shape)
    nothing = torch.empty((0,), dtype=x.dtype)
    return (y if bias is None else y + bias.reshape(shape)), nothing, nothing


def is_recorded(value: Any) -> bool:
    """Whether a value is a tensor of the program, as user code sees it."""
    return isinstance(value, FunctionalTensor)


@contextmanager
def outside_modes() -> Generator[None]:
    """A context in which torch computes on real data, as if nothing were recorded."""
    # Torch's own decompositions, which are on while modes are, do not raise all that its kernels raise.
    with _disable_current_modes(), torch._C._DisablePythonDispatcher():  # pyright: ignore[reportPrivateUsage]
        yield


def _decide_squeezed(tensor: torch.Tensor, dims: Any = None) -> None:
    """Asks whether a dynamic size is 1: torch assumes that it is not, without noting it."""
    chosen = range(tensor.dim()) if dims is None else dims if isinstance(dims, (tuple, list)) else (dims,)
    for dim in chosen:
        if not is_static(tensor.shape[dim]):
            bool(tensor.shape[dim] == 1)


def _items(out: Any) -> Sequence[Any]:
    """What an op gives, one by one."""
    return out if isinstance(out, (tuple, list)) else (out,)


class _TrackingFunctionalMode(FunctionalTensorMode):
    """Functionalization that remembers, weakly, which tensors are alive.

    A branch may write to any tensor that existed before it; these have to be compared and restored. Asking the garbage
    collector instead was measured 9 times slower.
    """

    def __init__(self) -> None:
        super().__init__()
        self.live: dict[int, weakref.ref[FunctionalTensor]] = {}
        self.memory = Memory()
        self.draws: Draws | None = None

        # For the storage of a tensor: copies that eager makes as views of it, or what this one is such a copy of.
        self.copies: weakref.WeakKeyDictionary[Any, list[weakref.ref[FunctionalTensor]]] = weakref.WeakKeyDictionary()

    def _check_writes(self, func: Any, args: Any, kwargs: dict[str, Any]) -> None:
        """Refuses in-place writes whose effect on other tensors would be lost."""
        for index, argument in enumerate(func._schema.arguments):
            if argument.alias_info is None or not argument.alias_info.is_write:
                continue
            value = args[index] if index < len(args) else kwargs.get(argument.name)
            if isinstance(value, FunctionalTensor):
                self.memory.check_write(value.untyped_storage(), self.live.values(), here())
                self._check_copies(value)
            elif isinstance(value, torch.Tensor):
                raise UnsupportedConstructError(
                    "an in-place write to a tensor that is neither an argument nor the model's",
                    hint="keep it as a buffer of the module (`register_buffer`), or pass it as an argument",
                    location=here(),
                )

    def _check_copies(self, tensor: FunctionalTensor) -> None:
        if any(copy() is not None for copy in self.copies.get(tensor.untyped_storage(), ())):
            raise UnsupportedConstructError(
                "an in-place write to a tensor and to an item of it, read at a position that depends on tensor values: "
                "in eager the one is a view of the other",
                hint="make a copy where it is read: `row = y[n].clone()`",
                location=here(),
            )

    def track(self, tensor: FunctionalTensor) -> None:
        key = id(tensor)
        self.live[key] = weakref.ref(tensor, lambda _, key=key: self.live.pop(key, None))  # type: ignore[misc]

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func._schema.is_mutable:
            self._check_writes(func, args, kwargs or {})
        if func.overloadpacket is aten.squeeze:
            _decide_squeezed(*args)
        if func is aten._linalg_check_errors.default:
            raise UnsupportedConstructError(
                f"`{args[1]}`, which torch-mlir does not lower",
                hint="compute it outside of the model; of small matrices, `torch.linalg.cholesky` and "
                "`torch.linalg.solve_triangular` work",
                location=here(),
            )
        if self.draws is not None and func.namespace == "aten" and is_random(func):
            with trusted():
                drawn = self.draws.run(func, args, kwargs or {})
            if drawn is not NotImplemented:
                return drawn
        out = super().__torch_dispatch__(func, types, args, kwargs)
        if any(isinstance(value, FakeTensor) for value in _items(out)) and not any(
            result.alias_info for result in func._schema.returns
        ):
            # What is made of tensors outside of the program alone (`zeros_like(GLOBAL)`) is the program's own.
            with self:
                out = pytree.tree_map_only(FakeTensor, FunctionalTensor.to_functional, out)
        for value in _items(out):
            if type(value) is FunctionalTensor:
                self.track(value)
        return out


_FILLS = (aten.full.default, aten.full_like.default)
_CONVERSIONS = (aten._to_copy.default, torch.ops.prims.convert_element_type.default)


class Recorder(TorchDispatchMode):
    """Records ops into `graph`; `branch` and `enter` change which graph that is.

    Attributes:
        fake: the fake tensor mode that computes shapes and dtypes.
        sizes: the symbols of sizes that are not known yet.
        graph: the graph that ops are recorded into now.
        lift: called with a real tensor that is not known yet; gives its node. Set by `capture.py`.
        allow_random: whether random ops, and training mode, are recorded as they are.
        before: for each op that eager checks, what records the check; called with its arguments, recorded ones. Set by
            `capture.py`.
        is_mha_fused: whether eager takes its fused transformer layers where it can.
    """

    def __init__(self, *, allow_random: bool) -> None:
        super().__init__()
        self._mode_key = torch._C._TorchDispatchModeKey.PROXY  # type: ignore[assignment]
        # What torch expects of a mode under that key.
        self.enable_tracing = False
        self.tracer = types.SimpleNamespace(tensor_tracker={})
        self.sizes = Sizes()
        self.fake = FakeTensorMode(allow_non_fake_inputs=True, shape_env=self.sizes.env)
        self.functional = _TrackingFunctionalMode()
        self.graph = fx.Graph()
        self.lift: Callable[[torch.Tensor], fx.Node] | None = None
        self.allow_random = allow_random
        self.before: Mapping[Any, Callable[[Sequence[Any], dict[str, Any]], None]] = {}
        self.is_mha_fused = torch.backends.mha.get_fastpath_enabled()
        self._nodes: dict[int, fx.Node] = {}
        self._around: dict[fx.Graph, fx.Graph] = {}
        self._kept: list[torch.Tensor] = []  # keeps the ids in _nodes unique
        self._table = decompositions()
        self._required: set[tuple[fx.Graph, Any]] = set()
        self.sizes.env.require = self._require

    @contextmanager
    def active(self) -> Generator[None]:
        """Torch records here while this is entered."""
        with ExitStack() as stack:
            stack.enter_context(torch.no_grad())
            stack.enter_context(warnings.catch_warnings())
            warnings.filterwarnings("ignore", message="TF32 acceleration")
            stack.enter_context(_quiet())
            # oneDNN and the fused transformer paths are opaque ops that nothing below could compile.
            stack.enter_context(torch.backends.mkldnn.flags(enabled=False))
            self.is_mha_fused = torch.backends.mha.get_fastpath_enabled()
            torch.backends.mha.set_fastpath_enabled(False)
            stack.callback(torch.backends.mha.set_fastpath_enabled, self.is_mha_fused)
            stack.callback(self.sizes.env.detach)
            stack.enter_context(self.sizes.assuming_nothing())
            # Torch's decompositions in C++ take sizes for constants; those in Python do not.
            stack.enter_context(enable_python_dispatcher())
            stack.enter_context(self.fake)
            stack.enter_context(self)
            stack.enter_context(self.functional)
            yield

    # Tensors ---------------------------------------------------------------------------------------------------------

    def new_fake(self, tensor: torch.Tensor) -> FakeTensor:
        """A fake tensor like a real one, with static sizes."""
        with outside_modes():
            return self.fake.from_tensor(tensor.detach().contiguous(), static_shapes=True)

    def wrap(self, raw: torch.Tensor) -> FunctionalTensor:
        """The tensor that user code sees, over a recorded one."""
        wrapped = FunctionalTensor.to_functional(raw)
        self.functional.track(wrapped)
        return wrapped

    def unwrap(self, tensor: FunctionalTensor) -> torch.Tensor:
        """The recorded tensor that a user-visible one stands for now, pending writes applied."""
        torch._sync(tensor)
        return torch._from_functional_tensor(tensor.elem)

    def overwrite(self, tensor: FunctionalTensor, raw: torch.Tensor) -> None:
        """Makes a user-visible tensor, and every view of it, stand for other contents."""
        torch._functionalize_replace(tensor.elem, raw)
        torch._functionalize_commit_update(tensor.elem)
        torch._sync(tensor)

    def note_alias(self, joined: FunctionalTensor, other: FunctionalTensor, site: Site | None) -> None:
        """Notes that on some path `joined` is `other`, or shares its storage, which the graph does not know."""
        self.functional.memory.join(joined.untyped_storage(), other.untyped_storage(), site)

    @contextmanager
    def writes(self) -> Generator[list[Write]]:
        """What is written in place while this is entered."""
        writes: list[Write] = []
        self.functional.memory.writes.append(writes)
        try:
            yield writes
        finally:
            self.functional.memory.writes.pop()

    def note_copy(self, copied: FunctionalTensor, owner: FunctionalTensor) -> None:
        """Notes that in eager `copied` is a view of `owner`: writes to either are refused while both are in use."""
        for one, other in ((copied, owner), (owner, copied)):
            self.functional.copies.setdefault(one.untyped_storage(), []).append(weakref.ref(other))

    def live_tensors(self) -> list[FunctionalTensor]:
        """The user-visible tensors that exist now, the ones that own storage before their views."""
        alive = [t for t in (ref() for ref in list(self.functional.live.values())) if t is not None]
        return sorted(alive, key=lambda t: not t.is_base_tensor())

    # Nodes -----------------------------------------------------------------------------------------------------------

    def node_of(self, raw: torch.Tensor) -> fx.Node:
        """The node that computes a recorded tensor; a real tensor met for the first time is lifted."""
        node = self._nodes.get(id(raw))
        if node is None:
            if self.lift is None or isinstance(raw, FakeTensor):
                raise AssertionError(f"a tensor that was never recorded: {raw}")
            node = self.lift(raw)
            self.bind(raw, node)
        return node

    def bind(self, raw: torch.Tensor, node: fx.Node) -> None:
        self._nodes[id(raw)] = node
        self._kept.append(raw)
        self.sizes.bind(raw, node)

    def placeholder(self, name: str, like: torch.Tensor, shape: Sequence[Any] | None = None) -> FakeTensor:
        """A new input of the current graph, with the dtype of `like`, and its sizes or those of `shape`."""
        fake = like if isinstance(like, FakeTensor) else self.new_fake(like)
        fresh = self._fresh(fake, shape)
        node = self.graph.placeholder(name)
        node.meta["val"] = fresh
        self.bind(fresh, node)
        return fresh

    def poison(self, like: torch.Tensor) -> torch.Tensor:
        """A value of the size and dtype of `like` that no path reads; `importer.py` makes it `ub.poison`."""
        fresh = self._fresh(like)
        node = self.graph.call_function(POISON, ())
        self._describe(node, fresh)
        self.bind(fresh, node)
        return fresh

    def _fresh(self, like: torch.Tensor, shape: Sequence[Any] | None = None) -> FakeTensor:
        with outside_modes(), self.fake:
            if shape is None:
                fresh = torch.empty_strided(like.shape, like.stride(), dtype=like.dtype)
            else:
                fresh = torch.empty(tuple(shape), dtype=like.dtype)
        assert isinstance(fresh, FakeTensor)
        return fresh

    def emit(
        self,
        target: Any,
        args: Sequence[Any],
        results: Sequence[torch.Tensor],
        shapes: Sequence[Sequence[Any]] | None = None,
        **meta: Any,
    ) -> list[FakeTensor]:
        """Records a branch or a loop, with results that look like `results`; gives the new tensors.

        `shapes` holds their shapes, where those are others. `meta` is what the node's meta holds besides: the nested
        graphs, and the `location` if it is not the one that runs now.
        """
        node = self.graph.call_function(target, tuple(args))
        node.meta.update(meta)
        inner = set(nested_graphs(node))
        seen: dict[Any, torch.SymInt] = {}
        shapes = [self.sizes.outside(shape, inner, seen) for shape in shapes or [r.shape for r in results]]
        fresh = [self._fresh(r, None if same_sizes(r.shape, s) else s) for r, s in zip(results, shapes, strict=True)]
        self._describe(node, tuple(fresh))
        node.meta.update(meta)
        for index, raw in enumerate(fresh):
            self._bind_item(node, index, raw)
        return fresh

    def _bind_item(self, node: fx.Node, index: int, raw: torch.Tensor) -> None:
        item = node.graph.call_function(operator.getitem, (node, index))
        item.meta.update(location=node.meta["location"], val=raw)
        self.bind(raw, item)

    def _describe(self, node: fx.Node, value: Any) -> None:
        node.meta["val"] = value
        node.meta["location"] = here()

    def _require(self, equation: Any) -> None:
        """Sizes have to agree for what is recorded next."""
        if (self.graph, equation) not in self._required:
            self._required.add((self.graph, equation))
            location = here()
            message = "sizes that depend on tensor values do not agree" + (f", at {location}" if location else "")
            node = self.graph.call_function(ASSERT, (self.sizes.emit_equation(self.graph, equation), message))
            node.meta.update(val=None, location=location)

    def loop(
        self, condition: torch.Tensor, inits: Sequence[torch.Tensor], body: Callable[..., Sequence[torch.Tensor]]
    ) -> Sequence[torch.Tensor]:
        """Records a loop of recorded tensors: see `random_numbers.Loop`."""
        graph = self.new_graph()
        with self.into(graph):
            carried = [self.placeholder(f"carried_{i}", init) for i, init in enumerate(inits)]
            graph.output(tuple(map(self.node_of, body(*carried))))
        return self.emit(WHILE, [self.node_of(value) for value in (condition, *inits)], inits, body=graph)

    def new_graph(self) -> fx.Graph:
        """A graph for a side of a branch, or the body of a loop, of the open graph."""
        graph = fx.Graph()
        self._around[graph] = self.graph
        return graph

    def seen_here(self, tensors: Iterable[FunctionalTensor]) -> list[tuple[FunctionalTensor, torch.Tensor]]:
        """Those that are not made on another side, or in a loop that has ended; each with what it stands for."""
        seen: set[fx.Graph] = set()
        graph: fx.Graph | None = self.graph
        while graph is not None:
            seen.add(graph)
            graph = self._around.get(graph)
        found: list[tuple[FunctionalTensor, torch.Tensor]] = []
        for tensor in tensors:
            raw = self.unwrap(tensor)
            node = self._nodes.get(id(raw))
            if node is None or node.graph in seen:
                found.append((tensor, raw))
        return found

    @contextmanager
    def into(self, graph: fx.Graph) -> Generator[None]:
        """Records into another graph while this is entered."""
        outer, self.graph = self.graph, graph
        try:
            yield
        finally:
            self.graph = outer

    # Ops -------------------------------------------------------------------------------------------------------------

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func.namespace == "prim":
            return func(*args, **kwargs)
        if func is aten.detach.default:
            return args[0]
        if func is aten._local_scalar_dense.default:
            return self._python_number(func, args[0])
        if func in _LIFTS:
            # A literal such as `torch.tensor(3.0)` enters the program: a constant, by another name.
            out = func(*args, **kwargs)
            self.bind(out, self.node_of(args[0]))
            return out
        self._refuse_training(func, args)
        check = self.before.get(func)
        if check is not None and not is_trusted():
            with self, trusted():
                check(args, kwargs)
        args = narrow_integers.with_wrapped_numbers(func, tuple(args))
        if func is BATCH_NORM and not self._is_of_weights(args[1:5]):
            with self:
                return _batch_norm(*args)
        if func is aten.bincount.default:
            bound = upper_bound_of(self.node_of(args[0]))
            with self:
                counts = counted(*args, **kwargs, bound=bound)
            if counts is not None:
                return counts
        if func not in _KEPT:
            decomposition = self._table.get(func)
            if decomposition is not None:
                with self, trusted():
                    out = decomposition(*args, **kwargs)
                if out is not NotImplemented:
                    if func in _LAID_OUT:
                        out = self._laid_out(func, args, kwargs, out)
                    return self._without_gaps(func, args, out)
            with self:
                out = func.decompose(*args, **kwargs)
            if out is not NotImplemented:
                return out
        self._refuse_random(func)
        if func in _FILLS:
            shape = args[0] if func is aten.full.default else args[0].shape
            dtype = kwargs.get("dtype") or (args[0].dtype if isinstance(args[0], torch.Tensor) else None)
            filled = self._filled(shape, args[1], dtype) if dtype in narrow_integers.NARROW else None
            if filled is not None:
                return filled
        if narrow_integers.is_arithmetic(func, args, kwargs):
            out = self._shapes_of(func, args, kwargs)
            if isinstance(out, torch.Tensor):
                with self:
                    return narrow_integers.in_32_bits(func, args, kwargs, out.dtype)
        if func is aten.pow.Tensor_Tensor and torch.result_type(*args).is_floating_point:
            return self._record_power(*args)
        if func is torch.ops.prims.squeeze.default:
            # What a condition says is 1, the type does not.
            with self:
                for dim in args[1]:
                    if not is_static(args[0].shape[dim]):
                        args = (args[0].narrow(dim, 0, 1), *args[1:])
        prepare = elementwise.PREPARED.get(func)
        if prepare is not None:
            with self:
                args = prepare(*args)
        if is_indexing(func):
            return self._record_in_bounds(func, args, kwargs)
        return self._record(func, args, kwargs)

    def _filled(self, shape: Any, number: Any, dtype: torch.dtype) -> torch.Tensor | None:
        """A tensor of a constant of 8 bits: torch-mlir folds the conversion of one to a constant of the wrong type."""
        if type(number) not in (bool, int, float):
            return None
        with outside_modes():
            one = torch.full((), number).to(dtype)
        with self:
            return aten.expand.default(one, list(shape))

    def _laid_out(self, func: Any, args: Any, kwargs: dict[str, Any], out: Any) -> Any:
        """What an op is decomposed into, in memory as the op gives it: random numbers are drawn in that order."""
        tensors = [value for value in pytree.tree_leaves((args, kwargs)) if isinstance(value, torch.Tensor)]
        if not all(is_static(size) for tensor in tensors for size in tensor.shape):
            return out
        if all(tensor.is_contiguous() for tensor in tensors):
            return out
        expected = func(*args, **kwargs)
        with self:
            laid_out = [
                # What nobody reads may be of another form: the logarithms of an attention's sums.
                in_memory_order(value, memory_order(like))
                if isinstance(value, torch.Tensor) and value.dim() == like.dim()
                else value
                for value, like in zip(_items(out), _items(expected), strict=True)
            ]
        return laid_out[0] if isinstance(out, torch.Tensor) else tuple(laid_out)

    def _without_gaps(self, func: Any, args: Any, out: Any) -> Any:
        """What an op of contiguous tensors is decomposed into, contiguous as well: `view` asks for it.

        A decomposition may end in a view of more (`topk` in the first of what is sorted), or in another order.
        """
        if any(result.alias_info for result in func._schema.returns):
            return out
        if not all(map(_is_contiguous, (v for v in pytree.tree_leaves(args) if isinstance(v, torch.Tensor)))):
            return out
        with self:
            return pytree.tree_map_only(torch.Tensor, lambda t: t if _is_contiguous(t) else _compact(t), out)

    def _record_power(self, base: torch.Tensor, exponent: torch.Tensor) -> torch.Tensor:
        with self:
            dtype = torch.result_type(base, exponent)
            base, exponent = base.to(dtype), exponent.to(dtype)
            size = base.abs()
        magnitude = self._record(aten.pow.Tensor_Tensor, (size, exponent), {})
        with self:
            return elementwise.signed_power(magnitude, base, exponent)

    def _record_in_bounds(self, func: Any, args: Any, kwargs: dict[str, Any]) -> Any:
        """Records an op that reads or writes at indices, none of them outside of the tensor."""
        with self:
            bounded, padded = in_bounds(func, args, self.node_of)
        out = self._record(func, bounded, kwargs)
        if is_write(func):
            with self:
                for dim in padded:
                    out = out.narrow(dim, 0, args[0].shape[dim])
        return out

    def _record(self, func: Any, args: Any, kwargs: dict[str, Any]) -> Any:
        """Records an op as it is."""
        out = self._shapes_of(func, args, kwargs)
        if func in _CONVERSIONS and out.dtype in narrow_integers.NARROW:
            of = self.node_of(args[0])
            filled = self._filled(out.shape, of.args[1], out.dtype) if of.target is aten.full.default else None
            if filled is not None:
                return filled

        def to_node(value: Any) -> Any:
            return self.sizes.emit(self.graph, value) if isinstance(value, torch.SymInt) else self.node_of(value)

        if func is aten.full.default and kwargs.get("dtype") is torch.bool:
            args = (args[0], bool(args[1]))  # torch-mlir takes the last bit of another number.
        is_reshape = func in _RESHAPES and not all(map(is_static, (*args[0].shape, *out.shape)))
        if is_reshape:
            args = (args[0], list(out.shape))
        elif func in _RESHAPES and 0 in out.shape:
            # Of no elements, of which torch-mlir divides by zero.
            func, args, kwargs = aten.full.default, (list(out.shape), 0), {"dtype": out.dtype}
        node = self.graph.call_function(
            func,
            pytree.tree_map_only((torch.Tensor, torch.SymInt), to_node, args),
            pytree.tree_map_only((torch.Tensor, torch.SymInt), to_node, kwargs),
        )
        self._describe(node, out)
        if is_reshape:
            node.meta["groups"] = reassociation(args[0].shape, out.shape)
        if isinstance(out, torch.Tensor):
            self.bind(out, node)
        elif isinstance(out, (tuple, list)):
            for index, item in enumerate(out):
                if isinstance(item, torch.Tensor):
                    self._bind_item(node, index, item)
        return out

    def _is_of_weights(self, tensors: Sequence[torch.Tensor | None]) -> bool:
        """Whether tensors come from outside of the program, so that `fold.py` knows them."""
        return all(t is None or self.node_of(t).op == "placeholder" for t in tensors)

    def _shapes_of(self, func: Any, args: Any, kwargs: dict[str, Any]) -> Any:
        """The results of an op as fake tensors."""
        try:
            if func is aten.convolution.default:
                # It asks for the sizes to choose a backend and a memory format, which do not matter here.
                with self.sizes.env.suppress_guards():
                    return func(*args, **kwargs)
            return func(*args, **kwargs)
        except (DataDependentOutputException, DynamicOutputShapeException) as error:
            raise UnsupportedConstructError(
                f"`{func.overloadpacket.__name__}` makes a tensor whose size depends on values",
                hint="use a form of fixed size instead, such as `torch.where` or a mask",
                location=here(),
            ) from error

    def __sym_dispatch__(self, func: Any, types: Any, args: Any, kwargs: dict[str, Any]) -> Any:
        """Arithmetic on symbolic sizes is not recorded as it runs: `sizes.py` makes nodes of what is used."""
        return func(*args, **kwargs)

    def _python_number(self, func: Any, tensor: torch.Tensor) -> Any:
        if isinstance(tensor, FakeTensor) and tensor.constant is None:
            raise UnsupportedConstructError(
                "a tensor's value is used as a Python number, or in a Python condition, by code that dycl does not "
                "rewrite (a library function, a generator, or code without source)",
                hint="do it in a plain function or method of your own, or with torch operations",
                location=here(),
            )
        return func(tensor)

    def _refuse_training(self, func: Any, args: Any) -> None:
        """A batch norm that takes its statistics from the batch: refused by name, before it decomposes."""
        is_training = func in _BATCH_NORMS and args[5]
        if is_training and not self.allow_random:
            raise UnsupportedConstructError(
                "a batch norm in training mode", hint="call model.eval() before compiling", location=here()
            )

    def _refuse_random(self, func: Any) -> None:
        if not self.allow_random and is_random(func):
            raise refusal(func)


@contextmanager
def _quiet() -> Generator[None]:
    """Torch logs, with a traceback, an op that raises; whether that is a fault is for the user's program to say."""
    logger = logging.getLogger("torch._subclasses.fake_tensor")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(level)


def graph_outputs(graph: fx.Graph) -> tuple[fx.Node, ...]:
    """The nodes that a graph yields."""
    output = next(n for n in reversed(graph.nodes) if n.op == "output")
    return tuple(output.args[0])  # type: ignore[arg-type]


def nested_graphs(node: fx.Node) -> Iterable[fx.Graph]:
    """The graphs of a branch's or a loop's sides."""
    if node.target is COND:
        return node.meta["branches"]
    if node.target is WHILE:
        return (node.meta["body"],)
    return ()
