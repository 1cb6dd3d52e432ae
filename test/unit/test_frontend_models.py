# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Capturing of modules: weights, state, in-place writes, layers that decompose into in-place ops, and its speed."""

from __future__ import annotations

import gc
import re
import time
import types
import weakref

import pytest
import torch
import torch.nn.functional as F
from functorch.experimental import control_flow
from torch import nn
from torch._higher_order_ops.scan import scan
from torch.export import Dim
from torch.utils import _pytree as pytree
from torch.utils.checkpoint import checkpoint

from dycl.errors import UnsupportedConstructError
from dycl.frontend import import_program
from dycl.frontend.capture import capture
from dycl.frontend.interpreter import Decision, Interpreter, conditions
from dycl.frontend.recorder import Recorder
from dycl.options import Options


class Base(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(8, 8)

    def head(self, x):
        return self.fc(x)


class EverythingAtOnce(Base):
    """Conv + BN + relu_ + LSTM + attention; one side writes a buffer, the other a view of an outer tensor."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3, padding=1)
        self.bn = nn.BatchNorm2d(8)
        nn.init.normal_(self.bn.running_mean, std=0.1)
        nn.init.uniform_(self.bn.running_var, 0.5, 2.0)
        self.lstm = nn.LSTM(8, 8)
        self.drop = nn.Dropout(0.5)
        self.q = nn.Linear(8, 8)
        self.encoder = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
        self.attention = nn.MultiheadAttention(8, 2, batch_first=True)
        self.register_buffer("written", torch.zeros(1))
        self.calls = 0
        self.scale = torch.tensor(3.0)
        self.table = [torch.ones(8), torch.zeros(8)]

    def head(self, x):
        return super().head(x) + 1

    def forward(self, x):
        x = torch.relu_(self.bn(self.conv(x)))
        h = x.mean((2, 3))
        v = h[:, :4]
        self.calls += 1
        if h.sum() > 4.0:
            o, _ = self.lstm(h.unsqueeze(0))
            self.written.add_(1)
            g = self.drop(o[0])
            self.calls += 2
        else:
            v.mul_(2)
            z = self.q(h).view(1, 2, 1, 4)
            g = F.scaled_dot_product_attention(z, z, z).reshape(1, 8)
            g = self.encoder(g.unsqueeze(0))[0] + self.attention(g[None], g[None], g[None])[0][0]
        return self.head(g + h) * self.scale + self.table[0], self.calls * self.written


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.f = nn.Linear(8, 8)

    def forward(self, x):
        if x.mean() > 0:
            return F.gelu(self.f(x))
        return x - 0.1


class Containers(nn.Module):
    """Sequential and ModuleDict of the user's blocks, tied weights, and a loop that breaks on a decoded word."""

    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(*[Block() for _ in range(3)])
        self.named = nn.ModuleDict({"a": Block(), "b": nn.Identity()})
        self.norm = nn.LayerNorm(8)
        self.embed = nn.Embedding(10, 8)
        self.decode = nn.Linear(8, 10, bias=False)
        self.decode.weight = self.embed.weight
        self.cell = nn.GRUCell(8, 8)

    def forward(self, x):
        x = self.net(x)
        for module in self.named.values():
            x = self.norm(module(x))
        h = torch.zeros(1, 8)
        for _ in range(4):
            h = self.cell(x, h)
            word = self.decode(h).argmax(-1)
            if word.item() == 3:
                break
            x = self.embed(word)
        return x, h


class State(nn.Module):
    """A tensor attribute, a buffer, an int and a float that carry over from call to call."""

    def __init__(self):
        super().__init__()
        self.h = torch.zeros(3)
        self.register_buffer("k", torch.zeros((), dtype=torch.int64))
        self.steps = 0
        self.factor = 0.5

    def forward(self, x):
        if x.sum() > 0:
            self.h = self.h + x
            self.k += 1
        else:
            self.h = self.h * 0.5
        self.steps += 1
        self.factor = self.factor * 1.5
        if self.steps % 2 == 0:
            return self.h * self.factor
        return self.h - self.k


class Resize(nn.Module):
    def forward(self, x):
        y = F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=True)
        y = F.max_pool2d(y, 2) if y.mean() > 0 else F.avg_pool2d(y, 2)
        return F.adaptive_avg_pool2d(nn.Hardtanh()(y), 1).flatten(1).topk(2)


