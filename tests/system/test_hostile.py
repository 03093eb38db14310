#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Front ends that mean harm: nonsense in rings and in the store. The back ends, dom0 and the web guest go
on; when the attacker is destroyed, all its memory comes back."""

import os
import re
import sys
import time

import chain
from chain import Chain, Report

HELD = 6
GONE_WAIT = 5  # s that a death may take xl when others keep pages


def attacks():
    with open("pvguest/examples/hostile/hostile.c", encoding="utf-8") as file:
        return re.findall(r'\{"((?:net|blk|store|console)-\w+)"', file.read())


def archive():
    with open("pvguest/examples/hostile/hostile.cfg", encoding="utf-8") as file:
        config = file.read()
    with open("build/guests/hostile.elf", "rb") as file:
        files = {"/guests/hostile.elf": file.read()}
    for attack in attacks():
        text = re.sub(r"attack=[\w-]+", f"attack={attack}", config)
        files[f"/t/{attack}.cfg"] = text.encode()
    crash = re.sub(r"attack=[\w-]+", "attack=pair-crash", config).replace('"hostile"', '"held"')
    again = crash.replace('"held"', '"again"').replace('on_crash = "destroy"', 'on_crash = "restart"')
    hold = re.sub(r"^(vif|disk) .*\n", "", config, flags=re.M).replace("net-random", "pair-hold")
    files |= {"/t/held.cfg": crash.encode(), "/t/again.cfg": again.encode(), "/t/hold.cfg": hold.encode()}
    return chain.make_initrd("hostile", files)


EVENTS_MAX = 1000  # of a storm: some 10, and one each 64 ms


def events_are_few(c, name):
    """Of a million sends on a port, dom0 saw few: those for which it found nothing were put off longer and
    longer. The web guest is served meanwhile."""
    domid = c.text("xl domid hostile").strip()
    for _ in range(5):
        assert "web" in c.fetch().decode()
    c.wait_until(f"xenstore-read /local/domain/{domid}/data/over", "^1$")
    row = re.search(rf"^ *{domid} +(\d+) +(\d+) +(\d+)$", c.text("events"), re.M)
    events, spurious, delayed = map(int, row.groups())
    print(f"events of {name}: {row.group()}")
    assert 0 < events < EVENTS_MAX and delayed > 5, row.group()


def attack(c, name):
    c.shell(f"xl create /t/{name}.cfg")
    if name.endswith("-storm"):
        events_are_few(c, name)
    else:
        time.sleep(15 if name == "store-flood" else 2)  # longer than the attack takes
    assert "web" in c.fetch().decode()
    c.shell("xl destroy hostile")
    text = c.text("xl console hostile")
    assert f"hostile: {name} is over" in text, text[-300:]
    assert "no limit found" not in text, text
    assert c.fetch("files/hello.txt") == b"hello\n"


def seconds(c, command):
    """How long it takes by dom0's clock."""
    return int(re.search(r"time: (\d+) us", c.text(f"time \"{command}\"")).group(1)) / 1e6


def held_deaths(c):
    """A partner keeps pages of guests that crash, once and again: nobody waits for what is left of them."""
    before = c.free_pages()
    c.shell("xl create -q /t/hold.cfg")
    took = seconds(c, f"repeat {HELD} 'xl create -q -F /t/held.cfg'")
    left = len(re.findall(r"^\(null\) ", c.text("xl list"), re.M))
    assert left == HELD, f"{left} of {HELD} are held"
    assert took < HELD * GONE_WAIT - 5, f"{took} s for {HELD} deaths"
    start = len(c.machine.lines)
    c.shell("xl create -q /t/again.cfg")
    text = c.text("repeat 5 'xl create -q -F /guests/hello.cfg'")
    assert "5 rounds" in text and "status 0" in text, text
    c.machine.wait_for(r"again is restarted when others let go of its memory: 5 of it are left", chain.FOREVER)
    runs = sum("again runs again as domain" in line for line in c.machine.lines[start:])
    assert runs == 4, f"{runs} restarts"
    c.shell("xl destroy again")
    c.shell("xl destroy hostile")
    assert "(null)" not in c.text("xl list"), "held no more, but there still"
    after = c.free_pages()
    assert after == before, f"{before} pages free before, {after} after"
    assert "web" in c.fetch().decode()


def main():
    os.chdir(chain.boot.ROOT)
    report = Report("hostile")
    try:
        with Chain("hostile", cpus=2, initrd=archive()) as c:
            c.fetch()
            attack_names = sys.argv[1:] or attacks()
            report.run("first", attack, c, attack_names[0])
            report.run("held-deaths", held_deaths, c)
            before = c.free_pages()
            for name in attack_names:
                report.run(name, attack, c, name)
            after = c.free_pages()
            report.case("memory", after == before, f"{before} pages free before, {after} after")
    except (chain.qemu.QemuTimeout, OSError) as error:
        report.case("machine", False, str(error))
    return report.result()


if __name__ == "__main__":
    sys.exit(main())
