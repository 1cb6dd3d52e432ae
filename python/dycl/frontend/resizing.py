# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Resizes images by tables: which pixels an output is made of, and with which weights, is known when it is compiled.

Torch's decompositions compute places and weights anew in each call, and gather number by number what only few places
decide. Here each dimension is a sum of gathers by constant indices, each times constant weights, computed as
`aten/src/ATen/native/UpSample.h` does, in f32. `passes/TilePixels.cpp` makes one dispatch of them. Dimensions are
resized from the last to the first, which is the order of eager's sums. Where a size is not known, the program computes
the table.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import torch

from dycl.frontend.draws import in_memory_order, memory_order
from dycl.frontend.sizes import is_static, same_size

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

Table = tuple[torch.Tensor, torch.Tensor | None]
"""For each output a place in the input, and its weight (None: 1)."""

_MODES = {
    "nearest": (3, 4, 5),
    "nearest-exact": (3, 4, 5),
    "linear": (3,),
    "bilinear": (4,),
    "trilinear": (5,),
    "bicubic": (4,),
}
"""How many dimensions a tensor may have, by `interpolate`'s mode."""

_DTYPES = (torch.float32, torch.float64)


class Resizing:
    """Resizes by tables where numbers are floats of 32 or 64 bits; without `antialias`.

    Args:
        is_recorded: whether a tensor is one of the program's.
        outside: a context in which torch computes on real data.
        as_size: makes a size of a number that the program computes (0-d, i64).
    """

    def __init__(
        self,
        is_recorded: Callable[[Any], bool],
        outside: Callable[[], AbstractContextManager[Any]],
        as_size: Callable[[torch.Tensor], Any],
    ) -> None:
        self._is_recorded, self._outside, self._as_size = is_recorded, outside, as_size
        self._tables: dict[Any, list[Table]] = {}

    def resize(
        self,
        input: Any,  # noqa: A002 (its name there)
        size: Any = None,
        scale_factor: Any = None,
        mode: str = "nearest",
        align_corners: bool | None = None,
        recompute_scale_factor: bool | None = None,
        antialias: bool = False,
    ) -> torch.Tensor | None:
        """`interpolate`; None where torch is to do it, or to refuse it."""
        x = input
        if antialias or not self._is_recorded(x) or x.dim() not in _MODES.get(mode, ()) or x.dtype not in _DTYPES:
            return None
        if align_corners is not None and mode.startswith("nearest"):
            return None
        inputs = [int(number) if is_static(number) else number for number in x.shape[2:]]
        is_empty = any(is_static(number) and int(number) == 0 for number in x.shape)
        if is_empty or (size is None) == (scale_factor is None):
            return None
        if size is not None:
            sizes = _per_dimension(size, len(inputs), (int, torch.SymInt))
            scales: Sequence[float | None] = [None] * len(inputs)
            if sizes is None or recompute_scale_factor:
                return None
        else:
            factors = _per_dimension(scale_factor, len(inputs), (int, float))
            if factors is None:
                return None
            sizes = [self._scaled(number, factor) for number, factor in zip(inputs, factors, strict=True)]
            scales = [None if recompute_scale_factor else float(factor) for factor in factors]
        if any(isinstance(number, int) and number < 1 for number in sizes):
            return None
        for dim in range(x.dim() - 1, 1, -1):
            i = dim - 2
            x = self._along(x, dim, sizes[i], scales[i], mode, bool(align_corners))
        if not all(map(is_static, input.shape)):
            return x
        # In memory as eager's result is: random numbers are drawn in that order.
        of_images = x.dim() > 3 and not input.is_contiguous()
        is_channels_last = of_images and memory_order(input) == [0, *range(2, x.dim()), 1]
        return in_memory_order(x, memory_order(input) if is_channels_last else list(range(x.dim())))

    def _scaled(self, size: Any, factor: float) -> Any:
        """The size that eager makes of one by a factor: the product of floats, rounded down."""
        if isinstance(size, int):
            return math.floor(float(size) * factor)
        fraction = Fraction(factor)
        if 0 < fraction.numerator <= _EXACT >= fraction.denominator:
            return size * fraction.numerator // fraction.denominator
        product = torch.full((), size, dtype=torch.int64).to(torch.float64) * factor
        return self._as_size(product.floor().to(torch.int64))

    def _along(
        self, x: torch.Tensor, dim: int, size: Any, scale: float | None, mode: str, align_corners: bool
    ) -> torch.Tensor:
        total = None
        for places, weights in self._tables_of(x, dim, size, scale, mode, align_corners):
            part = torch.index_select(x, dim, places)
            part = part if weights is None else part * weights
            total = part if total is None else total + part
        return x if total is None else total

    def _tables_of(
        self, x: torch.Tensor, dim: int, size: Any, scale: float | None, mode: str, align_corners: bool
    ) -> list[Table]:
        before, dims = x.shape[dim], x.dim() - dim
        if not is_static(before) or not is_static(size):
            return _columns(make_tables(before, size, scale, mode, align_corners, x.dtype), dims)
        key = int(before), size, scale, mode, align_corners, x.dtype, dims
        if key not in self._tables:
            with self._outside():
                tables = make_tables(int(before), size, scale, mode, align_corners, x.dtype)
                self._tables[key] = _columns(tables, dims)
        return self._tables[key]


