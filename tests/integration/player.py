# SPDX-License-Identifier: MIT
"""A client program of the matrix, seen from the test: commands go out, its events are kept.

clients/line_protocol.py says what the lines mean.
"""

import asyncio
import json
import os


class PlayerDied(Exception):
    pass


class Player:
    def __init__(self, command):
        self.command = command
        self.events = []
        self.change = asyncio.Event()
        self.ended = False

    async def start(self, log):
        with open(log, "ab") as errors:
            self.program = await asyncio.create_subprocess_exec(
                *self.command,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=errors,
                env=dict(os.environ, TMPDIR=os.path.dirname(log)),
                limit=1 << 22,
            )
        self.reading = asyncio.create_task(self.read())

    async def read(self):
        while line := await self.program.stdout.readline():
            self.events.append(json.loads(line))
            self.change.set()
        self.ended = True
        self.change.set()

    def do(self, name, **more):
        self.program.stdin.write(json.dumps({"do": name, **more}).encode() + b"\n")

    async def until(self, condition):
        while not (found := condition()):
            if self.ended:
                raise PlayerDied(f"{self.command[-1]} ended")
            self.change.clear()
            await self.change.wait()
        return found

    async def settle(self):
        """Waits until the program has carried out all commands so far."""
        answers = len(self.of("status"))
        self.do("status")
        await self.until(lambda: len(self.of("status")) > answers)

    def of(self, kind):
        return [event for event in self.events if event["event"] == kind]

    def messages(self, sender, session=None):
        """The bodies that came from this account, in order; in the first session, or in all."""
        events = self.events
        if session == 1:
            anew = [n for n, e in enumerate(events) if e["event"] == "online" and not e["resumed"]]
            events = events[: anew[1]] if len(anew) > 1 else events
        came = [event for event in events if event["event"] == "message"]
        return [event["body"] for event in came if event["from"].split("/")[0] == sender]

    async def kill(self):
        """Ends the program at once; its connection is left as a dead process leaves it."""
        if self.program.returncode is None:
            self.program.kill()
        await self.program.wait()
        await self.reading
