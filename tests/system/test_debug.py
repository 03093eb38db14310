#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The hypervisor with its own checks on (DEBUG=1: assertions, lock ranks and owners) under load on
several CPUs: whatever a guest does, no check of ours may fail, and no memory may get lost."""

import http.client
import os
import subprocess
import sys
import threading
import time
import urllib.request

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "tools"))
import boot  # noqa: E402
import qemu  # noqa: E402

FOREVER = 240  # s; a guard against hangs, not a measure
ROUNDS = 10
VCPUS = 16
passed = failed = 0


def report(ok, name, reason=""):
    global passed, failed
    passed += ok
    failed += not ok
    print(f"{'PASS' if ok else 'FAIL'} debug/{name}{'' if ok else ': ' + reason}", flush=True)


def our_fault(machine):
    """What the hypervisor said when one of its checks failed, or an empty string."""
    lines = machine.lines
    found = [i for i, line in enumerate(lines) if "Paravane panic" in line]
    return " | ".join(lines[found[0]:found[0] + 8]) if found else ""


def run_kernel(name, kernel, cpus):
    """A kernel that tests itself as dom0's, up to its result; what it finds is another test's. It is its
    own module, for guests of the same kind."""
    iso = boot.make_iso(f"debug-{name}", "paravane", kernel, initrd=kernel,
                        options=f"noreboot dom0_max_vcpus={VCPUS}", bios_only=True)
    with qemu.Machine(iso, serial=boot.path(f"debug-{name}.log"), cpus=cpus) as machine:
        try:
            machine.wait_for(r"^RESULT |Paravane panic", timeout=FOREVER)
            machine.wait_for(r"^\(PV\) (Halted|dom0 has|noreboot)", timeout=10)
        except qemu.QemuTimeout as error:
            if not any(line.startswith("RESULT") for line in machine.lines):
                report(False, name, our_fault(machine) or str(error))
                return
        report(not our_fault(machine), name, our_fault(machine))


def fetch_until(stop, url):
    """Traffic through disk, network and grants for as long as there is a guest to answer."""
    while not stop.is_set():
        try:
            with urllib.request.urlopen(url, timeout=3) as reply:
                reply.read()
        except (OSError, http.client.HTTPException):
            time.sleep(0.02)


def free_pages(machine):
    machine.send("xl info")
    return machine.wait_for(r"^free_pages\s*:\s*(\d+)", timeout=FOREVER)[1]


def create_and_destroy(machine, rounds):
    for _ in range(rounds):
        machine.send("xl create web.cfg")
        machine.wait_for(r"^Parsing config", timeout=FOREVER)
        time.sleep(0.5)  # in the middle of its traffic
        machine.send("xl destroy web")
        machine.wait_for(r"destroy web", timeout=FOREVER)


def run_rounds(cpus):
    """Guests that are destroyed in the middle of their traffic leave nothing behind."""
    name = f"rounds-{cpus}-cpus"
    iso = boot.chain_iso("paravane", f"debug-{name}", guests="web.cfg", options="noreboot")
    disk = boot.make_volume("debug", {"big.bin": boot.pattern(4 << 20, "debug")})
    port = boot.free_port()
    stop = threading.Event()
    with boot.chain_machine(iso, disk, port, serial=boot.path(f"debug-{name}.log"),
                            cpus=cpus) as machine:
        traffic = threading.Thread(target=fetch_until, daemon=True,
                                   args=(stop, f"http://127.0.0.1:{port}/files/big.bin"))
        traffic.start()
        try:
            machine.wait_for(r"dom0[>#:] ?$", timeout=FOREVER)
            machine.send("xl destroy web")
            create_and_destroy(machine, 2)  # what is allocated once
            before = free_pages(machine)
            create_and_destroy(machine, ROUNDS)
            after = free_pages(machine)
            report(not our_fault(machine) and before == after, name,
                   our_fault(machine) or f"{before} pages free before, {after} after")
        except qemu.QemuTimeout as error:
            report(False, name, our_fault(machine) or str(error))
        stop.set()


def main():
    subprocess.run(["make", "B=build/debug", "DEBUG=1", "hypervisor"], check=True,
                   stdout=subprocess.DEVNULL)
    boot.HYPERVISORS["paravane"] = "build/debug/hypervisor/paravane.elf"
    for name in ("selftest", "conformance"):
        kernel = f"build/guests/{name}.elf"
        if os.path.exists(kernel):
            run_kernel(name, kernel, cpus=2)
    for cpus in (1, 4):
        run_rounds(cpus)
    print(f"RESULT {passed} passed, {failed} failed")
    return failed != 0


if __name__ == "__main__":
    sys.exit(main())
