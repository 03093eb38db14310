#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The whole chain on Paravane: boots under BIOS and UEFI on 1, 2 and 4 CPUs with the page served, the
life of guests under xl, a big file, and as much free memory afterwards as before (ROUNDS=200 for more
rounds; the word "life" leaves the boots out)."""

import hashlib
import os
import sys
import time

import chain
from chain import FOREVER, Chain, Report

# name: firmware, CPUs, model
MACHINES = {
    "bios-1": ("bios", 1, "qemu64"),
    "bios-2": ("bios", 2, "max"),
    "bios-4": ("bios", 4, "max"),
    "uefi-1": ("uefi", 1, "max"),
    "uefi-2": ("uefi", 2, "qemu64"),
    "uefi-4": ("uefi", 4, "max"),
}
BIG = 16 << 20
ROUNDS = int(os.environ.get("ROUNDS", "20"))


def boot_and_serve(name, firmware, cpus, cpu):
    with Chain(f"chain-{name}", firmware=firmware, cpus=cpus, cpu=cpu) as c:
        page = c.fetch().decode()
        assert "web" in page and "uptime" in page, page[:200]
        assert c.fetch("files/hello.txt") == b"hello\n"
        c.machine.send("halt")
        assert c.machine.wait_exit(FOREVER) == 0


def big_file(c, data):
    got = c.fetch("files/big.bin")
    assert hashlib.sha256(got).digest() == hashlib.sha256(data).digest(), f"{len(got)} bytes differ"


def missing_file(c):
    try:
        c.fetch("files/none.bin")
    except chain.urllib.error.HTTPError as error:
        assert error.code == 404, error
        return
    raise AssertionError("a file that is not there was served")


def listing(c):
    text = c.text("xl list")
    assert text.split("\n")[0].split() == ["Name", "ID", "Mem", "VCPUs", "State", "Time(s)"], text
    assert c.state("Domain-0") and c.state("web"), text
    assert c.text("xl domid web").strip() == "1"
    assert c.text("xl domname 1").strip() == "web"
    assert "Domain-0" in c.text("xl vcpu-list")


def pausing(c):
    c.shell("xl pause web")
    assert "p" in c.state("web")
    c.shell("xl unpause web")
    assert "p" not in c.state("web")
    assert "web" in c.fetch().decode()


def second_guest(c):
    c.shell("xl create hello.cfg")
    assert "Hello" in c.last_words("hello")


def created_paused(c):
    c.shell("xl create -p hello.cfg")
    assert "p" in c.state("hello")
    c.shell("xl destroy hello")
    assert c.state("hello") is None


def name_in_use(c):
    text = c.text("xl create web.cfg")
    assert "web" in text and c.text("xl list").count("web ") == 1, text


def destroyed_and_created(c):
    c.shell("xl destroy web")
    assert c.state("web") is None
    c.shell("xl create web.cfg")
    assert "web" in c.fetch().decode()


def shut_down(c):
    c.shell("xl shutdown web")
    for _ in range(20):
        if c.state("web") is None:
            break
        c.shell("sleep 1")
    assert c.state("web") is None
    c.shell("xl create web.cfg")
    c.fetch()


def no_such_domain(c):
    for command in ("destroy", "pause", "unpause", "console", "domid", "shutdown"):
        text = c.text(f"xl {command} nobody")
        assert "nobody" in text, f"{command}: {text!r}"


def one_round(c):
    c.shell("xl create web.cfg")
    c.wait_until("xenstore-ls /local/domain", r"name = .web")
    # QEMU's network sends a lost SYN again only after six seconds: let the guest come up first.
    time.sleep(0.7)
    assert c.fetch("files/hello.txt") == b"hello\n"
    c.shell("xl destroy web")


def rounds(c):
    """Memory comes back to the page, guests killed with connections open included."""
    c.shell("xl destroy web")
    one_round(c)
    before = c.free_pages()
    for _ in range(ROUNDS):
        one_round(c)
    after = c.free_pages()
    assert after == before, f"{before} pages free before {ROUNDS} rounds, {after} after"


def store(c):
    c.shell("xenstore-write /test/one 1")
    assert c.text("xenstore-read /test/one").strip() == "1"
    assert c.text("xenstore-ls /test").strip() == 'one = "1"'
    c.shell("xenstore-rm /test")
    assert "could not list" in c.text("xenstore-ls /test")


def power_off(c):
    c.machine.send("halt")
    assert c.machine.wait_exit(FOREVER) == 0


LIFE = [listing, pausing, second_guest, created_paused, name_in_use, destroyed_and_created, shut_down,
        no_such_domain, missing_file, store, rounds, power_off]


def main():
    os.chdir(chain.boot.ROOT)
    report = Report("chain")
    for name, machine in MACHINES.items() if "life" not in sys.argv[1:] else ():
        report.run(f"boot-{name}", boot_and_serve, name, *machine)
    big = chain.boot.pattern(BIG, "big")
    try:
        with Chain("chain-life", cpus=2, files={"hello.txt": b"hello\n", "big.bin": big}) as c:
            report.run("big-file", big_file, c, big)
            for step in LIFE:
                report.run(step.__name__.replace("_", "-"), step, c)
    except chain.qemu.QemuTimeout as error:
        report.case("life", False, str(error))
    return report.result()


if __name__ == "__main__":
    sys.exit(main())
