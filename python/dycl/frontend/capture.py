# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Runs a model once, rewritten, on fake tensors, and keeps what it did as one structured graph.

The model's parameters, buffers and tensor attributes are exchanged for recorded tensors while it runs, and put back
afterwards; whatever else the run wrote is undone from the journal: the model and the arguments are left as they were.
"""

from __future__ import annotations

import functools
import re
import time
import types
import warnings
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

import torch
from torch import fx, nn
from torch._subclasses.fake_tensor import FakeTensor
from torch._subclasses.functional_tensor import FunctionalTensor
from torch.utils import _pytree as pytree

from dycl.errors import DyclError, UnsupportedConstructError
from dycl.frontend.bounds import note_constant
from dycl.frontend.checks import Checks
from dycl.frontend.control import Control
from dycl.frontend.draws import Draws, new_state
from dycl.frontend.dynamic_shapes import plain, shapes_of_inputs
from dycl.frontend.entries import entries_in
from dycl.frontend.exceptions import refuse_error_of_tracing
from dycl.frontend.function_mode import FunctionMode
from dycl.frontend.graph import (
    DTYPE_NAMES,
    LITERAL,
    CapturedProgram,
    Graph,
    eliminate_dead_code,
    first_out_of_scope,
    forget_discarded,
)
from dycl.frontend.holders import older_objects_left_out
from dycl.frontend.joining import constant
from dycl.frontend.kinds import alternatives, describe
from dycl.frontend.locations import raised_at
from dycl.frontend.memos import Memo, filled, memo_of, same_program
from dycl.frontend.operators import Operators
from dycl.frontend.operators.growing import has_rows, rows_of
from dycl.frontend.operators.selection import Selection
from dycl.frontend.operators.small_sizes import check_window
from dycl.frontend.paths import Escaping, Restart
from dycl.frontend.reachable import MODULE_INTERNALS, Reachable
from dycl.frontend.recorder import Recorder, outside_modes
from dycl.frontend.rows import OneOf, Ragged, tracing, without_records
from dycl.frontend.size_numbers import as_number
from dycl.frontend.sizes import is_static, same_sizes
from dycl.frontend.specialize import MAX_LENGTHS, ManyLengthsError
from dycl.frontend.state import (
    UNDEFINED,
    AttributeLocation,
    ContainerLocation,
    Contents,
    ContextLocation,
    ForeignLocation,
    ItemLocation,
    Location,
    freeze,
)
from dycl.frontend.state_kinds import AttributeKinds, StateOfKinds, with_kinds
from dycl.frontend.values import (
    Choice,
    DisagreementError,
    LengthDisagreementError,
    Number,
    SharedObjectError,
    Unusable,
    one_of_methods,
    refuse,
    same_constant,
    which_alternative,
)
from dycl.options import Options
from dycl.runtime.host_runtime import DEFAULT_SEED, GENERATOR
from dycl.signature import Signature, Structure, TensorSpec, structure_of


@dataclass(eq=False)
class _Input:
    """A tensor that comes from outside: an argument, a weight, or state."""

    name: str
    real: torch.Tensor
    raw: torch.Tensor
    tensor: FunctionalTensor | None = None
    """What user code sees in its place; None for a literal, which it only reads."""
    places: int = 0
    """Of a weight: how many attributes and items hold it."""

    @property
    def seen(self) -> FunctionalTensor:
        assert self.tensor is not None
        return self.tensor


@dataclass(frozen=True)
class _Row:
    """A leaf of the items of a list whose length depends on data."""

    stack: torch.Tensor
    kind: type | OneOf | None


def _one_of_methods(control: Control, choice: Choice, methods: Sequence[Any]) -> Selection:
    return Selection(Number(control.place_of(choice), int), tuple(methods))


@dataclass(frozen=True)
class _StateNumber:
    """A Python number that the model changes in an attribute, or an item of a list or dict: found by a first run."""

    place: AttributeLocation | ItemLocation
    name: str


def capture(
    model: Callable[..., Any],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    options: Options,
    dynamic_shapes: Any = None,
) -> CapturedProgram:
    """The structured graph of `model(*args, **kwargs)`, with all paths that other tensor values could take.

    Where the sides of a condition disagree on a value that is used afterwards, the rest of the program is traced apart
    for each of them (`specialize.py`).

    Raises:
        UnsupportedConstructError: the model uses something that is not compiled.
        DyclError: the model raises on the way.
    """
    with older_objects_left_out():
        return _capture_in_turn(model, args, kwargs, options, dynamic_shapes)


def _capture_in_turn(*arguments: Any) -> CapturedProgram:
    """Captures in the way that is expected to give the best program, or in the next one; see `capture`."""
    try:
        return _capture(*arguments, max_lengths=MAX_LENGTHS)
    except DisagreementError as error:
        refusal = error
    # A list of another length on each of many paths: one whose length depends on data.
    try:
        return _capture(*arguments, makes_rows=True)
    except StateError:
        raise  # It has been traced to its end, and no other way keeps what it changes.
    except DyclError as error:
        of_rows = error
    if not isinstance(refusal, ManyLengthsError):
        raise _clearer(refusal, of_rows) from None
    try:
        return _capture(*arguments)
    except DisagreementError as error:
        # Without a write to an item, the list could be of any length.
        raise (of_rows if isinstance(of_rows, SharedObjectError) else _clearer(error, of_rows)) from None


def _clearer(refusal: DisagreementError, of_rows: DyclError) -> DyclError:
    """Why a program is refused: for what is done with a list of any length, rather than for having several lengths."""
    is_use = isinstance(of_rows, UnsupportedConstructError) and not isinstance(of_rows, DisagreementError)
    return of_rows if is_use and isinstance(refusal, LengthDisagreementError) else refusal


def _capture(
    model: Callable[..., Any],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    options: Options,
    dynamic_shapes: Any,
    *,
    max_lengths: int | None = None,
    makes_rows: bool = False,
) -> CapturedProgram:
    """One way of capturing.

    Args:
        model, args, kwargs, options, dynamic_shapes: see `capture`.
        max_lengths: how often the program is taken apart by the lengths of lists; None for as often as by others.
        makes_rows: lists of several lengths become lists whose length depends on data, instead.

    Raises:
        ManyLengthsError: `max_lengths` are not enough.
        DyclError: see `capture`.
    """
    numbers: list[_StateNumber] = []
    kinds: dict[tuple[int, str], AttributeKinds] = {}
    memos: list[Memo] = []
    first: CapturedProgram | None = None
    tried = 0
    deadline = time.process_time() + options.max_seconds / 2  # There are two ways.
    names = _Names()
    escaping = Escaping()
    while True:
        try:
            with filled(memos, tried):
                attempt = _Run(
                    model,
                    args,
                    kwargs,
                    options,
                    tuple(numbers),
                    tuple(kinds.values()),
                    names,
                    escaping,
                    dynamic_shapes,
                    max_lengths,
                    makes_rows,
                    deadline,
                )
                program = attempt.execute()
        except Restart:
            continue
        # Attributes that turn out to be numbers that change have to be inputs from the start: run again.
        known = {number.place.key for number in numbers}
        fresh = [number for number in attempt.changed_numbers if number.place.key not in known]
        if not fresh and not attempt.changed_kinds:
            if first is None and attempt.memos:
                first, memos = program, attempt.memos
                continue
            if attempt.memos or (first is not None and not same_program(first, program)):
                raise [*attempt.memos, *memos][0].refusal
            tried += 1
            if tried < max((len(memo.values) for memo in memos), default=0):
                continue
            return program
        numbers.extend(fresh)
        kinds.update({attribute.key: attribute for attribute in attempt.changed_kinds})


class _Names:
    """Names for modules and tensors that no attribute of the model leads to.

    What has one name in two runs of a capture is taken for one thing where their results are put together, so a name
    belongs to an object, or for a small literal, of which each run makes its own, to its contents.

    Attributes:
        separate: the places, as a user writes them, that get a tensor of their own in the next run: they are given
            another value while a second place keeps the one that both hold.
    """

    _MAX_LITERAL = 64

    def __init__(self) -> None:
        self._known: dict[Any, tuple[Any, str]] = {}
        self._counts: dict[str, int] = {}
        self.reported: set[str] = set()
        self.separate: set[str] = set()

    def of_module(self, module: nn.Module) -> str:
        return self._name(id(module), module, type(module).__name__)

    def of_constant(self, tensor: torch.Tensor) -> str:
        key: Any = id(tensor)
        if tensor.numel() <= self._MAX_LITERAL:
            with outside_modes():
                key = (tensor.dtype, tensor.shape, repr(tensor.tolist()))  # `repr` tells 0.0 from -0.0
        return self._name(key, tensor, LITERAL)

    def _name(self, key: Any, thing: Any, base: str) -> str:
        if key not in self._known:
            number = self._counts.get(base, 0)
            self._counts[base] = number + 1
            self._known[key] = (thing, f"{base}{number}")
        return self._known[key][1]


class _Run:
    """One run of the model on fake tensors."""

    def __init__(
        self,
        model: Callable[..., Any],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        options: Options,
        numbers: tuple[_StateNumber, ...],
        kinds: tuple[AttributeKinds, ...],
        names: _Names,
        escaping: Escaping,
        dynamic_shapes: Any,
        max_lengths: int | None,
        makes_rows: bool,
        deadline: float,
    ) -> None:
        self._model = model
        self._args = args
        self._kwargs = kwargs
        self._options = options
        self._numbers = numbers
        self._kinds = kinds
        self._dynamic_shapes = dynamic_shapes
        self.recorder = Recorder(allow_random=options.allow_random)
        self.recorder.lift = self._lift
        self.control = Control(
            self.recorder,
            max_depth=options.max_depth,
            max_specializations=options.max_specializations,
            max_lengths=max_lengths,
            makes_rows=makes_rows,
        )
        self.control.escaping = escaping
        self.control.deadline = deadline
        if options.checks == "eager":
            self.control.checks = Checks(self.recorder)
            self.control.checks.handles = self.control.handles
            self.recorder.before = self.control.checks.of_ops()
        self.operators = Operators(self.control, self._adopt, names.reported)
        self._root = self.recorder.graph
        self._inputs: list[_Input] = []
        self._weights: dict[int, _Input] = {}
        self._number_inputs: list[tuple[_StateNumber, _Input]] = []
        self._adopted: dict[int, nn.Module] = {}
        self._reachable = Reachable(model)
        self.control.outside = self._reachable.path_of
        self._arguments_reach: list[Reachable] = []
        self._restore: list[Callable[[], None]] = []
        self._names: set[str] = set()
        self._outside_names = names
        self._constants: dict[str, _Input] = {}
        self._generator: list[_Input] = []
        self._constant_tensors: list[torch.Tensor] = []  # keeps the ids in _weights unique
        self._of_kinds: dict[tuple[int, str], tuple[StateOfKinds, list[_Input]]] = {}
        self.changed_numbers: list[_StateNumber] = []
        self.changed_kinds: list[AttributeKinds] = []
        self.memos: list[Memo] = []
        self.control.journal.keeps_as_memo = self._keeps_as_memo

    def _keeps_as_memo(self, location: Location, old: Any, now: Any) -> bool:
        """Whether a dict or set from outside that a side of a condition adds to is a memo: the other side lacks it."""
        if not isinstance(location, ContainerLocation) or isinstance(location.owner, list):
            return False
        path = self._reachable.path_of(location.owner)
        if path is None:
            return False
        return self._note_memo(location, old, now, _unsupported_state(f"`{path}`", "other items than before"))

    def _note_memo(self, location: Location, old: Any, now: Any, refusal: UnsupportedConstructError) -> bool:
        written = [place for place, _ in self.control.journal.since(0).values()]
        memo = memo_of(location, old, now, refusal, written)
        if memo is not None:
            self.memos.append(memo)
        return memo is not None

    def _on_both_sides(self, condition: torch.SymBool, call: Callable[[], Any]) -> Any:
        """What a call gives that asks a condition on sizes: on each side of a branch, the condition is known."""
        return self.operators.if_exp(condition, call, call)

    def execute(self) -> CapturedProgram:
        checked = functools.partial(check_window, self.operators)
        mode = FunctionMode(self.recorder, checked, self.operators.raise_pending, self._on_both_sides)
        with self._restored(), self.recorder.active(), mode:
            structure = self._make_inputs()
            for attribute in self._numbers:
                self._make_number(attribute)
            for attribute in self._kinds:
                self._make_of_kinds(attribute)
            if not self._options.allow_random:
                self._make_generator()
            if isinstance(self._model, nn.Module):
                self._adopt(self._model, "")
            args, kwargs = structure.build(lambda leaf: self._inputs[leaf.index].seen)
            names = [*positional_names(self._model), *(f"args[{i}]" for i in range(len(args)))]
            named = [*zip(names, args, strict=False), *kwargs.items()]
            self._arguments_reach = [Reachable(value, name) for name, value in named]
            arguments = self._inputs[:]
            result, raised, exceptions = self._call(args, kwargs)
            return self._finish(structure, arguments, result, raised, exceptions)

    @contextmanager
    def _restored(self) -> Generator[None]:
        """Leaves the model and the arguments as they were."""
        methods = functools.partial(_one_of_methods, self.control)
        bound: list[tuple[ContextVar[Any], Any]] = [
            (which_alternative, self.control.which),
            (one_of_methods, methods),
            (tracing, self.control),
        ]
        tokens = [(variable, variable.set(value)) for variable, value in bound]
        try:
            yield
        finally:
            for variable, token in tokens:
                variable.reset(token)
            self.control.journal.undo(0)
            self._reachable.restore_variables()
            for restore in reversed(self._restore):
                restore()

    def _call(self, args: Any, kwargs: dict[str, Any]) -> tuple[Any, list[Number], list[tuple[Any, ...]]]:
        try:
            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", category=UserWarning, module="torch")
                return self.control.program(lambda: self._trace(args, kwargs))
        except DyclError:
            raise
        except RecursionError as error:
            raise UnsupportedConstructError(
                "a recursion that does not end while the model is traced",
                hint="recursion has to be over something that is known at compile time, such as a list or a depth",
                location=raised_at(error),
            ) from error
        except Exception as error:
            refuse_error_of_tracing(error)
            location = raised_at(error)
            where = f"{location}: " if location else ""
            raise DyclError(f"{where}the model raises {type(error).__name__}: {error}") from error

    def _trace(self, args: Any, kwargs: dict[str, Any]) -> Any:
        for made, _ in self._of_kinds.values():
            place = AttributeLocation.of(made.attribute.owner, made.attribute.attribute)
            self.control.journal.touch(place)
            place.set(self.control.settle(made.value, range(len(made.attribute.kinds))))
        return self._checked(self.operators.call(self._model, *args, **kwargs))

    # Inputs ----------------------------------------------------------------------------------------------------------

    def _make_inputs(self) -> Structure:
        """Exchanges the tensors in the arguments for recorded ones."""
        named = [f"args[{i}]" for i in range(len(self._args))]
        parameter_names = positional_names(self._model)
        for i, name in enumerate(parameter_names[: len(named)]):
            named[i] = name
        found: list[torch.Tensor] = []

        def leaf(value: Any) -> Structure | None:
            if not isinstance(value, torch.Tensor):
                return None
            found.append(value)
            return Structure("tensor", index=len(found) - 1)

        try:
            structure = structure_of((self._args, self._kwargs), leaf)
        except TypeError as error:
            raise UnsupportedConstructError(
                f"an argument of the model: {error}",
                hint="pass tensors, Python numbers, strings, None, or tuples, lists and dicts of them",
            ) from error
        paths = _leaf_paths(structure, [*named], tuple(self._kwargs))
        shapes = self._input_shapes(structure, found, paths)
        for index, tensor in enumerate(found):
            self._check_real(tensor, paths[index])
            self._inputs.append(self._new_input(paths[index], tensor, shapes[index]))
        return structure

    def _input_shapes(
        self, structure: Structure, examples: list[torch.Tensor], paths: Mapping[int, str]
    ) -> Sequence[Sequence[Any] | None]:
        """The shape of each argument, where it is another than its example's."""
        if self._dynamic_shapes is None:
            return [None] * len(examples)
        declared = plain(self._dynamic_shapes, self._model, self._args, self._kwargs)
        positional = positional_names(self._model)
        return shapes_of_inputs(declared, structure, examples, paths, positional, self.recorder.sizes)

    def _check_real(self, tensor: torch.Tensor, name: str) -> None:
        if tensor.layout != torch.strided or tensor.is_quantized or tensor.device.type != "cpu":
            raise UnsupportedConstructError(
                f"`{name}` is a {tensor.layout} tensor on {tensor.device}", hint="pass a dense tensor on the CPU"
            )
        if tensor.dtype not in DTYPE_NAMES:
            raise UnsupportedConstructError(
                f"`{name}` has dtype {tensor.dtype}",
                hint="use one of " + ", ".join(sorted(str(d).removeprefix("torch.") for d in DTYPE_NAMES)),
            )

    def _new_input(self, name: str, real: torch.Tensor, shape: Sequence[Any] | None = None) -> _Input:
        made = self._placeholder(name, real, shape)
        made.tensor = self.recorder.wrap(made.raw)
        return made

    def _placeholder(self, name: str, real: torch.Tensor, shape: Sequence[Any] | None = None) -> _Input:
        with self.recorder.into(self._root):
            raw = self.recorder.placeholder(self._unique(name), real, shape)
        return _Input(name, real, raw)

    def _unique(self, name: str) -> str:
        base = "".join(c if c.isalnum() else "_" for c in name).strip("_") or "input"
        unique, n = base, 1
        while unique in self._names:
            unique, n = f"{base}_{n}", n + 1
        self._names.add(unique)
        return unique

    def _make_number(self, number: _StateNumber) -> None:
        value = number.place.get()
        kind = type(value)
        with outside_modes():
            real = torch.tensor(value, dtype={bool: torch.bool, int: torch.int64, float: torch.float64}[kind])
        # As the tensors in lists and dicts are named: `load.0` for `load[0]`.
        made = self._new_input(re.sub(r"\[['\"]?([^\]'\"]+)['\"]?\]", r".\1", number.name), real)
        self._number_inputs.append((number, made))
        self._restore.append(lambda: number.place.set(value))
        number.place.set(Number(made.seen, kind))

    def _make_of_kinds(self, attribute: AttributeKinds) -> None:
        inputs: list[_Input] = []

        def new_input(name: str, initial: torch.Tensor) -> torch.Tensor:
            inputs.append(self._placeholder(name, initial))
            return inputs[-1].raw

        self._of_kinds[attribute.key] = StateOfKinds(attribute, self.recorder, new_input), inputs

    def _make_generator(self) -> None:
        with outside_modes():
            initial = new_state(DEFAULT_SEED)
        self._generator = [self._new_input(name, real) for name, real in zip(GENERATOR, initial, strict=True)]
        self.recorder.functional.draws = Draws(self.recorder, [part.seen for part in self._generator])

    # Weights ---------------------------------------------------------------------------------------------------------

    def _adopt(self, module: nn.Module, prefix: str | None = None) -> None:
        """Exchanges the tensors of a module and its submodules for recorded ones."""
        if id(module) in self._adopted:
            return
        if prefix is None:
            prefix = self._outside_names.of_module(module) + "."
        for name, child in module.named_modules():
            if id(child) in self._adopted:
                continue
            self._adopted[id(child)] = child
            # Restored last: torch's own code, too, keeps things in attributes (an LSTM its flat weights).
            self._restore.append(functools.partial(_restore_attributes, child, dict(vars(child))))
            path = f"{prefix}{name}." if name else prefix
            for table in (child._parameters, child._buffers):  # pyright: ignore[reportPrivateUsage]
                self._exchange(table, path)
            plain = {k: v for k, v in vars(child).items() if k not in MODULE_INTERNALS}
            for key, value in plain.items():
                if isinstance(value, torch.Tensor):
                    self._exchange(vars(child), path, key)
                elif isinstance(value, (list, dict)):
                    self._exchange(value, f"{path}{key}.")

    def _exchange(self, table: Any, path: str, only: str | None = None) -> None:
        items: list[tuple[Any, Any]] = list(table.items() if isinstance(table, dict) else enumerate(table))
        for key, value in items:
            if not isinstance(value, torch.Tensor) or (only is not None and key != only):
                continue
            if isinstance(value, FunctionalTensor):
                continue  # of a module that the model made just now
            self._restore.append(lambda key=key, value=value: table.__setitem__(key, value))
            if f"{path}{key}" in self._outside_names.separate:
                with outside_modes():  # A tensor of its own, of the same memory: no write to the other is missed.
                    value = value.detach()
            made = self._weights.get(id(value))
            if made is None:
                self._check_real(value, f"{path}{key}")
                made = self._weights[id(value)] = self._new_input(f"{path}{key}", value)
            made.places += 1
            table[key] = made.seen

    def _lift(self, real: torch.Tensor) -> fx.Node:
        """The node of a tensor that the program reads from a global, a closure or a literal."""
        known = self._weights.get(id(real))
        if known is None:
            name = self._outside_names.of_constant(real)
            if name not in self._constants:
                self._constants[name] = made = self._placeholder(name, real)
                with outside_modes():
                    note_constant(self.recorder.node_of(made.raw), real)
            known = self._weights[id(real)] = self._constants[name]
            self._constant_tensors.append(real)
        return self.recorder.node_of(known.raw)

    # Results ---------------------------------------------------------------------------------------------------------

    def _finish(
        self,
        structure: Structure,
        arguments: list[_Input],
        result: Any,
        raised: list[Number],
        exceptions: list[tuple[Any, ...]],
    ) -> CapturedProgram:
        outputs: list[torch.Tensor] = []
        output_structure = self._output_structure(result, outputs)
        names = [f"output {i}" for i in range(len(outputs))]
        for tag in output_structure.nodes("choice"):
            names[tag.index] = f"choice {tag.index}"
        output_specs = [_spec(name, raw) for name, raw in zip(names, outputs, strict=True)]
        for number in raised:
            outputs.append(freeze(number, self.recorder).raw)
            output_specs.append(_spec("exception" if number is raised[-1] else "exception value", outputs[-1]))

        written = [i for i, a in enumerate(arguments) if self.recorder.unwrap(a.seen) is not a.raw]
        state: list[_Input] = []
        new_state: list[torch.Tensor] = []
        for weight in [*self._weights.values(), *self._generator]:
            if weight.tensor is None:
                continue
            now = self.recorder.unwrap(weight.seen)
            if now is not weight.raw:
                state.append(weight)
                new_state.append(now)
        self._refuse_shared_storage([*(arguments[i] for i in written), *state])
        self._collect_attribute_state(state, new_state)
        parameters = [w for w in dict.fromkeys(self._weights.values()) if w not in state]

        roots = [*outputs, *(self.recorder.unwrap(arguments[i].seen) for i in written), *new_state]
        self._root.output(tuple(self.recorder.node_of(raw) for raw in roots))
        forget_discarded(self._root)
        eliminate_dead_code(self._root)
        misplaced = first_out_of_scope(self._root)
        if misplaced is not None:
            raise UnsupportedConstructError(
                "a value made on one side of a condition is used outside of it: the model keeps state in a way that "
                "dycl does not see (an iterator, a container of a library's, a C extension)",
                hint="keep it in a variable, an attribute, a list or a dict",
                location=misplaced.meta.get("location"),
            )
        used = [p for p in parameters if self.recorder.node_of(p.raw).users]
        graph = Graph(self._root, [self.recorder.node_of(i.raw) for i in (*arguments, *state, *used)])
        signature = Signature(
            name=_program_name(self._model),
            inputs=tuple(_spec(a.name, a.raw) for a in arguments),
            input_structure=structure,
            outputs=tuple(output_specs),
            output_structure=output_structure,
            mutated_inputs=tuple(written),
            state=tuple(_spec(s.name, s.raw) for s in state),
            parameter_names=tuple(positional_names(self._model)),
            exceptions=tuple(exceptions),
            exception_values=len(raised) - 1 if raised else 0,
            sizes=self.recorder.sizes.constraints([(a.name, a.raw) for a in arguments]),
        )
        with outside_modes():
            weights = {p.name: p.real.detach() for p in used}
            initial_state = {s.name: s.real.detach().clone() for s in state}
        sources = self.operators.converter.sources
        rewritten = "\n\n".join(f"# {where}\n{text}" for where, text in sources.items()) + "\n"
        return CapturedProgram(graph, signature, weights, initial_state, rewritten)

    def _checked(self, result: Any) -> Any:
        """The model's result, once each value in it is known to be one that a program can give."""
        self._output_structure(result, [])
        return result

    def _output_structure(self, result: Any, outputs: list[torch.Tensor]) -> Structure:
        def choice(value: Unusable) -> Structure:
            made = Unusable.choice(value)
            if made is None or Unusable.may_be(value, UNDEFINED):
                refuse(value)
            outputs.append(constant(self.recorder, made.tag) if isinstance(made.tag, int) else made.tag)
            index = len(outputs) - 1
            return Structure("choice", index=index, items=tuple(structure_of(v, leaf) for v in made.values))

        def row_leaf(value: Any) -> Structure | None:
            if isinstance(value, Ragged):
                items = tuple(structure_of(part, row_leaf) for part in (value.values, *value.sizes))
                return Structure("narrowed", keys=value.dims, items=items)
            if not isinstance(value, _Row):
                return None
            outputs.append(freeze(value.stack, self.recorder).raw)
            kind, index = value.kind, len(outputs) - 1
            if isinstance(kind, OneOf):
                constants = (structure_of(constant, leaf) for _, constant in kind.values)
                return Structure("one_of", items=(Structure("number", index=index, type="int"), *constants))
            return Structure("number", index=index, type=kind.__name__) if kind else Structure("tensor", index=index)

        def leaf(value: Any) -> Structure | None:
            if isinstance(value, Unusable):
                return choice(value)
            if has_rows(value):
                rows = rows_of(value)
                item = pytree.tree_unflatten(
                    [_Row(s, k) for s, k in zip(rows.stacks, rows.form[1], strict=True)], rows.form[0]
                )
                return Structure(
                    "rows", type=type(value).__name__, items=(structure_of(without_records(item), row_leaf),)
                )
            if entries_in(value) is not None:
                raise UnsupportedConstructError(
                    f"the model returns a {type(value).__name__} with keys that depend on tensor values",
                    hint="return `sorted(...)` of a set, and `list(d.items())` of a dict",
                )
            value = as_number(value)
            if isinstance(value, (torch.Tensor, Number)):
                outputs.append(freeze(value, self.recorder).raw)
                if isinstance(value, Number):
                    return Structure("number", index=len(outputs) - 1, type=value.type.__name__)
                return Structure("tensor", index=len(outputs) - 1)
            return None

        try:
            return structure_of(result, leaf)
        except TypeError as error:
            raise UnsupportedConstructError(
                f"the model returns {describe(result)}: {error}",
                hint="return tensors, Python numbers, strings, None, or tuples, lists and dicts of them",
            ) from error

    def _refuse_shared_storage(self, written: list[_Input]) -> None:
        """A tensor that is written must not be a view of another that comes from outside: their link is not kept."""
        outside = [*self._inputs, *self._weights.values()]
        with outside_modes():
            for one in written:
                for other in outside:
                    if one.real is not other.real and _same_storage(one.real, other.real):
                        raise UnsupportedConstructError(
                            f"`{one.name}` is written and shares its memory with `{other.name}`",
                            hint="clone one of them, or make the view where it is used",
                        )

    def _collect_attribute_state(self, state: list[_Input], new_state: list[torch.Tensor]) -> None:
        """The attributes that the run left with another value than it found."""
        for name, old, now in self._reachable.changed_variables():
            if not same_constant(now, old):
                raise _unsupported_state(f"the variable `{name}` of an enclosing function", "another value")
        for location, old in self.control.journal.since(0).values():
            now = location.get()
            self._refuse_argument_object(location, old, now)
            if isinstance(location, ContextLocation) and now is not old:
                raise UnsupportedConstructError(
                    f"{location.name} is left with another value",
                    hint="reset it before the model returns, or keep the value in an attribute of the model",
                )
            path = self._reachable.path_of(getattr(location, "owner", None))
            if path is None:
                continue
            try:
                self._location_state(path, location, old, now, state, new_state)
            except UnsupportedConstructError as refusal:
                if not self._note_memo(location, old, now, refusal):
                    raise

    def _location_state(
        self, path: str, location: Location, old: Any, now: Any, state: list[_Input], new_state: list[torch.Tensor]
    ) -> None:
        if isinstance(location, ContainerLocation):
            self._container_state(path, location.owner, old, now, state, new_state)
        elif isinstance(location, ForeignLocation):
            if not now.same(old):
                raise _unsupported_state(f"`{path}`", "something else than before")
        elif isinstance(location, AttributeLocation):
            name = f"{path}.{location.key[2]}".lstrip(".")
            if not self._kinds_state(name, now, state, new_state, location):
                self._value_state(name, old, now, state, new_state, location)

    def _kinds_state(
        self, path: str, now: Any, state: list[_Input], new_state: list[torch.Tensor], place: AttributeLocation
    ) -> bool:
        """The same for an attribute that is known to hold values of several kinds; says whether it is one."""
        known = self._of_kinds.get((id(place.owner), place.key[2]))
        if known is None:
            return False
        made, inputs = known
        after = freeze(now, self.recorder)
        if made.fits(after):
            state.extend(inputs)
            new_state.extend(made.tensors(after))
            return True
        wider = made.widened(after)
        if wider is None:
            raise _unsupported_state(f"`{path}`", f"{describe(now)}, of too many kinds or one that cannot be kept,")
        self.changed_kinds.append(wider)
        return True

    def _has_kinds(self, path: str, old: Any, now: Any, place: AttributeLocation | ItemLocation | None) -> bool:
        """Whether what was None, a number or a string can be kept as a choice together with what it is now."""
        if not isinstance(place, AttributeLocation) or not (old is None or type(old) in (bool, int, float, str)):
            return False
        found = [old, *alternatives(freeze(now, self.recorder))]
        made = with_kinds(AttributeKinds(place.owner, place.key[2], path, ()), (), found)
        if made is not None:
            self.changed_kinds.append(made)
        return made is not None

    def _refuse_argument_object(self, location: Location, old: Any, now: Any) -> None:
        """Refuses a write to a list, dict or object that is an argument: its caller would not see it."""
        for reach in self._arguments_reach:
            path = reach.path_of(getattr(location, "owner", None))
            is_container = isinstance(location, (ContainerLocation, ForeignLocation))
            if path is not None and not (now.same(old) if is_container else now is old):
                what = f"`{path}`" if is_container else f"`{path}.{location.key[2]}`"
                raise UnsupportedConstructError(
                    f"the model writes to {what}, an argument that is not a tensor",
                    hint="make a copy of it first and return that, or pass a tensor and write into it",
                )

    def _container_state(
        self,
        path: str,
        owner: Any,
        old: Contents,
        now: Contents,
        state: list[_Input],
        new_state: list[torch.Tensor],
    ) -> None:
        """The same for the items of a list or dict; `owner` is None where the call leaves another one in its place."""
        if now.same(old):
            return
        if not now.same_places(old):
            raise _unsupported_state(f"`{path}`", "other items than before")
        for index, before, after in zip(old.indices, old.items, now.items, strict=True):
            place = ItemLocation.of(owner, index) if isinstance(owner, (list, dict)) else None
            self._value_state(f"{path}[{index!r}]", before, after, state, new_state, place)

    def _value_state(
        self,
        path: str,
        old: Any,
        now: Any,
        state: list[_Input],
        new_state: list[torch.Tensor],
        place: AttributeLocation | ItemLocation | None,
    ) -> None:
        """Makes what a place that outlives the call holds now state of the program.

        Args:
            path: how a user writes the place.
            old: what it held before the call.
            now: what it holds after it.
            state: the inputs that are state; added to.
            new_state: their new values.
            place: the place, where it is an attribute, or an item of what the call leaves there.
        """
        if now is old or same_constant(now, old):
            return
        name = f"`{path}`"
        made = next(
            (m for m in [*self._weights.values(), *(m for _, m in self._number_inputs)] if _is_value(m, old)), None
        )
        if made is not None and made.places > 1:
            if not isinstance(made.real, nn.Parameter) and path not in self._outside_names.separate:
                self._outside_names.separate.add(path)
                raise Restart
            raise _unsupported_state(name, "another value, which before the call is also held elsewhere")
        if isinstance(old, FunctionalTensor) and isinstance(now, FunctionalTensor) and made is not None:
            raw = self.recorder.unwrap(now)
            if raw.dtype != made.raw.dtype or not same_sizes(raw.shape, made.raw.shape):
                raise _unsupported_state(name, f"{describe(now)} where {describe(old)} was")
            if made in state:
                new_state[state.index(made)] = raw
            else:
                state.append(made)
                new_state.append(raw)
        elif isinstance(old, Number) and isinstance(now, (Number, bool, int, float)) and made is not None:
            after = Number.of(now)
            if after.type is not old.type:
                raise _unsupported_state(name, f"a Python {after.type.__name__} where a {old.type.__name__} was")
            state.append(made)
            new_state.append(freeze(after, self.recorder).raw)
        elif type(old) in (bool, int, float) and isinstance(now, (Number, bool, int, float)) and place is not None:
            kind = now.type if isinstance(now, Number) else type(now)
            if kind is type(old):
                self.changed_numbers.append(_StateNumber(place, path))
            elif not self._has_kinds(path, old, now, place):
                raise _unsupported_state(name, f"a Python {kind.__name__} where a {type(old).__name__} was")
        elif type(old) is type(now) and isinstance(old, (list, dict)):
            self._container_state(path, old if now is old else None, Contents(old), Contents(now), state, new_state)
        elif not self._has_kinds(path, old, now, place):
            raise _unsupported_state(name, f"{describe(now)} where {describe(old)} was")


