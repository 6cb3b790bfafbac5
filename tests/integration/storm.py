#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Many sessions on a bad network: each is cut again and again, at any byte, also while it resumes.

Pairs of accounts talk through one Holdfast with a server of each kind behind it. Alice keeps to
XEP-0198 exactly (smclient.py), Bob is on the server itself. Whatever happens, each must hear all
that the other said, once and in order, and Bob must not see Alice go. Prints a line for each pair
and, last, `N passed, N failed`. The seed decides the cuts; their exact places also depend on time.

    HOLDFAST_BIN=build/holdfast tests/integration/storm.py [--pairs N] [--cuts N] [--seed N]
"""

import argparse
import asyncio
import logging
import os
import random
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "support"))

import process  # noqa: E402
import servers  # noqa: E402
from cell import heard_exactly, names, steadily_there  # noqa: E402
from rawclient import RawClient, StreamEnded  # noqa: E402
from relay import Relay  # noqa: E402
from smclient import NotResumed, SmClient  # noqa: E402
from world import World  # noqa: E402

HANG = float(os.environ.get("HOLDFAST_HANG", 300))  # seconds; a guard, not a criterion


class Pair:
    def __init__(self, number, server, front, cuts, seed):
        self.number, self.server, self.front, self.cuts = number, server, front, cuts
        self.dice = random.Random(f"{seed}/{number}")
        self.alice_jid = f"alice{number}@{server.domain}"
        self.bob_jid = f"bob{number}@{server.domain}"
        self.said_by_alice, self.said_by_bob = [], []
        self.attempts = 0
        self.step = "start"

    async def play(self):
        """The faults found, as sentences."""
        try:
            async with asyncio.timeout(HANG):
                await self.begin()
                for _ in range(self.cuts):
                    await self.talk_and_be_cut()
                    await self.come_back()
                await self.finish()
        except TimeoutError:
            faults = [f"hangs: {self.step}"]
        except (NotResumed, StreamEnded, OSError) as error:
            faults = [f"{self.step}: {type(error).__name__} {error}"]
        else:
            faults = []
        return faults + self.verdict()

    async def begin(self):
        front = self.front
        tls = self.dice.choice(("starttls", "tls"))
        self.relay = Relay(front.tls_port if tls == "tls" else front.starttls_port)
        await self.relay.start()
        domain = self.server.domain
        self.bob = RawClient(self.server.host, self.server.port, domain)
        await self.bob.log_in(self.bob_jid.split("@")[0], servers.PASSWORD, "desk")
        self.bob.send("<presence/>")
        self.alice = SmClient(front.host, self.relay.port, domain, tls=tls, ca=front.ca)
        await self.alice.log_in(self.alice_jid.split("@")[0], servers.PASSWORD, "phone")
        self.alice.say("<presence/>")
        await self.bob.until(lambda: "" in self.bob.presences(self.alice_jid))

    def speak(self):
        """Both say something, short or long."""
        for said, letter, client, to in (
            (self.said_by_alice, "a", self.alice, self.bob.jid),
            (self.said_by_bob, "b", self.bob, self.alice.jid),
        ):
            for _ in range(self.dice.randrange(4)):
                name = f"{letter}{len(said)}"
                said.append(name)
                client.message(to, name + " " + "x" * self.dice.choice((0, 0, 0, 300, 5000, 40000)))
        if self.dice.random() < 0.3:
            self.alice.request_ack()

    async def talk_and_be_cut(self):
        self.step = "talking"
        connection = self.relay.current()
        kind = self.dice.choice(("reset", "finish", "freeze", "up", "down", "leave"))
        if kind in ("up", "down"):
            self.relay.stop_after(1 + self.dice.randrange(60000), kind)
        for _ in range(1 + self.dice.randrange(3)):
            self.speak()
            await asyncio.sleep(self.dice.random() * 0.02)
        if kind == "freeze":
            connection.freeze()
            self.speak()
        elif kind == "finish":
            connection.finish()
        elif kind != "leave":
            connection.reset()
        await asyncio.sleep(self.dice.choice((0, 0, 0.01, 0.05)))

    async def come_back(self, calm=False):
        """Tries until a connection holds; if not calm, some are cut before or while it resumes."""
        self.step = "coming back"
        while True:
            self.attempts += 1
            trouble = None
            if not calm and self.dice.random() < 0.4:
                trouble = asyncio.create_task(self.disturb(len(self.relay.connections)))
            self.speak()
            try:
                async with asyncio.timeout(20):
                    await self.alice.come_back()
                return
            except (StreamEnded, OSError, TimeoutError):
                pass
            finally:
                if trouble:
                    trouble.cancel()

    async def disturb(self, known):
        """Resets the next connection once some bytes have gone up or down; sometimes never."""
        while len(self.relay.connections) == known:
            await asyncio.sleep(0.001)
        way, count = self.dice.choice(("up", "down")), 1 + self.dice.randrange(6000)
        connection = self.relay.connections[known]
        await self.relay.stop_after(count, way).wait()
        connection.reset()

    async def finish(self):
        """A last word each way, undisturbed; all others are then there, too."""
        self.relay.current().reset()
        await self.come_back(calm=True)
        self.step = "the last words"
        for said, letter, client, to in (
            (self.said_by_alice, "a", self.alice, self.bob.jid),
            (self.said_by_bob, "b", self.bob, self.alice.jid),
        ):
            said.append(f"{letter}{len(said)}")
            client.message(to, said[-1])
        last_of_alice, last_of_bob = self.said_by_alice[-1], self.said_by_bob[-1]
        await self.bob.until(lambda: last_of_alice in names(self.bob.messages(self.alice_jid)))
        await self.alice.until(lambda: last_of_bob in names(self.alice.messages(self.bob_jid)))
        await self.bob.ask("<ping xmlns='urn:xmpp:ping'/>", to=self.server.domain)

    def verdict(self):
        return (
            heard_exactly("Alice", self.said_by_bob, names(self.alice.messages(self.bob_jid)))
            + heard_exactly("Bob", self.said_by_alice, names(self.bob.messages(self.alice_jid)))
            + steadily_there(self.bob.presences(self.alice_jid))
        )


async def run(world, given):
    kinds = list(world.servers.values())
    pairs = [
        Pair(n, kinds[n % len(kinds)], world.holdfast, given.cuts, given.seed)
        for n in range(given.pairs)
    ]

    async def play(pair):
        begin = time.monotonic()
        faults = await pair.play()
        said = len(pair.said_by_alice) + len(pair.said_by_bob)
        seconds = time.monotonic() - begin
        print(
            f"{'FAIL' if faults else 'ok  '} pair {pair.number} on {pair.server.name}:"
            f" {said} messages, {pair.cuts} cuts, {pair.attempts} attempts ({seconds:.1f} s)"
        )
        for fault in faults:
            print(f"       {fault[:500]}")
        return bool(faults)

    failed = sum(await asyncio.gather(*(play(pair) for pair in pairs)))
    for pair in pairs:
        pair.alice.drop()
        pair.bob.abort()
        await pair.relay.close()
    return failed


def main():
    process.exit_on_sigterm()
    logging.getLogger("asyncio").setLevel(logging.ERROR)  # it warns of each write to a cut socket
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--pairs", type=int, default=9)
    parser.add_argument("--cuts", type=int, default=30)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 32))
    parser.add_argument("--server", choices=servers.KINDS, action="append")
    given = parser.parse_args()
    print(f"seed {given.seed}")
    accounts = [(f"alice{n}", f"bob{n}") for n in range(given.pairs)]
    with World(given.server or servers.KINDS, accounts) as world:
        failed = asyncio.run(run(world, given))
        passed = given.pairs - failed
        failed += world.finish()
        if failed:
            print(world.logs())
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
