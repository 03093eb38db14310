#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Disks: dom0's own driver, back and front ends, on Debian's Xen and on Paravane.

The self-test in dom0 plays hostile front ends. A guest writes a disk and the host verifies the image;
guests with a missing, a busy and a read-only disk; guests killed in the middle of their traffic."""

import os
import re
import struct
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "tools"))
import boot  # noqa: E402
import qemu  # noqa: E402

FOREVER = 180  # s; a guard against hangs, not a measure
MIB = 1 << 20
DISK_MIB = 32
CHECK = "/guests/disk-check.cfg"
KILL_ROUNDS = int(os.environ.get("ROUNDS", "200"))
END = r"^disk-check: (ok|FAILED)"  # the guest's last line
GOLDEN = 0x9E3779B97F4A7C15
passed = failed = 0


def report(ok, name, reason=""):
    global passed, failed
    passed += ok
    failed += not ok
    print(f"{'PASS' if ok else 'FAIL'} disk/{name}{'' if ok else ': ' + reason}", flush=True)


def make_disk(name):
    """An image that is empty."""
    path = os.path.join(boot.BOOT, name + ".img")
    os.makedirs(boot.BOOT, exist_ok=True)
    with open(path, "wb") as file:
        file.truncate(DISK_MIB * MIB)
    return path


def image_wrong(path, mib, seed):
    """Index of the first 64-bit word that is not what disk-check writes, or None."""
    with open(path, "rb") as file:
        for index, (word,) in enumerate(struct.iter_unpack("<Q", file.read(mib * MIB))):
            if word != (seed + index) * GOLDEN & (1 << 64) - 1:
                return index
    return None


class Chain:
    """One booted machine with dom0's prompt; knows how to run commands and to see their output."""

    def __init__(self, machine):
        self.machine = machine
        self.count = 0

    def run(self, command, until=None):
        """Types a command; gives the lines up to the one that matches `until`, or to its end. A
        mark is typed behind it; again if the hypervisor's log has torn the mark's line."""
        start = len(self.machine.lines)
        self.machine.send(command)
        if until:
            self.machine.wait_for(until, timeout=FOREVER)
            time.sleep(0.5)
        self.count += 1
        for last in (False, False, True):
            self.machine.send(f"echo mark-{self.count}")
            try:
                self.machine.wait_for(rf"^mark-{self.count}", timeout=FOREVER if last else 60)
                break
            except qemu.QemuTimeout:
                if last:
                    raise
        return self.machine.lines[start:]

    def check(self, name, command, pattern, until=None):
        """A case: the command's output has a line like this."""
        lines = self.run(command, until)
        ok = any(re.search(pattern, line) for line in lines)
        report(ok, name, " | ".join(lines[-4:]))

    def number(self, command, pattern):
        for line in self.run(command):
            match = re.search(pattern, line)
            if match:
                return int(match.group(1))
        return None


def check_guests(chain, hv, image):
    create = f"xl create -c {CHECK}"
    chain.check(f"{hv}/guest-writes", f"{create} 'extra=\"mib=16 seed=7\"'", r"^disk-check: ok", END)
    chain.check(f"{hv}/guest-reads-back",
                f"{create} 'extra=\"verify mib=16 seed=7\"'", r"^disk-check: ok", END)
    wrong = image_wrong(image, 16, 7)
    report(wrong is None, f"{hv}/image-on-the-host", f"word {wrong}")
    chain.check(f"{hv}/guest-read-only",
                f"{create} 'disk=[\"phy:vdisk1,xvda,r\"]' 'extra=\"disk=xvda mib=1\"'", r": EROFS", END)
    chain.check(f"{hv}/guest-missing-disk",
                f"{create} 'disk=[\"phy:vdisk9,xvda,w\"]'", r"vdisk9")
    chain.run(f"xl create -q {CHECK} 'extra=\"loop mib=1\"'")
    chain.check(f"{hv}/guest-busy-disk",
                f"xl create -q {CHECK} 'name=\"second\"' 'extra=\"mib=1\"'; sleep 1", r"in use|busy|BUSY")
    chain.run("xl destroy disk-check")
    chain.run("xl destroy second")
    chain.run("sleep 1")


def check_killed(chain, hv):
    """Everything of a guest that dies in the middle of its transfers comes back."""
    round_ = f"xl create -q {CHECK} 'extra=\\\"loop mib=4\\\"'; sleep 0.1; xl destroy disk-check"
    chain.run(f'repeat 2 "{round_}"')  # what is kept for good is there now
    pages = chain.number("sleep 1; xl info", r"^free_pages\s*: (\d+)")
    own = chain.number("free", r"free (\d+) KiB")
    status = chain.number(f'repeat {KILL_ROUNDS} "{round_}"', r"^repeat:.*status (\d+)")
    after = chain.number("sleep 1; xl info", r"^free_pages\s*: (\d+)")
    own_after = chain.number("free", r"free (\d+) KiB")
    print(f"  {hv}: {KILL_ROUNDS} rounds, dom0's own free memory {own} -> {own_after} KiB", flush=True)
    report(status == 0 and pages is not None and pages == after, f"{hv}/killed-in-traffic",
           f"status {status}, free pages {pages} before, {after} after")


def run(hv):
    disks = [make_disk(f"disk-{hv}-0"), make_disk(f"disk-{hv}-1")]
    iso = boot.make_iso(f"disk-{hv}", hv, boot.DOM0, "auto=", initrd=boot.INITRD, memory="192M")
    with qemu.Machine(iso, serial=f"build/boot/disk-{hv}.log", disks=disks) as machine:
        machine.wait_for(r"dom0: ready", timeout=FOREVER)
        chain = Chain(machine)
        for line in chain.run("selftest disk vdisk0"):
            match = re.match(r"(PASS|FAIL) disk/([^:]+)(?:: (.*))?$", line)
            if match:
                report(match.group(1) == "PASS", f"{hv}/{match.group(2)}", match.group(3) or "")
        check_guests(chain, hv, disks[1])
        check_killed(chain, hv)


def main():
    os.chdir(boot.ROOT)
    for hv in sys.argv[1:] or [hv for hv in ("xen", "paravane") if boot.available(hv)]:
        try:
            run(hv)
        except qemu.QemuTimeout as error:
            report(False, f"{hv}/machine", str(error))
    print(f"RESULT {passed} passed, {failed} failed")
    return 0 if failed == 0 else 1


if __name__ == "__main__":
    sys.exit(main())
