# SPDX-License-Identifier: MIT
"""The whole chain: from power-on to the page, create and destroy, memory a guest, HTTP throughput.

Create and destroy are counted in guest time (-icount: instructions); boot and HTTP are in seconds of this
machine, the best of three for HTTP.
"""

import re
import time
import urllib.request

import boot
import qemu

OTHERS = 20
FILE_BYTES = 16 << 20
PROMPT = r"^dom0# "
FIRST_LINES = {"paravane": r"\(PV\) Paravane", "xen": r"Xen version"}
ROWS = [
    ("boot", "hypervisor's first line to prompt", "s"),
    ("page", "power-on to first page served", "s"),
    ("create0", "xl create, 4 MiB, no other guests", "us"),
    ("destroy0", "xl destroy", "us"),
    (f"create{OTHERS}", f"xl create, {OTHERS} other guests", "us"),
    (f"destroy{OTHERS}", f"xl destroy, {OTHERS} other guests", "us"),
    ("overhead", "hypervisor memory for a 4 MiB guest", "KiB"),
    ("http", "HTTP, guest to host, 16 MiB file", "MB/s"),
]


def command(machine, text):
    """Types a shell command; returns its output lines."""
    machine.send(text)
    machine.wait_for(re.escape(text) + "$", 60)
    seen = len(machine.lines)
    machine.send("echo bench-mark")
    machine.wait_for(r"^bench-mark", 120)
    return machine.lines[seen:]


def number(lines, pattern):
    for line in lines:
        match = re.search(pattern, line)
        if match:
            return int(match[1])
    raise ValueError(f"no {pattern!r} in {lines!r}")


def create(machine, name):
    """Creates a paused 4 MiB guest; microseconds."""
    text = f"""time "xl create -p /guests/hello.cfg \\"name='{name}'\\"\""""
    return number(command(machine, text), r"time: (\d+) us")


def measure_guests(hv, found):
    iso = boot.chain_iso(hv, f"bench-guests-{hv}", "auto=", options="noreboot", bios_only=True)
    log = boot.path(f"bench-guests-{hv}.log")
    with qemu.Machine(iso, serial=log, cpu="qemu64", icount=True) as machine:
        machine.wait_for(PROMPT, 120)
        create(machine, "warm")  # the second one finds pages and names in place
        command(machine, "xl destroy warm")
        before = number(command(machine, "xl info"), r"free_pages +: (\d+)")
        found["create0"] = create(machine, "first")
        after = number(command(machine, "xl info"), r"free_pages +: (\d+)")
        found["overhead"] = (before - after) * 4 - 4096
        found["destroy0"] = number(command(machine, 'time "xl destroy first"'), r"time: (\d+) us")
        for i in range(OTHERS):
            create(machine, f"other{i}")
        found[f"create{OTHERS}"] = create(machine, "last")
        found[f"destroy{OTHERS}"] = number(command(machine, 'time "xl destroy last"'),
                                           r"time: (\d+) us")


def fetch(url, deadline):
    while True:
        try:
            with urllib.request.urlopen(url, timeout=30) as reply:
                return reply.read()
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)


def measure_chain(hv, found):
    iso = boot.chain_iso(hv, f"bench-chain-{hv}", options="noreboot", bios_only=True)
    disk = boot.make_volume("bench", {"big.bin": boot.pattern(FILE_BYTES, "bench")})
    port = boot.free_port()
    with boot.chain_machine(iso, disk, port, serial=boot.path(f"bench-chain-{hv}.log")) as machine:
        machine.wait_for(FIRST_LINES[hv], 60)
        first = machine.elapsed()
        machine.wait_for(PROMPT, 60)
        found["boot"] = round(machine.elapsed() - first, 2)
        fetch(f"http://127.0.0.1:{port}/", time.monotonic() + 60)
        found["page"] = round(machine.elapsed(), 2)
        best = None
        for _ in range(3):
            start = time.monotonic()
            fetch(f"http://127.0.0.1:{port}/files/big.bin", start + 60)
            taken = time.monotonic() - start
            best = taken if best is None else min(best, taken)
        found["http"] = round(FILE_BYTES / best / 1e6, 1)


def measure(hv):
    """What could be measured; a step that fails is named and its rows stay empty."""
    found = {}
    for step in (measure_chain, measure_guests):
        try:
            step(hv, found)
        except (qemu.QemuTimeout, OSError, ValueError) as error:
            print(f"{step.__name__} on {hv}: {error}")
    return found


def report():
    results = {hv: measure(hv) for hv in ("paravane", "xen") if boot.available(hv)}
    print(f"{'the whole chain':<40}{'Paravane':>12}{'Xen':>12}")
    for key, words, unit in ROWS:
        cells = [results.get(hv, {}).get(key, "-") for hv in ("paravane", "xen")]
        print(f"{words + ', ' + unit:<40}{cells[0]:>12}{cells[1]:>12}")
