# SPDX-License-Identifier: MIT
"""Which conformance cases call what: reads tests/guest without running it.

A case calls what its function names, and what the functions of its file (and of the files without cases) name
that it calls, directly or not. Macros that paste a prefix to their argument are undone.
"""

import glob
import re

import csource
from abicode import expand, macros, read


def bodies(text):
    """{function: its source} of a file, with pasting macros expanded."""
    known = {name: value for name, value in macros(text).items() if "##" in value[1]}
    for name in known:
        text = re.sub(rf"(?<!define )\b{name}\(([^()]*(?:\([^()]*\)[^()]*)*)\)",
                      lambda m: expand(m.group(0), known), text)
    lines = text.split("\n")
    found = list(csource.functions(text))
    ends = [line - 1 for _, line, _ in found[1:]] + [len(lines)]
    sources = {name: "\n".join(lines[line - 1:end]) for (name, line, _), end in zip(found, ends)}
    return {name: source.split("\n}\n")[0] for name, source in sources.items()}


def reach(name, functions, seen):
    """The source of a function and of all that it calls."""
    if name in seen or name not in functions:
        return ""
    seen.add(name)
    body = functions[name]
    return body + "".join(reach(other, functions, seen) for other in sorted(set(re.findall(r"\b\w+\b", body)))
                          if other != name)


class Cases:
    """{suite/case: all source that it reaches}."""

    def __init__(self):
        helpers, self.lost = {}, []
        families = read("tests/guest/guest.h")
        for path in glob.glob("tests/guest/[!c]*.c"):
            helpers.update(bodies(csource.without_comments(read("tests/guest/ports.h") + read(path))))
        self.sources = {}
        for path in sorted(glob.glob("tests/guest/case_*.c")):
            text = csource.without_comments(read(path))
            functions = {**helpers, **bodies(text)}
            self.lost += [(path, f"guest.h does not list the family {family}")
                          for family in re.findall(r"GUEST_FAMILY\((\w+)", text) if f"X({family})" not in families]
            for suite, array in re.findall(r'REPORT_SUITE\("(\w+)",\s*(\w+)\)', text):
                listed = re.search(rf"\b{array}\[\]\s*=\s*\{{(.*?)\}};", text, re.S)
                for case in re.findall(r"REPORT_CASE\((\w+)\)", listed.group(1) if listed else ""):
                    if f"{suite}/{case}" in self.sources:
                        self.lost.append((path, f"there is another case {suite}/{case}"))
                    self.sources[f"{suite}/{case}"] = reach(case, functions, set())
            if path.endswith("case_fatal.c"):
                for case, run in re.findall(r'\{"(\w+)",\s*(\w+)\s*\}', text):
                    self.sources[f"fatal/{case}"] = reach(run, functions, set())
        self.words = {case: set(re.findall(r"\w+", source)) for case, source in self.sources.items()}

    def calling(self, call, constant):
        """Cases that make the call (with the command), those of its own suite first."""
        calls = {f"hypercall_{call}", f"__HYPERVISOR_{call}"}
        found = [case for case, words in self.words.items()
                 if not calls.isdisjoint(words) and (not constant or constant in words)]
        return sorted(found, key=lambda case: (not case.startswith(call + "/"), case))
