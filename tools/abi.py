#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Writes docs/abi.md from the sources: abi.py [--check].

Rows come from hypercalls/table.h, numbers and sub-operations from Xen's public headers, what is offered
and which refusals are named from the handlers' files, words from hypervisor/refusals.def. The part on
differences from Xen is docs/differences.md, written by hand.
"""

import os
import re
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
XEN = "/usr/include/xen"
OUT = "docs/abi.md"

# hypercall: (files with its handlers, prefix of its sub-operations, header that defines them)
FAMILIES = {
    "set_trap_table": (["traps_ops.c"], None, None),
    "mmu_update": (["mmu_update.c"], None, None),
    "set_gdt": (["segment_ops.c"], None, None),
    "stack_switch": (["segment_ops.c"], None, None),
    "set_callbacks": (["callback_op.c"], None, None),
    "fpu_taskswitch": (["traps_ops.c"], None, None),
    "sched_op_compat": (["sched_op.c"], None, None),
    "platform_op": (["platform_op.c"], "XENPF_", "platform.h"),
    "set_debugreg": (["debugreg.c"], None, None),
    "get_debugreg": (["debugreg.c"], None, None),
    "update_descriptor": (["segment_ops.c"], None, None),
    "memory_op": (["memory_op.c", "memory_call.c", "memory_exchange.c", "memory_map.c",
                   "memory_reservation.c"], "XENMEM_", "memory.h"),
    "multicall": (["dispatch.c"], None, None),
    "update_va_mapping": (["mmu_update.c"], None, None),
    "set_timer_op": (["set_timer_op.c"], None, None),
    "event_channel_op_compat": (["event_channel_op.c"], None, None),
    "xen_version": (["xen_version.c"], "XENVER_", "version.h"),
    "console_io": (["console_io.c"], "CONSOLEIO_", "xen.h"),
    "physdev_op_compat": (["physdev_op.c"], None, None),
    "grant_table_op": (["grant_table_op.c"], "GNTTABOP_", "grant_table.h"),
    "vm_assist": (["vm_assist.c"], None, None),
    "update_va_mapping_otherdomain": (["mmu_update.c"], None, None),
    "iret": (["iret.c"], None, None),
    "vcpu_op": (["vcpu_op.c"], "VCPUOP_", "vcpu.h"),
    "set_segment_base": (["segment_ops.c"], None, None),
    "mmuext_op": (["mmuext_op.c"], "MMUEXT_", "xen.h"),
    "nmi_op": (["callback_op.c"], "XENNMI_", "nmi.h"),
    "sched_op": (["sched_op.c"], "SCHEDOP_", "sched.h"),
    "callback_op": (["callback_op.c"], "CALLBACKOP_", "callback.h"),
    "event_channel_op": (["event_channel_op.c"], "EVTCHNOP_", "event_channel.h"),
    "physdev_op": (["physdev_op.c"], "PHYSDEVOP_", "physdev.h"),
    "sysctl": (["sysctl.c"], "XEN_SYSCTL_", "sysctl.h"),
    "domctl": (["domctl.c", "domctl_vcpu.c", "domctl_access.c"], "XEN_DOMCTL_", "domctl.h"),
    "paravane_op": (["paravane_op.c"], "PARAVANE_", None),
}


def read(path):
    with open(path, encoding="utf-8", errors="replace") as file:
        return file.read()


def hypercall_number(name):
    match = re.search(rf"#define __HYPERVISOR_{name}\s+(\d+)", read(f"{XEN}/xen.h"))
    if not match:
        match = re.search(rf"#define __HYPERVISOR_{name}\s+(\d+)", read("hypercalls/paravane.h"))
    return int(match.group(1)) if match else None


def public_subops(prefix, header):
    """{name without prefix: number} of the commands that a header defines."""
    path = f"{XEN}/{header}" if header else "hypercalls/paravane.h"
    found = re.findall(rf"^#define {prefix}([a-zA-Z]\w*)\s+(\d+)\b", read(path), re.M)
    return {name: int(number) for name, number in found if not name.startswith("resource_")}


def is_offered(name, prefix, source):
    """A handler's file names the command, by itself or as the first word of a table row."""
    return bool(re.search(rf"\b{prefix}{name}\b", source)
                or re.search(rf"\b[A-Z][A-Z0-9_]*\(\s*{name}\b", source))


def sub_operations(prefix, header, source):
    """Those that are offered, by number. Constants of other kinds are written in capitals."""
    names = sorted(public_subops(prefix, header).items(), key=lambda item: item[1])
    if any(name[0].islower() for name, _ in names):
        names = [item for item in names if item[0][0].islower()]
    return [f"{name} ({number})" for name, number in names if is_offered(name, prefix, source)]


def refusal_table():
    rows = re.findall(r'^REFUSAL\((\w+),\s*(?:XEN_)?(\w+),\s*"((?:[^"\\]|\\.)*)"', read("hypervisor/refusals.def"),
                      re.M)
    return {name: (error, words) for name, error, words in rows}


def hypercall_section(name, arguments, summary, refusals):
    files, prefix, header = FAMILIES[name]
    source = "".join(read(f"hypercalls/{file}") for file in files)
    named = sorted(set(re.findall(r"\bREFUSE_(\w+)", source)) & set(refusals))
    lines = [f"### {name}, number {hypercall_number(name)}, {arguments} argument{'' if arguments == '1' else 's'}", "",
             summary[0].upper() + summary[1:] + ".", ""]
    if prefix:
        lines += [f"Handled (some only to refuse them as Xen does): {', '.join(sub_operations(prefix, header, source))}.", ""]
    if named:
        lines += ["Refusals that its handlers name: " + ", ".join(named) + ".", ""]
    return lines


def document():
    refusals = refusal_table()
    rows = re.findall(r'^HYPERCALL\((\w+),\s*(\d+),\s*"(.*)"\)', read("hypercalls/table.h"), re.M)
    lines = ["# The ABI", "", "Generated by `tools/abi.py` (`make docs`): change the sources, not this file.", "",
             "The ABI is that of Xen 4.17, as its public headers give it; numbers in brackets are theirs.",
             "A hypercall or sub-operation that is not listed answers -ENOSYS or what Xen answers for it.",
             "Each refusal leaves its name, the argument and the caller's address in a record (`xl why DOMAIN`).",
             "", "## Hypercalls", ""]
    for name, arguments, summary in rows:
        lines += hypercall_section(name, arguments, summary, refusals)
    lines += ["## Refusals", "", "Handlers also pass on what the cores refuse.", "",
              "| name | error | words |", "|---|---|---|"]
    lines += [f"| {name} | {error} | {words} |" for name, (error, words) in refusals.items()]
    return "\n".join(lines) + "\n\n" + read("docs/differences.md")


def main():
    os.chdir(ROOT)
    text = document()
    if "--check" not in sys.argv[1:]:
        with open(OUT, "w", encoding="utf-8") as file:
            file.write(text)
    elif not os.path.exists(OUT) or read(OUT) != text:
        print(f"{OUT}:1: not what tools/abi.py writes (make docs)")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
