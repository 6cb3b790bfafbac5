# SPDX-License-Identifier: MIT
"""The tree as the checks see it: which files there are, and what C's layout tells without a parser.

A function begins at a line in the first column that is no comment, directive or brace, and ends at the
next `}` in the first column: clang-format sees to that.
"""

import os
import re
import unicodedata

ROOT = os.path.realpath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))
SKIPPED = re.compile(r"^(\.git|build.*|__pycache__|node_modules|\.ruff_cache)$")
INCLUDE = re.compile(r'^\s*#\s*include\s+(?:"([^"]+)"|<([^>]+)>)')


class File:
    def __init__(self, path):
        self.path = path
        self.folder, self.name = os.path.split(path)
        self.stem, self.kind = os.path.splitext(self.name)
        with open(os.path.join(ROOT, path), encoding="utf-8") as text:
            self.lines = text.read().splitlines()

    def includes(self):
        """(line, what) of each include of a file of the project's."""
        for number, line in enumerate(self.lines, 1):
            if (found := INCLUDE.match(line)) and found.group(1):
                yield number, found.group(1)

    def aligned_by_hand(self):
        """The numbers of the lines that clang-format was told to leave alone."""
        off = False
        for number, line in enumerate(self.lines, 1):
            off = off or "clang-format off" in line
            if off:
                yield number
            off = off and "clang-format on" not in line

    def functions(self):
        """(first line, last line, name) of each function with a body."""
        begin = None
        for number, line in enumerate(self.lines, 1):
            if line == "{" and begin:
                name = re.search(r"(\w+)\(", " ".join(self.lines[begin - 1 : number]))
                end = self.lines.index("}", number) + 1
                yield begin, end, name.group(1) if name else "?"
                begin = None
            elif re.match(r"[A-Za-z_\[]", line) and not line.endswith(";"):
                begin = begin or number
            elif not line or line.endswith(";") or line.startswith(("}", "#", "/", " *")):
                begin = None

    def paragraphs(self):
        """(first line, lines) of each run of lines between blank ones, outside of braces."""
        run, depth, comment = [], 0, False
        for number, line in enumerate(self.lines + [""], 1):
            if not line and depth == 0 and not comment:
                if run:
                    yield number - len(run), run
                run = []
                continue
            run.append(line)
            code = re.sub(r"/\*.*?\*/", "", line)
            comment = code.count("/*") > code.count("*/") or (comment and "*/" not in code)
            if not comment:
                depth += code.count("{") - code.count("}")


def files(kinds=(".c", ".h"), under=""):
    """All files of these kinds, by path; kinds None is every file that is text."""
    for folder, folders, names in os.walk(os.path.join(ROOT, under)):
        folders[:] = sorted(name for name in folders if not SKIPPED.match(name))
        for name in sorted(names):
            if kinds is None or name.endswith(kinds):
                try:
                    yield File(os.path.relpath(os.path.join(folder, name), ROOT))
                except UnicodeDecodeError:
                    continue


def read(path):
    """The whole text; empty if there is no such file."""
    return "\n".join(File(path).lines) if exists(path) else ""


def exists(path):
    return os.path.exists(os.path.join(ROOT, path))


def width(line):
    """Columns on a screen."""
    marks = sum(unicodedata.combining(c) != 0 for c in line)
    wide = sum(unicodedata.east_asian_width(c) in "WF" for c in line)
    return len(line) - marks + wide