def lists_of(model):
    """The identities of what every module's lists hold."""
    return {
        (name, key): [id(item) for item in value]
        for name, module in model.named_modules()
        for key, value in vars(module).items()
        if isinstance(value, list)
    }


@pytest.mark.parametrize(
    ("module", "shape", "tolerance"),
    [
        (EverythingAtOnce, (1, 3, 8, 8), 1e-5),
        (Containers, (1, 8), 1e-6),
        (State, (3,), 0.0),
        (Resize, (1, 3, 8, 8), 1e-6),
    ],
)
def test_module_agrees_with_eager_over_a_sequence_of_calls(module, shape, tolerance):
    torch.manual_seed(1)
    model = module().eval()
    attributes = dict(vars(model))
    lists = lists_of(model)
    weights = {k: v.clone() for k, v in model.state_dict().items()}
    program = capture(model, (torch.randn(shape),), {}, Options())
    assert dict(vars(model)) == attributes
    assert lists_of(model) == lists
    assert all(torch.equal(v, weights[k]) for k, v in model.state_dict().items())

    interpreter = Interpreter(program)
    state = list(program.state.values())
    taken: set[Decision] = set()
    outputs = len(program.signature.outputs)
    for call in range(30):
        x = torch.randn(shape) * (0.3 + call % 7) + (call % 5 - 2) * 0.5
        with torch.no_grad():
            expected = pytree.tree_leaves(model(x.clone()))
        flat = interpreter.run((x,), state)
        state = flat[outputs:]
        for a, b in zip(flat[: len(program.signature.results)], expected, strict=True):
            scale = max(1.0, float(torch.as_tensor(b).abs().max()))
            assert a.dtype == torch.as_tensor(b).dtype
            assert float((a - b).abs().max()) <= tolerance * scale
        taken.update(interpreter.decisions)
    nodes = conditions(program.graph.body)
    top = [n for n in nodes if n.graph is program.graph.body]
    assert nodes
    assert all(Decision(n, v) in taken for n in top for v in (True, False))


def test_state_is_what_the_model_writes():
    signature = capture(State(), (torch.zeros(3),), {}, Options()).signature
    assert sorted(spec.name for spec in signature.state) == ["factor", "h", "k", "steps"]
    assert {spec.name: spec.dtype for spec in signature.state} == {
        "factor": "f64",
        "h": "f32",
        "k": "i64",
        "steps": "i64",
    }


def test_tied_weights_are_one_parameter():
    program = capture(Containers().eval(), (torch.randn(1, 8),), {}, Options())
    assert [k for k in program.parameters if k in ("embed.weight", "decode.weight")] == ["embed.weight"]


def test_dead_weights_are_left_out():
    class Unused(nn.Module):
        def __init__(self):
            super().__init__()
            self.a = nn.Linear(3, 3)
            self.b = nn.Linear(3, 3)

        def forward(self, x):
            self.b(x)
            return self.a(x)

    assert list(capture(Unused(), (torch.zeros(3),), {}, Options()).parameters) == ["a.weight", "a.bias"]


class Cached(nn.Module):
    """Each iteration makes a dict of its own, and writes a buffer that outlives it."""

    def __init__(self):
        super().__init__()
        self.register_buffer("seen", torch.zeros(3))

    def forward(self, x, n):
        for _ in range(n):
            state = {"h": x}
            state["h"] = state["h"] + self.seen
            self.seen = self.seen + 1
            x = state["h"]
        return x


def test_objects_of_an_iteration_are_no_state():
    model = Cached()
    program = capture(model, (torch.ones(3), torch.tensor(2)), {}, Options())
    assert [spec.name for spec in program.signature.state] == ["seen"]
    interpreter, state = Interpreter(program), list(program.state.values())
    for count in (2, 0, 3):
        got, *state = interpreter.run((torch.ones(3), torch.tensor(count)), state)
        assert torch.equal(got, model(torch.ones(3), torch.tensor(count)))


