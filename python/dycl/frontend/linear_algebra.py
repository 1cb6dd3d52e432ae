# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Factorizations that torch-mlir does not lower, of matrices of a known and small size: unrolled, step by step."""

from __future__ import annotations

from typing import Any

import torch

from dycl.frontend.sizes import is_static, same_sizes

aten = torch.ops.aten

MAX_SIZE = 32
"""The number of rows up to which a factorization is unrolled."""


def _is_small(matrix: torch.Tensor) -> bool:
    return is_static(matrix.shape[-1]) and int(matrix.shape[-1]) <= MAX_SIZE


def _cholesky(matrix: torch.Tensor, *, upper: bool = False, check_errors: bool = False) -> Any:
    """The factor, column by column, and for each matrix the order of its first minor that is not positive, or 0.

    Only the lower triangle is read, of `upper` the upper one. What follows such a minor is NaN; LAPACK leaves it as it
    was.
    """
    if not _is_small(matrix) or check_errors or not same_sizes(matrix.shape[-2:-1], matrix.shape[-1:]):
        return NotImplemented
    source = matrix.mT if upper else matrix
    size = int(matrix.shape[-1])
    columns: list[torch.Tensor] = []
    info = torch.zeros(matrix.shape[:-2], dtype=torch.int32)
    for place in range(size):
        column = source[..., place:, place]
        if columns:
            before = torch.stack([c[..., place:] for c in columns], -1)
            column = column - (before * before[..., :1, :]).sum(-1)
        square = column[..., :1]
        is_bad = ~(square[..., 0] > 0) & (info == 0)
        info = torch.where(is_bad, torch.full((), place + 1, dtype=torch.int32), info)
        column = column / torch.where(square > 0, square, float("nan")).sqrt()
        columns.append(torch.cat([torch.zeros((*matrix.shape[:-2], place), dtype=matrix.dtype), column], -1))
    factor = torch.stack(columns, -1) if columns else matrix.clone()
    return (factor.mT if upper else factor).contiguous(), info


def _solve_triangular(
    matrix: torch.Tensor, right: torch.Tensor, *, upper: bool, left: bool = True, unitriangular: bool = False
) -> Any:
    """Row by row: each from those that are known."""
    if not _is_small(matrix):
        return NotImplemented
    if not left:
        return _solve_triangular(matrix.mT, right.mT, upper=not upper, unitriangular=unitriangular).mT.contiguous()
    size = int(matrix.shape[-1])
    batch = torch.broadcast_shapes(matrix.shape[:-2], right.shape[:-2])
    matrix, right = matrix.expand(*batch, size, size), right.expand(*batch, *right.shape[-2:])
    rows: dict[int, torch.Tensor] = {}
    for place in reversed(range(size)) if upper else range(size):
        row = right[..., place, :]
        for other, known in rows.items():
            row = row - matrix[..., place, other, None] * known
        rows[place] = row if unitriangular else row / matrix[..., place, place, None]
    return torch.stack([rows[place] for place in range(size)], -2) if rows else right.clone()


DECOMPOSITIONS = {
    aten.linalg_cholesky_ex.default: _cholesky,
    aten.linalg_solve_triangular.default: _solve_triangular,
}
