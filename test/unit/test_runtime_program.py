# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""`dycl.Program` as its user sees it: arguments in, results out, state, paths, refusals."""

import json
import re
import threading
import weakref
from collections import Counter, defaultdict, namedtuple
from dataclasses import dataclass

import handwritten
import ml_dtypes
import numpy as np
import pytest
import torch

import dycl
from dycl.compiler.imported import ImportedProgram, plain_signature
from dycl.compiler.pipeline import PartitionedProgram
from dycl.signature import Structure, TensorSpec, structure_of

UP = np.full((2, 3), 1.0, np.float32)  # sum(UP + BIAS) > 0
DOWN = np.full((2, 3), -5.0, np.float32)


@pytest.fixture(scope="module")
def gate(gate_bundle):
    return dycl.load(gate_bundle)


@pytest.fixture
def counter(counter_bundle):
    return dycl.load(counter_bundle)


# ---- results ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("x", [UP, DOWN], ids=["true", "false"])
def test_numpy_in_numpy_out(gate, x):
    y = gate(x)
    assert type(y) is np.ndarray
    assert y.dtype == np.float32
    np.testing.assert_allclose(y, handwritten.gate_reference(x), rtol=1e-6)


@pytest.mark.parametrize("x", [UP, DOWN], ids=["true", "false"])
def test_torch_in_torch_out(gate, x):
    y = gate(torch.from_numpy(x))
    assert type(y) is torch.Tensor
    assert y.dtype == torch.float32
    torch.testing.assert_close(y, torch.from_numpy(handwritten.gate_reference(x)))


def test_outputs_are_detached_and_own_their_memory(gate):
    x = torch.from_numpy(UP.copy()).requires_grad_()
    first = gate(x)
    assert not first.requires_grad
    kept = first.clone()
    first_again = gate(x)
    first_again.zero_()
    with torch.no_grad():
        x.zero_()
    torch.testing.assert_close(first, kept)
    torch.testing.assert_close(gate(torch.from_numpy(UP)), kept)


def test_inputs_that_are_not_contiguous(gate):
    transposed = np.arange(6, dtype=np.float32).reshape(3, 2).T
    np.testing.assert_allclose(gate(transposed), handwritten.gate_reference(transposed), rtol=1e-6)
    strided = torch.arange(12, dtype=torch.float32).reshape(2, 6)[:, ::2]
    expected = torch.from_numpy(handwritten.gate_reference(strided.numpy()))
    torch.testing.assert_close(gate(strided), expected)


def test_a_parameter_is_a_plain_tensor(gate):
    y = gate(torch.nn.Parameter(torch.from_numpy(UP)))
    torch.testing.assert_close(y, torch.from_numpy(handwritten.gate_reference(UP)))


@pytest.mark.parametrize(
    "make",
    [
        lambda up: torch.complex(torch.zeros_like(up), -up).conj().imag,  # Its negation is only noted.
        lambda up: torch.cat([-up, up])[2:],  # It begins within its storage.
        lambda up: up.numpy().astype(">f4").astype("<f4"),
        lambda up: up.requires_grad_() * 1,
    ],
    ids=["negation", "part", "byte_order", "gradient"],
)
def test_an_input_is_read_as_its_elements_are(gate, make):
    up = torch.from_numpy(UP * np.arange(1, 7, dtype=np.float32).reshape(2, 3))
    given = make(up.clone())
    expected = handwritten.gate_reference(up.numpy())
    np.testing.assert_allclose(np.asarray(gate(given)), expected, rtol=1e-6)


def test_a_tensor_without_memory_is_refused(gate):
    with pytest.raises(dycl.InputError, match="is on device meta; expected the CPU"):
        gate(torch.empty(2, 3, device="meta"))
    with pytest.raises(dycl.InputError, match=r"has layout torch\.sparse_coo; expected a dense tensor"):
        gate(torch.from_numpy(UP).to_sparse())
    with pytest.raises(dycl.InputError, match="2x3x>f4"):
        gate(UP.astype(">f4"))


def test_argument_by_name(gate):
    np.testing.assert_array_equal(gate(x=UP), gate(UP))


