# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""What peers.py compares dycl with: how each is made of a network, with its documented best settings and in f32.

Two kinds of peers. Some know the path: they get the graph of the path that the input takes, traced alone with its
conditions as constants, and so compute no predicate; no runtime that keeps the control flow can be that fast, so they
are the hardest bound. The others run the network as a user would give it to them, for any input.

What a peer does not take is an answer, too: `Refused`, with one line that says why.
"""

from __future__ import annotations

import functools
import io
import logging
import re
import signal
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path

import paper
import torch
from torch.utils._pytree import tree_leaves

OPSET = 20
SECONDS_TO_BUILD = 180

EAGER, COMPILE = "eager", "torch.compile"
ORT, OPENVINO = "ONNX Runtime", "OpenVINO"
ORT_CONTROL, OPENVINO_CONTROL = "ONNX Runtime, If/Loop", "OpenVINO, If/Loop"
IREE, DYCL, DYCL_VM, DYCL_ONE = "IREE, one module", "dycl", "dycl, VM host", "dycl, one thread"
KNOW_THE_PATH = (ORT, OPENVINO)
LABELS = (EAGER, COMPILE, ORT, OPENVINO, ORT_CONTROL, OPENVINO_CONTROL, IREE, DYCL, DYCL_VM, DYCL_ONE)

# What may disturb each other where there are threads: pools whose threads wait actively. Each is a process then.
FAMILIES = {
    "torch": (EAGER, COMPILE),
    "onnxruntime": (ORT, ORT_CONTROL),
    "openvino": (OPENVINO, OPENVINO_CONTROL),
    "iree": (DYCL, DYCL_VM, IREE, DYCL_ONE),
}


class Refused(Exception):
    """A peer does not take a network, or gives wrong results; the message is one line."""


Call = Callable[[], tuple]
"""Runs once, and gives the flat results, in the runtime's own types."""


# ---- exporting ----------------------------------------------------------------------------------------------


class Attempts:
    """Attempts of which a file says what is being tried, for native code may end the process."""

    def __init__(self, marker: Path, crashed: Mapping[str, str]):
        """What is in `crashed` is not tried again: it ended a process, and has how as its reason."""
        self._marker, self._crashed = marker, crashed

    def __call__(self, what: str, make: Callable) -> tuple:
        """What `make` gives and no reason; or None and, in a line, why it does not."""
        if what in self._crashed:
            return None, self._crashed[what]
        self._marker.write_text(what)
        try:
            return attempted(make)
        finally:
            self._marker.unlink()


def export_path(attempt: Attempts, model, args, folder: Path, label: str) -> dict[str, str]:
    """Writes the graph of the path that `args` take: `LABEL.onnx` and `LABEL.xml`; what refuses, and why."""
    refused = {}
    wrapped = paper.Tensors(model).eval()
    onnx, xml = folder / f"{label}.onnx", folder / f"{label}.xml"
    traced, why = attempt(f"{label} trace", lambda: torch.jit.trace(wrapped, args, check_trace=False))
    if traced is None:
        return dict.fromkeys(KNOW_THE_PATH, f"torch.jit.trace: {why}")
    if not computes(traced):
        return dict.fromkeys(KNOW_THE_PATH, "the trace computes nothing: all results are constants on this path")
    _, why = attempt(f"{label} onnx", lambda: to_onnx(traced, wrapped, args, onnx))
    if why:
        refused[ORT] = f"torch.onnx.export: {why}"
    _, why = attempt(f"{label} openvino", lambda: to_openvino(traced, args, xml))
    if why and not refused:
        _, why = attempt(f"{label} openvino of onnx", lambda: to_openvino(onnx, None, xml))
    if why:
        refused[OPENVINO] = f"openvino.convert_model: {why}"
    return refused


def computes(traced) -> bool:
    """Whether any result of a trace depends on the numbers of an input.

    What goes through a Python number, such as a token that is chosen by `.item()`, is a constant in a trace. Where all
    results are, a runtime that folds constants has nothing left to do, and its time says nothing.
    """
    of_sizes = {"aten::size", "aten::dim", "aten::numel"}
    graph = traced.inlined_graph
    depends = {value.debugName() for value in list(graph.inputs())[1:]}  # without the module itself
    for node in graph.nodes():
        taken = [value.debugName() for value in node.inputs()]
        if node.kind() not in of_sizes and depends.intersection(taken):
            depends.update(value.debugName() for value in node.outputs())
            if node.kind().endswith("_"):  # It writes its first argument.
                depends.add(taken[0])
    return any(value.debugName() in depends for value in graph.outputs())


