#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""`make run` and `make gdb`: the whole chain on this terminal. ctrl-a x leaves QEMU."""

import argparse
import errno
import os
import socket
import sys
import threading
import time
import urllib.error
import urllib.request

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import boot  # noqa: E402
import lifeline  # noqa: E402
import qemu  # noqa: E402

GDB_SYMBOLS = ("build/hypervisor/paravane.elf", "build/dom0/dom0.elf", "build/guests/web.elf")


def announce(port):
    """Thread: waits until the page can be fetched, then prints its address."""
    url = f"http://127.0.0.1:{port}/"
    while True:
        try:
            with urllib.request.urlopen(url, timeout=5) as reply:
                reply.read()
            sys.stdout.write(f"\r\n*** {url} is served by the guest web ***\r\n")
            sys.stdout.flush()
            return
        except (urllib.error.URLError, OSError, ValueError):
            time.sleep(0.5)


def volume():
    """The web guest's disk: what lies in files/ of the example, or a greeting."""
    files = {}
    folder = os.path.join(boot.ROOT, "pvguest/examples/web/files")
    for base, _, names in os.walk(folder):
        for name in names:
            path = os.path.join(base, name)
            with open(path, "rb") as file:
                files[os.path.relpath(path, folder)] = file.read()
    files.setdefault("hello.txt", b"Hello from a file on the guest's own disk.\n")
    return boot.make_volume("web", files)


def port_fault(text):
    """Why nothing can listen on this port of the host, or None."""
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= 65535:
        return f"{text!r} is no port: a number from 1 to 65535"
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as QEMU does
        try:
            probe.bind(("127.0.0.1", int(text)))
            probe.listen()
        except PermissionError:
            return f"port {text} is for root: take one from 1024 on"
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                return f"port {text}: {error.strerror}"
            return f"port {text} is in use, perhaps by another run: PORT={int(text) % 65535 + 1} make run"
    return None


def faults(args):
    """What would stop the run, found before anything is written."""
    yield port_fault(args.port)
    for forward in args.forward:
        words = forward.split(":")
        yield port_fault(words[0]) if len(words) == 3 else \
            f"--forward {forward}: HOSTPORT:ADDRESS:PORT is wanted"
    if args.gdb is not None:
        yield port_fault(str(args.gdb))
    for disk in args.disk:
        path = disk.removesuffix(":ro")
        if ":" in path or "," in path:
            yield f"--disk {disk}: QEMU takes no path with a colon or a comma"
        elif not os.access(path, os.R_OK if path != disk else os.R_OK | os.W_OK):
            yield f"--disk {disk}: there is no such file that can be {'read' if path != disk else 'written'}"
    for file in os.environ.get("BOOT_FILES", "").split():
        if not os.access(file, os.R_OK):
            yield f"BOOT_FILES: {file} cannot be read (paths are separated by blanks)"


def options():
    parser = argparse.ArgumentParser(description="Boots the whole chain on this terminal.")
    parser.add_argument("--hv", choices=boot.HYPERVISORS, default="paravane")
    parser.add_argument("--port", default=os.environ.get("PORT", "8080"))
    parser.add_argument("--dom0", default="", help="words for dom0's command line")
    parser.add_argument("--options", default="", help="options for the hypervisor")
    parser.add_argument("--check", action="store_true", help="only look whether the run can be started")
    qemu.add_arguments(parser)
    args = parser.parse_args()
    args.disk = [os.path.abspath(disk) for disk in args.disk]
    return args


def main():
    args = options()
    found = next(filter(None, faults(args)), None)
    if found:
        print(f"make run: {found}", file=sys.stderr)
        return 2
    if args.check:
        return 0
    lifeline.hold()
    os.chdir(boot.ROOT)
    iso = boot.chain_iso(args.hv, f"run-{args.hv}", args.dom0, options=args.options)
    if args.gdb is not None:
        loads = " ".join(f"-ex 'add-symbol-file {path}'" for path in GDB_SYMBOLS[1:])
        print(f"QEMU waits for: gdb {GDB_SYMBOLS[0]} {loads} -ex 'target remote :{args.gdb}'")
    machine = qemu.machine_options(args)
    machine["disks"] = machine["disks"] or [volume()]
    machine["forwards"] = [f"{args.port}:{boot.WEB_ADDRESS}:{boot.WEB_PORT}", *args.forward]
    print(f"Booting; ctrl-a x ends QEMU. The guest's page will be http://127.0.0.1:{args.port}/",
          flush=True)
    threading.Thread(target=announce, args=(args.port,), daemon=True).start()
    return qemu.run_interactive(iso, **machine)


if __name__ == "__main__":
    sys.exit(main())