def test_arguments_by_position_or_name_whichever_was_compiled(counter):
    """`counter` was compiled with `x` by position and `n` by name."""
    x, n = np.zeros(2, np.float32), np.array(0)
    assert [counter(x, n)["calls"], counter(x, n=n)["calls"], counter(n=n, x=x)["calls"]] == [41, 42, 43]
    for args, kwargs, message in [
        ((x, n), {"n": n}, "counter got argument n by position and by name; expected it once"),
        ((x,), {}, "counter takes 2 argument(s) (x, n); n missing"),
        ((), {"n": n}, "counter takes 2 argument(s) (x, n); x missing"),
        ((x, n, n), {}, "counter takes 2 argument(s) (x, n); 3 given"),
    ]:
        with pytest.raises(dycl.InputError, match=f"^{re.escape(message)}$"):
            counter(*args, **kwargs)


Pair = namedtuple("Pair", ["left", "right"])


@dataclass
class Result:
    value: object
    what: str


def nested_gate(tmp_path, arguments, result):
    """The gate program with its input and its output in the places of `X` in two nested values."""
    leaf = lambda value: Structure("tensor", index=0) if value is X else None
    program, imported = handwritten.gate_program(structure_of(arguments, leaf), structure_of(result, leaf))
    return dycl.load(handwritten.write(program, imported, tmp_path / "nested.dycl"))


X = object()


def test_narrowed_results_have_the_size_of_each_row():
    """A list of two tensors whose rows are as large as the largest, read from its JSON form."""
    size = Structure("number", index=1, type="int")
    item = Structure("narrowed", keys=(1,), items=(Structure("tensor", index=0), size))
    structure = Structure.from_json(Structure("rows", items=(item,)).to_json())
    flat = [np.arange(18).reshape(2, 3, 3), np.array([2, 3])]

    rows = structure.build(lambda node: flat[node.index])
    assert [row.tolist() for row in rows] == [[[0, 1], [3, 4], [6, 7]], [[9, 10, 11], [12, 13, 14], [15, 16, 17]]]
    assert structure.build(lambda node: [flat[0][:0], flat[1][:0]][node.index]) == []


def test_nested_arguments_and_results(tmp_path):
    arguments = (({"ids": [X, None]}, 3), {"mode": "fast"})
    result = {"pair": Pair(X, (1.5,)), "rest": [None, Result(X, "y")]}
    program = nested_gate(tmp_path, arguments, result)

    got = program({"ids": [UP, None]}, 3, mode="fast")
    expected = handwritten.gate_reference(UP)
    assert list(got) == ["pair", "rest"]
    assert type(got["pair"]) is Pair
    assert got["pair"].right == (1.5,)
    assert got["rest"][0] is None
    assert type(got["rest"][1]) is Result
    np.testing.assert_allclose(got["pair"].left, expected, rtol=1e-6)
    np.testing.assert_allclose(got["rest"][1].value, expected, rtol=1e-6)

    for wrong, message in [
        ((({"ids": [UP]}, 3), {"mode": "fast"}), "argument x['ids'] is a list of 1; expected a list of 2"),
        ((({"ids": (UP, None)}, 3), {"mode": "fast"}), "argument x['ids'] is a tuple of 2; expected a list of 2"),
        ((({"id": [UP]}, 3), {"mode": "fast"}), "argument x is a dict of 'id'; expected a dict of 'ids'"),
        ((({"ids": [UP, UP]}, 3), {"mode": "fast"}), "argument x['ids'][1] is a tensor; gate was compiled for None"),
        ((({"ids": [UP, None]}, 4), {"mode": "fast"}), "argument mode is 4; gate was compiled for 3"),
        ((({"ids": [UP, None]}, 3.0), {"mode": "fast"}), "argument mode is 3.0; gate was compiled for 3"),
        ((({"ids": [UP, None]}, True), {"mode": "fast"}), "argument mode is True; gate was compiled for 3"),
        ((({"ids": [UP, None]}, 3), {"mode": "slow"}), "argument mode is 'slow'; gate was compiled for 'fast'"),
    ]:
        with pytest.raises(dycl.InputError, match=f"^{re.escape(message)}"):
            program(*wrong[0], **wrong[1])


# ---- refusals -----------------------------------------------------------------------------------------------


class Sub(torch.Tensor):
    pass


