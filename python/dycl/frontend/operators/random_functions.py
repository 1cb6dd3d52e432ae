# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Functions that seed, keep or set random number generators."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from dycl.errors import UnsupportedConstructError
from dycl.frontend.locations import here
from dycl.frontend.operators.calls import Calls
from dycl.frontend.operators.replacements import replaces


def _constant(seed: Any) -> int:
    if isinstance(seed, int):
        return seed
    raise UnsupportedConstructError(
        "a seed that depends on tensor values",
        hint="seed by a constant, or from outside: `program.manual_seed`",
        location=here(),
    )


@replaces(torch.manual_seed)
def manual_seed(ops: Calls, seed: Any) -> torch.Generator:
    """`torch.manual_seed(1)`: of the program's generator."""
    draws = ops.control.recorder.functional.draws
    if draws is None:
        return torch.manual_seed(seed)
    draws.seed(_constant(seed))
    return torch.default_generator


@replaces(torch.Generator)
def generator(ops: Calls, *args: Any, **kwargs: Any) -> torch.Generator:
    """`torch.Generator()`: one that the program makes, by PyTorch's default seed."""
    made = torch.Generator(*args, **kwargs)
    draws = ops.control.recorder.functional.draws
    if draws is not None:
        draws.add(made)
    return made


@replaces(torch.Generator.manual_seed)
def seed_generator(ops: Calls, generator: torch.Generator, seed: Any) -> torch.Generator:
    """`generator.manual_seed(1)`."""
    draws = ops.control.recorder.functional.draws
    if draws is None:
        return generator.manual_seed(seed)
    draws.seed(_constant(seed), generator)
    return generator


def _refused(name: str, hint: str) -> Callable[..., Any]:
    def refuse(ops: Calls, *args: Any, **kwargs: Any) -> Any:  # noqa: ARG001
        raise UnsupportedConstructError(f"`{name}` in a compiled program", hint=hint, location=here())

    return refuse


_STATE_HINT = (
    "leave it to the caller: `program.manual_seed` seeds the program's generator, which goes on from call to call"
)
for _function, _name in (
    (torch.seed, "torch.seed"),
    (torch.initial_seed, "torch.initial_seed"),
    (torch.get_rng_state, "torch.get_rng_state"),
    (torch.set_rng_state, "torch.set_rng_state"),
    (torch.random.fork_rng, "torch.random.fork_rng"),
    *(
        (getattr(torch.Generator, name), f"Generator.{name}")
        for name in ("seed", "initial_seed", "get_state", "set_state")
    ),
):
    replaces(_function)(_refused(_name, _STATE_HINT))
