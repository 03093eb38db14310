#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Runs the test suites and adds them up: run.py [SUITE [CASE-FILTER]].

A suite is a command that prints "PASS suite/case" or "FAIL suite/case: reason" per case and last
"RESULT n passed, m failed". One that ends without RESULT counts as a failure of its own. Failures are
repeated at the end; the last line is "N passed, N failed".
"""

import glob
import os
import re
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tools"))
import lifeline  # noqa: E402

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
RESULT = re.compile(r"^RESULT (\d+) passed, (\d+) failed")
VERBOSE = bool(os.environ.get("V"))


def unit_commands(name):
    """The host programs that the makefile has built; it passes their names."""
    names = [name] if name else os.environ.get("UNIT_TESTS", "").split()
    return [(f"unit {n}", [f"build/unit/{n}"]) for n in names]


def python_commands(suite, script, *args):
    return [(suite, [sys.executable, script, *args])] if os.path.exists(script) else []


def system_commands(name):
    """Each tests/system/test_NAME.py is a program of its own."""
    scripts = sorted(glob.glob(f"tests/system/test_{name or '*'}.py"))
    if name and not scripts:
        sys.exit(f"run.py: there is no tests/system/test_{name}.py")
    return [(f"system {s[len('tests/system/test_'):-3]}", [sys.executable, s]) for s in scripts]


def conformance_commands(name):
    option = [] if not name else name.split() if name.startswith("--") else ["--only", name]
    return python_commands(f"conformance {name or ''}".strip(), "tests/conformance.py", *option)


# QEMU's models of processors that have 64 bits, without what QEMU or Xen cannot do there: Xen idles by MWAIT with a hint
# that QEMU refuses, QEMU stops at the XSAVE of two Opterons, and Xen hides what cannot be without it.
MODELS = ["Conroe", "core2duo", "Penryn", "Nehalem", "Westmere", "SandyBridge", "IvyBridge", "Haswell", "Broadwell",
          "Skylake-Client", "Skylake-Server", "Cascadelake-Server", "Cooperlake", "Icelake-Server", "Denverton",
          "Snowridge", "KnightsMill", "kvm64", "intel", "Opteron_G1", "Opteron_G2", "Opteron_G3",
          "Opteron_G4,-xsave,-avx", "Opteron_G5,-xsave,-avx,-fma,-f16c", "phenom", "EPYC,-monitor",
          "EPYC-Rome,-monitor", "EPYC-Milan,-monitor", "Dhyana,-monitor", "max,family=16", "max,family=17",
          "max,family=21", "max,family=22"]


# All cases; with SMAP QEMU refuses a kernel its own stack at times, as `max-smap` shows.
WHOLE_MODELS = ["Nehalem", "Skylake-Server,-smap"]


def models_commands(name):
    whole = [] if name else [c for model in WHOLE_MODELS
                             for c in conformance_commands(f"--cpu={model}")]
    return whole + [c for model in ([name] if name else MODELS) for suite in ("features/", "registers/")
                    for c in python_commands(f"{suite} on {model}", "tests/conformance.py", f"--cpu={model}",
                                             "--only", suite)]


def demo_commands(name):
    hosts = [name] if name else ["paravane", "xen"]
    return [c for hv in hosts
            for c in python_commands(f"demo {hv}", "tests/demo.py", "--hv", hv)]


def fuzz_commands(name):
    return python_commands("fuzz", "tests/fuzz.py", "--calls", name or "100000", "--reduce")


def hostile_commands(name):
    counted = ["--hostile", "1", "--icount", "--calls", "5000"]
    racing = ["--hostile", "3", "--debug", "--calls", name or "30000"]
    return [c for options in (counted, racing)
            for c in python_commands("hostile", "tests/fuzz.py", "--boots", "1", *options)]


SUITES = {
    "unit": unit_commands,
    "conformance": conformance_commands,
    "models": models_commands,
    "demo": demo_commands,
    "system": system_commands,
    "fuzz": fuzz_commands,
    "hostile": hostile_commands,
}
# What `make test` runs, in this order: suite and name; every one passes as a whole.
DEFAULT = [("unit", None), ("conformance", None), ("conformance", "--cpu=qemu64"),
           ("conformance", "--cpu=intel --only=entry/"), ("models", "Skylake-Server"), ("conformance", "--cpu=max-smap --only=far_return"),
           ("fuzz", None), ("hostile", None), ("demo", "xen"), ("demo", "paravane"), ("system", None)]


def run_suite(title, command, totals):
    """Runs one command, shows failing cases as they come, adds its counts to totals."""
    started = time.monotonic()
    passed = failed = 0
    result = None
    tail = []
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                               stderr=subprocess.STDOUT, text=True, errors="replace",
                               preexec_fn=lifeline.in_child(own_group=False))
    for line in process.stdout:
        line = line.rstrip()
        tail = (tail + [line])[-40:]
        if line.startswith("PASS "):
            passed += 1
        elif line.startswith("FAIL "):
            failed += 1
            totals["failures"].append(f"{title}: {line[5:]}")
        result = RESULT.match(line) or result
        if VERBOSE or line.startswith("FAIL "):
            print("    " + line, flush=True)
    status = process.wait()
    if result is None or (status != 0 and failed == 0):
        failed += 1
        why = "ended without RESULT" if result is None else "failed without a failing case"
        totals["failures"].append(f"{title}: {why}, status {status}")
        print("\n".join("    " + line for line in tail))
    totals["passed"] += passed
    totals["failed"] += failed
    seconds = time.monotonic() - started
    print(f"  TEST {title}: {passed} passed, {failed} failed ({seconds:.1f} s)", flush=True)


def main():
    lifeline.hold()
    os.chdir(ROOT)
    suite = sys.argv[1] if len(sys.argv) > 1 else None
    name = sys.argv[2] if len(sys.argv) > 2 else None
    if suite and suite not in SUITES:
        sys.exit(f"run.py: suites are {' '.join(SUITES)}")
    totals = {"passed": 0, "failed": 0, "failures": []}
    for kind, which in [(suite, name)] if suite else DEFAULT:
        for title, command in SUITES[kind](which):
            run_suite(title, command, totals)
    if totals["failures"]:
        print("\nFailures:")
        for line in totals["failures"]:
            print("  " + line)
    print(f"{totals['passed']} passed, {totals['failed']} failed")
    return 1 if totals["failed"] else 0


if __name__ == "__main__":
    sys.exit(main())
