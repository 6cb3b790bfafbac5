# SPDX-License-Identifier: MIT
"""Peers that are slow, that never stop, and that are many; and what the daemon is put through.

Nothing here measures time. A flood ends when Holdfast says of itself that it reads no more and the
socket takes no more; what is judged is what it holds by then. A byte now and then (drips) is a pace,
not a wait: whoever drips must be ended before all is said.
"""

import resource
import select
import signal
import socket
import ssl
import threading
import time

from client import Client, address
from daemon import fields, objects
from failure import Failure
from keys import KeyAsker

FLOOD_MAX = 64 << 20  # bytes: far beyond what is held on the way, kernel buffers included
FLOOD_PIECE = 32768
TLS_HANDSHAKE = b"\x16"
PACE_S = 0.05  # between two bytes that drip


class PressureSteps:
    """Part of Run, which has what these use."""

    # --- floods ---

    def row(self, key, value):
        """What holdfastctl says of one connection."""
        _, out, _ = self.daemon.control("--json", "connections")
        return next((row for row in objects(out) if row.get(key) == value), {})

    def flood(self, name, text):
        client = self.client(name)
        self.flood_with(name, client, client.on_the_wire(repeated(self.caught.fill(text))), text)

    def flood_with(self, name, client, piece, text):
        total = self.pour(client.sock, client.address(), lambda: client.sealed(piece))
        self.note(name, ">", f"({total} bytes: {text[:200]} …)")

    def pour(self, sock, peer, more):
        total, waiting = 0, b""
        sock.setblocking(False)
        while True:
            waiting = waiting or more()
            try:
                sent = sock.send(waiting)
            except BlockingIOError:
                if self.row("peer", peer).get("read") is False and not writable(sock):
                    break
                writable(sock)
                continue
            waiting = waiting[sent:]
            total += sent
            if total > FLOOD_MAX:
                raise Failure(f"{total} bytes were taken, and no end")
        sock.settimeout(10)
        return total

    def ask_for_keys(self, name):
        asker = KeyAsker(self.daemon.addresses["tls"])
        self.guests.append(asker)
        self.caught[f"{name}.peer"] = address(asker.sock)
        total = 0
        try:
            while total < FLOOD_MAX:
                asker.sock.sendall(piece := asker.requests(500))
                total += len(piece)
        except OSError:
            return
        raise Failure(f"{total} bytes were taken, and no end")

    def flood_down(self, reference, text):
        link = self.wait_link(reference)
        piece = repeated(self.caught.fill(text)).decode()
        total = 0
        while True:
            if len(link.out) < FLOOD_PIECE:
                link.send(piece)
                self.settle(link)
                total += len(piece)
            elif self.row("jid", link.jid).get("link_read") is False and not writable(link.sock):
                return
            else:
                writable(link.sock)
            if total > FLOOD_MAX:
                raise Failure(f"{total} bytes were taken, and no end")

    def settle(self, link):
        """The link's thread has done what it was told so far."""
        done = threading.Event()
        link.do(done.set)
        if not done.wait(self.patience):
            raise Failure(f"{link.name} stands still")

    # --- drips ---

    def drip(self, name, as_they_are, times, text):
        """As they are: not in frames, where the client has a WebSocket."""
        client = self.client(name)
        try:
            for byte in self.caught.fill(text) * int(times or 1):
                if self.heard_the_end(client):
                    return
                said = bytes([byte])
                client.put(said if as_they_are else client.on_the_wire(said))
        except OSError:
            return
        raise Failure("all was said, and nobody minded")

    def heard_the_end(self, client):
        while select.select([client.sock], [], [], PACE_S)[0]:
            try:
                client.hear()
            except OSError as error:
                client.gone = client.gone or str(error)
                return True
        words = (b"</stream:stream>", b"<close ")
        return client.gone is not None or any(word in client.stream.buffer for word in words)

    def drip_down(self, reference, text):
        link = self.wait_link(reference)
        data = self.caught.fill(text)

        def drip():
            for byte in data:
                link.send(bytes([byte]))
                if not link.alive or self.stopped.wait(PACE_S):
                    return

        threading.Thread(target=drip, daemon=True).start()

    # --- crowds ---

    def guests_come(self, count, listener):
        """They connect, and say nothing."""
        for _ in range(int(count)):
            guest = Client(f"guest{len(self.guests) + 1}", self.note)
            guest.connect(self.daemon.addresses[listener or "starttls"])
            self.guests.append(guest)
            self.clients[guest.name] = guest

    def guests_begin_tls(self, count):
        """They connect, and all say hello while the daemon stands still; then each is answered."""
        self.wait_for(lambda: self.total("connections") is not None, "an answer")
        before = self.total("connections")
        come = [self.guest_at_tls() for _ in range(int(count))]
        self.wait_for(lambda: self.total("connections") == before + len(come), "all to be in")
        self.rests()
        try:
            self.stands_still(None)
            for guest in come:
                guest.sendall(hello())
        finally:
            self.goes_on()
        for guest in come:
            if guest.recv(1) != TLS_HANDSHAKE:
                raise Failure("a guest was not answered")
            guest.close()

    def guest_at_tls(self):
        return socket.create_connection(self.daemon.addresses["tls"], timeout=self.patience)

    def total(self, name):
        _, out, _ = self.daemon.control("--json", "status")
        return next((row.get(name) for row in objects(out)), None)

    def guests_leave(self):
        for guest in self.guests:
            guest.close()
        self.guests.clear()

    # --- the daemon ---

    def may_open(self, count):
        limits = (int(count), resource.prlimit(self.daemon.process.pid, resource.RLIMIT_NOFILE)[1])
        resource.prlimit(self.daemon.process.pid, resource.RLIMIT_NOFILE, limits)

    def rests(self):
        """All its threads are seen asleep in one look, which none is that turns and turns."""
        self.wait_for(lambda: set(self.daemon.thread_states()) == {"S"}, "its threads to rest")

    def stands_still(self, seconds):
        """Its clocks pass so much meanwhile, and what comes to it waits."""
        self.daemon.standing.acquire()
        self.daemon.process.send_signal(signal.SIGSTOP)
        self.wait_for(lambda: set(self.daemon.thread_states()) == {"T"}, "it to stand still")
        if seconds:
            threading.Timer(float(seconds), self.goes_on).start()

    def goes_on(self):
        self.daemon.process.send_signal(signal.SIGCONT)
        self.daemon.standing.release()

    def memory_lacks(self, text):
        text = self.caught.fill(text)
        if found := self.daemon.in_memory(text):
            raise Failure(f"the daemon's memory has {text!r}: {found}")

    def memory_has(self, text):
        if not self.daemon.in_memory(self.caught.fill(text)):
            raise Failure("the daemon's memory does not have that")

    def knock(self):
        """Asks the control socket, and does not wait for the answer."""
        self.caller = socket.socket(socket.AF_UNIX)
        self.caller.settimeout(self.patience)
        self.caller.connect(self.daemon.path("run/control.sock"))
        self.caller.sendall(b"status\n")

    def is_answered(self):
        if not self.caller.recv(1):
            raise Failure("no answer came")
        self.caller.close()

    def began_with(self, wanted):
        self.wait_for(
            lambda: any(
                self.has(fields(line), wanted) for line in self.daemon.log_from(0).splitlines()
            ),
            f"{wanted} in the log",
        )

    def wait_for(self, is_so, what):
        deadline = time.monotonic() + self.patience
        while not is_so():
            if time.monotonic() > deadline:
                raise Failure(f"waited in vain for {what}")
            time.sleep(PACE_S)

    # --- the log ---

    def log_order(self, first, second):
        """The first line that says the one stands before the first that says the other."""
        self.wait_for(lambda: self.lines_with(first) and self.lines_with(second), "both in the log")
        at = [self.lines_with(wanted)[0] for wanted in (first, second)]
        if at[0] > at[1]:
            raise Failure(f"the log has {second} before {first}")

    def lines_with(self, wanted):
        return [at for at, (_, found) in enumerate(self.log_lines()) if self.has(found, wanted)]


