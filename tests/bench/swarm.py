# SPDX-License-Identifier: MIT
"""The swarm as an object: commands go to its standard input, and each answer is a dict of numbers."""

import os
import select
import subprocess
import time

import process
from holdfast import binary

PATIENCE = 600  # seconds until a command that has no answer counts as a hang


def program(name):
    return os.path.join(os.path.dirname(os.path.abspath(binary())), name)


class Swarm:
    """Clients of a candidate. way: plain, starttls, tls."""

    def __init__(self, way, port, clients, sm=False, fan=False, ask_every=5):
        arguments = [program("swarm"), f"--{way}", str(port), "--clients", str(clients)]
        arguments += ["--ask-every", str(ask_every)]
        arguments += ["--sm"] * sm + ["--fan"] * fan
        self.way = way
        self.complaints = []
        self.buffer = b""
        self.process = subprocess.Popen(
            arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0
        )

    def say(self, line):
        self.process.stdin.write(line.encode() + b"\n")

    def line(self, patience):
        deadline = time.monotonic() + patience
        while b"\n" not in self.buffer:
            ready, _, _ = select.select([self.process.stdout], [], [], deadline - time.monotonic())
            more = os.read(self.process.stdout.fileno(), 65536) if ready else b""
            if not more:
                raise RuntimeError(f"the swarm says nothing more; {self.complaints}")
            self.buffer += more
        line, _, self.buffer = self.buffer.partition(b"\n")
        return line.decode(errors="replace")

    def ask(self, command, expect=None, patience=PATIENCE):
        """Says it, and returns the answer of that name."""
        self.say(command)
        while True:
            name, _, rest = self.line(patience).partition(" ")
            if name == (expect or command):
                return {key: float(value) for key, value in (one.split("=") for one in rest.split())}
            if name == "DROPPED":
                self.complaints.append(rest)

    def come(self, at_once):
        """All who are not there log in, or resume; returns when all are live."""
        return self.ask(f"come {at_once}", "live")

    def knock(self, at_once):
        """Each client's connection ends with its handshake; returns when all have been there."""
        return self.ask(f"knock {at_once}", "knock")

    def hush(self, patience=10):
        """No more is said; returns once all is heard that was, or nothing came for a while."""
        self.say("hush")
        deadline = time.monotonic() + patience
        seen = self.ask("count")
        while seen["said"] != seen["heard"] and time.monotonic() < deadline:
            time.sleep(0.05)
            last, seen = seen, self.ask("count")
            if seen["heard"] != last["heard"]:
                deadline = time.monotonic() + patience
        return seen

    def close(self):
        self.process.stdin.close()
        process.stop(self.process)
        self.process.stdout.close()
