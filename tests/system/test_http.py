#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""HTTP of the web guest, as clients speak it: Python's http.client, curl, ab, and sockets for what no client
sends. The guest's disk has sectors of 4,096 bytes. How long a request takes is counted in the machine.
test_http.py [paravane] [xen]"""

import http.client
import os
import re
import socket
import subprocess
import sys

from chain import FOREVER, Chain, Report, boot, qemu

FILES = {"hello.txt": b"hello\n", "empty.bin": b"", "page.html": b"<p>x</p>\n",
         "part.bin": boot.pattern(300000, "http")}
REQUESTS = 50
ROUND_US = 500  # what a request and its answer may take between two guests, counted
DELAYED_US = 100000  # far below TCP's timer, which sends what nobody has flushed


def large_sectors(path, number):
    """A disk that knows no smaller unit than 4 KiB."""
    return ("-drive", f"if=none,id=large{number},format=raw,file={path}", "-device",
            f"virtio-blk-pci,drive=large{number},disable-legacy=on,disable-modern=off,"
            "logical_block_size=4096,physical_block_size=4096")


class HttpChain(Chain):
    """vdisk0 is the usual volume, vdisk1 one of 4 KiB sectors that the guest serves, vdisk2 empty."""

    def __init__(self, hv, **machine):
        volume = boot.make_volume(f"http-{hv}-large", FILES)
        with open(volume, "r+b") as file:  # up to a whole sector
            file.truncate(-(-os.path.getsize(volume) // 4096) * 4096)
        empty = boot.path(f"http-{hv}-empty.img")
        with open(empty, "wb") as file:
            file.truncate(16 << 20)
        super().__init__(f"http-{hv}", hv=hv, guests="", files=FILES,
                         extra=large_sectors(volume, 1) + large_sectors(empty, 2), **machine)

    def connection(self):
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=FOREVER)

    def ask(self, path, method="GET", **headers):
        """(status, headers, body) of one request on a connection of its own."""
        connection = self.connection()
        connection.request(method, path, headers={k.replace("_", "-"): v for k, v in headers.items()})
        reply = connection.getresponse()
        body = reply.read()
        connection.close()
        return reply.status, reply.headers, body

    def raw(self, data, close=False):
        """All that comes for bytes sent as they are, until the server closes."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=FOREVER) as s:
            s.sendall(data)
            if close:
                s.shutdown(socket.SHUT_WR)
            got = b""
            while piece := s.recv(65536):
                got += piece
        return got


def curl(c, *args):
    return subprocess.run(["curl", "-sS", "--max-time", str(FOREVER), *args],
                          capture_output=True, text=True, check=False, timeout=2 * FOREVER)


def large_sector_disk(c):
    for name, data in FILES.items():
        assert c.fetch(f"files/{name}") == data, name


def persistent_by_default(c):
    """HTTP/1.1 without a word about it: one connection for all, 404 and HEAD among them."""
    connection = c.connection()
    sockets = set()
    for i in range(REQUESTS):
        path = "/files/none" if i % 5 == 4 else "/files/hello.txt"
        connection.request("HEAD" if i % 5 == 3 else "GET", path)
        sockets.add(connection.sock)
        reply = connection.getresponse()
        body = reply.read()
        assert reply.getheader("Connection") == "keep-alive", reply.headers
        assert (reply.status, body) == {3: (200, b""), 4: (404, body)}.get(i % 5, (200, b"hello\n"))
    connection.close()
    assert len(sockets) == 1, f"{len(sockets)} connections"


def closed_when_asked(c):
    assert c.ask("/files/hello.txt", Connection="close")[1]["Connection"] == "close"
    old = c.raw(b"GET /files/hello.txt HTTP/1.0\r\n\r\n")
    assert old.endswith(b"\r\n\r\nhello\n") and b"Connection: close" in old, old


def head(c):
    status, headers, body = c.ask("/files/part.bin", "HEAD")
    assert (status, headers["Content-Length"], body) == (200, "300000", b""), (status, headers)


def ranges(c):
    part = FILES["part.bin"]
    for text, piece in (("0-99", part[:100]), ("70000-200000", part[70000:200001]), ("-5", part[-5:]),
                        ("299999-", part[-1:])):
        status, headers, body = c.ask("/files/part.bin", Range=f"bytes={text}")
        assert status == 206 and body == piece and headers["Content-Range"], (text, status)
    status, headers, _ = c.ask("/files/part.bin", Range="bytes=300000-")
    assert (status, headers["Content-Range"]) == (416, "bytes */300000"), (status, headers)


def not_modified(c):
    _, headers, _ = c.ask("/files/hello.txt")
    date = headers["Last-Modified"]
    status, _, body = c.ask("/files/hello.txt", If_Modified_Since=date)
    assert (status, body) == (304, b""), status
    assert c.ask("/files/hello.txt", If_Modified_Since="Thu, 01 Jan 1970 00:00:01 GMT")[0] == 200
    assert c.ask("/files/hello.txt", Range="bytes=0-1", If_Range=date)[0] == 206


