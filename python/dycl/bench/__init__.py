# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""How fast a program is, beside the limits of the machine: the command `dycl bench`, and what benchmarks share."""
