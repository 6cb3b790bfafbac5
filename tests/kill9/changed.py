#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""The daemon dies, and the world is another one when the next begins: its configuration, or the time.

    HOLDFAST_BIN=build/sanitized/holdfast tests/kill9/changed.py

The last line is `N passed, N failed`.
"""

import asyncio
import os
import re
import signal
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "support"))

import process  # noqa: E402
from holdfast import SANITIZER  # noqa: E402
from keeper import Life  # noqa: E402
from rawclient import StreamEnded  # noqa: E402
from smclient import NotResumed  # noqa: E402

SESSIONS = 12
AWAY_S = 10  # the shortest resume_timeout


class Changed(Life):
    async def begin(self):
        assert await super().begin(), "it does not start"

    def change(self, section, **keys):
        self.daemon.change({section: keys or None})

    async def all_log_in(self):
        await self.server.start(self.port)
        await self.begin()
        return [await self.log_in(f"user{number}") for number in range(SESSIONS)]

    async def server_saw(self, condition):
        await asyncio.wait_for(self.server.until(condition), process.PATIENCE)

    async def says(self, event):
        """In its log, of each session."""
        deadline = time.monotonic() + process.PATIENCE
        while self.count(event) < SESSIONS:
            assert time.monotonic() < deadline, f"{self.count(event)} of {SESSIONS}: {event}"
            await asyncio.sleep(0.02)

    def count(self, event):
        return len(re.findall(f"event={event}", self.log()))


async def another_number_of_workers(life):
    """The arenas are dealt anew; each client finds its session wherever that is now."""
    life.change("holdfast", workers="1")
    clients = await life.all_log_in()
    for workers in ("3", "2", "1"):
        await life.end(signal.SIGKILL)
        life.change("holdfast", workers=workers)
        await life.begin()
        for client in clients:
            await client.come_back()
    await life.server_saw(lambda: len(life.server.links) == SESSIONS)
    closed = life.server.closed
    assert await life.end(signal.SIGINT) == 0, "it did not end in order"
    await life.server_saw(lambda: life.server.closed == closed + SESSIONS)


async def a_host_that_is_gone(life):
    """Its sessions end in order, for nobody can resume them; the other host is served."""
    clients = await life.all_log_in()
    host = life.daemon.settings["host example.org"]
    await life.end(signal.SIGKILL)
    life.change("host example.org")
    life.change("host example.net", **host)
    await life.begin()
    await life.server_saw(lambda: not life.server.links)
    assert life.server.closed == SESSIONS, f"{life.server.closed} links were closed in order"
    try:
        await clients[0].come_back()
        raise AssertionError("a session of a host that is gone was resumed")
    except (NotResumed, StreamEnded):
        pass
    for client in clients:
        client.drop()


async def a_session_whose_time_is_over(life):
    """It was detached when the daemon died; the time went on."""
    life.change("stream-management", resume_timeout=f"{AWAY_S}s")
    clients = await life.all_log_in()
    for client in clients:
        client.drop()
    await life.says("detached")
    await life.end(signal.SIGKILL)
    assert len(life.server.links) == SESSIONS, "a link was lost"
    await asyncio.sleep(AWAY_S)
    await life.begin()
    await life.server_saw(lambda: not life.server.links)
    assert life.server.closed == SESSIONS, f"{life.server.closed} links were closed in order"
    await life.says("session_end .*end=expired")
    for client in clients:
        try:
            await client.come_back()
            raise AssertionError("a session was resumed whose time is over")
        except NotResumed as answer:
            assert "item-not-found" in str(answer) and 'h="0"' in str(answer), str(answer)
        client.drop()


CASES = (another_number_of_workers, a_host_that_is_gone, a_session_whose_time_is_over)


async def passes(case):
    life = Changed()
    try:
        await asyncio.wait_for(case(life), process.PATIENCE * 2)
        assert not SANITIZER.search(life.log()), "a sanitizer complains"
    except (AssertionError, TimeoutError, OSError, StreamEnded, NotResumed) as error:
        print(f"FAILED  {case.__name__}: {error!r}\n{life.daemon.log(60)}")
        return False
    finally:
        life.close()
    print(f"ok      {case.__name__}")
    return True


async def main():
    results = [await passes(case) for case in CASES]
    print(f"{sum(results)} passed, {len(results) - sum(results)} failed")
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
