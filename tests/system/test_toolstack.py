#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The toolstack as a user meets it, on each hypervisor: create, console, pause, stop, destroy; what a
guest's end leads to; kernels and configurations that cannot work; nothing lost over many rounds."""

import json
import os
import re
import struct
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "tools"))
import boot  # noqa: E402
import mkinitrd  # noqa: E402
import qemu  # noqa: E402

FOREVER = 120  # s; a guard against hangs, not a measure
ROUNDS = 200
GUESTS = "build/guests"
EXAMPLES = "pvguest/examples"
passed = failed = 0


def report(ok, name, reason=""):
    global passed, failed
    passed += ok
    failed += not ok
    print(f"{'PASS' if ok else 'FAIL'} toolstack/{name}{'' if ok else ': ' + reason}", flush=True)


def stripped(name):
    path = boot.path(name + ".stripped")
    subprocess.run(["objcopy", "--strip-debug", f"{GUESTS}/{name}.elf", path], check=True)
    with open(path, "rb") as file:
        return file.read()


def without_notes():
    """hello without its Xen notes: the section and the segment's type."""
    data = bytearray(stripped("hello"))
    start, count = struct.unpack_from("<Q", data, 32)[0], struct.unpack_from("<H", data, 56)[0]
    for i in range(count):
        if struct.unpack_from("<I", data, start + 56 * i)[0] == 4:
            struct.pack_into("<I", data, start + 56 * i, 0)
    struct.pack_into("<Q", data, 40, 0)  # no section headers
    struct.pack_into("<H", data, 60, 0)
    return bytes(data)


def kernels():
    """Images that cannot run, each with a part of what is said about it."""
    good = stripped("hello")
    base = struct.pack("<Q", 0xffffffff80000000)
    return {
        "no-elf": (b"#!/bin/sh\necho\n" * 99, "not an ELF file"),
        "32-bit": (good[:4] + b"\1" + good[5:], "32-bit"),
        "no-notes": (without_notes(), "no Xen notes"),
        "wrong-version": (good.replace(b"xen-3.0\0", b"xen-2.0\0", 1), "xen-2.0"),
        "reserved": (good.replace(base, struct.pack("<Q", 0xffff800000000000)), "address range"),
        "truncated": (good[:0x3000], "truncated"),
    }


# Configurations as people have them; the head of each says what comes of it.
SHAPES = "tests/xl-cfg"

CONFIGURATIONS = {
    "syntax": ('name = "x"\nkernel = "/guests/hello.elf\n', r"syntax\.cfg:2:10: error: string"),
    "list": ('name = "x"\ndisk = [ "phy:vdisk0,xvda,w"\nvcpus = 1\n', r"list\.cfg:3:1: error: expected"),
    "no-disk": ('name = "x"\nkernel = "/guests/hello.elf"\nmemory = 4\ndisk = [ "phy:nothing,xvda,w" ]\n',
                r"no volume \"nothing\""),
    "unknown": ('name = "unknown"\nkernel = "/guests/hello.elf"\nmemory = 4\ncolour = "red"\n',
                r"unknown\.cfg:4:1: warning: unknown key \"colour\""),
    "no-kernel": ('name = "x"\nkernel = "/guests/none.elf"\n', r"not in the boot archive"),
    "twice": ('name = "x"\nkernel = "/guests/hello.elf"\nmemory = 4\n'
              'disk = [ "phy:vdisk0,xvda,w", "/dev/vdisk0,raw,xvdb,r" ]\n',
              r"disk xvdb: volume \"vdisk0\" is disk xvda already"),
    "no-cpu": ('name = "x"\nkernel = "/guests/hello.elf"\nmemory = 4\ncpus = "63"\n',
               r"cpus=: none of these processors is there"),
    "promise": ('name = "x"\nkernel = "/guests/hello.elf"\nmemory = 4\nperiod = 10\n',
                r"promise\.cfg:4:1: error: period: only cpu_weight and cap"),
    "no-name": ('kernel = "/guests/hello.elf"\n', r"no name="),
}


