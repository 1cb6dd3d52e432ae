# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""What makes a function a network of the zoo: `@network`, which also says how inputs for it are drawn."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from typing import Any, Generic, ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")

Inputs = Callable[..., Iterable[tuple[Any, ...]]]
"""`inputs(count, seed, **arguments)`: arguments for `count` calls of what the factory makes of the same `arguments`."""


class Factory(Generic[P, R]):
    """A factory with its inputs: `factory()` is `(model, args)`, `factory.inputs(100, seed=1)` arguments of 100 calls.

    `dycl verify` draws from `inputs` of whatever factory has them, so a user's own may be decorated too.
    """

    def __init__(self, make: Callable[P, R], inputs: Inputs) -> None:
        self.__wrapped__ = make
        self.__name__, self.__doc__, self.__module__ = make.__name__, make.__doc__, make.__module__
        self.inputs = inputs

    @property
    def small(self) -> dict[str, Any]:
        """The arguments that make the network small, where it has a small form."""
        return {"tiny": True} if "tiny" in inspect.signature(self.__wrapped__).parameters else {}

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        return self.__wrapped__(*args, **kwargs)


def network(inputs: Inputs) -> Callable[[Callable[P, R]], Factory[P, R]]:
    """Marks a factory as one of the zoo's; the first line of its docstring is what `dycl zoo list` says."""
    return lambda make: Factory(make, inputs)
