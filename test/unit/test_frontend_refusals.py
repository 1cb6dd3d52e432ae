# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""What capturing refuses: each with the user's file and line, the construct, and what to write instead."""

from __future__ import annotations

import array
import contextlib
import contextvars
import dataclasses
import functools
import heapq
import itertools
import logging
import math
import operator
import re
import sys
import warnings
from collections import Counter
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.export import Dim

from dycl.errors import DyclError, DyclWarning, UnsupportedConstructError
from dycl.frontend import import_program, importer, specialize
from dycl.options import Options

X = torch.tensor([1.0, -2.0, 3.0])
GENERATOR = torch.Generator()


def refused(model: object, *args: object, match: str) -> UnsupportedConstructError:
    with pytest.raises(UnsupportedConstructError, match=match) as caught:
        import_program(model, args)
    assert caught.value.hint
    return caught.value


def line_of(error: UnsupportedConstructError) -> str:
    """The line of this file that an error names."""
    assert error.location is not None
    return Path(__file__).read_text().splitlines()[error.location.line - 1]


def test_message_names_file_line_function_and_hint():
    def forward(x):
        if x.sum() > 0:
            y = x
        else:
            y = None
        return y + 1

    error = refused(forward, X, match=r"`y` is a tensor float32\[3\] if the condition holds and None if not")
    assert error.location is not None
    assert error.location.file == __file__
    assert error.location.function == "forward"
    line = line_of(error)
    assert line.strip() == "if x.sum() > 0:"
    assert re.match(rf"{re.escape(__file__)}:\d+ \(in forward\): .*; give it the same type", str(error))


@pytest.mark.parametrize(
    ("other", "described"),
    [(lambda x: (x, x), "a tuple of 2"), (lambda x: "abc", "the str 'abc'"), (lambda x: {"x": x}, "a dict of 1")],
)
def test_sides_that_disagree_are_refused_where_one_fails(other, described):
    def forward(x):
        y = x if x.sum() > 0 else other(x)
        return y - 1

    refused(forward, X, match=described)


def test_both_sides_fail():
    """The message is about the failure, not about the values that differ."""

    def forward(x):
        y = x if x.sum() > 0 else None
        return torch.relu(y, "in place")

    refused(forward, X, match="one side of a condition on a tensor fails: TypeError")


@pytest.mark.parametrize(
    ("value", "described"),
    [(lambda last, x: {1, 2}, "an object of type set"), (lambda last, x: (last, x), "a tuple of 2")],
    ids=["a set", "a tuple that grows"],
)
def test_state_that_a_program_cannot_keep(value, described):
    class Cache(nn.Module):
        def __init__(self):
            super().__init__()
            self.last = None

        def forward(self, x):
            if x.sum() > 0:
                self.last = value(self.last, x)
            return x

    refused(Cache(), X, match=rf"`last` holds after a call .*{described}.*; state that carries over from call to call")


def test_sides_that_disagree_are_accepted_when_not_used():
    def forward(x):
        y = x if x.sum() > 0 else None
        h = 3
        if x.sum() > 1:
            h = x
        return x + 1

    import_program(forward, (X,))


def test_more_disagreements_than_specializations():
    def forward(x):
        total = x
        for i in range(6):
            y = x if x.sum() > i else 1
            total = total + y
        return total

    import_program(forward, (X,), {}, Options(max_specializations=64))
    with pytest.raises(UnsupportedConstructError, match=r"the value is a tensor .*`Options.max_specializations`"):
        import_program(forward, (X,), {}, Options(max_specializations=8))


def test_a_list_of_many_lengths_is_refused_for_what_is_done_with_it():
    def forward(x):
        found = []
        for v in x.tolist():
            if v > 0:
                found.append(v)
        return x * len(list(itertools.combinations(found, 2)))

    for options in (Options(max_specializations=2), Options(max_specializations=6), Options(max_seconds=0)):
        with pytest.raises(UnsupportedConstructError, match=r"its items have to be known one by one; use") as refused:
            import_program(forward, (torch.ones(7),), {}, options)
        assert refused.value.location.line == forward.__code__.co_firstlineno + 5