def shapes():
    files = {}
    for name in sorted(os.listdir(SHAPES)):
        with open(os.path.join(SHAPES, name), "rb") as file:
            files[name] = file.read()
    return files


def make_disks():
    """Volumes for the shapes that name some."""
    paths = [boot.path(f"toolstack-disk{i}.img") for i in range(2)]
    for path in paths:
        with open(path, "wb") as file:
            file.truncate(1 << 20)
    return paths


def make_archive(name):
    files = {f"guests/{n}": data for n, (data, _) in kernels().items()}
    files |= {f"guests/{n}.cfg": text.encode() for n, (text, _) in CONFIGURATIONS.items()}
    files |= {f"shapes/{n}": data for n, data in shapes().items()}
    files["guests/large"] = bytes(2 << 20)
    for guest in ("hello", "selftest", "store-check"):
        files[f"guests/{guest}.elf"] = stripped(guest)
        with open(f"{EXAMPLES}/{guest}/{guest}.cfg", "rb") as file:
            files[f"guests/{guest}.cfg"] = file.read()
    path = boot.path(name + ".cpio")
    with open(path, "wb") as file:
        for member, data in files.items():
            file.write(mkinitrd.record(member, 0o100644, data))
        file.write(mkinitrd.record("TRAILER!!!", 0, b""))
    return path


class Shell:
    """dom0's prompt."""

    def __init__(self, machine, hv):
        self.machine = machine
        self.hv = hv

    def run(self, command):
        """Types a command; gives the echo and the output. Notices may break into the echo."""
        start = len(self.machine.lines)
        self.machine.send(f"{command}; echo; echo '##'#")
        self.machine.wait_for(r"^###$", timeout=FOREVER)
        return self.machine.lines[start:-1]

    def check(self, name, command, *patterns):
        """A case: the output has a line for each pattern."""
        lines = self.run(command)
        missing = [p for p in patterns if not any(re.search(p, line) for line in lines)]
        report(not missing, f"{self.hv}/{name}", f"no {missing} in {' | '.join(lines[-6:])}")

    def interrupt(self, name, command, ready, *patterns):
        """A case: ^C, typed when `ready` has been printed, ends the command, and what follows on its line."""
        start = len(self.machine.lines)
        self.machine.send(f"{command}; echo not-reached")
        if ready:
            self.machine.wait_for(ready, timeout=FOREVER)
        self.machine.send("\x03", end="")
        self.machine.send("echo '##'#")
        self.machine.wait_for(r"^###$", timeout=FOREVER)
        lines = self.machine.lines[start:-1]
        missing = [p for p in patterns if not any(re.search(p, line) for line in lines)]
        report(not missing and "not-reached" not in lines and "^C" in lines, f"{self.hv}/interrupt-{name}",
               f"no {missing} in {' | '.join(lines[-6:])}")

    def json(self, command):
        """Output of a --json command."""
        text = "\n".join(line for line in self.run(command) if not line.startswith(("(XEN)", "(PV)", "xl: ", "dom0# ")))
        try:
            return json.loads(text)
        except ValueError:
            return {}

    def free_pages(self):
        for line in self.run("sleep 1; xl info"):
            if match := re.match(r"free_pages +: (\d+)$", line):
                return int(match[1])
        return None


def stay(extra=""):
    return f'xl create -q hello.cfg extra=\\"stay\\" {extra}'