@pytest.mark.parametrize(
    ("args", "kwargs", "message"),
    [
        ((), {}, "gate takes 1 argument(s) (x); x missing"),
        ((UP, UP), {}, "gate takes 1 argument(s) (x); 2 given"),
        ((UP,), {"mode": 1}, "gate takes 1 argument(s) (x); unexpected mode"),
        ((UP,), {"x": UP}, "gate takes 1 argument(s) (x); unexpected x"),
        ((UP.astype(np.float64),), {}, "input x is 2x3xf64; expected 2x3xf32"),
        ((UP.astype(">f4"),), {}, "input x is 2x3x>f4; expected 2x3xf32"),
        ((torch.ones(2, 3, dtype=torch.int64),), {}, "input x is 2x3xi64; expected 2x3xf32"),
        ((UP[:, :2],), {}, "input x is 2x2xf32; expected 2x3xf32"),
        ((UP[0],), {}, "input x is 3xf32; expected 2x3xf32"),
        (([[1.0]],), {}, "input x is a list; expected a tensor or array of 2x3xf32"),
        ((None,), {}, "input x is a NoneType; expected a tensor or array of 2x3xf32"),
        ((np.ma.masked_array(UP),), {}, "input x is a numpy.ma.MaskedArray; expected a tensor or array"),
        ((torch.ones(2, 3, device="meta"),), {}, "input x is on device meta; expected the CPU"),
        ((torch.ones(2, 3).to_sparse(),), {}, "input x has layout torch.sparse_coo; expected a dense tensor"),
        ((torch.ones(2, 3).as_subclass(Sub),), {}, "input x is a test_runtime_program.Sub; expected a plain"),
    ],
)
def test_a_wrong_input_is_refused(gate, args, kwargs, message):
    with pytest.raises(dycl.InputError, match=f"^{re.escape(message)}"):
        gate(*args, **kwargs)


# ---- state and written inputs -------------------------------------------------------------------------------


def counter_reference(x, n, calls, last):
    while x[0] < 0:
        x += 1
    y = x * 2**n
    return {"y": y + last, "calls": calls + 1}, y


def test_state_carries_over_and_is_reset(counter):
    last, calls = np.array([100.0, 200.0], np.float32), 40
    for n in (0, 3, 1):
        x = np.array([-1.5, n], np.float32)
        expected, last = counter_reference(x.copy(), n, calls, last)
        got = counter(x.copy(), n=np.array(n))
        calls = got["calls"]
        assert type(calls) is int
        assert calls == expected["calls"]
        np.testing.assert_allclose(got["y"], expected["y"])
    assert calls == 43
    counter.reset_state()
    assert counter(np.zeros(2, np.float32), np.array(0))["calls"] == 41


def test_state_does_not_alias_what_the_caller_holds(counter):
    """`last` becomes the input itself when no loop runs; writing to the caller's array must not reach it."""
    x = np.array([1.0, 2.0], np.float32)
    y = counter(x, n=np.array(0))["y"]
    x[:] = 7
    y[:] = 7
    np.testing.assert_array_equal(counter(np.zeros(2, np.float32), n=np.array(0))["y"], [1.0, 2.0])


@pytest.mark.parametrize("make", [np.array, lambda *a: torch.tensor(a[0])], ids=["numpy", "torch"])
def test_a_written_input_is_seen_by_the_caller(counter, make):
    x = make([-2.5, 0.0], np.float32)
    counter(x, n=make(0))
    assert x.tolist() == [0.5, 3.0]


def test_a_written_input_may_be_a_view(counter):
    base = torch.full((2, 2), -1.0)
    counter(base[:, 1], n=torch.tensor(0))
    assert base.tolist() == [[-1.0, 0.0], [-1.0, 0.0]]


def test_a_read_only_input_that_is_written_is_refused(counter):
    x = np.zeros(2, np.float32)
    x.flags.writeable = False
    with pytest.raises(dycl.InputError, match="input x is read-only; expected a writable array"):
        counter(x, n=np.array(0))


def test_a_failed_call_changes_nothing(counter):
    with pytest.raises(dycl.InputError):
        counter(np.array([-1.0, 0.0], np.float32), n=np.array(0.5))
    assert counter(np.zeros(2, np.float32), n=np.array(0))["calls"] == 41


