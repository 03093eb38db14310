#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What everybody has to trust, lines of the ring-0 sources, text and read-only data of the binary; and its modules.

    size.py HYPERVISOR.ELF
"""

import glob
import os
import re
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import csource  # noqa: E402

OBJECTS = "build/obj/hv"
FOLDERS = ("hypervisor", "event", "grant", "sched", "hypercalls")
# What the core may have, which is all that is in no module.
CODE_LINES = 15000  # C and assembly
HEADER_LINES = 2400
BYTES = 205 * 1024  # text and read-only data
# The budget of each module, in lines of all kinds, and of everything together.
MODULES_FILE = "hypervisor/modules.mk"
MODULE_LINES = {"fifo": 310, "gzip": 300, "guest_section": 80, "off_ops": 140, "check_frames": 140, "longest_call": 50}
ALL_LINES = 22000
ALL_BYTES = 300 * 1024

KINDS = {"C": (".c",), "headers": (".h", ".def"), "assembly": (".S", ".ld")}


def modules():
    """{name: its files}."""
    with open(MODULES_FILE, encoding="utf-8") as file:
        return {name: files.split() for name, files in re.findall(r"^MODULE_(\w+)\s*:=(.*)$", file.read(), re.M)}


def lines_of(paths):
    """{kind: lines without blanks and comments}."""
    lines = dict.fromkeys(KINDS, 0)
    for path in paths:
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


def bytes_of(files):
    """Text and read-only data of the objects of a module; those that are not built count nothing."""
    objects = [f"{OBJECTS}/{os.path.splitext(path)[0]}.o" for path in files]
    sizes = [section_bytes(path) for path in objects if os.path.exists(path)]
    return sum(size["text"] + size["rodata"] for size in sizes)


def report(name, lines, more=""):
    parts = "".join(f"{lines[kind]:8} {kind}" for kind in KINDS)
    print(f"  {name:14}{sum(lines.values()):7} ={parts}{more}")


def main():
    parts = modules()
    optional = {path for files in parts.values() for path in files}
    folders = {folder: lines_of(set(glob.glob(f"{folder}/**/*", recursive=True)) - optional) for folder in FOLDERS}
    core = {kind: sum(lines[kind] for lines in folders.values()) for kind in KINDS}
    sizes = section_bytes(sys.argv[1])
    linked = sizes["text"] + sizes["rodata"]
    print("  lines without blanks and comments")
    for name, lines in [*folders.items(), ("core", core)]:
        report(name, lines)
    limits = []
    for name, files in parts.items():
        lines = lines_of(files)
        report("+ " + name, lines, f"{bytes_of(files):8} bytes")
        limits.append((f"lines in module {name}", sum(lines.values()), MODULE_LINES.get(name, 0)))
    everything = sum(core.values()) + sum(have for _, have, _ in limits)
    trusted = linked - sum(map(bytes_of, parts.values()))
    print(f"  text {sizes['text']}, read-only data {sizes['rodata']}: {linked} bytes = {linked / 1024:.1f} KiB,"
          f" without modules {trusted / 1024:.1f}")
    print(f"  data {sizes['data']}, zeroed {sizes['bss']} bytes")
    limits += (("lines of C and assembly in the core", core["C"] + core["assembly"], CODE_LINES),
               ("lines of headers in the core", core["headers"], HEADER_LINES),
               ("bytes of text and read-only data in the core", trusted, BYTES),
               ("lines with all modules", everything, ALL_LINES),
               ("bytes with all modules", linked, ALL_BYTES))
    over = [f"{have} {what}, the limit is {most}" for what, have, most in limits if have > most]
    for fault in over:
        print(f"  OVER: {fault}")
    return 1 if over else 0


if __name__ == "__main__":
    sys.exit(main())
