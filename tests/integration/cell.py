# SPDX-License-Identifier: MIT
"""One cell of the matrix: a library's client is cut off in the middle of a talk, in one way.

Alice is the library's client, behind the relay and Holdfast; Bob, her contact, is a raw client on
the server itself. Both number what they say: before the cut, while it happens ("flight"), Bob also
while Alice is away, and after she is back. As the talk goes on after the cut, the arrival of the
last message shows that nothing is still on its way; no verdict depends on time.
"""

import asyncio
import collections
import dataclasses
import os

from player import Player, PlayerDied
from rawclient import RawClient, StreamEnded
from relay import Relay
from servers import PASSWORD, WEBSOCKET_PATH

HANG = float(os.environ.get("HOLDFAST_HANG", 120))  # seconds; a guard, not a criterion


@dataclasses.dataclass
class Habits:
    """What a library does of its own on any server, see matrix.py."""

    loses_in_flight: int = 0  # stanzas in flight that it may lose at a cut
    reorders_in_flight: bool = False  # resends in another order
    notices_silence: bool = True
    binds_after_silence: bool = False  # and does not try to resume
    resumes_again: bool = True  # a session that it resumed before
    repeats_presence: bool = False
    websocket: bool = False  # it comes over ws and wss


class Script:
    """What one side said, by phase, and how far the numbers are."""

    def __init__(self, letter):
        self.letter = letter
        self.said = []
        self.flight = set()

    def next(self, phase="", length=0):
        name = f"{self.letter}{len(self.said)}"
        self.said.append(name)
        if phase == "flight":
            self.flight.add(name)
        return name + " " + "x" * length


