#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Guests that fill the store, or make large transactions: what it costs others, counted (an instruction is a
nanosecond), and that a small dom0 goes on."""

import os
import re
import sys

import chain
from chain import Chain, Report

TURN_US = 5000  # that the store may stay with one request
FULL = 2  # guests


def archive():
    with open("pvguest/examples/hostile/hostile.cfg", encoding="utf-8") as file:
        config = re.sub(r"^(vif|disk) .*\n", "", file.read(), flags=re.M)
    with open("build/guests/hostile.elf", "rb") as file:
        files = {"/guests/hostile.elf": file.read()}
    for attack in ("large-commit", "large-fill"):
        files[f"/t/{attack}.cfg"] = config.replace("net-random", attack).encode()
    return chain.make_initrd("store", files)


def longest_turn(c):
    """us since the last call."""
    turn = int(re.search(r"longest turn of the store: (\d+) us", c.text("events")).group(1))
    print(f"  longest turn: {turn} us")
    return turn


def create(c, attack, name):
    c.shell(f"xl create -q /t/{attack}.cfg \"name='{name}'\"")
    return c.text(f"xl domid {name}").strip()


def wait_over(c, domid):
    c.wait_until(f"xenstore-read /local/domain/{domid}/data/over", "^1$", 300)


def commits(c):
    """Large transactions, and the death of one who has them open."""
    longest_turn(c)
    wait_over(c, create(c, "large-commit", "large"))
    assert longest_turn(c) < TURN_US
    c.shell("xl destroy large")
    c.shell("sleep 1")
    assert longest_turn(c) < TURN_US
    text = c.text("xl console large")
    for part in (r"flat: 884 changes end with 0", r"deep: \d{3} changes end with 0", r"reads: 0 changes end with 0"):
        assert re.search(part, text), text


def full(c):
    """Two guests have all that they can have: dom0 makes and lists others."""
    names = [f"full{i}" for i in range(FULL)]
    domids = [create(c, "large-fill", name) for name in names]
    for domid in domids:
        wait_over(c, domid)
    print(f"  {c.text('free')}")
    assert all(c.state(name) for name in names)
    c.shell("xl create -q -F /guests/hello.cfg")
    assert "Hello from a guest" in c.last_words("hello")
    for name in names:
        c.shell(f"xl destroy {name}")
        text = c.text(f"xl console {name}")
        assert re.search(r"9\d\d nodes and 10 transactions$", text, re.M), text
    assert not any(c.state(name) for name in names)


def main():
    os.chdir(chain.boot.ROOT)
    report = Report("store")
    initrd = archive()
    for step, machine in ((commits, {"icount": True}), (full, {"options": "dom0_mem=64M"})):
        try:
            with Chain(f"store-{step.__name__}", initrd=initrd, guests="", **machine) as c:
                report.run(step.__name__, step, c)
        except (chain.qemu.QemuTimeout, OSError) as error:
            report.case(f"{step.__name__}-machine", False, str(error))
    return report.result()


if __name__ == "__main__":
    sys.exit(main())