def _restore_attributes(module: nn.Module, attributes: dict[str, Any]) -> None:
    vars(module).clear()
    vars(module).update(attributes)


def _same_storage(a: torch.Tensor, b: torch.Tensor) -> bool:
    if isinstance(a, FakeTensor) or isinstance(b, FakeTensor):
        return False  # made while the model ran
    storages = a.untyped_storage(), b.untyped_storage()
    return storages[0].nbytes() > 0 and storages[0].data_ptr() == storages[1].data_ptr()


def _is_value(made: _Input, value: Any) -> bool:
    return made.tensor is not None and (made.tensor is value or getattr(value, "tensor", None) is made.tensor)


class StateError(UnsupportedConstructError):
    """Something outside of the program that a call leaves in a way that no program keeps."""


def _unsupported_state(name: str, change: str) -> StateError:
    return StateError(
        f"{name} holds after a call {change}",
        hint="state that carries over from call to call must keep its type, dtype and shape: give it its final form in "
        "`__init__`, or return it; where it is a cache, call the model once before compiling",
    )


def _spec(name: str, raw: torch.Tensor) -> TensorSpec:
    dtype = DTYPE_NAMES.get(raw.dtype)
    if dtype is None:
        raise UnsupportedConstructError(f"{name} has dtype {raw.dtype}", hint="convert it to a real dtype")
    return TensorSpec(name, dtype, tuple(int(n) if is_static(n) else None for n in raw.shape))


