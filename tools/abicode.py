# SPDX-License-Identifier: MIT
"""What the C sources say about hypercalls: rows, sub-operations, refusals, numbers of Xen's headers."""

import glob
import re

import csource

XEN = "/usr/include/xen"
OWN_HEADER = "hypercalls/paravane.h"
TESTS_HEADER = "hypercalls/paravane_tests.h"  # of the same call
# Named in the document without a text: the shells say them of every call.
AUTOMATIC = {"NO_HYPERCALL", "NO_SUBOP", "NOT_PRIVILEGED", "BAD_POINTER"}


def read(path):
    with open(path, encoding="utf-8", errors="replace") as file:
        return file.read()


def read_header(header):
    """The text of a call's header, one of Xen's or ours."""
    if header == OWN_HEADER:
        return read(OWN_HEADER) + read(TESTS_HEADER)
    return read(f"/usr/include/{header}" if header.startswith("xen/") else header)


def rows():
    """(name, number of arguments, summary) of each row of the table."""
    return re.findall(r'^HYPERCALL\((\w+),\s*(\d+),\s*"(.*)"\)', read("hypercalls/table.h"), re.M)


def refusals():
    found = re.findall(r'^REFUSAL\((\w+),\s*XEN_(\w+),\s*"((?:[^"\\]|\\.)*)"',
                       read("hypervisor/refusals.def"), re.M)
    return {name: (error, words) for name, error, words in found}


def grant_statuses():
    """{refusal: GNTST_*} of the elements of grant operations; "default" for all others."""
    body = read("grant/table.c")
    body = body[body.index("grant_status("):]
    found, waiting = {}, []
    for refusal, default, status in re.findall(r"case REFUSE_(\w+):|(default):|return (GNTST_\w+);", body):
        if status:
            found.update((name, status) for name in waiting)
            waiting = []
        else:
            waiting.append(refusal or default)
    return found


def header_numbers():
    """{constant: number} of all plain numbers that the headers define."""
    numbers = {}
    for path in [*sorted(glob.glob(f"{XEN}/*.h")), f"{XEN}/hvm/hvm_op.h", f"{XEN}/arch-x86/xen-mca.h", OWN_HEADER, TESTS_HEADER]:
        for name, value in re.findall(r"^#\s*define\s+(\w+)\s+\(?(0x[0-9a-fA-F]+|\d+)[UuLl]*\)?\s*(?:/[/*].*)?$",
                                      read(path), re.M):
            numbers.setdefault(name, int(value, 0))
    return numbers


def header_calls():
    return [(name, int(number)) for name, number in
            re.findall(r"^#define __HYPERVISOR_(\w+)\s+(\d+)", read(f"{XEN}/xen.h"), re.M)
            if not re.fullmatch(r"arch_[2-7]", name)]


def call_number(name):
    match = re.search(rf"^#define __HYPERVISOR_{name}\s+(\d+)", read(f"{XEN}/xen.h") + read(OWN_HEADER), re.M)
    return int(match.group(1)) if match else None


def is_command(prefix, constant, header):
    """Commands are those that the call's own header writes in the way of their family: sysctl, domctl and
    most others in small letters, mmuext_op in capitals."""
    rest = constant[len(prefix):]
    if not re.search(rf"\b{constant}\b", read_header(header)):
        return False
    if rest.startswith(("SCHEDOP", "resource_", "CDF", "GRANT", "INTERFACE")) or rest[:1] == "_":
        return False
    if prefix == "SEGBASE_":
        return True
    if prefix == "MMUEXT_":
        return rest.isupper()
    if prefix in ("XEN_SYSCTL_", "XEN_DOMCTL_"):
        body = read(f"/usr/include/{header}")
        listed = body[re.search(r"^struct xen_(sysctl|domctl) \{", body, re.M).start():]
        listed = listed[:listed.index("uint32_t interface_version;")]
        return bool(re.search(rf"^#define {constant}\s", listed, re.M))
    return rest[:1].islower() and not re.match(r"\w+_op_[a-z]", rest)


def union_member(header, subop):
    """The structure of a command in the union of a big structure, by its member's name; "" if none."""
    text = read(f"/usr/include/{header}")
    for name in (subop, re.sub("^[sg]et_?", "", subop), subop.replace("cpuinfo", "pcpu_info"),
                 subop.replace("get_cpu", "pcpu")):
        match = re.search(rf"^\s+struct ((?:xen_domctl|xen_sysctl|xenpf)_\w+)\s+{name};", text, re.M)
        if match:
            return "struct " + match.group(1)
    return ""


