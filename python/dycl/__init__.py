# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""dycl compiles dynamic neural networks: PyTorch models whose control flow depends on tensor values."""
