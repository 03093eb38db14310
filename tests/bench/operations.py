# SPDX-License-Identifier: MIT
"""Instructions for single operations of a guest, on Paravane and on Xen, from the guest `bench`.

Xen runs with spec-ctrl=no, because Paravane has no such defences yet.
"""

import re

import boot
import qemu

LINE = re.compile(r"^BENCH ([\w-]+) (\d+)$")


def measure(hv):
    """{operation: instructions}; what is missing when the guest did not reach its end stays out."""
    options = "noreboot" + (" spec-ctrl=no" if hv == "xen" else "")
    iso = boot.make_iso(f"bench-{hv}", hv, "build/guests/bench.elf", options=options, bios_only=True)
    found = {}
    with qemu.Machine(iso, serial=boot.path(f"bench-{hv}.log"), cpu="qemu64", icount=True) as machine:
        while True:
            try:
                line = machine.read_line(120)
            except qemu.QemuTimeout:
                line = None
            if line is None or line.startswith("BENCH-END"):
                return found
            match = LINE.match(line)
            if match:
                found[match[1]] = int(match[2])


def report():
    results = {hv: measure(hv) for hv in ("paravane", "xen") if boot.available(hv)}
    names = list(dict.fromkeys(name for result in results.values() for name in result))
    print(f"{'instructions per operation':<28}{'Paravane':>10}{'Xen':>10}{'ratio':>8}")
    for name in names:
        ours, theirs = (results.get(hv, {}).get(name) for hv in ("paravane", "xen"))
        ratio = f"{ours / theirs:.2f}" if ours and theirs else "-"
        print(f"{name:<28}{ours or '-':>10}{theirs or '-':>10}{ratio:>8}")