def check_life(shell):
    shell.check("create-console", "xl create -c hello.cfg", r"^Parsing config from hello\.cfg",
                r"^Hello from a guest on ", r"^argument 1: greeting=hello")
    shell.check("console-after-the-end", "sleep 1; xl console hello", r"^Hello from a guest on ")
    shell.check("create", f"{stay()}; xl list", r"^hello +\d+ +4 +1 +[r-][b-]---- +\d+\.\d$")
    shell.check("name-in-use", stay(), r"Domain with name hello already exists")
    shell.check("pause", "xl pause hello; xl list hello", r"^hello .* -[b-]p--- ")
    shell.check("unpause", "xl unpause hello; xl list hello", r"^hello .* [r-][b-]---- ")
    shell.check("vcpu-list", "xl vcpu-list hello", r"^hello +\d+ +0 +\d+ +[r-][b-]- +\d+\.\d  all / all")
    shell.check("uptime", "xl uptime", r"^Name +ID Uptime", r"^hello +\d+ +0:00:\d\d")
    shell.check("store", "xenstore-read domid name memory/target; xenstore-ls /local/domain",
                r"^Domain-0$", r'^ name = "hello"')
    shell.check("domid", "xl domid hello; xl domname 0", r"^\d+$", r"^Domain-0$")
    shell.check("shutdown", "xl shutdown -w hello; sleep 1; xl list hello",
                r"hello\) has shut down, reason poweroff: destroy", r"hello is an invalid domain")
    shell.check("create-paused", "xl create -q -p hello.cfg; xl list hello", r"^hello .* --p--- ")
    shell.check("destroy", "xl destroy hello; xl list hello", r"hello is an invalid domain")
    shell.check("destroy-absent", "xl destroy hello", r"hello is an invalid domain identifier")
    shell.check("destroy-dom0", "xl destroy 0", r"Cannot destroy privileged domain 0")
    names = [domain.get("name") for domain in shell.json("xl list --json") or []]
    report(names == ["Domain-0"], f"{shell.hv}/list-json", str(names))


def crash(kind, policy):
    return f'xl create -q selftest.cfg extra=\\"crash={kind}\\" on_crash=\\"{policy}\\"'


def check_ends(shell):
    shell.check("crash-destroy", f"{crash('null', 'destroy')}; sleep 1; xl console selftest",
                r"selftest\) has shut down, reason crash: destroy", r"^UNHANDLED EXCEPTION 14")
    shell.check("crash-preserve", f"{crash('undefined', 'preserve')}; sleep 1; xl list",
                r"reason crash: preserve", r"^selftest .* ---sc- ")
    shell.run("xl destroy selftest")
    shell.check("crash-restart", f"{crash('abort', 'restart')}; sleep 2",
                r"reason crash: restart", r"selftest runs again as domain \d+")
    shell.check("destroy-ends-restarts", "xl destroy selftest; sleep 2; xl list selftest",
                r"selftest is an invalid domain identifier")
    shell.check("reboot", f"{stay()}; sleep 1; xl reboot hello; sleep 2; xl list",
                r"reason reboot: restart", r"hello runs again as domain \d+", r"^hello ")
    shell.run("xl destroy hello")


def ends(*options):
    return "xl create -q selftest.cfg extra=\\\"" + options[0] + "\\\" " + " ".join(options[1:])


def check_reasons(shell):
    """Reasons that nobody knows, and what a list says of the dead."""
    unknown = r"Unknown shutdown reason code 77\. Destroying domain\.$"
    shell.check("unknown-reason", f"{ends('shutdown=77')}; sleep 1; xl list selftest", unknown,
                r"selftest is an invalid domain identifier \(domain \d+ has ended: unknown\)")
    shell.check("unknown-reason-of-many", f"{ends('shutdown=255')}; sleep 1; xl list",
                r"Unknown shutdown reason code 255")
    preserve = 'on_poweroff=\\"preserve\\" on_crash=\\"preserve\\"'
    shell.check("list-status", f"{ends('status=3', preserve)}; sleep 1; xl list; xl list -v; xl destroy selftest",
                r"^selftest +\d+ +16 +\d +---sc- .* crash: EXIT STATUS 3", r"-[0-9a-f]{12}        3                -  crash: ")
    shell.check("list-panic", f"{ends('crash=assert', preserve)}; sleep 1; xl list; xl destroy selftest",
                r"^selftest .* crash: PANIC in thread main")
    shell.check("list-overflow", f"{ends('crash=overflow', preserve)}; sleep 1; xl list; xl destroy selftest",
                r"^selftest .* crash: STACK OVERFLOW in thread main")
    if shell.hv == "paravane":  # Xen does not say why it has ended a domain
        why = r"double fault \(stack overflow\?\): no frame for #PF on stack"
        shell.check("list-overflow-unseen",
                    f"{ends('crash=overflow-unseen', preserve)}; sleep 1; xl list; xl destroy selftest; xl console selftest",
                    rf"^selftest .* crash: {why}", rf"^{why}")
    shell.run(f"{ends('shutdown=0', preserve)}; sleep 1")
    ended = (shell.json("xl list --json selftest") or [{}])[0]
    report(ended.get("shutdown_reason") == "poweroff", f"{shell.hv}/list-json-reason", str(ended))
    shell.check("shutdown-of-the-stopped", "xl shutdown -w selftest; xl destroy selftest",
                r"^Domain \d+ has been shut down, reason code 0")
    shell.check("unmonitored", f"{ends('shutdown=1', '-e')}; sleep 1; xl list; xl destroy selftest",
                r"reason reboot: preserve", r"^selftest .* ---sr- ")
    shell.check("foreground", f"{ends('shutdown=0', '-F')}; xl list selftest", r"has ended: poweroff")


