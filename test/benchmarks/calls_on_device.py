# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Makes calls with dycl's base install, NumPy and IREE's runtime: what devices.py runs in an emulator.

    python calls_on_device.py BUNDLE CALLS.pickle RESULTS.pickle

CALLS are lists of arguments, of arrays and Python values; RESULTS the outputs of each, by name, and its decisions.
"""

import pickle
import sys
from pathlib import Path

import dycl


def made(program, calls):
    """The outputs of each call, by name, and its decisions."""
    return [(program.call_flat(*args), decisions(program)) for args in calls]


def decisions(program):
    """Those of the last call, in order."""
    return [int(decision) for _, decision in program.last_decisions]


def main() -> None:
    bundle, calls, results = map(Path, sys.argv[1:])
    results.write_bytes(pickle.dumps(made(dycl.load(bundle), pickle.loads(calls.read_bytes()))))


if __name__ == "__main__":
    main()