def test_longer_than_paths_may_take():
    def forward(x):
        y = x if x.sum() > 0 else 1
        return x + y

    with pytest.raises(UnsupportedConstructError, match=r"the value is a tensor .*`Options.max_seconds`"):
        import_program(forward, (X,), {}, Options(max_seconds=0))


def test_more_sides_than_are_traced(monkeypatch):
    """What multiplies ends in a refusal that names the value."""
    monkeypatch.setattr(specialize, "MAX_SIDES", 1)

    def forward(x):
        total = x
        for i in range(6):
            y = x if x.sum() > i else 1
            total = total + y
        return total

    refused(
        forward, X, match=r"the value is a tensor .*`Options.max_specializations`.* with 1 sides of conditions each"
    )


def test_loop_variable_of_too_many_kinds():
    def forward(x):
        y = ()
        while x.sum() < 3:
            y = (y, x)
            x = x + 1
        return y

    refused(forward, X, match="`y`: not of a stable kind after 8 rounds of tracing this loop")


def test_object_made_in_a_loop_and_used_in_the_next_iteration():
    class Box:
        def __init__(self, x):
            self.x = x

    def forward(x):
        box = None
        while x.sum() < 3:
            x = x + (1 if box is None else box.x)
            box = Box(x)
        return x

    refused(forward, X, match="`box` is None before the loop and an object of type Box after an iteration")


def test_exception_whose_message_a_method_of_the_users_makes():
    class Mine(Exception):
        def __str__(self):
            return "mine"

    def forward(x):
        if x.sum() > 0:
            raise Mine("positive")
        return x

    refused(forward, X, match="`Mine` leaves the program")


@pytest.mark.parametrize(
    ("name", "op"),
    [
        ("cummax", lambda x: x.cummax(0)[0]),
        ("as_strided", lambda x: x.as_strided((2, 2), (1, 2))),  # that the importer refuses
        ("_linalg_svd", lambda x: torch.linalg.svd(x.reshape(1, -1))[1]),
    ],
)
def test_op_that_torch_mlir_does_not_lower(name, op):
    def forward(x):
        if x.sum() > 0:
            return op(x)
        return x

    with pytest.raises(
        UnsupportedConstructError, match=f"`{name}` of these tensors, which torch-mlir does not"
    ) as raised:
        import_program(forward, (X,))
    assert raised.value.location is not None
    assert raised.value.location.line == op.__code__.co_firstlineno


def test_lowering_that_ends_its_process_is_refused_at_the_op_that_does_it(monkeypatch, tmp_path):
    tool = tmp_path / "torch-mlir-opt"
    tool.write_text(
        f"""#!{sys.executable}
import os, signal, subprocess, sys
text = sys.stdin.read()
if "torch.aten.erf" in text:
    os.kill(os.getpid(), signal.SIGFPE)
sys.exit(subprocess.run([{str(importer._TOOL)!r}, *sys.argv[1:]], input=text, text=True).returncode)
"""
    )
    tool.chmod(0o755)
    monkeypatch.setattr(importer, "_TOOL", tool)

    def forward(x):
        y = x.exp()
        if x.sum() > 0:
            y = y + 1
        z = y.erf()
        return z * 2 + y

    with pytest.raises(UnsupportedConstructError, match="`erf` of these tensors") as raised:
        import_program(forward, (X,))
    assert raised.value.location is not None
    assert raised.value.location.line == forward.__code__.co_firstlineno + 4
    assert "ended with -8" in str(raised.value.__cause__)


def test_tensor_in_the_message_of_an_exception_is_left_out_with_a_warning():
    def forward(x):
        assert x.sum() > 0, f"all of {x} in {x.shape[0]}"
        return x

    with pytest.warns(DyclWarning, match=r"puts `\.\.\.` for a tensor or list in the message of this `AssertionError`"):
        program = import_program(forward, (X,))
    assert program.signature.exceptions == (("AssertionError", {"text": ["all of ", "...", " in ", "3"]}),)


