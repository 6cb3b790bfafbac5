# SPDX-License-Identifier: MIT
"""What the stand-in server of a conversation says, sees and does: the lines of `server`."""

import re
import time

from expect import Expectation
from failure import Failure
from namespaces import CLIENT, STREAMS
from stream import Stream


class ServerSteps:
    """Part of Run, which has what these use."""

    def server_has(self, name, value):
        if not hasattr(self.server, name):
            raise SyntaxError(f"the stand-in has no {name}")
        self.server.certificate = self.daemon.certificates[self.domain]
        setattr(self.server, name, self.caught.text(value))

    def server_lets_see(self, contact, user):
        self.server.contacts.add((user, contact))

    def server_holds(self, kind):
        self.server.hold(kind)

    def server_releases(self, kind):
        self.server.release(kind)

    def server_is_asked(self, kind):
        """One more answer of this kind is being held back than when this was asked last."""
        before = self.held.get(kind, 0)
        self.wait_server(lambda: len(self.server.holding[kind]) > before, f"a request for {kind}")
        self.held[kind] = before + 1

    def link(self, reference):
        """The newest link so called; those that live come first."""
        links = list(self.server.links)
        reference = self.caught.text(reference)
        if reference == "the fresh link":
            found = [self.fresh] if self.fresh else []
        elif match := re.fullmatch(r"link (\d+)", reference):
            found = [link for link in links if link.number == int(match[1])]
        elif reference.endswith("'s login"):
            user = reference.removesuffix("'s login")
            found = [link for link in links if link.user == user and link.resource is None]
        else:
            user, _, resource = reference.partition("/")
            found = [
                link
                for link in links
                if link.user == user and link.resource and resource in ("", link.resource)
            ]
        living = [link for link in found if link.alive]
        return (living or found or [None])[-1]

    def get_link(self):
        """Of a login that has just begun: one that no such step has named before."""

        def fresh():
            links = [link for link in self.server.links if link.alive and link.user is None]
            return links[-1] if links and links[-1].number not in self.named else None

        self.fresh = self.wait_server(fresh, "a fresh link")
        self.named.add(self.fresh.number)

    def wait_server(self, is_so, what):
        deadline = time.monotonic() + self.patience
        with self.server.changed:
            while (found := is_so()) is None or found is False:
                if self.server.violations:
                    raise Failure("; ".join(self.server.violations))
                if not self.server.changed.wait(deadline - time.monotonic()):
                    raise Failure(f"waited in vain for {what}")
        return found

    def wait_link(self, reference):
        return self.wait_server(lambda: self.link(reference), f"a link of {reference}")

    def server_sees(self, reference, text, skipping=False):
        expectation = Expectation(text)
        link = self.wait_link(reference)

        def take():
            self.wait_server(lambda: bool(link.inbox), f"{reference} to bring {text}")
            return link.inbox.popleft()

        for _ in range(expectation.count):
            self.until(take, expectation, skipping)

    def server_sees_from(self, finally_, reference, text):
        self.server_sees(reference, text, bool(finally_))

    def server_says(self, reference, text):
        self.wait_link(reference).send(self.caught.fill(text))

    def server_cuts(self, reference, how):
        link = self.wait_link(reference)
        deeds = {"rst": link.reset, "fin": link.hang_up, "close": link.close_stream}
        link.do(deeds[how])

    def server_stops_reading(self, reference):
        self.read_link(self.wait_link(reference), False)

    def server_reads(self, reference):
        self.read_link(self.wait_link(reference), True)

    def read_link(self, link, reading):
        def deed():
            link.reading = reading

        link.do(deed)

    def server_keeps(self, user, text):
        expectation = Expectation(text)
        self.wait_server(lambda: bool(self.server.offline[user]), f"a message kept for {user}")
        stream = Stream()
        stream.feed(f"<stream:stream xmlns='{CLIENT}' xmlns:stream='{STREAMS}'>".encode())
        stream.take()
        with self.server.changed:
            stream.feed(self.server.offline[user].pop(0))
        self.until(stream.take, expectation, False)

    def server_keeps_nothing(self, user):
        if self.server.offline[user]:
            raise Failure(f"the server keeps {self.server.offline[user]}")

    def server_counts(self, count):
        self.wait_server(lambda: len(self.server.links) >= int(count), f"{count} links")
        if len(self.server.links) != int(count):
            raise Failure(f"{len(self.server.links)} links were made")

    def server_was_told(self, reference, text):
        """The PROXY header of the link."""
        link = self.wait_link(reference)
        if not link.proxied or not self.caught.match(text, link.proxied.strip()):
            raise Failure(f"the PROXY header is {link.proxied!r}")

    def server_reached(self, reference, address):
        link = self.wait_link(reference)
        if link.peer != address:
            raise Failure(f"{link.name} came from {link.peer}")

    def server_refuses(self):
        self.server.refuse()

    def server_listens(self):
        self.server.start(self.server.port)


LINK = r"(the fresh link|link \d+|[a-z]+'s login|[a-z]+(?:/\S+)?)"

STEPS = (
    (r"server has (\w+) = ?(.*)", ServerSteps.server_has),
    (r"server lets (\w+) see (\w+)", ServerSteps.server_lets_see),
    (r"server holds (.+)", ServerSteps.server_holds),
    (r"server releases (.+)", ServerSteps.server_releases),
    (r"server is asked for (.+)", ServerSteps.server_is_asked),
    (r"server to " + LINK + r": (.*)", ServerSteps.server_says),
    (r"server (finally )?sees from " + LINK + r" (.*)", ServerSteps.server_sees_from),
    (r"server cuts " + LINK + r" (rst|fin|close)", ServerSteps.server_cuts),
    (r"server stops reading " + LINK, ServerSteps.server_stops_reading),
    (r"server reads " + LINK, ServerSteps.server_reads),
    (r"server keeps nothing for (\w+)", ServerSteps.server_keeps_nothing),
    (r"server keeps for (\w+) (.*)", ServerSteps.server_keeps),
    (r"server counts (\d+) links?", ServerSteps.server_counts),
    (r"server gets a fresh link", ServerSteps.get_link),
    (r"server was told by " + LINK + r" (.*)", ServerSteps.server_was_told),
    (r"server was reached by " + LINK + r" from (\S+)", ServerSteps.server_reached),
    (r"server refuses connections", ServerSteps.server_refuses),
    (r"server listens again", ServerSteps.server_listens),
)
