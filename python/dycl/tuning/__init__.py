# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Which tiles are fastest on a device, by measuring: the command `dycl tune`, and the files that `compile` takes."""
