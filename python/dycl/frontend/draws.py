# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Random ops as what they are in a compiled program: draws from a generator whose state the program keeps.

The state is three tensors, inputs of the program like other state (`signature.GENERATOR`). A draw reads and overwrites
them as in-place ops do tensors, so branches and loops on data carry them, and a path that draws more is further on.
"""

# pyright: reportPrivateUsage=false, reportPrivateImportUsage=false, reportAttributeAccessIssue=false

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, cast

import torch
from torch._subclasses.functional_tensor import FunctionalTensor
from torch.fx.experimental.symbolic_shapes import statically_known_true

from dycl.errors import UnsupportedConstructError
from dycl.frontend import random_numbers
from dycl.frontend.locations import here
from dycl.frontend.random_numbers import Generator
from dycl.frontend.sizes import is_static
from dycl.runtime.host_runtime import DEFAULT_SEED, seeded

if TYPE_CHECKING:
    from dycl.frontend.recorder import Recorder

aten = torch.ops.aten

_UNTAGGED = {"random", "random_", "binomial", "_sample_dirichlet"}
"""Random ops that torch does not tag as such."""

_BY_REJECTION = {"poisson", "binomial", "_standard_gamma", "_sample_dirichlet"}

MOST_SHUFFLED = 20_000
"""How many numbers are shuffled at most: each is compared with every other."""


def is_random(func: Any) -> bool:
    return torch.Tag.nondeterministic_seeded in func.tags or func.overloadpacket.__name__ in _UNTAGGED


def refusal(func: Any) -> UnsupportedConstructError:
    """That an op's numbers cannot be drawn as eager draws them."""
    name = func.overloadpacket.__name__.removesuffix("_")
    if name in _BY_REJECTION:
        hint = "eager draws, and rejects, as many numbers as it takes; take the random tensor as an input"
    else:
        hint = "call model.eval() if it comes from a layer in training mode, or take the random tensor as an input"
    return UnsupportedConstructError(
        f"`{name}` is random, and eager's numbers could not be reproduced", hint=hint, location=here()
    )


