#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""`make run` for a stranger: nothing of it outlives make, however make ends; two runs in one tree do not meet; what
cannot be started is told in one line before anything is written."""

import os
import signal
import socket
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "tools"))
import boot  # noqa: E402
import lifeline  # noqa: E402

FOREVER = 120  # s; a guard against hangs, not a measure
counts = [0, 0]


def report(ok, name, reason=""):
    counts[not ok] += 1
    print(f"{'PASS' if ok else 'FAIL'} run/{name}{'' if ok else ': ' + reason}", flush=True)


def children(pid):
    """Numbers of all processes below this one."""
    try:
        with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
            direct = [int(word) for word in file.read().split()]
    except OSError:
        return []
    return direct + [below for child in direct for below in children(child)]


def name_of(pid):
    """The program, or "" if the process has ended."""
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii") as file:
            name, _, rest = file.read().partition("(")[2].rpartition(")")
    except OSError:
        return ""
    return "" if rest.split()[0] in "ZX" else name


def wait(condition):
    """True as soon as the condition is."""
    deadline = time.monotonic() + FOREVER
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.1)
    return True


def start(port):
    """`make run` and the numbers of all that it has started, QEMU among them."""
    make = subprocess.Popen(["make", "run"], env=boot.strangers_environment(PORT=str(port)), stdin=subprocess.DEVNULL,
                            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, preexec_fn=lifeline.in_child())
    wait(lambda: make.poll() is not None or any(name_of(pid).startswith("qemu") for pid in children(make.pid)))
    return make, children(make.pid)


def ended(name, number):
    """make gets a signal; what it started ends."""
    make, below = start(boot.free_port())
    qemus = [pid for pid in below if name_of(pid).startswith("qemu")]
    if not qemus:
        report(False, name, f"no QEMU was started, make ended with {make.poll()}")
        return
    os.kill(make.pid, number)
    gone = wait(lambda: not any(map(name_of, below)))
    report(gone, name, f"still there: {[name_of(pid) for pid in below]}")
    for pid in below:
        if name_of(pid):
            os.kill(pid, signal.SIGKILL)
    make.kill()
    make.wait()


def two_runs():
    """Each has its own files, and neither disturbs the other."""
    runs = [start(boot.free_port()) for _ in range(2)]
    discs = []
    for _, below in runs:
        for pid in (pid for pid in below if name_of(pid).startswith("qemu")):
            with open(f"/proc/{pid}/cmdline", encoding="utf-8") as file:
                discs += [word for word in file.read().split("\0") if word.endswith((".iso", ".img"))]
    report(len(discs) == 4 and len(set(discs)) == 4, "two-runs", f"images: {discs}")
    for make, below in runs:
        make.kill()
        make.wait()
        wait(lambda numbers=below: not any(map(name_of, numbers)))


def complaints():
    """One line, and nothing is made."""
    with socket.socket() as busy:
        busy.bind(("127.0.0.1", 0))
        busy.listen()
        ports = {"busy": str(busy.getsockname()[1]), "word": "web", "zero": "0", "large": "70000", "empty": ""}
        for name, port in ports.items():
            done = subprocess.run(["make", "run"], env=boot.strangers_environment(PORT=str(port)), capture_output=True, text=True,
                                  stdin=subprocess.DEVNULL, check=False, preexec_fn=lifeline.in_child())
            lines = [line for line in done.stderr.split("\n") if line and not line.startswith("make: ***")]
            ok = done.returncode != 0 and not done.stdout and len(lines) == 1 and lines[0].startswith("make run: ")
            report(ok, f"port-{name}", done.stdout + done.stderr)


def main():
    os.chdir(boot.ROOT)
    complaints()
    for name, number in (("make-killed", signal.SIGKILL), ("make-terminated", signal.SIGTERM)):
        ended(name, number)
    two_runs()
    print(f"RESULT {counts[0]} passed, {counts[1]} failed")
    return 1 if counts[1] else 0


if __name__ == "__main__":
    sys.exit(main())
