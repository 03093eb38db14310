#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What `make check` looks at: check.py [CHECK ...]. Prints each fault as FILE:LINE: text.

The checks: format, headers, layers, sizes, coverage, docs, text, python. Compiler options come from the
makefile through HV_CFLAGS, GUEST_CFLAGS and UNIT_CFLAGS.
"""

import ast
import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import csource  # noqa: E402

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
FUNCTION_LIMIT = 60
FILE_LIMIT = 600

# A folder may include headers of the folders named here, besides its own.
HV_PRIMITIVES = ["hypervisor"]
HV_CORES = ["event", "grant", "sched"]
LAYERS = {
    "hypervisor": [],
    "event": HV_PRIMITIVES,
    "grant": HV_PRIMITIVES + ["event"],
    "sched": HV_PRIMITIVES + ["event"],  # who polls or blocks asks the ports
    "hypercalls": HV_PRIMITIVES + HV_CORES,
    "pvguest": [],
    "dom0": ["pvguest", "tools"],
    "tools": [],
}
# Our own public header: anybody's.
PUBLIC = "hypercalls/paravane.h"
# Files that wire the layers together, with what they may see besides.
WIRING = {
    "hypervisor/domain.h": HV_CORES,  # struct domain holds each core's state of one domain
    "hypervisor/domain.c": HV_CORES,
    "hypervisor/main.c": HV_CORES + ["hypercalls"],
    "hypervisor/asm_offsets.c": HV_CORES + ["hypercalls"],
    "tools/libxenstore/xs_xenbus.c": ["pvguest"],  # the library's way out of a guest
}


def tracked(*suffixes):
    """Files of the project, new ones that git does not ignore included."""
    out = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], capture_output=True,
                         text=True, check=True).stdout.split("\n")
    return sorted(f for f in set(out) if f and os.path.exists(f)
                  and (not suffixes or f.endswith(suffixes)))


def read(path):
    with open(path, encoding="utf-8", errors="replace") as file:
        return file.read()


# Releases of clang-format disagree; the sources are in the hand of Debian 12's.
CLANG_FORMAT = "14"


def check_format():
    """clang-format agrees with every C file."""
    version = subprocess.run(["clang-format", "--version"], capture_output=True, text=True, check=True).stdout
    if f"version {CLANG_FORMAT}." not in version:
        print(f"  format: not checked: {version.strip()}, and the sources are in the hand of {CLANG_FORMAT}")
        return []
    faults = []
    for path in tracked(".c", ".h"):
        done = subprocess.run(["clang-format", "--dry-run", "-Werror", path], capture_output=True,
                              text=True, check=False)
        if done.returncode:
            first = done.stderr.split("\n", 1)[0]
            line = first.split(":")[1] if first.count(":") > 1 else "1"
            faults.append(f"{path}:{line}: not formatted (make format)")
    return faults


def compile_options(path):
    """Options for compiling a header alone, by the folder that it lives in."""
    folder = path.split("/")[0]
    hypervisor = ("hypervisor", "event", "grant", "sched", "hypercalls")
    if folder in hypervisor:
        return os.environ.get("HV_CFLAGS", "").split()
    if path.startswith("tests/unit/") or path == "tests/report.h":
        return ["-Itests/unit/host", *os.environ.get("UNIT_CFLAGS", "").split()]
    abi = "-D__XEN_TOOLS__" if folder in ("dom0", "tools") else "-D__XEN_INTERFACE_VERSION__=0x00040e00"
    return os.environ.get("GUEST_CFLAGS", "").split() + [abi]


def header_fault(path):
    command = ["gcc", *compile_options(path), "-fsyntax-only", "-x", "c", "-include", path, "/dev/null"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode == 0:
        return None
    errors = [line for line in done.stderr.split("\n") if "error" in line] or [done.stderr[:200]]
    return f"{path}:1: does not compile alone: {errors[0]}"


def check_headers():
    """Every header compiles by itself. Lists for repeated inclusion (*.def, table.h) are not headers."""
    paths = [p for p in tracked(".h") if re.search(r"#ifndef|#pragma once", read(p))]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return [fault for fault in pool.map(header_fault, paths) if fault]


def check_layers():
    """Include lines point downwards only."""
    faults = []
    for path in tracked(".c", ".h", ".S"):
        folder = path.split("/")[0]
        if folder not in LAYERS:
            continue
        allowed = [folder, *LAYERS[folder], *WIRING.get(path, [])]
        for number, line in enumerate(read(path).split("\n"), 1):
            match = re.match(r'\s*#\s*include\s+"([^"/]+)/', line)
            if match and PUBLIC in line:
                continue
            if match and match.group(1) in {*LAYERS, "tests"} - set(allowed):
                faults.append(f"{path}:{number}: {folder} may not include {match.group(1)}")
    return faults


def check_sizes():
    """Functions and files stay readable."""
    faults = []
    for path in tracked(".c", ".h", ".S", ".py"):
        lines = csource.code_lines(path, read(path))
        if lines > FILE_LIMIT:
            faults.append(f"{path}:1: {lines} lines of code, limit {FILE_LIMIT}")
    for path in tracked(".c", ".h"):
        for name, line, length in csource.functions(read(path)):
            if length > FUNCTION_LIMIT:
                faults.append(f"{path}:{line}: {name} has {length} lines, limit {FUNCTION_LIMIT}")
    for path in tracked(".py"):
        for node in ast.walk(ast.parse(read(path))):
            if isinstance(node, ast.FunctionDef) and node.end_lineno - node.lineno >= FUNCTION_LIMIT:
                faults.append(f"{path}:{node.lineno}: {node.name} is over {FUNCTION_LIMIT} lines")
    return faults


def check_coverage():
    """Each row of the hypercall table has a suite of conformance cases of its name."""
    if not os.path.exists("hypercalls/table.h"):
        return []
    rows = re.findall(r"^HYPERCALL\((\w+),", read("hypercalls/table.h"), re.M)
    cases = "".join(read(p) for p in tracked(".c", ".h") if p.startswith("tests/guest/"))
    suites = set(re.findall(r'REPORT_SUITE\("(\w+)"', cases))
    return [f"hypercalls/table.h:1: no REPORT_SUITE(\"{row}\", ...) in tests/guest"
            for row in rows if row not in suites]


# Put together so that this file passes its own check.
MACHINE_PATHS = re.compile("|".join(["/wo" + "rk/", "/ro" + "ot/", "/ho" + "me/", r"/tmp/p" + "v"]))
UNFINISHED = re.compile(r"\b(TO" + "DO|FIX" + "ME|XX" + r"X)\b")
SOURCES = (".c", ".h", ".S", ".py", ".sh", ".mk", ".ld", ".def")


def check_docs():
    """The generated documents are what the sources say."""
    faults = []
    for script in ("tools/abi.py", "tools/options.py"):
        done = subprocess.run([sys.executable, script, "--check"], capture_output=True, text=True,
                              check=False)
        if done.returncode != 0:
            faults += (done.stdout + done.stderr).strip().split("\n")
    return faults


def check_text():
    """One SPDX line in each source; no paths of somebody's machine; nothing marked unfinished."""
    faults = []
    for path in tracked():
        text = read(path)
        if path.endswith(SOURCES) and "SPDX-License-Identifier: MIT" not in text[:300]:
            faults.append(f"{path}:1: no SPDX line")
        for number, line in enumerate(text.split("\n"), 1):
            if MACHINE_PATHS.search(line):
                faults.append(f"{path}:{number}: a path of one machine")
            if path.endswith(SOURCES) and UNFINISHED.search(line):
                faults.append(f"{path}:{number}: a mark of unfinished work")
    for folder in sorted({p.split("/")[0] for p in tracked() if "/" in p}):
        if folder not in (".ci", "docs") and not os.path.exists(f"{folder}/README.md"):
            faults.append(f"{folder}:1: no README.md")
    return faults


def check_python():
    """Python files parse; shell scripts too."""
    faults = []
    for path in tracked(".py"):
        try:
            compile(read(path), path, "exec")
        except SyntaxError as error:
            faults.append(f"{path}:{error.lineno}: {error.msg}")
    for path in tracked(".sh"):
        done = subprocess.run(["sh", "-n", path], capture_output=True, text=True, check=False)
        if done.returncode:
            faults.append(f"{path}:1: {done.stderr.strip()}")
    return faults


CHECKS = {
    "format": check_format,
    "headers": check_headers,
    "layers": check_layers,
    "sizes": check_sizes,
    "coverage": check_coverage,
    "docs": check_docs,
    "text": check_text,
    "python": check_python,
}


def main():
    os.chdir(ROOT)
    wanted = sys.argv[1:] or list(CHECKS)
    total = 0
    for name in wanted:
        faults = CHECKS[name]()
        total += len(faults)
        for fault in faults:
            print(f"  {name}: {fault}")
        print(f"  CHECK {name}: {'ok' if not faults else f'{len(faults)} faults'}", flush=True)
    return 1 if total else 0


if __name__ == "__main__":
    sys.exit(main())