def check_words(shell):
    """Words of xl as people type them."""
    shell.check("shortest", "xl li; xl cr -q -c -f hello.cfg", r"^Name .*Time\(s\)", r"^Domain-0 ", r"^Hello from")
    shell.check("ambiguous", "xl p; xl dom 0; xl s", r'"p" is ambiguous: pause', r"domid, domname", r"shutdown, save")
    shell.check("globals", "xl -vfN -T -t create hello.cfg; xl -vvv create -q hello.cfg", r'"name": "hello"',
                r"xl create: hello is domain \d+")
    shell.check("globals-wrong", "xl -x list; xl -N list", r"unknown global option `-x'",
                r"command does not implement -N")
    for number, words in enumerate(("--defconfig=hello.cfg -n", "--defconfig hello.cfg --dry", "-nqf hello.cfg",
                                    "-n memory=8 hello.cfg", "-nqfhello.cfg", "-n -- hello.cfg")):
        shell.check(f"dry-run-{number}", f"xl create {words}; xl list hello", r'"kernel": "/guests/hello.elf"')
    shell.check("no-file", 'xl create -n name=\\"bare\\" kernel=\\"/guests/hello.elf\\"', r'"name": "bare"')
    shell.check("two-files", "xl create -n hello.cfg selftest.cfg", r"two configuration files")
    shell.check("no-words", "xl create; xl destroy; xl shutdown", r"requires a configuration file", r"at least 1 argument",
                r"You must specify -a or a domain id")
    shell.check("option-unknown", "xl list --colour; xl destroy -x hello; xl uptime -z", r"option `--colour' not supported",
                r"option `-x' not supported", r"option `-z' not supported", r"^Usage: xl .* list ")
    shell.check("list-verbose", "xl list -vZcn Domain-0", r"UUID +Reason-Code", r"^Domain-0 .*-[0-9a-f]{12}        - +- +Pool-0 all")
    shell.check("uptime-short", "xl uptime -s; xl uptime 0 Domain-0", r"^ \d\d:\d\d:\d\d up  0:\d\d, Domain-0 \(0\)")
    shell.check("domain-0", "xl domid 0; xl domid Domain-0; xl domname 0; xl domname Domain-0; xl block-list 0; xl vcpu-list 0",
                r"^0$", r"^Domain-0$", r"^Vdev ", r"^Domain-0 +0 +0 ")
    shell.check("domain-0-pause", "xl pause 0; xl pause Domain-0", r"domain 0: EINVAL")
    shell.check("domain-0-destroy", "xl destroy -f 0; xl destroy Domain-0", r"domain 0: E", r"Cannot destroy")
    shell.check("console-words", "xl console -t serial 0; xl console -t pv -n 3 hello; xl console -t pv 0",
                r"no serial console", r"there is no console 3", r"Unable to attach")
    shell.check("console-pv", "xl create -q hello.cfg; sleep 1; xl console -t pv -n 0 hello", r"^Hello from a guest on ")
    shell.check("help", "xl help cr; xl list -h; xl shutdown -x --help", r"--defconfig=FILE", r"^-v, --verbose",
                r"option `-x' not supported")
    check_json_errors(shell)


