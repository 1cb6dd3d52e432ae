# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Subscripts: reading and writing items of tensors and containers, at positions that may depend on data."""

from __future__ import annotations

from typing import Any

import torch

from dycl.frontend.operators.conditions import Conditions
from dycl.frontend.operators.core import user_method
from dycl.frontend.operators.slices import apply_data_slices, has_data_slice
from dycl.frontend.values import Number


class Indexing(Conditions):
    """Adds subscripts."""

    def setitem(self, owner: Any, index: Any, value: Any) -> None:
        method = user_method(owner, "__setitem__")
        if method is not None:
            self.call(method, owner, index, value)
            return
        self.touch(owner)
        if isinstance(owner, torch.Tensor) and has_data_slice(index):
            owner, index = apply_data_slices(self.control.recorder, owner, index)
        if isinstance(owner, torch.Tensor) and _is_scalar_index(index):
            # Torch would ask the index for its value; as a tensor with one element it need not.
            row = value[None] if isinstance(value, torch.Tensor) and value.dim() else value
            owner[_as_rows(index)] = row.tensor.to(owner.dtype) if isinstance(row, Number) else row
        else:
            stored: Any = value.like(owner) if isinstance(value, Number) and isinstance(owner, torch.Tensor) else value
            owner[_index(index)] = stored

    def delitem(self, owner: Any, index: Any) -> None:
        self.touch(owner)
        del owner[index]

    def getitem(self, owner: Any, index: Any) -> Any:
        if isinstance(owner, (list, tuple)) and isinstance(index, (Number, torch.Tensor)):
            return self._select(owner, index)
        if isinstance(owner, torch.Tensor) and has_data_slice(index):
            owner, index = apply_data_slices(self.control.recorder, owner, index)
        if isinstance(owner, torch.Tensor) and _is_scalar_index(index):
            return owner[_as_rows(index)].squeeze(0)
        method = user_method(owner, "__getitem__")
        if method is not None:
            return self.call(method, owner, index)
        return owner[index] if isinstance(owner, dict) else owner[_index(index)]

    def _select(self, items: list[Any] | tuple[Any, ...], index: Number | torch.Tensor) -> Any:
        """`items[index]` with an index on data: one branch an item, so that items may be anything."""
        number = index if isinstance(index, Number) else Number.of_tensor(index)
        if number.type is float:
            raise TypeError(f"{type(items).__name__} indices must be integers or slices, not float")
        if not items:
            raise IndexError(f"{type(items).__name__} index out of range")
        number = number.converted(int)
        wrapped = Number(torch.where(number.tensor < 0, number.tensor + len(items), number.tensor), int)

        def fail() -> None:
            raise IndexError(f"{type(items).__name__} index out of range")

        outside = torch.logical_or(wrapped.tensor < 0, wrapped.tensor >= len(items))
        self.if_(outside, fail, None, ())

        def pick(first: int) -> Any:
            if first == len(items) - 1:
                return items[first]
            return self.if_exp(wrapped == first, lambda: items[first], lambda: pick(first + 1))

        return pick(0)


def _is_scalar_index(index: Any) -> bool:
    """Whether an index of a tensor is made of integers, at least one of which depends on data."""
    parts = index if isinstance(index, tuple) else (index,)

    def depends(part: Any) -> bool:
        if isinstance(part, Number):
            return part.type is int
        return isinstance(part, torch.Tensor) and part.dim() == 0 and not part.dtype.is_floating_point

    is_bool = any(isinstance(p, torch.Tensor) and p.dtype == torch.bool for p in parts)
    return not is_bool and any(map(depends, parts)) and all(depends(p) or type(p) is int for p in parts)


def _as_rows(index: Any) -> tuple[torch.Tensor, ...]:
    """An index of integers as tensors of one element each: it gives a row more than the index itself."""
    parts = index if isinstance(index, tuple) else (index,)

    def one(part: Any) -> torch.Tensor:
        if isinstance(part, Number):
            return part.tensor.reshape(1)
        return part.reshape(1) if isinstance(part, torch.Tensor) else torch.tensor([part])

    return tuple(one(p) for p in parts)


def _index(index: Any) -> Any:
    """An index with the numbers in it as tensors, for indexing a tensor."""
    if isinstance(index, Number):
        return index.tensor
    if isinstance(index, tuple):
        return tuple(_index(i) for i in index)
    return index
