# SPDX-License-Identifier: MIT
"""A keeper that a test holds in its hands, by the protocol of sd_notify(3), and the daemon as its child.

A test may look at what is kept, lose some of it, or have no room; and it may have the daemon followed
from its first instruction on by the program stepper, which kills it at a counted moment.
"""

import asyncio
import fcntl
import os
import re
import signal
import socket
import subprocess
import threading

import process
from holdfast import Holdfast, binary
from quickserver import QuickServer
from smclient import SmClient

ARENA, LOT, PROOF = "holdfast-arena-", "holdfast-lot-", "holdfast-proof-"
BEYOND = 4000  # no descriptor of ours is as high


class Keeper:
    """Holds (name, descriptor) pairs; what is beyond `most` it closes without a word."""

    def __init__(self, path):
        self.path = path
        self.items = []
        self.most = 1500  # as the one that Holdfast brings
        self.lots = 0  # that ever came
        self.dropped = 0  # lots that were given up
        self.room = None  # the bytes that a lot takes; None: as many as the kernel lets it
        self.marks = 0
        self.change = threading.Condition()
        self.ready = threading.Event()
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(path)
        self.thread = threading.Thread(target=self.listen)
        self.thread.start()

    def listen(self):
        while True:
            data, fds, _, _ = socket.recv_fds(self.socket, 4096, 64)
            if not data:
                return
            words = dict(line.split("=", 1) for line in data.decode().split("\n"))
            with self.change:
                self.obey(words, words.get("FDNAME", ""), fds)
                self.marks += "MARK" in words
                self.change.notify_all()
            if "READY" in words:
                self.ready.set()

    def obey(self, words, name, fds):
        if "FDSTOREREMOVE" in words:
            self.lose(lambda item: item[0] == name)
            self.dropped += name.startswith(LOT)
        if "FDSTORE" in words and name.startswith(LOT):
            self.lots += 1
            self.make_small(fds)
        for fd in fds:
            if "FDSTORE" in words and len(self.items) < self.most:
                self.items.append((name, fd))
            else:
                os.close(fd)

    def make_small(self, fds):
        for fd in fds if self.room else ():
            with socket.socket(fileno=os.dup(fd)) as end:
                end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, self.room)

    def until(self, condition):
        """Waits until it holds; it is looked at anew after each message."""
        with self.change:
            if not self.change.wait_for(condition, process.PATIENCE):
                raise TimeoutError("the keeper waits in vain")

    def settle(self):
        """It has dealt with all that was said to it so far."""
        seen = self.marks
        self.say(b"MARK=1")
        self.until(lambda: self.marks > seen)

    def say(self, word):
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as mouth:
            mouth.sendto(word, self.path)

    def lose(self, which):
        for _, fd in filter(which, self.items):
            os.close(fd)
        self.items = [item for item in self.items if not which(item)]

    def close(self):
        self.say(b"")
        self.thread.join()
        self.socket.close()
        self.lose(lambda _: True)


class Daemon(Holdfast):
    """Holdfast with a Keeper; a child of this process, so that it finds its descriptors in place."""

    pid = None  # no daemon runs
    count = 0  # how far the last stepper had counted

    def begin(self, keeper, *follow):
        """True when it is ready; False: it has ended. follow: what stepper is told to do."""
        self.write_configuration()
        keeper.settle()
        keeper.ready.clear()
        gate = os.pipe()
        self.pid = os.fork()
        if not self.pid:
            self.become(keeper.path, keeper.items, gate[0])
        stepper = Stepper(self.pid, *follow) if follow else None
        os.write(gate[1], b"go")
        for end in gate:
            os.close(end)
        try:
            while not keeper.ready.wait(0.02):
                if self.is_dead():
                    return False
            return True
        finally:
            if stepper:
                self.count = stepper.stop()[1]

    def become(self, notify, items, gate):
        try:
            os.read(gate, 1)
            log = os.open(self.log_file, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
            os.dup2(log, 1)
            os.dup2(log, 2)
            high = [fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, BEYOND) for _, fd in items]
            for place, fd in enumerate(high, 3):
                os.dup2(fd, place)
            os.closerange(3 + len(items), BEYOND)
            environment = {**os.environ, "NOTIFY_SOCKET": notify}
            if items:
                environment["LISTEN_FDNAMES"] = ":".join(name for name, _ in items)
                environment["LISTEN_FDS"] = str(len(items))
                environment["LISTEN_PID"] = str(os.getpid())
            os.execve(binary(), [binary(), "-c", self.ini], environment)
        finally:
            os._exit(99)

    def address_of(self, function):
        """Where it is in the process that runs."""
        names = subprocess.run(("nm", binary()), check=True, capture_output=True, text=True).stdout
        at = re.search(rf"^(\w+) T {function}$", names, re.MULTILINE)[1]
        with open(f"/proc/{self.pid}/maps") as maps:
            base = re.search(rf"^(\w+)-.* {os.path.realpath(binary())}$", maps.read(), re.MULTILINE)
        return int(at, 16) + int(base[1], 16)

    def end(self, number):
        pid, self.pid = self.pid, None
        os.kill(pid, number)
        return os.waitpid(pid, 0)[1]

    def is_dead(self):
        """It was killed, and is no more."""
        if self.pid and os.waitpid(self.pid, os.WNOHANG)[0]:
            self.pid = None
        return not self.pid

    def kill_now(self):
        """Whatever it does; if it is there."""
        if not self.is_dead():
            self.end(signal.SIGKILL)

    def close(self):
        self.kill_now()
        super().close()


class Life:
    """A server, a keeper, and one daemon after another."""

    def __init__(self):
        self.port = process.free_port()
        self.server = QuickServer()
        self.daemon = Daemon(self.port, settings={"limits": {"memory": "64M"}})
        self.keeper = Keeper(self.daemon.path("notify"))

    async def begin(self):
        return await asyncio.to_thread(self.daemon.begin, self.keeper)

    async def end(self, number):
        return await asyncio.to_thread(self.daemon.end, number)

    async def log_in(self, user):
        where = (self.daemon.host, self.daemon.tls_port, "example.org")
        client = SmClient(*where, tls="tls", ca=self.daemon.ca)
        await client.log_in(user, "secret", "r")
        return client

    def log(self):
        with open(self.daemon.log_file, errors="replace") as log:
            return log.read()

    def close(self):
        self.server.stop()
        self.keeper.close()
        self.daemon.close()


class Stepper:
    """Holds a process, and counts for it; see stepper.c."""

    def __init__(self, pid, *what):
        program = os.path.join(os.path.dirname(os.path.abspath(binary())), "stepper")
        self.process = subprocess.Popen(
            (program, str(pid), *map(str, what)), stdout=subprocess.PIPE, text=True
        )
        if self.process.stdout.readline() != "ready\n":
            raise RuntimeError("stepper does not hold the daemon")

    def wait(self):
        """(Whether it killed, how far it had counted)."""
        word, count = self.process.stdout.readline().split() or ("gone", 0)
        self.process.wait()
        self.process.stdout.close()
        return word == "killed", int(count)

    def stop(self):
        self.process.terminate()
        return self.wait()
