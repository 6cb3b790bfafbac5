# SPDX-License-Identifier: MIT
"""The program under test, as the scenarios start it: one daemon, one host for each conversation.

Domain and server of a conversation are its own, so nothing that one does is seen by another, and
the names in its text need not be unique.
"""

import json
import os
import socket
import subprocess
import sys
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))

# ruff: noqa: E402
import holdfast
import process

QUIET = {
    # A conversation that wants to be asked says so; no clock of the daemon's own decides anything.
    "stream-management": {"request_after": "1000", "request_idle": "1h", "request_every": "1h"},
    "limits": {"connections_per_ip": "1000", "connection_rate_per_ip": "1000"},
    "holdfast": {"log_level": "debug", "metrics": "none"},
}

MAPPED_MAX = 1 << 28  # bytes of a mapping that is looked through


class Daemon(holdfast.Holdfast):
    """hosts: domain -> settings of its section. more: (section, key, value) on top of QUIET.

    activated: names of listeners whose sockets are handed over, as systemd does it; descriptors: the
    most that it may have open.
    """

    def __init__(self, hosts, more, options, activated=(), descriptors=None):
        super().__init__(upstream=1, domain="unused.test", settings=QUIET)
        self.options = options
        self.standing = threading.Lock()  # held by whoever has it stand still
        self.descriptors = descriptors
        self.certificates = {}
        six = f"[::1]:{process.free_port()}"
        self.change({"listen ipv6": {"address": six, "transport": "starttls"}})
        for transport in ("wss", "ws"):
            address = f"{self.host}:{process.free_port()}"
            self.change({f"listen {transport}": {"address": address, "transport": transport}})
        for domain, settings in hosts.items():
            made = self.certificate(domain)
            self.certificates[domain] = made
            filled = {key: self.fill(value) for key, value in settings.items()}
            given = {"certificate": made.chain, "private_key": made.key, **filled}
            self.change({f"host {domain}": given})
        self.sockets = [self.activate(name) for name in activated]
        for section, key, value in more:
            self.change({section: {key: self.fill(value)}})
        self.addresses = {"starttls": (self.host, self.starttls_port)}
        for name, keys in self.settings.items():
            if name.startswith("listen ") and keys.get("address"):
                host, _, port = keys["address"].split()[0].rpartition(":")
                self.addresses[name[7:]] = (host.strip("[]"), int(port))
        for name, listener in self.sockets:
            self.addresses[name] = listener.getsockname()

    def fill(self, value):
        while "{port}" in value:
            value = value.replace("{port}", str(process.free_port()), 1)
        return value.replace("{folder}", self.folder).replace("{ca}", self.ca)

    def activate(self, name):
        listener = socket.create_server((self.host, 0))
        self.change({f"listen {name}": {"address": "", "transport": "starttls"}})
        return name, listener

    def command(self):
        kept = ("--keep",) if os.environ.get("HOLDFAST_KEPT") else ()
        command = (holdfast.binary(), *kept, "-c", self.ini, *self.options)
        if self.descriptors:
            command = ("prlimit", f"--nofile={self.descriptors}:{self.descriptors}", *command)
        if not self.sockets:
            return command
        # The sockets become descriptors 3 and up, and LISTEN_PID the process that holdfast becomes.
        moved = " ".join(
            f"{at}<&{listener.fileno()}" for at, (_, listener) in enumerate(self.sockets, 3)
        )
        # (bash, since sh may know descriptors of one digit only.)
        return ("bash", "-c", f'LISTEN_PID=$$ exec "$@" {moved}', "bash", *command)

    def start(self):
        self.write_configuration()
        environment = dict(os.environ)
        environment.setdefault("ASAN_OPTIONS", "detect_leaks=1")
        environment.setdefault("UBSAN_OPTIONS", "print_stacktrace=1")
        environment["LD_BIND_NOW"] = "1"  # else the loader keeps registers, and what was in them
        descriptors = [listener.fileno() for _, listener in self.sockets]
        if descriptors:
            environment["LISTEN_FDS"] = str(len(descriptors))
            environment["LISTEN_FDNAMES"] = ":".join(name for name, _ in self.sockets)
        self.process = process.spawn(
            self.command(), self.log_file, cwd=self.folder, env=environment, pass_fds=descriptors
        )
        try:
            process.wait_until(self.is_up, [self.process], "holdfast")
        except RuntimeError as error:
            raise RuntimeError(f"{error}\n{self.log()}") from None

    def is_up(self):
        """Answers, which it does when all of it has begun; and then each listener is tried once."""
        status, _, _ = self.control("status")
        return status == 0 and all(process.accepts(port, host) for host, port in self.addresses.values())

    def thread_states(self):
        """A letter for each thread, as in proc(5)."""
        threads = f"/proc/{self.process.pid}/task"
        states = []
        for thread in os.listdir(threads):
            with open(f"{threads}/{thread}/stat") as stat:
                states.append(stat.read().rpartition(") ")[2][0])
        return states

    def in_memory(self, text):
        """Where in its memory these bytes are: the lines of its map. The sanitizer's shadow is left out."""
        found = []
        with (
            open(f"/proc/{self.process.pid}/maps") as maps,
            open(f"/proc/{self.process.pid}/mem", "rb", 0) as memory,
        ):
            for line in maps:
                span, mode = line.split()[:2]
                begin, end = (int(side, 16) for side in span.split("-"))
                if "rw" not in mode or end - begin > MAPPED_MAX:
                    continue
                try:
                    memory.seek(begin)
                    if text in memory.read(end - begin):
                        found.append(line.strip())
                except OSError:
                    continue
        return found

    def control(self, *arguments):
        """holdfastctl: its exit status, and what it wrote on both streams."""
        program = os.environ.get("HOLDFASTCTL_BIN") or os.path.join(
            os.path.dirname(holdfast.binary()), "holdfastctl"
        )
        done = subprocess.run(
            (program, "-s", os.path.join(self.runtime_dir, "control.sock"), *arguments),
            capture_output=True,
            text=True,
            timeout=20,
        )
        return done.returncode, done.stdout, done.stderr

    def log_from(self, offset):
        with open(self.log_file, errors="replace") as log:
            log.seek(offset)
            return log.read()

    def strange_line(self):
        """The first line of the log that is none, or drives a terminal: what peers sent is in it."""
        for line in self.log_from(0).splitlines():
            if not line.startswith(("time=", '{"time":')) or not line.isprintable():
                return line
        return None

    def log_size(self):
        return os.path.getsize(self.log_file)


def objects(value):
    """All JSON objects in what holdfastctl --json wrote, at any depth."""
    found = []
    for line in [value] if is_json(value) else value.splitlines():
        try:
            collect(json.loads(line), found)
        except ValueError:
            continue
    return found


def is_json(text):
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


def collect(value, found):
    if isinstance(value, dict):
        found.append(value)
        value = value.values()
    if not isinstance(value, (str, int, float, bool, type(None))):
        for inner in value:
            collect(inner, found)


def fields(line):
    """The fields of a line of the log, logfmt or JSON."""
    if line.startswith("{") and is_json(line):
        return json.loads(line)
    found = {}
    at = 0
    while at < len(line):
        key, equals, rest = line[at:].partition("=")
        if not equals:
            break
        if rest.startswith('"'):
            end = 1
            while end < len(rest) and rest[end] != '"':
                end += 2 if rest[end] == "\\" else 1
            found[key.strip()] = rest[1:end].replace('\\"', '"').replace("\\\\", "\\")
            at = len(line) - len(rest) + end + 1
        else:
            value, _, _ = rest.partition(" ")
            found[key.strip()] = value
            at = len(line) - len(rest) + len(value) + 1
    return found