def check_json_errors(shell):
    for words in ("dance", "list nothing", "list --colour", "destroy 0", "create nothing", "pause 0", "shutdown", "-x list",
                  "p", "console nothing", "why nothing", "create hello.cfg memory=9999", "create syntax.cfg", "domid",
                  "list nothing -l", "uptime x", "block-list x", "-N list"):
        answer = shell.json(f"xl {words} --json")
        report(isinstance(answer, dict) and "error" in answer, f"{shell.hv}/json-error-{words.replace(' ', '-')}",
               str(answer))
    answer = shell.json("xl create --json unknown.cfg")
    report("colour" in str(answer), f"{shell.hv}/json-warning", str(answer))
    shell.run("xl destroy unknown")


def check_waits(shell):
    """Waits end by what they wait for, or by ^C."""
    three = "; ".join(f'{stay()} name=\\"w{i}\\"' for i in range(3))
    shell.check("shutdown-all", f"{three}; xl shutdown -a -w; xl list", r"^Waiting for 3 domains to shut down",
                r"^Domain \d+ has been shut down, reason code 0")
    shell.check("shutdown-gone", f"{stay()}; xl shutdown -ww hello; xl list hello", r"^Waiting for 1 domain to go",
                r"^Domain \d+ has been destroyed", r"hello is an invalid domain")
    shell.check("reboot-all", f"{stay()}; xl reboot -a -w; sleep 2; xl list", r"reason code 1", r"^hello ")
    shell.run("xl destroy hello")
    answer = shell.json(f"{stay()}; xl shutdown -w --json hello")
    report(answer.get("result") == "OK", f"{shell.hv}/shutdown-json", str(answer))
    shell.run(f"{stay('-p')}")
    shell.interrupt("shutdown", "xl shutdown -w hello", r"^Waiting for", r"interrupted: 1 of 1 did not shut down")
    shell.interrupt("shutdown-all", "xl shutdown -a -ww", r"^Waiting for", r"interrupted: 1 of 1 did not go")
    shell.interrupt("reboot", "xl reboot -w hello", r"^Waiting for", r"^xl reboot: interrupted")
    shell.interrupt("foreground", "echo ready; xl create -q -p -F hello.cfg name=\\\"other\\\"; echo", r"^ready$")
    shell.run("xl destroy hello; xl destroy other")
    shell.interrupt("sleep", "echo ready; sleep 9999", r"^ready$")
    shell.interrupt("repeat", "repeat 999999 'echo ready; sleep 0.1'", r"^ready$", r"status 130")
    shell.interrupt("time", "time 'echo ready; sleep 9999'", r"^ready$")
    shell.interrupt("watch", "echo ready; xenstore-watch /local", r"^ready$")
    shell.interrupt("busy", "echo ready; repeat 999999 'xl list'", r"^Domain-0", r"^repeat: ")
    if shell.hv == "paravane":
        shell.interrupt("why", "echo ready; xl why --follow 0", r"^ready$")


def check_past(shell):
    """Why hypercalls were refused to a domain that is gone."""
    if shell.hv == "paravane":
        shell.check("why-gone", "xl create -q -c selftest.cfg; sleep 1; xl why selftest", r"^\[ *\d+\.\d+\] v0 \w+\(\d+\) argument",
                    r"^Domain \d+ \(selftest\) has ended: poweroff")
        gone = shell.json("xl why --json selftest")
        report(bool(gone) and all(r.get("count", 0) >= 1 for r in gone), f"{shell.hv}/why-gone-json", str(gone)[:200])
    else:
        shell.check("why", "xl why 0", r"this hypervisor does not keep reasons")


