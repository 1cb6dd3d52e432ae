# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Programs written by hand in the form that phase `partition` gives, for tests of what comes after it."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from dycl.compiler.imported import ImportedProgram, plain_signature
from dycl.compiler.pipeline import PartitionedProgram, PhaseDump, write_program
from dycl.compiler.targets import parse_targets
from dycl.options import Options
from dycl.signature import Signature, Structure, TensorSpec


def region(name, inputs, results, *, line=1, parameters=()):
    """A region of the program description."""
    return {
        "name": name,
        "module": f"{name}_module",
        "function": name,
        "inputs": list(inputs),
        "results": list(results),
        "location": {"file": "net.py", "line": line, "column": 1},
        "cost": {"flops": line, "bytes": 8 * line},
        "parameters": list(parameters),
    }


def hcfg(nodes: Sequence[tuple], edges: Sequence[tuple]):
    """A graph from (id, kind, region or predicate) and (source, target, label)."""
    extra = {"region": "region", "predicate": "predicate"}
    return {
        "nodes": [
            {"id": id_, "kind": kind, "location": {"file": "net.py", "line": 1, "column": 1}}
            | ({extra[kind]: what} if kind in extra else {})
            for id_, kind, what in nodes
        ],
        "edges": [{"source": source, "target": target, "label": label} for source, target, label in edges],
    }


def description(signature: Signature, regions, graph):
    return {
        "name": signature.name,
        "inputs": [{"name": spec.name, "type": f"tensor<{spec}>"} for spec in signature.inputs],
        "outputs": [{"type": f"tensor<{spec}>"} for spec in signature.outputs],
        "regions": regions,
        "hcfg": graph,
    }


def write(program, imported, folder, *, target="llvm-cpu", options=None):
    """Compile the regions and write the bundle."""
    targets = parse_targets(target)
    return write_program(program, imported, targets, options or Options(), folder, PhaseDump(None))


# ---- gate: a branch: y = x + bias; if sum(y) > 0: y * 2 else: y - 1 ----------------------------------------

_GATE = """
module @gate_module {
  "util.global"() <{initial_value = #flow.parameter.named<"model"::"bias"> : tensor<3xf32>,
      sym_name = "bias", sym_visibility = "private", type = tensor<3xf32>}> : () -> ()
  func.func @gate(%x: tensor<2x3xf32>) -> (tensor<2x3xf32>, i1) {
    %bias = "util.global.load"() <{global = @bias}> : () -> tensor<3xf32>
    %empty = tensor.empty() : tensor<2x3xf32>
    %zero = arith.constant 0.0 : f32
    %y = linalg.generic {indexing_maps = [affine_map<(i, j) -> (i, j)>, affine_map<(i, j) -> (j)>,
        affine_map<(i, j) -> (i, j)>], iterator_types = ["parallel", "parallel"]}
        ins(%x, %bias : tensor<2x3xf32>, tensor<3xf32>) outs(%empty : tensor<2x3xf32>) {
      ^bb0(%a: f32, %b: f32, %o: f32):
        %s = arith.addf %a, %b : f32
        linalg.yield %s : f32
    } -> tensor<2x3xf32>
    %init = tensor.from_elements %zero : tensor<f32>
    %sum = linalg.generic {indexing_maps = [affine_map<(i, j) -> (i, j)>, affine_map<(i, j) -> ()>],
        iterator_types = ["reduction", "reduction"]} ins(%y : tensor<2x3xf32>) outs(%init : tensor<f32>) {
      ^bb0(%a: f32, %o: f32):
        %s = arith.addf %a, %o : f32
        linalg.yield %s : f32
    } -> tensor<f32>
    %total = tensor.extract %sum[] : tensor<f32>
    %positive = arith.cmpf ogt, %total, %zero : f32
    return %y, %positive : tensor<2x3xf32>, i1
  }
}
"""


