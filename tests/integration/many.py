#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""A thousand clients at one Holdfast: behind one address, beside one that is busy, and all in one line.

Nothing here is measured in time. That a busy connection has no more than its share is shown by how many
turns Holdfast's loop made for it, and by the order in which things arrive; so that the order is Holdfast's
own, it stands still (SIGSTOP) while all that is to be done is put into the kernel's buffers. Prints a line
for each check and, last, `N passed, N failed`.

    HOLDFAST_BIN=build/holdfast tests/integration/many.py [--clients N]
"""

import argparse
import asyncio
import contextlib
import json
import os
import resource
import signal
import socket
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "support"))

import holdfast  # noqa: E402
import process  # noqa: E402
from quickserver import QuickServer  # noqa: E402
from rawclient import RawClient, StreamEnded  # noqa: E402
from smclient import SmClient  # noqa: E402

HANG = float(os.environ.get("HOLDFAST_HANG", 300))  # seconds; a guard, not a criterion
AT_ONCE = 40  # logins; below connections_per_ip
SHARE = 65536  # bytes of one connection in one turn of Holdfast's loop (tools.h, core.h)
FLOOD = 2 << 20  # bytes, at least, that are to wait in the kernel
SETTINGS = {
    "holdfast": {"workers": "1", "log_level": "warn"},
    "limits": {"connections_per_ip": "100", "connection_rate_per_ip": "100000"},
}
IN_LINE = 400
STACK = 256 << 10  # bytes of a thread
IN_LINE_SETTINGS = SETTINGS | {
    "limits": {
        "connections_per_ip": "1000",
        "connection_rate_per_ip": "100000",
        "unauthenticated_timeout": "5m",
    },
    "host example.org": {"upstream_logins": "1"},
}


class Fault(Exception):
    pass


class Crowd:
    """Clients c0, c1 … of one daemon. front is the daemon, server what stands behind it."""

    def __init__(self, front, server, count):
        self.front, self.server = front, server
        self.clients = [SmClient(front.host, front.tls_port, **self.how()) for _ in range(count)]

    def how(self):
        return {"domain": self.server.domain, "tls": "tls", "ca": self.front.ca}

    async def each(self, deed, clients=None):
        """deed(number, client) for all of them, so many at once."""
        places = asyncio.Semaphore(AT_ONCE)

        async def one(number, client):
            async with places:
                await deed(number, client)

        clients = enumerate(self.clients if clients is None else clients)
        await asyncio.gather(*(one(number, client) for number, client in clients))

    async def log_in(self):
        async def log_in(number, client):
            await client.log_in(f"c{number}", "secret", "phone")

        await self.each(log_in)

    def status(self):
        """What holdfastctl counts."""
        program = os.path.join(os.path.dirname(holdfast.binary()), "holdfastctl")
        control = os.path.join(self.front.runtime_dir, "control.sock")
        done = subprocess.run(
            (program, "-s", control, "--json", "status"), capture_output=True, check=True
        )
        found = json.loads(done.stdout)
        return found[0] if isinstance(found, list) else found

    async def until(self, key, value):
        while self.status()[key] != value:
            await asyncio.sleep(0.05)

    def freeze(self):
        self.front.process.send_signal(signal.SIGSTOP)

    def thaw(self):
        self.front.process.send_signal(signal.SIGCONT)


def message(number, size=1000):
    return f"<message from='b@example.org/x' id='m{number}'><body>{'x' * size}</body></message>"


def got(client, name):
    return sum(stanza.get("id") == name for stanza in client.stanzas)


# --- behind one address ---


async def all_of_them_live_behind_one_address(crowd):
    await crowd.log_in()
    status = crowd.status()
    expect(status["sessions"] == len(crowd.clients), f"{status['sessions']} sessions")
    expect(status["refused_by_limit"] == 0, "some were refused")
    one_more = RawClient(crowd.front.host, crowd.front.tls_port, **crowd.how())
    await one_more.log_in("one-more", "secret", "desk")
    await one_more.close()


async def all_of_them_come_back_and_miss_nothing(crowd):
    for client in crowd.clients:
        client.drop()
    await crowd.until("detached", len(crowd.clients))
    for number in range(len(crowd.clients)):
        crowd.server.bound[f"c{number}"].write(message(0, 10))

    async def come_back(_, client):
        await client.come_back()
        await client.until(lambda: got(client, "m0"))

    await crowd.each(come_back)
    expect(all(got(client, "m0") == 1 for client in crowd.clients), "some got it twice")
    status = crowd.status()
    expect(status["resumptions"] == len(crowd.clients), f"{status['resumptions']} resumptions")
    expect(status["refused_by_limit"] == 0, "some were refused")


async def strangers_from_their_address_shut_out_only_strangers(crowd):
    strangers = [
        socket.create_connection((crowd.front.host, crowd.front.starttls_port)) for _ in range(150)
    ]
    try:
        while crowd.status()["refused_by_limit"] < 50:
            await asyncio.sleep(0.05)
        await asyncio.gather(*(ping(crowd.clients[n], f"stranger{n}") for n in (0, 1)))
        expect(crowd.status()["sessions"] == len(crowd.clients), "a session ended")
    finally:
        for stranger in strangers:
            stranger.close()
    await crowd.until("connections", len(crowd.clients))


# --- beside a busy one ---


def ask(client, name):
    client.say(f"<iq type='get' id='{name}' to='{client.domain}'><ping xmlns='urn:xmpp:ping'/></iq>")


async def ping(client, name):
    ask(client, name)
    await client.until(lambda: got(client, name))


async def a_client_that_floods_gets_its_share(crowd):
    busy, quiet = crowd.clients[0], crowd.clients[1:]
    link = crowd.server.bound["c0"]
    seen = len(crowd.server.pings)
    before, received = crowd.status(), link.received
    crowd.freeze()
    size = fill(busy.output.transport, busy.unacked)
    for number, client in enumerate(quiet):
        ask(client, f"q{number}")
    crowd.thaw()
    ask(busy, "end")
    await busy.until(lambda: got(busy, "end"))
    await crowd.server.until(lambda: len(pings_of(crowd, seen)) == len(quiet) + 1)
    expect(pings_of(crowd, seen)[-1] == "end", "it was served before others that had come before")
    expect(link.received - received >= size, "not all of it went through")
    judge_turns(before, crowd.status(), size)


async def a_server_that_floods_gets_its_share(crowd):
    busy, quiet = crowd.clients[0], crowd.clients[1]
    before = crowd.status()
    crowd.freeze()
    size = fill(crowd.server.bound["c0"].transport)
    for number in range(100):
        crowd.server.bound["c1"].write(message(f"quiet{number}", 10))
    crowd.thaw()
    crowd.server.bound["c0"].write(message("end"))
    await quiet.until(lambda: got(quiet, "mquiet99"))
    expect(not got(busy, "mend"), "it was served before others that had come before")
    await busy.until(lambda: got(busy, "mend"))
    judge_turns(before, crowd.status(), size)


async def while_one_floods_for_ever_the_others_are_answered(crowd):
    stopped = asyncio.Event()

    async def flood(client):
        while not stopped.is_set():
            write_piece(client.output, client.unacked)
            await client.output.drain()
            await asyncio.sleep(0)

    flooding = asyncio.create_task(flood(crowd.clients[0]))
    try:
        for turn in range(3):
            await asyncio.gather(
                *(ping(client, f"live{turn}") for client in crowd.clients[1:50])
            )
    finally:
        stopped.set()
        await flooding


def write_piece(output, unacked):
    """64 messages; to a client's unacknowledged ones they are added as well."""
    output.write(message("flood").encode() * 64)
    if unacked is not None:
        unacked.extend([message("flood")] * 64)
    return 64 * len(message("flood"))


