#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The network: front ends, back ends, bridge, on Debian's Xen and on Paravane.

The self-test in dom0 plays hostile front and back ends. The host and a second guest fetch from the
guest "web": 16 MiB, no bytes at all, a file that is not there, 20 connections at once, several requests
on one connection. Guests are killed in the middle of network and disk traffic (ROUNDS=N sets how many).
test_net.py [xen] [paravane]"""

import http.client
import os
import re
import sys
import threading
import time
import zlib

import chain
from chain import FOREVER, Chain, Report, boot, qemu

BIG = 16 << 20
CONNECTIONS = 20
ROUNDS = {"paravane": int(os.environ.get("ROUNDS", "200")), "xen": int(os.environ.get("ROUNDS", "40"))}
FETCH = "xl create -c /guests/fetch.cfg"
FETCH_QUIET = "xl create -q /guests/fetch.cfg"
FETCH_END = r"^fetch: (ok|FAILED)"


class NetChain(Chain):
    """The chain with a big, a small and an empty file."""

    def __init__(self, hv, **machine):
        self.big = boot.pattern(BIG, "net")
        super().__init__(f"net-{hv}-{machine.get('cpus', 1)}", hv=hv,
                         files={"hello.txt": b"hello\n", "big.bin": self.big, "empty.bin": b"",
                                "mib.bin": self.big[:1 << 20]}, **machine)

    def connection(self):
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=FOREVER)

    def guest_fetch(self, options):
        """A guest fetches from the guest web; its console up to the line with the result."""
        start = len(self.machine.lines)
        self.machine.send(f"{FETCH} 'extra=\"{options}\"'")
        self.machine.wait_for(FETCH_END, FOREVER)
        time.sleep(0.3)
        return "\n".join(self.machine.lines[start:])


def big_file(c):
    start = time.monotonic()
    assert c.fetch("files/big.bin") == c.big, "bytes differ"
    print(f"  16 MiB at {16 / (time.monotonic() - start):.1f} MiB/s", flush=True)


def empty_file(c):
    assert c.fetch("files/empty.bin") == b""


def missing_file(c):
    connection = c.connection()
    connection.request("GET", "/files/none.bin")
    assert connection.getresponse().status == 404
    connection.close()


def other_method(c):
    """The server knows GET and HEAD alone; it says so, and goes on."""
    connection = c.connection()
    connection.request("DELETE", "/files/hello.txt")
    status = connection.getresponse().status
    connection.close()
    assert status == 405, status
    assert c.fetch("files/hello.txt") == b"hello\n"


def keep_alive(c):
    connection = c.connection()
    sockets = set()
    for _ in range(20):
        connection.request("GET", "/files/hello.txt", headers={"Connection": "keep-alive"})
        sockets.add(connection.sock)
        assert connection.getresponse().read() == b"hello\n"
    connection.close()
    assert len(sockets) == 1, f"{len(sockets)} connections"


def many_connections(c):
    wrong = []

    def one():
        try:
            if c.fetch("files/mib.bin") != c.big[:1 << 20]:
                wrong.append("bytes differ")
        except OSError as error:
            wrong.append(str(error))

    threads = [threading.Thread(target=one) for _ in range(CONNECTIONS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong, wrong


def guest_to_guest(c, address):
    text = c.guest_fetch(f"ip={address} from=10.0.2.80 path=/files/mib.bin")
    wanted = f"{1 << 20} bytes, Adler-32 {zlib.adler32(c.big[:1 << 20]):08x}"
    assert re.search(r"^fetch: ok, \"HTTP/1.. 200", text, re.M) and wanted in text, text[-400:]


def split_channels(c):
    """A card has a channel for each direction; how they are used, `selftest net` shows."""
    nodes = dict(re.findall(r"^ *(event-channel\S*) = \"(\d+)\"$",
                            c.text("xenstore-ls /local/domain/1/device/vif/0"), re.M))
    assert sorted(nodes) == ["event-channel-rx", "event-channel-tx"], nodes
    assert nodes["event-channel-rx"] != nodes["event-channel-tx"], nodes


def source_address(c, word, foreign):
    """A guest asks the guest web for its address, as another and as itself: which answers does it get?"""
    c.machine.send(f"""xl create -c /guests/selftest.cfg 'vif=["mac=00:16:3e:00:00:21{word}"]' """
                   """'extra="spoof=10.0.2.80"'""")
    line = c.machine.wait_for(r"^spoof: .*as foreign \d", FOREVER).string
    c.shell("sleep 0.3")
    assert line.startswith(f"spoof: sent 1, answered as own 1, as foreign {foreign}"), line


def killed_in_traffic(c, hv):
    """A guest dies while it fetches from the other one, which reads its disk for it."""
    extra = 'extra=\\"ip=10.0.2.81/24 from=10.0.2.80 path=/files/big.bin loop\\"'
    one = f"{FETCH_QUIET} '{extra}'; sleep 0.1; xl destroy fetch"
    c.shell(f'repeat 2 "{one}"')
    c.shell("sleep 1")
    pages = c.free_pages()
    start = time.monotonic()
    result = c.text(f'repeat {ROUNDS[hv]} "{one}"', FOREVER + 2 * ROUNDS[hv])
    c.shell("sleep 1")
    after = c.free_pages()
    print(f"  {hv}: {ROUNDS[hv]} rounds in {time.monotonic() - start:.0f} s", flush=True)
    assert "status 0" in result, result
    assert pages == after, f"free pages {pages} before, {after} after"
    assert c.fetch("files/hello.txt") == b"hello\n"


def server_killed(c):
    """The other way round: the server dies while the host and a guest fetch from it."""
    for _ in range(5):
        extra = "'extra=\"ip=10.0.2.81/24 from=10.0.2.80 path=/files/big.bin loop\"'"
        c.shell(f"{FETCH_QUIET} {extra}")
        connection = c.connection()
        connection.request("GET", "/files/big.bin")
        connection.getresponse().read(100000)
        c.shell("xl destroy web")
        connection.close()
        c.shell("xl destroy fetch; xl create -q web.cfg; sleep 1")
    assert c.fetch("files/hello.txt") == b"hello\n"


def self_test(c, report, hv):
    for line in c.shell("selftest net"):
        match = re.match(r"(PASS|FAIL) net/([^:]+)(?:: (.*))?$", line)
        if match:
            report.case(f"{hv}/{match.group(2)}", match.group(1) == "PASS", match.group(3))


def run(hv, report):
    with NetChain(hv) as c:
        c.fetch()
        self_test(c, report, hv)
        for step in (big_file, empty_file, missing_file, other_method, keep_alive, many_connections):
            report.run(f"{hv}/{step.__name__.replace('_', '-')}", step, c)
        report.run(f"{hv}/guest-split-channels", split_channels, c)
        for name, word, foreign in (("default", "", 0), ("antispoof-1", ",antispoof=1", 0),
                                    ("antispoof-0", ",antispoof=0", 1)):
            report.run(f"{hv}/source-address-{name}", source_address, c, word, foreign)
        report.run(f"{hv}/guest-to-guest", guest_to_guest, c, "10.0.2.81/24")
        report.run(f"{hv}/guest-to-guest-dhcp", guest_to_guest, c, "dhcp")
        report.run(f"{hv}/killed-in-traffic", killed_in_traffic, c, hv)
        report.run(f"{hv}/server-killed", server_killed, c)
    if hv == "paravane":
        with NetChain(hv, cpus=4) as c:
            report.run(f"{hv}/big-file-4-cpus", big_file, c)
            report.run(f"{hv}/many-connections-4-cpus", many_connections, c)


def main():
    os.chdir(boot.ROOT)
    report = Report("net")
    for hv in sys.argv[1:] or [hv for hv in ("xen", "paravane") if boot.available(hv)]:
        try:
            run(hv, report)
        except (qemu.QemuTimeout, AssertionError, OSError) as error:
            report.case(f"{hv}/machine", False, str(error))
    return report.result()


if __name__ == "__main__":
    sys.exit(main())
