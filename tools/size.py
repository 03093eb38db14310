#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What everybody has to trust: lines of the ring-0 sources, text and read-only data of the binary.

    size.py HYPERVISOR.ELF
"""

import glob
import os
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import csource  # noqa: E402

FOLDERS = ("hypervisor", "event", "grant", "sched", "hypercalls")
# What ring 0 may have.
CODE_LINES = 15000  # C and assembly
HEADER_LINES = 2400
BYTES = 205 * 1024  # text and read-only data


KINDS = {"C": (".c",), "headers": (".h", ".def"), "assembly": (".S", ".ld")}


def folder_lines(folder):
    """{kind: lines without blanks and comments}."""
    lines = dict.fromkeys(KINDS, 0)
    for path in glob.glob(f"{folder}/**/*", recursive=True):
        for kind, suffixes in KINDS.items():
            if path.endswith(suffixes):
                with open(path, encoding="utf-8") as file:
                    lines[kind] += csource.code_lines(path, file.read())
    return lines


def section_bytes(elf):
    """Bytes of allocated sections, by what they are: text, read-only, written."""
    sizes = {"text": 0, "rodata": 0, "data": 0, "bss": 0}
    out = subprocess.run(["readelf", "-SW", elf], capture_output=True, text=True, check=True).stdout
    for line in out.split("\n"):
        fields = line.replace("[ ", "[").split()
        if len(fields) < 9 or not fields[0].startswith("[") or fields[0] == "[Nr]":
            continue
        name, kind, size, flags = fields[1], fields[2], int(fields[5], 16), fields[7]
        if "A" not in flags:
            continue
        if kind == "NOBITS":
            sizes["bss"] += size
        elif "X" in flags or name.startswith(".text"):
            sizes["text"] += size
        else:
            sizes["data" if "W" in flags else "rodata"] += size
    return sizes


def main():
    rows = {folder: folder_lines(folder) for folder in FOLDERS}
    total = {kind: sum(lines[kind] for lines in rows.values()) for kind in KINDS}
    print("  lines without blanks and comments")
    for name, lines in [*rows.items(), ("ring 0", total)]:
        parts = "".join(f"{lines[kind]:8} {kind}" for kind in KINDS)
        print(f"  {name:12}{sum(lines.values()):7} ={parts}")
    sizes = section_bytes(sys.argv[1])
    trusted = sizes["text"] + sizes["rodata"]
    print(f"  text {sizes['text']}, read-only data {sizes['rodata']}: {trusted} bytes = {trusted / 1024:.1f} KiB")
    print(f"  data {sizes['data']}, zeroed {sizes['bss']} bytes")
    limits = (("lines of C and assembly", total["C"] + total["assembly"], CODE_LINES),
              ("lines of headers", total["headers"], HEADER_LINES),
              ("bytes of text and read-only data", trusted, BYTES))
    over = [f"{have} {what}, the limit is {most}" for what, have, most in limits if have > most]
    for fault in over:
        print(f"  OVER: {fault}")
    return 1 if over else 0


if __name__ == "__main__":
    sys.exit(main())
