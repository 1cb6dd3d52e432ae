# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Running a bundle: `host_runtime` goes into every bundle; `program` is `dycl.Program` over it."""
