#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""The daemon is killed at counted moments: at each of its calls, and at instructions on a stanza's way.

Random kills hit long moments. The short ones are sought here: stepper (ptrace) kills at the nth call by
which the daemon talks to a socket, n from 1 on until what is being done is through: a login's parking,
the renewal of a lot that is mostly dead, and a recovery, from exec until it is ready; or at the nth
instruction between a stanza's arrival and the next wait. After each kill the next daemon must start, and
nobody who was told <enabled/> may be without a session, or have two; each stanza comes once, in order.

    HOLDFAST_BIN=build/sanitized/holdfast tests/kill9/stepped.py [--kills N] [--all] [--seed N] [CASE ...]

The last line is `N passed, N failed`: a case each. --kills: so many of each case, spread evenly; --all: each
moment there is.
"""

import argparse
import asyncio
import contextlib
import itertools
import os
import random
import re
import signal
import socket
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "support"))

import process  # noqa: E402
from holdfast import SANITIZER  # noqa: E402
from keeper import PROOF, Daemon, Keeper, Stepper  # noqa: E402
from quickserver import QuickLink, QuickServer  # noqa: E402
from rawclient import StreamEnded  # noqa: E402
from smclient import SM, NotResumed, SmClient  # noqa: E402

BODY = re.compile(rb"<body>(\w+)")
LONG = "x" * 600  # so that a stanza's arrival is told from that of an acknowledgement
BYTES = 500
USER, CONTACT = "user", "contact@example.org/desk"
PATIENCE = 300  # seconds until a case that does not end counts as a hang
KILLS = 30  # of a case, if nothing else was asked for; few of a whole way, whose steps take seconds
SOME_TICKS = 4  # seconds; lots are looked at each second
A_RENEWAL = 4  # calls and returns at least: one that lives moves, and the keeper is told
FRESH_AFTER = 3  # one that was being worked on at five deaths within a minute is set aside


class HearingLink(QuickLink):
    """Keeps what is said, by who says it."""

    def data_received(self, data):
        if self.resource:
            self.words = getattr(self, "words", b"") + data
            whole, end, self.words = self.words.rpartition(b">")
            who = (self.user, self.resource)
            self.server.heard.setdefault(who, []).extend(BODY.findall(whole + end))
        super().data_received(data)


class Server(QuickServer):
    def __init__(self):
        super().__init__()
        self.heard = {}

    async def start(self, port):
        loop = asyncio.get_running_loop()
        self.listener = await loop.create_server(lambda: HearingLink(self), "127.0.0.1", port)

    def of(self, client):
        user, resource = client.jid.split("@")[0], client.jid.split("/")[1]
        return [one for one in self.links if (one.user, one.resource) == (user, resource)]


class Life:
    """A daemon with its keeper and its server, through all of its deaths."""

    def __init__(self, lot_bytes):
        self.port = process.free_port()
        self.server = Server()
        # Those of two lots come back at once, which may be more than a hundred.
        limits = {
            "memory": "64M",
            "connection_rate_per_ip": "100000",
            "connections_per_ip": "1000",
        }
        sm = {"sessions_per_account": "1000"}
        self.daemon = Daemon(self.port, settings={"limits": limits, "stream-management": sm})
        self.keeper = Keeper(self.daemon.path("notify"))
        self.keeper.room = lot_bytes
        self.clients = []
        self.kills = self.names = 0
        self.moments = None  # that there are; None: each was tried

    async def begin(self, *follow):
        return await asyncio.to_thread(self.daemon.begin, self.keeper, *follow)

    async def start(self):
        await self.server.start(self.port)
        assert await self.begin(), "the first start failed"

    async def end(self, number):
        return await asyncio.to_thread(self.daemon.end, number)

    async def come_back(self):
        """It was killed: the next one has all sessions."""
        self.kills += 1
        assert await self.begin(), "it does not start again"
        await asyncio.gather(*(client.come_back() for client in self.clients))
        for client in self.clients:
            await self.has_one_link(client)

    async def has_one_link(self, client):
        await self.server.until(lambda: len(self.server.of(client)) == 1)

    async def bind(self, resource=None, user=USER):
        """A client that could say <enable/> now."""
        self.names += 1
        where = (self.daemon.host, self.daemon.tls_port, "example.org")
        client = SmClient(*where, tls="tls", ca=self.daemon.ca)
        client.account = (user, "secret", "PLAIN")
        await client.connect()
        await client.authenticate(*client.account)
        await client.bind(resource or f"r{self.names}")
        return client

    async def enable(self, client):
        client.send(f"<enable xmlns='{SM}' resume='true'/>")
        await client.until(lambda: client.sm_id)
        client.attached = True

    async def log_in(self, user=USER):
        client = await self.bind(user=user)
        await self.enable(client)
        self.clients.append(client)
        return client

    async def log_out(self, clients):
        for client in clients:
            self.clients.remove(client)
        await asyncio.gather(*(client.close() for client in clients))
        await self.server.until(lambda: not any(map(self.server.of, clients)))

    async def stepper(self, *what):
        return await asyncio.to_thread(Stepper, self.daemon.pid, *what)

    async def is_killed(self, stepper, done=None):
        """Whether it was, or else `done` came true; and how far stepper had counted."""
        over = asyncio.create_task(asyncio.to_thread(stepper.wait))
        waits = asyncio.create_task(done or asyncio.Event().wait())
        await asyncio.wait((over, waits), return_when=asyncio.FIRST_COMPLETED)
        if not over.done():
            stepper.process.terminate()
        waits.cancel()
        await asyncio.gather(waits, return_exceptions=True)
        killed, count = await over
        while killed and not self.daemon.is_dead():
            await asyncio.sleep(0.005)
        return killed, count

    async def keeper_is_quiet(self):
        """No proof is being asked for."""
        await asyncio.to_thread(self.keeper.settle)
        await self.keeper_until(lambda: not any(PROOF in name for name, _ in self.keeper.items))

    async def keeper_until(self, condition):
        while not condition():
            await asyncio.sleep(0.005)

    async def use_up_a_lot(self):
        """Logs in until a lot is full and another is begun; gives who came."""
        came, lots = [], self.keeper.lots
        while self.keeper.lots == lots:
            came.append(await self.log_in())
            await asyncio.to_thread(self.keeper.settle)
        return came

    async def finish(self):
        """All log out, and nothing is left."""
        await self.log_out(list(self.clients))
        await self.server.until(lambda: not self.server.links)
        assert await self.end(signal.SIGINT) == 0, "it did not end in order"
        log = self.log()
        assert not SANITIZER.search(log), "a sanitizer complains"
        failed = re.findall("event=(?:recovery_failed|session_set_aside) .*", log)
        assert not failed, f"the log says {failed[:3]}"

    def log(self):
        return self.daemon.log(100000)

    def close(self):
        for client in self.clients:
            client.drop()
        self.server.stop()
        self.daemon.kill_now()
        self.keeper.close()
        self.daemon.close()


def in_a_lot(lot_bytes):
    """How many sockets find room in it."""
    near, far = socket.socketpair(type=socket.SOCK_SEQPACKET)
    with near, far:
        near.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, lot_bytes)
        near.setblocking(False)
        for count in itertools.count():
            try:
                socket.send_fds(near, [bytes(24)], [0])
            except BlockingIOError:
                return count


def moments(given, most, kills=None):
    """Which of so many; each n, or some that are spread evenly."""
    kills = given.kills or kills or KILLS
    if given.all or most <= kills:
        return range(1, most + 1)
    stride = most / kills
    return [int(stride * (n + random.random())) + 1 for n in range(kills)]


# --- what it is doing when it is killed ---


async def at_a_login(life, _given, full=False):
    """A client says <enable/>, and has a socket parked; full: there is just no room in its lot."""
    room, n = in_a_lot(life.keeper.room), 1
    while n:
        others = await life.use_up_a_lot()
        others += [await life.log_in() for _ in range(room - 1 if full else 1)]
        client, lots = await life.bind(), life.keeper.lots
        stepper = await life.stepper("calls", n)

        async def through(client=client):
            await life.enable(client)
            await life.keeper_is_quiet()

        killed, _ = await life.is_killed(stepper, through())
        if client.sm_id:
            life.clients.append(client)
        assert killed or client.sm_id, "the session did not begin"
        if killed:
            await life.come_back()
            n += 1
        elif not full or life.keeper.lots > lots:  # else a renewal had made room meanwhile
            n = 0
        if not client.sm_id:  # it was told nothing, and tries again
            client.drop()
            again = await life.bind(client.jid.split("/")[1])
            await life.enable(again)
            life.clients.append(again)
            await life.has_one_link(again)
        await life.log_out(others)


async def at_a_login_that_fills_a_lot(life, given):
    await at_a_login(life, given, full=True)


async def at_the_renewal_of_a_lot(life, _given):
    """Of those in a full lot hardly any is left; they move to another, and it is given up."""
    stays = [await life.log_in()]
    n = 1
    while n:
        stays.append(await life.log_in())
        others = await life.use_up_a_lot()
        dropped = life.keeper.dropped
        await life.log_out(others)
        stepper = await life.stepper("calls", n)

        async def through(dropped=dropped):
            with contextlib.suppress(TimeoutError):  # it was done before stepper held it: once more
                await asyncio.wait_for(
                    life.keeper_until(lambda: life.keeper.dropped > dropped), SOME_TICKS
                )
            await life.keeper_is_quiet()

        killed, count = await life.is_killed(stepper, through())
        if killed:
            await life.come_back()
            n += 1
        elif count >= A_RENEWAL:
            n = 0
        await life.log_out([stays.pop(1)])


async def at_recovery(life, given):
    """From exec until it is ready; the next one, too, has all."""
    for number in range(12):
        await life.log_in(f"user{number}")  # in several arenas
    await life.end(signal.SIGKILL)
    assert await life.begin("calls", 0), "it does not start when it is followed"
    life.moments = life.daemon.count
    for n in moments(given, life.moments):
        await life.end(signal.SIGKILL)
        if not await life.begin("calls", n):
            await life.come_back()


class Talk:
    """One session, numbered stanzas in both directions."""

    def __init__(self, life, client):
        self.life, self.client = life, client
        self.up, self.down = [], []

    def say(self, up, text=""):
        said = self.up if up else self.down
        said.append(f"n{len(said)}")
        if up:
            self.client.message(CONTACT, f"{said[-1]} {text}")
        else:
            (link,) = self.life.server.of(self.client)
            link.write(
                f"<message from='{CONTACT}' to='{self.client.jid}' type='chat'>"
                f"<body>{said[-1]} {text}</body></message>"
            )

    def heard(self):
        user, resource = self.client.jid.replace("@", "/").split("/")[::2]
        up = [name.decode() for name in self.life.server.heard.get((user, resource), [])]
        return up, [body.split()[0] for body in self.client.messages(CONTACT.split("/")[0])]

    async def is_whole(self):
        """What is said last arrives, and so nothing is on its way; each came once, in order."""
        for up in (True, False):
            self.say(up)
        last = (self.up[-1], self.down[-1])
        while not all(one in heard for one, heard in zip(last, self.heard())):
            await asyncio.sleep(0.005)
        assert self.heard() == (self.up, self.down), f"{self.heard()}, but {self.up}, {self.down}"
        while self.client.unacked:
            self.client.request_ack()
            await asyncio.sleep(0.01)


async def at_a_stanza(life, given, up, part=None):
    """At an instruction between its arrival and the next wait; how many there are, is counted before."""

    def what(n):
        where = (life.daemon.address_of(part),) if part else ()
        return ("steps", n, BYTES, *where)

    first = Talk(life, await life.log_in())
    await first.is_whole()
    stepper = await life.stepper(*what(0))
    first.say(up, LONG)
    _, life.moments = await life.is_killed(stepper)
    await first.is_whole()
    for number, n in enumerate(moments(given, life.moments, None if part else KILLS // 6)):
        if number % FRESH_AFTER == 0:
            await life.log_out(list(life.clients))
            talk = Talk(life, await life.log_in())
            await talk.is_whole()
        stepper = await life.stepper(*what(n))
        talk.say(up, LONG)
        killed, _ = await life.is_killed(stepper)
        if killed:
            await life.come_back()
        await talk.is_whole()


async def at_a_stanza_from_the_client(life, given):
    await at_a_stanza(life, given, up=True)


async def at_a_stanza_from_the_server(life, given):
    await at_a_stanza(life, given, up=False)


async def at_the_commit_of_a_stanza_from_the_client(life, given):
    await at_a_stanza(life, given, up=True, part="sm_commit")


async def at_the_commit_of_a_stanza_from_the_server(life, given):
    await at_a_stanza(life, given, up=False, part="sm_commit")


SIX, SOME = 2304, 6000  # bytes of a lot, which the kernel doubles

CASES = {
    at_a_login: SIX,
    at_a_login_that_fills_a_lot: SIX,
    at_the_renewal_of_a_lot: SOME,
    at_recovery: SIX,
    at_a_stanza_from_the_client: SIX,
    at_a_stanza_from_the_server: SIX,
    at_the_commit_of_a_stanza_from_the_client: SIX,
    at_the_commit_of_a_stanza_from_the_server: SIX,
}


async def passes(case, given):
    life, begun, fault = Life(CASES[case]), time.monotonic(), None

    async def live():
        await life.start()
        await case(life, given)
        await life.finish()

    try:
        await asyncio.wait_for(live(), None if given.all else PATIENCE)
        assert life.kills, "it was never killed"
    except (AssertionError, OSError, StreamEnded, NotResumed, TimeoutError) as error:
        fault = error
    finally:
        log = life.log()
        life.close()
    seconds = time.monotonic() - begun
    print(
        f"{'FAILED' if fault else 'ok':8}{case.__name__}: {life.kills} kills",
        f"at {life.moments or life.kills} moments, {seconds:.1f} s",
        flush=True,
    )
    if fault:
        print(repr(fault), log[-6000:], sep="\n", flush=True)
    return not fault


async def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--kills", type=int, help="in each case")
    parser.add_argument("--all", action="store_true")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("case", nargs="*", help="a part of its name")
    given = parser.parse_args()
    random.seed(given.seed)
    cases = [case for case in CASES if all(word in case.__name__ for word in given.case)]
    results = [await passes(case, given) for case in cases]
    print(f"{sum(results)} passed, {len(results) - sum(results)} failed")
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