class StateInContainers(nn.Module):
    def __init__(self):
        super().__init__()
        self.cache = [torch.zeros(3), torch.ones(3)]
        self.named = {"total": torch.zeros(3), "scale": 3}
        self.pair = [torch.zeros(3), torch.ones(3)]

    def forward(self, x):
        if x.sum() > 0:
            self.cache[0] = self.cache[0] + x
        else:
            self.cache[0], self.cache[1] = self.cache[1], self.cache[0] - 1
        self.named["total"] += x
        self.pair = [self.pair[1], self.pair[0] + self.named["total"]]
        return self.cache[0] * self.named["scale"] + self.pair[1]


def test_items_of_lists_and_dicts_are_state():
    model = StateInContainers()
    program = capture(model, (torch.ones(3),), {}, Options())
    names = ["cache.0", "cache.1", "named.total", "pair.0", "pair.1"]
    assert sorted(spec.name for spec in program.signature.state) == names
    interpreter, state = Interpreter(program), list(program.state.values())
    for factor in (1.0, -1.0, 2.0, -3.0):
        got, *state = interpreter.run((torch.ones(3) * factor,), state)
        assert torch.equal(got, model(torch.ones(3) * factor))


def test_numbers_in_lists_and_dicts_are_state():
    class Load(nn.Module):
        def __init__(self):
            super().__init__()
            self.load = dict.fromkeys(range(3), 0)
            self.best = [0.0, -1]
            self.seen = {"total": 0, "flags": [False, True]}

        def forward(self, x):
            for i in range(3):
                count = int((x == i).sum())
                if count > 0:
                    self.load[i] = count
            self.seen["total"] += 1
            if x.sum() > 4:
                self.seen["flags"][0] = not self.seen["flags"][0]
                self.best[0] += 0.5
            busiest = max(self.load, key=self.load.get)
            return busiest, self.load[1], self.seen["total"], self.seen["flags"][0], self.best[0]

    model, eager = Load(), Load()
    program = capture(model, (torch.tensor([0, 1, 1, 2]),), {}, Options())
    names = ["best.0", "load.0", "load.1", "load.2", "seen.flags.0", "seen.total"]
    assert sorted(spec.name for spec in program.signature.state) == names
    assert model.load == dict.fromkeys(range(3), 0)
    assert model.best == [0.0, -1]
    interpreter, state = Interpreter(program), list(program.state.values())
    for ids in ([0, 1, 1, 2], [2, 2, 2, 2], [0, 0, 0, 0], [0, 0, 0, 1], [2, 2, 1, 1]):
        got = interpreter.run((torch.tensor(ids),), state)
        outputs, state = got[:5], got[-len(state) :]
        assert [output.item() for output in outputs] == list(eager(torch.tensor(ids)))


def test_tensor_in_two_attributes_that_is_written_in_place_is_refused():
    class Twice(nn.Module):
        def __init__(self):
            super().__init__()
            self.now = self.first = torch.zeros(3)

        def forward(self, x):
            self.first += x
            self.now = self.now + x
            return self.first

    with pytest.raises(UnsupportedConstructError, match="`first` is written and shares its memory with `now`"):
        capture(Twice(), (torch.ones(3),), {}, Options())


def test_functions_that_run_functions():
    class Net(nn.Module):
        def forward(self, x, rows):
            carry, steps = scan(lambda c, r: (c + r, self.step(c, r)), x, rows, reverse=True)
            return checkpoint(self.step, carry, x, use_reentrant=False), steps, control_flow.map(self.step, rows, x)

        def step(self, c, r):
            return c * r if c.sum() > 0 else c - r

    program = capture(Net(), (torch.ones(2), torch.ones(3, 2)), {}, Options())
    x, rows = torch.tensor([1.0, -3.0]), torch.tensor([[1.0, 2.0], [-4.0, 1.0], [0.5, 0.5]])
    c, steps = x, []
    for row in reversed(rows):
        steps.append(Net().step(c, row))
        c = c + row
    got = Interpreter(program).run((x, rows))
    expected = (Net().step(c, x), torch.stack(steps[::-1]), torch.stack([Net().step(row, x) for row in rows]))
    assert all(map(torch.equal, got, expected))


