#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""`make fuzz`: the same random hypercalls on Paravane and on Debian's Xen, compared line by line.

The guest prints a hash of its log every few hundred calls. Where the hashes part, both run again with the
calls in between printed, the first line that differs is found, and then operations and calls are left
out as long as a difference stays: what remains is the reproducer.
"""

import argparse
import concurrent.futures
import os
import re
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tools"))
import boot  # noqa: E402
import lifeline  # noqa: E402
import qemu  # noqa: E402

KERNEL = "build/guests/fuzz.elf"
HVS = ("paravane", "xen")
CALL = re.compile(r"^C (\d+) (.*)$")
HASH = re.compile(r"^H (\d+) ([0-9a-f]+)$")
CALLS_A_BOOT = 50000
REDUCE_RUNS = 40
WORDS_MAX = 900  # of the command line
SHOWN_MAX = 100  # calls of a reproducer
LONGEST = re.compile(r"^HOSTILE longest (\d+\(\d+\)) (\d+)$")
INSTRUCTIONS_MAX = 1000000  # of a hypercall between two looks for pending work


class Ended(Exception):
    """The guest or the hypervisor did not reach the end."""


def run(hv, words, timeout):
    """({number: hash}, {number: line}) of one boot."""
    name = f"fuzz-{hv}-{words.split()[0][len('seed='):]}"
    iso = boot.make_iso(name, hv, KERNEL, words, options="noreboot dom0_max_vcpus=2", bios_only=True)
    hashes, calls = {}, {}
    with qemu.Machine(iso, serial=boot.path(f"{name}.log"), cpu="qemu64", cpus=2,
                      accel=boot.ACCEL[hv]) as machine:
        while True:
            try:
                line = machine.read_line(timeout)
            except qemu.QemuTimeout as error:
                raise Ended(f"{hv}: {error}") from error
            if line is None or "crash" in line.lower():
                raise Ended(f"{hv}: ended early: {machine.tail(8)}")
            if line.startswith("FUZZ-END"):
                return hashes, calls
            match = HASH.match(line)
            if match:
                hashes[int(match[1])] = match[2]
            match = CALL.match(line)
            if match:
                calls[int(match[1])] = match[2]


def both(words, timeout=120):
    """The results of both hypervisors, which run at the same time."""
    with concurrent.futures.ThreadPoolExecutor(len(HVS)) as pool:
        return list(pool.map(lambda hv: run(hv, words, timeout), HVS))


def first_bad_stretch(results):
    """(from, to) of the calls between the last equal and the first unequal hash; None if all agree."""
    ours, theirs = results[0][0], results[1][0]
    last = 0
    for number in sorted(theirs):
        if ours.get(number) != theirs[number]:
            return last, number + 1
        last = number + 1
    return None


def first_difference(results):
    """(number, our line, their line) of the first call that differs, or None."""
    ours, theirs = results[0][1], results[1][1]
    for number in sorted(set(ours) | set(theirs)):
        if ours.get(number) != theirs.get(number):
            return number, ours.get(number), theirs.get(number)
    return None


def ranges(numbers):
    """[1, 2, 3, 7] as "1-3,7"."""
    parts, numbers = [], sorted(numbers)
    start = previous = numbers[0]
    for number in numbers[1:] + [None]:
        if number is not None and number == previous + 1:
            previous = number
            continue
        parts.append(f"{start}-{previous}" if previous > start else str(start))
        start = previous = number
    return ",".join(parts)


class Reduction:
    """Leaves out operations and calls as long as a difference stays, not always the same one: `number` is
    the last call that has to run for it to show."""

    def __init__(self, seed, number):
        self.seed, self.number = seed, number
        self.skip, self.keep = [], list(range(number))
        self.runs = 0

    def words(self, skip, keep, options):
        chosen = (f" skip={','.join(skip)}" if skip else "") + f" keep={ranges(keep + [self.number])}"
        return f"seed={self.seed} calls={self.number + 1} {options}{chosen}"

    def try_with(self, skip, keep):
        """Does anything differ without `skip` and with nothing but `keep`? Then that is what is left."""
        words = self.words(skip, keep, f"every={max(1, len(keep) // 200)}")
        if len(words) > WORDS_MAX or self.runs >= REDUCE_RUNS:
            return False
        self.runs += 1
        try:
            stretch = first_bad_stretch(both(words, 60))
        except Ended:
            return False
        if stretch:
            self.skip, self.number = skip, stretch[1] - 1
            self.keep = [call for call in keep if call < self.number]
        return stretch is not None

    def drop_operations(self, names):
        if not names or self.try_with(self.skip + names, self.keep) or len(names) == 1:
            return
        self.drop_operations(names[:len(names) // 2])
        self.drop_operations(names[len(names) // 2:])

    def drop_calls(self):
        piece = max(1, len(self.keep) // 2)
        while piece and self.keep and self.runs < REDUCE_RUNS:
            start = 0
            while start < len(self.keep):
                if not self.try_with(self.skip, self.keep[:start] + self.keep[start + piece:]):
                    start += piece
            piece //= 2

    def run(self):
        calls = both(self.words([], self.keep, f"from=0 to={self.number + 1}"))[1][1]
        self.drop_operations(sorted({line.split()[0] for line in calls.values()}))
        self.drop_calls()

    def show(self):
        words = self.words(self.skip, self.keep, f"from=0 to={self.number + 1}")
        ours, theirs = (result[1] for result in both(words))
        print(f"  {self.runs} runs; what is left: {words}")
        for call in sorted(theirs)[-SHOWN_MAX:]:
            print(f"    {call}: {theirs[call]}")
            if ours.get(call) != theirs[call]:
                print(f"    {call}: {ours.get(call)}   <- Paravane")


def compare(seed, calls, every, reduce_it):
    """None when both agree, else what differs."""
    try:
        results = both(f"seed={seed} calls={calls} every={every}", 300)
        stretch = first_bad_stretch(results)
        if not stretch:
            return None
        results = both(f"seed={seed} calls={stretch[1]} every={every} from={stretch[0]} to={stretch[1]}")
    except Ended as error:
        return str(error)
    found = first_difference(results)
    if not found:
        return f"hashes differ before call {stretch[1]}, lines do not: not deterministic"
    number, ours, theirs = found
    if reduce_it:
        reduction = Reduction(seed, number)
        reduction.run()
        reduction.show()
    return f"seed {seed}, call {number}: Paravane \"{ours}\", Xen \"{theirs}\""


def hostile(seed, calls, vcpus, icount):
    """None when Paravane survived wild calls and its frame table is right, else what happened."""
    worst = " worst=1" if icount else ""
    iso = boot.make_iso("fuzz-hostile", "paravane", KERNEL,
                        f"seed={seed} calls={calls} every={calls} hostile={vcpus}{worst}",
                        options="noreboot dom0_max_vcpus=6", bios_only=True)
    with qemu.Machine(iso, serial=boot.path("fuzz-hostile.log"), cpu="qemu64", icount=icount,
                      cpus=1 if icount else vcpus) as machine:
        try:
            match = machine.wait_for(r"^FUZZ-(END|BAD)|panic|dom0 has|crash", timeout=3600)
        except qemu.QemuTimeout as error:
            return str(error)
        if match[0] != "FUZZ-END":
            return machine.tail(8)
        return too_long(machine.lines) if icount else None


def too_long(lines):
    """The calls that kept their CPU for more instructions than they may, or None; prints the longest."""
    found = sorted((int(m[2]), m[1]) for m in map(LONGEST.match, lines) if m)
    for count, call in reversed(found):
        print(f"  {count:9} instructions: {call}")
    over = [f"{call} {count} instructions" for count, call in found if count > INSTRUCTIONS_MAX]
    return ", ".join(over) or (None if found else "no figures: not built with TIMED=1?")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--calls", type=int, default=100000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--boots", type=int, help="the calls are spread over so many seeds")
    parser.add_argument("--reduce", action="store_true", help="print a short reproducer")
    parser.add_argument("--hostile", type=int, metavar="VCPUS",
                        help="wild calls on Paravane alone, with so many vcpus")
    parser.add_argument("--debug", action="store_true", help="the build with assertions")
    parser.add_argument("--icount", action="store_true",
                        help="count how many instructions calls take, on one CPU")
    args = parser.parse_args()
    lifeline.hold()
    os.chdir(boot.ROOT)
    if args.debug or args.icount:
        build = "build/timed" if args.icount else "build/debug"
        subprocess.run(["make", f"B={build}", "TIMED=1" if args.icount else "DEBUG=1", "hypervisor"],
                       check=True, stdout=subprocess.DEVNULL)
        boot.HYPERVISORS["paravane"] = f"{build}/hypervisor/paravane.elf"
    failed = 0
    boots = args.boots or -(-args.calls // CALLS_A_BOOT)
    for i in range(boots):
        calls = args.calls // boots
        if args.hostile:
            reason = hostile(args.seed + i, calls, args.hostile, args.icount)
        else:
            reason = compare(args.seed + i, calls, max(100, calls // 50), args.reduce)
        failed += reason is not None
        name = f"fuzz/{'hostile' if args.hostile else 'differential'}-{args.seed + i}"
        print(f"FAIL {name}: {reason}" if reason else f"PASS {name}", flush=True)
    print(f"RESULT {boots - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
