#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""`make linux`: Debian's own kernel, unchanged, as dom0 on Paravane, until it asks for a root file system.

Not part of `make test`, because the kernel is a download of 70 MB. The package is fetched by apt
(which checks it) into build/linux; only the compressed payload of its boot image is unpacked.
"""

import glob
import lzma
import os
import re
import struct
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tools"))
import boot  # noqa: E402
import qemu  # noqa: E402

FOLDER = os.path.join(boot.ROOT, "build", "linux")
KERNEL = "build/linux/vmlinux"
# Offsets in the boot header of a bzImage (Linux boot protocol 2.08).
SETUP_SECTORS, PAYLOAD_OFFSET, PAYLOAD_LENGTH = 0x1F1, 0x248, 0x24C
END = re.compile(r"Unable to mount root fs")
BAD = re.compile(r"\bBUG:|\bOops:|general protection fault|\(PV\) .*crash report")
# name: model, CPUs
BOOTS = {"qemu64-1": ("qemu64", 1), "qemu64-2": ("qemu64", 2), "max-1": ("max", 1), "max-4": ("max", 4)}


def package():
    """The kernel that linux-image-amd64 stands for."""
    out = subprocess.run(["apt-cache", "depends", "linux-image-amd64"], capture_output=True, text=True,
                         check=True).stdout
    return re.search(r"Depends: (linux-image-\S+)", out).group(1)


def unpack(image):
    """The ELF inside a bzImage with an xz payload."""
    with open(image, "rb") as file:
        data = file.read()
    offset, length = struct.unpack_from("<II", data, PAYLOAD_OFFSET)
    start = ((data[SETUP_SECTORS] or 4) + 1) * 512 + offset
    # The last four bytes tell the unpacked length.
    return lzma.LZMADecompressor().decompress(data[start:start + length - 4])


def fetch():
    if os.path.exists(os.path.join(boot.ROOT, KERNEL)):
        return
    os.makedirs(FOLDER, exist_ok=True)
    name = package()
    print(f"  GET {name}", flush=True)
    subprocess.run(["apt-get", "download", name], cwd=FOLDER, check=True,
                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    archive = glob.glob(os.path.join(FOLDER, f"{name}_*.deb"))[0]
    subprocess.run(["dpkg-deb", "-x", archive, FOLDER], check=True)
    with open(os.path.join(boot.ROOT, KERNEL), "wb") as file:
        file.write(unpack(glob.glob(os.path.join(FOLDER, "boot", "vmlinuz-*"))[0]))


def run(name, model, cpus):
    iso = boot.make_iso("linux", "paravane", KERNEL, "console=hvc0 earlyprintk=xen panic=0",
                        options="noreboot", bios_only=True)
    log = f"build/boot/linux-{name}.log"
    with qemu.Machine(iso, serial=log, cpu=model, cpus=cpus, memory=1024) as machine:
        try:
            machine.wait_for(END, 180)
            reason = next((line for line in machine.lines if BAD.search(line)), "")
            online = [line for line in machine.lines if re.search(r"Brought up 1 node, \d+ CPU", line)]
            if not reason and not any(f"{cpus} CPU" in line for line in online):
                reason = f"not all of {cpus} CPUs: {online}"
        except qemu.QemuTimeout as error:
            reason = str(error)
    print(f"FAIL linux/{name}: {reason}" if reason else f"PASS linux/{name}", flush=True)
    return not reason


def main():
    os.chdir(boot.ROOT)
    fetch()
    passed = sum(run(name, *how) for name, how in BOOTS.items())
    print(f"RESULT {passed} passed, {len(BOOTS) - passed} failed")
    return passed != len(BOOTS)


if __name__ == "__main__":
    sys.exit(main())