def test_checks_of_torch_raise():
    def forward(x):
        torch._check(x[0].item() > 0, lambda: f"a first value above {0}")
        torch._check_value(x[1].item() > 0)
        return x * 2

    program = capture(forward, (torch.ones(2),), {}, Options())
    raised = [Interpreter(program).run((torch.tensor(v),))[-1].item() for v in ([1.0, 1.0], [-1.0, -1.0], [1.0, -1.0])]
    assert raised == [0, 1, 2]
    for value, (name, message) in zip((-1.0, 1.0), program.signature.exceptions, strict=True):
        with pytest.raises(Exception, match=re.escape(message)) as caught:
            forward(torch.tensor([value, -1.0]))
        assert caught.type.__name__ == name


class Exits(nn.Module):
    def __init__(self, count):
        super().__init__()
        self.layers = nn.ModuleList([nn.Linear(8, 8) for _ in range(count)])
        self.heads = nn.ModuleList([nn.Linear(8, 3) for _ in range(count)])

    def forward(self, x):
        y = x
        for layer, head in zip(self.layers, self.heads, strict=True):
            x = torch.relu(layer(x))
            y = head(x)
            if y.softmax(-1).max() > 0.9:
                return y
        return y


class Sequence(nn.Module):
    def __init__(self, count):
        super().__init__()
        self.layers = nn.ModuleList([nn.Linear(8, 8) for _ in range(count)])

    def forward(self, x):
        for layer in self.layers:
            if x.sum() > 0:
                x = torch.relu(layer(x))
            else:
                x = x + 1
        return x


def test_fifty_nested_exits_trace_in_under_ten_seconds():
    model = Exits(50).eval()
    start = time.perf_counter()
    program = capture(model, (torch.randn(1, 8),), {}, Options())
    assert time.perf_counter() - start < 10
    # At the last exit both sides return the same, so it decides nothing.
    assert len(conditions(program.graph.body)) == 49


def test_two_hundred_sequential_ifs_take_linear_time():
    def seconds(count):
        model, x = Sequence(count).eval(), torch.randn(1, 8)
        start = time.perf_counter()
        program = capture(model, (x,), {}, Options())
        assert len(conditions(program.graph.body)) == count
        return time.perf_counter() - start

    seconds(5)
    short, long = seconds(50), seconds(200)
    # Four times as long, with room for noise and for the weights that each `if` has to look through.
    assert long < 12 * short + 1, (short, long)


class ConvNorm(nn.Module):
    def __init__(self, shared=False):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, bias=shared)
        self.bn = nn.BatchNorm2d(4)
        self.first = nn.BatchNorm2d(3)
        for bn in (self.bn, self.first):
            nn.init.normal_(bn.running_mean)
            nn.init.uniform_(bn.running_var, 0.5, 2.0)
            nn.init.normal_(bn.weight)
            nn.init.normal_(bn.bias)
        self.shared = shared

    def forward(self, x):
        y = self.conv(self.first(x))
        z = self.bn(y)
        return z + y if self.shared else z


@pytest.mark.parametrize("shared", [False, True])
def test_batch_norm_folds(shared):
    torch.manual_seed(0)
    model, x = ConvNorm(shared).eval(), torch.randn(2, 3, 6, 6)
    program = capture(model, (x,), {}, Options())
    from dycl.frontend.fold import fold_batch_norms

    fold_batch_norms(program, enabled=True)
    assert not any("batch_norm" in str(n.target) for n in program.graph.body.nodes)
    folded = [k for k in program.parameters if k.endswith(".folded")]
    assert folded == ([] if shared else ["conv.weight.folded"])
    assert not any("running" in k for k in program.parameters)
    (got,) = Interpreter(program).run((x,))
    with torch.no_grad():
        torch.testing.assert_close(got, model(x), rtol=1e-5, atol=1e-5)


