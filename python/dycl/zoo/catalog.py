# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Which networks the zoo has, read from its source, since importing it would import torch."""

from __future__ import annotations

import ast
import functools
import inspect
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Entry:
    """A network of the zoo.

    Attributes:
        name: of the factory: `dycl.zoo:NAME`.
        module: the file that has it, without `.py`.
        family: the first line of that file.
        summary: the first line of the factory's docstring.
        description: the whole docstring.
    """

    name: str
    module: str
    family: str
    summary: str
    description: str


@functools.cache
def entries() -> dict[str, Entry]:
    """Every function decorated with `@network(…)`, by name."""
    found: dict[str, Entry] = {}
    for path in sorted(Path(__file__).parent.glob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        family = _first_line(ast.get_docstring(tree))
        for node in tree.body:
            if isinstance(node, ast.FunctionDef) and any(map(_marks_a_network, node.decorator_list)):
                description = inspect.cleandoc(ast.get_docstring(node) or "")
                found[node.name] = Entry(node.name, path.stem, family, _first_line(description), description)
    return found


def _marks_a_network(decorator: ast.expr) -> bool:
    return isinstance(decorator, ast.Call) and isinstance(decorator.func, ast.Name) and decorator.func.id == "network"


def _first_line(text: str | None) -> str:
    return (text or "").partition("\n")[0]
