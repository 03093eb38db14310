#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""`make demo`: boots the whole chain, fetches page and files from the web guest, powers off.

Prints what it saw and the PASS/FAIL lines of the tests; exit status 0 only if all was right.
"""

import argparse
import hashlib
import os
import sys
import time
import urllib.error
import urllib.request

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tools"))
import boot  # noqa: E402
import lifeline  # noqa: E402
import qemu  # noqa: E402

FILES = {
    "hello.txt": b"Hello from a file on the guest's own disk.\n",
    "empty.bin": b"",
    "data/one-megabyte.bin": boot.pattern(1 << 20, "demo"),
}


def fetch(url, timeout):
    """The body of a reply, tried again until the deadline: the guest may still be starting."""
    deadline = time.monotonic() + timeout
    while True:
        try:
            with urllib.request.urlopen(url, timeout=10) as reply:
                return reply.read()
        except (urllib.error.URLError, OSError, ValueError) as error:
            if isinstance(error, urllib.error.HTTPError) or time.monotonic() > deadline:
                raise
            time.sleep(0.2)


class Report:
    """Counts cases and prints them in the form that tests/run.py reads."""

    def __init__(self, suite):
        self.suite = suite
        self.passed = self.failed = 0

    def case(self, name, good, reason=""):
        if good:
            self.passed += 1
            print(f"PASS {self.suite}/{name}", flush=True)
        else:
            self.failed += 1
            print(f"FAIL {self.suite}/{name}: {reason}", flush=True)
        return good

    def result(self):
        print(f"RESULT {self.passed} passed, {self.failed} failed", flush=True)
        return 1 if self.failed else 0


def check_files(report, base):
    """Each file must arrive byte for byte."""
    for path, data in FILES.items():
        try:
            got = fetch(f"{base}files/{path}", 20)
        except OSError as error:
            report.case(path, False, str(error))
            continue
        want = hashlib.sha256(data).hexdigest()
        print(f"  {path}: {len(got)} bytes, sha256 {hashlib.sha256(got).hexdigest()[:16]}")
        report.case(path, got == data, f"{len(got)} bytes, want {len(data)} with {want[:16]}")


def run_chain(report, machine, port):
    """The steps of the demo on a running machine."""
    base = f"http://127.0.0.1:{port}/"
    try:
        machine.wait_for(r"^dom0: ready", 60)
        print(f"  dom0 prompt after {machine.elapsed():.1f} s")
        report.case("prompt", True)
        page = fetch(base, 60).decode("utf-8", "replace")
        print(f"  page after {machine.elapsed():.1f} s: {' '.join(page.split())[:200]}")
        report.case("page", "web" in page and "uptime" in page.lower(), page[:200])
        check_files(report, base)
        machine.send("xl list")
        line = machine.wait_for(r"^web\s+\d+\s+\d+\s+\d+", 20).string
        print(f"  xl list: {line}")
        report.case("xl-list", True)
        machine.send("halt")
        status = machine.wait_exit(30)
        report.case("power-off", status == 0, f"QEMU ended with {status}")
    except (qemu.QemuTimeout, OSError) as error:
        report.case("chain", False, str(error))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--hv", choices=boot.HYPERVISORS, default="paravane")
    parser.add_argument("--firmware", choices=("bios", "uefi"), default="bios")
    parser.add_argument("--cpu", default="max")
    parser.add_argument("--smp", type=int, default=1)
    parser.add_argument("--verbose", action="store_true", help="show the console")
    args = parser.parse_args()
    lifeline.hold()
    os.chdir(boot.ROOT)
    report = Report(f"demo-{args.hv}")
    iso = boot.chain_iso(args.hv, f"demo-{args.hv}")
    disk = boot.make_volume("demo", FILES)
    port = boot.free_port()
    show = (lambda line: print("  | " + line, flush=True)) if args.verbose else None
    with boot.chain_machine(iso, disk, port, serial=boot.path(f"demo-{args.hv}.log"), on_line=show,
                            firmware=args.firmware, cpu=args.cpu, cpus=args.smp,
                            accel=boot.ACCEL[args.hv]) as machine:
        run_chain(report, machine, port)
    return report.result()


if __name__ == "__main__":
    sys.exit(main())
