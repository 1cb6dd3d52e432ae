# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""An operation that may be tuned, by itself: what its key says, and a module that computes it and nothing else."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

NAME = "operation"
WEIGHT = "weight"

_KEY = re.compile(
    r"(?P<kind>conv|depthwise)-(?P<image>[\dx]+)-(?P<kernel>[\dx]+)-s(?P<strides>\d+x\d+)-d(?P<dilations>\d+x\d+)"
    r"|(?P<product>product|batch_product)-(?P<sizes>[\dx]+)"
)
_OPS = {
    "conv": "linalg.conv_2d_nhwc_hwcf",
    "depthwise": "linalg.depthwise_conv_2d_nhwc_hwc",
    "product": "linalg.matmul",
    "batch_product": "linalg.batch_matmul",
}


@dataclass(frozen=True)
class Operation:
    """An operation of static sizes, as its key describes it. Types are as in MLIR, `128x256xf32`.

    Attributes:
        key: as passes/Utils/Tuning.h has it: `product-128x256x1024` is `[128, 256] x [256, 1024]`.
        kind: "conv" or "depthwise", on images of nhwc; "product", by a weight; "batch_product", of two inputs.
        inputs: the types of what it computes with, without a weight.
        weight: the type of its weight; "" for none.
        result: the type of what it gives.
        flops: a multiply-add counts as two.
        attributes: of the operation in MLIR.
    """

    key: str
    kind: str
    inputs: tuple[str, ...]
    weight: str
    result: str
    flops: int
    attributes: str = ""

    @staticmethod
    def parse(key: str) -> Operation | None:
        """The operation of a key; None for another kind, or sizes that are not static."""
        found = _KEY.fullmatch(key)
        if found is None:
            return None
        if found["product"]:
            return _product(key, found["product"], _numbers(found["sizes"]))
        return _convolution(
            key,
            found["kind"],
            _numbers(found["image"]),
            _numbers(found["kernel"]),
            _numbers(found["strides"]),
            _numbers(found["dilations"]),
        )

    def module(self) -> str:
        """A partitioned module with a function `operation` that computes it, of a parameter `weight`."""
        arguments = [f"%x{i}: tensor<{type_}>" for i, type_ in enumerate(self.inputs)]
        operands = [f"%x{i}" for i in range(len(self.inputs))] + (["%w"] if self.weight else [])
        types = [f"tensor<{type_}>" for type_ in (*self.inputs, *([self.weight] if self.weight else []))]
        weight, result = f"tensor<{self.weight}>", f"tensor<{self.result}>"
        declared = (
            f'    "util.global"() <{{initial_value = #flow.parameter.named<"model"::"{WEIGHT}"> : {weight}, sym_name = '
            f'"{WEIGHT}", sym_visibility = "private", type = {weight}}}> : () -> ()\n'
        )
        loaded = f'      %w = "util.global.load"() <{{global = @{WEIGHT}}}> : () -> {weight}\n'
        return f"""\
module @tuning {{
  module @{NAME} {{
{declared if self.weight else ""}\
    func.func @{NAME}({", ".join(arguments)}) -> {result} {{
{loaded if self.weight else ""}\
      %zero = arith.constant 0.0 : f32
      %empty = tensor.empty() : {result}
      %init = linalg.fill ins(%zero : f32) outs(%empty : {result}) -> {result}
      %result = {_OPS[self.kind]} {self.attributes} ins({", ".join(operands)} : {", ".join(types)}) \
outs(%init : {result}) -> {result}
      return %result : {result}
    }}
  }}
}}
"""


def _numbers(text: str) -> list[int]:
    return [int(number) for number in text.split("x")]


def _type(*sizes: int) -> str:
    return "x".join(map(str, sizes)) + "xf32"


def _product(key: str, kind: str, sizes: list[int]) -> Operation | None:
    *batch, rows, depth, columns = sizes
    if len(batch) != (kind == "batch_product"):
        return None
    left, right, result = _type(*batch, rows, depth), _type(*batch, depth, columns), _type(*batch, rows, columns)
    inputs, weight = ((left, right), "") if batch else ((left,), right)
    return Operation(key, kind, inputs, weight, result, 2 * math.prod(sizes))


def _convolution(
    key: str, kind: str, image: list[int], kernel: list[int], strides: list[int], dilations: list[int]
) -> Operation | None:
    if len(image) != 4 or len(kernel) != (4 if kind == "conv" else 3):
        return None
    sizes = [
        (size - (window - 1) * dilation - 1) // stride + 1
        for size, window, stride, dilation in zip(image[1:3], kernel[:2], strides, dilations, strict=True)
    ]
    attributes = ", ".join(
        f"{name} = dense<[{numbers[0]}, {numbers[1]}]> : tensor<2xi64>"
        for name, numbers in (("dilations", dilations), ("strides", strides))
    )
    result = [image[0], *sizes, kernel[-1]]
    flops = 2 * math.prod(result) * math.prod(kernel[:-1])
    return Operation(key, kind, (_type(*image),), _type(*kernel), _type(*result), flops, f"{{{attributes}}}")
