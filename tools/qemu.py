#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Runs a boot image in QEMU: a class for the tests, a command for people.

Nothing here needs KVM, root or a display. The serial console (COM1) is the machine's only console; its
lines reach a file, a callback and the waiting caller. QEMU never outlives the caller.

    with Machine("build/x.iso", cpus=2, serial="build/x.log") as machine:
        machine.wait_for(r"^RESULT ", timeout=60)
        machine.send("halt")
        machine.wait_exit(10)
"""

import argparse
import os
import queue
import re
import shutil
import subprocess
import sys
import tempfile
import termios
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import lifeline  # noqa: E402

CPU_MODELS = {
    "max": "max,-smap",
    "max-smap": "max",
    "qemu64": "qemu64,+rdrand",
    "intel": "max,-smap,vendor=GenuineIntel",
}
OVMF_PLACES = ("/usr/share/OVMF", "/usr/share/ovmf")
ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b[()][A-Z0-9]|\x1bc")


class QemuTimeout(Exception):
    """The awaited line did not come in time, or QEMU ended first."""


def uefi_args(folder):
    """Flash chips for OVMF; the variables are a private copy."""
    for place in OVMF_PLACES:
        code = os.path.join(place, "OVMF_CODE_4M.fd")
        if os.path.exists(code):
            variables = os.path.join(folder, "vars.fd")
            shutil.copy(os.path.join(place, "OVMF_VARS_4M.fd"), variables)
            return ["-drive", f"if=pflash,format=raw,readonly=on,file={code}",
                    "-drive", f"if=pflash,format=raw,file={variables}"]
    raise FileNotFoundError("OVMF is not installed (package ovmf)")


def disk_args(disks):
    """Each disk is PATH or PATH:ro; raw image, virtio 1.x PCI device."""
    args = []
    for index, disk in enumerate(disks):
        path, _, mode = disk.partition(":")
        readonly = "on" if mode == "ro" else "off"
        args += ["-drive", f"if=none,id=disk{index},format=raw,readonly={readonly},file={path}",
                 "-device", f"virtio-blk-pci,drive=disk{index},disable-legacy=on,disable-modern=off"]
    return args


def net_args(forwards):
    """User networking; each forward is HOSTPORT:GUESTADDRESS:GUESTPORT. None means no card."""
    if forwards is None:
        return ["-nic", "none"]
    user = "user,id=net0"
    for forward in forwards:
        host, address, port = forward.split(":")
        user += f",hostfwd=tcp:127.0.0.1:{host}-{address}:{port}"
    return ["-netdev", user,
            "-device", "virtio-net-pci,netdev=net0,mac=52:54:00:12:34:56,romfile=,"
                       "disable-legacy=on,disable-modern=off"]


def qemu_command(iso, folder, *, cpu="max", cpus=1, memory=1024, firmware="bios", disks=(),
                 forwards=None, icount=False, gdb=None, accel="tcg", extra=()):
    """The whole command line but the console."""
    if icount:
        accel_args = ["-accel", "tcg", "-icount", "shift=0,sleep=off",
                      "-rtc", "base=2026-01-01,clock=vm"]
    elif accel == "tcg":
        accel_args = ["-accel", "tcg,thread=multi"]
    else:
        accel_args = ["-accel", accel]
    command = ["qemu-system-x86_64", "-machine", "q35", *accel_args,
               "-cpu", CPU_MODELS.get(cpu, cpu), "-smp", str(cpus), "-m", str(memory),
               "-display", "none", "-monitor", "none", "-no-reboot", "-boot", "d", "-cdrom", iso]
    if firmware == "uefi":
        command += uefi_args(folder)
    command += disk_args(disks) + net_args(forwards)
    if gdb is not None:
        command += ["-gdb", f"tcp:127.0.0.1:{gdb}", "-S"]
    return command + list(extra)


class Machine:
    """One QEMU with its serial console; use it in a with statement."""

    def __init__(self, iso, serial=None, on_line=None, **options):
        self.folder = tempfile.mkdtemp(prefix="qemu-")
        self.lines = []
        self.partial = ""
        self.started = time.monotonic()
        self._on_line = on_line
        self._queue = queue.Queue()
        self._serial = open(serial, "wb", buffering=0) if serial else None
        command = qemu_command(iso, self.folder, **options) + ["-serial", "stdio"]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.STDOUT, preexec_fn=lifeline.in_child())
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def _read(self):
        """Thread: bytes to the file, whole lines to the queue, None at the end."""
        pending = b""
        stream = self.process.stdout
        while True:
            data = os.read(stream.fileno(), 65536)
            if not data:
                break
            if self._serial:
                self._serial.write(data)
            *whole, pending = (pending + data).split(b"\n")
            for line in whole:
                self._queue.put(clean(line))
            self.partial = clean(pending)
        if pending:
            self._queue.put(clean(pending))
        self._queue.put(None)

    def elapsed(self):
        """Seconds since power-on."""
        return time.monotonic() - self.started

    def read_line(self, timeout):
        """The next console line; None when QEMU has ended; QemuTimeout when nothing comes."""
        try:
            line = self._queue.get(timeout=max(timeout, 0.001))
        except queue.Empty:
            raise QemuTimeout(f"nothing on the console for {timeout:.0f} s") from None
        if line is not None:
            self.lines.append(line)
            if self._on_line:
                self._on_line(line)
        return line

    def wait_for(self, pattern, timeout=60):
        """Reads lines up to the one that matches; returns the match object."""
        regex = re.compile(pattern)
        deadline = time.monotonic() + timeout
        while True:
            left = deadline - time.monotonic()
            if left <= 0:
                raise QemuTimeout(f"no line matches {pattern!r} within {timeout} s; {self.tail()}")
            try:
                line = self.read_line(min(left, 0.1))
            except QemuTimeout:
                match = regex.search(self.partial)
                if match and self._queue.empty():
                    return match
                continue
            if line is None:
                self._queue.put(None)
                raise QemuTimeout(f"QEMU ended before {pattern!r}; {self.tail()}")
            match = regex.search(line)
            if match:
                return match

    def wait_exit(self, timeout=30):
        """Waits until QEMU ends by itself (the machine was powered off); returns its status."""
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            try:
                if self.read_line(min(0.2, deadline - time.monotonic())) is None:
                    return self.process.wait(5)
            except QemuTimeout:
                continue
        raise QemuTimeout(f"still running after {timeout} s; {self.tail()}")

    def send(self, text, end="\r"):
        """Types a line, slowly enough for a UART of sixteen bytes without flow control."""
        data = (text + end).encode()
        for start in range(0, len(data), 8):
            self.process.stdin.write(data[start:start + 8])
            self.process.stdin.flush()
            time.sleep(0.01)

    def tail(self, count=5):
        """The last lines, for error messages."""
        return "last lines: " + " | ".join(self.lines[-count:] + [self.partial])

    def close(self):
        """Ends QEMU and cleans up; harmless when called twice."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self._thread.join(5)
        if self._serial:
            self._serial.close()
            self._serial = None
        shutil.rmtree(self.folder, ignore_errors=True)


