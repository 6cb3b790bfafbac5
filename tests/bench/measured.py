# SPDX-License-Identifier: MIT
"""One candidate with one swarm, and what is done to them: each step adds figures to `seen`."""

import contextlib
import os
import statistics
import time

from swarm import Swarm

SETTLE = 0.25  # seconds of talk before it is measured
STIR = 0.7  # and of talk that only has to have happened
FIRST = 32  # clients that come and go before anything is measured
IDLE = 2.5  # seconds for what is freed, trimmed and acknowledged later
CALM = 32  # clients that come at a time, where their cost is asked
CROWD = 500  # and where the time is


def cpu(pid):
    """Seconds of CPU of all its threads so far."""
    total = 0
    for thread in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{thread}/schedstat") as stat:
            total += int(stat.read().split()[0])
    return total / 1e9


def memory(pid):
    """RssAnon and RssShmem, KB."""
    with open(f"/proc/{pid}/status") as status:
        found = dict(line.split(":", 1) for line in status)
    return [int(found[name].split()[0]) for name in ("RssAnon", "RssShmem")]


def pin(pid, cores):
    for thread in os.listdir(f"/proc/{pid}/task"):
        os.sched_setaffinity(int(thread), cores)


class Run:
    def __init__(self, given, kind, sessions, fan=False):
        self.given = given
        self.kind = kind
        self.sessions = sessions
        self.seen = {}
        self.windows = {}  # row: its figure in each turn
        self.empty = [0, 0]
        self.candidate = kind(sessions, given.starttls)
        try:
            way = "starttls" if given.starttls else kind.way
            self.swarm = Swarm(way, self.candidate.port, sessions, kind.sm, fan, given.ask_every)
        except BaseException:
            self.candidate.close()
            raise
        if os.cpu_count() > 1 and kind.workers == 1 and not given.free:
            pin(self.candidate.pid, {1})
            for pid in (*self.candidate.others(), self.swarm.process.pid):
                pin(pid, {0})

    def close(self):
        try:
            self.swarm.close()
        finally:
            self.candidate.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    # --- steps ---

    def warm(self):
        """What a process makes once, for its first clients, is no session's."""
        with contextlib.closing(Swarm(self.swarm.way, self.candidate.port, FIRST)) as first:
            first.come(FIRST)
            first.say(f"talk {FIRST} 1")
            time.sleep(STIR)
            first.hush()
        self.rest()
        self.empty = memory(self.candidate.pid)
        self.seen["at rest"] = sum(self.empty) / 1024

    def knock(self):
        """Connections that end with their handshake."""
        before = cpu(self.candidate.pid)
        self.swarm.knock(CALM)
        self.rest(0.5)  # the last may still be in hand
        self.seen["handshake"] = (cpu(self.candidate.pid) - before) * 1e3 / self.sessions

    def come(self, row=None, at_once=CALM):
        before = cpu(self.candidate.pid)
        seen = self.swarm.come(at_once)
        if row:
            self.seen[row] = (cpu(self.candidate.pid) - before) * 1e3 / self.sessions
        return seen

    def rss(self, when, after=IDLE):
        self.rest(after)
        for name, now, then in zip(("anon", "shmem"), memory(self.candidate.pid), self.empty):
            self.seen[f"{when} {name}"] = (now - then) / self.sessions

    def stir(self):
        """All have talked."""
        self.swarm.say(f"talk {self.sessions} 1")
        time.sleep(STIR)
        self.judge(self.swarm.hush())

    def cut(self):
        self.swarm.ask("cut")

    def storm(self):
        """All are cut at once, say one message while they are away, and come back; or they log in anew."""
        self.stir()
        self.cut()
        if self.kind.sm:
            self.swarm.say(f"say {self.sessions} 1")
        self.seen["all back"] = self.swarm.come(CROWD)["seconds"]
        self.judge(self.swarm.hush())

    def forgotten(self):
        """All are cut, and log in anew under the names of the sessions that they had."""
        self.stir()
        time.sleep(IDLE)  # what is not acknowledged is handed to the next session
        self.cut()
        self.swarm.say("forget")
        self.seen["all anew"] = self.swarm.come(CROWD)["seconds"]
        self.stir()

    def struck(self):
        """All are cut while they talk: what was on its way is neither lost nor doubled."""
        self.swarm.say(f"talk {self.sessions} 1")
        time.sleep(STIR)
        self.cut()
        self.swarm.come(CROWD)
        seen = self.swarm.hush()
        self.judge(seen)
        if seen["again"] == 0 or seen["refused"]:
            self.swarm.complaints.append(f"again {seen['again']:.0f}, refused {seen['refused']:.0f}")

    # --- windows: short measurements, between which others have theirs ---

    def talk(self, row, command):
        """CPU of a stanza that crosses once; each message crosses twice."""
        self.swarm.say(command)
        time.sleep(SETTLE)
        before, began = self.swarm.ask("count"), cpu(self.candidate.pid)
        time.sleep(self.given.seconds)
        after, ended = self.swarm.ask("count"), cpu(self.candidate.pid)
        heard = after["heard"] - before["heard"]
        if heard:
            self.window(f"cpu {row}", (ended - began) * 1e6 / (2 * heard))
            self.window(f"rate {row}", heard / (after["at"] - before["at"]))
        self.judge(self.swarm.hush())

    def lone(self, row, command):
        self.swarm.say(command)
        time.sleep(self.given.seconds)
        self.window(row, self.swarm.ask("waits")["p50"])
        self.judge(self.swarm.hush())

    def window(self, row, figure):
        figures = self.windows.setdefault(row, [])
        figures.append(figure)
        self.seen[row] = statistics.median(figures)

    # --- help ---

    def rest(self, seconds=IDLE):
        time.sleep(seconds if not self.given.quick else min(seconds, 0.3))

    def judge(self, seen):
        missing = seen["said"] - seen["heard"]
        self.seen["lost"] = max(self.seen.get("lost", 0), seen["lost"], missing)
        self.seen["doubled"] = max(self.seen.get("doubled", 0), seen["doubled"])
