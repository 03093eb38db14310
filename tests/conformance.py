#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""`make conformance`: one guest binary, booted as dom0's kernel on Paravane and on Debian's Xen.

Prints the table case | Paravane | Xen | verdict. A case is right when real Xen passes it; it counts
as passed when both hypervisors pass. Cases that end the domain are booted one by one and are judged
by what the hypervisor then says.
"""

import argparse
import os
import re
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tools"))
import abi  # noqa: E402
import abiproofs  # noqa: E402
import boot  # noqa: E402
import lifeline  # noqa: E402
import modules  # noqa: E402
import qemu  # noqa: E402

KERNEL = "build/guests/conformance.elf"
CASE = re.compile(r"(PASS|FAIL) ([\w-]+/[\w-]+)(?:: (.*))?$")
WHY = re.compile(r"WHY ([\w-]+/[\w-]+) (\w+) (\d+) (\w+)$")  # case, call, sub-operation, refusal
SEEN = re.compile(r"SEEN ([\w-]+/[\w-]+) (\S+) (\S+)$")  # case, key, value: the same on both
# Keys of such lines that may differ, with the reason.
SEEN_DIFFERS = {
    "features/every_leaf_forced 40000003.0": "the measured frequency of the TSC",
    "features/every_leaf_forced 40000003.1": "scale of a TSC that is not emulated",
    "features/every_leaf_forced 40000003.2": "the measured frequency of the TSC",
}
CPUS = 2
VCPUS = 16  # more than CPUs, so that they take turns
# Xen's default scheduler now and then leaves vcpu 0 of so many waiting until the next timer; and on Intel's processors it
# hides AVX (a defence against GDS) and has user mode run on copies of root tables, which show what was in force before;
# it makes no domains on the first Opterons, which have an erratum.
OPTIONS = {"paravane": "", "xen": "sched=credit allow_unsafe xpti=no spec-ctrl=gds-mit=no"}

# Cases that end the domain, and what its end looks like: a regular expression for each hypervisor.
CRASHED = {"paravane": r"dom0 has crashed", "xen": r"Dom0 crashed|Domain 0 crashed"}
FATAL = {
    "fatal/shutdown_crash": CRASHED,
    "fatal/trap_without_handler": CRASHED,
    "fatal/stack_unmapped": CRASHED,
    "fatal/iret_bad_frame": CRASHED,
    "fatal/stack_in_hypervisor": CRASHED,
    "fatal/user_without_root": CRASHED,
    "fatal/page_fault_without_handler": CRASHED,
    "fatal/step_without_handler": CRASHED,
    "fatal/handlers_in_hypervisor": CRASHED,
    "fatal/upcall_without_callback": CRASHED,
    "fatal/system_call_without_anything": CRASHED,
    "fatal/user_stack_non_canonical": CRASHED,
    "fatal/user_stack_readonly": CRASHED,
    "fatal/iret_straddles_the_hole": CRASHED,
    "fatal/iret_in_multicall": CRASHED,
    "fatal/shutdown_poweroff": {"paravane": r"dom0 has powered off",
                                "xen": r"Dom(ain |)0 halted"},
}
FATAL["fatal/old_shutdown"] = FATAL["fatal/shutdown_poweroff"]


def boot_suite(hv, only, cpu, why, seen):
    """Runs all cases that survive; returns {case: None or reason} and the console's last lines. Reasons of
    refusals go to the list `why`, what cases print for comparison to `seen`."""
    iso = boot.make_iso(f"conformance-{hv}", hv, KERNEL, f"filter={only}" if only else "", initrd=KERNEL,
                        options=f"noreboot dom0_max_vcpus={VCPUS} {OPTIONS[hv]}", bios_only=True)
    results, note = {}, ""
    with qemu.Machine(iso, serial=boot.path(f"conformance-{hv}.log"), cpu=cpu, cpus=CPUS) as machine:
        while True:
            try:
                line = machine.read_line(60)
            except qemu.QemuTimeout as error:
                note = f"{error}; {machine.tail()}"
                break
            if line is None:
                note = f"QEMU ended; {machine.tail()}"
                break
            why += [(case, call, int(number), refusal) for case, call, number, refusal in WHY.findall(line)]
            match = SEEN.search(line)
            if match:
                seen[f"{match.group(1)} {match.group(2)}"] = match.group(3)
            match = CASE.search(line)
            if match:
                results[match.group(2)] = None if match.group(1) == "PASS" else match.group(3)
            if "RESULT " in line:
                break
            if re.search(CRASHED[hv], line):
                note = f"the domain crashed; {machine.tail(12)}"
                break
    return results, note


def boot_fatal(hv, case, cpu):
    """Boots one case that ends the domain; None when its end is as expected."""
    iso = boot.make_iso(f"conformance-{hv}-fatal", hv, KERNEL, f"fatal={case.split('/')[1]}",
                        options="noreboot", bios_only=True)
    with qemu.Machine(iso, serial=boot.path(f"conformance-{hv}-fatal.log"), cpu=cpu) as machine:
        try:
            machine.wait_for(r"^FATAL begin", 30)
            machine.wait_for(FATAL[case][hv], 15)
        except qemu.QemuTimeout as error:
            return str(error)
    return None


def run_hypervisor(hv, only, cpu, why, seen):
    """All cases on one hypervisor."""
    results, note = boot_suite(hv, only, cpu, why, seen) if not (only or "").startswith("fatal") else ({}, "")
    for case in FATAL:
        if not only or only in case:
            results[case] = boot_fatal(hv, case, cpu)
    return results, note


def judge_seen(seen, runs):
    """Makes failures of the cases that printed different things on the two hypervisors."""
    ours, theirs = seen["paravane"], seen["xen"]
    differences = {}
    for key in sorted(ours.keys() | theirs.keys()):
        if ours.get(key) != theirs.get(key) and key not in SEEN_DIFFERS:
            case, name = key.split()
            differences.setdefault(case, []).append(
                f"{name} is {ours.get(key, '-')} here and {theirs.get(key, '-')} there")
    for case, texts in differences.items():
        runs["paravane"][0][case] = "; ".join(texts)


def judge_errors(why, results, whole, write):
    """Compares the refusals on Paravane with the documented errors; the number of faults."""
    proofs = abiproofs.Proofs(abi.Abi())
    faults = list(proofs.judge(why, results, whole))
    if write:
        proofs.rewrite(results)
        return 0
    for fault in faults:
        print(f"FAIL errors/{fault}")
    for note in proofs.notes():
        print(note)
    return len(faults)


def word(results, case):
    if case not in results:
        return "-"
    return "ok" if results[case] is None else "FAIL"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--only", metavar="TEXT", help="cases whose suite/name contains this")
    parser.add_argument("--hv", choices=(*boot.HYPERVISORS, "both"), default="both")
    parser.add_argument("--cpu", default="max")
    parser.add_argument("--proofs", action="store_true", help=f"write {abiproofs.PROOFS}")
    args = parser.parse_args()
    lifeline.hold()
    os.chdir(boot.ROOT)
    hosts = list(boot.HYPERVISORS) if args.hv == "both" else [args.hv]
    for hv in hosts:
        if not boot.available(hv):
            print(f"FAIL conformance/{hv}: {boot.HYPERVISORS[hv]} is not built\nRESULT 0 passed, 1 failed")
            return 1
    why = []
    seen = {hv: {} for hv in hosts}
    runs = {hv: run_hypervisor(hv, args.only, args.cpu, why, seen[hv]) for hv in hosts}
    patterns = modules.left_out()
    for results, _ in runs.values():
        for case in [case for case in results if modules.is_listed(case, patterns)]:
            del results[case]
    why = [record for record in why if not modules.is_listed(record[0], patterns)]
    if len(hosts) == len(boot.HYPERVISORS):
        judge_seen(seen, runs)
    cases = sorted({case for results, _ in runs.values() for case in results})
    width = max([len(c) for c in cases] + [20])
    print(f"{'case':{width}} | " + " | ".join(f"{hv:8}" for hv in hosts) + " | verdict")
    passed = failed = 0
    for case in cases:
        words = [word(runs[hv][0], case) for hv in hosts]
        good = all(w == "ok" for w in words)
        print(f"{case:{width}} | " + " | ".join(f"{w:8}" for w in words)
              + f" | {'same' if good else 'DIFFERENT' if len(set(words)) > 1 else 'test is wrong'}")
        reasons = [f"{hv}: {runs[hv][0][case]}" for hv in hosts if runs[hv][0].get(case)]
        missing = [f"{hv}: did not run" for hv in hosts if case not in runs[hv][0]]
        print(f"PASS {case}" if good else f"FAIL {case}: {'; '.join(reasons + missing)}")
        passed, failed = passed + good, failed + (not good)
    for hv in hosts:
        if runs[hv][1]:
            failed += 1
            print(f"FAIL conformance/{hv}: {runs[hv][1]}")
    if "paravane" in runs:
        failed += judge_errors(why, runs["paravane"][0], not args.only and not patterns, args.proofs)
    print(f"RESULT {passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
