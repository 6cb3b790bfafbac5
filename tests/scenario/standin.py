# SPDX-License-Identifier: MIT
"""The legacy server of the scenarios: small, polite, and scriptable.

It does what a server without stream management does: STARTTLS if told to, SASL, bind, XEP-0078,
pings, routing between its users, offline storage. Everybody has the same password. A conversation
reads what came over a link, writes to it by hand, holds answers back, and lets links die.

The stand-in also looks on: whatever a legacy server must never be shown is a violation, which fails
the conversation.
"""

import collections
import socket
import threading

from link import PASSWORD, Link, stamped, stanza_error

__all__ = ["PASSWORD", "Standin"]


class Standin:
    """note(who, direction, text) is told of everything on the wire."""

    def __init__(self, domain, note):
        self.domain = domain
        self.note = note
        # What a script may set, by `server has NAME = VALUE`.
        self.mechanisms = "SCRAM-SHA-1 PLAIN DIGEST-MD5"
        self.login_features = ""  # more features before authentication
        self.features = "<session xmlns='urn:ietf:params:xml:ns:xmpp-session'><optional/></session>"
        self.header = ""  # more attributes of the stream header
        self.version = "1.0"
        self.conflict = "replace"  # refuse, rename: what a second bind of a resource does
        self.tls = "no"  # starttls, direct; silent: nothing is read
        self.proxy = "no"  # v1, v2: a PROXY protocol header is required
        self.bind_domain = domain  # of the JID in the bind result
        self.aliases = ""  # `al:alice …`: who logs in as al is alice
        self.chunk = ""  # so many bytes in one write
        self.cut = None  # of links that are opened from now on
        self.certificate = None
        self.contacts = set()  # (user, contact): the contact sees the user's presence
        self.offline = collections.defaultdict(list)
        self.links = []
        self.holding = {}  # what is held back -> the answers that wait
        self.violations = []
        self.changed = threading.Condition(threading.RLock())
        self.closed = False
        self.port = None
        self.listener = None

    def start(self, port=0):
        self.listener = socket.create_server(("127.0.0.1", port), backlog=64)
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, args=(self.listener,), daemon=True).start()

    def accept(self, listener):
        while True:
            try:
                sock, _ = listener.accept()
            except OSError:
                return
            with self.changed:
                link = Link(self, sock, len(self.links) + 1)
                self.links.append(link)
                self.changed.notify_all()
            link.start()

    def refuse(self):
        """Listens no more; what is connected stays."""
        listener, self.listener = self.listener, None
        if listener:
            listener.shutdown(socket.SHUT_RDWR)
            listener.close()

    def stop(self):
        self.closed = True
        self.refuse()
        for link in list(self.links):
            link.do(link.finish)

    def violation(self, text):
        with self.changed:
            self.violations.append(text)
            self.changed.notify_all()

    # --- holding back ---

    def hold(self, kind):
        with self.changed:
            self.holding.setdefault(kind, [])

    def release(self, kind):
        with self.changed:
            waiting = self.holding.pop(kind, [])
        for link, answer in waiting:
            link.do(answer)

    def answer(self, kind, link, answer):
        """Answers now, or when the script releases this kind."""
        with self.changed:
            if kind in self.holding:
                self.holding[kind].append((link, answer))
                self.changed.notify_all()
                return
        answer()

    # --- users ---

    def bound(self, user, resource=None):
        """The links of a user with a resource, oldest first."""
        return [
            link
            for link in list(self.links)
            if link.alive
            and link.user == user
            and link.resource is not None
            and resource in (None, link.resource)
        ]

    def route(self, sender, element):
        """Takes a stanza to whom it is for, its bytes unchanged but for the from.

        A message to nobody is for the script alone.
        """
        node = element.node
        if node.local == "message" and node.get("to") is None:
            return
        raw = stamped(element.raw, sender.jid)
        to = node.get("to", sender.bare)
        bare, _, resource = to.partition("/")
        user, _, domain = bare.rpartition("@")
        if domain not in (self.domain, self.bind_domain) or not user:
            return
        targets = self.bound(user, resource or None)
        if not resource:
            targets = [link for link in targets if link.available]
        if node.local == "iq" and not resource:
            targets = []
        for link in targets if node.local != "iq" else targets[:1]:
            link.send(raw)
        if targets or node.get("type") in ("error", "result"):
            return
        if node.local == "message" and node.get("type") != "groupchat":
            with self.changed:
                self.offline[user].append(raw)
                self.changed.notify_all()
        elif node.local == "iq":
            sender.send(stanza_error(node, "cancel", "service-unavailable"))

    def broadcast(self, link, raw):
        for user, contact in list(self.contacts):
            if user == link.user:
                for other in self.bound(contact):
                    if other.available:
                        other.send(raw)
