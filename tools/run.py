#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""`make run` and `make gdb`: the whole chain on this terminal. ctrl-a x leaves QEMU."""

import argparse
import os
import sys
import threading
import time
import urllib.error
import urllib.request

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import boot  # noqa: E402
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


def main():
    parser = argparse.ArgumentParser(description="Boots the whole chain on this terminal.")
    parser.add_argument("--hv", choices=boot.HYPERVISORS, default="paravane")
    parser.add_argument("--port", type=int, default=int(os.environ.get("PORT", "8080")))
    parser.add_argument("--dom0", default="", help="words for dom0's command line")
    parser.add_argument("--options", default="", help="options for the hypervisor")
    qemu.add_arguments(parser)
    args = parser.parse_args()
    os.chdir(boot.ROOT)
    iso = boot.chain_iso(args.hv, f"run-{args.hv}", args.dom0, options=args.options)
    if args.gdb is not None:
        loads = " ".join(f"-ex 'add-symbol-file {path}'" for path in GDB_SYMBOLS[1:])
        print(f"QEMU waits for: gdb {GDB_SYMBOLS[0]} {loads} -ex 'target remote :{args.gdb}'")
    options = qemu.machine_options(args)
    options["disks"] = options["disks"] or [volume()]
    options["forwards"] = [f"{args.port}:{boot.WEB_ADDRESS}:{boot.WEB_PORT}", *args.forward]
    print(f"Booting; ctrl-a x ends QEMU. The guest's page will be http://127.0.0.1:{args.port}/",
          flush=True)
    threading.Thread(target=announce, args=(args.port,), daemon=True).start()
    return qemu.run_interactive(iso, **options)


if __name__ == "__main__":
    sys.exit(main())
