#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Boot entries as people write them, on Paravane and on Debian's Xen: options of the hypervisor, words behind
--, packed kernels, kernels older than notes, microcode modules. The hello guest, as dom0, says what it got."""

import gzip
import os
import re
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "tools"))
import boot  # noqa: E402
import chain  # noqa: E402
import qemu  # noqa: E402

KERNEL = "build/guests/hello.elf"
MACHINE_MIB = 1024
CPUS = 4
FOREVER = 120  # s; a guard against hangs, not a measure
passed = failed = 0

# name: options, what hello says. The figures are those of Xen 4.17.7 (tests run on it as well).
LINES = {
    "mem-two-words": ("dom0_mem=min:128M dom0_mem=max:256M", "memory: 262144 KiB"),
    "mem-max": ("dom0_mem=max:256M", "memory: 262144 KiB"),
    "mem-exact-and-max": ("dom0_mem=128M,max:256M", "memory: 131072 KiB"),
    "mem-min": ("dom0_mem=64M,min:128M", "memory: 131072 KiB"),
    "vcpus-range": ("dom0_mem=64M dom0_max_vcpus=1-4", "vcpus: 4"),
    "vcpus-least": ("dom0_mem=64M dom0_max_vcpus=2-", "vcpus: 4"),
    "vcpus-most": ("dom0_mem=64M dom0_max_vcpus=-3", "vcpus: 3"),
    "words-for-dom0": ("dom0_mem=64M --  one two", r"command line: first one two$"),
}
# What comes of these depends on how much memory is free: between two bounds, in MiB.
SHARES = {
    "mem-percent": ("dom0_mem=50%", 400, 512),
    "mem-sum": ("dom0_mem=100M+25%", 290, 356),
    "mem-all-but": ("dom0_mem=-256M", 640, 768),
    "mem-all-but-percent": ("dom0_mem=-25%", 640, 768),
    "mem-default": ("", 800, 1000),
}


def report(ok, name, reason=""):
    global passed, failed
    passed += ok
    failed += not ok
    print(f"{'PASS' if ok else 'FAIL'} options/{name}{'' if ok else ': ' + reason}", flush=True)


def run(name, hv, expected, *, kernel=KERNEL, options="dom0_mem=64M", modules=(), cpu="max"):
    """Boots hello; the matches of all expected lines, or None after a failure that is reported."""
    iso = boot.make_iso("options", hv, kernel, "first", options=f"noreboot {options}", memory="",
                        modules=modules, bios_only=True)
    with qemu.Machine(iso, serial=boot.path(f"options-{hv}-{name}.log"), cpus=CPUS, memory=MACHINE_MIB,
                      accel=boot.ACCEL[hv], cpu=cpu) as machine:
        try:
            machine.wait_for(r"^up \d", timeout=FOREVER)
        except qemu.QemuTimeout as error:
            report(False, f"{name}-{hv}", str(error))
            return None
        found = [next((m for line in machine.lines for m in [re.search(e, line)] if m), None)
                 for e in expected]
    missing = [e for e, m in zip(expected, found) if not m]
    if missing:
        report(False, f"{name}-{hv}", f"nothing like {missing}")
        return None
    return found


def run_line(name, hv, expected, **how):
    if run(name, hv, [expected], **how):
        report(True, f"{name}-{hv}")


def run_share(name, hv, options, least, most):
    found = run(name, hv, [r"^memory: (\d+) KiB"], options=options)
    if found:
        mib = int(found[0][1]) // 1024
        report(least <= mib <= most, f"{name}-{hv}", f"{mib} MiB, not {least} to {most}")


def run_complaints():
    """Each word that is not understood is named."""
    expected = [r'"dom0mem=64M" is unknown', r'"loglvl=loud" has an invalid value',
                r'"dom0_mem=64Q" has an invalid value', r'"iommu=force" has no effect: .*IOMMU', "memory: 65536 KiB"]
    if run("complaints", "paravane", expected,
           options="dom0mem=64M loglvl=loud dom0_mem=64M dom0_mem=64Q iommu=force placeholder"):
        report(True, "complaints")


def packed_kernel():
    path = boot.path("options-kernel.gz")
    with open(KERNEL, "rb") as plain, gzip.open(path, "wb") as packed:
        packed.write(plain.read())
    return path


def old_kernel():
    """hello with a section __xen_guest in the place of its notes."""
    path, text = boot.path("options-old.elf"), boot.path("options-old.txt")
    symbols = subprocess.run(["nm", KERNEL], capture_output=True, text=True, check=True).stdout
    base = 0xffffffff80000000
    page = next(int(s.split()[0], 16) for s in symbols.split("\n") if s.endswith(" hypercall_page"))
    with open(text, "wb") as file:
        file.write(f"GUEST_OS=hello,XEN_VER=xen-3.0,VIRT_BASE={base:#x},ELF_PADDR_OFFSET=0x0,"
                   f"HYPERCALL_PAGE={(page - base) >> 12:#x},PAE=yes,LOADER=generic".encode() + b"\0")
    subprocess.run(["objcopy", "--strip-debug", "--add-section", f"__xen_guest={text}", KERNEL, path],
                   check=True)
    with open(path, "r+b") as file:
        image = bytearray(file.read())
        # The notes stay where they are, as bytes that nobody calls notes.
        phoff, shoff = (int.from_bytes(image[at:at + 8], "little") for at in (32, 40))
        for i in range(int.from_bytes(image[56:58], "little")):
            if image[phoff + 56 * i] == 4:  # PT_NOTE
                image[phoff + 56 * i] = 0
        for i in range(int.from_bytes(image[60:62], "little")):
            if image[shoff + 64 * i + 4] == 7:  # SHT_NOTE
                image[shoff + 64 * i + 4] = 1
        file.seek(0)
        file.write(image)
    return path


def run_kernels(hv):
    """Kernels and modules other than ours."""
    run_line("packed-kernel", hv, "^memory: 65536", kernel=packed_kernel())
    run_line("old-kernel", hv, "^memory: 65536", kernel=old_kernel())
    for name, content in (("ucode", b"u" * 5000), ("initrd", b"i" * 7000)):
        with open(boot.path(f"options-{name}"), "wb") as file:
            file.write(content)
    modules = [boot.path("options-ucode"), boot.path("options-initrd")]
    # Xen 4.20 takes no module for one on a processor whose microcode cannot be updated.
    run_line("ucode", hv, "^module: 7000 bytes", options="dom0_mem=64M ucode=1", modules=modules, cpu="phenom")
    run_line("ucode-last", hv, "^module: 7000 bytes", options="dom0_mem=64M ucode=-1", modules=modules[::-1], cpu="phenom")
    run_line("initrd-first", hv, "^module: 5000 bytes", modules=modules)


def run_guests(hv):
    """The same kernels as guests of our dom0."""
    files = {}
    for name, path in (("packed", packed_kernel()), ("old", old_kernel())):
        with open(path, "rb") as file:
            files[f"/t/{name}"] = file.read()
        files[f"/t/{name}.cfg"] = f'name = "{name}"\nkernel = "/t/{name}"\nmemory = 8\n'.encode()
    with chain.Chain(f"options-guests-{hv}", hv=hv, guests="", initrd=chain.make_initrd("options", files)) as c:
        for name in ("packed", "old"):
            c.shell(f"xl create -q /t/{name}.cfg")
            text = c.last_words(name)
            report("memory: 8192 KiB" in text, f"guest-{name}-{hv}", text[-300:])


def run_damaged():
    """A damaged packed kernel is refused with the reason."""
    path = packed_kernel()
    with open(path, "r+b") as file:
        file.seek(5000)
        byte = file.read(1)[0]
        file.seek(5000)
        file.write(bytes([byte ^ 0x55]))
    iso = boot.make_iso("options", "paravane", path, options="noreboot", bios_only=True)
    with qemu.Machine(iso, serial=boot.path("options-damaged.log")) as machine:
        try:
            machine.wait_for(r"dom0: the packed file ", timeout=FOREVER)
            report(True, "packed-damaged")
        except qemu.QemuTimeout as error:
            report(False, "packed-damaged", str(error))


def main():
    wanted = sys.argv[1:]
    for hv in ("paravane", "xen"):
        for name, (options, expected) in LINES.items():
            if not wanted or name in wanted:
                run_line(name, hv, expected, options=options)
        for name, (options, least, most) in SHARES.items():
            if not wanted or name in wanted:
                run_share(name, hv, options, least, most)
        if not wanted or "kernels" in wanted:
            run_kernels(hv)
            run_guests(hv)
    if not wanted or "complaints" in wanted:
        run_complaints()
        run_damaged()
    print(f"RESULT {passed} passed, {failed} failed")
    return failed != 0


if __name__ == "__main__":
    sys.exit(main())
