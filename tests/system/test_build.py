#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The build for a stranger, in a copy of this tree: guests of users that warn or do not compile, and packages that
have vanished from Debian since their versions were looked up. apt-get is played: no network is needed."""

import glob
import os
import re
import shutil
import stat
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "tools"))
import boot  # noqa: E402
import lifeline  # noqa: E402

INITRD = "build/boot/initrd.cpio"
CONFIGURATION = 'kernel = "/guests/%s.elf"\nmemory = 8\n'
WARNS = "int main(void)\n{\n    int unused;\n    return 0;\n}\n"
BROKEN = "int main(void)\n{\n    return nothing;\n}\n"
# A mirror that lists versions 100 and 99 of everything and has 99 only, as the file $DEB.
APT_CACHE = """#!/bin/sh
echo Version: 99
echo Version: 100
"""
APT_GET = """#!/bin/sh
for word; do :; done
case $word in
update) ;;
*=99) [ -e "$DEB" ] && cp "$DEB" . ;;
*) echo "E: '$word': 404 Not Found" >&2; exit 100 ;;
esac
"""
counts = [0, 0]


def report(ok, name, reason=""):
    counts[not ok] += 1
    print(f"{'PASS' if ok else 'FAIL'} build/{name}{'' if ok else ': ' + reason}", flush=True)


def copy_tree():
    """This tree, guests of its user left out, with what is built already but the boot images."""
    tree = boot.path("build-tree")
    shutil.rmtree(tree, ignore_errors=True)
    names = [name for name in os.listdir(".") if name not in (".git", "build")]
    names += ["build/packages.ok"] + [f"build/{name}" for name in ("dom0", "gen", "guests", "inc", "pvguest", "third_party", "xen")]
    names += [f"build/obj/guest/{name}" for name in ("dom0", "pvguest", "tools")]
    os.makedirs(tree)
    subprocess.run(["cp", "-a", "--parents", *(name for name in names if os.path.lexists(name)), tree], check=True)
    with open("tools/rules.mk", encoding="utf-8") as file:
        ours = re.search(r"(?m)^OUR_GUESTS := (.*)$", file.read())[1].split()
    for folder in glob.glob(f"{tree}/pvguest/examples/*"):
        if os.path.basename(folder) not in ours:
            shutil.rmtree(folder)
    return tree


def make(tree, *words, **more):
    """Exit status and lines of a make as from a stranger's shell."""
    done = subprocess.run(["make", *words], cwd=tree, env=boot.strangers_environment(**more), stdin=subprocess.DEVNULL, check=False,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, preexec_fn=lifeline.in_child())
    return done.returncode, done.stdout.splitlines()


def guest_write(tree, name, source):
    folder = os.path.join(tree, "pvguest/examples", name)
    os.makedirs(folder, exist_ok=True)
    for file, text in ((f"{name}.c", source), (f"{name}.cfg", CONFIGURATION % name)):
        with open(os.path.join(folder, file), "w", encoding="ascii") as out:
            out.write(text)


def archive_has(tree, name):
    with open(os.path.join(tree, INITRD), "rb") as file:
        return b"guests/%s.elf\0" % name.encode() in file.read()


def users_guests(tree):
    """One warns and is built; one does not compile, is named in one line, and keeps nobody out; then it does."""
    guest_write(tree, "warns", WARNS)
    guest_write(tree, "broken", BROKEN)
    for name, works in (("left-out", False), ("mended", True), ("left-out-again", False)):
        if works:
            guest_write(tree, "broken", WARNS.replace("    int unused;\n", ""))
        status, lines = make(tree, INITRD)
        notes = [line for line in lines if line.startswith("  NOTE ")]
        wanted = [] if works else ["  NOTE build/guests/broken.elf does not build and is left out"]
        if name == "left-out":
            report(any("warning: unused variable" in line for line in lines) and archive_has(tree, "warns"),
                   "guest-warns", " | ".join(lines[-6:]))
        report(status == 0 and notes == wanted and archive_has(tree, "broken") == works and archive_has(tree, "hello"),
               f"guest-{name}", f"status {status}, {' | '.join(lines[-6:])}")
        guest_write(tree, "broken", BROKEN)


def package_make(tree, package, release):
    """A package like Debian's Xen of that release; gives its path."""
    root = os.path.join(tree, "package")
    os.makedirs(f"{root}/DEBIAN")
    os.makedirs(f"{root}/boot")
    with open(f"{root}/DEBIAN/control", "w", encoding="ascii") as file:
        file.write(f"Package: {package}\nVersion: 99\nArchitecture: amd64\nMaintainer: none\nDescription: none\n")
    with open(f"{root}/boot/xen-{release}-amd64.gz", "w", encoding="ascii") as file:
        file.write("the one that there is now\n")
    deb = os.path.join(tree, f"{package}_99_amd64.deb")
    subprocess.run(["dpkg-deb", "-b", root, deb], check=True, stdout=subprocess.DEVNULL)
    return deb


def vanished(tree):
    """The version that was looked up is gone and the newest that is listed is not there: make takes the newest that it
    can have and says so. Without one it fails."""
    versions = glob.glob(os.path.join(tree, "build/third_party/versions-*.mk"))[0]
    with open(versions, encoding="ascii") as file:
        text = re.sub(r"(?m)^XEN_DEB := .*$", "XEN_DEB := 4.0-gone", file.read())
    release = ".".join(re.search(r"versions-(.*)\.mk$", versions)[1].split(".")[:2])
    package = f"xen-hypervisor-{release}-amd64"
    tools = os.path.join(tree, "tools-of-the-test")
    os.makedirs(tools)
    for name, script in (("apt-get", APT_GET), ("apt-cache", APT_CACHE)):
        with open(f"{tools}/{name}", "w", encoding="ascii") as file:
            file.write(script)
        os.chmod(f"{tools}/{name}", stat.S_IRWXU)
    played = {"PATH": f"{tools}:{os.environ['PATH']}", "DEB": package_make(tree, package, release)}
    for there in (True, False):
        with open(versions, "w", encoding="ascii") as file:
            file.write(text)
        if not there:
            os.remove(played["DEB"])
        for stamp in glob.glob(f"{tree}/build/xen/stamp-*"):
            os.remove(stamp)
        status, lines = make(tree, "build/xen/stamp-4.0-gone", **played)
        notes = [line for line in lines if line.startswith("  NOTE ")]
        if there:
            with open(f"{tree}/build/xen/xen.gz", encoding="latin-1") as file:
                taken = file.read() == "the one that there is now\n"
            report(status == 0 and taken and len(notes) == 1 and f"{package}=4.0-gone" in notes[0] and
                   not os.path.exists(versions), "package-vanished", f"status {status}, {' | '.join(lines[-6:])}")
        else:
            report(status != 0 and any("cannot fetch" in line for line in lines), "package-gone-for-good",
                   f"status {status}, {' | '.join(lines[-6:])}")


def main():
    os.chdir(boot.ROOT)
    tree = copy_tree()
    users_guests(tree)
    vanished(tree)
    shutil.rmtree(tree)
    print(f"RESULT {counts[0]} passed, {counts[1]} failed")
    return 1 if counts[1] else 0


if __name__ == "__main__":
    sys.exit(main())
