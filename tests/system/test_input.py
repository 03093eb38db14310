#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Bad input for the toolstack: images, configurations and guests that are wrong. Each is told from the
others by a message, nothing stays behind, and the guest that runs meanwhile does not notice."""

import gzip
import os
import struct
import sys
import time

import chain
from chain import Chain, Report

PROGRAM_LOAD = 1
VIRT_BASE_NOTE = 3
MIB = chain.boot.pattern(1 << 20, "input")
RESERVED = 0xFFFF800000000000

# Configurations by name; {kernel} and more lines are filled in.
CONFIG = 'name = "{name}"\nkernel = "{kernel}"\nmemory = {memory}\n{more}\n'


def segments(image):
    """Offsets of the program headers of what is loaded."""
    start, size, count = struct.unpack_from("<Q", image, 32)[0], *struct.unpack_from("<HH", image, 54)
    headers = [start + i * size for i in range(count)]
    return [h for h in headers if struct.unpack_from("<I", image, h)[0] == PROGRAM_LOAD]


def patched(image, offset, layout, value):
    image = bytearray(image)
    struct.pack_into(layout, image, offset, value)
    return bytes(image)


def images():
    """Wrong kernels, made from a right one: name -> (bytes, what the message must contain)."""
    with open("build/guests/hello.elf", "rb") as file:
        good = file.read()
    last = segments(good)[-1]
    base = struct.pack("<III4s", 4, 8, VIRT_BASE_NOTE, b"Xen\0")
    packed = gzip.compress(good)
    return {
        "gz-damaged": (patched(packed, len(packed) // 2, "<Q", 0), "the packed file is damaged"),
        "gz-truncated": (packed[:len(packed) // 2], "unpacked"),
        "gz-bomb": (patched(packed, len(packed) - 4, "<I", 0xF0000000), "unpacked it would have"),
        "gz-text": (gzip.compress(b"This is no kernel.\n" * 100), "not an ELF file"),
        "text": (b"This is no kernel.\n" * 100, "not an ELF file"),
        "empty": (b"", "not an ELF file"),
        "small": (patched(good, 4, "<B", 1), "32-bit"),
        "arm": (patched(good, 18, "<H", 183), "not for x86-64"),
        "object": (patched(good, 16, "<H", 1), "not an executable"),
        "noteless": (good.replace(b"Xen\0", b"Yen\0"), "no Xen notes"),
        "old": (good.replace(b"xen-3.0\0", b"xen-2.0\0"), "xen-2.0"),
        "reserved": (patched(good, good.index(base) + len(base), "<Q", RESERVED), "hypervisor's"),
        "truncated": (good[:len(good) // 8], "truncated"),
        "headless": (good[:80], "truncated"),
        "huge": (patched(good, last + 40, "<Q", 1 << 30), "the guest has"),
    }


def configurations():
    """Wrong configurations: name -> (text, words that the message must contain)."""
    kernel = "/guests/hello.elf"
    fine = {"name": "x", "kernel": kernel, "memory": 4, "more": ""}
    return {
        "syntax": ('name = "x"\nkernel = \nmemory = 4\n', ["/t/syntax.cfg:2"]),
        "string": ('name = "x\nkernel = "k"\n', ["/t/string.cfg:1"]),
        "no-kernel": (CONFIG.format(**{**fine, "kernel": "/guests/none.elf"}), ["/guests/none.elf"]),
        "no-memory": (CONFIG.format(**{**fine, "memory": 100000}), ["not enough memory"]),
        "no-disk": (CONFIG.format(**{**fine, "more": 'disk = ["phy:nodisk,xvda,r"]'}), ["nodisk"]),
        "bad-disk": (CONFIG.format(**{**fine, "more": 'disk = ["what is this"]'}), ["disk"]),
        "bad-bridge": (CONFIG.format(**{**fine, "more": 'vif = ["bridge=nobridge"]'}), ["nobridge"]),
        "same-name": (CONFIG.format(**{**fine, "name": "web"}), ["already exists"]),
    }


def archive():
    """All of them as files below /t."""
    files = {}
    for name, (data, _) in images().items():
        files[f"/t/{name}.elf"] = data
        files[f"/t/image-{name}.cfg"] = CONFIG.format(name=name, kernel=f"/t/{name}.elf", memory=16,
                                                      more="").encode()
    for name, (text, _) in configurations().items():
        files[f"/t/{name}.cfg"] = text.encode()
    files["/t/colour.cfg"] = CONFIG.format(name="colour", kernel="/guests/hello.elf", memory=4,
                                           more='colour = "blue"').encode()
    with open("build/guests/selftest.elf", "rb") as file:
        files["/t/selftest.elf"] = file.read()
    for action in ("destroy", "preserve"):
        files[f"/t/crash-{action}.cfg"] = CONFIG.format(
            name=f"crash-{action}", kernel="/t/selftest.elf", memory=16,
            more=f'on_crash = "{action}"\nextra = "crash=null"').encode()
    return chain.make_initrd("input", files)


def refused(c, config, words):
    text = c.text(f"xl create /t/{config}.cfg")
    for word in words:
        assert word in text, f"no {word!r} in {text!r}"
    count = len([line for line in c.shell("xl list") if line.split()[1:2] and
                 line.split()[1].isdigit()])
    assert count == 2, f"{count} domains after a create that must fail"


def unknown_key(c):
    text = c.text("xl create /t/colour.cfg")
    assert "warning" in text and "colour" in text, text
    assert "Hello" in c.last_words("colour")


def crash_destroyed(c):
    c.shell("xl create /t/crash-destroy.cfg")
    assert "UNHANDLED EXCEPTION" in c.last_words("crash-destroy")
    assert c.state("crash-destroy") is None


def crash_preserved(c):
    c.shell("xl create /t/crash-preserve.cfg")
    c.wait_until("xl list", r"^crash-preserve +\d+ +\d+ +\d+ +\S*c")
    c.shell("xl destroy crash-preserve")
    assert "UNHANDLED EXCEPTION" in c.last_words("crash-preserve")


def rate_kept(c):
    """An interface with a name and a rate: 1 MiB at 512 KB/s cannot be there before 1.7 s."""
    c.shell("xl destroy web")
    text = c.text("""xl create -q web.cfg 'vif=["rate = 512KB/s, vifname=web0,mac=0:16:3e:0:0:10"]'""")
    assert not text, text
    c.fetch()
    start = time.monotonic()
    assert c.fetch("files/mib.bin") == MIB, "bytes differ"
    assert time.monotonic() - start > 1.7, "faster than the rate"


def bystander(c):
    assert "web" in c.fetch().decode()


def main():
    os.chdir(chain.boot.ROOT)
    report = Report("input")
    try:
        with Chain("input", cpus=2, initrd=archive(), files={"mib.bin": MIB}) as c:
            c.fetch()
            before = c.free_pages()
            for name, (_, word) in images().items():
                report.run(f"image-{name}", refused, c, f"image-{name}", [word])
            for name, (_, words) in configurations().items():
                report.run(f"config-{name}", refused, c, name, words)
            report.run("config-unknown-key", unknown_key, c)
            report.run("crash-destroyed", crash_destroyed, c)
            report.run("crash-preserved", crash_preserved, c)
            report.run("bystander", bystander, c)
            after = c.free_pages()
            report.case("memory", after == before, f"{before} pages free before, {after} after")
            report.run("rate", rate_kept, c)
    except (chain.qemu.QemuTimeout, OSError) as error:
        report.case("machine", False, str(error))
    return report.result()


if __name__ == "__main__":
    sys.exit(main())
