# SPDX-License-Identifier: MIT
"""Instructions of the hypervisor for a send, when 1, 2 and 4 vcpus of one domain send at the same time.

Each CPU of the machine has a thread of QEMU here, so that they really meet at locks; a plugin counts
(tests/bench/count.c). How often they meet depends on the host, so the figures vary a little.
"""

import os
import re
import struct
import subprocess

import boot
import qemu

PLUGIN = os.path.join(boot.ROOT, "build", "count.so")
SENDERS = (1, 2, 4)


def text_range():
    """Where the hypervisor's text lies."""
    symbols = subprocess.run(["nm", os.path.join(boot.ROOT, boot.HYPERVISORS["paravane"])], capture_output=True,
                             text=True, check=True).stdout
    return [re.search(rf"^(\w+) . {name}$", symbols, re.M)[1] for name in ("text_start", "text_end")]


def count(senders):
    """(sends, instructions of the hypervisor until then)"""
    iso = boot.make_iso("senders", "paravane", "build/guests/bench.elf", f"senders={senders}", bios_only=True)
    start, end = text_range()
    out = boot.path("senders.count")
    plugin = f"{PLUGIN},from={start},to={end},out={out}"
    with qemu.Machine(iso, serial=boot.path("senders.log"), cpu="qemu64", cpus=4, extra=["-plugin", plugin]) as machine:
        sends = int(machine.wait_for(r"SENDS (-?\d+)", 120)[1])
        if sends < 0:
            raise SystemExit(f"senders: the guest was refused: {sends}")
        with open(out, "rb") as file:
            return sends, sum(cpu for cpu, *_ in struct.iter_unpack("<8Q", file.read()))


def report():
    subprocess.run(["gcc", "-std=gnu11", "-O2", "-shared", "-fPIC", os.path.join(boot.ROOT, "tests/bench/count.c"),
                    "-o", PLUGIN], check=True)
    _, others = count(0)
    print("instructions per send, all vcpus at the same time")
    for senders in SENDERS:
        sends, total = count(senders)
        print(f"{senders:>3} vcpus {(total - others) / sends:8.0f}")
