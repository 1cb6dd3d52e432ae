# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""`dycl verify`: it agrees with what is right, and catches what is wrong: hosts, weights, and a rewriter that errs."""

from __future__ import annotations

import copy
import hashlib
import json
import re
import sys

import pytest
import torch
from torch import nn

import dycl
import dycl.zoo
from dycl.frontend.operators.conditions import Conditions
from dycl.report.coverage import NATURAL
from dycl.report.inputs import factory_inputs
from dycl.report.search import Search

NET = """\
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Linear(4, 4)
        self.second = nn.Linear(4, 4)

    def forward(self, x):
        x = self.first(x)
        if x.sum() > 0:
            x = self.second(x)
        else:
            x = x - 1
        n = 0
        while x.abs().sum() < 8 and n < 6:
            x = x * 1.5
            n = n + 1
        return x, n

def make():
    torch.manual_seed(0)
    return Net().eval(), (torch.randn(1, 4),)
"""


def doctored(program, folder, edit):
    """A program as `program`, of a bundle in which `edit` was applied to host.py, with hashes that fit."""
    program.save(folder)
    host = folder / "host.py"
    host.write_text(edit(host.read_text()))
    manifest = json.loads((folder / "manifest.json").read_text())
    content = host.read_bytes()
    manifest["files"]["host.py"] = {"sha256": hashlib.sha256(content).hexdigest(), "size": len(content)}
    (folder / "manifest.json").write_text(json.dumps(manifest))
    return dycl.load(folder)


def replaced(old, new):
    def edit(text):
        assert old in text
        return text.replace(old, new, 1)

    return edit


@pytest.fixture(scope="module")
def net(tmp_path_factory):
    """The file of a network with a branch and a loop, which `make` in it makes."""
    path = tmp_path_factory.mktemp("net") / "branching_net.py"
    path.write_text(NET)
    return path


@pytest.fixture(scope="module")
def model(net):
    sys.path.insert(0, str(net.parent))
    import branching_net  # pyright: ignore[reportMissingImports]

    yield branching_net.make()
    sys.path.remove(str(net.parent))


@pytest.fixture(scope="module")
def program(model):
    return dycl.compile(*model)


@pytest.fixture(scope="module")
def inputs():
    generator = torch.Generator().manual_seed(1)
    return [(torch.randn(1, 4, generator=generator) * (1 + i % 3),) for i in range(24)]


def test_right_program_agrees_on_every_path(program, model, inputs):
    report = dycl.verify(program, model[0], inputs)
    assert report.ok, str(report)
    assert report.calls[NATURAL] == len(inputs)
    assert report.decisions == report.agreed > 2 * len(inputs)
    assert 0 < report.largest_relative < 1e-5
    assert {e.label for e in report.edges if e.place and e.calls.natural} >= {"true", "false", "iterate", "exit"}
    (loop,) = [loop for loop in report.loops if loop.place == "branching_net.py:17"]
    assert all(counts.natural for counts in loop.trips.values())
    assert not report.own_decisions


def decision_swapped(text):
    """The first `if` of the host takes the other side, and says so."""
    return replaced("if decide(0, p0):", "if decide(0, not p0):")(text)


def recorded_otherwise(text):
    """The first `if` decides right, and records otherwise."""
    return replaced("if decide(0, p0):", "if not decide(0, not p0):")(text)


def test_swapped_decision_is_caught(program, model, inputs, tmp_path):
    report = dycl.verify(doctored(program, tmp_path / "net.dycl", decision_swapped), model[0], inputs)
    assert {f.what for f in report.failures} >= {"decision", "output"}
    assert "branching_net.py:12" in str(report)


def test_decision_that_is_wrong_while_outputs_are_right_is_caught(program, model, inputs, tmp_path):
    report = dycl.verify(doctored(program, tmp_path / "net.dycl", recorded_otherwise), model[0], inputs)
    assert {f.what for f in report.failures} == {"decision"}


def test_additional_iteration_is_caught(model, inputs, tmp_path):
    """A loop that runs once more than eager's, of a body that changes nothing any more."""

    def forward(x, n):
        i = torch.tensor(0)
        while i < n:
            i = i + 1
            x = torch.clamp(x + 1, max=5.0)
        return x

    program = dycl.compile(forward, (torch.zeros(2), torch.tensor(3)))

    def once_more(text):
        (value,) = re.findall(r"while decide\(0, (\w+)\):", text)
        goes_on = f"{value} or not more.pop()"
        return replaced(f"while decide(0, {value}):", f"more = [True, False]\n    while decide(0, {goes_on}):")(text)

    wrong = doctored(program, tmp_path / "loop.dycl", once_more)
    calls = [(torch.full((2,), 9.0), torch.tensor(n)) for n in (1, 2, 5)]
    assert torch.equal(wrong(*calls[0]), forward(*calls[0]))
    report = dycl.verify(wrong, forward, calls)
    assert {f.what for f in report.failures} == {"iterations"}
    assert dycl.verify(program, forward, calls).ok


