# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Print the nested module of a name: `select_module.py FILE NAME`. The tests' stand-in for the compiler driver."""

import sys
from pathlib import Path

file, name = sys.argv[1:]
inside = False
for line in Path(file).read_text().splitlines():
    inside = inside or line.startswith(f"  module @{name} ")
    if inside:
        print(line)
    if line == "  }":
        inside = False
