# SPDX-License-Identifier: MIT
"""A TCP relay (asyncio): the network between a client and Holdfast, which fails on command.

It carries bytes and knows nothing of TLS or XML. The client always finds it at the same port. A
fault hits the connections that are there at that moment; later ones are served, or, while the gate
is shut, accepted and made to wait, as on a network that comes back slowly.
"""

import asyncio
import socket
import struct

import process

CHUNK = 16384


class Way:
    """One direction of a connection, from the socket read to the socket written."""

    def __init__(self, source, sink):
        self.source, self.sink = source, sink
        self.open = asyncio.Event()
        self.open.set()
        self.held = b""  # read, but kept back while the way is frozen
        self.discard = False
        self.allowance = None  # bytes that still pass before the way freezes
        self.used_up = asyncio.Event()

    async def carry(self):
        loop = asyncio.get_running_loop()
        try:
            while data := await loop.sock_recv(self.source, CHUNK):
                self.held = data
                await self.open.wait()
                self.held = b""
                if self.discard:
                    continue
                if self.allowance is not None:
                    data = data[: self.allowance]
                    self.allowance -= len(data)
                await loop.sock_sendall(self.sink, data)
                if self.allowance == 0:
                    self.open.clear()
                    self.used_up.set()
            await self.open.wait()
            self.sink.shutdown(socket.SHUT_WR)
        except OSError:
            pass


class Connection:
    def __init__(self, client, server):
        self.client, self.server = client, server
        self.up = Way(client, server)
        self.down = Way(server, client)
        self.tasks = [asyncio.create_task(way.carry()) for way in (self.up, self.down)]

    def freeze(self, up=True, down=True):
        """Carries nothing any more; the sockets stay as they are."""
        if up:
            self.up.open.clear()
        if down:
            self.down.open.clear()

    def reset(self, client=True, server=True):
        """RST, to both sides or to one; the other then stays open and silent."""
        for task in self.tasks:
            task.cancel()
        for end, wanted in ((self.client, client), (self.server, server)):
            if wanted and end.fileno() >= 0:
                end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                close(end)

    def finish(self):
        """FIN to both sides; what they still send is read and thrown away.

        What was held back on the way up arrives just before the FIN, so that the server has it
        while the client does not know.
        """
        try:
            self.server.send(self.up.held)
        except OSError:
            pass
        for way in (self.up, self.down):
            way.discard = True
            way.open.set()
        for end in (self.client, self.server):
            try:
                end.shutdown(socket.SHUT_WR)
            except OSError:
                pass

    def close(self):
        for task in self.tasks:
            task.cancel()
        close(self.client)
        close(self.server)


def close(end):
    """The event loop is told first, or it would drop the next socket with the same number."""
    if end.fileno() >= 0:
        loop = asyncio.get_running_loop()
        loop.remove_reader(end)
        loop.remove_writer(end)
        end.close()


class Relay:
    def __init__(self, target, host=process.LOOPBACK):
        self.host, self.target = host, target
        self.port = process.free_port()
        self.connections = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.arrivals = 0  # connections ever accepted
        self.waiting = set()

    async def start(self):
        self.listener = socket.create_server((self.host, self.port))
        self.listener.setblocking(False)
        self.accepting = asyncio.create_task(self.accept())

    async def accept(self):
        loop = asyncio.get_running_loop()
        while True:
            client, _ = await loop.sock_accept(self.listener)
            self.arrivals += 1
            task = asyncio.create_task(self.admit(client))
            self.waiting.add(task)
            task.add_done_callback(self.waiting.discard)

    async def admit(self, client):
        await self.gate.wait()
        loop = asyncio.get_running_loop()
        server = socket.socket()
        server.setblocking(False)
        try:
            await loop.sock_connect(server, (self.host, self.target))
        except OSError:
            client.close()
            server.close()
            return
        for end in (client, server):
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.connections.append(Connection(client, server))

    def current(self):
        """The newest connection."""
        return self.connections[-1]

    def shut(self):
        self.gate.clear()

    def let_in(self):
        self.gate.set()

    def stop_after(self, count, way):
        """Lets count more bytes pass on "up" (client to server) or "down", then freezes that way.

        Returns an event that says when it happened.
        """
        connection = self.current()
        chosen = connection.up if way == "up" else connection.down
        chosen.allowance = count
        return chosen.used_up

    async def close(self):
        for task in (self.accepting, *self.waiting):
            task.cancel()
        close(self.listener)
        for connection in self.connections:
            connection.close()
