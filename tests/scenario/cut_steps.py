# SPDX-License-Identifier: MIT
"""The same login again and again, cut off each time one byte later, from either side; and what is left.

A login is a list of (what the client says, what it waits for). It is cut in the midst of what is
said, after all that came before was answered; so each state of the daemon is met at each byte.
"""

import os
import ssl
import time

from client import Client, Silence
from daemon import objects
from failure import Failure
from namespaces import BIND, CLIENT, SASL, SM, STREAMS
from stream import Close, Element, Gone, Open

HEADER = f"<stream:stream to='example.org' version='1.0' xmlns='{CLIENT}' xmlns:stream='{STREAMS}'>"
BEGINNING = (
    (f"<?xml version='1.0'?>{HEADER}", "features"),
    (f"<auth xmlns='{SASL}' mechanism='PLAIN'>{{b64 \\0alice\\0sesame}}</auth>", "success"),
    (HEADER, "features"),
)
UNSEEN = 6  # connections that were reset, and may not have been seen to be; the limit is 8
LOGINS = {
    "a login": (
        *BEGINNING,
        (f"<iq type='set' id='b'><bind xmlns='{BIND}'/></iq>", "iq"),
        (f"<enable xmlns='{SM[1]}' resume='true'/>", "enabled"),
        ("<presence/><message id='1'><body>&lt;é</body></message><a xmlns='urn:x'/>", None),
        (f"<r xmlns='{SM[1]}'/>", "a"),
        ("</stream:stream>", "end"),
    ),
    "a login without stream management": (
        *BEGINNING,
        (f"<iq type='set' id='b'><bind xmlns='{BIND}'/></iq>", "iq"),
        ("<presence/><iq type='get' id='1' to='example.org'><query xmlns='urn:test:echo'/>", None),
        ("</iq>", "iq"),
        ("</stream:stream>", "end"),
    ),
    "a resumption": (
        *BEGINNING,
        (f"<resume xmlns='{SM[1]}' h='0' previd='{{alice.id}}'/>", "resumed"),
        (f"<r xmlns='{SM[1]}'/>", "a"),
        ("<message", None),
    ),
}


