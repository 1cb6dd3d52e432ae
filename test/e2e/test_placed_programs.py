# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Programs whose regions run on several devices: every path as in eager, and every copy between devices counted."""

from __future__ import annotations

import inspect
import json
import platform
import shlex
import subprocess
import weakref
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import dycl
import dycl.zoo
from dycl.runtime.program import Program
from dycl.zoo import digits
from dycl.zoo.images import random_images

HOME = "llvm-cpu"
OTHER_CPU = f"llvm-cpu:{platform.machine()}-linux-gnu"


@pytest.fixture(scope="module", autouse=True)
def no_gradients():
    with torch.no_grad():
        yield


@pytest.fixture(scope="module", params=["cpu", "vulkan"])
def other(request):
    """A second target: code for any CPU of this kind, on a device of its own; or Vulkan."""
    if request.param == "vulkan":
        request.getfixturevalue("vulkan")
        return "vulkan"
    return OTHER_CPU


def compiled(model, args, other, *rules, **options):
    place = tuple(rule if rule == "auto" else f"{rule}={other}" for rule in rules)
    return dycl.compile(model, args, target=[HOME, other], options=dycl.Options(place=place, **options))


def line_of(function, text):
    """`FILE:LINE` of the line of a function that holds some text, as a pattern of regions."""
    lines, first = inspect.getsourcelines(function)
    (index,) = [i for i, line in enumerate(lines) if text in line]
    return f"{Path(__file__).name}:{first + index}"


class Tracked:
    """Regions whose tensors know their device: what a region takes has to be on its own. Copies are counted."""

    def __init__(self, program):
        manifest = program._bundle.manifest["program"]
        self.session, self.home = program._loaded.session, manifest["home"]
        self.described = {region["name"]: region for region in manifest["regions"]}
        self.copies = {}

    def __getattr__(self, name):
        region = self.described[name]

        def call(*values):
            results = getattr(self.session.regions, name)(*(self.take(v, region["affinity"]) for v in values))
            results = results if isinstance(results, tuple) else (results,)
            pairs = zip(results, region["results"], strict=True)
            given = tuple((r, region["affinity"]) if t.startswith("tensor") else r for r, t in pairs)
            return given[0] if len(given) == 1 else given

        return call

    def take(self, value, device):
        if not isinstance(value, tuple):
            return value
        tensor, lies = value
        assert lies == device
        return tensor

    def constant(self, array, device=None):
        return self.session.regions.constant(array, device), device or self.home

    def transfer(self, value, source, destination, dtype):
        if value is None:
            return None
        copy = self.session.regions.transfer(self.take(value, source), source, destination, dtype)
        key = source, destination
        count, n_bytes = self.copies.get(key, (0, 0))
        self.copies[key] = count + 1, n_bytes + self.session.device(destination).read(copy, dtype).nbytes
        return copy, destination


def copies_of_a_call(program, args, kwargs=None):
    """What the host program copies for a call that begins with the program's state as it is now."""
    program.prepare()
    tracked = Tracked(program)
    loaded, signature = program._loaded, program.signature
    arrays = [np.asarray(arg) for arg in args]
    inputs = [loaded.upload(a, spec.dtype) for a, spec in zip(arrays, signature.inputs, strict=True)]
    _, decide = loaded.recorder()
    flat = loaded.main(tracked, decide, *((value, tracked.home) for value in [*inputs, *program._state]))
    for value in flat:
        if value is not None:
            tracked.take(value, tracked.home)
    return tracked.copies


def counts(profile, program):
    """A profile's transfers as `copies_of_a_call` has them."""
    folders = {entry["target"]: entry["folder"] for entry in program._bundle.manifest["targets"]}
    return {(folders[t.source], folders[t.destination]): (t.count, t.bytes) for t in profile.transfers}


_on_vm = weakref.WeakKeyDictionary()


def vm_twin(program):
    """The program with the VM host; None for one on two CPUs, which has none."""
    if program not in _on_vm:
        has_vm_host = "host.llvm-cpu.vmfb" in program._bundle.files or "host.vulkan.vmfb" in program._bundle.files
        assert has_vm_host is any(region.target == "vulkan" for region in program.regions)
        _on_vm[program] = Program(program._bundle, host="vm") if has_vm_host else None
    return _on_vm[program]