class Cell:
    """front: the ports, by transport, of what Alice talks to."""

    def __init__(self, client, server, cut, habits, command, front, ca, holdfast=None):
        self.client, self.server, self.cut = client, server, cut
        self.habits, self.command, self.front, self.ca = habits, command, front, ca
        self.tls = (WEBSOCKET_OF if habits.websocket else TLS_OF).get(cut)
        self.holdfast = holdfast
        self.alice_jid = f"{alice_name(client, cut)}@{server.domain}"
        self.bob_jid = f"{bob_name(client, cut)}@{server.domain}"
        self.by_alice, self.by_bob = Script("a"), Script("b")
        self.old = 0  # how much of what Bob said belongs to a session that Alice gave up
        self.anew = False  # she has logged in anew
        self.bob = self.alice = self.relay = None
        self.step = "start"

    def __str__(self):
        return f"{self.client:12} {self.server.name:8} {self.cut}"

    async def play(self, log):
        """The faults found, as sentences; none if all is well."""
        faults = []
        try:
            async with asyncio.timeout(HANG):
                await self.begin(log)
                await self.ways[self.cut](self)
                await self.talk("after the cut")
        except TimeoutError:
            faults.append(f"hangs: {self.step}")
        except (PlayerDied, StreamEnded, OSError) as error:
            faults.append(f"{self.step}: {error}")
        except NotResumed:
            faults.append("the session was not resumed")
        if self.bob:
            faults += self.verdict()
        if self.alice:
            await self.leave()
            await self.alice.kill()
        if self.relay:
            await self.relay.close()
        return faults

    async def leave(self):
        """Before Alice's program is ended; nothing by itself."""

    async def begin(self, log):
        """Both online, each has seen three messages of the other."""
        self.step = "Bob logs in"
        server = self.server
        self.bob = RawClient(server.host, server.port, server.domain)
        await self.bob.log_in(self.bob_jid.split("@")[0], PASSWORD, "desk")
        self.bob.send("<presence/>")
        self.relay = Relay(self.front[self.tls])
        await self.relay.start()
        self.step = "Alice logs in"
        player = self.player()
        await player.start(log)
        self.alice = player
        player.do(
            "connect",
            host=self.relay.host,
            port=self.relay.port,
            jid=self.alice_jid + "/phone",
            password=PASSWORD,
            tls=self.tls,
            ca=self.ca,
            **self.url(),
        )
        online = (await player.until(lambda: player.of("online")))[0]
        self.alice_full = online["jid"]
        await self.bob.until(lambda: "" in self.bob.presences(self.alice_jid))
        await self.talk("before the cut")

    def player(self):
        return Player(self.command)

    def url(self):
        if not self.habits.websocket:
            return {}
        return {"url": f"{self.tls}://{self.relay.host}:{self.relay.port}{WEBSOCKET_PATH}"}

    # The parts of the talk

    def alice_says(self, count, phase="", length=0):
        for _ in range(count):
            self.alice.do("send", to=self.bob.jid, body=self.by_alice.next(phase, length))

    def bob_says(self, count, phase="", length=0):
        for _ in range(count):
            self.bob.message(self.alice_full, self.by_bob.next(phase, length))

    async def alice_hears_all(self):
        said = self.by_bob.said
        last = {said[-1], said[self.old - 1]}
        await self.alice.until(lambda: last.issubset(names(self.alice.messages(self.bob_jid))))

    async def bob_hears_all(self):
        last = self.by_alice.said[-1]
        await self.bob.until(lambda: last in names(self.bob.messages(self.alice_jid)))

    async def talk(self, when):
        self.alice_says(3)
        self.bob_says(3)
        self.step = f"Alice hears what Bob says {when}"
        await self.alice_hears_all()
        self.step = f"Bob hears what Alice says {when}"
        await self.bob_hears_all()
        await self.server_is_done()

    async def server_is_done(self):
        """The server answers in order: what Bob wrote before, it has dealt with."""
        self.step = "the server answers Bob"
        await self.bob.ask("<ping xmlns='urn:xmpp:ping'/>", to=self.server.domain)

    async def come_back(self, resumes=True):
        """Bob says more to nobody, then the network is there again, and Alice resumes."""
        known = len(self.alice.of("online"))
        self.bob_says(3)
        await self.server_is_done()
        self.step = "Alice comes back"
        self.relay.let_in()
        online = (await self.alice.until(lambda: self.alice.of("online")[known:]))[0]
        if online["resumed"] != resumes:
            raise NotResumed

    # The ways to be cut off

    async def reset(self):
        """What Alice says does not arrive; what Bob says does, but her acknowledgement does not."""
        self.relay.shut()
        self.relay.current().freeze(down=False)
        self.alice_says(3, "flight")
        self.bob_says(3, "flight")
        self.step = "Alice hears Bob just before the reset"
        await self.alice.settle()
        await self.alice_hears_all()
        self.relay.current().reset()
        await self.come_back()

    async def close(self):
        """A FIN without </stream:stream>. What Alice said has arrived, what Bob said has not."""
        self.relay.shut()
        lost = self.relay.current()
        lost.freeze()
        self.alice_says(3, "flight")
        self.bob_says(3, "flight")
        await self.server_is_done()
        self.step = "Alice speaks just before the close"
        await self.alice.settle()
        while not lost.up.held:
            await asyncio.sleep(0.02)
        await self.alice.settle()
        lost.finish()
        await self.come_back()

    async def silence(self):
        """Nothing arrives, and nobody is told. Holdfast never learns that the old way is gone.

        A client that would not notice either is told by a reset of its own side. One that then
        gives its session up binds anew, and is handed over what it did not acknowledge.
        """
        if self.habits.binds_after_silence:
            self.alice.do("watch")
        self.relay.shut()
        arrivals = self.relay.arrivals
        lost = self.relay.current()
        lost.freeze()
        self.alice_says(3, "flight")
        self.bob_says(3, "flight")
        await self.alice.settle()
        if not self.habits.notices_silence:
            lost.reset(server=False)
        self.step = "Alice notices the silence"
        while self.relay.arrivals == arrivals:
            await asyncio.sleep(0.05)
        if self.habits.binds_after_silence:
            await self.come_back(resumes=False)
            self.old = len(self.by_bob.said)
            self.anew = True
        else:
            await self.come_back()

    async def inside(self):
        """Stanzas of several TLS records are cut in the middle: Alice's first, then Bob's."""
        if not self.habits.resumes_again:
            await self.cut_inside("up", "down")
            return
        await self.cut_inside("up")
        await self.talk("between the cuts")
        await self.cut_inside("down")

    async def cut_inside(self, *ways):
        """One cut, at which a stanza is half-way up, or half-way down, or both."""
        self.relay.shut()
        cuts = [self.relay.stop_after(20000, way) for way in ways]
        if "up" in ways:
            self.alice_says(1, "flight")
            self.alice_says(1, "flight", 40000)
            self.alice_says(1, "flight")
        if "down" in ways:
            self.bob_says(1)
            self.bob_says(1, length=40000)
        self.step = f"the cut inside a stanza ({' and '.join(ways)})"
        for cut in cuts:
            await cut.wait()
        await self.alice.settle()
        self.relay.current().reset()
        await self.come_back()

    async def kill(self):
        """The daemon is killed with much on its way; its keeper has the next one at once.

        How far what both say just before has come is chance.
        """
        self.relay.shut()
        lost = self.relay.current()
        lost.freeze(down=False)  # what is said without a connection, some clients drop
        self.alice_says(3, "flight")
        self.step = "Alice speaks just before the kill"
        await self.alice.settle()
        while not lost.up.held:
            await asyncio.sleep(0.02)
        await self.alice.settle()
        lost.up.open.set()
        self.bob_says(3, "flight")
        await asyncio.sleep(0)
        died = self.holdfast.kill_daemon()
        lost.reset()
        self.step = "the daemon is back"
        while not self.holdfast.is_back(died):
            await asyncio.sleep(0.02)
        await self.come_back()

    ways = {"reset": reset, "close": close, "silence": silence, "inside": inside, "kill": kill}

    # The oracle

    def verdict(self):
        bob_heard = names(self.bob.messages(self.alice_jid))
        presences = self.bob.presences(self.alice_jid)
        faults = self.verdict_on_alice() + self.verdict_on_bounces()
        faults += heard_with_habits(self.by_alice, bob_heard, self.habits)
        return faults + steadily_there(
            presences, repeats=self.habits.repeats_presence, anew=self.anew
        )

    def verdict_on_bounces(self):
        bounced = self.bob.bounces(self.alice_jid)
        return [f"{bounced} of Bob's messages came back as errors"] if bounced else []

    def verdict_on_alice(self):
        said = self.by_bob.said
        if not self.alice:
            return heard_exactly("Alice", said, [])
        heard = names(self.alice.messages(self.bob_jid))
        if not self.old:
            return heard_exactly("Alice", said, heard)
        before = names(self.alice.messages(self.bob_jid, session=1))
        return heard_anew(said[: self.old], said[self.old :], before, heard[len(before) :])