def export_control(attempt: Attempts, model, args, folder: Path) -> dict[str, str]:
    """Writes the network with its control flow, as `control.onnx` and `control.xml`; what refuses, and why.

    Both exporters take Python's `if` and `while` of TorchScript only; `torch.export` refuses every condition on data.
    What it refuses is said of that, where scripting does not take the network.
    """
    scripted, why = attempt("script", lambda: torch.jit.script(model))
    if scripted is None:
        # A network of which torch.export takes all has no control flow that it could not trace.
        exported, why_not = attempt("export", lambda: torch.export.export(model, args))
        if exported is None:
            reason = f"torch.jit.script: {why}; torch.export: {why_not}"
            return {ORT_CONTROL: reason, OPENVINO_CONTROL: reason}
        scripted = exported
    refused = {}
    is_script = isinstance(scripted, torch.jit.ScriptModule)
    onnx, xml = folder / "control.onnx", folder / "control.xml"
    _, why = attempt("control onnx", lambda: control_to_onnx(scripted, args, onnx, is_script))
    if why:
        refused[ORT_CONTROL] = f"torch.onnx.export: {why}"
    _, why = attempt(
        "control openvino", lambda: to_openvino(scripted, args if is_script else None, xml, is_static=False)
    )
    if why and not refused:
        _, why = attempt("control openvino of onnx", lambda: to_openvino(onnx, None, xml))
    if why:
        refused[OPENVINO_CONTROL] = f"openvino.convert_model: {why}"
    return refused


def control_to_onnx(scripted, args, path: Path, is_script: bool) -> None:
    if is_script:
        torch.onnx.register_custom_op_symbolic("aten::rms_norm", rms_norm, OPSET)
        torch.onnx.export(scripted, args, path, dynamo=False, opset_version=OPSET, input_names=names_of(args))
    else:
        torch.onnx.export(
            scripted, args, path, dynamo=True, input_names=names_of(args), external_data=False, verbose=False
        )


def to_onnx(traced, wrapped, args, path: Path) -> None:
    """By the exporter for TorchScript; where it lacks an operator, by that for exported programs, of the same trace."""
    torch.onnx.register_custom_op_symbolic("aten::rms_norm", rms_norm, OPSET)
    try:
        torch.onnx.export(wrapped, args, path, dynamo=False, opset_version=OPSET, input_names=names_of(args))
    except Exception:
        from torch._export.converter import TS2EPConverter

        program = TS2EPConverter(traced, args).convert()
        torch.onnx.export(
            program, args, path, dynamo=True, input_names=names_of(args), external_data=False, verbose=False
        )


def rms_norm(graph, x, shape, weight, eps):
    """The exporter for TorchScript has all other operators of the zoo."""
    from torch.onnx.symbolic_helper import _get_const, _is_none

    axes = [-1 - i for i in range(len(_get_const(shape, "is", "normalized_shape")))]
    epsilon = 1.1920929e-07 if _is_none(eps) else _get_const(eps, "f", "eps")
    squares = graph.op("Mul", x, x)
    mean = graph.op("ReduceMean", squares, graph.op("Constant", value_t=torch.tensor(axes)), keepdims_i=1)
    root = graph.op("Sqrt", graph.op("Add", mean, graph.op("Constant", value_t=torch.tensor(epsilon))))
    normal = graph.op("Div", x, root)
    return normal if _is_none(weight) else graph.op("Mul", normal, weight)


def to_openvino(source, args, path: Path, *, is_static: bool = True) -> None:
    """A trace's sizes are those of its input, which OpenVINO is told: by itself it takes any."""
    import openvino

    options = {} if args is None else {"example_input": args}
    if options and is_static:
        options["input"] = [openvino.PartialShape(list(leaf.shape)) for leaf in tree_leaves(args)]
    converted = openvino.convert_model(source, **options)
    openvino.save_model(converted, path, compress_to_fp16=False)


def names_of(args) -> list[str]:
    return [f"x{i}" for i in range(len(tree_leaves(args)))]


# ---- running ------------------------------------------------------------------------------------------------


def build(peer: str, model, args, folder: Path, label: str, threads: int) -> Call:
    """A peer that is ready to run on an input, of which `label` is the path.

    Raises:
        Refused: where it is not.
    """
    builders = {
        EAGER: lambda: eager(model, args),
        COMPILE: lambda: compiled(model, args),
        ORT: lambda: onnx_runtime(folder / f"{label}.onnx", args, threads),
        ORT_CONTROL: lambda: onnx_runtime(folder / "control.onnx", args, threads),
        OPENVINO: lambda: openvino_cpu(folder / f"{label}.xml", args, threads),
        OPENVINO_CONTROL: lambda: openvino_cpu(folder / "control.xml", args, threads),
        # In the first calls regions find out whether threads pay.
        DYCL: lambda: bundle(folder / "dycl", args, n_calls=30 if threads > 1 else 0),
        DYCL_VM: lambda: bundle(folder / "dycl", args, host="vm"),
        DYCL_ONE: lambda: bundle(folder / "dycl", args, threads=1),
        IREE: lambda: bundle(folder / "one", args, device="local-task" if threads > 1 else None, threads=threads),
    }
    call, why = attempted(builders[peer])
    if call is None:
        raise Refused(why)
    return call


def eager(model, args) -> Call:
    return lambda: model(*args)


