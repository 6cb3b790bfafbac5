#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Many sessions, cut at random for a long time: nothing is lost, and nothing grows.

A crowd of clients (crowd) talks through Holdfast with a stand-in for a server (standin); both judge
every stanza. Meanwhile Holdfast's memory, descriptors and counters are sampled. In the end all log
out, and Holdfast must own no more than at its start. Prints a line for each sample, then one for
each check, and, last, `N passed, N failed`. Everything random follows from the seed, but not the
order in which the processes and the kernel run.

    HOLDFAST_BIN=build/holdfast tests/load/soak.py [--sessions N] [--minutes N] [--seed N] ...
"""

import argparse
import json
import os
import random
import resource
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "support"))

import process  # noqa: E402
from holdfast import Holdfast, binary  # noqa: E402

DOMAIN = "example.org"
TIME_WAIT = 60  # seconds that a port of a closed connection stays taken
PORTS = 28000  # that the kernel gives to outgoing connections towards one address
PATIENCE = float(os.environ.get("HOLDFAST_HANG", 300))  # seconds; a guard, not a criterion
SAMPLES_LEAST = 10  # in each third of a run
RELOAD = 6  # samples from one reload of the configuration to the next
OWNED = ("sessions", "connections", "links", "memory")
NEVER = ("lost", "stanzas_lost", "unconfirmed", "refused_births", "tls_failures", "links_failed")


def program(name):
    return os.path.join(os.path.dirname(os.path.abspath(binary())), name)


def ask(control, *command):
    """The rows of Holdfast's answer."""
    ctl = os.environ.get("HOLDFASTCTL_BIN") or program("holdfastctl")
    done = subprocess.run((ctl, "-s", control, "--json", *command), capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"holdfastctl: {done.stderr}")
    return [json.loads(line) for line in done.stdout.splitlines()]


def figures(line):
    """`what: a=1 b=2` as a dict."""
    return {k: int(v) for k, v in (word.split("=") for word in line.split(": ", 1)[1].split())}


def last_figures(path, what):
    with open(path, errors="replace") as log:
        lines = [line for line in log if line.startswith(what + ": ")]
    return figures(lines[-1]) if lines else {}


def faults(path):
    with open(path, errors="replace") as log:
        return [line.rstrip() for line in log if line.startswith("FAULT")]


class Sample:
    """What Holdfast owns and has counted now."""

    def __init__(self, pid, control):
        self.when = time.monotonic()
        with open(f"/proc/{pid}/status") as status:
            rows = dict(line.split(":", 1) for line in status)
        self.anon = int(rows["RssAnon"].split()[0]) << 10
        self.shmem = int(rows["RssShmem"].split()[0]) << 10
        self.fds = len(os.listdir(f"/proc/{pid}/fd"))
        self.cpu = self.seconds(pid)
        self.status = ask(control, "status")[0]

    @staticmethod
    def seconds(pid):
        with open(f"/proc/{pid}/stat") as stat:
            row = stat.read().rsplit(")", 1)[1].split()
        return (int(row[11]) + int(row[12])) / os.sysconf("SC_CLK_TCK")

    def line(self, begin):
        n = self.status
        return (
            f"t={self.when - begin:.0f} anon={self.anon >> 10}K shmem={self.shmem >> 10}K"
            f" memory={n['memory']} fds={self.fds} sessions={n['sessions']}"
            f" connections={n['connections']} links={n['links']} detached={n['detached']}"
            f" resumed={n['resumed']} up={n['to_server']} down={n['to_client']} cpu={self.cpu:.0f}s"
        )