def with_curl(c):
    base = f"http://127.0.0.1:{c.port}/files/"
    done = curl(c, "-v", f"{base}hello.txt", f"{base}page.html", f"{base}hello.txt")
    assert done.stdout == "hello\n<p>x</p>\nhello\n" and done.stderr.count("Connected to") == 1, done.stderr
    done = curl(c, "-I", f"{base}part.bin")
    assert "200 OK" in done.stdout and "Content-Length: 300000" in done.stdout, done.stdout
    path = boot.path("http-resumed.bin")
    with open(path, "wb") as file:
        file.write(FILES["part.bin"][:123456])
    done = curl(c, "-C", "-", "-o", path, f"{base}part.bin")
    with open(path, "rb") as file:
        assert done.returncode == 0 and file.read() == FILES["part.bin"], done.stderr
    done = curl(c, "-w", "%{http_code}", "-d", "x=1", f"{base}hello.txt")
    assert done.stdout.endswith("405"), done.stdout


def with_ab(c):
    for keep in ([], ["-k"]):
        done = subprocess.run(["ab", "-q", *keep, "-n", "200", "-c", "8", f"http://127.0.0.1:{c.port}/files/hello.txt"],
                              capture_output=True, text=True, check=False, timeout=2 * FOREVER)
        assert re.search(r"Complete requests: +200\nFailed requests: +0\n", done.stdout), done.stdout + done.stderr
        if keep:
            assert re.search(r"Keep-Alive requests: +200\n", done.stdout), done.stdout


def one_behind_the_other(c):
    """Requests sent ahead are answered in their order; the last one says that it is the last."""
    ask = b"GET /files/hello.txt HTTP/1.1\r\nHost: x\r\n"
    got = c.raw((ask + b"\r\n") * 40 + ask + b"Connection: close\r\n\r\n")
    assert got.count(b"\r\n\r\nhello\nHTTP/1.1 200 OK\r\n") == 40 and got.endswith(b"\r\n\r\nhello\n"), got[-300:]


def nonsense(c):
    for data, status in ((b"\x16\x03\x01\x02\x00\x01\n\n", b"400"), (b"GET /\r\n\r\n", b"400"),
                         (b"BREW / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", b"501"),
                         (b"GET / HTTP/3.0\r\n\r\n", b"505"),
                         (b"GET /%s HTTP/1.1\r\nHost: x\r\n\r\n" % (b"a" * 3000), b"414"),
                         (b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 2000, b"431"),
                         (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello", b"405")):
        got = c.raw(data)
        assert got.startswith(b"HTTP/1.1 " + status), (data[:40], got[:100])
    assert c.raw(b"GET / HT", close=True) == b""
    assert c.fetch("files/hello.txt") == b"hello\n"


def idle_clients(c):
    """More clients than the server takes, all of them silent; when they are gone, it serves others."""
    sockets = [socket.create_connection(("127.0.0.1", c.port), timeout=FOREVER) for _ in range(40)]
    for s in sockets:
        s.close()
    assert c.fetch("files/hello.txt") == b"hello\n"


def self_test(c, report, hv):
    for line in c.shell("selftest disk vdisk2"):
        match = re.match(r"(PASS|FAIL) disk/([^:]+)(?:: (.*))?$", line)
        if match:
            report.case(f"{hv}/large-sectors-{match.group(2)}", match.group(1) == "PASS", match.group(3))


def rounds(c, words):
    """Microseconds that each, and the longest, of many requests of another guest takes."""
    c.machine.send("xl create -c /guests/fetch.cfg "
                   f"'extra=\"ip=10.0.2.81/24 from=10.0.2.80 path=/files/hello.txt {words}\"'")
    found = c.machine.wait_for(r"^fetch: \d+ rounds, (\d+) us each, the longest (\d+) us", FOREVER)
    print(f"  {found[0]} ({words})", flush=True)
    c.shell("sleep 1")
    return int(found[1]), int(found[2])


QEMU_FAULT = "Bad icount read"  # of QEMU 10, when it counts what Xen 4.20 does


def counted(hv, report):
    """From guest to guest, an instruction a nanosecond."""
    with Chain(f"http-counted-{hv}", hv=hv, files=FILES, icount=True) as c:
        c.shell("sleep 3")  # of the machine's own time: the guest is up
        each, _ = rounds(c, "rounds=200")
        report.case(f"{hv}/round-trip", each < ROUND_US, f"{each} us")
        # The mean: one read of the host's disk may take long, while a reply that waits does so each time.
        each, _ = rounds(c, "rounds=50 body=6")
        report.case(f"{hv}/no-reply-waits", each < DELAYED_US, f"{each} us")


def run(hv, report):
    with HttpChain(hv) as c:
        c.shell("xl create -q web.cfg 'disk=[\"phy:vdisk1,xvda,r\"]'")
        c.fetch()
        for step in (large_sector_disk, persistent_by_default, closed_when_asked, head, ranges, not_modified,
                     with_curl, with_ab, one_behind_the_other, nonsense, idle_clients):
            report.run(f"{hv}/{step.__name__.replace('_', '-')}", step, c)
        self_test(c, report, hv)
    try:
        counted(hv, report)
    except qemu.QemuTimeout as error:
        if hv != "xen" or QEMU_FAULT not in str(error):
            raise
        print(f"  {hv} is not counted: this QEMU ends under it with \"{QEMU_FAULT}\"", flush=True)


def main():
    os.chdir(boot.ROOT)
    report = Report("http")
    for hv in sys.argv[1:] or [hv for hv in ("xen", "paravane") if boot.available(hv)]:
        try:
            run(hv, report)
        except (qemu.QemuTimeout, AssertionError, OSError) as error:
            report.case(f"{hv}/machine", False, str(error))
    return report.result()


if __name__ == "__main__":
    sys.exit(main())