def test_two_programs_of_one_bundle_have_two_states(counter, counter_bundle):
    other = dycl.load(counter_bundle)
    counter(np.zeros(2, np.float32), n=np.array(0))
    assert other(np.zeros(2, np.float32), n=np.array(0))["calls"] == 41


# ---- exceptions ---------------------------------------------------------------------------------------------


def test_a_program_raises_what_the_model_raises(checked_bundle):
    """What was written before the exception stays written, as in eager; the program goes on to work."""
    program = dycl.load(checked_bundle)
    negative = np.array([-3, 0], np.float32)
    for _ in range(2):
        with pytest.raises(ValueError, match=r"^x is negative$"):
            program(negative)
        assert ("if", "exit", "true") in taken(program)
    assert negative.tolist() == [-1, 2]
    assert program(np.array([1, 2], np.float32)).tolist() == [4, 6]
    assert program(negative).tolist() == [0, 6]


# ---- results of several kinds -------------------------------------------------------------------------------


def test_the_result_is_of_the_kind_that_the_path_gives(kinds_bundle):
    program = dycl.load(kinds_bundle)
    first, second = program(torch.tensor([-3.0, 1.0]))
    assert (first.tolist(), second) == ([-2, 2], None)
    assert program(np.array([3, 1], np.float32)).tolist() == [6, 2]


def test_flat_outputs_are_those_of_the_result(kinds_bundle):
    program = dycl.load(kinds_bundle)
    flat = [program.call_flat(np.array([value, 1], np.float32)) for value in (-3, 3)]
    assert [{name: array.tolist() for name, array in found.items()} for found in flat] == [
        {"output 1": [-2, 2]},
        {"output 2": [6, 2]},
    ]


def test_a_choice_is_described_and_read_again():
    choice = Structure("choice", index=2, items=(Structure("constant"), Structure("tensor", index=0)))
    structure = Structure("list", items=(choice, Structure("number", index=1, type="int")))
    assert Structure.from_json(json.loads(json.dumps(structure.to_json()))) == structure
    assert structure.build(lambda leaf: {"choice": 0, "tensor": "a tensor", "number": 5}[leaf.kind]) == [None, 5]
    assert structure.build(lambda leaf: {"choice": 1, "tensor": "a tensor", "number": 5}[leaf.kind]) == ["a tensor", 5]
    assert list(structure.nodes("choice")) == [choice]


# ---- threads ------------------------------------------------------------------------------------------------


def run_in_threads(work, n_threads=4):
    """Run `work(i)` in each thread; the first exception of any is raised here."""
    errors = []

    def guarded(i):
        try:
            work(i)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=guarded, args=(i,)) for i in range(n_threads)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]


def test_threads_share_a_stateless_program(gate):
    def work(i):
        rng = np.random.default_rng(i)
        for _ in range(300):
            x = rng.normal(size=(2, 3)).astype(np.float32) * 3
            np.testing.assert_allclose(gate(x), handwritten.gate_reference(x), rtol=1e-6)

    run_in_threads(work)


def test_calls_of_a_stateful_program_are_serialized(counter):
    seen = []

    def work(i):
        for _ in range(100):
            seen.append(counter(np.zeros(2, np.float32), n=np.array(0))["calls"])

    run_in_threads(work)
    assert sorted(seen) == list(range(41, 441))


# ---- paths, regions, graph ----------------------------------------------------------------------------------


def taken(program):
    return {(edge.source, edge.target, edge.label): edge.count for edge in program.last_path}


def test_last_path_of_a_branch(gate_bundle):
    program = dycl.load(gate_bundle)
    assert program.last_path == []
    program(UP)
    first, second, third, last = program.last_path
    assert (first.source, first.target, first.label, first.count) == ("entry", "gate#0", "next", 1)
    assert (second.source, second.target, second.label) == ("gate#0", "if#0", "next")
    assert (third.source, third.target, third.label) == ("if#0", "double#0", "true")
    assert (last.source, last.target) == ("double#0", "exit")
    program(DOWN)
    assert ("if#0", "less_one#0", "false") in taken(program)
    assert ("if#0", "double#0", "true") not in taken(program)


