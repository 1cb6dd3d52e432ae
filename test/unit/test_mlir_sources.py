# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""`.mlir` files as sources: programs written by hand, compiled and compared with NumPy; and what is refused."""

import re

import numpy as np
import pytest
from mlir_programs import PROGRAMS

import dycl
from dycl.compiler import read_dump

F32 = np.float32


def _array(*shape: int) -> np.ndarray:
    return np.random.default_rng(sum(shape)).normal(size=shape).astype(F32)


def _horner(x: float, n: int) -> float:
    return sum(x**k for k in range(n + 1))


def _collatz(n: int) -> int:
    steps = 0
    while n > 1:
        n, steps = (3 * n + 1 if n % 2 else n // 2), steps + 1
    return steps


def _power_iteration(a: np.ndarray, x: np.ndarray, n: int):
    norms = []
    for _ in range(n):
        y = a @ x
        norms.append(np.sqrt(y @ y))
        x = y / norms[-1]
    return x, np.array(norms, F32)


def _pooled(image: np.ndarray, kernel: np.ndarray, bias: np.ndarray) -> np.ndarray:
    windows = np.lib.stride_tricks.sliding_window_view(image[0], (3, 3), (0, 1))
    return np.exp(np.maximum(np.einsum("xyckl,klcf->xyf", windows, kernel) + bias, 0))[None]


def _rows(x: np.ndarray, w: np.ndarray):
    return x @ w, int(((x @ w).sum(1) > 0).sum())


def _first(x: float, y: np.ndarray):
    return (y.sum(), np.int64(1)) if y.sum() > x else (F32(x - y.sum()), np.int64(2))


def _generated(x: float, k: int):
    return np.full(3, x), min(x, 1.0), (2 * k + 128) % 256 - 128, x < 1


X, Y, SMALL, IMAGE = _array(8), _array(3), _array(4, 6), _array(1, 5, 5, 2)
SQUARE = np.abs(_array(3, 3))

CALLS = {
    "scalars": [
        ((0.5, 3, False), (_horner(0.5, 3), 3, True)),
        ((2.0, 0, True), (-1.0, 0, False)),
        ((-3, 2, False), (_horner(-3, 2), 2, True)),
    ],
    "rank0": [((np.array(x, F32), y), _first(x, y)) for x, y in ((9.0, _array(5)), (-9.0, _array(5)))],
    "index_args": [((X, i, n), (X[i : i + n].sum(), i + n)) for i, n in ((0, 8), (3, 2), (1, 0))],
    "only_public": [((_array(4), s), _array(4) * s) for s in (2.0, -0.5)],
    "no_results": [((_array(4),), ())],
    "passthrough": [((Y, n), (Y, n, Y, Y + Y, Y + Y)) for n in (0, -(2**62))],
    "dynamic": [((_array(n, 4), _array(4, 3)), _rows(_array(n, 4), _array(4, 3))) for n in (1, 5, 2, 0)],
    "switch": [
        ((np.abs(_array(2, 3)), which), result)
        for which, result in (
            (0, np.sqrt(np.abs(_array(2, 3)))),
            (2, _array(2, 3) ** 2),
            (1, np.abs(_array(2, 3))),
            (-1, np.abs(_array(2, 3))),
        )
    ],
    "cf": [((n,), _collatz(n)) for n in (27, 1, 6, -3)],
    "cf_tensors": [((np.array(7.0, F32), mode), np.array(np.sqrt(7.0), F32)) for mode in (0, 7, 3)],
    "nested_while": [((n,), (sum(i.bit_length() for i in range(n)), max(n - 1, 0).bit_length())) for n in (9, 1, 0)],
    "for_tensor": [((SQUARE, Y, n), _power_iteration(SQUARE, Y, n)) for n in (1, 4, 0)],
    "tensorops": [
        (
            (SMALL, start, count),
            (
                SMALL[start : start + count],
                SMALL.reshape(-1),
                SMALL.T,
                np.pad(SMALL, ((1, 0), (1, 1)), constant_values=7),
                SMALL.reshape(2, 2, 6),
            ),
        )
        for start, count in ((0, 4), (1, 2), (3, 0))
    ],
    "generate": [((x, k), _generated(x, k)) for x, k in ((0.5, 3), (2.5, 100), (1.0, -100))],
    "conv": [((IMAGE, _array(3, 3, 2, 4), _array(4)), _pooled(IMAGE, _array(3, 3, 2, 4), _array(4)))],
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_program_gives_what_numpy_does(name, tmp_path):
    (tmp_path / f"{name}.mlir").write_text(PROGRAMS[name])
    program = dycl.compile(tmp_path / f"{name}.mlir")
    for inputs, expected in CALLS[name]:
        result = program(*inputs)
        if not isinstance(expected, tuple):
            result, expected = (result,), (expected,)
        assert len(result) == len(expected)
        for given, wanted in zip(result, expected, strict=True):
            assert np.shape(given) == np.shape(wanted)
            np.testing.assert_allclose(given, wanted, rtol=2e-5, atol=1e-6)


def test_numbers_are_pythons(tmp_path):
    (tmp_path / "scalars.mlir").write_text(PROGRAMS["scalars"])
    program = dycl.compile(tmp_path / "scalars.mlir")
    assert [type(part) for part in program(0.5, 3, False)] == [float, int, bool]
    for inputs, problem in (
        ((0.5, 3.0, False), "input input1 is 3.0; expected a int, for i64"),
        ((0.5, 3, 1), "input input2 is 1; expected a bool, for i1"),
        ((0.5, 2**63, True), "input input1 is 9223372036854775808, which is no i64"),
    ):
        with pytest.raises(dycl.InputError, match=re.escape(problem)):
            program(*inputs)


SEVERAL = """module {
  func.func @encode(%x: f32) -> f32 {
    return %x : f32
  }
  func.func @decode(%x: f32) -> f32 {
    %0 = arith.addf %x, %x : f32
    return %0 : f32
  }
}
"""

REFUSED = {
    "several": (SEVERAL, r"net.mlir:5:3: error: is one of several public functions.*@encode, @decode"),
    "none": ("module {\n}\n", r"net.mlir:1:1: error: has no public function with a body"),
    "memref": ("func.func @main(%x: memref<4xf32>) {\n  return\n}\n", r"net.mlir:1:1: error: argument 0 of the entry"),
    "syntax": ("func.func @main() {\n  %0 = arith.addf %x, %x : f32\n  return\n}\n", r"net.mlir:2:\d+: error: use of"),
    "dialect": (
        'func.func @main(%x: f32) {\n  "my.op"(%x) : (f32) -> ()\n  return\n}\n',
        r"net.mlir:2:3: error: 'my.op' is of a dialect that nothing here compiles; expected arith",
    ),
    "global": (
        "ml_program.global public mutable @n(dense<0> : tensor<i64>) : tensor<i64>\nfunc.func @main() {\n  return\n}\n",
        r"net.mlir:1:1: error: 'ml_program.global' is not expected here; the input is functions only",
    ),
    "recursive": (
        "func.func @f(%x: f32) -> f32 {\n  %0 = call @f(%x) : (f32) -> f32\n  return %0 : f32\n}\n",
        r"net.mlir:1:1: error: is recursive; expected",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refusal_names_file_and_line(name, tmp_path):
    text, problem = REFUSED[name]
    (tmp_path / "net.mlir").write_text(text)
    with pytest.raises(dycl.CompileError, match=problem):
        read_dump(tmp_path / "net.mlir")


def test_function_is_chosen_by_name(tmp_path):
    (tmp_path / "net.mlir").write_text(SEVERAL)
    program = dycl.compile(tmp_path / "net.mlir", options=dycl.Options(function="decode"))
    assert program(1.5) == 3.0
    with pytest.raises(dycl.CompileError, match=r"has no function @train with a body; it has @encode, @decode"):
        dycl.compile(tmp_path / "net.mlir", options=dycl.Options(function="train"))
