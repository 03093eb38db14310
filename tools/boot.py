# SPDX-License-Identifier: MIT
"""Boot images and machines for the runner and the tests: which files, which options, which devices.

Everything is made below build/boot, or build/boot.2 and so on while another run is in there: a process claims a
folder at its first use and keeps it until it ends (`path`). The web guest's address is fixed because QEMU forwards a port to
it and its user network knows the guests only by address.
"""

import fcntl
import hashlib
import os
import shutil
import socket
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import lifeline  # noqa: E402
import qemu  # noqa: E402

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
RUNS_MAX = 64  # at the same time, in one tree
DOM0 = "build/dom0/dom0.elf"
INITRD = "build/boot/initrd.cpio"
WEB_ADDRESS = "10.0.2.80"
WEB_PORT = 80

HYPERVISORS = {"paravane": "build/hypervisor/paravane.elf", "xen": "build/xen/xen.gz"}
# A small buffer of translated code is emptied often. A large one keeps the boot loader's, and each store
# to a page with translated code in it is slow: with the loader's code where Xen's stacks are later, all
# of Xen is ten times slower. Paravane lies elsewhere and would only boot half a second later.
ACCEL = {"paravane": "tcg", "xen": "tcg,thread=multi,tb-size=6"}
CONSOLE = "console=com1 com1=115200,8n1 loglvl=all guest_loglvl=all"
HYPERVISOR_OPTIONS = {
    "paravane": CONSOLE,
    # What Paravane leaves out is switched off in the oracle as well.
    "xen": f"{CONSOLE} gnttab=max-ver:1 pv-linear-pt=0",
}


_claimed = []  # the folder of this process, and the file whose lock says so


def folder():
    """The folder of this process for images, disks and logs; no other run touches it."""
    number = 1
    while not _claimed:
        place = os.path.join(ROOT, "build", "boot" if number == 1 else f"boot.{number}")
        os.makedirs(place, exist_ok=True)
        lock = open(os.path.join(place, "lock"), "w", encoding="ascii")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            _claimed[:] = [place, lock]
        except BlockingIOError:
            lock.close()
            number += 1
            if number > RUNS_MAX:
                sys.exit(f"{RUNS_MAX} runs in this tree at once are too many")
    return _claimed[0]


def path(name):
    """A file of this run."""
    return os.path.join(folder(), name)


def available(hv):
    """True if the hypervisor has been built (or fetched)."""
    return os.path.exists(os.path.join(ROOT, HYPERVISORS[hv]))


def strangers_environment(**more):
    """What a stranger's shell gives to make: nothing of the make that runs us."""
    ours = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS", "UNIT_TESTS"))}
    return dict(ours, **more)


def make_iso(name, hv, kernel, arguments="", *, initrd="", modules=(), options="", memory="512M,max:512M",
             bios_only=False):
    """NAME.iso of this run that boots kernel as dom0 under hv; returns its path. Memory "" leaves dom0_mem=
    to the options; modules follow the initrd."""
    out = path(name + ".iso")
    all_options = " ".join(filter(None, [HYPERVISOR_OPTIONS[hv], memory and f"dom0_mem={memory}", options]))
    files = [os.path.join(ROOT, module) for module in [initrd, *modules] if module]
    environment = dict(os.environ, MKISO_BIOS="1" if bios_only else "")
    subprocess.run([os.path.join(ROOT, "tools", "mkiso.sh"), out, hv,
                    os.path.join(ROOT, HYPERVISORS[hv]), all_options, os.path.join(ROOT, kernel),
                    arguments, *files], check=True, env=environment, preexec_fn=lifeline.in_child())
    return out


def make_volume(name, files):
    """NAME.img of this run, an ISO 9660 file system with Rock Ridge names; files: {path: bytes}."""
    out = path(name + ".img")
    tree = tempfile.mkdtemp(prefix="volume-")
    try:
        for place, data in files.items():
            full = os.path.join(tree, place)
            os.makedirs(os.path.dirname(full), exist_ok=True)
            with open(full, "wb") as file:
                file.write(data)
        subprocess.run(["xorriso", "-as", "mkisofs", "-quiet", "-R", "-J", "-V", "PARAVANE", "-o", out,
                        tree], check=True, stderr=subprocess.DEVNULL, preexec_fn=lifeline.in_child())
    finally:
        shutil.rmtree(tree)
    return out


def pattern(length, seed):
    """Bytes that repeat on every machine and compress badly."""
    count = (length + 63) // 64
    data = b"".join(hashlib.sha512(f"{seed}:{i}".encode()).digest() for i in range(count))
    return data[:length]


def free_port():
    """A TCP port of this host that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def chain_iso(hv, name, arguments="", guests="web.cfg", **options):
    """The image of the whole chain: hypervisor, dom0, boot archive. dom0 creates `guests`."""
    words = f"address=dhcp {arguments}" + (f" auto={guests}" if guests else "")
    return make_iso(name, hv, DOM0, words.strip(), initrd=INITRD, **options)


def chain_machine(iso, disk, port, serial=None, on_line=None, **options):
    """The machine of the whole chain: a disk, a network card, `port` forwarded to the web guest."""
    return qemu.Machine(iso, serial=serial, on_line=on_line, disks=[disk] if disk else [],
                        forwards=[f"{port}:{WEB_ADDRESS}:{WEB_PORT}"], **options)