def check_call(program, model, *args):
    """A call as in eager, on either host; gives how many tensors were copied away from home, and back."""
    expected_copies = copies_of_a_call(program, args)
    if (on_vm := vm_twin(program)) is not None:
        got, expected = (run(*(arg.clone() for arg in args)) for run in (on_vm, model))
        torch.testing.assert_close(got, expected, rtol=1e-4, atol=1e-4)
    with program.profile() as profile:
        got = program(*(arg.clone() for arg in args))
    torch.testing.assert_close(got, model(*(arg.clone() for arg in args)), rtol=1e-4, atol=1e-4)
    assert counts(profile, program) == expected_copies
    assert on_vm is None or on_vm.last_path == program.last_path
    away = sum(t.count for t in profile.transfers if t.source == HOME)
    back = sum(t.count for t in profile.transfers if t.destination == HOME)
    return away, back


# ---- the zoo ------------------------------------------------------------------------------------------------


def test_digits_alternate_between_devices(other):
    model, args = dycl.zoo.digits_early_exit()
    program = compiled(model, args, other, "region_[13579]")
    assert [region.target for region in program.regions] == [HOME, other] * (len(program.regions) // 2) + [HOME] * (
        len(program.regions) % 2
    )
    by_exit = {}
    for image in digits.load_digits().test_images[:80].split(1):
        away, back = check_call(program, model, image)
        path = tuple(edge.label for edge in program.last_path if edge.label in ("true", "false"))
        assert by_exit.setdefault(path, (away, back)) == (away, back)
    assert set(by_exit) == {("true",), ("false", "true"), ("false", "false")}
    # The first exit is region_0 alone.
    assert by_exit["true",] == (0, 0)
    assert by_exit["false", "true"] > (0, 0)


def test_skipnet_alternates_between_devices(other):
    model, args = dycl.zoo.skipnet38_rnn(tiny=True)
    program = compiled(model, args, other, "region_*[13579]")
    paths = set()
    for image in random_images(16, seed=3).split(1):
        away, back = check_call(program, model, image)
        assert min(away, back) > 0
        paths.add(tuple(edge.label for edge in program.last_path))
    assert len(paths) >= 4
    nodes = [data for _, data in program.hcfg.nodes(data=True) if data["kind"] == "region"]
    assert {data["target"] for data in nodes} == {HOME, other}


# ---- control flow -------------------------------------------------------------------------------------------


class Loop(nn.Module):
    """A loop on data whose body is on the other device, with a weight and a value from before it."""

    def __init__(self):
        super().__init__()
        generator = torch.Generator().manual_seed(0)
        self.weight = nn.Parameter(torch.randn(4, 4, generator=generator))

    def forward(self, x, n):
        y = x * 2
        i = 0
        while i < n:
            x = torch.tanh(x @ self.weight + y)
            i = i + 1
        return x + 1, y


@pytest.mark.parametrize("auto", [False, True])
def test_a_loop_copies_once_before_and_once_after(other, auto):
    model = Loop().eval()
    args = torch.linspace(-1, 1, 8).reshape(2, 4), torch.tensor(3)
    body = line_of(Loop.forward, "tanh")
    program = compiled(model, args, other, *(["auto"] if auto else []), body)
    assert {region.target for region in program.regions if region.parameters} == {other}
    taken = [check_call(program, model, args[0], torch.tensor(n)) for n in (0, 1, 2, 9)]
    # x, y and n (the body gives the next condition) go there before the first trip, and x comes back after the last.
    assert taken == [(3, 1)] * 4


class Decoder(nn.Module):
    """A list that grows, from nothing, by what the other device computes."""

    def forward(self, x, n):
        rows = [x]
        for i in range(int(n)):
            rows.append(torch.sin(rows[-1]) + i)
        return torch.cat(rows)


def test_sizes_that_grow(other):
    model = Decoder()
    program = compiled(model, (torch.ones(1, 3), torch.tensor(2)), other, line_of(Decoder.forward, "sin"))
    for n in (0, 1, 4):
        check_call(program, model, torch.full((1, 3), 0.5), torch.tensor(n))


class Masked(nn.Module):
    """A tensor with as many rows as the data says, also none."""

    def forward(self, x):
        kept = x[x[:, 0] > 0]
        if kept.sum() > 3:
            kept = torch.exp(-kept)
        return kept * 2


