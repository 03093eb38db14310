#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""`make bench`: runs each report of this folder (NAME.py with a function report()); bench.py NAME... some.

Figures are counted, not felt: QEMU with -icount makes one instruction one nanosecond, so they repeat on
every machine. Nothing here passes or fails.
"""

import glob
import importlib
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "..", "tools")]

names = sys.argv[1:] or sorted(os.path.basename(path)[:-3] for path in glob.glob(f"{HERE}/*.py")
                               if os.path.basename(path) != "bench.py")
for name in names:
    importlib.import_module(name).report()
