# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Weights in the order in which compiled code reads them, by keys that say how they are made."""

from __future__ import annotations

import numpy as np
import pytest

import dycl
from dycl.compiler.packing import add_packed, find_unsuitable, find_weight_types
from dycl.weights import Weights


def packed(key: str, array: np.ndarray, type_: str, base: str = "w") -> np.ndarray:
    weights = Weights({base: lambda: array})
    return add_packed(weights, {base: type_}, [key])[key]


def test_blocks_come_first_and_hold_columns():
    weight = np.arange(24, dtype="f4").reshape(3, 8)
    blocks = packed("w@blocks(4)", weight, "3x8xf32")
    assert blocks.shape == (2, 3, 4)
    np.testing.assert_array_equal(blocks[0], weight[:, :4])
    np.testing.assert_array_equal(blocks[1], weight[:, 4:])


def test_the_last_block_is_shifted_back_where_blocks_do_not_divide():
    weight = np.arange(30, dtype="f4").reshape(3, 10)
    blocks = packed("w@blocks(4)", weight, "3x10xf32")
    assert blocks.shape == (3, 3, 4)
    np.testing.assert_array_equal(blocks[2], weight[:, 6:])


def test_zeros_fill_a_block_of_more_than_all_columns():
    weight = np.arange(1, 16, dtype="f4").reshape(3, 5)
    blocks = packed("w@blocks(8)", weight, "3x5xf32")
    assert blocks.shape == (1, 3, 8)
    np.testing.assert_array_equal(blocks[0, :, :5], weight)
    assert not blocks[0, :, 5:].any()


@pytest.mark.parametrize("tile", [2, 4])
def test_transformed_kernels_hold_values_of_polynomials(tile):
    """Of rows and columns of a kernel as polynomials, at the points, divided by what the inputs are not."""
    kernel = np.random.default_rng(0).standard_normal((3, 3, 2, 5)).astype("f4")
    points = {2: [0, 1, -1], 4: [0, 0.5**0.5, -(0.5**0.5), 2**0.5, -(2**0.5)]}[tile]
    values = [
        [(kernel * np.outer(p ** np.arange(3), q ** np.arange(3))[:, :, None, None]).sum((0, 1)) for q in points]
        for p in points
    ]
    factors = [np.prod([p - q for q in points if q != p]) for p in points]
    got = packed(f"w@winograd({tile})", kernel, "3x3x2x5xf32").reshape(tile + 2, tile + 2, 2, 5)
    expected = np.array(values) / np.outer(factors, factors)[:, :, None, None]
    np.testing.assert_allclose(got[:-1, :-1], expected, rtol=2e-6, atol=2e-6)
    np.testing.assert_array_equal(got[-1, -1], kernel[2, 2])


@pytest.mark.parametrize(("number", "is_suitable"), [(1.0, True), (np.nan, False), (np.inf, False), (-3e38, False)])
def test_kernels_that_are_not_finite_are_not_transformed(number, is_suitable):
    kernel = np.ones((3, 3, 2, 4), "f4")
    kernel[1, 2, 0, 3] = number
    weights, types = Weights({"w": lambda: kernel}), {"w": "3x3x2x4xf32"}
    keys = ["w@winograd(4)@blocks(4)", "w@blocks(4)", "w"]
    assert find_unsuitable(weights, types, keys) == ([] if is_suitable else keys[:1])


def test_steps_are_done_in_order():
    weight = np.arange(2 * 3 * 4, dtype="f4").reshape(2, 3, 4)
    got = packed("w@select(1)@reshape(6,2)@transpose(1,0)@blocks(3)", weight, "2x3x4xf32")
    np.testing.assert_array_equal(got, np.stack([weight[1].reshape(6, 2).T[:, :3], weight[1].reshape(6, 2).T[:, 3:]]))
    assert got.flags.c_contiguous


def test_bytes_are_what_counts_of_a_weight():
    weight = np.arange(6, dtype="f4").reshape(2, 3)
    got = packed("w@transpose(1,0)", weight.view(np.uint8).reshape(-1), "2x3xf32")
    np.testing.assert_array_equal(got, weight.T)


def test_a_name_may_hold_what_looks_like_a_step():
    weight = np.arange(6, dtype="f4").reshape(2, 3)
    got = packed("w@blocks(2).x@transpose(1,0)", weight, "2x3xf32", base="w@blocks(2).x")
    np.testing.assert_array_equal(got, weight.T)


def test_a_name_may_end_like_a_step():
    weight = np.arange(8, dtype="f4").reshape(2, 4)
    got = packed("w@blocks(2)@blocks(4)", weight, "2x4xf32", base="w@blocks(2)")
    np.testing.assert_array_equal(got, weight[None])


def test_names_in_modules_are_escaped():
    text = r'#flow.parameter.named<"model"::"gr\C3\B6\C3\9Fe.a\22b\\c"> : tensor<2xf32>'
    assert find_weight_types([text]) == {'größe.a"b\\c': "2xf32"}


@pytest.mark.parametrize("key", ["other", "other@blocks(4)", "w@unknown(3)"])
def test_a_key_of_no_weight_is_refused(key):
    with pytest.raises(dycl.CompileError, match="is used and not given"):
        packed(key, np.zeros((2, 3), "f4"), "2x3xf32")


def test_types_are_read_from_modules():
    text = '"util.global"() <{initial_value = #flow.parameter.named<"model"::"a.b"> : tensor<2x3xf32>, sym_name = "a"}>'
    assert find_weight_types([text]) == {"a.b": "2x3xf32"}