@pytest.mark.parametrize(("x0", "whiles"), [(0.0, 0), (-0.5, 1), (-4.5, 5)])
@pytest.mark.parametrize("fors", [0, 1, 3])
def test_last_path_counts_loops(counter, x0, whiles, fors):
    counter(np.array([x0, 0.0], np.float32), n=np.array(fors))
    edges = taken(counter)
    assert edges.get(("while#0", "add_one#0", "iterate"), 0) == whiles
    assert edges.get(("for#1", "twice#0", "iterate"), 0) == fors
    assert edges["below#0", "while#0", "next"] == whiles + 1
    assert edges["while#0", "bound#0", "exit"] == 1
    assert edges["for#1", "add#0", "exit"] == 1


def test_regions(gate):
    region = gate.regions[0]
    assert region.name == "gate"
    assert region.signature == "(tensor<2x3xf32>) -> (tensor<2x3xf32>, i1)"
    assert str(region.location) == "net.py:12"
    assert region.target == "llvm-cpu"
    assert (region.cost.flops, region.cost.bytes) == (12, 96)
    assert region.parameters == ("bias",)


def test_hcfg(gate):
    graph = gate.hcfg
    assert graph.nodes["gate#0"]["kind"] == "region"
    assert graph.nodes["gate#0"]["cost"].flops == 12
    assert graph.nodes["if#0"]["predicate"] == 0
    assert str(graph.nodes["if#0"]["location"]) == "net.py:1"
    assert graph.has_edge("if#0", "less_one#0", key="false")
    graph.clear()
    assert len(gate.hcfg) == 6


# ---- dtypes and sizes ---------------------------------------------------------------------------------------

_REVERSE_HOST = """
import numpy as np
C0 = np.array([10, 20], dtype=np.int64)

def main(regions, decide, z, *values):
    c = regions.constant(C0)
    assert regions.constant(C0) is c
    return (z, *regions.reverse(*values), c)
"""

_REVERSE_ONE = """
    %a{i} = tensor.extract %x{i}[%c0] : {type}
    %b{i} = tensor.extract %x{i}[%c1] : {type}
    %f{i} = tensor.insert %b{i} into %x{i}[%c0] : {type}
    %r{i} = tensor.insert %a{i} into %f{i}[%c1] : {type}"""

VALUES = {
    "complex<f32>": np.array([1 + 2j, 0], np.complex64),  # not through the region: IREE's CPU backend has no complex
    "i1": np.array([True, False]),
    "i8": np.array([-1, 2], np.int8),
    "i16": np.array([-1, 2], np.int16),
    "i32": np.array([-1, 2], np.int32),
    "i64": np.array([-1, 1 << 60]),
    "ui8": np.array([255, 2], np.uint8),
    "f16": np.array([0.5, -2], np.float16),
    "bf16": np.array([0.5, -2], ml_dtypes.bfloat16),
    "f32": np.array([0.1, -2], np.float32),
    "f64": np.array([0.1, -2]),
}


@pytest.fixture(scope="module")
def reverse(tmp_path_factory):
    """A program that reverses each of its inputs but the first; one constant of the host is added."""
    inputs = tuple(TensorSpec(f"x_{dtype}", dtype, (2,)) for dtype in VALUES)
    signature = plain_signature("reverse", inputs, (*inputs, TensorSpec("c", "i64", (2,))))
    # In MLIR an unsigned tensor is a signless one.
    types = [f"tensor<2x{dtype.removeprefix('u')}>" for dtype in list(VALUES)[1:]]
    arguments = ", ".join(f"%x{i}: {type_}" for i, type_ in enumerate(types))
    body = "".join(_REVERSE_ONE.format(i=i, type=type_) for i, type_ in enumerate(types))
    results = ", ".join(f"%r{i}" for i in range(len(types)))
    module = f"""module @reverse_module {{ func.func @reverse({arguments}) -> ({", ".join(types)}) {{
      %c0 = arith.constant 0 : index
      %c1 = arith.constant 1 : index {body}
      return {results} : {", ".join(types)} }} }}"""
    graph = handwritten.hcfg([("entry", "entry", None), ("exit", "exit", None)], [("entry", "exit", "next")])
    description = handwritten.description(signature, [handwritten.region("reverse", types, types)], graph)
    partitioned = PartitionedProgram(_REVERSE_HOST, description, {"reverse_module": module})
    folder = tmp_path_factory.mktemp("reverse") / "reverse.dycl"
    return dycl.load(handwritten.write(partitioned, ImportedProgram("", signature), folder))