@functools.cache
def compiled_model(model):
    """One for all paths, as a user has it."""
    import torch._dynamo
    import torch._inductor.config

    torch._inductor.config.freezing = True
    # Where a frame is compiled for many shapes or branches: keep on compiling, as a user would who measures.
    torch._dynamo.config.recompile_limit = 64
    return torch.compile(model)


def compiled(model, args) -> Call:
    """With graph breaks, and weights frozen, as PyTorch's documentation has it for inference on CPUs."""
    made = compiled_model(model)
    for _ in range(3):  # A size that changes is compiled as a symbol at its second value.
        made(*args)
    return lambda: made(*args)


def onnx_runtime(path: Path, args, threads: int) -> Call:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    given = dict(zip(names_of(args), (leaf.numpy() for leaf in tree_leaves(args)), strict=True))
    feed = {taken.name: given[taken.name] for taken in session.get_inputs()}
    return lambda: session.run(None, feed)


def openvino_cpu(path: Path, args, threads: int) -> Call:
    """Latency first, f32 also where the processor has bf16, and no copies of inputs and outputs."""
    import openvino

    settings = {
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_PRECISION_HINT": "f32",
        "INFERENCE_NUM_THREADS": threads,
        "NUM_STREAMS": 1,
    }
    program = openvino.Core().compile_model(path, "CPU", settings)
    request = program.create_infer_request()
    leaves = [leaf.numpy() for leaf in tree_leaves(args)]
    if len(program.inputs) != len(leaves):  # What the path does not read is gone.
        leaves = kept_inputs(program, leaves)
    return lambda: tuple(request.infer(leaves, share_inputs=True, share_outputs=True).values())


def kept_inputs(program, leaves: list) -> dict:
    """Inputs by number, where the names still tell which are left."""
    found = {}
    for number, taken in enumerate(program.inputs):
        which = next((int(name[1:]) for name in taken.names if re.fullmatch(r"x\d+", name)), None)
        if which is None:
            raise Refused(f"it takes {len(program.inputs)} of {len(leaves)} inputs, and does not say which")
        found[number] = leaves[which]
    return found


def bundle(folder: Path, args, n_calls: int = 0, **options) -> Call:
    """A program that has been called so often."""
    import dycl

    failure = folder.with_suffix(".failure")
    if failure.exists():
        raise Refused(failure.read_text())
    program = dycl.load(folder, **options)
    for _ in range(n_calls):
        attempted(lambda: program(*args))  # A model may raise on this path.
    return lambda: program(*args)


def checked(call: Call, expected: tuple) -> float:
    """The largest error of a peer's results, relative to the scale of eager's.

    Raises:
        Refused: where it is more than rounding.
    """
    results, why = attempted(call)
    if why:
        raise Refused(why)
    got = tuple(
        tensor.to(wanted.dtype) if tensor.is_floating_point() == wanted.is_floating_point() else tensor
        for tensor, wanted in zip(paper.as_tensors(results), expected, strict=False)
    )
    if len(got) != len(expected) or len(got) != len(paper.as_tensors(results)):
        raise Refused(f"wrong: it gives {len(paper.as_tensors(results))} results, eager {len(expected)}")
    found = paper.agreement([got], [expected])
    if found["inconsistent"]:
        raise Refused("wrong: its results differ from eager's by more than rounding")
    return found["largest_error"]


# ---- failing ------------------------------------------------------------------------------------------------


def attempted(make: Callable, seconds: float = SECONDS_TO_BUILD) -> tuple:
    """What `make` gives and no reason; or None and, in a line, why it does not."""
    quiet = io.StringIO()  # Exporters print graphs, and warn that a trace may be wrong for other inputs.
    logging.disable(logging.CRITICAL)
    try:
        with warnings.catch_warnings(), redirect_stdout(quiet), redirect_stderr(quiet), limited(seconds):
            warnings.simplefilter("ignore")
            return make(), ""
    except Refused as refusal:
        return None, str(refusal)
    except Exception as error:  # Whatever a peer raises is its answer.
        return None, one_line(error)
    finally:
        logging.disable(logging.NOTSET)


def one_line(error: BaseException) -> str:
    """What an error says, without the stack that some have in their message."""
    cause = error.__cause__ if type(error).__name__ == "TorchExportError" else None
    lines = [line.strip() for line in re.sub(r"\x1b\[\d+m", "", str(cause or error)).splitlines()]
    useful = [
        line
        for line in lines
        if line and not re.match(r"Exception from |Check '|FrontEnd API failed|-+$|\[?Failed to", line)
    ]
    text = (useful or [line for line in lines if line] or ["no message"])[0]
    # Numbers that differ from run to run: of an address, of a copy of a class.
    text = re.sub(r" \(of Python compilation unit at: 0x\w+\)|___torch_mangle_\d+\.|__torch__\.", "", text)
    return f"{type(cause or error).__name__}: {text}"[:240]


@contextmanager
def limited(seconds: float) -> Iterator[None]:
    """Raises where what runs takes longer; native code ends first."""

    def stop(*_):
        raise Refused(f"it took more than {seconds:g} s")

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