def new_state(seed: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """The three tensors of a generator that was just seeded: see `random_numbers.Generator`."""
    words, position, normal = (torch.from_numpy(part) for part in seeded(seed).values())
    return words, position, normal


def _constants(seed: int) -> tuple[torch.Tensor, ...]:
    from dycl.frontend.recorder import outside_modes

    with outside_modes():
        return new_state(seed)


class Draws:
    """The random ops of one run.

    Args:
        recorder: where they are recorded.
        state: the tensors of the program's generator, as user code would see them.
    """

    def __init__(self, recorder: Recorder, state: Sequence[FunctionalTensor]) -> None:
        self._recorder = recorder
        self._state = tuple(state)
        # By what they wrap, for torch passes on other objects; each kept, so that it stays its own.
        self._others: dict[int, tuple[torch.Generator, tuple[FunctionalTensor, ...]]] = {}

    def add(self, generator: torch.Generator) -> None:
        """A generator that the model makes on the way."""
        state = tuple(part.clone() for part in _constants(DEFAULT_SEED))
        self._others[generator._cdata] = generator, cast("tuple[FunctionalTensor, ...]", state)

    def seed(self, seed: int, generator: torch.Generator | None = None) -> None:
        """`torch.manual_seed`, or that of another generator, in the program.

        Raises:
            RuntimeError: for a seed that torch does not take.
        """
        torch.Generator().manual_seed(seed)
        for tensor, value in zip(self._state_of(generator), _constants(seed), strict=True):
            tensor.copy_(value)

    def _state_of(self, generator: torch.Generator | None) -> tuple[FunctionalTensor, ...]:
        if generator is None or generator._cdata == torch.default_generator._cdata:
            return self._state
        known = self._others.get(generator._cdata)
        if known is not None:
            return known[1]
        raise UnsupportedConstructError(
            "a `torch.Generator` that is made outside of the model's forward",
            hint="leave out `generator=`: the program has one, which `program.manual_seed` seeds; or make it in the "
            "forward, by a seed that is known",
            location=here(),
        )

    def run(self, func: Any, args: Sequence[Any], kwargs: dict[str, Any]) -> Any:
        """What a random op gives; NotImplemented for those that are not drawn here.

        Called with functionalization off, on the arguments as it got them.
        """
        draw = _DRAWS.get(func.overloadpacket.__name__.removesuffix("_"))
        if draw is None:
            return NotImplemented
        call = Call(self._recorder, func, args, kwargs)
        state = self._state_of(call.get("generator"))
        with self._recorder.functional:
            before = [self._recorder.unwrap(tensor) for tensor in state]
        call.generator = Generator(*before, loop=self._recorder.loop)
        result = draw(call)
        if result is NotImplemented:
            raise refusal(func)
        after = (call.generator.words, call.generator.position, call.generator.normal)
        with self._recorder.functional:
            for tensor, old, new in zip(state, before, after, strict=True):
                if new is not old:
                    self._recorder.overwrite(tensor, new)
        return call.finish(result)


class Call:
    """A random op that is called, its arguments by name."""

    generator: Generator

    def __init__(self, recorder: Recorder, func: Any, args: Sequence[Any], kwargs: dict[str, Any]) -> None:
        self.recorder = recorder
        self.overload: str = func._schema.overload_name
        self._schema = func._schema
        self._values = {a.name: a.default_value for a in func._schema.arguments if a.has_default_value()}
        self._values |= {a.name: value for a, value in zip(func._schema.arguments, args, strict=False)} | kwargs
        if not isinstance(self.get("dtype"), torch.dtype):
            self._values["dtype"] = None  # The schema's default is a number.
        self._written = next((a.name for a in func._schema.arguments if a.is_write), None)

    def get(self, name: str) -> Any:
        return self._values.get(name)

    def __getitem__(self, name: str) -> Any:
        return self._values[name]

    def tensor(self, name: str) -> torch.Tensor:
        """A tensor among the arguments, as it is recorded."""
        value = self._values[name]
        if not isinstance(value, FunctionalTensor):
            return value
        with self.recorder.functional:
            return self.recorder.unwrap(value)

    def like(self, tensor: torch.Tensor) -> torch.Tensor:
        """A tensor without contents, as the op makes one like another."""
        return self._empty(
            lambda: torch.empty_like(tensor, dtype=self.get("dtype"), memory_format=self.get("memory_format"))
        )

    def contiguous(self, shape: Sequence[Any], dtype: torch.dtype | None) -> torch.Tensor:
        """A tensor without contents, as a factory makes it."""
        return self._empty(lambda: torch.empty(tuple(shape), dtype=dtype))

    def _empty(self, make: Callable[[], torch.Tensor]) -> torch.Tensor:
        from dycl.frontend.recorder import outside_modes

        with outside_modes(), self.recorder.fake:
            return make()

    @property
    def result(self) -> torch.Tensor:
        """A tensor of the form of the result: what is written, or one like `self`, or a new one of a `size`."""
        if self._written is not None:
            return self.tensor(self._written)
        if "self" in self._values:
            return self.like(self.tensor("self"))
        return self.contiguous(self["size"], self.get("dtype"))

    def finish(self, result: Any) -> Any:
        """The results as user code gets them, written where the op writes."""
        functional = self.recorder.functional
        with functional:
            if self._written is None:
                if isinstance(result, tuple):
                    return tuple(self.recorder.wrap(value) for value in result)
                return self.recorder.wrap(result)
            target = self._values[self._written]
            target.copy_(self.recorder.wrap(result))
            return target


# In memory -----------------------------------------------------------------------------------------------------------


def memory_order(tensor: torch.Tensor) -> list[int]:
    """The dimensions of a tensor from the slowest to the fastest in memory: eager's order of filling it.

    As TensorIterator sorts them: dimensions of equal strides by their sizes.
    """
    order = list(reversed(range(tensor.dim())))
    shape, strides = tensor.shape, tensor.stride()
    for i in range(1, len(order)):
        at = i
        for other in range(i - 1, -1, -1):
            a, b = order[other], order[at]
            if strides[a] == strides[b]:
                is_swapped = shape[a] > shape[b]
            else:
                is_swapped = strides[a] > strides[b]
                if not is_swapped:
                    break
            if is_swapped:
                order[other], order[at] = b, a
                at = other
    return order[::-1]


def in_memory_order(tensor: torch.Tensor, order: list[int]) -> torch.Tensor:
    """The same tensor with its dimensions in that order in memory."""
    if memory_order(tensor) == order:
        return tensor
    return tensor.permute(order).contiguous().permute([order.index(d) for d in range(tensor.dim())])


def _is_plain(tensor: torch.Tensor) -> bool:
    """Whether the elements lie in memory in the order of their indices; so they do where sizes depend on data."""
    return not all(map(is_static, tensor.shape)) or tensor.is_contiguous()


def _laid_out(value: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
    """Flat numbers, in the order in which they were drawn, as a tensor."""
    if _is_plain(like):
        return value.reshape(like.shape)
    order = memory_order(like)
    value = value.reshape([like.shape[d] for d in order])
    return value.permute([order.index(d) for d in range(like.dim())])


def _flat(value: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
    """The elements of a tensor, of the shape of `like`, in the order in which `like` is filled."""
    return value.reshape(-1) if _is_plain(like) else value.permute(memory_order(like)).reshape(-1)


def _filled(call: Call, draw: Callable[[Any, torch.dtype], torch.Tensor], like: torch.Tensor | None = None) -> Any:
    """A tensor of drawn numbers, of the form of the result."""
    like = call.result if like is None else like
    if like.dtype.is_complex:
        return NotImplemented
    count: Any = math.prod(like.shape)
    if isinstance(count, int) and count == 0:
        return torch.zeros(tuple(like.shape), dtype=like.dtype)
    return _laid_out(draw(count, like.dtype).to(like.dtype), like)


def _check(dtype: torch.dtype, name: str, *args: Any) -> None:
    """Raises what eager raises for parameters, or a dtype, that it does not take."""
    from dycl.frontend.recorder import outside_modes

    with outside_modes():
        getattr(torch.empty(1, dtype=dtype), name)(*args, generator=torch.Generator())


# Ops -----------------------------------------------------------------------------------------------------------------


def _uniform(call: Call) -> Any:
    low, high = call.get("from"), call.get("to")
    low, high = (0.0, 1.0) if low is None else (low, high)

    def draw(count: Any, dtype: torch.dtype) -> torch.Tensor:
        _check(dtype, "uniform_", low, high)
        return random_numbers.uniform(call.generator, count, dtype, low, high)

    return _filled(call, draw)


def _normal(call: Call) -> Any:
    mean, deviation = call.get("mean"), call.get("std")
    if isinstance(mean, torch.Tensor) or isinstance(deviation, torch.Tensor):
        return _normal_of(call)
    return _normals(call, call.result, 0.0 if mean is None else mean, 1.0 if deviation is None else deviation)


def _normals(call: Call, like: torch.Tensor, mean: float, deviation: float) -> torch.Tensor:
    def draw(count: Any, dtype: torch.dtype) -> torch.Tensor:
        _check(dtype, "normal_", mean, deviation)
        few = not _is_plain(like) or statically_known_true(count < 16)
        return random_numbers.normal(call.generator, count, dtype, mean, deviation, one_by_one=few)

    return _filled(call, draw, like)


def _normal_of(call: Call) -> torch.Tensor:
    """With means, deviations, or both for each number."""
    mean, deviation = (call.tensor(n) if isinstance(call[n], torch.Tensor) else call[n] for n in ("mean", "std"))
    tensors = [value for value in (mean, deviation) if isinstance(value, torch.Tensor)]
    like = call.contiguous(torch.broadcast_shapes(*(t.shape for t in tensors)), tensors[0].dtype)
    if like.dtype.is_complex:
        return NotImplemented
    if not isinstance(deviation, torch.Tensor):
        return _normals(call, like, 0.0, deviation) + mean
    return _normals(call, like, 0.0, 1.0) * deviation + mean


def _bernoulli(call: Call) -> Any:
    like, given = call.result, call.get("p")
    if given is None or isinstance(given, torch.Tensor):
        name = "self" if given is None else "p"
        if given is None:
            like = call.contiguous(call.tensor("self").shape, like.dtype)
        probabilities = call.tensor(name).expand(like.shape)
        return _filled(call, lambda *_: random_numbers.bernoulli_of(call.generator, _flat(probabilities, like)), like)
    _check(like.dtype, "bernoulli_", given)
    return _filled(call, lambda count, _: random_numbers.bernoulli(call.generator, count, given), like)


def _exponential(call: Call) -> Any:
    return _filled(call, lambda count, dtype: _exponentials(call, count, dtype, call["lambd"]))


def _exponentials(call: Call, count: Any, dtype: torch.dtype, rate: float) -> torch.Tensor:
    _check(dtype, "exponential_", rate)
    return random_numbers.exponential(call.generator, count, dtype, rate)


def _log_normal(call: Call) -> Any:
    def draw(count: Any, dtype: torch.dtype) -> torch.Tensor:
        _check(dtype, "log_normal_", call["mean"], call["std"])
        value = random_numbers.normal_f64(call.generator, count) * call["std"] + call["mean"]
        return random_numbers.rounded(torch.exp(value), dtype)

    return _filled(call, draw)


def _cauchy(call: Call) -> Any:
    def draw(count: Any, dtype: torch.dtype) -> torch.Tensor:
        _check(dtype, "cauchy_", call["median"], call["sigma"])
        value = random_numbers.cauchy(call.generator, count, call["median"], call["sigma"])
        return random_numbers.rounded(value, dtype)

    return _filled(call, draw)


def _geometric(call: Call) -> Any:
    def draw(count: Any, dtype: torch.dtype) -> torch.Tensor:
        _check(dtype, "geometric_", call["p"])
        value = random_numbers.geometric(call.generator, count, call["p"])
        return random_numbers.rounded(value, dtype) if dtype.is_floating_point else value

    return _filled(call, draw)


def _randint(call: Call) -> Any:
    if isinstance(call["high"], torch.Tensor):
        return NotImplemented
    is_factory = call.get("size") is not None
    like = call.contiguous(call["size"], call.get("dtype") or torch.int64) if is_factory else call.result
    return _integers(call, like, call.get("low") or 0, call["high"])


_EXACT = {torch.float16: 1 << 11, torch.bfloat16: 1 << 8, torch.float32: 1 << 24, torch.float64: 1 << 53}
"""Up to which number a dtype has all integers."""


def _integers(call: Call, like: torch.Tensor, low: Any, high: Any) -> Any:
    if not isinstance(low, int):
        return NotImplemented
    if isinstance(high, int):
        _check(like.dtype, "random_", low, high)
    if like.dtype.is_floating_point and not (isinstance(high, int) and max(abs(low), abs(high)) <= _EXACT[like.dtype]):
        return NotImplemented  # Eager rounds the bounds.
    span = high - low if isinstance(high, int) else torch.sym_max(high - low, 1)
    return _filled(call, lambda count, _: random_numbers.integers(call.generator, count, low, span), like)


def _random(call: Call) -> Any:
    like = call.result
    if call.overload == "":
        return _filled(call, lambda count, dtype: random_numbers.any_integers(call.generator, count, dtype), like)
    low, high = (call.get(name) for name in ("from", "to"))
    if low is None and not isinstance(high, torch.Tensor):
        return _integers(call, like, 0, high)
    if high is None:
        if like.dtype != torch.int64:
            return NotImplemented
        low = cast("int", low)
        span = (1 << 63) - low
        return _filled(call, lambda count, _: random_numbers.integers(call.generator, count, low, span), like)
    return _integers(call, like, low, high)


def _randperm(call: Call) -> Any:
    count = call["n"]
    if not is_static(count):
        return random_numbers.permutation(call.generator, count).to(call.get("dtype") or torch.int64)
    count = int(count)
    if count > MOST_SHUFFLED:
        raise UnsupportedConstructError(
            f"`randperm` of {count} numbers", hint=f"it is done for up to {MOST_SHUFFLED}", location=here()
        )
    return random_numbers.permutation(call.generator, count).to(call.get("dtype") or torch.int64)


def _multinomial(call: Call) -> Any:
    probabilities, count = call.tensor("self"), call["num_samples"]
    if not isinstance(count, int):
        return NotImplemented
    shape = tuple(probabilities.shape)
    if call["replacement"] and count != 1:
        rows = probabilities if len(shape) == 2 else probabilities.reshape(1, -1)
        chosen = random_numbers.choices(call.generator, rows, count)
        return chosen if len(shape) == 2 else chosen.reshape(count)
    like = call.like(probabilities)
    drawn = _filled(call, lambda n, dtype: _exponentials(call, n, dtype, 1.0), like)
    share = probabilities / drawn
    return share.argmax(-1, keepdim=True) if count == 1 else torch.topk(share, count)[1]


def _dropout(call: Call) -> Any:
    """`native_dropout`, to which `dropout` comes down here; eager's own draws whether an element is kept."""
    tensor, p = call.tensor("input"), call["p"]
    if call["train"] is False or p == 0:
        return tensor, torch.ones(tuple(tensor.shape), dtype=torch.bool)
    if p == 1:
        return torch.zeros_like(tensor), torch.zeros(tuple(tensor.shape), dtype=torch.bool)
    like = call.like(tensor)
    kept = _filled(call, lambda count, _: random_numbers.bernoulli(call.generator, count, 1 - p), like)
    return tensor * (kept / torch.full((), 1 - p, dtype=kept.dtype)), kept.to(torch.bool)


_DRAWS: dict[str, Callable[[Call], Any]] = {
    "rand": _uniform,
    "rand_like": _uniform,
    "uniform": _uniform,
    "randn": _normal,
    "randn_like": _normal,
    "normal": _normal,
    "bernoulli": _bernoulli,
    "exponential": _exponential,
    "log_normal": _log_normal,
    "cauchy": _cauchy,
    "geometric": _geometric,
    "randint": _randint,
    "randint_like": _randint,
    "random": _random,
    "randperm": _randperm,
    "multinomial": _multinomial,
    "native_dropout": _dropout,
}
"""By the name of an op, without the underscore of the form that works in place."""
