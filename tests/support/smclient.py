# SPDX-License-Identifier: MIT
"""The raw client with XEP-0198: it counts, acknowledges, resumes, and sends again what it must.

Where the library clients of the matrix have habits, this one keeps to the letter of the XEP, so
that whatever is lost, doubled or out of order is not its own doing. Its session outlives its
connections: come_back() makes the next one.
"""

import collections

from rawclient import RawClient, StreamEnded, local_name, show

SM = "urn:xmpp:sm:3"
COUNTED = ("message", "presence", "iq")


class NotResumed(Exception):
    pass


class SmClient(RawClient):
    def __init__(self, *where, **how):
        super().__init__(*where, **how)
        self.sm_id = None
        self.handled = 0  # what came, counted from <enabled/>
        self.acked = 0  # what the server said it has handled
        self.unacked = collections.deque()  # what was said and not yet acknowledged
        self.attached = False
        self.account = None

    async def log_in(self, user, password, resource, mechanism="PLAIN"):
        self.account = (user, password, mechanism)
        await super().log_in(user, password, resource, mechanism)
        self.attached = True
        self.send(f"<enable xmlns='{SM}' resume='true'/>")
        await self.until(lambda: self.sm_id)

    def came(self, element):
        if element.tag.startswith(f"{{{SM}}}"):
            self.sm_element(local_name(element), element)
            return
        if self.sm_id and local_name(element) in COUNTED:
            self.handled += 1
        super().came(element)

    def sm_element(self, name, element):
        if name == "enabled":
            self.sm_id = element.get("id")
        elif name == "r":
            self.send(f"<a xmlns='{SM}' h='{self.handled}'/>")
        elif name == "a":
            self.take_ack(int(element.get("h")))
        else:
            raise StreamEnded(f"unexpected {show(element)}")

    def take_ack(self, h):
        count = h - self.acked
        if not 0 <= count <= len(self.unacked):
            held = len(self.unacked)
            raise NotResumed(f"h={h}, but {self.acked} acknowledged, {held} unacknowledged")
        for _ in range(count):
            self.unacked.popleft()
        self.acked = h

    def say(self, stanza):
        """Says it now, if there is a connection, and again after a resumption, if it must be."""
        self.unacked.append(stanza)
        if self.attached and not self.ended:
            self.send(stanza)

    def message(self, to, body):
        self.say(f"<message type='chat' to='{to}'><body>{body}</body></message>")

    def request_ack(self):
        if self.attached and not self.ended:
            self.send(f"<r xmlns='{SM}'/>")

    async def come_back(self):
        """A new connection for the session. OSError or StreamEnded: that one failed, too."""
        self.drop()
        await self.connect()
        await self.authenticate(*self.account)
        self.send(f"<resume xmlns='{SM}' previd='{self.sm_id}' h='{self.handled}'/>")
        answer = await self.element()
        if answer == "end" or local_name(answer) == "error":
            raise StreamEnded(show(answer))
        if local_name(answer) != "resumed":
            raise NotResumed(show(answer))
        self.take_ack(int(answer.get("h")))
        self.ended = False
        self.attached = True
        for stanza in self.unacked:
            self.send(stanza)
        self.start_reading()

    def drop(self):
        """Lets go of the connection without a word."""
        self.attached = False
        self.abort()
