#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Disks: dom0's own driver, back and front ends, on Debian's Xen and on Paravane.

The self-test in dom0 plays hostile front and back ends. A guest writes a disk and the host verifies the
image; guests with a missing, a busy and a read-only disk, and one with sectors of 4 KiB; guests killed
in the middle of their traffic (ROUNDS=N sets how many). test_disk.py [xen] [paravane]"""

import os
import re
import struct
import sys
import time

import chain
from chain import FOREVER, Report, boot, qemu

MIB = 1 << 20
DISK_MIB = 32
CREATE = "xl create -c /guests/disk-check.cfg"
CREATE_QUIET = "xl create -q /guests/disk-check.cfg"
END = r"^disk-check: (ok|FAILED)"  # the guest's last line
ROUNDS = int(os.environ.get("ROUNDS", "200"))
GOLDEN = 0x9E3779B97F4A7C15


def make_disk(name):
    """An image that is empty."""
    path = boot.path(name + ".img")
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


class DiskChain(chain.Chain):
    """dom0 with empty disks vdisk0, vdisk1 and vdisk2, whose sectors have 4 KiB; no network card."""

    def __init__(self, hv):
        iso = boot.make_iso(f"disk-{hv}", hv, boot.DOM0, "auto=", initrd=boot.INITRD, memory="192M",
                            bios_only=True)
        self.counter = 0
        self.images = [make_disk(f"disk-{hv}-{index}") for index in range(3)]
        self.machine = qemu.Machine(
            iso, serial=boot.path(f"disk-{hv}.log"), disks=self.images[:2], accel=boot.ACCEL[hv],
            extra=("-drive", f"if=none,id=large,format=raw,file={self.images[2]}", "-device",
                   "virtio-blk-pci,drive=large,disable-legacy=on,logical_block_size=4096,"
                   "physical_block_size=4096"))

    def attached(self, command):
        """A create with the guest's console, which takes what is typed: the lines up to its last."""
        start = len(self.machine.lines)
        self.machine.send(command)
        self.machine.wait_for(END, FOREVER)
        time.sleep(0.5)
        return "\n".join(self.machine.lines[start:])

    def own_memory(self):
        return int(self.wait_until("free", r"free (\d+) KiB").group(1))


def check_guests(c, report, hv):
    def case(name, text, pattern):
        report.case(f"{hv}/{name}", re.search(pattern, text, re.M), text[-300:])

    def image_case(name, path, mib, seed):
        wrong = image_wrong(path, mib, seed)
        report.case(f"{hv}/{name}", wrong is None, f"word {wrong} is wrong")

    case("guest-writes", c.attached(f"{CREATE} 'extra=\"mib=16 seed=7\"'"), r"^disk-check: ok")
    case("guest-reads-back", c.attached(f"{CREATE} 'extra=\"verify mib=16 seed=7\"'"),
         r"^disk-check: ok")
    image_case("image-on-the-host", c.images[1], 16, 7)
    large = "'disk=[\"phy:vdisk2,xvda,w\"]'"
    case("guest-large-sectors", c.attached(f"{CREATE} {large} 'extra=\"mib=4 seed=9\"'"),
         r"^disk-check: ok")
    image_case("large-sectors-on-the-host", c.images[2], 4, 9)
    read_only = "'disk=[\"phy:vdisk1,xvda,r\"]'"
    case("guest-read-only", c.attached(f"{CREATE} {read_only} 'extra=\"disk=xvda mib=1\"'"), r": EROFS")
    case("guest-missing-disk", c.text(f"{CREATE} 'disk=[\"phy:vdisk9,xvda,w\"]'"), r"vdisk9")
    c.shell(f"{CREATE_QUIET} 'extra=\"loop mib=1\"'")
    second = c.text(f"{CREATE_QUIET} 'name=\"second\"' 'extra=\"mib=1\"'; sleep 1")
    case("guest-busy-disk", second, r"in use")
    c.shell("xl destroy disk-check")
    c.shell("xl destroy second")


def check_killed(c, report, hv):
    """Everything of a guest that dies in the middle of its transfers comes back."""
    one = f"{CREATE_QUIET} 'extra=\\\"loop mib=4\\\"'; sleep 0.1; xl destroy disk-check"
    c.shell(f'repeat 2 "{one}"')  # what is kept for good is there now
    c.shell("sleep 1")
    pages, own = c.free_pages(), c.own_memory()
    result = c.text(f'repeat {ROUNDS} "{one}"', FOREVER + ROUNDS)
    c.shell("sleep 1")
    pages_after, own_after = c.free_pages(), c.own_memory()
    print(f"  {hv}: {ROUNDS} rounds, dom0's own free memory {own} -> {own_after} KiB", flush=True)
    report.case(f"{hv}/killed-in-traffic", "status 0" in result and pages == pages_after,
                f"{result}; free pages {pages} before, {pages_after} after")


def run(hv, report):
    with DiskChain(hv) as c:
        for line in c.shell("selftest disk vdisk0"):
            match = re.match(r"(PASS|FAIL) disk/([^:]+)(?:: (.*))?$", line)
            if match:
                report.case(f"{hv}/{match.group(2)}", match.group(1) == "PASS", match.group(3))
        check_guests(c, report, hv)
        check_killed(c, report, hv)


def main():
    os.chdir(boot.ROOT)
    report = Report("disk")
    for hv in sys.argv[1:] or [hv for hv in ("xen", "paravane") if boot.available(hv)]:
        try:
            run(hv, report)
        except (qemu.QemuTimeout, AssertionError) as error:
            report.case(f"{hv}/machine", False, str(error))
    return report.result()


if __name__ == "__main__":
    sys.exit(main())
