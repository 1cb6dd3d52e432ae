# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The cache of compiled regions: what is taken from it, what is not, and how large it grows."""

from __future__ import annotations

import linecache
import os

import pytest
import torch

import dycl
from dycl.compiler import iree
from dycl.compiler.cache import CompilationCache, cache_key
from dycl.compiler.targets import TargetSpec


@pytest.fixture
def compilations(monkeypatch, tmp_path):
    """What iree-compile was run for, in a cache that is empty at first."""
    monkeypatch.setenv("DYCL_CACHE", str(tmp_path / "cache"))
    run, ran = iree._Children.run, []

    def counted(self, command, text):
        ran.append(text)
        return run(self, command, text)

    monkeypatch.setattr(iree._Children, "run", counted)
    return ran


def branch(x, factor=2.0):
    return x * factor if x.sum() > 0 else x - 1


@pytest.fixture
def arguments():
    return (torch.tensor([1.0, 2.0]),)


def test_what_was_compiled_is_not_compiled_again(compilations, arguments):
    first = dycl.compile(branch, arguments)
    assert compilations
    compilations.clear()
    second = dycl.compile(branch, arguments)
    assert not compilations
    for x in (arguments[0], -arguments[0]):
        assert torch.equal(first(x), second(x))
        assert torch.equal(second(x), branch(x))


def test_what_changed_is_compiled_again(compilations, arguments):
    dycl.compile(branch, arguments)
    compilations.clear()
    other = dycl.compile(lambda x: branch(x, 3.0), arguments)
    assert compilations
    assert torch.equal(other(arguments[0]), branch(arguments[0], 3.0))


def test_lines_that_moved_change_nothing(compilations, arguments, tmp_path):
    def program(first_line):
        net = "def net(x):\n    return inner(x) if x.sum() > 0 else x - 1\n"
        source = f"{first_line}{net}def inner(x):\n    return x * 2\n"
        path = tmp_path / "net.py"
        path.write_text(source)
        linecache.checkcache(str(path))
        namespace = {}
        exec(compile(source, str(path), "exec"), namespace)
        return dycl.compile(namespace["net"], arguments)

    before = program("")
    compilations.clear()
    after = program("# a comment\n" * 7)
    assert not compilations
    assert [r.location.line + 7 for r in before.regions] == [r.location.line for r in after.regions]
    assert torch.equal(before(arguments[0]), after(arguments[0]))


def test_locations_are_no_part_of_a_key():
    cpu = TargetSpec.parse("llvm-cpu")
    plain = "%0 = a.b %x : f32\n"
    located = [
        '%0 = a.b %x : f32 loc("net (1).py":1:2)\n',
        '%0 = a.b %x : f32 loc(callsite(fused["a":1:2, "b":3:4] at callsite("c":5:6 at "d":7:8)))\n',
    ]
    assert len({cache_key(text, (), cpu) for text in [plain, *located]}) == 1
    assert cache_key('%0 = a.c %x : f32 loc("a":1:2)\n', (), cpu) != cache_key(plain, (), cpu)


def test_without_the_cache_everything_is_compiled_and_nothing_kept(compilations, arguments, tmp_path):
    options = dycl.Options(cache=False)
    dycl.compile(branch, arguments, options=options)
    n_first = len(compilations)
    dycl.compile(branch, arguments, options=options)
    assert len(compilations) == 2 * n_first > 0
    assert not (tmp_path / "cache").exists()


def test_embedded_weights_are_no_part_of_a_key_so_such_regions_are_not_cached(compilations):
    def model(weight):
        layer = torch.nn.Linear(2, 2)
        with torch.no_grad():
            layer.weight.fill_(weight)
        return layer

    x = torch.ones(1, 2)
    for weight in (1.0, 5.0):
        layer = model(weight)
        program = dycl.compile(layer, (x,), options=dycl.Options(embed_parameters=True))
        torch.testing.assert_close(program(x), layer(x).detach())


def test_a_folder_that_cannot_be_used_is_as_none(monkeypatch, arguments, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("DYCL_CACHE", str(tmp_path / "file" / "cache"))
    program = dycl.compile(branch, arguments)
    assert torch.equal(program(arguments[0]), branch(arguments[0]))


def test_a_key_depends_on_the_module_the_flags_and_the_target():
    cpu, arm = TargetSpec.parse("llvm-cpu"), TargetSpec.parse("llvm-cpu:aarch64-linux-gnu")
    keys = {
        cache_key("a", ("--x",), cpu),
        cache_key("b", ("--x",), cpu),
        cache_key("a", ("--y",), cpu),
        cache_key("a", ("--x",), arm),
    }
    assert len(keys) == 4
    assert cache_key("a", ("--x",), cpu) in keys


def test_what_was_not_used_for_longest_goes_first(tmp_path):
    cache = CompilationCache(tmp_path / "cache", maximum_bytes=250)
    vmfb, output = tmp_path / "a.vmfb", tmp_path / "out.vmfb"
    vmfb.write_bytes(bytes(100))
    for age, key in enumerate(("aa1", "bb2", "cc3")):
        cache.keep(key, vmfb)
        kept = tmp_path / "cache" / key[:2] / f"{key}.vmfb"
        os.utime(kept, (1000 + age, 1000 + age))
    assert cache.find("aa1", output)  # used now
    cache.trim()
    assert [cache.find(key, output) for key in ("aa1", "bb2", "cc3")] == [True, False, True]