_EXACT = 2**16
"""Up to which numerator and denominator the product of a size and a float is exact."""


def _columns(tables: list[Table], dims: int) -> list[Table]:
    """The tables with weights for the first of that many last dimensions."""
    return [(p, None if w is None else w.reshape([-1, *[1] * (dims - 1)])) for p, w in tables]


def _per_dimension(setting: Any, count: int, kind: Any) -> list[Any] | None:
    """A number for each dimension; None where they are not known, or are none."""
    numbers = list(setting) if isinstance(setting, (tuple, list)) else [setting] * count
    numbers = [int(n) if isinstance(n, torch.SymInt) and is_static(n) else n for n in numbers]
    is_known = len(numbers) == count and all(isinstance(n, kind) and not isinstance(n, bool) for n in numbers)
    return numbers if is_known else None


def make_tables(
    inputs: Any, outputs: Any, scale: float | None, mode: str, align_corners: bool, dtype: torch.dtype
) -> list[Table]:
    """The tables of a dimension that is resized; none where it stays as it is (eager makes NaN of infinity there).

    Of sizes that are not known, they are operations of the program, in the same arithmetic.

    Args:
        inputs: the size before.
        outputs: the size after.
        scale: the factor that was asked for, by which places are computed; None for that of the sizes.
        mode: as `interpolate` has it.
        align_corners: likewise.
        dtype: in which places and weights are computed.
    """
    if same_size(inputs, outputs) and mode not in ("nearest-exact", "bicubic"):
        return []

    def whole(size: Any) -> torch.Tensor:
        return torch.full((), size, dtype=torch.int64)

    output, last = torch.arange(outputs), whole(inputs - 1)
    if align_corners:
        # One output is of place 0, whatever the ratio.
        ratio = last.to(dtype) / whole(outputs - 1).to(dtype).clamp(min=1)
    elif scale is not None and scale > 0:
        ratio = torch.full((), 1.0 / scale, dtype=dtype)
    else:
        ratio = whole(inputs).to(dtype) / whole(outputs).to(dtype)
    if mode == "nearest":
        places = _within((output.to(dtype) * ratio).floor(), last)
        if scale is not None and scale != 2.0:
            # Eager does not go by a factor of which twice the size comes out.
            places = torch.where(whole(outputs) == whole(2 * inputs), output // 2, places)
        return [(places, None)]
    centre = output.to(dtype) + 0.5
    if mode == "nearest-exact":
        return [(_within((centre * ratio).floor(), last), None)]
    place = output.to(dtype) * ratio
    if not align_corners:
        # Eager's product is not rounded before the subtraction: an FMA.
        place = (centre.to(torch.float64) * ratio.to(torch.float64) - 0.5).to(dtype)
    if mode != "bicubic":
        place = place.clamp(min=0)
    first = torch.minimum(place.floor().to(torch.int64), last)
    rest = (place - first.to(dtype)).clamp(0, 1)
    if mode == "bicubic":
        return [(_within(first + i - 1, last), weight) for i, weight in enumerate(_cubic(rest))]
    return [(first, 1 - rest), (_within(first + 1, last), rest)]


def _within(places: torch.Tensor, last: torch.Tensor) -> torch.Tensor:
    return torch.minimum(places.to(torch.int64).clamp(min=0), last)


def _cubic(rest: torch.Tensor) -> list[torch.Tensor]:
    """Keys' cubic convolution with a = -0.75, at distances of 1 + `rest`, `rest` and so on."""
    a = -0.75  # exact, as all that is computed of it alone

    def near(x: torch.Tensor) -> torch.Tensor:
        return ((a + 2) * x - (a + 3)) * x * x + 1

    def far(x: torch.Tensor) -> torch.Tensor:
        return ((a * x - 5 * a) * x + 8 * a) * x - 4 * a

    return [far(rest + 1), near(rest), near(1 - rest), far((1 - rest) + 1)]