def _program_name(model: Any) -> str:
    if isinstance(model, nn.Module):
        return type(model).__name__
    return getattr(model, "__name__", type(model).__name__)


def positional_names(model: Callable[..., Any]) -> list[str]:
    """The names of the positional parameters that a caller of the model fills, `self` not among them."""
    function: Any = model.forward if isinstance(model, nn.Module) else model
    while hasattr(function, "__wrapped__"):
        function = function.__wrapped__
    skip = 1 if isinstance(function, types.MethodType) or (isinstance(model, nn.Module)) else 0
    function = getattr(function, "__func__", function)
    code = getattr(function, "__code__", None)
    return list(code.co_varnames[skip : code.co_argcount]) if code is not None else []


def _leaf_paths(structure: Structure, positional: list[str], keywords: tuple[str, ...]) -> dict[int, str]:
    """What a user calls each flat input: "x", "batch['ids']", "args[1][0]"."""
    paths: dict[int, str] = {}

    def walk(node: Structure, path: str) -> None:
        if node.kind == "tensor":
            paths[node.index] = path
            return
        for i, item in enumerate(node.items):
            if node.kind in ("dict", "OrderedDict"):
                walk(item, f"{path}[{node.keys[i]!r}]")
            elif node.kind in ("namedtuple", "dataclass"):
                walk(item, f"{path}.{node.keys[i]}")
            else:
                walk(item, f"{path}[{i}]")

    args, kwargs = structure.items
    for name, item in zip(positional, args.items, strict=True):
        walk(item, name)
    for name, item in zip(keywords, kwargs.items, strict=True):
        walk(item, name)
    return paths