def test_an_empty_tensor_is_copied(other):
    model = Masked()
    program = compiled(model, (torch.ones(3, 2),), other, line_of(Masked.forward, "* 2"))
    for x in (torch.ones(3, 2), torch.tensor([[0.5, 0.0], [-1.0, 1.0], [0.25, 1.0]])):
        assert check_call(program, model, x) == (1, 1)
    if other == "vulkan":  # IREE 3.13 computes nothing on an empty tensor there, placed or not.
        for host in (program, vm_twin(program)):
            with pytest.raises(dycl.DyclError, match="empty buffer range"):
                host(-torch.ones(3, 2))
        assert check_call(program, model, torch.ones(3, 2)) == (1, 1)
    else:
        assert check_call(program, model, -torch.ones(3, 2)) == (1, 1)


class Kinds(nn.Module):
    """What a path leaves undefined, and results of two kinds."""

    def forward(self, x):
        if x.sum() > 0:
            y = torch.exp(x)
            if x[0] > 1:
                return None, y
            return y, x.sum().item() > 10
        return x, None


def test_results_of_several_kinds(other):
    model = Kinds()
    program = compiled(model, (torch.ones(3),), other, line_of(Kinds.forward, "exp"))
    for x in (torch.ones(3), torch.tensor([2.0, 0, 0]), torch.tensor([1.0, 0, 30.0]), -torch.ones(3)):
        assert check_call(program, model, x)[0] == int(x.sum() > 0)


class Types(nn.Module):
    """Tensors of many dtypes computed on one device, used on another."""

    def forward(self, x, flags):
        big = x * 3
        small = big.to(torch.int8)
        half = big.to(torch.bfloat16)
        flags = flags | (big > 3)
        if x.sum() > 0:
            return small.to(torch.float32) + half.to(torch.float32), ~flags
        return small.to(torch.float32) - half.to(torch.float32), flags


def test_dtypes(vulkan):
    model = Types()
    args = torch.tensor([1.0, 2.0, -0.5, 0.25]), torch.tensor([True, False, False, True])
    for first in (HOME, OTHER_CPU):
        rules = dycl.Options(place=(f"region_0={first}",))
        program = dycl.compile(model, args, target=[HOME if first != HOME else OTHER_CPU, first], options=rules)
        for sign in (1, -1):
            got, expected = program(sign * args[0], args[1]), model(sign * args[0], args[1])
            torch.testing.assert_close(got, expected)


# ---- state --------------------------------------------------------------------------------------------------


class Account(nn.Module):
    """State that the other device changes, an input that is written, and an exception with a number in it."""

    def __init__(self):
        super().__init__()
        self.register_buffer("total", torch.tensor([1.0, 2.0]))

    def forward(self, x, n):
        x += 1
        if x.sum() < 0:
            raise ValueError(f"nothing left of {x.sum().item()}")
        for _ in range(int(n)):
            self.total += x * 0.5
        return self.total - 1


def outcome(function, *args):
    try:
        return function(*args)
    except ValueError as error:
        return type(error), str(error)


def test_state_and_written_inputs_are_at_home(other, tmp_path):
    model = Account().eval()
    example = torch.ones(2), torch.tensor(1)
    program = compiled(model, example, other, line_of(Account.forward, "self.total +="))
    program.save(tmp_path / "account.dycl", zip=True)
    program = dycl.load(tmp_path / "account.dycl")
    for _ in range(2):
        model = Account().eval()
        for values, n in ([1.0, 2.0], 0), ([1.0, 2.0], 3), ([-5.0, 1.0], 2), ([9.0, 2.0], 1):
            mine, eager = torch.tensor(values), torch.tensor(values)
            expected_copies = copies_of_a_call(program, (mine, torch.tensor(n)))
            with program.profile() as profile:
                got = outcome(program, mine, torch.tensor(n))
            expected = outcome(model, eager, torch.tensor(n))
            assert isinstance(expected, tuple) is (values[0] < 0)
            torch.testing.assert_close(mine, eager)
            if isinstance(expected, tuple):
                assert got == expected
            else:
                torch.testing.assert_close(got, expected)
            assert counts(profile, program) == expected_copies
            if (on_vm := vm_twin(program)) is not None:
                mine = torch.tensor(values)
                got = outcome(on_vm, mine, torch.tensor(n))
                torch.testing.assert_close(mine, eager)
                if isinstance(expected, tuple):
                    assert got == expected
                else:
                    torch.testing.assert_close(got, expected)
                assert on_vm.last_path == program.last_path
        for host in filter(None, (program, vm_twin(program))):
            host.reset_state()