class CutSteps:
    """Part of Run, which has what these use."""

    def login(self, what):
        return [
            (self.caught.fill(self.spelt_out(text)), answer) for text, answer in LOGINS[what]
        ]

    def cut_everywhere(self, name, what, every, how):
        """By the client, in what it says: after 0 bytes, `every` bytes, and so on to the end."""
        login = self.login(what)
        total = sum(len(text) for text, _ in login)
        note, self.note = self.note, quiet
        try:
            for turn, length in enumerate(range(0, total + 1, int(every)), 1):
                self.say_so_much(name, login, length, how)
                self.let_see(turn, how)
        except (Failure, Silence) as why:
            raise Failure(f"cut after {length} of {total} bytes: {why}") from None
        finally:
            self.note = note
        self.note(name, "-", f"(was cut in {what} of {total} bytes)")

    def say_so_much(self, name, login, length, how):
        client = self.dialed(name)
        for text, answer in login:
            if length < len(text):
                client.send(text[:length])
                break
            client.send(text)
            self.hear(client, answer)
            length -= len(text)
        leave(client, how)

    def dialed(self, name):
        client = Client(name, quiet)
        client.connect(self.daemon.addresses["tls"])
        client.start_tls(self.daemon.ca, self.domain)
        return client

    def hear(self, client, answer):
        """Reads up to the answer; an end that was not asked for is a failure."""
        deadline = time.monotonic() + self.patience
        while answer:
            item = self.next(client, deadline)
            if isinstance(item, Gone):
                if answer != "end":
                    raise Failure(f"no <{answer}/> but {item}")
                return
            if isinstance(item, Element) and item.node.local == answer:
                return

    def cut_hellos(self, name, every, how):
        """In its first flight of TLS, before the daemon can have answered."""
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        context = ssl.create_default_context(cafile=self.daemon.ca)
        tls = context.wrap_bio(incoming, outgoing, server_hostname=self.domain)
        try:
            tls.do_handshake()
        except ssl.SSLWantReadError:
            hello = outgoing.read()
        for turn, length in enumerate(range(0, len(hello) + 1, int(every)), 1):
            client = Client(name, quiet)
            client.connect(self.daemon.addresses["tls"], before=hello[:length])
            leave(client, how)
            self.let_see(turn, how)

    def let_see(self, turn, how):
        """A reset is the daemon's to find; were there more of them than one address may have, the
        next connection would be refused, and rightly."""
        if how == "rst" and turn % UNSEEN == 0:
            self.wait_for_none(("connections",))

    def server_cuts_everywhere(self, every, how, what, name):
        """By the server, in what it says on one link; the client is told, and goes."""
        note, self.server.note = self.server.note, quiet
        login = self.login(what)
        length = 0
        try:
            while not self.served(name, login, length, how):
                length += int(every)
        finally:
            self.server.note, self.server.cut = note, None
        self.note("server", "-", f"(cut {what} at each of {length} bytes)")

    def served(self, name, login, length, how):
        """True if the server could say all, for then it was not cut."""
        self.server.cut = [length, how]
        client = self.dialed(name)
        for text, answer in login:
            try:
                client.send(text)
            except OSError:
                break
            if not self.heard(client, answer):
                break
        leave(client, "fin")
        return self.server.cut[0] > 0

    def heard(self, client, answer):
        """False if the stream is over: with an error, a closing tag or without a word."""
        deadline = time.monotonic() + self.patience
        while answer:
            item = self.next(client, deadline)
            if isinstance(item, (Gone, Close)):
                return False
            if isinstance(item, Element) and item.node.local in (answer, "failed"):
                return item.node.local == answer
            if isinstance(item, (Open, Element)):
                continue
        return True

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.daemon.process.pid}/fd"))

    def remember_descriptors(self):
        self.wait_for_none(("connections",))  # whoever answers this has begun as a whole
        self.had = self.descriptors()

    def nothing_is_left(self):
        """No connection, no link, no session, and no descriptor more than there were."""
        self.wait_for_none(("connections", "links", "sessions"), self.had)

    def wait_for_none(self, things, descriptors=None):
        deadline = time.monotonic() + self.patience
        while True:
            _, out, _ = self.daemon.control("--json", "status")
            status = next((found for found in objects(out) if "links" in found), {})
            left = {key: status.get(key) for key in things if status.get(key) != 0}
            if not left and (descriptors is None or self.descriptors() <= descriptors):
                return
            if time.monotonic() > deadline:
                raise Failure(f"left are {left}, {self.descriptors()} descriptors, not {descriptors}")
            time.sleep(0.05)


def leave(client, how):
    """rst; or fin, and then all that is still said is heard; the other side may have gone before."""
    try:
        client.cut(how)
        while how == "fin" and client.sock.recv(65536):
            pass
    except OSError:
        pass
    client.close()


def quiet(*_):
    """Nobody wants to read a thousand logins."""


WHO = r"([a-z]+\d*)"
WHAT = "(" + "|".join(sorted(LOGINS, key=len, reverse=True)) + ")"

STEPS = (
    (WHO + r" is cut in " + WHAT + r" at every (\d+)\w+ byte by (rst|fin)", CutSteps.cut_everywhere),
    (WHO + r" is cut in its first TLS at every (\d+)\w+ byte by (rst|fin)", CutSteps.cut_hellos),
    (
        r"server cuts every (\d+)\w+ byte by (rst|fin) in " + WHAT + " of " + WHO,
        CutSteps.server_cuts_everywhere,
    ),
    (r"daemon's descriptors are counted", CutSteps.remember_descriptors),
    (r"nothing is left", CutSteps.nothing_is_left),
)
