# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Makes calls with dycl's base install, NumPy and IREE's runtime: what devices.py runs in an emulator.

    python calls_on_device.py BUNDLE CALLS.pickle RESULTS.pickle

CALLS are lists of arguments, of arrays and Python values; RESULTS the outputs of each, by name, and its decisions.
"""

import pickle
import sys
from pathlib import Path

import dycl


def main() -> None:
    bundle, calls, results = map(Path, sys.argv[1:])
    program = dycl.load(bundle)
    found = []
    for args in pickle.loads(calls.read_bytes()):
        outputs = program.call_flat(*args)
        found.append((outputs, [int(decision) for _, decision in program.last_decisions]))
    results.write_bytes(pickle.dumps(found))


main()