def test_every_dtype_in_numpy(reverse):
    *results, constant = reverse(*VALUES.values())
    for (dtype, value), result in zip(VALUES.items(), results, strict=True):
        assert result.dtype == value.dtype
        np.testing.assert_array_equal(result, value if dtype == "complex<f32>" else value[::-1])
    assert constant.tolist() == [10, 20]


def test_every_dtype_in_torch(reverse):
    tensors = {dtype: torch.from_numpy(value) for dtype, value in VALUES.items() if dtype != "bf16"}
    tensors["bf16"] = torch.tensor([0.5, -2], dtype=torch.bfloat16)
    *results, _ = reverse(*(tensors[dtype] for dtype in VALUES))
    for dtype, result in zip(VALUES, results, strict=True):
        assert result.dtype == tensors[dtype].dtype
        torch.testing.assert_close(result, tensors[dtype] if dtype == "complex<f32>" else tensors[dtype].flip(0))


_SCALARS = """
module @scalars_module {
  func.func @scalars(%x: tensor<?xf64>, %b: i1, %n: i64, %f: f64, %i: index)
      -> (tensor<?xf64>, i1, i64, f64, index) {
    %true = arith.constant true
    %b2 = arith.xori %b, %true : i1
    %n2 = arith.addi %n, %n : i64
    %f2 = arith.addf %f, %f : f64
    %i2 = arith.addi %i, %i : index
    %c0 = arith.constant 0 : index
    %size = tensor.dim %x, %c0 : tensor<?xf64>
    %empty = tensor.empty(%size) : tensor<?xf64>
    %y = linalg.generic {indexing_maps = [affine_map<(i) -> (i)>, affine_map<(i) -> (i)>],
        iterator_types = ["parallel"]} ins(%x : tensor<?xf64>) outs(%empty : tensor<?xf64>) {
      ^bb0(%a: f64, %o: f64):
        %s = arith.addf %a, %f : f64
        linalg.yield %s : f64
    } -> tensor<?xf64>
    return %y, %b2, %n2, %f2, %i2 : tensor<?xf64>, i1, i64, f64, index
  }
}
"""

_SCALARS_HOST = """
def main(regions, decide, x):
    y, b, n, f, i = regions.scalars(x, True, 1 << 40, 0.1, 3)
    assert (b, n, f, i) == (False, 1 << 41, 0.2, 6) and type(b) is bool and type(f) is float, (b, n, f, i)
    z, b, *_ = regions.scalars(y, b, n, f, i)
    assert b is True
    unread = regions.scalars(None, None, None, None, None)
    assert unread[1:] == (True, 0, 0.0, 0), unread
    return (z,)
"""


@pytest.mark.parametrize("size", [0, 1, 5])
def test_scalars_dynamic_sizes_and_unread_values(scalars, size):
    x = np.linspace(-1, 1, size)
    np.testing.assert_array_equal(scalars(x), x + 0.1 + 0.2)
    with pytest.raises(dycl.InputError, match=re.escape("input x is 1x1xf64; expected ?xf64")):
        scalars(np.zeros((1, 1)))


@pytest.fixture(scope="module")
def scalars(tmp_path_factory):
    types = ["tensor<?xf64>", "i1", "i64", "f64", "index"]
    signature = plain_signature("scalars", (TensorSpec("x", "f64", (None,)),), (TensorSpec("y", "f64", (None,)),))
    graph = handwritten.hcfg([("entry", "entry", None), ("exit", "exit", None)], [("entry", "exit", "next")])
    description = handwritten.description(signature, [handwritten.region("scalars", types, types)], graph)
    partitioned = PartitionedProgram(_SCALARS_HOST, description, {"scalars_module": _SCALARS})
    folder = tmp_path_factory.mktemp("scalars") / "scalars.dycl"
    return dycl.load(handwritten.write(partitioned, ImportedProgram("", signature), folder))


