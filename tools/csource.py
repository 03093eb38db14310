# SPDX-License-Identifier: MIT
"""A reader of C sources that is just good enough to count lines and find functions."""

import re

TOKENS = re.compile(r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])+\'', re.S)
NAME = re.compile(r"([A-Za-z_]\w*)\s*\(")
NOT_FUNCTIONS = {"if", "for", "while", "switch", "sizeof", "__attribute__", "_Static_assert"}


def without_comments(text, strings=True):
    """Comments become spaces, line breaks stay; with strings=False literals are emptied too."""
    def blank(match):
        token = match.group(0)
        if token[0] == "/":
            return re.sub(r"[^\n]", " ", token)
        return token if strings else token[0] + " " * (len(token) - 2) + token[-1]
    return TOKENS.sub(blank, text)


def code_lines(path, text):
    """Lines that hold code: no blank lines, no comments."""
    if path.endswith(".py"):
        text = re.sub(r'^\s*"""(?:.|\n)*?"""', "", text, flags=re.M)
        return sum(1 for line in text.split("\n") if line.strip() and not line.strip().startswith("#"))
    return sum(1 for line in without_comments(text).split("\n") if line.strip())


def functions(text):
    """Yields (name, first line, lines of code) of each function with a body."""
    clean = without_comments(text, strings=False)
    clean = re.sub(r"^[ \t]*#(?:[^\n\\]|\\.|\\\n)*", lambda m: re.sub(r"[^\n]", " ", m.group(0)), clean,
                   flags=re.M)
    depth = 0
    head_start = 0
    start = None
    for match in re.finditer(r"[{};]", clean):
        position, token = match.start(), match.group(0)
        if token == "{":
            if depth == 0:
                start = (head_start, clean[head_start:position])
            depth += 1
        elif token == "}":
            depth -= 1
            if depth == 0 and start:
                name = function_name(start[1])
                if name:
                    first = start[0] + len(start[1]) - len(start[1].lstrip())
                    body = clean[first:position + 1]
                    yield (name, clean.count("\n", 0, first) + 1,
                           sum(1 for line in body.split("\n") if line.strip()))
                start = None
                head_start = position + 1
        elif depth == 0:
            head_start = position + 1


def function_name(head):
    """The name in a function's head; None for types and initialisers."""
    if "=" in head or "(" not in head:
        return None
    names = [name for name in NAME.findall(head) if name not in NOT_FUNCTIONS]
    return names[0] if names else None