def test_changed_weight_is_caught(program, model, inputs):
    other = type(model[0])()
    other.load_state_dict(model[0].state_dict())
    with torch.no_grad():
        other.second.bias += 1e-3
    report = dycl.verify(program, other.eval(), inputs)
    assert {f.what for f in report.failures} <= {"output", "decision", "iterations"}
    assert any(f.what == "output" for f in report.failures)


def test_rewriter_that_errs_is_caught(monkeypatch, inputs):
    """Eager is not rewritten: an operator that takes `>` for `>=` shows where both are equal."""
    right = Conditions.comparison

    def forward(x):
        if x.round().sum() > 0:
            return x + 1
        return x - 1

    monkeypatch.setattr(
        Conditions, "comparison", lambda self, name, a, b: right(self, "GtE" if name == "Gt" else name, a, b)
    )
    program = dycl.compile(forward, (torch.ones(3),))
    calls = [(torch.tensor([a, b, 0.0]),) for a in (-1.0, 0.0, 1.0) for b in (-1.0, 0.0, 1.0)]
    # The operands are equal where the program errs: on floats that is within any noise but 0.
    report = dycl.verify(program, forward, calls, noise=0.0)
    assert {f.what for f in report.failures} == {"decision", "output"}
    assert {f.call for f in report.failures} == {i for i, (x,) in enumerate(calls) if x.sum() == 0}


def test_near_tie_is_reported_apart_and_is_no_failure():
    """Two ways to compute a variance, which only rounding tells apart."""

    def forward(x):
        y = (x * x).sum() / x.numel() - x.mean() * x.mean()
        if y > x.var(unbiased=False):
            return x + 1
        return x - 1

    program = dycl.compile(forward, (torch.ones(64),))
    generator = torch.Generator().manual_seed(0)
    calls = [(torch.randn(64, generator=generator),) for _ in range(60)]
    report = dycl.verify(program, forward, calls)
    assert report.ok, str(report)
    assert report.near_ties
    assert all(tie.confirmed and tie.margin <= tie.noise for tie in report.near_ties)
    strict = dycl.verify(program, forward, calls, noise=0.0)
    assert {f.call for f in strict.failures} == {tie.call for tie in report.near_ties}


class Narrow(nn.Module):
    """Its first condition holds for few inputs, its second for none."""

    def __init__(self):
        super().__init__()
        self.a, self.b, self.c = nn.Linear(64, 64), nn.Linear(64, 3), nn.Linear(64, 3)

    def forward(self, x):
        h = torch.tanh(self.a(x))
        if h.mean() > 0.6:
            h = h * 2
        if (h * 0).sum() > 1:
            return self.c(h)
        return self.b(h)


@pytest.fixture(scope="module")
def narrow():
    torch.manual_seed(0)
    model = Narrow().eval()
    return model, dycl.compile(model, (torch.randn(1, 64),))


def narrow_inputs():
    generator = torch.Generator().manual_seed(0)
    return [(torch.randn(1, 64, generator=generator),) for _ in range(10)]


def test_what_no_input_takes_is_searched_and_then_forced(narrow):
    model, program = narrow
    without = dycl.verify(program, model, narrow_inputs(), search=0)
    assert {(e.text, e.label) for e in without.untaken if e.place} == {
        ("if h.mean() > 0.6:", "true"),
        ("if (h * 0).sum() > 1:", "true"),
    }
    report = dycl.verify(program, model, narrow_inputs(), search=200)
    assert report.ok, str(report)
    assert not report.untaken
    first = {e.text: e.calls.first() for e in report.edges if e.label == "true"}
    assert first == {"if h.mean() > 0.6:": "searched", "if (h * 0).sum() > 1:": "forced"}
    assert report.coverage["regions"]["forced"] == 1
    assert "1 by forced inputs" in str(report)


# A search that ends ---------------------------------------------------------------------------------------------------


