# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""A sample of `make programs`: small random programs, captured and interpreted, are what they are in eager."""

import sys
from collections import Counter
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent.parent / "fuzz"))

import programs


@pytest.mark.filterwarnings("ignore::dycl.errors.DyclWarning")
def test_sample_of_random_programs() -> None:
    outcomes = {seed: programs.outcome(seed) for seed in range(24)}
    assert {seed: why for seed, (found, why) in outcomes.items() if found == "wrong"} == {}
    assert Counter(found for found, _ in outcomes.values())["right"] >= 18


def test_another_result_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    right = next(seed for seed in range(24) if programs.outcome(seed)[0] == "right")
    captured = programs.test_frontend_constructs.run_captured

    def wrong(program, inputs):
        (accumulated, *rest), decisions = captured(program, inputs)
        return (accumulated + 1, *rest), decisions

    monkeypatch.setattr(programs.test_frontend_constructs, "run_captured", wrong)
    assert programs.outcome(right)[0] == "wrong"
