#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Paravane boots: under BIOS and UEFI, on 1, 2 and 4 CPUs, on both base lines of CPUs, in little and
in much memory, with the hello guest as dom0's kernel; and with dom0, its drivers and the web guest.
And boots that must fail, saying why."""

import os
import re
import sys
import time
import urllib.request

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "tools"))
import boot  # noqa: E402
import qemu  # noqa: E402

KERNEL = "build/guests/hello.elf"
FOREVER = 120  # s; a guard against hangs, not a measure

# name: firmware, CPUs, model, MiB
BOOTS = {
    "bios-1": ("bios", 1, "max", 512),
    "bios-2": ("bios", 2, "max", 1024),
    "bios-4": ("bios", 4, "qemu64", 1024),
    "uefi-1": ("uefi", 1, "qemu64", 1024),
    "uefi-2": ("uefi", 2, "max", 1024),
    "uefi-4": ("uefi", 4, "max", 6144),
    "smap": ("bios", 2, "max-smap", 512),
    "64-cpus": ("bios", 64, "max", 1024),
    "64-gib": ("bios", 1, "max", 65536),
}
# The whole chain; BIOS on one CPU is `make demo`.
CHAINS = {
    "chain-bios-4": ("bios", 4, "max"),
    "chain-uefi-1": ("uefi", 1, "qemu64"),
    "chain-uefi-2": ("uefi", 2, "max"),
}
passed = failed = 0


def report(ok, name, reason=""):
    global passed, failed
    passed += ok
    failed += not ok
    print(f"{'PASS' if ok else 'FAIL'} boot/{name}{'' if ok else ': ' + reason}", flush=True)


def memory_args(mib):
    """QEMU touches little of a big guest's memory: do not ask the host to reserve it."""
    return ("-object", f"memory-backend-ram,id=ram,size={mib}M,reserve=off",
            "-machine", "memory-backend=ram")


def run_boot(name, firmware, cpus, model, memory):
    """The log says what the machine has, dom0's kernel runs and ends, nothing of ours failed."""
    iso = boot.make_iso("boot", "paravane", KERNEL, "greeting", options="noreboot", memory="64M")
    log = boot.path(f"boot-{name}.log")
    with qemu.Machine(iso, serial=log, cpu=model, cpus=cpus, memory=memory,
                      firmware=firmware, extra=memory_args(memory)) as machine:
        try:
            machine.wait_for(r"^\(PV\) Paravane", timeout=FOREVER)
            first = machine.elapsed()
            machine.wait_for(rf"^\(PV\) {cpus} CPUs? online", timeout=FOREVER)
            machine.wait_for(r"^argument 1: greeting", timeout=FOREVER)
            started = machine.elapsed()
            machine.wait_for(r"^up \d", timeout=FOREVER)
            report(not any("panic" in line for line in machine.lines), name, machine.tail())
            print(f"  {name}: hypervisor after {first:.1f} s, dom0 {started - first:.2f} s later")
        except qemu.QemuTimeout as error:
            report(False, name, str(error))


def fetch_page(url, deadline):
    """The web guest's page, as soon as it answers."""
    while True:
        try:
            with urllib.request.urlopen(url, timeout=5) as reply:
                return reply.read().decode("utf-8", "replace")
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)


def run_chain(name, firmware, cpus, model):
    """dom0 finds its devices wherever this firmware put them, and the guest serves its page."""
    iso = boot.chain_iso("paravane", "boot-chain", guests="web.cfg", options="noreboot")
    disk = boot.make_volume("boot-chain", {"hello.txt": b"hello\n"})
    port = boot.free_port()
    with boot.chain_machine(iso, disk, port, serial=boot.path(f"boot-{name}.log"), firmware=firmware,
                            cpus=cpus, cpu=model) as machine:
        try:
            machine.wait_for(r"^dom0: ready", timeout=FOREVER)
            page = fetch_page(f"http://127.0.0.1:{port}/", time.monotonic() + FOREVER)
            machine.send("halt")
            status = machine.wait_exit(FOREVER)
            report("uptime" in page and status == 0, name, f"status {status}, page: {page[:200]}")
        except (qemu.QemuTimeout, OSError) as error:
            report(False, name, str(error))


def run_refusal(name, kernel, expected):
    """A module that cannot be dom0's kernel ends in a report that names the reason."""
    iso = boot.make_iso("boot-refusal", "paravane", kernel, options="noreboot", bios_only=True)
    with qemu.Machine(iso, serial=boot.path(f"boot-{name}.log")) as machine:
        try:
            machine.wait_for(expected, timeout=FOREVER)
            machine.wait_for(r"^\(PV\) Halted", timeout=FOREVER)
            report(any(re.search(r"dom0_build\+0x", line) for line in machine.lines), name,
                   "no symbols in the call trace")
        except qemu.QemuTimeout as error:
            report(False, name, str(error))


def bad_kernels():
    """Files that are almost a kernel."""
    with open(KERNEL, "rb") as file:
        image = file.read()
    variants = {
        "not-elf": (b"#!/bin/sh\nexit 0\n" * 64, r"dom0: .*ELF"),
        "32-bit": (image[:4] + b"\x01" + image[5:], r"dom0: .*(64|ELF)"),
        "truncated": (image[:len(image) // 8], r"dom0: "),
    }
    for name, (data, expected) in variants.items():
        path = boot.path(f"kernel-{name}")
        with open(path, "wb") as file:
            file.write(data)
        yield name, path, expected


def main():
    wanted = sys.argv[1:]
    for name, (firmware, cpus, model, memory) in BOOTS.items():
        if not wanted or name in wanted:
            run_boot(name, firmware, cpus, model, memory)
    for name, (firmware, cpus, model) in CHAINS.items():
        if not wanted or name in wanted:
            run_chain(name, firmware, cpus, model)
    for name, path, expected in bad_kernels():
        if not wanted or name in wanted:
            run_refusal(name, path, expected)
    print(f"RESULT {passed} passed, {failed} failed")
    return failed != 0


if __name__ == "__main__":
    sys.exit(main())