def hello():
    """What a TLS client says first."""
    context = ssl.create_default_context()
    written = ssl.MemoryBIO()
    client = context.wrap_bio(ssl.MemoryBIO(), written, server_hostname="example.org")
    try:
        client.do_handshake()
    except ssl.SSLWantReadError:
        return written.read()
    raise Failure("a handshake with nobody")


def repeated(data):
    return data * (FLOOD_PIECE // len(data) + 1)


def writable(sock):
    return bool(select.select([], [sock], [], 0.1)[1])


WHO = r"(?!server\b|ctl\b|log\b|daemon\b|guests\b)([a-z]+\d*)"
LINK = r"(link \d+|[a-z]+'s login|[a-z]+(?:/\S+)?)"

STEPS = (
    (WHO + r" floods until it is not read: (.*)", PressureSteps.flood),
    (WHO + r" asks for new keys until it is cut off", PressureSteps.ask_for_keys),
    (WHO + r" drips( bytes)?(?: (\d+) times)?: (.*)", PressureSteps.drip),
    (r"server floods " + LINK + r" until it is not read: (.*)", PressureSteps.flood_down),
    (r"server drips to " + LINK + r": (.*)", PressureSteps.drip_down),
    (r"(\d+) guests connect(?: to (\w+))?", PressureSteps.guests_come),
    (r"(\d+) guests begin TLS at once", PressureSteps.guests_begin_tls),
    (r"guests leave", PressureSteps.guests_leave),
    (r"daemon may open (\d+) descriptors", PressureSteps.may_open),
    (r"daemon rests", PressureSteps.rests),
    (r"daemon stands still(?: for (\d+) s)?", PressureSteps.stands_still),
    (r"daemon goes on", PressureSteps.goes_on),
    (r"daemon began with (.*)", PressureSteps.began_with),
    (r"daemon's memory lacks (.*)", PressureSteps.memory_lacks),
    (r"daemon's memory has (.*)", PressureSteps.memory_has),
    (r"ctl knocks", PressureSteps.knock),
    (r"ctl is answered", PressureSteps.is_answered),
    (r"log has (.*) before (.*)", PressureSteps.log_order),
)
