#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""docs/options.md from hypervisor/options.def, the list by which the hypervisor parses its command line.

    options.py            writes it
    options.py --check    says whether it is as it would be written
"""

import re
import sys

SOURCE = "hypervisor/options.def"
TARGET = "docs/options.md"
HEAD = """<!-- Made from hypervisor/options.def by `make docs`. -->
# Options of the hypervisor

They stand behind the hypervisor's file in GRUB's `multiboot2` line (on Debian: `GRUB_CMDLINE_XEN` in
`/etc/default/grub`). Names and grammar are Xen's, so that the boot entries that people have go on working: words
divided by blanks, `NAME`, `NAME=VALUE` or `no-NAME`; of several the last one counts. What follows the word `--` is
added to dom0's command line. A word that is unknown, or whose value makes no sense, is named in the log
(`xl dmesg`) and changes nothing. A boolean is `NAME` alone or with `=` and one of 1, on, yes, true, enable or 0, off,
no, false, disable. Numbers are decimal, or hexadecimal behind `0x`.

| option | values | default | what it does |
|---|---|---|---|
"""
MIDDLE = """
## Xen's options without effect
They are accepted, and the log says that nothing comes of them.

| option | why |
|---|---|
"""


def strings(text):
    """The C strings of an argument list, one for each argument; NULL is None."""
    arguments = re.findall(r'((?:"(?:[^"\\]|\\.)*"\s*)+|\bNULL\b)\s*(?:,|$)', text)
    return [None if a == "NULL" else "".join(re.findall(r'"((?:[^"\\]|\\.)*)"', a)) for a in arguments]


def page():
    with open(SOURCE, encoding="utf-8") as file:
        text = re.sub(r"^//.*\n", "", file.read(), flags=re.M)
    out = HEAD
    for name, rest in re.findall(r"^OPTION\(([\w-]+), \w+,\s*(.*?)\)$", text, flags=re.M | re.S):
        values, default, what = (cell.replace("|", "\\|") for cell in strings(rest))
        out += f"| `{name}` | {values} | {default} | {what} |\n"
    out += MIDDLE
    for name, rest in re.findall(r"^WITHOUT_EFFECT\(([\w-]+), (.*?)\)$", text, flags=re.M | re.S):
        out += f"| `{name}` | {strings(rest)[0] or 'it stands for an argument that some boot scripts put first'} |\n"
    return out


def main():
    if sys.argv[1:] == ["--check"]:
        with open(TARGET, encoding="utf-8") as file:
            if file.read() != page():
                sys.exit(f"{TARGET} is not what make docs writes")
        return
    with open(TARGET, "w", encoding="utf-8") as file:
        file.write(page())


if __name__ == "__main__":
    main()
