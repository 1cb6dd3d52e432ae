# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
# pyright: reportPrivateUsage=false
"""Functions of torch's that run functions of the user's: conditions, loops, maps and scans; and torch's own checks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch._higher_order_ops.map import map as torch_map
from torch._higher_order_ops.scan import scan as torch_scan
from torch.utils import _pytree as pytree
from torch.utils.checkpoint import checkpoint

from dycl.frontend.control import cell_locations
from dycl.frontend.operators.calls import Calls
from dycl.frontend.operators.replacements import replaces
from dycl.frontend.paths import Signal
from dycl.frontend.values import Number


@replaces(torch.cond, torch.ops.higher_order.cond)
def cond(ops: Calls, pred: Any, true_fn: Callable[..., Any], false_fn: Callable[..., Any], operands: Any = ()) -> Any:
    """`torch.cond`: torch's own way to say what dycl finds by itself."""
    return ops.if_exp(pred, lambda: ops.call(true_fn, *operands), lambda: ops.call(false_fn, *operands))


@replaces(torch.while_loop, torch.ops.higher_order.while_loop)
def while_loop(
    ops: Calls,
    cond_fn: Callable[..., Any],
    body_fn: Callable[..., Any],
    carried_inputs: Any,
    additional_inputs: Any = (),
) -> Any:
    """`torch.while_loop`."""
    carried = tuple(carried_inputs)

    def test() -> Any:
        return ops.call(cond_fn, *carried, *additional_inputs)

    def step() -> Signal | None:
        nonlocal carried
        carried = tuple(ops.call(body_fn, *carried, *additional_inputs))

    ops.control.while_(test, step, None, cell_locations(("carried",), step), truth=bool)
    return carried


@replaces(torch_map)
def map_rows(ops: Calls, f: Callable[..., Any], xs: Any, *args: Any) -> Any:
    """`torch._higher_order_ops.map`: over the first dimension of each tensor in `xs`; the results are stacked."""
    return _stacked([ops.call(f, row, *args) for row in _rows(xs, 0)])


@replaces(torch_scan)
def scan(
    ops: Calls, combine_fn: Callable[..., Any], init: Any, xs: Any, *, dim: int = 0, reverse: bool = False
) -> tuple[Any, Any]:
    """`scan`: the last carry, and the outputs of all steps stacked along the first dimension."""
    rows = _rows(xs, dim)
    if not rows:
        return init, []
    carry, outputs = init, []
    for row in reversed(rows) if reverse else rows:
        carry, output = ops.call(combine_fn, carry, row)
        outputs.append(output)
    return carry, _stacked(outputs[::-1] if reverse else outputs)


@replaces(checkpoint)
def checkpointed(
    ops: Calls,
    function: Callable[..., Any],
    *args: Any,
    use_reentrant: Any = None,  # noqa: ARG001
    context_fn: Any = None,  # noqa: ARG001
    determinism_check: Any = None,  # noqa: ARG001
    debug: Any = False,  # noqa: ARG001
    preserve_rng_state: Any = True,  # noqa: ARG001
    early_stop: Any = True,  # noqa: ARG001
    **kwargs: Any,
) -> Any:
    """`torch.utils.checkpoint.checkpoint`: what it saves matters to gradients only."""
    return ops.call(function, *args, **kwargs)


def _rows(xs: Any, dim: int) -> list[Any]:
    leaves, structure = pytree.tree_flatten(xs)
    sizes = {leaf.shape[dim] for leaf in leaves}
    if len(sizes) > 1:
        raise ValueError(f"the tensors have different sizes along dimension {dim}: {sorted(sizes)}")
    count = sizes.pop() if sizes else 0
    return [pytree.tree_unflatten([leaf.select(dim, i) for leaf in leaves], structure) for i in range(count)]


def _stacked(values: list[Any]) -> Any:
    return pytree.tree_map(lambda *leaves: torch.stack(leaves), *values)


_NO_MESSAGE = (
    "Expected cond to be True, but got False. (Could this error message be improved? If so, please report an "
    "enhancement request to PyTorch.)"
)


def _check(ops: Calls, error: type[Exception], cond: Any, message: Any = None) -> None:
    if isinstance(cond, torch.Tensor):
        raise TypeError(
            "cond must be a bool, but got a Tensor. For tensor conditions, use torch._check_tensor_all() to assert "
            "that all elements are true."
        )

    def fail() -> None:
        if message is not None and not callable(message):
            raise TypeError("message must be a callable")
        raise error(_NO_MESSAGE if message is None else str(ops.call(message)))

    ops.if_(cond, lambda: None, fail, ())


_CHECKS = {
    "_check": RuntimeError,
    "_check_index": IndexError,
    "_check_value": ValueError,
    "_check_type": TypeError,
    "_check_not_implemented": NotImplementedError,
}

for _name, _error in _CHECKS.items():

    @replaces(getattr(torch, _name))
    def _checked(ops: Calls, cond: Any, message: Any = None, error: type[Exception] = _error) -> None:
        _check(ops, error, cond, message)


@replaces(torch._check_with)
def check_with(ops: Calls, error: type[Exception], cond: Any, message: Any) -> None:
    _check(ops, error, cond, message)


@replaces(torch._check_tensor_all_with)
def check_tensor_all_with(ops: Calls, error: type[Exception], cond: Any, message: Any = None) -> None:
    if not isinstance(cond, torch.Tensor):
        raise TypeError(f"cond must be a tensor, but got {type(cond)}")
    if cond.dtype != torch.bool:
        raise TypeError(f"cond tensor must have dtype torch.bool, but got {cond.dtype}")
    _check(ops, error, Number.of_tensor(cond.all()), message)


@replaces(torch._check_tensor_all)
def check_tensor_all(ops: Calls, cond: Any, message: Any = None) -> None:
    check_tensor_all_with(ops, RuntimeError, cond, message)


@replaces(torch._assert)
def torch_assert(ops: Calls, condition: Any, message: Any) -> None:
    """`torch._assert`: an `assert` statement as a function."""
    ops.assert_(condition, lambda: message)  # noqa: PT009 (an operator of dycl's)