def _elementwise(name: str, op: str, constant: str) -> str:
    return f"""
module @{name}_module {{
  func.func @{name}(%y: tensor<2x3xf32>) -> tensor<2x3xf32> {{
    %c = arith.constant dense<{constant}> : tensor<2x3xf32>
    %r = {op} %y, %c : tensor<2x3xf32>
    return %r : tensor<2x3xf32>
  }}
}}
"""


_GATE_HOST = '''
def main(regions, decide, x):
    """main(x: tensor<2x3xf32>) -> tensor<2x3xf32>"""
    v0, p0 = regions.gate(x)
    if decide(0, p0):
        v1 = regions.double(v0)
    else:
        v1 = regions.less_one(v0)
    return (v1,)

if __name__ == "__main__":
    import sys
    sys.dont_write_bytecode = True
    import host_runtime
    host_runtime.run_as_script(main, __file__)
'''

BIAS = np.array([0.5, -1.0, 2.0], np.float32)
X_SPEC = TensorSpec("x", "f32", (2, 3))
T = "tensor<2x3xf32>"


def gate_program(input_structure: Structure | None = None, output_structure: Structure | None = None):
    """The program, its imported form, and with which structures of arguments and result."""
    plain = plain_signature("gate", (X_SPEC,), (TensorSpec("y", "f32", (2, 3)),))
    signature = Signature(
        name="gate",
        inputs=plain.inputs,
        input_structure=input_structure or plain.input_structure,
        outputs=plain.outputs,
        output_structure=output_structure or plain.output_structure,
        parameter_names=("x", "mode"),
    )
    regions = [
        region("gate", [T], [T, "i1"], line=12, parameters=["bias"]),
        region("double", [T], [T], line=14),
        region("less_one", [T], [T], line=16),
    ]
    graph = hcfg(
        [
            ("entry", "entry", None),
            ("gate#0", "region", "gate"),
            ("if#0", "predicate", 0),
            ("double#0", "region", "double"),
            ("less_one#0", "region", "less_one"),
            ("exit", "exit", None),
        ],
        [
            ("entry", "gate#0", "next"),
            ("gate#0", "if#0", "next"),
            ("if#0", "double#0", "true"),
            ("if#0", "less_one#0", "false"),
            ("double#0", "exit", "next"),
            ("less_one#0", "exit", "next"),
        ],
    )
    modules = {
        "gate_module": _GATE,
        "double_module": _elementwise("double", "arith.mulf", "2.0"),
        "less_one_module": _elementwise("less_one", "arith.subf", "1.0"),
    }
    program = PartitionedProgram(_GATE_HOST, description(signature, regions, graph), modules)
    return program, ImportedProgram("", signature, parameters={"bias": BIAS, "unused": np.ones(4096, np.float32)})


def gate_reference(x: np.ndarray) -> np.ndarray:
    y = x + BIAS
    return y * 2 if y.sum() > 0 else y - 1


# ---- counter: state, a written input, a while and a for ----------------------------------------------------
# def counter(x, n):        # state: calls (i64), last (f32[2])
#     self.calls += 1
#     while x[0] < 0:       # predicate 0
#         x += 1            # the caller sees it
#     y = x
#     for i in range(n):    # predicate 1
#         y = y * 2
#     last, self.last = self.last, y
#     return y + last, self.calls.item()

_STATE_OPS = {
    "below": (["tensor<2xf32>"], ["i1"], """
    %c0 = arith.constant 0 : index
    %zero = arith.constant 0.0 : f32
    %v = tensor.extract %a0[%c0] : tensor<2xf32>
    %r = arith.cmpf olt, %v, %zero : f32
    return %r : i1"""),
    "add_one": (["tensor<2xf32>"], ["tensor<2xf32>"], """
    %c = arith.constant dense<1.0> : tensor<2xf32>
    %r = arith.addf %a0, %c : tensor<2xf32>
    return %r : tensor<2xf32>"""),
    "twice": (["tensor<2xf32>"], ["tensor<2xf32>"], """
    %r = arith.addf %a0, %a0 : tensor<2xf32>
    return %r : tensor<2xf32>"""),
    "add": (["tensor<2xf32>", "tensor<2xf32>"], ["tensor<2xf32>"], """
    %r = arith.addf %a0, %a1 : tensor<2xf32>
    return %r : tensor<2xf32>"""),
    "count": (["tensor<i64>"], ["tensor<i64>"], """
    %c = arith.constant dense<1> : tensor<i64>
    %r = arith.addi %a0, %c : tensor<i64>
    return %r : tensor<i64>"""),
    "bound": (["tensor<i64>"], ["index"], """
    %v = tensor.extract %a0[] : tensor<i64>
    %r = arith.index_cast %v : i64 to index
    return %r : index"""),
}  # fmt: skip

