#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Writes a cpio archive ("newc" format), dom0's initrd: mkinitrd.py OUT /path/in/archive=file ...

ELF files go in without their debugging sections; "raw:file" goes in as it is, "x:file" executable."""

import os
import sys


def record(name, mode, data):
    """One archive member: a header of hexadecimal fields, the name, the data, each padded to 4."""
    path = name.encode() + b"\0"
    fields = [0, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(path), 0]
    head = b"070701" + b"".join(b"%08X" % field for field in fields) + path
    head += b"\0" * (-len(head) % 4)
    return head + data + b"\0" * (-len(data) % 4)


def strip_debug(path, data):
    """Guest kernels go in without their debugging sections."""
    if data[:4] != b"\x7fELF":
        return data
    stripped = path + ".stripped"
    if os.system(f"objcopy --strip-debug '{path}' '{stripped}'") != 0:
        sys.exit(f"mkinitrd: cannot strip {path}")
    with open(stripped, "rb") as file:
        data = file.read()
    os.unlink(stripped)
    return data


def main():
    out, entries = sys.argv[1], sys.argv[2:]
    folders = set()
    archive = b""
    for entry in entries:
        name, path = entry.split("=", 1)
        name = name.lstrip("/")
        parts = name.split("/")[:-1]
        for depth in range(1, len(parts) + 1):
            folder = "/".join(parts[:depth])
            if folder not in folders:
                folders.add(folder)
                archive += record(folder, 0o040755, b"")
        mode = 0o100755 if path.startswith("x:") else 0o100644
        path = path.removeprefix("x:")
        raw = path.startswith("raw:")
        path = path.removeprefix("raw:")
        with open(path, "rb") as file:
            data = file.read()
        archive += record(name, mode, data if raw else strip_debug(path, data))
    archive += record("TRAILER!!!", 0, b"")
    with open(out + ".new", "wb") as file:
        file.write(archive)
    os.rename(out + ".new", out)


if __name__ == "__main__":
    main()