class Gated(nn.Module):
    """Its gates never open: a share is at most 1, and nothing is more than 0 times something."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.blocks = nn.ModuleList(nn.Linear(8, 8) for _ in range(4))
        self.gate = nn.Linear(8, 2)

    def forward(self, x):
        for block in self.blocks:
            if self.gate(x).softmax(-1).max() > 1.5:
                x = x - 1
            x = block(x).relu() + x
        if (x.floor() * 0).sum() > 1:
            x = -x
        return x


@pytest.fixture(scope="module")
def gated():
    model = Gated().eval()
    return model, dycl.compile(model, (torch.randn(1, 8),))


def gated_inputs():
    generator = torch.Generator().manual_seed(0)
    return [(torch.randn(1, 8, generator=generator),) for _ in range(5)]


def test_no_search_for_what_cannot_be(gated, monkeypatch):
    model, program = gated
    sought = []
    candidates = Search._candidates
    monkeypatch.setattr(Search, "_candidates", lambda self, p: sought.append(p.location.line) or candidates(self, p))
    report = dycl.verify(program, model, gated_inputs())
    assert report.ok, str(report)
    assert not report.untaken
    # Blocks that decide alike in all calls are told apart where one is forced.
    assert [e.calls.first() for e in report.edges if e.label == "true"] == ["forced"] * 5
    assert sought == []
    assert f"search       {report.search_calls} calls of the program in " in str(report)


def test_gates_that_are_not_forced_say_why_no_input_opens_them(gated, monkeypatch):
    model, program = gated
    monkeypatch.setattr(Search, "_force", lambda *_: "not tried")
    shown = str(dycl.verify(program, model, gated_inputs(), search=70))
    assert shown.count("no input like these: it compares what lies between 0 and 1 with what lies between 1.5 and") == 4


def test_search_ends_by_time(gated):
    model, program = gated
    report = dycl.verify(program, model, gated_inputs(), search_time_s=0.0)
    assert report.ok
    assert report.search_calls == 0
    assert len([e for e in report.untaken if e.place]) == 5
    assert [note.partition(" when ")[2] for note in report.notes] == [
        "the search ended, after 0 s (--search-time) and 0 of 1000 calls: more time may find inputs",
        "the forcing ended, after 0 s (--search-time) and 0 of 1000 calls: more time may find inputs",
    ]


def test_progress_says_what_is_done(gated, capsys):
    model, program = gated
    dycl.verify(program, model, gated_inputs(), search=70, progress=True)
    said = capsys.readouterr().err
    for words in (
        "comparing call 5 of 5",
        "drawing inputs like those: 0 of 70 calls, 0 of 60 s",
        "searching test_verify.py:",
        "(1 of 5 not taken)",
        "forcing test_verify.py:",
        "comparing all decisions",
    ):
        assert words in said


class Masked(nn.Module):
    def forward(self, x, mask):
        if mask[0] == (mask[1] & ~mask[1]):
            x = x * 2
        if mask[2] != (mask[2] | (x[0] > x[0])):
            return x + 1
        return x


def test_search_takes_masks():
    model = Masked()
    inputs = [(torch.tensor([-1.0, 2.0, -3.0]), torch.tensor([True, False, True]))]
    program = dycl.compile(model, inputs[0])
    report = dycl.verify(program, model, inputs, search=100)
    assert report.failures == []
    first = {e.text: e.calls.first() for e in report.edges if e.label == "true"}
    assert first == {
        "if mask[0] == (mask[1] & ~mask[1]):": "searched",
        "if mask[2] != (mask[2] | (x[0] > x[0])):": "forced",
    }


class Embedded(nn.Module):
    """Its condition compares what parameters, and no float of the input, have a part in."""

    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(50, 4)
        self.embedding.weight.data.zero_()[37] = 1.0

    def forward(self, word):
        h = self.embedding(word)
        if h.sum() > 3:
            return h * 2
        return h - 1


def test_search_takes_more_inputs_of_the_factory():
    class Rare(nn.Module):
        def forward(self, x):
            if torch.logical_and(x.sum() > 101.5, x.sum() < 102.5):
                return x * 2
            return x

    def factory():
        return Rare(), (torch.zeros(1),)

    factory.inputs = lambda count, seed: [(torch.full((1,), 100.0 * seed + i),) for i in range(count)]
    model, args = factory()
    program = dycl.compile(model, args)
    inputs = factory_inputs(factory, 2, 0, {})
    assert dycl.verify(program, model, inputs.arguments, search=6).coverage["edges"]["searched"] == 0
    report = dycl.verify(program, model, inputs, search=6)
    assert report.ok, str(report)
    assert not report.untaken
    assert report.coverage["edges"]["searched"] == 2  # the `if` and the way on


def test_search_takes_integers():
    model = Embedded().eval()
    program = dycl.compile(model, (torch.tensor(0),))
    report = dycl.verify(program, model, [(torch.tensor(i),) for i in range(5)], search=200)
    assert report.failures == []
    assert not report.untaken


def test_wrong_weight_on_a_path_that_is_only_forced_is_caught(narrow):
    model, program = narrow
    other = copy.deepcopy(model)
    with torch.no_grad():
        other.c.bias += 1
    failures = dycl.verify(program, other, narrow_inputs(), search=200).failures
    assert {(f.what, f.origin) for f in failures} == {("output", "forced")}


class Counter(nn.Module):
    """Counts its calls in a buffer, and every third call differs."""

    def __init__(self):
        super().__init__()
        self.register_buffer("count", torch.zeros((), dtype=torch.int64))

    def forward(self, x):
        self.count += 1
        if self.count == 3:
            self.count.zero_()
            return x * 2
        return x


def test_state_over_sequences_of_calls():
    model = Counter().eval()
    program = dycl.compile(model, (torch.ones(2),))
    calls = [(torch.full((2,), float(i)),) for i in range(8)]
    report = dycl.verify(program, model, calls, sequence=4)
    assert report.ok, str(report)
    assert int(model.count) == 0, "the model is left as it was"
    other = Counter().eval()
    other.count.fill_(1)
    failures = dycl.verify(program, other, calls, sequence=4).failures
    assert {f.what for f in failures} == {"decision", "output", "state"}


def test_exceptions_agree_in_type_and_message():
    def forward(x):
        if x.sum() > 5:
            raise ValueError(f"too large: {x.max().item():.1f}")
        if x.min() <= -3:  # pytest rewrites assert statements
            raise AssertionError("too small")
        return x

    def other(x):
        if x.sum() > 5:
            raise ValueError(f"too big: {x.max().item():.1f}")
        if x.min() <= -3:  # pytest rewrites assert statements
            raise AssertionError("too small")
        return x

    calls = [(torch.full((2,), value),) for value in (0.0, 9.0, -7.0)]
    program = dycl.compile(forward, calls[0])
    report = dycl.verify(program, forward, calls)
    assert report.ok, str(report)
    assert report.exceptions == 2
    failures = dycl.verify(program, other, calls).failures
    assert [(f.call, f.what) for f in failures if f.what == "exception"] == [(1, "exception")]


def test_command(net, run_command, tmp_path):
    page = tmp_path / "report.html"
    done = run_command("dycl", "verify", f"{net}:make", "--count", "30", "--json", "--html", page)
    assert (done.returncode, done.stderr) == (0, "")
    report = json.loads(done.stdout)
    assert report["ok"]
    assert report["calls"][NATURAL] == 30
    text = page.read_text()
    assert "<svg" in text
    assert "x.sum() &gt; 0" in text
    assert "http" not in text.replace("http://www.w3.org/2000/svg", "")


def test_command_with_a_bundle_fails_where_it_is_wrong(program, net, run_command, tmp_path):
    folder = tmp_path / "net.dycl"
    program.save(folder)
    assert run_command("dycl", "verify", folder, "--model", f"{net}:make", "--count", "9").returncode == 0
    doctored(program, folder, decision_swapped)
    done = run_command("dycl", "verify", folder, "--model", f"{net}:make", "--count", "9")
    assert done.returncode == 1
    assert "DISAGREES" in done.stdout
    assert run_command("dycl", "verify", folder).returncode == 2


def test_inputs_of_a_file(net, run_command, tmp_path):
    import numpy as np

    np.savez(tmp_path / "x.npz", x=np.ones((5, 1, 4), np.float32))
    (tmp_path / "draw.py").write_text(
        "import torch\ndef draw(count, seed):\n    return [(torch.full((1, 4), float(i)),) for i in range(count)]\n"
    )
    for where, calls in ((f"{tmp_path}/x.npz", 5), (f"{tmp_path}/draw.py:draw", 7)):
        done = run_command("dycl", "verify", f"{net}:make", "--inputs", where, "--count", "7", "--json")
        assert json.loads(done.stdout)["calls"][NATURAL] == calls
    done = run_command("dycl", "verify", f"{net}:make", "--inputs", f"{tmp_path}/x.txt")
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert "FILE.npz or FILE.py:FUNCTION" in done.stderr


def test_zoo_by_its_own_inputs():
    model, args = dycl.zoo.digits_early_exit()
    report = dycl.verify(dycl.compile(model, args), model, dycl.zoo.digits_early_exit.inputs(60, seed=0))
    assert report.ok, str(report)
    assert report.decisions >= 60
    assert not report.untaken


def test_errors_of_values_agree():
    """Also where the sizes are not in the program's message."""

    def forward(x, i):
        if x.sum() > 0:
            return x[x > 0] + torch.ones(2), i
        return x.index_select(0, i), i

    calls = [
        (torch.tensor(x), torch.tensor([i]))
        for x, i in (([1.0, 2.0, -1.0], 0), ([1.0, 1.0, 1.0], 0), ([-1.0, 0.0, 0.0], 1), ([-1.0, 0.0, 0.0], 7))
    ]
    report = dycl.verify(dycl.compile(forward, calls[0]), forward, calls, search=0)
    assert report.ok, report
    assert report.exceptions == 2