_COUNTER_HOST = """
def main(regions, decide, x, n, calls, last):
    v0 = regions.count(calls)
    v1 = x
    while True:
        p0 = regions.below(v1)
        if not decide(0, p0):
            break
        v1 = regions.add_one(v1)
    v2 = v1
    s0 = regions.bound(n)
    for i0 in decide(1, range(0, s0, 1)):
        v2 = regions.twice(v2)
    v3 = regions.add(v2, last)
    return (v3, v0, v1, v0, v2)

if __name__ == "__main__":
    import sys
    sys.dont_write_bytecode = True
    import host_runtime
    host_runtime.run_as_script(main, __file__)
"""


def function_module(name, inputs, results, body):
    arguments = ", ".join(f"%a{i}: {type_}" for i, type_ in enumerate(inputs))
    header = f"func.func @{name}({arguments}) -> ({', '.join(results)})"
    return f"module @{name}_module {{\n  {header} {{{body}\n  }}\n}}\n"


def counter_program():
    vector, count = TensorSpec("x", "f32", (2,)), TensorSpec("n", "i64", ())
    signature = Signature(
        name="counter",
        inputs=(vector, count),
        input_structure=Structure(
            "tuple",
            items=(
                Structure("tuple", items=(Structure("tensor", index=0),)),
                Structure("dict", keys=("n",), items=(Structure("tensor", index=1),)),
            ),
        ),
        outputs=(TensorSpec("y", "f32", (2,)), TensorSpec("calls", "i64", ())),
        output_structure=Structure(
            "dict", keys=("y", "calls"), items=(Structure("tensor", index=0), Structure("number", 1, "int"))
        ),
        mutated_inputs=(0,),
        state=(TensorSpec("self.calls", "i64", ()), TensorSpec("self.last", "f32", (2,))),
        parameter_names=("x", "n"),
    )
    regions = [region(name, inputs, results) for name, (inputs, results, _) in _STATE_OPS.items()]
    graph = hcfg(
        [
            ("entry", "entry", None),
            ("count#0", "region", "count"),
            ("below#0", "region", "below"),
            ("while#0", "predicate", 0),
            ("add_one#0", "region", "add_one"),
            ("bound#0", "region", "bound"),
            ("for#1", "predicate", 1),
            ("twice#0", "region", "twice"),
            ("add#0", "region", "add"),
            ("exit", "exit", None),
        ],
        [
            ("entry", "count#0", "next"),
            ("count#0", "below#0", "next"),
            ("below#0", "while#0", "next"),
            ("while#0", "add_one#0", "iterate"),
            ("while#0", "bound#0", "exit"),
            ("add_one#0", "below#0", "next"),
            ("bound#0", "for#1", "next"),
            ("for#1", "twice#0", "iterate"),
            ("twice#0", "for#1", "next"),
            ("for#1", "add#0", "exit"),
            ("add#0", "exit", "next"),
        ],
    )
    modules = {f"{name}_module": function_module(name, *parts) for name, parts in _STATE_OPS.items()}
    program = PartitionedProgram(_COUNTER_HOST, description(signature, regions, graph), modules)
    state = {"self.calls": np.array(40, np.int64), "self.last": np.array([100.0, 200.0], np.float32)}
    return program, ImportedProgram("", signature, state=state)


# ---- checked: a program that raises -------------------------------------------------------------------------
# def checked(x):           # state: calls (i64)
#     self.calls += 1
#     x += 1                # the caller sees it, also where the next line raises
#     if x[0] < 0:          # predicate 0
#         raise ValueError("x is negative")
#     return x + x