# ---- the whole way from the command line --------------------------------------------------------------------


def test_command_line(other, run_command, tmp_path):
    bundle = tmp_path / "digits.dycl"
    targets = ("--target", HOME, "--target", other)
    source = "dycl.zoo:digits_early_exit"
    done = run_command("dycl", "compile", source, *targets, "--place", f"region_1={other}", "-o", bundle, "--json")
    assert done.returncode == 0, done.stderr
    inspected = run_command("dycl", "inspect", bundle)
    assert f"{HOME} and {other} together (" in inspected.stdout, inspected.stderr
    assert f"1 on {other})" in inspected.stdout
    summary = json.loads(done.stdout)
    assert summary["home"] == HOME
    assert [region["targets"] for region in summary["regions"]].count([other]) == 1
    vm_files = {name for name in summary["files"] if name.endswith(".vmfb") and "/" not in name}
    expected = {"host.llvm-cpu.vmfb", "device.llvm-cpu.vmfb", "device.vulkan.vmfb"} if other == "vulkan" else set()
    assert vm_files == expected

    image = digits.load_digits().test_images[:1]
    np.save(tmp_path / "x.npy", image.numpy())
    model, _ = dycl.zoo.digits_early_exit()
    arguments = f"--input=@{tmp_path / 'x.npy'}", f"--output={tmp_path / 'y.npy'}"
    for command in (("dycl", "run", bundle), ("python", bundle)):
        done = run_command(*command, *arguments)
        assert done.returncode == 0, done.stderr
        np.testing.assert_allclose(np.load(tmp_path / "y.npy"), model(image).numpy(), rtol=1e-4, atol=1e-5)
    done = run_command("dycl", "run", bundle, arguments[0], "--profile", "--json")
    profile = json.loads(done.stdout)["profile"]
    assert profile["calls"] == 1
    assert sum(region["calls"] for region in profile["regions"]) >= 1
    done = run_command("dycl", "run", bundle, arguments[0], "--profile")
    assert "loading ms" in done.stderr
    assert "loading ms" not in done.stdout

    on_vm = ("dycl", "run", bundle, arguments[0], "--host", "vm"), ("dycl", "inspect", bundle, "--iree-run-module")
    for refused in () if other == "vulkan" else on_vm:
        done = run_command(*refused)
        assert done.returncode == 1
        assert f"runs on {HOME} and {other}" in done.stderr
    if other == "vulkan":
        done = run_command("dycl", "run", bundle, "--host", "vm", *arguments)
        assert done.returncode == 0, done.stderr
        np.testing.assert_allclose(np.load(tmp_path / "y.npy"), model(image).numpy(), rtol=1e-4, atol=1e-5)
        done = run_command("dycl", "inspect", bundle, "--iree-run-module", "--target", HOME)
        assert done.returncode == 1
        assert f"runs on {HOME} and {other} at once; leave out --target" in done.stderr


