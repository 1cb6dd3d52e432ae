# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Reports on a program: `dycl.verify`."""