@pytest.mark.parametrize(
    "use",
    [
        lambda out: operator.delitem(out, 0),
        lambda out: operator.setitem(out, slice(0, 1), [7]),
        lambda out: ",".join(out),
        lambda out: list(itertools.permutations(out)),
        lambda out: functools.reduce(max, out),
        lambda out: heapq.heapify(out),
        lambda out: array.array("l", out),
    ],
)
def test_list_of_unknown_length_whose_items_have_to_be_known(use):
    def forward(x, n):
        out = []
        for i in range(n):
            out.append(i)
        use(out)
        return out

    refused(forward, X, torch.tensor(3), match="a list whose length depends on data")


@pytest.mark.parametrize(
    ("use", "match"),
    [
        (lambda ids: list(set(ids)), "the order of a set"),
        (lambda ids: [n + 1 for n in set(ids)], "the order of a set"),
        (lambda ids: set(ids).pop(), "whose order is not defined"),
        (lambda ids: {n: [n] for n in ids}, "as a key"),
        (lambda ids: {}.setdefault(ids[0], []).append(1), "what can be changed"),
        (lambda ids: Counter(ids) - Counter(ids), "`Sub` with it"),
        (lambda ids: Counter(ids), "returns a Counter with keys that depend on tensor values"),
        (lambda ids: set(ids), "returns a set with keys that depend on tensor values"),
    ],
)
def test_keys_on_data_that_are_used_otherwise(use, match):
    refused(lambda x: use(x.tolist()), torch.tensor([3, 1, 3]), match=match)


def test_chunks_of_an_unknown_number():
    refused(lambda x: torch.chunk(x[x > 0], 2)[0], X, match=r"there may be fewer chunks.*tensor_split")


def test_tensor_of_a_list_of_unknown_length_whose_items_are_no_numbers():
    def forward(x, n):
        out = []
        for i in range(n):
            out.append((i, (i, i)))
        return x * torch.tensor(out, dtype=torch.int64)

    refused(forward, X, torch.tensor(3), match=r"`torch\.tensor` of a list whose length depends on data, of what is")


def test_side_on_which_torch_fails_while_it_is_traced():
    """Of sizes that are not known: whether eager fails there, too, is a matter of data."""

    def forward(x):
        return torch.linalg.solve(x[x > 0], x) if x.sum() > 0 else x

    refused(forward, X, match="one side of a condition on a tensor fails: AssertionError: linalg.solve")


def test_conditional_jump_out_of_a_finally_on_a_path_that_jumps():
    def forward(x):
        while x.sum() > 0:
            try:
                if x.sum() > 5:
                    return x
                x = x - 1
            finally:
                if x.max() > 3:
                    break  # noqa: B012
        return x

    refused(forward, X, match="a jump out of a `finally` clause under a condition on a tensor")


def test_list_that_grows_by_items_of_other_kinds_in_a_loop_on_data():
    def forward(x):
        out, i = [], 1
        while x.sum() < 5:
            out.append(x[:i] if i % 2 else x.reshape(1, -1))
            x = x + 1
            i += 1
        return out

    refused(forward, X, match="holds 1 items before a loop on a tensor and 2 after an iteration; append tensors of one")


def test_list_of_unknown_length_in_other_code():
    def forward(x):
        out = []
        while x.sum() > 0:
            if x.max() > 1:
                out.append(x)
            x = x - 1
        return torch.block_diag(*out)

    refused(forward, X, match="a list whose length depends on data, in a place where its items have to be known")


def test_item_of_a_list_of_unknown_length_is_assigned_another_kind():
    def forward(x):
        out = []
        while x.sum() < 5:
            out.append(x)
            x = x + 1
        out[0] = x > 0
        return out

    refused(
        forward, X, match="an assignment of another kind of value to an item of a list whose length depends on data"
    )


def test_generator_with_a_condition_on_data():
    def rows(x):
        for row in x:
            if row > 0:
                yield row

    def forward(x):
        return sum(rows(x))

    refused(forward, X, match="by code that dycl does not rewrite")


def test_code_without_source():
    namespace: dict[str, object] = {}
    exec("def forward(x):\n    if x.sum() > 0:\n        return x\n    return x + 1", namespace)
    refused(namespace["forward"], X, match="code without source")


