# SPDX-License-Identifier: MIT
"""A machine with the whole chain, for the tests here: dom0's shell, its boot archive, case reports."""

import os
import re
import subprocess
import sys
import time
import urllib.error
import urllib.request

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "tools"))
import boot  # noqa: E402
import qemu  # noqa: E402

FOREVER = 120  # s; a guard against hangs, not a measure
GUESTS = ("web", "hello", "disk-check")


class Report:
    """Prints cases as tests/run.py wants them."""

    def __init__(self, suite):
        self.suite = suite
        self.passed = self.failed = 0

    def case(self, name, good, reason=""):
        self.passed += bool(good)
        self.failed += not good
        print(f"PASS {self.suite}/{name}" if good else f"FAIL {self.suite}/{name}: {reason}", flush=True)
        return good

    def run(self, name, step, *args):
        """A case that is a function: it raises what went wrong."""
        try:
            step(*args)
        except (qemu.QemuTimeout, AssertionError, OSError) as error:
            return self.case(name, False, f"{type(error).__name__}: {error}")
        return self.case(name, True)

    def result(self):
        print(f"RESULT {self.passed} passed, {self.failed} failed", flush=True)
        return 1 if self.failed else 0


class Chain:
    """A running machine whose dom0 is ready; use it in a with statement."""

    def __init__(self, name, *, hv="paravane", guests="web.cfg", initrd=boot.INITRD, files=None,
                 options="", **machine):
        words = "address=dhcp" + (f" auto={guests}" if guests else "")
        iso = boot.make_iso(name, hv, boot.DOM0, words, initrd=initrd, options=options,
                            bios_only=machine.get("firmware") != "uefi")
        disk = boot.make_volume(name, files or {"hello.txt": b"hello\n"})
        self.port = boot.free_port()
        machine.setdefault("accel", boot.ACCEL[hv])
        self.counter = 0
        self.machine = boot.chain_machine(iso, disk, self.port, serial=boot.path(f"{name}.log"),
                                          **machine)

    def __enter__(self):
        try:
            self.machine.wait_for(r"dom0: ready", FOREVER)
        except qemu.QemuTimeout:
            self.machine.close()
            raise
        return self

    def __exit__(self, *_):
        self.machine.close()

    def shell(self, command, timeout=FOREVER):
        """Runs a command in dom0's shell; returns the lines that it printed."""
        self.counter += 1
        mark = f"end-of-{self.counter}"
        before = len(self.machine.lines)
        self.machine.send(command)
        self.machine.send(f"echo {mark}")  # by itself: a list of commands ends where one fails
        self.machine.wait_for(rf"^{mark}$", timeout)
        lines = self.machine.lines[before:-1]
        return [line for line in lines
                if mark not in line and not line.startswith(("dom0# ", "(PV)", "(XEN)"))]

    def text(self, command, timeout=FOREVER):
        return "\n".join(self.shell(command, timeout))

    def fetch(self, path="", timeout=FOREVER):
        """The body of http://…/path, tried again while the guest starts."""
        return fetch(f"http://127.0.0.1:{self.port}/{path}", timeout)

    def wait_until(self, command, pattern, tries=60):
        """Repeats a command until its output matches."""
        for _ in range(tries):
            text = self.text(command)
            match = re.search(pattern, text, re.M)
            if match:
                return match
            self.shell("sleep 1")
        raise AssertionError(f"{command}: no {pattern!r} in {text!r}")

    def free_pages(self):
        return int(self.wait_until("xl info", r"^free_pages\s*:\s*(\d+)").group(1))

    def last_words(self, name):
        """The console of a guest that has gone. While it is there, `xl console` would take our typing."""
        for _ in range(60):
            if self.state(name) is None:
                return self.text(f"xl console {name}")
            self.shell("sleep 1")
        raise AssertionError(f"{name} does not end")

    def state(self, name):
        """The state column of xl list for a guest; None if it is not there."""
        match = re.search(rf"^{name}\s+\d+\s+\d+\s+\d+\s+(\S+)", self.text("xl list"), re.M)
        return match.group(1) if match else None


def fetch(url, timeout):
    """The body of a reply; connections that fail are tried again until the time is over."""
    deadline = time.monotonic() + timeout
    while True:
        try:
            with urllib.request.urlopen(url, timeout=20) as reply:
                return reply.read()
        except urllib.error.HTTPError:
            raise
        except (OSError, ValueError):
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)


def make_initrd(name, files):
    """A boot archive with the usual guests and these: {path: bytes}."""
    folder = boot.path(name + "-files")
    os.makedirs(folder, exist_ok=True)
    entries = []
    for guest in GUESTS:
        entries.append(f"/guests/{guest}.elf=build/guests/{guest}.elf")
        entries.append(f"/guests/{guest}.cfg=pvguest/examples/{guest}/{guest}.cfg")
    for index, (path, data) in enumerate(files.items()):
        copy = os.path.join(folder, str(index))
        with open(copy, "wb") as file:
            file.write(data)
        entries.append(f"{path}=raw:{copy}")
    out = boot.path(name + ".cpio")
    subprocess.run([sys.executable, "tools/mkinitrd.py", out, *entries], check=True)
    return os.path.relpath(out, boot.ROOT)
