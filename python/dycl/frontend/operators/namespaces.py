# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Built-ins that read the variables of the function that calls them: rewritten code has others."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn

from dycl.errors import UnsupportedConstructError
from dycl.frontend.locations import here
from dycl.frontend.operators.calls import Calls
from dycl.frontend.operators.replacements import replaces


def _refuse(name: str, hint: str) -> NoReturn:
    raise UnsupportedConstructError(
        f"`{name}`, which reads the variables of the function that it is called in", hint=hint, location=here()
    )


@replaces(locals, globals)
def namespace(ops: Calls) -> Any:  # noqa: ARG001
    _refuse("locals()` or `globals()", "name the variable itself, or keep what is looked up in a dict of your own")


@replaces(vars)
def vars_(ops: Calls, *owner: Any) -> Any:  # noqa: ARG001
    if not owner:
        _refuse("vars()", "name the variable itself")
    return vars(*owner)


@replaces(dir)
def dir_(ops: Calls, *owner: Any) -> Any:  # noqa: ARG001
    if not owner:
        _refuse("dir()", "name the variables themselves")
    return dir(*owner)


def _runs_text(function: Callable[..., Any], name: str) -> Callable[..., Any]:
    def run(ops: Calls, source: Any, *namespaces: Any, **named: Any) -> Any:  # noqa: ARG001
        if not namespaces and not named:
            _refuse(f"{name}(…)", "write the code itself, or give it a dict of the variables that it needs")
        return function(source, *namespaces, **named)

    return run


replaces(eval)(_runs_text(eval, "eval"))
replaces(exec)(_runs_text(exec, "exec"))