def test_numpy_of_a_traced_tensor():
    def forward(x):
        return torch.from_numpy(x.numpy() + 1)

    refused(forward, X, match=r"`Tensor.numpy\(\)`")


def test_number_as_a_number_of_dimensions():
    def forward(x):
        n = int(x.sum().item())
        return x.unsqueeze(n)

    refused(forward, X, match="depends on")


def test_print_of_tensor_values_is_left_out_with_a_warning():
    def forward(x):
        print("positive", x.sum())
        return x

    with pytest.warns(UserWarning, match=r"test_frontend_refusals.py:\d+ .*: a `print` of tensor values is left out"):
        import_program(forward, (X,))


@pytest.mark.parametrize(
    "write",
    [print, logging.getLogger(__name__).warning, logging.info, warnings.warn, lambda text: sys.stdout.write(text)],
    ids=["print", "logger", "logging", "warnings", "write"],
)
def test_what_is_written_under_a_condition_is_left_out_with_one_warning_a_place(write, capsys):
    def forward(x):
        for _ in range(3):
            if x.sum() > 0:
                write("positive")
            x = x - 1
        return x

    with pytest.warns(DyclWarning, match=r"test_frontend_refusals.py:\d+ .* under a condition on a tensor") as caught:
        import_program(forward, (X,))
    assert len(caught) == 1
    assert caught[0].filename == __file__
    assert capsys.readouterr().out == ""


def test_what_is_written_of_constants_happens_while_the_model_is_traced(capsys):
    def forward(x):
        print("rank", x.dim())
        return x

    import_program(forward, (X,))
    assert capsys.readouterr().out == "rank 1\n"


@pytest.mark.parametrize("use", [len, lambda t: t == "3", lambda t: {t: 1}, lambda t: t.upper(), lambda t: t[0], int])
def test_text_of_numbers_on_data_has_no_characters(use):
    def forward(x):
        return use(f"{int(x.sum())}")

    refused(forward, X, match="text that depends on tensor values")


@pytest.mark.parametrize("function", [open, torch.load, input])
def test_files_under_a_condition(function):
    def forward(x):
        if x.sum() > 0:
            function("/dev/null")
        return x

    refused(forward, X, match=f"`.*{function.__name__}` under a condition on a tensor")


def test_write_to_a_row_that_eager_gives_as_a_view():
    def forward(x):
        y = x.reshape(3, 1) * 1
        row = y[x.argmax()]
        row += 1
        return y

    refused(forward, X, match="in eager the one is a view of the other")


@pytest.mark.parametrize(
    ("compute", "match"),
    [
        (lambda n: round(n, 2), "rounding to digits"),
        (lambda n: n % 0.3, "not a constant power of two"),
        (lambda n: math.sin(n), "no such function in 64 bits"),
        (lambda n: math.factorial(int(n)), "`math.factorial`"),
        (lambda n: {n: 1}, "the use as a key"),
        (lambda n: n.hex(), "`.hex`"),
        (lambda n: sorted([n, "a"]), "a sort by values"),
        (lambda n: "ab"[: int(n)], "the use as an index or a size"),
    ],
)
def test_arithmetic_that_is_not_done_exactly(compute, match):
    def forward(x):
        return compute(x.sum().item())

    refused(forward, X, match=match)


@pytest.mark.parametrize(
    ("draw", "match"),
    [
        (torch.poisson, "`poisson` is random, .* rejects"),
        (torch._standard_gamma, "`_standard_gamma` is random"),
        (lambda x: torch.binomial(x, x / 9), "`binomial` is random"),
        (lambda x: nn.functional.rrelu(x, training=True), "`rrelu_with_noise_functional` is random"),
        (lambda x: torch.randn(3, dtype=torch.complex64).real + x, "`randn` is random"),
        (lambda x: torch.rand(3, generator=GENERATOR) + x, "`torch.Generator` that is made outside"),
        (lambda x: GENERATOR.manual_seed(3) and x, "`torch.Generator` that is made outside"),
        (lambda x: torch.manual_seed(int(x[0])) and x, "a seed that depends on tensor values"),
        (lambda x: torch.seed() + x, "`torch.seed` in a compiled program"),
        (lambda x: x + torch.get_rng_state()[0], "`torch.get_rng_state` in a compiled program"),
        (lambda x: torch.randperm(30_000)[:3] + x, "`randperm` of 30000 numbers"),
        (lambda x: torch.normal(x[0].item(), 1.0, (3,)), "`normal` with a Python number"),
    ],
)
def test_random_numbers_that_are_not_eagers(draw, match):
    refused(draw, X, match=match)