def test_first_condition_that_folds_to_true_keeps_the_exit_test():
    def forward(x):
        flag = torch.tensor(True)
        n = 0
        while flag:
            x = x + 1
            n += 1
            flag = x.sum() < 10
        return x, n

    text = import_program(forward, (torch.zeros(3),)).mlir
    assert "scf.while" in text
    assert "scf.for" not in text


class Exported(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(3, 3)
        self.register_buffer("calls", torch.zeros(()))

    def forward(self, x):
        self.calls.add_(1)
        return torch.cond(x.sum() > 0, lambda x: self.fc(x) * 2, lambda x: x - 1 + self.calls, (x,))


def test_exported_program():
    torch.manual_seed(0)
    model = Exported().eval()
    exported = torch.export.export(model, (torch.randn(2, 3),))
    imported = import_program(exported, ())
    assert [spec.name for spec in imported.signature.state] == ["calls"]
    assert set(imported.parameters) == {"fc.weight", "fc.bias"}
    assert "scf.if" in imported.mlir


@pytest.mark.parametrize("seed", [0, 1])
def test_modules_chosen_among_by_specialization_keep_their_own_weights(seed):
    torch.manual_seed(seed)
    table = {"a": nn.Linear(3, 3), "b": nn.Linear(3, 3)}

    def forward(x):
        key = "a" if x.sum() > 0 else "b"
        bias = torch.tensor([1.0, 2.0, 3.0]) if key == "a" else torch.tensor([4.0, 5.0, 6.0])
        return table[key](x) + bias

    program = capture(forward, (torch.ones(3),), {}, Options())
    for x in (torch.ones(3), -torch.ones(3)):
        (got,) = Interpreter(program).run((x,))
        with torch.no_grad():
            torch.testing.assert_close(got, forward(x))


def test_equal_literals_are_one_parameter():
    def forward(x):
        return x + torch.tensor([1.0, 2.0]) if x.sum() > 0 else x - torch.tensor([1.0, 2.0])

    program = capture(forward, (torch.ones(2),), {}, Options())
    assert [p.tolist() for p in program.parameters.values()] == [[1.0, 2.0]]
    (got,) = Interpreter(program).run((-torch.ones(2),))
    assert got.tolist() == [-2.0, -3.0]


def loop_and_checks(x):
    table = torch.arange(8.0)
    while x.sum() < 3:
        x = x + table[x.argmax()]
    return x[x > 1], torch.rand(2)


def raises_on_some_path(x):
    if x.sum() < 0:
        raise ValueError(f"of size {x.shape[0]}")
    return torch.cat([x, x[x > 0]])


def is_refused(x):
    if x.sum() < 0:
        return torch.linalg.inv(x.view(1, 1))
    return x


class Remembering(nn.Module):
    def __init__(self):
        super().__init__()
        self.count = 0
        self.register_buffer("sum", torch.zeros(8))

    def forward(self, x):
        self.count += 1
        if self.count % 2:
            self.sum += x
        return self.sum


def traces_in_memory():
    gc.collect()
    return sum(type(found) is Recorder for found in gc.get_objects())


@pytest.mark.parametrize(
    "function", [loop_and_checks, raises_on_some_path, is_refused, Remembering], ids=lambda f: f.__name__
)
def test_nothing_of_a_trace_stays_in_memory(function):
    """Tensors held by torch's C++ hide cycles from Python's collector, and with them the model and all its weights."""
    model = function() if isinstance(function, type) else types.FunctionType(function.__code__, globals())
    dynamic = ({0: Dim("n", min=1, max=99)},) if function is raises_on_some_path else None
    before, refusal = traces_in_memory(), None
    try:
        import_program(model, (torch.ones(1 if function is is_refused else 8),), dynamic_shapes=dynamic)
    except UnsupportedConstructError as error:
        refusal = str(error)
    assert (refusal is not None) == (function is is_refused)
    held = weakref.ref(model)
    del model
    assert traces_in_memory() == before
    assert held() is None