def fill(transport, unacked=None):
    """Messages, as many as the kernel takes while the other side stands still; how many bytes."""
    size = 0
    while size < FLOOD or transport.get_write_buffer_size() == 0:
        size += write_piece(transport, unacked)
        if size > 64 << 20:
            raise Fault("the kernel takes everything")
    return size


def pings_of(crowd, seen):
    """The ids of the clients' pings since then, without Holdfast's own."""
    return [name for _, name in crowd.server.pings[seen:] if name == "end" or name[:1] == "q"]


def judge_turns(before, after, size):
    """A turn takes one share of a connection: so many bytes are so many turns at least."""
    turns = after["turns"] - before["turns"]
    print(f"       {size} bytes, {turns} turns")
    expect(size >= FLOOD, f"the kernel took {size} bytes only")
    expect(turns >= size // SHARE, f"{size} bytes in {turns} turns")


# --- all in one line ---


async def a_line_of_hundreds_is_told_when_no_link_can_be_opened(front, port):
    """The first has its turn and keeps it, for the server is silent; then there are no descriptors."""
    silent = []
    reached = asyncio.Event()

    def accept(_, output):
        silent.append(output)
        reached.set()

    server = await asyncio.start_server(accept, front.host, port)
    crowd = Crowd(front, QuickServer(), 0)
    ended = []

    async def wait_in_line(client):
        try:
            await client.connect()
        except (StreamEnded, OSError) as end:
            ended.append("resource-constraint" in str(end))
        client.abort()

    clients = [RawClient(front.host, front.tls_port, **crowd.how()) for _ in range(IN_LINE)]
    waiting = [asyncio.create_task(wait_in_line(client)) for client in clients]
    await crowd.until("links", IN_LINE)
    await reached.wait()
    limits = resource.prlimit(front.process.pid, resource.RLIMIT_NOFILE)
    resource.prlimit(front.process.pid, resource.RLIMIT_NOFILE, (3, limits[1]))
    silent[0].transport.abort()
    await asyncio.gather(*waiting)
    resource.prlimit(front.process.pid, resource.RLIMIT_NOFILE, limits)
    server.close()
    expect(len(silent) == 1, f"{len(silent)} links at once")
    expect(sum(ended) == IN_LINE - 1, f"{sum(ended)} were told why")


@contextlib.contextmanager
def small_stack():
    """For what is started meanwhile: as if there were not hundreds but many thousands."""
    before = resource.getrlimit(resource.RLIMIT_STACK)
    resource.setrlimit(resource.RLIMIT_STACK, (STACK, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_STACK, before)


# --- running ---


def expect(truth, otherwise):
    if not truth:
        raise Fault(otherwise)


async def check(deed, *arguments):
    """Runs one check; True if it held."""
    fault = None
    try:
        async with asyncio.timeout(HANG):
            await deed(*arguments)
    except TimeoutError:
        fault = "hangs"
    except (Fault, StreamEnded, OSError, subprocess.CalledProcessError) as why:
        fault = f"{type(why).__name__} {why}"
    print(f"{'FAIL' if fault else 'ok  '} {deed.__name__.replace('_', ' ')}")
    if fault:
        print(f"       {fault}")
    sys.stdout.flush()
    return fault is None


CROWDED = (
    all_of_them_live_behind_one_address,
    all_of_them_come_back_and_miss_nothing,
    strangers_from_their_address_shut_out_only_strangers,
    a_client_that_floods_gets_its_share,
    a_server_that_floods_gets_its_share,
    while_one_floods_for_ever_the_others_are_answered,
)


async def run(front, port, count):
    server = QuickServer()
    await server.start(port)
    crowd = Crowd(front, server, count)
    results = []
    for deed in CROWDED:
        results.append(await check(deed, crowd))
        if not results[0]:
            break  # the others need the crowd
    for client in crowd.clients:
        client.drop()
    server.stop()
    return results


def main():
    process.exit_on_sigterm()
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--clients", type=int, default=1000)
    given = parser.parse_args()
    port = process.free_port()
    with holdfast.Holdfast(port, settings=SETTINGS) as front:
        results = asyncio.run(run(front, port, given.clients))
    line = a_line_of_hundreds_is_told_when_no_link_can_be_opened
    with contextlib.ExitStack() as fixtures:
        with small_stack():
            front = fixtures.enter_context(holdfast.Holdfast(port, settings=IN_LINE_SETTINGS))
        results.append(asyncio.run(check(line, front, port)))
    print(f"{sum(results)} passed, {len(results) - sum(results)} failed")
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
