# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The bundle: a folder that a device runs with numpy and iree-base-runtime alone.

manifest.json            schema version, signature, regions, targets, versions, SHA-256 and size of every file
host.py                  the control flow, generated
host_runtime.py          what is the same for every program
hcfg.json                the heterogeneous control flow graph
regions/TARGET/NAME.vmfb
parameters.irpa          every weight once, by key
state.irpa               the initial value of each state, by its name (only where there is state)
"""

from dycl.bundle.files import copy_bundle, staged
from dycl.bundle.manifest import Bundle, read_bundle, write_bundle

__all__ = ["Bundle", "copy_bundle", "read_bundle", "staged", "write_bundle"]
