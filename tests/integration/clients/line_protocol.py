# SPDX-License-Identifier: MIT
"""The client programs' side of the matrix: one JSON object a line, commands in, events out.

Commands (the key "do"): connect (host, port, jid, password, tls, ca; over WebSocket also url, tls is
then ws or wss), send (to, body), status, quit; watch (have a silent network noticed soon, once) to those that bind after it. Events (the key
"event"): online (jid, resumed), message (from, body), presence (from, type), disconnected, status,
log (text). A status answers a status: all commands before it were carried out. quit ends the
program without closing its stream.
"""

import asyncio
import json
import os
import sys


def emit(event, **more):
    sys.stdout.write(json.dumps({"event": event, **more}) + "\n")
    sys.stdout.flush()


async def obey(commands):
    """Reads commands until quit or the end of input; commands maps a name to a function."""
    loop = asyncio.get_running_loop()
    lines = asyncio.StreamReader(limit=1 << 22)
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    while line := await lines.readline():
        carry_out(line, commands)
    os._exit(0)


def carry_out(line, commands):
    """A program with a status of its own among its commands answers that itself."""
    command = json.loads(line)
    name = command.pop("do")
    if name == "quit":
        os._exit(0)
    if name == "status" and name not in commands:
        emit("status")
    else:
        commands[name](**command)