class Soak:
    def __init__(self, given):
        self.given = given
        self.folder = process.scratch("soak")
        self.standin = self.crowd = self.holdfast = None
        self.samples = []
        self.checks = []

    def path(self, name):
        return os.path.join(self.folder, name)

    # --- what runs ---

    def start(self):
        given = self.given
        port = process.free_port()
        lag = ("--lag", str(given.lag)) if given.lag else ()
        self.standin = process.spawn(
            (program("standin"), "--port", str(port), "--domain", DOMAIN, "--seed", str(given.seed))
            + lag,
            self.path("standin.log"),
        )
        process.wait_until(lambda: process.accepts(port), [self.standin], "standin")
        self.holdfast = Holdfast(port, DOMAIN, settings=self.settings())
        self.holdfast.start()
        self.control = os.path.join(self.holdfast.runtime_dir, "control.sock")
        self.wait_for(lambda now: now.status["connections"] == 0)
        self.first = self.sample()

    def settings(self):
        return {
            "holdfast": {"log_level": self.given.log},
            "limits": {"connections_per_ip": "100000", "connection_rate_per_ip": "100000"},
            f"host {DOMAIN}": {"upstream_logins": "10000"},
            "stream-management": {"idle_check": "30s", "request_every": "10s"},
        }

    def start_crowd(self):
        given, front = self.given, self.holdfast
        self.crowd = process.spawn(
            (
                *(program("crowd"), "--ca", front.ca, "--domain", DOMAIN),
                *("--starttls", str(front.starttls_port), "--tls", str(front.tls_port)),
                *("--clients", str(given.sessions), "--seconds", str(given.minutes * 60)),
                *("--cut-every", str(given.sessions / given.cuts)),
                *("--say-every", str(given.sessions / given.stanzas)),
                *("--away", str(given.away)),
                *(("--trouble", given.trouble) if given.trouble else ()),
                *("--seed", str(given.seed), "--patience", str(PATIENCE)),
                *("--report", str(given.every)),
            ),
            self.path("crowd.log"),
        )

    def sample(self):
        return Sample(self.holdfast.process.pid, self.control)

    def wait_for(self, is_so):
        """Samples until it is so; the last sample, also if it never is."""
        deadline = time.monotonic() + PATIENCE
        while not is_so(now := self.sample()) and time.monotonic() < deadline:
            time.sleep(0.05)
        return now

    def watch(self):
        """Samples as long as the crowd is at it."""
        begin = time.monotonic()
        while True:
            try:
                self.crowd.wait(self.given.every)
                return
            except subprocess.TimeoutExpired:
                pass
            if not self.holdfast.is_alive():
                raise RuntimeError(f"Holdfast died, status {self.holdfast.process.returncode}")
            now = self.sample()
            with open(self.path("crowd.log")) as log:
                phases = [line.split()[1] for line in log if line.startswith("phase:")]
            if phases and phases[-1] == "run":
                self.samples.append(now)
                if len(self.samples) % RELOAD == 0:
                    self.holdfast.reload()
            cuts = last_figures(self.path("crowd.log"), "figures").get("cuts", 0)
            now.cuts = cuts
            print(f"{now.line(begin)} cuts={cuts}", flush=True)

    # --- what must be true ---

    def check(self, is_so, name, detail=""):
        self.checks.append(bool(is_so))
        print(f"{'ok  ' if is_so else 'FAIL'} {name}{': ' if detail else ''}{detail}", flush=True)

    def check_stanzas(self):
        crowd = last_figures(self.path("crowd.log"), "crowd")
        server = last_figures(self.path("standin.log"), "standin")
        print(f"crowd   {crowd}\nstandin {server}")
        for name, process_, path in (
            ("the crowd", self.crowd, "crowd.log"),
            ("the server", self.standin, "standin.log"),
        ):
            fine, found = process_.returncode == 0, faults(self.path(path))
            if not fine and not found:
                found = [process.tail(self.path(path))]
            self.check(
                fine and not found,
                f"{name} found nothing wrong with any stanza",
                "\n     ".join([f"status {process_.returncode}", *found]) if found else "",
            )
        if not crowd or not server:
            return
        self.check(crowd["cuts"] > 0 and crowd["resumed"] > 0, "sessions were cut and resumed")
        for name, said, heard in (
            ("messages", crowd["said"], server["messages"]),
            ("pings", crowd["pings"], server["pings"]),
            ("logouts", crowd["logouts"], server["closed"]),
            ("unavailable presences and logouts", server["unavailable"], crowd["logouts"]),
        ):
            self.check(said == heard, f"{name}: as many as there should be", f"{said}, {heard}")

    def check_holdfast(self, last):
        never = {name: last.status[name] for name in NEVER if last.status[name]}
        self.check(not never, "Holdfast counted nothing that must not be", str(never or ""))
        before = self.first
        for name in OWNED:
            self.check(
                last.status[name] <= before.status[name],
                f"{name}: as at the start",
                f"{before.status[name]}, then {last.status[name]}",
            )
        self.check(
            last.fds <= before.fds, "descriptors: as at the start", f"{before.fds}, then {last.fds}"
        )

    def check_flat(self):
        """A leak shows as growth from the second third of the run to the last, in which a third of
        all cuts happen. What the allocators take by themselves is allowed for."""
        third = len(self.samples) // 3
        middle, end = self.samples[third : 2 * third], self.samples[2 * third :]
        if third < SAMPLES_LEAST:
            print("     too few samples to say whether memory is flat")
            return
        if self.is_sanitized():
            print("     a sanitizer keeps what was freed: nothing is said about memory")
            return
        cuts = end[-1].cuts - middle[-1].cuts
        room = self.given.room << 10
        for name, of in (("RssAnon", lambda s: s.anon), ("RssShmem", lambda s: s.shmem)):
            before, after = max(map(of, middle)), max(map(of, end))
            self.check(
                after - before < room,
                f"{name} is flat",
                f"at most {before >> 10}K, then {after >> 10}K, in {cuts} cuts:"
                f" a leak of {room / max(cuts, 1):.0f} bytes a cut would show",
            )
        before, after = (max(s.fds for s in samples) for samples in (middle, end))
        self.check(
            after <= before * 1.1 + 20,
            "descriptors stay within bounds",
            f"at most {before}, then {after}",
        )

    def is_sanitized(self):
        with open(f"/proc/{self.holdfast.process.pid}/maps") as maps:
            return "san.so" in maps.read()

    # --- from begin to end ---

    def run(self):
        self.start()
        self.start_crowd()
        self.watch()
        before = self.first  # a link is done only when the server has ended it, too
        last = self.wait_for(
            lambda now: now.fds <= before.fds
            and all(now.status[name] <= before.status[name] for name in OWNED)
        )
        print(last.line(self.first.when))
        for one in ask(self.control, "sessions")[:5]:
            print(f"     is still there: {ask(self.control, 'session', one['id'])[0]}")
        process.stop(self.standin)
        self.check_stanzas()
        self.check_holdfast(last)
        self.check_flat()
        self.stop_holdfast()

    def stop_holdfast(self):
        try:
            self.holdfast.stop()
            self.check(True, "Holdfast stops in order, and no sanitizer complains")
        except AssertionError as error:
            self.check(False, "Holdfast stops in order, and no sanitizer complains", str(error))

    def close(self):
        for one in (self.crowd, self.standin):
            if one:
                process.stop(one)
        if self.holdfast:
            if not all(self.checks) or not self.checks:
                print(f"--- holdfast.log\n{self.holdfast.log(100)}")
            self.holdfast.close()
        process.remove_scratch(self.folder)