def check_refusals(shell):
    for name, (_, words) in kernels().items():
        shell.check(f"kernel-{name}", f'xl create -q hello.cfg kernel=\\"/guests/{name}\\"', re.escape(words))
    for name, (_, pattern) in CONFIGURATIONS.items():
        shell.check(f"config-{name}", f"xl create -q {name}.cfg", pattern)
    shell.run("sleep 1")
    shell.check("larger-than-memory", 'xl create -q hello.cfg memory=2 ramdisk=\\"/guests/large\\"',
                r"need \d+ KiB, the guest has 2048 KiB")
    shell.check("too-little-memory", "xl create -q hello.cfg memory=9999", r"not enough memory: the guest wants")
    shell.check("no-file", "xl create -q nothing.cfg", r"Failed to read config file: nothing\.cfg")
    shell.check("no-command", "xl dance", r'command "dance" not implemented')


def destroy_all(shell):
    for domain in shell.json("xl list --json") or []:
        if domain["domid"]:
            shell.run(f"xl destroy {domain['domid']}")


def check_shapes(shell):
    """What xl takes is created, or refused with the reason that the file's head has."""
    for name, data in shapes().items():
        expected = re.search(r"^# expect: (.*)$", data.decode(), re.M)[1]
        if expected != "accepted":
            shell.check(f"shape-{name}", f"xl create -q /shapes/{name}", re.escape(expected))
        elif b"/guests/hello.elf" in data:
            said = shell.run(f"xl create -q -p /shapes/{name}")
            domids = [d["domid"] for d in shell.json("xl list --json") or [] if d["domid"]]
            report(len(domids) == 1, f"{shell.hv}/shape-{name}", " | ".join(said))
            destroy_all(shell)