@pytest.mark.parametrize("kind", [nn.LSTM, nn.GRU, nn.RNN])
def test_dropout_between_the_layers_of_an_rnn(kind):
    refused(kind(3, 4, 2, dropout=0.5), X[None, None], match="dropout between the layers of an RNN in training mode")
    import_program(kind(3, 4, 2, dropout=0.5).eval(), (X[None, None],))


def test_generators_state_around_a_block():
    def forward(x):
        with torch.random.fork_rng():
            y = torch.rand(3)
        return x + y

    refused(forward, X, match="`torch.random.fork_rng` in a compiled program")


@pytest.mark.parametrize(
    ("draw", "match"),
    [
        (lambda x: x.bernoulli_(1.5), "bernoulli_ expects p to be in"),
        (lambda x: x.uniform_(2, 1), "uniform_ expects to return"),
        (lambda x: x + torch.randint(5, 2, (3,)), "random_ expects 'from' to be less than 'to'"),
        (lambda x: x + torch.rand(3, dtype=torch.int64), "not implemented for 'Long'"),
    ],
)
def test_random_numbers_of_which_eager_makes_an_error(draw, match):
    with pytest.raises(DyclError, match=match):
        import_program(draw, (X.clone(),))


def test_batch_norm_in_training_mode():
    refused(nn.BatchNorm1d(3), X[None].repeat(2, 1), match="batch norm in training mode")


def test_recursion_on_data():
    def forward(x):
        if x.sum() < 100:
            return forward(x + 1)
        return x

    refused(forward, X, match="conditions nest in each other|calls nest in each other")


def recursive_at_module_level(x):
    if x.sum() < 100:
        return recursive_at_module_level(x + 1)
    return x


def test_recursion_on_data_at_module_level():
    refused(recursive_at_module_level, X, match="nest in each other")


def test_recursion_without_end():
    def forward(x):
        return forward(x + 1)

    refused(forward, X, match="calls nest in each other")


def test_argument_that_is_neither_tensor_nor_constant():
    def forward(x, options):
        return x

    refused(forward, X, object(), match="a value of type object is neither a tensor nor a constant")


def test_result_that_is_neither_tensor_nor_constant():
    def forward(x):
        return {1, 2}

    refused(forward, X, match="a value of type set")


def test_model_that_raises_names_the_line():
    def forward(x):
        return x @ torch.zeros(4)

    with pytest.raises(DyclError, match=rf"{re.escape(__file__)}:\d+ \(in forward\): the model raises RuntimeError"):
        import_program(forward, (X,))


def test_ambiguous_truth_is_the_error_of_eager():
    def forward(x):
        return x if x > 0 else -x

    with pytest.raises(DyclError, match="Boolean value of Tensor with more than one value is ambiguous"):
        import_program(forward, (X,))


def test_write_in_a_loop_to_what_is_another_variables_too():
    def row_of_a_table(x):
        table = x * 1
        row = table[:1]
        while row.sum() < 20:
            row.add_(1)
            row = table[1:2]
        return table

    def swapped_argument(x):
        a, b = x, x * 2
        while a.sum() < 20:
            a, b = b, a
            a.add_(1)
        return a

    for function in (row_of_a_table, swapped_argument):
        error = refused(function, X, match="to what in some iterations is another variable's too")
        assert "add_" in line_of(error)


