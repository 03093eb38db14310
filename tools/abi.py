#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Writes docs/abi.md from the sources: abi.py [--check].

What is there comes from the code: rows from hypercalls/table.h, sub-operations from the tables and
switches of the handlers, errors and words from hypervisor/refusals.def, numbers from Xen's public
headers, proofs from the cases in tests/guest. What it means is in hypercalls/abi/NAME.txt, one file for
each row (README.md there has the form). --check prints what does not fit together: a row or
sub-operation without text or case, text about nothing, unknown refusals, refusals that no text names, a
docs/abi.md that is out of date, cases in docs/faults.md that are gone.
"""

import os
import re
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import abicode  # noqa: E402
import abicases  # noqa: E402
import abiproofs  # noqa: E402

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
OUT = "docs/abi.md"
TEXTS = "hypercalls/abi"
PROSE = "docs/faults.md"
LISTS = ("error", "differs")  # fields that may stand several times
FIELDS = {"source", "table", "function", "commands", "header", "words", "about", "returns", "rights", "continues",
          "does", "status", "unknown", *LISTS}
RIGHTS = dict.fromkeys(("SUBOP_PRIVILEGED", "SUBOP_PRIVILEGED_TARGET"), "control domains only")
DIRECTIONS = {"SUBOP_IN": "in", "SUBOP_OUT": "out", "SUBOP_INOUT": "in and out"}


class Text:
    """One text file: fields of the call, and of each sub-operation, in the order of the file."""

    def __init__(self, path, faults):
        self.path = path
        self.call = {}
        self.subops = {}
        fields, last = self.call, None
        for number, line in enumerate(abicode.read(path).split("\n"), 1):
            section = re.fullmatch(r"\[(\w+)\]", line)
            field = re.match(r"(\w+): ?(.*)", line)
            if not line.strip() or line.startswith("#"):
                last = None
            elif section:
                fields, last = self.subops.setdefault(section.group(1), {}), None
            elif line.startswith("  ") and last:
                self.add(fields, last, " " + line.strip(), True)
            elif field and field.group(1) in FIELDS:
                last = field.group(1)
                self.add(fields, last, field.group(2), False)
            else:
                faults.append(f"{path}:{number}: neither a field nor a section: {line[:40]}")

    @staticmethod
    def add(fields, name, words, goes_on):
        if name not in LISTS:
            fields[name] = fields.get(name, "") + words
        elif goes_on:
            fields[name][-1] += words
        else:
            fields.setdefault(name, []).append(words)


class Abi:
    """All that is known, and the faults found while it was put together."""

    def __init__(self):
        self.faults = []
        self.rows = abicode.rows()
        self.refusals = abicode.refusals()
        self.numbers = abicode.header_numbers()
        self.statuses = abicode.grant_statuses()
        self.cases = abicases.Cases()
        self.groups = Text(f"{TEXTS}/groups.txt", self.faults).subops
        self.texts = {}
        self.code = {}
        self.named = set()
        for name, _, _ in self.rows:
            path = f"{TEXTS}/{name}.txt"
            if not os.path.exists(path):
                self.faults.append(f"hypercalls/table.h:1: {name} has no text {path}")
                continue
            text = self.texts[name] = Text(path, self.faults)
            self.code[name] = abicode.subops(text.call)
            self.check_text(name, text)
        self.check_names()
        self.faults += [f"{path}:1: {fault}" for path, fault in self.cases.lost]
        self.proven = abiproofs.Proofs(self)
        self.faults += self.proven.faults()
        self.check_prose()

    def check_prose(self):
        """Cases that docs/faults.md names exist."""
        suites = {case.split("/")[0] for case in self.cases.words}
        for number, line in enumerate(abicode.read(PROSE).split("\n"), 1):
            self.faults += [f"{PROSE}:{number}: no case {case}" for case in re.findall(r"\w+/\w+", line)
                            if case.split("/")[0] in suites and case not in self.cases.words]

    def check_text(self, name, text):
        for subop in self.code[name]:
            if subop not in text.subops:
                self.faults.append(f"{text.path}:1: no text for {text.call.get('commands', '')}{subop}")
            elif not self.proofs(name, subop):
                self.faults.append(f"{text.path}:1: no case in tests/guest calls {subop}")
        for subop in text.subops:
            if subop not in self.code[name]:
                self.faults.append(f"{text.path}:1: {subop} is not in {text.call.get('source')}")
        if not self.code[name] and not self.proofs(name, None):
            self.faults.append(f"{text.path}:1: no case in tests/guest calls {name}")
        for fields in [text.call, *text.subops.values(), *self.groups.values()]:
            for error, _ in self.errors(fields):
                if error[0] != "@" and error not in self.refusals:
                    self.faults.append(f"{text.path}:1: {error} is not in hypervisor/refusals.def")

    def check_names(self):
        for path in os.listdir(TEXTS):
            if path.endswith(".txt") and path[:-4] not in [r[0] for r in self.rows] + ["groups", "proofs", "unproven"]:
                self.faults.append(f"{TEXTS}/{path}:1: no such row in hypercalls/table.h")
        for name in self.refusals:
            if name not in self.named and name not in abicode.AUTOMATIC:
                self.faults.append(f"hypervisor/refusals.def:1: no text names {name}")

    def errors(self, fields):
        """(refusal or @group, condition) of a call or sub-operation."""
        for line in fields.get("error", []):
            first, _, condition = line.partition(" ")
            if not first.startswith("@"):
                self.named.add(first)
                yield first, condition
            elif first[1:] in self.groups:
                yield first, condition
            else:
                yield first[1:], "no such group"

    def proofs(self, name, subop):
        text = self.texts[name]
        if subop is None:
            return self.cases.calling(name, None)
        return self.cases.calling(name, text.call["commands"] + subop)

    # --- the document

    @staticmethod
    def implied(row):
        """What the shell of sub-operations refuses."""
        if row and row.copy in DIRECTIONS:
            yield "BAD_POINTER", "the structure cannot be accessed"
        if row and row.right in RIGHTS:
            yield "NOT_PRIVILEGED", "the caller is no control domain"

    def error_lines(self, fields, proof, row=None):
        """The table of errors; proof(refusal) tells the cases that prove it."""
        errors = [*self.implied(row), *self.errors(fields)]
        if not errors:
            return []
        lines = ["| error | refusal | when | proven by |", "|---|---|---|---|"]
        for error, condition in errors:
            if error[0] == "@":
                title = self.groups[error[1:]]["about"].strip()
                lines.append(f"| ... | [{title}](#errors-{title.replace(' ', '-')}) | | |")
                continue
            number = "-" + self.refusals.get(error, ("?", ""))[0]
            if fields.get("status") == "element" and error != "BAD_POINTER" and "the call fails" not in condition:
                number = self.statuses.get(error, self.statuses["default"])
            lines.append(f"| {number} | {error} | {condition} | {proof(error)} |")
        return [*lines, ""]

    def proof_line(self, name, subop):
        found = self.proofs(name, subop)
        more = f", and {len(found) - 8} more" if len(found) > 8 else ""
        return [f"Proven by: {', '.join(found[:8])}{more}.", ""] if found else []

    @staticmethod
    def plain(fields, *names):
        lines = []
        for field in names:
            if field in fields:
                words = fields[field].strip()
                lines += [f"{field.capitalize()}: {words}{'' if words.endswith('.') else '.'}", ""]
        for words in fields.get("differs", []):
            lines += [f"**Differs from Xen**: {words}", ""]
        return lines

    @staticmethod
    def field_words(header, struct):
        words = [f"`{name}` {kind}{f' ({way})' if way else ''}" for kind, name, way in
                 abicode.struct_fields(header, struct)]
        return f" Fields: {', '.join(words)}." if words else ""

    def subop_section(self, name, subop, row):
        text = self.texts[name]
        fields = text.subops.get(subop, {})
        number = self.numbers.get(text.call["commands"] + subop)
        shape = []
        header = text.call.get("header", "")
        struct, way = row.struct, DIRECTIONS.get(row.copy, "read by the handler")
        if not struct and text.call["commands"] == "GNTTABOP_":
            struct, way = f"struct gnttab_{subop}", "a list, in and out"
        elif not struct and header.startswith("xen/"):
            struct, way = abicode.union_member(header, subop), "in the union of the argument"
        if struct:
            shape.append(f"`{struct}`, {way}")
        if row.right in RIGHTS:
            shape.append(RIGHTS[row.right])
        lines = [f"#### {name} {subop}{'' if number is None else f' ({number})'}", ""]
        if shape:
            lines += ["; ".join(shape) + "." + self.field_words(header, struct), ""]
        does = fields.get("does", "").strip()
        lines += [does[:1].upper() + does[1:], ""]
        lines += self.error_lines(fields, lambda e: self.proven.words_of(name, subop, e), row)
        lines += self.plain(fields, "returns", "continues")
        return lines + self.proof_line(name, subop)

    def unknown_command(self, name):
        """What an unknown command is refused with: a line of the text may say "unknown command"; None without commands."""
        said = [e for e, condition in self.errors(self.texts[name].call) if condition.startswith("unknown command")]
        return (said or ["NO_SUBOP"])[0] if self.code[name] else None

    def call_section(self, name, arguments, summary):
        text = self.texts[name]
        fields = text.call
        number = abicode.call_number(name)
        lines = [f"### {name} ({number})", "", f"{summary[0].upper()}{summary[1:]}. `{fields.get('header', '')}`.", ""]
        words = [w.strip() for w in fields.get("words", "none").split(";")]
        lines += [f"{arguments} argument{'' if arguments == '1' else 's'}: "
                  + "; ".join(f"({i}) {w}" for i, w in enumerate(words, 1)) + "."
                  if arguments != "0" else "No arguments: " + "; ".join(words) + ".", ""]
        lines += [fields.get("about", "").strip(), ""]
        if self.unknown_command(name) == "NO_SUBOP" and not any(e == "NO_SUBOP" for e, _ in self.errors(fields)):
            fields = dict(fields, error=[*fields.get("error", []), "NO_SUBOP unknown command"])
        lines += self.error_lines(fields, lambda e: self.proven.words_of(name, abiproofs.SHARED, e))
        lines += self.plain(fields, "rights", "returns", "continues")
        if not self.code[name]:
            lines += self.proof_line(name, None)
        prefix = text.call.get("commands", "")
        for subop, row in sorted(self.code[name].items(), key=lambda item: self.numbers.get(prefix + item[0], 0)):
            lines += self.subop_section(name, subop, row)
        return lines

    def absent(self):
        """What Xen's headers have and no handler takes."""
        have = {name for name, _, _ in self.rows}
        calls = [f"{name} ({number})" for name, number in abicode.header_calls() if name not in have]
        lines = ["## What Xen's headers have and Paravane does not", "",
                 abicode.read(f"{TEXTS}/absent.md").strip(), "",
                 "| call | answer | absent |", "|---|---|---|",
                 f"| (whole calls) | -ENOSYS | {', '.join(calls)} |"]
        for name, text in self.texts.items():
            prefix = text.call.get("commands")
            # The old forms share the list of the new ones; single bits and the like are no commands.
            if not prefix or name.endswith("_compat") or prefix in ("MMU_", "VMASST_CMD_"):
                continue
            missing = [f"{n[len(prefix):]} ({v})" for n, v in self.numbers.items()
                       if n.startswith(prefix) and n[len(prefix):] not in self.code[name]
                       and abicode.is_command(prefix, n, text.call.get("header", ""))]
            if missing:
                lines.append(f"| {name} | -ENOSYS | {', '.join(missing)} |")
        return [*lines, ""]

    def group_section(self):
        lines = ["## Errors that many calls share", ""]
        for name, group in self.groups.items():
            lines += [f"### Errors: {group['about'].strip()}", "",
                      *self.error_lines(group, lambda e, name=name: self.proven.words_of_group(name, e))]
        return lines

    def differences(self):
        lines = [abicode.read("docs/differences.md").strip(), "", "Differences of single calls, with their reasons:", ""]
        for name, text in self.texts.items():
            for subop, fields in [("", text.call), *text.subops.items()]:
                for words in fields.get("differs", []):
                    lines.append(f"- **{name}{' ' if subop else ''}{subop}**: {words}")
        return [*lines, ""]

    def refusal_section(self):
        lines = ["## Refusals", "", "What stands behind each error, in the words of `xl why`.", "",
                 "| name | error | words |", "|---|---|---|"]
        return lines + [f"| {n} | -{e} | {w} |" for n, (e, w) in self.refusals.items()] + [""]

    def document(self):
        lines = ["# The ABI", "", "Generated by `tools/abi.py` (`make docs`) from the code, `hypercalls/abi/*.txt` and the "
                 "conformance cases: change those, not this file.", "", abicode.read(f"{TEXTS}/preface.md").strip(), "",
                 "## Hypercalls", ""]
        lines += [f"- [{name}](#{name}-{abicode.call_number(name)}): {summary}" for name, _, summary in self.rows] + [""]
        for name, arguments, summary in self.rows:
            lines += self.call_section(name, arguments, summary)
        return "\n".join([*lines, *self.group_section(), *self.absent(), *self.differences(), *self.refusal_section()]).rstrip() + "\n"


def main():
    os.chdir(ROOT)
    abi = Abi()
    if any("has no text" in fault for fault in abi.faults):
        print("\n".join(abi.faults))
        return 1
    text = abi.document()
    if "--check" in sys.argv[1:]:
        if not os.path.exists(OUT) or abicode.read(OUT) != text:
            abi.faults.append(f"{OUT}:1: not what tools/abi.py writes (make docs)")
    else:
        with open(OUT, "w", encoding="utf-8") as file:
            file.write(text)
    for fault in abi.faults:
        print(fault)
    return 1 if abi.faults and "--check" in sys.argv[1:] else 0


if __name__ == "__main__":
    sys.exit(main())
