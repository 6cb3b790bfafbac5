#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Each client × each server × each way to be cut off: resumed, nothing lost, nothing twice.

The cells run against one Holdfast with one server of each kind behind it, some at once, each with
accounts of its own. Those in which the daemon is killed come after the others, one at a time, in a world of their own.
Prints a line for each cell and, last, `N passed, N failed`.

    HOLDFAST_BIN=build/holdfast tests/integration/matrix.py [--client C] [--server S] [--cut C]

--front native leaves Holdfast out and uses the server's own stream management, to see what a
client does by itself; --front none has neither, and must fail.
"""

import argparse
import asyncio
import os
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "support"))

import process  # noqa: E402
import programs  # noqa: E402
import servers  # noqa: E402
from cell import CUTS, Cell, Habits, alice_name, bob_name  # noqa: E402
from rawclient import show  # noqa: E402
from world import World  # noqa: E402

# What each library does by itself, also against a server with its own stream management.
OVER_TCP = {
    # Forgets its own queue when it sends <resume/>.
    "slixmpp": Habits(loses_in_flight=3, notices_silence=False),
    # Resends the newest first.
    "aioxmpp": Habits(reorders_in_flight=True),
    # Loses the first stanza that is not acknowledged.
    "strophe": Habits(loses_in_flight=1, notices_silence=False),
    "xmppjs": Habits(),
    "nbxmpp": Habits(),
    # At the second time it closes the stream where it should resume, and binds.
    "gloox": Habits(notices_silence=False, resumes_again=False),
    # Loses what is not acknowledged, and drops all it knows of a session whose ping timed out.
    "profanity": Habits(loses_in_flight=3, binds_after_silence=True, repeats_presence=True),
}

OVER_WEBSOCKET = {
    "xmppjs-ws": Habits(websocket=True),
    "stanza-ws": Habits(websocket=True),
    "strophejs-ws": Habits(websocket=True, notices_silence=False),
    "nbxmpp-ws": Habits(websocket=True, notices_silence=False),
}

CLIENTS = OVER_TCP | OVER_WEBSOCKET

AT_ONCE = 3


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--client", choices=CLIENTS, action="append")
    parser.add_argument("--server", choices=servers.KINDS, action="append")
    parser.add_argument("--cut", choices=CUTS, action="append")
    parser.add_argument("--front", choices=("holdfast", "native", "none"), default="holdfast")
    parser.add_argument("--jobs", type=int, default=AT_ONCE)
    given = parser.parse_args()
    given.client = given.client or list(CLIENTS)
    given.server = given.server or list(servers.KINDS)
    if given.front == "native" and "jabberd2" in given.server:
        given.server.remove("jabberd2")  # it has no stream management of its own
    given.cut = given.cut or list(CUTS)
    if given.front != "holdfast" and "kill" in given.cut:
        given.cut.remove("kill")  # there is no daemon
    return given


def program(client):
    """The same may come over TCP and over WebSocket."""
    return client.removesuffix("-ws")


def make_cells(world, given, cuts):
    cells = []
    for client in given.client:
        for server in given.server:
            ports, ca = world.entrance(server)
            cells += [
                Cell(
                    client,
                    world.servers[server],
                    cut,
                    CLIENTS[client],
                    programs.command(program(client)),
                    ports,
                    ca,
                    world.holdfast,
                )
                for cut in cuts
            ]
    return cells


async def run_cells(world, cells, jobs):
    """The number of cells that failed."""
    slots = asyncio.Semaphore(jobs)

    async def run(cell):
        async with slots:
            begin = time.monotonic()
            log = os.path.join(world.folder, str(cell).replace(" ", "") + ".log")
            faults = await cell.play(log)
            report(cell, faults, time.monotonic() - begin, log)
            return bool(faults)

    results = await asyncio.gather(*(run(cell) for cell in cells))
    # Bob stays until all is over: a login on jabberd2 just after a session ended there may fail.
    for cell in cells:
        if cell.bob:
            await cell.bob.close()
    return sum(results)


def report(cell, faults, seconds, log):
    print(f"{'FAIL' if faults else 'ok  '} {cell} ({seconds:.1f} s)", flush=True)
    for fault in faults:
        print(f"       {fault}")
    if faults:
        for event in cell.alice.events[-30:] if cell.alice else []:
            print(f"       | {str(event)[:150]}")
        for stanza in cell.bob.stanzas[-30:] if cell.bob else []:
            print(f"       < {show(stanza)[:150]}")
        if os.path.exists(log):
            print("".join(f"       ! {line}\n" for line in process.tail(log, 15).splitlines()), end="")


def unbuildable(given):
    """Builds the client programs; leaves those out that cannot be, and counts their cells."""
    failed = 0
    for client in list(given.client):
        try:
            programs.build(program(client))
        except (OSError, RuntimeError, subprocess.CalledProcessError) as error:
            print(f"FAIL {client} cannot be built: {error}")
            given.client.remove(client)
            failed += len(given.server) * len(given.cut)
    return failed


def run_world(given, cuts, jobs, kept=False):
    """How many cells passed, and how many failed, among them Holdfast itself."""
    if not cuts:
        return 0, 0
    pairs = [
        (alice_name(client, cut), bob_name(client, cut)) for client in given.client for cut in cuts
    ]
    websocket = any(CLIENTS[client].websocket for client in given.client)
    with World(given.server, pairs, given.front, kept, websocket) as world:
        cells = make_cells(world, given, cuts)
        failed = asyncio.run(run_cells(world, cells, jobs))
        passed = len(cells) - failed
        failed += world.finish()
        if failed:
            print(world.logs())
    return passed, failed


def main():
    process.exit_on_sigterm()
    given = arguments()
    unbuilt = unbuildable(given)
    others = [cut for cut in given.cut if cut != "kill"]
    passed, failed = run_world(given, others, given.jobs)
    # A kill hits all sessions there are.
    more = run_world(given, [cut for cut in given.cut if cut == "kill"], jobs=1, kept=True)
    passed, failed = passed + more[0], failed + more[1] + unbuilt
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