def test_write_to_an_item_of_a_list_whose_length_depends_on_data():
    """Such a list holds what was in its items: a write to one would be lost."""

    def last_is_written(x):
        found = []
        for i in range(6):
            if x[i] > 0:
                found.append({"start": i, "end": 0})
            elif found:
                found[-1]["end"] = i
        return found

    def each_is_written(x):
        found = []
        for i in range(6):
            if x[i] > 0:
                found.append([i, 0])
        for item in found:
            item[1] = item[0]
        return found

    def greatest_is_written(x):
        found = []
        for i in range(6):
            if x[i] > 0:
                found.append([i, 0])
        if found:
            max(found, key=lambda item: item[0])[1] = 7
        return found

    def appended_in_a_loop(x):
        found, now, i = [], [0, 0], 0
        while i < x.sum():
            now = [i, 0]
            found.append(now)
            i += 1
        now[1] = 7
        return found, now

    def value_of_a_key_on_data(x):
        found = {}
        for i in range(6):
            found[int(x[i])] = [i, 0]
        found[1][1] = 5
        return found[1]

    def one_of_two_is_appended(x):
        first, second, found, i = [1], [2], [], 0
        now = first if x[0] > 0 else second
        while i < x.sum():
            found.append(now)
            now = [i]
            i += 1
        first[0] = 7
        return found

    functions = (
        last_is_written,
        each_is_written,
        greatest_is_written,
        appended_in_a_loop,
        value_of_a_key_on_data,
        one_of_two_is_appended,
    )
    for function in functions:
        error = refused(function, torch.ones(6), match="a write to a (list|dict) that is in a list, or a dict, whose")
        assert "] = " in line_of(error)


def test_write_to_a_tensor_in_a_list_whose_length_depends_on_data():
    def last_is_written(x):
        found = []
        for i in range(6):
            if x[i] > 0:
                found.append(torch.zeros(2) + i)
            elif found:
                found[-1].add_(9)
        return found

    def each_is_written(x):
        found, i = [], 0
        while i < x.sum():
            found.append(torch.zeros(2))
            i += 1
        for item in found:
            item.add_(1)
        return found

    def one_tensor_many_times(x):
        found, i = [], 0
        now = torch.zeros(2)
        while i < x.sum():
            now.add_(i)
            found.append(now)
            i += 1
        return found

    def last_of_a_sorted_list(x):
        found, i = [], 0
        while i < x.sum():
            found.append((i, torch.zeros(2)))
            i += 1
        for _, item in sorted(found, key=lambda pair: pair[0])[:1]:
            item.add_(1)
        return found

    for function in (last_is_written, each_is_written, one_tensor_many_times, last_of_a_sorted_list):
        error = refused(function, torch.ones(6), match="an in-place write")
        assert "add_" in line_of(error), function


def test_write_to_a_list_that_a_loop_may_leave_as_another_variables():
    def before_and_after(x):
        found = [x]
        other = found
        while found[0].sum() < 20:
            found = [found[0] + 1]
        other[0] = x
        return found[0]

    def in_the_loop(x):
        found = [x]
        other = found
        while found[0].sum() < 20:
            if x[0] > 0:
                found = [x * 2]
            found[0] = found[0] + 1
        return other[0]

    for function, line in ((before_and_after, "other[0] = x"), (in_the_loop, "found[0] = found[0] + 1")):
        error = refused(function, X, match="a write to a list that where a loop on a tensor does not run is another")
        assert line_of(error).strip() == line


@dataclasses.dataclass
class Settings:
    count: int
    scales: list[torch.Tensor]


def test_write_to_an_argument_that_is_not_a_tensor():
    def item(x, items):
        items[1] = x
        return x

    def append(x, options):
        if x.sum() > 0:
            options["scales"].append(x)
        else:
            options["scales"].append(-x)
        return x

    def attribute(x, settings):
        settings.count += 1
        return x * settings.count

    refused(item, X, [X, X], match="the model writes to `items`, an argument that is not a tensor")
    refused(append, X, {"scales": [X]}, match=r"the model writes to `options\['scales'\]`")
    refused(attribute, X, Settings(1, [X]), match=r"the model writes to `settings.count`")


def test_argument_containers_may_be_changed_and_put_back():
    def forward(x, items):
        items.append(x)
        total = sum(items)
        items.pop()
        return total

    import_program(forward, (X, [X]))


