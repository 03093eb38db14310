# SPDX-License-Identifier: MIT
"""Which case proves which documented error.

hypercalls/abi/proofs.txt has a line "call sub-operation REFUSAL suite/case" for each documented error that a
conformance case provokes, written by `make conformance-proofs` from the reason records that Paravane leaves;
`make conformance` compares it with what the cases provoke. hypercalls/abi/unproven.txt has the others, each
with the reason why no case can, and those that only some releases of Xen give: "from 4.20 on", "before 4.20".

What several sub-operations share (errors of the whole call, of a group, of the shell that copies structures)
is one piece of code: one case for the call proves it, and the line has "-" for the sub-operation.
"""

import fnmatch
import os
import re

PROOFS = "hypercalls/abi/proofs.txt"
UNPROVEN = "hypercalls/abi/unproven.txt"
RELEASE = "build/gen/xen_release.h"
SHARED = "-"
# Old forms refuse what the new form's sub-operation refuses, besides what their own text says.
OLD_FORMS = {"event_channel_op_compat": "event_channel_op", "physdev_op_compat": "physdev_op"}


def release_minor():
    """17 for the headers of Xen 4.17."""
    with open(RELEASE, encoding="ascii") as file:
        return int(re.search(r"XEN_RELEASE_MINOR (\d+)", file.read()).group(1))