def clean(data):
    """Text of a console line without carriage returns and terminal escapes."""
    return ESCAPES.sub("", data.decode("utf-8", "replace").replace("\r", ""))


def run_interactive(iso, **options):
    """QEMU on this terminal; ctrl-a x ends it. It leaves the terminal as it found it, however it ends."""
    folder = tempfile.mkdtemp(prefix="qemu-")
    settings = termios.tcgetattr(0) if os.isatty(0) else None
    process = None
    try:
        command = qemu_command(iso, folder, **options)
        command[command.index("-monitor"):command.index("-monitor") + 2] = []
        process = subprocess.Popen(command + ["-serial", "mon:stdio"],
                                   preexec_fn=lifeline.in_child(own_group=False))
        return process.wait()
    finally:
        if process and process.poll() is None:
            process.kill()
            process.wait()
        if settings:
            termios.tcsetattr(0, termios.TCSANOW, settings)
        shutil.rmtree(folder, ignore_errors=True)


def add_arguments(parser):
    """Options that every runner of machines has."""
    parser.add_argument("--cpu", default="max", help="max, max-smap, qemu64 or a QEMU model")
    parser.add_argument("--smp", type=int, default=1)
    parser.add_argument("-m", "--memory", type=int, default=1024, help="MiB")
    parser.add_argument("--firmware", choices=("bios", "uefi"), default="bios")
    parser.add_argument("--accel", default="tcg")
    parser.add_argument("--icount", action="store_true", help="one instruction is one nanosecond")
    parser.add_argument("--disk", action="append", default=[], metavar="PATH[:ro]")
    parser.add_argument("--net", action="store_true", help="a virtio network card")
    parser.add_argument("--forward", action="append", default=[], metavar="HOSTPORT:ADDRESS:PORT")
    parser.add_argument("--gdb", nargs="?", type=int, const=1234, metavar="PORT",
                        help="wait for gdb before the first instruction")


def machine_options(args):
    """Keyword arguments of Machine from parsed options."""
    forwards = args.forward if args.net or args.forward else None
    return {"cpu": args.cpu, "cpus": args.smp, "memory": args.memory, "firmware": args.firmware,
            "accel": args.accel, "icount": args.icount, "disks": args.disk, "forwards": forwards,
            "gdb": args.gdb}


def main():
    parser = argparse.ArgumentParser(description="Runs a boot image in QEMU.")
    parser.add_argument("iso")
    add_arguments(parser)
    parser.add_argument("-i", "--interactive", action="store_true", help="use this terminal")
    parser.add_argument("--serial", help="also write the console to this file")
    parser.add_argument("--stop", metavar="REGEX", help="end when a line matches")
    parser.add_argument("--send", action="append", default=[], metavar="REGEX=LINE",
                        help="type LINE when REGEX has been seen (in the order given)")
    parser.add_argument("--timeout", type=float, default=60)
    args = parser.parse_args()
    lifeline.hold()
    if args.interactive:
        return run_interactive(args.iso, **machine_options(args))
    with Machine(args.iso, serial=args.serial, on_line=lambda line: print(line, flush=True),
                 **machine_options(args)) as machine:
        try:
            for step in args.send:
                pattern, _, text = step.partition("=")
                machine.wait_for(pattern, args.timeout)
                machine.send(text)
            if args.stop:
                machine.wait_for(args.stop, args.timeout)
            else:
                machine.wait_exit(args.timeout)
        except QemuTimeout as error:
            print(f"qemu.py: {error}", file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