def test_size_on_data_that_library_code_asks_for():
    """The error is torch's too, whose constructor drops the text; the message says where the size comes from."""

    def forward(x):
        y = x[x > 0]
        return torch.combinations(y)

    error = refused(forward, X, match=r"has to be known: the value of `.*`, where `u\d+` is a size made at .*; keep")
    assert error.location is not None
    assert error.location.file == __file__
    lines = Path(__file__).read_text().splitlines()
    assert "torch.combinations(y)" in lines[error.location.line - 1]
    made = re.search(r"made at (.*?):(\d+) \(in forward\)", str(error))
    assert made is not None
    assert made[1] == __file__
    assert lines[int(made[2]) - 1].strip() == "y = x[x > 0]"


def test_declared_size_that_code_of_torchs_wants_as_a_number():
    """The number of the example would be a constant of the program."""

    def forward(x):
        with torch._C.DisableTorchFunction():  # as in functions of torch's
            return torch.arange(2 * x.shape[0]) // x.shape[0]

    with pytest.raises(UnsupportedConstructError, match="the dynamic size `n` can only be 3"):
        import_program(forward, (X,), dynamic_shapes=({0: Dim("n", max=9)},))


def test_jump_on_data_out_of_a_context_of_pythons_library():
    def forward(x):
        with contextlib.ExitStack():
            if x.sum() > 0:
                return x
        return x * 2

    refused(forward, X, match="leaves a `with` statement")


LEFT = contextvars.ContextVar("LEFT", default=0)


def test_context_variable_that_is_left_with_another_value():
    def forward(x):
        if x.sum() > 0:
            LEFT.set(1)
        return x * LEFT.get()

    refused(forward, X, match="the context variable `LEFT` is left with another value")


SEEN: dict[str, object] = {}


def test_what_a_first_call_does_otherwise_is_no_memo():
    def on_one_side(x):
        if x.sum() > 0:
            SEEN["a"] = 1
        return x + 1 if "a" in SEEN else x - 1

    def first(x):
        is_first = "a" not in SEEN
        SEEN["a"] = True
        return x + is_first

    def counted(x):
        SEEN[str(len(SEEN))] = True
        return x

    def of_data(x):
        SEEN["a"] = x + 1
        return x

    for model in (on_one_side, first, counted, of_data):
        refused(model, X, match="`SEEN` holds after a call other items than before")
        assert not SEEN


@pytest.mark.parametrize("function", [torch.linalg.inv, torch.inverse, lambda m: torch.linalg.solve(m, m[0])])
def test_factorization_that_is_not_lowered(function):
    refused(function, torch.eye(3), match=r"`[\w.]*(inv|solve|inverse)`, which torch-mlir does not lower")


@pytest.mark.parametrize(
    "read",
    [
        lambda: locals()["x"],
        lambda: globals()["X"],
        lambda: vars()["x"],
        lambda: dir()[0],
        lambda: eval("x + 1"),
        lambda: exec("x = 1"),
        lambda: len(locals()),
    ],
)
def test_variables_that_are_read_by_a_built_in(read):
    """Rewritten code has other variables: what they gave would be dycl's."""

    def forward(x):
        read()
        return x

    error = refused(forward, X, match="which reads the variables of the function that it is called in")
    assert error.location is not None
    assert error.location.file == __file__


def test_built_ins_that_are_told_where_to_read():
    class Holder:
        def __init__(self):
            self.scale = 3

    def forward(x):
        if x.sum() > 0:
            return x * vars(Holder())["scale"] + eval("a + 1", {"a": 4})
        return x + len(dir(Holder())) * 0

    import_program(forward, (X,))


class Steps(nn.Module):
    """Keeps how many steps it took, in a list of another length after each call."""

    def __init__(self):
        super().__init__()
        self.steps = []

    def forward(self, x):
        self.steps = []
        for i in range(3):
            if x[i] > 0:
                self.steps.append(i)
        return x


def test_list_of_another_length_in_an_attribute_is_named_not_the_condition():
    refused(Steps(), torch.ones(3), match="`steps` holds after a call other items than before")