def raise_limits(given):
    """Descriptors for Holdfast: a connection and a link each, and those that come and go."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    need = 2 * given.sessions + 10 * given.cuts + 200
    if hard != resource.RLIM_INFINITY and need > hard:
        sys.exit(f"soak: {need:.0f} descriptors may be needed, and only {hard} are allowed")
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    ports = given.sessions + 2 * given.cuts * TIME_WAIT
    if ports > PORTS:
        sys.exit(f"soak: {ports:.0f} ports may be needed at once, and there are {PORTS}")


def options():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--sessions", type=int, default=300)
    parser.add_argument("--minutes", type=float, default=0.4)
    parser.add_argument("--cuts", type=float, default=200, help="a second, of all together")
    parser.add_argument("--stanzas", type=float, default=300, help="a second, of all together")
    parser.add_argument("--away", type=float, default=0.3, help="seconds until a client is back")
    parser.add_argument("--trouble", help="NAME=WEIGHT,... of the crowd's troubles")
    parser.add_argument("--lag", type=float, default=20, help="ms that the server is slow by")
    parser.add_argument("--every", type=float, default=5, help="seconds between samples")
    parser.add_argument("--room", type=int, default=2048, help="KB that may seem to leak")
    parser.add_argument("--log", default="warn", help="Holdfast's log_level")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 32))
    return parser.parse_args()


def main():
    process.exit_on_sigterm()
    given = options()
    print(f"seed {given.seed}")
    raise_limits(given)
    soak = Soak(given)
    try:
        soak.run()
    finally:
        soak.close()
    passed = sum(soak.checks)
    print(f"{passed} passed, {len(soak.checks) - passed} failed")
    return 0 if all(soak.checks) else 1


if __name__ == "__main__":
    sys.exit(main())
