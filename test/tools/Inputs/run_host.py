# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Run the `main` of a generated host.py with regions written in Python: `run_host.py HOST REGIONS ARGUMENT...`.

REGIONS defines one function a region. Arguments are Python expressions. Prints the calls and decisions in order and
what `main` returns.
"""

import runpy
import sys
from typing import Any


class Regions:
    """Forwards to the Python functions and notes each call."""

    def __init__(self, functions: dict[str, Any]) -> None:
        self._functions = functions

    def constant(self, array: Any) -> Any:
        return array.tolist()

    def __getattr__(self, name: str) -> Any:
        function = self._functions[name]

        def call(*values: Any) -> Any:
            print(f"{name}{values}")
            return function(*values)

        return call


def decide(number: int, value: Any) -> Any:
    print(f"decide {number}: {value}")
    return value


host, regions, *arguments = sys.argv[1:]
main = runpy.run_path(host)["main"]
print("returns", main(Regions(runpy.run_path(regions)), decide, *(eval(argument) for argument in arguments)))