_CHECKED_HOST = """
import numpy as np
C0, C1 = np.array(0), np.array(2)

def main(regions, decide, x, calls):
    v0 = regions.count(calls)
    v1 = regions.add_one(x)
    p0 = regions.below(v1)
    if decide(0, p0):
        return (None, regions.constant(C1), v1, v0)
    v2 = regions.twice(v1)
    return (v2, regions.constant(C0), v1, v0)

if __name__ == "__main__":
    import sys
    sys.dont_write_bytecode = True
    import host_runtime
    host_runtime.run_as_script(main, __file__)
"""


def checked_program():
    vector, scalar = TensorSpec("x", "f32", (2,)), TensorSpec("exception", "i64", ())
    signature = Signature(
        name="checked",
        inputs=(vector,),
        input_structure=plain_signature("checked", (vector,), ()).input_structure,
        outputs=(TensorSpec("y", "f32", (2,)), scalar),
        output_structure=Structure("tensor", index=0),
        mutated_inputs=(0,),
        state=(TensorSpec("self.calls", "i64", ()),),
        parameter_names=("x",),
        exceptions=(("AssertionError",), ("ValueError", "x is negative")),
    )
    names = ("count", "add_one", "below", "twice")
    graph = hcfg(
        [("entry", "entry", None)]
        + [(name, "region", name) for name in names]
        + [("if", "predicate", 0), ("exit", "exit", None)],
        [
            ("entry", "count", "next"),
            ("count", "add_one", "next"),
            ("add_one", "below", "next"),
            ("below", "if", "next"),
            ("if", "exit", "true"),
            ("if", "twice", "false"),
            ("twice", "exit", "next"),
        ],
    )
    regions = [region(name, *_STATE_OPS[name][:2]) for name in names]
    modules = {f"{name}_module": function_module(name, *_STATE_OPS[name]) for name in names}
    program = PartitionedProgram(_CHECKED_HOST, description(signature, regions, graph), modules)
    return program, ImportedProgram("", signature, state={"self.calls": np.array(0)})


# ---- kinds: a program whose result is of another kind on each path -------------------------------------------
# def kinds(x):
#     if x[0] < 0:          # predicate 0
#         return (x + 1, None)
#     return x + x

_KINDS_HOST = """
import numpy as np
C0, C1 = np.array(0), np.array(1)

def main(regions, decide, x):
    p0 = regions.below(x)
    if decide(0, p0):
        v0 = regions.add_one(x)
        return (regions.constant(C0), v0, None)
    v1 = regions.twice(x)
    return (regions.constant(C1), None, v1)

if __name__ == "__main__":
    import sys
    sys.dont_write_bytecode = True
    import host_runtime
    host_runtime.run_as_script(main, __file__)
"""


def kinds_program():
    vector = TensorSpec("x", "f32", (2,))
    pair = Structure("tuple", items=(Structure("tensor", index=1), Structure("constant")))
    signature = replace(
        plain_signature("kinds", (vector,), ()),
        outputs=(TensorSpec("choice 0", "i64", ()), *(TensorSpec(f"output {i}", "f32", (2,)) for i in (1, 2))),
        output_structure=Structure("choice", index=0, items=(pair, Structure("tensor", index=2))),
    )
    names = ("below", "add_one", "twice")
    graph = hcfg(
        [("entry", "entry", None)]
        + [(name, "region", name) for name in names]
        + [("if", "predicate", 0), ("exit", "exit", None)],
        [
            ("entry", "below", "next"),
            ("below", "if", "next"),
            ("if", "add_one", "true"),
            ("if", "twice", "false"),
            ("add_one", "exit", "next"),
            ("twice", "exit", "next"),
        ],
    )
    regions = [region(name, *_STATE_OPS[name][:2]) for name in names]
    modules = {f"{name}_module": function_module(name, *_STATE_OPS[name]) for name in names}
    program = PartitionedProgram(_KINDS_HOST, description(signature, regions, graph), modules)
    return program, ImportedProgram("", signature)