def struct_fields(header, struct):
    """[(type, name, direction)] of a structure without nested ones; the header's comments say the direction."""
    match = re.search(rf"^{struct} \{{\n(.*?)^\}}", read_header(header), re.S | re.M) if struct else None
    if not match or "{" in match.group(1):
        return []
    fields, direction = [], ""
    for comment, line in re.findall(r"/\*(.*?)\*/|//[^\n]*|([^;/]+;)", match.group(1), re.S):
        marks = set(re.findall(r"\b(IN|OUT)\b", comment))
        if marks:
            direction = " and ".join(sorted(m.lower() for m in marks))
        line = re.sub(r"^#.*$", "", line, flags=re.M)
        words = " ".join(line.rstrip(";").split())
        handle = re.fullmatch(r"XEN_GUEST_HANDLE(?:_64)?\((.*)\) (\w+)", words)
        plain = re.fullmatch(r"((?:const )?(?:struct |unsigned )?\w+) (\w+(?:\[\w+\])?(?:, \w+)*)", words)
        if handle:
            fields.append((f"{handle.group(1)} *", handle.group(2), direction))
        elif plain and not plain.group(2).startswith(("pad", "_pad")):
            fields.append((plain.group(1), plain.group(2), direction))
    return list({name: (kind, name, way) for kind, name, way in fields}.values())  # the last of #if variants


class Row:
    """One sub-operation as the code has it; fields that the code does not say are empty."""

    def __init__(self, struct="", copy="", right=""):
        self.struct, self.copy, self.right = struct, copy, right


def macros(text):
    """{name: (parameters, body)} of the function-like macros of a file."""
    joined = text.replace("\\\n", " ")
    found = re.findall(r"^#define (\w+)\(([^)]*)\)\s+(.*)$", joined, re.M)
    return {name: ([p.strip() for p in params.split(",")], body) for name, params, body in found}


def split_top(text):
    """Splits at commas that are in no bracket."""
    parts, depth, start = [], 0, 0
    for i, c in enumerate(text):
        depth += c in "({["
        depth -= c in ")}]"
        if c == "," and depth == 0:
            parts.append(text[start:i])
            start = i + 1
    return [p.strip() for p in [*parts, text[start:]] if p.strip()]


def expand(entry, known):
    """A macro call becomes its body with the arguments in place."""
    call = re.fullmatch(r"\s*(\w+)\((.*)\)\s*", entry, re.S)
    if not call or call.group(1) not in known:
        return entry
    params, body = known[call.group(1)]
    arguments = split_top(call.group(2))
    if params[-1] == "...":
        params = [*params[:-1], "__VA_ARGS__"]
        arguments = [*arguments[:len(params) - 1], ", ".join(arguments[len(params) - 1:])]
    for name, value in zip(params, arguments):
        body = re.sub(rf"(?<!#)#{name}\b", f'"{value}"', body)
        body = re.sub(rf"\b{name}\b", value, body)
    return expand(re.sub(r"\s*##\s*", "", body).strip(), known)


def table_rows(text, prefix, only):
    """Sub-operations of the initialised tables of a file: {.command, ...} or [command] = ... entries."""
    found, known = {}, {**macros(read("hypercalls/call.h")), **macros(text)}
    for name, body in re.findall(r"\b(\w+)\[\]\s*=\s*\{(.*?)^\s*\};?", text, re.S | re.M):
        if only and name != only:
            continue
        for entry in split_top(body):
            entry = expand(entry, known)
            command = re.match(rf"\s*[\[{{]\s*{prefix}(\w+)", entry)
            if command:
                struct = re.search(r"sizeof\((struct \w+|\w+)\)", entry)
                words = re.findall(r"\bSUBOP_\w+", entry)
                found[command.group(1)] = Row(struct.group(1) if struct else "",
                                              words[0] if words else "", words[1] if len(words) > 1 else "")
    return found


def function_body(text, name):
    """The source of one function; the whole file if no name is given."""
    if not name:
        return text
    start = text.index(f"long {name}(")
    return text[start:text.index("\n}", start)]


def subops(call):
    """{name: Row} of the sub-operations that the handlers of a call take, in the order of the code."""
    found = {}
    prefix = call.get("commands")
    if not prefix:
        return found
    for path in call["source"].split():
        text = csource.without_comments(read(f"hypercalls/{path}"))
        if "function" not in call:
            found.update(table_rows(text, prefix, call.get("table")))
        if "table" not in call:
            for name in re.findall(rf"\bcase {prefix}(\w+):", function_body(text, call.get("function"))):
                found.setdefault(name, Row())
    return found
