#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""The daemon dies, and its keeper gives back something else than it was given.

The keeper is this program, by the protocol of sd_notify(3). Between two lives of the daemon it loses,
doubles or adds to what it holds; or it has no room. The daemon must start each time, put back all that
is sound, end the rest, and let others in; and after a stop in order the next one must find as much.

    HOLDFAST_BIN=build/sanitized/holdfast tests/kill9/damaged.py

The last line is `N passed, N failed`.
"""

import array
import asyncio
import os
import re
import signal
import socket
import struct
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "support"))

import process  # noqa: E402
from holdfast import SANITIZER  # noqa: E402
from keeper import ARENA, LOT, Life  # noqa: E402
from smclient import NotResumed  # noqa: E402

SESSIONS = 24


# --- what happens while no daemon runs: keeper, server ---


def nothing(_keeper, _server):
    pass


def all_lots_are_lost(keeper, _server):
    keeper.lose(lambda item: item[0].startswith(LOT))


def half_of_each_lot_is_lost(keeper, _server):
    seen = set()
    keeper.lose(lambda item: item[0].startswith(LOT) and (item[0] in seen or seen.add(item[0])))


def all_arenas_are_lost(keeper, _server):
    keeper.lose(lambda item: item[0].startswith(ARENA))


def every_other_arena_is_lost(keeper, _server):
    keeper.lose(lambda item: item[0].startswith(ARENA) and int(item[0][len(ARENA) :]) % 2)


def some_arenas_are_none(keeper, _server):
    """Rubbish in one, a page where its header should be, a pipe, one cut short, two changed places."""
    arenas = {name: at for at, (name, _) in enumerate(keeper.items) if name.startswith(ARENA)}
    for number, size in ((0, 1 << 20), (1, 0), (2, 100)):
        at, rubbish = arenas[ARENA + str(number)], os.memfd_create("rubbish")
        os.write(rubbish, b"\x5a" * size)
        keeper.items[at] = (keeper.items[at][0], rubbish)
    end, other = os.pipe()
    os.close(other)
    keeper.items[arenas[ARENA + "3"]] = (ARENA + "3", end)
    os.pwrite(keeper.items[arenas[ARENA + "4"]][1], b"\0" * 8 + b"\xff" * 24, 0)
    one, two = arenas[ARENA + "5"], arenas[ARENA + "6"]
    keeper.items[one], keeper.items[two] = (
        (ARENA + "5", keeper.items[two][1]),
        (ARENA + "6", keeper.items[one][1]),
    )


def one_of_an_arena_is_whom_all_died_of(keeper, _server):
    """As the arena notes it (sm/deaths.c): who was worked on now, how many deaths, and who at each."""
    now = time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1_000_000
    first = 1 << 32 | 1  # the first session of the first slot
    for name, arena in keeper.items:
        if name.startswith(ARENA) and os.pread(arena, 8, 16) != bytes(8):  # slots were used
            os.pwrite(arena, struct.pack("=12Q", first, 9, *(first, now) * 5), 1024)


def each_lot_is_there_under_two_names(keeper, _server):
    keeper.items += [(name + "-2", os.dup(fd)) for name, fd in keeper.items if LOT in name]


def lots_hold_what_nobody_parked(keeper, _server):
    """Messages without a socket, without a ticket, with two; tickets of no arena, and of others."""
    others = [socket.socket(type=socket.SOCK_DGRAM), socket.socket()]
    tickets = [struct.pack("=QIIII", 1, arena, 0, 1, 0) for arena in (3, 4, 5, 16, 2**32 - 1)]
    for name in {name for name, _ in keeper.items if name.startswith(LOT)}:
        ends = [fd for other, fd in keeper.items if other == name]
        with socket.socket(fileno=os.dup(ends[0])) as lot:
            for number, data in enumerate((b"x", b"y" * 24, b"z" * 100, *tickets)):
                fds = [other.fileno() for other in others[number % 3 :]]
                rights = (socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))
                lot.sendmsg([data], [rights] if fds else [])
    for other in others:
        other.close()


def what_is_no_lot_is_called_one(keeper, _server):
    pipe = os.pipe()
    pair = [end.detach() for end in socket.socketpair()]
    keeper.items += [(LOT + "pipe", fd) for fd in pipe] + [(LOT + "stream", fd) for fd in pair]
    keeper.items += [(LOT, os.memfd_create("lot")), (ARENA + "99", os.memfd_create("arena"))]


def the_server_has_ended_all(_keeper, server):
    for link in list(server.links):
        link.transport.abort()


def there_is_no_room(keeper, _server):
    keeper.most = len(keeper.items)


def there_is_room_for_one(keeper, _server):
    keeper.most = len(keeper.items) + 1


ALL, SOME, NONE = range(SESSIONS, SESSIONS + 1), range(1, SESSIONS), range(1)

CASES = (  # what happens, and how many sessions are back
    (nothing, ALL),
    (all_lots_are_lost, NONE),
    (half_of_each_lot_is_lost, NONE),
    (all_arenas_are_lost, NONE),
    (every_other_arena_is_lost, SOME),
    (some_arenas_are_none, SOME),
    (one_of_an_arena_is_whom_all_died_of, SOME),
    (each_lot_is_there_under_two_names, ALL),
    (lots_hold_what_nobody_parked, ALL),
    (what_is_no_lot_is_called_one, ALL),
    (the_server_has_ended_all, NONE),
    (there_is_no_room, ALL),
    (there_is_room_for_one, ALL),
)


class Damaged(Life):
    async def live(self, happens):
        """How many were back after the death, and how many of those after a stop in order."""
        await self.server.start(self.port)
        assert await self.begin(), "the first start failed"
        clients = [await self.log_in(f"user{n}") for n in range(SESSIONS)]
        await self.end(signal.SIGKILL)
        happens(self.keeper, self.server)
        assert await self.begin(), "it does not start again"
        back = await come_back(clients)
        late = await self.log_in("late")
        assert await self.end(signal.SIGTERM) == 0, "it did not stop in order"
        assert await self.begin(), "it does not start after that"
        again = await come_back(back)
        if happens not in (there_is_no_room, there_is_room_for_one):
            again += await come_back([late])
            back = [*back, late]
        assert await self.end(signal.SIGINT) == 0, "it did not end in order"
        assert again == back, f"of {len(back)} sessions only {len(again)} outlived a stop"
        return len(back) - (late in back)


async def come_back(clients):
    back = []
    for client in clients:
        try:
            await client.come_back()
            back.append(client)
        except NotResumed:
            client.drop()
    return back


async def passes(happens, expected):
    life = Damaged()
    try:
        back = await asyncio.wait_for(life.live(happens), process.PATIENCE * 2)
        assert back in expected, f"{back} of {SESSIONS} sessions are back"
        assert not SANITIZER.search(life.log()), "a sanitizer complains"
        failed = re.findall("event=recovery_failed .*", life.log())
        aside = "event=session_set_aside" in life.log()
        assert aside == (happens is one_of_an_arena_is_whom_all_died_of), "set aside, or not"
        assert bool(failed) == (happens in TOLD), f"the log says {failed[:2]}"
    except (AssertionError, TimeoutError) as error:
        print(f"FAILED  {happens.__name__}: {error!r}\n{life.log()[-4000:]}")
        return False
    finally:
        life.close()
    print(f"ok      {happens.__name__}")
    return True


TOLD = (
    all_lots_are_lost,
    half_of_each_lot_is_lost,
    some_arenas_are_none,
    lots_hold_what_nobody_parked,
    what_is_no_lot_is_called_one,
)


async def main():
    results = [await passes(*case) for case in CASES]
    print(f"{sum(results)} passed, {len(results) - sum(results)} failed")
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
