# SPDX-License-Identifier: MIT
"""The chain: time to the prompt, xl create and destroy with few and many guests, memory of a guest.

Guest time under -icount, one CPU: one instruction is one nanosecond. HTTP throughput is in host time,
because it is a matter of host and guest together.
"""

import os
import re
import subprocess
import time
import urllib.request

import boot
import qemu

OTHERS = 20
ROUNDS = 5
GUEST_PAGES = 1024  # hello.cfg: 4 MiB
FILE_BYTES = 16 << 20


class Shell:
    """dom0's shell on the serial console."""

    def __init__(self, machine):
        self.machine = machine
        machine.wait_for(r"dom0# ?$", 120)

    def run(self, command, timeout=120):
        """The lines that the command printed."""
        start = len(self.machine.lines)
        self.machine.send(command)
        self.machine.wait_for(r"dom0# ?$", timeout)
        return self.machine.lines[start:]

    def time_us(self, command):
        for line in self.run(f'time "{command}"'):
            found = re.search(r"time: (\d+) us", line)
            if found:
                return int(found.group(1))
        raise RuntimeError(f"{command}: no time")

    def free_pages(self):
        for line in self.run("xl info"):
            found = re.match(r"free_pages\s*: (\d+)", line)
            if found:
                return int(found.group(1))
        raise RuntimeError("xl info: no free_pages")


def median(values):
    return sorted(values)[len(values) // 2]


def create_and_destroy(shell, rounds=ROUNDS):
    """Medians in microseconds."""
    creates, destroys = [], []
    for _ in range(rounds):
        creates.append(shell.time_us("xl create -p -q hello.cfg"))
        destroys.append(shell.time_us("xl destroy hello"))
    return median(creates), median(destroys)


def report_domains(hv):
    iso = boot.chain_iso(hv, f"bench-{hv}", guests="", bios_only=True)
    with qemu.Machine(iso, icount=True, cpu="qemu64", memory=1024) as machine:
        shell = Shell(machine)
        ready = next((line for line in machine.lines if "dom0: ready after" in line), "")
        print(f"{hv}: {ready.strip()} (guest time since the hypervisor's clock began)")
        before = shell.free_pages()
        create, destroy = create_and_destroy(shell)
        print(f"{hv}: create {create} us, destroy {destroy} us of a 4 MiB guest, no others")
        for i in range(OTHERS):
            shell.run(f"xl create -p -q hello.cfg 'name=\"other{i}\"'")
        used = before - shell.free_pages()
        create, destroy = create_and_destroy(shell)
        print(f"{hv}: create {create} us, destroy {destroy} us with {OTHERS} others")
        extra = used / OTHERS - GUEST_PAGES
        print(f"{hv}: {extra * 4:.0f} KiB of memory a guest besides its own 4 MiB")


def report_http(hv):
    iso = boot.chain_iso(hv, f"bench-http-{hv}", bios_only=True)
    disk = boot.make_volume("bench", {"big.bin": boot.pattern(FILE_BYTES, "bench")})
    port = boot.free_port()
    url = f"http://127.0.0.1:{port}/"
    with boot.chain_machine(iso, disk, port, cpu="qemu64") as machine:
        begin = time.monotonic()
        machine.wait_for(r"dom0: ready", 120)
        prompt = time.monotonic() - begin
        while subprocess.run(["curl", "-s", "-m", "5", "-o", os.devnull, url], check=False).returncode:
            time.sleep(0.1)
        page = time.monotonic() - begin
        start = time.monotonic()
        with urllib.request.urlopen(url + "files/big.bin", timeout=120) as reply:
            size = len(reply.read())
        seconds = time.monotonic() - start
        print(f"{hv}: power-on to prompt {prompt:.1f} s, to the page {page:.1f} s of host time")
        print(f"{hv}: HTTP {size / seconds / 1e6:.1f} MB/s from the guest's disk to the host")


def report():
    print("chain")
    for hv in boot.HYPERVISORS:
        if boot.available(hv):
            report_domains(hv)
            report_http(hv)
