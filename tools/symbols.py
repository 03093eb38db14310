#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Makes the hypervisor's symbol table: `nm -n IMAGE | symbols.py > symbols.S`.

The table is what hypervisor/symbols.c reads: a count, the offsets of the functions from text_start in
ascending order, and their names, each with its length before it.
"""

import sys


def read_symbols(lines):
    """(offset, name) of each function, one name for each address."""
    base = None
    found = []
    for line in lines:
        fields = line.split()
        if len(fields) != 3:
            continue
        address, kind, name = int(fields[0], 16), fields[1], fields[2]
        if name == "text_start":
            base = address
        if kind in "tT" and not name.startswith(".") and not name.endswith(("_start", "_end")):
            found.append((address, name))
    if base is None:
        sys.exit("symbols.py: no text_start in the image")
    unique = {}
    for address, name in found:
        unique.setdefault(address - base, name)
    return sorted(unique.items())


def main():
    symbols = read_symbols(sys.stdin)
    print('    .section .symbols, "a"\n    .balign 4')
    print(f"    .long {len(symbols)}")
    for offset, _ in symbols:
        print(f"    .long {offset}")
    for _, name in symbols:
        print(f'    .byte {min(len(name), 255)}\n    .ascii "{name[:255]}"')


main()
