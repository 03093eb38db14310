#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""`make linux`: Debian's own kernel, unchanged, on Paravane.

As dom0, until it asks for a root file system. As a guest of our dom0, on two vcpus, with its own front
ends on our back ends: it reads one disk, writes another (which the host then verifies), and fetches files
from the web guest. Not part of `make test`, because the kernel is a download of 70 MB. The packages are
fetched by apt (which checks them) into build/linux; nothing of them is installed.
"""

import glob
import hashlib
import lzma
import os
import re
import struct
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tools"))
import boot  # noqa: E402
import lifeline  # noqa: E402
import qemu  # noqa: E402

FOLDER = "build/linux"
KERNEL = "build/linux/vmlinux"
# Offsets in the boot header of a bzImage (Linux boot protocol 2.08).
SETUP_SECTORS, PAYLOAD_OFFSET, PAYLOAD_LENGTH = 0x1F1, 0x248, 0x24C
END = re.compile(r"Unable to mount root fs")
BAD = re.compile(r"\bBUG:|\bOops:|general protection fault|\(PV\) .*crash report")
INITRD = "build/linux/guest-initrd.cpio"
ARCHIVE = "build/linux/archive.cpio"
MODULES = ("drivers/cdrom/cdrom.ko", "drivers/block/xen-blkfront.ko", "drivers/net/xen-netfront.ko")
BIG = boot.pattern(4 << 20, "linux")
WRITTEN = 8 << 20  # bytes that the guest writes to its second disk
# What the guest runs: every line that matters starts with "LINUX".
INIT = f"""#!/bin/busybox sh
/bin/busybox mkdir -p /proc /dev
/bin/busybox mount -t proc proc /proc
/bin/busybox mount -t devtmpfs dev /dev
for m in cdrom xen-blkfront xen-netfront; do /bin/busybox insmod /$m.ko; done
n=0; while [ ! -b /dev/xvdb ] && [ $n -lt 50 ]; do /bin/busybox sleep 0.1; n=$((n + 1)); done
echo "LINUX cpus $(/bin/busybox nproc)"
echo "LINUX read $(/bin/busybox md5sum </dev/xvda | /bin/busybox cut -c1-32)"
/bin/busybox dd if=/dev/xvda of=/dev/xvdb bs=64k 2>/dev/null
/bin/busybox yes paravane | /bin/busybox dd of=/dev/xvdb bs=1M seek=8 count={WRITTEN >> 20} iflag=fullblock conv=fsync 2>/dev/null
echo "LINUX written"
/bin/busybox ifconfig eth0 10.0.2.90 netmask 255.255.255.0 up
echo "LINUX page $(/bin/busybox wget -q -O - http://{boot.WEB_ADDRESS}/files/hello.txt)"
echo "LINUX file $(/bin/busybox wget -q -O - http://{boot.WEB_ADDRESS}/files/big.bin | /bin/busybox md5sum | /bin/busybox cut -c1-32)"
echo "LINUX end"
/bin/busybox poweroff -f
"""
CONFIG = """name = "linux"
kernel = "/guests/linux.elf"
ramdisk = "/guests/linux.cpio"
memory = 256
vcpus = 2
extra = "console=hvc0 panic=1"
disk = [ "phy:vdisk0,xvda,r", "phy:vdisk1,xvdb,w" ]
vif = [ "mac=00:16:3e:00:00:11,bridge=xenbr0" ]
on_crash = "preserve"
"""
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


def download(name):
    """The package's files, below build/linux."""
    print(f"  GET {name}", flush=True)
    subprocess.run(["apt-get", "download", name], cwd=FOLDER, check=True,
                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    archive = glob.glob(os.path.join(FOLDER, f"{name}_*.deb"))[0]
    subprocess.run(["dpkg-deb", "-x", archive, FOLDER], check=True)


def fetch():
    if not os.path.exists(KERNEL):
        os.makedirs(FOLDER, exist_ok=True)
        download(package())
        with open(KERNEL, "wb") as file:
            file.write(unpack(glob.glob(os.path.join(FOLDER, "boot", "vmlinuz-*"))[0]))
    if not os.path.exists(f"{FOLDER}/bin/busybox"):
        download("busybox-static")


def write_file(path, text):
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)


