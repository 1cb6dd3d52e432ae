# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""What rewritten code calls: each Python construct, on Python values as Python does it, on data as a graph.

`Operators` is the object that rewritten code knows as `dycl__`. Its methods decide which of the two a construct is; the
structure of branches and loops is `control.py`'s. A construct of the syntax is a method, in the room of its kind; a
function of Python's or torch's that has to learn about data is one registered function (`replacements.py`), in the room
of its kind.
"""

from __future__ import annotations

from dycl.frontend.operators import (
    builtin_functions,
    container_methods,
    context_variables,
    higher_order,
    library,
    mathematics,
    namespaces,
    packed_sequences,
    random_functions,
    recurrent,
    sequences,
    sized,
    text_functions,
    torch_functions,
    transformers,
    variances,
)
from dycl.frontend.operators.calls import Calls

__all__ = [
    "Operators",
    "builtin_functions",
    "container_methods",
    "context_variables",
    "higher_order",
    "library",
    "mathematics",
    "namespaces",
    "packed_sequences",
    "random_functions",
    "recurrent",
    "sequences",
    "sized",
    "text_functions",
    "torch_functions",
    "transformers",
    "variances",
]


class Operators(Calls):
    """The operators of one capture."""