def lines(path):
    """(line number, words) of a list, without comments."""
    if not os.path.exists(path):
        return
    with open(path, encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            if line.strip() and not line.startswith("#"):
                yield number, line.split()


def matches(key, pattern):
    return all(map(fnmatch.fnmatchcase, key, pattern))


class Proofs:
    """The documented errors and both lists. `documented` is a set of keys (call, sub-operation or SHARED,
    refusal); `allowed` {(call, sub-operation or SHARED): {refusal: key}}; `groups` {(group, refusal): keys}."""

    def __init__(self, abi):
        self.abi = abi
        self.documented = set()
        self.allowed = {}
        self.groups = {}
        self.provoked = {}
        for call, text in abi.texts.items():
            self.add_errors(call, SHARED, text.call)
            if abi.unknown_command(call):
                self.add(call, SHARED, SHARED, abi.unknown_command(call))
            for subop, row in abi.code[call].items():
                self.allowed[call, subop] = dict(self.allowed.get((call, SHARED), {}))
                self.add_errors(call, subop, text.subops.get(subop, {}))
                for error, _ in abi.implied(row):
                    self.add(call, subop, SHARED, error)
        self.proofs = {}
        for _, words in lines(PROOFS):
            self.proofs.setdefault(tuple(words[:3]), []).append(words[3])
        self.unproven = [(number, tuple(words[:3]), " ".join(words[3:])) for number, words in lines(UNPROVEN)]

    def add(self, call, subop, owner, error):
        known = self.allowed.setdefault((call, subop), {})
        if owner != SHARED or error not in known:
            known[error] = (call, owner, error)
        self.documented.add(known[error])

    def add_errors(self, call, subop, fields):
        for error, _ in self.abi.errors(fields):
            if error[0] != "@":
                self.add(call, subop, subop, error)
                continue
            for shared, _ in self.abi.errors(self.abi.groups[error[1:]]):
                self.add(call, subop, SHARED, shared)
                self.groups.setdefault((error[1:], shared), set()).add(self.allowed[call, subop][shared])

    def why_unproven(self, key):
        return next((why for _, pattern, why in self.unproven if matches(key, pattern)), None)

    def is_unproven(self, key):
        return self.why_unproven(key) is not None

    def is_gone(self, key):
        """True for an error that the release of Xen whose headers are in use does not give."""
        limit = re.match(r"before 4\.(\d+)", self.why_unproven(key) or "")
        return bool(limit) and release_minor() >= int(limit.group(1))

    def words(self, keys):
        """For the document: the cases that prove an error, or why there is none."""
        cases = list(dict.fromkeys(case for key in sorted(keys) for case in self.proofs.get(key, [])))
        reasons = [self.why_unproven(key) for key in keys if self.is_unproven(key)]
        return ", ".join(cases[:4]) or "".join(f"none: {why}" for why in reasons[:1])

    def words_of(self, call, subop, error):
        key = self.allowed.get((call, subop), {}).get(error)
        return self.words([key] if key else [])

    def words_of_group(self, group, error):
        return self.words(self.groups.get((group, error), ()))

    def faults(self):
        """What does not fit together without running anything."""
        for key, cases in self.proofs.items():
            if key not in self.documented:
                yield f"{PROOFS}:1: {' '.join(key)} is not documented"
            yield from (f"{PROOFS}:1: there is no case {case}" for case in cases
                        if case not in self.abi.cases.sources)
        for number, pattern, reason in self.unproven:
            if not any(matches(key, pattern) for key in self.documented):
                yield f"{UNPROVEN}:{number}: {' '.join(pattern)} is not documented"
            if not reason:
                yield f"{UNPROVEN}:{number}: without a reason"
        for key in sorted(self.documented):
            if key not in self.proofs and not self.is_unproven(key):
                yield f"{PROOFS}:1: no case proves {' '.join(key)} (make conformance-proofs)"

    # --- with the reason records of a run

    def subop_name(self, call, number):
        form = OLD_FORMS.get(call, call)
        prefix = self.abi.texts[form].call.get("commands", "")
        names = [name for name in self.abi.code[form] if self.abi.numbers.get(prefix + name) == number]
        return names[0] if names else SHARED

    def key_of(self, call, number, refusal):
        """(key or None if not documented, words for people) of a reason record."""
        if call not in self.abi.texts:
            return ("-", "-", refusal) if call == "unknown" else None, call
        subop = self.subop_name(call, number)
        found = self.allowed.get((call, subop)) or self.allowed.get((call, SHARED), {})
        key = found.get(refusal)
        if not key and call in OLD_FORMS and refusal in self.allowed.get((OLD_FORMS[call], subop), {}):
            key = ("-", "-", refusal)
        return key, f"{call} {subop if subop != SHARED else number}"

    def judge(self, records, ran, whole):
        """Faults of a run: `records` (case, call, sub-operation, refusal), `ran` its cases, `whole` if it was
        all of them. Leaves {key: cases} in `provoked`."""
        self.provoked = {}
        for case, call, number, refusal in records:
            key, words = self.key_of(call, number, refusal)
            if key:
                self.provoked.setdefault(key, set()).add(case)
            else:
                yield f"{words}: {case} provokes {refusal}, which its text does not list"
        for key in sorted(self.documented):
            found = self.provoked.get(key, set())
            for case in self.proofs.get(key, []):
                if case in ran and case not in found and not self.is_gone(key):
                    yield f"{' '.join(key)}: {case} does not provoke it any more"
            if whole and key not in self.proofs and not self.is_unproven(key):
                yield f"{' '.join(key)}: no case provokes it" if not found else \
                    f"{' '.join(key)}: {min(found)} proves it: make conformance-proofs"

    def notes(self):
        """Errors on the list of unproven ones that a case of this run has provoked all the same."""
        for number, pattern, why in self.unproven:
            if pattern in self.provoked and not re.match(r"(before|from) 4\.", why):
                yield f"note: {UNPROVEN}:{number}: {min(self.provoked[pattern])} provokes {' '.join(pattern)}"

    def rewrite(self, ran):
        """Brings the list up to date after judge(): a proof that still holds stays."""
        def rank(key, case):
            suite = case.split("/")[0]
            return suite == "random", suite != key[0], case

        with open(PROOFS, "w", encoding="utf-8") as file:
            file.write("# Written by `make conformance-proofs`: call, sub-operation (-: shared), refusal, case.\n")
            for key in sorted(self.documented):
                found = self.provoked.get(key, set())
                kept = [c for c in self.proofs.get(key, []) if c in found or c not in ran or self.is_gone(key)]
                best = kept[:1] or sorted(found, key=lambda case: rank(key, case))[:1]
                if kept or (best and not self.is_unproven(key)):
                    file.write(f"{' '.join(key)} {best[0]}\n")