def make_archive():
    """dom0's boot archive with Linux, its initrd and the web guest."""
    write_file(f"{FOLDER}/init", INIT)
    write_file(f"{FOLDER}/linux.cfg", CONFIG)
    members = [f"/bin/busybox=x:raw:{FOLDER}/bin/busybox", f"/init=x:raw:{FOLDER}/init"]
    members += [f"/{os.path.basename(m)}=raw:{glob.glob(f'{FOLDER}/lib/modules/*/kernel/{m}')[0]}"
                for m in MODULES]
    subprocess.run([sys.executable, "tools/mkinitrd.py", INITRD, *members], check=True)
    subprocess.run([sys.executable, "tools/mkinitrd.py", ARCHIVE, f"/guests/linux.elf={KERNEL}",
                    f"/guests/linux.cpio={INITRD}", f"/guests/linux.cfg={FOLDER}/linux.cfg",
                    "/guests/web.elf=build/guests/web.elf",
                    "/guests/web.cfg=pvguest/examples/web/web.cfg"], check=True)


def expected(volume):
    """What the guest must print."""
    with open(volume, "rb") as file:
        data = file.read()
    return ["LINUX cpus 2", f"LINUX read {hashlib.md5(data).hexdigest()}", "LINUX written",
            "LINUX page hello", f"LINUX file {hashlib.md5(BIG).hexdigest()}", "LINUX end"]


def disk_is_right(path, volume):
    """The second disk holds the first one, and what `yes` wrote behind it."""
    with open(volume, "rb") as file:
        first = file.read()
    with open(path, "rb") as file:
        data = file.read()
    pattern = (b"paravane\n" * (WRITTEN // 9 + 1))[:WRITTEN]
    return data[:len(first)] == first and data[8 << 20:(8 << 20) + WRITTEN] == pattern


def run_guest(cpus):
    """Linux as a guest beside the web guest."""
    name, reason = f"guest-{cpus}", ""
    volume = boot.make_volume("linux", {"hello.txt": b"hello\n", "big.bin": BIG})
    scratch = f"{FOLDER}/scratch.img"
    with open(scratch, "wb") as file:
        file.truncate(32 << 20)
    iso = boot.make_iso("linux-guest", "paravane", boot.DOM0, "auto=web.cfg,linux.cfg",
                        initrd=ARCHIVE, bios_only=True)
    with qemu.Machine(iso, serial=boot.path(f"linux-{name}.log"), cpus=cpus, memory=1024,
                      disks=[volume, scratch], forwards=[]) as machine:
        try:
            machine.wait_for(r"dom0: ready", 120)
            machine.send("xl console linux")
            for line in expected(volume):
                machine.wait_for("^" + re.escape(line) + "$", 120)
            machine.wait_for(r"\(linux\) has shut down, reason poweroff", 60)
            machine.send("halt")
            machine.wait_exit(30)
            reason = "" if disk_is_right(scratch, volume) else "the disk is not as written"
        except qemu.QemuTimeout as error:
            reason = str(error)
    print(f"FAIL linux/{name}: {reason}" if reason else f"PASS linux/{name}", flush=True)
    return not reason


def run(name, model, cpus):
    iso = boot.make_iso("linux", "paravane", KERNEL, "console=hvc0 earlyprintk=xen panic=0",
                        options="noreboot", bios_only=True)
    log = boot.path(f"linux-{name}.log")
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
    lifeline.hold()
    os.chdir(boot.ROOT)
    fetch()
    make_archive()
    results = [run(name, *how) for name, how in BOOTS.items()]
    results += [run_guest(cpus) for cpus in (1, 2)]
    print(f"RESULT {sum(results)} passed, {len(results) - sum(results)} failed")
    return not all(results)


if __name__ == "__main__":
    sys.exit(main())