def run_by_iree(run_command, bundle, inputs, n_results, tmp_path):
    """The results of a program that iree-run-module runs."""
    printed = run_command("dycl", "inspect", bundle, "--iree-run-module")
    assert printed.returncode == 0, printed.stderr
    command = shlex.split(printed.stdout)
    for i, value in enumerate(inputs):
        np.save(tmp_path / f"in{i}.npy", value.numpy())
        command.append(f"--input=@{tmp_path}/in{i}.npy")
    done = subprocess.run(
        [*command, *(f"--output=@{tmp_path}/out{i}.npy" for i in range(n_results))], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return tuple(torch.from_numpy(np.load(tmp_path / f"out{i}.npy")) for i in range(n_results))


class Both(nn.Module):
    """Branches on a device each, whose scalars the host reads, and a loop over both."""

    def forward(self, x, n):
        for _ in range(int(n)):
            if x.sum() > 0:
                x = torch.tanh(x) - 0.75
            else:
                x = torch.exp(x) + 0.5
        return x


@pytest.mark.parametrize("home", [HOME, "vulkan"])
def test_iree_alone_runs_a_program_on_two_devices(vulkan, home, run_command, tmp_path):
    model = Both()
    args = torch.tensor([1.0, 0.5, -0.25]), torch.tensor(2)
    away = "vulkan" if home == HOME else HOME
    rules = (f"{line_of(Both.forward, 'tanh')}={away}",)
    program = dycl.compile(model, args, target=[home, away], options=dycl.Options(place=rules))
    assert {region.target for region in program.regions} == {home, away}
    program.save(tmp_path / "both.dycl")
    for values, n in ([1.0, 0.5, -0.25], 0), ([1.0, 0.5, -0.25], 1), ([-3.0, 0.5, -0.25], 1), ([1.0, 0.5, -0.25], 7):
        inputs = torch.tensor(values), torch.tensor(n)
        (got,) = run_by_iree(run_command, tmp_path / "both.dycl", inputs, 1, tmp_path)
        torch.testing.assert_close(got, model(*inputs), rtol=1e-4, atol=1e-4)
    generator = torch.Generator().manual_seed(0)
    on_vm, paths = dycl.load(tmp_path / "both.dycl", host="vm"), set()
    for call in range(60):
        inputs = torch.randn(3, generator=generator), torch.tensor(call % 6)
        torch.testing.assert_close(on_vm(*inputs), model(*inputs), rtol=1e-4, atol=1e-4)
        program(*inputs)
        assert on_vm.last_path == program.last_path
        paths.add(tuple(on_vm.last_path))
    assert len(paths) > 6


def test_devices_of_a_placed_program(other, tmp_path):
    model = Loop().eval()
    args = torch.ones(2, 4), torch.tensor(2)
    compiled(model, args, other, line_of(Loop.forward, "tanh")).save(tmp_path / "loop.dycl")
    for device in ("local-task", "local-sync", None):
        program = dycl.load(tmp_path / "loop.dycl", device=device, loading="eager")
        torch.testing.assert_close(program(*args), model(*args), rtol=1e-4, atol=1e-4)
        if other == "vulkan":
            on_vm = dycl.load(tmp_path / "loop.dycl", device=device, host="vm")
            torch.testing.assert_close(on_vm(*args), model(*args), rtol=1e-4, atol=1e-4)
    with pytest.raises(dycl.BundleError, match="and nothing of it on device 'cuda'"):
        dycl.load(tmp_path / "loop.dycl", device="local-sync,cuda")


def test_dropped_regions_come_back_on_their_device(other, tmp_path):
    model = Loop().eval()
    args = torch.ones(2, 4), torch.tensor(2)
    compiled(model, args, other, line_of(Loop.forward, "tanh")).save(tmp_path / "loop.dycl")
    program = dycl.load(tmp_path / "loop.dycl", memory_budget=1)
    for n in (0, 1, 2):
        check_call(program, model, args[0], torch.tensor(n))
        assert len(program.loaded_regions) == 1


# ---- what is not placed -------------------------------------------------------------------------------------


def test_without_placement_targets_are_alternatives(tmp_path):
    model, args = Loop().eval(), (torch.ones(2, 4), torch.tensor(2))
    program = dycl.compile(model, args, target=[HOME, OTHER_CPU])
    program.save(tmp_path / "loop.dycl")
    with program.profile() as profile:
        program(*args)
    assert profile.transfers == ()
    manifest = json.loads((tmp_path / "loop.dycl" / "manifest.json").read_text())
    assert manifest["schema_version"] == 1
    assert "home" not in manifest["program"]
    assert "transfer" not in (tmp_path / "loop.dycl" / "host.py").read_text()
    assert [entry["target"] for entry in manifest["targets"]] == [HOME, OTHER_CPU]


def test_what_is_best_at_home_stays_a_program_of_one_device(tmp_path):
    """The cost model finds nothing here worth a copy: the program is one for the first target, on either host."""
    model, args = Loop().eval(), (torch.ones(2, 4), torch.tensor(2))
    options = dycl.Options(place=("auto",))
    dycl.compile(model, args, target=[HOME, OTHER_CPU], options=options).save(tmp_path / "loop.dycl")
    for host in ("python", "vm"):
        program = dycl.load(tmp_path / "loop.dycl", host=host)
        torch.testing.assert_close(program(*args), model(*args))
        assert {region.target for region in program.regions} == {HOME}
    with pytest.raises(dycl.BundleError, match="it is not for device 'vulkan'"):
        dycl.load(tmp_path / "loop.dycl", device="vulkan")


def test_a_model_of_the_devices_decides(other):
    model, args = Loop().eval(), (torch.ones(2, 4), torch.tensor(2))
    fast = (f"{other}=1e6:1e6:0.001:1e6:0.001",)
    program = compiled(model, args, other, "auto", device_models=fast)
    assert {region.target for region in program.regions} == {other}
    check_call(program, model, *args)
