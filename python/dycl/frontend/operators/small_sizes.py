# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Dynamic sizes that are too small for a function of torch's: the program raises what eager raises then.

Torch's rules for fake tensors take for granted that an index, a window or a number of items fits into a size that is
not known, and compiled code would read outside of the tensor, or divide by zero, which ends the process. So here is a
branch on the size, before the function runs: it is no read of the device, and on its other side the size is known. Of a
declared size, it is a bound on what the program takes instead.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from torch.fx.experimental.symbolic_shapes import statically_known_true
from torch.utils import _pytree as pytree

from dycl.frontend.bounds import is_mask
from dycl.frontend.eager_errors import ERRORS, marked
from dycl.frontend.operators.slices import dimensions_of
from dycl.frontend.recorder import is_recorded, outside_modes
from dycl.frontend.size_numbers import as_number
from dycl.frontend.sizes import Symbolic, is_static, same_size
from dycl.frontend.text import Text, text_of
from dycl.frontend.values import Number

if TYPE_CHECKING:
    from dycl.frontend.operators.indexing import Indexing

_LARGEST_TRIED = 64
"""Up to what size eager is asked whether it raises."""

_ELSEWHERE = 16
"""What other dynamic sizes are meanwhile."""

Check = Callable[..., None]


def check_call(ops: Indexing, function: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    """Raises what a function that user code calls raises where a dynamic size turns out too small.

    Args:
        ops: the operators of the capture.
        function: what is called next: a function, or a method of a tensor.
        args, kwargs: with what.
    """
    owner = getattr(function, "__self__", None)
    if isinstance(owner, torch.Tensor):
        function, args = getattr(torch.Tensor, function.__name__, None), (owner, *args)
    if isinstance(function, Hashable):
        _check(_CHECKS, ops, function, args, kwargs)


def check_window(ops: Indexing, function: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    """The same for functions that move a window, which modules of torch call, too; as `__torch_function__` has them."""
    _check(_WINDOWS, ops, function, args, kwargs)


def _check(
    checks: Mapping[Any, Check], ops: Indexing, function: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> None:
    check = checks.get(function)
    if check is None:
        return
    if not args and "input" in kwargs:
        args, kwargs = (kwargs["input"],), {name: value for name, value in kwargs.items() if name != "input"}
    if not args or not isinstance(args[0], torch.Tensor) or not is_recorded(args[0]):
        return
    tensors = [v for v in pytree.tree_leaves((args, kwargs)) if isinstance(v, torch.Tensor)]
    if not all(is_static(size) for tensor in tensors for size in tensor.shape):
        check(ops, function, *args, **kwargs)


# Positions ---------------------------------------------------------------------------------------------------------


def _check_index(ops: Indexing, _: Any, tensor: torch.Tensor, index: Any, *__: Any) -> None:
    parts = index if isinstance(index, tuple) else (index,)
    dims = [dimensions_of(part) for part in parts]
    free = tensor.dim() - sum(count for part, count in zip(parts, dims, strict=True) if part is not Ellipsis)
    dim = 0
    for place, (part, count) in enumerate(zip(parts, dims, strict=True)):
        if type(part) is int and dim < tensor.dim():
            # Eager counts the parts of the index, not the dimensions.
            where = f"index {part} is out of bounds for dimension {place} with size "
            _check_position(ops, tensor.shape[dim], part, lambda size, where=where: Text.of(where) + text_of(size, ""))
        if isinstance(part, torch.Tensor) and is_mask(part):
            _check_mask(ops, tensor, part, dim)
        dim += free if part is Ellipsis else count


def _check_mask(ops: Indexing, tensor: torch.Tensor, mask: torch.Tensor, first: int) -> None:
    """Raises an IndexError where a mask over the dimensions from `first` on has other sizes than they."""
    for d, (size, wanted) in enumerate(zip(mask.shape, tensor.shape[first:], strict=False)):
        if same_size(size, wanted):
            continue

        def fail(d: int = d) -> None:
            given, there = (text_of([as_number(s) for s in t.shape], "") for t in (mask, tensor))
            message = Text.of("The shape of the mask ") + given + f" at index {d} does not match"
            message = message + " the shape of the indexed tensor " + there + f" at index {first + d}"
            raise IndexError(message)

        _raise_where(ops, lambda size=size, wanted=wanted: size != wanted, (size, wanted), fail)


def _check_gather(ops: Indexing, function: Any, tensor: torch.Tensor, *args: Any, **kwargs: Any) -> None:
    """Raises where an index is larger than what it is taken from, or put into, or than what is put there."""
    given = dict(zip(("dim", "index", "src"), args, strict=False)) | kwargs
    dim, index, source = given.get("dim"), given.get("index"), given.get("src", given.get("value"))
    if type(dim) is not int or not isinstance(index, torch.Tensor):
        return  # The function itself will say what is wrong.
    sources = [source] if isinstance(source, torch.Tensor) and source.dim() else []
    of = [tensor, index, *sources]
    if any(t.dim() != tensor.dim() for t in of):
        return
    dim %= max(tensor.dim(), 1)

    def fail(d: int) -> None:
        shapes = [text_of([as_number(size) for size in t.shape], "") for t in of]
        if function in _GATHERS:
            start = Text.of(f"Size does not match at dimension {d} expected index ") + shapes[1]
            message = start + " to be no larger than self " + shapes[0] + f" apart from dimension {dim}"
        else:
            start = Text.of("Expected index ") + shapes[1] + " to be no larger than self " + shapes[0]
            message = start + f" apart from dimension {dim}"
            if len(shapes) > 2:
                message = message + " and to be no larger size than src " + shapes[2]
        raise RuntimeError(message)

    for d, size in enumerate(index.shape):
        for limit in [t.shape[d] for t in (*sources, *([tensor] if d != dim else []))]:
            if not same_size(size, limit) and not statically_known_true(size <= limit):
                test = lambda size=size, limit=limit: size > limit  # noqa: E731
                _raise_where(ops, test, (size, limit), lambda d=d: fail(d))


def _check_layer_norm(ops: Indexing, _: Any, tensor: torch.Tensor, *args: Any, **kwargs: Any) -> None:
    """Raises where the last sizes of a tensor are not those over which it is to be normalized."""
    shape = args[0] if args else kwargs.get("normalized_shape")
    if not isinstance(shape, (tuple, list)) or len(shape) > tensor.dim():
        return  # The function itself will say what is wrong.

    def fail() -> None:
        wanted = ", ".join(str(n) for n in shape)
        given = text_of([as_number(size) for size in tensor.shape], "")
        start = f"Given normalized_shape=[{wanted}], expected input with shape [*, {wanted}], but got input of size"
        raise RuntimeError(Text.of(start) + given)

    for size, wanted in zip(tensor.shape[tensor.dim() - len(shape) :], shape, strict=True):
        if not same_size(size, wanted) and ops.control.recorder.sizes.depends_on_data(size):
            test = lambda size=size, wanted=wanted: size != wanted  # noqa: E731
            _raise_where(ops, test, (size,), fail)


def _check_select(ops: Indexing, _: Any, tensor: torch.Tensor, dim: Any, index: Any) -> None:
    if type(dim) is int and type(index) is int and -tensor.dim() <= dim < tensor.dim():

        def message(_: Any) -> Text:
            shape = text_of([as_number(size) for size in tensor.shape], "")
            where = Text.of(f"select(): index {index} out of range for tensor of size ") + shape
            return where + f" at dimension {dim % tensor.dim()}"

        _check_position(ops, tensor.shape[dim], index, message)


def _check_position(ops: Indexing, size: Any, index: int, message: Callable[[Any], Text]) -> None:
    """Raises an IndexError of a message, given the size, where the size is too small for a position."""
    least = -index if index < 0 else index + 1
    if is_static(size) or statically_known_true(size >= least):
        return

    def fail() -> None:
        raise IndexError(message(as_number(size)))

    _raise_below(ops, size, least, fail)


def _raise_below(ops: Indexing, size: Any, least: int, fail: Callable[[], None]) -> None:
    """Raises where a size is below one."""
    _raise_where(ops, lambda: size < least, (size,), fail)


def _raise_where(ops: Indexing, test: Callable[[], Any], of: Sequence[Any], fail: Callable[[], None]) -> None:
    """Raises where a test of sizes holds: by a branch; of declared sizes by what the program says that it takes.

    A branch would take a network of convolutions over images of any size apart. One that may be 0 is asked for 0.
    """
    sizes = ops.control.recorder.sizes
    if any(sizes.depends_on_data(size) or sizes.may_have_none(size) for size in of):
        ops.raise_if(test(), fail)
    elif test():  # Torch notes the answer as what has to hold.
        fail()


# Whatever eager raises ---------------------------------------------------------------------------------------------


def _along(position: int, default: int | None) -> Check:
    """The check of a function along one dimension, which is the argument at a position."""

    def check(ops: Indexing, function: Any, tensor: torch.Tensor, *args: Any, **kwargs: Any) -> None:
        dim = args[position - 1] if len(args) >= position else kwargs.get("dim", kwargs.get("dimension", default))
        if type(dim) is int and -tensor.dim() <= dim < tensor.dim():
            _try_sizes(ops, function, tensor, dim % tensor.dim(), args, kwargs)

    return check


def _over_last(count: int) -> Check:
    """The check of a function that moves a window over the last dimensions."""

    def check(ops: Indexing, function: Any, tensor: torch.Tensor, *args: Any, **kwargs: Any) -> None:
        for dim in range(max(tensor.dim() - count, 0), tensor.dim()):
            _try_sizes(ops, function, tensor, dim, args, kwargs)

    return check


def dimensions_over(tensor: torch.Tensor, dims: Any) -> list[int]:
    """The dimensions that a reduction goes over, from its argument: an int, several, or none for all."""
    given = range(tensor.dim()) if dims is None or dims == () else dims if isinstance(dims, (tuple, list)) else [dims]
    if not all(type(dim) is int and -tensor.dim() <= dim < tensor.dim() for dim in given):
        return []  # The function itself will say what is wrong.
    return [dim % tensor.dim() for dim in given]


def _check_extreme(ops: Indexing, function: Any, tensor: torch.Tensor, *args: Any, **kwargs: Any) -> None:
    if any(isinstance(value, torch.Tensor) for value in (*args, *kwargs.values())):
        return  # The larger of each two.
    for dim in dimensions_over(tensor, kwargs.get("dim", kwargs.get("axis", args[0] if args else None))):
        _try_sizes(ops, function, tensor, dim, args, kwargs)


def _check_pad(ops: Indexing, function: Any, tensor: torch.Tensor, *args: Any, **kwargs: Any) -> None:
    pad = args[0] if args else kwargs.get("pad")
    mode = args[1] if len(args) > 1 else kwargs.get("mode", "constant")
    if not isinstance(pad, (tuple, list)):
        return
    if mode != "constant" or any(type(amount) is int and amount < 0 for amount in pad):
        _over_last(len(pad) // 2)(ops, function, tensor, *args, **kwargs)


def _check_over_second(ops: Indexing, function: Any, tensor: torch.Tensor, *args: Any, **kwargs: Any) -> None:
    """A reduction whose dimensions are the second argument after the tensor; over all without it."""
    for dim in dimensions_over(tensor, args[1] if len(args) > 1 else kwargs.get("dim")):
        _try_sizes(ops, function, tensor, dim, args, kwargs)


def _try_sizes(
    ops: Indexing, function: Any, tensor: torch.Tensor, dim: int, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> None:
    """Raises for the sizes of a dimension of which eager raises, which are all below one."""
    size = tensor.shape[dim]
    others = pytree.tree_leaves((args, kwargs))
    if is_static(size) or any(isinstance(value, (Number, Text, *Symbolic)) for value in others):
        return

    def call(n: int) -> None:
        shape = [n if d == dim else _real(other) for d, other in enumerate(tensor.shape)]
        with outside_modes():
            real_args, real_kwargs = pytree.tree_map_only(torch.Tensor, _like, (args, kwargs))
            function(torch.zeros(shape, dtype=tensor.dtype), *real_args, **real_kwargs)

    for last, error in _raised(call, ops.control.recorder.sizes.at_least(size)):
        if statically_known_true(size > last):  # The conditions of the path may say so.
            continue

        def fail(error: Exception = error) -> None:
            raise marked(type(error)(*error.args))

        _raise_below(ops, size, last + 1, fail)


def _raised(call: Callable[[int], None], least: int) -> list[tuple[int, Exception]]:
    """What eager raises of sizes from the least on: the last of each run that it is the same for; none where of all."""
    errors: list[Exception] = []
    for size in range(least, _LARGEST_TRIED + 1):
        try:
            call(size)
        except ERRORS as error:
            errors.append(error)
        else:
            following = [*map(repr, errors[1:]), None]
            return [(least + n, e) for n, e in enumerate(errors) if repr(e) != following[n]]
    return []


def _real(size: Any) -> int:
    return int(size) if is_static(size) else _ELSEWHERE


def _like(tensor: torch.Tensor) -> torch.Tensor:
    return torch.zeros([_real(size) for size in tensor.shape], dtype=tensor.dtype)


_GATHERS = (torch.gather, torch.Tensor.gather)


def _of_both(check: Check, *names: str) -> dict[Any, Check]:
    """A check of the functions and the methods of some names."""
    return {getattr(owner, name): check for owner in (torch, torch.Tensor) for name in names if hasattr(owner, name)}


_CHECKS: dict[Any, Check] = {
    torch.Tensor.__getitem__: _check_index,
    torch.Tensor.__setitem__: _check_index,
    **_of_both(_check_select, "select"),
    **_of_both(_check_extreme, "max", "min", "amax", "amin", "argmax", "argmin", "aminmax"),
    **_of_both(_along(2, -1), "topk", "kthvalue"),
    **_of_both(_along(1, None), "median", "nanmedian", "narrow"),
    **_of_both(_along(1, -1), "mode"),
    **_of_both(_check_over_second, "norm", "quantile", "nanquantile"),
    torch.linalg.norm: _check_over_second,
    torch.linalg.vector_norm: _check_over_second,
    **_of_both(_check_gather, "gather", "scatter", "scatter_", "scatter_add", "scatter_add_", "scatter_reduce"),
    torch.Tensor.unfold: _along(1, None),
}

_MOVED_BY_TORCH = ("conv", "conv_transpose", "max_pool")
_MOVED = (*_MOVED_BY_TORCH, "avg_pool", "lp_pool", "adaptive_avg_pool", "adaptive_max_pool")

_WINDOWS: dict[Any, Check] = {
    F.pad: _check_pad,
    **{getattr(F, f"{kind}{n}d"): _over_last(n) for n in (1, 2, 3) for kind in _MOVED},
    **{getattr(torch, f"{kind}{n}d"): _over_last(n) for n in (1, 2, 3) for kind in _MOVED_BY_TORCH},
    torch.avg_pool1d: _over_last(1),
    F.interpolate: _over_last(3),
    F.layer_norm: _check_layer_norm,
    torch.layer_norm: _check_layer_norm,
}
