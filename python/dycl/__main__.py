# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""`python -m dycl` is the command `dycl`."""

import sys

from dycl.cli import main

if __name__ == "__main__":
    sys.exit(main())
