# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The table of what dycl accepts names tests that exist, and names the corpus by its size no smaller than promised."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from frontend_cases import CASES
from test_frontend_constructs import CASES as ALL_CASES

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "what-dycl-accepts.md").read_text()
ROWS = [line for line in PAGE.splitlines() if line.startswith("| ") and not line.startswith("| construct")]


def names_of_tests() -> set[str]:
    functions = {
        name
        for path in (ROOT / "test").rglob("test_*.py")
        for name in re.findall(r"^def (test_\w+)", path.read_text(), re.MULTILINE)
    }
    return functions | {case.name for case in ALL_CASES}


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.split("|")[1].strip()[:40])
def test_every_row_names_tests_that_exist(row: str) -> None:
    named = re.findall(r"`(\w+)`", row.split("|")[3])
    assert named, "the row names no test"
    assert set(named) <= names_of_tests()


def test_corpus_is_as_large_as_promised() -> None:
    assert CASES is ALL_CASES
    assert len({case.name for case in CASES}) >= 150