# ---- lost devices -------------------------------------------------------------------------------------------


@pytest.fixture
def lose_device(monkeypatch):
    """A function: the next times that the program is loaded ("load"), the host runs ("main") or an input is copied
    ("upload"), so many of them, fail as where Vulkan has lost the device.
    """
    to_lose = Counter()
    texts = defaultdict(lambda: "DATA_LOSS; [vkWaitSemaphores] VK_ERROR_DEVICE_LOST")

    class Losing(dycl.runtime.program._Loaded):
        def __init__(self, *args, **options):
            losing("load", super().__init__, dycl.BundleError)(*args, **options)
            self.main = losing("main", self.main, self.region_problem)
            self.upload = losing("upload", self.upload, ValueError)  # as IREE's bindings raise it

    def losing(what, function, problem):
        def run(*given, **options):
            if to_lose[what]:
                to_lose[what] -= 1
                raise problem(texts[what])
            return function(*given, **options)

        return run

    def lose(times, what="main", text=""):
        to_lose[what] = times
        if text:
            texts[what] = text

    monkeypatch.setattr("dycl.runtime.program._Loaded", Losing)
    return lose


@pytest.mark.parametrize(
    "options",
    [
        {"loading": "eager"},
        {"loading": "lazy", "threads": 2},
        {"loading": "background"},
        {"memory_budget": 1},
        {"device": "local-task"},
    ],
    ids=str,
)
def test_a_program_ends_with_its_last_reference(gate_bundle, options, no_collector):
    """Its devices and mapped files too: Python's collector of cycles knows nothing of their memory and threads."""
    program = dycl.load(gate_bundle, **options)
    program(UP)
    with program.profile() as profile:
        program(DOWN)
    assert profile.calls == 1
    for thread in threading.enumerate():  # that loads in the background
        if thread is not threading.current_thread() and thread.daemon:
            thread.join(10)
    session = weakref.ref(program._loaded.session)
    del program
    assert session() is None


@pytest.mark.parametrize("what", ["main", "upload"])
def test_a_lost_device_is_opened_again(gate_bundle, lose_device, what):
    program = dycl.load(gate_bundle)
    program(UP)
    before = program._loaded
    lose_device(1, what)
    with pytest.warns(RuntimeWarning, match="the device was lost .*VK_ERROR_DEVICE_LOST.*opened again"):
        np.testing.assert_allclose(program(DOWN), handwritten.gate_reference(DOWN), rtol=1e-6)
    assert program._loaded.session._home._device is not before.session._home._device
    np.testing.assert_allclose(program(UP), handwritten.gate_reference(UP), rtol=1e-6)


@pytest.mark.parametrize("where", ["hal.fence.await", "while invoking native function hal.fence.await; while calling"])
def test_a_device_that_is_lost_while_a_program_is_loaded_is_opened_again(gate_bundle, lose_device, where):
    lose_device(1, "load", f"Error creating vm context with modules: DATA_LOSS; {where}")
    with pytest.warns(RuntimeWarning, match="the device was lost"):
        program = dycl.load(gate_bundle)
    np.testing.assert_allclose(program(UP), handwritten.gate_reference(UP), rtol=1e-6)
    lose_device(2, "load", "DATA_LOSS; [vkWaitSemaphores] VK_ERROR_DEVICE_LOST")
    with pytest.warns(RuntimeWarning), pytest.raises(dycl.BundleError, match="VK_ERROR_DEVICE_LOST"):
        dycl.load(gate_bundle)


def test_a_device_that_is_lost_twice_in_a_call_is_an_error(gate_bundle, lose_device):
    program = dycl.load(gate_bundle)
    lose_device(2)
    with pytest.warns(RuntimeWarning), pytest.raises(dycl.DyclError, match="VK_ERROR_DEVICE_LOST"):
        program(UP)
    np.testing.assert_allclose(program(UP), handwritten.gate_reference(UP), rtol=1e-6)


def test_state_that_is_lost_with_its_device_is_not_begun_anew(lose_device, counter):
    lose_device(1)
    with pytest.raises(dycl.DyclError, match="the program's state with it: load the program again"):
        counter(np.zeros(2, np.float32), np.array(0))