class NotResumed(Exception):
    pass


CUTS = Cell.ways

# Both kinds of listener are used with each client and each server.
TLS_OF = {
    "reset": "starttls",
    "close": "tls",
    "silence": "tls",
    "inside": "starttls",
    "kill": "starttls",
}

WEBSOCKET_OF = {cut: {"starttls": "ws", "tls": "wss"}[tls] for cut, tls in TLS_OF.items()}


def alice_name(client, cut):
    return f"alice-{client}-{cut}"


def bob_name(client, cut):
    return f"bob-{client}-{cut}"


def names(bodies):
    return [(body or "").split(" ", 1)[0] for body in bodies]


def steadily_there(presences, repeats=False, anew=False):
    """Once available, and nothing after it; a server may answer Bob's first presence with less.

    repeats: her client says its presence again after a resumption.
    anew: she has given up a session and has another.
    """
    if "" not in presences:
        return ["Bob never saw Alice available"]
    since = presences[presences.index("") + 1 :]
    if anew and since.count("unavailable") == 1 and since[-1] == "":
        since.remove("unavailable")
    if anew or repeats:
        since = [kind for kind in since if kind]
    if since:
        return ["Bob saw Alice's presence change: " + " ".join(p or "available" for p in since)]
    return []


def heard_exactly(who, said, heard):
    """Each once and in order."""
    faults = twice(who, heard)
    if lost := [name for name in said if name not in heard]:
        faults.append(f"{who} did not hear {' '.join(lost)}")
    if not faults and heard != said:
        faults.append(f"{who} heard out of order: {' '.join(heard)}")
    return faults


def heard_anew(old, new, before, after):
    """Alice gave her session up: what she did not acknowledge of the old she hears in the new one.

    before, after: what she heard in each. The server, or Holdfast, cannot know which of what it
    sent last she has seen; so some may come again, but in order and without a gap.
    """
    again = [name for name in after if name in old]
    faults = heard_exactly("Alice, in her first session,", old[: len(before)], before)
    faults += heard_exactly("Alice, in her second session,", new, [n for n in after if n in new])
    if again != old[len(old) - len(again) :] or len(before) + len(again) < len(old):
        faults.append(f"Alice was handed over {' '.join(again) or 'nothing'}")
    return faults


def heard_with_habits(script, heard, habits):
    """The same for what Bob heard of Alice, less what her library is known to do."""
    faults = twice("Bob", heard)
    lost = [name for name in script.said if name not in heard]
    if len(lost) > habits.loses_in_flight or not script.flight.issuperset(lost):
        faults.append(f"Bob did not hear {' '.join(lost)}")
    order = heard
    if habits.reorders_in_flight:
        order = sorted_in_flight(script, heard)
    if not faults and order != [name for name in script.said if name in heard]:
        faults.append(f"Bob heard out of order: {' '.join(heard)}")
    return faults


def sorted_in_flight(script, heard):
    """What was heard, those of the flight put in order among themselves."""
    flight = iter(sorted((n for n in heard if n in script.flight), key=script.said.index))
    return [next(flight) if name in script.flight else name for name in heard]


def twice(who, heard):
    more = [name for name, count in collections.Counter(heard).items() if count > 1]
    return [f"{who} heard twice: {' '.join(more)}"] if more else []
