# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Programs compiled once for all tests that run or damage them."""

import tempfile

import handwritten
import pytest


@pytest.fixture(scope="session", autouse=True)
def kept_inputs(tmp_path_factory):
    """A failing tool's input is kept in a temporary folder: in pytest's, not in the machine's."""
    before = tempfile.tempdir
    tempfile.tempdir = str(tmp_path_factory.mktemp("kept"))
    yield
    tempfile.tempdir = before


@pytest.fixture(scope="session")
def gate_bundle(tmp_path_factory):
    """The bundle of `handwritten.gate_program`: a branch, a weight. Not to be changed."""
    folder = tmp_path_factory.mktemp("gate") / "gate.dycl"
    return handwritten.write(*handwritten.gate_program(), folder)


@pytest.fixture(scope="session")
def counter_bundle(tmp_path_factory):
    """The bundle of `handwritten.counter_program`: state, a written input, two loops. Not to be changed."""
    folder = tmp_path_factory.mktemp("counter") / "counter.dycl"
    return handwritten.write(*handwritten.counter_program(), folder)


@pytest.fixture(scope="session")
def checked_bundle(tmp_path_factory):
    """The bundle of `handwritten.checked_program`: an exception. Not to be changed."""
    folder = tmp_path_factory.mktemp("checked") / "checked.dycl"
    return handwritten.write(*handwritten.checked_program(), folder)


@pytest.fixture(scope="session")
def kinds_bundle(tmp_path_factory):
    """The bundle of `handwritten.kinds_program`: a result of two kinds. Not to be changed."""
    folder = tmp_path_factory.mktemp("kinds") / "kinds.dycl"
    return handwritten.write(*handwritten.kinds_program(), folder)
