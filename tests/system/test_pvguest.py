#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""pvguest's own tests as dom0's kernel, on each hypervisor and with little and much memory.

hello runs in 4 MiB, the least that is promised.
"""

import os
import re
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "tools"))
import boot  # noqa: E402
import qemu  # noqa: E402

CASE = re.compile(r"^(PASS|FAIL) (pvguest-\w+)/(\w+)(.*)$")
BOOTS = [("8M", "max"), ("512M", "qemu64"), ("2500M", "max")]
# What a guest says before it ends by a fault of its own.
CRASHES = {
    "null": r"UNHANDLED EXCEPTION 14 \(page fault\), error code [26], thread main",
    "assert": r"PANIC in thread main: .*selftest\.c:\d+: kind == NULL is false",
    "overflow": r"STACK OVERFLOW in thread main: rsp [0-9a-f]+, function ffffffff8",
    "overflow-thread": r"STACK OVERFLOW in thread deep: ",
    "overflow-frame": r"",  # without words, but not without end: it hits the guard page
    "handler": r"DOUBLE FAULT: exception 14 \(page fault\) at rip ffffffff8.* within the handler of the same",
    "abort": r"PANIC in thread main: signal 6",
    "status": r"EXIT STATUS 3$",
    "heap-over": r"HEAP FAULT: overrun: block [0-9a-f]+ of 24 bytes, allocated by f{8}8",
    "heap-under": r"HEAP FAULT: underrun or no block: block [0-9a-f]+, found by f{8}8",
    "heap-twice": r"HEAP FAULT: double free: block [0-9a-f]+ of 24 bytes, freed by f{8}8",
    "heap-late": r"HEAP FAULT: written after free: block [0-9a-f]+ of 24 bytes, freed by f{8}8",
}
passed = failed = 0


def report(ok, name, reason=""):
    global passed, failed
    passed += ok
    failed += not ok
    print(f"{'PASS' if ok else 'FAIL'} {name}{'' if ok else ': ' + reason}", flush=True)


def run_selftest(hv, memory, cpu, guest="selftest"):
    label = memory if guest == "selftest" else guest
    iso = boot.make_iso(f"selftest-{hv}", hv, f"build/guests/{guest}.elf", options="noreboot",
                        memory=memory, bios_only=True)
    log = boot.path(f"selftest-{hv}-{label}.log")
    with qemu.Machine(iso, serial=log, cpu=cpu, memory=3072 if memory == "2500M" else 1024) as machine:
        while True:
            try:
                line = machine.read_line(60)
            except qemu.QemuTimeout:
                line = None
            if line is None or line.startswith("RESULT "):
                break
            found = CASE.match(line)
            if found:
                report(found[1] == "PASS", f"{found[2]}/{hv}-{label}-{found[3]}", found[4].lstrip(": "))
        report(line is not None, f"pvguest-boot/{hv}-{label}", "no RESULT line; " + machine.tail())


def run_guest(hv):
    """The same tests in a guest that dom0 creates: console ring, store page, 16 MiB."""
    iso = boot.chain_iso(hv, f"selftest-guest-{hv}", options="noreboot", bios_only=True)
    with qemu.Machine(iso, serial=boot.path(f"selftest-{hv}-guest.log")) as machine:
        line = None
        try:
            machine.wait_for(r"^dom0# ", timeout=60)
            machine.send("xl create -c /guests/selftest.cfg")
            while line is None or not line.startswith("RESULT "):
                line = machine.read_line(60)
                found = CASE.match(line or "RESULT ")
                if found:
                    report(found[1] == "PASS", f"{found[2]}/{hv}-guest-{found[3]}", found[4].lstrip(": "))
            ended = re.compile(r"domain 1 \(selftest\) has shut down, reason poweroff")
            if not any(ended.search(seen) for seen in machine.lines):  # it may overtake the console
                machine.wait_for(ended.pattern, timeout=20)
            report(True, f"pvguest-boot/{hv}-guest")
        except qemu.QemuTimeout as error:
            report(False, f"pvguest-boot/{hv}-guest", str(error))


def run_console(hv):
    """What is typed into a guest's console comes back from it, more than the ring holds included."""
    iso = boot.chain_iso(hv, f"selftest-console-{hv}", "auto=", options="noreboot", bios_only=True)
    name = f"pvguest-console/{hv}"
    with qemu.Machine(iso, serial=boot.path(f"selftest-{hv}-console.log")) as machine:
        try:
            machine.wait_for(r"^dom0# ", timeout=60)
            machine.send("xl create -c /guests/selftest.cfg \"extra='echo'\"")
            machine.wait_for(r"^echo: ready", timeout=20)
            for i in range(20):
                text = f"line {i} " + "x" * 80
                machine.send(text)
                machine.wait_for(f"^echo: {text}$", timeout=20)
            machine.send("quit")
            machine.wait_for(r"reason poweroff", timeout=20)
            report(True, name)
        except qemu.QemuTimeout as error:
            report(False, name, str(error))


def run_hello(hv):
    iso = boot.make_iso(f"hello-{hv}", hv, "build/guests/hello.elf", "greeting", options="noreboot",
                        memory="4M", bios_only=True)
    with qemu.Machine(iso, serial=boot.path(f"hello-{hv}.log")) as machine:
        try:
            machine.wait_for(r"^argument 1: greeting", timeout=60)
            machine.wait_for(r"^up \d", timeout=10)
            report(True, f"pvguest-boot/{hv}-hello-4M")
        except qemu.QemuTimeout as error:
            report(False, f"pvguest-boot/{hv}-hello-4M", str(error))


def run_crash(hv, kind):
    guest = "selftest-heap" if kind.startswith("heap") else "selftest"
    arguments = "status=3" if kind == "status" else f"crash={kind}"
    iso = boot.make_iso(f"selftest-{hv}", hv, f"build/guests/{guest}.elf", arguments,
                        options="noreboot", memory="8M", bios_only=True)
    with qemu.Machine(iso, serial=boot.path(f"selftest-{hv}-{kind}.log")) as machine:
        try:
            machine.wait_for(CRASHES[kind], timeout=60)
            if kind == "null":
                machine.wait_for(r"^rip e030:ffffffff8", timeout=10)
                machine.wait_for(r"^trace: ffffffff8", timeout=10)
            machine.wait_for(r"(?i)dom(ain )?0 (has )?crashed", timeout=10)
            report(True, f"pvguest-crash/{hv}-{kind}")
        except qemu.QemuTimeout as error:
            report(False, f"pvguest-crash/{hv}-{kind}", str(error))


for hypervisor in sys.argv[1:] or ("paravane", "xen"):
    if boot.available(hypervisor):
        run_hello(hypervisor)
        for amount, model in BOOTS:
            run_selftest(hypervisor, amount, model)
        run_selftest(hypervisor, "8M", "max", "selftest-heap")
        run_guest(hypervisor)
        run_console(hypervisor)
        for end in CRASHES:
            run_crash(hypervisor, end)
print(f"RESULT {passed} passed, {failed} failed")
sys.exit(failed != 0)
