# SPDX-License-Identifier: MIT
"""The figures of all rounds, and the table that is made of them."""

import statistics

# (name, unit, what is divided by HAProxy's)
ROWS = (
    ("cpu unbatched", "us/transit", True),
    ("rate unbatched", "messages/s", False),
    ("cpu batched", "us/transit", True),
    ("rate batched", "messages/s", False),
    ("cpu fan-out", "us/transit", True),
    ("one way", "us, median", False),
    ("added latency", "us, median", True),
    ("handshake", "ms CPU", True),
    ("login", "ms CPU", True),
    ("at rest", "MB", True),
    ("attached anon", "KB/session", True),
    ("attached shmem", "KB/session", False),
    ("detached anon", "KB/session", False),
    ("detached shmem", "KB/session", False),
    ("coming back", "ms CPU", True),
    ("all back", "s", True),
    ("all anew", "s", False),
    ("lost", "stanzas", False),
    ("doubled", "stanzas", False),
)
WORST = ("lost", "doubled")  # of which the worst of all rounds is shown, not the median


class Table:
    def __init__(self, title):
        self.title = title
        self.cells = {}  # (candidate, row): a figure of each round
        self.columns = []
        self.bad = []

    def take(self, name, scenario, seconds, seen, complaints):
        """What a scenario has shown of a candidate."""
        if name not in self.columns:
            self.columns.append(name)
        for row, figure in seen.items():
            self.cells.setdefault((name, row), []).append(figure)
        if complaints or seen.get("lost") or seen.get("doubled"):
            self.bad.append(name)
        words = "  ".join(f"{row} {figure:.4g}" for row, figure in seen.items())
        print(f"{name}, {scenario}, {seconds:.0f} s: {words}", *complaints[:5], flush=True)

    def derive(self):
        """What the way over a candidate adds to the way without, in the same round."""
        direct = self.cells.get(("direct", "one way"), [])
        for name in self.columns:
            ways = self.cells.get((name, "one way"), [])
            if ways and name != "direct" and len(ways) == len(direct):
                self.cells[name, "added latency"] = [way - none for way, none in zip(ways, direct)]

    def ratio(self, name, row):
        """To HAProxy in the same round, which had the same neighbours; the median of the rounds."""
        own, base = self.cells[name, row], self.cells.get(("haproxy", row), [])
        if name == "haproxy" or len(own) != len(base) or min(base) <= 0:
            return ""
        return f" ({statistics.median(a / b for a, b in zip(own, base)):.2f})"

    def cell(self, name, row, relative):
        figures = self.cells.get((name, row))
        if not figures:
            return "-"
        figure = max(figures) if row in WORST else statistics.median(figures)
        text = f"{figure:.0f}" if row in WORST or abs(figure) >= 1000 else f"{figure:.3g}"
        return text + (self.ratio(name, row) if relative else "")

    def print(self):
        self.derive()
        rows = [row for row in ROWS if any((name, row[0]) in self.cells for name in self.columns)]
        print(f"\n{self.title}\n")
        print("| | | " + " | ".join(self.columns) + " |")
        print("| --- | --- |" + " ---: |" * len(self.columns))
        for row, unit, relative in rows:
            line = [self.cell(name, row, relative) for name in self.columns]
            print(f"| {row} | {unit} | " + " | ".join(line) + " |", flush=True)
