# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The bundle: a folder, or a zip of it, that a device runs with numpy and iree-base-runtime alone.

manifest.json            schema version, signature, regions, targets, versions, SHA-256 and size of every file
host.py                  the control flow, generated
host_runtime.py          what is the same for every program: calls of regions,
bundle_reader.py         the checks of all these files,
bundle_formats.py        ... and of those that IREE reads
__main__.py              runs host.py, for `python net.dycl`
manifest.sig             the signature of manifest.json (only where it is signed)
host.TARGET.vmfb         the control flow as an IREE VM module, for `iree-run-module` or `--host=vm`
hcfg.json                the heterogeneous control flow graph
device.TARGET.vmfb       gives the VM host its devices, where the program runs on several
regions/TARGET/NAME.vmfb a region, and those of the same code
parameters.irpa          every weight once, by key
state.irpa               the initial value of each state, by its name (only where there is state)
"""

from dycl.bundle.embed import embed_c
from dycl.bundle.files import staged
from dycl.bundle.manifest import Bundle, read_bundle, write_bundle
from dycl.bundle.pack import pack

__all__ = ["Bundle", "embed_c", "pack", "read_bundle", "staged", "write_bundle"]