def check_rename(shell, own):
    """Who is kept beside its successor leaves it the UUID, the disks and the interfaces."""
    shell.check("rename-restart", f"{stay()} 'name=\"kept\"' 'on_reboot=\"rename-restart\"' {own}; sleep 1; "
                "xl reboot kept; sleep 3; xl list",
                r"kept runs again as domain \d+", r"^kept-\d+ .* ---sr-", r"^kept +\d+ .* [-r][-b]----")
    for domain in shell.json("xl list --json") or []:
        if domain["name"] == "kept":
            shell.check("card-of-the-successor", f"xenstore-read /local/domain/0/backend/vif/{domain['domid']}/0/state",
                        r"^2$")
        elif domain["name"].startswith("kept-"):
            shell.run(f"xl destroy {domain['name']}")
    shell.check("uuid-of-the-successor", "xenstore-read /vm/12345678-0000-4000-8000-0123456789ab/name", r"^kept$")
    stay_same = "xl list -v kept; xl reboot kept; sleep 3; xl list -v kept"
    shell.run("xl destroy kept")
    shell.run(f"{stay()} 'name=\"kept\"'; sleep 1")
    uuids = re.findall(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", "\n".join(shell.run(stay_same)))
    report(len(uuids) == 2 and uuids[0] == uuids[1], f"{shell.hv}/uuid-stays", str(uuids))
    shell.run("xl destroy kept")


def check_limits(shell):
    """What shares and sets of processors become in the hypervisor."""
    for cpu in (1, 0):
        shell.run(f'xl create -q /shapes/credit.cfg extra=\\"stay\\" cpus={cpu}; sleep 1')
        vcpus = shell.json("xl vcpu-list --json share") or [{}]
        report(vcpus[0].get("cpu") == cpu, f"{shell.hv}/affinity-{cpu}", str(vcpus))
        shell.run("xl destroy share")
    own = "'uuid=\"12345678-0000-4000-8000-0123456789ab\"' 'vif=[\"vifname=mine\"]'"
    shell.check("uuid-in-use", f"xl create -q -p hello.cfg 'name=\"u1\"' {own}; xl create -q -p hello.cfg 'name=\"u2\"' {own}",
                r"uuid: u1 has the same")
    shell.check("vifname-in-use", "xl create -q -p hello.cfg 'name=\"u3\"' 'vif=[\"vifname=mine\"]'; xl destroy u1",
                r"vif 0: an interface of u1 is called mine")
    shell.check("vifname-twice", "xl create -q -p hello.cfg 'name=\"u4\"' 'vif=[\"vifname=mine\",\"vifname=mine\"]'",
                r"vif 1: another one is called mine too")
    shell.check("vifname-of-dom0", "xl create -q -p hello.cfg 'name=\"u5\"' 'vif=[\"vifname=xenbr0\"]'",
                r"vif 0: xenbr0 is an interface of dom0")
    check_rename(shell, own)
    shell.check("volume-in-use", "xl create -q -p /shapes/plan9.cfg; xl create -q -p /shapes/vdev-number.cfg",
                r'volume \"vdisk0\" is in use by c12')
    shell.run('xl create -q -p /shapes/tilde.cfg name=\\"77\\"')
    shell.check("number-name", "xl list", r"^77 +\d+ ")
    shell.check("number-name-twice", 'xl create -q -p /shapes/tilde.cfg name=\\"77\\"',
                r"Domain with name 77 already exists")
    destroy_all(shell)


def check_store(shell):
    """A guest goes through libxenstore; its cases are ours."""
    for line in shell.run("xl create -c store-check.cfg"):
        if match := re.match(r"(PASS|FAIL) store/([\w-]+)(?:: (.*))?$", line):
            report(match[1] == "PASS", f"{shell.hv}/store-{match[2]}", match[3] or "")
    shell.check("store-result", "sleep 1; xl console store-check", r"^RESULT \d+ passed, 0 failed")


def misuse(kind):
    return f'xl create -q store-check.cfg extra=\\"hostile={kind}\\"; sleep 1'


def check_hostile(shell):
    """Who misuses the pages shared with dom0 loses that service; dom0 and others go on."""
    broke = r"^xenstored: domain \d+ broke the protocol"
    for kind in ("store", "length"):
        shell.check(f"misuse-{kind}", f"{misuse(kind)}; xenstore-read /local/domain/0/name", broke, r"^Domain-0$")
        shell.run("xl destroy store-check")
    shell.check("misuse-replies", f"{misuse('replies')}; {stay()}; xl list", r"^store-check +\d+", r"^hello +\d+")
    shell.run("xl destroy store-check; xl destroy hello")
    shell.check("misuse-console", f"{misuse('console')}; xl destroy store-check; xl console store-check",
                r"console ring broken by the guest")


def check_rounds(shell):
    """Nothing is lost: the first rounds warm up what is kept for good."""
    shell.run(f"repeat 20 '{stay()}; xl destroy hello'")
    before = shell.free_pages()
    shell.check("rounds", f"repeat {ROUNDS} '{stay()}; xl destroy hello'",
                rf"^repeat: {ROUNDS} rounds, .* status 0$")
    after = shell.free_pages()
    report(before is not None and before == after, f"{shell.hv}/rounds-memory", f"{before}, then {after}")


def run(hv):
    iso = boot.make_iso(f"toolstack-{hv}", hv, boot.DOM0, "auto=", initrd=make_archive("toolstack"),
                        memory="128M")
    with qemu.Machine(iso, serial=boot.path(f"toolstack-{hv}.log"), cpus=2, memory=512,
                      disks=make_disks()) as machine:
        machine.wait_for(r"dom0: ready", timeout=FOREVER)
        shell = Shell(machine, hv)
        shell.run(f"repeat 3 '{stay()}; xl destroy hello'; xl create -c hello.cfg; sleep 1")
        before = shell.free_pages()
        check_refusals(shell)
        after = shell.free_pages()
        report(before is not None and after == before, f"{hv}/refusals-memory", f"{before}, then {after}")
        check_shapes(shell)
        check_limits(shell)
        check_life(shell)
        check_ends(shell)
        check_reasons(shell)
        check_words(shell)
        check_waits(shell)
        check_past(shell)
        check_store(shell)
        check_hostile(shell)
        check_rounds(shell)


def main():
    os.chdir(boot.ROOT)
    for hv in boot.HYPERVISORS:
        if not boot.available(hv):
            continue
        try:
            run(hv)
        except (qemu.QemuTimeout, OSError) as error:
            report(False, f"{hv}/run", str(error))
    print(f"RESULT {passed} passed, {failed} failed")
    return failed != 0


if __name__ == "__main__":
    sys.exit(main())
